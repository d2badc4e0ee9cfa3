"""Rolling: the highest that the account stood at within a window that moves on. No I/O.

Theory of operation. What stands is `E` (loss_windows.py) at confirmed marks, so that one bad tick is no high. Time is
cut into parts, each a hundredth of the window. Of a part its highest is kept; what stood when it began counts in it,
as it had stood until then. A high that a later one reaches is forgotten: it would leave first, and is no higher. So
highs fall from the first, the highest of all, to the last, that of the present part; and there are 102 at most.

Bound. A high leaves once its part ended a whole window ago. Each moment of the last window W lies in a part that ends
later, so the loss told is never less than the fall from the highest of the last W. And a part that ended less than W
ago began less than W + W ÷ 100 ago, so it is never more than the fall from the highest of the last W + W ÷ 100.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.account_window import AccountWindow

PARTS: Final = 100
BEGAN: Final = datetime(2020, 1, 1, tzinfo=UTC)  # the parts of all windows are counted from here
# A part further ahead than this was begun by a fact from the future: a clock may be set back by a day.
AHEAD_MAX: Final = timedelta(days=2)


class Rolling(Struct):
    """One window. `highs`: a high each of the parts that have one, dated by their beginnings; of the times of both
    clocks (loss_accounting.py).
    """

    window: timedelta
    highs: list[AccountWindow] = []

    @property
    def part(self) -> timedelta:
        """The length of a part."""
        return self.window / PARTS

    def begun(self, at: datetime) -> datetime:
        """The beginning of the part that a moment lies in."""
        return BEGAN + (at - BEGAN) // self.part * self.part

    @property
    def next_part(self) -> datetime:
        """When the present part is over."""
        return self.highs[-1].started_at + self.part

    def leaves_at(self, high: AccountWindow) -> datetime:
        """When a high counts no more."""
        return high.started_at + self.part + self.window

    def turn(self, at: datetime, standing: Callable[[], AccountWindow]) -> bool:
        """Time has passed, in which what stands stood: highs of long ago leave. Whether the highest is another."""
        highs, begins = self.highs, self.begun(at)
        if highs and begins <= highs[-1].started_at:
            if highs[-1].started_at - begins <= AHEAD_MAX:
                return False
            del highs[1:]  # of the future: the highest stays for the length of the window from now
            highs[0].started_at = begins
        first = highs[0] if highs else None
        high = standing()
        high.started_at = begins
        while highs and highs[-1].base <= high.base:
            highs.pop()
        highs.append(high)
        while self.leaves_at(highs[0]) <= at:
            highs.pop(0)
        return highs[0] is not first

    def raise_to(self, equity: Decimal, net_pnl: Decimal, settled: Decimal) -> bool:
        """The account stands at this confirmed figure now. Whether the highest is another."""
        highs = self.highs
        last = highs[-1]
        if equity <= last.base:
            return False
        last.raise_to(equity, settled)
        last.net_pnl = net_pnl
        while len(highs) > 1 and highs[-2].base <= equity:
            del highs[-2]
        return len(highs) == 1

    def clears_at(self, equity: Decimal, ratio: Decimal) -> datetime | None:
        """When no high is left from which the fall to this figure is such a share of it; None where none is now."""
        crossing = [high for high in self.highs if high.base - equity >= ratio * high.base]
        return self.leaves_at(crossing[-1]) if crossing else None
