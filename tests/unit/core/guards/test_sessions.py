"""Bots' sessions: who is there, who is back in time, who has gone."""

from datetime import timedelta

import msgspec
import pytest

from sidecar.core.guards import sessions as module
from sidecar.core.guards.sessions import BotSession, Sessions
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, Answered, WakeAt
from tests.scenario import START, World, limit_order


def at(seconds):
    return START + timedelta(seconds=seconds)


class Desk:
    """Sessions with verbs for what bots do; each at a second of its own choosing."""

    def __init__(self, **options):
        self.sessions = Sessions(**options)

    def hello(self, name="maker", second=0.0, uid=1000, **facts):
        return self._handle(ev.BotConnected(at=at(second), name=name, uid=uid, **facts))

    def drop(self, name="maker", second=0.0, uid=1000):
        return self._handle(ev.BotDropped(at=at(second), name=name, uid=uid))

    def bye(self, name="maker", second=0.0, uid=1000):
        return self._handle(ev.BotLeft(at=at(second), name=name, uid=uid))

    def gone(self, second):
        alerts = self.sessions.lapse(at(second))
        return [alert.text for alert in alerts if isinstance(alert, Alert)]

    @property
    def names(self):
        return [session.name for session in self.sessions.known.values()]

    def _handle(self, event):
        actions = self.sessions.handle(event)
        assert actions is not None
        return actions


def test_a_bot_that_drops_is_given_up_after_the_grace_and_somebody_is_told():
    desk = Desk()
    assert desk.hello(strategy_id="s") == [Answered(done=True, text="maker is connected")]
    assert desk.sessions.next_due() is None
    desk.drop(second=5)
    assert desk.sessions.next_due() == at(35)
    assert desk.gone(34.9) == []
    (alert,) = desk.sessions.lapse(at(35))
    assert isinstance(alert, Alert)
    assert (alert.severity, alert.code) == ("warning", "BOT_GONE")
    assert alert.text == "bot 'maker' of user 1000 was not back within 30 s"
    assert (desk.names, desk.sessions.next_due()) == ([], None)


def test_one_that_is_back_in_time_was_never_gone_and_what_it_says_now_counts():
    desk = Desk(grace=timedelta(seconds=10))
    desk.hello(strategy_id="old")
    desk.drop(second=5)
    assert desk.hello(second=14, strategy_id="new")[0].text == "maker is connected again"
    assert desk.gone(60) == []
    (session,) = desk.sessions.saved()
    assert session == BotSession(name="maker", uid=1000, since=at(0), strategy_id="new")


def test_bye_ends_a_session_at_once():
    desk = Desk()
    desk.hello()
    assert desk.bye(second=1) == []
    assert (desk.names, desk.sessions.next_due()) == ([], None)


def test_a_second_connection_keeps_it_alive_when_the_first_one_ends():
    desk = Desk()
    desk.hello()
    desk.hello(second=1)
    desk.drop(second=2)
    assert (desk.names, desk.sessions.next_due()) == (["maker"], None)
    desk.hello(second=3)
    desk.bye(second=4)
    assert (desk.names, desk.sessions.next_due()) == (["maker"], None)
    desk.drop(second=5)
    assert desk.sessions.next_due() == at(35)


def test_the_same_name_of_another_user_is_another_bot():
    desk = Desk()
    desk.hello()
    desk.drop(second=1)
    desk.hello(second=2, uid=2000)
    assert len(desk.gone(31)) == 1
    assert [session.uid for session in desk.sessions.saved()] == [2000]


@pytest.mark.parametrize("verb", ["drop", "bye"])
def test_the_end_of_what_never_began_is_nothing(verb):
    desk = Desk()
    assert getattr(desk, verb)() == []
    assert desk.names == []


def test_each_grace_is_counted_by_itself():
    desk = Desk()
    for second, name in ((0, "a"), (10, "b"), (20, "c")):
        desk.hello(name)
        desk.drop(name, second=second)
    assert desk.sessions.next_due() == at(30)
    assert [len(desk.gone(second)) for second in (30, 40)] == [1, 1]
    assert (desk.names, desk.sessions.next_due()) == (["c"], at(50))


@pytest.mark.parametrize("second", [36, 5 * 3600, -3600])
def test_a_clock_that_is_set_or_a_process_that_slept_cuts_no_grace_short(second):
    """Five hours on, a healthy account was sold; an hour back, a dead bot's was left alone for an hour."""
    desk = Desk()
    desk.hello()
    desk.drop(second=1)
    assert desk.gone(second) == []
    assert desk.sessions.next_due() == at(second + 30)
    assert len(desk.gone(second + 30)) == 1


@pytest.mark.parametrize(("grace_s", "late_s"), [(6, 4), (300, 49)])
def test_a_wake_up_may_be_late_by_five_seconds_or_by_a_sixth_of_a_long_grace(grace_s, late_s):
    for further_s, gone in ((0, 1), (2, 0)):
        desk = Desk(grace=timedelta(seconds=grace_s))
        desk.hello()
        desk.drop()
        assert len(desk.gone(grace_s + late_s + further_s)) == gone


