"""Coinbase's clock: what its frames were stamped with last, and monotonic time since. Pure.

For what must not hang on the machine's clock alone: a day that ends, a lockout that is over.
"""

from datetime import datetime, timedelta
from typing import Final

from sidecar.coinbase.reading import moment
from sidecar.core.errors import Untrusted

LOOK_S: Final = 1.0  # frames are many; a clock need not be heard more often
# A stamp that is further ahead than this is believed once the next one says so too.
LEAP_MAX: Final = timedelta(seconds=2)


class HeardClock:
    """The furthest that any frame has shown Coinbase's clock to be: a frame that comes late says no less."""

    def __init__(self) -> None:
        self._at: datetime | None = None  # at `_wall`
        self._wall = 0.0
        self._looked = float("-inf")
        self._leapt: timedelta | None = None  # of the last stamp, from far ahead

    def see(self, timestamp: str, wall: float) -> None:
        """A frame with this stamp came in. `wall`: monotonic seconds."""
        if wall - self._looked < LOOK_S:
            return
        try:
            at = moment(timestamp, "timestamp")
        except Untrusted:
            return
        if at is None:
            return
        self._looked, known = wall, self.now(wall)
        leap = timedelta() if known is None else at - known
        if leap > LEAP_MAX and (self._leapt is None or abs(leap - self._leapt) > LEAP_MAX):
            self._leapt = leap
            return
        self._leapt = None
        if known is None or at > known:
            self._at, self._wall = at, wall

    def now(self, wall: float) -> datetime | None:
        """Its time now; None where it was never heard."""
        return None if self._at is None else self._at + timedelta(seconds=wall - self._wall)
