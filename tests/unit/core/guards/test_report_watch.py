"""ReportWatch: a frame that can hardly be so is read over REST before it counts."""

from typing import Any

import pytest

from sidecar.core.context.settings import Settings
from sidecar.core.guards import report_watch
from sidecar.core.guards.report_watch import CODE
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    CauseCleared,
    FindOrder,
    Liquidate,
    OrderUnapproved,
    ReadOrders,
    Reconcile,
)
from sidecar.core.vocabulary.errors import Untrusted
from tests.decisions import CONNECTED, connected, of_kind, restarted
from tests.scenario import FUTURE, D, World, limit_order, market_order, order

HUGE = "10000000000000000000"


def holding(**limits: Any) -> World:
    """A bitcoin and 100,000 USD, of which nothing may be lost for long."""
    limits = limits or {
        "max_cumulative_loss": "0.25",
        "max_daily_loss": "0.1",
        "max_drawdown": "0.1",
    }
    return connected(held=1, **limits)


def sold(world: World, **fields: Any) -> list[Any]:
    """A frame of a market sale of 0.1, but for `fields`."""
    known: dict[str, Any] = {
        "side": "SELL", "status": "FILLED", "filled": "0.1", "average_price": 64_000, "fees": 50,
        "is_market": True, "rests": False, "created_at": world.now,
    } | fields  # fmt: skip
    return world.report("o1", **known)


def rest_says(world: World, **fields: Any) -> list[Any]:
    return sold(world, **{"by_rest": True, "base_size": "0.1"} | fields)


def stands(world: World) -> bool:
    return world.manager.state.has(CODE)


def quotes(world: World, seconds: int, price: object = 64_000) -> list[Any]:
    """Time passes under quotes; what came of it."""
    actions: list[Any] = []
    for _ in range(seconds):
        actions += world.wait(1)
        actions += world.quote("BTC-USD", price)
    return actions


def alerts(actions: list[Any]) -> list[str]:
    return [one.severity for one in of_kind(actions, Alert) if one.code == CODE]


# --- What is held back ----------------------------------------------------------------------------


def test_new_units_at_todays_price_are_plausible_whatever_those_before_them_cost():
    """An order filled in part long ago, at half the price: its average is far from the market."""
    world = holding()
    world.quote("BTC-USD", 32_000)
    sold(world, filled="0.1", average_price=32_000, status="OPEN")
    assert not stands(world)
    for price in (40_000, 50_000, 64_000):
        world.wait(60)
        world.quote("BTC-USD", price)
    before = of_kind(sold(world, filled="0.2", average_price=48_000), ReadOrders, FindOrder, Alert)
    assert not stands(world)
    assert before == []


@pytest.mark.parametrize("limits", [(64_000, 60_000), (60_000, 64_000)])
@pytest.mark.parametrize(
    ("side", "price", "is_plausible"),
    [
        ("SELL", 62_000, True),
        ("SELL", 60_000, True),
        ("SELL", 59_900, False),
        ("BUY", 62_000, True),
        ("BUY", 64_000, True),
        ("BUY", 64_100, False),
    ],
)
def test_a_fill_at_any_limit_that_an_order_has_had_is_plausible(side, price, is_plausible, limits):
    """Edited from one limit to the other: a fill may be told after either."""
    world = holding()
    fields: dict[str, Any] = {"side": side, "is_market": False, "base_size": "0.1"}
    for limit in limits:
        world.report("o1", leaves="0.1", limit_price=limit, **fields)
        world.wait(1)
    sold(world, average_price=price, limit_price=limits[1], **fields)
    assert stands(world) != is_plausible


