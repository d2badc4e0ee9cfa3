"""A position that is to be closed, as the order that would follow."""

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from tests.decisions import connected, of_kind, the
from tests.scenario import FUTURE, D, World


def close(world, size=None, name="c", product_id=FUTURE, **fields):
    proposed = {"product_id": product_id, "client_order_id": name, "size": size} | fields
    (decided,) = of_kind(world.send(ev.CloseProposed, **proposed), Decided)
    return decided.decision


def holding(contracts, make=World, **limits):
    """So many contracts, short where negative."""
    world = make(**limits)
    side = "BUY" if contracts > 0 else "SELL"
    world.fill(side, abs(contracts), 64000, product_id=FUTURE)
    return world


@pytest.mark.parametrize(("contracts", "side"), [(5, "SELL"), (-5, "BUY")])
@pytest.mark.parametrize(("size", "closed"), [(None, 5), ("", 5), ("2", 2), ("5", 5)])
def test_its_side_and_size_are_the_positions_and_it_reduces(contracts, side, size, closed):
    world = holding(contracts)
    world.send(ev.ReduceOnlyRequested, reason="careful")
    decision = close(world, size)
    assert (decision.approved, decision.reducing) == (True, True)
    order = world.tracker.ledger.reservations["c"].order
    assert (order.side, order.base_size, order.product_id) == (side, D(closed), FUTURE)


@pytest.mark.parametrize(
    ("size", "product_id", "words"),
    [
        ("6", FUTURE, "at most the 5 contracts held"),
        ("0", FUTURE, "not above zero"),
        ("x", FUTURE, "size: 'x' is not a number"),
        (3, FUTURE, "size: "),
        (None, "BTC-USD", "close_position is for futures"),
    ],
)
def test_what_cannot_be_closed_is_refused(size, product_id, words):
    assert words in the(close(holding(5), size, product_id=product_id), "INVALID_ORDER").message


def test_a_position_that_is_not_there_is_refused():
    world = World()
    assert the(close(world), "INVALID_ORDER").message == f"no position of {FUTURE} is open"
    assert close(world, product_id="NO-SUCH").codes == ("UNKNOWN_PRODUCT",)
    assert "client_order_id" in the(close(holding(1), name=""), "INVALID_ORDER").message
    assert close(holding(1), name=5).client_order_id == ""


def test_an_operators_halt_refuses_it_and_a_dry_run_binds_nothing():
    world = holding(5)
    assert close(world, dry_run=True)
    assert not world.tracker.ledger.reservations
    world.send(ev.HaltRequested, reason="x")
    assert close(world).codes == ("STATE_HALTED",)


def test_asked_again_it_is_the_same_approval():
    world = holding(5)
    assert (
        close(world, asker=ev.Asker(7)).decision_id == close(world, asker=ev.Asker(7)).decision_id
    )
    assert "DUPLICATE_CLIENT_ORDER_ID" in close(world, asker=ev.Asker(8)).codes


def test_the_order_that_follows_is_approved():
    """It used to be unapproved, however it was sent."""
    world = connected()
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    assert close(world, "2")
    actions = world.report(
        "o", product_id=FUTURE, side="SELL", base_size=2, client_order_id="c", is_market=True, created_at=world.now
    )  # fmt: skip
    assert [action for action in actions if type(action).__name__ == "OrderUnapproved"] == []
    assert not world.tracker.ledger.reservations
