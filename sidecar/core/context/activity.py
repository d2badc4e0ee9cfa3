"""How often, and how much, was approved lately: sliding windows over approvals. No I/O.

Refused attempts never count. A rate has one window for each scope that the configuration names;
identical orders have one for every order. Only these can grow without end, and only these are ever
forgotten.
"""

from bisect import bisect_right
from collections import OrderedDict, deque
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from sidecar.core.vocabulary.limits import Quota, Rate
from sidecar.core.vocabulary.money import ZERO

NAMES_MAX: Final = 10_000  # windows remembered; the one unused for longest is forgotten first
PARTS: Final = (
    1_000  # of a window of notional: a sum is kept for each, so a day's orders take no more memory
)
BEGAN: Final = datetime(2020, 1, 1, tzinfo=UTC)  # the parts of all windows are counted from here
ONE_OF_MANY: Final = "DUPLICATE_ORDER|"  # how the names of windows of identical orders begin

# The name of a window, its limit, and the notional that counts in it, USD.
Counted = tuple[str, Rate | Quota, Decimal]


class Activity:
    """Times of the last approvals under a name: just as many as its limit allows."""

    def __init__(self) -> None:
        self.windows: OrderedDict[str, deque[datetime]] = OrderedDict()
        # Notional, USD: a sum for each part of the window in which it was approved, by its latest approval.
        self.sums: dict[str, deque[tuple[datetime, Decimal]]] = {}

    def used(self, name: str, setting: Rate | Quota, now: datetime) -> Decimal:
        """Approvals, or USD approved, within the window that ends now. It tidies up nothing."""
        since = now - setting.window
        if isinstance(setting, Quota):
            return sum((usd for at, usd in self.sums.get(name, ()) if at > since), ZERO)
        return Decimal(sum(at > since for at in self.windows.get(name, ())))

    def add(self, name: str, setting: Rate | Quota, usd: Decimal, now: datetime) -> None:
        """Remember an approval of this notional."""
        if isinstance(setting, Quota):
            self._spend(name, setting, usd, now)
        else:
            self.note(name, setting, now)

    def _spend(self, name: str, quota: Quota, usd: Decimal, now: datetime) -> None:
        parts = self.sums.setdefault(name, deque())
        while parts and parts[0][0] <= now - quota.window:
            parts.popleft()
        length = quota.window / PARTS
        if parts and (now - BEGAN) // length == (parts[-1][0] - BEGAN) // length:
            now, usd = max(now, parts[-1][0]), usd + parts.pop()[1]
        parts.append((now, usd))

    def _quota_clears_at(
        self, name: str, quota: Quota, usd: Decimal, now: datetime
    ) -> datetime | None:
        excess = self.used(name, quota, now) + usd - quota.usd
        for at, part in self.sums.get(name, ()):
            if at > now - quota.window:
                excess -= part
                if excess <= ZERO:
                    return at + quota.window
        return None

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

    def clears_at(
        self, name: str, setting: Rate | Quota, now: datetime, usd: Decimal = ZERO
    ) -> datetime | None:
        """When another order, of this notional, passes again; None while the window is not full, or where it never
        does.
        """
        if isinstance(setting, Quota):
            return self._quota_clears_at(name, setting, usd, now)
        rate = setting
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
