"""Candles from before a market began: a past made up to fit the present. No I/O; seeded, lazy.

Log prices go back from each book's price at the start, day by day (UTC): one common and one own
fat-tailed shock, under a volatility that clusters. So daily returns correlate between products as
the random market's do. Within a day a bridge of minutes joins open and close; every granularity is
an aggregate of these same minutes. A cross (ETH-BTC) is the ratio of its dollar books.

Prices are counted in price increments, volumes in base increments: whole numbers, so aggregation
is exact.
"""

import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import chain
from math import ceil, log, sqrt
from typing import Final, NamedTuple

import numpy as np

from sidecar.core.vocabulary.money import MONEY
from sidecar.paper.markets.coins import FLOOR_TICKS, Floats, Ints, coin_of, legs_of, shocks
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.tape import Candle

HISTORY_DAYS: Final = 550  # full days; older candles do not exist
YEAR_DAYS: Final = 52 * 7
DAY_S: Final = 86_400
MINUTES: Final = 1_440
GRANULARITIES_S: Final = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 21_600, DAY_S)

CLUSTER_MEMORY: Final = 0.9  # of log volatility, day to day
CLUSTER_SPREAD: Final = 0.35  # its standard deviation
DAY_MOVE_MAX: Final = 0.5  # of a log price: beyond it is beyond what these coins have seen
WICK: Final = 1.0  # how far at most a minute reaches beyond open and close, in its deviations
MINUTE_UNITS_MAX: Final = 2.0**50  # a day of minutes of it still counts in 64 bits
CACHED_DAYS: Final = 48  # days of minutes kept, 58 KB each

COMMON, OWN, CANDLES = 0, 1, 2  # streams of chance


class _Minutes(NamedTuple):
    """One product's day, or its part before the start: a place for each minute from 00:00 UTC."""

    low: Ints  # in price increments, as the next three
    high: Ints
    open: Ints
    close: Ints
    volume: Ints  # in base increments


class _Book(NamedTuple):
    listing: Listing
    legs: tuple[str, str] | None  # the books a cross follows; None walks by itself
    volatility: float  # a day
    beta: float
    units: float  # base increments traded in a mean minute
    log_end: float  # of the price at the start, in increments
    offset: float  # a cross's addition to its legs' log ratio, 0 for others


