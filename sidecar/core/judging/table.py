"""Table: the limits on one more order on one side of one key, as rows, at one state of the books. No I/O.

Theory of operation. Each limit is a row: a line in the order's size (rules/rule.py). While the books stand still, the
rows stand still too, so they are worked out once, and with them the size at which the first of them speaks: below it
no limit is nearly used. An approved order is absorbed: every line goes on from where the order has left it, exactly.
An edit, an order that is judged again and a coin pair have tables of their own, of the books without the order in it.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec import Struct

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.judging.candidate import Candidate, OnKey
from sidecar.core.judging.rules.rule import (
    NO_EQUITY,
    FigureBySize,
    Measured,
    Reads,
    ScopedLimit,
    SizeUnit,
    size_of,
)
from sidecar.core.vocabulary.money import ONE, ZERO
from sidecar.core.vocabulary.order_body import Side

NO_LIMIT: Final = NO_EQUITY
# The sizes that the rows of a table are linear in, by what they are worked out from. What is absorbed is an
# order's open size; a glance knows the limits on its own size by themselves.
LINEAR_IN: Final[Mapping[Reads, tuple[SizeUnit, ...]]] = {
    "side": ("open", "money", "orders"),
    "limit": ("whole", "worth"),
}


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

    @property
    def is_told(self) -> bool:
        """Whether a decision warns of it."""
        return self.rule.warns and bool(self.observed)


class Entry(Struct, frozen=True):
    """A row with its limit: `near` is the figure from which it speaks."""

    ruled: BoundRule
    row: FigureBySize
    near: Decimal

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

    def __init__(self, of: SizeUnit) -> None:
        self.of, self.absorbed = of, ZERO
        self.entries: list[Entry] = []
        self.near = self.room = NO_LIMIT

    def add(self, ruled: BoundRule, row: FigureBySize, level: Decimal, near: Decimal) -> None:
        """One more row, its limit, and the figure from which it speaks."""
        self.entries.append(Entry(ruled, row, near))
        reaches, keeps = row.ends(near, level)
        self.near = min(self.near, reaches)
        self.room = min(self.room, keeps)

    def findings(self, size: Decimal) -> Iterable[Finding]:
        size += self.absorbed
        if size < self.near:
            return ()
        return [one for entry in self.entries if (one := entry.finding(size)) is not None]


NO_GROUPS: Final[Mapping[SizeUnit, Group]] = {}


class Table:
    """All rows of one plan on one side, at one version of the books. `fixed`: groups of rows that are the same for all
    books.

    `near_open` is the open size, base units, from which a row speaks, `room_open` the largest that keeps every limit;
    the like for the money that a purchase binds, USD, the orders beside those that work, the whole size, base units,
    and the order's worth, USD. `flat` are the findings on limits that size does not matter to, `near_books` those of
    rules that read the books alone.
    """

    __slots__ = (
        "flat", "groups", "money", "near_books", "near_money", "near_open", "near_orders", "near_whole", "near_worth",
        "open", "orders", "room_money", "room_open", "room_whole", "room_worth", "version",
    )  # fmt: skip

    def __init__(
        self,
        rules: Iterable[BoundRule],
        candidate: OnKey,
        fixed: Mapping[SizeUnit, Group] = NO_GROUPS,
        books_alone: Iterable[BoundRule] = (),
    ) -> None:
        """`candidate`: of any size, on that side."""
        by_unit: dict[SizeUnit, Group] = {}
        self.flat: list[Finding] = []
        self.version = candidate.tracker.version
        equity = candidate.equity
        for ruled in rules:
            _, rule, bound = ruled
            row, level, near = rule.line(candidate, bound), bound.level, bound.warn_level
            if rule.of_equity:
                level, near = level * equity, near * equity
            if row.slope:
                of = row.of
                assert of in LINEAR_IN[rule.reads], rule.code
                group = by_unit.get(of)
                if group is None:
                    group = by_unit[of] = Group(of)
                group.add(ruled, row, level, near)
            elif (finding := Entry(ruled, row, near).finding(ZERO)) is not None:
                self.flat.append(finding)
        self.near_books = [
            Finding(place, rule, bound, observed)
            for place, rule, bound in books_alone
            if (observed := rule.line(candidate, bound).figure(ZERO)) >= bound.warn_level
        ]
        self.groups: dict[SizeUnit, Group] = {**by_unit, **fixed}
        self.open, self.orders = by_unit.get("open"), by_unit.get("orders")
        self.money = by_unit.get("money")
        self.near_open, self.room_open = self._ends("open")
        self.near_money, self.room_money = self._ends("money")
        self.near_orders, _ = self._ends("orders")
        self.near_whole, self.room_whole = self._ends("whole")
        self.near_worth, self.room_worth = self._ends("worth")

    def _ends(self, of: SizeUnit) -> tuple[Decimal, Decimal]:
        group = self.groups.get(of)
        return (NO_LIMIT, NO_LIMIT) if group is None else (group.near, group.room)

    def speaks(self, size: Decimal, worth: Decimal, money: Decimal) -> bool:
        """Whether a new order of so many base units, worth so many USD, comes near a limit; `money`: the USD that it
        binds, where a limit asks for it.
        """
        return (
            size >= self.near_open
            or money >= self.near_money
            or size >= self.near_whole
            or worth >= self.near_worth
            or self.near_orders <= ONE
            or bool(self.flat or self.near_books)
        )

    def findings(self, candidate: Candidate) -> list[Finding]:
        """The limits that an order nearly or wholly uses, but those that the books use by themselves."""
        found = [*self.flat]
        for of, group in self.groups.items():
            size = size_of(candidate, of)
            if size is not None:
                found += group.findings(size)
        return found

    def absorb(self, quantity: Decimal, money: Decimal, orders: int, version: int) -> None:
        """So many base units more are open on this side, so much more money is bound, USD, and so many orders more
        work; the books moved by that alone.
        """
        self.version = version
        if self.open is not None:
            self.open.absorbed += quantity
            self.near_open -= quantity
            self.room_open -= quantity
        if self.money is not None:
            self.money.absorbed += money
            self.near_money -= money
            self.room_money -= money
        if self.orders is not None:
            self.orders.absorbed += orders
            self.near_orders -= orders


class Tables:
    """The tables of one plan, one for each side, each of the books as they are now."""

    def __init__(
        self,
        context: RiskContext,
        rules: tuple[BoundRule, ...],
        books_alone: tuple[BoundRule, ...] = (),
    ) -> None:
        self._books = context.tracker.books
        self.rules = rules
        self.books_alone = books_alone
        self._of_side = tuple(one for one in rules if one.rule.reads == "side")
        self._fixed: dict[SizeUnit, Group] | None = None
        self._known: dict[Side, Table] = {}

    def of(self, candidate: Candidate) -> Table:
        """The table that an order is judged by."""
        if candidate.replaced is not None or candidate.is_rejudged or candidate.coin is not None:
            return self._made(candidate)
        return self.on_side(candidate.order.side, candidate)

    def known(self, side: Side) -> Table | None:
        """The table of any new order on this side, where it was worked out since the books moved."""
        known = self._known.get(side)
        return None if known is None or known.version != self._books.version else known

    def on_side(self, side: Side, candidate: OnKey) -> Table:
        """The same, worked out where it was not; `candidate`: one of these orders."""
        table = self.known(side)
        if table is None:
            table = self._known[side] = self._made(candidate)
        return table

    def _made(self, candidate: OnKey) -> Table:
        if self._fixed is None:
            alone = (one for one in self.rules if one.rule.reads == "limit")
            self._fixed = Table(alone, candidate).groups
        return Table(self._of_side, candidate, self._fixed, self.books_alone)
