"""The demo's bot: it must not trade its account into a limit within a day, by fees alone."""

from decimal import Decimal
from pathlib import Path

from sidecar import demo_bot
from sidecar.config.loader import load_config, parse_config
from sidecar.config.tables import Config
from sidecar.console.commands.demo import EMBEDDED
from sidecar.demonstration import STEP, STEPS

ROOT = Path(__file__).parents[2]
DAY_S = 86_400


def bounds(config: Config) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Its limits on an order and a position, USD, and on the loss of a day and in all, ratios."""
    limits = config.limits
    daily, cumulative = limits.max_daily_loss, limits.max_cumulative_loss
    assert limits.max_order_notional
    assert limits.max_position_notional
    assert daily
    assert daily.ratio
    assert cumulative
    assert cumulative.ratio
    return limits.max_order_notional, limits.max_position_notional, daily.ratio, cumulative.ratio


def test_fees_of_a_day_are_half_the_days_limit_at_most():
    """As if each order took, and the greedy ones were cut to the largest that passes."""
    for config in (load_config(ROOT / "config" / "paper.toml"), parse_config("", EMBEDDED)):
        (order, _, daily, _), paper = bounds(config), config.paper
        usual = Decimal(sum(demo_bot.SIZES_USD)) / len(demo_bot.SIZES_USD)
        greedy, turns = Decimal(str(demo_bot.GREEDY)), Decimal(DAY_S / demo_bot.EVERY_S)
        worth = usual * (1 - greedy) + order * greedy
        lost = turns * worth * paper.taker_fee
        assert lost <= paper.balances["USD"] * daily / 2


def test_before_a_crash_it_buys_as_much_as_a_fall_makes_a_loss_of_the_day():
    """Every coin at its limit, and a wave of the crash: more than the day may lose."""
    config = load_config(ROOT / "config" / "paper.toml")
    _, position, daily, cumulative = bounds(config)
    left, equity = (1 + STEP) ** STEPS, config.paper.balances["USD"]
    held = position * len(demo_bot.PRODUCTS)
    assert held * (1 - left) > equity * daily
    assert held * (1 - left**2) > equity * cumulative
