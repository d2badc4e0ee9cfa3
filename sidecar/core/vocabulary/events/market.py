"""What Coinbase tells of the market: quotes, products, closing prices. No I/O."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from sidecar.core.vocabulary.events.event import Event
from sidecar.core.vocabulary.products import Product


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
