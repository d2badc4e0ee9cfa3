"""Are the funds there? No I/O.

Spot buys bind quote currency with the fee on top, spot sells bind the coin; `keep` is never
available. Futures bind margin: Coinbase's buying power less the margin of what is reserved.
"""

from decimal import Decimal
from typing import Final

from sidecar.core.check import Check
from sidecar.core.decision import Violation
from sidecar.core.money import ONE, ZERO, readable
from sidecar.core.rules.rule import Doc, Gate


def spot_funds(check: Check) -> Violation | None:
    wallet = check.tracker.wallets.by_currency.get(check.worth.hold_currency)
    free = None if wallet is None else wallet.free
    if free is not None and check.replaced is not None:
        free += check.replaced.hold
    needed = check.worth.hold
    if needed is not None and check.replaced is not None:
        needed = (check.worth.unit_hold or ZERO) * check.open_size
    check.funds = (check.worth.unit_hold, free)
    return _compared(needed, free, check.worth.hold_currency)


def margin(check: Check) -> Violation | None:
    """Coinbase's worst stated margin rate, or the whole notional where it states none."""
    futures, notional = check.tracker.balances.futures, check.worth.unit_notional
    unit = None if notional is None else notional * (check.product.margin_rate or ONE)
    bound = check.tracker.orders.margin_reserved + check.tracker.orders.margin_seen
    free = None if futures is None else futures.buying_power - bound
    check.funds = (unit, free)
    return _compared(None if unit is None else unit * check.open_size, free, "USD margin")


def _compared(needed: Decimal | None, free: Decimal | None, currency: str) -> Violation | None:
    if needed is None:
        return None  # no price: STALE_MARKET_DATA refuses, or the order is a reducing one
    if free is None:
        text = f"no {currency} balance is known; read or set it first"
        return Violation("INSUFFICIENT_FUNDS", observed=readable(needed), message=text)
    if needed <= free:
        return None
    text = f"{readable(needed)} {currency} needed, {readable(free)} free after holds, reservations and keep"
    return Violation(
        "INSUFFICIENT_FUNDS", limit=readable(free), observed=readable(needed), message=text
    )


def room(check: Check) -> Decimal | None:
    unit, free = check.funds  # as the judge has just worked out
    if not unit:
        return None
    if free is None or free <= ZERO:
        return ZERO
    size = free if unit is ONE else free / unit
    return size if check.replaced is None else size + check.replaced.filled


RULES: Final = (
    Gate(
        code="INSUFFICIENT_FUNDS",
        judge=spot_funds,
        room=room,
        applies=lambda _, product: not product.is_future,
        exempt=False,
        doc=Doc(
            "spot: size × price × (1 + fee) > what is free of the quote wallet (sell: size > what is "
            "free of the coin), after holds, reservations and `keep`",
            "exactly what is free passes",
        ),
    ),
    Gate(
        code="INSUFFICIENT_FUNDS",
        judge=margin,
        room=room,
        applies=lambda _, product: product.is_future,
        exempt=True,  # closing a future frees margin
        doc=Doc(
            "futures: margin > Coinbase's buying power, less the margin of what is reserved",
            "exactly what is free passes",
        ),
    ),
)
