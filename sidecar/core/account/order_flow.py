"""OrderFlow: reports and fills of orders become positions, funds and exposure. No I/O.

Every fact of an order takes the same path: merge it (working.py), let its reservation give way (pairing.py),
count the fills that the books have not counted (fill_booking.py), and bind the size that is still open.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sidecar.core.account.aliases import approved_as, rename
from sidecar.core.account.books import Books
from sidecar.core.account.fill_booking import FillBooking
from sidecar.core.account.order_index import OrderIndex
from sidecar.core.account.pairing import approval_of, shows_edit, terms_of, use_edit
from sidecar.core.account.reservation import Reservation
from sidecar.core.account.terms import with_terms
from sidecar.core.account.valuation import legs_of, money_of
from sidecar.core.account.wallets import Wallet
from sidecar.core.account.working import Leg, WorkingOrder
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, Reconcile
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import (
    ONE,
    ROUNDED_ZERO,
    ZERO,
    is_bounded,
    is_sane,
    readable,
)
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.order_status import VANISHED, is_terminal
from sidecar.core.vocabulary.orders import BUY, OWN_PREFIX
from sidecar.core.vocabulary.products import Product

# Coinbase's lowest tier: until the account's own is read.
DEFAULT_TAKER_RATE: Final = Decimal("0.012")
# A listing may miss orders reported this shortly before it began.
VANISHED_AFTER: Final = timedelta(seconds=2)


def check_report(report: ev.OrderReported) -> None:
    """Raises Untrusted where its amounts cannot be."""
    price = report.average_price or report.limit_price or ZERO
    sizes = (report.filled, report.leaves or ZERO, report.base_size or ZERO)
    numbers = (*sizes, price, report.limit_price or ZERO, report.stop_price or ZERO)
    if not (
        all(map(is_sane, numbers)) and is_bounded(report.filled * price) and is_bounded(report.fees)
    ):
        raise Untrusted(
            f"order {report.order_id}: an amount is negative or beyond all bounds; it was left out"
        )


class OrderFlow:
    """Working orders, reservations, and the size and funds that they bind."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.booking = FillBooking(books)
        self.ledger = OrderIndex()
        self.taker_rate = DEFAULT_TAKER_RATE
        self.margin_reserved = ZERO  # margin of approved futures orders not yet seen, USD
        # Margin of orders seen since Coinbase last stated the buying power, USD.
        self.margin_seen = ZERO
        # Whether a flattening sent this very order; such an id alone is no proof.
        self.was_sent: Callable[[WorkingOrder], bool] = lambda _order: False
        # The bot behind a question, as the share of limits counts; empty: no known bot.
        self.bot_of: Callable[[ev.Asker | None], str] = lambda _asker: ""

    def report(self, report: ev.OrderReported) -> None:
        """One order as Coinbase reports it."""
        check_report(report)
        price = report.average_price or report.limit_price or ZERO
        ended = is_terminal(report.status)
        order = self._known_order(report, report.created_at if ended else None)
        if order is None:
            return
        known = max(order.reported.quantity, order.listed.quantity)
        if report.filled > known and not (price or order.limit_price):
            raise Untrusted(
                f"order {report.order_id}: filled, but at no price; the report was left out"
            )
        self._begin_strategy(report.strategy_id)
        product = self.books.product(order.product_id)
        order.merge(report, product.quote)
        self._drop_lapsed_edit(order, report.at)
        self._settle_order(order, product, report.at)

    def fill(self, fill: ev.FillReported) -> None:
        """One row of Coinbase's fills."""
        if not (
            fill.size
            and fill.price
            and is_sane(fill.size)
            and is_sane(fill.price)
            and is_bounded(fill.size * fill.price)
            and is_bounded(fill.commission)
        ):
            raise Untrusted(
                f"fill {fill.entry_id}: size and price must be above zero; it was left out"
            )
        if self._is_in_opening(fill):
            return
        order = self._known_order(fill, fill.traded_at)
        if order is None or not order.is_news(fill):
            return
        self._begin_strategy(fill.strategy_id)
        product = self.books.product(order.product_id)
        order.list_fill(fill, product.quote)
        self._settle_order(order, product, fill.at)
        paid = self.books.wallets.by_currency.get(product.quote)
        if paid is not None and not product.is_future:  # a future is paid for elsewhere
            paid.agreement.note_trade(fill.traded_at)

    def _is_in_opening(self, fill: ev.FillReported) -> bool:
        """Whether the balances that the books opened with hold it: a fill from before they were read,
        of an order that had ended by then.
        """
        opening_at, traded_at = self.books.opening_at, fill.traded_at
        if opening_at is None or traded_at is None or self.ledger.find(fill.order_id) is not None:
            return False
        return traded_at < opening_at

    def _begin_strategy(self, strategy_id: str | None) -> None:
        if strategy_id is not None:
            self.books.strategy_books.of(strategy_id)

    def _known_order(
        self, fact: ev.OrderReported | ev.FillReported, born: datetime | None
    ) -> WorkingOrder | None:
        """The order, begun if new; None for one that ended so long ago (`born` is given) that it was
        forgotten with its fills counted.
        """
        product = self.books.product(fact.product_id)
        order = self.ledger.find(fact.order_id)
        if order is not None:
            known = self.books.product(order.product_id)
            if fact.side != order.side or product.book != known.book:
                raise Untrusted(
                    f"order {fact.order_id} is a {order.side} of {order.product_id}, "
                    f"not a {fact.side} of {fact.product_id}; it was left as it is"
                )
            if fact.by_rest:
                self._name(order, known, product, fact)
            return order
        if self.ledger.closed.ended_unfilled(fact.order_id):
            if isinstance(fact, ev.OrderReported) and not fact.filled:
                return None
            late = WorkingOrder.begin(fact.order_id, fact.product_id, fact.side)
            late.standing = "excused"  # it was judged when it was known whole
            return late
        horizon = self.ledger.closed.horizon
        if horizon is not None and born is not None and born <= horizon:
            return None
        if not fact.by_rest:
            name = fact.client_order_id
            product = approved_as(self.ledger, self.books, product, name, fact.side)
        begun = WorkingOrder.begin(fact.order_id, product.product_id, fact.side)
        begun.is_named = fact.by_rest and isinstance(fact, ev.OrderReported)
        return begun

    def _name(
        self,
        order: WorkingOrder,
        old: Product,
        new: Product,
        fact: ev.OrderReported | ev.FillReported,
    ) -> None:
        """REST names the product of a book that a frame called by another's name: the order's row does once,
        and any row that names an alias, for that is no slip.
        """
        names = isinstance(fact, ev.OrderReported) and not order.is_named
        order.is_named = order.is_named or names
        if new.product_id == old.product_id or not (names or new.alias):
            return
        paid = rename(order, old, new, self.books)
        for currency, moved in ((old.quote, paid), (new.quote, -paid)):
            agreement = self.books.wallets.get(currency).agreement
            self.booking.note_move(currency, agreement, moved, fact.at, counts=False)

    def _settle_order(self, order: WorkingOrder, product: Product, at: datetime) -> None:
        """After any fact of an order: match its reservation, count its fills, restate the size and
        funds that it binds.
        """
        self._meet_reservation(order)
        order.is_own = order.client_order_id.startswith(OWN_PREFIX) and self.was_sent(order)
        owed = order.owed()
        if owed.quantity or owed.value or any(owed.fees.values()):
            self.booking.let_in(order, product, owed, at)
        if owed.quantity and order.is_own:
            self.books.wallets.get(product.base).own_sale_at = at
        legs: tuple[Leg, ...] = ()
        hold_currency, hold = "", ZERO
        if remaining := order.remaining:
            price = order.limit_price or self._mid(product)
            brings = price if order.side == BUY else max(price or ZERO, self._mid(product) or ZERO)
            legs = legs_of(product, order.side, remaining, brings, self.books.cash)
            hold_currency, hold = self._hold(order.side, remaining, product, price)
        self._bind(order, legs, hold_currency, hold)
        self.ledger.file(order, product.book)

    def _drop_lapsed_edit(self, order: WorkingOrder, at: datetime) -> None:
        """An approved edit that a report does not show after the reservation's life never
        happened.
        """
        reservation = approval_of(order, self.ledger, self.books)
        if reservation is None or not reservation.order_id or at <= reservation.expires_at:
            return
        if not shows_edit(reservation, order):
            use_edit(reservation, order, self.books)
            self.release(reservation.order.client_order_id)

    def _meet_reservation(self, order: WorkingOrder) -> None:
        """An approved order has arrived: its reservation gives way to it, and it inherits the
        details that only the bot gave.
        """
        reservation = approval_of(order, self.ledger, self.books)
        if reservation is None:
            return
        if reservation.order_id and order.is_open and not shows_edit(reservation, order):
            use_edit(reservation, order, self.books)
            return
        self.release(reservation.order.client_order_id)
        terms = terms_of(reservation, self.books)
        order.terms = with_terms(order.terms, terms)
        order.attached = order.attached or reservation.order.attached
        if not reservation.hold_currency:
            self.margin_seen += reservation.hold
        if not reservation.order_id:  # it is no older than its approval
            order.created_at = order.created_at or reservation.approved_at
        if not (order.bot or reservation.order_id):
            order.bot = self.bot_of(reservation.maker)
            self.books.bot_orders.work(order.bot, order.legs, order.bound_to, 1)
        order.strategy_id = order.strategy_id or reservation.strategy_id
        order.limit_price = order.limit_price or reservation.order.ceiling_price
        order.stop_price = order.stop_price or reservation.order.stop_price
        order.rests = reservation.order.rests and order.rests is not False
        if order.is_open and not order.remaining:  # its fills do not tell its size
            order.size = max(order.size, terms.size or ZERO)

    def _hold(
        self, side: Side, remaining: Decimal, product: Product, price: Decimal | None
    ) -> tuple[str, Decimal]:
        """The funds that Coinbase binds for an order's rest: base for a sell, quote with the fee
        for a buy, none for futures.
        """
        if product.is_future:
            return "", ZERO
        if side != BUY:
            return product.base, remaining
        return product.quote, remaining * (price or ZERO) * (ONE + self.taker_rate)

    def _bind(
        self, order: WorkingOrder, legs: tuple[Leg, ...], hold_currency: str, hold: Decimal
    ) -> None:
        assert hold >= ZERO, "an order binds less than no funds"
        if hold_currency and not order.hold_currency:
            self._claim(order, self.books.wallets.get(hold_currency), hold)
        self.books.work(order.legs, order.bound_to, -1, bot=order.bot)
        self.books.work(legs, order.strategy_id, 1, bot=order.bot)
        freed = money_of(order.side, order.legs, order.hold_currency, order.hold)
        self.books.bind(order.bound_to, freed, -1)
        self.books.bind(order.strategy_id, money_of(order.side, legs, hold_currency, hold), 1)
        if order.hold_currency:
            bound = self.books.wallets.get(order.hold_currency)
            bound.held -= order.hold
            assert bound.held >= ROUNDED_ZERO, "more funds were freed than orders had bound"
        if hold_currency:
            self.books.wallets.get(hold_currency).held += hold
        order.legs, order.hold_currency, order.hold = legs, hold_currency, hold
        order.bound_to = order.strategy_id

    @staticmethod
    def _claim(order: WorkingOrder, wallet: Wallet, hold: Decimal) -> None:
        """Funds that a reading showed as held for no order of ours were held for this one, if it
        lived then.
        """
        read_at = wallet.agreement.read_at
        if read_at is not None and (order.created_at is None or order.created_at <= read_at):
            wallet.foreign_hold -= min(hold, wallet.foreign_hold)
            assert wallet.foreign_hold >= ZERO

    def _mid(self, product: Product) -> Decimal | None:
        mid = self.books.marks.mids.get(product.book)
        return None if mid is None else mid.value

    def vanished(self, event: ev.OrderVanished) -> list[Action]:
        """The order is open only in the books: it ends here, and its funds are free."""
        order = self.ledger.working.get(event.order_id)
        if order is None:
            return []
        left = readable(order.remaining)
        order.status = VANISHED
        self._settle_order(order, self.books.product(order.product_id), event.at)
        text = (
            f"order {order.order_id} ({order.side} {left} of {order.product_id}) was told as open, is in no "
            "listing, and by its id Coinbase has none that makes sense: it counts as ended"
        )
        return [Alert(severity="warning", code="ORDER_VANISHED", text=text)]

    def listed(self, event: ev.OpenOrdersListed) -> list[Action]:
        """A working order that a complete listing does not hold has ended unseen: its outcome must
        be read. One that had vanished and is listed is open.
        """
        listed = set(event.order_ids)
        for order_id in event.order_ids:
            order = self.ledger.find(order_id)
            if order is not None and order.status == VANISHED:
                order.status = "OPEN"
                self._settle_order(order, self.books.product(order.product_id), event.at)
        if not event.is_complete:
            return []
        missing = [
            order.order_id
            for order in self.ledger.working.values()
            if order.order_id not in listed
            and order.updated_at is not None
            and order.updated_at < event.began_at - VANISHED_AFTER
        ]
        if not missing:
            return []
        self.books.doubts["orders"] = f"{len(missing)} orders ended unseen, among them {missing[0]}"
        return [Reconcile(reason=self.books.doubts["orders"])]

    # --- Reservations ------------------------------------------------------------

    def reserve(self, reservation: Reservation) -> None:
        """Bind an approved order's worst case and funds, in place of the earlier approval under its
        id.
        """
        before = self.ledger.reservations.get(reservation.order.client_order_id)
        if before is not None and (edited := self.ledger.find(before.order_id)) is not None:
            # The edit approved before may have been sent: its frame may come yet.
            edited.terms = with_terms(edited.terms, terms_of(before, self.books))
        self.ledger.reserve(reservation, self.books.products[reservation.order.product_id].book)
        self.put_back(reservation)

    def lift(self, reservation: Reservation) -> None:
        """Take a reservation's legs and funds out of the books, so that its order is not judged
        against itself.
        """
        orders = 0 if reservation.order_id else 1
        bot = self.bot_of(reservation.maker)
        self.books.work(reservation.legs, reservation.strategy_id, -1, orders=orders, bot=bot)
        self._bind_money(reservation, -1)
        currency = reservation.hold_currency
        self._reserve_funds(currency, -reservation.hold)
        left = self.books.wallets.get(currency).reserved if currency else self.margin_reserved
        assert left >= ROUNDED_ZERO, "more funds were freed than approvals had bound"

    def put_back(self, reservation: Reservation) -> None:
        """Bind again the legs and funds that `lift` took out."""
        orders = 0 if reservation.order_id else 1
        bot = self.bot_of(reservation.maker)
        self.books.work(reservation.legs, reservation.strategy_id, 1, orders=orders, bot=bot)
        self._bind_money(reservation, 1)
        self._reserve_funds(reservation.hold_currency, reservation.hold)

    def _bind_money(self, reservation: Reservation, sign: int) -> None:
        if reservation.strategy_id is None:
            return
        side, currency = reservation.order.side, reservation.hold_currency
        money = money_of(side, reservation.legs, currency, reservation.hold)
        self.books.bind(reservation.strategy_id, money, sign)

    def release(self, client_order_id: str, decision_id: str | None = None) -> Reservation | None:
        """Free the legs and funds of an approval: that of this decision, where one is named. To
        release twice, or without a reservation, changes no figure.
        """
        reservation = self.ledger.reservations.get(client_order_id)
        if reservation is None or decision_id not in {None, reservation.decision.decision_id}:
            return None
        self.ledger.unreserve(reservation)
        self.lift(reservation)
        return reservation

    def _reserve_funds(self, currency: str, hold: Decimal) -> None:
        self.books.changed()
        if currency:
            self.books.wallets.get(currency).reserved += hold
        else:  # futures: margin, in USD
            self.margin_reserved += hold
