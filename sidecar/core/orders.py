"""Orders as a bot writes them: every Coinbase order_configuration becomes one `Order`. No I/O.

Source: Coinbase Advanced Trade API, "Create Order". An order is read from the very JSON that the
bot will POST, so what is judged is what is sent; a key that is not known here could change the
order's meaning and is refused.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import Struct

from sidecar.core.money import ONE, ZERO, amount

Side = Literal["BUY", "SELL"]
BUY: Final = "BUY"
SELL: Final = "SELL"
OPPOSITE: Final[dict[Side, Side]] = {"BUY": "SELL", "SELL": "BUY"}

ID_CHARACTERS_MAX: Final = (
    128  # Coinbase documents none; UUIDs (36) and free strings to about 64 are in use
)
SCALED_ORDERS_MAX: Final = 1_000
# A triggered bracket sends a limit order up to 5 % beyond its trigger (Coinbase, "Bracket orders").
BRACKET_SLIPPAGE: Final = Decimal("0.05")

BODY_KEYS: Final = frozenset(
    [
        "client_order_id",
        "product_id",
        "side",
        "order_configuration",
        "leverage",
        "margin_type",
        "preview_id",
        "attached_order_configuration",
        "retail_portfolio_id",
        "sor_preference",
        "self_trade_prevention_id",
        "prediction_metadata",
        "equity_order_metadata",
        "cost_basis_method",
    ]
)
# Keys that Coinbase echoes inside a configuration and that no worst case depends on.
INERT_KEYS: Final = frozenset(["reduce_only", "rfq_enabled", "rfq_disabled"])


class Order(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order not yet sent. Sizes in the product's base units (contracts for futures), prices in
    quote currency.

    `limit_price` is the most aggressive price it may trade at and `ceiling_price` the highest; both
    None for a market order. Exactly one of `base_size` and `quote_size` is set. `stop_price` is the
    trigger of stop and bracket orders. Attached take-profit and stop-loss orders are children that
    only reduce: `attached` notes them.
    """

    client_order_id: str
    product_id: str
    side: Side
    kind: str
    base_size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    ceiling_price: Decimal | None = None
    stop_price: Decimal | None = None
    prices: tuple[Decimal, ...] = ()
    sizes: tuple[Decimal, ...] = ()
    post_only: bool = False
    end_time: datetime | None = None
    attached: bool = False

    @property
    def is_market(self) -> bool:
        return self.limit_price is None

    @property
    def rests(self) -> bool:
        """Whether it can lie on the book at its limit price from the start (a stop lies nowhere
        until triggered).
        """
        return self.kind in RESTING


