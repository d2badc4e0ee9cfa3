"""Orders over REST: create, preview, edit, cancel, close, list. No I/O.

A business refusal is HTTP 200 with `success: false`; a request of the wrong shape is 400. Source:
Coinbase Advanced Trade API, Orders.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import dropwhile, islice
from typing import Final
from uuid import uuid5

from msgspec import Struct

from sidecar.core.money import ZERO, amount
from sidecar.paper.service.call import Call
from sidecar.paper.service.world import World
from sidecar.paper.venue.order import Edit, Fill, Order
from sidecar.paper.venue.request import Close, EditOrder, NewOrder
from sidecar.paper.venue.terms import Refused
from sidecar.paper.wire import orders as shapes
from sidecar.paper.wire.errors import invalid, no_order, too_many_ids
from sidecar.paper.wire.text import Row

CANCELS_MAX: Final = 100  # ids a call
LIST_DEFAULT: Final = 100
LIST_MAX: Final = 1_000
FILLS_MAX: Final = 3_000
ID_CHARACTERS_MAX: Final = 128
OPEN_STATUSES: Final = frozenset({"OPEN", "PENDING", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED"})


class Proposal(Struct, kw_only=True):
    """The body of a preview: an order without its client_order_id."""

    product_id: str = ""
    side: str = ""
    order_configuration: dict[str, dict[str, object]] = {}
    attached_order_configuration: dict[str, object] | None = None
    leverage: str | None = None
    margin_type: str | None = None


class Cancels(Struct):
    """The body of a batch cancel."""

    order_ids: list[str]


# ----------------------------------------------------------------------------------------- placing


def create(world: World, call: Call) -> Row:
    """`POST /orders`."""
    request, row = call.read(NewOrder), call.row()
    _check_id(request.client_order_id)
    if world.faults.take("answer_without_accept"):
        ghost = uuid5(world.exchange.run, f"ghost/{request.client_order_id}")
        return shapes.created(str(ghost), row)
    try:
        order = world.exchange.create(request, call.now)
    except Refused as error:
        return shapes.refused(error.refusal, row)
    return shapes.created(order.order_id, row, order.attached_order_id)


def close_position(world: World, call: Call) -> Row:
    """`POST /orders/close_position`: futures only."""
    request, row = call.read(Close), call.row()
    _check_id(request.client_order_id)
    try:
        order = world.exchange.close(request, call.now)
    except Refused as error:
        return shapes.refused(error.refusal, row)
    echo = row | {"side": order.side, "order_configuration": order.configuration}
    return shapes.created(order.order_id, echo)


def _check_id(client_order_id: str) -> None:
    if not client_order_id:
        raise invalid("client_order_id is required")
    if len(client_order_id) > ID_CHARACTERS_MAX:
        raise invalid(f"client_order_id is longer than {ID_CHARACTERS_MAX} characters")


def preview(world: World, call: Call) -> Row:
    """`POST /orders/preview`: what an order would cost, or why it would be refused."""
    proposal = call.read(Proposal)
    request = NewOrder(
        client_order_id="preview",
        product_id=proposal.product_id,
        side=proposal.side,
        order_configuration=dict(proposal.order_configuration),
        attached_order_configuration=proposal.attached_order_configuration,
        leverage=proposal.leverage,
        margin_type=proposal.margin_type,
    )
    listing = world.exchange.listings.get(proposal.product_id)
    best = _best(world, listing.book) if listing is not None else (None, None)
    try:
        order = world.exchange.preview(request, call.now)
    except Refused as error:
        return shapes.refused_preview(error.refusal, best)
    return shapes.preview(order, best)


def _best(world: World, book: str) -> tuple[Decimal | None, Decimal | None]:
    bid, ask = world.exchange.books[book].top("BUY"), world.exchange.books[book].top("SELL")
    return (bid.price if bid else None, ask.price if ask else None)


# ------------------------------------------------------------------------------- editing, cancelling


def edit(world: World, call: Call) -> Row:
    """`POST /orders/edit`."""
    request = call.read(EditOrder)
    price, size = _number(request.price), _number(request.size)
    return shapes.edited(world.exchange.edit(request.order_id, price, size, call.now))


def edit_preview(world: World, call: Call) -> Row:
    """`POST /orders/edit_preview`."""
    request = call.read(EditOrder)
    order = world.exchange.register.get(request.order_id)
    edited = Edit(_number(request.price), _number(request.size), call.now)
    why = world.exchange.intake.edit_refusal(order, edited)
    best = _best(world, order.book) if order is not None else (None, None)
    return shapes.edit_preview(order, edited, best, why)


def _number(text: str | None) -> Decimal:
    """A missing size or price of an edit is read as zero, and refused for that."""
    try:
        return amount(text) if text else ZERO
    except ValueError as error:
        raise invalid(str(error)) from None


def batch_cancel(world: World, call: Call) -> Row:
    """`POST /orders/batch_cancel`: the exchange's own ids, a hundred at most."""
    order_ids = call.read(Cancels).order_ids
    if len(order_ids) > CANCELS_MAX:
        raise too_many_ids(CANCELS_MAX)
    if not order_ids:
        raise invalid("order_ids is required")
    return shapes.cancelled(
        [(order_id, world.exchange.cancel(order_id, call.now)) for order_id in order_ids]
    )


