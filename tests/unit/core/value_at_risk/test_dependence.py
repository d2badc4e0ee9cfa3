"""Draws of the t copula: reproducible, symmetric, and finite whatever the history was."""

import numpy as np
import pytest
import scipy  # its parts load when they are used

from sidecar.core.value_at_risk import dependence
from sidecar.core.value_at_risk.dependence import COPULA_DEGREES, simulated
from sidecar.core.value_at_risk.model import Unavailable
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.value_at_risk.volatility import floored_deviations
from tests.unit.core.value_at_risk.samples import sample

RETURNS = sample(250, 3)


def drawn(returns=RETURNS, simulations=4000, seed=1):
    settings = ModelSettings(model="monte_carlo", simulations=simulations, seed=seed)
    return simulated(returns, settings)


def rank_correlation(draws, one=0, other=1):
    return float(scipy.stats.spearmanr(draws[:, one], draws[:, other]).statistic)


def test_the_same_seed_draws_the_same_and_another_seed_something_else():
    assert (drawn() == drawn()).all()
    assert not (drawn(seed=2) == drawn()).any()


@pytest.mark.parametrize("simulations", [1000, 1001])
def test_as_many_are_drawn_as_were_asked_for(simulations):
    assert drawn(simulations=simulations).shape == (simulations, 3)


def test_each_draw_has_its_mirror():
    draws = drawn()
    assert draws[2000:] == pytest.approx(-draws[:2000], rel=1e-6, abs=1e-12)
    assert draws.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)


def test_a_key_deviates_as_much_as_is_forecast_of_it():
    """Times what its returns deviated more than was forecast of each."""
    deviations = floored_deviations(RETURNS, ModelSettings().decay)
    size = np.sqrt(np.mean((RETURNS / deviations[:-1]) ** 2, axis=0))
    found = drawn(simulations=40_000).std(axis=0)
    assert found == pytest.approx(size * deviations[-1], rel=0.05)


def test_keys_are_tied_as_their_past_was():
    past = float(scipy.stats.spearmanr(RETURNS[:, 0], RETURNS[:, 1]).statistic)
    assert rank_correlation(drawn(simulations=40_000)) == pytest.approx(past, abs=0.05)


@pytest.mark.parametrize("sign", [1, -1])
def test_keys_that_move_as_one_or_against_each_other_still_do(sign):
    """Their correlation is singular."""
    one = RETURNS[:, :1]
    draws = drawn(np.hstack([one, sign * one, RETURNS[:, 1:2]]))
    assert draws[:, 1] == pytest.approx(sign * draws[:, 0], rel=1e-5, abs=1e-9)


def test_an_outlier_bends_no_correlation():
    """One day on which they part far enough to turn the correlation of the returns themselves."""
    bent = RETURNS.copy()
    bent[100, :2] = [1.0, -1.0]
    assert np.corrcoef(bent[:, 0], bent[:, 1])[0, 1] < -0.5
    normal = rank_correlation(drawn(simulations=20_000))
    assert rank_correlation(drawn(bent, simulations=20_000)) == pytest.approx(normal, abs=0.1)


def test_a_key_that_never_moved_does_not_begin_to():
    draws = drawn(np.hstack([RETURNS, np.zeros((250, 1))]))
    assert not draws[:, 3].any()
    assert np.isfinite(draws).all()


def test_a_coin_that_stood_still_for_months_and_then_moves_is_drawn_in_its_bounds():
    """By EWMA alone its one move of 10 % would be one of tens of thousands of deviations."""
    moved = np.zeros((250, 1))
    moved[-1] = 0.1
    draws = drawn(np.hstack([RETURNS[:, :1], moved]), simulations=10_000)
    assert np.abs(draws[:, 1]).max() < 5
    assert 0.01 < draws[:, 1].std() < 0.3


def test_many_keys_and_few_returns_are_drawn_all_the_same():
    draws = drawn(sample(3, 5))
    assert draws.shape == (4000, 5)
    assert np.isfinite(draws).all()


def test_one_return_has_no_correlation_and_says_so():
    with pytest.raises(Unavailable, match="give a longer history"):
        drawn(RETURNS[:1])


@pytest.mark.parametrize("degrees", COPULA_DEGREES)
def test_the_likelihood_is_the_joint_ts_over_its_margins(degrees):
    """Less half the logarithm of the determinant, which does not depend on the degrees."""
    correlation = np.array([[1, 0.5, 0.1], [0.5, 1, -0.2], [0.1, -0.2, 1]])
    ranks = (np.argsort(np.argsort(RETURNS[:40], axis=0), axis=0) + 0.5) / 40
    scores = scipy.stats.t.ppf(ranks, degrees)
    joint = scipy.stats.multivariate_t.logpdf(scores, shape=correlation, df=degrees).sum()
    expected = joint - scipy.stats.t.logpdf(scores, degrees).sum()
    expected += 40 / 2 * np.log(np.linalg.det(correlation))
    assert dependence._likelihood(ranks, correlation, degrees) == pytest.approx(expected)


def test_scores_that_are_all_zero_are_tied_to_none():
    found = dependence._correlation(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert found.tolist() == [[1, 0], [0, 1]]


def test_two_returns_have_a_correlation():
    assert np.isfinite(simulated(RETURNS[:2], ModelSettings(simulations=10))).all()
