"""What it costs to trade, and to get out again, by the depth of the books."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import (
    breaks,
    connected,
    funded,
    future_order,
    reloaded,
    restarted,
    the,
    warned,
)
from tests.scenario import FUTURE, D, World, limit_order, market_order, order, product

SLIPPAGE, EXIT = "MAX_ORDER_SLIPPAGE", "MAX_EXIT_COST"
BIDS = ((63_990, "0.1"), (63_900, 10))
ASKS = ((64_010, "0.1"), (64_100, 10))


def told(book="BTC-USD", bids=BIDS, asks=ASKS, **limits):
    """A tenth of a coin 10 dollars from the mid of 64,000, ten coins 100 dollars from it."""
    world = World(**limits)
    world.depth(book, bids=bids, asks=asks)
    return world


# --- MAX_ORDER_SLIPPAGE ---------------------------------------------------------------------------


def test_a_market_order_is_bounded_exactly():
    """1 + 100 × 0.15 = 16 of 16,000: a thousandth."""
    world = told(max_order_slippage="0.001")
    for size, passes in (("0.25", True), ("0.25000001", False)):
        decision = world.ask(market_order(size), dry_run=True)
        assert bool(decision) == passes
        assert decision.max_base_size == D("0.25")


def test_a_sale_that_is_no_exit_is_bounded_by_the_bids():
    """All coins are offered already."""
    world = told(max_order_slippage="0.001")
    world.hold(1)
    world.report("o1", side="SELL", leaves=1, limit_price=70_000)
    for size, passes in (("0.25", True), ("0.25000001", False)):
        found = world.ask(market_order(size, side="SELL"), dry_run=True)
        assert not found.reducing
        assert breaks(found, SLIPPAGE) != passes


def test_the_refusal_says_by_how_much():
    found = the(told(max_order_slippage="0.001").ask(market_order("0.4")), SLIPPAGE)
    assert found.message == (
        "by the depth of the book it would trade 0.12 % worse than the mid; 0.1 % is allowed"
    )


def test_from_seven_tenths_on_it_warns():
    """1 + 100 × 0.025 = 3.5 of 8,000."""
    world = told(max_order_slippage="0.000625")
    assert not warned(world.ask(market_order("0.12499"), dry_run=True))
    assert warned(world.ask(market_order("0.125"), dry_run=True)) == (SLIPPAGE,)


@pytest.mark.parametrize(
    ("price", "passes"), [(63_000, True), (64_000, True), (64_010, True), (64_064, True), ("64_099.99", True), (64_100, False)]
)  # fmt: skip
def test_a_limit_order_trades_up_to_its_price_and_what_rests_costs_nothing(price, passes):
    world = told(max_order_slippage="0.001")
    decision = world.ask(limit_order("0.4", str(price).replace("_", "")))
    assert bool(decision) == passes, decision.violations
    if not passes:
        assert decision.max_base_size == D("0.25")


def test_an_order_that_may_only_rest_needs_no_depth():
    world = World(max_order_slippage="0.001")
    assert world.ask(limit_order(1, 64_000, post_only=True))
    assert breaks(world.ask(limit_order("0.1", 60_000)), SLIPPAGE)


def test_a_limit_order_is_never_too_deep_beyond_its_price_all_is_counted_at_it():
    """0.1 for 10, 10 for 100, and 0.9 for at most 128: 1 + 1000 + 115.2 of 704,000."""
    world = told(max_order_slippage="0.0016", max_spread="0.5")
    world.balance("USD", 2_000_000)
    decision = world.ask(limit_order(11, 64_128), dry_run=True)
    assert SLIPPAGE not in decision.codes
    found = world.ask(limit_order(12, 64_300), dry_run=True)
    assert the(found, SLIPPAGE).observed == "0.00204557291666666667"


@pytest.mark.parametrize(
    ("kind", "fields", "breaks_it"),
    [
        ("stop_limit_stop_limit_gtc", {"stop_price": "65000", "limit_price": "64100", "stop_direction": "STOP_DIRECTION_STOP_UP"}, True),
        ("stop_limit_stop_limit_gtc", {"stop_price": "65000", "limit_price": "64010", "stop_direction": "STOP_DIRECTION_STOP_UP"}, False),
        ("limit_limit_fok", {"limit_price": "64100"}, True),
        ("sor_limit_ioc", {"limit_price": "64010"}, False),
    ],
)  # fmt: skip
def test_a_stop_is_the_order_that_it_becomes(kind, fields, breaks_it):
    decision = told(max_order_slippage="0.001").ask(order(kind, base_size="0.4", **fields))
    assert breaks(decision, SLIPPAGE) == breaks_it


def test_an_order_sized_in_money_is_for_the_coins_it_could_bring_at_the_mid():
    world = told(max_order_slippage="0.001")
    for money, passes in (("16000", True), ("16000.01", False)):
        decision = world.ask(order("market_market_ioc", quote_size=money), dry_run=True)
        assert bool(decision) == passes
        assert decision.max_base_size == D("0.25")


def test_a_book_that_is_not_known_so_deep_refuses_and_says_how_deep():
    decision = told(max_order_slippage="0.01").ask(market_order(11))
    found = the(decision, SLIPPAGE)
    assert (found.observed, found.message) == (
        "none",
        "the book of BTC-USD is known to take 10.1 of 11; ask for less",
    )


def test_without_a_depth_orders_that_add_are_refused_and_exits_pass():
    world = World(max_order_slippage="0.001", max_exit_cost="0.1")
    world.hold(1)
    for code in (SLIPPAGE, EXIT):
        found = the(world.ask(market_order("0.1")), code)
        assert found.message == "no depth of BTC-USD is known that is young enough; tell it"
    assert world.ask(market_order("0.5", side="SELL"))
    assert world.ask(market_order("0.1")).max_base_size == 0


def test_a_depth_grows_old():
    world = told(max_order_slippage="0.01", max_quote_age_s=90)
    world.wait(30)
    assert world.ask(market_order("0.1"))
    world.now += timedelta.resolution
    assert breaks(world.ask(market_order("0.1")), SLIPPAGE)
    world.send(ev.DepthHolds, product_ids=("BTC-USD",))
    assert world.ask(market_order("0.1"))


def test_a_depth_told_behind_the_managers_back_grows_old_too():
    """As a library's tracker is told."""
    world = World(max_order_slippage="0.01", max_quote_age_s=90)
    bids, asks = (tuple((D(price), D(size)) for price, size in side) for side in (BIDS, ASKS))
    depth = ev.Depth("BTC-USD", bids, asks, world.now)
    world.tracker.apply(ev.DepthSeen(at=world.now, books=(depth,)))
    assert world.ask(market_order("0.1"))
    world.now += timedelta(seconds=30, microseconds=1)
    assert breaks(world.ask(market_order("0.1")), SLIPPAGE)


