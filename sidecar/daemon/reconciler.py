"""Reconciler: the account as Coinbase states it, read over REST and handed to the engine.

At the start, whenever the core asks (a gap, a reconnect, a difference), and at a slow period. A pass
that fails is tried again, and until one succeeds the core trusts no more than it does now; where
none succeeds for two periods, it is told so and trusts the user feed no more either.

A pass that had to leave a row out has not succeeded: the row may be an order.
"""

import asyncio
import random  # noqa: TID251 - jitter only: nothing here is replayed
from datetime import datetime
from typing import Final

from sidecar import clock
from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.backoff import wait_s
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.patience import Patience
from sidecar.coinbase.rest import CallFailed, Refused
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.daemon.engine import Engine

BETWEEN_S: Final = 0.25  # two passes are never closer: the next may answer the question of the last
PRODUCTS_EVERY_S: Final = 600.0  # flags such as cancel_only change seldom
FEES_AGAIN_S: Final = 60.0  # they could not be had
OVERDUE_AFTER: Final = 2  # periods
TOLD_MAX: Final = 5  # of the rows that a pass left out
LOOK_UPS_A_PASS: Final = 20


class Reconciler:
    """Keeps the core's picture of the account Coinbase's own. `period_s`: wall seconds."""

    def __init__(
        self, engine: Engine, picture: AccountReader, lookups: Lookups, period_s: float
    ) -> None:
        self.passes = 0  # that succeeded
        self.fault = ""  # why the last one did not; empty when it did
        self._engine = engine
        self._picture = picture
        self._lookups = lookups
        self._period_s = period_s
        self._wanted = asyncio.Event()
        self._products_at = self._fees_at = float("-inf")  # of fees: when to read them
        self._heard_at = clock.wall()  # of the last pass that succeeded, or that none did for long
        self._took_s = 0.0  # the last pass that succeeded
        self._left_out: list[str] = []  # since the last pass began, in words
        self._unknown = Patience()  # of orders that Coinbase does not know by their ids
        self._refused = Patience()  # of fills that cannot be
        self._was_read = asyncio.Event()  # the account, for the first time
        self._balances_taken = 0  # readings of them, each after the open orders
        # One pass at a time: each begins with the state that the last one left.
        self._reading = asyncio.Lock()
        self._ordinary: asyncio.Timeout | None = None  # the pass under way that is no flattening's
        engine.listeners.append(self._look_for_products)

    def ask(self, action: ac.Reconcile) -> None:
        """Carry out the core's wish, soon."""
        self._wanted.set()
        self._engine.log.info("reconcile", reason=action.reason)

    async def run(self) -> None:
        """Until cancelled: read whenever it is asked for, and at a slow period."""
        self._heard_at = clock.wall()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_when_overdue(), name="reconciliation overdue")
            group.create_task(self._read_again_and_again(), name="reconciliations")
            group.create_task(self._look_elsewhere(), name="other venues")

    async def _tell_when_overdue(self) -> None:
        """A task of its own: a pass may take longer than the alert may wait."""
        while True:
            overdue_s = OVERDUE_AFTER * (self._period_s + self._took_s)
            await asyncio.sleep(max(0.0, self._heard_at + overdue_s - clock.wall()))
            if clock.wall() - self._heard_at >= overdue_s:
                self._heard_at = clock.wall()
                reason = self.fault or "a reading of it has not ended"
                self._engine.handle(ev.ReconciliationFailed(at=self._engine.now(), reason=reason))

    async def _read_again_and_again(self) -> None:
        failures = 0
        while True:
            self._wanted.clear()
            began = clock.wall()
            try:
                await self._pass()
            except TimeoutError:  # a flattening reads now
                await asyncio.sleep(BETWEEN_S)
                continue
            except (CallFailed, Untrusted) as error:
                failures += 1
                self._failed(error)
                await asyncio.sleep(wait_s(failures, random.random()))  # noqa: S311
                continue
            failures, self.fault, self._heard_at = 0, "", clock.wall()
            self._took_s = self._heard_at - began
            self.passes += 1
            self._was_read.set()
            await asyncio.sleep(BETWEEN_S)
            try:
                async with asyncio.timeout(self._period_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _look_elsewhere(self) -> None:
        """A task of its own: holdings in other venues are for display, and no task waits for them."""
        await self._was_read.wait()
        while True:
            try:
                self._engine.handle(await self._lookups.elsewhere())
            except (CallFailed, Untrusted) as error:
                self._engine.log.info("other venues could not be read", fault=str(error))
            await asyncio.sleep(PRODUCTS_EVERY_S)

    async def _pass(self) -> None:
        """Raises CallFailed, Untrusted, and TimeoutError where a flattening wants to read."""
        async with self._reading:
            try:
                async with asyncio.timeout(None) as self._ordinary:
                    await self._read()
            finally:
                self._ordinary = None

    def _give_way(self) -> None:
        """A flattening waits for no other pass, which may wait long: for an answer, or its turn."""
        if self._ordinary is not None:
            self._ordinary.reschedule(0.0)  # over by now
            self._ordinary = None

    async def _read(self) -> None:
        if clock.wall() - self._products_at > PRODUCTS_EVERY_S:
            await self.read_products()
            self._products_at = clock.wall()
            self._fees_at = float("-inf")
        if clock.wall() > self._fees_at:
            await self._read_fees()
        await self._read_account()

    async def _read_fees(self) -> None:
        """The fee tier as of now; without it the last one known counts, at first the dearest."""
        self._fees_at = float("inf")
        try:
            self._engine.handle(await self._lookups.fees())
        except (CallFailed, Untrusted) as fault:
            self._fees_at = clock.wall() + FEES_AGAIN_S
            self._engine.log.warning("the fee tier could not be read", fault=str(fault))

    async def _read_account(self, *, essentials_suffice: bool = False) -> None:
        self._left_out.clear()
        listed, unlisted = set[str](), set[str]()
        async for event in self._picture.account(
            self._engine.manager.readiness.fills_until, essentials_suffice=essentials_suffice
        ):
            if isinstance(event, ev.AccountReconciled) and self._left_out:
                raise Untrusted("; ".join(self._left_out))
            self._take_in(event)
            if isinstance(event, ev.OpenOrdersListed):
                listed = {*event.order_ids}
                unlisted = self._unlisted(listed, event.began_at)
            elif isinstance(event, ev.BalancesRead):
                await self._see_how_they_ended(listed, unlisted)

    async def read_for_liquidation(self, *, with_products: bool) -> bool:
        """One pass at once. Whether open orders and balances were handed over, though another part
        could not be read: a flattening waits for no part that it can do without. Raises CallFailed,
        and Untrusted.
        """
        self._give_way()
        async with self._reading:
            is_first = not self._engine.manager.tracker.products
            if with_products or is_first:
                await self._read_products_if_possible(is_first=is_first)
            before = self._balances_taken
            try:
                await self._read_account(essentials_suffice=True)
            except Untrusted as fault:
                self._engine.log.warning("not all could be read", fault=str(fault))
            return self._balances_taken > before

    async def _read_products_if_possible(self, *, is_first: bool) -> None:
        """Known products can be sold though their flags cannot be read anew."""
        try:
            await self.read_products()
        except (CallFailed, Untrusted) as fault:
            if is_first:
                raise
            self._engine.log.warning("products could not be read", fault=str(fault))

    def _take_in(self, event: ev.Event) -> None:
        before = self._engine.left_out
        self._engine.handle(event)
        if self._engine.left_out == before:
            self._balances_taken += isinstance(event, ev.BalancesRead)
        else:
            which = getattr(event, "entry_id", "") or getattr(event, "order_id", "")
            words = f"what was told as {type(event).__name__} {which[:40]!r} cannot be"
            if not isinstance(event, ev.FillReported) or self._waits_for(words):
                self._leave_out(words)

    def _waits_for(self, words: str) -> bool:
        """Whether a fill that cannot be is waited for; else the balances tell its effect."""
        step = self._refused.look(words, clock.wall())
        if step == "give up":
            self._engine.handle(ev.FillPassedOver(at=self._engine.now(), words=words))
        return step == "wait"

    def _leave_out(self, text: str) -> None:
        if text not in self._left_out and len(self._left_out) < TOLD_MAX:
            self._left_out.append(text)

    def _look_for_products(self, _event: ev.Event, actions: list[ac.Action]) -> None:
        """Facts of a product that was never listed are not in the books, from whichever source."""
        for action in actions:
            if isinstance(action, ac.ReadProduct) and action.is_waited_for:
                self._leave_out(f"{action.product_id} is in no list, and has orders or a position")

    def _unlisted(self, listed: set[str], began_at: datetime) -> set[str]:
        """Orders that should have been listed, and are not: of the others a frame told since."""
        return {
            order.order_id
            for order in self._engine.manager.tracker.ledger.working.values()
            if order.order_id not in listed
            and (order.updated_at is None or order.updated_at <= began_at)
        }

    async def _see_how_they_ended(self, listed: set[str], unlisted: set[str]) -> None:
        """Orders that the books have open and the listing had not: read their outcome, and that of
        orders with an implausible frame. After the fills, which tell details that an order's own
        row may leave out.
        """
        manager = self._engine.manager
        working, asked = manager.tracker.ledger.working, manager.reports.asked
        unlisted |= asked
        for report in await self._named(sorted((working.keys() - listed) | asked)):
            if self._is_taken(report):
                unlisted.discard(report.order_id)
        unlisted &= working.keys() | manager.reports.asked
        self._unknown.keep(unlisted)
        await self._look_up(sorted(unlisted))

    async def _named(self, order_ids: list[str]) -> list[ev.OrderReported]:
        """These orders as they are now; none where one id spoils the call for all: each is looked up then."""
        try:
            return await self._lookups.named_orders(order_ids)
        except (CallFailed, Untrusted) as fault:
            self._engine.log.warning("orders could not be asked for by name", fault=str(fault))
            return []

    async def _look_up(self, order_ids: list[str]) -> None:
        """Each by its id. A bad answer to one holds up no other reading; no answer at all, the
        other look-ups.
        """
        fault = ""
        for number, order_id in enumerate(order_ids):
            if number < LOOK_UPS_A_PASS and not fault:
                try:
                    if await self._is_accounted_for(order_id):
                        continue
                except Refused as refusal:
                    self._leave_out(f"order {order_id} was told of: {refusal}")
                    continue
                except CallFailed as failure:
                    fault = f": {failure}"
            what = fault or ", and Coinbase knows of none"
            self._leave_out(f"order {order_id} was told of{what}")

    async def _is_accounted_for(self, order_id: str) -> bool:
        """Whether it is known by its id, or has no row that makes sense for so long that it has
        ended: a listing of open orders would have it, even with a bad row. Raises CallFailed.
        """
        try:
            report = await self._lookups.order(order_id)
        except Untrusted as fault:
            self._engine.log.warning("an order cannot be read by its id", fault=str(fault))
            report = None
        if report is not None and self._is_taken(report):
            self._unknown.forget(order_id)
            return True
        if self._unknown.look(order_id, clock.wall()) == "wait":
            return False
        self._take_in(ev.OrderVanished(at=self._engine.now(), order_id=order_id))
        return True

    def _is_taken(self, report: ev.OrderReported) -> bool:
        """Hand it over. Whether it can be."""
        before = self._engine.left_out
        self._engine.handle(report)
        return self._engine.left_out == before

    async def read_products(self) -> None:
        """Hand over the products that are new or have changed; the first time all of them."""
        listed = await self._lookups.products()
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
            words = "Coinbase refuses to answer; see the key, its permissions and its portfolio"
            self._engine.log.critical(words, fault=text)
            self._engine.wake("KEY_REFUSED", f"{words}: {text}")
        else:
            self._engine.log.warning("the account could not be read; trying again", fault=text)
