"""Losses against their limits: daily, cumulative and drawdown. Pure figures, no I/O.

Ratios are time-weighted (loss_windows.py). While the account was left with less than `min_equity`
by a transfer, or no holding can be valued, no ratio is taken. Where the order of a transfer and a
fall is not known, a loss may be asked for as it would be at `least` or at `most`, and with a
`Shift`, at other prices than the marks.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.moved import Moved
from sidecar.core.account.periods import Period, ScopedWindow
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.money import ONE, RATIO_QUANTUM, ZERO, cents, plain, ratio
from sidecar.core.vocabulary.trading_day import PeriodName

Way = Literal["told", "least", "most"]
Changes = Mapping[str, Decimal]

# The causes of losses within a period of the calendar.
PERIOD_OF: Final[Mapping[str, PeriodName]] = {
    "DAILY_LOSS": "daily",
    "WEEKLY_LOSS": "weekly",
    "MONTHLY_LOSS": "monthly",
}

# Bases that transfers have scaled are rounded at 64 digits: a loss this close to its limit, as a ratio,
# has reached it.
ROUNDING: Final = Decimal("1E-30")


class Loss(Struct, frozen=True):
    """A loss (positive, USD) and the equity that its ratio is taken of.

    `weighted` is the loss as a share of `base`, times `base`: other than `usd` where transfers came in
    between. A base of zero: no ratio can be taken.
    """

    usd: Decimal
    base: Decimal
    weighted: Decimal | None = None

    @property
    def _weighted(self) -> Decimal:
        return self.usd if self.weighted is None else self.weighted

    def crosses(self, limit: LossLimit) -> bool:
        """Losses break when observed ≥ limit.

        Against no equity no ratio is crossed: NO_EQUITY says so instead.
        """
        if limit.ratio is None:
            assert limit.usd is not None
            return self.usd >= limit.usd
        return self.base > ZERO and self._weighted >= (limit.ratio - ROUNDING) * self.base

    def room(self, limit: LossLimit) -> Decimal:
        """How much more may be lost before the limit is reached, USD; negative beyond it."""
        if limit.ratio is None:
            assert limit.usd is not None
            return limit.usd - self.usd
        return limit.ratio * self.base - self._weighted

    def share(self) -> Decimal:
        """The loss as a share, to compare with other losses; zero where no ratio can be taken."""
        return self._weighted / self.base if self.base > ZERO else ZERO

    def measured(self, limit: LossLimit) -> Decimal:
        """The loss in the limit's own measure: a ratio, or USD."""
        if limit.ratio is None:
            return self.usd
        if self.base <= ZERO:
            return ZERO
        # Rounded down, so that it reaches a limit just when the loss does.
        share = self._weighted / self.base + ROUNDING
        return share.quantize(RATIO_QUANTUM, ROUND_FLOOR)

    @property
    def ratio(self) -> Decimal | None:
        return ratio(self._weighted, self.base) if self.base > ZERO else None

    def text(self) -> str:
        share = "" if self.ratio is None else f", {plain(cents(self.ratio * 100))} %"
        return f"{plain(cents(self.usd))} USD{share}"


NO_LOSS: Final = Loss(ZERO, ZERO)


class Shift(Struct, frozen=True):
    """How an account is reckoned otherwise than at its marks: by how much the prices of keys are
    higher, USD a unit, and its further earnings, USD.
    """

    changes: Changes = {}
    usd: Decimal = ZERO

    def of(self, tracker: PositionTracker) -> Decimal:
        """The account's additional worth, USD."""
        lines, worth = tracker.account.lines, self.usd
        for key, change in self.changes.items():
            worth += lines[key].position.quantity * change
        return worth

    def narrowed(self, key: str) -> "Shift":
        """The same of one key alone."""
        return Shift({key: self.changes[key]} if key in self.changes else {}, self.usd)


AT_MARKS: Final = Shift()


def daily(
    tracker: PositionTracker,
    *,
    key: str | None = None,
    strategy_id: str | None = None,
    way: Way = "told",
    shift: Shift = AT_MARKS,
) -> Loss:
    """Loss since the day's start: see `within`."""
    return within(tracker, "daily", key=key, strategy_id=strategy_id, way=way, shift=shift)


def within(  # noqa: PLR0913 - a scope is named by key or strategy
    tracker: PositionTracker,
    name: PeriodName,
    *,
    key: str | None = None,
    strategy_id: str | None = None,
    way: Way = "told",
    shift: Shift = AT_MARKS,
) -> Loss:
    """Loss since the start of the day, week or month: of the account, of one exposure key, or of one strategy (at
    its marks).
    """
    windows = tracker.loss_accounting.windows
    if windows is None:
        return NO_LOSS
    period = windows.period(name)
    if key is not None:
        window = period.by_key.get(key) or ScopedWindow()
        if tracker.wallets.is_unsure:
            window = replace(window)
            for moved in _open_moves(tracker, shift):
                if moved.key == key:
                    window.doubt(moved)
        net_pnl = tracker.account.net_pnl_of(key) + shift.narrowed(key).of(tracker)
        return _scoped(tracker, period, window, net_pnl, way)
    if strategy_id is not None:
        book = tracker.strategies.get(strategy_id)
        window = period.by_strategy.get(strategy_id) or ScopedWindow()
        net_pnl = (book.net_pnl if book else ZERO) + shift.usd
        return _scoped(tracker, period, window, net_pnl, way)
    account = windows.of_period(name)
    return _loss(tracker, account, account.net_pnl, way, shift)


