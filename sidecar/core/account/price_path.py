"""PricePath: the moments between two readings of the balances at which prices had moved. No I/O.

A transfer may have come between two moves of prices that no reading lies between. So the account is noted
whenever its PnL has moved, at the marks of then: like those of a reading, they are found once they are confirmed
(readings.py).
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.account.marks import NEVER
from sidecar.core.account.moved import Order, Point
from sidecar.core.vocabulary.money import ZERO

MOVE_MIN: Final = Decimal("0.01")  # smaller moves, as a share of equity, make no moment
MOMENTS_MAX: Final = 20  # so many moves of a hundredth lie between two readings of a wild minute


class Noted(Struct, frozen=True):
    """The last moment or reading: its time, and the net PnL, USD, within which prices have not moved since."""

    low: Decimal = ZERO
    high: Decimal = ZERO
    at: datetime = NEVER


class PricePath:
    """The last of these moments, the newest last; `last`: the last of them or of the readings."""

    def __init__(self) -> None:
        self.known: list[Point] = []
        self.last = Noted()

    def has_left(self, net_pnl: Decimal) -> bool:
        """Whether the net PnL has moved since the last moment or reading."""
        return not self.last.low <= net_pnl <= self.last.high

    def time_of(self, at: datetime) -> datetime:
        """The time of a new moment: it is later than the last one, if only by the least that a clock tells."""
        return max(at, self.last.at + timedelta.resolution)

    def stand(self, at: datetime, net_pnl: Decimal, equity: Decimal) -> None:
        """A moment or a reading is noted, at this net PnL and equity, USD."""
        band = abs(equity) * MOVE_MIN
        self.last = Noted(net_pnl - band, net_pnl + band, max(at, self.last.at))

    def note(self, moment: Point) -> None:
        """Prices have moved: the account at the confirmed marks of now."""
        self.known = [*self.known, moment][-MOMENTS_MAX:]

    def between(self, first: Order, last: Order, key: str, cash: Decimal | None) -> list[Point]:
        """The moments after one and before another, at the prices of this key then; `cash`: at this price."""
        found = []
        for moment in self.known:
            price = moment.prices.get(key) if cash is None else cash
            if price is not None and first < moment.order < last:
                found.append(replace(moment, price=price))
        return found