def test_an_edit_is_judged_by_what_would_be_open():
    world = told(max_order_slippage="0.001")
    world.report("o1", base_size=1, filled="0.5", average_price=64_000, limit_price=60_000)
    for size, passes in (("0.75", True), ("0.7501", False)):
        decision = world.manager.validate_edit(
            order_id="o1", price="64100", size=size, dry_run=True
        )
        assert bool(decision) == passes, decision.violations
        assert decision.max_base_size == D("0.75")


@pytest.mark.parametrize("table", ["product", "strategy"])
def test_it_binds_in_every_scope(table):
    name = {"product": "BTC-USD", "strategy": "grid"}[table]
    world = told(**{table: {name: {"max_order_slippage": "0.001"}}})
    world.balance("USDC", 50_000)
    assert (
        the(world.ask(market_order("0.4"), strategy_id="grid"), SLIPPAGE).scope == f"{table}:{name}"
    )
    assert world.ask(market_order("0.4", product_id="BTC-USDC"), dry_run=True).codes == (
        (SLIPPAGE,) if table == "product" else ()
    )


def test_contracts_are_counted_by_the_book_and_told_in_contracts():
    """At 64,000, one contract 10 from it, the others 100: 10 + 100 × 1.5 of 160,000."""
    world = funded(
        told(
            FUTURE,
            ((63_990, 1), (63_900, 40)),
            ((64_010, 1), (64_100, 40)),
            max_order_slippage="0.001",
        )
    )
    for size, passes in ((2, True), (3, False)):
        body = order("market_market_ioc", product_id=FUTURE, base_size=str(size))
        decision = world.ask(body, dry_run=True)
        assert bool(decision) == passes, decision.violations
        assert decision.max_base_size == 2


# --- MAX_EXIT_COST --------------------------------------------------------------------------------


def test_an_exit_is_bounded_exactly_in_money():
    """1 + 100 × 0.09."""
    world = told(max_exit_cost="10 USD")
    assert world.ask(limit_order("0.19"), dry_run=True).max_base_size == D("0.19")
    found = the(world.ask(limit_order("0.19000001")), EXIT)
    assert (
        found.message
        == "selling all that could be held would cost 10.000001 USD; 10 USD is allowed"
    )


def test_an_exit_is_bounded_exactly_as_a_share_of_equity():
    world = told(max_exit_cost="0.0001")
    assert world.ask(limit_order("0.19"), dry_run=True)
    found = the(world.ask(limit_order("0.19000001")), EXIT)
    assert (found.limit, found.observed) == ("0.0001", "0.00010000001")


