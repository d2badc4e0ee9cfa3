"""History: every book's closing prices, period by period, without holes. No I/O.

Theory of operation. Time is cut into periods since 1970 (UTC days, or hours). Of every book a
`Series` keeps one close a period, oldest first. Coinbase leaves out periods without trades, and a
product that did not trade did not move: such a hole repeats the close before it, up to a week;
behind a longer one the series begins anew. A close that leaps away from both its neighbours, which
agree with each other, is a bad tick and repeats the one before it; a leap that stays is an outlier,
and kept.

Between readings the series goes on from the marks of this process: the last good mid of a period
closes it, until a reading says better.

Sources: Coinbase Advanced Trade API, "Get Product Candles": at most 350 buckets a call, the last one
still forming, buckets without trades omitted.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np
from msgspec import Struct, field

from sidecar.core.value_at_risk.model import Array
from sidecar.core.vocabulary.money import is_sane

WEEK_S: Final = 7 * 86_400  # without a trade: a book silent for longer has ceased to trade
BOOKS_MAX: Final = 600  # more than can be followed at once; the one read longest ago is forgotten
CANDLES_A_CALL: Final = 300  # Coinbase refuses 350 or more
BAD_TICK: Final = math.log(3)  # away from both neighbours: no coin trebled and fell back in a day
NEIGHBOURS: Final = math.log(1.5)  # which are then this near to each other


class Span(Struct, frozen=True):
    """Periods to ask for: from the start of the first to the end of the last, UNIX seconds."""

    book: str
    since: int
    until: int


class Series(Struct):
    """Closes of consecutive periods, the first one's number, and the periods asked of Coinbase:
    `since` up to, not with, `until`. `made_up`: those that only repeat the close before.
    """

    first: int
    closes: list[float]
    since: int
    until: int
    made_up: list[int] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The period after the last one known."""
        return self.first + len(self.closes)


class History(Struct):
    """Series by book. `length` returns are kept. `version` grows with every change."""

    period_s: int
    length: int
    series: dict[str, Series] = field(default_factory=dict)
    version: int = 0

    def period(self, at: datetime) -> int:
        """The number of the period that this moment lies in."""
        return int(at.timestamp()) // self.period_s

    def read(
        self, book: str, closes: Iterable[tuple[int, Decimal]], since: int, until: int
    ) -> None:
        """Take closes as Coinbase tells them: (start of the period, price), in any order.

        `since` and `until`, UNIX seconds, are the span asked for. A figure that is no price is left
        out like a period without trades, and so is a period that was not over.
        """
        begin, end = since // self.period_s, until // self.period_s
        known = self.series.get(book)
        by_period = {} if known is None else dict(enumerate(known.closes, known.first))
        if known is not None:
            for period in known.made_up:  # else a hole would never grow longer than a week
                by_period.pop(period, None)
        for start, close in closes:
            period, price = start // self.period_s, float(close) if is_sane(close) else 0.0
            if begin <= period < end and price > 0:
                by_period[period] = price
        asked = (begin, end)
        if known is not None and begin <= known.until and known.since <= end:
            asked = (min(begin, known.since), max(end, known.until))
        elif known is not None and known.until > end:
            asked = (known.since, known.until)  # the gap is asked for again
        gap = a_week_of(self.period_s)
        first, dense = _without_holes(by_period, asked[1], self.length + 1, gap)
        made_up = [period for period in range(first, first + len(dense)) if period not in by_period]
        self.series.pop(book, None)  # the one read last stands last
        self.series[book] = Series(first, _without_bad_ticks(dense), *asked, made_up)
        while len(self.series) > BOOKS_MAX:
            del self.series[next(iter(self.series))]
        self.version += 1

    def close(self, book: str, period: int, price: float) -> None:
        """Let a series go on with our own last mark of a period, where no gap lies between."""
        known = self.series.get(book)
        if known is not None and known.closes and known.end == period:
            known.closes.append(price)
            del known.closes[: -(self.length + 1)]
            known.first = period + 1 - len(known.closes)
            self.version += 1

    def lacks(self, book: str, now: datetime) -> Span | None:
        """The span that Coinbase has yet to be asked about a book, the newest part first; None
        where it is complete.

        The last period read is read again: its close may have been our own. An answer without any
        close is not believed: it is asked for again.
        """
        end = self.period(now)
        begin = end - self.length - 1
        known = self.series.get(book)
        if known is None or known.until < begin or not known.closes:
            since, until = begin, end
        elif known.until < end:
            since, until = max(begin, known.until - 1), end
        elif known.since > begin:
            since, until = begin, known.since
        else:
            return None
        since = max(since, until - CANDLES_A_CALL)
        return Span(book, since * self.period_s, until * self.period_s)


def log_closes(history: History, steps: Iterable[tuple[str, bool]]) -> tuple[int, Array] | None:
    """The logarithm of one unit's worth in dollars at the end of each period: the number of the
    first period, and the values.

    `steps` lead to dollars through books, each as it is or inverted (Marks.routes). None where a
    book on the way has no series, or they share no period.
    """
    parts = list[tuple[Series, bool]]()
    first = end = 0
    for book, inverse in steps:
        one = history.series.get(book)
        if one is None or not one.closes:
            return None
        first, end = max(first, one.first), min(end, one.end) if parts else one.end
        parts.append((one, inverse))
    if end <= first:
        return None
    total = np.zeros(end - first)
    for one, inverse in parts:
        logs = np.log(np.array(one.closes[first - one.first : end - one.first]))
        total += -logs if inverse else logs
    return first, total


def a_week_of(period_s: int) -> int:
    """How many periods are a week."""
    return WEEK_S // period_s


def _without_holes(
    by_period: Mapping[int, float], end: int, count: int, gap_max: int
) -> tuple[int, list[float]]:
    """The number of the first period, and `count` closes at most without a hole, the last one's
    period before `end` or beyond.
    """
    known = sorted(by_period)
    if not known:
        return end, []
    dense: list[float] = []
    following = max(end, known[-1] + 1)
    for period in reversed(known):
        gap = following - period - 1
        if gap > gap_max:
            if dense:
                break
            gap = 0  # it ceased to trade: no close is made up after the end
        dense += [by_period[period]] * (gap + 1)
        following = period
    del dense[count:]
    dense.reverse()
    newest = known[-1] + 1
    last = max(end, newest) if end - newest <= gap_max else newest
    return last - len(dense), dense


def _without_bad_ticks(closes: list[float]) -> list[float]:
    cleaned = list(closes)
    for i in range(1, len(cleaned) - 1):
        before, here, after = cleaned[i - 1], cleaned[i], cleaned[i + 1]
        away, back = math.log(here / before), math.log(after / here)
        if min(abs(away), abs(back)) > BAD_TICK and abs(away + back) < NEIGHBOURS:
            cleaned[i] = before
    return cleaned
