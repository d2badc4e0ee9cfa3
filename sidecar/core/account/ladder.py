"""Ladder: one side of an order book as an order walks it, and what that costs against the mid. No I/O.

Theory of operation. Best levels trade first, so the cost of a walk (size × distance from the mid, summed) is a line
within each level, steeper from level to level: the cost grows with size, and so does its share of the order's worth.
Both have an inverse in closed form. Divisions round so that no cost is told too low and no size too large; sizes and
costs that end in so many digits as Coinbase has are exact.
"""

from bisect import bisect_left
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.events import Depth, Level
from sidecar.core.vocabulary.money import TWO, ZERO, quotient_down, quotient_up
from sidecar.core.vocabulary.order_body import Side

UNKNOWN: Final = Decimal("Infinity")  # a cost that is not known, and a size without an end
# So many levels of a side are told as they stand; later ones may be steps, each at the worst price in it.
AS_THEY_STAND: Final = 20


class Rung(Struct, frozen=True):
    """One level: its price, its distance from the mid (`gap`, never negative); the size up to its end, and size and
    cost of all levels before it, in order units and quote currency.
    """

    price: Decimal
    gap: Decimal
    end: Decimal
    before: Decimal
    cost_before: Decimal

    def cost(self, size: Decimal) -> Decimal:
        """The cost of a walk that ends within this level."""
        return self.cost_before + self.gap * (size - self.before)


class Ladder:
    """The levels that an order on one side meets. `mid`: the price between the best of both sides. `rests`: the part of
    an order that finds no level rests, and costs nothing; else its cost is not known.
    """

    __slots__ = ("_costs", "_ends", "mid", "rests", "rungs")

    def __init__(self, mid: Decimal, rungs: tuple[Rung, ...], *, rests: bool = False) -> None:
        self.mid, self.rungs, self.rests = mid, rungs, rests
        self._ends = [rung.end for rung in rungs]
        self._costs = [rung.cost_before for rung in rungs]

    @property
    def known(self) -> Decimal:
        """The size that the levels take, order units."""
        return self._ends[-1] if self._ends else ZERO

    def cost(self, size: Decimal) -> Decimal:
        """What an order of this size costs against the mid, quote currency; infinite where that is not known."""
        if size > self.known:
            if not self.rests:
                return UNKNOWN
            size = self.known
        if size <= ZERO:
            return ZERO
        return self.rungs[bisect_left(self._ends, size)].cost(size)

    def slippage(self, size: Decimal) -> Decimal:
        """How much worse than the mid the average price of what trades is, as a share of it; never rounded down."""
        traded = min(size, self.known) if self.rests else size
        if traded <= ZERO:
            return ZERO
        cost = self.cost(traded)
        return cost if cost == UNKNOWN else quotient_up(cost, traded * self.mid)

    def size_of_cost(self, usd: Decimal, rate: Decimal) -> Decimal:
        """The largest size that costs no more than so many USD, at a rate of USD to the quote currency; never rounded
        up.
        """
        if usd < ZERO or not self.rungs:
            return ZERO
        cost = quotient_down(usd, rate)
        rung = self.rungs[max(0, bisect_left(self._costs, cost) - 1)]
        if rung.cost(rung.end) <= cost:
            return rung.end
        return rung.before + quotient_down(cost - rung.cost_before, rung.gap)

    def size_of_slippage(self, most: Decimal) -> Decimal:
        """The largest size whose slippage is no more than `most`; never rounded up."""
        bound = most * self.mid
        for rung in self.rungs:
            ends_within = rung.end != UNKNOWN and rung.cost(rung.end) <= bound * rung.end
            if rung.gap <= bound or ends_within:
                continue
            room = rung.gap * rung.before - rung.cost_before
            return quotient_down(room, rung.gap - bound)
        return UNKNOWN if self.rests else self.known

    def up_to(self, price: Decimal, side: Side) -> "Ladder":
        """What an order with this limit price meets: the levels up to it. A step counts at the limit price where that
        lies within it, and so does all that is not known of the book and may lie before it: no more can be paid.
        """
        kept = [rung for rung in self.rungs if _within(rung.price, price, side)]
        gap = max(ZERO, price - self.mid if side == "BUY" else self.mid - price)
        after = self.rungs[len(kept) :]
        if after and len(kept) < AS_THEY_STAND:
            return Ladder(self.mid, tuple(kept), rests=True)
        before = kept[-1].end if kept else ZERO
        cost = kept[-1].cost(before) if kept else ZERO
        end = after[0].end if after else UNKNOWN
        kept.append(Rung(price, gap, end, before, cost))
        return Ladder(self.mid, tuple(kept), rests=True)


def _within(price: Decimal, limit: Decimal, side: Side) -> bool:
    return price <= limit if side == "BUY" else price >= limit


def ladders_of(depth: Depth, factor: Decimal | None = None) -> dict[Side, Ladder]:
    """Both sides of a depth, by the side of the order that walks it; `factor`: with so much of every level's size. None
    without two sides, or where they cross: no mid is known then.
    """
    if not depth.bids or not depth.asks or depth.bids[0][0] > depth.asks[0][0]:
        return {}
    mid = (depth.bids[0][0] + depth.asks[0][0]) / TWO
    return {
        "BUY": Ladder(mid, _rungs(mid, depth.asks, factor)),
        "SELL": Ladder(mid, _rungs(mid, depth.bids, factor)),
    }


def _rungs(mid: Decimal, levels: tuple[Level, ...], factor: Decimal | None) -> tuple[Rung, ...]:
    rungs: list[Rung] = []
    before = cost = ZERO
    for price, size in levels:
        gap = abs(price - mid)
        end = before + (size if factor is None else size * factor)
        rungs.append(Rung(price, gap, end, before, cost))
        cost += gap * (end - before)
        before = end
    return tuple(rungs)
