"""How often Coinbase may be asked. Pure: time is an argument.

Coinbase allows 30 private requests a second per user and 10,000 an hour per key, and the bot may
share the first. So the sidecar keeps to a part of each, and of that part a reserve is for what must
not wait: cancels and sales of a liquidation. Source: Coinbase, "REST API Rate Limits".
"""

from typing import Final

PER_SECOND: Final = 10
PER_HOUR: Final = 6_000
RESERVE: Final = 0.3  # of either, for urgent calls only
HOUR_S: Final = 3600.0


class Budget:
    """Two buckets that refill evenly. Times are wall seconds."""

    def __init__(self, per_second: float = PER_SECOND, per_hour: float = PER_HOUR) -> None:
        self._buckets = (_Bucket(per_second, per_second), _Bucket(per_hour, per_hour / HOUR_S))

    def take(self, wall: float, *, urgent: bool = False) -> float:
        """Count a call, and say how many seconds it must wait before it is made.

        Calls that wait are made in the order they were counted; an urgent one goes before them.
        """
        return max(bucket.take(wall, urgent=urgent) for bucket in self._buckets)


class _Bucket:
    def __init__(self, size: float, per_s: float) -> None:
        self._size = self._left = size
        self._per_s = per_s
        self._at = 0.0

    def take(self, wall: float, *, urgent: bool) -> float:
        gained = max(0.0, wall - self._at) * self._per_s
        self._left, self._at = min(self._size, self._left + gained) - 1, wall
        floor = 0.0 if urgent else self._size * RESERVE
        return max(0.0, (floor - self._left) / self._per_s)
