"""Which books are asked for and told, and when: on virtual time."""

from datetime import timedelta

import pytest

from sidecar.coinbase import local_book
from sidecar.coinbase.depth_books import (
    AGAIN_MAX_S,
    AGAIN_S,
    AT_ONCE,
    CHANGED_EVERY_S,
    HOLDS_EVERY_S,
    SNAPSHOT_WITHIN_S,
    Asking,
    Clocks,
    DepthBooks,
)
from sidecar.coinbase.levels import BookPart, LevelRow
from sidecar.core.vocabulary import events as ev
from tests.paper_world import START
from tests.scenario import D

NAMES = [f"N{number:02}-USD" for number in range(2 * AT_ONCE + 2)]


class Books:
    """Books of one connection, and its two clocks."""

    def __init__(self, *names):
        self.books = DepthBooks()
        self.books.follow(names)
        self.wall, self.market = 100.0, START

    @property
    def now(self):
        return Clocks(self.wall, self.market)

    def wait(self, seconds, market=None):
        self.wall += seconds
        self.market += timedelta(seconds=seconds if market is None else market)

    def ask(self, *refused):
        return self.books.ask(self.wall, refused)

    def told(self, name, *rows, kind="update"):
        levels = [LevelRow(side, str(price), str(size)) for side, price, size in rows]
        return self.books.take(BookPart(name, levels, kind == "snapshot", ends=True), self.wall)

    def snapshot(self, name="BTC-USD", bid=100, ask=101):
        fault = self.told(name, ("bid", bid, 1), ("offer", ask, 1), kind="snapshot")
        on = {one for one, book in self.books._books.items() if book.is_on}
        self.books.acknowledged({*on, name})
        return fault

    def due(self):
        return self.books.due(self.now)

    def word(self, name="BTC-USD"):
        return self.books.word_on(name, self.now, self.market)


@pytest.fixture
def one():
    """One book, asked for, and whole."""
    made = Books("BTC-USD")
    made.ask()
    made.snapshot()
    return made


# ------------------------------------------------------------------------------------- asked for


def test_few_snapshots_are_asked_for_at_a_time_and_the_next_when_those_have_come():
    made = Books(*NAMES)
    first = made.ask()
    assert first == Asking(tuple(NAMES[:AT_ONCE]), ())
    assert made.ask() == first
    made.snapshot(NAMES[0])
    assert made.ask().subscribed == tuple(NAMES[: AT_ONCE + 1])


def test_a_snapshot_that_does_not_come_makes_room_and_is_asked_for_anew():
    made = Books(*NAMES)
    made.ask()
    made.wait(SNAPSHOT_WITHIN_S)
    asking = made.ask()
    assert asking.anew == tuple(NAMES[:AT_ONCE])
    made.wait(SNAPSHOT_WITHIN_S)  # these wait for twice as long by now
    made.wait(-0.001)
    assert made.ask().subscribed == tuple(NAMES[:AT_ONCE])


def test_a_snapshot_that_takes_its_time_to_be_read_is_not_begun_anew():
    made = Books("BTC-USD")
    made.ask()
    rows = [LevelRow("bid", "100", "1")]
    made.books.take(BookPart("BTC-USD", rows, begins=True, ends=False), made.wall)
    made.wait(SNAPSHOT_WITHIN_S - 0.001)
    assert made.ask().anew == ()
    made.books.take(BookPart("BTC-USD", [], begins=False, ends=True), made.wall)
    made.books.acknowledged({"BTC-USD"})
    made.wait(1)
    assert (made.ask().anew, made.books.whole) == ((), ("BTC-USD",))


def test_a_snapshot_that_was_lost_on_its_way_makes_room_at_once():
    made = Books(*NAMES)
    made.ask()
    made.books.lose()
    assert made.ask().subscribed == tuple(NAMES[: 2 * AT_ONCE])
    made.wait(AGAIN_S)
    assert made.ask().anew == ()  # five are on their way
    made.wait(SNAPSHOT_WITHIN_S)
    assert made.ask().anew == tuple(NAMES[:AT_ONCE])


