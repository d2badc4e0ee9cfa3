"""Stress: what a book would lose in named bad days, and in the worst days of its own history. No I/O.

A scenario moves each asset by a ratio of its price, all at once: −0.5 halves it. What a scenario does
not name moves by its `others`; cash moves only where it is named. The crash days that are shipped are
falls from one daily close (UTC) to the next of BTC-USD and ETH-USD as Yahoo Finance lists them, which
are CoinMarketCap's; everything else is taken to have fallen like the worse of the two.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct, field

from sidecar.core.value_at_risk.model import Array, Moves


class Scenario(Struct, frozen=True):
    """A bad day: moves of prices as ratios, by asset, and of all that is not named."""

    name: str
    moves: Mapping[str, float] = field(default_factory=dict)
    others: float = 0.0


OWN: Final = "own history, "  # begins the name of a run of returns
CRASH_DAYS: Final = (
    # 7,911.43 → 4,970.79 and 194.87 → 112.35: the day that markets met the pandemic.
    Scenario("crash of 2020-03-12", {"BTC": -0.372, "ETH": -0.424}, -0.424),
    # 42,909.40 → 37,002.44 and 3,380.07 → 2,460.68: China's ban; leverage unwound.
    Scenario("crash of 2021-05-19", {"BTC": -0.138, "ETH": -0.273}, -0.273),
    # 18,541.27 → 15,880.78 and 1,332.84 → 1,100.17: FTX failed.
    Scenario("crash of 2022-11-09", {"BTC": -0.144, "ETH": -0.175}, -0.175),
)


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
        pnl = self.pnl
        for index, usd in moves:
            pnl = pnl + usd * self.model.by_key[index]
        return -float(pnl.min(initial=0.0))

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
        """Every scenario and what it would cost, USD; a gain is negative."""
        return [(name, -float(pnl)) for name, pnl in zip(self.model.names, self.pnl, strict=True)]


class Subject(Struct, frozen=True):
    """What a scenario moves: the asset of a key, a future's underlying. Cash moves only by name."""

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
