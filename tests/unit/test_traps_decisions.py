"""Traps that others fell into, on the side that decides: one named test each.

Most were run against openpit, nautilus, vnpy, LEAN, hummingbot and freqtrade, or reported by their
users; the rest are Coinbase's own.
"""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import CauseRaised, Liquidate
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import (
    CONNECTED,
    breaks,
    connected,
    funded,
    future_order,
    memory,
    of_kind,
    restarted,
    sell_order,
    the,
)
from tests.scenario import FUTURE, START, D, World, limit_order, market_order, order, product


def state(world):
    return world.manager.state.account


# --- Caps that did not cap -------------------------------------------------------------------------


@pytest.mark.parametrize("price", ["0", "-1", "NaN", ""])
def test_price_zero_does_not_skip_the_notional_cap(price):
    """In vnpy, openpit: price 0 passes the cap. Here it is no order at all."""
    assert World(max_order_notional=1).ask(limit_order(1000, price)).codes == ("INVALID_ORDER",)


def test_a_huge_market_order_without_a_quote_does_not_pass():
    """In nautilus: with no quote a huge market order passes."""
    world = World(products=(product("NEW-USD"),), max_order_notional=1, max_order_size=1000)
    assert world.ask(market_order(999, product_id="NEW-USD")).codes == ("STALE_MARKET_DATA",)


def test_a_huge_order_without_any_configured_limit_still_needs_funds():
    """Nautilus #4946: checks silently skipped, a $153M order passed."""
    assert World().ask(limit_order(2300, 64000)).codes == ("INSUFFICIENT_FUNDS",)


def test_without_a_known_account_balance_an_order_is_refused():
    """In nautilus: with no account in cache the notional cap is ignored."""
    world = World(settings=CONNECTED, max_order_notional=5000)
    world.quote("BTC-USD", 64000)
    decision = world.ask(limit_order("0.01"))
    assert {"NOT_READY", "INSUFFICIENT_FUNDS"} <= set(decision.codes)


def test_a_wallet_never_seen_is_not_an_endless_one():
    assert (
        "no USDC balance is known"
        in the(World().ask(limit_order(product_id="BTC-USDC")), "INSUFFICIENT_FUNDS").message
    )


def test_two_buys_of_sixty_percent_of_the_funds_do_not_both_pass():
    """In nautilus: both pass, because nothing is reserved between approval and exchange."""
    world = World(cash=64768)
    assert world.ask(limit_order("0.6"))
    second = world.ask(limit_order("0.6"))
    assert second.codes == ("INSUFFICIENT_FUNDS",)
    assert second.max_base_size == D("0.4")


def test_two_sells_of_sixty_percent_of_the_coins_do_not_both_pass():
    world = World()
    world.hold(1)
    assert world.ask(sell_order("0.6"))
    assert not world.ask(sell_order("0.6"))


def test_a_burst_does_not_slip_through_the_open_order_cap():
    """In vnpy: an active-order limit of 2 let a burst of 10 through, counted only after the exchange's event."""
    world = World(max_open_orders=2)
    assert sum(bool(world.ask(limit_order())) for _ in range(10)) == 2


def test_a_burst_does_not_slip_through_a_position_limit():
    """Openpit 0.9: pending orders are not counted."""
    world = World(max_position_size="0.05")
    assert sum(bool(world.ask(limit_order("0.01"))) for _ in range(10)) == 5


def test_a_quote_sized_buy_is_capped_like_any_other():
    """Nautilus #2628: quote-sized orders are denied; elsewhere they are not looked at."""
    world = World(max_order_notional=5000)
    assert world.ask(order("market_market_ioc", quote_size="5000"))
    assert not world.ask(order("market_market_ioc", quote_size="5000.01"))


