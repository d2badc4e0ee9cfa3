"""A flattening, step by step: what is asked for next, given what is known."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Answered,
    CancelOrders,
    FindAttempt,
    LiquidationReported,
    PlaceOrder,
    ReadAccount,
    ReadOrders,
    WakeAt,
)
from tests.decisions import connected, names, of_kind, reloaded, restarted
from tests.flattening import OPEN, Flattening, begun, codes, idle, selling, size_of
from tests.scenario import D, World, limit_order

# --- From the first cancel to flat ----------------------------------------------------------------


def test_what_is_known_to_be_open_is_cancelled_at_once() -> None:
    flat = Flattening()
    flat.report("a", **OPEN)
    flat.report("b", **OPEN)
    (cancel,) = of_kind(flat.begin(), CancelOrders)
    assert cancel.order_ids == ("a", "b")
    assert not of_kind(flat.actions, ReadAccount)


def test_the_account_is_read_once_all_of_them_are_gone() -> None:
    flat = Flattening()
    flat.report("a", **OPEN)
    flat.report("b", **OPEN)
    flat.begin()
    flat.report("a", status="CANCELLED", side="BUY")
    assert not of_kind(flat.actions, ReadAccount)
    flat.report("b", status="CANCELLED", side="BUY")
    assert of_kind(flat.actions, ReadAccount)


def test_where_nothing_says_that_they_are_gone_a_reading_tells() -> None:
    flat = Flattening()
    flat.report("a", **OPEN)
    (wake,) = of_kind(flat.begin(), WakeAt)
    assert wake.at - flat.world.now == timedelta(seconds=0.5)
    assert of_kind(flat.wait(0.5), ReadAccount)


def test_all_that_is_held_is_sold_at_the_market() -> None:
    flat = begun(BTC="1.5")
    flat.read({"BTC": "1.5"})
    (sale,) = flat.placed
    assert not sale.closes
    assert sale.body == {
        "client_order_id": sale.client_order_id, "product_id": "BTC-USD", "side": "SELL",
        "order_configuration": {"market_market_ioc": {"base_size": "1.5"}},
    }  # fmt: skip


def test_ids_follow_from_episode_product_and_attempt() -> None:
    flat, sale = selling()
    assert sale.client_order_id == "risk-sidecar-20261122T130000-1-BTC-USD-1"
    flat.fills(sale, filled="0.4", status="CANCELLED")
    flat.read({"BTC": "0.6"})
    (sale,) = flat.placed
    assert sale.client_order_id == "risk-sidecar-20261122T130000-1-BTC-USD-2"
    assert size_of(sale) == "0.6"


def test_when_a_reading_says_flat_the_account_is_halted_and_reported() -> None:
    flat, sale = selling()
    flat.fills(sale, price=63990, fees="7")
    assert of_kind(flat.actions, ReadAccount)
    flat.read({"BTC": 0})
    assert flat.is_done
    assert flat.world.manager.state.account == "HALTED"
    (told,) = of_kind(flat.actions, LiquidationReported)
    report = told.report
    assert (report.outcome, report.proceeds, report.fees, report.slippage) == ("flat", 63990, 7, 10)
    (row,) = report.rows
    assert (row.key, row.held, row.sold, row.left, row.attempts) == ("BTC", 1, 1, 0, 1)
    assert "the account was flattened: flatten by operator: enough" in flat.actions[-1].reason  # type: ignore[attr-defined]


def test_the_largest_exposure_is_sold_first_and_side_by_side() -> None:
    flat = begun(BTC="0.01", ETH=5)
    flat.read({"BTC": "0.01", "ETH": 5})
    assert [placed.body["product_id"] for placed in flat.placed] == ["ETH-USD", "BTC-USD"]


def test_an_account_that_holds_nothing_is_flat_once_read() -> None:
    flat = begun(BTC=0)
    flat.read()
    assert flat.is_done
    assert flat.world.manager.state.account == "HALTED"


def test_what_the_reading_finds_open_is_cancelled_and_its_key_waits() -> None:
    flat = begun(BTC=1, ETH=2)
    flat.world.report("x", **OPEN)
    flat.read({"BTC": 1, "ETH": 2}, orders=["x"])
    (cancel,) = of_kind(flat.actions, CancelOrders)
    assert cancel.order_ids == ("x",)
    assert [placed.body["product_id"] for placed in flat.placed] == ["ETH-USD"]


def test_cancelled_orders_are_counted_once_and_own_sales_are_none() -> None:
    flat = begun()
    flat.world.report("x", **OPEN)
    flat.read({"BTC": 1}, orders=["x"])
    flat.wait(0.5)
    flat.read({"BTC": 1}, orders=["x"])
    assert list(flat.episode.cancelled) == ["x"]
    flat.report("x", status="CANCELLED", side="BUY")
    flat.wait(1)
    flat.read({"BTC": 1})
    name = flat.placed[0].client_order_id
    flat.report("mine", **(OPEN | {"side": "SELL", "client_order_id": name, "base_size": 1}))
    flat.wait(5)
    flat.read({"BTC": 1}, orders=["mine"])
    assert of_kind(flat.actions, CancelOrders)[0].order_ids == ("mine",)
    assert list(flat.episode.cancelled) == ["x"]


def test_it_goes_on_while_a_bot_keeps_buying() -> None:
    flat, sale = selling()
    for number in range(3):
        flat.fills(sale)
        flat.world.fill("BUY", "0.3", 64000, order_id=f"bot-{number}")
        flat.read({"BTC": "0.3"})
        (sale,) = flat.placed
        assert size_of(sale) == "0.3"
    flat.fills(sale)
    flat.read()
    assert flat.is_done


# --- Answers to a sale ----------------------------------------------------------------------------


def test_an_accepted_sale_is_read_back() -> None:
    flat, sale = selling()
    flat.answer(sale.client_order_id, "accepted", order_id="o1")
    assert of_kind(flat.actions, ReadOrders)[0].order_ids == ("o1",)
    flat.wait(5)
    assert of_kind(flat.actions, ReadAccount)[0].order_ids == ("o1",)


def test_an_answer_that_comes_behind_the_report_changes_nothing() -> None:
    flat, sale = selling()
    flat.report("o1", status="FILLED", side="SELL", client_order_id=sale.client_order_id, filled=1,
                average_price=64000)  # fmt: skip
    flat.answer(sale.client_order_id, "accepted", order_id="o1")
    assert not of_kind(flat.actions, ReadOrders)


def test_answers_to_nothing_are_left_alone() -> None:
    flat, _ = selling()
    assert not flat.answer("stranger", "accepted", order_id="o1")
    assert not flat.world.send(ev.AttemptMissing, client_order_id="stranger")
    assert not flat.world.send(ev.ClockAdvanced)
    fresh = connected()
    fresh.send(ev.AttemptAnswered, client_order_id="x", outcome="refused")
    assert not fresh.manager.liquidator.is_busy


def test_without_an_answer_it_is_looked_for_and_sent_again_only_when_it_is_not_there() -> None:
    flat, sale = selling()
    (find,) = of_kind(flat.answer(sale.client_order_id, "unknown", reason="timeout"), FindAttempt)
    assert (find.client_order_id, find.product_id) == (sale.client_order_id, "BTC-USD")
    assert flat.world.manager.liquidator.wants(sale.client_order_id)
    missing = flat.take(flat.world.send(ev.AttemptMissing, client_order_id=sale.client_order_id))
    assert of_kind(missing, PlaceOrder) == [sale]


def test_without_an_answer_and_found_it_is_not_sent_again() -> None:
    flat, sale = selling()
    flat.answer(sale.client_order_id, "unknown")
    flat.report("o1", status="FILLED", side="SELL", client_order_id=sale.client_order_id, filled=1,
                average_price=64000)  # fmt: skip
    assert not flat.world.manager.liquidator.wants(sale.client_order_id)
    assert not of_kind(flat.world.send(ev.AttemptMissing, client_order_id=sale.client_order_id), PlaceOrder)  # fmt: skip


@pytest.mark.parametrize("outcome", ["refused", "not_sent"])
def test_what_was_not_taken_is_tried_anew_under_another_id(outcome: str) -> None:
    flat, sale = selling()
    flat.answer(sale.client_order_id, outcome, reason="INSUFFICIENT_FUND")
    assert of_kind(flat.actions, ReadAccount)
    flat.read({"BTC": 1})
    (again,) = flat.placed
    assert again.client_order_id.endswith("-2")


def test_a_repeated_id_is_looked_for_not_given_up() -> None:
    flat, sale = selling()
    flat.answer(sale.client_order_id, "refused", reason="DUPLICATE_CLIENT_ORDER_ID")
    assert of_kind(flat.actions, FindAttempt)


def test_another_order_under_its_id_is_told_and_not_counted() -> None:
    flat, sale = selling()
    flat.report("old", status="FILLED", side="SELL", client_order_id=sale.client_order_id, base_size=9,
                filled=9, average_price=1, by_rest=True)  # fmt: skip
    assert codes(flat) == ["OWN_ORDER_DIFFERS"]
    assert of_kind(flat.actions, ReadAccount)
    flat.report("old", status="FILLED", side="SELL", client_order_id=sale.client_order_id, base_size=9,
                filled=9, average_price=1, by_rest=True)  # fmt: skip
    (report,) = flat.world.manager.liquidator.reports()
    assert report.proceeds == 0


def test_a_sale_that_has_ended_is_not_begun_again_by_a_late_word() -> None:
    """The user channel was faster than the read-back that was asked for."""
    flat, sale = selling()
    flat.fills(sale)
    flat.report(f"id-{sale.client_order_id}", status="PENDING", side="SELL", base_size=1,
                client_order_id=sale.client_order_id)  # fmt: skip
    assert not flat.episode.live()
    flat.read()
    assert flat.is_done


def test_a_sale_said_to_be_refused_and_yet_there_is_waited_for() -> None:
    flat, sale = selling()
    flat.answer(sale.client_order_id, "refused", reason="they say")
    flat.report("o1", side="SELL", base_size=1, leaves=1, client_order_id=sale.client_order_id)
    flat.read({"BTC": 1}, orders=["o1"])
    assert not flat.placed
    flat.report("o1", side="SELL", status="CANCELLED", client_order_id=sale.client_order_id)
    flat.wait(5)
    flat.read({"BTC": 1})
    assert size_of(flat.placed[0]) == "1"


def test_an_accepted_order_that_nobody_knows_is_over_after_a_while() -> None:
    flat, sale = selling()
    flat.answer(sale.client_order_id, "accepted", order_id="ghost")
    flat.wait(5)
    flat.read({"BTC": 1}, missing=("ghost",))
    assert not flat.placed
    flat.wait(10)
    flat.read({"BTC": 1}, missing=("ghost",))
    assert size_of(flat.placed[0]) == "1"


# --- A restart, an abort, a caller's own end ------------------------------------------------------


def test_every_step_survives_a_restart() -> None:
    flat, sale = selling()
    assert reloaded(flat.world).manager.liquidator.memory == flat.world.manager.liquidator.memory
    flat.world = restarted(flat.world)
    assert flat.world.manager.state.account == "LIQUIDATING"
    (find,) = of_kind(flat.world.actions, FindAttempt)
    assert find.client_order_id == sale.client_order_id
    assert not of_kind(flat.world.actions, PlaceOrder)


def test_a_restart_in_a_reading_reads_anew() -> None:
    flat = begun()
    flat.world = restarted(flat.world)
    (reading,) = of_kind(flat.world.actions, ReadAccount)
    assert reading.reading == flat.reading


def test_a_restart_among_cancels_cancels_anew_and_needs_no_finished_start() -> None:
    flat = Flattening()
    flat.report("x", **OPEN)
    flat.begin()
    flat.world = restarted(flat.world)
    assert not flat.world.manager.state.ready
    (cancel,) = of_kind(flat.world.actions, CancelOrders)
    assert cancel.order_ids == ("x",)
    assert of_kind(flat.wait(0.5), ReadAccount)
    flat.report("x", status="CANCELLED", side="BUY")
    flat.read({"BTC": 1})
    flat.fills(flat.placed[0])
    flat.read()
    assert flat.world.manager.state.account == "HALTED"


def test_an_accepted_sale_is_placed_after_a_restart_too() -> None:
    flat, sale = selling()
    flat.answer(sale.client_order_id, "accepted", order_id="o1")
    flat.world = restarted(flat.world)
    assert not of_kind(flat.world.actions, FindAttempt)
    assert of_kind(flat.wait(5), ReadAccount)[0].order_ids == ("o1",)


def test_an_operator_aborts_it() -> None:
    flat, sale = selling()
    flat.take(flat.world.send(ev.HaltRequested, reason="stop", by="ann", abort_liquidation=True))
    assert flat.is_done
    assert flat.world.manager.state.account == "HALTED"
    assert {code for code, _ in flat.world.manager.state.causes} == {"OPERATOR_HALT", "ABORTED"}
    (told,) = of_kind(flat.actions, LiquidationReported)
    assert told.report.outcome == "aborted"
    assert not flat.world.manager.liquidator.wants(sale.client_order_id)


def test_an_abort_ends_a_products_flattening_too() -> None:
    flat = shocked()
    told = flat.world.send(ev.HaltRequested, reason="stop", abort_liquidation=True)
    assert flat.is_done
    assert [a.report.outcome for a in of_kind(told, LiquidationReported)] == ["aborted"]
    assert of_kind(told, Answered)[0].text.startswith("HALTED: stop; 2 open orders add risk")


def test_of_two_flattenings_the_one_that_is_due_first_is_gone_on_with() -> None:
    liquidator = begun().world.manager.liquidator
    ((key, first),) = liquidator.memory.episodes.items()
    assert first.due is not None
    later = replace(first, due=first.due + timedelta(seconds=1))
    for episodes in ({"ETH": later, key: first}, {key: first, "ETH": later}):
        liquidator.memory.episodes = episodes
        assert liquidator.next_due() == first.due


def test_a_second_flattening_leaves_nothing_of_the_first_behind() -> None:
    flat, sale = selling()
    flat.fills(sale)
    flat.read()
    flat.take(flat.world.send(ev.FlattenRequested, reason="again"))
    flat.read()
    assert "again" in flat.world.manager.state.causes["LIQUIDATED", "all"].reason


def test_what_an_aborted_flattening_sent_is_looked_for_by_the_next() -> None:
    flat, sale = selling(2)
    flat.world.send(ev.HaltRequested, reason="stop", abort_liquidation=True)
    assert not flat.world.manager.liquidator.wants(sale.client_order_id)
    (find,) = of_kind(flat.begin(), FindAttempt)
    assert find.client_order_id == sale.client_order_id
    flat.read({"BTC": 2})
    assert not flat.placed
    flat.report("o1", side="SELL", status="CANCELLED", client_order_id=sale.client_order_id)
    flat.wait(5)
    flat.read({"BTC": 2})
    assert size_of(flat.placed[0]) == "2"


def test_what_became_of_it_meanwhile_is_known() -> None:
    flat, sale = selling(2)
    flat.world.send(ev.HaltRequested, reason="stop", abort_liquidation=True)
    flat.fills(sale)
    assert not of_kind(flat.begin(), FindAttempt)
    flat.read()
    assert flat.is_done


def test_a_halt_alone_lets_it_go_on() -> None:
    flat, _ = selling()
    flat.world.send(ev.HaltRequested, reason="stop")
    assert not flat.is_done
    calm = connected()
    calm.send(ev.HaltRequested, reason="stop", abort_liquidation=True)
    assert {code for code, _ in calm.manager.state.causes} == {"OPERATOR_HALT"}


def test_nothing_passes_after_it_but_by_resume() -> None:
    flat, sale = selling()
    flat.fills(sale)
    flat.read()
    flat.world.send(ev.AccountReconciled)
    for verb in (ev.ClockAdvanced, ev.AccountReconciled):
        flat.world.send(verb)
        assert flat.world.ask(limit_order()).codes == ("STATE_HALTED",)
    flat.world.send(ev.ResumeRequested, reason="looked at it")
    assert flat.world.manager.state.account == "ACTIVE"


# --- One product alone ----------------------------------------------------------------------------


def shocked() -> Flattening:
    settings = Settings(connected=True)
    world = connected(
        held=1, settings=settings, price_shock={"max_move": "0.01", "action": "flatten"}
    )
    flat = Flattening(world)
    flat.report("btc", **OPEN)
    flat.report("eth", **(OPEN | {"product_id": "ETH-USD", "limit_price": 1900}))
    world.now += timedelta(seconds=1)
    flat.take(world.quote("BTC-USD", 60000))
    return flat


def test_a_shock_flattens_its_product_alone() -> None:
    flat = shocked()
    assert names(flat.actions)[:3] == ["CauseRaised", "FlattenProduct", "CancelOrders"]
    assert of_kind(flat.actions, CancelOrders)[0].order_ids == ("btc",)
    assert flat.world.manager.state.account == "ACTIVE"
    flat.report("btc", status="CANCELLED", side="BUY")
    flat.read({"BTC": 1, "ETH": 5}, orders=["eth"])
    assert [sale.body["product_id"] for sale in flat.placed] == ["BTC-USD"]
    flat.fills(flat.placed[0], price=60000)
    flat.read({"ETH": 5}, orders=["eth"])
    assert flat.is_done
    assert codes(flat) == ["PRODUCT_FLATTENED"]
    assert flat.world.manager.state.has("PRICE_SHOCK", "product:BTC")
    assert not flat.world.manager.state.has("LIQUIDATED")


def test_the_accounts_flattening_takes_a_products_over() -> None:
    flat = shocked()
    flat.report("btc", status="CANCELLED", side="BUY")
    flat.read({"BTC": 1}, orders=["eth"])
    (sale,) = flat.placed
    flat.begin()
    assert list(flat.world.manager.liquidator.memory.episodes) == [""]
    assert sale.client_order_id in flat.episode.attempts
    assert of_kind(flat.actions, CancelOrders)[0].order_ids == ("eth",)
    flat.world.manager.watch.flatten("BTC", "again", flat.world.now, [])
    assert len(flat.world.manager.liquidator.memory.episodes) == 1


# --- What begins one, and what does not -----------------------------------------------------------


def crashed(**limits: Any) -> Flattening:
    """A confirmed cumulative loss: LIQUIDATING."""
    world = connected(
        held=1, settings=Settings(connected=True), max_cumulative_loss="0.1", **limits
    )
    flat = Flattening(world)
    for price in (30000, 29999, 29998):
        world.now += timedelta(seconds=1)
        flat.take(world.quote("BTC-USD", price))
        world.send(ev.QuotesConfirmed, quotes=(ev.Quote("BTC-USD", D(price), D(price), world.now),))
        read = (ev.Balance("USD", D(100_000)), ev.Balance("BTC", D(1)))
        world.send(ev.BalancesRead, balances=read, fills_until=world.now)
    assert world.manager.state.account == "LIQUIDATING"
    flat.reading = world.manager.liquidator.memory.readings
    return flat


def test_dust_never_starts_another_one_and_a_new_position_does() -> None:
    flat = crashed()
    world = flat.world
    flat.read({"BTC": 1})
    flat.fills(flat.placed[0], price=29998)
    flat.read({"BTC": 0})
    assert world.manager.state.account == "HALTED"
    world.fill("BUY", "0.000009", 29998)
    world.quote("BTC-USD", 29997)
    assert world.manager.state.account == "HALTED"
    world.fill("BUY", "0.5", 29998)
    world.quote("BTC-USD", 29997)
    assert world.manager.state.account == "LIQUIDATING"


def test_what_may_not_be_sold_never_starts_another_one() -> None:
    settings = Settings(connected=True, liquidation_assets=frozenset({"ETH"}))
    world = connected(held=1, settings=settings, max_cumulative_loss="0.1")
    world.send(ev.LiquidationEnded, flat=True)
    flat = Flattening(world)
    flat.begin()
    flat.read({"BTC": 1})
    for price in (30000, 29999, 29998, 29997):
        world.now += timedelta(seconds=1)
        world.quote("BTC-USD", price)
        world.send(ev.QuotesConfirmed, quotes=(ev.Quote("BTC-USD", D(price), D(price), world.now),))
    assert world.manager.state.account == "HALTED"


# --- Library use ----------------------------------------------------------------------------------


def test_the_library_answers_with_the_same_plan_until_it_is_carried_out() -> None:
    world = World()
    world.hold(2)
    world.report("x", **OPEN)
    world.send(ev.FlattenRequested, reason="enough")
    check = world.manager.check_and_liquidate_on_loss
    assert names(check()) == names(check()) == ["Liquidate", "CancelOrders"]
    world.report("x", status="CANCELLED")
    _, sale = check()
    assert isinstance(sale, PlaceOrder)
    assert size_of(sale) == "2"
    world.report(
        "mine", status="FILLED", side="SELL", client_order_id=sale.client_order_id, filled=2,
        average_price=64000, base_size=2,
    )  # fmt: skip
    assert check() == []
    assert world.manager.state.account == "HALTED"
    (report,) = world.manager.liquidator.reports()
    assert report.proceeds == Decimal(128000)


def test_the_trackers_own_verbs_carry_it_out() -> None:
    """A library's engine tells the tracker, and asks."""
    world = World()
    world.hold(2)
    world.send(ev.FlattenRequested, reason="enough")
    check = world.manager.check_and_liquidate_on_loss
    (sale,) = of_kind(check(), PlaceOrder)
    known: dict[str, Any] = {
        "at": world.now, "order_id": "mine", "product_id": "BTC-USD", "side": "SELL",
        "client_order_id": sale.client_order_id, "base_size": D(2),
    }  # fmt: skip
    world.tracker.apply(ev.OrderReported(**known, status="OPEN", leaves=D(2)))
    assert names(check()) == ["Liquidate", "CancelOrders"]
    known |= {"filled": D(2), "average_price": D(64000)}
    world.tracker.apply(ev.OrderReported(**known, status="FILLED"))
    assert check() == []
    assert world.manager.liquidator.reports()[0].proceeds == 128000


