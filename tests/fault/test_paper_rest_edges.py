"""What the service does around a call: faults that shape or swallow answers, headers, wrong methods."""

import json

import httpx
import pytest

from tests.fault.paper_client import BROKERAGE, hear, trading


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "5"}) as made:
        for book in made.paper.world.exchange.books.values():
            book.silent = True
        yield made


async def test_an_order_refused_is_answered_and_does_not_count_as_taken(trader):
    trader.paper.world.set_faults(accept_without_answer=1)
    refused = await trader.call("POST", "/orders", json=trader.limit("BUY", "900", "100000"))
    assert refused.json()["success"] is False
    assert trader.paper.world.faults.now.accept_without_answer == 1
    with pytest.raises(httpx.ReadTimeout):
        await trader.call("POST", "/orders", json=trader.limit("BUY", "0.1", "100"), timeout=0.3)
    assert trader.paper.world.faults.now.accept_without_answer == 0


async def test_optional_fields_are_null_for_who_has_no_key_as_well(trader):
    trader.paper.world.set_faults(null_optionals=True)
    row = (await trader.http.get(BROKERAGE + "/market/products/BTC-USD")).json()
    assert row["alias"] is None
    assert row["price_increment"] == "0.01"
    assert None not in (await trader.http.get("/paper/faults")).json().values()


async def test_null_optionals_leave_what_is_echoed_alone(trader):
    trader.paper.world.set_faults(null_optionals=True)
    terms = {"base_size": "0.1", "limit_price": "100", "end_time": "2999-01-01T00:00:00Z"}
    body = trader.body("BUY", {"limit_limit_gtd": terms}, "BTC-USD")
    answer = (await trader.call("POST", "/orders", json=body)).json()
    assert answer["order_configuration"] == {"limit_limit_gtd": terms}
    (order,) = (await trader.get("/orders/historical/batch"))["orders"]
    assert order["order_configuration"] == {"limit_limit_gtd": terms}
    assert order["average_filled_price"] is None


async def test_the_snapshot_of_orders_is_as_sparse_as_what_follows(trader):
    await trader.place(trader.limit("BUY", "0.1", "100"))
    trader.paper.world.set_faults(sparse_user_frames=True, null_optionals=True)
    async with trader.listen("user") as socket:
        (row,) = (await hear(socket, "user"))["events"][0]["orders"]
    assert "reject_Reason" in row
    assert row["avg_price"] is None


async def test_a_key_without_the_scope_is_told_its_limits_too(tmp_path):
    async with trading(tmp_path, private_requests_per_s=30) as trader:
        key = json.loads((tmp_path / "key-view.json").read_text())
        trader.name, trader.pem = key["name"], key["privateKey"]
        answer = await trader.call("POST", "/orders", json=trader.limit("BUY", "0.1", "100"))
    assert answer.status_code == 403
    assert answer.headers["x-ratelimit-limit"] == "30"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/orders/historical/some-order"),
        ("DELETE", "/orders/historical/some-order"),
        ("PUT", "/portfolios/some-portfolio"),
        ("DELETE", "/market/products/BTC-USD/candles"),
        ("GET", "/orders"),
    ],
)
async def test_a_known_path_asked_by_another_method_is_501(trader, method, path):
    answer = await trader.call(method, path)
    assert (answer.status_code, answer.json()["error"]) == (501, "UNIMPLEMENTED")


@pytest.mark.parametrize("path", ["/orders/historical/a/b", "/market", "/products/"])
async def test_a_path_that_is_none_is_404(trader, path):
    assert (await trader.call("POST", path)).status_code == 404
