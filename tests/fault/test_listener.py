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
import uvloop

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse
from sidecar.server import byte_rate
from sidecar.server import listener as module
from sidecar.server.byte_rate import ByteRate
from sidecar.server.control import Control
from sidecar.server.listener import Listener, SocketInUse, own_uids
from sidecar.server.protocol import RequestError, params
from tests.answering import Desk
from tests.scenario import limit_order

WITHIN_S = 60.0


def echo(connection, request):
    """Answers with what was asked; `ping` fails, for the sake of a failure."""
    asked = params(request)
    if request.method == "bye":
        raise RequestError(-32000, "no")
    if request.method == "status":
        return "x" * 60_000
    return {"method": request.method, "asked": getattr(asked, "client_order_id", None)}


@asynccontextmanager
async def listening(directory, answer=echo, **options):
    settings: dict[str, Any] = {"mode": 0o660, "uids": own_uids()} | options
    made = Listener(directory / "order.sock", answer, **settings)
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
    monkeypatch.setattr("sidecar.server.connection.DROP_AFTER_S", 0.2)
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


@pytest.fixture
def users(monkeypatch):
    """Whom the next connection is of: a test may not have several users."""
    of = [1]
    monkeypatch.setattr("sidecar.server.connection._peer_uid", lambda _transport: of[0])
    return of


EVERYBODY = frozenset({0, 1, 2})


async def served(stack, made):
    """Whether one more client is; if not, what it is told."""
    reader, writer = await stack.enter_async_context(client(made))
    writer.write(line(1))
    told = await answer(reader)
    if "error" not in told:
        return ""
    assert await ended(reader)
    return told["error"]["message"]


async def test_many_connections_are_served_and_one_more_is_told_so(tmp_path, monkeypatch, users):
    monkeypatch.setattr(module, "CONNECTIONS_MAX", 200)
    async with listening(tmp_path, uids=EVERYBODY) as made, contextlib.AsyncExitStack() as stack:
        for users[0] in (1, 2):
            clients = [await stack.enter_async_context(client(made)) for _ in range(92)]
            for _, writer in clients:
                writer.write(line(1))
            assert [(await answer(reader))["id"] for reader, _ in clients] == [1] * 92
        assert await served(stack, made) == "there are 184 connections already"
        users[0] = 0  # the last ones are root's
        assert [await served(stack, made) for _ in range(16)] == [""] * 16
        assert await served(stack, made) == "there are 200 connections already"


async def test_no_users_connections_leave_no_room_for_anothers(tmp_path, monkeypatch, users):
    monkeypatch.setattr(module, "CONNECTIONS_OF_A_USER_MAX", 5)
    async with listening(tmp_path, uids=EVERYBODY) as made, contextlib.AsyncExitStack() as stack:
        assert [await served(stack, made) for _ in range(5)] == [""] * 5
        assert await served(stack, made) == "user 1 has 5 connections already"
        users[0] = 2
        assert await served(stack, made) == ""


async def test_where_there_are_few_files_no_user_takes_all_the_room(tmp_path, monkeypatch, users):
    monkeypatch.setattr("resource.getrlimit", lambda _what: (300, 300))
    async with listening(tmp_path, uids=EVERYBODY) as made, contextlib.AsyncExitStack() as stack:
        assert [await served(stack, made) for _ in range(24)] == [""] * 24
        assert await served(stack, made) == "user 1 has 24 connections already"
        users[0] = 2
        assert await served(stack, made) == ""


@pytest.mark.parametrize(("files", "most"), [(-1, 1024), (100_000, 1024), (1024, 768), (80, 64)])
def test_files_are_left_for_all_else(monkeypatch, files, most):
    monkeypatch.setattr("resource.getrlimit", lambda _what: (files, files))
    assert module.connections_max() == most


