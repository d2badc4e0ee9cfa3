"""How much is going on: ids, identical orders, rates, open orders, adding to a position."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from sidecar.core.account.reservation import RESERVATIONS_MAX
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import FOREVER, breaks, funded, future_order, of_kind, sell_order, the
from tests.scenario import START, D, World, limit_order, market_order

RATE = {"count": 2, "window_s": 60}
QUOTA = {"usd": 10_000, "window_s": 60}

# --- DUPLICATE_CLIENT_ORDER_ID --------------------------------------------------------------------


def test_another_body_under_a_live_id_is_a_duplicate():
    world = World()
    assert world.ask(limit_order("0.01", name="one"))
    found = the(world.ask(limit_order("0.02", name="one")), "DUPLICATE_CLIENT_ORDER_ID")
    assert found.observed == "one"
    assert found.message == "client_order_id 'one' is reserved for another order; use a new id"


def test_the_same_body_for_another_strategy_is_a_duplicate():
    world = World()
    assert world.ask(limit_order(name="one"), strategy_id="a")
    assert breaks(world.ask(limit_order(name="one"), strategy_id="b"), "DUPLICATE_CLIENT_ORDER_ID")


@pytest.mark.parametrize("status", ["OPEN", "FILLED", "CANCELLED", "FAILED"])
def test_an_id_that_the_exchange_has_seen_is_a_duplicate(status):
    """The exchange would answer with the old order, whatever became of it."""
    world = World()
    world.report("o1", client_order_id="one", status=status, base_size="0.01", limit_price=60000)
    found = the(world.ask(limit_order(name="one")), "DUPLICATE_CLIENT_ORDER_ID")
    assert "was used on the exchange already" in found.message


def test_a_reducing_order_needs_an_id_of_its_own_too():
    world = World()
    world.hold(1)
    world.ask(sell_order("0.1", name="one"))
    assert breaks(world.ask(sell_order("0.2", name="one")), "DUPLICATE_CLIENT_ORDER_ID")


def test_a_released_id_is_free_again():
    world = World()
    world.ask(limit_order("0.01", name="one"))
    world.manager.release_order("one")
    assert world.ask(limit_order("0.02", name="one"))


# --- DUPLICATE_ORDER ------------------------------------------------------------------------------


def test_so_many_identical_orders_pass_within_the_window_and_no_more():
    """Counts break when observed > limit; `clears_at` is when the oldest leaves the window."""
    world = World(duplicate_order=RATE)
    assert world.ask(limit_order())
    world.wait(10)
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order())
    found = the(world.ask(limit_order()), "DUPLICATE_ORDER")
    assert (found.limit, found.observed) == ("2 in 60 s", "3")
    assert found.clears_at == START + timedelta(seconds=60)
    assert found.message == (
        "this would be identical order number 3 within the window; 2 in 60 s are allowed"
    )


@pytest.mark.parametrize(
    "body",
    [
        limit_order("0.02"), limit_order("0.01", "63999"), market_order("0.01"),
        limit_order("0.01", product_id="BTC-USDC"),
    ],
)  # fmt: skip
def test_orders_that_differ_in_anything_but_the_id_are_not_identical(body):
    world = World(duplicate_order={"count": 1, "window_s": 60})
    world.balance("USDC", 10_000)
    world.ask(limit_order("0.01"))
    assert world.ask(body)


def test_numbers_written_differently_are_identical():
    world = World(duplicate_order={"count": 1, "window_s": 60})
    world.ask(limit_order("0.010", "64000.00"))
    assert breaks(world.ask(limit_order("0.01", "64000")), "DUPLICATE_ORDER")


def test_an_identical_exit_passes():
    """DUPLICATE_ORDER is marked R."""
    world = World(duplicate_order={"count": 1, "window_s": 60})
    world.hold(1)
    assert all(world.ask(sell_order("0.1")) for _ in range(5))


def test_asking_again_for_the_same_live_order_is_no_duplicate_of_itself():
    """A retry under the same client_order_id is the same order, even where it is judged afresh."""
    world = World(
        duplicate_order={"count": 1, "window_s": 60}, max_order_rate={"count": 1, "window_s": 60}
    )
    assert world.ask(limit_order(name="one"))
    world.send(ev.ReduceOnlyRequested, reason="elsewhere", product_id="ETH-USD")
    assert world.ask(limit_order(name="one")).codes == ()


# --- MAX_NOTIONAL_IN ------------------------------------------------------------------------------


def test_so_much_notional_passes_within_the_window_and_no_more():
    world = World(max_notional_in=QUOTA, max_quote_age_s=120)
    assert world.ask(limit_order("0.1"))
    world.wait(10)
    decision = world.ask(limit_order("0.1"))
    found = the(decision, "MAX_NOTIONAL_IN")
    assert (found.limit, found.observed) == ("10000 USD in 60 s", "12800")
    assert found.message == (
        "orders of 12800 USD would be approved within the window; the limit is 10000 USD in 60 s"
    )
    assert found.clears_at == START + timedelta(seconds=60)
    assert decision.max_base_size == D("0.05625")
    assert world.ask(limit_order(str(decision.max_base_size)))
    world.wait(50)
    assert world.ask(limit_order("0.1"))


def test_notional_that_was_refused_asked_in_a_dry_run_or_given_again_does_not_count():
    world = World(max_notional_in=QUOTA, max_order_size="0.12")
    assert not world.ask(limit_order("0.13"))
    assert world.ask(limit_order("0.1"), dry_run=True)
    assert world.ask(limit_order("0.1", name="one"))
    assert world.ask(limit_order("0.1", name="one")).replayed
    assert world.ask(limit_order("0.05"))
    assert breaks(world.ask(limit_order("0.01")), "MAX_NOTIONAL_IN")


def test_an_order_judged_afresh_has_counted_already():
    world = World(max_notional_in=QUOTA)
    body = limit_order("0.1", name="one")
    assert world.ask(body)
    world.manager.state.tightenings += 1
    again = world.ask(body)
    assert (bool(again), again.replayed) == (True, False)
    assert breaks(world.ask(limit_order("0.06")), "MAX_NOTIONAL_IN")


def test_what_has_counted_is_held_against_its_order_when_it_is_judged_afresh():
    """Where the limit was lowered since."""
    world = World(max_notional_in=QUOTA)
    body = limit_order("0.1", name="one")
    assert world.ask(body)
    lowered = {"max_notional_in": QUOTA | {"usd": 6_000}}
    world.send(ev.LimitsReplaced, limits=Limits(**lowered), reason="careful")
    assert the(world.ask(body), "MAX_NOTIONAL_IN").observed == "6400"


def test_an_edit_counts_the_notional_that_it_adds():
    world = World(max_notional_in=QUOTA)
    world.ask(limit_order("0.1", 60_000, name="one"))
    world.report("o", client_order_id="one", base_size="0.1", limit_price=60_000)
    assert breaks(world.manager.validate_edit(order_id="o", size="0.17"), "MAX_NOTIONAL_IN")
    assert world.manager.validate_edit(order_id="o", size="0.16")
    assert breaks(world.ask(limit_order("0.01", 60_000)), "MAX_NOTIONAL_IN")
    assert world.ask(limit_order("0.006", 60_000))


def test_exits_pass_beyond_the_notional_but_count():
    world = World(max_notional_in=QUOTA)
    world.hold(1)
    assert world.ask(sell_order("0.5"))
    assert breaks(world.ask(limit_order("0.01")), "MAX_NOTIONAL_IN")


def test_a_strategys_notional_counts_its_own_orders_only():
    world = World(strategy={"momo": {"max_notional_in": QUOTA}})
    assert world.ask(limit_order("0.1"), strategy_id="carry")
    assert world.ask(limit_order("0.1"), strategy_id="momo")
    assert breaks(world.ask(limit_order("0.1"), strategy_id="momo"), "MAX_NOTIONAL_IN")


# --- MAX_ORDER_RATE -------------------------------------------------------------------------------


def test_so_many_orders_pass_within_the_window_and_no_more():
    world = World(max_order_rate=RATE)
    assert world.ask(limit_order("0.01"))
    assert world.ask(limit_order("0.02"))
    decision = world.ask(limit_order("0.03"))
    found = the(decision, "MAX_ORDER_RATE")
    assert (found.limit, found.observed) == ("2 in 60 s", "3")
    assert found.clears_at == START + timedelta(seconds=60)
    assert decision.max_base_size == 0


@pytest.mark.parametrize(("after_s", "ok"), [(59.999, False), (60, True)])
def test_the_window_slides_and_clears_at_the_time_it_said(after_s, ok):
    world = World(max_order_rate=RATE, max_quote_age_s=120)
    world.ask(limit_order("0.01"))
    world.ask(limit_order("0.02"))
    world.wait(after_s)
    assert breaks(world.ask(limit_order("0.03")), "MAX_ORDER_RATE") != ok


def test_refused_attempts_and_dry_runs_do_not_count():
    """A limit that counts refusals never unlocks."""
    world = World(max_order_rate=RATE, max_order_size="0.05")
    for _ in range(10):
        assert not world.ask(limit_order("1"))
        assert world.ask(limit_order("0.01"), dry_run=True)
    assert world.ask(limit_order("0.01"))
    assert world.ask(limit_order("0.01"))


def test_exits_pass_beyond_the_rate_but_count():
    """MAX_ORDER_RATE is marked R."""
    world = World(max_order_rate=RATE)
    world.hold(1)
    assert all(world.ask(sell_order("0.1")) for _ in range(5))
    assert breaks(world.ask(limit_order()), "MAX_ORDER_RATE")


def test_a_strategys_rate_counts_its_own_orders_only():
    world = World(strategy={"momo": {"max_order_rate": {"count": 1, "window_s": 60}}})
    assert world.ask(limit_order("0.01"), strategy_id="momo")
    assert world.ask(limit_order("0.02"), strategy_id="carry")
    assert the(world.ask(limit_order("0.03"), strategy_id="momo"), "MAX_ORDER_RATE").scope == (
        "strategy:momo"
    )


def test_a_products_rate_counts_its_key_only():
    world = World(product={"BTC-USD": {"max_order_rate": {"count": 1, "window_s": 60}}})
    world.balance("USDC", 10_000)
    assert world.ask(limit_order("0.01"))
    assert world.ask(limit_order("1", "2000", product_id="ETH-USD"))
    assert breaks(world.ask(limit_order("0.02", product_id="BTC-USDC")), "MAX_ORDER_RATE")


def test_a_rate_in_shadow_counts_and_only_warns():
    """Shadow limits are evaluated, not enforced."""
    world = World(shadow={"max_order_rate": {"count": 1, "window_s": 60}})
    assert world.ask(limit_order("0.01"))
    decision = world.ask(limit_order("0.02"))
    assert decision
    assert [(w.code, w.scope) for w in decision.warnings] == [("MAX_ORDER_RATE", "shadow")]


# --- MAX_OPEN_ORDERS ------------------------------------------------------------------------------


def test_reservations_count_as_open_orders():
    """A burst is stopped before the exchange has reported anything."""
    world = World(max_open_orders=3)
    decisions = [world.ask(limit_order()) for _ in range(5)]
    assert [bool(decision) for decision in decisions] == [True, True, True, False, False]
    assert the(decisions[3], "MAX_OPEN_ORDERS").message == (
        "this would be open order number 4; 3 are allowed"
    )


def test_an_open_order_counts_once_whether_reserved_or_reported():
    world = World(max_open_orders=2)
    world.ask(limit_order(name="one"))
    world.report("o1", client_order_id="one", base_size="0.01", limit_price=64000)
    assert world.ask(limit_order())
    assert not world.ask(limit_order())


def test_an_ended_order_counts_no_more():
    world = World(max_open_orders=1)
    world.report("o1", base_size="0.01", limit_price=64000)
    assert not world.ask(limit_order())
    world.report("o1", status="CANCELLED", base_size="0.01", limit_price=64000)
    assert world.ask(limit_order())


def test_no_open_orders_at_all_may_be_allowed():
    assert breaks(World(max_open_orders=0).ask(limit_order()), "MAX_OPEN_ORDERS")


def test_exits_pass_beyond_the_open_order_limit():
    """MAX_OPEN_ORDERS is marked R."""
    world = World(max_open_orders=1)
    world.hold(1)
    world.ask(limit_order("0.01", "63000"))
    assert world.ask(sell_order("0.1"))


def test_a_products_limit_counts_its_keys_orders_and_a_strategys_its_own():
    world = World(
        product={"BTC-USD": {"max_open_orders": 1}}, strategy={"momo": {"max_open_orders": 1}}
    )
    assert world.ask(limit_order("1", "2000", product_id="ETH-USD"), strategy_id="momo")
    assert world.ask(limit_order())
    decision = world.ask(limit_order(), strategy_id="momo")
    assert [v.scope for v in decision.violations] == ["product:BTC-USD", "strategy:momo"]


def test_too_many_live_approvals_stop_everything_but_exits():
    """Ten thousand reservations are a bot gone mad; the number bounds memory."""
    world = World(settings=FOREVER)
    world.hold(1)
    world.ask(limit_order(name="first"))
    first = world.tracker.ledger.reservations["first"]
    for number in range(1, RESERVATIONS_MAX):
        order = replace(first.order, client_order_id=f"copy-{number}")
        world.tracker.orders.reserve(replace(first, order=order, legs=(), hold=D(0)))
    found = the(world.ask(limit_order()), "MAX_OPEN_ORDERS")
    assert (found.limit, found.observed) == ("10000", "10001")
    assert found.message == "10000 approvals are alive already; send or release them"
    assert world.ask(sell_order("0.1", "64001"))


# --- NO_ADDING ------------------------------------------------------------------------------------


def test_without_a_position_there_is_nothing_to_add_to():
    assert World(no_adding=True).ask(limit_order())


def test_a_buy_may_not_add_to_a_long_position():
    world = World(no_adding=True)
    world.hold("0.1")
    decision = world.ask(limit_order())
    found = the(decision, "NO_ADDING")
    assert found.observed == "0.1"
    assert (
        found.message == "a position of 0.1 BTC is open in this direction already; close it first"
    )
    assert decision.max_base_size == 0


def test_a_sell_may_not_add_to_a_short_position():
    world = funded(World(no_adding=True))
    world.fill("SELL", 5, 64000, product_id="BIT-26FEB27-CDE")
    assert breaks(world.ask(future_order(1, "SELL")), "NO_ADDING")


def test_an_order_against_the_position_adds_nothing():
    """NO_ADDING is marked R, and a flip is not an addition."""
    world = funded(World(no_adding=True))
    world.fill("SELL", 5, 64000, product_id="BIT-26FEB27-CDE")
    assert world.ask(future_order(1))
    assert world.ask(future_order(9))


def test_a_strategy_may_be_forbidden_to_add_to_its_own_position_only():
    world = World(strategy={"momo": {"no_adding": True}})
    world.hold("0.1")
    assert world.ask(limit_order("0.01", name="one"), strategy_id="momo")
    world.report(
        "o1",
        client_order_id="one",
        status="FILLED",
        filled="0.01",
        average_price=64000,
        base_size="0.01",
    )
    assert the(world.ask(limit_order(), strategy_id="momo"), "NO_ADDING").scope == "strategy:momo"
    assert world.ask(limit_order(), strategy_id="carry")


def test_no_adding_set_to_false_is_not_set():
    world = World(no_adding=False)
    world.hold("0.1")
    assert world.ask(limit_order())


def test_the_order_that_reaches_seven_tenths_of_a_count_is_warned_of():
    world = World(max_open_orders=10)
    assert [bool(world.ask(limit_order("0.01")).warnings) for _ in range(8)] == [False] * 6 + [
        True
    ] * 2


def test_the_least_share_is_one_approval():
    """However small it is written."""
    world = World(max_share_of_limits="0.00005")
    for name, ok in (("one", True), ("two", False)):
        body = limit_order("0.1", 60_000, name=name)
        taken = world.send(ev.OrderProposed, body=body, asker=ev.Asker(7))
        (decided,) = of_kind(taken, Decided)
        assert bool(decided.decision) == ok
