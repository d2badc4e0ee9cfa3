"""RiskView: the account's three books under one fitted model, and what an order would add. No I/O."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from sidecar.core.portfolio_risk import Measure
from sidecar.core.value_at_risk.model import (
    Moves,
    RiskBook,
    RiskModel,
    Unavailable,
)
from sidecar.core.value_at_risk.stress import StressBook, StressModel

BookName = Literal["held", "buys", "sells"]
BOOKS: Final[tuple[BookName, ...]] = ("held", "buys", "sells")
HELD, BUYS, SELLS = 0, 1, 2
Row = tuple[float, float, float]  # a key's exposure in each of them, USD


class RiskView:
    """Three books of the same keys. `serial` is that of the account's last change that is in them,
    `is_old` says that they are to be summed anew.

    `why` tells what kept the model from being fitted; then only a stress loss that needs no returns
    can be told.
    """

    def __init__(
        self,
        keys: Sequence[str],
        model: RiskModel | None,
        stress: StressModel,
        why: str | None,
        *,
        stress_needs_returns: bool,
    ) -> None:
        self.keys = tuple(keys)
        self.index = {key: number for number, key in enumerate(keys)}
        self.model, self.stress, self.why = model, stress, why
        self.stress_needs_returns = stress_needs_returns
        self.serial, self.is_old = 0, True
        self.rows: list[Row] = []
        self._books: list[RiskBook] = []
        self._stressed: list[StressBook] = []
        self._apart = [0, 0, 0]  # keys whose exposure in the book is not that of what is held
        self._distinct: tuple[int, ...] = (HELD,)  # books that are not the one held once more
        self._known: dict[Measure, list[float | None]] = {}  # of each book as it is now

    def rebuild(self, rows: Sequence[Row]) -> None:
        """Sum everything anew; `rows` in the order of the keys."""
        exposures = np.array(rows, dtype=float).reshape(len(self.keys), len(BOOKS)).T
        self.rows = list(rows)
        self._books = [] if self.model is None else [self.model.book(own) for own in exposures]
        self._stressed = [self.stress.book(own) for own in exposures]
        self._apart = [sum(row[n] != row[HELD] for row in rows) for n in range(len(BOOKS))]
        self._known.clear()
        self._tell_apart()

    def put(self, key: str, row: Row) -> None:
        """One key's exposures are these now."""
        index = self.index[key]
        known = self.rows[index]
        self.rows[index] = row
        for number, usd in enumerate(row):
            if moved := usd - known[number]:
                if self._books:
                    self._books[number].move(index, moved)
                self._stressed[number].move(index, moved)
                for figures in self._known.values():
                    figures[number] = None
            self._apart[number] += (usd != row[HELD]) - (known[number] != known[HELD])
        self._tell_apart()

    def _tell_apart(self) -> None:
        self._distinct = (HELD, *(number for number in (BUYS, SELLS) if self._apart[number]))

    # --- Figures ----------------------------------------------------------------------------------

    def before(self, measure: Measure) -> float:
        """The measure of the worst of the three books as they are. Raises Unavailable."""
        return max(self._befores(measure))

    def after(self, measure: Measure, moves: Sequence[Moves]) -> float:
        """The same with these moves in each of them, without computing a book anew. Raises Unavailable.

        A book that cannot become the worst, whatever the moves, is not looked at.
        """
        befores = self._befores(measure)
        if measure == "max_stress_loss":
            return max(self._stressed[n].loss_with(moves[n]) for n in self._distinct)
        first = befores.index(max(befores))
        worst = self._after(measure, self._distinct[first], moves)
        for place, number in enumerate(self._distinct):
            if place == first:
                continue
            if befores[place] + self._books[number].most_added(moves[number]) > worst:
                worst = max(worst, self._after(measure, number, moves))
        return worst

    def _after(self, measure: Measure, number: int, moves: Sequence[Moves]) -> float:
        book, own = self._books[number], moves[number]
        return book.var_with(own) if measure == "max_var" else book.tail_with(own).es

    def _befores(self, measure: Measure) -> list[float]:
        """The measure of each distinct book."""
        known = self._known.get(measure)
        if known is None:
            if self.model is None and (measure != "max_stress_loss" or self.stress_needs_returns):
                raise Unavailable(self.why or "there is no model")
            known = self._known[measure] = [None] * len(BOOKS)
        found = list[float]()
        for number in self._distinct:
            value = known[number]
            if value is None:
                value = known[number] = self._measure(measure, number)
            found.append(value)
        return found

    def _measure(self, measure: Measure, number: int) -> float:
        if measure == "max_stress_loss":
            return self._stressed[number].loss()
        tail = self._books[number].tail()
        return tail.var if measure == "max_var" else tail.es

    # --- For reports ------------------------------------------------------------------------------

    def book(self, name: BookName) -> RiskBook:
        """One of the three. Raises Unavailable."""
        if self.model is None:
            raise Unavailable(self.why or "there is no model")
        return self._books[BOOKS.index(name)]

    def stressed(self, name: BookName) -> StressBook:
        """The same under the stress scenarios."""
        return self._stressed[BOOKS.index(name)]
