"""Price history over real sockets from the paper exchange, and every way its reading can go wrong."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from structlog.testing import CapturingLogger

from sidecar.coinbase import rest as rest_module
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import Rest
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.value_at_risk.live_risk import LiveRisk
from sidecar.core.value_at_risk.settings import ReturnsPolicy, RiskSettings
from sidecar.daemon import histories
from sidecar.daemon import sidecar as sidecar_module
from sidecar.daemon.histories import RETRY_S, Histories
from sidecar.paper.wire import products as shapes
from tests.fault.paper_client import trading
from tests.running_sidecar import beside

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)  # of the market: no midnight passes
DAY_S = 86_400
LENGTH = 400  # returns: two calls a book
FOLLOWED = ("BTC-USD", "ETH-USD")


class Reading:
    """Histories of one exchange, for a risk of our own; wall time by hand."""

    def __init__(self, trader, rest):
        self.paper = trader.paper
        self.now = trader.paper.world.now
        self.followed = FOLLOWED
        self.seconds = 0.0
        self.log = CapturingLogger()
        self.complaints: list[str] = []
        settings = RiskSettings(policy=ReturnsPolicy(length=LENGTH), period_s=DAY_S)
        risk = LiveRisk(PositionTracker(), settings)
        self.history = risk.past.history
        manager = SimpleNamespace(risk=risk, liquidator=SimpleNamespace(is_busy=False))
        engine = SimpleNamespace(manager=manager, now=self.now, log=self.log, handle=risk.learn)
        lookups = Lookups(rest, self.now, self.complaints.append)
        self.histories = Histories(cast("Any", engine), lookups, lambda: self.followed)

    def wall(self):
        return self.seconds

    async def looks(self, *, after=1.0):
        """Look twice: a history takes two calls."""
        self.seconds += after
        for _ in range(2):
            await self.histories._look()

    def closes(self, book):
        return self.history.series[book].closes

    @property
    def warned(self):
        return [call.kwargs for call in self.log.calls if call.method_name == "warning"]


@asynccontextmanager
async def reading_from(trader, monkeypatch):
    rest = Rest(trader.paper.urls["rest_url"], load_key(trader.paper.key_file))
    made = Reading(trader, rest)
    monkeypatch.setattr(histories, "clock", made)
    yield made
    await rest.close()


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, now=lambda: NOON) as made:
        yield made


@pytest.fixture
async def reading(trader, monkeypatch):
    async with reading_from(trader, monkeypatch) as made:
        yield made


@pytest.fixture
def once(monkeypatch):
    """A read is tried once: trying it again is proven elsewhere, and takes seconds."""
    monkeypatch.setattr(rest_module, "TRIES", 1)


async def test_what_is_read_is_what_the_exchange_has(reading, trader):
    await reading.looks()
    end = int(trader.paper.world.now().timestamp()) // DAY_S * DAY_S
    for name in FOLLOWED:
        tape = trader.paper.world.exchange.books[name].tape
        candles = tape.candles(DAY_S, end - (LENGTH + 1) * DAY_S, end - DAY_S)
        assert reading.closes(name) == [float(candle.close) for candle in candles]
    assert len(reading.closes("BTC-USD")) == LENGTH + 1
    assert (reading.histories.pending, reading.histories.faults, reading.complaints) == ((), {}, [])


@pytest.mark.parametrize("faults", [{"too_many_requests": 2}, {"server_errors": 2}], ids=str)
async def test_a_fault_that_passes_is_not_noticed(reading, trader, faults):
    trader.paper.world.set_faults(faults)
    await reading.looks()
    assert len(reading.closes("BTC-USD")) == len(reading.closes("ETH-USD")) == LENGTH + 1
    assert reading.warned == []


STAYING = {
    "too_many_requests": (1, "too many requests"),
    "server_errors": (1, "HTTP 503"),
    "slow_bodies_s": (60, "ReadTimeout"),
}


@pytest.mark.parametrize("fault", STAYING)
@pytest.mark.usefixtures("once")
async def test_a_fault_that_stays_is_said_once_and_read_again_later(
    reading, trader, monkeypatch, fault
):
    value, words = STAYING[fault]
    monkeypatch.setattr(rest_module, "EXTENSIONS", {"timeout": httpx.Timeout(0.3).as_dict()})
    trader.paper.world.set_faults({fault: 2 * value})  # each book's
    await reading.looks()
    why = f"GET /products/BTC-USD/candles: {words}"
    assert reading.histories.faults["BTC-USD"] == why
    assert [said["book"] for said in reading.warned] == [*FOLLOWED]
    assert reading.warned[0]["fault"] == why
    trader.paper.world.set_faults({fault: 0})
    await reading.looks(after=RETRY_S[0] - 1)
    assert reading.histories.faults.keys() == set(FOLLOWED)
    await reading.looks()
    assert (reading.histories.faults, len(reading.closes("BTC-USD"))) == ({}, LENGTH + 1)


@pytest.mark.usefixtures("once")
async def test_an_exchange_that_is_away_is_read_when_it_is_back(reading, trader):
    trader.paper.world.set_faults(refuse_connections=True)
    await reading.looks()
    assert reading.histories.faults.keys() == set(FOLLOWED)
    trader.paper.world.set_faults(refuse_connections=False)
    await reading.looks(after=RETRY_S[0])
    assert len(reading.closes("BTC-USD")) == LENGTH + 1


async def test_an_unknown_product_fails_alone_and_is_asked_for_once_an_hour(reading):
    reading.followed = ("GONE-USD", "BTC-USD")
    await reading.looks()
    why = reading.histories.faults["GONE-USD"]
    assert "404" in why
    assert "GONE-USD not found" in why
    assert len(reading.closes("BTC-USD")) == LENGTH + 1
    await reading.looks(after=RETRY_S[-1] - 1)
    await reading.looks()
    assert len(reading.warned) == 1
    assert reading.histories._failing["GONE-USD"].times == 2


async def test_a_product_with_a_short_past_has_a_short_history(reading, trader):
    """Nothing is made up before its first trade, and it is not asked for again."""
    tape = trader.paper.world.exchange.books["ETH-USD"].tape
    end = int(trader.paper.world.now().timestamp()) // DAY_S * DAY_S
    past, listed = tape._past, end - 30 * DAY_S
    tape._past = lambda book, granularity, start, until: past(
        book, granularity, max(start, listed), until
    )
    await reading.looks()
    assert (len(reading.closes("ETH-USD")), len(reading.closes("BTC-USD"))) == (30, LENGTH + 1)
    assert (reading.histories.pending, reading.histories.faults) == ((), {})


# ---------------------------------------------------------------------------------------- garbage


def spoil(monkeypatch, is_bad, **fields):
    """The exchange writes these fields into rows of its own choosing."""
    real = shapes.candle_row
    monkeypatch.setattr(
        shapes, "candle_row", lambda row: real(row) | (fields if is_bad(row) else {})
    )


async def test_a_garbage_row_is_left_out_and_told(reading, trader, monkeypatch):
    end = int(trader.paper.world.now().timestamp()) // DAY_S * DAY_S
    spoil(monkeypatch, lambda row: row.start == end - 3 * DAY_S, close="NaN")
    await reading.looks()
    assert reading.complaints == [
        f"{book}: 1 of 300 candles cannot be read, the first because close is not a number"
        for book in FOLLOWED
    ]
    closes = reading.closes("BTC-USD")
    assert (len(closes), closes[-3]) == (LENGTH + 1, closes[-4])  # like a day without trades
    assert reading.histories.faults == {}


async def test_nothing_but_garbage_is_not_taken_for_a_market_without_trades(
    reading, trader, monkeypatch
):
    spoil(monkeypatch, lambda row: True, start="soon")
    await reading.looks()
    assert "300 of 300 candles cannot be read" in reading.histories.faults["BTC-USD"]
    assert reading.history.series == {}
    monkeypatch.undo()
    monkeypatch.setattr(histories, "clock", reading)
    await reading.looks(after=RETRY_S[0])
    assert len(reading.closes("BTC-USD")) == LENGTH + 1


# ------------------------------------------------------------------------------ what the exchange has


async def asked(trader, buckets, granularity, seconds, before=0):
    """The answer to a call for so many candles up to now, or up to so many before."""
    end = int(trader.paper.world.now().timestamp()) // seconds * seconds - before * seconds
    span = {"start": end - (buckets - 1) * seconds, "end": end, "granularity": granularity}
    return await trader.call("GET", "/products/BTC-USD/candles", params=span)


@pytest.mark.parametrize(("granularity", "seconds"), [("ONE_HOUR", 3600), ("ONE_DAY", DAY_S)])
async def test_350_candles_are_told_at_once_and_no_more(trader, granularity, seconds):
    for book in trader.paper.world.exchange.books.values():
        book.silent = True
    whole = await asked(trader, 350, granularity, seconds, before=1)
    assert len(whole.json()["candles"]) == 350
    more = await asked(trader, 351, granularity, seconds, before=1)
    assert (more.status_code, more.json()["error"]) == (400, "INVALID_ARGUMENT")
    assert "number of candles requested should be less than 350" in more.json()["message"]


async def test_a_replayed_day_has_a_past_that_ends_at_its_first_price(tmp_path, monkeypatch):
    """Market time is years ago and runs 1,500 times as fast."""
    first = "2018-04-04T00:00:00Z,BTC-USD,7424.00,1,7425.00,1"
    last = "2018-04-07T00:00:00Z,BTC-USD,7500.00,1,7501.00,1"
    file = tmp_path / "days.csv"
    file.write_text(f"time,product_id,bid,bid_size,ask,ask_size\n{first}\n{last}\n")
    async with (
        trading(tmp_path, market=f"replay:{file}", speed=1_500) as trader,
        reading_from(trader, monkeypatch) as reading,
    ):
        reading.followed = ("BTC-USD",)
        # The last day is read by itself where it is not over yet at the first look.
        for _ in range(2):
            await reading.looks()
        assert (reading.histories.pending, reading.histories.faults) == ((), {})
        series = reading.history.series["BTC-USD"]
        assert timedelta(days=series.end) == timedelta(days=17_625)  # up to 2018-04-04
        assert (len(series.closes), series.closes[-1]) == (LENGTH + 1, 7424.5)


async def test_a_reading_that_is_cancelled_leaves_nothing_half_way(reading, trader):
    trader.paper.world.set_faults(slow_bodies_s=1)
    task = asyncio.get_running_loop().create_task(reading.histories.run())
    await trader.get("/products/BTC-USD/ticker", limit=1)  # takes as long as the reading's answer
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    trader.paper.world.set_faults(slow_bodies_s=0)
    await reading.looks()
    assert len(reading.closes("BTC-USD")) == LENGTH + 1


# -------------------------------------------------------------------------------- a running sidecar


async def history_of(made):
    return (await made.ask("status"))["sidecar"]["history"]


@pytest.mark.parametrize("limit", ["max_var", "max_expected_shortfall", "max_stress_loss"])
async def test_where_value_at_risk_is_limited_it_is_ready_once_the_history_is_read(trader, limit):
    async with beside(trader, limits={limit: "0.9"}) as made:
        assert made.manager.risk.past.spans(FOLLOWED, made.engine.now()) == []
        assert await history_of(made) == {"waiting": [], "failing": {}}


async def test_a_history_that_cannot_be_read_does_not_keep_it_from_being_ready(trader, monkeypatch):
    monkeypatch.setattr(sidecar_module, "READY_WITHIN_S", 3600.0)
    spoil(monkeypatch, lambda row: True, close="0")
    async with beside(trader, limits={"max_var": "0.9"}) as made:
        failing = (await history_of(made))["failing"]
    assert failing.keys() == set(FOLLOWED)
    assert "close is not a price" in failing["BTC-USD"]


async def test_a_history_that_takes_long_is_waited_for_in_bounds_only(trader, monkeypatch):
    monkeypatch.setattr(sidecar_module, "READY_WITHIN_S", 0.5)
    monkeypatch.setattr(histories, "LOOK_S", 3600.0)  # it looks once, before anything is listed
    async with beside(trader, limits={"max_var": "0.9"}) as made:
        await made.until_state("ACTIVE")
        assert (await history_of(made))["waiting"] == [*FOLLOWED]
