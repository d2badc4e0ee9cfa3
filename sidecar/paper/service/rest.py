"""REST over aiohttp: faults, limits, tokens, scopes, then the handler, then Coinbase's bytes."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiohttp import web

from sidecar.core.vocabulary.money import with_money
from sidecar.hanging_up import hang_up
from sidecar.paper.service.call import Call
from sidecar.paper.service.endless import answered
from sidecar.paper.service.keys import Key
from sidecar.paper.service.rate_limit import Allowance
from sidecar.paper.service.routes import PREFIX, ROUTES, Route
from sidecar.paper.service.tokens import Unauthorized, verify_rest
from sidecar.paper.service.world import World
from sidecar.paper.wire import errors
from sidecar.paper.wire.errors import Failed
from sidecar.paper.wire.frames import encode
from sidecar.paper.wire.text import Row, with_nulls

BODY_BYTES_MAX: Final = 256 * 1024  # a batch of 100 cancels is 4 KiB
BODY_WITHIN_S: Final = 10.0  # a client that stops in the middle of its body is not waited for
NEVER_S: Final = 600.0  # "never answered": longer than any client waits, and not for ever
DRIBBLES: Final = 10  # pieces of a slow body
LONG_CURSOR: Final = 70_000  # characters
BYTE_EVERY_S: Final = 2.0  # of a dribbled one: no client's time-out of silence is as short
JSON: Final = "application/json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_routes(app: web.Application, world: World) -> None:
    """Serve every route, and Coinbase's answer for all other paths."""
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _serve(world, route))
    app.router.add_route("*", "/{path:.*}", _unknown(world))


