"""RiskView: the account's three books under one fitted model, and an order's addition. No I/O."""

from collections.abc import Sequence
from math import inf
from typing import Final, Literal, Protocol

import numpy as np

from sidecar.core.value_at_risk.model import (
    Moves,
    RiskBook,
    RiskModel,
    Unavailable,
)
from sidecar.core.value_at_risk.portfolio_risk import Measure
from sidecar.core.value_at_risk.stress import StressBook, StressModel

BookName = Literal["held", "buys", "sells"]
BOOKS: Final[tuple[BookName, ...]] = ("held", "buys", "sells")
HELD, BUYS, SELLS = 0, 1, 2
Row = tuple[float, float, float]  # a key's exposure in each of them, USD
NOTHING: Final[Row] = (0.0, 0.0, 0.0)
Worst = tuple[float, int, list[float | None]]  # the figure, its book's number, those of all
NO_MOVES: Final[tuple[Moves, ...]] = ((), (), ())


class Bounding(Protocol):
    """A book that can bound the addition of moves."""

    def most_added(self, moves: Moves) -> float: ...


class RiskView:
    """Three books of the same keys. `serial` is that of the account's last change that is in them,
    `is_old` says that they are to be summed anew.

    `why` tells why the model could not be fitted; then only a stress loss that needs no returns can
    be told. `lost` are keys without returns, whose worth is counted as lost whole. `books`: those
    that the view is made of.
    """

    def __init__(  # noqa: PLR0913 - its parts, by name
        self,
        keys: Sequence[str],
        model: RiskModel | None,
        stress: StressModel,
        why: str | None,
        *,
        lost: Sequence[str],
        books: frozenset[str],
        stress_needs_returns: bool,
    ) -> None:
        self.keys = tuple(keys)
        self.lost = tuple(lost)
        self.books = books
        self._lost_rows = dict.fromkeys(lost, NOTHING)
        self._lost = [0.0, 0.0, 0.0]
        self.index = {key: number for number, key in enumerate(keys)}
        self.model, self.stress, self.why = model, stress, why
        self.stress_needs_returns = stress_needs_returns
        self.serial, self.is_old = 0, True
        self.rows: list[Row] = []
        self._books: list[RiskBook] = []
        self._stressed: list[StressBook] = []  # made when they are first asked about
        self._apart: list[int] = []  # keys with another exposure in the book than held
        self._distinct: tuple[int, ...] = (HELD,)  # books that are not the one held once more
        self._known: dict[Measure, list[float | None]] = {}  # of each book as it is now
        self._worst: dict[Measure, Worst] = {}

    def rebuild(self, rows: Sequence[Row]) -> None:
        """Sum all books anew; `rows` in the order of the keys, then of those that are lost."""
        self.rows = list(rows[: len(self.keys)])
        self._lost_rows = dict(zip(self.lost, rows[len(self.keys) :], strict=True))
        self._sum_lost()
        exposures = np.array(self.rows, dtype=float).reshape(len(self.keys), len(BOOKS)).T
        self._books = [] if self.model is None else [self.model.book(own) for own in exposures]
        self._stressed = []
        self._apart = [sum(row[n] != row[HELD] for row in rows) for n in range(len(BOOKS))]
        self._known.clear()
        self._tell_apart()

    def put(self, key: str, row: Row) -> None:
        """One key's exposures are these now."""
        index = self.index.get(key)
        known = self.rows[index] if index is not None else self._lost_rows.get(key, row)
        if row == known:
            return
        if index is None:
            self._lost_rows[key] = row
            self._sum_lost()
            self._known.clear()
        else:
            self.rows[index] = row
        for number, usd in enumerate(row):
            if index is not None and (moved := usd - known[number]):
                if self._books:
                    self._books[number].move(index, moved)
                if self._stressed:
                    self._stressed[number].move(index, moved)
                for figures in self._known.values():
                    figures[number] = None
            self._apart[number] += (usd != row[HELD]) - (known[number] != known[HELD])
        self._tell_apart()

    def _sum_lost(self) -> None:
        self._lost = [sum(row[n] for row in self._lost_rows.values()) for n in range(len(BOOKS))]

    def _tell_apart(self) -> None:
        self._distinct = (HELD, *(number for number in (BUYS, SELLS) if self._apart[number]))
        self._worst.clear()

    # --- Figures ----------------------------------------------------------------------------------

    def before(self, measure: Measure) -> float:
        """The measure of the worst of the three books as they are. Raises Unavailable."""
        return self._before(measure)[0]

    def most_added(self, measure: Measure, moves: Sequence[Moves]) -> float:
        """A bound on `after` less `before`, which costs less; infinite where there is none."""
        held, buys, sells = moves
        books = self._bounding(measure)
        most = books[HELD].most_added(held)  # the same for every book of a model
        if buys is not held or sells is not held:
            most = max(most, *(books[n].most_added(moves[n]) for n in (BUYS, SELLS)))
        return most

    def drift(self, measure: Measure, key: str, row: Row) -> float:
        """A bound on the figure's rise if the key's exposures are these; infinite without one."""
        index = self.index.get(key)
        known = self.rows[index] if index is not None else self._lost_rows.get(key, row)
        if row == known:
            return 0.0
        if index is None:
            return inf
        books = self._bounding(measure)
        return max(books[n].most_added(((index, row[n] - known[n]),)) for n in (HELD, BUYS, SELLS))

    def _bounding(self, measure: Measure) -> Sequence[Bounding]:
        """The three books that the measure is taken of."""
        if measure != "max_stress_loss":
            return self._books
        return [self.stressed(number) for number in (HELD, BUYS, SELLS)]

    def after(self, measure: Measure, moves: Sequence[Moves]) -> float:
        """The same with these moves in each of them, without computing a book anew. Raises Unavailable.

        A book that cannot become the worst with these moves is not looked at.
        """
        _, first, befores = self._before(measure)
        worst = self._with(measure, first, moves)
        for number in self._distinct:
            if number == first:
                continue
            most = inf
            if measure != "max_stress_loss":
                most = (befores[number] or 0.0) + self._books[number].most_added(moves[number])
            if most > worst:
                worst = max(worst, self._with(measure, number, moves))
        return worst

    def _with(self, measure: Measure, number: int, moves: Sequence[Moves]) -> float:
        """One book's measure with its moves, and the worth of keys lost whole."""
        lost = self._lost[number]
        if not self.keys:
            return lost
        if measure == "max_var":
            return lost + self._books[number].var_with(moves[number])
        if measure == "max_expected_shortfall":
            return lost + self._books[number].tail_with(moves[number]).es
        return lost + self.stressed(number).loss_with(moves[number])

    def _before(self, measure: Measure) -> Worst:
        """The worst figure, whose it is, and each distinct book's."""
        worst = self._worst.get(measure)
        if worst is None:
            self._need(measure)
            known = self._known.setdefault(measure, [None] * len(BOOKS))
            found: list[tuple[float, int]] = []
            for number in self._distinct:
                value = known[number]
                if value is None:
                    value = known[number] = self._with(measure, number, NO_MOVES)
                found.append((value, -number))
            value, place = max(found)
            worst = self._worst[measure] = (value, -place, known)
        return worst

    def _need(self, measure: Measure) -> None:
        """Raises Unavailable where the measure cannot be told."""
        if not self.keys:
            return
        is_stress = measure == "max_stress_loss"
        if self.why is not None and (not is_stress or self.stress_needs_returns):
            raise Unavailable(self.why)
        if is_stress and not self.stress.names:
            raise Unavailable(
                "there is no stress scenario; set [var] crash_days, worst_periods or a [var.stress] table"
            )

    # --- For reports ------------------------------------------------------------------------------

    def book(self, name: BookName) -> RiskBook:
        """One of the three. Raises Unavailable."""
        if self.model is None:
            raise Unavailable(self.why or "nothing that is held has a history")
        return self._books[BOOKS.index(name)]

    def lost_in(self, name: BookName) -> dict[str, float]:
        """The worth of keys without a history, by key, in one of the three books."""
        return {key: row[BOOKS.index(name)] for key, row in self._lost_rows.items()}

    def stressed(self, number: int) -> StressBook:
        """One of the three, by its number, under the stress scenarios."""
        if not self._stressed:
            exposures = np.array(self.rows, dtype=float).reshape(len(self.keys), len(BOOKS)).T
            self._stressed = [self.stress.book(own) for own in exposures]
        return self._stressed[number]
