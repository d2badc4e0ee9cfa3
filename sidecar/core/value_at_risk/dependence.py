"""Draws of a Student-t copula with Student-t margins. No I/O; the same seed draws the same.

Correlations are those of normal scores (ranks, as normal deviates), so no outlier bends them; the
copula's degrees of freedom are those of the best likelihood (Demarta and McNeil 2005).
"""

from typing import Final

import numpy as np
from scipy.special import gammaln, ndtri, stdtr, stdtrit

from sidecar.core.value_at_risk.model import Array, Unavailable
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.value_at_risk.volatility import degrees_of_freedom, floored_deviations

COPULA_DEGREES: Final = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 30.0)
CHANCES: Final = (1e-12, 1 - 1e-12)  # a chance of 0 or 1 has no quantile
LEAST_EIGENVALUE: Final = 1e-10  # keys that move as one leave zeros


def simulated(returns: Array, settings: ModelSettings) -> Array:
    """Log returns of the period to come, `simulations` × N. Raises Unavailable for a single return."""
    if len(returns) < 2:
        raise Unavailable("one return has no correlation; give a longer history")
    moving = np.asarray(returns.any(axis=0))
    if not moving.all():  # a key that never moved is not drawn, and moves no other key's draws
        whole = np.zeros((settings.simulations, len(moving)))
        if moving.any():
            whole[:, moving] = simulated(returns[:, moving], settings)
        return whole
    deviations = floored_deviations(returns, settings.decay)
    standardised = returns / np.where(deviations[:-1] > 0, deviations[:-1], 1)
    ranks = (_ranks(standardised) + 0.5) / len(returns)
    correlation = _correlation(ndtri(ranks))
    degrees = max(COPULA_DEGREES, key=lambda one: _likelihood(ranks, correlation, one))
    uniform = _draw(correlation, degrees, settings)
    drawn = np.empty_like(uniform)
    for key, column in enumerate(uniform.T):
        # Above one, for volatility itself moves within the day that it was forecast for.
        size = float(np.sqrt(np.mean(standardised[:, key] ** 2))) or 1.0
        own = degrees_of_freedom(standardised[:, key] / size)
        unit = ((own - 2) / own) ** 0.5
        drawn[:, key] = stdtrit(own, column) * unit * size * deviations[-1, key]
    return drawn


def _ranks(values: Array) -> Array:
    """From 0; equal values share the mean of theirs, or days without a move would tie keys."""
    columns = []
    for column in values.T:
        ordered = np.sort(column)
        first = np.searchsorted(ordered, column, "left")
        columns.append((first + np.searchsorted(ordered, column, "right") - 1) / 2)
    return np.column_stack(columns)


def _correlation(scores: Array) -> Array:
    covariance = scores.T @ scores / len(scores)
    scale = np.sqrt(np.diag(covariance))
    scale[scale == 0] = 1  # a key that never moved is tied to none
    correlation: Array = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1)
    return correlation


def _root(correlation: Array) -> Array:
    """A root of a correlation matrix, singular ones included."""
    values, vectors = np.linalg.eigh(correlation)
    root: Array = vectors * np.sqrt(np.maximum(values, 0))
    return root


def _draw(correlation: Array, degrees: float, settings: ModelSettings) -> Array:
    """Uniforms, antithetic: each draw and its mirror, so that the sample is symmetric."""
    chance = np.random.Generator(np.random.PCG64(settings.seed))
    half = (settings.simulations + 1) // 2
    normal = chance.standard_normal((half, len(correlation))) @ _root(correlation).T
    shared = np.sqrt(degrees / chance.chisquare(degrees, half))[:, None]
    drawn = stdtr(degrees, normal * shared)
    both = np.concatenate([drawn, 1 - drawn])[: settings.simulations]
    clipped: Array = np.clip(both, *CHANCES)
    return clipped


def _likelihood(ranks: Array, correlation: Array, degrees: float) -> float:
    """Log likelihood of the copula at these ranks, without the terms that do not depend on the
    degrees.
    """
    keys = ranks.shape[1]
    scores = stdtrit(degrees, ranks)
    values, vectors = np.linalg.eigh(correlation)
    spread = ((scores @ vectors) ** 2 / np.maximum(values, LEAST_EIGENVALUE)).sum(axis=1)
    joint = gammaln((degrees + keys) / 2) + (keys - 1) * gammaln(degrees / 2)
    joint -= keys * gammaln((degrees + 1) / 2)
    powers = -(degrees + keys) / 2 * np.log1p(spread / degrees)
    single = (degrees + 1) / 2 * np.log1p(scores**2 / degrees).sum(axis=1)
    return float((joint + powers + single).sum())
