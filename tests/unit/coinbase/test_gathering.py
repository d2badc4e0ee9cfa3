"""A side in few levels. That no cost is told too low: tests/property/test_local_book_laws.py."""

from fractions import Fraction
from itertools import pairwise

import pytest

from sidecar.coinbase.gathering import EXACT, STEPS, are_news, gathered
from tests.scenario import D


def side(*levels):
    return [D(price) for price, _ in levels], [D(size) for _, size in levels]


def test_an_empty_side_is_told_as_empty():
    assert gathered([], []) == ()


def test_up_to_fifty_levels_are_told_as_they_are():
    keys, sizes = side(*((1_000 + place, 1) for place in range(50)))
    assert gathered(keys, sizes) == tuple(zip(keys, sizes, strict=True))


def test_bids_are_told_as_prices_best_first():
    keys, sizes = side((-100, 1), (-99, 2))
    assert gathered(keys, sizes) == ((D(100), D(1)), (D(99), D(2)))


def test_levels_farther_than_a_tenth_are_left_out_and_those_at_a_tenth_are_not():
    keys, sizes = side((100, 1), (110, 2), ("110.01", 3))
    assert gathered(keys, sizes) == ((D(100), D(1)), (D(110), D(2)))
    keys, sizes = side((-100, 1), (-90, 2), ("-89.99", 3))
    assert gathered(keys, sizes) == ((D(100), D(1)), (D(90), D(2)))


def test_of_more_the_best_are_exact_and_the_rest_in_steps_that_grow_with_the_distance():
    keys, sizes = side(*((100_000 + place, 1) for place in range(10_001)))
    told = gathered(keys, sizes)
    assert told[:EXACT] == tuple(zip(keys[:EXACT], sizes[:EXACT], strict=True))
    assert len(told) <= EXACT + STEPS
    assert told[-1][0] == 110_000
    assert sum(size for _, size in told) == 10_001
    ratio = (10_000 / 19) ** (1 / STEPS)
    away = [int(price - 100_000) for price, _ in told[EXACT - 1 :]]
    assert all(second <= (first + 1) * ratio for first, second in pairwise(away))


def test_sums_are_exact_in_any_context():
    """The decimal context of whoever asks may have fewer digits than money."""
    keys = [D(100_000 + place) for place in range(100)]
    size = D("12345678901234.123456789012345678")
    told = gathered(keys, [size] * 100)
    assert len(told) <= 50
    assert sum(Fraction(part) for _, part in told) == 100 * Fraction(size)


# ------------------------------------------------------------------------------------------- news

SIDE = ((D(100), D(1)), (D(101), D(2)), (D(102), D(3)))


@pytest.mark.parametrize(
    ("now", "news"),
    [
        (SIDE, False),
        (((D("100.01"), D(1)), *SIDE[1:]), False),  # a basis point, of the first unit
        (((D("100.011"), D(1)), *SIDE[1:]), True),
        (((D("99.989"), D(1)), *SIDE[1:]), True),  # a better price is news too
        (((D(100), D("0.5")), (D(101), D("2.5")), SIDE[2]), True),  # the first unit costs 100.5
        ((*SIDE[:2], (D(102), D("3.3"))), False),  # six and a twentieth of it
        ((*SIDE[:2], (D(102), D("3.31"))), True),
        ((*SIDE[:2], (D(102), D("2.7"))), False),
        ((*SIDE[:2], (D(102), D("2.69"))), True),
        (((D(100), D(3)), (D(102), D(3))), True),
        ((), True),
    ],
)
def test_another_average_price_or_size_is_news_and_a_basis_point_is_not(now, news):
    assert are_news((SIDE, ()), (now, ())) is news
    assert are_news(((), SIDE), ((), now)) is news


def test_a_side_that_was_empty_is_news_when_it_is_not_any_more():
    assert are_news(((), ()), ((), SIDE))
    assert not are_news(((), ()), ((), ()))
