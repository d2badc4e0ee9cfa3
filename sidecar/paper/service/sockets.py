"""Websockets over aiohttp: one task reads, one writes, the session between them does no I/O."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import WSMsgType, web

from sidecar.core.vocabulary.money import with_money
from sidecar.hanging_up import hang_up
from sidecar.paper.service.conversation import receive
from sidecar.paper.service.session import ABNORMAL, Session
from sidecar.paper.service.world import World

MESSAGE_BYTES_MAX: Final = 64 * 1024  # a subscription to 1,000 products is 20 KiB
SOCKETS_MAX: Final = 2_000  # some 30 KiB each
CLOSE_WITHIN_S: Final = 2.0  # how long a client's answer to a close is waited for
BURST: Final = 64  # frames sent before others get their turn

conversation = with_money(receive)


def websocket(world: World) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler of `GET /` with an upgrade."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if world.faults.now.refuse_connections:
            hang_up(request.transport)
            return web.Response(status=503)
        address = request.remote or ""
        if not world.limits.connection(address, world.wall()):
            return web.Response(status=429, text="Too many requests")
        if len(world.hub.sessions) >= SOCKETS_MAX:
            return web.Response(status=503, text="Too many connections")
        socket = web.WebSocketResponse(
            max_msg_size=MESSAGE_BYTES_MAX, compress=False, timeout=CLOSE_WITHIN_S
        )
        if not socket.can_prepare(request):
            return web.Response(status=426, text="Upgrade Required")
        await socket.prepare(request)
        await _converse(world, request, socket, Session(address, world.wall(), world.faults))
        return socket

    return handle


async def _converse(
    world: World, request: web.Request, socket: web.WebSocketResponse, session: Session
) -> None:
    """Read until the client is gone; meanwhile write, and close when the session says so."""
    closed = asyncio.Event()
    session.on_close = closed.set
    world.hub.open(session)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(_write(world, socket, session)),
                group.create_task(_close(request, socket, session, closed)),
            )
            await _read(world, socket, session)
            for task in tasks:
                task.cancel()
    finally:
        world.hub.drop(session)


async def _read(world: World, socket: web.WebSocketResponse, session: Session) -> None:
    """Hand messages in until the connection ends."""
    async for message in socket:
        if session.closing is None and message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            conversation(world, session, message.data)


async def _write(world: World, socket: web.WebSocketResponse, session: Session) -> None:
    """Send the queued frames, in order and not before their time."""
    wake = asyncio.Event()
    session.on_frame = wake.set
    sent = 0
    while True:
        wait = session.due_in(world.wall())
        if wait is None:
            wake.clear()
            await wake.wait()
        elif wait > 0:
            await asyncio.sleep(wait)
        else:
            try:
                await socket.send_frame(session.next_frame(world.wall()), WSMsgType.TEXT)
            except ConnectionError:
                return  # the reader learns of it as well, and ends the conversation
            sent += 1
            if sent % BURST == 0:
                await asyncio.sleep(0)


async def _close(
    request: web.Request, socket: web.WebSocketResponse, session: Session, closed: asyncio.Event
) -> None:
    """Close as the session says. A client that does not read would not let a close frame through."""
    await closed.wait()
    if session.closing not in (None, ABNORMAL):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await socket.close(code=session.closing)
    hang_up(request.transport)
