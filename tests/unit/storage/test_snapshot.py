"""State files on disk: the old one or the new one, whole, whatever happens in between."""

import asyncio
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sidecar.core.saved import SavedState, save_tracker
from sidecar.storage.codec import StateFileError, encode_state
from sidecar.storage.snapshot import (
    ORDERS_A_TURN,
    SIZE_BYTES_MAX,
    read_state,
    read_state_async,
    write_state,
    write_state_async,
)  # fmt: skip
from tests.disk import files_no_larger_than
from tests.scenario import START
from tests.tracking import Desk


def state(total=1):
    desk = Desk()
    desk.balance("BTC", total)
    return SavedState(saved_at=START, manager=None, tracker=save_tracker(desk.tracker))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.json"


@pytest.fixture(params=["sync", "async"])
def write(request):
    """Both ways to write, under one name."""

    async def written(path, state):
        if request.param == "sync":
            write_state(path, state)
        else:
            await write_state_async(path, state)

    return written


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_is_written_reads_back_either_way(path, write):
    await write(path, state())
    assert read_state(path) == await read_state_async(path) == state()


async def test_a_file_is_its_owners_alone_and_no_temporary_is_left(path, write):
    await write(path, state())
    assert mode(path) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]


async def test_a_new_state_replaces_the_old_one_whole(path, write):
    """By rename: whoever has the old file open still reads the old state."""
    await write(path, state(1))
    with path.open("rb") as opened:
        await write(path, state(2))
        assert opened.read() == encode_state(state(1))
    assert read_state(path) == state(2)


async def test_what_a_killed_writer_left_is_never_read_and_never_in_the_way(path, write):
    """Half a file, with loose permissions, under a temporary's name. Once it is stale it goes."""
    await write(path, state(1))
    left = path.with_name(".state.json.k1lled.new")
    left.write_bytes(encode_state(state(2))[:100])
    left.chmod(0o666)
    assert read_state(path) == state(1)
    await write(path, state(3))
    assert read_state(path) == state(3)
    assert mode(path) == 0o600
    assert left.exists()  # it may be another writer's, at work
    os.utime(left, (0, 0))
    await write(path, state(4))
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]


def test_writes_at_once_do_not_meet_in_one_temporary(path):
    """Every reader sees one of them, whole; nothing is left behind."""
    states = [state(total) for total in range(1, 9)]
    with ThreadPoolExecutor(len(states)) as pool:
        for _ in range(5):
            list(pool.map(lambda one: write_state(path, one), states))
            assert read_state(path) in states
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]


async def test_a_link_in_the_temporarys_place_is_not_followed(path, write, tmp_path):
    victim = tmp_path / "precious"
    victim.write_text("precious")
    link = path.with_name(".state.json.l1nk.new")
    link.symlink_to(victim)
    os.utime(link, (0, 0), follow_symlinks=False)
    await write(path, state())
    assert not link.is_symlink()
    assert victim.read_text() == "precious"
    assert not path.is_symlink()


async def test_a_full_disk_leaves_the_old_file_as_it_was(path, write):
    await write(path, state(1))
    before = path.read_bytes()
    with files_no_larger_than(100), pytest.raises(OSError, match="File too large"):
        await write(path, state(2))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]
    await write(path, state(2))
    assert read_state(path) == state(2)


async def test_a_missing_directory_is_the_callers_to_make(path, write):
    with pytest.raises(FileNotFoundError, match=r"no such directory; make it first: '.*/missing'"):
        await write(path.parent / "missing" / "state.json", state())


async def test_no_file_is_no_state(path):
    assert read_state(path) is None
    assert await read_state_async(path) is None


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data.replace(b'"1"', b'"2"'),
     lambda data: b"\0" * len(data), lambda data: data.replace(b'"version": 1', b'"version": 2'),
     lambda data: data.replace(b"sidecar state", b"sidecar other")],
    ids=["truncated", "empty", "edited", "zeroed", "newer", "foreign"],
)  # fmt: skip
async def test_a_file_that_cannot_be_used_is_refused_and_left_byte_for_byte(path, damage):
    damaged = damage(encode_state(state()))
    path.write_bytes(damaged)
    with pytest.raises(StateFileError, match=str(path)):
        read_state(path)
    with pytest.raises(StateFileError, match=str(path)):
        await read_state_async(path)
    assert path.read_bytes() == damaged


def test_a_directory_is_no_state_file(path):
    path.mkdir()
    with pytest.raises(StateFileError, match=r"cannot be read \(Is a directory\); fix that"):
        read_state(path)


def test_a_link_to_itself_is_no_state_file(path):
    path.symlink_to(path)
    with pytest.raises(StateFileError, match="cannot be read"):
        read_state(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(path):
    write_state(path, state())
    path.chmod(0)
    with pytest.raises(StateFileError, match=r"cannot be read \(Permission denied\)"):
        read_state(path)


def test_a_file_too_large_to_be_a_state_is_not_even_read(path):
    """A sparse file of more than any state takes no time and no memory."""
    with path.open("wb") as file:
        file.truncate(SIZE_BYTES_MAX + 1)
    with pytest.raises(StateFileError, match="too large to be a state file"):
        read_state(path)


async def test_a_snapshot_is_of_one_moment_though_it_takes_its_time(path):
    """A fill that comes while the ended orders are encoded is not half in it."""
    desk = Desk()
    desk.balance("USD", 1_000_000)
    for number in range(2 * ORDERS_A_TURN + 1):
        desk.fill("BUY", "0.001", 100, entry_id=f"e{number}", order_id=f"o{number}")
        desk.report(f"o{number}", "FILLED", filled="0.001", average_price=100)
    last = f"o{2 * ORDERS_A_TURN}"
    before = encode_state(
        SavedState(saved_at=START, manager=None, tracker=save_tracker(desk.tracker))
    )
    writing = asyncio.get_running_loop().create_task(
        write_state_async(
            path, SavedState(saved_at=START, manager=None, tracker=save_tracker(desk.tracker))
        )
    )
    await asyncio.sleep(0)
    desk.fill("BUY", "0.001", 100, entry_id="late", order_id=last)
    await writing
    assert path.read_bytes() == before
    assert last.encode() in before
