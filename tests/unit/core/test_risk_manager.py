"""RiskManager: facts in, actions out."""

import inspect
import re
from datetime import timedelta
from decimal import localcontext
from itertools import pairwise

import msgspec
import pytest

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.guards import loosening, operator_verbs, sessions
from sidecar.core.judging.verdict import PROPOSALS
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    Answered,
    CauseRaised,
    Decided,
    FindOrder,
    Liquidate,
    ReadProduct,
    Reconcile,
    RefreshQuotes,
    StateChanged,
    WakeAt,
)
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import (
    connected,
    memory,
    names,
    of_kind,
    reloaded,
    restarted,
    sell_order,
)
from tests.scenario import START, D, World, limit_order, order, product


def state(world):
    return world.manager.state.account


def test_without_a_connection_the_account_is_active_from_the_first():
    manager = RiskManager(Limits(), PositionTracker(), clock=lambda: START)
    assert manager.state.account == "ACTIVE"


# --- Restarts -------------------------------------------------------------------------------------


def test_what_was_worked_out_before_any_fact_is_old_after_it():
    """And after figures of risk were due, or time had passed: the count never comes back to what it was."""
    world = World()
    told = [world.tracker.version]
    world.ask(limit_order())
    for seconds in (1, 10):  # a fact, and risk is due; then time is up for the approval as well
        world.wait(seconds)
        told.append(world.tracker.version)
    assert [after - before for before, after in pairwise(told)] == [4, 5]
    assert restarted(world).tracker.version > 0


def test_a_loss_that_the_tracker_alone_was_told_of_is_looked_at_again_in_time():
    """As a program does that tells its tracker of prices, and asks the manager about orders."""
    world = World(max_cumulative_loss="0.1")
    world.hold("1.5")
    price = ev.Quote("BTC-USD", D(50_000), D(50_000), world.now)
    world.tracker.apply(ev.Quotes(at=world.now, quotes=(price,)))
    actions = world.send(ev.OrderProposed, body=limit_order())
    assert [one.code for one in of_kind(actions, CauseRaised)] == ["CUMULATIVE_LOSS"]
    assert of_kind(actions, WakeAt) == [WakeAt(at=world.now + timedelta(seconds=2))]


def test_a_book_that_falls_apart_is_looked_at_again_when_its_mark_is_old():
    world = World()
    world.hold(20, 2000, product_id="ETH-USD")
    assert world.quote("ETH-USD", 1900, 2100) == [WakeAt(at=world.now + timedelta(seconds=60))]


def test_a_price_that_was_not_judged_before_a_restart_is_judged_after_it():
    world = World(max_daily_loss="500 USD")
    world.hold()
    price = ev.Quote("BTC-USD", D(63_000), D(63_000), world.now)
    world.tracker.apply(ev.Quotes(at=world.now, quotes=(price,)))
    again = reloaded(world)
    assert not again.ask(limit_order("0.01", 62000)).approved
    assert state(again) == "REDUCE_ONLY"


def test_a_restart_under_other_limits_judges_by_them_at_once():
    world = World()
    world.hold()
    world.quote("BTC-USD", 63000)
    again = restarted(world, max_daily_loss="500 USD")
    assert not again.ask(limit_order("0.01", 62000)).approved
    assert state(again) == "REDUCE_ONLY"


def test_a_restart_begins_in_starting_whatever_was():
    world = restarted(connected(held=1))
    assert state(world) == "STARTING"
    assert not world.ask(limit_order())


@pytest.mark.parametrize("how", [ev.HaltRequested, ev.ReduceOnlyRequested, ev.FlattenRequested])
def test_a_restart_never_loosens(how):
    world = World()
    world.hold(1)
    world.send(how, reason="x")
    before = state(world)
    again = restarted(world)
    again.wait(3600)
    assert state(again) == before