def test_a_dear_alias_does_not_escape_the_position_limit():
    """BTC-USD, BTC-USDC and BTC-EUR are one position."""
    world = World(product={"BTC-USD": {"max_position_size": "0.1"}})
    world.balance("USDC", 100_000)
    assert world.ask(limit_order("0.1"))
    assert breaks(world.ask(limit_order("0.1", product_id="BTC-USDC")), "MAX_POSITION_SIZE")


def test_a_strategy_name_made_up_on_the_spot_does_not_escape_the_accounts_limits():
    world = World(max_position_size="0.1", strategy={"momo": {"max_position_size": "0.05"}})
    assert world.ask(limit_order("0.1"), strategy_id="made-up")
    assert not world.ask(limit_order("0.1"), strategy_id="another")


def test_a_loss_exactly_at_the_bound_breaks():
    """In openpit: a loss exactly at the bound passes."""
    world = World(max_daily_loss="0.1")
    world.hold(1)
    world.quote("BTC-USD", 54000)
    assert breaks(world.ask(limit_order("0.01", 54000)), "MAX_DAILY_LOSS")


def test_open_losses_count():
    """Freqtrade #9977: only closed trades count. openpit: realised only."""
    world = World(max_cumulative_loss="0.25")
    world.hold(1)
    world.quote("BTC-USD", 38000)
    assert state(world) == "REDUCE_ONLY"


def test_a_loss_is_weighed_by_its_size():
    """In hummingbot: averages return % unweighted."""
    world = World(max_daily_loss="0.1")
    world.fill("BUY", "0.001", 64000)
    world.fill("BUY", 10, 2000, product_id="ETH-USD")
    world.quote("BTC-USD", 1)  # −100 % of 64 dollars
    assert state(world) == "ACTIVE"


# --- Exits that were shut -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        {"max_order_size": "0.1"}, {"max_order_notional": 100}, {"max_position_size": "0.1"},
        {"max_position_notional": 100}, {"max_gross_exposure": 100}, {"max_net_exposure": 100},
        {"max_leverage": "0.001"}, {"max_concentration": "0.001"}, {"max_open_orders": 0},
        {"block_products": ("BTC-USD",)}, {"no_adding": True}, {"max_var": "0.01"},
        {"max_order_rate": {"count": 1, "window_s": 60}}, {"duplicate_order": {"count": 1, "window_s": 60}},
    ],
)  # fmt: skip
def test_an_exit_above_every_cap_passes(limits):
    """LEAN #6287, Elsewhere: a size cap blocks exits."""
    world = World(**limits)
    world.hold(1)
    assert world.ask(sell_order("0.5"))
    assert world.ask(sell_order("0.5"))


def test_an_exit_below_the_own_minimum_size_passes():
    """Nautilus #4746, #4695: exits denied by minimum notional."""
    world = World(min_order_size="0.001")
    world.hold("0.0009")
    assert world.ask(sell_order("0.0009"))


def test_a_kill_switch_does_not_refuse_the_close():
    """In openpit: the kill switch refuses a reduce-only close; a block stops closes too."""
    world = World(max_daily_loss="0.1")
    world.hold(1)
    world.quote("BTC-USD", 50000)
    assert world.ask(sell_order(1, 50000))


def test_a_sell_is_checked_against_the_coin_not_the_cash():
    """Nautilus #2986, #3256: cannot close, the sell is checked against cash."""
    world = World(cash=0)
    world.hold(1)  # and the cash account is 64,000 short
    assert world.ask(sell_order(1))


def test_an_exit_passes_with_every_feed_down():
    world = connected(held=1)
    for feed in ("market", "user"):
        world.send(ev.FeedChanged, feed=feed, signal="lost")
    world.wait(3600)
    assert world.ask(market_order(1, side="SELL"))


def test_an_exit_of_a_short_needs_no_buying_power():
    world = funded(World(), buying_power=0)
    world.fill("SELL", 5, 64000, product_id=FUTURE)
    assert world.ask(future_order(5))


# --- Reduce-only that was not ---------------------------------------------------------------------


def reduce_only(world):
    world.send(ev.ReduceOnlyRequested, reason="careful")
    return world


