"""REST calls without their sockets: what is echoed, refused, found, sorted and told."""

import json
from datetime import timedelta
from itertools import pairwise

import pytest
from multidict import MultiDict

from sidecar.core.vocabulary.money import with_money
from sidecar.paper.service.call import Call
from sidecar.paper.service.routes import PREFIX, ROUTES
from sidecar.paper.venue.listing import Flags
from sidecar.paper.wire.errors import Failed
from sidecar.paper.wire.frames import encode
from sidecar.paper.wire.orders import portfolio_id
from tests.paper_world import KEY, START, made

BIP = "BIP-20DEC30-CDE"
ROUTE_OF = {f"{row.method} {row.path.removeprefix(PREFIX)}": row.handler for row in ROUTES}


def ask(stage, route, body=None, path=None, **query):
    """What a call is answered, as JSON; `Failed` is what it is refused with."""
    pairs = [(k, one) for k, v in query.items() for one in (v if isinstance(v, list) else [v])]
    call = Call(
        path=path or {},
        query=MultiDict(pairs),
        body=body if isinstance(body, bytes) else json.dumps(body).encode() if body else b"",
        key=KEY.key,
        now=stage.now,
    )
    row = with_money(ROUTE_OF[route])(stage.world, call)
    stage.world.tell()
    return json.loads(encode(row))


def refused(stage, route, *args, **query):
    with pytest.raises(Failed) as failed:
        ask(stage, route, *args, **query)
    assert failed.value.failure.status == 400
    assert failed.value.failure.body["error"] == "INVALID_ARGUMENT"
    return failed.value.failure.body["message"]


@pytest.fixture
def stage():
    stage = made()
    stage.quote("BTC-USD", "64000", "64001", size="10")
    stage.quote("ETH-USD", "3000", "3001", size="10")
    return stage


def body(configuration, **more):
    return {
        "client_order_id": "a",
        "product_id": "BTC-USD",
        "side": "BUY",
        "order_configuration": configuration,
        **more,
    }


TERMS = {"base_size": "0.1", "limit_price": "60000"}

# -------------------------------------------------------------------------------- null, odd and deep


def test_null_members_are_not_echoed_anywhere_also_after_an_edit(stage):
    nulls = {"limit_limit_gtc": TERMS | {"post_only": None}, "market_market_ioc": None}
    answer = ask(stage, "POST /orders", body(nulls))
    assert answer["order_configuration"] == {"limit_limit_gtc": TERMS}
    order_id = answer["success_response"]["order_id"]
    edit = {"order_id": order_id, "price": "61000", "size": "0.1"}
    assert ask(stage, "POST /orders/edit", edit)["success"]
    (order,) = ask(stage, "GET /orders/historical/batch")["orders"]
    assert order["order_configuration"] == {
        "limit_limit_gtc": {"base_size": "0.1", "limit_price": "61000"}
    }


def test_null_members_are_not_echoed_by_a_refusal(stage):
    nulls = {"limit_limit_gtc": TERMS | {"base_size": "900"}, "market_market_ioc": None}
    answer = ask(stage, "POST /orders", body(nulls))
    assert answer["success"] is False
    assert list(answer["order_configuration"]) == ["limit_limit_gtc"]
    assert ask(stage, "POST /orders", body({"market_market_ioc": None}))[
        "order_configuration"
    ] == {}  # fmt: skip


def test_null_members_of_a_preview_and_of_an_attached_bracket_say_nothing(stage):
    nulls = {"limit_limit_gtc": TERMS, "market_market_ioc": None}
    assert ask(stage, "POST /orders/preview", body(nulls))["errs"] == []
    bracket = {"limit_price": "70000", "stop_trigger_price": "50000", "base_size": None}
    attached = {"trigger_bracket_gtc": bracket, "trigger_bracket_gtd": None}
    answer = ask(stage, "POST /orders", body(nulls, attached_order_configuration=attached))
    assert answer["success"] is True


@pytest.mark.parametrize(
    "configuration", [{"limit_limit_gtc": "x"}, {"limit_limit_gtc": []}, {"x": 1}]
)
@pytest.mark.parametrize("route", ["POST /orders", "POST /orders/preview"])
def test_a_member_that_is_no_object_is_refused_and_not_echoed(stage, route, configuration):
    assert "order_configuration" in refused(stage, route, body(configuration))


