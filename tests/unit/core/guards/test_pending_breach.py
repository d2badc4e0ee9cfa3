"""PendingBreach: what has shown a loss so far that is not confirmed yet."""

from datetime import timedelta

import pytest

from sidecar.core.guards.pending_breach import PendingBreach
from sidecar.core.vocabulary.events import Quote
from tests.scenario import START, D
from tests.tracking import Desk


def quoted(desk, suspicion, *, stale=(), bid=64000, ask=None):
    desk.wait(1).quote("BTC-USD", bid, ask)
    suspicion.see(["BTC-USD", "ETH-USD"], desk.tracker.marks, stale, desk.now)


def test_each_book_is_counted_by_quotes_of_different_times():
    desk, suspicion = Desk(), PendingBreach(START, 0)
    for _ in range(2):
        quoted(desk, suspicion)
        suspicion.see(["BTC-USD"], desk.tracker.marks, (), desk.now)
    assert (suspicion.counts, suspicion.unmarking) == ({"BTC-USD": 2, "ETH-USD": 1}, 0)
    desk.wait(5)
    suspicion.see(["BTC-USD"], desk.tracker.marks, (), desk.now)
    assert suspicion.seen_at["BTC-USD"] == desk.now - timedelta(seconds=5)


@pytest.mark.parametrize(("stale", "counted"), [(["BTC-USD"], 2), ([], 0)])
def test_quotes_that_mark_nothing_count_for_stale_books_alone(stale, counted):
    desk, suspicion = Desk(), PendingBreach(START, 0, last={"BTC-USD": START})
    for _ in range(2):
        quoted(desk, suspicion, stale=stale, bid=40_000, ask=60_000)
    assert suspicion.counts.get("BTC-USD", 0) == suspicion.unmarking == counted


def test_a_book_that_never_quoted_shows_nothing():
    suspicion = PendingBreach(START, 0)
    suspicion.see(["NEW-USD"], Desk().tracker.marks, ["NEW-USD"], START)
    assert (suspicion.counts, suspicion.seen_at) == ({}, {})


def test_to_begin_again_is_to_believe_no_quote_so_far():
    later = START + timedelta(seconds=3)
    suspicion = PendingBreach(
        START, 0, confirmed_by_rest=False, asked_at=START, last={"A": START}, counts={"A": 3},
        at_rest={"A": D(1)}, left_out=("B",),
    )  # fmt: skip
    suspicion.begin_again(later, 7)
    assert suspicion == PendingBreach(later, 7, asked_at=START, last={"A": START})
    sure = PendingBreach(START, 0, is_sure=True, sure_since=START)
    sure.begin_again(later, 7)
    assert sure.sure_since == later


def test_the_newest_of_a_stale_book_is_what_is_counted():
    """Not the last good one, which is old."""
    desk, suspicion = Desk(), PendingBreach(START, 0)
    desk.tracker.marks.newest["BTC-USD"] = Quote("BTC-USD", D(1), D(2), START + timedelta(1))
    suspicion.see(["BTC-USD"], desk.tracker.marks, {"BTC-USD"}, desk.now)
    assert suspicion.last == {"BTC-USD": START + timedelta(1)}


@pytest.mark.parametrize("is_long", [True, False])
def test_the_best_mark_within_the_window_is_that_of_all_that_were_in_force_in_it(is_long):
    """One that was followed by another just as the window began was over by then."""
    prices = (100, 90, 80, 85, 85, 95, 70, 60, 65, 50, 99, 40)
    suspicion, window, best = PendingBreach(START, 0), 2, max if is_long else min
    for second, price in enumerate(prices):
        now = START + timedelta(seconds=second)
        told = suspicion.note_mark("BTC", D(price), now, timedelta(seconds=window), is_long=is_long)
        in_force = prices[max(0, second - window) : second + 1]
        assert told == best(in_force), second
