"""Coinbase's own WSClient and WSUserClient, unmodified: every channel, and the life of a socket."""

from datetime import datetime
from decimal import Decimal
from multiprocessing import AuthenticationError

import pytest
from coinbase.websocket.websocket_base import WSClientConnectionClosedException

from tests.e2e.paper.clients import BIP, cancel_all, placed, rest_client
from tests.e2e.paper.feeds import feed
from tests.papers_service import running, until

MARKET = ["ticker", "ticker_batch", "level2", "market_trades", "candles", "status"]


@pytest.fixture(autouse=True)
def clean(client, paper):
    """Every test finds the books as they were, and no order."""
    paper.hold("BTC-USD", "64000")
    paper.hold("ETH-USD", "3200")
    yield
    cancel_all(client)


# ------------------------------------------------------------------------------ every channel


# The SDK makes its TLS context in a way that Python would have otherwise.
@pytest.mark.filterwarnings("ignore:ssl\\.:DeprecationWarning")
@pytest.mark.parametrize("url", ["ws_url", "tls_ws_url"])
def test_every_channel_begins_with_a_snapshot_that_the_sdk_can_parse(paper, url):
    with feed(paper, url=url) as told:
        told.subscribe(MARKET, ["BTC-USD"])
        ticker = told.snapshot("ticker").tickers[0]
        batch = told.snapshot("ticker_batch").tickers[0]
        book = told.snapshot("l2_data")
        trades = told.snapshot("market_trades").trades
        candles = told.snapshot("candles").candles
        status = told.snapshot("status").products[0]
        told.subscribe(["user", "futures_balance_summary", "heartbeats"])
        user = told.snapshot("user")
        futures = told.snapshot("futures_balance_summary").fcm_balance_summary
        beat = told.next("heartbeats").events[0]
    assert (ticker.product_id, ticker.best_bid, ticker.best_ask) == ("BTC-USD", "63999.99", "64000")
    assert (batch.price, batch["best_bid"]) == (ticker.price, None)
    assert {row.side for row in book.updates} == {"bid", "offer"}
    assert {row.event_time for row in book.updates} == {"1970-01-01T00:00:00Z"}
    assert [int(row.trade_id) for row in trades] == sorted(
        (int(row.trade_id) for row in trades), reverse=True
    )
    starts = [int(row.start) for row in candles]
    assert starts == sorted(starts, reverse=True)
    assert all(start % 300 == 0 for start in starts)
    assert (status.id, status.status, status.base_currency) == ("BTC-USD", "online", "BTC")
    assert (user.orders, user.positions.expiring_futures_positions) == ([], [])
    assert futures.liquidation_buffer_percentage == "1000"
    assert isinstance(beat.heartbeat_counter, int)
    assert " +0000 UTC m=+" in beat.current_time


def test_every_market_channel_tells_what_changes(paper, client):
    with feed(paper) as told:
        told.subscribe([*MARKET, "heartbeats"], ["BTC-USD"])
        told.snapshot("status")
        paper.control("market", product_id="BTC-USD", price="64100", flags={"limit_only": True})
        paper.control(
            "market", product_id="BTC-USD", flags={"limit_only": False, "trading_disabled": True}
        )
        told_of = told.updates({"ticker", "status", "market_trades", "candles", "ticker_batch"})
        paper.control("market", product_id="BTC-USD", flags={"trading_disabled": False})
    ticker, candle = told_of["ticker"].tickers[0], told_of["candles"].candles[0]
    assert (ticker.best_bid, ticker.best_ask) == ("64099.99", "64100")
    assert told_of["status"].products[0].id == "BTC-USD"
    assert told_of["market_trades"].trades[0].product_id == "BTC-USD"
    assert (candle.product_id, candle.close) == ("BTC-USD", ticker.price)
    assert Decimal(candle.high) >= Decimal(ticker.price)
    assert told_of["ticker_batch"].tickers[0].price == ticker.price


def test_the_futures_channel_tells_of_a_position_and_user_frames_hold_it(paper, client):
    with feed(paper) as told:
        told.subscribe(["user", "futures_balance_summary"])
        told.snapshot("futures_balance_summary")
        client.create_order("", BIP, "BUY", {"market_market_ioc": {"base_size": "2"}})
        summary = told.next(
            "futures_balance_summary",
            lambda f: f.events[0].fcm_balance_summary.initial_margin != "0",
        )
        assert (
            summary.events[0].fcm_balance_summary.intraday_margin_window_measure["initial_margin"]
            != "0"
        )
        told.life(placed(client.close_position("", BIP)), "FILLED")
        assert client.list_futures_positions().positions == []
    with_position = [
        frame.events[0].positions.expiring_futures_positions
        for frame in told.seen
        if frame.channel == "user" and frame.events[0].positions.expiring_futures_positions
    ]
    position = with_position[0][0]
    assert (position["product_id"], position["side"], position["number_of_contracts"]) == (
        BIP,
        "Long",
        "2",
    )


