"""What operators may do, and what ends by the calendar."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core import views
from sidecar.core.context.state import CAUSES
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    Answered,
    CauseCleared,
    CauseRaised,
    Liquidate,
    StateChanged,
)
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import CONNECTED, of_kind, restarted, sell_order
from tests.scenario import START, D, World, limit_order

LOSSES = {"max_daily_loss": "0.1", "max_drawdown": "0.1"}


def state(world):
    return world.manager.state.account


def causes(world):
    return [code for code, _ in world.manager.state.causes]


def answer(actions):
    (one,) = of_kind(actions, Answered)
    return one


def resume(world):
    return answer(world.send(ev.ResumeRequested, reason="looked at it", by="ann"))


def fallen(price, **limits):
    """One BTC bought at 64,000 with equity 100,000, now at this price, which is confirmed."""
    world = World(**limits)
    world.hold(1)
    world.stand("BTC-USD", price)
    return world


# --- Tightening -----------------------------------------------------------------------------------


def test_halt_halts_says_so_and_keeps_who_and_why():
    world = World()
    actions = world.send(ev.HaltRequested, reason="maintenance", by="ann")
    (cause,) = of_kind(actions, CauseRaised)
    assert (cause.code, cause.level, cause.scope) == ("OPERATOR_HALT", "HALTED", "all")
    (change,) = of_kind(actions, StateChanged)
    assert (change.before, change.after, change.reason) == ("ACTIVE", "HALTED", "maintenance")
    assert answer(actions).text == "HALTED: maintenance"
    assert world.manager.state.causes["OPERATOR_HALT", "all"].by == "ann"


def test_a_fault_of_the_sidecar_is_a_halt_of_its_own_kind():
    world = World()
    world.send(ev.HaltRequested, reason="assertion failed", by="sidecar", fault=True)
    assert causes(world) == ["FAULT"]
    assert resume(world).done
    assert state(world) == "ACTIVE"


def test_a_second_halt_changes_nothing_but_is_answered():
    world = World()
    world.send(ev.HaltRequested, reason="one")
    actions = world.send(ev.HaltRequested, reason="two")
    assert answer(actions).done
    assert not of_kind(actions, CauseRaised, StateChanged)


def test_reduce_only_binds_everything_by_default():
    world = World()
    actions = world.send(ev.ReduceOnlyRequested, reason="news at two")
    assert answer(actions).text == "only reducing orders pass: news at two"
    assert state(world) == "REDUCE_ONLY"


def test_reduce_only_may_bind_one_product_or_one_strategy():
    world = World()
    world.send(ev.ReduceOnlyRequested, reason="x", product_id="BTC-USDC")
    world.send(ev.ReduceOnlyRequested, reason="y", strategy_id="momo")
    assert list(world.manager.state.causes) == [
        ("OPERATOR_REDUCE_ONLY", "product:BTC-USDC"),
        ("OPERATOR_REDUCE_ONLY", "strategy:momo"),
    ]
    assert state(world) == "ACTIVE"
    assert not world.ask(limit_order())
    assert not world.ask(limit_order("1", "2000", product_id="ETH-USD"), strategy_id="momo")


def test_reduce_only_for_a_strategy_never_seen_says_from_when_it_binds():
    """It may be a typing mistake, or a strategy that starts tomorrow."""
    world = World()
    told = answer(world.send(ev.ReduceOnlyRequested, reason="y", strategy_id="momo"))
    assert told.done
    assert told.text == (
        "only reducing orders pass in strategy:momo: y; "
        "no order of 'momo' is known yet: it binds from its first one"
    )
    assert not world.ask(limit_order(), strategy_id="momo")
    world.fill("BUY", 1, 64000, strategy_id="grid")
    told = answer(world.send(ev.ReduceOnlyRequested, reason="z", strategy_id="grid"))
    assert told.text == "only reducing orders pass in strategy:grid: z"


def test_reduce_only_for_an_unlisted_product_is_answered_not_raised():
    """A typing mistake is not a fault."""
    told = answer(World().send(ev.ReduceOnlyRequested, reason="x", product_id="BTC-USDD"))
    assert not told.done
    assert "BTC-USDD" in told.text


@pytest.mark.parametrize("full", [True, False])
def test_a_full_disk_allows_reducing_orders_until_there_is_room(full):
    world = World()
    world.hold(1)
    world.send(ev.DiskChanged, full=True)
    world.send(ev.DiskChanged, full=full)
    assert state(world) == ("REDUCE_ONLY" if full else "ACTIVE")
    assert world.ask(sell_order(1))


@pytest.mark.parametrize(
    ("hangs", "reason"),
    [
        (False, "the disk is full: nothing can be kept"),
        (True, "the disk does not answer: nothing can be kept"),
    ],
)
def test_a_disk_that_does_not_answer_is_told_from_a_full_one(hangs, reason):
    world = World()
    world.send(ev.DiskChanged, full=True, hangs=hangs)
    assert [cause.reason for cause in world.manager.state.causes.values()] == [reason]


# --- Limits that cannot be used -------------------------------------------------------------------


def test_limits_that_cannot_be_used_leave_the_last_good_ones_and_let_only_reducing_orders_pass():
    world = World(max_order_notional="5000")
    world.hold(1)
    world.send(ev.LimitsRefused, reason="no max_drawdown")
    (cause,) = world.manager.state.causes.values()
    assert (cause.code, cause.scope, state(world)) == ("CONFIG", "all", "REDUCE_ONLY")
    assert cause.reason == "the last good limits are in force: no max_drawdown"
    assert world.ask(sell_order("0.05"))
    assert not world.ask(limit_order("0.01"))
    assert not answer(world.send(ev.ResumeRequested, reason="please")).done
    assert state(world) == "REDUCE_ONLY"
    assert world.manager.limits == Limits(max_order_notional="5000")


def test_each_start_with_a_fault_tells_it_and_the_cause_names_the_last():
    world = World()
    for fault in ("no max_drawdown", "no TOML"):
        alerts = of_kind(world.send(ev.LimitsRefused, reason=fault), Alert)
        assert [(one.severity, one.code) for one in alerts] == [("warning", "CONFIG")]
        (cause,) = world.manager.state.causes.values()
        assert cause.reason == alerts[0].text == f"the last good limits are in force: {fault}"
        assert cause.since == START


def test_good_limits_end_it_and_limits_that_lack_a_required_one_change_nothing():
    world = World(max_order_notional="5000")
    world.send(ev.LimitsRefused, reason="no max_drawdown")
    shadow: Any = {"require": ["max_drawdown", "max_var"], "shadow": {"max_drawdown": "0.1"}}
    told = answer(world.send(ev.LimitsReplaced, limits=Limits(max_order_notional="9", **shadow)))
    assert not told.done
    assert told.text.startswith("limits.require names max_drawdown, max_var, not set")
    assert told.text.endswith("; nothing was changed")
    assert (state(world), world.manager.limits.max_order_notional) == ("REDUCE_ONLY", D(5000))
    good = Limits(max_drawdown="0.1", max_var="0.2", **shadow)
    assert answer(world.send(ev.LimitsReplaced, limits=good)).done
    assert (state(world), world.manager.limits) == ("ACTIVE", good)


# --- Flatten --------------------------------------------------------------------------------------


def test_flatten_begins_at_once_and_needs_no_loss():
    world = World()
    world.hold(1)
    actions = world.send(ev.FlattenRequested, reason="enough", by="ann")
    (order,) = of_kind(actions, Liquidate)
    assert (order.reason, order.loss, order.limit) == ("flatten by ann: enough", None, None)
    assert answer(actions).text == "flattening"
    assert state(world) == "LIQUIDATING"


def test_flatten_twice_is_one_episode():
    world = World()
    world.hold(1)
    world.send(ev.FlattenRequested, reason="enough")
    actions = world.send(ev.FlattenRequested, reason="enough")
    assert not of_kind(actions, Liquidate)
    assert answer(actions).text == "the account is being flattened already"


@pytest.mark.parametrize("before", ["STARTING", "HALTED", "REDUCE_ONLY"])
def test_flatten_works_from_every_state(before):
    """It needs no bot, no feed and no finished start."""
    world = World(settings=CONNECTED) if before == "STARTING" else World()
    if before != "STARTING":
        world.hold(1)
    if before == "HALTED":
        world.send(ev.HaltRequested, reason="x")
    if before == "REDUCE_ONLY":
        world.send(ev.ReduceOnlyRequested, reason="x")
    assert state(world) == before
    assert of_kind(world.send(ev.FlattenRequested, reason="enough"), Liquidate)
    assert state(world) == "LIQUIDATING"


@pytest.mark.parametrize(("flat", "code"), [(True, "LIQUIDATED"), (False, "ABORTED")])
def test_an_ended_flatten_is_resumed_where_no_loss_stands_behind_it(flat, code):
    world = World(max_cumulative_loss="0.25")
    world.hold(1)
    world.send(ev.FlattenRequested, reason="enough")
    world.send(ev.LiquidationEnded, flat=flat)
    assert causes(world) == [code]
    assert resume(world).done
    assert state(world) == "ACTIVE"


@pytest.mark.parametrize(("flat", "code"), [(True, "LIQUIDATED"), (False, "ABORTED")])
def test_after_a_liquidation_resume_waits_for_resume_after(flat, code):
    """Whatever else an operator had put in force is lifted."""
    world = World(resume_after="4h")
    world.hold(1)
    world.send(ev.FlattenRequested, reason="enough")
    world.wait(3600)
    world.send(ev.LiquidationEnded, flat=flat, reason="sold")
    world.send(ev.ReduceOnlyRequested, reason="careful")
    world.wait(4 * 3600 - 1)
    refused = resume(world)
    assert not refused.done
    mend = f"from 2026-11-22 18:00:00 UTC on: {CAUSES[code].mend}"
    assert refused.remaining == (f"{code} (all): sold; fix: {mend}",)
    (shown,) = views.status(world.manager, world.now)["causes"]
    assert shown["mend"] == mend
    assert causes(world) == [code]
    world.wait(1)
    assert resume(world).done


def test_a_clock_that_is_ahead_makes_resume_wait_as_long():
    world = World(resume_after="4h")
    world.send(ev.FlattenRequested, reason="enough")
    world.send(ev.LiquidationEnded, flat=True)
    world.now += timedelta(hours=5)
    world.send(ev.ClocksCompared, ahead=timedelta(hours=4))
    assert not resume(world).done
    world.wait(3 * 3600)
    assert resume(world).done


def test_without_a_liquidation_resume_waits_for_nothing():
    world = World(resume_after="4h")
    world.send(ev.HaltRequested, reason="lunch")
    assert resume(world).done


def test_the_reason_of_an_ended_episode_may_be_given():
    world = World()
    world.hold(1)
    world.send(ev.FlattenRequested, reason="enough")
    world.send(ev.LiquidationEnded, flat=False, reason="ann stopped it")
    assert world.manager.state.causes["ABORTED", "all"].reason == "ann stopped it"


# --- Resume ---------------------------------------------------------------------------------------


def test_resume_lifts_all_that_operators_did():
    world = World()
    world.send(ev.HaltRequested, reason="x")
    world.send(ev.ReduceOnlyRequested, reason="y")
    world.send(ev.ReduceOnlyRequested, reason="z", product_id="BTC-USD")
    actions = world.send(ev.ResumeRequested, reason="looked at it", by="ann")
    assert answer(actions) == Answered(done=True, text="resumed")
    assert {c.reason for c in of_kind(actions, CauseCleared)} == {"resumed by ann: looked at it"}
    assert state(world) == "ACTIVE"


def test_resume_of_nothing_is_done():
    assert resume(World()).done


def test_resume_leaves_what_is_still_true_and_names_each_mend():
    """The account's state is then what remains."""
    world = fallen(54000, **LOSSES)
    world.send(ev.HaltRequested, reason="x")
    told = resume(world)
    assert (told.done, told.text) == (False, "not everything could be lifted")
    assert told.remaining == (
        "DAILY_LOSS (all): daily loss of 10000 USD, 10 % has reached 10 %; fix: "
        + CAUSES["DAILY_LOSS"].mend,
        "DRAWDOWN (all): drawdown of 10000 USD, 10 % has reached 10 %; fix: reset-loss drawdown",
    )
    assert state(world) == "REDUCE_ONLY"


