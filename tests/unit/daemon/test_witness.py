"""What tightens is kept in the reserve, the newest of it, and said where it cannot be."""

from datetime import timedelta
from typing import Any, cast

import pytest
from structlog.testing import CapturingLogger

from sidecar.core.vocabulary import events as ev
from sidecar.daemon.witness import CLOSED_MAX, Witness
from sidecar.storage import halt_file as module
from sidecar.storage.halt_file import Halted, HaltFile, read_reserve
from sidecar.storage.journal_codec import Chain
from tests.decisions import connected
from tests.disk import files_no_larger_than

PLACE = Chain(7, "0" * 16)


@pytest.fixture
def world():
    return connected(held=1, max_daily_loss="0.05")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reserve"


def kept(path):
    state = read_reserve(path).state
    assert state is not None
    assert state.manager is not None
    return state


def codes(path):
    return [(cause.code, cause.scope) for cause in kept(path).manager.causes]


def witness(world, path, log=None):
    return Witness(world.manager, lambda: HaltFile(path), cast("Any", log or CapturingLogger()))


def test_there_is_news_when_a_cause_moves_or_a_window_begins_anew(world, path):
    made = witness(world, path)
    happens = [
        lambda: None,
        lambda: world.send(ev.ReduceOnlyRequested, reason="x", product_id="ETH-USD"),
        lambda: world.send(ev.ReduceOnlyRequested, reason="x", strategy_id="grid"),
        lambda: world.send(
            ev.ReduceOnlyRequested, reason="x", strategy_id="grid", cancel_adding=True
        ),
        lambda: world.send(ev.LossReset, window="drawdown", reason="x"),
        lambda: world.send(ev.ResumeRequested, reason="x"),
    ]
    for happen in happens:
        happen()
        assert made.has_news
        made.keep(PLACE, world.now)
        assert not made.has_news
        world.wait(1)
        world.quote("BTC-USD", 64001)
        assert not made.has_news
    assert codes(path) == []


def test_what_was_prepared_earlier_is_not_written_over_what_came_later(world, path):
    made = witness(world, path)
    first = made.prepare(PLACE, world.now)
    world.send(ev.HaltRequested, reason="lunch")
    made.write(made.prepare(PLACE, world.now))
    made.write(first)
    assert codes(path) == [("OPERATOR_HALT", "all")]


def test_where_a_slot_has_no_room_the_tightest_binds_all(world, path, monkeypatch):
    made = witness(world, path)
    monkeypatch.setattr(module, "SLOT_BYTES", 100)
    made.keep(PLACE, world.now)
    assert read_reserve(path).note is None
    world.send(ev.ReduceOnlyRequested, reason="careful", product_id="ETH-USD")
    world.send(ev.HaltRequested, reason="lunch")
    made.keep(PLACE, world.now)
    assert read_reserve(path).note == Halted("HALTED", "lunch")
    assert made.fault == ""


def test_where_nothing_can_be_kept_it_is_said_once_and_tried_again(world, path):
    log, woken = CapturingLogger(), []
    made = witness(world, path, log)
    made.wake_by(lambda code, _: woken.append(code))
    with files_no_larger_than(0):
        for _ in range(3):
            made.keep(PLACE, world.now)
        assert made.fault == "File too large"
    assert [call.method_name for call in log.calls] == ["critical"]
    assert woken == ["HALT_IN_MEMORY"]
    made.keep(PLACE, world.now)
    assert (made.fault, codes(path)) == ("", [])


def test_where_there_is_no_room_for_a_reserve_it_is_made_once_there_is(world, path):
    woken: list[str] = []
    with files_no_larger_than(0):
        made = witness(world, path)
        assert made.fault == "File too large"
        made.wake_by(lambda code, _: woken.append(code))  # known only later than the reserve
        made.keep(PLACE, world.now)
    assert woken == ["HALT_IN_MEMORY"]
    made.keep(PLACE, world.now)
    assert (made.fault, codes(path)) == ("", [])


def test_most_ended_orders_are_left_out_and_no_fill_of_them_is_new(world, path):
    for number in range(CLOSED_MAX + 1):
        world.wait(1)
        world.report(
            f"o{number}", status="FILLED", filled="0.001", average_price=64000, base_size="0.001",
            created_at=world.now,
        )  # fmt: skip
    ended = world.now - timedelta(seconds=CLOSED_MAX)
    witness(world, path).keep(PLACE, world.now)
    tracker = kept(path).tracker
    assert [order.order_id for order in tracker.closed] == [
        f"o{number}" for number in range(1, CLOSED_MAX + 1)
    ]
    assert tracker.horizon == ended


def test_a_halt_by_a_fault_is_noted_beside_the_state(world, path):
    made = witness(world, path)
    made.keep(PLACE, world.now)
    made.note_halt("LIQUIDATING", "KeyError")
    assert read_reserve(path).note == Halted("LIQUIDATING", "KeyError", fault=True)


def test_a_note_of_the_last_process_stands_until_it_is_in_force(world, path):
    """The first fact of a start keeps a state that has nothing of it yet."""
    fault = Halted("HALTED", "KeyError: 'x'", fault=True)
    HaltFile(path).note(fault)
    made = witness(world, path)
    made.keep(PLACE, world.now)
    assert read_reserve(path).note == fault
    world.send(ev.HaltRequested, reason="KeyError: 'x'", fault=True)
    made.takes_up = False
    made.keep(PLACE, world.now)
    assert (codes(path), read_reserve(path).note) == ([("FAULT", "all")], None)


def test_a_note_ends_with_what_it_stood_for_though_no_slot_has_room(world, path, monkeypatch):
    made = witness(world, path)
    made.takes_up = False
    monkeypatch.setattr(module, "SLOT_BYTES", 100)
    world.send(ev.HaltRequested, reason="lunch")
    made.keep(PLACE, world.now)
    assert read_reserve(path).note == Halted("HALTED", "lunch")
    world.send(ev.ResumeRequested, reason="back")
    made.keep(PLACE, world.now)
    assert read_reserve(path).note is None


@pytest.mark.parametrize(
    ("noted", "stands"),
    [
        (Halted("LIQUIDATING", "loss"), Halted("LIQUIDATING", "loss")),
        (Halted("HALTED", "KeyError", fault=True), Halted("HALTED", "KeyError", fault=True)),
        (Halted("REDUCE_ONLY", "var", fault=True), Halted("HALTED", "lunch", fault=True)),
        (None, Halted("HALTED", "lunch")),
    ],
)
def test_a_tighter_note_of_the_last_process_is_not_written_over(
    world, path, monkeypatch, noted, stands
):
    if noted is not None:
        HaltFile(path).note(noted)
    made = witness(world, path)
    monkeypatch.setattr(module, "SLOT_BYTES", 100)
    made.keep(PLACE, world.now)
    assert read_reserve(path).note == noted
    world.send(ev.HaltRequested, reason="lunch")
    made.keep(PLACE, world.now)
    assert read_reserve(path).note == stands
