"""Market shock: BTC at 64,000 and ETH at 2,000; half of the coins 5 % below their highest within 5 minutes."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Alert,
    CancelOrders,
    CauseCleared,
    CauseRaised,
    Liquidate,
)
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import connected, of_kind, restarted, sell_order, the
from tests.scenario import FUTURE, START, D, World, limit_order, product

SHOCK = {"fall": "0.05", "window": "5m", "share": "0.6"}
COINS = ("BTC", "ETH", "SOL", "XRP", "ADA")
FIRST = {"BTC": 64_000, "ETH": 2_000}
PRODUCTS = tuple(product(f"{coin}-USD") for coin in COINS)


def market(coins=2, **shock):
    """So many coins, which have stood at their first prices for two seconds."""
    world = World(
        products=PRODUCTS[:coins],
        market_shock=SHOCK | shock,
        max_quote_age_s=3600,
        max_mark_age_s=60,
    )
    for _ in range(3):
        prices(world, *[1_000] * coins)
    return world


def prices(world, *thousandths, every_s=1):
    """The coins' next prices, a second later, in thousandths of the first; None: no quote."""
    world.now += timedelta(seconds=every_s)
    quotes = []
    for coin, part in zip(COINS, thousandths, strict=False):
        if part is not None:
            price = D(part) * FIRST.get(coin, 1_000) / 1_000
            quotes.append(ev.Quote(f"{coin}-USD", price, price, world.now))
    return world.send(ev.Quotes, quotes=tuple(quotes))


def raised(actions):
    return [one for one in of_kind(actions, CauseRaised) if one.code == "MARKET_SHOCK"]


@pytest.mark.parametrize(
    ("quoted", "shocks"),
    [
        ((950, 950, 950, 1000, 1000), True),
        (("950.01", 950, 950, 1000, 1000), False),
        ((950, 950, 1000, 1000, 1000), False),
        ((900, 900, 900, 900, 900), True),
        ((2000, 2000, 2000, 2000, 2000), False),
    ],
    ids=["three of five", "one a bit higher", "two of five", "all", "all rise"],
)
def test_a_share_of_the_coins_falls_together_exactly_at_the_limits(quoted, shocks):
    assert bool(raised(prices(market(5), *quoted))) == shocks


def test_the_account_is_reduce_only_until_the_lockout_is_over_whatever_prices_do_next():
    world = market()
    world.hold(1)
    (cause,) = raised(prices(world, 950, 950))
    assert (cause.scope, cause.level) == ("all", "REDUCE_ONLY")
    assert cause.clears_at == world.now + timedelta(hours=1)
    assert cause.reason == (
        "2 of 2 coins (BTC, ETH) stand 5 % or more below their highest within 5m; 60 % of the coins make a market shock"
    )
    prices(world, 1_000, 1_000)
    found = the(world.ask(limit_order("0.1", 2_000, product_id="ETH-USD")), "MARKET_SHOCK")
    assert (found.scope, found.message, found.clears_at) == ("all", cause.reason, cause.clears_at)
    assert world.ask(sell_order("0.1"))
    world.wait(3598.999)
    assert world.manager.state.has("MARKET_SHOCK")
    (cleared,) = of_kind(world.wait(0.001), CauseCleared)
    assert cleared.reason == "its time is over"


def test_a_lockout_may_be_configured():
    (cause,) = raised(prices(market(lockout="10m"), 950, 950))
    assert cause.clears_at == START + timedelta(seconds=4, minutes=10)


def test_coins_that_fall_one_after_the_other_fall_together_within_the_window():
    world = market()
    assert not raised(prices(world, 950, 1_000))
    assert raised(prices(world, 950, 950, every_s=200))


@pytest.mark.parametrize(("later_s", "shocks"), [(300, True), (301, False)])
def test_a_high_counts_until_it_is_as_old_as_the_window(later_s, shocks):
    world = market()
    prices(world, 960, 960)  # no fall of 5 %, and it stands at the first price no more
    assert bool(raised(prices(world, 950, 950, every_s=later_s))) == shocks


@pytest.mark.parametrize(("silence_s", "shocks"), [(301, True), (360, True), (361, False)])
def test_a_price_stands_through_a_silence_for_as_long_as_a_mark_is_good(silence_s, shocks):
    """A minute here: a fall within the window and that minute is one, and one of hours is not."""
    assert bool(raised(prices(market(), 950, 950, every_s=silence_s))) == shocks


def test_after_a_silence_a_coin_that_is_quoted_first_is_not_the_whole_market():
    world = market(3)
    assert not raised(prices(world, 900, None, None, every_s=330))
    assert not raised(prices(world, 900, 1_000, None))
    assert raised(prices(world, 900, 900, None))


