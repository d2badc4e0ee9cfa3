"""Who may stand between the sidecar and the paper exchange: one that changes answers of REST, and one that
spoils or swallows bytes of a TLS connection.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
from aiohttp import web

from tests.fault.paper_client import BROKERAGE, Trader

# Makes the answer of a call itself, or has the exchange's passed on where it says None.
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]


def bomb(megabytes: int) -> bytes:
    """A thousandth of it, as gzip."""
    packer, piece = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16), bytes(1024 * 1024)
    return b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()


class Meddler:
    """Passes calls on. `answers` has its own, by path below /api/v3/brokerage; `asked` is every path."""

    def __init__(self, trader: Trader) -> None:
        self.url = ""
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self._http = trader.http

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.removeprefix(BROKERAGE)
        self.asked.append(path)
        if path in self.answers and (own := await self.answers[path](request)) is not None:
            return own
        headers = {"Authorization": request.headers.get("Authorization", "")}
        url = httpx.URL(str(self._http.base_url) + request.rel_url.raw_path_qs)
        answer = await self._http.request(
            request.method, url, headers=headers, content=await request.read()
        )
        return web.Response(
            status=answer.status_code,
            body=answer.content,
            content_type=answer.headers["Content-Type"].partition(";")[0],
        )


@asynccontextmanager
async def meddling(trader: Trader):
    """A meddler before the trader's exchange, on loopback."""
    made = Meddler(trader)
    runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    try:
        yield made
    finally:
        await runner.cleanup()


class Tunnel:
    """Passes a TLS connection's bytes on, and spoils so many of the server's writes that follow a
    handshake. While it is `silent` no byte passes, either way; nobody is told.
    """

    def __init__(self, host: str, port: int) -> None:
        self.url = self.ws_url = ""
        self.spoils = 0
        self.silent = False
        self._to = host, port

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._to)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, server_writer, self._kept))
            group.create_task(_pass_on(server_reader, writer, self._spoiled))

    def _kept(self, _number: int, piece: bytes) -> bytes:
        return b"" if self.silent else piece

    def _spoiled(self, number: int, piece: bytes) -> bytes:
        if self.silent:
            return b""
        if number < 4 or not self.spoils:  # the handshake, its tickets, an answer
            return piece
        self.spoils -= 1
        return piece[:-1] + bytes([piece[-1] ^ 1])


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    change: Callable[[int, bytes], bytes],
) -> None:
    number = 0
    with suppress(ConnectionError):
        while piece := await reader.read(64 * 1024):
            number += 1
            writer.write(change(number, piece))
            await writer.drain()
    writer.close()


@asynccontextmanager
async def tunnel(trader: Trader):
    """A tunnel to the trader's exchange, on loopback."""
    url = httpx.URL(trader.paper.urls["tls_rest_url"])
    assert url.port is not None
    made = Tunnel(url.host, url.port)
    async with await asyncio.start_server(made.handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        made.url, made.ws_url = f"https://127.0.0.1:{port}", f"wss://127.0.0.1:{port}"
        yield made
