"""TransferMoments: when money that readings of the balances show may have come or left, and its
price. No I/O.

Between two readings prices move, and neither shows when a transfer came. The prices at the first
reading of a difference are remembered with its doubt; the moments that are possible, beside the one
at which the transfer is booked, say how much more or less may have been lost (moved.py).
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.account.books import Books
from sidecar.core.account.moved import Point
from sidecar.core.account.other_marks import WAS_WORTH_FOR, near_point, point, settled_mark
from sidecar.core.account.readings import OPEN_FOR
from sidecar.core.account.reconciliation import Doubt, Reconciliation
from sidecar.core.account.wallets import Wallet
from sidecar.core.vocabulary.money import ZERO

MOVE_MIN: Final = Decimal("0.01")  # smaller moves of prices and of equity delay no transfer


class TransferMoments:
    """Moments and prices of transfers, by the books of one account."""

    def __init__(self, books: Books) -> None:
        self.books = books

    def before_first(self, currency: str, complete: Point | None, at: datetime) -> Point | None:
        """The moment of the last complete listing, at which a wallet was in none yet. An old price of a coin that
        was not held proves nothing.
        """
        if complete is None or complete.at is None:
            return None
        price = self.books.readings.first_price(currency, complete.at)
        price = price or self.books.marks.late_usd(currency, at, WAS_WORTH_FOR)
        return None if price is None else replace(complete, price=price)

    def date(self, currency: str, doubt: Doubt, at: datetime) -> None:
        """Remember the prices at the reading that first showed this difference."""
        books, marks = self.books, self.books.marks
        if doubt.first_at != at:
            return
        doubt.first, doubt.seen = point(books, currency, read_at=at), point(books, currency)
        doubt.near, doubt.is_fresh = near_point(books, currency, at), marks.is_fresh(currency, at)
        if doubt.is_fresh and currency in books.account.lines:
            doubt.confirmed_mark = marks.settled(currency)

    def are_open(self, doubt: Doubt, equity: Decimal, at: datetime) -> bool:
        """Whether the first reading of a transfer fell into a move of prices that is not confirmed yet: while it
        is open on which side of it the transfer came, it is booked on neither, for a while.
        """
        first, seen = doubt.first, doubt.seen
        is_late = at >= doubt.first_at + OPEN_FOR
        if is_late or not self.books.marks.unconfirmed or first is None or seen is None:
            return False
        settled = doubt.confirmed_mark or first.price
        return (
            abs(seen.pnl - first.pnl) > equity * MOVE_MIN
            or abs(seen.price - settled) > settled * MOVE_MIN
        )

    def has_come(self, agreement: Reconciliation) -> bool:
        """Whether a difference, however much of it is one, has been read again after all that might explain it
        otherwise: only its amount is open.
        """
        doubt, seen_at = agreement.doubt, agreement.seen_at
        if doubt is None or not doubt.repeated or seen_at is None:
            return False
        return seen_at >= doubt.first_at + OPEN_FOR

    def price(self, currency: str, doubt: Doubt, at: datetime) -> Decimal | None:
        """USD a unit of a confirmed transfer; None: it waits for its first good price."""
        marks = self.books.marks
        if currency in self.books.cash:
            return marks.usd(currency)
        if doubt.confirmed_mark is not None:
            return doubt.confirmed_mark
        first = doubt.first.price if doubt.first is not None and doubt.is_fresh else None
        price = settled_mark(self.books, currency, first, at)
        if price is None and doubt.difference < ZERO:  # departed units wait for no price
            price = marks.confirmed(currency) or marks.usd(currency)
        return price

    def others(
        self, currency: str, wallet: Wallet, doubt: Doubt, booked: Point
    ) -> tuple[Point, ...]:
        """The moments at which a transfer may have come, beside the one it is booked at: the last reading
        that agreed, and the one that first showed it, at the prices that were found since.
        """
        books, first = self.books, doubt.first
        moments = [] if wallet.read_point is None else [wallet.read_point]
        if first is not None and self._had(first, currency, doubt, booked):
            moments.append(first)
        cash = booked.price if currency in books.cash else None
        if wallet.read_point is not None and first is not None:
            since, until = wallet.read_point.order, first.order
            moments += books.path.between(since, until, currency, cash)
        found = [books.readings.found(one, currency) for one in moments]
        if doubt.near is not None:
            found.append(books.readings.near(doubt.near))
        if currency in books.cash:
            # Its own price is no PnL: all else may have moved before it, or after.
            found = [replace(one, price=booked.price) for one in found]
        return tuple(found)

    def _had(self, first: Point, currency: str, doubt: Doubt, booked: Point) -> bool:
        """Whether a transfer may have had the price of its first reading: one that no confirmed mark was followed
        of may be a passing tick; units left at the last price known, however old.
        """
        if currency in self.books.cash or doubt.confirmed_mark is not None:
            return True
        if not doubt.is_fresh:
            return doubt.difference < ZERO
        marks = self.books.marks
        settled = marks.confirmed(currency) or marks.usd(currency) or booked.price
        low, high = sorted((booked.price, settled))
        return low <= first.price <= high
