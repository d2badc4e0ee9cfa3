"""How often was approved lately: sliding windows over approvals. No I/O.

Refused attempts never count. A rate has one window for each scope that the configuration names;
identical orders have one for every order. Only these can grow without end, and only these are ever
forgotten.
"""

from bisect import bisect_right
from collections import OrderedDict, deque
from datetime import datetime
from typing import Final

from sidecar.core.vocabulary.limits import Rate

NAMES_MAX: Final = 10_000  # windows remembered; the one unused for longest is forgotten first
ONE_OF_MANY: Final = "DUPLICATE_ORDER|"  # how the names of windows of identical orders begin


class Activity:
    """Times of the last approvals under a name: just as many as its limit allows."""

    def __init__(self) -> None:
        self.windows: OrderedDict[str, deque[datetime]] = OrderedDict()

    def count(self, name: str, rate: Rate, now: datetime) -> int:
        """Approvals within the window that ends now; never more than `rate.count`."""
        times = self.windows.get(name)
        if not times:
            return 0
        if times[-1] > now:  # the clock was set back: approvals of then count as of now
            times = self.windows[name] = deque((min(at, now) for at in times), maxlen=times.maxlen)
        return len(times) - bisect_right(times, now - rate.window)

    def reaches(self, number: int, name: str, rate: Rate, now: datetime) -> bool:
        """Whether so many approvals lie within the window: most windows are too empty to count."""
        times = self.windows.get(name, ())
        if len(times) < number and not (times and times[-1] > now):  # else `count` sets it right
            return False
        return self.count(name, rate, now) >= number

    def clears_at(self, name: str, rate: Rate, now: datetime) -> datetime | None:
        """When the oldest approval that fills the window leaves it; None while it is not full."""
        if self.count(name, rate, now) < rate.count:
            return None
        return self.windows[name][-rate.count] + rate.window

    def note(self, name: str, rate: Rate, now: datetime) -> None:
        """Remember an approval."""
        times = self.windows.get(name)
        if times is None or times.maxlen != rate.count:
            times = self.windows[name] = deque(times or (), maxlen=rate.count)
        since = now - rate.window
        while times and times[0] <= since:
            times.popleft()
        times.append(now)
        if not name.startswith(ONE_OF_MANY):
            return
        self.windows.move_to_end(name)
        if len(self.windows) > NAMES_MAX:
            del self.windows[next(old for old in self.windows if old.startswith(ONE_OF_MANY))]
