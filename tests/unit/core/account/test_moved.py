"""Moved: a transfer, and the moments at which it may have come."""

import pytest

from sidecar.core.account.moved import Moved, Point
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


def came_after(since, before=(0, 0)):
    """3,000 USD beside 1,160, which are what 17,000 came to: 15,600 left, and 240 were lost. As a share of what a
    unit is worth: had the 3,000 been there before. `since`: PnL and transfers when the 15,600 left.
    """
    now = Point(D(-240), D(1), D(-15_600))
    some = Moved("USD", D(1_000), D(3_000), now, now, ())
    pnl, transfers = before
    left = Point(D(since), D(1), D(-15_600))
    return some.unit_at(Point(D(pnl), D(1), transfers), D(1_160), LEAST, left)


ALONE = D(4_160) / 4_400 * 1_400 / 1_160  # of the 1,400 that stayed, all were lost


def test_what_left_after_the_loss_had_its_part_in_it():
    """240 of 20,000 were lost then, and not of 17,000."""
    told, first = D(16_760) / D(17_000), D(19_760) / D(20_000)
    assert abs(came_after(-240, (0, D(0))) - first / told) < NEAR


def test_what_left_before_the_loss_had_none():
    assert abs(came_after(0, (0, D(0))) - ALONE) < NEAR


def test_half_of_the_loss_may_have_come_before_it_left():
    told = D(16_880) / 17_000 * 1_160 / 1_280
    first = D(19_880) / 20_000 * 4_160 / 4_280
    assert abs(came_after(-120, (0, D(0))) - first / told) < NEAR


def test_what_left_before_that_moment_or_nobody_knows_when_changes_nothing():
    assert abs(came_after(0, (0, D(-15_600))) - ALONE) < NEAR
    assert abs(came_after(0, (0, None)) - ALONE) < NEAR


def test_where_the_account_was_none_before_the_other_transfer_it_counts_as_it_is():
    """All of it came with the other one."""
    some = Moved("USD", D(0), D(100), Point(D(-10), D(1)), Point(D(-10), D(1)), ())
    before, since = Point(D(0), D(1), D(0)), Point(D(-10), D(1), D(500))
    assert some.grown(before, D(400), since) == some.grown(before, D(400))


def test_a_coins_price_is_taken_to_have_moved_with_the_pnl():
    """One of two coins left while their price fell from 100 to 80; half way 100 dollars of 300 left."""
    now = Point(D(-40), D(80), D(-100))
    some = Moved("BTC", D(2), D(-1), now, now, ())
    first = D(190) / 200 * D(80) / 90
    told = D(280) / 300 * D(160) / 180
    unit = some.unit_at(Point(D(0), D(100), D(0)), D(160), LEAST, Point(D(-20), D(1), D(-100)))
    assert abs(unit - first / told) < NEAR


def test_a_transfer_that_is_dated_before_that_moment_was_there():
    """It was read after it: its date is that of the confirmed marks then, before the fall."""
    now = Point(D(-6_440), D(1_195), D(1_000))
    left = Moved("ETH", D(8), D("-7.6"), Point(D(0), D(2_000), D(0)), now, ())
    before = Point(D(-6_440), D(1_195), D(0))
    dated = left.grown(before, D(18_000), Point(D(0), D(1), D(1_000)))
    assert dated == left.grown(before, D(18_000))
