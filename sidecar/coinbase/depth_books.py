"""The books of one level2 connection: which are asked for, which are whole, which are to be told. Pure.

Snapshots are large, so that few are asked for at a time: the next when those have come. A book that is not whole is
asked for anew, ever more seldom while that does not help: who has megabytes begin anew each second loses frames by it.
"""

from collections.abc import Iterable, Set
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec import Struct

from sidecar.coinbase.gathering import Sides, are_news, both_gathered
from sidecar.coinbase.levels import BookPart
from sidecar.coinbase.local_book import LocalBook
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted

AT_ONCE: Final = 5  # snapshots on their way: each of up to ten megabytes
# A snapshot may take so long to come and to be read. Then it is asked for anew, and its place is free for another.
SNAPSHOT_WITHIN_S: Final = 10.0
# From one snapshot that was asked for to the next of the same book; doubled each time, up to a bound. A book that was
# whole for as long as that begins from the first again.
AGAIN_S: Final = 5.0
AGAIN_MAX_S: Final = 60.0
CHANGED_EVERY_S: Final = 1.0  # how often a book that changes is told at most
# And how often one that does not, or by less than is news: a depth is good for three times as long.
HOLDS_EVERY_S: Final = 10.0


class Clocks(NamedTuple):
    """One moment: monotonic seconds, and the market clock. By the latter the core judges how old a depth is; it may go
    faster than the wall's, where a market's time is not now, and be set back.
    """

    wall: float
    market: datetime

    def since(self, seconds: float, then: "Clocks | None") -> bool:
        """Whether so long has passed by either; yes, where there was no such moment."""
        if then is None or self.wall - then.wall >= seconds:
            return True
        return self.market - then.market >= timedelta(seconds=seconds)


class _Followed:
    """One book and its history."""

    def __init__(self) -> None:
        self.book = LocalBook()
        self.is_on = False  # its subscription is acknowledged
        self.asked: float | None = None  # wall seconds when its snapshot was asked for last
        self.is_on_its_way = False  # that snapshot
        self.again = 0  # how often in a row since it was whole for long
        self.whole_since = 0.0
        self.has_changed = False
        self.looked: Clocks | None = None  # at a change
        self.said: Clocks | None = None  # the last word on it to the core
        self.told: Sides | None = None  # as the core knows them

    def wait_s(self) -> float:
        """From the last snapshot that was asked for to the next."""
        again_s: float = min(AGAIN_MAX_S, AGAIN_S * 2**self.again)
        return max(again_s, SNAPSHOT_WITHIN_S) if self.is_on_its_way else again_s

    def is_awaited(self, wall: float) -> bool:
        """Whether its snapshot may still come."""
        asked = self.asked
        return self.is_on_its_way and asked is not None and wall - asked < SNAPSHOT_WITHIN_S

    def lose(self) -> None:
        """What was known is void, and so is what has come of a snapshot."""
        self.book.lose()
        self.is_on_its_way = False

    def is_due_anew(self, wall: float) -> bool:
        """Whether another snapshot of it is to be asked for."""
        book = self.book
        if book.is_whole and wall - self.whole_since >= AGAIN_MAX_S:
            self.again = 0
        lacks = book.runs_out or not book.is_whole
        return lacks and self.asked is not None and wall - self.asked >= self.wait_s()

    def is_due(self, now: Clocks) -> bool:
        """Whether the core may have to hear of it."""
        if not self.is_on or not self.book.is_whole or self.book.is_midway:
            return False
        looks = self.has_changed and now.since(CHANGED_EVERY_S, self.looked)
        return looks or now.since(HOLDS_EVERY_S, self.said)


class Asking(Struct, frozen=True):
    """The books to be subscribed to now, all of them, and those of them whose snapshot is to come anew."""

    subscribed: tuple[str, ...]
    anew: tuple[str, ...]


class DepthBooks:
    """The local books by name, in the order that they are wanted."""

    def __init__(self) -> None:
        self._books: dict[str, _Followed] = {}

    def follow(self, names: Iterable[str]) -> None:
        """These books are wanted from now on, and no others."""
        self._books = {name: self._books.get(name) or _Followed() for name in names}

    @property
    def wanted(self) -> tuple[str, ...]:
        """The books that are wanted."""
        return tuple(self._books)

    @property
    def whole(self) -> tuple[str, ...]:
        """Those that are known."""
        return tuple(name for name, one in self._books.items() if one.book.is_whole and one.is_on)

    # ------------------------------------------------------------------------------- coming to know

    def lose(self) -> None:
        """Frames were lost: no book is known. Each is asked for anew."""
        for one in self._books.values():
            one.lose()

    def disconnect(self) -> None:
        """The connection is gone, and with it all subscriptions."""
        self.lose()
        for one in self._books.values():
            one.asked, one.is_on = None, False

    def acknowledged(self, names: Set[str]) -> None:
        """The subscriptions that there are. A book whose own has ended is not known any more; a snapshot may come
        before its acknowledgement.
        """
        for name, one in self._books.items():
            if one.is_on and name not in names:
                one.lose()
            one.is_on = name in names

    def ask(self, wall: float, refused: Iterable[str] = ()) -> Asking:
        """What is to be asked for by now; counted as asked. To ask anew for what Coinbase `refused` is in vain."""
        in_vain = {*refused}
        room = AT_ONCE - sum(one.is_awaited(wall) for one in self._books.values())
        anew = []
        for name, one in self._books.items():
            is_new = one.asked is None
            if room <= 0 or not (is_new or (one.is_due_anew(wall) and name not in in_vain)):
                continue
            if not is_new:
                one.again += 1
                one.is_on = False
                one.lose()
                anew.append(name)
            one.asked, one.is_on_its_way = wall, True
            room -= 1
        subscribed = tuple(name for name, one in self._books.items() if one.asked is not None)
        return Asking(subscribed, tuple(anew))

    def take(self, part: BookPart, wall: float) -> str:
        """Rows have come in. Why their book is not whole any more, in words; else empty."""
        one = self._books.get(part.product_id)
        if one is None:
            return ""  # left a moment ago
        was_whole = one.book.is_whole and not part.begins
        if part.begins:
            one.book.begin()
        try:
            one.book.take(part.rows)
            if part.ends:
                one.book.end()
        except Untrusted as fault:
            one.lose()
            return str(fault)
        if one.book.is_whole and not was_whole:
            one.whole_since, one.is_on_its_way = wall, False
        one.has_changed = one.has_changed or one.book.is_whole
        return ""

    # -------------------------------------------------------------------------------------- telling

    def due(self, now: Clocks) -> list[str]:
        """The books of which the core may have to hear."""
        return [name for name, one in self._books.items() if one.is_due(now)]

    def word_on(self, name: str, now: Clocks, at: datetime) -> ev.Depth | bool:
        """The book as the core is to hear it, as of `at`; else whether it is to hear that it holds. Counted as said."""
        one = self._books.get(name)
        if one is None or not one.is_due(now):
            return False
        one.has_changed, one.looked = False, now
        levels, is_time = both_gathered(one.book), now.since(HOLDS_EVERY_S, one.said)
        if one.told is None or (levels != one.told and (is_time or are_news(one.told, levels))):
            one.told, one.said = levels, now
            return ev.Depth(name, *levels, at)
        one.said = now if is_time else one.said
        return is_time

    def tell_anew(self, name: str) -> None:
        """The core knows another depth of this book, or asks for it: it is told in full, soon."""
        one = self._books.get(name)
        if one is not None:
            one.told = one.looked = one.said = None
