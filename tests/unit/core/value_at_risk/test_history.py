"""History: one close a period, whatever order it is told in; holes, bad ticks, and our own marks."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from sidecar.core.value_at_risk import history as module
from sidecar.core.value_at_risk.history import (
    CANDLES_A_CALL,
    History,
    Series,
    Span,
    log_closes,
)

DAY = 86_400
START = datetime(2026, 11, 22, tzinfo=UTC)
FIRST = int(START.timestamp()) // DAY  # the number of a day; tests count from it


def candles(prices, first=0):
    """Closes by day; None is a day without a trade."""
    return [
        ((FIRST + first + i) * DAY, Decimal(str(price)))
        for i, price in enumerate(prices)
        if price is not None
    ]


def read(history, prices, first=0, until=None, book="BTC-USD"):
    """One answer of Coinbase: it was asked for the days from `first` up to, not with, `until`."""
    end = first + len(prices) if until is None else until
    history.read(book, candles(prices, first), (FIRST + first) * DAY, (FIRST + end) * DAY)
    return history.series[book]


def closes(series):
    return series.first - FIRST, series.closes


def history(length=100):
    return History(DAY, length)


def daily(prices):
    """A history that was read each day, each time with the day before once more."""
    one = history()
    for day in range(len(prices)):
        since = max(0, day - 1)
        read(one, prices[since : day + 1], since)
    return one.series["BTC-USD"]


# --- What Coinbase tells --------------------------------------------------------------------------


def test_closes_are_kept_oldest_first_although_coinbase_tells_the_newest_first():
    one = history()
    one.read("BTC-USD", reversed(candles([100, 101, 102])), FIRST * DAY, (FIRST + 3) * DAY)
    assert closes(one.series["BTC-USD"]) == (0, [100, 101, 102])


def test_a_candle_that_is_still_forming_is_left_out():
    series = read(history(), [100, 101, 102], until=2)
    assert closes(series) == (0, [100, 101])


def test_what_was_not_asked_for_is_left_out():
    one = history()
    one.read("BTC-USD", candles([100, 101, 102]), (FIRST + 1) * DAY, (FIRST + 2) * DAY)
    assert closes(one.series["BTC-USD"]) == (1, [101])


@pytest.mark.parametrize(
    "price", ["NaN", "sNaN", "Infinity", "-Infinity", "0", "-5", "1e30", "1e-400"]
)
def test_what_is_no_price_is_like_a_day_without_a_trade(price):
    """1e-400 is a price to Decimal, and nothing to a float."""
    series = read(history(), [100, price, 102])
    assert closes(series) == (0, [100, 100, 102])


def test_a_book_without_a_close_has_an_empty_series_and_is_asked_about_again():
    """One empty answer may have been a fault of Coinbase's."""
    one = history(length=10)
    series = read(one, [None] * 11)
    assert (series.closes, series.end) == ([], series.first)
    span = one.lacks("BTC-USD", START + timedelta(days=11))
    assert span is not None
    assert (span.until - span.since) // DAY == 11
    assert log_closes(one, [("BTC-USD", False)]) is None


# --- Holes ----------------------------------------------------------------------------------------


def test_a_hole_repeats_the_close_before_it():
    assert closes(read(history(), [100, None, None, 103])) == (0, [100, 100, 100, 103])


def test_silence_up_to_the_end_of_what_was_asked_is_a_hole_too():
    series = read(history(), [100, None, None])
    assert closes(series) == (0, [100, 100, 100])
    assert series.end == FIRST + 3


def test_nothing_is_made_up_before_the_first_trade():
    assert closes(read(history(), [None, None, 102, 103])) == (2, [102, 103])


def test_behind_a_hole_of_more_than_a_week_the_series_begins_anew():
    week = [None] * 7
    assert closes(read(history(), [100, *week, 101])) == (0, [100] * 8 + [101])
    assert closes(read(history(), [100, 50, *week, None, 101, 102])) == (10, [101, 102])


