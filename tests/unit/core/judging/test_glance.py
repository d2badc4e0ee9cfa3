"""What is approved at a glance, and everything that must be looked at more closely.

That a glance says what the rules say is a law of its own: tests/property/test_glance_laws.py.
"""

from datetime import timedelta
from typing import Any, Final, cast

import pytest
from msgspec.structs import replace

from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.context.settings import Settings
from sidecar.core.judging.candidate import Candidate, NoOrder
from sidecar.core.judging.glance import glance_of
from sidecar.core.judging.judge import compile_plan, judge
from sidecar.core.judging.rules.rule import Row
from sidecar.core.judging.table import Tables
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.order_reading import parse_order
from sidecar.core.vocabulary.orders import Order
from tests.decisions import connected, future_order, sell_order
from tests.histories import tell
from tests.scenario import PRODUCTS, START, D, World, limit_order, market_order, order, product

# Every limit that a glance can see, none of them near.
WIDE: dict[str, Any] = {
    "min_order_size": "0.001", "max_order_size": 5, "max_order_notional": 100_000, "max_position_size": 10,
    "max_position_notional": 1_000_000, "max_gross_exposure": 1_000_000, "max_net_exposure": 1_000_000,
    "max_concentration": 4, "max_leverage": 4, "max_open_orders": 20, "price_collar": "0.05",
    "max_order_rate": {"count": 100, "window_s": 1}, "duplicate_order": {"count": 2, "window_s": 1},
    "max_daily_loss": "0.1", "max_drawdown": "0.1", "max_cumulative_loss": "0.25", "max_var": "0.9",
    "max_expected_shortfall": "0.9", "max_stress_loss": "0.9", "product": {"BTC-USD": {"max_open_orders": 10}},
}  # fmt: skip
HISTORY = 20  # days of own history are enough here


def quiet(**limits):
    """Two coins held, limits far away, prices known for a year."""
    world = World(**WIDE | limits)
    world.balance("BTC", 1)
    tell(world)
    tell(world, "ETH-USD")
    return world


def foreseen(world, body, **fields):
    """The decision, where a glance gives it."""
    approvals, world.manager.approvals._next = world.manager.approvals, None
    verdict = world.manager.decide(ev.OrderProposed(at=world.now, body=body, **fields))
    return None if approvals._next is None else verdict.decision


def decided(world, body, **fields):
    """Decided and booked, as the process does: what a glance gave, and the decision."""
    seen = foreseen(world, body, **fields)
    verdict = world.manager.decide(ev.OrderProposed(at=world.now, body=body, **fields))
    (decision,) = [a.decision for a in world.manager.commit(verdict) if isinstance(a, Decided)]
    return seen, decision


PLAIN = {
    "a limit to buy": limit_order("0.1", 63000),
    "a limit to sell": sell_order("0.1", 65000),
    "an exit": sell_order("1", 64000),
    "through the market, but not far": limit_order("0.1", "64100"),
    "a market order to buy": market_order("0.1"),
    "a market order to sell": market_order("0.1", side="SELL"),
    "until a time to come": order("limit_limit_gtd", base_size="0.1", limit_price="63000", end_time="2026-11-23T00:00:00Z"),
    "in the dollar's other name": limit_order("0.1", 63000, product_id="BTC-USDC"),
}  # fmt: skip


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
def test_a_plain_order_in_a_quiet_moment_is_seen_through(body):
    """And the decision is the one that is booked."""
    world = quiet()
    world.balance("USDC", 50_000)
    seen, decision = decided(world, body)
    assert decision
    assert seen == decision


def test_what_is_foreseen_is_what_the_rules_say_one_by_one():
    """A rule of the user's own has every order judged; here it never refuses."""
    world, judged = quiet(), quiet()
    judged.manager.desk.custom = (CustomRule("never", lambda *_: None),)
    for body in (limit_order("0.1", 63000), sell_order("0.4", 65000), limit_order("0.2", 62000)):
        seen, decision = decided(world, body)
        none, other = decided(judged, body)
        assert (seen, none) == (decision, None)
        assert decision == other


