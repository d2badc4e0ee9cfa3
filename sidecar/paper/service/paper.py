"""The paper exchange as one thing that starts and stops: `async with PaperExchange(...)`.

Loopback only. It begins with a fresh account and fresh keys each time, in a directory of its own.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from msgspec.structs import replace

from sidecar import clock
from sidecar.config.paper import Paper
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.money import with_money
from sidecar.hanging_up import hang_up
from sidecar.paper.markets.clock import MarketClock
from sidecar.paper.markets.history import History
from sidecar.paper.markets.market import Market, open_market
from sidecar.paper.service.certificates import make_authority
from sidecar.paper.service.faults import FaultSwitches, apply_to, seconds
from sidecar.paper.service.hub import Hub
from sidecar.paper.service.keys import write_key_files
from sidecar.paper.service.pump import Pump
from sidecar.paper.service.rate_limit import RateLimits
from sidecar.paper.service.rest import BODY_BYTES_MAX, add_routes
from sidecar.paper.service.sockets import websocket
from sidecar.paper.service.world import World
from sidecar.paper.venue.behaviour import Behaviour
from sidecar.paper.venue.book import future_candle
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.listing import Listing, catalogue
from sidecar.paper.venue.tape import Candle, Past

HOST: Final = "127.0.0.1"
BACKLOG: Final = 1_024
STOP_WITHIN_S: Final = 1.0  # the time for open connections when it ends


class _NotWhatWasSent(logging.Filter):
    """Drops the library's lines on malformed requests: they repeat headers, tokens included."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


LOG: Final = logging.getLogger("sidecar.paper")
LOG.addFilter(_NotWhatWasSent())


