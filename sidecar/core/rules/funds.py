"""Are the funds there? No I/O.

Spot buys bind quote currency with the fee on top, spot sells bind the coin; `keep` is never
available. Futures bind margin: Coinbase's buying power less the margin of what is reserved.
"""

from decimal import Decimal
from typing import Final

from sidecar.core.check import UNLIMITED, Check
from sidecar.core.decision import Violation
from sidecar.core.money import ONE, ZERO, plain
from sidecar.core.rules.rule import Doc, Gate


def sufficient(check: Check) -> Violation | None:
    needed, free, currency = _needed(check), _free(check), check.worth.hold_currency or "USD margin"
    if needed is None:
        return None  # no price: STALE_MARKET_DATA refuses, or the order is a reducing one
    if free is None:
        return Violation(
            "INSUFFICIENT_FUNDS",
            observed=plain(needed),
            message=f"no {currency} balance is known; read or set it first",
        )
    if needed <= free:
        return None
    return Violation(
        "INSUFFICIENT_FUNDS",
        limit=plain(free),
        observed=plain(needed),
        message=f"{plain(needed)} {currency} needed, {plain(free)} free after holds, reservations and keep",
    )


def room(check: Check) -> Decimal | None:
    unit, free = _unit(check), _free(check)
    if unit is None or not unit:
        return None
    if free is None or free <= ZERO:
        return ZERO
    room = free if unit == ONE else free / unit
    return room if check.replaced is None else room + check.replaced.filled


def _unit(check: Check) -> Decimal | None:
    """Funds that one order unit binds."""
    if not check.product.is_future:
        return check.worth.unit_hold
    if check.reducing:
        return ZERO
    notional = check.worth.unit_notional
    return None if notional is None else notional * _margin_rate(check)


def _needed(check: Check) -> Decimal | None:
    unit = _unit(check)
    return None if unit is None else unit * check.open_size


def _free(check: Check) -> Decimal | None:
    if check.product.is_future:
        return UNLIMITED if check.reducing else _free_margin(check)
    free = check.tracker.wallets.free(check.worth.hold_currency)
    if (
        free is not None
        and check.replaced is not None
        and check.replaced.hold_currency == check.worth.hold_currency
    ):
        free += check.replaced.hold
    return free


def _margin_rate(check: Check) -> Decimal:
    """Coinbase's worst stated margin rate; the whole notional where it states none."""
    return check.product.margin_rate or ONE


def _free_margin(check: Check) -> Decimal | None:
    futures = check.tracker.balances.futures
    if futures is None:
        return None
    return futures.buying_power - check.tracker.orders.margin_reserved


RULES: Final = (
    Gate(
        code="INSUFFICIENT_FUNDS",
        judge=sufficient,
        room=room,
        exempt=False,
        doc=Doc(
            "size × price × (1 + fee) > what is free of the quote wallet (sell: size > what is free of the coin; "
            "futures: margin > buying power), after holds, reservations and `keep`",
            "exactly what is free passes",
        ),
    ),
)
