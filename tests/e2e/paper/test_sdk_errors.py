"""Coinbase's own RESTClient, unmodified: what it makes of calls that fail, and of all its methods."""

import re
from pathlib import Path

import pytest
from coinbase.rest import RESTClient
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from requests.exceptions import HTTPError

from tests.e2e.paper.clients import placed, rest_client
from tests.e2e.paper.feeds import feed
from tests.papers_service import running, until

MISSING_SCOPES_BODY = (
    '{"error":"PERMISSION_DENIED","error_details":"Missing required scopes",'
    '"message":"Missing required scopes"}'
)
MISSING_SCOPES = (
    "403 Client Error: Missing Required Scopes. "
    "Please verify your API keys include the necessary permissions."
)


def failure(call):
    """Status and body of a call that must fail."""
    with pytest.raises(HTTPError) as failed:
        call()
    assert failed.value.response is not None
    return failed.value.response.status_code, failed.value.response.text, str(failed.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.market_order_buy("", "BTC-USD", quote_size="10"),
        lambda client: client.cancel_orders(["x"]),
        lambda client: client.edit_order("x", "1", "1"),
        lambda client: client.close_position("", "BIP-20DEC30-CDE"),
        lambda client: client.set_intraday_margin_setting("INTRADAY_MARGIN_SETTING_STANDARD"),
        lambda client: client.schedule_futures_sweep("1"),
        lambda client: client.cancel_pending_futures_sweep(),
    ],
)
def test_a_key_that_may_only_view_gets_the_sdk_s_own_words_for_it(paper, trust, call):
    with rest_client(paper, key_file=paper.key_file("key-view.json")) as viewer:
        assert failure(lambda: call(viewer)) == (
            403,
            MISSING_SCOPES_BODY,
            MISSING_SCOPES,
        )
        assert viewer.preview_market_order_buy("BTC-USD", quote_size="10").errs == []
        permissions = viewer.get_api_key_permissions()
        assert (permissions.can_view, permissions.can_trade) == (True, False)


def test_the_transfer_key_may_transfer(paper, trust):
    with rest_client(paper, key_file=paper.key_file("key-transfer.json")) as client:
        assert client.get_api_key_permissions().can_transfer is True
        assert client.schedule_futures_sweep("12.5").success is True
        (sweep,) = client.list_futures_sweeps().sweeps
        assert sweep.requested_amount == {"value": "12.5", "currency": "USD"}
        assert (sweep.should_sweep_all, sweep.status) == (False, "PENDING")
        assert sweep.schedule_time.endswith("T00:00:00.000000Z")
        assert client.cancel_pending_futures_sweep().success is True
        assert client.list_futures_sweeps().sweeps == []


def test_another_s_signature_under_a_known_name_is_unauthorized(paper, trust):
    name, _ = paper.key()
    forged = (
        generate_private_key(SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        .decode()
    )
    with rest_client(paper, api_key=name, api_secret=forged) as client:
        status, body, message = failure(client.get_accounts)
    assert (status, body, message) == (
        401,
        "Unauthorized",
        "401 Client Error: Unauthorized Unauthorized",
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: c.get_order("none"), "order with this orderID was not found"),
        (lambda c: c.get_account("none"), "account not found"),
        (lambda c: c.get_product("NO-SUCH"), "product NO-SUCH not found"),
        (lambda c: c.get_portfolio_breakdown("none"), "portfolio not found"),
        (lambda c: c.get_futures_position("BIP-20DEC30-CDE"), "position not found"),
    ],
)
def test_what_does_not_exist_is_404_with_coinbase_s_body(client, call, words):
    status, body, message = failure(lambda: call(client))
    assert status == 404
    assert body == f'{{"error":"NOT_FOUND","error_details":"{words}","message":"{words}"}}'
    assert message == f"404 Client Error: Not Found {body}"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: c.get_candles("BTC-USD", "1", "2", "ONE_WEEK"), "granularity"),
        (
            lambda c: c.get_candles("BTC-USD", "2", "1", "ONE_DAY"),
            "start and end argument is invalid",
        ),
        (lambda c: c.get_candles("BTC-USD", "soon", "2", "ONE_DAY"), "start argument is invalid"),
        (lambda c: c.get_product_book(""), "product_id is required"),
        (lambda c: c.get_product_book("BTC-USD", aggregation_price_increment="-1"), "not positive"),
        (lambda c: c.list_orders(limit="many"), "limit is not a number"),
        (lambda c: c.list_orders(cursor="none"), "cursor is invalid"),
        (lambda c: c.list_orders(start_date="yesterday"), "start_date"),
        (lambda c: c.cancel_orders([]), "order_ids is required"),
        (lambda c: c.create_order("x" * 200, "BTC-USD", "BUY", {}), "client_order_id"),
        (lambda c: c.set_intraday_margin_setting("ALL"), "setting argument is invalid"),
    ],
)
def test_a_request_of_the_wrong_shape_is_400_and_names_what_is_wrong(client, call, words):
    status, body, message = failure(lambda: call(client))
    assert (status, words in body) == (400, True), body
    assert body.startswith('{"error":"INVALID_ARGUMENT","error_details":"')
    assert message == f"400 Client Error: Bad Request {body}"


