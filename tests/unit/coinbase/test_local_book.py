"""One book from a snapshot and its updates; what makes it unknown. That it is the same as a dict of its levels, whatever
comes: tests/property/test_local_book_laws.py.
"""

import pytest

from sidecar.coinbase.levels import LevelRow
from sidecar.coinbase.local_book import FEW_SHARE, LocalBook
from sidecar.core.vocabulary.errors import Untrusted
from tests.scenario import D


def bid(price, size=1):
    return LevelRow("bid", str(price), str(size))


def ask(price, size=1):
    return LevelRow("offer", str(price), str(size))


def book(*rows, most=100):
    made = LocalBook(most)
    made.begin()
    made.take(rows)
    made.end()
    return made


def update(made, *rows):
    made.take(rows)
    made.end()


def test_a_snapshot_makes_it_whole_best_levels_first():
    made = book(bid(99), ask(102), bid(100, 2), ask(101, 3))
    assert made.is_whole
    assert list(made.bids.levels().items()) == [(100, 2), (99, 1)]
    assert list(made.asks.levels().items()) == [(101, 3), (102, 1)]


def test_it_is_not_whole_before_its_snapshot_has_ended():
    made = LocalBook()
    made.begin()
    made.take([bid(100)])
    assert (made.is_whole, made.is_midway) == (False, True)
    made.end()
    assert (made.is_whole, made.is_midway) == (True, False)


def test_an_update_to_a_book_that_is_not_known_is_left_out():
    made = LocalBook()
    update(made, bid(100))
    assert not made.is_whole
    assert made.bids.best is None


def test_a_size_replaces_the_one_before_and_zero_takes_the_level_away():
    made = book(bid(100), bid(99), ask(101))
    update(made, bid(100, "0.5"), bid(99, 0), bid(98, 0), ask("101.0", "0.00"))
    assert made.bids.levels() == {D(100): D("0.5")}
    assert made.asks.levels() == {}


def test_a_new_snapshot_replaces_all_of_it():
    made = book(bid(100), ask(101))
    made.begin()
    assert made.bids.best is None
    made.take([bid(50)])
    made.end()
    assert (made.bids.levels(), made.asks.levels()) == ({D(50): D(1)}, {})


@pytest.mark.parametrize("price", [101, 102])
def test_bids_that_reach_asks_make_it_unknown_until_a_snapshot(price):
    made = book(bid(100), ask(101))
    with pytest.raises(Untrusted, match=f"bids at {price} reach asks at 101"):
        update(made, bid(price))
    assert not made.is_whole
    update(made, bid(price, 0))
    assert not made.is_whole
    assert made.bids.best is None


def test_bids_may_reach_asks_within_an_update():
    """Its rows are one change: they have no order among them."""
    made = book(bid(100), ask(101))
    update(made, bid(101), ask(101, 0), ask(102))
    assert (made.bids.best, made.asks.best) == (101, 102)


def test_a_crossed_snapshot_is_none():
    made = LocalBook()
    made.begin()
    made.take([bid(101), ask(100)])
    with pytest.raises(Untrusted):
        made.end()
    assert not made.is_whole


def test_a_row_that_cannot_be_makes_it_unknown():
    made = book(bid(100), ask(101))
    with pytest.raises(Untrusted, match="a level"):
        made.take([bid(99), bid("many")])
    assert not made.is_whole
    assert not made.is_midway


# ------------------------------------------------------------------------------------- what is kept


def test_the_levels_next_to_the_touch_are_kept_and_the_side_ends_there():
    made = book(*(bid(price) for price in (90, 100, 95, 99, 98)), ask(101), most=3)
    assert [*made.bids.levels()] == [100, 99, 98]
    assert made.bids.end == -95


def test_levels_beyond_the_end_stay_unknown():
    """Between them and those that are kept lies a hole."""
    made = book(*(bid(price) for price in (100, 99, 98, 97)), most=3)
    update(made, bid(99, 0), bid(98, 0), bid(97), bid(96), bid(95, 0))
    assert [*made.bids.levels()] == [100]
    update(made, bid("97.5"))
    assert [*made.bids.levels()] == [100, D("97.5")]


def test_a_side_that_was_cut_off_runs_out_when_few_levels_are_left():
    most = 4 * FEW_SHARE
    made = book(*(ask(price) for price in range(101, 102 + most)), bid(100), most=most)
    assert not made.runs_out
    gone = range(101, 101 + most - 4)
    update(made, *(ask(price, 0) for price in gone))
    assert len(made.asks.keys) == 4
    assert not made.runs_out
    update(made, ask(gone[-1] + 1, 0))
    assert made.runs_out


def test_a_side_that_was_never_cut_off_does_not_run_out():
    made = book(bid(100), ask(101))
    update(made, ask(101, 0))
    assert not made.runs_out


def test_a_book_that_is_not_known_does_not_run_out():
    made = book(*(bid(price) for price in (100, 99)), most=1)
    made.lose()
    assert not made.runs_out
