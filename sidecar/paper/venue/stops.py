"""Stops that wait for their price to trade, so arranged that a trade looks only at the nearest. No I/O."""

from bisect import bisect_left, insort
from decimal import Decimal

from sidecar.paper.venue.order import Order


class Stops:
    """Waiting stops by book: those that a rising price triggers, and those that a falling does."""

    def __init__(self) -> None:
        self._rising: dict[str, list[Order]] = {}
        self._falling: dict[str, list[Order]] = {}

    def add(self, order: Order) -> None:
        insort(self._side(order), order, key=_priority)

    def remove(self, order: Order) -> None:
        """Take a stop out, if it waits."""
        orders = self._side(order)
        place = bisect_left(orders, _priority(order), key=_priority)
        if place < len(orders) and orders[place] is order:
            del orders[place]

    def due(self, book: str, last: Decimal) -> list[Order]:
        """The stops that a trade at `last` triggers, oldest first; they wait no longer."""
        due: list[Order] = []
        for orders in (self._rising.get(book), self._falling.get(book)):
            if orders:
                reached = 0
                while reached < len(orders) and is_triggered(orders[reached], last):
                    reached += 1
                due += orders[:reached]
                del orders[:reached]
        return sorted(due, key=_age) if len(due) > 1 else due

    def _side(self, order: Order) -> list[Order]:
        by_book = self._rising if order.stops_up else self._falling
        return by_book.setdefault(order.book, [])


def is_triggered(order: Order, last: Decimal) -> bool:
    """Whether a trade at `last` reaches the order's stop price."""
    stop = order.terms.stop_price
    return last >= stop if order.stops_up else last <= stop


def _priority(order: Order) -> tuple[Decimal, int]:
    stop = order.terms.stop_price
    return (stop if order.stops_up else -stop, order.number)


def _age(order: Order) -> int:
    return order.number
