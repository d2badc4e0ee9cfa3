"""Losses against their limits: daily, cumulative and drawdown. Pure figures, no I/O.

Ratios are time-weighted (loss_windows.py). While the account was left with less than `min_equity` by a
transfer, or nothing of it can be valued, no ratio is taken. Where the order of a transfer and a fall is
not known, a loss may be asked for as it would be at `least` or at `most`, and at other prices than the
marks: `changes` says by how much they differ, USD a unit of each key.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.limits import LossLimit
from sidecar.core.loss_windows import ScopedWindow, Window
from sidecar.core.money import RATIO_QUANTUM, ZERO, cents, plain, ratio
from sidecar.core.moved import Moved
from sidecar.core.position_tracker import PositionTracker

Way = Literal["told", "least", "most"]
Changes = Mapping[str, Decimal]

NO_CHANGES: Final[Changes] = {}

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

    def less(self, usd: Decimal) -> "Loss":
        """The loss if so much of it had not happened, USD."""
        return Loss(self.usd - usd, self.base, self._weighted - usd)

    def text(self) -> str:
        share = "" if self.ratio is None else f", {plain(cents(self.ratio * 100))} %"
        return f"{plain(cents(self.usd))} USD{share}"


NO_LOSS: Final = Loss(ZERO, ZERO)


def daily(
    tracker: PositionTracker,
    *,
    key: str | None = None,
    strategy_id: str | None = None,
    way: Way = "told",
    changes: Changes = NO_CHANGES,
) -> Loss:
    """Loss since the day's start: of the account, of one exposure key, or of one strategy (at its marks)."""
    windows = tracker.windows
    if windows is None:
        return NO_LOSS
    if key is not None:
        window = windows.by_key.get(key) or ScopedWindow()
        if way != "told" and tracker.wallets.is_unsure:
            window = replace(window)
            for moved in _open_moves(tracker, changes):
                if moved.key == key:
                    window.doubt(moved)
        own = {key: changes[key]} if key in changes else NO_CHANGES
        return _scoped(tracker, window, tracker.account.net_pnl_of(key) + _gain(tracker, own), way)
    if strategy_id is not None:
        book = tracker.strategies.get(strategy_id)
        window = windows.by_strategy.get(strategy_id) or ScopedWindow()
        return _scoped(tracker, window, book.net_pnl if book else ZERO, way)
    return _loss(tracker, windows.day, windows.day.net_pnl, way, changes)


def cumulative(
    tracker: PositionTracker, *, way: Way = "told", changes: Changes = NO_CHANGES
) -> Loss:
    """Loss since the last `reset-loss cumulative`, or the first start."""
    windows = tracker.windows
    if windows is None:
        return NO_LOSS
    return _loss(tracker, windows.cumulative, windows.cumulative.net_pnl, way, changes)


def drawdown(tracker: PositionTracker, *, way: Way = "told", changes: Changes = NO_CHANGES) -> Loss:
    """Fall from the highest since the drawdown window began."""
    windows = tracker.windows
    if windows is None:
        return NO_LOSS
    return _loss(tracker, windows.drawdown, windows.peak, way, changes)


def _loss(
    tracker: PositionTracker, window: Window, net_pnl: Decimal, way: Way, changes: Changes
) -> Loss:
    """What a window has lost since it stood at `net_pnl`, in one of the ways it may have."""
    windows, now = tracker.windows, tracker.account.net_pnl
    if changes:
        now += _gain(tracker, changes)
    assert windows is not None
    usd, base, equity = net_pnl - now, window.base, windows.span.moved(now)
    if way != "told":
        if way == "least":
            usd, base = usd + window.least_usd, window.least or base
            equity *= tracker.balances.visits.share(windows.span)
        else:
            usd, base = usd + window.most_usd, window.most or base
        if tracker.wallets.is_unsure:
            usd, equity = _if_moved_before(_open_moves(tracker, changes), usd, equity, way)
    if windows.span.lacks_equity or base <= ZERO:
        return Loss(usd, ZERO)
    return Loss(usd, base, base - equity)


def _gain(tracker: PositionTracker, changes: Changes) -> Decimal:
    """What the account would have more at these prices than at its marks, USD."""
    lines = tracker.account.lines
    return sum(
        (lines[key].position.quantity * change for key, change in changes.items()), start=ZERO
    )


def _open_moves(tracker: PositionTracker, changes: Changes) -> Iterator[Moved]:
    """What is in doubt, at these prices."""
    gain = _gain(tracker, changes)
    for moved in tracker.doubtful_moves():
        yield moved.as_of_now(gain, changes.get(moved.key, ZERO)) if changes else moved


def _if_moved_before(
    moves: Iterator[Moved], usd: Decimal, equity: Decimal, way: Way
) -> tuple[Decimal, Decimal]:
    """Loss and equity, in units of now, had what is in doubt moved at the moment that lost least, or most."""
    better = max if way == "least" else min
    for moved in moves:
        usd -= better([ZERO, *(moved.more_at(moment) for moment in moved.others)])
        grown = [moved.grown(moment, equity) for moment in moved.others]
        equity = better([equity, *(one for one in grown if one is not None)])
    return usd, equity


def _scoped(tracker: PositionTracker, window: ScopedWindow, net_pnl: Decimal, way: Way) -> Loss:
    windows = tracker.windows
    assert windows is not None
    shift = {"told": ZERO, "least": window.least_usd, "most": window.most_usd}[way]
    usd, base = window.net_pnl - net_pnl + shift, windows.scoped_base
    if windows.span.lacks_equity or base <= ZERO:
        return Loss(usd, ZERO)
    return Loss(usd, base, window.carried * base + window.span_pnl - net_pnl + shift)
