"""PendingBreach: a loss beyond its limit that is not confirmed yet, and the quotes that show it. No I/O."""

from collections.abc import Container, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.losses import Loss
from sidecar.core.account.marks import Marks
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.money import ONE
from sidecar.core.vocabulary.tightness import TIGHTEST

tighter: Final = TIGHTEST["max_daily_loss"]  # as of every limit on a loss


class PendingBreach(Struct):
    """A breach that is not confirmed yet. `before`: by key, the better for the position of
    the confirmed mark and the mark before the quote that showed it.
    `best`: by key, the marks that were better for the position than all that came after them, and when those before
    were over. `is_sure`: not only quotes of stale books show it; `sure_since`: where these showed it first.
    `least`: the least loss that any look has shown since, or since it was sure.
    `rest_failed`: REST could not be had, which stands for its word. `balances_asked_at`: when balances were asked for,
    since money that has left is no loss.
    """

    since: datetime
    quotes_before: int
    is_sure: bool = False
    sure_since: datetime | None = None
    confirmed_by_rest: bool = False
    rest_failed: bool = False
    asked_at: datetime | None = None
    last: dict[str, datetime] = {}  # time of each book's quote, as last seen
    seen_at: dict[str, datetime] = {}  # when it came
    counts: dict[str, int] = {}  # how many of different times each book has shown
    unmarking: int = 0  # quotes among them that give no mark, of books that have no other
    before: dict[str, Decimal] = {}
    best: dict[str, list[tuple[datetime, Decimal]]] = {}
    balances_asked_at: datetime | None = None
    # REST's answers so far, and the books that it left out and is asked for alone.
    at_rest: dict[str, Decimal] = {}
    left_out: tuple[str, ...] = ()
    least: Loss | None = None

    def shows(self, loss: Loss) -> None:
        """One more look has shown this loss."""
        least = loss if self.least is None else self.least
        usd, share = min(loss.usd, least.usd), min(loss.share(), least.share())
        self.least = Loss(usd, ONE, share)

    def stands_under(self, before: LossLimit, limit: LossLimit) -> bool:
        """Whether it goes on as a breach of another limit: each look has shown it beyond that too."""
        if tighter(before, limit) == limit:
            return True
        return self.is_sure and self.least is not None and self.least.crosses(limit)

    def ask_rest_anew(self, *, confirmed: bool) -> None:
        """REST's word was on less."""
        self.confirmed_by_rest, self.asked_at, self.rest_failed = confirmed, None, False
        self.at_rest, self.left_out = {}, ()

    def see(self, books: Iterable[str], marks: Marks, stale: Container[str], now: datetime) -> None:
        """Count the new quotes of these books; of the `stale` books too, which give no mark but show the loss at
        their near side, too.
        """
        for book in books:
            quote = marks.newest.get(book) if book in stale else marks.quotes.get(book)
            if quote is not None and self.last.get(book) != quote.at:
                self.last[book], self.seen_at[book] = quote.at, now
                self.unmarking += book in stale
                self.counts[book] = self.counts.get(book, 0) + 1

    def note_mark(
        self,
        key: str,
        mark: Decimal,
        now: datetime,
        window: timedelta,
        *,
        is_long: bool,
    ) -> Decimal:
        """Take in a mark of a key that is held; the best for the position that was in force within the window, USD."""
        known, since = self.best.setdefault(key, []), now
        while known and (known[-1][1] <= mark if is_long else known[-1][1] >= mark):
            since, _ = known.pop()  # the one before it was over then
        known.append((since, mark))
        while len(known) > 1 and known[1][0] <= now - window:
            known.pop(0)
        return known[0][1]

    def begin_again(self, now: datetime, quotes_before: int) -> None:
        """None of the quotes so far is believed."""
        self.since, self.quotes_before = now, quotes_before
        self.sure_since = None if self.sure_since is None else now
        self.counts, self.best, self.at_rest = {}, {}, {}
        self.left_out, self.rest_failed = (), False
