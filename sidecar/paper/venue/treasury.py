"""Money that moves without an order: in and out, to and from the futures wallet, and funding. No I/O.

Only deposits, withdrawals and funding change the account's worth; a sweep only
moves dollars between the two wallets of the account. Source of the sweeps' behaviour: Coinbase
Advanced Trade API, "Schedule Futures Sweep"; behaviour not documented there is a choice, and
docs/paper-exchange.md says it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal
from uuid import uuid5

from msgspec import Struct

from sidecar.core.vocabulary.money import ZERO, plain
from sidecar.core.vocabulary.products import DOLLARS
from sidecar.paper.venue.agenda import Agenda
from sidecar.paper.venue.engine import Engine
from sidecar.paper.venue.event import FuturesChanged
from sidecar.paper.venue.listing import FIAT, Listing
from sidecar.paper.venue.order import Side

TransferKind = Literal["deposit", "withdrawal", "airdrop", "staking_out"]
Wallet = Literal["spot", "futures"]

OUTWARD: Final = frozenset({"withdrawal", "staking_out"})
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)


class Declined(Exception):
    """Money does not move so; the text says why, and the money there is."""


class Sweep(Struct, frozen=True):
    """Cash that is to leave the futures wallet at a time; no amount: all that is free then."""

    sweep_id: str
    amount: Decimal | None
    at: datetime
    entry: int  # on the agenda


class _Funding(Struct, frozen=True):
    """Funding that fell due and is not in the wallet yet; `told`: by `funding_pnl`."""

    amount: Decimal
    told: bool


class Treasury:
    """The account's money, but for the effects of orders. Its callers let time pass first."""

    def __init__(self, engine: Engine, agenda: Agenda, now: datetime) -> None:
        self._engine = engine
        self._agenda = agenda
        self._sweeps = 0
        self._unpaid: dict[str, _Funding] = {}
        self._payments = 0
        self.pending: Sweep | None = None
        if engine.behaviour.sweep_every:
            self._agenda.put(self._next_sweep(now), "sweep")

    # ------------------------------------------------------------------------------- in and out

    def transfer(self, kind: TransferKind, currency: str, amount: Decimal) -> None:
        """Money comes in or leaves; a deposit is booked as bought at the present price, and at the
        first price where there is none yet. Raises Declined.
        """
        if kind in OUTWARD:
            self._withdraw(kind, currency, amount)
            return
        if kind == "deposit" and currency not in _currencies(self._engine.listings):
            raise Declined(f"no product trades {currency}; only an airdrop brings such a coin")
        worth = ZERO if currency in DOLLARS else amount * self._engine.usd(currency)
        self._engine.accounts.receive(currency, amount, cost=worth)

    def _withdraw(self, kind: TransferKind, currency: str, amount: Decimal) -> None:
        accounts = self._engine.accounts
        available, held = accounts.available(currency), accounts.held(currency)
        if amount > available:
            raise Declined(
                f"{kind} of {plain(amount)} {currency} is more than is available: "
                f"{plain(available)} {currency}, and {plain(held)} on hold"
            )
        accounts.withdraw(currency, amount)

    # ----------------------------------------------------------------------------------- sweeps

    def sweep(self, to: Wallet, amount: Decimal | None) -> Decimal:
        """Move dollars between the spot and the futures wallet; None: all that is free.

        The amount moved, USD. Raises Declined when so much is not free.
        """
        free = self._free(to)
        if amount is not None and amount > free:
            raise Declined(
                f"a sweep of {plain(amount)} USD to {to} is more than is free: {plain(free)} USD"
            )
        moved = free if amount is None else amount
        self._move(to, moved)
        return moved

    def _free(self, to: Wallet) -> Decimal:
        if to == "futures":
            return self._engine.accounts.available("USD")
        return self._engine.margin().free

    def _move(self, to: Wallet, amount: Decimal) -> None:
        if not amount:
            return
        engine = self._engine
        if to == "spot":
            engine.futures.cash -= amount
            engine.accounts.receive("USD", amount)
        else:
            engine.accounts.withdraw("USD", amount)
            engine.futures.cash += amount
        engine.outbox.append(FuturesChanged())

    def schedule(self, amount: Decimal | None, now: datetime) -> Sweep:
        """Ask for a sweep to the spot wallet at the next time for it. Raises Declined."""
        if self.pending is not None:
            raise Declined("a sweep is pending already; cancel it first")
        self._sweeps += 1
        sweep_id = str(uuid5(self._engine.run, f"sweep/{self._sweeps}"))
        at = self._next_sweep(now)
        entry = self._agenda.put(at, "sweep", sweep_id)
        self.pending = Sweep(sweep_id, amount, at, entry)
        return self.pending

    def cancel(self) -> bool:
        """Take the pending sweep back; whether there was any."""
        if self.pending is None:
            return False
        self._agenda.drop(self.pending.entry)
        self.pending = None
        return True

    def sweep_due(self, sweep_id: str, now: datetime) -> None:
        """It is time for a sweep: of the amount asked for, as far as it is free, or of all."""
        wanted = None
        if sweep_id:
            assert self.pending is not None
            wanted, self.pending = self.pending.amount, None
        elif self._engine.behaviour.sweep_every:
            self._agenda.put(self._next_sweep(now), "sweep")
        else:
            return
        free = self._free("spot")
        self._move("spot", free if wanted is None else min(free, wanted))

    def _next_sweep(self, now: datetime) -> datetime:
        """The next multiple of the time between two sweeps, counted from midnights UTC."""
        every = self._engine.behaviour.sweep_every or DAY
        return EPOCH + ((now - EPOCH) // every + 1) * every

    # ---------------------------------------------------------------------------------- funding

    def fund_hour(self, now: datetime) -> None:
        """An hour is over: its funding falls due, and margin that lacks moves over."""
        engine = self._engine
        paid = False
        for product_id, amount in engine.futures.due_funding(engine.mark):
            paid |= self._fall_due(product_id, amount, now)
        self._settle(paid=paid)

    def fund(
        self, product_id: str, now: datetime, *, amount: Decimal | None, rate: Decimal | None
    ) -> Decimal:
        """Funding of a contract falls due now: this amount (negative: the account pays), or a
        rate of the position's value (positive: longs pay). The amount, USD. Raises Declined.
        """
        engine = self._engine
        if amount is None:
            row = engine.futures.holdings.get(product_id)
            if row is None or not row.contracts:
                raise Declined(f"no position in {product_id} to take a rate of; give an amount")
            amount = engine.futures.funding_at(row, engine.mark(product_id), rate)
        self._settle(paid=self._fall_due(product_id, amount, now))
        return amount

    def _fall_due(self, product_id: str, amount: Decimal, now: datetime) -> bool:
        """Tell of it, and pay it or put that down; whether the wallet has moved."""
        engine, behaviour = self._engine, self._engine.behaviour
        told = behaviour.funding_told == "funding_pnl"
        if told:
            engine.futures.accrue(amount)
        else:
            short = engine.futures.contracts(product_id) < 0
            side: Side = "SELL" if short else "BUY"
            engine.receipts.write_funding(product_id, side, engine.mark(product_id), -amount, now)
        self._payments += 1
        number = str(self._payments)
        self._unpaid[number] = _Funding(amount, told)
        if not behaviour.funding_delay:
            self._pay(number)
            return True
        self._agenda.put(now + behaviour.funding_delay, "pay", number)
        return False

    def pay_due(self, number: str) -> None:
        """Funding that fell due earlier reaches the wallet."""
        self._pay(number)
        self._settle(paid=True)

    def _pay(self, number: str) -> None:
        due, futures = self._unpaid.pop(number), self._engine.futures
        if due.told:
            at_once = self._engine.behaviour.funding_resets == "on_payment"
            futures.pay_accrued(due.amount, resets=at_once)
        else:
            futures.cash += due.amount

    def _settle(self, *, paid: bool) -> None:
        if self._engine.settlement.top_up() or paid:
            self._engine.outbox.append(FuturesChanged())


def _currencies(listings: Mapping[str, Listing]) -> set[str]:
    """The currencies that may be deposited: money, and the assets of products."""
    return {*FIAT, *DOLLARS, *(name for row in listings.values() for name in (row.base, row.quote))}
