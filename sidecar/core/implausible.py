"""Implausible reports: what a frame says of an order that can hardly be so. No I/O.

One slip of a feed must not sell an account: a fee, or a fill, beyond these bounds is read over REST before it
counts (report_watch.py). What was counted already is not looked at again: of a report, only what is new.
"""

from decimal import Decimal
from typing import Final

from sidecar.core.books import Books
from sidecar.core.events import OrderReported
from sidecar.core.money import ONE, ZERO, readable
from sidecar.core.order_ledger import OrderLedger
from sidecar.core.orders import BUY
from sidecar.core.products import Product
from sidecar.core.working import Reservation, WorkingOrder

# Coinbase's dearest tier takes 1.2 % (2026); a small order's fee may be rounded up.
FEE_SHARE_MAX: Final = Decimal("0.05")
FEE_BESIDE_USD: Final = ONE
# A fill's distance from the newest quote: beyond what a market order may slip (contract, section 4).
DISTANCE_MAX: Final = Decimal("0.20")
# An average price is rounded: what it says of a single fill is known to so much of the whole value.
ROUNDING: Final = Decimal("1E-6")


def implausible(report: OrderReported, ledger: OrderLedger, books: Books) -> str:
    """What is implausible about it, in words; empty where nothing is, or its product is not known."""
    product = books.products.get(report.product_id)
    if product is None:
        return ""
    order = ledger.find(report.order_id)
    approval = None if order is not None else ledger.reservations.get(report.client_order_id)
    if approval is not None and approval.order.side != report.side:
        approval = None
    known_fees = ZERO if order is None else order.reported.fees.get(product.quote, ZERO)
    known = ZERO if order is None else max(order.reported.quantity, order.listed.quantity)
    if report.filled > known:
        found = _size(report, order, approval) or _price(report, order, approval, product, books)
        if found:
            return found
    return _fee(report, product, books) if abs(report.fees) > abs(known_fees) else ""


def _size(report: OrderReported, order: WorkingOrder | None, approval: Reservation | None) -> str:
    """Filled beyond its size, where that was told in base units."""
    sizes = [] if approval is None else [approval.order.base_size]
    if order is not None:
        sizes += [terms.size for terms in order.terms if terms.quote_size is None]
        if order.is_named and order.limit_price is not None:
            sizes.append(order.size)
    size = max((one for one in sizes if one), default=None)
    if size is None or report.filled <= size:
        return ""
    return f"it has filled {readable(report.filled)}, and its size is {readable(size)}"


def _price(
    report: OrderReported,
    order: WorkingOrder | None,
    approval: Reservation | None,
    product: Product,
    books: Books,
) -> str:
    """What has filled since the last report, at a price worse than its limit, or far from the newest quote."""
    known, value = ZERO, report.filled * report.average_price
    if not value:
        return ""  # a sparse frame
    tolerance, limit = value * ROUNDING, report.limit_price
    has_stop = bool(report.stop_price) or report.is_stop
    if order is not None:
        counted = max(order.reported, order.listed, key=lambda tally: tally.quantity)
        known, value = counted.quantity, value - counted.value
        limit = limit or order.limit_price
        has_stop = has_stop or order.is_stop or order.stop_price is not None
    elif approval is not None:
        limit = limit or approval.order.limit_price
        has_stop = has_stop or approval.order.stop_price is not None
    quantity = report.filled - known
    price = value / quantity
    if limit and not has_stop:  # a bracket's stop sells below its limit
        beyond = value - limit * quantity if report.side == BUY else limit * quantity - value
        if beyond > tolerance:
            return f"it has filled at {readable(price)}, worse than its limit of {readable(limit)}"
    quote = books.marks.newest.get(product.book) or books.marks.quotes.get(product.book)
    if quote is None:
        return ""
    low, high = quote.bid * (ONE - DISTANCE_MAX), quote.ask * (ONE + DISTANCE_MAX)
    if low <= price <= high:
        return ""
    shown = f"{readable(quote.bid)} / {readable(quote.ask)}"
    return f"it has filled at {readable(price)}, where the newest quote is {shown}"


def _fee(report: OrderReported, product: Product, books: Books) -> str:
    """Fees far above any tier's, of all that has filled."""
    rate = books.marks.usd(product.quote) or ONE
    price = report.average_price or report.limit_price or ZERO
    value = report.filled * product.contract_size * price * rate
    fees = report.fees * rate
    if abs(fees) <= value * FEE_SHARE_MAX + FEE_BESIDE_USD:
        return ""
    return f"its fees are {readable(fees)} USD, of a value of {readable(value)} USD"
