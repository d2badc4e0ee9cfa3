"""Coinbase's own RESTClient, unmodified: orders of every kind, from placing to the end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.e2e.paper.clients import BIP, cancel_all, placed, reaches
from tests.papers_service import until

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
RESTING = {"BUY": "60000", "SELL": "68000"}
TAKING = {"BUY": "64000", "SELL": "63999.99"}
STOPS = {
    "BUY": {
        "limit_price": "66500",
        "stop_price": "66000",
        "stop_direction": "STOP_DIRECTION_STOP_UP",
    },
    "SELL": {
        "limit_price": "61500",
        "stop_price": "62000",
        "stop_direction": "STOP_DIRECTION_STOP_DOWN",
    },
}
BRACKETS = {
    "BUY": {"limit_price": "60000", "stop_trigger_price": "68000"},
    "SELL": {"limit_price": "68000", "stop_trigger_price": "60000"},
}
IOC, GTC, GTD, FOK = (
    "IMMEDIATE_OR_CANCEL",
    "GOOD_UNTIL_CANCELLED",
    "GOOD_UNTIL_DATE_TIME",
    "FILL_OR_KILL",
)


def limits(prices, **more):
    return {side: {"limit_price": prices[side], **more} for side in prices}


def until_tomorrow(fields):
    return {side: {**row, "end_time": TOMORROW} for side, row in fields.items()}


class Kind(NamedTuple):
    """One of the SDK's helpers and what its order becomes."""

    helper: str
    by_side: dict[str, dict[str, str]]
    key: str  # of order_configuration
    order_type: str
    time_in_force: str
    end: str


KINDS = [
    Kind("market_order", {"BUY": {}, "SELL": {}}, "market_market_ioc", "MARKET", IOC, "FILLED"),
    Kind("limit_order_ioc", limits(TAKING), "sor_limit_ioc", "LIMIT", IOC, "FILLED"),
    Kind("limit_order_gtc", limits(RESTING), "limit_limit_gtc", "LIMIT", GTC, "OPEN"),
    Kind("limit_order_gtd", limits(RESTING, end_time=TOMORROW), "limit_limit_gtd", "LIMIT", GTD, "OPEN"),
    Kind("limit_order_fok", limits(TAKING), "limit_limit_fok", "LIMIT", FOK, "FILLED"),
    Kind("stop_limit_order_gtc", STOPS, "stop_limit_stop_limit_gtc", "STOP_LIMIT", GTC, "OPEN"),
    Kind("stop_limit_order_gtd", until_tomorrow(STOPS), "stop_limit_stop_limit_gtd", "STOP_LIMIT", GTD, "OPEN"),
    Kind("trigger_bracket_order_gtc", BRACKETS, "trigger_bracket_gtc", "BRACKET", GTC, "OPEN"),
    Kind("trigger_bracket_order_gtd", until_tomorrow(BRACKETS), "trigger_bracket_gtd", "BRACKET", GTD, "OPEN"),
]  # fmt: skip
FORMS = [("", "BUY"), ("", "SELL"), ("_buy", "BUY"), ("_sell", "SELL")]

each_kind = pytest.mark.parametrize("kind", KINDS, ids=[row.helper for row in KINDS])
each_form = pytest.mark.parametrize(("suffix", "side"), FORMS, ids=["buy", "sell", "_buy", "_sell"])


@pytest.fixture(autouse=True)
def clean(client):
    """Every test leaves no order behind."""
    yield
    cancel_all(client)


@each_kind
@each_form
def test_every_helper_places_its_kind_of_order(client, kind, suffix, side):
    fields = {"base_size": "0.01", **kind.by_side[side]}
    name, named = str(uuid4()), {} if suffix else {"side": side}
    answer = getattr(client, kind.helper + suffix)(name, "BTC-USD", **named, **fields)
    assert answer.success is True, answer.to_dict()
    assert answer.success_response["client_order_id"] == name
    assert answer.success_response["side"] == side
    assert getattr(answer.order_configuration, kind.key).base_size == "0.01"

    order = reaches(client, answer.success_response["order_id"], kind.end)
    assert (order.side, order.product_id, order.client_order_id) == (side, "BTC-USD", name)
    assert (order.order_type, order.time_in_force) == (kind.order_type, kind.time_in_force)
    echo = getattr(order.order_configuration, kind.key)
    assert {name: getattr(echo, name) for name in fields} == fields
    assert order.filled_size == ("0.01" if kind.end == "FILLED" else "0")
    assert order.trigger_status == (
        "STOP_PENDING" if kind.order_type in {"STOP_LIMIT", "BRACKET"} else "INVALID_ORDER_TYPE"
    )


