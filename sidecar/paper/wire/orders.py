"""Orders, fills and the answers to order calls. No I/O.

The same order is told in two dialects: REST says side, created_time, average_filled_price and
filled_size where the user channel says order_side, creation_time, avg_price and
cumulative_quantity. Source: Coinbase Advanced Trade API, "Get Order", "User Channel".
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final
from uuid import UUID, uuid5

from sidecar.core.vocabulary.money import ZERO, plain
from sidecar.paper.venue.order import Fill, Order
from sidecar.paper.venue.refusal import Refusal
from sidecar.paper.venue.terms import KINDS
from sidecar.paper.wire.text import NO_TIME, Row, average, percent, time_text

SETTLED_AFTER: Final = timedelta(seconds=1)  # `settled` follows FILLED by a moment
TITLES: Final = {
    "MARKET": "Market",
    "LIMIT": "Limit",
    "STOP_LIMIT": "Stop Limit",
    "BRACKET": "Bracket",
}
NO_CANCEL_FAILURE: Final = "UNKNOWN_CANCEL_FAILURE_REASON"  # the enum's zero: told with success too
NO_COMMISSION: Final = (
    "gst_commission", "withholding_commission", "venue_commission", "regulatory_commission",
    "clearing_commission",
)  # fmt: skip
CUT_OFF: Final = Decimal("9e-17")  # of a coin, behind the last decimal that is traded
SPARSE: Final = (
    "order_id", "client_order_id", "cumulative_quantity", "leaves_quantity", "avg_price",
    "total_fees", "status", "product_id", "creation_time", "order_side", "order_type",
    "cancel_reason",
)  # fmt: skip


def user_id(run: UUID) -> str:
    """The account holder."""
    return str(uuid5(run, "user"))


def portfolio_id(run: UUID) -> str:
    """The only portfolio: a key belongs to exactly one."""
    return str(uuid5(run, "portfolio"))


# ---------------------------------------------------------------------------------- figures of both


def unit_value(order: Order) -> Decimal:
    """Its filled size, in base units; a future's size is in contracts."""
    return order.filled * order.multiplier


def _leaves(order: Order) -> Decimal:
    """Its remaining size; for a buy sized in quote currency an estimate, at its worst price."""
    if not order.is_open:
        return ZERO
    if order.terms.quote_size and order.terms.limit_price:
        left = order.terms.quote_size - order.value - order.fees
        return (left / order.terms.limit_price).quantize(Decimal("1E-8"), ROUND_HALF_EVEN)
    return order.remaining


def _completion(order: Order) -> str:
    if order.status == "FILLED":
        return "100.00"
    if order.terms.quote_size:
        return percent(order.value, order.terms.quote_size)
    return percent(order.filled, order.terms.size)


def _after_fees(order: Order) -> str:
    sign = 1 if order.side == "BUY" else -1
    return plain(order.value + sign * order.fees_told)


def _trigger_status(order: Order) -> str:
    if not order.terms.stop_price:
        return "INVALID_ORDER_TYPE"
    return "STOP_TRIGGERED" if order.triggered else "STOP_PENDING"


def limit_price(order: Order) -> Decimal:
    """Zero of a market order: its protection is internal."""
    return ZERO if order.terms.order_type == "MARKET" else order.terms.limit_price


def expiry_type(order: Order) -> str:
    """Whether its product is a contract that expires."""
    return "EXPIRING" if order.is_future else "UNKNOWN_CONTRACT_EXPIRY_TYPE"


def _product_type(order: Order) -> str:
    return "FUTURE" if order.is_future else "SPOT"


def configuration(order: Order) -> Row:
    """The order_configuration as it was sent, with the changes of an edit."""
    if not order.edits:
        return order.configuration
    ((kind, fields),) = order.configuration.items()
    changed = {"base_size": plain(order.terms.size), "limit_price": plain(order.terms.limit_price)}
    if stop_field := KINDS[kind].stop_field:
        changed[stop_field] = plain(order.terms.stop_price)
    return {kind: fields | changed}


