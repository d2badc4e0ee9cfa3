"""The core's actions as lines of the log, by a log that keeps them."""

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.action_log import USERS_MAX, ActionLog
from tests.scenario import World, limit_order

AT = datetime(2026, 11, 22, 13, tzinfo=UTC)
EVENT = ev.ClockAdvanced(at=AT)


@pytest.fixture
def told():
    """The log of actions, and the lines that it has written."""
    lines: list[dict[str, Any]] = []

    def keep(_logger: object, level: str, fields: Any) -> Any:
        lines.append({"level": level, **fields})
        raise structlog.DropEvent

    return ActionLog(structlog.wrap_logger(structlog.PrintLogger(), processors=[keep])), lines


def levels(lines):
    return [(line["level"], line["event"]) for line in lines]


def test_a_normal_start_has_no_warning_and_each_step_down_has_one(told):
    log, lines = told
    steps = [
        "STARTING",
        "ACTIVE",
        "REDUCE_ONLY",
        "ACTIVE",
        "HALTED",
        "ACTIVE",
        "LIQUIDATING",
        "HALTED",
    ]
    for before, after in itertools.pairwise(steps):
        log.tell(EVENT, [ac.StateChanged(before=before, after=after, reason="x")])
    shown = [line["level"] for line in lines]
    assert shown == ["info", "warning", "info", "critical", "info", "critical", "critical"]


@pytest.mark.parametrize(
    ("code", "level"),
    [("DAILY_LOSS", "warning"), ("OPERATOR_HALT", "critical"), ("LIQUIDATION", "critical")],
)
def test_what_stops_is_critical_and_what_restricts_a_warning(told, code, level):
    log, lines = told
    cause = {"code": code, "scope": "all", "reason": "x"}
    log.tell(EVENT, [ac.CauseRaised(level="REDUCE_ONLY", **cause), ac.CauseCleared(**cause)])
    assert levels(lines) == [(level, "restricted"), ("info", "lifted")]


def test_refusals_are_summed_up_by_code_and_approvals_are_not_told(told):
    log, lines = told
    world = World(cash="1000000", max_order_notional=100)
    for size in ("1", "2", "0.001"):
        decision = world.ask(limit_order(size))
        log.tell(EVENT, [ac.Decided(decision=decision)])
    log.sum_up()
    assert [(line["event"], line["codes"]) for line in lines] == [
        ("orders refused in the last minute", "MAX_ORDER_NOTIONAL 2")
    ]
    log.sum_up()
    assert len(lines) == 1


def test_who_is_turned_away_is_named_at_once_and_then_once_a_minute(told):
    log, lines = told
    for _ in range(3):
        log.turned_away(1000, "user 1000 may not ask here")
    assert levels(lines) == [("warning", "turned away")]
    log.sum_up()
    assert lines[-1] == {
        "level": "warning",
        "event": "turned away in the last minute",
        "uid": 1000,
        "times": 2,
    }
    log.turned_away(1000, "again")
    log.sum_up()
    assert lines[-1]["times"] == 1
    log.sum_up()
    assert len(lines) == 3
    log.turned_away(1000, "after a quiet minute")
    assert lines[-1]["event"] == "turned away"


def test_many_users_do_not_fill_the_log(told):
    log, lines = told
    for uid in range(2 * USERS_MAX):
        log.turned_away(uid, "no")
    assert len(lines) == USERS_MAX
