"""From wall time to market time. Pure: every moment of the wall is an argument.

Wall time is monotonic seconds from any origin; market time is aware UTC. With a speed, market time
runs that many times as fast as the wall. Without one (as fast as possible) the quotes drive it:
it jumps to each quote's moment, and between two quotes runs at the wall's pace, never past the
next quote.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Final

from sidecar.core.vocabulary.errors import Misuse

LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)  # market time stands still there
WALL_GRAIN_S: Final = 1e-6  # a wait is made this much longer, lest rounding end it too early


class MarketClock:
    """A clock that never goes back, however often it is paused, hurried or slowed.

    `speed` is market seconds a wall second, None for as fast as possible; Misuse if not above 0.
    """

    def __init__(self, start: datetime, speed: Decimal | None, wall: float) -> None:
        # Market time is counted from one anchor, not from call to call: rounding must not add up.
        self._anchor = start.astimezone(UTC)
        self._anchor_wall = wall
        self._wall = wall  # the latest seen
        self._rate = _rate(speed)
        self._speed = speed
        self._paused = False
        self._ceiling: datetime | None = None

    @property
    def speed(self) -> Decimal | None:
        return self._speed

    @property
    def paused(self) -> bool:
        return self._paused

    def now(self, wall: float) -> datetime:
        """Market time; an earlier `wall` than one seen before counts as that one."""
        self._wall = max(self._wall, wall)
        room = (self._limit() - self._anchor).total_seconds()
        if self._paused or room <= 0:
            return self._anchor
        elapsed = (self._wall - self._anchor_wall) * self._rate
        return self._anchor + timedelta(seconds=min(elapsed, room))

    def pause(self, wall: float) -> None:
        """Stops market time, until `resume`; `advance_to` still moves it."""
        self._settle(wall)
        self._paused = True

    def resume(self, wall: float) -> None:
        self._settle(wall)
        self._paused = False

    def set_speed(self, speed: Decimal | None, wall: float) -> None:
        """From now on this speed. Raises Misuse, and keeps the pace, if it is not above 0."""
        rate = _rate(speed)
        self._settle(wall)
        self._rate, self._speed = rate, speed

    def set_ceiling(self, ceiling: datetime | None, wall: float) -> None:
        """While as fast as possible, time does not pass this moment by itself; None lifts it.

        A ceiling that already lies behind holds time where it is.
        """
        self._settle(wall)
        self._ceiling = ceiling

    def advance_to(self, at: datetime, wall: float) -> None:
        """Jumps to `at`, unless that is past; a ceiling that is reached is lifted."""
        self._settle(wall)
        self._anchor = max(self._anchor, at.astimezone(UTC))
        if self._ceiling is not None and self._ceiling <= self._anchor:
            self._ceiling = None

    def step(self, at: datetime, ceiling: datetime | None, wall: float) -> None:
        """`advance_to` and `set_ceiling` at once: a quote was taken and the next is known."""
        self.advance_to(at, wall)
        self._ceiling = ceiling

    def wall_until(self, at: datetime, wall: float) -> float:
        """Wall seconds until market time is `at`: 0 if it is or was, infinite if time does not lead
        there. It does not while paused, and beyond a ceiling that only `advance_to` can pass.
        """
        now = self.now(wall)
        if at <= now:
            return 0.0
        if self._paused or at > self._limit():
            return inf
        return (at - now).total_seconds() / self._rate + WALL_GRAIN_S

    def _limit(self) -> datetime:
        return LAST if self._ceiling is None or self._speed is not None else self._ceiling

    def _settle(self, wall: float) -> None:
        """Anchors at the present moment, before the caller changes the pace."""
        self._anchor = self.now(wall)
        self._anchor_wall = self._wall


def _rate(speed: Decimal | None) -> float:
    if speed is None:
        return 1.0
    if not (speed.is_finite() and 0 < float(speed) < inf):
        raise Misuse(f"speed {speed} is not a number above 0; pause the market to stop it")
    return float(speed)