# --------------------------------------------------------------------------------------------- REST


def order_row(order: Order, run: UUID, now: datetime) -> Row:
    """One order of `GET /orders/historical`."""
    return _identity(order, run) | _progress(order, now) | _details(order)


def _identity(order: Order, run: UUID) -> Row:
    return {
        "order_id": order.order_id,
        "product_id": order.product_id,
        "user_id": user_id(run),
        "order_configuration": configuration(order),
        "side": order.side,
        "client_order_id": order.client_order_id,
        "time_in_force": order.terms.time_in_force,
        "created_time": time_text(order.created_at),
        "order_type": order.terms.order_type,
        "product_type": _product_type(order),
        "order_placement_source": "RETAIL_ADVANCED",
        "leverage": order.leverage,
        "margin_type": order.margin_type or "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": portfolio_id(run),
        "originating_order_id": order.originating_order_id,
        "attached_order_id": order.attached_order_id,
        "attached_order_configuration": _attached(order),
    }


def _progress(order: Order, now: datetime) -> Row:
    settled = order.status == "FILLED" and now - order.updated_at >= SETTLED_AFTER
    return {
        "status": order.status,
        "completion_percentage": _completion(order),
        "filled_size": plain(order.filled),
        "average_filled_price": average(order.value, unit_value(order)),
        "fee": "",
        "number_of_fills": str(order.fills),
        "filled_value": plain(order.value),
        "pending_cancel": order.pending_cancel,
        "size_in_quote": bool(order.terms.quote_size),
        "total_fees": plain(order.fees_told),
        "size_inclusive_of_fees": bool(order.terms.quote_size),
        "total_value_after_fees": _after_fees(order),
        "trigger_status": _trigger_status(order),
        "settled": settled,
        "outstanding_hold_amount": plain(order.held),
        "workable_size": plain(_leaves(order)),
        "last_fill_time": time_text(order.filled_at) if order.filled_at else None,
        "last_update_time": time_text(order.updated_at),
        "commission_detail_total": {
            "total_commission": plain(order.fees_told),
            "client_commission": plain(order.fees_told),
            **dict.fromkeys(NO_COMMISSION, "0"),
        },
    }


def _details(order: Order) -> Row:
    return {
        "reject_reason": order.reject_reason,
        "reject_message": order.reject_message,
        "cancel_message": order.cancel_message,
        "is_liquidation": False,
        "edit_history": [
            {
                "price": plain(edit.price),
                "size": plain(edit.size),
                "replace_accept_timestamp": time_text(edit.at),
            }
            for edit in order.edits
        ],
        "current_pending_replace": _replacing(order),
    }


def _attached(order: Order) -> Row | None:
    if order.attached is None:
        return None
    return {
        "trigger_bracket_gtc": {
            "limit_price": plain(order.attached.limit_price),
            "stop_trigger_price": plain(order.attached.stop_price),
        }
    }


def _replacing(order: Order) -> Row | None:
    if order.replacing is None:
        return None
    return {"price": plain(order.replacing.price), "size": plain(order.replacing.size)}


def fill_row(fill: Fill, run: UUID, now: datetime) -> Row:
    """One fill of `GET /orders/historical/fills`."""
    told = now >= fill.fee_told_at
    traded = fill.trade_type == "FILL"
    return {
        "entry_id": fill.entry_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "trade_time": time_text(fill.at),
        "trade_type": fill.trade_type,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "commission": plain(fill.commission) if told else "0",
        "product_id": fill.product_id,
        "sequence_timestamp": time_text(fill.at),
        "liquidity_indicator": _liquidity(fill) if traded else "UNKNOWN_LIQUIDITY_INDICATOR",
        "size_in_quote": False,
        "user_id": user_id(run),
        "side": fill.side,
        "retail_portfolio_id": portfolio_id(run),
        "fillSource": "FILL_SOURCE_CLOB",
    }


