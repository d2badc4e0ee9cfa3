"""`/paper/…`, which no real exchange has: faults, and money that moves when it is told to. No I/O.

Needs no key: the service listens on loopback only, and the calls here move play money.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeVar

from msgspec import Struct

from sidecar.core.vocabulary.money import ONE, plain
from sidecar.paper.service.call import Call, decimal_of
from sidecar.paper.service.faults import remaining
from sidecar.paper.service.world import World
from sidecar.paper.venue.treasury import Declined, TransferKind, Wallet
from sidecar.paper.wire.errors import invalid, not_found
from sidecar.paper.wire.text import Row

CURRENCY: Final = re.compile(r"[A-Z0-9]{1,20}", re.ASCII)

T = TypeVar("T")


def get_faults(world: World, _call: Call) -> Row:
    """`GET /paper/faults`: the faults still to come."""
    return dict(remaining(world.exchange.behaviour, world.faults.now))


def set_faults(world: World, call: Call) -> Row:
    """`POST /paper/faults`: change some switches."""
    call.read(dict[str, Any])
    try:
        world.set_faults(call.row())
    except ValueError as error:
        raise invalid(str(error)) from None
    return get_faults(world, call)


def clear_faults(world: World, call: Call) -> Row:
    """`DELETE /paper/faults`: end all faults."""
    world.clear_faults()
    return get_faults(world, call)


# ------------------------------------------------------------------------------------------- money


class TransferOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /paper/transfer`."""

    kind: TransferKind
    currency: str
    amount: str


class SweepOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /paper/sweep`; without an amount, all that is free."""

    to: Wallet
    amount: str | None = None


class FundingOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /paper/funding`: an amount in USD (negative: the account pays), or a ratio
    of the position's value (positive: longs pay).
    """

    product_id: str
    amount: str | None = None
    rate: str | None = None


def transfer(world: World, call: Call) -> Row:
    """`POST /paper/transfer`: money comes in or leaves, without an order. The wallet after it."""
    order, exchange = call.read(TransferOrder), world.exchange
    if not CURRENCY.fullmatch(order.currency):
        raise invalid("currency is written as Coinbase does, in capitals: BTC")
    amount = _positive("amount", order.amount)
    _act(world, call, lambda: exchange.treasury.transfer(order.kind, order.currency, amount))
    return {
        "kind": order.kind,
        "currency": order.currency,
        "amount": plain(amount),
        "available": plain(exchange.accounts.available(order.currency)),
        "held": plain(exchange.accounts.held(order.currency)),
    }


def sweep(world: World, call: Call) -> Row:
    """`POST /paper/sweep`: dollars move between the spot and the futures wallet, at once."""
    if not world.config.futures:
        raise not_found("futures account not found")
    order, treasury = call.read(SweepOrder), world.exchange.treasury
    amount = _positive("amount", order.amount) if order.amount is not None else None
    moved = _act(world, call, lambda: treasury.sweep(order.to, amount))
    return {"to": order.to, "amount": plain(moved), **_wallets(world)}


def funding(world: World, call: Call) -> Row:
    """`POST /paper/funding`: funding of a contract falls due now, and goes the configured way."""
    order, treasury = call.read(FundingOrder), world.exchange.treasury
    listing = world.exchange.listings.get(order.product_id)
    if listing is None or listing.contract is None:
        raise not_found(f"{order.product_id[:40]} is no future")
    if (order.amount is None) == (order.rate is None):
        raise invalid("amount and rate exclude each other; give one")
    amount = _small("amount", order.amount, None)
    rate = _small("rate", order.rate, ONE)
    paid = _act(
        world,
        call,
        lambda: treasury.fund(order.product_id, world.exchange.now, amount=amount, rate=rate),
    )
    return {"product_id": order.product_id, "amount": plain(paid), **_wallets(world)}


def _act(world: World, call: Call, deed: Callable[[], T]) -> T:
    """Move money now. Raises Failed with status 400, naming the money there is."""
    try:
        return world.exchange.act(deed, call.now)
    except Declined as declined:
        raise invalid(str(declined)) from None


def _wallets(world: World) -> Row:
    """The dollars of both wallets and the funding that is told, as the balance summary has them."""
    margin = world.exchange.engine.margin()
    return {
        "cbi_usd_balance": plain(margin.spot_total),
        "cfm_usd_balance": plain(margin.futures_cash),
        "funding_pnl": plain(margin.funding),
    }


def _positive(name: str, text: str) -> Decimal:
    value = decimal_of(name, text)
    if value <= 0:
        raise invalid(f"{name} must be above 0")
    return value


def _small(name: str, text: str | None, most: Decimal | None) -> Decimal | None:
    """A number of either sign, within `most`."""
    if text is None:
        return None
    value = decimal_of(name, text)
    if most is not None and abs(value) > most:
        raise invalid(f"{name} is a ratio; 0.0001 is one basis point of the position's value")
    return value
