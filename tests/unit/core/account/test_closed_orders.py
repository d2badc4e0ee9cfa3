"""ClosedOrders: how many ended orders are remembered, and the horizon that the others leave behind."""

from datetime import timedelta

import pytest

from sidecar.core.account.closed_orders import CLOSED_ORDERS_MAX, ClosedOrders
from sidecar.core.account.working import Tally, WorkingOrder
from tests.scenario import START, D


def filled(name):
    order = WorkingOrder.begin(name, "BTC-USD", "BUY")
    order.reported = Tally(D(1), D(64000))
    return order


@pytest.mark.parametrize("client_order_id", ["c1", ""])
def test_ended_orders_are_remembered_up_to_a_bound(client_order_id):
    """What is forgotten leaves a horizon behind: facts from before it are not new."""
    closed, many = ClosedOrders(), CLOSED_ORDERS_MAX
    first = filled("o1")
    first.client_order_id, first.updated_at = client_order_id, START
    closed.add(first)
    for number in range(many):
        order = filled(f"n{number}")
        order.updated_at = START + timedelta(seconds=1)
        assert closed.horizon is None
        closed.add(order)
    assert (len(closed.by_id), closed.horizon, closed.client_ids) == (many, START, {})


def test_a_fill_later_than_the_reading_that_told_of_its_order_is_not_forgotten():
    """A reading tells an order as of its own beginning; what it filled meanwhile is not new later."""
    closed, late = ClosedOrders(), START + timedelta(seconds=2)
    first = filled("o1")
    first.updated_at, first.traded_at = START, late
    closed.add(first)
    for number in range(CLOSED_ORDERS_MAX + 1):  # the second to be forgotten ended earlier
        order = filled(f"n{number}")
        order.updated_at = START
        closed.add(order)
    assert closed.horizon == late
