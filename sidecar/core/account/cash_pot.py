"""CashPot: dollars in the wallets of USD and USDC, and in the futures wallet. No I/O.

Between them money is swept and converted, and none of that is a transfer. The futures wallet is
told together with the wallet of USD as of one moment, so the books set the futures wallet to the
figure told, at the cost of USD, and the rest of a difference is one of USD. Differences of USD and
USDC that cancel out are a conversion. A remaining difference is a transfer once a second reading
has confirmed it. A loss of the futures wallet alone may be a transfer or a trading loss: it is
told, and reckoned both ways.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from math import prod
from typing import Final

from msgspec import Struct

from sidecar.core.account.books import Books
from sidecar.core.account.moved import CONFIRMED, Moved, Point
from sidecar.core.account.reconciliation import DEFAULT_LAG, Doubt, Reconciliation, both
from sidecar.core.account.transfer_moments import TransferMoments
from sidecar.core.account.wallets import Wallet
from sidecar.core.vocabulary.actions import Action, Alert
from sidecar.core.vocabulary.money import CENT, ONE, ZERO
from sidecar.core.vocabulary.products import DOLLARS
from sidecar.core.vocabulary.wording import in_words

# The others of the pot are waited for until the last reading before a doubt is told (doubt_watch.py: readings
# 2, 6 and 14 s after the first, and an alert after 15 s).
OTHERS_READ_AFTER: Final = timedelta(seconds=12)
# The other side of a sweep may be read so much later: Coinbase's wallets of spot and futures are two
# systems.
SWEEP_LAG: Final = timedelta(seconds=120)
# The other wallet of dollars may lack a sweep for as long as that, and another one that followed it, and is read
# again up to a minute or two later.
MAY_BE_CONVERTED_FOR: Final = 3 * SWEEP_LAG
DOLLARS_MOVED_MAX: Final = 10  # sweeps are nightly, and one at a time
# Of two wallets together; an account that trades all the time has more.
CANDIDATES_MAX: Final = 1_000
SPOT_CASH: Final = "USD"  # the wallet that Coinbase sweeps from and to


class DollarsMoved(Struct, frozen=True):
    """A difference of dollars that was booked as a transfer, and the account's net PnL at the moment it was booked
    as of, USD (None: not known). `first_at`: the reading of that moment.
    """

    at: datetime
    quantity: Decimal
    pnl: Decimal | None = None
    first_at: datetime | None = None


class FirstShown(Struct, frozen=True):
    """What the pot's open difference may be, USD, and the first doubt of it. As long as it may be the same, the
    doubt is no later one, though a conversion makes the wallets differ otherwise, and a sweep that a reading
    lacked is in the next one.
    """

    candidates: list[Decimal]
    doubt: Doubt

    def date(self, doubt: Doubt | None, at: datetime) -> None:
        """A doubt that this reading raised is of money that moved by then."""
        if doubt is not None and doubt is not self.doubt and doubt.first_at == at:
            doubt.first, doubt.seen, doubt.near = self.doubt.first, self.doubt.seen, self.doubt.near


class CashPot:
    """The wallets of dollars. `transfer` books a confirmed difference as one; `lag`: how long a reading may lack a
    booking; `is_open`: whether it is open on which side of a move of prices a difference came.
    """

    def __init__(
        self,
        books: Books,
        moments: TransferMoments,
        transfer: Callable[[str, Wallet, datetime, list[Action]], None],
        is_open: Callable[[Reconciliation, datetime], bool],
    ) -> None:
        self.books = books
        self.moments = moments
        self.transfer = transfer
        self.is_open = is_open
        self.lag = DEFAULT_LAG
        self.dollars_moved: list[DollarsMoved] = []  # the last transfers of dollars

    def holds(self, currency: str) -> bool:
        """Whether a wallet is one of dollars that count as cash."""
        return currency in DOLLARS and currency in self.books.cash

    def _wallets(self) -> Iterator[tuple[str, Wallet]]:
        for currency in sorted(DOLLARS):
            wallet = self.books.wallets.by_currency.get(currency)
            if wallet is not None and currency in self.books.cash:
                yield currency, wallet

    @property
    def difference(self) -> Decimal:
        """The excess of the whole pot's last readings over the books, USD."""
        return sum((wallet.doubted for _, wallet in self._wallets()), ZERO)

    def first_shown(self) -> FirstShown | None:
        """The pot's open difference before a reading, and the doubt that showed it first."""
        doubts = [one.agreement.doubt for _, one in self._wallets() if one.agreement.doubt]
        oldest = min(doubts, key=lambda one: one.first_at, default=None)
        return None if oldest is None else FirstShown(self._candidates(), oldest)

    @property
    def range(self) -> tuple[Decimal, Decimal]:
        """The least and the largest that the difference may be, USD."""
        doubts = [one.agreement.doubt for _, one in self._wallets() if one.agreement.doubt]
        ranges = [doubt.range for doubt in doubts]
        return sum((low for low, _ in ranges), ZERO), sum((high for _, high in ranges), ZERO)

    @property
    def has_come(self) -> bool:
        """Whether only the amount of the pot's difference is open."""
        doubted = [one.agreement for _, one in self._wallets() if one.agreement.doubt]
        return not self.books.futures_cash.lost and all(map(self.moments.has_come, doubted))

    def _candidates(self) -> list[Decimal]:
        """Every difference that the last readings of the pot allow, USD; the one they show, of too many."""
        doubts = [one.agreement.doubt for _, one in self._wallets() if one.agreement.doubt]
        allowed = [doubt.candidates or (doubt.difference,) for doubt in doubts]
        if prod(len(some) for some in allowed) > CANDIDATES_MAX:
            return [self.difference]
        return [sum(some, ZERO) for some in product(*allowed)]

    def resolve(
        self, at: datetime, actions: list[Action], before: FirstShown | None = None
    ) -> None:
        """Differences that cancel out are a conversion; the remaining difference of dollars, once
        confirmed, is a transfer, or the futures wallet's own loss. `before`: the open difference
        before this reading.
        """
        doubted = [row for row in self._wallets() if row[1].agreement.doubt is not None]
        if before is not None and both(before.candidates, self._candidates(), CENT):
            for _, wallet in doubted:
                before.date(wallet.agreement.doubt, at)
        if len(doubted) > 1 and abs(self.difference) < CENT:
            for currency, wallet in doubted:
                self.set_right(currency, wallet, wallet.doubted, at)
            return
        self._take_back(doubted, at)
        self._convert(doubted, at)
        self._take_back(doubted, at)  # the rest of a difference after conversions
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
        """Dollars that one wallet lacks and another has in excess were converted; the rest is one
        transfer, of one moment.
        """
        is_open = bool(self.books.futures_cash.lost)  # one of them may be that loss
        if is_open or not all(_is_confirmed(wallet) for _, wallet in doubted):
            return
        less = -sum((min(ZERO, wallet.doubted) for _, wallet in doubted), ZERO)
        more = sum((max(ZERO, wallet.doubted) for _, wallet in doubted), ZERO)
        converted = min(less, more)
        assert converted >= ZERO
        for currency, wallet in doubted if converted else ():
            change = converted if wallet.doubted > ZERO else -converted
            self.set_right(currency, wallet, change, at)

    def _move_dollars(
        self, currency: str, wallet: Wallet, at: datetime, actions: list[Action]
    ) -> None:
        """A confirmed difference of dollars is a transfer, once no other explanation is open."""
        futures, doubt = self.books.futures_cash, wallet.agreement.doubt
        assert doubt is not None
        if doubt.difference == futures.lost:
            # A contract that has expired may be read later than it was paid for.
            if at >= doubt.first_at + self.lag:
                self._tell_lost(futures.lost, actions)
                self.transfer(currency, wallet, at, actions)
        elif self.is_open(wallet.agreement, at) or self._may_be_converted(wallet, at):
            return
        elif doubt.is_whole or self._others_were_read(doubt.first_at, at):
            self._note_dollars(doubt, at)
            self.transfer(currency, wallet, at, actions)

    def _note_dollars(self, doubt: Doubt, at: datetime) -> None:
        """A transfer of dollars may turn out to be one side of a sweep, and the differences that
        two wallets show at once may together be one side.
        """
        pnl = self.books.account.net_pnl if doubt.first is None else doubt.first.pnl
        moved, known = DollarsMoved(at, doubt.difference, pnl, doubt.first_at), self.dollars_moved
        if known and known[-1].at == at:
            moved = DollarsMoved(at, known.pop().quantity + doubt.difference, pnl, doubt.first_at)
        self.dollars_moved = [*known, moved][-DOLLARS_MOVED_MAX:]

    def _may_be_converted(self, wallet: Wallet, at: datetime) -> bool:
        """Whether it is open by how much the other wallet of dollars differs: a part of this may have been
        converted. That is told within minutes of when it fell into doubt, or never.
        """
        doubts = [one.agreement.doubt for _, one in self._wallets() if one is not wallet]
        return any(
            doubt is not None and not doubt.confirmed and at < doubt.since + MAY_BE_CONVERTED_FOR
            for doubt in doubts
        )

    def _tell_lost(self, lost: Decimal, actions: list[Action]) -> None:
        """The futures wallet lost by itself, and neither fills nor funding tell why: it may have been a
        transfer, and it may have been a loss. It is reckoned both ways.
        """
        futures = self.books.futures_cash
        assert lost < ZERO, "a gain was told as a loss"
        self.books.losses_unexplained.append(-lost)
        futures.lost = ZERO
        text = (
            f"the futures wallet has {in_words(-lost, 'usd')} less than fills, fees and funding explain; it is "
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
                booked = now
                if transfer.pnl is not None:
                    booked = Point(transfer.pnl, ONE, at=transfer.first_at, view=CONFIRMED)
                self.books.move(Moved(SPOT_CASH, ZERO, change, booked, now, undoes=transfer.at))
                return True
        return False

    def has_shown(self, change: Decimal, at: datetime) -> bool:
        """Whether dollars have shown the other side of the futures wallet's movement: as a
        difference that only waits for this, whichever of them it was converted to, or as a
        transfer.
        """
        for currency, wallet in self._wallets():
            doubt = wallet.agreement.doubt
            if doubt is not None and doubt.confirmed and wallet.doubted == -change:
                self.set_right(currency, wallet, -change, at)
                return True
        return self.takes_back(change, at)

    def _others_were_read(self, since: datetime, at: datetime) -> bool:
        """Whether the futures wallet need not be waited for: an account without futures has no
        sweeps, and the wallet of one with futures may lag for a while.
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
        self.books.note_doubt(currency, wallet.agreement, counts=False)


def _is_confirmed(wallet: Wallet) -> bool:
    return wallet.agreement.doubt is not None and wallet.agreement.doubt.confirmed
