"""LossBounds: every loss that a limit bounds, as it is told and as it may be."""

from typing import Any

import pytest

from sidecar.core.account.losses import Loss
from sidecar.core.guards.loss_bounds import BoundLoss
from sidecar.core.vocabulary import events as ev
from tests.decisions import connected, funded, only
from tests.scenario import FUTURE, D, World, product

ALL: dict[str, Any] = {
    "max_daily_loss": "0.1", "max_drawdown": "9000 USD", "max_cumulative_loss": "0.25",
    "product": {"BTC-USD": {"max_daily_loss": "0.05"}, "GONE-USD": {"max_daily_loss": "0.05"}},
    "strategy": {"grid": {"max_daily_loss": "0.04"}},
}  # fmt: skip


def bounds(world):
    return world.manager.watch.bounds


def bounded(world, now=None):
    return {(one.code, one.scope): one for one in bounds(world).bounded(now)}


def test_every_limit_has_its_loss_under_the_cause_that_it_raises():
    """But that of a product which nobody lists."""
    found = bounded(World(**ALL))
    assert list(found) == [
        ("DAILY_LOSS", "all"), ("DAILY_LOSS", "product:BTC-USD"), ("DAILY_LOSS", "strategy:grid"),
        ("DRAWDOWN", "all"), ("CUMULATIVE_LOSS", "all"),
    ]  # fmt: skip
    assert bounded(World()) == {}
    none: dict[str, Any] = {"product": {"BTC-USD": {}}, "strategy": {"grid": {}}}
    assert bounded(World(**none)) == {}


def test_each_is_of_its_own_scope():
    world = World(**ALL)
    world.fill("BUY", 1, 64_000, strategy_id="grid")
    world.fill("BUY", 10, 2_000, product_id="ETH-USD")
    world.quote("ETH-USD", 1_900)
    world.quote("BTC-USD", 62_000)
    usd = {name: one.loss.usd for name, one in bounded(world).items()}
    assert usd == {
        ("DAILY_LOSS", "all"): 3_000, ("DAILY_LOSS", "product:BTC-USD"): 2_000,
        ("DAILY_LOSS", "strategy:grid"): 2_000, ("DRAWDOWN", "all"): 3_000, ("CUMULATIVE_LOSS", "all"): 3_000,
    }  # fmt: skip


# --- As it may be ---------------------------------------------------------------------------------


def test_told_most_and_least_are_one_where_nothing_is_in_doubt():
    world = World(**ALL)
    world.hold(1)
    world.quote("BTC-USD", 60_000)
    for one in bounded(world, world.now).values():
        assert one.most == one.least == one.loss


def test_a_transfer_of_unknown_order_makes_them_three():
    """1.0 of 1.2 BTC may have left before the price fell from 64,000 to 60,000, or after."""
    world = connected(held="1.2", **ALL)
    world.wait(10)
    world.quote("BTC-USD", 60_000)
    world.balance("BTC", "0.2")
    for name in (("DAILY_LOSS", "all"), ("DAILY_LOSS", "product:BTC-USD"), ("DRAWDOWN", "all")):
        one = bounded(world, world.now)[name]
        assert (one.least.usd, one.loss.usd, one.most.usd) == (800, 4_800, 4_800)
        assert bounded(world)[name].least == one.loss  # without a time, as the books tell it


def stale(**limits):
    """20 ETH whose mark of 2,000 is stale, and hides 4,000 by its bid: not sure, until a trade prints."""
    world = connected(**ALL | limits)
    world.fill("BUY", 20, 2_000, product_id="ETH-USD")
    for _ in range(61):
        world.wait(1)
        world.send(ev.Quotes, quotes=(ev.Quote("ETH-USD", D(1_800), D(2_000), world.now),))
    return world


def test_what_a_stale_mark_hides_is_most_at_once_and_least_once_it_is_sure():
    world = stale()
    one = bounded(world, world.now)["DRAWDOWN", "all"]
    assert (one.least.usd, one.loss.usd, one.most.usd, one.unprinted.usd) == (0, 0, 4_000, 4_000)
    printed = ev.Quote("ETH-USD", D(1_800), D(2_000), world.now, last=D(1_800))
    world.send(ev.Quotes, quotes=(printed,))
    one = bounded(world, world.now)["DRAWDOWN", "all"]
    assert (one.least.usd, one.loss.usd, one.most.usd, one.unprinted.usd) == (
        4_000,
        0,
        4_000,
        4_000,
    )


def test_what_it_hides_is_of_its_key_and_of_no_strategy():
    """A strategy's own share of it is not told."""
    world = stale(product={"BTC-USD": {"max_daily_loss": "1"}, "ETH-USD": {"max_daily_loss": "1"}})
    most = {scope: one.most.usd for (_, scope), one in bounded(world, world.now).items()}
    assert (most["product:ETH-USD"], most["product:BTC-USD"], most["strategy:grid"]) == (4_000, 0, 0)  # fmt: skip


