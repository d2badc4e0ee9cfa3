"""Orders over REST: create, preview, edit, cancel, close. No I/O.

A business refusal is HTTP 200 with `success: false`; a request of the wrong shape is 400. Source:
Coinbase Advanced Trade API, Orders.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import uuid5

from msgspec import Struct

from sidecar.core.vocabulary.money import ZERO, amount
from sidecar.paper.service.call import Call
from sidecar.paper.service.world import World
from sidecar.paper.venue.order import Edit
from sidecar.paper.venue.request import Close, EditOrder, NewOrder
from sidecar.paper.venue.terms import Refused, odd_post_only, without_nulls
from sidecar.paper.wire import orders as shapes
from sidecar.paper.wire import previews
from sidecar.paper.wire.errors import invalid, too_many_ids
from sidecar.paper.wire.text import Row

CANCELS_MAX: Final = 100  # ids a call
ID_CHARACTERS_MAX: Final = 128


class Proposal(Struct, kw_only=True):
    """The body of a preview: an order without its client_order_id."""

    product_id: str = ""
    side: str = ""
    order_configuration: dict[str, dict[str, object] | None] = {}
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
    _check_wallet(world, request.product_id)
    row["order_configuration"] = _configuration(request)
    if world.faults.count_off("answer_without_accept"):
        ghost = uuid5(world.exchange.run, f"ghost/{request.client_order_id}")
        return shapes.created(str(ghost), row)
    try:
        order = world.exchange.create(request, call.now)
    except Refused as error:
        return shapes.refused(error.refusal, row)
    return shapes.created(order.order_id, row, order.attached_order_id)


def close_position(world: World, call: Call) -> Row:
    """`POST /orders/close_position`: futures only."""
    request, row = call.read(Close), call.row() | {"order_configuration": {}}
    _check_id(request.client_order_id)
    try:
        order = world.exchange.close(request, call.now)
    except Refused as error:
        return shapes.refused(error.refusal, row)
    echo = row | {"side": order.side, "order_configuration": order.configuration}
    return shapes.created(order.order_id, echo)


def _configuration(request: "NewOrder | Proposal") -> Row:
    """The order_configuration as it is echoed. Raises Failed with status 400."""
    given = without_nulls(request.order_configuration)
    if odd_post_only(given):
        raise invalid("post_only is neither true nor false")
    return given


def _check_id(client_order_id: str) -> None:
    if not client_order_id:
        raise invalid("client_order_id is required")
    if len(client_order_id) > ID_CHARACTERS_MAX:
        raise invalid(f"client_order_id is longer than {ID_CHARACTERS_MAX} characters")


def _check_wallet(world: World, product_id: str) -> None:
    """A switched-on fault: the account has no wallet of the product's quote currency."""
    listing, missing = world.exchange.listings.get(product_id), world.faults.now.no_wallet_of
    if listing is not None and listing.contract is None and missing == listing.quote:
        raise invalid("account is not available")


def preview(world: World, call: Call) -> Row:
    """`POST /orders/preview`: the cost of an order, or why it would be refused."""
    proposal = call.read(Proposal)
    _check_wallet(world, proposal.product_id)
    request = NewOrder(
        client_order_id="preview",
        product_id=proposal.product_id,
        side=proposal.side,
        order_configuration=_configuration(proposal),
        attached_order_configuration=proposal.attached_order_configuration,
        leverage=proposal.leverage,
        margin_type=proposal.margin_type,
    )
    listing = world.exchange.listings.get(proposal.product_id)
    best = _best(world, listing.book) if listing is not None else (None, None)
    try:
        order = world.exchange.preview(request, call.now)
    except Refused as error:
        return previews.refused_preview(error.refusal, best)
    contract = listing.contract if listing is not None else None
    margin_rate = contract.intraday_margin_rate if contract is not None else None
    return previews.preview(order, best, margin_rate)


def _best(world: World, book: str) -> tuple[Decimal | None, Decimal | None]:
    bid, ask = world.exchange.books[book].top("BUY"), world.exchange.books[book].top("SELL")
    return (bid.price if bid else None, ask.price if ask else None)


# ------------------------------------------------------------------------------- editing, cancelling


def edit(world: World, call: Call) -> Row:
    """`POST /orders/edit`."""
    request = call.read(EditOrder)
    return shapes.edited(world.exchange.edit(request.order_id, _edit(request, call.now), call.now))


def edit_preview(world: World, call: Call) -> Row:
    """`POST /orders/edit_preview`."""
    request = call.read(EditOrder)
    order = world.exchange.register.get(request.order_id)
    edited = _edit(request, call.now)
    why = world.exchange.intake.edit_refusal(order, edited)
    best = _best(world, order.book) if order is not None else (None, None)
    return previews.edit_preview(order, edited, best, why)


def _edit(request: EditOrder, now: datetime) -> Edit:
    return Edit(_number(request.price), _number(request.size), now, _number(request.stop_price))


def _number(text: str | None) -> Decimal:
    """A missing size or price of an edit is read as zero, and refused for that; a missing stop price stays."""
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