def test_a_tick_upwards_before_a_silence_is_no_price_that_stood():
    world = market()
    prices(world, 1_100, 1_100)
    assert not raised(prices(world, 1_000, 1_000, every_s=30))
    assert not raised(prices(world, "950.01", "950.01"))


def test_a_silence_of_a_process_that_was_down_is_one_too():
    world = restarted(market())
    assert raised(prices(world, 950, 950, every_s=340))


def test_the_highest_within_the_window_counts_and_not_the_last():
    world = market()
    for price in (1_100, 1_100, 1_100, 1_090, 1_080, 1_060):
        assert not raised(prices(world, price, price))
    assert raised(prices(world, 1_045, 1_045))


def test_a_tick_upwards_makes_no_fall_of_what_follows_it():
    """Nor do two of them: a price is one that it has stood at for two seconds, over three samples."""
    world = market(action="flatten")
    world.hold(1)
    for price in (1_100, 1_100, 1_000, 1_000, 1_000):
        assert not raised(prices(world, price, price))
    for _ in range(3):
        prices(world, 1_100, 1_100, every_s=0.5)
    assert not raised(prices(world, 1_000, 1_000))


def test_a_coin_that_is_quoted_seldom_stands_by_as_many_samples():
    world = market()
    for price in (1_100, 1_100, 1_100):
        prices(world, price, price, every_s=40)
    assert raised(prices(world, 1_045, 1_045, every_s=40))


def test_a_shock_under_way_raises_no_second_cause():
    world = market()
    assert raised(prices(world, 950, 950))
    assert not raised(prices(world, 900, 900))


def test_marks_are_sampled_once_a_second():
    """The first of a second counts, as for the price shock."""
    world = market()
    assert not raised(prices(world, 900, 900, every_s=0.1))
    assert raised(prices(world, 900, 900))


def test_a_clock_that_was_set_back_begins_anew():
    world = market()
    world.now -= timedelta(seconds=100)
    assert not raised(prices(world, 900, 900))


def test_coins_without_a_quote_count_as_long_as_they_stood_within_the_window():
    """Two of five are quoted still: both have fallen."""
    world = market(5)
    for _ in range(4):
        prices(world, 1_000, 1_000, every_s=60)
    assert not raised(prices(world, 950, 950))
    for _ in range(3):
        prices(world, 1_000, 1_000, every_s=60)
    for _ in range(3):
        prices(world, 1_000, 1_000)
    assert raised(prices(world, 950, 950))


def test_cash_and_contracts_are_no_coins():
    world = World(market_shock=SHOCK | {"share": "1"}, max_mark_age_s=3600)
    for book, price in (("BTC-USD", 64_000), ("ETH-USD", 2_000), (FUTURE, 64_000)):
        world.stand(book, price)
    world.now += timedelta(seconds=1)
    world.quote("BTC-USD", 60_000)
    world.quote(FUTURE, 60_000)
    assert not world.manager.state.has("MARKET_SHOCK")
    world.quote("ETH-USD", 1_800)
    assert world.manager.state.has("MARKET_SHOCK")


def test_named_products_alone_count_and_each_of_them():
    """ETH is not quoted any more: one of two has fallen, though the only one that is live."""
    named = {"products": ("BTC-USD", "ETH-USD", "GONE-USD")}
    assert not raised(prices(market(5, **named), 1_000, 1_000, 500, 500, 500))
    world = market(5, **named)
    assert not raised(prices(world, 900, None, 900, 900, every_s=61))
    assert raised(prices(world, 900, 900))


def test_a_named_product_that_is_not_listed_is_told():
    world = World()
    limits = Limits(market_shock=SHOCK | {"products": ("GONE-USD", "BTC-USD")})
    (alert,) = of_kind(world.send(ev.LimitsReplaced, limits=limits), Alert)
    assert alert.code == "LIMIT_WITHOUT_PRODUCT"
    assert alert.text == "no listed product is named GONE-USD: market_shock does not follow it"


def test_a_shock_names_some_of_many_coins():
    names = [f"C{number}" for number in range(7)]
    world = World(products=[product(f"{name}-USD") for name in names], market_shock=SHOCK)
    actions = []
    for price in (100, 100, 100, 90):
        world.now += timedelta(seconds=1)
        quotes = tuple(ev.Quote(f"{name}-USD", D(price), D(price), world.now) for name in names)
        actions = world.send(ev.Quotes, quotes=quotes)
    (cause,) = raised(actions)
    assert cause.reason.startswith("7 of 7 coins (C0, C1, C2, C3, C4 and 2 more) stand")


def test_the_rate_of_usdc_is_no_fall_of_the_coins_quoted_in_it():
    world = market()
    world.manager.shocks.begin_again({"BTC"})
    assert set(world.manager.shocks.market.memory.coins) == {"ETH"}


