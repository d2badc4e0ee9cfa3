"""Moved: a transfer, and the moments at which it may have come."""

import pytest

from sidecar.core.moved import Moved, Point
from tests.scenario import D

NEAR = D("1E-26")


def moved(held=2, quantity=-1, *, booked=(-20, 90), now=(-20, 90), others=((0, 100),), key="BTC"):
    """A transfer, by points of net PnL and price. By itself: one of two coins went while their price fell
    from 100 to 90; it is booked after the fall, and may have gone before it.
    """
    points = [Point(D(pnl), D(price)) for pnl, price in (booked, now, *others)]
    return Moved(key, D(held), D(quantity), points[0], points[1], tuple(points[2:]))


def test_what_was_earned_since_it_was_booked_leaves_out_what_has_moved():
    """Booked at 100, now at 90: the one coin left lost 10, and the books 20."""
    some = moved(booked=(0, 100), others=())
    assert (some.since, some.key_since) == (-10, -10)


def test_booked_now_nothing_was_earned_since():
    assert (moved().since, moved().key_since) == (0, 0)


def test_the_value_of_another_moment_is_what_the_transfer_would_have_won():
    """The coin that went at 90 would have gone at 100: 10 less lost."""
    assert moved().more_at(moved().others[0]) == 10


LEAST = D("1E-5")


def test_the_unit_is_worth_what_it_would_be_had_it_come_at_the_other_moment():
    """Beside 100 dollars: 300 → 280 is a loss of 1 in 15; withdrawn first, 200 → 190, of 1 in 20."""
    some = moved()
    told, first = D(280) / D(300), D(190) / D(200)
    assert abs(some.unit_at(some.others[0], D(280), LEAST) - first / told) < NEAR


@pytest.mark.parametrize(
    ("some", "equity"),
    [
        (moved(others=((-300, 100),)), 280),  # nothing was there then
        (moved(quantity=-3), 280),  # more was withdrawn than there was
    ],
)
def test_where_that_cannot_be_told_it_is_what_it_is(some, equity):
    assert some.grown(some.others[0], D(equity)) is None
    assert some.unit_at(some.others[0], D(equity), LEAST) == 1


def test_a_unit_may_have_lost_more_than_all():
    """One coin fell from 300 to 50 beside a debt of 100; had another come before, it had lost it twice."""
    some = moved(1, 1, booked=(-250, 50), now=(-250, 50), others=((0, 300),))
    assert some.grown(some.others[0], D(-50)) == 0
    assert some.unit_at(some.others[0], D(-50), LEAST) == 0


def test_where_almost_nothing_is_left_the_least_is_what_it_is_a_share_of():
    """One coin fell from 100 to 10 beside a debt of 10, and one came: of nothing a share says nothing."""
    some = moved(1, 1, booked=(-90, 10), now=(-90, 10), others=((0, 100),))
    assert some.unit_at(some.others[0], D(0), D(1)) == D(90) * 10 / 190


def test_what_left_meanwhile_may_have_lost_with_the_account():
    """17,000 lost 240; 15,600 left, and 3,000 came. Had these come first, 240 were lost of 20,000 and not of
    17,000; of the 1,400 that stayed they were not lost.
    """
    now = Point(D(-240), D(1), D(-15_600))
    came = Moved("USD", D(1_000), D(3_000), now, now, ())
    told, first = D(16_760) / D(17_000), D(19_760) / D(20_000)
    before = Point(D(0), D(1), D(0))
    assert abs(came.unit_at(before, D(1_160), LEAST, D(-15_600)) - first / told) < NEAR
    alone = came.unit_at(Point(D(0), D(1)), D(1_160), LEAST, D(-15_600))
    assert abs(alone - D(4_160) / 4_400 * 1_400 / 1_160) < NEAR


def test_where_more_came_than_there_is_only_the_other_order_tells():
    """An account of nothing but what came."""
    now = Point(D(-10), D(1), D(500))
    came = Moved("USD", D(0), D(100), now, now, ())
    before = Point(D(0), D(1), D(0))
    assert came.grown(before, D(400), D(500)) == came.grown(Point(D(0), D(1)), D(400))


def test_where_nothing_was_there_to_grow_neither_order_tells():
    came = Moved("USD", D(0), D(-500), Point(D(0), D(1)), Point(D(0), D(1)), ())
    assert came.grown(Point(D(0), D(1), D(0)), D(400), D(500)) is None
