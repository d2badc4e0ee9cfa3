"""ClosedOrders: the orders that have ended, as long as news of them may come. No I/O."""

from collections import OrderedDict, deque
from datetime import datetime
from typing import Final

from sidecar.core.account.working import WorkingOrder

# Ended orders are remembered so that repeated frames and late fills find them. At ten orders a
# second this is over half an hour; Coinbase's late frames come within seconds, REST fills within
# minutes.
CLOSED_ORDERS_MAX: Final = 20_000
PRIME: Final = (1 << 63) - 25  # the largest below 2⁶³
RECENT_MAX: Final = 1_000  # of those without a fill; each takes some kilobytes


class ClosedOrders:
    """The last `CLOSED_ORDERS_MAX` ended orders, by order_id and by client_order_id. Of those that
    ended without a fill only the last `RECENT_MAX` are kept whole; of the others only digests of
    their ids.
    """

    def __init__(self) -> None:
        self.by_id: OrderedDict[str, WorkingOrder] = OrderedDict()
        self.client_ids: dict[str, str] = {}
        # Forgotten orders ended, and filled, no later than this. A reading tells of an order as it
        # was when the reading began, which may be before a fill that it tells of.
        self.horizon: datetime | None = None
        self.unfilled: dict[int, int] = {}  # digests of order_id and client_order_id, oldest first
        self._used: set[int] = set()  # of the latter
        self._recent: deque[str] = deque()

    def add(self, order: WorkingOrder) -> None:
        self.by_id[order.order_id] = order
        if order.client_order_id:
            self.client_ids[order.client_order_id] = order.order_id
        self._recent.append(order.order_id)
        if len(self._recent) > RECENT_MAX:
            self._shorten(self._recent.popleft())
        if len(self.by_id) > CLOSED_ORDERS_MAX:
            _, forgotten = self.by_id.popitem(last=False)
            self.client_ids.pop(forgotten.client_order_id, None)
            times = (self.horizon, forgotten.traded_at or forgotten.updated_at)
            self.horizon = max((time for time in times if time is not None), default=None)
        assert len(self._recent) <= RECENT_MAX

    def ended_unfilled(self, order_id: str) -> bool:
        """Whether it is one of which only the ids are left."""
        return bool(self.unfilled) and digest(order_id) in self.unfilled

    def has_used(self, client_order_id: str) -> bool:
        """Whether an ended order had this id."""
        if client_order_id in self.client_ids:
            return True
        return bool(self._used) and digest(client_order_id) in self._used

    def saved_unfilled(self) -> bytes:
        """The digests of order_id and client_order_id, sixteen bytes a pair."""
        return b"".join(name.to_bytes(8) + used.to_bytes(8) for name, used in self.unfilled.items())

    def restore_unfilled(self, saved: bytes) -> None:
        """As it was saved."""
        numbers = [int.from_bytes(saved[at : at + 8]) for at in range(0, len(saved), 8)]
        self.unfilled = dict(zip(numbers[::2], numbers[1::2], strict=True))
        self._used = set(self.unfilled.values())

    def _shorten(self, order_id: str) -> None:
        order = self.by_id.get(order_id)
        if order is None or order.has_left_traces:
            return
        del self.by_id[order_id]
        self.client_ids.pop(order.client_order_id, None)
        used = digest(order.client_order_id)
        self.unfilled[digest(order_id)] = used
        self._used.add(used)
        if len(self.unfilled) > CLOSED_ORDERS_MAX:
            oldest = next(iter(self.unfilled))
            self._used.discard(self.unfilled.pop(oldest))


def digest(name: str) -> int:
    """A number of eight bytes that tells an id from others, the same in every process."""
    return int.from_bytes(name.encode()) % PRIME
