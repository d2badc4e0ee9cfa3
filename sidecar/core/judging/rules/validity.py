"""Is the order one at all, for a product that trades, on the exchange's grid? No I/O."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from sidecar.core.judging.candidate import UNLIMITED, Candidate, OnKey
from sidecar.core.judging.rules.rule import Doc, Gate, Measured, Row, ScopedLimit
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.money import ONE, ZERO, readable


def end_time(candidate: Candidate) -> Violation | None:
    ends = candidate.order.end_time
    if ends is None or ends > candidate.now:
        return None
    return Violation(
        "INVALID_ORDER", observed=ends.isoformat(), message="end_time has passed; send a later one"
    )


def product_allowed(candidate: Candidate) -> Violation | None:
    product, limits = candidate.order.product_id, candidate.limits
    asset, keep = candidate.product.base, candidate.tracker.wallets.keep
    if keep and candidate.is_buy and not candidate.is_future and keep.get(asset, ZERO) is None:
        text = f"all {asset} is kept: what is bought would never be counted, or sold"
        return Violation("PRODUCT_NOT_ALLOWED", observed=product, message=text)
    if product in limits.block_products:
        return Violation(
            "PRODUCT_NOT_ALLOWED",
            observed=product,
            message=f"{product} is on block_products; take it off to trade it",
        )
    if limits.allow_products is not None and product not in limits.allow_products:
        return Violation(
            "PRODUCT_NOT_ALLOWED",
            observed=product,
            message=f"{product} is not on allow_products; add it to trade it",
        )
    return None


def product_tradable(candidate: Candidate) -> Violation | None:
    product = candidate.product
    for flag in ("is_disabled", "trading_disabled", "view_only", "cancel_only"):
        if getattr(product, flag):
            return _untradable(candidate, flag, "takes no orders now")
    if product.session_open is False:
        return Violation(
            "PRODUCT_UNTRADABLE",
            observed="session closed",
            message=f"{product.product_id}: the futures session is closed; wait until it opens",
            clears_at=product.opens_at,
        )
    if candidate.order.is_market and (product.limit_only or product.auction_mode):
        flag = "limit_only" if product.limit_only else "auction_mode"
        return _untradable(candidate, flag, "takes no market orders now; send a limit order")
    if product.post_only and not candidate.order.post_only:
        return _untradable(candidate, "post_only", "takes post-only orders now; set post_only")
    return None


def _untradable(candidate: Candidate, flag: str, why: str) -> Violation:
    return Violation(
        "PRODUCT_UNTRADABLE",
        observed=flag,
        message=f"{candidate.product.product_id} ({flag}) {why}",
    )


def size_increment(candidate: Candidate) -> Violation | None:
    order, product = candidate.order, candidate.product
    size = order.base_size
    if size is None:
        size, increment = order.quote_size or ZERO, product.quote_increment
        return (
            _off_grid("SIZE_INCREMENT", "quote_size", size, increment) if size % increment else None
        )
    for each in order.sizes or (size,):
        if each % product.base_increment:
            return _off_grid("SIZE_INCREMENT", "size", each, product.base_increment)
    return None


def any_size(_check: Candidate) -> Decimal:
    return UNLIMITED


def price_increment(candidate: Candidate) -> Violation | None:
    order, increment = candidate.order, candidate.product.price_increment
    for price in order.prices or (order.limit_price, order.stop_price):
        if price is not None and price % increment:
            return _off_grid("PRICE_INCREMENT", "price", price, increment)
    return None


def _off_grid(code: str, what: str, value: Decimal, increment: Decimal) -> Violation:
    return Violation(
        code,
        limit=readable(increment),
        observed=readable(value),
        message=f"{what} {readable(value)} is not a multiple of {readable(increment)}; round it to one",
    )


def size_range(candidate: Candidate) -> Violation | None:
    order, product = candidate.order, candidate.product
    least, most = product.quote_min_size, product.quote_max_size
    if order.base_size is None:
        return _out_of_range("quote_size", order.quote_size or ZERO, least, most)
    for size in order.sizes or (order.base_size,):
        if found := _out_of_range("base_size", size, product.base_min_size, product.base_max_size):
            return found
    for worth in _worths(candidate, order.base_size):
        if found := _out_of_range("order value", worth, least, most):
            return found
    return None


def _worths(candidate: Candidate, base_size: Decimal) -> Sequence[Decimal]:
    """Coinbase's value of the order in quote currency; each of its rungs, where it has any."""
    order, unit = candidate.order, candidate.unit_worth
    if unit is None:
        return ()
    if not order.sizes:
        return (base_size * unit,)
    if len(order.sizes) != len(order.prices):
        return [size * unit for size in order.sizes]
    units = candidate.product.contract_size
    return [size * price * units for size, price in zip(order.sizes, order.prices, strict=True)]


