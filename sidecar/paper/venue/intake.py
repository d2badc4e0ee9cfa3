"""From a request to an order that may enter: terms, checks, funds. No I/O."""

from datetime import datetime
from typing import Any, Final
from uuid import uuid5

from msgspec.structs import replace

from sidecar.core.vocabulary.money import ZERO, is_sane, with_money
from sidecar.paper.venue import admission, refusal
from sidecar.paper.venue.book import Book
from sidecar.paper.venue.engine import Engine
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.order import OPPOSITE, Bracket, Edit, Order, Side, Terms
from sidecar.paper.venue.request import Close, NewOrder
from sidecar.paper.venue.terms import Refused, read_bracket, read_terms, without_nulls

# "By newer text" of Coinbase's reference, stop-limit orders and brackets too.
EDITABLE: Final = frozenset({"limit_limit_gtc", "stop_limit_stop_limit_gtc", "trigger_bracket_gtc"})
OPEN_ORDERS_MAX: Final = 500  # a product; Coinbase's older documentation names it


class Intake:
    """Checks requests against products, market and account; holds no funds itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._number = 0

    def next_number(self) -> int:
        """The place in time of an order that lost its place by an edit."""
        self._number += 1
        return self._number

    def accept(self, order: Order) -> None:
        """The order is accepted: the next one has another number, and so another id."""
        self._number = order.number

    def order(self, request: NewOrder, now: datetime, *, guards: bool = False) -> Order:
        """The order that a request would become. Raises Refused.

        An order that `guards` a fill may find its stop or its profit reached already.
        """
        engine = self._engine
        listing = engine.listings.get(request.product_id)
        if listing is None:
            raise Refused(refusal.INVALID_PRODUCT)
        if request.side not in OPPOSITE:
            raise Refused(refusal.INVALID_SIDE)
        side: Side = "BUY" if request.side == "BUY" else "SELL"
        configuration = without_nulls(request.order_configuration)
        terms = read_terms(configuration)
        book = engine.books[listing.book]
        admission.check_product(listing, terms)
        admission.check_numbers(listing, side, terms)
        terms = admission.in_base(listing, terms)
        admission.check_market(book, side, terms, now)
        if not guards:
            admission.check_bracket(book, side, terms)
        attached = self._attached(request, side, terms, listing)
        number = self._number + 1
        order = Order(
            order_id=str(uuid5(engine.run, f"order/{number}")),
            client_order_id=request.client_order_id,
            product_id=listing.product_id,
            book=listing.book,
            side=side,
            terms=_protected(terms, book, side),
            configuration=configuration,
            created_at=now,
            updated_at=now,
            number=number,
            fee_cap=engine.settlement.fees(is_future=listing.contract is not None).cap,
            multiplier=listing.multiplier,
            is_future=listing.contract is not None,
            attached=attached,
            leverage=request.leverage or "",
            margin_type=request.margin_type or "",
        )
        self._check_room(order, listing)
        return order

    def closing_order(self, request: Close, now: datetime) -> Order:
        """The market order that closes a futures position. Raises Refused."""
        engine = self._engine
        listing = engine.listings.get(request.product_id)
        if listing is None or listing.contract is None:
            raise Refused(refusal.INVALID_PRODUCT)
        held = engine.futures.contracts(request.product_id)
        if not held:
            raise Refused(refusal.ZERO_POSITION)
        fields: dict[str, Any] = {"base_size": request.size or f"{abs(held):f}"}
        configuration: dict[str, dict[str, Any] | None] = {"market_market_ioc": fields}
        if read_terms(configuration).size > abs(held):
            raise Refused(refusal.CLOSE_TOO_LARGE)
        closing = NewOrder(
            client_order_id=request.client_order_id,
            product_id=request.product_id,
            side="SELL" if held > 0 else "BUY",
            order_configuration=configuration,
        )
        return self.order(closing, now)

    def guarding_order(self, entry: Order, bracket: Bracket, now: datetime) -> Order:
        """The bracket attached to `entry`, for its filled size. Raises Refused."""
        fields = {
            "base_size": f"{entry.filled:f}",
            "limit_price": f"{bracket.limit_price:f}",
            "stop_trigger_price": f"{bracket.stop_price:f}",
        }
        request = NewOrder(
            client_order_id=str(uuid5(self._engine.run, f"attached/{entry.order_id}")),
            product_id=entry.product_id,
            side=OPPOSITE[entry.side],
            order_configuration={"trigger_bracket_gtc": fields},
        )
        order = self.order(request, now, guards=True)
        order.originating_order_id = entry.order_id
        return order

    def _attached(
        self, request: NewOrder, side: Side, terms: Terms, listing: Listing
    ) -> Bracket | None:
        if not request.attached_order_configuration:
            return None
        bracket = read_bracket(request.attached_order_configuration)
        if terms.order_type == "BRACKET":
            raise Refused(refusal.ATTACHED)  # an exit needs no exit of its own
        best = self._engine.books[listing.book].top(OPPOSITE[side])
        entry = terms.limit_price or (best.price if best is not None else ZERO)
        admission.check_attached(bracket, side, entry, listing)
        return bracket

    def _check_room(self, order: Order, listing: Listing) -> None:
        """Raises Refused: too many open orders, or not enough money, coins or margin."""
        engine = self._engine
        if engine.register.open_of(order.product_id) >= OPEN_ORDERS_MAX:
            raise Refused(refusal.TOO_MANY_OPEN)
        if order.is_future:
            if not engine.settlement.can_margin(listing, order.side, order.terms.size):
                raise Refused(refusal.INSUFFICIENT_MARGIN)
            return
        currency = listing.quote if order.side == "BUY" else listing.base
        if order.requirement() > engine.accounts.available(currency):
            raise Refused(refusal.INSUFFICIENT)

    @with_money
    def edit_refusal(self, order: Order | None, edit: Edit) -> str:
        """Why an order may not be edited so, in Coinbase's words; empty when it may."""
        if order is None:
            return "ORDER_NOT_FOUND"
        listing = self._engine.listings[order.product_id]
        price, size = edit.price, edit.size
        if not (is_sane(price) and is_sane(size) and is_sane(edit.stop_price)):
            return "INVALID_EDITED_PRICE" if is_sane(size) else "INVALID_EDITED_SIZE"
        reasons = [
            (order.terms.kind not in EDITABLE, "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"),
            (_was_sized_in_quote(order), "SIZE_IN_QUOTE_EDITS_NOT_ALLOWED"),
            (not order.is_open or not order.entered, "ONLY_OPEN_ORDERS_CAN_BE_EDITED"),
            (order.pending_cancel, "CANNOT_EDIT_ORDER_PENDING_CANCEL"),
            (order.replacing is not None, "ORDER_IS_ALREADY_BEING_REPLACED"),
            (order.triggered, "CANNOT_EDIT_TRIGGERED_ORDER"),
            (size <= 0 or size % listing.base_increment != 0, "INVALID_EDITED_SIZE"),
            (price <= 0 or price % listing.price_increment != 0, "INVALID_EDITED_PRICE"),
            (
                edit.stop_price < 0 or edit.stop_price % listing.price_increment != 0,
                "INVALID_EDITED_PRICE",
            ),
            (not self._is_within_bounds(listing, edit), "INVALID_EDITED_SIZE"),
            (size <= order.filled, "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"),
            (edit.applied(order.terms) == order.terms, "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"),
        ]
        why = next((why for applies, why in reasons if applies), "")
        return why or self._edit_refusal_by_market(order, listing, edit)

    @staticmethod
    def _is_within_bounds(listing: Listing, edit: Edit) -> bool:
        value = edit.size * edit.price * listing.multiplier
        sized = listing.base_min_size <= edit.size <= listing.base_max_size
        return sized and listing.quote_min_size <= value <= listing.quote_max_size

    def _edit_refusal_by_market(self, order: Order, listing: Listing, edit: Edit) -> str:
        """Why neither market nor account allows a well-formed edit; empty when they do."""
        try:
            admission.check_product(listing, order.terms)
        except Refused:
            return "COMMANDER_REJECTED_EDIT_ORDER"
        book = self._engine.books[order.book]
        if order.terms.stop_price and not _may_wait(order, edit, book):
            return "INVALID_EDITED_PRICE"
        if order.terms.post_only and book.crosses(order.side, edit.price):
            return "INVALID_EDITED_PRICE"
        return "" if self._can_afford(order, listing, edit) else "COMMANDER_REJECTED_EDIT_ORDER"

    def _can_afford(self, order: Order, listing: Listing, edit: Edit) -> bool:
        """Whether the account has the further funds that the edited order would need."""
        engine = self._engine
        if order.is_future:
            more = edit.size - order.terms.size
            return engine.settlement.can_margin(listing, order.side, more)
        needed = replace(order, terms=edit.applied(order.terms)).requirement() - order.held
        currency = listing.quote if order.side == "BUY" else listing.base
        return needed <= engine.accounts.available(currency)


def _may_wait(order: Order, edit: Edit, book: Book) -> bool:
    """Whether an edited stop or bracket would still lie where the market has not been."""
    terms = edit.applied(order.terms)
    try:
        admission.check_market(book, order.side, terms, edit.at)
        admission.check_bracket(book, order.side, terms)
    except Refused:
        return False
    return True


def _was_sized_in_quote(order: Order) -> bool:
    """Whether it was sized in quote currency as it was sent; its terms are in base units since."""
    return any(fields.get("quote_size") for fields in order.configuration.values())


def _protected(terms: Terms, book: Book, side: Side) -> Terms:
    """A market order gets the worst price it may trade at."""
    best = book.top(OPPOSITE[side])
    if terms.order_type != "MARKET" or best is None:
        return terms
    return replace(terms, limit_price=admission.protection(side, best.price, book.step))
