"""How large is the order, and how large could positions become? No I/O.

All figures are worst cases with the order in them (contract, "Worst case"). The rooms solve the
same sums for the order's size: what a limit leaves after everything open and reserved.
"""

from decimal import Decimal
from typing import Final

from sidecar.core.judging.check import UNLIMITED, Check
from sidecar.core.judging.rules.rule import Bound, Doc, Measured
from sidecar.core.judging.rules.validity import order_size
from sidecar.core.vocabulary.money import ZERO


def order_size_room(check: Check, bound: Bound) -> Decimal:
    return bound.level / check.product.contract_size


def order_notional(check: Check, _bound: Bound) -> Decimal | None:
    return check.worth.notional


def order_notional_room(check: Check, bound: Bound) -> Decimal:
    unit = check.worth.unit_notional
    return bound.level / unit if unit else UNLIMITED


def position_size(check: Check, bound: Bound) -> Decimal | None:
    return bound.after(check).size


def limit_itself(_check: Check, bound: Bound) -> Decimal:
    return bound.level


def position_notional(check: Check, bound: Bound) -> Decimal | None:
    return bound.after(check).notional


def gross(check: Check, bound: Bound) -> Decimal | None:
    return bound.after(check).gross


def gross_room(check: Check, bound: Bound) -> Decimal:
    """What all other keys leave of the limit is this key's."""
    return bound.level - bound.after(check).others_gross


def net(check: Check, bound: Bound) -> Decimal | None:
    return bound.after(check).net


def net_room(check: Check, bound: Bound) -> Decimal:
    """Net exposure grows by the mark per unit on the order's side.

    The other side must keep the limit as it is.
    """
    after, limit, mark = bound.after(check), bound.level, check.mark
    mine, other = after.net_long, after.net_short
    if not check.is_buy:
        mine, other = -other, -mine
    if not mark or not -limit <= other <= limit:
        return UNLIMITED if not mark else ZERO
    if not (check.is_buy or check.product.is_future):
        return UNLIMITED if mine <= limit else ZERO  # spot cannot go below flat
    return check.order_units((limit - mine) / mark + check.quantity)


def concentration_room(check: Check, bound: Bound) -> Decimal:
    return bound.level * check.equity


def leverage_room(check: Check, bound: Bound) -> Decimal:
    return bound.level * check.equity - bound.after(check).others_gross


RULES: Final = (
    Measured(
        code="MAX_ORDER_SIZE",
        limit="max_order_size",
        measure=order_size,
        room=order_size_room,
        text="order size {observed} exceeds {limit}",
        doc=Doc("base size (contracts × contract size for futures) > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_ORDER_NOTIONAL",
        limit="max_order_notional",
        measure=order_notional,
        room=order_notional_room,
        text="order notional {observed} USD exceeds {limit} USD",
        doc=Doc(
            "size × price in USD > limit; a buy at its limit price, a sell at the larger of limit and mark",
            "the limit passes",
        ),
    ),
    Measured(
        code="MAX_POSITION_SIZE",
        per_key=True,
        limit="max_position_size",
        measure=position_size,
        room=limit_itself,
        room_in="size",
        text="position could reach {observed}; {limit} is allowed",
        doc=Doc("E of the key in base units > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_POSITION_NOTIONAL",
        per_key=True,
        limit="max_position_notional",
        measure=position_notional,
        room=limit_itself,
        room_in="notional",
        text="position could reach {observed} USD; {limit} USD is allowed",
        doc=Doc("E of the key at the mark > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_GROSS_EXPOSURE",
        limit="max_gross_exposure",
        measure=gross,
        room=gross_room,
        room_in="notional",
        text="gross exposure could reach {observed} USD; {limit} USD is allowed",
        doc=Doc("Σ E over all keys > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_NET_EXPOSURE",
        limit="max_net_exposure",
        measure=net,
        room=net_room,
        text="net exposure could reach {observed} USD; {limit} USD is allowed",
        doc=Doc("max(|Σ long|, |Σ short|) > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_CONCENTRATION",
        per_key=True,
        of_equity=True,
        limit="max_concentration",
        measure=position_notional,
        room=concentration_room,
        room_in="notional",
        text="position could reach {observed} of equity; {limit} is allowed",
        doc=Doc("E of the key ÷ equity > limit", "the limit passes; no equity breaks"),
    ),
    Measured(
        code="MAX_LEVERAGE",
        of_equity=True,
        limit="max_leverage",
        measure=gross,
        room=leverage_room,
        room_in="notional",
        text="gross exposure could reach {observed} times equity; {limit} is allowed",
        doc=Doc("gross exposure ÷ equity > limit", "the limit passes; no equity breaks"),
    ),
)
