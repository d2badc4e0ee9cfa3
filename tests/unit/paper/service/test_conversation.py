"""What a websocket client may say."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.paper.service.keys import Scope, new_key
from sidecar.paper.venue.listing import Flags
from tests.paper_world import made, token

SHARE = settings(max_examples=settings().max_examples // 2)  # soak runs the long form

FAILED = [{"type": "error", "message": "authentication failure"}]


def spoken(client):
    return [row.get("message") for row in client.hears()]


@pytest.mark.parametrize("channel", ["heartbeat", "l2_data", "", "USER"])
def test_an_unknown_channel_is_answered_as_coinbase_does(channel):
    client = made().client()
    client.says(type="subscribe", channel=channel, product_ids=["BTC-USD"])
    assert client.hears() == FAILED


@pytest.mark.parametrize("channel", ["user", "futures_balance_summary"])
def test_the_accounts_channels_need_a_good_token(channel):
    client = made().client()
    client.says(type="subscribe", channel=channel)
    client.says(type="subscribe", channel=channel, jwt="nonsense")
    client.says(type="subscribe", channel=channel, jwt=token()[:-4] + "AAAA")
    assert client.hears() == FAILED * 3
    assert client.session.bare_since is not None


def test_a_bad_token_spoils_a_public_channel_as_well():
    client = made().client()
    client.says(type="subscribe", channel="heartbeats", jwt="nonsense")
    assert client.hears() == FAILED


def test_a_key_that_may_not_view_hears_nothing_of_the_account():
    stage = made()
    blind = new_key("ES256", Scope.TRADE)
    stage.world.keys = type(stage.world.keys)([blind.key])
    client = stage.client()
    client.says(type="subscribe", channel="user", jwt=token(blind))
    assert client.hears() == FAILED


def test_an_expired_token_is_a_switch():
    stage = made()
    stage.world.set_faults(expire_tokens=1)
    client = stage.client()
    client.says(type="subscribe", channel="user", jwt=token())
    assert client.hears() == FAILED
    assert client.subscribes("user")[-1]["channel"] == "subscriptions"


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"{", "subscribe or unsubscribe required"),
        (b"\xff\xfe", "subscribe or unsubscribe required"),
        (b"[]", "subscribe or unsubscribe required"),
        (b'{"type":1}', "subscribe or unsubscribe required"),
        (b"[" * 10_000, "subscribe or unsubscribe required"),
        (b'{"type":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "subscribe or unsubscribe required"),
        (b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "subscribe or unsubscribe required"),
        (b"{}", "subscribe or unsubscribe required"),
        (b'{"type":"subscribe","channel":"ticker"}', "channel ticker requires product_ids"),
        (
            b'{"type":"subscribe","channel":"ticker","product_ids":["NO-SUCH"]}',
            "NO-SUCH is not a valid product",
        ),
    ],
)
def test_nonsense_is_answered_and_the_connection_stays(message, answer):
    client = made().client()
    client.says(message)
    assert spoken(client) == [answer]
    assert client.session.closing is None


def test_too_many_products_are_refused():
    client = made().client()
    client.says(type="subscribe", channel="ticker", product_ids=[f"P{n}-USD" for n in range(1001)])
    assert spoken(client) == ["too many product_ids: at most 1000"]


def test_messages_without_a_token_are_limited_by_address():
    stage = made()
    client = stage.client()
    for _ in range(9):
        client.says(type="subscribe", channel="heartbeats")
    assert spoken(client)[-1] == "rate limit exceeded"
    stage.now_wall += 1
    assert client.subscribes("heartbeats")[-1]["channel"] == "subscriptions"
    assert stage.client("127.0.0.2").subscribes("heartbeats")


def test_the_acknowledgement_holds_the_whole_set():
    stage = made()
    client = stage.client()
    client.subscribes("heartbeats")
    client.subscribes("ticker", "BTC-USD")
    client.subscribes("ticker", "ETH-USD")
    current = client.subscribes("user")[-1]["events"][0]["subscriptions"]
    assert {name: len(ids) for name, ids in current.items()} == {
        "heartbeats": 1,
        "ticker": 2,
        "user": 1,
    }
    assert current["heartbeats"] == ["heartbeats"]
    assert current["ticker"] == ["BTC-USD", "ETH-USD"]
    assert len(current["user"][0]) == 36


def test_a_product_can_be_left_and_an_alias_keeps_its_book():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("ticker", "BTC-USD", "BTC-USDC")
    client.says(type="unsubscribe", channel="ticker", product_ids=["BTC-USD"])
    assert client.hears()[-1]["events"][0]["subscriptions"] == {"ticker": ["BTC-USDC"]}
    stage.quote("BTC-USD", "102", "103")
    assert len(client.hears()) == 1
    client.says(type="unsubscribe", channel="ticker", product_ids=["BTC-USDC"])
    client.hears()
    stage.quote("BTC-USD", "104", "105")
    assert client.hears() == []


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100])
def test_open_orders_come_in_fifties_and_a_short_batch_ends_them(count):
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    for _ in range(count):
        stage.limit("BUY", "0.1", "50")
    frames = stage.client().subscribes("user")
    batches = [len(row["events"][0]["orders"]) for row in frames[:-1]]
    assert sum(batches) == count
    assert all(size == 50 for size in batches[:-1])
    assert batches[-1] < 50
    assert frames[-1]["channel"] == "subscriptions"
    assert [row["sequence_num"] for row in frames] == list(range(len(frames)))


def test_an_acknowledgement_is_not_older_than_what_comes_before_it():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    moments = iter(range(10_000))

    def later():
        return next(moments) / 1000

    client = stage.client()
    stage.world.wall = later
    for channel, products in (("user", ()), ("ticker", ("BTC-USD",))):
        data, acknowledgement = client.subscribes(channel, *products)
        assert data["timestamp"] == acknowledgement["timestamp"]


def test_leaving_one_product_of_all_the_user_s_orders_leaves_all_of_them():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("user")
    client.says(type="unsubscribe", channel="user", product_ids=["BTC-USD"], jwt=token())
    assert "user" in client.hears()[-1]["events"][0]["subscriptions"]
    stage.limit("BUY", "0.1", "50")
    assert client.hears()[0]["channel"] == "user"
    client.says(type="unsubscribe", channel="user", product_ids=[], jwt=token())
    assert client.hears()[-1]["events"][0]["subscriptions"] == {}
    stage.limit("BUY", "0.1", "50")
    assert client.hears() == []


def test_leaving_one_of_two_products_of_the_user_s_orders_leaves_the_other():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    stage.quote("ETH-USD", "10", "11")
    client = stage.client()
    client.subscribes("user", "BTC-USD", "ETH-USD")
    client.says(type="unsubscribe", channel="user", product_ids=["BTC-USD"], jwt=token())
    client.hears()
    stage.limit("BUY", "0.1", "50")
    assert client.hears() == []
    stage.limit("BUY", "1", "5", "ETH-USD")
    assert client.hears()


def test_the_status_of_an_alias_is_told_of_the_book_it_shares():
    stage = made()
    client = stage.client()
    snapshot, *_ = client.subscribes("status", "BTC-USDC")
    assert [row["id"] for row in snapshot["events"][0]["products"]] == ["BTC-USD"]
    stage.world.exchange.set_flags("BTC-USD", Flags(trading_disabled=True), stage.now)
    stage.world.tell()
    (update,) = client.hears()
    assert update["events"][0]["products"][0]["status"] == "offline"
    client.says(type="unsubscribe", channel="status", product_ids=["BTC-USDC"])
    client.hears()
    stage.world.exchange.set_flags("BTC-USD", Flags(), stage.now)
    stage.world.tell()
    assert client.hears() == []


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("nulls", [False, True])
def test_the_snapshot_of_orders_has_the_shape_of_their_updates(sparse, nulls):
    stage = made(faults={"sparse_user_frames": sparse, "null_optionals": nulls})
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("user")
    stage.limit("BUY", "0.1", "50")
    update = client.hears()[-1]["events"][0]
    snapshot = stage.client("127.0.0.2").subscribes("user")[0]["events"][0]
    assert snapshot | {"type": "update"} == update
    assert ("positions" in snapshot) is not sparse
    (row,) = snapshot["orders"]
    assert ("reject_Reason" in row) is sparse
    assert (row["avg_price"] is None) is nulls


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["subscribe", "unsubscribe"]) | ANYTHING,
        "channel": st.sampled_from(["ticker", "user", "level2", "candles", "status"]) | ANYTHING,
        "product_ids": st.lists(st.sampled_from(["BTC-USD", "BTC-USDC", "x"])) | ANYTHING,
        "jwt": st.text(max_size=40) | ANYTHING,
    },
)


@SHARE
@given(st.lists(MESSAGES, max_size=6))
def test_whatever_is_said_each_message_gets_an_answer_and_nothing_breaks(messages):
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    for message in messages:
        client.says(json.dumps(message))
        assert client.hears()
    stage.quote("BTC-USD", "102", "103")
    stage.wait(1)
