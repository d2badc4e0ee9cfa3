"""Does a strategy keep to its own part of the account? BTC at 64,000, ETH at 2,000."""

import pytest

from sidecar.core.judging.usage import usage
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import PlaceOrder
from tests.decisions import (
    breaks,
    funded,
    future_order,
    of_kind,
    restarted,
    sell_order,
    the,
    warned,
)
from tests.scenario import FUTURE, D, World, limit_order, order

RICH = 10_000_000


def asked(world, size, strategy="grid", **fields):
    """Ask for a buy of this many BTC at the mark, without keeping an approval."""
    return world.ask(limit_order(size, **fields), strategy_id=strategy, dry_run=True)


# --- The share of all gross exposure ---------------------------------------------------------------


def shared(share="0.5", *, own=0, others=1, **limits):
    """So many BTC of the strategy "grid", and of others."""
    world = World(cash=RICH, max_strategy_share=share, **limits)
    if others:
        world.hold(others)
    if own:
        world.fill("BUY", own, 64_000, strategy_id="grid")
    return world


@pytest.mark.parametrize(
    ("size", "ok"), [("0.59999999", True), ("0.6", True), ("0.60000001", False)]
)
def test_a_strategy_may_be_as_large_as_its_share_of_all_gross(size, ok):
    """0.4 of 1.4 BTC are its own; with 0.6 more, 1 of 2."""
    decision = asked(shared(own="0.4"), size)
    assert breaks(decision, "MAX_STRATEGY_SHARE") != ok
    assert decision.max_base_size == D("0.6")
    if not ok:
        found = the(decision, "MAX_STRATEGY_SHARE")
        assert (found.scope, found.limit, found.observed) == ("all", "0.5", "0.500000002499999988")
        text = "the strategy could reach 50.0000002 % of all gross exposure; 50 % is allowed"
        assert found.message == text


def test_open_orders_and_approvals_count_on_both_sides():
    world = shared()
    world.report("o1", leaves="0.2", limit_price=60_000, strategy_id="grid")
    assert world.ask(limit_order("0.2"), strategy_id="grid")
    assert asked(world, 1).max_base_size == D("0.6")
    world.report("o2", leaves="0.1", limit_price=60_000, strategy_id="other")
    assert asked(world, 1).max_base_size == D("0.7")


def test_each_strategy_has_the_share_for_itself_and_an_order_without_one_has_none():
    world = shared(own=1)
    assert asked(world, "0.01", "grid").codes == ("MAX_STRATEGY_SHARE",)
    assert asked(world, "0.01", "other")
    assert asked(world, 5, None)
    assert not warned(asked(world, 5, None))


def test_a_strategys_own_share_adds_to_the_accounts():
    own = {"grid": {"max_strategy_share": "0.2"}}
    world = shared(strategy=own)
    assert asked(world, 1).max_base_size == D("0.25")
    assert {v.scope for v in asked(world, 2).violations} == {"all", "strategy:grid"}
    assert asked(World(cash=RICH, strategy=own), 1, "other")
    assert asked(shared("0.2", strategy={"grid": {"max_strategy_share": "0.5"}}), 1).max_base_size == D("0.25")  # fmt: skip


@pytest.mark.parametrize(("size", "told"), [("0.53", False), ("0.54", True)])
def test_a_share_that_is_nearly_used_is_a_warning(size, told):
    """0.35 of all is 70 % of the limit: with 1 BTC of others, 0.538 BTC."""
    assert warned(asked(shared(), size)) == (("MAX_STRATEGY_SHARE",) if told else ())


def test_a_strategy_alone_is_all_of_the_account():
    """A limit below 1 has no room for it; one of 1 is none."""
    decision = asked(shared(others=0), "0.1")
    assert (the(decision, "MAX_STRATEGY_SHARE").observed, decision.max_base_size) == ("1", 0)
    assert asked(shared("1", others=0), "0.1").max_base_size > 100


