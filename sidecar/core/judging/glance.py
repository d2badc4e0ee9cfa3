"""Glance: plain orders in a quiet moment, approved at one glance. No I/O.

Theory of operation. Nearly every order that a bot sends is a plain one in a quiet moment: no cause
tightens and the picture is whole. What the gates would say of such an order is known, by one comparison
each; the limits are the rows of its table, and where none of them speaks there is no more to be said. An order that
breaks a limit, any other order, and any other moment is left to `judge`, which runs the rules one by one and explains.

Law: where a glance gives a verdict, `judge` gives the same to the last digit. Rules that are rows of a table need no
line here; a gate or a rule on the order alone that is not named here has no glance: while it binds, every order is
judged. So a new rule is safe without a line here, and quick with one.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from sidecar.core.account.reservation import RESERVATIONS_OF_A_USER_MAX
from sidecar.core.account.working import Leg
from sidecar.core.context.activity import Counted
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.candidate import UNLIMITED, Candidate
from sidecar.core.judging.counting import Counting, QuotaWindow
from sidecar.core.judging.headroom import Headroom, Headrooms
from sidecar.core.judging.judge import Plan, is_broken
from sidecar.core.judging.rules import (
    activity,
    depth,
    funds,
    hours,
    market,
    portfolio,
    strategies,
    validity,
)
from sidecar.core.judging.rules.rule import FigureBySize, ScopedLimit, SizeUnit
from sidecar.core.judging.table import NO_LIMIT
from sidecar.core.value_at_risk.portfolio_risk import MEASURES
from sidecar.core.vocabulary.decision import Violation
from sidecar.core.vocabulary.events import Asker
from sidecar.core.vocabulary.money import ONE, ZERO, floor_to
from sidecar.core.vocabulary.orders import BUY, WHOLE, Order
from sidecar.core.vocabulary.products import DOLLARS

# The rules that a glance knows, by their functions.
GATES: Final[frozenset[Callable[[Candidate], Any]]] = frozenset(
    {
        validity.end_time,
        validity.product_allowed,
        validity.size_increment,
        validity.price_increment,
        validity.size_range,
        market.market_data,
        market.account_data,
        market.self_cross,
        activity.client_order_id,
        activity.too_many_reservations,
        activity.too_many_of_a_bot,
        funds.spot_funds,
        funds.unexplained_hold,
        portfolio.unavailable,
        strategies.own_positions,
    }
)
FIGURES: Final[frozenset[Callable[[Candidate, ScopedLimit], FigureBySize | None]]] = frozenset(
    {
        activity.identical,
        activity.identical_of_bot,
        activity.rate,
        activity.rate_of_bot,
        activity.notional_in,
        activity.notional_in_of_bot,
        activity.open_orders_of_bot,
        depth.slippage,
        hours.outside,
        market.beyond_touch,
    }
)
# Kinds that trade once, at one price or at the market: their size and price say all.
PLAIN: Final = WHOLE | {"limit_limit_gtd"}


class Seen(Struct, frozen=True):
    """An order that is approved: the figures of its decision and its reservation.

    `windows`: those that its approval counts in.
    """

    notional: Decimal
    price: Decimal
    reducing: bool
    largest: Decimal
    leg: Leg
    hold_currency: str
    hold: Decimal
    windows: tuple[Counted, ...]
    warnings: tuple[Violation, ...]


def glance_of(desk: RiskContext, plan: Plan) -> "Glance | None":
    """The glance of a plan, for quiet moments; None where it has a rule that no glance knows."""
    product, limits, name = plan.product, desk.limits, plan.product.product_id
    allowed = limits.allow_products is None or name in limits.allow_products
    if product.is_future or product.is_restricted or name in limits.block_products or not allowed:
        return None
    if product.quote not in DOLLARS or product.quote not in desk.tracker.books.cash:
        return None
    if desk.tracker.wallets.keep.get(product.base, ZERO) is None:  # kept whole: none may be added
        return None
    if plan.shadow:
        return None
    return Glance(desk, plan) if _is_known(plan) else None


def _is_known(plan: Plan) -> bool:
    """Whether each of its rules is one that a glance sees."""
    return (
        all(gate.judge in GATES for gate in plan.gates)
        and all(
            rule.order_row in FIGURES or rule.limit in MEASURES for _, rule, _ in plan.per_order
        )
        and all(rule.row is validity.order_size for rule, _ in plan.minima)
    )


class Glance:
    """One plan at a glance."""

    def __init__(self, desk: RiskContext, plan: Plan) -> None:
        self.headrooms = Headrooms(desk, plan)
        rows = [(rule, bound) for _, rule, bound in plan.measured]
        self._desk, self._product, self._ledger = desk, plan.product, desk.tracker.ledger
        self._key, self._orders = plan.product.key, desk.tracker.orders
        self._least, self._largest = plan.least, plan.product.base_max_size or UNLIMITED
        self._most_value = plan.product.quote_max_size or NO_LIMIT
        self._counting = Counting(desk, plan)
        self._most_alive = min(RESERVATIONS_OF_A_USER_MAX, self._counting.most_alive)
        collars = (bound.level for rule, bound in rows if rule.order_row is market.beyond_touch)
        self._collar = min(collars, default=NO_LIMIT)
        self._slippage = desk.limits.market_order_slippage

    def look(self, order: Order, now: datetime, asker: Asker | None) -> Seen | None:
        """The verdict on an order that is plain where all is quiet; None: it must be judged."""
        if not self._is_plain(order, now):
            return None
        room = self.headrooms.of(order.side)
        if room is None or not room.fresh_from <= now <= room.fresh_until:
            return None
        price = self._price(order, room)
        if price is None or (counted := self._counting.windows(order, now, asker)) is None:
            return None
        return self._seen(order, price, room, *counted, now)

    def _is_plain(self, order: Order, now: datetime) -> bool:
        """New, of one size and at most one price, on the grid and within Coinbase's range."""
        size, price, product = order.base_size, order.limit_price, self._product
        if size is None or order.attached or order.kind not in PLAIN or order.sizes or order.prices:
            return False
        if size % product.base_increment or not self._least <= size <= self._largest:
            return False
        if price is not None and price % product.price_increment:
            return False
        if order.end_time is not None and order.end_time <= now:
            return False
        return self._is_new(order.client_order_id)

    def _is_new(self, name: str) -> bool:
        ledger = self._ledger
        return (
            name not in ledger.reservations
            and name not in ledger.working_by_client_id
            and not ledger.closed.has_used(name)
            and len(ledger.reservations) < self._most_alive
        )

    def _price(self, order: Order, room: Headroom) -> Decimal | None:
        """The worst price it may trade at; None where that is too far, or an own order is met."""
        is_buy, price, touch, theirs = order.side == BUY, order.limit_price, room.touch, room.theirs
        if price is None:
            price = touch * (ONE + self._slippage if is_buy else ONE - self._slippage)
        elif (price > touch if is_buy else price < touch) and (
            abs(price / touch - ONE) > self._collar
        ):
            return None
        if room.slip is not None and room.slip.speaks(order):
            return None
        meets = theirs is not None and (theirs <= price if is_buy else theirs >= price)
        return None if meets or price <= ZERO else price

    def _seen(  # noqa: PLR0913, PLR0917 - a verdict is all of these
        self,
        order: Order,
        price: Decimal,
        room: Headroom,
        windows: tuple[Counted, ...],
        quotas: tuple[QuotaWindow, ...],
        now: datetime,
    ) -> Seen | None:
        """Its figures, if they keep every limit."""
        size, side, product = order.base_size, order.side, self._product
        assert size is not None
        if side == BUY:
            worth, currency = price, product.quote
            unit_hold = price * (ONE + self._orders.taker_rate)
            hold, funds = unit_hold * size, room.free / unit_hold
        else:
            worth, currency = max(price, room.mark), product.base
            hold = size
            funds = room.free
        notional, limit = worth * size, order.limit_price
        listed = room.touch if limit is None else limit
        value = notional if limit is worth else size * listed
        if not product.quote_min_size <= value <= self._most_value:
            return None
        if hold > room.free or size * room.mark >= room.near_usd:
            return None
        table = room.table
        money = hold * room.rate if table.money is not None else ZERO
        speaks = table.speaks(size, notional, money)
        warnings = self._warnings(room, size, notional, money) if speaks else ()
        if warnings is None:
            return None
        room_worth = table.room_worth
        if quotas:
            allowed = self._counting.room(quotas, notional, now)
            if allowed is None:
                return None
            room_worth = min(room_worth, allowed)
            for one in quotas:
                windows += ((one.name, one.quota, notional),)
        most = min(room_worth / worth, funds)
        if table.money is not None:
            most = min(most, table.room_money * size / money)
        if limit is None and room.slip is not None:
            most = min(most, room.slip.room)
        largest = self._largest_size(most, funds, listed, room)
        leg, reducing = Leg(self._key, side, size), size <= room.reducible
        return Seen(notional, price, reducing, largest, leg, currency, hold, windows, warnings)

    def _largest_size(
        self, most: Decimal, funds: Decimal, listed: Decimal, room: Headroom
    ) -> Decimal:
        """The largest size that would pass, of what money allows (`most`) and as an exit, within Coinbase's range."""
        table, step, reducible = room.table, self._product.base_increment, room.reducible
        largest = floor_to(min(table.room_open, table.room_whole, most, self._largest), step)
        if largest <= reducible:  # as an exit it need not keep limits on risk
            largest = floor_to(min(reducible, funds, self._largest), step)
        if largest * listed > self._most_value:
            largest = floor_to(self._most_value / listed, step)
        return largest

    def _warnings(
        self, room: Headroom, size: Decimal, notional: Decimal, money: Decimal
    ) -> tuple[Violation, ...] | None:
        """The limits that are nearly used with the order; None where one is broken."""
        table, asked = room.table, room.asked
        sizes: dict[SizeUnit, Decimal] = {"orders": ONE, "worth": notional, "money": money}
        found = [*table.flat]
        for of, group in table.groups.items():
            asks = sizes.get(of, size)
            if asks + group.absorbed >= group.near:
                found += group.findings(asks)
        if len(found) > 1:
            found.sort(key=lambda one: one.place)
        warnings: list[Violation] = []
        for one in (*found, *table.near_books):
            if is_broken(asked, one.rule, one.bound, one.observed):
                return None
            if one.is_told:
                warnings.append(one.rule.warning(asked, one.bound, one.observed))
        return tuple(warnings)
