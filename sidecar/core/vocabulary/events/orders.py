"""What Coinbase tells of the account's orders: reports, fills, listings. No I/O."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from sidecar.core.vocabulary.events.event import Event
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.order_body import Side

TradeType = Literal["FILL", "REVERSAL", "CORRECTION", "SYNTHETIC"]


class OrderReported(Event, frozen=True, kw_only=True, tag=True):
    """One order as Coinbase reports it: in a frame, a row of a listing, or an answer.

    Quantities are in the product's order units and cumulative; prices in quote currency. `leaves`
    is the open rest. `parent_id` is the order it came from; `attached` says that an order follows
    when this one fills, `child_id` which. `by_coinbase`: a liquidation or a roll, not a bot's. `triggered`: of a stop;
    `is_stop`: a stop-limit order, whose stop may not be told. `by_rest`: a row of REST, which names the very
    product; a frame may name that whose book it shares.
    """

    order_id: str
    product_id: str
    side: Side
    status: str
    client_order_id: str = ""
    filled: Decimal = ZERO
    average_price: Decimal = ZERO
    fees: Decimal = ZERO
    leaves: Decimal | None = None
    base_size: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    rests: bool = True
    strategy_id: str | None = None
    created_at: datetime | None = None
    parent_id: str = ""
    child_id: str = ""
    attached: bool = False
    is_market: bool = False
    by_coinbase: bool = False
    triggered: bool = False
    is_stop: bool = False
    by_rest: bool = False


class FillReported(Event, frozen=True, kw_only=True, tag=True):
    """One row of Coinbase's fills. `size` in order units, `price` in quote currency. `by_value`: the size was
    worked out from the value, which Coinbase told: it is not to the last decimal. `by_rest`: as of an order.
    """

    entry_id: str
    order_id: str
    product_id: str
    side: Side
    price: Decimal
    size: Decimal
    commission: Decimal = ZERO
    commission_currency: str = ""
    trade_type: TradeType = "FILL"
    strategy_id: str | None = None
    client_order_id: str = ""
    traded_at: datetime | None = None
    by_value: bool = False
    by_rest: bool = False


class OpenOrdersListed(Event, frozen=True, kw_only=True, tag=True):
    """A listing of open orders: every page, PENDING and QUEUED too, from both sources.

    `began_at`: when the first page was asked for; orders born after it may be missing.
    `is_complete`: else Coinbase said that there was more, and did not tell it.
    """

    order_ids: tuple[str, ...]
    began_at: datetime
    is_complete: bool = True


class FillPassedOver(Event, frozen=True, kw_only=True, tag=True):
    """A fill that cannot be read, or cannot be, was looked at so often that no more is waited for it."""

    words: str


class OrderVanished(Event, frozen=True, kw_only=True, tag=True):
    """An order told as open that no listing has and Coinbase does not know by its id, or tells nonsense of, for so
    long that it is no delay.
    """

    order_id: str
