"""One line of the journal as a person reads it: time, number, type, and its main fields. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from rich.text import Text

from sidecar.console.shown import words
from sidecar.console.shown.render_liquidation import how_it_went
from sidecar.escaping import escaped

Row = Mapping[str, Any]

SHOWN_MAX: Final = 4  # of a list
HEAD: Final = frozenset({"seq", "sum", "type", "at"})
STYLES: Final = {
    "StateChanged": "bold",
    "CauseRaised": "yellow",
    "Alert": "yellow",
    "LimitsChanged": "yellow",
    "OrderUnapproved": "yellow",
    "Liquidate": "red",
    "PlaceOrder": "red",
    "LiquidationReported": "bold",
}


def readable(raw: bytes) -> Text:
    """The line in words; a damaged one says so."""
    try:
        row = msgspec.json.decode(raw)
        at = words.moment(row.get("at"))
        head = f"{row['seq']:>9} {row['type']:<18}"
        text = TELL.get(row["type"], _fields)(row)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError):
        return Text(f"unreadable, see journal verify: {raw[:60]!r}", style="red")
    when = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}" if at is not None else words.NONE
    return Text.assemble((when, "dim"), escaped(head), " ", (escaped(text), _style(row)))


def _style(row: Row) -> str:
    if row["type"] == "Decided":
        return "green" if row["decision"]["approved"] else "red"
    return STYLES.get(row["type"], "")


def order_of(body: Any) -> Row:
    """The order in a create-order call, on one level: product_id, side, and its configuration's."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            body = None
    if not isinstance(body, Mapping):
        return {}
    kinds = body.get("order_configuration")
    terms = next(iter(kinds.values()), None) if isinstance(kinds, Mapping) else None
    return {**(terms if isinstance(terms, Mapping) else {}), **body}


def size_of(order: Row) -> str:
    """How much, as it was asked for."""
    if "base_size" in order:
        return str(order["base_size"])
    return f"{order['quote_size']} quote" if "quote_size" in order else words.NONE


def _proposed(row: Row) -> str:
    order = order_of(row.get("body"))
    if not order:
        return "what is no order"
    price = f" at {order['limit_price']}" if "limit_price" in order else ""
    by = f", strategy {row['strategy_id']}" if "strategy_id" in row else ""
    dry = ", dry run" if row.get("dry_run") else ""
    what = f"{order.get('side')} {size_of(order)} {order.get('product_id')}{price}"
    return f"{order.get('client_order_id')}: {what}{by}{dry}"


def _decided(row: Row) -> str:
    decision = row["decision"]
    codes = ", ".join(one["code"] for one in decision["violations"])
    answer = "approved" if decision["approved"] else f"refused: {codes}"
    worth = "" if decision["notional"] is None else f", {words.money(decision['notional'])} USD"
    return f"{decision['client_order_id']} {answer}{worth}, {decision['state']}"


def _quotes(row: Row) -> str:
    return _some([f"{q['product_id']} {q['bid']}/{q['ask']}" for q in row["quotes"]])


def _depths(row: Row) -> str:
    return _some([_depth(book) for book in row["books"]])


def _depth(book: Row) -> str:
    best = "/".join(side[0][0] if side else words.NONE for side in (book["bids"], book["asks"]))
    return f"{book['product_id']} {best}, {len(book['bids'])} and {len(book['asks'])} levels"


def _order(row: Row) -> str:
    size = f" of {row['base_size']}" if "base_size" in row else ""
    price = f" at {row['limit_price']}" if "limit_price" in row else ""
    name = row.get("client_order_id") or row["order_id"]
    filled = row.get("filled", "0")
    return (
        f"{name}: {row['status']} {row['side']} {row['product_id']}{price}, filled {filled}{size}"
    )


def _fill(row: Row) -> str:
    what = f"{row['side']} {row['size']} {row['product_id']} at {row['price']}"
    kind = "" if row.get("trade_type", "FILL") == "FILL" else f", {row['trade_type']}"
    return f"{what}, fee {row.get('commission', '0')}{kind}, order {row['order_id']}"


def _balances(row: Row) -> str:
    return _some(
        [
            f"{b['currency']} {b['available']}" + (f" + {b['hold']} held" if "hold" in b else "")
            for b in row["balances"]
        ]
    )


def _cause(row: Row) -> str:
    level = f" {row['level']}" if "level" in row else ""
    return f"{row['code']} ({row['scope']}){level}: {row['reason']}"


def _limits(row: Row) -> str:
    changed = [_change(one) for one in row.get("changes", ())]
    waiting = [_change(one) for one in row.get("queued", ())]
    told = f"by {row['by']}, {row['reason']}: {_some(changed)}"
    until = words.when(row.get("binds_at"))
    return f"{told}; queued until {until}: {_some(waiting)}" if waiting else told


def _change(one: Row) -> str:
    return f"{one['way']}: {one['path']} {one['before']} → {one['after']}"


def _answered(row: Row) -> str:
    remaining = "".join(f"; remains: {one}" for one in row.get("remaining", ()))
    return f"{'done' if row['done'] else 'not done'}: {row['text']}{remaining}"


def _placed(row: Row) -> str:
    if row.get("closes"):
        body = row["body"]
        return f"{row['client_order_id']}: close {body.get('size', 'all')} {body['product_id']}"
    return _proposed(row)


def _reported(row: Row) -> str:
    report = row["report"]
    left = [f"{one['left']} {one['key']}" for one in report["rows"] if one["left"] != "0"]
    return (
        f"{how_it_went(report)}, {report['cancelled']} orders cancelled, proceeds"
        f" {words.money(report['proceeds'])} USD, fees {words.money(report['fees'])} USD,"
        f" left: {_some(left)}"
    )


def _fields(row: Row) -> str:
    """All other fields, a list by its length."""
    told = []
    for name, value in row.items():
        if name not in HEAD:
            is_many = isinstance(value, list | dict)
            told.append(f"{name} ({len(value)})" if is_many else f"{name} {value}")
    return ", ".join(told)


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - SHOWN_MAX} more" if len(texts) > SHOWN_MAX else ""
    return ", ".join(texts[:SHOWN_MAX]) + more or "none"


# The main fields of each type; of one that is not here, every field.
TELL: Final[dict[str, Callable[[Row], str]]] = {
    "OrderProposed": _proposed,
    "Decided": _decided,
    "Quotes": _quotes,
    "QuotesConfirmed": _quotes,
    "DepthSeen": _depths,
    "DepthHolds": lambda row: _some(row["product_ids"]),
    "OrderReported": _order,
    "FillReported": _fill,
    "BalancesRead": _balances,
    "CauseRaised": _cause,
    "CauseCleared": _cause,
    "Answered": _answered,
    "LimitsChanged": _limits,
    "PlaceOrder": _placed,
    "LiquidationReported": _reported,
    "ProductsListed": lambda row: f"{len(row['products'])} products",
    "StateChanged": lambda row: f"{row['before']} → {row['after']}: {row['reason']}",
    "Alert": lambda row: f"{row['severity']} {row['code']}: {row['text']}",
}