def in_quote(row: Row, fill: Fill) -> Row:
    """The same fill with its value for its size, as buys sized in quote currency are told: the value
    buys a little more than the size, which was cut.
    """
    value = (fill.size + CUT_OFF) * fill.price
    return {**row, "size": plain(value), "size_in_quote": True}


def _liquidity(fill: Fill) -> str:
    return "MAKER" if fill.is_maker else "TAKER"


def created(order_id: str, request: Row, attached_order_id: str = "") -> Row:
    """The answer to an order taken. It echoes the request, also when an old order is meant."""
    return {
        "success": True,
        "success_response": {
            "order_id": order_id,
            "product_id": request.get("product_id", ""),
            "side": request.get("side", ""),
            "client_order_id": request.get("client_order_id", ""),
            "attached_order_id": attached_order_id,
        },
        "order_configuration": request.get("order_configuration") or {},
    }


def refused(why: Refusal, request: Row) -> Row:
    """The answer to an order not taken; HTTP 200 like the other."""
    return {
        "success": False,
        "error_response": {
            "error": why.code,
            "message": why.message,
            "error_details": "",
            "preview_failure_reason": why.preview,
            "new_order_failure_reason": why.new_order,
        },
        "order_configuration": request.get("order_configuration") or {},
    }


def cancelled(results: Iterable[tuple[str, str]]) -> Row:
    """The answer to a batch of cancels: order ids, each with the reason why not or none."""
    return {
        "results": [
            {"success": not why, "failure_reason": why or NO_CANCEL_FAILURE, "order_id": order_id}
            for order_id, why in results
        ]
    }


def edited(why: str) -> Row:
    """The answer to an edit."""
    return {
        "success": not why,
        "errors": [
            {
                "edit_failure_reason": why,
                "preview_failure_reason": "UNKNOWN_PREVIEW_FAILURE_REASON",
            }
        ]
        if why
        else [],
    }


# --------------------------------------------------------------------------------- the user channel


def user_row(order: Order, run: UUID) -> Row:
    """One order of the user channel; everything is text, booleans too."""
    terms = order.terms
    managed = "MANAGED_BY_FCM" if order.is_future else "UNKNOWN_RISK_MANAGEMENT_TYPE"
    return {
        "avg_price": average(order.value, unit_value(order)),
        "cancel_reason": order.cancel_message,
        "client_order_id": order.client_order_id,
        "completion_percentage": _completion(order),
        "contract_expiry_type": expiry_type(order),
        "creation_time": time_text(order.created_at),
        "cumulative_quantity": plain(order.filled),
        "end_time": time_text(terms.end_at) if terms.end_at else NO_TIME,
        "filled_value": plain(order.value),
        "leaves_quantity": plain(_leaves(order)),
        "limit_price": plain(limit_price(order)),
        "number_of_fills": str(order.fills),
        "order_id": order.order_id,
        "order_side": order.side,
        "order_type": TITLES[terms.order_type],
        "outstanding_hold_amount": plain(order.held),
        "post_only": "true" if terms.post_only else "false",
        "product_id": order.product_id,
        "product_type": _product_type(order),
        "reject_reason": order.reject_reason,
        "retail_portfolio_id": portfolio_id(run),
        "risk_managed_by": managed,
        "start_time": NO_TIME,
        "status": order.status,
        "stop_price": plain(terms.stop_price) if terms.stop_price else "0",
        "time_in_force": terms.time_in_force,
        "total_fees": plain(order.fees_told),
        "total_value_after_fees": _after_fees(order),
        "trigger_status": _trigger_status(order),
    }


def sparse_row(row: Row) -> Row:
    """The few fields of old frames, and the name that was spelt wrong in them."""
    return {name: row[name] for name in SPARSE} | {"reject_Reason": row["reject_reason"]}
