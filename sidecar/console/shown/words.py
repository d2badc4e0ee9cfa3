"""Figures as people read them: money, prices, shares, times, bars. Pure.

Figures come over a socket as text; one that cannot be told is None, and shown as a dash.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, DecimalException
from typing import Final

from rich.text import Text

NONE: Final = "–"
WARM: Final = Decimal("0.7")  # from here on the rules warn
TIMES: Final = 10
DIGITS: Final = 6  # of a price or a quantity: enough to tell two apart
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
STATES: Final = {
    "ACTIVE": "green",
    "STARTING": "cyan",
    "REDUCE_ONLY": "yellow",
    "HALTED": "red",
    "LIQUIDATING": "red",
}


def state(name: str) -> Text:
    """A trading state in its colour."""
    return Text(name, style=f"bold {STATES.get(name, 'default')}")


def decimal(value: object) -> Decimal | None:
    """The number in a text; None where there is none."""
    if value is None:
        return None
    try:
        return Decimal(str(value))
    except DecimalException:
        return None


def money(value: object, *, signed: bool = False) -> str:
    """USD to the cent, thousands apart."""
    number = decimal(value)
    if number is None:
        return NONE
    if number.is_finite():
        number = round(number, 2) + 0  # no minus before zero
    return f"{number:+,.2f}" if signed and number else f"{number:,.2f}"


def exactly(value: object) -> str:
    """A number with every digit, thousands apart; other text as it is."""
    number = decimal(value)
    if number is None or not number.is_finite():
        return NONE if value is None else str(value)
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def short(value: object) -> str:
    """A price or a quantity to six digits, or to the unit where it has more."""
    number = decimal(value)
    if number is None or not number.is_finite() or not number:
        return exactly(value)
    places = max(2, DIGITS - 1 - number.adjusted())
    if -number.as_tuple().exponent <= places:  # type: ignore[operator]  # finite: an int
        return exactly(number)
    return exactly(number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN))


def sized(value: object, product_id: str) -> str:
    """An order's size with every digit and its unit: the coin, or contracts."""
    asset, *rest = product_id.split("-")
    unit = asset if len(rest) == 1 else "contracts" if rest else ""
    return f"{exactly(value)} {unit}".rstrip()


def share(value: object) -> str:
    """A ratio in per cent, to a tenth; a smaller one to a hundredth."""
    number = decimal(value)
    if number is None:
        return NONE
    if not number.is_finite():
        return "no equity"
    percent = number * 100
    places = 1 if round(percent, 1) or not round(percent, 2) else 2
    return f"{round(percent, places) + 0:,.{places}f} %"


def multiple(value: object) -> str:
    """A ratio in per cent, from ten times the whole on as so many times."""
    number = decimal(value)
    return share(value) if number is None or number < TIMES else f"{number:,.0f} ×"


def style_of(used: object) -> str:
    """Green, yellow from 70 %, red from the limit on."""
    number = decimal(used)
    if number is None:
        return "dim"
    return "red" if number >= 1 else "yellow" if number >= WARM else "green"


def bar(used: object, width: int = 10) -> Text:
    """A share used, as a bar. A small share shows too."""
    number = decimal(used)
    if number is None:
        return Text(" " * width)
    inside = min(Decimal(1), max(Decimal(0), number))
    full = round(inside * width) or (1 if inside else 0)
    return Text.assemble(("█" * full, style_of(used)), ("░" * (width - full), "dim"))


def when(text: object) -> str:
    """A time to the second, UTC."""
    at = moment(text)
    return NONE if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def moment(text: object) -> datetime | None:
    """The time in a text of RFC 3339; None where there is none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


def away(text: object, now: object) -> str:
    """How far a time lies from now: "in 3 h 5 min", "12 s ago"."""
    at, here = moment(text), moment(now)
    if at is None or here is None:
        return NONE
    seconds = (at - here).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def span(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min"
    if whole < DAY_S:
        return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
    return f"{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"


def brakes(names: Iterable[str]) -> Text:
    """The brakes that are not set, in one line."""
    return Text(f"brakes that are not set: {', '.join(names)}", style="yellow")
