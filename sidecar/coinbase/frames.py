"""Frames of Coinbase's websockets as facts. Pure; a frame is decoded once, typed.

Source: Coinbase Advanced Trade API, "WebSocket Channels", and frames as observed. Only the fields
that the core needs are read, and no field is relied on that a sparse frame may lack.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from sidecar.coinbase.reading import (
    TEXT_MAX,
    is_true,
    moment,
    moment_if_any,
    number,
    price,
    quantity,
    required,
    text,
)
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ZERO, amount
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.order_status import is_terminal

NOT_A_BOTS: Final = frozenset({"LIQUIDATION", "ROLLOPEN", "ROLLCLOSE"})  # Coinbase sends them
TRIGGERED: Final = "STOP_TRIGGERED"  # trigger_status of a stop that lies in the book now
# Orders of another product_type (a stock, an option, a prediction) are not counted here.
OURS: Final = frozenset({"", "UNKNOWN_PRODUCT_TYPE", "SPOT", "FUTURE"})
STOP_LIMIT: Final = "STOPLIMIT"  # as `order_type_of` writes it
NO_PRICE: Final = frozenset({None, "", "0"})
INSTANT: Final = frozenset({"IMMEDIATE_OR_CANCEL", "FILL_OR_KILL"})  # never rest in a book


class Envelope(Struct):
    """The fields of every frame; an error frame has `type` and `message` only."""

    channel: str = ""
    type: str = ""
    message: str = ""
    timestamp: str = ""
    sequence_num: int | None = None
    events: msgspec.Raw = msgspec.Raw(b"[]")


class TickerRow(Struct):
    """Best prices of a book, and the sizes offered at them, which `ticker_batch` lacks; `price`
    is the last trade's.
    """

    product_id: str = ""
    best_bid: str | None = None
    best_ask: str | None = None
    best_bid_quantity: Any = None
    best_ask_quantity: Any = None
    price: str | None = None


class TickerEvent(Struct):
    """One event of the ticker channel."""

    tickers: list[TickerRow] = []


class UserEvent(Struct):
    """`positions` is beta and may be null or empty: it is not read."""

    type: str = ""
    orders: list[dict[str, Any]] | None = None


class FuturesEvent(Struct):
    """One event of futures_balance_summary."""

    fcm_balance_summary: dict[str, Any] = {}


class AckEvent(Struct):
    """The content of an acknowledgement: the whole set, not the change."""

    subscriptions: dict[str, list[str]] = {}


_envelope: Final = msgspec.json.Decoder(Envelope).decode
_tickers: Final = msgspec.json.Decoder(list[TickerEvent]).decode
_users: Final = msgspec.json.Decoder(list[UserEvent]).decode
_futures: Final = msgspec.json.Decoder(list[FuturesEvent]).decode
_acks: Final = msgspec.json.Decoder(list[AckEvent]).decode


class Ticker(Struct, frozen=True):
    """A row of the ticker channel with both sides of a book, at the time it is of. Its numbers are text
    until they are asked for: in a busy market most rows give way to a newer one before that.
    """

    at: datetime
    row: TickerRow

    @property
    def product_id(self) -> str:
        return self.row.product_id

    def quote(self) -> ev.Quote | None:
        """The prices and sizes of the row; None where a price makes no sense: the book grows stale, as an
        unknown price should.
        """
        row = self.row
        try:
            bid, ask = amount(row.best_bid or ""), amount(row.best_ask or "")
            last = amount(row.price) if row.price else ZERO
        except ValueError:
            return None
        if bid <= ZERO or ask <= ZERO:
            return None
        return ev.Quote(
            product_id=row.product_id,
            bid=bid,
            ask=ask,
            at=self.at,
            last=last if last > ZERO else None,
            bid_size=offered(row.best_bid_quantity),
            ask_size=offered(row.best_ask_quantity),
        )


class Tickers(Struct, frozen=True):
    """The rows of a ticker frame, which came in at this time."""

    at: datetime
    rows: tuple[Ticker, ...]


class LevelNews(Struct, frozen=True):
    """A frame of the level2 channel, which came in at this time, with its events unread: a snapshot of a large book
    takes a tenth of a second to take in, so `levels` reads it in parts.
    """

    at: datetime
    events: msgspec.Raw


class Orders(Struct, frozen=True):
    """One event of the user channel. A snapshot is state, an update a change."""

    kind: Literal["snapshot", "update"]
    reports: tuple[ev.OrderReported, ...]
    faults: tuple[str, ...] = ()  # rows that could not be read, in words
    rows: int = 0  # how many were told, those among them that are not ours


class Subscribed(Struct, frozen=True):
    """The whole present set of subscriptions: channel → products, or the user's id."""

    channels: dict[str, list[str]]


