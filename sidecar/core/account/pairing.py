"""Which approval an order answers, the terms that it covers, and whether an approved edit shows. No I/O.

An approval is known by its client_order_id, and an edit's by the order that it is of.
"""

from sidecar.core.account.books import Books
from sidecar.core.account.order_index import OrderIndex
from sidecar.core.account.reservation import Reservation
from sidecar.core.account.terms import Shown, Terms, approved_terms, with_terms
from sidecar.core.account.working import WorkingOrder


def approval_of(order: WorkingOrder, ledger: OrderIndex, books: Books) -> Reservation | None:
    """The live approval that this order answers: an edit's is for this very order, another for
    one of its id, product and side.
    """
    reservations = ledger.reservations
    for name in (order.client_order_id, order.order_id):
        found = reservations.get(name)
        if found is not None and _is_for(found, order, books):
            return found
    return None


def _is_for(reservation: Reservation, order: WorkingOrder, books: Books) -> bool:
    if reservation.order_id:
        return reservation.order_id == order.order_id
    asked = reservation.order
    return (
        asked.client_order_id == order.client_order_id
        and asked.side == order.side
        and books.product(asked.product_id).book == books.product(order.product_id).book
    )


def terms_of(reservation: Reservation, books: Books) -> Terms:
    """The terms that an approval covers."""
    asked, most = reservation.order, reservation.order.base_size
    if most is None:  # sized in quote currency: the most it was judged to bring
        product = books.product(asked.product_id)
        most = reservation.legs[0].quantity / product.contract_size
    return approved_terms(asked, most)


def shows_edit(reservation: Reservation, order: WorkingOrder) -> bool:
    """Whether an approved edit shows in the order: its new price or its new size."""
    wanted = reservation.order
    return order.size == wanted.base_size and order.limit_price == wanted.limit_price


def use_edit(reservation: Reservation, order: WorkingOrder, books: Books) -> None:
    """An order that shows more than was approved of it, and no more than its approved edit, was
    edited as was asked, but to less.
    """
    shown = Shown(side=order.side, size=order.size, price=order.limit_price)
    terms = terms_of(reservation, books)
    if not terms.excess(shown) and all(known.excess(shown) for known in order.terms):
        order.terms = with_terms(order.terms, terms)
