"""Cancels and edits, the races they lose, repeated ids, and the faults that may be injected."""

from datetime import timedelta
from itertools import groupby

import pytest

from sidecar.paper.venue import refusal
from sidecar.paper.venue.order import Edit
from sidecar.paper.venue.request import NewOrder
from sidecar.paper.venue.terms import Refused
from sidecar.paper.wire.orders import configuration
from tests.papers import BIP, BTC, D, Paper, kind

MS = timedelta(milliseconds=1)


@pytest.fixture
def paper():
    return Paper(balances={"USD": "1000000", "BTC": "50"}).opened()


# ---------------------------------------------------------------------------------------- cancels


def test_a_cancel_ends_the_order_and_frees_its_hold(paper):
    order = paper.limit("BUY", 1, 63000)
    assert paper.cancel(order) == ""
    assert (order.status, order.cancel_message) == ("CANCELLED", "User requested cancel")
    assert paper.balance("USD") == (1_000_000, 0)


@pytest.mark.parametrize(("stuck", "why"), [("CANCEL_QUEUED", ""), ("UNKNOWN_CANCEL_ORDER",) * 2])
def test_a_cancel_that_leads_nowhere_leaves_the_order_to_fill_or_to_a_later_cancel(
    paper, stuck, why
):
    filled, later = paper.limit("BUY", 1, 63000), paper.limit("BUY", 1, 62000)
    paper.exchange.behaviour.stuck_cancels = stuck
    for order in (filled, later, later):
        assert paper.cancel(order) == why
        assert order.status == (stuck if not why else "OPEN")
    paper.quote(BTC, 62500, 62501)
    assert (filled.status, later.is_open) == ("FILLED", True)
    paper.exchange.behaviour.stuck_cancels = ""
    assert paper.cancel(later) == ""
    assert later.status == "CANCELLED"
    paper.audit()


def test_why_a_cancel_is_not_taken(paper):
    done, gone = paper.market("BUY", 1), paper.limit("BUY", 1, 63000)
    paper.cancel(gone)
    paper.exchange.behaviour.cancel_delay = 10 * MS
    twice = paper.limit("BUY", 1, 63000)
    paper.cancel(twice)
    edited = paper.limit("BUY", 1, 63000)
    paper.exchange.behaviour.order_delay = 10 * MS
    paper.edit(edited, 63001, 1)
    assert paper.cancel("nobody's") == "UNKNOWN_CANCEL_ORDER"
    assert paper.cancel(done) == "ORDER_IS_FULLY_FILLED"
    assert paper.cancel(gone) == "INVALID_CANCEL_REQUEST"
    assert paper.cancel(twice) == "DUPLICATE_CANCEL_REQUEST"
    assert paper.cancel(edited) == "ORDER_IS_BEING_REPLACED"


def test_a_future_cannot_be_cancelled_while_its_session_is_closed(paper):
    order = paper.limit("BUY", 1, 60000, BIP)
    paper.flags(BIP, session_open=False)
    assert paper.cancel(order) == "INVALID_CANCEL_FCM_TRADING_SESSION"
    paper.flags(BIP, session_open=True)
    assert paper.cancel(order) == ""


@pytest.mark.parametrize(
    "flag", ["is_disabled", "trading_disabled", "view_only", "cancel_only", "post_only"]
)
def test_a_product_that_takes_no_orders_still_takes_cancels(paper, flag):
    order = paper.limit("BUY", 1, 63000)
    paper.flags(BTC, **{flag: True})
    assert paper.cancel(order) == ""
    assert order.status == "CANCELLED"


def test_an_order_may_fill_before_its_cancel_is_carried_out(paper):
    paper.exchange.behaviour.cancel_delay = 10 * MS
    order = paper.limit("BUY", 1, 63990)
    assert paper.cancel(order) == ""
    assert (order.status, order.pending_cancel) == ("OPEN", True)
    paper.quote(BTC, 63980, 63985)
    paper.wait(milliseconds=20)
    assert paper.stages(order) == ["PENDING", "OPEN", "FILLED"]
    assert not order.pending_cancel
    paper.audit()


