"""Suspicion: a cumulative breach that is not confirmed yet, and what has shown it so far. No I/O."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from sidecar.core.events import Quote


class Suspicion(Struct):
    """A cumulative breach that is not confirmed yet."""

    since: datetime
    quotes_before: int
    confirmed_by_rest: bool = False
    asked_at: datetime | None = None
    last: dict[str, datetime] = {}  # time of each book's quote, as last seen
    counts: dict[str, int] = {}  # how many of different times each book has shown

    def see(self, books: Iterable[str], quotes: Mapping[str, Quote]) -> None:
        """Count what is new among the quotes of these books."""
        for book in books:
            quote = quotes.get(book)
            if quote is not None and self.last.get(book) != quote.at:
                self.last[book] = quote.at
                self.counts[book] = self.counts.get(book, 0) + 1

    def begin_again(self, now: datetime, quotes_before: int) -> None:
        """None of the quotes so far is believed."""
        self.since, self.quotes_before = now, quotes_before
        self.counts.clear()
