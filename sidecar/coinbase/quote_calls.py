"""Quote calls: in which calls the prices of books are asked for. No I/O."""

from collections.abc import Iterable, Mapping
from typing import Final

from sidecar.core.vocabulary.products import Product

BOOKS_A_CALL: Final = 100


def quote_calls(books: Iterable[str], products: Mapping[str, Product]) -> list[tuple[str, ...]]:
    """In which calls these books' quotes are asked for: each future alone, since a call that names spot books
    too is answered for these only.
    """
    futures = [book for book in books if book in products and products[book].is_future]
    others = [book for book in books if book not in futures]
    calls = [
        tuple(others[first : first + BOOKS_A_CALL]) for first in range(0, len(others), BOOKS_A_CALL)
    ]
    return calls + [(book,) for book in futures]
