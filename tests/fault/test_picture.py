"""The thin spine: feeds and picture over real sockets into a RiskManager, which comes up and judges."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import pytest

from sidecar.coinbase.auth import load_key
from sidecar.coinbase.feed import Feed
from sidecar.coinbase.frames import Orders
from sidecar.coinbase.picture import Picture
from sidecar.coinbase.rest import Refused, Rest, Unknown
from sidecar.coinbase.session import Gap, Live, Lost, Session, Told
from sidecar.core import actions as ac
from sidecar.core import events as ev
from sidecar.core.limits import Limits
from sidecar.core.position_tracker import PositionTracker
from sidecar.core.risk_manager import RiskManager
from sidecar.core.settings import Settings
from tests.fault.paper_client import trading

WITHIN_S = 15.0
SIGNALS: dict[object, ev.FeedSignal] = {Live: "connected", Gap: "gap", Lost: "lost"}


class Spine:
    """What a daemon will be: facts in, and the one wish that a picture needs carried out."""

    def __init__(self, trader, rest):
        self.now = trader.paper.world.now
        self.complaints: list[str] = []
        self.picture = Picture(rest, self.now, self.complaints.append)
        self.manager = RiskManager(
            Limits(max_order_notional=5000),
            PositionTracker(),
            clock=self.now,
            settings=Settings(connected=True),
        )
        self.changed = asyncio.Event()
        self.wanted = asyncio.Event()

    def handle(self, event):
        actions = self.manager.handle(event)
        if any(isinstance(action, ac.Reconcile) for action in actions):
            self.wanted.set()
        self.changed.set()

    def take(self, feed):
        def hand_over(steps):
            for step in steps:
                if isinstance(step, Told):
                    said = step.said
                    for event in said.reports if isinstance(said, Orders) else (said,):
                        self.handle(event)
                elif type(step) in SIGNALS:
                    self.handle(
                        ev.FeedChanged(at=self.now(), feed=feed, signal=SIGNALS[type(step)])
                    )

        return hand_over

    async def reconcile(self):
        """Whenever the core asks."""
        self.handle(await self.picture.products())
        since = None
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            began = self.now()
            async for event in self.picture.account(since):
                self.handle(event)
            since = since or began

    def held(self, key):
        return self.manager.tracker.account.lines[key].position.quantity

    async def until(self, look):
        async with asyncio.timeout(WITHIN_S):
            while not look():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def spine(trader):
    async with AsyncExitStack() as stack:
        key = load_key(trader.paper.key_file)
        rest = Rest(trader.paper.urls["rest_url"], key)
        stack.push_async_callback(rest.close)
        made = Spine(trader, rest)
        products = ("BTC-USD", "ETH-USD")
        feeds = [
            Feed(
                Session(channels, products),
                [trader.paper.urls["ws_url"]],
                key,
                made.take(name),
                now=made.now,
            )
            for name, channels in {
                "user": ("heartbeats", "user"),
                "market": ("heartbeats", "ticker"),
            }.items()
        ]
        tasks = [
            asyncio.get_running_loop().create_task(work)
            for work in (made.reconcile(), *(feed.run() for feed in feeds))
        ]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def trader(tmp_path):
    balances = {"USD": "100000", "BTC": "0.5", "ETH": "3"}
    async with trading(tmp_path, speed=5, balances=balances) as made:
        yield made


def ready(made):
    return lambda: made.manager.state.account == "ACTIVE"


async def test_it_comes_up_with_the_exchanges_own_positions_and_judges(trader):
    await trader.place(trader.limit("SELL", "0.1", "99000"))
    async with spine(trader) as made:
        assert made.manager.state.account == "STARTING"
        await made.until(ready(made))
        assert {key: made.held(key) for key in ("BTC", "ETH")} == {"BTC": Decimal("0.5"), "ETH": 3}
        selling = trader.market("SELL", "0.45")  # with the one at rest, more than is held
        assert "INSUFFICIENT_FUNDS" in made.manager.validate_order(selling).codes
        small = made.manager.validate_order(trader.limit("BUY", "0.01", "60000"))
        large = made.manager.validate_order(trader.limit("BUY", "1", "60000"))
        assert (small.approved, large.codes) == (True, ("MAX_ORDER_NOTIONAL",))
        assert made.complaints == []


async def test_fills_reach_the_books_as_the_exchange_has_them(trader):
    async with spine(trader) as made:
        await made.until(ready(made))
        await trader.place(trader.market("BUY", "0.02"))
        exchange = trader.paper.world.exchange
        await made.until(lambda: made.held("BTC") == Decimal("0.52"))
        assert made.held("BTC") == exchange.accounts.wallet("BTC").total


@pytest.mark.parametrize(
    "fault", [{"close_code": 1006}, {"drop_frames": 1, "frames_channel": "user"}]
)
async def test_after_a_break_the_picture_heals_by_itself(trader, fault):
    async with spine(trader) as made:
        await made.until(ready(made))
        trader.paper.world.set_faults(fault)
        await trader.place(trader.market("BUY", "0.02"))
        await trader.place(trader.market("BUY", "0.03"))
        await made.until(lambda: made.held("BTC") == Decimal("0.55"))
        await made.until(
            lambda: made.manager.feeds.user == "live" and made.manager.feeds.market == "live"
        )
        assert made.manager.validate_order(trader.limit("BUY", "0.01", "60000")).approved


async def test_a_part_that_cannot_be_read_reconciles_nothing(trader):
    rest = Rest(trader.paper.urls["rest_url"], load_key(trader.paper.key_file))
    picture = Picture(rest, trader.paper.world.now, lambda text: None)
    trader.paper.world.set_faults(server_errors=10_000)
    with pytest.raises(Unknown, match="HTTP 503"):
        [event async for event in picture.account(None)]
    await rest.close()


async def test_one_refused_token_does_not_take_the_futures_away(trader):
    rest = Rest(trader.paper.urls["rest_url"], load_key(trader.paper.key_file))
    picture = Picture(rest, trader.paper.world.now, lambda text: None)
    trader.paper.world.set_faults(expire_tokens=1)
    with pytest.raises(Refused):
        [event async for event in picture._futures(trader.paper.world.now())]
    kinds = [type(event).__name__ async for event in picture.account(None)]
    await rest.close()
    assert "FuturesRead" in kinds


async def test_an_order_that_moves_on_between_two_reads_is_in_one_of_them(tmp_path):
    async with trading(tmp_path, order_delay_s="0.3") as trader:
        await trader.place(trader.limit("BUY", "0.1", "100"))
        rest = Rest(trader.paper.urls["rest_url"], load_key(trader.paper.key_file))
        picture = Picture(rest, trader.paper.world.now, lambda text: None)
        events = [event async for event in picture.orders()]
        await rest.close()
        (listed,) = [event for event in events if isinstance(event, ev.OpenOrdersListed)]
        assert set(listed.order_ids) == set(trader.paper.world.exchange.register.open)


async def test_an_account_without_futures_has_none_and_is_whole(tmp_path):
    async with trading(tmp_path, futures=False) as trader:
        rest = Rest(trader.paper.urls["rest_url"], load_key(trader.paper.key_file))
        picture = Picture(rest, trader.paper.world.now, lambda text: None)
        kinds = [type(event).__name__ async for event in picture.account(None)]
        await rest.close()
    assert kinds == ["OpenOrdersListed", "BalancesRead", "AccountReconciled"]
