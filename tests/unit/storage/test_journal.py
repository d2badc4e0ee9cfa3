"""The journal's writer: on disk in time, at once where asked, and what a full disk does to it."""

import asyncio
import os
import threading
import tracemalloc
from contextlib import contextmanager

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.storage import disk_thread
from sidecar.storage import journal as journal_module
from sidecar.storage.journal import Journal
from sidecar.storage.journal_codec import FIRST_SUM, Chain
from sidecar.storage.journal_files import JournalFiles, base_path, journal_paths
from tests.disk import files_no_larger_than
from tests.scenario import START


class Kept:
    """A journal, what it told of the disk, and how often its state was asked for."""

    def __init__(self, directory, *, was_full=False, **options):
        self.directory = directory
        self.told: list[bool] = []
        files = JournalFiles(directory, **options)
        chain, _ = files.recover(lambda _line: None)
        self.journal = Journal(files, chain, self.state, self.told.append, was_full=was_full)

    def state(self):
        return b'{"seq": %d}' % self.journal.place.seq

    def note(self, count=1):
        for _ in range(count):
            self.journal.note(ev.ClockAdvanced(at=START), START)
            self.journal.commit(START)

    def seqs(self):
        return seqs(self.directory)


def seqs(directory, seq=1, total=FIRST_SUM):
    read = []
    JournalFiles(directory).recover(lambda line: read.append(line.header.seq), seq, total)
    return read


@pytest.fixture
def keep():
    """Journals that are closed whatever happens."""
    made = []

    def kept(directory, **options):
        made.append(Kept(directory, **options))
        return made[-1]

    yield kept
    for one in made:
        one.journal._files.close()


@contextmanager
def running(kept):
    task = asyncio.get_running_loop().create_task(kept.journal.run())
    try:
        yield
    finally:
        task.cancel()


async def until(look):
    async with asyncio.timeout(60):
        while not look():  # noqa: ASYNC110 - a thread writes, and tells nobody
            await asyncio.sleep(0.01)


async def test_what_is_noted_is_on_disk_soon(keep, tmp_path):
    kept = keep(tmp_path)
    with running(kept):
        kept.note(3)
        assert kept.seqs() == []
        await until(lambda: kept.seqs() == [1, 2, 3])
    assert kept.told == []


async def test_synced_it_is_on_disk_at_once_with_all_before_it(keep, tmp_path):
    kept = keep(tmp_path)
    kept.note(3)
    kept.journal.sync()
    assert kept.seqs() == [1, 2, 3]


async def test_beside_each_file_lies_the_state_it_begins_from(keep, tmp_path):
    kept = keep(tmp_path, file_bytes_max=200)
    for _ in range(6):
        kept.note()
        kept.journal.sync()
    firsts = [int(path.name[:12]) for path in journal_paths(tmp_path)]
    assert firsts[0] == 1
    assert len(firsts) > 1
    assert all(base_path(tmp_path, seq).exists() for seq in firsts)


async def test_what_was_discarded_never_was(keep, tmp_path):
    kept = keep(tmp_path)
    kept.note(2)
    kept.journal.note(ev.ClockAdvanced(at=START), START)
    kept.journal.discard()
    kept.note(1)
    kept.journal.close()
    assert kept.seqs() == [1, 2, 3]


async def test_a_full_disk_is_told_once_and_loses_nothing(keep, tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "RETRY_S", 0.05)
    kept = keep(tmp_path)
    kept.note(2)
    kept.journal.sync()
    size = journal_paths(tmp_path)[0].stat().st_size
    with running(kept):
        with files_no_larger_than(size + 10):
            kept.note(3)
            kept.journal.sync()
            assert kept.told == [True]
            await asyncio.sleep(0)
            kept.note(2)
            kept.journal.sync()
            assert kept.told == [True]
        await until(lambda: kept.told == [True, False])
    assert kept.seqs() == [1, 2, 3, 4, 5, 6, 7]


async def test_beyond_what_memory_should_hold_it_goes_on_from_a_new_state(
    keep, tmp_path, monkeypatch
):
    """The history has a hole; what is in force is in the state that the next file begins from."""
    monkeypatch.setattr(journal_module, "RETRY_S", 0.05)
    monkeypatch.setattr(journal_module, "WAITING_BYTES_MAX", 300)
    kept = keep(tmp_path)
    kept.note(2)
    kept.journal.sync()
    size = journal_paths(tmp_path)[0].stat().st_size
    with files_no_larger_than(size + 10):
        kept.journal.sync()
        for _ in range(9):
            kept.note()
            kept.journal.sync()
        assert kept.journal.has_hole
    with running(kept):
        await until(lambda: kept.told == [True, False])
        seq, total = kept.journal.place.seq, kept.journal.place.sum
        kept.note(2)
        kept.journal.sync()
    assert seqs(tmp_path, seq, total) == [seq, seq + 1]
    assert base_path(tmp_path, seq).exists()


