"""The random market: the same for the same seed, never an impossible quote, and as lively as coins."""

import hashlib
import subprocess
import sys
from collections import Counter
from datetime import timedelta, timezone
from decimal import Decimal, localcontext
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.paper.markets.random_walk import BUSY, CALM, STRESSED, _Walk, random_market
from sidecar.paper.venue.listing import BOOKS, unlisted
from tests.scenario import START

BY_ID = {listing.product_id: listing for listing in BOOKS}


def quotes(count, seed=1, listings=BOOKS, start=START):
    return list(islice(random_market(listings, seed, start), count))


@pytest.fixture(scope="module")
def hours():
    """Some two hours of quotes."""
    return quotes(150_000, seed=11)


@pytest.fixture(scope="module")
def minutes():
    """Log prices of every book after each minute of five days, a column for each book."""
    walk = _Walk(BOOKS, np.random.Generator(np.random.PCG64(5)))
    rows = []
    for _ in range(5 * 24 * 60):
        walk._change_weather()
        rows.append(walk._path()[-1])
    return np.array(rows)


def test_the_same_seed_gives_the_same_quotes_and_another_seed_others():
    assert quotes(3_000, seed=42) == quotes(3_000, seed=42)
    assert quotes(3_000, seed=42)[12:] != quotes(3_000, seed=43)[12:]


def digest():
    return hashlib.sha256("".join(map(str, quotes(3_000, seed=42))).encode()).hexdigest()


def test_another_process_gives_the_same_quotes():
    code = "from tests.unit.paper.markets.test_random_walk import digest; print(digest())"
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest()


def test_the_decimal_context_of_the_caller_changes_nothing():
    with localcontext() as context:
        context.prec = 3
        rounded = quotes(500)
    assert rounded == quotes(500)


def test_every_book_is_quoted_at_the_start_at_its_listed_price():
    opening = quotes(len(BOOKS))
    assert [quote.product_id for quote in opening] == list(BY_ID)
    for quote in opening:
        listing = BY_ID[quote.product_id]
        assert quote.at == START
        assert abs(quote.bid - listing.price) <= 3 * listing.price_increment


def test_the_start_may_be_given_in_any_time_zone_and_quotes_are_utc():
    there = START.astimezone(timezone(timedelta(hours=5)))
    assert quotes(100, start=there) == quotes(100)
    assert quotes(100, start=there)[-1].at.utcoffset() == timedelta(0)


def test_quotes_come_in_time_order(hours):
    assert all(before.at <= after.at for before, after in pairwise(hours))


def test_each_book_quotes_about_twice_a_second_at_irregular_moments(hours):
    seconds = (hours[-1].at - START).total_seconds()
    counts = Counter(quote.product_id for quote in hours)
    assert all(1 <= count / seconds <= 4 for count in counts.values())
    assert len({after.at - before.at for before, after in islice(pairwise(hours), 1000)}) > 900


def test_every_quote_could_stand_in_the_book(hours):
    """Bid below ask, multiples of the increments, sizes within the product's bounds."""
    for quote in hours:
        listing = BY_ID[quote.product_id]
        assert 0 < quote.bid < quote.ask
        assert quote.bid % listing.price_increment == quote.ask % listing.price_increment == 0
        for size in (quote.bid_size, quote.ask_size):
            assert listing.base_min_size <= size <= listing.base_max_size
            assert size % listing.base_increment == 0


def test_sizes_are_mostly_worth_5k_to_100k_dollars(hours):
    dollars = [q.bid_size * q.bid for q in hours if q.product_id in {"BTC-USD", "DOGE-USD"}]
    dollars += [q.ask_size * 3200 for q in hours if q.product_id == "ETH-BTC"]
    usual = sum(4_000 <= worth <= 100_000 for worth in dollars)
    assert usual / len(dollars) > 0.9


