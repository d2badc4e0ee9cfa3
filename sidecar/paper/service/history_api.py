"""Orders and fills as lists over REST: filters, sorting, pages. No I/O.

A cursor names the last row of its page: alone where rows stand as they came, behind the value they
are sorted by and a tilde where they do not. So a row that is new or changes between two pages
neither hides nor repeats any other row. Source: Coinbase Advanced Trade API, "List Orders", "List
Fills".
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import nlargest
from itertools import dropwhile, islice
from typing import Any, Final, TypeVar

from sidecar.core.vocabulary.money import ZERO, amount, plain
from sidecar.paper.service import foreign_rows
from sidecar.paper.service.call import Call
from sidecar.paper.service.world import World
from sidecar.paper.venue.order import Fill, Order
from sidecar.paper.wire import orders as shapes
from sidecar.paper.wire.errors import invalid, no_order
from sidecar.paper.wire.text import Row

LIST_DEFAULT: Final = 100
LIST_MAX: Final = 1_000
FILLS_MAX: Final = 3_000
OPEN_STATUSES: Final = frozenset({"OPEN", "PENDING", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED"})
BAD_CURSOR: Final = "cursor is invalid"


def get_order(world: World, call: Call) -> Row:
    """`GET /orders/historical/{order_id}`; a new order may not be found for a moment."""
    order = world.exchange.register.get(call.path["order_id"])
    if order is None or not _is_visible(world, order, call.now):
        raise no_order()
    return {"order": shapes.order_row(order, world.exchange.run, call.now)}


def list_orders(world: World, call: Call) -> Row:
    """`GET /orders/historical/batch`: newest first, or by `sort_by` from the highest value down.

    A singular `product_id` is ignored, as in production; orders of the simple app are none here.
    """
    limit = call.number("limit", LIST_DEFAULT, LIST_MAX)
    value_of = _sorting(call, ORDER_VALUES)
    if value_of is None:
        found = list(islice(_matching(world, call, _candidates(world, call)), limit + 1))
    else:
        below = _order_place(world, call)
        every = _matching(world, call, world.exchange.register.newest_first())
        found = _highest(every, lambda order: _order_key(order, value_of), below, limit + 1)
    page, more = found[:limit], len(found) > limit
    last = page[-1] if more else None
    rows = [shapes.order_row(order, world.exchange.run, call.now) for order in page]
    return {
        "orders": _with_foreign_order(world, call, rows),
        "sequence": "0",
        "has_next": more,
        "cursor": _sorted_cursor(last.order_id, last, value_of) if last is not None else "",
    }


def _with_foreign_order(world: World, call: Call, rows: list[Row]) -> list[Row]:
    """A switched-on fault: an order that is no coin's is listed first."""
    if not world.faults.now.foreign_rows:
        return rows
    statuses, ids = call.texts("order_status"), call.texts("order_ids")
    is_simple = call.text("order_placement_source", "RETAIL_ADVANCED") == "RETAIL_SIMPLE"
    is_listed = not (_cursor(call) or is_simple or ids) and (not statuses or "OPEN" in statuses)
    told = [foreign_rows.order(world.exchange.run, call.now)] if is_listed else []
    return foreign_rows.with_long_times(told + rows)


def _matching(world: World, call: Call, orders: Iterable[Order]) -> Iterator[Order]:
    wanted = {
        "order_id": set(call.texts("order_ids")),
        "product_id": set(call.texts("product_ids")),
        "status": set(call.texts("order_status")),
        "side": set(call.texts("order_side")),
    }
    of_terms = {
        "order_type": set(call.texts("order_types")),
        "time_in_force": set(call.texts("time_in_forces")),
    }
    products = _products(world, call, call.texts("product_type"))
    expiry_type = call.text("contract_expiry_type")
    since, until = call.moment("start_date"), call.moment("end_date")
    if call.text("order_placement_source", "RETAIL_ADVANCED") == "RETAIL_SIMPLE":
        return
    for order in orders:
        if (
            _is_visible(world, order, call.now)
            and order.product_id in products
            and _is_one(order, wanted)
            and _is_one(order.terms, of_terms)
            and (not expiry_type or expiry_type == shapes.expiry_type(order))
            and (since is None or order.created_at >= since)
            and (until is None or order.created_at < until)
        ):
            yield order


def _is_one(row: object, wanted: Mapping[str, set[str]]) -> bool:
    """Whether each field is one of those asked for, where any are."""
    return all(not names or getattr(row, name) in names for name, names in wanted.items())


def _products(world: World, call: Call, types: Collection[str]) -> set[str]:
    """The products that a list is about, by their type and by `asset_filters`.

    An asset is a product's base, its quote, or a future's underlying.
    """
    assets = set(call.texts("asset_filters"))
    found = set()
    for listing in world.exchange.listings.values():
        contract = listing.contract
        kind = "FUTURE" if contract is not None else "SPOT"
        about = {contract.root_unit if contract is not None else listing.base, listing.quote}
        if (not types or kind in types) and (not assets or assets & about):
            found.add(listing.product_id)
    return found


def _candidates(world: World, call: Call) -> Iterable[Order]:
    """Newest first; only the open ones when only such are asked for: the usual poll is short.

    A further page begins behind the order that its cursor names. Not below its number: an edit
    gives an order a new one.
    """
    register = world.exchange.register
    statuses = set(call.texts("order_status"))
    if cursor := _cursor(call):
        if register.get(cursor) is None:
            raise invalid(BAD_CURSOR)
        rest = dropwhile(lambda order: order.order_id != cursor, register.newest_first())
        return islice(rest, 1, None)
    if statuses and statuses <= OPEN_STATUSES:
        return reversed(register.open.values())
    return register.newest_first()


