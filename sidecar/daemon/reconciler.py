"""Reconciler: what Coinbase says the account is, read over REST and handed to the engine.

At the start, whenever the core asks (a gap, a reconnect, a difference), and at a slow period. A pass
that fails is tried again, and until one succeeds the core trusts no more than it does now.
"""

import asyncio
import random  # noqa: TID251 - jitter only: nothing here is replayed
from typing import Final

from sidecar import clock
from sidecar.coinbase.backoff import wait_s
from sidecar.coinbase.picture import Picture
from sidecar.coinbase.rest import CallFailed, Refused
from sidecar.core import actions as ac
from sidecar.core import events as ev
from sidecar.core.errors import Untrusted
from sidecar.daemon.engine import Engine

BETWEEN_S: Final = 0.25  # two passes are never closer: what one asked for, the next may answer
PRODUCTS_EVERY_S: Final = 600.0  # flags such as cancel_only change seldom


class Reconciler:
    """Keeps the core's picture of the account Coinbase's own. `period_s`: wall seconds."""

    def __init__(self, engine: Engine, picture: Picture, period_s: float) -> None:
        self.passes = 0  # that succeeded
        self.fault = ""  # why the last one did not; empty when it did
        self._engine = engine
        self._picture = picture
        self._period_s = period_s
        self._wanted = asyncio.Event()
        self._products_at = float("-inf")

    def ask(self, action: ac.Reconcile) -> None:
        """Carry out the core's wish, soon."""
        self._engine.log.info("reconcile", reason=action.reason)
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled: read whenever it is asked for, and at a slow period."""
        failures = 0
        while True:
            self._wanted.clear()
            try:
                await self._pass()
            except (CallFailed, Untrusted) as error:
                failures += 1
                self._failed(error)
                await asyncio.sleep(wait_s(failures, random.random()))  # noqa: S311
                continue
            failures, self.fault = 0, ""
            self.passes += 1
            await asyncio.sleep(BETWEEN_S)
            try:
                async with asyncio.timeout(self._period_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _pass(self) -> None:
        if clock.wall() - self._products_at > PRODUCTS_EVERY_S:
            await self.read_products()
            self._engine.handle(await self._picture.fees())
            self._products_at = clock.wall()
        listed: set[str] = set()
        async for event in self._picture.account(self._engine.manager.readiness.fills_until):
            if isinstance(event, ev.OpenOrdersListed):
                listed = {*event.order_ids}
            elif isinstance(event, ev.AccountReconciled):
                await self._see_how_they_ended(listed)
            self._engine.handle(event)

    async def _see_how_they_ended(self, listed: set[str]) -> None:
        """Orders that the books have open and the listing had not: what became of them. After the
        fills, which say what an order's own row may leave out.
        """
        missing = self._engine.manager.tracker.ledger.working.keys() - listed
        for report in await self._picture.named_orders(sorted(missing)):
            self._engine.handle(report)

    async def read_products(self) -> None:
        """Hand over the products that are new or have changed; the first time all of them."""
        listed = await self._picture.products()
        known = self._engine.manager.tracker.products
        new = tuple(one for one in listed.products if known.get(one.product_id) != one)
        if new or not self.passes:
            self._engine.handle(ev.ProductsListed(at=listed.at, products=new))

    def _failed(self, error: CallFailed | Untrusted) -> None:
        text = str(error)
        if text == self.fault:
            return  # said already
        self.fault = text
        if isinstance(error, Refused):
            self._engine.log.critical(
                "Coinbase refuses to answer; see the key, its permissions and its portfolio",
                fault=text,
            )
        else:
            self._engine.log.warning("the account could not be read; trying again", fault=text)
