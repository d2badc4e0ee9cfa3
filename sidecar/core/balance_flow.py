"""BalanceFlow: what Coinbase says the account holds, against what the books say. No I/O.

Theory of operation. USD, USDC and the futures wallet are one pot. Between them money is swept and
converted, and none of that is a transfer. The futures wallet is told together with the wallet of USD as
of one moment, so the books let it be what it is told to be, at the cost of USD, and what is left of a
difference is one of USD. Differences of USD and USDC that cancel out are a conversion. What is still left
is a transfer once a second reading has confirmed it, like a difference of any other asset. What the futures
wallet lost by itself may be a transfer or a loss: it is told, and reckoned both ways.

While a difference is a doubt, equity and funds count the smaller figure, exposure and loss the larger.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core import events as ev
from sidecar.core.actions import Action, Alert, Reconcile
from sidecar.core.books import Books
from sidecar.core.errors import Untrusted
from sidecar.core.money import CENT, ONE, ZERO, is_bounded, is_sane, readable
from sidecar.core.moved import Moved, Point
from sidecar.core.products import DOLLARS
from sidecar.core.reconciliation import DEFAULT_LAG, Doubt, Reconciliation
from sidecar.core.transfer_moments import TransferMoments
from sidecar.core.visits import Visits
from sidecar.core.wallets import Wallet

# The others of the pot are waited for until the last reading before a doubt is told (doubt_watch.py: readings
# 2, 6 and 14 s after the first, and an alert after 15 s).
OTHERS_READ_AFTER: Final = timedelta(seconds=12)
# The other side of a sweep may be read so much later: Coinbase's wallets of spot and futures are two
# systems.
SWEEP_LAG: Final = timedelta(seconds=120)
# The other wallet of dollars may lack a sweep for as long as that, and another one that followed it, and is read
# again up to a minute or two later.
MAY_BE_CONVERTED_FOR: Final = 3 * SWEEP_LAG
# What has no good price may be worth its last one for so long, and a loss less for it: as long as a loss
# that only stale books show waits before it is believed. What nobody quotes must not hold up a sale.
MAY_BE_WORTH_FOR: Final = timedelta(minutes=5)
DOLLARS_MOVED_MAX: Final = 10  # sweeps are nightly, and one at a time
SPOT_CASH: Final = "USD"  # the wallet that Coinbase sweeps from and to


class DollarsMoved(Struct, frozen=True):
    """A difference of dollars that was booked as a transfer, and the account's net PnL at the moment it was booked
    as of, USD (None: not known).
    """

    at: datetime
    quantity: Decimal
    pnl: Decimal | None = None


class BalanceFlow:
    """Wallets, as Coinbase states them. `lag`: how long a reading may lack a booking; `futures`: the last
    summary of the futures account.
    """

    def __init__(self, books: Books) -> None:
        self.books = books
        self.futures: ev.FuturesSummaryRead | None = None
        self.lag = DEFAULT_LAG
        self.dollars_moved: list[DollarsMoved] = []  # the last transfers of dollars
        self.unread: set[str] = set()  # currencies whose row could not be read the last time
        self.believes_first = True  # library use: the caller's word on a wallet never told before
        self.read_at: datetime | None = None  # when the last reading of wallets began
        self.visits = Visits()
        self.moments = TransferMoments(books)
        self.read_pnl: Decimal | None = None  # the account's net PnL at the last complete one, USD

    def begin_again(self) -> None:
        """A new process: what was in doubt is read anew before anything is allowed."""
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
                    balance.currency, self.read_pnl, event.at
                )
            self._judge(balance, wallet, event, actions)
        if event.is_complete and event.balances and books.is_open:
            self._look_for_missing(event, actions)
        if event.is_complete:
            self.read_pnl = books.account.net_pnl - books.unconfirmed(books.account)
        self.resolve_pot(event.at, actions)
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
        agreement, doubt = wallet.agreement, wallet.agreement.doubt
        if doubt is not None and self._is_before_frame(agreement, difference, at):
            return
        unit = self.books.unit(currency) if difference else ZERO
        verdict = agreement.judge(difference, at, event.fills_until, unit)
        if doubt is not None and agreement.doubt is not doubt:
            left = doubt.difference - max(ZERO, doubt.booked) - max(ZERO, difference)
            if not agreement.explains(left, at):
                left -= agreement.swept(
                    at
                )  # a reading may have lacked a part of it, and shows it now
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
        elif not (self._in_pot(currency) or self._is_open(agreement, at)):
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
        now, units = self.books.point(currency), wallet.moved_by(left)
        if now is None or doubt.by_frame or units * now.price < CENT or self.equity <= ZERO:
            return
        units = min(units, self.equity / now.price)
        others = self.moments.others(currency, wallet, doubt, now)
        self.visits.note(Moved(currency, wallet.position, units, now, now, others), at)

    def _is_open(self, agreement: Reconciliation, at: datetime) -> bool:
        return agreement.doubt is not None and self.moments.are_open(
            agreement.doubt, self.equity, at
        )

    def _is_before_frame(
        self, agreement: Reconciliation, difference: Decimal, at: datetime
    ) -> bool:
        """Whether a listing that agrees with the books may be from before the frame that did not. It is not where
        they hold a trade made after the frame, nor where what they have booked since is all that the frame had
        more or less: fills from while nobody listened are read after the first frame.
        """
        doubt = agreement.doubt
        if doubt is None or not doubt.by_frame or abs(difference) >= CENT:
            return False
        if doubt.traded_since or abs(doubt.difference - doubt.booked) < CENT:
            return False
        return at < doubt.first_at + self.lag

    def note_doubt(self, currency: str, wallet: Wallet) -> None:
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
        self.note_doubt(currency, wallet)
        price = self.moments.price(currency, doubt, at)
        now, first = self.books.point(currency), doubt.first
        if price is not None and now is not None:
            first = first or now
            pnl = first.pnl + wallet.position * (price - first.price)
            booked = replace(first, pnl=pnl, price=price)
            if currency in self.books.cash:  # the rate of cash is no PnL
                booked = replace(first, price=now.price)
            others = self.moments.others(currency, wallet, doubt, booked)
            units = wallet.moved_by(change)
            moved = Moved(currency, wallet.position, units, booked, now, others)
            self.books.moves += [moved] if units else []
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
            wallet.read_point, wallet.waits_since = self.books.confirmed_point(currency), None
            return
        wallet.waits_since = wallet.waits_since or at
        if at - wallet.waits_since >= MAY_BE_WORTH_FOR:
            wallet.read_point = None

    def _follow(
        self, currency: str, wallet: Wallet, change: Decimal, price: Decimal | None
    ) -> None:
        """Let the wallet be what Coinbase says; what comes without a price waits for its first."""
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

    def resolve_pot(self, at: datetime, actions: list[Action]) -> None:
        """Differences that cancel out are a conversion; what dollars still differ by, once confirmed, is a
        transfer, or what the futures wallet lost by itself.
        """
        doubted = [row for row in self._pot() if row[1].agreement.doubt is not None]
        if len(doubted) > 1 and abs(self.pot_difference) < CENT:
            for currency, wallet in doubted:
                self.set_right(currency, wallet, wallet.doubted, at)
            return
        self._take_back(doubted, at)
        self._convert(doubted, at)
        self._take_back(doubted, at)  # what conversions have left of a difference
        for currency, wallet in doubted:
            if _is_confirmed(wallet):
                self._move_dollars(currency, wallet, at, actions)

    def _take_back(self, doubted: list[tuple[str, Wallet]], at: datetime) -> None:
        """Differences that pay accruals of funding, or are the other side of a sweep, are right."""
        futures = self.books.futures_cash
        for currency, wallet in doubted:
            doubt, difference = wallet.agreement.doubt, wallet.doubted
            if (doubt is not None and doubt.confirmed) and (
                futures.pay(difference) or self.takes_back(difference, doubt.first_at)
            ):
                self.set_right(currency, wallet, difference, at)

    def _convert(self, doubted: list[tuple[str, Wallet]], at: datetime) -> None:
        """What one wallet of dollars has less and another has more was converted; the rest is one transfer, of
        one moment.
        """
        is_open = bool(self.books.futures_cash.lost)  # one of them may be that loss
        if is_open or not all(_is_confirmed(wallet) for _, wallet in doubted):
            return
        less = -sum((min(ZERO, wallet.doubted) for _, wallet in doubted), ZERO)
        more = sum((max(ZERO, wallet.doubted) for _, wallet in doubted), ZERO)
        converted = min(less, more)
        for currency, wallet in doubted if converted else ():
            change = converted if wallet.doubted > ZERO else -converted
            self.set_right(currency, wallet, change, at)

    def _move_dollars(
        self, currency: str, wallet: Wallet, at: datetime, actions: list[Action]
    ) -> None:
        """A confirmed difference of dollars is a transfer, once nothing else can explain it."""
        futures, doubt = self.books.futures_cash, wallet.agreement.doubt
        assert doubt is not None
        if futures.lost and doubt.difference == futures.lost:
            # A contract that has expired may be read later than it was paid for.
            if at >= doubt.first_at + self.lag:
                self._tell_lost(futures.lost, actions)
                self._transfer(currency, wallet, at, actions)
        elif self._is_open(wallet.agreement, at) or self._may_be_converted(wallet, at):
            return
        elif doubt.is_whole or self._others_were_read(doubt.first_at, at):
            self._note_dollars(doubt, at)
            self._transfer(currency, wallet, at, actions)

    def _note_dollars(self, doubt: Doubt, at: datetime) -> None:
        """A transfer of dollars may turn out to be one side of a sweep, and what two wallets show at once one of it
        together.
        """
        pnl = self.books.account.net_pnl if doubt.first is None else doubt.first.pnl
        moved, known = DollarsMoved(at, doubt.difference, pnl), self.dollars_moved
        if known and known[-1].at == at:
            moved = DollarsMoved(at, known.pop().quantity + doubt.difference, pnl)
        self.dollars_moved = [*known, moved][-DOLLARS_MOVED_MAX:]

    def _may_be_converted(self, wallet: Wallet, at: datetime) -> bool:
        """Whether it is open by how much the other wallet of dollars differs: a part of this may have been
        converted. That is told within minutes of when it fell into doubt, or never.
        """
        doubts = [one.agreement.doubt for _, one in self._pot() if one is not wallet]
        return any(
            doubt is not None and not doubt.confirmed and at < doubt.since + MAY_BE_CONVERTED_FOR
            for doubt in doubts
        )

    def _tell_lost(self, lost: Decimal, actions: list[Action]) -> None:
        """The futures wallet lost by itself, and neither fills nor funding tell why: it may have been a
        transfer, and it may have been a loss. It is reckoned both ways.
        """
        futures = self.books.futures_cash
        self.books.losses_unexplained.append(-lost)
        futures.lost = ZERO
        text = (
            f"the futures wallet has {readable(-lost)} USD less than fills, fees and funding explain; it is "
            "booked as a transfer, and counted as a loss where limits are judged: look it up at Coinbase"
        )
        actions.append(Alert(severity="critical", code="FUTURES_WALLET_UNEXPLAINED", text=text))

    def takes_back(self, change: Decimal, at: datetime) -> bool:
        """Whether one side of a sweep has been booked as a transfer of dollars, and this is the other: it
        was none. It is undone as of the moment it was booked at, so no ratio keeps a trace of it.
        """
        now = Point(self.books.account.net_pnl, ONE)
        for transfer in self.dollars_moved:
            if transfer.quantity == -change and at <= transfer.at + SWEEP_LAG:
                self.dollars_moved.remove(transfer)
                self.books.transfers += change
                booked = now if transfer.pnl is None else Point(transfer.pnl, ONE)
                self.books.moves.append(
                    Moved(SPOT_CASH, ZERO, change, booked, now, undoes=transfer.at)
                )
                return True
        return False

    def has_shown(self, change: Decimal, at: datetime) -> bool:
        """Whether dollars have shown the other side of what the futures wallet moved by: as a difference that only
        waits for this, whichever of them it was converted to, or as a transfer.
        """
        for currency, wallet in self._pot():
            doubt = wallet.agreement.doubt
            if doubt is not None and doubt.confirmed and wallet.doubted == -change:
                self.set_right(currency, wallet, -change, at)
                return True
        return self.takes_back(change, at)

    def _others_were_read(self, since: datetime, at: datetime) -> bool:
        """Whether the futures wallet need not be waited for: an account without futures sweeps nothing, and
        the wallet of one with futures may lag for a while.
        """
        books = self.books
        trades = any(line.is_future for line in books.account.lines.values())
        if not books.futures_cash.is_known or not (trades or books.futures_cash.total):
            return True
        return at - since >= OTHERS_READ_AFTER

    def set_right(self, currency: str, wallet: Wallet, change: Decimal, at: datetime) -> None:
        """Dollars moved within the pot, or were lost: a reading may lack that for a while."""
        wallet.total += change
        wallet.agreement.note(at, change, SWEEP_LAG, swept=True)
        wallet.agreement.moved(change)
        self.books.wallets.revalue(wallet, self.books.marks.usd(currency))
        self.note_doubt(currency, wallet)

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
        dollars: Moved | None = None
        for currency in sorted(books.wallets.in_doubt):
            wallet, now = books.wallets.by_currency.get(currency), books.point(currency)
            doubt = None if wallet is None else wallet.agreement.doubt
            if wallet is None or doubt is None or now is None:
                continue
            others = self.moments.others(currency, wallet, doubt, now)
            if self._in_pot(currency):
                others = others if dollars is None else (*dollars.others, *others)
                dollars = Moved(currency, ZERO, self.pot_difference, now, now, others)
            else:
                units = wallet.moved_by(doubt.difference)
                yield Moved(currency, wallet.position, units, now, now, others)
        if dollars is not None:
            yield dollars
        for currency in sorted(books.wallets.waiting - books.wallets.in_doubt):
            wallet, now = books.wallets.get(currency), books.point(currency)
            if now is not None and wallet.read_point is not None:
                before = (wallet.read_point,)
                yield Moved(currency, wallet.counted, wallet.unpriced, now, now, before)

    @property
    def equity(self) -> Decimal:
        """Wallets and futures as the books alone have them, without `keep`, USD."""
        return self.books.wallets.value + self.futures_equity

    @property
    def futures_equity(self) -> Decimal:
        """The futures wallet, and what open contracts have earned or lost, USD."""
        return self.books.futures_cash.worth + self.books.account.futures_profit


def _is_confirmed(wallet: Wallet) -> bool:
    return wallet.agreement.doubt is not None and wallet.agreement.doubt.confirmed


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