def _serve(world: World, route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        allowance = Allowance(allowed=True)
        try:
            key = None
            if not route.path.startswith("/paper/"):
                _commit_faults(world, request)
                key, allowance = _admit(world, route, request)
                if not allowance.allowed:
                    return _json(429, errors.TOO_MANY_REQUESTS, allowance)
                if route.scope is not None and (key is None or route.scope not in key.scopes):
                    raise errors.missing_scopes()
            body = await _body(request)
            return await _answer(world, route, request, _Admitted(key, allowance, body))
        except Failed as error:
            return _json(error.failure.status, error.failure.body, allowance)
        except Unauthorized:
            return web.Response(status=401, text=errors.UNAUTHORIZED_TEXT)
        except _Faulty as fault:
            return fault.response

    return handle


class _Admitted:
    """A request that passed the gate."""

    __slots__ = ("allowance", "body", "key")

    def __init__(self, key: Key | None, allowance: Allowance, body: bytes) -> None:
        self.key = key
        self.allowance = allowance
        self.body = body


class _Faulty(Exception):
    """A switched-on fault is the answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__()
        self.response = response


def _commit_faults(world: World, request: web.Request) -> None:
    """Commit the faults that come before the request is read."""
    if world.faults.now.refuse_connections:
        raise _cut(request)
    if world.faults.count_off("server_errors"):
        body = web.Response(status=503, text=errors.HTML_ERROR, content_type="text/html")
        raise _Faulty(body)
    if "/cfm/" in request.path and world.faults.count_off("forbidden_futures"):
        body = web.Response(status=403, text=errors.HTML_FORBIDDEN, content_type="text/html")
        raise _Faulty(body)
    prefix = world.faults.now.bad_gateway
    if prefix and request.path.startswith(f"{PREFIX}{prefix}"):
        raise _Faulty(web.Response(status=502, text=errors.HTML_ERROR, content_type="text/html"))
    if world.faults.count_off("too_many_requests"):
        raise _Faulty(_json(429, errors.TOO_MANY_REQUESTS, Allowance(allowed=False)))


def _admit(world: World, route: Route, request: web.Request) -> tuple[Key | None, Allowance]:
    """Whose request it is and whether there is room for it. Raises Unauthorized."""
    wall = world.wall()
    if route.scope is None:
        return None, world.limits.public(request.remote or "", wall)
    header = request.headers.get("Authorization")
    if world.faults.count_off("expire_tokens"):
        raise Unauthorized("a switched-on fault says that it has expired")
    key = verify_rest(header, request.method, request.path, world.keys, world.unix())
    if world.faults.draw("unauthorized_share"):
        raise Unauthorized("a switched-on fault says that it is not valid")
    return key, world.limits.private(key.name, wall)


async def _body(request: web.Request) -> bytes:
    """The body of a POST; a body on a GET, which the official SDK sends, is not looked at."""
    if request.method == "GET" or not request.can_read_body:
        return b""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await request.read()
    except TimeoutError:
        raise errors.invalid("the request's body did not come") from None
    except web.HTTPRequestEntityTooLarge:
        raise errors.invalid(f"the body is larger than {BODY_BYTES_MAX} bytes") from None


async def _answer(
    world: World, route: Route, request: web.Request, admitted: _Admitted
) -> web.StreamResponse:
    call = Call(
        path=dict(request.match_info),
        query=request.query,
        body=admitted.body,
        key=admitted.key,
        now=world.now(),
    )
    row = _handle(world, route, call)
    faults = world.faults.now
    taken = route.path.endswith("/orders") and row["success"]
    if taken and world.faults.count_off("accept_without_answer"):
        await asyncio.sleep(NEVER_S)
        raise _cut(request)
    if route.path.startswith("/paper/"):
        return _json(200, row, admitted.allowance)
    if faults.null_optionals:
        row = with_nulls(row)
    if "cursor" in row and world.faults.count_off("long_cursors"):
        row = {**row, "cursor": "c" * LONG_CURSOR, "has_next": True}
    if world.faults.count_off("dribbled_bodies"):
        return await _dribble(request, encode(row), 1, BYTE_EVERY_S)
    if faults.slow_bodies_s:
        body = encode(row)
        piece = max(1, -(-len(body) // DRIBBLES))
        return await _dribble(request, body, piece, float(faults.slow_bodies_s) / DRIBBLES)
    return _json(200, row, admitted.allowance)


@with_money
def _handle(world: World, route: Route, call: Call) -> Row:
    """Run the handler, and tell listeners of its changes."""
    world.exchange.advance(call.now)
    endless = world.faults.now.endless_pages
    try:
        if endless:
            return answered(lambda one: route.handler(world, one), call, endless)
        return route.handler(world, call)
    finally:
        world.tell()


def _json(status: int, row: Row, allowance: Allowance) -> web.Response:
    headers = {"Content-Type": JSON, **allowance.headers()}
    return web.Response(status=status, body=encode(row), headers=headers)


async def _dribble(
    request: web.Request, body: bytes, piece: int, every_s: float
) -> web.StreamResponse:
    """Send a body piece by piece."""
    response = web.StreamResponse(headers={"Content-Type": JSON})
    response.content_length = len(body)
    await response.prepare(request)
    with suppress(ConnectionError):  # the client has gone: it waits for no answer
        for start in range(0, len(body), piece):
            await asyncio.sleep(every_s)
            await response.write(body[start : start + piece])
        await response.write_eof()
    return response


def _cut(request: web.Request) -> _Faulty:
    """End the connection without an answer: an answer then is lost."""
    hang_up(request.transport)
    return _Faulty(web.Response(status=503))


def _unknown(world: World) -> Handler:
    """The answer to a request that is no call: a known path asked by another method, or none at
    all.
    """
    paths = re.compile("|".join(re.sub(r"{\w+}", "[^/]+", route.path) for route in ROUTES))

    async def handle(request: web.Request) -> web.StreamResponse:
        allowance = world.limits.public(request.remote or "", world.wall())
        if not allowance.allowed:
            return _json(429, errors.TOO_MANY_REQUESTS, allowance)
        known = paths.fullmatch(request.path)
        failed = errors.wrong_method() if known else errors.no_route()
        return _json(failed.failure.status, failed.failure.body, allowance)

    return handle
