"""Histories: the books' closing prices of past periods, read from Coinbase in the background.

Value at risk says which spans it lacks: of market time, which may be a replay's. Each is one call,
one after the other, within a budget of its own: where market time runs fast a period may end every
second, and the account must be read beside. None is made during a flattening, when every call is
urgent. A book that fails waits, longer each time, and holds up no other.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from sidecar import clock
from sidecar.coinbase.budget import Budget
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import CallFailed, Refused
from sidecar.core.value_at_risk.history import Span
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.daemon.engine import Engine

NOT_THERE: Final = frozenset({400, 404})
LOOK_S: Final = 1.0  # wall; how soon a newly missing span is read
PER_HOUR: Final = 1_000  # readings: a sixth of all calls, and twice what 500 hourly series need
# Wall seconds until a book is read again that failed once, twice … in a row, and from then on.
RETRY_S: Final = (60.0, 120.0, 240.0, 480.0, 960.0, 1_920.0, 3_600.0)


class _Failing(Struct):
    """A book that could not be read: how often in a row, why, and when to read it again (wall)."""

    times: int = 0
    reason: str = ""
    again_at: float = 0.0


class Histories:
    """Reads the closes of the followed books that value at risk lacks."""

    def __init__(
        self, engine: Engine, lookups: Lookups, followed: Callable[[], tuple[str, ...]]
    ) -> None:
        self._engine = engine
        self._lookups = lookups
        self._followed = followed
        self._budget = Budget(per_hour=PER_HOUR)
        self._failing: dict[str, _Failing] = {}  # by book; of the spans missing at the last look

    @property
    def pending(self) -> tuple[str, ...]:
        """Books with a span yet to be read, but for those that fail."""
        return self.pending_of(self._followed())

    def pending_of(self, books: tuple[str, ...]) -> tuple[str, ...]:
        """The same, where only these are followed."""
        return tuple(span.book for span in self._lacked(books) if span.book not in self._failing)

    @property
    def faults(self) -> dict[str, str]:
        """Books that could not be read, each with the reason; they are read again later."""
        return {book: failing.reason for book, failing in self._failing.items()}

    async def run(self) -> None:
        """Until cancelled: read the missing spans."""
        while True:
            if not self._is_flattening:
                await self._look()
            await asyncio.sleep(LOOK_S)

    @property
    def _is_flattening(self) -> bool:
        return self._engine.manager.liquidator.is_busy

    async def _look(self) -> None:
        lacked = self._lacked(self._followed())
        books = {span.book for span in lacked}
        self._failing = {book: one for book, one in self._failing.items() if book in books}
        for span in lacked:
            failing = self._failing.get(span.book)
            if failing is not None and clock.wall() < failing.again_at:
                continue
            await asyncio.sleep(self._budget.spend(clock.wall()))
            if self._is_flattening:
                return
            await self._read(span)

    def _lacked(self, books: tuple[str, ...]) -> list[Span]:
        return self._engine.manager.risk.past.spans(books, self._engine.now())

    async def _read(self, span: Span) -> None:
        try:
            await self._hand_over(span)
        except (CallFailed, Untrusted) as error:
            if isinstance(error, Refused) and error.status in NOT_THERE:
                self._engine.handle(self._nothing_of(span))
            self._failed(span.book, error)
            return
        if self._failing.pop(span.book, None) is not None:
            self._engine.log.info("price history is read again", book=span.book)

    async def _hand_over(self, span: Span) -> None:
        """Read a span and tell the core. Raises CallFailed, and Untrusted."""
        engine = self._engine
        engine.handle(await self._lookups.closes(span, engine.manager.risk.settings.period_s))
        # Else it would be read again at every look.
        if span in self._lacked((span.book,)):
            raise Untrusted(f"{span.book}: what was read is not taken in")

    def _nothing_of(self, span: Span) -> ev.ClosesRead:
        """Coinbase's word that it has no closes of this book: else they would be awaited for ever."""
        engine = self._engine
        return ev.ClosesRead(
            at=engine.now(),
            book=span.book,
            period_s=engine.manager.risk.settings.period_s,
            since=span.since,
            until=span.until,
            closes=(),
        )

    def _failed(self, book: str, error: CallFailed | Untrusted) -> None:
        failing = self._failing.setdefault(book, _Failing())
        # Closes that Coinbase does not have it will not have soon; a key or a network may come
        # back.
        last, is_gone = len(RETRY_S) - 1, isinstance(error, Refused) and error.status in NOT_THERE
        wait_s = RETRY_S[last if is_gone else min(failing.times, last)]
        failing.times += 1
        failing.again_at = clock.wall() + wait_s
        if failing.reason != str(error):  # else it is said already
            failing.reason = str(error)
            self._engine.log.warning(
                "price history could not be read", book=book, fault=failing.reason
            )
