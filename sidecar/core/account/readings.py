"""Readings: the moves of prices that the last readings of the balances fell into. No I/O.

A moment of a reading is kept at the confirmed marks of then. Where a mark was another one, which was
not confirmed yet, only later ones say which of them was the price: it is the mark of then, as far as
the confirmed mark follows it.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.account.confirmed_mark import ConfirmedMark
from sidecar.core.account.moved import Point

# A move of prices that is not confirmed yet is waited for until the last reading before a doubt is told
# (doubt_watch.py: readings 2, 6 and 14 s after the first, and an alert after 15 s).
OPEN_FOR: Final = timedelta(seconds=12)
READINGS_MAX: Final = (
    10  # the moments of a doubt are those of its first reading, and of the one before
)


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
    """The last ones that fell into a move of prices, the newest last."""

    def __init__(self) -> None:
        self.known: list[Reading] = []

    def note(self, at: datetime, moves: dict[str, OpenMove]) -> None:
        """Balances are read; `moves`: the prices that are not confirmed now."""
        if moves:
            self.known = [*self.known, Reading(at, moves)][-READINGS_MAX:]

    def see(self, key: str, known: ConfirmedMark, at: datetime) -> None:
        """A mark of a key, of then, has been taken in."""
        for reading in self.known:
            move = reading.moves.get(key)
            if move is not None and move.is_open and at <= reading.at + OPEN_FOR:
                move.see(known)

    def found(self, point: Point, key: str) -> Point:
        """The moment of a reading at the prices that were found since, a unit's of this key among them."""
        moves = next((one.moves for one in self.known if one.at == point.at), {})
        pnl, own = point.pnl, moves.get(key)
        for move in moves.values():
            pnl += move.quantity * (move.found - (point.price if move is own else move.was))
        return replace(point, pnl=pnl, price=point.price if own is None else own.found)
