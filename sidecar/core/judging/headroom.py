"""Headroom: the room that the books leave for one more order on a key and side, of any size. No I/O.

Limits on what could be held are many: of size, of worth, of the account's exposure, as shares of
equity, of risk; at several scopes. While the books stand still they all come to a few numbers that
an order's own size is compared with. These are worked out for an order, or ahead of the next
one when no bot waits, and hold until the books move; an order that was approved by them takes its
own share out of them, without working them out anew.
"""

from datetime import datetime
from decimal import Decimal
from typing import cast

from msgspec import Struct

from sidecar.core.account.exposure import Exposure
from sidecar.core.account.marks import Mark
from sidecar.core.account.working import Leg
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.candidate import Candidate, NoOrder
from sidecar.core.judging.judge import Plan, near_limits
from sidecar.core.judging.table import NO_LIMIT, Table, Turn
from sidecar.core.value_at_risk.portfolio_risk import MEASURES
from sidecar.core.vocabulary.money import ONE, ZERO
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY, OPPOSITE


class Headroom(Struct, frozen=True, gc=False):
    """The room for one more order.

    `near_size` (base units) and `near_usd` (USD at the mark) are the sizes from which a decision warns
    of the key's worst case, the account's exposure, and its risk; `most` is the largest size
    that the first two allow. `free` is what is free of the wallet that it is paid from, `reducible`
    the size that it may sell as an exit. `touch` is the far side of the book, `theirs` the own resting price
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
    `strategy_id` are the fields of a candidate that rules of the books alone read.
    """

    def __init__(self, desk: RiskContext, plan: Plan) -> None:
        self.tracker, self.key, self.strategy_id = desk.tracker, plan.product.key, plan.strategy_id
        self._desk, self._plan, self._product = desk, plan, plan.product
        self._risks = sorted(
            {one.rule.limit for one in plan.per_order if one.rule.limit in MEASURES}
        )
        self._no_line = Exposure(self.key, is_future=False, mark=None)
        self._known: dict[Side, tuple[Turn, Headroom | None]] = {}

    def of(self, side: Side) -> Headroom | None:
        """The room on this side; None while a figure is near a limit, or a cause or a doubt is in force."""
        turn = self._plan.tables.turn
        known = self._known.get(side)
        if known is None or known[0] != turn:
            known = self._known[side] = (turn, self._worked_out(side))
        return known[1]

    def take(self, leg: Leg, hold: Decimal) -> None:
        """An order that was approved by them has just been reserved, and the books have not moved since."""
        side, size = leg.side, leg.quantity
        room, left = self._known[side][1], None
        assert room is not None
        turn, table = self._plan.tables.absorb(side, size)
        if table.near_orders > ONE:
            left = Headroom(
                room.mark,
                room.marked_at,
                room.touch,
                room.theirs,
                table.near_open,
                room.near_usd - size * room.mark,
                table.room_open,
                room.free - hold,
                room.reducible if side == BUY else room.reducible - size,
            )
        self._known[side] = (turn, left)

    def _table(self, side: Side) -> Table:
        tables, tracker = self._plan.tables, self.tracker
        known = tables.known(side)
        if known is not None:
            return known
        nothing = NoOrder(tracker, self.key, self.strategy_id, side, is_new=True)
        return tables.on_side(side, cast("Candidate", nothing))

    def _worked_out(self, side: Side) -> Headroom | None:
        mid = self._mid()
        if mid is None or near_limits(cast("Candidate", self), self._plan.book_only):
            return None
        tracker, product = self.tracker, self._product
        table = self._table(side)
        line = tracker.account.lines.get(self.key) or self._no_line
        free = tracker.wallets.free(product.quote if side == BUY else product.base)
        equity = tracker.equity
        if table.flat or table.near_orders <= ONE or table.near_open <= ZERO:
            return None
        if free is None or equity <= ZERO or line.position.quantity < ZERO:
            return None
        reducible = ZERO
        if side != BUY:
            if tracker.wallets.get(product.base).foreign_hold:
                return None  # an exit may sell of it, with a warning
            reducible = line.position.quantity - line.open_sell
        quote = tracker.marks.quotes[product.book]
        touch = quote.ask if side == BUY else quote.bid
        return Headroom(
            mid.value,
            quote.at,
            touch,
            tracker.ledger.met_first(product.book, OPPOSITE[side], touch),
            table.near_open,
            self._risk_room(side, equity),
            table.room_open,
            free,
            reducible,
        )

    def _mid(self) -> Mark | None:
        """The mark of key and book; None where a cause tightens or the picture cannot be believed."""
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

    def _risk_room(self, side: Side, equity: Decimal) -> Decimal:
        """USD at the mark that may be added on this side while every risk figure surely stays calm."""
        tracker, risk, leg = self.tracker, self._desk.portfolio_risk, Leg(self.key, side, ZERO)
        room = NO_LIMIT
        for measure in self._risks:
            warn_usd = self._desk.warn_usd[measure] * equity
            room = min(room, ZERO if risk is None else risk.room(measure, tracker, leg, warn_usd))
        return room
