"""The journal's files: appended, rotated, compressed, read back. Blocking: called from a thread.

    journal/000000000001.jsonl.gz        journal/000000004711.jsonl
    journal/000000000001.state.json.gz   journal/000000004711.state.json.gz

A file is named by its first line's number, and beside it lies the state it begins from, so that each
can be replayed by itself. Only the newest is open; an older one is compressed once and never touched
again. A line that was being written when the power went is cut off at the next start; any other
damage is an error that says where.
"""

import gzip
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from datetime import date, datetime
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from sidecar.core.saved import SavedState
from sidecar.core.vocabulary.errors import Misuse
from sidecar.storage.codec import StateFileError, decode_state
from sidecar.storage.files import replace_file, sync_directory
from sidecar.storage.journal_codec import FIRST_SUM, LINE_BYTES_MAX, Chain, Line, LineFault

FILE_BYTES_MAX: Final = 64 << 20  # rotated beyond this, and with each UTC day
NAME: Final = re.compile(r"(\d{12})\.jsonl(\.gz)?")
NUMBER: Final = re.compile(rb'\{"seq":(\d{1,18}),')
HELD: Final = re.compile(rb'\{"seq":(\d{1,18}),"sum":"([0-9a-f]+)",.*\n', re.DOTALL)


class JournalError(Misuse):
    """A journal that cannot be used as it is. The message names the file, the line and the mend."""


class Tail(NamedTuple):
    """The bytes cut off the end of the newest file: a write that never finished."""

    path: Path
    bytes_cut: int


