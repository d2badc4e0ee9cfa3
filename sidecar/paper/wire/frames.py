"""Frames of the websocket. No I/O.

A frame is encoded once and sent to every subscriber; only the sequence number is each socket's own,
so a `Frame` is the bytes before and behind it. Source: Coinbase Advanced Trade API, "WebSocket
Channels", and frames as observed: `client_id` is always there, because Coinbase's own SDK fails
without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from sidecar.core.vocabulary.money import ONE, ZERO, plain
from sidecar.paper.venue.book import Book, Level
from sidecar.paper.venue.futures import Margin
from sidecar.paper.venue.order import Side
from sidecar.paper.venue.tape import Candle, Trade
from sidecar.paper.wire.accounts import margin_texts, margin_window
from sidecar.paper.wire.products import LEVEL_TIME, candle_row, day_fields, trade_row
from sidecar.paper.wire.text import Row, nanoseconds_text

SNAPSHOT: Final = "snapshot"
UPDATE: Final = "update"
STAMP: Final = b'"timestamp":"'
USER_BATCH: Final = 50  # open orders a message of the user channel's snapshot

encode = msgspec.json.Encoder().encode


class Frame(NamedTuple):
    """One frame but for its sequence number, and the channel it belongs to."""

    channel: str
    head: bytes
    tail: bytes

    def numbered(self, sequence: int) -> bytes:
        """The frame as it goes out."""
        return b"%b%d%b" % (self.head, sequence, self.tail)

    def a_year_ahead(self) -> "Frame":
        """The same with the envelope's timestamp in the next year; a 29 February is its 28th."""
        before, _, rest = self.head.partition(STAMP)
        year, day = int(rest[:4]) + 1, rest[4:].replace(b"-02-29T", b"-02-28T", 1)
        return self._replace(head=b"%b%b%04d%b" % (before, STAMP, year, day))


def frame(channel: str, at: datetime, events: Sequence[Any]) -> Frame:
    """An envelope around these events."""
    return _frame(channel, at, encode(events))


def _frame(channel: str, at: datetime, events: bytes) -> Frame:
    head = (
        f'{{"channel":"{channel}","client_id":"","timestamp":"{nanoseconds_text(at)}",'
        f'"sequence_num":'
    )
    return Frame(channel, head.encode(), b',"events":%b}' % events)


def error(message: str) -> bytes:
    """An error frame; it has no sequence number."""
    return encode({"type": "error", "message": message})


def heartbeat(at: datetime, counter: int, uptime_s: float) -> Frame:
    """`current_time` is Go's own time format, monotonic reading included: not for parsing."""
    current = at.strftime("%Y-%m-%d %H:%M:%S.%f000 +0000 UTC")
    event = {"current_time": f"{current} m=+{uptime_s:.9f}", "heartbeat_counter": counter}
    return frame("heartbeats", at, [event])


def subscriptions(at: datetime, current: dict[str, list[str]]) -> Frame:
    """What the socket is subscribed to now, all of it."""
    return frame("subscriptions", at, [{"subscriptions": current}])


# ------------------------------------------------------------------------------------------- market


def ticker(kind: str, book: Book, at: datetime, channel: str = "ticker") -> Frame:
    """Last price, day figures and, but for `ticker_batch`, best bid and ask of one book."""
    bid, ask = book.top("BUY"), book.top("SELL")
    row: Row = {
        "type": "ticker",
        "product_id": book.product_id,
        "price": plain(book.tape.last) if book.tape.last is not None else "0",
        **day_fields(book, at),
    }
    if channel == "ticker":
        row |= {
            "best_bid": plain(bid.price) if bid else "",
            "best_bid_quantity": plain(bid.size) if bid else "",
            "best_ask": plain(ask.price) if ask else "",
            "best_ask_quantity": plain(ask.size) if ask else "",
        }
    return frame(channel, at, [{"type": kind, "tickers": [row]}])


def depth(
    kind: str, product_id: str, levels: Iterable[tuple[Side, Level]], event_time: str, at: datetime
) -> Frame:
    """Levels of a book with their new sizes; "0" takes a level away."""
    updates = [
        {
            "side": "bid" if side == "BUY" else "offer",
            "event_time": event_time,
            "price_level": plain(level.price),
            "new_quantity": plain(level.size),
        }
        for side, level in levels
    ]
    return frame("l2_data", at, [{"type": kind, "product_id": product_id, "updates": updates}])


def depth_snapshot(book: Book, at: datetime, deeper: int = 0) -> Frame:
    """The whole displayed book, and so many levels beyond on each side; its rows carry the beginning of time."""
    sides: tuple[Side, Side] = ("BUY", "SELL")
    levels = [
        (side, level)
        for side in sides
        for level in (*book.shown(side), *_levels_beyond(book, side, deeper))
    ]
    return depth(SNAPSHOT, book.product_id, levels, LEVEL_TIME, at)


def _levels_beyond(book: Book, side: Side, count: int) -> Iterator[Level]:
    """Levels a price step apart behind those that are shown, of one unit each; none below zero."""
    shown = book.shown(side)
    if shown:
        step = -book.step if side == "BUY" else book.step
        prices = (shown[-1].price + step * place for place in range(1, count + 1))
        yield from (Level(price, ONE) for price in prices if price > ZERO)


def market_trades(kind: str, product_id: str, trades: Iterable[Trade], at: datetime) -> Frame:
    """Trades, newest first."""
    rows = [trade_row(product_id, trade) for trade in trades]
    return frame("market_trades", at, [{"type": kind, "trades": rows}])


def candles(kind: str, product_id: str, rows: Iterable[Candle], at: datetime) -> Frame:
    """Five-minute candles, newest first."""
    listed = [candle_row(row) | {"product_id": product_id} for row in rows]
    return frame("candles", at, [{"type": kind, "candles": listed}])


def status(kind: str, rows: Sequence[Row], at: datetime) -> Frame:
    """Whether products trade."""
    return frame("status", at, [{"type": kind, "products": rows}])


# ------------------------------------------------------------------------------------------ account


def user_snapshot(orders: Sequence[Row], positions: Row | None, at: datetime) -> list[Frame]:
    """Open orders in batches; the first batch with fewer than fifty, perhaps none, is the last."""
    batches = (
        orders[start : start + USER_BATCH] for start in range(0, len(orders) + 1, USER_BATCH)
    )
    return [_user(SNAPSHOT, batch, positions, at) for batch in batches]


def user_update(order: Row, positions: Row | None, at: datetime) -> Frame:
    """A new stage of one order."""
    return _user(UPDATE, [order], positions, at)


def _user(kind: str, orders: Sequence[Row], positions: Row | None, at: datetime) -> Frame:
    event: Row = {"type": kind, "orders": orders}
    if positions is not None:
        event["positions"] = positions
    return frame("user", at, [event])


def futures_balance(kind: str, margin: Margin, at: datetime) -> Frame:
    """The futures account; scalars are bare text here, Amounts over REST."""
    summary = {
        **margin_texts(margin),
        "intraday_margin_window_measure": margin_window(margin, "INTRADAY"),
        "overnight_margin_window_measure": margin_window(margin, "OVERNIGHT"),
    }
    event = {"type": kind, "fcm_balance_summary": summary}
    return frame("futures_balance_summary", at, [event])
