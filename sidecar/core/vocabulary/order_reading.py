"""From a create-order body to an `Order`: its reader for each kind, and all faults of one that cannot be read. No I/O.

Source: Coinbase Advanced Trade API, "Create Order". `order_body.py` holds the shapes, this module
their meaning at worst: the size that may trade and the prices it may trade at.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Raw
from msgspec.structs import astuple, replace

from sidecar.core.vocabulary import order_body as shapes
from sidecar.core.vocabulary.money import ONE, ZERO, amount, readable
from sidecar.core.vocabulary.order_body import (
    DECODER,
    ID_CHARACTERS_MAX,
    KINDS,
    UNREAD,
    UNREAD_CHARACTERS_MAX,
    OrderBody,
)
from sidecar.core.vocabulary.orders import (
    BRACKETS,
    BUY,
    SELL,
    WHOLE,
    InvalidOrder,
    Order,
    is_identifier,
)

# A triggered bracket sends a limit order up to 5 % beyond its trigger (Coinbase, "Bracket orders").
BRACKET_SLIPPAGE: Final = Decimal("0.05")
WORDS_MAX: Final = 200  # of a decoder, which may repeat its input
STOP_DIRECTIONS: Final = (None, "", "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN")
NUMBERS: Final = ("base_size", "quote_size", "limit_price", "ceiling_price", "stop_price")


def parse_order(body: Any) -> Order:
    """Read a create-order body: JSON as bytes or text, a dict, or an OrderBody. Raises
    InvalidOrder.
    """
    try:
        match body:
            case bytes() | str():
                read = DECODER.decode(body)
            case OrderBody():
                read = body
            case dict():
                unread = {n: Raw(msgspec.json.encode(body[n])) for n in UNREAD if n in body}
                read = msgspec.convert(body | unread, OrderBody)
            case _:
                read = msgspec.convert(body, OrderBody)
    except msgspec.ValidationError as fault:
        raise InvalidOrder([_explained(str(fault))]) from None
    except (msgspec.MsgspecError, TypeError, UnicodeError, RecursionError) as fault:
        raise InvalidOrder(
            [("INVALID_ORDER", f"the order is not JSON: {str(fault)[:WORDS_MAX]}")]
        ) from None
    if not (read.client_order_id.isprintable() and read.product_id.isprintable()):
        raise InvalidOrder([("INVALID_ORDER", "client_order_id and product_id must be printable")])
    given = [kind for kind in astuple(read.order_configuration) if kind is not None]
    if len(given) != 1:
        text = "order_configuration: exactly one kind of order is needed in it"
        raise InvalidOrder([("INVALID_ORDER", text)])
    faults: list[tuple[str, str]] = []
    (terms,) = given
    kind, reader = READERS[type(terms)]
    order = reader(_Reader(read, kind, terms, faults), terms)
    if read.leverage:
        _positive("leverage", read.leverage, faults)
    if faults:
        raise InvalidOrder(faults)
    return order


def stated_id(body: Any) -> str:
    """The client_order_id of a body that could not be read as an order, where it can be told."""
    if isinstance(body, bytes | str):
        try:
            body = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return ""
    name = body.get("client_order_id") if isinstance(body, dict) else None
    return name[:ID_CHARACTERS_MAX] if isinstance(name, str) else ""


def checked_order(order: Order) -> Order:
    """An `Order` that a program built itself, held to the same rules. Raises InvalidOrder."""
    try:
        typed = msgspec.convert(msgspec.to_builtins(order), Order)
    except (msgspec.ValidationError, TypeError, OverflowError) as fault:
        raise InvalidOrder([_explained(str(fault))]) from None
    faults: list[tuple[str, str]] = []
    named = [(name, getattr(typed, name)) for name in NUMBERS]
    named += [("prices", price) for price in typed.prices]
    named += [("sizes", size) for size in typed.sizes]
    for name, number in named:
        if number is not None:
            _positive(name, str(number), faults)
    loose = [n for n in NUMBERS if not isinstance(getattr(order, n), Decimal | None)]
    faults += [("INVALID_ORDER", f"{name}: a Decimal is needed") for name in loose]
    if (typed.base_size is None) == (typed.quote_size is None):
        faults.append(("INVALID_ORDER", "give exactly one of base_size and quote_size"))
    for name, text in (
        ("client_order_id", typed.client_order_id),
        ("product_id", typed.product_id),
    ):
        if not is_identifier(text, ID_CHARACTERS_MAX):
            faults.append(
                ("INVALID_ORDER", f"{name}: 1 to {ID_CHARACTERS_MAX} printable characters")
            )
    if typed.end_time is not None and typed.end_time.tzinfo is None:
        faults.append(("INVALID_ORDER", "end_time: give an aware time, in UTC"))
    faults += _of_kind(typed)
    if faults:
        raise InvalidOrder(faults)
    prices = [price for price in (typed.limit_price, *typed.prices) if price is not None]
    return replace(typed, ceiling_price=max(prices, default=None))


def _of_kind(order: Order) -> list[tuple[str, str]]:
    """Its faults as an order of its kind."""
    if order.kind not in KINDS:
        text = f"{order.kind} cannot be valued; the known kinds are {', '.join(KINDS)}"
        return [("UNSUPPORTED_ORDER_TYPE", text)]
    if order.kind in BRACKETS and len(order.prices) != 2:
        return [("INVALID_ORDER", "prices: a bracket needs its limit price and its trigger")]
    return []


def _explained(fault: str) -> tuple[str, str]:
    """Msgspec's word for a fault, as a code and a sentence with the mend."""
    what, _, path = fault.rpartition(" - at `$") if " - at `$" in fault else (fault, "", "")
    what, where = what[:WORDS_MAX], path.strip("`.").removeprefix(".")[:WORDS_MAX]
    if where.endswith("order_configuration") and "unknown field" in what:
        return (
            "UNSUPPORTED_ORDER_TYPE",
            f"{what} in it cannot be valued; the known kinds are {', '.join(KINDS)}",
        )
    if "unknown field" in what:
        what += ", which could change the order's meaning; remove it"
    elif "`str" in what and ("got `int`" in what or "got `float`" in what):
        what += '; write it as a string, as Coinbase wants numbers: "0.1"'
    return "INVALID_ORDER", f"{where}: {what}" if where else what


