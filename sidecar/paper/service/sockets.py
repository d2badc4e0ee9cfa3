"""Websockets over aiohttp: one task reads, one writes, the session between them does no I/O."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import WSMsgType, web

from sidecar.core.money import with_money
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
            if request.transport is not None:
                request.transport.abort()
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
    world.hub.open(session)
    try:
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(_write(world, request, socket, session))
            await _read(world, socket, session)
            writer.cancel()
    finally:
        world.hub.drop(session)


async def _read(world: World, socket: web.WebSocketResponse, session: Session) -> None:
    """Hand messages in until the client is gone or the session ends."""
    async for message in socket:
        if session.closing is not None:
            return
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            conversation(world, session, message.data)


async def _write(
    world: World, request: web.Request, socket: web.WebSocketResponse, session: Session
) -> None:
    """Send what is queued, in order and not before its time; then close as the session says."""
    wake = asyncio.Event()
    session.notify = wake.set
    sent = 0
    while session.closing is None:
        if not session.outgoing:
            wake.clear()
            await wake.wait()
            continue
        not_before, data = session.outgoing[0]
        early = not_before - world.wall()
        if early > 0:
            await asyncio.sleep(early)
            continue
        session.outgoing.popleft()
        try:
            await socket.send_frame(data, WSMsgType.TEXT)
        except ConnectionError:
            return
        sent += 1
        if sent % BURST == 0:
            await asyncio.sleep(0)
    await _close(request, socket, session.closing)


async def _close(request: web.Request, socket: web.WebSocketResponse, code: int) -> None:
    if code != ABNORMAL:
        await socket.close(code=code)
    if request.transport is not None:
        request.transport.abort()