def test_an_asset_kept_whole_is_not_bought_at_a_glance():
    world = World(keep={"ETH": None})
    tell(world)
    tell(world, "ETH-USD")
    for name in ("a", "b"):
        assert world.ask(limit_order("0.1", 63000, name=name))
    body = limit_order("0.1", "1990", product_id="ETH-USD")
    assert foreseen(world, body) is None
    assert world.ask(body).codes == ("PRODUCT_NOT_ALLOWED",)


def test_looking_ahead_changes_nothing():
    world = quiet()
    body = limit_order(name="one")
    assert foreseen(world, body) == foreseen(world, body) == world.ask(body)
    assert list(world.tracker.ledger.reservations) == ["one"]


def test_what_was_foreseen_of_another_order_is_not_given_to_this_one():
    world = quiet()
    assert foreseen(world, limit_order("0.1", name="one"))
    assert world.ask(limit_order("0.2", name="two")).client_order_id == "two"
    assert list(world.tracker.ledger.reservations) == ["two"]


def test_a_dry_run_reserves_and_counts_nothing():
    world = quiet()
    seen, decision = decided(world, limit_order(), dry_run=True)
    assert seen == decision
    assert decision.reserved_until is None
    assert not world.tracker.ledger.reservations
    assert not world.manager.desk.activity.windows


def halted(world):
    world.send(ev.HaltRequested, reason="test")


def in_doubt(world):
    world.balance("BTC", 2)
    world.wait(5)
    world.quote("BTC-USD", 64000)


def of_late(world):
    world.send(ev.FeedChanged, feed="market", signal="connected")
    world.now += timedelta(seconds=1)
    world.send(ev.FeedChanged, feed="market", signal="gap")


NOT_QUIET = {
    "halted": halted,
    "balance and books differ": in_doubt,
    "an order ended unseen": lambda world: world.tracker.books.doubts.update(orders="one"),
    "the market feed is down": lambda world: world.send(ev.FeedChanged, feed="market", signal="lost"),
    "frames were lost": of_late,
    "the user feed is in doubt": lambda world: world.send(ev.FeedChanged, feed="user", signal="connected"),
    "a stale price": lambda world: world.wait(3600),
    "a loss is near its limit": lambda world: world.quote("BTC-USD", 50000),
    "the other side is too far": lambda world: world.report("s", side="SELL", base_size=1, limit_price=63500),
    "an own order would be met": lambda world: world.report("s", side="SELL", base_size="0.1", limit_price=63000),
}  # fmt: skip


@pytest.mark.parametrize("happens", NOT_QUIET.values(), ids=NOT_QUIET)
def test_where_it_is_not_quiet_an_order_is_judged(happens):
    world = quiet()
    assert foreseen(world, limit_order("0.1", 63500))
    happens(world)
    world.send(ev.ClockAdvanced)
    assert foreseen(world, limit_order("0.1", 63500)) is None


def test_a_price_from_the_future_is_no_price():
    world = quiet()
    world.now += timedelta(seconds=10)
    world.quote("BTC-USD", 64000)
    world.now -= timedelta(seconds=3)
    assert foreseen(world, limit_order("0.1", 63000)) is None


def test_before_the_first_picture_nothing_is_seen():
    world = World(settings=Settings(connected=True))
    assert foreseen(world, limit_order()) is None
    assert foreseen(connected(), limit_order())


