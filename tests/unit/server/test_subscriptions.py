"""What subscribers are told of, and how often."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from tests.answering import Desk, Listening
from tests.decisions import connected
from tests.scenario import START, D, World, limit_order


def subscribed(*topics, world=None):
    desk, peer = Desk(world), Listening()
    desk.publisher.subscribe(peer, topics)
    return desk, peer


def report(desk, name="o1", **fields):
    known = {"leaves": D("0.1"), "base_size": D("0.1"), "limit_price": D(63000)} | fields
    desk.handle(
        ev.OrderReported(
            at=desk.world.now, order_id=name, product_id="BTC-USD", side="BUY", status="OPEN", **known
        )
    )  # fmt: skip


def later(desk, milliseconds):
    desk.world.now += timedelta(milliseconds=milliseconds)


def quote(desk, price=64000):
    quotes = (ev.Quote("BTC-USD", D(price), D(price), desk.world.now),)
    desk.handle(ev.Quotes(at=desk.world.now, quotes=quotes))


def test_state_tells_causes_changes_and_alerts():
    desk, peer = subscribed("state")
    desk.handle(ev.HaltRequested(at=START, reason="odd", by="ann"))
    raised, changed = peer.told
    assert raised == {
        "topic": "state", "at": "2026-11-22T13:00:00Z", "type": "CauseRaised", "code": "OPERATOR_HALT",
        "scope": "all", "level": "HALTED", "reason": "odd",
    }  # fmt: skip
    assert (changed["type"], changed["before"], changed["after"]) == ("StateChanged", "ACTIVE", "HALTED")  # fmt: skip
    desk.handle(ev.ResumeRequested(at=START, reason="fine"))
    assert [event["type"] for event in peer.told[2:]] == ["CauseCleared", "StateChanged"]


def test_state_tells_alerts():
    desk, peer = subscribed("state", world=connected())
    desk.handle(ev.FeedChanged(at=desk.world.now, feed="user", signal="lost"))
    assert [(event["type"], event["code"]) for event in peer.told] == [("Alert", "FEED_LOST")]


def test_every_decision_is_told_whoever_asked():
    desk, peer = subscribed("decisions")
    decision = desk.ask("validate_order", order=limit_order(name="a"))
    desk.ask("validate_order", order={}, dry_run=True)
    assert peer.topics() == ["decisions", "decisions"]
    assert peer.told[0]["decision"] == decision
    assert not peer.told[1]["decision"]["approved"]


def test_limits_are_told_when_they_are_in_force():
    desk, peer = subscribed("limits")
    desk.handle(ev.LimitsReplaced(at=START, limits=Limits(custom=("a:b",))))
    assert peer.told == []  # it was refused
    desk.handle(ev.LimitsReplaced(at=START, limits=Limits(max_open_orders=3)))
    assert [event["limits"] for event in peer.told] == [{"max_open_orders": 3}]


def test_positions_are_told_whole_when_orders_or_holdings_move():
    desk, peer = subscribed("positions")
    report(desk)
    (event,) = peer.told
    assert (event["topic"], event["at"]) == ("positions", "2026-11-22T13:00:00Z")
    assert event["open_orders"][0]["order_id"] == "o1"
    assert event["open_orders"][0]["limit_price"] == "63000"
    later(desk, 300)
    quote(desk)
    assert len(peer.told) == 1  # a price moves no position


@pytest.mark.parametrize("way", ["fill", "balances", "futures", "released", "approved"])
def test_whatever_moves_them_is_told(way):
    desk, peer = subscribed("positions")
    now = desk.world.now
    match way:
        case "fill":
            desk.handle(ev.FillReported(at=now, entry_id="e", order_id="o", product_id="BTC-USD", side="BUY", price=D(64000), size=D(1)))  # fmt: skip
        case "balances":
            desk.handle(ev.BalancesRead(at=now, balances=(ev.Balance("BTC", D(1)),)))
        case "futures":
            desk.handle(ev.FuturesRead(at=now, positions=()))
        case "released":
            desk.handle(ev.ReservationReleased(at=now, client_order_id="a"))
        case _:
            desk.ask("validate_order", order=limit_order())
    assert peer.topics() == ["positions"]


def test_what_reserves_nothing_moves_nothing():
    desk, peer = subscribed("positions")
    body = limit_order(name="a")
    desk.ask("validate_order", order=body, dry_run=True)
    desk.ask("validate_order", order={})
    assert peer.told == []
    desk.ask("validate_order", order=body)
    later(desk, 300)
    assert desk.ask("validate_order", order=body)["replayed"]
    assert len(peer.told) == 1


def test_a_burst_is_told_once_and_its_end_is_not_lost():
    desk, peer = subscribed("positions")
    for name in ("a", "b", "c"):
        report(desk, name)
        later(desk, 100)
    assert [len(event["open_orders"]) for event in peer.told] == [1]
    assert desk.publisher.due() == START + timedelta(milliseconds=250)
    desk.publisher.flush(START + timedelta(milliseconds=249))
    assert len(peer.told) == 1
    desk.publisher.flush(START + timedelta(milliseconds=250))
    assert [len(event["open_orders"]) for event in peer.told] == [1, 3]
    assert desk.publisher.due() is None
    desk.publisher.flush(START + timedelta(seconds=5))
    assert len(peer.told) == 2


def test_any_later_fact_brings_what_is_due():
    desk, peer = subscribed("positions")
    report(desk, "a")
    report(desk, "b")
    later(desk, 250)
    quote(desk)
    assert len(peer.told) == 2


def test_a_clock_set_back_holds_nothing_up():
    desk, peer = subscribed("positions")
    report(desk, "a")
    report(desk, "b")
    later(desk, -3_600_000)
    quote(desk)
    assert len(peer.told) == 2


def test_who_left_is_told_no_more_and_without_anybody_nothing_is_worked_out():
    desk, peer = subscribed("positions", "state")
    report(desk, "a")
    report(desk, "b")
    desk.publisher.subscribe(peer, ["state"])
    assert desk.publisher.due() is None
    later(desk, 1000)
    report(desk, "c")
    assert len(peer.told) == 1
    desk.publisher.subscribe(peer, [])
    desk.handle(ev.HaltRequested(at=desk.world.now, reason="x"))
    assert len(peer.told) == 1


def test_each_is_told_of_its_own_topics():
    desk, peer = subscribed("state", world=World())
    other = Listening()
    desk.publisher.subscribe(other, ["decisions"])
    desk.ask("validate_order", order=limit_order())
    desk.handle(ev.HaltRequested(at=START, reason="x"))
    desk.publisher.forget(peer)
    desk.ask("validate_order", order=limit_order())
    assert (set(peer.topics()), other.topics()) == ({"state"}, ["decisions", "decisions"])
