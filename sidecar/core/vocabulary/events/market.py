"""What Coinbase tells of the market: quotes, products, closing prices. No I/O."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.events.event import Event
from sidecar.core.vocabulary.products import Product

LEVELS_MAX: Final = 50  # of one side that a `Depth` may hold: a decision walks them all

Level = tuple[Decimal, Decimal]  # price in quote currency, size in order units


class Quote(Struct, frozen=True, omit_defaults=True):
    """Best bid and ask of a book, in quote currency, and the sizes offered at them in order units (None: not
    told); `at` is when they were last known to hold. `last`: the price of the trade told with them, if any.
    """

    product_id: str
    bid: Decimal
    ask: Decimal
    at: datetime
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None


class Quotes(Event, frozen=True, kw_only=True, tag=True):
    """New best bids and asks, the newest of each product."""

    quotes: tuple[Quote, ...]


class QuotesConfirmed(Event, frozen=True, kw_only=True, tag=True):
    """Coinbase's REST best_bid_ask, read to confirm a loss that the feed showed; `at` of each quote is when its read
    began. `unanswered`: books that cannot be had: their call failed, or they were asked for alone.
    """

    quotes: tuple[Quote, ...]
    unanswered: tuple[str, ...] = ()


class ConfirmationUnavailable(Event, frozen=True, kw_only=True, tag=True):
    """REST could not confirm within its time; the feed's word stands."""


class Depth(Struct, frozen=True, omit_defaults=True):
    """Both sides of one order book, best level first, each at most `LEVELS_MAX` long; `at` is when they were last known
    to hold. Levels beyond the first ones may have been gathered into steps, each at the worst price in it. A side that
    ends tells that no more is known, not that no more is offered. `product_id` is the book's: BTC-USDC trades in that
    of BTC-USD.
    """

    product_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    at: datetime


class DepthSeen(Event, frozen=True, kw_only=True, tag=True):
    """Depths as they are now, of books that are followed or were read. Answers FollowDepth and ReadDepth."""

    books: tuple[Depth, ...]


class DepthHolds(Event, frozen=True, kw_only=True, tag=True):
    """The depths told last of these books hold still at `at`: their feed is whole, and told no change."""

    product_ids: tuple[str, ...]


class ProductsListed(Event, frozen=True, kw_only=True, tag=True):
    """Products as Coinbase lists them now; others stay as they were."""

    products: tuple[Product, ...]


class ClosesRead(Event, frozen=True, kw_only=True, tag=True):
    """The closing prices of a book in past periods, from Coinbase's candles: (start, close), start
    in UNIX seconds. Periods of `period_s` seconds from `since` on, over by `until`, were asked for;
    one that is missing had no trade.
    """

    book: str
    period_s: int
    since: int
    until: int
    closes: tuple[tuple[int, Decimal], ...]
