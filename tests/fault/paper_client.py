"""A client that says exactly what a test wants, over real sockets, in the exchange's own loop."""

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from coinbase import jwt_generator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sidecar import clock
from sidecar.coinbase.rest import NO_AUTHORITY
from sidecar.config.paper import Paper
from sidecar.paper.service.paper import PaperExchange

BROKERAGE = "/api/v3/brokerage"
WITHIN_S = 60.0
SETTINGS = {
    "market": "random:7",
    "private_requests_per_s": 0,
    "public_requests_per_s": 0,
    "requests_per_hour": 0,
    "order_delay_s": 0,
    "cancel_delay_s": 0,
}


class Trader:
    """REST and websockets of one running exchange, by its first key."""

    def __init__(self, paper: PaperExchange, http: httpx.AsyncClient) -> None:
        self.paper = paper
        self.http = http
        key = json.loads(paper.key_file.read_text())
        self.name, self.pem = key["name"], key["privateKey"]
        self.orders = 0

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One signed call below /api/v3/brokerage."""
        uri = jwt_generator.format_jwt_uri(method, BROKERAGE + path)
        token = jwt_generator.build_rest_jwt(uri, self.name, self.pem)
        headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
        return await self.http.request(method, BROKERAGE + path, headers=headers, **options)

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def limit(
        self, side: str, size: str, price: str, product_id: str = "BTC-USD"
    ) -> dict[str, Any]:
        terms = {"base_size": size, "limit_price": price}
        return self.body(side, {"limit_limit_gtc": terms}, product_id)

    def market(self, side: str, size: str, product_id: str = "BTC-USD") -> dict[str, Any]:
        return self.body(side, {"market_market_ioc": {"base_size": size}}, product_id)

    def body(self, side: str, configuration: dict[str, Any], product_id: str) -> dict[str, Any]:
        self.orders += 1
        return {
            "client_order_id": f"mine-{self.orders}",
            "product_id": product_id,
            "side": side,
            "order_configuration": configuration,
        }

    async def place(self, body: dict[str, Any]) -> str:
        """The order's id."""
        answer = await self.call("POST", "/orders", json=body)
        row = answer.json()
        assert row["success"], row
        return str(row["success_response"]["order_id"])

    def token(self) -> str:
        return str(jwt_generator.build_ws_jwt(self.name, self.pem))

    @asynccontextmanager
    async def listen(self, *channels: str, products: tuple[str, ...] = ("BTC-USD",)):
        """A websocket subscribed to these channels; what was answered so far is not read yet."""
        # A market that never ends leaves frames unread, behind which the closing handshake would wait.
        async with connect(self.paper.urls["ws_url"], max_size=None, close_timeout=0.5) as socket:
            for channel in channels:
                message = {"type": "subscribe", "channel": channel, "product_ids": list(products)}
                await socket.send(json.dumps(message | {"jwt": self.token()}))
            yield socket


async def hear(socket: ClientConnection, channel: str | None = None) -> dict[str, Any]:
    """The next frame, of this channel if one is named."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            row: dict[str, Any] = json.loads(await socket.recv())
            if channel in (None, row.get("channel")):
                return row


async def ended(socket: ClientConnection) -> int | None:
    """Read until the connection ends; its close code."""
    try:
        while True:
            await hear(socket)
    except ConnectionClosed:
        return socket.protocol.close_code


async def subscribed(socket: ClientConnection, *channels: str) -> None:
    """Read until the acknowledgement that names all of these."""
    while True:
        row = await hear(socket, "subscriptions")
        if set(channels) <= row["events"][0]["subscriptions"].keys():
            return


@asynccontextmanager
async def trading(directory: Path, now: Callable[[], datetime] = clock.now, **settings: Any):
    """A running exchange and its trader, in a directory of mode 0700 such as `tmp_path`."""
    config = Paper.model_validate({**SETTINGS, **settings})
    async with (
        PaperExchange(config, directory, now=now) as paper,
        httpx.AsyncClient(
            base_url=paper.urls["rest_url"], timeout=WITHIN_S, verify=NO_AUTHORITY
        ) as http,
    ):
        yield Trader(paper, http)