def test_a_refused_close_echoes_nothing_that_was_not_read(stage):
    answer = ask(
        stage, "POST /orders/close_position",
        {"client_order_id": "c", "product_id": BIP, "order_configuration": 5},
    )  # fmt: skip
    assert answer["success"] is False
    assert answer["order_configuration"] == {}


@pytest.mark.parametrize("word", ["true", "false", 1, 0, [], {}])
@pytest.mark.parametrize("route", ["POST /orders", "POST /orders/preview"])
def test_a_post_only_that_is_no_boolean_is_never_guessed_at(stage, route, word):
    configuration = {"limit_limit_gtc": TERMS | {"post_only": word}}
    assert refused(stage, route, body(configuration)) == "post_only is neither true nor false"


def test_post_only_where_there_is_no_such_key_is_as_unknown_as_any(stage):
    configuration = {"sor_limit_ioc": TERMS | {"post_only": "true"}}
    assert ask(stage, "POST /orders", body(configuration))["success"]


@pytest.mark.parametrize("levels", [17, 400, 100_000])
@pytest.mark.parametrize(
    "route", ["POST /orders", "POST /orders/close_position", "POST /paper/faults"]
)
def test_what_is_nested_too_deeply_to_be_echoed_is_refused(stage, route, levels):
    deep = b"[" * levels + b"]" * levels
    sent = b'{"client_order_id":"a","order_configuration":{"limit_limit_gtc":{"x":%b}}}' % deep
    assert refused(stage, route, sent) == "the body is nested too deeply"


def test_an_order_of_a_few_levels_is_read(stage):
    scaled: dict[str, object] = {"scaled_limit_gtc": {"orders": [{"a": {"b": []}}]}}
    assert ask(stage, "POST /orders", body(scaled))["success"] is False


@pytest.mark.parametrize("name", ["self", "changes", "faults", "cls"])
def test_a_switch_named_like_an_argument_is_an_unknown_switch(stage, name):
    assert refused(stage, "POST /paper/faults", {name: 1}).startswith(f"{name}: ")


def test_a_wish_for_the_market_that_is_half_wrong_is_not_half_done(stage):
    assert "speed" in refused(stage, "POST /paper/market", {"pause": True, "speed": "fast"})
    assert not stage.world.clock.paused


# --------------------------------------------------------------------------------------------- times


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59.999999-23:00", "25:00", "9999"]
)
def test_a_time_beyond_the_calendar_is_none(stage, time):
    assert "is not an RFC 3339 time" in refused(
        stage, "GET /orders/historical/batch", start_date=time
    )
    assert "is not an RFC 3339 time" in refused(
        stage, "GET /orders/historical/fills", start_sequence_timestamp=time
    )


def test_the_last_moment_there_is_can_be_an_end_and_the_end_is_included(stage):
    stage.order("BUY", market_market_ioc={"base_size": "0.1"})
    route = "GET /orders/historical/fills"
    last = "9999-12-31T23:59:59.999999Z"
    assert len(ask(stage, route, end_sequence_timestamp=last)["fills"]) == 1
    at = START.isoformat()
    assert len(ask(stage, route, end_sequence_timestamp=at)["fills"]) == 1
    before = (START - timedelta(microseconds=1)).isoformat()
    assert ask(stage, route, end_sequence_timestamp=before)["fills"] == []


# ------------------------------------------------------------------------------------------- sorting


def pages(stage, route, rows, between=lambda: None, **query):
    found, cursor = [], ""
    for _ in range(50):
        page = ask(stage, route, limit="2", cursor=cursor, **query)
        found += page[rows]
        cursor = page["cursor"]
        assert page.get("has_next", bool(cursor)) == bool(cursor)
        if not cursor:
            return found
        between()
    raise AssertionError("the pages do not end")


PRICES = ["60000", "61000", "60000", "59000", "61000", "60000", "58000"]


def placed(stage):
    orders = []
    for price in PRICES:
        orders.append(stage.limit("BUY", "0.01", price).order_id)
        stage.wait(1)
    return orders


def test_orders_are_sorted_by_their_limit_price_page_by_page(stage):
    ids = placed(stage)
    found = pages(stage, "GET /orders/historical/batch", "orders", sort_by="LIMIT_PRICE")
    assert [row["order_id"] for row in found] == [ids[n] for n in (4, 1, 5, 2, 0, 3, 6)]
    (page,) = [ask(stage, "GET /orders/historical/batch", sort_by="LIMIT_PRICE")["orders"]]
    assert page == found


