"""Events as the asyncio client hears them, from a real sidecar's listener."""

import asyncio

import pytest

from risk_sidecar_client import AskFailed, AsyncClient
from sidecar.core.vocabulary import events as ev
from tests.order_desk import NOW, Foreign, desk, listener, order


async def next_of(events):
    async with asyncio.timeout(60):
        return await anext(events)


async def test_events_come_as_they_happen_until_they_are_no_longer_wanted(path):
    made = listener(path, desk())
    await made.start()
    client = AsyncClient(path, timeout_s=60)
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
    async with asyncio.timeout(60):
        await asked.wait()


async def test_events_say_why_there_are_none(path):
    client = AsyncClient(path, timeout_s=60)
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
    events = AsyncClient(path, timeout_s=60).events(["limits", "state", "decisions"])
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
    client = AsyncClient(path, timeout_s=60)
    await client.validate_order(order())
    assert (await next_of(events))["decision"]["state"] == "HALTED"
    await client.close()
    await events.aclose()
    await made.stop()


async def test_events_go_on_when_the_sidecar_had_no_room_for_a_moment(path, quick, monkeypatch):
    """After a restart all come back at once, and with them what its user has left open."""
    made = listener(path, desk())
    await made.start()
    events = AsyncClient(path, timeout_s=60).events(["state"])
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
    async with asyncio.timeout(60):
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
        await next_of(AsyncClient(path, timeout_s=60).events(["state"]))
    await made.stop()


@pytest.mark.parametrize("line", [b"nonsense\n", b"{}\n", b"x" * 5_000_000 + b"\n"])
async def test_what_is_no_event_ends_them(path, line):
    def answer(connection, request):
        asyncio.get_running_loop().call_soon(connection.tell, line)
        return {}

    made = listener(path, desk(), answer=answer)
    await made.start()
    with pytest.raises(AskFailed, match=r"order\.sock"):
        await next_of(AsyncClient(path, timeout_s=60).events(["state"]))
    await made.stop()


async def test_events_of_another_users_socket_are_not_believed(path, monkeypatch):
    made = listener(path, desk())
    await made.start()
    monkeypatch.setattr("risk_sidecar_client.peer.CREDENTIALS", Foreign())
    with pytest.raises(AskFailed, match="user 54321 listens there"):
        await next_of(AsyncClient(path, server_uid=12345).events(["state"]))
    await made.stop()
