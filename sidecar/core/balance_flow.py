"""BalanceFlow: what Coinbase says the account holds, against what the books say. No I/O."""

from datetime import datetime
from decimal import Decimal

from sidecar.core import events as ev
from sidecar.core.actions import Action, Alert, Reconcile
from sidecar.core.books import Books
from sidecar.core.errors import Untrusted
from sidecar.core.money import ZERO, is_bounded, is_sane, plain
from sidecar.core.wallets import Agreement, Wallet


class BalanceFlow:
    """Balances, futures positions and the futures wallet, as Coinbase states them."""

    def __init__(self, books: Books, futures_agreement: dict[str, Agreement]) -> None:
        self.books = books
        self.futures_agreement = futures_agreement
        self.futures: ev.FuturesSummaryRead | None = None
        self.futures_base = ZERO  # futures equity that the futures' own PnL does not explain

    def balances(self, event: ev.BalancesRead) -> list[Action]:
        """Wallets as read: believed at the opening, later only once a read cannot be lagging."""
        for balance in event.balances:
            entry = balance.average_entry_price
            if not (
                is_bounded(balance.available)
                and is_sane(balance.hold)
                and (entry is None or is_sane(entry))
            ):
                raise Untrusted(
                    f"balance of {balance.currency}: an amount is beyond all bounds; nothing was read"
                )
        actions: list[Action] = []
        if not self.books.is_open:
            self.books.opening_at = event.at
        for balance in event.balances:
            known = balance.currency in self.books.wallets.by_currency
            wallet = self.books.wallets.get(balance.currency)
            read = balance.available + balance.hold
            if not self.books.is_open or not known:
                self._accept(balance, wallet, read, event.at)
                continue
            verdict = wallet.agreement.judge(wallet.total, read, event.at, event.fills_until)
            if verdict == "accepted" and wallet.may_hold_own_sale(read, event.at):
                verdict = "lagging"
            match verdict:
                case "agrees":
                    _note_hold(balance, wallet, event.at)
                case "accepted":
                    actions.append(_transfer_alert(balance.currency, read - wallet.total))
                    self._accept(balance, wallet, read, event.at)
                case "differs":
                    actions.append(
                        Reconcile(
                            reason=f"Coinbase's {balance.currency} balance differs from the books"
                        )
                    )
            self.books.wallets.note_doubt(balance.currency, wallet.agreement)
        return actions

    def _accept(self, balance: ev.Balance, wallet: Wallet, read: Decimal, at: datetime) -> None:
        """Let the wallet be what Coinbase says. What moves is not PnL: it comes or goes at the
        mark.
        """
        currency, change = balance.currency, read - wallet.total
        mark = self.books.marks.usd(currency)
        self.books.wallets.move(wallet, change, mark)
        _note_hold(balance, wallet, at)
        if self.books.is_open:
            if mark is None:
                wallet.unpriced += change
            else:
                self.books.transfers += change * mark
        self.books.match_wallet(currency, balance.average_entry_price)

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
        for product_id, product in sorted(products.items()):
            position = read.get(product_id)
            contracts = ZERO if position is None else position.contracts
            line = self.books.line(self.books.account, product_id)
            change = contracts * product.contract_size - line.position.quantity
            if self.books.is_open:
                agreement = self.futures_agreement.setdefault(product_id, Agreement())
                verdict = agreement.judge(
                    line.position.quantity,
                    line.position.quantity + change,
                    event.at,
                    event.fills_until,
                )
                self.books.wallets.note_doubt(product_id, agreement)
                if verdict == "differs":
                    actions.append(
                        Reconcile(
                            reason=f"Coinbase's position in {product_id} differs from the books"
                        )
                    )
                if verdict != "accepted":
                    change = ZERO
            if change:
                self.books.transfer(
                    line,
                    change,
                    self.books.marks.usd(product_id),
                    None if position is None else position.average_entry_price,
                )
            else:
                self.books.account.restate(line)
        return actions

    def summary(self, event: ev.FuturesSummaryRead) -> None:
        """The futures wallet as Coinbase states it. What neither PnL nor fees explain came by a
        sweep: a transfer.
        """
        numbers = (event.wallet, event.buying_power, event.liquidation_buffer_percentage)
        if not all(is_bounded(number) for number in numbers):
            raise Untrusted("futures wallet: an amount is beyond all bounds; nothing was read")
        self.futures = event
        before = self.futures_base
        self.rebase()
        if self.books.is_open:
            self.books.transfers += self.futures_base - before

    def rebase(self) -> None:
        """Take futures equity as Coinbase states it: the wallet and the profit against its own
        entry prices.
        """
        wallet = ZERO if self.futures is None else self.futures.wallet
        account = self.books.account
        self.futures_base = wallet + account.futures_profit - account.futures_pnl

    @property
    def futures_equity(self) -> Decimal:
        """The futures wallet as last read, and what futures have earned or lost since, USD."""
        return self.futures_base + self.books.account.futures_pnl


def _note_hold(balance: ev.Balance, wallet: Wallet, at: datetime) -> None:
    wallet.foreign_hold = max(ZERO, balance.hold - wallet.held)
    wallet.agreement.read_at = at


def _transfer_alert(currency: str, change: Decimal) -> Alert:
    way = "came in" if change > 0 else "went out"
    return Alert(
        severity="info",
        code="TRANSFER",
        text=f"{plain(abs(change))} {currency} {way} outside trading",
    )