def test_resume_lifts_losses_that_have_been_won_back():
    """Latched causes that are no longer breached."""
    world = fallen(54000, **LOSSES)
    world.quote("BTC-USD", 64000)
    assert causes(world) == ["DAILY_LOSS", "DRAWDOWN"]
    assert resume(world).done
    assert state(world) == "ACTIVE"


def test_resume_lifts_losses_whose_limit_was_raised_or_removed():
    world = fallen(54000, **LOSSES)
    world.send(ev.LimitsReplaced, limits=Limits(max_daily_loss="0.2"))
    assert causes(world) == ["DAILY_LOSS", "DRAWDOWN"]
    assert resume(world).done


def test_resume_judges_a_narrower_loss_by_its_own_limit():
    world = fallen(54000, product={"BTC-USD": {"max_daily_loss": "0.1"}})
    assert not resume(world).done
    world.quote("BTC-USD", 64000)
    assert resume(world).done


@pytest.mark.parametrize("flat", [True, False])
def test_resume_does_not_lift_a_halt_while_the_cumulative_loss_stands(flat):
    """Else the next episode would begin at once."""
    world = World(max_cumulative_loss="0.25")
    world.hold(1)
    world.fill("SELL", 1, 39000)
    world.send(ev.LiquidationEnded, flat=flat)
    told = resume(world)
    assert not told.done
    assert any("reset-loss cumulative first" in line for line in told.remaining)
    assert state(world) == "HALTED"
    world.send(ev.LossReset, window="cumulative", reason="accepted")
    assert resume(world).done
    assert state(world) == "ACTIVE"


