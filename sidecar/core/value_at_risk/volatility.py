"""Volatility and covariance of returns. No I/O.

The mean is taken as zero: over a day it is small beside the deviation, and its estimate is mostly noise
(RiskMetrics Technical Document, 1996, section 5.3.1.1).
"""

from typing import Final

import numpy as np
from scipy.special import gammaln

from sidecar.core.value_at_risk.model import Array

# Degrees of freedom that are tried; below 3 a t has next to no variance, above 30 it is a normal.
BLOCK: Final = 32  # rows of the recursion that are worked out at once: a matrix product, not a loop
DEGREES: Final = (3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0)

# A key that stood still for months has next to no EWMA volatility; its next move would be told as
# one of hundreds of deviations, and blown up to more than the whole position.
STILLEST: Final = 0.1  # of the sample's own standard deviation


def ewma_deviations(returns: Array, decay: float) -> Array:
    """Standard deviations, (T + 1) × N: row t is forecast from the returns before t, the last row is of
    the period to come.

    σ²(t+1) = λ σ²(t) + (1 − λ) r²(t), begun at the sample's mean square (RiskMetrics 1996).
    """
    variances = np.empty(
        (len(returns) + 1, returns.shape[1])
    )  # in place: memory costs more than sums
    squares = np.multiply(returns, returns, out=variances[1:])
    variances[0] = squares.mean(axis=0)
    ages = np.arange(BLOCK)
    # Of a block's rows each is its own square and the decayed ones before it.
    weights = np.tril(decay ** np.maximum(0, ages[:, None] - ages)) * (1 - decay)
    fading = decay ** (ages + 1)[:, None]
    for start in range(0, len(returns), BLOCK):
        rows = squares[start : start + BLOCK]
        count = len(rows)
        rows[:] = weights[:count, :count] @ rows + fading[:count] * variances[start]
    deviations: Array = np.sqrt(variances, out=variances)
    return deviations


def floored_deviations(returns: Array, decay: float) -> Array:
    """The same, none below `STILLEST` of the sample's own: to divide returns by."""
    deviations = ewma_deviations(returns, decay)  # the first are the sample's own
    floored: Array = np.maximum(deviations, STILLEST * deviations[0], out=deviations)
    return floored


def ewma_covariance(returns: Array, decay: float) -> Array:
    """Exponentially weighted covariance, N × N: weights λ^age, in all 1 (RiskMetrics 1996)."""
    weights = decay ** np.arange(len(returns) - 1, -1, -1, dtype=float)
    weights /= weights.sum()
    covariance: Array = (returns * weights[:, None]).T @ returns
    return covariance


def shrunk_covariance(returns: Array) -> Array:
    """The sample covariance drawn towards equal uncorrelated variances as far as its noise asks for
    (Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices").

    A key that never moved has no noise, and no part in it: it stays without variance. (Of the formula
    alone, as scikit-learn has it, it would be given some of the others'.)
    """
    moving = np.asarray(returns.any(axis=0))
    if not moving.all():
        whole = np.zeros((len(moving), len(moving)))
        if moving.any():
            whole[np.ix_(moving, moving)] = shrunk_covariance(returns[:, moving])
        return whole
    count, keys = returns.shape
    sample = returns.T @ returns / count
    level = float(np.trace(sample)) / keys
    distance = float(((sample - level * np.eye(keys)) ** 2).sum()) / keys  # d² of the paper
    squares = returns**2
    noise = float((squares.T @ squares / count - sample**2).sum()) / (keys * count)  # b² of it
    share = min(noise, distance) / distance if distance > 0 else 0.0
    shrunk: Array = (1 - share) * sample + share * level * np.eye(keys)
    return shrunk


def degrees_of_freedom(standardised: Array) -> float:
    """The Student-t that fits returns of unit variance best: by likelihood, over `DEGREES`."""
    return max(DEGREES, key=lambda degrees: _likelihood(standardised, degrees))


def _likelihood(standardised: Array, degrees: float) -> float:
    """Log likelihood of a t of unit variance, without the terms that do not depend on the degrees."""
    level = gammaln((degrees + 1) / 2) - gammaln(degrees / 2) - 0.5 * np.log(np.pi * (degrees - 2))
    powers = np.log1p(standardised**2 / (degrees - 2))
    return float(standardised.size * level - (degrees + 1) / 2 * powers.sum())