def _is_visible(world: World, order: Order, now: datetime) -> bool:
    hidden = world.exchange.behaviour.hidden_when_new
    return not hidden or now - order.created_at >= hidden


def fills(world: World, call: Call) -> Row:
    """`GET /orders/historical/fills`: newest first, or the highest price first; an empty cursor
    ends the pages.
    """
    limit = call.number("limit", LIST_DEFAULT, FILLS_MAX)
    value_of = _sorting(call, FILL_VALUES)
    every = _matching_fills(world, call)
    if value_of is None:
        below = _number_in(_cursor(call) or None)
        newest = (fill for fill in every if below is None or fill.number < below)
        found = list(islice(newest, limit + 1))
    else:
        value, rest = _place(call)
        place = (value, _number_in(rest)) if value is not None else None
        found = _highest(every, lambda fill: (value_of(fill), fill.number), place, limit + 1)
    page, more = found[:limit], len(found) > limit
    last = page[-1] if more else None
    rows = [_fill_row(world, fill, call.now) for fill in page]
    if world.faults.now.foreign_rows:
        told = [] if _cursor(call) else foreign_rows.fills(world.exchange.run, call.now)
        rows = foreign_rows.with_long_times(told + rows)
    return {
        "fills": rows,
        "cursor": _sorted_cursor(str(last.number), last, value_of) if last is not None else "",
    }


def _matching_fills(world: World, call: Call) -> Iterator[Fill]:
    """Newest first. A fill whose order is forgotten is of no `order_types`."""
    wanted = {
        "order_id": set(call.texts("order_ids")),
        "trade_id": set(call.texts("trade_ids")),
        "product_id": set(call.texts("product_ids")),
        "side": set(call.texts("order_side")),
    }
    register, order_types = world.exchange.register, set(call.texts("order_types"))
    products = _products(world, call, call.texts("product_types"))
    since = call.moment("start_sequence_timestamp")
    until = call.moment("end_sequence_timestamp")
    for fill in reversed(register.fills):
        if (
            fill.product_id in products
            and _is_one(fill, wanted)
            and (since is None or fill.at >= since)
            and (until is None or fill.at <= until)
        ):
            order = register.get(fill.order_id) if order_types else None
            if not order_types or (order is not None and order.terms.order_type in order_types):
                yield fill


# ------------------------------------------------------------------------------ cursors and sorting

T = TypeVar("T")
Value = Callable[[T], Decimal]

ORDER_VALUES: Final[Mapping[str, Value[Order]]] = {
    "LIMIT_PRICE": shapes.limit_price,
    "LAST_FILL_TIME": lambda order: _microseconds(order.filled_at),
    "LAST_UPDATE_TIME": lambda order: _microseconds(order.updated_at),
}
FILL_VALUES: Final[Mapping[str, Value[Fill]]] = {
    "PRICE": lambda fill: fill.price,
    "TRADE_TIME": lambda fill: _microseconds(fill.at),
}
NOT_SORTED: Final = frozenset({"", "UNKNOWN_SORT_BY"})
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(at: datetime | None) -> Decimal:
    """A time that has not come stands last."""
    return Decimal((at - EPOCH) // timedelta(microseconds=1)) if at is not None else ZERO


def _sorting(call: Call, values: Mapping[str, Value[T]]) -> Value[T] | None:
    sort_by = call.text("sort_by")
    if sort_by not in values and sort_by not in NOT_SORTED:
        raise invalid(f"sort_by is none of {', '.join(values)}")
    return values.get(sort_by)


def _cursor(call: Call) -> str:
    """The row that a further page begins behind. "0" means the first page, for clients' sake."""
    text = call.text("cursor")
    return "" if text == "0" else text


def _place(call: Call) -> tuple[Decimal | None, str]:
    """A cursor of sorted rows: the value, and the name of the row. None on the first page."""
    cursor = _cursor(call)
    if not cursor:
        return None, ""
    value, _, name = cursor.partition("~")
    try:
        return amount(value), name
    except ValueError:
        raise invalid(BAD_CURSOR) from None


def _number_in(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise invalid(BAD_CURSOR)
    return int(text)


def _order_key(order: Order, value_of: Value[Order]) -> tuple[Decimal, datetime, str]:
    """Where an order stands among sorted ones; of the same value the newest first."""
    return value_of(order), order.created_at, order.order_id


def _order_place(world: World, call: Call) -> tuple[Decimal, datetime, str] | None:
    value, order_id = _place(call)
    if value is None:
        return None
    order = world.exchange.register.get(order_id)
    if order is None:
        raise invalid(BAD_CURSOR)
    return value, order.created_at, order_id


def _highest(rows: Iterable[T], key: Callable[[T], Any], below: Any, most: int) -> list[T]:
    """The first rows from the highest key down, of those below a key if one is given."""
    return nlargest(most, (row for row in rows if below is None or key(row) < below), key=key)


def _sorted_cursor(name: str, row: T, value_of: Value[T] | None) -> str:
    return name if value_of is None else f"{plain(value_of(row))}~{name}"


def _fill_row(world: World, fill: Fill, now: datetime) -> Row:
    row = shapes.fill_row(fill, world.exchange.run, now)
    order = world.exchange.register.get(fill.order_id)
    if world.faults.now.fine_quote_fills and order is not None and order.terms.quote_size:
        return shapes.in_quote(row, fill)
    return row
