"""The loss behind a cause as it stands now: a cause outlasts the figure that it was raised at. No I/O."""

from datetime import timedelta
from typing import Final

from sidecar.core.account import losses
from sidecar.core.account.losses import PERIOD_OF, Loss
from sidecar.core.account.margin import margin_drawdown
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.state import Cause
from sidecar.core.vocabulary.durations import written
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.limits import OrderLimits
from sidecar.core.vocabulary.money import ZERO

# What a refusal says of a cause whose own rule tells the figure beside it.
BESIDE_ITS_RULE: Final = {
    "PRICE_SHOCK": "a price shock has locked this position",
    "MARKET_SHOCK": "a market shock has locked the account",
    "LOSING_STREAK": "too many trades in a row were lost",
}

Found = tuple[Loss, LossLimit, timedelta | None]


def name_of(code: str, window: timedelta | None = None) -> str:
    """A loss in words, by the code of its cause; `window`: the length of a rolling one."""
    return code.lower().replace("_", " ") if window is None else f"loss within {written(window)}"


def called(code: str, loss: str, window: timedelta | None = None) -> str:
    """The same with its figure."""
    if window is not None:
        return f"loss of {loss} within {written(window)}"
    return f"{name_of(code)} of {loss}"


def reason_now(desk: RiskContext, cause: Cause) -> str:
    """Why the cause is in force, with the figure of now where it is a loss."""
    found = _found(desk, cause)
    if found is None:
        return cause.reason
    loss, limit, window = found
    if loss.crosses(limit):
        return f"{called(cause.code, loss.text(), window)} has reached {limit.words}"
    if not cause.is_confirmed:
        return cause.reason
    told = called(cause.code, loss.text(), window) if loss.usd > ZERO else "no loss"
    return f"{told} now; it had reached {limit.words}"


def reason_beside_its_rule(desk: RiskContext, cause: Cause) -> str:
    """The same in a refusal: without the figure where a rule of its own is broken and tells it."""
    found = _found(desk, cause)
    if found is not None and found[0].crosses(found[1]):
        return f"the {name_of(cause.code, found[2])} has reached its limit"
    return BESIDE_ITS_RULE.get(cause.code) or reason_now(desk, cause)


def _found(desk: RiskContext, cause: Cause) -> Found | None:
    """The loss, its limit and its window; None of a cause that is no loss, or that has no limit any more."""
    limits, tracker = desk.limits, desk.tracker
    table = _table(desk, cause.scope)
    match cause.code:
        case "DAILY_LOSS" | "WEEKLY_LOSS" | "MONTHLY_LOSS" if table is not None:
            name = PERIOD_OF[cause.code]
            loss = losses.within(tracker, name, key=cause.key, strategy_id=cause.strategy_id)
            limit = getattr(table, f"max_{name}_loss")
        case "DRAWDOWN":
            loss, limit = losses.drawdown(tracker), limits.max_drawdown
        case "CUMULATIVE_LOSS":
            loss, limit = losses.cumulative(tracker), limits.max_cumulative_loss
        case "MARGIN_DRAWDOWN" if limits.max_margin_drawdown is not None:
            limit = LossLimit(ratio=limits.max_margin_drawdown)
            loss = margin_drawdown(tracker) or losses.NO_LOSS
        case "LOSS_IN":
            return _rolling(desk)
        case _:
            return None
    return None if limit is None else (loss, limit, None)


def _rolling(desk: RiskContext) -> Found | None:
    """Of all windows that which uses most of its limit."""
    found = [
        (losses.rolling(desk.tracker, one.window), one.loss, one.window)
        for one in desk.limits.max_loss_in or ()
    ]
    return max(found, key=lambda one: one[0].measured(one[1]) / (one[1].ratio or 1), default=None)


def _table(desk: RiskContext, scope: str) -> OrderLimits | None:
    kind, _, name = scope.partition(":")
    if kind == "all":
        return desk.limits
    return (desk.limits.product if kind == "product" else desk.limits.strategy).get(name)