def test_a_buy_while_flat_opens_nothing_under_reduce_only():
    """In nautilus: REDUCING while flat lets a buy open a position."""
    assert reduce_only(World()).ask(limit_order()).codes == ("STATE_REDUCE_ONLY",)


def test_a_flip_does_not_pass_under_reduce_only():
    """In nautilus: a flip passes. Only its closing part would."""
    world = funded(World())
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    decision = reduce_only(world).ask(future_order(6, "SELL"))
    assert decision.codes == ("STATE_REDUCE_ONLY",)
    assert decision.max_base_size == 5
    assert world.ask(future_order(5, "SELL"))


def test_a_sell_of_what_is_offered_already_does_not_reduce():
    """0.5 with 1 held and 0.7 offered: together they would sell more than there is."""
    world = World()
    world.hold(1)
    world.report("o1", side="SELL", base_size="0.7", limit_price=65000)
    decision = reduce_only(world).ask(sell_order("0.5"))
    assert not decision.reducing
    assert decision.max_base_size == D("0.3")
    assert world.ask(sell_order("0.3"))


def test_many_exits_at_once_do_not_add_up_to_a_flip():
    world = funded(World())
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    reduce_only(world)
    assert [bool(world.ask(future_order(2, "SELL", 64000 + 5 * n))) for n in range(3)] == [
        True,
        True,
        False,
    ]


def test_what_is_kept_cannot_be_sold_as_an_exit():
    world = World(keep={"BTC": D("0.5")})
    world.balance("BTC", 1)
    reduce_only(world)
    assert world.ask(sell_order("0.5"), dry_run=True)
    assert not world.ask(sell_order("0.51"))


def test_what_is_kept_whole_is_no_position_at_all():
    world = World(keep={"BTC": None})
    world.balance("BTC", 1)
    assert world.ask(sell_order("0.01")).codes == ("INSUFFICIENT_FUNDS",)
    assert world.position == 0


def test_a_strategy_exits_the_accounts_position_not_its_own_idea_of_it():
    """Reducing is of the account: a strategy that is long must not sell what others hedge with."""
    world = funded(World())
    world.fill("BUY", 5, 64000, product_id=FUTURE, strategy_id="momo")
    world.fill("SELL", 10, 64000, product_id=FUTURE, strategy_id="hedge")
    assert not reduce_only(world).ask(future_order(5, "SELL"), strategy_id="momo")
    assert world.ask(future_order(5, "BUY"), strategy_id="momo")


def test_a_swap_is_not_an_exit():
    """Selling ETH for BTC leaves as much risk as it takes."""
    world = World()
    world.quote("ETH-BTC", "0.03125")
    world.fill("BUY", 10, 2000, product_id="ETH-USD")
    body = order("limit_limit_gtc", "SELL", "ETH-BTC", base_size="1", limit_price="0.03125")
    assert not reduce_only(world).ask(body)


def test_an_order_grown_by_an_edit_is_no_exit():
    """Approved small, edited large."""
    world = World()
    world.report("o1", base_size="0.1", limit_price=60000)
    reduce_only(world)
    assert not world.manager.validate_edit(order_id="o1", size="10")


# --- Counters that lied ---------------------------------------------------------------------------


def test_refused_attempts_do_not_feed_the_rate_limit():
    """In openpit: a rate limit that counts refused attempts never unlocks."""
    world = World(max_order_rate={"count": 1, "window_s": 10}, max_quote_age_s=3600)
    assert world.ask(limit_order("0.01"))
    for _ in range(19):
        world.wait(0.5)
        assert not world.ask(limit_order("0.02"))
    world.wait(0.5)
    assert world.ask(limit_order("0.02"))


def test_the_duplicate_counter_does_not_block_for_ever():
    """In vnpy: it does."""
    world = World(duplicate_order={"count": 1, "window_s": 10}, max_quote_age_s=3600)
    assert world.ask(limit_order("0.01"))
    assert not world.ask(limit_order("0.01"))
    world.wait(10)
    assert world.ask(limit_order("0.01"))


