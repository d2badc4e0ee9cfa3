"""The depth of books over real sockets, through every fault of its connection: never a depth that is not the exchange's
own, and none at all while it is not known.
"""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from sidecar import clock
from sidecar.coinbase import depth_books
from sidecar.coinbase import session as session_module
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.feed import Feed
from sidecar.coinbase.frames import DEPTH_CHANNELS
from sidecar.coinbase.lag import CoinbaseTime, Lag
from sidecar.coinbase.levels import book_parts
from sidecar.coinbase.session import Live, Lost, Session
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon import depth_stream
from sidecar.daemon.depth_stream import DepthStream
from tests.daemon_parts import Running
from tests.fault.paper_client import trading
from tests.scenario import World, product

BTC, ETH, SOL = "BTC-USD", "ETH-USD", "SOL-USD"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What a book that is not known waits for."""
    monkeypatch.setattr(depth_books, "AGAIN_S", 0.1)
    monkeypatch.setattr(depth_books, "CHANGED_EVERY_S", 0.05)
    monkeypatch.setattr(depth_books, "HOLDS_EVERY_S", 0.2)
    monkeypatch.setattr(session_module, "SUBSCRIBE_WITHIN_S", 0.5)
    monkeypatch.setattr(depth_stream, "LOOK_S", 0.02)


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path) as made:
        for name in (BTC, ETH, SOL):
            made.paper.world.exchange.books[name].silent = True
        yield made


class Deep(Running):
    """An engine that is told of depths, and the exchange that they are of."""

    def __init__(self, trader):
        super().__init__(World())
        self.trader = trader
        self.engine.now = trader.paper.world.now
        self.read_over_rest = list[ac.ReadDepth]()
        self.feeds = list[Feed]()
        self.is_deeper_than_shown = False
        self.coinbase_time = CoinbaseTime()
        self.shown = {name: {self.levels(name)} for name in (BTC, ETH, SOL)}  # at any time
        self.stream = DepthStream(self.engine, self._made_feed, self.read_over_rest.append)

    def _made_feed(self, hand_over):
        url, key = self.trader.paper.urls["ws_url"], load_key(self.trader.paper.key_file)
        session = Session(DEPTH_CHANNELS, lag=Lag(self.coinbase_time, lambda: 0.5))
        feed = Feed(session, [url], key, hand_over, now=self.engine.now, compressed=False)
        self.feeds.append(feed)
        return feed

    def follow(self, *names):
        self.stream.follow(ac.FollowDepth(product_ids=names))

    def switch(self, **faults):
        self.is_deeper_than_shown |= "deep_books" in faults
        self.trader.paper.world.set_faults(**faults)

    async def moves(self, name=BTC, shift="0.001"):
        """The market moves; its listeners hear of it."""
        row = {"product_id": name, "shift": shift}
        answer = await self.trader.http.post("/paper/market", json=row)
        assert answer.status_code == 200, answer.text
        self.shown[name].add(self.levels(name))

    def check(self):
        """Every depth that was told was the exchange's own."""
        for event in self.told(ev.DepthSeen):
            for depth in event.books:
                levels = (depth.bids, depth.asks)
                assert levels in self.shown[depth.product_id] or self.is_deeper_than_shown

    def levels(self, name):
        book = self.trader.paper.world.exchange.books[name]
        return tuple(tuple((one.price, one.size) for one in book.shown(s)) for s in ("BUY", "SELL"))

    def seen(self, name):
        """The last depth that was told, its levels."""
        for event in reversed(self.told(ev.DepthSeen)):
            for depth in event.books:
                if depth.product_id == name:
                    return (depth.bids, depth.asks)
        return None

    async def until_seen(self, *names):
        """These are told as the exchange has them, and nothing is on its way any more."""
        await self.until(lambda: all(self.seen(name) == self.levels(name) for name in names))

    def signals(self):
        return [call["signal"] for call in self.logged("info") if "signal" in call]

    async def until_logged(self, signal):
        async with asyncio.timeout(60):
            while signal not in self.signals():  # noqa: ASYNC110 - no fact tells of it
                await asyncio.sleep(0.001)

    async def until_logged_text(self, text):
        async with asyncio.timeout(60):
            while not any(text in str(call) for call in self.log.calls):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def until_lost(self, name=BTC):
        """By the log, or the books."""
        async with asyncio.timeout(60):
            while name in self.stream.books.whole:  # noqa: ASYNC110 - no fact tells of it
                await asyncio.sleep(0.001)

    async def until_holding(self, name=BTC):
        """It is said to hold from now on."""
        before = len(self.facts)
        await self.until(
            lambda: any(
                isinstance(fact, ev.DepthHolds) and name in fact.product_ids
                for fact in self.facts[before:]
            )
        )


