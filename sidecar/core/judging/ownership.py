"""Ownership: how much of a coin a strategy, or all others, may sell where coins are a strategy's own. No I/O.

A strategy with `own_positions_only` owns what its books hold of a coin. It may sell that alone, less what it offers
already; all others may sell what no such strategy owns, less what they offer. A flattening sells all coins.
"""

from decimal import Decimal

from msgspec import Struct

from sidecar.core.account.exposure import Portfolio
from sidecar.core.account.reservation import Reservation
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.vocabulary.money import ZERO, readable
from sidecar.core.vocabulary.orders import SELL


class Holding(Struct, frozen=True):
    """The part of a coin that may be sold, base units: `held`, less what is offered already and what is `kept` for its
    owners. `owner`: the strategy that asks, where it is one.
    """

    key: str
    owner: str
    held: Decimal
    offered: Decimal
    kept: Decimal
    others: tuple[str, ...]

    @property
    def free(self) -> Decimal:
        """How much may still be sold; below zero where more is offered than there is."""
        return self.held - self.offered - self.kept

    @property
    def text(self) -> str:
        held, offered, key = readable(self.held), readable(self.offered), self.key
        free = readable(max(ZERO, self.free))
        if self.owner:
            return f"{self.owner} owns {held} {key}, and {offered} of it are offered already: {free} may be sold"
        names = ", ".join(self.others)
        return (
            f"of {held} {key}, {offered} are offered already and {readable(self.kept)} are for {names} alone: {free} "
            "may be sold"
        )

    def binds(self, reservation: Reservation) -> Decimal:
        """How much of the offered part an approval offers."""
        mine = reservation.strategy_id == self.owner if self.owner else True
        legs = reservation.legs if mine else ()
        return sum((one.quantity for one in legs if (one.key, one.side) == (self.key, SELL)), ZERO)


def holding(
    desk: RiskContext, key: str, strategy_id: str | None, replaces: Decimal = ZERO
) -> Holding | None:
    """The part of a coin that a strategy may sell, beside its order that is to be replaced; None where no ownership
    limits it.
    """
    books, name = desk.tracker.strategies, strategy_id or ""
    if name in desk.owners:
        held, offered = _own(books.get(name), key)
        return Holding(key, name, held, offered - replaces, ZERO, ())
    kept, others = ZERO, list[str]()
    for owner in desk.owners:
        held, offered = _own(books.get(owner), key)
        if held > offered:
            kept += held - offered
            others.append(owner)
    if not others:
        return None
    line = desk.tracker.account.lines.get(key)
    held = offered = ZERO
    if line is not None:
        held, offered = line.position.quantity, line.open_sell
        held = max(held, held + line.doubted)  # Coinbase itself refuses more than there is
    return Holding(key, "", held, offered - replaces, kept, tuple(others))


def _own(book: Portfolio | None, key: str) -> tuple[Decimal, Decimal]:
    """How much the books hold of a coin, and offer."""
    line = None if book is None else book.lines.get(key)
    return (ZERO, ZERO) if line is None else (max(ZERO, line.position.quantity), line.open_sell)
