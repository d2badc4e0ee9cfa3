"""Moved: a transfer, and the moments at which it may have come. No I/O.

Between two readings of a wallet prices move, and no reading shows when a transfer came. It is
booked as of its first reading; the account's loss, had the transfer come at another moment, follows
from the prices and the PnL of that moment.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.vocabulary.money import ONE, ZERO

# Moments that are kept: a transfer is dated at one of the last readings of its wallet, and there is one a minute.
EARLY_MAX: Final = 10


class Point(Struct, frozen=True):
    """A moment at which a quantity may have moved: the account's net PnL then, USD, and the
    quantity's price, USD a unit. `transfers`: all that had come in by then, as booked, USD; None
    where that is not known. `at`: the reading of the balances that it is of.
    """

    pnl: Decimal
    price: Decimal
    transfers: Decimal | None = None
    at: datetime | None = None


class Early(Struct, frozen=True):
    """A moment at which transfers are taken to have come, before those they were booked at: all of them together
    came to so much, USD, and with them the PnL since that moment is `more` than the books tell.
    """

    moment: Point
    more: Decimal = ZERO
    came: Decimal = ZERO

    def is_at(self, moment: Point) -> bool:
        """Whether it is the same moment, even of another key."""
        own = self.moment
        return (own.pnl, own.transfers) == (moment.pnl, moment.transfers)


class Moved(Struct, frozen=True):
    """A transfer of `quantity` of a key, booked as of one moment. `held`: the quantity before it;
    `now`: the present, the transfer not counted. `others`: moments at which it may have come
    instead, for prices moved between two readings and neither shows when the transfer came.
    `undoes`: the time at which the transfer that this one takes back was booked.
    """

    key: str
    held: Decimal
    quantity: Decimal
    booked: Point
    now: Point
    others: tuple[Point, ...] = ()
    undoes: datetime | None = None

    @property
    def worth(self) -> Decimal:
        """The value it was booked at, USD."""
        return self.quantity * self.booked.price

    @property
    def since(self) -> Decimal:
        """The account's earnings since the moment it was booked at, USD."""
        return self._earned(self.booked)

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

    def _earned(self, at: Point) -> Decimal:
        """The PnL from that moment to now, if it was moved then, USD."""
        return self.now.pnl - at.pnl + self.quantity * (self.now.price - at.price)

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

    def unit_at(
        self,
        at: Point,
        equity: Decimal,
        least: Decimal,
        since: Point | None = None,
        early: tuple[Early, ...] = (),
    ) -> Decimal:
        """A unit's worth now had the transfer come at that moment, as a share of its actual worth.

        `equity`: before the transfer, at the moment it was booked at, USD; `least`: the least of it that a
        ratio is taken of; `since`, `early`: see `grown`. 1 where it cannot be told.
        """
        other = self.grown(at, equity, since, early)
        return ONE if other is None else other / max(self.grown(self.booked, equity) or ZERO, least)

    def grown(
        self,
        at: Point,
        equity: Decimal,
        since: Point | None = None,
        early: tuple[Early, ...] = (),
    ) -> Decimal | None:
        """The account's worth by now, in units of before the transfer, had it come at that moment,
        USD. None where the account had no value to grow from.

        `since`: the last other transfer, which the account of `equity` has had. Where that came after this moment,
        the account was another one until then, and earned its PnL until then. `early`: transfers that are taken to
        have come long before they were booked: those of this moment were there from it on.
        """
        known = next((one for one in early if one.is_at(at)), Early(at))
        now = replace(self.now, pnl=self.now.pnl + known.more)
        whole = self._grown(at, now, self._value(at, equity) - known.more)
        if since is None or since.transfers is None or at.transfers is None:
            return whole
        came_later = since.transfers - at.transfers - known.came
        low, high = sorted((at.pnl, self.now.pnl))
        # One that was read later may be dated before this moment.
        if not (came_later and low <= since.pnl <= high):
            return whole
        between = replace(since, price=self._price_at(since, at))
        last = self._value(between, equity)
        until, told = last - came_later, between.pnl + known.more
        grown = self._grown(at, replace(between, pnl=told), until + at.pnl - told)
        on = self._grown(between, self.now, last)
        if grown is None or on is None or until <= ZERO:
            return whole
        return grown / until * on

    def _value(self, at: Point, equity: Decimal) -> Decimal:
        """The account's value at that moment, without the quantity that moved, USD."""
        return equity + at.pnl - self.booked.pnl

    def _price_at(self, since: Point, at: Point) -> Decimal:
        """The price then, had it moved along with the PnL from that moment to the present."""
        earned = self.now.pnl - at.pnl
        share = (since.pnl - at.pnl) / earned if earned else ZERO
        return at.price + (self.now.price - at.price) * min(ONE, max(ZERO, share))

    def _grown(self, start: Point, end: Point, before: Decimal) -> Decimal | None:
        """The worth at the end of an account of `before` at the start, with the quantity that
        moved, in its own units.
        """
        after = before + self.quantity * start.price
        if min(before, after) <= ZERO:
            return None
        earned = end.pnl - start.pnl + self.quantity * (end.price - start.price)
        return before * (after + earned) / after


def share_of_unit(  # noqa: PLR0913, PLR0917 - a way of reckoning has so many parts
    moves: Iterable[Moved],
    equity: Callable[[Decimal], Decimal],
    least: Decimal,
    since: Point,
    early: tuple[Early, ...],
    better: Callable[[Iterable[Decimal]], Decimal],
) -> tuple[Decimal, tuple[Early, ...]]:
    """A unit's worth now had each of these transfers come at the moment that is the better, as a
    share of its actual worth; and the moments then, those known before (`early`) among them.

    `equity`: before these transfers, by net PnL, USD; `least`, `since`: see `Moved.unit_at`.
    """
    share, came = ONE, ZERO
    for moved in moves:
        before = equity(moved.booked.pnl) + came
        last = (
            since if since.transfers is None else replace(since, transfers=since.transfers + came)
        )
        units = [
            (moved.unit_at(moment, before, least, last, early), moment) for moment in moved.others
        ]
        unit = better([ONE, *(one for one, _ in units)])
        if unit != ONE:
            moment = next(moment for one, moment in units if one == unit)
            share *= max(unit, ZERO)
            came += moved.worth
            early = _with_early(early, Early(moment, moved.more_at(moment), moved.worth))
    return share, early


def _with_early(early: tuple[Early, ...], new: Early) -> tuple[Early, ...]:
    at_once = [one for one in (*early, new) if one.is_at(new.moment)]
    more, came = sum((one.more for one in at_once), ZERO), sum((one.came for one in at_once), ZERO)
    others = (one for one in early if not one.is_at(new.moment))
    return (*others, Early(new.moment, more, came))[-EARLY_MAX:]


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
