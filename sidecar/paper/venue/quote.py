"""The quotes that a market tells the exchange. No I/O."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class Quote(NamedTuple):
    """Best bid and ask of one product, in the product's quote currency; sizes in base units."""

    at: datetime  # aware, UTC, on the market clock
    product_id: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
