"""What Coinbase tells of the account beside its orders: wallets, futures and funding, its fees, and holdings in
other venues. No I/O.
"""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from sidecar.core.vocabulary.events.event import Event
from sidecar.core.vocabulary.money import ZERO


class Balance(Struct, frozen=True, omit_defaults=True):
    """One wallet. `average_entry_price` is Coinbase's, in USD, shown until own fills say better."""

    currency: str
    available: Decimal
    hold: Decimal = ZERO
    average_entry_price: Decimal | None = None


class WalletApart(Struct, frozen=True):
    """Another wallet of a currency, with money in it that may not be traded, as far as is told. `words` name both
    and their amounts.
    """

    currency: str
    words: str


class BalancesRead(Event, frozen=True, kw_only=True, tag=True):
    """Wallets as read at `at`. `fills_until`: every fill up to then was applied before. `is_complete`: every wallet
    that Coinbase has is here, or is `unread` (its row made no sense) or `apart` (not counted).
    """

    balances: tuple[Balance, ...]
    fills_until: datetime | None = None
    is_complete: bool = False
    unread: tuple[str, ...] = ()
    apart: tuple[WalletApart, ...] = ()


class FuturesPosition(Struct, frozen=True, omit_defaults=True):
    """A futures position: signed number of contracts."""

    product_id: str
    contracts: Decimal
    average_entry_price: Decimal | None = None


class FuturesRead(Event, frozen=True, kw_only=True, tag=True):
    """All futures positions as read at `at`; a known one that is absent is flat."""

    positions: tuple[FuturesPosition, ...]
    fills_until: datetime | None = None


class FuturesAbsent(Event, frozen=True, kw_only=True, tag=True):
    """Coinbase says that the account has no futures, or the configuration does."""


class FuturesUnread(Event, frozen=True, kw_only=True, tag=True):
    """Futures could not be read: the account may have some. `reason`: why they could not."""

    reason: str


class FuturesSummaryRead(Event, frozen=True, kw_only=True, tag=True):
    """Coinbase's futures wallet. Money in USD, the buffer in percent. `spot_cash`: the wallet of USD in the
    same moment; `funding_pnl`: the running figure of funding; None where not told. `fills_until`: every
    fill up to then was applied before this event; None: a frame, told as it happens. `told_at`: Coinbase's
    own stamp of a frame, which trades are compared with. `initial_margin`: what is posted for the open contracts.
    """

    wallet: Decimal
    buying_power: Decimal
    liquidation_buffer_percentage: Decimal
    funding_pnl: Decimal | None = None
    fills_until: datetime | None = None
    spot_cash: Decimal | None = None
    told_at: datetime | None = None
    initial_margin: Decimal | None = None


class FundingPaid(Event, frozen=True, kw_only=True, tag=True):
    """Funding of a perpetual-style future, USD: received when positive. `entry_id`: of the fill that told it."""

    product_id: str
    amount: Decimal
    entry_id: str = ""
    paid_at: datetime | None = None


class FeesRead(Event, frozen=True, kw_only=True, tag=True):
    """The account's fee tier, as fractions of filled value."""

    taker_rate: Decimal
    maker_rate: Decimal


class Venue(Struct, frozen=True):
    """One of Coinbase's venues that is not counted here, the worth in it as far as it is told, USD, and how many
    positions are.
    """

    venue: str
    usd: Decimal
    positions: int = 0


class ElsewhereRead(Event, frozen=True, kw_only=True, tag=True):
    """Holdings in Coinbase's other venues, as Coinbase tells them."""

    venues: tuple[Venue, ...]


class ProductElsewhere(Event, frozen=True, kw_only=True, tag=True):
    """A product that facts name and that is neither a coin's nor a future's, or is not listed any more."""

    product_id: str
    why: str
