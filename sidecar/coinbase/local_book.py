"""One order book, kept from a snapshot and the updates that follow it. Pure.

A book is whole from the end of a snapshot on, until something shows that it cannot be as Coinbase has it: a lost
frame, a row that cannot be read, bids that reach asks. Then it is whole again only with the next snapshot; updates in
between are of a book that is not known.

Only the levels next to the touch are kept. Where others were dropped the side ends: levels beyond are not known, also
those that are told later, for they would lie behind a hole.
"""

from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from sidecar.coinbase.levels import LevelRow
from sidecar.core.vocabulary.errors import Untrusted

# Of one side: a book of tens of thousands of levels is known as far as an order of ordinary size reaches, and fifty
# such books fit into memory.
KEPT_MAX: Final = 5_000
FEW_SHARE: Final = 4  # of a side that was cut off a fourth is left: time for a new snapshot


class BookSide:
    """The levels of one side, best first. Keys are prices, those of bids below zero: the best is the least."""

    def __init__(self, *, is_bid: bool, most: int = KEPT_MAX) -> None:
        self._is_bid = is_bid
        self.most = most
        self.most = most
        self.keys: list[Decimal] = []
        self.sizes: list[Decimal] = []
        self.end: Decimal | None = (
            None  # the least key that was ever dropped: no more is known from there on
        )

    def clear(self) -> None:
        """No level is known."""
        self.keys.clear()
        self.sizes.clear()
        self.end = None

    def put(self, price: Decimal, size: Decimal) -> None:
        """The size at this price from now on; zero takes the level away."""
        key = price.copy_negate() if self._is_bid else price
        if self.end is not None and key >= self.end:
            return
        place = bisect_left(self.keys, key)
        if place < len(self.keys) and self.keys[place] == key:
            if size:
                self.sizes[place] = size
            else:
                del self.keys[place], self.sizes[place]
        elif size:
            self.keys.insert(place, key)
            self.sizes.insert(place, size)
            if len(self.keys) > self.most:
                self.end = self.keys.pop()
                self.sizes.pop()

    @property
    def best(self) -> Decimal | None:
        """The best price; None of an empty side."""
        return abs(self.keys[0]) if self.keys else None

    def levels(self) -> dict[Decimal, Decimal]:
        """Price → size, best first."""
        return {abs(key): size for key, size in zip(self.keys, self.sizes, strict=True)}


class LocalBook:
    """Both sides of a book. `most`: levels kept of each."""

    def __init__(self, most: int = KEPT_MAX) -> None:
        self.bids, self.asks = BookSide(is_bid=True, most=most), BookSide(is_bid=False, most=most)
        self.is_whole = False
        self.is_midway = False  # some rows of an event are in, and others still to come
        self._is_begun = False  # a snapshot is coming in

    def begin(self) -> None:
        """A snapshot begins: what was known is void."""
        self.lose()
        self._is_begun = True

    def take(self, rows: Iterable[LevelRow]) -> None:
        """Rows of a snapshot, or of an update; those of an update to a book that is not known are left out.

        Raises Untrusted for a row that cannot be: the book is not whole any more.
        """
        if not self.is_whole and not self._is_begun:
            return
        self.is_midway = True
        try:
            for row in rows:
                (self.bids if row.side == "bid" else self.asks).put(*row.level())
        except Untrusted:
            self.lose()
            raise

    def end(self) -> None:
        """The snapshot or the update is complete. Raises Untrusted where bids reach asks: the book is not whole."""
        if not self.is_whole and not self._is_begun:
            return
        bid, ask = self.bids.best, self.asks.best
        if bid is not None and ask is not None and bid >= ask:
            self.lose()
            raise Untrusted(f"bids at {bid} reach asks at {ask}")
        self.is_whole = True
        self._is_begun = self.is_midway = False

    def lose(self) -> None:
        """Nothing is known of it, until a snapshot comes."""
        self.bids.clear()
        self.asks.clear()
        self.is_whole = self._is_begun = self.is_midway = False

    @property
    def runs_out(self) -> bool:
        """Whether so few levels are left of a side that was cut off that a new snapshot would show more."""
        return self.is_whole and any(
            side.end is not None and len(side.keys) * FEW_SHARE < side.most
            for side in (self.bids, self.asks)
        )
