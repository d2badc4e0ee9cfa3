"""Wallets: available balances and holds, per currency. No I/O."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from sidecar.core.vocabulary.money import ZERO, share


class Balance(NamedTuple):
    """One currency at one moment. Total = available + held."""

    currency: str
    available: Decimal
    held: Decimal


class Wallet(Struct, kw_only=True):
    """One currency. `cost` is the price paid for the coins held, in USD, fees left out."""

    currency: str
    available: Decimal = ZERO
    held: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.available + self.held


class StuckHold(NamedTuple):
    """The hold of an ended order, as a reader still sees it for a while."""

    currency: str
    amount: Decimal
    since: datetime
    until: datetime


class Accounts:
    """All wallets of the account. No balance ever goes below zero: one that would is our fault."""

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self._wallets: dict[str, Wallet] = {}
        self._past: deque[tuple[datetime, tuple[Balance, ...], Decimal]] = deque()
        self._stuck: list[StuckHold] = []
        self._changed = True  # since the past was last written
        for currency, amount in balances.items():
            self.wallet(currency).available = amount

    def __iter__(self) -> Iterator[Wallet]:
        """Every currency ever touched, in the order they were."""
        return iter(self._wallets.values())

    def wallet(self, currency: str) -> Wallet:
        """The wallet of this currency, opened when it is first touched."""
        wallet = self._wallets.get(currency)
        if wallet is None:
            wallet = self._wallets[currency] = Wallet(currency=currency)
        return wallet

    def available(self, currency: str) -> Decimal:
        """The amount that may be spent; opens no wallet."""
        wallet = self._wallets.get(currency)
        return wallet.available if wallet else ZERO

    def held(self, currency: str) -> Decimal:
        """The holds of open orders; opens no wallet."""
        wallet = self._wallets.get(currency)
        return wallet.held if wallet else ZERO

    def hold(self, currency: str, amount: Decimal) -> None:
        """Set aside for an order; a negative amount frees again."""
        wallet = self.wallet(currency)
        wallet.available -= amount
        wallet.held += amount
        self._change(wallet)

    def spend_held(self, currency: str, amount: Decimal) -> None:
        """An amount on hold leaves the account."""
        wallet = self.wallet(currency)
        if wallet.cost:
            wallet.cost -= share(wallet.cost, amount, wallet.total)
        wallet.held -= amount
        self._change(wallet)

    def receive(self, currency: str, amount: Decimal, cost: Decimal = ZERO) -> None:
        """Credit the proceeds of a fill, bought for `cost` USD; a negative amount is a debit."""
        wallet = self.wallet(currency)
        wallet.available += amount
        wallet.cost += cost
        self._change(wallet)

    def withdraw(self, currency: str, amount: Decimal) -> None:
        """The available amount leaves the account, and its part of the cost with it."""
        wallet = self.wallet(currency)
        if wallet.cost:
            wallet.cost -= share(wallet.cost, amount, wallet.total)
        wallet.available -= amount
        self._change(wallet)

    def _change(self, wallet: Wallet) -> None:
        assert wallet.available >= 0, f"{wallet.currency}: more was spent than is available"
        assert wallet.held >= 0, f"{wallet.currency}: more was freed than is on hold"
        self._changed = True

    # ---------------------------------------------------------- the view of a reader with a lag

    def remember(self, now: datetime, horizon: datetime, futures_cash: Decimal) -> None:
        """Keep the present state, if it is new, and one state at or before `horizon`."""
        if self._changed or not self._past or self._past[-1][2] != futures_cash:
            if len(self._past) > 1 and self._past[-1][0] == now:
                self._past.pop()
            self._past.append((now, self.balances(), futures_cash))
            self._changed = False
        while len(self._past) > 1 and self._past[1][0] <= horizon:
            self._past.popleft()

    def forget(self) -> None:
        """No reader lags any more."""
        self._past.clear()

    def balances(self) -> tuple[Balance, ...]:
        return tuple(_row(wallet) for wallet in self)

    def as_of(self, moment: datetime) -> Iterable[Balance]:
        """The balances that were true at `moment`, or the oldest remembered."""
        state = self._state_as_of(moment)
        return state[0] if state is not None else self.balances()

    def dollars_as_of(self, moment: datetime) -> tuple[Balance, Decimal] | None:
        """The USD wallet and the futures wallet's cash at `moment`; None: there is no memory of it."""
        state = self._state_as_of(moment)
        if state is None:
            return None
        none = Balance("USD", ZERO, ZERO)
        return next((row for row in state[0] if row.currency == "USD"), none), state[1]

    def _state_as_of(self, moment: datetime) -> tuple[tuple[Balance, ...], Decimal] | None:
        for at, balances, futures_cash in reversed(self._past):
            if at <= moment:
                return balances, futures_cash
        return self._past[0][1:] if self._past else None

    def seen(self, now: datetime, lag_of: Callable[[str], timedelta]) -> list[Balance]:
        """A reader's view now: each wallet as old as its lag, with the holds that are stuck.

        A wallet that was not there yet is not seen.
        """
        rows = []
        for wallet in self:
            lag = lag_of(wallet.currency)
            row = self._row_as_of(wallet, now - lag) if lag else _row(wallet)
            if row is not None:
                rows.append(self._with_stuck(row, now, now - lag) if self._stuck else row)
        return rows

    def _row_as_of(self, wallet: Wallet, moment: datetime) -> Balance | None:
        rows = self.as_of(moment)
        return next((row for row in rows if row.currency == wallet.currency), None)

    def stick(self, currency: str, amount: Decimal, since: datetime, until: datetime) -> None:
        """Show a hold that has been freed until then; the total stays as it is."""
        self._stuck = [row for row in self._stuck if row.until > since]
        self._stuck.append(StuckHold(currency, amount, since, until))

    def _with_stuck(self, row: Balance, now: datetime, moment: datetime) -> Balance:
        stuck = sum(
            (
                hold.amount
                for hold in self._stuck
                if hold.currency == row.currency and hold.since <= moment and now < hold.until
            ),
            ZERO,
        )
        shown = min(stuck, row.available)
        return row._replace(available=row.available - shown, held=row.held + shown)


def _row(wallet: Wallet) -> Balance:
    return Balance(wallet.currency, wallet.available, wallet.held)
