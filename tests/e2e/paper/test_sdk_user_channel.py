"""Coinbase's own websocket clients, unmodified: orders as the user channel tells them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from coinbase.websocket import WSClient, WSUserClient

from tests.e2e.paper.clients import cancel_all, placed
from tests.e2e.paper.feeds import feed
from tests.papers_service import until


@pytest.fixture(autouse=True)
def clean(client, paper):
    """Every test finds the books as they were, and no order."""
    paper.hold("BTC-USD", "64000")
    paper.hold("ETH-USD", "3200")
    yield
    cancel_all(client)


@pytest.mark.parametrize(
    ("kind", "key"), [(WSClient, "key.json"), (WSUserClient, "key-ed25519.json")]
)
def test_the_life_of_an_order_is_told_to_either_client_and_key(paper, client, kind, key):
    with feed(paper, kind, key=key) as told:
        told.client.subscribe([], ["heartbeats", "user"])
        told.snapshot("user")
        order_id = placed(
            client.limit_order_gtc_buy(f"life-{kind.__name__}", "ETH-USD", "0.5", "3190")
        )
        pending, opened = told.life(order_id, "OPEN")
        assert pending.status == "PENDING"
        assert (opened.cumulative_quantity, opened.leaves_quantity) == ("0", "0.5")
        assert (opened.order_type, opened.order_side, opened.post_only) == ("Limit", "BUY", "false")
        assert opened.outstanding_hold_amount == "1614.14"
        paper.hold("ETH-USD", "3189")
        filled = told.life(order_id, "FILLED")[-1]
    assert (filled.cumulative_quantity, filled.leaves_quantity, filled.avg_price) == (
        "0.5",
        "0",
        "3190",
    )
    assert (filled.total_fees, filled.completion_percentage) == ("9.57", "100.00")
    assert filled.total_value_after_fees == "1604.57"
    assert filled.client_order_id == f"life-{kind.__name__}"


def test_a_part_fill_is_open_with_more_done_and_a_cancel_ends_it(paper, client):
    asks = client.get_product_book("ETH-USD").pricebook.asks
    with feed(paper, WSUserClient) as told:
        told.client.subscribe([], ["user"])
        size = Decimal(asks[0].size) + 1
        order_id = placed(client.limit_order_gtc_buy("", "ETH-USD", str(size), "3200"))
        stages = told.life(order_id, "OPEN")
        assert [row.status for row in stages] == ["PENDING", "OPEN"]
        assert Decimal(stages[-1].cumulative_quantity) == Decimal(asks[0].size)
        assert stages[-1].leaves_quantity == "1"
        client.cancel_orders([order_id])
        ended = told.life(order_id, "CANCELLED")[-1]
    assert Decimal(ended.cumulative_quantity) == Decimal(asks[0].size)
    assert (ended.leaves_quantity, ended.cancel_reason) == ("0", "User requested cancel")
    assert ended.outstanding_hold_amount == "0"


def test_a_good_till_date_order_expires_on_the_channel(paper, client):
    with feed(paper, WSUserClient) as told:
        told.subscribe(["user"])
        soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
        order_id = placed(client.limit_order_gtd_buy("", "ETH-USD", "0.1", "3000", soon))
        stages = told.life(order_id, "EXPIRED")
    assert [row.status for row in stages] == ["PENDING", "OPEN", "EXPIRED"]
    assert datetime.fromisoformat(stages[0].end_time) == datetime.fromisoformat(soon)


def test_a_stop_waits_until_its_price_trades(paper, client):
    with feed(paper) as told:
        told.subscribe(["user"])
        order_id = placed(
            client.stop_limit_order_gtc_sell(
                "", "ETH-USD", "0.1", "3000", "3100", "STOP_DIRECTION_STOP_DOWN"
            )
        )
        waiting = told.life(order_id, "OPEN")[-1]
        assert (waiting.order_type, waiting.trigger_status) == ("Stop Limit", "STOP_PENDING")
        assert (waiting.stop_price, waiting.limit_price) == ("3100", "3000")
        paper.hold("ETH-USD", "3090")
        filled = told.life(order_id, "FILLED")[-1]
        assert (filled.trigger_status, filled.avg_price) == ("STOP_TRIGGERED", "3089.99")


def test_an_attached_bracket_comes_to_life_with_its_entry_s_fill(paper, client):
    bracket = {"trigger_bracket_gtc": {"limit_price": "3400", "stop_trigger_price": "3000"}}
    with feed(paper) as told:
        told.subscribe(["user"])
        entry = placed(
            client.create_order(
                "", "ETH-USD", "BUY", {"market_market_ioc": {"base_size": "0.1"}},
                attached_order_configuration=bracket,
            )
        )  # fmt: skip
        told.life(entry, "FILLED")
        guard = (
            told.next("user", lambda frame: frame.events[0].orders[0].order_type == "Bracket")
            .events[0]
            .orders[0]
        )
        assert told.life(guard.order_id, "OPEN")[-1].leaves_quantity == "0.1"
        assert client.get_order(guard.order_id).order.originating_order_id == entry
        assert client.get_order(entry).order.attached_order_id == guard.order_id
        paper.hold("ETH-USD", "3400.01")
        assert told.life(guard.order_id, "FILLED")[-1].avg_price == "3400"


def test_old_sparse_frames_are_parsed_too(paper, client):
    with paper.faults(sparse_user_frames=True), feed(paper) as told:
        told.subscribe(["user"])
        order_id = placed(client.limit_order_gtc_buy("", "ETH-USD", "0.01", "3000"))
        row = told.life(order_id, "OPEN")[-1]
    assert (row.avg_price, row["reject_Reason"]) == ("0", "REJECT_REASON_UNSPECIFIED")
    assert row["number_of_fills"] is None


def test_the_user_channel_can_be_narrowed_to_products(paper, client):
    with feed(paper) as told:
        told.subscribe(["user"], ["ETH-USD"])
        told.snapshot("user")
        placed(client.limit_order_gtc_buy("", "BTC-USD", "0.001", "60000"))
        eth = placed(client.limit_order_gtc_buy("", "ETH-USD", "0.01", "3000"))
        told.life(eth, "OPEN")
    orders = [
        row for frame in told.seen if frame.channel == "user" for row in frame.events[0].orders
    ]
    assert {row.product_id for row in orders} == {"ETH-USD"}


@pytest.mark.parametrize("asked", [([], ["ETH-USD"]), (["ETH-USD"], [])])
def test_all_products_with_some_more_are_still_all(paper, client, asked):
    with feed(paper) as told:
        for products in asked:
            told.subscribe(["user"], products)
        btc = placed(client.limit_order_gtc_buy("", "BTC-USD", "0.001", "60000"))
        assert told.life(btc, "OPEN")


def test_open_orders_come_in_batches_of_fifty_and_the_last_is_shorter(paper, client):
    ids: list[str] = []
    for count, batches in ((0, [0]), (49, [49]), (50, [50, 0]), (51, [50, 1]), (100, [50, 50, 0])):
        while len(ids) < count:
            ids.append(placed(client.limit_order_gtc_buy("", "ETH-USD", "0.01", "3000")))
        until(lambda: client.get_order(ids[-1]).order.status == "OPEN" if ids else True)
        with feed(paper, WSUserClient) as told:
            told.client.subscribe([], ["user"])
            told.next("subscriptions")
        frames = [frame for frame in told.seen if frame.channel == "user"]
        assert [frame.events[0].type for frame in frames] == ["snapshot"] * len(batches)
        assert [len(frame.events[0].orders) for frame in frames] == batches
        assert {row.order_id for frame in frames for row in frame.events[0].orders} == set(ids)
