"""Matching: who trades with whom, and at what price. No I/O.

An order that comes to the book trades at the book's prices and pays the taker fee; an order that
waits in it trades at its own price and pays the maker fee. The account's resting orders fill when
the market's best price reaches theirs, or when a trade prints through them, best price first, then
oldest, behind the size that stood at their price before. The effect of a match on the account is
Settlement's.
"""

from copy import copy
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from sidecar.core.vocabulary.money import ONE, ZERO, ceil_to, floor_to
from sidecar.paper.venue.accounts import Accounts
from sidecar.paper.venue.behaviour import Behaviour
from sidecar.paper.venue.book import Book, Level, matches
from sidecar.paper.venue.event import BookMoved, Event, FuturesChanged, OrderChanged, Traded
from sidecar.paper.venue.fees import Fees
from sidecar.paper.venue.futures import Margin
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.order import BRACKET_STOP_BAND, OPPOSITE, Edit, Order, Side
from sidecar.paper.venue.quote import Quote
from sidecar.paper.venue.receipts import Receipts
from sidecar.paper.venue.register import Register
from sidecar.paper.venue.settlement import Settlement
from sidecar.paper.venue.stops import Stops, is_triggered
from sidecar.paper.venue.tape import Trade

PRINT_SHARE: Final = 10  # each quote comes with a trade of a tenth of the size at the touch
EDITS_KEPT: Final = 5  # Coinbase lists so many of an order's edit_history
SELF_TRADE: Final = "Self trade prevention"
QUEUED: Final = frozenset({"EDIT_QUEUED", "CANCEL_QUEUED"})

FINE_STEP: Final = Decimal("1e-16")  # of a coin, where fills are cut as production's are


