"""Stress: a book's loss in named bad days, and in the worst days of its own history. No I/O.

A scenario moves each asset by a ratio of its price, all at once: −0.5 halves it. Assets that a
scenario does not name move by its `others`; cash moves only where it is named.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from sidecar.core.value_at_risk.model import Array, Moves, moved
from sidecar.core.value_at_risk.settings import Scenario

OWN: Final = "own history, "  # begins the name of a run of returns


class StressModel:
    """P&L of one USD long in each scenario, by key: N × K, and the scenarios' names."""

    def __init__(self, by_key: Array, names: Sequence[str]) -> None:
        self.by_key = np.ascontiguousarray(by_key)
        self.names = names

    def book(self, exposures: Array) -> "StressBook":
        """A book of these exposures (N, USD)."""
        return StressBook(self, exposures)


class StressBook:
    """A book's P&L in every scenario."""

    def __init__(self, model: StressModel, exposures: Array) -> None:
        self.model = model
        self.exposures = exposures.copy()
        self.pnl = self.exposures @ model.by_key

    def loss(self) -> float:
        """The largest loss, USD; zero where no scenario loses."""
        return -float(self.pnl.min(initial=0.0))

    def loss_with(self, moves: Moves) -> float:
        """The same with these moves in the book."""
        return -float(moved(self.pnl, self.model.by_key, moves).min(initial=0.0))

    def most_added(self, moves: Moves) -> float:
        """A bound on these moves' addition to the loss: each one's in its own worst scenario."""
        by_key = self.model.by_key
        return sum(-float((usd * by_key[index]).min(initial=0.0)) for index, usd in moves)

    def move(self, index: int, usd: float) -> None:
        """Let one exposure change by so much."""
        self.exposures[index] += usd
        self.pnl += usd * self.model.by_key[index]

    def worst(self) -> str | None:
        """The name of the scenario that loses most; None where none loses."""
        if not self.pnl.size or self.pnl.min() >= 0:
            return None
        return self.model.names[int(self.pnl.argmin())]

    def losses(self) -> list[tuple[str, float]]:
        """Every scenario and its loss, USD; a gain is negative."""
        return [(name, -float(pnl)) for name, pnl in zip(self.model.names, self.pnl, strict=True)]


class Subject(Struct, frozen=True):
    """The subject of a scenario's move: the asset of a key, a future's underlying. Cash moves only
    by name.
    """

    asset: str
    is_cash: bool = False


def stress_model(
    subjects: Sequence[Subject], scenarios: Sequence[Scenario], returns: Array | None, window: int
) -> StressModel:
    """The scenarios, and each run of `window` periods in log `returns` (T × N, in the order of the
    subjects) where they are given.
    """
    count = len(subjects)
    rows = [
        [one.moves.get(key.asset, 0.0 if key.is_cash else one.others) for key in subjects]
        for one in scenarios
    ]
    moves = np.array(rows, dtype=float).reshape(len(scenarios), count)
    names = [one.name for one in scenarios]
    if returns is not None and window and len(returns) >= window:
        summed = np.cumsum(np.vstack([np.zeros(count), returns]), axis=0)
        runs = np.expm1(summed[window:] - summed[:-window])
        moves = np.vstack([moves, runs])
        last = len(runs) - 1
        names += [f"{OWN}{window} periods ended {last - i} ago" for i in range(last + 1)]
    return StressModel(moves.T, names)
