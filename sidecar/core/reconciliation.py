"""Reconciliation: a quantity as Coinbase states it, against the same quantity in the books. No I/O.

Theory of operation. The books know what every total should be: fills, fees and funding move it, and
orders that open, rest or are cancelled do not. So a reading is explained, not waited for:

    agrees    the reading is the booked total, to less than the asset's smallest unit
    lagging   it lacks fills, fees or funding that were booked within the lag before it
    differs   any other difference is a doubt, from its first reading on
    confirmed a second reading, `SETTLE` later or more, differs by the same: it is no passing state

What is compared is the difference, not the reading: a busy account whose wallet never stands still is
reconciled as fast as an idle one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Final, Literal

from msgspec import Struct

from sidecar.core.money import ZERO

# Two readings of a difference lie at least so far apart: Coinbase's balances lag its orders by about a
# second; twice that.
SETTLE: Final = timedelta(seconds=2)
DEFAULT_LAG: Final = timedelta(seconds=30)
# Bookings that may explain a lag: ten a second for half a minute. Beyond that the newest count.
BOOKINGS_MAX: Final = 300
# Where a lagging reading lacks bookings in the middle, so many runs of neighbours are tried.
RUNS_FROM_MAX: Final = 40

Verdict = Literal["agrees", "lagging", "differs", "confirmed"]


class Booking(Struct, frozen=True):
    """A change of the total that the books know of; `lag`: how long a reading may lack it."""

    at: datetime
    quantity: Decimal
    lag: timedelta = DEFAULT_LAG


class Doubt(Struct):
    """A difference (reading − books) that nothing explains. `since`: when the quantity fell into doubt;
    `first_at`: the reading that first showed this very difference; `mark`: USD a unit at that reading,
    None where no fresh quote gave one. `confirmed`: a later reading has shown it again. `booked`: what the
    books have moved by since: the reading may have known of it.
    """

    difference: Decimal
    since: datetime
    first_at: datetime
    mark: Decimal | None = None
    confirmed: bool = False
    booked: Decimal = ZERO


class Reconciliation(Struct):
    """What readings of one quantity have shown. `active_at`: the last order event that may move the
    quantity; `read_at`: the last reading that the books agreed with.
    """

    active_at: datetime | None = None
    read_at: datetime | None = None
    seen_at: datetime | None = None  # the last reading, whatever it showed
    doubt: Doubt | None = None
    bookings: list[Booking] = []

    def book(self, at: datetime, quantity: Decimal, lag: timedelta = DEFAULT_LAG) -> None:
        """The books moved the total: readings may lack it for a while, and one may have known it first."""
        doubt = self.doubt
        if doubt is not None:
            doubt.booked += quantity
            if doubt.booked == doubt.difference:
                self.doubt = None
        recent = [one for one in self.bookings if at - one.lag <= one.at]
        self.bookings = [*recent, Booking(at, quantity, lag)][-BOOKINGS_MAX:]

    def judge(
        self,
        difference: Decimal,
        at: datetime,
        fills_until: datetime | None,
        unit: Decimal = ZERO,
    ) -> Verdict:
        """What to make of a reading that began at `at` and differs from the books by so much.

        `fills_until`: every fill up to then is in the books. `unit`: the asset's smallest.
        """
        self.seen_at = at
        if difference == ZERO or abs(difference) < unit:
            self.doubt = None
            return "agrees"
        if self._lacks(-difference, at):
            self.doubt = None
            return "lagging"
        doubt = self.doubt
        if doubt is None or at < doubt.first_at or not self._shows(doubt, difference, at, unit):
            since = at if doubt is None else min(doubt.since, at)
            self.doubt = Doubt(difference=difference, since=since, first_at=at)
            return "differs"
        looked = fills_until is not None and fills_until >= doubt.first_at
        if at < doubt.first_at + SETTLE or not looked:
            return "differs"
        doubt.confirmed = True
        return "confirmed"

    def moved(self, quantity: Decimal) -> None:
        """The books followed a difference by so much; what is left of it is none."""
        if self.doubt is not None:
            self.doubt.difference -= quantity
            if self.doubt.difference == ZERO:
                self.doubt = None

    def _shows(self, doubt: Doubt, difference: Decimal, at: datetime, unit: Decimal) -> bool:
        """Whether a reading shows the same difference again, beside what it lacks."""
        further = difference - doubt.difference
        return further == ZERO or abs(further) < unit or self._lacks(-further, at)

    def _lacks(self, quantity: Decimal, at: datetime) -> bool:
        """Whether neighbouring bookings, one or more, make up this quantity: a wallet follows in order,
        so what a reading lacks is a run of them, most often the newest.
        """
        recent = [one.quantity for one in self.bookings if at - one.lag <= one.at]
        return any(quantity in sums for sums in _runs(recent))


def _runs(quantities: Sequence[Decimal]) -> Iterator[Iterator[Decimal]]:
    """The sums of neighbours: those that end with the newest, then those that end earlier."""
    for end in range(len(quantities), max(0, len(quantities) - RUNS_FROM_MAX), -1):
        yield accumulate(reversed(quantities[:end]))
