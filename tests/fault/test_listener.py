"""The order socket on a real file system, with clients of every temper."""

import asyncio
import contextlib
import json
import os
import socket
import stat
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sidecar.server import listener as module
from sidecar.server.listener import Listener, SocketInUse, own_uids
from sidecar.server.protocol import Wrong, params

WITHIN_S = 10.0


def echo(connection, request):
    """Answers with what was asked; `ping` fails, for the sake of a failure."""
    asked = params(request)
    if request.method == "bye":
        raise Wrong(-32000, "no")
    if request.method == "status":
        return "x" * 60_000
    return {"method": request.method, "asked": getattr(asked, "client_order_id", None)}


@asynccontextmanager
async def listening(directory, **options):
    settings: dict[str, Any] = {"mode": 0o660, "uids": own_uids()} | options
    made = Listener(directory / "order.sock", echo, **settings)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def client(made):
    reader, writer = await asyncio.open_unix_connection(str(made.path), limit=1 << 20)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # what it has not read is not waited for


def line(number, method="release_order", **given):
    given = given or ({"client_order_id": str(number)} if method == "release_order" else {})
    return (
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": given}).encode()
        + b"\n"
    )


async def answer(reader):
    async with asyncio.timeout(WITHIN_S):
        return json.loads(await reader.readline())


async def ended(reader):
    async with asyncio.timeout(WITHIN_S):
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
    return True


async def test_answers_come_in_the_order_of_the_requests(tmp_path):
    async with listening(tmp_path) as made, client(made) as (reader, writer):
        writer.write(b"".join(line(n) for n in range(500)))
        answers = [await answer(reader) for _ in range(500)]
    assert [row["id"] for row in answers] == list(range(500))
    assert [row["result"]["asked"] for row in answers] == [str(n) for n in range(500)]


async def test_half_lines_are_waited_for(tmp_path):
    async with listening(tmp_path) as made, client(made) as (reader, writer):
        whole = line(1)
        for byte in whole[:-1]:
            writer.write(bytes([byte]))
            await writer.drain()
        writer.write(whole[-1:])
        assert (await answer(reader))["id"] == 1


async def test_a_wrong_request_is_answered_and_the_connection_goes_on(tmp_path):
    async with listening(tmp_path) as made, client(made) as (reader, writer):
        writer.write(line(1, "no_such") + line(2, "bye") + line(3))
        codes = [(await answer(reader)).get("error", {}).get("code") for _ in range(3)]
    assert codes == [-32601, -32000, None]


async def test_a_notification_is_carried_out_and_not_answered(tmp_path):
    async with listening(tmp_path) as made, client(made) as (reader, writer):
        silent = json.loads(line(0))
        del silent["id"]
        writer.write(json.dumps(silent).encode() + b"\n" + line(7))
        assert (await answer(reader))["id"] == 7


@pytest.mark.parametrize(
    ("garbage", "code"),
    [(b"garbage\n", -32700), (b"\xff\n", -32700), (b"[]\n", -32600), (b"x" * 70_000, -32600)],
)
async def test_garbage_ends_its_own_connection_after_what_came_before_it(tmp_path, garbage, code):
    async with listening(tmp_path) as made, client(made) as other, client(made) as (reader, writer):
        writer.write(line(1) + garbage + (line(2) if garbage.endswith(b"\n") else b""))
        rows = [await answer(reader) for _ in range(2 if garbage.endswith(b"\n") else 1)]
        assert rows[-1].get("error", {}).get("code") in {code, None}
        assert await ended(reader)
        other[1].write(line(3))
        assert (await answer(other[0]))["id"] == 3


async def test_one_that_asks_much_does_not_hold_up_one_that_asks_little(tmp_path):
    async with listening(tmp_path) as made, client(made) as greedy, client(made) as modest:
        greedy[1].write(b"".join(line(n) for n in range(20_000)))
        modest[1].write(line(1))
        assert (await answer(modest[0]))["id"] == 1
        left = sum(len(one._asked) for one in made.connections)
    assert left > 0  # the greedy one was still being served


async def test_one_that_never_reads_is_dropped_and_nothing_swells(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DROP_AFTER_S", 0.2)
    lost = asyncio.Event()
    async with listening(tmp_path, on_lost=lambda connection: lost.set()) as made:
        deaf = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        deaf.setblocking(False)
        await asyncio.get_running_loop().sock_connect(deaf, str(made.path))
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            for _ in range(200):
                deaf.send(line(1, "status"))
        async with client(made) as (reader, writer):
            writer.write(line(2))
            assert (await answer(reader))["id"] == 2
            async with asyncio.timeout(WITHIN_S):
                await lost.wait()
        deaf.close()


async def test_events_go_to_who_reads_and_who_does_not_is_dropped(tmp_path):
    async with listening(tmp_path) as made, client(made) as (reader, writer):
        writer.write(line(1))
        await answer(reader)
        (connection,) = made.connections
        connection.tell(b'{"jsonrpc":"2.0","method":"event","params":{}}\n')
        assert (await answer(reader))["method"] == "event"
        connection.pause_writing()
        connection.tell(b"{}\n")
        assert await ended(reader)


async def test_a_thousand_connections_are_served_and_one_more_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CONNECTIONS_MAX", 200)
    async with listening(tmp_path) as made, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(made)) for _ in range(200)]
        for _, writer in clients:
            writer.write(line(1))
        assert [(await answer(reader))["id"] for reader, _ in clients] == [1] * 200
        reader, _ = await stack.enter_async_context(client(made))
        assert "200 connections already" in (await answer(reader))["error"]["message"]
        assert await ended(reader)


async def test_another_user_may_not_ask(tmp_path):
    async with listening(tmp_path, uids=frozenset({os.getuid() + 1})) as made:
        async with client(made) as (reader, _):
            assert "allowed_uids" in (await answer(reader))["error"]["message"]
            assert await ended(reader)
        assert not made.connections


@pytest.mark.parametrize("mode", [0o600, 0o660])
async def test_the_file_has_its_mode_and_its_directory_is_private(tmp_path, mode):
    directory = tmp_path / "run"
    async with listening(directory, mode=mode) as made:
        assert stat.S_IMODE(made.path.stat().st_mode) == mode
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not made.path.exists()


async def test_a_file_left_by_a_killed_one_is_replaced(tmp_path):
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(tmp_path / "order.sock"))
    left.close()
    async with listening(tmp_path) as made, client(made) as (reader, writer):
        writer.write(line(1))
        assert (await answer(reader))["id"] == 1


async def test_a_live_one_is_never_stolen(tmp_path):
    async with listening(tmp_path) as made:
        with pytest.raises(SocketInUse, match="another sidecar listens here"):
            async with listening(tmp_path):
                pass
        async with client(made) as (reader, writer):
            writer.write(line(1))
            assert (await answer(reader))["id"] == 1


async def test_something_else_in_the_way_is_left_alone(tmp_path):
    path = tmp_path / "order.sock"
    path.write_text("mine")
    with pytest.raises(SocketInUse, match="not a socket"):
        async with listening(tmp_path):
            pass
    assert path.read_text() == "mine"


async def test_clients_are_dropped_at_the_end(tmp_path):
    async with listening(tmp_path) as made:
        reader, writer = await asyncio.open_unix_connection(str(made.path))
        writer.write(line(1))
        await answer(reader)
    assert await ended(reader)
    writer.close()
