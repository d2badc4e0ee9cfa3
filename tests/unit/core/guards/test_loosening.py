"""Limits that bind their owner: tighter ones at once, looser ones when they have stood, or by a second operator."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core import views
from sidecar.core.context.settings import Settings
from sidecar.core.context.start_terms import QueuedTerms, StartTerms
from sidecar.core.guards.loosening import RETURN_WITHIN, TOLD_MAX
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, Answered, LimitsChanged, WakeAt
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import CONNECTED, connected, of_kind, pictured, reloaded
from tests.scenario import START, World

WAIT = timedelta(hours=24)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
FILE: dict[str, Any] = {"loosen_after": "24h", "max_order_notional": 5000, "max_open_orders": 10}
LOOSER = FILE | {"max_order_notional": 7000, "max_open_orders": 5}
OWNER, OTHER, ROOT = 7, 8, 0


def read(
    world: World, file: dict[str, Any], uid: int | None = OWNER, owners: tuple[int, ...] = ()
) -> str:
    """Have a file read; the answer in words."""
    limits, by = Limits(**file), "uid 7"
    world.send(ev.LimitsReplaced, limits=limits, reason="why not", by=by, uid=uid, owners=owners)
    (answer,) = of_kind(world.actions, Answered)
    assert answer.done
    return str(answer.text)


def confirm(world: World, uid: int) -> Answered:
    world.send(ev.LooseningConfirmed, uid=uid, reason="looked at it", by=f"uid {uid}")
    answer: Answered
    (answer,) = of_kind(world.actions, Answered)
    return answer


def in_force(world: World) -> tuple[Any, Any]:
    limits = world.manager.limits
    return limits.max_order_notional, limits.max_open_orders


def queued(world: World) -> Any:
    return world.manager.loosening.memory.queued


def compared(world: World, ahead: timedelta) -> None:
    """The machine's clock is set; Coinbase's goes on."""
    world.now += ahead
    world.send(ev.ClocksCompared, ahead=ahead)


def test_without_loosen_after_another_file_binds_whole_at_once():
    world = World(max_order_notional=5000)
    assert read(world, {"max_order_notional": 7000}) == (
        "the new limits bind from now on: looser max_order_notional 5000 → 7000"
    )
    assert in_force(world) == (7000, None)


def test_what_is_tighter_binds_at_once_and_what_is_looser_when_the_file_has_stood():
    world = World(**FILE)
    assert read(world, LOOSER) == (
        "binding from now on: tighter max_open_orders 10 → 5; queued until 2026-11-23 13:00:00 UTC:"
        " looser max_order_notional 5000 → 7000"
    )
    assert in_force(world) == (5000, 5)
    world.wait(to=START + WAIT - SECOND)
    assert in_force(world) == (5000, 5)
    (alert,) = of_kind(world.wait(to=START + WAIT), Alert)
    assert in_force(world) == (7000, 5)
    assert (alert.severity, alert.code) == ("warning", "LIMITS_LOOSENED")
    assert alert.text == (
        "looser limits bind, for their file has stood for 1d: looser max_order_notional 5000 → 7000"
    )
    assert queued(world) is None


def test_the_core_asks_to_be_woken_when_they_bind():
    world = World(**FILE | {"loosen_after": "1h"})
    read(world, LOOSER | {"loosen_after": "1h"})
    assert of_kind(world.actions, WakeAt)[-1].at == START + HOUR


def test_every_change_is_written_down_with_who_why_and_which_way():
    world = World(**FILE)
    read(world, LOOSER)
    (told,) = of_kind(world.actions, LimitsChanged)
    assert (told.by, told.reason, told.binds_at) == ("uid 7", "why not", START + WAIT)
    assert [(one.way, one.path) for one in told.changes] == [("tighter", "max_open_orders")]
    assert [(one.way, one.path) for one in told.queued] == [("looser", "max_order_notional")]
    (told,) = of_kind(world.wait(to=START + WAIT), LimitsChanged)
    assert (told.by, told.reason, told.binds_at) == ("uid 7", "stood for 1d: why not", None)
    assert [(one.way, one.path) for one in told.changes] == [("looser", "max_order_notional")]
    assert told.queued == ()


def test_a_file_that_changes_nothing_sets_nothing_in_motion():
    world = World(**FILE)
    before = world.manager.state.tightenings
    read(world, FILE)
    assert not of_kind(world.actions, LimitsChanged)
    assert world.manager.state.tightenings == before


def test_the_same_file_keeps_its_time_and_who_had_it_read_first():
    world = World(**FILE)
    read(world, LOOSER)
    world.wait(to=START + 23 * HOUR)
    read(world, LOOSER, uid=OTHER)
    assert not of_kind(world.actions, LimitsChanged)
    assert (queued(world).stood_at, queued(world).uid) == (START + WAIT, OWNER)
    world.wait(to=START + WAIT)
    assert in_force(world) == (7000, 5)


def test_neither_who_had_them_read_nor_the_owner_of_the_file_confirms_them():
    """Root writes its file and has the sidecar started, or `systemctl reload` run by the sidecar's own user."""
    world = World(**FILE)
    read(world, LOOSER, owners=(ROOT,))
    for uid, has in ((OWNER, "had these limits read"), (ROOT, "owns the file")):
        answer = confirm(world, uid)
        assert not answer.done
        assert has in answer.text
    assert in_force(world) == (5000, 5)
    assert confirm(world, OTHER).done
    assert in_force(world) == (7000, 5)


