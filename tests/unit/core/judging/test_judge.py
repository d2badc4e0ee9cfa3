"""Judging one check: which rules bind it, what warns, and the largest size that would pass."""

import pytest

from sidecar.core.vocabulary import events as ev
from tests.decisions import StandInRisk, funded, future_order, sell_order, warned
from tests.scenario import FUTURE, D, World, limit_order, market_order, product

# --- The largest size: two regimes ------------------------------------------------------------------


def largest(world, body):
    return world.ask(body, dry_run=True).max_base_size


def verified(world, body):
    """What is said passes, and one increment more does not."""
    most = largest(world, body)
    (fields,) = body["order_configuration"].values()
    listed = world.tracker.products[body["product_id"]]
    sizes = (most, most + listed.base_increment)
    answers = [world.ask(body | _sized(body, fields, size), dry_run=True) for size in sizes]
    assert not answers[1]
    assert answers[0] or most == 0
    return most


def _sized(body, fields, size):
    (kind,) = body["order_configuration"]
    return {"order_configuration": {kind: fields | {"base_size": str(size)}}}


def test_without_limits_the_funds_bound_a_buy_and_the_coins_a_sell():
    world = World(cash=64768)
    world.balance("BTC", "0.5")
    assert verified(world, limit_order("0.1")) == 1
    assert verified(world, sell_order("0.1")) == D("0.5")


def test_the_tightest_of_several_limits_bounds():
    world = World(max_order_size="0.9", max_order_notional=50_000, max_position_size="0.8")
    assert verified(world, limit_order("0.1")) == D("0.78125")


def test_up_to_what_reduces_only_the_unexempt_rules_count():
    """Five contracts may be closed, whatever the limits; the sixth would open."""
    world = funded(World(max_order_size="0.01", max_open_orders=0, block_products=(FUTURE,)))
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    assert verified(world, future_order(1, "SELL")) == 5


def test_beyond_what_reduces_all_rules_count():
    world = funded(World(max_position_size="0.03"))
    world.fill("BUY", 2, 64000, product_id=FUTURE)
    assert verified(world, future_order(1, "SELL")) == 5


def test_where_only_a_smaller_order_reduces_that_is_the_largest():
    """A flip of five would be below the own minimum of six; what only closes need not keep it."""
    world = funded(World(min_order_size="0.06", max_position_size="0.03"))
    world.fill("BUY", 2, 64000, product_id=FUTURE)
    assert verified(world, future_order(4, "SELL")) == 2


def test_a_limit_below_the_smallest_order_leaves_nothing():
    assert largest(World(max_order_size="0.000009"), limit_order()) == 0
    assert largest(World(min_order_size="0.1", max_order_size="0.05"), limit_order()) == 0


def test_the_largest_size_lies_on_the_products_grid():
    coarse = product("BTC-USD", base_increment=D("0.05"))
    assert verified(World(products=(coarse,), max_order_size="0.17"), limit_order("0.05")) == D(
        "0.15"
    )


def test_in_a_halt_nothing_passes_at_any_size():
    world = World()
    world.hold(1)
    world.send(ev.HaltRequested, reason="x")
    assert verified(world, sell_order("0.1")) == 0


def test_risk_is_searched_only_where_it_refuses():
    """Where VaR does not bind, the linear rules are exact."""
    world = World(max_var="0.15", max_order_size="0.5")
    world.manager.desk.portfolio_risk = StandInRisk(14_000, 1000)
    assert verified(world, limit_order("0.1")) == D("0.5")
    world.manager.desk.portfolio_risk = StandInRisk(14_600, 1000)
    found = largest(world, limit_order("0.9"))
    assert D("0.399") < found < D("0.4")


def test_risk_is_searched_for_edits_too():
    """The size found is the order's whole size, what is filled included."""
    world = World(max_var="0.15", cash=1_000_000)
    world.manager.desk.portfolio_risk = StandInRisk(149_000, 1000)
    world.report("o1", base_size=2, limit_price=64000, filled=1, average_price=64000)
    decision = world.manager.validate_edit(order_id="o1", size="4", dry_run=True)
    assert decision.codes == ("MAX_VAR",)
    assert world.manager.validate_edit(
        order_id="o1", size=str(decision.max_base_size), dry_run=True
    )


# --- Warnings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "warns"), [("0.069999", False), ("0.07", True), ("0.1", True)])
def test_a_limit_used_to_seventy_percent_warns_and_passes(size, warns):
    decision = World(max_order_size="0.1").ask(limit_order(size))
    assert decision
    assert warned(decision) == (("MAX_ORDER_SIZE",) if warns else ())


@pytest.mark.parametrize(("size", "percent"), [("0.085", 85), ("0.1", 100)])
def test_a_warning_says_how_much_is_used(size, percent):
    decision = World(max_order_size="0.1").ask(limit_order(size))
    (warning,) = decision.warnings
    assert (warning.limit, warning.observed, warning.scope) == ("0.1", size, "all")
    assert warning.message == f"{size} BTC, limit 0.1 BTC: {percent} % used"


def test_a_broken_limit_is_no_warning():
    decision = World(max_order_size="0.1").ask(limit_order("0.2"))
    assert (decision.codes, decision.warnings) == (("MAX_ORDER_SIZE",), ())


