"""Stress: named bad days, worst runs of the own history, and the book that loses in them."""

import math

import numpy as np
import pytest

from sidecar.core.value_at_risk.settings import CRASH_DAYS, Scenario
from sidecar.core.value_at_risk.stress import OWN, StressModel, Subject, stress_model
from tests.unit.core.value_at_risk.samples import sample

BTC, ETH, EURO = Subject("BTC"), Subject("ETH"), Subject("EUR", is_cash=True)
HALF = Scenario("half", {"BTC": -0.5}, -0.25)
EUROS_FALL = Scenario("euros fall", {"EUR": -0.1})


def book(exposures, *scenarios, subjects=(BTC, ETH, EURO), returns=None, window=0):
    model = stress_model(subjects, scenarios, returns, window)
    return model.book(np.array(exposures, dtype=float))


@pytest.mark.parametrize(
    ("day", "asset", "before", "after"),
    [
        ("2020-03-12", "BTC", 7911.43, 4970.79), ("2020-03-12", "ETH", 194.87, 112.35),
        ("2021-05-19", "BTC", 42909.40, 37002.44), ("2021-05-19", "ETH", 3380.07, 2460.68),
        ("2022-11-09", "BTC", 18541.27, 15880.78), ("2022-11-09", "ETH", 1332.84, 1100.17),
    ],
)  # fmt: skip
def test_a_shipped_fall_is_that_of_its_closes_rounded_up_to_a_tenth_of_a_percent(
    day, asset, before, after
):
    (told,) = (one for one in CRASH_DAYS if one.name.endswith(day))
    fall = 1 - after / before
    assert -told.moves[asset] == pytest.approx(math.ceil(fall * 1000) / 1000)
    assert told.others == min(told.moves.values())


def test_what_is_named_moves_so_the_others_like_others_and_cash_not_at_all():
    assert book([100, 100, 100], HALF).losses() == [("half", 75.0)]


def test_cash_moves_where_it_is_named_and_nothing_else_then():
    assert book([100, 100, 100], EUROS_FALL).losses() == [("euros fall", pytest.approx(10))]


def test_a_future_moves_as_its_underlying_does():
    hedged = book([100, -100], HALF, subjects=(BTC, Subject("BTC")))
    assert hedged.loss() == 0


def test_the_loss_is_that_of_the_worst_scenario_and_worst_is_its_name():
    rally = Scenario("rally", {"BTC": 1.0})
    short = book([-100, 0, 0], HALF, rally)
    assert (short.loss(), short.worst()) == (100, "rally")
    assert short.losses() == [("half", -50.0), ("rally", 100.0)]
    long = book([100, 0, 0], HALF, rally)
    assert (long.loss(), long.worst()) == (50, "half")


@pytest.mark.parametrize("exposures", [[0, 0, 0], [-100, -100, 0]])
def test_where_no_scenario_loses_the_loss_is_zero_and_none_is_the_worst(exposures):
    assert book(exposures, HALF).loss() == 0
    assert book(exposures, HALF).loss_with([]) == 0
    assert book(exposures, HALF).worst() is None


def test_without_scenarios_there_is_nothing_to_lose():
    empty = book([100, 100, 100])
    assert (empty.loss(), empty.worst(), empty.losses()) == (0, None, [])


def test_without_keys_there_is_nothing_to_lose():
    empty = book([], HALF, subjects=(), returns=np.empty((10, 0)), window=5)
    assert (empty.loss(), empty.worst()) == (0, None)
    assert len(empty.losses()) == 7


def test_moves_asked_about_are_moves_done_and_asking_does_none():
    moves = [(0, -30.0), (1, 12.5), (0, -7.0)]
    asked = book([100, 50, 10], *CRASH_DAYS, HALF)
    before = asked.loss()
    told = asked.loss_with(moves)
    assert asked.loss() == before
    for index, usd in moves:
        asked.move(index, usd)
    assert asked.loss() == pytest.approx(told, rel=1e-12)
    assert asked.exposures.tolist() == [63, 62.5, 10]
    fresh = book([63, 62.5, 10], *CRASH_DAYS, HALF)
    assert fresh.loss() == pytest.approx(told, rel=1e-12)


def test_a_book_keeps_its_own_exposures():
    exposures = np.array([100.0])
    model = StressModel(np.array([[-0.5]]), ["half"])
    one, other = model.book(exposures), model.book(exposures)
    one.move(0, 100)
    assert (exposures.tolist(), other.loss(), one.loss()) == ([100], 50, 100)


def test_every_run_of_the_own_history_is_a_scenario_of_its_whole_move():
    """Prices: 100, 50, 75, 60, 90: over two periods −25 %, +20 %, +20 %."""
    returns = np.diff(np.log(np.array([[100.0], [50], [75], [60], [90]])), axis=0)
    own = book([1000], subjects=(BTC,), returns=returns, window=2)
    assert own.losses() == [
        (f"{OWN}2 periods ended 2 ago", pytest.approx(250)),
        (f"{OWN}2 periods ended 1 ago", pytest.approx(-200)),
        (f"{OWN}2 periods ended 0 ago", pytest.approx(-200)),
    ]
    assert own.worst() == f"{OWN}2 periods ended 2 ago"


def test_runs_stand_beside_the_named_days_and_cash_moves_in_them():
    own = book([0, 0, 100], HALF, returns=np.full((3, 3), -0.1), window=3)
    assert own.losses() == [
        ("half", 0),
        (f"{OWN}3 periods ended 0 ago", pytest.approx(100 * (1 - math.exp(-0.3)))),
    ]


@pytest.mark.parametrize(("count", "window"), [(4, 5), (0, 1), (10, 0)])
def test_a_history_shorter_than_the_run_or_no_run_adds_nothing(count, window):
    own = book([1, 1, 1], HALF, returns=np.zeros((count, 3)), window=window)
    assert [name for name, _ in own.losses()] == ["half"]


def test_runs_of_one_period_are_the_returns_themselves():
    returns = sample(50)
    own = book([1, 0, 0], returns=returns, window=1)
    assert [loss for _, loss in own.losses()] == pytest.approx((1 - np.exp(returns[:, 0])).tolist())


def test_a_loss_of_cents_has_its_scenario_too():
    small = book([1, 0, 0], HALF)
    assert (small.loss(), small.worst()) == (0.5, "half")
