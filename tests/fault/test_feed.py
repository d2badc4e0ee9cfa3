"""A feed over real sockets against the paper exchange, through every fault of its websockets."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest

from sidecar.coinbase import session as session_module
from sidecar.coinbase.auth import load_key
from sidecar.coinbase.feed import FAILURES_A_HOST, Feed
from sidecar.coinbase.frames import quotes_of
from sidecar.coinbase.session import Gap, Live, Lost, Parsed, Session
from tests.fault.meddling import tunnel
from tests.fault.paper_client import trading

WITHIN_S = 60.0
OVER_TLS = pytest.mark.parametrize("wire", ["tls_ws_url"], indirect=True)


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, speed=20, balances={"USD": "100000", "BTC": "5"}) as made:
        yield made


async def failed(feed, times):
    """Until so many attempts in a row have come to nothing."""
    async with asyncio.timeout(WITHIN_S):
        while feed.failures < times:  # noqa: ASYNC110 - nothing is handed over that could be waited for
            await asyncio.sleep(0.01)


class Listener:
    """What a feed hands over, one step at a time. `url`: of the exchange's, where none is named."""

    url = "ws_url"

    def __init__(self):
        self.steps: asyncio.Queue[object] = asyncio.Queue()

    def __call__(self, steps):
        for step in steps:
            self.steps.put_nowait(step)

    async def until(self, kind, wanted=lambda step: True):
        """The next step of this kind, and what came before it."""
        before: list[object] = []
        async with asyncio.timeout(WITHIN_S):
            while True:
                step = await self.steps.get()
                if isinstance(step, kind) and wanted(step):
                    return step, before
                before.append(step)


@pytest.fixture(params=["ws_url", "tls_ws_url"], autouse=True)
def wire(request, monkeypatch, trader):
    """Each fault is met over both: Coinbase speaks TLS alone."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trader.paper.ca_file))
    monkeypatch.setattr(Listener, "url", request.param)


@asynccontextmanager
async def listening(trader, *channels, products=(), url=None, others=(), **options):
    heard = Listener()
    feed = Feed(
        Session(channels, products),
        [trader.paper.urls.get(name, name) for name in (url or heard.url, *others)],
        load_key(trader.paper.key_file),
        heard,
        now=trader.paper.world.now,
        **options,
    )
    task = asyncio.get_running_loop().create_task(feed.run())
    try:
        yield feed, heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


USER = ("heartbeats", "user", "futures_balance_summary")
MARKET = ("heartbeats", "ticker")


async def test_both_feeds_come_up_and_tell(trader):
    async with (
        listening(trader, *MARKET, products=("BTC-USD", "ETH-USD")) as (_, market),
        listening(trader, *USER) as (_, user),
    ):
        await market.until(Live)
        _, before = await user.until(Live)
        assert before[0].said.kind == "snapshot"
        await trader.place(trader.limit("BUY", "0.1", "100"))
        told, _ = await user.until(Parsed)
        assert told.said.reports[0].status == "PENDING"
        told, _ = await market.until(Parsed)
        assert quotes_of(told.said.rows)


@OVER_TLS
async def test_tls_with_another_authority_never_comes_up(trader, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    async with listening(trader, *USER, url="tls_ws_url") as (feed, heard):
        await failed(feed, 2)
        assert heard.steps.empty()


@OVER_TLS
async def test_tls_with_an_authority_of_its_own(trader, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    context = ssl.create_default_context(cafile=str(trader.paper.ca_file))
    async with listening(trader, *USER, url="tls_ws_url", tls=context) as (feed, heard):
        await heard.until(Live)
        assert (feed.session.state, feed.failures) == ("live", 0)


@OVER_TLS
async def test_a_peer_that_falls_silent_is_lost_at_once_and_left_behind(trader):
    """No byte, no reset, no answer to a goodbye, which TLS would wait for half a minute."""
    async with (
        tunnel(trader) as way,
        listening(trader, *MARKET, products=("BTC-USD",), url=way.ws_url) as (_, heard),
    ):
        await heard.until(Live)
        way.silent = True
        lost, _ = await heard.until(Lost)
        assert lost.reason == "nothing was heard for 5 s"
        way.silent = False
        await heard.until(Live)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1013])
async def test_whatever_ends_a_connection_it_is_back_with_a_new_snapshot(trader, code):
    async with listening(trader, *USER) as (_, heard):
        await heard.until(Live)
        trader.paper.world.set_faults(close_code=code)
        await heard.until(Lost)
        _, before = await heard.until(Live)
        assert before[0].said.kind == "snapshot"


async def test_a_lost_frame_is_a_gap(trader):
    async with listening(trader, *MARKET, products=("BTC-USD",)) as (_, heard):
        await heard.until(Live)
        trader.paper.world.set_faults(drop_frames=1, frames_channel="ticker")
        gap, _ = await heard.until(Gap)
        assert gap.got == gap.expected + 1


async def test_an_expired_token_is_tried_again_with_a_fresh_one(trader):
    trader.paper.world.set_faults(expire_tokens=2)
    async with listening(trader, *USER) as (feed, heard):
        await heard.until(Live)
        assert feed.failures == 0


async def test_refused_connections_are_tried_until_they_are_not(trader):
    trader.paper.world.set_faults(refuse_connections=True)
    async with listening(trader, *USER) as (feed, heard):
        await failed(feed, 2)
        trader.paper.world.clear_faults()
        await heard.until(Live)
        assert feed.failures == 0


async def test_stalled_heartbeats_on_a_quiet_feed_are_a_dead_connection(trader, monkeypatch):
    monkeypatch.setattr(session_module, "SILENCE_S", 1.5)
    async with listening(trader, *USER) as (_, heard):
        await heard.until(Live)
        trader.paper.world.set_faults(stall_heartbeats=True)
        lost, _ = await heard.until(Lost)
        assert lost.reason == "nothing was heard for 1.5 s"


async def test_a_host_that_cannot_be_reached_gives_way_to_the_other(trader):
    nobody = f"ws://127.0.0.1:{trader.paper.port + 1 if trader.paper.port < 65535 else 1}"
    async with listening(trader, *USER, url=nobody, others=("ws_url",)) as (feed, heard):
        feed.failures = FAILURES_A_HOST - 1
        await heard.until(Live)
        assert feed.failures == 0


async def test_products_are_followed_while_it_runs(trader):
    async with listening(trader, *MARKET) as (feed, heard):
        await heard.until(Live)
        feed.follow(["SOL-USD"])
        told, _ = await heard.until(Parsed)
        assert told.said.rows[0].product_id == "SOL-USD"
        feed.follow(["LTC-USD"])
        await heard.until(Parsed, lambda step: step.said.rows[0].product_id == "LTC-USD")