# ------------------------------------------------------------------------------------------- reading


def get_order(world: World, call: Call) -> Row:
    """`GET /orders/historical/{order_id}`; a new order may not be found for a moment."""
    order = world.exchange.register.get(call.path["order_id"])
    if order is None or not _is_visible(world, order, call.now):
        raise no_order()
    return {"order": shapes.order_row(order, world.exchange.run, call.now)}


def list_orders(world: World, call: Call) -> Row:
    """`GET /orders/historical/batch`: newest first.

    A singular `product_id` is ignored, as in production; orders of the simple app are none here.
    """
    limit = call.number("limit", LIST_DEFAULT, LIST_MAX)
    found = list(islice(_matching(world, call), limit + 1))
    page, more = found[:limit], len(found) > limit
    return {
        "orders": [shapes.order_row(order, world.exchange.run, call.now) for order in page],
        "sequence": "0",
        "has_next": more,
        "cursor": page[-1].order_id if more else "",
    }


def _cursor(call: Call) -> int | None:
    """Where the next page begins: below this number. "0" means the first page, for clients' sake."""
    text = call.text("cursor")
    if not text or text == "0":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise invalid("cursor is invalid")
    return int(text)


def _matching(world: World, call: Call) -> Iterator[Order]:
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
    assets = set(call.texts("asset_filters"))
    since, until = call.moment("start_date"), call.moment("end_date")
    if call.text("order_placement_source", "RETAIL_ADVANCED") == "RETAIL_SIMPLE":
        return
    for order in _candidates(world, call, wanted["status"]):
        if (
            _is_visible(world, order, call.now)
            and all(not names or getattr(order, name) in names for name, names in wanted.items())
            and all(
                not names or getattr(order.terms, name) in names for name, names in of_terms.items()
            )
            and call.text("product_type") in ("", "FUTURE" if order.is_future else "SPOT")
            and call.text("contract_expiry_type", shapes.expiry_type(order))
            == shapes.expiry_type(order)
            and (not assets or assets & _assets(world, order))
            and (since is None or order.created_at >= since)
            and (until is None or order.created_at < until)
        ):
            yield order


def _candidates(world: World, call: Call, statuses: set[str]) -> Iterable[Order]:
    """Newest first; only the open ones when only such are asked for: the usual poll is short.

    A further page begins behind the order that its cursor names. Not below its number: an edit
    gives an order a new one.
    """
    register = world.exchange.register
    cursor = call.text("cursor")
    if cursor and cursor != "0":  # "0" means the first page, for clients' sake
        if register.get(cursor) is None:
            raise invalid("cursor is invalid")
        rest = dropwhile(lambda order: order.order_id != cursor, register.newest_first())
        return islice(rest, 1, None)
    if statuses and statuses <= OPEN_STATUSES:
        return reversed(register.open.values())
    return register.newest_first()


def _assets(world: World, order: Order) -> set[str]:
    """What an order is about, for who filters by asset: base, quote, or a future's underlying."""
    listing = world.exchange.listings[order.product_id]
    base = listing.contract.root_unit if listing.contract is not None else listing.base
    return {base, listing.quote}


def _is_visible(world: World, order: Order, now: datetime) -> bool:
    hidden = world.exchange.behaviour.hidden_when_new
    return not hidden or now - order.created_at >= hidden


def fills(world: World, call: Call) -> Row:
    """`GET /orders/historical/fills`: newest first; an empty cursor ends the pages."""
    limit = call.number("limit", LIST_DEFAULT, FILLS_MAX)
    found = list(islice(_matching_fills(world, call, _cursor(call)), limit + 1))
    page, more = found[:limit], len(found) > limit
    return {
        "fills": [shapes.fill_row(fill, world.exchange.run, call.now) for fill in page],
        "cursor": str(page[-1].number) if more else "",
    }


def _matching_fills(world: World, call: Call, below: int | None) -> Iterator[Fill]:
    wanted = {
        "order_id": set(call.texts("order_ids")),
        "trade_id": set(call.texts("trade_ids")),
        "product_id": set(call.texts("product_ids")),
        "side": set(call.texts("order_side")),
    }
    since = call.moment("start_sequence_timestamp")
    until = call.moment("end_sequence_timestamp")
    if until is not None:
        until += timedelta(microseconds=1)  # the end is included
    for fill in reversed(world.exchange.register.fills):
        if (
            (below is None or fill.number < below)
            and all(not names or getattr(fill, name) in names for name, names in wanted.items())
            and (since is None or fill.at >= since)
            and (until is None or fill.at < until)
        ):
            yield fill
