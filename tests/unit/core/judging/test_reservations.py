"""Reservations: the size and funds that an approval binds, until its order is seen or its life is over."""

from datetime import timedelta

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, FindOrder
from tests.decisions import (
    connected,
    funded,
    future_order,
    memory,
    of_kind,
    restarted,
    sell_order,
)
from tests.scenario import (
    FUTURE,
    D,
    World,
    limit_order,
    market_order,
)

LIFE = timedelta(seconds=10)


def reserved(world):
    return sorted(world.tracker.ledger.reservations)


def bound(world, currency="USD"):
    return world.tracker.wallets.by_currency[currency].reserved


def test_an_approval_binds_the_worst_case_and_the_funds():
    world = World()
    world.ask(limit_order("0.5"))
    line = world.tracker.account.lines["BTC"]
    assert (line.open_buy, line.orders, bound(world)) == (D("0.5"), 1, D(32384))


def test_a_sell_binds_the_coin():
    world = World()
    world.hold(1)
    world.ask(sell_order("0.4"))
    assert bound(world, "BTC") == D("0.4")


def test_an_approval_binds_its_strategys_books_too():
    world = World()
    world.ask(limit_order("0.5"), strategy_id="momo")
    assert world.tracker.strategies["momo"].lines["BTC"].open_buy == D("0.5")


def test_a_market_order_binds_what_it_may_cost():
    world = World()
    world.ask(market_order("0.5"))
    assert bound(world) == D("0.5") * 64000 * D("1.01") * D("1.012")


def test_a_future_binds_margin_and_closing_one_binds_none():
    world = funded(World())
    world.ask(future_order(10))
    assert world.tracker.orders.margin_reserved == 1600
    world.fill("BUY", 10, 64000, product_id=FUTURE)
    world.ask(future_order(10, "SELL", 64100))
    assert world.tracker.orders.margin_reserved == 1600


def test_a_reservation_gives_way_to_the_order_it_was_for():
    world = World()
    world.ask(limit_order("0.5", name="one"))
    world.report("o1", client_order_id="one", base_size="0.5", limit_price=64000)
    assert reserved(world) == []
    assert bound(world) == 0
    assert world.tracker.account.lines["BTC"].open_buy == D("0.5")


def test_a_dry_run_reserves_nothing_and_counts_nothing():
    world = World(
        max_order_rate={"count": 1, "window_s": 60}, duplicate_order={"count": 1, "window_s": 60}
    )
    before = memory(world)
    decision = world.ask(limit_order("0.5"), dry_run=True, strategy_id="momo")
    assert decision
    assert decision.reserved_until is None
    assert memory(world) == before


def test_a_release_frees_what_was_bound_and_releasing_again_changes_nothing():
    """But that the mark is followed from the first order on, until it is confirmed."""
    world = World()
    world.ask(limit_order("0.5", name="zero"))
    world.manager.release_order("zero")
    before = memory(world)
    world.ask(limit_order("0.5", name="one"))
    for _ in range(3):
        world.manager.release_order("one")
        world.manager.release_order("never seen")
        assert memory(world) == before


# --- Lapsing: library ------------------------------------------------------------------------------


def test_an_approval_lapses_at_the_end_of_its_life_and_says_so():
    world = World()
    world.ask(limit_order("0.5", name="one"))
    assert of_kind(world.wait(9.999), Alert) == []
    (alert,) = of_kind(world.wait(0.001), Alert)
    assert alert.code == "APPROVAL_LAPSED"
    assert alert.text == "the approved order one was not seen within 10 s"
    assert (reserved(world), bound(world)) == ([], 0)


def test_a_lapsed_approval_is_judged_afresh():
    world = World()
    world.ask(limit_order("0.5", name="one"))
    world.now += LIFE
    again = world.ask(limit_order("0.5", name="one"))
    assert (again.approved, again.replayed, bound(world)) == (True, False, D(32384))


# --- Lapsing: connected ----------------------------------------------------------------------------


def test_connected_a_lapsed_order_is_looked_for_once_and_kept_until_answered():
    """One listing pass over REST before it is dropped: it may be alive."""
    world = connected()
    world.ask(limit_order("0.5", name="one"))
    (sought,) = of_kind(world.wait(10), FindOrder)
    assert (sought.client_order_id, sought.product_id) == ("one", "BTC-USD")
    assert of_kind(world.wait(60), FindOrder) == []
    assert bound(world) == D(32384)


def test_connected_an_order_that_never_arrived_is_dropped():
    world = connected()
    world.ask(limit_order("0.5", name="one"))
    world.wait(10)
    world.send(ev.ReservationReleased, client_order_id="one")
    assert (reserved(world), bound(world)) == ([], 0)


def test_connected_an_order_that_was_found_gives_its_reservation_up():
    world = connected()
    world.ask(limit_order("0.5", name="one"))
    world.wait(10)
    world.report("o1", client_order_id="one", base_size="0.5", limit_price=64000)
    assert (reserved(world), world.tracker.account.orders) == ([], 1)


def test_connected_asking_again_for_a_lapsed_approval_begins_a_new_life():
    """And at its end it is looked for again."""
    world = connected()
    world.ask(limit_order("0.5", name="one"))
    world.wait(10)
    world.quote("BTC-USD", 64001)
    again = world.ask(limit_order("0.5", name="one"))
    assert (again.approved, again.replayed, again.reserved_until) == (True, False, world.now + LIFE)
    assert [f.client_order_id for f in of_kind(world.wait(10), FindOrder)] == ["one"]


def test_connected_a_sought_order_is_sought_again_after_a_restart():
    world = connected()
    world.ask(limit_order("0.5", name="one"))
    world.wait(10)
    world = restarted(world)
    assert [f.client_order_id for f in of_kind(world.wait(1), FindOrder)] == ["one"]
