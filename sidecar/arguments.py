"""Arguments that a program gives the library, checked: an error names the fault and the right form."""

from datetime import UTC, date, datetime
from decimal import Decimal

from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import amount
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import OPPOSITE

Number = str | int | Decimal


def period_start(at: date | datetime, now: datetime) -> int:
    """The start of a period, UNIX seconds. Raises Misuse for a value that is none, and for one to
    come.
    """
    if isinstance(at, datetime):
        start = aware(at)
    elif isinstance(at, date):
        start = datetime(at.year, at.month, at.day, tzinfo=UTC)
    else:
        raise Misuse(f"{at!r} is no time; give a date, or an aware datetime")
    if start > now:
        raise Misuse(f"{at} is yet to come; give closes of periods that are over")
    return int(start.timestamp())


def price(name: str, value: Number) -> Decimal:
    """A price above zero. Raises Misuse, naming its subject."""
    found = number(name, value)
    if found <= 0:
        raise Misuse(f"{name}: {value!r} is no price; give one above zero, or leave the period out")
    return found


def aware(now: datetime) -> datetime:
    """A time that has a zone. Raises Misuse."""
    if now.tzinfo is None:
        raise Misuse(
            f"{now} has no time zone; give an aware datetime, for example datetime.now(UTC)"
        )
    return now


def limits_given(limits: Limits) -> Limits:
    """A value that must be Limits. Raises Misuse."""
    if not isinstance(limits, Limits):
        raise Misuse(f"limits: {limits!r} are none; give Limits(…), e.g. Limits(max_leverage=2)")
    return limits


def kept(value: Number) -> Decimal | None:
    """The quantity kept of an asset; None for "all". Raises Misuse."""
    found = None if value == "all" else number("keep", value)
    if found is not None and found < 0:
        raise Misuse(f'keep: {value!r} is below zero; give an amount, or "all"')
    return found


def side_given(side: Side) -> Side:
    """BUY or SELL. Raises Misuse."""
    if side not in OPPOSITE:
        raise Misuse(f'side: {side!r} is neither "BUY" nor "SELL"')
    return side


def number(name: str, value: Number) -> Decimal:
    """An exact number. Raises Misuse, naming its subject."""
    if isinstance(value, float | bool) or not isinstance(value, str | int | Decimal):
        raise Misuse(
            f'{name}: {value!r} is not exact; give text, an int or a Decimal, for example "{value}"'
        )
    try:
        return amount(value if isinstance(value, str) else str(value))
    except ValueError as fault:
        raise Misuse(f"{name}: {fault}") from None
