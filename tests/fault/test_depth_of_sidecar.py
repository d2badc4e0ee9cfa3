"""A running sidecar and the depth of books: what it tells, and what a feed of depth that is down does not do."""

import pytest

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon import depth_stream
from tests.fault.paper_client import trading
from tests.running_sidecar import beside

BTC, ETH = "BTC-USD", "ETH-USD"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(depth_stream, "LOOK_S", 0.02)


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "1"}) as made:
        yield made


class Deep:
    """The depths that a sidecar was told of, and the wishes that lead to them."""

    def __init__(self, made):
        self.made = made
        self.seen = dict[str, ev.Depth]()
        self.signals = list[tuple[str, str]]()
        self.quotes = 0
        made.on_fact = self._on_fact

    def _on_fact(self, event):
        if isinstance(event, ev.DepthSeen):
            self.seen |= {depth.product_id: depth for depth in event.books}
        self.quotes += isinstance(event, ev.Quotes)
        if isinstance(event, ev.FeedChanged):
            self.signals.append((event.feed, event.signal))

    def wish(self, action):
        self.made.engine.carry[type(action)](action)

    async def shown(self):
        return (await self.made.ask("status"))["sidecar"]["depth"]


async def test_books_are_followed_and_told_and_shown(trader):
    async with beside(trader) as made:
        deep = Deep(made)
        assert (await deep.shown())["followed"] == []
        deep.wish(ac.FollowDepth(product_ids=(BTC, ETH)))
        await made.until(lambda: deep.seen.keys() >= {BTC, ETH}, "both books")
        shown = await deep.shown()
        assert (shown["followed"], shown["whole"], shown["left_out"]) == (
            [BTC, ETH],
            [BTC, ETH],
            [],
        )
        assert shown["heard_s_ago"] >= 0


async def test_a_book_that_is_not_followed_is_read_over_rest(trader):
    async with beside(trader) as made:
        deep = Deep(made)
        trader.paper.world.exchange.books[ETH].frozen = True
        deep.wish(ac.ReadDepth(product_ids=(ETH,)))
        await made.until(lambda: ETH in deep.seen, "the book")
        book = trader.paper.world.exchange.books[ETH]
        for told, side in ((deep.seen[ETH].bids, "BUY"), (deep.seen[ETH].asks, "SELL")):
            assert told == tuple((level.price, level.size) for level in book.shown(side))
        assert trader.paper.world.hub.has_listener("level2", ETH) is False


@pytest.mark.parametrize(
    "fault",
    [
        {"refused_channel": "level2"},
        {"frames_channel": "level2", "drop_frames": 1_000_000},
        {"frames_channel": "level2", "sequence_gaps": 1_000_000},
    ],
)
async def test_a_feed_of_depth_that_is_down_makes_no_price_stale_and_refuses_nothing(trader, fault):
    async with beside(trader) as made:
        trader.paper.world.set_faults(**fault)
        deep = Deep(made)
        deep.wish(ac.FollowDepth(product_ids=(BTC,)))
        stream = made.sidecar._parts._depth
        await made.until(lambda: stream._feed and stream._feed.session.products, "it was asked for")
        first = deep.quotes
        await made.until(lambda: deep.quotes > first + 5, "prices come in")
        assert deep.signals == []
        assert made.state == "ACTIVE"
        decision = await made.bot.validate_order(trader.market("BUY", "0.01"), dry_run=True)
        assert decision, decision
        assert (await deep.shown())["followed"] == [BTC]
