"""Resting: the nearest of the account's own prices."""

from sidecar.core.account.resting import Resting
from tests.scenario import D


def test_the_best_resting_price_is_the_one_met_first():
    resting = Resting()
    assert resting.best("BUY") is None
    for price in (101, 99, 100, 99):
        resting.add(D(price))
    assert (resting.best("SELL"), resting.best("BUY")) == (99, 101)
    resting.remove(D(99))
    resting.remove(D(101))
    assert resting.prices == [99, 100]


def test_of_several_prices_beyond_the_touch_the_nearest_is_met():
    resting = Resting()
    for price in (90, 95, 97, 103, 105):
        resting.add(D(price))
    assert [resting.beyond("BUY", D(touch)) for touch in (100, 97, 96, 89)] == [97, 97, 95, None]
    assert [resting.beyond("SELL", D(touch)) for touch in (100, 103, 104, 106)] == [
        103,
        103,
        105,
        None,
    ]
