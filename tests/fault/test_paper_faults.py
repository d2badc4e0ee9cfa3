"""Each fault switch over the wire: what a client meets, and that it is over when it is over."""

import asyncio
import json

import httpx
import pytest
from websockets.asyncio.client import connect

from sidecar.config.paper_faults import Faults
from tests.fault.paper_client import BROKERAGE, ended, hear, subscribed, trading


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "5"}) as made:
        world = made.paper.world
        for book in world.exchange.books.values():
            book.frozen = True
        yield made


async def switch(trader, **faults):
    answer = await trader.http.post("/paper/faults", json=faults)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def pause(trader, *, for_now):
    """Hold the market clock, so that however slow the machine what is late stays late."""
    answer = await trader.http.post("/paper/market", json={"pause": for_now})
    assert answer.status_code == 200, answer.text


# -------------------------------------------------------------------------------------- the switches


async def test_switches_are_seen_counted_off_and_cleared(trader):
    assert (await switch(trader, too_many_requests=2))["too_many_requests"] == 2
    assert [(await trader.call("GET", "/accounts")).status_code for _ in range(3)] == [
        429,
        429,
        200,
    ]
    await switch(trader, server_errors=5)
    assert (await trader.http.delete("/paper/faults")).json()["server_errors"] == 0
    assert (await trader.call("GET", "/accounts")).status_code == 200


async def test_every_switch_can_be_set_over_the_wire(trader):
    wanted = {
        name: field.default for name, field in Faults.model_fields.items() if name != "close_code"
    }
    named = {
        "frames_channel": "user",
        "wallets_currency": "BTC",
        "refused_product": "BTC-USD",
        "refused_channel": "status",
        "endless_pages": "rows",
        "bad_gateway": "/portfolios",
        "balance_lag_by_currency": {"USD": "60"},
        "stuck_cancels": "CANCEL_QUEUED",
        "no_wallet_of": "USD",
        "end_subscription": "BTC-USD",
    }
    values = {
        name: named.get(name, True if isinstance(value, bool) else 1)
        for name, value in wanted.items()
    }
    shown = await switch(trader, **values)
    assert {name for name, value in shown.items() if value} == wanted.keys()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"drop_frame": 1}, "drop_frame"),
        ({"drop_frames": -1}, "greater than or equal"),
        ({"drop_frames": "many"}, "integer"),
        ({"close_code": 4000}, "close_code"),
        ([], "object"),
    ],
)
async def test_a_wrong_switch_is_refused_by_name_and_changes_nothing(trader, body, word):
    answer = await trader.http.post("/paper/faults", json=body)
    assert answer.status_code == 400
    assert word in answer.json()["message"]
    shown = (await trader.http.get("/paper/faults")).json()
    assert all(value in (0, "0", "", {}) for value in shown.values())


# ---------------------------------------------------------------------------------------------- REST


async def test_429_has_coinbases_body(trader):
    await switch(trader, too_many_requests=1)
    answer = await trader.call("GET", "/accounts")
    assert answer.json() == {
        "errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]
    }


async def test_a_server_error_is_html(trader):
    await switch(trader, server_errors=1)
    answer = await trader.call("GET", "/accounts")
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


async def test_an_expired_token_is_401_in_plain_text(trader):
    await switch(trader, expire_tokens=1)
    answer = await trader.call("GET", "/accounts")
    assert (answer.status_code, answer.text) == (401, "Unauthorized")
    assert (await trader.call("GET", "/accounts")).status_code == 200


async def test_a_share_of_valid_tokens_is_refused_and_none_of_who_has_no_key(trader):
    await switch(trader, unauthorized_share="0.2")
    answers = [(await trader.call("GET", "/key_permissions")).status_code for _ in range(100)]
    assert set(answers) == {200, 401}
    assert 10 <= answers.count(401) <= 30
    public = [await trader.http.get(BROKERAGE + "/time") for _ in range(20)]
    assert {answer.status_code for answer in public} == {200}
    await switch(trader, unauthorized_share=1)
    assert (await trader.call("GET", "/key_permissions")).text == "Unauthorized"


async def test_refused_connections_end_without_an_answer(trader):
    await switch(trader, refuse_connections=True)
    with pytest.raises(httpx.HTTPError):
        await trader.call("GET", "/accounts")
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever a client makes of a cut handshake
        await connect(trader.paper.urls["ws_url"], open_timeout=2).__aenter__()
    await trader.http.delete("/paper/faults")
    assert (await trader.call("GET", "/accounts")).status_code == 200


async def test_a_slow_body_is_whole_in_the_end(trader):
    await switch(trader, slow_bodies_s=0.2)
    begun = asyncio.get_running_loop().time()
    assert (await trader.get("/accounts"))["accounts"]
    assert asyncio.get_running_loop().time() - begun >= 0.2


async def test_a_dribbled_body_begins_and_goes_on_for_long(trader):
    await switch(trader, dribbled_bodies=1)
    with pytest.raises(httpx.ReadTimeout):
        await trader.call("GET", "/accounts", timeout=0.2)
    assert (await trader.get("/accounts"))["accounts"]


