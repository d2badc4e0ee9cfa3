"""Orders that add risk pass within the trading hours. START is a Sunday, 08:00 in New York, 13:00 in UTC."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import breaks, sell_order, the, warned
from tests.scenario import START, D, World, limit_order


def open_at(*windows, zone="UTC"):
    return {"zone": zone, "windows": list(windows)}


@pytest.mark.parametrize(
    ("seconds", "passes"),
    [(0, False), (59.999999, False), (60, True), (119.999999, True), (120, False)],
)
def test_orders_pass_from_a_windows_first_moment_to_just_before_its_end(seconds, passes):
    world = World(trading_hours=open_at("Sun 13:01-13:02"), max_quote_age_s=300)
    world.wait(seconds)
    assert bool(world.ask(limit_order())) == passes


def test_a_refusal_says_which_hours_how_long_it_is_until_the_next_and_when_they_begin():
    world = World(trading_hours=open_at("Sun 13:01-13:02", "Mon-Fri 09:30-16:00"))
    world.wait(0.5)
    decision = world.ask(limit_order())
    found = the(decision, "TRADING_HOURS")
    shown = "Sun 13:01-13:02, Mon-Fri 09:30-16:00 UTC"
    assert (found.limit, found.observed, found.scope) == (shown, "59.5", "all")
    assert found.clears_at == START + timedelta(seconds=60)
    assert found.message == f"it is outside the trading hours, {shown}; the next begin in 1 min"
    assert decision.max_base_size == 0


def test_exits_pass_at_any_time():
    world = World(trading_hours=open_at("Mon 00:00-24:00"))
    world.hold(1)
    assert breaks(world.ask(limit_order()), "TRADING_HOURS")
    exit_order = world.ask(sell_order("0.4"))
    assert exit_order
    assert exit_order.max_base_size == 1
    beyond = world.ask(sell_order("0.7"))  # 0.4 are offered already
    assert breaks(beyond, "TRADING_HOURS")
    assert beyond.max_base_size == D("0.6")


def test_within_the_hours_nothing_is_said():
    decision = World(trading_hours=open_at("Sun 13:00-13:01")).ask(limit_order())
    assert decision
    assert warned(decision) == ()


@pytest.mark.parametrize(
    ("at", "passes"),
    [
        ("2026-03-06T14:30", True),  # Friday 09:30 in winter
        ("2026-03-09T13:30", True),  # Monday 09:30 in summer
        ("2026-03-09T13:29:59", False),
        ("2026-10-30T13:30", True),
        ("2026-11-02T13:30", False),  # Monday 08:30 in winter
        ("2026-11-02T14:30", True),
    ],
)
def test_hours_follow_the_clocks_of_their_zone(at, passes):
    start = START.fromisoformat(at + "+00:00")
    hours = open_at("Mon-Fri 09:30-16:00", zone="America/New_York")
    assert bool(World(start=start, trading_hours=hours).ask(limit_order())) == passes


def test_hours_of_a_product_and_of_a_strategy_bind_these_and_add_to_the_accounts():
    world = World(
        trading_hours=open_at("Sun 13:00-14:00"),
        product={"BTC-USD": {"trading_hours": open_at("Sun 13:30-13:45")}},
        strategy={"momo": {"trading_hours": open_at("Mon 00:00-24:00")}},
        max_quote_age_s=7200,
    )
    assert the(world.ask(limit_order()), "TRADING_HOURS").scope == "product:BTC-USD"
    ether = limit_order(1, 2000, product_id="ETH-USD")
    assert world.ask(ether)
    found = the(world.ask(limit_order(1, 2000, product_id="ETH-USD"), strategy_id="momo"), "TRADING_HOURS")  # fmt: skip
    assert (found.scope, found.clears_at) == ("strategy:momo", START + timedelta(hours=11))
    world.wait(1800)
    assert world.ask(limit_order())
    world.wait(1800)
    scopes = [one.scope for one in world.ask(limit_order()).violations if one.code == "TRADING_HOURS"]  # fmt: skip
    assert scopes == ["all", "product:BTC-USD"]


def test_an_edit_that_adds_is_an_order_that_adds():
    world = World(trading_hours=open_at("Sun 13:00-13:01"), max_quote_age_s=300)
    world.report("o1", client_order_id="c1", base_size="0.1", limit_price=60000)
    assert world.manager.validate_edit(order_id="o1", size="0.2", dry_run=True)
    world.wait(60)
    edit = world.manager.validate_edit(order_id="o1", size="0.2", dry_run=True)
    assert breaks(edit, "TRADING_HOURS")


def test_shadow_hours_warn():
    decision = World(shadow={"trading_hours": open_at("Mon 09:00-10:00")}).ask(limit_order())
    assert decision
    assert [(one.code, one.scope) for one in decision.warnings] == [("TRADING_HOURS", "shadow")]


def test_hours_that_are_replaced_bind_from_now_on():
    world = World(trading_hours=open_at("Sun 13:00-14:00"))
    assert world.ask(limit_order())
    world.send(
        ev.LimitsReplaced,
        limits=Limits.model_validate({"trading_hours": open_at("Mon 09:00-10:00")}),
    )
    assert breaks(world.ask(limit_order()), "TRADING_HOURS")


def test_a_glance_sees_an_order_within_the_hours_and_leaves_others_to_the_rules():
    world = World(trading_hours=open_at("Sun 13:01-13:02", "Sun 13:03-13:04"), max_quote_age_s=600)
    (plan,) = {world.manager.approvals._plan(world.tracker.products["BTC-USD"], None)}
    glance = plan[1]
    assert glance is not None
    seen = []
    for _ in range(8):
        room = glance.headrooms.of("BUY")
        seen.append(room is not None and room.fresh_from <= world.now <= room.fresh_until)
        world.wait(30)
        world.quote("BTC-USD", 64000)
    assert seen == [False, False, True, True, False, False, True, True]