class InvalidOrder(ValueError):
    """An order that cannot be read. `faults` are (code, message) pairs, every one found."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(message for _, message in faults))
        self.faults = faults


class _Reader:
    """Collects the fields of one order body and every fault in them."""

    __slots__ = ("faults", "row")

    def __init__(self, row: Mapping[str, Any], faults: list[tuple[str, str]]) -> None:
        self.row = row
        self.faults = faults

    def fault(self, message: str) -> None:
        self.faults.append(("INVALID_ORDER", message))

    def number(self, name: str) -> Decimal | None:
        """A number that, where given, must be written as a string and be above zero."""
        text = self.row.get(name)
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            self.fault(f'{name}: write it as a string, as Coinbase wants it: "{name}": "0.1"')
            return None
        try:
            value = amount(text)
        except ValueError as fault:
            self.fault(f"{name}: {fault}")
            return None
        if value <= ZERO:
            self.fault(f"{name}: {text} is not above zero")
            return None
        return value

    def needed(self, name: str) -> Decimal:
        value = self.number(name)
        if value is None:
            if self.row.get(name) in (None, ""):
                self.fault(f"{name} is missing")
            return ONE  # never used: the fault refuses the order
        return value

    def text(self, name: str) -> str:
        value = self.row.get(name)
        if not isinstance(value, str) or not value or len(value) > ID_CHARACTERS_MAX:
            self.fault(f"{name}: a string of 1 to {ID_CHARACTERS_MAX} characters is needed")
            return ""
        return value

    def flag(self, name: str) -> bool:
        value = self.row.get(name)
        if value is not None and not isinstance(value, bool):
            self.fault(f"{name}: true or false is needed, without quotes")
        return value is True

    def moment(self, name: str) -> datetime | None:
        text = self.row.get(name)
        try:
            when = datetime.fromisoformat(text)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            self.fault(f"{name}: a time such as 2026-11-22T13:00:00Z is needed")
            return None
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)

    def sizes(self, fields: dict[str, Any], *, base_only: bool = False) -> None:
        """Exactly one of base_size and quote_size."""
        base, quote = self.number("base_size"), self.number("quote_size")
        given = [
            name for name in ("base_size", "quote_size") if self.row.get(name) not in (None, "")
        ]
        if len(given) != 1:
            self.fault(
                "base_size and quote_size are both given; send one"
                if given
                else "a size is missing: base_size or quote_size"
            )
        elif base_only and quote is not None:
            self.fault("quote_size is not accepted here; send base_size")
        fields["base_size"], fields["quote_size"] = base, quote


def _market(read: _Reader, side: Side, fields: dict[str, Any]) -> None:
    # Coinbase takes quote_size on market buys only.
    read.sizes(fields, base_only=side == SELL)


def _limit(read: _Reader, _side: Side, fields: dict[str, Any]) -> None:
    read.sizes(fields)
    fields["limit_price"] = fields["ceiling_price"] = read.needed("limit_price")
    fields["post_only"] = read.flag("post_only")


def _limit_until(read: _Reader, side: Side, fields: dict[str, Any]) -> None:
    _limit(read, side, fields)
    fields["end_time"] = read.moment("end_time")


def _twap(read: _Reader, side: Side, fields: dict[str, Any]) -> None:
    _limit_until(read, side, fields)
    start, end = read.moment("start_time"), fields["end_time"]
    if start and end and start >= end:
        read.fault("start_time is not before end_time")


def _stop_limit(read: _Reader, _side: Side, fields: dict[str, Any]) -> None:
    read.sizes(fields, base_only=True)
    fields["limit_price"] = fields["ceiling_price"] = read.needed("limit_price")
    fields["stop_price"] = read.needed("stop_price")
    if read.row.get("stop_direction") not in (
        None,
        "",
        "STOP_DIRECTION_STOP_UP",
        "STOP_DIRECTION_STOP_DOWN",
    ):
        read.fault("stop_direction: STOP_DIRECTION_STOP_UP or STOP_DIRECTION_STOP_DOWN is needed")


def _stop_limit_until(read: _Reader, side: Side, fields: dict[str, Any]) -> None:
    _stop_limit(read, side, fields)
    fields["end_time"] = read.moment("end_time")


def _bracket(read: _Reader, side: Side, fields: dict[str, Any]) -> None:
    """Trades at limit_price, or up to 5 % beyond stop_trigger_price once that trades."""
    read.sizes(fields, base_only=True)
    limit, stop = read.needed("limit_price"), read.needed("stop_trigger_price")
    beyond = stop * (ONE + BRACKET_SLIPPAGE) if side == BUY else stop * (ONE - BRACKET_SLIPPAGE)
    fields["limit_price"] = max(limit, beyond) if side == BUY else min(limit, beyond)
    fields["ceiling_price"] = max(limit, beyond)
    fields["stop_price"] = stop
    fields["prices"] = (limit, stop)


def _bracket_until(read: _Reader, side: Side, fields: dict[str, Any]) -> None:
    _bracket(read, side, fields)
    fields["end_time"] = read.moment("end_time")


def _scaled(read: _Reader, side: Side, fields: dict[str, Any]) -> None:
    """A ladder of limit orders: its whole size between min_price and max_price, or its rungs one by
    one.
    """
    rungs = read.row.get("orders")
    if rungs:
        _ladder(read, side, fields, rungs)
        return
    read.sizes(fields)
    low, high = read.needed("min_price"), read.needed("max_price")
    if low > high:
        read.fault("min_price is above max_price")
    fields["limit_price"] = high if side == BUY else low
    fields["ceiling_price"] = high
    fields["prices"] = (low, high)


def _ladder(read: _Reader, side: Side, fields: dict[str, Any], rungs: Any) -> None:
    if (
        not isinstance(rungs, list)
        or len(rungs) > SCALED_ORDERS_MAX
        or not all(isinstance(r, Mapping) for r in rungs)
    ):
        read.fault(f"orders: a list of at most {SCALED_ORDERS_MAX} objects is needed")
        return
    steps = [_Reader(rung, read.faults) for rung in rungs]
    sizes = [step.needed("base_size") for step in steps]
    prices = [step.needed("limit_price") for step in steps]
    total = sum(sizes, ZERO)
    stated = read.number("base_size")
    if read.row.get("quote_size") not in (None, "") or (stated is not None and stated != total):
        read.fault(
            "base_size: the rungs in orders do not add up to it"
            if stated
            else "quote_size beside orders; send one"
        )
    fields["base_size"] = total
    fields["limit_price"] = max(prices) if side == BUY else min(prices)
    fields["ceiling_price"] = max(prices)
    fields["prices"], fields["sizes"] = tuple(prices), tuple(sizes)


class _Kind(Struct, frozen=True):
    read: Callable[[_Reader, Side, dict[str, Any]], None]
    keys: frozenset[str]


def _kind(read: Callable[[_Reader, Side, dict[str, Any]], None], keys: str) -> _Kind:
    return _Kind(read, frozenset(keys.split()) | INERT_KEYS)


# Every order_configuration that can be valued. A new one takes a reader, its keys here and its
# test.
KINDS: Final[dict[str, _Kind]] = {
    "market_market_ioc": _kind(_market, "base_size quote_size"),
    "market_market_fok": _kind(_market, "base_size quote_size"),
    "sor_limit_ioc": _kind(_limit, "base_size quote_size limit_price"),
    "limit_limit_gtc": _kind(_limit, "base_size quote_size limit_price post_only"),
    "limit_limit_gtd": _kind(_limit_until, "base_size quote_size limit_price post_only end_time"),
    "limit_limit_fok": _kind(_limit, "base_size quote_size limit_price"),
    "twap_limit_gtd": _kind(
        _twap,
        "base_size quote_size limit_price start_time end_time number_buckets bucket_size bucket_duration",
    ),
    "stop_limit_stop_limit_gtc": _kind(
        _stop_limit, "base_size limit_price stop_price stop_direction"
    ),
    "stop_limit_stop_limit_gtd": _kind(
        _stop_limit_until, "base_size limit_price stop_price stop_direction end_time"
    ),
    "trigger_bracket_gtc": _kind(_bracket, "base_size limit_price stop_trigger_price"),
    "trigger_bracket_gtd": _kind(
        _bracket_until, "base_size limit_price stop_trigger_price end_time"
    ),
    "scaled_limit_gtc": _kind(
        _scaled,
        "orders base_size quote_size num_orders min_price max_price price_distribution size_distribution"
        " size_diff size_ratio",
    ),
}
RESTING: Final = frozenset(
    {"limit_limit_gtc", "limit_limit_gtd", "twap_limit_gtd", "scaled_limit_gtc"}
)


def parse_order(body: Mapping[str, Any]) -> Order:
    """Read a Coinbase create-order body. Raises InvalidOrder with every fault found."""
    if not isinstance(body, Mapping):
        raise InvalidOrder([("INVALID_ORDER", "the order is not a JSON object")])
    faults: list[tuple[str, str]] = []
    read = _Reader(body, faults)
    if not body.keys() <= BODY_KEYS:
        extra = ", ".join(sorted(repr(str(key)[:40]) for key in body.keys() - BODY_KEYS)[:5])
        read.fault(f"unknown key {extra}; remove it")
    side: Side = SELL if body.get("side") == SELL else BUY
    if body.get("side") != side:
        read.fault("side: BUY or SELL is needed")
    fields: dict[str, Any] = {
        "client_order_id": read.text("client_order_id"),
        "product_id": read.text("product_id"),
        "side": side,
        "attached": bool(body.get("attached_order_configuration")),
    }
    if "leverage" in body:
        read.number("leverage")
    _configuration(read, body.get("order_configuration"), side, fields)
    if faults:
        raise InvalidOrder(faults)
    return Order(**fields)


def _configuration(read: _Reader, outer: Any, side: Side, fields: dict[str, Any]) -> None:
    if not isinstance(outer, Mapping) or len(outer) != 1:
        read.fault("order_configuration: exactly one kind of order is needed in it")
        return
    ((name, inner),) = outer.items()
    kind = KINDS.get(name)
    if kind is None:
        known = ", ".join(KINDS)
        read.faults.append(
            (
                "UNSUPPORTED_ORDER_TYPE",
                f"{str(name)[:60]} cannot be valued; the known kinds are {known}",
            )
        )
        return
    if not isinstance(inner, Mapping):
        read.fault(f"order_configuration.{name}: an object is needed")
        return
    if not inner.keys() <= kind.keys:
        extra = ", ".join(sorted(repr(str(key)[:40]) for key in inner.keys() - kind.keys)[:5])
        read.fault(f"order_configuration.{name}: unknown key {extra}; remove it")
    fields["kind"] = name
    kind.read(_Reader(inner, read.faults), side, fields)
