"""Single questions. The closes of a book: exactly the candles of a span are asked for, and those that cannot be read are told."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
import respx

from sidecar.coinbase.lookups import DEPTH_LEVELS, GRANULARITIES, Lookups
from sidecar.coinbase.rest import Refused, Rest
from sidecar.core.value_at_risk.history import CANDLES_A_CALL, Span
from sidecar.core.vocabulary import events as ev
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


class Reading:
    """Questions to a Coinbase that answers each with these candles."""

    def __init__(self, lookups, route, complaints):
        self.lookups = lookups
        self.complaints = complaints
        self._route = route

    def answer(self, answer, status=200):
        self._route.mock(return_value=httpx.Response(status, json=answer))

    async def reads(self, answer, span=SPAN, period_s=DAY_S, status=200):
        self.answer(answer, status)
        return await self.lookups.closes(span, period_s)

    @property
    def asked(self):
        """Path and query of the last call."""
        url = self._route.calls.last.request.url
        return url.raw_path.decode().partition("?")[0], dict(url.params)


@asynccontextmanager
async def answered():
    rest, complaints = Rest(URL, None, verify=False), list[str]()
    with respx.mock:
        yield Reading(Lookups(rest, lambda: NOW, complaints.append), respx.route(), complaints)
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
    reading.lookups._now = lambda: next(moments)
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


# ----------------------------------------------------------------------------------------- depth


def pricebook(*, bids=(("100", "1"),), asks=(("101", "2"),), product_id="BTC-USD"):
    rows = [[{"price": price, "size": size} for price, size in side] for side in (bids, asks)]
    return {"pricebook": {"product_id": product_id, "bids": rows[0], "asks": rows[1], "time": "x"}}


async def test_the_depth_of_a_book_is_one_call_and_as_of_when_it_was_asked_for(reading):
    reading.answer(pricebook(bids=[("99", "3"), ("100", "1"), ("98", "0")]))
    depth = await reading.lookups.depth("BTC-USD")
    assert reading.asked == (
        "/api/v3/brokerage/product_book",
        {"product_id": "BTC-USD", "limit": str(DEPTH_LEVELS)},
    )
    assert depth == ev.Depth("BTC-USD", ((D(100), D(1)), (D(99), D(3))), ((D(101), D(2)),), NOW)


async def test_a_deep_book_is_told_in_few_levels(reading):
    bids = [(str(10_000 - place), "1") for place in range(DEPTH_LEVELS)]
    reading.answer(pricebook(bids=bids, asks=()))
    depth = await reading.lookups.depth("BTC-USD")
    assert (len(depth.bids) <= ev.LEVELS_MAX, depth.asks) == (True, ())
    assert sum(size for _, size in depth.bids) == DEPTH_LEVELS


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"pricebook": []},
        {"pricebook": {"bids": [], "asks": []}},
        pricebook(product_id="ETH-USD"),
        pricebook(bids=[("101", "1")]),
        pricebook(bids=[("many", "1")]),
        pricebook(bids=[("-1", "1")]),
        pricebook(asks=[("101", "-1")]),
        {"pricebook": {"product_id": "BTC-USD", "bids": {}, "asks": []}},
        {"pricebook": {"product_id": "BTC-USD", "bids": [{"price": "1"}], "asks": []}},
        {"pricebook": {"product_id": "BTC-USD", "bids": [{"price": 1.5, "size": "1"}], "asks": []}},
    ],
)
async def test_a_depth_that_no_book_can_have_is_untrusted(reading, answer):
    reading.answer(answer)
    with pytest.raises(Untrusted):
        await reading.lookups.depth("BTC-USD")
