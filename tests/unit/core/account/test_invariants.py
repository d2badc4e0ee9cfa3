"""Invariants of money: a fault in the books is noticed where it happens, and not where it shows.

No fact from outside breaks one; each is broken here from inside.
"""

import pytest

from sidecar.core.account.books import Books
from sidecar.core.account.exposure import Portfolio
from sidecar.core.account.futures_cash import FuturesCash
from sidecar.core.account.order_flow import OrderFlow
from sidecar.core.account.reservation import Reservation
from sidecar.core.account.resting import Resting
from sidecar.core.account.wallets import Wallet, Wallets
from sidecar.core.account.working import Leg
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.order_reading import parse_order
from sidecar.core.vocabulary.products import CASH
from tests.scenario import PRODUCTS, START, D, limit_order
from tests.tracking import Desk


def books():
    made = Books({}, CASH, D("0.05"))
    made.list_products(PRODUCTS)
    return made


def working():
    """A desk with a buy of 1 BTC at 50,000 at work, and that order."""
    desk = Desk()
    desk.balance("USD", 100_000)
    desk.report(leaves=1, limit_price=50_000)
    return desk, desk.tracker.ledger.working["o1"]


def reservation(currency, hold):
    """An approval that binds funds alone."""
    order = parse_order(limit_order())
    decision = Decision(
        approved=True,
        client_order_id=order.client_order_id,
        decision_id="d1",
        state="ACTIVE",
        as_of=START,
        max_base_size=D(0),
    )
    return Reservation(
        order=order,
        strategy_id=None,
        approved_at=START,
        expires_at=START,
        legs=(),
        hold_currency=currency,
        hold=D(hold),
        decision=decision,
        tightenings=0,
    )


def test_no_more_units_are_freed_than_orders_had_bound():
    made = books()
    made.work((Leg("BTC", "BUY", D(2)),), None, 1, orders=0)
    with pytest.raises(AssertionError, match="more units were freed than orders had bound"):
        made.work((Leg("BTC", "BUY", D(3)),), None, -1, orders=0)


def test_no_more_orders_end_than_were_open():
    with pytest.raises(AssertionError, match="more orders have ended than were open"):
        books().work((Leg("BTC", "SELL", D(0)),), None, -1)


@pytest.mark.parametrize("currency", ["USD", ""])
def test_no_more_funds_are_freed_than_approvals_had_bound(currency):
    """Margin of futures has no wallet."""
    flow = OrderFlow(books())
    flow.put_back(reservation(currency, 1))
    flow.lift(reservation(currency, "1.00000000000000000001"))  # as far off as roundings may add up
    with pytest.raises(AssertionError, match="more funds were freed than approvals had bound"):
        flow.lift(reservation(currency, 1))


def test_no_more_funds_are_freed_than_orders_had_bound():
    desk, order = working()
    order.hold += 1
    with pytest.raises(AssertionError, match="more funds were freed than orders had bound"):
        desk.report(status="CANCELLED")


def test_a_price_at_which_no_order_rests_is_not_taken_away():
    resting = Resting()
    for price in (100, 102):
        resting.add(D(price))
    with pytest.raises(AssertionError, match="no order rests at this price"):
        resting.remove(D(101))
    assert resting.prices == [100, 102]


def test_no_units_less_than_none_wait_for_a_price():
    with pytest.raises(AssertionError, match="less than no units wait for a price"):
        Wallets({}).set_unpriced("BTC", Wallet(), D(-1))


def test_a_closed_position_leaves_no_cost():
    position = Portfolio().begin("BTC", is_future=False, mark=None).position
    position.trade(D(1), D(100))
    position.cost = D("NaN")
    with pytest.raises(AssertionError, match="no units are left, but a cost"):
        position.trade(D(-1), D(-100))


def test_a_gain_is_no_loss_of_the_futures_wallet():
    with pytest.raises(AssertionError, match="a gain was noted as a loss"):
        FuturesCash(lost=D(1)).note_loss(D(1), D(1))


def test_no_confirmed_mark_begins_below_zero():
    with pytest.raises(AssertionError, match="a price is below zero"):
        books().marks.follow("BTC", D(-1))


def test_a_fill_that_moves_a_wallet_by_another_sum_is_noticed(monkeypatch):
    desk, _ = working()
    monkeypatch.setattr(desk.tracker.books, "pay", lambda *_: None)
    with pytest.raises(AssertionError, match="a fill moved another sum of USD"):
        desk.report(filled="0.1", average_price=50_000, leaves="0.9")


def test_a_fill_that_took_value_back_begins_no_confirmed_mark_below_zero():
    """The average price fell by more than the new units cost, after all of the old had left."""
    desk, _ = working()
    desk.report(filled="0.5", average_price=50_000, leaves="0.5")
    desk.fill("SELL", "0.5", 50_000)
    desk.report(filled="0.6", average_price=40_000, leaves="0.4")
    assert desk.held() == D("0.1")
    assert desk.tracker.marks.confirmed("BTC") == 50_000
