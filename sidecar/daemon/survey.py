"""What a liquidation would have to sell today, and what it could not and why. Reads, never sends.

accounts, products → what is held, less what is kept → its product in dollars, its bid → obstacles
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from sidecar.coinbase.picture import Picture
from sidecar.config.tables import Config
from sidecar.core import events as ev
from sidecar.core.money import ZERO, floor_to, with_money
from sidecar.core.products import DOLLARS, Product
from sidecar.daemon.preflight import Finding

SHUT: Final = ("is_disabled", "trading_disabled", "view_only", "cancel_only")
BOOKS_A_CALL: Final = 100


class Account(Struct, frozen=True, kw_only=True):
    """What was read of the account."""

    balances: tuple[ev.Balance, ...]
    futures: tuple[ev.FuturesPosition, ...]
    open_orders: int


class Holding(Struct, frozen=True, kw_only=True):
    """One asset or contract. `amount` is what would be sold: units of the asset, contracts of a
    future (signed). `value` in USD at the bid, None where no price is known. `obstacle` says why it
    could not be sold today; empty where it could. `note`: how it would be.
    """

    asset: str
    amount: Decimal
    product_id: str | None = None
    value: Decimal | None = None
    obstacle: str = ""
    note: str = ""


async def read_account(picture: Picture) -> Account:
    """Balances, futures and open orders as they are now. Raises CallFailed, and Untrusted."""
    balances: tuple[ev.Balance, ...] = ()
    futures: tuple[ev.FuturesPosition, ...] = ()
    orders = 0
    async for event in picture.account(None):
        match event:
            case ev.BalancesRead():
                balances = event.balances
            case ev.FuturesRead():
                futures = event.positions
            case ev.OpenOrdersListed():
                orders = len(event.order_ids)
            case _:
                continue
    return Account(balances=balances, futures=futures, open_orders=orders)


async def read_bids(picture: Picture, books: Iterable[str]) -> dict[str, Decimal]:
    """What each book bids now, in its quote currency. Raises CallFailed."""
    wanted, bids = tuple(dict.fromkeys(books)), dict[str, Decimal]()
    for first in range(0, len(wanted), BOOKS_A_CALL):
        for quote in await picture.quotes(wanted[first : first + BOOKS_A_CALL]):
            bids[quote.product_id] = quote.bid
    return bids


def sold_through(account: Account, products: Mapping[str, Product]) -> dict[str, Product]:
    """The product through which each asset or contract held would be sold: for dollars, USD first."""
    found: dict[str, Product] = {}
    held = {balance.currency for balance in account.balances}
    for product in sorted(products.values(), key=lambda one: (one.quote != "USD", one.product_id)):
        if not product.is_future and product.base in held and product.quote in DOLLARS:
            found.setdefault(product.base, product)
    for position in account.futures:
        if position.product_id in products:
            found[position.product_id] = products[position.product_id]
    return found


@with_money
def holdings(
    account: Account,
    through: Mapping[str, Product],
    bids: Mapping[str, Decimal],
    config: Config,
) -> list[Holding]:
    """Every position, the largest first. Cash is none, and of `keep` only the rest is one."""
    found = [
        _spot(one.currency, one.available + one.hold, through, bids, config)
        for one in account.balances
        if one.available + one.hold > ZERO and one.currency not in config.positions.cash
    ]
    found += [
        _future(one, through.get(one.product_id), bids) for one in account.futures if one.contracts
    ]
    return sorted(found, key=lambda one: (-(one.value or ZERO), one.asset))


def _spot(
    asset: str,
    total: Decimal,
    through: Mapping[str, Product],
    bids: Mapping[str, Decimal],
    config: Config,
) -> Holding:
    keep, product = config.positions.keep.get(asset, ZERO), through.get(asset)
    amount = ZERO if keep == "all" else max(ZERO, total - Decimal(keep))
    bid = None if product is None else bids.get(product.book, bids.get(product.product_id))
    assets = config.liquidation.assets
    if not amount:
        obstacle = "kept, by [positions] keep"
    elif assets != "all" and asset not in assets:
        obstacle = "not in [liquidation] assets"
    elif product is None:
        obstacle = "no product of it trades for dollars"
    else:
        obstacle = _obstacle(product, amount)
    notes = [] if not amount or amount == total else ["the rest is kept"]
    notes += [] if product is None or obstacle else _how(product, amount)
    return Holding(
        asset=asset,
        amount=amount,
        product_id=None if product is None else product.product_id,
        value=None if bid is None else amount * bid,
        obstacle=obstacle,
        note=", ".join(notes),
    )


def _future(
    position: ev.FuturesPosition, product: Product | None, bids: Mapping[str, Decimal]
) -> Holding:
    bid = None if product is None else bids.get(product.product_id)
    size = abs(position.contracts) * (product.contract_size if product is not None else ZERO)
    obstacle = "not in Coinbase's list of products" if product is None else _shut(product)
    return Holding(
        asset=position.product_id,
        amount=position.contracts,
        product_id=position.product_id,
        value=None if bid is None else size * bid,
        obstacle=obstacle,
        note="" if obstacle else "closed with close_position",
    )


def _obstacle(product: Product, amount: Decimal) -> str:
    """Why so much of it could not be sold now; empty where it could."""
    if floor_to(amount, product.base_increment) < product.base_min_size or not floor_to(
        amount, product.base_increment
    ):
        return f"dust: Coinbase sells no less than {product.base_min_size:f}"
    return _shut(product)


def _shut(product: Product) -> str:
    for flag in SHUT:
        if getattr(product, flag):
            return f"{product.product_id} takes no orders now ({flag})"
    if product.session_open is False:
        opens = (
            "" if product.opens_at is None else f", and opens {product.opens_at:%Y-%m-%d %H:%M} UTC"
        )
        return f"the session of {product.product_id} is closed{opens}"
    for flag in ("auction_mode", "post_only"):
        if getattr(product, flag):
            return f"{product.product_id} sells nothing at once now ({flag})"
    return ""


def _how(product: Product, amount: Decimal) -> list[str]:
    """What is special about selling it."""
    notes = ["by limit orders (limit_only)"] if product.limit_only else []
    largest = product.base_max_size
    if largest is not None and amount > largest:
        notes.append(f"in pieces of at most {largest:f}")
    return notes


def unlisted(config: Config, products: Mapping[str, Product]) -> list[Finding]:
    """What the configuration names and Coinbase does not list."""
    limits, found = config.limits, []
    named: dict[str, Iterable[Any]] = {
        "limits.product": limits.product,
        "limits.allow_products": limits.allow_products or (),
        "limits.block_products": limits.block_products,
        "coinbase.follow": config.coinbase.follow,
    }
    for key, names in named.items():
        missing = sorted(name for name in names if name not in products)
        if missing:
            text = (
                f"{key} names {', '.join(missing)}, which Coinbase does not list; mend or remove it"
            )
            found.append(Finding("warning", "PRODUCT_NOT_LISTED", text))
    return found
