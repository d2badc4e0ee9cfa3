"""The market clock: never back, never a leap when the pace changes."""

from datetime import timedelta, timezone
from decimal import Decimal
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.errors import Misuse
from sidecar.paper.markets.clock import LAST, MarketClock
from tests.scenario import START

SPEEDS = st.none() | st.decimals("0.01", "10000", places=2)
WALLS = st.floats(0, 1e6)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=400)).map(lambda after: START + after)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["now", "pause", "resume"]), WALLS),
        st.tuples(st.just("set_speed"), SPEEDS, WALLS),
        st.tuples(st.just("set_ceiling"), st.none() | MOMENTS, WALLS),
        st.tuples(st.just("advance_to"), MOMENTS, WALLS),
        st.tuples(st.just("wall_until"), MOMENTS, WALLS),
    ),
    max_size=20,
)


def clock(speed=1, wall=1000.0):
    return MarketClock(START, None if speed is None else Decimal(speed), wall)


def after(seconds):
    return START + timedelta(seconds=seconds)


@given(SPEEDS, STEPS)
def test_market_time_never_goes_back_whatever_happens(speed, steps):
    """Not even when the wall does."""
    it = MarketClock(START, speed, 0.0)
    before = it.now(0.0)
    for name, *arguments in steps:
        getattr(it, name)(*arguments)
        now = it.now(arguments[-1])
        assert now >= before
        before = now


@given(SPEEDS, STEPS, SPEEDS, st.none() | MOMENTS)
def test_pausing_resuming_and_changing_speed_or_ceiling_move_no_time(speed, steps, other, ceiling):
    it = MarketClock(START, speed, 0.0)
    for name, *arguments in steps:
        getattr(it, name)(*arguments)
    wall = 1e6
    now = it.now(wall)
    for change in (
        lambda: it.set_speed(other, wall),
        lambda: it.pause(wall),
        lambda: it.resume(wall),
        lambda: it.set_ceiling(ceiling, wall),
    ):
        change()
        assert it.now(wall) == now


@given(SPEEDS, WALLS, MOMENTS)
def test_a_moment_is_reached_when_its_wait_is_over_and_not_much_sooner(speed, wall, at):
    it = MarketClock(START, speed, 0.0)
    wait = it.wall_until(at, wall)
    assert (wait == 0) == (it.now(wall) >= at)
    if wait > 0.01:
        rate = float(speed or 1)
        early = MarketClock(START, speed, 0.0).now(wall + wait - 0.01)
        assert early <= at - timedelta(seconds=0.009 * rate) + timedelta(
            microseconds=2 + 2e-5 * rate
        )
    assert it.now(wall + wait) >= at


@pytest.mark.parametrize(
    ("speed", "seconds"), [(1, 10), ("0.5", 5), (60, 600), (10_000, 100_000), (None, 10)]
)
def test_market_time_runs_at_its_speed(speed, seconds):
    assert clock(speed).now(1010) == after(seconds)


def test_looking_often_costs_no_time():
    """A million looks, each less than the resolution of a datetime apart, add up."""
    it = clock()
    for look in range(1, 10_001):
        it.now(1000 + look * 4e-7)
    assert it.now(1000.004) == after(0.004)


def test_a_pause_stops_time_and_resuming_leaves_no_leap():
    it = clock(2)
    it.pause(1010)
    assert it.paused
    assert it.now(1500) == after(20)
    it.resume(2000)
    assert not it.paused
    assert it.now(2001) == after(22)


def test_speed_changes_from_now_on():
    it = clock(2)
    it.set_speed(Decimal(100), 1010)
    assert it.speed == 100
    assert it.now(1011) == after(120)
    it.set_speed(None, 1011)
    assert it.speed is None
    assert it.now(1012) == after(121)


@pytest.mark.parametrize("speed", ["0", "-1", "NaN", "sNaN", "Infinity", "1E-999", "1E+999"])
def test_a_speed_that_is_none_is_refused_and_changes_nothing(speed):
    it = clock(2)
    with pytest.raises(Misuse, match="is not a number above 0; pause the market to stop it"):
        it.set_speed(Decimal(speed), 1500)
    with pytest.raises(Misuse):
        clock(speed)
    assert it.now(1010) == after(20)


def test_as_fast_as_possible_the_quotes_drive():
    it = clock(None)
    it.advance_to(after(3600), 1000)
    it.set_ceiling(after(3602), 1000)
    assert it.now(1001) == after(3601)
    assert it.now(1500) == after(3602)  # held before the next quote
    it.advance_to(after(3602), 1500)
    assert it.now(1501) == after(3603)  # the market has ended: on at the wall's pace


def test_lifting_a_ceiling_leaves_no_leap():
    it = clock(None)
    it.set_ceiling(after(1), 1000)
    assert it.now(1100) == after(1)
    it.set_ceiling(None, 1100)
    assert it.now(1101) == after(2)


def test_a_ceiling_behind_holds_time_where_it_is():
    it = clock(None)
    it.advance_to(after(100), 1000)
    it.set_ceiling(after(50), 1000)
    assert it.now(1100) == after(100)


def test_with_a_speed_a_ceiling_holds_nothing():
    it = clock(10)
    it.set_ceiling(after(1), 1000)
    assert it.now(1001) == after(10)


def test_advancing_to_the_past_does_nothing():
    it = clock(10)
    it.advance_to(after(5), 1001)
    assert it.now(1001) == after(10)


def test_a_moment_that_nothing_leads_to_is_infinitely_far():
    it = clock(None)
    it.set_ceiling(after(5), 1000)
    assert it.wall_until(after(5), 1000) == pytest.approx(5)
    assert it.wall_until(after(6), 1000) == inf
    it.pause(1000)
    assert it.wall_until(after(1), 1000) == inf
    assert it.wall_until(after(0), 1000) == 0


def test_at_the_end_of_the_calendar_time_stands_still():
    it = clock(10_000)
    assert it.now(1e12) == LAST
    assert it.wall_until(LAST + timedelta(hours=1), 1e12) == inf


def test_a_start_in_another_time_zone_is_the_same_moment_in_utc():
    there = MarketClock(START.astimezone(timezone(timedelta(hours=-8))), None, 0.0)
    assert there.now(0.0) == START
    assert there.now(0.0).utcoffset() == timedelta(0)
