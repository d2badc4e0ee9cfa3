"""Limits as people read them, with their units: they are configured as bare numbers. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sidecar.console.shown import words
from sidecar.core.vocabulary.limit_settings import MONEY_TEXT

SHARES: Final = frozenset(
    {
        *("max_daily_loss", "max_weekly_loss", "max_monthly_loss", "max_drawdown", "max_cumulative_loss", "limit"),
        *("max_exit_cost", "max_margin_drawdown", "max_var", "max_expected_shortfall", "max_stress_loss"),
        *("max_concentration", "max_strategy_share", "max_share_of_limits", "price_collar", "max_order_slippage"),
        *("market_order_slippage", "max_spread", "max_move", "max_loss_from_entry", "fall", "share"),
    }
)  # fmt: skip
USD: Final = frozenset(
    {
        *("max_order_notional", "max_position_notional", "max_gross_exposure", "max_net_exposure"),
        *("budget", "min_equity", "usd"),
    }
)
MULTIPLES: Final = frozenset({"max_leverage"})
PERCENT: Final = frozenset({"min_liquidation_buffer"})
SIZES: Final = frozenset({"min_order_size", "max_order_size", "max_position_size"})


def told(name: str, value: Any, scope: str = "") -> str:
    """The value of the limit of this name; `scope`: of the table that it stands in."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case {"count": count, "window_s": window_s}:
            return f"{count} in {words.short(window_s)} s"
        case {"usd": usd, "window_s": window_s}:
            return f"{words.exactly(usd)} USD in {words.short(window_s)} s"
        case {"window": window, "limit": limit}:
            return f"{_number('limit', limit, scope)} in {window}"
        case {"trades": trades, "cool_down": cool_down}:
            return f"{trades}, with a cool-down of {cool_down}"
        case {"zone": zone, "windows": windows}:
            return f"{', '.join(windows)} {zone}"
        case Mapping():
            parts = (
                f"{key.removesuffix('_s').replace('_', ' ')} {told(key, one, scope)}"
                for key, one in value.items()
                if one is not None
            )
            return ", ".join(parts)
        case list():
            return ", ".join(told(name, one, scope) for one in value) or "none"
    return _number(name, value, scope)


def changed(path: str, text: str) -> str:
    """One side of a change: the value as its configuration writes it, at the path where that has it."""
    *tables, name = path.replace('"', "").split(".")
    value = msgspec.json.decode(text) if text.startswith(("{", "[")) else text
    return told(name, value, ":".join(tables))


def _number(name: str, value: Any, scope: str) -> str:
    text = str(value)
    if money := MONEY_TEXT.fullmatch(text):
        return f"{words.exactly(money[1])} USD"
    number = words.decimal(text)
    if number is None:
        return text
    if name in SHARES:
        return f"{words.exactly(number * 100)} %"
    return f"{words.exactly(text)}{_unit(name, scope)}"


def _unit(name: str, scope: str) -> str:
    if name in USD:
        return " USD"
    if name in MULTIPLES:
        return "×"
    if name in PERCENT:
        return " %"
    if name.endswith("_s"):
        return " s"
    asset, *rest = scope.removeprefix("product:").split("-")
    return f" {asset}" if name in SIZES and len(rest) == 1 and scope.startswith("product:") else ""
