"""What is kept of orders that ended, once a thousand others have ended."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.account import closed_orders
from sidecar.core.liquidation.attempts import Attempt
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert
from tests.decisions import connected, of_kind, reloaded
from tests.scenario import D, limit_order


def order(number):
    return limit_order(price="60000") | {"client_order_id": f"bot-{number:06d}"}


def reported(world, number, status, **fields):
    fields.setdefault("client_order_id", f"bot-{number:06d}")
    return world.send(
        ev.OrderReported,
        order_id=f"0f3a2b{number:06d}-4c5d-6e7f-8a9b",
        product_id="BTC-USD",
        side="BUY",
        status=status,
        base_size=D("0.01"),
        limit_price=D("60000"),
        created_at=world.now,
        **fields,
    )


def opened_and_cancelled(world, numbers):
    for number in numbers:
        world.now += timedelta(milliseconds=50)
        assert world.ask(order(number))
        reported(world, number, "OPEN")
        reported(world, number, "CANCELLED")
        if number % 200 == 0:
            world.quote("BTC-USD", 64000)


@pytest.fixture
def few(monkeypatch):
    """A world in which ten orders were opened and cancelled, and all but the last three forgotten."""
    monkeypatch.setattr(closed_orders, "RECENT_MAX", 3)
    world = connected()
    opened_and_cancelled(world, range(10))
    assert len(world.tracker.ledger.closed.by_id) == 3
    return world


@pytest.mark.parametrize("number", [0, 6, 9])
@pytest.mark.parametrize("again", [lambda world: world, reloaded], ids=["at once", "restarted"])
def test_an_id_that_was_used_is_known_for_long(few, number, again):
    decision = again(few).ask(order(number))
    assert decision.codes == ("DUPLICATE_CLIENT_ORDER_ID",)


@pytest.mark.parametrize("status", ["OPEN", "CANCELLED", "CANCEL_QUEUED"])
@pytest.mark.parametrize("again", [lambda world: world, reloaded], ids=["at once", "restarted"])
def test_a_late_or_repeated_report_of_it_is_no_news(few, status, again):
    world = again(few)
    assert of_kind(reported(world, 2, status), Alert) == []
    assert not world.tracker.ledger.working
    assert len(world.tracker.ledger.closed.by_id) == 3


@pytest.mark.parametrize("told", ["a frame", "a row"])
def test_a_late_fill_of_it_counts_once_and_is_nobodys_unapproved_order(few, told):
    world = few
    order_id = "0f3a2b000002-4c5d-6e7f-8a9b"
    for _ in range(2):
        if told == "a frame":
            fill = {"filled": D("0.004"), "average_price": D(60000)}
            actions = reported(world, 2, "CANCELLED", **fill)
        else:
            actions = world.send(
                ev.FillReported, entry_id="f1", order_id=order_id, product_id="BTC-USD", side="BUY",
                price=D(60000), size=D("0.004"), traded_at=world.now,
            )  # fmt: skip
        assert of_kind(actions, Alert) == []
    assert world.tracker.account.lines["BTC"].position.quantity == D("0.004")


@pytest.mark.parametrize("kept", ["filled", "attached", "own"])
def test_what_news_may_still_come_of_is_kept_whole(monkeypatch, kept):
    monkeypatch.setattr(closed_orders, "RECENT_MAX", 3)
    world = connected()
    of_each: dict[str, dict[str, Any]] = {
        "filled": {"filled": D("0.001"), "average_price": D(60000)},
        "attached": {"attached": True},
        "own": {},
    }
    fields = of_each[kept]
    name = "first"
    if kept == "own":
        name = "risk-sidecar-1"
        sent = Attempt(
            client_order_id=name, product_id="BTC-USD", key="BTC", side="BUY", way="market",
            size=D("0.01"), first_sent=world.now,
        )  # fmt: skip
        world.manager.liquidator.memory.ended[name] = sent
    world.send(
        ev.OrderReported, order_id="first", client_order_id=name, product_id="BTC-USD", side="BUY",
        status="CANCELLED", base_size=D("0.01"), limit_price=D(60000), **fields,
    )  # fmt: skip
    opened_and_cancelled(world, range(10))
    assert len(world.tracker.ledger.closed.by_id) == 4
    assert world.tracker.ledger.find("first") is not None


@pytest.mark.parametrize("again", [lambda world: world, reloaded], ids=["at once", "restarted"])
def test_one_that_vanished_is_open_again_however_many_have_ended_since(monkeypatch, again):
    """A listing may have it after all: it was never told to have ended."""
    monkeypatch.setattr(closed_orders, "RECENT_MAX", 3)
    world = connected()
    order_id = "0f3a2b000000-4c5d-6e7f-8a9b"
    reported(world, 0, "OPEN", leaves=D("0.01"))
    world.send(ev.OrderVanished, order_id=order_id)
    opened_and_cancelled(world, range(1, 10))
    world = again(world)
    reported(world, 0, "OPEN", leaves=D("0.01"))
    world.send(ev.OpenOrdersListed, order_ids=(order_id,), began_at=world.now)
    assert list(world.tracker.ledger.working) == [order_id]
    assert world.tracker.wallets.get("USD").held > 0


def test_an_id_that_only_looks_like_one_of_the_sidecar_s_own_is_nothing_to_keep(monkeypatch):
    monkeypatch.setattr(closed_orders, "RECENT_MAX", 3)
    world = connected()
    reported(world, 0, "CANCELLED", client_order_id="risk-sidecar-1")
    opened_and_cancelled(world, range(1, 10))
    assert len(world.tracker.ledger.closed.by_id) == 3


def test_what_is_left_of_ids_is_bounded_too(monkeypatch):
    monkeypatch.setattr(closed_orders, "RECENT_MAX", 3)
    monkeypatch.setattr(closed_orders, "CLOSED_ORDERS_MAX", 5)
    world = connected()
    opened_and_cancelled(world, range(10))
    closed = world.tracker.ledger.closed
    assert (len(closed.by_id), len(closed.unfilled)) == (3, 5)
    assert [closed.has_used(f"bot-{number:06d}") for number in range(10)] == [False] * 2 + [
        True
    ] * 8
