"""AccountWindow: where a loss of the whole account counts from. No I/O.

How transfers move it: loss_windows.py.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from sidecar.core.account.datings import LEFT_OF_A_UNIT
from sidecar.core.account.moved import Moved
from sidecar.core.vocabulary.money import ZERO


class AccountWindow(Struct):
    """Where a loss of the whole account counts from. Money in USD.

    `base`: see above. `settled`: the settled part of the net PnL at the start. `least`, `most`: the
    base if every transfer of unknown order had come the way that lost least, or most; `least_usd` (≤ 0)
    and `most_usd` (≥ 0) are its additions to the loss.
    """

    started_at: datetime
    net_pnl: Decimal
    base: Decimal
    settled: Decimal = ZERO
    least: Decimal | None = None
    most: Decimal | None = None
    least_usd: Decimal = ZERO
    most_usd: Decimal = ZERO

    @property
    def least_equity(self) -> Decimal:
        """The least equity of the window, USD: an account that has lost all still has a ratio."""
        return max(self.base, ZERO) * LEFT_OF_A_UNIT or LEFT_OF_A_UNIT

    def scale(self, before: Decimal, after: Decimal) -> None:
        """Units were bought or redeemed: they were worth `before` together, and are worth `after`."""
        before = max(before, self.base * LEFT_OF_A_UNIT)
        if before > ZERO:
            self.base = self.base * after / before
            self.least = None if self.least is None else self.least * after / before
            self.most = None if self.most is None else self.most * after / before

    def raise_to(self, equity: Decimal, settled: Decimal) -> None:
        """The account stands at its highest: losses from before that count no more."""
        if equity > self.base:
            self.base, self.least, self.most = equity, None, None
            self.settled, self.least_usd, self.most_usd = settled, ZERO, ZERO

    def doubt(self, moves: Sequence[Moved], best: Decimal, worst: Decimal) -> None:
        """Transfers came of which it is not known when: they change a unit's worth by these shares at the best of
        all moments, and at the worst.
        """
        for moved in moves:
            less, more = moved.range
            self.least_usd -= less
            self.most_usd -= more
        assert self.least_usd <= ZERO <= self.most_usd, "the least loss is above the most"
        least = (self.least or self.base) / best
        most = (self.most or self.base) / worst
        self.least = least if least < self.base else None
        self.most = most if most > self.base else None
