"""Reconciliation: a quantity as Coinbase states it, against the same quantity in the books. No I/O.

Theory of operation. The books know what every total should be: fills, fees and funding move it, and
orders that open, rest or are cancelled do not. So a reading is explained, not waited for:

    agrees    the reading is the booked total, to less than the asset's smallest unit
    lagging   it lacks fills, fees or funding that were booked within the lag before it
    differs   any other difference is a doubt, from its first reading on
    confirmed a second reading, `SETTLE` later or more, differs by the same: it is no passing state

Differences are compared, not readings: a busy account whose wallet never stands still is reconciled
as fast as an idle one. Each reading of a busy account allows for several transfers, since it may
lack bookings; the one that two readings allow for is confirmed, or one of several that are all but
equal.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Final, Literal

from msgspec import Struct

from sidecar.core.account.moved import Point
from sidecar.core.vocabulary.money import ZERO

# Two readings of a difference lie at least so far apart: Coinbase's balances lag its orders by about a
# second; twice that.
SETTLE: Final = timedelta(seconds=2)
DEFAULT_LAG: Final = timedelta(seconds=30)
# Bookings that may explain a lag: ten a second for half a minute. Beyond that the newest count.
BOOKINGS_MAX: Final = 300

# Fees that a reading may lack, and may not, hold up no withdrawal: the rest is told once it is known.
IMMATERIAL: Final = Decimal("0.001")  # of a difference

Verdict = Literal["agrees", "lagging", "differs", "confirmed"]


class Booking(Struct, frozen=True):
    """A change of the total that the books know of; `lag`: how long a reading may lack it. `swept`: it moved within
    the pot of cash, or another wallet of it.
    """

    at: datetime
    quantity: Decimal
    lag: timedelta = DEFAULT_LAG
    swept: bool = False


class Doubt(Struct):
    """A difference (reading − books) without an explanation. `since`: when the quantity fell into
    doubt; `first_at`: the reading that first showed a difference which may be the same transfer.

    `candidates`: every transfer that the readings since then allow, for each of them may lack a
    booking or have known one first. `repeated`: a later reading has shown one of them again;
    `confirmed`: and it is the only one left. `booked`: the movement of the books since the last
    reading; `steady_since`: since then, readings have shown the same difference.

    `first`: the moment of the first reading, at confirmed marks; `seen`: at the marks as they were;
    `near`: at the near sides of quotes beyond the spread cap, where there were any; `is_fresh`: a
    fresh quote gave its price, and `confirmed_mark` is the mark confirmed then. `by_frame`: a frame
    raised it; `is_whole`: the futures wallet was told beside it, so no other side is waited for;
    `told_at` is Coinbase's own stamp of it, and `traded_since`: the books hold a trade made after
    it.
    """

    difference: Decimal
    since: datetime
    first_at: datetime
    candidates: tuple[Decimal, ...] = ()
    first: Point | None = None
    seen: Point | None = None
    near: Point | None = None
    is_fresh: bool = False
    by_frame: bool = False
    is_whole: bool = False
    told_at: datetime | None = None
    traded_since: bool = False
    confirmed_mark: Decimal | None = None
    confirmed: bool = False
    repeated: bool = False
    booked: Decimal = ZERO
    steady_since: datetime | None = None

    @property
    def range(self) -> tuple[Decimal, Decimal]:
        """The least and the largest that it may be, by two readings; by one, what that shows."""
        known = self.candidates if self.repeated else (self.difference,)
        return min(known), max(known)


class Reconciliation(Struct):
    """The outcome of one quantity's readings. `active_at`: the last order event that may move the
    quantity; `read_at`: the last reading that the books agreed with; `seen_at`: the last one at
    all.
    """

    active_at: datetime | None = None
    read_at: datetime | None = None
    seen_at: datetime | None = None
    doubt: Doubt | None = None
    bookings: list[Booking] = []

    def book(
        self,
        at: datetime,
        quantity: Decimal,
        lag: timedelta = DEFAULT_LAG,
        *,
        swept: bool = False,
    ) -> None:
        """The books moved the total: readings may lack it for a while, and one may have known it first."""
        doubt = self.doubt
        if doubt is not None:
            doubt.booked += quantity
            shifted = (*doubt.candidates, doubt.difference - doubt.booked)
            doubt.candidates = shifted[-BOOKINGS_MAX:]
            if doubt.booked == doubt.difference:
                self.doubt = None
        self.note(at, quantity, lag, swept=swept)

    def note(self, at: datetime, quantity: Decimal, lag: timedelta, *, swept: bool = False) -> None:
        """The books set the total right by so much: readings may show it later."""
        self.bookings.append(Booking(at, quantity, lag, swept))
        if len(self.bookings) > 2 * BOOKINGS_MAX:  # seldom, so that a booking costs little time
            recent = [one for one in self.bookings if at - one.lag <= one.at]
            self.bookings = recent[-BOOKINGS_MAX:]
        assert len(self.bookings) <= 2 * BOOKINGS_MAX

    def note_trade(self, traded_at: datetime | None) -> None:
        """The books hold a trade of this moment: a reading that agrees with them is no older. A frame is heard
        later than it was told, and trades may have been made in between.
        """
        doubt = self.doubt
        if doubt is not None and traded_at is not None:
            since = doubt.told_at or doubt.first_at
            doubt.traded_since = doubt.traded_since or traded_at > since

    def judge(
        self,
        difference: Decimal,
        at: datetime,
        fills_until: datetime | None,
        unit: Decimal = ZERO,
    ) -> Verdict:
        """The verdict on a reading that began at `at` and differs from the books by so much.

        `fills_until`: every fill up to then is in the books. `unit`: the asset's smallest.
        """
        self.seen_at = at
        if difference == ZERO or abs(difference) < unit:
            self.doubt = None
            return "agrees"
        lacking = self._lacking(at)
        if -difference in lacking:
            self.doubt = None
            return "lagging"
        doubt, allowed = self.doubt, [difference, *(difference + one for one in lacking)]
        again = [] if doubt is None else both(doubt.candidates, allowed, unit)
        if doubt is None or at < doubt.first_at or not again:
            since = at if doubt is None else min(doubt.since, at)
            self.doubt = Doubt(difference, since, at, tuple(allowed))
            return "differs"
        looked = fills_until is not None and fills_until >= doubt.first_at
        if doubt.steady_since is None or abs(difference - doubt.difference) > unit:
            doubt.steady_since = at
        doubt.difference, doubt.booked, doubt.candidates = difference, ZERO, tuple(again)
        if at < doubt.first_at + SETTLE or not looked:
            return "differs"
        doubt.repeated = True
        steady = at - doubt.steady_since >= self._longest_lag(at) and again[0] == difference
        if max(again) - min(again) > abs(difference) * IMMATERIAL and not steady:
            return "differs"
        assert again[0] in allowed, "a transfer was confirmed that no reading allows"
        doubt.difference, doubt.confirmed = again[0], True
        return "confirmed"

    def moved(self, quantity: Decimal, *, is_read: bool = True) -> None:
        """The books followed a difference by so much; one that is zero then ends the doubt. `is_read`: the readings
        of the doubt had that movement already; else they may have, or lacked it.
        """
        doubt = self.doubt
        if doubt is None or not quantity:
            return
        doubt.difference -= quantity
        shifted = tuple(one - quantity for one in doubt.candidates)
        kept = () if is_read else doubt.candidates
        doubt.candidates = tuple(dict.fromkeys((*shifted, *kept)))[:BOOKINGS_MAX]
        doubt.confirmed = doubt.confirmed and is_read
        if doubt.difference == ZERO:
            self.doubt = None

    def explains(self, more: Decimal, at: datetime) -> bool:
        """Whether a reading that had so much more than the books may just have lacked some of their
        bookings.
        """
        return any(abs(more + one) <= abs(more) * IMMATERIAL for one in self._lacking(at))

    def swept(self, at: datetime) -> Decimal:
        """The dollars that left by sweeps and conversions that a reading may lack."""
        recent = (one for one in self.bookings if one.swept and at - one.lag <= one.at)
        return sum((max(ZERO, -one.quantity) for one in recent), ZERO)

    def _longest_lag(self, at: datetime) -> timedelta:
        """How long a reading may lack the bookings of now: a difference that stays as it is for longer lacks
        none of them, however many like them are booked.
        """
        recent = (one.lag for one in self.bookings if at - one.lag <= one.at)
        return max(recent, default=timedelta())

    def _lacking(self, at: datetime) -> list[Decimal]:
        """The sums that a reading may lack: of the newest bookings, any number of them; the newest
        trades, without the sweeps or with all of them, which it may lack for longer; the newest
        sweeps alone; or a single booking.
        """
        newest = [one for one in reversed(self.bookings) if at - one.lag <= one.at]
        every = accumulate(one.quantity for one in newest)
        sweeps = list(accumulate(one.quantity for one in newest if one.swept))
        trades = list(accumulate(one.quantity for one in newest if not one.swept))
        both = [*trades, *(sweeps[-1] + one for one in trades)] if sweeps else []
        singles = (one.quantity for one in reversed(newest))
        return list(dict.fromkeys([*every, *sweeps, *both, *singles]))


def both(one: Iterable[Decimal], other: Iterable[Decimal], unit: Decimal) -> list[Decimal]:
    """The figures of `other` that are among `one`, to less than a unit."""
    known, found = sorted(one), list[Decimal]()
    for figure in dict.fromkeys(other):
        place = bisect_left(known, figure)
        near = known[max(0, place - 1) : place + 1]
        if any(figure == each or abs(figure - each) < unit for each in near):
            found.append(figure)
    return found
