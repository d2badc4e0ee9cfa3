"""A small file whose room is taken beforehand, so that a halt can be kept when the disk is full.

It is overwritten in place, which needs no new room, and read at the next start. Blocking, and short.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

SIZE_BYTES: Final = 4096  # one block: written whole or not at all


class Halted(Struct):
    """That the account was halted, or being flattened, when the disk took no more."""

    state: str
    reason: str


class Reserve:
    """The file at `path`; made, filled and on disk when this returns. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists() or path.stat().st_size != SIZE_BYTES:
            self._write(b"")
        self._keeps = self.kept() is not None

    def keep(self, halted: Halted) -> None:
        """Keep this. Raises OSError."""
        self._keeps = True
        self._write(msgspec.json.encode(Halted(halted.state, halted.reason[:500])))

    def clear(self) -> None:
        """Nothing is kept here any more: the journal has it. Raises OSError."""
        if self._keeps:
            self._write(b"")
            self._keeps = False

    def kept(self) -> Halted | None:
        """What was kept; None for nothing, or nothing that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes().rstrip(b"\0"), type=Halted)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _write(self, data: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, data.ljust(SIZE_BYTES, b"\0"), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
