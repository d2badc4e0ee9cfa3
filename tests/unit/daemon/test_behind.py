"""What must be on disk before it leaves waits for the disk beside the loop, and what follows leaves in order."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon import behind as module
from sidecar.daemon.engine import Faulted
from tests.daemon_parts import NoJournal, Running
from tests.decisions import connected


class SlowJournal(NoJournal):
    """One that is written when it is let, or given up."""

    def __init__(self):
        super().__init__()
        self.opened = asyncio.Event()
        self.flushes = 0
        self.disk = self
        self.during_flush = lambda: None

    async def flush(self, _before=None):
        self.flushes += 1
        self.during_flush()
        await self.opened.wait()
        await asyncio.sleep(0)

    def give_up(self):
        self.opened.set()


@pytest.fixture
def failures():
    return []


@asynccontextmanager
async def behind(failures: list[object]):
    """An engine on such a journal, and what it carried out and told."""
    running, order = Running(connected()), []
    engine, journal = running.engine, SlowJournal()
    engine.journal = cast("Any", journal)
    engine.carry = {ac.StateChanged: lambda action: order.append(action.after)}
    engine.listeners.append(lambda event, _: order.append(type(event).__name__))
    task = asyncio.create_task(engine.carry_out_behind())
    await asyncio.sleep(0)
    try:
        yield engine, journal, order
    finally:
        task.cancel()
        failures += [one for one in await asyncio.gather(task, return_exceptions=True) if one]


def tell(engine, kind, **fields):
    return engine.handle(kind(at=engine.now(), **fields))


async def test_what_moves_no_mode_waits_for_nobody():
    async with behind([]) as (engine, journal, order):
        tell(engine, ev.ClockAdvanced)
        assert order == ["ClockAdvanced"]
        assert engine.behind.settled() is None
        assert journal.flushes == 0


async def test_a_change_of_mode_and_all_behind_it_leave_in_order_once_it_is_on_disk():
    async with behind([]) as (engine, journal, order):
        assert any(isinstance(a, ac.Answered) for a in tell(engine, ev.HaltRequested, reason="x"))
        tell(engine, ev.ClockAdvanced)
        tell(engine, ev.ResumeRequested, reason="y")
        assert engine.manager.state.account == "ACTIVE"
        settled, again = engine.behind.settled(), engine.behind.settled()
        await asyncio.sleep(0)
        assert order == []
        journal.opened.set()
        async with asyncio.timeout(60):
            await settled
            await again
        assert order == [
            "HALTED", "HaltRequested", "ClockAdvanced", "ACTIVE", "ResumeRequested",
        ]  # fmt: skip
        tell(engine, ev.ClockAdvanced)
        assert order[-1] == "ClockAdvanced"
        assert engine.behind.is_empty


async def test_when_it_ends_whoever_waits_is_told_and_the_disk_is_waited_for_at_once():
    async with behind([]) as (engine, _, order):
        tell(engine, ev.HaltRequested, reason="x")
        settled = engine.behind.settled()
        settled.cancel()
        waiting = engine.behind.settled()
        await asyncio.sleep(0)
    assert waiting.done()
    assert order == []
    tell(engine, ev.ResumeRequested, reason="y")
    assert order == ["ACTIVE", "ResumeRequested"]


async def test_a_failure_of_what_follows_ends_the_task(failures):
    async with behind(failures) as (engine, journal, _):

        def fails(_event, _actions):
            raise BrokenPipeError(32, "Broken pipe")

        engine.listeners.append(fails)
        tell(engine, ev.HaltRequested, reason="x")
        journal.opened.set()
        await engine.behind.settled()
    assert [type(failure) for failure in failures] == [Faulted]


async def test_on_a_busy_account_a_word_is_settled_once_it_is_on_disk():
    """However many facts come while the disk is waited for, and whatever they move."""
    async with behind([]) as (engine, journal, _):
        left, is_settled = iter(range(50)), []

        def another_comes(event, _):
            if isinstance(event, ev.ClockAdvanced):
                is_settled.append(settled.done())
            if next(left, None) is not None:
                tell(engine, ev.ResumeRequested, reason="y")
                tell(engine, ev.HaltRequested, reason="z")

        journal.during_flush = lambda: tell(engine, ev.ClockAdvanced)
        engine.listeners.append(another_comes)
        tell(engine, ev.HaltRequested, reason="x")
        settled = engine.behind.settled()
        journal.opened.set()
        async with asyncio.timeout(60):
            await settled
            await engine.behind.settled()
        assert is_settled
        assert all(is_settled)


async def test_facts_behind_a_change_of_mode_have_the_disk_waited_for_once():
    async with behind([]) as (engine, journal, order):
        tell(engine, ev.HaltRequested, reason="x")
        journal.during_flush = lambda: [tell(engine, ev.ClockAdvanced) for _ in range(3)]
        journal.opened.set()
        await engine.behind.settled()
        assert order[-3:] == ["ClockAdvanced"] * 3
        assert journal.flushes == 1
        assert engine.behind.is_empty


async def test_more_than_may_wait_leaves_without_the_disk(monkeypatch):
    monkeypatch.setattr(module, "WAITING_MAX", 5)
    async with behind([]) as (engine, journal, order):
        tell(engine, ev.HaltRequested, reason="x")
        await asyncio.sleep(0)
        for _ in range(4):
            tell(engine, ev.ClockAdvanced)
        assert not journal.opened.is_set()
        tell(engine, ev.ClockAdvanced)
        await engine.behind.settled()
        assert order == ["HALTED", "HaltRequested", *["ClockAdvanced"] * 5]