def test_a_file_stays_that_of_every_owner_it_has_had():
    world = World(**FILE)
    read(world, LOOSER, owners=(ROOT,))
    read(world, LOOSER, owners=(OTHER,))
    assert queued(world).owners == (ROOT, OTHER)
    read(world, LOOSER)
    assert queued(world).owners == (ROOT, OTHER)
    assert not confirm(world, ROOT).done


def test_a_custom_rule_that_the_start_decides_on_begins_no_time_anew():
    """Of a file whose limits are the same, but which now names one more rule, or no longer one."""
    world = World(**FILE)
    read(world, LOOSER)
    world.wait(to=START + 23 * HOUR)
    again = reloaded(world, **FILE | {"max_open_orders": 5}, custom=("tests.everything:rule",))
    limits = Limits(**LOOSER, custom=("tests.everything:rule",))
    assert again.manager.loosening.standing == limits
    again.send(ev.LimitsReplaced, limits=limits, reason="a start", by="sidecar", uid=OTHER)
    assert (queued(again).stood_at, queued(again).uid) == (START + WAIT, OWNER)
    assert [change.path for change in again.manager.loosening.queued_changes()] == [
        "max_order_notional"
    ]


def test_a_file_returns_though_a_custom_rule_has_come_since():
    world = World(**FILE)
    read(world, FILE | {"max_order_notional": 500})
    again = reloaded(world, **FILE | {"max_order_notional": 500}, custom=("tests.everything:rule",))
    limits = Limits(**FILE, custom=("tests.everything:rule",))
    again.send(ev.LimitsReplaced, limits=limits, reason="a start", by="sidecar", uid=OTHER)
    assert in_force(again) == (5000, 10)


def test_another_file_begins_to_stand_anew():
    world = World(**FILE)
    read(world, LOOSER)
    world.wait(to=START + 23 * HOUR)
    read(world, LOOSER | {"max_order_notional": 7001})
    world.wait(to=START + WAIT)
    assert in_force(world) == (5000, 5)
    world.wait(to=START + 47 * HOUR)
    assert in_force(world) == (7001, 5)


def test_the_stricter_file_takes_the_queue_back():
    world = World(**FILE)
    read(world, LOOSER)
    text = read(world, FILE | {"max_open_orders": 5})
    assert (
        text
        == "the new limits bind from now on: they are the same; those that were queued are taken back"
    )
    world.wait(to=START + 3 * WAIT)
    assert in_force(world) == (5000, 5)


@pytest.mark.parametrize("name", ["loosen_after", "resume_after"])
@pytest.mark.parametrize("shorter", [None, "1h"])
def test_to_bind_for_shorter_is_itself_a_loosening(name, shorter):
    world = World(**FILE | {"resume_after": "24h"})
    read(world, FILE | {"resume_after": "24h"} | {name: shorter})
    assert getattr(world.manager.limits, name) == WAIT
    world.wait(to=START + WAIT)
    assert getattr(world.manager.limits, name) == (HOUR if shorter else None)


