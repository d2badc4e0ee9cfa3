"""Orders of one bot: in all, on a key, of a strategy."""

import pytest

from sidecar.core.account.bot_orders import BotOrders
from sidecar.core.account.working import Leg
from tests.scenario import D

BTC, ETH = Leg("BTC", "BUY", D(1)), Leg("ETH", "SELL", D(1))


def test_an_order_counts_once_however_many_legs_it_has():
    orders = BotOrders()
    orders.work("bot a", (BTC, ETH), "grid", 1)
    orders.work("bot a", (ETH,), None, 1)
    orders.work("bot b", (ETH,), "grid", 1)
    assert [orders.of("bot a", "all", ""), orders.of("bot b", "all", "")] == [2, 1]
    assert [orders.of("bot a", "product", key) for key in ("BTC", "ETH")] == [1, 1]
    assert [orders.of(bot, "strategy", "grid") for bot in ("bot a", "bot b")] == [1, 1]


def test_what_has_ended_leaves_nothing_behind():
    orders = BotOrders()
    orders.work("bot a", (BTC,), "grid", 1)
    orders.work("bot a", (BTC,), "grid", -1)
    assert orders.counts == {}


@pytest.mark.parametrize(
    ("bot", "legs", "count"), [("", (BTC,), 1), ("a", (), 1), ("a", (BTC,), 0)]
)
def test_an_order_of_nobody_one_that_binds_nothing_and_an_edit_count_for_none(bot, legs, count):
    orders = BotOrders()
    orders.work(bot, legs, None, count)
    assert orders.counts == {}


def test_more_orders_cannot_end_than_were_open():
    with pytest.raises(AssertionError, match="more orders of a bot"):
        BotOrders().work("bot a", (BTC,), None, -1)
