"""Events that happen by themselves, and when. No I/O."""

import heapq
from datetime import datetime
from typing import Final, NamedTuple

DROPPED_MIN: Final = 64  # so few struck-out entries are not worth tidying


class Entry(NamedTuple):
    """An entry that is due, and the id of its subject.

    `number` keeps entries due at the same moment in the order they were put down.
    """

    at: datetime
    number: int
    what: str
    about: str


class Agenda:
    """A queue by time. Entries struck out are passed over, and swept out before they are many."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._dropped: set[int] = set()
        self._number = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, at: datetime, what: str, about: str = "") -> int:
        """Put one thing down; the number to strike it out by."""
        self._number += 1
        heapq.heappush(self._entries, Entry(at, self._number, what, about))
        return self._number

    def drop(self, number: int) -> None:
        """Strike out an entry that has not come due yet."""
        self._dropped.add(number)
        if len(self._dropped) > max(DROPPED_MIN, len(self._entries) // 2):
            self._entries = [entry for entry in self._entries if entry.number not in self._dropped]
            self._dropped.clear()
            heapq.heapify(self._entries)

    def next_at(self) -> datetime | None:
        self._pass_over()
        return self._entries[0].at if self._entries else None

    def pop(self, now: datetime) -> Entry | None:
        """The first thing that is due by `now`, taken off."""
        if self._dropped:
            self._pass_over()
        due = self._entries and self._entries[0].at <= now
        return heapq.heappop(self._entries) if due else None

    def _pass_over(self) -> None:
        while self._entries and self._entries[0].number in self._dropped:
            self._dropped.remove(heapq.heappop(self._entries).number)