def test_a_hundred_cancels_are_the_most_and_more_are_refused_in_coinbase_s_words(client):
    assert len(client.cancel_orders(["x"] * 100).results) == 100
    status, body, _ = failure(lambda: client.cancel_orders(["x"] * 101))
    assert (status, body) == (
        400,
        '{"error":"InvalidArgument","message":"Too many orderIDs entered, limit is 100"}',
    )


def test_the_intraday_margin_setting_can_be_changed(client):
    client.set_intraday_margin_setting("INTRADAY_MARGIN_SETTING_STANDARD")
    assert client.get_intraday_margin_setting().setting == "INTRADAY_MARGIN_SETTING_STANDARD"
    client.set_intraday_margin_setting("INTRADAY_MARGIN_SETTING_INTRADAY")


def test_a_server_s_error_page_is_an_error_and_not_an_answer(paper, client):
    with paper.faults(server_errors=1):
        status, body, message = failure(client.get_accounts)
    assert (status, body[:15]) == (503, "<!DOCTYPE html>")
    assert message.startswith("503 Server Error: Service Unavailable")


# ------------------------------------------------------------------------------------ limits


def test_limits_are_told_in_the_headers_the_sdk_looks_for_and_then_enforced(
    tmp_path_factory, monkeypatch
):
    directory = tmp_path_factory.mktemp("limited")
    with running(directory, private_requests_per_s=3, requests_per_hour=1_000) as paper:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", paper.urls["ca_file"])
        with rest_client(paper, key_file=paper.key_file(), rate_limit_headers=True) as client:
            first = client.get_accounts()
            assert first.rate_limit_limit == "3"
            assert first.rate_limit_remaining == "2"
            assert int(first.rate_limit_reset) >= 1
            with pytest.raises(HTTPError) as failed:
                until(lambda: not client.get_accounts())
        assert failed.value.response is not None
        assert failed.value.response.status_code == 429
        assert failed.value.response.text == (
            '{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}'
        )


def test_with_every_optional_field_null_the_sdk_still_parses_every_answer(paper, client):
    order_id = placed(client.limit_order_gtc_buy("", "BTC-USD", "0.001", "60000"))
    portfolio = client.get_portfolios().portfolios[0].uuid
    with paper.faults(null_optionals=True), feed(paper) as told:
        told.subscribe(["user"])
        assert told.snapshot("user").orders[0].order_id == order_id
        assert client.get_order(order_id).order.average_filled_price is None
        assert client.list_orders().orders[0].order_id == order_id
        assert client.get_product("BTC-USD").alias is None
        assert client.get_product("BTC-USD").volume_24h is None
        assert client.get_accounts().accounts[0].available_balance["value"]
        assert client.get_portfolio_breakdown(portfolio).breakdown.spot_positions
        assert client.get_product_book("BTC-USD").pricebook.bids
        assert client.get_market_trades("BTC-USD", 1).best_bid is None
        refused = client.limit_order_gtc_buy("", "BTC-USD", "900", "60000")
        assert refused.error_response["preview_failure_reason"] is None
        assert client.preview_edit_order(order_id, "0.002", "60000").errors == []
        client.cancel_orders([order_id])
        assert told.life(order_id, "CANCELLED")[-1].avg_price is None


# ------------------------------------------------------------------------ what is not served

NOT_SERVED = {
    "list_payment_methods": (),
    "get_payment_method": ("p",),
    "create_convert_quote": ("a", "b", "1"),
    "get_convert_trade": ("t", "a", "b"),
    "commit_convert_trade": ("t", "a", "b"),
    # retired by Coinbase on 2026-09-09
    "allocate_portfolio": ("p", "BTC", "1", "USD"),
    "get_perps_portfolio_summary": ("p",),
    "list_perps_positions": ("p",),
    "get_perps_position": ("p", "BTC"),
    "get_perps_portfolio_balances": ("p",),
    "opt_in_or_out_multi_asset_collateral": ("p", True),
    # a key has one portfolio here
    "create_portfolio": ("name",),
    "edit_portfolio": ("p", "name"),
    "delete_portfolio": ("p",),
    "move_portfolio_funds": ("1", "USD", "p", "q"),
}


@pytest.mark.parametrize("method", NOT_SERVED)
def test_what_is_not_served_says_so(client, method):
    status, body, _ = failure(lambda: getattr(client, method)(*NOT_SERVED[method]))
    assert (status, body) in {
        (404, '{"error":"unknown","error_details":"Not Found","message":"Not Found"}'),
        (
            501,
            '{"error":"UNIMPLEMENTED","error_details":"Method Not Allowed","message":"Method Not Allowed"}',
        ),
    }


def test_every_method_of_the_sdk_is_tried_by_these_tests():
    plumbing = {
        "get",
        "post",
        "put",
        "delete",
        "prepare_and_send_request",
        "send_request",
        "set_headers",
    }
    methods = {name for name in dir(RESTClient) if not name.startswith("_")} - plumbing
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_sdk_*.py"))
    orders = re.findall(r'^    Kind\("(\w+_order\w*)"', text, re.MULTILINE)
    by_table = {p + k + s for p in ("", "preview_") for k in orders for s in ("", "_buy", "_sell")}
    tried = set(re.findall(r"\b(?:client|viewer|c)\.(\w+)\(", text)) | by_table | set(NOT_SERVED)
    named = set(re.findall(r'"(get_\w+)"', text))
    assert methods - tried - named == set()
