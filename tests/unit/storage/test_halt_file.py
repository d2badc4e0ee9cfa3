"""The reserve: the state, and a halt that no state has, kept where nothing else can be."""

import stat

import pytest
from msgspec.structs import replace

from sidecar.core.saved import JournalPlace
from sidecar.daemon.recovery import state_of
from sidecar.storage import halt_file as module
from sidecar.storage.codec import encode_state
from sidecar.storage.halt_file import NOTE_BYTES, Halted, HaltFile, Kept, TooLarge, read_reserve
from sidecar.storage.journal_codec import Chain
from tests.disk import files_no_larger_than
from tests.scenario import START, World

FAULT = Halted("HALTED", "KeyError: half way", fault=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reserve"


@pytest.fixture
def states():
    """Three that can be told apart."""
    state = state_of(World().manager, Chain(7, "0" * 16), START)
    return [replace(state, journal=JournalPlace(seq=seq, sum="0" * 16)) for seq in (7, 8, 9)]


def at(path):
    kept = read_reserve(path).state
    return None if kept is None or kept.journal is None else kept.journal.seq


def test_the_newest_state_is_there_at_the_next_start(path, states):
    assert read_reserve(path) == Kept()
    reserve = HaltFile(path)
    assert read_reserve(path) == Kept()
    for state in states:
        reserve.keep(encode_state(state))
        kept = read_reserve(path).state
        assert kept is not None
        assert encode_state(kept) == encode_state(state)
    HaltFile(path).keep(encode_state(states[0]))
    assert at(path) == 7


def test_a_write_that_was_torn_leaves_the_state_before(path, states):
    reserve = HaltFile(path)
    for state in states:
        reserve.keep(encode_state(state))
    content = bytearray(path.read_bytes())
    content[NOTE_BYTES + 200] ^= 1  # the third lies where the first did
    path.write_bytes(content)
    assert at(path) == 8
    HaltFile(path).keep(encode_state(states[0]))
    assert at(path) == 7
    content = bytearray(path.read_bytes())
    content[NOTE_BYTES + 200] ^= 1
    path.write_bytes(content)
    assert at(path) == 8


def test_a_note_stays_until_the_next_state(path, states):
    reserve = HaltFile(path)
    reserve.keep(encode_state(states[0]))
    reserve.note(FAULT)
    assert (at(path), read_reserve(path).note) == (7, FAULT)
    HaltFile(path).keep(encode_state(states[1]))
    assert (at(path), read_reserve(path).note) == (8, None)
    reserve.note(Halted("HALTED", "lunch " * 1000))
    assert read_reserve(path).note == Halted("HALTED", ("lunch " * 1000)[:500])


def test_what_an_older_version_kept_is_taken_over(path):
    old = b'{"state":"HALTED","reason":"lunch"}'.ljust(NOTE_BYTES, b"\0")
    path.write_bytes(old)
    with files_no_larger_than(NOTE_BYTES), pytest.raises(OSError, match="too large"):
        HaltFile(path)
    assert path.read_bytes() == old
    HaltFile(path)
    assert read_reserve(path) == Kept(note=Halted("HALTED", "lunch"))


def test_it_takes_its_room_beforehand_and_is_its_owners_alone(path, states):
    reserve = HaltFile(path)
    size = path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with files_no_larger_than(0), pytest.raises(OSError, match="too large"):
        reserve.keep(encode_state(states[0]))
    with files_no_larger_than(size):
        reserve.keep(encode_state(states[1]))
        reserve.note(FAULT)
    assert (at(path), path.stat().st_size) == (8, size)


def test_a_state_without_room_is_refused_and_the_last_one_stays(path, states, monkeypatch):
    reserve = HaltFile(path)
    reserve.keep(encode_state(states[0]))
    monkeypatch.setattr(module, "SLOT_BYTES", 100)
    with pytest.raises(TooLarge):
        reserve.keep(encode_state(states[1]))
    monkeypatch.undo()
    assert at(path) == 7


def test_a_link_in_its_place_is_not_followed(path, states, tmp_path):
    reserve = HaltFile(path)
    other = tmp_path / "other"
    path.rename(other)
    path.symlink_to(other)
    before = other.read_bytes()
    with pytest.raises(OSError, match="symbolic"):
        reserve.keep(encode_state(states[0]))
    assert other.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * NOTE_BYTES, b"state 1 2 3\n" * 9_999])
def test_what_cannot_be_read_keeps_nothing_and_is_no_fault(path, content):
    path.write_bytes(content)
    assert read_reserve(path) == Kept()
    HaltFile(path)
    assert read_reserve(path) == Kept()