def test_new_orders_between_two_pages_hide_and_repeat_no_other(stage):
    ids = placed(stage)
    found = pages(
        stage, "GET /orders/historical/batch", "orders", sort_by="LIMIT_PRICE",
        between=lambda: stage.limit("BUY", "0.01", "60000"),
    )  # fmt: skip
    told = [row["order_id"] for row in found]
    assert len(told) == len(set(told))
    assert set(ids) <= set(told)


def test_an_order_that_moves_between_two_pages_takes_no_other_with_it(stage):
    """The one that the cursor names is updated: sorted by that, it is elsewhere now."""
    ids = placed(stage)
    first = ask(stage, "GET /orders/historical/batch", sort_by="LAST_UPDATE_TIME", limit="3")
    assert [row["order_id"] for row in first["orders"]] == ids[:3:-1]
    edit = {"order_id": ids[4], "price": "61500", "size": "0.01"}
    assert ask(stage, "POST /orders/edit", edit)["success"]
    rest = ask(
        stage, "GET /orders/historical/batch",
        sort_by="LAST_UPDATE_TIME", limit="9", cursor=first["cursor"],
    )  # fmt: skip
    assert [row["order_id"] for row in rest["orders"]] == ids[3::-1]


def test_orders_that_were_never_filled_come_last_by_their_last_fill(stage):
    placed(stage)
    early = stage.order("BUY", market_market_ioc={"base_size": "0.1"}).order_id
    stage.wait(1)
    late = stage.order("BUY", market_market_ioc={"base_size": "0.1"}).order_id
    found = pages(stage, "GET /orders/historical/batch", "orders", sort_by="LAST_FILL_TIME")
    assert [row["order_id"] for row in found[:2]] == [late, early]
    assert len({row["order_id"] for row in found}) == len(PRICES) + 2


def test_a_market_order_has_no_limit_price_to_be_sorted_by(stage):
    market = stage.order("BUY", market_market_ioc={"base_size": "0.1"}).order_id
    placed(stage)
    found = ask(stage, "GET /orders/historical/batch", sort_by="LIMIT_PRICE")["orders"]
    assert found[-1]["order_id"] == market


@pytest.mark.parametrize("sort_by", ["PRICE", "TRADE_TIME", ""])
def test_fills_are_sorted_page_by_page(stage, sort_by):
    def trade(price):
        stage.quote("BTC-USD", str(price - 1), str(price), size="10")
        stage.order("BUY", market_market_ioc={"base_size": "0.001"})
        stage.wait(1)

    for price in (64000, 64005, 64000, 64002, 64000):
        trade(price)
    known = ask(stage, "GET /orders/historical/fills")["fills"]
    found = pages(
        stage,
        "GET /orders/historical/fills",
        "fills",
        sort_by=sort_by,
        between=lambda: trade(64001),
    )
    told = [row["entry_id"] for row in found]
    assert len(told) == len(set(told))
    assert {row["entry_id"] for row in known} <= set(told)
    field = "price" if sort_by == "PRICE" else "trade_time"
    assert all(one[field] >= other[field] for one, other in pairwise(found))


@pytest.mark.parametrize("route", ["GET /orders/historical/batch", "GET /orders/historical/fills"])
def test_an_unknown_order_of_sorting_and_a_foreign_cursor_are_refused(stage, route):
    assert "sort_by is none of" in refused(stage, route, sort_by="SIZE")
    assert ask(stage, route, sort_by="UNKNOWN_SORT_BY", cursor="0")
    by = "LIMIT_PRICE" if route.endswith("batch") else "PRICE"
    for cursor in ("x", "5", "x~1", "5~", "5~x", "~", "NaN~1"):
        assert refused(stage, route, sort_by=by, cursor=cursor) == "cursor is invalid"


def test_fills_are_found_by_kind_of_order_and_product_and_by_asset(stage):
    stage.order("BUY", market_market_ioc={"base_size": "0.1"})
    stage.limit("BUY", "0.1", "3001", "ETH-USD")
    stage.order("BUY", BIP, market_market_ioc={"base_size": "1"})

    def found(**filters):
        rows = ask(stage, "GET /orders/historical/fills", **filters)["fills"]
        return {row["product_id"] for row in rows}

    assert found() == {"BTC-USD", "ETH-USD", BIP}
    assert found(order_types=["LIMIT"]) == {"ETH-USD"}
    assert found(order_types=["LIMIT", "MARKET"]) == {"BTC-USD", "ETH-USD", BIP}
    assert found(product_types=["FUTURE"]) == {BIP}
    assert found(product_types=["SPOT", "FUTURE"]) == {"BTC-USD", "ETH-USD", BIP}
    assert found(asset_filters=["BTC"]) == {"BTC-USD", BIP}
    assert found(asset_filters=["ETH"], product_types=["FUTURE"]) == set()


