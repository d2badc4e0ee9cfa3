"""ExitCosts: what it costs to sell all that could be held, against the mids of the books as they stand. No I/O.

Theory of operation. Of each key the worst case counts, as for every limit on positions: the position with all open and
reserved orders of one side filled, the dearer side. It is sold in the book that a flattening would use first, by a walk
down its levels. The sum over keys follows the lines and books that have changed since it was asked for last; a key
whose cost is not known makes the sum unknown, and is named.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.books import Books
from sidecar.core.account.depths import Depths
from sidecar.core.account.exposure import Exposure
from sidecar.core.account.ladder import UNKNOWN, Ladder, ladders_of
from sidecar.core.account.sale_routes import Routes, is_dust
from sidecar.core.vocabulary.events import Depth
from sidecar.core.vocabulary.money import COST_QUANTUM, ONE, ZERO, readable
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY, SELL
from sidecar.core.vocabulary.products import Product

NO_ROUTE: Final = "no product sells it for cash"


class Exit(Struct, frozen=True):
    """The way out of one key: the book that it is sold in (`product`), both sides of it, by the side of the order that
    closes, and the worth of its quote currency, USD. `why_not`: why its cost cannot be told; then there are no sides.
    `is_awaited`: its depth is to come.
    """

    product: Product | None
    ladders: Mapping[Side, Ladder]
    rate: Decimal = ONE
    why_not: str = ""
    is_awaited: bool = False

    def cost(self, side: Side, quantity: Decimal) -> Decimal:
        """The cost of closing so many base units by orders on this side, USD; infinite where it is not known."""
        if quantity <= ZERO:
            return ZERO
        ladder = self.ladders.get(side)
        if ladder is None or self.product is None:
            return UNKNOWN
        unit = self.product.contract_size
        return ladder.cost(quantity / unit) * unit * self.rate

    def quantity_of_cost(self, side: Side, usd: Decimal) -> Decimal:
        """The most base units that cost no more than so many USD to close; never rounded up."""
        ladder = self.ladders.get(side)
        if ladder is None or self.product is None:
            return ZERO
        unit = self.product.contract_size
        return ladder.size_of_cost(usd, unit * self.rate) * unit

    def known(self, side: Side) -> Decimal:
        """The base units that the book is known to take."""
        ladder = self.ladders.get(side)
        return (
            ZERO
            if ladder is None or self.product is None
            else ladder.known * self.product.contract_size
        )


class ExitCosts:
    """The cost of each key's exit and their sum, as the books stand."""

    def __init__(self, books: Books, depths: Depths) -> None:
        self._books, self._depths = books, depths
        self._routes = Routes({}, frozenset())
        self._costs: dict[str, Decimal] = {}  # of lines, USD, never rounded down; those known alone
        self._unknown: set[str] = set()
        self._keys_of: dict[str, set[str]] = {}  # the keys that are sold in a book
        self._total = ZERO
        self._serial = self._version = -1

    def without(self, key: str, other: str = "") -> Decimal:
        """The cost of all exits but those of these keys, USD; infinite where one is not known."""
        self._follow()
        if self._unknown - {key, other}:
            return UNKNOWN
        return self._total - sum((self._costs.get(one, ZERO) for one in {key, other}), ZERO)

    def unknown(self) -> list[str]:
        """The keys whose cost is not known, sorted."""
        self._follow()
        return sorted(self._unknown)

    def way_out(self, key: str) -> Exit:
        """Where this key is sold, and what that costs."""
        product, why_not = self.sold_in(key)
        if product is None or why_not:
            return Exit(product, {}, why_not=why_not)
        rate = self._books.marks.usd(product.quote)
        if rate is None:
            return Exit(product, {}, why_not=f"no good quote values {product.quote} in USD")
        if not self._depths.is_believed(product.book):
            why_not = f"no depth of {product.book} is known that is young enough"
            return Exit(product, {}, why_not=why_not, is_awaited=True)
        ladders = self._depths.ladders(product.book)
        why_not = "" if ladders else f"the book of {product.book} has no two sides"
        return Exit(product, ladders, rate, why_not)

    def sold_in(self, key: str) -> tuple[Product | None, str]:
        """The product that a flattening would sell this key through first, and why its cost cannot be told by that."""
        self._choose_routes()
        product = self._routes.through(key)
        if product is None:
            return None, NO_ROUTE
        if not product.is_future and product.quote not in self._books.cash:
            return product, f"it is sold for {product.quote}, which is sold in turn"
        return product, ""

    def why_unknown(self, key: str) -> str:
        """Why the cost of this key's exit, as it stands, is not known."""
        line, way = self._books.account.lines.get(key), self.way_out(key)
        side: Side = SELL
        if line is not None and way.cost(SELL, line.long) != UNKNOWN:
            side = BUY
        quantity = ZERO if line is None else line.long if side == SELL else -line.short
        return self.short_of(key, side, quantity)

    def short_of(self, key: str, side: Side, quantity: Decimal) -> str:
        """Why it is not known what closing so much of a key costs, and the fix."""
        way = self.way_out(key)
        if way.is_awaited:
            return way.why_not + self._depths.what_next
        if way.why_not or way.product is None:
            return f'{way.why_not}; sell it, or leave it out with positions.keep.{key} = "all"'
        known, name = readable(way.known(side)), way.product.book
        return f"the book of {name} is known to take {known} of {readable(quantity)}; ask for less"

    def _follow(self) -> None:
        """Bring the costs up to date."""
        account, depths = self._books.account, self._depths
        self._choose_routes()
        if self._serial < 0:
            keys = set(account.lines)
        else:
            keys = (
                set(account.changed_since(self._serial))
                if account.serial != self._serial
                else set()
            )
            if depths.version != self._version:
                changes = depths.changes.items()
                moved = (book for book, at in changes if at > self._version)
                keys.update(*(self._keys_of.get(book, ()) for book in moved))
        self._serial, self._version = account.serial, depths.version
        for key in keys:
            self._restate(key)

    def _choose_routes(self) -> None:
        """Choose the products anew where the listing or the worth of a USDC is another: then no cost holds."""
        books = self._books
        avoids = books.marks.usdc_rate != ONE
        if (self._routes.listed, self._routes.avoids_usdc) == (books.listings, avoids):
            return
        kept = frozenset(name for name, keep in books.wallets.keep.items() if keep is None)
        self._routes = Routes(
            books.products, books.cash, kept=kept, avoids_usdc=avoids, listed=books.listings
        )
        self._costs.clear()
        self._unknown.clear()
        self._keys_of.clear()
        self._total, self._serial = ZERO, -1

    def _restate(self, key: str) -> None:
        self._total -= self._costs.pop(key, ZERO)
        self._unknown.discard(key)
        line = self._books.account.lines.get(key)
        if line is None:
            return
        way = self.way_out(key)
        if way.product is not None:
            self._keys_of.setdefault(way.product.book, set()).add(key)
        cost = self.cost_of(line, way)
        if cost == UNKNOWN:
            self._unknown.add(key)
            return
        cost = cost.quantize(COST_QUANTUM, ROUND_CEILING) if cost else ZERO
        self._costs[key] = cost
        self._total += cost

    def is_worth_selling(self, line: Exposure, product: Product) -> bool:
        """Whether more than dust of it could be held."""
        return any(self._worth_selling(line, product))

    def cost_of(self, line: Exposure, way: Exit) -> Decimal:
        """The cost of a key's exit at worst, USD; so little that Coinbase sells no less costs nothing."""
        long, short = self._worth_selling(line, way.product)
        return max(way.cost(SELL, long), way.cost(BUY, short))

    def _worth_selling(self, line: Exposure, product: Product | None) -> tuple[Decimal, Decimal]:
        """What never had a price counts for nothing, here as in equity; nor does dust."""
        if line.mark is None:
            return ZERO, ZERO
        long, short = max(ZERO, line.long), max(ZERO, -line.short)
        if product is None:
            return long, short
        mid = self._books.marks.mids.get(product.book)
        price = None if mid is None else mid.value
        if is_dust(product, long, price):
            long = ZERO
        return long, ZERO if is_dust(product, short, price) else short


def thinned(way: Exit, depth: Depth, factor: Decimal) -> Exit:
    """The same way out with so much of every level's size."""
    return Exit(way.product, ladders_of(depth, factor), way.rate)
