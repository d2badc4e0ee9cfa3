"""The state that survives a restart: the books and the manager's memory as plain data, and back. No
I/O.

Only facts are kept; every sum is worked out again from them: a saved state cannot contradict itself. The
books by themselves are in saved_tracker.py.
"""

from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from sidecar.core.account.elsewhere import Elsewhere
from sidecar.core.account.reconciliation import SETTLE
from sidecar.core.context.activity import Notional
from sidecar.core.context.feeds import FeedState, UnreadFutures
from sidecar.core.context.readiness import ACCOUNT
from sidecar.core.context.state import Cause, Level
from sidecar.core.guards.depth_watch import DepthMemory
from sidecar.core.guards.loosening import LooseningMemory
from sidecar.core.guards.market_shock import MarketShockMemory
from sidecar.core.guards.pending_breach import PendingBreach
from sidecar.core.guards.price_shock import Sampler
from sidecar.core.guards.report_watch import ReportMemory
from sidecar.core.guards.risk_watch import RiskBreaches
from sidecar.core.guards.sessions import BotSession
from sidecar.core.guards.stale_marks import StaleMark
from sidecar.core.guards.unapproved import UnapprovedMemory
from sidecar.core.guards.usdc_peg import PegMemory
from sidecar.core.liquidation.liquidator_memory import LiquidatorMemory
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved_tracker import SavedTracker, restore_tracker, save_tracker
from sidecar.core.value_at_risk.risk_history import SavedRisk
from sidecar.core.vocabulary.actions import Liquidate
from sidecar.core.vocabulary.limit_changes import as_written
from sidecar.core.vocabulary.money import ZERO, with_money

__all__ = [
    "SavedManager",
    "SavedState",
    "restore_manager",
    "restore_tracker",
    "save_manager",
    "save_tracker",
]


class SavedSampler(Struct, kw_only=True):
    """A price shock's window of a single key. `before`: the mark before each move; versions that
    did not know it left it out.
    """

    key: str
    window_s: Decimal
    second: int
    last: Decimal | None
    moves: list[tuple[int, Decimal]]
    before: list[Decimal] = []


class SavedReadiness(Struct, kw_only=True):
    """How far a connected manager's picture had come: the point that a replay goes on from."""

    ready: bool
    missing: list[str]
    balances_at: datetime
    fills_until: datetime | None
    user_feed: FeedState
    market_feed: FeedState
    market_whole_since: datetime | None
    user_doubted_at: datetime | None = None
    asked_at: datetime | None = None
    asked_first_at: datetime | None = None
    agreed: list[str] = []
    due: datetime
    has_judged: bool
    announced: Level
    unlisted: tuple[str, ...]


class SavedManager(Struct, kw_only=True):
    """A RiskManager's memory. `limits` as they are written, for a replay; a start has its own."""

    causes: list[Cause]
    tightenings: int
    decisions: int
    episodes: int
    trigger: Liquidate | None
    activity: dict[str, list[datetime]]
    activity_usd: dict[str, list[tuple[datetime, Decimal]]] = {}
    samplers: list[SavedSampler]
    market_shock: MarketShockMemory = field(default_factory=MarketShockMemory)
    pending: dict[str, PendingBreach] = {}
    stale_marks: dict[str, StaleMark] = {}
    adding_asked: dict[str, datetime] = {}
    doubts_ask_at: datetime | None = None
    doubts_pause: timedelta = SETTLE
    doubts_known: list[str] = []
    peg: PegMemory = field(default_factory=PegMemory)
    unread_futures: UnreadFutures = field(default_factory=UnreadFutures)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    reports: ReportMemory = field(default_factory=ReportMemory)
    readiness: SavedReadiness
    unapproved: UnapprovedMemory
    limits: dict[str, Any]
    sessions: list[BotSession]
    liquidator: LiquidatorMemory = field(default_factory=LiquidatorMemory)
    risk: SavedRisk | None = None
    risk_breaches: RiskBreaches = field(default_factory=RiskBreaches)
    loss_warnings: dict[str, Decimal] = {}
    strategy_inventors: dict[str, int] = {}
    loosening: LooseningMemory = field(default_factory=LooseningMemory)
    depth: DepthMemory = field(default_factory=DepthMemory)


class JournalPlace(Struct, kw_only=True):
    """Where in the journal a state stands: the next line's number and the sum before it."""

    seq: int
    sum: str


class SavedState(Struct, kw_only=True):
    """The whole state that survives. `manager` is None when a tracker was saved by itself,
    `journal` where none is kept.
    """

    saved_at: datetime
    manager: SavedManager | None
    tracker: SavedTracker
    journal: JournalPlace | None = None


