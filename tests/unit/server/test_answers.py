"""What the order socket answers, method by method."""

import json
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from sidecar.core.context.settings import Settings
from sidecar.core.guards import sessions
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.server.answers import Answers
from sidecar.server.control import Control
from sidecar.server.error_codes import INVALID_PARAMS, REFUSED
from sidecar.server.protocol import CONTROL_METHODS, METHODS, Early, RequestError
from sidecar.server.subscriptions import Publisher
from sidecar.storage.journal_codec import Chain
from tests.answering import Desk, Listening, asked, deciding
from tests.scenario import START, World, limit_order


def facts(desk):
    return [type(fact).__name__ for fact in desk.facts]


def wrong(desk, method, peer=None, **given):
    with pytest.raises(RequestError) as caught:
        desk.ask(method, peer, **given)
    return caught.value


def test_every_method_has_an_answer():
    desk = Desk()
    control = Control(desk.answers, reload=lambda why, by, uid: {}, cancel_all=never, spawn=print)
    assert set(desk.answers._methods) == set(METHODS)
    assert set(control._verbs) | set(METHODS) == set(CONTROL_METHODS)


async def never(reason, by):
    raise AssertionError


# --- Orders ---------------------------------------------------------------------------------------


def test_an_order_an_edit_and_a_release():
    desk = Desk(World(max_order_notional=5000))
    decision = desk.ask("validate_order", order=limit_order("0.1", name="a"), strategy_id="s")
    assert (decision["approved"], decision["violations"][0]["code"]) == (False, "MAX_ORDER_NOTIONAL")  # fmt: skip
    assert desk.ask("validate_order", order=limit_order("0.01", name="a"))["approved"]
    assert not desk.ask("validate_edit", client_order_id="a", size="0.02")["approved"]
    refused = desk.ask("validate_close", product_id="BTC-USD", client_order_id="c")
    assert "futures" in refused["violations"][0]["message"]
    assert desk.ask("release_order", client_order_id="a") == {"released": "a"}
    assert desk.world.tracker.ledger.reservations == {}
    assert facts(desk) == [
        "OrderProposed",
        "OrderProposed",
        "EditProposed",
        "CloseProposed",
        "ReservationReleased",
    ]
    assert {fact.at for fact in desk.facts} == {desk.world.now}


def test_an_operators_verb_belongs_on_the_other_socket():
    fault = wrong(Desk(), "halt", reason="x")
    assert (fault.code, fault.message) == (-32601, "halt is an operator's; ask it on the control socket")  # fmt: skip


# --- Sessions -------------------------------------------------------------------------------------


def test_a_bot_says_hello_drops_and_is_back():
    desk, peer = Desk(), Listening(uid=7)
    assert desk.ask("hello", peer, name="maker", strategy_id="s") == {
        "name": "maker", "strategy_id": "s", "on_disconnect": "nothing", "grace_s": 20.0, "state": "ACTIVE",
    }  # fmt: skip
    desk.answers.lost(peer)
    assert desk.facts == [
        ev.BotConnected(at=START, name="maker", uid=7, strategy_id="s"),
        ev.BotDropped(at=START, name="maker", uid=7),
    ]
    (bot,) = desk.ask("status")["bots"]
    assert (bot["name"], bot["connections"], bot["dropped_at"]) == ("maker", 0, START)
    assert desk.ask("hello", Listening(uid=7), name="maker")
    assert desk.sessions.next_due() is None


def test_bye_is_said_once_and_then_the_connection_is_nobodys():
    desk, peer = Desk(), Listening()
    desk.ask("hello", peer, name="maker")
    assert desk.ask("bye", peer) == {}
    assert desk.ask("bye", peer) == {}
    desk.answers.lost(peer)
    assert facts(desk) == ["BotConnected", "BotLeft"]
    assert desk.ask("hello", peer, name="taker")["name"] == "taker"


def test_one_connection_is_one_bot():
    desk, peer = Desk(), Listening()
    desk.ask("hello", peer, name="maker")
    desk.ask("hello", peer, name="maker")
    assert facts(desk) == ["BotConnected"]
    for other in ({"name": "taker"}, {"name": "maker", "strategy_id": "s"}):
        fault = wrong(desk, "hello", peer, **other)
        assert (fault.code, "say bye first" in fault.message) == (INVALID_PARAMS, True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "name: 1 to 64"),
        ({"name": "x" * 65}, "name: 1 to 64"),
        ({"name": "a\nb"}, "name: 1 to 64"),
        ({"name": "a", "strategy_id": ""}, "strategy_id: 1 to 64"),
        ({"name": "a", "on_disconnect": "burn"}, "may be nothing, cancel_orders, flatten"),
        ({"name": "a", "on_disconnect": "cancel_orders"}, "needs a strategy_id"),
    ],
)
def test_a_hello_that_cannot_be_kept_is_refused(given, words):
    desk = Desk()
    fault = wrong(desk, "hello", **given)
    assert (fault.code, words in fault.message) == (INVALID_PARAMS, True)
    assert desk.facts == []


