"""Models with a formula for the tail: normal, Student-t, Cornish-Fisher. No I/O.

All are linear in the exposures, with a mean of zero.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.special import gammaln, ndtri, stdtrit

from sidecar.core.value_at_risk.model import (
    Array,
    Components,
    Moves,
    Tail,
    Unavailable,
    moved,
)
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.value_at_risk.volatility import (
    degrees_of_freedom,
    ewma_covariance,
    floored_deviations,
    shrunk_covariance,
)


class EllipticalModel:
    """VaR and ES as multiples of the book's deviation. `covariance` over the horizon, N × N."""

    def __init__(
        self, covariance: Array, var: float, es: float, quantile: Callable[[Array], Array]
    ) -> None:
        """`var` and `es` in deviations; `quantile` of a P&L of unit deviation."""
        self.covariance = covariance
        self.var, self.es = var, es
        self.deviations = np.sqrt(np.diag(covariance))
        self.unit_quantile = quantile

    def book(self, exposures: Array) -> "EllipticalBook":
        """A book of these exposures (N, USD)."""
        return EllipticalBook(self, exposures)


class EllipticalBook:
    """A book's covariance with each key, and its variance."""

    def __init__(self, model: EllipticalModel, exposures: Array) -> None:
        self.model = model
        self.exposures = exposures.copy()
        self.covariances = model.covariance @ self.exposures
        self.variance = float(self.exposures @ self.covariances)

    def tail(self) -> Tail:
        return self._tail(self.variance)

    def tail_with(self, moves: Moves) -> Tail:
        return self._tail(self._variance_with(moves))

    def var_with(self, moves: Moves) -> float:
        """The VaR alone."""
        return self._tail(self._variance_with(moves)).var

    def most_added(self, moves: Moves) -> float:
        """A bound on these moves' addition to VaR or ES: their own figure, held alone."""
        own = sum(abs(usd) * float(self.model.deviations[index]) for index, usd in moves)
        return max(self.model.var, self.model.es) * own

    def move(self, index: int, usd: float) -> None:
        self.variance = self._variance_with(((index, usd),))
        self.exposures[index] += usd
        self.covariances += usd * self.model.covariance[index]

    def components(self) -> Components:
        deviation = max(0.0, self.variance) ** 0.5
        shares = self.exposures * self.covariances / deviation if deviation else 0 * self.exposures
        return Components(var=self.model.var * shares, es=self.model.es * shares)

    def quantile(self, probability: Array) -> Array:
        found: Array = max(0.0, self.variance) ** 0.5 * self.model.unit_quantile(probability)
        return found

    @staticmethod
    def edge() -> None:
        """A density has none."""

    def _variance_with(self, moves: Moves) -> float:
        variance, covariance = self.variance, self.model.covariance
        for index, usd in moves:
            variance += 2 * usd * float(self.covariances[index])
            for other, other_usd in moves:
                variance += usd * other_usd * float(covariance[index, other])
        return variance

    def _tail(self, variance: float) -> Tail:
        deviation = max(0.0, variance) ** 0.5
        return Tail(self.model.var * deviation, self.model.es * deviation)


def normal(returns: Array, settings: ModelSettings) -> EllipticalModel:
    """Parametric normal with EWMA covariance (RiskMetrics 1996)."""
    return _normal(ewma_covariance(returns, settings.decay), settings)


def normal_shrunk(returns: Array, settings: ModelSettings) -> EllipticalModel:
    """Parametric normal with Ledoit-Wolf covariance."""
    return _normal(shrunk_covariance(returns), settings)


def student_t(returns: Array, settings: ModelSettings) -> EllipticalModel:
    """Parametric Student-t with EWMA covariance; degrees of freedom of all keys' returns together."""
    deviations = floored_deviations(returns, settings.decay)[:-1]
    covariance = ewma_covariance(returns, settings.decay)
    return _student_t(covariance, _standardised(returns, deviations), settings)


def student_t_shrunk(returns: Array, settings: ModelSettings) -> EllipticalModel:
    """Parametric Student-t with Ledoit-Wolf covariance."""
    deviations = np.sqrt(np.mean(returns**2, axis=0))
    return _student_t(shrunk_covariance(returns), _standardised(returns, deviations), settings)


def _standardised(returns: Array, deviations: Array) -> Array:
    """Of the keys that move: a key that never did tells no tail."""
    moving = returns.any(axis=0)
    own = deviations[..., moving]
    # Moves that are too small to be squared have no deviation.
    standardised: Array = returns[:, moving] / np.where(own > 0, own, np.inf)
    return standardised


def _normal(covariance: Array, settings: ModelSettings) -> EllipticalModel:
    at = float(ndtri(settings.alpha))
    es = _density(at) / settings.alpha
    return EllipticalModel(covariance * settings.horizon, -at, es, ndtri)


