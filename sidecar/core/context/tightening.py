"""Tightening and loosening: a cause comes into force or is lifted, and it is said. No I/O."""

from sidecar.core.context.state import NO_CAUSE, Cause, Level, TradingState
from sidecar.core.vocabulary.actions import Action, CauseCleared, CauseRaised, StateChanged


def tighten(state: TradingState, cause: Cause, actions: list[Action]) -> None:
    """Put a cause in force and say so; a cause in force already stays as it is."""
    if state.add(cause):
        actions.append(
            CauseRaised(
                code=cause.code,
                scope=cause.scope,
                level=cause.level,
                reason=cause.reason,
                clears_at=cause.clears_at,
            )
        )


def loosen(state: TradingState, code: str, scope: str, reason: str, actions: list[Action]) -> None:
    """Lift a cause, if it is in force, and say so."""
    if state.remove(code, scope) is not None:
        actions.append(CauseCleared(code=code, scope=scope, reason=reason))


def changed(state: TradingState, before: Level) -> StateChanged:
    """The account's state is another than before, and why."""
    after = state.account
    causes = (c for c in state.causes.values() if (c.scope, c.level) == ("all", after))
    reason = "; ".join(cause.reason or cause.code for cause in causes) or NO_CAUSE[after]
    return StateChanged(before=before, after=after, reason=reason)