def test_a_file_that_binds_for_longer_waits_so_long_itself():
    world = World(**FILE)
    read(world, LOOSER | {"loosen_after": "48h"})
    world.wait(to=START + 2 * WAIT - SECOND)
    assert in_force(world) == (5000, 5)
    world.wait(1)
    assert in_force(world) == (7000, 5)


def test_custom_rules_are_not_changed_by_a_file_read_anew():
    world = World(**FILE)
    world.send(ev.LimitsReplaced, limits=Limits(**FILE, custom=("a:b",)))
    (answer,) = of_kind(world.actions, Answered)
    assert not answer.done
    assert "restart to change limits.custom" in answer.text


def test_one_more_strategy_waits_where_only_listed_ones_may_add():
    world = World(**FILE, strategy={"grid": {}}, settings=Settings(strategies="auto"))
    read(world, FILE | {"strategy": {"grid": {}, "more": {}}})
    assert set(world.manager.limits.strategy) == {"grid"}
    world.wait(to=START + WAIT)
    assert set(world.manager.limits.strategy) == {"grid", "more"}


def test_many_changes_are_counted_in_a_sentence():
    many = {f"C{number}-USD": {"max_order_size": 1} for number in range(TOLD_MAX + 3)}
    world = World(**FILE)
    assert "; looser" not in read(world, FILE | {"product": many})
    world.wait(to=START + HOUR)
    text = read(world, FILE)
    assert text.startswith("binding from now on: nothing else; queued until ")
    assert text.endswith(" and 3 more")


# --- A return -------------------------------------------------------------------------------------


def test_a_typing_error_binds_nobody_for_a_day():
    world = World(**FILE)
    read(world, FILE | {"max_order_notional": 5})
    world.now += RETURN_WITHIN
    assert (
        read(world, FILE) == "the new limits bind from now on: looser max_order_notional 5 → 5000"
    )
    assert in_force(world) == (5000, 10)


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_the_way_back_closes_by_either_clock(ahead):
    world = World(**FILE)
    read(world, FILE | {"max_order_notional": 5})
    world.now += RETURN_WITHIN + SECOND
    compared(world, ahead)
    read(world, FILE)
    assert in_force(world) == (5, 10)


def test_the_way_back_leads_to_exactly_what_was():
    world = World(**FILE)
    read(world, FILE | {"max_order_notional": 5})
    read(world, FILE | {"max_open_orders": 11})
    assert in_force(world) == (5, 10)


def test_a_clock_that_nobody_compared_and_that_was_set_back_opens_no_way_back():
    world = World(**FILE)
    read(world, FILE | {"max_order_notional": 5})
    world.now -= HOUR
    read(world, FILE)
    assert in_force(world) == (5, 10)


def test_a_file_that_set_loosen_after_itself_may_be_taken_back_as_soon():
    world = World(max_order_notional=5000)
    read(world, {"max_order_notional": 5, "loosen_after": "24h"})
    read(world, {"max_order_notional": 5000})
    assert in_force(world) == (5000, None)


# --- A second operator ----------------------------------------------------------------------------


def test_a_second_operator_lets_the_queued_limits_bind_at_once():
    world = World(**FILE)
    read(world, LOOSER)
    answer = confirm(world, OTHER)
    assert (answer.done, in_force(world), queued(world)) == (True, (7000, 5), None)
    assert (
        answer.text == "the queued limits bind from now on: looser max_order_notional 5000 → 7000"
    )
    (told,) = of_kind(world.actions, LimitsChanged)
    assert (told.by, told.reason) == ("uid 8", "looked at it")


def test_who_had_them_read_is_no_second_operator():
    world = World(**FILE)
    read(world, LOOSER)
    answer = confirm(world, OWNER)
    assert (answer.done, in_force(world)) == (False, (5000, 5))
    assert answer.text == (
        "user 7 had these limits read, so another user must confirm them; or wait until 2026-11-23 13:00:00 UTC"
    )


