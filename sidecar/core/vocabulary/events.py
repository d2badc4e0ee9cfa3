"""Every fact that may enter the core; its mirror is `actions`, all that it may ask for. No I/O.

An event is frozen, carries the time `at` at which it became known (market clock, aware, UTC), and is all that
a decision depends on besides the events before it: the same events give the same decisions.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.products import Product
from sidecar.core.vocabulary.told import Quote as Quote  # noqa: PLC0414 - exported, being a part of many facts
from sidecar.core.vocabulary.told import Venue, WalletApart

Feed = Literal["market", "user"]
FeedSignal = Literal["connected", "gap", "lost"]
LossWindow = Literal["daily", "cumulative", "drawdown"]
ReleaseReason = Literal["released", "never_arrived"]
OnDisconnect = Literal["nothing", "cancel_orders", "flatten"]
AttemptOutcome = Literal["accepted", "refused", "not_sent", "unknown"]


class Event(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """A fact. `at` is when it became known, on the market clock."""

    at: datetime


# --- The market -----------------------------------------------------------------------------------


class Quotes(Event, frozen=True, kw_only=True, tag=True):
    """New best bids and asks, the newest of each product."""

    quotes: tuple[Quote, ...]


class QuotesConfirmed(Event, frozen=True, kw_only=True, tag=True):
    """Coinbase's REST best_bid_ask, read to confirm a loss that the feed showed; `at` of each quote is when its read
    began. `unanswered`: books that cannot be had: their call failed, or they were asked for alone.
    """

    quotes: tuple[Quote, ...]
    unanswered: tuple[str, ...] = ()


class ConfirmationUnavailable(Event, frozen=True, kw_only=True, tag=True):
    """REST could not confirm within its time; the feed's word stands."""


class ProductsListed(Event, frozen=True, kw_only=True, tag=True):
    """Products as Coinbase lists them now; others stay as they were."""

    products: tuple[Product, ...]


class ProductElsewhere(Event, frozen=True, kw_only=True, tag=True):
    """A product that facts name and that is neither a coin's nor a future's, or is not listed any more."""

    product_id: str
    why: str


class ElsewhereRead(Event, frozen=True, kw_only=True, tag=True):
    """Holdings in Coinbase's other venues, as Coinbase tells them."""

    venues: tuple[Venue, ...]


class ClosesRead(Event, frozen=True, kw_only=True, tag=True):
    """The closing prices of a book in past periods, from Coinbase's candles: (start, close), start
    in UNIX seconds. Periods of `period_s` seconds from `since` on, over by `until`, were asked for;
    one that is missing had no trade.
    """

    book: str
    period_s: int
    since: int
    until: int
    closes: tuple[tuple[int, Decimal], ...]


class FeedChanged(Event, frozen=True, kw_only=True, tag=True):
    """A feed came up, lost frames, or was lost. `reason`: why, where it is known."""

    feed: Feed
    signal: FeedSignal
    reason: str = ""


# --- The account ----------------------------------------------------------------------------------


class OrderReported(Event, frozen=True, kw_only=True, tag=True):
    """One order as Coinbase reports it: in a frame, a row of a listing, or an answer.

    Quantities are in the product's order units and cumulative; prices in quote currency. `leaves`
    is the open rest. `parent_id` is the order it came from; `attached` says that an order follows
    when this one fills, `child_id` which. `by_coinbase`: a liquidation or a roll, not a bot's. `triggered`: of a stop;
    `is_stop`: a stop-limit order, whose stop may not be told. `by_rest`: a row of REST, which names the very
    product; a frame may name that whose book it shares.
    """

    order_id: str
    product_id: str
    side: Side
    status: str
    client_order_id: str = ""
    filled: Decimal = ZERO
    average_price: Decimal = ZERO
    fees: Decimal = ZERO
    leaves: Decimal | None = None
    base_size: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    rests: bool = True
    strategy_id: str | None = None
    created_at: datetime | None = None
    parent_id: str = ""
    child_id: str = ""
    attached: bool = False
    is_market: bool = False
    by_coinbase: bool = False
    triggered: bool = False
    is_stop: bool = False
    by_rest: bool = False


TradeType = Literal["FILL", "REVERSAL", "CORRECTION", "SYNTHETIC"]


