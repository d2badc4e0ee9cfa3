"""A flattening's calls: none is lost between two, and none is made that is not wanted any more."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from sidecar.coinbase.rest import Withdrawn
from sidecar.core import actions as ac
from sidecar.core import events as ev
from sidecar.daemon.liquidation import Liquidation
from tests.daemon_parts import Running, Said
from tests.decisions import CONNECTED, connected
from tests.flattening import Flattening


class Liquidating(Running):
    """A flattening whose account is read at once, and whose orders go nowhere."""

    def __init__(self, group):
        super().__init__(connected(held=1, settings=CONNECTED))
        self.flat = Flattening(self.world)
        self.flat.begin()
        self.on_read: Callable[[], object] = lambda: None
        self.on_post: Callable[[], object] = lambda: None
        self.posted: list[dict[str, Any]] = []
        self.liquidation = Liquidation(
            self.engine,
            cast("Any", Said()),
            cast("Any", SimpleNamespace(post=self._post)),
            cast("Any", SimpleNamespace(read_for_liquidation=self._read)),
            group,
        )

    async def _read(self, *, with_products):
        self.on_read()
        await asyncio.sleep(0)
        return True

    async def _post(self, path, body, *, urgent, is_wanted):
        self.on_post()
        if not is_wanted():
            raise Withdrawn("POST /orders", 0, "not wanted any more")
        self.posted.append(body)
        return {"success": True, "success_response": {"order_id": "o1"}}

    def read(self, number):
        self.liquidation.read_account(ac.ReadAccount(reading=number))


async def test_a_reading_asked_for_in_the_turn_in_which_the_last_one_ended_is_begun():
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        made = Liquidating(group)

        async def ask_again():
            await asyncio.sleep(0)
            assert made.told(ev.AccountRead), "the first has just ended"
            made.read(2)

        def beside_it():
            made.on_read = lambda: None
            group.create_task(ask_again())

        made.on_read = beside_it
        made.read(1)
    assert [told.reading for told in made.told(ev.AccountRead)] == [1, 2]


async def test_what_is_done_is_forgotten():
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        made = Liquidating(group)
        for name in ("one", "two", "three"):
            made.liquidation.place(ac.PlaceOrder(client_order_id=name, body={}))
            await made.until(lambda: made.told(ev.AttemptAnswered))
            made.facts.clear()
    assert len(made.liquidation._running) == 1


async def test_a_sale_leaves_once():
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        made = Liquidating(group)
        made.flat.read({"BTC": 1})
        (sale,) = made.flat.placed
        made.liquidation.place(sale)
        made.liquidation.place(sale)
    assert made.posted == [sale.body]


async def test_no_sale_leaves_once_an_abort_was_answered():
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        made = Liquidating(group)
        made.flat.read({"BTC": 1})
        (sale,) = made.flat.placed
        made.on_post = lambda: made.world.send(
            ev.HaltRequested, reason="stop", abort_liquidation=True
        )
        made.liquidation.place(sale)
    assert made.posted == []
    (answer,) = made.told(ev.AttemptAnswered)
    assert answer.outcome == "not_sent"
