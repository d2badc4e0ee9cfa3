"""Rules over the whole portfolio: VaR and its kin, and the futures' liquidation buffer. No I/O."""

from decimal import Decimal
from typing import Final

from sidecar.core.check import Check
from sidecar.core.decision import Violation
from sidecar.core.money import plain
from sidecar.core.portfolio_risk import MEASURES, Measure
from sidecar.core.rules.rule import Bound, Doc, Gate, Measured


def unavailable(check: Check) -> Violation | None:
    if check.figures is not None:
        return None
    wanted = ", ".join(name for name in MEASURES if getattr(check.limits, name) is not None)
    text = f"{wanted} is set and the figure cannot be computed; give returns, or unset the limit"
    return Violation("VAR_UNAVAILABLE", observed="none", message=text)


def _raised(check: Check, measure: Measure) -> Decimal | None:
    """The figure with the order in it, USD; nothing when the order does not raise it."""
    figures = check.figures
    if figures is None:
        return None
    figure = figures[measure]
    return figure.after if figure.after > figure.before else None


def value_at_risk(check: Check, _bound: Bound) -> Decimal | None:
    return _raised(check, "max_var")


def expected_shortfall(check: Check, _bound: Bound) -> Decimal | None:
    return _raised(check, "max_expected_shortfall")


def stress_loss(check: Check, _bound: Bound) -> Decimal | None:
    return _raised(check, "max_stress_loss")


def liquidation_buffer(check: Check) -> Violation | None:
    limit = check.limits.min_liquidation_buffer
    assert limit is not None
    futures = check.tracker.balances.futures
    if futures is None:
        return Violation(
            "MIN_LIQUIDATION_BUFFER",
            limit=plain(limit),
            message="Coinbase's futures balance summary was not read yet",
        )
    if futures.liquidation_buffer_percentage >= limit:
        return None
    shown = plain(futures.liquidation_buffer_percentage)
    return Violation(
        "MIN_LIQUIDATION_BUFFER",
        limit=plain(limit),
        observed=shown,
        message=f"Coinbase's liquidation buffer is {shown} %, below {plain(limit)} %",
    )


def _figure_doc(name: str) -> Doc:
    return Doc(
        f"{name} ÷ equity ≥ limit at the worst of three books, and the order raises it",
        "the limit breaks; not raising passes",
    )


RULES: Final = (
    Measured(
        code="MAX_VAR",
        of_equity=True,
        limit="max_var",
        measure=value_at_risk,
        breaks_at=True,
        searches=True,
        text="value at risk would be {observed} of equity; {limit} is allowed",
        doc=_figure_doc("value at risk"),
    ),
    Measured(
        code="MAX_EXPECTED_SHORTFALL",
        of_equity=True,
        limit="max_expected_shortfall",
        measure=expected_shortfall,
        breaks_at=True,
        searches=True,
        text="expected shortfall would be {observed} of equity; {limit} is allowed",
        doc=_figure_doc("expected shortfall"),
    ),
    Measured(
        code="MAX_STRESS_LOSS",
        of_equity=True,
        limit="max_stress_loss",
        measure=stress_loss,
        breaks_at=True,
        searches=True,
        text="stress loss would be {observed} of equity; {limit} is allowed",
        doc=_figure_doc("worst scenario loss"),
    ),
    Gate(
        code="VAR_UNAVAILABLE",
        judge=unavailable,
        applies=lambda limits, _: any(getattr(limits, name) is not None for name in MEASURES),
        exempt=True,
        doc=Doc("such a limit is set and the figure cannot be computed"),
    ),
    Gate(
        code="MIN_LIQUIDATION_BUFFER",
        judge=liquidation_buffer,
        applies=lambda limits, product: (
            product.is_future and limits.min_liquidation_buffer is not None
        ),
        exempt=True,
        doc=Doc(
            "futures: Coinbase's liquidation buffer, percent, < limit, or not known",
            "the limit passes",
            key="min_liquidation_buffer",
        ),
    ),
)