def test_a_book_that_ceased_to_trade_ends_with_its_last_trade():
    week = [None] * 7
    assert closes(read(history(), [100, 101, *week])) == (0, [100] + [101] * 8)
    assert closes(read(history(), [100, 101, *week, None])) == (0, [100, 101])


@pytest.mark.parametrize("after", [[], [105, 106]])
def test_a_long_hole_is_one_whether_read_at_once_or_day_by_day(after):
    prices = [100, 101, *[None] * (7 + 3), *after]
    at_once = read(history(), prices)
    assert closes(daily(prices)) == closes(at_once)
    assert closes(at_once) == ((12, after) if after else (0, [100, 101]))


def test_a_hole_is_filled_where_a_later_reading_knows_better():
    one = history()
    read(one, [100, None, 102])
    assert closes(read(one, [101], first=1)) == (0, [100, 101, 102])


# --- Bad ticks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tick", [1, 33, 310, 100_000])
def test_a_bad_tick_is_kept_out(tick):
    assert closes(read(history(), [100, 101, tick, 102, 103])) == (0, [100, 101, 101, 102, 103])


def test_any_close_but_the_first_and_the_last_may_be_a_bad_tick():
    assert closes(read(history(), [100, 900, 102])) == (0, [100, 100, 102])
    assert closes(read(history(), [100, 900, 102, 10, 103])) == (0, [100, 100, 102, 102, 103])


@pytest.mark.parametrize(
    "prices",
    [
        pytest.param([100, 101, 20, 21, 22], id="a fall that stays"),
        pytest.param([100, 101, 400, 410], id="a rise that stays"),
        pytest.param([100, 101, 60, 102], id="a fall by 40 % and back"),
        pytest.param([100, 101, 290, 102], id="not quite three times"),
        pytest.param([100, 300, 100], id="just three times"),
        pytest.param([100, 101, 500, 160], id="its neighbours differ"),
        pytest.param([100, 600, 150], id="its neighbours differ by just a half"),
        pytest.param([1000, 100, 101], id="the first one has no neighbour"),
        pytest.param([100, 101, 1000], id="nor has the last one yet"),
    ],
)
def test_an_outlier_is_kept(prices):
    assert closes(read(history(), prices)) == (0, prices)


def test_a_leap_on_the_last_day_is_told_from_a_bad_tick_by_the_next_day():
    one = history()
    assert read(one, [100, 101, 1000]).closes[-1] == 1000
    assert closes(read(one, [1000, 102], first=2)) == (0, [100, 101, 101, 102])


# --- Readings upon readings -----------------------------------------------------------------------


def test_readings_that_overlap_make_one_series_and_the_later_word_counts():
    one = history()
    read(one, [100, 101, 102])
    assert closes(read(one, [99, 103], first=2)) == (0, [100, 101, 99, 103])


def test_the_older_part_goes_before_the_newer():
    one = history()
    read(one, [103, 104], first=3)
    series = read(one, [100, 101, 102])
    assert closes(series) == (0, [100, 101, 102, 103, 104])
    assert (series.since - FIRST, series.until - FIRST) == (0, 5)


def test_of_two_readings_apart_the_newer_is_what_has_been_asked():
    """What lies between them is asked for again, whichever came first."""
    older, newer = ([100] * 5, 0), ([101] * 5, 20)
    for first, second in ((older, newer), (newer, older)):
        one = history()
        read(one, *first)
        series = read(one, *second)
        assert closes(series) == (20, [101] * 5)
        assert (series.since - FIRST, series.until - FIRST) == (20, 25)


def test_no_more_closes_are_kept_than_make_the_returns():
    series = read(history(length=3), [1, 2, 3, 4, 5, 6])
    assert closes(series) == (2, [3, 4, 5, 6])


def test_every_change_is_a_new_version():
    one = history()
    versions = [one.version]
    for change in (
        lambda: read(one, [100, 101]),
        lambda: one.close("BTC-USD", FIRST + 2, 102.0),
        lambda: read(one, [100]),
    ):
        change()
        versions.append(one.version)
    assert versions == [0, 1, 2, 3]
    one.close("BTC-USD", FIRST + 9, 1.0)  # something lies between
    assert one.version == 3