def test_a_callers_own_sale_ends_it_too() -> None:
    world = World()
    world.hold(2)
    world.send(ev.FlattenRequested, reason="enough")
    world.fill("SELL", 2, 64000)
    assert world.manager.state.account == "HALTED"


def test_a_sale_that_the_library_did_not_fill_is_planned_anew() -> None:
    world = World()
    world.hold(2)
    world.send(ev.FlattenRequested, reason="enough")
    check = world.manager.check_and_liquidate_on_loss
    (sale,) = of_kind(check(), PlaceOrder)
    world.report("mine", status="CANCELLED", side="SELL", client_order_id=sale.client_order_id, filled=1,
                 average_price=64000, base_size=2)  # fmt: skip
    (sale,) = of_kind(check(), PlaceOrder)
    assert size_of(sale) == "1"


def test_a_reading_that_was_asked_for_earlier_says_nothing_of_now() -> None:
    flat = Flattening()
    flat.begin()
    flat.read({"BTC": 1}, reading=flat.reading - 1)
    assert (flat.placed, flat.episode.phase) == ([], "reading")
    flat.read({"BTC": 1})
    assert len(flat.placed) == 1


def test_a_flattening_counts_the_readings_that_it_has_acted_upon() -> None:
    flat = Flattening()
    flat.begin()
    counted = []
    for _ in range(4):
        idle(flat, 1, {"BTC": 1})
        counted.append(flat.episode.rounds)
    assert counted == [1, 2, 3, 4]


def test_a_flattening_that_begins_with_a_bots_question_sells_at_once() -> None:
    """After a restart with a limit that is crossed already, the question is the first fact."""
    world = World()
    world.hold(1)
    world.fill("BUY", "0.001", 64_000, fee=20_000)
    limited = reloaded(world, max_cumulative_loss="0.1")
    actions = limited.send(ev.OrderProposed, body=limit_order())
    assert of_kind(actions, PlaceOrder)
    assert of_kind(actions, WakeAt)


def test_the_orders_of_a_flattening_that_is_over_are_known_when_they_are_told_late() -> None:
    flat, sale = selling()
    flat.fills(sale)
    flat.read({"BTC": 0})
    assert flat.is_done
    assert flat.world.manager.liquidator.memory.sent(sale.client_order_id) is not None
