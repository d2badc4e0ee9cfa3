"""The disk's thread: what is asked of it is done in order, and it is waited for only so long."""

import asyncio
import threading

import pytest

from sidecar.storage import disk_thread as module
from sidecar.storage.disk_thread import DiskHangs, DiskThread


class Held:
    """A disk that answers when it is let; `fails` says how."""

    def __init__(self):
        self.thread, self.opened, self.done = DiskThread(), threading.Event(), []
        self.hung: list[bool] = []
        self.thread.on_hang = lambda: self.hung.append(self.thread.hangs)

    def work(self, name, fails=None):
        def work():
            assert self.opened.wait(60)
            self.done.append(name)
            if fails is not None:
                raise fails
            return name

        return work


@pytest.fixture
def held():
    made = Held()
    yield made
    made.opened.set()


async def asked(held, *names):
    """Tasks that wait for the disk by now."""
    tasks = [asyncio.create_task(held.thread.do(held.work(name))) for name in names]
    await asyncio.sleep(0)
    return tasks


async def answers_again(held):
    async with asyncio.timeout(60):
        while held.thread.hangs:  # noqa: ASYNC110 - a thread ends, and tells nobody
            await asyncio.sleep(0.01)


def fail(message):
    raise OSError(28, message)


async def test_what_is_asked_is_done_in_order_and_handed_back(held):
    tasks = await asked(held, "one", "two")
    held.opened.set()
    assert await asyncio.gather(*tasks) == ["one", "two"]
    assert held.thread.wait(held.work("three")) == "three"
    assert held.done == ["one", "two", "three"]
    assert held.hung == []


async def test_a_failure_is_met_by_whoever_waits(held):
    with pytest.raises(OSError, match="no room"):
        await held.thread.do(lambda: fail("no room"))
    with pytest.raises(OSError, match="no room"):
        held.thread.wait(lambda: fail("no room"))
    with pytest.raises(TimeoutError, match="of the network"):  # which is none of ours
        held.thread.wait(lambda: (_ for _ in ()).throw(TimeoutError("of the network")))
    assert held.hung == []


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_disk_that_does_not_answer_is_given_up_until_it_does(held, monkeypatch, at_once):
    monkeypatch.setattr(module, "WITHIN_S", 0.02)

    async def ask():
        return held.thread.wait(work) if at_once else await held.thread.do(work)

    work = held.work("one")
    with pytest.raises(DiskHangs):
        await ask()
    assert held.hung == [True]
    with pytest.raises(DiskHangs):
        await held.thread.do(held.work("two"))
    with pytest.raises(DiskHangs):
        held.thread.wait(held.work("three"))
    held.thread.give_up()
    assert held.hung == [True]
    held.opened.set()
    await answers_again(held)
    monkeypatch.undo()
    assert await held.thread.do(held.work("four")) == "four"
    assert held.done == ["one", "four"]


async def test_all_who_wait_go_on_once_it_is_given_up(held):
    tasks = await asked(held, "one", "two", "three")
    held.thread.give_up()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DiskHangs] * 3
    assert held.hung == [True]
    held.opened.set()
    await answers_again(held)
    assert held.done == ["one", "two", "three"]
    held.thread.give_up()  # there is nothing to be given up
    assert held.hung == [True]


async def test_a_failure_of_what_was_given_up_is_met_by_the_next_write_only(held):
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    waits = asyncio.create_task(held.thread.do(held.work("one", OSError(28, "no room"))))
    (last,) = await asked(held, "two")
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    held.opened.set()
    async with asyncio.timeout(60):
        assert await last == "two"
    assert told == []


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_a_fault_of_our_own_is_told_and_ends_no_later_work(held, monkeypatch, is_wanted):
    ended = threading.Event()  # the thread may end after its fault is told
    monkeypatch.setattr(threading, "excepthook", lambda _: ended.set())
    told = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda *_: told.set())
    waits = asyncio.create_task(held.thread.do(held.work("one", KeyError("odd"))))
    await asyncio.sleep(0)
    if not is_wanted:
        waits.cancel()
    held.opened.set()
    with pytest.raises(KeyError if is_wanted else asyncio.CancelledError):
        await waits
    if not is_wanted:
        await asyncio.wait_for(told.wait(), 60)
    assert await held.thread.do(held.work("two")) == "two"
    assert ended.wait(60)


def test_a_thread_without_work_ends_and_another_begins(monkeypatch):
    monkeypatch.setattr(module, "IDLE_S", 0)
    made = DiskThread()
    first = made.wait(threading.current_thread)
    first.join(60)
    assert not first.is_alive()
    assert made.wait(threading.current_thread) is not first


async def test_where_the_system_gives_no_thread_the_disk_hangs_for_that_piece_only(
    held, monkeypatch
):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    held.opened.set()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(DiskHangs):
            await held.thread.do(held.work("one"))
        with pytest.raises(DiskHangs):
            held.thread.wait(held.work("one"))
    assert (held.thread.hangs, held.hung) == (False, [])
    assert await held.thread.do(held.work("two")) == "two"
    assert held.done == ["two"]
