"""The seam for portfolio risk: VaR, expected shortfall and stress loss, with and without an order.
No I/O.

Whoever computes the figures (floats are allowed there, and only there) hands them over as Decimal
USD. A rule compares them with a share of equity; an order that does not raise a figure passes.
"""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Final, Literal, Protocol

from msgspec import Struct

from sidecar.core.money import MONEY
from sidecar.core.position_tracker import PositionTracker
from sidecar.core.working import Leg

Measure = Literal["max_var", "max_expected_shortfall", "max_stress_loss"]
MEASURES: Final[tuple[Measure, ...]] = ("max_var", "max_expected_shortfall", "max_stress_loss")


class RiskFigure(Struct, frozen=True):
    """One measure of the worst of three books (as held; all buys filled; all sells filled), USD,
    positive = risk.
    """

    before: Decimal
    after: Decimal


class PortfolioRisk(Protocol):
    """Computes the measures of the portfolio as it is, and with an order's legs in it."""

    def figures(
        self, tracker: PositionTracker, added: tuple[Leg, ...]
    ) -> Mapping[Measure, RiskFigure] | None:
        """Every measure with and without `added`, or None when they cannot be computed."""
        ...


def figures_of(
    risk: PortfolioRisk, tracker: PositionTracker, added: tuple[Leg, ...]
) -> Mapping[Measure, RiskFigure] | None:
    """The figures, or None where arithmetic or missing data kept them from being computed.

    Whatever decimal context the computation sets up is its own.
    """
    try:
        with localcontext(MONEY):
            return risk.figures(tracker, added)
    except (ArithmeticError, LookupError, ValueError):
        return None