@each_kind
@each_form
def test_every_preview_tells_the_cost_and_takes_nothing(client, kind, suffix, side):
    before = client.get_accounts().to_dict()["accounts"]
    fields = {"base_size": "0.01", **kind.by_side[side]}
    named = {} if suffix else {"side": side}
    seen = getattr(client, f"preview_{kind.helper}{suffix}")("BTC-USD", **named, **fields)
    assert seen.errs == []
    assert (seen.best_bid, seen.best_ask, seen.base_size) == ("63999.99", "64000", "0.01")
    assert Decimal(seen.commission_total) > 0
    difference = Decimal(seen.order_total) - Decimal(seen.quote_size)
    assert difference == Decimal(seen.commission_total) * (1 if side == "BUY" else -1)
    money = [(row["available_balance"], row["hold"]) for row in before]
    after = client.get_accounts().to_dict()["accounts"]
    assert [(row["available_balance"], row["hold"]) for row in after] == money


def test_the_general_calls_take_any_configuration(client):
    configuration = {
        "limit_limit_gtc": {"base_size": "0.5", "limit_price": "3000", "post_only": True}
    }
    seen = client.preview_order("ETH-USD", "BUY", configuration)
    assert (seen.errs, seen.order_total) == ([], "1518")
    answer = client.create_order("", "ETH-USD", "BUY", configuration, retail_portfolio_id="")
    order = reaches(client, placed(answer), "OPEN")
    assert order.order_configuration.limit_limit_gtc.post_only is True
    assert order.outstanding_hold_amount == "1518"
    assert order.client_order_id == answer.success_response["client_order_id"] != ""


def test_a_market_buy_by_cost_spends_that_and_its_fee(client):
    answer = client.market_order_buy(str(uuid4()), "BTC-USD", quote_size="1000")
    order = reaches(client, placed(answer), "FILLED", "CANCELLED")
    assert order.order_configuration.market_market_ioc.quote_size == "1000"
    assert (order.size_in_quote, order.size_inclusive_of_fees) == (True, True)
    assert Decimal("999.99") < Decimal(order.total_value_after_fees) <= 1000
    (fill,) = client.get_fills(order_ids=[order.order_id]).fills
    assert (fill.price, fill.liquidity_indicator) == ("64000", "TAKER")
    assert Decimal(fill.commission) == Decimal(fill.size) * 64000 * Decimal("0.012")
    assert Decimal(order.total_fees) == Decimal(fill.commission)


def test_a_fill_moves_both_wallets_by_exactly_what_it_says(client):
    def wallets():
        return {
            row.currency: Decimal(row.available_balance["value"])
            for row in client.get_accounts().accounts
        }

    before = wallets()
    order_id = placed(client.market_order_sell(str(uuid4()), "ETH-USD", base_size="0.25"))
    reaches(client, order_id, "FILLED")
    (fill,) = client.get_fills(order_ids=[order_id]).fills
    after = wallets()
    assert after["ETH"] - before["ETH"] == Decimal("-0.25")
    assert after["USD"] - before["USD"] == Decimal(fill.price) * Decimal(fill.size) - Decimal(
        fill.commission
    )
    assert (fill.side, fill.trade_type, fill.product_id) == ("SELL", "FILL", "ETH-USD")


def test_a_resting_order_fills_at_its_own_price_when_the_market_comes(client, paper):
    order_id = placed(client.limit_order_gtc_buy("rests", "ETH-USD", "0.2", "3150"))
    assert reaches(client, order_id, "OPEN").outstanding_hold_amount == str(Decimal("637.56"))
    paper.hold("ETH-USD", "3149.99")
    order = reaches(client, order_id, "FILLED")
    assert (order.average_filled_price, order.completion_percentage) == ("3150", "100.00")
    (fill,) = client.get_fills(order_ids=[order_id]).fills
    assert (fill.liquidity_indicator, fill.commission) == ("MAKER", "3.78")
    paper.hold("ETH-USD", "3200")


def test_an_order_larger_than_the_touch_is_filled_in_part_and_the_rest_is_cancelled(client, paper):
    asks = client.get_product_book("BTC-USD").pricebook.asks
    size = Decimal(asks[0].size) + Decimal("0.5")
    order_id = placed(client.limit_order_ioc_buy("", "BTC-USD", str(size), "64000"))
    order = reaches(client, order_id, "CANCELLED")
    assert Decimal(order.filled_size) == Decimal(asks[0].size)
    assert 0 < Decimal(order.completion_percentage) < 100
    paper.hold("BTC-USD", "64000")
    fok = placed(client.limit_order_fok_buy("", "BTC-USD", str(size), "64000"))
    assert reaches(client, fok, "CANCELLED").filled_size == "0"