@pytest.mark.parametrize(
    ("side", "limit", "price", "is_plausible"),
    [
        ("SELL", 64_000, "63999.936", True),
        ("SELL", 64_000, "63999.935", False),
        ("BUY", 64_000, "64000.064", True),
        ("BUY", 64_000, "64000.065", False),
        ("SELL", 100_000, "100000.1", True),
        ("SELL", 100_000, "100000.11", False),
        ("SELL", 100_000, "99999.9", True),
    ],
)
def test_an_average_is_rounded_by_a_millionth_at_most(side, limit, price, is_plausible):
    """Beyond it, it is worse than its limit, or far from any price that is known: 64,000 is quoted."""
    world = holding()
    fields: dict[str, Any] = {"side": side, "is_market": False, "base_size": "0.1"}
    world.report("o1", leaves="0.1", limit_price=limit, **fields)
    sold(world, average_price=price, limit_price=limit, **fields)
    assert stands(world) != is_plausible


def test_fees_of_ten_trillions_are_read_over_rest_and_sell_nothing():
    world = holding()
    actions = sold(world, fees=HUGE)
    assert of_kind(actions, ReadOrders) == [ReadOrders(order_ids=("o1",))]
    assert alerts(actions) == ["warning"]
    assert (stands(world), world.tracker.net_pnl) == (True, 0)
    assert not world.ask(limit_order("0.01", 60_000))
    actions = rest_says(world)
    assert of_kind(actions, CauseCleared)[0].reason == "REST has told of the order"
    assert (stands(world), world.tracker.net_pnl) == (False, -50)
    assert world.tracker.account.lines["BTC"].position.quantity == D("0.9")
    assert not world.manager.reports.asked


def test_what_rest_says_too_is_so():
    world = holding()
    sold(world, fees=60_000)
    actions = rest_says(world, fees=60_000)
    assert of_kind(actions, Liquidate)


@pytest.mark.parametrize(
    "fields",
    [
        {"fees": "321.01"},  # 5 % and a dollar
        {"fees": "-321.01"},
        {"average_price": 640_000},
        {"average_price": 6_400},
        {"average_price": 51_199},  # 20 % below the bid
        {"average_price": "76800.01"},
        {"filled": 0, "status": "OPEN", "fees": "1.01"},
        {"limit_price": 64_001, "is_market": False},
        {"side": "BUY", "limit_price": 63_999, "is_market": False},
    ],
)
def test_what_is_implausible_is_held(fields):
    world = holding()
    sold(world, **fields)
    assert stands(world)


@pytest.mark.parametrize(
    "fields",
    [
        {"fees": 321},
        {"fees": -321},
        {"average_price": 51_200},
        {"average_price": 76_800},
        {"filled": 0, "status": "OPEN", "fees": 1},
        {"limit_price": 64_000, "is_market": False},
        {"limit_price": "64000.01", "is_market": False},  # an average is rounded
        {"limit_price": 65_000, "stop_price": 64_500, "is_market": False},  # a bracket's stop
        {"limit_price": 65_000, "is_stop": True, "is_market": False},
        {"average_price": 0, "limit_price": 63_000, "fees": 0},  # a sparse frame
        {"product_id": "ETH-USDC", "average_price": 640_000},  # nobody quotes it
        {
            "product_id": FUTURE,
            "filled": 1,
            "fees": 30,
        },  # a hundredth of a bitcoin, 5 % and a dollar
    ],
)
def test_what_may_be_so_is_not(fields):
    world = holding()
    sold(world, **fields)
    assert not stands(world)


def test_a_wide_book_is_where_its_two_sides_are():
    world = holding()
    world.send(ev.Quotes, quotes=(ev.Quote("BTC-USD", D(30_000), D(64_000), world.now),))
    sold(world, average_price=25_000)
    assert not stands(world)


