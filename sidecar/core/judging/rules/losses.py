"""Have losses crossed a limit? No I/O. The consequences of crossing one are in loss_watch.py."""

from datetime import datetime
from typing import Final

from sidecar.core.account import losses
from sidecar.core.judging.candidate import OnKey
from sidecar.core.judging.rules.rule import Doc, Measured, Row, ScopedLimit


def daily(candidate: OnKey, bound: ScopedLimit) -> Row:
    match bound.kind:
        case "product":
            loss = losses.daily(candidate.tracker, key=candidate.key)
        case "strategy":
            loss = losses.daily(candidate.tracker, strategy_id=candidate.strategy_id)
        case _:
            loss = losses.daily(candidate.tracker)
    return Row(base=loss.measured(bound.loss))


def next_reset(candidate: OnKey) -> datetime | None:
    windows = candidate.tracker.loss_accounting.windows
    return None if windows is None else windows.next_reset


def drawdown(candidate: OnKey, bound: ScopedLimit) -> Row:
    return Row(base=losses.drawdown(candidate.tracker).measured(bound.loss))


def cumulative(candidate: OnKey, bound: ScopedLimit) -> Row:
    return Row(base=losses.cumulative(candidate.tracker).measured(bound.loss))


RULES: Final = (
    Measured(
        code="MAX_DAILY_LOSS",
        per_key=True,
        reads="books",
        limit="max_daily_loss",
        row=daily,
        breaks_at=True,
        clears_at=next_reset,
        text="daily loss {observed} has reached {limit}",
        doc=Doc(
            "loss since 08:00 New York ≥ limit; sets REDUCE_ONLY in its scope, once confirmed until the next reset",
            "the limit breaks",
        ),
    ),
    Measured(
        code="MAX_DRAWDOWN",
        reads="books",
        limit="max_drawdown",
        row=drawdown,
        breaks_at=True,
        text="drawdown {observed} has reached {limit}",
        doc=Doc(
            "fall from the highest ≥ limit; also sets REDUCE_ONLY, once confirmed until `reset-loss drawdown`",
            "the limit breaks",
        ),
    ),
    Measured(
        code="MAX_CUMULATIVE_LOSS",
        reads="books",
        limit="max_cumulative_loss",
        row=cumulative,
        breaks_at=True,
        text="cumulative loss {observed} has reached {limit}",
        doc=Doc(
            "loss since the first start ≥ limit; sets REDUCE_ONLY at once, LIQUIDATING when confirmed",
            "the limit breaks",
        ),
    ),
)