def test_late_cancelled_comes_on_top_of_the_delay(paper):
    paper.exchange.behaviour.cancel_delay = 10 * MS
    paper.exchange.behaviour.late_cancelled = 500 * MS
    order = paper.limit("BUY", 1, 63000)
    paper.cancel(order)
    paper.wait(milliseconds=509)
    assert order.is_open
    paper.wait(milliseconds=1)
    assert order.status == "CANCELLED"


def test_a_cancel_reaches_an_order_still_on_its_way(paper):
    paper.exchange.behaviour.order_delay = 10 * MS
    order = paper.limit("BUY", 1, 64001)
    assert paper.cancel(order) == ""
    paper.wait(milliseconds=10)
    assert paper.stages(order) == ["PENDING", "CANCELLED"]
    paper.audit()


@pytest.mark.parametrize(("limit", "price"), [(63000, 63000), (64000, 64000)])
def test_fill_after_cancel_fills_what_is_left_within_the_limit(paper, limit, price):
    paper.exchange.behaviour.fill_after_cancel = 1
    order, next_one = paper.limit("BUY", 1, limit), paper.limit("BUY", 1, 62000)
    trades = len(paper.trades())
    paper.cancel(order)
    paper.cancel(next_one)
    assert [fill.price for fill in paper.fills(order)] == [price]
    assert (order.status, next_one.status) == ("FILLED", "CANCELLED")
    assert len(paper.trades()) == trades, "a price that no market has stays off the tape"
    paper.audit()


def test_fill_after_cancel_of_a_waiting_stop_fills_at_the_market(paper):
    paper.exchange.behaviour.fill_after_cancel = 1
    order = paper.stop("SELL", 1, 62000, 63000)
    paper.cancel(order)
    assert paper.fills(order)[0].price == 64000
    paper.audit()


def test_an_order_sized_in_money_cannot_be_filled_after_its_cancel(paper):
    """Nobody knows how much of it would be left: the fault waits for the next cancel."""
    paper.exchange.behaviour.order_delay = 10 * MS
    paper.exchange.behaviour.fill_after_cancel = 1
    order = paper.spend(1000)
    paper.cancel(order)
    assert order.status == "CANCELLED"
    assert paper.exchange.behaviour.fill_after_cancel == 1


def test_queued_statuses_are_told_when_asked_for(paper):
    paper.exchange.behaviour.queued_statuses = True
    paper.exchange.behaviour.order_delay = paper.exchange.behaviour.cancel_delay = 10 * MS
    order = paper.limit("BUY", 10, 63990)
    paper.wait(milliseconds=10)
    paper.edit(order, 63991, 10)
    paper.quote(BTC, 63980, 63985, 10, 1)
    paper.wait(milliseconds=10)
    paper.cancel(order)
    paper.quote(BTC, 63980, 63985, 10, 1)
    paper.wait(milliseconds=10)
    stages = [status for status, _ in groupby(paper.stages(order))]
    assert stages == [
        "PENDING",
        "QUEUED",
        "OPEN",
        "EDIT_QUEUED",
        "OPEN",
        "CANCEL_QUEUED",
        "CANCELLED",
    ]
    assert 0 < order.filled < 10
    paper.audit()


# ------------------------------------------------------------------------------------------ edits


def test_a_smaller_size_at_the_same_price_keeps_its_place(paper):
    first, second = paper.limit("BUY", 2, 63990), paper.limit("BUY", 2, 63990)
    assert paper.edit(first, 63990, 1) == ""
    paper.quote(BTC, 63980, 63985, "0.001", "1.5")
    assert first.status == "FILLED"
    assert second.filled == D("0.5001")  # with a print of a tenth of the bid
    paper.audit()


