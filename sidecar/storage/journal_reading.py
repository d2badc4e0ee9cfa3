"""Reading the journal without touching it, while a sidecar may be writing it. Blocking.

No file is cut, made or locked. The newest file of a running sidecar may end in a line that is being
written: it is not there yet. An older file may be packed between the listing and the reading.
"""

import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from sidecar.core.vocabulary.errors import Misuse
from sidecar.storage.directory import JOURNAL
from sidecar.storage.journal_codec import LINE_BYTES_MAX, Header
from sidecar.storage.journal_files import JournalError, first_seq, journal_paths, raw_lines

# A fact's time may be when the reading of it began: lines are in order of time but for so much.
DISORDER: Final = timedelta(minutes=5)
_header: Final = msgspec.json.Decoder(Header).decode


class Wanted(NamedTuple):
    """Which lines are asked for; times are inclusive, no types are all types. `orders`: ids of a bot's or of
    Coinbase's, one of which the line must name.
    """

    types: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    is_refused: bool = False
    orders: frozenset[str] = frozenset()

    def takes(self, raw: bytes) -> bool:
        """Whether this line is wanted; one that cannot be read is, for the reader should see it."""
        header = header_of(raw)
        if header is None:
            return True
        if self.types and header.type not in self.types:
            return False
        if header.at is not None and (
            (self.since is not None and header.at < self.since)
            or (self.until is not None and header.at > self.until)
        ):
            return False
        return self._takes_content(header, raw)

    def _takes_content(self, header: Header, raw: bytes) -> bool:
        """The same by the fields of the line."""
        if self.is_refused and (header.type != "Decided" or b'"approved":false' not in raw):
            return False
        if not self.orders:
            return True
        named = (one for one in self.orders if one.encode() in raw)  # most lines name none
        row = msgspec.json.decode(raw)
        return any(_names(row, one) for one in named)


def _names(value: Any, name: str) -> bool:
    """Whether this text is a value somewhere in it, that of a create-order call in text among them."""
    match value:
        case str():
            return value == name or (value[:1] == "{" and name in value and _in_text(value, name))
        case dict():
            return any(_names(one, name) for one in value.values())
        case list():
            return any(_names(one, name) for one in value)
    return False


def _in_text(body: str, name: str) -> bool:
    try:
        return _names(msgspec.json.decode(body), name)
    except (msgspec.DecodeError, RecursionError):
        return False


def files_of(state_dir: Path) -> list[Path]:
    """The journal's files in a state directory, oldest first. Raises Misuse where there are none."""
    directory = state_dir / JOURNAL
    try:
        paths = journal_paths(directory)
    except OSError as error:
        raise Misuse(
            f"{directory}: {error.strerror}; ask as the user that runs the sidecar"
        ) from None
    if not paths:
        raise Misuse(
            f"{directory} holds no journal; name the sidecar's state directory with --state-dir DIR,"
            " or its configuration with --config FILE"
        )
    return paths


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file, the last perhaps unfinished. Raises JournalError for a file that cannot
    be read.
    """
    try:
        try:
            yield from raw_lines(path)
        except FileNotFoundError:  # packed meanwhile; raised before the first line
            yield from raw_lines(path.with_name(path.name + ".gz"))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise JournalError(
            f"{path.name}: cannot be unpacked ({error}); restore it from a backup, or start with run --rebuild"
        ) from None
    except OSError as error:
        mend = "ask as the user that runs the sidecar, and see that the file is still kept"
        raise JournalError(f"{path.name}: {error.strerror}; {mend}") from None


def is_unfinished(raw: bytes) -> bool:
    """Whether this is the beginning of a line that is being written, or never was to its end."""
    if not raw.strip(b"\0\n"):
        return True
    return not raw.endswith(b"\n") and len(raw) < LINE_BYTES_MAX


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file up to the first that is unfinished. Raises JournalError."""
    for raw in lines_of(path):
        if is_unfinished(raw):
            return
        yield raw


def header_of(raw: bytes) -> Header | None:
    """The header of a line; None for bytes that are no line."""
    try:
        return _header(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def first_at(path: Path) -> datetime | None:
    """When the first line of a file happened; None for an empty or damaged one."""
    for raw in whole_lines(path):
        header = header_of(raw)
        return None if header is None else header.at
    return None


def last_seq(path: Path) -> int:
    """About which number a file ends with; of a packed file, only where it begins."""
    if path.suffix == ".gz" or not path.exists():
        return first_seq(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LINE_BYTES_MAX))
        headers = map(header_of, reversed(file.read().splitlines()[-3:]))
    return next((header.seq for header in headers if header is not None), first_seq(path))


def last_lines(paths: list[Path], count: int, wanted: Wanted) -> list[bytes]:
    """The last lines that are wanted, oldest first. Reads no more files than that needs."""
    found: deque[bytes] = deque()
    for path in reversed(_until(paths, wanted.until)):
        room = count - len(found)
        if room <= 0 or _is_before(path, paths, wanted.since):
            break
        some = deque(filter(wanted.takes, whole_lines(path)), maxlen=room)
        found.extendleft(reversed(some))
    return list(found)


def lines_between(paths: list[Path], wanted: Wanted) -> Iterator[bytes]:
    """Every line that is wanted, oldest first. Reads no file that ended before, or began after."""
    for path in _until(paths, wanted.until):
        if not _is_before(path, paths, wanted.since):
            yield from filter(wanted.takes, whole_lines(path))


def file_of(paths: list[Path], place: int | datetime | None) -> Path:
    """The file that a line's number or a time falls in; the newest for None. Raises Misuse."""
    if place is None:
        return paths[-1]
    if isinstance(place, int):
        within = [path for path in paths if first_seq(path) <= place]
        words = f"line {first_seq(paths[0])}"
    else:
        within = list(_began_by(paths, place))
        began = first_at(paths[0])
        words = "a damaged line" if began is None else began.isoformat()
    if not within:
        raise Misuse(f"the journal begins only at {words}; name a later place with --from")
    return within[-1]


def _began_by(paths: Iterable[Path], at: datetime) -> Iterator[Path]:
    for path in paths:
        began = first_at(path)
        if began is not None and began > at:
            return
        yield path


def _until(paths: list[Path], until: datetime | None) -> list[Path]:
    """Without the files that began after a moment."""
    return paths if until is None else list(_began_by(paths, until + DISORDER))


def _is_before(path: Path, paths: list[Path], since: datetime | None) -> bool:
    """Whether the file after this one begins before a moment, and so this one ended before it."""
    if since is None or path == paths[-1]:
        return False
    following = first_at(paths[paths.index(path) + 1])
    return following is not None and following < since - DISORDER


Progress = Callable[[int], None]  # is told how many lines more have been read


def told(lines: Iterable[bytes], progress: Progress, every: int = 1_000) -> Iterator[bytes]:
    """The same lines; `progress` is told now and then."""
    count = 0
    for line in lines:
        yield line
        count += 1
        if count == every:
            progress(count)
            count = 0
    progress(count)
