"""Statistics of a backtest: do losses beyond the VaR come as often, as independently and as large as
the model says? No I/O.

An exception (a hit) is a day that loses more than its VaR. All arrays run over the tested days, the
oldest first; P&L, VaR and ES are USD, a loss is negative as P&L and positive as VaR and ES. P-values
are the probability of a statistic at least as far out where the model is right: small is bad.
"""

from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import bdtr, chdtrc, xlog1py, xlogy

from sidecar.core.value_at_risk.model import Array, Edge

Hits = NDArray[np.bool_]
Zone = Literal["green", "yellow", "red"]

YELLOW_FROM: Final = 0.95  # cumulative probabilities (Basel Committee, January 1996)
RED_FROM: Final = 0.9999
PLUS_FACTORS: Final = (0.0, 0.0, 0.0, 0.0, 0.0, 0.40, 0.50, 0.65, 0.75, 0.85, 1.00)
PLUS_DAYS: Final = 250
PLUS_ALPHA: Final = 0.01
ROUNDING: Final = 1e-9  # a P&L so near the VaR, relatively, is the VaR's own scenario


class Statistic(Struct, frozen=True):
    """A test's statistic and its p-value."""

    value: float
    p: float


class TrafficLight(Struct, frozen=True):
    """Basel's zone, and the probability of so few exceptions or fewer where the model is right.

    `plus_factor` is the committee's addition to the multiplier of 3; None where it published none:
    it did for 250 days at 99 %.
    """

    zone: Zone
    cumulative: float
    plus_factor: float | None


class Losses(Struct, frozen=True):
    """P&L, and how much of each counts as beyond the VaR, 0 to 1; days on the last axis."""

    pnl: Array
    beyond: Array


class Shortfall(Struct, frozen=True):
    """Both tests of expected shortfall: 0 is expected, negative means larger losses than the ES says.
    `z1` is None where there was no exception.
    """

    z1: Statistic | None
    z2: Statistic


def exceptions(pnl: Array, var: Array) -> Hits:
    """The days that lost more than their VaR; losing exactly the VaR is none."""
    return pnl < -var - ROUNDING * np.abs(var)


# ------------------------------------------------------------------------------------ value at risk


def unconditional(hits: Hits, alpha: float) -> Statistic:
    """Is the rate of exceptions alpha? Kupiec (1995), "Techniques for Verifying the Accuracy of Risk
    Measurement Models": likelihood ratio, chi-squared with 1 degree of freedom.
    """
    ones, days = int(hits.sum()), hits.size
    ratio = _ones_of(ones, days) - _likelihood(ones, days, alpha)
    return _chi_squared(2 * ratio, 1)


def independence(hits: Hits) -> Statistic:
    """Is an exception as likely after an exception as after none? Christoffersen (1998), "Evaluating
    Interval Forecasts": likelihood ratio of a first-order Markov chain, chi-squared with 1 degree
    of freedom.

    It is conditional on the first day: that day has no day before, so it is the state that the
    chain starts in and no transition, and the null hypothesis' rate is that of the other days.
    """
    before, after = hits[:-1], hits[1:]
    after_none, after_one = int((after & ~before).sum()), int((after & before).sum())
    nones, ones = int((~before).sum()), int(before.sum())
    markov = _ones_of(after_none, nones) + _ones_of(after_one, ones)
    return _chi_squared(2 * (markov - _ones_of(after_none + after_one, nones + ones)), 1)


def conditional(hits: Hits, alpha: float) -> Statistic:
    """Both at once: chi-squared with 2 degrees of freedom.

    The sum of both ratios, as Christoffersen has it. The first day counts in the rate's, which is
    over all days, and not in independence's: with few days the sum is not exactly the ratio of the
    chain to the binomial.
    """
    return _chi_squared(unconditional(hits, alpha).value + independence(hits).value, 2)


