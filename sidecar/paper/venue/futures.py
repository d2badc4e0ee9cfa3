"""The US futures account (CFM): contracts held, their earnings, their margin. No I/O.

Cash and contracts are booked by cost, so that a round trip makes or loses exactly the difference of
its prices. Figures after Coinbase's `GET /cfm/balance_summary` and `/cfm/positions`.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from msgspec import Struct

from sidecar.core.vocabulary.money import CENT, ZERO, floor_to, ratio, share
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.order import Side

HUNDRED = Decimal(100)
BUFFER_WITHOUT_POSITION = Decimal(1000)  # per cent; Coinbase's figure without a position


class Holding(Struct, kw_only=True):
    """One contract's position: signed contracts, and their opening cost, USD."""

    listing: Listing
    contracts: Decimal = ZERO
    cost: Decimal = ZERO
    realised_today: Decimal = ZERO

    @property
    def entry_price(self) -> Decimal:
        """Average price the position was opened at."""
        units = self.contracts * self.listing.multiplier
        return ratio(self.cost, units) if units else ZERO

    def value(self, mark: Decimal) -> Decimal:
        """Signed notional at `mark`, USD."""
        return self.contracts * self.listing.multiplier * mark

    def unrealised(self, mark: Decimal) -> Decimal:
        return self.value(mark) - self.cost


class Margin(Struct, frozen=True, kw_only=True):
    """The futures account in figures, USD."""

    spot_cash: Decimal  # available
    spot_held: Decimal
    futures_cash: Decimal
    unrealised: Decimal
    realised_today: Decimal
    funding: Decimal
    initial: Decimal
    overnight: Decimal
    orders_hold: Decimal

    @property
    def total(self) -> Decimal:
        return self.spot_total + self.futures_cash

    @property
    def spot_total(self) -> Decimal:
        """The USD of the spot account, holds of its orders included."""
        return self.spot_cash + self.spot_held

    @property
    def free(self) -> Decimal:
        """Cash beyond the positions' need, to the cent below: it may leave the account."""
        beyond = self.equity - self.initial
        if beyond >= self.futures_cash:
            return max(ZERO, self.futures_cash)
        return max(ZERO, floor_to(beyond, CENT))

    @property
    def equity(self) -> Decimal:
        """The equity behind the positions: futures cash and unrealised PnL."""
        return self.futures_cash + self.unrealised

    @property
    def available(self) -> Decimal:
        """The funds for new positions; USD of the spot account moves over by itself."""
        return self.spot_cash + self.equity - self.initial - self.orders_hold

    @property
    def buffer(self) -> Decimal:
        """How much may be lost before Coinbase liquidates."""
        return self.spot_cash + self.equity - self.initial

    @property
    def buffer_percentage(self) -> Decimal:
        return (
            ratio(self.buffer * HUNDRED, self.initial) if self.initial else BUFFER_WITHOUT_POSITION
        )


