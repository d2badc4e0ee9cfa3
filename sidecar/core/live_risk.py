"""LiveRisk: value at risk, expected shortfall and stress loss of the account, kept up as it moves. No I/O.

Theory of operation. A `RiskView` holds three books under one fitted model: as held, with all open and
reserved buys filled, with all sells filled. It is fitted to the keys that are held or worked, and to
those of the order that is asked about; a few of the last ones are kept. Whatever changes a line of the
account (a fill, a reservation, a price) gives it a new serial number; before a figure is told, the
lines that are newer than the view are moved to where they are now, each in one pass over the model,
and once a second everything is summed anew, so that no rounding piles up. An order is judged by the
moves that it makes, without computing a book anew.

Floats come in here as USD and go out as Decimal, rounded to the cent.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from math import inf, isfinite
from typing import Any, Final

from msgspec import Struct

from sidecar.core.actions import Action
from sidecar.core.events import ClosesRead
from sidecar.core.money import ZERO
from sidecar.core.orders import BUY
from sidecar.core.portfolio_risk import Added, Measure, NoFigure, RiskFigure
from sidecar.core.position_tracker import PositionTracker
from sidecar.core.products import DOLLARS
from sidecar.core.risk_view import RiskView, Row
from sidecar.core.value_at_risk.history import History, Series, Span, log_closes
from sidecar.core.value_at_risk.model import Array, Moves, Unavailable
from sidecar.core.value_at_risk.models import fit
from sidecar.core.value_at_risk.returns import Logs, align
from sidecar.core.value_at_risk.settings import RiskSettings
from sidecar.core.value_at_risk.stress import Subject, stress_model

REBUILD_EVERY: Final = timedelta(seconds=1)
SETTLED: Final = timedelta(seconds=10)  # after a period's end, its last trades are in its candle
VIEWS_MAX: Final = 8  # what bots ask about in turn beside what is held; each costs a model
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
CENTS: Final = 100


class SavedRisk(Struct, kw_only=True):
    """What survives a restart: everything else is worked out again."""

    period_s: int
    series: dict[str, Series]


class LiveRisk:
    """Computes the measures of the account. Nothing is asked of it that does not come as a fact: the
    same facts give the same figures.
    """

    def __init__(self, tracker: PositionTracker, settings: RiskSettings) -> None:
        self.tracker = tracker
        self.settings = settings
        self.history = History(settings.period_s, settings.policy.length)
        self.due = LONG_AGO  # when time alone changes something next
        self._period = -1  # the one that it is now
        self._views: dict[frozenset[str], RiskView] = {}
        self._found: dict[
            tuple[str, ...], RiskView | None
        ] = {}  # by the keys that were asked about
        # What the views were fitted to, and what was held and worked when they were found.
        self._made_of: tuple[int, int, int, tuple[str, ...]] = (-1, -1, -1, ())
        self._cash: tuple[str, ...] = ()
        self._told = (0.0, ZERO)  # the last figure without an order, as it was told

    # --- Facts ------------------------------------------------------------------------------------

    def tick(self, now: datetime) -> None:
        """Time has passed: a period may be over, and sums are made anew."""
        self.due = now + REBUILD_EVERY
        period = self.history.period(now)
        if period != self._period:
            self._close(period)
            self._period = period
        wallets = self.tracker.wallets.by_currency
        paid_with = self.tracker.books.cash - DOLLARS
        self._cash = tuple(sorted(c for c in paid_with & wallets.keys() if wallets[c].total))
        for view in self._views.values():
            view.is_old = True

    def _close(self, period: int) -> None:
        """Let our own last marks close the period that is over, until Coinbase says better."""
        for book in self.history.series:
            mid = self.tracker.marks.mids.get(book)
            if mid is None or mid.at is None or self.history.period(mid.at) != period - 1:
                continue
            self.history.close(book, period - 1, float(mid.value))

    def take(self, event: ClosesRead) -> list[Action]:
        """Closes as Coinbase tells them; nothing follows at once. Those of another length of period
        are not ours.
        """
        if event.period_s == self.settings.period_s:
            self.history.read(event.book, event.closes, event.since, event.until)
        return []

    def spans(self, books: Iterable[str], now: datetime) -> list[Span]:
        """What is to be asked about these books, and about those that stand in: one span a book."""
        wanted = dict.fromkeys([*self._on_the_way(books), *self._stand_ins()])
        found = (self.history.lacks(book, now - SETTLED) for book in wanted)
        return [span for span in found if span is not None]

    def _on_the_way(self, books: Iterable[str]) -> Iterator[str]:
        """These, and the books that lead from what they trade and pay with to dollars."""
        for book in books:
            yield book
            product = self.tracker.products.get(book)
            for key in () if product is None else (product.key, product.quote):
                for step in self.tracker.marks.routes.get(key, ()):
                    yield step.book

    def _stand_ins(self) -> list[str]:
        """The books that lead from a proxy, or a future's underlying, to dollars."""
        assets = list[str]()
        if self.settings.policy.short_history != "refuse":
            assets += [self.settings.proxy, *self.settings.proxies.values()]
        for key, line in self.tracker.account.lines.items():
            if line.is_future:
                assets.append(self._asset(key))
        routes = self.tracker.marks.routes
        return [step.book for asset in assets for step in routes.get(asset, ())]

    # --- Figures ----------------------------------------------------------------------------------

    def figure(
        self,
        measure: Measure,
        tracker: PositionTracker,
        added: tuple[Added, ...] = (),
        calm: Decimal = ZERO,
    ) -> RiskFigure | NoFigure:
        """One measure of the worst of the three books, with and without what is added."""
        assert tracker is self.tracker
        try:
            view = self._view(added)
            if view is None:
                return RiskFigure(ZERO, ZERO)
            before = view.before(measure)
            if before != self._told[0]:
                self._told = (before, _usd(before))
            known = self._told[1]
            if not added:
                return RiskFigure(known, known)
            moves = self._moves(view, added)
            after = view.at_most(measure, moves) if calm else inf
            if not after < float(calm):
                after = view.after(measure, moves)
            return RiskFigure(known, known if after == before else _usd(after))
        except Unavailable as why:
            return NoFigure(str(why))

    def view(self) -> RiskView | None:
        """The three books as they are now; None where nothing is held or worked. Raises Unavailable."""
        return self._view(())

    def about(self) -> dict[str, Any]:
        """What the figures are of."""
        model = self.settings.model
        return {
            "model": model.model,
            "confidence": model.confidence,
            "horizon_s": round(model.horizon * self.settings.period_s),
            "history": {
                book: len(series.closes) - 1
                for book, series in sorted(self.history.series.items())
                if series.closes
            },
        }

    def _view(self, added: tuple[Added, ...]) -> RiskView | None:
        """The view of what is held, worked or added, as it stands now."""
        account = self.tracker.account
        made_of = (self.history.version, self.tracker.books.listings, account.members, self._cash)
        if made_of != self._made_of:
            self._found.clear()
            if made_of[:2] != self._made_of[:2]:
                self._views.clear()
            self._made_of = made_of
        asked = tuple([one.leg.key for one in added])
        view = self._found.get(asked)
        if view is None:
            view = self._found[asked] = self._made(asked)
        if view is None:
            return None
        if view.is_old:
            view.rebuild([self._row(key) for key in view.keys])
            view.serial, view.is_old = account.serial, False
        elif account.serial != view.serial:
            changes = account.serial - view.serial
            few = changes <= len(account.changed)
            recent = islice(reversed(account.changed), changes)
            for line in dict.fromkeys(recent) if few else account.lines.values():
                if line.serial > view.serial:
                    view.put(line.key, self._row(line.key))
            view.serial = account.serial
        return view

    def _made(self, asked: tuple[str, ...]) -> RiskView | None:
        """The view of all these keys; one that was fitted already is summed anew."""
        keys = frozenset([*self.tracker.account.lines, *self._cash, *asked])
        if not keys:
            return None
        view = self._views.get(keys)
        if view is None:
            while len(self._views) >= VIEWS_MAX:
                del self._views[next(iter(self._views))]
            view = self._views[keys] = self._fitted(sorted(keys))
        view.is_old = True
        return view

    def _row(self, key: str) -> Row:
        """The key's exposure in each of the three books, USD. Raises Unavailable without a price."""
        line = self.tracker.account.lines.get(key)
        if line is None:
            wallet = self.tracker.wallets.by_currency.get(key)
            if key not in self._cash or wallet is None:
                return (0.0, 0.0, 0.0)
            held = float(wallet.total * self._mark(key))
            return (held, held, held)
        if line.mark is None:
            raise Unavailable(f"{key} has no price; it has one when its market is quoted")
        held = float(line.position.quantity) * float(line.mark)
        return (held, float(line.long_usd), float(line.short_usd))

    def _mark(self, key: str) -> Decimal:
        mark = self.tracker.marks.usd(key)
        if mark is None:
            raise Unavailable(f"{key} has no price; it has one when its market is quoted")
        return mark

    def _moves(self, view: RiskView, added: tuple[Added, ...]) -> tuple[Moves, Moves, Moves]:
        """What the order moves in each of the three books, if it fills whole.

        An edit takes the place of the order that it edits, where that is filled already.
        """
        if len(added) == 1 and added[0].leg.side == BUY and not added[0].replaces:
            leg = added[0].leg  # nearly every order that adds risk
            moves = ((view.index[leg.key], float(leg.quantity) * float(self._mark(leg.key))),)
            return moves, moves, moves
        held, buys, sells = [], [], []
        for one in added:
            leg = one.leg
            index, mark = view.index[leg.key], float(self._mark(leg.key))
            size = float(leg.quantity) * mark
            instead = size if not one.replaces else size - float(one.replaces) * mark
            if leg.side == BUY:
                held.append((index, size))
                buys.append((index, instead))
                sells.append((index, size))
                continue
            least = [-size, -size, -instead]
            if not self.tracker.books.is_future(leg.key):  # no spot is sold short
                row = view.rows[index]
                least = [max(usd, -max(0.0, row[n])) for n, usd in enumerate(least)]
            held.append((index, least[0]))
            buys.append((index, least[1]))
            sells.append((index, least[2]))
        return held, buys, sells

    # --- Models -----------------------------------------------------------------------------------

    def _fitted(self, keys: list[str]) -> RiskView:
        """A view of these keys, fitted to their history. What keeps the model from being fitted keeps
        no stress loss from being told that needs no history.
        """
        settings = self.settings
        returns: Array | None = None
        model = why = None
        try:
            returns = self.returns(keys)
            model = fit(returns, settings.model)
        except Unavailable as fault:
            why = str(fault)
        stress = stress_model(
            [Subject(self._asset(key), key in self.tracker.books.cash) for key in keys],
            settings.scenarios,
            returns,
            settings.stress_window,
        )
        needs = bool(settings.stress_window) or not settings.scenarios
        return RiskView(keys, model, stress, why, stress_needs_returns=needs)

    def returns(self, keys: Iterable[str]) -> Array:
        """Aligned log returns of these keys, T × N, the newest last. Raises Unavailable."""
        logs: dict[str, Logs | None] = {}
        proxies: dict[str, Logs | None] = {}
        for key in keys:
            logs[key] = self._logs(key)
            if (asset := self._stands_in(key)) is not None:
                proxies[key] = self._logs(asset)
        return align(logs, proxies, self.settings.policy, self._period)

    def _stands_in(self, key: str) -> str | None:
        """The asset whose returns stand in where the key has too few of its own."""
        if self.tracker.books.is_future(key):
            return self._asset(key)
        if self.settings.policy.short_history == "refuse":
            return None
        proxy = self.settings.proxies.get(key, self.settings.proxy)
        return proxy if proxy != key else None

    def _logs(self, key: str) -> Logs | None:
        steps = self.tracker.marks.routes.get(key, ())
        return log_closes(self.history, ((step.book, step.inverse) for step in steps))

    def _asset(self, key: str) -> str:
        """The coin itself, or a future's underlying."""
        product = self.tracker.products.get(key)
        return product.base if product is not None and product.is_future else key

    # --- What survives ----------------------------------------------------------------------------

    def saved(self) -> SavedRisk:
        return SavedRisk(period_s=self.settings.period_s, series=self.history.series)

    def restore(self, saved: SavedRisk) -> None:
        """Go on with a history that was kept; one of another length of period is of no use."""
        if saved.period_s == self.settings.period_s:
            self.history.series = saved.series
            self.history.version += 1


def _usd(value: float) -> Decimal:
    """USD to the cent; less than nothing is no risk. Raises Unavailable for what is no number."""
    if not isfinite(value):
        raise Unavailable("the model gives no finite figure; mend the history or the model")
    return Decimal(round(value * CENTS)).scaleb(-2) if value > 0 else ZERO
