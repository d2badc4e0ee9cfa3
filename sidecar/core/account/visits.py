"""Visits: money that one reading of the balances showed, and the next one did not. No I/O.

It may have come and gone again within seconds, and shared the losses of the time between: then the account
lost a smaller share. It may as well be a reading that was wrong. So for a while, and for no more than as much
again as the account itself, the least that may have been lost is a share of both.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.datings import Datings, Present
from sidecar.core.account.moved import Moved
from sidecar.core.vocabulary.money import ONE

# As long as a coin that has no good price may make a loss less: a wrong reading must not hold up a sale.
COUNTS_FOR: Final = timedelta(minutes=5)
VISITS_MAX: Final = 10  # one takes two readings, and these are seconds apart at least


class Visit(Struct, frozen=True):
    """Money that came, and was gone at the moment it is booked at; it counts `until` then."""

    until: datetime
    moved: Moved


class Visits:
    """The visits that still count."""

    def __init__(self) -> None:
        self.known: list[Visit] = []

    def note(self, moved: Moved, at: datetime) -> None:
        self.known = [*self.known, Visit(at + COUNTS_FOR, moved)][-VISITS_MAX:]
        assert 0 < len(self.known) <= VISITS_MAX

    def forget(self, at: datetime) -> None:
        """Those of long ago count no more."""
        self.known = [one for one in self.known if at < one.until]

    def share(self, present: Present, least: Decimal) -> Decimal:
        """A unit's worth had all visits come at the moments that lose least, as a share of its
        actual worth (≥ 1). Each shares in nothing after the reading that it was gone at.
        """
        share = ONE
        for until in dict.fromkeys(
            one.until for one in self.known
        ):  # those that were gone at one time
            moves = [one.moved for one in self.known if one.until == until]
            share *= Datings(moves, present, least).share(max)
        assert share >= ONE, "a visit adds to a loss"
        return share
