"""Previews: the cost of an order or an edit, or why it would be refused. No I/O.

Source: Coinbase Advanced Trade API, "Preview Order", "Edit Order Preview".
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final
from uuid import UUID, uuid5

from sidecar.core.vocabulary.money import ZERO, plain
from sidecar.paper.venue.order import Edit, Order
from sidecar.paper.venue.refusal import Refusal
from sidecar.paper.wire.orders import edited, unit_value
from sidecar.paper.wire.text import PRICE_QUANTUM, Row, average, number

Best = tuple[Decimal | None, Decimal | None]  # bid, ask


def preview(order: Order, best: Best, margin_rate: Decimal | None = None) -> Row:
    """The answer to a preview: what the order would cost at worst; a future has a margin rate."""
    size, price = order.terms.size, _expected_price(order, best)
    value = order.terms.quote_size or size * price * order.multiplier
    fee = value * order.fee_cap
    if order.terms.quote_size:
        fee, total = value - value / (1 + order.fee_cap), value  # fees are inside
    else:
        total = value + (fee if order.side == "BUY" else -fee)
    base = size or ((value - fee) / price if price else ZERO)
    return _preview(best, []) | {
        "order_total": _rounded(total),
        "order_margin_total": _rounded(value * margin_rate) if margin_rate is not None else "",
        "commission_total": _rounded(fee),
        "quote_size": _rounded(value),
        "base_size": _rounded(base),
        "leverage": order.leverage,
        "preview_id": str(uuid5(UUID(order.order_id), "preview")),
        "commission_detail_total": {"total_commission": _rounded(fee)},
        "est_average_filled_price": plain(price),
    }


def _expected_price(order: Order, best: Best) -> Decimal:
    """A market order is expected to trade at the touch; its limit price is only its protection."""
    touch = best[1] if order.side == "BUY" else best[0]
    return touch if order.terms.order_type == "MARKET" and touch else order.terms.limit_price


def refused_preview(why: Refusal, best: Best) -> Row:
    """The answer to a preview of an order that would be refused."""
    return _preview(best, [why.preview])


def _preview(best: Best, reasons: list[str]) -> Row:
    return dict.fromkeys(EMPTY_IN_PREVIEW, "") | {
        "order_total": "0",
        "commission_total": "0",
        "errs": reasons,
        "warning": [],
        "quote_size": "0",
        "base_size": "0",
        "best_bid": number(best[0]),
        "best_ask": number(best[1]),
        "is_max": False,
        "preview_id": "",
        **dict.fromkeys(("pnl_configuration", "twap_bucket_metadata", "margin_ratio_data")),
    }


def _rounded(value: Decimal) -> str:
    return plain(value.quantize(PRICE_QUANTUM, ROUND_HALF_EVEN))


EMPTY_IN_PREVIEW: Final = (
    "order_margin_total", "leverage", "long_leverage", "short_leverage", "slippage",
    "current_liquidation_buffer", "projected_liquidation_buffer", "max_leverage",
    "predicted_liquidation_price", "available_buying_power", "est_average_filled_price",
)  # fmt: skip


def edit_preview(order: Order | None, edit: Edit, best: Best, why: str) -> Row:
    """The answer to an edit's preview: the order as it would be."""
    value = edit.price * edit.size * (order.multiplier if order else 1)
    fee = value * (order.fee_cap if order else ZERO)
    return {
        "errors": edited(why)["errors"],
        "slippage": "0",
        "order_total": _rounded(value + (fee if order and order.side == "BUY" else -fee)),
        "commission_total": _rounded(fee),
        "quote_size": _rounded(value),
        "base_size": plain(edit.size),
        "best_bid": number(best[0]),
        "best_ask": number(best[1]),
        "average_filled_price": average(order.value, unit_value(order)) if order else "0",
        "order_margin_total": "",
    }
