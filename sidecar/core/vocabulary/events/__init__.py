"""Every fact that may enter the core; its mirror is `actions`, all that it may ask for. No I/O.

An event is frozen, carries the time `at` at which it became known (market clock, aware, UTC), and is all that
a decision depends on besides the events before it: the same events give the same decisions.

A module for each who tells them: Coinbase, of the market, the orders, the rest of the account, and how far it is
heard; bots; operators; the process itself; and the answers to a flattening. All are imported from here, by
programs that use the library too; the journal reads the facts named here, and no other.
"""

from sidecar.core.vocabulary.events.account import (
    Balance,
    BalancesRead,
    ElsewhereRead,
    FeesRead,
    FundingPaid,
    FuturesAbsent,
    FuturesPosition,
    FuturesRead,
    FuturesSummaryRead,
    FuturesUnread,
    ProductElsewhere,
    Venue,
    WalletApart,
)
from sidecar.core.vocabulary.events.bots import (
    Asker,
    BotConnected,
    BotDropped,
    BotLeft,
    CloseProposed,
    EditProposed,
    OnDisconnect,
    OrderProposed,
    ReleaseReason,
    ReservationReleased,
    Unreadable,
)
from sidecar.core.vocabulary.events.event import Event
from sidecar.core.vocabulary.events.feeds import (
    AccountReconciled,
    Feed,
    FeedChanged,
    FeedSignal,
    ReconciliationFailed,
)
from sidecar.core.vocabulary.events.liquidation import (
    AccountRead,
    AttemptAnswered,
    AttemptMissing,
    AttemptOutcome,
    LiquidationEnded,
)
from sidecar.core.vocabulary.events.market import (
    ClosesRead,
    ConfirmationUnavailable,
    ProductsListed,
    Quote,
    Quotes,
    QuotesConfirmed,
)
from sidecar.core.vocabulary.events.operators import (
    FlattenRequested,
    HaltRequested,
    LimitsReplaced,
    LooseningConfirmed,
    LossReset,
    LossWindow,
    ReduceOnlyRequested,
    ResumeRequested,
)
from sidecar.core.vocabulary.events.orders import (
    FillPassedOver,
    FillReported,
    OpenOrdersListed,
    OrderReported,
    OrderVanished,
    TradeType,
)
from sidecar.core.vocabulary.events.process import (
    ClockAdvanced,
    ClocksCompared,
    DiskChanged,
    LimitsRefused,
    Started,
    Stopped,
)

__all__ = [
    "AccountRead",
    "AccountReconciled",
    "Asker",
    "AttemptAnswered",
    "AttemptMissing",
    "AttemptOutcome",
    "Balance",
    "BalancesRead",
    "BotConnected",
    "BotDropped",
    "BotLeft",
    "ClockAdvanced",
    "ClocksCompared",
    "CloseProposed",
    "ClosesRead",
    "ConfirmationUnavailable",
    "DiskChanged",
    "EditProposed",
    "ElsewhereRead",
    "Event",
    "Feed",
    "FeedChanged",
    "FeedSignal",
    "FeesRead",
    "FillPassedOver",
    "FillReported",
    "FlattenRequested",
    "FundingPaid",
    "FuturesAbsent",
    "FuturesPosition",
    "FuturesRead",
    "FuturesSummaryRead",
    "FuturesUnread",
    "HaltRequested",
    "LimitsRefused",
    "LimitsReplaced",
    "LiquidationEnded",
    "LooseningConfirmed",
    "LossReset",
    "LossWindow",
    "OnDisconnect",
    "OpenOrdersListed",
    "OrderProposed",
    "OrderReported",
    "OrderVanished",
    "ProductElsewhere",
    "ProductsListed",
    "Quote",
    "Quotes",
    "QuotesConfirmed",
    "ReconciliationFailed",
    "ReduceOnlyRequested",
    "ReleaseReason",
    "ReservationReleased",
    "ResumeRequested",
    "Started",
    "Stopped",
    "TradeType",
    "Unreadable",
    "Venue",
    "WalletApart",
]