def test_a_share_of_no_equity_is_refused():
    world = told(max_exit_cost="0.5")
    world.send(ev.BalancesRead, balances=(ev.Balance("USD", D(0), D(0)),), fills_until=world.now)
    world.wait(3)
    world.balance("USD", 0)
    found = the(world.ask(limit_order("0.1")), EXIT)
    assert found.observed == "Infinity"


def test_from_seven_tenths_of_it_on_it_warns():
    world = told(max_exit_cost="10 USD")
    assert not warned(world.ask(limit_order("0.1599"), dry_run=True))
    assert warned(world.ask(limit_order("0.16"), dry_run=True)) == (EXIT,)


def test_all_that_is_open_or_approved_counts_as_filled():
    """Else ten orders, each of them within the limit, would be beyond it."""
    world = told(max_exit_cost="10 USD")
    world.report("o1", leaves="0.05", limit_price=60_000)
    assert world.ask(limit_order("0.1", 60_000))
    assert world.ask(limit_order("0.1")).max_base_size == D("0.04")


def test_the_sum_over_all_keys_counts_and_of_a_product_its_key_alone():
    world = told(max_exit_cost="110 USD", product={"BTC-USD": {"max_exit_cost": "10 USD"}})
    world.depth("ETH-USD", bids=((1_990, 50),), asks=((2_010, 50),))
    world.hold(10, 2_000, "ETH-USD")
    decision = world.ask(limit_order("0.2"))
    assert [found.scope for found in decision.violations if found.code == EXIT] == [
        "all",
        "product:BTC-USD",
    ]
    assert decision.max_base_size == D("0.19")
    assert not breaks(world.ask(limit_order("0.95", 2_000, product_id="ETH-USD")), EXIT)


def test_a_held_key_whose_book_is_not_known_is_named():
    world = told(max_exit_cost="110 USD")
    world.hold(10, 2_000, "ETH-USD")
    found = the(world.ask(limit_order("0.1")), EXIT)
    assert found.message == (
        "the cost of selling ETH is not known: no depth of ETH-USD is known that is young enough; tell it"
    )
    assert world.ask(limit_order("0.1", product_id="BTC-USD"), dry_run=True).max_base_size == 0


def test_what_is_too_little_to_be_sold_costs_nothing():
    world = told(max_exit_cost="110 USD")
    world.hold("0.0001", 2_000, "ETH-USD")
    assert world.ask(limit_order("0.1"))


def test_shorts_are_bought_back_and_both_sides_of_a_contract_count():
    """Each contract is a hundredth of a coin: 40 short cost 0.01 × 10 each."""
    world = funded(told(FUTURE, ((63_990, 40),), ((64_010, 30),), max_exit_cost="3 USD"))
    world.fill("SELL", 20, 64_000, product_id=FUTURE)
    assert world.ask(future_order(1, "SELL", 64_100), dry_run=True).max_base_size == 10
    assert breaks(world.ask(future_order(11, "SELL", 64_100), dry_run=True), EXIT)
    opened = world.ask(future_order(50, "BUY"), dry_run=True)
    assert opened.max_base_size == 50
    assert EXIT in world.ask(future_order(51, "BUY"), dry_run=True).codes
    thin = funded(told(FUTURE, ((63_990, 40),), ((64_010, 30),), max_exit_cost="30 USD"))
    found = the(thin.ask(future_order(31, "SELL", 64_100)), EXIT)
    assert found.message == f"the book of {FUTURE} is known to take 0.3 of 0.31; ask for less"


def test_a_coin_pair_brings_two_exits():
    """Selling ETH for BTC: the ETH stays, at worst, and BTC comes to it."""
    world = told(max_exit_cost="110 USD", product={"BTC-EUR": {"max_exit_cost": "1 USD"}})
    world.quote("ETH-BTC", "0.03125")
    world.balance("ETH", 32)
    world.depth("ETH-USD", bids=((1_999, 50),), asks=((2_001, 50),))
    body = limit_order(32, "0.03125", product_id="ETH-BTC", side="SELL")
    found = [one for one in world.ask(body).violations if one.code == EXIT]
    assert [(one.scope, one.observed) for one in found] == [
        ("all", "123"),
        ("product:BTC-EUR", "91"),
    ]
    world.wait(31)
    world.quote("BTC-USD", 64_000)
    world.depth("ETH-USD", bids=((1_999, 50),), asks=((2_001, 50),))
    found = [one for one in world.ask(body).violations if one.code == EXIT]
    assert [one.observed for one in found] == ["none", "none"]
    assert found[0].message.startswith("the cost of selling BTC is not known: no depth of BTC-USD")


