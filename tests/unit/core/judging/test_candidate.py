"""Check: what an order is judged by while Coinbase and the books disagree on what is held."""

from typing import Any

import pytest

from sidecar.core import views
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import connected, funded, sell_order
from tests.scenario import FUTURE, D, World, limit_order


def in_doubt(total: object, **limits: Any) -> World:
    """The books hold 1 BTC; the last reading shows another figure."""
    world = connected(held=1, **limits)
    world.wait(10)
    world.balance("BTC", total)
    world.quote("BTC-USD", 64_000)
    return world


@pytest.mark.parametrize(("total", "size"), [(1, "0.5"), ("1.3", "0.2"), ("0.7", "0.5")])
def test_room_is_reckoned_with_the_larger_of_books_and_reading(total, size):
    """At most 1.5 BTC, and none open."""
    world = in_doubt(total, max_position_size="1.5")
    assert world.ask(limit_order(size, 64_000))
    assert "MAX_POSITION_SIZE" in world.ask(limit_order(D(size) + D("0.01"), 64_000)).codes


@pytest.mark.parametrize(("total", "size"), [(1, "1"), ("1.3", "1.3"), ("0.7", "1")])
def test_an_exit_is_one_up_to_the_larger(total, size):
    """Coinbase itself refuses more than there is."""
    world = in_doubt(total)
    assert world.ask(sell_order(size, 64_000), dry_run=True).reducing
    assert not world.ask(sell_order(D(size) + D("0.01"), 64_000), dry_run=True).reducing


def test_an_edit_is_judged_by_the_limits_of_its_strategy_without_the_order_it_replaces():
    own = {"max_position_size": 1, "max_gross_exposure": 100_000}
    world = World(strategy={"momo": own})
    body = limit_order("0.8", 60_000, name="one")
    assert world.ask(body, strategy_id="momo")
    world.report("o-1", client_order_id="one", base_size="0.8", limit_price=60_000)
    edited = world.manager.validate_edit(client_order_id="one", price="60000", size="1.1")
    assert (edited.codes, edited.max_base_size) == (("MAX_POSITION_SIZE",), 1)


def test_coins_sold_before_their_purchase_is_told_count_by_their_size():
    """By key, in all, and for the limits of the strategy that sold coins of others."""
    world = World(max_gross_exposure=30_000, max_net_exposure=30_000, max_position_size="0.4")
    world.fill("SELL", 1, 64_000)
    codes = world.ask(limit_order("0.001", 64_000)).codes
    assert codes == ("MAX_POSITION_SIZE", "MAX_GROSS_EXPOSURE", "MAX_NET_EXPOSURE")
    eth = limit_order("0.001", 2_000, product_id="ETH-USD")
    assert world.ask(eth).codes == ("MAX_GROSS_EXPOSURE", "MAX_NET_EXPOSURE")
    used = {row["code"]: row["used"] for row in views.status(world.manager, world.now)["usage"]}
    assert (used["MAX_POSITION_SIZE"], used["MAX_NET_EXPOSURE"]) == (D("2.5"), D("2.133333333333"))


def test_what_a_strategy_sold_beyond_its_own_counts_for_its_limits():
    world = World(strategy={"momo": {"max_position_size": "0.4"}})
    world.hold(2)
    world.fill("SELL", 1, 64_000, strategy_id="momo")
    refused = world.ask(limit_order("0.001", 64_000), strategy_id="momo")
    assert [(one.code, one.observed) for one in refused.violations] == [("MAX_POSITION_SIZE", "0.999")]  # fmt: skip


