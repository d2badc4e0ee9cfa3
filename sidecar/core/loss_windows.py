"""Loss windows: where the day, the cumulative figure and the drawdown are counted from. No I/O."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from sidecar.core.money import ZERO


class Window(Struct, frozen=True):
    """A starting line. Money in USD; `transfers` is the running total of net transfers when it was
    drawn.
    """

    started_at: datetime
    net_pnl: Decimal
    equity: Decimal
    transfers: Decimal

    def loss(self, net_pnl: Decimal) -> Decimal:
        """What was lost since, positive when it is a loss."""
        return self.net_pnl - net_pnl

    def base(self, transfers: Decimal) -> Decimal:
        """What a loss ratio is taken of: equity at the start + net transfers since."""
        return self.equity + transfers - self.transfers


class LossWindows(Struct):
    """All windows of an account. `peak` is the highest net PnL since the drawdown window began,
    USD.
    """

    day: Window
    next_reset: datetime
    cumulative: Window
    drawdown: Window
    peak: Decimal
    settled_at_cumulative: Decimal = ZERO  # settled PnL when the cumulative window began
    day_by_key: dict[str, Decimal] = {}
    day_by_strategy: dict[str, Decimal] = {}
