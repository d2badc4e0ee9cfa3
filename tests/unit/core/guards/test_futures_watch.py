"""Futures of which Coinbase does not say whether there are any: not none, and nothing else waits for them."""

from datetime import timedelta

import pytest

from sidecar.core import views
from sidecar.core.guards.futures_watch import PRODUCT_WITHIN
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, ReadProduct, Reconcile
from tests.decisions import breaks, connected, funded, future_order, of_kind
from tests.flattening import Flattening
from tests.scenario import FUTURE, D, World, future, limit_order

WHY = "GET /cfm/balance_summary: HTTP 403: <html>"


def shows(world: World) -> bool:
    return world.tracker.shows_futures


TOLD = {
    "read": (ev.FuturesRead, {"positions": ()}),
    "absent": (ev.FuturesAbsent, {}),
}


def unread() -> World:
    world = funded(connected())
    world.quote(FUTURE, 64_000)
    world.send(ev.FuturesUnread, reason=WHY)
    return world


def codes(actions: object) -> list[str]:
    return [alert.code for alert in of_kind(actions, Alert)]  # type: ignore[arg-type]


def test_orders_for_futures_that_add_risk_are_refused_and_spot_is_not() -> None:
    world = unread()
    decision = world.ask(future_order(1))
    assert breaks(decision, "STALE_ACCOUNT_DATA")
    assert any(WHY in one.message for one in decision.violations)
    assert world.ask(limit_order("0.01", 64_000))


def test_what_reduces_them_passes() -> None:
    world = funded(connected())
    world.quote(FUTURE, 64_000)
    world.fill("BUY", 2, 64_000, product_id=FUTURE)
    world.send(ev.FuturesUnread, reason=WHY)
    assert not world.ask(future_order(1))
    assert world.ask(future_order(1, "SELL"))


@pytest.mark.parametrize(("kind", "fields"), TOLD.values(), ids=TOLD)
def test_once_they_are_told_orders_pass_again_and_the_next_time_is_told_anew(kind, fields) -> None:
    world = unread()
    assert codes(world.actions) == ["FUTURES_UNKNOWN"]
    assert codes(world.send(ev.FuturesUnread, reason=WHY)) == []
    world.send(kind, **fields)
    assert world.ask(future_order(1))
    assert views.status(world.manager, world.now)["doubts"] == []
    assert codes(world.send(ev.FuturesUnread, reason=WHY)) == ["FUTURES_UNKNOWN"]


def test_they_are_in_doubt_as_long_as_they_are_not_told() -> None:
    (doubt,) = views.status(unread().manager, unread().now)["doubts"]
    assert WHY in doubt


def test_they_are_asked_for_again_ever_slower() -> None:
    world, waits = unread(), []
    for _ in range(5):
        due = world.manager.desk.unread.ask_at
        assert due is not None
        waits.append((due - world.now).total_seconds())
        assert of_kind(world.wait(waits[-1] - 0.5), Reconcile) == []
        assert of_kind(world.wait(0.5), Reconcile)
    assert waits == [2, 4, 8, 16, 32]


def test_a_new_process_asks_for_itself() -> None:
    world = unread()
    world.send(ev.Started)
    assert not world.manager.desk.unread.fault
    assert codes(world.send(ev.FuturesUnread, reason=WHY)) == ["FUTURES_UNKNOWN"]


def test_an_account_is_not_flat_before_they_are_told() -> None:
    flat = Flattening(BTC=0)
    flat.begin()
    flat.world.send(ev.FuturesUnread, reason=WHY)
    shouts = []
    for _ in range(4):
        flat.read()
        shouts += [one.text for one in of_kind(flat.actions, Alert)]
        flat.wait(5)
    assert not flat.is_done
    assert any("futures cannot be read" in text and WHY in text for text in shouts)
    flat.world.send(ev.FuturesAbsent)
    flat.read()
    assert codes(flat.actions) == ["LIQUIDATED"]


def test_a_coin_is_flat_without_them() -> None:
    world = connected(held=1, price_shock={"max_loss_from_entry": "0.02", "action": "flatten"})
    world.send(ev.FuturesUnread, reason=WHY)
    flat = Flattening(world)
    flat.take(world.quote("BTC-USD", 60_000))
    flat.read({"BTC": 1})
    (sale,) = flat.placed
    flat.fills(sale, price=60_000)
    flat.read({"BTC": 0})
    assert "PRODUCT_FLATTENED" in codes(flat.actions)


def test_the_books_show_futures_where_there_are_contracts_money_or_an_order() -> None:
    world = funded(connected())
    assert not shows(world)
    world.report("f1", product_id=FUTURE, leaves=1, base_size=1, limit_price=60_000)
    assert shows(world)
    world.report("f1", product_id=FUTURE, status="CANCELLED")
    world.report("s1", leaves=1, base_size=1, limit_price=60_000)
    assert not shows(world)
    world.fill("BUY", 2, 64_000, product_id=FUTURE)
    assert shows(world)
    world = connected()
    world.send(
        ev.FuturesSummaryRead,
        wallet=D(5),
        buying_power=D(5),
        liquidation_buffer_percentage=D(9),
    )
    assert shows(world)


# ----------------------------------------------------------- contracts whose product cannot be had

LOST = "LOST-20DEC30-CDE"


def position(name: str = LOST, contracts: int = 3) -> ev.FuturesPosition:
    return ev.FuturesPosition(name, D(contracts))


def reads(world: World, *positions: ev.FuturesPosition) -> list[Action]:
    return world.send(ev.FuturesRead, positions=positions, fills_until=world.now)


def asked_for(actions: list[Action]) -> list[tuple[str, bool]]:
    return [(one.product_id, one.is_waited_for) for one in of_kind(actions, ReadProduct)]


