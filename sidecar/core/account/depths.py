"""Depths: the order books as far as they are known, and since when. No I/O.

A depth is good for a while: a book that is followed is told anew when it has changed, and said to hold where it has
not, so one that is older has lost its feed. Time is told (`pass_time`); until then a depth stays as old as it was.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sidecar.core.account.ladder import Ladder, ladders_of
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import LEVELS_MAX, Depth, DepthHolds, DepthSeen
from sidecar.core.vocabulary.money import is_sane
from sidecar.core.vocabulary.order_body import Side

UNSEEN: Final = datetime.min.replace(tzinfo=UTC)
# Books that are kept, the last ones told: the followed ones, and those that are read to be shown.
DEPTHS_MAX: Final = 64
# Facts are told as of when they were read, up to so much before the ones behind them.
AHEAD_MAX: Final = timedelta(minutes=1)
NO_LADDERS: Final[Mapping[Side, Ladder]] = {}


class Depths:
    """The last depth of each book, by the book's id. `oldest`: depths from before are not believed any more;
    `version` grows with every change of what is believed, and `changes` has the version of each book's last one.
    """

    def __init__(self) -> None:
        self.known: dict[str, Depth] = {}
        self.oldest = UNSEEN
        self.version = 0
        self.is_read = False  # a daemon reads what is missing
        self.changes: dict[str, int] = {}
        self._first: datetime | None = (
            None  # of the depths that are believed, the oldest one's time
        )
        self._last = UNSEEN  # no depth is from after this
        self._ladders: dict[str, tuple[Depth, dict[Side, Ladder]]] = {}

    def see(self, event: DepthSeen) -> None:
        """Take depths in. Raises Untrusted, with all as it was, for a depth that no book can have."""
        for depth in event.books:
            _check(depth)
        for depth in event.books:
            before = self.known.get(depth.product_id)
            if before is None or not depth.at < before.at <= event.at:  # overtaken by the feed
                self.known.pop(depth.product_id, None)
                self.known[depth.product_id] = depth
                self._changed(depth.product_id)
        while len(self.known) > DEPTHS_MAX:
            self._drop(next(iter(self.known)))
        self._restate()

    def _drop(self, name: str) -> None:
        del self.known[name]
        self._ladders.pop(name, None)
        self._changed(name)

    def hold(self, event: DepthHolds) -> None:
        """Depths told before stand as they are."""
        for name in event.product_ids:
            depth = self.known.get(name)
            if depth is not None and depth.at < event.at:
                self._stand(depth, event.at)
        self._restate()

    def _stand(self, depth: Depth, at: datetime) -> None:
        name, later = depth.product_id, Depth(depth.product_id, depth.bids, depth.asks, at)
        self.known[name] = later
        cached = self._ladders.get(name)
        if cached is not None and cached[0] is depth:
            self._ladders[name] = (later, cached[1])
        if depth.at < self.oldest:
            self._changed(name)

    def pass_time(self, now: datetime, max_age: timedelta) -> None:
        """Let depths grow old: none that is older than `max_age` is believed from now on."""
        if self._last > now + AHEAD_MAX:  # the clock was set back: of then, nothing is known
            for name in [one for one, depth in self.known.items() if depth.at > now + AHEAD_MAX]:
                self._drop(name)
            self._restate()
        before, self.oldest = self.oldest, now - max_age
        low, high = sorted((before, self.oldest))
        if self._first is None or self._first < high:
            for name, depth in self.known.items():
                if low <= depth.at < high:  # a clock that was set back has it believed again
                    self._changed(name)
            self._restate()

    def next_lapse(self, max_age: timedelta) -> datetime | None:
        """When the next depth grows too old; None where all are."""
        return None if self._first is None else self._first + max_age + timedelta.resolution

    def forget(self) -> None:
        """A new process begins without depths."""
        for name in self.known:
            self._changed(name)
        self.known.clear()
        self._ladders.clear()
        self._restate()

    def restore(self, depths: list[Depth], oldest: datetime) -> None:
        """Go on with the depths of before a restart."""
        self.known = {depth.product_id: depth for depth in depths}
        self.oldest = oldest
        for name in self.known:
            self._changed(name)
        self._restate()

    def is_believed(self, book: str) -> bool:
        """Whether a depth of this book is known that is young enough."""
        depth = self.known.get(book)
        return depth is not None and depth.at >= self.oldest

    def ladder(self, book: str, side: Side) -> Ladder | None:
        """What an order on this side would walk; None where no depth is believed, or it has no two sides."""
        return self.ladders(book).get(side)

    def ladders(self, book: str) -> Mapping[Side, Ladder]:
        """The same of both sides."""
        depth = self.known.get(book)
        if depth is None or depth.at < self.oldest:
            return NO_LADDERS
        cached = self._ladders.get(book)
        if cached is None or cached[0] is not depth:
            cached = self._ladders[book] = (depth, ladders_of(depth))
        return cached[1]

    @property
    def what_next(self) -> str:
        """What comes of a depth that is missing."""
        if not self.is_read:
            return "; tell it"
        return "; it is read now (not for a dry run), ask again shortly"

    def _changed(self, book: str) -> None:
        self.version += 1
        self.changes[book] = self.version

    def _restate(self) -> None:
        times = (depth.at for depth in self.known.values() if depth.at >= self.oldest)
        self._first = min(times, default=None)
        self._last = max((depth.at for depth in self.known.values()), default=UNSEEN)


def _check(depth: Depth) -> None:
    asks = [price for price, _ in depth.asks]
    bids = [price for price, _ in depth.bids]
    is_ordered = asks == sorted(set(asks)) and bids == sorted(set(bids), reverse=True)
    numbers = [number for level in (*depth.asks, *depth.bids) for number in level]
    is_sound = all(is_sane(number) and number for number in numbers)
    if not (is_sound and is_ordered and max(len(asks), len(bids)) <= LEVELS_MAX):
        raise Untrusted(f"the depth of {depth.product_id} cannot be; it was left out")