def test_only_the_names_listed_may_have_the_account_flattened():
    desk = Desk(World(settings=Settings(may_flatten=frozenset({"closer"}))))
    fault = wrong(desk, "hello", name="maker", on_disconnect="flatten")
    assert fault.code == REFUSED
    assert "add 'maker' there, or choose cancel_orders" in fault.message
    assert desk.ask("hello", name="closer", on_disconnect="flatten")["on_disconnect"] == "flatten"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "grid-bot"}, "'grid-bot' is for the users of [server.bots.grid-bot]"),
        ({"name": "other", "strategy_id": "grid"}, "'grid' is for the users that [server.bots]"),
    ],
)
def test_a_name_and_a_strategy_may_be_for_certain_users(given, words):
    users = frozenset({7})
    desk = Desk(
        World(settings=Settings(bot_uids={"grid-bot": users}, strategy_uids={"grid": users}))
    )
    fault = wrong(desk, "hello", Listening(uid=8), **given)
    assert (fault.code, words in fault.message, desk.facts) == (REFUSED, True, [])
    assert desk.ask("hello", Listening(uid=7), **given)


def test_an_approval_is_released_by_its_maker_alone():
    desk, maker = Desk(), Listening(uid=7)
    desk.ask("validate_order", maker, order=limit_order("0.01", name="a"))
    fault = wrong(desk, "release_order", Listening(uid=8), client_order_id="a")
    assert (fault.code, "another bot's" in fault.message) == (REFUSED, True)
    assert "a" in desk.world.tracker.ledger.reservations
    assert desk.ask("release_order", maker, client_order_id="a") == {"released": "a"}
    assert desk.ask("release_order", Listening(uid=8), client_order_id="a")  # there is none


def test_what_was_approved_before_hello_is_released_after_it_on_the_same_connection_alone():
    desk, maker, other = Desk(), Listening(uid=7), Listening(uid=7)
    desk.ask("validate_order", maker, order=limit_order("0.01", name="a"))
    for peer, name in ((maker, "maker"), (other, "other")):
        desk.ask("hello", peer, name=name)
    fault = wrong(desk, "release_order", other, client_order_id="a")
    assert (fault.code, "another bot's" in fault.message) == (REFUSED, True)
    assert desk.ask("release_order", maker, client_order_id="a") == {"released": "a"}
    assert "a" not in desk.world.tracker.ledger.reservations
    desk.ask("validate_order", Listening(uid=8), order=limit_order("0.01", name="a"))
    assert wrong(desk, "release_order", maker, client_order_id="a").code == REFUSED


def test_one_bot_too_many_is_refused_and_its_connection_is_nobodys(monkeypatch):
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 1)
    desk, peer = Desk(), Listening()
    desk.ask("hello", name="a")
    fault = wrong(desk, "hello", peer, name="b")
    assert (fault.code, "lasting names" in fault.message) == (REFUSED, True)
    desk.answers.lost(peer)
    assert facts(desk) == ["BotConnected", "BotConnected"]


def test_the_sidecars_own_stop_is_no_drop():
    desk, peer = Desk(), Listening()
    desk.ask("hello", peer, name="maker")
    desk.answers.stopping = True
    desk.answers.lost(peer)
    assert facts(desk) == ["BotConnected"]


def test_ping_is_answered():
    assert Desk().ask("ping") == {}


# --- Views ----------------------------------------------------------------------------------------


def test_status_holds_what_the_daemon_knows_beside_the_core():
    desk = Desk(outside=lambda: {"journal": {"behind_s": Decimal("1E-7")}})
    status = desk.ask("status")
    assert status["sidecar"] == {"journal": {"behind_s": "0.0000001"}}
    assert (status["state"], status["equity"], status["bots"]) == ("ACTIVE", "100000", [])
    assert json.loads(msgspec.json.encode(status))["at"] == "2026-11-22T13:00:00Z"


def figures(content):
    """Every number in an answer, as text."""
    match content:
        case dict():
            return [text for value in content.values() for text in figures(value)]
        case list():
            return [text for value in content for text in figures(value)]
        case str() if content.replace(".", "").strip("-").isdigit():
            return [content]
    return []


def test_no_figure_has_more_than_18_significant_digits():
    """An average of a third is exact inside; outside 64 digits of it are noise."""
    desk = Desk(World(max_concentration=2))
    desk.world.balance("EUR", "33.333333333333")
    desk.world.quote("USDC-EUR", "0.7")
    desk.world.fill("BUY", 2, 64000)
    desk.world.fill("BUY", 1, "64000.01", fee="0.123456789")
    asked = desk.ask("validate_order", order=limit_order("0.01"))
    position = desk.ask("positions")["positions"][0]
    assert position["average_cost"] == "64000.0033333333333"
    for answer in (asked, desk.ask("positions"), desk.ask("status")):
        digits = [text.replace(".", "").strip("-").strip("0") for text in figures(answer)]
        assert digits
        assert max(map(len, digits)) <= 18


