"""Wallets: what is available and what is on hold, per currency. No I/O."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from sidecar.core.money import ZERO, share


class Balance(NamedTuple):
    """One currency at one moment. Total = available + held."""

    currency: str
    available: Decimal
    held: Decimal


class Wallet(Struct, kw_only=True):
    """One currency. `cost` is what the coins held were bought for, in USD, fees left out."""

    currency: str
    available: Decimal = ZERO
    held: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.available + self.held


class Accounts:
    """All wallets of the account. Nothing here ever goes below zero: what would is our fault."""

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self._wallets: dict[str, Wallet] = {}
        self._past: deque[tuple[datetime, tuple[Balance, ...]]] = deque()
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
        """What may be spent; opens no wallet."""
        wallet = self._wallets.get(currency)
        return wallet.available if wallet else ZERO

    def hold(self, currency: str, amount: Decimal) -> None:
        """Set aside for an order; a negative amount frees again."""
        wallet = self.wallet(currency)
        wallet.available -= amount
        wallet.held += amount
        self._change(wallet)

    def spend_held(self, currency: str, amount: Decimal) -> None:
        """What was on hold leaves the account."""
        wallet = self.wallet(currency)
        if wallet.cost:
            wallet.cost -= share(wallet.cost, amount, wallet.total)
        wallet.held -= amount
        self._change(wallet)

    def receive(self, currency: str, amount: Decimal, cost: Decimal = ZERO) -> None:
        """Credit what a fill brought, bought for `cost` USD; a negative amount is a debit."""
        wallet = self.wallet(currency)
        wallet.available += amount
        wallet.cost += cost
        self._change(wallet)

    def _change(self, wallet: Wallet) -> None:
        assert wallet.available >= 0, f"{wallet.currency}: more was spent than is available"
        assert wallet.held >= 0, f"{wallet.currency}: more was freed than is on hold"
        self._changed = True

    # ---------------------------------------------------------- what a reader with a lag sees

    def remember(self, now: datetime, horizon: datetime) -> None:
        """Keep what is true now, if it is news, and one state at or before `horizon`."""
        if self._changed or not self._past:
            if len(self._past) > 1 and self._past[-1][0] == now:
                self._past.pop()
            self._past.append((now, self.balances()))
            self._changed = False
        while len(self._past) > 1 and self._past[1][0] <= horizon:
            self._past.popleft()

    def forget(self) -> None:
        """No reader lags any more."""
        self._past.clear()

    def balances(self) -> tuple[Balance, ...]:
        return tuple(Balance(w.currency, w.available, w.held) for w in self)

    def as_of(self, moment: datetime) -> Iterable[Balance]:
        """The balances that were true at `moment`, or the oldest remembered."""
        for at, state in reversed(self._past):
            if at <= moment:
                return state
        return self._past[0][1] if self._past else self.balances()