def traffic_light(hits: Hits, alpha: float) -> TrafficLight:
    """Basel Committee, "Supervisory Framework for the Use of 'Backtesting'" (1996), for any number
    of days and any confidence: yellow from 95 %, red from 99.99 % of the binomial distribution.
    """
    ones, days = int(hits.sum()), hits.size
    cumulative = float(bdtr(ones, days, alpha))
    zone: Zone = "green"
    if cumulative >= YELLOW_FROM:
        zone = "red" if cumulative >= RED_FROM else "yellow"
    plus = None
    if days == PLUS_DAYS and bool(np.isclose(alpha, PLUS_ALPHA)):
        plus = PLUS_FACTORS[min(ones, len(PLUS_FACTORS) - 1)]
    return TrafficLight(zone, cumulative, plus)


def _likelihood(ones: int, days: int, rate: float) -> float:
    """The logarithm of the probability of just these days; 0 · log 0 is 0."""
    return float(xlogy(ones, rate) + xlog1py(days - ones, -rate))


def _ones_of(ones: int, days: int) -> float:
    """The same at the rate that makes it largest."""
    return _likelihood(ones, days, ones / days) if days else 0.0


def _chi_squared(ratio: float, freedom: int) -> Statistic:
    value = max(0.0, ratio)  # by rounding it can be a hair below
    return Statistic(value, float(chdtrc(freedom, value)))


# ------------------------------------------------------------------------------- expected shortfall


def beyond(pnl: Array, var: float, edge: Edge | None = None) -> Array:
    """How much of each day's P&L counts as beyond the VaR: all of an exception; of a model by
    scenarios, the VaR's own scenario by the part of it that its expected shortfall has.

    K scenarios stand for a law without steps: the interval between the VaR's scenario, the k-th worst, and
    the next worse has the probability of the k-th, 1/K, of which only a part is in the tail. So drawn
    from its own scenarios a model has just the share α beyond its VaR, and their mean loss is its
    expected shortfall: without it a right model would be told that it saw too little.
    """
    found = exceptions(pnl, np.asarray(var)).astype(np.float64)
    if edge is not None:
        room = ROUNDING * abs(var)
        found[(found > 0) & (pnl > edge.worse + room)] = edge.between
        found[np.abs(pnl + var) <= room] = edge.own
    return found


def z1(losses: Losses, es: Array) -> Array:
    """Test 1 of Acerbi and Székely (2014), "Backtesting Expected Shortfall": the mean of P&L ÷ ES beyond
    the VaR, plus 1. NaN where no P&L lies there.
    """
    total, counted = (losses.beyond * losses.pnl / es).sum(-1), losses.beyond.sum(-1)
    lost = np.divide(total, counted, out=np.full_like(total, np.nan), where=counted > 0)
    return np.asarray(lost + 1, dtype=np.float64)


def z2(losses: Losses, es: Array, alpha: float) -> Array:
    """Test 2 of the same: the sum of P&L ÷ ES beyond the VaR ÷ the exceptions expected, plus 1.
    It falls with their number as with their size.
    """
    total = (losses.beyond * losses.pnl / es).sum(-1)
    return np.asarray(total / (losses.pnl.shape[-1] * alpha) + 1, dtype=np.float64)


def shortfall(losses: Losses, es: Array, alpha: float, simulated: Losses) -> Shortfall:
    """Both tests, their p-values from `simulated` (draws × days): P&L of the same days, drawn from
    each day's own predictive distribution.

    Test 1 is compared with the draws that have an exception. ES must be positive on every day.
    """
    first, firsts = float(z1(losses, es)), z1(simulated, es)
    second, seconds = float(z2(losses, es, alpha)), z2(simulated, es, alpha)
    return Shortfall(
        z1=None if np.isnan(first) else Statistic(first, _p(first, firsts[~np.isnan(firsts)])),
        z2=Statistic(second, _p(second, seconds)),
    )


def _p(value: float, simulated: Array) -> float:
    """The share of statistics that are as low or lower, the observed one among them: so it is never
    0, and the test never rejects more often than it says (Davison and Hinkley 1997, § 4.2).
    """
    lower = int((simulated <= value + ROUNDING).sum())
    return (1 + lower) / (1 + simulated.size)
