"""Price history read in the background: what is lacked, in turn; what fails waits and holds up nobody."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from sidecar.coinbase.budget import Budget
from sidecar.coinbase.rest import Refused, Unavailable, Unknown
from sidecar.core.value_at_risk.history import CANDLES_A_CALL
from sidecar.core.value_at_risk.settings import ReturnsPolicy, RiskSettings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.daemon import histories
from sidecar.daemon.histories import RETRY_S, Histories
from tests.daemon_parts import Running
from tests.decisions import CONNECTED, connected
from tests.scenario import D

DAY_S = 86_400
DOWN = Unknown("GET /products/BTC-USD/candles", 503, "HTTP 503")
UNKNOWN_PRODUCT = Refused("GET /products/BTC-USD/candles", 404, "HTTP 404: not found")
GARBAGE = Untrusted("BTC-USD: 2 of 2 candles cannot be read")


class Clock:
    """Wall time, by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def wall(self) -> float:
        return self.seconds


class Made(Running):
    """Histories of some books, and a Coinbase that says what a test wants."""

    def __init__(self, clock, *books, length=100):
        policy = ReturnsPolicy(length=length)
        risk = RiskSettings(policy=policy, period_s=DAY_S)
        super().__init__(connected(held=1, settings=replace(CONNECTED, risk=risk)))
        self.clock = clock
        self.books = books
        self.fails: dict[str, Exception] = {}
        self.asked: list[tuple[str, int]] = []  # book, periods
        self.on_read = lambda: None
        self.risk = self.world.manager.risk
        self.series = self.risk.past.history.series
        lookups = SimpleNamespace(closes=self._closes)
        self.histories = Histories(self.engine, cast("Any", lookups), lambda: tuple(self.books))
        self.histories._budget = Budget(1e9, 1e9)

    def handle(self, kind, **fields):
        self.engine.handle(kind(at=self.world.now, **fields))

    def days_later(self, days=1):
        """By the market's clock."""
        self.world.now += timedelta(days=days)

    async def _closes(self, span, period_s):
        self.asked.append((span.book, (span.until - span.since) // period_s))
        self.on_read()
        if span.book in self.fails:
            raise self.fails[span.book]
        closes = tuple((at, D(100)) for at in range(span.since, span.until, period_s))
        return ev.ClosesRead(
            at=self.world.now,
            book=span.book,
            period_s=period_s,
            since=span.since,
            until=span.until,
            closes=closes,
        )

    async def looks(self):
        """The books asked for at one look."""
        self.asked.clear()
        await self.histories._look()
        return [book for book, _ in self.asked]

    async def looks_after(self, seconds):
        self.clock.seconds += seconds
        return await self.looks()

    @property
    def warned(self):
        return [(told["book"], told["fault"]) for told in self.logged("warning") if "book" in told]

    @property
    def said_well(self):
        return [told["book"] for told in self.logged("info")]


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(histories, "clock", made)
    return made


@pytest.fixture
def made(clock):
    return Made(clock, "BTC-USD", "ETH-USD")


# ------------------------------------------------------------------------------------ what is lacked


async def test_what_is_lacked_is_read_one_after_the_other_and_told(made):
    assert await made.looks() == ["BTC-USD", "ETH-USD"]
    assert [read.book for read in made.told(ev.ClosesRead)] == ["BTC-USD", "ETH-USD"]
    series = made.series["BTC-USD"]
    assert (series.end, len(series.closes)) == (made.risk.past.history.period(made.world.now), 101)
    assert await made.looks() == []
    assert (made.histories.pending, made.histories.faults, made.warned) == ((), {}, [])


async def test_a_long_history_is_read_in_parts_the_newest_first(clock):
    made = Made(clock, "BTC-USD", "ETH-USD", length=499)
    assert await made.looks() == ["BTC-USD", "ETH-USD"]
    assert made.asked[0] == ("BTC-USD", CANDLES_A_CALL)
    assert made.series["BTC-USD"].end == made.risk.past.history.period(made.world.now)
    assert await made.looks() == ["BTC-USD", "ETH-USD"]
    assert made.asked[0] == ("BTC-USD", 200)
    assert await made.looks() == []


async def test_a_new_period_of_market_time_is_read_and_a_new_book(made):
    await made.looks()
    made.days_later()
    made.books = (*made.books, "SOL-USD")
    assert await made.looks() == ["BTC-USD", "ETH-USD", "SOL-USD"]
    assert made.asked == [("BTC-USD", 2), ("ETH-USD", 2), ("SOL-USD", 101)]


async def test_books_are_pending_until_they_are_read(made):
    pending = []
    made.on_read = lambda: pending.append(made.histories.pending)
    await made.looks()
    assert pending == [("BTC-USD", "ETH-USD"), ("ETH-USD",)]
    assert made.histories.pending == ()


async def test_it_looks_again_and_again_until_it_is_cancelled(made, monkeypatch):
    monkeypatch.setattr(histories, "LOOK_S", 0.0)
    reads = asyncio.Semaphore(0)

    def read():
        made.days_later()
        reads.release()

    made.on_read = read
    async with asyncio.timeout(60):
        task = asyncio.get_running_loop().create_task(made.histories.run())
        for _ in range(10):
            await reads.acquire()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_during_a_flattening_nothing_is_read(made, monkeypatch):
    """Every call is urgent then, and would take of what is kept for selling."""
    monkeypatch.setattr(histories, "LOOK_S", 0.0)

    made.on_read = lambda: made.handle(ev.FlattenRequested, reason="enough", by="me")
    assert await made.looks() == ["BTC-USD"]  # and then it begins
    task = asyncio.get_running_loop().create_task(made.histories.run())
    for _ in range(20):  # rounds of the loop, in which it looks as often
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert [book for book, _ in made.asked] == ["BTC-USD"]
    made.handle(ev.HaltRequested, reason="no", by="me", abort_liquidation=True)
    assert await made.looks() == ["ETH-USD"]


async def test_readings_wait_for_their_own_share_of_the_hour(made, monkeypatch):
    """A replay may end a period every second: what is left is for the account."""
    waited = []

    async def sleep(seconds):
        waited.append(seconds)
        made.clock.seconds += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    made.histories._budget = Budget(per_hour=histories.PER_HOUR)
    began = made.clock.seconds
    while len(made.told(ev.ClosesRead)) < 3 * histories.PER_HOUR:
        made.days_later()
        await made.looks()
    hours = (made.clock.seconds - began) / 3600
    assert len(made.told(ev.ClosesRead)) / hours < 2 * histories.PER_HOUR
    assert max(waited) < 10


# -------------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize("error", [DOWN, UNKNOWN_PRODUCT, GARBAGE], ids=lambda e: type(e).__name__)
async def test_a_book_that_fails_holds_up_no_other_and_says_why(made, error):
    made.fails["BTC-USD"] = error
    assert await made.looks() == ["BTC-USD", "ETH-USD"]
    assert [read.book for read in made.told(ev.ClosesRead) if read.closes] == ["ETH-USD"]
    assert (made.histories.pending, made.histories.faults) == ((), {"BTC-USD": str(error)})
    assert made.warned == [("BTC-USD", str(error))]


@pytest.mark.parametrize(("error", "is_told"), [(UNKNOWN_PRODUCT, True), (DOWN, False)])
async def test_what_coinbase_does_not_know_is_no_longer_awaited(made, error, is_told):
    """It then counts as lost whole; what merely failed may be read the next time."""
    made.fails["BTC-USD"] = error
    await made.looks()
    assert [read.closes for read in made.told(ev.ClosesRead) if read.book == "BTC-USD"] == [
        ()
    ] * is_told
    assert made.risk.past.is_awaited("BTC") is not is_told


async def test_it_waits_longer_each_time_up_to_an_hour_of_wall_time(made):
    made.fails["BTC-USD"] = DOWN
    await made.looks()
    assert (RETRY_S[0], RETRY_S[-1]) == (60, 3600)
    for wait_s in (*RETRY_S, RETRY_S[-1], RETRY_S[-1]):
        made.days_later(400)  # market time is another
        made.books = ("BTC-USD",)
        assert await made.looks_after(wait_s - 1) == []
        assert await made.looks_after(1) == ["BTC-USD"]
    assert made.warned == [("BTC-USD", str(DOWN))]  # once


async def test_what_coinbase_refuses_waits_an_hour_at_once(made):
    made.fails["BTC-USD"] = UNKNOWN_PRODUCT
    await made.looks()
    assert await made.looks_after(RETRY_S[-1] - 1) == []
    assert await made.looks_after(1) == ["BTC-USD"]
    assert await made.looks_after(RETRY_S[-1] - 1) == []


async def test_a_key_that_is_refused_may_be_mended_within_minutes(made):
    made.fails["BTC-USD"] = Refused("GET /products/BTC-USD/candles", 401, "HTTP 401: Unauthorized")
    await made.looks()
    assert await made.looks_after(RETRY_S[0]) == ["BTC-USD"]


async def test_another_reason_is_told_too_and_a_success_forgets(made):
    made.fails["BTC-USD"] = DOWN
    await made.looks()
    busy = Unavailable("GET /products/BTC-USD/candles", 429, "too many requests")
    made.fails["BTC-USD"] = busy
    assert await made.looks_after(RETRY_S[0]) == ["BTC-USD"]
    assert [fault for _, fault in made.warned] == [str(DOWN), str(busy)]
    made.fails.clear()
    assert await made.looks_after(RETRY_S[1]) == ["BTC-USD"]
    assert (made.said_well, made.histories.faults) == (["BTC-USD"], {})
    made.fails["BTC-USD"] = DOWN
    made.days_later()
    await made.looks()
    assert [fault for _, fault in made.warned] == [str(DOWN), str(busy), str(DOWN)]
    assert await made.looks_after(RETRY_S[0]) == ["BTC-USD"]


async def test_a_book_that_nobody_follows_any_more_is_forgotten_with_its_fault(made):
    made.fails["ETH-USD"] = DOWN
    await made.looks()
    made.books = ()
    assert await made.looks() == []
    assert made.histories.faults == {}
    made.books = ("ETH-USD",)
    assert await made.looks() == ["ETH-USD"]


async def test_what_the_core_does_not_take_in_is_not_read_at_every_look(made, monkeypatch):
    monkeypatch.setitem(made.world.manager._handlers, ev.ClosesRead, lambda event: [])
    assert await made.looks() == ["BTC-USD", "ETH-USD"]
    assert made.histories.faults["BTC-USD"] == "BTC-USD: what was read is not taken in"
    assert await made.looks_after(RETRY_S[0] - 1) == []
    assert await made.looks_after(1) == ["BTC-USD", "ETH-USD"]
    assert await made.looks_after(RETRY_S[1] - 1) == []
