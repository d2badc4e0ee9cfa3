"""One side of a book as an order walks it: what that costs, and how much a cost buys."""

from fractions import Fraction

import pytest

from sidecar.core.account.ladder import UNKNOWN, ladders_of
from sidecar.core.vocabulary.events import Depth
from tests.scenario import START, D

ASKS = ((101, 1), (102, 2), (110, 4))
BIDS = ((99, 1), (98, 2), (90, 4))


def ladders(bids=BIDS, asks=ASKS, factor=None):
    below, above = (tuple((D(price), D(size)) for price, size in side) for side in (bids, asks))
    return ladders_of(Depth("X-USD", below, above, START), factor)


@pytest.mark.parametrize(
    ("size", "cost"),
    [
        (0, 0),
        ("0.5", "0.5"),
        (1, 1),
        (2, 3),
        (3, 5),
        ("3.5", 10),
        (7, 45),
        ("7.1", UNKNOWN),
        (-1, 0),
    ],
)
def test_the_cost_is_the_distance_from_the_mid_of_each_unit(size, cost):
    """On both sides: the book is the same on either side of 100."""
    for side in ("BUY", "SELL"):
        assert ladders()[side].cost(D(size)) == D(cost)


@pytest.mark.parametrize(
    ("size", "share"), [(0, 0), (1, "0.01"), (2, "0.015"), (7, D(45) / 700), (8, UNKNOWN)]
)
def test_slippage_is_the_cost_as_a_share_of_the_worth_at_the_mid(size, share):
    assert ladders()["BUY"].slippage(D(size)) == pytest.approx(D(share))


def test_a_quotient_that_does_not_end_is_rounded_up():
    """5 ÷ 300 and 16 ÷ 360: by less than a unit of the last digit, and never down."""
    for size, exact in ((3, Fraction(5, 300)), ("3.6", Fraction(11, 360))):
        share = Fraction(ladders()["BUY"].slippage(D(size)))
        assert exact < share < exact + Fraction(1, 10**60)


@pytest.mark.parametrize(
    ("most", "size"),
    [("0.005", 0), ("0.01", 1), ("0.015", 2), ("0.02", "3.125"), ("0.06", "6.25"), ("0.07", 7)],
)
def test_the_largest_size_of_a_slippage_is_exact(most, size):
    for side in ("BUY", "SELL"):
        ladder = ladders()[side]
        assert ladder.size_of_slippage(D(most)) == D(size)
        if 0 < D(size) < 7:
            assert ladder.slippage(D(size)) == D(most)
            assert ladder.slippage(D(size) + D("1E-18")) > D(most)


@pytest.mark.parametrize(
    ("usd", "size"), [(-1, 0), (0, 0), (1, "0.5"), (2, 1), (6, 2), (10, 3), (12, "3.1"), (99, 7)]
)
def test_the_largest_size_of_a_cost_is_exact(usd, size):
    """At two USD to the quote currency."""
    assert ladders()["SELL"].size_of_cost(D(usd), D(2)) == D(size)


def test_a_locked_book_costs_nothing_at_its_price():
    ladder = ladders(bids=((100, 1), (99, 1)), asks=((100, 1), (101, 1)))["BUY"]
    assert (ladder.cost(D(1)), ladder.cost(D(2))) == (0, 1)
    assert (ladder.size_of_cost(D(0), D(1)), ladder.size_of_slippage(D("1E-9"))) == (
        1,
        pytest.approx(D(1)),
    )


@pytest.mark.parametrize(("bids", "asks"), [((), ASKS), (BIDS, ()), (((102, 1),), ((101, 1),))])
def test_a_book_without_two_sides_or_that_crosses_has_no_mid(bids, asks):
    assert ladders(bids, asks) == {}


def test_with_a_part_of_every_size_it_ends_sooner():
    thin = ladders(factor=D("0.1"))["BUY"]
    assert thin.known == D("0.7")
    assert thin.cost(D("0.3")) == D("0.5")


# --- Up to a limit price --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "size", "cost"),
    [
        (100, 5, 0),
        (101, 5, 1),
        ("101.5", 5, 1),
        (102, 5, 5),
        (109, 5, 5),
        (110, 7, 45),
        (112, 9, 69),
    ],
)
def test_a_limit_order_pays_no_more_than_its_price_and_the_rest_of_it_rests(price, size, cost):
    """Beyond the last level that is known, all of it may trade at its limit price."""
    assert ladders()["BUY"].up_to(D(price), "BUY").cost(D(size)) == D(cost)
    assert ladders()["SELL"].up_to(200 - D(price), "SELL").cost(D(size)) == D(cost)


def test_slippage_is_of_the_part_that_trades():
    """Of ten, one trades at 101; the others rest."""
    limited = ladders()["BUY"].up_to(D(101), "BUY")
    assert limited.slippage(D(10)) == D("0.01")
    assert ladders()["BUY"].up_to(D(100), "BUY").slippage(D(10)) == 0


@pytest.mark.parametrize(
    ("price", "most", "size"),
    [(101, "0.01", UNKNOWN), (101, "0.009", 0), (102, "0.016", "2.5"), (102, "0.017", UNKNOWN),
     (112, "0.05", 5), (112, "0.08", 15), (112, "0.12", UNKNOWN)],
)  # fmt: skip
def test_a_limit_price_within_the_limit_bounds_no_size(price, most, size):
    """15 at 112 at most: 45 for seven, then 12 for each, comes to 8 in the hundred with 11.25 more."""
    found = ladders()["BUY"].up_to(D(price), "BUY").size_of_slippage(D(most))
    if (price, most) == (112, "0.08"):
        assert found == (D(12) * 7 - 45) / (D(12) - 8)
    elif (price, most) == (112, "0.05"):
        assert ladders()["BUY"].slippage(found) == D("0.05")
    else:
        assert found == D(size)


def test_a_step_that_the_limit_price_lies_within_counts_at_that_price():
    """From the 21st level on a level may stand for several, at the worst of their prices."""
    asks = (*((101 + number, 1) for number in range(20)), (140, 5))
    limited = ladders(asks=asks)["BUY"].up_to(D(130), "BUY")
    assert limited.cost(D(30)) == sum(range(1, 21)) + 5 * 30
