"""Headroom: what the books leave for one more order on a key and side, whichever order it is. No I/O.

Limits on what could be held are many: of size, of worth, of the account's exposure, as shares of
equity, of risk; at several scopes. While the books stand still they all come to a few numbers that
an order's own size is compared with. These are worked out when somebody asks, or ahead of the next
order while nobody waits, and hold until anything moves; an order that was approved by them takes its
own share out of them, without working them out anew.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, cast

from msgspec import Struct

from sidecar.core.account.exposure import Line
from sidecar.core.account.marks import Mark
from sidecar.core.account.working import Leg
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.check import Check
from sidecar.core.judging.judge import Plan, near_limits
from sidecar.core.judging.rules import activity, exposure
from sidecar.core.judging.rules.rule import Bound, Measured, Row
from sidecar.core.value_at_risk.portfolio_risk import MEASURES
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY, OPPOSITE

NO_LIMIT: Final = Decimal("Infinity")
Rows = Iterable[tuple[Measured, Bound]]
Turn = tuple[int, int, int, int]  # until one of them has grown, the books are what they were


class Most(NamedTuple):
    """Of all limits on one figure the lowest: from where on somebody is told, and what is allowed."""

    near: Decimal = NO_LIMIT
    level: Decimal = NO_LIMIT


NEAR, LEVEL = 0, 1  # of a `Most`


def most(rows: Rows, row: Callable[[Check, Bound], Row | None], *, of_equity: bool = False) -> Most:
    """The lowest limit among those that bound this figure."""
    bounds = [b for rule, b in rows if rule.row is row and rule.of_equity is of_equity]
    if not bounds:
        return Most()
    return Most(min(bound.warn_level for bound in bounds), min(bound.level for bound in bounds))


class Headroom(Struct, frozen=True, gc=False):
    """What one more order may be.

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


class Headrooms:
    """Both sides of one spot product that is paid in dollars, under one plan. `tracker`, `key` and
    `strategy_id` are what standing rules read of a check.
    """

    def __init__(self, desk: RiskContext, plan: Plan) -> None:
        rows = [(rule, bound) for *_, rule, bound in plan.measured]
        own = [row for row in rows if row[1].kind == "product"]
        self.tracker, self.key, self.strategy_id = desk.tracker, plan.product.key, None
        self._desk, self._product, self._standing = desk, plan.product, plan.standing
        self._orders = most([row for row in rows if row not in own], activity.open_orders).near
        self._orders_on_key = most(own, activity.open_orders).near
        self._size = most(rows, exposure.position_size)
        self._notional = most(rows, exposure.position_notional)
        self._share = most(rows, exposure.position_notional, of_equity=True)
        self._gross = most(rows, exposure.gross)
        self._leverage = most(rows, exposure.gross, of_equity=True)
        self._net = most(rows, exposure.net)
        self._risks = sorted({rule.limit for rule, _ in rows if rule.limit in MEASURES})
        self._no_line = Line(self.key, is_future=False, mark=None)
        self._known: dict[Side, tuple[Turn, Headroom | None]] = {}

    def of(self, side: Side) -> Headroom | None:
        """What is left on this side; None while anything is near a limit, tightened or in doubt."""
        turn = self.turn
        known = self._known.get(side)
        if known is None or known[0] != turn:
            known = self._known[side] = (turn, self._worked_out(side))
        return known[1]

    def take(self, leg: Leg, hold: Decimal) -> None:
        """An order that was approved by them has just been reserved, and nothing else has happened."""
        room, is_buy = self._known[leg.side][1], leg.side == BUY
        assert room is not None
        size, left = leg.quantity, None
        if self._may_work_one_more(self.tracker.account.lines[self.key]):
            left = Headroom(
                room.mark,
                room.marked_at,
                room.touch,
                room.theirs,
                room.near_size - size if is_buy else room.near_size,
                room.near_usd - size * room.mark,
                room.most - size if is_buy else room.most,
                room.free - hold,
                room.reducible if is_buy else room.reducible - size,
            )
        self._known[leg.side] = (self.turn, left)

    @property
    def turn(self) -> Turn:
        """Moves with whatever an order is judged by, time apart: facts that the manager takes in and
        moments at which time alone changes something; facts that the tracker is told directly; lines;
        reservations.
        """
        tracker = self.tracker
        return (self._desk.facts, tracker.version, tracker.account.serial, tracker.orders.rebound)

    def _worked_out(self, side: Side) -> Headroom | None:
        mid = self._mid()
        if mid is None or near_limits(cast("Check", self), self._standing):
            return None
        tracker, product, mark = self.tracker, self._product, mid.value
        line = tracker.account.lines.get(self.key) or self._no_line
        free = tracker.wallets.free(product.quote if side == BUY else product.base)
        equity = tracker.equity
        usd = self._usd(line, equity)
        if free is None or usd is None or not self._may_work_one_more(line):
            return None
        quote, risk = tracker.marks.quotes[product.book], self._risk_room(side, equity)
        touch = quote.ask if side == BUY else quote.bid
        theirs = tracker.ledger.met_first(product.book, OPPOSITE[side], touch)
        if side != BUY:  # selling spot only lowers what could be held
            if tracker.wallets.get(product.base).foreign_hold:
                return None  # an exit may sell of it, with a warning
            most, reducible = NO_LIMIT, line.position.quantity - line.open_sell
            return Headroom(mark, quote.at, touch, theirs, most, risk, most, free, reducible)
        return Headroom(
            mark,
            quote.at,
            touch,
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
        quote, mid = marks.quotes.get(self._product.book), marks.by_key.get(self.key)
        if quote is None or mid is not marks.mids[self._product.book]:
            return None  # it is marked by another book
        since = feeds.market_whole_since
        return mid if since is None or quote.at >= since else None

    def _may_work_one_more(self, line: Line) -> bool:
        orders = self.tracker.account.orders
        return orders + 1 < self._orders and line.orders + 1 < self._orders_on_key

    def _usd(self, line: Line, equity: Decimal) -> Most | None:
        """How much the key's worst case may become worth at the mark. None where it is near that as it
        is, or the account's net exposure is.
        """
        account, net = self.tracker.account, self._net
        long, short = account.long_usd - line.long_usd, account.short_usd
        if equity <= ZERO or line.position.quantity < ZERO or line.long >= self._size.near:
            return None
        if long <= -net.near or max(abs(short), abs(short - line.short_usd)) >= net.near:
            return None
        others = account.gross - line.notional
        near, level = [
            min(
                self._notional[n],
                self._share[n] * equity,
                self._leverage[n] * equity - others,
                self._gross[n] - others,
                net[n] - long,
            )
            for n in (NEAR, LEVEL)
        ]
        return None if line.long_usd >= near else Most(near, level)

    def _risk_room(self, side: Side, equity: Decimal) -> Decimal:
        """USD at the mark that may be added on this side while every risk figure surely stays calm."""
        tracker, risk, leg = self.tracker, self._desk.portfolio_risk, Leg(self.key, side, ZERO)
        room = NO_LIMIT
        for measure in self._risks:
            calm = self._desk.calm[measure] * equity
            room = min(room, ZERO if risk is None else risk.room(measure, tracker, leg, calm))
        return room
