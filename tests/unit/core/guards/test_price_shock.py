"""Price shock: 64,000 a BTC at 13:00:00; a sum of 1 % within 20 s locks for 900 s."""

from datetime import timedelta

import pytest

from sidecar.core.saved import restore_manager, restore_tracker, save_manager, save_tracker
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    CancelOrders,
    CauseCleared,
    CauseRaised,
    FlattenProduct,
)
from tests.decisions import future_order, of_kind, restarted, sell_order
from tests.scenario import FUTURE, START, D, World, limit_order, product

SHOCK = {"max_move": "0.01", "window_s": 20, "lockout_s": 900}


def watched(**shock):
    world = World(price_shock=SHOCK | shock, max_quote_age_s=3600)
    world.quote("BTC-USD", 64000)
    return world


def move(world, *prices, every_s=1):
    actions = []
    for price in prices:
        world.now += timedelta(seconds=every_s)
        actions += world.quote("BTC-USD", price)
    return of_kind(actions, CauseRaised)


@pytest.mark.parametrize(
    ("price", "shocks"),
    [("63360.01", False), ("63360", True), ("64639.99", False), ("64640", True)],
)
def test_a_move_shocks_exactly_at_its_limit_up_or_down(price, shocks):
    assert bool(move(watched(), price)) == shocks


def test_moves_up_and_down_add_up():
    """Summed absolute returns: a market that shakes is as dangerous as one that falls."""
    assert not move(watched(), 64320, 64000)
    (cause,) = move(watched(), 64320, 64000, 64320)
    assert (cause.code, cause.scope, cause.level) == ("PRICE_SHOCK", "product:BTC", "REDUCE_ONLY")


def test_marks_are_sampled_once_a_second():
    """What happens within a second is one sample, the first."""
    world = watched()
    assert not move(world, 1, 64000, every_s=0.1)
    assert not move(world, 64000, every_s=1)


def test_moves_leave_the_window():
    world = watched()
    assert not move(world, 64320)
    assert not move(world, 64000, every_s=20)


def test_a_move_has_left_the_window_when_it_is_as_old_as_that():
    world = watched()
    assert not move(world, 64320)
    assert not move(world, 64650, every_s=20)
    assert move(world, 64320, every_s=19)


@pytest.mark.parametrize(("silence_s", "shocks"), [(80, True), (81, False), (3600, False)])
def test_a_mark_stands_through_a_silence_for_as_long_as_it_is_good(silence_s, shocks):
    """A minute: a move across a longer one than that and the window may have taken all of it."""
    world = watched()
    assert bool(move(world, 63000, every_s=silence_s)) == shocks
    assert bool(move(world, 62000)) != shocks  # locked already, or watched as ever


def test_a_move_within_the_window_counts_to_its_last_second():
    world = watched()
    assert not move(world, 64320)
    assert move(world, 64650, every_s=19)


def test_a_window_shorter_than_a_second_still_watches():
    assert move(watched(window_s="0.5"), 60000)


def test_a_shock_ends_by_itself_when_the_lockout_is_over():
    world = watched()
    (cause,) = move(world, 63000)
    assert cause.clears_at == START + timedelta(seconds=901)
    world.wait(899.999)
    assert not world.ask(limit_order())
    (cleared,) = of_kind(world.wait(0.001), CauseCleared)
    assert (cleared.code, cleared.reason) == ("PRICE_SHOCK", "its time is over")
    assert world.ask(limit_order())


def test_a_shock_under_way_raises_no_second_cause():
    assert len(move(watched(), 63000, 60000, 64000)) == 1


def test_a_lock_survives_a_restart():
    world = watched()
    move(world, 63000)
    again = restarted(world)
    assert not again.ask(limit_order())
    again.wait(900)
    again.quote("BTC-USD", 63000)
    assert again.ask(limit_order())


def test_half_a_shock_before_a_restart_counts_after_it():
    """The window's moves are kept: a restart in a falling market must not loosen."""
    world = watched()
    assert not move(world, 63700)
    again = restarted(world)
    assert not move(again, 63699)
    (cause,) = move(again, 63300)
    assert cause.code == "PRICE_SHOCK"


def test_flatten_sells_that_key_only():
    world = watched(action="flatten")
    world.hold(1)
    world.now += timedelta(seconds=1)
    (order,) = of_kind(world.quote("BTC-USD", 63000), FlattenProduct)
    assert order.key == "BTC"
    assert order.reason == "BTC moved 1.56 % within 20 s; 1 % is allowed"
    assert world.ask(limit_order("1", "2000", product_id="ETH-USD"))
    assert world.ask(sell_order(1, 63000))


def test_reduce_only_sells_nothing():
    world = watched()
    world.hold(1)
    world.now += timedelta(seconds=1)
    assert not of_kind(world.quote("BTC-USD", 63000), FlattenProduct)