def test_positions_and_limits():
    desk = Desk(World(max_order_notional=5000))
    desk.world.hold("0.00000001")
    seen = desk.ask("positions")
    (position,) = seen["positions"]
    assert (seen["at"], position["key"], position["quantity"]) == (START, "BTC", "0.00000001")
    assert desk.ask("limits") == {"max_order_notional": "5000"}


def test_a_subscription_is_confirmed_replaced_and_ended_with_the_connection():
    desk, peer = Desk(), Listening()
    assert desk.ask("subscribe", peer, topics=["state", "limits"]) == {"topics": ["state", "limits"]}  # fmt: skip
    desk.handle(ev.HaltRequested(at=START, reason="a"))
    assert set(peer.topics()) == {"state"}
    desk.answers.lost(peer)
    peer.told.clear()
    desk.handle(ev.ResumeRequested(at=START, reason="b"))
    assert peer.told == []


def test_a_subscription_may_begin_with_how_it_stands_right_behind_the_answer():
    desk, peer = Desk(World(max_order_notional=5000)), Listening()
    topics = ["positions", "decisions", "limits", "state"]
    early = desk.answers(peer, asked("subscribe", topics=topics, snapshot=True))
    assert isinstance(early, Early)
    assert (early.result, peer.told) == ({"topics": topics}, [])
    early.finish()
    state, limits, positions = peer.told
    assert [one["topic"] for one in peer.told] == ["state", "limits", "positions"]
    assert {one["snapshot"] for one in peer.told} == {True}
    assert (state["type"], state["status"]["state"], state["status"]["bots"]) == ("Snapshot", "ACTIVE", [])  # fmt: skip
    assert limits["limits"] == {"max_order_notional": "5000"}
    assert (positions["at"], positions["open_orders"]) == ("2026-11-22T13:00:00Z", [])


def test_who_asks_is_kept_with_what_was_asked():
    desk, peer = Desk(), Listening(uid=7)
    desk.ask("validate_order", peer, order=limit_order())
    desk.ask("hello", peer, name="maker")
    desk.ask("validate_order", peer, order=limit_order())
    orders = [fact for fact in desk.facts if isinstance(fact, ev.OrderProposed)]
    assert [fact.asker for fact in orders] == [ev.Asker(7), ev.Asker(7, "maker")]


def test_an_unknown_topic_is_named_with_the_known_ones():
    fault = wrong(Desk(), "subscribe", topics=["state", "weather"])
    assert (fault.code, fault.message) == (
        INVALID_PARAMS,
        "no topic 'weather'; there are state, decisions, positions, limits",
    )


def test_the_daemon_need_not_know_more():
    world = World()
    held = sessions.Sessions(timedelta(seconds=30))
    answers = Answers(
        world.manager, world.handle, lambda: world.now, decide=deciding(world.manager, world.handle), sessions=held,
        publisher=Publisher(world.manager),
    )  # fmt: skip
    desk = Desk()
    desk.answers = answers
    assert desk.ask("status")["sidecar"] == {}


# --- Long bodies that are no orders ---------------------------------------------------------------


def test_a_long_body_that_is_no_order_is_kept_by_its_beginning_and_judged_alike():
    """What is written down of it, and read back at the next start, gives the same refusal."""
    desk = Desk()
    body = limit_order(name="a") | {"odd": "x" * 60_000}
    refused = desk.ask("validate_order", order=body, strategy_id="s")
    assert (refused["client_order_id"], refused["approved"]) == ("a", False)
    assert "odd" in refused["violations"][0]["message"]
    (fact,) = desk.facts
    assert isinstance(fact, ev.OrderProposed)
    assert fact.unreadable is not None
    assert (fact.body, fact.strategy_id, fact.unreadable.bytes > 60_000) == (b"", "s", True)
    line = Chain().write(fact, fact.at)
    assert len(line) < 2_000
    again = Chain().read(line).event
    assert again is not None
    other = Desk(World())
    (act,) = [act for act in other.handle(again) if isinstance(act, Decided)]
    assert json.loads(act.decision.as_json()) == refused


def test_a_long_body_that_is_an_order_is_kept_whole():
    desk = Desk()
    body = limit_order("0.01", name="a") | {"preview_id": "x" * 2_000}
    assert desk.ask("validate_order", order=body)["approved"]
    (fact,) = desk.facts
    assert isinstance(fact, ev.OrderProposed)
    assert fact.unreadable is None
    assert json.loads(fact.body) == body


# --- Early answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [limit_order(name="a"), limit_order("9", name="a")])
def test_a_decision_comes_with_what_is_left_to_do(body):
    desk = Desk()
    early = desk.answers(Listening(), asked("validate_order", order=body))
    assert isinstance(early, Early)
    is_approved = json.loads(bytes(early.result))["approved"]
    assert facts(desk) == []
    assert not desk.world.tracker.ledger.reservations
    early.finish()
    assert facts(desk) == ["OrderProposed"]
    assert list(desk.world.tracker.ledger.reservations) == ["a"] * is_approved