def test_exits_are_exempt_and_so_is_an_order_that_raises_no_exposure_of_the_strategys():
    """Prices have carried it beyond its share; and what it sells closes its own, or the account's."""
    world = shared("0.1", own=1)
    assert world.ask(sell_order(1), strategy_id="grid")
    world.report("o1", side="SELL", leaves=2, limit_price=90_000)
    decision = world.ask(sell_order("0.1"), strategy_id="grid")  # all is offered already
    assert not decision.reducing
    assert not breaks(decision, "MAX_STRATEGY_SHARE")


def short(world, contracts, strategy=None):
    world.fill("SELL", contracts, 64_000, product_id=FUTURE, strategy_id=strategy)


def contracts(world, size, side):
    return world.ask(future_order(size, side), strategy_id="grid", dry_run=True)


def test_contracts_close_a_strategys_position_whatever_its_share_and_open_the_other_side_within_it():
    """It is short 10 contracts, a share of 0.001; others are long 10, and 100 BTC: the account has no contract. A
    purchase of more than 20 makes its position larger than it was.
    """
    world = funded(shared("0.0009", others=100))
    short(world, 10, "grid")
    world.fill("BUY", 10, 64_000, product_id=FUTURE)
    assert contracts(world, 20, "BUY")
    assert (
        the(contracts(world, 21, "BUY"), "MAX_STRATEGY_SHARE").observed == "0.00109769484083424808"
    )
    assert contracts(world, 21, "BUY").max_base_size == 20
    assert not contracts(world, 1, "SELL")


def test_what_a_strategy_has_sold_of_others_it_buys_back_whatever_its_share():
    """1 of 10 BTC: its own position is short by a ninth of all. Beyond 1 it is long."""
    world = shared("0.05", others=10)
    world.fill("SELL", 1, 64_000, strategy_id="grid")
    assert asked(world, 1)
    assert asked(world, 2).max_base_size == D("1.52631578")


def test_positions_that_cancel_out_leave_a_strategy_more_than_all_there_is():
    """Of no gross exposure its own is infinitely much."""
    world = funded(shared(others=0))
    short(world, 10, "grid")
    world.fill("BUY", 10, 64_000, product_id=FUTURE, strategy_id="other")
    (row,) = usage(world.manager.desk, {}, world.now)
    assert row["observed"].is_infinite()


def test_a_strategy_that_holds_nothing_has_no_share_of_nothing():
    world = shared(own=1, others=0)
    world.fill("SELL", 1, 64_000, strategy_id="grid")
    (row,) = usage(world.manager.desk, {}, world.now)
    assert row["observed"] == 0


def test_a_limit_of_one_binds_where_positions_cancel_out():
    """5 long here and 10 short there: with 3 more short here, the account's 5 short are 8, and its own 2."""
    world = funded(shared("1", others=0))
    world.fill("BUY", 10, 64_000, product_id=FUTURE, strategy_id="grid")
    short(world, 12)
    decision = contracts(world, 3, "BUY")
    assert the(decision, "MAX_STRATEGY_SHARE").observed == "6.5"


def test_a_coin_pair_counts_the_coin_that_it_buys():
    """50 ETH for 1.5625 BTC: beside 3 BTC of others, 1.5625 of 4.5625 and the ETH."""
    world = shared("0.3", others=3)
    world.quote("ETH-BTC", "0.03125")
    world.hold(100, 2_000, "ETH-USD")

    def swap(size):
        body = order(side="SELL", product_id="ETH-BTC", base_size=str(size), limit_price="0.03125")
        return world.ask(body, strategy_id="grid", dry_run=True)

    largest = swap(1).max_base_size
    assert swap(largest)
    assert breaks(swap(largest + D("0.00000001")), "MAX_STRATEGY_SHARE")
    pay = order(product_id="ETH-BTC", base_size="1", limit_price="0.03125")
    assert world.ask(pay, strategy_id="grid", dry_run=True)


def test_a_share_is_the_same_after_a_restart():
    again = restarted(shared(own="0.4"))
    assert asked(again, 1).max_base_size == D("0.6")


