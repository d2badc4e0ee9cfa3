"""A running sidecar and the depth of books: what it tells, and what a feed of depth that is down does not do."""

import asyncio
from decimal import Decimal
from fractions import Fraction

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
        trader.paper.world.exchange.books[ETH].silent = True
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


# ---------------------------------------------------------------------------------- limits on costs

RICH = {"USD": "100000000", "BTC": "1"}
WIDE = {"max_order_notional": 50_000_000, "max_open_orders": 100}
STEP = Fraction(1, 10**8)


class Asking(Deep):
    """A bot whose orders are judged by the depth of a book that stands still."""

    def __init__(self, trader, made):
        super().__init__(made)
        self.trader = trader
        self.book = trader.paper.world.exchange.books[BTC]

    async def buys(self, size):
        body = self.trader.market("BUY", f"{float(size):.8f}")
        return await self.made.bot.validate_order(body, dry_run=True)

    async def until_known(self, size="0.001"):
        """Until an order may pass, asking after every fact. Before, none that adds has."""
        async with asyncio.timeout(120):
            while not (decision := await self.buys(size)):
                assert {*decision.codes} <= {"MAX_ORDER_SLIPPAGE", "MAX_EXIT_COST"}, decision
                self.made.changed.clear()
                await self.made.changed.wait()

    def levels(self, side):
        return [(Fraction(one.price), Fraction(one.size)) for one in self.book.shown(side)]

    @property
    def mid(self):
        return (self.levels("BUY")[0][0] + self.levels("SELL")[0][0]) / 2

    def cost(self, side, size):
        """Against the mid, of taking so much from this side of the book."""
        total = Fraction(0)
        for price, offered in self.levels(side):
            part = min(size, offered)
            total, size = total + part * abs(price - self.mid), size - part
        assert not size, "deeper than the book"
        return total

    def largest(self, is_within):
        """The largest size, in steps of the product, that is within a limit: found by halving."""
        low, high = 0, int(sum(size for _, size in self.levels("SELL")) / STEP) // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if is_within(middle * STEP) else (low, middle)
        return low * STEP


@pytest.fixture
async def rich(tmp_path):
    async with trading(tmp_path, balances=RICH) as made:
        made.paper.world.exchange.books[BTC].silent = True
        yield made


async def test_an_order_too_large_for_its_book_is_refused_with_the_exact_size_that_passes(rich):
    limit = Fraction("0.0007")
    async with beside(rich, limits=WIDE | {"max_order_slippage": "0.0007"}) as made:
        desk = Asking(rich, made)
        await desk.until_known()
        largest = desk.largest(lambda size: desk.cost("SELL", size) <= limit * desk.mid * size)
        assert await desk.buys(largest)
        refused = await desk.buys(largest + STEP)
        assert refused.codes == ("MAX_ORDER_SLIPPAGE",)
        assert Fraction(refused.max_base_size) == largest
        (violation,) = refused.violations
        observed = desk.cost("SELL", largest + STEP) / (desk.mid * (largest + STEP))
        assert abs(Fraction(violation.observed) - observed) < Fraction(1, 10**9)
        assert made.state == "ACTIVE"


async def test_what_could_not_be_sold_again_within_the_limit_is_not_bought(rich):
    limit = Fraction(300)
    async with beside(rich, limits=WIDE | {"max_exit_cost": "300 USD"}) as made:
        desk = Asking(rich, made)
        await desk.until_known()
        largest = desk.largest(lambda size: desk.cost("BUY", 1 + size) <= limit)
        assert await desk.buys(largest)
        refused = await desk.buys(largest + STEP)
        assert refused.codes == ("MAX_EXIT_COST",)
        assert Fraction(refused.max_base_size) == largest


async def test_while_no_depth_can_be_had_what_adds_is_refused_and_what_reduces_passes(rich):
    rich.paper.world.set_faults(refused_channel="level2", bad_gateway="/product_book")
    async with beside(rich, limits=WIDE | {"max_order_slippage": "0.01"}) as made:
        desk = Asking(rich, made)
        assert (await desk.buys("0.001")).codes == ("MAX_ORDER_SLIPPAGE",)
        sale = rich.market("SELL", "0.01")
        assert await made.bot.validate_order(sale, dry_run=True)
        rich.paper.world.clear_faults()
        await desk.until_known()


async def test_a_book_that_coinbase_refuses_to_tell_is_read_over_rest_instead(rich):
    rich.paper.world.set_faults(refused_channel="level2")
    async with beside(rich, limits=WIDE | {"max_order_slippage": "0.01"}) as made:
        desk = Asking(rich, made)
        await desk.until_known()
        assert (await desk.shown())["whole"] == []


async def test_after_a_restart_the_depth_is_had_anew(rich, tmp_path):
    limits = WIDE | {"max_order_slippage": "0.0007"}
    for _ in range(2):
        async with beside(rich, directory=tmp_path, limits=limits) as made:
            desk = Asking(rich, made)
            await desk.until_known()
            assert (await desk.buys("100")).codes == ("MAX_ORDER_SLIPPAGE",)


async def test_a_limit_on_costs_is_followed_by_depth_and_its_end_by_none(rich):
    hub = rich.paper.world.hub
    async with beside(rich, limits=WIDE) as made:
        desk = Asking(rich, made)
        assert not hub.has_listener("level2", BTC)
        limits = made.config.limits.model_copy(update={"max_order_slippage": Decimal("0.01")})
        for new in (limits, made.config.limits):
            made.config = made.config.model_copy(update={"limits": new})
            await made.ask("reload", reason="a test")
            await made.until(
                lambda wanted=new is limits: hub.has_listener("level2", BTC) is wanted, "level2"
            )
        assert (await desk.shown())["followed"] == []