@pytest.mark.parametrize("by", ["approval", "report", "row"])
def test_no_order_fills_beyond_its_size(by):
    world = holding()
    body = limit_order("0.1", 64_000, name="one")
    if by != "row":
        assert world.ask(body)
    known: dict[str, Any] = {
        "side": "BUY",
        "client_order_id": "one",
        "limit_price": 64_000,
        "fees": 1,
    }
    if by != "approval":
        row: dict[str, Any] = {"by_rest": True, "base_size": "0.1"} if by == "row" else {}
        world.report("o1", leaves="0.05", filled="0.05", average_price=64_000, **known, **row)
    sold(world, **known, filled="0.11", is_market=False, rests=True)
    assert stands(world)


def test_an_approved_limit_holds_before_the_order_was_ever_seen():
    world = holding()
    assert world.ask(limit_order("0.1", 60_000, name="one"))
    sold(world, side="BUY", client_order_id="one")
    assert stands(world)


def test_an_approval_of_the_other_side_says_nothing_of_it():
    world = holding()
    assert world.ask(limit_order("0.01", 60_000, name="o1"))
    sold(world, client_order_id="o1")
    assert not stands(world)


@pytest.mark.parametrize("value", [1_000, 1_002])
@pytest.mark.parametrize("is_seen", [False, True])
def test_an_order_sized_in_dollars_fills_no_greater_value(value, is_seen):
    world = holding()
    assert world.ask(order("market_market_ioc", name="one", quote_size="1000"))
    known: dict[str, Any] = {"side": "BUY", "client_order_id": "one"}
    if is_seen:
        sold(world, **known, status="OPEN", filled=0, average_price=0, fees=0)
    sold(world, **known, filled=D(value) / 64_000, fees=1)
    assert stands(world) is (value > 1_000)


def test_an_approved_stop_has_no_worst_price():
    world = holding()
    body = order(
        "stop_limit_stop_limit_gtc", "SELL", name="one", base_size="0.1", limit_price="64500",
        stop_price="63900", stop_direction="STOP_DIRECTION_STOP_DOWN",
    )  # fmt: skip
    assert world.ask(body)
    sold(world, client_order_id="one", is_market=False)
    assert not stands(world)


@pytest.mark.parametrize(("before", "after"), [(40_000, 52_000), (70_000, 64_000)])
def test_what_filled_before_may_have_had_another_price(before, after):
    """Long ago, or as a sparse frame told it, which is counted at the limit: all of it or what is new is near."""
    world = holding()
    known: dict[str, Any] = {"side": "BUY", "status": "OPEN", "fees": 10, "is_market": False}
    world.send(ev.Quotes, quotes=(ev.Quote("BTC-USD", D(before), D(before), world.now),))
    sold(world, **known, filled="0.05", average_price=before, limit_price=70_000)
    quotes(world, 1)
    sold(world, **known, filled="0.1", average_price=after, limit_price=70_000)
    assert not stands(world)


def test_where_neither_is_near_it_is_held():
    world = holding()
    sold(world, side="BUY", status="OPEN", fees=10, filled="0.05")
    sold(world, side="BUY", average_price=45_000)
    assert stands(world)


def test_a_quote_of_long_ago_says_nothing():
    world = holding()
    world.wait(61)
    sold(world, average_price=640_000)
    assert not stands(world)


def test_an_approved_edit_has_its_own_size_and_price():
    world = holding(max_order_notional=500_000)
    world.report(
        "o1",
        side="BUY",
        client_order_id="one",
        leaves="0.1",
        limit_price=60_000,
        base_size="0.1",
        by_rest=True,
    )
    edit = world.manager.validate_edit(order_id="o1", price="63000", size="0.3")
    assert edit, edit
    sold(
        world,
        side="BUY",
        client_order_id="one",
        status="OPEN",
        filled="0.2",
        average_price=63_000,
        is_market=False,
    )
    assert not stands(world)


@pytest.mark.parametrize("connected_to", [False, True])
def test_nothing_is_held_where_nobody_can_be_asked_or_nothing_is_counted_yet(connected_to):
    """Library use; and before a first start has opened the books."""
    world = World(settings=CONNECTED) if connected_to else World()
    sold(world, fees=HUGE)
    assert not stands(world)


