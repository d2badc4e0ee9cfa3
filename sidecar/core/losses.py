"""Losses against their limits: daily, cumulative and drawdown. Pure figures, no I/O.

A ratio is taken of the equity at the start of its own window plus net transfers since. At a base of
zero or less no ratio can be taken.
"""

from decimal import ROUND_FLOOR, Decimal

from msgspec import Struct

from sidecar.core.limits import LossLimit
from sidecar.core.money import RATIO_QUANTUM, ZERO, cents, plain, ratio
from sidecar.core.position_tracker import PositionTracker


class Loss(Struct, frozen=True):
    """A loss (positive, USD) and the equity its ratio is taken of."""

    usd: Decimal
    base: Decimal

    def crosses(self, limit: LossLimit) -> bool:
        """Losses break when observed ≥ limit.

        Against no equity no ratio is crossed: NO_EQUITY says so instead.
        """
        if limit.ratio is None:
            assert limit.usd is not None
            return self.usd >= limit.usd
        return self.base > ZERO and self.usd >= limit.ratio * self.base

    def measured(self, limit: LossLimit) -> Decimal:
        """The loss in the limit's own measure: a ratio, or USD."""
        if limit.ratio is None:
            return self.usd
        if self.base <= ZERO:
            return ZERO
        # Rounded down, so that it reaches a limit just when the loss does.
        return (self.usd / self.base).quantize(RATIO_QUANTUM, ROUND_FLOOR)

    @property
    def ratio(self) -> Decimal | None:
        return ratio(self.usd, self.base) if self.base > ZERO else None

    def text(self) -> str:
        share = "" if self.ratio is None else f", {plain(cents(self.ratio * 100))} %"
        return f"{plain(cents(self.usd))} USD{share}"


def daily(
    tracker: PositionTracker, *, key: str | None = None, strategy_id: str | None = None
) -> Loss:
    """Loss since the day's start: of the account, of one exposure key, or of one strategy."""
    windows = tracker.windows
    if windows is None:
        return Loss(ZERO, ZERO)
    base = windows.day.base(tracker.transfers)
    if key is not None:
        return Loss(windows.day_by_key.get(key, ZERO) - tracker.account.net_pnl_of(key), base)
    if strategy_id is not None:
        book = tracker.strategies.get(strategy_id)
        return Loss(
            windows.day_by_strategy.get(strategy_id, ZERO) - (book.net_pnl if book else ZERO), base
        )
    return Loss(windows.day.loss(tracker.account.net_pnl), base)


def cumulative(tracker: PositionTracker) -> Loss:
    """Loss since the last `reset-loss cumulative`, or the first start."""
    windows = tracker.windows
    if windows is None:
        return Loss(ZERO, ZERO)
    return Loss(
        windows.cumulative.loss(tracker.account.net_pnl), windows.cumulative.base(tracker.transfers)
    )


def cumulative_settled(tracker: PositionTracker) -> Loss:
    """The part of the cumulative loss that fills, fees and funding have settled.

    No price can take it back.
    """
    windows = tracker.windows
    if windows is None:
        return Loss(ZERO, ZERO)
    lost = windows.settled_at_cumulative - tracker.account.pnl.settled
    return Loss(lost, windows.cumulative.base(tracker.transfers))


def drawdown(tracker: PositionTracker) -> Loss:
    """Fall from the highest PnL since the drawdown window began."""
    windows = tracker.windows
    if windows is None:
        return Loss(ZERO, ZERO)
    return Loss(windows.peak - tracker.account.net_pnl, windows.drawdown.base(tracker.transfers))
