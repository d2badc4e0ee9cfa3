"""The first snapshot of each channel of a websocket. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sidecar.config.paper_faults import Faults
from sidecar.paper.venue.book import Book
from sidecar.paper.venue.exchange import Exchange
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.order import Order
from sidecar.paper.wire import frames
from sidecar.paper.wire.accounts import expiring_position
from sidecar.paper.wire.frames import SNAPSHOT, Frame
from sidecar.paper.wire.orders import sparse_row, user_id, user_row
from sidecar.paper.wire.products import status_row
from sidecar.paper.wire.text import Row, with_nulls

TRADES_IN_SNAPSHOT: Final = 100
CANDLE_S: Final = 300  # the candles channel knows five-minute buckets only
CANDLES_IN_SNAPSHOT: Final = 350


def positions(exchange: Exchange) -> Row:
    """Futures positions as the user channel has them."""
    return {
        "perpetual_futures_positions": [],
        "prediction_market_positions": [],
        "expiring_futures_positions": [
            expiring_position(row, exchange.engine.mark(row.listing.product_id))
            for row in exchange.futures.open_holdings()
        ],
    }


def told_row(order: Order, run: UUID, faults: Faults) -> Row:
    """One order of the user channel, in the shape that switched-on faults give it."""
    row = user_row(order, run)
    if faults.aliases_as_books:
        row = {**row, "product_id": order.book}
    if faults.sparse_user_frames:
        row = sparse_row(row)
    if faults.null_optionals:
        row = with_nulls(row)
    return row


def told_positions(exchange: Exchange, faults: Faults) -> Row | None:
    """Futures positions beside them; sparse frames have none."""
    return None if faults.sparse_user_frames else positions(exchange)


def _open_orders(exchange: Exchange, products: Iterable[str]) -> Iterator[Order]:
    """Newest first; of these products, or of all when none is named."""
    wanted = set(products)
    for order in reversed(exchange.register.open.values()):
        if not wanted or order.product_id in wanted or order.book in wanted:
            yield order


def _ticker(book: Book, _faults: Faults, at: datetime) -> Frame:
    return frames.ticker(SNAPSHOT, book, at)


def _ticker_batch(book: Book, _faults: Faults, at: datetime) -> Frame:
    return frames.ticker(SNAPSHOT, book, at, channel="ticker_batch")


def _level2(book: Book, faults: Faults, at: datetime) -> Frame:
    return frames.depth_snapshot(book, at, faults.deep_books)


def _market_trades(book: Book, _faults: Faults, at: datetime) -> Frame:
    trades = list(book.tape.trades)[-TRADES_IN_SNAPSHOT:]
    return frames.market_trades(SNAPSHOT, book.product_id, reversed(trades), at)


def _candles(book: Book, _faults: Faults, at: datetime) -> Frame:
    end = int(at.timestamp())
    rows = book.tape.candles(CANDLE_S, end - CANDLES_IN_SNAPSHOT * CANDLE_S, end)
    return frames.candles(SNAPSHOT, book.product_id, reversed(rows), at)


def _status(kind: str, listing: Listing, at: datetime) -> Frame:
    return frames.status(kind, [status_row(listing)], at)


# Channels by their subject: a book with a price, a product's listing, the account. A listing is told whole, at first
# and whenever it changes. `user` may name products and need not; the rest of the account's and heartbeats ignore them.
BOOK_SNAPSHOTS: Final[dict[str, Callable[[Book, Faults, datetime], Frame]]] = {
    "ticker": _ticker,
    "ticker_batch": _ticker_batch,
    "level2": _level2,
    "market_trades": _market_trades,
    "candles": _candles,
}
LISTING_FRAMES: Final[dict[str, Callable[[str, Listing, datetime], Frame]]] = {"status": _status}
MARKET_CHANNELS: Final = BOOK_SNAPSHOTS.keys() | LISTING_FRAMES.keys()
ACCOUNT_CHANNELS: Final = frozenset({"user", "futures_balance_summary"})
CHANNELS: Final = MARKET_CHANNELS | ACCOUNT_CHANNELS | {"heartbeats"}


def market_snapshots(
    exchange: Exchange, faults: Faults, channel: str, products: Iterable[str], at: datetime
) -> list[Frame]:
    """The first frames of a market channel, a product each; none for a book without a price."""
    if channel in LISTING_FRAMES:
        listings = exchange.listings
        return [LISTING_FRAMES[channel](SNAPSHOT, listings[name], at) for name in products]
    books = [exchange.books[product_id] for product_id in products]
    snapshot = BOOK_SNAPSHOTS[channel]
    return [snapshot(book, faults, at) for book in books if book.bid is not None]


def acknowledged(
    exchange: Exchange, subscribed: Mapping[str, Iterable[str]]
) -> dict[str, list[str]]:
    """Every subscription, as it is acknowledged: the account's channels name the user."""
    shown: dict[str, list[str]] = {}
    for channel, products in subscribed.items():
        if channel == "heartbeats":
            shown[channel] = ["heartbeats"]
        elif channel in ACCOUNT_CHANNELS:
            shown[channel] = [user_id(exchange.run)]
        else:
            shown[channel] = list(products)
    return shown


def user_snapshot(
    exchange: Exchange, faults: Faults, products: Iterable[str], at: datetime
) -> list[Frame]:
    """The first frames of the user channel: open orders, and positions."""
    rows = [told_row(order, exchange.run, faults) for order in _open_orders(exchange, products)]
    return frames.user_snapshot(rows, told_positions(exchange, faults), at)


def futures_snapshot(exchange: Exchange, at: datetime) -> Frame:
    """The first frame of the futures account's channel."""
    return frames.futures_balance(SNAPSHOT, exchange.engine.margin(), at)
