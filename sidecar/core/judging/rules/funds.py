"""Are the funds there? No I/O.

Spot buys bind quote currency with the fee on top, spot sells bind the coin; `keep` is never
available. Futures bind margin: Coinbase's buying power less the margin of reservations.

A hold that no known order explains is counted against adding orders, and so is the difference between
Coinbase and the books. A reducing order passes: the hold is most likely that of an order that has just ended,
and an exit must not wait for a balance that lags. Coinbase itself refuses to sell more than
there is; the wallet is read at once.
"""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.account.reservation import Reservation
from sidecar.core.judging.candidate import Candidate
from sidecar.core.judging.rules.rule import Doc, Gate
from sidecar.core.judging.rules.waiting import in_the_way
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.money import ONE, ZERO, readable
from sidecar.core.vocabulary.wording import in_words

MARGIN: Final = "USD margin"  # the currency of a future's funds, in messages
DOLLARS: Final = frozenset({"USD", "USDC", MARGIN})  # told to the cent


def spot_funds(candidate: Candidate) -> Violation | None:
    """The rest beside all orders and approvals, holds that none explains set aside."""
    worth, replaced = candidate.worth, candidate.replaced
    wallet = candidate.tracker.wallets.by_currency.get(worth.hold_currency)
    needed, free, unexplained = worth.hold, None, ZERO
    if wallet is not None:
        free = wallet.free
        unexplained = ZERO if wallet.keep is None else wallet.foreign_hold + abs(wallet.doubted)
    if replaced is not None:
        free = None if free is None else free + replaced.hold
        needed = (worth.unit_hold or ZERO) * candidate.open_size  # an edit always has a price
    candidate.funds = (needed, worth.unit_hold, free, unexplained)
    if needed is None:
        return None  # no price: STALE_MARKET_DATA refuses, or the order is reducing
    if free is None:
        return _unknown(needed, worth.hold_currency)
    if needed <= free + unexplained:
        return None
    return _lacking(candidate, needed, free if candidate.is_buy else free + unexplained)


def unexplained_hold(candidate: Candidate) -> Violation | None:
    """The rest beside a hold that no known order explains: asked after `spot_funds`."""
    needed, _, free, unexplained = candidate.funds
    if not unexplained or needed is None or free is None or not free < needed <= free + unexplained:
        return None
    currency, found = candidate.worth.hold_currency, _lacking(candidate, needed, free)
    wallet = candidate.tracker.wallets.get(currency)
    text = f"; Coinbase holds {readable(wallet.foreign_hold)} {currency} for no order that is known"
    if wallet.doubted:
        text = f"; of {readable(abs(wallet.doubted))} {currency} Coinbase and the books differ"
    return replace(found, message=found.message + text)


def margin(candidate: Candidate) -> Violation | None:
    """Coinbase's worst stated margin rate, or the whole notional where it states none."""
    futures, notional = candidate.tracker.balances.futures, candidate.worth.unit_notional
    unit = None if notional is None else notional * (candidate.product.margin_rate or ONE)
    bound = candidate.tracker.orders.margin_reserved + candidate.tracker.orders.margin_seen
    free = None if futures is None else futures.buying_power - bound
    needed = None if unit is None else unit * candidate.open_size
    candidate.funds = (needed, unit, free, ZERO)
    if needed is None:
        return None  # no price: as for spot
    if free is None:
        return _unknown(needed, MARGIN)
    return None if needed <= free else _lacking(candidate, needed, free)


def _unknown(needed: Decimal, currency: str) -> Violation:
    """An unknown balance is not an empty rule."""
    text = f"no {currency} balance is known; read or set it first"
    return Violation("INSUFFICIENT_FUNDS", observed=readable(needed), message=text)


def _lacking(candidate: Candidate, needed: Decimal, free: Decimal) -> Violation:
    """Refused: the free funds, and the approvals that are in the way of more."""
    hold_currency = candidate.worth.hold_currency

    def bound(held: Reservation) -> Decimal:
        return held.hold if held.hold_currency == hold_currency else ZERO

    waits = in_the_way(candidate, needed - free, bound)
    currency, left = hold_currency or MARGIN, max(ZERO, free)
    wanted, rest = readable(needed), readable(left)
    if currency in DOLLARS:
        rest = in_words(left, "usd", needed).removesuffix(" USD")
        wanted = in_words(needed, "usd", left).removesuffix(" USD")
    text = (
        f"{wanted} {currency} needed, {rest} free after holds, reservations and "
        f"keep{'' if waits is None else waits.text}"
    )
    return Violation(
        "INSUFFICIENT_FUNDS",
        limit=readable(free),
        observed=readable(needed),
        message=text,
        clears_at=None if waits is None else waits.clears_at,
    )


def room(candidate: Candidate) -> Decimal | None:
    _, unit, free, unexplained = candidate.funds  # as the judge has just worked out
    return _size_of(candidate, unit, None if free is None else free + unexplained)


def room_beside_holds(candidate: Candidate) -> Decimal | None:
    _, unit, free, unexplained = candidate.funds
    return _size_of(candidate, unit, free) if unexplained else None


def _size_of(candidate: Candidate, unit: Decimal | None, free: Decimal | None) -> Decimal | None:
    if not unit:
        return None
    if free is None or free <= ZERO:
        return ZERO
    size = free if unit is ONE else free / unit
    return size if candidate.replaced is None else size + candidate.replaced.filled


RULES: Final = (
    Gate(
        code="INSUFFICIENT_FUNDS",
        judge=spot_funds,
        room=room,
        applies=lambda _, product: not product.is_future,
        exempt_if_reducing=False,
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
        room=room_beside_holds,
        applies=lambda _, product: not product.is_future,
        exempt_if_reducing=True,  # with a warning
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
        exempt_if_reducing=True,  # closing a future frees margin
        doc=Doc(
            "futures: margin > Coinbase's buying power, less the margin of what is reserved",
            "exactly what is free passes",
        ),
    ),
)
