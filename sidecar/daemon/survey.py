"""The sales of a liquidation today, and the holdings it could not sell and why. It sends no order.

accounts, products → holdings without `keep` → sales as of core/liquidation/sales.py → rows
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.quote_calls import quote_calls
from sidecar.config.tables import Config
from sidecar.core.account.sale_routes import Routes
from sidecar.core.liquidation import sales
from sidecar.core.liquidation.sales import Held, OrderStyle, Prices
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.money import ONE, ZERO, with_money
from sidecar.core.vocabulary.products import DOLLARS, Product

# A note on each special way of selling; the market is none.
WAYS: Final[dict[OrderStyle, str]] = {
    "limit": "by limit orders (limit_only)",
    "post_only": "by orders that rest at the ask (post_only)",
    "auction": "by orders that wait for the auction (auction_mode)",
    "close": "closed with close_position",
}
NONE: Final[Mapping[str, str]] = {}
UNLIMITED: Final = Decimal("Infinity")


class Account(Struct, frozen=True, kw_only=True):
    """The readings of the account."""

    balances: tuple[ev.Balance, ...]
    futures: tuple[ev.FuturesPosition, ...]
    open_orders: int
    futures_fault: str = ""  # why the account's futures are not known
    facts: tuple[ev.Event, ...] = ()  # all of it, as a sidecar is told


class Holding(Struct, frozen=True, kw_only=True):
    """One asset or contract. `amount` is the quantity to be sold: units of the asset, contracts of
    a future (signed). `value` in USD at the bid, None where no price is known. `obstacle` says why
    it could not be sold today; empty where it could. `note`: how it would be. `order_size`: of its
    first sale at the market, zero where it is sold in another way.
    """

    asset: str
    amount: Decimal
    product_id: str | None = None
    value: Decimal | None = None
    obstacle: str = ""
    note: str = ""
    order_size: Decimal = ZERO


async def read_account(picture: AccountReader) -> Account:
    """Balances, futures and open orders as they are now. Raises CallFailed, and Untrusted."""
    balances: tuple[ev.Balance, ...] = ()
    futures: tuple[ev.FuturesPosition, ...] = ()
    orders, fault, facts = 0, "", list[ev.Event]()
    async for event in picture.account(None):
        facts.append(event)
        match event:
            case ev.BalancesRead():
                balances = event.balances
            case ev.FuturesRead():
                futures = event.positions
            case ev.FuturesUnread():
                fault = event.reason
            case ev.OpenOrdersListed():
                orders = len(event.order_ids)
            case _:
                continue
    return Account(
        balances=balances,
        futures=futures,
        open_orders=orders,
        futures_fault=fault,
        facts=tuple(facts),
    )


async def read_bids(
    lookups: Lookups, books: Iterable[str], products: Mapping[str, Product]
) -> dict[str, Decimal]:
    """Each book's best bid now, in its quote currency. Raises CallFailed."""
    bids = dict[str, Decimal]()
    for call in quote_calls(tuple(dict.fromkeys(books)), products):
        for quote in await lookups.quotes(call):
            bids[quote.product_id] = quote.bid
    return bids


def routes(products: Mapping[str, Product], config: Config) -> Routes:
    """Through which product each asset and contract would be sold: as a liquidation finds them."""
    assets = config.liquidation.assets
    allowed = None if assets == "all" else frozenset(assets)
    return Routes(products, frozenset(config.positions.cash), allowed)


def books(account: Account, through: Routes, refusals: Mapping[str, str] = NONE) -> list[str]:
    """The books that have the prices of the holdings. `refusals`: why a product would refuse a
    sale.
    """
    refused = dict.fromkeys(refusals, 1)
    keys = [balance.currency for balance in account.balances]
    keys += [position.product_id for position in account.futures]
    products = [product for key in keys if (product := through.through(key, refused)) is not None]
    quotes = [f"{product.quote}-USD" for product in products if product.quote not in DOLLARS]
    listed = [name for name in quotes if name in through.products]
    return [*(product.book for product in products), *listed]


@with_money
def holdings(
    account: Account,
    through: Routes,
    bids: Mapping[str, Decimal],
    config: Config,
    refusals: Mapping[str, str] = NONE,
) -> list[Holding]:
    """Every position, the largest first. Cash is none, and of `keep` only the rest is one."""
    totals = {
        one.currency: one.available + one.hold
        for one in account.balances
        if one.available + one.hold > ZERO and one.currency not in config.positions.cash
    }
    held = [_above_keep(asset, total, config) for asset, total in totals.items()]
    for position in account.futures:
        contract = through.products.get(position.product_id)
        size = contract.contract_size if contract is not None else ONE
        quantity = position.contracts * size
        held.append(Held(key=position.product_id, quantity=quantity, free=quantity))
    kept = [one.key for one in held if not one.quantity and one.key in totals]
    rows = [Holding(asset=key, amount=ZERO, obstacle="kept, by [positions] keep") for key in kept]
    refused = dict.fromkeys(refusals, 1)
    prices = Prices(bids.get, lambda key: _usd(through.through(key, refused), bids))
    found = sales.holdings(held, through, prices, refused)
    return [_row(one, totals, refusals) for one in found] + sorted(rows, key=lambda row: row.asset)


def _above_keep(asset: str, total: Decimal, config: Config) -> Held:
    keep = config.positions.keep.get(asset, ZERO)
    above = ZERO if keep == "all" else max(ZERO, total - Decimal(keep))
    return Held(key=asset, quantity=above, free=above)  # every order would be cancelled first


def _usd(product: Product | None, bids: Mapping[str, Decimal]) -> Decimal | None:
    """The proceeds of one base unit at the bid, USD; None where no price leads to dollars."""
    bid = None if product is None else bids.get(product.book)
    if product is None or bid is None:
        return None
    rate = ONE if product.quote in DOLLARS else bids.get(f"{product.quote}-USD")
    return None if rate is None else bid * rate


def _row(one: sales.Holding, totals: Mapping[str, Decimal], refusals: Mapping[str, str]) -> Holding:
    product = one.product
    obstacle = one.obstacle
    if product is not None and not obstacle and product.product_id in refusals:
        obstacle = f"Coinbase would not take its sale: {refusals[product.product_id]}"
    if product is None and one.key not in totals:
        obstacle = "not in Coinbase's list of products"
    contract_size = product.contract_size if product is not None else ONE
    amount = one.quantity / contract_size
    notes = ["the rest is kept"] if one.quantity != totals.get(one.key, one.quantity) else []
    notes += [] if obstacle or product is None else _how(one, product)
    return Holding(
        asset=one.key,
        amount=amount,
        product_id=None if product is None else product.product_id,
        value=None if one.notional is None else abs(one.notional),
        obstacle=obstacle,
        note=", ".join(notes),
        order_size=min(one.size, _most(product)) if one.way == "market" else ZERO,
    )


def _most(product: Product | None) -> Decimal:
    """The largest order that it takes."""
    largest = None if product is None else product.base_max_size
    return largest or UNLIMITED


def _how(one: sales.Holding, product: Product) -> list[str]:
    """Notes on the way of selling it."""
    notes = [WAYS[one.way]] if one.way in WAYS else []
    if product.quote not in DOLLARS:
        notes.append(f"for {product.quote}")
    largest = product.base_max_size
    if largest is not None and one.size > largest:
        notes.append(f"in pieces of at most {largest:f}")
    return notes