async def test_optional_fields_are_null_and_what_the_sdk_unpacks_is_not(trader):
    order_id = await trader.place(trader.limit("BUY", "0.1", "100"))
    await switch(trader, null_optionals=True)
    order = (await trader.get(f"/orders/historical/{order_id}"))["order"]
    assert order["average_filled_price"] is None
    assert order["last_fill_time"] is None
    assert order["order_configuration"]["limit_limit_gtc"]["base_size"] == "0.1"
    assert order["edit_history"] == []


# -------------------------------------------------------------------------------------------- orders


async def test_an_order_can_be_taken_and_never_answered(trader):
    await switch(trader, accept_without_answer=1)
    body = trader.limit("BUY", "0.1", "100")
    with pytest.raises(httpx.ReadTimeout):
        await trader.call("POST", "/orders", json=body, timeout=0.3)
    rows: list[dict[str, object]] = []
    while not rows:  # on a slow machine it is taken after the client has given up
        rows = (await trader.get("/orders/historical/batch"))["orders"]
    (order,) = rows
    assert order["client_order_id"] == body["client_order_id"]
    # Sent again with the same id, it is the same order.
    assert await trader.place(body) == order["order_id"]


async def test_an_order_can_be_answered_and_never_taken(trader):
    await switch(trader, answer_without_accept=1)
    ghost = await trader.place(trader.limit("BUY", "0.1", "100"))
    assert (await trader.call("GET", f"/orders/historical/{ghost}")).status_code == 404
    assert (await trader.get("/orders/historical/batch"))["orders"] == []


async def test_a_new_order_is_not_found_for_a_while(trader):
    await switch(trader, hide_new_orders_s=3600)
    order_id = await trader.place(trader.limit("BUY", "0.1", "100"))
    missing = await trader.call("GET", f"/orders/historical/{order_id}")
    assert missing.status_code == 404
    assert missing.json()["message"] == "order with this orderID was not found"
    assert (await trader.get("/orders/historical/batch"))["orders"] == []
    await trader.http.delete("/paper/faults")
    assert (await trader.get(f"/orders/historical/{order_id}"))["order"]["status"] == "OPEN"


async def test_a_cancel_can_lose_to_a_fill(trader):
    order_id = await trader.place(trader.limit("BUY", "0.1", "100"))
    await switch(trader, fill_after_cancel=1)
    answer = await trader.call("POST", "/orders/batch_cancel", json={"order_ids": [order_id]})
    assert answer.json()["results"][0]["success"]
    order = (await trader.get(f"/orders/historical/{order_id}"))["order"]
    assert (order["status"], order["filled_size"]) == ("FILLED", "0.1")
    assert (await trader.http.get("/paper/faults")).json()["fill_after_cancel"] == 0


async def test_cancelled_can_be_late(trader):
    order_id = await trader.place(trader.limit("BUY", "0.1", "100"))
    await switch(trader, late_cancelled_s=0.2)
    async with trader.listen("user") as socket:
        await subscribed(socket, "user")
        await pause(trader, for_now=True)
        await trader.call("POST", "/orders/batch_cancel", json={"order_ids": [order_id]})
        order = (await trader.get(f"/orders/historical/{order_id}"))["order"]
        assert (order["status"], order["pending_cancel"]) == ("OPEN", True)
        await pause(trader, for_now=False)
        frame = await hear(socket, "user")
    assert frame["events"][0]["orders"][0]["status"] == "CANCELLED"


async def test_balances_can_lag(trader):
    await switch(trader, balance_lag_s=3600)
    await trader.place(trader.market("BUY", "0.01"))
    accounts = {row["currency"]: row for row in (await trader.get("/accounts"))["accounts"]}
    assert accounts["BTC"]["available_balance"]["value"] == "5"
    assert accounts["USD"]["available_balance"]["value"] == "100000"
    await trader.http.delete("/paper/faults")
    accounts = {row["currency"]: row for row in (await trader.get("/accounts"))["accounts"]}
    assert accounts["BTC"]["available_balance"]["value"] == "5.01"


async def test_fees_can_be_late_in_the_fills_as_well(trader):
    await switch(trader, late_fees_s=0.2)
    async with trader.listen("user") as socket:
        await subscribed(socket, "user")
        await pause(trader, for_now=True)
        await trader.place(trader.market("BUY", "0.01"))
        (fill,) = (await trader.get("/orders/historical/fills"))["fills"]
        assert fill["commission"] == "0"
        await pause(trader, for_now=False)
        fees = "0"
        while fees == "0":
            frame = await hear(socket, "user")
            fees = frame["events"][0]["orders"][0]["total_fees"]
    (fill,) = (await trader.get("/orders/historical/fills"))["fills"]
    assert fill["commission"] == fees


