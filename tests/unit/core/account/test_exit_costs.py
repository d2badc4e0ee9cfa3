"""What it costs to sell all that could be held, as lines, books, listings and time move."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from sidecar.core.account.ladder import UNKNOWN
from sidecar.core.vocabulary import events as ev
from tests.decisions import funded
from tests.scenario import FUTURE, D, World, product

ETH = {"bids": ((1_990, 50),), "asks": ((2_010, 50),)}


def held(**limits):
    """1 BTC, which costs 10 to sell, and 10 ETH, which cost 100."""
    world = World(max_exit_cost="0.5", max_quote_age_s=86_400, **limits)
    world.depth()
    world.depth("ETH-USD", **ETH)
    world.hold(1)
    world.hold(10, 2_000, "ETH-USD")
    return world


def cost(world, *without):
    return world.tracker.exits.without(*without or ("",))


def test_each_key_counts_once_and_none_of_those_left_out():
    world = held()
    assert cost(world) == 110
    assert cost(world, "BTC") == 100
    assert cost(world, "BTC", "ETH") == 0
    assert cost(world, "BTC", "BTC") == 100


def test_the_sum_follows_positions_orders_and_books():
    world = held()
    assert cost(world) == 110
    world.fill("BUY", 1, 64_000)
    assert cost(world) == 210
    world.report("o1", leaves=1, limit_price=60_000)
    assert cost(world) == 310
    world.report("o1", status="CANCELLED", leaves=1, limit_price=60_000)
    world.depth("ETH-USD", bids=((1_999, 50),), asks=((2_001, 50),))
    assert cost(world) == 120
    world.fill("SELL", 10, 2_000, product_id="ETH-USD")
    assert cost(world) == 110
    assert world.tracker.exits.unknown() == []


def test_a_book_that_grows_old_makes_the_sum_unknown_and_one_that_comes_back_known():
    world = held()
    world.wait(10)
    world.depth()
    world.wait(20.000001)
    assert cost(world) == UNKNOWN
    assert world.tracker.exits.unknown() == ["ETH"]
    assert cost(world, "ETH") == 10
    world.depth("ETH-USD", **ETH)
    assert cost(world) == 110


def test_another_listing_may_sell_a_key_through_another_book():
    """ETH-USD takes no orders any more; ETH-USDC has a book of its own."""
    world = held()
    assert cost(world) == 110
    shut = replace(world.tracker.products["ETH-USD"], trading_disabled=True)
    world.send(ev.ProductsListed, products=(shut, product("ETH-USDC")))
    assert world.tracker.exits.way_out("ETH").why_not == (
        "no depth of ETH-USDC is known that is young enough"
    )
    assert cost(world) == UNKNOWN
    world.depth("ETH-USDC", bids=((1_980, 50),), asks=((2_020, 50),))
    assert cost(world) == 210


def test_while_a_usdc_is_no_dollar_it_is_sold_for_last():
    world = World(
        max_exit_cost="0.5",
        products=(product("SOL-USDC"), product("SOL-EUR"), product("USDC-EUR"), product("EUR-USD")),
    )
    world.balance("USD", 100_000)
    world.quote("EUR-USD", "1.25")
    world.quote("SOL-USDC", 100)
    world.hold(1, 100, "SOL-USDC")
    (usdc, _), exits = world.tracker.exits.sold_in("SOL"), world.tracker.exits
    assert usdc is not None
    assert usdc.product_id == "SOL-USDC"
    world.tracker.rate_usdc(D("0.9"), world.now)
    (euro, _) = exits.sold_in("SOL")
    assert euro is not None
    assert euro.product_id == "SOL-EUR"


def test_a_quote_of_its_currency_moves_the_cost_of_a_key():
    world = World(max_exit_cost="0.5")
    world.send(ev.ProductsListed, products=(product("XYZ-EUR"),))
    world.quote("XYZ-EUR", 1_000)
    world.depth("XYZ-EUR", bids=((990, 100),), asks=((1_010, 100),))
    world.hold(2, 1_000, "XYZ-EUR")
    assert cost(world) == 25
    world.quote("USDC-EUR", "0.5")
    assert cost(world) == 40


def test_many_lines_at_once_are_all_looked_at():
    """More than a portfolio remembers one by one."""
    coins = [f"C{number:02d}" for number in range(40)]
    world = World(max_exit_cost="0.5")
    world.send(ev.ProductsListed, products=tuple(product(f"{coin}-USD") for coin in coins))
    assert cost(world) == 0
    for coin in coins:
        world.quote(f"{coin}-USD", 10)
        world.depth(f"{coin}-USD", bids=((9, 50),), asks=((11, 50),))
        world.hold(1, 10, f"{coin}-USD")
    assert cost(world) == 40


def test_shorts_that_cannot_be_bought_back_are_named_with_their_reason():
    world = funded(World(max_exit_cost="0.5"))
    world.depth(FUTURE, bids=((63_990, 40),), asks=((64_010, 10),))
    world.fill("SELL", 20, 64_000, product_id=FUTURE)
    assert world.tracker.exits.unknown() == [FUTURE]
    assert world.tracker.exits.why_unknown(FUTURE) == (
        f"the book of {FUTURE} is known to take 0.1 of 0.2; ask for less"
    )


@pytest.mark.parametrize(("quantity", "costs"), [("0.0004", 0), ("0.0006", "0.006")])
def test_dust_costs_nothing(quantity, costs):
    """Coinbase sells no less than a dollar's worth."""
    world = World(max_exit_cost="0.5")
    world.depth("ETH-USD", **ETH)
    world.hold(quantity, 2_000, "ETH-USD")
    assert cost(world) == D(costs)


def test_a_replay_knows_the_same():
    world = held()
    world.now += timedelta(seconds=5)
    assert cost(world) == 110
    world.tracker.depths.forget()
    assert cost(world) == UNKNOWN


def test_a_coin_with_a_price_that_no_product_sells_for_cash_makes_the_sum_unknown():
    world = World(max_exit_cost="0.5")
    world.send(ev.ProductsListed, products=(product("XYZ-BTC", view_only=True), product("ABC-XYZ")))
    for name in ("XYZ-BTC", "ABC-XYZ"):
        world.quote(name, "0.5")
    world.balance("ABC", 5)
    assert world.tracker.exits.unknown() == ["ABC"]
    assert world.tracker.exits.why_unknown("ABC") == (
        'no product sells it for cash; sell it, or leave it out with positions.keep.ABC = "all"'
    )
    assert not world.tracker.exits.way_out("NO").ladders


def test_a_quote_currency_without_a_price_tells_no_cost():
    world = World(max_exit_cost="0.5")
    world.send(ev.ProductsListed, products=(product("XYZ-GBP"),))
    assert "no good quote values GBP" in world.tracker.exits.way_out("XYZ").why_not