# --- Our own marks --------------------------------------------------------------------------------


def test_our_own_mark_closes_a_period_until_a_reading_says_better():
    one = history()
    read(one, [100, 101])
    one.close("BTC-USD", FIRST + 2, 102.5)
    assert closes(one.series["BTC-USD"]) == (0, [100, 101, 102.5])
    span = one.lacks("BTC-USD", START + timedelta(days=3))
    assert span is not None
    assert span.since <= (FIRST + 2) * DAY < span.until
    assert closes(read(one, [101, 103], first=1)) == (0, [100, 101, 103])


def test_our_own_mark_stays_where_nothing_traded():
    one = history()
    read(one, [100, 101])
    one.close("BTC-USD", FIRST + 2, 102.5)
    assert closes(read(one, [101, None], first=1)) == (0, [100, 101, 102.5])


@pytest.mark.parametrize("day", [1, 3])
def test_a_mark_of_any_other_period_than_the_next_is_not_taken(day):
    one = history()
    read(one, [100, 101])
    one.close("BTC-USD", FIRST + day, 999.0)
    one.close("ETH-USD", FIRST + day, 999.0)
    assert closes(one.series["BTC-USD"]) == (0, [100, 101])
    assert "ETH-USD" not in one.series


def test_marks_alone_make_no_series():
    one = history()
    read(one, [None])
    one.close("BTC-USD", FIRST + 1, 100.0)
    assert one.series["BTC-USD"].closes == []


def test_a_series_that_goes_on_by_marks_grows_no_longer_than_it_may():
    one = history(length=3)
    read(one, [1, 2, 3, 4])
    one.close("BTC-USD", FIRST + 4, 5.0)
    assert closes(one.series["BTC-USD"]) == (1, [2, 3, 4, 5])


# --- What is to be asked --------------------------------------------------------------------------