def test_a_retry_after_a_time_out_is_neither_refused_nor_bound_twice():
    """A bot that lost the answer asks again with the same id."""
    world = World(max_open_orders=1, max_order_rate={"count": 1, "window_s": 60})
    first = world.ask(limit_order("0.5", name="one"))
    again = world.ask(limit_order("0.5", name="one"))
    assert again.replayed
    assert again.decision_id == first.decision_id
    assert world.tracker.account.orders == 1


def test_a_bot_that_never_sends_what_was_approved_does_not_fill_up_its_own_limits():
    world = World(max_open_orders=3, max_quote_age_s=3600)
    for _ in range(10):
        assert world.ask(limit_order("0.5"))
        world.wait(10)
    assert world.tracker.account.orders == 0


def test_cancels_are_not_our_business():
    """Vnpy #323: never block cancels. No rule, no state ever sees one."""
    world = World(max_open_orders=1)
    world.report("o1", base_size="0.1", limit_price=60000)
    world.send(ev.HaltRequested, reason="stop")
    world.report("o1", status="CANCELLED", base_size="0.1", limit_price=60000)
    assert world.tracker.account.orders == 0


# --- Kills that were forgotten ---------------------------------------------------------------------


def crashed(**limits):
    world = World(max_cumulative_loss="0.25", **limits)
    world.hold(1)
    for price in (39000, 38999, 38998):
        world.wait(1)
        world.quote("BTC-USD", price)
    return world


def test_a_halt_lets_nothing_pass():
    """Hummingbot #2534: the kill fired, raised, kept ordering."""
    world = World()
    world.hold(1)
    world.send(ev.HaltRequested, reason="stop")
    for body in (limit_order(), sell_order(1), market_order("0.1", side="SELL")):
        assert world.ask(body).codes == ("STATE_HALTED",)


def test_a_kill_is_not_re_baselined_by_its_own_liquidation():
    """LEAN: the drawdown model liquidates, then re-baselines and trades on."""
    world = crashed()
    world.fill("SELL", 1, 38998)
    world.send(ev.LiquidationEnded, flat=True)
    world.wait(to=START + timedelta(days=10))
    assert state(world) == "HALTED"
    told = world.send(ev.ResumeRequested, reason="on we go")
    assert state(world) == "HALTED", told
    assert breaks(world.ask(limit_order()), "MAX_CUMULATIVE_LOSS")


def test_a_kill_is_not_forgotten_by_a_restart():
    """The process that halts and the one that comes back are one."""
    assert state(restarted(crashed())) == "LIQUIDATING"


def test_a_kill_survives_new_limits():
    """Raising the limit does not call an episode off; the operator's resume would."""
    world = crashed()
    world.send(ev.LimitsReplaced, limits=Limits(max_cumulative_loss="0.9"))
    assert state(world) == "LIQUIDATING"


def test_a_breaker_does_not_stay_stuck_when_its_loss_was_accepted():
    """LEAN #4846, #7104: the breaker is stuck after liquidation."""
    world = crashed()
    world.fill("SELL", 1, 38998)
    world.send(ev.LiquidationEnded, flat=True)
    world.send(ev.LossReset, window="cumulative", reason="accepted")
    world.send(ev.ResumeRequested, reason="on we go")
    assert state(world) == "ACTIVE"


def test_the_breaker_fires_at_its_limit_not_before():
    """Freqtrade #11726: fired at 0.79 % instead of 2 %."""
    world = World(max_daily_loss="0.02")
    world.hold(1)
    world.quote("BTC-USD", "62000.01")
    assert state(world) == "ACTIVE"
    world.quote("BTC-USD", 62000)
    assert state(world) == "REDUCE_ONLY"


