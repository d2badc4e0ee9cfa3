"""Conflation: the first at once, the rest together, nothing lost, and before a decision what it needs."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sidecar.coinbase.frames import Ticker, TickerRow
from sidecar.daemon.conflation import Conflation
from tests.scenario import START


def quote(product_id, bid):
    return Ticker(START, TickerRow(product_id, str(bid), str(bid + 1)))


def names(quotes):
    return [(quote.product_id, int(quote.row.best_bid)) for quote in quotes]


def test_the_first_after_a_while_goes_at_once_and_the_others_wait_for_the_rest_of_it():
    conflation = Conflation(0.5)
    assert names(conflation.offer([quote("A", 1)], 10.0)) == [("A", 1)]
    assert conflation.offer([quote("A", 2), quote("B", 1)], 10.1) == ()
    assert conflation.offer([quote("A", 3)], 10.4) == ()
    assert conflation.due_at() == 10.5
    assert names(conflation.due(10.5)) == [("A", 3), ("B", 1)]
    assert conflation.due_at() is None
    assert names(conflation.offer([quote("A", 4)], 11.0)) == [("A", 4)]


def test_a_decision_takes_what_waits_for_its_books_and_no_more():
    conflation = Conflation(0.5)
    conflation.offer([quote("A", 1)], 10.0)
    conflation.offer([quote("A", 2), quote("B", 1)], 10.1)
    assert names(conflation.release(["A", "C"])) == [("A", 2)]
    assert conflation.release(["A"]) == ()
    assert names(conflation.due(10.6)) == [("B", 1)]


def test_without_a_while_every_quote_goes_on():
    conflation = Conflation(0)
    assert names(conflation.offer([quote("A", 1)], 1.0)) == [("A", 1)]
    assert names(conflation.offer([quote("A", 2)], 1.0)) == [("A", 2)]


steps = st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0, 1), st.booleans()), max_size=60)


@given(steps)
def test_the_newest_of_every_book_is_handed_on_within_the_while_and_at_most_so_often(story):
    conflation, wall, at_once = Conflation(0.5), 0.0, list[float]()
    newest, handed = dict[str, int](), dict[str, int]()
    for number, (name, passes, asks) in enumerate(story):
        wall += passes
        for given_on in (conflation.due(wall), conflation.offer([quote(name, number)], wall)):
            if given_on:
                at_once.append(wall)
            handed |= dict(names(given_on))
        newest[name] = number
        if asks:
            handed |= dict(names(conflation.release([name])))
            assert handed[name] == newest[name]
    handed |= dict(names(conflation.due(wall + 0.6)))
    assert handed == newest
    assert all(later - earlier >= 0.4999 for earlier, later in pairwise(at_once))