def cumulative(tracker: PositionTracker, *, way: Way = "told", shift: Shift = AT_MARKS) -> Loss:
    """Loss since the last `reset-loss cumulative`, or the first start."""
    windows = tracker.loss_accounting.windows
    if windows is None:
        return NO_LOSS
    return _loss(tracker, windows.cumulative, windows.cumulative.net_pnl, way, shift)


def drawdown(tracker: PositionTracker, *, way: Way = "told", shift: Shift = AT_MARKS) -> Loss:
    """Fall from the highest since the drawdown window began."""
    windows = tracker.loss_accounting.windows
    if windows is None:
        return NO_LOSS
    return _loss(tracker, windows.drawdown, windows.peak, way, shift)


def rolling(
    tracker: PositionTracker, window: timedelta, *, way: Way = "told", shift: Shift = AT_MARKS
) -> Loss:
    """Fall from the highest within a rolling window: never less than it was, and never more than it was within a
    window longer by its hundredth (rolling.py).
    """
    windows = tracker.loss_accounting.windows
    found = None if windows is None else windows.rolling_of(window)
    if found is None:
        return NO_LOSS
    highs = found.highs[:1] if way == "told" else found.highs
    fallen = [_loss(tracker, high, high.net_pnl, way, shift) for high in highs]
    return max(fallen, key=Loss.share)


def settled_loss(
    tracker: PositionTracker,
    code: str,
    key: str | None,
    strategy_id: str | None,
    window: timedelta | None = None,
) -> Decimal:
    """The cost of fills, fees and funding since the window of this cause began, USD; without
    the part that transfers of unknown time may account for.
    """
    windows, account = tracker.loss_accounting.windows, tracker.account
    assert windows is not None
    name = PERIOD_OF.get(code)
    if name is not None and key is not None:
        scoped = windows.period(name).by_key.get(key) or ScopedWindow()
        return scoped.settled - account.settled_of(key) + scoped.least_usd
    if name is not None and strategy_id is not None:
        scoped = windows.period(name).by_strategy.get(strategy_id) or ScopedWindow()
        book = tracker.strategies.get(strategy_id)
        return scoped.settled - (book.pnl.settled if book else ZERO) + scoped.least_usd
    if name is not None:
        since = windows.of_period(name)
    elif window is not None:
        rolls = windows.rolling_of(window)
        assert rolls is not None, "it has no loss before it has begun"
        since = rolls.highs[0]
    else:
        since = windows.drawdown if code == "DRAWDOWN" else windows.cumulative
    return since.settled - account.pnl.settled + since.least_usd


def _loss(
    tracker: PositionTracker, window: AccountWindow, net_pnl: Decimal, way: Way, shift: Shift
) -> Loss:
    """The loss of a window since it stood at `net_pnl`, in one of the possible ways."""
    accounting, now = tracker.loss_accounting, tracker.account.net_pnl
    windows = accounting.windows
    if shift is not AT_MARKS:
        now += shift.of(tracker)
    assert windows is not None
    usd, base, equity = net_pnl - now, window.base, windows.span.moved(now)
    if way != "told":
        if way == "least":
            usd, base = usd + window.least_usd, window.least or base
            equity *= accounting.doubts.visited_share(accounting.least_with_ratio)
        else:
            usd, base = usd + window.most_usd, window.most or base
        if tracker.wallets.is_unsure:
            moves, better = list(_open_moves(tracker, shift)), max if way == "least" else min
            for moved in moves:
                usd -= better(moved.range)
            gain, least = shift.of(tracker), accounting.least_with_ratio
            share = accounting.doubts.open_share(moves, better, gain, least)
            equity = equity if share == ONE else max(equity, window.least_equity) * share
    if windows.span.lacks_equity or base <= ZERO:
        return Loss(usd, ZERO)
    return Loss(usd, base, base - equity)


def _open_moves(tracker: PositionTracker, shift: Shift) -> Iterator[Moved]:
    """Open discrepancies as transfers, valued as the account is reckoned."""
    more = shift.of(tracker)
    for moved in tracker.loss_accounting.doubts.open_moves():
        yield moved.as_of_now(more, shift.changes.get(moved.key, ZERO))


def _scoped(
    tracker: PositionTracker, period: Period, window: ScopedWindow, net_pnl: Decimal, way: Way
) -> Loss:
    windows = tracker.loss_accounting.windows
    assert windows is not None
    shift = {"told": ZERO, "least": window.least_usd, "most": window.most_usd}[way]
    usd, base = window.net_pnl - net_pnl + shift, period.scoped_base
    if windows.span.lacks_equity or base <= ZERO:
        return Loss(usd, ZERO)
    return Loss(usd, base, window.carried * base + window.span_pnl - net_pnl + shift)
