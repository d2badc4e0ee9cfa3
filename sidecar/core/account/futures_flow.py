"""FuturesFlow: futures positions and the futures wallet as Coinbase states them. No I/O."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from sidecar.core.account.balance_flow import BalanceFlow
from sidecar.core.account.books import Books
from sidecar.core.account.cash_pot import SPOT_CASH, SWEEP_LAG
from sidecar.core.account.other_marks import note_reading
from sidecar.core.account.reconciliation import Reconciliation
from sidecar.core.account.wallets import Wallet
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, Reconcile
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import CENT, COST_QUANTUM, ZERO, is_bounded, is_sane, readable

# REST lags its frames by as much as it may lack a sweep; should frames stop coming, a reading is believed again
# after this.
FRAME_HOLDS: Final = SWEEP_LAG


class FuturesFlow:
    """Contracts and the cash behind them. `agreement`: the outcome of each contract's readings."""

    def __init__(
        self, books: Books, balances: BalanceFlow, agreement: dict[str, Reconciliation]
    ) -> None:
        self.books = books
        self.balances = balances
        self.agreement = agreement

    # --- Positions -----------------------------------------------------------------------

    def positions(self, event: ev.FuturesRead) -> list[Action]:
        """All futures positions as read; a known contract that is absent is flat."""
        for stated in event.positions:
            entry = stated.average_entry_price
            if not (is_bounded(stated.contracts) and (entry is None or is_sane(entry))):
                raise Untrusted(
                    f"position in {stated.product_id}: an amount is beyond all bounds; nothing was read"
                )
        read = {position.product_id: position for position in event.positions}
        lines = self.books.account.lines
        held = [key for key, line in lines.items() if line.is_future and line.position.quantity]
        products = {product_id: self.books.product(product_id) for product_id in (*read, *held)}
        actions: list[Action] = []
        for product_id, product in sorted(products.items()):
            position = read.get(product_id)
            contracts = ZERO if position is None else position.contracts
            line = lines.get(product_id)
            booked = ZERO if line is None else line.position.quantity
            change = contracts * product.contract_size - booked
            if self.books.is_open and not self._is_confirmed(product_id, change, event, actions):
                continue
            if change:
                entry = None if position is None else position.average_entry_price
                self._follow(product_id, change, entry, actions)
        return actions

    def _is_confirmed(
        self, product_id: str, change: Decimal, event: ev.FuturesRead, actions: list[Action]
    ) -> bool:
        """Whether the books are to follow a reading of a position."""
        agreement = self.agreement.setdefault(product_id, Reconciliation())
        was_in_doubt = agreement.doubt is not None
        verdict = agreement.judge(change, event.at, event.fills_until)
        if verdict == "confirmed":
            agreement.doubt = None
        elif verdict == "differs" and not was_in_doubt:
            reason = f"Coinbase's position in {product_id} differs from the books"
            actions.append(Reconcile(reason=reason))
        self.books.note_doubt(product_id, agreement)
        return verdict == "confirmed"

    def _follow(
        self, product_id: str, change: Decimal, entry: Decimal | None, actions: list[Action]
    ) -> None:
        """Contracts came or went outside trading (an expiry, a settlement), at the mark. Departed
        contracts are paid for: the futures wallet will have their earnings.
        """
        line = self.books.line(self.books.account, product_id)
        cost, profit = line.position.entry_cost, self.books.account.futures_profit
        mark = self.books.marks.usd(product_id)
        leaves = line.position.quantity * change < ZERO
        self.books.transfer(line, change, mark, entry)
        if not self.books.is_open:
            return
        if leaves and mark is not None:
            self.books.futures_cash.total += line.position.entry_cost - cost - change * mark
        else:  # earnings from before they came are no PnL
            self.books.transfers += self.books.account.futures_profit - profit
        text = f"{readable(change)} of {product_id} came or went outside trading"
        actions.append(Alert(severity="info", code="TRANSFER", text=text))

    # --- Funding ---------------------------------------------------------------------------

    def funding(self, event: ev.FundingPaid) -> None:
        """Funding of one contract, told as a fill."""
        if not is_bounded(event.amount):
            raise Untrusted(f"funding of {event.product_id} is beyond all bounds; it was left out")
        product, futures = self.books.product(event.product_id), self.books.futures_cash
        opening_at, paid_at = self.books.opening_at, event.paid_at
        if opening_at is not None and paid_at is not None and paid_at < opening_at:
            return  # the balances that the books opened with hold it
        if futures.is_told_twice(event.entry_id, event.amount):
            return
        self.books.charge(self.books.account, product.key, ZERO, event.amount)
        futures.total += event.amount
        usd = self.books.wallets.by_currency.get(SPOT_CASH)
        if usd is not None:
            usd.agreement.book(event.at, event.amount, self.balances.pot.lag, swept=True)
            self.books.note_doubt(SPOT_CASH, usd.agreement, counts=False)

    # --- The wallet ----------------------------------------------------------------------

    def summary(self, event: ev.FuturesSummaryRead) -> list[Action]:
        """The futures wallet as Coinbase states it, and the dollars beside it."""
        numbers = (event.wallet, event.buying_power, event.liquidation_buffer_percentage)
        others = (event.funding_pnl or ZERO, event.spot_cash or ZERO, event.initial_margin or ZERO)
        if not all(is_bounded(number) for number in (*numbers, *others)):
            raise Untrusted("futures wallet: an amount is beyond all bounds; nothing was read")
        self.balances.futures = event
        actions: list[Action] = []
        if self.books.is_open and self.books.futures_cash.is_known:
            self._next_summary(event, actions)
        else:
            self._first_summary(event)
        return actions

    def _next_summary(self, event: ev.FuturesSummaryRead, actions: list[Action]) -> None:
        """The wallet and the dollars beside it, against what the books have."""
        futures = self.books.futures_cash
        is_frame, usd = event.fills_until is None, self.books.wallets.get(SPOT_CASH)
        before = self.balances.pot.first_shown()
        is_old = futures.is_overtaken(event.wallet, event.at, is_frame=is_frame, lag=FRAME_HOLDS)
        difference = ZERO if is_old else self._beyond_books(event, usd)
        if event.funding_pnl is not None:
            share_funding(self.books, futures.accrued(event.funding_pnl, difference))
        if is_old:
            return
        futures.settle(difference, event.wallet - futures.total)
        difference = self._beyond_books(event, usd)
        change = event.wallet - futures.total
        futures.total = event.wallet
        if change and change == difference and self.balances.pot.has_shown(change, event.at):
            return  # its other side is read, or was booked as a transfer of dollars
        self._set_right(event, usd, change, actions)
        self.balances.pot.resolve(event.at, actions, before)

    def _set_right(
        self, event: ev.FuturesSummaryRead, usd: Wallet, change: Decimal, actions: list[Action]
    ) -> None:
        """The futures wallet's excess comes from dollars, and the part that these do not show is their doubt."""
        agreement, was_in_doubt = usd.agreement, usd.agreement.doubt is not None
        usd.total -= change
        # Whether the dollars told beside it are those of the last reading of their wallet.
        is_read = (
            event.spot_cash is not None and event.spot_cash - usd.total == usd.doubted + change
        )
        agreement.moved(-change, is_read=is_read)
        self.books.wallets.revalue(usd, self.books.marks.usd(SPOT_CASH))
        if event.spot_cash is not None:
            left = event.spot_cash - usd.total
            self.books.futures_cash.note_loss(change, left)
            if event.fills_until is None:  # a frame, which has no lag
                self._judge_dollars(left, usd, event, actions, was_in_doubt=was_in_doubt)
            elif agreement.doubt is not None and abs(left - agreement.doubt.difference) < CENT:
                agreement.doubt.is_whole = True  # both sides of the pot are told
        if change and self.books.futures_cash.lost != change:  # else no dollars have moved
            agreement.note(event.at, -change, SWEEP_LAG, swept=True)
        self.balances.note_doubt(SPOT_CASH, usd)

    def _judge_dollars(
        self,
        left: Decimal,
        usd: Wallet,
        event: ev.FuturesSummaryRead,
        actions: list[Action],
        *,
        was_in_doubt: bool,
    ) -> None:
        agreement = usd.agreement
        if agreement.judge(left, event.at, None, CENT) != "differs":
            return
        assert agreement.doubt is not None
        note_reading(self.books, event.at)
        self.balances.moments.date(SPOT_CASH, agreement.doubt, event.at)
        agreement.doubt.by_frame = agreement.doubt.is_whole = True
        agreement.doubt.told_at = agreement.doubt.told_at or event.told_at
        if not was_in_doubt:
            actions.append(Reconcile(reason="Coinbase's dollars differ from the books"))

    def _beyond_books(self, event: ev.FuturesSummaryRead, usd: Wallet) -> Decimal:
        """The excess of the wallets of futures and USD over the books, USD."""
        futures = event.wallet - self.books.futures_cash.total
        return futures if event.spot_cash is None else futures + event.spot_cash - usd.total

    def _first_summary(self, event: ev.FuturesSummaryRead) -> None:
        """The wallet as found. Money that was there all along enters like any transfer."""
        futures = self.books.futures_cash
        if self.books.is_open:
            self.books.transfers += event.wallet - futures.total
        futures.is_known, futures.total = True, event.wallet
        futures.funding_pnl = event.funding_pnl


def share_funding(books: Books, amount: Decimal) -> None:
    """Funding that Coinbase tells for the account as a whole: each contract's share is its part of
    the notional held. Of contracts that are closed already, the last traded has it.
    """
    lines = [one for one in books.account.lines.values() if one.is_future]
    held = [(line.key, abs(line.position.quantity * (line.mark or ZERO))) for line in lines]
    held = [(key, notional) for key, notional in held if notional]
    if not held:
        traded = [key for key in books.account.pnl_by_key if books.is_future(key)]
        held = [(key, CENT) for key in traded[-1:]]
    if not held:
        books.transfers += amount
        return
    left, whole = amount, sum((notional for _, notional in held), ZERO)
    assert whole > ZERO
    for key, notional in held[:-1]:
        part = (amount * notional / whole).quantize(COST_QUANTUM, ROUND_HALF_EVEN)
        left -= part
        books.charge(books.account, key, ZERO, part)
    books.charge(books.account, held[-1][0], ZERO, left)
