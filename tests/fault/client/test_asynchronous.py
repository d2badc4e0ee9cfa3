"""The asyncio client against a real RiskManager behind a real socket, and against nobody."""

import asyncio

from risk_sidecar_client import NO_ANSWER, AsyncClient
from tests.order_desk import GRID, Known, desk, is_gone, is_there, listener, order


async def test_the_async_one_asks_about_edits_and_closes_too(path):
    made = listener(path, desk())
    await made.start()
    client = AsyncClient(path, timeout_s=60)
    assert (await client.validate_edit(order_id="o", price="1")).codes == ("INVALID_ORDER",)
    assert (await client.validate_close("BTC-USD", "c")).codes == ("INVALID_ORDER",)
    await client.close()
    await made.stop()
    assert (await client.validate_close("BTC-USD", "c")).codes == (NO_ANSWER,)
    await client.close()


async def test_many_tasks_share_one_connection_and_each_gets_its_own_answer(path):
    made = listener(path, desk())
    await made.start()
    client = AsyncClient(path, timeout_s=60)
    decisions = await asyncio.gather(
        *(client.validate_order(order(f"t{n}", "0.001")) for n in range(100))
    )
    assert [decision.client_order_id for decision in decisions] == [f"t{n}" for n in range(100)]
    assert all(decisions)
    assert len(made.connections) == 1
    await client.close()
    await made.stop()


async def test_the_async_one_refuses_and_reconnects_as_well(path):
    client = AsyncClient(path, timeout_s=60)
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
    client = AsyncClient(path, timeout_s=60)
    decisions = await asyncio.gather(*(client.validate_order(order(f"t{n}")) for n in range(5)))
    assert {decision.codes for decision in decisions} == {(NO_ANSWER,)}
    await client.close()
    await made.stop()


async def test_the_async_one_is_known_again_after_a_restart_and_a_drop(path, quick):
    client, known = AsyncClient(path, timeout_s=60), Known(path)
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
    client, known = AsyncClient(path, timeout_s=60), Known(path)
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
