"""A market clock that follows what an exchange stamps its frames with. Pure.

For a market whose time is not now: a replay, or one that runs faster. Against Coinbase itself the
machine's own clock is the market clock.
"""

from datetime import UTC, datetime

from sidecar.coinbase.reading import moment
from sidecar.core.errors import Untrusted


class ExchangeClock:
    """The latest moment seen, which never goes back."""

    def __init__(self, start: datetime) -> None:
        self._latest = start.astimezone(UTC)

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
        self._latest = max(self._latest, at)
        return at