def _out_of_range(what: str, size: Decimal, low: Decimal, high: Decimal | None) -> Violation | None:
    if size < low:
        return Violation(
            "SIZE_OUT_OF_RANGE",
            limit=readable(low),
            observed=readable(size),
            message=f"{what} {readable(size)} is below Coinbase's minimum {readable(low)}; send a larger one",
        )
    if high is not None and size > high:
        return Violation(
            "SIZE_OUT_OF_RANGE",
            limit=readable(high),
            observed=readable(size),
            message=f"{what} {readable(size)} is above Coinbase's maximum {readable(high)}; send a smaller one",
        )
    return None


def size_range_room(candidate: Candidate) -> Decimal:
    product, most = candidate.product, candidate.product.quote_max_size
    if candidate.order.quote_size is not None and most is not None and candidate.worth.base_size:
        return most * candidate.worth.base_size / candidate.order.quote_size
    largest, unit = product.base_max_size or UNLIMITED, candidate.unit_worth
    return largest if most is None or not unit else min(largest, most / unit)


def order_size(_check: OnKey, _bound: ScopedLimit) -> Row:
    return Row(base=ZERO, slope=ONE, of="whole")


RULES: Final = (
    Gate(
        code="INVALID_ORDER",
        judge=end_time,
        exempt_if_reducing=False,
        doc=Doc(
            "a number is zero, negative or not finite; no size or two; an unknown key; a bad side; "
            "`end_time` has passed",
        ),
    ),
    Gate(
        code="PRODUCT_NOT_ALLOWED",
        judge=product_allowed,
        exempt_if_reducing=True,
        doc=Doc(
            "the product is on `block_products`, or `allow_products` is set and does not hold it, or a buy is of an "
            "asset that is kept whole",
            key="allow_products",
        ),
    ),
    Gate(
        code="PRODUCT_UNTRADABLE",
        judge=product_tradable,
        applies=lambda _, product: product.is_restricted,
        exempt_if_reducing=False,
        doc=Doc(
            "Coinbase's flags forbid it: disabled, trading_disabled, view_only, cancel_only; "
            "limit_only or auction_mode "
            "with a market order; post_only without it; the futures session is closed"
        ),
    ),
    Gate(
        code="SIZE_INCREMENT",
        judge=size_increment,
        room=any_size,  # a size off the grid is floored to it
        exempt_if_reducing=False,
        doc=Doc(
            "base_size is not a multiple of base_increment, or quote_size of quote_increment",
            "a multiple passes",
        ),
    ),
    Gate(
        code="PRICE_INCREMENT",
        judge=price_increment,
        exempt_if_reducing=False,
        doc=Doc("a price is not a multiple of price_increment", "a multiple passes"),
    ),
    Gate(
        code="SIZE_OUT_OF_RANGE",
        judge=size_range,
        room=size_range_room,
        exempt_if_reducing=False,
        doc=Doc(
            "the size is outside Coinbase's minimum and maximum, or the order's worth (base size × limit price; at the "
            "market, × the price on the other side) outside `quote_min_size` and `quote_max_size`",
            "both ends pass",
        ),
    ),
    Measured(
        code="MIN_ORDER_SIZE",
        of_order=True,
        unit="size",
        limit="min_order_size",
        reads="limit",
        row=order_size,
        lowest=True,
        warns=False,
        text="order size {observed} is below {limit}",
        doc=Doc("base size < limit", "the limit passes"),
    ),
)