async def test_who_sends_too_much_is_read_from_later_and_nobody_else_is(
    tmp_path, monkeypatch, users
):
    monkeypatch.setattr(byte_rate, "BURST_BYTES", 20_000)
    monkeypatch.setattr(byte_rate, "BYTES_PER_S", 1)
    many = 2_000
    async with listening(tmp_path, uids=EVERYBODY, rate=ByteRate()) as made, client(made) as greedy:
        greedy[1].write(b"".join(line(number) for number in range(many)))
        assert (await answer(greedy[0]))["id"] == 0
        (slowed,) = made.connections
        users[0] = 2
        async with client(made) as modest:
            for number in range(20):
                modest[1].write(line(number))
                assert (await answer(modest[0]))["id"] == number
        assert slowed._slowed is not None
        slowed._slowed.cancel()
        monkeypatch.setattr(byte_rate, "BYTES_PER_S", 1 << 30)
        slowed._read_on()
        rest = [(await answer(greedy[0]))["id"] for _ in range(many - 1)]
        assert rest == list(range(1, many))


@pytest.mark.parametrize("loop_of", [uvloop.run, asyncio.run])
def test_who_has_sent_too_much_and_comes_anew_is_read_from_later_too(
    tmp_path, monkeypatch, users, loop_of
):
    monkeypatch.setattr(byte_rate, "BURST_BYTES", 20_000)
    monkeypatch.setattr(byte_rate, "BYTES_PER_S", 1)

    async def ask(modest, number):
        modest[1].write(line(number))
        assert (await answer(modest[0]))["id"] == number

    async def scenario():
        users[0] = 2
        async with (
            listening(tmp_path, uids=EVERYBODY, rate=ByteRate()) as made,
            client(made) as modest,
        ):
            await ask(modest, 0)
            users[0] = 1
            async with client(made) as greedy:
                greedy[1].write(b"".join(line(number) for number in range(2_000)))
                assert (await answer(greedy[0]))["id"] == 0
                known = set(made.connections)
            async with client(made) as again:
                again[1].write(line(7))
                for number in range(20):  # by then what came anew would be answered
                    await ask(modest, number)
                (slowed,) = set(made.connections) - known
                assert slowed._slowed is not None
                assert not again[0]._buffer
                slowed._slowed.cancel()
                slowed._read_on()
                assert (await answer(again[0]))["id"] == 7

    loop_of(scenario())


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


# --- Answers that come later ----------------------------------------------------------------------


class Slow:
    """Answers `status` when it is told to, everything else at once."""

    def __init__(self):
        self.later: list[asyncio.Future[Any]] = []
        self.asked = asyncio.Event()

    def __call__(self, connection, request):
        if request.method != "status":
            return echo(connection, request)
        self.later.append(asyncio.get_running_loop().create_future())
        self.asked.set()
        return self.later[-1]


async def soon(event):
    async with asyncio.timeout(WITHIN_S):
        await event.wait()


async def test_a_later_answer_keeps_its_place_and_holds_up_nobody_else(tmp_path):
    slow = Slow()
    async with listening(tmp_path, slow) as made, client(made) as (reader, writer), client(made) as other:  # fmt: skip
        writer.write(line(1) + line(2, "status") + b"".join(line(n) for n in range(3, 40)))
        assert (await answer(reader))["id"] == 1
        await soon(slow.asked)
        other[1].write(line(7))
        assert (await answer(other[0]))["id"] == 7
        assert len(slow.later) == 1
        slow.later[0].set_result("done")
        rows = [await answer(reader) for _ in range(38)]
    assert [row["id"] for row in rows] == list(range(2, 40))
    assert rows[0]["result"] == "done"


async def test_several_later_answers_come_one_after_the_other(tmp_path):
    slow = Slow()
    async with listening(tmp_path, slow) as made, client(made) as (reader, writer):
        writer.write(line(1, "status") + line(2, "status") + line(3))
        for number in (1, 2):
            await soon(slow.asked)
            slow.asked.clear()
            assert len(slow.later) == number  # the second is not asked before the first is done
            slow.later[-1].set_result(number)
            assert (await answer(reader))["result"] == number
        assert (await answer(reader))["id"] == 3