def test_an_approval_from_before_a_restart_is_not_given_again_while_starting():
    """The feeds are down: what was approved then may be wrong by now."""
    world = connected(held=1)
    assert world.ask(limit_order(name="one"))
    assert world.ask(limit_order(name="one")).replayed
    decision = restarted(world).ask(limit_order(name="one"))
    assert not decision.replayed
    assert "NOT_READY" in decision.codes


def test_without_a_connection_an_approval_is_given_again_after_a_restart():
    world = World()
    world.ask(limit_order(name="one"))
    assert restarted(world).ask(limit_order(name="one")).replayed


def test_rates_survive_a_restart():
    world = World(max_order_rate={"count": 1, "window_s": 60})
    world.ask(limit_order())
    assert not restarted(world).ask(limit_order("0.02"))


def test_a_boundary_passed_while_down_rolls_before_the_first_fact():
    """Losses while down count to the new day."""
    world = World(max_daily_loss="0.1")
    world.hold(1)
    world = restarted(world)
    world.now = START + timedelta(days=1, hours=1)
    world.quote("BTC-USD", 54000)
    assert [code for code, _ in world.manager.state.causes] == ["DAILY_LOSS"]
    assert world.tracker.windows is not None
    assert world.tracker.windows.next_reset == START + timedelta(days=2)


# --- Feeds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", ["user", "market"])
def test_a_lost_feed_is_told(feed):
    world = connected(held=1)
    (alert,) = of_kind(world.send(ev.FeedChanged, feed=feed, signal="lost"), Alert)
    assert (alert.severity, alert.code, alert.text) == (
        "warning",
        "FEED_LOST",
        f"the {feed} feed is silent",
    )


@pytest.mark.parametrize(
    ("signal", "reason"),
    [("gap", "the user feed lost frames"), ("connected", "the user feed connected")],
)
def test_a_user_feed_that_may_have_missed_something_is_reconciled(signal, reason):
    world = connected(held=1)
    (wish,) = of_kind(world.send(ev.FeedChanged, feed="user", signal=signal), Reconcile)
    assert wish.reason == reason


def test_a_reading_that_was_under_way_at_the_gap_heals_nothing_and_another_is_asked_for():
    world = connected(held=1)
    began_at = world.now
    world.wait(1)
    world.send(ev.FeedChanged, feed="user", signal="gap")
    (wish,) = of_kind(world.send(ev.AccountReconciled, began_at=began_at), Reconcile)
    assert wish.reason == "the user feed was doubted after the last reading had begun"
    assert world.ask(limit_order()).codes == ("STALE_ACCOUNT_DATA",)
    world = reloaded(world)
    assert of_kind(world.send(ev.AccountReconciled, began_at=began_at), Reconcile)
    assert not of_kind(world.send(ev.AccountReconciled, began_at=world.now), Reconcile)
    assert world.ask(limit_order())


def test_while_the_user_feed_is_silent_no_reading_is_asked_for():
    """It will be once it connects."""
    world = connected(held=1)
    world.wait(1)
    for signal in ("connected", "lost"):
        world.send(ev.FeedChanged, feed="user", signal=signal)
    assert not of_kind(world.send(ev.AccountReconciled, began_at=START), Reconcile)


def test_books_that_nothing_has_confirmed_for_long_take_no_more_risk():
    world = connected(held=1)
    assert world.ask(limit_order(name="one"))
    (alert,) = of_kind(world.send(ev.ReconciliationFailed, reason="HTTP 401"), Alert)
    assert (alert.severity, alert.code) == ("critical", "NOT_RECONCILED")
    assert alert.text == "the account cannot be read over REST: HTTP 401"
    assert world.ask(limit_order(name="one")).codes == ("STALE_ACCOUNT_DATA",)
    assert world.ask(limit_order(side="SELL"), dry_run=True)
    assert not of_kind(world.send(ev.ReconciliationFailed, reason="HTTP 401"), Alert)
    world.send(ev.AccountReconciled, began_at=world.now)
    assert world.ask(limit_order())


