"""Scenario models: which scenario is the quantile, what lies beyond it, and whose loss it is."""

import math
from decimal import Decimal

import numpy as np
import pytest

from sidecar.core.value_at_risk.model import Edge, Unavailable
from sidecar.core.value_at_risk.scenarios import (
    NearTail,
    ScenarioModel,
    filtered,
    historical,
    monte_carlo,
)
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.value_at_risk.volatility import ewma_deviations
from tests.unit.core.value_at_risk.samples import sample

BUILDERS = (historical, filtered, monte_carlo)


def settings(confidence="0.99", **more):
    return ModelSettings(confidence=Decimal(confidence), **more)


def losses(count, confidence):
    """A book of one USD that loses 1, 2 … `count` per cent, each in one scenario."""
    told = -np.arange(1, count + 1)[:, None] / 100.0
    return ScenarioModel(told[::-1], Decimal(confidence)).book(np.array([1.0]))


# --- The quantile ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "confidence", "rank"),
    [
        (500, "0.99", 5), (100, "0.99", 1), (101, "0.99", 2), (250, "0.99", 3), (1000, "0.999", 1),
        (100, "0.95", 5), (100, "0.93", 7), (100, "0.94", 6), (1000, "0.975", 25), (40, "0.975", 1),
        (10, "0.7", 3),
    ],
)  # fmt: skip
def test_the_var_is_the_nth_worst_loss_and_no_rounding_makes_it_another(count, confidence, rank):
    """500 × (1 − 0.99) as floats is 5.000000000000004, which would be the 6th."""
    book = losses(count, confidence)
    assert book.tail().var == pytest.approx((count + 1 - rank) / 100)
    assert book.var_with([]) == book.tail().var
    alpha = settings(confidence).alpha
    assert -book.quantile(np.array([alpha]))[0] == book.tail().var


def test_es_is_the_mean_of_the_worst_where_their_number_is_whole():
    assert losses(500, "0.99").tail().es == pytest.approx((5 + 4.99 + 4.98 + 4.97 + 4.96) / 5)


def test_the_last_scenario_counts_by_the_part_of_it_that_lies_within():
    """1 % of 250 are two and a half."""
    assert losses(250, "0.99").tail().es == pytest.approx((2.5 + 2.49 + 2.48 / 2) / 2.5)


def test_a_single_scenario_is_var_and_es():
    tail = losses(100, "0.99").tail()
    assert tail.var == tail.es == 1


@pytest.mark.parametrize(
    ("count", "confidence", "needed"), [(99, "0.99", 100), (30, "0.97", 34), (999, "0.999", 1000)]
)
def test_fewer_scenarios_than_one_in_the_tail_are_refused_with_the_number_needed(
    count, confidence, needed
):
    with pytest.raises(
        Unavailable, match=f"{confidence} needs {needed} returns, there are {count};"
    ):
        losses(count, confidence)


def test_quantiles_are_the_scenarios_in_order():
    book = losses(4, "0.75")
    found = book.quantile(np.array([0, 0.1, 0.25, 0.26, 0.5, 0.75, 0.99, 1]))
    assert found.tolist() == [-0.04, -0.04, -0.04, -0.03, -0.03, -0.02, -0.01, -0.01]


@pytest.mark.parametrize(
    ("count", "confidence", "edge"),
    [
        (500, "0.99", Edge(worse=-4.97, own=1.0, between=1.0)),
        (250, "0.99", Edge(worse=-2.49, own=0.5, between=0.5)),
        (100, "0.99", Edge(worse=-math.inf, own=1.0, between=1.0)),
    ],
)
def test_the_var_s_own_scenario_is_in_the_tail_by_its_part(count, confidence, edge):
    found = losses(count, confidence).edge()
    assert (found.own, found.between) == (pytest.approx(edge.own), pytest.approx(edge.between))
    assert found.worse == pytest.approx(edge.worse)


def test_scenarios_of_equal_loss_share_what_the_worse_ones_leave_of_the_tail():
    """Two and a half of 250: one is worse, four lose the VaR. A loss just beyond it is exceeded by one
    scenario in 250, and lies in the tail wholly.
    """
    pnl = np.zeros(250)
    pnl[[3, 50, 70, 90, 110]] = -5.0, -2.0, -2.0, -2.0, -2.0
    edge = ScenarioModel(pnl[:, None], Decimal("0.99")).book(np.ones(1)).edge()
    assert edge == Edge(worse=-5.0, own=1.5 / 4, between=1.0)


def test_where_nothing_moves_the_edge_is_at_zero():
    edge = ScenarioModel(np.zeros((250, 1)), Decimal("0.99")).book(np.ones(1)).edge()
    assert edge == Edge(worse=-math.inf, own=0.01, between=1.0)


# --- Books ----------------------------------------------------------------------------------------