def lost() -> World:
    """An account that holds contracts of a product that Coinbase tells nothing of."""
    world = funded(connected(held=1))
    world.quote(FUTURE, 64_000)
    assert asked_for(reads(world, position())) == [(LOST, True)]
    world.send(ev.ProductElsewhere, product_id=LOST, why="Coinbase lists none")
    return world


def test_contracts_of_a_product_that_cannot_be_had_are_never_elsewhere() -> None:
    world = lost()
    (alert,) = of_kind(world.actions, Alert)
    assert (alert.severity, alert.code) == ("critical", "CONTRACT_UNKNOWN")
    assert LOST in alert.text
    assert "close them at Coinbase" in alert.text
    status = views.status(world.manager, world.now)
    assert status["elsewhere"]["products"] == {}
    (doubt,) = status["doubts"]
    assert f"{LOST}: Coinbase lists none" in doubt
    for _ in range(3):  # no reading asks again, nor has itself repeated
        world.wait(0.1)
        assert reads(world, position()) == []


def test_spot_goes_on_beside_them_and_futures_that_add_are_refused() -> None:
    world = lost()
    reads(world, position())
    world.send(ev.AccountReconciled, fills_until=world.now)
    assert world.ask(limit_order("0.01", 64_000))
    assert breaks(world.ask(future_order(1)), "STALE_ACCOUNT_DATA")


def test_other_contracts_are_read_all_the_same_and_reduced() -> None:
    world = funded(connected())
    world.quote(FUTURE, 64_000)
    world.fill("BUY", 2, 64_000, product_id=FUTURE)
    world.wait(40)  # a reading may lack a fill for so long
    for _ in range(3):
        world.wait(3)
        reads(world, position(), position(FUTURE, 1))
    assert world.tracker.account.lines[FUTURE].position.quantity == D("0.01")
    assert world.ask(future_order(1, "SELL"))


def test_what_was_taken_for_elsewhere_is_in_doubt_once_it_is_held() -> None:
    world = funded(connected())
    world.send(ev.ProductElsewhere, product_id=LOST, why="Coinbase lists none")
    reads(world, position())
    status = views.status(world.manager, world.now)
    assert (status["elsewhere"]["products"], len(status["doubts"])) == ({}, 1)


def test_without_any_answer_they_are_waited_for_no_longer_than_15_seconds() -> None:
    world = funded(connected())
    for _ in range(3):
        assert asked_for(reads(world, position())) == [(LOST, True)]
        world.wait(4.9)
    world.wait(0.5)
    actions = reads(world, position())
    assert (asked_for(actions), codes(actions)) == ([], ["CONTRACT_UNKNOWN"])


def test_their_rows_are_left_alone_and_no_coin_waits_for_them() -> None:
    world = lost()
    world.report("l1", product_id=LOST, leaves=1, limit_price=200)
    assert world.fill("BUY", 1, 200, product_id=LOST) == []
    assert world.ask(limit_order("0.01", 64_000))


def test_their_product_is_asked_for_again_ever_slower_and_in_no_reading_s_way() -> None:
    world, waits = lost(), []
    for _ in range(4):
        due = world.manager.desk.unread.ask_at
        assert due is not None
        waits.append((due - world.now).total_seconds())
        assert asked_for(world.wait(waits[-1])) == [(LOST, False)]
        again = world.send(ev.ProductElsewhere, product_id=LOST, why="Coinbase lists none")
        assert codes(again) == []
    assert waits == [2, 4, 8, 16]


@pytest.mark.parametrize("how", ["listed", "closed", "zero", "absent"])
def test_once_it_can_be_had_or_they_are_gone_nothing_is_in_doubt(how) -> None:
    world = lost()
    world.wait(1)
    if how == "listed":
        world.send(ev.ProductsListed, products=(future(LOST),))
        reads(world, position())
    elif how == "absent":
        world.send(ev.FuturesAbsent)
    else:
        reads(world, *([position(contracts=0)] if how == "zero" else []))
    assert world.manager.desk.unread.fault == ""
    assert world.ask(future_order(1))
    if how == "listed":
        reads(world, position())
        world.wait(3)
        reads(world, position())
        assert world.tracker.account.lines[LOST].position.quantity


def test_an_account_that_holds_them_is_not_flat() -> None:
    flat = Flattening(BTC=0)
    flat.begin()
    reads(flat.world, position())
    flat.world.send(ev.ProductElsewhere, product_id=LOST, why="Coinbase lists none")
    for _ in range(4):
        reads(flat.world, position())
        flat.read()
        flat.wait(5)
    assert not flat.is_done


def test_after_a_restart_they_are_told_anew() -> None:
    world = lost()
    world.send(ev.Started)
    assert asked_for(reads(world, position())) == [(LOST, True)]
    assert codes(world.send(ev.ProductElsewhere, product_id=LOST, why="gone")) == [
        "CONTRACT_UNKNOWN"
    ]


def test_a_contract_whose_product_is_not_listed_is_asked_for_during_a_while_and_no_longer() -> None:
    held = (ev.FuturesPosition("NEW-26FEB27-CDE", D(2), None),)
    world = funded(connected())
    asked = ReadProduct(product_id="NEW-26FEB27-CDE")
    assert asked in world.send(ev.FuturesRead, positions=held)
    world.wait((PRODUCT_WITHIN - timedelta(seconds=0.001)).total_seconds())
    assert asked in world.send(ev.FuturesRead, positions=held)
    world.wait(0.001)
    actions = world.send(ev.FuturesRead, positions=held)
    assert asked not in actions
    assert codes(actions) == ["CONTRACT_UNKNOWN"]