class FuturesAccount:
    """Contracts and cash at the futures merchant."""

    def __init__(self) -> None:
        self.cash = ZERO
        self.funding_pnl = ZERO
        self.holdings: dict[str, Holding] = {}
        self._accrued = ZERO  # funding that is told and not in the wallet yet
        self._offers: dict[str, Offers] = {}
        self._day: date | None = None

    def open_holdings(self) -> list[Holding]:
        return [row for row in self.holdings.values() if row.contracts]

    def contracts(self, product_id: str) -> Decimal:
        """Signed contracts held; zero when none ever were."""
        row = self.holdings.get(product_id)
        return row.contracts if row else ZERO

    def apply(self, listing: Listing, side: Side, size: Decimal, price: Decimal) -> None:
        """Book a fill of `size` contracts; the closed part is realised into cash."""
        row = self.holdings.setdefault(listing.product_id, Holding(listing=listing))
        signed = size if side == "BUY" else -size
        if row.contracts * signed < 0:
            closed = min(size, abs(row.contracts))
            signed_close = closed if side == "BUY" else -closed
            released = share(row.cost, closed, abs(row.contracts))
            proceeds = -signed_close * listing.multiplier * price
            row.cost -= released
            row.contracts += signed_close
            row.realised_today += proceeds - released
            self.cash += proceeds - released
            signed -= signed_close
        row.contracts += signed
        row.cost += signed * listing.multiplier * price

    def charge(self, fee: Decimal) -> None:
        self.cash -= fee

    def due_funding(self, mark: Callable[[str], Decimal]) -> list[tuple[str, Decimal]]:
        """An hour's funding of perpetual-style contracts, USD: longs pay a positive rate."""
        return [
            (row.listing.product_id, self.funding_at(row, mark(row.listing.product_id)))
            for row in self.open_holdings()
            if row.listing.contract is not None and row.listing.contract.funding_rate is not None
        ]

    @staticmethod
    def funding_at(row: Holding, mark: Decimal, rate: Decimal | None = None) -> Decimal:
        """A position's receipt at a rate (a ratio of its value), by default its contract's."""
        contract = row.listing.contract
        assert contract is not None
        return -row.value(mark) * (rate if rate is not None else contract.funding_rate or ZERO)

    def accrue(self, payment: Decimal) -> None:
        """Funding falls due: told as `funding_pnl`, and not in the wallet yet."""
        self.funding_pnl += payment
        self._accrued += payment

    def pay_accrued(self, payment: Decimal, *, resets: bool) -> None:
        """The accrual reaches the wallet; `resets`: and `funding_pnl` forgets it."""
        self.cash += payment
        self._accrued -= payment
        if resets:
            self.funding_pnl -= payment

    def roll(self, day: date) -> None:
        """Begin a new day's realised PnL and funding, once a day; the first call only dates them."""
        if self._day is None:
            self._day = day
        elif day != self._day:
            self._day = day
            self.funding_pnl = self._accrued
            for row in self.holdings.values():
                row.realised_today = ZERO

    # --------------------------------------------------------------------------------- margin

    def offer(self, listing: Listing, side: Side, contracts: Decimal) -> None:
        """Working orders on this side grow by so many contracts; a negative number shrinks them."""
        row = self._offers.setdefault(listing.product_id, Offers(listing=listing))
        if side == "BUY":
            row.buys += contracts
        else:
            row.sells += contracts

    def more_hold(self, listing: Listing, side: Side, contracts: Decimal, mark: Decimal) -> Decimal:
        """Margin that so many more contracts on offer would need, beyond the present need of
        orders.
        """
        now = self._offers.get(listing.product_id) or Offers(listing=listing)
        buys, sells = (contracts, ZERO) if side == "BUY" else (ZERO, contracts)
        then = Offers(listing=listing, buys=now.buys + buys, sells=now.sells + sells)
        held = self.contracts(listing.product_id)
        return then.hold(held, mark) - now.hold(held, mark)

    def margin(
        self, mark: Callable[[str], Decimal], spot_cash: Decimal, spot_held: Decimal
    ) -> Margin:
        """All figures, `mark` giving a contract's price, with the margin that working orders would
        need.
        """
        initial = overnight = unrealised = orders_hold = ZERO
        for row in self.open_holdings():
            price = mark(row.listing.product_id)
            notional = abs(row.value(price))
            contract = row.listing.contract
            assert contract is not None
            initial += notional * contract.intraday_margin_rate
            overnight += notional * contract.overnight_margin_rate
            unrealised += row.unrealised(price)
        for product_id, offers in self._offers.items():
            if offers.buys or offers.sells:
                orders_hold += offers.hold(self.contracts(product_id), mark(product_id))
        return Margin(
            spot_cash=spot_cash,
            spot_held=spot_held,
            futures_cash=self.cash,
            unrealised=unrealised,
            realised_today=sum((r.realised_today for r in self.holdings.values()), ZERO),
            funding=self.funding_pnl,
            initial=initial,
            overnight=overnight,
            orders_hold=orders_hold,
        )


class Offers(Struct, kw_only=True):
    """Contracts that working orders would buy and sell."""

    listing: Listing
    buys: Decimal = ZERO
    sells: Decimal = ZERO

    def hold(self, held: Decimal, mark: Decimal) -> Decimal:
        """Margin of the contracts that the orders could add beyond the position of `held`
        contracts.
        """
        contract = self.listing.contract
        assert contract is not None
        worst = max(abs(held + self.buys), abs(held - self.sells), abs(held))
        added = worst - abs(held)
        return added * self.listing.multiplier * mark * contract.intraday_margin_rate
