"""Products as the paper exchange lists them, and the catalogue it starts with. No I/O.

Increments and bounds are of the scale that Coinbase lists (BTC-USD: base 0.00000001, price 0.01,
0.00000001 to 3400); prices are only where the random market begins. Source: Coinbase Advanced
Trade API, `GET /products`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.vocabulary.money import ZERO

FIAT: Final = frozenset({"USD", "EUR", "GBP"})
COIN_NAMES: Final = {
    "BTC": "Bitcoin",
    "ETH": "Ethereum",
    "SOL": "Solana",
    "XRP": "XRP",
    "ADA": "Cardano",
    "DOGE": "Dogecoin",
    "LTC": "Litecoin",
    "LINK": "Chainlink",
    "AVAX": "Avalanche",
    "DOT": "Polkadot",
    "BCH": "Bitcoin Cash",
    "USD": "US Dollar",
    "USDC": "USDC",
    "EUR": "Euro",
    "GBP": "British Pound",
}


class Contract(Struct, frozen=True, kw_only=True):
    """The terms of a US future: its size, its life, and the margin it asks.

    The quotes of a future are those of `underlying`, moved by `basis` (a ratio): one market, so
    that a hedge hedges. `funding_rate` is set for perpetual-style contracts, a ratio an hour.
    """

    underlying: str
    contract_size: Decimal
    expiry: datetime
    display_name: str
    basis: Decimal = ZERO
    funding_rate: Decimal | None = None
    intraday_margin_rate: Decimal = Decimal("0.1")
    overnight_margin_rate: Decimal = Decimal("0.25")

    @property
    def root_unit(self) -> str:
        return self.underlying.partition("-")[0]


class Flags(Struct, frozen=True, kw_only=True):
    """The state of a product's market, as Coinbase may tell it at any moment."""

    is_disabled: bool = False
    trading_disabled: bool = False
    view_only: bool = False
    cancel_only: bool = False
    limit_only: bool = False
    post_only: bool = False
    auction_mode: bool = False
    session_open: bool = True  # futures only


class Listing(Struct, frozen=True, kw_only=True):
    """One product. Sizes are base units, or contracts of a future; `price` starts a random market.

    `alias` names the product whose book this one shares; its orders settle in its own quote wallet.
    """

    product_id: str
    base: str
    quote: str
    price: Decimal
    base_increment: Decimal = Decimal("0.00000001")
    price_increment: Decimal = Decimal("0.01")
    quote_increment: Decimal = Decimal("0.01")
    base_min_size: Decimal = Decimal("0.00000001")
    base_max_size: Decimal = Decimal(1_000_000)
    quote_min_size: Decimal = Decimal(1)
    quote_max_size: Decimal = Decimal(150_000_000)
    alias: str = ""
    alias_to: tuple[str, ...] = ()
    contract: Contract | None = None
    flags: Flags = Flags()

    @property
    def book(self) -> str:
        """The product whose book this one trades in."""
        return self.alias or self.product_id

    @property
    def multiplier(self) -> Decimal:
        """Base units that one unit of size stands for."""
        return self.contract.contract_size if self.contract else Decimal(1)


def _spot(  # noqa: PLR0913, PLR0917 - one row of the table below
    product_id: str, price: str, step: str, base_step: str, base_min: str, base_max: str
) -> Listing:
    base, _, quote = product_id.partition("-")
    listing = Listing(
        product_id=product_id,
        base=base,
        quote=quote,
        price=Decimal(price),
        price_increment=Decimal(step),
        base_increment=Decimal(base_step),
        base_min_size=Decimal(base_min),
        base_max_size=Decimal(base_max),
        alias_to=(f"{base}-USDC",) if base in SHARED_WITH_USDC and quote == "USD" else (),
    )
    return listing if quote == "USD" else replace(listing, **COIN_QUOTED)


def _shared(listing: Listing) -> Iterable[Listing]:
    """The products that trade in this one's book, under names of their own."""
    for product_id in listing.alias_to:
        quote = product_id.partition("-")[2]
        alias = listing.product_id
        yield replace(listing, product_id=product_id, quote=quote, alias=alias, alias_to=())


