"""The demands of losses on the account as long as they stand, for callers that ask instead of
listening. No I/O.
"""

from sidecar.core.context.state import TradingState
from sidecar.core.guards.loss_watch import LossWatch
from sidecar.core.vocabulary.actions import Action, ReduceOnly


def demands(state: TradingState, watch: LossWatch) -> list[Action]:
    """Every loss whose cause is in force, as it stands now, and a missing base of ratios."""
    causes, bounded = state.causes, list(watch.bounds.bounded(None))
    no_equity: list[Action] = [
        ReduceOnly(
            code="NO_EQUITY",
            loss=bound.loss.usd,
            ratio=None,
            limit=str(bound.limit),
            reason=causes["NO_EQUITY", "all"].reason,
        )
        for bound in bounded
        if bound.lacks_equity and state.has("NO_EQUITY")
    ]
    return no_equity[:1] + [
        ReduceOnly(
            code=f"MAX_{bound.code}",
            scope=bound.scope,
            loss=bound.loss.usd,
            ratio=bound.loss.ratio,
            limit=str(bound.limit),
            reason=causes[bound.code, bound.scope].reason,
        )
        for bound in bounded
        if (bound.code, bound.scope) in causes
    ]