@pytest.mark.parametrize("signal", ["gap", "connected"])
def test_after_a_break_the_quotes_of_what_is_held_are_read_again(signal):
    world = connected(held=1)
    (wish,) = of_kind(world.send(ev.FeedChanged, feed="market", signal=signal), RefreshQuotes)
    assert wish.product_ids == ("BTC-USD",)


def test_with_nothing_held_there_is_nothing_to_read_again():
    assert not of_kind(connected().send(ev.FeedChanged, feed="market", signal="gap"), RefreshQuotes)


# --- Facts ----------------------------------------------------------------------------------------


def test_a_fact_about_an_unlisted_product_asks_to_read_it():
    world = World()
    actions = world.fill("BUY", 1, 1, product_id="NEW-USD")
    assert of_kind(actions, ReadProduct) == [ReadProduct(product_id="NEW-USD")]


def test_an_open_question_is_settled_by_a_reconciliation():
    world = World()
    world.fill("BUY", 1, 1, product_id="NEW-USD")
    assert not world.ask(limit_order())
    world.send(ev.ProductsListed, products=(product("NEW-USD"),))
    world.send(ev.AccountReconciled)
    assert world.ask(limit_order())


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1"])
def test_a_fact_that_cannot_be_is_refused_and_changes_nothing(price):
    world = World()
    world.hold(1)
    before = memory(world)
    with pytest.raises(Untrusted):
        world.quote("BTC-USD", price)
    assert memory(world) == before


def test_what_time_set_in_motion_is_not_lost_with_a_bad_fact():
    """A confirmed loss that a bad quote meets on its way is handed over with the next fact."""
    world = World(max_cumulative_loss="0.25")
    world.hold(1)
    for price in (39000, 38999, 38998):
        world.now += timedelta(seconds=0.5)
        world.quote("BTC-USD", price)
    world.now += timedelta(seconds=2)
    with pytest.raises(Untrusted):
        world.quote("BTC-USD", "NaN")
    assert state(world) == "LIQUIDATING"
    actions = world.wait(1)
    assert names(actions).count("Liquidate") == 1
    assert of_kind(actions, StateChanged)[0].after == "LIQUIDATING"
    assert not of_kind(world.wait(1), Liquidate)


def test_a_search_is_not_lost_with_a_bad_fact():
    world = connected()
    world.ask(limit_order(name="one"))
    world.now += timedelta(seconds=10)
    with pytest.raises(Untrusted):
        world.quote("BTC-USD", "NaN")
    assert [f.client_order_id for f in of_kind(world.wait(0), FindOrder)] == ["one"]


# --- Waking ---------------------------------------------------------------------------------------


def wakes(world):
    return [wish.at for wish in of_kind(world.actions, WakeAt)]


def test_the_core_asks_to_be_woken_for_the_next_day():
    world = World(products=())
    world.wait(0)
    assert wakes(world) == [START + timedelta(days=1)]


def test_the_core_asks_once_for_the_same_moment():
    world = World()
    world.wait(1)
    assert wakes(world) == []


def test_an_approval_asks_to_be_woken_when_it_lapses():
    world = World()
    event = ev.OrderProposed(at=world.now, body=limit_order())
    assert of_kind(world.handle(event), WakeAt) == [WakeAt(at=START + timedelta(seconds=10))]


def test_a_question_after_time_has_passed_asks_to_be_woken_for_what_is_due_next():
    """No other fact may come by then."""
    world = World()
    world.ask(limit_order(name="one"))
    world.wait(5)
    world.ask(limit_order(name="two"))
    world.now += timedelta(seconds=6)
    proposal = ev.OrderProposed(at=world.now, body=limit_order(), dry_run=True)
    actions = of_kind(world.handle(proposal), Alert, WakeAt)
    assert names(actions) == ["Alert", "WakeAt"]
    assert actions[1].at == START + timedelta(seconds=15)


def test_a_lockout_asks_to_be_woken_when_it_ends():
    world = World(price_shock={"max_move": "0.01", "lockout_s": 60})
    world.wait(1)
    world.quote("BTC-USD", 60000)
    assert wakes(world) == [START + timedelta(seconds=61)]


