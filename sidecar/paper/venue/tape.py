"""Trades of one book as they print: the last ones, candles, and the figures of the last day. No I/O.

Candles: `start` is the bucket's opening in UNIX seconds; a bucket without trades has none, as on
Coinbase. Minutes are kept for two days and hours for some five hundred, so that a run of any length
stays small and still answers the requests of charts and volatilities.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec import Struct

from sidecar.core.vocabulary.money import ZERO
from sidecar.paper.venue.order import Side

TRADES_KEPT: Final = 1_000  # the most that GET …/ticker gives
MINUTES_KEPT: Final = 2 * 24 * 60
HOURS_KEPT: Final = 500 * 24
MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400


class Trade(NamedTuple):
    """One match. `taker` is the side that came to the book; Coinbase reports the maker's."""

    number: int
    book: str
    price: Decimal
    size: Decimal
    taker: Side
    at: datetime


class Candle(NamedTuple):
    """Trades of one bucket; volume in base units."""

    start: int
    low: Decimal
    high: Decimal
    open: Decimal
    close: Decimal
    volume: Decimal


class DayFigures(NamedTuple):
    """The last 24 hours of a book, volume in base units."""

    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal


class _Bucket(Struct):
    start: int
    low: Decimal
    high: Decimal
    open: Decimal
    close: Decimal
    volume: Decimal

    def add(self, price: Decimal, size: Decimal) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += size

    def candle(self) -> Candle:
        return Candle(self.start, self.low, self.high, self.open, self.close, self.volume)


# (book, granularity in seconds, from, before) → candles from before the run, ascending; UNIX seconds
Past = Callable[[str, int, int, int], Iterable[Candle]]


def no_past(_book: str, _granularity: int, _start: int, _end: int) -> Iterable[Candle]:
    """A market that began with the run."""
    return ()


class Tape:
    """The trades of one book."""

    def __init__(self, book: str, past: Past = no_past) -> None:
        self.book = book
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.last: Decimal | None = None
        self._past = past
        self._minutes: deque[_Bucket] = deque(maxlen=MINUTES_KEPT)
        self._hours: deque[_Bucket] = deque(maxlen=HOURS_KEPT)
        self._day: DayFigures | None = None  # as of this hour:
        self._day_hour = 0
        self.year: tuple[Decimal, Decimal] | None = None  # low and high of the 52 weeks before

    def add(self, trade: Trade) -> None:
        """Print one trade. Trades come in time order."""
        self.trades.append(trade)
        self.last = trade.price
        second = int(trade.at.timestamp())
        if self._minutes and second < self._minutes[-1].start + MINUTE:  # so of this hour too
            self._minutes[-1].add(trade.price, trade.size)
            self._hours[-1].add(trade.price, trade.size)
        else:
            self._grow(self._minutes, second - second % MINUTE, trade)
            self._grow(self._hours, second - second % HOUR, trade)
        if self._day is not None:
            day = self._day
            high = max(day.high, trade.price)
            low = min(day.low, trade.price)
            self._day = DayFigures(day.open, high, low, day.volume + trade.size)

    @staticmethod
    def _grow(buckets: deque[_Bucket], start: int, trade: Trade) -> None:
        if buckets and buckets[-1].start == start:
            buckets[-1].add(trade.price, trade.size)
        else:
            price = trade.price
            buckets.append(_Bucket(start, price, price, price, price, trade.size))

    def candles(self, granularity: int, start: int, end: int) -> list[Candle]:
        """Buckets that open from `start` to `end`, UNIX seconds, ascending.

        Minutes first where they are kept, hours before that, and before the run the market's own
        past; a bucket that all of them touch is one candle.
        """
        first = start - start % granularity
        known = self._hours if granularity >= HOUR else self._minutes
        ours: list[Candle] = []
        for bucket in reversed(known):  # requests are mostly for the latest
            if bucket.start < first:
                break
            ours.append(bucket.candle())
        ours.reverse()
        earlier = self._past(self.book, granularity, first, end + 1)
        return fold((*earlier, *ours), granularity, first, end)

    def day(self, now: datetime) -> DayFigures | None:
        """The last 24 hours, to the hour; found anew each hour. None before the first trade."""
        second = int(now.timestamp())
        hour = second - second % HOUR
        if hour != self._day_hour or self._day is None:
            self._day_hour = hour
            self._day = _figures(self.candles(HOUR, hour - DAY + HOUR, second))
        return self._day if self.last is not None else None


def _figures(candles: list[Candle]) -> DayFigures | None:
    if not candles:
        return None
    return DayFigures(
        candles[0].open,
        max(row.high for row in candles),
        min(row.low for row in candles),
        sum((row.volume for row in candles), ZERO),
    )


def fold(candles: Iterable[Candle], granularity: int, first: int, end: int) -> list[Candle]:
    """Candles of any finer granularity, ascending, as buckets that open from `first` to `end`."""
    folded: list[Candle] = []
    for row in candles:
        start = row.start - row.start % granularity
        if not first <= start <= end:
            continue
        if folded and folded[-1].start == start:
            so_far = folded[-1]
            folded[-1] = Candle(
                start,
                min(so_far.low, row.low),
                max(so_far.high, row.high),
                so_far.open,
                row.close,
                so_far.volume + row.volume,
            )
        else:
            folded.append(row._replace(start=start))
    return folded