def test_names_that_a_bot_makes_up_swell_no_memory(monkeypatch):
    """Each has rules of its own where a limit binds each strategy."""
    monkeypatch.setattr("sidecar.core.judging.approvals.PLANS_MAX", 3)
    world = shared()
    for number in range(10):
        assert asked(world, "0.1", f"s{number}")
        assert len(world.manager.approvals._plans) <= 3


# --- Coins that are a strategy's own ----------------------------------------------------------------


def owned(size="0.4", *, others=1, **limits):
    """So many BTC that "grid" bought, and of others; coins are grid's own."""
    world = World(cash=RICH, **{"strategy": {"grid": {"own_positions_only": True}}} | limits)
    world.hold(others)
    world.fill("BUY", size, 64_000, strategy_id="grid")
    return world


def sells(world, size, strategy="grid", **fields):
    return world.ask(sell_order(size, **fields), strategy_id=strategy, dry_run=True)


@pytest.mark.parametrize(("size", "ok"), [("0.39", True), ("0.4", True), ("0.40000001", False)])
def test_a_strategy_sells_no_more_than_it_bought(size, ok):
    decision = sells(owned(), size)
    assert breaks(decision, "OWN_POSITIONS_ONLY") != ok
    assert decision.max_base_size == D("0.4")


def test_what_it_offers_already_it_may_not_offer_again_and_the_refusal_says_how_much_is_left():
    world = owned()
    world.report("o1", side="SELL", leaves="0.1", limit_price=70_000, strategy_id="grid")
    approved = world.ask(sell_order("0.2", 65_000, name="r1"), strategy_id="grid")
    assert approved
    found = the(sells(world, "0.2"), "OWN_POSITIONS_ONLY")
    assert (found.scope, found.limit, found.observed) == ("strategy:grid", "0.1", "0.2")
    assert found.clears_at == approved.reserved_until
    assert found.message == (
        "grid owns 0.4 BTC, and 0.3 of it are offered already: 0.1 may be sold; approved and not seen yet, in the way "
        "until 2026-11-22T13:00:10.000Z: r1 (release_order frees it)"
    )
    assert sells(world, "0.1")


def test_what_it_owns_not_at_all_it_may_not_sell_though_the_account_has_it():
    found = the(sells(owned(), "0.1", product_id="ETH-USD"), "OWN_POSITIONS_ONLY")
    assert found.message == "grid owns 0 ETH, and 0 of it are offered already: 0 may be sold"
    assert found.clears_at is None


@pytest.mark.parametrize("strategy", [None, "other"])
def test_its_coins_are_nobody_elses_to_sell(strategy):
    world = owned()
    world.report("o1", side="SELL", leaves="0.1", limit_price=70_000, strategy_id="grid")
    world.report("o2", side="SELL", leaves="0.2", limit_price=70_000)
    decision = sells(world, "0.81", strategy)
    found = the(decision, "OWN_POSITIONS_ONLY")
    assert (found.scope, found.limit, found.observed) == ("strategy:grid", "0.8", "0.81")
    text = "of 1.4 BTC, 0.3 are offered already and 0.3 are for grid alone: 0.8 may be sold"
    assert found.message == text
    assert decision.max_base_size == D("0.8")
    assert sells(world, "0.8", strategy)


def test_an_approval_of_others_is_named_where_it_is_in_the_way():
    world = owned()
    approved = world.ask(sell_order("0.5", 65_000))
    found = the(sells(world, "0.6", "other"), "OWN_POSITIONS_ONLY")
    assert found.clears_at == approved.reserved_until


def test_where_a_strategy_owns_nothing_others_are_free():
    world = World(strategy={"grid": {"own_positions_only": True}})
    world.hold(1)
    assert sells(world, 1, None)
    assert sells(world, 2, None).codes == ("INSUFFICIENT_FUNDS",)  # by every rule
    world.report("o1", side="SELL", leaves="0.4", limit_price=70_000, strategy_id="grid")
    assert sells(world, "0.6", None)


