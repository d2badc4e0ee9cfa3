"""Recorded quotes from CSV files, row by row: a file is never held in memory.

A file is CSV, or gzip of it when its name ends in `.gz`; UTF-8; its first line names the columns
`time,product_id,bid,bid_size,ask,ask_size` in any order, others beside them are passed over. Times
are RFC 3339 in UTC and never go back. Digits of a second beyond the sixth are cut off: a datetime
counts microseconds.

Every row is a quote the exchange can trade on, or the replay is refused, with file and line: a bid
at or above the ask cannot stand in one exchange's book, and a side of size zero is no side.
"""

import csv
import gzip
import heapq
import re
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from io import BufferedReader
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import IO, Final, NamedTuple

from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.money import ONE, TWO, ZERO, amount, with_money
from sidecar.paper.venue.quote import Quote

COLUMNS: Final = ("time", "product_id", "bid", "bid_size", "ask", "ask_size")
LINE_BYTES_MAX: Final = (
    64 * 1024
)  # a row has some 80; a file without line ends must not fill memory
PREVIEW_ROWS: Final = 10_000  # of each file: some 0.1 s
STEP_ROWS: Final = 500  # of each product: its increments are read from them
PRODUCTS_MAX: Final = 2_000  # in a file; Coinbase lists some 800

PRODUCT: Final = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}", re.ASCII)
# Four numbers as nearly every file writes them; `amount` judges, and explains, all others.
PLAIN: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?(,[0-9]{1,15}(\.[0-9]{1,15})?){3}", re.ASCII)
TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]00:00)", re.ASCII
)


class ReplayError(Misuse):
    """A file that cannot be replayed. The message names file, line (0: the whole file) and mend."""

    def __init__(self, path: Path, line: int, fault: str) -> None:
        place = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{place}: {fault}")
        self.path = path
        self.line = line


class Seen(NamedTuple):
    """A product as the first rows show it."""

    mid: Decimal  # of its first quote
    price_step: Decimal  # a power of ten, 1 at most, of which all its prices are multiples
    size_step: Decimal  # the same of its sizes


class Preview(NamedTuple):
    """The preview of some files by their first rows: when they begin, and with which books."""

    start: datetime
    books: dict[str, Seen]


def read_quotes(paths: Sequence[Path], listed: Container[str] | None = None) -> Iterator[Quote]:
    """All quotes of these files, merged in time order; at equal times, in the order of the files.

    A product that is not `listed` (None: all are) is a fault like others. Raises ReplayError
    where a file cannot be read further; quotes before have been given out.
    """
    files = [_quotes(path, listed) for path in paths]
    return files[0] if len(files) == 1 else heapq.merge(*files, key=itemgetter(0))


@with_money
def preview(paths: Sequence[Path]) -> Preview:
    """When these files begin and which books they hold, by their first `PREVIEW_ROWS` rows each.

    A product that first appears further down is not among the books. Raises ReplayError, also for
    faults in these rows.
    """
    first: dict[str, Quote] = {}
    sample: dict[str, list[Quote]] = {}
    for path in paths:
        for quote in islice(_quotes(path), PREVIEW_ROWS):
            if len(quotes := sample.setdefault(quote.product_id, [])) < STEP_ROWS:
                quotes.append(quote)
            known = first.get(quote.product_id)
            if known is None or quote.at < known.at:
                first[quote.product_id] = quote
    if not first:
        raise Misuse("a replay needs at least one file: replay:FILE[,FILE…]")
    books = {product_id: _seen(quote, sample[product_id]) for product_id, quote in first.items()}
    return Preview(min(quote.at for quote in first.values()), books)


def _seen(first: Quote, sample: list[Quote]) -> Seen:
    prices = _step(value for quote in sample for value in (quote.bid, quote.ask))
    sizes = _step(value for quote in sample for value in (quote.bid_size, quote.ask_size))
    return Seen((first.bid + first.ask) / TWO, prices, sizes)


def _step(values: Iterable[Decimal]) -> Decimal:
    """The largest power of ten, 1 at most, of which all are multiples."""
    return ONE.scaleb(min(0, *(int(value.as_tuple().exponent) for value in values)))


