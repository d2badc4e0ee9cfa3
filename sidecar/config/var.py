"""`[var]`: how value at risk is computed. No I/O."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sidecar.config.kinds import Asset, Number, Table, Whole
from sidecar.core.value_at_risk.settings import (
    CRASH_DAYS,
    DAY_S,
    ModelName,
    ModelSettings,
    ReturnsPolicy,
    RiskSettings,
    Scenario,
    ShortHistory,
)
from sidecar.core.vocabulary.limit_settings import Name
from sidecar.core.vocabulary.products import DOLLARS

Period = Literal["1d", "6h", "1h"]
PERIODS: Final[Mapping[Period, int]] = {"1d": DAY_S, "6h": 21_600, "1h": 3_600}
OTHERS: Final = "others"
FROM_SCENARIOS: Final = frozenset({"historical", "filtered"})  # each return is one of them


def _moves(value: dict[str, Decimal]) -> dict[str, Decimal]:
    for name, move in value.items():
        if name in DOLLARS:
            raise ValueError(f"moves {name}, which counts as a dollar; remove it")
        if name != OTHERS and not name.isupper():
            raise ValueError(
                f"names {name}, which is no currency code; write it in capitals, or others"
            )
        if not -1 <= move <= 100:
            raise ValueError(
                "moves a price by less than -1 or more than 100; write a fall by half as -0.5"
            )
    return value


Moves = Annotated[
    dict[str, Number],
    Field(min_length=1, json_schema_extra={"x-kind": "a table of ratios"}),
    AfterValidator(_moves),
]


class ValueAtRisk(Table):
    """How value at risk is computed; its limits are in `[limits]`."""

    model: ModelName = Field(
        "filtered", description="the model; docs/value-at-risk.md compares them"
    )
    confidence: Number = Field(
        Decimal("0.99"), gt=Decimal("0.5"), lt=1, description="confidence level, as a ratio"
    )
    horizon_days: Whole = Field(1, ge=1, le=250, description="holding period, days")
    period: Period = Field("1d", description="from one return of the history to the next")
    history: Whole = Field(250, ge=20, le=2000, description="returns used, at most")
    min_history: Whole = Field(
        100, ge=20, le=2000, description="returns without which an asset has no figure"
    )
    decay: Number = Field(
        Decimal("0.94"),
        ge=Decimal("0.5"),
        lt=1,
        description="EWMA: weight of a period's variance in the next one's",
    )
    short_history: ShortHistory = Field(
        "refuse",
        description="an asset with fewer returns: orders in it are refused and what is held counts as lost, "
        "or its proxy's returns stand in, or these made no calmer than floor_volatility",
    )
    proxy: Asset = Field("BTC", description="the asset whose returns stand in")
    proxies: dict[Asset, Asset] = Field(
        default_factory=dict, description="what stands in for single assets instead"
    )
    floor_volatility: Number = Field(
        Decimal("0.05"),
        gt=0,
        le=1,
        description="the least standard deviation of a stand-in with floor, per period",
    )
    simulations: Whole = Field(
        10_000, ge=1_000, le=100_000, description="monte_carlo: scenarios drawn"
    )
    crash_days: bool = Field(
        default=True, description="stress: the shipped crash days are among the scenarios"
    )
    worst_periods: Whole = Field(
        5,
        ge=0,
        le=60,
        description="stress: the worst run of so many periods in the own history is one too; 0: none",
    )
    stress: dict[Name, Moves] = Field(
        default_factory=dict,
        description="stress: your own scenarios; moves of prices as ratios, by asset and of the others",
    )

    @model_validator(mode="after")
    def _enough_returns(self) -> Self:
        if self.min_history > self.history:
            raise ValueError("min_history is above history; lower it, or raise history")
        needed = int((1 / (1 - self.confidence)).to_integral_value(ROUND_CEILING))
        if self.model in FROM_SCENARIOS and self.min_history < needed:
            raise ValueError(
                f"confidence {self.confidence} needs {needed} returns or more; raise min_history"
                " (and history), or lower confidence"
            )
        if self.model == "monte_carlo" and self.simulations < needed:
            raise ValueError(
                f"confidence {self.confidence} needs {needed} simulations or more; raise simulations,"
                " or lower confidence"
            )
        if self.worst_periods > self.min_history:
            raise ValueError(
                "worst_periods is above min_history: a short history has no such run; lower it"
            )
        return self

    def settings(self) -> RiskSettings:
        """The same as the core has it."""
        period_s = PERIODS[self.period]
        own = tuple(
            Scenario(
                name,
                {asset: float(move) for asset, move in moves.items() if asset != OTHERS},
                float(moves.get(OTHERS, 0)),
            )
            for name, moves in self.stress.items()
        )
        return RiskSettings(
            model=ModelSettings(
                model=self.model,
                confidence=self.confidence,
                horizon=self.horizon_days * DAY_S / period_s,
                decay=float(self.decay),
                simulations=self.simulations,
            ),
            policy=ReturnsPolicy(
                length=self.history,
                minimum=self.min_history,
                short_history=self.short_history,
                floor=float(self.floor_volatility),
            ),
            period_s=period_s,
            proxy=self.proxy,
            proxies=self.proxies,
            scenarios=(*(CRASH_DAYS if self.crash_days else ()), *own),
            stress_window=self.worst_periods,
        )
