"""Implausible reports: figures of an order in a frame that can hardly be so. No I/O.

One slip of a feed must not sell an account: a fee, or a fill, beyond these bounds is read over REST before it
counts (report_watch.py). Of a report only the news are looked at, not the figures that were counted before.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from sidecar.core.account.books import Books
from sidecar.core.account.order_flow import OrderFlow
from sidecar.core.account.pairing import approval_of
from sidecar.core.account.reservation import Reservation
from sidecar.core.account.terms import ROUNDING as VALUE_ROUNDING
from sidecar.core.account.working import WorkingOrder
from sidecar.core.vocabulary.events import OrderReported, Quote
from sidecar.core.vocabulary.money import ONE, ZERO, readable
from sidecar.core.vocabulary.orders import BUY
from sidecar.core.vocabulary.products import Product
from sidecar.core.vocabulary.wording import in_words

# Coinbase's dearest tier takes 1.2 % (2026); a small order's fee may be rounded up.
FEE_SHARE_MAX: Final = Decimal("0.05")
FEE_BESIDE_USD: Final = ONE
# A fill's distance from the newest quote: beyond what a market order may slip (contract, section 4).
DISTANCE_MAX: Final = Decimal("0.20")
# An average price is rounded: the value of a single fill follows from it to this share of the whole
# value.
ROUNDING: Final = Decimal("1E-6")


def implausible(report: OrderReported, orders: OrderFlow, max_quote_age: timedelta) -> str:
    """The implausible part of the report, in words; empty where it has none, or its product is not
    known. A quote older than `max_quote_age` is no measure of a price.
    """
    books, order = orders.books, orders.ledger.find(report.order_id)
    product = books.products.get(report.product_id)
    if product is None:
        return ""
    approval = _approval(report, order, orders)
    known_fees = ZERO if order is None else order.reported.fees.get(product.quote, ZERO)
    if _has_news(report, order):
        found = _size(report, order, approval) or _limit(report, order, approval)
        quote = books.marks.newest.get(product.book) or books.marks.quotes.get(product.book)
        if not found and quote is not None and quote.at >= report.at - max_quote_age:
            found = _distance(report, order, _known_limits(order, approval), quote)
        if found:
            return found
    return _fee(report, product, books) if abs(report.fees) > abs(known_fees) else ""


def _has_news(report: OrderReported, order: WorkingOrder | None) -> bool:
    """Whether the report tells of a larger filled size, or of another price of units that no listed
    fill shows.
    """
    if order is None:
        return bool(report.filled)
    reported, listed = order.reported, order.listed
    if report.filled > max(reported.quantity, listed.quantity):
        return True
    value = report.filled * report.average_price
    is_same = abs(value - reported.value) <= abs(reported.value) * ROUNDING
    return bool(value) and report.filled == reported.quantity > listed.quantity and not is_same


def _approval(
    report: OrderReported, order: WorkingOrder | None, orders: OrderFlow
) -> Reservation | None:
    """The approval that the order answers, of itself or of an edit of it."""
    if order is not None:
        return approval_of(order, orders.ledger, orders.books)
    found = orders.ledger.reservations.get(report.client_order_id)
    return None if found is None or found.order.side != report.side else found


def _size(report: OrderReported, order: WorkingOrder | None, approval: Reservation | None) -> str:
    """Filled beyond its size, in base units or in quote currency, as it was told."""
    sizes = [] if approval is None else [approval.order.base_size]
    values = [] if approval is None else [approval.order.quote_size]
    if order is not None:
        values += [terms.quote_size for terms in order.terms]
        sizes += [terms.size for terms in order.terms if terms.quote_size is None]
        if order.is_named and order.limit_price is not None:
            sizes.append(order.size)
    size = max((one for one in sizes if one), default=None)
    if size is not None and report.filled > size:
        return f"it has filled {readable(report.filled)}, and its size is {readable(size)}"
    most = max((one for one in values if one), default=None)
    value = report.filled * report.average_price
    if most is not None and value > most * VALUE_ROUNDING:
        return f"it has filled a value of {readable(value)}, and its size is {readable(most)} in quote currency"
    return ""


def _known_limits(order: WorkingOrder | None, approval: Reservation | None) -> list[Decimal]:
    """The limits it has had, before this report: as approved, and as told."""
    limits = [] if approval is None else [approval.order.limit_price]
    if order is not None:
        limits += [order.limit_price, *(terms.price for terms in order.terms)]
    return [one for one in limits if one]


def _limit(report: OrderReported, order: WorkingOrder | None, approval: Reservation | None) -> str:
    """A price worse than every limit of the order: that of all fills, and that of the new units."""
    known = _known_limits(order, approval) or ([report.limit_price] if report.limit_price else [])
    stops = [report.stop_price, None if approval is None else approval.order.stop_price]
    if order is not None:
        stops.append(order.stop_price)
    if not known or any(stops) or report.is_stop or (order is not None and order.is_stop):
        return ""  # a bracket's stop sells below its limit
    buys = report.side == BUY
    limit = max(known) if buys else min(known)
    for price in _prices(report, order):
        if (price <= limit + limit * ROUNDING) if buys else (price >= limit - limit * ROUNDING):
            return ""
    if not report.average_price:
        return ""  # a sparse frame
    shown = readable(report.average_price)
    return f"it has filled at {shown}, worse than its limit of {readable(limit)}"


def _distance(
    report: OrderReported, order: WorkingOrder | None, limits: list[Decimal], quote: Quote
) -> str:
    """A price far from the newest quote, and from every limit: that of all fills, and that of the
    new units.
    """
    if not report.average_price:
        return ""
    low, high = quote.bid * (ONE - DISTANCE_MAX), quote.ask * (ONE + DISTANCE_MAX)
    for price in _prices(report, order):
        if low <= price <= high or any(abs(price - one) <= one * ROUNDING for one in limits):
            return ""  # a limit order trades at its limit, wherever a wick has been
    shown = f"{readable(quote.bid)} / {readable(quote.ask)}"
    return f"it has filled at {readable(report.average_price)}, where the newest quote is {shown}"


def _prices(report: OrderReported, order: WorkingOrder | None) -> list[Decimal]:
    """Of all fills, and of the new units: the value counted before may be of long ago, or from a
    sparse frame.
    """
    if order is None:
        return [report.average_price]
    known = max(order.reported, order.listed, key=lambda tally: tally.quantity)
    more = report.filled - known.quantity
    if not more:
        return [report.average_price]
    value = report.filled * report.average_price - known.value
    return [report.average_price, value / more]


def _fee(report: OrderReported, product: Product, books: Books) -> str:
    """Fees far above any tier's, of all that has filled."""
    rate = books.marks.usd(product.quote) or ONE
    price = report.average_price or report.limit_price or ZERO
    value = report.filled * product.contract_size * price * rate
    fees = report.fees * rate
    if abs(fees) <= value * FEE_SHARE_MAX + FEE_BESIDE_USD:
        return ""
    return f"its fees are {in_words(fees, 'usd')}, of a value of {in_words(value, 'usd')}"
