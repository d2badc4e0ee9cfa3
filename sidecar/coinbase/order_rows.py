"""Rows of orders and fills as facts, and Coinbase's answer to an order. Pure.

REST tells the same order in another dialect than the user channel: side, created_time,
average_filled_price, filled_size; its size is only inside order_configuration. Source: Coinbase
Advanced Trade API, Orders.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sidecar.coinbase.frames import (
    INSTANT,
    NOT_A_BOTS,
    STOP_LIMIT,
    TRIGGERED,
    filled_part,
    order_type_of,
    side,
)
from sidecar.coinbase.reading import (
    WORDS_MAX,
    Row,
    flag,
    is_true,
    moment_if_any,
    number,
    price,
    quantity,
    required,
    table,
    text,
)
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ZERO

TRADE_TYPES: Final[dict[str, ev.TradeType]] = {
    "REVERSAL": "REVERSAL",
    "CORRECTION": "CORRECTION",
    "SYNTHETIC": "SYNTHETIC",
}
FUNDING: Final = "FUNDING"


def order_report(row: Row, at: datetime) -> ev.OrderReported:
    """One order of a listing or a look-up. Raises Untrusted, naming order and field."""
    order_id = text(row.get("order_id"), "order_id")
    if not order_id:
        raise Untrusted("an order without order_id")
    try:
        return _order_report(row, order_id, at)
    except Untrusted as fault:
        raise Untrusted(f"order {order_id[:40]}: {fault}") from None


def _order_report(row: Row, order_id: str, at: datetime) -> ev.OrderReported:
    terms = _terms(row.get("order_configuration"))
    size = number(terms.get("base_size"), "base_size")
    status = required(row, "status")
    average = quantity(row.get("average_filled_price"), "average_filled_price")
    filled = filled_part(row, "filled_size", status, average)
    order_type = order_type_of(row)
    stop = terms.get("stop_price") or terms.get("stop_trigger_price")
    return ev.OrderReported(
        at=at,
        order_id=order_id,
        client_order_id=text(row.get("client_order_id"), "client_order_id"),
        product_id=required(row, "product_id"),
        side=side(row.get("side"), "side"),
        status=status,
        filled=filled,
        average_price=average,
        fees=quantity(row.get("total_fees"), "total_fees"),
        leaves=max(ZERO, size - filled) if size is not None else None,
        base_size=size,
        limit_price=price(terms.get("limit_price"), "limit_price"),
        stop_price=price(stop, "stop_price"),
        rests=text(row.get("time_in_force"), "time_in_force") not in INSTANT,
        created_at=moment_if_any(row.get("created_time")),
        parent_id=text(row.get("originating_order_id"), "originating_order_id"),
        child_id=text(row.get("attached_order_id"), "attached_order_id"),
        attached=bool(row.get("attached_order_configuration")),
        is_market=order_type == "MARKET",
        by_coinbase=order_type in NOT_A_BOTS or is_true(row.get("is_liquidation")),
        triggered=row.get("trigger_status") == TRIGGERED,
        is_stop=order_type == STOP_LIMIT,
        by_rest=True,
    )


def _terms(configuration: object) -> Row:
    """The fields of the one kind that is configured."""
    if not isinstance(configuration, Mapping):
        return {}
    kinds = [fields for fields in configuration.values() if isinstance(fields, Mapping)]
    return kinds[0] if len(kinds) == 1 else {}


def fill_report(row: Row, at: datetime) -> ev.FillReported | ev.FundingPaid:
    """A fill, or a payment of funding that is told as a fill. A size in quote currency becomes a size in
    base. Raises Untrusted, naming fill and field.
    """
    try:
        if row.get("trade_type") == FUNDING:
            return _funding(row, at)
        return _fill_report(row, at)
    except Untrusted as fault:
        raise Untrusted(f"fill {str(row.get('entry_id'))[:40]}: {fault}") from None


def _fill_report(row: Row, at: datetime) -> ev.FillReported:
    told, paid = number(row.get("size"), "size"), quantity(row.get("price"), "price")
    if told is None:
        raise Untrusted("size is missing")
    if told and not paid:
        raise Untrusted("it has a size and no price")
    by_value = flag(row.get("size_in_quote"), "size_in_quote")
    size = told / paid if by_value and told else told
    kind = row.get("trade_type")
    return ev.FillReported(
        at=at,
        entry_id=required(row, "entry_id"),
        order_id=required(row, "order_id"),
        product_id=required(row, "product_id"),
        side=side(row.get("side"), "side"),
        price=paid,
        size=size,
        commission=quantity(row.get("commission"), "commission"),
        trade_type=TRADE_TYPES.get(kind, "FILL") if isinstance(kind, str) else "FILL",
        traded_at=moment_if_any(row.get("trade_time")),
        by_value=by_value,
        by_rest=True,
    )


def is_empty(fill: ev.FillReported | ev.FundingPaid) -> bool:
    """Whether it traded and paid zero."""
    return isinstance(fill, ev.FillReported) and not (fill.size or fill.commission)


def _funding(row: Row, at: datetime) -> ev.FundingPaid:
    """A payment of funding as a fill of no size: its commission is the payment (unverified)."""
    paid = number(row.get("commission"), "commission")
    if not paid:
        raise Untrusted("it is a payment of funding without an amount")
    return ev.FundingPaid(
        at=at,
        product_id=required(row, "product_id"),
        amount=-paid,
        entry_id=text(row.get("entry_id"), "entry_id"),
        paid_at=moment_if_any(row.get("trade_time")),
    )


def order_answer(row: Row) -> tuple[str, str]:
    """The answer to an order: its order_id where Coinbase took it, else "" and the reason why not.

    The reason is the first that is not empty; several fields hold it, some of them deprecated.
    Raises Untrusted where it says neither.
    """
    if row.get("success") is True:
        taken = table(row.get("success_response"), "success_response")
        order_id = text(taken.get("order_id") or row.get("order_id"), "order_id")
        if not order_id:
            raise Untrusted("an order was taken without an order_id")
        return order_id, ""
    if row.get("success") is not False:
        raise Untrusted("the answer to an order does not say whether it was taken")
    why = table(row.get("error_response"), "error_response")
    names = ("new_order_failure_reason", "preview_failure_reason", "error")
    said = [str(why.get(name) or "") for name in names]
    code = next((one for one in said if one and not one.startswith("UNKNOWN_")), "refused")
    return "", f"{code} {why.get('message') or ''}".strip()[:WORDS_MAX]
