"""What follows a fact: it is carried out before anybody is told, and no failure of it is swallowed."""

import pytest

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.engine import Faulted
from tests.daemon_parts import Running
from tests.decisions import connected


def halt(running: Running) -> None:
    engine = running.engine
    engine.handle(ev.HaltRequested(at=engine.now(), reason="lunch", by="me", cancel_adding=True))


def test_what_a_fact_asks_for_is_carried_out_before_anybody_is_told():
    running, order = Running(connected()), []
    running.engine.carry = {ac.StateChanged: lambda _: order.append("carried out")}
    running.engine.listeners.append(lambda _event, _actions: order.append("told"))
    halt(running)
    assert order == ["carried out", "told"]


def test_a_failure_that_a_connection_would_take_for_its_own_ends_the_process():
    """An event loop and the feeds pass over an OSError: it is theirs, as a rule."""
    running = Running(connected())

    def fails(_event: object, _actions: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    running.engine.listeners.append(fails)
    with pytest.raises(Faulted, match="Broken pipe"):
        halt(running)
    with pytest.raises(Faulted, match="half way"):
        halt(running)
