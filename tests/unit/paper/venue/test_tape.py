"""Trades, candles and day figures: a recount of all trades agrees, and memory is bounded."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.money import ZERO
from sidecar.paper.venue.tape import DAY, HOUR, MINUTE, Candle, Tape, Trade
from tests.papers import BTC, OPENING, D, Paper

START = int(OPENING.timestamp())
GRANULARITIES = (60, 300, 900, 1800, 3600, 7200, 14400, 21600, 86400)

trades = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 20, 59, 60, 61, 240, 1_500, 3_600, 7_000)),  # seconds since the last
        st.integers(1, 50),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=30,
)


def printed(rows):
    tape, second, all_trades = Tape(BTC), START, []
    for number, (gap, price, size) in enumerate(rows):
        second += gap
        at = OPENING + timedelta(seconds=second - START)
        all_trades.append(Trade(number, BTC, D(price), D(size), "BUY", at))
        tape.add(all_trades[-1])
    return tape, all_trades, second


def recounted(all_trades, granularity, start, end):
    buckets: dict[int, list[Trade]] = {}
    for trade in all_trades:
        second = int(trade.at.timestamp())
        buckets.setdefault(second - second % granularity, []).append(trade)
    return [
        Candle(
            opened,
            min(t.price for t in rows),
            max(t.price for t in rows),
            rows[0].price,
            rows[-1].price,
            sum((t.size for t in rows), ZERO),
        )
        for opened, rows in sorted(buckets.items())
        if start - start % granularity <= opened <= end
    ]


@given(trades, st.sampled_from(GRANULARITIES), st.integers(-5_000, 20_000), st.integers(0, 90_000))
def test_candles_agree_with_a_recount_of_all_trades(rows, granularity, offset, length):
    tape, all_trades, _ = printed(rows)
    start, end = START + offset, START + offset + length
    assert tape.candles(granularity, start, end) == recounted(all_trades, granularity, start, end)


@given(trades)
def test_the_days_figures_are_those_of_its_hours(rows):
    tape, all_trades, last = printed(rows)
    first = last - last % HOUR - 23 * HOUR
    within = [trade for trade in all_trades if trade.at.timestamp() >= first]
    day = tape.day(all_trades[-1].at)
    assert day == (
        within[0].price,
        max(t.price for t in within),
        min(t.price for t in within),
        sum(t.size for t in within),
    )


def test_the_days_figures_follow_each_trade_and_grow_old():
    tape, _, _ = printed([(0, 5, 1), (1, 7, 1)])
    assert tape.day(OPENING) == (5, 7, 5, 2)
    tape.add(Trade(9, BTC, D(3), D(1), "SELL", OPENING + timedelta(seconds=5)))
    assert tape.day(OPENING + timedelta(seconds=5)) == (5, 7, 3, 3)
    tape.add(Trade(9, BTC, D(4), D(1), "SELL", OPENING + timedelta(hours=20)))
    assert tape.day(OPENING + timedelta(hours=20)) == (5, 7, 3, 4)
    assert tape.day(OPENING + timedelta(hours=30)) == (4, 4, 4, 1)


def test_before_the_first_trade_there_are_no_figures():
    tape = Tape(BTC)
    assert tape.day(OPENING) is None
    assert tape.candles(60, START - 600, START + 600) == []


def test_empty_buckets_are_left_out():
    tape, _, _ = printed([(0, 5, 1), (600, 6, 1)])
    assert [row.start - START for row in tape.candles(60, START, START + 600)] == [0, 600]


def test_a_bucket_of_the_past_and_the_run_is_one_candle():
    """The hour in which the run begins: its first twenty minutes come from the market's past."""
    asked = []

    def past(book, granularity, start, end):
        asked.append((book, granularity, start, end))
        return [Candle(START - 1200 + 60 * n, D(2), D(4), D(3), D(3), D(1)) for n in range(20)]

    tape = Tape(BTC, past)
    tape.add(Trade(1, BTC, D(9), D(5), "BUY", OPENING))
    (candle,) = tape.candles(HOUR, START - 1200, START)
    assert list(candle) == [START - 1200, 2, 9, 3, 9, 25]
    assert asked == [(BTC, HOUR, START - 1200, START + 1)], "before, as the past counts"


def test_minutes_are_kept_for_two_days_and_hours_for_long():
    tape = Tape(BTC)
    for minute in range(4 * 24 * 60):
        at = OPENING + timedelta(minutes=minute)
        tape.add(Trade(minute, BTC, D(1), D(1), "BUY", at))
    end = START + 4 * DAY
    assert len(tape.candles(MINUTE, START, end)) == 2 * 24 * 60
    assert sum(row.volume for row in tape.candles(HOUR, START, end)) == 4 * 24 * 60
    assert len(tape.trades) == 1_000


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_the_exchanges_own_trades_are_on_the_tape(granularity):
    paper = Paper().opened()
    for second in range(300):
        paper.wait(seconds=7)
        paper.quote(BTC, 64000 + second % 9 - second % 5, 64010)
        if second % 40 == 0:
            paper.market("BUY", "0.01")
    tape = paper.exchange.books[BTC].tape
    end = START + 7 * 300
    assert tape.candles(granularity, START, end) == recounted(
        paper.trades(), granularity, START, end
    )
