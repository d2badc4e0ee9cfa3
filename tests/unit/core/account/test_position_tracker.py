"""PositionTracker: the one door for facts, and the figures."""

from datetime import timedelta

import pytest

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from tests.scenario import FUTURE, START, D
from tests.tracking import Desk, state_bytes

NEXT = START + timedelta(days=1)


def test_a_tracker_that_was_told_nothing_is_worth_nothing():
    tracker = PositionTracker()
    assert (tracker.equity, tracker.net_pnl, tracker.transfers) == (0, 0, 0)
    assert (tracker.unvalued(), tracker.unmarked(), tracker.roll_day(START)) == ([], [], False)


def test_a_fact_of_no_concern_changes_nothing_but_time():
    desk = Desk()
    before = state_bytes(desk.tracker)
    assert desk.send(ev.DiskChanged, full=True) == []
    assert state_bytes(desk.tracker) == before


def test_every_fact_makes_a_new_version():
    desk = Desk()
    before = desk.tracker.version
    desk.send(ev.ClockAdvanced)
    assert desk.tracker.version > before


def test_a_release_moves_no_loss_and_so_makes_no_new_version():
    desk = Desk()
    before = desk.tracker.version
    desk.send(ev.ReservationReleased, client_order_id="bot-1")
    assert desk.tracker.version == before


def test_equity_is_cash_coins_and_futures_without_keep():
    desk = Desk(keep={"BTC": D(1)})
    desk.balance("USD", 1000)
    desk.balance("EUR", 100)
    desk.balance("BTC", 2)
    wallet = {"wallet": D(500), "buying_power": D(0), "liquidation_buffer_percentage": D(90)}
    desk.send(ev.FuturesSummaryRead, **wallet)
    desk.fill("BUY", 1, 63000, product_id=FUTURE)
    assert desk.tracker.equity == 1000 + 125 + 64_000 + 500 + 10
    assert (desk.tracker.kept, desk.held()) == (64_000, 1)


def test_what_no_quote_can_value_is_named_and_counts_as_zero():
    desk = Desk()
    desk.balance("XYZ", 5)
    assert (desk.tracker.equity, desk.tracker.unvalued(), desk.tracker.unmarked()) == (
        0,
        ["XYZ"],
        [],
    )


def test_a_held_contract_without_a_quote_is_unmarked():
    desk = Desk(quotes={}, is_open=False)
    desk.send(ev.FuturesRead, positions=(ev.FuturesPosition(FUTURE, D(1)),))
    assert desk.tracker.unmarked() == [FUTURE]
    desk.fill("BUY", 1, 63000, product_id=FUTURE)
    desk.quote(FUTURE, 63000)
    assert desk.tracker.unmarked() == []


def test_quotes_are_taken_all_or_none():
    desk = Desk()
    good, bad = (
        ev.Quote(p, D(price), D(price), desk.now)
        for p, price in (("BTC-USD", 1), ("ETH-USD", "NaN"))
    )
    with pytest.raises(Untrusted):
        desk.send(ev.Quotes, quotes=(good, bad))
    assert desk.tracker.marks.usd("BTC") == 64000


@pytest.mark.parametrize("rate", ["NaN", "-0.1", "1", "Infinity"])
def test_a_fee_rate_that_cannot_be_true_is_left_out(rate):
    desk = Desk()
    with pytest.raises(Untrusted, match="taker fee"):
        desk.send(ev.FeesRead, taker_rate=D(rate), maker_rate=D(0))
    desk.send(ev.FeesRead, taker_rate=D("0.004"), maker_rate=D(0))
    assert desk.tracker.orders.taker_rate == D("0.004")


def test_funding_and_released_reservations_are_facts_like_any_other():
    desk = Desk()
    desk.send(ev.FundingPaid, product_id=FUTURE, amount=D("-1.5"))
    desk.send(ev.ReservationReleased, client_order_id="never reserved")
    assert desk.tracker.net_pnl == D("-1.5")


def test_a_reconciliation_ends_every_doubt_about_orders():
    desk = Desk()
    desk.tracker.books.doubts["orders"] = "1 orders ended unseen"
    desk.send(ev.AccountReconciled)
    assert desk.tracker.books.doubts == {}