@asynccontextmanager
async def running(trader):
    made = Deep(trader)
    task = asyncio.get_running_loop().create_task(made.stream.run())
    try:
        yield made
        assert not task.done(), task.result()
        made.check()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def deep(trader):
    async with running(trader) as made:
        yield made


# ------------------------------------------------------------------------------------ a good wire


async def test_books_are_told_as_they_are_and_as_they_change(deep):
    deep.follow(BTC, ETH)
    await deep.until_seen(BTC, ETH)
    for _ in range(5):
        await deep.moves(BTC)
        await deep.until_seen(BTC)
    await deep.until_seen(ETH)


async def test_a_quiet_book_is_said_to_hold_as_of_its_connections_last_word(deep):
    deep.follow(BTC)
    await deep.until_seen(BTC)
    await deep.until_holding()
    before = len(deep.told(ev.DepthSeen))
    await deep.until_holding()
    assert len(deep.told(ev.DepthSeen)) == before
    heard = deep.feeds[-1].session.told_at
    assert all(fact.at <= heard for fact in deep.told(ev.DepthHolds))


async def test_books_can_be_followed_and_left_while_it_runs(deep):
    deep.follow(BTC)
    await deep.until_seen(BTC)
    deep.follow(ETH)
    await deep.until_seen(ETH)
    await deep.moves(ETH)
    await deep.until_seen(ETH)
    assert deep.feeds[-1].session.products == (ETH,)
    deep.follow(ETH, BTC)
    await deep.moves(BTC)
    await deep.until_seen(ETH, BTC)
    assert len(deep.feeds) == 1


async def test_a_book_that_is_left_and_wanted_again_at_once_is_had_anew(deep, monkeypatch):
    monkeypatch.setattr(depth_books, "AGAIN_S", 1_000)  # nothing mends it later
    deep.follow(BTC, ETH)
    await deep.until_seen(BTC, ETH)
    deep.follow(ETH)
    deep.follow(BTC, ETH)
    await deep.moves(BTC)
    await deep.until_seen(BTC, ETH)


async def test_without_a_book_to_follow_there_is_no_connection(deep):
    hub = deep.trader.paper.world.hub
    assert not hub.sessions
    deep.follow(BTC)
    await deep.until_seen(BTC)
    deep.follow()
    async with asyncio.timeout(60):
        while hub.sessions:  # noqa: ASYNC110 - the exchange tells nobody
            await asyncio.sleep(0.001)
    assert deep.stream.shown(0.0)["followed"] == []
    deep.follow(BTC)
    await deep.moves(BTC)
    await deep.until_seen(BTC)


# ------------------------------------------------------------------------------------- broken wires


@pytest.mark.parametrize(
    "switch", ["drop_frames", "sequence_gaps", "reorder_frames", "restart_sequence"]
)
async def test_after_lost_frames_every_book_comes_anew(deep, switch):
    deep.follow(BTC, ETH)
    await deep.until_seen(BTC, ETH)
    deep.switch(**{switch: 1, "frames_channel": "level2"})
    await deep.moves(BTC)
    await deep.moves(ETH)
    await deep.until_logged("gap")
    await deep.until_seen(BTC, ETH)
    await deep.moves(BTC)
    await deep.until_seen(BTC, ETH)
    assert len(deep.feeds) == 1


async def test_repeated_frames_change_no_book(deep):
    deep.follow(BTC)
    await deep.until_seen(BTC)
    deep.switch(duplicate_frames=5, frames_channel="level2")
    for _ in range(5):
        await deep.moves()
    await deep.until_seen(BTC)
    assert "gap" not in deep.signals()


@pytest.mark.parametrize("code", [1000, 1006, 1013])
async def test_whatever_ends_the_connection_the_books_come_back(deep, code):
    deep.follow(BTC, ETH)
    await deep.until_seen(BTC, ETH)
    deep.switch(close_code=code)
    await deep.until_logged("lost")
    assert deep.stream.books.whole == ()
    await deep.moves(BTC)
    await deep.until_seen(BTC, ETH)


