"""From an order_configuration to `Terms`, or to Coinbase's reason why not. No I/O.

Source: Coinbase Advanced Trade API, "Create Order"; a new kind takes a row of `KINDS`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sidecar.core.vocabulary.money import ZERO, amount
from sidecar.paper.venue import refusal
from sidecar.paper.venue.order import Bracket, Terms
from sidecar.paper.venue.refusal import Refusal


class Refused(Exception):
    """An order is not taken; `refusal` says why, in Coinbase's words."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.message)
        self.refusal = why


class Kind(NamedTuple):
    """The meaning of one key of order_configuration."""

    order_type: str
    time_in_force: str
    stop_field: str = ""
    limited: bool = True


GTC: Final = "GOOD_UNTIL_CANCELLED"
GTD: Final = "GOOD_UNTIL_DATE_TIME"
IOC: Final = "IMMEDIATE_OR_CANCEL"
FOK: Final = "FILL_OR_KILL"
STOP_DIRECTIONS: Final = {"STOP_DIRECTION_STOP_UP": True, "STOP_DIRECTION_STOP_DOWN": False}

KINDS: Final[dict[str, Kind]] = {
    "market_market_ioc": Kind("MARKET", IOC, limited=False),
    "market_market_fok": Kind("MARKET", FOK, limited=False),
    "sor_limit_ioc": Kind("LIMIT", IOC),
    "limit_limit_gtc": Kind("LIMIT", GTC),
    "limit_limit_gtd": Kind("LIMIT", GTD),
    "limit_limit_fok": Kind("LIMIT", FOK),
    "stop_limit_stop_limit_gtc": Kind("STOP_LIMIT", GTC, "stop_price"),
    "stop_limit_stop_limit_gtd": Kind("STOP_LIMIT", GTD, "stop_price"),
    "trigger_bracket_gtc": Kind("BRACKET", GTC, "stop_trigger_price"),
    "trigger_bracket_gtd": Kind("BRACKET", GTD, "stop_trigger_price"),
}

POST_ONLY_KINDS: Final = frozenset(
    {"limit_limit_gtc", "limit_limit_gtd"}
)  # others have no such key


def without_nulls(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """An order_configuration without its null members, which have no meaning.

    An echo must have none: Coinbase's own SDK unpacks every member that is there.
    """
    return {
        name: {key: value for key, value in fields.items() if value is not None}
        if isinstance(fields, Mapping)
        else fields
        for name, fields in configuration.items()
        if fields is not None
    }


def odd_post_only(configuration: Mapping[str, Any]) -> bool:
    """Whether post_only is there and neither true nor false: to guess would be to trade on it."""
    members = (configuration.get(name) for name in POST_ONLY_KINDS)
    return any(
        isinstance(fields, Mapping) and not isinstance(fields.get("post_only", False), bool)
        for fields in members
    )


def read_terms(configuration: Mapping[str, Any]) -> Terms:
    """The terms of an order_configuration as `without_nulls` gives it, before any product is known.

    Raises Refused: not exactly one known kind, no size or two, a number that is none, a stop
    without direction, a GTD order without a readable end, a post_only neither true nor false.
    """
    if len(configuration) != 1:
        raise Refused(refusal.INVALID_CONFIGURATION)
    ((name, fields),) = configuration.items()
    kind = KINDS.get(name)
    if kind is None:
        raise Refused(refusal.UNSUPPORTED)
    if not isinstance(fields, Mapping) or odd_post_only(configuration):
        raise Refused(refusal.INVALID_CONFIGURATION)
    size, quote_size = _number(fields, "base_size"), _number(fields, "quote_size")
    if (size is None) == (quote_size is None):
        raise Refused(refusal.INVALID_CONFIGURATION)
    if quote_size is not None and quote_size <= 0:
        raise Refused(refusal.QUOTE_TOO_SMALL)
    stop_up = False
    if kind.order_type == "STOP_LIMIT":
        direction = fields.get("stop_direction")
        if not isinstance(direction, str) or direction not in STOP_DIRECTIONS:
            raise Refused(refusal.STOP_DIRECTION)
        stop_up = STOP_DIRECTIONS[direction]
    return Terms(
        kind=name,
        order_type=kind.order_type,
        time_in_force=kind.time_in_force,
        size=size if size is not None else ZERO,
        quote_size=quote_size if quote_size is not None else ZERO,
        limit_price=_price(fields, "limit_price", refusal.LIMIT_PRICE) if kind.limited else ZERO,
        stop_price=_price(fields, kind.stop_field, refusal.STOP_PRICE) if kind.stop_field else ZERO,
        stop_up=stop_up,
        post_only=name in POST_ONLY_KINDS and fields.get("post_only", False),
        end_at=_time(fields.get("end_time")) if kind.time_in_force == GTD else None,
    )


def read_bracket(attached: Mapping[str, Any]) -> Bracket:
    """The bracket attached to an entry order. Raises Refused."""
    attached = without_nulls(attached)
    fields = attached.get("trigger_bracket_gtc")
    if len(attached) != 1 or not isinstance(fields, Mapping):
        raise Refused(refusal.ATTACHED)
    if fields.get("base_size") not in (None, ""):
        raise Refused(refusal.ATTACHED_SIZE)
    return Bracket(
        _price(fields, "limit_price", refusal.ATTACHED),
        _price(fields, "stop_trigger_price", refusal.ATTACHED),
    )


def _number(fields: Mapping[str, Any], name: str) -> Decimal | None:
    text = fields.get(name)
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise Refused(refusal.NOT_A_NUMBER)
    try:
        return amount(text)
    except ValueError:
        raise Refused(refusal.NOT_A_NUMBER) from None


def _price(fields: Mapping[str, Any], name: str, why: Refusal) -> Decimal:
    price = _number(fields, name)
    if price is None or price <= 0:
        raise Refused(why)
    return price


def _time(text: object) -> datetime:
    if isinstance(text, str):
        try:
            when = datetime.fromisoformat(text)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # no time, or one beyond the calendar once in UTC
            raise Refused(refusal.END_TIME_MISSING) from None
    raise Refused(refusal.END_TIME_MISSING)
