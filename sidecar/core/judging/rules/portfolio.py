"""Rules over the whole portfolio: VaR and its kin, and the futures' liquidation buffer. No I/O."""

from typing import Final

from sidecar.core.account.margin import OF_MARGIN, margin_drawdown
from sidecar.core.judging.candidate import Candidate, OnKey
from sidecar.core.judging.rules.rule import Doc, Gate, Measured, Row, ScopedLimit
from sidecar.core.value_at_risk.portfolio_risk import MEASURES, Measure, NoFigure
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.money import ZERO, readable


def unavailable(candidate: Candidate) -> Violation | None:
    for name in MEASURES:
        if getattr(candidate.limits, name) is None:
            continue
        figure = candidate.figure(name)
        if isinstance(figure, NoFigure):
            text = f"{name} is set and there is no figure: {figure.reason}"
            return Violation("VAR_UNAVAILABLE", observed="none", message=text)
    return None


def _raised(candidate: Candidate, measure: Measure) -> Row | None:
    """The figure with the order in it, USD; None when the order does not raise it."""
    figure = candidate.figure(measure)
    if isinstance(figure, NoFigure) or figure.after <= figure.before:
        return None
    return Row(base=figure.after)


def liquidation_buffer(candidate: Candidate) -> Violation | None:
    limit = candidate.limits.min_liquidation_buffer
    assert limit is not None
    futures = candidate.tracker.balances.futures
    if futures is None:
        return Violation(
            "MIN_LIQUIDATION_BUFFER",
            limit=readable(limit),
            message="Coinbase's futures balance summary was not read yet; ask again shortly",
        )
    if futures.liquidation_buffer_percentage >= limit:
        return None
    shown = readable(futures.liquidation_buffer_percentage)
    return Violation(
        "MIN_LIQUIDATION_BUFFER",
        limit=readable(limit),
        observed=shown,
        message=f"Coinbase's liquidation buffer is {shown} %, below {readable(limit)} %; close contracts, or add funds",
    )


def margin_used(candidate: OnKey, _bound: ScopedLimit) -> Row:
    """Without a figure another rule refuses."""
    loss = margin_drawdown(candidate.tracker)
    return Row(base=ZERO if loss is None else loss.measured(OF_MARGIN))


def margin_unknown(candidate: Candidate) -> Violation | None:
    limit = candidate.limits.max_margin_drawdown
    if margin_drawdown(candidate.tracker) is not None:
        return None
    return Violation(
        "MAX_MARGIN_DRAWDOWN",
        limit="" if limit is None else readable(limit),
        observed="none",
        message="max_margin_drawdown is set, and Coinbase has not told the margin posted for the contracts held; "
        "ask again shortly, or unset the limit",
    )


def _figure(code: str, measure: Measure, words: str) -> Measured:
    """The rule that bounds one figure."""
    return Measured(
        code=code,
        limit=measure,
        unit="share",
        order_row=lambda candidate, _: _raised(candidate, measure),
        of_equity=True,
        breaks_at=True,
        searches=True,
        text=words + " would be {observed} of equity; {limit} is allowed",
        doc=Doc(
            f"{words} ÷ equity ≥ limit at the worst of three books, and the order raises it",
            "the limit breaks; not raising passes",
        ),
    )


RULES: Final = (
    _figure("MAX_VAR", "max_var", "value at risk"),
    _figure("MAX_EXPECTED_SHORTFALL", "max_expected_shortfall", "expected shortfall"),
    _figure("MAX_STRESS_LOSS", "max_stress_loss", "stress loss"),
    Gate(
        code="VAR_UNAVAILABLE",
        judge=unavailable,
        applies=lambda limits, _: any(getattr(limits, name) is not None for name in MEASURES),
        exempt_if_reducing=True,
        doc=Doc("such a limit is set and the figure cannot be computed"),
    ),
    Measured(
        code="MAX_MARGIN_DRAWDOWN",
        of_futures=True,
        limit="max_margin_drawdown",
        unit="share",
        whole="margin",
        reads="books",
        row=margin_used,
        is_known=lambda tracker: margin_drawdown(tracker) is not None,
        breaks_at=True,
        text="the contracts' unrealised loss is {observed} of the margin posted; the limit is {limit}",
        doc=Doc(
            "futures: unrealised loss of all contracts since their entry ÷ margin posted (Coinbase's initial margin) ≥ "
            "limit; sets REDUCE_ONLY for futures alone, once confirmed until it is below 90 % of the limit",
            "the limit breaks",
        ),
    ),
    Gate(
        code="MAX_MARGIN_DRAWDOWN",
        judge=margin_unknown,
        applies=lambda limits, product: (
            product.is_future and limits.max_margin_drawdown is not None
        ),
        exempt_if_reducing=True,
        doc=Doc("futures: the limit is set and Coinbase has not told the margin posted"),
    ),
    Gate(
        code="MIN_LIQUIDATION_BUFFER",
        judge=liquidation_buffer,
        applies=lambda limits, product: (
            product.is_future and limits.min_liquidation_buffer is not None
        ),
        exempt_if_reducing=True,
        doc=Doc(
            "futures: Coinbase's liquidation buffer, percent, < limit, or not known",
            "the limit passes",
            key="min_liquidation_buffer",
        ),
    ),
)