def test_trading_that_stopped_does_not_stop_counting():
    """Freqtrade #4837: 'stopped trading', and the loss went from 10 to 40 %."""
    world = World(max_daily_loss="0.1", max_cumulative_loss="0.25")
    world.hold(1)
    world.quote("BTC-USD", 54000)
    assert state(world) == "REDUCE_ONLY"
    for price in (39000, 38999, 38998):
        world.wait(1)
        world.quote("BTC-USD", price)
    assert state(world) == "LIQUIDATING"


def test_the_drawdown_is_from_the_peak():
    """Hummingbot #2969."""
    world = World(max_drawdown="5000 USD")
    world.hold(1)
    for price in (70000, 65000):
        world.stand("BTC-USD", price)
    assert state(world) == "REDUCE_ONLY"


def test_an_equity_base_of_zero_divides_nothing_and_sells_nothing():
    world = World(cash=0, max_daily_loss="0.1", max_cumulative_loss="0.25", max_leverage=5)
    world.balance("BTC", 0)
    world.fill("BUY", 1, 64000)
    actions = [*world.quote("BTC-USD", 100), *world.wait(10), *world.quote("BTC-USD", 99)]
    assert not of_kind(actions, Liquidate)
    assert state(world) == "REDUCE_ONLY"


def test_one_bad_tick_sells_nothing():
    world = World(max_cumulative_loss="0.25")
    world.hold(1)
    assert of_kind(world.quote("BTC-USD", "0.01"), CauseRaised)
    world.wait(1)
    world.quote("BTC-USD", 64000)
    assert state(world) == "ACTIVE"


def test_a_gap_in_an_empty_list_does_not_clear_a_halt():
    """Elsewhere: an empty list from a failed fetch cleared a halt."""
    world = crashed()
    before = state(world)
    world.send(ev.BalancesRead, balances=(), fills_until=world.now)
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    world.send(ev.FuturesRead, positions=(), fills_until=world.now)
    assert state(world) == before == "LIQUIDATING"


# --- Times and ids ---------------------------------------------------------------------------------


def test_an_order_in_flight_is_not_called_gone_because_a_listing_misses_it():
    """A time-out is unknown, not failed: the reservation stays until the search is answered."""
    world = connected()
    world.ask(limit_order("0.5", name="one"))
    world.wait(10)
    world.send(ev.OpenOrdersListed, order_ids=(), began_at=world.now)
    assert list(world.tracker.ledger.reservations) == ["one"]


def test_an_id_used_up_long_ago_is_not_used_again():
    """Coinbase would answer with the old order."""
    world = World()
    world.report(
        "o1",
        client_order_id="one",
        status="FILLED",
        base_size="0.1",
        filled="0.1",
        average_price=64000,
    )
    world.wait(3600)
    world.quote("BTC-USD", 64000)
    assert breaks(world.ask(limit_order("0.1", name="one")), "DUPLICATE_CLIENT_ORDER_ID")


def test_a_release_of_what_has_arrived_frees_nothing():
    """The bot gives up just when the order appears."""
    world = World()
    world.ask(limit_order("0.5", name="one"))
    world.report("o1", client_order_id="one", base_size="0.5", limit_price=64000)
    before = memory(world)
    world.manager.release_order("one")
    assert memory(world) == before


def test_a_clock_set_back_unlocks_nothing():
    world = World(max_daily_loss="0.1", max_order_rate={"count": 1, "window_s": 60})
    world.hold(1)
    world.ask(limit_order("0.01"))
    world.quote("BTC-USD", 54000)
    world.now -= timedelta(hours=2)
    decision = world.ask(limit_order("0.02", 54000))
    assert {"STATE_REDUCE_ONLY", "MAX_ORDER_RATE"} <= set(decision.codes)


def test_a_limit_set_to_refuse_everything_refuses_everything():
    """A zero is a limit, not an unset one."""
    assert not World(max_open_orders=0).ask(limit_order())
    assert not World(allow_products=()).ask(limit_order())
