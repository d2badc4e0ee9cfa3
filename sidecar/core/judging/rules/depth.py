"""What does it cost to trade this, and to get out again, by the depth of the books? No I/O.

Costs are against the mid of the depth that they are walked in, and never told too low. What is not known is no cost
that keeps a limit: an order that adds is refused until the depth is known.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.exit_costs import Exit
from sidecar.core.account.ladder import UNKNOWN, Ladder
from sidecar.core.judging.candidate import Candidate, OnKey
from sidecar.core.judging.rules.rule import (
    NO_EQUITY,
    Doc,
    FigureBySize,
    Measured,
    Row,
    ScopedLimit,
    SizeUnit,
)
from sidecar.core.vocabulary.money import ONE, ZERO, quotient_up, readable
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY, OPPOSITE, SELL

NAMED_MAX: Final = 5  # keys that a message names


class Slippage(Struct, frozen=True):
    """How much worse than the mid an order trades on average, by its size; `unit`: base units to an order unit."""

    ladder: Ladder
    unit: Decimal
    of: SizeUnit = "open"
    slope: Decimal = ONE

    def figure(self, size: Decimal) -> Decimal:
        """The share of the mid that an order of this size loses."""
        return self.ladder.slippage(size / self.unit)

    def ends(self, near: Decimal, level: Decimal) -> tuple[Decimal, Decimal]:
        """The least size at which it may be at `near` or beyond, and the largest at which it is not beyond `level`."""
        reaches, keeps = (self.ladder.size_of_slippage(one) for one in (near, level))
        return reaches * self.unit, keeps * self.unit


class ExitCost(Struct, frozen=True):
    """The cost of closing all that could be held, by the size of an order: `held` base units on its side and those that
    it adds, closed by orders on `side`; at least the other side's cost, and that of all `others`, USD. `whole`: the
    equity that it is a share of; None: it is of money.
    """

    way: Exit
    side: Side
    held: Decimal
    at_least: Decimal
    others: Decimal
    whole: Decimal | None
    of: SizeUnit = "open"
    slope: Decimal = ONE

    def figure(self, size: Decimal) -> Decimal:
        """The cost with an order of this size filled."""
        own = self.way.cost(self.side, self.held + size)
        return part_of(self.others + max(self.at_least, own), self.whole)

    def ends(self, near: Decimal, level: Decimal) -> tuple[Decimal, Decimal]:
        """The least size at which it may be at `near` or beyond, and the largest at which it is not beyond `level`."""
        return self._size_of(near), self._size_of(level)

    def _size_of(self, figure: Decimal) -> Decimal:
        usd = figure if self.whole is None else figure * self.whole
        if self.others == UNKNOWN or self.others + self.at_least > usd:
            return ZERO
        return self.way.quantity_of_cost(self.side, usd - self.others) - self.held


def part_of(usd: Decimal, whole: Decimal | None) -> Decimal:
    """USD, or its share of the whole; never rounded down. Of no equity any cost is an infinite share."""
    if whole is None or usd == UNKNOWN:
        return usd
    if whole <= ZERO:
        return NO_EQUITY if usd else ZERO
    return quotient_up(usd, whole)


def slippage(candidate: Candidate, bound: ScopedLimit) -> FigureBySize | None:
    """None of an order that cannot come near the limit at any size: its limit price is as good, or it only rests."""
    order, product = candidate.order, candidate.product
    if order.post_only:
        return None
    ladder = candidate.tracker.depths.ladder(product.book, order.side)
    if ladder is None:
        return Row(base=UNKNOWN)
    if order.limit_price is not None:
        if is_quiet(order.limit_price, ladder, order.side, bound.warn_level):
            return None
        ladder = ladder.up_to(order.limit_price, order.side)
    return Slippage(ladder, product.contract_size)


def is_quiet(price: Decimal, ladder: Ladder, side: Side, near: Decimal) -> bool:
    """Whether an order with this limit price comes near no limit, whatever its size."""
    gap = price - ladder.mid if side == BUY else ladder.mid - price
    return gap < near * ladder.mid


def slippage_unknown(candidate: Candidate, _bound: ScopedLimit) -> str:
    """Why it is not known what the order would cost."""
    depths, product = candidate.tracker.depths, candidate.product
    ladder = depths.ladder(product.book, candidate.order.side)
    if ladder is None:
        return f"no depth of {product.book} is known that is young enough{depths.what_next}"
    asked = readable(candidate.quantity / product.contract_size)
    known = readable(ladder.known)
    return f"the book of {product.book} is known to take {known} of {asked}; ask for less"


def exit_cost(candidate: OnKey, bound: ScopedLimit) -> FigureBySize:
    tracker, key, coin = candidate.tracker, candidate.key, candidate.coin
    exits, way, others = tracker.exits, tracker.exits.way_out(key), ZERO
    if bound.kind != "product":
        others = exits.without(key, "" if coin is None else coin.key)
        if coin is not None:
            others += exits.way_out(coin.key).cost(SELL, _bought(coin))
    whole = max(ZERO, candidate.equity) if bound.is_loss_ratio else None
    side, held = _other_side(candidate)
    at_least = way.cost(side, held)
    if not (candidate.is_buy or candidate.is_future):  # a sale of coins adds to no position
        return Row(base=part_of(others + at_least, whole))
    return ExitCost(way, OPPOSITE[side], candidate.account.held, at_least, others, whole)


def _bought(coin: OnKey) -> Decimal:
    """All that could be held of the coin that a coin pair buys."""
    return coin.account.held + coin.quantity


def _other_side(candidate: OnKey) -> tuple[Side, Decimal]:
    """The position that could stand on the other side of the order, and the side of the order that would close it."""
    line = candidate.tracker.account.lines.get(candidate.key)
    if candidate.is_buy:
        return BUY, ZERO if line is None else -line.short
    return SELL, ZERO if line is None else line.long


def exit_unknown(candidate: OnKey, bound: ScopedLimit) -> str:
    """Why it is not known what selling all of it would cost; empty where it is."""
    exits, key, coin = candidate.tracker.exits, candidate.key, candidate.coin
    side, held = _other_side(candidate)
    own = candidate.account.held + candidate.quantity
    way, sides = exits.way_out(key), [(side, held)]
    if candidate.is_buy or candidate.is_future:
        sides.append((OPPOSITE[side], own))
    for one, quantity in sides:
        if way.cost(one, quantity) == UNKNOWN:
            return exits.short_of(key, one, quantity)
    names = [] if bound.kind == "product" else [name for name in exits.unknown() if name != key]
    why = exits.why_unknown(names[0]) if names else ""
    if coin is not None and exits.way_out(coin.key).cost(SELL, _bought(coin)) == UNKNOWN:
        names, why = [coin.key, *names], exits.short_of(coin.key, SELL, _bought(coin))
    if not names:
        return ""
    shown = ", ".join(names[:NAMED_MAX]) + (", …" if len(names) > NAMED_MAX else "")
    return f"the cost of selling {shown} is not known: {why}"


RULES: Final = (
    Measured(
        code="MAX_ORDER_SLIPPAGE",
        of_order=True,
        limit="max_order_slippage",
        unit="share",
        order_row=slippage,
        why_unknown=slippage_unknown,
        text="by the depth of the book it would trade {observed} worse than the mid; {limit} is allowed",
        doc=Doc(
            "average price of the part that would trade at once, down the levels of the book as it stands, against the "
            "mid > limit. A limit order trades up to its limit price, a stop as the order that it becomes; what rests "
            "costs nothing. A book that is not known deep enough, or for `max_depth_age_s`, breaks",
            "the limit passes",
        ),
    ),
    Measured(
        code="MAX_EXIT_COST",
        limit="max_exit_cost",
        unit="share",
        by_scope=True,
        reads="side",
        row=exit_cost,
        why_unknown=exit_unknown,
        text="selling all that could be held would cost {observed}; {limit} is allowed",
        doc=Doc(
            "cost of selling what could be held of each key with the order, and all that is open and reserved, filled, "
            "down the levels of the books as they stand, against their mids > limit; of one key in a product's table, "
            "else the sum. A book that is not known deep enough, or for `max_depth_age_s`, breaks",
            "the limit passes",
        ),
    ),
)
