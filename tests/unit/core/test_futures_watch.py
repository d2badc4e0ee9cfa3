"""Futures of which Coinbase does not say whether there are any: not none, and nothing else waits for them."""

import pytest

from sidecar.core import events as ev
from sidecar.core import views
from sidecar.core.actions import Alert, Reconcile
from tests.decisions import breaks, connected, funded, future_order, of_kind
from tests.flattening import Flattening
from tests.scenario import FUTURE, D, World, limit_order

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