@pytest.mark.parametrize(("price", "size"), [(63990, 3), (63989, 2), (63991, 2)])
def test_a_larger_size_or_another_price_loses_the_place(paper, price, size):
    first, second = paper.limit("BUY", 2, 63990), paper.limit("BUY", 2, 63990)
    number = first.number
    assert paper.edit(first, price, size) == ""
    assert first.number > second.number > number
    assert first.held == size * price * D("1.012")
    assert (first.status, first.terms.size, first.terms.limit_price) == ("OPEN", size, price)
    paper.audit()


def test_an_order_sized_in_quote_currency_may_not_be_edited(paper):
    terms = {"quote_size": "630", "limit_price": "63000"}
    order = paper.order("BUY", {"limit_limit_gtc": terms})
    assert order.remaining == D("0.01")
    assert paper.edit(order, 63001, "0.02") == "SIZE_IN_QUOTE_EDITS_NOT_ALLOWED"
    assert order.configuration == {"limit_limit_gtc": terms}


def test_an_edit_may_cross_the_book_and_trade(paper):
    order = paper.limit("BUY", 1, 63990)
    paper.edit(order, 64001, 2)
    assert order.status == "FILLED"
    assert paper.fills(order)[0].price == 64001
    paper.audit()


def test_five_edits_are_remembered(paper):
    order = paper.limit("BUY", 1, 63000)
    for cents in range(8):
        paper.edit(order, f"63000.{cents + 10}", 1)
    assert [edit.price for edit in order.edits] == [D(f"63000.{n}") for n in range(13, 18)]


def test_why_an_edit_is_not_taken(paper):
    order = paper.limit("BUY", 2, 63990)
    paper.quote(BTC, 63980, 63985, "0.001", 1)
    maker = paper.limit("BUY", 1, 63000, post_only=True)
    until = paper.stop("BUY", 1, 66000, 65000, until=paper.now + timedelta(days=1))
    done = paper.market("BUY", "0.001")
    assert order.filled == D("1.0001")
    cases = [
        ("nobody's", 63000, 1, "ORDER_NOT_FOUND"),
        (until, 62001, 1, "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"),
        (done, 66001, 1, "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"),
        (order, 63000, 0, "INVALID_EDITED_SIZE"),
        (order, 63000, -1, "INVALID_EDITED_SIZE"),
        (order, 63000, "NaN", "INVALID_EDITED_SIZE"),
        (order, 63000, "1e40", "INVALID_EDITED_SIZE"),
        (order, 63000, "2.000000001", "INVALID_EDITED_SIZE"),
        (order, 63000, 3401, "INVALID_EDITED_SIZE"),
        (order, "0.01", 2, "INVALID_EDITED_SIZE"),
        (order, 0, 2, "INVALID_EDITED_PRICE"),
        (order, "Infinity", 2, "INVALID_EDITED_PRICE"),
        (order, "63000.001", 2, "INVALID_EDITED_PRICE"),
        (maker, 64500, 1, "INVALID_EDITED_PRICE"),
        (order, 63000, 1, "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"),
        (order, 63990, 2, "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"),
        (order, 63000, 1000, "COMMANDER_REJECTED_EDIT_ORDER"),
    ]
    for which, price, size, why in cases:
        assert paper.edit(which, price, size) == why
    paper.flags(BTC, cancel_only=True)
    assert paper.edit(order, 63000, 2) == "COMMANDER_REJECTED_EDIT_ORDER"
    paper.flags(BTC)
    paper.exchange.behaviour.order_delay = paper.exchange.behaviour.cancel_delay = 10 * MS
    paper.edit(order, 63000, 2)
    assert paper.edit(order, 62000, 2) == "ORDER_IS_ALREADY_BEING_REPLACED"
    paper.wait(milliseconds=10)
    paper.cancel(order)
    assert paper.edit(order, 62000, 2) == "CANNOT_EDIT_ORDER_PENDING_CANCEL"
    pending = paper.limit("BUY", 1, 63000)
    assert paper.edit(pending, 62000, 1) == "ONLY_OPEN_ORDERS_CAN_BE_EDITED"
    paper.audit()


