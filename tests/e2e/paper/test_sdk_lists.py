"""Coinbase's own RESTClient, unmodified: orders and fills by every filter, page by page."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.paper.clients import BIP, cancel_all, placed, reaches
from tests.papers_service import until


@pytest.fixture(autouse=True)
def clean(client):
    """Every test leaves no order behind."""
    yield
    cancel_all(client)


def test_orders_are_found_by_every_filter(client):
    began = datetime.now(UTC) - timedelta(minutes=1)
    rests = placed(client.limit_order_gtc_buy("", "ETH-USD", "0.01", "3000"))
    stop = placed(
        client.stop_limit_order_gtc_sell(
            "", "ETH-USD", "0.01", "2900", "3000", "STOP_DIRECTION_STOP_DOWN"
        )
    )
    filled = placed(client.market_order_sell("", "BTC-USD", base_size="0.001"))
    future = placed(
        client.create_order(
            "", BIP, "BUY", {"limit_limit_gtc": {"base_size": "1", "limit_price": "50000"}}
        )
    )
    reaches(client, filled, "FILLED")
    reaches(client, future, "OPEN")

    def found(**filters):
        wanted = {rests, stop, filled, future}
        rows = client.list_orders(limit=1000, **filters).orders
        return {row.order_id for row in rows} & wanted

    assert found(order_ids=[rests, filled]) == {rests, filled}
    assert found(product_ids=["ETH-USD", BIP]) == {rests, stop, future}
    assert found(order_status=["OPEN"]) == {rests, stop, future}
    assert found(order_status=["FILLED"]) == {filled}
    assert found(order_types=["STOP_LIMIT"]) == {stop}
    assert found(order_side="SELL") == {stop, filled}
    assert found(product_type="FUTURE") == {future}
    assert found(contract_expiry_type="EXPIRING") == {future}
    assert found(asset_filters=["BTC"]) == {filled, future}
    assert found(time_in_forces="IMMEDIATE_OR_CANCEL") == {filled}
    assert found(start_date=began.isoformat()) == {rests, stop, filled, future}
    assert found(end_date=began.isoformat()) == set()
    assert found(order_placement_source="RETAIL_ADVANCED", retail_portfolio_id="") == {
        rests,
        stop,
        filled,
        future,
    }
    assert found(order_placement_source="RETAIL_SIMPLE") == set()
    assert found(product_id="ETH-USD") == {rests, stop, filled, future}, "the singular is ignored"


def walk(call, rows, **filters):
    seen, cursor = [], None
    for _ in range(100):
        page = call(limit=2, cursor=cursor, **filters)
        seen += getattr(page, rows)
        cursor = page.cursor
        if not cursor:
            return seen
    raise AssertionError("the pages do not end")


def test_pages_of_orders_hold_each_order_once_newest_first_also_after_an_edit(client):
    ids = [placed(client.limit_order_gtc_buy("", "BTC-USD", "0.001", "59000")) for _ in range(5)]
    reaches(client, ids[-1], "OPEN")
    assert client.edit_order(ids[1], size="0.002", price="59500").success
    until(lambda: client.get_order(ids[1]).order.edit_history)
    assert [
        row.order_id for row in walk(client.list_orders, "orders", order_status=["OPEN"])
    ] == ids[::-1]
    assert [row.order_id for row in walk(client.list_orders, "orders", order_ids=ids)] == ids[::-1]
    assert client.list_orders(order_status=["OPEN"], cursor="0").has_next is False


def test_fills_are_found_by_every_filter_and_page(client):
    began = datetime.now(UTC)
    ids = []
    for side in ("BUY", "SELL", "BUY"):
        ids.append(placed(client.market_order("", "BTC-USD", side, base_size="0.002")))
        reaches(client, ids[-1], "FILLED")
    rows = walk(client.get_fills, "fills", order_ids=ids)
    assert [row.order_id for row in rows] == ids[::-1]
    assert len({row.entry_id for row in rows}) == 3
    assert all(len(row.entry_id) == 64 for row in rows)
    trade = rows[0].trade_id
    assert [row.order_id for row in client.get_fills(trade_ids=[trade]).fills] == [ids[-1]]
    since = {"start_sequence_timestamp": began.isoformat(), "product_ids": ["BTC-USD"]}
    assert [row.order_id for row in client.get_fills(**since).fills] == ids[::-1]
    assert client.get_fills(end_sequence_timestamp=began.isoformat(), order_ids=ids).fills == []
    assert client.get_fills(product_ids=["DOT-USD"]).fills == []


def test_lists_are_sorted_by_what_the_sdk_asks_for_page_by_page(client):
    prices = ["59000", "59002", "59001", "59002", "59000"]
    ids = [placed(client.limit_order_gtc_buy("", "BTC-USD", "0.001", price)) for price in prices]
    reaches(client, ids[-1], "OPEN")
    rows = walk(client.list_orders, "orders", order_ids=ids, sort_by="LIMIT_PRICE")
    assert [row.order_id for row in rows] == [ids[n] for n in (3, 1, 2, 4, 0)]
    fills = walk(client.get_fills, "fills", sort_by="PRICE", product_types=["SPOT"])
    told = [float(row.price) for row in fills]
    assert told == sorted(told, reverse=True)
    assert len({row.entry_id for row in fills}) == len(fills)


def test_a_null_member_of_a_configuration_reaches_no_list(client):
    terms = {"base_size": "0.001", "limit_price": "59000"}
    configuration = {"limit_limit_gtc": terms, "market_market_ioc": None}
    order_id = placed(client.create_order("", "BTC-USD", "BUY", configuration))
    reaches(client, order_id, "OPEN")
    assert client.edit_order(order_id, size="0.001", price="59500").success
    until(lambda: client.get_order(order_id).order.edit_history)
    assert order_id in {row.order_id for row in client.list_orders().orders}
