"""A hand on the books, for tests of clients: quotes that are set, emptied books, single trades. No I/O.

Prices set here are told like the market's own, but no order trades by them: a quote that is set prints
no trade of the market's, and a trade that is printed leaves the quote. A silent book obeys as well.
"""

from datetime import datetime
from decimal import Decimal

from sidecar.core.vocabulary.money import ZERO, with_money
from sidecar.paper.venue.book import Book, Level, future_quote
from sidecar.paper.venue.engine import is_before
from sidecar.paper.venue.event import BookMoved, Quoted
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.order import OPPOSITE, Side
from sidecar.paper.venue.quote import Quote


@with_money
def set_quote(exchange: Exchange, quote: Quote, *, quiet: bool = False) -> None:
    """Set best bid and ask; resting orders that they reach fill. Futures on the book follow.

    A `quiet` quote is told by no ticker, as the quotes of a product that does not trade.
    """

    def place(book: Book, quote: Quote) -> None:
        exchange.engine.meet(book, quote, exchange.now)
        exchange.engine.outbox.append(BookMoved(book.product_id))
        if not quiet:
            exchange.engine.outbox.append(Quoted(book.product_id))

    def deed() -> None:
        book = exchange.books[quote.product_id]
        first = book.bid is None
        place(book, quote)
        if first:
            exchange.value_opening(quote.product_id)
        for product_id in book.futures:
            listing, future = exchange.listings[product_id], exchange.books[product_id]
            if not future.silent and listing.flags.session_open:
                place(future, future_quote(quote, listing))

    exchange.act(deed, quote.at)


@with_money
def empty(exchange: Exchange, product_id: str, now: datetime) -> None:
    """There is no offer in this book until its next quote; the account's own orders stay."""

    def deed() -> None:
        exchange.books[product_id].empty()
        exchange.engine.outbox.append(BookMoved(product_id))

    exchange.act(deed, now)


@with_money
def print_trade(exchange: Exchange, product_id: str, price: Decimal, now: datetime) -> None:
    """A trade of the market's own at this price, through all own orders that stand before it.

    The book's smallest size is left for others. A buyer came when the price is at or above
    the middle, else a seller.
    """
    book = exchange.books[product_id]

    def deed() -> None:
        taker = _taker(book, price)
        trade = Level(price, book.size_step + _in_the_way(book, taker, price))
        exchange.engine.print_trade(book, taker, trade, exchange.now)

    exchange.act(deed, now)


def _taker(book: Book, price: Decimal) -> Side:
    """Which side came to the book; of an empty book, by the trade before."""
    middle = book.mid or book.tape.last
    return "BUY" if middle is None or price >= middle else "SELL"


def _in_the_way(book: Book, taker: Side, price: Decimal) -> Decimal:
    """Size of own orders that a trade at this price goes through."""
    resting = book.resting(OPPOSITE[taker])
    ahead = (order for order in resting if is_before(taker, order.terms.limit_price, price))
    return sum((order.remaining for order in ahead), ZERO)
