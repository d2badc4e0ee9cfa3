"""The reserve: the state in room that is taken beforehand, so that neither a full disk nor a
journal whose end is lost can lose a tightening cause.

    block 0   note: a halt by a fault of our own, which no state has
    slot 0    number, length, checksum, state (compressed)
    slot 1    the same; the two are written in turn, so that one is always whole

It is overwritten in place, which needs no new room, and read at the next start. Blocking, and short.
"""

import os
import threading
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from sidecar.core.context.state import Level
from sidecar.core.saved import SavedState
from sidecar.storage.codec import StateFileError, decode_state
from sidecar.storage.files import replace_file

NOTE_BYTES: Final = 4096  # one block: written whole or not at all
SLOT_BYTES: Final = 2 << 20
SLOTS: Final = 2
HEAD: Final = b"state %d %d %s\n"  # number, length and checksum of the state behind it


class Halted(Struct, omit_defaults=True):
    """The account's level, where no state says so: HALTED, LIQUIDATING or REDUCE_ONLY, of all
    trading. `fault`: the sidecar halted by a fault of its own.
    """

    state: Level
    reason: str
    fault: bool = False


class TooLarge(Exception):
    """A state for which a slot has no room."""


class Kept(NamedTuple):
    """The content of a reserve; None for an empty or unreadable part."""

    state: SavedState | None = None
    note: Halted | None = None


class HaltFile:
    """The file at `path`; made, filled and on disk when this returns. Raises OSError, and its
    content stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        known = _content(path)
        if len(known) != _size():
            known = known[:NOTE_BYTES].ljust(_size(), b"\0")
            replace_file(path, known)
        self.standing = _note(known)  # the note, if any
        self._number, self._next = 0, 0
        for slot in range(SLOTS):
            found = _slot(known, slot)
            if found is not None and found[0] > self._number:
                self._number, self._next = found[0], (slot + 1) % SLOTS

    def keep(self, state: bytes, *, ends_note: bool = True) -> None:
        """Keep this state, in place of the last one, and of a note. Raises OSError, and TooLarge."""
        packed = zlib.compress(state, 1)
        with self._lock:
            number = self._number + 1
            head = HEAD % (number, len(packed), _checksum(packed))
            if len(head) + len(packed) > SLOT_BYTES:
                raise TooLarge
            self._write(head + packed, NOTE_BYTES + self._next * SLOT_BYTES)
            self._number, self._next = number, (self._next + 1) % SLOTS
        if ends_note:
            self.forget_note()

    def forget_note(self) -> None:
        """No note stands beside the state any more. Raises OSError."""
        with self._lock:
            if self.standing is not None:
                self._write(b"\0" * NOTE_BYTES, 0)
                self.standing = None

    def note(self, halted: Halted) -> None:
        """Keep this beside the state, until the next. Raises OSError."""
        short = Halted(halted.state, halted.reason[:500], halted.fault)
        with self._lock:
            self.standing = short
            self._write(msgspec.json.encode(short).ljust(NOTE_BYTES, b"\0"), 0)

    def _write(self, data: bytes, place: int) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            rest, at = memoryview(data), place
            while rest:
                count = os.pwrite(descriptor, rest, at)
                rest, at = rest[count:], at + count
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


def read_reserve(path: Path) -> Kept:
    """The content at `path`."""
    content = _content(path)
    newest: tuple[int, SavedState] | None = None
    for slot in range(SLOTS):
        found = _slot(content, slot)
        if found is not None and (newest is None or found[0] > newest[0]):
            state = _unpacked(found[1], path.name)
            newest = newest if state is None else (found[0], state)
    return Kept(newest[1] if newest else None, _note(content))


def _size() -> int:
    return NOTE_BYTES + SLOTS * SLOT_BYTES


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _note(content: bytes) -> Halted | None:
    try:
        return msgspec.json.decode(content[:NOTE_BYTES].rstrip(b"\0"), type=Halted)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _slot(content: bytes, slot: int) -> tuple[int, bytes] | None:
    """Number and content of a slot that is whole."""
    place = NOTE_BYTES + slot * SLOT_BYTES
    head, end, packed = content[place : place + SLOT_BYTES].partition(b"\n")
    words = head.split(b" ")
    if not end or len(words) != 4 or not (words[1].isdigit() and words[2].isdigit()):
        return None
    packed = packed[: int(words[2])]
    return (int(words[1]), packed) if words[3] == _checksum(packed) else None


def _unpacked(packed: bytes, name: str) -> SavedState | None:
    try:
        return decode_state(zlib.decompress(packed), name)
    except (zlib.error, StateFileError):
        return None


def _checksum(packed: bytes) -> bytes:
    return blake2b(packed, digest_size=16).hexdigest().encode()
