"""Positions at average cost, and the running sums of a book."""

import pytest

from sidecar.core.account.exposure import CHANGED_MAX, Pnl, Portfolio, Position
from tests.scenario import D


def traded(*trades, **held):
    """A position after these trades, and what each realised."""
    position = Position(**{name: D(value) for name, value in held.items()})
    return position, [position.trade(D(quantity), D(value)) for quantity, value in trades]


@pytest.mark.parametrize(
    ("trades", "quantity", "cost", "realised"),
    [
        ([(1, 100), (1, 200)], 2, 300, [0, 0]),  # increase
        ([(2, 300), (-1, -200)], 1, 150, [0, 50]),  # reduce
        ([(2, 300), (-2, -500)], 0, 0, [0, 200]),  # close
        ([(1, 100), (-3, -360)], -2, -240, [0, 20]),  # flip: the rest opens at the fill's price
        ([(-2, -300), (1, 100)], -1, -150, [0, 50]),
        ([(-1, -100), (3, 270)], 2, 180, [0, 10]),
    ],
)
def test_a_position_is_kept_at_average_cost(trades, quantity, cost, realised):
    """Increase, reduce, close, flip: long and short alike."""
    position, pnl = traded(*trades)
    assert (position.quantity, position.cost, pnl) == (quantity, cost, realised)
    assert position.entry_cost == position.cost


def test_nothing_remains_of_a_cost_that_no_part_divides():
    position, pnl = traded((3, 100), (-1, 0), (-1, 0), (-1, 0))
    assert (position.quantity, position.cost) == (0, 0)
    assert sum(pnl) == -100


def test_the_average_price_is_what_the_units_entered_at():
    assert traded((2, 300))[0].average_price() == 150
    assert traded((-2, -300))[0].average_price() == 150
    assert Position().average_price() is None
    assert Position(quantity=D(2), unpriced=D(2)).average_price() is None


def test_what_came_without_a_price_costs_the_first_one():
    position = Position(quantity=D(2), unpriced=D(2))
    assert position.price(D(50)) == 0
    assert (position.cost, position.entry_cost, position.unpriced) == (100, 100, 0)


def test_coinbases_own_average_price_stays_on_display():
    """`cost` counts from the first mark, `entry_cost` shows what was paid."""
    position = Position(quantity=D(2), unpriced=D(2), entry_cost=D(60))
    position.price(D(50))
    assert (position.cost, position.average_price()) == (100, 30)


def test_unpriced_units_beside_priced_ones_enter_the_average():
    position = Position(quantity=D(3), cost=D(100), entry_cost=D(100), unpriced=D(2))
    position.price(D(50))
    assert (position.cost, position.entry_cost) == (200, 200)


def test_what_left_before_it_had_a_price_is_realised_at_the_first_one():
    position = Position(quantity=D(0), cost=D(100), entry_cost=D(100), unpriced=D(-1))
    assert position.price(D(130)) == 30
    assert position == Position()


def test_fees_and_funding_are_separate_from_realised_pnl_and_always_counted():
    pnl = Pnl()
    pnl.add(D(10), D(2))
    pnl.add(D(0), D(1), D(5))
    assert (pnl.realised, pnl.fees, pnl.funding, pnl.settled) == (10, 3, 5, 12)


def line_of(book, key="BTC", mark=100, *, is_future=False):
    return book.begin(key, is_future=is_future, mark=None if mark is None else D(mark))


def test_the_worst_case_counts_every_open_and_reserved_order():
    """Long = position + buys; short = position − sells, for spot not below zero."""
    book = Portfolio()
    line = line_of(book)
    book.settle(line, D(2), D(150))
    book.work(line, "BUY", D(3), 1)
    book.work(line, "SELL", D(4), 2)
    assert (line.long, line.short, line.size, line.orders) == (5, 0, 5, 3)
    assert (book.gross, book.net_exposure, book.orders, book.unrealised) == (500, 500, 3, 50)


def test_a_future_can_be_worst_on_its_short_side():
    book = Portfolio()
    line = line_of(book, "F", is_future=True)
    book.settle(line, D(-2), D(-220))
    book.work(line, "SELL", D(4), 1)
    assert (line.long, line.short, line.size, line.notional) == (-2, -6, 6, 600)
    assert (book.net_exposure, book.unrealised, book.futures_profit, book.futures_pnl) == (
        600,
        20,
        20,
        20,
    )


def test_gross_adds_every_key_and_net_sets_long_against_short():
    book = Portfolio()
    book.settle(line_of(book, "A", is_future=True), D(3), D(300))
    book.settle(line_of(book, "B", is_future=True), D(-2), D(-200))
    assert (book.gross, book.net_exposure) == (500, 100)


def test_a_new_mark_restates_what_it_values_and_nothing_else():
    book = Portfolio()
    book.settle(line_of(book), D(2), D(150))
    book.mark("BTC", D(200))
    book.mark("ETH", D(9))
    assert (book.gross, book.unrealised, book.net_pnl_of("BTC"), book.net_pnl_of("ETH")) == (
        400,
        250,
        250,
        0,
    )