def test_a_strategy_without_the_limit_sells_what_the_account_has():
    world = World(strategy={"grid": {"own_positions_only": False}})
    world.hold(1)
    assert sells(world, 1)


def test_what_was_sold_before_its_purchase_is_no_coin_of_its_own():
    world = owned()
    world.fill("SELL", "0.5", 64_000, strategy_id="grid")
    assert the(sells(world, "0.1"), "OWN_POSITIONS_ONLY").limit == "0"
    assert sells(world, "0.9", None)


def test_an_edit_counts_the_order_that_it_replaces_once():
    world = owned()
    world.report("o1", side="SELL", base_size="0.4", leaves="0.3", filled="0.1", average_price=70_000, limit_price=70_000, strategy_id="grid")  # fmt: skip
    larger = world.manager.validate_edit(order_id="o1", size="0.41", dry_run=True)
    assert breaks(larger, "OWN_POSITIONS_ONLY")
    assert larger.max_base_size == D("0.4")
    assert world.manager.validate_edit(order_id="o1", size="0.4", price="69000", dry_run=True)


def test_coins_that_pay_for_a_coin_pair_are_sold():
    world = owned()
    world.quote("ETH-BTC", "0.03125")

    def pay(size, price="0.03125"):
        body = order(product_id="ETH-BTC", base_size=str(size), limit_price=price)
        return world.ask(body, strategy_id="grid", dry_run=True)

    assert pay("12.8")
    decision = pay("12.80000001")
    assert breaks(decision, "OWN_POSITIONS_ONLY")
    assert decision.max_base_size == D("12.8")
    world.report(
        "o1", product_id="ETH-BTC", leaves="6.4", limit_price="0.03125", strategy_id="grid"
    )
    assert pay(1).max_base_size == D("6.4")
    edited = world.manager.validate_edit(order_id="o1", size="12.8", dry_run=True)
    assert not breaks(edited, "OWN_POSITIONS_ONLY")
    market = order("market_market_ioc", product_id="ETH-BTC", base_size="1")
    unquoted = World(strategy={"grid": {"own_positions_only": True}})
    assert not breaks(unquoted.ask(market, strategy_id="grid"), "OWN_POSITIONS_ONLY")


def test_contracts_are_no_coins():
    """One that is sold is a position of its own."""
    world = funded(owned())
    assert world.ask(future_order(1, "SELL"), strategy_id="grid")


def test_a_flattening_sells_what_is_a_strategys_own():
    world = owned(others="0.1")
    actions = world.send(ev.FlattenRequested, reason="enough")
    sold = [one.body for one in of_kind(actions, PlaceOrder)]
    (asked,) = [one["order_configuration"] for one in sold]
    assert asked["market_market_ioc"]["base_size"] == "0.5"


def sold_by_the_sidecar(world):
    world.fill("SELL", "1.4", 60_000, client_order_id="risk-sidecar-20261122-1-BTC-1")


def withdrawn(world):
    for _ in range(3):
        world.wait(60)
        world.quote("BTC-USD", 60_000)
        world.balance("BTC", 0)


@pytest.mark.parametrize(
    ("gone", "price"),
    [(sold_by_the_sidecar, 60_000), (withdrawn, 64_000)],
    ids=["sold", "withdrawn"],
)
def test_coins_that_are_gone_are_nobodys_own(gone, price):
    """A flattening sold them, or they were withdrawn: another bot may sell what it buys afterwards, and the money is free."""
    world = owned(strategy={"grid": {"own_positions_only": True, "budget": 30_000}})
    gone(world)
    grid = world.tracker.strategies["grid"]
    assert "BTC" not in grid.lines
    assert grid.net_pnl == (price - 64_000) * D("0.4")
    world.fill("BUY", 1, 60_000, strategy_id="swing")
    assert sells(world, 1, "swing")
    assert not sells(world, "0.1")
    assert "BUDGET" not in world.ask(limit_order("0.45", 60_000), strategy_id="grid").codes


