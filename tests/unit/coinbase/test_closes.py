"""What books closed at: exactly the candles of a span are asked for, and what cannot be read is told."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
import respx

from sidecar.coinbase import rows
from sidecar.coinbase.account_reader import GRANULARITIES, AccountReader
from sidecar.coinbase.rest import Refused, Rest
from sidecar.core.value_at_risk.history import CANDLES_A_CALL, Span
from sidecar.core.vocabulary.errors import Untrusted
from tests.scenario import D

URL = "http://coinbase.test"
NOW = datetime(2018, 4, 4, 13, tzinfo=UTC)  # of the market: a replay's
DAY_S = 86_400
SINCE = 17_000 * DAY_S
SPAN = Span("BTC-USD", SINCE, SINCE + 4 * DAY_S)


def candle(day, close="100", **fields):
    """As Coinbase writes it, of this day of the span."""
    told = {"start": str(SINCE + day * DAY_S), "low": "1", "high": "9", "open": "2", "volume": "5"}
    return told | {"close": close} | fields


# ---------------------------------------------------------------------------------------------- rows


def test_candles_come_newest_first_and_are_handed_over_oldest_first():
    left_out: list[str] = []
    told = [candle(2, "103.5"), candle(1, "102"), candle(0, "101.000000000001")]
    assert rows.closes(told, left_out) == (
        (SINCE, D("101.000000000001")),
        (SINCE + DAY_S, D(102)),
        (SINCE + 2 * DAY_S, D("103.5")),
    )
    assert left_out == []


def test_of_a_start_told_twice_the_last_word_counts():
    told = [candle(1, "102"), candle(0, "1"), candle(0, "2")]
    assert rows.closes(told, []) == ((SINCE, D(2)), (SINCE + DAY_S, D(102)))


def test_numbers_may_be_json_numbers():
    assert rows.closes([{"start": SINCE, "close": 99.5}], []) == ((SINCE, D("99.5")),)


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
    assert [close for _, close in rows.closes(told, left_out)] == [D(101), D(103)]
    assert left_out == [why]


@pytest.mark.parametrize("fields", WORSE, ids=str)
def test_nothing_odd_is_taken_for_a_close(fields):
    left_out: list[str] = []
    assert rows.closes([candle(0) | fields], left_out) == ()
    assert len(left_out) == 1


# ------------------------------------------------------------------------------------------- picture


class Reading:
    """A picture of a Coinbase that answers every call with these candles."""

    def __init__(self, picture, route, complaints):
        self.picture = picture
        self.complaints = complaints
        self._route = route

    async def reads(self, answer, span=SPAN, period_s=DAY_S, status=200):
        self._route.mock(return_value=httpx.Response(status, json=answer))
        return await self.picture.closes(span, period_s)

    @property
    def asked(self):
        """Path and query of the last call."""
        url = self._route.calls.last.request.url
        return url.raw_path.decode().partition("?")[0], dict(url.params)


@asynccontextmanager
async def answered():
    rest, complaints = Rest(URL, None, verify=False), list[str]()
    with respx.mock:
        yield Reading(
            AccountReader(rest, lambda: NOW, complaints.append), respx.route(), complaints
        )
    await rest.close()


@pytest.fixture
async def reading():
    async with answered() as made:
        yield made


async def test_it_is_one_call_for_the_candles_that_open_within_the_span_and_no_other(reading):
    read = await reading.reads({"candles": [candle(3, "104"), candle(0, "101")]})
    assert reading.asked == (
        "/api/v3/brokerage/products/BTC-USD/candles",
        {
            "start": str(SPAN.since), "end": str(SPAN.until - 1), "granularity": "ONE_DAY",
            "limit": str(CANDLES_A_CALL),
        },
    )  # fmt: skip
    assert len(respx.calls) == 1
    assert (read.at, read.book, read.period_s) == (NOW, "BTC-USD", DAY_S)
    assert (read.since, read.until) == (SPAN.since, SPAN.until)
    assert read.closes == ((SINCE, D(101)), (SINCE + 3 * DAY_S, D(104)))


@pytest.mark.parametrize(("period_s", "name"), GRANULARITIES.items())
async def test_each_period_has_coinbases_name(reading, period_s, name):
    await reading.reads({"candles": []}, Span("ETH-BTC", 0, period_s), period_s)
    assert reading.asked[1]["granularity"] == name


async def test_the_moment_is_the_one_before_the_read(reading):
    moments = iter([NOW])
    reading.picture._now = lambda: next(moments)
    assert (await reading.reads({"candles": []})).at == NOW


async def test_a_book_s_name_cannot_lead_elsewhere(reading):
    await reading.reads({"candles": []}, Span("../orders?x=", 0, DAY_S))
    assert reading.asked[0] == "/api/v3/brokerage/products/..%2Forders%3Fx%3D/candles"


async def test_what_was_not_asked_for_is_not_handed_over(reading):
    """Some candles may precede the start, and the one that is forming may follow the end."""
    told = [candle(4, "105"), candle(3, "104"), candle(0, "101"), candle(-1, "100")]
    read = await reading.reads({"candles": told})
    assert read.closes == ((SINCE, D(101)), (SINCE + 3 * DAY_S, D(104)))
    assert reading.complaints == []


@pytest.mark.parametrize("answer", [{"candles": []}, {"candles": None}])
async def test_a_time_without_trades_has_no_candles(reading, answer):
    assert (await reading.reads(answer)).closes == ()


async def test_rows_that_cannot_be_read_are_complained_of_once_for_all(reading):
    told = [candle(2, "x"), candle(1, "102"), candle(0, "")]
    read = await reading.reads({"candles": told})
    assert read.closes == ((SINCE + DAY_S, D(102)),)
    assert reading.complaints == [
        "BTC-USD: 2 of 3 candles cannot be read, the first because close is not a number"
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"candles": [candle(1, "x"), candle(0, "x")]}, "BTC-USD: 2 of 2 candles cannot be read"),
        ({}, "BTC-USD: the answer has no candles"),
        ({"candles": "many"}, "candles is not a list"),
        ({"candles": [1]}, "candles is not an object"),
    ],
)
async def test_an_answer_that_says_nothing_is_not_taken_for_a_time_without_trades(
    reading, answer, why
):
    with pytest.raises(Untrusted, match=why):
        await reading.reads(answer)
    assert reading.complaints == []


async def test_an_unknown_product_is_refused(reading):
    with pytest.raises(Refused, match="product not found"):
        await reading.reads({"message": "product not found"}, status=404)