async def test_a_new_connection_asks_for_few_snapshots_at_a_time_too(deep, monkeypatch):
    monkeypatch.setattr(depth_books, "AT_ONCE", 1)
    deep.follow(BTC, ETH, SOL)
    await deep.until_seen(BTC, ETH, SOL)
    asked = list[tuple[str, ...]]()
    hand_over = deep.stream._step

    def step(step):
        hand_over(step)
        if isinstance(step, Lost | Live):
            asked.append(deep.feeds[-1].session.products)

    monkeypatch.setattr(deep.stream, "_step", step)
    deep.switch(close_code=1006)
    await deep.until_logged("lost")
    for name in (BTC, ETH, SOL):
        await deep.moves(name)
    await deep.until_seen(BTC, ETH, SOL)
    assert asked == [(), ()]


async def test_a_connection_that_falls_silent_is_left_and_its_books_with_it(deep, monkeypatch):
    monkeypatch.setattr(session_module, "SILENCE_S", 1.5)
    deep.follow(BTC)
    await deep.until_seen(BTC)
    deep.switch(stall_heartbeats=True)
    await deep.until_logged("lost")
    deep.switch(stall_heartbeats=False)
    await deep.moves()
    await deep.until_seen(BTC)


async def test_a_subscription_that_ends_by_itself_ends_its_book_alone(deep):
    deep.follow(BTC, ETH)
    await deep.until_seen(BTC, ETH)
    deep.switch(end_subscription=BTC)
    await deep.until_lost(BTC)
    assert deep.stream.books.whole == (ETH,)
    await deep.moves(BTC)
    await deep.until_seen(BTC)  # it was asked for again
    assert len(deep.feeds) == 1


async def test_a_product_that_is_refused_is_left_out_alone(deep, monkeypatch):
    monkeypatch.setattr(depth_books, "SNAPSHOT_WITHIN_S", 1.0)
    deep.switch(refused_product=ETH)
    deep.follow(BTC, ETH, SOL)
    await deep.until_seen(BTC, SOL)
    await deep.until_logged_text("left out")
    shown = deep.stream.shown(0.0)
    assert (shown["followed"], shown["left_out"]) == ([BTC, ETH, SOL], [ETH])
    assert shown["whole"] == [BTC, SOL]
    assert deep.seen(ETH) is None
    await deep.moves(SOL)
    await deep.until_seen(BTC, SOL)


async def test_a_product_that_is_disabled_is_not_asked_for_until_it_is_open(deep):
    deep.world.send(ev.ProductsListed, products=(product(ETH, is_disabled=True),))
    deep.switch(refused_product=ETH)
    deep.follow(BTC, ETH)
    await deep.until_seen(BTC)
    assert deep.feeds[-1].session.products == (BTC,)
    assert deep.stream.shown(0.0)["followed"] == [BTC, ETH]
    deep.switch(refused_product="")
    deep.world.send(ev.ProductsListed, products=(product(ETH),))
    await deep.until_seen(ETH)
    assert not [call for call in deep.logged("warning") if call]


async def test_a_channel_that_is_refused_ends_nothing(deep, monkeypatch):
    monkeypatch.setattr(depth_books, "SNAPSHOT_WITHIN_S", 0.5)
    deep.switch(refused_channel="level2")
    deep.follow(BTC)
    await deep.until_logged_text("failure to subscribe")
    assert deep.told(ev.DepthSeen) == []
    deep.switch(refused_channel="")
    await deep.until_seen(BTC)


async def test_a_crossed_book_is_not_told_and_comes_anew(deep):
    deep.follow(BTC, ETH)
    await deep.until_seen(BTC, ETH)
    deep.switch(crossed_depth=1)
    await deep.moves()
    await deep.until_logged_text("reach asks")
    await deep.until_seen(BTC)
    assert len(deep.feeds) == 1


async def test_frames_that_come_late_are_told_as_of_then(deep):
    """How old they are is for the core to judge."""
    wall = clock.wall()
    deep.coinbase_time.heard(deep.engine.now(), wall, wall)
    deep.follow(BTC)
    await deep.until_seen(BTC)
    deep.switch(delay_frames_s="0.5")
    await deep.moves()
    await deep.until_seen(BTC)
    told = deep.told(ev.DepthSeen)[-1]
    (book,) = told.books
    assert told.at - book.at >= timedelta(seconds=0.4)


