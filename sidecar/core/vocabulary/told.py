"""Parts of facts: a quote; and, not counted here, further wallets and other venues. No I/O."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct


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


class WalletApart(Struct, frozen=True):
    """Another wallet of a currency, with money in it that may not be traded, as far as is told. `words` name both
    and their amounts.
    """

    currency: str
    words: str


class Venue(Struct, frozen=True):
    """One of Coinbase's venues that is not counted here, the worth in it as far as it is told, USD, and how many
    positions are.
    """

    venue: str
    usd: Decimal
    positions: int = 0
