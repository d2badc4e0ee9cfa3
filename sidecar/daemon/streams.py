"""Streams: the messages of the two feeds, as facts for the engine; prices conflated, products
followed.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, assert_never

import msgspec

from sidecar import clock
from sidecar.coinbase.feed import Feed
from sidecar.coinbase.frames import LevelNews, News, Orders, Ticker, Tickers, quotes_of
from sidecar.coinbase.session import Complaint, Fault, Gap, Live, Lost, Parsed, Step
from sidecar.config.tables import FOLLOWED_MAX
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.conflation import Conflation
from sidecar.daemon.engine import Engine

SIGNALS: Final[dict[type[object], ev.FeedSignal]] = {Live: "connected", Gap: "gap", Lost: "lost"}
REASON_MAX: Final = 200  # of the reason told for a lost feed
LOOK_S: Final = 1.0  # how soon a product newly held, working or asked about is followed


class Streams:
    """Feeds into the engine. `configured`: products that are always followed."""

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], datetime],
        conflation: Conflation,
        configured: Iterable[str],
    ) -> None:
        self.engine = engine
        self._now = now
        self._conflation = conflation
        self._configured = tuple(configured)
        self._asked: OrderedDict[str, None] = OrderedDict()
        self._followed: tuple[str, ...] = ()
        self._wake = asyncio.Event()
        engine.before_decision = self._before_decision
        engine.prices_wait = conflation.waits

    # ------------------------------------------------------------------------------- facts come in

    def receiver(self, feed: ev.Feed) -> Callable[[list[Step]], None]:
        """The function that a feed hands its steps to."""

        def hand_over(steps: list[Step]) -> None:
            for step in steps:
                self._step(feed, step)

        return hand_over

    def _step(self, feed: ev.Feed, step: Step) -> None:
        match step:
            case Parsed(news):
                self._told(feed, news)
            case Fault(text):
                if feed == "user":
                    self._signal(feed, "gap")  # its news of the account is lost
                self.engine.log.warning("frame not understood", feed=feed, fault=text)
            case Complaint(text):
                self.engine.log.warning("Coinbase complains", feed=feed, words=text)
            case Live() | Gap() | Lost():
                self.engine.log.info("feed", feed=feed, **_words(step))
                why = step.reason[:REASON_MAX] if isinstance(step, Lost) else ""
                self._signal(feed, SIGNALS[type(step)], why)

    def _told(self, feed: ev.Feed, news: News) -> None:
        match news:
            case Tickers():
                self._hand_on(self._conflation.offer(news.rows, clock.wall()), news.at)
                self._wake.set()
            case Orders():
                before = self.engine.left_out
                for report in news.reports:
                    self.engine.handle(report)
                if self.engine.left_out > before:
                    self._signal(feed, "gap")  # its news of the account is lost
            case ev.FuturesSummaryRead():
                self.engine.handle(news)
            case LevelNews():
                pass  # of a channel that neither feed asks for: depth has a connection of its own
            case _:
                assert_never(news)

    def _signal(self, feed: ev.Feed, signal: ev.FeedSignal, why: str = "") -> None:
        self.engine.handle(ev.FeedChanged(at=self._now(), feed=feed, signal=signal, reason=why))

    def _hand_on(self, rows: tuple[Ticker, ...], at: datetime) -> None:
        if quotes := quotes_of(rows):
            self.engine.handle(ev.Quotes(at=at, quotes=quotes))

    async def conflate(self) -> None:
        """Until cancelled: hand on the quotes that have waited long enough."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (due := self._conflation.due_at()) is not None:
                await asyncio.sleep(max(0.0, due - clock.wall()))
                self._hand_on(self._conflation.due(clock.wall()), self._now())

    def _before_decision(self, event: ev.Event) -> tuple[ev.Quote, ...]:
        """The prices that value this order, as they are now; its product is followed from now on."""
        tracker = self.engine.manager.tracker
        product_id = _product_of(event, self.engine)
        product = tracker.products.get(product_id)
        if product is None:
            return ()
        self._asked[product.book] = None
        self._asked.move_to_end(product.book)
        if len(self._asked) > FOLLOWED_MAX:
            self._asked.popitem(last=False)
        if not self._conflation.waits():
            return ()
        routes = (tracker.marks.routes.get(name, ()) for name in (product.key, product.quote))
        books = {product.book, *(step.book for steps in routes for step in steps)}
        return quotes_of(self._conflation.release(books))

    # -------------------------------------------------------------------------- products followed

    def wanted(self) -> tuple[str, ...]:
        """The books to follow: configured, allowed, named for a market shock, valuing positions, orders and
        reservations, telling the worth of USDC where that is held; and in the room left the books that bots have asked
        about last.
        """
        manager = self.engine.manager
        tracker, listed = manager.tracker, manager.tracker.products
        shock = manager.limits.market_shock
        names = [*self._configured, *(manager.limits.allow_products or ())]
        names += () if shock is None else shock.products or ()
        names += [order.product_id for order in tracker.ledger.working.values()]
        names += [held.order.product_id for held in tracker.ledger.reservations.values()]
        books = [listed[name].book for name in names if name in listed]
        held = [name for name, wallet in tracker.wallets.by_currency.items() if wallet.total]
        held += [key for key, line in tracker.account.lines.items() if line.position.quantity]
        routes = (tracker.marks.routes.get(key, ()) for key in held)
        books += [step.book for steps in routes for step in steps]
        if "USDC" in held:
            books += manager.peg.books
        needed = {*books}
        asked = [book for book in reversed(self._asked) if book not in needed]
        return tuple(sorted([*needed, *asked[: max(0, FOLLOWED_MAX - len(needed))]]))

    def open_books(self) -> tuple[str, ...]:
        """The books of these to subscribe to: Coinbase refuses those that it has disabled, and others with
        them.
        """
        listed = self.engine.manager.tracker.products
        return tuple(
            book for book in self.wanted() if book not in listed or not listed[book].is_disabled
        )

    async def follow(self, feed: Feed) -> None:
        """Until cancelled: keep the market feed subscribed to the wanted books."""
        while True:
            wanted = self.open_books()
            if wanted != self._followed:
                self._followed = wanted
                feed.follow(wanted)
            await asyncio.sleep(LOOK_S)


class _Named(msgspec.Struct):
    product_id: str = ""


_named: Final = msgspec.json.Decoder(_Named).decode


def _product_of(event: ev.Event, engine: Engine) -> str:
    """The product that an order, an edit or a close is about; empty where that cannot be told."""
    if isinstance(event, ev.CloseProposed):
        return event.product_id
    if isinstance(event, ev.OrderProposed):
        try:
            return _named(event.body).product_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""  # the core names its fault
    assert isinstance(event, ev.EditProposed)
    ledger = engine.manager.tracker.ledger
    order = ledger.find(event.order_id or "") or ledger.find_client_id(event.client_order_id or "")
    return order.product_id if order is not None else ""


def _words(step: Live | Gap | Lost) -> dict[str, object]:
    match step:
        case Gap(expected, got):
            return {"signal": "gap", "expected": expected, "got": got}
        case Lost(reason):
            return {"signal": "lost", "reason": reason}
    return {"signal": "live"}