class _Reader:
    """The body being read, and the faults found so far. `head` are the first fields of its
    Order.
    """

    __slots__ = ("faults", "head", "side")

    def __init__(
        self, body: OrderBody, kind: str, given: Any, faults: list[tuple[str, str]]
    ) -> None:
        attached = body.attached_order_configuration is not None
        extras = body.extras
        if len(extras) > UNREAD_CHARACTERS_MAX:
            text = f"what is only passed on has more than {UNREAD_CHARACTERS_MAX} characters"
            faults.append(("INVALID_ORDER", text))
            extras = ""
        if kind not in WHOLE:
            extras += repr(given)
        self.side = body.side
        self.head = (body.client_order_id, body.product_id, body.side, kind, attached, extras)
        self.faults = faults

    def fault(self, message: str) -> None:
        self.faults.append(("INVALID_ORDER", message))

    def number(self, name: str, text: str) -> Decimal:
        return _positive(name, text, self.faults)

    def sizes(self, base: str | None, quote: str | None) -> tuple[Decimal | None, Decimal | None]:
        """Exactly one of base_size and quote_size; an empty string is none."""
        if bool(base) == bool(quote):
            self.fault(
                "base_size and quote_size are both given; send one"
                if base
                else "base_size or quote_size is missing"
            )
        return (
            _positive("base_size", base, self.faults) if base else None,
            _positive("quote_size", quote, self.faults) if quote else None,
        )

    def moment(self, name: str, text: str) -> datetime:
        try:
            when = datetime.fromisoformat(text)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fault(f"{name}: {text[:40]!r} is not a time; write it like 2026-11-22T13:00:00Z")
            return datetime.max.replace(tzinfo=UTC)


def _positive(name: str, text: str, faults: list[tuple[str, str]]) -> Decimal:
    try:
        value = amount(text)
    except ValueError as fault:
        faults.append(("INVALID_ORDER", f"{name}: {fault}"))
        return ONE  # never used: the fault refuses the order
    if value <= ZERO:
        faults.append(("INVALID_ORDER", f"{name}: {text} is not above zero"))
        return ONE
    return value


def _market(read: _Reader, given: Any) -> Order:
    base, quote = read.sizes(given.base_size, given.quote_size)
    if quote is not None and read.side == SELL:
        read.fault("quote_size: Coinbase takes it on market buys only; send base_size")
    return Order(*read.head, base_size=base, quote_size=quote)


def _limit(read: _Reader, given: Any, end_time: datetime | None = None) -> Order:
    base, quote = read.sizes(given.base_size, given.quote_size)
    price = read.number("limit_price", given.limit_price)
    return Order(
        *read.head,
        base_size=base,
        quote_size=quote,
        limit_price=price,
        ceiling_price=price,
        post_only=getattr(given, "post_only", None) is True,
        end_time=end_time,
    )