def test_what_cannot_be_at_all_is_left_out_as_ever():
    world = holding()
    with pytest.raises(Untrusted):
        sold(world, fees="1E+60")
    with pytest.raises(Untrusted):
        sold(world, filled=-1)
    assert not stands(world)


def test_a_product_that_no_list_has_is_asked_for_first():
    world = holding()
    sold(world, product_id="NEW-USD", fees=HUGE)
    assert not stands(world)


# --- Other words on the order ---------------------------------------------------------------------


def test_a_row_that_lags_behind_is_asked_for_again():
    world = holding()
    sold(world, average_price=640_000)
    rest_says(world, status="OPEN", filled=0, average_price=0, fees=0)
    assert stands(world)
    asked = of_kind(quotes(world, 7), ReadOrders)
    assert asked == [ReadOrders(order_ids=("o1",))] * 2  # after 2 s, and 4 s later
    rest_says(world)
    assert not stands(world)
    assert not of_kind(quotes(world, 60), ReadOrders)


@pytest.mark.parametrize("row", ["an end", "15 s of it"])
def test_a_row_that_tells_of_less_is_right_once_it_can_lag_no_more(row):
    """A frame said that 1 was sold of an order of 0.1."""
    world = holding(max_order_notional=50_000)
    assert world.ask(market_order("0.1", side="SELL", name="one"))
    sold(world, filled=1, client_order_id="one")
    if row == "an end":
        rest_says(world)
    else:
        rest_says(world, status="OPEN", filled="0.05")
        assert stands(world)
        quotes(world, 15)
        rest_says(world, status="OPEN", filled="0.05")
    assert not stands(world)
    assert world.tracker.account.lines["BTC"].position.quantity == 1 - D(
        "0.1" if row == "an end" else "0.05"
    )


def test_a_frame_that_may_be_so_counts():
    world = holding()
    sold(world, fees=HUGE)
    sold(world, filled="0.05", status="OPEN", fees=25)  # an older one that came late
    assert stands(world)
    assert world.tracker.net_pnl == -25
    sold(world)
    assert (stands(world), world.tracker.net_pnl) == (False, -50)


def test_the_fills_that_are_listed_tell_too():
    world = holding()
    sold(world, fees=HUGE)
    for size in ("0.04", "0.06"):
        assert stands(world)
        world.fill("SELL", size, 64_000, fee=25, order_id="o1", by_rest=True)
    assert (stands(world), world.tracker.net_pnl) == (False, -50)
    world.fill("SELL", "0.1", 64_000, order_id="o2", by_rest=True)  # another's, with none held


def test_of_two_orders_each_waits_for_its_own_word():
    world = holding()
    for name in ("a", "b"):
        world.report(
            name, side="BUY", status="FILLED", filled="0.01", average_price=64_000, fees=100
        )
    world.fill("SELL", "0.01", 64_000, order_id="c", by_rest=True)
    world.report("c", side="SELL", status="FILLED", filled="0.01", average_price=64_000)
    for name in ("a", "b"):
        assert stands(world)
        world.report(
            name,
            side="BUY",
            status="FILLED",
            filled="0.01",
            average_price=64_000,
            fees=3,
            by_rest=True,
        )
    assert not stands(world)


def test_an_order_that_rest_does_not_have_never_was():
    world = holding()
    sold(world, fees=HUGE)
    world.send(ev.OrderVanished, order_id="another")
    assert stands(world)
    actions = world.send(ev.OrderVanished, order_id="o1")
    assert of_kind(actions, CauseCleared)[0].reason == "Coinbase has no such order"
    assert alerts(actions) == ["warning"]
    assert (stands(world), world.tracker.net_pnl) == (False, 0)


