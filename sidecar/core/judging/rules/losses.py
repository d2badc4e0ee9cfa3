"""Have losses crossed a limit? No I/O. The consequences of crossing one are in loss_watch.py."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from sidecar.core.account import losses
from sidecar.core.judging.candidate import OnKey
from sidecar.core.judging.rules.rule import Doc, Measured, Row, ScopedLimit
from sidecar.core.vocabulary.trading_day import PeriodName


def within(name: PeriodName) -> Callable[[OnKey, ScopedLimit], Row]:
    """The row of losses since the start of a period."""

    def row(candidate: OnKey, bound: ScopedLimit) -> Row:
        tracker, key, strategy_id = candidate.tracker, candidate.key, candidate.strategy_id
        match bound.kind:
            case "product":
                loss = losses.within(tracker, name, key=key)
            case "strategy":
                loss = losses.within(tracker, name, strategy_id=strategy_id)
            case _:
                loss = losses.within(tracker, name)
        return Row(base=loss.measured(bound.loss))

    return row


def next_start(name: PeriodName) -> Callable[[OnKey, ScopedLimit], datetime | None]:
    """When the period is over."""

    def at(candidate: OnKey, _bound: ScopedLimit) -> datetime | None:
        windows = candidate.tracker.loss_accounting.windows
        return None if windows is None else windows.period(name).next_reset

    return at


def in_period(name: PeriodName, since: str, until: str) -> Measured:
    """The rule of losses within a period of the calendar."""
    return Measured(
        code=f"MAX_{name.upper()}_LOSS",
        per_key=True,
        reads="books",
        limit=f"max_{name}_loss",
        row=within(name),
        breaks_at=True,
        clears_at=next_start(name),
        text=name + " loss {observed} has reached {limit}",
        doc=Doc(
            f"loss since {since} ≥ limit; sets REDUCE_ONLY in its scope, once confirmed until {until}",
            "the limit breaks",
        ),
    )


def lost_in_a_row(candidate: OnKey, bound: ScopedLimit) -> Row:
    return Row(base=Decimal(candidate.tracker.streaks.count(bound.scope)))


def cool_down_ends(candidate: OnKey, bound: ScopedLimit) -> datetime | None:
    return candidate.tracker.streaks.cools_until(bound.scope)


def rolling(candidate: OnKey, bound: ScopedLimit) -> Row:
    loss = losses.rolling(candidate.tracker, bound.loss_in.window)
    return Row(base=loss.measured(bound.loss))


def window_moves_on(candidate: OnKey, bound: ScopedLimit) -> datetime | None:
    setting = bound.loss_in
    return candidate.tracker.loss_accounting.clears_at(setting.window, setting.limit)


def drawdown(candidate: OnKey, bound: ScopedLimit) -> Row:
    return Row(base=losses.drawdown(candidate.tracker).measured(bound.loss))


def cumulative(candidate: OnKey, bound: ScopedLimit) -> Row:
    return Row(base=losses.cumulative(candidate.tracker).measured(bound.loss))


RULES: Final = (
    in_period("daily", "08:00 New York", "the next reset"),
    in_period("weekly", "Monday's 08:00 New York", "the next Monday's"),
    in_period("monthly", "08:00 New York of the month's first day", "the next month's"),
    Measured(
        code="LOSING_STREAK",
        per_key=True,
        reads="books",
        limit="losing_streak",
        row=lost_in_a_row,
        breaks_at=True,
        clears_at=cool_down_ends,
        text="{observed} trades in a row were lost; the limit is {limit}",
        doc=Doc(
            "so many trades of the scope in a row were closed at a loss, net of fees; sets REDUCE_ONLY there for the"
            " cool-down, from the last one's close. A trade is closed when its position is flat again",
            "the limit breaks",
        ),
    ),
    Measured(
        code="MAX_LOSS_IN",
        reads="books",
        limit="max_loss_in",
        row=rolling,
        breaks_at=True,
        clears_at=window_moves_on,
        text="the loss from the highest within the window, {observed}, has reached {limit}",
        doc=Doc(
            "fall from the highest within a rolling window ≥ limit; sets REDUCE_ONLY, once confirmed until it is below"
            " 90 % of the limit, for the window has moved on or the loss is made good",
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
