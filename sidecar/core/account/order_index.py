"""OrderIndex: which orders work, which ended, which are reserved, and the prices at which they
rest.

No I/O.
"""

from datetime import datetime
from decimal import Decimal
from heapq import heapify, heappop, heappush

from msgspec.structs import replace

from sidecar.core.account.closed_orders import ClosedOrders
from sidecar.core.account.reservation import Reservation
from sidecar.core.account.resting import Resting
from sidecar.core.account.working import WorkingOrder
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import SELL


class OrderIndex:
    """Finds orders by either id, and the best resting price of a book's side, however many there
    are.
    """

    def __init__(self) -> None:
        self.working: dict[str, WorkingOrder] = {}
        self.working_by_client_id: dict[str, str] = {}
        self.closed = ClosedOrders()
        self.reservations: dict[str, Reservation] = {}
        self.resting: dict[tuple[str, Side], Resting] = {}
        self.waiting: dict[tuple[str, Side], Resting] = {}  # stops, none of them triggered
        self._rests_at: dict[str, tuple[Resting, Decimal]] = {}
        self._lapses: list[tuple[datetime, str]] = []  # a heap; some may be released since

    def find(self, order_id: str) -> WorkingOrder | None:
        return self.working.get(order_id) or self.closed.by_id.get(order_id)

    def find_client_id(self, client_order_id: str) -> WorkingOrder | None:
        """The order that the exchange knows under this client_order_id."""
        order_id = self.working_by_client_id.get(client_order_id) or self.closed.client_ids.get(
            client_order_id
        )
        return None if order_id is None else self.find(order_id)

    def file(self, order: WorkingOrder, book: str) -> None:
        """Put an order where its status says it belongs."""
        order_id = order.order_id
        self._unrest(order_id)
        if order.is_open:
            self.working[order_id] = order
            if order.client_order_id:
                self.working_by_client_id[order.client_order_id] = order_id
            stop = order.stop_price if order.waits else None
            lies_somewhere = stop is not None or not order.waits  # else its stop was not told yet
            if order.rests and order.remaining and lies_somewhere:
                self._rest(order_id, (book, order.side), order.limit_price, stop)
            return
        self.working.pop(order_id, None)
        self.working_by_client_id.pop(order.client_order_id, None)
        if order_id not in self.closed.by_id:
            self.closed.add(order)

    def reserve(self, reservation: Reservation, book: str) -> None:
        order = reservation.order
        name = "reserved " + order.client_order_id
        self._unrest(name)  # of an approval that this one replaces
        self.reservations[order.client_order_id] = reservation
        heappush(self._lapses, (reservation.expires_at, order.client_order_id))
        if order.rests:
            self._rest(name, (book, order.side), order.given_limit, order.stop_price)

    def unreserve(self, reservation: Reservation) -> None:
        del self.reservations[reservation.order.client_order_id]
        self._unrest("reserved " + reservation.order.client_order_id)

    def next_lapse(self) -> Reservation | None:
        """The reservation that lapses first, of those not handed out by `pop_lapse` yet."""
        while self._lapses:
            expires_at, name = self._lapses[0]
            reservation = self.reservations.get(name)
            if reservation is not None and reservation.expires_at == expires_at:
                return reservation
            heappop(self._lapses)
        return None

    def pop_lapse(self, now: datetime) -> Reservation | None:
        """The next reservation past its life, each once; it stays reserved until it is released."""
        reservation = self.next_lapse()
        if reservation is None or reservation.expires_at > now:
            return None
        handed_out = heappop(self._lapses)
        while self._lapses and self._lapses[0] == handed_out:  # approved twice at the same moment
            heappop(self._lapses)
        return reservation

    def put_off(self, reservation: Reservation, until: datetime) -> None:
        """A reservation is to be handed out once more, at this time, unless it is released by then."""
        name = reservation.order.client_order_id
        self.reservations[name] = replace(reservation, expires_at=until)
        heappush(self._lapses, (until, name))

    def look_again(self) -> None:
        """Every reservation is to be handed out again once its life is over: the process that
        looked for the order before is gone.
        """
        self._lapses = [(held.expires_at, name) for name, held in self.reservations.items()]
        heapify(self._lapses)

    def best_resting(self, book: str, side: Side) -> Decimal | None:
        """The own order's price that an order from the other side would meet first."""
        resting = self.resting.get((book, side))
        return None if resting is None else resting.best(side)

    def met_first(self, book: str, side: Side, touch: Decimal | None) -> Decimal | None:
        """The same, stops included that are not triggered: an order that trades from `touch` on triggers
        the orders that lie there or beyond, and would meet them. An order on the near side of the market
        is triggered by a move the other way.
        """
        best = self.best_resting(book, side)
        if touch is None or (waiting := self.waiting.get((book, side))) is None:
            return best
        stop = waiting.beyond(side, touch)
        if best is None or stop is None:
            return stop if best is None else best
        return min(best, stop) if side == SELL else max(best, stop)

    def _rest(
        self, name: str, place: tuple[str, Side], limit: Decimal | None, stop: Decimal | None
    ) -> None:
        """At its limit price, or while it waits at its stop; a bracket's target lies beyond that, in the
        book already, and so does the limit of a stop that it will wait at.
        """
        books, price = self.resting, limit
        if stop is not None:
            farther = max if place[1] == SELL else min
            books, price = self.waiting, stop if limit is None else farther(stop, limit)
        if price is None:
            return
        resting = books.get(place)
        if resting is None:
            resting = books[place] = Resting()
        resting.add(price)
        self._rests_at[name] = (resting, price)

    def _unrest(self, name: str) -> None:
        rests_at = self._rests_at.pop(name, None)
        if rests_at is not None:
            resting, price = rests_at
            resting.remove(price)
