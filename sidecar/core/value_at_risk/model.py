"""What every model of value at risk is: fitted to returns once, then asked about books. No I/O.

    log returns (periods × keys), settings ──fit──► RiskModel ──book(exposures)──► RiskBook

A book is a vector of exposures in USD, one for each key, long positive. Floats live here and in the
modules beside this one, nowhere else. Risk is a loss, so VaR and ES are positive where money can be
lost. Sources: docs/value-at-risk.md.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float64]
Moves = Sequence[tuple[int, float]]  # index of a key, USD that its exposure changes by

ModelName = Literal[
    "historical",
    "filtered",
    "normal",
    "student_t",
    "normal_shrunk",
    "student_t_shrunk",
    "cornish_fisher",
    "monte_carlo",
]
RISKMETRICS_DECAY: Final = 0.94  # of daily variances (RiskMetrics Technical Document, 1996)


class Unavailable(ValueError):
    """A figure that cannot be computed; the text says why, and what mends it."""


class ModelSettings(Struct, frozen=True, kw_only=True):
    """What a model is fitted with.

    `confidence` as a ratio, exact, for it decides which scenario is the quantile. `horizon` in
    periods of the returns: one-period figures grow with its root. `decay` is the EWMA's weight of
    yesterday's variance. `simulations` and `seed` are of Monte Carlo alone: the same seed draws the
    same scenarios.
    """

    model: ModelName = "filtered"
    confidence: Decimal = Decimal("0.99")
    horizon: float = 1.0
    decay: float = RISKMETRICS_DECAY
    simulations: int = 10_000
    seed: int = 1

    @property
    def alpha(self) -> float:
        """The share of periods that may lose more than the VaR."""
        return float(1 - self.confidence)


class Tail(Struct, frozen=True):
    """Value at risk and expected shortfall, USD, positive = loss."""

    var: float
    es: float


class Components(Struct, frozen=True):
    """What each key contributes to VaR and ES, USD: they add up to the whole (Euler). Divided by
    the exposure it is the key's marginal figure.
    """

    var: Array
    es: Array


class RiskBook(Protocol):
    """A book under a fitted model."""

    def tail(self) -> Tail:
        """VaR and ES of the book as it is. Raises Unavailable."""
        ...

    def tail_with(self, moves: Moves) -> Tail:
        """The same with these moves in it, without computing the book anew. Raises Unavailable."""
        ...

    def var_with(self, moves: Moves) -> float:
        """The VaR of `tail_with`, which by itself costs less. Raises Unavailable."""
        ...

    def most_added(self, moves: Moves) -> float:
        """A bound on what these moves add to VaR, and to ES."""
        ...

    def move(self, index: int, usd: float) -> None:
        """Let one exposure change by so much."""
        ...

    def components(self) -> Components:
        """Who contributes what to `tail`. Raises Unavailable."""
        ...

    def quantile(self, probability: Array) -> Array:
        """The P&L, USD, that the model says is not exceeded with these probabilities."""
        ...


class RiskModel(Protocol):
    """A model fitted to returns of N keys."""

    def book(self, exposures: Array) -> RiskBook:
        """A book of these exposures (N, USD)."""
        ...
