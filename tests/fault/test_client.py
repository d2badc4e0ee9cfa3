"""A bot's client against a real RiskManager behind a real socket, and against nobody."""

import asyncio
import json
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sidecar import Limits, PositionTracker, RiskManager
from sidecar import client as module
from sidecar.client import NO_ANSWER, AskFailed, AsyncClient, Client
from sidecar.core.guards.sessions import Sessions
from sidecar.core.vocabulary import events as ev
from sidecar.server.answers import Answers
from sidecar.server.listener import Listener, own_uids
from sidecar.server.subscriptions import Publisher
from tests.answering import deciding, joined
from tests.scenario import PRODUCTS

NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)


def desk():
    tracker = PositionTracker(clock=lambda: NOW)
    manager = RiskManager(Limits(max_order_notional=5000), tracker, clock=lambda: NOW)
    tracker.list_products(PRODUCTS)
    tracker.balance("USD", "1000000")
    tracker.mark("BTC-USD", "64000", "64001")
    return manager


def order(name="a", size="0.05"):
    return {
        "client_order_id": name, "product_id": "BTC-USD", "side": "BUY",
        "order_configuration": {"limit_limit_gtc": {"base_size": size, "limit_price": "64000"}},
    }  # fmt: skip


def listener(path, manager, answer=None, sessions=None, on_fact=lambda: None):
    sessions, publisher = sessions or Sessions(), Publisher(manager)
    inner = joined(manager, sessions, publisher)

    def handle(event, take=None):
        actions = inner(event, take)
        on_fact()
        return actions

    answers = Answers(
        manager,
        handle,
        lambda: NOW,
        decide=deciding(manager, handle),
        sessions=sessions,
        publisher=publisher,
    )
    return Listener(path, answer or answers, mode=0o600, uids=own_uids(), on_lost=answers.lost)