# ----------------------------------------------------------------------------------------- websocket


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013])
async def test_every_websocket_can_be_closed_with_a_code(trader, code):
    async with trader.listen("heartbeats") as one, trader.listen("user") as two:
        await subscribed(one, "heartbeats")
        await subscribed(two, "user")
        await switch(trader, close_code=code)
        for socket in (one, two):
            assert await ended(socket) == code
    async with trader.listen("heartbeats") as again:
        await subscribed(again, "heartbeats")


async def test_1006_is_a_cut_connection(trader):
    async with trader.listen("heartbeats") as socket:
        await subscribed(socket, "heartbeats")
        await switch(trader, close_code=1006)
        assert await ended(socket) == 1006


async def test_frames_of_the_user_channel_can_be_lost_doubled_and_swapped(trader):
    async with trader.listen("user", "heartbeats") as socket:
        await subscribed(socket, "user", "heartbeats")
        await switch(
            trader, drop_frames=1, duplicate_frames=1, reorder_frames=1, frames_channel="user"
        )
        await trader.place(trader.limit("BUY", "0.1", "100"))  # PENDING is lost, OPEN is held back
        await trader.place(trader.limit("BUY", "0.2", "100"))
        frames = [await hear(socket, "user") for _ in range(4)]
    told = [
        (row["sequence_num"], row["events"][0]["orders"][0]["leaves_quantity"]) for row in frames
    ]
    numbers = [number for number, _ in told]
    assert len(set(numbers)) == 3  # one came twice
    assert numbers != sorted(numbers)  # one came late
    assert [size for _, size in told].count("0.1") == 1  # one never came


async def test_frames_can_be_late(trader):
    async with trader.listen("user") as socket:
        await subscribed(socket, "user")
        await switch(trader, delay_frames_s=0.2)
        begun = asyncio.get_running_loop().time()
        await trader.place(trader.limit("BUY", "0.1", "100"))
        await hear(socket, "user")
    assert asyncio.get_running_loop().time() - begun >= 0.2


async def test_faults_can_come_from_the_configuration(tmp_path):
    async with trading(tmp_path, faults={"too_many_requests": 1}) as trader:
        answer = await trader.http.get(BROKERAGE + "/time")
        assert answer.status_code == 429
        assert (await trader.http.get(BROKERAGE + "/time")).status_code == 200


async def test_faults_can_be_set_in_process(trader):
    trader.paper.world.set_faults(server_errors=1)
    assert (await trader.call("GET", "/accounts")).status_code == 503
    with pytest.raises(ValueError, match="no_such_switch"):
        trader.paper.world.set_faults(no_such_switch=1)


async def test_the_market_can_be_set_shifted_frozen_and_flagged(trader):
    http = trader.http
    await http.post("/paper/market", json={"product_id": "BTC-USD", "price": "50000"})
    shown = (await http.get("/paper/market")).json()
    book = next(row for row in shown["books"] if row["product_id"] == "BTC-USD")
    assert (book["bid"], book["ask"], book["frozen"]) == ("49999.99", "50000", True)
    await http.post("/paper/market", json={"product_id": "BTC-USD", "shift": "-0.1"})
    query = {"product_id": "BTC-USD", "limit": "1"}
    row = (await http.get(BROKERAGE + "/market/product_book", params=query)).json()["pricebook"]
    assert (row["bids"][0]["price"], row["asks"][0]["price"]) == ("44999.99", "45000")
    flags = {"product_id": "BTC-USD", "flags": {"cancel_only": True}, "freeze": False}
    assert (await http.post("/paper/market", json=flags)).status_code == 200
    answer = await trader.call("POST", "/orders", json=trader.limit("BUY", "0.1", "100"))
    assert answer.json()["error_response"]["error"] == "ORDER_ENTRY_DISABLED"


@pytest.mark.parametrize(
    "body",
    [
        {"price": "1"},
        {"product_id": "NO-SUCH", "price": "1"},
        {"product_id": "BTC-USD", "price": "1", "shift": "0.1"},
        {"product_id": "BTC-USD", "price": "-1"},
        {"product_id": "BTC-USD", "price": "NaN"},
        {"product_id": "BTC-USD", "shift": "-1"},
        {"product_id": "BTC-USD", "flags": {"no_such": True}},
        {"product_id": "BTC-USD", "price": 5},
        {"speed": "0"},
        {"speed": "fast"},
        {"colour": "red"},
        [],
    ],
)
async def test_a_wrong_wish_for_the_market_changes_nothing(trader, body):
    before = (await trader.http.get("/paper/market")).json()["books"]
    answer = await trader.http.post("/paper/market", content=json.dumps(body))
    assert answer.status_code in {400, 404}
    assert (await trader.http.get("/paper/market")).json()["books"] == before


async def test_a_paused_market_stands_still_until_it_is_let_go(trader):
    await trader.http.post("/paper/market", json={"pause": True})
    first = (await trader.http.get("/paper/market")).json()
    second = (await trader.http.get("/paper/market")).json()
    assert first["paused"]
    assert first["time"] == second["time"]
    await trader.http.post("/paper/market", json={"pause": False, "speed": "60"})
    third = (await trader.http.get("/paper/market")).json()
    assert third["time"] > first["time"]
    assert third["speed"] == "60"
