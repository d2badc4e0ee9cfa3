"""The order that nearly every bot sends, a resting limit order and no more, read in half the time. No I/O."""

from typing import Any

from sidecar.core.vocabulary.money import ZERO, amount
from sidecar.core.vocabulary.order_body import PLAIN_DECODER
from sidecar.core.vocabulary.orders import Order


def plain_order(body: Any) -> Order | None:
    """A resting limit order as most bots write it; None for any other body, right or wrong."""
    if type(body) is not bytes and type(body) is not str:
        return None
    try:
        read = PLAIN_DECODER.decode(body)
        given = read.order_configuration.limit_limit_gtc
        size, price = amount(given.base_size), amount(given.limit_price)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors, and so is bad UTF-8
        return None
    name, product_id = read.client_order_id, read.product_id
    if size <= ZERO or price <= ZERO or not (name.isprintable() and product_id.isprintable()):
        return None
    return Order(
        name,
        product_id,
        read.side,
        "limit_limit_gtc",
        base_size=size,
        limit_price=price,
        ceiling_price=price,
        post_only=given.post_only,
    )
