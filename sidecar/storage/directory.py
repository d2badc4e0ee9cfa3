"""The state directory: one sidecar's alone, and the files in it. Blocking.

state/lock  state/state.json  state/journal/…  state/reserve  state/configuration.json
"""

from errno import ENOSPC
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sidecar.core.vocabulary.errors import Misuse
from sidecar.own_places import see_own, take_lock

STATE: Final = "state.json"
JOURNAL: Final = "journal"
LOCK: Final = "lock"
RESERVE: Final = "reserve"
CONFIGURATION: Final = "configuration.json"


class StateDirectory:
    """`with StateDirectory(path) as directory`: made (0700) and locked, until the block ends.

    Raises Misuse where another sidecar has it, this user may not write there, or others may.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / STATE
        self.journal = path / JOURNAL
        self.reserve = path / RESERVE
        self.configuration = path / CONFIGURATION
        self._lock: FileIO | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            see_own(self.path)
            self._lock = take_lock(self.path / LOCK)
            self.journal.mkdir(mode=0o700, exist_ok=True)
            see_own(self.journal)
            self._clear_away()
        except Misuse:
            self._release()
            raise
        except BlockingIOError:
            raise Misuse(
                f"{self.path}: another sidecar keeps its state here; stop it, or name another"
                " directory with --state-dir"
            ) from None
        except OSError as error:
            self._release()
            mend = "make room there, or name another directory"
            if error.errno != ENOSPC:
                mend = "name a directory that this user may write"
            raise Misuse(f"{self.path}: {error.strerror}; {mend}") from None
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._release()

    def _clear_away(self) -> None:
        """Remove files that a killed writer left half written: with the lock held, no process is
        writing them.
        """
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