class JournalFiles:
    """The files of one directory, open for appending at the end of the chain."""

    def __init__(self, directory: Path, *, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        """Makes the directory (0700). `recover` must be called before the first append."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._file_bytes_max = file_bytes_max
        self._file: FileIO | None = None
        self._size = 0
        self._day: date | None = None
        self._is_torn = False  # the last append failed somewhere within
        self._held = b""  # while reading: the last line that the snapshot holds

    # ------------------------------------------------------------------------------------ reading

    def recover(
        self,
        take: Callable[[Line], None],
        seq: int = 1,
        total: str = FIRST_SUM,
        *,
        may_end_before: bool = False,
    ) -> tuple[Chain, Tail | None]:
        """Hand over the lines after those that a snapshot holds, one by one, so that none is kept.
        Returns the chain's end, and the tail cut off.

        `seq` and `total` are the snapshot's place: the next line's number and the sum before it.
        `may_end_before`: the disk took no more when it was written. Raises JournalError for damage that is
        not an unfinished last write, and for a journal that ends before the snapshot's place.
        """
        paths = journal_paths(self._directory)
        chain = Chain(seq, total)
        following = [path for path in paths if first_seq(path) >= seq]
        within = [path for path in paths if first_seq(path) < seq][-1:]
        tail = None
        for path in within:
            tail = self._read(
                path, chain, take, is_newest=path == paths[-1], needs=not may_end_before
            )
        begins = [first_seq(path) for path in paths]
        if not may_end_before and seq > 1 and seq not in begins:
            self._see_that_it_reaches(seq, total)
        for path in following:
            tail = self._read(path, chain, take, is_newest=path == paths[-1])
        return chain, tail

    def _see_that_it_reaches(self, seq: int, total: str) -> None:
        """Raises JournalError where the line before the snapshot's place is not there."""
        found = HELD.match(self._held)
        if found is None or (int(found[1]), found[2]) != (seq - 1, total.encode()):
            last = int(found[1]) if found else 0
            raise JournalError(
                f"{self._directory}: the snapshot stands at line {seq}, and the journal ends at {last}:"
                " lines are missing; restore the directory from a backup, or start with run --rebuild from"
                " what Coinbase says"
            )

    def _read(
        self,
        path: Path,
        chain: Chain,
        take: Callable[[Line], None],
        *,
        is_newest: bool,
        needs: bool = False,
    ) -> Tail | None:
        """Read one file; where the newest ends in the middle of a write, cut that off. `needs`: it
        must reach the snapshot's place.
        """
        first, total, whole = chain.seq, chain.sum, 0
        for raw in _readable(path):
            if chain.seq == first and _is_before(raw, first):
                whole += len(raw)  # the snapshot holds it
                self._held = raw
                continue
            if needs and chain.seq == first:
                self._see_that_it_reaches(first, total)
            try:
                line = chain.read(raw)
            except LineFault as fault:
                if is_newest and path.suffix == ".jsonl" and _is_unfinished(path, whole):
                    return _cut(path, whole)
                raise JournalError(
                    f"{path.name}: {fault}; restore the directory from a backup, or start with"
                    " run --rebuild from what Coinbase says"
                ) from None
            take(line)
            whole += len(raw)
        return None

    # ---------------------------------------------------------------------------------- appending

    def is_due(self, at: datetime) -> bool:
        """Whether a new file is to begin: at the start, when the last is large, with each UTC day."""
        if self._file is None or self._day is None or self._size >= self._file_bytes_max:
            return True
        return at.date() > self._day  # a REST fact may be of just before midnight

    def begin(self, seq: int, at: datetime, base: bytes) -> None:
        """Begin a file whose first line has this number, with the state it begins from.

        Raises OSError; then no file has begun.
        """
        self.close()
        replace_file(base_path(self._directory, seq), gzip.compress(base, compresslevel=1))
        # No line in a file of this number can be whole: the chain has no such line yet.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
        descriptor = os.open(self._directory / f"{seq:012}.jsonl", flags, 0o600)
        self._file = FileIO(descriptor, "ab")
        self._size, self._is_torn = 0, False
        self._day = at.date()
        sync_directory(self._directory)

    def append(self, data: bytes) -> None:
        """Write whole lines to the file that has begun. Raises OSError; then it may be tried again."""
        assert self._file is not None
        if self._is_torn:
            self._file.truncate(self._size)  # the last try wrote a part
        self._is_torn = True
        rest = memoryview(data)
        while rest:  # unbuffered: bytes that a full disk refused are not kept to fail again
            rest = rest[self._file.write(rest) or 0 :]
        self._size += len(data)
        self._is_torn = False

    def sync(self) -> None:
        """All appended lines are on disk when this returns. Raises OSError."""
        if self._file is not None:
            os.fdatasync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None

    def compress_old(self) -> None:
        """Compress every finished file. A crash in the middle leaves the file as it was."""
        for path in journal_paths(self._directory)[:-1]:
            plain = path.with_name(path.name.removesuffix(".gz"))
            if path.suffix == ".jsonl":
                _compress(path)
            elif plain.exists():  # the last time ended between the two
                plain.unlink()

    def forget(self, before: datetime, seq: int) -> list[Path]:
        """Delete files that ended before a moment and hold no line at or after `seq`."""
        paths = journal_paths(self._directory)
        gone = []
        for path, following in pairwise(paths):
            if first_seq(following) <= seq and path.stat().st_mtime < before.timestamp():
                path.unlink()
                base_path(self._directory, first_seq(path)).unlink(missing_ok=True)
                gone.append(path)
        return gone


def journal_paths(directory: Path) -> list[Path]:
    """The journal's files, oldest first; where both forms of one exist, the finished one."""
    found: dict[int, Path] = {}
    if not directory.is_dir():
        return []
    for path in sorted(directory.iterdir(), key=lambda path: path.suffix != ".gz"):
        if NAME.fullmatch(path.name):
            found.setdefault(first_seq(path), path)
    return [found[seq] for seq in sorted(found)]


def base_path(directory: Path, seq: int) -> Path:
    """Where the state lies that the file with this first line begins from."""
    return directory / f"{seq:012}.state.json.gz"


def newest_base_seq(directory: Path) -> int:
    """Where the newest file with a state beside it begins; 0 where there is none."""
    firsts = [first_seq(path) for path in journal_paths(directory)]
    return max((seq for seq in firsts if base_path(directory, seq).exists()), default=0)


def newest_base(directory: Path) -> SavedState | None:
    """The state that the newest file begins from; None where there is none. Raises StateFileError."""
    paths = [base_path(directory, first_seq(path)) for path in journal_paths(directory)]
    for path in reversed(paths):
        if path.exists():
            return read_base(path)
    return None


def read_base(path: Path) -> SavedState:
    """A state that a file begins from. Raises StateFileError."""
    try:
        return decode_state(gzip.decompress(path.read_bytes()), path.name)
    except (OSError, EOFError, zlib.error) as error:
        raise StateFileError(
            f"{path} cannot be read ({error}); restore it from a backup, or start with run --rebuild"
        ) from None


def first_seq(path: Path) -> int:
    """The number of a file's first line."""
    return int(path.name.partition(".")[0])


def raw_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, each with its end; the last may lack it."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX):  # a longer one is not whole, and so damage
            yield line


def _readable(path: Path) -> Iterator[bytes]:
    """The same. Raises JournalError for a packed file that cannot be unpacked."""
    try:
        yield from raw_lines(path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise JournalError(
            f"{path.name} is damaged ({error}); restore the directory from a backup, or start with"
            " run --rebuild from what Coinbase says"
        ) from None


def _is_before(line: bytes, seq: int) -> bool:
    found = NUMBER.match(line)
    return found is not None and int(found[1]) < seq


def _is_unfinished(path: Path, whole: int) -> bool:
    """Whether the bytes behind the whole lines are one write cut short: no further line, or zeros
    only.
    """
    with path.open("rb") as file:
        file.seek(whole)
        rest = file.read()
    return b"\n" not in rest.rstrip(b"\0").rstrip(b"\n") and (
        not rest.endswith(b"\n") or not rest.strip(b"\0\n")
    )


def _cut(path: Path, whole: int) -> Tail:
    size = path.stat().st_size
    os.truncate(path, whole)
    return Tail(path, size - whole)


def _compress(path: Path) -> None:
    packed = path.with_name(path.name + ".gz")
    temporary = path.with_name(path.name + ".new")
    with path.open("rb") as source, gzip.open(temporary, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.chmod(0o600)
    os.utime(temporary, (path.stat().st_atime, path.stat().st_mtime))
    temporary.replace(packed)
    sync_directory(path.parent)
    path.unlink()