def test_where_it_is_not_known_who_had_them_read_nobody_is_the_second():
    world = World(**FILE)
    read(world, LOOSER, uid=None)
    answer = confirm(world, OTHER)
    assert (answer.done, in_force(world)) == (False, (5000, 5))
    assert "not known" in answer.text
    world.wait(to=START + HOUR)
    read(world, LOOSER, uid=OTHER)
    assert (queued(world).since, queued(world).uid) == (START, OTHER)
    assert not confirm(world, OTHER).done
    assert confirm(world, OWNER).done


def test_where_nothing_is_queued_nothing_is_confirmed():
    answer = confirm(World(**FILE), OTHER)
    assert (answer.done, answer.text) == (False, "no looser limits are queued")


# --- Terms that bind from a start ------------------------------------------------------------------

OLD, NEW = StartTerms(keep={"BTC": "1"}), StartTerms(keep={"BTC": "2"}, custom=("a:b",))


def started(**queued: Any) -> World:
    """A process that goes on under the old terms while the new ones wait."""
    world = World(**FILE)
    memory = world.manager.loosening.memory
    memory.terms = OLD
    memory.queued_terms = QueuedTerms(terms=NEW, wait=HOUR, uid=OWNER, **queued)
    return world


def terms(world: World) -> Any:
    return world.manager.loosening.memory.queued_terms


def test_terms_stand_from_when_both_clocks_are_known():
    world = started()
    compared(world, -WAIT)
    world.wait()
    assert terms(world).since == START
    world.now += WAIT
    world.send(ev.ClocksCompared, ahead=timedelta())
    assert of_kind(world.wait(1), WakeAt) == []
    world.wait(to=START + HOUR - SECOND)
    assert not terms(world).stood
    (alert,) = of_kind(world.wait(to=START + HOUR), Alert)
    assert alert.code == "LIMITS_LOOSENED"
    assert alert.text == (
        "positions.keep, limits.custom has stood for 1h, and binds from the next start"
    )
    assert terms(world).stood
    assert not of_kind(world.wait(to=START + 2 * HOUR), Alert)


def test_terms_are_waited_for_by_the_clock_that_is_right():
    world = started(since=START)
    compared(world, 2 * HOUR)
    assert not terms(world).stood
    assert of_kind(world.actions, WakeAt)[-1].at == START + 3 * HOUR


def test_a_second_operator_lets_terms_bind_from_the_next_start():
    world = started(since=START)
    refused = confirm(world, OWNER)
    assert not refused.done
    assert "the sidecar's own user" in refused.text
    answer = confirm(world, OTHER)
    assert (answer.done, terms(world).stood) == (True, True)
    assert answer.text == "positions.keep, limits.custom binds from the next start"


def test_whoever_owns_the_file_of_a_start_confirms_nothing_of_it():
    """The sidecar's own user read it, and that says nothing of who had the sidecar started."""
    world = started(since=START, owners=(ROOT,))
    for uid in (OWNER, ROOT):
        assert not confirm(world, uid).done
        assert not terms(world).stood
    assert confirm(world, OTHER).done


def test_one_word_confirms_limits_and_terms():
    world = started(since=START)
    read(world, LOOSER)
    answer = confirm(world, OTHER)
    assert answer.done
    assert answer.text == (
        "the queued limits bind from now on: looser max_order_notional 5000 → 7000;"
        " positions.keep, limits.custom binds from the next start"
    )
    assert in_force(world) == (7000, 5)
    assert terms(world).stood


@pytest.mark.parametrize(("reader", "left"), [(OTHER, "limits"), (OWNER, "nothing")])
def test_it_confirms_what_this_user_may_and_says_why_not_the_rest(reader, left):
    world = started(since=START, owners=(ROOT,))
    read(world, LOOSER, uid=reader, owners=(ROOT,))
    answer = confirm(world, OTHER)
    assert answer.done
    assert "positions.keep, limits.custom binds from the next start" in answer.text
    assert ("so another user must confirm them" in answer.text) == (left == "limits")
    assert (queued(world) is not None) == (left == "limits")


