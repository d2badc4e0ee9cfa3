"""Glance: orders of which everything is far from every limit, judged at one glance. No I/O.

Theory of operation. Nearly every order that a bot sends is a plain one in a quiet moment: nothing
tightens, the picture is whole, and each figure stays below the share of its limit from which
somebody would be told. The verdict on such an order is known, and one comparison a figure shows
that it is one: with the lowest level set for it, whatever the scopes. Whatever is not plain or not
quiet is left to `judge`, which runs the rules one by one and explains.

Law: where a glance says anything, `judge` says the same to the last digit. A rule that is not named
here has no glance: while it binds, every order is judged. So a new rule is safe without a line here,
and quick with one.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any, Final, NamedTuple, cast

from msgspec import Struct

from sidecar.core.check import UNLIMITED, Check, Desk
from sidecar.core.exposure import Line
from sidecar.core.judge import Plan, near_limits
from sidecar.core.limits import Rate
from sidecar.core.marks import Mark
from sidecar.core.money import ONE, ZERO, floor_to
from sidecar.core.order_body import Side
from sidecar.core.orders import BUY, OPPOSITE, Order, fingerprint
from sidecar.core.portfolio_risk import Measure
from sidecar.core.products import DOLLARS
from sidecar.core.rules import activity, exposure, funds, market, portfolio, validity
from sidecar.core.rules.rule import Bound
from sidecar.core.working import RESERVATIONS_MAX, Leg

# What is seen at a glance, by the functions that judge and measure it one by one.
GATES: Final[frozenset[Callable[[Check], Any]]] = frozenset(
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
        funds.spot_funds,
        portfolio.unavailable,
    }
)
FIGURES: Final[frozenset[Callable[[Check, Bound], Decimal | None]]] = frozenset(
    {
        activity.identical,
        activity.rate,
        activity.open_orders,
        market.beyond_touch,
        validity.order_size,
        exposure.order_notional,
        exposure.position_size,
        exposure.position_notional,
        exposure.gross,
        exposure.net,
    }
)
NO_LIMIT: Final = Decimal("Infinity")
Turn = tuple[int, int, int]  # until one of them has grown, the books are what they were


class Seen(Struct, frozen=True, gc=False):
    """An order that is approved without a warning: what its decision and its reservation say.

    `windows`: the names under which its approval counts, each with its limit.
    """

    notional: Decimal
    price: Decimal
    reducing: bool
    largest: Decimal
    leg: Leg
    hold_currency: str
    hold: Decimal
    windows: list[tuple[str, Rate]]


class Headroom(Struct, frozen=True, gc=False):
    """What the books leave for one more order on this key and side, whichever it is.

    `near_size` (base units) and `near_usd` (USD at the mark) are what it must stay below for nobody
    to be told of the key's worst case, the account's exposure or its risk; `most` is the largest size
    that the first two allow. `free` is what is free of the wallet that it is paid from, `reducible`
    what it may sell as an exit. `touch` is the far side of the book, `theirs` the own resting price
    that it would meet first.
    """

    mark: Decimal
    marked_at: datetime
    touch: Decimal
    theirs: Decimal | None
    near_size: Decimal
    near_usd: Decimal
    most: Decimal
    free: Decimal
    reducible: Decimal = ZERO


class Most(NamedTuple):
    """Of all limits on one figure the lowest: from where on somebody is told, and what is allowed."""

    near: Decimal = NO_LIMIT
    level: Decimal = NO_LIMIT


def glance_of(desk: Desk, plan: Plan) -> "Glance | None":
    """What the plan comes to where all is quiet; None where it holds what no glance can see."""
    product, limits, name = plan.product, desk.limits, plan.product.product_id
    bounds = [bound for *_, bound in (*plan.measured, *plan.standing.rules)]
    allowed = limits.allow_products is None or name in limits.allow_products
    if product.is_future or product.is_restricted or name in limits.block_products or not allowed:
        return None
    if product.quote not in DOLLARS or product.quote not in desk.tracker.books.cash:
        return None
    if plan.shadow or any(bound.own for bound in bounds):
        return None
    seen = all(gate.judge in GATES for gate in plan.gates)
    seen = seen and all(rule.searches or rule.measure in FIGURES for *_, rule, _ in plan.measured)
    return Glance(desk, plan) if seen else None


class Glance:
    """One plan at a glance. `tracker`, `key` and `strategy_id` are what standing rules read of a check."""

    def __init__(self, desk: Desk, plan: Plan) -> None:
        product = plan.product
        self.tracker, self.key, self.strategy_id = desk.tracker, product.key, None
        self._desk, self._product, self._standing = desk, product, plan.standing
        self._slippage = desk.limits.market_order_slippage
        self._least = plan.least
        self._largest = UNLIMITED if product.base_max_size is None else product.base_max_size
        rows = [(rule, bound) for *_, rule, bound in plan.measured]

        def bounds(measure: object, *, of_equity: bool = False) -> list[Bound]:
            same = [(rule, bound) for rule, bound in rows if rule.measure is measure]
            return [bound for rule, bound in same if rule.of_equity is of_equity]

        self._rates = [(b.window, b.setting, ceil(b.warn_level)) for b in bounds(activity.rate)]
        self._identical = [(b.window, b.setting) for b in bounds(activity.identical)]
        self._collar = _most(bounds(market.beyond_touch)).level
        orders = bounds(activity.open_orders)
        self._orders = _most([own for own in orders if own.kind != "product"]).near
        self._orders_on_key = _most([own for own in orders if own.kind == "product"]).near
        self._order_size = _most(bounds(validity.order_size))
        self._most = min(self._order_size.level, self._largest)
        self._order_notional = _most(bounds(exposure.order_notional))
        self._size = _most(bounds(exposure.position_size))
        self._notional = _most(bounds(exposure.position_notional))
        self._share = _most(bounds(exposure.position_notional, of_equity=True))
        self._gross = _most(bounds(exposure.gross))
        self._leverage = _most(bounds(exposure.gross, of_equity=True))
        self._net = _most(bounds(exposure.net))
        self._risks = sorted({cast("Measure", rule.limit) for rule, _ in rows if rule.searches})
        self._no_line = Line(self.key, is_future=False, mark=None)
        self._rooms: dict[Side, tuple[Turn, Headroom | None]] = {}

    def look(self, order: Order, now: datetime) -> Seen | None:
        """The verdict on an order that is plain where all is quiet; None: it must be judged."""
        room = self.headroom(order.side)
        if room is None or not self._is_plain(order, now):
            return None
        if not -market.CLOCK_TOLERANCE <= now - room.marked_at <= self._desk.max_quote_age:
            return None
        price = self._price(order, room)
        if price is None or (windows := self._windows(order, now)) is None:
            return None
        return self._seen(order, price, room, windows)

    # --- The order --------------------------------------------------------------------------------

    def _is_plain(self, order: Order, now: datetime) -> bool:
        """New, of one size and at most one price, on the grid and within Coinbase's range."""
        size, price, product = order.base_size, order.limit_price, self._product
        if size is None or order.attached or order.stop_price is not None or order.prices:
            return False
        if size % product.base_increment or not self._least <= size <= self._largest:
            return False
        if price is not None and price % product.price_increment:
            return False
        if order.end_time is not None and order.end_time <= now:
            return False
        ledger, name = self.tracker.ledger, order.client_order_id
        return not (
            name in ledger.reservations
            or name in ledger.working_by_client_id
            or name in ledger.closed.client_ids
        )

    def _price(self, order: Order, room: Headroom) -> Decimal | None:
        """What it may trade at, at worst; None where that is too far, or an own order is met."""
        is_buy, price, touch, theirs = order.side == BUY, order.limit_price, room.touch, room.theirs
        if price is None:
            price = touch * (ONE + self._slippage if is_buy else ONE - self._slippage)
        elif (price > touch if is_buy else price < touch) and (
            abs(price / touch - ONE) > self._collar
        ):
            return None
        meets = theirs is not None and (theirs <= price if is_buy else theirs >= price)
        return None if meets or price <= ZERO else price

    def _windows(self, order: Order, now: datetime) -> list[tuple[str, Rate]] | None:
        """Where its approval counts; None where a window is nearly full."""
        windows: list[tuple[str, Rate]] = []
        reaches = self._desk.activity.reaches
        for name, rate, near in self._rates:
            if reaches(near - 1, name, rate, now):
                return None
            windows.append((name, rate))
        if self._identical:
            likeness = fingerprint(order)
            for window, rate in self._identical:
                name = f"{window}|{likeness}"
                if reaches(rate.count, name, rate, now):
                    return None
                windows.append((name, rate))
        return windows

    def _seen(
        self, order: Order, price: Decimal, room: Headroom, windows: list[tuple[str, Rate]]
    ) -> Seen | None:
        """What it comes to, if that is far from every limit."""
        size, side, product = order.base_size, order.side, self._product
        assert size is not None
        if side == BUY:
            worth, currency = price, product.quote
            unit_hold = price * (ONE + self.tracker.orders.taker_rate)
            hold, funds = unit_hold * size, room.free / unit_hold
        else:
            worth, currency = max(price, room.mark), product.base
            hold = size
            funds = room.free
        notional = worth * size
        if hold > room.free or size >= room.near_size or size * room.mark >= room.near_usd:
            return None
        if notional >= self._order_notional.near or size >= self._order_size.near:
            return None
        step, reducible, by_value = product.base_increment, room.reducible, self._order_notional
        largest = floor_to(min(room.most, self._most, by_value.level / worth, funds), step)
        if largest <= reducible:  # as an exit it need not keep limits on risk
            largest = floor_to(min(reducible, funds, self._largest), step)
        leg, reducing = Leg(self.key, side, size), size <= reducible
        return Seen(notional, price, reducing, largest, leg, currency, hold, windows)

    # --- The books --------------------------------------------------------------------------------

    def headroom(self, side: Side) -> Headroom | None:
        """What is left on this side; None while something is near a limit or in doubt. Worked out
        once for each state of the books.
        """
        turn = self._turn
        found = self._rooms.get(side)
        if found is None or found[0] != turn:
            found = self._rooms[side] = (turn, self._headroom(side))
        return found[1]

    def shrink(self, seen: Seen) -> None:
        """An order that was seen has just been reserved, and nothing else happened: what it took is
        known without working everything out anew.
        """
        side = seen.leg.side
        _, room = self._rooms[side]
        assert room is not None  # it was seen by it
        size, mark = seen.leg.quantity, room.mark
        left = None
        if self._may_work_one_more(self.tracker.account.lines[self.key]):
            left = Headroom(
                mark,
                room.marked_at,
                room.touch,
                room.theirs,
                room.near_size if side != BUY else room.near_size - size,
                room.near_usd - size * mark,
                room.most if side != BUY else room.most - size,
                room.free - seen.hold,
                room.reducible if side == BUY else room.reducible - size,
            )
        self._rooms[side] = (self._turn, left)

    @property
    def _turn(self) -> Turn:
        tracker = self.tracker
        return (self._desk.turn, tracker.version, tracker.account.serial)

    def _may_work_one_more(self, line: Line) -> bool:
        account, ledger = self.tracker.account, self.tracker.ledger
        if account.orders + 1 >= self._orders or line.orders + 1 >= self._orders_on_key:
            return False
        return len(ledger.reservations) < RESERVATIONS_MAX

    def _headroom(self, side: Side) -> Headroom | None:
        mid = self._mid()
        if mid is None or near_limits(cast("Check", self), self._standing):
            return None
        tracker, product, mark = self.tracker, self._product, mid.value
        line = tracker.account.lines.get(self.key) or self._no_line
        free = tracker.wallets.free(product.quote if side == BUY else product.base)
        if free is None or line.position.quantity < ZERO or not self._may_work_one_more(line):
            return None
        usd = self._usd(line)
        if usd is None:
            return None
        quote, risk = tracker.marks.quotes[product.book], self._risk_room(side)
        theirs = tracker.ledger.best_resting(product.book, OPPOSITE[side])
        if side != BUY:
            reducible = line.position.quantity - line.open_sell
            return Headroom(
                mark, mid.at, quote.bid, theirs, NO_LIMIT, risk, NO_LIMIT, free, reducible
            )
        return Headroom(
            mark,
            mid.at,
            quote.ask,
            theirs,
            self._size.near - line.long,
            min(risk, usd.near - line.long_usd),
            min(self._size.level, usd.level / mark) - line.long,
            free,
        )

    def _mid(self) -> Mark | None:
        """The mark of key and book; None unless nothing tightens and the picture can be believed."""
        desk, tracker = self._desk, self.tracker
        state, feeds, marks = desk.state, desk.feeds, tracker.marks
        if state.causes or not state.ready or feeds.user != "live" or feeds.market == "down":
            return None
        if tracker.wallets.in_doubt or tracker.books.doubts:
            return None
        mid, since = marks.mids.get(self._product.book), feeds.market_whole_since
        if mid is None or mid.at is None or mid is not marks.by_key.get(self.key):
            return None
        return mid if since is None or mid.at >= since else None

    def _usd(self, line: Line) -> Most | None:
        """How much the key's worst case may become worth at the mark. None where it is near that as it
        is, or the account's net exposure is.
        """
        account, equity, net = self.tracker.account, self.tracker.equity, self._net
        long, short = account.long_usd - line.long_usd, account.short_usd
        if equity <= ZERO or line.long >= self._size.near or long <= -net.near:
            return None
        if abs(short) >= net.near or abs(short - line.short_usd) >= net.near:
            return None
        others, share, leverage = account.gross - line.notional, self._share, self._leverage
        near = min(
            self._notional.near,
            share.near * equity,
            leverage.near * equity - others,
            self._gross.near - others,
            net.near - long,
        )
        if line.long_usd >= near:
            return None
        level = min(
            self._notional.level,
            share.level * equity,
            leverage.level * equity - others,
            self._gross.level - others,
            net.level - long,
        )
        return Most(near, level)

    def _risk_room(self, side: Side) -> Decimal:
        """USD at the mark that may be added on this side while every risk figure surely stays calm."""
        desk, tracker = self._desk, self.tracker
        rooms = [
            ZERO
            if desk.portfolio_risk is None
            else desk.portfolio_risk.room(
                measure, tracker, Leg(self.key, side, ZERO), desk.calm[measure] * tracker.equity
            )
            for measure in self._risks
        ]
        return min(rooms, default=NO_LIMIT)


def _most(bounds: Sequence[Bound]) -> Most:
    if not bounds:
        return Most()
    return Most(min(bound.warn_level for bound in bounds), min(bound.level for bound in bounds))