def test_a_coin_that_is_sold_for_a_coin_in_turn_has_no_cost_that_is_known():
    world = told(max_exit_cost="110 USD")
    world.send(ev.ProductsListed, products=(product("XYZ-BTC"),))
    world.quote("XYZ-BTC", "0.01")
    world.fill("BUY", 200, "0.01", product_id="XYZ-BTC")
    found = the(world.ask(limit_order("0.01")), EXIT)
    assert "selling XYZ is not known: it is sold for BTC, which is sold in turn" in found.message


def test_a_book_in_another_currency_is_converted_at_its_mark():
    """A euro is 1.25 USD: 40 units, 10 euros below the mid."""
    world = told(max_exit_cost="500 USD")
    world.send(ev.ProductsListed, products=(product("XYZ-EUR"),))
    world.quote("XYZ-EUR", 1_000)
    world.depth("XYZ-EUR", bids=((990, 100),), asks=((1_010, 100),))
    world.balance("EUR", 100_000)
    assert world.ask(limit_order(1, 1_000, product_id="XYZ-EUR"), dry_run=True).max_base_size == 40


def test_what_never_had_a_price_costs_nothing_to_leave():
    """As it counts for nothing in equity: it must not hold up all trading."""
    world = told(max_exit_cost="500 USD")
    world.send(
        ev.ProductsListed,
        products=(product("XYZ-GBP"), product("XYZ-BTC", view_only=True), product("ABC-XYZ")),
    )
    world.depth("XYZ-GBP", bids=((990, 100),), asks=((1_010, 100),))
    world.balance("XYZ", 1)
    world.balance("ABC", 1)
    assert world.ask(limit_order("0.1"))


def test_a_book_with_one_side_tells_no_cost():
    world = told(max_exit_cost="500 USD")
    world.depth("ETH-USD", bids=((1_999, 50),), asks=())
    world.hold(1, 2_000, "ETH-USD")
    assert (
        "the book of ETH-USD has no two sides" in the(world.ask(limit_order("0.1")), EXIT).message
    )


def test_a_coin_that_is_sold_for_another_coin_tells_no_cost():
    world = told(max_exit_cost="500 USD")
    world.send(ev.ProductsListed, products=(product("ABC-BTC"),))
    world.quote("ABC-BTC", "0.01")
    world.balance("ABC", 500)
    message = the(world.ask(limit_order("0.1")), EXIT).message
    assert (
        'which is sold in turn; sell it, or leave it out with positions.keep.ABC = "all"' in message
    )


def test_more_than_five_unknown_keys_are_not_all_named():
    world = told(max_exit_cost="500 USD")
    coins = [f"C{number}" for number in range(7)]
    world.send(ev.ProductsListed, products=tuple(product(f"{coin}-USD") for coin in coins))
    for coin in coins:
        world.quote(f"{coin}-USD", 10)
        world.balance(coin, 1)
    message = the(world.ask(limit_order("0.1")), EXIT).message
    assert message.startswith("the cost of selling C0, C1, C2, C3, C4, … is not known")


def test_a_shadow_of_it_only_warns():
    world = told(shadow={"max_exit_cost": "1 USD", "max_order_slippage": "0.0001"})
    decision = world.ask(market_order("0.5"))
    assert decision
    assert [one.scope for one in decision.warnings] == ["shadow", "shadow"]


def test_after_a_restart_the_depth_is_told_anew():
    """A replay goes on with the depth as it was; a new process has none."""
    world = connected(max_order_slippage="0.01")
    world.depth()
    assert world.ask(market_order("0.1"), dry_run=True)
    assert reloaded(world).ask(market_order("0.1"), dry_run=True)
    new = restarted(world)
    new.send(ev.FeedChanged, feed="market", signal="connected")
    new.send(ev.FeedChanged, feed="user", signal="connected")
    found = the(new.ask(market_order("0.1")), SLIPPAGE)
    assert found.message.endswith("it is read now (not for a dry run), ask again shortly")


def test_other_limits_bind_at_once():
    world = told()
    assert world.ask(market_order("0.4"), dry_run=True)
    world.send(ev.LimitsReplaced, limits=Limits(max_order_slippage="0.001"))
    assert breaks(world.ask(market_order("0.4"), dry_run=True), SLIPPAGE)


def test_an_exit_passes_whatever_it_costs():
    world = told(max_order_slippage="0.0001", max_exit_cost="1 USD")
    world.hold(5)
    decision = world.ask(market_order(5, side="SELL"))
    assert decision
    assert decision.reducing
    assert set(world.ask(market_order("0.1")).codes) >= {SLIPPAGE, EXIT}
