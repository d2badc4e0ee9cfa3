"""Candles of the past: one set of minutes, seen at every granularity, that ends where the market starts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.paper.markets import history
from sidecar.paper.markets.history import DAY_S, GRANULARITIES_S, HISTORY_DAYS, History
from sidecar.paper.venue.listing import BOOKS

START = datetime(2026, 11, 22, 13, 7, 30, tzinfo=UTC)
END = int(START.timestamp())
BY_ID = {listing.product_id: listing for listing in BOOKS}
PRODUCTS = st.sampled_from(sorted(BY_ID))
PAST = History(BOOKS, 7, START)


def day(product_id, granularity_s, days_ago=1, past=PAST):
    opens = (END // DAY_S - days_ago) * DAY_S
    return past.candles(product_id, granularity_s, opens, opens + DAY_S)


def returns(product_id, days=500):
    closes = [float(c.close) for c in PAST.candles(product_id, DAY_S, END - days * DAY_S, END)]
    return np.diff(np.log(closes))


@settings(max_examples=30)
@given(
    product_id=PRODUCTS,
    granularity_s=st.sampled_from(GRANULARITIES_S),
    days_ago=st.integers(0, HISTORY_DAYS),
)
def test_every_granularity_is_the_aggregate_of_the_same_minutes(
    product_id, granularity_s, days_ago
):
    minutes = day(product_id, 60, days_ago)
    for candle in day(product_id, granularity_s, days_ago):
        inside = [m for m in minutes if candle.start <= m.start < candle.start + granularity_s]
        assert candle.start % granularity_s == 0
        assert candle.open == inside[0].open
        assert candle.close == inside[-1].close
        assert candle.high == max(m.high for m in inside)
        assert candle.low == min(m.low for m in inside)
        assert candle.volume == sum(m.volume for m in inside)


@settings(max_examples=30)
@given(
    product_id=PRODUCTS,
    granularity_s=st.sampled_from(GRANULARITIES_S),
    days_ago=st.integers(2, HISTORY_DAYS),
)
def test_candles_join_up_without_a_gap_also_over_midnight(product_id, granularity_s, days_ago):
    candles = day(product_id, granularity_s, days_ago) + day(
        product_id, granularity_s, days_ago - 1
    )
    assert len(candles) == 2 * DAY_S // granularity_s
    for before, after in pairwise(candles):
        assert after.start == before.start + granularity_s
        assert after.open == before.close


@settings(max_examples=30)
@given(product_id=PRODUCTS, days_ago=st.integers(0, HISTORY_DAYS))
def test_every_candle_is_possible(product_id, days_ago):
    listing = BY_ID[product_id]
    for candle in day(product_id, 60, days_ago):
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert max(candle.open, candle.close) <= candle.high
        assert candle.volume >= 0
        assert all(price % listing.price_increment == 0 for price in candle[1:5])
        assert candle.volume % listing.base_increment == 0


@pytest.mark.parametrize("product_id", BY_ID)
@pytest.mark.parametrize("granularity_s", GRANULARITIES_S)
def test_the_last_candle_closes_at_the_price_of_the_start(product_id, granularity_s):
    last = PAST.candles(product_id, granularity_s, END - 2 * DAY_S, END + DAY_S)[-1]
    assert last.close == BY_ID[product_id].price
    assert last.start == (END - 1) // granularity_s * granularity_s


@pytest.mark.parametrize(
    "start",
    [
        START.replace(hour=0, minute=0, second=0),
        START.replace(hour=0, minute=0, second=1),
        START.replace(second=0),
    ],
)
def test_nothing_lies_after_the_start_wherever_in_the_day_it_falls(start):
    past, end = History(BOOKS, 7, start), start.timestamp()
    for granularity_s in GRANULARITIES_S:
        candles = past.candles("BTC-USD", granularity_s, int(end) - 2 * DAY_S, int(end) + DAY_S)
        assert end - granularity_s <= candles[-1].start < end
        assert candles[-1].close == Decimal(64_000)


def test_what_is_asked_first_changes_nothing():
    """Lazy, but as if all had been made at once: order, cache and other products have no say."""
    forward, backward = History(BOOKS, 7, START), History(BOOKS[:2], 7, START)
    for days_ago in (3, 400, 3):
        day("ETH-USD", 300, days_ago, past=forward)
    assert day("BTC-USD", 900, 400, past=forward) == day("BTC-USD", 900, 400, past=backward)


def test_the_same_seed_gives_the_same_past_and_another_seed_another():
    assert day("BTC-USD", 60) == day("BTC-USD", 60, past=History(BOOKS, 7, START))
    assert day("BTC-USD", 60) != day("BTC-USD", 60, past=History(BOOKS, 8, START))


def test_only_buckets_that_open_within_the_asked_time_are_given():
    assert [c.start for c in PAST.candles("BTC-USD", 60, END - 150, END)] == [
        END // 60 * 60 - 120,
        END // 60 * 60 - 60,
        END // 60 * 60,
    ]
    hour = END // 3600 * 3600 - 7200
    assert [c.start for c in PAST.candles("BTC-USD", 3600, hour, hour + 1)] == [hour]
    assert PAST.candles("BTC-USD", 3600, hour + 1, hour + 3600) == []
    assert PAST.candles("BTC-USD", 3600, hour, hour) == []
    assert PAST.candles("BTC-USD", 3600, hour, hour - 10 * DAY_S) == []


def test_before_the_first_day_and_after_the_start_there_is_nothing():
    assert PAST.candles("BTC-USD", DAY_S, 0, END - (HISTORY_DAYS + 2) * DAY_S) == []
    assert PAST.candles("BTC-USD", 60, END + 60, END + DAY_S) == []
    assert len(PAST.candles("BTC-USD", DAY_S, 0, END + 10 * DAY_S)) == HISTORY_DAYS + 1


def test_a_granularity_that_coinbase_has_not_is_refused():
    with pytest.raises(ValueError, match="granularity 120 s is not one of"):
        PAST.candles("BTC-USD", 120, 0, END)


def test_a_product_without_a_book_is_a_key_error():
    with pytest.raises(KeyError):
        PAST.candles("NO-USD", 60, 0, END)


def test_daily_returns_are_those_of_coins():
    yearly = {name: returns(name).std() * 365**0.5 for name in ("BTC-USD", "ETH-USD", "SOL-USD")}
    assert 0.4 < yearly["BTC-USD"] < 0.9
    assert 0.55 < yearly["ETH-USD"] < 1.2
    assert 0.75 < yearly["SOL-USD"] < 1.6


def test_daily_returns_have_fat_tails():
    moves = np.concatenate(
        [
            returns(name) / returns(name).std()
            for name in ("BTC-USD", "ETH-USD", "SOL-USD", "LTC-USD")
        ]
    )
    assert (moves**4).mean() > 4  # a normal distribution has 3


@pytest.mark.parametrize("granularity_s", [3600, DAY_S])
def test_products_move_together_by_the_day_and_by_the_hour(granularity_s):
    span = 350 * granularity_s
    rows = [
        np.diff(
            np.log([float(c.close) for c in PAST.candles(name, granularity_s, END - span, END)])
        )
        for name in ("BTC-USD", "ETH-USD", "SOL-USD", "LTC-USD")
    ]
    assert np.corrcoef(rows).min() > 0.4


def test_a_cross_is_the_ratio_of_its_dollar_books():
    for cross, eth, btc in zip(
        *(day(name, 60, 200) for name in ("ETH-BTC", "ETH-USD", "BTC-USD")), strict=True
    ):
        assert abs(cross.close - eth.close / btc.close) <= Decimal("0.00001")


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(history, "CACHED_DAYS", 3)
    past = History(BOOKS, 7, START)
    for days_ago in range(10):
        day("BTC-USD", 3600, days_ago, past=past)
    past.candles("BTC-USD", DAY_S, 0, END)
    assert len(past._cache) == 3
    assert len(past._daily) == HISTORY_DAYS + 1


def test_a_start_with_a_fraction_of_a_second_counts_the_minute_it_is_in():
    past = History(BOOKS, 7, START.replace(second=0) + timedelta(microseconds=1))
    assert past.candles("BTC-USD", 60, END - DAY_S, END)[-1].start == END - 30
