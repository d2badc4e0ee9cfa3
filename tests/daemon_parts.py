"""The daemon's parts without its disk and its sockets: an engine of a world, and a Coinbase that says
what a test wants.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from structlog.testing import CapturingLogger

from sidecar.coinbase.rest import Unknown
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.daemon.engine import Engine
from tests.scenario import World


class NoJournal:
    """Keeps in memory what it is given."""

    is_full = False

    def __init__(self) -> None:
        self.records: list[Any] = []

    def note(self, record: object, at: object) -> None:
        self.records.append(record)

    def discard(self) -> None:
        self.records.clear()

    def commit(self, at: object) -> None:
        pass

    def sync(self) -> None:
        pass


class Running:
    """An engine on a world's virtual time, everything it was told, and everything that was logged."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log, self.journal = CapturingLogger(), NoJournal()
        self.engine = Engine(
            world.manager, cast("Any", self.journal), lambda: world.now, cast("Any", self.log)
        )
        self.facts: list[ev.Event] = []
        self.wishes: list[Action] = []
        self.changed = asyncio.Event()
        self.engine.listeners.append(self._listen)

    def _listen(self, event: ev.Event, actions: list[Action]) -> None:
        self.facts.append(event)
        self.wishes += actions
        self.changed.set()

    async def until(self, look: Callable[[], object]) -> None:
        """Wait for it, looking after every fact."""
        async with asyncio.timeout(60):
            while not look():
                self.changed.clear()
                await self.changed.wait()

    def told(self, kind: type[ev.Event]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def logged(self, level: str) -> list[dict[str, Any]]:
        return [call.kwargs for call in self.log.calls if call.method_name == level]


class Said:
    """What `AccountReader` and `Lookups` would have read. In `account`, what can be called happens between two facts."""

    def __init__(self) -> None:
        self.account_events: list[ev.Event | Callable[[], object]] = []
        self.named: list[ev.OrderReported] = []
        self.by_id: list[ev.OrderReported] = []
        self.by_id_fails: Exception | None = None
        self.named_fail: Exception | None = None
        self.looked_up: list[str] = []
        self.recent: list[ev.OrderReported] = []
        self.listed: ev.ProductsListed | None = None
        self.elsewhere_is: ev.ProductElsewhere | None = None
        self.fee_tier: ev.FeesRead | None = None
        self.fails_with: Exception | None = None
        self.essentials_suffice: bool | None = None  # for the last reader of the account
        self.depths: dict[str, ev.Depth] = {}  # of books that can be read
        self.books_read: list[tuple[str, ...]] = []
        self.before_recent: Callable[[], object] = lambda: None

    async def account(
        self, since: object, *, essentials_suffice: bool = False
    ) -> AsyncIterator[ev.Event]:
        self.essentials_suffice = essentials_suffice
        if self.fails_with is not None:
            raise self.fails_with
        for event in self.account_events:
            if isinstance(event, ev.Event):
                yield event
            else:
                event()

    async def named_orders(self, order_ids: list[str]) -> list[ev.OrderReported]:
        if self.named_fail is not None:
            raise self.named_fail
        return [report for report in self.named if report.order_id in order_ids]

    async def order(self, order_id: str) -> ev.OrderReported | None:
        self.looked_up.append(order_id)
        if self.by_id_fails is not None:
            raise self.by_id_fails
        return next((one for one in self.by_id if one.order_id == order_id), None)

    async def recent_orders(self, since: object) -> list[ev.OrderReported]:
        self.before_recent()
        return self.recent

    async def quotes(self, books: tuple[str, ...], *, urgent: bool) -> list[ev.Quote]:
        self.books_read.append(books)
        return []

    async def depth(self, book: str) -> ev.Depth:
        if book not in self.depths:
            raise Unknown("GET /product_book", 503, "HTTP 503")
        return self.depths[book]

    async def products(self) -> ev.ProductsListed:
        assert self.listed is not None
        return self.listed

    async def elsewhere(self) -> ev.ElsewhereRead:
        raise Unknown("GET /portfolios", 503, "HTTP 503")

    async def product(self, product_id: str) -> ev.ProductsListed | ev.ProductElsewhere:
        if self.elsewhere_is is not None:
            return self.elsewhere_is
        return await self.products()

    async def fees(self) -> ev.FeesRead:
        assert self.fee_tier is not None
        return self.fee_tier