class History:
    """The past of some books, up to `start` and never beyond.

    The last minute closes at the book's `listing.price`, rounded to its increment. The bucket that
    holds `start` is given as far as it had come then.
    """

    def __init__(self, listings: Iterable[Listing], seed: int, start: datetime) -> None:
        self._seed = seed
        self._end = start.timestamp()
        self._today = int(self._end // DAY_S)  # days since 1970
        self._minutes_today = ceil((self._end - self._today * DAY_S) / 60)
        self._first = self._today - HISTORY_DAYS
        books = {listing.product_id: listing for listing in listings}
        self._books = {name: self._book(listing, books) for name, listing in books.items()}
        self._weather = self._volatilities()
        common = shocks(self._chance(COMMON, "", 0), HISTORY_DAYS + 1)
        self._bounds = {
            name: self._day_bounds(name, book, common)
            for name, book in self._books.items()
            if not book.legs
        }
        self._cache: OrderedDict[tuple[str, int], _Minutes] = OrderedDict()
        self._daily: dict[tuple[str, int], Candle] = {}  # products × HISTORY_DAYS at most

    def candles(self, product_id: str, granularity_s: int, start: int, end: int) -> list[Candle]:
        """The candles that open in [`start`, `end`), UNIX seconds, oldest first.

        Buckets are aligned to 1970-01-01. `granularity_s` is one of `GRANULARITIES_S`, else
        ValueError; a product without a book here is a KeyError.
        """
        if granularity_s not in GRANULARITIES_S:
            raise ValueError(f"granularity {granularity_s} s is not one of {GRANULARITIES_S}")
        book = self._books[product_id]
        first = max(start // DAY_S, self._first)
        last = min((end - 1) // DAY_S, self._today)
        days = (self._day(book, day, granularity_s, (start, end)) for day in range(first, last + 1))
        return list(chain.from_iterable(days))

    def year(self, product_id: str) -> tuple[Decimal, Decimal]:
        """Lowest and highest daily close of the 52 weeks before the start: cheap, unlike candles."""
        book = self._books[product_id]
        if book.legs:
            above, below = (self._bounds[name] for name in book.legs)
            logs = above - below + book.offset
        else:
            logs = self._bounds[product_id]
        closes = np.maximum(np.rint(np.exp(logs[-YEAR_DAYS:])), FLOOR_TICKS)
        step = book.listing.price_increment
        return int(closes.min()) * step, int(closes.max()) * step

    def _day(
        self, book: _Book, day: int, granularity_s: int, within: tuple[int, int]
    ) -> Iterable[Candle]:
        """Those of one day's candles that open within these UNIX seconds."""
        key = (book.listing.product_id, day)
        opens_at = day * DAY_S
        # In minutes of this day, the first bucket that opens at or after either bound.
        first, last = (-(-(at - opens_at) // granularity_s) * granularity_s // 60 for at in within)
        part = slice(max(first, 0), min(max(last, 0), self._count(day)))
        if part.start >= part.stop:
            return ()
        if granularity_s < DAY_S:
            minutes = _Minutes(*(column[part] for column in self._minutes(book, day)))
            return _candles(book.listing, minutes, opens_at + part.start * 60, granularity_s)
        if key not in self._daily:
            (self._daily[key],) = _candles(book.listing, self._made(book, day), opens_at, DAY_S)
        return (self._daily[key],)

    def _chance(self, stream: int, name: str, day: int) -> np.random.Generator:
        """A generator of its own for each purpose, so that the order of requests has no effect."""
        key = (self._seed, stream, zlib.crc32(name.encode()), day)
        return np.random.Generator(np.random.PCG64(key))

    def _book(self, listing: Listing, books: dict[str, Listing]) -> _Book:
        coin = coin_of(listing)
        legs = legs_of(listing, books)
        dollar = books[legs[0]] if legs else listing
        units = coin.turnover / float(dollar.price) / float(listing.base_increment)
        log_end = log(_ticks(listing))
        offset = (
            log_end - log(_ticks(books[legs[0]])) + log(_ticks(books[legs[1]])) if legs else 0.0
        )
        return _Book(
            listing=listing,
            legs=legs,
            volatility=coin.volatility / sqrt(365),
            beta=coin.beta,
            units=units,
            log_end=log_end,
            offset=offset,
        )

    def _volatilities(self) -> Floats:
        """The factor of each day's volatility, oldest first; mean square 1."""
        noise = self._chance(COMMON, "volatility", 0).standard_normal(HISTORY_DAYS + 1)
        logs = np.zeros(HISTORY_DAYS + 1)
        fresh = CLUSTER_SPREAD * sqrt(1 - CLUSTER_MEMORY**2)
        for day in range(1, len(logs)):
            logs[day] = CLUSTER_MEMORY * logs[day - 1] + fresh * noise[day]
        scale: Floats = np.exp(logs - CLUSTER_SPREAD**2)
        return scale

    def _day_bounds(self, name: str, book: _Book, common: Floats) -> Floats:
        """Log prices at 00:00 of each day from the first, and at last at the start."""
        own = shocks(self._chance(OWN, name, 0), len(common))
        returns = book.beta * common + sqrt(1 - book.beta**2) * own
        returns *= book.volatility * self._weather
        returns[-1] *= sqrt(self._minutes_today / MINUTES)  # today is only as long as it was
        back = np.cumsum(np.clip(returns, -DAY_MOVE_MAX, DAY_MOVE_MAX)[::-1])[::-1]
        return np.append(book.log_end - back, book.log_end)

    def _minutes(self, book: _Book, day: int) -> _Minutes:
        key = (book.listing.product_id, day)
        if key in self._cache:
            self._cache.move_to_end(key)
        else:
            self._cache[key] = self._made(book, day)
            if len(self._cache) > CACHED_DAYS:
                self._cache.popitem(last=False)
        return self._cache[key]

    def _made(self, book: _Book, day: int) -> _Minutes:
        count = self._count(day)
        chance = self._chance(CANDLES, book.listing.product_id, day)
        common = self._chance(CANDLES, "", day).standard_normal(count)
        prices = np.exp(self._log_path(book, day, common, chance))
        ticks = np.maximum(np.rint(prices), FLOOR_TICKS).astype(np.int64)
        opens, closes = ticks[:-1], ticks[1:]
        weather = self._weather[day - self._first]
        reach = chance.random((2, count)) * prices[1:]
        reach *= book.volatility * weather / sqrt(MINUTES) * WICK
        highs = np.maximum(opens, closes) + reach[0].astype(np.int64)
        lows = np.minimum(opens, closes) - reach[1].astype(np.int64)
        units = book.units * weather * chance.standard_exponential(count)
        volumes = np.minimum(units, MINUTE_UNITS_MAX).astype(np.int64)
        return _Minutes(np.maximum(lows, FLOOR_TICKS), highs, opens, closes, volumes)

    def _count(self, day: int) -> int:
        """Minutes of this day that lie before the start."""
        return MINUTES if day < self._today else self._minutes_today

    def _log_path(
        self, book: _Book, day: int, common: Floats, chance: np.random.Generator
    ) -> Floats:
        """Log prices at the day's start and after each of its minutes: a Brownian bridge."""
        if book.legs:
            base, quote = (
                self._log_path(self._books[leg], day, common, self._chance(CANDLES, leg, day))
                for leg in book.legs
            )
            return base - quote + book.offset
        count = len(common)
        own = chance.standard_normal(count)
        weather = self._weather[day - self._first]
        walk = np.cumsum(book.beta * common + sqrt(1 - book.beta**2) * own)
        walk *= book.volatility * weather / sqrt(MINUTES)
        opened, closed = self._bounds[book.listing.product_id][day - self._first :][:2]
        path = np.empty(count + 1)
        path[0] = opened
        path[1:] = opened + walk
        path[1:] += (closed - path[-1]) / count * np.arange(1, count + 1)
        path[-1] = closed  # to the last bit: the next day opens there
        return path


def _ticks(listing: Listing) -> int:
    """The price at the start, in increments."""
    steps = MONEY.divide(listing.price, listing.price_increment).to_integral_value(ROUND_HALF_EVEN)
    return max(int(steps), FLOOR_TICKS)


def _candles(
    listing: Listing, minutes: _Minutes, opens_at: int, granularity_s: int
) -> Iterator[Candle]:
    """Candles of these minutes, the first of which opens at `opens_at`."""
    starts = np.arange(0, len(minutes.close), granularity_s // 60)
    ends = np.append(starts[1:], len(minutes.close)) - 1
    columns = (
        starts,
        np.minimum.reduceat(minutes.low, starts),
        np.maximum.reduceat(minutes.high, starts),
        minutes.open[starts],
        minutes.close[ends],
        np.add.reduceat(minutes.volume, starts),
    )
    times = MONEY.multiply  # exact, whatever the caller's decimal context
    tick, unit = listing.price_increment, listing.base_increment
    for start, low, high, opened, closed, volume in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        yield Candle(
            opens_at + start * 60,
            times(low, tick),
            times(high, tick),
            times(opened, tick),
            times(closed, tick),
            times(volume, unit),
        )
