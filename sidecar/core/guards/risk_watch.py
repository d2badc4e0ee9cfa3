"""RiskWatch: says when VaR, expected shortfall or stress loss stands beyond its limit without any order,
and when such a limit is set and its figure cannot be had. No I/O.

Prices alone may carry a figure over its limit. That causes no sale and no lock: it is told, and
shown in `status`; orders that would raise the figure are refused by the rules.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.value_at_risk.portfolio_risk import MEASURES, Measure, NoFigure
from sidecar.core.vocabulary.actions import Action, Alert
from sidecar.core.vocabulary.money import ZERO, ratio
from sidecar.core.vocabulary.wording import in_words, words_of

REARM_AT: Final = Decimal("0.95")  # of the limit: a figure that swings about it is told once
PATIENCE: Final = timedelta(seconds=60)  # a start has its history within seconds
WORDS: Final[dict[Measure, str]] = {
    "max_var": "value at risk",
    "max_expected_shortfall": "expected shortfall",
    "max_stress_loss": "stress loss",
}


class RiskBreaches(Struct):
    """The breaches told: limits that are broken, and figures that are missing since when (None: it
    has been told).
    """

    told: set[Measure] = field(default_factory=set)
    missing: dict[Measure, datetime | None] = field(default_factory=dict)


class RiskWatch:
    """Compares the figures with their limits as things stand."""

    def __init__(self, desk: RiskContext) -> None:
        self.desk = desk
        self.memory = RiskBreaches()

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Say which limits are newly broken, and which figures missing, once."""
        if not self.desk.state.ready:
            return
        for measure in MEASURES:
            limit: Decimal | None = getattr(self.desk.limits, measure)
            if limit is None:
                self.memory.told.discard(measure)
                self.memory.missing.pop(measure, None)
                continue
            risk = self.desk.portfolio_risk
            assert risk is not None
            figure = risk.figure(measure, self.desk.tracker, (), ZERO)
            if isinstance(figure, NoFigure):
                self._missing(measure, figure.reason, now, actions)
                continue
            self.memory.missing.pop(measure, None)
            self._compare(measure, figure.before, limit, actions)

    def _compare(
        self, measure: Measure, figure: Decimal, limit: Decimal, actions: list[Action]
    ) -> None:
        equity, told = self.desk.tracker.equity, self.memory.told
        level = limit * equity
        if figure < max(ZERO, level * REARM_AT) or not figure:
            told.discard(measure)
        elif figure >= level and measure not in told:
            told.add(measure)
            share = (
                f"{in_words(ratio(figure, equity), 'share', limit)} of equity"
                if equity > ZERO
                else "no equity"
            )
            text = (
                f"{WORDS[measure]} is {in_words(figure, 'usd')}, {share}; {measure} is"
                f" {words_of(limit, 'share')}: only orders that do not raise it pass; reduce positions"
            )
            actions.append(Alert(severity="warning", code="RISK_LIMIT_BREACHED", text=text))

    def _missing(self, measure: Measure, reason: str, now: datetime, actions: list[Action]) -> None:
        since = self.memory.missing.setdefault(measure, now)
        if since is not None and now - since >= PATIENCE:
            self.memory.missing[measure] = None
            text = f"{measure} is set and there is no figure: {reason}; orders that add risk are refused"
            actions.append(Alert(severity="warning", code="VAR_UNAVAILABLE", text=text))