def test_resume_does_not_end_an_episode_a_shock_or_a_full_disk():
    """They end by themselves, and say how."""
    world = World(price_shock={"max_move": "0.01"})
    world.hold(1)
    world.wait(1)
    world.quote("BTC-USD", 60000)
    world.send(ev.DiskChanged, full=True)
    world.send(ev.FlattenRequested, reason="enough")
    remaining = resume(world).remaining
    assert [line.split("; fix: ")[1] for line in remaining] == [
        "wait for the lockout to end", "make room on the disk; see to one that does not answer",
        "wait until the account is flat",
    ]  # fmt: skip


# --- reset-loss -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "left"),
    [
        ("daily", ["DRAWDOWN"]),
        ("weekly", ["DAILY_LOSS", "DRAWDOWN"]),
        ("drawdown", ["DAILY_LOSS"]),
        ("cumulative", ["DAILY_LOSS", "DRAWDOWN"]),
    ],
)
def test_resetting_a_window_ends_its_own_cause_only(window, left):
    world = fallen(54000, **LOSSES)
    told = answer(world.send(ev.LossReset, window=window, reason="accepted", by="ann"))
    assert (told.done, told.text) == (True, f"the {window} loss counts from now")
    assert causes(world) == left


def lost_in_scopes():
    """BTC and ETH have lost, a thousand dollars each or more; the BTC is a strategy's."""
    one = {"max_daily_loss": "1000 USD"}
    world = World(
        max_daily_loss="0.9",
        product={"BTC-USD": one, "ETH-USD": one},
        strategy={"trend": one},
    )
    world.fill("BUY", 1, 64_000, strategy_id="trend")
    world.fill("BUY", 1, 2_000, product_id="ETH-USD")
    world.stand("BTC-USD", 60_000)
    world.stand("ETH-USD", 1_000)
    return world