SHARED_WITH_USDC: Final = frozenset({"BTC", "ETH", "SOL"})
COIN_QUOTED: Final = {
    "quote_increment": Decimal("0.00000001"),
    "quote_min_size": Decimal("0.000016"),
    "quote_max_size": Decimal(2_500),
}

# The books of the random market: eleven coins against the dollar, and one coin against another.
# product, price, price increment, base increment, smallest and largest size
BOOKS: Final = (
    _spot("BTC-USD", "64000", "0.01", "0.00000001", "0.00000001", "3400"),
    _spot("ETH-USD", "3200", "0.01", "0.00000001", "0.00000001", "42000"),
    _spot("SOL-USD", "150", "0.01", "0.00000001", "0.00000001", "300000"),
    _spot("XRP-USD", "0.62", "0.0001", "0.000001", "0.000001", "24000000"),
    _spot("ADA-USD", "0.45", "0.0001", "0.00000001", "0.00000001", "18000000"),
    _spot("DOGE-USD", "0.12", "0.00001", "0.1", "0.1", "80000000"),
    _spot("LTC-USD", "85", "0.01", "0.00000001", "0.00000001", "120000"),
    _spot("LINK-USD", "14", "0.001", "0.01", "0.01", "500000"),
    _spot("AVAX-USD", "28", "0.01", "0.00000001", "0.00000001", "300000"),
    _spot("DOT-USD", "5.2", "0.001", "0.00000001", "0.00000001", "900000"),
    _spot("BCH-USD", "420", "0.01", "0.00000001", "0.00000001", "28000"),
    _spot("ETH-BTC", "0.05", "0.00001", "0.00000001", "0.00000001", "42000"),
)

PERPETUAL_EXPIRY: Final = datetime(2030, 12, 20, 16, tzinfo=UTC)


def _future(product_id: str, contract: Contract, step: str, price: str) -> Listing:
    return Listing(
        product_id=product_id,
        base="",
        quote="USD",
        price=Decimal(price),
        base_increment=Decimal(1),
        base_min_size=Decimal(1),
        base_max_size=Decimal(100_000),
        price_increment=Decimal(step),
        quote_min_size=ZERO,
        quote_max_size=Decimal(100_000_000),
        contract=contract,
    )


# Perpetual-style contracts by Coinbase's naming: a far expiry, type EXPIRING, and a funding rate.
FUTURES: Final = (
    _future(
        "BIP-20DEC30-CDE",
        Contract(
            underlying="BTC-USD",
            contract_size=Decimal("0.01"),
            expiry=PERPETUAL_EXPIRY,
            display_name="BTC PERP",
            basis=Decimal("0.0004"),
            funding_rate=Decimal("0.00001"),
        ),
        "5",
        "64025",
    ),
    _future(
        "ETP-20DEC30-CDE",
        Contract(
            underlying="ETH-USD",
            contract_size=Decimal("0.1"),
            expiry=PERPETUAL_EXPIRY,
            display_name="ETH PERP",
            basis=Decimal("0.0005"),
            funding_rate=Decimal("0.000012"),
        ),
        "0.5",
        "3201.5",
    ),
)


def unlisted(product_id: str, price: Decimal) -> Listing:
    """A listing for a book that a replayed file has and the catalogue has not: BTC-like bounds."""
    base, _, quote = product_id.partition("-")
    if not base or not quote:
        raise ValueError(f"{product_id!r} is not a product; write it as Coinbase does: BTC-USD")
    return Listing(product_id=product_id, base=base, quote=quote, price=price)


def catalogue(books: Iterable[Listing] = BOOKS, *, futures: bool = True) -> dict[str, Listing]:
    """All products of these books, by id: the books, their aliases, the futures on them."""
    listed = {book.product_id: book for book in books}
    for book in tuple(listed.values()):
        listed |= {alias.product_id: alias for alias in _shared(book)}
    if futures:
        listed |= {
            row.product_id: row
            for row in FUTURES
            if row.contract is not None and row.contract.underlying in listed
        }
    return listed