async def test_a_disk_that_fails_to_sync_is_not_believed(keep, tmp_path, monkeypatch):
    kept = keep(tmp_path)
    kept.note(2)

    def fails(_self):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(JournalFiles, "sync", fails)
        kept.journal.sync()
    assert kept.told == [True]
    assert kept.journal.has_hole


def test_the_chain_goes_on_where_it_ended(keep, tmp_path):
    kept = keep(tmp_path)
    kept.note(2)
    kept.journal.close()
    again = keep(tmp_path)
    assert (again.journal.place.seq, again.journal.place.sum) == (3, kept.journal.place.sum)
    assert again.journal.place.sum != Chain().sum


@pytest.mark.parametrize("count", [0, 1])
def test_closing_twice_is_no_matter(keep, tmp_path, count):
    kept = keep(tmp_path)
    kept.note(count)
    kept.journal.close()
    kept.journal.close()
    assert len(kept.seqs()) == count


async def test_a_file_that_was_begun_and_not_written_is_begun_again_whole(
    keep, tmp_path, monkeypatch
):
    """The disk fills between a file's beginning and its first lines: nothing torn stays in it."""
    monkeypatch.setattr(journal_module, "RETRY_S", 0.05)
    kept = keep(tmp_path)
    with running(kept):
        with files_no_larger_than(100):  # room for the state, not for the lines
            kept.note(4)
            kept.journal.sync()
            assert kept.told == [True]
        await until(lambda: kept.told == [True, False])
    assert kept.seqs() == [1, 2, 3, 4]


async def test_the_first_success_after_a_start_on_a_full_disk_is_told(keep, tmp_path):
    kept = keep(tmp_path, was_full=True)
    kept.note(1)
    kept.journal.sync()
    assert kept.told == [False]


async def test_a_hole_is_told_of_once(keep, tmp_path, monkeypatch):
    """While the disk is full, giving lines up does not make room."""
    monkeypatch.setattr(journal_module, "WAITING_BYTES_MAX", 300)
    kept = keep(tmp_path)
    kept.note(2)
    kept.journal.sync()
    with files_no_larger_than(20):
        for _ in range(12):
            kept.note(2)
            await kept.journal.flush()
        assert kept.told == [True]


async def test_room_is_not_told_of_while_a_later_write_found_none(keep, tmp_path, monkeypatch):
    """The thread wrote all it found; before the loop hears of it, the disk is full again."""
    kept = keep(tmp_path)
    kept.note(1)

    do = kept.journal.disk.do

    async def and_then_it_is_full(drain):
        took_all = await do(drain)
        with files_no_larger_than(0):
            kept.note(1)
            kept.journal.sync()
        return took_all

    with monkeypatch.context() as later:
        later.setattr(kept.journal.disk, "do", and_then_it_is_full)
        await kept.journal.flush()
    assert (kept.told, kept.journal.is_full) == ([True], True)
    await kept.journal.flush()
    assert (kept.told, kept.seqs()) == ([True, False], [1, 2])


BODY = b'{"client_order_id": "%06d", "more": "' + b"x" * 60_000 + b'"}'
BODIES = 2_500  # 150 MB


@pytest.mark.parametrize("flushes", [False, True], ids=["in one turn", "tried again now and then"])
async def test_on_a_full_disk_requests_take_no_more_than_the_bound(keep, tmp_path, flushes):
    """Before they are encoded they take room, too."""
    kept = keep(tmp_path)
    kept.note()
    await kept.journal.flush()
    tracemalloc.start()
    try:
        with files_no_larger_than(0):
            for number in range(BODIES):
                body = BODY % number
                kept.journal.note(ev.OrderProposed(at=START, body=body), START)
                kept.journal.commit(START)
                if flushes and number % 100 == 0:
                    await kept.journal.flush()
            await kept.journal.flush()
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.told == [True]
    assert peak < 4 * journal_module.WAITING_BYTES_MAX


async def test_a_buffer_that_is_full_is_no_full_disk(keep, tmp_path, monkeypatch):
    """Lines that come faster than they are written are waited for: nothing is lost, and nobody is told."""
    monkeypatch.setattr(journal_module, "WAITING_BYTES_MAX", 1_000)
    kept = keep(tmp_path)
    kept.note(500)
    assert kept.journal.place.seq == 501
    kept.note(500)
    await kept.journal.flush()
    assert (kept.told, kept.journal.is_full, kept.journal.has_hole) == ([], False, False)
    assert kept.seqs() == list(range(1, 1_001))


