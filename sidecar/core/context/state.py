"""Trading state: which causes tighten which scope, and the state that follows. No I/O.

The account's state is not stored: it is the tightest level among the causes in force, so that no
order of events can loosen it. Each cause has a scope (all, one product's exposure key, one
strategy) and binds only there. One move is forbidden: out of LIQUIDATING there is no way but to
HALTED.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.products import is_contract

Level = Literal["ACTIVE", "STARTING", "REDUCE_ONLY", "HALTED", "LIQUIDATING"]

TIGHTNESS: Final[dict[Level, int]] = {
    "ACTIVE": 0,
    "STARTING": 1,
    "REDUCE_ONLY": 2,
    "HALTED": 3,
    "LIQUIDATING": 4,
}

# What is said of a state that no cause is behind.
NO_CAUSE: Final = {
    "ACTIVE": "ready: no restrictions",
    "STARTING": "a new process has begun; the account is read anew",
}

# No order may be sent, and only an operator, or the end of an episode, changes that.
STANDS_STILL: Final = frozenset({"HALTED", "LIQUIDATING"})

Ending = Literal["itself", "reset", "resume", "flat"]


class CauseKind(Struct, frozen=True):
    """How a kind of cause tightens, and how it ends.

    By itself, at the reset of its day, week or month, by `resume`, or when the account is flat. `of_futures`: it binds
    contracts alone.
    """

    level: Level
    ends: Ending
    mend: str
    of_futures: bool = False


AFTER_SELLING: Final = (
    "resume; while the cumulative loss is beyond its limit, reset-loss cumulative first"
)

# Every reason to tighten. A new one takes a line here, the place that raises it, and its test.
CAUSES: Final[dict[str, CauseKind]] = {
    "OPERATOR_REDUCE_ONLY": CauseKind("REDUCE_ONLY", "resume", "resume"),
    "OPERATOR_HALT": CauseKind("HALTED", "resume", "resume"),
    "FAULT": CauseKind("HALTED", "resume", "read the log, fix the fault, then resume"),
    "DAILY_LOSS": CauseKind(
        "REDUCE_ONLY", "reset", "wait for the daily reset, or reset-loss daily"
    ),
    "WEEKLY_LOSS": CauseKind(
        "REDUCE_ONLY", "reset", "wait for Monday's reset, or reset-loss weekly"
    ),
    "MONTHLY_LOSS": CauseKind(
        "REDUCE_ONLY",
        "reset",
        "wait for the reset of the next month's first day, or reset-loss monthly",
    ),
    "LOSING_STREAK": CauseKind("REDUCE_ONLY", "itself", "wait for the cool-down to end"),
    "LOSS_IN": CauseKind(
        "REDUCE_ONLY",
        "itself",
        "wait until the window has moved on, or reset-loss rolling",
    ),
    "DRAWDOWN": CauseKind("REDUCE_ONLY", "resume", "reset-loss drawdown"),
    "CUMULATIVE_LOSS": CauseKind("REDUCE_ONLY", "itself", "reset-loss cumulative"),
    "MARGIN_DRAWDOWN": CauseKind(
        "REDUCE_ONLY", "itself", "close contracts, or wait until they lose less", of_futures=True
    ),
    "NO_EQUITY": CauseKind(
        "REDUCE_ONLY",
        "itself",
        "fund the account, lower min_equity, or set the loss limits in USD",
    ),
    "PRICE_SHOCK": CauseKind("REDUCE_ONLY", "itself", "wait for the lockout to end"),
    "MARKET_SHOCK": CauseKind("REDUCE_ONLY", "itself", "wait for the lockout to end"),
    "UNAPPROVED_ORDER": CauseKind(
        "REDUCE_ONLY", "resume", "find out who sends orders past the sidecar, then resume"
    ),
    "STALE_MARK": CauseKind(
        "REDUCE_ONLY", "itself", "wait for a good quote, or sell by a limit order"
    ),
    "BALANCE_UNEXPLAINED": CauseKind(
        "REDUCE_ONLY",
        "itself",
        "compare status with Coinbase's own pages; it ends when a reading agrees or repeats itself",
    ),
    "IMPLAUSIBLE_REPORT": CauseKind(
        "REDUCE_ONLY",
        "itself",
        "wait for REST's word on the order; look it up at Coinbase",
    ),
    "USDC_DEPEG": CauseKind(
        "REDUCE_ONLY", "itself", "wait until USDC is worth a dollar, within 1 %"
    ),
    "CONFIG": CauseKind("REDUCE_ONLY", "itself", "fix the configuration, then reload"),
    "DISK_FULL": CauseKind(
        "REDUCE_ONLY", "itself", "make room on the disk; see to one that does not answer"
    ),
    "LIQUIDATION": CauseKind("LIQUIDATING", "flat", "wait until the account is flat"),
    "LIQUIDATED": CauseKind("HALTED", "resume", AFTER_SELLING),
    "ABORTED": CauseKind("HALTED", "resume", f"{AFTER_SELLING}; or flatten"),
}

# Losses: while any of these stands confirmed, open orders that add risk in its scope are cancelled.
LOSSES: Final = frozenset(
    {
        "DAILY_LOSS",
        "WEEKLY_LOSS",
        "MONTHLY_LOSS",
        "LOSING_STREAK",
        "LOSS_IN",
        "DRAWDOWN",
        "CUMULATIVE_LOSS",
        "MARGIN_DRAWDOWN",
    }
)
BY_OPERATOR: Final = frozenset({"OPERATOR_HALT", "OPERATOR_REDUCE_ONLY"})


class Cause(Struct, frozen=True, kw_only=True):
    """One reason to tighten, in force.

    `key` or `strategy_id` narrow it; without them it binds the account. `is_confirmed`: it is no passing
    sight (a loss that a single bad tick showed is not confirmed, and ends with it). `stops_adding`: open orders
    that add risk in its scope are to be cancelled, where its code does not say so already.
    """

    code: str
    scope: str
    level: Level
    since: datetime
    reason: str
    by: str = "sidecar"
    key: str | None = None
    strategy_id: str | None = None
    clears_at: datetime | None = None
    is_confirmed: bool = True
    stops_adding: bool = False

    @property
    def cancels_adding(self) -> bool:
        """Whether open orders that add risk in its scope are to be cancelled."""
        return self.stops_adding or (self.code in LOSSES and self.is_confirmed)

    def binds(self, key: str, strategy_id: str | None) -> bool:
        """Whether it binds an order on this exposure key by this strategy."""
        if self.key is not None:
            return self.key == key
        if CAUSES[self.code].of_futures:
            return is_contract(key)
        return self.strategy_id is None or self.strategy_id == strategy_id


class TradingState:
    """The causes in force and the state that follows from them.

    `tightenings` counts how often a cause tightened.
    """

    def __init__(self, *, ready: bool) -> None:
        self.ready = ready
        self.causes: dict[tuple[str, str], Cause] = {}
        self.tightenings = 0

    @property
    def account(self) -> Level:
        """The account's state: narrower causes do not change it."""
        if not self.causes:
            return "ACTIVE" if self.ready else "STARTING"
        return self.level_for([one for one in self.causes.values() if one.scope == "all"])

    def level_for(self, causes: Iterable[Cause]) -> Level:
        """The state of an order that these causes bind: the tightest of them."""
        level: Level = "ACTIVE" if self.ready else "STARTING"
        for cause in causes:
            if TIGHTNESS[cause.level] > TIGHTNESS[level]:
                level = cause.level
        return level

    def binding(self, key: str, strategy_id: str | None) -> Iterator[Cause]:
        """The causes that bind an order on this key by this strategy."""
        return (cause for cause in self.causes.values() if cause.binds(key, strategy_id))

    def has(self, code: str, scope: str = "all") -> bool:
        return (code, scope) in self.causes

    def add(self, cause: Cause) -> bool:
        """Tighten; False when the cause is in force already."""
        if (cause.code, cause.scope) in self.causes:
            return False
        self.causes[cause.code, cause.scope] = cause
        self.tightened()
        return True

    def tightened(self) -> None:
        """Approvals of before are judged afresh."""
        self.tightenings += 1

    def remove(self, code: str, scope: str = "all") -> Cause | None:
        """Loosen; None when the cause was not in force.

        Raises Misuse, with every cause kept, where LIQUIDATING would end otherwise than in HALTED.
        """
        cause = self.causes.pop((code, scope), None)
        if cause is not None and cause.level == "LIQUIDATING" and self.account != "HALTED":
            after = self.account
            self.causes[code, scope] = cause
            raise Misuse(f"the account cannot go from LIQUIDATING to {after}; halt it first")
        return cause
