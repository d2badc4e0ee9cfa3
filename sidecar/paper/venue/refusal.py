"""Why the exchange says no, in Coinbase's words. No I/O.

Source: Coinbase Advanced Trade API, `NewOrderFailureReason`, `PreviewFailureReason`. An order is
refused with HTTP 200 and these three fields; the current documentation calls `error` and
`preview_failure_reason` deprecated, yet they still carry the only real reason in most answers.
"""

from typing import Final

from msgspec import Struct


class Refusal(Struct, frozen=True):
    """A refused order: Coinbase's reason, the reason a preview gives, and words for people."""

    code: str
    preview: str
    message: str
    by_preview: bool = True  # whether Coinbase's preview stage finds it, or order entry

    @property
    def new_order(self) -> str:
        return "UNKNOWN_FAILURE_REASON" if self.by_preview else self.code


def _preview(code: str, message: str, preview: str = "") -> Refusal:
    return Refusal(code, preview or f"PREVIEW_{code}", message)


def _entry(code: str, message: str, preview: str = "UNKNOWN_PREVIEW_FAILURE_REASON") -> Refusal:
    return Refusal(code, preview, message, by_preview=False)


INVALID_PRODUCT: Final = _entry(
    "INVALID_PRODUCT_ID", "Unknown product", "PREVIEW_INVALID_PRODUCT_ID"
)
INVALID_SIDE: Final = _entry("INVALID_SIDE", "side must be BUY or SELL", "PREVIEW_INVALID_SIDE")
INVALID_CONFIGURATION: Final = _entry(
    "INVALID_REQUEST", "Invalid order configuration", "PREVIEW_INVALID_ORDER_CONFIG"
)
UNSUPPORTED: Final = _entry(
    "UNSUPPORTED_ORDER_CONFIGURATION",
    "This order configuration is not supported for this product",
    "PREVIEW_INVALID_ORDER_CONFIG",
)
NOT_A_NUMBER: Final = _preview(
    "INVALID_REQUEST", "Sizes and prices must be decimal text", "PREVIEW_NON_NUMERIC_ORDER_SIZE"
)
SIZE_PRECISION: Final = _preview(
    "INVALID_SIZE_PRECISION", "Size is not a multiple of base_increment"
)
QUOTE_SIZE_PRECISION: Final = _preview(
    "INVALID_SIZE_PRECISION",
    "Quote size is not a multiple of quote_increment",
    "PREVIEW_INVALID_QUOTE_SIZE_PRECISION",
)
PRICE_PRECISION: Final = _preview(
    "INVALID_PRICE_PRECISION", "Price is not a multiple of price_increment"
)
LIMIT_PRICE: Final = _preview("INVALID_LIMIT_PRICE", "limit_price must be positive")
STOP_PRICE: Final = _preview(
    "INVALID_LIMIT_PRICE", "stop_price must be positive", "PREVIEW_INVALID_STOP_PRICE"
)
BASE_TOO_SMALL: Final = _preview(
    "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL",
    "Order size is below the product's minimum",
    "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL",
)
BASE_TOO_LARGE: Final = _preview(
    "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE",
    "Order size is above the product's maximum",
    "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE",
)
QUOTE_TOO_SMALL: Final = _preview(
    "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL",
    "Order value is below the product's minimum",
    "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL",
)
QUOTE_TOO_LARGE: Final = _preview(
    "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE",
    "Order value is above the product's maximum",
    "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE",
)
POST_ONLY_CROSSES: Final = _entry(
    "INVALID_LIMIT_PRICE_POST_ONLY",
    "Post only limit order would have crossed the book",
    "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY",
)
NO_LIQUIDITY: Final = _entry(
    "INVALID_NO_LIQUIDITY", "There is no market to trade in", "PREVIEW_INVALID_NO_LIQUIDITY"
)
STOP_ABOVE_LAST: Final = _preview(
    "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
    "A STOP_DOWN order's stop price must be below the last trade price",
    "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
)
STOP_BELOW_LAST: Final = _preview(
    "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE",
    "A STOP_UP order's stop price must be above the last trade price",
    "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE",
)
STOP_DIRECTION: Final = _preview(
    "INVALID_REQUEST",
    "stop_direction must be STOP_DIRECTION_STOP_UP or STOP_DIRECTION_STOP_DOWN",
    "PREVIEW_INVALID_ORDER_CONFIG",
)
BRACKET_PRICES: Final = _entry(
    "INVALID_BRACKET_PRICES",
    "limit_price and stop_trigger_price must lie either side of the market",
)
ATTACHED: Final = _entry(
    "INVALID_ATTACHED_TAKE_PROFIT_PRICE",
    "An attached bracket needs a take-profit and a stop on either side of the entry",
)
ATTACHED_SIZE: Final = _entry(
    "ATTACHED_ORDER_SIZE_MUST_BE_NIL", "An attached order takes its size from the fill"
)
END_TIME_MISSING: Final = _entry("GTD_ORDERS_MUST_HAVE_END_TIME", "end_time is missing or no time")
END_TIME_PAST: Final = _entry("END_TIME_IS_IN_THE_PAST", "end_time is in the past")
HALTED: Final = _entry("PRODUCT_TRADING_HALTED", "Trading in this product is halted")
TRADING_DISABLED: Final = _entry("TRADING_DISABLED", "Trading in this product is disabled")
ENTRY_DISABLED: Final = _entry("ORDER_ENTRY_DISABLED", "This product takes no new orders")
MARKET_STATE: Final = _entry(
    "UNSUPPORTED_ORDER_CONFIGURATION",
    "The market's present state does not allow this kind of order",
    "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE",
)
SESSION_CLOSED: Final = _entry("INVALID_FCM_TRADING_SESSION", "The futures session is closed")
TOO_MANY_OPEN: Final = _entry(
    "COMMANDER_REJECTED_NEW_ORDER", "Too many open orders on this product"
)
INSUFFICIENT: Final = _preview("INSUFFICIENT_FUND", "Insufficient balance in source account")
INSUFFICIENT_MARGIN: Final = _preview(
    "INSUFFICIENT_FUNDS",
    "Insufficient futures buying power",
    "PREVIEW_INSUFFICIENT_FUNDS_FOR_FUTURES",
)
DUPLICATE_CLIENT_ORDER_ID: Final = _entry(
    "DUPLICATE_CLIENT_ORDER_ID", "client_order_id was used before"
)
ZERO_POSITION: Final = _entry("CANNOT_CLOSE_ZERO_POSITION", "There is no position to close")
CLOSE_TOO_LARGE: Final = _entry(
    "REDUCE_ONLY_INCREASED_POSITION_SIZE", "size is larger than the position"
)