def test_every_scope_warns_for_itself():
    world = World(max_order_size="0.1", product={"BTC-USD": {"max_order_size": "0.1"}})
    assert [w.scope for w in world.ask(limit_order("0.1")).warnings] == ["all", "product:BTC-USD"]


def test_a_rate_nearly_used_warns():
    world = World(max_order_rate={"count": 3, "window_s": 60})
    assert [warned(world.ask(limit_order())) for _ in range(3)] == [(), (), ("MAX_ORDER_RATE",)]


# --- Shadow ---------------------------------------------------------------------------------------


def test_shadow_limits_are_shown_and_not_enforced():
    decision = World(shadow={"max_order_size": "0.01"}).ask(limit_order("0.1"))
    assert decision
    (shown,) = decision.warnings
    assert (shown.code, shown.scope, shown.limit, shown.observed) == (
        "MAX_ORDER_SIZE",
        "shadow",
        "0.01",
        "0.1",
    )
    assert decision.max_base_size > 1


def test_shadow_limits_that_are_kept_say_nothing():
    assert World(shadow={"max_order_size": "0.1"}).ask(limit_order("0.1")).warnings == ()


def test_shadow_limits_exempt_exits_like_the_enforced():
    world = World(shadow={"max_order_size": "0.01"})
    world.hold(1)
    assert world.ask(sell_order(1)).warnings == ()


# --- Which rules bind -----------------------------------------------------------------------------


def test_an_unconfigured_limit_binds_nothing():
    assert World().ask(limit_order(1)).warnings == ()


def test_a_strategy_without_limits_of_its_own_keeps_the_accounts():
    world = World(max_order_size="0.1", strategy={"momo": {"max_order_size": "0.01"}})
    assert not world.ask(limit_order("0.2"), strategy_id="carry")
    assert world.ask(limit_order("0.1"), strategy_id="carry")
    assert not world.ask(limit_order("0.1"), strategy_id="momo")


def test_a_limit_for_a_product_that_is_not_listed_binds_once_it_is():
    world = World(product={"NEW-USD": {"max_order_size": "0.1"}})
    assert world.ask(limit_order(1))
    world.send(ev.ProductsListed, products=(product("NEW-USD"),))
    world.quote("NEW-USD", 10)
    assert world.ask(limit_order(1, 10, product_id="NEW-USD")).codes == ("MAX_ORDER_SIZE",)


def test_a_limit_named_by_an_alias_binds_its_whole_key():
    world = World(product={"BTC-USDC": {"max_position_size": "0.1"}})
    assert not world.ask(limit_order("0.2"))


def test_buying_back_a_sale_told_too_early_is_no_exit():
    """Spot cannot be short: its buy is a buy, and every limit binds it."""
    world = World(max_order_size="0.5")
    world.fill("SELL", 1, 64000)
    assert "MAX_ORDER_SIZE" in world.ask(limit_order("0.6")).codes


def test_where_no_size_on_the_grid_covers_what_was_sold_too_much_none_is_told():
    """0.00015 BTC were sold before their purchase is told: 0.000144 to 0.000156 would leave 0.37 USD."""
    whole = product("BTC-USD", base_increment=D("0.0001"))
    world = World(products=(whole,), max_gross_exposure="0.37")
    world.fill("SELL", "0.00015", 64000)
    assert world.ask(limit_order("0.0003")).max_base_size == 0
    fine = World(max_gross_exposure="0.37")
    fine.fill("SELL", "0.00015", 64000)
    told = fine.ask(limit_order("0.0003", 64000)).max_base_size
    assert (told, bool(fine.ask(limit_order(str(told), 64000)))) == (D("0.00015578"), True)


def test_a_shadow_limit_whose_figure_cannot_be_told_says_nothing():
    """An order at the market has no limit price to lie beyond the touch."""
    world = World(shadow={"price_collar": "0.01"})
    assert world.ask(market_order("0.1")).warnings == ()
    (warning,) = world.ask(limit_order("0.1", 70_000)).warnings
    assert (warning.code, warning.scope) == ("PRICE_COLLAR", "shadow")


def test_the_largest_size_told_may_be_the_least_that_coinbase_takes():
    """By size: 0.00001 BTC. By worth: 64 USD."""
    cheap = (product("BTC-USD", quote_min_size=D("0.5")),)
    by_size = World(products=cheap, max_order_size="0.00001").ask(limit_order(1))
    assert by_size.max_base_size == D("0.00001")
    listed = (product("BTC-USD", quote_min_size=D(64)),)
    for most, told in (("0.001", "0.001"), ("0.00099", 0)):
        decision = World(products=listed, max_order_size=most).ask(limit_order(1, 64_000))
        assert decision.max_base_size == D(told)


def test_the_least_size_that_coinbase_takes_may_be_closed():
    """And what is smaller than that cannot, however it is asked."""
    for held, most in (("0.1", "0.1"), ("0.09", 0)):
        world = World(products=(product("BTC-USD", base_min_size=D("0.1")),))
        world.balance("BTC", held)
        world.send(ev.ReduceOnlyRequested, reason="careful")
        assert largest(world, sell_order("0.2")) == D(most)


def test_where_no_limit_counts_what_is_open_spot_below_zero_bounds_no_purchase():
    world = World(max_order_notional=6_400)
    world.fill("SELL", 1, 64_000)
    assert largest(world, limit_order("0.2")) == D("0.1")