# ------------------------------------------------------------------------------------ futures, books


@pytest.mark.parametrize("hour", [0, 20, 21, 22, 23])
def test_an_open_session_ends_at_the_next_nine_in_the_evening(hour):
    stage = made(start=START.replace(hour=hour, second=1))
    window = ask(stage, "GET /cfm/intraday/current_margin_window")["margin_window"]
    session = ask(stage, "GET /products/{product_id}", path={"product_id": BIP})[
        "fcm_trading_session_details"
    ]  # fmt: skip
    now = stage.now.isoformat()
    assert session["open_time"] <= now < session["close_time"] == window["end_time"]
    assert session["close_time"].endswith("T21:00:00.000000Z")
    assert session["session_state"] == "FCM_TRADING_SESSION_STATE_OPEN"
    stage.world.exchange.set_flags(BIP, Flags(session_open=False), stage.now)
    session = ask(stage, "GET /products/{product_id}", path={"product_id": BIP})[
        "fcm_trading_session_details"
    ]  # fmt: skip
    assert now < session["open_time"] < session["close_time"]
    assert session["open_time"].endswith("T22:00:00.000000Z")
    assert session["session_state"] == "FCM_TRADING_SESSION_STATE_CLOSE"  # so spelt
    assert session["closed_reason"] == "FCM_TRADING_SESSION_CLOSED_REASON_REGULAR_MARKET_CLOSE"


def test_a_preview_of_a_future_tells_the_margin_it_would_need(stage):
    proposal = body({"limit_limit_gtc": {"base_size": "2", "limit_price": "60000"}}, product_id=BIP)
    answer = ask(stage, "POST /orders/preview", proposal)
    assert answer["order_margin_total"] == "120"  # 2 contracts of 0.01 BTC at a tenth
    spot = ask(stage, "POST /orders/preview", body({"limit_limit_gtc": TERMS}))
    assert spot["order_margin_total"] == ""
    assert {"pnl_configuration", "twap_bucket_metadata", "margin_ratio_data"} <= spot.keys()


def test_the_summary_breaks_its_volume_down(stage):
    stage.order("BUY", market_market_ioc={"base_size": "0.1"})
    summary = ask(stage, "GET /transaction_summary")
    (part,) = summary["volume_breakdown"]
    assert part["volume"] == summary["total_volume"] > 0
    (step,) = summary["fee_tier"]["volume_types_and_range"]
    assert (step["vol_from"], step["vol_to"]) == ("0", "10000")


def test_a_book_gathered_to_more_than_its_price_has_no_bid_at_nothing(stage):
    book = ask(
        stage, "GET /product_book", product_id="BTC-USD", aggregation_price_increment="100000"
    )["pricebook"]  # fmt: skip
    assert book["bids"] == []
    assert [row["price"] for row in book["asks"]] == ["100000"]


# ------------------------------------------------------------------------------ names in camelCase


def test_bodies_and_queries_may_be_in_camel_case(stage):
    """Coinbase's own TypeScript SDK writes them so."""
    sent = {
        "clientOrderId": "aB", "productId": "BTC-USD", "side": "BUY",
        "orderConfiguration": {"limitLimitGtc": {"baseSize": "0.1", "limitPrice": "60000", "postOnly": True}},
    }  # fmt: skip
    answer = ask(stage, "POST /orders", sent)["success_response"]
    assert (answer["client_order_id"], answer["product_id"]) == ("aB", "BTC-USD")
    order = ask(stage, "GET /orders/historical/batch", orderStatus="OPEN", productIds="BTC-USD")
    (row,) = order["orders"]
    terms = row["order_configuration"]["limit_limit_gtc"]
    assert terms == {"base_size": "0.1", "limit_price": "60000", "post_only": True}
    edited = {"orderId": row["order_id"], "price": "60001", "size": "0.1"}
    assert ask(stage, "POST /orders/edit", edited)["success"]
    cancelled = ask(stage, "POST /orders/batch_cancel", {"orderIds": [row["order_id"]]})
    assert cancelled["results"][0]["success"]
    listed = ask(stage, "GET /products", productIds=["BTC-USD", "ETH-USD"], productType="SPOT")
    assert [one["product_id"] for one in listed["products"]] == ["BTC-USD", "ETH-USD"]