def test_an_approved_order_that_is_told_of_has_arrived():
    """Its approval ends when the order counts, and not for want of one."""
    world = connected(held=1, settings=Settings(connected=True, unapproved="reduce_only"))
    decision = world.ask(limit_order("0.1", 64_000, name="one"))
    known: dict[str, Any] = {"side": "BUY", "client_order_id": "one", "is_market": False}
    sold(world, **known, fees=HUGE)
    for reason in ("never_arrived", "never_arrived"):
        world.send(
            ev.ReservationReleased,
            client_order_id="one",
            decision_id=decision.decision_id,
            reason=reason,
        )
    assert "one" in world.tracker.ledger.reservations
    rest_says(world, **known)
    assert not world.manager.state.causes
    assert not world.tracker.ledger.reservations


def test_what_was_counted_at_another_price_is_news():
    """The same frame again, with an average of 1 dollar, or of 64,010."""
    world = holding()
    sold(world, filled="0.5", fees=50)
    sold(world, filled="0.5", fees=50, average_price=64_010)
    assert not stands(world)
    sold(world, filled="0.5", fees=50, average_price=1)
    assert stands(world)
    assert world.tracker.net_pnl == -45


def test_what_the_listed_fills_tell_is_not_told_otherwise_by_a_frame():
    world = holding()
    sold(world)
    world.fill("SELL", "0.1", 64_000, fee=50, order_id="o1", by_rest=True)
    sold(world, average_price=1)
    assert (stands(world), world.tracker.net_pnl) == (False, -50)


def test_the_account_is_read_at_once_for_an_exit_of_what_was_bought_passes_by_its_wallet():
    world = connected(held=0)
    assert of_kind(sold(world, side="BUY", fees=HUGE), Reconcile)
    exit_of_it = market_order("0.1", side="SELL")
    assert not world.ask(exit_of_it, dry_run=True)
    rows = (ev.Balance("USD", D(93_600)), ev.Balance("BTC", D("0.1")))
    world.send(ev.BalancesRead, balances=rows, fills_until=world.now)
    assert world.ask(exit_of_it, dry_run=True)


def test_an_approval_whose_order_never_was_is_looked_for_once_more_and_ends():
    world = holding()
    decision = world.ask(limit_order("0.1", 64_000, name="one"))
    released = {
        "client_order_id": "one",
        "decision_id": decision.decision_id,
        "reason": "never_arrived",
    }
    sold(world, side="BUY", client_order_id="one", is_market=False, fees=HUGE)
    world.send(ev.ReservationReleased, **released)
    world.send(ev.OrderVanished, order_id="o1")
    assert "one" in world.tracker.ledger.reservations
    life = int(world.manager.settings.reservation_life.total_seconds())
    assert [one.client_order_id for one in of_kind(quotes(world, life), FindOrder)] == ["one"]
    world.send(ev.ReservationReleased, **released)
    assert not world.tracker.ledger.reservations


def test_an_edit_that_a_held_frame_shows_has_arrived():
    world = holding(max_order_notional=500_000)
    row: dict[str, Any] = {
        "side": "BUY",
        "leaves": "0.1",
        "limit_price": 60_000,
        "base_size": "0.1",
    }
    world.report("o1", **row, by_rest=True)
    edit = world.manager.validate_edit(order_id="o1", price="60000", size="0.2")
    assert edit, edit
    sold(
        world,
        side="BUY",
        status="OPEN",
        filled="0.2",
        fees=HUGE,
        is_market=False,
        limit_price=60_000,
    )
    world.send(
        ev.ReservationReleased,
        client_order_id="o1",
        decision_id=edit.decision_id,
        reason="never_arrived",
    )
    assert "o1" in world.tracker.ledger.reservations