# --- Loss from entry ------------------------------------------------------------------------------


def entered(**fields):
    world = World(price_shock={"max_loss_from_entry": "0.02"} | fields)
    world.hold(1)
    return world


@pytest.mark.parametrize(
    ("price", "shocks"), [("62720.01", False), ("62720", True), ("70000", False)]
)
def test_a_position_that_lost_its_share_of_entry_shocks(price, shocks):
    raised = move(entered(), price)
    assert bool(raised) == shocks
    if shocks:
        assert raised[0].reason == "BTC lost 2 % from its entry; 2 % is allowed"


def test_without_a_position_there_is_no_entry_to_lose_from():
    world = World(price_shock={"max_loss_from_entry": "0.02"})
    assert not move(world, 1)


def test_a_short_position_loses_when_the_price_rises():
    world = World(price_shock={"max_loss_from_entry": "0.02"})
    world.fill("SELL", 5, 64000, product_id=FUTURE)
    world.now += timedelta(seconds=1)
    (cause,) = of_kind(world.quote(FUTURE, 65280), CauseRaised)
    assert cause.scope == f"product:{FUTURE}"
    assert not world.ask(future_order(1, "SELL", 65280))
    assert world.ask(future_order(1, "BUY", 65280))


# --- Scopes ---------------------------------------------------------------------------------------


def test_a_products_own_shock_binds_its_key_only():
    world = World(product={"BTC-USD": {"price_shock": SHOCK}, "NEW-USD": {"price_shock": SHOCK}})
    world.now += timedelta(seconds=1)
    assert not of_kind(world.quote("ETH-USD", 1000), CauseRaised)
    (cause,) = move(world, 60000)
    assert cause.scope == "product:BTC-USD"
    assert not world.ask(limit_order(product_id="BTC-USDC"))


def test_a_narrower_window_beside_a_wider_one_changes_neither():
    """For a contract both bind the same key: each sums its own window."""
    world = World(
        price_shock=SHOCK,
        product={FUTURE: {"price_shock": SHOCK | {"window_s": 2, "max_move": "0.5"}}},
    )
    actions = []
    for price in (64320, 64320, 64320, 64650):
        world.now += timedelta(seconds=1)
        actions += world.quote(FUTURE, price)
    assert of_kind(actions, CauseRaised)


def test_quotes_that_mark_nothing_shock_nothing():
    """A pair of coins without a dollar mark of its own, and a route not yet complete."""
    world = World(price_shock=SHOCK)
    for price in ("0.03", "0.06"):
        world.now += timedelta(seconds=1)
        assert not of_kind(world.quote("ETH-BTC", price), CauseRaised)


def test_a_price_too_small_to_be_counted_shocks_nothing():
    """A coin worth less than the finest unit of account is worth nothing: no return can be taken."""
    listed = (product("BTC-USD"), product("DUST-BTC"))
    world = World(products=listed, price_shock=SHOCK)
    for price in ("1e-24", "2e-24"):
        world.now += timedelta(seconds=1)
        assert not of_kind(world.quote("DUST-BTC", price), CauseRaised)
    assert world.tracker.marks.usd("DUST") == 0


def test_an_engine_that_only_marks_its_tracker_is_watched_too():
    """Library use: the shock is seen at the next question."""
    world = watched()
    world.now += timedelta(seconds=1)
    quote = ev.Quote("BTC-USD", D(63000), D(63000), world.now)
    world.tracker.apply(ev.Quotes(at=world.now, quotes=(quote,)))
    assert "PRICE_SHOCK" in world.ask(limit_order()).codes


# --- What the shock takes out of the book -----------------------------------------------------------


def resting(world):
    """A buy below the market, and an exit of all that is held."""
    world.report("buy", leaves="0.1", limit_price=50_000)
    world.report("exit", side="SELL", leaves="1", limit_price=90_000)
    return world


def shock(world, *prices):
    actions = []
    for price in prices:
        world.now += timedelta(seconds=1)
        actions += world.quote("BTC-USD", price)
    return actions


def cancelled(actions):
    return [name for one in of_kind(actions, CancelOrders) for name in one.order_ids]


def held(**fields):
    world = watched(**fields)
    world.hold(1)
    return resting(world)


@pytest.mark.parametrize(
    ("prices", "orders"),
    [((63_000,), ["buy"]), ((65_000,), []), ((64_400, 64_000), []), ((64_400, 63_990), ["buy"])],
    ids=["fell", "rose", "came back", "rose and fell below"],
)
def test_a_shock_against_the_position_cancels_what_adds_to_it(prices, orders):
    world = held()
    actions = shock(world, *prices)
    assert of_kind(actions, CauseRaised)
    assert cancelled(actions) == orders


def test_without_a_position_no_shock_is_against_it():
    assert not cancelled(shock(resting(watched()), 63_000))


