"""Which approval an order answers, and when an approved edit shows."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary import events as ev
from tests.scenario import D, World, limit_order, market_order
from tests.tracking import check_books


def approved(**fields):
    world = World()
    body = limit_order("0.5", 60000, name="bot-1", **fields)
    assert world.ask(body, strategy_id="trend")
    return world


def edited():
    world = World()
    world.report("o1", client_order_id="bot-1", leaves="0.1", limit_price=60000)
    assert world.manager.validate_edit(order_id="o1", price="60000", size="0.2")
    return world


@pytest.mark.parametrize(("filled", "left"), [(0, "0.0015625"), ("0.001", "0.0005625")])
def test_a_quote_sized_order_that_states_no_size_inherits_the_most_it_was_approved_for(
    filled, left
):
    world = World()
    body = market_order()
    body["order_configuration"] = {"market_market_ioc": {"quote_size": "100"}}
    assert world.ask(body)
    name = body["client_order_id"]
    world.report("o1", client_order_id=name, filled=filled, average_price=64000)
    assert world.tracker.account.lines["BTC"].open_buy == D(left)
    check_books(world.tracker)


@pytest.mark.parametrize("other", [{"side": "SELL"}, {"product_id": "ETH-USD"}])
def test_a_reservation_does_not_give_way_to_an_order_of_another_side_or_product(other):
    world = approved()
    world.report("o1", client_order_id="bot-1", leaves=1, limit_price=2000, **other)
    assert list(world.tracker.ledger.reservations) == ["bot-1"]


def test_a_reservation_does_not_give_way_to_an_order_that_coinbase_named_like_it():
    world = approved()
    world.report("bot-1", leaves="0.1", limit_price=60000)
    assert list(world.tracker.ledger.reservations) == ["bot-1"]


def test_an_edits_reservation_is_for_its_own_order_only():
    world = World()
    world.report("o1", client_order_id="bot-1", leaves="0.1", limit_price=60000)
    assert world.manager.validate_edit(order_id="o1", price="60000", size="0.2")
    world.report("o2", client_order_id="bot-1", leaves="0.2", limit_price=60000)
    assert list(world.tracker.ledger.reservations) == ["bot-1"]


def test_an_edits_reservation_waits_until_the_edit_shows():
    world = World()
    world.report("o1", client_order_id="bot-1", leaves="0.1", limit_price=60000)
    assert world.manager.validate_edit(order_id="o1", price="60000", size="0.2")
    world.report("o1", status="EDIT_QUEUED", leaves="0.1", limit_price=60000)
    assert list(world.tracker.ledger.reservations) == ["bot-1"]
    assert world.tracker.account.lines["BTC"].orders == 1
    world.report("o1", leaves="0.2", limit_price=60000)
    assert world.tracker.ledger.reservations == {}
    check_books(world.tracker)


def test_an_edit_that_shows_late_is_met_all_the_same():
    world = edited()
    world.now += timedelta(seconds=11)
    report = ev.OrderReported(at=world.now, order_id="o1", product_id="BTC-USD", side="BUY",
                              status="OPEN", leaves=D("0.2"), limit_price=D(60000))  # fmt: skip
    world.tracker.apply(report)
    assert (world.tracker.ledger.reservations, world.position) == ({}, 0)
    assert world.tracker.account.lines["BTC"].open_buy == D("0.2")


def test_an_edit_of_an_order_without_client_id_is_found_by_its_order_id():
    world = World()
    world.report("o1", leaves="0.1", limit_price=60000)
    assert world.manager.validate_edit(order_id="o1", size="0.2")
    world.report("o1", leaves="0.2", limit_price=60000)
    assert world.tracker.ledger.reservations == {}