def test_heartbeats_come_each_second_and_count(paper):
    with feed(paper) as told:
        told.subscribe(["heartbeats"])
        beats = [told.next("heartbeats") for _ in range(3)]
    counters = [frame.events[0].heartbeat_counter for frame in beats]
    assert counters == list(range(counters[0], counters[0] + 3))
    first, last = (datetime.fromisoformat(frame.timestamp) for frame in (beats[0], beats[2]))
    assert 1.5 < (last - first).total_seconds() < 4


# -------------------------------------------------------------------------- subscriptions


def test_one_count_runs_over_all_frames_of_a_socket_from_zero(paper, client):
    with feed(paper) as told, feed(paper) as other:
        other.subscribe(["heartbeats"])
        told.subscribe([*MARKET, "user", "heartbeats"], ["BTC-USD", "ETH-USD"])
        placed(client.market_order_buy("", "BTC-USD", base_size="0.001"))
        told.next(
            "user", lambda frame: any(row.status == "FILLED" for row in frame.events[0].orders)
        )
        told.next("heartbeats")
        told.drain()
        other.next("heartbeats")
    for frames in (told.seen, other.seen):
        assert [frame.sequence_num for frame in frames] == list(range(len(frames)))
    assert {frame.channel for frame in told.seen} >= {
        "subscriptions",
        "user",
        "ticker",
        "heartbeats",
    }


def test_every_acknowledgement_holds_the_whole_set_and_the_last_is_empty(paper):
    with feed(paper) as told:
        told.subscribe(["ticker"], ["BTC-USD"])
        assert told.acknowledged() == {"ticker": ["BTC-USD"]}
        told.subscribe(["ticker"], ["ETH-USD"])
        assert told.acknowledged() == {"ticker": ["BTC-USD", "ETH-USD"]}
        told.subscribe(["heartbeats", "user", "level2"], ["BTC-USD"])
        user = (
            told.next("subscriptions", lambda frame: len(frame.events[0].subscriptions) == 3)
            .events[0]
            .subscriptions
        )
        assert (user["heartbeats"], len(user["user"][0])) == (["heartbeats"], 36)
        assert told.acknowledged()["level2"] == ["BTC-USD"]
        told.unsubscribe(["ticker"], ["BTC-USD"])
        assert told.acknowledged()["ticker"] == ["ETH-USD"]
        told.unsubscribe(["ticker"], ["ETH-USD"])
        assert "ticker" not in told.acknowledged()
        told.unsubscribe(["heartbeats", "user", "level2"], ["BTC-USD"])
        assert [list(told.acknowledged()) for _ in range(3)] == [["user", "level2"], ["level2"], []]


def test_unsubscribe_all_ends_what_the_sdk_knows_of(paper):
    with feed(paper) as told:
        told.subscribe(["ticker", "market_trades"], ["BTC-USD", "ETH-USD"])
        told.client.unsubscribe_all()
        assert told.next("subscriptions", lambda frame: frame.events[0].subscriptions == {})


def test_an_alias_is_acknowledged_as_named_and_its_data_come_under_the_canonical_name(
    paper, client
):
    with feed(paper) as told:
        told.subscribe(["ticker", "level2", "market_trades", "candles"], ["BTC-USDC"])
        assert told.snapshot("ticker").tickers[0].product_id == "BTC-USD"
        assert told.snapshot("l2_data").product_id == "BTC-USD"
        assert told.snapshot("market_trades").trades[0].product_id == "BTC-USD"
        assert told.snapshot("candles").candles[0].product_id == "BTC-USD"
        assert told.next("subscriptions").events[0].subscriptions["candles"] == ["BTC-USDC"]
        told.subscribe(["user"])
        order_id = placed(client.market_order_buy("", "BTC-USDC", quote_size="100"))
        assert told.life(order_id, "FILLED")[-1].product_id == "BTC-USDC"


# -------------------------------------------------------------------------------- level2


