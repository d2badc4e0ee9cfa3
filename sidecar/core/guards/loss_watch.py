"""Loss limits, judged on every fact, and the consequences of crossing one. No I/O.

The first sight of a breach raises REDUCE_ONLY, because a real loss must not be added to; further
steps wait until the breach is confirmed, because one bad tick must not stop a day or sell an
account:

    first sight ── breach gone ──→ no cause remains in force
        │
        │ held for `confirm_for`, over `confirm_quotes` quotes of different times
        ▼
    confirmed: the losses of a day, week or month and DRAWDOWN stay, orders that add risk are cancelled
        │
        │ CUMULATIVE_LOSS: REST agrees or cannot be had, and balances were read since
        ▼
    LIQUIDATING

Losses settled by fills, fees and funding need no confirmation: no price takes them back.

The way of reckoning that lost most tightens (loss_bounds.py); only a loss that every way shows is
confirmed (confirmation.py).
"""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

from msgspec.structs import replace

from sidecar.core.account import losses
from sidecar.core.account.losses import PERIOD_OF, Loss
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.state import Cause
from sidecar.core.context.tightening import loosen, tighten
from sidecar.core.guards.adding_orders import AddingOrders
from sidecar.core.guards.confirmation import CUMULATIVE, Confirmation
from sidecar.core.guards.loss_bounds import ENDS_BELOW, MARGIN, BoundLoss, LossBounds, Quiet
from sidecar.core.guards.pending_breach import PendingBreach
from sidecar.core.guards.stale_marks import StaleMarks
from sidecar.core.liquidation.liquidator import Liquidator
from sidecar.core.vocabulary.actions import (
    Action,
    Alert,
    FlattenProduct,
    Liquidate,
)
from sidecar.core.vocabulary.events import LossWindow, Quote
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import ONE

WINDOW_OF: Final[Mapping[str, LossWindow]] = {
    **PERIOD_OF,
    "LOSS_IN": "rolling",
    "DRAWDOWN": "drawdown",
    "CUMULATIVE_LOSS": "cumulative",
}
UNLATCHED: Final = frozenset({"LOSS_IN", MARGIN})  # causes that last as long as the loss itself
BEGUN: Final[Mapping[str, str]] = {
    "DAILY_LOSS": "a new day has begun",
    "WEEKLY_LOSS": "a new week has begun",
    "MONTHLY_LOSS": "a new month has begun",
}


