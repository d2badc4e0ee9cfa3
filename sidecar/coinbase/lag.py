"""How far behind Coinbase's own time its frames come, and when that is too far. Pure.

A frame is stamped as it is told. The machine's clock is no measure of its age: that clock may be
wrong, or be set while frames come in. So Coinbase's time is read over REST now and then, and
carried on by a monotonic clock; the difference between the two clocks is in it, and no jump of the
machine's is.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sidecar.coinbase.reading import moment
from sidecar.core.vocabulary.errors import Untrusted

ORDINARY_S: Final = 1.0  # the way of a frame, and of Coinbase's time: so late is of the moment
PROMPT_S: Final = 1.0  # an answer that took longer tells the time worse than the one before it
BEHIND_SHARE: Final = 0.5  # of the oldest age that still values an order: then a feed is behind
BEHIND_FOR_S: Final = 3.0  # without any frame that is not: a burst that was held up is none
# A connection that falls behind again is left so long: its books are read over REST meanwhile.
AGAIN_AFTER_S: Final = 30.0


class CoinbaseTime:
    """Coinbase's clock, as last told. `wall` is monotonic seconds."""

    def __init__(self) -> None:
        self._ahead_s: float | None = None  # its UNIX time less the monotonic clock's

    def heard(self, told: datetime, asked: float, answered: float) -> None:
        """An answer told the time. That time can only have gone on since: no frame is thought older
        than it is.
        """
        if self._ahead_s is None or answered - asked <= PROMPT_S:
            self._ahead_s = told.timestamp() - answered

    def now(self, wall: float) -> datetime | None:
        """Its time now; None where it was never heard."""
        if self._ahead_s is None:
            return None
        return datetime.fromtimestamp(wall + self._ahead_s, UTC)

    def lag_s(self, timestamp: str, wall: float) -> float | None:
        """How long ago a frame was stamped; None where that cannot be told."""
        try:
            at = moment(timestamp, "timestamp")
        except Untrusted:
            at = None
        if at is None or self._ahead_s is None:
            return None
        return max(0.0, wall + self._ahead_s - at.timestamp())


class Lag:
    """One feed's lag. `oldest_s` gives the age up to which a quote values an order."""

    def __init__(self, time: CoinbaseTime, oldest_s: Callable[[], float]) -> None:
        self._time = time
        self._oldest_s = oldest_s
        self._behind_since: float | None = None
        self._patient_until = float("-inf")

    def of(self, timestamp: str, wall: float) -> float | None:
        """How far behind a frame is."""
        return self._time.lag_s(timestamp, wall)

    def is_late(self, lag_s: float) -> bool:
        """Whether a frame is of an earlier moment than the one it came in."""
        return lag_s > min(ORDINARY_S, BEHIND_SHARE * self._oldest_s())

    def opened(self) -> None:
        """A new connection, which is not behind yet."""
        self._behind_since = None

    def complaint(self, lag_s: float, wall: float) -> str:
        """Why the connection should be begun anew; empty while it need not be."""
        if lag_s <= max(ORDINARY_S, BEHIND_SHARE * self._oldest_s()):
            self._behind_since = None
            return ""
        if self._behind_since is None:
            self._behind_since = wall
        if wall - self._behind_since < BEHIND_FOR_S or wall < self._patient_until:
            return ""
        self._patient_until = wall + AGAIN_AFTER_S
        return f"frames come {lag_s:.1f} s behind Coinbase's time"
