"""ConfirmedMark: a mark that a passing tick cannot move."""

from datetime import timedelta

import pytest

from sidecar.core.account.confirmed_mark import BARGAINS_MAX, ConfirmedMark, Run
from tests.scenario import START, D


def seen(*ticks, quotes=3, value=100):
    """A mark of 100, and then these: (seconds, mark)."""
    mark = ConfirmedMark(D(value), D(value), D(value))
    for seconds, price in ticks:
        mark.see(D(price), START + timedelta(seconds=seconds), timedelta(seconds=2), quotes)
    return mark


def test_a_price_that_stands_two_seconds_over_three_quotes_is_confirmed():
    assert seen((0, 90), (1, 90)).value == 100
    mark = seen((0, 90), (1, 90), (2, 90))
    assert mark == ConfirmedMark(D(90), D(90), D(90), is_settled=True)


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


def test_units_that_were_added_at_the_confirmed_mark_are_no_bargain():
    mark = seen()
    mark.add(D(1), D(100))
    assert mark.bargains == []


def test_units_that_are_added_before_a_quote_comes_join_the_last_bargain():
    mark = seen()
    mark.add(D(1), D(90))
    mark.see(D(100), START, timedelta(seconds=2), 3)
    for price in (92, 94):
        mark.add(D(1), D(price))
    assert [(one.quantity, one.price) for one in mark.bargains] == [(1, 90), (2, 93)]


def test_a_mark_that_stands_still_does_so_over_a_clock_that_was_set_back():
    assert seen((0, 100), (1, 100), (0, 100), (2, 100)).is_settled


def test_of_two_marks_of_one_time_the_nearer_counts():
    assert seen((0, 85), (0, 90), (1, 90), (2, 85)).value == 90
    assert seen((0, 90), (0, 85), (1, 85), (2, 85)).value == 90


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


# --- More than a first sight ----------------------------------------------------------------------


def test_a_first_sight_is_not_settled():
    """It may be a bad tick itself, and what has come since may be the truth."""
    assert not seen().is_settled
    assert not seen((0, 90), (1, 90)).is_settled


def test_what_was_confirmed_is_settled_and_stays_so():
    assert seen((0, 90), (1, 90), (2, 90), (3, 48)).is_settled


def test_what_prices_have_been_on_both_sides_of_is_settled():
    assert not seen((0, 99), (1, 98)).is_settled
    assert seen((0, 99), (1, 101)).is_settled


@pytest.mark.parametrize(
    ("ticks", "settled"),
    [
        ([(0, 100), (1, 100), (2, 100)], True),
        ([(0, 100), (2, 100)], False),  # two quotes
        ([(0, 100), (0.5, 100), (1.9, 100)], False),  # not two seconds
        ([(0, 100), (2, 100), (2, 100)], False),  # two quotes of one time are one
        ([(0, 100), (1, 100), (2, 100), (3, 100)], True),  # and stays so
    ],
)
def test_what_stands_still_for_as_long_is_settled(ticks, settled):
    assert seen(*ticks).is_settled == settled


def test_a_clock_set_back_has_it_stand_still_anew():
    assert not seen((10, 100), (5, 100), (6, 100)).is_settled
    assert seen((10, 100), (5, 100), (6, 100), (7, 100)).is_settled


def test_a_clock_set_back_settles_nothing_by_itself():
    """Prices have been on one side alone."""
    assert not seen((10, 90), (5, 90)).is_settled


def test_what_was_left_in_between_did_not_stand_still():
    assert not seen((0, 100), (1, 48), (1.5, 100), (2, 100)).is_settled


# --- What was added at a better price -------------------------------------------------------------


def see(mark, *ticks):
    for seconds, price in ticks:
        mark.see(D(price), START + timedelta(seconds=seconds), timedelta(seconds=2), 3)
    return mark


def added(*ticks, quantity=2, price=90, held=5):
    """The gain that is not confirmed after a purchase (or a short sale) at this price, and these ticks."""
    mark = seen()
    mark.add(D(quantity), D(price))
    return see(mark, *ticks).unconfirmed_gain(D(held))


def lasting(price):
    """Six quotes over four seconds: twice what confirms a price."""
    return [(second, price) for second in (0, 1, 2, 3, 3.5, 4)]


@pytest.mark.parametrize(
    "ticks",
    [
        [],
        [(0, 90)],
        [(0, 100), (1, 90), (2, 90)],
        lasting(100)[:-1],
        [(0, 100), (9, 100)],
        [(0, 100), (1, 100), (2, 100), (3, 100), (4, 100), (4, 100)],  # two of one time are one
    ],
)
def test_a_purchase_below_the_mark_is_a_gain_that_is_not_confirmed(ticks):
    """The price may have fallen, and its quote is told later."""
    assert added(*ticks) == 20


@pytest.mark.parametrize(
    "ticks",
    [
        [(0, 90), (1, 90), (2, 90)],  # the mark has followed the price: there was no gain
        lasting(100),  # the price had fallen for a moment: there is one
    ],
)
def test_a_price_that_stands_says_whether_there_is_a_gain(ticks):
    assert added(*ticks) == 0


def test_a_short_sale_above_the_mark_is_one_too():
    assert added(quantity=-2, price=110, held=-5) == 20
    assert added(quantity=-2, price=90, held=-5) == added(price=110) == 0


def test_what_is_not_held_any_more_has_no_gain():
    assert added(held=1) == 10
    assert added(held=0) == added(held=-1) == 0


def test_a_mark_that_falls_below_the_price_leaves_no_gain():
    assert added((0, 80), (1, 80), (2, 80)) == 0


def test_purchases_before_the_next_quote_count_together():
    mark = seen()
    mark.add(D(2), D(90))
    mark.add(D(2), D(80))
    assert mark.unconfirmed_gain(D(5)) == 60
    assert len(mark.bargains) == 1


def test_each_purchase_waits_for_its_own_quotes():
    """Who buys every second has all but the last few confirmed."""
    mark = seen()
    for second in range(100):
        mark.add(D(1), D(99))
        see(mark, (second, 100))
    assert mark.unconfirmed_gain(D(1_000)) == 5
    assert mark.unconfirmed_gain(D(3)) == 3


def test_there_are_only_so_many():
    mark = seen()
    for number in range(1_000):
        mark.add(D(1), D(99))
        see(mark, (number / 1_000, 100))
    assert (len(mark.bargains), mark.unconfirmed_gain(D(5_000))) == (BARGAINS_MAX, 1_000)


def test_of_the_other_side_it_begins_anew():
    """A long position became a short one."""
    mark = seen()
    mark.add(D(2), D(90))
    mark.add(D(-2), D(110))
    assert (mark.unconfirmed_gain(D(5)), mark.unconfirmed_gain(D(-5))) == (0, 20)


def test_a_clock_that_is_set_back_has_it_counted_anew():
    mark = seen()
    mark.add(D(2), D(90))
    see(mark, *lasting(100)[:-1])
    assert see(mark, (-60, 100), (-59, 100)).unconfirmed_gain(D(5)) == 20