class LossWatch:
    """Compares losses with limits and keeps the causes that follow."""

    def __init__(self, desk: RiskContext, settings: Settings, liquidator: Liquidator) -> None:
        self.desk = desk
        self.settings = settings
        self.liquidator = liquidator
        self.stale_marks = StaleMarks(desk, settings)
        self.adding = AddingOrders(desk)
        self.bounds = LossBounds(desk, self.stale_marks)
        self.confirmation = Confirmation(desk, settings, self.bounds)
        self.trigger: Liquidate | None = None
        self.episodes = 0
        self._quiet_at: tuple[int, int, Limits] | None = None  # the inputs of the next
        self._quiet_above: Quiet | None = None

    # --- Judged on every fact ---------------------------------------------------------------------

    def watch(self, now: datetime) -> list[Action]:
        """Judge all losses as they stand now."""
        if self.desk.tracker.loss_accounting.windows is None or self._is_quiet():
            return []
        actions: list[Action] = []
        bounded = list(self.bounds.bounded(now))
        self._equity_base(bounded, now, actions)
        cumulative = None
        for bound in bounded:
            if bound.code == "CUMULATIVE_LOSS":
                cumulative = bound
            else:
                self._latching(bound, now, actions)
        self._cumulative(cumulative, now, actions)
        if self.desk.state.causes:
            self._forget_limits_gone({(bound.code, bound.scope) for bound in bounded}, actions)
        self._tell_latches()
        return actions

    def _is_quiet(self) -> bool:
        """Whether no cause is in force or pending, the net PnL is above all that limits allow, and contracts have not
        lost their margin: then no loss has to be judged.
        """
        desk, accounting = self.desk, self.desk.tracker.loss_accounting
        if desk.state.causes or self.pending or self.stale_marks.stale or accounting.is_ambiguous:
            return False
        if desk.limits.max_margin_drawdown is not None and self.bounds.loses_margin():
            return False
        known = (accounting.version, desk.tracker.books.listings, desk.limits)
        if self._quiet_at != known:
            self._quiet_at, self._quiet_above = known, self.bounds.quiet_above()
        return self._quiet_above is not None and self._quiet_above.holds(desk.tracker)

    def _tell_latches(self) -> None:
        """The windows begin anew by themselves once a transfer lifts the account, unless a latch is set."""
        causes, windows = self.desk.state.causes, self.desk.tracker.loss_accounting.windows
        assert windows is not None
        if causes or windows.latched:
            windows.latched = [
                WINDOW_OF[cause.code]
                for cause in causes.values()
                if cause.code in WINDOW_OF and cause.scope == "all" and cause.is_confirmed
            ]

    @property
    def pending(self) -> dict[str, PendingBreach]:
        """Breaches that are not confirmed yet, by code and scope."""
        return self.confirmation.pending

    def rest_answered(
        self, quotes: tuple[Quote, ...] | None, now: datetime, unanswered: tuple[str, ...] = ()
    ) -> list[Action]:
        """REST's word on a cumulative breach; None when it could not be had in time."""
        limit = self.desk.limits.max_cumulative_loss
        bound = None if limit is None else self.bounds.of("CUMULATIVE_LOSS", limit, now)
        return self.confirmation.rest_answered(bound, quotes, now, unanswered)

    def next_look(self, now: datetime) -> datetime | None:
        """When time alone takes an unconfirmed breach further, or a mark is too old."""
        confirms, stale = self.confirmation.next_look(now), self.stale_marks.next_look(now)
        return min(confirms, stale) if confirms and stale else confirms or stale

    def is_crossed(self, code: str, scope: str) -> bool:
        """Whether the loss that raises this cause is beyond its limit now."""
        crossed = (b for b in self.bounds.bounded(None) if (b.code, b.scope) == (code, scope))
        return any(bound.loss.crosses(bound.limit) for bound in crossed)

    # --- First sight, confirmation, latch ---------------------------------------------------------

    def _latching(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> None:
        """A loss within a period, or a drawdown: its cause stays once it is confirmed. That of a loss within a rolling
        window, or of margin, lasts as long as the loss, and once confirmed until it is well below its limit.
        """
        known = self.desk.state.causes.get((bound.code, bound.scope))
        is_confirmed, rolls = known is not None and known.is_confirmed, bound.window is not None
        if is_confirmed and bound.code not in UNLATCHED:
            return
        name = f"{bound.code}|{bound.scope}"
        if not (bound.is_near if is_confirmed else bound.is_crossed):
            self.confirmation.forget(name)
            if known is not None:
                text = f"the loss is {bound.loss.text()}, its limit {bound.limit}"
                text = text if is_confirmed else f"it was not confirmed: {text}"
                self.loosen(bound.code, bound.scope, text, actions)
            return
        if known is None:
            self._first_sight(bound, now, actions)
        elif rolls:  # losses since then stay in the window for longer
            clears_at = self._ends_at(bound, is_confirmed=is_confirmed)
            known = replace(known, clears_at=clears_at)
            self.desk.state.causes[bound.code, bound.scope] = known
        if is_confirmed:
            return
        if self.confirmation.is_settled(bound) or self.confirmation.has_held(name, bound, now):
            self.confirmation.forget(name)
            self.adding.stop(self._confirm(bound, actions), now, actions)

    def _first_sight(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> None:
        cause = Cause(
            code=bound.code,
            scope=bound.scope,
            level="REDUCE_ONLY",
            since=now,
            reason=bound.reason,
            key=bound.key,
            strategy_id=bound.strategy_id,
            clears_at=self._ends_at(bound, is_confirmed=False),
            is_confirmed=False,
        )
        self.tighten(cause, actions)

    def _confirm(self, bound: BoundLoss, actions: list[Action]) -> Cause:
        """The breach is no passing sight: its cause stays. Orders that add to it are for the caller
        to cancel, and a flattening cancels it with all the rest.
        """
        state = self.desk.state
        cause = replace(
            state.causes[bound.code, bound.scope],
            reason=bound.reason,
            clears_at=self._ends_at(bound, is_confirmed=True),
            is_confirmed=True,
        )
        state.causes[bound.code, bound.scope] = cause
        severity: Literal["warning", "critical"] = "critical" if bound.scope == "all" else "warning"
        text = f"{bound.scope}: {bound.reason}; it is confirmed"
        actions.append(Alert(severity=severity, code=bound.code, text=text))
        return cause

    def _ends_at(self, bound: BoundLoss, *, is_confirmed: bool) -> datetime | None:
        """When time alone ends the cause, as far as it does."""
        accounting = self.desk.tracker.loss_accounting
        windows = accounting.windows
        assert windows is not None
        if bound.window is not None:
            limits, left = self.desk.limits.max_loss_in or (), ENDS_BELOW if is_confirmed else ONE
            ends = (accounting.clears_at(one.window, one.limit * left) for one in limits)
            return max((end for end in ends if end is not None), default=None)
        name = PERIOD_OF.get(bound.code)
        return None if name is None else windows.period(name).next_reset

    def _forget_limits_gone(
        self, bounded: Container[tuple[str, str]], actions: list[Action]
    ) -> None:
        """A cause that was never confirmed, or that nothing latches, ends with its limit; that of margin, with it."""
        for cause in list(self.desk.state.causes.values()):
            name = (cause.code, cause.scope)
            passes = cause.code in WINDOW_OF and not cause.is_confirmed
            if cause.code == MARGIN and self.bounds.lacks_margin():
                continue  # how much of it is lost cannot be told: the contracts stay reduce-only
            if (passes or cause.code in UNLATCHED) and name not in bounded:
                self.confirmation.forget(f"{cause.code}|{cause.scope}")
                self.loosen(cause.code, cause.scope, "its limit is gone", actions)

    def _equity_base(self, bounded: list[BoundLoss], now: datetime, actions: list[Action]) -> None:
        """Against no equity no ratio can be taken: reducing orders only, and no liquidation."""
        if not [bound for bound in bounded if bound.lacks_equity]:
            self.loosen("NO_EQUITY", "all", "there is equity to take ratios of", actions)
        elif not self.desk.state.has("NO_EQUITY"):
            reason = (
                f"the equity that loss ratios are taken of is below {self.desk.tracker.min_equity} "
                "USD, through a transfer or for want of quotes"
            )
            self.tighten(
                Cause(code="NO_EQUITY", scope="all", level="REDUCE_ONLY", since=now, reason=reason),
                actions,
            )

    # --- The cumulative loss ----------------------------------------------------------------------

    def _cumulative(self, bound: BoundLoss | None, now: datetime, actions: list[Action]) -> None:
        """The account's loss since its window began, where a limit bounds it."""
        state, tracker = self.desk.state, self.desk.tracker
        if bound is None or not bound.is_crossed:
            self.confirmation.forget(CUMULATIVE)
            known = state.causes.get(("CUMULATIVE_LOSS", "all"))
            if known is not None and not (known.is_confirmed and bound is not None):
                limit = "gone" if bound is None else bound.limit
                text = f"cumulative loss is {losses.cumulative(tracker).text()}, its limit {limit}"
                self.loosen("CUMULATIVE_LOSS", "all", text, actions)
            return
        if not state.has("CUMULATIVE_LOSS"):
            self._first_sight(bound, now, actions)
        if not self.may_begin():
            self.confirmation.forget(CUMULATIVE)
        elif self.confirmation.is_settled(bound) or self.confirmation.is_confirmed(
            bound, now, actions
        ):
            self.confirmation.forget(CUMULATIVE)
            self._confirm(bound, actions)
            self.liquidate(bound.reason, now, actions, loss=bound.loss, limit=bound.limit)

    def may_begin(self) -> bool:
        """One episode at a time; none for dust that one has left, nor after an operator's abort."""
        state = self.desk.state
        if state.has("LIQUIDATION") or state.has("ABORTED"):
            return False
        return not state.has("LIQUIDATED") or self.liquidator.would_sell()

    # --- Tightening and loosening -----------------------------------------------------------------

    def liquidate(
        self,
        reason: str,
        now: datetime,
        actions: list[Action],
        *,
        loss: Loss | None = None,
        limit: LossLimit | None = None,
    ) -> None:
        """Begin an episode: all holdings are to be sold."""
        self.trigger = Liquidate(
            episode=self._next_episode(now),
            reason=reason,
            loss=None if loss is None else loss.usd,
            ratio=None if loss is None else loss.ratio,
            limit=None if limit is None else str(limit),
            equity_base=None if loss is None else loss.base,
            triggered_at=now,
        )
        self.tighten(
            Cause(code="LIQUIDATION", scope="all", level="LIQUIDATING", since=now, reason=reason),
            actions,
        )
        for code in ("ABORTED", "LIQUIDATED"):
            self.loosen(code, "all", "a new episode has begun", actions)
        actions.append(self.trigger)
        self.liquidator.begin(self.trigger, None, now, actions)

    def go_on(self, now: datetime, actions: list[Action]) -> None:
        """A new process: an episode in force whose memory is lost is begun again."""
        if not self.desk.state.has("LIQUIDATION") or "" in self.liquidator.memory.episodes:
            return
        reason = self.desk.state.causes["LIQUIDATION", "all"].reason
        trigger = self.trigger
        if trigger is None:
            trigger = Liquidate(episode=self._next_episode(now), reason=reason, triggered_at=now)
        self.trigger = trigger
        self.liquidator.begin(trigger, None, now, actions)

    def flatten(self, key: str, reason: str, now: datetime, actions: list[Action]) -> None:
        """Begin an episode of one key alone; not while an operator's halt or abort forbids sales."""
        if self.held_back(f"{key} was to be sold: {reason}", actions):
            return
        actions.append(FlattenProduct(key=key, reason=reason))
        trigger = Liquidate(episode=self._next_episode(now), reason=reason, triggered_at=now)
        self.liquidator.begin(trigger, key, now, actions)

    def held_back(self, unsold: str, actions: list[Action]) -> bool:
        """Say which sale is left out, where an operator halted all trading or aborted a flattening;
        returns whether it is.
        """
        if not (self.desk.state.has("OPERATOR_HALT") or self.desk.state.has("ABORTED")):
            return False
        text = f"{unsold}; an operator has halted everything, so nothing is sold"
        actions.append(Alert(severity="critical", code="NOT_SOLD", text=text))
        return True

    def _next_episode(self, now: datetime) -> str:
        self.episodes += 1
        return f"{now:%Y%m%dT%H%M%S}-{self.episodes}"

    def tighten(self, cause: Cause, actions: list[Action]) -> None:
        """Put a cause in force and say so."""
        tighten(self.desk.state, cause, actions)

    def loosen(self, code: str, scope: str, reason: str, actions: list[Action]) -> None:
        """Lift a cause, if it is in force, and say so."""
        loosen(self.desk.state, code, scope, reason, actions)

    def end(self, causes: Iterable[Cause], actions: list[Action]) -> None:
        """Lift the causes that the calendar ends: the losses of a period with it, a lockout with
        its time.
        """
        for cause in list(causes):
            why = BEGUN.get(cause.code, "its time is over")
            self.loosen(cause.code, cause.scope, why, actions)
