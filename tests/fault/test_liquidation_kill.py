"""kill −9 at the steps of a flattening, twice in a row: the next process goes on, and the exchange's own
list shows that no order was sent twice and no more was sold than was held.

`make soak` takes every step (`SIDECAR_STEPS=all`); else a sample of them.
"""

import asyncio
import os
import signal
from contextlib import suppress
from decimal import Decimal

import pytest

from risk_sidecar_client import AskFailed
from sidecar.core.vocabulary.orders import OWN_PREFIX
from tests.fault.paper_client import Trader, trading
from tests.fault.test_kill import Sidecar, freeze

HELD = {"BTC": Decimal(1), "ETH": Decimal(5)}
BALANCES = {"USD": "1000000", "BTC": "1", "ETH": "5"}
ORDERS = 3
# The first facts of a flattening: its request, cancels, readings, sales, answers, reports, the end.
STEPS_MAX = 60
SAMPLE = ((1, "after"), (14, "after"), (15, "before"))  # begun; sales on disk; sales sent
ALL = tuple((step, when) for step in range(1, STEPS_MAX + 1) for when in ("before", "after"))
STEPS = ALL if os.environ.get("SIDECAR_STEPS") == "all" else SAMPLE
DIES_WITHIN_S = 60.0
FLAT_WITHIN_S = 60.0
LOOK_S = 0.05  # nothing tells from outside how far it is


def held(trader: Trader) -> dict[str, Decimal]:
    accounts = trader.paper.world.exchange.accounts
    return {name: accounts.wallet(name).total for name in HELD}


async def killed(sidecar: Sidecar, step: int, when: str, *, asks: bool) -> bool:
    """One process that dies there; whether it did, or was done before."""
    await sidecar.begin("tests.fault.dying_sidecar", DIE_AT=str(step), DIE=when)
    assert sidecar.process is not None
    async with asyncio.timeout(DIES_WITHIN_S):
        while sidecar.process.returncode is None:
            with suppress(AskFailed, TimeoutError):
                status = await sidecar.ask("status")
                if status["state"] == "HALTED":
                    await sidecar.kill()
                    return False
                if asks and status["state"] == "ACTIVE" and status["open_orders"] == ORDERS:
                    await sidecar.ask("flatten", reason="the test says so")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await sidecar.process.wait()
    assert sidecar.process.returncode == -signal.SIGKILL, sidecar.errors.read_text()[-2000:]
    return True


async def flat(sidecar: Sidecar) -> None:
    """A last process that lives: until it has halted."""
    await sidecar.begin("sidecar")
    async with asyncio.timeout(FLAT_WITHIN_S):
        while True:
            with suppress(AskFailed):
                status = await sidecar.ask("status")
                if status["state"] == "HALTED":
                    return
            await asyncio.sleep(LOOK_S)


def assert_sold_once(trader: Trader) -> None:
    exchange = trader.paper.world.exchange
    own = [
        one
        for one in exchange.register.newest_first()
        if one.client_order_id.startswith(OWN_PREFIX)
    ]
    names = [one.client_order_id for one in own]
    assert len(names) == len(set(names))
    sold = {f"{key}-USD": Decimal(0) for key in HELD}
    for one in own:
        sold[one.product_id] += one.filled
    assert sold == {f"{key}-USD": size for key, size in HELD.items()}
    assert held(trader) == dict.fromkeys(HELD, 0)
    assert not exchange.register.open


@pytest.mark.parametrize(("step", "when"), STEPS)
async def test_killed_at_a_step_the_flattening_goes_on(tmp_path, step, when):
    async with trading(tmp_path, balances=BALANCES) as trader:
        freeze(trader, frozen=True)
        for price in ("90000", "91000", "92000"):
            await trader.place(trader.limit("SELL", "0.2", price))
        sidecar = Sidecar(trader, tmp_path)
        try:
            if await killed(sidecar, step, when, asks=True):
                begun = held(trader) != HELD or not trader.paper.world.exchange.register.open
                told = step > 1 or when == "after"
                assert told or not begun
                if told:
                    await killed(sidecar, step, when, asks=False)  # and the next one as well
                    await flat(sidecar)
            if step > 1 or when == "after":
                assert_sold_once(trader)
        finally:
            await sidecar.close()
