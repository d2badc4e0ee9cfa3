"""Is the journal whole? Every line's number and sum, every base state, every file's place. Blocking.

A hole is not damage: while the disk was full, lines were given up, and the next file begins from a
state that says the disk was full. A number that jumps without that is a file that is missing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple

from sidecar import clock
from sidecar.core.saved import SavedState
from sidecar.storage.codec import StateFileError
from sidecar.storage.directory import STATE
from sidecar.storage.journal_codec import FIRST_SUM, Chain, LineFault
from sidecar.storage.journal_files import JournalError, base_path, first_seq, read_base
from sidecar.storage.journal_reading import files_of, is_unfinished, lines_of, told
from sidecar.storage.snapshot import read_state

Kind = Literal["damage", "hole", "unfinished"]
RESTORE: Final = "restore the file from a backup"
STOPS: Final = "the next start stops here, or begins with run --rebuild from what Coinbase says"
HISTORY: Final = "it is history, which no start needs"
SETTLED_S: Final = 5.0  # a snapshot younger than this may be ahead of lines about to be written


class Remark(NamedTuple):
    """A finding at one place of the journal. `mend` is empty where none is needed."""

    kind: Kind
    file: str
    line: int
    text: str
    mend: str = ""


class Verdict(NamedTuple):
    """The result. `first` and `last` are the numbers of the first and the last whole line."""

    files: int
    lines: int
    first: int
    last: int
    remarks: list[Remark]

    @property
    def is_whole(self) -> bool:
        """Whether there is no damage."""
        return not any(remark.kind == "damage" for remark in self.remarks)


def verify(state_dir: Path, progress: Callable[[int], None]) -> Verdict:
    """Walk the whole journal. Raises Misuse where there is none."""
    paths = files_of(state_dir)
    walk = _Walk(paths, progress)
    for path in paths:
        walk.file(path)
    walk.snapshot(state_dir / STATE)
    return Verdict(len(paths), walk.lines, first_seq(paths[0]), walk.last, walk.remarks)


class _Walk:
    """Where the walk has come to."""

    def __init__(self, paths: list[Path], progress: Callable[[int], None]) -> None:
        self.remarks: list[Remark] = []
        self.lines = 0
        self.last = first_seq(paths[0]) - 1
        self._newest = paths[-1]
        self._progress = progress
        self._end: Chain | None = None  # of the file before; None where that is not known

    def file(self, path: Path) -> None:
        """One file: where it begins, and every line."""
        chain = self._beginning(path)
        if chain is None:
            self._end = None
            return
        self._end = chain
        try:
            for raw in told(lines_of(path), self._progress):
                if path == self._newest and path.suffix == ".jsonl" and is_unfinished(raw):
                    text = (
                        f"ends in {len(raw):,} bytes of an unfinished line: it is being written,"
                        " or the next start cuts it off"
                    )
                    self.remarks.append(Remark("unfinished", path.name, chain.seq, text))
                    return
                chain.read(raw)
                self.lines, self.last = self.lines + 1, chain.seq - 1
        except LineFault as fault:
            text = f"{str(fault).partition(': ')[2]}; the rest of the file was not looked at"
            self._damage(path, fault.seq, text, RESTORE)
            self._end = None
        except JournalError as error:
            text = str(error).partition(": ")[2].partition(";")[0]
            self._damage(path, chain.seq, text, RESTORE)
            self._end = None

    def _beginning(self, path: Path) -> Chain | None:
        """Where the file's chain begins, by its base state and by the file before."""
        seq, before = first_seq(path), self._end
        base = self._base(path, seq)
        place = None if base is None else base.journal
        if base is None or place is None or place.seq != seq:
            if base is not None:
                where = "nowhere" if place is None else f"at line {place.seq}"
                text = f"stands {where}, not at line {seq}"
                self._damage(base_path(path.parent, seq), seq, text, RESTORE)
            if before is not None and before.seq == seq:
                return Chain(seq, before.sum)
            return Chain(seq, FIRST_SUM) if seq == 1 else None
        if before is not None and before.seq != seq:
            self._jump(path, before.seq, seq, base)
        elif before is not None and before.sum != place.sum:
            self._damage(path, seq, "does not go on from the file before", RESTORE)
        return Chain(place.seq, place.sum)

    def _base(self, path: Path, seq: int) -> SavedState | None:
        base = base_path(path.parent, seq)
        try:
            return read_base(base)
        except StateFileError as error:
            text = "the state that the file begins from is missing"
            if base.exists():
                text = f"the state that the file begins from cannot be read ({error})"
            self._damage(base, seq, text, f"{RESTORE}; until then nothing can be replayed from it")
            return None

    def _jump(self, path: Path, after: int, seq: int, base: SavedState) -> None:
        causes = base.manager.causes if base.manager is not None else []
        lost = f"lines {after} to {seq - 1}" if seq > after else f"line {after} comes twice"
        if seq > after and any(cause.code == "DISK_FULL" for cause in causes):
            text = f"{lost} were given up while the disk was full; what was in force is in the state that follows"
            self.remarks.append(Remark("hole", path.name, after, text))
            return
        text = f"{lost} are missing before it" if seq > after else lost
        self._damage(path, after, text, "restore the missing file from a backup")

    def snapshot(self, state: Path) -> None:
        """Whether the snapshot is whole and within the journal, and the lines that a start needs."""
        try:
            saved = read_state(state)
        except StateFileError as error:
            text, _, mend = str(error).partition("; ")
            self.remarks.append(Remark("damage", state.name, 0, text, mend))
            return
        place = saved.journal if saved is not None else None
        needed = place.seq if place is not None else first_seq(self._newest)
        for number, remark in enumerate(self.remarks):
            if remark.kind == "damage":
                is_needed = remark.line >= needed and not remark.file.endswith(".state.json.gz")
                self.remarks[number] = remark._replace(
                    mend=f"{remark.mend}; {STOPS if is_needed else HISTORY}"
                )
        if self._end is not None and needed > self._end.seq and _is_settled(state):
            text = f"the snapshot stands at line {needed}, and the journal ends at {self.last}"
            self._damage(
                self._newest, self._end.seq, text, "restore the file that followed from a backup"
            )

    def _damage(self, path: Path, line: int, text: str, mend: str) -> None:
        self.remarks.append(Remark("damage", path.name, line, text, mend))


def _is_settled(state: Path) -> bool:
    return clock.unix() - state.stat().st_mtime > SETTLED_S
