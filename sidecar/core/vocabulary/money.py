"""Decimal money: one arithmetic context, bounded parsing, increments, rounding named by intent.

No I/O.

All sums in the books must be exact, or running totals would drift. 64 significant digits hold any
size times any price that Coinbase deals in (18 decimals each, a product below 10^28), so additions
and multiplications do not round; the only roundings are divisions, and each names its quantum.
"""

import re
from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from functools import wraps
from typing import Final, ParamSpec, TypeVar

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
TWO: Final = Decimal(2)

MONEY: Final = Context(
    prec=64, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)
_UP: Final = MONEY.copy()
_UP.rounding = ROUND_CEILING
_DOWN: Final = MONEY.copy()
_DOWN.rounding = ROUND_FLOOR
COST_QUANTUM: Final = Decimal("1E-18")  # finest unit of any Coinbase asset (ETH has 18 decimals)
CENT: Final = Decimal("0.01")
# More than the roundings at 64 digits can add up to, and less than any fault in the books: what an assertion
# lets pass.
DRIFT: Final = Decimal("1E-9")
ROUNDED_ZERO: Final = -DRIFT  # the least that a sum comes to which cannot fall below zero
RATIO_QUANTUM: Final = Decimal("1E-12")  # ratios are for comparing and showing, never summed

# Significant digits outside: more than any amount on Coinbase has, few enough to be read. Quotients are
# exact to 64 digits inside, and digits beyond these are noise to a reader.
SHOWN_DIGITS: Final = 18
_SHOWN: Final = Context(prec=SHOWN_DIGITS, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_SHOWN_DOWN: Final = Context(prec=SHOWN_DIGITS, rounding=ROUND_DOWN, traps=[InvalidOperation])

DIGITS_BEFORE_POINT_MAX: Final = 20  # 10^20 of the cheapest token is beyond any supply traded
DIGITS_AFTER_POINT_MAX: Final = 30
AMOUNT: Final = re.compile(
    rf"[+-]?[0-9]{{1,{DIGITS_BEFORE_POINT_MAX}}}(\.[0-9]{{0,{DIGITS_AFTER_POINT_MAX}}})?([eE][+-]?[0-9]{{1,2}})?",
    re.ASCII,
)

P = ParamSpec("P")
R = TypeVar("R")


def with_money(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` under `MONEY`, independent of the decimal context of the caller's own program."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        outer = getcontext()
        if outer is MONEY:
            return function(*args, **kwargs)
        setcontext(MONEY)
        try:
            return function(*args, **kwargs)
        finally:
            setcontext(outer)

    return inside


def amount(text: str) -> Decimal:
    """The exact value of a decimal written in text, as Coinbase writes numbers.

    Raises ValueError, with a message that fits behind "field: ", for all texts but plain ASCII
    digits of at most 20 places before and 30 behind the point: NaN, infinities, blanks, underscores
    and 10,000-digit numbers included. The check costs the same for every text.
    """
    if (
        len(text) <= DIGITS_BEFORE_POINT_MAX
        and text.isascii()
        and text[:1] != "."
        and text.replace(".", "", 1).isdigit()
    ):
        return Decimal(text)  # so few digits that no bound can be crossed: nearly every number
    if not AMOUNT.fullmatch(text):
        shown = text if len(text) <= 40 else f"{text[:40]}… ({len(text)} characters)"
        raise ValueError(
            f"{shown!r} is not a number of at most {DIGITS_BEFORE_POINT_MAX} digits before and "
            f"{DIGITS_AFTER_POINT_MAX} behind the point"
        )
    value = Decimal(text)
    if "e" in text or "E" in text:
        exponent = value.as_tuple().exponent
        if value.adjusted() >= DIGITS_BEFORE_POINT_MAX or int(exponent) < -DIGITS_AFTER_POINT_MAX:
            raise ValueError(f"{text!r} is out of range")
    return value


def is_bounded(value: Decimal) -> bool:
    """Whether a number from outside can be an amount: finite, of a magnitude money has."""
    return value.is_finite() and value.adjusted() < DIGITS_BEFORE_POINT_MAX


def is_sane(value: Decimal) -> bool:
    """Whether a price or size from outside can be one: an amount, and not negative."""
    return value.is_finite() and value.adjusted() < DIGITS_BEFORE_POINT_MAX and value >= ZERO


def readable(value: Decimal) -> str:
    """`plain`, rounded half to even to `SHOWN_DIGITS` significant digits: a figure as every view shows it."""
    text = str(value)
    return _tidied(text if len(text) <= SHOWN_DIGITS else str(_SHOWN.plus(value)))


def readable_at_most(value: Decimal) -> str:
    """The same, rounded towards zero: of a bound that its reader may use to the full."""
    text = str(value)
    return _tidied(text if len(text) <= SHOWN_DIGITS else str(_SHOWN_DOWN.plus(value)))


def plain(value: Decimal) -> str:
    """All digits, without exponent and without trailing zeros: the form sent to Coinbase, or read back."""
    return _tidied(str(value))


def _tidied(text: str) -> str:
    if "E" in text:
        text = format(Decimal(text), "f")
    if text[-1] == "0" and "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def floor_to(value: Decimal, increment: Decimal) -> Decimal:
    """The largest multiple of `increment` not above `value`."""
    if value >= ZERO:
        return value // increment * increment  # towards zero is downwards, and costs a third
    return (value / increment).to_integral_value(ROUND_FLOOR) * increment


def ceil_to(value: Decimal, increment: Decimal) -> Decimal:
    """The smallest multiple of `increment` not below `value`."""
    return (value / increment).to_integral_value(ROUND_CEILING) * increment


def share(whole: Decimal, part: Decimal, of: Decimal) -> Decimal:
    """`whole` × `part` ÷ `of`, to `COST_QUANTUM`: the cost that a partial close releases."""
    return whole if part == of else (whole * part / of).quantize(COST_QUANTUM, ROUND_HALF_EVEN)


def cents(value: Decimal) -> Decimal:
    """`value` to two decimals, for people to read; half a cent goes to the even one."""
    return value.quantize(CENT, ROUND_HALF_EVEN)


def quotient_up(part: Decimal, whole: Decimal) -> Decimal:
    """`part` ÷ `whole`, never rounded down: no more than a bound exactly where the true quotient is."""
    return _UP.divide(part, whole)


def quotient_down(part: Decimal, whole: Decimal) -> Decimal:
    """`part` ÷ `whole`, never rounded up."""
    return _DOWN.divide(part, whole)


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """`part` ÷ `whole`, to `RATIO_QUANTUM`."""
    return (part / whole).quantize(RATIO_QUANTUM, ROUND_HALF_EVEN)
