"""One websocket to Coinbase, kept up: connects, subscribes, listens, and begins again when it ends.

The conversation is `session.Session`; here are only its socket, its clock and its patience.
"""

import asyncio
import random  # noqa: TID251 - jitter only: nothing here is replayed
import ssl
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from sidecar import clock
from sidecar.coinbase.auth import ApiKey
from sidecar.coinbase.backoff import wait_s
from sidecar.coinbase.session import Close, Live, Session, Step, Subscribe
from sidecar.hanging_up import hang_up

FRAME_BYTES_MAX: Final = 10 << 20  # Coinbase's own client allows as much
OPEN_WITHIN_S: Final = 10.0
CLOSE_WITHIN_S: Final = 1.0
FAILURES_A_HOST: Final = 3  # in a row, before the next host is tried
TICK_S: Final = 0.5  # how finely silence is noticed
# The errors of `connect` when no server is there, or it hangs up: this version does not wrap the
# last.
NOT_CONNECTED: Final = (OSError, TimeoutError, WebSocketException, EOFError)
WAITING_MAX: Final = 64  # subscriptions that wait to be sent; each change of products is two


class Feed:
    """One session and its socket. Every step but those sent goes to `hand_over`, in order."""

    def __init__(  # noqa: PLR0913 - a socket, a key and a clock, by name
        self,
        session: Session,
        urls: Sequence[str],
        key: ApiKey,
        hand_over: Callable[[list[Step]], None],
        *,
        now: Callable[[], datetime] = clock.now,
        tls: ssl.SSLContext | None = None,
        compressed: bool = True,
    ) -> None:
        """`urls`: the host, and others that do as well when it cannot be reached; `now`: the market
        clock; `tls`: for a server whose certificate is no public authority's; `compressed`: whether
        frames may be, and are then unpacked whole, at once.
        """
        self.session = session
        self._urls = tuple(urls)
        self._key = key
        self._hand_over = hand_over
        self._now = now
        self._tls = tls
        self._compression = "deflate" if compressed else None
        self._outgoing: asyncio.Queue[Subscribe] = asyncio.Queue(WAITING_MAX)
        self._ending = asyncio.Event()
        self.reason = ""  # why the last connection ended
        self.failures = 0  # in a row

    async def run(self) -> None:
        """Until cancelled: keep the feed up."""
        while True:
            await self.once()
            await asyncio.sleep(wait_s(self.failures, random.random()))  # noqa: S311
            self.failures += 1

    def follow(self, products: Iterable[str]) -> None:
        """Listen to these products from now on, and to no others."""
        self._carry_out(self.session.follow(products, clock.wall()))

    def renew(self, products: Iterable[str]) -> None:
        """Have these of the products told from the beginning, by a new snapshot."""
        self._carry_out(self.session.renew(products, clock.wall()))

    async def once(self) -> None:
        """One connection, from its beginning to its end, which is told before it is closed: a silent
        peer takes its time over that.
        """
        url = self._urls[self.failures // FAILURES_A_HOST % len(self._urls)]
        self._ending.clear()
        while not self._outgoing.empty():
            self._outgoing.get_nowait()  # meant for the connection before
        try:
            socket = await connect(
                url,
                ssl=(self._tls or True) if url.startswith("wss:") else None,
                max_size=FRAME_BYTES_MAX,
                compression=self._compression,
                open_timeout=OPEN_WITHIN_S,
                close_timeout=CLOSE_WITHIN_S,
                ping_interval=None,  # Coinbase's heartbeats are the watchdog
            )
        except NOT_CONNECTED as error:
            self.reason = f"{type(error).__name__}: {error}"
            self._hand_over(self.session.lost(self.reason))
            return
        try:
            self._hand_over(self.session.lost(await self._converse(socket)))
        finally:
            await _leave(socket)

    async def _converse(self, socket: ClientConnection) -> str:
        self.reason = ""
        self._carry_out(self.session.opened(clock.wall()))
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(self._send(socket), name="feed sends"),
                group.create_task(self._receive(socket), name="feed receives"),
                group.create_task(self._tick(), name="feed ticks"),
            )
            await self._ending.wait()
            for task in tasks:
                task.cancel()
        return self.reason

    async def _send(self, socket: ClientConnection) -> None:
        while True:
            wanted = await self._outgoing.get()
            message = {
                "type": "unsubscribe" if wanted.leave else "subscribe",
                "channel": wanted.channel,
                "product_ids": wanted.products,
                "jwt": self._key.websocket_token(),
            }
            try:
                await socket.send(msgspec.json.encode(message).decode())
            except ConnectionClosed:
                return  # the reader says why

    async def _receive(self, socket: ClientConnection) -> None:
        try:
            while True:
                data = await socket.recv()
                self._carry_out(self.session.received(data, self._now(), clock.wall()))
        except ConnectionClosed as closed:
            self._end(f"closed by Coinbase: {closed}")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._carry_out(self.session.tick(clock.wall()))

    def _carry_out(self, steps: Sequence[Step]) -> None:
        """Send the subscriptions, end the connection where a step says so, and hand over the rest."""
        told: list[Step] = []
        for step in steps:
            match step:
                case Subscribe():
                    if self._outgoing.full():
                        self._end("more subscriptions wait than can be sent")
                    else:
                        self._outgoing.put_nowait(step)
                case Close(reason):
                    self._end(reason)
                case _:
                    if isinstance(step, Live):
                        self.failures = 0
                    told.append(step)
        if told:
            self._hand_over(told)

    def _end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._ending.set()


async def _leave(socket: ClientConnection) -> None:
    """Say goodbye, and go whether it is answered or not: TLS alone would wait half a minute for that."""
    try:
        async with asyncio.timeout(CLOSE_WITHIN_S):
            await socket.close()
    except NOT_CONNECTED:
        pass
    finally:
        hang_up(socket.transport)
