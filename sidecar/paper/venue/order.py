"""One order of the paper exchange, one fill, and the funds that an order still needs. No I/O.

Statuses and their meaning: Coinbase Advanced Trade API, `OrderExecutionStatus`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.vocabulary.money import ONE, ZERO

Side = Literal["BUY", "SELL"]
OPPOSITE: Final[dict[Side, Side]] = {"BUY": "SELL", "SELL": "BUY"}
TERMINAL: Final = frozenset({"FILLED", "CANCELLED", "EXPIRED", "FAILED"})


class Terms(Struct, frozen=True, kw_only=True):
    """The terms of one order_configuration, in numbers. Sizes in base units, or contracts.

    `limit_price` of a market order is its protection: the worst price it may be filled at.
    """

    kind: str  # the key of order_configuration
    order_type: str  # MARKET, LIMIT, STOP_LIMIT, BRACKET
    time_in_force: str
    size: Decimal = ZERO  # ZERO when sized in quote currency
    quote_size: Decimal = ZERO  # of a market buy: all it may cost, fees included
    limit_price: Decimal = ZERO
    stop_price: Decimal = ZERO
    stop_up: bool = False
    post_only: bool = False
    end_at: datetime | None = None

    @property
    def rests(self) -> bool:
        """Whether the size not filled at once waits in the book."""
        return self.time_in_force in {"GOOD_UNTIL_CANCELLED", "GOOD_UNTIL_DATE_TIME"}


class Bracket(Struct, frozen=True):
    """Take-profit and stop-loss that an entry's fill brings to life."""

    limit_price: Decimal
    stop_price: Decimal


class Edit(Struct, frozen=True):
    """A replacement under way, or done. `stop_price` zero: it stays."""

    price: Decimal
    size: Decimal
    at: datetime
    stop_price: Decimal = ZERO

    def applied(self, terms: Terms) -> Terms:
        """The terms of an order after it."""
        stop = self.stop_price if self.stop_price and terms.stop_price else terms.stop_price
        return replace(terms, limit_price=self.price, size=self.size, stop_price=stop)


class Order(Struct, kw_only=True):
    """An order and its progress. Values and fees in the quote currency of `product_id`."""

    order_id: str
    client_order_id: str
    product_id: str  # as submitted: its quote wallet pays, also where the book is another's
    book: str
    side: Side
    terms: Terms
    configuration: dict[str, Any]  # echoed as it came
    created_at: datetime
    updated_at: datetime
    number: int  # time priority, and the order of listing
    fee_cap: Decimal  # the highest fee rate that a fill of it may have: holds are for that
    multiplier: Decimal = ONE  # base units of one unit of size
    is_future: bool = False
    attached: Bracket | None = None
    originating_order_id: str = ""
    attached_order_id: str = ""
    leverage: str = ""
    margin_type: str = ""
    status: str = "PENDING"
    entered: bool = False  # reached the matching engine
    triggered: bool = False  # a stop that has become a limit order
    pending_cancel: bool = False
    replacing: Edit | None = None
    edits: tuple[Edit, ...] = ()
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fees: Decimal = ZERO
    fees_told: Decimal = ZERO  # as reports show them: fees may be told late
    fills: int = 0
    held: Decimal = ZERO  # of the quote wallet for a buy, of the base wallet for a sell
    offered: Decimal = ZERO  # contracts of it that count in the margin of working orders
    queue_ahead: Decimal = ZERO  # size of others in front of it at its price
    cancel_message: str = ""
    reject_reason: str = "REJECT_REASON_UNSPECIFIED"
    reject_message: str = ""
    filled_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.status not in TERMINAL

    @property
    def remaining(self) -> Decimal:
        """Size still to be filled; of an order sized in quote currency, zero."""
        return self.terms.size - self.filled if self.terms.size else ZERO

    @property
    def is_waiting_stop(self) -> bool:
        """Whether it is in no book before its stop price trades."""
        return self.terms.order_type == "STOP_LIMIT" and not self.triggered

    @property
    def stops_up(self) -> bool:
        """Whether its stop is triggered by a rise; a bracket's is on the losing side of its profit."""
        return self.side == "BUY" if self.terms.order_type == "BRACKET" else self.terms.stop_up

    @property
    def is_resting(self) -> bool:
        return self.entered and self.is_open and not self.is_waiting_stop and self.terms.rests

    def requirement(self) -> Decimal:
        """The amount to be held for it now, fees included: quote currency of a buy, size of a sell.

        Futures have no hold here: they are margined.
        """
        if not self.is_open or self.is_future:
            return ZERO
        if self.side == "SELL":
            return self.remaining
        if self.terms.quote_size:
            return self.terms.quote_size - self.value - self.fees
        return self.remaining * self.worst_price() * (ONE + self.fee_cap)

    def worst_price(self) -> Decimal:
        """The highest price a buy of it may pay; a bracket's stop is a limit order 5 % beyond."""
        limit = self.terms.limit_price
        if self.terms.order_type == "BRACKET" and not self.triggered:
            return max(limit, self.terms.stop_price * (ONE + BRACKET_STOP_BAND))
        return limit


# "When the stop trigger price is reached, a limit order is placed 5 % beyond it": Coinbase help on
# bracket orders.
BRACKET_STOP_BAND: Final = Decimal("0.05")


class Fill(Struct, kw_only=True):
    """A match of an order. `commission` in quote currency; it is told from `fee_told_at`.

    A fill of the trade type FUNDING is a payment: its order is none, its size zero, its commission
    the amount paid (negative: received).
    """

    number: int
    entry_id: str
    trade_id: str
    order_id: str
    product_id: str
    side: Side
    price: Decimal
    size: Decimal
    commission: Decimal
    is_maker: bool
    at: datetime
    fee_told_at: datetime
    trade_type: str = "FILL"
