"""Have losses crossed a limit? No I/O. What crossing one sets in motion is in loss_watch.py."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from sidecar.core import losses
from sidecar.core.check import Check
from sidecar.core.losses import Loss
from sidecar.core.rules.rule import Bound, Doc, Measured


def _measured(
    code: str, check: Check, bound: Bound, loss: Callable[[Check, Bound], Loss]
) -> Decimal:
    """The loss in the limit's measure; remembered until the books change, for orders come in
    bursts.
    """
    known = check.desk.loss_measures
    measure = known.get((code, bound.scope))
    if measure is None:
        measure = known[code, bound.scope] = loss(check, bound).measured(bound.setting)
    return measure


def _daily(check: Check, bound: Bound) -> Loss:
    match bound.kind:
        case "product":
            return losses.daily(check.tracker, key=check.key)
        case "strategy":
            return losses.daily(check.tracker, strategy_id=check.strategy_id)
    return losses.daily(check.tracker)


def daily(check: Check, bound: Bound) -> Decimal | None:
    return _measured("MAX_DAILY_LOSS", check, bound, _daily)


def next_reset(check: Check, _bound: Bound) -> datetime | None:
    windows = check.tracker.windows
    return None if windows is None else windows.next_reset


def drawdown(check: Check, bound: Bound) -> Decimal | None:
    return _measured("MAX_DRAWDOWN", check, bound, lambda check, _: losses.drawdown(check.tracker))


def cumulative(check: Check, bound: Bound) -> Decimal | None:
    return _measured(
        "MAX_CUMULATIVE_LOSS", check, bound, lambda check, _: losses.cumulative(check.tracker)
    )


RULES: Final = (
    Measured(
        code="MAX_DAILY_LOSS",
        limit="max_daily_loss",
        measure=daily,
        breaks_at=True,
        clears_at=next_reset,
        text="daily loss {observed} has reached {limit}",
        doc=Doc(
            "loss since 08:00 New York ≥ limit; also sets REDUCE_ONLY in its scope until the next reset",
            "the limit breaks",
        ),
    ),
    Measured(
        code="MAX_DRAWDOWN",
        limit="max_drawdown",
        measure=drawdown,
        breaks_at=True,
        text="drawdown {observed} has reached {limit}",
        doc=Doc(
            "fall from the highest cumulative PnL ≥ limit; also sets REDUCE_ONLY until `reset-loss drawdown`",
            "the limit breaks",
        ),
    ),
    Measured(
        code="MAX_CUMULATIVE_LOSS",
        limit="max_cumulative_loss",
        measure=cumulative,
        breaks_at=True,
        text="cumulative loss {observed} has reached {limit}",
        doc=Doc(
            "loss since the first start ≥ limit; sets REDUCE_ONLY at once, LIQUIDATING when confirmed",
            "the limit breaks",
        ),
    ),
)
