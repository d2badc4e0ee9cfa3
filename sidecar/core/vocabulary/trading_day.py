"""The trading day: from 08:00 in New York to 08:00 in New York, daylight saving included; its weeks and months. No I/O.

08:00 exists exactly once on every local day (clocks change at 02:00), so a boundary is never
skipped or doubled. A week begins with Monday's, a month with the first's.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")
RESET_HOUR: Final = 8  # local time
PeriodName = Literal["daily", "weekly", "monthly"]
LONG_PERIODS: Final[tuple[PeriodName, ...]] = ("weekly", "monthly")
PERIODS: Final[tuple[PeriodName, ...]] = ("daily", *LONG_PERIODS)
DAY: Final = timedelta(days=1)


def next_reset(at: datetime) -> datetime:
    """The first boundary after `at`, in UTC."""
    return next_start("daily", at)


def next_start(period: PeriodName, at: datetime) -> datetime:
    """The first moment after `at`, in UTC, at which such a period begins."""
    day = at.astimezone(NEW_YORK).date()
    if _boundary(day) <= at:
        day += DAY
    if period == "weekly":
        day += -day.weekday() % 7 * DAY
    elif period == "monthly" and day.day > 1:
        day = (day.replace(day=28) + 4 * DAY).replace(day=1)
    return _boundary(day)


def _boundary(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, RESET_HOUR, tzinfo=NEW_YORK).astimezone(UTC)
