"""The order ledger: found by either id, filed by status, and the prices that rest."""

from datetime import timedelta

import pytest

from sidecar.core.account.order_index import OrderIndex
from sidecar.core.account.reservation import Reservation
from sidecar.core.account.working import WorkingOrder
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.orders import Order
from tests.scenario import START, D


def working(order_id="o1", client_order_id="c1", price=100, **changes):
    order = WorkingOrder.begin(order_id, "BTC-USD", "BUY")
    order.client_order_id, order.size, order.rests = client_order_id, D(1), True
    order.limit_price = None if price is None else D(price)
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def reservation(name="r1", kind="limit_limit_gtc", price=100, lapses_s=10):
    order = Order(
        client_order_id=name, product_id="BTC-USD", side="BUY", kind=kind, base_size=D(1),
        limit_price=None if price is None else D(price), ceiling_price=None if price is None else D(price),
    )  # fmt: skip
    decision = Decision(
        approved=True,
        client_order_id=name,
        decision_id="1",
        state="ACTIVE",
        as_of=START,
        max_base_size=D(1),
    )
    return Reservation(
        order=order, strategy_id=None, approved_at=START, expires_at=START + timedelta(seconds=lapses_s), legs=(),
        hold_currency="USD", hold=D(0), decision=decision, tightenings=0,
    )  # fmt: skip


def test_an_order_is_found_by_either_id_while_it_works_and_after():
    ledger, order = OrderIndex(), working()
    for status in ("OPEN", "CANCELLED"):
        order.status = status
        ledger.file(order, "BTC-USD")
        assert ledger.find("o1") is ledger.find_client_id("c1") is order
    assert (list(ledger.working), list(ledger.closed.by_id)) == ([], ["o1"])


def test_unknown_ids_find_nothing():
    assert OrderIndex().find("o1") is None
    assert OrderIndex().find_client_id("c1") is None


def test_an_order_without_a_client_id_is_found_by_its_own():
    ledger = OrderIndex()
    ledger.file(working(client_order_id=""), "BTC-USD")
    assert ledger.find("o1")
    assert ledger.find_client_id("") is None


def test_an_ended_order_that_is_filed_again_is_remembered_once():
    ledger, order = OrderIndex(), working(status="CANCELLED")
    ledger.file(order, "BTC-USD")
    ledger.file(order, "BTC-USD")
    assert len(ledger.closed.by_id) == 1


def test_an_order_rests_at_its_newest_price_until_it_ends():
    ledger, order = OrderIndex(), working()
    ledger.file(order, "BTC-USD")
    order.limit_price = D(90)
    ledger.file(order, "BTC-USD")
    assert ledger.best_resting("BTC-USD", "BUY") == 90
    assert ledger.best_resting("BTC-USD", "SELL") is None
    order.status = "CANCELLED"
    ledger.file(order, "BTC-USD")
    assert ledger.best_resting("BTC-USD", "BUY") is None


@pytest.mark.parametrize("changes", [{"rests": False}, {"price": None}, {"size": D(0)}])
def test_what_cannot_be_met_does_not_rest(changes):
    ledger = OrderIndex()
    ledger.file(working(**changes), "BTC-USD")
    assert ledger.best_resting("BTC-USD", "BUY") is None


def test_a_reserved_order_rests_until_it_is_unreserved():
    ledger, reserved = OrderIndex(), reservation()
    ledger.reserve(reserved, "BTC-USD")
    assert ledger.best_resting("BTC-USD", "BUY") == 100
    ledger.unreserve(reserved)
    assert (ledger.best_resting("BTC-USD", "BUY"), ledger.reservations) == (None, {})


@pytest.mark.parametrize(("kind", "price"), [("market_market_ioc", None), ("limit_limit_fok", 100)])
def test_a_reserved_order_that_takes_at_once_does_not_rest(kind, price):
    ledger = OrderIndex()
    ledger.reserve(reservation(kind=kind, price=price), "BTC-USD")
    assert ledger.best_resting("BTC-USD", "BUY") is None


def test_what_is_approved_twice_at_one_moment_is_looked_for_once():
    ledger, reserved = OrderIndex(), reservation()
    for _ in range(2):
        ledger.reserve(reserved, "BTC-USD")
        ledger.unreserve(reserved)
    ledger.reserve(reserved, "BTC-USD")
    assert ledger.pop_lapse(START + timedelta(seconds=10)) is reserved
    assert ledger.pop_lapse(START + timedelta(seconds=10)) is None


def test_it_is_not_looked_for_twice_though_another_lapses_after_it():
    ledger, reserved = OrderIndex(), reservation()
    later = reservation("r2", lapses_s=20)
    for _ in range(2):
        ledger.reserve(reserved, "BTC-USD")
    ledger.reserve(later, "BTC-USD")
    assert ledger.pop_lapse(START + timedelta(seconds=10)) is reserved
    assert ledger.pop_lapse(START + timedelta(seconds=10)) is None
    assert ledger.pop_lapse(START + timedelta(seconds=20)) is later


def test_a_new_process_looks_for_what_lapses_first_whichever_was_approved_first():
    """One that was looked for already was put off: it lapses behind those that were approved after it."""
    ledger = OrderIndex()
    for name, lapses_s in (("r1", 30), ("r2", 10), ("r3", 20)):
        ledger.reserve(reservation(name, lapses_s=lapses_s), "BTC-USD")
    ledger.look_again()
    found = [ledger.pop_lapse(START + timedelta(seconds=s)) for s in (10, 20, 30)]
    assert [one and one.order.client_order_id for one in found] == ["r2", "r3", "r1"]


@pytest.mark.parametrize(("limit", "stop", "first"), [(95, 97, 97), (98, 97, 98)])
def test_a_sale_meets_the_highest_buy_first_a_triggered_stop_among_them(limit, stop, first):
    ledger = OrderIndex()
    ledger.file(working(price=limit), "BTC-USD")
    stopped = working("o2", "c2", price=stop, stop_price=D(stop), is_stop=True)
    assert stopped.waits
    ledger.file(stopped, "BTC-USD")
    assert ledger.met_first("BTC-USD", "BUY", D(100)) == first


def test_an_approval_that_takes_the_place_of_another_rests_at_its_own_price():
    ledger = OrderIndex()
    for price in (100, 90):
        ledger.reserve(reservation(price=price), "BTC-USD")
    assert ledger.best_resting("BTC-USD", "BUY") == 90


def test_of_an_order_that_has_ended_nothing_is_left_among_those_that_work():
    ledger, order = OrderIndex(), working()
    ledger.file(order, "BTC-USD")
    order.status = "CANCELLED"
    ledger.file(order, "BTC-USD")
    assert (ledger.working, ledger.working_by_client_id) == ({}, {})
