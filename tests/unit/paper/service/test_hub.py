"""What listeners are told, and when."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.paper.service.channels import MARKET_CHANNELS
from sidecar.paper.service.hub import ALL_WAITING_MAX
from sidecar.paper.service.session import BYTES_WAITING_MAX
from sidecar.paper.venue.listing import Flags
from tests.paper_world import made

SHARE = settings(max_examples=settings().max_examples // 4)  # soak runs the long form


def only(frames, channel):
    return [row for row in frames if row["channel"] == channel]


def test_a_heartbeat_comes_each_second_with_the_servers_own_counter():
    stage = made()
    stage.wait(3)
    client = stage.client()
    client.subscribes("heartbeats")
    stage.wait(2)
    events = [row["events"][0] for row in client.hears()]
    assert [event["heartbeat_counter"] for event in events] == [4, 5]
    assert " +0000 UTC m=+" in events[0]["current_time"]


def test_stalled_heartbeats_stay_away_until_they_are_let_go():
    stage = made()
    client = stage.client()
    client.subscribes("heartbeats")
    stage.world.set_faults(stall_heartbeats=True)
    stage.wait(3)
    assert client.hears() == []
    stage.world.clear_faults()
    stage.wait(1)
    assert len(client.hears()) == 1


def test_a_connection_without_a_subscription_is_closed_after_five_seconds():
    stage = made()
    bare, rejected, fine = stage.client(), stage.client(), stage.client()
    rejected.says(type="subscribe", channel="heartbeat")
    fine.subscribes("heartbeats")
    stage.wait(4)
    assert bare.session.closing is None
    stage.wait(1)
    assert (bare.session.closing, rejected.session.closing) == (1008, 1008)
    assert fine.session.closing is None


def test_leaving_the_last_channel_starts_the_five_seconds_anew():
    stage = made()
    client = stage.client()
    client.subscribes("heartbeats")
    stage.wait(30)
    client.says(type="unsubscribe", channel="heartbeats")
    assert client.hears()[-1]["events"] == [{"subscriptions": {}}]
    stage.wait(4)
    assert client.session.closing is None
    stage.wait(1)
    assert client.session.closing == 1008


def test_a_quiet_connection_is_closed_and_heartbeats_prevent_it():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    quiet, kept = stage.client(), stage.client()
    quiet.subscribes("ticker", "BTC-USD")
    kept.subscribes("ticker", "BTC-USD")
    kept.subscribes("heartbeats")
    reasons = []
    for seconds in (74, 1):
        stage.wait(seconds)
        reasons.append((quiet.session.closing, kept.session.closing))
    assert reasons == [(None, None), (1006, None)]


def test_each_quote_is_one_ticker_with_the_best_of_both_sides():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    snapshot = client.subscribes("ticker", "BTC-USDC")
    assert [row["events"][0].get("type") for row in snapshot] == ["snapshot", None]
    stage.quote("BTC-USD", "102", "103", size="3")
    stage.quote("ETH-USD", "10", "11")
    (update,) = client.hears()
    (row,) = update["events"][0]["tickers"]
    assert row["product_id"] == "BTC-USD"
    assert [row[name] for name in ("best_bid", "best_bid_quantity", "best_ask")] == [
        "102",
        "3",
        "103",
    ]
    assert set(row) >= {"price", "volume_24_h", "low_52_w", "price_percent_chg_24_h"}


def test_ticker_batch_comes_every_five_seconds_if_changed_and_without_best_prices():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("ticker_batch", "BTC-USD")
    stage.wait(5)  # what was traded before
    client.hears()
    stage.quote("BTC-USD", "102", "103")
    stage.wait(4)
    assert client.hears() == []
    stage.wait(1)
    (update,) = client.hears()
    assert update["channel"] == "ticker_batch"
    assert "best_bid" not in update["events"][0]["tickers"][0]
    stage.wait(5)
    assert client.hears() == []


def test_trades_are_told_in_batches_newest_first_with_the_makers_side():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("market_trades", "BTC-USD")
    stage.order("BUY", market_market_ioc={"base_size": "0.5"})
    stage.order("SELL", market_market_ioc={"base_size": "0.25"})
    assert client.hears() == []
    stage.wait(0.25)
    (update,) = client.hears()
    trades = update["events"][0]["trades"]
    assert [(row["side"], row["size"]) for row in trades] == [("BUY", "0.25"), ("SELL", "0.5")]
    assert all(row["trade_id"].isdigit() for row in trades)


def test_candles_are_five_minutes_and_told_within_a_second_of_a_trade():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    snapshot = client.subscribes("candles", "BTC-USD")[0]["events"][0]
    assert (snapshot["type"], len(snapshot["candles"])) == ("snapshot", 1)
    stage.quote("BTC-USD", "200", "201")
    stage.wait(1)
    candle = client.hears()[0]["events"][0]["candles"][0]
    assert int(candle["start"]) % 300 == 0
    assert candle["high"] in {"200", "201"}


def test_flags_are_told_on_the_status_channel():
    stage = made()
    client = stage.client()
    assert (
        client.subscribes("status", "BTC-USD")[0]["events"][0]["products"][0]["status"] == "online"
    )
    stage.world.exchange.set_flags("BTC-USD", Flags(trading_disabled=True), stage.now)
    stage.world.tell()
    assert client.hears()[0]["events"][0]["products"][0]["status"] == "offline"


@pytest.mark.parametrize("channel", sorted(MARKET_CHANNELS))
def test_every_channel_of_the_market_tells_how_it_is_and_how_it_changes(channel):
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    stage.wait(5)
    client = stage.client()
    assert client.subscribes(channel, "BTC-USD")[0]["events"][0]["type"] == "snapshot"
    stage.quote("BTC-USD", "102", "103")
    stage.order("BUY", market_market_ioc={"base_size": "0.5"})
    stage.world.exchange.set_flags("BTC-USD", Flags(trading_disabled=True), stage.now)
    stage.wait(5)
    assert {row["events"][0]["type"] for row in client.hears()} == {"update"}


# ------------------------------------------------------------------------------------- the account


def test_every_stage_of_an_order_comes_over_the_user_channel():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("user")
    stage.order("BUY", market_market_ioc={"base_size": "0.5"})
    rows = [row["events"][0]["orders"][0] for row in client.hears()]
    assert [(row["status"], row["leaves_quantity"]) for row in rows] == [
        ("PENDING", "0.5"), ("OPEN", "0"), ("FILLED", "0"),
    ]  # fmt: skip
    assert (rows[-1]["order_type"], rows[-1]["post_only"]) == ("Market", "false")


def test_the_user_channel_can_be_held_to_products():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    stage.quote("ETH-USD", "10", "11")
    client = stage.client()
    client.subscribes("user", "ETH-USD")
    stage.limit("BUY", "1", "90")
    assert client.hears() == []
    stage.limit("BUY", "1", "9", "ETH-USD")
    assert len(client.hears()) == 2


def test_sparse_frames_have_only_the_old_fields():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("user")
    stage.world.set_faults(sparse_user_frames=True)
    stage.limit("BUY", "1", "90")
    event = client.hears()[0]["events"][0]
    assert "positions" not in event
    (row,) = event["orders"]
    assert len(row) == 13
    assert row["reject_Reason"] == "REJECT_REASON_UNSPECIFIED"


def test_null_optionals_reach_the_user_channel():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("user")
    stage.world.set_faults(null_optionals=True)
    stage.limit("BUY", "1", "90")
    event = client.hears()[0]["events"][0]
    assert event["orders"][0]["avg_price"] is None
    assert event["orders"][0]["status"] == "PENDING"
    assert isinstance(event["positions"], dict)


def test_late_fees_come_in_a_frame_of_their_own():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("user")
    stage.world.set_faults(late_fees_s=2)
    stage.world.exchange.advance(stage.now)
    stage.order("BUY", market_market_ioc={"base_size": "1"})
    assert {row["events"][0]["orders"][0]["total_fees"] for row in client.hears()} == {"0"}
    stage.wait(2)
    (late,) = only(client.hears(), "user")
    assert late["events"][0]["orders"][0]["total_fees"] == "1.212"


def test_futures_fills_move_the_balance_summary():
    stage = made()
    stage.quote("BTC-USD", "64000", "64000.01", size="5")
    client = stage.client()
    snapshot = client.subscribes("futures_balance_summary")[0]["events"][0]
    assert snapshot["fcm_balance_summary"]["initial_margin"] == "0"
    stage.order("BUY", "BIP-20DEC30-CDE", market_market_ioc={"base_size": "2"})
    updates = only(client.hears(), "futures_balance_summary")
    summary = updates[-1]["events"][0]["fcm_balance_summary"]
    assert Decimal(summary["initial_margin"]) > 0
    assert Decimal(summary["cfm_usd_balance"]) > 0


# --------------------------------------------------------------------------------------- depth


class Mirror:
    """A level2 reader's copy of one book."""

    def __init__(self):
        self.sizes = {}

    def take(self, frames):
        for row in only(frames, "l2_data"):
            for event in row["events"]:
                if event["type"] == "snapshot":
                    self.sizes.clear()
                for change in event["updates"]:
                    key = change["side"], Decimal(change["price_level"])
                    self.sizes[key] = Decimal(change["new_quantity"])
                    if not self.sizes[key]:
                        del self.sizes[key]