def test_a_name_in_both_spellings_is_refused(stage):
    both = {"client_order_id": "a", "clientOrderId": "b", "product_id": "BTC-USD", "side": "BUY"}
    assert refused(stage, "POST /orders", both) == "client_order_id is given twice"


# ------------------------------------------------------------------------- as production was captured


def test_products_are_as_captured(stage):
    spot, future = (
        ask(stage, "GET /products/{product_id}", path={"product_id": name})
        for name in ("BTC-USD", BIP)
    )
    assert "future_product_details" not in spot
    assert spot["fcm_trading_session_details"] is None
    for row in (spot, future):
        assert (row["best_bid_price"], row["best_ask_price"]) == ("", "")
    assert (spot["mid_market_price"], future["mid_market_price"]) == ("", "64027.5")
    details = future["future_product_details"]
    assert details["perpetual_details"]["funding_rate"] == ""
    assert details["funding_interval"] == "3600s"
    assert details["index_price"] == details["settlement_price"] == "64027.5"
    assert (details["region_enabled"], details["futures_asset_type"]) == (
        {},
        "FUTURES_ASSET_TYPE_CRYPTO",
    )
    assert details["display_name"]
    maintenance = future["fcm_trading_session_details"]["maintenance"]
    assert maintenance["start_time"] < maintenance["end_time"]
    assert ask(stage, "GET /market/products")["pagination"] is None
    assert ask(stage, "GET /products")["pagination"]["has_next"] is False


@pytest.mark.parametrize("is_bare", [True, False])
def test_futures_figures_are_amounts_or_text(stage, is_bare):
    stage.world.set_faults(bare_futures_figures=is_bare)
    market = {"market_market_ioc": {"base_size": "1"}}
    assert ask(stage, "POST /orders", body(market) | {"product_id": BIP})["success"]
    window = ask(stage, "GET /cfm/balance_summary")["balance_summary"][
        "intraday_margin_window_measure"
    ]
    (position,) = ask(stage, "GET /cfm/positions")["positions"]
    if is_bare:
        assert position["avg_entry_price"] == "64030"
        assert "liquidation_buffer" in window
        assert float(window["initial_margin"]) > 0
    else:
        assert position["avg_entry_price"] == {"value": "64030", "currency": "USD"}
        assert "liquidation_buffer_percentage" in window
        assert window["initial_margin"]["currency"] == "USD"


def test_accounts_of_v2_and_of_the_breakdown_are_as_captured(stage):
    rows = {
        row["currency"]["code"]: row["currency"] for row in ask(stage, "GET /v2/accounts")["data"]
    }
    assert rows["BTC"].keys() == {
        "asset_id",
        "code",
        "color",
        "exponent",
        "name",
        "slug",
        "sort_index",
        "type",
    }
    assert (rows["BTC"]["slug"], rows["BTC"]["exponent"]) == ("bitcoin", 8)
    assert (rows["USD"]["type"], rows["USD"]["exponent"]) == ("fiat", 2)
    run = stage.world.exchange.run
    shown = ask(
        stage, "GET /portfolios/{portfolio_uuid}", path={"portfolio_uuid": portfolio_id(run)}
    )
    kinds = {row["asset"]: row["account_type"] for row in shown["breakdown"]["spot_positions"]}
    assert (kinds["USD"], kinds["BTC"]) == ("ACCOUNT_TYPE_FIAT", "ACCOUNT_TYPE_WALLET")


def test_fees_of_futures_are_asked_for_by_their_product_type(stage):
    market = {"market_market_ioc": {"base_size": "1"}}
    ask(stage, "POST /orders", body(market) | {"product_id": BIP})
    spot = ask(stage, "GET /transaction_summary")
    futures = ask(stage, "GET /transaction_summary", product_type="FUTURE")
    assert (spot["total_volume"], futures["total_volume"]) == (0, 640.3)
    assert futures["volume_breakdown"][0]["volume_type"] == "VOLUME_TYPE_FUTURES"