def days(span):
    return None if span is None else (span.since // DAY - FIRST, span.until // DAY - FIRST)


def lacks(one, day, book="BTC-USD"):
    return days(one.lacks(book, START + timedelta(days=day, hours=5)))


def test_all_is_asked_where_nothing_is_known():
    assert history(length=10).lacks("BTC-USD", START + timedelta(hours=5)) == Span(
        "BTC-USD", (FIRST - 11) * DAY, FIRST * DAY
    )


def test_nothing_is_asked_twice_in_a_period():
    one = history(length=10)
    read(one, [100] * 11)
    assert lacks(one, 11) is None


def test_the_next_day_is_asked_with_the_last_one_again():
    one = history(length=10)
    read(one, [100] * 11)
    assert lacks(one, 12) == (10, 12)
    assert lacks(one, 14) == (10, 14)


def test_what_is_older_than_all_that_is_wanted_does_not_count():
    one = history(length=10)
    read(one, [100] * 11)
    assert lacks(one, 40) == (29, 40)


def test_a_long_history_is_asked_in_parts_the_newest_first_and_no_more_at_once_than_coinbase_answers():
    one, end, parts = History(DAY, 700), 0, []
    while (span := lacks(one, end)) is not None:
        parts.append(span)
        read(one, [100] * (span[1] - span[0]), span[0])
    assert parts == [(-300, 0), (-600, -300), (-701, -600)]
    assert all(until - since <= CANDLES_A_CALL < 350 for since, until in parts)
    assert len(one.series["BTC-USD"].closes) == 701


def test_after_a_long_absence_the_newest_part_is_asked_first_and_then_what_lies_between():
    one = History(DAY, 700)
    read(one, [100] * 300)
    assert lacks(one, 650) == (350, 650)
    read(one, [200] * 300, 350)
    assert lacks(one, 650) == (50, 350)
    read(one, [150] * 300, 50)
    assert lacks(one, 650) == (-51, 50)
    read(one, [100] * 101, -51)
    assert lacks(one, 650) is None
    series = one.series["BTC-USD"]
    assert closes(series) == (-51, [100] * 101 + [150] * 300 + [200] * 300)


def test_the_periods_of_an_hourly_history_are_hours():
    one = History(3600, 10)
    assert one.period(START + timedelta(minutes=59)) == FIRST * 24
    assert one.period(START + timedelta(minutes=60)) == FIRST * 24 + 1
    assert one.lacks("BTC-USD", START) == Span("BTC-USD", FIRST * DAY - 11 * 3600, FIRST * DAY)


def test_more_books_than_can_be_followed_are_not_kept(monkeypatch):
    """The one that was read longest ago is forgotten."""
    monkeypatch.setattr(module, "BOOKS_MAX", 2)
    one = history()
    for book in ("BTC-USD", "ETH-USD", "BTC-USD", "SOL-USD"):
        read(one, [100], book=book)
    assert list(one.series) == ["BTC-USD", "SOL-USD"]


# --- Routes to dollars ----------------------------------------------------------------------------


def worth(history, *steps):
    found = log_closes(history, steps)
    return None if found is None else (found[0] - FIRST, np.exp(found[1]).tolist())


def test_one_book_is_the_logarithm_of_its_closes():
    one = history()
    read(one, [100, 101], first=3)
    found = log_closes(one, [("BTC-USD", False)])
    assert found is not None
    assert found[0] == FIRST + 3
    assert found[1].tolist() == [math.log(100), math.log(101)]


def test_an_inverted_book_is_worth_one_over_its_price():
    one = history()
    read(one, [2, 4], book="USD-XYZ")
    assert worth(one, ("USD-XYZ", True)) == (0, pytest.approx([0.5, 0.25]))


def test_two_steps_are_worth_the_product_over_the_periods_that_both_know():
    """A coin quoted in euros, and euros that are known as euros a dollar."""
    one = history()
    read(one, [10, 11, 12, 13], book="XYZ-EUR")
    read(one, [0.5, 0.8, 0.5, 0.4], first=1, book="USD-EUR")
    found = worth(one, ("XYZ-EUR", False), ("USD-EUR", True))
    assert found == (1, pytest.approx([22, 15, 26]))
    backwards = worth(one, ("USD-EUR", True), ("XYZ-EUR", False))
    assert backwards == (1, pytest.approx([22, 15, 26]))


def test_there_is_no_worth_without_a_way_a_series_or_a_period_in_common():
    one = history()
    read(one, [10, 11], book="XYZ-EUR")
    read(one, [2, 2], first=2, book="EUR-USD")
    assert worth(one) is None
    assert worth(one, ("ABC-USD", False)) is None
    assert worth(one, ("XYZ-EUR", False), ("ABC-USD", False)) is None
    assert worth(one, ("XYZ-EUR", False), ("EUR-USD", False)) is None


def test_a_saved_series_needs_no_word_of_what_was_made_up():
    one = history()
    one.series["BTC-USD"] = Series(FIRST, [100.0, 101.0], FIRST, FIRST + 2)
    assert closes(read(one, [102], first=2)) == (0, [100, 101, 102])


def test_two_readings_that_touch_are_one():
    for first, second in ((([1, 2], 0), ([3], 2)), (([3], 2), ([1, 2], 0))):
        one = history()
        read(one, *first)
        series = read(one, *second)
        assert closes(series) == (0, [1, 2, 3])
        assert (series.since - FIRST, series.until - FIRST) == (0, 3)


def test_our_own_marks_behind_a_reading_stay_where_they_are():
    one = history()
    read(one, [1, 2])
    one.close("BTC-USD", FIRST + 2, 3)
    one.close("BTC-USD", FIRST + 3, 4)
    assert closes(read(one, [2, 5], first=1)) == (0, [1, 2, 5, 4])
    assert closes(read(one, [2], first=1)) == (0, [1, 2, 5, 4])