class FillReported(Event, frozen=True, kw_only=True, tag=True):
    """One row of Coinbase's fills. `size` in order units, `price` in quote currency. `by_value`: the size was
    worked out from the value, which Coinbase told: it is not to the last decimal. `by_rest`: as of an order.
    """

    entry_id: str
    order_id: str
    product_id: str
    side: Side
    price: Decimal
    size: Decimal
    commission: Decimal = ZERO
    commission_currency: str = ""
    trade_type: TradeType = "FILL"
    strategy_id: str | None = None
    client_order_id: str = ""
    traded_at: datetime | None = None
    by_value: bool = False
    by_rest: bool = False


class Balance(Struct, frozen=True, omit_defaults=True):
    """One wallet. `average_entry_price` is Coinbase's, in USD, shown until own fills say better."""

    currency: str
    available: Decimal
    hold: Decimal = ZERO
    average_entry_price: Decimal | None = None


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
    own stamp of a frame, which trades are compared with.
    """

    wallet: Decimal
    buying_power: Decimal
    liquidation_buffer_percentage: Decimal
    funding_pnl: Decimal | None = None
    fills_until: datetime | None = None
    spot_cash: Decimal | None = None
    told_at: datetime | None = None


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


class OpenOrdersListed(Event, frozen=True, kw_only=True, tag=True):
    """A listing of open orders: every page, PENDING and QUEUED too, from both sources.

    `began_at`: when the first page was asked for; orders born after it may be missing.
    `is_complete`: else Coinbase said that there was more, and did not tell it.
    """

    order_ids: tuple[str, ...]
    began_at: datetime
    is_complete: bool = True


class FillPassedOver(Event, frozen=True, kw_only=True, tag=True):
    """A fill that cannot be read, or cannot be, was looked at so often that no more is waited for it."""

    words: str


class OrderVanished(Event, frozen=True, kw_only=True, tag=True):
    """An order told as open that no listing has and Coinbase does not know by its id, or tells nonsense of, for so
    long that it is no delay.
    """

    order_id: str


class AccountReconciled(Event, frozen=True, kw_only=True, tag=True):
    """Orders, fills and balances since the last known moment have all been read and applied.

    `fills_until`: every fill up to then has been. `began_at` is when the listing of orders began:
    frames lost after it may have told of orders that it does not hold. None: now (library use).
    """

    fills_until: datetime | None = None
    began_at: datetime | None = None


class ReconciliationFailed(Event, frozen=True, kw_only=True, tag=True):
    """No reading has succeeded for so long that only the user feed vouches for the books. `reason`:
    why not.
    """

    reason: str


# --- The bot --------------------------------------------------------------------------------------


class Asker(Struct, frozen=True, omit_defaults=True):
    """Who asks: the user that the kernel names, and the name that was given in hello on that connection, if any."""

    uid: int
    name: str = ""


class Unreadable(Struct, frozen=True, omit_defaults=True):
    """A long body that is no order: why, in (code, message) pairs, the id that it states, how it
    begins, and how long it is. The part kept is bounded, however long the body was.
    """

    faults: tuple[tuple[str, str], ...]
    client_order_id: str
    begins: str
    bytes: int


class OrderProposed(Event, frozen=True, kw_only=True, tag=True):
    """A bot asks whether it may send `body`, a create-order call's JSON; `unreadable` in place of a
    body that is no order.
    """

    body: Any
    strategy_id: str | None = None
    dry_run: bool = False
    asker: Asker | None = None
    unreadable: Unreadable | None = None


class EditProposed(Event, frozen=True, kw_only=True, tag=True):
    """A bot asks whether it may edit an order; price and size are the new totals, as text."""

    order_id: str | None = None
    client_order_id: str | None = None
    price: Any = None
    size: Any = None
    dry_run: bool = False
    asker: Asker | None = None


class CloseProposed(Event, frozen=True, kw_only=True, tag=True):
    """A bot asks whether it may have Coinbase close a position by `close_position`; `size` in contracts, as
    text, None for all of it.
    """

    product_id: str
    client_order_id: str
    size: Any = None
    strategy_id: str | None = None
    dry_run: bool = False
    asker: Asker | None = None


class ReservationReleased(Event, frozen=True, kw_only=True, tag=True):
    """The approved order will not be sent or was refused by Coinbase (`released`), or a look-up
    shows that it never arrived. `decision_id` is the approval that a look-up answers: a later one
    of the same id stays. None releases the approval that is there, for an `asker` its own only.
    """

    client_order_id: str
    decision_id: str | None = None
    reason: ReleaseReason = "released"
    asker: Asker | None = None


class BotConnected(Event, frozen=True, kw_only=True, tag=True):
    """A bot gave its name, on a connection of its own, and the action for when it is gone without `bye`."""

    name: str
    uid: int
    strategy_id: str | None = None
    on_disconnect: OnDisconnect = "nothing"


class BotDropped(Event, frozen=True, kw_only=True, tag=True):
    """A bot's connection ended without `bye`."""

    name: str
    uid: int