async def test_an_answer_that_is_there_already_is_given(tmp_path):
    def ready(connection, request):
        done = asyncio.get_running_loop().create_future()
        done.set_result(request.id)
        return done

    async with listening(tmp_path, ready) as made, client(made) as (reader, writer):
        writer.write(b"".join(line(n) for n in range(50)))
        assert [(await answer(reader))["result"] for _ in range(50)] == list(range(50))


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [(Misuse("no key; see [coinbase]"), -32000, "no key"), (RequestError(-32602, "reason: why?"), -32602, "why")],
)  # fmt: skip
async def test_a_later_refusal_is_an_error_and_the_connection_goes_on(tmp_path, failure, code, words):  # fmt: skip
    slow = Slow()
    async with listening(tmp_path, slow) as made, client(made) as (reader, writer):
        writer.write(line(1, "status") + line(2))
        await soon(slow.asked)
        slow.later[0].set_exception(failure)
        error = (await answer(reader))["error"]
        assert (error["code"], words in error["message"]) == (code, True)
        assert (await answer(reader))["id"] == 2


async def test_a_refusal_at_once_is_an_error_too(tmp_path):
    def refuse(connection, request):
        raise Misuse("not today")

    async with listening(tmp_path, refuse) as made, client(made) as (reader, writer):
        writer.write(line(1))
        assert (await answer(reader))["error"] == {"code": -32000, "message": "not today"}


async def test_work_that_was_cut_off_is_said_to_be(tmp_path):
    slow = Slow()
    async with listening(tmp_path, slow) as made, client(made) as (reader, writer):
        writer.write(line(1, "status") + line(2))
        await soon(slow.asked)
        slow.later[0].cancel()
        assert "the sidecar stops" in (await answer(reader))["error"]["message"]
        assert (await answer(reader))["id"] == 2


async def test_a_fault_in_later_work_ends_its_connection_and_is_heard(tmp_path):
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
    slow = Slow()
    async with listening(tmp_path, slow) as made, client(made) as (reader, writer):
        writer.write(line(1, "status"))
        await soon(slow.asked)
        slow.later[0].set_exception(ZeroDivisionError())
        assert await ended(reader)
    assert isinstance(heard[0]["exception"], ZeroDivisionError)


@pytest.mark.parametrize("failure", [None, Misuse("too late")])
async def test_when_the_client_has_left_the_work_goes_on_and_nothing_is_written(tmp_path, failure):
    slow, lost = Slow(), asyncio.Event()
    async with listening(tmp_path, slow, on_lost=lambda connection: lost.set()) as made:
        async with client(made) as (_, writer):
            writer.write(line(1, "status"))
            await soon(slow.asked)
        await soon(lost)  # seen while the answer is still to come
        assert not slow.later[0].done()
        if failure is None:
            slow.later[0].set_result("done")
        else:
            slow.later[0].set_exception(failure)
        async with client(made) as (reader, writer):
            writer.write(line(2))
            assert (await answer(reader))["id"] == 2


@pytest.mark.parametrize("garbage", [b"garbage\n", b"x" * 70_000])
async def test_garbage_behind_a_later_answer_waits_for_it_and_nothing_after_it_is_read(
    tmp_path, garbage
):
    slow = Slow()
    async with listening(tmp_path, slow) as made, client(made) as (reader, writer), client(made) as other:  # fmt: skip
        writer.write(line(1, "status"))
        await soon(slow.asked)
        writer.write(garbage)
        for number in range(3):  # by then the garbage has come in
            other[1].write(line(number))
            assert (await answer(other[0]))["id"] == number
        writer.write(b"\n" + line(2))
        slow.later[0].set_result("done")
        assert (await answer(reader))["result"] == "done"
        assert (await answer(reader))["error"]["code"] in {-32600, -32700}
        assert await ended(reader)


async def test_a_later_notification_is_waited_for_and_not_answered(tmp_path):
    slow = Slow()
    async with listening(tmp_path, slow) as made, client(made) as (reader, writer):
        silent = json.loads(line(0, "status"))
        del silent["id"]
        writer.write(json.dumps(silent).encode() + b"\n" + line(7))
        await soon(slow.asked)
        slow.later[0].set_result("done")
        assert (await answer(reader))["id"] == 7


# --- The methods behind it ------------------------------------------------------------------------


async def nothing_to_cancel(reason, by):
    return {"cancelled": 0}


@asynccontextmanager
async def serving(directory, desk, cancel_all=nothing_to_cancel):
    """The order socket's and the operator's methods behind one socket."""
    async with asyncio.TaskGroup() as group:
        control = Control(
            desk.answers,
            reload=lambda why, by, uid: {},
            cancel_all=cancel_all,
            spawn=group.create_task,
        )
        async with listening(directory, control, on_lost=desk.answers.lost) as made:
            yield made


