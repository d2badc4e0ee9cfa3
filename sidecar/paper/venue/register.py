"""Every order and fill of the run, found by id, newest first. No I/O.

Ended orders and fills are kept up to a number, so that a run of any length stays small.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from typing import Final

from sidecar.paper.venue.order import Fill, Order

ENDED_KEPT: Final = 50_000  # some hours of a very busy bot; an order is about a kilobyte
FILLS_KEPT: Final = 100_000


class Register:
    """Orders by id and by the client's id, open ones apart; fills in the order they happened."""

    def __init__(self) -> None:
        self.open: dict[str, Order] = {}
        self.fills: deque[Fill] = deque(maxlen=FILLS_KEPT)
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._ended: deque[str] = deque()
        self._by_client_id: dict[str, str] = {}
        self._open_of: Counter[str] = Counter()

    def add(self, order: Order) -> None:
        self._orders[order.order_id] = order
        self.open[order.order_id] = order
        self._open_of[order.product_id] += 1
        if order.client_order_id:  # an empty one is no name
            self._by_client_id.setdefault(order.client_order_id, order.order_id)

    def end(self, order: Order) -> None:
        """An order has reached a terminal status; the oldest of too many ended ones is dropped."""
        if self.open.pop(order.order_id, None) is None:
            return
        self._open_of[order.product_id] -= 1
        self._ended.append(order.order_id)
        if len(self._ended) > ENDED_KEPT:
            dropped = self._orders.pop(self._ended.popleft())
            if self._by_client_id.get(dropped.client_order_id) == dropped.order_id:
                del self._by_client_id[dropped.client_order_id]

    def open_of(self, product_id: str) -> int:
        """How many orders are open in this product."""
        return self._open_of[product_id]

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def by_client_id(self, client_order_id: str) -> Order | None:
        order_id = self._by_client_id.get(client_order_id)
        return self._orders.get(order_id) if order_id else None

    def newest_first(self) -> Iterator[Order]:
        return reversed(self._orders.values())
