"""StreakWatch: the cool-down after too many lost trades in a row. No I/O.

Which trades are lost, and until when a scope cools down, is in account/streaks.py.
"""

from datetime import datetime
from typing import Final, Literal

from msgspec.structs import replace

from sidecar.core.account.streaks import StreakScope
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.state import Cause
from sidecar.core.guards.loss_watch import LossWatch
from sidecar.core.vocabulary.actions import Action, Alert

CODE: Final = "LOSING_STREAK"


class StreakWatch:
    """Keeps a cause in force in each scope that cools down."""

    def __init__(self, desk: RiskContext, watch: LossWatch) -> None:
        self.desk = desk
        self.watch = watch

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Trades were closed, their results have changed, time has passed, or other limits bind."""
        tracker, causes = self.desk.tracker, self.desk.state.causes
        streaks = tracker.streaks
        streaks.pass_time(tracker.loss_accounting.by_both(now))
        cooling = {
            scope.name: scope
            for scope in streaks.scopes
            if scope.name != "shadow" and streaks.cools_until(scope.name) is not None
        }
        for code, name in list(causes):
            if code == CODE and name not in cooling:
                self.watch.loosen(
                    CODE,
                    name,
                    "a trade of it was not lost after all, or its limit is gone",
                    actions,
                )
        for name, scope in cooling.items():
            until = streaks.cools_until(name)
            if (known := causes.get((CODE, name))) is None:
                self._begin(scope, now, actions)
            elif known.clears_at != until:
                causes[CODE, name] = replace(known, clears_at=until)

    def _begin(self, scope: StreakScope, now: datetime, actions: list[Action]) -> None:
        tracker, name = self.desk.tracker, scope.name
        product = tracker.products.get(scope.product_id or "")
        cause = Cause(
            code=CODE,
            scope=name,
            level="REDUCE_ONLY",
            since=now,
            reason=f"{tracker.streaks.count(name)} trades in a row were lost",
            key=None if product is None else product.key,
            strategy_id=scope.strategy_id,
            clears_at=tracker.streaks.cools_until(name),
        )
        self.watch.tighten(cause, actions)
        severity: Literal["critical", "warning"] = "critical" if name == "all" else "warning"
        actions.append(Alert(severity=severity, code=CODE, text=f"{name}: {cause.reason}"))
        self.watch.adding.stop(cause, now, actions)
