"""Tightening and loosening: a cause comes into force or is lifted, and it is said once."""

from sidecar.core.context.state import Cause, TradingState
from sidecar.core.context.tightening import loosen, tighten
from sidecar.core.vocabulary.actions import Action, CauseCleared, CauseRaised
from tests.scenario import START

CAUSE = Cause(
    code="OPERATOR_REDUCE_ONLY", scope="all", level="REDUCE_ONLY", since=START, reason="lunch"
)


def test_a_cause_is_said_once_and_stays_as_it_came():
    state, actions = TradingState(ready=True), list[Action]()
    tighten(state, CAUSE, actions)
    tighten(state, Cause(code=CAUSE.code, scope="all", level="HALTED", since=START, reason="x"), actions)  # fmt: skip
    (raised,) = actions
    assert isinstance(raised, CauseRaised)
    assert (raised.code, raised.reason, raised.level) == (CAUSE.code, "lunch", "REDUCE_ONLY")
    assert list(state.causes.values()) == [CAUSE]


def test_what_is_not_in_force_is_not_lifted():
    state, actions = TradingState(ready=True), list[Action]()
    loosen(state, CAUSE.code, "all", "back", actions)
    assert actions == []
    tighten(state, CAUSE, [])
    loosen(state, CAUSE.code, "all", "back", actions)
    assert actions == [CauseCleared(code=CAUSE.code, scope="all", reason="back")]
    assert state.account == "ACTIVE"
