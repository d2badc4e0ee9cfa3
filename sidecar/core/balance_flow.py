"""BalanceFlow: what Coinbase says the account holds, against what the books say. No I/O.

Theory of operation. USD, USDC and the futures wallet are one pot. Between them money is swept and
converted, and none of that is a transfer. The futures wallet is told together with the wallet of USD as
of one moment, so the books let it be what it is told to be, at the cost of USD, and what is left of a
difference is one of USD. Differences of USD and USDC that cancel out are a conversion. What is still left
is a transfer once a second reading has confirmed it, like a difference of any other asset; but what the
futures wallet lost by itself is funding, since nothing but trading and sweeps reaches it.

While a difference is a doubt, equity and funds count the smaller figure, exposure and loss the larger.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sidecar.core import events as ev
from sidecar.core.actions import Action, Alert, Reconcile
from sidecar.core.books import Books
from sidecar.core.errors import Untrusted
from sidecar.core.money import CENT, ZERO, is_bounded, is_sane, readable
from sidecar.core.moved import Moved, Point
from sidecar.core.products import DOLLARS
from sidecar.core.reconciliation import DEFAULT_LAG, Booking, Doubt, Reconciliation
from sidecar.core.wallets import Wallet

# After so long a doubt is told, and others of the pot are no longer waited for.
UNEXPLAINED_AFTER: Final = timedelta(seconds=15)
# The other side of a sweep may be read so much later: Coinbase's wallets of spot and futures are two
# systems.
SWEEP_LAG: Final = timedelta(seconds=120)
DOLLARS_MOVED_MAX: Final = 10  # sweeps are nightly, and one at a time
SPOT_CASH: Final = "USD"  # the wallet that Coinbase sweeps from and to


class BalanceFlow:
    """Balances, futures positions and the futures wallet, as Coinbase states them. `lag`: how long a
    reading may lack a booking.
    """

    def __init__(self, books: Books, futures_agreement: dict[str, Reconciliation]) -> None:
        self.books = books
        self.futures_agreement = futures_agreement
        self.futures: ev.FuturesSummaryRead | None = None
        self.lag = DEFAULT_LAG
        self.dollars_moved: list[Booking] = []  # the last transfers of dollars
        self.unread: set[str] = set()  # currencies whose row could not be read the last time
        self.believes_first = True  # library use: the caller's word on a wallet never told before
        self.read_at: datetime | None = None  # when the last reading of wallets began

    # --- Wallets -------------------------------------------------------------------------

    def balances(self, event: ev.BalancesRead) -> list[Action]:
        """Wallets as read: believed at the opening, explained afterwards."""
        for balance in event.balances:
            _check(balance)
        actions: list[Action] = []
        books, self.read_at = self.books, event.at
        if not books.is_open:
            books.opening_at = event.at
        for balance in event.balances:
            known = balance.currency in books.wallets.by_currency
            wallet = books.wallets.get(balance.currency)
            if not books.is_open or (self.believes_first and not known):
                self._open(balance, wallet, event.at)
                continue
            self._judge(balance, wallet, event, actions)
        if event.is_complete and event.balances and books.is_open:
            self._look_for_missing(event, actions)
        self._resolve_pot(event.at, actions)
        self._name_unread(event.unread, actions)
        return actions

    def _name_unread(self, unread: tuple[str, ...], actions: list[Action]) -> None:
        """Wallets whose row made no sense stay as they were: said once, until they can be read again."""
        news = sorted(set(unread) - self.unread)
        self.unread = set(unread)
        if news:
            text = (
                f"Coinbase's row of {', '.join(news)} makes no sense: the books keep what they had"
            )
            actions.append(Alert(severity="warning", code="WALLET_UNREADABLE", text=text))

    def _open(self, balance: ev.Balance, wallet: Wallet, at: datetime) -> None:
        """The books take what is read as it is: before they are open they repeat it."""
        currency, marks = balance.currency, self.books.marks
        price = marks.usd(currency) if marks.is_current(currency) else None
        change = balance.available + balance.hold - wallet.total
        self._follow(currency, wallet, change, price)
        _note_hold(balance, wallet, at)
        self.books.match_wallet(balance.currency, balance.average_entry_price)

    def _judge(
        self, balance: ev.Balance, wallet: Wallet, event: ev.BalancesRead, actions: list[Action]
    ) -> None:
        currency, at = balance.currency, event.at
        difference = balance.available + balance.hold - wallet.total
        agreement, was_in_doubt = wallet.agreement, wallet.agreement.doubt is not None
        verdict = agreement.judge(difference, at, event.fills_until, self.books.unit(currency))
        if verdict in ("agrees", "lagging"):
            _note_hold(balance, wallet, at)
            wallet.read_point = self.books.point(currency, confirmed=True)
        elif wallet.may_hold_own_sale(difference, at):
            agreement.doubt = None
        elif verdict == "differs":
            self._doubt(currency, agreement, at)
            if not was_in_doubt:
                reason = f"Coinbase's {currency} balance differs from the books"
                actions.append(Reconcile(reason=reason))
        elif not self._in_pot(currency):
            self._transfer(currency, wallet, at, actions)
            _note_hold(balance, wallet, at)
        self._note_doubt(currency, wallet)

    def _doubt(self, currency: str, agreement: Reconciliation, at: datetime) -> None:
        """Remember the price at the reading that first showed this difference."""
        doubt = agreement.doubt
        assert doubt is not None
        if doubt.first_at == at:
            marks = self.books.marks
            doubt.first = self.books.point(currency, confirmed=True)
            doubt.seen, doubt.is_fresh = self.books.point(currency), marks.is_fresh(currency, at)
            if doubt.is_fresh:
                doubt.confirmed_mark = marks.confirmed(currency)

    def _note_doubt(self, currency: str, wallet: Wallet) -> None:
        counts = currency not in self.books.cash and wallet.keep is not None
        self.books.note_doubt(currency, wallet.agreement, counts=counts)

    def _look_for_missing(self, event: ev.BalancesRead, actions: list[Action]) -> None:
        """A wallet that held something and is in no complete listing reads as zero."""
        listed = {balance.currency for balance in event.balances} | set(event.unread)
        for currency, wallet in list(self.books.wallets.by_currency.items()):
            if currency not in listed and wallet.total:
                self._judge(ev.Balance(currency, ZERO), wallet, event, actions)

    def _transfer(self, currency: str, wallet: Wallet, at: datetime, actions: list[Action]) -> None:
        """What a confirmed difference has moved came or went outside trading. It is no PnL."""
        doubt = wallet.agreement.doubt
        assert doubt is not None
        change = doubt.difference
        wallet.agreement.doubt = None
        self._note_doubt(currency, wallet)
        price = self._price_of(currency, doubt, at)
        now, first = self.books.point(currency), doubt.first
        if price is not None and now is not None:
            first = first or now
            booked = Point(first.pnl + wallet.position * (price - first.price), price)
            if currency in self.books.cash:  # the rate of cash is no PnL
                booked = Point(first.pnl, now.price)
            others = self._other_moments(currency, wallet, doubt, booked)
            moved = Moved(currency, wallet.position, change, booked, now, others)
            self.books.moves.append(moved)
        self._follow(currency, wallet, change, price)
        self.books.match_wallet(currency, mark=price)
        wallet.read_point = self.books.point(currency, confirmed=True)
        actions.append(_transfer_alert(currency, change))

    def _price_of(self, currency: str, doubt: Doubt, at: datetime) -> Decimal | None:
        """USD a unit of a confirmed transfer; None: it waits for its first good price."""
        marks = self.books.marks
        if currency in self.books.cash:
            return marks.usd(currency)
        if doubt.confirmed_mark is not None:
            return doubt.confirmed_mark
        first = doubt.first.price if doubt.first is not None and doubt.is_fresh else None
        price = self.books.settled_mark(currency, first, at)
        if price is None and doubt.difference < ZERO:  # what has left waits for no price
            price = marks.confirmed(currency) or marks.usd(currency)
        return price

    def _other_moments(
        self, currency: str, wallet: Wallet, doubt: Doubt, booked: Point
    ) -> tuple[Point, ...]:
        """The moments at which a transfer may have come, beside the one it is booked at: the last reading
        that agreed, and the one that first showed it, unless that was a passing tick.
        """
        if currency in self.books.cash:
            return self._other_moments_of_cash(wallet, doubt, booked)
        marks, found = self.books.marks, list[Point]()
        settled = marks.confirmed(currency) or marks.usd(currency) or booked.price
        if wallet.read_point is not None:
            found.append(wallet.read_point)
        first = doubt.first
        if first is not None and doubt.is_fresh:
            low, high = sorted((booked.price, settled))
            found += [first] if low <= first.price <= high else []
        return tuple(one for one in found if one != booked)

    def _other_moments_of_cash(
        self, wallet: Wallet, doubt: Doubt, booked: Point
    ) -> tuple[Point, ...]:
        """The same of cash, whose own price is no PnL: all else may have moved before it, or after."""
        account, found = self.books.account, list[Point]()
        settled = account.net_pnl - self.books.unconfirmed(account)
        found += [one for one in (wallet.read_point, doubt.first) if one is not None]
        low, high = sorted((booked.pnl, settled))
        if doubt.seen is not None and low <= doubt.seen.pnl <= high:
            found.append(doubt.seen)
        return tuple(Point(one.pnl, booked.price) for one in found if one.pnl != booked.pnl)

    def _follow(
        self, currency: str, wallet: Wallet, change: Decimal, price: Decimal | None
    ) -> None:
        """Let the wallet be what Coinbase says; what comes without a price waits for its first."""
        books = self.books
        before = wallet.position
        wallet.total += change
        moved = wallet.position - before
        if price is None:
            wallet.unpriced += moved
        elif books.is_open:
            books.transfers += moved * price
        wallet.unpriced = max(ZERO, wallet.unpriced)  # more may leave than came in without a price
        books.wallets.revalue(wallet, books.marks.usd(currency))

    # --- The pot of cash -------------------------------------------------------------------

    def _in_pot(self, currency: str) -> bool:
        return currency in DOLLARS and currency in self.books.cash

    def _pot(self) -> Iterator[tuple[str, Wallet]]:
        for currency in sorted(DOLLARS):
            wallet = self.books.wallets.by_currency.get(currency)
            if wallet is not None and currency in self.books.cash:
                yield currency, wallet

    @property
    def pot_difference(self) -> Decimal:
        """What the last readings of the whole pot have more than the books, USD."""
        return sum((wallet.doubted for _, wallet in self._pot()), ZERO)

    def _resolve_pot(self, at: datetime, actions: list[Action]) -> None:
        """Differences that cancel out are a conversion; what dollars still differ by, once confirmed, is a
        transfer, or what the futures wallet lost by itself.
        """
        futures, wallets = self.books.futures_cash, list(self._pot())
        doubted = [row for row in wallets if row[1].agreement.doubt is not None]
        if len(doubted) > 1 and abs(self.pot_difference) < CENT:
            for currency, wallet in doubted:
                self._set_right(currency, wallet, wallet.doubted, at)
            return
        for currency, wallet in doubted:
            doubt = wallet.agreement.doubt
            if doubt is None or not doubt.confirmed:
                continue
            if futures.lost and doubt.difference == futures.lost:
                self.books.fund(futures.lost)
                self._set_right(currency, wallet, futures.lost, at)
                futures.lost = ZERO
            elif self._takes_back(doubt.difference, at):
                self._set_right(currency, wallet, doubt.difference, at)
            elif self._others_were_read(doubt.first_at, at):
                moved = Booking(at, doubt.difference)
                self.dollars_moved = [*self.dollars_moved, moved][-DOLLARS_MOVED_MAX:]
                self._transfer(currency, wallet, at, actions)

    def _takes_back(self, change: Decimal, at: datetime) -> bool:
        """Whether one side of a sweep has been booked as a transfer of dollars, and this is the other: it
        was none.
        """
        for transfer in self.dollars_moved:
            if transfer.quantity == -change and at <= transfer.at + SWEEP_LAG:
                self.dollars_moved.remove(transfer)
                self.books.transfers += change
                return True
        return False

    def _others_were_read(self, since: datetime, at: datetime) -> bool:
        """Whether the futures wallet need not be waited for: an account without futures sweeps nothing, and
        the wallet of one with futures may lag for a while.
        """
        books = self.books
        trades = any(line.is_future for line in books.account.lines.values())
        if not books.futures_cash.is_known or not (trades or books.futures_cash.total):
            return True
        return at - since >= UNEXPLAINED_AFTER

    def _set_right(self, currency: str, wallet: Wallet, change: Decimal, at: datetime) -> None:
        """Dollars moved within the pot, or were lost: a reading may lack that for a while."""
        if change:
            wallet.total += change
            wallet.agreement.note(at, change, SWEEP_LAG)
            wallet.agreement.moved(change)
            self.books.wallets.revalue(wallet, self.books.marks.usd(currency))
        self._note_doubt(currency, wallet)

    def shortfall(self) -> Decimal:
        """What equity is less by the smaller of books and readings, USD (≤ 0)."""
        less = min(ZERO, self.pot_difference)
        for currency in self.books.wallets.in_doubt:
            wallet = self.books.wallets.by_currency.get(currency)
            if wallet is not None and not self._in_pot(currency):
                mark = self.books.marks.usd(currency)
                less += ZERO if mark is None else min(ZERO, wallet.doubted) * mark
        return less

    def open_moves(self) -> Iterator[Moved]:
        """Doubts that may turn out to be transfers of an earlier moment."""
        books = self.books
        dollars = None
        for currency in sorted(books.wallets.in_doubt):
            wallet, now = books.wallets.by_currency.get(currency), books.point(currency)
            doubt = None if wallet is None else wallet.agreement.doubt
            if wallet is None or doubt is None or now is None:
                continue
            others = self._other_moments(currency, wallet, doubt, now)
            if self._in_pot(currency):
                dollars = Moved(currency, ZERO, self.pot_difference, now, now, others)
            else:
                yield Moved(currency, wallet.position, doubt.difference, now, now, others)
        if dollars is not None:
            yield dollars

    # --- Futures -----------------------------------------------------------------------------

    def positions(self, event: ev.FuturesRead) -> list[Action]:
        """All futures positions as read; a known one that is absent is flat."""
        for stated in event.positions:
            entry = stated.average_entry_price
            if not (is_bounded(stated.contracts) and (entry is None or is_sane(entry))):
                raise Untrusted(
                    f"position in {stated.product_id}: an amount is beyond all bounds; nothing was read"
                )
        read = {position.product_id: position for position in event.positions}
        held = [
            key
            for key, line in self.books.account.lines.items()
            if line.is_future and line.position.quantity
        ]
        products = {product_id: self.books.product(product_id) for product_id in (*read, *held)}
        actions: list[Action] = []
        profit = self.books.account.futures_profit
        for product_id, product in sorted(products.items()):
            position = read.get(product_id)
            contracts = ZERO if position is None else position.contracts
            line = self.books.line(self.books.account, product_id)
            change = contracts * product.contract_size - line.position.quantity
            if self.books.is_open and not self._is_confirmed(product_id, change, event, actions):
                self.books.account.restate(line)
                continue
            if change:
                entry = None if position is None else position.average_entry_price
                self.books.transfer(line, change, self.books.marks.usd(product_id), entry)
            else:
                self.books.account.restate(line)
        if self.books.is_open:
            self.books.transfers += self.books.account.futures_profit - profit
        return actions

    def _is_confirmed(
        self, product_id: str, change: Decimal, event: ev.FuturesRead, actions: list[Action]
    ) -> bool:
        """Whether the books are to follow a reading of a position."""
        agreement = self.futures_agreement.setdefault(product_id, Reconciliation())
        was_in_doubt = agreement.doubt is not None
        verdict = agreement.judge(change, event.at, event.fills_until)
        if verdict == "confirmed":
            agreement.doubt = None
        elif verdict == "differs" and not was_in_doubt:
            reason = f"Coinbase's position in {product_id} differs from the books"
            actions.append(Reconcile(reason=reason))
        self.books.note_doubt(product_id, agreement)
        return verdict == "confirmed"

    def summary(self, event: ev.FuturesSummaryRead) -> list[Action]:
        """The futures wallet as Coinbase states it."""
        numbers = (event.wallet, event.buying_power, event.liquidation_buffer_percentage)
        if not all(is_bounded(number) for number in (*numbers, event.funding_pnl or ZERO)):
            raise Untrusted("futures wallet: an amount is beyond all bounds; nothing was read")
        self.futures = event
        futures, actions = self.books.futures_cash, list[Action]()
        if not self.books.is_open or not futures.is_known:
            self._first_summary(event)
            return actions
        is_frame = event.fills_until is None
        if futures.is_overtaken(event.wallet, event.at, is_frame=is_frame, lag=SWEEP_LAG):
            return actions
        usd = self.books.wallets.by_currency.get(SPOT_CASH)
        difference = self._beyond_books(event, usd)
        if event.funding_pnl is not None:
            self.books.fund(futures.accrued(event.funding_pnl, difference))
        futures.settle(difference)
        difference = self._beyond_books(event, usd)
        change = event.wallet - futures.total
        futures.total = event.wallet
        if change and change == difference and self._takes_back(change, event.at):
            return actions  # its other side was booked as a transfer of dollars
        if usd is None:  # without dollars nothing is swept
            self.books.transfers += change
            return actions
        self._set_right(SPOT_CASH, usd, -change, event.at)
        if event.spot_cash is not None:
            left = event.spot_cash - usd.total
            futures.note_loss(change, left)
            if is_frame:  # which has no lag
                self._judge_spot_cash(left, usd, event.at, actions)
        self._resolve_pot(event.at, actions)
        return actions

    def _beyond_books(self, event: ev.FuturesSummaryRead, usd: Wallet | None) -> Decimal:
        """What the wallets of futures and USD have more than the books, USD."""
        futures = event.wallet - self.books.futures_cash.total
        if usd is None or event.spot_cash is None:
            return futures
        return futures + event.spot_cash - usd.total

    def _judge_spot_cash(
        self, difference: Decimal, usd: Wallet, at: datetime, actions: list[Action]
    ) -> None:
        """What a frame tells of the wallet of USD, beyond the books."""
        was_in_doubt = usd.agreement.doubt is not None
        if usd.agreement.judge(difference, at, None, CENT) == "differs":
            self._doubt(SPOT_CASH, usd.agreement, at)
            if not was_in_doubt:
                actions.append(Reconcile(reason="Coinbase's dollars differ from the books"))
        self._note_doubt(SPOT_CASH, usd)

    def _first_summary(self, event: ev.FuturesSummaryRead) -> None:
        """The wallet as found. Money that was there all along enters like any transfer."""
        futures = self.books.futures_cash
        if self.books.is_open:
            self.books.transfers += event.wallet - futures.total
        futures.is_known, futures.total = True, event.wallet
        futures.funding_pnl = event.funding_pnl

    @property
    def futures_equity(self) -> Decimal:
        """The futures wallet, and what open contracts have earned or lost, USD."""
        return self.books.futures_cash.worth + self.books.account.futures_profit


def _check(balance: ev.Balance) -> None:
    entry = balance.average_entry_price
    if not (
        is_bounded(balance.available)
        and is_sane(balance.hold)
        and (entry is None or is_sane(entry))
    ):
        raise Untrusted(
            f"balance of {balance.currency}: an amount is beyond all bounds; nothing was read"
        )


def _note_hold(balance: ev.Balance, wallet: Wallet, at: datetime) -> None:
    wallet.foreign_hold = max(ZERO, balance.hold - wallet.held)
    wallet.agreement.read_at = at


def _transfer_alert(currency: str, change: Decimal) -> Alert:
    way = "came in" if change > 0 else "went out"
    return Alert(
        severity="info",
        code="TRANSFER",
        text=f"{readable(abs(change))} {currency} {way} outside trading",
    )
