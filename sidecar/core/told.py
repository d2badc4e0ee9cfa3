"""What facts carry of what is not counted here: further wallets, other venues. No I/O."""

from decimal import Decimal

from msgspec import Struct


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
