"""The create-order JSON that a bot POSTs to Coinbase, as types: the fields that may stand in it,
and no others. No I/O.

Source: Coinbase Advanced Trade API, "Create Order". The body judged is the body sent, so a key that
is not known here could change the order's meaning and is refused by name. Numbers stay text until
`order_reading.py` has bounded them.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import astuple

ID_CHARACTERS_MAX: Final = (
    128  # Coinbase documents none; UUIDs (36) and strings to about 64 are in use
)
SCALED_ORDERS_MAX: Final = 1_000
UNREAD_CHARACTERS_MAX: Final = (
    4_096  # of all that is only passed on; the known fields have a hundred
)

Side = Literal["BUY", "SELL"]
Identifier = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
Number = str | None


class _Configuration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys that Coinbase echoes in every configuration and that no worst case depends on."""

    reduce_only: bool | None = None
    rfq_enabled: bool | None = None
    rfq_disabled: bool | None = None


class Market(_Configuration, frozen=True, kw_only=True):
    base_size: Number = None
    quote_size: Number = None


class MarketFok(Market, frozen=True, kw_only=True):
    pass


class Limit(_Configuration, frozen=True, kw_only=True):
    limit_price: str
    base_size: Number = None
    quote_size: Number = None


class SorLimit(Limit, frozen=True, kw_only=True):
    pass


class LimitFok(Limit, frozen=True, kw_only=True):
    pass


class RestingLimit(Limit, frozen=True, kw_only=True):
    post_only: bool | None = None


class LimitUntil(RestingLimit, frozen=True, kw_only=True):
    end_time: str


class Twap(Limit, frozen=True, kw_only=True):
    start_time: str
    end_time: str
    number_buckets: str | int | None = None
    bucket_size: Number = None
    bucket_duration: str | None = None


class StopLimit(_Configuration, frozen=True, kw_only=True):
    base_size: str
    limit_price: str
    stop_price: str
    stop_direction: str | None = None


class StopLimitUntil(StopLimit, frozen=True, kw_only=True):
    end_time: str


class Bracket(_Configuration, frozen=True, kw_only=True):
    base_size: str
    limit_price: str
    stop_trigger_price: str


class BracketUntil(Bracket, frozen=True, kw_only=True):
    end_time: str


class Rung(_Configuration, frozen=True, kw_only=True):
    base_size: str
    limit_price: str
    quote_size: Number = None
    post_only: bool | None = None


class Scaled(_Configuration, frozen=True, kw_only=True):
    orders: Annotated[list[Rung], Meta(max_length=SCALED_ORDERS_MAX)] | None = None
    base_size: Number = None
    quote_size: Number = None
    num_orders: str | int | None = None
    min_price: Number = None
    max_price: Number = None
    price_distribution: str | None = None
    size_distribution: str | None = None
    size_diff: Number = None
    size_ratio: Number = None


class Configuration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exactly one of these is given, each kind with a type of its own.

    A new kind takes a line here, a reader in `order_reading.py`, and its test.
    """

    limit_limit_gtc: RestingLimit | None = None
    market_market_ioc: Market | None = None
    sor_limit_ioc: SorLimit | None = None
    limit_limit_gtd: LimitUntil | None = None
    limit_limit_fok: LimitFok | None = None
    market_market_fok: MarketFok | None = None
    stop_limit_stop_limit_gtc: StopLimit | None = None
    stop_limit_stop_limit_gtd: StopLimitUntil | None = None
    trigger_bracket_gtc: Bracket | None = None
    trigger_bracket_gtd: BracketUntil | None = None
    twap_limit_gtd: Twap | None = None
    scaled_limit_gtc: Scaled | None = None


class AttachedBracket(_Configuration, frozen=True, kw_only=True):
    limit_price: str | None = None
    stop_trigger_price: str | None = None


class Attached(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A take-profit and stop-loss that a fill brings to life. Coinbase takes no size for it: it is the fill's."""

    trigger_bracket_gtc: AttachedBracket


ABSENT: Final = Raw(b"")


class OrderBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of a create-order call. Fields that no worst case depends on are taken as they come;
    objects among them stay the bytes that came: they are not parsed, however deep they are.
    """

    client_order_id: Identifier
    product_id: Identifier
    side: Side
    order_configuration: Configuration
    leverage: Number = None
    margin_type: str | None = None
    preview_id: str | None = None
    attached_order_configuration: Attached | None = None
    retail_portfolio_id: str | None = None
    sor_preference: str | None = None
    self_trade_prevention_id: str | None = None
    prediction_metadata: Raw = ABSENT
    equity_order_metadata: Raw = ABSENT
    cost_basis_method: Raw = ABSENT

    @property
    def extras(self) -> str:
        """The fields that are not part of the worst case, as text: two bodies that differ there are
        two bodies.
        """
        extras = tuple(_as_text(part) if type(part) is Raw else part for part in astuple(self)[4:])
        return "" if extras.count(None) == len(extras) else repr(extras)


def _as_text(part: Raw) -> str | None:
    given = bytes(part)
    return None if given in {b"", b"null"} else given.decode(errors="backslashreplace")


class PlainLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resting limit order that says no more than it must."""

    base_size: str
    limit_price: str
    post_only: bool = False


class PlainConfiguration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit_limit_gtc: PlainLimit


class PlainBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nearly every order: read by itself it takes half the time. Any other body is an `OrderBody`."""

    client_order_id: Identifier
    product_id: Identifier
    side: Side
    order_configuration: PlainConfiguration


KINDS: Final = Configuration.__struct_fields__
UNREAD: Final = ("prediction_metadata", "equity_order_metadata", "cost_basis_method")
DECODER: Final = msgspec.json.Decoder(OrderBody)
PLAIN_DECODER: Final = msgspec.json.Decoder(PlainBody)