def test_a_short_position_is_met_by_a_rise():
    world = World(price_shock=SHOCK)
    world.fill("SELL", 5, 64_000, product_id=FUTURE)
    world.report("sell", product_id=FUTURE, side="SELL", leaves="1", limit_price=70_000)
    world.quote(FUTURE, 64_000)
    world.now += timedelta(seconds=1)
    assert cancelled(world.quote(FUTURE, 65_000)) == ["sell"]


def test_a_loss_from_entry_cancels_what_adds_to_it():
    assert cancelled(shock(resting(entered()), 62_720)) == ["buy"]


def test_a_shock_that_turns_against_the_position_while_it_locks_cancels_once():
    world = held()
    assert not cancelled(shock(world, 65_000))
    assert cancelled(shock(world, 63_000)) == ["buy"]
    assert not cancelled(shock(world, 62_000))


def test_an_order_that_appears_while_it_locks_is_cancelled_too_and_after_it_not():
    world = held()
    shock(world, 63_000)
    assert cancelled(world.report("late", leaves="0.1", limit_price=50_000)) == ["late"]
    assert not cancelled(world.report("eth", product_id="ETH-USD", leaves="1", limit_price=1_000))
    world = restarted(world)
    assert cancelled(world.report("later", leaves="0.1", limit_price=50_000)) == ["later"]
    world.wait(900)
    assert not cancelled(world.report("free", leaves="0.1", limit_price=50_000))


def test_a_shock_leaves_them_and_counts_them_where_so_configured():
    world = World(price_shock=SHOCK, on_loss="nothing")
    world.quote("BTC-USD", 64_000)
    world.hold(1)
    actions = shock(resting(world), 63_000)
    assert not cancelled(actions)
    told = [one.text for one in of_kind(actions, Alert) if one.code == "ADDING_ORDERS_OPEN"]
    assert told == ["1 open orders in product:BTC would add risk; on_loss leaves them"]
    assert not cancelled(world.report("late", leaves="0.1", limit_price=50_000))


def test_the_windows_start_is_known_after_a_restart():
    world = held()
    assert not cancelled(shock(world, 63_700))
    assert cancelled(shock(restarted(world), 63_300)) == ["buy"]


def test_a_window_saved_before_its_marks_were_kept_counts_from_the_last():
    """Saved at 64,400: from there 64,000 is a fall, though the window began at 64,000."""
    for price, orders in ((64_000, ["buy"]), (64_700, [])):
        world = held()
        shock(world, 64_400)
        saved = save_manager(world.manager)
        for one in saved.samplers:
            one.before = []
        new = World(products=(), start=world.now, price_shock=SHOCK)
        restore_tracker(save_tracker(world.tracker), new.tracker)
        restore_manager(saved, new.manager)
        assert cancelled(shock(new, price)) == orders


def test_a_flattening_cancels_all_of_its_key_by_itself():
    """Each order is asked to be cancelled once."""
    actions = shock(held(action="flatten"), 63_000)
    assert sorted(cancelled(actions)) == ["buy", "exit"]


# --- What a library is told -----------------------------------------------------------------------


@pytest.mark.parametrize("action", ["reduce_only", "flatten"])
def test_a_library_is_told_to_sell_what_a_shock_asks_to_be_sold_and_nothing_else(action):
    world = watched(action=action)
    world.hold(1)
    move(world, 63000)
    told = of_kind(world.manager.check_and_liquidate_on_loss(), FlattenProduct)
    assert [one.key for one in told] == (["BTC"] if action == "flatten" else [])


def test_another_cause_of_the_same_product_wants_nothing_sold():
    """Its day's loss locks it; only a shock sells."""
    own = {"max_daily_loss": "500 USD", "price_shock": SHOCK | {"action": "flatten"}}
    world = World(product={"BTC-USD": own}, max_quote_age_s=3600)
    world.hold(1)
    world.fill("BUY", "0.001", 64_000, fee=600)
    (cause,) = world.manager.state.causes.values()
    assert (cause.code, cause.scope, cause.key) == ("DAILY_LOSS", "product:BTC-USD", "BTC")
    assert not of_kind(world.manager.check_and_liquidate_on_loss(), FlattenProduct)


def test_what_is_sold_already_is_wanted_no_more_though_an_order_of_it_is_open():
    world = watched(action="flatten")
    world.hold(1)
    move(world, 63_000)
    assert of_kind(world.manager.check_and_liquidate_on_loss(), FlattenProduct)
    world.report("o1", base_size="0.1", leaves="0.1", limit_price=60_000)
    world.fill("SELL", 1, 63_000)
    assert world.manager.state.has("PRICE_SHOCK", "product:BTC")
    assert not of_kind(world.manager.check_and_liquidate_on_loss(), FlattenProduct)