def _student_t(covariance: Array, standardised: Array, settings: ModelSettings) -> EllipticalModel:
    """ES of a t: McNeil, Frey and Embrechts 2005, example 2.19."""
    degrees, alpha = degrees_of_freedom(standardised), settings.alpha
    unit = ((degrees - 2) / degrees) ** 0.5
    at = float(stdtrit(degrees, alpha))
    level = float(gammaln((degrees + 1) / 2) - gammaln(degrees / 2))
    density = (
        np.exp(level) / (degrees * np.pi) ** 0.5 * (1 + at**2 / degrees) ** (-(degrees + 1) / 2)
    )
    es = float(density) / alpha * (degrees + at**2) / (degrees - 1) * unit
    return EllipticalModel(
        covariance * settings.horizon,
        -at * unit,
        es,
        lambda probability: unit * stdtrit(degrees, probability),
    )


def _density(at: float) -> float:
    """Of the standard normal."""
    return float(np.exp(-(at**2) / 2) / (2 * np.pi) ** 0.5)


# --- Cornish-Fisher -------------------------------------------------------------------------------


ROUNDING: Final = 1e-12  # P&L below this share of its legs is the rounding of a full hedge
# Deviations; values below have a probability of 10⁻⁹. To −∞ the expansion of a history with tails a
# little thinner than a normal's would never be a quantile, and no figure would be told.
FARTHEST: Final = -6.0


class CornishFisherModel:
    """The normal quantile corrected for the skewness and excess kurtosis of the book's own P&L
    (Cornish and Fisher 1938; Zangari 1996). `returns`: simple, centred, T × N.
    """

    def __init__(self, returns: Array, settings: ModelSettings) -> None:
        self.by_key = np.ascontiguousarray((returns - returns.mean(axis=0)).T)
        # Of one USD of each key; of a list an order's few are had sooner than of an array.
        self.deviations: list[float] = np.sqrt(np.mean(self.by_key**2, axis=1)).tolist()
        self.alpha, self.horizon = settings.alpha, settings.horizon
        self.at = float(ndtri(settings.alpha))
        self.root = settings.horizon**0.5
        self.es = _density(self.at) / settings.alpha  # of the normal, in deviations

    def book(self, exposures: Array) -> "CornishFisherBook":
        """A book of these exposures (N, USD)."""
        return CornishFisherBook(self, exposures)


