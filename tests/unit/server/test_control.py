"""What operators may do over the control socket."""

import asyncio

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Misuse
from sidecar.server.control import Control
from sidecar.server.error_codes import INVALID_PARAMS
from sidecar.server.protocol import RequestError
from tests.answering import Desk, Listening, asked, told
from tests.scenario import World, limit_order


class Operator:
    """An operator of user 7, and the daemon behind the socket."""

    def __init__(self, world=None, *, cancel_all=None):
        self.desk = Desk(world)
        self.reloads = []
        self.tasks: list[asyncio.Task[None]] = []
        self.control = Control(
            self.desk.answers,
            reload=self._reload,
            cancel_all=cancel_all or self._cancel_all,
            spawn=lambda work: self.tasks.append(asyncio.get_running_loop().create_task(work)),
        )

    def ask(self, method, **given):
        return told(self.control(Listening(uid=4242), asked(method, **given)))

    def wrong(self, method, **given):
        with pytest.raises(RequestError) as caught:
            self.ask(method, **given)
        assert caught.value.code == INVALID_PARAMS
        return caught.value.message

    def _reload(self, reason, by, uid):
        if reason == "broken":
            raise Misuse("limits.max_var: 5 is above 1")
        self.reloads.append((reason, by, uid))
        return {"done": True}

    async def _cancel_all(self, reason, by):
        return {"cancelled": [reason, by]}


def test_halt_and_resume_say_what_came_of_them_and_keep_who():
    operator = Operator()
    assert operator.ask("halt", reason="looks odd") == {
        "done": True, "text": "HALTED: looks odd", "remaining": (), "state": "HALTED",
    }  # fmt: skip
    (cause,) = operator.desk.world.manager.state.causes.values()
    assert (cause.by, cause.reason) == ("uid 4242", "looks odd")
    assert operator.ask("resume", reason="looked at it")["state"] == "ACTIVE"


def test_a_verb_is_by_the_user_of_that_name():
    operator = Operator()
    asked_by_root = asked("halt", reason="looks odd")
    told(operator.control(Listening(uid=0), asked_by_root))
    (cause,) = operator.desk.world.manager.state.causes.values()
    assert cause.by == "root"


def test_reduce_only_may_be_narrowed_to_one_thing():
    operator = Operator()
    assert operator.ask("reduce_only", reason="a", product_id="BTC-USD")["state"] == "ACTIVE"
    operator.ask("reduce_only", reason="b", strategy_id="s")
    assert operator.ask("reduce_only", reason="c")["state"] == "REDUCE_ONLY"
    scopes = [cause.scope for cause in operator.desk.world.manager.state.causes.values()]
    assert scopes == ["product:BTC-USD", "strategy:s", "all"]
    refused = operator.ask("reduce_only", reason="d", product_id="NO-SUCH")
    assert (refused["done"], "NO-SUCH" in refused["text"]) == (False, True)
    assert "not both" in operator.wrong("reduce_only", reason="e", product_id="a", strategy_id="b")
    assert "strategy_id" in operator.wrong("reduce_only", reason="e", strategy_id="")


@pytest.mark.parametrize("verb", ["halt", "reduce_only"])
def test_what_stops_may_cancel_the_orders_that_add_risk(verb):
    operator = Operator()
    operator.desk.world.report("o1", leaves="0.1", limit_price=60_000)
    told = "1 open order adds risk"
    assert operator.ask(verb, reason="a")["text"].endswith(
        f"; {told} and may still fill, unless cancel_adding (--cancel-adding) is asked for"
    )
    answer = operator.ask(verb, reason="a", cancel_adding=True)
    assert answer["text"].endswith(f"; {told}: the cancel has been asked for")


def test_what_cannot_be_lifted_is_named_with_its_mend():
    world = World(max_daily_loss="0.01")
    world.hold(1)
    world.stand("BTC-USD", 62000)
    operator = Operator(world)
    answer = operator.ask("resume", reason="please")
    assert (answer["done"], answer["state"]) == (False, "REDUCE_ONLY")
    assert "reset-loss daily" in answer["remaining"][0]
    assert operator.ask("reset_loss", window="daily", reason="known")["state"] == "ACTIVE"
    assert "window" in operator.wrong("reset_loss", window="yearly", reason="x")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines"])
@pytest.mark.parametrize("verb", ["halt", "cancel_all", "reload"])
def test_no_verb_without_a_reason_that_can_be_read(verb, reason):
    operator = Operator()
    assert "reason: say why" in operator.wrong(verb, reason=reason)
    assert "reason" in operator.wrong(verb)
    assert (operator.desk.facts, operator.reloads, operator.tasks) == ([], [], [])


def test_everything_of_the_order_socket_is_there_too():
    operator = Operator()
    assert operator.ask("validate_order", order=limit_order())["approved"]
    assert operator.ask("hello", name="maker")["state"] == "ACTIVE"
    assert operator.desk.facts[-1] == ev.BotConnected(
        at=operator.desk.world.now, name="maker", uid=4242
    )
    with pytest.raises(RequestError, match="reset_loss"):
        operator.ask("reset-loss", window="daily", reason="x")


def test_reload_hands_over_who_and_why_and_a_fault_is_its_answer():
    operator = Operator()
    assert operator.ask("reload", reason="new limits") == {"done": True}
    assert operator.reloads == [("new limits", "uid 4242", 4242)]
    with pytest.raises(Misuse, match="max_var"):
        operator.ask("reload", reason="broken")


async def test_cancel_all_is_answered_when_it_is_done():
    operator = Operator()
    answer = operator.ask("cancel_all", reason="storm")
    assert not answer.done()
    assert await answer == {"cancelled": ["storm", "uid 4242"]}


@pytest.mark.parametrize("refusal", [Misuse("no key"), RequestError(-32000, "not now")])
async def test_a_cancel_that_is_refused_is_an_answer_and_no_fault_of_its_task(refusal):
    async def refuse(reason, by):
        raise refusal

    operator = Operator(cancel_all=refuse)
    answer = operator.ask("cancel_all", reason="storm")
    await asyncio.gather(*operator.tasks)
    assert answer.exception() is refusal


@pytest.mark.parametrize("how", ["cut off", "at fault"])
async def test_work_that_ends_otherwise_leaves_nobody_waiting(how):
    async def work(reason, by):
        if how == "at fault":
            raise ZeroDivisionError
        await asyncio.get_running_loop().create_future()

    operator = Operator(cancel_all=work)
    answer = operator.ask("cancel_all", reason="storm")
    await asyncio.wait(operator.tasks, timeout=0)
    operator.tasks[0].cancel()
    await asyncio.gather(*operator.tasks, return_exceptions=True)
    assert answer.cancelled()