def test_woken_at_the_asked_time_the_core_does_what_was_due():
    world = World()
    world.ask(limit_order())
    (alert,) = of_kind(world.wait(10), Alert)
    assert alert.code == "APPROVAL_LAPSED"
    assert wakes(world) == [START + timedelta(days=1)]


# --- The verb -------------------------------------------------------------------------------------


def test_a_proposal_is_answered_by_a_decision():
    world = World()
    event = ev.OrderProposed(at=world.now, body=limit_order())
    (answer,) = of_kind(world.handle(event), Decided)
    assert answer.decision


def test_a_state_change_names_what_is_behind_it():
    world = World(max_daily_loss="0.1")
    world.hold(1)
    (change,) = of_kind(world.stand("BTC-USD", 54000), StateChanged)
    assert (change.before, change.after) == ("ACTIVE", "REDUCE_ONLY")
    assert change.reason == "daily loss of 10000 USD, 10 % has reached 10 %"
    (change,) = of_kind(world.wait(to=START + timedelta(days=1)), StateChanged)
    assert (change.after, change.reason) == (
        "ACTIVE",
        "ready: no restrictions",
    )


def test_a_cause_is_told_before_what_it_brings_about():
    world = World()
    actions = names(world.send(ev.FlattenRequested, reason="x"))
    assert actions.index("CauseRaised") < actions.index("Liquidate")


def test_the_callers_decimal_context_changes_nothing():
    """A caller who counts with three digits gets the same answer."""
    body = limit_order("0.12345678", "64000.01", name="one")
    expected = World(max_order_notional=5000).ask(body)
    with localcontext() as context:
        context.prec = 3
        assert World(max_order_notional=5000).ask(body) == expected


def test_new_limits_bind_from_now_on():
    world = World()
    world.hold(1)
    world.send(ev.LimitsReplaced, limits=Limits(max_order_size="0.1", max_spread="0.01"))
    assert world.manager.limits.max_order_size == D("0.1")
    assert not world.ask(limit_order("0.2"))
    world.quote("BTC-USD", 60000, 61000)
    assert world.tracker.marks.usd("BTC") == 64000


def test_new_limits_that_are_broken_already_bind_at_once():
    world = World()
    world.hold(1)
    world.quote("BTC-USD", 54000)
    (cause,) = of_kind(
        world.send(ev.LimitsReplaced, limits=Limits(max_daily_loss="0.1")), CauseRaised
    )
    assert cause.code == "DAILY_LOSS"


def test_new_limits_are_answered():
    (answer,) = of_kind(World().send(ev.LimitsReplaced, limits=Limits(max_order_size=1)), Answered)
    assert (answer.done, answer.text) == (
        True,
        "the new limits bind from now on: tighter max_order_size not set → 1",
    )


def test_custom_rules_are_not_exchanged_under_way():
    """Their names alone would be accepted and enforce nothing."""
    world = World(max_order_size="0.1", custom=("my:rule",))
    before = world.manager.limits, world.manager.state.tightenings
    changed = Limits(max_order_size=1, custom=("my:rule", "my:other"))
    (answer,) = of_kind(world.send(ev.LimitsReplaced, limits=changed), Answered)
    assert not answer.done
    assert "restart to change limits.custom" in answer.text
    assert (world.manager.limits, world.manager.state.tightenings) == before
    same = Limits(max_order_size=1, custom=("my:rule",))
    (answer,) = of_kind(world.send(ev.LimitsReplaced, limits=same), Answered)
    assert answer.done
    assert world.manager.limits == same


def test_a_product_listed_anew_is_judged_by_its_new_rules():
    world = World()
    assert world.ask(limit_order())
    world.send(ev.ProductsListed, products=(product("BTC-USD", view_only=True),))
    assert world.ask(limit_order()).codes == ("PRODUCT_UNTRADABLE",)