@pytest.mark.parametrize(
    ("scope", "named", "left"),
    [
        ({"product_id": "BTC-USD"}, "BTC", ["product:ETH-USD", "strategy:trend"]),
        ({"product_id": "ETH-USD"}, "ETH", ["product:BTC-USD", "strategy:trend"]),
        ({"strategy_id": "trend"}, "trend", ["product:BTC-USD", "product:ETH-USD"]),
        ({}, None, []),
    ],
)
def test_the_loss_of_one_scope_is_reset_and_those_of_others_go_on(scope, named, left):
    world = lost_in_scopes()
    assert len(causes(world)) == 3
    actions = world.send(ev.LossReset, window="daily", reason="accepted", by="ann", **scope)
    told = answer(actions)
    assert told.done
    assert {one.reason for one in of_kind(actions, CauseCleared)} == {"reset by ann: accepted"}
    assert named is None or told.text == f"the daily loss of {named} counts from now"
    assert sorted(scope for _, scope in world.manager.state.causes) == left
    world.stand("BTC-USD", 59_001)
    world.stand("ETH-USD", 1)
    assert sorted(scope for _, scope in world.manager.state.causes) == left
    world.stand("BTC-USD", 59_000)  # a thousand more
    assert "product:BTC-USD" in {scope for _, scope in world.manager.state.causes}
    assert "strategy:trend" in {scope for _, scope in world.manager.state.causes}


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"window": "drawdown", "product_id": "BTC-USD"}, "is the whole account's"),
        ({"window": "daily", "product_id": "NO-USD"}, "NO-USD"),
        ({"window": "daily", "strategy_id": "nobody"}, "no strategy 'nobody' is known"),
    ],
)
def test_a_scope_that_has_no_such_loss_is_told(asked, text):
    world = lost_in_scopes()
    told = answer(world.send(ev.LossReset, reason="accepted", **asked))
    assert not told.done
    assert text in told.text
    assert len(causes(world)) == 3


