"""The operator's verbs, and the causes that end by the calendar. No I/O.

Every verb answers in words and takes effect at once. `resume` lifts only causes that no longer
hold, and names the mend of each that it leaves in force.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from sidecar.core.account.losses import PERIOD_OF
from sidecar.core.context.loss_now import reason_now
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.state import CAUSES, Cause
from sidecar.core.guards.loss_watch import LossWatch
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, Answered
from sidecar.core.vocabulary.errors import UnknownProduct
from sidecar.core.vocabulary.trading_day import PERIODS

# The cause behind a halt after an episode: while it is in force, resuming would begin the next one.
BEHIND: Final = {"LIQUIDATED": "CUMULATIVE_LOSS", "ABORTED": "CUMULATIVE_LOSS"}
# The causes of the account alone that end with the reset of their window.
BY_RESET: Final[Mapping[str, str]] = {
    "cumulative": "CUMULATIVE_LOSS",
    "drawdown": "DRAWDOWN",
    "rolling": "LOSS_IN",
}


class OperatorVerbs:
    """Halt, reduce-only, resume, flatten, reset-loss, and the end of an episode."""

    def __init__(self, desk: RiskContext, watch: LossWatch) -> None:
        self.desk = desk
        self.watch = watch

    def handle(self, event: ev.Event) -> list[Action] | None:
        """The actions that follow from the event; None if it is not an operator's or the host's."""
        actions: list[Action] = []
        match event:
            case ev.HaltRequested():
                self._halt(event, actions)
            case ev.ReduceOnlyRequested():
                self._reduce_only(event, actions)
            case ev.ResumeRequested():
                self._resume(event, actions)
            case ev.FlattenRequested():
                self._flatten(event, actions)
            case ev.LossReset():
                self._reset(event, actions)
            case ev.LiquidationEnded():
                self._ended(event, actions)
            case ev.DiskChanged():
                self._disk(event, actions)
            case ev.LimitsRefused():
                self._stay(event, actions)
            case _:
                return None
        return actions

    def _halt(self, event: ev.HaltRequested, actions: list[Action]) -> None:
        if event.abort_liquidation:
            self._abort(event, actions)
        code = "FAULT" if event.fault else "OPERATOR_HALT"
        cause = Cause(
            code=code,
            scope="all",
            level=CAUSES[code].level,
            since=event.at,
            reason=event.reason,
            by=event.by,
            stops_adding=event.cancel_adding,
        )
        orders = self._stop(cause, actions)
        text = f"{self.desk.state.account}: {event.reason}{orders}"
        actions.append(Answered(done=True, text=text))

    def _stop(self, cause: Cause, actions: list[Action]) -> str:
        """Put an operator's cause in force, or have a cause in force cancel adding orders too; the
        answer's words on these orders.
        """
        self.watch.tighten(cause, actions)
        causes, name = self.desk.state.causes, (cause.code, cause.scope)
        if cause.stops_adding:
            causes[name] = replace(causes[name], stops_adding=True)
        return self.watch.adding.stop_by_operator(causes[name], cause.since, actions)

    def _abort(self, event: ev.HaltRequested, actions: list[Action]) -> None:
        """End every flattening: the account's, or those of single keys."""
        if self.desk.state.has("LIQUIDATION"):
            why = f"the flattening was aborted by {event.by}: {event.reason}"
            self.ended("ABORTED", why, event.at, actions)
        else:
            self.watch.liquidator.drop("aborted", event.at, actions)

    def _reduce_only(self, event: ev.ReduceOnlyRequested, actions: list[Action]) -> None:
        scope, key = "all", None
        if event.product_id is not None:
            product = self.desk.tracker.products.get(event.product_id)
            if product is None:
                actions.append(Answered(done=False, text=str(UnknownProduct(event.product_id))))
                return
            scope, key = f"product:{event.product_id}", product.key
        elif event.strategy_id is not None:
            scope = f"strategy:{event.strategy_id}"
        cause = Cause(
            code="OPERATOR_REDUCE_ONLY",
            scope=scope,
            level="REDUCE_ONLY",
            since=event.at,
            reason=event.reason,
            by=event.by,
            key=key,
            strategy_id=None if key else event.strategy_id,
            stops_adding=event.cancel_adding,
        )
        orders = self._stop(cause, actions)
        where = "" if scope == "all" else f" in {scope}"
        text = f"only reducing orders pass{where}: {event.reason}{orders}"
        if cause.strategy_id is not None and cause.strategy_id not in self.desk.tracker.strategies:
            text += f"; no order of {cause.strategy_id!r} is known yet: it binds from its first one"
        actions.append(Answered(done=True, text=text))

    def _resume(self, event: ev.ResumeRequested, actions: list[Action]) -> None:
        """Lift the operator's own causes and the latched ones no longer breached; name the rest."""
        remaining: list[str] = []
        for cause in list(self.desk.state.causes.values()):
            ends = CAUSES[cause.code].ends
            is_latched = ends in {"resume", "reset"} or cause.code == "CUMULATIVE_LOSS"
            if is_latched and not self._still_true(cause) and not self._cools(cause, event.at):
                self.watch.loosen(
                    cause.code, cause.scope, f"resumed by {event.by}: {event.reason}", actions
                )
            else:
                remaining.append(
                    f"{cause.code} ({cause.scope}): {reason_now(self.desk, cause)}; fix: {self.mend(cause)}"
                )
        text = "resumed" if not remaining else "not everything could be lifted"
        actions.append(Answered(done=not remaining, text=text, remaining=tuple(remaining)))

    def mend(self, cause: Cause) -> str:
        """How it ends; of the halt after a liquidation, from when on."""
        until = self._cools_until(cause)
        text = CAUSES[cause.code].mend
        return text if until is None else f"from {until:%Y-%m-%d %H:%M:%S} UTC on: {text}"

    def _cools(self, cause: Cause, now: datetime) -> bool:
        until = self._cools_until(cause)
        return until is not None and until > self.desk.tracker.loss_accounting.by_both(now)

    def _cools_until(self, cause: Cause) -> datetime | None:
        """When the halt after a liquidation may be lifted at the earliest; None where no time is set."""
        wait = self.desk.limits.resume_after
        return None if wait is None or cause.code not in BEHIND else cause.since + wait

    def _still_true(self, cause: Cause) -> bool:
        """Whether the loss behind a latched cause is still beyond its limit."""
        return self.watch.is_crossed(BEHIND.get(cause.code, cause.code), cause.scope)

    def _flatten(self, event: ev.FlattenRequested, actions: list[Action]) -> None:
        if self.desk.state.has("LIQUIDATION"):
            actions.append(Answered(done=True, text="the account is being flattened already"))
            return
        self.watch.liquidate(f"flatten by {event.by}: {event.reason}", event.at, actions)
        actions.append(Answered(done=True, text="flattening"))

    def _reset(self, event: ev.LossReset, actions: list[Action]) -> None:
        if self.desk.tracker.windows is None:
            actions.append(
                Answered(
                    done=False,
                    text="no loss window has begun yet; wait until the start is complete",
                )
            )
            return
        if event.product_id is not None or event.strategy_id is not None:
            self._reset_scope(event, actions)
            return
        self.desk.tracker.reset_window(event.window, event.at)
        if event.window in PERIODS:
            causes = self.desk.state.causes.values()
            self._lift([c for c in causes if PERIOD_OF.get(c.code) == event.window], event, actions)
        if event.window in BY_RESET:
            why = f"reset by {event.by}: {event.reason}"
            self.watch.loosen(BY_RESET[event.window], "all", why, actions)
        actions.append(Answered(done=True, text=f"the {event.window} loss counts from now"))

    def _lift(self, causes: list[Cause], event: ev.LossReset, actions: list[Action]) -> None:
        for cause in causes:
            why = f"reset by {event.by}: {event.reason}"
            self.watch.loosen(cause.code, cause.scope, why, actions)

    def _reset_scope(self, event: ev.LossReset, actions: list[Action]) -> None:
        """The loss of one product's key, or of one strategy, counts from now; those of all others go on."""
        tracker, name, strategy = self.desk.tracker, event.product_id, event.strategy_id
        if event.window not in PERIODS:
            text = f"the {event.window} loss is the whole account's; name no product or strategy"
            actions.append(Answered(done=False, text=text))
            return
        product = None if name is None else tracker.products.get(name)
        if name is not None and product is None:
            actions.append(Answered(done=False, text=str(UnknownProduct(name))))
            return
        if product is None and strategy not in tracker.strategies:
            text = f"no strategy {strategy!r} is known, so it has no loss; see positions for those that are"
            actions.append(Answered(done=False, text=text))
            return
        key = None if product is None else product.key
        tracker.reset_scope(event.window, key=key, strategy_id=strategy)
        ended = [
            cause
            for cause in self.desk.state.causes.values()
            if PERIOD_OF.get(cause.code) == event.window
            and cause.scope != "all"
            and (cause.key, cause.strategy_id) == (key, strategy)
        ]
        self._lift(ended, event, actions)
        scope = strategy if product is None else product.key
        actions.append(
            Answered(done=True, text=f"the {event.window} loss of {scope} counts from now")
        )

    def _ended(self, event: ev.LiquidationEnded, actions: list[Action]) -> None:
        if not self.desk.state.has("LIQUIDATION"):
            actions.append(Answered(done=False, text="nothing is being flattened"))
            return
        default = "the account was flattened" if event.flat else "the flattening was aborted"
        code = "LIQUIDATED" if event.flat else "ABORTED"
        self.ended(code, event.reason or default, event.at, actions)

    def ended(self, code: str, reason: str, now: datetime, actions: list[Action]) -> None:
        """The flattening of the account is over: no order passes until an operator resumes."""
        self.watch.liquidator.drop("aborted" if code == "ABORTED" else "flat", now, actions)
        halt = Cause(code=code, scope="all", level="HALTED", since=now, reason=reason)
        self.watch.tighten(halt, actions)
        self.watch.loosen("LIQUIDATION", "all", reason, actions)
        self.watch.trigger = None
        actions.append(Alert(severity="critical", code=code, text=reason))

    def _disk(self, event: ev.DiskChanged, actions: list[Action]) -> None:
        if not event.full:
            self.watch.loosen("DISK_FULL", "all", "there is room on the disk again", actions)
            return
        fault = "does not answer" if event.hangs else "is full"
        cause = Cause(
            code="DISK_FULL",
            scope="all",
            level="REDUCE_ONLY",
            since=event.at,
            reason=f"the disk {fault}: nothing can be kept",
        )
        self.watch.tighten(cause, actions)

    def _stay(self, event: ev.LimitsRefused, actions: list[Action]) -> None:
        """The last good limits stay in force, and no risk is added under them."""
        reason = f"the last good limits are in force: {event.reason}"
        state, known = self.desk.state, self.desk.state.causes.get(("CONFIG", "all"))
        if known is not None:  # of an earlier start: another fault may have taken its place
            state.causes["CONFIG", "all"] = replace(known, reason=reason)
        cause = Cause(
            code="CONFIG", scope="all", level="REDUCE_ONLY", since=event.at, reason=reason
        )
        self.watch.tighten(cause, actions)
        actions.append(Alert(severity="warning", code="CONFIG", text=reason))
