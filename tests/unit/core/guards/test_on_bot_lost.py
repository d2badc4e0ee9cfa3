"""What a bot wanted done when it is gone without a word, and only then."""

from typing import Any

import pytest

from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, CancelOrders, Liquidate
from tests.decisions import connected, of_kind, restarted
from tests.scenario import World

MAY = Settings(connected=True, may_flatten=frozenset({"maker"}))
BOT: dict[str, Any] = {"name": "maker", "uid": 1000}


def dropped(on_disconnect: str, strategy_id: str | None = "grid") -> World:
    """A bot whose connection has just dropped, with orders of its own and of another strategy."""
    world = connected(held=1, settings=MAY)
    world.send(ev.BotConnected, **BOT, strategy_id=strategy_id, on_disconnect=on_disconnect)
    for name, strategy in (("mine", "grid"), ("theirs", "momo"), ("nobodys", None)):
        world.report(name, leaves="0.01", limit_price=60000, strategy_id=strategy)
    world.send(ev.BotDropped, **BOT)
    return world


def after_grace(world: World, *kinds: type[Action]) -> list[Any]:
    return of_kind(world.wait(30), *kinds)


def test_the_orders_of_its_strategy_are_cancelled_and_no_others() -> None:
    (cancel,) = after_grace(dropped("cancel_orders"), CancelOrders)
    assert cancel.order_ids == ("mine",)
    assert "bot 'maker' of user 1000 is gone" in cancel.reason


def test_without_open_orders_there_is_nothing_to_cancel() -> None:
    world = dropped("cancel_orders")
    world.report("mine", status="CANCELLED")
    assert not after_grace(world, CancelOrders)


def test_nothing_is_done_before_its_grace_is_over() -> None:
    assert not of_kind(dropped("cancel_orders").wait(29.9), CancelOrders)
    assert not of_kind(dropped("flatten").wait(29.9), Liquidate)


def test_a_bot_that_is_back_in_time_was_never_gone() -> None:
    world = dropped("flatten")
    world.wait(10)
    world.send(ev.BotConnected, **BOT, strategy_id="grid", on_disconnect="flatten")
    assert not after_grace(world, Liquidate)


@pytest.mark.parametrize("on_disconnect", ["nothing", "cancel_orders", "flatten"])
def test_a_bot_that_says_bye_wants_nothing(on_disconnect: str) -> None:
    world = connected(held=1, settings=MAY)
    world.send(ev.BotConnected, **BOT, strategy_id="grid", on_disconnect=on_disconnect)
    world.report("mine", leaves="0.01", limit_price=60000, strategy_id="grid")
    world.send(ev.BotLeft, **BOT)
    assert not after_grace(world, CancelOrders, Liquidate)


def test_the_whole_account_is_flattened_once() -> None:
    world = dropped("flatten")
    (order,) = after_grace(world, Liquidate)
    assert order.reason == "bot 'maker' of user 1000 is gone, and wanted the account flat"
    assert world.manager.state.account == "LIQUIDATING"
    world.send(ev.BotConnected, **BOT, on_disconnect="flatten")
    world.send(ev.BotDropped, **BOT)
    assert not after_grace(world, Liquidate)


def test_our_own_restart_is_no_drop_and_gives_a_whole_grace() -> None:
    world = dropped("cancel_orders")
    world.wait(25)
    world = restarted(world)
    assert not of_kind(world.wait(29), CancelOrders)
    assert of_kind(world.wait(1), CancelOrders)


def test_a_bot_that_may_no_more_is_not_obeyed() -> None:
    """Its name was taken off the list while its session was kept."""
    world = dropped("flatten")
    settings = Settings(connected=True)
    world.manager.settings = world.manager.watch.settings = settings
    assert not after_grace(world, Liquidate)


@pytest.mark.parametrize(
    ("on_disconnect", "strategy_id"),
    [("nothing", "grid"), ("flatten", "grid"), ("cancel_orders", None)],
)
def test_only_who_wanted_it_and_named_a_strategy_has_orders_cancelled(
    on_disconnect: str, strategy_id: str | None
) -> None:
    world = dropped(on_disconnect, strategy_id)
    world.send(ev.HaltRequested, reason="nothing is to be sold")
    assert not after_grace(world, CancelOrders)