def test_limits_may_be_confirmed_though_terms_may_not():
    world = started(since=START, owners=(OTHER,))
    read(world, LOOSER, uid=ROOT)
    answer = confirm(world, OTHER)
    assert (answer.done, in_force(world), terms(world).stood) == (True, (7000, 5), False)
    assert "another user than these two must confirm it" in answer.text


def test_status_shows_the_terms_that_wait():
    world = started()
    shown = views.status(world.manager, world.now)["queued_terms"]
    keys = ("positions.keep", "limits.custom")
    assert shown == {"keys": keys, "since": None, "binds_at": None, "from_next_start": False}
    for _ in range(2):
        world.wait()
    shown = views.status(world.manager, world.now)["queued_terms"]
    assert (shown["since"], shown["binds_at"]) == (START, START + HOUR)
    assert views.status(World(**FILE).manager, START)["queued_terms"] is None


# --- Clocks and restarts --------------------------------------------------------------------------


def test_a_clock_that_is_set_forward_does_not_let_them_bind():
    world = World(**FILE)
    read(world, LOOSER)
    world.now += HOUR
    compared(world, 2 * WAIT)
    assert in_force(world) == (5000, 5)
    assert of_kind(world.actions, WakeAt)[-1].at == START + 3 * WAIT
    world.wait(to=START + 3 * WAIT - SECOND)
    assert in_force(world) == (5000, 5)
    world.wait(1)
    assert in_force(world) == (7000, 5)


def test_a_clock_that_was_behind_when_they_were_read_does_not_let_them_bind():
    world = World(**FILE)
    compared(world, -2 * WAIT)
    read(world, LOOSER)
    world.now += 2 * WAIT + HOUR
    world.send(ev.ClocksCompared, ahead=timedelta())
    assert in_force(world) == (5000, 5)
    world.wait(to=START + WAIT)
    assert in_force(world) == (7000, 5)


def test_they_go_through_a_restart_and_bind_when_the_account_is_known():
    world = connected(**FILE)
    read(world, LOOSER)
    stood_at = queued(world).stood_at
    world.wait(1)
    again = reloaded(world)
    assert again.manager.loosening.standing == Limits(**LOOSER)
    again.now = stood_at
    again.send(ev.Started)
    assert again.manager.state.account == "STARTING"
    assert in_force(again) == (5000, 5)
    assert again.manager.loosening.next_look(again.now) is None
    pictured(again)
    again.wait(1)
    assert in_force(again) == (7000, 5)


def test_what_stands_is_the_last_file_that_was_read():
    world = World(**FILE)
    assert world.manager.loosening.standing == Limits(**FILE)
    read(world, LOOSER)
    assert world.manager.loosening.standing == Limits(**LOOSER)


# --- Views ----------------------------------------------------------------------------------------


def test_limits_and_status_show_what_is_queued_until_when():
    world = World(settings=CONNECTED, **FILE)
    assert "queued" not in views.limits(world.manager)
    assert views.status(world.manager, world.now)["queued_limits"] is None
    read(world, LOOSER)
    shown = {
        "since": START,
        "binds_at": START + WAIT,
        "by": "uid 7",
        "reason": "why not",
        "changes": (
            {"path": "max_order_notional", "way": "looser", "before": "5000", "after": "7000"},
        ),
    }
    assert views.limits(world.manager)["queued"] == shown
    assert views.status(world.manager, world.now)["queued_limits"] == shown


def test_a_file_that_cannot_bind_takes_back_the_one_that_waits():
    """At a start, and where it is read while the sidecar runs."""
    lacks: dict[str, Any] = FILE | {"require": ["max_drawdown"]}
    for refuse in (
        lambda world: world.send(ev.LimitsRefused, reason="max_drawdown is missing"),
        lambda world: world.send(ev.LimitsReplaced, limits=Limits(**lacks), reason="", by="uid 7"),
    ):
        world = World(**FILE)
        read(world, LOOSER)
        assert queued(world) is not None
        refuse(world)
        assert queued(world) is None
        world.wait(WAIT.total_seconds())
        assert in_force(world) == (5000, 5)
