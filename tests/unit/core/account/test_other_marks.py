"""PnL and moments at confirmed marks, and at the near sides of the quotes."""

from sidecar.core.account.other_marks import (
    confirmed_point,
    near_point,
    point,
    settled_mark,
    unconfirmed,
    unconfirmed_of,
)
from tests.decisions import connected
from tests.scenario import START, D
from tests.tracking import Desk


def test_a_moment_at_confirmed_marks_has_no_gain_of_a_purchase_below_them():
    world = connected(held=1)
    world.stand("BTC-USD", 64_000)
    world.fill("BUY", 1, 60_000)
    point = confirmed_point(world.tracker.books, "BTC", world.now)
    assert point is not None
    assert (point.pnl, world.tracker.net_pnl) == (0, 4_000)


def test_gains_that_no_confirmed_mark_shows_are_told_apart_by_key() -> None:
    world = connected(held=1)
    world.stand("BTC-USD", 64_000)
    world.quote("BTC-USD", 65_000)
    books = world.tracker.books
    assert unconfirmed(books, books.account) == 1_000
    assert unconfirmed_of(books, books.account, "BTC") == 1_000
    assert unconfirmed_of(books, books.account, "ETH") == 0


def test_a_moment_of_a_coin_has_the_other_coins_at_confirmed_marks_where_asked() -> None:
    world = connected(held=1)
    world.stand("BTC-USD", 64_000)
    world.quote("BTC-USD", 65_000)
    books = world.tracker.books
    now, confirmed = point(books, "ETH"), point(books, "ETH", read_at=world.now)
    assert now is not None
    assert confirmed is not None
    assert now.pnl - confirmed.pnl == 1_000


def test_there_is_no_moment_of_a_coin_without_a_mark() -> None:
    books = Desk(quotes={}).tracker.books
    assert point(books, "BTC") is None
    assert confirmed_point(books, "BTC", START) is None
    assert near_point(books, "BTC", START) is None


def test_a_passing_tick_is_no_settled_mark() -> None:
    """63,000 is confirmed and 64,000 the mark of now: a first mark between or beyond them is bounded by both."""
    world = connected(held=1)
    world.stand("BTC-USD", 63_000)
    world.quote("BTC-USD", 64_000)
    books = world.tracker.books
    settled = [
        settled_mark(books, "BTC", D(first), world.now) for first in (60_000, 63_500, 70_000)
    ]
    assert settled == [63_000, 63_500, 64_000]


def test_a_transfer_that_a_passing_tick_showed_first_is_priced_by_the_mark_that_stood() -> None:
    """The middle of the first mark, the present one and the one confirmed."""
    world = connected(held=1)
    world.stand("BTC-USD", 64_000)
    world.quote("BTC-USD", 65_000)
    books = world.tracker.books
    for first, price in ((None, 65_000), (1, 64_000), (64_500, 64_500), (90_000, 65_000)):
        known = None if first is None else D(first)
        assert settled_mark(books, "BTC", known, world.now) == price
