"""Table: the limits on one more order on one side of one key, as rows, at one state of the books. No I/O.

Theory of operation. Each limit is a row: a line in the order's size (rules/rule.py). While the books stand still, the
rows stand still too, so they are worked out once, and with them the size at which the first of them speaks: below it
no limit is nearly used. An approved order is absorbed: every line goes on from where the order has left it, exactly.
An edit, an order that is judged again and a coin pair have tables of their own, of the books without the order in it.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec import Struct

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.candidate import Candidate
from sidecar.core.judging.rules.rule import NO_EQUITY, Measured, Row, ScopedLimit, SizeUnit, size_of
from sidecar.core.vocabulary.money import ONE, ZERO
from sidecar.core.vocabulary.order_body import Side

NO_LIMIT: Final = NO_EQUITY
Turn = tuple[int, int, int, int]  # until one of them has grown, the books have not moved


class BoundRule(NamedTuple):
    """A rule and its limit, at their place in the list of rules, by which findings are listed."""

    place: int
    rule: Measured
    bound: ScopedLimit


class Finding(Struct, frozen=True):
    """A limit that is nearly or wholly used. `has_room`: a smaller order may keep it."""

    place: int
    rule: Measured
    bound: ScopedLimit
    observed: Decimal
    has_room: bool = False


class Entry(Struct, frozen=True):
    """A row with its limit: `near` is the figure from which it speaks, `level` the limit itself."""

    ruled: BoundRule
    row: Row
    level: Decimal
    near: Decimal

    @property
    def speaks_from(self) -> Decimal:
        """The least size at which the figure is near the limit."""
        row, near = self.row, self.near
        if max(row.floor, row.fold - row.base) >= near or (not row.slope and row.base >= near):
            return ZERO
        if not row.slope or row.cap < near:
            return NO_LIMIT
        return (near - row.base) / row.slope

    def finding(self, size: Decimal) -> Finding | None:
        """How far an order of this size uses the limit, where that is near it or beyond."""
        observed = self.row.figure(size)
        if observed < self.near:
            return None
        ruled, has_room = self.ruled, bool(self.row.slope) and self.row.of != "orders"
        return Finding(ruled.place, ruled.rule, ruled.bound, observed, has_room)


class Group:
    """The rows that are lines in the same size. `near`: the least size at which one of them speaks, `room` the
    largest that keeps all their limits, both in that unit; `absorbed`: the size approved since.
    """

    __slots__ = ("absorbed", "entries", "near", "of", "room")

    def __init__(self, of: SizeUnit, entries: list[Entry]) -> None:
        self.of, self.entries, self.absorbed = of, entries, ZERO
        self.near = min(entry.speaks_from for entry in entries)
        rooms = (entry.row.largest(entry.level) for entry in entries)
        self.room = min((room for room in rooms if room is not None), default=NO_LIMIT)

    def findings(self, size: Decimal) -> Iterable[Finding]:
        size += self.absorbed
        if size < self.near:
            return ()
        found = (entry.finding(size) for entry in self.entries)
        return [finding for finding in found if finding is not None]


class Table:
    """All rows of one plan on one side."""

    __slots__ = ("by_unit", "flat", "groups")

    def __init__(self, rules: Iterable[BoundRule], candidate: Candidate) -> None:
        """`check`: of any size, on that side."""
        by_unit: dict[SizeUnit, list[Entry]] = {}
        self.flat: list[Finding] = []  # of limits that size does not matter to
        equity = candidate.equity
        for ruled in rules:
            rule, bound = ruled.rule, ruled.bound
            row = rule.row(candidate, bound)
            assert row is not None  # the books can always be read
            share = equity if rule.of_equity else ONE
            entry = Entry(ruled, row, bound.level * share, bound.warn_level * share)
            if row.slope:
                by_unit.setdefault(row.of, []).append(entry)
            elif (finding := entry.finding(ZERO)) is not None:
                self.flat.append(finding)
        self.by_unit = {of: Group(of, entries) for of, entries in by_unit.items()}
        self.groups = tuple(self.by_unit.values())

    def near(self, of: SizeUnit) -> Decimal:
        """The size, in this unit, below which no row of it speaks."""
        group = self.by_unit.get(of)
        return NO_LIMIT if group is None else group.near - group.absorbed

    def room(self, of: SizeUnit) -> Decimal:
        """The largest size, in this unit, that keeps every limit."""
        group = self.by_unit.get(of)
        return NO_LIMIT if group is None else group.room - group.absorbed

    def findings(self, candidate: Candidate) -> list[Finding]:
        """The limits that an order nearly or wholly uses."""
        found = [*self.flat]
        for group in self.groups:
            size = size_of(candidate, group.of)
            if size is not None:
                found += group.findings(size)
        return found

    def absorb(self, quantity: Decimal) -> None:
        """An order of so many base units was approved on this side: one more order works."""
        for group in self.groups:
            if group.of == "open":
                group.absorbed += quantity
            elif group.of == "orders":
                group.absorbed += ONE


class Tables:
    """The tables of one plan, one for each side, each of the books as they are now."""

    def __init__(self, context: RiskContext, rules: tuple[BoundRule, ...]) -> None:
        self.context = context
        self.rules = rules
        self._known: dict[Side, tuple[Turn, Table]] = {}

    @property
    def turn(self) -> Turn:
        """Moves with all that rows are worked out from: facts, lines of positions, reservations."""
        context, tracker = self.context, self.context.tracker
        version, serial = tracker.version, tracker.account.serial
        return context.facts, version, serial, tracker.orders.reservations_version

    def of(self, candidate: Candidate) -> Table:
        """The table that an order is judged by."""
        if candidate.replaced is not None or candidate.again or candidate.coin is not None:
            return Table(self.rules, candidate)
        return self.on_side(candidate.order.side, candidate)

    def known(self, side: Side) -> Table | None:
        """The table of any new order on this side, where it was worked out since the books moved."""
        known = self._known.get(side)
        return None if known is None or known[0] != self.turn else known[1]

    def on_side(self, side: Side, candidate: Candidate) -> Table:
        """The same, worked out where it was not; `check`: one of these orders."""
        table = self.known(side)
        if table is None:
            table = Table(self.rules, candidate)
            self._known[side] = (self.turn, table)
        return table

    def absorb(self, side: Side, quantity: Decimal) -> None:
        """An order that was judged by the table of its side has just been reserved; the books have not moved since."""
        table = self._known[side][1]
        table.absorb(quantity)
        self._known[side] = (self.turn, table)
