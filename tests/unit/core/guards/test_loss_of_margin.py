"""The consequences of contracts that lose the margin posted for them: half of 16,000 USD at 56,000 a BTC."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary.actions import (
    Alert,
    CancelOrders,
    CauseCleared,
    CauseRaised,
    ReduceOnly,
)
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import breaks, funded, future_order, of_kind, restarted
from tests.scenario import FUTURE, World, limit_order

CAUSE = ("MARGIN_DRAWDOWN", "futures")


def holding(margin=16_000, **limits):
    """100 contracts of 0.01 BTC, and an order that would add one."""
    world = World(max_margin_drawdown="0.5", max_quote_age_s=3600, **limits)
    world.fill("BUY", 100, 64_000, product_id=FUTURE)
    funded(world, margin=margin)
    world.report("adds", product_id=FUTURE, leaves=1, limit_price=50_000)
    world.report("spot", leaves="0.1", limit_price=50_000)
    return world


def quotes(world, *prices, every_s=1):
    actions = []
    for price in prices:
        world.now += timedelta(seconds=every_s)
        actions += world.quote(FUTURE, price)
    return actions


@pytest.mark.parametrize(("price", "crossed"), [("56005", False), ("56000", True)])
def test_the_first_sight_binds_futures_alone_exactly_at_the_limit(price, crossed):
    world = holding()
    (*raised,) = of_kind(quotes(world, price), CauseRaised)
    assert [(one.code, one.scope, one.level) for one in raised] == ([(*CAUSE, "REDUCE_ONLY")] if crossed else [])  # fmt: skip
    assert bool(world.ask(future_order(1, "BUY", price), dry_run=True)) != crossed
    assert world.ask(future_order(1, "SELL", price), dry_run=True)
    assert world.ask(limit_order("0.1"), dry_run=True)
    assert world.manager.state.account == "ACTIVE"


def test_one_bad_tick_leaves_nothing_behind():
    world = holding()
    quotes(world, 50_000)
    actions = quotes(world, 64_000)
    assert [(one.code, one.scope) for one in of_kind(actions, CauseCleared)] == [CAUSE]
    assert not of_kind(actions, CancelOrders, Alert)


def test_once_confirmed_what_adds_contracts_is_cancelled_and_it_is_told():
    world = holding()
    actions = quotes(world, *[56_000] * 4)
    assert [one.order_ids for one in of_kind(actions, CancelOrders)] == [("adds",)]
    (alert,) = of_kind(actions, Alert)
    assert (
        alert.text == "futures: margin drawdown of 8000 USD, 50 % has reached 50 %; it is confirmed"
    )
    assert alert.severity == "warning"
    assert not of_kind(quotes(world, 55_000, 55_000), Alert, CancelOrders, CauseRaised)


def test_what_moves_is_the_contracts_and_not_the_spot_beside_them():
    """A fall of spot in the same second holds no confirmation up, and confirms nothing."""
    world = holding()
    world.hold(1)
    world.quote("BTC-USD", 30_000)
    actions = quotes(world, *[56_000] * 4)
    assert of_kind(actions, CancelOrders)


def test_it_ends_by_itself_when_the_loss_is_well_below_the_limit():
    world = holding()
    quotes(world, *[56_000] * 4)
    for price in (56_005, 56_000, 56_800):
        assert not of_kind(quotes(world, price), CauseCleared, CauseRaised, Alert)
    (cleared,) = of_kind(quotes(world, 56_805), CauseCleared)
    assert cleared.reason == "the loss is 7195 USD, 44.97 %, its limit 50 %"
    assert world.ask(future_order(1, "BUY", 56_805))


def test_more_margin_ends_it_too():
    world = holding()
    quotes(world, *[56_000] * 4)
    funded(world, margin=20_000)
    assert not world.manager.state.causes


def test_without_its_limit_or_a_margin_there_is_no_cause():
    world = holding(margin=None)
    quotes(world, *[56_000] * 4)
    assert not world.manager.state.causes
    assert breaks(world.ask(future_order(1, "BUY", 56_000)), "MAX_MARGIN_DRAWDOWN")
    world = holding()
    quotes(world, 56_000)
    world.manager.desk.use(Limits())
    world.manager.tracker.moved()
    assert of_kind(quotes(world, 55_000), CauseCleared)


@pytest.mark.parametrize("margin", [None, 0])
def test_a_margin_that_is_not_told_while_contracts_lose_lifts_no_cause(margin):
    """Told again, the loss is judged again."""
    world = holding()
    quotes(world, *[56_000] * 4)
    assert CAUSE in world.manager.state.causes
    assert not of_kind(funded(world, margin=margin).actions, CauseCleared)
    quotes(world, *[56_000] * 2)
    assert CAUSE in world.manager.state.causes
    funded(world, margin=16_000)
    quotes(world, 60_000)
    assert CAUSE not in world.manager.state.causes


def test_it_is_in_force_after_a_restart():
    world = holding()
    quotes(world, *[56_000] * 4)
    again = restarted(world)
    assert again.manager.state.causes == world.manager.state.causes
    assert not again.ask(future_order(1, "BUY", 56_000))
    quotes(again, 64_000)
    assert not again.manager.state.causes


def test_a_library_is_told_of_it():
    world = holding()
    quotes(world, 56_000)
    (told,) = of_kind(world.manager.check_and_liquidate_on_loss(), ReduceOnly)
    assert (told.code, told.scope, told.loss) == ("MAX_MARGIN_DRAWDOWN", "futures", 8_000)


def test_a_loss_that_only_a_stale_book_shows_may_be_one():
    """Its mark still says 64,000, and 52,000 is bid."""
    world = holding(max_mark_age_s=60, max_spread="0.05")
    for _ in range(62):
        world.now += timedelta(seconds=1)
        world.quote("BTC-USD", 64_000)
        world.quote(FUTURE, 52_000, 64_000)
    assert world.manager.state.has(*CAUSE)