@pytest.mark.parametrize("part", [b"{", b'[{"type":"delta"}]'])
async def test_a_frame_that_cannot_be_read_makes_every_book_come_anew(deep, part):
    """Whose levels it told is not known."""
    deep.follow(BTC)
    await deep.until_seen(BTC)
    (session,) = [s for s in deep.trader.paper.world.hub.sessions if "level2" in s.channels]
    text = b'{"channel":"l2_data","sequence_num":%d,"events":%s}' % (session._next(), part)
    session.send_error(text, deep.trader.paper.world.wall())
    await deep.until_logged_text("frame")
    await deep.moves()
    await deep.until_seen(BTC)


# ------------------------------------------------------------------------------------ huge snapshots


async def test_between_the_parts_of_a_huge_snapshot_others_run(deep, monkeypatch):
    """A decision that comes in meanwhile waits for one part."""
    turns, parts = 0, list[int]()

    async def others():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    def seen_parts(events):
        for part in book_parts(events):
            parts.append(turns)
            yield part

    monkeypatch.setattr(depth_stream, "book_parts", seen_parts)
    deep.switch(deep_books=15_000)
    running_others = asyncio.get_running_loop().create_task(others())
    deep.follow(BTC)
    await deep.until(lambda: deep.seen(BTC))
    running_others.cancel()
    assert len(parts) > 50
    assert len({*parts}) == len(parts)


async def test_a_huge_book_is_told_exactly_at_its_touch_and_kept_within_bounds(deep):
    deep.switch(deep_books=15_000)
    deep.follow(BTC)
    await deep.until(lambda: deep.seen(BTC))
    for told, shown in zip(deep.seen(BTC), deep.levels(BTC), strict=True):
        assert told[:20] == shown[:20]
        assert len(told) <= ev.LEVELS_MAX
    book = deep.stream.books._books[BTC].book
    assert len(book.bids.keys) == len(book.asks.keys) == book.bids.most


async def test_frames_lost_while_a_huge_snapshot_is_read_make_it_void(deep, monkeypatch):
    """Updates to it are missing: the rest of it makes no book."""
    lost = False

    def losing_parts(events):
        nonlocal lost
        for number, part in enumerate(book_parts(events)):
            yield part
            if number == 10 and not lost:
                lost = True
                deep.stream._lose()

    monkeypatch.setattr(depth_stream, "book_parts", losing_parts)
    deep.switch(deep_books=5_000)
    deep.follow(BTC)
    await deep.until(lambda: deep.seen(BTC))
    assert lost
    assert deep.stream.books._books[BTC].again == 1


async def test_more_levels_than_can_be_read_are_not_kept_waiting(deep, monkeypatch):
    deep.follow(BTC)
    await deep.until_seen(BTC)
    monkeypatch.setattr(depth_stream, "WAITING_BYTES_MAX", 100)
    await deep.moves()
    await deep.until_logged_text("more levels wait than can be read")
    assert deep.stream.books.whole == ()
    monkeypatch.setattr(depth_stream, "WAITING_BYTES_MAX", 1 << 20)
    await deep.until_seen(BTC)


# -------------------------------------------------------------------------------------- read once


async def test_what_is_known_is_told_at_once_and_the_rest_read_over_rest(deep):
    deep.follow(BTC)
    await deep.until_seen(BTC)
    before = len(deep.told(ev.DepthSeen))
    deep.stream.read(ac.ReadDepth(product_ids=(BTC, ETH)))
    assert deep.read_over_rest == [ac.ReadDepth(product_ids=(ETH,))]
    await deep.until(lambda: len(deep.told(ev.DepthSeen)) > before)
    assert deep.seen(BTC) == deep.levels(BTC)


async def test_an_answer_of_rest_is_handed_on_unless_the_book_is_known_by_then(deep):
    now = deep.engine.now()
    bids, asks = deep.levels(ETH)
    deep.shown[ETH].add((bids[:1], asks[:1]))
    deep.stream.answered(ev.Depth(ETH, bids[:1], asks[:1], now))
    assert deep.seen(ETH) == (bids[:1], asks[:1])
    deep.follow(ETH)
    await deep.until_seen(ETH)
    before = len(deep.told(ev.DepthSeen))
    deep.stream.answered(ev.Depth(ETH, bids[:1], asks[:1], now))
    assert len(deep.told(ev.DepthSeen)) == before
    await deep.until(lambda: len(deep.told(ev.DepthSeen)) > before)  # in full, as it is known
    assert deep.seen(ETH) == deep.levels(ETH)
