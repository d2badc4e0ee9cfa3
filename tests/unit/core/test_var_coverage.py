"""Backtest statistics against what was published, and the laws that hold for every history."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri, stdtrit

from sidecar.core.value_at_risk.coverage import (
    Losses,
    beyond,
    conditional,
    exceptions,
    independence,
    shortfall,
    traffic_light,
    unconditional,
    z1,
    z2,
)
from sidecar.core.value_at_risk.model import Edge

CRITICAL_1, CRITICAL_2 = 3.841, 5.991  # chi-squared at 5 %, 1 and 2 degrees of freedom

histories = st.lists(st.booleans(), max_size=400).map(lambda days: np.array(days, dtype=np.bool_))
alphas = st.floats(0.001, 0.5)


def days(ones, count):
    """A history with so many exceptions; where they are does not matter."""
    return np.arange(count) < ones


def history(*, none_none, none_one, one_one):
    """A history that begins and ends without an exception, with these transitions; as many lead from
    an exception to none as the other way.
    """
    runs = [[True] for _ in range(none_one)]
    runs[0] += [True] * one_one
    made = [False]
    for run in runs:
        made += [*run, False]
    return np.array([False] * none_none + made)


# Kupiec (1995), table 3, as in Jorion, "Value at Risk" (3rd ed., 2007), table 6.2: numbers of
# exceptions, both excluded, between which a model is not rejected at 5 %. Where the table has no lower
# end for 255 days at 99 %, the ratio does reject a year without any exception.
@pytest.mark.parametrize(
    ("alpha", "count", "low", "high"),
    [
        (0.01, 255, 0, 7), (0.025, 255, 2, 12), (0.05, 255, 6, 21), (0.075, 255, 11, 28), (0.10, 255, 16, 36),
        (0.01, 510, 1, 11), (0.025, 510, 6, 21), (0.05, 510, 16, 36), (0.075, 510, 27, 51), (0.10, 510, 38, 65),
        (0.01, 1000, 4, 17), (0.025, 1000, 15, 36), (0.05, 1000, 37, 65), (0.075, 1000, 59, 92), (0.10, 1000, 81, 120),
    ],
)  # fmt: skip
def test_kupiecs_regions_are_as_published(alpha, count, low, high):
    kept = [n for n in range(count + 1) if unconditional(days(n, count), alpha).p >= 0.05]
    assert kept == list(range(low + 1, high))


def test_jorions_bank_has_too_many_exceptions_and_they_follow_each_other():
    """Jorion (2007), section 6.2.4: 252 days at 95 %, 20 exceptions, 6 of them after an exception:
    LR_uc = 3.91, LR_ind = 9.53, LR_cc = 13.44.
    """
    assert unconditional(days(20, 252), 0.05).value == pytest.approx(3.91, abs=0.005)
    hits = history(none_none=218, none_one=14, one_one=6)
    assert (hits.size, int(hits.sum())) == (253, 20)  # 252 transitions
    assert independence(hits).value == pytest.approx(9.53, abs=0.005)
    both = conditional(hits, 0.05)
    assert both.value == pytest.approx(
        13.44, abs=0.1
    )  # here the first day is in the rate: 253 days
    assert both.p < 0.01


def test_jorions_other_bank_keeps_the_rate_and_bunches():
    """The same, chapter 6, question 10: 252 days at 99 %, 6 exceptions: LR_uc = 3.498."""
    assert unconditional(days(6, 252), 0.01).value == pytest.approx(3.498, abs=0.001)


def test_critical_values_are_the_tables():
    hits = days(20, 252)
    for test, critical in ((unconditional, CRITICAL_1), (conditional, CRITICAL_2)):
        found = [test(days(n, 252), 0.05) for n in range(252)]
        assert all((one.value > critical) == (one.p < 0.05) for one in found)
    assert unconditional(hits, 20 / 252).p == pytest.approx(1)


def test_no_exception_and_nothing_but_exceptions_have_statistics():
    none, all_of_them = days(0, 250), days(250, 250)
    assert unconditional(none, 0.01).value == pytest.approx(-2 * 250 * np.log(0.99))
    assert unconditional(all_of_them, 0.01).value == pytest.approx(-2 * 250 * np.log(0.01))
    for hits in (none, all_of_them, days(0, 0), days(0, 1), days(1, 1)):
        assert (independence(hits).value, independence(hits).p) == (0, 1)
        assert conditional(hits, 0.01).value == unconditional(hits, 0.01).value
    assert unconditional(days(0, 0), 0.01).p == 1


# Basel Committee (1996), table 2: exceptions in 250 days at 99 %, cumulative probability in per cent,
# zone, increase of the multiplier.
@pytest.mark.parametrize(
    ("ones", "cumulative", "zone", "plus"),
    [
        (0, 8.11, "green", 0), (1, 28.58, "green", 0), (2, 54.32, "green", 0), (3, 75.81, "green", 0), (4, 89.22, "green", 0),
        (5, 95.88, "yellow", 0.40), (6, 98.63, "yellow", 0.50), (7, 99.60, "yellow", 0.65), (8, 99.89, "yellow", 0.75),
        (9, 99.97, "yellow", 0.85), (10, 99.99, "red", 1), (11, 100.00, "red", 1), (250, 100.00, "red", 1),
    ],
)  # fmt: skip
def test_basels_table(ones, cumulative, zone, plus):
    light = traffic_light(days(ones, 250), 0.01)
    assert (round(light.cumulative * 100, 2), light.zone, light.plus_factor) == (
        cumulative,
        zone,
        plus,
    )


@pytest.mark.parametrize(("count", "alpha"), [(251, 0.01), (250, 0.05)])
def test_no_plus_factor_is_made_up(count, alpha):
    assert traffic_light(days(5, count), alpha).plus_factor is None


@given(histories, alphas)
def test_statistics_are_never_negative_and_p_values_are_probabilities(hits, alpha):
    for one in (unconditional(hits, alpha), independence(hits), conditional(hits, alpha)):
        assert one.value >= 0
        assert 0 <= one.p <= 1
    assert 0 <= traffic_light(hits, alpha).cumulative <= 1


@given(histories, alphas, st.randoms(use_true_random=False))
def test_rate_and_zone_do_not_mind_the_order(hits, alpha, random):
    mixed = hits.copy()
    random.shuffle(mixed)
    assert unconditional(mixed, alpha) == unconditional(hits, alpha)
    assert traffic_light(mixed, alpha) == traffic_light(hits, alpha)


@given(histories)
def test_independence_does_not_mind_which_way_time_runs_between_equal_ends(hits):
    """What leads from none to one leads back from one to none."""
    closed = np.concatenate([[False], hits, [False]])
    assert independence(closed[::-1]).value == pytest.approx(independence(closed).value, abs=1e-9)


# ------------------------------------------------------------------------------- expected shortfall


def test_losing_just_the_var_is_no_exception():
    pnl = np.array([-100.0, -100.0 - 1e-9, -100.001, 100.0])
    assert exceptions(pnl, np.full(4, 100.0)).tolist() == [False, False, True, False]


def sharp(pnl, var):
    """P&L of a model whose tail ends at the VaR sharply."""
    return Losses(pnl, beyond(pnl, var))


def test_both_statistics_by_hand():
    pnl, es = sharp(np.array([-150.0, 50, -130, -90]), 100.0), np.full(4, 120.0)
    assert float(z1(pnl, es)) == pytest.approx(1 - 280 / 120 / 2)
    assert float(z2(pnl, es, 0.25)) == pytest.approx(1 - 280 / 120 / (4 * 0.25))
    none = sharp(np.zeros(4), 100.0)
    assert np.isnan(z1(none, es))
    assert float(z2(none, es, 0.25)) == 1


def test_both_statistics_count_a_part_by_its_part():
    """One day beyond the VaR, and one that is the VaR's own scenario, of which a half is in the tail."""
    losses, es = (
        Losses(np.array([-150.0, 50, -100, -90]), np.array([1, 0, 0.5, 0])),
        np.full(4, 120.0),
    )
    assert float(z1(losses, es)) == pytest.approx(1 - 200 / 120 / 1.5)
    assert float(z2(losses, es, 0.25)) == pytest.approx(1 - 200 / 120)


