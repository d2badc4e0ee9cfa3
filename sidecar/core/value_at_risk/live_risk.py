"""LiveRisk: value at risk, expected shortfall and stress loss of the account, kept up as it moves. No I/O.

Theory of operation. A `RiskView` holds three books under one fitted model: as held, with all open
and reserved buys filled, with all sells filled. It is fitted to the keys that are held or worked,
and to those of the order that is asked about; a few of the last ones are kept. Every change of a
line of the account (a fill, a reservation, a price) gives it a new serial number; before a figure
is told, the lines that are newer than the view are moved to where they are now, each in one pass
over the model, and once a second the whole view is summed anew, so that no rounding piles up. An
order is judged by the moves that it makes, without computing a book anew.

Floats come in here as USD and go out as Decimal, rounded to the cent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, isfinite
from typing import Any, Final

from sidecar.core.account.marks import Step
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.working import Leg
from sidecar.core.value_at_risk.model import Array, Moves, Unavailable
from sidecar.core.value_at_risk.models import fit
from sidecar.core.value_at_risk.portfolio_risk import Added, Measure, NoFigure, RiskFigure
from sidecar.core.value_at_risk.risk_history import RiskHistory, SavedRisk
from sidecar.core.value_at_risk.risk_view import RiskView, Row
from sidecar.core.value_at_risk.settings import RiskSettings
from sidecar.core.value_at_risk.stress import Subject, stress_model
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.events import ClosesRead
from sidecar.core.vocabulary.money import CENT, ZERO
from sidecar.core.vocabulary.orders import BUY
from sidecar.core.vocabulary.products import DOLLARS

REBUILD_EVERY: Final = timedelta(seconds=1)
SET_BACK: Final = timedelta(minutes=1)  # a REST fact may be as old; beyond, it is the clock
VIEWS_MAX: Final = 16  # for keys that bots ask about in turn, beside those held; each costs a model
# Listings, the period, lines that came and went, foreign cash, keys without a mark: a view's keys.
MadeOf = tuple[int, int, int, tuple[str, ...], tuple[str, ...]]
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
CENTS: Final = 100
DRIFTED_MAX: Final = 8  # changes of lines: beyond, following them costs no more than bounding them
DRIFT_SHARE: Final = 0.1  # of the room left below the calm level
A_DOLLAR: Final = 1.0  # more than any rounding of a figure
ROOM_MAX: Final = 1e15  # USD; more than any order needs


class LiveRisk:
    """Computes the measures of the account. All its inputs come as facts: the same facts give the
    same figures.
    """

    def __init__(self, tracker: PositionTracker, settings: RiskSettings) -> None:
        self.tracker = tracker
        self.settings = settings
        self.past = RiskHistory(tracker, settings)
        self.since = self.due = LONG_AGO  # between them time alone changes no figure
        self._views: dict[frozenset[str], RiskView] = {}
        # By the keys that were asked about, while the keys held and worked stay the same.
        self._found: dict[tuple[str, ...], RiskView | None] = {}
        self._made_of: MadeOf = (-1, -1, -1, (), ())
        self._routes: Mapping[str, tuple[Step, ...]] = {}  # a listing seldom changes them
        self._cash: tuple[str, ...] = ()
        self._cash_of = (-1, -1)  # listings and wallets that the next are made of
        self._foreign: list[str] = []  # cash other than dollars that has a wallet
        self._bare: tuple[str, ...] = ()
        self._bare_of = -1  # lines that came and went until the last was looked at
        self._told = (0.0, ZERO)  # the last figure without an order, as it was told

    # --- Facts ------------------------------------------------------------------------------------

    def tick(self, now: datetime) -> None:
        """Time has passed: a period may be over, and sums are made anew."""
        self.since, self.due = now - SET_BACK, min(now + REBUILD_EVERY, self.past.tick(now))
        for view in self._views.values():
            view.is_old = True

    def is_due(self, now: datetime) -> bool:
        """Whether time alone changes a figure; it does when the clock was set back, too."""
        return not self.since <= now < self.due

    def learn(self, event: ClosesRead) -> list[Action]:
        """Closes as Coinbase tells them; no action follows."""
        self.past.learn(event)
        return []

    # --- Figures ----------------------------------------------------------------------------------

    def figure(
        self,
        measure: Measure,
        tracker: PositionTracker,
        added: tuple[Added, ...] = (),
        warn_usd: Decimal = ZERO,
    ) -> RiskFigure | NoFigure:
        """One measure of the worst of the three books, with and without the order."""
        assert tracker is self.tracker
        try:
            view = self._view(added)
            if view is None:
                return RiskFigure(ZERO, ZERO)
            before = view.before(measure)
            if before != self._told[0]:
                self._told = (before, _usd(before))
            known = self._told[1]
            if not added or not view.keys:
                return RiskFigure(known, known)
            moves = self._moves(view, added)
            if warn_usd and (most := view.most_added(measure, moves)) < inf:
                bound = _usd(before + most)
                if bound < warn_usd:
                    return RiskFigure(known, bound)
            after = view.after(measure, moves)
            return RiskFigure(known, known if after == before else _usd(after))
        except Unavailable as why:
            return NoFigure(str(why))

    def room(
        self, measure: Measure, tracker: PositionTracker, leg: Leg, warn_usd: Decimal
    ) -> Decimal:
        """USD at the mark that an order on the leg's key and side may move while the measure surely
        stays below `warn_usd`; zero where that cannot be told.

        The figure that an order adds grows no faster than its size, and the addition of its worst
        dollar is known.
        """
        assert tracker is self.tracker
        try:
            view, most = self._view_of((Added(leg),)), float(warn_usd)
            if view is None or leg.key not in view.index:  # a key that counts as dollars
                return ZERO
            if leg.key not in tracker.marks.by_key:
                return ZERO
            left = most - self._bound(view, measure, most) - A_DOLLAR
            moves = ((view.index[leg.key], 1.0 if leg.side == BUY else -1.0),)
            rate = view.most_added(measure, (moves,) * 3)
        except Unavailable:
            return ZERO
        if not (left > 0.0 and 0.0 <= rate < inf):  # also where a model gives no number
            return ZERO
        usd = left / rate if rate else ROOM_MAX
        return Decimal(int(min(usd, ROOM_MAX)))

    def view(self) -> RiskView | None:
        """The three books as they are now; None where no key with a mark is held or worked."""
        return self._view(())

    def uncounted(self) -> list[str]:
        """Keys held or worked without a mark: they do not count until their first mark."""
        wallets = self.tracker.wallets.by_currency
        cash = {
            name
            for name in self.tracker.books.cash & wallets.keys()
            if wallets[name].position and self.tracker.marks.usd(name) is None
        }
        bare = (key for key, line in self.tracker.account.lines.items() if line.mark is None)
        return sorted({*bare, *cash})

    def about(self) -> dict[str, Any]:
        """The model, confidence, horizon and history behind the figures."""
        model, history = self.settings.model, self.past.history
        return {
            "model": model.model,
            "confidence": model.confidence,
            "horizon_s": round(model.horizon * self.settings.period_s),
            "history": {
                book: len(series.closes) - 1
                for book, series in sorted(history.series.items())
                if series.closes
            },
        }

    def _view(self, added: tuple[Added, ...]) -> RiskView | None:
        """The view of the keys held, worked or added, as it stands now."""
        view = self._view_of(added)
        if view is not None:
            self._keep_up(view)
        return view

    def _bound(self, view: RiskView, measure: Measure, warn_usd: float) -> float:
        """A bound on the figure. A view that a few lines have left behind is not kept up for it
        while their possible addition is small beside the room left.
        """
        account = self.tracker.account
        if not (view.is_old or self._cash or account.serial - view.serial > DRIFTED_MAX):
            known = view.before(measure)
            keys = account.changed_since(view.serial)
            drift = sum(view.drift(measure, key, self._row(key)) for key in keys)
            if drift <= DRIFT_SHARE * (warn_usd - known):
                return known + drift
        self._keep_up(view)
        return view.before(measure)

    def _view_of(self, added: tuple[Added, ...]) -> RiskView | None:
        """The view of the keys held, worked or added, as it was last kept up."""
        account = self.tracker.account
        if self.past.changed:
            self._forget(self.past.changed)
        self._cash, members = self._cash_now(), account.members
        if self._bare or self._bare_of != members:
            self._bare = self._bare_now()
        made_of = (
            self.tracker.books.listings,
            self.past.period,
            members,
            self._cash,
            self._bare,
        )
        if made_of != self._made_of:
            self._found.clear()
            routes = self.tracker.marks.routes
            if made_of[1] != self._made_of[1] or routes != self._routes:
                self._views.clear()
            self._made_of, self._routes = made_of, routes
        asked = tuple([one.leg.key for one in added])
        view = self._found.get(asked)
        if view is None:
            view = self._found[asked] = self._made(asked)
        return view

    def _cash_now(self) -> tuple[str, ...]:
        """The currencies that are held and have a mark, but for the ones kept whole: as in equity,
        no other currency counts.
        """
        wallets, books = self.tracker.wallets.by_currency, self.tracker.books
        if self._cash_of != (books.listings, len(wallets)):
            self._cash_of = (books.listings, len(wallets))
            self._foreign = sorted((books.cash - DOLLARS) & wallets.keys())
        if not self._foreign:
            return ()
        usd = self.tracker.marks.usd
        return tuple(
            [
                name
                for name in self._foreign
                if (own := wallets[name]).total and own.keep is not None and usd(name) is not None
            ]
        )

    def _bare_now(self) -> tuple[str, ...]:
        """The keys that are held or worked and have no mark: nearly always none."""
        account = self.tracker.account
        lines = account.lines
        among = self._bare if self._bare_of == account.members else lines
        self._bare_of = account.members
        return tuple([key for key in among if lines[key].mark is None])

    def _keep_up(self, view: RiskView) -> None:
        """Let the view follow the changes since it was last looked at."""
        account = self.tracker.account
        if view.is_old:
            view.rebuild([self._row(key) for key in (*view.keys, *view.lost)])
            view.serial, view.is_old = account.serial, False
            return
        if account.serial != view.serial:
            for key in account.changed_since(view.serial):
                view.put(key, self._row(key))
            view.serial = account.serial
        for currency in self._cash:  # a wallet has no serial
            view.put(currency, self._row(currency))

    def _forget(self, books: set[str]) -> None:
        """Drop the views that are made of these books."""
        self._views = {key: one for key, one in self._views.items() if not one.books & books}
        self._found.clear()
        self.past.changed.clear()

    def _made(self, asked: tuple[str, ...]) -> RiskView | None:
        """The view of all these keys; one that was fitted already is summed anew. Raises Unavailable
        for one that is asked about and has no returns.
        """
        held = self.tracker.account.lines.keys() - self._bare
        keys = frozenset([*held, *self._cash, *asked]) - DOLLARS
        if not keys:
            return None
        view = self._views.pop(keys, None)
        if view is None:
            while len(self._views) >= VIEWS_MAX:
                del self._views[next(iter(self._views))]
                self._found.clear()  # else a dropped view would be found there, and never kept up
            view = self._fitted(sorted(keys))
        self._views[keys] = view  # the one asked about last stands last
        for key in asked:
            if key in view.lost:
                raise Unavailable(self.past.why_not(key) or f"{key} has no history")
        view.is_old = True
        return view

    def _row(self, key: str) -> Row:
        """The key's exposure in each of the three books, USD; none without a mark, as in equity."""
        cash = self._worth_of_cash(key) if self._cash and key in self._cash else 0.0
        line = self.tracker.account.lines.get(key)
        if line is None or line.mark is None:
            return (cash, cash, cash)
        held = float(line.position.quantity * line.mark)
        long, short = held, held
        if line.open_buy or line.open_sell:
            long, short = float(line.long_usd), float(line.short_usd)
        if not line.is_future:  # a sale told before its purchase
            held, long, short = max(0.0, held), max(0.0, long), max(0.0, short)
        return (held + cash, long + cash, short + cash)

    def _worth_of_cash(self, currency: str) -> float:
        wallet = self.tracker.wallets.by_currency[currency]
        kept = wallet.keep
        assert kept is not None  # else it is not looked at
        return float(max(ZERO, wallet.total - kept) * self._mark(currency))

    def _mark(self, key: str) -> Decimal:
        mark = self.tracker.marks.usd(key)
        if mark is None:
            raise Unavailable(f"{key} has no price; it has one when its market is quoted")
        return mark

    def _moves(self, view: RiskView, added: tuple[Added, ...]) -> tuple[Moves, Moves, Moves]:
        """The moves of the order in each of the three books, if it fills whole.

        An edit takes the place of the order that it edits, where that is filled already.
        """
        if len(added) == 1:
            (only,) = added
            leg = only.leg
            if leg.side == BUY and leg.key in view.index and not only.replaces:
                # nearly every order that adds risk
                moves = ((view.index[leg.key], float(leg.quantity * self._mark(leg.key))),)
                return moves, moves, moves
        held, buys, sells = [], [], []
        for one in added:
            leg = one.leg
            if leg.key in DOLLARS:
                continue
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
        """A view of these keys, fitted to their history.

        A coin that is held and has none, by Coinbase's own word, is taken to be lost whole: no
        history can be worse. A future, which may lose more, must have one. A reason that the model
        cannot be fitted keeps no stress loss from being told that needs no history.
        """
        settings, books = self.settings, self.tracker.books
        whys = [key for key in keys if self.past.why_not(key) is not None]
        lost = [key for key in whys if not (books.is_future(key) or self.past.is_awaited(key))]
        fitted = [key for key in keys if key not in lost]
        returns: Array | None = None
        model = why = None
        try:
            returns = self.past.returns(fitted)
            model = fit(returns, settings.model) if fitted else None
        except Unavailable as fault:
            why = str(fault)
        stress = stress_model(
            [Subject(self.past.asset(key), key in books.cash) for key in fitted],
            settings.scenarios,
            returns,
            settings.stress_window,
        )
        return RiskView(
            fitted,
            model,
            stress,
            why,
            lost=lost,
            books=self.past.books_of(keys),
            stress_needs_returns=bool(settings.stress_window),
        )

    # --- Saving -----------------------------------------------------------------------------------

    def saved(self) -> SavedRisk:
        return self.past.saved()

    def restore(self, saved: SavedRisk) -> None:
        """Go on with a history that was kept."""
        self.past.restore(saved)


def _usd(value: float) -> Decimal:
    """USD to the cent; a negative value is no risk. Raises Unavailable for a value that is no
    number.
    """
    if not isfinite(value):
        raise Unavailable("the model gives no finite figure; fix the history or the model")
    return Decimal(round(value * CENTS)) * CENT if value > 0 else ZERO
