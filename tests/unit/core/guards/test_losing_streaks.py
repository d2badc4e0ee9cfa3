"""Trades lost in a row: only reducing orders for the cool-down, in the scope that lost them."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, CancelOrders, CauseCleared, CauseRaised, WakeAt
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import breaks, of_kind, reloaded, sell_order, the, warned
from tests.scenario import FUTURE, START, D, World, limit_order

STREAK = {"trades": 3, "cool_down": "2h"}
LIMIT: dict[str, Any] = {"losing_streak": STREAK, "max_quote_age_s": 86_400}
COOL_DOWN = timedelta(hours=2)


def trade(world, usd, *, fee=0, **fields):
    """Buy at 64,000, sell for so many dollars more; the actions of the sale."""
    world.fill("BUY", 1, 64000, fee=fee, **fields)
    world.wait(1)
    return world.fill("SELL", 1, 64000 + D(usd), **fields)


def causes(world):
    return {
        scope: cause
        for (code, scope), cause in world.manager.state.causes.items()
        if code == "LOSING_STREAK"
    }


def traded(*results, **limits):
    world = World(**LIMIT | limits)
    for usd in results:
        trade(world, usd)
    return world


@pytest.mark.parametrize(
    ("results", "cools"),
    [
        ((-1, -1), False),
        ((-1, -1, -1), True),
        ((-1, -1, 1, -1, -1), False),
        ((-1, -1, 0, -1), False),  # what is neither won nor lost was not lost
        ((5, -1, -1, "-0.01"), True),
        ((-1, -1, -1, 5), True),  # what is won during the cool-down does not end it
    ],
)
def test_so_many_closed_trades_in_a_row_that_lost_begin_the_cool_down(results, cools):
    world = traded(*results)
    assert bool(causes(world)) == cools
    assert breaks(world.ask(limit_order()), "LOSING_STREAK") == cools


def test_a_refusal_says_how_many_and_when_it_clears():
    world = traded(-1, -1, -1)
    closed = world.now
    found = the(world.ask(limit_order()), "LOSING_STREAK")
    assert (found.limit, found.observed, found.scope) == ("3, then 2h", "3", "all")
    assert found.clears_at == causes(world)["all"].clears_at == closed + COOL_DOWN
    assert found.message == "3 trades in a row were lost; the limit is 3, with a cool-down of 2h"
    assert causes(world)["all"].reason == "3 trades in a row were lost"


def test_it_ends_with_the_cool_down_and_the_next_lost_trade_begins_another():
    world = traded(-1, -1, -1)
    ends = world.now + COOL_DOWN
    assert WakeAt(at=ends) in world.actions
    world.wait(to=ends - timedelta(milliseconds=1))
    assert causes(world)
    cleared = of_kind(world.wait(to=ends), CauseCleared)
    assert [one.code for one in cleared] == ["LOSING_STREAK"]
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order())
    trade(world, -1)
    assert causes(world)["all"].clears_at == world.now + COOL_DOWN


def test_a_trade_lost_during_the_cool_down_begins_it_anew():
    world = World(**LIMIT)
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    for _ in range(3):
        trade(world, -1)
    first = causes(world)["all"].clears_at
    world.wait(600)
    assert world.ask(limit_order(1, 1900, product_id="ETH-USD", side="SELL"))
    world.fill("SELL", 1, 1900, product_id="ETH-USD")
    assert causes(world)["all"].clears_at == first + timedelta(seconds=600)


def test_exits_pass_meanwhile():
    world = World(**LIMIT)
    world.fill("BUY", 1, 2000, product_id="ETH-USD")
    for _ in range(3):
        trade(world, -1)
    assert not world.ask(limit_order())
    assert world.ask(limit_order(1, 1900, product_id="ETH-USD", side="SELL"))


@pytest.mark.parametrize(("trades", "lost", "warns"), [(4, 2, False), (4, 3, True), (3, 2, False), (1, 0, False)])  # fmt: skip
def test_it_warns_at_seventy_percent(trades, lost, warns):
    world = traded(*[-1] * lost, losing_streak={"trades": trades, "cool_down": "1h"})
    world.quote("BTC-USD", 64000)
    decision = world.ask(limit_order())
    assert decision
    assert warned(decision) == (("LOSING_STREAK",) if warns else ())


def test_open_orders_that_add_are_cancelled_and_it_is_told():
    world = traded(-1, -1)
    world.report("adds", leaves="0.1", limit_price=50_000)
    actions = trade(world, -1)
    assert [one.order_ids for one in of_kind(actions, CancelOrders)] == [("adds",)]
    (told,) = of_kind(actions, Alert)
    assert (told.severity, told.text) == ("critical", "all: 3 trades in a row were lost")
    assert [one.code for one in of_kind(actions, CauseRaised)] == ["LOSING_STREAK"]


# --- What a trade is ------------------------------------------------------------------------------


def test_a_trade_ends_when_its_position_is_flat_again_and_not_before():
    world = traded(-1, -1)
    world.fill("BUY", 2, 64000)
    world.fill("SELL", 1, 60000)
    world.fill("BUY", 1, 60000)
    assert not causes(world)
    world.fill("SELL", 2, 61000)
    assert causes(world)


def test_its_result_is_net_of_the_fees_of_both_sides_and_of_funding():
    world = traded(-1, -1)
    trade(world, 10, fee=11)
    assert causes(world)
    world = traded(-1, -1)
    trade(world, 10, fee=10)
    assert not causes(world)
    world = traded(-1, -1)
    world.fill("BUY", 1, 64000, product_id=FUTURE)
    world.send(ev.FundingPaid, product_id=FUTURE, amount=D(-7), entry_id="p1")
    world.fill("SELL", 1, 64500, product_id=FUTURE)  # 5 USD
    assert causes(world)


def test_a_fee_or_funding_that_is_told_late_belongs_to_the_trade_that_was_closed():
    world = traded(-1, -1)
    world.fill("BUY", 1, 64000, product_id=FUTURE)
    world.fill("SELL", 1, 64500, product_id=FUTURE)
    assert not causes(world)
    actions = world.send(ev.FundingPaid, product_id=FUTURE, amount=D(-7), entry_id="p1")
    assert [one.code for one in of_kind(actions, CauseRaised)] == ["LOSING_STREAK"]
    actions = world.send(ev.FundingPaid, product_id=FUTURE, amount=D(7), entry_id="p2")
    (cleared,) = of_kind(actions, CauseCleared)
    assert cleared.reason == "a trade of it was not lost after all, or its limit is gone"


def test_what_is_paid_where_nothing_was_closed_belongs_to_no_trade():
    world = World(**LIMIT)
    world.send(ev.FundingPaid, product_id=FUTURE, amount=D(-7), entry_id="p1")
    trade(world, -1)
    world.send(ev.FundingPaid, product_id=FUTURE, amount=D(-7), entry_id="p2")
    assert [one.key for one in world.tracker.streaks.known["all"].closed] == ["BTC"]


def test_beyond_flat_one_trade_ends_and_another_begins():
    world = traded(-1, -1)
    world.fill("BUY", 1, 64000, product_id=FUTURE)
    world.fill("SELL", 2, 63000, product_id=FUTURE)  # 10 USD lost, and one contract short
    assert causes(world)
    world.fill("BUY", 1, 62000, product_id=FUTURE)
    assert world.tracker.streaks.known["all"].closed[-1].result == 10


@pytest.mark.parametrize(("left", "is_flat"), [("0.000009", True), ("0.00001", False)])
def test_less_than_coinbase_takes_an_order_of_is_flat(left, is_flat):
    world = traded(-1, -1)
    world.fill("BUY", 1, 64000)
    world.fill("SELL", 1 - D(left), 60000)
    assert bool(causes(world)) == is_flat


def test_a_sale_of_coins_that_were_there_closes_a_trade_of_what_it_brought():
    world = World(losing_streak={"trades": 1, "cool_down": "1h"})
    world.balance("BTC", 1)
    world.balance("BTC", 1)
    world.stand("BTC-USD", 60000)
    world.fill("SELL", 1, 60000)
    assert causes(world)


def test_a_coin_pair_trades_both_of_its_coins():
    world = World(losing_streak={"trades": 2, "cool_down": "1h"})
    world.quote("ETH-BTC", "0.03125")
    world.fill("BUY", "0.03125", 64000)
    world.fill("BUY", 1, "0.03125", product_id="ETH-BTC", fee=0)
    assert [one.key for one in world.tracker.streaks.known["all"].closed] == ["BTC"]
    world.fill("SELL", 1, 1900, product_id="ETH-USD")
    assert [one.key for one in world.tracker.streaks.known["all"].closed] == ["BTC", "ETH"]


def test_a_fact_of_another_product_or_of_none_closes_nothing():
    world = World(product={"ETH-USD": {"losing_streak": STREAK}})
    trade(world, -1)
    assert world.tracker.streaks.known == {}


def test_a_fact_that_cannot_be_leaves_all_as_it_was():
    world = traded(-1, -1)
    before = [*world.tracker.streaks.known["all"].closed]
    with pytest.raises(Untrusted):
        world.fill("SELL", -1, 64000)
    assert world.tracker.streaks.known["all"].closed == before
    world.send(ev.OrderReported, order_id="x", product_id="NO-SUCH", side="BUY", status="OPEN")
    assert world.tracker.streaks.known["all"].closed == before


# --- Scopes ---------------------------------------------------------------------------------------


def test_a_products_streak_counts_its_own_trades_and_binds_them_alone():
    world = World(product={"BTC-USD": {"losing_streak": STREAK}}, max_quote_age_s=86_400)
    for _ in range(2):
        trade(world, -1)
        world.fill("BUY", 1, 2000, product_id="ETH-USD")
        world.fill("SELL", 1, 2100, product_id="ETH-USD")
    assert not causes(world)
    actions = trade(world, -1)
    assert causes(world).keys() == {"product:BTC-USD"}
    assert [one.severity for one in of_kind(actions, Alert)] == ["warning"]
    assert breaks(world.ask(limit_order()), "LOSING_STREAK")
    assert world.ask(limit_order(1, 2000, product_id="ETH-USD"))


def test_a_strategys_streak_counts_its_own_trades_and_binds_them_alone():
    world = World(strategy={"grid": {"losing_streak": STREAK}}, max_quote_age_s=86_400)
    for _ in range(3):
        trade(world, -1, strategy_id="trend")
    for _ in range(2):
        trade(world, -1, strategy_id="grid")
    assert not causes(world)
    trade(world, -1, strategy_id="grid")
    assert causes(world).keys() == {"strategy:grid"}
    assert not world.ask(limit_order(), strategy_id="grid")
    assert world.ask(limit_order(), strategy_id="trend")


def test_a_product_that_is_not_listed_counts_nothing():
    world = traded(-1, -1, -1, product={"NO-SUCH": {"losing_streak": STREAK}})
    assert causes(world).keys() == {"all"}


def test_a_shadow_streak_warns():
    world = World(shadow={"losing_streak": STREAK}, max_quote_age_s=86_400)
    for _ in range(3):
        trade(world, -1)
    decision = world.ask(limit_order())
    assert decision
    assert [(one.code, one.scope) for one in decision.warnings] == [("LOSING_STREAK", "shadow")]
    assert not causes(world)


# --- Reloads, restarts, clocks --------------------------------------------------------------------


def replaced(world, **limits):
    return world.send(ev.LimitsReplaced, limits=Limits.model_validate(limits))


def test_other_limits_bind_at_once_and_those_that_are_gone_no_more():
    world = traded(-1, -1, -1)
    replaced(world, losing_streak={"trades": 4, "cool_down": "1h"})
    assert causes(world)["all"].clears_at == world.now + COOL_DOWN  # one that has begun lasts
    replaced(world, losing_streak={"trades": 2, "cool_down": "3h"})
    assert causes(world)["all"].clears_at == world.now + timedelta(hours=3)
    replaced(world)
    assert not causes(world)
    replaced(world, losing_streak=STREAK)
    assert not causes(world)  # it counts from now


@pytest.mark.parametrize("lost", [2, 3])
def test_it_goes_on_after_a_restart(lost):
    world = traded(*[-1] * lost)
    world.fill("BUY", 1, 64000, fee=5)
    again = reloaded(world)
    for one in (world, again):
        one.wait(60)
        one.fill("SELL", 1, 64004, order_id="last", entry_id="last")
    assert causes(world) == causes(again)
    assert causes(again)["all"].clears_at == START + timedelta(seconds=60 + lost) + COOL_DOWN
    again.wait(7200)
    assert not causes(again)


def test_a_cool_down_lasts_over_a_restart_whatever_was_won_in_it():
    world = traded(-1, -1, -1, 5)
    again = reloaded(world)
    again.wait(1)
    assert causes(again) == causes(world) != {}
    again.wait(7200)
    assert not causes(again)
    again.quote("BTC-USD", 64000)
    assert warned(again.ask(limit_order())) == ()


def test_trades_that_were_lost_before_a_limit_was_lowered_count():
    world = traded(-1, -1)
    replaced(world, losing_streak={"trades": 2, "cool_down": "3h"})
    assert causes(world)["all"].clears_at == world.now + timedelta(hours=3)


def test_a_cool_down_that_was_over_while_no_process_ran_is_over():
    world = traded(-1, -1, -1)
    again = reloaded(world)
    again.wait(7200)
    assert not causes(again)
    assert again.tracker.streaks.cools_until("all") is None


def test_a_clock_that_is_ahead_of_coinbases_ends_it_when_both_have_passed():
    world = World(settings=Settings(), **LIMIT)
    world.send(ev.ClocksCompared, ahead=timedelta(hours=1))
    for _ in range(3):
        trade(world, -1)
    closed = world.now
    assert causes(world)["all"].clears_at == closed - timedelta(hours=1) + COOL_DOWN
    world.wait(to=closed + COOL_DOWN - timedelta(seconds=1))
    assert causes(world)
    world.wait(1)
    assert not causes(world)


def test_memory_is_bounded_by_the_limits():
    world = traded(*[-1] * 20)
    assert len(world.tracker.streaks.known["all"].closed) == 3


def test_a_sale_of_what_is_held_passes_in_a_products_cool_down():
    world = World(product={"BTC-USD": {"losing_streak": {"trades": 1, "cool_down": "1h"}}})
    trade(world, -1)
    world.fill("BUY", 1, 64000)
    assert causes(world)
    assert world.ask(sell_order(1))


@pytest.mark.parametrize(("first", "last", "lost"), [(-1000, 1, True), (1000, -1, False)])
@pytest.mark.parametrize("comes", ["bought before the limit", "by a transfer"])
def test_of_a_position_that_no_fill_has_begun_every_closing_fill_counts(first, last, lost, comes):
    """Not only the one that brings it to flat."""
    streak = LIMIT | {"losing_streak": STREAK | {"trades": 1}}
    if comes == "by a transfer":
        world = World(**streak)
        world.quote("BTC-USD", 64000)
        world.balance("BTC", 1)
    else:
        world = World(max_quote_age_s=86_400)
        world.fill("BUY", 1, 64000)
        world.send(ev.LimitsReplaced, limits=Limits(**streak))
    for usd in (first, last):
        world.wait(1)
        world.fill("SELL", "0.5", 64000 + D(usd))
    assert bool(causes(world)) == lost