class BotLeft(Event, frozen=True, kw_only=True, tag=True):
    """A bot said `bye` on its connection."""

    name: str
    uid: int


# --- The operator and the host --------------------------------------------------------------------


class Started(Event, frozen=True, kw_only=True, tag=True):
    """A new process has taken up the books: no feed is live, no reading done. `unclean_since`: the
    last moment known of a process that was killed; None after an orderly stop. `ahead`: see
    `ClocksCompared`.
    """

    unclean_since: datetime | None = None
    ahead: timedelta = timedelta()


class Stopped(Event, frozen=True, kw_only=True, tag=True):
    """The process ends in order: all facts are on disk."""


class ClockAdvanced(Event, frozen=True, kw_only=True, tag=True):
    """Only time has passed."""


class ClocksCompared(Event, frozen=True, kw_only=True, tag=True):
    """The machine's clock, which `at` is told by, is so far ahead of Coinbase's; behind where negative."""

    ahead: timedelta


class HaltRequested(Event, frozen=True, kw_only=True, tag=True):
    """An operator halts all trading; `fault` says the sidecar does so itself. `abort_liquidation`
    ends a flattening that is under way, too; `cancel_adding` has open orders that add risk
    cancelled.
    """

    reason: str
    by: str = "operator"
    fault: bool = False
    abort_liquidation: bool = False
    cancel_adding: bool = False


class ReduceOnlyRequested(Event, frozen=True, kw_only=True, tag=True):
    """An operator allows reducing orders only: everywhere, of one product or one strategy; as with `HaltRequested`."""

    reason: str
    by: str = "operator"
    product_id: str | None = None
    strategy_id: str | None = None
    cancel_adding: bool = False


class ResumeRequested(Event, frozen=True, kw_only=True, tag=True):
    """An operator lifts the causes that may be lifted."""

    reason: str
    by: str = "operator"


class FlattenRequested(Event, frozen=True, kw_only=True, tag=True):
    """An operator, or a dead bot's session, wants the account flat."""

    reason: str
    by: str = "operator"


class LossReset(Event, frozen=True, kw_only=True, tag=True):
    """An operator starts a loss window anew from the present figures."""

    window: LossWindow
    reason: str
    by: str = "operator"


class LimitsReplaced(Event, frozen=True, kw_only=True, tag=True):
    """New limits take the place of the old ones, whole; `custom` must stay as it is."""

    limits: Limits
    reason: str = ""
    by: str = "operator"


class DiskChanged(Event, frozen=True, kw_only=True, tag=True):
    """The disk is full, or has room again. `hangs`: it does not answer, which is as bad."""

    full: bool
    hangs: bool = False


# --- A liquidation --------------------------------------------------------------------------------


class AttemptAnswered(Event, frozen=True, kw_only=True, tag=True):
    """The outcome of sending an order of a liquidation. `order_id` where Coinbase accepted it.
    `not_sent`: it certainly did not reach Coinbase; `unknown`: it may have.
    """

    client_order_id: str
    outcome: AttemptOutcome
    order_id: str = ""
    reason: str = ""


class AttemptMissing(Event, frozen=True, kw_only=True, tag=True):
    """An order whose sending had no answer was looked for, often enough, and is not there."""

    client_order_id: str


class AccountRead(Event, frozen=True, kw_only=True, tag=True):
    """A reading for a liquidation has ended: open orders, fills and balances were handed over.

    `reading` is the number it was asked under, `began_at` when its first page was asked for;
    `missing` are orders asked for by id that Coinbase does not know.
    """

    reading: int
    began_at: datetime
    missing: tuple[str, ...] = ()


class LiquidationEnded(Event, frozen=True, kw_only=True, tag=True):
    """An operator aborted the episode; or, in library use, the caller flattened the account."""

    flat: bool
    reason: str = ""