def test_an_engine_that_marks_only_the_tracker_is_judged_at_the_next_question():
    """Library use: facts go to the tracker, questions to the manager."""
    world = World(max_daily_loss="0.1")
    world.hold(1)
    quote = ev.Quote("BTC-USD", D(54000), D(54000), world.now)
    world.tracker.apply(ev.Quotes(at=world.now, quotes=(quote,)))
    assert world.ask(limit_order("0.01", 54000)).state == "REDUCE_ONLY"


def test_the_peak_of_a_drawdown_is_noted_between_questions():
    world = World(max_drawdown="10000 USD")
    world.hold(1)
    for price in (70000, 70000, 70000, 60000):
        quote = ev.Quote("BTC-USD", D(price), D(price), world.now)
        world.tracker.apply(ev.Quotes(at=world.now, quotes=(quote,)))
        world.now += timedelta(seconds=1)
    assert world.ask(sell_order(1, 60000)).state == "REDUCE_ONLY"


# --- Events and actions are data -------------------------------------------------------------------


def test_every_action_and_event_survives_json():
    """They are journalled and replayed."""
    world = World(max_cumulative_loss="0.25", price_shock={"max_move": "0.01"})
    world.hold(1)
    seen = []
    for price in (39000, 38999, 38998):
        seen += world.wait(1)
        seen += world.quote("BTC-USD", price)
    for action in seen:
        assert msgspec.json.decode(msgspec.json.encode(action), type=type(action)) == action
    event = ev.OrderProposed(at=world.now, body=order("x"), strategy_id="momo")
    assert msgspec.json.decode(msgspec.json.encode(event), type=ev.OrderProposed) == event


def test_every_kind_of_event_names_itself():
    kinds = ev.Event.__subclasses__()
    tags = {msgspec.json.decode(msgspec.json.encode(ev.ClockAdvanced(at=START)))["type"]}
    assert tags == {"ClockAdvanced"}
    assert len({kind.__name__ for kind in kinds}) == len(kinds)


def test_a_restart_under_a_cause_announces_no_change_of_state():
    """What was in force before is nothing new."""
    world = World()
    world.send(ev.HaltRequested, reason="lunch")
    assert not [a for a in restarted(world).wait(1) if isinstance(a, StateChanged)]


# --- Facts ----------------------------------------------------------------------------------------

# Facts that no table of functions has, and the part that reads them.
READ_ELSEWHERE = {
    "AccountRead": "the liquidator", "AttemptAnswered": "the liquidator", "AttemptMissing": "the liquidator",
    "ClockAdvanced": "every fact carries the time", "ClocksCompared": "the manager, before it lets time pass",
    "ElsewhereRead": "the doubts", "FillPassedOver": "the doubts", "ProductElsewhere": "the doubts",
    "FuturesAbsent": "the doubts", "FuturesUnread": "the doubts", "Stopped": "the journal's readers",
}  # fmt: skip


def test_every_fact_is_read_by_somebody():
    """A fact without a row in a table of functions would be taken in, and dropped in silence."""
    manager = World().manager
    tables: set[type] = {*manager._handlers, *manager.tracker._handlers, *PROPOSALS}
    verbs = "".join(inspect.getsource(module) for module in (loosening, operator_verbs, sessions))
    matched = set(re.findall(r"case ev\.(\w+)\(", verbs))
    read = {kind.__name__ for kind in tables} | matched | READ_ELSEWHERE.keys()
    assert {kind.__name__ for kind in ev.Event.__subclasses__()} == read


def test_a_bot_that_asks_for_its_strategy_begins_its_grace_anew():
    """Though on a connection that gave no name."""
    world = World()
    world.send(
        ev.BotConnected, name="grid", uid=7, strategy_id="grid", on_disconnect="cancel_orders"
    )
    world.send(ev.BotDropped, name="grid", uid=7)
    world.wait(29)
    world.send(ev.OrderProposed, body=limit_order(), strategy_id="grid", asker=ev.Asker(uid=7))
    world.wait(29)
    assert world.manager.sessions.known
    world.wait(2)
    assert not world.manager.sessions.known
