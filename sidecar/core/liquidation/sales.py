"""Sales: the holdings that an order could sell now, through which product and how; and those it
could not, and why. No I/O. Which product sells what is in account/sale_routes.py.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from sidecar.core.account.sale_routes import NO_REFUSALS, Routes, is_dust, order_size, shut
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.products import Product

# How a product sells: at once at any price; at once by a limit; into the book, as its maker or
# into its auction; or Coinbase closes the position.
OrderStyle = Literal["market", "limit", "post_only", "auction", "close"]


class Held(Struct, frozen=True, kw_only=True):
    """The holding of one key: base units above `keep`, signed. Of a future, contracts × contract
    size. `free` is the part that no order binds. A future that no listing names has contracts for a
    quantity, and waits for one.
    """

    key: str
    quantity: Decimal
    free: Decimal
    is_listed: bool = True


class Holding(Struct, frozen=True, kw_only=True):
    """The holding of one key, and the part that an order could sell now.

    `size` in order units, zero where no sale is possible; then `obstacle` says why, and `is_final`
    that waiting is no help: dust, or a key that may not be sold. `notional` in USD at the mark,
    None without one.
    """

    key: str
    quantity: Decimal
    size: Decimal = ZERO
    product: Product | None = None
    way: OrderStyle = "market"
    notional: Decimal | None = None
    obstacle: str = ""
    is_final: bool = False
    opens_at: datetime | None = None


class Prices(Struct, frozen=True):
    """Where prices come from: a book's, in quote currency, and a key's in USD; None if unknown."""

    of_book: Callable[[str], Decimal | None]
    usd: Callable[[str], Decimal | None]


def holdings(
    held: Iterable[Held],
    routes: Routes,
    prices: Prices,
    refusals: Mapping[str, int] = NO_REFUSALS,
) -> list[Holding]:
    """Every key held, the largest exposure first: keys without a price yet stand behind.
    `refusals`: how many sales each product has refused.
    """
    found = [
        _holding(one, routes, prices, routes.through(one.key, refusals))
        for one in held
        if one.quantity
    ]
    return sorted(found, key=lambda one: (-abs(one.notional or ZERO), one.key))


def _holding(held: Held, routes: Routes, prices: Prices, product: Product | None) -> Holding:
    key = held.key
    usd = prices.usd(key)
    notional = None if usd is None else held.quantity * usd

    def left(obstacle: str, *, is_final: bool, opens_at: datetime | None = None) -> Holding:
        return Holding(
            key=key,
            quantity=held.quantity,
            product=product,
            notional=notional,
            obstacle=obstacle,
            is_final=is_final,
            opens_at=opens_at,
        )

    if not held.is_listed:
        return left("not in Coinbase's list of products", is_final=False)
    if product is None:
        return left("no product sells it for cash", is_final=True)
    if not routes.permits(product.base if product.is_future else key):
        return left("not in [liquidation] assets", is_final=True)
    if held.quantity < ZERO and not product.is_future:
        return left("sold before its purchase was told", is_final=False)
    if is_dust(product, abs(held.quantity), prices.of_book(product.book)):
        least = format(product.base_min_size, "f")
        return left(f"dust: Coinbase sells no less than {least}", is_final=True)
    if obstacle := shut(product):
        return left(obstacle, is_final=False, opens_at=product.opens_at)
    size = order_size(product, abs(held.free))
    if not size or is_dust(product, abs(held.free), prices.of_book(product.book)):
        return left("bound by orders or holds", is_final=False)
    return Holding(
        key=key,
        quantity=held.quantity,
        size=size,
        product=product,
        way=_way(product),
        notional=notional,
    )


def _way(product: Product) -> OrderStyle:
    if product.is_future:
        return "close"
    if product.post_only:
        return "post_only"
    if product.auction_mode:
        return "auction"
    return "limit" if product.limit_only else "market"


def pieces(size: Decimal, largest: Decimal | None, most: int) -> list[Decimal]:
    """`size` in orders of at most `largest`; at most so many of them, the rest waits."""
    if not largest:
        return [size]
    whole, rest = divmod(size, largest)
    parts = [largest] * min(int(whole), most)
    return [*parts, rest] if rest and len(parts) < most else parts