def test_a_stop_is_edited_with_its_stop_price(paper):
    order = paper.stop("BUY", 1, 66000, 65000)
    cases = [
        (66000, 1, "65000.001", "INVALID_EDITED_PRICE"),
        (66000, 1, -1, "INVALID_EDITED_PRICE"),
        (66000, 1, "1e40", "INVALID_EDITED_PRICE"),
        (66000, 1, 63000, "INVALID_EDITED_PRICE"),  # it would be triggered at once
        (66000, 1, 65000, "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"),
        (66000, 1, 0, "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"),
    ]
    for price, size, stop, why in cases:
        assert paper.edit(order, price, size, stop) == why
    assert paper.edit(order, 67000, 2) == ""  # its stop stays
    assert (order.terms.stop_price, order.terms.limit_price, order.terms.size) == (65000, 67000, 2)
    assert paper.edit(order, 67000, 2, 66000) == ""
    paper.quote(BTC, 65000, 65001)
    assert (order.triggered, order.status) == (False, "OPEN")
    paper.quote(BTC, 66000, 66001)
    assert order.status == "FILLED"
    paper.audit()


def test_a_bracket_is_edited_until_it_is_triggered(paper):
    order = paper.bracket("SELL", 1, 70000, 60000)
    assert paper.edit(order, 63000, 1, 60000) == "INVALID_EDITED_PRICE"  # below the market
    assert paper.edit(order, 71000, 1, 62000) == ""
    ((_, fields),) = configuration(order).items()
    assert (fields["limit_price"], fields["stop_trigger_price"]) == ("71000", "62000")
    paper.quote(BTC, 58000, 58001)  # its stop is a limit order 5 % beyond: 58,900
    assert order.triggered
    assert paper.edit(order, 72000, 1, 50000) == "CANNOT_EDIT_TRIGGERED_ORDER"
    paper.audit()


def test_the_reason_why_not_is_found_under_any_decimal_context(paper):
    """The service asks before it edits, outside of the exchange's own arithmetic."""
    order = paper.limit("BUY", 1, 63000)
    edit = Edit(D("63000"), D("9" * 19 + "." + "9" * 30), paper.now)
    assert paper.exchange.intake.edit_refusal(order, edit) == "INVALID_EDITED_SIZE"


@pytest.mark.parametrize("meanwhile", ["filled", "poor", "crossed"])
def test_an_edit_that_became_impossible_leaves_the_order_as_it_was(paper, meanwhile):
    order = paper.limit("BUY", 2, 63990, post_only=True)
    paper.exchange.behaviour.order_delay = 10 * MS
    assert (
        paper.edit(
            order, 63995 if meanwhile == "crossed" else 63991, "1.5" if meanwhile == "filled" else 4
        )
        == ""
    )
    if meanwhile == "filled":
        paper.quote(BTC, 63980, 63985, "0.01", "1.8")
    elif meanwhile == "poor":
        paper.limit("BUY", 13, 62000)
    else:
        paper.quote(BTC, 63990, 63993)
    paper.wait(milliseconds=10)
    assert (order.terms.size, order.terms.limit_price, order.status) == (2, 63990, "OPEN")
    assert order.edits == ()
    assert order.replacing is None
    paper.audit()


def test_an_order_filled_while_its_edit_was_under_way_stays_filled(paper):
    order = paper.limit("BUY", 2, 63990)
    paper.exchange.behaviour.order_delay = 10 * MS
    paper.edit(order, 63000, 4)
    paper.quote(BTC, 63980, 63985)
    paper.wait(milliseconds=10)
    assert (order.status, order.terms.size) == ("FILLED", 2)
    paper.audit()