def test_how_much_of_a_loss_counts_as_beyond_the_var():
    """Exceptions whole; of a model by scenarios what lies between the VaR's and the next worse in part."""
    pnl = np.array([100.0, 0, -99.9, -100 + 1e-9, -100, -100 - 1e-9, -100.1, -119.9, -120, -500])
    assert beyond(pnl, 100.0).tolist() == [0] * 6 + [1] * 4
    parts = beyond(pnl, 100.0, Edge(worse=-120.0, own=0.25, between=0.5))
    assert parts.tolist() == [0, 0, 0, 0.25, 0.25, 0.25, 0.5, 0.5, 1, 1]
    worst_of_all = beyond(pnl, 100.0, Edge(worse=-math.inf, own=0.25, between=1.0))
    assert worst_of_all.tolist() == [0, 0, 0, 0.25, 0.25, 0.25, 1, 1, 1, 1]


def test_of_a_var_of_nothing_too_its_own_scenario_and_the_next_worse_are_told_apart():
    pnl = np.array([1.0, 0, -1, -2, -3])
    parts = beyond(pnl, 0.0, Edge(worse=-2.0, own=0.25, between=0.5))
    assert parts.tolist() == [0, 0.25, 0.5, 1, 1]


@pytest.mark.parametrize("freedom", [5, 100])
def test_the_critical_values_of_the_second_test_are_as_published(freedom):
    """Acerbi and Székely (2014), table 1: 250 days, ES at 97.5 %: 5 % lie below some −0.70 and 0.01 %
    below some −1.8, whatever the tail from 5 degrees of freedom on.
    """
    alpha, draws = 0.025, 20_000
    generator = np.random.default_rng(1)
    var = -stdtrit(freedom, alpha)
    tail = stdtrit(freedom, (np.arange(20_000) + 0.5) / 20_000 * alpha)
    pnl = generator.standard_t(freedom, (draws, 250))
    found = z2(sharp(pnl, var), np.full(250, -tail.mean()), alpha)
    assert np.mean(found) == pytest.approx(0, abs=0.01)
    assert np.quantile(found, 0.05) == pytest.approx(-0.70, abs=0.05)
    assert np.quantile(found, 0.0001) == pytest.approx(-1.8, abs=0.25)


