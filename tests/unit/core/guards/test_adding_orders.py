"""Adding orders: what of the book is taken out when trading is stopped, and when."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.liquidation.attempts import Attempt
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, Answered, CancelOrders
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import FOREVER, connected, of_kind, restarted
from tests.scenario import FUTURE, D, World, limit_order


def resting(world: World, *names: str, size: object = "0.1", **fields: Any) -> World:
    """Orders in the book, the oldest first."""
    for name in names:
        world.wait(1)
        known: dict[str, Any] = {"leaves": size, "limit_price": 60_000, "created_at": world.now}
        world.report(name, **known | fields)
    return world


def appears(world, name):
    return world.report(name, leaves="0.1", limit_price=60_000)


def long(size: object = 1, **limits: Any) -> World:
    world = World(**limits)
    world.hold(size)
    return world


def cancelled(actions):
    return [name for one in of_kind(actions, CancelOrders) for name in one.order_ids]


def halt(world, **fields):
    return world.send(ev.HaltRequested, reason="x", **fields)


def text(actions):
    (one,) = of_kind(actions, Answered)
    return one.text


# --- Which orders add -----------------------------------------------------------------------------


def test_orders_on_the_side_of_the_position_add():
    world = resting(long(), "buy")
    resting(world, "exit", side="SELL", limit_price=90_000)
    assert cancelled(halt(world, cancel_adding=True)) == ["buy"]


def test_without_a_position_every_order_adds():
    world = resting(World(), "buy", product_id="ETH-USD")
    resting(world, "future", product_id=FUTURE, side="SELL", size=1)
    assert cancelled(halt(world, cancel_adding=True)) == ["buy", "future"]


def test_of_orders_that_reduce_the_newest_beyond_the_position_add():
    """1 BTC is held; 0.6 and 0.4 close it, 0.1 more would turn it round."""
    world = resting(long(), "old", size="0.6", side="SELL", limit_price=90_000)
    resting(world, "new", size="0.5", side="SELL", limit_price=90_000)
    resting(world, "newest", size="0.4", side="SELL", limit_price=90_000)
    assert cancelled(halt(world, cancel_adding=True)) == ["new"]


def test_a_pair_of_coins_adds_to_one_of_them():
    world = resting(long(), "pair", product_id="ETH-BTC", side="SELL", limit_price="0.03")
    assert cancelled(halt(world, cancel_adding=True)) == ["pair"]


OWN = "risk-sidecar-1"


def sent(world: World, **fields: Any) -> World:
    """A flattening before sent this order, and it may still stand."""
    known: dict[str, Any] = {"product_id": "BTC-USD", "key": "BTC", "side": "SELL", "way": "market", "size": D("0.1")}  # fmt: skip
    attempt = Attempt(client_order_id=OWN, first_sent=world.now, **known | fields)
    world.manager.liquidator.memory.ended[OWN] = attempt
    return world


def test_the_sidecars_own_orders_are_left():
    world = resting(sent(World()), "own", client_order_id=OWN, side="SELL")
    assert not cancelled(halt(world, cancel_adding=True))


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {"side": "BUY"},
        {"size": D("0.2")},
        {"product_id": "ETH-USD", "key": "ETH"},
        {"product_id": "GONE-USD", "key": "GONE"},
    ],
)
def test_an_order_that_the_sidecar_did_not_send_is_not_its_own_whatever_its_id(fields):
    """From before the start too, when nobody need have asked about it."""
    world = World() if fields is None else sent(World(), **fields)
    resting(world, "own", client_order_id=OWN, side="SELL")
    assert cancelled(halt(world, cancel_adding=True)) == ["own"]


def test_an_order_from_before_the_start_is_cancelled_whatever_its_id():
    world = connected(held=1)
    born = world.now - timedelta(hours=1)
    world.send(ev.Started)
    world.report("own", leaves="0.1", limit_price=60_000, client_order_id=OWN, created_at=born)
    assert world.tracker.ledger.working["own"].standing == "excused"
    assert cancelled(halt(world, cancel_adding=True)) == ["own"]


@pytest.mark.parametrize("is_own", [False, True])
def test_only_a_sale_of_its_own_is_one_that_a_flattening_made(is_own):
    world = sent(long()) if is_own else long()
    world.fill("SELL", "0.1", 64_000, client_order_id=OWN)
    assert (world.tracker.wallets.get("BTC").own_sale_at is not None) == is_own


@pytest.mark.parametrize("by_rest", [False, True])
def test_a_sale_of_its_own_that_ended_in_part_is_one_that_a_flattening_made(by_rest):
    """The user channel tells what was filled of it, and no size."""
    world = sent(long())
    size = {"by_rest": True, "base_size": "0.1"} if by_rest else {}
    world.report(
        "own", side="SELL", status="CANCELLED", filled="0.04", average_price=64_000,
        client_order_id=OWN, **size,
    )  # fmt: skip
    assert world.tracker.wallets.get("BTC").own_sale_at is not None


def test_the_sidecars_own_orders_are_its_own_after_a_restart():
    world = resting(sent(World()), "own", client_order_id=OWN, side="SELL")
    assert not cancelled(halt(restarted(world), cancel_adding=True))


# --- An operator stops ----------------------------------------------------------------------------


def test_a_halt_leaves_open_orders_and_says_how_many_add_risk():
    actions = halt(resting(World(), "a", "b"))
    assert not cancelled(actions)
    assert text(actions) == (
        "HALTED: x; 2 open orders add risk and may still fill, unless cancel_adding (--cancel-adding) is asked for"
    )


def test_a_halt_cancels_them_where_asked_and_says_so():
    actions = halt(resting(World(), "a", "b"), cancel_adding=True)
    assert cancelled(actions) == ["a", "b"]
    assert text(actions) == "HALTED: x; 2 open orders add risk: the cancel has been asked for"


@pytest.mark.parametrize("cancels", [True, False])
def test_where_no_order_adds_risk_nothing_is_said(cancels):
    world = resting(long(), "exit", side="SELL", limit_price=90_000)
    assert text(halt(world, cancel_adding=cancels)) == "HALTED: x"


@pytest.mark.parametrize(
    ("scope", "orders"),
    [
        ({}, ["eth", "mine", "other"]),
        ({"product_id": "BTC-USDC"}, ["mine", "other"]),
        ({"strategy_id": "momo"}, ["mine"]),
    ],
    ids=["all", "product", "strategy"],
)
def test_reduce_only_cancels_in_its_scope(scope, orders):
    world = resting(World(), "mine", strategy_id="momo")
    resting(world, "other", strategy_id="grid")
    resting(world, "eth", product_id="ETH-USD")
    actions = world.send(ev.ReduceOnlyRequested, reason="x", cancel_adding=True, **scope)
    assert cancelled(actions) == orders


def test_an_order_of_an_earlier_approval_that_appears_later_is_cancelled_too():
    world = World(settings=FOREVER)
    assert world.ask(limit_order("0.1", 60_000, name="bot-x"))
    halt(world, cancel_adding=True)
    late = world.report("late", client_order_id="bot-x", leaves="0.1", limit_price=60_000)
    assert cancelled(late) == ["late"]


def test_an_order_that_adds_only_since_another_filled_is_cancelled_too():
    """A position of 1 with an exit of 1: a fill beside it leaves the exit too large."""
    world = resting(long(), "exit", size=1, side="SELL", limit_price=90_000)
    halt(world, cancel_adding=True)
    assert cancelled(world.fill("SELL", "0.5", 64_000)) == ["exit"]


def test_a_halt_in_force_cancels_from_when_it_is_asked_to():
    world = resting(World(), "a")
    halt(world)
    assert not cancelled(appears(world, "b"))
    assert cancelled(halt(world, cancel_adding=True)) == ["a", "b"]
    assert cancelled(appears(world, "c")) == ["c"]


def test_a_later_word_without_it_does_not_take_it_back():
    world = World()
    halt(world, cancel_adding=True)
    assert "has been asked for" in text(halt(resting(world, "a")))


def test_it_survives_a_restart_and_ends_with_its_cause():
    world = World()
    halt(world, cancel_adding=True)
    world = restarted(world)
    assert cancelled(appears(world, "a")) == ["a"]
    world.send(ev.ResumeRequested, reason="x")
    assert not cancelled(appears(world, "b"))


def test_a_cancel_is_asked_for_again_where_it_does_not_show():
    world = resting(World(), "a")
    halt(world, cancel_adding=True)
    assert not cancelled(appears(world, "a"))
    world.wait(10)
    assert cancelled(appears(world, "a")) == ["a"]


def test_an_operators_word_stands_above_on_loss():
    world = resting(World(on_loss="nothing"), "a")
    assert cancelled(halt(world, cancel_adding=True)) == ["a"]
    assert cancelled(appears(world, "b")) == ["b"]


def test_a_halt_by_a_fault_of_its_own_cancels_nothing():
    assert not cancelled(halt(resting(World(), "a"), fault=True))


# --- A loss stops ---------------------------------------------------------------------------------


def test_a_confirmed_loss_cancels_what_adds():
    world = resting(long(max_daily_loss="0.1"), "buy")
    assert cancelled(world.fill("SELL", "0.5", 30_000)) == ["buy"]
    assert cancelled(appears(world, "late")) == ["late"]


def test_a_loss_that_is_not_confirmed_cancels_nothing():
    world = resting(long(max_daily_loss="0.1"), "buy")
    assert not cancelled(world.quote("BTC-USD", 50_000))
    assert not cancelled(appears(world, "late"))


def test_a_loss_leaves_them_and_counts_them_where_so_configured():
    world = resting(long(max_daily_loss="0.1", on_loss="nothing"), "buy")
    actions = world.fill("SELL", "0.5", 30_000)
    assert not cancelled(actions)
    told = [one.text for one in of_kind(actions, Alert) if one.code == "ADDING_ORDERS_OPEN"]
    assert told == ["1 open orders in all would add risk; on_loss leaves them"]
    assert not cancelled(appears(world, "late"))
    world.send(ev.LimitsReplaced, limits=Limits(max_daily_loss="0.1"))
    assert cancelled(appears(world, "later")) == ["buy", "late", "later"]


def test_a_flattening_cancels_all_at_once_and_what_adds_first():
    """Cancels take their turn with Coinbase's budget: what would still be bought goes first."""
    world = resting(long(max_cumulative_loss="0.1"), "exit", side="SELL", limit_price=90_000)
    resting(world, "buy")
    resting(world, "pair", product_id="ETH-BTC", side="SELL", limit_price="0.03")
    (cancel,) = of_kind(world.fill("SELL", "0.5", 30_000), CancelOrders)
    assert cancel.order_ids == ("buy", "pair", "exit")
    short = resting(World(max_cumulative_loss="0.1"), "cover", product_id=FUTURE, size=1)
    short.fill("SELL", 100, 64_000, product_id=FUTURE)
    resting(short, "sell", product_id=FUTURE, side="SELL", size=1, limit_price=90_000)
    (cancel,) = of_kind(short.send(ev.FlattenRequested, reason="enough"), CancelOrders)
    assert cancel.order_ids == ("sell", "cover")


@pytest.mark.parametrize(
    ("names", "words"), [("a", "1 open order adds risk"), ("ab", "2 open orders add risk")]
)
def test_an_operator_who_halts_is_told_how_many_may_still_fill(names, words):
    assert words in text(halt(resting(long(), *names)))
