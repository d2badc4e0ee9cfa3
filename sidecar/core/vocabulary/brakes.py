"""Brakes: the limits without which something of the account has no bound at all, and limits that must be set. No I/O.

Only limits of the whole account count as set: a limit of one product or one strategy leaves all others without, and a
limit in `shadow` stops no order. Tables come as (name, value) pairs, as a model of limits and a view of them both give.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, NamedTuple


class Brake(NamedTuple):
    """A bound on the account. `limits`: each of them is one; `unbounded`: the risk that has no bound otherwise."""

    limits: tuple[str, ...]
    unbounded: str

    @property
    def name(self) -> str:
        """The limits that would set it."""
        return " or ".join(self.limits)


BRAKES: Final = (
    Brake(("max_daily_loss",), "A single day may lose any amount."),
    Brake(("max_drawdown",), "The account may fall any amount from its highest, day after day."),
    Brake(("max_cumulative_loss",), "Nothing is ever sold by itself, whatever is lost in all."),
    Brake(("max_order_notional",), "One mistyped order may be worth all that the funds allow."),
    Brake(
        ("max_position_notional", "max_concentration"),
        "All of the account may be in a single coin or contract.",
    ),
    Brake(
        ("max_leverage", "max_gross_exposure"),
        "All positions together may be worth any multiple of the equity that Coinbase lends.",
    ),
    Brake(
        ("max_order_rate", "max_notional_in"),
        "A bot in a loop may buy and sell as fast as it can ask, and pay fees each time.",
    ),
    Brake(("max_open_orders",), "Any number of orders may lie open at once."),
    Brake(("price_collar",), "A limit order may be priced any distance beyond the market."),
)
# Keys of the account's limits that are no bound by themselves.
NOT_LIMITS: Final = frozenset({"require", "shadow"})


def is_set(value: object) -> bool:
    """Whether a limit of this value binds: a limit of zero does."""
    return value is not None and value is not False and value not in ((), [])


def brakes_not_set(table: Iterable[tuple[str, object]]) -> tuple[Brake, ...]:
    """The brakes that a table of the account's limits has none of."""
    names = {name for name, value in table if is_set(value)}
    return tuple(brake for brake in BRAKES if names.isdisjoint(brake.limits))


def limit_that_may_be_left_out(name: str, defaults: Mapping[str, object]) -> str:
    """The name, if it is that of a limit which may not be set, by the defaults of all. Raises ValueError with the
    nearest name.
    """
    known = [key for key, default in defaults.items() if not is_set(default)]
    known = [key for key in known if key not in NOT_LIMITS]
    if name in known:
        return name
    near = get_close_matches(name.lower(), known, n=1)
    mend = f"did you mean {near[0]}?" if near else f"write one of {', '.join(known)}"
    raise ValueError(f"is no limit of the whole account that may be left out; {mend}")


def lacking(require: Iterable[str], table: Iterable[tuple[str, object]]) -> str:
    """Why limits cannot be used that lack some which they require themselves; empty where they lack none."""
    names = {name for name, value in table if is_set(value)}
    missing = [name for name in require if name not in names]
    if not missing:
        return ""
    them = "it" if len(missing) == 1 else "them"
    return (
        f"limits.require names {', '.join(missing)}, not set for the whole account (one in shadow, or of a product or"
        f" strategy, does not count); set {them} in [limits], or take {them} out of require"
    )