def simulated_normal(count, draws, scale=1.0):
    """Of a model that is a normal, with its own VaR."""
    generator = np.random.default_rng(2)
    return sharp(scale * generator.standard_normal((draws, count)), scale * VAR_99)


VAR_99, ES_99 = (
    -float(ndtri(0.01)),
    float(np.exp(-(ndtri(0.01) ** 2) / 2) / np.sqrt(2 * np.pi)) / 0.01,
)


def test_a_right_model_is_accepted_and_one_that_says_too_little_is_not():
    pnl, es = np.random.default_rng(3).standard_normal(500), np.full(500, ES_99)
    drawn = simulated_normal(500, 999)
    right = shortfall(sharp(pnl, VAR_99), es, 0.01, drawn)
    wrong = shortfall(sharp(pnl * 2, VAR_99), es, 0.01, drawn)
    assert right.z1 is not None
    assert wrong.z1 is not None
    assert min(right.z1.p, right.z2.p) > 0.05
    assert wrong.z1.p < 0.01
    assert wrong.z2.p == 1 / 1000  # lower than every draw, and never 0
    assert wrong.z2.value < -1


def test_the_first_test_is_none_without_an_exception_and_the_second_then_says_1():
    none = sharp(np.zeros(10), VAR_99)
    found = shortfall(none, np.full(10, ES_99), 0.01, simulated_normal(10, 99))
    assert found.z1 is None
    assert (found.z2.value, found.z2.p) == (1, 1)


def test_p_values_of_right_models_are_evenly_spread():
    """The test keeps its level: 10 % of right models have a p-value below 10 %."""
    es, drawn, generator = (
        np.full(250, ES_99),
        simulated_normal(250, 999),
        np.random.default_rng(4),
    )
    found = [
        shortfall(sharp(generator.standard_normal(250), VAR_99), es, 0.01, drawn).z2.p
        for _ in range(400)
    ]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.04)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=50), st.floats(0.01, 100))
def test_both_tests_see_ratios_only(pnl, scale):
    """What the account is counted in does not matter."""
    losses, es = np.array(pnl), np.full(len(pnl), 120.0)
    drawn = simulated_normal(len(pnl), 50, 100.0)
    one = shortfall(sharp(losses, 100.0), es, 0.05, drawn)
    scaled = Losses(scale * drawn.pnl, drawn.beyond)
    other = shortfall(sharp(scale * losses, scale * 100.0), scale * es, 0.05, scaled)
    assert other.z2.value == pytest.approx(one.z2.value)
    assert (one.z1 is None) == (other.z1 is None)
    assert 0 < one.z2.p <= 1