@pytest.mark.parametrize("unapproved", ["cancel", "reduce_only"])
def test_what_follows_an_order_whose_fill_is_held_is_approved_with_it(unapproved):
    """The stop of a bracket stays; another one beside it was asked for by nobody."""
    settings = Settings(connected=True, unapproved=unapproved)
    world = connected(held=1, settings=settings, max_order_notional=50_000)
    body = market_order("0.1", name="one") | {
        "attached_order_configuration": {
            "trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "60000"}
        }
    }
    assert world.ask(body)
    sold(world, side="BUY", client_order_id="one", fees=HUGE)
    child: dict[str, Any] = {
        "side": "SELL",
        "leaves": "0.1",
        "limit_price": 70_000,
        "created_at": world.now,
    }
    for _ in range(2):
        assert not of_kind(world.report("child", **child), OrderUnapproved)
    assert of_kind(world.report("other", **child), OrderUnapproved)
    rest_says(world, side="BUY", client_order_id="one")
    assert not of_kind(world.report("child", **child), OrderUnapproved)
    parent = world.tracker.ledger.find("o1")
    assert parent is not None
    assert parent.child_id == "child"
    assert of_kind(world.report("third", **child), OrderUnapproved)
    assert world.manager.unapproved.memory.children == {}


@pytest.mark.parametrize("size", ["0.1", "0"])
def test_nothing_follows_an_approval_of_which_nothing_is_told(size):
    """Else a bot could have sold under the name of an exit, and never send what it follows."""
    world = connected(
        held=1, settings=Settings(connected=True, unapproved="cancel"), max_order_notional=50_000
    )
    exits = {"trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "60000"}}
    assert world.ask(market_order("0.1", name="one") | {"attached_order_configuration": exits})
    child: dict[str, Any] = {
        "side": "SELL",
        "leaves": size,
        "limit_price": 70_000,
        "created_at": world.now,
    }
    assert of_kind(world.report("child", **child), OrderUnapproved)
    assert world.manager.unapproved.memory.children == {}


def test_what_was_to_follow_an_approval_that_ended_is_forgotten():
    world = connected(
        held=1, settings=Settings(connected=True, unapproved="cancel"), max_order_notional=50_000
    )
    exits = {"trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "60000"}}
    child: dict[str, Any] = {
        "side": "SELL",
        "leaves": "0.1",
        "limit_price": 70_000,
        "created_at": world.now,
    }
    assert world.ask(market_order("0.1", name="one") | {"attached_order_configuration": exits})
    sold(world, side="BUY", client_order_id="one", fees=HUGE)
    assert not of_kind(world.report("child", **child), OrderUnapproved)
    world.send(ev.ReservationReleased, client_order_id="one")
    assert of_kind(world.report("other", **child), OrderUnapproved)
    assert world.manager.unapproved.memory.children == {}


@pytest.mark.parametrize("by", ["approval", "row"])
def test_a_limit_order_trades_at_its_limit_wherever_a_wick_has_been(by):
    world = holding()
    known: dict[str, Any] = {
        "side": "BUY",
        "client_order_id": "one",
        "limit_price": 45_000,
        "is_market": False,
    }
    if by == "approval":
        assert world.ask(limit_order("0.1", 45_000, name="one"))
    else:
        world.report(
            "o1", leaves="0.1", by_rest=True, base_size="0.1", side="BUY", limit_price=45_000
        )
    sold(world, **known, average_price=45_000, fees=0)
    assert not stands(world)


@pytest.mark.parametrize("is_known", [False, True])
def test_no_frame_vouches_for_itself(is_known):
    """It says of a sale at a dollar that its limit was one."""
    world = holding()
    if is_known:
        world.report(
            "o1", side="SELL", leaves="0.1", by_rest=True, base_size="0.1", limit_price=63_000
        )
    sold(world, average_price=1, limit_price=1, is_market=False)
    assert stands(world)


# --- Without an answer ----------------------------------------------------------------------------


def test_without_an_answer_it_counts_for_nothing_and_is_said_once():
    world = holding()
    sold(world, fees=60_000)
    assert alerts(quotes(world, 14)) == []
    assert alerts(quotes(world, 1)) == ["critical"]
    actions = quotes(world, 120)
    assert alerts(actions) == []
    assert len(of_kind(actions, ReadOrders)) == 4  # every 30 s by now
    assert (stands(world), world.tracker.net_pnl) == (True, 0)
    assert list(world.manager.state.causes) == [(CODE, "all")]
    rest_says(world)
    assert (stands(world), world.tracker.net_pnl) == (False, -50)


def test_a_loss_beside_it_is_sold_as_ever():
    world = holding()
    sold(world, fees=60_000)
    quotes(world, 20)
    actions = quotes(world, 4, 10_000)
    actions += world.manager.handle(ev.ConfirmationUnavailable(at=world.now))
    actions += quotes(world, 6, 10_000)
    assert of_kind(actions, Liquidate)


def test_a_tick_beside_it_is_confirmed_by_nothing():
    world = holding()
    sold(world, fees=60_000)
    quotes(world, 1, 10_000)
    assert not of_kind(quotes(world, 10), Liquidate)
    assert list(world.manager.state.causes) == [(CODE, "all")]


def test_the_last_of_two_frames_is_held_since_the_first():
    world = holding()
    sold(world, fees=HUGE)
    quotes(world, 10)
    assert alerts(sold(world, fees=4_000)) == []
    assert alerts(quotes(world, 5)) == ["critical"]
    assert alerts(sold(world, fees=5_000)) == []


def test_a_new_process_asks_again():
    world = holding()
    sold(world, fees=60_000)
    world = restarted(world)
    assert of_kind(world.manager.handle(ev.Started(at=world.now)), ReadOrders)
    assert stands(world)


def test_there_is_room_for_so_many_and_the_next_reading_tells_of_others(monkeypatch):
    monkeypatch.setattr(report_watch, "HELD_MAX", 2)
    world = holding()
    fields: dict[str, Any] = {"side": "BUY", "status": "FILLED", "filled": "0.001", "fees": 100}
    told = [world.report(name, average_price=64_000, **fields) for name in ("a", "b", "c")]
    (why,) = of_kind(told[-1], Reconcile)
    assert why.reason == "more reports can hardly be so than are held"
    assert not alerts(told[-1])
    assert list(world.manager.reports.memory.held) == ["a", "b"]
    assert world.tracker.ledger.find("c") is None


# --- Beside a flattening --------------------------------------------------------------------------


def test_a_flattening_hears_of_it_when_it_counts():
    world = holding()
    world.send(ev.FlattenRequested, reason="enough")
    sold(world, fees=HUGE)
    assert stands(world)
    rest_says(world)
    assert world.tracker.net_pnl == -50


def test_the_orders_that_rest_is_asked_about_are_told_until_it_has_told_of_them() -> None:
    world = holding()
    assert world.manager.reports.asked == set()
    sold(world, average_price=64_000_000)
    assert world.manager.reports.asked == {"o1"}
    rest_says(world)
    assert world.manager.reports.asked == set()


def test_a_stop_that_was_told_once_lets_it_fill_below_its_limit() -> None:
    """A bracket sells at its target, or beyond its stop."""
    world = holding()
    open_bracket = {
        "status": "OPEN",
        "filled": 0,
        "average_price": 0,
        "fees": 0,
        "is_market": False,
        "rests": True,
    }
    sold(
        world, **open_bracket, limit_price=70_000, stop_price=60_000, leaves="0.1", base_size="0.1"
    )
    world.quote("BTC-USD", 60_000)
    sold(world, is_market=False, limit_price=70_000, average_price=59_990)
    assert world.manager.reports.asked == set()
    assert world.position == D("0.9")


def test_it_is_looked_at_again_later_than_now() -> None:
    """Else the process would wake and wake."""
    world = holding()
    sold(world, average_price=64_000_000)
    for _ in range(20):
        due = world.manager.reports.next_look(world.now)
        assert due is not None
        assert due > world.now
        world.wait(to=due)