class Level2:
    """A book as a subscriber to level2 keeps it."""

    def __init__(self):
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bid": {}, "offer": {}}

    def apply(self, event):
        for row in event.updates:
            side, price = self.sides[row.side], Decimal(row.price_level)
            if Decimal(row.new_quantity):
                side[price] = Decimal(row.new_quantity)
            else:
                del side[price]  # a level that goes must have been there


def book_of_rest(client, product_id):
    rows = client.get_product_book(product_id).pricebook
    sides = {"bid": rows.bids, "offer": rows.asks}
    return {
        side: {Decimal(row.price): Decimal(row.size) for row in levels}
        for side, levels in sides.items()
    }


def test_the_snapshot_and_its_updates_rebuild_exactly_the_book_of_rest(paper, client):
    book = Level2()
    with feed(paper) as told:
        told.subscribe(["level2"], ["BTC-USD"])
        book.apply(told.snapshot("l2_data"))
        assert book.sides == book_of_rest(client, "BTC-USD")
        changes = [
            lambda: paper.hold("BTC-USD", "64123.45"),
            lambda: client.limit_order_gtc_buy("", "BTC-USD", "0.5", "64000"),
            lambda: client.market_order_buy("", "BTC-USD", base_size="1"),
            lambda: client.limit_order_gtc_sell("", "BTC-USD", "0.25", "65000"),
            lambda: paper.hold("BTC-USD", "63500"),
        ]
        for change in changes:
            change()
            book.apply(told.update("l2_data"))
            while book.sides != book_of_rest(client, "BTC-USD"):  # it may come in two batches
                book.apply(told.update("l2_data"))


def test_a_fast_market_s_book_is_followed_without_a_difference(tmp_path, monkeypatch):
    book = Level2()
    with running(tmp_path, speed=100) as paper, feed(paper) as told:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", paper.urls["ca_file"])
        told.subscribe(["level2"], ["SOL-USD"])
        book.apply(told.snapshot("l2_data"))
        for _ in range(30):
            book.apply(told.update("l2_data"))
        paper.control("market", product_id="SOL-USD", freeze=True)
        with rest_client(paper, key_file=paper.key_file()) as client:
            while book.sides != book_of_rest(client, "SOL-USD"):
                book.apply(told.update("l2_data"))


# ------------------------------------------------------------------- failures, reconnecting


def test_without_a_key_public_channels_are_told_and_the_sdk_refuses_the_account_s(paper):
    with feed(paper, key=None) as told:
        told.subscribe(["ticker"], ["BTC-USD"])
        assert told.snapshot("ticker").tickers[0].product_id == "BTC-USD"
        with pytest.raises(AuthenticationError):
            told.subscribe(["user"])


def test_a_bad_token_and_an_unknown_channel_are_answered_with_an_error_frame(paper):
    name, _ = paper.key("key-view.json")
    _, other = paper.key()
    with feed(paper, key=None, api_key=name, api_secret=other) as told:
        told.subscribe(["user"])
        assert told.raw() == {"type": "error", "message": "authentication failure"}
    with feed(paper) as told:
        told.subscribe(["heartbeat"])
        assert told.raw() == {"type": "error", "message": "authentication failure"}


@pytest.mark.parametrize("code", [1006, 1011, 1013])
def test_after_an_abnormal_close_the_sdk_comes_back_and_is_told_anew(paper, code):
    with feed(paper) as told:
        told.subscribe(["ticker"], ["BTC-USD"])
        told.next("subscriptions")
        paper.control("faults", close_code=code)
        told.seen.clear()
        assert told.snapshot("ticker").tickers[0].product_id == "BTC-USD"
        told.next("subscriptions")
        assert told.opened == 2
        assert [frame.sequence_num for frame in told.seen] == list(range(len(told.seen)))
        told.client.raise_background_exception()


@pytest.mark.parametrize("code", [1000, 1001])
def test_after_an_ordinary_close_the_sdk_stops_without_a_word(paper, code):
    with feed(paper) as told:
        told.subscribe(["ticker"], ["BTC-USD"])
        told.next("subscriptions")
        task = told.client._task
        paper.control("faults", close_code=code)
        until(task.done)
        told.client.raise_background_exception()
        assert told.opened == 1


def test_without_retries_an_abnormal_close_is_the_sdk_s_own_error(paper):
    with feed(paper, retry=False) as told:
        told.subscribe(["ticker"], ["BTC-USD"])
        told.next("subscriptions")
        paper.control("faults", close_code=1006)
        with pytest.raises(WSClientConnectionClosedException):
            until(told.client.raise_background_exception)
