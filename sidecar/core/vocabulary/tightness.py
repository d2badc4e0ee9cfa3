"""The tighter of two limits, key by key. No I/O.

Each kind of key has one function: of two values, the loosest value known to be at least as tight as both; where none
can be shown to be, the first value. So a value is at least as tight as another exactly if it is the answer to both. A
key whose tightness hangs on more than itself (a wider spread lets more quotes mark, good ones and bad ones) is
`_unchanged`: any other value counts as looser.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from sidecar.core.vocabulary.limit_settings import LOSSES_IN_MAX, LossIn, LossLimit, TradingHours
from sidecar.core.vocabulary.limits import Limits

Tightest = Callable[[Any, Any], Any]
Table = TypeVar("Table", bound=BaseModel)


def _if_set(tightest: Tightest) -> Tightest:
    """A limit that is not set is the loosest."""

    def of_both(one: Any, other: Any) -> Any:
        if one is None or other is None:
            return one if other is None else other
        return tightest(one, other)

    return of_both


def _unchanged(one: Any, _other: Any) -> Any:
    return one


def _either(one: bool, other: bool) -> bool:  # noqa: FBT001 - two values of a key
    return one or other


def _order_of(*words: str) -> Tightest:
    """Of words, the loosest first."""

    def of_both(one: str, other: str) -> str:
        return max(one, other, key=words.index)

    return of_both


def _of_loss(one: LossLimit, other: LossLimit) -> LossLimit:
    """A ratio and an amount of money cannot be compared."""
    for mine, its in ((one.ratio, other.ratio), (one.usd, other.usd)):
        if mine is not None and its is not None and its < mine:
            return other
    return one


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Of names that are allowed."""
    return other if set(other) <= set(one) else tuple(name for name in one if name in other)


def _all_of(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Of names that are forbidden, or demanded."""
    missing = tuple(name for name in one if name not in other)
    return (*one, *(name for name in other if name not in one)) if missing else other


def _of_losses_in(one: tuple[LossIn, ...], other: tuple[LossIn, ...]) -> tuple[LossIn, ...]:
    """Each window by itself. Where that is more windows than there may be: the first windows alone."""
    found = {loss.window: loss for loss in one}
    for loss in other:
        known = found.get(loss.window)
        if known is None or loss.limit < known.limit:
            found[loss.window] = loss
    together = tuple(found.values())
    if len(together) > LOSSES_IN_MAX:
        return one
    return other if set(together) == set(other) else together


def _of_hours(one: TradingHours, other: TradingHours) -> TradingHours:
    """Fewer hours by the clock of the same zone."""
    if one.zone == other.zone and other.minutes <= one.minutes:
        return other
    return one


def _of_tables(one: Mapping[str, BaseModel], other: Mapping[str, BaseModel]) -> dict[str, Any]:
    """Tables that the user names: each narrows the scope of its name further."""
    both = {**other, **one}
    return {
        name: _tightest(table, other[name]) if name in one and name in other else table
        for name, table in both.items()
    }


def _tightest(one: Table, other: Table) -> Table:
    """Of two tables of the same keys."""
    changed: dict[str, Any] = {}
    for name in type(one).model_fields:
        mine = getattr(one, name)
        tightest = TIGHTEST[name](mine, getattr(other, name))
        if tightest != mine:
            changed[name] = tightest
    if not changed:
        return one
    known = {name: getattr(one, name) for name in one.model_fields_set}
    return type(one).model_validate(known | changed)


_lower: Final = _if_set(min)
_higher: Final = _if_set(max)
_table: Final = _if_set(_tightest)
_loss: Final = _if_set(_of_loss)
_sale: Final = _order_of("reduce_only", "flatten")

# A row for each key of each table of limits, and of the tables within.
TIGHTEST: Final[Mapping[str, Tightest]] = {
    "min_order_size": _higher,
    "max_order_size": _lower,
    "max_order_notional": _lower,
    "max_position_size": _lower,
    "max_position_notional": _lower,
    "max_open_orders": _lower,
    "max_order_rate": _table,
    "duplicate_order": _table,
    "max_notional_in": _table,
    "price_collar": _lower,
    "max_order_slippage": _lower,
    "no_adding": _either,
    "trading_hours": _if_set(_of_hours),
    "losing_streak": _table,
    "max_daily_loss": _loss,
    "max_weekly_loss": _loss,
    "max_monthly_loss": _loss,
    "price_shock": _table,
    "max_gross_exposure": _lower,
    "max_net_exposure": _lower,
    "max_strategy_share": _lower,
    "budget": _lower,
    "own_positions_only": _either,
    "max_leverage": _lower,
    "max_concentration": _lower,
    "max_exit_cost": _loss,
    "max_loss_in": _if_set(_of_losses_in),
    "max_drawdown": _loss,
    "max_cumulative_loss": _loss,
    "max_var": _lower,
    "max_expected_shortfall": _lower,
    "max_stress_loss": _lower,
    "max_margin_drawdown": _lower,
    "min_liquidation_buffer": _higher,
    "loosen_after": _higher,
    "resume_after": _higher,
    "max_share_of_limits": _lower,
    "require": _all_of,
    "allow_products": _if_set(_common),
    "block_products": _all_of,
    "max_quote_age_s": _lower,
    "max_depth_age_s": _lower,
    "max_spread": _unchanged,  # fewer quotes mark, so losses are seen later
    "max_mark_age_s": _unchanged,  # a stale mark refuses sooner, and confirms a loss later
    "stale_confirm_s": _lower,
    "min_equity": _unchanged,  # below it orders that add are refused, and no loss has a ratio
    "on_loss": _order_of("nothing", "cancel_adding"),
    "market_order_slippage": _unchanged,  # a sale's worth falls with it, a purchase's rises
    "market_shock": _table,
    "custom": _unchanged,
    "product": _of_tables,
    "strategy": _of_tables,
    "shadow": _table,
    # Of the tables within.
    "count": _lower,
    "usd": _lower,
    "window_s": _higher,
    "trades": _lower,
    "cool_down": _higher,
    "max_move": _lower,
    "lockout_s": _higher,
    "max_loss_from_entry": _lower,
    "action": _sale,
    "fall": _lower,
    "window": _higher,
    "share": _lower,
    "products": _unchanged,  # a share of other coins
    "lockout": _higher,
}


def merged(
    in_force: Limits, new: Limits, is_named: Callable[[str], bool] = lambda _name: True
) -> Limits:
    """Each key's new value as far as it is at least as tight, else the value in force.

    `is_named`: whether orders under a strategy's name may pass by the limits in force. A table for any other name
    would let it trade.
    """
    known = {
        name: table
        for name, table in new.strategy.items()
        if name in in_force.strategy or is_named(name)
    }
    return _tightest(
        _without_blocked(in_force, new.block_products),
        _without_blocked(new, in_force.block_products).model_copy(update={"strategy": known}),
    )


def _without_blocked(limits: Limits, blocked: tuple[str, ...]) -> Limits:
    """No product is both allowed and blocked."""
    allowed = limits.allow_products
    if allowed is None or not set(allowed) & set(blocked):
        return limits
    left = tuple(name for name in allowed if name not in blocked)
    return limits.model_copy(update={"allow_products": left})
