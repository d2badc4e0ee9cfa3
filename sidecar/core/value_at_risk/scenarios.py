"""Scenario models: the book's P&L in each of many possible periods, and its tail. No I/O.

VaR is the k-th worst P&L, k = ⌈α·K⌉ of K scenarios: the largest loss that no less than a share α of
them reaches. ES is the mean of the worst share α, the k-th scenario counting by the part of it that
lies within (Rockafellar and Uryasev 2002; Acerbi and Tasche 2002): so it is coherent exactly. The
contribution of a key is its gain or loss in those very scenarios (Tasche 1999).
"""

from decimal import ROUND_CEILING, Decimal
from math import inf
from typing import Final

import numpy as np

from sidecar.core.value_at_risk.dependence import simulated
from sidecar.core.value_at_risk.model import (
    Array,
    Components,
    Edge,
    Moves,
    Tail,
    Unavailable,
    moved,
)
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.value_at_risk.volatility import floored_deviations

LARGEST: Final = 100.0  # log return of a scenario: beyond any price, yet no overflow
ROUNDING: Final = 1e-9  # 0.07 × 100 is 7, and not a little more
TINY: Final = float(np.finfo(np.float64).tiny)
MANY: Final = 2_000  # scenarios; of fewer all are looked at
NEAR: Final = 6  # times the VaR's rank are near the tail


class ScenarioModel:
    """`scenarios`: simple returns over the horizon, K × N. `confidence` as a ratio, exact."""

    def __init__(self, scenarios: Array, confidence: Decimal) -> None:
        count = len(scenarios)
        share = (1 - confidence) * count  # in Decimal: 500 × 0.01 is 5, and not a little more
        if share < 1:
            raise Unavailable(
                f"{confidence} needs {int((1 / (1 - confidence)).to_integral_value(ROUND_CEILING))}"
                f" returns, there are {count}; lower [var] confidence or give a longer history"
            )
        tail = int(share.to_integral_value(ROUND_CEILING))
        self.rank = tail - 1
        self.share = float(share)
        self.by_key = np.ascontiguousarray(scenarios.T)
        # How many scenarios are near the tail, where there are so many that it pays to tell.
        near = NEAR * tail
        self.near = near if count > MANY and near < count // 2 else 0
        # The loss of one USD long, and short, at most.
        self.worst_long: list[float] = (-self.by_key.min(axis=1, initial=0.0)).tolist()
        self.worst_short: list[float] = self.by_key.max(axis=1, initial=0.0).tolist()

    def book(self, exposures: Array) -> "ScenarioBook":
        """A book of these exposures (N, USD)."""
        return ScenarioBook(self, exposures)


class ScenarioBook:
    """A book's P&L in every scenario."""

    def __init__(self, model: ScenarioModel, exposures: Array) -> None:
        self.model = model
        self.exposures = exposures.copy()
        self.pnl = self.exposures @ model.by_key
        self._near: NearTail | None = None

    def tail(self) -> Tail:
        return self._tail(self.pnl)

    def tail_with(self, moves: Moves) -> Tail:
        return self._tail(moved(self.pnl, self.model.by_key, moves))

    def var_with(self, moves: Moves) -> float:
        """The VaR alone, which costs less: of very many scenarios only those near the tail are looked
        at, where that is certain to be enough.
        """
        model = self.model
        if model.near:
            if self._near is None:
                self._near = NearTail(model, self.pnl)
            found = self._near.var_with(moves, self.most_added(moves))
            if found is not None:
                return found
        pnl = moved(self.pnl, model.by_key, moves) if moves else self.pnl.copy()
        pnl.partition(model.rank)
        return -pnl.item(model.rank)

    def most_added(self, moves: Moves) -> float:
        """A bound on these moves' addition to VaR or ES: their loss in their own worst scenario."""
        model = self.model
        most = 0.0
        for index, usd in moves:
            most += usd * model.worst_long[index] if usd > 0 else -usd * model.worst_short[index]
        return most

    def move(self, index: int, usd: float) -> None:
        self.exposures[index] += usd
        self.pnl += usd * self.model.by_key[index]
        if self._near is not None:
            self._near.move(((index, usd),), self.most_added(((index, usd),)))

    def components(self) -> Components:
        rank, share, by_key = self.model.rank, self.model.share, self.model.by_key
        order = np.argpartition(self.pnl, rank)
        at, beyond = by_key[:, order[rank]], by_key[:, order[:rank]].sum(axis=1)
        expected = (beyond + (share - rank) * at) / share
        return Components(var=-at * self.exposures, es=-expected * self.exposures)

    def quantile(self, probability: Array) -> Array:
        count = len(self.pnl)
        ranks = np.clip(np.ceil(probability * count - ROUNDING).astype(int) - 1, 0, count - 1)
        found: Array = np.sort(self.pnl)[ranks]
        return found

    def edge(self) -> Edge:
        """The VaR's own scenario: scenarios of equal P&L share the rest of the tail beside the worse."""
        worst = np.sort(self.pnl)
        at = float(worst[self.model.rank])
        room = ROUNDING * abs(at)
        before = int(np.searchsorted(worst, at - room, "left"))
        after = int(np.searchsorted(worst, at + room, "right"))
        left = self.model.share - before  # scenarios, and parts of a scenario
        worse = float(worst[before - 1]) if before else -inf
        return Edge(worse, own=left / (after - before), between=min(1.0, left))

    def _tail(self, pnl: Array) -> Tail:
        rank, share = self.model.rank, self.model.share
        worst = np.partition(pnl, rank)[: rank + 1]
        at = float(worst[rank])
        beyond = float(worst.sum()) - at
        return Tail(-at, -(beyond + (share - rank) * at) / share)


