"""Recorded quotes through a real websocket: the file's marks, the market's clock, the same each time."""

import csv
import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fault.paper_client import BROKERAGE, hear, subscribed, trading

FILE = Path(__file__).parents[3] / "shared" / "data" / "coinbase-quotes-2018-04-04.csv.gz"
PRODUCTS = ("BTC-USD", "ETH-USD", "LTC-USD")
FIXED = datetime(2026, 11, 2, 10, tzinfo=UTC)

needs_file = pytest.mark.skipif(
    not FILE.exists(), reason=f"needs {FILE.name}, which lies beside the project"
)


def rows():
    with gzip.open(FILE, "rt", newline="") as file:
        return list(csv.DictReader(file))


async def tickers(socket, count):
    """The first so many ticker frames as they came."""
    frames: list[str] = []
    while len(frames) < count:
        text = await socket.recv()
        if '"channel":"ticker"' in text:
            frames.append(text)
    return frames


@needs_file
async def test_a_whole_day_at_full_speed_shows_the_files_marks_in_order(tmp_path):
    wanted = rows()
    async with (
        trading(tmp_path, market=f"replay:{FILE}", speed="max") as trader,
        trader.listen("ticker", products=PRODUCTS) as socket,
    ):
        seen = [json.loads(text) for text in await tickers(socket, len(wanted))]
        over = (await trader.http.get("/paper/market")).json()
    told = [
        (frame["timestamp"][:19], row["product_id"], row["best_bid"], row["best_bid_quantity"], row["best_ask"], row["best_ask_quantity"])
        for frame in seen
        for row in frame["events"][0]["tickers"]
    ]  # fmt: skip
    expected = [
        (row["time"][:19], row["product_id"], row["bid"], row["bid_size"], row["ask"], row["ask_size"])
        for row in wanted
    ]  # fmt: skip
    assert told == expected
    assert over["over"]
    assert over["time"] >= wanted[-1]["time"][:19]


@needs_file
async def test_replayed_days_and_real_tokens_live_side_by_side(tmp_path):
    """The market's clock is on all that the exchange tells; the real one is for tokens and /time."""
    real = datetime.now(UTC)
    async with (
        trading(tmp_path, market=f"replay:{FILE}", speed=60, balances={"USD": "100000"}) as trader,
        trader.listen("user", "ticker", "heartbeats", products=("BTC-USD",)) as socket,
    ):
        await subscribed(socket, "user", "ticker", "heartbeats")
        order_id = await trader.place(trader.market("BUY", "0.1"))
        end = {"end_time": "2018-04-04T00:30:00Z", "base_size": "0.1", "limit_price": "100"}
        await trader.place(trader.body("BUY", {"limit_limit_gtd": end}, "BTC-USD"))
        frames = [await hear(socket, channel) for channel in ("user", "ticker", "heartbeats")]
        order = (await trader.get(f"/orders/historical/{order_id}"))["order"]
        (fill,) = (await trader.get("/orders/historical/fills"))["fills"]
        book = await trader.get("/product_book", product_id="BTC-USD")
        trades = await trader.get("/products/BTC-USD/ticker", limit=5)
        accounts = await trader.get("/accounts")
        start = int(datetime(2018, 4, 4, tzinfo=UTC).timestamp())
        span = {"start": start - 86_400, "end": start + 86_400, "granularity": "ONE_HOUR"}
        candles = (await trader.get("/products/BTC-USD/candles", **span))["candles"]
        clock = (await trader.http.get(BROKERAGE + "/time")).json()
        market = (await trader.http.get("/paper/market")).json()
    times = [
        *(frame["timestamp"] for frame in frames),
        order["created_time"], order["last_fill_time"], fill["trade_time"], market["time"],
        book["pricebook"]["time"], trades["trades"][0]["time"], accounts["accounts"][0]["updated_at"],
    ]  # fmt: skip
    assert {moment[:10] for moment in times} == {"2018-04-04"}
    assert int(candles[0]["start"]) == start  # newest first, and none of the future
    assert len(candles) == 25
    assert abs(datetime.fromisoformat(clock["iso"]) - real) < timedelta(minutes=1)


@needs_file
async def test_an_end_time_of_the_replayed_day_comes_with_the_market_clock(tmp_path):
    async with (
        trading(tmp_path, market=f"replay:{FILE}", speed="max") as trader,
        trader.listen("user") as socket,
    ):
        await subscribed(socket, "user")
        end = {"end_time": "2018-04-04T00:30:00Z", "base_size": "0.1", "limit_price": "100"}
        await trader.place(trader.body("BUY", {"limit_limit_gtd": end}, "BTC-USD"))
        frame, statuses = {}, []
        while "EXPIRED" not in statuses:  # the order started the market
            frame = await hear(socket, "user")
            statuses.append(frame["events"][0]["orders"][0]["status"])
    assert statuses == ["PENDING", "OPEN", "EXPIRED"]
    assert frame["timestamp"].startswith("2018-04-04T00:30:00")


async def run_of(directory, market, count, **settings):
    directory.mkdir(mode=0o700)
    async with (
        trading(directory, market=market, speed="max", now=lambda: FIXED, **settings) as trader,
        trader.listen("ticker", products=("BTC-USD", "ETH-USD")) as socket,
    ):
        return [re.sub(r'"timestamp":"[^"]*"', "", text) for text in await tickers(socket, count)]


def assert_same(first, second):
    """Compared one by one: a difference of thousands of frames is not for reading."""
    different = [
        place for place, pair in enumerate(zip(first, second, strict=True)) if len({*pair}) > 1
    ]
    assert not different, (first[different[0]], second[different[0]])


@needs_file
async def test_the_same_file_gives_the_same_bytes(tmp_path):
    first = await run_of(tmp_path / "one", f"replay:{FILE}", 1_500)
    assert_same(first, await run_of(tmp_path / "two", f"replay:{FILE}", 1_500))


async def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    first = await run_of(tmp_path / "one", "random:7", 800)
    assert_same(first, await run_of(tmp_path / "two", "random:7", 800))
    assert first[0] != (await run_of(tmp_path / "three", "random:8", 800))[0]


async def test_a_market_as_fast_as_possible_waits_for_its_first_reader(tmp_path):
    path = tmp_path / "day.csv"
    path.write_text(
        "time,product_id,bid,bid_size,ask,ask_size\n"
        + "".join(f"2026-01-02T00:00:{n:02}Z,BTC-USD,{100 + n},1,{101 + n},1\n" for n in range(60))
    )
    async with trading(tmp_path, market=f"replay:{path}", speed="max") as trader:
        shown = (await trader.http.get("/paper/market")).json()
        assert (shown["started"], shown["over"], shown["books"][0]["bid"]) == (False, False, "100")
        async with trader.listen("ticker") as socket:
            frames = await tickers(socket, 60)
    assert [json.loads(text)["events"][0]["tickers"][0]["best_bid"] for text in frames] == [
        str(100 + n) for n in range(60)
    ]
