"""StrategyBooks: how many strategies there may be, and which of them hear of a price."""

import pytest

from sidecar.core.account.strategy_books import STRATEGIES_MAX, StrategyBooks
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.events import Quote
from tests.scenario import START, D
from tests.tracking import Desk


def test_strategies_begin_with_their_first_fact_and_are_bounded():
    made = StrategyBooks()
    assert made.of("s0") is made.of("s0")
    for number in range(1, STRATEGIES_MAX):
        made.of(f"s{number}")
    with pytest.raises(Misuse, match="more than 1000 strategy names"):
        made.of("one more")
    assert made.of("s999") is made.by_name["s999"]


def test_a_price_is_for_the_strategies_that_hold_the_coin_alone():
    made = Desk().tracker.books
    trend, other = made.strategy_books.of("trend"), made.strategy_books.of("other")
    made.trade("BTC", D(1), D(64_000), trend)
    made.trade("ETH", D(1), D(2_000), other)
    made.trade("BTC", D(-1), D(-64_000), trend)
    assert list(made.strategy_books.lined["BTC"].values()) == [trend]
    made.quote(Quote("BTC-USD", D(65_000), D(65_000), START), START)
    assert (made.strategy_books.lined["BTC"], trend.lines) == ({}, {})
    made.trade("BTC", D(1), D(65_000), trend)
    made.quote(Quote("BTC-USD", D(66_000), D(66_000), START), START)
    assert (trend.unrealised, other.unrealised) == (1_000, 0)


def test_no_price_is_for_a_strategy_that_is_forgotten():
    made = Desk().tracker.books
    trend = made.strategy_books.of("trend")
    made.trade("BTC", D(1), D(64_000), trend)
    made.strategy_books.forget("trend")
    made.quote(Quote("BTC-USD", D(65_000), D(65_000), START), START)
    assert (made.strategies, made.strategy_books.lined["BTC"], trend.unrealised) == ({}, {}, 0)
