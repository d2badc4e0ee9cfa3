"""Matching and settlement: who trades with whom, at what price, and what that does to the account.
No I/O.

An order that comes to the book trades at the book's prices and pays the taker fee; an order that
waits in it trades at its own price and pays the maker fee. The account's resting orders fill when
the market's best price reaches theirs, or when a trade prints through them, best price first, then
oldest, behind whatever stood at their price before.
"""

from copy import copy
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from sidecar.core.money import ONE, ZERO, ceil_to, floor_to
from sidecar.core.products import DOLLARS
from sidecar.paper.venue.accounts import Accounts
from sidecar.paper.venue.book import Book, Level, matches
from sidecar.paper.venue.event import BookMoved, Event, FuturesChanged, OrderChanged, Traded
from sidecar.paper.venue.fees import Fees
from sidecar.paper.venue.futures import FuturesAccount, Margin, Working
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.order import BRACKET_STOP_BAND, OPPOSITE, Edit, Fill, Order, Side
from sidecar.paper.venue.quote import Quote
from sidecar.paper.venue.register import Register
from sidecar.paper.venue.tape import Trade

PRINT_SHARE: Final = 10  # each quote comes with a trade of a tenth of what stood at the touch
EDITS_KEPT: Final = 5  # what Coinbase lists of an order's edit_history
SELF_TRADE: Final = "Self trade prevention"


