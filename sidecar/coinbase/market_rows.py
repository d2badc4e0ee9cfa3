"""Rows of the market as facts: pricebooks, candles, products that are not counted here, Coinbase's time. Pure.

Source: Coinbase Advanced Trade API, Products, Public.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

from sidecar.coinbase.frames import offered
from sidecar.coinbase.levels import LevelRow
from sidecar.coinbase.local_book import LocalBook
from sidecar.coinbase.reading import NAME_MAX, Row, moment, number, price, required, table, tables
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ZERO, is_sane

MILLIS_MAX: Final = 10**13  # the year 2286: beyond is no time


def quotes(rows: Iterable[Row], at: datetime, left_out: list[str]) -> tuple[ev.Quote, ...]:
    """Pricebooks of `GET /best_bid_ask`; a book with one side only has no mark. `left_out` is told of rows that
    cannot be read: their books are not priced.
    """
    found = []
    for row in rows:
        try:
            quote = _pricebook(row, at)
        except Untrusted as fault:
            left_out.append(f"quotes of {str(row.get('product_id'))[:NAME_MAX]}: {fault}")
        else:
            found += [] if quote is None else [quote]
    return tuple(found)


def _pricebook(row: Row, at: datetime) -> ev.Quote | None:
    bid, ask = (_best(tables(row.get(name), name)) for name in ("bids", "asks"))
    if bid is None or ask is None:
        return None
    return ev.Quote(required(row, "product_id"), bid[0], ask[0], at, bid[1], ask[1])


def _best(levels: Sequence[Row]) -> tuple[Decimal, Decimal | None] | None:
    """The best price of a side and the size offered at it; None of an empty side."""
    best = price(levels[0].get("price"), "price") if levels else None
    if best is not None and not is_sane(best):
        raise Untrusted("price cannot be")
    return None if best is None else (best, offered(levels[0].get("size")))


def product_book(answer: Row, product_id: str) -> LocalBook:
    """`GET /product_book`, asked for this book. Raises Untrusted where it is another's, or cannot be."""
    told = table(answer.get("pricebook"), "pricebook")
    if required(told, "product_id") != product_id:
        raise Untrusted(f"product_book of {product_id}: another book was told")
    book = LocalBook()
    book.begin()
    sides: tuple[tuple[str, Literal["bid", "offer"]], ...] = (("bids", "bid"), ("asks", "offer"))
    for name, side in sides:
        rows = tables(told.get(name), name)
        book.take(LevelRow(side, required(row, "price"), required(row, "size")) for row in rows)
    book.end()
    return book


def closes(rows: Iterable[Row], left_out: list[str]) -> tuple[tuple[int, Decimal], ...]:
    """Candles of `GET /products/{id}/candles` as (start, close), start in UNIX seconds: told newest
    first, handed over oldest first. Of a start that is told twice the last word counts. `left_out`
    is told of rows that cannot be read.
    """
    found: dict[int, Decimal] = {}
    for row in rows:
        try:
            start, close = _close(row)
        except Untrusted as fault:
            left_out.append(str(fault))
        else:
            found[start] = close
    return tuple(sorted(found.items()))


def _close(row: Row) -> tuple[int, Decimal]:
    start, close = number(row.get("start"), "start"), number(row.get("close"), "close")
    if start is None or start < ZERO or start != int(start):
        raise Untrusted("start is not a number of seconds")
    if close is None or close <= ZERO:
        raise Untrusted("close is not a price")
    return int(start), close


def product_elsewhere(row: Row, product_id: str, at: datetime) -> ev.ProductElsewhere:
    """A product of another kind than those counted here, by a row that tells its kind."""
    kind = str(row.get("product_type"))[:NAME_MAX]
    why = f"it is of the kind {kind}, and no coin or future"
    return ev.ProductElsewhere(at=at, product_id=product_id, why=why)


def server_time(row: Row) -> datetime:
    """`GET /time`, to the millisecond where that is told: `iso` may be of the whole second. Raises
    Untrusted.
    """
    millis = number(row.get("epochMillis"), "epochMillis")
    if millis is not None and ZERO < millis < MILLIS_MAX:
        return datetime.fromtimestamp(float(millis / 1000), UTC)
    at = moment(row.get("iso"), "iso")
    if at is None:
        raise Untrusted("GET /time: no iso")
    return at
