"""Streaks: consecutive trades that were closed at a loss, of each scope that a limit names. No I/O.

A trade begins when a fill takes a key's position away from flat, and is closed by the fill that brings it back, or
beyond. Its result is what the position has realised and was paid since, less all fees. A fee that is told only once
the position is flat belongs to the trade that was closed last. A position is flat where less is left of it than
Coinbase would take an order of. Coins that come or leave without a fill begin and close no trade. Of a position that is
held when its limit is first set, all that is settled from then on counts: the books do not keep when it was begun, so
neither which part of the PnL settled before is its own.

A scope is in its cool-down from the close of a trade with which so many in a row are lost, and later profits do not
end it. Once the cool-down is over the streak counts as its limit less a trade: the next lost trade begins another
cool-down.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.books import Books
from sidecar.core.account.exposure import Portfolio
from sidecar.core.vocabulary.money import ZERO

NO_BOOK: Final = Portfolio()


class StreakScope(Struct, frozen=True):
    """A scope with a limit: the account, the key of a product, or a strategy; and how many lost trades are too many,
    and for how long only reducing orders pass then.
    """

    name: str
    trades: int
    cool_down: timedelta
    product_id: str | None = None
    strategy_id: str | None = None


class Closed(Struct):
    """A trade that was closed, and its result, USD, net of fees."""

    key: str
    at: datetime
    result: Decimal


class Streak(Struct):
    """The last trades of one scope, as many as its limit counts; `begun`: by key, the settled PnL with which the open
    trade began, USD; `until`: the end of the cool-down.
    """

    closed: list[Closed] = []
    begun: dict[str, Decimal] = {}
    until: datetime | None = None

    @property
    def lost(self) -> int:
        """The trades in a row that were lost, up to now."""
        count = 0
        for one in reversed(self.closed):
            if one.result >= ZERO:
                break
            count += 1
        return count

    def close(self, key: str, at: datetime, result: Decimal) -> None:
        """A trade has ended."""
        self.closed.append(Closed(key, at, result))

    def amend(self, key: str, usd: Decimal) -> None:
        """So much more was settled of the trade that was closed last, USD."""
        for one in reversed(self.closed):
            if one.key == key:
                one.result += usd
                return


class State(Struct, frozen=True):
    """A key in the books of a scope: its position's side (0: flat) and settled PnL, USD."""

    side: int
    settled: Decimal


# A key in a scope, the units from which its position is one, and its state.
Seen = tuple[StreakScope, str, Decimal, State]


class Streaks:
    """The streaks of all scopes with a limit, by the scope's name."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.scopes: tuple[StreakScope, ...] = ()
        self.known: dict[str, Streak] = {}
        self._judged: tuple[StreakScope, ...] = ()

    def count(self, scope: str) -> int:
        """Lost trades in a row, as the limit counts them."""
        streak = self.known.get(scope)
        if streak is None:
            return 0
        limit = next(one.trades for one in self.scopes if one.name == scope)
        cools = streak.until is not None
        return max(streak.lost, limit) if cools else min(streak.lost, limit - 1)

    def cools_until(self, scope: str) -> datetime | None:
        """The end of the cool-down that a scope is in."""
        streak = self.known.get(scope)
        return None if streak is None else streak.until

    def pass_time(self, at: datetime) -> None:
        """Cool-downs end; other limits are judged by."""
        is_new = self._judged is not self.scopes
        self._judged = self.scopes
        for scope in self.scopes:
            until = self.cools_until(scope.name)
            if is_new or (until is not None and until <= at):
                self._judge(scope, at)

    def use(self, scopes: tuple[StreakScope, ...]) -> None:
        """Count by these limits from now on; a scope that is not among them is forgotten."""
        self.scopes = scopes
        names = {one.name for one in scopes}
        self.known = {name: one for name, one in self.known.items() if name in names}

    def look(self, product_id: str) -> list[Seen]:
        """A fact about an order of this product is about to be taken in, or funding of its position: the books as
        they are before.
        """
        product = self.books.products.get(product_id)
        if product is None:
            return []
        least = {product.key: product.base_min_size * product.contract_size}
        if product.quote not in self.books.cash and not product.is_future:
            least[product.quote] = ZERO  # the coin that is paid with
        return [
            (scope, key, units, self._state(scope, key, units))
            for key, units in least.items()
            for scope in self.scopes
            if self._is_about(scope, key)
        ]

    def follow(self, seen: list[Seen], at: datetime) -> None:
        """The fact is in the books."""
        for scope, key, least, was in seen:
            if (now := self._state(scope, key, least)) != was:
                self._follow(scope, key, was, now, at)

    def _is_about(self, scope: StreakScope, key: str) -> bool:
        product = self.books.products.get(scope.product_id or "")
        return scope.product_id is None or (product is not None and product.key == key)

    def _state(self, scope: StreakScope, key: str, least: Decimal) -> State:
        book = self.books.account
        if scope.strategy_id is not None:
            book = self.books.strategies.get(scope.strategy_id, NO_BOOK)
        line = book.lines.get(key)
        units = ZERO if line is None else line.position.quantity
        side = 0 if not units or abs(units) < least else 1 if units > ZERO else -1
        return State(side, book.settled_of(key))

    def _follow(self, scope: StreakScope, key: str, was: State, now: State, at: datetime) -> None:
        streak = self.known.setdefault(scope.name, Streak([], {}))
        if was.side:  # held when the limit was first set, or come by a transfer: counted from its first fact on
            streak.begun.setdefault(key, was.settled)
        if was.side and now.side != was.side:
            streak.close(key, at, now.settled - streak.begun.pop(key))
            if now.side:  # beyond flat: another trade
                streak.begun[key] = now.settled
        elif now.side and not was.side:
            streak.begun[key] = was.settled
        elif not now.side:
            before = streak.lost
            streak.amend(key, now.settled - was.settled)
            if streak.lost < scope.trades <= before:  # it was no losing streak
                streak.until = None
        self._judge(scope, at)

    def _judge(self, scope: StreakScope, at: datetime) -> None:
        """Whether too many of the last trades were lost; no further trades are kept. A cool-down that has begun lasts,
        and later profits do not end it.
        """
        streak = self.known.get(scope.name)
        if streak is None:
            return
        del streak.closed[: -scope.trades]
        ends = [] if streak.until is None else [streak.until]
        if streak.lost >= scope.trades:
            ends.append(streak.closed[-1].at + scope.cool_down)
        streak.until = max((end for end in ends if end > at), default=None)
        self.books.changed()