class Engine:
    """The books, and the one place where a fill happens."""

    def __init__(
        self,
        run: UUID,
        accounts: Accounts,
        fees: tuple[Fees, Fees],
        listings: dict[str, Listing],
    ) -> None:
        """`fees`: the schedules of spot and of futures."""
        self.run = run
        self.accounts = accounts
        self.listings = listings
        self.books: dict[str, Book] = {}
        self.settlement = Settlement(accounts, *fees, listings, self.books)
        self.futures = self.settlement.futures
        self.register = Register()
        self.receipts = Receipts(run, self.register)
        self.outbox: list[Event] = []
        self.behaviour = Behaviour()
        # Since the caller last looked: orders that ended, and books that traded (a dict for its
        # order: the same run must follow up in the same order).
        self.ended: list[Order] = []
        self.traded: dict[str, None] = {}
        self._stops = Stops()
        self._wallet_untold = False  # a fill changed the futures wallet, and it is told after it

    def margin(self) -> Margin:
        """The futures account now, USD."""
        return self.settlement.margin()

    def mark(self, product_id: str) -> Decimal:
        """Middle of a contract's book; of an empty one the last trade, or where its market begins."""
        return self.settlement.mark(product_id)

    def usd(self, currency: str) -> Decimal:
        """The worth of one unit of a quote currency in USD; zero when it is unknown."""
        return self.settlement.usd(currency)

    # ------------------------------------------------------------------------ an order comes in

    def enter(self, order: Order, now: datetime) -> None:
        """An accepted order reaches the matching engine."""
        order.entered = True
        end_at, last = order.terms.end_at, self.books[order.book].tape.last
        if end_at is not None and end_at <= now:  # its time ran out on the way
            self._progress(order, now)
            self.finish(order, "EXPIRED", now)
            return
        if order.terms.stop_price:
            self._stops.add(order)
            if last is not None and is_triggered(order, last):
                self.traded[order.book] = None  # its price has traded already
        if order.is_waiting_stop:
            self._progress(order, now)
        else:
            self._match(order, now)

    def reject(self, order: Order, message: str, now: datetime) -> None:
        """Fail an order that was accepted but may not enter."""
        order.reject_message = message
        self.finish(order, "FAILED", now)

    def _match(self, order: Order, now: datetime) -> None:
        """Trade at once with the book's offers, then rest or end."""
        book, terms = self.books[order.book], order.terms
        if terms.post_only and book.crosses(order.side, terms.limit_price):
            self.reject(order, "Post only limit order would have crossed the book", now)
            return
        whole = terms.time_in_force != "FILL_OR_KILL" or self._can_fill(order, book)
        crossed_self = whole and self._take(order, book, now)
        if self._is_done(order):
            self._progress(order, now)  # Coinbase shows OPEN with no size left, then FILLED
            self.finish(order, "FILLED", now)
        elif crossed_self:
            self.finish(order, "CANCELLED", now, SELF_TRADE)
        elif not terms.rests:
            self.finish(order, "CANCELLED", now)
        else:
            book.rest(order)
            self._progress(order, now)
            self._moved(book)

    def _take(self, order: Order, book: Book, now: datetime) -> bool:
        """Walk the other side within the limit price; true when an own order stands in the way."""
        other = OPPOSITE[order.side]
        own = book.best_own(other)
        barrier = own.terms.limit_price if own is not None else None
        for level in matches(book.liquidity(other), order.side, order.terms.limit_price):
            if barrier is not None and not is_before(order.side, level.price, barrier):
                return True
            size = min(level.size, self._wanted(order, level.price))
            if size <= 0:
                return False
            book.consume(other, Level(level.price, size))
            self._fill(order, Level(level.price, size), now, is_maker=False)
        if barrier is None or self._is_done(order):
            return False
        return not is_before(order.side, order.terms.limit_price, barrier)

    def _wanted(self, order: Order, price: Decimal) -> Decimal:
        """How much more it takes at this price."""
        if not order.terms.quote_size:
            return order.remaining
        left = order.terms.quote_size - order.value - order.fees
        step = self.listings[order.product_id].base_increment
        if self.behaviour.fine_quote_fills and order.fills and left < price * step:
            return ZERO
        step = FINE_STEP if self.behaviour.fine_quote_fills else step
        rate = self.settlement.rate(order, is_maker=False)
        return floor_to(left / (price * (ONE + rate)), step)

    def _can_fill(self, order: Order, book: Book) -> bool:
        other = OPPOSITE[order.side]
        own = book.best_own(other)
        levels = matches(book.liquidity(other), order.side, order.terms.limit_price)
        sizes = (
            level.size
            for level in levels
            if own is None or is_before(order.side, level.price, own.terms.limit_price)
        )
        return sum(sizes, ZERO) >= order.remaining

    def _is_done(self, order: Order) -> bool:
        if not order.terms.quote_size:
            return order.remaining == 0
        best, limit = self.books[order.book].top("SELL"), order.terms.limit_price
        price = min(best.price, limit) if best is not None else limit
        return order.fills > 0 and self._wanted(order, price) == 0  # the rest buys no unit

    def amend(self, order: Order, edit: Edit, number: int, now: datetime) -> None:
        """Carry out an edit: a smaller size at the same price keeps its place in the queue."""
        book, terms = self.books[order.book], order.terms
        keeps_place = edit.price == terms.limit_price and edit.size <= terms.size
        queue_ahead = order.queue_ahead
        book.remove(order)
        if terms.stop_price:
            self._stops.remove(order)
        order.terms = edit.applied(terms)
        order.edits = (*order.edits, edit)[-EDITS_KEPT:]
        order.status = "OPEN"
        self.settlement.fit(order)
        if not keeps_place:
            order.number = number
        if order.terms.stop_price:
            self._stops.add(order)
        if order.is_waiting_stop:
            self._progress(order, now)
        elif keeps_place:
            book.rest(order)
            order.queue_ahead = queue_ahead
            self._progress(order, now)
            self._moved(book)
        else:
            self._match(order, now)

    # --------------------------------------------------------------------------- the market moves

    def move(self, book: Book, quote: Quote, now: datetime) -> None:
        """The market's quote changes: fill the orders it reaches, print a trade."""
        before = book.bid.price + book.ask.price if book.bid and book.ask else None
        self.meet(book, quote, now)
        self._print(book, quote, before, now)
        self._moved(book)

    def meet(self, book: Book, quote: Quote, now: datetime) -> None:
        """Take the quote, and fill the resting orders that it reaches."""
        book.move(quote)
        buy, sell = book.best_own("BUY"), book.best_own("SELL")
        if buy is not None and buy.terms.limit_price >= quote.ask:
            self._sweep(book, "BUY", now)
        if sell is not None and sell.terms.limit_price <= quote.bid:
            self._sweep(book, "SELL", now)

    def _sweep(self, book: Book, side: Side, now: datetime) -> None:
        """Fill resting orders whose price the other side has come to."""
        other = OPPOSITE[side]
        for order in book.resting(side):
            limit, fills = order.terms.limit_price, order.fills
            for level in matches(book.liquidity(other), side, limit):
                size = min(level.size, order.remaining)
                if size <= 0:
                    break
                book.consume(other, Level(level.price, size))
                self._fill(order, Level(limit, size), now, is_maker=True)
            if order.fills == fills:
                return  # no size is left at its price, so none at a worse one
            self._report_maker(order, now)

    def _report_maker(self, order: Order, now: datetime) -> None:
        if self._is_done(order):
            self.finish(order, "FILLED", now)
        else:
            self._progress(order, now)

    def _print(self, book: Book, quote: Quote, before: Decimal | None, now: datetime) -> None:
        """A trade of the market's own, at the side that the price moved to."""
        middle = quote.bid + quote.ask
        if before is None or middle == before:
            book.last_up = not book.last_up  # a market that stands still is hit from both sides
        else:
            book.last_up = middle > before
        up = book.last_up
        taker: Side = "BUY" if up else "SELL"
        price, shown = (quote.ask, quote.ask_size) if up else (quote.bid, quote.bid_size)
        if not shown:
            return
        size = max(book.size_step, shown // (PRINT_SHARE * book.size_step) * book.size_step)
        self.print_trade(book, taker, Level(price, size), now)

    def print_trade(self, book: Book, taker: Side, trade: Level, now: datetime) -> None:
        """A trade of the market's own; own orders that stand before or in it are filled."""
        size = trade.size
        if book.best_own(OPPOSITE[taker]) is not None:
            size = self._hit_resting(book, taker, trade, now)
        if size > 0:
            self._trade(book, Level(trade.price, size), taker, now)

    def _hit_resting(self, book: Book, taker: Side, trade: Level, now: datetime) -> Decimal:
        """Let a market trade fill own orders that stand before or in it; returns the others' part
        of it.
        """
        left = trade.size
        passed = ZERO  # of others, at the trade's price: it was ahead of all own orders there
        for order in book.resting(OPPOSITE[taker]):
            limit = order.terms.limit_price
            if is_before(order.side, limit, trade.price):
                break
            if limit == trade.price:
                waits = min(max(ZERO, order.queue_ahead - passed), left)
                passed += waits
                left -= waits
                order.queue_ahead = max(ZERO, order.queue_ahead - passed)
            size = min(left, order.remaining)
            if size > 0:
                left -= size
                self._fill(order, Level(limit, size), now, is_maker=True)
                self._report_maker(order, now)
        return left + passed

    def trigger_stops(self, book: Book, now: datetime) -> None:
        """Turn stops whose price has traded into limit orders, oldest first."""
        last = book.tape.last
        if last is None:
            return
        for order in self._stops.due(book.product_id, last):
            if order.is_open:
                self._trigger(order, book, now)

    def _trigger(self, order: Order, book: Book, now: datetime) -> None:
        order.triggered = True
        if order.terms.order_type == "BRACKET":
            book.remove(order)
            beyond = ONE + BRACKET_STOP_BAND if order.side == "BUY" else ONE - BRACKET_STOP_BAND
            rounded = floor_to if order.side == "BUY" else ceil_to
            price = max(book.step, rounded(order.terms.stop_price * beyond, book.step))
            order.terms = replace(order.terms, limit_price=price)
            self.settlement.fit(order)
        self._progress(order, now)
        self._match(order, now)

    # ------------------------------------------------------------------------------------- fills

    def lose_cancel(self, order: Order, now: datetime) -> bool:
        """Fill the rest of an order although its cancel was accepted; false when it cannot be.

        At the market's price where the limit allows it, else at the limit. The tape is spared a
        price that may be far from any market.
        """
        limit = order.terms.limit_price
        if order.remaining <= 0 or limit <= 0:
            return False
        best = self.books[order.book].top(OPPOSITE[order.side])
        reached = best is not None and not is_before(order.side, limit, best.price)
        price = best.price if best is not None and reached else limit
        self.receipts.count()
        self._book_fill(order, Level(price, order.remaining), now, is_maker=order.is_resting)
        self.finish(order, "FILLED", now)
        return True

    def _fill(self, order: Order, level: Level, now: datetime, *, is_maker: bool) -> None:
        """One match, on the tape and in the account."""
        taker = OPPOSITE[order.side] if is_maker else order.side
        self._trade(self.books[order.book], level, taker, now)
        self._book_fill(order, level, now, is_maker=is_maker)

    def _book_fill(self, order: Order, level: Level, now: datetime, *, is_maker: bool) -> None:
        """The account's side of the latest trade: settlement, fee and record."""
        fee = self.settlement.settle(order, level, is_maker=is_maker)
        if order.is_future:
            if self.behaviour.wallet_after_fill:
                self._wallet_untold = True
            else:
                self.outbox.append(FuturesChanged())
        order.filled_at = order.updated_at = now
        late = self.behaviour.late_fees
        self.receipts.write(order, level, fee, now, is_maker=is_maker, late=late)

    def tell_fees(self, order_id: str, now: datetime) -> None:
        """Report the oldest fee of an order that was not told with its fill."""
        fee = self.receipts.late_fee(order_id)
        order = self.register.get(order_id)
        if order is not None and fee:
            order.fees_told += fee
            self.report(order, order.status, now)

    def _trade(self, book: Book, level: Level, taker: Side, now: datetime) -> None:
        self.receipts.number = number = self.receipts.number + 1
        trade = Trade(number, book.product_id, level.price, level.size, taker, now)
        book.tape.add(trade)
        self.traded[book.product_id] = None
        self.outbox.append(Traded(trade))

    # ---------------------------------------------------------------------------------- reporting

    def report(self, order: Order, status: str, now: datetime) -> None:
        """A new stage of an order, told as it is now."""
        order.status = status
        order.updated_at = now
        self.outbox.append(OrderChanged(copy(order)))
        if self._wallet_untold:
            self._wallet_untold = False
            self.outbox.append(FuturesChanged())

    def _progress(self, order: Order, now: datetime) -> None:
        """Tell how far an open order is; one that waits for its cancel or edit still does."""
        self.report(order, order.status if order.status in QUEUED else "OPEN", now)

    def finish(self, order: Order, status: str, now: datetime, message: str = "") -> None:
        """The order ends: out of the book, its hold freed."""
        order.status = status
        order.cancel_message = message
        order.pending_cancel = False
        order.replacing = None
        book = self.books[order.book]
        if order.entered:
            book.remove(order)
            if order.terms.stop_price and not order.triggered:
                self._stops.remove(order)
        held = order.held
        self.settlement.fit(order)
        if held and self.behaviour.stuck_holds:
            currency = self.settlement.pays(order)
            self.accounts.stick(currency, held, now, now + self.behaviour.stuck_holds)
        self.register.end(order)
        self.report(order, status, now)
        self._moved(book)
        self.ended.append(order)

    def _moved(self, book: Book) -> None:
        self.outbox.append(BookMoved(book.product_id))


def is_before(side: Side, price: Decimal, barrier: Decimal) -> bool:
    """Whether a taker on `side` comes to `price` strictly before `barrier`."""
    return price < barrier if side == "BUY" else price > barrier
