"""Edits as a bot proposes them: price and total size, as text, become the order that would follow. No I/O."""

from decimal import Decimal
from typing import Any

from sidecar.core.account.order_index import OrderIndex
from sidecar.core.account.working import WorkingOrder
from sidecar.core.vocabulary.events import EditProposed
from sidecar.core.vocabulary.money import ZERO, amount
from sidecar.core.vocabulary.orders import InvalidOrder, Order


def edited(ledger: OrderIndex, event: EditProposed) -> tuple[WorkingOrder, Order]:
    """The open order, and the one it would become. Raises InvalidOrder."""
    order_id, client_order_id = text_of(event.order_id), text_of(event.client_order_id)
    old = ledger.find(order_id) or ledger.find_client_id(client_order_id)
    if old is None or not old.is_open:
        raise InvalidOrder(
            [("INVALID_ORDER", "no open order has this order_id or client_order_id")]
        )
    faults: list[tuple[str, str]] = []
    price = _edit_amount("price", event.price, old.limit_price, faults)
    size = _edit_amount("size", event.size, old.size, faults)
    if size is not None and size <= old.filled:
        faults.append(
            ("INVALID_ORDER", f"size {size} is not above what is filled already, {old.filled}")
        )
    if price is None and not faults:
        faults.append(("INVALID_ORDER", "the order has no limit price to edit"))
    if faults:
        raise InvalidOrder(faults)
    return old, Order(
        client_order_id=old.client_order_id or old.order_id,
        product_id=old.product_id,
        side=old.side,
        kind="limit_limit_gtc" if old.stop_price is None else "stop_limit_stop_limit_gtc",
        base_size=size,
        limit_price=price,
        ceiling_price=price,
        stop_price=old.stop_price,
    )


def text_of(value: object) -> str:
    """An id as a bot gave it; a value that is no text names no order."""
    return value if isinstance(value, str) else ""


def _edit_amount(
    name: str, text: Any, unchanged: Decimal | None, faults: list[tuple[str, str]]
) -> Decimal | None:
    if text is None:
        return unchanged
    try:
        value = amount(text) if isinstance(text, str) else ZERO
    except ValueError as fault:
        faults.append(("INVALID_ORDER", f"{name}: {fault}"))
        return None
    if value <= ZERO:
        faults.append(
            ("INVALID_ORDER", f'{name}: a number above zero, as a string such as "0.1", is needed')
        )
    return value
