"""BalanceFlow: the account's balances as Coinbase states them, against the books. No I/O.

Theory of operation. A difference of a wallet is a transfer once a second reading has confirmed it.
Dollars are one pot with the futures wallet (cash_pot.py): money that moves within the pot is no
transfer.

While a difference is a doubt, equity and funds count the smaller figure, exposure and loss the larger.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from sidecar.core.account.books import Books
from sidecar.core.account.cash_pot import CashPot
from sidecar.core.account.moved import Moved, Point
from sidecar.core.account.other_marks import confirmed_point, note_reading, point, unconfirmed
from sidecar.core.account.reconciliation import Doubt, Reconciliation
from sidecar.core.account.transfer_moments import TransferMoments
from sidecar.core.account.visits import Visits
from sidecar.core.account.wallets import Wallet
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, Reconcile
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import CENT, ONE, ZERO, is_bounded, is_sane, readable

# For so long a holding without a good price may still be worth its last one, and a loss be smaller
# for it: as long as a loss that only stale books show waits before it is believed. A coin without
# quotes must not hold up a sale.
MAY_BE_WORTH_FOR: Final = timedelta(minutes=5)


class BalanceFlow:
    """Wallets, as Coinbase states them. `futures`: the last summary of the futures account."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.futures: ev.FuturesSummaryRead | None = None
        self.unread: set[str] = set()  # currencies whose row could not be read the last time
        self.believes_first = True  # library use: the caller's word on a wallet never told before
        self.read_at: datetime | None = None  # when the last reading of wallets began
        self.visits = Visits()
        self.moments = TransferMoments(books)
        self.pot = CashPot(books, self.moments, self._transfer, self._is_open)
        self.complete: Point | None = None  # the last complete reading, its price that of a dollar

    def begin_again(self) -> None:
        """A new process: quantities in doubt are read anew before any order is allowed."""
        for currency, wallet in self.books.wallets.by_currency.items():
            wallet.agreement.doubt = None
            self.note_doubt(currency, wallet)

    # --- Wallets -------------------------------------------------------------------------

    def balances(self, event: ev.BalancesRead) -> list[Action]:
        """Wallets as read: believed at the opening, explained afterwards."""
        for balance in event.balances:
            _check(balance)
        actions: list[Action] = []
        books, self.read_at = self.books, event.at
        note_reading(books, event.at)
        books.path.stand(event.at, books.account.net_pnl, self.equity)
        before = self.pot.first_shown()
        if not books.is_open:
            books.opening_at = event.at
        for balance in event.balances:
            known = balance.currency in books.wallets.by_currency
            wallet = books.wallets.get(balance.currency)
            if not books.is_open or (self.believes_first and not known):
                self._open(balance, wallet, event.at)
                continue
            if wallet.read_point is None and not wallet.total:
                wallet.read_point = self.moments.before_first(
                    balance.currency, self.complete, event.at
                )
            self._judge(balance, wallet, event, actions)
        if event.is_complete and event.balances and books.is_open:
            self._look_for_missing(event, actions)
        if event.is_complete:
            pnl = books.account.net_pnl - unconfirmed(books, books.account)
            self.complete = Point(pnl, ONE, books.transfers, event.at, booked=books.booked)
        self.pot.resolve(event.at, actions, before)
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
        """The books take the reading as it is: before they are open they repeat Coinbase."""
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
        agreement, doubt = wallet.agreement, wallet.agreement.doubt
        if doubt is not None and self._is_before_frame(agreement, difference, at):
            return
        unit = self.books.unit(currency) if difference else ZERO
        verdict = agreement.judge(difference, at, event.fills_until, unit)
        if doubt is not None and agreement.doubt is not doubt:
            left = doubt.difference - max(ZERO, doubt.booked) - max(ZERO, difference)
            if not agreement.explains(left, at):
                # The reading before may have lacked some of a sweep that this one shows.
                left -= agreement.swept(at)
                self._note_visit(currency, wallet, doubt, left, at)
        if verdict in ("agrees", "lagging"):
            _note_hold(balance, wallet, at)
            self._note_point(currency, wallet, at)
        elif wallet.may_hold_own_sale(difference, at):
            agreement.doubt = None
        elif verdict == "differs":
            assert agreement.doubt is not None
            self.moments.date(currency, agreement.doubt, at)
            if doubt is None:
                reason = f"Coinbase's {currency} balance differs from the books"
                actions.append(Reconcile(reason=reason))
        elif not (self.pot.holds(currency) or self._is_open(agreement, at)):
            self._transfer(currency, wallet, at, actions)
            _note_hold(balance, wallet, at)
        if doubt is not None or agreement.doubt is not None:
            self.note_doubt(currency, wallet)

    def _note_visit(
        self, currency: str, wallet: Wallet, doubt: Doubt, left: Decimal, at: datetime
    ) -> None:
        """A reading had `left` more than this one, and no booking since explains it. One that had less, and has
        it again, was more likely not whole.
        """
        now, units = point(self.books, currency), wallet.moved_by(left)
        if now is None or doubt.by_frame or units * now.price < CENT or self.equity <= ZERO:
            return
        units = min(units, self.equity / now.price)
        assert units > ZERO, "a visit of no money"
        others = self.moments.others(currency, wallet, doubt, now)
        self.visits.note(Moved(currency, wallet.position, units, now, now, others), at)

    def _is_open(self, agreement: Reconciliation, at: datetime) -> bool:
        return agreement.doubt is not None and self.moments.are_open(
            agreement.doubt, self.equity, at
        )

    def _is_before_frame(
        self, agreement: Reconciliation, difference: Decimal, at: datetime
    ) -> bool:
        """Whether a listing that agrees with the books may be from before the frame that did not.
        It is not where they hold a trade made after the frame, nor where bookings since then make
        up the frame's whole difference: fills from before the feed was connected are read after the
        first frame.
        """
        doubt = agreement.doubt
        if doubt is None or not doubt.by_frame or abs(difference) >= CENT:
            return False
        if doubt.traded_since or abs(doubt.difference - doubt.booked) < CENT:
            return False
        return at < doubt.first_at + self.pot.lag

    def note_doubt(self, currency: str, wallet: Wallet) -> None:
        counts = currency not in self.books.cash and wallet.keep is not None
        self.books.note_doubt(currency, wallet.agreement, counts=counts)

    def _look_for_missing(self, event: ev.BalancesRead, actions: list[Action]) -> None:
        """A wallet with a balance that is absent from a complete listing reads as zero."""
        listed = {balance.currency for balance in event.balances} | set(event.unread)
        for currency, wallet in list(self.books.wallets.by_currency.items()):
            if currency not in listed:
                self._judge(ev.Balance(currency, ZERO), wallet, event, actions)

    def _transfer(self, currency: str, wallet: Wallet, at: datetime, actions: list[Action]) -> None:
        """The quantity of a confirmed difference came or went outside trading. It is no PnL."""
        doubt = wallet.agreement.doubt
        assert doubt is not None
        change = doubt.difference
        wallet.agreement.doubt = None
        self.note_doubt(currency, wallet)
        price = self.moments.price(currency, doubt, at)
        now, first = point(self.books, currency), doubt.first
        if price is not None and now is not None:
            first = first or now
            pnl = first.pnl + wallet.position * (price - first.price)
            booked = replace(self.books.readings.confirmed(first), pnl=pnl, price=price)
            if currency in self.books.cash:  # the rate of cash is no PnL
                booked = replace(booked, pnl=first.pnl, price=now.price)
            others = self.moments.others(currency, wallet, doubt, booked)
            units = wallet.moved_by(change)
            if units:
                self.books.move(Moved(currency, wallet.position, units, booked, now, others))
        self._follow(currency, wallet, change, price)
        self.books.match_wallet(currency, mark=price)
        if wallet.unpriced and wallet.read_point is None:
            wallet.read_point = first  # it was there then
        self._note_point(currency, wallet, at)
        actions.append(_transfer_alert(currency, change))
        if now is None and change > ZERO:
            text = f"no quote of {currency}: it counts for nothing until a good one has stood"
            actions.append(Alert(severity="warning", code="NO_QUOTE", text=text))

    def _note_point(self, currency: str, wallet: Wallet, at: datetime) -> None:
        """All of a wallet was there at this moment; one that waits for a price keeps the moment before, for a
        while.
        """
        if not wallet.unpriced:
            wallet.read_point = confirmed_point(self.books, currency, at)
            wallet.waits_since = None
            return
        wallet.waits_since = wallet.waits_since or at
        if at - wallet.waits_since >= MAY_BE_WORTH_FOR:
            wallet.read_point = None

    def _follow(
        self, currency: str, wallet: Wallet, change: Decimal, price: Decimal | None
    ) -> None:
        """Set the wallet to Coinbase's figure; units that come without a price wait for their
        first.
        """
        books = self.books
        before = wallet.position
        wallet.total += change
        moved = wallet.position - before
        unpriced = wallet.unpriced
        if price is None:
            unpriced += moved
            books.marks.unsettle(currency)
        elif books.is_open:
            books.transfers += moved * price
        # More may leave than came in without a price.
        books.wallets.set_unpriced(currency, wallet, max(ZERO, unpriced))
        books.wallets.revalue(wallet, books.marks.usd(currency))

    def shortfall(self) -> Decimal:
        """The change of equity if the smaller of books and readings counts, USD (≤ 0)."""
        less = min(ZERO, self.pot.difference)
        for currency in self.books.wallets.in_doubt:
            wallet = self.books.wallets.by_currency.get(currency)
            if wallet is not None and not self.pot.holds(currency):
                mark = self.books.marks.usd(currency)
                less += ZERO if mark is None else min(ZERO, wallet.doubted) * mark
        assert less <= ZERO, "doubt adds to equity"
        return less

    def open_moves(self) -> Iterator[Moved]:
        """Doubts that may turn out to be transfers of an earlier moment."""
        books = self.books
        dollars: Moved | None = None
        for currency in sorted(books.wallets.in_doubt):
            wallet, now = books.wallets.by_currency.get(currency), point(books, currency)
            doubt = None if wallet is None else wallet.agreement.doubt
            if wallet is None or doubt is None or now is None:
                continue
            others = self.moments.others(currency, wallet, doubt, now)
            if self.pot.holds(currency):
                others = others if dollars is None else (*dollars.others, *others)
                dollars = Moved(currency, ZERO, self.pot.difference, now, now, others)
                continue
            units = wallet.moved_by(doubt.difference)
            moved = Moved(currency, wallet.position, units, now, now, others)
            least, most = map(wallet.moved_by, doubt.range)
            yield from _in_parts(
                moved, least, most, has_come=self.moments.has_come(wallet.agreement)
            )
        if dollars is not None:
            yield from _in_parts(dollars, *self.pot.range, has_come=self.pot.has_come)
        for currency in sorted(books.wallets.waiting - books.wallets.in_doubt):
            wallet, now = books.wallets.get(currency), point(books, currency)
            if now is not None and wallet.read_point is not None:
                before = books.readings.found(wallet.read_point, currency)
                yield Moved(currency, wallet.counted, wallet.unpriced, now, now, (before,))

    def open_moments(self) -> Iterator[Point]:
        """The earliest moments that a transfer which is booked from now on may be dated at."""
        points, readings = [self.complete], self.books.readings
        for wallet in self.books.wallets.by_currency.values():
            points.append(wallet.read_point)
            doubt = wallet.agreement.doubt
            if doubt is not None:
                points += [doubt.first, doubt.near]
        return (readings.confirmed(point) for point in points if point is not None)

    @property
    def equity(self) -> Decimal:
        """Wallets and futures as the books alone have them, without `keep`, USD."""
        return self.books.wallets.value + self.futures_equity

    @property
    def futures_equity(self) -> Decimal:
        """The futures wallet, and what open contracts have earned or lost, USD."""
        return self.books.futures_cash.worth + self.books.account.futures_profit


def _in_parts(moved: Moved, least: Decimal, most: Decimal, *, has_come: bool) -> Iterator[Moved]:
    """A doubt, of between so much and so much: the part that it has at least, which has come or may have, and the
    rest, which may have.
    """
    if least <= ZERO <= most:
        yield moved
        return
    part, whole = sorted((least, most), key=abs)
    yield replace(moved, quantity=part, has_come=has_come)
    if whole != part:
        yield replace(moved, quantity=whole - part)


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
