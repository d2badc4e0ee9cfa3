"""The market's rows: candles, pricebooks, the time. Those that can be read are handed over, the others told."""

from datetime import UTC, datetime, timedelta

import pytest

from sidecar.coinbase import market_rows
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from tests.scenario import D

AT = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
TOLD_AT = datetime(2026, 11, 22, 13, 20, tzinfo=UTC)
DAY_S = 86_400
SINCE = 17_000 * DAY_S


def candle(day, close="100"):
    """As Coinbase writes it, of this day."""
    told = {"start": str(SINCE + day * DAY_S), "low": "1", "high": "9", "open": "2", "volume": "5"}
    return told | {"close": close}


def test_candles_come_newest_first_and_are_handed_over_oldest_first():
    left_out: list[str] = []
    told = [candle(2, "103.5"), candle(1, "102"), candle(0, "101.000000000001")]
    assert market_rows.closes(told, left_out) == (
        (SINCE, D("101.000000000001")),
        (SINCE + DAY_S, D(102)),
        (SINCE + 2 * DAY_S, D("103.5")),
    )
    assert left_out == []


def test_of_a_start_told_twice_the_last_word_counts():
    told = [candle(1, "102"), candle(0, "1"), candle(0, "2")]
    assert market_rows.closes(told, []) == ((SINCE, D(2)), (SINCE + DAY_S, D(102)))


def test_numbers_may_be_json_numbers():
    assert market_rows.closes([{"start": SINCE, "close": 99.5}], []) == ((SINCE, D("99.5")),)


BAD = {
    "start is not a number": {"start": "soon"},
    "start is not a number of seconds": {"start": "17.5"},
    "close is not a number": {"close": "NaN"},
    "close is not a price": {"close": "0"},
}
WORSE = [
    {"start": None}, {"start": ""}, {"start": "-86400"}, {"start": True}, {"start": []}, {"start": "9" * 30},
    {"close": None}, {"close": ""}, {"close": "-1"}, {"close": "Infinity"}, {"close": {}}, {"close": "1e40"},
]  # fmt: skip


@pytest.mark.parametrize(("why", "fields"), BAD.items())
def test_a_row_that_cannot_be_read_is_left_out_by_its_field(why, fields):
    left_out: list[str] = []
    told = [candle(2, "103"), candle(1) | fields, candle(0, "101")]
    assert [close for _, close in market_rows.closes(told, left_out)] == [D(101), D(103)]
    assert left_out == [why]


@pytest.mark.parametrize("fields", WORSE, ids=str)
def test_nothing_odd_is_taken_for_a_close(fields):
    left_out: list[str] = []
    assert market_rows.closes([candle(0) | fields], left_out) == ()
    assert len(left_out) == 1


def test_a_book_tells_what_is_offered_at_its_best_prices():
    def book(**sides):
        (quote,) = market_rows.quotes([{"product_id": "A-USD"} | sides], AT, [])
        return quote

    bids, asks = [{"price": "1", "size": "3"}, {"price": "0.9", "size": "9"}], [{"price": "2"}]
    assert book(bids=bids, asks=asks) == ev.Quote("A-USD", D(1), D(2), AT, bid_size=D(3))
    assert market_rows.quotes([{"product_id": "A-USD", "bids": bids, "asks": []}], AT, []) == ()


@pytest.mark.parametrize(
    ("row", "at"),
    [
        ({"iso": "2026-11-22T13:20:00Z", "epochMillis": "1795353600250"}, 0.25),
        ({"iso": "2026-11-22T13:20:00Z", "epochMillis": 1795353600250}, 0.25),
        ({"iso": "2026-11-22T13:20:00Z"}, 0.0),
        ({"iso": "2026-11-22T13:20:00Z", "epochMillis": "99999999999999"}, 0.0),
    ],
)
def test_coinbases_time_is_read_to_the_millisecond_where_it_is_told(row, at):
    assert market_rows.server_time(row) == TOLD_AT + timedelta(seconds=at)


@pytest.mark.parametrize("row", [{}, {"iso": ""}, {"iso": "noon"}, {"epochMillis": "soon"}])
def test_an_answer_without_a_time_is_none(row):
    with pytest.raises(Untrusted):
        market_rows.server_time(row)