def test_of_coins_that_are_gone_in_part_each_strategy_loses_its_part():
    world = World(cash=RICH, strategy={"grid": {"own_positions_only": True}})
    world.fill("BUY", 1, 64_000, strategy_id="grid")
    world.fill("BUY", 3, 64_000, strategy_id="swing")
    world.fill("SELL", 2, 64_000, client_order_id="risk-sidecar-20261122-1-BTC-1")
    held = {
        name: book.lines["BTC"].position.quantity for name, book in world.tracker.strategies.items()
    }
    assert held == {"grid": D("0.5"), "swing": D("1.5")}
    world.fill("SELL", 1, 64_000)  # by hand: whose coins these were is not known
    assert world.tracker.strategies["grid"].lines["BTC"].position.quantity == D("0.5")


def test_of_coins_that_were_sold_by_hand_others_may_sell_none():
    """Whose they were is not known: the strategy's books keep its own."""
    world = owned(others="0.1")
    world.fill("SELL", "0.5", 64_000)
    assert "BTC" not in world.tracker.account.lines
    assert the(sells(world, "0.1", None), "OWN_POSITIONS_ONLY").message == (
        "of 0 BTC, 0 are offered already and 0.4 are for grid alone: 0 may be sold"
    )


def test_a_reading_that_shows_more_coins_lets_others_sell_them():
    """Until it is explained, an exit passes up to the larger; Coinbase itself refuses more than there is."""
    world = owned()
    world.wait(60)
    world.quote("BTC-USD", 64_000)
    world.balance("BTC", 2)
    assert world.tracker.account.lines["BTC"].doubted
    assert not breaks(sells(world, "1.6", None), "OWN_POSITIONS_ONLY")
    assert breaks(sells(world, "1.61", None), "OWN_POSITIONS_ONLY")


def test_a_purchase_sells_nobodys_coins():
    world = owned(max_order_size=1)
    assert asked(world, 2).codes == ("MAX_ORDER_SIZE",)
    assert asked(world, 2).max_base_size == 1


def test_of_coins_that_have_left_the_account_others_may_sell_none():
    world = owned(others="0.1")
    for _ in range(2):
        world.wait(60)
        world.quote("BTC-USD", 64_000)
        world.balance("BTC", 0)
    assert "BTC" not in world.tracker.account.lines
    assert sells(world, "0.1", None).codes == ("INSUFFICIENT_FUNDS",)


def test_ownership_is_the_same_after_a_restart():
    again = restarted(owned())
    assert sells(again, 1).max_base_size == D("0.4")
    assert sells(again, 2, None).max_base_size == 1


# --- Money of its own -------------------------------------------------------------------------------


def budgeted(usd=12_800, **fields):
    """A strategy with so much money; the fee is 1 %."""
    world = World(cash=RICH, strategy={"grid": {"budget": usd}}, **fields)
    world.send(ev.FeesRead, taker_rate=D("0.01"), maker_rate=D("0.01"))
    return world


@pytest.mark.parametrize(("size", "ok"), [("0.19", True), ("0.2", True), ("0.20000001", False)])
def test_an_order_binds_its_price_and_fee_of_a_strategys_money(size, ok):
    decision = asked(budgeted(12_928), size)
    assert breaks(decision, "BUDGET") != ok
    assert decision.max_base_size == D("0.2")
    if not ok:
        found = the(decision, "BUDGET")
        assert (found.scope, found.limit, found.observed) == (
            "strategy:grid",
            "12928",
            "12928.0006464",
        )
        assert found.message == (
            "the strategy's positions at cost and its open orders could come to 12928.001 USD beyond what it has "
            "earned; its budget is 12928 USD"
        )


