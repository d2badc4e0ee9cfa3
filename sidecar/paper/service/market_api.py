"""Products, books, trades and candles over REST, with and without a key. No I/O.

Source: Coinbase Advanced Trade API, Products and Public.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Final

from sidecar.core.vocabulary.money import ZERO, amount
from sidecar.paper.service import foreign_rows
from sidecar.paper.service.call import Call
from sidecar.paper.service.world import World
from sidecar.paper.venue.book import DEPTH, Book
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.tape import TRADES_KEPT, Trade
from sidecar.paper.wire import products as shapes
from sidecar.paper.wire.errors import invalid, not_found
from sidecar.paper.wire.text import Row, time_text

PRODUCTS_MAX: Final = 1_000
TRADES_DEFAULT: Final = 100
CANDLES_MAX: Final = 350
GRANULARITIES: Final = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1_800,
    "ONE_HOUR": 3_600,
    "TWO_HOUR": 7_200,
    "FOUR_HOUR": 14_400,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}


def _listed(world: World, product_id: str) -> tuple[Listing, Book]:
    listing = world.exchange.listings.get(product_id)
    if listing is None:
        raise not_found(f"product {product_id[:40]} not found")
    return listing, world.exchange.books[listing.book]


def list_products(world: World, call: Call) -> Row:
    """`GET /products`: all products, by type, by id, or a page of them; a cursor is an offset.

    `products_sort_order` is ignored: they come in the order of the catalogue.
    """
    rows = list(_wanted(world, call))
    limit = call.number("limit", PRODUCTS_MAX, PRODUCTS_MAX)
    offset = call.number("cursor", call.number("offset", 0, 10**6), 10**6)
    page = rows[offset : offset + limit]
    view_only = call.key is not None and call.flag("get_tradability_status")
    more = offset + limit < len(rows)
    return {
        "products": [_row(world, row, call.now, with_view_only=view_only) for row in page],
        "num_products": len(page),
        "pagination": {
            "prev_cursor": "",
            "next_cursor": str(offset + limit) if more else "",
            "has_next": more,
            "has_prev": offset > 0,
        },
    }


def list_market_products(world: World, call: Call) -> Row:
    """`GET /market/products`: the same without a key, whose pages are not counted."""
    return list_products(world, call) | {"pagination": None}


def _wanted(world: World, call: Call) -> Iterator[Listing]:
    kind, ids = call.text("product_type"), set(call.texts("product_ids"))
    perpetual = call.text("contract_expiry_type") == "PERPETUAL"
    expired = call.text("expiring_contract_status") == "STATUS_EXPIRED"
    for row in world.exchange.listings.values():
        is_future = row.contract is not None
        if kind and kind != ("FUTURE" if is_future else "SPOT"):
            continue
        if ids and row.product_id not in ids:
            continue
        if is_future and (perpetual or expired):
            continue  # all contracts here are of the type EXPIRING, and none has
        yield row


def _row(world: World, listing: Listing, now: datetime, *, with_view_only: bool) -> Row:
    book = world.exchange.books[listing.book]
    return shapes.product_row(listing, book, now, with_view_only=with_view_only)


def get_product(world: World, call: Call) -> Row:
    """`GET /products/{product_id}`: the bare product."""
    if world.faults.now.foreign_rows and call.path["product_id"] == foreign_rows.STOCK:
        return foreign_rows.product()
    listing, _ = _listed(world, call.path["product_id"])
    view_only = call.key is not None and call.flag("get_tradability_status")
    return _row(world, listing, call.now, with_view_only=view_only)


def best_bid_ask(world: World, call: Call) -> Row:
    """`GET /best_bid_ask`: of these products, or of all; an empty book is left out.

    With the switch for it, an empty book is there, with empty lists; with another, futures are only told alone.
    """
    with_empty = world.faults.now.list_empty_books
    ids = call.texts("product_ids") or list(world.exchange.listings)
    if world.faults.now.quotes_of_spot_only:
        spot = [name for name in ids if _listed(world, name)[0].contract is None]
        ids = spot or ids
    books = [(product_id, _listed(world, product_id)[1]) for product_id in ids]
    return {
        "pricebooks": [
            shapes.pricebook(product_id, book, 1, call.now)
            for product_id, book in books
            if book.bid is not None or with_empty
        ]
    }


def product_book(world: World, call: Call) -> Row:
    """`GET /product_book`, its levels gathered to a coarser increment if one is asked for."""
    product_id = call.text("product_id")
    if not product_id:
        raise invalid("product_id is required")
    _, book = _listed(world, product_id)
    depth, step = call.number("limit", DEPTH, 1_000), _increment(call)
    return shapes.product_book(product_id, book, (depth, step), call.now)


def _increment(call: Call) -> Decimal:
    """By how much prices of a gathered book differ; zero: it is shown as it is."""
    text = call.text("aggregation_price_increment")
    try:
        step = amount(text) if text else ZERO
    except ValueError:
        raise invalid("aggregation_price_increment is not a number") from None
    if text and step <= 0:
        raise invalid("aggregation_price_increment is not positive")
    return step


def market_trades(world: World, call: Call) -> Row:
    """`GET /products/{product_id}/ticker`: the last trades, newest first, and the best prices."""
    product_id = call.path["product_id"]
    _, book = _listed(world, product_id)
    limit = call.number("limit", TRADES_DEFAULT, TRADES_KEPT)
    since, until = _second(call, "start"), _second(call, "end")

    def is_wanted(trade: Trade) -> bool:
        return (since is None or trade.at >= since) and (until is None or trade.at < until)

    trades = islice(filter(is_wanted, reversed(book.tape.trades)), limit)
    return shapes.market_trades(product_id, book, trades)


def _second(call: Call, name: str) -> datetime | None:
    if not call.text(name):
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=call.seconds(name))


def candles(world: World, call: Call) -> Row:
    """`GET /products/{product_id}/candles`: newest first, 350 buckets at most."""
    _, book = _listed(world, call.path["product_id"])
    granularity = GRANULARITIES.get(call.text("granularity"))
    if granularity is None:
        raise invalid("granularity argument is invalid")
    start, end = call.seconds("start"), call.seconds("end")
    if end < start:
        raise invalid("start and end argument is invalid - start is after end")
    if (end - start) // granularity + 1 > CANDLES_MAX:  # one more opens at `end`, and is told
        raise invalid(
            "start and end argument is invalid - number of candles requested should be less than 350"
        )
    rows = book.tape.candles(granularity, start, min(end, int(call.now.timestamp())))
    limit = call.number("limit", CANDLES_MAX, CANDLES_MAX)
    return {"candles": [shapes.candle_row(row) for row in reversed(rows)][:limit]}


def server_time(world: World, _call: Call) -> Row:
    """`GET /time`: real time, for tokens are signed by it; the market's is in every envelope."""
    now = world.unix()
    iso = time_text(datetime.fromtimestamp(now, UTC))
    return {"iso": iso, "epochSeconds": str(int(now)), "epochMillis": str(int(now * 1000))}
