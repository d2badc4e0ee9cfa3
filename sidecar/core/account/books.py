"""Books: prices, positions and wallets, and how value moves between them. No I/O.

The parts that must move together: a fill changes a position, a wallet and the cash that paid for
it; a price changes the worth of all of them; a transfer moves quantity at the mark without being
PnL. This module does not know orders.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.account.bot_orders import BotOrders
from sidecar.core.account.exposure import Exposure, Portfolio
from sidecar.core.account.futures_cash import FuturesCash
from sidecar.core.account.marks import Marks
from sidecar.core.account.moved import BOOKED, Moved, Point
from sidecar.core.account.price_path import PricePath
from sidecar.core.account.readings import Readings
from sidecar.core.account.reconciliation import Reconciliation
from sidecar.core.account.strategy_books import StrategyBooks
from sidecar.core.account.wallets import Wallet, Wallets
from sidecar.core.account.working import Leg
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import UnknownProduct
from sidecar.core.vocabulary.money import CENT, COST_QUANTUM, DRIFT, ROUNDED_ZERO, ZERO, share
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY
from sidecar.core.vocabulary.products import Product

CONFIRM_FOR: Final = timedelta(seconds=2)
CONFIRM_QUOTES: Final = 3
# A fill is a newer price than a quote that was last known to hold so long before it. A younger quote
# shows both sides of the same market, and a middle that a fill at the touch would shift.
FILL_IS_NEWER_BY: Final = timedelta(seconds=1)


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
        self.account = Portfolio()
        self.strategy_books = StrategyBooks()
        self.strategies: Final = self.strategy_books.by_name
        self.bot_orders = BotOrders()
        self.wallets = Wallets(keep)
        self.futures_cash = FuturesCash()
        self.readings = Readings()
        self.path = PricePath()
        self.transfers = ZERO  # net value that came in from outside, USD
        # Transfers that may have come before or after their price moved, until the windows know of them.
        self.moves: list[Moved] = []
        self.booked = 0  # the number of these transfers so far
        self.losses_unexplained: list[Decimal] = []  # transfers that may have been losses, USD
        # How long, and over how many quotes, a price stands before it is confirmed.
        self.confirm_for, self.confirm_quotes = CONFIRM_FOR, CONFIRM_QUOTES
        self.waits_for_settled = False  # a caller's word needs no confirmation
        self.units: dict[str, Decimal] = {}  # the smallest unit of each coin that is listed
        self.doubts: dict[str, str] = {}  # open questions about the account, by their subject
        self.remarked: set[str] = set()  # keys with new marks, until a guard has looked at them
        self.version = 0  # see PositionTracker.version
        self.quotes_valuing_account = 0  # distinct good quotes that re-valued a holding

    def changed(self) -> None:
        """A figure may have changed."""
        self.version += 1

    def product(self, product_id: str) -> Product:
        """The listed product. Raises UnknownProduct."""
        product = self.products.get(product_id)
        if product is None:
            raise UnknownProduct(product_id)
        return product

    def line(self, book: Portfolio, key: str) -> Exposure:
        """The key's line in `book`, begun at the present mark."""
        line = book.lines.get(key)
        if line is None:
            mark = self.marks.usd(key)
            line = book.begin(key, is_future=self.is_future(key), mark=mark)
            if book is not self.account:
                self.strategy_books.note_line(key, book)
            elif mark is not None:
                self.marks.follow(key, mark)
        return line

    def work(
        self,
        legs: tuple[Leg, ...],
        strategy_id: str | None,
        sign: int,
        *,
        orders: int = 1,
        bot: str = "",
    ) -> None:
        """Add (1) or take away (−1) an order's legs, for the account, for its strategy and for its bot."""
        self.bot_orders.work(bot, legs, strategy_id, sign * orders)
        books = (
            (self.account,)
            if strategy_id is None
            else (self.account, self.strategy_books.of(strategy_id))
        )
        for book in books:
            count = sign * orders  # it is one order, however many legs it has
            for leg in legs:
                line = self.line(book, leg.key)
                book.work(line, leg.side, sign * leg.quantity, count)
                count = 0
                if sign < 0:
                    assert book.orders >= line.orders >= 0, "more orders have ended than were open"
                    left = line.open_buy if leg.side == BUY else line.open_sell
                    assert left >= ROUNDED_ZERO, "more units were freed than orders had bound"

    def bind(self, strategy_id: str | None, money: tuple[str, Decimal], sign: int) -> None:
        """Add (1) or take away (−1) the money that an order binds, for its strategy."""
        currency, amount = money
        if strategy_id is not None and amount:
            self.strategy_books.of(strategy_id).bind(currency, sign * amount)

    # --- Prices ------------------------------------------------------------

    def quote(self, quote: ev.Quote, now: datetime) -> None:
        """A new best bid and ask, by any product of the book: re-value the keys that it marks."""
        product = self.products.get(quote.product_id)
        if product is not None and product.alias:
            quote = replace(quote, product_id=product.book)
        good = self.marks.good_quotes
        keys = self.marks.quote(quote, now)
        for key in keys:
            self._remark(key, prices=True)
        if self.marks.good_quotes != good and any(map(self._is_held, keys)):
            self.quotes_valuing_account += 1

    def _remark(self, key: str, *, prices: bool) -> None:
        """A key may have another mark. `prices`: it is a new price, so units that wait for a price take it."""
        mark = self.marks.usd(key)
        if mark is None:
            return
        self.remarked.add(key)
        if prices and key in self.account.lines:
            self._confirm(key, mark)
        price = self._first_price(key, mark) if prices else None
        self.account.mark(key, mark, price)
        if key in self.strategy_books.lined:
            self.strategy_books.mark(key, mark, price)
        wallet = self.wallets.by_currency.get(key)
        if wallet is not None:
            if wallet.unpriced and price is not None:
                self._price(key, wallet, price, mark)
            self.wallets.revalue(wallet, mark)

    def _price(self, key: str, wallet: Wallet, price: Decimal, mark: Decimal) -> None:
        """Units that came without a price have their first. They may have come when the wallet was last read
        without them.
        """
        quantity, held = wallet.unpriced, wallet.counted
        if self.is_open:
            pnl = self.account.net_pnl - quantity * (mark - price)
            now = Point(pnl, mark, self.transfers, view=BOOKED, booked=self.booked)
            booked = replace(now, pnl=now.pnl - held * (mark - price), price=price)
            self.transfers += quantity * price
            before = wallet.read_point
            others = () if before is None else (self.readings.found(before, key),)
            self.move(Moved(key, held, quantity, booked, now, others))
        self.wallets.set_unpriced(key, wallet, ZERO)

    def move(self, moved: Moved) -> None:
        """A transfer that may have come before its price moved, or after; the windows are told of it."""
        self.booked += 1
        self.moves.append(replace(moved, number=self.booked))

    def _first_price(self, key: str, mark: Decimal) -> Decimal | None:
        """USD a unit as the first price of units that wait for it: a settled mark, where quotes are a feed's."""
        if not (self.waits_for_settled and self.is_open) or key in self.cash:
            return mark
        return self.marks.settled(key)

    def _confirm(self, key: str, mark: Decimal) -> None:
        """Let the confirmed mark see a new mark of a key held or worked."""
        known, at = self.marks.confirmations.get(key), self.marks.by_key[key].at
        if known is None:
            self.marks.follow(key, mark)
        elif at is not None:
            known.see(mark, at, self.confirm_for, self.confirm_quotes)
            if self.readings.known:
                self.readings.see(key, known, at)
            if not known.bargains:
                self.marks.bargains.discard(key)
            if known.run is None:
                self.marks.unconfirmed.discard(key)
            else:
                self.marks.unconfirmed.add(key)

    def list_products(self, products: Iterable[Product]) -> None:
        """Products as Coinbase lists them now."""
        self.listings += 1
        self.products.update((product.product_id, product) for product in products)
        self.marks.list_products(self.products.values())
        for product in self.products.values():
            if not product.is_future and product.base_increment:
                known = self.units.get(product.base, product.base_increment)
                self.units[product.base] = min(known, product.base_increment)
        for key in self.marks.by_key:
            self._remark(key, prices=self.marks.is_current(key))

    def rate_usdc(self, rate: Decimal) -> None:
        """Let a USDC count so many USD: re-value it, and the keys quoted in it alone."""
        for key in self.marks.rate_usdc(rate):
            self._remark(key, prices=False)

    def _is_held(self, key: str) -> bool:
        line = self.account.lines.get(key)
        return line is not None and bool(line.position.quantity)

    def is_future(self, key: str) -> bool:
        """Whether the key is a futures contract."""
        product = self.products.get(key)
        return product is not None and product.is_future

    # --- Value that moves ------------------------------------------------------------

    def trade(
        self, key: str, quantity: Decimal, value: Decimal | None, strategy: Portfolio | None
    ) -> None:
        """Signed units for signed USD, to the account and to the strategy that ordered it.

        The account's spot position is the wallet less `keep`: units that only fill up `keep`, or
        are taken from it, are not counted.
        """
        if strategy is not None:
            line = self.line(strategy, key)
            strategy.settle(line, quantity, value)
            if key in self.cash:
                self._turn_into_cash(strategy, line, quantity, value)
        if self.is_future(key):
            line = self.line(self.account, key)
            cost = line.position.entry_cost
            self._enter(line, quantity, value)
            self.account.settle(line, quantity, value)
            if (
                value is not None
            ):  # closed contracts are paid to the futures wallet, at Coinbase's entry
                self.futures_cash.total += line.position.entry_cost - cost - value
            return
        wallet = self.wallets.get(key)
        before = wallet.position
        self.wallets.move(wallet, quantity, self.marks.usd(key))
        worth: Decimal | None = ZERO
        if moved := wallet.position - before:
            assert moved * quantity > ZERO, "a position moved against its trade"
            assert abs(moved) <= abs(quantity) + DRIFT, "a position moved by more than was traded"
            worth = None if value is None else share(value, moved, quantity)
            line = self.line(self.account, key)
            if key in self.cash:
                self.account.settle(line, moved, worth)
                self._turn_into_cash(self.account, line, moved, worth)
            else:
                self._enter(line, moved, worth)
                self.account.settle(line, moved, worth)
        if value is not None and worth is not None and value != worth and self.is_open:
            self.transfers -= (
                value - worth
            )  # units that fill up `keep` leave the account, at their cost

    def _turn_into_cash(
        self, book: Portfolio, line: Exposure, quantity: Decimal, value: Decimal | None
    ) -> None:
        """Cash that was traded is no position: it is worth its mark at once, and the difference to its price is PnL.
        Without a mark the difference is not known.
        """
        mark = self.marks.usd(line.key)
        worth = value if mark is None else quantity * mark
        book.settle(line, -quantity, None if worth is None else -worth)

    def _enter(self, line: Exposure, quantity: Decimal, value: Decimal | None) -> None:
        """A fill that opens a position is a price that was dealt at: the confirmed mark begins
        there; for units added to a position it begins there as well.
        """
        held, known = line.position.quantity, self.marks.confirmations.get(line.key)
        if value is None:
            return
        price = (value / quantity).quantize(COST_QUANTUM, ROUND_HALF_EVEN)
        if price <= ZERO:  # a later report took back as much value as the new units cost, or more
            return
        if not held:
            self.marks.follow(line.key, price, line.mark, is_settled=True)
        elif held * quantity > ZERO and known is not None:
            known.add(quantity, price)
            if known.bargains:
                self.marks.bargains.add(line.key)

    def pay(
        self, currency: str, paid: Decimal, value: Decimal | None, strategy: Portfolio | None
    ) -> None:
        """Cash leaves its wallet; a coin is sold at its worth (ETH-BTC is two legs)."""
        if currency in self.cash:
            self.wallets.move(self.wallets.get(currency), -paid, self.marks.usd(currency))
        else:
            self.trade(currency, -paid, None if value is None else -value, strategy)

    def charge(self, book: Portfolio, key: str, fee: Decimal, funding: Decimal = ZERO) -> None:
        """A fee paid or funding received for trading `key`, USD."""
        line = self.line(book, key)
        book.charge(line, ZERO, fee, funding)
        if line.is_idle:
            book.restate(line)  # it was begun for this alone

    def correct(
        self, key: str, filled: Decimal, value: Decimal, side: Side, strategy: Portfolio | None
    ) -> None:
        """A late exact figure moves the value of `filled` units booked (signed USD), their number
        unchanged.
        """
        wallet = self.wallets.by_currency.get(key)
        if wallet is None or wallet.keep is not None:  # a currency kept whole was never counted
            line = self.line(self.account, key)
            cost = line.position.entry_cost
            self.account.correct(line, filled, value, side)
            if self.is_future(key):
                self.futures_cash.total += line.position.entry_cost - cost - value
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

    def unit(self, currency: str) -> Decimal:
        """The smallest unit of a currency: a difference below it is none. Zero where no list says."""
        return CENT if currency in self.cash else self.units.get(currency, ZERO)

    def note_doubt(self, name: str, agreement: Reconciliation, *, counts: bool = True) -> None:
        """Whether Coinbase and the books disagree on a quantity. The excess of Coinbase's last reading of a
        coin or contract may be exposure, where it `counts`.
        """
        self.wallets.note_doubt(name, agreement)
        doubt, line = agreement.doubt, self.account.lines.get(name)
        quantity = doubt.difference if doubt is not None and counts else ZERO
        if line is None and not quantity:
            return
        line = line or self.line(self.account, name)
        if line.doubted != quantity:
            line.doubted = quantity
            self.account.restate(line)

    def fill_price(self, product: Product, quantity: Decimal, value: Decimal, at: datetime) -> None:
        """A fill of so much for `value` (quote currency): its price is the newest, where the last good quote is
        older.
        """
        known = self.marks.mids.get(product.book)
        if known is not None and known.at is not None and known.at >= at - FILL_IS_NEWER_BY:
            return
        price = (value / quantity).quantize(COST_QUANTUM, ROUND_HALF_EVEN)
        if price > ZERO:
            for key in self.marks.traded(product.book, price, at):
                self._remark(key, prices=True)

    def bound_strategies(self, key: str, price: Decimal | None) -> None:
        """Coins that were sold for the account, or have left it, are no strategy's any more.

        Where the books of all have more than is held, each loses in proportion, at this price, USD a unit; None: at
        the next one.
        """
        line = self.account.lines.get(key)
        held = ZERO if line is None else max(ZERO, line.position.quantity)
        books = self.strategy_books.lined.get(key, {}).values()
        owned = [(book, own) for book in books if (own := book.lines.get(key)) is not None]
        owned = [(book, own) for book, own in owned if own.position.quantity > ZERO]
        total = sum((own.position.quantity for _, own in owned), ZERO)
        for book, own in owned if total > held else ():
            left = own.position.quantity * held / total
            gone = left - own.position.quantity
            book.settle(own, gone, None if price is None else gone * price)

    def match_wallet(
        self, currency: str, entry: Decimal | None = None, mark: Decimal | None = None
    ) -> None:
        """Let the position be the wallet's total beyond `keep`; cash is no position. The difference is a
        transfer at `mark`, USD per unit; None: at the fresh mark, or at the first good mark.
        """
        wallet = self.wallets.get(currency)
        wanted = ZERO if currency in self.cash else wallet.position
        line = self.account.lines.get(currency)
        moved = wanted - (ZERO if line is None else line.position.quantity)
        if moved:
            if mark is None and not wallet.unpriced:
                mark = self.marks.usd(currency)
            line = self.line(self.account, currency)
            self.transfer(line, moved, mark, entry)
            assert abs(line.position.quantity - wanted) <= DRIFT, "position and wallet differ"

    def transfer(
        self, line: Exposure, quantity: Decimal, mark: Decimal | None, entry: Decimal | None
    ) -> None:
        """Quantity that came or went outside trading: at the mark, or unpriced until there is
        one.
        """
        self.account.settle(line, quantity, None if mark is None else quantity * mark)
        if quantity < ZERO and not line.is_future:
            self.bound_strategies(line.key, mark)
        if entry is not None and line.position.quantity == quantity:
            line.position.entry_cost = quantity * entry
            self.account.restate(line)
