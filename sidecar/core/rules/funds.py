"""Are the funds there? No I/O.

Spot buys bind quote currency with the fee on top, spot sells bind the coin; `keep` is never
available. Futures bind margin: Coinbase's buying power less the margin of what is reserved.

A hold that no known order explains is counted against adding orders. A reducing order passes: the
hold is most likely that of an order that has just ended, and an exit must not wait for a balance that
lags. Coinbase itself refuses what is not there; the wallet is read at once.
"""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.check import Check
from sidecar.core.decision import Violation
from sidecar.core.money import ONE, ZERO, readable
from sidecar.core.rules.rule import Doc, Gate
from sidecar.core.rules.waiting import in_the_way
from sidecar.core.working import Reservation


def spot_funds(check: Check) -> Violation | None:
    """What all orders and approvals leave, holds that none explains set aside."""
    needed, free, unexplained = _spot(check)
    most = None if free is None else free + unexplained
    check.funds = (check.worth.unit_hold, most)
    if needed is None:
        return None  # no price: STALE_MARKET_DATA refuses, or the order is a reducing one
    if free is None or most is None:
        return _unknown(needed, check.worth.hold_currency)
    if needed <= most:
        return None
    return _lacking(check, needed, free if check.is_buy else most, check.worth.hold_currency)


def unexplained_hold(check: Check) -> Violation | None:
    """What a hold that no known order explains leaves."""
    needed, free, unexplained = _spot(check)
    check.funds = (check.worth.unit_hold, free)
    if needed is None or free is None or not free < needed <= free + unexplained:
        return None
    currency = check.worth.hold_currency
    found = _lacking(check, needed, free, currency)
    text = f"; Coinbase holds {readable(unexplained)} {currency} for no order that is known"
    return replace(found, message=found.message + text)


def _spot(check: Check) -> tuple[Decimal | None, Decimal | None, Decimal]:
    """What the order needs, what is free for it, and what Coinbase holds for no order that is known."""
    wallet = check.tracker.wallets.by_currency.get(check.worth.hold_currency)
    needed, replaced, free, unexplained = check.worth.hold, check.replaced, None, ZERO
    if wallet is not None:
        free = wallet.free
        if wallet.keep is not None:
            unexplained = wallet.foreign_hold
    if replaced is not None:
        free = None if free is None else free + replaced.hold
        needed = (check.worth.unit_hold or ZERO) * check.open_size  # an edit always has a price
    return needed, free, unexplained


def margin(check: Check) -> Violation | None:
    """Coinbase's worst stated margin rate, or the whole notional where it states none."""
    futures, notional = check.tracker.balances.futures, check.worth.unit_notional
    unit = None if notional is None else notional * (check.product.margin_rate or ONE)
    bound = check.tracker.orders.margin_reserved + check.tracker.orders.margin_seen
    free = None if futures is None else futures.buying_power - bound
    check.funds = (unit, free)
    if unit is None:
        return None  # no price: as for spot
    needed = unit * check.open_size
    if free is None:
        return _unknown(needed, "USD margin")
    return None if needed <= free else _lacking(check, needed, free, "USD margin")


def _unknown(needed: Decimal, currency: str) -> Violation:
    """An unknown balance is not an empty rule."""
    text = f"no {currency} balance is known; read or set it first"
    return Violation("INSUFFICIENT_FUNDS", observed=readable(needed), message=text)


def _lacking(check: Check, needed: Decimal, free: Decimal, currency: str) -> Violation:
    """Refused: what is free, and the approvals that are in the way of more."""
    hold_currency = check.worth.hold_currency

    def bound(held: Reservation) -> Decimal:
        return held.hold if held.hold_currency == hold_currency else ZERO

    waits = in_the_way(check, needed - free, bound)
    text = (
        f"{readable(needed)} {currency} needed, {readable(free)} free after holds, reservations and "
        f"keep{'' if waits is None else waits.text}"
    )
    return Violation(
        "INSUFFICIENT_FUNDS",
        limit=readable(free),
        observed=readable(needed),
        message=text,
        clears_at=None if waits is None else waits.clears_at,
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
            "free of the coin), after the holds of known orders, reservations and `keep`; sized in quote "
            "currency: quote_size × (1 + fee), at the market quote_size",
            "exactly what is free passes",
        ),
    ),
    Gate(
        code="INSUFFICIENT_FUNDS",
        judge=unexplained_hold,
        room=room,
        applies=lambda _, product: not product.is_future,
        exempt=True,  # with a warning
        warns=True,
        doc=Doc(
            "spot: the same, after what Coinbase holds for no order that is known; a reducing order passes "
            "with a warning, and the wallet is read at once",
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
