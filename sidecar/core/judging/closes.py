"""A proposed `close_position` becomes the order that would follow: its side and size are the position's. No I/O.

Source: Coinbase Advanced Trade API, "Close Position": a market order against a futures position, of a
number of contracts or of all of them.
"""

from decimal import Decimal

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.judging.edits import text_of
from sidecar.core.vocabulary.events import CloseProposed
from sidecar.core.vocabulary.money import ZERO, amount, readable
from sidecar.core.vocabulary.orders import BUY, SELL, InvalidOrder, Order


def closing_order(tracker: PositionTracker, event: CloseProposed) -> Order:
    """The order that Coinbase would make of it now. Raises InvalidOrder."""
    product_id = text_of(event.product_id)
    product = tracker.products.get(product_id)
    if product is not None and not product.is_future:
        text = f"{product_id}: close_position is for futures; sell it by an order"
        raise InvalidOrder([("INVALID_ORDER", text)])
    line = None if product is None else tracker.account.lines.get(product.key)
    held = ZERO if line is None else line.position.quantity
    contracts = ZERO if product is None else abs(held) / product.contract_size
    if product is not None and not contracts:
        raise InvalidOrder([("INVALID_ORDER", f"no position of {product_id} is open")])
    return Order(
        client_order_id=text_of(event.client_order_id),
        product_id=product_id,
        side=SELL if held > ZERO else BUY,
        kind="market_market_ioc",
        base_size=_size(event.size, contracts) if contracts else amount("1"),
    )


def _size(given: object, contracts: Decimal) -> Decimal:
    """So many contracts; all of them where none are named."""
    if given is None or given == "":
        return contracts
    try:
        size = amount(text_of(given))
    except ValueError as fault:
        raise InvalidOrder([("INVALID_ORDER", f"size: {fault}")]) from None
    if not ZERO < size <= contracts:
        text = f"size: {readable(size)} is not above zero and at most the {readable(contracts)} contracts held"
        raise InvalidOrder([("INVALID_ORDER", text)])
    return size
