"""The interface of every model of value at risk: fitted to returns once, then asked about books. No
I/O.

    log returns (periods × keys), settings ──fit──► RiskModel ──book(exposures)──► RiskBook

A book is a vector of exposures in USD, one for each key, long positive. Floats live here and in the
modules beside this one, nowhere else. Risk is a loss, so VaR and ES are positive where money can be
lost. Sources: docs/value-at-risk.md.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float64]
Moves = Sequence[tuple[int, float]]  # index of a key, USD that its exposure changes by


class Unavailable(ValueError):
    """A figure that cannot be computed; the text names the reason and the mend."""


def moved(pnl: Array, by_key: Array, moves: Moves) -> Array:
    """A book's P&L by scenario with these moves in it; `by_key` that of one USD of each key."""
    for index, usd in moves:
        pnl = pnl + usd * by_key[index]
    return pnl


class Tail(Struct, frozen=True):
    """Value at risk and expected shortfall, USD, positive = loss."""

    var: float
    es: float


class Components(Struct, frozen=True):
    """Each key's contribution to VaR and ES, USD: they add up to the whole (Euler). Divided by
    the exposure it is the key's marginal figure.
    """

    var: Array
    es: Array


class Edge(Struct, frozen=True):
    """The edge of a tail that is made of scenarios: the VaR's own scenario, with a probability that lies in
    the tail in part only.

    `own`: the part of a P&L that is the VaR itself; `between`: of a worse P&L, but no worse than
    `worse`, the next worse scenario (USD; −∞ where there is none). 1 is all of it.
    """

    worse: float
    own: float
    between: float


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
        """A bound on the addition of these moves to VaR, and to ES."""
        ...

    def move(self, index: int, usd: float) -> None:
        """Let one exposure change by so much."""
        ...

    def components(self) -> Components:
        """Each key's contribution to `tail`. Raises Unavailable."""
        ...

    def quantile(self, probability: Array) -> Array:
        """The P&L, USD, that the model says is not exceeded with these probabilities."""
        ...

    def edge(self) -> Edge | None:
        """Where the tail of scenarios ends; None where the tail ends at the VaR sharply."""
        ...


class RiskModel(Protocol):
    """A model fitted to returns of N keys."""

    def book(self, exposures: Array) -> RiskBook:
        """A book of these exposures (N, USD)."""
        ...