def test_without_the_limit_nothing_is_remembered():
    world = market()
    shock = Limits(price_shock={"max_move": "0.5"})
    world.send(ev.LimitsReplaced, limits=shock)
    prices(world, 950, 950)
    assert world.manager.shocks.market.memory.coins == {}


# --- Orders that add --------------------------------------------------------------------------------


def test_where_a_coin_fell_that_is_held_what_adds_is_cancelled_and_elsewhere_not():
    for held, cancelled in ((1, [("buy",)]), (0, [])):
        world = market()
        if held:
            world.hold(held)
        world.report("buy", leaves="0.1", limit_price=50_000)
        actions = prices(world, 950, 950)
        assert [one.order_ids for one in of_kind(actions, CancelOrders)] == cancelled


# --- A sale of the account --------------------------------------------------------------------------


def selling(coins=2, **fields):
    world = market(coins, action="flatten", **fields)
    world.hold(1)
    return world


def fall(world, *quoted, times=1):
    return [action for _ in range(times) for action in prices(world, *quoted)]


def test_a_shock_sells_once_it_has_stood_for_two_seconds_over_three_samples():
    world = selling()
    assert not of_kind(fall(world, 950, 950, times=2), Liquidate)
    assert world.manager.state.account == "REDUCE_ONLY"
    (begun,) = of_kind(fall(world, 950, 950), Liquidate)
    assert begun.reason.startswith("2 of 2 coins (BTC, ETH) stand 5 % or more below")
    assert world.manager.state.account == "LIQUIDATING"
    assert not of_kind(fall(world, 900, 900, times=5), Liquidate)


def test_a_tick_that_passes_sells_nothing():
    world = selling()
    fall(world, 900, 900, times=2)
    fall(world, 1_000, 1_000)
    assert not of_kind(fall(world, 900, 900, times=2), Liquidate)


def test_each_of_so_many_coins_must_have_stood_that_low():
    """Three of five are needed: the third comes two seconds after the others."""
    world = selling(5)
    fall(world, 900, 900, 1_000, 1_000, 1_000, times=2)
    assert not of_kind(fall(world, 900, 900, 900, 1_000, 1_000, times=2), Liquidate)
    assert of_kind(fall(world, 900, 900, 900, 1_000, 1_000), Liquidate)


def test_without_holdings_there_is_nothing_to_sell():
    assert not of_kind(fall(market(action="flatten"), 900, 900, times=5), Liquidate)


def test_while_an_operator_has_halted_everything_nothing_is_sold_which_is_told_once():
    world = selling()
    world.send(ev.HaltRequested, reason="lunch")
    actions = fall(world, 900, 900, times=9)
    assert not of_kind(actions, Liquidate)
    (alert,) = [one for one in of_kind(actions, Alert) if one.code == "NOT_SOLD"]
    assert alert.text.startswith("the account was to be sold: 2 of 2 coins")


def test_reduce_only_sells_nothing():
    world = market()
    world.hold(1)
    assert not of_kind(fall(world, 900, 900, times=5), Liquidate)


def test_the_next_shock_is_answered_anew():
    world = selling(lockout="10s")
    world.send(ev.HaltRequested, reason="lunch")
    fall(world, 900, 900, times=4)
    world.send(ev.ResumeRequested, reason="back")
    fall(world, 1_000, 1_000, times=11)
    assert not world.manager.state.causes
    assert of_kind(fall(world, 900, 900, times=3), Liquidate)


# --- Restarts ---------------------------------------------------------------------------------------


def test_a_lock_survives_a_restart():
    world = market()
    fall(world, 950, 950)
    again = restarted(world)
    assert not again.ask(limit_order("0.1", 60_800))
    again.wait(3600)
    prices(again, 950, 950)
    assert again.ask(limit_order("0.1", 60_800))


def test_half_a_shock_before_a_restart_counts_after_it():
    again = restarted(market())
    assert raised(prices(again, 950, 950))


def test_a_new_process_must_see_a_shock_anew_before_it_sells():
    world = connected(held=1, market_shock=SHOCK | {"action": "flatten"})
    world.stand("BTC-USD", 64_000)
    for _ in range(2):
        world.wait(1)
        world.quote("BTC-USD", 60_000)
        world.quote("ETH-USD", 1_800)
    world.send(ev.Started, unclean_since=world.now)
    assert {one.samples for one in world.manager.shocks.market.memory.coins.values()} == {0}


def test_after_a_restart_a_coin_that_is_quoted_first_is_not_the_whole_market():
    """One of five has fallen; the others stood within the window, though nothing was heard of them since."""
    world = market(5)
    prices(world, 900, 1000, 1000, 1000, 1000)
    again = restarted(world)
    assert not raised(prices(again, 900, every_s=90))
    assert raised(prices(again, 900, 900, 900))
    long_ago = restarted(world)
    assert not raised(prices(long_ago, 900, every_s=301))  # of which no high is left either