@contextmanager
def served(path, manager=None, answer=None, made=None):
    """In a thread with a loop of its own, for clients that block."""
    loop, made = asyncio.new_event_loop(), made or listener(path, manager or desk(), answer)
    loop.run_until_complete(made.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "order.sock"


def test_a_decision_comes_back_typed(path):
    with served(path):
        client = Client(path)
        small, large = client.validate_order(order()), client.validate_order(order("b", "1"))
        client.close()
    assert (bool(small), small.client_order_id, small.state) == (True, "a", "ACTIVE")
    assert Decimal(small.notional or 0) == 3200
    assert (bool(large), large.codes) == (False, ("MAX_ORDER_NOTIONAL",))
    assert Decimal(large.max_base_size) == Decimal("0.078125")
    assert large.violations[0].limit == "5000"


def test_the_very_bytes_may_be_given(path):
    body = b'{"client_order_id":"a","product_id":"BTC-USD","side":"BUY","order_configuration":{"market_market_ioc":{"quote_size":"10"}}}'
    with served(path):
        client = Client(path)
        assert client.validate_order(body)
        assert client.validate_order(body.decode()).replayed
        client.close()


def test_a_reservation_can_be_released(path):
    manager = desk()
    with served(path, manager):
        client = Client(path)
        client.validate_order(order())
        client.release_order("a")
        assert not client.validate_order(order()).replayed
        client.close()


def test_a_reservation_of_before_hello_can_be_released_after_it(path):
    with served(path):
        client = Client(path)
        client.validate_order(order())
        client.hello("maker")
        client.release_order("a")
        assert not client.validate_order(order()).replayed
        client.bye()
        client.close()


def test_edits_and_closes_are_asked_about_too(path):
    with served(path):
        client = Client(path)
        edit = client.validate_edit(client_order_id="a", size="2")
        assert "no open order" in edit.violations[0].message
        close = client.validate_close("BTC-USD", "c", size="1", dry_run=True)
        assert (close.codes, close.client_order_id) == (("INVALID_ORDER",), "c")
        client.close()
    close = client.validate_close("BTC-USD", "c")
    assert (close.codes, close.client_order_id) == ((NO_ANSWER,), "c")
    assert client.validate_edit(order_id="o").codes == (NO_ANSWER,)


async def test_the_async_one_asks_about_edits_and_closes_too(path):
    made = listener(path, desk())
    await made.start()
    client = AsyncClient(path)
    assert (await client.validate_edit(order_id="o", price="1")).codes == ("INVALID_ORDER",)
    assert (await client.validate_close("BTC-USD", "c")).codes == ("INVALID_ORDER",)
    await client.close()
    await made.stop()
    assert (await client.validate_close("BTC-USD", "c")).codes == (NO_ANSWER,)
    await client.close()


def test_nobody_there_is_a_refusal_that_says_what_to_do(path):
    decision = Client(path).validate_order(order("mine"))
    assert (bool(decision), decision.codes, decision.client_order_id) == (
        False,
        (NO_ANSWER,),
        "mine",
    )
    assert "start it" in decision.violations[0].message


def test_no_answer_in_time_is_a_refusal(path):
    blocked = threading.Event()
    with served(path, answer=lambda connection, request: blocked.wait(5)):
        client = Client(path, timeout_s=0.1)
        decision = client.validate_order(order())
        blocked.set()
        client.close()
    assert "no answer" in decision.violations[0].message


@pytest.mark.parametrize("server_uid", [None, 12345])
def test_another_users_socket_is_not_believed(path, monkeypatch, server_uid):
    monkeypatch.setattr("sidecar.client.CREDENTIALS", Foreign())
    with served(path):
        decision = Client(path, server_uid=server_uid).validate_order(order())
    assert "user 54321 listens there" in decision.violations[0].message


class Foreign:
    """Credentials of somebody else: a test may not have two users."""

    size = 12

    def unpack(self, raw):
        return (1, 54321, 1)


def test_it_reconnects_when_the_sidecar_was_restarted(path):
    client = Client(path)
    with served(path):
        assert client.validate_order(order())
    assert not client.validate_order(order("b"))
    with served(path):
        assert client.validate_order(order("c"))
    client.close()


def test_what_is_written_over_several_lines_is_a_single_question(path):
    with served(path):
        client = Client(path)
        body = json.dumps(order(), indent=2)
        assert client.validate_order(body)
        assert client.validate_order(body.encode().replace(b"\n", b"\r\n")).replayed
        for what in (
            '{}}}\n{"jsonrpc":"2.0","id":9,"method":"bye"}',
            '{"client_order_id": "a\nb"}',
            '{}, "dry_run": true, "strategy_id": "s"',
        ):
            assert client.validate_order(what).codes == (NO_ANSWER,)
        assert client.validate_order(order()).replayed
        client.close()


@pytest.mark.parametrize("what", [{}, {"x": object()}, b"{", "nonsense", {"client_order_id": 5}])
def test_what_is_no_order_is_refused_and_the_client_goes_on(path, what):
    with served(path):
        client = Client(path)
        assert not client.validate_order(what)
        assert client.validate_order(order())
        client.close()


def test_a_wrong_question_says_so(path):
    with served(path):
        client = Client(path)
        with pytest.raises(AskFailed, match="no method"):
            client.ask("no_such")
        with pytest.raises(AskFailed, match="add 'bot' there"):
            client.ask("hello", name="bot", on_disconnect="flatten")
        assert client.ask("hello", name="bot")
        client.close()


def test_threads_may_share_one(path):
    with served(path):
        client, decisions = Client(path), []
        threads = [
            threading.Thread(
                target=lambda n=n: decisions.append(client.validate_order(order(f"t{n}", "0.001")))
            )
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        client.close()
    assert all(decisions)
    assert {decision.client_order_id for decision in decisions} == {f"t{n}" for n in range(20)}


# ------------------------------------------------------------------------------------------- async


async def test_many_tasks_share_one_connection_and_each_gets_its_own_answer(path):
    made = listener(path, desk())
    await made.start()
    client = AsyncClient(path)
    decisions = await asyncio.gather(
        *(client.validate_order(order(f"t{n}", "0.001")) for n in range(100))
    )
    assert [decision.client_order_id for decision in decisions] == [f"t{n}" for n in range(100)]
    assert all(decisions)
    assert len(made.connections) == 1
    await client.close()
    await made.stop()


async def test_the_async_one_refuses_and_reconnects_as_well(path):
    client = AsyncClient(path)
    assert (await client.validate_order(order())).codes == (NO_ANSWER,)
    for name in ("b", "c"):
        made = listener(path, desk())
        await made.start()
        assert await client.validate_order(order(name))
        await made.stop()
        assert not await client.validate_order(order("d"))
    await client.close()


async def test_a_sidecar_that_goes_while_it_is_asked_is_a_refusal(path):
    made = listener(path, desk(), answer=lambda connection, request: connection.drop())
    await made.start()
    client = AsyncClient(path)
    decisions = await asyncio.gather(*(client.validate_order(order(f"t{n}")) for n in range(5)))
    assert {decision.codes for decision in decisions} == {(NO_ANSWER,)}
    await client.close()
    await made.stop()


# ------------------------------------------------------------------------------------------ events


async def next_of(events):
    async with asyncio.timeout(10):
        return await anext(events)


async def test_events_come_as_they_happen_until_they_are_no_longer_wanted(path):
    made = listener(path, desk())
    await made.start()
    client = AsyncClient(path)
    events = client.events(["decisions"])
    first = asyncio.get_running_loop().create_task(next_of(events))
    await asked_for(made)
    for name in ("a", "b"):
        assert await client.validate_order(order(name, "0.001"))
    told = [await first, await next_of(events)]
    assert [event["decision"]["client_order_id"] for event in told] == ["a", "b"]
    assert {event["topic"] for event in told} == {"decisions"}
    await events.aclose()
    await client.close()
    await made.stop()


async def asked_for(made):
    """Until the next request has been answered."""
    asked, answer = asyncio.Event(), made.answer

    def answered(connection, request):
        result = answer(connection, request)
        asked.set()
        return result

    made.answer = answered
    async with asyncio.timeout(10):
        await asked.wait()


async def test_events_say_why_there_are_none(path):
    client = AsyncClient(path, timeout_s=5)
    with pytest.raises(AskFailed, match="start it"):
        await next_of(client.events(["state"]))
    made = listener(path, desk())
    await made.start()
    with pytest.raises(AskFailed, match="no topic 'weather'; there are state"):
        await next_of(client.events(["weather"]))
    await made.stop()


async def test_events_survive_a_restart_and_begin_with_how_it_stands(path, quick):
    made = listener(path, desk())
    await made.start()
    events = AsyncClient(path).events(["limits", "state", "decisions"])
    first = [await next_of(events), await next_of(events)]
    assert [(one["topic"], one["snapshot"]) for one in first] == [("state", True), ("limits", True)]
    assert first[0]["status"]["state"] == "ACTIVE"
    assert first[1]["limits"] == {"max_order_notional": "5000"}
    await made.stop()
    lost = await next_of(events)
    assert (lost["topic"], lost["type"]) == ("connection", "Lost")
    manager = desk()
    manager.handle(ev.HaltRequested(at=NOW, reason="lunch"))
    waiting = asyncio.get_running_loop().create_task(next_of(events))
    made = listener(path, manager)
    await made.start()
    again = await waiting
    assert (again["snapshot"], again["status"]["state"]) == (True, "HALTED")
    assert (await next_of(events))["topic"] == "limits"
    client = AsyncClient(path)
    await client.validate_order(order())
    assert (await next_of(events))["decision"]["state"] == "HALTED"
    await client.close()
    await events.aclose()
    await made.stop()


async def test_events_go_on_when_the_sidecar_had_no_room_for_a_moment(path, quick, monkeypatch):
    """After a restart all come back at once, and with them what its user has left open."""
    made = listener(path, desk())
    await made.start()
    events = AsyncClient(path).events(["state"])
    assert (await next_of(events))["snapshot"]
    refused = asyncio.Event()

    def refusal(connection):
        refused.set()
        return "user 1 has 256 connections already"

    monkeypatch.setattr(made, "refusal", refusal)
    (connection,) = made.connections
    connection.drop()
    assert (await next_of(events))["type"] == "Lost"
    waiting = asyncio.get_running_loop().create_task(next_of(events))
    async with asyncio.timeout(10):
        await refused.wait()
    monkeypatch.setattr(made, "refusal", lambda _connection: "")
    assert (await waiting)["snapshot"]
    await events.aclose()
    await made.stop()


async def test_events_that_are_refused_at_first_say_so(path, monkeypatch):
    made = listener(path, desk())
    await made.start()
    monkeypatch.setattr(made, "refusal", lambda _connection: "there are 1008 connections already")
    with pytest.raises(AskFailed, match="1008 connections already"):
        await next_of(AsyncClient(path).events(["state"]))
    await made.stop()


# ----------------------------------------------------------------------------------------- hello


@pytest.fixture
def quick(monkeypatch):
    """Clients that show life, and come back, as fast as a test wants it."""
    monkeypatch.setattr(module, "SHOW_LIFE_EVERY_S", 0.01)
    monkeypatch.setattr(module, "RETURN_EVERY_S", 0.01)


class Known:
    """A listener's bots, and when what is waited for has become of them."""

    def __init__(self, path):
        self.sessions, self.changed = Sessions(), threading.Event()
        self.listener = listener(path, desk(), sessions=self.sessions, on_fact=self.changed.set)

    def until(self, look):
        while not look(self.sessions.saved()):
            assert self.changed.wait(10)
            self.changed.clear()

    async def until_so(self, look):
        await asyncio.to_thread(self.until, look)


def is_there(bots):
    return [(bot.name, bot.on_disconnect, bot.connections) for bot in bots] == [
        ("grid", "cancel_orders", 1)
    ]


def is_gone(bots):
    return [bot.connections for bot in bots] == [0]


GRID = {"name": "grid", "strategy_id": "g", "on_disconnect": "cancel_orders"}


def test_a_bot_with_nothing_to_ask_is_known_again_after_a_restart(path, quick):
    client, known = Client(path), Known(path)
    with served(path, made=known.listener):
        assert client.hello(**GRID)["grace_s"] == 30
        known.until(is_there)
    known = Known(path)
    with served(path, made=known.listener):
        known.until(is_there)
        client.bye()
        assert known.sessions.saved() == []
        assert client.validate_order(order())
        client.close()
    assert known.sessions.saved() == []


def test_a_connection_that_drops_once_is_made_again_with_the_same_hello(path, quick):
    client, known = Client(path), Known(path)
    with served(path, made=known.listener) as made:
        client.hello(**GRID)
        known.until(is_there)
        (old,) = made.connections
        assert client._socket is not None
        client._socket.shutdown(socket.SHUT_RDWR)
        known.until(lambda bots: is_there(bots) and old not in made.connections)
        client.close()
        known.until(is_gone)
        assert client.validate_order(order())
        known.until(is_there)
        client.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nobody closes it
def test_a_bot_whose_client_is_nobodys_any_more_is_gone(path, quick):
    client, known = Client(path), Known(path)
    with served(path, made=known.listener):
        client.hello(**GRID)
        known.until(is_there)
        del client
        known.until(is_gone)


def test_a_hello_that_is_not_taken_on_the_way_back_is_told_at_every_question(path):
    """Who wants to be watched over, and is not, sends nothing."""
    client, known = Client(path), Known(path)
    with served(path, made=known.listener):
        client.hello("grid")
    client._hello = GRID | {"on_disconnect": "flatten"}  # which the next one does not allow
    with served(path, desk()):
        for _ in range(2):
            decision = client.validate_order(order())
            assert "hello was refused on the way back" in decision.violations[0].message
            assert "add 'grid' there" in decision.violations[0].message
        client.close()


def test_a_hello_whose_answer_is_lost_is_said_again_and_its_bot_can_leave(path):
    """As documented: it was taken, and without that the bot would be gone after its grace."""
    client, known = Client(path), Known(path)
    inner = known.listener.answer

    def lost(connection, request):
        known.listener.answer = inner
        result = inner(connection, request)
        connection.drop()
        return result

    known.listener.answer = lost
    with served(path, made=known.listener):
        with pytest.raises(AskFailed):
            client.hello(**GRID)
        known.until(is_gone)
        assert client.hello(**GRID)["name"] == "grid"
        assert is_there(known.sessions.saved())
        client.bye()
        client.close()
    assert known.sessions.saved() == []


async def test_the_async_one_is_known_again_after_a_restart_and_a_drop(path, quick):
    client, known = AsyncClient(path), Known(path)
    await known.listener.start()
    assert (await client.hello(**GRID))["name"] == "grid"
    await known.listener.stop()
    known = Known(path)
    await known.listener.start()
    await known.until_so(is_there)
    (old,) = known.listener.connections
    old.drop()
    await known.until_so(lambda bots: is_there(bots) and old not in known.listener.connections)
    await client.bye()
    assert known.sessions.saved() == []
    assert await client.validate_order(order())
    await client.close()
    await known.listener.stop()


async def test_the_async_one_does_not_come_back_once_it_is_closed(path, quick):
    client, known = AsyncClient(path), Known(path)
    await known.listener.start()
    await client.hello(**GRID)
    await client.close()
    await known.until_so(is_gone)
    await client.hello(**GRID)
    await known.until_so(is_there)
    client._hello = GRID | {"on_disconnect": "flatten"}
    await client.close()
    refused = await client.validate_order(order())
    assert "hello was refused on the way back" in refused.violations[0].message
    await client.close()
    await known.listener.stop()


@pytest.mark.parametrize("line", [b"nonsense\n", b"{}\n", b"x" * 5_000_000 + b"\n"])
async def test_what_is_no_event_ends_them(path, line):
    def answer(connection, request):
        asyncio.get_running_loop().call_soon(connection.tell, line)
        return {}

    made = listener(path, desk(), answer=answer)
    await made.start()
    with pytest.raises(AskFailed, match=r"order\.sock"):
        await next_of(AsyncClient(path).events(["state"]))
    await made.stop()


async def test_events_of_another_users_socket_are_not_believed(path, monkeypatch):
    made = listener(path, desk())
    await made.start()
    monkeypatch.setattr("sidecar.client.CREDENTIALS", Foreign())
    with pytest.raises(AskFailed, match="user 54321 listens there"):
        await next_of(AsyncClient(path, server_uid=12345).events(["state"]))
    await made.stop()
