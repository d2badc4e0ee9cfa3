"""A market clock that follows the stamps of an exchange's frames. Pure.

For a market whose time is not now: a replay, or one that runs faster. Against Coinbase itself the
machine's own clock is the market clock.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sidecar.coinbase.reading import moment
from sidecar.core.vocabulary.errors import Untrusted

# A stamp further ahead than this is believed once another frame says so: no market skips a day.
LEAP_MAX: Final = timedelta(days=1)


class ExchangeClock:
    """The latest moment seen, which never goes back. A single stamp from far ahead does not move it."""

    def __init__(self, start: datetime) -> None:
        self._latest = start.astimezone(UTC)
        self._leapt: datetime | None = None  # the last frame's stamp, from far ahead

    def __call__(self) -> datetime:
        return self._latest

    def see(self, timestamp: str) -> datetime:
        """The moment a frame is of; the present one where it says none."""
        try:
            at = moment(timestamp, "timestamp")
        except Untrusted:
            at = None
        if at is None:
            return self._latest
        if at - self._latest > LEAP_MAX and (
            self._leapt is None or abs(at - self._leapt) > LEAP_MAX
        ):
            self._leapt = at
            return self._latest
        self._leapt = None
        self._latest = max(self._latest, at)
        return at