def test_positions_at_cost_open_orders_and_approvals_use_it_up():
    """Whatever the mark is now."""
    world = budgeted(20_000)
    world.fill("BUY", "0.1", 60_000, strategy_id="grid")
    world.report("o1", leaves="0.1", limit_price=50_000, strategy_id="grid")
    assert world.ask(limit_order("0.05", 40_000), strategy_id="grid")
    world.quote("BTC-USD", 80_000)
    found = the(asked(world, 1, price=80_000), "BUDGET")
    assert found.observed == str(6_000 + 5_050 + 2_020 + 80_800)
    assert asked(world, 1, price=69_300).max_base_size == D("0.09900990")


def test_an_approval_at_a_glance_uses_it_up_too():
    """One after the other, without a price in between."""
    world = budgeted(13_000)
    for price in (64_000, 63_000):
        assert world.ask(limit_order("0.1", price), strategy_id="grid")
    assert asked(world, "0.01").max_base_size == D("0.00267636")


def test_what_it_has_earned_is_its_own_and_what_it_has_lost_too():
    """Realised, less fees; a gain that is not realised is no money yet."""
    world = budgeted(6_464)
    world.fill("BUY", "0.05", 60_000, strategy_id="grid", fee=10)
    world.quote("BTC-USD", 80_000)
    assert asked(world, 1, price=80_000).max_base_size == D(
        "0.04274752"
    )  # (6,464 − 10 − 3,000) ÷ 80,800
    world.fill("SELL", "0.05", 80_000, strategy_id="grid", fee=10)
    assert asked(world, 1, price=80_000).max_base_size == D("0.09212871")  # 980 more than 6,464
    world.fill("BUY", "0.05", 80_000, strategy_id="grid")
    world.fill("SELL", "0.05", 40_000, strategy_id="grid")
    assert asked(world, 1, price=80_000).max_base_size == D("0.06737623")


def test_each_strategy_has_its_own_money_and_orders_without_one_none():
    world = budgeted(100)
    assert not asked(world, "0.1")
    assert asked(world, "0.1", "other")
    assert asked(world, "0.1", None)


def test_money_that_is_nearly_used_is_a_warning():
    world = budgeted(6_464)
    assert warned(asked(world, "0.0699")) == ()
    assert warned(asked(world, "0.07")) == ("BUDGET",)


def test_a_sale_binds_no_money_however_far_beyond_the_budget_it_is():
    world = budgeted(100)
    world.fill("BUY", "0.1", 64_000, strategy_id="grid")
    world.report("o1", side="SELL", leaves=1, limit_price=90_000)
    decision = sells(world, "0.05")
    assert not decision.reducing
    assert not breaks(decision, "BUDGET")


def test_coins_that_were_sold_before_their_purchase_hold_no_money():
    world = budgeted(6_464)
    world.hold(1)
    world.fill("SELL", "0.1", 64_000, strategy_id="grid")
    assert asked(world, 1).max_base_size == D("0.1")


def test_an_order_that_ends_frees_its_money():
    world = budgeted(6_464)
    world.report("o1", leaves="0.1", limit_price=64_000, strategy_id="grid")
    assert asked(world, "0.1").max_base_size == 0
    world.report("o1", status="CANCELLED", filled="0.04", average_price=60_000, leaves=0)
    assert asked(world, 1).max_base_size == D("0.06287128")  # 2,400 of it are in a position
    world.ask(limit_order("0.06", name="r1"), strategy_id="grid")
    world.manager.release_order("r1")
    assert asked(world, 1).max_base_size == D("0.06287128")


def test_an_edit_binds_money_in_place_of_its_order():
    world = budgeted(6_464)
    world.report("o1", leaves="0.1", limit_price=60_000, strategy_id="grid")

    def edited(size, price=None):
        return world.manager.validate_edit(order_id="o1", size=size, price=price, dry_run=True)

    assert edited("0.1", "64000")
    decision = edited("0.11")
    assert breaks(decision, "BUDGET")
    assert decision.max_base_size == D("0.10666666")
    assert edited("0.1066", None)


