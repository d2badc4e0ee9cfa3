"""A paper exchange without sockets: the world that handlers and websockets work on, on virtual time.

world = made(books=("BTC-USD",))
world.quote("BTC-USD", "64000", "64000.01")
client = world.client()
client.says(type="subscribe", channel="ticker", product_ids=["BTC-USD"])
client.hears()  # the frames since the last call, decoded
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from coinbase import jwt_generator

from sidecar import clock
from sidecar.config.paper import Paper
from sidecar.paper.markets.clock import MarketClock
from sidecar.paper.service.conversation import receive
from sidecar.paper.service.faults import FaultSwitches, apply_to
from sidecar.paper.service.hub import Hub
from sidecar.paper.service.keys import KeyRing, Scope, new_key
from sidecar.paper.service.rate_limit import RateLimits
from sidecar.paper.service.session import Session
from sidecar.paper.service.world import World
from sidecar.paper.venue.behaviour import Behaviour
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.listing import BOOKS, catalogue
from sidecar.paper.venue.order import Order
from sidecar.paper.venue.quote import Quote
from sidecar.paper.venue.request import NewOrder

START = datetime(2026, 11, 2, 10, tzinfo=UTC)
UNIX = START.timestamp()
KEY = new_key("ES256", Scope.VIEW | Scope.TRADE)
BALANCES = {"USD": Decimal(100_000), "BTC": Decimal(2)}


def token(made=KEY, **_: Any) -> str:
    """A websocket token as the official SDK makes it."""
    return str(jwt_generator.build_ws_jwt(made.key.name, made.private_pem))


class Client:
    """One websocket without its socket."""

    def __init__(self, world: "Stage", address: str = "127.0.0.1") -> None:
        self.stage = world
        self.session = Session(address, world.now_wall, world.world.faults)
        world.world.hub.open(self.session)

    def says(self, raw: bytes | str | None = None, **message: Any) -> None:
        receive(self.stage.world, self.session, raw if raw is not None else json.dumps(message))

    def hears(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.receives()]

    def receives(self) -> list[bytes]:
        """The same, as bytes."""
        frames = []
        while self.session.due_in(self.stage.now_wall) is not None:
            frames.append(self.session.next_frame(self.stage.now_wall))
        return frames

    def subscribes(self, channel: str, *products: str) -> list[dict[str, Any]]:
        private = channel in {"user", "futures_balance_summary"}
        extra = {"jwt": token()} if private else {}
        self.says(type="subscribe", channel=channel, product_ids=list(products), **extra)
        return self.hears()


class Stage:
    """The world with its clocks in the test's hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now_wall = 0.0
        self.orders = 0
        world.wall = lambda: self.now_wall
        world.unix = clock.unix  # tokens are signed by the SDK's own clock

    @property
    def now(self) -> datetime:
        return self.world.now()

    def client(self, address: str = "127.0.0.1") -> Client:
        return Client(self, address)

    def wait(self, seconds: float) -> None:
        """Let time pass, a second's tick at a time, as the pump does."""
        left = seconds
        while left > 0:
            step = min(1.0, left)
            left -= step
            self.now_wall += step
            self.world.exchange.advance(self.now)
            self.world.tell()
            self.world.hub.flush_depth(self.now, self.now_wall)
            self.world.hub.flush_trades(self.now, self.now_wall)
            if step == 1.0:
                self.world.hub.tick(self.now, self.now_wall)

    def quote(self, product_id: str, bid: str, ask: str, size: str = "1") -> None:
        of = [Decimal(text) for text in (bid, size, ask, size)]
        self.world.exchange.quote(Quote(self.now, product_id, *of))
        self.world.tell()

    def order(self, side: str, product_id: str = "BTC-USD", **configuration: Any) -> Order:
        self.orders += 1
        order = self.world.exchange.create(
            NewOrder(
                client_order_id=f"mine-{self.orders}",
                product_id=product_id,
                side=side,
                order_configuration=configuration,
            ),
            self.now,
        )
        self.world.tell()
        return order

    def limit(self, side: str, size: str, price: str, product_id: str = "BTC-USD") -> Order:
        terms = {"base_size": size, "limit_price": price}
        return self.order(side, product_id, limit_limit_gtc=terms)


def made(
    books: tuple[str, ...] = ("BTC-USD", "ETH-USD"), start: datetime = START, **settings: Any
) -> Stage:
    config = Paper(**settings)
    listings = catalogue([row for row in BOOKS if row.product_id in books])
    behaviour = Behaviour(order_delay=timedelta(0), cancel_delay=timedelta(0))
    apply_to(behaviour, config.faults)
    exchange = Exchange(listings, start, balances=BALANCES, behaviour=behaviour)
    faults = FaultSwitches(config.faults)
    world = World(
        config=config,
        exchange=exchange,
        clock=MarketClock(start, Decimal(1), 0.0),
        hub=Hub(exchange, faults, 0.0),
        faults=faults,
        keys=KeyRing([KEY.key]),
        limits=RateLimits(),
        wall=lambda: 0.0,
        unix=lambda: UNIX,
    )
    return Stage(world)