NOT_PLAIN = {
    "sized in dollars": order("market_market_ioc", quote_size="100"),
    "with an exit attached": limit_order() | {"attached_order_configuration": {"trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "60000"}}},
    "a stop": order("stop_limit_stop_limit_gtc", base_size="0.1", limit_price="65000", stop_price="64900"),
    "a bracket": order("trigger_bracket_gtc", "SELL", base_size="0.1", limit_price="70000", stop_trigger_price="60000"),
    "a ladder": order("scaled_limit_gtc", orders=[{"base_size": "0.1", "limit_price": "63000"}]),
    "off the size's grid": limit_order("0.000000001", 63000),
    "off the price's grid": limit_order("0.1", "63000.001"),
    "too small": limit_order("0.0001", 63000),
    "too large for Coinbase": limit_order("4000", 1),
    "out of time": order("limit_limit_gtd", base_size="0.1", limit_price="63000", end_time="2026-11-22T13:00:00Z"),
    "a future": future_order(),
    "paid in a coin": limit_order("0.1", "0.03", product_id="ETH-BTC"),
    "paid in euro": limit_order("0.1", 40000, product_id="BTC-EUR"),
    "of no known product": limit_order(product_id="NO-USD"),
    "no order": {"client_order_id": "x"},
    "no funds for it": limit_order("2", 63000),
    "more than is held": sell_order("1.01", 65000),
    "beyond the collar": limit_order("0.1", 68000),
    "beyond the collar, downwards": sell_order("0.1", 60000),
}  # fmt: skip


@pytest.mark.parametrize("body", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_judged(body):
    world = quiet()
    world.quote("ETH-BTC", "0.03125")
    assert foreseen(world, body) is None


def test_a_name_without_end_is_no_strategy():
    assert foreseen(quiet(), limit_order(), strategy_id="x" * 65) is None


def test_an_id_is_used_once():
    """Reserved, working or ended: `judge` says which."""
    world = quiet()
    body = limit_order("0.1", 63000, name="one")
    assert foreseen(world, body)
    world.ask(body)
    assert foreseen(world, body) is None
    world.report("o1", client_order_id="one", base_size="0.1", limit_price=63000)
    assert foreseen(world, body) is None
    world.report("o1", client_order_id="one", status="CANCELLED")
    assert foreseen(world, body) is None


NEAR: dict[str, Any] = {  # each is reached to 70 % or more by 0.1 BTC beside the one that is held
    "max_order_size": "0.14", "max_order_notional": 9000, "max_position_size": "1.5", "max_position_notional": 100_000,
    "max_gross_exposure": 100_000, "max_net_exposure": 100_000, "max_concentration": "0.6", "max_leverage": "0.6",
    "max_open_orders": 1, "max_var": "0.01", "max_expected_shortfall": "0.01", "max_stress_loss": "0.1",
    "max_order_rate": {"count": 1, "window_s": 1}, "product": {"BTC-USD": {"max_open_orders": 1}},
}  # fmt: skip


JUDGED: Final = {"max_var", "max_expected_shortfall", "max_stress_loss", "max_order_rate"}


@pytest.mark.parametrize("limit", sorted(NEAR.keys() & JUDGED))
def test_near_a_limit_that_is_no_row_of_the_table_an_order_is_judged(limit):
    world = quiet(**{limit: NEAR[limit]})
    assert foreseen(world, limit_order("0.1", 64000)) is None
    assert world.ask(limit_order("0.1", 64000)).warnings or limit == "max_stress_loss"


@pytest.mark.parametrize("limit", sorted(NEAR.keys() - JUDGED))
def test_near_a_limit_of_the_table_an_order_is_warned_of_it_as_the_rules_do(limit):
    world = quiet(**{limit: NEAR[limit]})
    body = limit_order("0.1", 64000)
    desk, bitcoin = world.manager.desk, world.tracker.products["BTC-USD"]
    candidate = Candidate(desk, parse_order(body), bitcoin, world.now, None)
    judged = judge(candidate, compile_plan(desk, bitcoin, None))
    seen = foreseen(world, body)
    assert (len(seen.warnings), judged.violations) == (1, ())
    assert (seen.warnings, seen.max_base_size) == (judged.warnings, judged.max_base_size)


@pytest.mark.parametrize("limit", sorted(NEAR.keys() - JUDGED))
def test_an_order_that_breaks_a_limit_is_judged(limit):
    world = quiet(**{limit: NEAR[limit]})
    if "open_orders" in str(NEAR[limit]) or limit == "max_open_orders":
        world.report("o", base_size="0.1", limit_price=60000)
    assert foreseen(world, limit_order("0.6", 64000)) is None
    assert not world.ask(limit_order("0.6", 64000))


def test_the_second_identical_order_that_would_be_one_too_many_is_judged():
    world = quiet(duplicate_order={"count": 1, "window_s": 5})
    assert decided(world, limit_order("0.1", 63000))[0]
    assert foreseen(world, limit_order("0.10", "63000.0")) is None
    assert foreseen(world, limit_order("0.11", 63000))
    world.wait(6)
    assert foreseen(world, limit_order("0.1", 63000))


BINDS: dict[str, dict[str, Any]] = {
    "a rule of the user's own": {"custom": None},
    "shadow limits": {"shadow": {"max_order_size": 3}},
    "no adding": {"no_adding": True},
    "a block list": {"block_products": ["BTC-USD"]},
    "an allow list without it": {"allow_products": ["ETH-USD"]},
}


@pytest.mark.parametrize("limits", BINDS.values(), ids=BINDS)
def test_a_rule_that_no_glance_can_see_has_every_order_judged(limits):
    world = quiet(**{name: value for name, value in limits.items() if value is not None})
    if "custom" in limits:
        world.manager.desk.custom = (CustomRule("mine", lambda *_: None),)
    assert foreseen(world, limit_order("0.1", 63000), strategy_id="momo") is None


def test_lists_of_products_that_let_it_through_are_no_hindrance():
    world = quiet(allow_products=["BTC-USD"], block_products=["ETH-USD"])
    assert foreseen(world, limit_order("0.1", 63000))


def test_a_restricted_product_is_judged():
    world = quiet()
    world.send(ev.ProductsListed, products=(product("BTC-USD", post_only=True),))
    assert foreseen(world, limit_order("0.1", 63000)) is None


def test_dollars_that_are_no_cash_are_a_position():
    world = World(products=PRODUCTS)
    world.tracker.books.cash = frozenset({"USD"})
    world.balance("USDC", 50_000)
    assert foreseen(world, limit_order("0.1", 63000))
    assert foreseen(world, limit_order("0.1", 63000, product_id="BTC-USDC")) is None


def test_without_a_largest_size_of_coinbase_s_the_limits_alone_bound_it():
    world = World(products=(product("BTC-USD", base_max_size=None),), max_order_size=5)
    seen, decision = decided(world, limit_order("0.1", 20000))
    assert seen == decision
    assert decision.max_base_size == D("4.94071146")  # the funds, with the fee on top


def test_a_market_order_at_no_price_is_judged():
    """With a slippage of everything a sale is worth nothing: its mark must tell."""
    world = quiet(market_order_slippage=1)
    assert foreseen(world, market_order("0.1", side="SELL")) is None


def test_what_is_due_comes_first():
    """A day's end, a lapse: foreseen before it, the decision would be another one."""
    world = World(start=START - timedelta(seconds=2))
    assert foreseen(world, limit_order())
    world.now = START
    assert foreseen(world, limit_order()) is None


def test_a_price_that_nobody_has_judged_losses_at_is_judged_first():
    world = quiet()
    world.tracker.apply(
        ev.Quotes(at=world.now, quotes=(ev.Quote("BTC-USD", D(1), D(1), world.now),))
    )
    assert foreseen(world, limit_order("0.1", "1")) is None
    assert not world.ask(limit_order("0.1", "1"))


OVERTAKES = {
    "a price": lambda world: world.quote("BTC-USD", 30000),
    "a price that the tracker is told": lambda world: world.tracker.apply(
        ev.Quotes(at=world.now, quotes=(ev.Quote("BTC-USD", D(30000), D(30000), world.now),))
    ),
    "an approval that the tracker drops": lambda world: world.tracker.orders.release("live"),
    "a halt": halted,
    "another approval": lambda world: world.ask(limit_order("0.1", 60000)),
}


@pytest.mark.parametrize("happens", OVERTAKES.values(), ids=OVERTAKES)
def test_a_verdict_that_something_overtook_is_not_booked(happens):
    """A caller may do as it likes: an approval is never of books that have moved."""
    world = quiet()
    assert world.ask(limit_order("0.1", 60000, name="live"))
    event = ev.OrderProposed(at=world.now, body=limit_order("0.1", 63999, name="one"))
    verdict = world.manager.decide(event)
    happens(world)
    with pytest.raises(Misuse, match="between decision and booking"):
        world.manager.commit(verdict)
    assert "one" not in world.tracker.ledger.reservations


@pytest.mark.parametrize(
    "body", [limit_order("0.1", 63000, name="one"), limit_order("9", 63000, name="one")]
)
def test_a_verdict_is_booked_once(body):
    world = quiet()
    verdict = world.manager.decide(ev.OrderProposed(at=world.now, body=body))
    world.manager.commit(verdict)
    with pytest.raises(Misuse):
        world.manager.commit(verdict)


def test_a_ladder_that_a_program_built_is_judged_rung_by_rung():
    world = World(products=(product("BTC-USD", base_increment=D("0.001")),))
    ladder = Order(
        "x", "BTC-USD", "BUY", "scaled_limit_gtc", base_size=D("0.01"), limit_price=D(64000),
        sizes=(D("0.0015"), D("0.0085")),
    )  # fmt: skip
    assert "SIZE_INCREMENT" in world.ask(ladder).codes


def test_a_clock_set_back_leaves_the_windows_as_judging_would():
    """Approvals from the future count as of now, whoever looks at them."""
    limits: dict[str, Any] = {"max_order_rate": {"count": 50, "window_s": 60}}
    world, judged = World(**limits), World(**limits)
    judged.manager.desk.custom = (CustomRule("never", lambda *_: None),)
    for each in (world, judged):
        for number in range(33):
            assert each.ask(limit_order("0.001", 60000, name=f"a{number}"))
        each.now -= timedelta(hours=1)
        for number in range(30):
            each.now += timedelta(seconds=70)
            each.quote("BTC-USD", 64000)
            each.wait(0)
            each.ask(limit_order("0.001", 60000, name=f"b{number}"))
    assert world.manager.desk.activity.windows == judged.manager.desk.activity.windows


def test_a_new_minimum_has_every_order_judged():
    """It is safe before anybody has thought of a glance for it."""
    world = World(min_order_size="0.001")
    desk = world.manager.desk
    plan = compile_plan(desk, world.tracker.products["BTC-USD"], None)
    assert glance_of(desk, plan) is not None
    (minimum, bound), *_ = plan.minima
    other = replace(minimum, row=lambda *_: Row(D(1)))
    assert glance_of(desk, replace(plan, minima=((other, bound),))) is None


@pytest.mark.parametrize(("unit", "reads"), [("worth", "side"), ("open", "limit")])
def test_a_row_that_is_kept_for_too_long_is_told_at_its_first_order(unit, reads):
    """What was approved is taken out of open sizes and orders alone: a count of notional reads the order."""
    world = World(max_order_size=5)
    desk = world.manager.desk
    plan = compile_plan(desk, world.tracker.products["BTC-USD"], None)
    (ruled,) = plan.tables.rules
    rule = replace(ruled.rule, row=lambda *_: Row(D(0), D(1), of=unit), reads=reads)
    tables = Tables(desk, (ruled._replace(rule=rule),))
    with pytest.raises(AssertionError, match="MAX_ORDER_SIZE"):
        tables.on_side("BUY", cast("Candidate", NoOrder(world.tracker, "BTC", None, is_new=True)))


@pytest.mark.parametrize("body", [market_order("0.1"), sell_order("0.1", 63000)])
def test_what_an_order_is_worth_at_the_market_may_be_near_a_limit_where_its_price_is_not(body):
    """6,370 USD are 70 % of the limit: 0.1 BTC are worth 6,400, whatever less is asked for them."""
    world = quiet(max_order_notional=9100)
    assert not foreseen(world, limit_order("0.1", 63000)).warnings
    assert [one.code for one in foreseen(world, body).warnings] == ["MAX_ORDER_NOTIONAL"]


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_an_own_order_at_the_very_price_is_met(side):
    """What would trade with it is for the rules to judge."""
    world, price = quiet(), {"BUY": 64_100, "SELL": 63_900}[side]
    other = {"BUY": "SELL", "SELL": "BUY"}[side]
    assert foreseen(world, limit_order("0.1", price, side=side))
    world.report("own", side=other, leaves="0.1", limit_price=price)
    assert foreseen(world, limit_order("0.1", price, side=side)) is None


def test_a_verdict_takes_its_share_of_the_room_it_was_judged_by():
    """Whatever was looked at since: another product's room stays as it is."""
    world = World(cash=1_000_000, max_gross_exposure=100_000)
    bought, eth = (
        limit_order(1, 64_000, name="one"),
        limit_order("0.1", 2_000, product_id="ETH-USD"),
    )
    verdicts = [
        world.manager.decide(ev.OrderProposed(at=world.now, body=body)) for body in (bought, eth)
    ]
    assert verdicts[0] is not None
    world.manager.commit(verdicts[0])
    refused = world.ask(limit_order(30, 2_000, product_id="ETH-USD"))
    assert (refused.codes, refused.max_base_size) == (("MAX_GROSS_EXPOSURE",), 18)


def test_what_a_new_process_reads_anew_is_judged_by_the_equity_of_then():
    """Doubts end with the process; no line of the books moves with them."""
    world = connected(max_leverage=1)
    world.balance("USD", 50_000)
    world.ask(limit_order("0.1", 60_000))
    before = world.tracker.version
    world.send(ev.Started)
    assert world.tracker.version > before


def test_at_the_very_moment_that_something_is_due_no_verdict_is_given():
    """What time ends comes first, and may change the answer."""
    world = quiet()
    world.now = world.manager.due - timedelta(microseconds=1)
    world.quote("BTC-USD", 64_000)
    assert foreseen(world, limit_order("0.1", 63_000))
    world.now = world.manager.due
    event = ev.OrderProposed(at=world.now, body=limit_order("0.1", 63_000))
    assert world.manager.decide(event) is None


# --- Notional within a window ---------------------------------------------------------------------

QUOTA = {"usd": 20_000, "window_s": 60}


def test_a_quota_of_notional_is_seen_through_and_bounds_the_largest_size():
    world = quiet(max_notional_in=QUOTA, max_order_notional=100_000)
    seen, decision = decided(world, limit_order("0.1", 60_000, name="a"))
    assert seen == decision
    assert decision.max_base_size == D(20_000) / 60_000 // D("1E-8") * D("1E-8")
    assert world.manager.desk.activity.notional["MAX_NOTIONAL_IN|all"].total == 6_000
    seen, decision = decided(world, limit_order("0.1", 60_000, name="b"))
    assert seen == decision
    assert decision.max_base_size == D(14_000) / 60_000 // D("1E-8") * D("1E-8")


def test_from_where_on_a_quota_warns_the_rules_say_it():
    """14,000 USD are 70 % of it."""
    world = quiet(max_notional_in=QUOTA)
    assert foreseen(world, limit_order("0.2333", 60_000)) is not None
    assert foreseen(world, limit_order("0.2334", 60_000)) is None
    assert [one.code for one in world.ask(limit_order("0.2334", 60_000)).warnings] == [
        "MAX_NOTIONAL_IN"
    ]
    assert foreseen(world, limit_order("0.001", 60_000, name="next")) is None
    world.wait(61)
    world.quote("BTC-USD", 64_000)
    assert foreseen(world, limit_order("0.001", 60_000, name="last")) is not None


def test_a_bots_share_of_a_quota_is_seen_through_and_counted_as_its_own():
    world = quiet(max_notional_in=QUOTA, max_share_of_limits="0.5")
    asker, other = ev.Asker(1001), ev.Asker(1002)
    seen, decision = decided(world, limit_order("0.1", 60_000, name="a"), asker=asker)
    assert seen == decision
    assert decision.max_base_size == D(10_000) / 60_000 // D("1E-8") * D("1E-8")
    totals = {name: one.total for name, one in world.manager.desk.activity.notional.items()}
    assert totals == {
        "MAX_NOTIONAL_IN|all": 6_000,
        "MAX_SHARE_OF_LIMITS|max_notional_in|all|user 1001": 6_000,
    }
    assert foreseen(world, limit_order("0.02", 60_000, name="b"), asker=asker) is None
    assert foreseen(world, limit_order("0.02", 60_000, name="b"), asker=other) is not None


def test_names_that_are_made_up_take_no_memory(monkeypatch):
    monkeypatch.setattr("sidecar.core.judging.counting.ASKERS_MAX", 2)
    world = quiet(max_share_of_limits="0.5")
    for number in range(5):
        asker = ev.Asker(1001, f"made up {number}")
        assert decided(world, limit_order("0.01", 63000 - number), asker=asker)[1]
    (glance,) = (one for _, one in world.manager.approvals._plans.values())
    assert glance is not None
    assert len(glance._counting._askers) <= 2