class PaperExchange:
    """One running paper exchange. Usable in process: `paper.world` has all parts in it."""

    def __init__(
        self,
        config: Paper,
        directory: Path,
        *,
        now: Callable[[], datetime] = clock.now,
        entropy: int = 0,
    ) -> None:
        """`directory`: for key files and the certificate, this user's alone; `entropy`: the seed of
        a random market that names none.

        Raises Misuse, naming the mend, for a market that cannot be opened.
        """
        market = open_market(config.market, now(), entropy)
        self.seed = market.seed
        self.directory = directory
        self.ca_file = directory / "ca.pem"
        self.key_file = directory / "key.json"
        self.world = _world(config, market, directory)
        self._authority = make_authority(now())
        self._pump = Pump(self.world, market.quotes)
        self._config = config
        self._stack = AsyncExitStack()
        self.port = 0
        self.tls_port = 0

    async def __aenter__(self) -> Self:
        """Listen, then let the market move. Raises Misuse when a port is taken or the disk refuses."""
        async with AsyncExitStack() as stack:
            self._pump.open()
            self._write_authority()
            runner = web.AppRunner(
                _app(self.world), access_log=None, logger=LOG, shutdown_timeout=STOP_WITHIN_S
            )
            await runner.setup()
            stack.push_async_callback(_close_down, runner)
            self.port = await self._listen(runner, self._config.port)
            self.tls_port = await self._listen(runner, self._config.tls_port, tls=True)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for work in (self._pump.run(), self._pump.tick()):
                stack.callback(group.create_task(work).cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.world.hub.close_all(1001)
        await self._stack.__aexit__(kind, error, trace)

    def _write_authority(self) -> None:
        """The certificate that clients check the others by; its key is nowhere but in memory."""
        try:
            self.ca_file.write_bytes(self._authority.ca_pem)
        except OSError as error:
            raise Misuse(
                f"{self.ca_file} cannot be written ({error.strerror}); make room, or name another directory"
            ) from None

    async def _listen(self, runner: web.AppRunner, port: int, *, tls: bool = False) -> int:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            listener.close()
            raise Misuse(
                f"port {port} cannot be listened on ({error.strerror}); choose another, or 0 for any"
            ) from None
        context = self._authority.server_context() if tls else None
        await web.SockSite(runner, listener, backlog=BACKLOG, ssl_context=context).start()
        return int(listener.getsockname()[1])

    @property
    def urls(self) -> dict[str, str]:
        """Where it is, by the names that `--json` prints."""
        return {
            "rest_url": f"http://{HOST}:{self.port}",
            "ws_url": f"ws://{HOST}:{self.port}",
            "tls_rest_url": f"https://localhost:{self.tls_port}",
            "tls_ws_url": f"wss://localhost:{self.tls_port}",
            "ca_file": str(self.ca_file),
            "key_file": str(self.key_file),
            "state_dir": str(self.directory),
        }


def _world(config: Paper, market: Market, directory: Path) -> World:
    listings = _listings(config, market)
    behaviour = Behaviour(
        order_delay=seconds(config.order_delay_s),
        cancel_delay=seconds(config.cancel_delay_s),
        strict_client_order_id=config.strict_client_order_id,
        queued_statuses=config.queued_statuses,
        sweep_every=seconds(config.sweep_every_s),
        funding_told=config.funding_told,
        funding_delay=seconds(config.funding_delay_s),
        funding_resets=config.funding_resets,
    )
    apply_to(behaviour, config.faults)
    history = History(market.books, market.seed, market.start)
    exchange = Exchange(
        listings,
        market.start,
        balances=config.balances,
        fees=(config.taker_fee, config.maker_fee),
        futures_fees=(
            _or(config.futures_taker_fee, config.taker_fee),
            _or(config.futures_maker_fee, config.maker_fee),
        ),
        past=_past(history, listings),
        name=f"paper/{market.seed}",
        behaviour=behaviour,
    )
    for listing in market.books:
        exchange.books[listing.product_id].tape.year = history.year(listing.product_id)
    for product_id in config.disabled_products:
        exchange.books[listings[product_id].book].silent = True
    faults = FaultSwitches(config.faults)
    wall = clock.wall()
    speed = None if config.speed == "max" else config.speed
    return World(
        config=config,
        exchange=exchange,
        clock=MarketClock(market.start, speed, wall),
        hub=Hub(exchange, faults, wall),
        faults=faults,
        keys=write_key_files(directory),
        limits=RateLimits(
            private_per_s=config.private_requests_per_s,
            public_per_s=config.public_requests_per_s,
            per_hour=config.requests_per_hour,
        ),
        wall=clock.wall,
        unix=clock.unix,
    )


def _listings(config: Paper, market: Market) -> dict[str, Listing]:
    """The market's products, some of them disabled. Raises Misuse, naming the unknown product."""
    listings = catalogue(market.books, futures=config.futures)
    for product_id in config.disabled_products:
        if product_id not in listings:
            raise Misuse(
                f"{product_id} of paper.disabled_products is no product of this market; "
                f"take it out, or name one of {', '.join(sorted(listings))}"
            )
        off = replace(listings[product_id].flags, is_disabled=True)
        listings[product_id] = replace(listings[product_id], flags=off)
    return listings


def _past(history: History, listings: Mapping[str, Listing]) -> Past:
    """Candles from before the start; a future's are its underlying's, moved as its quotes are."""

    @with_money
    def candles(book: str, granularity: int, start: int, end: int) -> list[Candle]:
        listing = listings[book]
        if listing.contract is None:
            return history.candles(book, granularity, start, end)
        spot = history.candles(listing.contract.underlying, granularity, start, end)
        return [future_candle(row, listing) for row in spot]

    return candles


async def _close_down(runner: web.AppRunner) -> None:
    """Stop listening, let requests end, then hang up.

    A TLS peer is owed a farewell that one already gone never answers; it is not waited for.
    """
    connections = runner.server.connections if runner.server is not None else []
    transports = [connection.transport for connection in connections]
    await runner.cleanup()
    for transport in transports:
        hang_up(transport)
    await asyncio.sleep(0)  # an aborted transport is closed in the loop's next round


def _or(rate: Decimal | None, other: Decimal) -> Decimal:
    return other if rate is None else rate


def _app(world: World) -> web.Application:
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_get("/", websocket(world))
    add_routes(app, world)
    return app