class Engine:
    """The account and the books, and the one place where a fill happens."""

    def __init__(
        self, run: UUID, accounts: Accounts, fees: Fees, listings: dict[str, Listing]
    ) -> None:
        self.run = run
        self.accounts = accounts
        self.fees = fees
        self.listings = listings
        self.futures = FuturesAccount()
        self.books: dict[str, Book] = {}
        self.register = Register()
        self.outbox: list[Event] = []
        self.late_fees = timedelta(0)
        # Since the caller last looked: orders that ended, orders with fees to tell, books traded.
        self.ended: list[Order] = []
        self.untold: list[str] = []
        self.traded: set[str] = set()
        self._stops: dict[str, list[Order]] = {}
        self._trades = 0
        self._prints = 0

    # ------------------------------------------------------------------------ an order comes in

    def enter(self, order: Order, now: datetime) -> None:
        """An accepted order reaches the matching engine."""
        order.entered = True
        if order.terms.stop_price and not order.triggered:
            self._stops.setdefault(order.book, []).append(order)
        if order.is_waiting_stop:
            self.report(order, "OPEN", now)
        else:
            self._match(order, now)

    def _match(self, order: Order, now: datetime) -> None:
        """Trade at once with what the book offers, then rest or end."""
        book, terms = self.books[order.book], order.terms
        if terms.post_only and book.crosses(order.side, terms.limit_price):
            order.reject_message = "Post only limit order would have crossed the book"
            self.finish(order, "FAILED", now)
            return
        whole = terms.time_in_force != "FILL_OR_KILL" or self._can_fill(order, book)
        crossed_self = whole and self._take(order, book, now)
        if self._is_done(order):
            self.report(order, "OPEN", now)  # Coinbase shows OPEN with nothing left, then FILLED
            self.finish(order, "FILLED", now)
        elif crossed_self:
            self.finish(order, "CANCELLED", now, SELF_TRADE)
        elif not terms.rests:
            self.finish(order, "CANCELLED", now)
        else:
            book.rest(order)
            self.report(order, "OPEN", now)
            self._moved(book)

    def _take(self, order: Order, book: Book, now: datetime) -> bool:
        """Walk the other side within the limit price; true when an own order stands in the way."""
        other = OPPOSITE[order.side]
        own = book.best_own(other)
        barrier = own.terms.limit_price if own is not None else None
        for level in tuple(matches(book.liquidity(other), order.side, order.terms.limit_price)):
            if barrier is not None and not _before(order.side, level.price, barrier):
                return True
            size = min(level.size, self._wanted(order, level.price))
            if size <= 0:
                return False
            book.take(other, Level(level.price, size))
            self._fill(order, Level(level.price, size), now, is_maker=False)
        if barrier is None or self._is_done(order):
            return False
        return not _before(order.side, order.terms.limit_price, barrier)

    def _wanted(self, order: Order, price: Decimal) -> Decimal:
        """How much more it takes at this price."""
        if not order.terms.quote_size:
            return order.remaining
        left = order.terms.quote_size - order.value - order.fees
        step = self.listings[order.product_id].base_increment
        return floor_to(left / (price * (ONE + min(self.fees.taker, order.fee_cap))), step)

    def _can_fill(self, order: Order, book: Book) -> bool:
        other = OPPOSITE[order.side]
        own = book.best_own(other)
        levels = matches(book.liquidity(other), order.side, order.terms.limit_price)
        sizes = (
            level.size
            for level in levels
            if own is None or _before(order.side, level.price, own.terms.limit_price)
        )
        return sum(sizes, ZERO) >= order.remaining

    def _is_done(self, order: Order) -> bool:
        if not order.terms.quote_size:
            return order.remaining == 0
        best = self.books[order.book].top("SELL")
        price = best.price if best is not None else order.terms.limit_price
        return order.fills > 0 and self._wanted(order, price) == 0

    def amend(self, order: Order, edit: Edit, number: int, now: datetime) -> None:
        """Carry out an edit: a smaller size at the same price keeps its place in the queue."""
        book, terms = self.books[order.book], order.terms
        keeps_place = edit.price == terms.limit_price and edit.size <= terms.size
        queue_ahead = order.queue_ahead
        book.remove(order)
        order.terms = replace(terms, limit_price=edit.price, size=edit.size)
        order.edits = (*order.edits, edit)[-EDITS_KEPT:]
        self.fit(order)
        if keeps_place:
            book.rest(order)
            order.queue_ahead = queue_ahead
            self.report(order, "OPEN", now)
            self._moved(book)
        else:
            order.number = number
            self._match(order, now)

    # --------------------------------------------------------------------------- the market moves

    def move(self, book: Book, quote: Quote, now: datetime) -> None:
        """The market's quote changes: fill what it reaches, print a trade."""
        before = book.bid.price + book.ask.price if book.bid and book.ask else None
        book.move(quote)
        for side in OPPOSITE:
            if book.best_own(side) is not None:
                self._sweep(book, side, now)
        self._print(book, before, now)
        self._moved(book)

    def _sweep(self, book: Book, side: Side, now: datetime) -> None:
        """Fill resting orders whose price the other side has come to."""
        other = OPPOSITE[side]
        for order in book.resting(side):
            limit, fills = order.terms.limit_price, order.fills
            for level in tuple(matches(book.liquidity(other), side, limit)):
                size = min(level.size, order.remaining)
                if size <= 0:
                    break
                book.take(other, Level(level.price, size))
                self._fill(order, Level(limit, size), now, is_maker=True)
            if order.fills > fills:
                self._report_maker(order, now)

    def _report_maker(self, order: Order, now: datetime) -> None:
        if self._is_done(order):
            self.finish(order, "FILLED", now)
        else:
            self.report(order, "OPEN", now)

    def _print(self, book: Book, before: Decimal | None, now: datetime) -> None:
        """A trade of the market's own, at the side that the price moved to."""
        if book.bid is None or book.ask is None:
            return
        self._prints += 1
        middle = book.bid.price + book.ask.price
        up = middle > before if before is not None and middle != before else self._prints % 2 == 0
        taker: Side = "BUY" if up else "SELL"
        touch = book.ask if up else book.bid
        size = max(book.size_step, floor_to(touch.size / PRINT_SHARE, book.size_step))
        if book.best_own(OPPOSITE[taker]) is not None:
            size = self._hit_resting(book, taker, Level(touch.price, size), now)
        if size > 0:
            self._trade(book, Level(touch.price, size), taker, now)

    def _hit_resting(self, book: Book, taker: Side, trade: Level, now: datetime) -> Decimal:
        """Let a market trade fill own orders that stand before or in it; what is left of it."""
        left = trade.size
        for order in book.resting(OPPOSITE[taker]):
            limit = order.terms.limit_price
            if _before(order.side, limit, trade.price):
                return left
            if limit == trade.price:
                waited = min(order.queue_ahead, left)
                order.queue_ahead -= waited
                left -= waited
            size = min(left, order.remaining)
            if size > 0:
                left -= size
                self._fill(order, Level(limit, size), now, is_maker=True)
                self._report_maker(order, now)
        return left

    def trigger_stops(self, book: Book, now: datetime) -> None:
        """Turn stops whose price has traded into limit orders, oldest first."""
        waiting = self._stops.get(book.product_id)
        if not waiting or book.tape.last is None:
            return
        for order in tuple(waiting):
            if order.is_open and _is_triggered(order, book.tape.last):
                self._trigger(order, book, now)

    def _trigger(self, order: Order, book: Book, now: datetime) -> None:
        self._stops[order.book].remove(order)
        order.triggered = True
        if order.terms.order_type == "BRACKET":
            book.remove(order)
            beyond = ONE + BRACKET_STOP_BAND if order.side == "BUY" else ONE - BRACKET_STOP_BAND
            rounded = floor_to if order.side == "BUY" else ceil_to
            price = max(book.step, rounded(order.terms.stop_price * beyond, book.step))
            order.terms = replace(order.terms, limit_price=price)
            self.fit(order)
        self.report(order, "OPEN", now)
        self._match(order, now)

    # -------------------------------------------------------------------------------- settlement

    def lose_cancel(self, order: Order, now: datetime) -> None:
        """Fill what is left of an order although its cancel was accepted."""
        best = self.books[order.book].top(OPPOSITE[order.side])
        price = order.terms.limit_price or (best.price if best else ZERO)
        if order.remaining > 0 and price > 0:
            self._fill(order, Level(price, order.remaining), now, is_maker=True)
            self.finish(order, "FILLED", now)

    def _fill(self, order: Order, level: Level, now: datetime, *, is_maker: bool) -> None:
        """One match: money, coins, contracts, fee, progress, trade."""
        listing = self.listings[order.product_id]
        price, size = level
        value = price * size * order.multiplier
        rate = min(self.fees.maker if is_maker else self.fees.taker, order.fee_cap)
        fee = value * rate
        usd = self.usd(listing.quote)
        self._settle(order, listing, level, fee)
        order.filled += size
        order.value += value
        order.fees += fee
        order.fills += 1
        order.filled_at = order.updated_at = now
        if self.late_fees:
            self.untold.append(order.order_id)
        else:
            order.fees_told = order.fees
        self.fit(order)
        self.fees.count(value * usd, fee * usd, now)
        taker = OPPOSITE[order.side] if is_maker else order.side
        trade = self._trade(self.books[order.book], level, taker, now)
        identity = f"{self.run}/fill/{trade.number}"
        self.register.fills.append(
            Fill(
                number=trade.number,
                entry_id=sha256(identity.encode()).hexdigest(),
                trade_id=str(uuid5(self.run, f"trade/{trade.number}")),
                order_id=order.order_id,
                product_id=order.product_id,
                side=order.side,
                price=price,
                size=size,
                commission=fee,
                is_maker=is_maker,
                at=now,
                fee_told_at=now + self.late_fees,
            )
        )

    def _settle(self, order: Order, listing: Listing, level: Level, fee: Decimal) -> None:
        price, size = level
        value = price * size * order.multiplier
        if order.is_future:
            self.futures.apply(listing, order.side, size, price)
            self.futures.charge(fee)
            self._top_up()
            self.outbox.append(FuturesChanged())
        elif order.side == "BUY":
            order.held -= value + fee
            self.accounts.spend_held(listing.quote, value + fee)
            self.accounts.receive(listing.base, size, cost=value * self.usd(listing.quote))
        else:
            order.held -= size
            self.accounts.spend_held(listing.base, size)
            worth = value * self.usd(listing.quote) if listing.quote not in DOLLARS else ZERO
            self.accounts.receive(listing.quote, value - fee, cost=worth)

    def _top_up(self) -> None:
        """Move USD over from the spot account when the futures account lacks margin."""
        margin = self.margin()
        lacking = min(margin.initial - margin.equity, margin.spot_cash)
        if lacking > 0:
            self.accounts.receive("USD", -lacking)
            self.futures.cash += lacking

    def margin(self, proposed: Working | None = None) -> Margin:
        """The futures account now, with one more order if one is proposed."""
        working: dict[str, Working] = {}
        orders = [order for order in self.register.open.values() if order.is_future]
        for order in orders:
            row = working.setdefault(order.product_id, self.working(order.product_id))
            row.add(order.side, order.remaining)
        if proposed is not None:
            row = working.setdefault(
                proposed.listing.product_id, self.working(proposed.listing.product_id)
            )
            row.buys += proposed.buys
            row.sells += proposed.sells
        marks = {product_id: self.mark(product_id) for product_id in self.futures.holdings}
        return self.futures.margin(marks, self.accounts.available("USD"), working)

    def working(self, product_id: str) -> Working:
        """No orders yet in this contract."""
        return Working(listing=self.listings[product_id], price=self.mark(product_id))

    def mark(self, product_id: str) -> Decimal:
        """Middle of a contract's book; zero before its first quote."""
        return self.books[product_id].mid or ZERO

    def fit(self, order: Order) -> None:
        """Hold exactly what the order still needs."""
        needed = order.requirement()
        if needed == order.held:
            return
        listing = self.listings[order.product_id]
        self.accounts.hold(
            listing.quote if order.side == "BUY" else listing.base, needed - order.held
        )
        order.held = needed

    def usd(self, currency: str) -> Decimal:
        """What one unit of a quote currency is worth in USD, at the book's middle."""
        if currency in DOLLARS:
            return ONE
        book = self.books.get(f"{currency}-USD")
        return (book.mid if book is not None else None) or ZERO

    # ---------------------------------------------------------------------------------- reporting

    def report(self, order: Order, status: str, now: datetime) -> None:
        """A new stage of an order, told as it is now."""
        order.status = status
        order.updated_at = now
        self.outbox.append(OrderChanged(copy(order)))

    def finish(self, order: Order, status: str, now: datetime, message: str = "") -> None:
        """The order ends: out of the book, its hold freed."""
        order.status = status
        order.cancel_message = message
        order.pending_cancel = False
        order.replacing = None
        book = self.books[order.book]
        if order.entered:
            book.remove(order)
            stops = self._stops.get(order.book, [])
            self._stops[order.book] = [other for other in stops if other is not order]
        self.fit(order)
        self.register.end(order)
        self.report(order, status, now)
        self._moved(book)
        self.ended.append(order)

    def tell_fees(self, order: Order, now: datetime) -> None:
        """Report fees that were told late."""
        if order.fees_told != order.fees:
            order.fees_told = order.fees
            self.report(order, order.status, now)

    def _trade(self, book: Book, level: Level, taker: Side, now: datetime) -> Trade:
        self._trades += 1
        trade = Trade(self._trades, book.product_id, level.price, level.size, taker, now)
        book.tape.add(trade)
        self.traded.add(book.product_id)
        self.outbox.append(Traded(trade))
        return trade

    def _moved(self, book: Book) -> None:
        self.outbox.append(BookMoved(book.product_id))


def _before(side: Side, price: Decimal, barrier: Decimal) -> bool:
    """Whether a taker on `side` comes to `price` strictly before `barrier`."""
    return price < barrier if side == "BUY" else price > barrier


def _is_triggered(order: Order, last: Decimal) -> bool:
    terms = order.terms
    if terms.order_type == "BRACKET":  # its stop is on the losing side of what it closes
        return last <= terms.stop_price if order.side == "SELL" else last >= terms.stop_price
    return last >= terms.stop_price if terms.stop_up else last <= terms.stop_price
