"""How often, and how much, was approved lately: sliding windows over approvals. No I/O.

Refused attempts never count. A rate has one window for each scope that the configuration names;
identical orders have one for every order. Only these can grow without end, and only these are ever
forgotten.
"""

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from sidecar.core.vocabulary.limit_settings import Quota, Rate
from sidecar.core.vocabulary.money import ZERO

NAMES_MAX: Final = 10_000  # windows remembered; the one unused for longest is forgotten first
# A window of notional keeps a sum for each of so many parts, so that a day's orders take no more memory.
PARTS: Final = 1_000
BEGAN: Final = datetime(2020, 1, 1, tzinfo=UTC)  # the parts of all windows are counted from here
ONE_OF_MANY: Final = "DUPLICATE_ORDER|"  # how the names of windows of identical orders begin

# The name of a window, its limit, and the notional that counts in it, USD.
Counted = tuple[str, Rate | Quota, Decimal]


class Notional:
    """The notional approved within one sliding window: a sum for each part of it, by its latest approval, and the
    `total` of all parts, USD.
    """

    __slots__ = ("_begins", "_ends", "_window", "parts", "total")

    def __init__(self, parts: Iterable[tuple[datetime, Decimal]] = ()) -> None:
        self.parts = deque(parts)
        self.total = sum((usd for _, usd in self.parts), ZERO)
        # The part that the last approval lies in, of a window of this length: nearly every approval lies there too.
        self._window = timedelta()
        self._begins = self._ends = BEGAN

    def within(self, window: timedelta, now: datetime) -> Decimal:
        """USD approved within the window that ends now. It tidies up nothing."""
        since, left, parts = now - window, self.total, self.parts
        if not parts or parts[0][0] > since:  # as nearly always
            return left
        for at, usd in parts:
            if at > since:
                break
            left -= usd
        return left

    def add(self, usd: Decimal, window: timedelta, now: datetime) -> None:
        parts, since = self.parts, now - window
        if (
            parts
            and parts[0][0] > since
            and window == self._window
            and self._begins <= now < self._ends
        ):  # as nearly always
            self.total += usd
            last, more = parts[-1]
            parts[-1] = (max(now, last), usd + more)
            return
        while parts and parts[0][0] <= since:
            self.total -= parts.popleft()[1]
        self.total += usd
        if self._is_in_last_part(window, now):
            last, more = parts[-1]
            parts[-1] = (max(last, now), usd + more)
        else:
            parts.append((now, usd))

    def _is_in_last_part(self, window: timedelta, now: datetime) -> bool:
        """Whether the approval before lies in the same part. Otherwise this one's part is the last from now on."""
        parts = self.parts
        if parts and window != self._window:
            self._note_part(window, parts[-1][0])
        if parts and self._begins <= now < self._ends:
            return True
        self._note_part(window, now)
        return False

    def _note_part(self, window: timedelta, at: datetime) -> None:
        length = max(window / PARTS, timedelta.resolution)
        self._window, self._begins = window, BEGAN + (at - BEGAN) // length * length
        self._ends = self._begins + length

    def clears_at(self, excess: Decimal, window: timedelta, now: datetime) -> datetime | None:
        """When so many USD have left the window; None where it never holds as many."""
        for at, usd in self.parts:
            if at > now - window:
                excess -= usd
                if excess <= ZERO:
                    return at + window
        return None


class Activity:
    """Times of the last approvals under a name: just as many as its limit allows; and their notional."""

    def __init__(self) -> None:
        self.windows: OrderedDict[str, deque[datetime]] = OrderedDict()
        self.notional: dict[str, Notional] = {}

    def used(self, name: str, setting: Rate | Quota, now: datetime) -> Decimal:
        """Approvals, or USD approved, within the window that ends now. It tidies up nothing."""
        if isinstance(setting, Quota):
            notional = self.notional.get(name)
            return ZERO if notional is None else notional.within(setting.window, now)
        since = now - setting.window
        return Decimal(sum(at > since for at in self.windows.get(name, ())))

    def add(self, name: str, setting: Rate | Quota, usd: Decimal, now: datetime) -> None:
        """Remember an approval of this notional."""
        if not isinstance(setting, Quota):
            self.note(name, setting, now)
            return
        known = self.notional.get(name)
        if known is None:
            known = self.notional[name] = Notional()
        known.add(usd, setting.window, now)

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
            excess = self.used(name, setting, now) + usd - setting.usd
            notional = self.notional.get(name, Notional())
            return notional.clears_at(excess, setting.window, now)
        if self.count(name, setting, now) < setting.count:
            return None
        return self.windows[name][-setting.count] + setting.window

    def note(self, name: str, rate: Rate, now: datetime) -> None:
        """Remember an approval."""
        times, count = self.windows.get(name), rate.count
        if times is None or times.maxlen != count:
            times = self.windows[name] = deque(times or (), maxlen=count)
        since = now - rate.window
        while times and times[0] <= since:
            times.popleft()
        times.append(now)
        if not name.startswith(ONE_OF_MANY):
            return
        self.windows.move_to_end(name)
        if len(self.windows) > NAMES_MAX:
            del self.windows[next(old for old in self.windows if old.startswith(ONE_OF_MANY))]
