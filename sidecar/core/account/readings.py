"""Readings: the moves of prices that the last readings of the balances fell into. No I/O.

A moment of a reading is kept at the confirmed marks of then. Where a mark was another one, which was
not confirmed yet, only later ones say which of them was the price: it is the mark of then, as far as
the confirmed mark follows it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.account.confirmed_mark import ConfirmedMark
from sidecar.core.account.moved import CONFIRMED, Point

# A move of prices that is not confirmed yet is waited for until the last reading before a doubt is told
# (doubt_watch.py: readings 2, 6 and 14 s after the first, and an alert after 15 s).
OPEN_FOR: Final = timedelta(seconds=12)
READINGS_MAX: Final = (
    30  # a doubt has the moments of two readings, and those of prices between them
)

PRICES_MAX: Final = 30  # readings: there is one a minute, and in doubt up to one in two seconds
NO_PRICES: Final[Mapping[str, Decimal]] = {}


class OpenMove(Struct):
    """A price that was not confirmed at a reading, USD a unit, and the units held. `was`: the one confirmed then;
    `found`: what it was by all that is known; `is_open`: that may be nearer to `mark` still.
    """

    quantity: Decimal
    mark: Decimal
    was: Decimal
    found: Decimal
    is_open: bool = True

    def see(self, known: ConfirmedMark) -> None:
        """Follow the confirmed mark towards the mark of then, until prices turn."""
        self.found = sorted((self.found, self.mark, known.value))[1]
        run, rises = known.run, self.mark > self.found
        goes_on = run is not None and (run.bound > known.value) == rises
        self.is_open = goes_on and self.found != self.mark


class Reading(Struct, frozen=True):
    """A reading that fell into moves of prices, by key."""

    at: datetime
    moves: dict[str, OpenMove]


class Readings:
    """The last ones that fell into a move of prices, the newest last; and the confirmed prices at each of the last
    readings, USD a unit, by key.
    """

    def __init__(self) -> None:
        self.known: list[Reading] = []
        self.prices: dict[datetime, dict[str, Decimal]] = {}

    def note(
        self, at: datetime, moves: dict[str, OpenMove], prices: Mapping[str, Decimal] = NO_PRICES
    ) -> None:
        """Balances are read; `moves`: the prices that are not confirmed now."""
        if moves:
            self.known = [*self.known, Reading(at, moves)][-READINGS_MAX:]
        for key, price in prices.items():
            self.price(at, key, price)

    def price(self, at: datetime, key: str, price: Decimal) -> None:
        """The price that a key had at a reading."""
        self.prices.setdefault(at, {})[key] = price
        if len(self.prices) > PRICES_MAX:
            del self.prices[next(iter(self.prices))]

    def first_price(self, key: str, since: datetime) -> Decimal | None:
        """The first price of a key that was noted since then."""
        noted = (prices[key] for at, prices in self.prices.items() if at >= since and key in prices)
        return next(noted, None)

    def see(self, key: str, known: ConfirmedMark, at: datetime) -> None:
        """A mark of a key, of then, has been taken in."""
        for reading in self.known:
            move = reading.moves.get(key)
            if move is not None and move.is_open and at <= reading.at + OPEN_FOR:
                move.see(known)

    def confirmed(self, point: Point) -> Point:
        """The moment of a reading at the prices that were confirmed then: that is before the moves began that it
        fell into.
        """
        if point.at is None:
            return replace(point, view=CONFIRMED)
        began, moves = point.at, self._moves(point.at)
        for at in reversed(self.prices):
            if at >= point.at:
                continue
            before = self._moves(at)
            if not any(key in moves and moves[key].was == one.was for key, one in before.items()):
                break  # it fell into none of these moves, or into earlier ones from the same price
            began = at
        prices = self.prices.get(point.at, {})
        return replace(point, at=began, view=CONFIRMED, prices=prices)

    def _moves(self, at: datetime) -> dict[str, OpenMove]:
        return next((one.moves for one in self.known if one.at == at), {})

    def near(self, point: Point) -> Point:
        """The moment of a reading at the near sides of wide quotes, all other prices as they were."""
        prices = {} if point.at is None else self.prices.get(point.at, {})
        return replace(point, prices=prices)

    def found(self, point: Point, key: str) -> Point:
        """The moment of a reading at the prices that were found since, a unit's of this key among them."""
        moves = {} if point.at is None else self._moves(point.at)
        prices = {} if point.at is None else dict(self.prices.get(point.at, {}))
        pnl, own = point.pnl, moves.get(key)
        for name, move in moves.items():
            pnl += move.quantity * (move.found - (point.price if move is own else move.was))
            prices[name] = move.found
        price = point.price if own is None else own.found
        return replace(point, pnl=pnl, price=price, prices=prices)
