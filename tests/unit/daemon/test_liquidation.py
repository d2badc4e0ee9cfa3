"""A flattening's calls: none is lost between two, and none is made that is not wanted any more."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from sidecar.coinbase.rest import Unknown, Withdrawn
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.liquidation import HUNG_AFTER_S, Liquidation
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
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
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


class Clock:
    """The wall's, moved by hand."""

    def __init__(self):
        self.now = 0.0

    def wall(self):
        return self.now


async def test_a_reading_that_hangs_is_replaced_when_it_is_asked_for_again(monkeypatch):
    """Not at once, and each time after twice as long: what is slow gets done as well."""
    clock, begun, ended = Clock(), list[float](), list[float]()
    monkeypatch.setattr("sidecar.daemon.liquidation.clock", clock)

    async def hangs(*, with_products):
        begun.append(clock.now)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(clock.now)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        made = Liquidating(group)
        made.liquidation._reconciler = cast("Any", SimpleNamespace(read_for_liquidation=hangs))
        for number, clock.now in enumerate((0.0, 20.0, HUNG_AFTER_S, 120.0, 3 * HUNG_AFTER_S)):
            made.read(number)
            await asyncio.sleep(0)
        assert begun == [0.0, HUNG_AFTER_S, 3 * HUNG_AFTER_S]
        assert ended == begun[1:], "never two at a time"
        assert [said["part"] for said in made.logged("warning")] == ["read for the liquidation"] * 2
        made.liquidation._reconciler = cast("Any", SimpleNamespace(read_for_liquidation=made._read))
        clock.now = 1000.0
        made.read(9)
    assert [told.reading for told in made.told(ev.AccountRead)] == [9]


async def test_a_reading_that_fails_and_tries_again_does_not_hang(monkeypatch):
    clock, tries = Clock(), 0
    monkeypatch.setattr("sidecar.daemon.liquidation.clock", clock)
    monkeypatch.setattr("sidecar.daemon.liquidation.wait_s", lambda *_: 0.0)

    async def fails(*, with_products):
        nonlocal tries
        tries += 1
        if tries == 1:
            clock.now += HUNG_AFTER_S
            raise Unknown("GET /accounts", 503, "HTTP 503")
        if tries == 2:
            made.read(2)
        return True

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        made = Liquidating(group)
        made.liquidation._reconciler = cast("Any", SimpleNamespace(read_for_liquidation=fails))
        made.read(1)
    assert made.logged("warning") == []
    assert 2 in [told.reading for told in made.told(ev.AccountRead)]


async def test_what_is_done_is_forgotten():
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        made = Liquidating(group)
        for name in ("one", "two", "three"):
            made.liquidation.place(ac.PlaceOrder(client_order_id=name, body={}))
            await made.until(lambda: made.told(ev.AttemptAnswered))
            made.facts.clear()
    assert len(made.liquidation._running) == 1


async def test_a_sale_leaves_once():
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        made = Liquidating(group)
        made.flat.read({"BTC": 1})
        (sale,) = made.flat.placed
        made.liquidation.place(sale)
        made.liquidation.place(sale)
    assert made.posted == [sale.body]


async def test_no_sale_leaves_once_an_abort_was_answered():
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
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