class NearTail:
    """The worst scenarios of a book, several times as many as the VaR's rank.

    All others are at `beyond` or better, and moves can make them worse by no more than a known
    bound. So while the VaR among these few is below that, it is the VaR of all.
    """

    def __init__(self, model: ScenarioModel, pnl: Array) -> None:
        order = np.argpartition(pnl, model.near)
        self._scenarios = np.sort(order[: model.near])  # in the order that they lie in memory
        self._pnl = pnl[self._scenarios]
        self._beyond = float(pnl[order[model.near]])
        self._model = model

    def move(self, moves: Moves, most: float) -> None:
        """Follow the book; `most` is a bound on the moves' cost in any scenario."""
        self._pnl = self._moved(moves)
        self._beyond -= most

    def var_with(self, moves: Moves, most: float) -> float | None:
        """The VaR with these moves; None where these few scenarios cannot tell."""
        pnl, rank = self._moved(moves), self._model.rank
        at = float(np.partition(pnl, rank)[rank])
        return -at if at <= self._beyond - most else None

    def _moved(self, moves: Moves) -> Array:
        pnl = self._pnl
        for index, usd in moves:
            pnl = pnl + usd * self._model.by_key[index][self._scenarios]
        return pnl


def historical(returns: Array, settings: ModelSettings) -> ScenarioModel:
    """Historical simulation: tomorrow is like one of the past days, each as likely."""
    return _in_place(returns * settings.horizon**0.5, settings)


def filtered(returns: Array, settings: ModelSettings) -> ScenarioModel:
    """Filtered historical simulation (Hull and White 1998; Barone-Adesi, Giannopoulos and Vosper
    1999): each past return in deviations of its own day, times the deviation of tomorrow.
    """
    floored = floored_deviations(returns, settings.decay)
    tomorrow, past = floored[-1] * settings.horizon**0.5, floored[:-1]
    if not floored[0].all():  # a key that never moved: its returns are zero
        np.maximum(past, TINY, out=past)
    scaled = np.divide(tomorrow, past, out=past)
    scaled *= returns
    return _in_place(scaled, settings)


def monte_carlo(returns: Array, settings: ModelSettings) -> ScenarioModel:
    """Monte Carlo: each key Student-t at its volatility of now, tied by a Student-t copula."""
    return _in_place(simulated(returns, settings) * settings.horizon**0.5, settings)


def _in_place(scaled: Array, settings: ModelSettings) -> ScenarioModel:
    """Log returns over the horizon, made simple ones where they lie."""
    if scaled.max(initial=0.0) > LARGEST:
        np.minimum(scaled, LARGEST, out=scaled)
    return ScenarioModel(np.expm1(scaled, out=scaled), settings.confidence)
