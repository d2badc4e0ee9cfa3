"""Rows of a listing that are no coin's and no future's, as a switched-on fault tells them. No I/O.

A stock with an open order and a fill, a fill of a coin that was delisted since, a fill of no size,
and times with ten digits of a second's fraction: rows that a client written for coins meets.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from sidecar.paper.wire.text import Row, time_text

STOCK: Final = "AAPL-USD"
DELISTED: Final = "GONE-USD"
WORTH: Final = "1500"  # of the stock, USD
OPEN: Final = "OPEN"
TEN_DIGITS: Final = "0000Z"  # in place of the Z behind six


def product() -> Row:
    """`GET /products/{product_id}` of the stock."""
    return {"product_id": STOCK, "product_type": "EQUITY", "base_currency_id": "AAPL", "status": ""}


def order(run: UUID, now: datetime) -> Row:
    """The stock's open order."""
    return {
        "order_id": str(uuid5(run, "stock order")),
        "client_order_id": "stocks-1",
        "product_id": STOCK,
        "product_type": "EQUITY",
        "side": "BUY",
        "status": OPEN,
        "order_type": "LIMIT",
        "order_configuration": {"limit_limit_gtc": {"base_size": "1", "limit_price": "200"}},
        "filled_size": "0",
        "average_filled_price": "0",
        "total_fees": "0",
        "created_time": time_text(now - timedelta(hours=1)),
    }


def fills(run: UUID, now: datetime) -> list[Row]:
    """Three fills that are no trades of coins."""
    return [
        _fill(run, now, STOCK, "1", "200"),
        _fill(run, now, DELISTED, "5", "0.1"),
        _fill(run, now, "BTC-USD", "0", "60000"),
    ]


def _fill(run: UUID, now: datetime, product_id: str, size: str, price: str) -> Row:
    return {
        "entry_id": str(uuid5(run, f"foreign fill {product_id}")),
        "trade_id": str(uuid5(run, f"foreign trade {product_id}")),
        "order_id": str(uuid5(run, f"foreign order {product_id}")),
        "trade_time": time_text(now),
        "trade_type": "FILL",
        "price": price,
        "size": size,
        "commission": "0",
        "product_id": product_id,
        "sequence_timestamp": time_text(now),
        "size_in_quote": False,
        "side": "BUY",
    }


def with_long_times(rows: list[Row]) -> list[Row]:
    """Each with ten digits in its times."""
    names = ("created_time", "last_fill_time", "trade_time", "sequence_timestamp")
    return [row | {name: _long(row[name]) for name in names if row.get(name)} for row in rows]


def _long(text: str) -> str:
    return text.removesuffix("Z") + TEN_DIGITS
