"""The trading day, its weeks and months: 08:00 in New York, in summer and in winter."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.trading_day import NEW_YORK, PERIODS, next_reset, next_start

moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "reset"),
    [
        ("2026-03-07T13:00", "2026-03-08T12:00"),  # clocks go forward that night: a day of 23 hours
        ("2026-03-08T12:00", "2026-03-09T12:00"),
        ("2026-10-31T12:00", "2026-11-01T13:00"),  # clocks go back that night: a day of 25 hours
        ("2026-11-01T13:00", "2026-11-02T13:00"),
        ("2027-03-13T13:00", "2027-03-14T12:00"),
        ("2027-11-06T12:00", "2027-11-07T13:00"),
        ("2026-07-01T11:59:59", "2026-07-01T12:00"),
        ("2026-01-01T00:30", "2026-01-01T13:00"),  # still the old year's last evening in New York
        ("2026-03-08T06:30", "2026-03-08T12:00"),  # half an hour before 02:00 disappears
        ("2026-11-01T05:30", "2026-11-01T13:00"),  # 01:30 the first time
        ("2026-11-01T06:30", "2026-11-01T13:00"),  # 01:30 the second time
    ],
)
def test_the_day_ends_at_eight_in_new_york(at, reset):
    assert next_reset(utc(at)) == utc(reset)


@given(moments)
def test_a_boundary_lies_ahead_within_25_hours_and_is_eight_in_new_york(at):
    reset = next_reset(at)
    assert timedelta(0) < reset - at <= timedelta(hours=25)
    assert reset.tzinfo is UTC
    assert reset.astimezone(NEW_YORK).strftime("%H:%M:%S.%f") == "08:00:00.000000"


@given(moments)
def test_boundaries_follow_each_other_by_23_to_25_hours_and_none_is_skipped(at):
    """One for every local day, on the next local date."""
    first = next_reset(at)
    second = next_reset(first)
    assert second - first in {timedelta(hours=hours) for hours in (23, 24, 25)}
    assert next_reset(second - timedelta(microseconds=1)) == second
    days = second.astimezone(NEW_YORK).date() - first.astimezone(NEW_YORK).date()
    assert days == timedelta(days=1)


@pytest.mark.parametrize(
    ("period", "at", "start"),
    [
        ("weekly", "2026-11-22T13:00", "2026-11-23T13:00"),
        ("weekly", "2026-11-23T12:59:59", "2026-11-23T13:00"),
        ("weekly", "2026-11-23T13:00", "2026-11-30T13:00"),
        ("weekly", "2026-03-02T13:00", "2026-03-09T12:00"),  # clocks go forward: an hour shorter
        ("weekly", "2026-10-26T12:00", "2026-11-02T13:00"),  # clocks go back: an hour longer
        ("monthly", "2026-11-22T13:00", "2026-12-01T13:00"),
        ("monthly", "2026-12-01T12:59:59", "2026-12-01T13:00"),
        ("monthly", "2026-12-01T13:00", "2027-01-01T13:00"),
        ("monthly", "2026-02-28T13:00", "2026-03-01T13:00"),
        ("monthly", "2028-01-31T13:00", "2028-02-01T13:00"),
        ("monthly", "2026-03-01T13:00", "2026-04-01T12:00"),
        ("monthly", "2026-10-01T12:00", "2026-11-01T13:00"),
        ("monthly", "2026-11-01T12:59", "2026-11-01T13:00"),
    ],
)
def test_a_week_begins_on_monday_and_a_month_on_its_first_day(period, at, start):
    assert next_start(period, utc(at)) == utc(start)


@given(moments, st.sampled_from(PERIODS))
def test_each_period_begins_with_a_day_the_first_that_is_its_own(at, period):
    """The days' starts from now on, one by one: the first of a Monday, or of a first, is it."""
    day = next_reset(at)
    while True:
        local = day.astimezone(NEW_YORK)
        if period == "daily" or (local.weekday() == 0 if period == "weekly" else local.day == 1):
            break
        day = next_reset(day)
    assert next_start(period, at) == day
