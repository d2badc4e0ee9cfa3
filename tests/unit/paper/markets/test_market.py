"""A market by its description: its books, its start, its quotes, its seed."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.paper import Paper
from sidecar.core.vocabulary.errors import Misuse
from sidecar.paper.markets.history import History
from sidecar.paper.markets.market import RandomMarket, ReplayMarket, open_market, parse_market
from sidecar.paper.markets.random_walk import random_market
from sidecar.paper.markets.replay import COLUMNS, ReplayError
from sidecar.paper.venue.listing import BOOKS, catalogue
from tests.scenario import START


@pytest.fixture
def file(tmp_path):
    def file(*rows, name="quotes.csv"):
        path = tmp_path / name
        path.write_text("\n".join((",".join(COLUMNS), *(f"2018-04-04T{row}" for row in rows))))
        return path

    return file


def replayed(*paths):
    return open_market("replay:" + ",".join(map(str, paths)), START, 1)


@pytest.mark.parametrize(
    ("spec", "market"),
    [
        ("random", RandomMarket(None)),
        ("random:0", RandomMarket(0)),
        ("random:123456789012345678", RandomMarket(123456789012345678)),
        ("replay:a.csv", ReplayMarket((Path("a.csv"),))),
        ("replay:a.csv,b:c.csv.gz", ReplayMarket((Path("a.csv"), Path("b:c.csv.gz")))),
    ],
)
def test_a_description_is_read(spec, market):
    assert parse_market(spec) == market


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "random:",
        "random:x",
        "random:-1",
        "random:1.5",
        "random:" + "1" * 19,
        "random:٣",
        "Random",
        "replay",
        "replay:",
        "replay:a,,b",
        "replay:a\0",
        "live",
    ],
)
def test_what_is_no_description_is_refused(spec):
    with pytest.raises(Misuse, match="is not a market; write random, random:SEED or replay"):
        parse_market(spec)


@given(st.one_of(st.text(), st.from_regex(r"\A(random|replay)(:[0-9a,\0]*)?\Z")))
def test_the_configuration_and_the_market_take_the_same_descriptions(spec):
    """ASCII digits only: the configuration's pattern would take other scripts' digits as well."""

    def takes(read):
        try:
            read(spec)
        except (ValueError, Misuse):
            return False
        return True

    assert takes(parse_market) == takes(lambda market: Paper(market=market)) or not spec.isascii()


def test_a_random_market_starts_now_with_the_books_of_the_catalogue():
    market = open_market("random:7", START, entropy=99)
    assert (market.books, market.start, market.seed) == (BOOKS, START, 7)
    assert list(islice(market.quotes, 500)) == list(islice(random_market(BOOKS, 7, START), 500))


def test_without_a_seed_the_callers_entropy_is_the_seed():
    assert open_market("random", START, entropy=99).seed == 99


def test_a_replay_starts_with_its_first_quote_and_lists_what_it_holds(file):
    market = replayed(
        file("00:00:05Z,BTC-USD,7424.9,1,7424.91,1", "00:00:06Z,ABC-USD,2.00,1,2.02,1")
    )
    btc, abc = market.books
    assert market.start == datetime(2018, 4, 4, 0, 0, 5, tzinfo=UTC)
    assert (btc.product_id, btc.price, btc.base_max_size) == (
        "BTC-USD",
        Decimal("7424.90"),
        Decimal(3400),
    )
    assert (abc.product_id, abc.base, abc.quote, abc.price) == (
        "ABC-USD",
        "ABC",
        "USD",
        Decimal("2.01"),
    )
    assert [quote.product_id for quote in market.quotes] == ["BTC-USD", "ABC-USD"]


def test_increments_are_made_as_fine_as_the_files_and_no_finer_than_sense(file):
    (shib, link) = replayed(
        file(
            "00:00:05Z,SHIB-USD,0.00001234,1,0.00001236,1",
            "00:00:05Z,LINK-USD,14.1,1.23456789,14.10000000000001,1",
        )
    ).books
    assert (shib.price_increment, shib.price) == (Decimal("1E-8"), Decimal("0.00001235"))
    assert (link.price_increment, link.base_increment) == (Decimal("1E-10"), Decimal("1E-8"))


def test_a_mid_below_one_increment_is_listed_at_one(file):
    (book,) = replayed(file("00:00:05Z,X-USD,0.0000000000001,1,0.0000000000003,1")).books
    assert book.price == book.price_increment == Decimal("1E-10")


def test_a_product_that_the_file_quotes_has_a_book_of_its_own(file):
    books = replayed(file("00:00:05Z,BTC-USD,10,1,11,1", "00:00:05Z,BTC-USDC,10,1,11,1")).books
    assert books[0].alias_to == ()
    assert catalogue(books, futures=False)["BTC-USDC"].book == "BTC-USDC"


def test_a_replay_always_has_the_same_past(file):
    path = file("00:00:05Z,BTC-USD,7424.9,1,7424.91,1")
    one, two = (replayed(path) for _ in range(2))
    ends = int(one.start.timestamp())
    first, second = (
        History(m.books, m.seed, m.start).candles("BTC-USD", 300, ends - 9000, ends)
        for m in (one, two)
    )
    assert first == second
    assert first[-1].close == Decimal("7424.90")


def test_a_file_that_cannot_be_replayed_is_refused_when_the_market_opens(file):
    with pytest.raises(ReplayError, match="line 2: bid is not above zero"):
        replayed(file("00:00:05Z,BTC-USD,0,1,11,1"))
