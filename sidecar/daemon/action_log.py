"""The core's actions as lines of the log: what restricts, what lifts, what is sold; refusals summed up.

Nothing at a normal start is a warning: a warning is for what restricts a bot, `critical` for what sells, stops or
cannot see.
"""

import asyncio
from collections import Counter
from typing import Any, Final, Literal

from structlog.typing import FilteringBoundLogger

from sidecar.core.context.state import CAUSES, TIGHTNESS
from sidecar.core.liquidation.liquidation_report import report_view
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.reports import LiquidationReport

SUM_UP_S: Final = 60.0  # a bot in a loop is refused a thousand times a second
USERS_MAX: Final = 100  # whose being turned away is told, each once a minute
RANKS: Final[dict[str, int]] = {str(name): rank for name, rank in TIGHTNESS.items()}
STOPS: Final = frozenset({"HALTED", "LIQUIDATING"})

Severity = Literal["info", "warning", "critical"]


class ActionLog:
    """One process's. `tell` is a listener of the engine's."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._refused: Counter[str] = Counter()  # by code, since they were summed up last
        self._turned_away: dict[int, int] = {}  # by user, how often

    def tell(self, _event: ev.Event, actions: list[ac.Action]) -> None:
        """Each action that people should know of, in a line."""
        for action in actions:
            if not isinstance(action, ac.Decided):
                self._tell(action)
            elif not action.decision.approved:
                self._count(action.decision)

    def _tell(self, action: ac.Action) -> None:
        match action:
            case ac.Alert(severity=severity, code=code, text=text):
                self._say(severity, text, code=code)
            case ac.StateChanged(before=before, after=after, reason=reason):
                self._say(_moved(action), "state", before=before, after=after, reason=reason)
            case ac.CauseRaised(code=code, scope=scope, reason=reason):
                self._say(_raised(code), "restricted", code=code, scope=scope, reason=reason)
            case ac.CauseCleared(code=code, scope=scope, reason=reason):
                self._say("info", "lifted", code=code, scope=scope, reason=reason)
            case ac.Liquidate(episode=episode, reason=reason):
                self._say("critical", "selling everything", episode=episode, reason=reason)
            case ac.FlattenProduct(key=key, reason=reason):
                self._say("critical", "selling all of it", key=key, reason=reason)
            case ac.LiquidationReported(report=report):
                self._say("warning", "flattening is over", **_summary(report))

    def limits(self, action: ac.LimitsChanged) -> None:
        """Who changed which limits, each tighter or looser, and which are queued until when."""
        told = {"by": action.by, "reason": action.reason}
        for name, changes in (("bind", action.changes), ("queued", action.queued)):
            if changes:
                told[name] = "; ".join(f"{one.way}: {one}" for one in changes)
        if action.binds_at is not None:
            told["binds_at"] = str(action.binds_at)
        self._log.warning("limits changed", **told)

    def turned_away(self, uid: int, reason: str) -> None:
        """A client was told that it may not ask: the first time at once, then once a minute."""
        if uid not in self._turned_away and len(self._turned_away) < USERS_MAX:
            self._log.warning("turned away", uid=uid, reason=reason)
            self._turned_away[uid] = 0
        elif uid in self._turned_away:
            self._turned_away[uid] += 1

    async def run(self) -> None:
        """Until cancelled: sum up."""
        while True:
            await asyncio.sleep(SUM_UP_S)
            self.sum_up()

    def sum_up(self) -> None:
        """How many orders were refused since the last time, by code, and how often who was turned away."""
        if self._refused:
            codes = ", ".join(f"{code} {count:,}" for code, count in self._refused.most_common())
            self._log.info("orders refused in the last minute", codes=codes)
            self._refused.clear()
        again = {uid: count for uid, count in self._turned_away.items() if count}
        for uid, count in again.items():
            self._log.warning("turned away in the last minute", uid=uid, times=count)
        self._turned_away = dict.fromkeys(again, 0)

    def _count(self, decision: Decision) -> None:
        for violation in decision.violations:
            self._refused[violation.code] += 1

    def _say(self, severity: Severity, text: str, **fields: Any) -> None:
        getattr(self._log, severity)(text, **fields)


def _moved(changed: ac.StateChanged) -> Severity:
    """The account's state: a start that becomes ready, and all that lifts, is no warning."""
    if changed.after in STOPS:
        return "critical"
    return "warning" if RANKS[changed.after] > RANKS[changed.before] else "info"


def _raised(code: str) -> Severity:
    return "critical" if CAUSES[code].level in STOPS else "warning"


def _summary(report: LiquidationReport) -> dict[str, Any]:
    """The figures that fit a line; the rest is in the journal and in `status`."""
    view = report_view(report)
    told = ("episode", "key", "outcome", "rounds", "cancelled", "proceeds", "fees", "slippage")
    return {name: str(view[name]) for name in told if view[name] is not None}
