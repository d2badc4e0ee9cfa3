"""Held: the quantities that a flattening may count on, where the books and Coinbase's balances may
both lag. No I/O.

Held is the larger of the two quantities: a key is flat when both say so. Free is the smaller: a
quantity that both call free is not sold twice, whichever of them has not seen the last sale yet.
`keep` is never part of it.
"""

from collections.abc import Iterator
from decimal import Decimal

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.reconciliation import SETTLE
from sidecar.core.account.wallets import OWN_SALE_SHOWS_WITHIN, Wallet
from sidecar.core.liquidation.liquidator_memory import LiquidatorMemory
from sidecar.core.liquidation.sales import Held
from sidecar.core.vocabulary.money import ZERO


def held(tracker: PositionTracker, memory: LiquidatorMemory) -> Iterator[Held]:
    """Every asset and contract held, by the books or by Coinbase."""
    cash = tracker.books.cash
    for currency in sorted(tracker.wallets.by_currency):
        if currency not in cash:
            yield _asset(currency, tracker, memory)
    lines = tracker.account.lines
    futures = {key for key, line in lines.items() if line.is_future}
    stated = memory.contracts or {}
    for key in sorted(futures | stated.keys()):
        if key in tracker.products:
            yield _contract(key, tracker, memory)
        else:
            yield Held(key=key, quantity=stated.get(key, ZERO), free=ZERO, is_listed=False)


def _asset(currency: str, tracker: PositionTracker, memory: LiquidatorMemory) -> Held:
    wallet = tracker.wallets.by_currency[currency]
    booked, keep = wallet.position, wallet.keep
    read = memory.balances.get(currency)
    if keep is None:
        return Held(key=currency, quantity=ZERO, free=ZERO)
    if read is None:
        return Held(key=currency, quantity=booked, free=min(booked, wallet.free))
    stated = max(ZERO, read.available + read.hold - keep)
    free = min(booked, stated, read.available)
    if not tracker.books.is_open and _may_lag(wallet, memory):
        free = ZERO  # the books only repeat the reading
    return Held(key=currency, quantity=max(booked, stated) if booked >= ZERO else booked, free=free)


def _may_lag(wallet: Wallet, memory: LiquidatorMemory) -> bool:
    moved, read, sold = wallet.agreement.active_at, memory.balances_at, wallet.own_sale_at
    if moved is None or read is None:
        return False
    return read < moved + SETTLE or (sold is not None and read < sold + OWN_SALE_SHOWS_WITHIN)


def _contract(key: str, tracker: PositionTracker, memory: LiquidatorMemory) -> Held:
    line, product = tracker.account.lines.get(key), tracker.products[key]
    booked = ZERO if line is None else line.position.quantity
    if memory.contracts is None:
        return Held(key=key, quantity=booked, free=booked)
    stated = memory.contracts.get(key, ZERO) * product.contract_size
    free = ZERO if booked * stated <= ZERO else _smaller(booked, stated)
    return Held(key=key, quantity=booked + stated - _smaller(booked, stated), free=free)


def _smaller(one: Decimal, other: Decimal) -> Decimal:
    return one if abs(one) <= abs(other) else other
