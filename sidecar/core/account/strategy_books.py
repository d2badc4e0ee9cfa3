"""StrategyBooks: a portfolio for each strategy, and for which of them a price is. No I/O."""

from decimal import Decimal
from typing import Final

from sidecar.core.account.exposure import Portfolio
from sidecar.core.vocabulary.errors import Misuse

# Each has books of its own; a bot that invents names must not swell the process.
STRATEGIES_MAX: Final = 1_000


class StrategyBooks:
    """The strategies' portfolios, by name. `lined`: those that have a line of a key, or had one: a price of the key
    is for them alone.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Portfolio] = {}
        self.lined: dict[str, dict[int, Portfolio]] = {}

    def of(self, strategy_id: str) -> Portfolio:
        """The strategy's own books, begun if there are none. Raises Misuse past `STRATEGIES_MAX`
        names.
        """
        book = self.by_name.get(strategy_id)
        if book is None:
            if len(self.by_name) >= STRATEGIES_MAX:
                raise Misuse(
                    f"more than {STRATEGIES_MAX} strategy names; use few and lasting names"
                )
            book = self.by_name[strategy_id] = Portfolio()
        return book

    def forget(self, strategy_id: str) -> None:
        """No price is for its books any more."""
        book = self.by_name.pop(strategy_id)
        for books in self.lined.values():
            books.pop(id(book), None)

    def note_line(self, key: str, book: Portfolio) -> None:
        """A line of the key has begun in one of them."""
        self.lined.setdefault(key, {})[id(book)] = book

    def mark(self, key: str, mark: Decimal, price: Decimal | None) -> None:
        """A key in `lined` has another mark. `price`: that of units which wait for one; None: they wait on."""
        books = self.lined[key]
        for number, book in list(books.items()):
            if key in book.lines:
                book.mark(key, mark, price)
            else:
                del books[number]
