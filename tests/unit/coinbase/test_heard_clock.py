"""Coinbase's clock as its frames tell it: the furthest that any has shown it to be."""

from datetime import timedelta

import pytest

from sidecar.coinbase.heard_clock import HeardClock
from tests.scenario import START

WALL = 1_000.0


def stamp(seconds):
    return (START + timedelta(seconds=seconds)).isoformat()


def seen(*told):
    """A clock that heard of these seconds, each at this many of the wall."""
    clock = HeardClock()
    for seconds, wall in told:
        clock.see(stamp(seconds), WALL + wall)
    return clock


def at(clock, wall):
    return (clock.now(WALL + wall) - START).total_seconds()


def test_never_heard_it_is_not_known():
    clock = HeardClock()
    for text in ("", "yesterday", "0001-01-01T00:00:00Z"):
        clock.see(text, WALL)
    assert clock.now(WALL) is None


def test_it_goes_on_by_monotonic_time():
    clock = seen((0, 0))
    assert at(clock, 0) == 0
    assert at(clock, 3600) == 3600


def test_a_frame_that_comes_late_says_no_less():
    assert at(seen((0, 0), (5, 30)), 30) == 30
    assert at(seen((0, 0), (31, 30)), 30) == 31


@pytest.mark.parametrize("leap", [3600, -3600])
def test_a_single_stamp_from_far_away_is_not_believed(leap):
    assert at(seen((0, 0), (leap, 2), (4, 4)), 4) == 4


def test_a_second_from_as_far_ahead_is():
    """As after the machine slept: monotonic time stood still meanwhile."""
    assert at(seen((0, 0), (3600, 2), (3602, 4)), 4) == 3602
    assert at(seen((0, 0), (3600, 2), (7200, 4)), 4) == 4


def test_of_many_frames_a_second_one_is_looked_at():
    assert at(seen((0, 0), (2, 0.5)), 1) == 1
