"""How value at risk is computed: model, history, what stands in, stress. No I/O."""

from collections.abc import Mapping

from msgspec import Struct, field

from sidecar.core.value_at_risk.model import ModelSettings
from sidecar.core.value_at_risk.returns import ReturnsPolicy
from sidecar.core.value_at_risk.stress import CRASH_DAYS, Scenario

DAY_S = 86_400


class RiskSettings(Struct, frozen=True, kw_only=True):
    """`period_s`: seconds from one close to the next. `proxy` is the asset whose returns stand in where
    those of others are too few, `proxies` by asset what does instead. `stress_window`: periods in a
    row of the own history that count as a scenario; 0 for none.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    policy: ReturnsPolicy = field(default_factory=ReturnsPolicy)
    period_s: int = DAY_S
    proxy: str = "BTC"
    proxies: Mapping[str, str] = field(default_factory=dict)
    scenarios: tuple[Scenario, ...] = CRASH_DAYS
    stress_window: int = 5