def by_hand():
    """Two keys in four scenarios at 75 %: one scenario in the tail."""
    return ScenarioModel(
        np.array([[-0.5, 0.1], [0.2, -0.2], [0.1, 0.1], [0.0, -0.4]]), Decimal("0.75")
    )


def test_a_books_loss_is_the_sum_of_its_keys():
    book = by_hand().book(np.array([100.0, 100.0]))
    assert book.pnl == pytest.approx([-40, 0, 20, -40])
    assert book.tail().var == book.tail().es == 40


def test_what_is_sold_short_gains_where_it_falls():
    book = by_hand().book(np.array([-100.0, 0.0]))
    assert (book.tail().var, book.tail().es) == (20, 20)


def test_a_book_that_gains_in_every_scenario_has_a_var_below_zero():
    book = ScenarioModel(np.array([[0.1], [0.2], [0.3], [0.4]]), Decimal("0.5")).book(np.ones(1))
    assert (book.tail().var, book.tail().es) == (-0.2, pytest.approx(-0.15))


def test_components_are_what_each_key_loses_in_those_very_scenarios():
    """Five scenarios at 70 %: one and a half in the tail. By loss: −60 (−50, −10), −30 (10, −40)."""
    scenarios = np.array([[0.3, 0.1], [-0.5, -0.1], [0.2, 0.1], [0.1, -0.4], [0.0, 0.0]])
    book = ScenarioModel(scenarios, Decimal("0.7")).book(np.array([100.0, 100.0]))
    found = book.components()
    assert found.var == pytest.approx([-10, 40])
    assert found.es == pytest.approx([(50 - 10 / 2) / 1.5, (10 + 40 / 2) / 1.5])
    assert found.var.sum() == pytest.approx(book.tail().var)
    assert found.es.sum() == pytest.approx(book.tail().es)


@pytest.mark.parametrize("builder", BUILDERS)
def test_components_are_the_derivatives(builder):
    """Where no two scenarios change places, risk is linear."""
    model = builder(sample(), settings(simulations=1000))
    exposures = np.array([1000.0, -300.0, 500.0])
    found = model.book(exposures).components()
    for key in range(3):
        step = np.eye(3)[key] * 1e-5
        up, down = model.book(exposures + step).tail(), model.book(exposures - step).tail()
        marginal = (up.var - down.var) / 2e-5, (up.es - down.es) / 2e-5
        assert exposures[key] * marginal[0] == pytest.approx(found.var[key], rel=1e-5)
        assert exposures[key] * marginal[1] == pytest.approx(found.es[key], rel=1e-5)


@pytest.mark.parametrize("builder", BUILDERS)
def test_moves_asked_about_are_moves_done_and_asking_does_none(builder):
    model = builder(sample(), settings(simulations=1000))
    exposures = np.array([1000.0, -300.0, 500.0])
    book, moves = model.book(exposures), [(0, -250.0), (2, 100.0), (0, 10.0)]
    before = book.tail()
    told, var = book.tail_with(moves), book.var_with(moves)
    assert book.tail() == book.tail_with([]) == before
    for index, usd in moves:
        book.move(index, usd)
    assert exposures.tolist() == [1000, -300, 500]
    assert book.exposures.tolist() == [760, -300, 600]
    for found in (book.tail(), model.book(book.exposures).tail()):
        assert (found.var, found.es) == (pytest.approx(told.var), pytest.approx(told.es))
    assert var == told.var


def test_to_ask_for_the_var_leaves_the_scenarios_in_their_places():
    book = by_hand().book(np.array([100.0, 100.0]))
    before = book.pnl.copy()
    book.var_with([])
    book.var_with([(0, 10.0)])
    assert (book.pnl == before).all()


def test_most_added_is_the_moves_loss_in_their_own_worst_scenarios():
    book = by_hand().book(np.zeros(2))
    assert book.most_added([]) == 0
    assert book.most_added([(0, 100.0)]) == 50
    assert book.most_added([(0, -100.0)]) == 20
    assert book.most_added([(0, 100.0), (1, 100.0)]) == 90


def test_what_cannot_lose_adds_nothing():
    book = ScenarioModel(np.full((4, 1), 0.1), Decimal("0.5")).book(np.zeros(1))
    assert book.most_added([(0, 100.0)]) == 0
    assert book.most_added([(0, -100.0)]) == 10


# --- What the scenarios are -----------------------------------------------------------------------


def test_historical_scenarios_are_the_past_days_as_prices_moved():
    returns = np.log(np.array([[0.9], [1.1], [1.0], [0.5]]))
    book = historical(returns, settings("0.75")).book(np.array([100.0]))
    assert book.pnl == pytest.approx([-10, 10, 0, -50])


def test_over_a_horizon_log_returns_grow_with_its_root():
    returns = np.log(np.array([[0.9], [1.1], [1.0], [0.5]]))
    book = historical(returns, settings("0.75", horizon=4)).book(np.array([100.0]))
    assert book.pnl == pytest.approx([-19, 21, 0, -75])


