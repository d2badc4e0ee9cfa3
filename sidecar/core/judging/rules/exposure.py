"""How large is the order, and how large could positions become? No I/O.

All figures are worst cases with the order in them, after all that is open and reserved (contract, "Worst case"):
lines in the order's size, with the other side of the book as their floor.
"""

from decimal import Decimal
from typing import Final

from sidecar.core.judging.candidate import OnKey, PostTradeExposure
from sidecar.core.judging.rules.rule import Doc, Measured, Row, ScopedLimit
from sidecar.core.judging.rules.validity import order_size
from sidecar.core.vocabulary.money import ONE, ZERO


def order_notional(_check: OnKey, _bound: ScopedLimit) -> Row:
    return Row(base=ZERO, slope=ONE, of="worth")


def position_size(candidate: OnKey, bound: ScopedLimit) -> Row:
    """The order takes its own side from `held`; the other side stays as it is. Spot cannot be sold short, so selling
    it only lowers the worst case.
    """
    after = bound.after(candidate)
    if not (candidate.is_buy or candidate.is_future):
        return Row(base=after.other)
    return Row(base=after.held, slope=ONE, floor=after.other, fold=ZERO)


def position_notional(candidate: OnKey, bound: ScopedLimit) -> Row:
    return _at_mark(candidate, bound.after(candidate), ZERO)


def gross(candidate: OnKey, bound: ScopedLimit) -> Row:
    return gross_of(candidate, bound.after(candidate))


def gross_of(candidate: OnKey, after: PostTradeExposure) -> Row:
    """The worth of all other keys, and this key's worst case, in one book."""
    return _at_mark(candidate, after, after.others_gross)


def _at_mark(candidate: OnKey, after: PostTradeExposure, others: Decimal) -> Row:
    mark = candidate.mark or ZERO
    floor = others + after.other * mark
    if not (candidate.is_buy or candidate.is_future):
        return Row(base=floor)
    return Row(base=others + after.held * mark, slope=mark, floor=floor, fold=2 * others)


def net(candidate: OnKey, bound: ScopedLimit) -> Row:
    """The order moves its own side of the account's net exposure by its worth at the mark; the other side stays as
    it is. Selling spot stops at flat.
    """
    after, mark = bound.after(candidate), candidate.mark or ZERO
    moved = mark * candidate.quantity
    if candidate.is_buy:
        return Row(base=after.net_long - moved, slope=mark, floor=abs(after.net_short), fold=ZERO)
    if candidate.is_future:
        return Row(base=-after.net_short - moved, slope=mark, floor=abs(after.net_long))
    flat = -after.net_short_of_others
    return Row(base=flat - after.sold_from * mark, slope=mark, floor=abs(after.net_long), cap=flat)


RULES: Final = (
    Measured(
        code="MAX_ORDER_SIZE",
        of_order=True,
        unit="size",
        limit="max_order_size",
        reads="limit",
        row=order_size,
        text="order size {observed} exceeds {limit}",
        doc=Doc("base size (contracts × contract size for futures) > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_ORDER_NOTIONAL",
        of_order=True,
        unit="usd",
        limit="max_order_notional",
        reads="limit",
        row=order_notional,
        text="order notional {observed} exceeds {limit}",
        doc=Doc(
            "size × price in USD > limit; a buy at its limit price, a sell at the larger of limit and mark",
            "the limit passes",
        ),
    ),
    Measured(
        code="MAX_POSITION_SIZE",
        per_key=True,
        unit="size",
        limit="max_position_size",
        reads="side",
        row=position_size,
        text="position could reach {observed}; {limit} is allowed",
        doc=Doc("E of the key in base units > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_POSITION_NOTIONAL",
        per_key=True,
        unit="usd",
        limit="max_position_notional",
        reads="side",
        row=position_notional,
        text="position could reach {observed}; {limit} is allowed",
        doc=Doc("E of the key at the mark > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_GROSS_EXPOSURE",
        unit="usd",
        limit="max_gross_exposure",
        reads="side",
        row=gross,
        text="gross exposure could reach {observed}; {limit} is allowed",
        doc=Doc("Σ E over all keys > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_NET_EXPOSURE",
        unit="usd",
        limit="max_net_exposure",
        reads="side",
        row=net,
        text="net exposure could reach {observed}; {limit} is allowed",
        doc=Doc("max(|Σ long|, |Σ short|) > limit", "the limit passes"),
    ),
    Measured(
        code="MAX_CONCENTRATION",
        per_key=True,
        of_equity=True,
        unit="share",
        limit="max_concentration",
        reads="side",
        row=position_notional,
        text="position could reach {observed} of equity; {limit} is allowed",
        doc=Doc("E of the key ÷ equity > limit", "the limit passes; no equity breaks"),
    ),
    Measured(
        code="MAX_LEVERAGE",
        of_equity=True,
        unit="times",
        limit="max_leverage",
        reads="side",
        row=gross,
        text="gross exposure could reach {observed} equity; {limit} is allowed",
        doc=Doc("gross exposure ÷ equity > limit", "the limit passes; no equity breaks"),
    ),
)
