"""Numbers, times and flags as Coinbase writes them, read with the tolerance they need. Pure.

All values are text, "" and null mean none, a fraction of a second has any number of digits. Text
that is neither a value nor none is `Untrusted`: the message names the field, never more of the
answer.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ZERO, amount

TIME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2})(?:\.(\d{1,30}))?(Z|z|[+-]\d{2}:\d{2})", re.ASCII
)
# Ids, names and statuses: Coinbase's have 36 characters, a bot's own up to 128. A longer text would
# be kept, written down and sent back.
TEXT_MAX: Final = 256
# Of Coinbase's own words, as far as they are repeated: a name, a reason.
NAME_MAX: Final = 60
WORDS_MAX: Final = 200
NO_YEAR: Final = "0001-"  # Go's zero time

Row = Mapping[str, Any]  # one object of an answer


def number(value: object, name: str) -> Decimal | None:
    """A decimal, None for none. Raises Untrusted, naming the field."""
    if not isinstance(value, str):
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Untrusted(f"{name} is not a number")
        value = str(value)
    if not value:
        return None
    try:
        return amount(value)
    except ValueError:
        raise Untrusted(f"{name} is not a number") from None


def number_of(row: Row, name: str) -> Decimal | None:
    """The same of a field that may be told with its currency, as an object of both."""
    value = row.get(name)
    return number(value.get("value") if isinstance(value, Mapping) else value, name)


def quantity(value: object, name: str) -> Decimal:
    """A decimal, zero for none."""
    return number(value, name) or ZERO


def price(value: object, name: str) -> Decimal | None:
    """A price; Coinbase writes "" or "0" where an order has none."""
    return number(value, name) or None


def moment(value: object, name: str) -> datetime | None:
    """A time, aware, UTC, to the microsecond; None for none. Raises Untrusted."""
    if value is None or value == "":
        return None
    found = TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Untrusted(f"{name} is not a time")
    seconds, fraction, zone = found.groups()
    if seconds.startswith(NO_YEAR):
        return None
    text = f"{seconds}.{(fraction or '0')[:6]:0<6}{'+00:00' if zone in 'Zz' else zone}"
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Untrusted(f"{name} is not a time") from None


def moment_if_any(value: object) -> datetime | None:
    """The same; None too for a text that is no time, where a row is worth more than its time."""
    try:
        return moment(value, "")
    except Untrusted:
        return None


def text(value: object, name: str) -> str:
    """Text, "" for none. Raises Untrusted for every other value, and for a text longer than any id
    or name.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Untrusted(f"{name} is not text")
    if len(value) > TEXT_MAX:
        raise Untrusted(f"{name} has {len(value)} characters")
    return value


def required(row: Row, name: str) -> str:
    """Text that a row cannot be without. Raises Untrusted."""
    found = text(row.get(name), name)
    if not found:
        raise Untrusted(f"{name} is missing")
    return found


def is_true(value: object) -> bool:
    """A boolean, which the user channel writes as text."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def flag(value: object, name: str) -> bool:
    """The same, where a guess will not do. Raises Untrusted for a value that is neither."""
    words = value.lower() if isinstance(value, str) else value
    if words is True or words == "true":
        return True
    if words is False or words == "false":
        return False
    raise Untrusted(f"{name} is neither true nor false")


def table(value: object, name: str) -> Row:
    """An object, an empty one for none. Raises Untrusted for every other value."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Untrusted(f"{name} is not an object")
    return value


def tables(value: object, name: str) -> Sequence[Row]:
    """A list of objects, an empty one for none. Raises Untrusted for every other value."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Untrusted(f"{name} is not a list")
    return [table(row, name) for row in value]


def read_each(reader: Callable[[Any], Any], rows: Iterable[Any], left_out: list[str]) -> list[Any]:
    """Each row that can be read; `left_out` is told of the others."""
    found = []
    for row in rows:
        try:
            found.append(reader(row))
        except Untrusted as fault:
            left_out.append(str(fault))
    return found


def rfc3339(at: datetime) -> str:
    """A time in UTC, as Coinbase writes it."""
    return at.isoformat().replace("+00:00", "Z")
