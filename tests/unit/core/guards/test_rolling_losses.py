"""A loss within a rolling window: it binds until the window has moved on, over any reset."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from sidecar.core.account.losses import rolling
from sidecar.core.account.rolling import BEGAN
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    CancelOrders,
    CauseCleared,
    CauseRaised,
    ReduceOnly,
    WakeAt,
)
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.trading_day import next_reset
from tests.decisions import breaks, connected, of_kind, reloaded, sell_order, the, warned
from tests.scenario import START, D, World, limit_order

HOURS = timedelta(hours=4)
PART = HOURS / 100
LIMIT: dict[str, Any] = {"max_loss_in": [{"window": "4h", "limit": "0.1"}]}


def holding(**limits):
    world = World(**LIMIT | limits)
    world.hold(1)
    return world


def codes(world):
    return sorted(cause.code for cause in world.manager.state.causes.values())


def cause(world):
    return world.manager.state.causes["LOSS_IN", "all"]


def leaves(at: datetime) -> datetime:
    """When a high of this moment counts no more."""
    return BEGAN + (at - BEGAN) // PART * PART + PART + HOURS


@pytest.mark.parametrize(("price", "crossed"), [("54000.01", False), (54000, True)])
def test_it_breaks_exactly_at_its_limit(price, crossed):
    world = holding()
    world.quote("BTC-USD", price)
    assert codes(world) == (["LOSS_IN"] if crossed else [])
    assert breaks(world.ask(limit_order("0.01", 50000)), "MAX_LOSS_IN") == crossed


def test_a_refusal_says_how_much_and_when_it_clears_at_the_earliest():
    world = holding()
    world.wait(3600)
    stood = world.now  # at 64,000 until now
    world.quote("BTC-USD", 54000)
    found = the(world.ask(limit_order("0.01", 50000)), "MAX_LOSS_IN")
    assert (found.limit, found.observed, found.scope) == ("0.1 in 4h", "0.1", "all")
    assert found.clears_at == leaves(stood) == cause(world).clears_at
    text = "the loss from the highest within the window, 10 %, has reached 10 % in 4h"
    assert found.message == text
    assert world.ask(sell_order(1, "53900"))


@pytest.mark.parametrize(("price", "warns"), [("57000.01", ()), (57000, ("MAX_LOSS_IN",))])
def test_it_warns_at_seventy_percent(price, warns):
    world = holding()
    world.quote("BTC-USD", price)
    assert warned(world.ask(limit_order("0.01", 50000))) == warns


def test_it_binds_over_the_days_reset_and_ends_when_the_window_has_moved_on():
    """One that lost heavily just before the reset resumes hours later, not minutes."""
    world = holding(max_daily_loss="0.1")
    reset = next_reset(START)
    world.wait(to=reset - timedelta(minutes=10))
    world.stand("BTC-USD", 54000)
    assert codes(world) == ["DAILY_LOSS", "LOSS_IN"]
    assert cause(world).is_confirmed
    world.wait(to=reset)
    assert codes(world) == ["LOSS_IN"]
    ends = cause(world).clears_at
    assert ends == leaves(reset - timedelta(minutes=10))
    world.wait(to=ends - timedelta(milliseconds=1))
    assert codes(world) == ["LOSS_IN"]
    cleared = of_kind(world.wait(to=ends), CauseCleared)
    assert [one.code for one in cleared] == ["LOSS_IN"]
    assert codes(world) == []


def test_the_core_is_woken_when_it_ends_though_prices_alone_came():
    world = connected(held=1, max_loss_in=LIMIT["max_loss_in"])
    for _ in range(3):
        world.wait(1)
        world.quote("BTC-USD", 38000)
    assert cause(world).is_confirmed
    before = cause(world).clears_at
    world.wait(2 * PART.total_seconds())
    woken = of_kind(world.quote("BTC-USD", 37000), WakeAt)
    assert cause(world).clears_at == before
    assert not woken or woken[-1].at <= before
    world.stand("BTC-USD", 47000)
    world.wait(2 * PART.total_seconds())
    world.quote("BTC-USD", 30000)  # what stands for a part by now is a high to fall from
    assert cause(world).clears_at > before


def test_it_ends_too_when_the_loss_is_made_good():
    world = holding()
    world.stand("BTC-USD", 54000)
    cleared = of_kind(world.quote("BTC-USD", 55001), CauseCleared)
    assert [one.reason for one in cleared] == ["the loss is 8999 USD, 9 %, its limit 10 %"]
    assert codes(world) == []


def test_once_confirmed_it_does_not_come_and_go_with_each_tick_around_its_limit():
    world = holding()
    world.stand("BTC-USD", 54000)
    actions = []
    for price in (54001, 53999, 54500, 54000, 55000, 53999):
        world.wait(1)
        actions += world.quote("BTC-USD", price)
        assert breaks(world.ask(limit_order("0.01", 50000), dry_run=True), "STATE_REDUCE_ONLY")
    assert not of_kind(actions, CauseCleared, CauseRaised, Alert, CancelOrders)
    assert codes(world) == ["LOSS_IN"]


def test_time_ends_it_when_no_high_is_left_that_is_near_either():
    """The highest leaves first, and leaves a loss of more than nine parts in ten of the limit."""
    world = holding()
    world.wait(3600)
    world.stand("BTC-USD", 63500)  # a high of its own once the first has left
    world.wait(600)
    world.quote("BTC-USD", 63500)
    world.wait(600)
    second = world.now
    world.stand("BTC-USD", 54000)
    assert cause(world).clears_at == leaves(second)
    world.wait(to=leaves(START + timedelta(hours=1)))
    assert codes(world) == ["LOSS_IN"]
    asked = world.ask(limit_order("0.01", 50000), dry_run=True)
    assert breaks(asked, "STATE_REDUCE_ONLY")
    assert not breaks(asked, "MAX_LOSS_IN")
    world.wait(to=leaves(second))
    assert codes(world) == []


def test_of_several_windows_one_that_is_near_its_limit_keeps_it():
    world = World(
        max_loss_in=[{"window": "30m", "limit": "0.05"}, {"window": "4h", "limit": "0.1"}]
    )
    world.hold(1)
    world.stand("BTC-USD", 54000)
    world.wait(1900)  # the half hour has passed
    world.quote("BTC-USD", 54500)
    assert codes(world) == ["LOSS_IN"]
    world.quote("BTC-USD", 55001)
    assert codes(world) == []


def test_one_bad_tick_is_seen_and_leaves_no_trace():
    world = holding()
    world.report("adds", leaves="0.1", limit_price=50_000)
    actions = world.quote("BTC-USD", 50000)
    assert [one.code for one in of_kind(actions, CauseRaised)] == ["LOSS_IN"]
    assert not of_kind(actions, Alert, CancelOrders)
    actions = world.quote("BTC-USD", 64000)
    (cleared,) = of_kind(actions, CauseCleared)
    assert cleared.reason.startswith("it was not confirmed: the loss is 0 USD")
    assert codes(world) == []


def test_a_bad_tick_upwards_is_no_high():
    world = holding()
    world.quote("BTC-USD", 90000)
    world.quote("BTC-USD", 64000)
    assert codes(world) == []
    assert rolling(world.tracker, HOURS).usd == 0


def test_once_confirmed_open_orders_that_add_are_cancelled_and_it_is_told_once():
    world = holding()
    world.report("adds", leaves="0.1", limit_price=50_000)
    actions = world.stand("BTC-USD", 54000) + world.stand("BTC-USD", 53000)
    assert [one.order_ids for one in of_kind(actions, CancelOrders)] == [("adds",)]
    assert [one.code for one in of_kind(actions, Alert)] == ["LOSS_IN"]


def test_what_fees_have_settled_needs_no_confirmation():
    world = World(**LIMIT)
    world.fill("BUY", 1, 64000, fee=10_000)
    assert cause(world).is_confirmed


def test_of_several_windows_any_binds_and_one_cause_stands_for_all():
    world = World(
        max_loss_in=[{"window": "30m", "limit": "0.02"}, {"window": "4h", "limit": "0.1"}]
    )
    world.hold(1)
    world.stand("BTC-USD", 60000)
    assert [v.limit for v in world.ask(limit_order("0.01", 50000)).violations if v.code == "MAX_LOSS_IN"] == [
        "0.02 in 30m"
    ]  # fmt: skip
    first = cause(world).clears_at
    assert first < START + timedelta(minutes=31)
    world.stand("BTC-USD", 54000)
    assert cause(world).clears_at > START + timedelta(hours=4)
    assert len(world.manager.state.causes) == 1
    world.wait(1900)
    assert codes(world) == ["LOSS_IN"]
    world.wait(to=cause(world).clears_at)
    assert codes(world) == []


def test_a_quiet_market_is_judged_again_when_a_limit_that_is_used_less_comes_near():
    """Above all that limits allow nothing is judged: each window has its own room."""
    world = World(
        max_loss_in=[{"window": "30m", "limit": "0.02"}, {"window": "4h", "limit": "0.03"}]
    )
    world.hold(1)
    world.stand("BTC-USD", 62500)
    world.wait(1900)
    world.quote("BTC-USD", "61000.01")
    assert codes(world) == []
    world.quote("BTC-USD", 61000)
    assert codes(world) == ["LOSS_IN"]


def test_it_begins_with_the_first_complete_picture():
    world = connected(held=1, **LIMIT)
    assert codes(world) == []
    assert rolling(world.tracker, HOURS).base == 164_000


# --- Operators, reloads, restarts -----------------------------------------------------------------


def test_a_reset_ends_it_and_has_it_count_from_now():
    world = holding(max_daily_loss="0.1")
    world.stand("BTC-USD", 54000)
    world.send(ev.LossReset, window="rolling", reason="accepted")
    assert codes(world) == ["DAILY_LOSS"]
    world.quote("BTC-USD", 45000)
    assert codes(world) == ["DAILY_LOSS", "LOSS_IN"]


def test_resume_leaves_it_and_names_its_mend():
    world = holding()
    world.stand("BTC-USD", 54000)
    (answer,) = world.send(ev.ResumeRequested, reason="please")
    assert "reset-loss rolling" in answer.remaining[0]
    assert codes(world) == ["LOSS_IN"]


@pytest.mark.parametrize("stands", [False, True])
def test_without_its_limit_it_ends(stands):
    world = holding()
    world.quote("BTC-USD", 54000)
    if stands:
        world.stand("BTC-USD", 54000)
    assert codes(world) == ["LOSS_IN"]
    world.send(ev.LimitsReplaced, limits=Limits())
    world.wait(1)
    assert codes(world) == []


def test_a_window_that_is_new_counts_from_then_on():
    world = holding()
    world.stand("BTC-USD", 62000)
    more = {"max_loss_in": [{"window": "4h", "limit": "0.1"}, {"window": "2h", "limit": "0.02"}]}
    actions = world.send(ev.LimitsReplaced, limits=Limits.model_validate(more))
    assert not of_kind(actions, CauseRaised)
    world.quote("BTC-USD", 62000)
    assert codes(world) == []
    world.quote("BTC-USD", 60000)
    assert codes(world) == ["LOSS_IN"]


def test_it_survives_a_restart_and_ends_as_it_would_have():
    world = holding()
    world.stand("BTC-USD", 54000)
    ends = cause(world).clears_at
    again = reloaded(world)
    again.wait(to=ends - timedelta(milliseconds=1))
    assert codes(again) == ["LOSS_IN"]
    again.wait(to=ends)
    assert codes(again) == []


def test_a_transfer_that_lifts_the_account_has_it_begin_anew():
    world = World(cash=100, min_equity=50, **LIMIT)
    world.wait(31)
    for usd in (10, 20_000):
        for _ in range(2):
            world.wait(3)
            world.balance("USD", usd)
    assert rolling(world.tracker, HOURS).base == 20_000


def test_shadow_windows_warn():
    world = World(shadow=LIMIT)
    world.hold(1)
    world.stand("BTC-USD", 54000)
    decision = world.ask(limit_order("0.01", 50000))
    assert decision
    assert [(one.code, one.scope) for one in decision.warnings] == [("MAX_LOSS_IN", "shadow")]
    assert codes(world) == []


def test_callers_that_ask_are_told():
    world = holding()
    world.stand("BTC-USD", 54000)
    told = world.manager.check_and_liquidate_on_loss()
    assert [(one.code, one.loss, one.ratio) for one in told if isinstance(one, ReduceOnly)] == [
        ("MAX_LOSS_IN", D(10_000), D("0.1"))
    ]