def test_a_quote_sized_order_binds_its_quote_size():
    world = budgeted(6_400)

    def buys(quote):
        body = order("market_market_ioc", quote_size=quote)
        return world.ask(body, strategy_id="grid", dry_run=True)

    assert buys("6400")
    assert breaks(buys("6400.01"), "BUDGET")


def test_money_of_other_currencies_counts_at_their_marks():
    """51,200 EUR a BTC, at 1.25 dollars a euro."""
    world = budgeted(6_464)
    world.balance("EUR", 1_000_000)
    world.quote("BTC-EUR", 51_200)
    assert asked(world, 1, product_id="BTC-EUR", price=51_200).max_base_size == D("0.1")
    world.ask(limit_order("0.05", 51_200, product_id="BTC-EUR"), strategy_id="grid")
    assert asked(world, 1).max_base_size == D("0.05")


def contract_sizes(world, size, side="BUY"):
    decision = world.ask(future_order(size, side), strategy_id="grid", dry_run=True)
    return bool(decision), decision.max_base_size


def test_contracts_count_at_their_whole_cost_and_those_to_come_at_the_mark():
    """640 USD each; 5 were bought at 60,000, which cost 3,000."""
    world = funded(budgeted(6_400))
    assert contract_sizes(world, 10) == (True, 10)
    assert contract_sizes(world, 11) == (False, 10)
    world.fill("BUY", 5, 60_000, product_id=FUTURE, strategy_id="grid")
    assert contract_sizes(world, 6) == (False, 5)
    world.report("o1", product_id=FUTURE, leaves=2, limit_price=50_000, strategy_id="grid")
    assert contract_sizes(world, 4) == (False, 3)
    assert contract_sizes(world, 15, "SELL")[0]  # 5 of them close
    assert contract_sizes(world, 16, "SELL") == (False, 15)


def test_contracts_that_may_be_sold_count_whatever_is_bought():
    """10 are offered: the worst case is short by them, and a purchase of 1 leaves it so."""
    world = funded(budgeted(3_200))
    world.report("o1", product_id=FUTURE, side="SELL", leaves=10, limit_price=70_000, strategy_id="grid")  # fmt: skip
    found = the(world.ask(future_order(1), strategy_id="grid"), "BUDGET")
    assert found.observed == "6400"


def test_a_coin_pair_counts_the_coin_that_it_brings():
    world = budgeted(6_400)
    world.quote("ETH-BTC", "0.03125")
    world.hold(100, 2_000, "ETH-USD")

    def swap(size, side="SELL", price="0.03125"):
        body = order(side=side, product_id="ETH-BTC", base_size=str(size), limit_price=price)
        return world.ask(body, strategy_id="grid", dry_run=True)

    assert swap("3.2")
    decision = swap("3.20000001")
    assert breaks(decision, "BUDGET")
    assert decision.max_base_size == D("3.2")
    world.report("o1", product_id="ETH-BTC", side="SELL", leaves=1, limit_price="0.03125", strategy_id="grid")  # fmt: skip
    assert swap(5).max_base_size == D("2.2")
    assert world.manager.validate_edit(order_id="o1", size="3.2", dry_run=True)
    world.hold(10)
    assert swap(5, "BUY", "0.03").max_base_size == D("2.26897689")  # with its fee


def test_a_budget_is_the_same_after_a_restart():
    world = budgeted(20_000)
    world.fill("BUY", "0.1", 60_000, strategy_id="grid", fee=60)
    world.report("o1", leaves="0.1", limit_price=50_000, strategy_id="grid")
    assert world.ask(limit_order("0.05", 40_000), strategy_id="grid")
    (before,) = usage(world.manager.desk, {}, world.now)
    (after,) = usage(restarted(world).manager.desk, {}, world.now)
    assert before == after
    assert before["observed"] == 6_060 + 5_050 + 2_020


def test_no_budget_is_used_before_a_strategys_first_order():
    (row,) = usage(budgeted().manager.desk, {}, World().now)
    assert (row["code"], row["scope"], row["observed"]) == ("BUDGET", "strategy:grid", 0)
