"""A local book is a dict of its levels, whatever comes; told, it never costs less than it does.

The model is a dict, price → size, of everything since the last snapshot. Prices are few, so that levels are hit again.
"""

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sidecar.coinbase.gathering import FARTHEST, both_gathered
from sidecar.coinbase.levels import LevelRow
from sidecar.coinbase.local_book import LocalBook
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import LEVELS_MAX

PRICES = st.decimals(90, 110, places=1)
SIZES = st.sampled_from(["0", "0", "0.5", "1", "2.25"])
ROWS = st.lists(st.tuples(st.sampled_from(["bid", "offer"]), PRICES, SIZES), max_size=30)
CHANGES = st.lists(st.tuples(st.sampled_from(["snapshot", *["update"] * 5]), ROWS), max_size=12)


class Model:
    """All levels, kept without limit."""

    def __init__(self):
        self.sides = None

    def change(self, kind, rows):
        if kind == "snapshot":
            self.sides = {"bid": {}, "offer": {}}
        if self.sides is None:
            return
        for side, price, size in rows:
            self.sides[side][price] = Decimal(size)
            if size == "0":
                del self.sides[side][price]
        bids, asks = self.sides.values()
        if bids and asks and max(bids) >= min(asks):
            self.sides = None


def change(book, kind, rows):
    if kind == "snapshot":
        book.begin()
    try:
        book.take([LevelRow(side, str(price), size) for side, price, size in rows])
        book.end()
    except Untrusted:
        assert not book.is_whole


def best_first(side, levels):
    return dict(sorted(levels.items(), reverse=side == "bid"))


@given(CHANGES)
def test_a_book_is_a_dict_of_its_levels(changes):
    book, model = LocalBook(), Model()
    for kind, rows in changes:
        change(book, kind, rows)
        model.change(kind, rows)
        assert book.is_whole == (model.sides is not None)
        if model.sides is not None:
            for side, kept in (("bid", book.bids), ("offer", book.asks)):
                assert list(kept.levels().items()) == list(
                    best_first(side, model.sides[side]).items()
                )


@given(CHANGES, st.integers(1, 6))
def test_a_book_with_little_room_is_the_part_of_that_dict_before_its_end(changes, most):
    """No level within is missing, and none beyond is told."""
    book, model = LocalBook(most), Model()
    for kind, rows in changes:
        change(book, kind, rows)
        model.change(kind, rows)
        if model.sides is None or not book.is_whole:
            continue  # a book whose far levels are not kept may not see them cross
        for side, kept in (("bid", book.bids), ("offer", book.asks)):
            sign = -1 if side == "bid" else 1
            known = {
                price: size
                for price, size in best_first(side, model.sides[side]).items()
                if kept.end is None or sign * price < kept.end
            }
            assert kept.levels() == known
            assert len(known) <= most


# ---------------------------------------------------------------------------------------- as told

LADDERS = st.lists(
    st.tuples(st.integers(1, 30_000), st.integers(1, 1_000)), max_size=200, unique_by=lambda r: r[0]
)


def a_book(bids, asks):
    """Around 100,000, with distances in steps of one."""
    book = LocalBook()
    book.begin()
    book.take([LevelRow("bid", str(100_000 - away), str(size)) for away, size in bids])
    book.take([LevelRow("offer", str(100_000 + away), str(size)) for away, size in asks])
    book.end()
    return book


def cost(levels, size):
    """What so much of it costs against a price of 100,000; None where it is not known to be there."""
    total = Decimal(0)
    for price, offered in levels:
        part = min(size, offered)
        total += part * abs(price - 100_000)
        size -= part
        if not size:
            return total
    return None


@given(LADDERS, LADDERS, st.integers(1, 100_000))
def test_what_is_told_never_costs_less_than_the_book(bids, asks, size):
    book = a_book(bids, asks)
    for told, side in zip(both_gathered(book), (book.bids, book.asks), strict=True):
        told_cost = cost(told, Decimal(size))
        true_cost = cost(side.levels().items(), Decimal(size))
        assert told_cost is None or (true_cost is not None and true_cost <= told_cost)


@given(LADDERS, LADDERS)
def test_what_is_told_is_short_sorted_within_reach_and_all_of_it(bids, asks):
    book = a_book(bids, asks)
    for told, side in zip(both_gathered(book), (book.bids, book.asks), strict=True):
        assert len(told) <= LEVELS_MAX
        away = [abs(price - 100_000) for price, _ in told]
        assert all(first < second for first, second in pairwise(away))
        levels = side.levels()
        best = next(iter(levels), Decimal(0))
        near = {p: s for p, s in levels.items() if abs(p - best) <= best * FARTHEST}
        assert sum(s for _, s in told) == sum(near.values())
        assert [price for price, _ in told][-1:] == [*near][-1:]
        assert {price for price, _ in told} <= {*near}