def _quotes(path: Path, listed: Container[str] | None = None) -> Iterator[Quote]:
    """The quotes of one file."""
    lines = _lines(path)
    number, line = next(lines, (0, ""))
    if not number:
        raise ReplayError(path, 0, f"is empty; its header must be {','.join(COLUMNS)}")
    header = number
    try:
        read = _Rows(line, listed)
    except ValueError as fault:
        raise ReplayError(path, number, str(fault)) from fault
    for number, line in lines:
        try:
            quote = read.quote(line)
        except ValueError as fault:
            raise ReplayError(path, number, str(fault)) from fault
        yield quote
    if number == header:
        raise ReplayError(path, 0, "has a header but no quotes; give it at least one row")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, without their ends, each with its number."""
    number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(LINE_BYTES_MAX + 1):
                number += 1
                if len(raw) > LINE_BYTES_MAX:
                    raise ReplayError(
                        path, number, f"is over {LINE_BYTES_MAX} bytes; write one quote a line"
                    )
                line = raw.decode().rstrip("\r\n")
                if line:
                    yield number, line
    except UnicodeDecodeError as fault:
        mend = "save the file as UTF-8 (the name of a gzip file ends in .gz)"
        raise ReplayError(path, number, f"is not UTF-8; {mend}") from fault
    except gzip.BadGzipFile as fault:
        mend = "compress it with gzip, or take .gz off its name"
        raise ReplayError(path, number, f"is not gzip ({fault}); {mend}") from fault
    except (EOFError, zlib.error) as fault:
        raise ReplayError(
            path, number + 1, f"the gzip data is cut off or damaged ({fault}); copy the file anew"
        ) from fault
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise ReplayError(path, 0, f"cannot be read: {reason}; check the path") from fault


def _open(path: Path) -> IO[bytes]:
    # gzip's own readline is Python; a buffer around it halves the time a line takes.
    return BufferedReader(gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


class _Rows:
    """Reads the rows of one file, below its header. Raises ValueError for a row that cannot be
    read.
    """

    def __init__(self, header: str, listed: Container[str] | None) -> None:
        self._listed = listed
        names = _fields(header.removeprefix("\ufeff"))  # some spreadsheets begin with a mark
        self._width = len(names)
        wanted = ",".join(COLUMNS)
        if missing := [name for name in COLUMNS if name not in names]:
            raise ValueError(f"column {', '.join(missing)} is missing; the header must be {wanted}")
        if twice := [name for name in COLUMNS if names.count(name) > 1]:
            raise ValueError(f"column {', '.join(twice)} is there twice; keep one")
        self._pick: Callable[[list[str]], tuple[str, ...]] = itemgetter(*map(names.index, COLUMNS))
        self._products: set[str] = set()
        self._time_text = ""
        self._at = datetime.min.replace(tzinfo=UTC)

    def quote(self, line: str) -> Quote:
        """The quote in one row. Raises ValueError, naming the fault and the mend."""
        fields = line.split(",") if '"' not in line else _fields(line)
        if len(fields) != self._width:
            raise ValueError(
                f"has {len(fields)} fields where the header has {self._width}; "
                "write one quote a line, without separators inside numbers"
            )
        time, product_id, *numbers = self._pick(fields)
        if time != self._time_text:  # a snapshot of several products shares one time
            self._advance(time)
        if product_id not in self._products:
            self._meet(product_id)
        plain = PLAIN.fullmatch(",".join(numbers))
        values = map(Decimal, numbers) if plain else map(_amount, COLUMNS[2:], numbers)
        bid, bid_size, ask, ask_size = values
        if not (bid > ZERO and bid_size > ZERO and ask > ZERO and ask_size > ZERO):
            bad = next(
                name
                for name, text in zip(COLUMNS[2:], numbers, strict=True)
                if Decimal(text) <= ZERO
            )
            raise ValueError(f"{bad} is not above zero; correct the row or leave it out")
        if bid >= ask:
            raise ValueError(
                f"the bid {bid} is not below the ask {ask}; correct the row or leave it out"
            )
        return Quote(self._at, product_id, bid, bid_size, ask, ask_size)

    def _advance(self, text: str) -> None:
        if not TIME.fullmatch(text):
            raise ValueError(
                f"time {text[:40]!r} is not RFC 3339 in UTC; write 2018-04-04T00:00:00Z"
            )
        try:
            at = datetime.fromisoformat(text.upper())  # RFC 3339 also writes t and z
        except ValueError as fault:
            raise ValueError(
                f"time {text!r} does not exist ({fault}); write 2018-04-04T00:00:00Z"
            ) from fault
        if at < self._at:
            raise ValueError(
                f"time {text} is before {self._at.isoformat()} above it; sort the file by time"
            )
        self._at, self._time_text = at, text

    def _meet(self, product_id: str) -> None:
        if not PRODUCT.fullmatch(product_id):
            raise ValueError(
                f"product_id {product_id[:40]!r} is not a product; write it as Coinbase does: BTC-USD"
            )
        if self._listed is not None and product_id not in self._listed:
            raise ValueError(
                f"{product_id} is not in the first {PREVIEW_ROWS} rows, so it is not listed; "
                "give it a file of its own, or leave it out"
            )
        if len(self._products) >= PRODUCTS_MAX:
            raise ValueError(f"has over {PRODUCTS_MAX} products; split the file by product")
        self._products.add(product_id)


def _fields(line: str) -> list[str]:
    """The fields of a line that may hold quotation marks."""
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as fault:
        raise ValueError(f"is not CSV ({fault}); fix or remove the quotation marks") from fault


def _amount(column: str, text: str) -> Decimal:
    try:
        return amount(text)
    except ValueError as fault:
        raise ValueError(f"{column}: {fault}; write a plain decimal such as 7424.91") from fault
