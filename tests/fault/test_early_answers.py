"""A decision leaves before it is in the books, over real sockets."""

import asyncio
import json
import socket
import threading

import pytest
import uvloop

from sidecar.server.listener import Listener, own_uids
from sidecar.server.protocol import Early


def line(number, method="ping"):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method}).encode() + b"\n"


def served(path, answer, ask, *, loop_of=uvloop.run):
    """`ask` in a thread beside a loop that answers."""

    async def run():
        listener = Listener(path, answer, mode=0o600, uids=own_uids())
        await listener.start()
        try:
            async with asyncio.timeout(60):
                return await asyncio.to_thread(ask)
        finally:
            await listener.stop()

    return loop_of(run())


def connected(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(path))
    return client


def read_lines(client, number):
    text = b""
    while text.count(b"\n") < number:
        text += client.recv(65_536)
    return [json.loads(each) for each in text.splitlines()]


@pytest.mark.parametrize("loop_of", [uvloop.run, asyncio.run])
def test_an_early_answer_is_read_before_the_rest_is_done(tmp_path, loop_of):
    """While the rest goes on, in the loop's own thread, the client has its answer already."""
    path, done = tmp_path / "s", []
    client, is_done = socket.socket(socket.AF_UNIX), threading.Event()
    client.settimeout(60)

    def finish():
        done.append(client.recv(65_536))  # would time out if it were not there yet
        is_done.set()

    def answer(_peer, _request):
        return Early({"early": True}, finish)

    def ask():
        client.connect(str(path))
        client.sendall(line(1))
        assert is_done.wait(60)

    served(path, answer, ask, loop_of=loop_of)
    client.close()
    assert [json.loads(each) for each in done] == [
        {"jsonrpc": "2.0", "id": 1, "result": {"early": True}}
    ]


@pytest.mark.parametrize("loop_of", [uvloop.run, asyncio.run])
def test_answers_keep_the_order_of_the_requests(tmp_path, loop_of):
    """An early one does not overtake what was answered before it and has not left yet."""
    path = tmp_path / "s"

    def answer(_peer, request):
        result = {"filler": "x" * 300_000, "of": request.id}  # more than the socket takes at once
        return Early(result, lambda: None) if request.id % 2 else result

    def ask():
        with connected(path) as client:
            client.sendall(b"".join(line(number) for number in range(6)))
            return read_lines(client, 6)

    assert [each["id"] for each in served(path, answer, ask, loop_of=loop_of)] == [*range(6)]


def test_what_follows_an_early_answer_is_done_though_nobody_waits_for_it(tmp_path):
    """A notification is carried out; a client that hung up has been told all the same."""
    path, done = tmp_path / "s", []

    def answer(_peer, request):
        return Early({}, lambda: done.append(request.id))

    def ask():
        with connected(path) as client:
            client.sendall(b'{"jsonrpc":"2.0","method":"ping"}\n' + line(1))
            read_lines(client, 1)
        with connected(path) as client:
            client.sendall(line(2))
        with connected(path) as client:
            client.sendall(line(3))
            read_lines(client, 1)

    served(path, answer, ask)
    assert len(done) == 4
    assert set(done[1:]) == {1, 2, 3}
