"""The seam for portfolio risk: VaR, expected shortfall and stress loss, with and without an order.
No I/O.

The code that computes the figures (floats are allowed there, and only there) hands them over as
Decimal USD. A rule compares them with a share of equity; an order that does not raise a figure
passes.
"""

from decimal import Decimal, localcontext
from typing import Final, Literal, Protocol

from msgspec import Struct

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.account.working import Leg
from sidecar.core.vocabulary.money import MONEY, ZERO

Measure = Literal["max_var", "max_expected_shortfall", "max_stress_loss"]
MEASURES: Final[tuple[Measure, ...]] = ("max_var", "max_expected_shortfall", "max_stress_loss")


class RiskFigure(Struct, frozen=True):
    """One measure of the worst of three books (as held; all buys filled; all sells filled), USD,
    positive = risk.
    """

    before: Decimal
    after: Decimal


class NoFigure(Struct, frozen=True):
    """Why a measure cannot be computed, and the mend."""

    reason: str


class Added(Struct, frozen=True):
    """An order's change of one key if it fills whole: base units on one side, in place of those of
    an open order (`replaces`) that it edits.
    """

    leg: Leg
    replaces: Decimal = ZERO


class PortfolioRisk(Protocol):
    """Computes the measures of the portfolio as it is, and with an order in it."""

    def figure(
        self,
        measure: Measure,
        tracker: PositionTracker,
        added: tuple[Added, ...],
        warn_usd: Decimal,
    ) -> RiskFigure | NoFigure:
        """One measure with and without `added`.

        Below `warn_usd` (USD) the exact figure does not matter: where the figure with `added` is
        certainly below, a bound on it will do.
        """
        ...


class RoomyRisk(PortfolioRisk, Protocol):
    """One that also knows how much may be added for certain."""

    def room(
        self, measure: Measure, tracker: PositionTracker, leg: Leg, warn_usd: Decimal
    ) -> Decimal:
        """USD at the mark that an order on the leg's key and side may move while the measure surely
        stays below `warn_usd` (USD); zero where that cannot be told.
        """
        ...


class GuardedRisk:
    """A user's own PortfolioRisk: arithmetic or missing data may keep a figure from being computed,
    and the decimal context that the computation sets up is its own. Such a figure has no bound
    before it is asked.
    """

    def __init__(self, risk: PortfolioRisk) -> None:
        self._risk = risk

    def figure(
        self,
        measure: Measure,
        tracker: PositionTracker,
        added: tuple[Added, ...],
        warn_usd: Decimal,
    ) -> RiskFigure | NoFigure:
        """The figure, or why there is none."""
        try:
            with localcontext(MONEY):
                return self._risk.figure(measure, tracker, added, warn_usd)
        except (ArithmeticError, LookupError, ValueError) as fault:
            return NoFigure(f"it cannot be computed ({fault})")

    @staticmethod
    def room(_measure: Measure, _tracker: PositionTracker, _leg: Leg, _calm: Decimal) -> Decimal:
        """None."""
        return ZERO
