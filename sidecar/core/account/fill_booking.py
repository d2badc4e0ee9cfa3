"""FillBooking: the fills of an order enter the books, and the wallets that they move are noted. No I/O.

A fill moves a position, the wallets of both its currencies, and fees; a future's moves the futures wallet. Each
movement is noted with the readings of its wallet, which may lack it for a while.
"""

from datetime import datetime
from decimal import Decimal

from sidecar.core.account.books import Books
from sidecar.core.account.cash_pot import SPOT_CASH
from sidecar.core.account.exposure import Portfolio
from sidecar.core.account.reconciliation import DEFAULT_LAG, Reconciliation
from sidecar.core.account.wallets import Wallet
from sidecar.core.account.working import Tally, WorkingOrder
from sidecar.core.vocabulary.money import DRIFT, ONE, ZERO
from sidecar.core.vocabulary.orders import BUY, OWN_PREFIX
from sidecar.core.vocabulary.products import Product


class FillBooking:
    """Books fills. `contracts`: the outcome of the readings of each contract."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.contracts: dict[str, Reconciliation] = {}
        self.lag = DEFAULT_LAG  # how long a reading of a balance may lack a fill

    def let_in(self, order: WorkingOrder, product: Product, owed: Tally, at: datetime) -> None:
        """Count the fills that are owed, and note each wallet's movement."""
        wallets, futures = self.books.wallets, self.books.futures_cash
        if not self.books.is_open:  # fills are in the opening balances already
            known = (wallets.by_currency.get(one) for one in (product.base, product.quote))
            for agreement in [wallet.agreement for wallet in known if wallet is not None]:
                agreement.active_at = at
            if product.is_future:
                self._agreement(product.key).active_at = at
            return
        touched = () if product.is_future else {product.base, product.quote, *owed.fees}
        moving = [(name, one := wallets.get(name), one.total) for name in sorted(touched)]
        paid_before = futures.total
        self._count(order, product, owed)
        for currency, wallet, total in moving:
            due = owed.moves(currency, order.side, product)
            assert abs(wallet.total - total - due) <= DRIFT or self.books.is_future(currency), (
                f"a fill moved another sum of {currency}"
            )
            counts = currency not in self.books.cash and wallet.keep is not None
            self.note_move(currency, wallet.agreement, wallet.total - total, at, counts=counts)
        if product.is_future:
            moved = owed.quantity * (ONE if order.side == BUY else -ONE) * product.contract_size
            self.note_move(product.key, self._agreement(product.key), moved, at)
            usd = wallets.by_currency.get(SPOT_CASH)
            if usd is not None:
                self._note_paid(usd, futures.total - paid_before, at)
        if owed.quantity:
            self.books.fill_price(product, owed.quantity, owed.value, order.traded_at or at)

    def _count(self, order: WorkingOrder, product: Product, owed: Tally) -> None:
        """Let the uncounted fills of an order into the books."""
        books, strategy = self.books, None
        if order.strategy_id is not None:
            strategy = books.strategy_books.of(order.strategy_id)
        sign = ONE if order.side == BUY else -ONE
        quantity = sign * owed.quantity * product.contract_size
        paid = sign * owed.value * product.contract_size  # quote currency
        value = books.usd_value(product, quantity, paid)
        if quantity:
            books.trade(product.key, quantity, value, strategy)
            if (
                quantity < ZERO
                and not product.is_future
                and order.client_order_id.startswith(OWN_PREFIX)
            ):
                books.bound_strategies(product.key, None if value is None else value / quantity)
        elif value:
            filled = order.counted.quantity * product.contract_size
            books.correct(product.key, filled, value, order.side, strategy)
        if paid and not product.is_future:
            books.pay(product.quote, paid, value, strategy)
        for currency, fee in owed.fees.items():
            if fee:
                self._pay_fee(product, currency, fee, strategy)

    def _pay_fee(
        self, product: Product, currency: str, fee: Decimal, strategy: Portfolio | None
    ) -> None:
        """A fee in the currency it was charged in; a future's comes out of the futures wallet."""
        books = self.books
        mark = books.marks.usd(currency)
        value = None if mark is None else fee * mark
        for book in [books.account] if strategy is None else [books.account, strategy]:
            books.charge(book, product.key, value or ZERO)
        if product.is_future:
            books.futures_cash.total -= value or ZERO
        else:
            traded = currency in (product.base, product.quote)
            books.pay(currency, fee, value, strategy if traded else None)

    def note_move(
        self,
        name: str,
        agreement: Reconciliation,
        moved: Decimal,
        at: datetime,
        *,
        counts: bool = True,
    ) -> None:
        """So much of a wallet or contract has moved: a reading may lack that for a while."""
        agreement.active_at = at
        if moved:
            agreement.book(at, moved, self.lag)
            if name in self.books.wallets.in_doubt:
                self.books.note_doubt(name, agreement, counts=counts)

    def _note_paid(self, usd: Wallet, paid: Decimal, at: datetime) -> None:
        """The futures wallet was paid so much: a reading of the pot may know of it first, or later."""
        usd.agreement.active_at = at
        if paid:
            usd.agreement.book(at, paid, self.lag, swept=True)
            self.books.note_doubt(SPOT_CASH, usd.agreement, counts=False)

    def _agreement(self, contract: str) -> Reconciliation:
        return self.contracts.setdefault(contract, Reconciliation())
