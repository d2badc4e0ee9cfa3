"""Numbers and times as Coinbase writes them. No I/O."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from sidecar.core.vocabulary.money import plain

Row = dict[str, Any]

NO_TIME: Final = "0001-01-01T00:00:00Z"  # Go's zero time: "none"
PRICE_QUANTUM: Final = Decimal("1E-10")  # average prices are rounded; to where is not documented
MICROSECONDS: Final = len("2026-11-02T10:00:00.123456")
PERCENT_QUANTUM: Final = Decimal("0.01")

# Fields a client must be able to live without. With the fault `null_optionals` they are null; the
# nested objects that Coinbase's own SDK unpacks are never among them.
OPTIONAL: Final = frozenset(
    {
        "alias",
        "average_filled_price",
        "avg_price",
        "base_name",
        "best_ask",
        "best_ask_price",
        "best_bid",
        "best_bid_price",
        "cancel_message",
        "cancel_reason",
        "commission_detail_total",
        "completion_percentage",
        "contract_expiry_type",
        "deleted_at",
        "end_time",
        "fee",
        "filled_value",
        "future_product_details",
        "high_24h",
        "last_fill_time",
        "leverage",
        "low_24h",
        "margin_type",
        "mid_market_price",
        "number_of_fills",
        "originating_order_id",
        "outstanding_hold_amount",
        "preview_failure_reason",
        "quote_name",
        "reject_message",
        "retail_portfolio_id",
        "risk_managed_by",
        "start_time",
        "stop_price",
        "total_value_after_fees",
        "volume_24h",
    }
)
ECHOED: Final = frozenset({"order_configuration", "attached_order_configuration"})


def time_text(at: datetime) -> str:
    """RFC 3339, UTC, microseconds."""
    return f"{_plain_time(at)}Z"


def nanoseconds_text(at: datetime) -> str:
    """RFC 3339 with nine digits, as envelopes of the websocket carry it."""
    return f"{_plain_time(at)}000Z"


def _plain_time(at: datetime) -> str:
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:MICROSECONDS]


def average(value: Decimal, size: Decimal) -> str:
    """Value per unit, rounded; "0" when there is nothing to average."""
    if not size:
        return "0"
    return plain((value / size).quantize(PRICE_QUANTUM, ROUND_HALF_EVEN))


def percent(part: Decimal, whole: Decimal) -> str:
    """`part` of `whole`, in per cent with two digits; "0" of nothing."""
    if not whole:
        return "0"
    return str((part * 100 / whole).quantize(PERCENT_QUANTUM, ROUND_HALF_EVEN))


def money(value: Decimal, currency: str = "USD") -> Row:
    """Coinbase's Amount."""
    return {"value": plain(value), "currency": currency}


def number(value: Decimal | None) -> str:
    """A number as text; empty when there is none."""
    return "" if value is None else plain(value)


def change(now: Decimal, before: Decimal) -> str:
    """From `before` to `now`, in per cent."""
    return (
        plain(((now - before) * 100 / before).quantize(PRICE_QUANTUM, ROUND_HALF_EVEN))
        if before
        else "0"
    )


def with_nulls(row: Any) -> Any:
    """The same answer with every optional field null, but for what only echoes the client."""
    if isinstance(row, dict):
        return {
            name: None if name in OPTIONAL else value if name in ECHOED else with_nulls(value)
            for name, value in row.items()
        }
    if isinstance(row, list):
        return [with_nulls(item) for item in row]
    return row
