"""The listeners of each channel, and the frames for them as events happen. No I/O.

Market frames are made once for all listeners, and not made without one. Cadences follow the
channels' documentation: tickers and orders at once, depth every 50 ms, trades every 250 ms, candles
every second, `ticker_batch` every five.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from sidecar.core.vocabulary.money import ZERO, plain
from sidecar.paper.service.channels import (
    CANDLE_S,
    LISTING_FRAMES,
    MARKET_CHANNELS,
    acknowledged,
    told_positions,
    told_row,
)
from sidecar.paper.service.faults import FaultSwitches
from sidecar.paper.service.session import ABNORMAL, Session
from sidecar.paper.venue.book import Level
from sidecar.paper.venue.event import (
    BookMoved,
    Event,
    FuturesChanged,
    OrderChanged,
    ProductChanged,
    Quoted,
    Traded,
)
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.order import Order, Side
from sidecar.paper.venue.tape import Trade
from sidecar.paper.wire import frames
from sidecar.paper.wire.frames import UPDATE, Frame
from sidecar.paper.wire.text import time_text

SUBSCRIBE_WITHIN_S: Final = 5.0  # a connection without any subscription is closed
QUIET_MAX_S: Final = 75.0  # one without a sent frame is closed after 60 to 90 s
UNSUBSCRIBED: Final = 1008  # the close code of the first; Coinbase documents none
ALL_WAITING_MAX: Final = 64 << 20  # bytes that wait for all readers together
HUGE_FEES: Final = "10000000000000000000"
HUGE_PRICE: Final = 10
LONG: Final = 10_000  # how often an id is repeated that is to be no id
BATCH_EVERY: Final = 5  # ticker_batch, in ticks of one second
NAGGED: Final = "rate limit exceeded"
SIDES: Final[tuple[Side, Side]] = ("BUY", "SELL")

Depth = dict[tuple[Side, Decimal], Decimal]


class Hub:
    """All websocket sessions of one exchange."""

    def __init__(self, exchange: Exchange, faults: FaultSwitches, opened: float) -> None:
        self.sessions: dict[Session, None] = {}
        self._exchange = exchange
        self._faults = faults
        self._opened = opened
        self._wall = opened
        self._listeners: dict[tuple[str, str], dict[Session, None]] = {}
        self._depth: dict[str, Depth] = {}  # a book as level2 listeners know it
        self._moved: set[str] = set()
        self._trades: dict[str, list[Trade]] = {}
        self._candled: set[str] = set()
        self._batched: set[str] = set()
        self._ticks = 0

    # ------------------------------------------------------------------------------------ listeners

    def open(self, session: Session) -> None:
        self.sessions[session] = None
        if self._faults.now.nagging_errors:
            session.send_error(frames.error(NAGGED), self._wall)

    def drop(self, session: Session) -> None:
        """Forget a session that is gone."""
        self.sessions.pop(session, None)
        for listeners in self._listeners.values():
            listeners.pop(session, None)

    def listen(self, session: Session, channel: str, topic: str) -> None:
        """`topic`: a book, or the channel's own name where products do not matter."""
        self._listeners.setdefault((channel, topic), {})[session] = None

    def unlisten(self, session: Session, channel: str, topic: str) -> None:
        self._listeners.get((channel, topic), {}).pop(session, None)

    def has_listener(self, channel: str, topic: str) -> bool:
        return bool(self._listeners.get((channel, topic)))

    @property
    def hears_market(self) -> bool:
        """Whether any book has a listener."""
        books = self._exchange.books
        return any(who and topic in books for (_, topic), who in self._listeners.items())

    @property
    def is_congested(self) -> bool:
        """Whether a market that could be slower should be."""
        return any(session.is_congested for session in self.sessions)

    def relieve(self, wall: float) -> None:
        """Cut off a reader that takes no frame, and the one with most waiting while all together is
        too much.
        """
        for session in tuple(self.sessions):
            if session.is_stuck(wall):
                session.close(ABNORMAL)
        excess = sum(session.bytes_waiting for session in self.sessions) - ALL_WAITING_MAX
        if excess > 0:
            for session in sorted(self.sessions, key=lambda one: -one.bytes_waiting):
                excess -= session.bytes_waiting
                session.close(ABNORMAL)
                if excess <= 0:
                    return

    def close_all(self, code: int) -> None:
        """Close every websocket with this code."""
        for session in tuple(self.sessions):
            session.close(code)

    def end_subscription(self, product_id: str, at: datetime, wall: float) -> None:
        """The market's channels tell no more of this product, and acknowledge what is left."""
        listings = self._exchange.listings
        for session in tuple(self.sessions):
            for channel in MARKET_CHANNELS & session.channels.keys():
                products = session.channels[channel]
                if product_id not in products:
                    continue
                del products[product_id]
                if listings[product_id].book not in {listings[name].book for name in products}:
                    self.unlisten(session, channel, listings[product_id].book)
                if not products:
                    del session.channels[channel]
                told = acknowledged(self._exchange, session.channels)
                session.send(frames.subscriptions(at, told), wall)

    # --------------------------------------------------------------------------------------- events

    def publish(self, events: Iterable[Event], at: datetime, wall: float) -> None:
        """Tell listeners at once of events that cannot wait, and note the rest for its batch."""
        self._wall = wall
        priced: dict[str, None] = {}
        for event in events:
            match event:
                case Traded(trade):
                    priced[trade.book] = None
                    if self.has_listener("market_trades", trade.book):
                        self._trades.setdefault(trade.book, []).append(trade)
                case BookMoved(book):
                    self._moved.add(book)
                case Quoted(book):
                    priced[book] = None
                case OrderChanged(order):
                    self._tell_user(order, at)
                case FuturesChanged():
                    self._tell_futures(at)
                case ProductChanged(product_id):
                    self._tell_listing(product_id, at)
        self._tell_tickers(priced, at)

    def _tell_tickers(self, books: Iterable[str], at: datetime) -> None:
        """One update a book, however many matches: that is how a taker's matches are told."""
        for book in books:
            self._candled.add(book)
            self._batched.add(book)
            if self.has_listener("ticker", book):
                frame = frames.ticker(UPDATE, self._exchange.books[book], at)
                self._send("ticker", book, frame)

    def _tell_user(self, order: Order, at: datetime) -> None:
        listeners = self._listeners.get(("user", "user"))
        if not listeners:
            return
        faults = self._faults.now
        row = told_row(order, self._exchange.run, faults)
        if self._faults.count_off("long_ids"):
            row |= {"order_id": order.order_id * LONG}
        if order.filled and self._faults.count_off("huge_fees"):
            row |= {"total_fees": HUGE_FEES}
        price = row.get("avg_price")  # a sparse row has none
        if order.filled and price and self._faults.count_off("huge_prices"):
            row |= {"avg_price": plain(HUGE_PRICE * Decimal(price))}
        shown = told_positions(self._exchange, faults)
        frame = frames.user_update(row, shown, at)
        for session in tuple(listeners):
            products = session.channels["user"]
            if not products or order.product_id in products or order.book in products:
                session.send(frame, self._wall)

    def _tell_futures(self, at: datetime) -> None:
        name = "futures_balance_summary"
        if self.has_listener(name, name):
            self._send(
                name, name, frames.futures_balance(UPDATE, self._exchange.engine.margin(), at)
            )

    def _tell_listing(self, product_id: str, at: datetime) -> None:
        for channel, frame in LISTING_FRAMES.items():
            if self.has_listener(channel, product_id):
                listing = self._exchange.listings[product_id]
                self._send(channel, product_id, frame(UPDATE, listing, at))

    def _send(self, channel: str, topic: str, frame: Frame) -> None:
        for session in tuple(self._listeners.get((channel, topic), ())):
            session.send(frame, self._wall)

    # -------------------------------------------------------------------------------------- batches

    def flush_depth(self, at: datetime, wall: float) -> None:
        """Tell level2 listeners how the books that moved have changed; every 50 ms."""
        self._wall = wall
        self.relieve(wall)
        for book in self._moved:
            if self.has_listener("level2", book):
                self._tell_depth(book, at)
        self._moved.clear()

    def show_depth(self, book: str, at: datetime) -> None:
        """A listener is about to see this book whole: bring the others to the same state."""
        if self.has_listener("level2", book):
            self._tell_depth(book, at)
        else:
            self._depth[book] = self._shown(book)

    def _tell_depth(self, book: str, at: datetime) -> None:
        known, shown = self._depth[book], self._shown(book)
        changes = [(side, Level(price, ZERO)) for side, price in known.keys() - shown.keys()]
        changes += [
            (side, Level(price, size))
            for (side, price), size in shown.items()
            if known.get((side, price)) != size
        ]
        self._depth[book] = shown
        best_ask = self._exchange.books[book].top("SELL")
        if changes and best_ask is not None and self._faults.count_off("crossed_depth"):
            changes.append(("BUY", Level(best_ask.price, best_ask.size)))
        if changes:
            changes.sort(key=lambda change: (change[0], change[1].price))
            self._send("level2", book, frames.depth(UPDATE, book, changes, time_text(at), at))

    def _shown(self, book: str) -> Depth:
        source = self._exchange.books[book]
        return {(side, level.price): level.size for side in SIDES for level in source.shown(side)}

    def flush_trades(self, at: datetime, wall: float) -> None:
        """Tell market_trades listeners the new trades, newest first; every 250 ms."""
        self._wall = wall
        trades, self._trades = self._trades, {}
        for book, rows in trades.items():
            frame = frames.market_trades(UPDATE, book, reversed(rows), at)
            self._send("market_trades", book, frame)

    def tick(self, at: datetime, wall: float) -> None:
        """Once a second: heartbeats, candles, batches, and who is closed for silence."""
        self._wall = wall
        self._ticks += 1
        if not self._faults.now.stall_heartbeats:
            beat = frames.heartbeat(at, self._ticks, wall - self._opened)
            self._send("heartbeats", "heartbeats", beat)
        if self._faults.now.nagging_errors:
            for session in tuple(self.sessions):
                session.send_error(frames.error(NAGGED), wall)
        for book in self._candled:
            if self.has_listener("candles", book):
                self._send("candles", book, self._candle(book, at))
        self._candled.clear()
        if self._ticks % BATCH_EVERY == 0:
            for book in self._batched:
                if self.has_listener("ticker_batch", book):
                    source = self._exchange.books[book]
                    frame = frames.ticker(UPDATE, source, at, channel="ticker_batch")
                    self._send("ticker_batch", book, frame)
            self._batched.clear()
        self._reap(wall)

    def _candle(self, book: str, at: datetime) -> Frame:
        second = int(at.timestamp())
        rows = self._exchange.books[book].tape.candles(CANDLE_S, second - CANDLE_S, second)
        return frames.candles(UPDATE, book, reversed(rows), at)

    def _reap(self, wall: float) -> None:
        for session in tuple(self.sessions):
            bare = session.bare_since
            if bare is not None and wall - bare >= SUBSCRIBE_WITHIN_S:
                session.close(UNSUBSCRIBED)
            elif wall - session.last_sent >= QUIET_MAX_S:
                session.close(ABNORMAL)
