"""Volatility and covariance by hand, and the degrees of freedom that fit best."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import scipy  # its parts load when they are used

from sidecar.core.value_at_risk.volatility import (
    DEGREES,
    STILLEST,
    degrees_of_freedom,
    ewma_covariance,
    ewma_deviations,
    floored_deviations,
    shrunk_covariance,
)
from tests.unit.core.value_at_risk.samples import quantile_t4, sample


def column(*returns):
    return np.array(returns)[:, None]


# --- EWMA -----------------------------------------------------------------------------------------


def test_each_variance_is_yesterdays_and_a_share_of_yesterdays_square():
    """λ = 0.9 and returns 1, 2, 0: begun at 5/3; 0.9 × 5/3 + 0.1 × 1 = 1.6; 1.84; 1.656."""
    found = ewma_deviations(column(1.0, 2.0, 0.0), 0.9) ** 2
    assert found[:, 0] == pytest.approx([5 / 3, 1.6, 1.84, 1.656])


def test_a_deviation_knows_nothing_of_its_own_day():
    one, other = sample(50, 2), sample(50, 2)
    other[-1] *= 10
    begun = np.mean(other**2, axis=0) - np.mean(one**2, axis=0)  # the start looks at all of them
    found = ewma_deviations(other, 0.94) ** 2 - ewma_deviations(one, 0.94) ** 2
    assert found[-2] == pytest.approx(begun * 0.94**49)
    assert (found[-1] > found[-2]).all()


def test_the_weights_of_a_covariance_are_powers_of_the_decay_and_sum_to_one():
    """Ages 2, 1, 0 at λ = 0.5 weigh 1, 2 and 4 sevenths."""
    returns = np.array([[1.0, -1.0], [2.0, 0.0], [3.0, 1.0]])
    expected = np.array([[(1 + 8 + 36) / 7, (-1 + 0 + 12) / 7], [11 / 7, (1 + 0 + 4) / 7]])
    assert ewma_covariance(returns, 0.5) == pytest.approx(expected)


def test_returns_that_never_change_have_their_square_as_variance_at_any_decay():
    still = np.full((40, 1), 0.02)
    assert ewma_covariance(still, 0.94) == pytest.approx(np.array([[0.0004]]))
    assert ewma_deviations(still, 0.5) == pytest.approx(np.full((41, 1), 0.02))


def test_the_floor_is_a_share_of_the_samples_own_deviation():
    returns = column(*[0.0] * 99, 1.0)
    raw, floored = ewma_deviations(returns, 0.9), floored_deviations(returns, 0.9)
    assert math.sqrt((returns**2).mean()) == pytest.approx(0.1)
    assert raw[-2, 0] < 0.001
    assert floored[-2, 0] == pytest.approx(STILLEST * 0.1)
    assert floored[-1, 0] == raw[-1, 0]


def test_a_key_that_never_moved_has_no_deviation_floored_or_not():
    assert not floored_deviations(np.zeros((10, 2)), 0.94).any()


# --- Ledoit and Wolf ------------------------------------------------------------------------------


def test_shrinkage_by_hand():
    """Four days of two keys: S = diag(1/2, 2), m = 5/4, d² = 9/16, b² = 17/32: 17/18 of the way."""
    returns = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, -2.0]])
    share = (17 / 32) / (9 / 16)
    expected = (1 - share) * np.diag([0.5, 2.0]) + share * 1.25 * np.eye(2)
    assert shrunk_covariance(returns) == pytest.approx(expected)


def test_nothing_but_noise_is_drawn_all_the_way():
    """Two days of two keys: b² is above d², and so the whole of it."""
    returns = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert shrunk_covariance(returns) == pytest.approx(np.eye(2) * 1.25)


def test_one_key_and_equal_uncorrelated_keys_have_nothing_to_be_drawn_to():
    returns = sample(50, 1)
    assert shrunk_covariance(returns) == pytest.approx(np.mean(returns**2).reshape(1, 1))
    equal = np.array([[1.0, 1.0], [1.0, -1.0]])
    assert shrunk_covariance(equal) == pytest.approx(np.eye(2))


def test_shrinkage_keeps_the_trace_and_makes_a_singular_covariance_regular():
    one = sample(30, 1)
    twins = np.hstack([one, one])
    singular = twins.T @ twins / len(twins)
    shrunk = shrunk_covariance(twins)
    assert np.trace(shrunk) == pytest.approx(np.trace(singular))
    assert np.linalg.eigvalsh(singular)[0] == pytest.approx(0, abs=1e-18)
    assert np.linalg.eigvalsh(shrunk)[0] > 1e-6


# --- Degrees of freedom ---------------------------------------------------------------------------

EVEN = (np.arange(2000) + 0.5) / 2000


def test_a_normal_sample_has_the_most_degrees_that_are_tried():
    normal = np.array([NormalDist().inv_cdf(one) for one in EVEN])
    assert degrees_of_freedom(normal) == DEGREES[-1] == 30


def test_a_sample_of_a_t_with_4_degrees_has_4():
    unit = np.array([quantile_t4(one) for one in EVEN]) * math.sqrt(2 / 4)
    assert degrees_of_freedom(unit) == 4


def test_a_tail_fatter_than_any_that_is_tried_has_the_fewest_degrees():
    fat = np.zeros(1000)
    fat[-1] = math.sqrt(1000)
    assert degrees_of_freedom(fat) == DEGREES[0] == 3


def test_the_degrees_are_those_of_the_best_likelihood():
    unit = sample(200, 1)[:, 0] / 0.02
    best = max(
        DEGREES, key=lambda n: scipy.stats.t.logpdf(unit, n, scale=((n - 2) / n) ** 0.5).sum()
    )
    assert degrees_of_freedom(unit) == best
