"""Trading hours: windows of the week by the clock of a zone, daylight saving included. No I/O.

The clock on the wall decides: it is open while a clock of the zone shows a time within a window. So an hour that the
clock shows twice is open twice, and one that it leaves out is not there; a window that begins within that begins with
the time that follows.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTE: Final = timedelta(minutes=1)
DAY: Final = 24 * 60  # minutes, as all that follows
WEEK: Final = 7 * DAY
WRITTEN: Final = re.compile(
    r"(?P<first>\w+)(-(?P<last>\w+))? (?P<begins>\d\d:\d\d)-(?P<ends>\d\d:\d\d)"
)
# A window of the week is met within so long, also where the clock leaves it out once.
WITHIN: Final = timedelta(days=15)

Span = tuple[int, int]  # minutes since Monday 00:00: from the first, before the last


def zone_of(name: str) -> tzinfo:
    """The zone of this name. Raises ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            'is no time zone that is known; write one as "America/New_York" or "UTC"'
        ) from None


def spans_of(text: str) -> tuple[Span, ...]:
    """The spans of a window such as "Mon-Fri 09:30-16:00"; one that ends before it begins ends on the next day.
    Raises ValueError.
    """
    found = WRITTEN.fullmatch(text)
    if found is None or found["first"] not in DAYS or (found["last"] or "Mon") not in DAYS:
        raise ValueError('is no window; write days and times as "Mon-Fri 09:30-16:00"')
    begins, ends = _minutes(found["begins"]), _minutes(found["ends"])
    if begins is None or ends is None or begins == DAY:
        raise ValueError("has a time that no clock shows; write 00:00 to 23:59, at the end 24:00")
    if begins == ends:
        raise ValueError("is empty; for a whole day write 00:00-24:00")
    first = DAYS.index(found["first"])
    days = (DAYS.index(found["last"] or found["first"]) - first) % 7 + 1
    length = (ends - begins) % DAY or DAY
    spans: list[Span] = []
    for day in range(first, first + days):
        start = (day * DAY + begins) % WEEK
        end = start + length
        spans += [(start, end)] if end <= WEEK else [(start, WEEK), (0, end - WEEK)]
    return tuple(spans)


def _minutes(clock: str) -> int | None:
    """Minutes since midnight; None for a time that there is not."""
    hours, minutes = int(clock[:2]), int(clock[3:])
    return hours * 60 + minutes if minutes < 60 and hours * 60 + minutes <= DAY else None


def overlap(one: Iterable[Span], other: Sequence[Span]) -> bool:
    """Whether two windows have a minute in common."""
    return any(begin < end and start < finish for begin, finish in one for start, end in other)


class Hours:
    """All windows of a week, by the clock of a zone."""

    def __init__(self, zone: tzinfo, spans: Iterable[Span]) -> None:
        self.zone = zone
        # Where it opens and closes, in turn; spans do not overlap, and some meet.
        ends: list[int] = []
        for start, end in sorted(spans):
            ends[-1:] = [end] if ends and ends[-1] == start else [*ends[-1:], start, end]
        assert all(before < after for before, after in pairwise(ends)), "windows overlap"
        self._ends = ends

    def opens_at(self, at: datetime) -> datetime | None:
        """When it opens next; None while it is open."""
        opens = self._first(at, is_open=True)
        return None if opens == at else opens

    def changes_at(self, at: datetime) -> datetime | None:
        """When it opens, or closes, next; None where it is always open."""
        return self._first(at, is_open=not self._is_open(self._shown(at)))

    def _first(self, at: datetime, *, is_open: bool) -> datetime | None:
        """The first moment from now on at which it is so."""
        moment = at
        while moment - at <= WITHIN:
            shown = self._shown(moment)
            if self._is_open(shown) == is_open:
                return moment
            begun = moment - timedelta(seconds=moment.second, microseconds=moment.microsecond)
            moment = self._or_change_of_clocks(begun, begun + self._to_next_end(shown) * MINUTE)
        return None

    def _shown(self, at: datetime) -> int:
        """The minute of the week that the clock shows."""
        local = at.astimezone(self.zone)
        return local.weekday() * DAY + local.hour * 60 + local.minute

    def _is_open(self, shown: int) -> bool:
        return bisect_right(self._ends, shown) % 2 == 1

    def _to_next_end(self, shown: int) -> int:
        """Minutes until the clock would show the next opening or closing, or a new week."""
        place = bisect_right(self._ends, shown)
        return (self._ends[place] if place < len(self._ends) else WEEK) - shown

    def _or_change_of_clocks(self, since: datetime, until: datetime) -> datetime:
        """`until`, or the moment before it at which the clocks are changed."""
        offset = since.astimezone(self.zone).utcoffset()
        if until.astimezone(self.zone).utcoffset() == offset:
            return until
        same, other = 0, (until - since) // MINUTE
        while other - same > 1:
            middle = (same + other) // 2
            if (since + middle * MINUTE).astimezone(self.zone).utcoffset() == offset:
                same = middle
            else:
                other = middle
        return since + other * MINUTE
