"""Headroom: the room that the books leave for one more order on a key and side, of any size. No I/O.

Limits on what could be held are many: of size, of worth, of the account's exposure, as shares of
equity, of risk; at several scopes. While the books stand still they all come to a few numbers that
an order's own size is compared with. These are worked out for an order, or ahead of the next
one when no bot waits, and hold until the books move; an order that was approved by them takes its
own share out of them, without working them out anew.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.exposure import Exposure
from sidecar.core.account.ladder import Ladder
from sidecar.core.account.marks import Mark
from sidecar.core.account.working import Leg
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.candidate import NoOrder
from sidecar.core.judging.judge import Plan
from sidecar.core.judging.ownership import holding
from sidecar.core.judging.rules import depth, hours
from sidecar.core.judging.rules.market import CLOCK_TOLERANCE
from sidecar.core.judging.table import NO_LIMIT, Table
from sidecar.core.value_at_risk.portfolio_risk import MEASURES
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY, OPPOSITE, Order

NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Slip(Struct, frozen=True):
    """The limits on slippage at one depth of the book: `near` is the size of a market order, base units, from which one
    of them speaks, `room` the largest that keeps all. `quiet` says of a limit price that none ever does.
    """

    near: Decimal
    room: Decimal
    quiet: Decimal

    def speaks(self, order: Order) -> bool:
        """Whether this order may come near one of them."""
        price = order.limit_price
        if price is None:
            return order.base_size is None or order.base_size >= self.near
        return price >= self.quiet if order.side == BUY else price <= self.quiet


class Headroom(Struct):
    """The room for one more order on one side, while all is quiet.

    `table` has its limits. `near_usd` (USD at the mark) is the worth from which a risk figure may come near its limit,
    `free` what is free of the wallet that it is paid from, and the seller's to sell, `reducible` the size that it may
    sell as an exit. `touch` is the far side of the book, whose quote is good for an order between `fresh_from` and
    `fresh_until`, `theirs` the own resting price that it would meet first. `rate`: the worth of a unit of the
    quote currency, USD. `slip` has the limits on slippage, if there are any. `asked`: an order of no size. `absorbed`:
    the size that was approved since.
    """

    table: Table
    asked: NoOrder
    mark: Decimal
    fresh_from: datetime
    fresh_until: datetime
    touch: Decimal
    theirs: Decimal | None
    near_usd: Decimal
    free: Decimal
    rate: Decimal
    slip: Slip | None = None
    reducible: Decimal = ZERO
    absorbed: Decimal = ZERO

    def shift(self, leg: Leg, hold: Decimal, sign: int, version: int) -> None:
        """An order came into the books (1) or left them (-1), and they have moved by that alone."""
        size = leg.quantity * sign
        money = ZERO if self.table.money is None else hold * sign * self.rate
        self.table.absorb(size, money, sign, version)
        self.absorbed += size
        self.near_usd -= size * self.mark
        self.free -= hold * sign
        if leg.side != BUY:
            self.reducible -= size


class Headrooms:
    """Both sides of one spot product that is paid in dollars, under one plan."""

    def __init__(self, desk: RiskContext, plan: Plan) -> None:
        self._desk, self._plan, self._product = desk, plan, plan.product
        self._tracker, self._key = desk.tracker, plan.product.key
        self._risks = sorted(
            {one.rule.limit for one in plan.per_order if one.rule.limit in MEASURES}
        )
        self._hours = [
            one.bound.hours for one in plan.per_order if one.rule.order_row is hours.outside
        ]
        self._slippages = [
            one.bound for one in plan.per_order if one.rule.order_row is depth.slippage
        ]
        self._slips: dict[Side, tuple[Ladder, Slip]] = {}
        self._open_since, self._open_until = NEVER, NEVER
        self._no_line = Exposure(self._key, is_future=False, mark=None)
        self._known: dict[Side, tuple[int, Headroom | None]] = {}

    def of(self, side: Side) -> Headroom | None:
        """The room on this side; None while a cause or a doubt is in force."""
        version = self._tracker.books.version
        known = self._known.get(side)
        if known is None or known[0] != version:
            known = self._known[side] = (version, self._worked_out(side))
        return known[1]

    def absorb(self, leg: Leg, hold: Decimal) -> None:
        """An order that was approved by them has just been reserved, and the books have moved by that alone."""
        room, version = self._known[leg.side][1], self._tracker.books.version
        assert room is not None
        room.shift(leg, hold, 1, version)
        self._known[leg.side] = (version, room)

    def give_back(self, leg: Leg, hold: Decimal, before: int) -> None:
        """An approval has been released; its order is in the books no more. `before`: their version until then. A room
        that has absorbed less was worked out with this order in the books, and is worked out anew without it: a line
        is not valid for sizes below zero.
        """
        version = self._tracker.books.version
        known, room = self._known.get(leg.side, (before, None))
        if room is None or (known, version) != (before, before + 1) or room.absorbed < leg.quantity:
            return
        room.shift(leg, hold, -1, version)
        self._known[leg.side] = (version, room)

    def _worked_out(self, side: Side) -> Headroom | None:
        mid = self._mid()
        if mid is None:
            return None
        tracker, product = self._tracker, self._product
        line = tracker.account.lines.get(self._key) or self._no_line
        free = tracker.wallets.free(product.quote if side == BUY else product.base)
        equity = tracker.equity
        if free is None or equity <= ZERO or line.position.quantity < ZERO:
            return None
        reducible = ZERO
        if side != BUY:
            if tracker.wallets.get(product.base).foreign_hold:
                return None  # an exit may sell of it, with a warning
            reducible = line.position.quantity - line.open_sell
            if self._desk.owners:
                may = holding(self._desk, self._key, self._plan.strategy_id)
                free = free if may is None else min(free, may.free)
        quote = tracker.marks.quotes[product.book]
        if not self._is_open(quote.at):
            return None
        slip = self._slip(side)
        if slip is None and self._slippages:
            return None
        touch = quote.ask if side == BUY else quote.bid
        asked = NoOrder(tracker, self._key, self._plan.strategy_id, side, is_new=True)
        return Headroom(
            self._plan.tables.on_side(side, asked),
            asked,
            mid.value,
            max(self._open_since, quote.at - CLOCK_TOLERANCE),
            min(self._open_until - timedelta.resolution, quote.at + self._desk.max_quote_age),
            touch,
            tracker.ledger.met_first(product.book, OPPOSITE[side], touch),
            self._risk_room(side, equity),
            free,
            tracker.marks.usd(product.quote) or ZERO,
            slip,
            reducible,
        )

    def _slip(self, side: Side) -> Slip | None:
        """The limits on slippage, by the depth as it stands; None without them, and without a depth."""
        ladder = self._tracker.depths.ladder(self._product.book, side)
        if ladder is None or not self._slippages:
            return None
        known = self._slips.get(side)
        if known is None or known[0] is not ladder:
            near = min(bound.warn_level for bound in self._slippages)
            level = min(bound.level for bound in self._slippages)
            far = near * ladder.mid
            slip = Slip(
                ladder.size_of_slippage(near),
                ladder.size_of_slippage(level),
                ladder.mid + far if side == BUY else ladder.mid - far,
            )
            known = self._slips[side] = (ladder, slip)
        return known[1]

    def _is_open(self, at: datetime) -> bool:
        """Whether all trading hours are open then; until when is worked out anew once they have changed."""
        if not self._open_since <= at < self._open_until:
            if any(one.opens_at(at) is not None for one in self._hours):
                return False
            changes = [end for one in self._hours if (end := one.changes_at(at)) is not None]
            self._open_since, self._open_until = at, min(changes, default=NEVER)
        return True

    def _mid(self) -> Mark | None:
        """The mark of key and book; None where a cause tightens or the picture cannot be believed."""
        desk, tracker = self._desk, self._tracker
        state, feeds, marks = desk.state, desk.feeds, tracker.marks
        if state.causes or not state.ready or feeds.user != "live" or feeds.market == "down":
            return None
        if tracker.wallets.in_doubt or tracker.books.doubts:
            return None
        quote, mid = marks.quotes.get(self._product.book), marks.by_key.get(self._key)
        if quote is None or mid is not marks.mids[self._product.book]:
            return None  # it is marked by another book
        since = feeds.market_whole_since
        return mid if since is None or quote.at >= since else None

    def _risk_room(self, side: Side, equity: Decimal) -> Decimal:
        """USD at the mark that may be added on this side while every risk figure surely stays calm."""
        tracker, risk, leg = self._tracker, self._desk.portfolio_risk, Leg(self._key, side, ZERO)
        room = NO_LIMIT
        for measure in self._risks:
            warn_usd = self._desk.warn_usd[measure] * equity
            room = min(room, ZERO if risk is None else risk.room(measure, tracker, leg, warn_usd))
        return room
