"""Trading state: the tightest of what is in force, and the one move that is forbidden."""

import pytest

from sidecar.core.context.state import CAUSES, Cause, TradingState
from sidecar.core.vocabulary.errors import Misuse
from tests.scenario import START


def cause(code, scope="all", **fields):
    return Cause(
        code=code, scope=scope, level=CAUSES[code].level, since=START, reason="why", **fields
    )


def state(*codes, ready=True):
    made = TradingState(ready=ready)
    for code in codes:
        made.add(cause(code))
    return made


def test_without_causes_the_account_is_starting_or_active():
    assert state(ready=False).account == "STARTING"
    assert state().account == "ACTIVE"


@pytest.mark.parametrize("code", CAUSES)
def test_every_cause_tightens_to_its_level(code):
    assert state(code).account == CAUSES[code].level


@pytest.mark.parametrize("code", CAUSES)
def test_every_cause_says_how_it_is_mended(code):
    assert CAUSES[code].mend
    assert CAUSES[code].ends in {"itself", "reset", "resume", "flat"}


def test_the_tightest_of_several_causes_is_the_state():
    both = state("DAILY_LOSS", "OPERATOR_HALT")
    assert both.account == "HALTED"
    both.remove("OPERATOR_HALT")
    assert both.account == "REDUCE_ONLY"
    both.remove("DAILY_LOSS")
    assert both.account == "ACTIVE"


def test_reduce_only_is_tighter_than_starting():
    assert state("DAILY_LOSS", ready=False).account == "REDUCE_ONLY"


def test_a_narrower_cause_leaves_the_accounts_state_alone():
    made = state()
    made.add(cause("PRICE_SHOCK", "product:BTC", key="BTC"))
    assert made.account == "ACTIVE"


@pytest.mark.parametrize(
    ("fields", "key", "strategy", "binds"),
    [
        ({}, "BTC", None, True), ({}, "ETH", "momo", True),
        ({"key": "BTC"}, "BTC", "momo", True), ({"key": "BTC"}, "ETH", "momo", False),
        ({"strategy_id": "momo"}, "BTC", "momo", True),
        ({"strategy_id": "momo"}, "BTC", "carry", False),
        ({"strategy_id": "momo"}, "BTC", None, False),
    ],
)  # fmt: skip
def test_a_cause_binds_its_scope_and_nothing_else(fields, key, strategy, binds):
    assert cause("OPERATOR_REDUCE_ONLY", "some", **fields).binds(key, strategy) == binds


def test_the_same_cause_twice_is_one_cause():
    """Raising it again neither changes it nor counts as a tightening."""
    made = state("DAILY_LOSS")
    assert not made.add(cause("DAILY_LOSS"))
    assert (len(made.causes), made.tightenings) == (1, 1)


def test_the_same_code_in_two_scopes_is_two_causes():
    made = state("DAILY_LOSS")
    assert made.add(cause("DAILY_LOSS", "product:BTC-USD", key="BTC"))
    assert made.has("DAILY_LOSS")
    assert made.has("DAILY_LOSS", "product:BTC-USD")


def test_removing_what_is_not_there_changes_nothing():
    made = state("DAILY_LOSS")
    assert made.remove("DRAWDOWN") is None
    assert made.account == "REDUCE_ONLY"


@pytest.mark.parametrize(
    ("behind", "ready", "after"),
    [((), True, "ACTIVE"), ((), False, "STARTING"), (("DAILY_LOSS",), True, "REDUCE_ONLY")],
)
def test_liquidating_ends_in_halted_or_not_at_all(behind, ready, after):
    """Removing the cause without a halt behind it is refused and changes nothing."""
    made = state("LIQUIDATION", *behind, ready=ready)
    with pytest.raises(Misuse, match=f"from LIQUIDATING to {after}; halt it first"):
        made.remove("LIQUIDATION")
    assert made.account == "LIQUIDATING"
    made.add(cause("LIQUIDATED"))
    made.remove("LIQUIDATION")
    assert made.account == "HALTED"


def test_while_liquidating_other_causes_may_come_and_go():
    made = state("LIQUIDATION")
    made.add(cause("DAILY_LOSS"))
    made.add(cause("OPERATOR_HALT"))
    made.remove("DAILY_LOSS")
    assert made.account == "LIQUIDATING"


@pytest.mark.parametrize("first", CAUSES)
@pytest.mark.parametrize("second", CAUSES)
def test_no_order_of_causes_loosens(first, second):
    """The state is what follows from the set of causes, whichever came first."""
    assert state(first, second).account == state(second, first).account


def test_how_often_it_was_tightened_never_comes_back_to_what_it_was():
    """An approval is of the count that it was given at."""
    state = TradingState(ready=True)
    counts = [state.tightenings]
    for _ in range(3):
        state.tightened()
        counts.append(state.tightenings)
    assert counts == [0, 1, 2, 3]
