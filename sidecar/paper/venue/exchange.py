"""The exchange: the verbs of a client, and the effects of time. No I/O.

Time is an argument everywhere: every verb takes `now` on the market clock, and events due before it
happen first. No draw is left to chance and ids come from a counter, so the same calls give the same
run. Source of the verbs' behaviour: Coinbase Advanced Trade API, Orders.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

from msgspec.structs import replace

from sidecar.core.vocabulary.money import with_money
from sidecar.paper.venue import refusal
from sidecar.paper.venue.accounts import Accounts
from sidecar.paper.venue.admission import check_product
from sidecar.paper.venue.agenda import Agenda
from sidecar.paper.venue.behaviour import Behaviour
from sidecar.paper.venue.book import Book, future_quote
from sidecar.paper.venue.engine import Engine
from sidecar.paper.venue.event import Event, ProductChanged
from sidecar.paper.venue.fees import Fees
from sidecar.paper.venue.futures import Margin
from sidecar.paper.venue.intake import Intake
from sidecar.paper.venue.listing import Flags, Listing
from sidecar.paper.venue.order import Edit, Order
from sidecar.paper.venue.quote import Quote
from sidecar.paper.venue.request import Close, NewOrder
from sidecar.paper.venue.tape import Past, Tape, no_past
from sidecar.paper.venue.terms import Refused
from sidecar.paper.venue.treasury import Treasury

HOUR: Final = timedelta(hours=1)
USER_CANCEL: Final = "User requested cancel"

T = TypeVar("T")


class Exchange:
    """Books, orders and one account.

    Every verb runs to its end at once; `drain` then gives the events to tell, in order.
    """

    def __init__(  # noqa: PLR0913 - a market, an account and their settings, by name
        self,
        listings: Mapping[str, Listing],
        now: datetime,
        *,
        balances: Mapping[str, Decimal],
        fees: tuple[Decimal, Decimal] = (Decimal("0.012"), Decimal("0.006")),
        futures_fees: tuple[Decimal, Decimal] | None = None,
        past: Past = no_past,
        name: str = "paper",
        behaviour: Behaviour | None = None,
    ) -> None:
        """`fees`: taker and maker rate, of futures too unless they have their own; `name`: the seed
        of ids; `past`: candles before `now`.
        """
        self.behaviour = behaviour or Behaviour()
        self.run: UUID = uuid5(NAMESPACE_URL, name)
        self.started_at = self.now = now
        self.listings = dict(listings)
        self.accounts = Accounts(balances)
        self.fees = Fees(*fees, now)
        self.futures_fees = Fees(*(futures_fees or fees), now)
        schedules = (self.fees, self.futures_fees)
        self.engine = Engine(self.run, self.accounts, schedules, self.listings)
        self.engine.behaviour = self.behaviour
        self.intake = Intake(self.engine)
        self.futures = self.engine.futures
        self.register = self.engine.register
        self.books = self.engine.books
        for row in self.listings.values():
            if not row.alias:
                self.books[row.product_id] = Book(row, Tape(row.product_id, past))
        for row in self.listings.values():
            if row.contract is not None:
                self.books[row.contract.underlying].futures.append(row.product_id)
        self.futures.roll(now.date())
        self._agenda = Agenda()
        self._agenda.put(_next_hour(now), "hour")
        self.treasury = Treasury(self.engine, self._agenda, now)
        self._expiries: dict[str, int] = {}  # of open orders, where on the agenda
        self._due = {
            "enter": self._enter,
            "cancel": self._cancel,
            "replace": self._replace,
            "expire": self._expire,
            "fees": lambda order_id: self.engine.tell_fees(order_id, self.now),
            "hour": self._hour,
            "sweep": lambda sweep_id: self.treasury.sweep_due(sweep_id, self.now),
            "pay": self.treasury.pay_due,
        }

    # ----------------------------------------------------------------------------- time and market

    @with_money
    def advance(self, now: datetime) -> None:
        """Let all events happen that are due by `now`. Time never goes back."""
        self._run_until(now)

    def _run_until(self, now: datetime) -> None:
        self.engine.behaviour = self.behaviour
        while (entry := self._agenda.pop(now)) is not None:
            self.now = max(self.now, entry.at)
            self._remember()
            self._due[entry.what](entry.about)
            self._follow_up()
        self.now = max(self.now, now)

    @with_money
    def quote(self, quote: Quote) -> None:
        """Take a market's quote; futures on it move along. A silent or unlisted book ignores it.

        A quote from before the market clock counts as of now.
        """
        self._run_until(quote.at)
        book = self.books.get(quote.product_id)
        if book is None or book.silent:
            return
        quote = book.as_told(quote)
        self._remember()
        first = book.bid is None
        self.engine.move(book, quote, self.now)
        if first:
            self.value_opening(quote.product_id)
        for product_id in book.futures:
            listing, future = self.listings[product_id], self.books[product_id]
            if not future.silent and listing.flags.session_open:
                self.engine.move(future, future_quote(quote, listing), self.now)
        self._follow_up()
        self._run_until(self.now)

    def value_opening(self, product_id: str) -> None:
        """Coins that came before there was a price count as bought at the first price."""
        listing = self.listings[product_id]
        mid = self.books[product_id].mid
        held = next((row for row in self.accounts if row.currency == listing.base), None)
        if listing.quote == "USD" and held is not None and not held.cost and mid is not None:
            held.cost = held.total * mid

    @with_money
    def set_flags(self, product_id: str, flags: Flags, now: datetime) -> None:
        """Change the market's flags of a product."""
        self._run_until(now)
        self.listings[product_id] = replace(self.listings[product_id], flags=flags)
        self.engine.outbox.append(ProductChanged(product_id))

    @with_money
    def act(self, deed: Callable[[], T], now: datetime) -> T:
        """Act on account or market: first the entries due before, then the consequences."""
        self._run_until(now)
        self._remember()
        result = deed()
        self._follow_up()
        self._run_until(self.now)
        return result

    @with_money
    def margin_seen(self, now: datetime) -> Margin:
        """The futures account as a reader sees it now: the dollars of both wallets may be old."""
        margin, lag = self.engine.margin(), self.behaviour.futures_lag
        dollars = self.accounts.dollars_as_of(now - lag) if lag else None
        if dollars is None:
            return margin
        usd, cash = dollars
        return replace(margin, spot_cash=usd.available, spot_held=usd.held, futures_cash=cash)

    def due(self) -> datetime | None:
        """When the next event happens by itself."""
        return self._agenda.next_at()

    def drain(self) -> list[Event]:
        """The events since the last call."""
        events, self.engine.outbox = self.engine.outbox, []
        return events

    # --------------------------------------------------------------------------- a client's verbs

    @with_money
    def create(self, request: NewOrder, now: datetime) -> Order:
        """Accept an order for processing; the order of the same client_order_id if it had one.

        Raises Refused, with Coinbase's reason.
        """
        self._run_until(now)
        known = self._known(request.client_order_id)
        return known or self._send(self.intake.order(request, self.now))

    @with_money
    def close(self, request: Close, now: datetime) -> Order:
        """Close a futures position, or a part of it, by a market order. Raises Refused."""
        self._run_until(now)
        known = self._known(request.client_order_id)
        return known or self._send(self.intake.closing_order(request, self.now))

    @with_money
    def preview(self, request: NewOrder, now: datetime) -> Order:
        """The order a request would become; no funds are held. Raises Refused."""
        self._run_until(now)
        return self.intake.order(request, self.now)

    def _known(self, client_order_id: str) -> Order | None:
        """The order that had this id before: Coinbase creates no order then."""
        known = self.register.by_client_id(client_order_id)
        if known is not None and self.behaviour.strict_client_order_id:
            raise Refused(refusal.DUPLICATE_CLIENT_ORDER_ID)
        return known

    def _send(self, order: Order) -> Order:
        self._accept(order)
        self._run_until(self.now)
        return order

    def _accept(self, order: Order) -> None:
        """Hold the funds it needs, tell that it is PENDING, and send it on its way."""
        self._remember()
        self.intake.accept(order)
        self.register.add(order)
        self.engine.settlement.fit(order)
        self.engine.report(order, "PENDING", self.now)
        if self.behaviour.queued_statuses:
            self.engine.report(order, "QUEUED", self.now)
        if order.terms.end_at is not None:
            due = self._agenda.put(order.terms.end_at, "expire", order.order_id)
            self._expiries[order.order_id] = due
        self._soon(self.behaviour.order_delay, "enter", order)

    @with_money
    def cancel(self, order_id: str, now: datetime) -> str:
        """Ask for a cancel; the reason why not, empty when it was accepted for processing."""
        self._run_until(now)
        order = self.register.get(order_id)
        if order is None:
            return "UNKNOWN_CANCEL_ORDER"
        if order.status == "FILLED":
            return "ORDER_IS_FULLY_FILLED"
        if not order.is_open:
            return "INVALID_CANCEL_REQUEST"
        if order.pending_cancel:
            return "DUPLICATE_CANCEL_REQUEST"
        if order.replacing is not None:
            return "ORDER_IS_BEING_REPLACED"
        if order.is_future and not self.listings[order.product_id].flags.session_open:
            return "INVALID_CANCEL_FCM_TRADING_SESSION"
        if self.behaviour.stuck_cancels:
            return self._stick(order)
        order.pending_cancel = True
        if self.behaviour.queued_statuses:
            self.engine.report(order, "CANCEL_QUEUED", self.now)
        self._soon(self.behaviour.cancel_delay + self.behaviour.late_cancelled, "cancel", order)
        self._run_until(self.now)
        return ""

    def _stick(self, order: Order) -> str:
        """A cancel that leads nowhere, accepted or not."""
        if self.behaviour.stuck_cancels != "CANCEL_QUEUED":
            return self.behaviour.stuck_cancels
        if order.status != "CANCEL_QUEUED":
            self.engine.report(order, "CANCEL_QUEUED", self.now)
        return ""

    @with_money
    def edit(self, order_id: str, edit: Edit, now: datetime) -> str:
        """Ask for new prices and a new total size; the reason why not, empty when accepted."""
        self._run_until(now)
        order = self.register.get(order_id)
        why = self.intake.edit_refusal(order, edit)
        if order is None or why:
            return why
        order.replacing = edit
        if self.behaviour.queued_statuses:
            self.engine.report(order, "EDIT_QUEUED", self.now)
        self._soon(self.behaviour.order_delay, "replace", order)
        self._run_until(self.now)
        return ""

    def _soon(self, delay: timedelta, what: str, order: Order) -> None:
        """Put it down for after a delay; without one, the verb under way still comes to it."""
        self._agenda.put(self.now + delay, what, order.order_id)

    # ---------------------------------------------------------------------------------- due events

    def _enter(self, order_id: str) -> None:
        order = self.register.open.get(order_id)
        if order is None:
            return  # it was cancelled on the way
        try:
            check_product(self.listings[order.product_id], order.terms)
        except Refused as refused:  # the market was halted while the order was on its way
            self.engine.reject(order, refused.refusal.message, self.now)
        else:
            self.engine.enter(order, self.now)

    def _cancel(self, order_id: str) -> None:
        order = self.register.open.get(order_id)
        if order is None:
            return  # it was filled while the cancel was under way
        if self.behaviour.fill_after_cancel > 0 and self.engine.lose_cancel(order, self.now):
            self.behaviour.fill_after_cancel -= 1
        else:
            self.engine.finish(order, "CANCELLED", self.now, USER_CANCEL)

    def _replace(self, order_id: str) -> None:
        order = self.register.open.get(order_id)
        if order is None or order.replacing is None:
            return
        edit, order.replacing = order.replacing, None
        if self.intake.edit_refusal(order, edit):
            # Filled, out of money or crossed meanwhile: the order stands as it was.
            self.engine.report(order, "OPEN", self.now)
        else:
            self.engine.amend(order, edit, self.intake.next_number(), self.now)

    def _expire(self, order_id: str) -> None:
        self._expiries.pop(order_id, None)
        order = self.register.open.get(order_id)
        if order is not None and order.entered:  # else it expires when it enters
            self.engine.finish(order, "EXPIRED", self.now)

    def _hour(self, _: str) -> None:
        """Once an hour of market time: the fee tier, and futures' day, funding and margin."""
        self.fees.review(self.now)
        self.futures_fees.review(self.now)
        self.futures.roll(self.now.date())
        self.treasury.fund_hour(self.now)
        self._agenda.put(_next_hour(self.now), "hour")

    # ------------------------------------------------------------------------- after every change

    def _follow_up(self) -> None:
        """The consequences of trades: stops they trigger, brackets they call for, late fees."""
        engine = self.engine
        while engine.traded:
            book = next(iter(engine.traded))
            del engine.traded[book]
            engine.trigger_stops(self.books[book], self.now)
        for order_id in engine.receipts.untold:
            self._agenda.put(self.now + self.behaviour.late_fees, "fees", order_id)
        engine.receipts.untold.clear()
        ended, engine.ended = engine.ended, []
        for order in ended:
            if (expiry := self._expiries.pop(order.order_id, None)) is not None:
                self._agenda.drop(expiry)
            if order.attached is not None and order.filled > 0:
                self._guard(order)
        self._remember()

    def _guard(self, entry: Order) -> None:
        """Place the bracket that closes its entry's position."""
        assert entry.attached is not None
        try:
            order = self.intake.guarding_order(entry, entry.attached, self.now)
        except Refused:
            return  # the coins are gone or the market is halted: no position to guard, or no way to
        entry.attached_order_id = order.order_id
        self._accept(order)

    def _remember(self) -> None:
        """Keep the balances for readers with a lag."""
        if self.behaviour.lags:
            horizon = self.now - self.behaviour.longest_lag
            self.accounts.remember(self.now, horizon, self.futures.cash)
        else:
            self.accounts.forget()


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + HOUR
