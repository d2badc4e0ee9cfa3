"""A deposit that more than doubles the account while a loss limit is in use is told, and what trips it."""

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert
from tests.decisions import of_kind, restarted
from tests.scenario import D, World

LIMITS = {"max_daily_loss": "0.1", "max_drawdown": "0.2", "max_cumulative_loss": "0.4"}


def told(actions):
    return [one.text for one in of_kind(actions, Alert) if one.code == "DEPOSIT_UNDER_LIMIT"]


def lost(usd, **limits):
    """An account of 100,000 USD that lost so much of it by trading, and holds nothing else."""
    world = World(**limits)
    world.hold(1)
    world.fill("SELL", 1, 64_000 - usd)
    world.wait(31)  # until then a reading may lack these
    return world


def deposit(world, amount, currency="USD"):
    """Read twice, as every transfer is; what is told on the way."""
    wallet = world.tracker.wallets.get(currency)
    found, total = [], wallet.total + amount
    for _ in range(2):
        world.wait(3)
        found += told(world.balance(currency, total))
    return found


def test_it_says_how_much_of_the_new_money_trips_each_limit_and_what_mends_it():
    """9 % lost, 91,000 become 191,000: each window's base grows with it, from 100,000 to 209,890.11."""
    (text,) = deposit(lost(9_000, **LIMITS), 100_000)
    assert text == (
        "a deposit of 100000 USD more than doubled the account, whose loss limits are in use: "
        "the daily loss is 9 %, its limit 10 %: 2098.9 USD more, 1.1 % of the account, reach it; "
        "reset-loss daily has it count from now; "
        "the drawdown loss is 9 %, its limit 20 %: 23087.91 USD more, 12.09 % of the account, "
        "reach it; reset-loss drawdown has it count from now"
    )


@pytest.mark.parametrize(("more", "stops"), [("2098.89", False), ("2098.91", True)])
def test_the_loss_it_names_is_the_one_that_trips_the_limit(more, stops):
    world = lost(9_000, **LIMITS)
    deposit(world, 100_000)
    world.hold(1)
    world.fill("SELL", 1, D(64_000) - D(more))
    assert world.manager.state.has("DAILY_LOSS") == stops


@pytest.mark.parametrize(("usd", "limits"), [(2_500, 0), (2_501, 1)])
def test_a_quarter_of_a_limit_is_not_in_use(usd, limits):
    assert len(deposit(lost(usd, max_daily_loss="0.1"), 200_000)) == limits


@pytest.mark.parametrize(("amount", "alerts"), [(91_000, 0), (91_001, 1), (-50_000, 0)])
def test_only_what_more_than_doubles_the_account_is_told(amount, alerts):
    assert len(deposit(lost(9_000, max_daily_loss="0.1"), amount)) == alerts


def test_a_coin_counts_by_its_mark():
    assert deposit(lost(9_000, max_daily_loss="0.1"), 2, "BTC")


def test_a_limit_in_usd_is_as_far_used_whatever_the_account_holds():
    assert not deposit(lost(9_000, max_daily_loss="10000 USD"), 100_000)


def test_a_limit_that_is_reached_is_told_by_its_cause():
    world = lost(11_000, max_daily_loss="0.1")
    assert world.manager.state.has("DAILY_LOSS")
    assert not deposit(world, 100_000)


def test_a_limit_of_one_product_names_its_scope():
    (text,) = deposit(lost(9_000, product={"BTC-USD": {"max_daily_loss": "0.1"}}), 100_000)
    assert "the daily loss in product:BTC-USD is 9 %, its limit 10 %" in text


def test_an_account_of_nothing_has_no_limit_in_use():
    """Below `min_equity` no ratio is taken, and a deposit that lifts it begins each window anew."""
    world = lost(9_000, max_daily_loss="0.1")
    deposit(world, -91_000)
    assert not deposit(world, 40)
    assert not deposit(world, 100_000)


def test_what_was_there_before_the_windows_began_is_no_deposit():
    world = World(products=(), max_daily_loss="0.1")
    assert not told(world.balance("USD", 100_000))


def test_after_a_restart_only_new_deposits_count():
    world = lost(9_000, max_daily_loss="0.1")
    assert deposit(world, 100_000)
    world = restarted(world)
    assert not told(world.wait(1))
    assert deposit(world, 200_000)


def test_a_reset_takes_the_limit_out_of_use():
    world = lost(9_000, max_daily_loss="0.1")
    world.send(ev.LossReset, window="daily", reason="x")
    assert not deposit(world, 100_000)
