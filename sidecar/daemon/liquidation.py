"""Liquidation: carries a flattening's actions out at Coinbase, and reports their outcome. The next
step is the core's (core/liquidation/liquidator.py); here are calls, their failures by kind, and
waits of wall time. Each runs as a task of its own, products side by side; the request budget paces
them.
"""

import asyncio
import random  # noqa: TID251 - jitter only: nothing here is replayed
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Final, NamedTuple

from sidecar import clock
from sidecar.coinbase.backoff import wait_s
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.order_rows import order_answer
from sidecar.coinbase.rest import CallFailed, Refused, Rest, Unavailable, Withdrawn
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.daemon.engine import Engine
from sidecar.daemon.reconciler import Reconciler
from sidecar.daemon.rest_tasks import LOOK_BACK

TRIES: Final = 5  # of a request that certainly did not arrive: some five seconds in all
LOOKS: Final = 3  # by the contract: three times over five seconds; then it is not there
LOOK_EVERY_S: Final = 2.5
TELL_EVERY_S: Final = 60.0
BACK_TRIES: Final = 4  # a new order may not be readable for a moment
BACK_EVERY_S: Final = 0.25  # by then a live user channel has told
# Wall seconds of a single try after which one that is asked for again is begun anew; the core asks
# for a reading again after 60. Twice as many after each time, so that a slow reading, which does
# not hang, gets done.
HUNG_AFTER_S: Final = 45.0
READ: Final = "read for the liquidation"


class UnderWay(NamedTuple):
    """A task, when it or its last try began, and for how long it is left to itself; wall seconds."""

    task: asyncio.Task[None]
    began_at: float
    patience_s: float = HUNG_AFTER_S


