"""Readings: prices that were not confirmed when balances were read, as they turned out."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from sidecar.core.account.confirmed_mark import ConfirmedMark
from sidecar.core.account.moved import CONFIRMED, NEAR, Point
from sidecar.core.account.other_marks import note_reading
from sidecar.core.account.readings import PRICES_MAX, READINGS_MAX, OpenMove, Readings
from tests.decisions import connected
from tests.scenario import START, D

CONFIRM_FOR, QUOTES = timedelta(seconds=2), 3


def after(*marks, gap=1):
    """The price that is found of a move from 100 to 60, after further marks, a second apart."""
    readings, known = Readings(), ConfirmedMark(D(100), D(100), D(100))
    known.see(D(60), START, CONFIRM_FOR, QUOTES)
    readings.note(START, {"BTC": OpenMove(D(2), D(60), D(100), D(100))})
    for number, mark in enumerate(marks, 1):
        at = START + timedelta(seconds=number * gap)
        known.see(D(mark), at, CONFIRM_FOR, QUOTES)
        readings.see("BTC", known, at)
    return readings.known[0].moves["BTC"]


@pytest.mark.parametrize(
    ("marks", "found", "is_open"),
    [
        ((60,), 100, True),  # nothing is confirmed yet
        ((60, 60), 60, False),
        ((55, 55), 60, False),  # it fell further
        ((70, 70), 70, False),  # a moment's overshoot of a fall to 70
        ((80, 70, 60, 60, 60), 70, True),  # a fall in steps
        ((80, 70, 60, 60, 60, 60), 60, False),
        ((100, 60, 60, 60), 100, False),  # a tick that passed; the fall came later
        ((104, 60, 60, 60), 100, False),
        ((70, 70, 90, 60, 60, 60), 70, False),  # it turned
    ],
)
def test_a_price_is_found_as_far_as_the_confirmed_mark_follows_it(marks, found, is_open):
    move = after(*marks)
    assert (move.found, move.is_open) == (found, is_open)


def test_a_rise_is_found_the_same_way():
    known = ConfirmedMark(D(100), D(100), D(100))
    move = OpenMove(D(2), D(140), D(100), D(100))
    for second, mark in enumerate((140, 130, 135, 140)):
        known.see(D(mark), START + timedelta(seconds=second), CONFIRM_FOR, QUOTES)
        move.see(known)
    assert (move.found, move.is_open) == (130, True)


def test_a_move_that_takes_longer_than_a_doubt_waits_was_none():
    assert after(60, 60, gap=7).found == 100


def test_a_moment_is_dated_at_the_prices_that_were_found():
    """Of its own key from the price it has, of all others from those confirmed then."""
    readings = Readings()
    readings.note(
        START,
        {
            "BTC": OpenMove(D(2), D(60), D(100), D(70)),
            "ETH": OpenMove(D(10), D(8), D(10), D(9)),
        },
    )
    prices = {"BTC": D(70), "ETH": D(9)}
    before = Point(D(0), D(100), D(5), START)
    assert readings.found(before, "BTC") == Point(D(-70), D(70), D(5), START, prices=prices)
    at_mark = Point(D(-80), D(60), None, START)
    assert readings.found(at_mark, "BTC") == Point(D(-70), D(70), None, START, prices=prices)
    dollars = Point(D(0), D(1), None, START)
    assert readings.found(dollars, "USD") == Point(D(-70), D(1), None, START, prices=prices)


def open_move(was=100):
    return OpenMove(D(2), D(60), D(was), D(was))


def test_a_reading_has_the_prices_that_were_confirmed_before_the_moves_began_that_it_fell_into():
    """BTC fell at the second, ETH before it and again by the third."""
    readings = Readings()
    times = [START + timedelta(seconds=second) for second in range(4)]
    readings.note(times[0], {"ETH": open_move(90)}, {"BTC": D(100), "ETH": D(90)})
    readings.note(times[1], {"BTC": open_move(100), "ETH": open_move(80)}, {"BTC": D(100)})
    readings.note(times[2], {"BTC": open_move(100)}, {"BTC": D(100), "ETH": D(80)})
    readings.note(times[3], {}, {"BTC": D(60)})
    point = Point(D(0), D(100), D(5), times[2])
    confirmed = replace(point, at=times[1], view=CONFIRMED, prices={"BTC": D(100), "ETH": D(80)})
    assert readings.confirmed(point) == confirmed
    calm = replace(point, at=times[3])
    assert readings.confirmed(calm) == replace(calm, view=CONFIRMED, prices={"BTC": D(60)})
    now = replace(point, at=None)
    assert readings.confirmed(now) == replace(now, view=CONFIRMED)


def test_a_move_of_before_from_the_same_price_is_another_move():
    """BTC stood at 100 in between: what a reading shows now has not moved by the time of the first."""
    readings = Readings()
    times = [START + timedelta(seconds=60 * minute) for minute in range(3)]
    readings.note(times[0], {"BTC": open_move(100)}, {"BTC": D(100)})
    readings.note(times[1], {}, {"BTC": D(100)})
    readings.note(times[2], {"BTC": open_move(100)}, {"BTC": D(100)})
    point = Point(D(0), D(100), D(5), times[2])
    assert readings.confirmed(point) == replace(point, view=CONFIRMED, prices={"BTC": D(100)})


def test_near_sides_are_beside_the_other_prices_of_the_reading():
    readings = Readings()
    readings.note(START, {}, {"BTC": D(100)})
    point = Point(D(0), D(95), D(5), START, NEAR)
    assert readings.near(point) == replace(point, prices={"BTC": D(100)})


def test_the_prices_of_the_last_readings_are_kept():
    readings = Readings()
    times = [START + timedelta(seconds=second) for second in range(PRICES_MAX + 3)]
    for time in times:
        readings.note(time, {}, {"BTC": D(1), "ETH": D(2)})
    assert list(readings.prices) == times[3:]


def test_a_price_of_before_is_the_first_that_was_noted_since():
    readings = Readings()
    for second, prices in enumerate(({"BTC": D(1)}, {"ETH": D(2)}, {"BTC": D(3)})):
        readings.note(START + timedelta(seconds=second), {}, prices)
    assert readings.first_price("BTC", START) == 1
    assert readings.first_price("BTC", START + timedelta(seconds=1)) == 3
    assert readings.first_price("ETH", START + timedelta(seconds=2)) is None


@pytest.mark.parametrize("at", [None, START + timedelta(seconds=1)])
def test_a_moment_of_no_such_reading_stays_as_it_is(at):
    readings = Readings()
    readings.note(START, {"BTC": OpenMove(D(2), D(60), D(100), D(70))})
    point = Point(D(0), D(100), D(5), at)
    assert readings.found(point, "BTC") == point


def test_only_the_last_readings_that_fell_into_a_move_are_kept():
    readings = Readings()
    for second in range(READINGS_MAX + 5):
        readings.note(START + timedelta(seconds=second), {})
        move = OpenMove(D(2), D(60), D(100), D(100))
        readings.note(START + timedelta(hours=1, seconds=second), {"BTC": move})
    assert readings.known[0].at == START + timedelta(hours=1, seconds=5)
    assert len(readings.known) == READINGS_MAX


def test_the_prices_of_what_is_held_are_noted_where_they_are_not_confirmed():
    world = connected(held=2)
    world.stand("BTC-USD", 64_000)
    books = world.tracker.books
    note_reading(books, world.now)
    assert books.readings.known == []
    world.quote("BTC-USD", 60_000)
    note_reading(books, world.now)
    reading = books.readings.known[-1]
    move = OpenMove(D(2), D(60_000), D(64_000), D(64_000))
    assert (reading.at, reading.moves) == (world.now, {"BTC": move})
    for _ in range(3):
        world.wait(1)
        world.quote("BTC-USD", 60_000)
    assert (move.found, reading.moves["BTC"].found) == (64_000, 60_000)