# --- A disk that hangs ----------------------------------------------------------------------------


@pytest.fixture
def disk(monkeypatch):
    """It answers while `opened` is set."""
    opened = threading.Event()
    opened.set()
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda file, real=real: opened.wait(60) and real(file))
    yield opened
    opened.set()


async def hanging(kept, disk, monkeypatch, flush=None):
    """Until it is known to hang."""
    with monkeypatch.context() as soon:
        soon.setattr(disk_thread, "WITHIN_S", 0.02)
        disk.clear()
        await (flush or kept.journal.flush)()


async def test_a_disk_that_hangs_is_told_and_loses_nothing(keep, tmp_path, monkeypatch, disk):
    monkeypatch.setattr(journal_module, "RETRY_S", 0.05)
    kept = keep(tmp_path)
    kept.note(2)
    kept.journal.sync()
    with running(kept):
        kept.note(3)
        await hanging(kept, disk, monkeypatch)
        assert (kept.told, kept.journal.is_full) == ([True], True)
        for _ in range(3):  # nobody waits for it any more
            kept.note()
            kept.journal.sync()
            await kept.journal.flush()
        assert kept.told == [True]
        disk.set()
        await until(lambda: kept.told == [True, False])
    assert kept.seqs() == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_sync_at_once_that_hangs_is_waited_for_no_longer(keep, tmp_path, monkeypatch, disk):
    kept = keep(tmp_path)
    kept.note(2)

    async def sync():
        kept.journal.sync()

    await hanging(kept, disk, monkeypatch, sync)
    assert (kept.told, kept.journal.is_full) == ([True], True)
    kept.journal.close()  # which does not wait either
    disk.set()
    await until(lambda: not kept.journal.disk.hangs)


@pytest.mark.parametrize("hangs_in", ["a write", "a sync"])
async def test_a_disk_that_hangs_for_too_long_leaves_a_hole(
    keep, tmp_path, monkeypatch, disk, hangs_in
):
    """What the thread has at hand when it is given up may be written; then comes the new state."""
    monkeypatch.setattr(journal_module, "RETRY_S", 0.05)
    monkeypatch.setattr(journal_module, "WAITING_BYTES_MAX", 300)
    kept = keep(tmp_path)
    kept.note(2)
    kept.journal.sync()
    if hangs_in == "a write":
        append = JournalFiles.append
        monkeypatch.setattr(
            JournalFiles, "append", lambda self, lines: disk.wait(60) and append(self, lines)
        )
    with running(kept):
        kept.note(1)
        await hanging(kept, disk, monkeypatch)
        kept.note(1)
        kept.journal.sync()
        kept.note(600)
        assert kept.journal.place is not None
        assert kept.journal.has_hole
        disk.set()
        await until(lambda: kept.told == [True, False])
        seq, total = kept.journal.place.seq, kept.journal.place.sum
        kept.note(2)
        kept.journal.sync()
    assert seqs(tmp_path, seq, total) == [seq, seq + 1]
    assert base_path(tmp_path, seq).exists()


async def test_what_is_to_be_done_before_a_write_is_done_by_the_one_who_writes(keep, tmp_path):
    kept, done = keep(tmp_path), []
    kept.note()
    await kept.journal.flush(lambda: done.append(kept.seqs()))
    kept.note()
    kept.journal.sync(lambda: done.append(kept.seqs()))
    assert done == [[], [1]]
    assert kept.seqs() == [1, 2]


async def test_a_full_buffer_is_waited_for_beside_the_loop(keep, tmp_path, monkeypatch, disk):
    """Only far beyond the bound the loop waits, too."""
    kept = keep(tmp_path)
    kept.note()
    kept.journal.sync()
    line = journal_paths(tmp_path)[0].stat().st_size
    monkeypatch.setattr(journal_module, "WAITING_BYTES_MAX", 100 * line)
    disk.clear()
    flushing = asyncio.create_task(kept.journal.flush())
    await asyncio.sleep(0)
    waits = []

    def wait(_self, work):
        waits.append(work)
        return True

    monkeypatch.setattr(disk_thread.DiskThread, "wait", wait)
    kept.note(120)
    assert kept.journal.place.seq == 122
    assert waits == []
    kept.note(60)
    assert kept.journal.place.seq == 182
    assert len(waits) == 1
    disk.set()
    await flushing
    await kept.journal.flush()
    monkeypatch.undo()
    assert kept.seqs() == list(range(1, 182))
