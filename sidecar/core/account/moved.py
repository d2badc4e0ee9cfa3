"""Moved: a transfer, and the moments at which it may have come. No I/O.

Between two readings of a wallet prices move, and no reading shows when a transfer came. It is
booked as of its first reading; the account's loss, had the transfer come at another moment, follows
from the prices and the PnL of that moment (datings.py).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.vocabulary.money import ZERO

# The order of moments of one reading: prices as they were confirmed then, as they were found since, at the near
# sides of wide quotes, and as they were when the transfer was booked.
CONFIRMED: Final = 0
FOUND: Final = 1
NEAR: Final = 2
BOOKED: Final = 3
NOW: Final = datetime.max.replace(tzinfo=UTC)

Order = tuple[datetime, int]


class Point(Struct, frozen=True):
    """A moment at which a quantity may have moved: the account's net PnL then, USD, and the
    quantity's price, USD a unit. `transfers`: all that had come in as the books had it then, USD; None
    where that is not known. `at`: the reading of the balances that it is of; None: the present. `view`: which
    prices of then. `booked`: the number of transfers that were booked by then. `prices`: of other keys.
    """

    pnl: Decimal
    price: Decimal
    transfers: Decimal | None = None
    at: datetime | None = None
    view: int = FOUND
    booked: int = 0
    prices: Mapping[str, Decimal] = {}

    @property
    def order(self) -> Order:
        """Its place among moments."""
        return (self.at or NOW, self.view)


class Moved(Struct, frozen=True):
    """A transfer of `quantity` of a key, booked as of one moment. `held`: the quantity before it;
    `now`: the present, the transfer not counted. `others`: moments at which it may have come
    instead, for prices moved between two readings and neither shows when the transfer came.
    `undoes`: the time at which the transfer that this one takes back was booked. `number`: how many transfers were
    booked with it; None: it is in doubt still. `told_at`: the time at which it was booked. `has_come`: it is in doubt
    how much it is, and no more whether it came at one of the `others`.
    """

    key: str
    held: Decimal
    quantity: Decimal
    booked: Point
    now: Point
    others: tuple[Point, ...] = ()
    undoes: datetime | None = None
    number: int | None = None
    told_at: datetime | None = None
    has_come: bool = False

    @property
    def moments(self) -> tuple[Point, ...]:
        """All at which it may have come."""
        return (self.booked, *self.others)

    @property
    def first(self) -> Order:
        """The earliest of them."""
        return min(one.order for one in self.moments)

    @property
    def last(self) -> Order:
        """The latest of them."""
        return max(one.order for one in self.moments)

    @property
    def known_by(self) -> int:
        """The number of transfers that were booked by all of these moments."""
        return min(one.booked for one in self.moments)

    def is_in(self, moment: Point) -> bool:
        """Whether the books of that moment had it already."""
        return self.number is not None and self.number <= moment.booked

    def earned_by(self, moment: Point) -> Decimal:
        """What its units had earned by a moment at which the books had it not yet, though it had come, USD."""
        price = moment.prices.get(self.key)
        if price is None or self.is_in(moment) or self.booked.order >= moment.order:
            return ZERO
        return self.quantity * (price - self.booked.price)

    @property
    def worth(self) -> Decimal:
        """The value it was booked at, USD."""
        return self.quantity * self.booked.price

    @property
    def since(self) -> Decimal:
        """The account's earnings since the moment it was booked at, USD."""
        booked, now = self.booked, self.now
        return now.pnl - booked.pnl + self.quantity * (now.price - booked.price)

    @property
    def key_since(self) -> Decimal:
        """The earnings of the key's remaining quantity since then, USD."""
        return (self.held + self.quantity) * (self.now.price - self.booked.price)

    def as_of_now(self, gain: Decimal, change: Decimal) -> "Moved":
        """One that is in doubt still, where the account is worth so much more than at its marks, USD, and a unit
        of this so much.
        """
        now = replace(self.now, pnl=self.now.pnl + gain, price=self.now.price + change)
        return replace(self, booked=now, now=now)

    def more_at(self, at: Point) -> Decimal:
        """By how much the PnL would be higher, USD, had the transfer come at that moment."""
        return self.quantity * (self.booked.price - at.price)

    @property
    def range(self) -> tuple[Decimal, Decimal]:
        """By how much the PnL would be more (≥ 0) and less (≤ 0), USD, at the moments that make the most of it."""
        more = [ZERO, *(self.more_at(moment) for moment in self.others)]
        best, worst = max(more), min(more)
        assert best >= ZERO >= worst
        return best, worst


class SameMoment(Struct, frozen=True):
    """Transfers that are booked as of one moment. `since`: the PnL since then, USD; `later`: the
    worth of the transfers of later moments, USD.
    """

    since: Decimal
    moves: list[Moved]
    later: Decimal = ZERO


def by_moment(moves: list[Moved], equity: Decimal, least: Decimal) -> list[SameMoment]:
    """Transfers that came before prices moved, and those that came after, the earliest first. `equity`: the
    account's present one, USD. All are of one moment where the account would have had less than `least` in between.
    """
    found: dict[Decimal, list[Moved]] = {}
    for moved in moves:
        found.setdefault(moved.booked.pnl, []).append(moved)
    # The last transfer of a moment knows the PnL that the others have had since.
    groups = [SameMoment(some[-1].since, some) for some in found.values()]
    groups.sort(key=lambda one: abs(one.since), reverse=True)
    later = ZERO
    for place, group in reversed(list(enumerate(groups))):
        groups[place] = replace(group, later=later)
        later += sum((moved.worth for moved in group.moves), ZERO)
    if any(equity - one.later - one.since < least for one in groups[:-1]):
        return [SameMoment(groups[0].since, list(moves))]
    return groups or [SameMoment(ZERO, [])]
