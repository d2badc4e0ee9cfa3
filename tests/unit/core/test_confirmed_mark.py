"""ConfirmedMark: a mark that a passing tick cannot move."""

from datetime import timedelta

import pytest

from sidecar.core.confirmed_mark import ConfirmedMark, Run
from tests.scenario import START, D


def seen(*ticks, quotes=3, value=100):
    """A mark of 100, and then these: (seconds, mark)."""
    mark = ConfirmedMark(D(value), D(value), D(value))
    for seconds, price in ticks:
        mark.see(D(price), START + timedelta(seconds=seconds), timedelta(seconds=2), quotes)
    return mark


def test_a_price_that_stands_two_seconds_over_three_quotes_is_confirmed():
    assert seen((0, 90), (1, 90)).value == 100
    assert seen((0, 90), (1, 90), (2, 90)) == ConfirmedMark(D(90), D(90), D(90), is_settled=True)


@pytest.mark.parametrize(
    "ticks",
    [
        [(0, 90), (2, 90)],  # two quotes
        [(0, 90), (0.5, 90), (1.9, 90)],  # not two seconds
        [(0, 90), (2, 90), (2, 90)],  # two quotes of one time are one
    ],
)
def test_less_than_that_confirms_nothing(ticks):
    assert seen(*ticks).value == 100


@pytest.mark.parametrize("tick", [48, 210])
def test_a_tick_that_is_taken_back_leaves_nothing_behind(tick):
    mark = seen((0, tick), (0.7, 100), (1, 100))
    assert (mark.value, mark.run, mark.is_settled) == (100, None, False)


@pytest.mark.parametrize(
    ("prices", "value"), [((105, 103, 110), 103), ((95, 97, 90), 97), ((105, 103, 103), 103)]
)
def test_what_must_stand_is_a_bound(prices, value):
    """Prices seldom stand still: the nearest to it that the mark came is confirmed."""
    assert seen(*enumerate(prices)).value == value


def test_the_mark_beyond_the_bound_runs_on():
    """103 is confirmed, and 110 is to stand from now."""
    run = seen((0, 105), (1, 103), (2, 110)).run
    now = START + timedelta(seconds=2)
    assert run == Run(D(110), now, now)
    assert seen((0, 105), (1, 103), (2, 103)).run is None


def test_on_the_other_side_the_wait_begins_anew():
    assert seen((0, 90), (1, 90), (2, 110), (3, 110)).value == 100
    assert seen((0, 90), (1, 90), (2, 110), (3, 110), (4, 110)).value == 110


def test_a_clock_set_back_begins_the_wait_anew():
    assert seen((10, 90), (5, 90), (6, 90)).value == 100
    assert seen((10, 90), (5, 90), (6, 90), (7, 90)).value == 90


def test_the_last_two_marks_are_known():
    mark = seen((0, 90), (1, 80))
    assert (mark.previous, mark.last) == (90, 80)


def test_more_quotes_may_be_asked_for():
    assert seen(*((s, 90) for s in range(4)), quotes=5).value == 100
    assert seen(*((s, 90) for s in range(5)), quotes=5).value == 90


# --- A first sight and more -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticks", "is_settled"),
    [
        ([(0, 100), (2, 100)], False),
        ([(0, 100), (1, 100), (1, 100), (1.9, 100)], False),
        ([(0, 100), (1, 100), (2, 100)], True),
        ([(0, 100), (0.5, 101), (1, 100), (2, 100)], True),  # a tick between takes nothing back
        ([(5, 100), (0, 100), (1, 100)], False),  # a clock set back
    ],
)
def test_a_first_price_that_stands_still_is_settled(ticks, is_settled):
    mark = seen(*ticks)
    assert (mark.value, mark.is_settled) == (100, is_settled)


def test_a_price_that_others_were_on_both_sides_of_is_settled():
    assert not seen((0, 101)).is_settled
    assert seen((0, 101), (0.1, 99)).is_settled


def test_what_has_settled_stays_so():
    mark = seen((0, 101), (0.1, 99), (0.2, 100), (0.3, 101))
    assert (mark.is_settled, mark.still) == (True, None)
