"""Marks: what one unit of each asset or contract is worth in USD, from quotes. No I/O.

Theory of operation. Every book has a last good mid: the middle of best bid and ask while the spread
is within the cap. Every currency has one route to dollars, chosen from the list of products alone,
so that it never depends on which quotes happened to arrive first: direct (ETH-USD), through USDC,
inverted (USDC-EUR gives the euro), or over the fewest further books. A quote re-values exactly what
its book is a leg of.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.errors import Untrusted
from sidecar.core.events import Quote
from sidecar.core.money import COST_QUANTUM, ONE, TWO, ZERO, is_bounded, is_sane
from sidecar.core.products import DOLLARS, Product

LEGS_MAX: Final = 3  # longer routes pile up spreads without being needed on Coinbase


class Mark(Struct, frozen=True):
    """A price and when it was last known to hold. For a route: the oldest of its legs."""

    value: Decimal
    at: datetime | None  # None: holds always (a dollar is a dollar)


class Step(Struct, frozen=True):
    """One step of a route: through this book's mid, or through its inverse."""

    book: str
    inverse: bool


DOLLAR: Final = Mark(ONE, None)


class Marks:
    """Quotes in, dollar marks out. Keys are currencies, and contract ids for futures."""

    def __init__(self, max_spread: Decimal) -> None:
        self.max_spread = max_spread
        self.quotes: dict[str, Quote] = {}  # the last good one of each book
        self.mids: dict[str, Mark] = {}
        self.by_key: dict[str, Mark] = dict.fromkeys(DOLLARS, DOLLAR)
        self.routes: dict[str, tuple[Step, ...]] = {}
        self._marked_by: dict[str, tuple[str, ...]] = {}
        self.good_quotes = 0

    def list_products(self, products: Iterable[Product]) -> None:
        """Choose every key's route anew from all products listed."""
        listed = sorted(products, key=lambda product: product.product_id)
        self.routes = _routes(listed)
        marked_by: dict[str, list[str]] = {}
        for key, legs in self.routes.items():
            for leg in legs:
                marked_by.setdefault(leg.book, []).append(key)
        self._marked_by = {book: tuple(keys) for book, keys in marked_by.items()}
        for key in self.routes:
            self._remark(key)

    @staticmethod
    def check(quote: Quote) -> None:
        """Raise Untrusted for numbers that no book can have."""
        if not (is_sane(quote.bid) and is_sane(quote.ask)):
            raise Untrusted(
                f"quote of {quote.product_id}: bid {quote.bid} and ask {quote.ask} cannot be; "
                "it was left out"
            )

    def quote(self, quote: Quote, now: datetime) -> tuple[str, ...]:
        """Take a quote and return the keys it may have re-marked.

        Only good quotes are kept: an empty or crossed book, or a spread beyond the cap, leaves the
        last good one standing and growing stale. A quote older than the one held came late and is
        left out, unless the one held lies in the future: the clock was set back.
        """
        bid, ask, book = quote.bid, quote.ask, quote.product_id
        known = self.quotes.get(book)
        if known is not None and quote.at < known.at <= now:
            return ()
        if not ZERO < bid <= ask:
            return ()
        mid = (bid + ask) / TWO
        if ask - bid > self.max_spread * mid:
            return ()
        if known is None or known.at != quote.at:
            self.good_quotes += 1
        self.quotes[book] = quote
        self.mids[book] = Mark(mid, quote.at)
        keys = self._marked_by.get(book, ())
        for key in keys:
            self._remark(key)
        return keys

    def restore(self, quotes: Iterable[Quote]) -> None:
        """Take up the good quotes known before a restart."""
        for quote in quotes:
            self.quotes[quote.product_id] = quote
            self.mids[quote.product_id] = Mark((quote.bid + quote.ask) / TWO, quote.at)
        for key in self.routes:
            self._remark(key)

    def usd(self, key: str) -> Decimal | None:
        """Dollars per unit, or None where no quote leads to dollars."""
        mark = self.by_key.get(key)
        return None if mark is None else mark.value

    def _remark(self, key: str) -> None:
        legs = self.routes[key]
        if len(legs) == 1 and not legs[0].inverse:  # the common case by far: ASSET-USD
            if (mid := self.mids.get(legs[0].book)) is not None:
                self.by_key[key] = mid
            return
        value, oldest = ONE, None
        for leg in legs:
            mid = self.mids.get(leg.book)
            if mid is None:
                return
            value = value / mid.value if leg.inverse else value * mid.value
            oldest = (
                mid.at if oldest is None or (mid.at is not None and mid.at < oldest) else oldest
            )
        if is_bounded(value):  # else no price of anything: a book on the way shows nonsense
            self.by_key[key] = Mark(value.quantize(COST_QUANTUM, ROUND_HALF_EVEN), oldest)


def _routes(listed: list[Product]) -> dict[str, tuple[Step, ...]]:
    """Breadth first from the dollar outwards: the fewest legs win, then USD before USDC, then the
    alphabet.
    """
    steps: dict[str, list[tuple[str, Step]]] = {}
    for product in listed:
        if not product.is_future:
            steps.setdefault(product.quote, []).append(
                (product.base, Step(product.book, inverse=False))
            )
            steps.setdefault(product.base, []).append(
                (product.quote, Step(product.book, inverse=True))
            )
    routes: dict[str, tuple[Step, ...]] = dict.fromkeys(sorted(DOLLARS), ())
    frontier = list(routes)
    for _ in range(LEGS_MAX):
        reached: list[str] = []
        for currency in frontier:
            for other, leg in steps.get(currency, ()):
                if other not in routes:
                    routes[other] = (leg, *routes[currency])
                    reached.append(other)
        frontier = reached
    for product in listed:
        if product.is_future and (quoted := routes.get(product.quote)) is not None:
            routes[product.product_id] = (Step(product.book, inverse=False), *quoted)
    return {key: legs for key, legs in routes.items() if legs}