@pytest.mark.parametrize("builder", BUILDERS)
def test_over_the_fattest_horizon_no_long_loses_more_than_it_has(builder):
    """250 days of hours, as far as the configuration goes."""
    returns = sample() * 10
    model = builder(returns, settings(simulations=1000, horizon=6000.0))
    assert np.isfinite(model.by_key).all()
    tail = model.book(np.array([100.0, 0.0, 0.0])).tail()
    assert 99 < tail.var <= tail.es <= 100
    short = model.book(np.array([0.0, -100.0, 0.0])).tail()
    assert 100 < short.var <= short.es < math.inf


@pytest.mark.parametrize("horizon", [1, 6000])
@pytest.mark.parametrize("builder", BUILDERS)
def test_a_coin_that_stood_still_for_months_and_then_moves_has_finite_scenarios(builder, horizon):
    moved = np.zeros((250, 2))
    moved[:, 0] = sample(250, 1)[:, 0]
    moved[-1, 1] = 0.5
    model = builder(moved, settings(simulations=1000, horizon=float(horizon)))
    assert np.isfinite(model.by_key).all()
    for exposures in ([100.0, 0.0], [0.0, 100.0], [100.0, -100.0]):
        tail = model.book(np.array(exposures)).tail()
        assert math.isfinite(tail.var)
        assert math.isfinite(tail.es)


def test_a_filtered_return_is_in_deviations_of_its_own_day_times_that_of_tomorrow():
    returns = sample(200, 2)
    deviations = ewma_deviations(returns, 0.94)
    expected = np.expm1(returns / deviations[:-1] * deviations[-1])
    found = filtered(returns, settings()).by_key.T
    assert found == pytest.approx(expected)


def test_after_a_storm_filtered_scenarios_are_louder_and_after_a_calm_quieter_than_the_past():
    returns = sample(250, 1)
    exposures = np.array([100.0])
    calm, storm = returns.copy(), returns.copy()
    calm[-30:] *= 0.2
    storm[-30:] *= 5
    past = historical(calm, settings()).book(exposures).tail().var
    assert filtered(calm, settings()).book(exposures).tail().var < 0.5 * past
    past = historical(storm, settings()).book(exposures).tail().var
    assert filtered(storm, settings()).book(exposures).tail().var > past


def test_monte_carlo_draws_as_many_scenarios_as_it_was_told():
    model = monte_carlo(sample(100), settings(simulations=1234))
    assert model.by_key.shape == (3, 1234)


def test_monte_carlo_is_near_the_t_that_it_draws_from():
    """One key: the VaR of its own Student-t, to what 40,000 draws can say."""
    returns = sample(250, 1)
    model = monte_carlo(returns, settings(simulations=40_000))
    tail = model.book(np.array([1.0])).tail()
    other = monte_carlo(returns, settings(simulations=40_000, seed=2)).book(np.array([1.0])).tail()
    assert other.var == pytest.approx(tail.var, rel=0.05)
    assert other.es == pytest.approx(tail.es, rel=0.08)


# --- Very many scenarios --------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", ["0.95", "0.99", "0.999"])
def test_the_var_of_very_many_scenarios_is_that_of_all_of_them(confidence):
    """Only those near the tail are looked at where that is certain to do, else all: small orders and
    orders that turn the book around, one after the other.
    """
    many = np.expm1(sample(4_000))
    model = ScenarioModel(many, Decimal(confidence))
    assert model.near
    book, exposures = model.book(np.array([10_000.0, 5_000.0, 0.0])), [10_000.0, 5_000.0, 0.0]
    for usd in (100.0, -50.0, 2_000.0, -1_500.0, -30_000.0, 250.0, 45_000.0, -1.0):
        for index in range(3):
            asked = list(exposures)
            asked[index] += usd
            expected = -np.sort(many @ np.array(asked))[model.rank]
            assert book.var_with(((index, usd),)) == pytest.approx(expected, rel=1e-12)
        moved = int(abs(usd)) % 3
        book.move(moved, usd)
        exposures[moved] += usd
        expected = -np.sort(many @ np.array(exposures))[model.rank]
        assert book.var_with(()) == pytest.approx(expected, rel=1e-12)


def test_what_is_near_the_tail_tells_for_small_orders_and_says_so_where_it_cannot():
    many = np.expm1(sample(4_000, 1))
    model = ScenarioModel(many, Decimal("0.99"))
    book = model.book(np.array([10_000.0]))
    near = NearTail(model, book.pnl)
    assert near.var_with((), 0.0) == pytest.approx(book.tail().var)
    assert near.var_with(((0, 1e9),), book.most_added(((0, 1e9),))) is None


def test_of_few_scenarios_and_of_a_fat_tail_all_are_looked_at():
    assert not ScenarioModel(np.zeros((2_000, 1)), Decimal("0.99")).near
    assert not ScenarioModel(np.zeros((4_000, 1)), Decimal("0.9")).near
