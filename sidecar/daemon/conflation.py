"""Conflation: of a stream of quotes, how many the core is handed, and when. Pure; wall seconds.

The first quote after a while of silence goes on at once. Those that follow wait for the rest of
that while, the newest of each book; then they go together. A decision takes the quotes that wait
for its books before. So the core's work, and the journal, are bounded in every market. A quote that
waits is still the row of a frame: one that gives way to a newer one is never read.
"""

from collections.abc import Iterable

from sidecar.coinbase.frames import Ticker


class Conflation:
    """`every_s`: how long quotes wait at most. 0: none does."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._waiting: dict[str, Ticker] = {}
        self._handed_at = float("-inf")

    def waits(self) -> bool:
        """Whether any quote does."""
        return bool(self._waiting)

    def offer(self, quotes: Iterable[Ticker], wall: float) -> tuple[Ticker, ...]:
        """Quotes have come in; returns those to be handed on now."""
        if not self._every_s:
            return tuple(quotes)
        for quote in quotes:
            self._waiting[quote.product_id] = quote
        return self.due(wall)

    def due(self, wall: float) -> tuple[Ticker, ...]:
        """The quotes that have waited long enough: all, or none."""
        if not self._waiting or wall - self._handed_at < self._every_s:
            return ()
        self._handed_at = wall
        quotes, self._waiting = tuple(self._waiting.values()), {}
        return quotes

    def due_at(self) -> float | None:
        """When the waiting quotes are to be handed on; None while none waits."""
        return self._handed_at + self._every_s if self._waiting else None

    def release(self, books: Iterable[str]) -> tuple[Ticker, ...]:
        """The waiting quotes of these books: a decision hangs on them."""
        return tuple(self._waiting.pop(book) for book in books if book in self._waiting)
