"""One REST call as a handler sees it, and how to read it. No I/O.

Names in bodies and queries may be camelCase as well as snake_case: Coinbase's own TypeScript SDK sends only
the former. Answers are snake_case.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from multidict import MultiMapping

from sidecar.core.vocabulary.money import amount
from sidecar.paper.service.keys import Key
from sidecar.paper.wire.errors import invalid
from sidecar.paper.wire.text import Row

T = TypeVar("T")

CAMEL_KEY: Final = re.compile(rb'"[a-z][a-z0-9]*[A-Z]\w*"\s*:')
CAPITAL: Final = re.compile("[A-Z]")
NESTED_MAX: Final = 16  # an order of many parts needs five
TOO_DEEP: Final = "the body is nested too deeply"


class Call(Struct, kw_only=True):
    """Path, query and body of one request, and whose key it came with."""

    path: Mapping[str, str]
    query: MultiMapping[str]  # repeated keys are lists
    body: bytes
    key: Key | None
    now: datetime  # market clock

    def text(self, name: str, default: str = "") -> str:
        return self.query.get(name) or self.query.get(camel(name), default) or default

    def texts(self, name: str) -> list[str]:
        """All values of a repeated key. The form `name[]=` is not understood, as on Coinbase."""
        query = self.query
        values = (*query.getall(name, ()), *(query.getall(camel(name), ()) if "_" in name else ()))
        return [value for value in values if value]

    def flag(self, name: str) -> bool:
        """A boolean; the official SDK writes True with a capital."""
        return self.text(name).lower() == "true"

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 0 to `most`; beyond that `most`. Raises Failed with status 400."""
        text = self.text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise invalid(f"{name} is not a number")
        return min(int(text), most) or default

    def moment(self, name: str) -> datetime | None:
        """An RFC 3339 time. Raises Failed with status 400."""
        text = self.text(name)
        if not text:
            return None
        try:
            when = datetime.fromisoformat(text)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # no time, or one beyond the calendar once in UTC
            raise invalid(f"{name} is not an RFC 3339 time") from None

    def seconds(self, name: str) -> int:
        """UNIX seconds, as candles are asked for. Raises Failed with status 400."""
        text = self.text(name)
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise invalid(f"{name} argument is invalid")
        return int(text)

    def read(self, kind: type[T]) -> T:
        """The body as `kind`. Raises Failed with status 400, naming the field."""
        try:
            if CAMEL_KEY.search(self.body) is None:
                return msgspec.json.decode(self.body or b"{}", type=kind)
            return msgspec.convert(_snake_names(msgspec.json.decode(self.body)), kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a wrong type is of the first
            raise invalid(str(error)) from None
        except RecursionError:
            raise invalid(TOO_DEEP) from None

    def row(self) -> Row:
        """The body as plain JSON, for echoing. Raises Failed with status 400.

        A body that is echoed, and perhaps kept, must be flat enough to be written again anywhere.
        """
        row: Any = self.read(object)
        if _is_deeper(row, NESTED_MAX):
            raise invalid(TOO_DEEP)
        return row if isinstance(row, dict) else {}


def camel(name: str) -> str:
    """`client_order_id` as `clientOrderId`."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _snake_names(value: Any) -> Any:
    """The same with every name of an object in snake_case. Raises Failed: a name is given in both spellings."""
    if isinstance(value, list):
        return [_snake_names(item) for item in value]
    if not isinstance(value, dict):
        return value
    row: Row = {}
    for name, item in value.items():
        snake = (
            CAPITAL.sub(lambda found: f"_{found[0].lower()}", name) if name[:1].islower() else name
        )
        if snake in row:
            raise invalid(f"{snake[:40]} is given twice")
        row[snake] = _snake_names(item)
    return row


def decimal_of(name: str, text: str) -> Decimal:
    """The number that a field has as text. Raises Failed with status 400."""
    try:
        return amount(text)
    except ValueError as error:
        raise invalid(f"{name}: {error}") from None


def _is_deeper(value: object, levels: int) -> bool:
    """Whether there are more than so many containers one within the other; looks no further."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)
