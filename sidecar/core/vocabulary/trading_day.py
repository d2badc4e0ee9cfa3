"""The trading day: from 08:00 in New York to 08:00 in New York, daylight saving included. No I/O.

08:00 exists exactly once on every local day (clocks change at 02:00), so a boundary is never
skipped or doubled.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")
RESET_HOUR: Final = 8  # local time


def next_reset(at: datetime) -> datetime:
    """The first boundary after `at`, in UTC."""
    local = at.astimezone(NEW_YORK)
    end = _boundary(local.date())
    return end if end > at else _boundary(local.date() + timedelta(days=1))


def _boundary(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, RESET_HOUR, tzinfo=NEW_YORK).astimezone(UTC)