def test_an_edit_adds_no_order_and_takes_none_away():
    world = World(max_open_orders=4)
    for name in ("one", "two"):
        world.report(name, base_size="0.1", limit_price=60_000)
    world.send(ev.LimitsReplaced, limits=Limits(max_open_orders=1))
    refused = world.manager.validate_edit(order_id="one", price="60001", size="0.1")
    assert [(one.code, one.observed) for one in refused.violations] == [("MAX_OPEN_ORDERS", "2")]


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_an_edited_order_for_contracts_counts_once_on_either_side(side):
    """At most 15 contracts on 0.01 BTC, 10 of them open."""
    world = funded(World(max_position_size="0.15"))
    assert world.ask(limit_order(10, 64_000, side=side, product_id=FUTURE, name="one"))
    world.report(
        "o-1", client_order_id="one", side=side, product_id=FUTURE, base_size=10, limit_price=64_000
    )
    assert world.manager.validate_edit(order_id="o-1", price="64005", size="15", dry_run=True)
    larger = world.manager.validate_edit(order_id="o-1", price="64005", size="16", dry_run=True)
    assert larger.codes == ("MAX_POSITION_SIZE",)


@pytest.mark.parametrize("limit", ["max_gross_exposure", "max_net_exposure"])
@pytest.mark.parametrize(("usd", "passes"), [(39_999, False), (40_000, True)])
def test_a_swap_counts_the_coin_that_it_buys_beside_the_one_it_may_not_have_sold(
    limit, usd, passes
):
    """10 ETH are worth 20,000, and so is what they are to buy: for the account and for a strategy."""
    for limits in ({limit: usd}, {"strategy": {"s": {limit: usd}}}):
        world = World(**limits)
        world.quote("ETH-BTC", "0.03125")
        world.fill("BUY", 10, 2_000, product_id="ETH-USD", strategy_id="s")
        swap = limit_order(10, "0.03125", side="SELL", product_id="ETH-BTC")
        assert world.ask(swap, strategy_id="s").approved == passes


@pytest.mark.parametrize(("offered", "largest"), [(10, 0), (8, 4)])
def test_an_edit_may_reduce_by_what_no_other_order_offers_beside_what_is_filled(offered, largest):
    """2 of its 5 contracts are filled, and 10 are left; it has no size where nothing is left to reduce."""
    world = funded(World(max_order_notional=1))
    world.fill("BUY", 12, 64_000, product_id=FUTURE)
    sale: dict[str, Any] = {"product_id": FUTURE, "side": "SELL", "limit_price": 64_000}
    world.report("o1", base_size=5, filled=2, average_price=64_000, **sale)
    world.report("o2", base_size=offered, **sale)
    refused = world.manager.validate_edit(order_id="o1", price="63000", dry_run=True)
    assert (refused.reducing, refused.max_base_size) == (False, largest)


def test_a_smaller_edit_of_a_swap_is_no_exit():
    """It may raise the position in the coin by as much as it lowers the other."""
    world = World()
    world.quote("ETH-BTC", "0.03125")
    swap: dict[str, Any] = {"side": "BUY", "product_id": "ETH-BTC"}
    world.hold(1)
    world.report("o-1", base_size=10, limit_price="0.03125", **swap)
    smaller = world.manager.validate_edit(order_id="o-1", size="5", dry_run=True)
    assert (smaller.approved, smaller.reducing) == (True, False)


def test_an_edited_swap_counts_the_coin_that_it_buys_once():
    """1 BTC is held, at most 1.5; the swap that works buys 0.3125 of them with 10 ETH."""
    world = World(product={"BTC-USD": {"max_position_size": "1.5"}})
    world.quote("ETH-BTC", "0.03125")
    world.hold(1)
    world.hold(20, 2_000, product_id="ETH-USD")
    swap: dict[str, Any] = {"side": "SELL", "product_id": "ETH-BTC"}
    assert world.ask(limit_order(10, "0.03125", name="one", **swap))
    world.report("o-1", client_order_id="one", base_size=10, limit_price="0.03125", **swap)
    assert world.manager.validate_edit(order_id="o-1", price="0.03125", size="16", dry_run=True)
    larger = world.manager.validate_edit(order_id="o-1", price="0.03125", size="17", dry_run=True)
    assert larger.codes == ("MAX_POSITION_SIZE",)