def test_another_fact_is_not_its_business():
    assert Sessions().handle(ev.ClockAdvanced(at=START)) is None


def test_what_is_saved_is_plain_and_comes_back():
    desk = Desk()
    desk.hello("a")
    desk.hello("b", strategy_id="s")
    desk.drop("b", second=4)
    saved = msgspec.json.encode(desk.sessions.saved())
    new = Sessions()
    new.restore(msgspec.json.decode(saved, type=list[BotSession]))
    assert (new.saved(), new.next_due()) == (desk.sessions.saved(), at(34))


def test_a_restart_is_no_drop_every_bot_gets_a_whole_grace_to_come_back():
    desk = Desk()
    desk.hello("connected")
    desk.hello("connected")
    desk.hello("dropped")
    desk.drop("dropped", second=1)
    desk.sessions.restarted(at(1000))
    assert desk.sessions.next_due() == at(1030)
    assert desk.gone(1029) == []
    desk.hello("connected", second=1029)
    assert len(desk.gone(1030)) == 1
    desk.drop("connected", second=1031)  # of two before the restart, one is back
    assert desk.sessions.next_due() == at(1061)


def test_after_a_restart_a_bot_with_two_connections_may_lose_one():
    desk = Desk()
    desk.hello()
    desk.sessions.restarted(at(1))
    for _ in range(2):
        desk.hello(second=2)
    desk.drop(second=3)
    assert desk.gone(40) == []
    assert desk.sessions.next_due() is None


def test_a_full_table_refuses_newcomers_and_cuts_no_grace_short(monkeypatch):
    monkeypatch.setattr(module, "SESSIONS_MAX", 3)
    desk = Desk()
    for name in ("a", "b", "c"):
        desk.hello(name)
    desk.drop("c", second=1)
    (refusal,) = desk.hello("d", second=2)
    assert (refusal.done, refusal.text) == (
        False,
        "3 bots have a session already; use few and lasting names",
    )
    assert (desk.names, desk.sessions.next_due()) == (["a", "b", "c"], at(31))
    assert desk.hello("c", second=4)[0].done  # one that is known needs no room
    desk.bye("b", second=5)
    assert desk.hello("d", second=6)[0].done


def test_one_users_bots_do_not_take_all_the_room(monkeypatch):
    monkeypatch.setattr(module, "SESSIONS_PER_UID_MAX", 2)
    desk = Desk()
    desk.hello("a")
    desk.hello("b")
    (refusal,) = desk.hello("c")
    assert (refusal.done, "2 bots of user 1000" in refusal.text) == (False, True)
    assert desk.hello("c", uid=2000)[0].done


def asks(second, strategy_id="s", **asker):
    who = ev.Asker(**asker) if asker else None
    return ev.OrderProposed(at=at(second), body=b"{}", strategy_id=strategy_id, asker=who)


@pytest.mark.parametrize(
    ("event", "lives"),
    [
        (asks(20, uid=1000), True),
        (asks(20, uid=2000), False),
        (asks(20, uid=1000, name="taker"), False),  # another bot, of the same strategy
        (asks(20, uid=1000, strategy_id="t"), False),
        (asks(20, uid=1000, strategy_id=None), False),
        (asks(20), False),  # library use: nobody's connection
        (ev.ClockAdvanced(at=at(20)), False),
    ],
)
def test_an_order_asked_about_for_its_strategy_shows_that_a_bot_lives(event, lives):
    desk = Desk()
    desk.hello("maker", strategy_id="s")
    desk.sessions.heard(event)
    assert desk.sessions.next_due() is None
    desk.drop("maker", second=1)
    desk.sessions.heard(event)
    assert desk.sessions.next_due() == at(50 if lives else 31)


# --- In a running manager -------------------------------------------------------------------------


def test_a_manager_wakes_for_a_bot_that_does_not_come_back():
    world = World()
    world.send(ev.BotConnected, name="momentum", uid=1000)
    (wish,) = [
        a for a in world.send(ev.BotDropped, name="momentum", uid=1000) if isinstance(a, WakeAt)
    ]
    assert wish.at == world.now + world.manager.sessions.grace
    (alert,) = [a for a in world.wait(to=wish.at) if isinstance(a, Alert)]
    assert alert.code == "BOT_GONE"


def test_a_manager_gives_up_no_bot_that_asks():
    world = World()
    world.send(ev.BotConnected, name="momentum", uid=1000, strategy_id="s")
    world.send(ev.BotDropped, name="momentum", uid=1000)
    for _ in range(4):
        world.wait(20)
        asker = ev.Asker(1000)
        world.send(ev.OrderProposed, body=limit_order(), strategy_id="s", asker=asker)
    assert list(world.manager.sessions.known) == [("momentum", 1000)]
    assert [a.code for a in world.wait(31) if isinstance(a, Alert)] == ["BOT_GONE"]
