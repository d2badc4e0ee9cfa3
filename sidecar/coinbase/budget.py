"""How often Coinbase may be asked. Pure: time is an argument.

Coinbase allows 30 private requests a second per user and 10,000 an hour per key, and the bot may
share the first. So the sidecar keeps to a part of each, and of the hour's part a reserve is for
calls that must not wait: cancels, and all of a liquidation. Within a second these may take all that
Coinbase allows: a bot that then finds no allowance left was to be stopped. Source: Coinbase, "REST
API Rate Limits".
"""

from typing import Final

PER_SECOND: Final = 10
# Of the 30 that Coinbase counts in any second: so many at once, and so many a second after them.
URGENT_AT_ONCE: Final = 10
URGENT_PER_SECOND: Final = 20
PER_HOUR: Final = 6_000
RESERVE: Final = 0.3  # of either, for urgent calls only
HOUR_S: Final = 3600.0


class Budget:
    """Buckets that refill evenly: a second's, another for urgent calls, and an hour's. Times are
    wall seconds.
    """

    def __init__(self, per_second: float = PER_SECOND, per_hour: float = PER_HOUR) -> None:
        self._second = _Bucket(per_second, per_second)
        self._urgent_second = _Bucket(URGENT_AT_ONCE, URGENT_PER_SECOND)
        self._hour = _Bucket(per_hour, per_hour / HOUR_S)

    def spend(self, wall: float, *, urgent: bool = False) -> float:
        """Count a call, and say how many seconds it must wait before it is made.

        Calls that wait are made in the order they were counted; an urgent one goes before them.
        """
        second = self._urgent_second if urgent else self._second
        return max(second.spend(wall, urgent=urgent), self._hour.spend(wall, urgent=urgent))


class _Bucket:
    """One limit, kept as two moments: until when all of it, and the unreserved part, is spoken for."""

    def __init__(self, size: float, per_s: float) -> None:
        self._interval_s = 1 / per_s
        self._whole_s = size / per_s
        self._free_s = size * (1 - RESERVE) / per_s
        self._made_until = 0.0  # calls made, or about to be: all that an urgent one must see
        self._asked_until = 0.0  # calls counted, those that still wait among them

    def spend(self, wall: float, *, urgent: bool) -> float:
        self._asked_until = max(self._asked_until, wall) + self._interval_s
        if not urgent:
            wait_s = max(0.0, self._asked_until - self._free_s - wall)
            if wait_s == 0:
                self._made_until = max(self._made_until, wall) + self._interval_s
            return wait_s
        self._made_until = max(self._made_until, wall) + self._interval_s
        return max(0.0, self._made_until - self._whole_s - wall)
