"""The state directory: one sidecar's alone, and what lies in it. Blocking.

state/lock  state/state.json  state/journal/…  state/reserve
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from sidecar.core.errors import Misuse

STATE: Final = "state.json"
JOURNAL: Final = "journal"
LOCK: Final = "lock"
RESERVE: Final = "reserve"


class StateDirectory:
    """`with StateDirectory(path) as directory`: made (0700) and locked, until the block ends.

    Raises Misuse where another sidecar has it, or this user may not write there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / STATE
        self.journal = path / JOURNAL
        self.reserve = path / RESERVE
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = (self.path / LOCK).open("ab")
            os.fchmod(self._lock.fileno(), 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._release()
            raise Misuse(
                f"{self.path}: another sidecar keeps its state here; stop it, or name another"
                " directory with --state-dir"
            ) from None
        except OSError as error:
            self._release()
            raise Misuse(
                f"{self.path}: {error.strerror}; name a directory that this user may write"
            ) from None
        self._clear_away()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._release()

    def _clear_away(self) -> None:
        """What a killed writer left half written: with the lock held, nobody is writing it."""
        for directory in (self.path, self.journal):
            if directory.is_dir():
                for left in directory.iterdir():
                    if left.suffix == ".new" and left.is_file():
                        left.unlink()

    def set_aside(self, name: str) -> Path:
        """Move state, journal and reserve out of the way, into a directory of this name; where they went."""
        aside, number = self.path / name, 1
        while aside.exists():
            number += 1
            aside = self.path / f"{name}-{number}"
        aside.mkdir(mode=0o700)
        for part in (self.state, self.journal, self.reserve):
            if part.exists():
                part.rename(aside / part.name)
        return aside

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