def test_a_book_that_never_comes_holds_up_no_other():
    made = Books(*NAMES)
    for _ in range(200):
        made.wait(1)
        for name in made.ask().subscribed[AT_ONCE:]:
            made.snapshot(name)
    assert {*made.books.whole} >= {*NAMES[AT_ONCE:]}


def test_what_coinbase_refuses_is_not_asked_for_anew():
    made = Books("BTC-USD", "BAD-USD")
    made.ask()
    made.snapshot()
    made.wait(1_000)
    assert made.ask("BAD-USD") == Asking(("BTC-USD", "BAD-USD"), ())
    assert made.ask().anew == ("BAD-USD",)


def test_a_book_that_breaks_again_and_again_is_asked_for_ever_more_seldom(one):
    waits = []
    for _ in range(7):
        one.told("BTC-USD", ("bid", 200, 1))
        waited = 0.0
        while not one.ask().anew:
            one.wait(0.5)
            waited += 0.5
        waits.append(waited)
        one.snapshot()
    assert waits == [AGAIN_S, 2 * AGAIN_S, 4 * AGAIN_S, 8 * AGAIN_S, *[AGAIN_MAX_S] * 3]


def test_after_a_minute_without_a_fault_a_break_is_mended_at_once(one):
    for _ in range(3):
        one.told("BTC-USD", ("bid", 200, 1))
        one.wait(AGAIN_MAX_S)
        one.ask()
        one.snapshot()
    one.wait(AGAIN_MAX_S)
    assert one.ask().anew == ()
    one.told("BTC-USD", ("bid", 200, 1))
    assert one.ask().anew == ("BTC-USD",)


def test_a_book_that_runs_out_of_levels_is_asked_for_anew(monkeypatch):
    monkeypatch.setattr(local_book.LocalBook, "runs_out", True)
    made = Books("BTC-USD")
    made.ask()
    made.snapshot()
    assert made.ask().anew == ()
    made.wait(AGAIN_S)
    assert made.ask().anew == ("BTC-USD",)
    assert made.books.whole == ()


def test_after_a_lost_connection_all_are_asked_for_from_the_first(one):
    one.books.disconnect()
    assert one.books.whole == ()
    assert one.ask() == Asking(("BTC-USD",), ())


def test_lost_frames_make_every_book_unknown_and_each_is_asked_for_anew(one):
    one.wait(AGAIN_S)
    one.books.lose()
    assert one.books.whole == ()
    assert one.ask().anew == ("BTC-USD",)


def test_a_subscription_that_ended_by_itself_makes_its_book_unknown(one):
    one.books.acknowledged(set())
    assert one.books.whole == ()
    one.books.acknowledged({"BTC-USD"})
    assert one.books.whole == ()  # the book of before may have changed meanwhile
    one.snapshot()
    assert one.books.whole == ("BTC-USD",)


def test_a_snapshot_before_its_acknowledgement_counts_from_then_on():
    made = Books("BTC-USD")
    made.ask()
    made.told("BTC-USD", ("bid", 100, 1), kind="snapshot")
    made.books.acknowledged(set())
    assert (made.books.whole, made.due()) == ((), [])
    made.books.acknowledged({"BTC-USD"})
    assert (made.books.whole, made.due()) == (("BTC-USD",), ["BTC-USD"])


def test_books_that_stay_wanted_stay_known(one):
    one.books.follow(["ETH-USD", "BTC-USD"])
    assert one.books.wanted == ("ETH-USD", "BTC-USD")
    assert one.books.whole == ("BTC-USD",)
    one.books.follow(["ETH-USD"])
    one.books.follow(["ETH-USD", "BTC-USD"])
    assert one.books.whole == ()


def test_rows_of_a_book_that_was_left_are_left_out(one):
    one.books.follow([])
    assert one.told("BTC-USD", ("bid", "none", 1)) == ""
    assert one.books.whole == ()