def test_a_flat_and_unworked_line_is_dropped_and_its_pnl_kept():
    book = Portfolio()
    line = line_of(book)
    book.settle(line, D(2), D(150))
    book.settle(line, D(-2), D(-180))
    assert not book.lines
    assert (book.gross, book.net_pnl_of("BTC"), book.net_pnl) == (0, 30, 30)


def test_without_a_mark_nothing_is_worth_anything_yet():
    book = Portfolio()
    line = line_of(book, mark=None)
    book.settle(line, D(2), None)
    book.work(line, "BUY", D(3), 1)
    assert (line.size, book.gross, book.net_pnl) == (5, 0, 0)
    book.mark("BTC", D(10), D(10))
    assert (book.gross, book.net_pnl, line.position.cost) == (50, 0, 20)


def test_a_mark_alone_is_no_price_of_what_waits_for_one():
    """It values the line at once; what it cost is told by a later price, and the rest is PnL."""
    book = Portfolio()
    line = line_of(book, mark=None)
    book.settle(line, D(2), None)
    book.mark("BTC", D(10))
    assert (book.gross, book.net_pnl, line.position.unpriced) == (20, 0, 2)
    book.mark("BTC", D(10), D(9))
    assert (book.gross, book.net_pnl, line.position.cost, line.position.unpriced) == (20, 2, 18, 0)


def test_a_fill_is_the_first_price_too():
    book = Portfolio()
    line = line_of(book, mark=None)
    book.settle(line, D(2), None)
    book.settle(line, D(1), D(12))
    assert (line.position.cost, line.position.unpriced) == (36, 0)


def test_a_line_waits_for_the_price_of_what_left_it():
    """Bought at a known price, gone at an unknown one: the first price settles it, and drops it. At a mark
    alone its PnL is unrealised.
    """
    book = Portfolio()
    line = line_of(book, mark=None)
    book.settle(line, D(1), D(100))
    book.settle(line, D(-1), None)
    assert (list(book.lines), book.net_pnl) == (["BTC"], 0)
    book.mark("BTC", D(130))
    assert (list(book.lines), book.net_pnl, book.pnl.realised) == (["BTC"], 30, 0)
    book.mark("BTC", D(130), D(130))
    assert (list(book.lines), book.net_pnl, book.pnl.realised) == ([], 30, 30)


@pytest.mark.parametrize(("side", "cost", "realised"), [("BUY", 155, 0), ("SELL", 150, -5)])
def test_a_late_exact_figure_moves_cost_while_open_on_its_side_else_what_was_realised(
    side, cost, realised
):
    book = Portfolio()
    line = line_of(book)
    book.settle(line, D(2), D(150))
    book.correct(line, D(2), D(5), side)
    assert (line.position.cost, line.position.entry_cost, book.pnl.realised) == (
        cost,
        cost,
        realised,
    )
    assert book.net_pnl == 45


def test_a_correction_of_a_closed_position_is_realised():
    book = Portfolio()
    line = line_of(book)
    book.correct(line, D(1), D(5), "BUY")
    assert (book.pnl.realised, list(book.lines)) == (-5, [])


@pytest.mark.parametrize("sign", [1, -1])
def test_after_a_partial_close_a_late_exact_figure_is_split_by_quantity(sign):
    """2 bought, 0.5 sold again: a quarter of the correction was realised."""
    book = Portfolio()
    line = line_of(book)
    book.settle(line, D(2 * sign), D(150 * sign))
    book.settle(line, D("-0.5") * sign, D(-40) * sign)
    before = line.position.cost, book.pnl.realised
    book.correct(line, D(2), D(8), "BUY" if sign == 1 else "SELL")
    assert (line.position.cost, book.pnl.realised) == (before[0] + 6, before[1] - 2)


@pytest.mark.parametrize("changes", [1, 3, CHANGED_MAX, CHANGED_MAX + 1, 3 * CHANGED_MAX])
def test_the_lines_that_have_changed_since_a_moment_are_known_however_long_ago(changes):
    book = Portfolio()
    lines = [line_of(book, key) for key in ("A", "B", "C")]
    for line in lines:
        book.settle(line, D(1), D(100))
    serial = book.serial
    assert list(book.changed_since(serial)) == []
    for number in range(changes):
        book.work(lines[number % 2], "BUY", D(1), 1)
    assert sorted(book.changed_since(serial)) == ["A", "B"][:changes]
    book.mark("C", D(90))
    assert sorted(book.changed_since(serial)) == sorted([*["A", "B"][:changes], "C"])


def test_the_keys_that_changed_since_a_moment_are_told_and_no_others():
    book = Portfolio()
    for key in "abc":
        book.settle(book.begin(key, is_future=False, mark=D(1)), D(1), D(1))
    since = book.serial
    book.restate(book.lines["b"])
    book.restate(book.lines["b"])
    assert list(book.changed_since(since)) == ["b"]
    assert list(book.changed_since(book.serial)) == []
