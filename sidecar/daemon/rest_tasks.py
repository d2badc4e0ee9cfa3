"""RestTasks: the core's requests to Coinbase between reconciliations, each a task of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from sidecar import clock
from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.quote_calls import quote_calls
from sidecar.coinbase.rest import CallFailed, Refused, Rest
from sidecar.core.account.marks import Mark
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse, Untrusted
from sidecar.daemon.engine import Engine

CONFIRM_WITHIN_S: Final = 5.0  # of wall time, by the contract; then the feed's word stands
CANCELS: Final = "/orders/batch_cancel"
CANCELS_A_CALL: Final = 100  # Coinbase's limit
CANCEL_ALL_WITHIN_S: Final = 30.0  # then the orders left are told
LOOK_AGAIN_S: Final = 0.5  # a cancel that was accepted takes its time
POLL_S: Final = 5.0  # how often prices are read while the market feed is down
QUIET_LOOK_S: Final = 1.0
FRESH_SHARE: Final = (
    0.5  # of the oldest age that still values an order: then a quiet book is re-read
)
LOOK_BACK: Final = timedelta(minutes=1)  # clocks differ, and an order may carry its bot's


class RestTasks:
    """Carries out the actions that take a call to Coinbase. `group` owns the tasks."""

    def __init__(
        self,
        engine: Engine,
        picture: AccountReader,
        lookups: Lookups,
        rest: Rest,
        group: asyncio.TaskGroup,
    ) -> None:
        self._engine = engine
        self._picture = picture
        self._lookups = lookups
        self._rest = rest
        self._group = group
        self._read_at: dict[str, datetime] = {}  # when each book's price was last read over REST
        self._unread: dict[str, str] = {}  # why the depth of a book could not be read, as said last
        self._sought: dict[str, ac.FindOrder] = {}
        self._unwanted: dict[str, float] = {}  # orders to be cancelled, and until when it is tried
        self._running: dict[str, asyncio.Task[None]] = {}  # by name: one of each at a time

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin an errand, unless one of its name is under way."""
        self._running = {n: task for n, task in self._running.items() if not task.done()}
        if name in self._running:
            work.close()
            return
        self._running[name] = self._group.create_task(work, name=name)

    # -------------------------------------------------------------------------------------- prices

    def confirm(self, action: ac.ConfirmQuotes) -> None:
        """Ask REST whether a loss is as the feed shows it. The question that an answer leads to may
        be asked at once.
        """
        books = action.product_ids
        self._start(f"confirm quotes of {', '.join(books)}", self._confirm(books))

    async def _confirm(self, books: tuple[str, ...]) -> None:
        told, _ = await self._ask(books, urgent=True, within_s=CONFIRM_WITHIN_S)
        now = self._engine.now()
        if not told:
            self._engine.handle(ev.ConfirmationUnavailable(at=now))
            return
        quotes = tuple(quote for found in told.values() for quote in found)
        known, calls = {quote.product_id for quote in quotes}, self._calls(books)
        # An answer without any price does not answer for the book that was asked for alone either.
        alone = {call for call in calls if len(call) == 1 and known}
        missing = {book for call in calls if call not in told or call in alone for book in call}
        unanswered = tuple(sorted(missing - known))
        self._engine.handle(ev.QuotesConfirmed(at=now, quotes=quotes, unanswered=unanswered))

    def refresh(self, action: ac.RefreshQuotes) -> None:
        """Read prices that the feed has not told of late."""
        self._start("refresh quotes", self._refresh(action.product_ids))

    async def _refresh(self, books: tuple[str, ...]) -> None:
        told, faults = await self._ask(books)
        if faults:
            self._engine.log.warning("prices could not be read", fault=faults[0])
        now = self._engine.now()
        self._read_at |= dict.fromkeys((book for call in told for book in call), now)
        if quotes := tuple(quote for found in told.values() for quote in found):
            self._engine.handle(ev.Quotes(at=now, quotes=quotes))

    def read_depth(self, action: ac.ReadDepth, tell: Callable[[ev.Depth], None]) -> None:
        """Read the levels of these books, each a task of its own, and `tell` of each; a failure is not told: the core
        asks again.
        """
        for book in action.product_ids:
            self._start(f"read the depth of {book}", self._read_depth(book, tell))

    async def _read_depth(self, book: str, tell: Callable[[ev.Depth], None]) -> None:
        try:
            depth = await self._lookups.depth(book)
        except (CallFailed, Untrusted) as error:
            if self._unread.get(book) != str(error):  # else it has been said
                self._unread[book] = str(error)
                self._engine.log.warning("depth not read", product=book, fault=str(error))
        else:
            self._unread.pop(book, None)
            tell(depth)

    async def _ask(
        self, books: tuple[str, ...], *, urgent: bool = False, within_s: float | None = None
    ) -> tuple[dict[tuple[str, ...], tuple[ev.Quote, ...]], list[str]]:
        """The quotes of each call that succeeded in time, and why others failed."""
        told, faults = dict[tuple[str, ...], tuple[ev.Quote, ...]](), list[str]()

        async def ask(call: tuple[str, ...]) -> None:
            try:
                told[call] = await self._lookups.quotes(call, urgent=urgent)
            except (CallFailed, Untrusted) as error:
                faults.append(str(error))

        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
                for call in self._calls(books):
                    group.create_task(ask(call), name=f"quotes of {call[0]}")
        return told, faults

    def _calls(self, books: tuple[str, ...]) -> list[tuple[str, ...]]:
        return quote_calls(books, self._engine.manager.tracker.products)

    async def keep_fresh(self, followed: Callable[[], tuple[str, ...]]) -> None:
        """Until cancelled: re-read quiet books while the feed is live, all of them while it is not."""
        polled_at = float("-inf")
        while True:
            await asyncio.sleep(QUIET_LOOK_S)
            if self._engine.manager.feeds.market == "live":
                books = self._quiet(followed())
            elif clock.wall() - polled_at >= POLL_S:
                polled_at, books = clock.wall(), followed()
            else:
                continue
            if books:
                await self._refresh(books)

    def _quiet(self, books: tuple[str, ...]) -> tuple[str, ...]:
        """Books without a fresh price that have not been read of late either: one that is empty, or
        too wide to be good, has no price however often it is read.
        """
        manager, now = self._engine.manager, self._engine.now()
        oldest = now - manager.desk.max_quote_age * FRESH_SHARE
        mids = manager.tracker.marks.mids
        return tuple(
            book
            for book in books
            if not _is_fresh(mids.get(book), oldest) and self._read_at.get(book, oldest) <= oldest
        )

    # -------------------------------------------------------------------------------------- orders

    def read_product(self, action: ac.ReadProduct) -> None:
        """Read a product that a fact named and no listing held, then the account anew."""
        self._start(f"read {action.product_id}", self._read_product(action.product_id))

    async def _read_product(self, product_id: str) -> None:
        try:
            listed = await self._lookups.product(product_id)
        except (CallFailed, Untrusted) as error:
            self._engine.log.warning("product not read", product=product_id, fault=str(error))
            return
        self._engine.handle(listed)
        manager = self._engine.manager
        known = (manager.tracker.products, manager.doubts.elsewhere.products)
        if not any(product_id in names for names in known):
            return  # reading the account would lead here again
        self._engine.carry[ac.Reconcile](ac.Reconcile(reason=f"{product_id} is known now"))

    def find(self, action: ac.FindOrder) -> None:
        """Look for an approved order that never appeared: many share one listing pass."""
        self._sought[action.client_order_id] = action
        self._start("find orders", self._find())

    async def _find(self) -> None:
        while self._sought:
            sought, self._sought = self._sought, {}
            since = self._engine.now() - self._life - LOOK_BACK
            try:
                found = await self._lookups.recent_orders(since)
            except (CallFailed, Untrusted) as error:
                self._engine.log.warning("orders could not be listed", fault=str(error))
                self._sought = {**sought, **self._sought}
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            for report in found:
                if report.client_order_id in sought:
                    self._engine.handle(report)
            for action in sought.values():
                self._release(action)

    def _release(self, action: ac.FindOrder) -> None:
        """Free the approval if it is bound still: no order was found, or not the one approved."""
        name, decision_id = action.client_order_id, action.decision_id
        live = self._engine.manager.tracker.ledger.reservations.get(name)
        if live is None or live.decision.decision_id != decision_id:
            return
        self._engine.handle(
            ev.ReservationReleased(
                at=self._engine.now(),
                client_order_id=name,
                decision_id=decision_id,
                reason="never_arrived",
            )
        )

    @property
    def _life(self) -> timedelta:
        return self._engine.manager.settings.reservation_life

    def cancel(self, action: ac.CancelOrders) -> None:
        """Ask Coinbase to cancel these; the user channel tells the outcome."""
        until = clock.wall() + CANCEL_ALL_WITHIN_S
        self._unwanted = dict.fromkeys(action.order_ids, until) | self._unwanted
        self._start("cancel orders", self._cancel_unwanted())

    async def keep_ready(self) -> None:
        """Until cancelled: a flattening begins with a cancel, and is not to wait for its signature."""
        await self._rest.keep_ready("POST", CANCELS)

    async def _cancel_unwanted(self) -> None:
        """Ask until none of them is open: an accepted cancel is not yet a cancelled order."""
        working = self._engine.manager.tracker.ledger.working
        while self._unwanted:
            try:
                await self._cancel(tuple(self._unwanted))
            except CallFailed as error:
                self._engine.log.warning("orders not cancelled yet", fault=str(error))
            await asyncio.sleep(LOOK_AGAIN_S)
            left = {name: until for name, until in self._unwanted.items() if name in working}
            given_up = [name for name, until in left.items() if clock.wall() > until]
            if given_up:
                text = "orders could not be cancelled; cancel them by hand"
                self._engine.log.critical(text, order_ids=given_up)
                self._engine.wake("CANCEL_FAILED", f"{text}: {', '.join(given_up)}")
            self._unwanted = {name: left[name] for name in left if name not in given_up}

    async def _cancel(self, order_ids: tuple[str, ...]) -> None:
        for first in range(0, len(order_ids), CANCELS_A_CALL):
            some = list(order_ids[first : first + CANCELS_A_CALL])
            await self._rest.post(CANCELS, {"order_ids": some}, urgent=True)

    async def cancel_all(self) -> dict[str, Any]:
        """Cancel every open order and see them gone: how many were, and which are not.

        Raises Misuse where Coinbase refuses, or does not answer for so long.
        """
        until, seen = clock.wall() + CANCEL_ALL_WITHIN_S, set[str]()
        while True:
            try:
                listed = await self._open_orders()
                left, are_all = listed.order_ids, listed.is_complete
                seen |= {*left}
                if (are_all and not left) or clock.wall() > until:
                    gone = len(seen - {*left})
                    return {"done": are_all and not left, "cancelled": gone, "remaining": left}
                await self._cancel(left)
            except (CallFailed, Untrusted) as error:
                if isinstance(error, Refused) or clock.wall() > until:
                    what = "the key's permissions" if isinstance(error, Refused) else "the network"
                    mend = f"see {what}, and ask again"
                    raise Misuse(f"Coinbase does not cancel: {error}; {mend}") from None
                self._engine.log.warning("cancel-all goes on", fault=str(error))
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _open_orders(self) -> ev.OpenOrdersListed:
        """The working orders as Coinbase lists them now; the core is told on the way."""
        listed: ev.OpenOrdersListed | None = None
        async for event in self._picture.orders():
            self._engine.handle(event)
            if isinstance(event, ev.OpenOrdersListed):
                listed = event
        assert listed is not None
        return listed


def _is_fresh(mark: Mark | None, oldest: datetime) -> bool:
    return mark is not None and mark.at is not None and mark.at >= oldest
