"""What happens by itself, and when. No I/O."""

import heapq
from datetime import datetime
from typing import NamedTuple


class Entry(NamedTuple):
    """One thing due; `number` keeps things due at one moment in the order they were put down."""

    at: datetime
    number: int
    what: str
    order_id: str


class Agenda:
    """A queue by time."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._number = 0

    def put(self, at: datetime, what: str, order_id: str = "") -> None:
        self._number += 1
        heapq.heappush(self._entries, Entry(at, self._number, what, order_id))

    def next_at(self) -> datetime | None:
        return self._entries[0].at if self._entries else None

    def pop(self, now: datetime) -> Entry | None:
        """The first thing that is due by `now`, taken off."""
        due = self._entries and self._entries[0].at <= now
        return heapq.heappop(self._entries) if due else None