async def test_a_bot_that_dies_is_known_to_have_dropped_and_one_that_says_bye_is_not(tmp_path):
    desk, lost = Desk(), asyncio.Queue[object]()
    async with serving(tmp_path, desk) as made:

        def on_lost(connection):
            desk.answers.lost(connection)
            lost.put_nowait(connection)

        made.on_lost = on_lost
        async with client(made) as (reader, writer), client(made) as leaving:
            writer.write(line(1, "hello", name="maker"))
            leaving[1].write(line(1, "hello", name="taker") + line(2, "bye"))
            assert (await answer(reader))["result"]["grace_s"] == 20
            assert [(await answer(leaving[0]))["id"] for _ in range(2)] == [1, 2]
        async with asyncio.timeout(WITHIN_S):
            for _ in range(2):
                await lost.get()
    assert [fact for fact in desk.facts if isinstance(fact, ev.BotDropped)] == [
        ev.BotDropped(at=desk.world.now, name="maker", uid=os.getuid())
    ]
    assert [session.name for session in desk.sessions.saved()] == ["maker"]


async def test_cancel_all_is_answered_in_its_turn_while_another_trades(tmp_path):
    desk, cancelled = Desk(), asyncio.get_running_loop().create_future()

    async def cancel_all(reason, by):
        return {"cancelled": await cancelled}

    async with (
        serving(tmp_path, desk, cancel_all) as made,
        client(made) as (reader, writer),
        client(made) as bot,
    ):
        writer.write(line(1, "cancel_all", reason="storm") + line(2, "halt", reason="storm"))
        bot[1].write(line(3, "validate_order", order=limit_order()))
        assert (await answer(bot[0]))["result"]["approved"]
        cancelled.set_result(5)
        assert (await answer(reader))["result"] == {"cancelled": 5}
        assert (await answer(reader))["result"]["state"] == "HALTED"


async def test_a_subscriber_that_never_reads_is_dropped_and_one_that_reads_misses_nothing(tmp_path):
    desk = Desk()
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deaf.setblocking(False)
    async with serving(tmp_path, desk) as made:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, str(made.path))
        await loop.sock_sendall(deaf, line(1, "subscribe", topics=["decisions"]))
        async with client(made) as (reader, writer), client(made) as bot:
            writer.write(line(1, "subscribe", topics=["decisions"]))
            assert (await answer(reader))["result"] == {"topics": ["decisions"]}
            asked = 0
            while len(made.connections) == 3:  # until the deaf one's buffers are full
                asked += 1
                bot[1].write(line(asked, "validate_order", order={}, dry_run=True))
                assert (await answer(bot[0]))["id"] == asked
                assert (await answer(reader))["params"]["topic"] == "decisions"
            assert len(made.connections) == 2
    deaf.close()


async def test_the_end_of_the_sidecar_is_no_drop_of_its_bots(tmp_path):
    desk = Desk()
    async with serving(tmp_path, desk) as made:
        reader, writer = await asyncio.open_unix_connection(str(made.path))
        writer.write(line(1, "hello", name="maker"))
        await answer(reader)
        desk.answers.stopping = True
    assert [type(fact) for fact in desk.facts] == [ev.BotConnected]
    assert await ended(reader)
    writer.close()


async def test_what_was_asked_before_the_end_is_answered(tmp_path):
    """Orders that wait for their turn when the sidecar stops are not left without a word."""
    async with listening(tmp_path) as made, client(made) as (reader, writer):
        writer.write(b"".join(line(number) for number in range(100)))
        await writer.drain()
        first = await answer(reader)
        await made.stop()
        rest = [json.loads(await reader.readline())["id"] for _ in range(99)]
        assert [first["id"], *rest] == list(range(100))
        assert await reader.read() == b""


async def test_who_does_not_read_does_not_hold_up_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FINISH_WITHIN_S", 0.1)
    async with listening(tmp_path) as made, client(made) as (_, writer):
        writer.write(b"".join(line(number, "status") for number in range(200)))
        await writer.drain()
        async with asyncio.timeout(WITHIN_S):
            await made.stop()
        assert not made.open