# ----------------------------------------------------------------------------- repeated client ids


def test_a_repeated_client_order_id_gives_the_old_order_and_creates_nothing(paper):
    first = paper.limit("BUY", 1, 63000, client_order_id="mine")
    again = paper.market("SELL", 5, client_order_id="mine")
    assert again is first
    assert len(list(paper.exchange.register.newest_first())) == 1
    paper.cancel(first)
    assert paper.market("SELL", 5, client_order_id="mine") is first


def test_an_empty_client_order_id_names_nothing(paper):
    fields = kind("market_market_ioc", base_size="1")
    request = NewOrder(client_order_id="", product_id=BTC, side="BUY", order_configuration=fields)
    first, second = (paper.exchange.create(request, paper.now) for _ in range(2))
    assert first is not second


def test_a_repeated_client_order_id_may_be_refused(paper):
    paper.exchange.behaviour.strict_client_order_id = True
    paper.limit("BUY", 1, 63000, client_order_id="mine")
    fields = kind("market_market_ioc", base_size="1")
    assert (
        paper.refusal("SELL", fields, client_order_id="mine") == refusal.DUPLICATE_CLIENT_ORDER_ID
    )


def test_a_refused_order_leaves_its_client_order_id_free(paper):
    with pytest.raises(Refused):
        paper.limit("BUY", 1000, 63000, client_order_id="mine")
    assert paper.limit("BUY", 1, 63000, client_order_id="mine").status == "OPEN"


# ------------------------------------------------------------------------------------- lag, late fees


def test_fees_may_be_told_later_than_their_fills(paper):
    paper.exchange.behaviour.late_fees = 100 * MS
    order = paper.market("BUY", 12)
    assert (order.status, order.fees_told) == ("FILLED", 0)
    assert order.fees > 0
    assert {fill.fee_told_at for fill in paper.fills(order)} == {paper.now + 100 * MS}
    paper.wait(milliseconds=99)
    assert order.fees_told == 0
    paper.wait(milliseconds=1)
    assert order.fees_told == order.fees
    assert paper.stages(order)[-1] == "FILLED"
    paper.audit()


def test_each_fee_is_told_in_its_own_time(paper):
    paper.exchange.behaviour.late_fees = 100 * MS
    order = paper.limit("BUY", 2, 63990)
    paper.quote(BTC, 63980, 63985, "0.00000001", 1)
    first = order.fees
    paper.wait(milliseconds=60)
    paper.quote(BTC, 63980, 63985)
    paper.wait(milliseconds=40)
    assert order.fees_told == first
    paper.wait(milliseconds=60)
    assert order.fees_told == order.fees > first


def test_a_reader_may_see_balances_with_a_lag(paper):
    paper.exchange.behaviour.balance_lag = 100 * MS
    accounts = paper.exchange.accounts

    def seen():
        rows = accounts.as_of(paper.now - 100 * MS)
        return next(row.held for row in rows if row.currency == "USD")

    paper.limit("BUY", 1, 63000)
    held = paper.balance("USD")[1]
    assert seen() == 0
    paper.wait(milliseconds=60)
    paper.limit("BUY", 1, 62000)
    paper.wait(milliseconds=40)
    assert seen() == held
    paper.wait(milliseconds=60)
    assert seen() == paper.balance("USD")[1]


def test_what_is_remembered_for_a_lag_stays_small_and_goes_with_it(paper):
    paper.exchange.behaviour.balance_lag = 100 * MS
    for _ in range(200):
        paper.cancel(paper.limit("BUY", 1, 63000))
        paper.wait(milliseconds=10)
        paper.quote(BTC, 64000, 64001)
    assert len(paper.exchange.accounts._past) < 40
    paper.exchange.behaviour.balance_lag = 0 * MS
    paper.quote(BTC, 64000, 64001)
    assert len(paper.exchange.accounts._past) == 0