def _limit_until(read: _Reader, given: Any) -> Order:
    return _limit(read, given, read.moment("end_time", given.end_time))


def _twap(read: _Reader, given: Any) -> Order:
    start = read.moment("start_time", given.start_time)
    end = read.moment("end_time", given.end_time)
    if start >= end:
        read.fault("start_time is not before end_time")
    return _limit(read, given, end)


def _stop_limit(read: _Reader, given: Any, end_time: datetime | None = None) -> Order:
    if given.stop_direction not in STOP_DIRECTIONS:
        read.fault(f"stop_direction: {STOP_DIRECTIONS[2]} or {STOP_DIRECTIONS[3]} is needed")
    price = read.number("limit_price", given.limit_price)
    return Order(
        *read.head,
        base_size=read.number("base_size", given.base_size),
        limit_price=price,
        ceiling_price=price,
        stop_price=read.number("stop_price", given.stop_price),
        end_time=end_time,
    )


def _stop_limit_until(read: _Reader, given: Any) -> Order:
    return _stop_limit(read, given, read.moment("end_time", given.end_time))


def _bracket(read: _Reader, given: Any, end_time: datetime | None = None) -> Order:
    """Trades at limit_price, or up to 5 % beyond stop_trigger_price once that trades."""
    limit = read.number("limit_price", given.limit_price)
    stop = read.number("stop_trigger_price", given.stop_trigger_price)
    buys = read.side == BUY
    beyond = stop * (ONE + BRACKET_SLIPPAGE if buys else ONE - BRACKET_SLIPPAGE)
    return Order(
        *read.head,
        base_size=read.number("base_size", given.base_size),
        limit_price=max(limit, beyond) if buys else min(limit, beyond),
        ceiling_price=max(limit, beyond),
        stop_price=stop,
        prices=(limit, stop),
        end_time=end_time,
    )


def _bracket_until(read: _Reader, given: Any) -> Order:
    return _bracket(read, given, read.moment("end_time", given.end_time))


def _scaled(read: _Reader, given: Any) -> Order:
    """A ladder of limit orders: its whole size between min_price and max_price, or its rungs one by
    one.
    """
    if given.orders:
        return _ladder(read, given)
    base, quote = read.sizes(given.base_size, given.quote_size)
    if not given.min_price or not given.max_price:
        read.fault("min_price and max_price are needed")
    low, high = (
        read.number("min_price", given.min_price or "1"),
        read.number("max_price", given.max_price or "1"),
    )
    if low > high:
        read.fault("min_price is above max_price")
    return Order(
        *read.head,
        base_size=base,
        quote_size=quote,
        limit_price=high if read.side == BUY else low,
        ceiling_price=high,
        prices=(low, high),
    )


def _ladder(read: _Reader, given: Any) -> Order:
    sizes = tuple(read.number("orders.base_size", rung.base_size) for rung in given.orders)
    prices = tuple(read.number("orders.limit_price", rung.limit_price) for rung in given.orders)
    total = sum(sizes, ZERO)
    if given.quote_size or any(rung.quote_size for rung in given.orders):
        read.fault("quote_size: rungs in orders are sized in base; remove it")
    if given.base_size and read.number("base_size", given.base_size) != total:
        read.fault(f"base_size: the rungs in orders add up to {readable(total)}")
    return Order(
        *read.head,
        base_size=total,
        limit_price=max(prices) if read.side == BUY else min(prices),
        ceiling_price=max(prices),
        prices=prices,
        sizes=sizes,
    )


READERS: Final[dict[type, tuple[str, Callable[[_Reader, Any], Order]]]] = {
    shapes.Market: ("market_market_ioc", _market),
    shapes.MarketFok: ("market_market_fok", _market),
    shapes.SorLimit: ("sor_limit_ioc", _limit),
    shapes.RestingLimit: ("limit_limit_gtc", _limit),
    shapes.LimitUntil: ("limit_limit_gtd", _limit_until),
    shapes.LimitFok: ("limit_limit_fok", _limit),
    shapes.Twap: ("twap_limit_gtd", _twap),
    shapes.StopLimit: ("stop_limit_stop_limit_gtc", _stop_limit),
    shapes.StopLimitUntil: ("stop_limit_stop_limit_gtd", _stop_limit_until),
    shapes.Bracket: ("trigger_bracket_gtc", _bracket),
    shapes.BracketUntil: ("trigger_bracket_gtd", _bracket_until),
    shapes.Scaled: ("scaled_limit_gtc", _scaled),
}