# --- Words ----------------------------------------------------------------------------------------


def bound(usd, most, base=10_000, limit="0.1"):
    world = World(max_daily_loss=limit)
    assert world.manager.limits.max_daily_loss is not None
    loss = Loss(D(usd), D(base))
    return BoundLoss(
        "DAILY_LOSS", loss, world.manager.limits.max_daily_loss, most=Loss(D(most), D(base))
    )


def test_a_limit_is_crossed_where_the_loss_may_be_beyond_it():
    assert [bound(500, most).is_crossed for most in (999, 1000)] == [False, True]


def test_the_reason_says_whether_it_is_or_may_be():
    assert bound(1000, 1000).reason == "daily loss of 1000 USD, 10 % has reached 0.1"
    assert bound(500, 1000).reason == (
        "daily loss of 500 USD, 5 % may be 1000 USD, 10 %, which reaches 0.1"
    )


@pytest.mark.parametrize(
    ("base", "limit", "lacks"), [(0, "0.1", True), (1, "0.1", False), (0, "5 USD", False)]
)
def test_only_a_ratio_lacks_equity(base, limit, lacks):
    assert bound(0, 0, base, limit).lacks_equity == lacks


# --- Where nothing is to be judged ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "above"),
    [
        ({}, "-Inf"),
        ({"max_daily_loss": "0.1"}, -10_000),
        ({"max_daily_loss": "0.1", "max_drawdown": "9000 USD"}, -9_000),
    ],
)
def test_above_a_net_pnl_no_limit_of_the_account_is_crossed(limits, above):
    quiet = bounds(World(**limits)).quiet_above()
    assert (quiet.keys, quiet.strategies) == ((), ())
    assert quiet.account == D(above) or D(above) < quiet.account < D(above) + D("1E-9")


def test_above_net_pnl_of_keys_and_strategies_no_limit_of_theirs_is_crossed():
    """The narrowest limit of each counts; a strategy without books has lost nothing."""
    own = {"max_daily_loss": "0.1", "max_weekly_loss": "9000 USD"}
    world = World(product={"BTC-USD": own, "BTC-EUR": own}, strategy={"momo": own, "grid": own})
    world.fill("BUY", 1, 64_000, fee=100, strategy_id="momo")
    quiet = bounds(world).quiet_above()
    assert quiet.account == D("-Inf")
    assert dict(quiet.keys).keys() == {"BTC"}
    assert dict(quiet.strategies).keys() == {"momo", "grid"}
    for _, least in (*quiet.keys, *quiet.strategies):
        assert D(-9_000) <= least < D(-9_000) + D("1E-9")


@pytest.mark.parametrize("scope", ["product", "strategy"])
@pytest.mark.parametrize(("price", "crossed"), [("54000.01", False), (54_000, True)])
def test_a_loss_of_a_scope_just_at_its_limit_is_judged(scope, price, crossed):
    name = {"product": "BTC-USD", "strategy": "momo"}[scope]
    world = World(**only(scope, {name: {"max_daily_loss": "0.1"}}))
    world.fill("BUY", 1, 64_000, strategy_id="momo")
    world.quote("BTC-USD", "60000")
    world.quote("BTC-USD", price)
    assert bool(world.manager.state.causes) == crossed


def test_a_limit_of_a_product_that_is_listed_later_is_looked_at():
    world = World(products=[product("BTC-USD")], product={"ETH-USD": {"max_daily_loss": "0.01"}})
    world.quote("BTC-USD", 64_000)
    world.send(ev.ProductsListed, products=(product("BTC-USD"), product("ETH-USD")))
    world.quote("ETH-USD", 2_000)
    world.fill("BUY", 10, 2_000, product_id="ETH-USD")
    world.quote("ETH-USD", 1_800)
    assert [cause.scope for cause in world.manager.state.causes.values()] == ["product:ETH-USD"]


def test_the_margin_of_contracts_is_no_net_pnl():
    """Its loss is looked at by itself, at every fact."""
    world = World(max_margin_drawdown="0.5")
    world.fill("BUY", 100, 64_000, product_id=FUTURE)
    funded(world, margin=16_000)
    assert ("MARGIN_DRAWDOWN", "futures") in bounded(world)
    assert bounds(world).quiet_above().account == D("-Inf")


def test_without_equity_there_is_no_quiet():
    assert bounds(World(cash=10, max_daily_loss="0.1")).quiet_above() is None


def test_a_loss_just_at_the_quiet_net_pnl_is_judged():
    world = World(max_daily_loss="0.1")
    world.hold(1)
    world.stand("BTC-USD", "54000.01")
    assert world.manager.state.account == "ACTIVE"
    world.stand("BTC-USD", 54_000)
    assert world.manager.state.account == "REDUCE_ONLY"