def test_btc_is_mostly_one_increment_wide_and_wider_in_a_stressed_market(hours):
    widths = Counter(q.ask - q.bid for q in hours if q.product_id == "BTC-USD")
    assert widths.most_common(1)[0][0] == Decimal("0.01")
    walk = _Walk(BOOKS, np.random.Generator(np.random.PCG64(1)))
    medians = []
    for walk._regime in (CALM, BUSY, STRESSED):
        bids, asks = walk._touch(np.zeros(1_000, np.int64), np.full(1_000, 6_400_000.0))
        medians.append(np.median(asks - bids))
    assert 1 == medians[0] < medians[1] < 10 < medians[2] < 1_000


def test_a_cross_keeps_to_its_dollar_books(hours):
    """ETH-BTC against ETH-USD ÷ BTC-USD as last quoted: within its own increment and a few basis points."""
    last = {}
    gaps = []
    for quote in hours:
        last[quote.product_id] = float(quote.bid + quote.ask) / 2
        if quote.product_id == "ETH-BTC":
            gaps.append(last["ETH-BTC"] / (last["ETH-USD"] / last["BTC-USD"]) - 1)
    assert abs(np.mean(gaps)) < 2e-4
    assert np.quantile(np.abs(gaps), 0.99) < 2e-3


def test_volatility_is_that_of_coins(minutes):
    yearly = np.diff(minutes, axis=0).std(axis=0) * np.sqrt(365 * 24 * 60)
    by_id = dict(zip(BY_ID, yearly, strict=True))
    assert 0.45 < by_id["BTC-USD"] < 0.8
    assert 0.6 < by_id["ETH-USD"] < 1.05
    assert 0.85 < by_id["SOL-USD"] < 1.4


def test_dollar_books_move_together(minutes):
    hourly = np.diff(minutes[::60, :11], axis=0)
    correlations = np.corrcoef(hourly.T)
    assert correlations.min() > 0.4
    assert correlations[0, 1] > 0.6


@pytest.mark.parametrize(("span", "least"), [(1, 8), (5, 5), (60, 3.3)])
def test_tails_are_fat_by_the_minute_and_thin_out_with_time(minutes, span, least):
    moves = np.diff(minutes[::span, :11], axis=0)
    kurtosis = ((moves - moves.mean(0)) ** 4).mean(0) / moves.var(0) ** 2
    assert np.median(kurtosis) > least  # a normal distribution has 3


def test_volatility_clusters(minutes):
    size = np.abs(np.diff(minutes[:, 0]))
    assert np.corrcoef(size[:-5], size[5:])[0, 1] > 0.08


def test_a_cross_whose_legs_are_absent_walks_by_itself():
    alone = [BY_ID["ETH-BTC"]]
    assert {quote.product_id for quote in quotes(500, listings=alone)} == {"ETH-BTC"}


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**18),
    price=st.decimals("0.00001", "100000", places=5),
    step=st.sampled_from(["0.01", "0.00001", "5"]),
)
def test_no_listing_however_odd_makes_an_impossible_quote(seed, price, step):
    """Prices at a fraction of an increment, increments of 5: still above zero, still uncrossed."""
    odd = replace(unlisted("ODD-USD", price), price_increment=Decimal(step))
    for quote in quotes(400, seed=seed, listings=[odd, BY_ID["BTC-USD"]]):
        assert 0 < quote.bid < quote.ask
        assert quote.bid_size > 0
        assert quote.ask_size > 0
        if quote.product_id == "ODD-USD":
            assert quote.bid % odd.price_increment == 0


def test_a_price_that_falls_for_ever_stays_above_zero():
    """A coin worth four increments, over days: the floor holds."""
    cheap = replace(unlisted("DUST-USD", Decimal("0.04")), price_increment=Decimal("0.01"))
    walk = _Walk((cheap,), np.random.Generator(np.random.PCG64(1)))
    walk._volatility *= 100
    seen: Counter[Decimal] = Counter()
    at = START
    for _ in range(300):
        for quote in walk.block(at):
            seen[quote.bid] += 1
            assert quote.bid >= Decimal("0.03")
    assert seen[Decimal("0.03")] > 0
