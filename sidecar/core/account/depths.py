"""Depths: the order books as far as they are known, and since when. No I/O.

A depth is good for a while: a book that is followed is told anew when it has changed, and said to hold where it has
not, so one that is older has lost its feed. Time is told (`pass_time`); until then a depth stays as old as it was.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sidecar.core.account.ladder import Ladder, ladders_of
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import LEVELS_MAX, Depth, DepthHolds, DepthSeen
from sidecar.core.vocabulary.money import is_sane
from sidecar.core.vocabulary.order_body import Side

UNSEEN: Final = datetime.min.replace(tzinfo=UTC)
# Books that are kept: as many as may be followed, and as many more as bots may have asked about since.
DEPTHS_MAX: Final = 100


class Depths:
    """The last depth of each book, by the book's id. `oldest`: depths from before are not believed any more."""

    def __init__(self) -> None:
        self.known: dict[str, Depth] = {}
        self.oldest = UNSEEN
        self._ladders: dict[str, tuple[Depth, dict[Side, Ladder]]] = {}

    def see(self, event: DepthSeen) -> None:
        """Take depths in. Raises Untrusted, with all as it was, for a depth that no book can have."""
        for depth in event.books:
            _check(depth)
        for depth in event.books:
            before = self.known.get(depth.product_id)
            if before is None or before.at <= depth.at:  # a reading may be overtaken by the feed
                self.known.pop(depth.product_id, None)
                self.known[depth.product_id] = depth
        while len(self.known) > DEPTHS_MAX:
            del self.known[next(iter(self.known))]

    def hold(self, event: DepthHolds) -> None:
        """Depths told before stand as they are."""
        for name in event.product_ids:
            depth = self.known.get(name)
            if depth is not None and depth.at < event.at:
                self._stand(depth, event.at)

    def _stand(self, depth: Depth, at: datetime) -> None:
        later = Depth(depth.product_id, depth.bids, depth.asks, at)
        self.known[depth.product_id] = later
        cached = self._ladders.get(depth.product_id)
        if cached is not None:
            self._ladders[depth.product_id] = (later, cached[1])

    def pass_time(self, now: datetime, max_age: timedelta) -> None:
        """Let depths grow old: none that is older than `max_age` is believed from now on."""
        self.oldest = now - max_age

    def next_lapse(self, max_age: timedelta) -> datetime | None:
        """When the next depth grows too old; None where all are."""
        times = (depth.at for depth in self.known.values() if depth.at >= self.oldest)
        first = min(times, default=None)
        return None if first is None else first + max_age + timedelta.resolution

    def forget(self) -> None:
        """A new process begins without depths."""
        self.known.clear()
        self._ladders.clear()

    def ladder(self, book: str, side: Side) -> Ladder | None:
        """What an order on this side would walk; None where no depth of the book is known that is young enough, or it
        has no two sides.
        """
        depth = self.known.get(book)
        if depth is None or depth.at < self.oldest:
            return None
        return self.last_ladder(book, side)

    def last_ladder(self, book: str, side: Side) -> Ladder | None:
        """The same, however old."""
        depth = self.known.get(book)
        if depth is None:
            return None
        cached = self._ladders.get(book)
        if cached is None or cached[0] is not depth:
            cached = self._ladders[book] = (depth, ladders_of(depth))
        return cached[1].get(side)


def _check(depth: Depth) -> None:
    asks = [price for price, _ in depth.asks]
    bids = [price for price, _ in depth.bids]
    is_ordered = asks == sorted(set(asks)) and bids == sorted(set(bids), reverse=True)
    numbers = [number for level in (*depth.asks, *depth.bids) for number in level]
    is_sound = all(is_sane(number) and number for number in numbers)
    if not (is_sound and is_ordered and max(len(asks), len(bids)) <= LEVELS_MAX):
        raise Untrusted(f"the depth of {depth.product_id} cannot be; it was left out")
