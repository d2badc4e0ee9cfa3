"""How value at risk is computed: model, history, stand-ins, stress. Plain data, without numpy:
every command reads the configuration, and few compute a figure. No I/O.

The crash days that are shipped are falls from one daily close (UTC) to the next of BTC-USD and
ETH-USD as Yahoo Finance lists them, which are CoinMarketCap's; every other asset is taken to have
fallen like the worse of the two.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct, field

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
ShortHistory = Literal["refuse", "proxy", "floor"]
RISKMETRICS_DECAY: Final = 0.94  # of daily variances (RiskMetrics Technical Document, 1996)
DAY_S: Final = 86_400


class ModelSettings(Struct, frozen=True, kw_only=True):
    """The settings that a model is fitted with.

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


class ReturnsPolicy(Struct, frozen=True, kw_only=True):
    """How many returns are used (`length`), how many are enough (`minimum`), and which returns
    stand in. `floor`: the least standard deviation of a stand-in, per period.
    """

    length: int = 250
    minimum: int = 100
    short_history: ShortHistory = "refuse"
    floor: float = 0.05


class Scenario(Struct, frozen=True):
    """A bad day: moves of prices as ratios, by asset, and of all that is not named: −0.5 halves it."""

    name: str
    moves: Mapping[str, float] = field(default_factory=dict)
    others: float = 0.0


CRASH_DAYS: Final = (
    # 7,911.43 → 4,970.79 and 194.87 → 112.35: the day that markets met the pandemic.
    Scenario("crash of 2020-03-12", {"BTC": -0.372, "ETH": -0.424}, -0.424),
    # 42,909.40 → 37,002.44 and 3,380.07 → 2,460.68: China's ban; leverage unwound.
    Scenario("crash of 2021-05-19", {"BTC": -0.138, "ETH": -0.273}, -0.273),
    # 18,541.27 → 15,880.78 and 1,332.84 → 1,100.17: FTX failed.
    Scenario("crash of 2022-11-09", {"BTC": -0.144, "ETH": -0.175}, -0.175),
)


class RiskSettings(Struct, frozen=True, kw_only=True):
    """`period_s`: seconds from one close to the next. `proxy` is the asset whose returns stand in
    where those of others are too few, `proxies` by asset the exceptions. `stress_window`: periods
    in a row of the own history that count as a scenario; 0 for none.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    policy: ReturnsPolicy = field(default_factory=ReturnsPolicy)
    period_s: int = DAY_S
    proxy: str = "BTC"
    proxies: Mapping[str, str] = field(default_factory=dict)
    scenarios: tuple[Scenario, ...] = CRASH_DAYS
    stress_window: int = 5
