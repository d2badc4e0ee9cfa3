"""How late a frame is: by Coinbase's own time, whatever this machine's clock says."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from sidecar.coinbase.frames import Tickers, quotes_of
from sidecar.coinbase.lag import AGAIN_AFTER_S, BEHIND_FOR_S, CoinbaseTime, Lag
from sidecar.coinbase.session import Close, Parsed, Session

THEN = datetime(2026, 11, 22, 13, 20, tzinfo=UTC)  # when the monotonic clock showed 100 s
OLDEST_S = 10.0


def stamp(after_s):
    return (THEN + timedelta(seconds=after_s)).isoformat()


@pytest.fixture
def time():
    made = CoinbaseTime()
    made.heard(THEN, 99.9, 100.0)
    return made


@pytest.fixture
def listener(time):
    """A session that has come up, at second 100."""
    session = Session(("heartbeats",), lag=Lag(time, lambda: OLDEST_S))
    session.opened(100.0)
    return session


def ticker(number, stamped):
    row = {"product_id": "BTC-USD", "best_bid": "99", "best_ask": "101", "price": "100"}
    event = {"type": "update", "tickers": [row]}
    frame = {"channel": "ticker", "sequence_num": number, "timestamp": stamped, "events": [event]}
    return json.dumps(frame)


def test_a_frame_is_as_late_as_coinbases_clock_says(time):
    assert time.lag_s(stamp(5), 105.0) == 0.0
    assert time.lag_s(stamp(5), 112.5) == pytest.approx(7.5)


def test_a_frame_from_the_future_is_not_late(time):
    assert time.lag_s(stamp(86_400), 105.0) == 0.0


@pytest.mark.parametrize("told", ["", "noon"])
def test_of_a_frame_without_a_time_nobody_knows(time, told):
    assert time.lag_s(told, 105.0) is None


def test_without_coinbases_time_nobody_knows():
    assert CoinbaseTime().lag_s(stamp(0), 105.0) is None


def test_a_slow_answer_tells_the_time_only_where_no_other_has():
    time = CoinbaseTime()
    time.heard(THEN, 90.0, 100.0)
    assert time.lag_s(stamp(0), 101.0) == pytest.approx(1.0)
    time.heard(THEN + timedelta(seconds=60), 160.0, 160.1)
    assert time.lag_s(stamp(60), 161.1) == pytest.approx(1.0)
    time.heard(THEN + timedelta(seconds=120), 220.0, 229.0)  # nine seconds on the way
    assert time.lag_s(stamp(120), 221.1) == pytest.approx(1.0)


@pytest.mark.parametrize("skew_h", [-5, 0, 5])
def test_a_late_quote_is_of_when_it_was_told_whatever_this_machines_clock_says(listener, skew_h):
    now = THEN + timedelta(hours=skew_h, seconds=30)
    (told,) = listener.received(ticker(0, stamp(8)), now, 130.0)
    assert isinstance(told, Parsed)
    assert isinstance(told.said, Tickers)
    assert told.said.at == now
    (quote,) = quotes_of(told.said.rows)
    assert quote.at == now - timedelta(seconds=22)


def test_what_is_late_by_its_way_only_is_of_the_moment(listener):
    now = THEN + timedelta(seconds=30)
    (told,) = listener.received(ticker(0, stamp(29.5)), now, 130.0)
    assert told.said.rows[0].at == now


def test_a_feed_that_stays_behind_is_begun_anew_and_then_left_for_a_while(listener):
    number = iter(range(1_000))

    def hear(wall, behind_s):
        frame = ticker(next(number), stamp(wall - 100 - behind_s))
        return [s for s in listener.received(frame, THEN, wall) if isinstance(s, Close)]

    assert not hear(110.0, 5.1)
    assert not hear(110.0 + BEHIND_FOR_S - 0.1, 6)
    assert not hear(110.0 + BEHIND_FOR_S, 4.9)  # it has caught up
    assert not hear(120.0, 6)
    (close,) = hear(120.0 + BEHIND_FOR_S, 6.04)
    assert close.reason == "frames come 6.0 s behind Coinbase's time"
    listener.lost(close.reason)
    listener.opened(124.0)
    number = iter(range(1_000))
    assert not hear(125.0, 6)
    assert not hear(125.0 + BEHIND_FOR_S, 6)
    assert hear(120.0 + BEHIND_FOR_S + AGAIN_AFTER_S, 6)


def test_coinbases_clock_goes_on_by_monotonic_time(time):
    now = time.now(100.0 + 86_400)
    assert abs(now - (THEN + timedelta(days=1))) < timedelta(milliseconds=1)
    assert CoinbaseTime().now(100.0) is None
