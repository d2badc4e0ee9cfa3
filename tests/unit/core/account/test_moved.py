"""Moved: a transfer, and the moments at which it may have come."""

from msgspec.structs import replace

from sidecar.core.account.moved import CONFIRMED, NEAR, Moved, Point
from tests.scenario import START, D


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


def test_moments_are_in_order_of_their_readings_and_of_the_prices_of_then():
    """The present comes last."""
    first = Point(D(0), D(1), at=START, view=CONFIRMED)
    found, near = Point(D(0), D(1), at=START), Point(D(0), D(1), at=START, view=NEAR)
    now = Point(D(0), D(1))
    assert sorted([now, near, found, first], key=lambda one: one.order) == [first, found, near, now]
    some = Moved("BTC", D(0), D(1), found, now, (near, first))
    assert (some.first, some.last) == (first.order, near.order)


def test_a_moment_knows_the_transfers_that_were_booked_by_then():
    some = Moved("BTC", D(0), D(1), Point(D(0), D(1)), Point(D(0), D(1)), number=2)
    assert [some.is_in(Point(D(0), D(1), booked=count)) for count in (1, 2, 3)] == [
        False,
        True,
        True,
    ]
    assert not replace(some, number=None).is_in(Point(D(0), D(1), booked=3))
