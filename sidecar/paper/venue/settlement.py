"""The effects of a match on the account: money, coins, contracts, fees, holds and margin. No I/O.

A spot fill moves coins and money between two wallets and pays its fee in quote currency; a future's
fill changes a position and pays its fee from the futures account, which USD flows into when its
margin asks for it. Every amount is exact: money that leaves one place arrives in another or is a
fee.
"""

from collections.abc import Mapping
from decimal import Decimal

from sidecar.core.vocabulary.money import ONE, ZERO, with_money
from sidecar.core.vocabulary.products import DOLLARS
from sidecar.paper.venue.accounts import Accounts
from sidecar.paper.venue.book import Book, Level
from sidecar.paper.venue.fees import Fees
from sidecar.paper.venue.futures import FuturesAccount, Margin
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.order import Order, Side


class Settlement:
    """The account's wallets, futures and fee schedule, and how a fill changes them."""

    def __init__(
        self,
        accounts: Accounts,
        fees: Fees,
        futures_fees: Fees,
        listings: Mapping[str, Listing],
        books: Mapping[str, Book],
    ) -> None:
        self.accounts = accounts
        self._fees = {False: fees, True: futures_fees}
        self.futures = FuturesAccount()
        self._listings = listings
        self._books = books

    # -------------------------------------------------------------------------------- one match

    def fees(self, *, is_future: bool) -> Fees:
        """The schedule of spot, or of futures."""
        return self._fees[is_future]

    def rate(self, order: Order, *, is_maker: bool) -> Decimal:
        """The fee rate of a fill: the tier's, but never more than the order held money for."""
        fees = self.fees(is_future=order.is_future)
        return min(fees.maker if is_maker else fees.taker, order.fee_cap)

    def settle(self, order: Order, level: Level, *, is_maker: bool) -> Decimal:
        """Book one match of an order; the fee it cost, in quote currency."""
        listing = self._listings[order.product_id]
        price, size = level
        value = price * size * order.multiplier
        fee = value * self.rate(order, is_maker=is_maker)
        usd = self.usd(listing.quote)
        if order.is_future:
            self.futures.apply(listing, order.side, size, price)
            self.futures.charge(fee)
        elif order.side == "BUY":
            order.held -= value + fee
            self.accounts.spend_held(listing.quote, value + fee)
            self.accounts.receive(listing.base, size, cost=value * usd)
        else:
            order.held -= size
            self.accounts.spend_held(listing.base, size)
            cost = value * usd if listing.quote not in DOLLARS else ZERO
            self.accounts.receive(listing.quote, value - fee, cost=cost)
        order.filled += size
        order.value += value
        order.fees += fee
        order.fills += 1
        self.fit(order)
        self.fees(is_future=order.is_future).count(value * usd, fee * usd)
        if order.is_future:
            self.top_up()
        return fee

    def fit(self, order: Order) -> None:
        """Hold exactly the funds that the order still needs: money, coins, or margin of a future."""
        listing = self._listings[order.product_id]
        if order.is_future:
            offered = order.remaining if order.is_open else ZERO
            if offered != order.offered:
                self.futures.offer(listing, order.side, offered - order.offered)
                order.offered = offered
            return
        needed = order.requirement()
        if needed != order.held:
            self.accounts.hold(self.pays(order), needed - order.held)
            order.held = needed

    def pays(self, order: Order) -> str:
        """The currency of the wallet that a spot order holds from."""
        listing = self._listings[order.product_id]
        return listing.quote if order.side == "BUY" else listing.base

    # ----------------------------------------------------------------------------------- futures

    def top_up(self) -> bool:
        """Move USD over from the spot account when the futures account lacks margin."""
        margin = self.margin()
        lacking = min(margin.initial - margin.equity, margin.spot_cash)
        if lacking <= 0:
            return False
        self.accounts.receive("USD", -lacking)
        self.futures.cash += lacking
        return True

    @with_money
    def margin(self) -> Margin:
        """The futures account now, USD."""
        accounts = self.accounts
        return self.futures.margin(self.mark, accounts.available("USD"), accounts.held("USD"))

    def can_margin(self, listing: Listing, side: Side, contracts: Decimal) -> bool:
        """Whether so many more contracts may be offered; contracts that reduce the position always
        may.
        """
        mark = self.mark(listing.product_id)
        needed = self.futures.more_hold(listing, side, contracts, mark)
        return needed <= 0 or needed <= self.margin().available

    # ------------------------------------------------------------------------------------ prices

    @with_money
    def mark(self, product_id: str) -> Decimal:
        """Middle of a contract's book; of an empty one the last trade, or where its market begins."""
        book = self._books[product_id]
        return book.mid or book.tape.last or self._listings[product_id].price

    @with_money
    def usd(self, currency: str) -> Decimal:
        """The worth of one unit of a quote currency in USD, at the book's middle; zero: unknown."""
        if currency in DOLLARS:
            return ONE
        book = self._books.get(f"{currency}-USD")
        return (book.mid if book is not None else None) or ZERO
