"""Orders told by the name of the book they share: the wallet that pays is another product's. No I/O.

BTC-USDC trades in the book of BTC-USD, and the user channel tells its orders as of BTC-USD: in
dollars, where the wallet of USDC pays. The approval knows which was meant, and a row of REST names
it. Until one of the two is known, the order counts under the product that the frame names; then its
payments move to the other wallet.
"""

from decimal import Decimal

from sidecar.core.account.books import Books
from sidecar.core.account.order_index import OrderIndex
from sidecar.core.account.working import Tally, WorkingOrder
from sidecar.core.vocabulary.money import ONE, ZERO
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY
from sidecar.core.vocabulary.products import Product


def approved_as(ledger: OrderIndex, books: Books, told: Product, name: str, side: Side) -> Product:
    """The product that an order under this client_order_id was approved for, where that shares the book
    and the side; else the product as told.
    """
    found = ledger.reservations.get(name)
    if found is None or found.order_id or found.order.side != side:
        return told
    asked = books.product(found.order.product_id)
    return asked if asked.book == told.book else told


def rename(order: WorkingOrder, old: Product, new: Product, books: Books) -> Decimal:
    """Let an order be of another product of its book. The amount that the books have taken from the
    old quote wallet is taken from the new one instead; returns that amount.
    """
    order.product_id = new.product_id
    sign = ONE if order.side == BUY else -ONE
    spent = sign * order.counted.value
    paid = spent + order.counted.fees.get(old.quote, ZERO)
    order.reported = _charged_in(order.reported, old.quote, new.quote)
    order.listed = _charged_in(order.listed, old.quote, new.quote)
    order.adjusted = _charged_in(order.adjusted, old.quote, new.quote)
    order.counted = _charged_in(order.counted, old.quote, new.quote)
    if not paid or not _has_paid(order, books):
        return ZERO
    strategy = None if order.strategy_id is None else books.strategy_books.of(order.strategy_id)
    rates = [books.marks.usd(quote) for quote in (old.quote, new.quote)]
    before, after = (None if rate is None else paid * rate for rate in rates)
    books.pay(old.quote, -paid, None if before is None else -before, strategy)
    books.pay(new.quote, paid, after, strategy)
    if before is not None and after is not None and before != after:
        change = spent * (after - before) / paid
        books.correct(new.key, order.counted.quantity, change, order.side, strategy)
    return paid


def _has_paid(order: WorkingOrder, books: Books) -> bool:
    """Whether the fills counted are in the books: the balances that these opened with hold earlier ones."""
    opening_at, known = books.opening_at, order.updated_at
    return books.is_open and (opening_at is None or known is None or known > opening_at)


def _charged_in(tally: Tally, old: str, new: str) -> Tally:
    """The same tally with the fees of the old currency charged in the new one."""
    if old not in tally.fees:
        return tally
    others = {name: fee for name, fee in tally.fees.items() if name != old}
    return Tally(
        tally.quantity, tally.value, {**others, new: others.get(new, ZERO) + tally.fees[old]}
    )