class Refused(Struct, frozen=True):
    """Coinbase answered with an error frame."""

    message: str


News = Tickers | LevelNews | ev.FuturesSummaryRead | Orders  # the content that is for the core
FrameContent = News | Subscribed | Refused


def open_envelope(data: bytes | str) -> Envelope:
    """The frame without its events. Raises Untrusted for bytes that are no frame."""
    try:
        return _envelope(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Untrusted("a frame is not JSON of the shape of Coinbase's") from None


def said(envelope: Envelope, at: datetime) -> list[FrameContent]:
    """The content of the frame, in order; empty for heartbeats and channels that are not known.

    Raises Untrusted when the events are not of the channel's shape.
    """
    if envelope.type == "error":
        return [Refused(envelope.message)]
    read = READERS.get(envelope.channel)
    if read is None:
        return []
    try:
        return read(envelope, at)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Untrusted(f"a frame of {envelope.channel} is not of that channel's shape") from None


def _read_tickers(envelope: Envelope, at: datetime) -> list[FrameContent]:
    rows = tuple(
        [
            Ticker(at, row)
            for event in _tickers(envelope.events)
            for row in event.tickers
            if _has_both_sides(row)
        ]
    )
    return [Tickers(at, rows)] if rows else []


def _has_both_sides(row: TickerRow) -> bool:
    """A mark needs both; a book without one says "" or "0"."""
    return (
        row.best_bid not in NO_PRICE
        and row.best_ask not in NO_PRICE
        and 0 < len(row.product_id) <= TEXT_MAX
    )


def quotes_of(rows: Iterable[Ticker]) -> tuple[ev.Quote, ...]:
    """The quotes of those that can be read."""
    return tuple([quote for row in rows if (quote := row.quote()) is not None])


def offered(size: object) -> Decimal | None:
    """The size offered at a price; None where it is not known: the price stands without it."""
    try:
        found = price(size, "size")
    except Untrusted:
        return None
    return found if found is not None and found > ZERO else None


def _read_users(envelope: Envelope, at: datetime) -> list[FrameContent]:
    return [_orders(event, at) for event in _users(envelope.events)]


def _orders(event: UserEvent, at: datetime) -> Orders:
    reports, faults = [], []
    for row in event.orders or ():
        if not is_ours(row):
            continue  # a listing names it
        try:
            reports.append(order_report(row, at))
        except Untrusted as fault:
            faults.append(f"order {str(row.get('order_id', '?'))[:40]}: {fault}")
    kind: Literal["snapshot", "update"] = "snapshot" if event.type == "snapshot" else "update"
    return Orders(kind, tuple(reports), tuple(faults), rows=len(event.orders or ()))


def is_ours(row: Mapping[str, Any]) -> bool:
    """Whether a row is about a coin or a future, as far as it says."""
    kind = row.get("product_type")
    return not isinstance(kind, str) or kind in OURS


def order_report(row: dict[str, Any], at: datetime) -> ev.OrderReported:
    """One order of the user channel. Raises Untrusted, naming the field."""
    order_type = order_type_of(row)
    in_force = text(row.get("time_in_force"), "time_in_force")
    status, average = required(row, "status"), quantity(row.get("avg_price"), "avg_price")
    filled = filled_part(row, "cumulative_quantity", status, average)
    return ev.OrderReported(
        at=at,
        order_id=required(row, "order_id"),
        client_order_id=text(row.get("client_order_id"), "client_order_id"),
        product_id=required(row, "product_id"),
        side=side(row.get("order_side"), "order_side"),
        status=status,
        filled=filled,
        average_price=average,
        fees=quantity(row.get("total_fees"), "total_fees"),
        leaves=number(row.get("leaves_quantity"), "leaves_quantity"),
        limit_price=price(row.get("limit_price"), "limit_price"),
        stop_price=price(row.get("stop_price"), "stop_price"),
        rests=order_type != "MARKET" and in_force not in INSTANT,
        created_at=moment_if_any(row.get("creation_time")),
        parent_id=text(row.get("originating_order_id"), "originating_order_id"),
        child_id=text(row.get("attached_order_id"), "attached_order_id"),
        is_market=order_type == "MARKET",
        by_coinbase=order_type in NOT_A_BOTS or is_true(row.get("is_liquidation")),
        triggered=row.get("trigger_status") == TRIGGERED,
        is_stop=order_type == STOP_LIMIT,
    )


def order_type_of(row: Mapping[str, Any]) -> str:
    """The order_type, which the channel writes "Stop Limit" and REST "STOP_LIMIT", as STOPLIMIT."""
    written = text(row.get("order_type"), "order_type")
    return written.upper().replace(" ", "").replace("_", "")


def side(value: object, name: str) -> Side:
    """BUY or SELL. Raises Untrusted for every other value."""
    if value == "BUY":
        return "BUY"
    if value == "SELL":
        return "SELL"
    raise Untrusted(f"{name} is neither BUY nor SELL")


def filled_part(row: Mapping[str, Any], name: str, status: str, average: Decimal) -> Decimal:
    """How much of an order is filled, as far as it says: of an open one more may be known already. Raises
    Untrusted where more is certain: of an order that is filled or has an average price, and of one that ended
    and does not say.
    """
    told = row.get(name)
    filled = number(told, name) or ZERO
    unsaid = told is None and is_terminal(status)
    if unsaid or (not filled and (average or status == "FILLED")):
        raise Untrusted(f"{name} is missing")
    return filled


def _read_futures(envelope: Envelope, at: datetime) -> list[FrameContent]:
    stamp = _stamp(envelope)
    return [
        futures_summary(event.fcm_balance_summary, at, told_at=stamp)
        for event in _futures(envelope.events)
    ]


def _stamp(envelope: Envelope) -> datetime | None:
    """Coinbase's own time of a frame; None where it makes no sense: that spoils no balance."""
    try:
        return moment(envelope.timestamp, "timestamp")
    except Untrusted:
        return None


def futures_summary(
    row: Mapping[str, Any],
    at: datetime,
    fills_until: datetime | None = None,
    told_at: datetime | None = None,
) -> ev.FuturesSummaryRead:
    """The futures wallet; scalars are bare on the websocket, Amounts over REST. `funding_pnl` is told
    over REST alone. Raises Untrusted where the wallet is not told: no figure is not zero.
    """

    def told(name: str) -> Decimal | None:
        value = row.get(name)
        figure = value.get("value") if isinstance(value, dict) else value
        return number(figure, f"futures summary: {name}")

    wallet = told("cfm_usd_balance")
    if wallet is None:
        raise Untrusted("the futures summary has no cfm_usd_balance")

    return ev.FuturesSummaryRead(
        at=at,
        wallet=wallet,
        buying_power=max(ZERO, told("futures_buying_power") or ZERO),
        liquidation_buffer_percentage=told("liquidation_buffer_percentage") or ZERO,
        funding_pnl=told("funding_pnl"),
        spot_cash=told("cbi_usd_balance"),
        fills_until=fills_until,
        told_at=told_at,
        initial_margin=told("initial_margin"),
    )


def _read_levels(envelope: Envelope, at: datetime) -> list[FrameContent]:
    return [LevelNews(at, envelope.events)]


def _read_acks(envelope: Envelope, _at: datetime) -> list[FrameContent]:
    return [Subscribed(event.subscriptions) for event in _acks(envelope.events)]


READERS: Final = {
    "ticker": _read_tickers,
    "l2_data": _read_levels,
    "user": _read_users,
    "futures_balance_summary": _read_futures,
    "subscriptions": _read_acks,
}

# The channels of each feed, in the order that they are asked for. Coinbase may refuse the optional ones: not every
# account has futures.
USER_CHANNELS: Final = ("heartbeats", "user", "futures_balance_summary")
OPTIONAL_CHANNELS: Final = ("futures_balance_summary",)
TICKER: Final = "ticker"
LEVEL2: Final = "level2"  # by this name it is asked for and acknowledged; its frames say l2_data
MARKET_CHANNELS: Final = ("heartbeats", TICKER)
# On a connection of their own: a burst of levels is no reason for a price to come late.
DEPTH_CHANNELS: Final = ("heartbeats", LEVEL2)
# Those that are asked for by product, at most one on a connection. `user` is taken whole: no order may be missed.
PRODUCT_CHANNELS: Final = frozenset({TICKER, LEVEL2})