def test_a_reset_window_counts_from_now():
    world = fallen(54000, **LOSSES)
    for window in ("daily", "drawdown"):
        world.send(ev.LossReset, window=window, reason="accepted")
    assert state(world) == "ACTIVE"
    world.quote("BTC-USD", "45000.01")  # a tenth of the 90,000 that are left is 9,000
    assert state(world) == "ACTIVE"
    world.quote("BTC-USD", 45000)
    assert causes(world) == ["DAILY_LOSS", "DRAWDOWN"]


def test_a_window_that_is_reset_in_a_passing_tick_begins_at_the_confirmed_mark():
    """The loss that it shows goes on, until it is confirmed or gone."""
    world = World(max_daily_loss="0.1")
    world.hold(1)
    world.quote("BTC-USD", 54000)
    world.send(ev.LossReset, window="daily", reason="accepted")
    assert causes(world) == ["DAILY_LOSS"]
    world.quote("BTC-USD", 64000)
    assert causes(world) == []


def test_resetting_the_cumulative_loss_ends_its_first_sight():
    world = fallen("39000.01", max_cumulative_loss="0.25")
    world.quote("BTC-USD", 39000)
    assert causes(world) == ["CUMULATIVE_LOSS"]
    world.send(ev.LossReset, window="cumulative", reason="accepted")
    assert state(world) == "ACTIVE"


def test_no_window_can_be_reset_before_one_has_begun():
    world = World(settings=CONNECTED)
    told = answer(world.send(ev.LossReset, window="daily", reason="x"))
    assert not told.done
    assert "wait until the start is complete" in told.text


# --- The calendar ---------------------------------------------------------------------------------


def test_a_daily_loss_ends_at_the_reset_and_counts_anew():
    world = fallen(54000, max_daily_loss="0.1")
    assert world.manager.state.causes["DAILY_LOSS", "all"].clears_at == START + timedelta(days=1)
    world.wait(to=START + timedelta(days=1, milliseconds=-1))
    assert state(world) == "REDUCE_ONLY"
    actions = world.wait(to=START + timedelta(days=1))
    assert [c.code for c in of_kind(actions, CauseCleared)] == ["DAILY_LOSS"]
    assert state(world) == "ACTIVE"


def test_a_drawdown_ends_with_no_day():
    world = fallen(54000, max_drawdown="0.1")
    world.wait(to=START + timedelta(days=30))
    assert state(world) == "REDUCE_ONLY"


def test_a_daily_loss_recovered_still_binds_until_the_reset():
    """It is latched: a market that swings must not switch the bot on and off."""
    world = fallen(54000, max_daily_loss="0.1")
    world.quote("BTC-USD", 70000)
    assert state(world) == "REDUCE_ONLY"


@pytest.mark.parametrize("days", [0, 1])
def test_causes_survive_a_restart_and_end_as_they_would_have(days):
    world = restarted(fallen(54000, max_daily_loss="0.1"))
    world.wait(to=START + timedelta(days=days, seconds=5))
    assert state(world) == ("ACTIVE" if days else "REDUCE_ONLY")


def test_a_first_sight_ends_with_the_next_quote_after_a_restart_too():
    world = World(max_daily_loss="0.1")
    world.hold(1)
    world.quote("BTC-USD", 54000)
    world = restarted(world)
    assert state(world) == "REDUCE_ONLY"
    world.quote("BTC-USD", 64000)
    assert state(world) == "ACTIVE"


def test_a_halt_survives_a_restart():
    world = World()
    world.send(ev.HaltRequested, reason="x")
    assert state(restarted(world)) == "HALTED"


def test_a_flatten_is_done_whether_it_begins_one_or_finds_one_under_way():
    world = World(settings=CONNECTED)
    for text in ("flattening", "the account is being flattened already"):
        said = answer(world.send(ev.FlattenRequested, reason="enough"))
        assert (said.done, said.text) == (True, text)