def test_contracts_are_bought_at_the_market_all_or_none(client):
    """The one kind that the SDK has no helper for; spot markets refuse it."""
    order_id = placed(
        client.create_order("", BIP, "BUY", {"market_market_fok": {"base_size": "1"}})
    )
    order = reaches(client, order_id, "FILLED")
    assert (order.order_type, order.time_in_force) == ("MARKET", FOK)
    reaches(client, placed(client.close_position("", BIP)), "FILLED")


# --------------------------------------------------------------------------- editing, cancelling


def test_an_edit_is_previewed_carried_out_and_remembered(client):
    order_id = placed(client.limit_order_gtc_buy("", "BTC-USD", "0.01", "60000"))
    reaches(client, order_id, "OPEN")
    seen = client.preview_edit_order(order_id, size="0.02", price="61000")
    assert (seen.errors, seen.quote_size, seen.base_size) == ([], "1220", "0.02")
    assert client.edit_order(order_id, size="0.02", price="61000").success is True
    order = until(lambda: (row := client.get_order(order_id).order).edit_history and row)
    terms = order.order_configuration.limit_limit_gtc
    assert (order.status, terms.base_size, terms.limit_price) == ("OPEN", "0.02", "61000")
    (edit,) = order.edit_history
    assert (edit.price, edit.size) == ("61000", "0.02")