def test_a_fault_is_said_once_in_words(one):
    assert one.told("BTC-USD", ("bid", 101, 1)) == "bids at 101 reach asks at 101"
    assert one.told("BTC-USD", ("bid", 101, 1)) == ""


# ------------------------------------------------------------------------------------------ told


def test_a_whole_book_is_told_with_its_levels(one):
    assert one.due() == ["BTC-USD"]
    assert one.word() == ev.Depth("BTC-USD", ((D(100), D(1)),), ((D(101), D(1)),), START)
    assert one.due() == []


def test_a_book_that_changes_all_the_time_is_told_once_a_second(one):
    told = 0
    for tick in range(101):
        one.told("BTC-USD", ("bid", 99, tick + 1))
        told += isinstance(one.word(), ev.Depth)
        one.wait(0.1 * CHANGED_EVERY_S)
    assert told in {10, 11}  # ten seconds


def test_the_last_change_is_told_in_the_end(one):
    one.word()
    one.told("BTC-USD", ("bid", 99, 7))
    assert one.word() is False
    one.wait(CHANGED_EVERY_S)
    assert one.word().bids[-1] == (99, 7)


def test_a_change_that_is_no_news_is_told_after_ten_seconds(one):
    one.word()
    one.told("BTC-USD", ("offer", "101.001", 1), ("offer", 101, 0))
    words = []
    for _ in range(10):
        one.wait(HOLDS_EVERY_S / 10)
        words.append(one.word())
    assert words[:-1] == [False] * 9
    assert words[-1].asks == ((D("101.001"), 1),)


def test_a_book_that_does_not_change_is_said_to_hold_every_ten_seconds(one):
    one.word()
    one.wait(HOLDS_EVERY_S - 0.001)
    assert (one.due(), one.word()) == ([], False)
    one.wait(0.001)
    assert (one.due(), one.word()) == (["BTC-USD"], True)
    assert (one.due(), one.word()) == ([], False)


def test_a_book_that_changes_where_it_is_not_told_is_said_to_hold(one):
    """Its far levels move all the time."""
    one.word()
    words = []
    for tick in range(101):
        one.told("BTC-USD", ("bid", 10, tick + 1))
        words.append(one.word())
        one.wait(0.1)
    assert words.count(True) == 1
    assert {*words} == {True, False}


def test_where_the_markets_time_goes_faster_a_book_is_told_by_that(one):
    one.word()
    one.told("BTC-USD", ("bid", 99, 1))
    one.wait(0.01, market=CHANGED_EVERY_S)
    assert isinstance(one.word(), ev.Depth)
    one.wait(0.01, market=HOLDS_EVERY_S)
    assert one.word() is True


def test_a_market_clock_that_was_set_back_silences_no_book(one):
    one.word()
    one.told("BTC-USD", ("bid", 99, 1))
    one.wait(CHANGED_EVERY_S, market=-3_600)
    assert isinstance(one.word(), ev.Depth)


def test_a_book_is_not_told_between_two_parts_of_an_update(one):
    one.books.take(
        BookPart("BTC-USD", [LevelRow("bid", "100", "9")], begins=False, ends=False), one.wall
    )
    assert (one.due(), one.word()) == ([], False)
    one.books.take(BookPart("BTC-USD", [], begins=False, ends=True), one.wall)
    assert one.word().bids == ((100, 9),)


def test_what_is_asked_for_is_told_in_full_at_once(one):
    one.word()
    one.books.tell_anew("BTC-USD")
    assert isinstance(one.word(), ev.Depth)
    one.books.tell_anew("GONE-USD")


def test_after_a_snapshot_that_shows_the_same_it_is_said_to_hold(one):
    one.word()
    one.snapshot()
    one.wait(CHANGED_EVERY_S)
    assert one.word() is False
    one.wait(HOLDS_EVERY_S)
    assert one.word() is True


def test_a_book_that_is_not_known_is_never_told(one):
    one.books.lose()
    one.wait(1_000)
    assert (one.due(), one.word()) == ([], False)
    assert one.word("GONE-USD") is False
