"""PnL and moments at other marks than those of now: confirmed ones, or the near sides of the quotes. No I/O.

Of the books of one account, which nothing here changes.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sidecar.core.account.books import Books
from sidecar.core.account.exposure import Portfolio
from sidecar.core.account.moved import NEAR, Point
from sidecar.core.account.readings import OpenMove
from sidecar.core.vocabulary.money import ONE, ZERO

WAS_WORTH_FOR: Final = timedelta(seconds=60)  # as long as a mark of a holding stands by itself


def point(books: Books, key: str, *, read_at: datetime | None = None) -> Point | None:
    """The present as a moment at which units of this key may be moved; None without a mark.
    `read_at`: as the moment of that reading, at the confirmed marks of all other keys.
    """
    mark, account = books.marks.usd(key), books.account
    if mark is None:
        return None
    gap = ZERO
    if read_at is not None:
        gap = unconfirmed(books, account) - unconfirmed_of(books, account, key)
    return Point(account.net_pnl - gap, mark, books.transfers, read_at, booked=books.booked)


def note_reading(books: Books, at: datetime) -> dict[str, Decimal]:
    """Balances are read: the marks that are not confirmed now may be later. Returns the confirmed ones, USD a unit,
    and of what is not held the present ones.
    """
    marks = books.marks
    moves = {
        key: OpenMove(line.position.quantity - line.position.unpriced, line.mark, was, was)
        for key, line in sorted(books.account.lines.items())
        if key in marks.unconfirmed
        and line.mark is not None
        and (was := marks.confirmed(key)) is not None
    }
    known = {
        key: marks.confirmed(key) or marks.late_usd(key, at, WAS_WORTH_FOR)
        for key in marks.by_key
        if key not in books.cash
    }
    prices = {key: price for key, price in known.items() if price is not None}
    books.readings.note(at, moves, prices)
    return prices


def note_moment(books: Books, at: datetime, equity: Decimal) -> None:
    """Prices have moved between two readings."""
    at = books.path.time_of(at)
    prices = note_reading(books, at)
    pnl = books.account.net_pnl - unconfirmed(books, books.account)
    books.path.note(Point(pnl, ONE, books.transfers, at, booked=books.booked, prices=prices))
    books.path.stand(at, books.account.net_pnl, equity)


def confirmed_point(books: Books, key: str, read_at: datetime) -> Point | None:
    """The moment of a reading at confirmed marks alone, that of this key among them."""
    price = books.marks.confirmed(key) or books.marks.usd(key)
    if price is None:
        return None
    settled = books.account.net_pnl - unconfirmed(books, books.account)
    return Point(settled, price, books.transfers, read_at, booked=books.booked)


def near_point(books: Books, key: str, at: datetime) -> Point | None:
    """The present at the near sides of all quotes beyond the spread cap; None where there are none."""
    marks, gap, own = books.marks, ZERO, books.marks.usd(key)
    if not marks.newest or own is None:
        return None
    for name, line in books.account.lines.items():
        quantity = line.position.quantity
        near = marks.near_usd(name, sells=quantity > ZERO)
        if near is not None and line.mark is not None:
            gap += quantity * (near - line.mark)
            own = near if name == key else own
    return Point(books.account.net_pnl + gap, own, books.transfers, at, NEAR, booked=books.booked)


def unconfirmed(books: Books, portfolio: Portfolio, keys: Iterable[str] | None = None) -> Decimal:
    """The part of a portfolio's net PnL that only marks which are not confirmed yet show, USD; of
    these keys alone where they are given. Units added of late at a better price count with the
    account's.
    """
    confirmations, gap = books.marks.confirmations, ZERO
    if portfolio is books.account:
        gap += _unconfirmed_gains(books, books.marks.bargains if keys is None else keys)
    # While prices move, nearly all that is held.
    for key in books.marks.unconfirmed if keys is None else keys:
        line, known = portfolio.lines.get(key), confirmations.get(key)
        if line is None or line.mark is None or known is None:
            continue
        position = line.position
        gap += (position.quantity - position.unpriced) * (line.mark - known.value)
    return gap


def _unconfirmed_gains(books: Books, keys: Iterable[str]) -> Decimal:
    lines, confirmations, gain = books.account.lines, books.marks.confirmations, ZERO
    for key in keys:
        known = confirmations.get(key)
        if known is not None and known.bargains and key in lines:
            gain += known.unconfirmed_gain(lines[key].position.quantity)
    return gain


def unconfirmed_of(books: Books, portfolio: Portfolio, key: str) -> Decimal:
    """The same of a single key."""
    return unconfirmed(books, portfolio, (key,))


def settled_mark(books: Books, key: str, first: Decimal | None, now: datetime) -> Decimal | None:
    """USD per unit of a transfer that was first read when the mark was `first`, of a key whose mark was
    not followed then: that, unless both the confirmed mark of now and the present mark say that it was a
    passing tick. None without a fresh mark: then the first good mark says.
    """
    present = books.marks.fresh_usd(key, now)
    if present is None or first is None:
        return present
    return sorted((first, present, books.marks.confirmed(key) or present))[1]