class CornishFisherBook:
    """A book's P&L in every period of the history, and its moments."""

    def __init__(self, model: CornishFisherModel, exposures: Array) -> None:
        self.model = model
        self.exposures = exposures.copy()
        self.pnl = self.exposures @ model.by_key
        self.legs = float(np.abs(exposures) @ model.deviations)  # all that was ever added up

    def tail(self) -> Tail:
        return self._tail(self.pnl, self.legs)

    def tail_with(self, moves: Moves) -> Tail:
        return self._tail(*self._with(moves))

    def var_with(self, moves: Moves) -> float:
        """The VaR alone."""
        deviation, skewness, kurtosis = self._moments(*self._with(moves))
        if not deviation:
            return 0.0
        found: float = self._quantile(skewness, kurtosis)[0] * deviation * self.model.root
        return found

    def _with(self, moves: Moves) -> tuple[Array, float]:
        """The P&L with these moves in it, and the deviations of all its legs summed."""
        legs = self.legs
        for index, usd in moves:
            legs += abs(usd) * self.model.deviations[index]
        return moved(self.pnl, self.model.by_key, moves), legs

    def most_added(self, moves: Moves) -> float:
        """Unbounded: a quantile that is corrected by moments is not sub-additive."""
        return float("inf") if moves else 0.0

    def move(self, index: int, usd: float) -> None:
        self.exposures[index] += usd
        self.pnl += usd * self.model.by_key[index]
        self.legs += abs(usd) * self.model.deviations[index]

    def components(self) -> Components:
        """By the derivatives of the first four moments."""
        deviation, skewness, kurtosis = self._moments(self.pnl, self.legs)
        if not deviation:
            return Components(0 * self.exposures, 0 * self.exposures)
        unit, count = self.pnl / deviation, len(self.pnl)
        by_key = self.model.by_key
        second = by_key @ unit / count
        third = 3 * (by_key @ unit**2 / count - skewness * second) / deviation
        fourth = 4 * (by_key @ unit**3 / count - (kurtosis + 3) * second) / deviation
        skew, kurt = third / self.model.horizon**0.5, fourth / self.model.horizon
        scale = deviation * self.model.horizon**0.5
        var, es = self._multiples(skewness, kurtosis)
        at, share = self.model.at, _density(self.model.at) / self.model.alpha
        own = skewness / self.model.horizon**0.5
        var_slope = -(
            (at**2 - 1) / 6 * skew
            + (at**3 - 3 * at) / 24 * kurt
            - (2 * at**3 - 5 * at) / 18 * own * skew
        )
        es_slope = share * (
            at / 6 * skew + (at**2 - 1) / 24 * kurt + (1 - 2 * at**2) / 18 * own * skew
        )
        root = self.model.horizon**0.5
        return Components(
            var=self.exposures * (var * second * root + scale * var_slope),
            es=self.exposures * (es * second * root + scale * es_slope),
        )

    def quantile(self, probability: Array) -> Array:
        deviation, skewness, kurtosis = self._moments(self.pnl, self.legs)
        skew, kurt = skewness / self.model.horizon**0.5, kurtosis / self.model.horizon
        unit = np.asarray(_expansion(ndtri(probability), skew, kurt))
        found: Array = deviation * self.model.horizon**0.5 * unit
        return found

    @staticmethod
    def edge() -> None:
        """A density has none."""

    @staticmethod
    def _moments(pnl: Array, legs: float) -> tuple[float, float, float]:
        """Deviation, skewness, excess kurtosis of one period; `legs` are the deviations summed."""
        square, count = pnl * pnl, len(pnl)
        variance = float(pnl.dot(pnl)) / count
        if variance <= (ROUNDING * legs) ** 2:
            return 0.0, 0.0, 0.0
        deviation = variance**0.5
        skewness = float(square.dot(pnl)) / (count * variance * deviation)
        return deviation, skewness, float(square.dot(square)) / (count * variance * variance) - 3

    def _tail(self, pnl: Array, legs: float) -> Tail:
        deviation, skewness, kurtosis = self._moments(pnl, legs)
        if not deviation:
            return Tail(0.0, 0.0)
        var, es = self._multiples(skewness, kurtosis)
        scale = deviation * self.model.horizon**0.5
        return Tail(var * scale, es * scale)

    def _multiples(self, skewness: float, kurtosis: float) -> tuple[float, float]:
        """VaR and ES in deviations over the horizon. ES is the mean of the expansion beyond the
        quantile, in closed form. Raises Unavailable where there is no quantile.
        """
        var, skew, kurt = self._quantile(skewness, kurtosis)
        at, es = self.model.at, self.model.es
        es *= 1 + at * skew / 6 + (at**2 - 1) * kurt / 24 + (1 - 2 * at**2) * skew**2 / 36
        return var, es

    def _quantile(self, skewness: float, kurtosis: float) -> tuple[float, float, float]:
        """VaR in deviations, and both moments, over the horizon. Raises Unavailable where the expansion
        is no quantile, and where it says that a book which moves cannot lose.
        """
        skew, kurt = skewness / self.model.root, kurtosis / self.model.horizon
        at = self.model.at
        why = None if _is_quantile(at, skew, kurt) else "it does not rise all the way to the median"
        var = -float(_expansion(at, skew, kurt))
        if why is None and var <= 0:
            why = "its quantile is no loss"
        if why is not None:
            raise Unavailable(
                f"a skewness of {skew:.2f} and an excess kurtosis of {kurt:.2f} are more than the"
                f" Cornish-Fisher expansion bears: {why}; choose another [var] model"
            )
        return var, skew, kurt


def _expansion(normal_quantile: float | Array, skew: float, kurt: float) -> float | Array:
    z = normal_quantile
    square = z * z
    corrected = (square - 1) * skew / 6
    corrected += z * ((square - 3) * kurt / 24 - (2 * square - 5) * skew * skew / 36)
    return z + corrected


def _is_quantile(at: float, skew: float, kurt: float) -> bool:
    """Whether the expansion rises with the normal quantile from `FARTHEST` to the median (Maillard 2012).

    To rise beyond the VaR alone is not enough: after a leap up the expansion rises there, falls
    towards the median, and tells a gain as the VaR.
    """
    square, linear = kurt / 8 - skew * skew / 6, skew / 3
    constant = 1 - kurt / 8 + 5 * skew * skew / 36  # the slope at the median
    far = min(FARTHEST, at)
    ends = min((square * far + linear) * far, 0.0) + constant
    if not ends > 0:  # so that NaN fails, too
        return False
    if square <= 0 or not far < -linear / (2 * square) < 0:
        return True  # its lowest slope is at an end
    return constant - linear * linear / (4 * square) > 0


def cornish_fisher(returns: Array, settings: ModelSettings) -> CornishFisherModel:
    """Parametric with the sample's own skewness and kurtosis, every period counting the same."""
    return CornishFisherModel(np.expm1(returns), settings)
