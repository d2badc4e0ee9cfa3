"""RiskHistory: the returns that the account's value at risk is computed from, and the spans still
to be read. No I/O.

    ClosesRead, our own marks ─→ History ─→ routes to dollars ─→ proxies ─→ aligned returns
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.value_at_risk.history import History, Series, Span, a_week_of, log_closes
from sidecar.core.value_at_risk.model import Array, Unavailable
from sidecar.core.value_at_risk.returns import Logs, align
from sidecar.core.value_at_risk.settings import RiskSettings
from sidecar.core.vocabulary.events import ClosesRead

SETTLED: Final = timedelta(seconds=10)  # after a period's end, its last trades are in its candle


class SavedRisk(Struct, kw_only=True):
    """The part that survives a restart: all the rest is worked out again. `settings` are for a
    replay; a start has its own.
    """

    period_s: int
    series: dict[str, Series]
    settings: RiskSettings | None = None


class RiskHistory:
    """Closes by book, and the returns of exposure keys made of them."""

    def __init__(self, tracker: PositionTracker, settings: RiskSettings) -> None:
        self.tracker = tracker
        self.settings = settings
        self.history = History(settings.period_s, settings.policy.length)
        self.period = -1  # the one that it is now
        self.changed: set[str] = set()  # books, until their views have followed

    # --- Facts ------------------------------------------------------------------------------------

    def tick(self, now: datetime) -> datetime:
        """Time has passed: a period may be over. When the present one will be."""
        period = self.history.period(now)
        if period != self.period:
            self._close(period)
            self.period = period
        return datetime.fromtimestamp((period + 1) * self.settings.period_s, UTC)

    def _close(self, period: int) -> None:
        """Let our own last marks close the period that is over, until Coinbase says better."""
        for book in self.history.series:
            mid = self.tracker.marks.mids.get(book)
            if mid is None or mid.at is None or self.history.period(mid.at) != period - 1:
                continue
            self.history.close(book, period - 1, float(mid.value))
            self.changed.add(book)

    def learn(self, event: ClosesRead) -> None:
        """Closes as Coinbase tells them. Those of another length of period are not ours."""
        if event.period_s == self.settings.period_s:
            self.history.read(event.book, event.closes, event.since, event.until)
            self.changed.add(event.book)

    # --- Spans to be read -------------------------------------------------------------------------

    def spans(self, books: Iterable[str], now: datetime) -> list[Span]:
        """The spans to be asked about these books, and about those that stand in: one a book."""
        wanted = dict.fromkeys([*self._on_the_way(books), *self._routes(self._stand_ins())])
        found = (self.history.lacks(book, now - SETTLED) for book in wanted)
        return [span for span in found if span is not None]

    def _on_the_way(self, books: Iterable[str]) -> Iterator[str]:
        """These, and the books that lead to dollars from their keys, base and quote currencies."""
        for book in books:
            yield book
            product = self.tracker.products.get(book)
            if product is not None:
                yield from self._routes((product.key, product.base, product.quote))

    def _stand_ins(self) -> list[str]:
        """Proxies, and the underlyings of the futures that are held or worked."""
        futures = (key for key, line in self.tracker.account.lines.items() if line.is_future)
        return [self.settings.proxy, *self.settings.proxies.values(), *map(self.asset, futures)]

    def _routes(self, keys: Iterable[str]) -> Iterator[str]:
        for key in keys:
            for step in self.tracker.marks.routes.get(key, ()):
                yield step.book

    # --- Returns ----------------------------------------------------------------------------------

    def returns(self, keys: Iterable[str]) -> Array:
        """Aligned log returns of these keys, T × N, the newest last. Raises Unavailable."""
        wanted = tuple(keys)
        return align(
            {key: self._logs(key) for key in wanted},
            {key: self._logs(self._stands_in(key)) for key in wanted},
            self.settings.policy,
            self.period,
            stale=a_week_of(self.settings.period_s),
            underlying={
                key: self.asset(key) for key in wanted if self.tracker.books.is_future(key)
            },
            cash=frozenset(key for key in wanted if self._is_cash(key)),
        )

    def _is_cash(self, key: str) -> bool:
        """Whether the key moves by its own history alone: cash has no proxy, unless the
        configuration names it. While its history is still to be read, it is like any other key.
        """
        is_cash = key in self.tracker.books.cash and key not in self.settings.proxies
        return is_cash and not self.is_awaited(key)

    def why_not(self, key: str) -> str | None:
        """Why this key by itself has no returns; None where it has."""
        try:
            self.returns((key,))
        except Unavailable as why:
            return str(why)
        return None

    def is_awaited(self, key: str) -> bool:
        """Whether Coinbase has yet to tell the key's history."""
        series, newest = self.history.series, self.period - a_week_of(self.settings.period_s)
        oldest = self.period - self.settings.policy.length - 1
        return any(
            book not in series or series[book].until < newest or series[book].since > oldest
            for book in self._routes((key,))
        )

    def books_of(self, keys: Iterable[str]) -> frozenset[str]:
        """Every book that the returns of these keys are made of."""
        both = [name for key in keys for name in (key, self._stands_in(key))]
        return frozenset(self._routes(both))

    def asset(self, key: str) -> str:
        """The coin itself, or a future's underlying."""
        product = self.tracker.products.get(key)
        return product.base if product is not None and product.is_future else key

    def _stands_in(self, key: str) -> str:
        """The asset whose returns stand in where the key lacks some."""
        if self.tracker.books.is_future(key):
            asset = self.asset(key)
            return self.settings.proxies.get(asset, asset)
        return self.settings.proxies.get(key, self.settings.proxy)

    def _logs(self, key: str) -> Logs | None:
        steps = self.tracker.marks.routes.get(key, ())
        return log_closes(self.history, ((step.book, step.inverse) for step in steps))

    # --- Saving -----------------------------------------------------------------------------------

    def saved(self) -> SavedRisk:
        return SavedRisk(
            period_s=self.settings.period_s, series=self.history.series, settings=self.settings
        )

    def restore(self, saved: SavedRisk) -> None:
        """Go on with a history that was kept; one of another length of period is of no use."""
        if saved.period_s == self.settings.period_s:
            self.history.series = saved.series
            self.changed |= saved.series.keys()
