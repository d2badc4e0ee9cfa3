"""Trading hours: the clock on the wall decides, in summer, in winter and between them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.core.vocabulary.trading_hours import (
    DAYS,
    MINUTE,
    WITHIN,
    Hours,
    overlap,
    spans_of,
    zone_of,
)

NEW_YORK = "America/New_York"


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(*windows, zone=NEW_YORK):
    return Hours(zone_of(zone), [span for text in windows for span in spans_of(text)])


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Mon 09:30-16:00", [(570, 960)]),
        ("Tue-Wed 00:00-24:00", [(1440, 2880), (2880, 4320)]),
        ("Mon 22:00-02:00", [(1320, 1560)]),
        ("Sun 22:00-02:00", [(9960, 10080), (0, 120)]),
        ("Sun 22:00-24:00", [(9960, 10080)]),
        ("Sun-Mon 08:00-09:00", [(9120, 9180), (480, 540)]),
    ],
)
def test_a_window_is_spans_of_the_week(text, spans):
    assert list(spans_of(text)) == spans


def test_days_that_begin_behind_their_end_go_round_the_week():
    assert len(spans_of("Sat-Fri 10:00-11:00")) == len(DAYS)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no window"),
        ("09:00-17:00", "no window"),
        ("mon 09:00-17:00", "no window"),
        ("Mon-Xyz 09:00-17:00", "no window"),
        ("Mon 9:00-17:00", "no window"),
        ("Mon 09:00-17:00 ", "no window"),
        ("Mon 09:60-17:00", "no clock shows"),
        ("Mon 09:00-24:01", "no clock shows"),
        ("Mon 25:00-26:00", "no clock shows"),
        ("Mon 24:00-08:00", "no clock shows"),
        ("Mon 09:00-09:00", "is empty"),
        ("Mon 00:00-00:00", "is empty"),
    ],
)
def test_what_is_no_window_is_refused(text, fault):
    with pytest.raises(ValueError, match=fault):
        spans_of(text)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "/etc/passwd", "../etc", "America"])
def test_a_zone_that_there_is_not_is_refused(name):
    with pytest.raises(ValueError, match="no time zone"):
        zone_of(name)


@pytest.mark.parametrize(
    ("one", "other", "have"),
    [
        ("Mon 09:00-12:00", "Mon 12:00-13:00", False),
        ("Mon 09:00-12:01", "Mon 12:00-13:00", True),
        ("Mon-Fri 09:00-12:00", "Sat-Sun 09:00-12:00", False),
        ("Sun 22:00-02:00", "Mon 01:59-03:00", True),
        ("Sun 22:00-02:00", "Mon 02:00-03:00", False),
    ],
)
def test_windows_overlap_where_they_have_a_minute_in_common(one, other, have):
    assert overlap(spans_of(one), spans_of(other)) == have
    assert overlap(spans_of(other), spans_of(one)) == have


def test_a_window_is_open_from_its_first_moment_to_just_before_its_end():
    week = hours("Mon-Fri 09:30-16:00")
    assert week.opens_at(utc("2026-11-23T14:29:59.999999")) == utc("2026-11-23T14:30")
    assert week.opens_at(utc("2026-11-23T14:30")) is None
    assert week.changes_at(utc("2026-11-23T14:30:10.5")) == utc("2026-11-23T21:00")
    assert week.opens_at(utc("2026-11-23T20:59:59.999999")) is None
    assert week.opens_at(utc("2026-11-23T21:00")) == utc("2026-11-24T14:30")
    assert week.opens_at(utc("2026-11-27T21:00")) == utc("2026-11-30T14:30")


def test_windows_that_meet_are_one():
    week = hours("Sun 18:00-24:00", "Mon 00:00-02:00", "Mon 02:00-03:00")
    assert week.changes_at(utc("2026-11-22T23:30")) == utc("2026-11-23T08:00")


def test_what_is_always_open_never_changes():
    week = hours("Mon-Sun 00:00-24:00")
    assert week.opens_at(utc("2026-11-22T23:30")) is None
    assert week.changes_at(utc("2026-11-22T23:30")) is None


@pytest.mark.parametrize(
    ("window", "at", "opens"),
    [
        # 2026-03-08: at 02:00 (07:00 UTC) the clock shows 03:00.
        ("Sun 01:30-04:00", "2026-03-08T06:29", "2026-03-08T06:30"),
        ("Sun 02:30-04:00", "2026-03-08T06:29", "2026-03-08T07:00"),
        ("Sun 02:15-02:45", "2026-03-08T06:29", "2026-03-15T06:15"),
        ("Sun 09:30-16:00", "2026-03-08T06:59", "2026-03-08T13:30"),
        ("Mon 09:30-16:00", "2026-03-06T22:00", "2026-03-09T13:30"),
        # 2026-11-01: at 02:00 (06:00 UTC) the clock shows 01:00 again.
        ("Sun 01:30-01:45", "2026-11-01T05:00", "2026-11-01T05:30"),
        ("Sun 01:30-01:45", "2026-11-01T05:45", "2026-11-01T06:30"),
        ("Sun 01:30-01:45", "2026-11-01T06:45", "2026-11-08T06:30"),
        ("Sun 00:30-01:15", "2026-11-01T05:20", "2026-11-01T06:00"),
        ("Mon 09:30-16:00", "2026-10-30T22:00", "2026-11-02T14:30"),
    ],
)
def test_the_clock_on_the_wall_decides_when_it_opens(window, at, opens):
    assert hours(window).opens_at(utc(at)) == utc(opens)


@pytest.mark.parametrize(
    ("window", "at", "closes"),
    [
        ("Sat 22:00-04:00", "2026-03-08T04:00", "2026-03-08T08:00"),  # five hours
        ("Sat 22:00-04:00", "2026-11-01T03:00", "2026-11-01T09:00"),  # seven
        ("Sun 00:30-02:30", "2026-03-08T06:00", "2026-03-08T07:00"),
        ("Sun 01:00-02:00", "2026-11-01T05:10", "2026-11-01T07:00"),
    ],
)
def test_the_clock_on_the_wall_decides_when_it_closes(window, at, closes):
    assert hours(window).changes_at(utc(at)) == utc(closes)


clock = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 15, 59]))
texts = st.builds(
    lambda first, last, begins, ends: f"{first}-{last} {begins}-{ends}",
    st.sampled_from(DAYS), st.sampled_from(DAYS), clock, clock,
).filter(lambda text: text[8:13] != text[14:])  # fmt: skip
zones = st.sampled_from([NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
moments = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.builds(
        lambda day, seconds: utc(day) + timedelta(seconds=seconds),
        st.sampled_from(["2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"]),
        st.integers(0, 172_800),
    ),
)  # fmt: skip


def shows(text, zone, at):
    """Whether the clock there shows a time within the window, read as people do."""
    local = at.astimezone(ZoneInfo(zone))
    days, _, times = text.partition(" ")
    first, last = (DAYS.index(day) for day in days.split("-"))
    begins, ends = times.split("-")
    named = [DAYS[(first + n) % 7] for n in range((last - first) % 7 + 1)]
    now, today, yesterday = local.strftime("%H:%M"), local.weekday(), (local.weekday() - 1) % 7
    if begins < ends:
        return DAYS[today] in named and begins <= now < ends
    return (DAYS[today] in named and now >= begins) or (DAYS[yesterday] in named and now < ends)


@example("Sun-Sun 02:15-02:59", NEW_YORK, utc("2026-03-08T06:00"))
@given(texts, zones, moments)
def test_it_is_open_while_the_clock_shows_so_and_changes_at_the_first_minute_that_does(
    text, zone, at
):
    week, is_open = hours(text, zone=zone), shows(text, zone, at)
    opens, changes = week.opens_at(at), week.changes_at(at)
    assert (opens is None) == is_open
    assert opens is None or opens == changes
    assert changes is not None
    assert at < changes <= at + WITHIN
    assert shows(text, zone, changes) != is_open
    minute = at.replace(second=0, microsecond=0) + MINUTE
    while minute < changes:
        assert shows(text, zone, minute) == is_open
        minute += 5 * MINUTE if changes - minute > 20 * MINUTE else MINUTE