@pytest.mark.parametrize(
    ("size", "price", "why"),
    [
        ("0.01", "60000", "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"),
        (None, "60100", "INVALID_EDITED_SIZE"),
        ("0.01", "60000.001", "INVALID_EDITED_PRICE"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_with_its_reason(client, size, price, why):
    order_id = placed(client.limit_order_gtc_buy("", "BTC-USD", "0.01", "60000"))
    reaches(client, order_id, "OPEN")
    answer = client.edit_order(order_id, size=size, price=price)
    assert answer.success is False
    assert [row.edit_failure_reason for row in answer.errors] == [why]
    assert [
        row.edit_failure_reason for row in client.preview_edit_order(order_id, size, price).errors
    ] == [why]


def test_an_order_that_is_none_can_be_neither_edited_nor_cancelled(client):
    assert (
        client.edit_order("none", size="1", price="1").errors[0].edit_failure_reason
        == "ORDER_NOT_FOUND"
    )
    (result,) = client.cancel_orders(["none"]).results
    assert (result.success, result.failure_reason) == (False, "UNKNOWN_CANCEL_ORDER")


def test_a_batch_of_cancels_is_answered_one_by_one(client):
    rests = [placed(client.limit_order_gtc_buy("", "BTC-USD", "0.001", "60000")) for _ in range(3)]
    filled = placed(client.market_order_buy("", "BTC-USD", base_size="0.001"))
    reaches(client, filled, "FILLED")
    results = client.cancel_orders([*rests, filled, rests[0]]).results
    assert [row.order_id for row in results] == [*rests, filled, rests[0]]
    assert [row.success for row in results] == [True, True, True, False, False]
    assert results[0].failure_reason == "UNKNOWN_CANCEL_FAILURE_REASON"
    assert [row.failure_reason for row in results[3:]] == [
        "ORDER_IS_FULLY_FILLED",
        "DUPLICATE_CANCEL_REQUEST",
    ]
    for order_id in rests:
        assert reaches(client, order_id, "CANCELLED").cancel_message == "User requested cancel"


def test_a_used_client_order_id_answers_with_the_old_order(client):
    first = placed(client.limit_order_gtc_buy("twice", "BTC-USD", "0.001", "60000"))
    again = client.limit_order_gtc_sell("twice", "ETH-USD", "5", "9000")
    assert placed(again) == first
    assert again.success_response["product_id"] == "ETH-USD", "production echoes the new request"


# ---------------------------------------------------------------------------------- refusals

REFUSALS = {
    "funds": (
        lambda c: c.limit_order_gtc_buy("", "BTC-USD", "1000", "60000"),
        ("INSUFFICIENT_FUND", "UNKNOWN_FAILURE_REASON", "PREVIEW_INSUFFICIENT_FUND"),
    ),
    "coins": (
        lambda c: c.market_order_sell("", "SOL-USD", base_size="1"),
        ("INSUFFICIENT_FUND", "UNKNOWN_FAILURE_REASON", "PREVIEW_INSUFFICIENT_FUND"),
    ),
    "product": (
        lambda c: c.market_order_buy("", "NO-SUCH", quote_size="10"),
        ("INVALID_PRODUCT_ID", "INVALID_PRODUCT_ID", "PREVIEW_INVALID_PRODUCT_ID"),
    ),
    "size step": (
        lambda c: c.limit_order_gtc_buy("", "BTC-USD", "0.000000001", "60000"),
        ("INVALID_SIZE_PRECISION", "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_SIZE_PRECISION"),
    ),
    "price step": (
        lambda c: c.limit_order_gtc_buy("", "BTC-USD", "0.1", "60000.001"),
        ("INVALID_PRICE_PRECISION", "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_PRICE_PRECISION"),
    ),
    "too small": (
        lambda c: c.market_order_buy("", "BTC-USD", quote_size="0.5"),
        ("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
    ),
    "post only": (
        lambda c: c.limit_order_gtc_buy("", "BTC-USD", "0.1", "66000", post_only=True),
        ("INVALID_LIMIT_PRICE_POST_ONLY", "INVALID_LIMIT_PRICE_POST_ONLY", "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
    ),
    "stop above": (
        lambda c: c.stop_limit_order_gtc_sell("", "BTC-USD", "0.1", "65000", "66000", "STOP_DIRECTION_STOP_DOWN"),
        ("PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE", "UNKNOWN_FAILURE_REASON", "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"),
    ),
    "past": (
        lambda c: c.limit_order_gtd_buy("", "BTC-USD", "0.1", "60000", "2020-01-01T00:00:00Z"),
        ("END_TIME_IS_IN_THE_PAST", "END_TIME_IS_IN_THE_PAST", "UNKNOWN_PREVIEW_FAILURE_REASON"),
    ),
    "kind": (
        lambda c: c.create_order("", "BTC-USD", "BUY", {"market_market_fok": {"quote_size": "10"}}),
        ("UNSUPPORTED_ORDER_CONFIGURATION", "UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG"),
    ),
    "flat": (
        lambda c: c.close_position("", "ETP-20DEC30-CDE"),
        ("CANNOT_CLOSE_ZERO_POSITION", "CANNOT_CLOSE_ZERO_POSITION", "UNKNOWN_PREVIEW_FAILURE_REASON"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_an_answer_with_coinbase_s_reason(client, case):
    place, reasons = REFUSALS[case]
    answer = place(client)
    assert answer.success is False
    assert answer.to_dict().get("success_response") is None
    error = answer.error_response
    assert (
        error["error"],
        error["new_order_failure_reason"],
        error["preview_failure_reason"],
    ) == reasons
    assert error["message"]


def test_a_preview_that_would_be_refused_says_why(client):
    seen = client.preview_limit_order_gtc_buy("BTC-USD", "1000", "60000")
    assert (seen.errs, seen.preview_id) == (["PREVIEW_INSUFFICIENT_FUND"], "")


# ---------------------------------------------------------------------------------- futures


def test_a_futures_position_is_opened_seen_and_closed(client):
    opened = placed(client.create_order("", BIP, "BUY", {"market_market_ioc": {"base_size": "3"}}))
    entry = reaches(client, opened, "FILLED")
    (position,) = client.list_futures_positions().positions
    assert (position.product_id, position.side, position.number_of_contracts) == (BIP, "LONG", "3")
    assert position.avg_entry_price == {"value": entry.average_filled_price, "currency": "USD"}
    assert client.get_futures_position(BIP).position.number_of_contracts == "3"
    summary = client.get_futures_balance_summary().balance_summary
    assert Decimal(summary.initial_margin["value"]) > 0
    portfolio = client.get_portfolios().portfolios[0].uuid
    (broken_down,) = client.get_portfolio_breakdown(portfolio).breakdown.futures_positions
    assert (broken_down.product_id, broken_down.amount) == (BIP, "3")

    part = client.close_position("", BIP, size="1")
    assert part.order_configuration.market_market_ioc.base_size == "1"
    reaches(client, placed(part), "FILLED")
    assert client.get_futures_position(BIP).position.number_of_contracts == "2"
    too_much = client.close_position("", BIP, size="5")
    assert too_much.error_response["error"] == "REDUCE_ONLY_INCREASED_POSITION_SIZE"
    reaches(client, placed(client.close_position("", BIP)), "FILLED")
    assert client.list_futures_positions().positions == []