class Liquidation:
    """Carries out PlaceOrder, FindAttempt, ReadOrders and ReadAccount. `group` owns the tasks."""

    def __init__(
        self,
        engine: Engine,
        lookups: Lookups,
        rest: Rest,
        reconciler: Reconciler,
        group: asyncio.TaskGroup,
    ) -> None:
        self._engine = engine
        self._lookups = lookups
        self._rest = rest
        self._reconciler = reconciler
        self._group = group
        self._running: dict[str, UnderWay] = {}
        self._accepted: dict[str, int] = {}  # orders to be read back, and how often still
        self._wanted: ac.ReadAccount | None = None
        engine.listeners.append(self._hurry)

    def _hurry(self, _event: ev.Event, _actions: list[ac.Action]) -> None:
        """During a flattening every call is urgent."""
        self._rest.hurries = self._engine.manager.liquidator.is_busy

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin, unless the same is under way; a hanging one is replaced."""
        self._running = {n: one for n, one in self._running.items() if not one.task.done()}
        now, patience_s = clock.wall(), HUNG_AFTER_S
        if (other := self._running.get(name)) is not None:
            if now - other.began_at < other.patience_s:
                work.close()
                return
            self._engine.log.warning("a part of the flattening hangs, and is begun anew", part=name)
            other.task.cancel()
            patience_s = 2 * other.patience_s
        task = self._group.create_task(work, name=name)
        self._running[name] = UnderWay(task, now, patience_s)

    async def _pause(self, name: str, failures: int) -> None:
        """Before the next try: work that fails and tries again does not hang."""
        await asyncio.sleep(wait_s(failures, random.random()))  # noqa: S311
        self._running[name] = self._running[name]._replace(began_at=clock.wall())

    # -------------------------------------------------------------------------------------- orders

    def place(self, action: ac.PlaceOrder) -> None:
        """Send it, once."""
        self._start(f"place {action.client_order_id}", self._place(action))

    async def _place(self, action: ac.PlaceOrder) -> None:
        outcome, order_id, reason = await self._sent(action)
        self._engine.handle(
            ev.AttemptAnswered(
                at=self._engine.now(),
                client_order_id=action.client_order_id,
                outcome=outcome,
                order_id=order_id,
                reason=reason,
            )
        )

    async def _sent(self, action: ac.PlaceOrder) -> tuple[ev.AttemptOutcome, str, str]:
        """The outcome of the order. Only one that certainly did not arrive is sent again here."""
        path = "/orders/close_position" if action.closes else "/orders"
        liquidator, name, fault = self._engine.manager.liquidator, action.client_order_id, ""
        for failures in range(1, TRIES + 1):
            try:
                answer = await self._rest.post(
                    path, action.body, urgent=True, is_wanted=lambda: liquidator.wants(name)
                )
                order_id, reason = order_answer(answer)
            except Withdrawn as error:
                return "not_sent", "", str(error)
            except Unavailable as error:
                fault = str(error)
                await asyncio.sleep(wait_s(failures, random.random()))  # noqa: S311
            except Refused as error:
                return "refused", "", str(error)
            except (CallFailed, Untrusted) as error:
                return "unknown", "", str(error)
            else:
                return ("accepted" if order_id else "refused"), order_id, reason
        return "not_sent", "", fault

    def find(self, action: ac.FindAttempt) -> None:
        """Look whether it is there."""
        self._start(f"find {action.client_order_id}", self._find(action))

    async def _find(self, action: ac.FindAttempt) -> None:
        looks, failures, name = 0, 0, action.client_order_id
        while self._engine.manager.liquidator.wants(name):
            try:
                found = await self._lookups.recent_orders(
                    action.since - LOOK_BACK, action.product_id
                )
            except (CallFailed, Untrusted) as error:
                failures += 1
                self._engine.log.warning("orders could not be listed", fault=str(error))
                await self._pause(f"find {name}", failures)
                continue
            looks += 1
            for report in found:
                if report.client_order_id == name:
                    self._engine.handle(report)
            if looks == LOOKS:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        self._engine.handle(ev.AttemptMissing(at=self._engine.now(), client_order_id=name))

    def read_orders(self, action: ac.ReadOrders) -> None:
        """Read orders back that were just accepted, where the user channel does not tell, or tells
        implausibly.
        """
        self._accepted |= dict.fromkeys(action.order_ids, BACK_TRIES)
        self._start("read orders back", self._read_orders())

    async def _read_orders(self) -> None:
        """Many share one call. Orders that cannot be read yet are read again with the account."""
        while self._accepted:
            await asyncio.sleep(BACK_EVERY_S)
            manager = self._engine.manager
            live = manager.liquidator.placed() | manager.reports.asked
            wanted = [order_id for order_id in self._accepted if order_id in live]
            self._accepted = {
                order_id: self._accepted[order_id] - 1
                for order_id in wanted
                if self._accepted[order_id] > 1
            }
            own = manager.liquidator.placed()
            for some in (
                [one for one in wanted if one in own],
                [one for one in wanted if one not in own],
            ):
                try:
                    for report in await self._lookups.named_orders(some):
                        self._engine.handle(report)
                except (CallFailed, Untrusted) as error:
                    self._engine.log.warning("orders could not be read back", fault=str(error))

    # ------------------------------------------------------------------------------------- account

    def read_account(self, action: ac.ReadAccount) -> None:
        """Read the account, until it has been read."""
        asked = self._wanted
        ids = () if asked is None else asked.order_ids
        self._wanted = ac.ReadAccount(
            reading=action.reading,
            order_ids=tuple(dict.fromkeys((*ids, *action.order_ids))),
            with_products=action.with_products or (asked is not None and asked.with_products),
        )
        self._start(READ, self._read_account())

    async def _read_account(self) -> None:
        """A reading may lead to another one: it is begun anew as often as it is wanted."""
        failures, told_at = 0, float("-inf")
        named: list[ev.OrderReported] = []
        while (action := self._wanted) is not None and self._engine.manager.liquidator.is_busy:
            began_at = self._engine.now()
            try:
                whole = await self._reconciler.read_for_liquidation(
                    with_products=action.with_products
                )
                named = await self._lookups.named_orders(action.order_ids)
            except (CallFailed, Untrusted) as error:
                whole, fault = False, str(error)
            else:
                fault = "balances cannot be read"
            if whole:
                failures = 0
                self._wanted = None if self._wanted is action else self._wanted
                self._tell(began_at, action, named)
                continue
            failures += 1
            if clock.wall() - told_at > TELL_EVERY_S:
                told_at = clock.wall()
                self._engine.log.critical("the flattening cannot read the account", fault=fault)
            await self._pause(READ, failures)

    def _tell(
        self, began_at: datetime, action: ac.ReadAccount, named: list[ev.OrderReported]
    ) -> None:
        for report in named:
            self._engine.handle(report)
        missing = {*action.order_ids} - {report.order_id for report in named}
        self._engine.handle(
            ev.AccountRead(
                at=self._engine.now(),
                reading=action.reading,
                began_at=began_at,
                missing=tuple(sorted(missing)),
            )
        )
