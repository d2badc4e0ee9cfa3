"""Tables: below the size at which the first row speaks nothing has to be said, and all room is within the limits."""

from itertools import product
from typing import Any, cast

import pytest

from sidecar.core.judging.rules.rule import NO_EQUITY, Row
from sidecar.core.judging.table import Group
from tests.decisions import only, warned
from tests.scenario import D, World, limit_order

SIZES = [D(number) / 4 for number in range(33)]  # 0 to 8
NONE = D("Infinity")
RULED: Any = cast("Any", None)  # a group only hands it on


def grouped(*rows: tuple[Row, object, object]) -> Group:
    """Rows with their limits, and the figures from which they speak."""
    group = Group("open")
    for row, level, near in rows:
        group.add(RULED, row, D(level), D(near))
    return group


@pytest.mark.parametrize("slope", [1, 2])
@pytest.mark.parametrize("floor", [-NO_EQUITY, D(1), D(2), D(3)])
@pytest.mark.parametrize("cap", [NO_EQUITY, D(1), D(2), D(3)])
@pytest.mark.parametrize("fold", [-NO_EQUITY, D(0), D(1)])
def test_a_row_speaks_from_the_least_size_whose_figure_is_near_the_limit(slope, floor, cap, fold):
    for base, near in product((-2, -1, 0, 1, 2), (1, 2)):
        row = Row(D(base), D(slope), floor, cap, fold=fold)
        spoken = [size for size in SIZES if row.figure(size) >= near]
        assert max(D(0), grouped((row, 3, near)).near) == (spoken[0] if spoken else NONE)


@pytest.mark.parametrize("slope", [1, 2])
@pytest.mark.parametrize("floor", [-NO_EQUITY, D(1), D(2), D(3)])
@pytest.mark.parametrize("cap", [NO_EQUITY, D(1), D(2), D(3)])
def test_the_room_is_the_largest_size_whose_figure_keeps_the_limit(slope, floor, cap):
    """As far as size matters: where the other side of the book breaks it, there is none."""
    for base, level in product((-2, -1, 0, 1, 2), (1, 2)):
        row, room = Row(D(base), D(slope), floor, cap), NONE
        kept = [size for size in SIZES if row.figure(size) <= level]
        if kept != SIZES:
            room = kept[-1] if kept else D(0)
        assert max(D(0), grouped((row, level, level)).room) == room


def test_of_several_rows_the_first_speaks_and_the_tightest_leaves_the_room():
    rows = [(Row(D(0), D(1)), 6, 4), (Row(D(1), D(1)), 8, 2), (Row(D(0), D(2)), 10, 9)]
    for some in (rows, rows[::-1]):
        assert (grouped(*some).near, grouped(*some).room) == (1, 5)


@pytest.mark.parametrize(("lost", "warns"), [("699.99", False), (700, True)])
@pytest.mark.parametrize("code", ["MAX_DAILY_LOSS", "MAX_CUMULATIVE_LOSS"])
def test_a_loss_is_warned_of_at_seven_tenths_of_its_limit_at_a_glance_too(code, lost, warns):
    world = World(**only(code.lower(), "1000 USD"))
    world.hold(1)
    world.quote("BTC-USD", D(64_000) - D(lost))
    for _ in range(3):  # the first is judged by each rule
        assert warned(world.ask(limit_order("0.01", 60_000))) == ((code,) if warns else ())