def shown(stage):
    book = stage.world.exchange.books["BTC-USD"]
    sides = {"bid": "BUY", "offer": "SELL"}
    return {
        (name, level.price): level.size
        for name, side in sides.items()
        for level in book.shown(side)
    }


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("quote"), st.integers(90, 110), st.integers(1, 5)),
        st.tuples(st.just("rest"), st.integers(80, 89), st.integers(1, 3)),
        st.tuples(st.just("take"), st.integers(1, 3), st.just(0)),
        st.tuples(st.just("flush"), st.just(0), st.just(0)),
        st.tuples(st.just("join"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@SHARE
@given(MOVES)
def test_snapshot_and_updates_are_the_book_whoever_joined_when(moves):
    stage = made(books=("BTC-USD",))
    stage.quote("BTC-USD", "100", "101")
    readers = []

    def join():
        client, mirror = stage.client(), Mirror()
        mirror.take(client.subscribes("level2", "BTC-USD"))
        readers.append((client, mirror))

    join()
    for what, first, second in moves:
        if what == "quote":
            stage.quote("BTC-USD", str(first), str(first + 1), size=str(second))
        elif what == "rest":
            stage.limit("BUY", f"0.{second}", str(first))
        elif what == "take":
            stage.order("BUY", market_market_ioc={"quote_size": str(first)})
        elif what == "join":
            join()
        else:
            stage.world.hub.flush_depth(stage.now, stage.now_wall)
    stage.world.hub.flush_depth(stage.now, stage.now_wall)
    for client, mirror in readers:
        mirror.take(client.hears())
        assert mirror.sizes == shown(stage)


def test_a_snapshots_rows_carry_the_beginning_of_time_and_updates_the_moment():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    snapshot = client.subscribes("level2", "BTC-USD")
    times = {row["event_time"] for row in snapshot[0]["events"][0]["updates"]}
    assert times == {"1970-01-01T00:00:00Z"}
    assert snapshot[-1]["events"][0]["subscriptions"] == {"level2": ["BTC-USD"]}
    stage.quote("BTC-USD", "100", "102")
    stage.wait(0.05)
    update = client.hears()[0]["events"][0]
    assert all(row["event_time"].startswith("2026-11-02") for row in update["updates"])


def test_a_book_can_be_told_crossed_until_its_next_snapshot():
    stage = made(faults={"crossed_depth": 1})
    stage.quote("BTC-USD", "100", "101")
    client, mirror = stage.client(), Mirror()
    mirror.take(client.subscribes("level2", "BTC-USD"))
    for bid in ("99", "98"):
        stage.quote("BTC-USD", bid, "101")
        stage.wait(0.05)
    mirror.take(client.hears())
    assert mirror.sizes.keys() - shown(stage).keys() == {("bid", Decimal(101))}
    client.says(type="unsubscribe", channel="level2", product_ids=["BTC-USD"])
    mirror.take(client.subscribes("level2", "BTC-USD"))
    assert mirror.sizes == shown(stage)


def test_snapshots_can_be_as_deep_as_productions():
    stage = made(faults={"deep_books": 300})
    stage.quote("BTC-USD", "100", "101")
    mirror = Mirror()
    mirror.take(stage.client().subscribes("level2", "BTC-USD"))
    near = shown(stage)
    assert len(mirror.sizes) == len(near) + 2 * 300
    assert {key: mirror.sizes[key] for key in near} == near
    lowest, highest = ([price for side, price in near if side == name] for name in ("bid", "offer"))
    beyond = mirror.sizes.keys() - near.keys()
    assert all(p < min(lowest) if side == "bid" else p > max(highest) for side, p in beyond)


def test_no_deep_level_is_below_zero():
    stage = made(faults={"deep_books": 300})
    stage.quote("BTC-USD", "1", "2")
    mirror = Mirror()
    mirror.take(stage.client().subscribes("level2", "BTC-USD"))
    assert min(price for _, price in mirror.sizes) > 0


@pytest.mark.parametrize(
    ("names", "heard"), [(("BTC-USD",), False), (("BTC-USD", "BTC-USDC"), True)]
)
def test_a_subscription_can_end_by_itself_and_what_is_left_is_acknowledged(names, heard):
    """A book that another product shares is heard all the same."""
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("ticker", *names)
    client.subscribes("candles", "ETH-USD")
    stage.world.set_faults(end_subscription="BTC-USD")
    (told,) = client.hears()
    left = {"ticker": ["BTC-USDC"]} if heard else {}
    assert told["events"] == [{"subscriptions": left | {"candles": ["ETH-USD"]}}]
    stage.quote("BTC-USD", "100", "102")
    assert bool(only(client.hears(), "ticker")) is heard
    assert stage.world.faults.now.end_subscription == ""


def test_who_has_gone_is_told_nothing_and_kept_nowhere():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.subscribes("ticker", "BTC-USD")
    stage.world.hub.drop(client.session)
    stage.quote("BTC-USD", "102", "103")
    assert client.hears() == []
    assert not stage.world.hub.sessions
    assert not stage.world.hub.hears_market


def test_when_all_readers_together_hold_too_much_the_one_that_holds_most_goes_first():
    stage = made()
    clients = [stage.client() for _ in range(ALL_WAITING_MAX // BYTES_WAITING_MAX + 1)]
    for size, client in enumerate(clients, start=-len(clients)):
        client.session.send_error(b"x" * (BYTES_WAITING_MAX + size), stage.now_wall)
    stage.world.hub.relieve(stage.now_wall)
    assert [client.session.closing for client in clients] == [None] * (len(clients) - 1) + [1006]


def test_a_close_code_waits_for_somebody_to_close():
    stage = made(faults={"close_code": 1013})
    stage.world.act_on_faults()
    first = stage.client()
    stage.world.act_on_faults()
    later = stage.client()
    stage.world.act_on_faults()
    assert (first.session.closing, later.session.closing) == (1013, None)


def test_a_cancel_that_has_lost_does_not_lose_again_when_other_switches_are_set():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    stage.world.set_faults(fill_after_cancel=1)
    order = stage.limit("BUY", "1", "90")
    stage.world.exchange.cancel(order.order_id, stage.now)
    assert order.status == "FILLED"
    stage.world.set_faults(drop_frames=1)
    other = stage.limit("BUY", "1", "90")
    stage.world.exchange.cancel(other.order_id, stage.now)
    assert other.status == "CANCELLED"


def test_frames_are_compact_json():
    stage = made()
    stage.quote("BTC-USD", "100", "101")
    client = stage.client()
    client.says(json.dumps({"type": "subscribe", "channel": "ticker", "product_ids": ["BTC-USD"]}))
    first = client.receives()[0]
    assert b", " not in first
    assert b'": ' not in first