def save_manager(manager: RiskManager) -> SavedManager:
    """The manager's memory. Parts are shared with it: encode them before it takes in more."""
    return SavedManager(
        causes=list(manager.state.causes.values()),
        tightenings=manager.state.tightenings,
        decisions=manager.approvals.decisions,
        episodes=manager.watch.episodes,
        trigger=manager.watch.trigger,
        activity_usd={
            name: list(each.parts) for name, each in manager.desk.activity.notional.items()
        },
        activity={name: list(times) for name, times in manager.desk.activity.windows.items()},
        samplers=[
            SavedSampler(
                key=key,
                window_s=window_s,
                second=sampler.second,
                last=sampler.last,
                moves=list(sampler.moves),
                before=list(sampler.before),
            )
            for (key, window_s), sampler in manager.shocks.samplers.items()
        ],
        market_shock=manager.shocks.market.memory,
        pending=manager.watch.pending,
        stale_marks=manager.watch.stale_marks.stale,
        adding_asked=manager.watch.adding.asked,
        doubts_ask_at=manager.doubts.ask_at,
        doubts_pause=manager.doubts.pause,
        doubts_known=sorted(manager.doubts.known),
        peg=manager.peg.memory,
        unread_futures=manager.desk.unread,
        elsewhere=manager.doubts.elsewhere,
        reports=manager.reports.memory,
        readiness=_saved_readiness(manager),
        unapproved=manager.unapproved.memory,
        limits=as_written(manager.limits),
        sessions=manager.sessions.saved(),
        liquidator=manager.liquidator.memory,
        risk=manager.risk.saved(),
        risk_breaches=manager.risk_watch.memory,
        loss_warnings=manager.loss_warnings.told,
        strategy_inventors=manager.approvals.names.inventors,
        loosening=manager.loosening.memory,
        depth=manager.depth.memory,
    )


def _saved_readiness(manager: RiskManager) -> SavedReadiness:
    readiness, feeds = manager.readiness, manager.feeds
    return SavedReadiness(
        ready=manager.state.ready,
        missing=sorted(readiness.missing),
        balances_at=readiness.balances_at,
        fills_until=readiness.fills_until,
        user_feed=feeds.user,
        market_feed=feeds.market,
        market_whole_since=feeds.market_whole_since,
        user_doubted_at=feeds.user_doubted_at,
        asked_at=readiness.asked_at,
        asked_first_at=readiness.asked_first_at,
        agreed=sorted(readiness.agreed),
        due=manager.due,
        has_judged=manager.judged == manager.tracker.version,
        announced=manager.announced,
        unlisted=manager.unlisted.told,
    )


@with_money
def restore_manager(saved: SavedManager, manager: RiskManager) -> None:
    """Fill a new manager and go on where the saved one was: every cause is in force again before it
    judges an order. A new process then tells it so, by `Started`.

    The limits stay the new manager's own. Without a connection there is no picture to complete.
    """
    for cause in saved.causes:
        manager.state.causes[cause.code, cause.scope] = cause
    manager.state.tightenings = saved.tightenings
    manager.approvals.decisions = saved.decisions
    manager.watch.episodes, manager.watch.trigger = saved.episodes, saved.trigger
    manager.desk.activity.notional = {
        name: Notional(parts) for name, parts in saved.activity_usd.items()
    }
    for name, times in saved.activity.items():
        manager.desk.activity.windows[name] = deque(times)
    for seen in saved.samplers:
        sampler = manager.shocks.samplers[seen.key, seen.window_s] = Sampler()
        sampler.second, sampler.last, sampler.moves = seen.second, seen.last, deque(seen.moves)
        sampler.total = sum((move for _, move in seen.moves), ZERO)
        latest = ZERO if seen.last is None else seen.last
        sampler.before = deque(seen.before or [latest] * len(seen.moves))
    manager.shocks.market.memory = saved.market_shock
    manager.watch.stale_marks.stale = saved.stale_marks
    manager.watch.stale_marks.note_quoteless()
    manager.watch.adding.asked = saved.adding_asked
    manager.doubts.ask_at, manager.doubts.pause = saved.doubts_ask_at, saved.doubts_pause
    manager.doubts.known = set(saved.doubts_known)
    manager.peg.memory = saved.peg
    manager.desk.unread = saved.unread_futures
    manager.doubts.elsewhere = saved.elsewhere
    manager.reports.memory = saved.reports
    manager.deposits.seen = manager.tracker.transfers
    manager.sessions.restore(saved.sessions)
    manager.unapproved.memory = saved.unapproved
    manager.liquidator.memory = saved.liquidator
    if saved.risk is not None:
        manager.risk.restore(saved.risk)
    manager.risk_watch.memory = saved.risk_breaches
    manager.loss_warnings.told = saved.loss_warnings
    manager.approvals.names.inventors = saved.strategy_inventors
    manager.loosening.memory = saved.loosening
    manager.depth.memory = saved.depth
    readiness = saved.readiness
    manager.readiness.balances_at = readiness.balances_at
    manager.readiness.fills_until = readiness.fills_until
    if saved.limits == as_written(manager.limits):  # else all is to be judged anew
        if readiness.has_judged:
            manager.judged = manager.tracker.version
        manager.due = readiness.due
    manager.announced, manager.unlisted.told = readiness.announced, readiness.unlisted
    if manager.settings.connected:
        _restore_picture(readiness, manager)
        manager.watch.confirmation.pending = saved.pending


def _restore_picture(saved: SavedReadiness, manager: RiskManager) -> None:
    readiness, feeds = manager.readiness, manager.feeds
    readiness.missing = set(saved.missing)
    readiness.asked_at, readiness.asked_first_at = saved.asked_at, saved.asked_first_at
    readiness.agreed = set(saved.agreed)
    feeds.user, feeds.market = saved.user_feed, saved.market_feed
    feeds.market_whole_since = saved.market_whole_since
    feeds.user_doubted_at = saved.user_doubted_at
    manager.state.ready = saved.ready
    manager.desk.orders_known = not readiness.missing & ACCOUNT
