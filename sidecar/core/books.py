"""Books: prices, positions and wallets, and how value moves between them. No I/O.

The parts that must move together: a fill changes a position, a wallet and the cash that paid for
it; a price changes the worth of all of them; a transfer moves quantity at the mark without being
PnL. Nothing here knows of orders.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core import events as ev
from sidecar.core.errors import Misuse, UnknownProduct
from sidecar.core.exposure import Book, Line
from sidecar.core.marks import Marks
from sidecar.core.money import ZERO, share
from sidecar.core.order_body import Side
from sidecar.core.products import Product
from sidecar.core.wallets import Wallets
from sidecar.core.working import Leg

# Each has books of its own; a bot that invents names must not swell the process.
STRATEGIES_MAX: Final = 1_000


class Books:
    """The account's and every strategy's positions, the wallets, and the marks that value them."""

    def __init__(
        self, keep: dict[str, Decimal | None], cash: Iterable[str], max_spread: Decimal
    ) -> None:
        self.is_open = False  # until then, facts are the state found, not changes
        self.opening_at: datetime | None = None  # when the balances were read that they opened with
        self.cash: frozenset[str] = frozenset(cash)
        self.products: dict[str, Product] = {}
        self.listings = 0  # grows with every listing
        self.marks = Marks(max_spread)
        self.account = Book()
        self.strategies: dict[str, Book] = {}
        self.wallets = Wallets(keep)
        self.transfers = ZERO  # net value that came in from outside, USD
        self.doubts: dict[str, str] = {}  # open questions about the account, by what they are about
        self.remarked: set[str] = set()  # keys with new marks, until somebody has looked at them
        self.quotes_valuing_account = 0  # distinct good quotes that re-valued something held

    def product(self, product_id: str) -> Product:
        """The listed product. Raises UnknownProduct."""
        product = self.products.get(product_id)
        if product is None:
            raise UnknownProduct(product_id)
        return product

    def strategy(self, strategy_id: str) -> Book:
        """The strategy's own books, begun if there are none. Raises Misuse past `STRATEGIES_MAX`
        names.
        """
        book = self.strategies.get(strategy_id)
        if book is None:
            if len(self.strategies) >= STRATEGIES_MAX:
                raise Misuse(
                    f"more than {STRATEGIES_MAX} strategy names; use few and lasting names"
                )
            book = self.strategies[strategy_id] = Book()
        return book

    def line(self, book: Book, key: str) -> Line:
        """The key's line in `book`, begun at the present mark."""
        line = book.lines.get(key)
        if line is None:
            line = book.begin(key, is_future=self.is_future(key), mark=self.marks.usd(key))
        return line

    def work(
        self, legs: tuple[Leg, ...], strategy_id: str | None, sign: int, *, orders: int = 1
    ) -> None:
        """Add (1) or take away (−1) what an order may do, to the account and to its strategy."""
        books = (
            (self.account,) if strategy_id is None else (self.account, self.strategy(strategy_id))
        )
        for book in books:
            count = sign * orders  # it is one order, whatever its legs
            for leg in legs:
                book.work(self.line(book, leg.key), leg.side, sign * leg.quantity, count)
                count = 0

    # --- Prices ------------------------------------------------------------

    def quote(self, quote: ev.Quote, now: datetime) -> None:
        """A new best bid and ask, by any product of the book: re-value what it marks."""
        product = self.products.get(quote.product_id)
        if product is not None and product.alias:
            quote = replace(quote, product_id=product.book)
        good = self.marks.good_quotes
        keys = self.marks.quote(quote, now)
        for key in keys:
            self._remark(key)
        if self.marks.good_quotes != good and any(map(self._is_held, keys)):
            self.quotes_valuing_account += 1

    def _remark(self, key: str) -> None:
        mark = self.marks.usd(key)
        if mark is None:
            return
        self.remarked.add(key)
        self.account.mark(key, mark)
        for book in self.strategies.values():
            book.mark(key, mark)
        wallet = self.wallets.by_currency.get(key)
        if wallet is not None:
            self.wallets.revalue(wallet, mark)
            if wallet.unpriced:
                self.transfers += wallet.unpriced * mark
                wallet.unpriced = ZERO

    def list_products(self, products: Iterable[Product]) -> None:
        """Products as Coinbase lists them now."""
        self.listings += 1
        self.products.update((product.product_id, product) for product in products)
        self.marks.list_products(self.products.values())
        for key in self.marks.by_key:
            self._remark(key)

    def _is_held(self, key: str) -> bool:
        line = self.account.lines.get(key)
        return line is not None and bool(line.position.quantity)

    def is_future(self, key: str) -> bool:
        """Whether the key is a futures contract."""
        product = self.products.get(key)
        return product is not None and product.is_future

    # --- Value that moves ------------------------------------------------------------

    def trade(
        self, key: str, quantity: Decimal, value: Decimal | None, strategy: Book | None
    ) -> None:
        """Signed units for signed USD, to the account and to the strategy that ordered it.

        The account's spot position is the wallet less `keep`: what only fills up `keep`, or is
        taken from it, is not counted.
        """
        if strategy is not None:
            strategy.settle(self.line(strategy, key), quantity, value)
        if self.is_future(key):
            self.account.settle(self.line(self.account, key), quantity, value)
            return
        wallet = self.wallets.get(key)
        before = wallet.position
        self.wallets.move(wallet, quantity, self.marks.usd(key))
        if moved := wallet.position - before:
            worth = None if value is None else share(value, moved, quantity)
            self.account.settle(self.line(self.account, key), moved, worth)

    def pay(
        self, currency: str, paid: Decimal, value: Decimal | None, strategy: Book | None
    ) -> None:
        """Cash leaves its wallet; a coin is sold for what it is worth (ETH-BTC is two legs)."""
        if currency in self.cash:
            self.wallets.move(self.wallets.get(currency), -paid, self.marks.usd(currency))
        else:
            self.trade(currency, -paid, None if value is None else -value, strategy)

    def charge(self, book: Book, key: str, fee: Decimal, funding: Decimal = ZERO) -> None:
        """A fee paid or funding received for trading `key`, USD."""
        line = self.line(book, key)
        book.charge(line, ZERO, fee, funding)
        book.restate(line)

    def correct(
        self, key: str, filled: Decimal, value: Decimal, side: Side, strategy: Book | None
    ) -> None:
        """A late exact figure moves the value of `filled` units booked (signed USD), their number
        unchanged.
        """
        wallet = self.wallets.by_currency.get(key)
        if wallet is None or wallet.keep is not None:  # what is kept whole was never counted
            self.account.correct(self.line(self.account, key), filled, value, side)
        if strategy is not None:
            strategy.correct(self.line(strategy, key), filled, value, side)

    def usd_value(self, product: Product, quantity: Decimal, paid: Decimal) -> Decimal | None:
        """USD at the marks of now: through the quote currency, else through the base; None without
        either.
        """
        rate = self.marks.usd(product.quote)
        if rate is not None:
            return paid * rate
        mark = self.marks.usd(product.key)
        return None if mark is None else quantity * mark

    def match_wallet(self, currency: str, entry: Decimal | None = None) -> None:
        """Let the position be what the wallet holds beyond `keep`; cash is no position. What moves
        is a transfer.
        """
        wanted = ZERO if currency in self.cash else self.wallets.get(currency).position
        line = self.account.lines.get(currency)
        moved = wanted - (ZERO if line is None else line.position.quantity)
        if moved:
            self.transfer(self.line(self.account, currency), moved, self.marks.usd(currency), entry)

    def transfer(
        self, line: Line, quantity: Decimal, mark: Decimal | None, entry: Decimal | None
    ) -> None:
        """Quantity that came or went outside trading: at the mark, or unpriced until there is
        one.
        """
        self.account.settle(line, quantity, None if mark is None else quantity * mark)
        if entry is not None and line.position.quantity == quantity:
            line.position.entry_cost = quantity * entry
            self.account.restate(line)
