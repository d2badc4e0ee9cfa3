"""ExitEstimate: what it would cost and take to sell a position by the depth of its book, as a flattening does. No I/O.

The model is a simple one, and says what it assumes. A round sells what the known levels take, in at most so many orders
as a flattening sends of one asset; the book is then taken to fill up again to what it was within a minute, the longest
that a flattening waits for a change; the next round sells the rest. A round takes the wait for cancels, and its orders
at the pace of requests. Fees are not in it, nor that the price moves on.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from msgspec import Struct

from sidecar.core.account.exit_costs import Exit, thinned
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.liquidation.progress import RETRY_AT_MOST
from sidecar.core.liquidation.rounds import CANCELS_TAKE
from sidecar.core.liquidation.selling import PIECES_A_ROUND
from sidecar.core.vocabulary.money import ONE, ZERO, ratio
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY, SELL
from sidecar.core.vocabulary.products import Product

# Two readings of once a minute, and their way here: an older depth shows nothing.
SHOWN_FOR: Final = timedelta(seconds=150)
ORDERS_A_SECOND: Final = Decimal(10)  # half of the pace that a flattening may have
REFILLS_IN: Final = RETRY_AT_MOST
SECOND: Final = timedelta(seconds=1)


class Estimate(Struct, frozen=True):
    """The average price, quote currency; the cost against the mid, USD, and its share of the worth at the mid; how many
    rounds, and how long they take.
    """

    price: Decimal
    cost: Decimal
    share: Decimal
    rounds: int
    seconds: Decimal


def estimate(way: Exit, side: Side, quantity: Decimal) -> Estimate:
    """The exit of so many base units by orders on this side, by a book that is known."""
    product, ladder = way.product, way.ladders[side]
    assert product is not None, "a book of no product"
    unit, most = product.contract_size, ladder.known
    if product.base_max_size:
        most = min(most, product.base_max_size * PIECES_A_ROUND)
    size = quantity / unit
    full, rest = divmod(size, most)
    cost = ladder.cost(most) * full + ladder.cost(rest)
    rounds = int(full) + bool(rest)
    worth = ladder.mid * size
    traded = worth - cost if side == SELL else worth + cost
    return Estimate(
        price=traded / size,
        cost=cost * unit * way.rate,
        share=ratio(cost, worth),
        rounds=rounds,
        seconds=_seconds(rounds, _orders(product, size)),
    )


def _orders(product: Product, size: Decimal) -> Decimal:
    if not product.base_max_size:
        return ONE
    return (size / product.base_max_size).to_integral_value(ROUND_CEILING)


def _seconds(rounds: int, orders: Decimal) -> Decimal:
    """Of a thin book more than any clock counts."""
    waits = Decimal(CANCELS_TAKE / SECOND) * rounds + Decimal(REFILLS_IN / SECOND) * (rounds - 1)
    return waits + max(orders, Decimal(rounds)) / ORDERS_A_SECOND


def exit_of(tracker: PositionTracker, key: str, factor: Decimal, now: datetime) -> dict[str, Any]:
    """The exit of what is held of a key: `now` and, with a part of every level's size, `thinned`; `why_not` where it
    cannot be told.
    """
    line = tracker.account.lines.get(key)
    quantity = ZERO if line is None else line.position.quantity
    way = tracker.exits.way_out(key)
    depth = None if way.product is None else tracker.depths.known.get(way.product.book)
    view: dict[str, Any] = {
        "product_id": None if way.product is None else way.product.product_id,
        "known_at": None if depth is None else depth.at,
        "now": None,
        "thinned": None,
        "why_not": way.why_not,
    }
    if way.why_not or way.product is None or depth is None:
        return view
    if now - depth.at > SHOWN_FOR:
        age = int((now - depth.at).total_seconds())
        return view | {"why_not": f"the last depth of {way.product.book} is {age} s old"}
    if not way.product.is_future and quantity < ZERO:
        return view | {"why_not": "sold before its purchase was told"}
    side: Side = SELL if quantity > ZERO else BUY
    thin = thinned(way, depth, factor)
    found = {
        name: _shown(estimate(each, side, abs(quantity)))
        for name, each in (("now", way), ("thinned", thin))
    }
    return view | found


def _shown(found: Estimate) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__struct_fields__}


def exit_of_all(tracker: PositionTracker, factor: Decimal, now: datetime) -> dict[str, Any]:
    """The exits of all that is held together: their cost, and the seconds of the longest, each None where one of them
    is not known; `unknown` says which, and why.
    """
    exits = dict(_exits(tracker, factor, now))
    unknown = {key: one["why_not"] for key, one in exits.items() if one["now"] is None}
    view: dict[str, Any] = {"factor": factor, "unknown": unknown}
    for name in ("now", "thinned"):
        known = [one[name] for one in exits.values() if one[name] is not None]
        is_whole = len(known) == len(exits)
        view[name] = {
            "cost": sum((one["cost"] for one in known), ZERO) if is_whole else None,
            "seconds": max((one["seconds"] for one in known), default=ZERO) if is_whole else None,
        }
    return view


def _exits(
    tracker: PositionTracker, factor: Decimal, now: datetime
) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, line in sorted(tracker.account.lines.items()):
        if line.position.quantity:
            yield key, exit_of(tracker, key, factor, now)
