"""The demo's bot: it must not trade its account into a limit within a day, by fees alone."""

from decimal import Decimal
from pathlib import Path

from sidecar import demo_bot
from sidecar.config.loader import load_config, parse_config
from sidecar.console.commands.demo import EMBEDDED
from sidecar.demonstration import STEP, STEPS

ROOT = Path(__file__).parents[2]
DAY_S = 86_400


def test_fees_of_a_day_are_half_the_days_limit_at_most():
    """As if each order took, and the greedy ones were cut to the largest that passes."""
    for config in (load_config(ROOT / "config" / "paper.toml"), parse_config("", EMBEDDED)):
        limits, paper = config.limits, config.paper
        usual = Decimal(sum(demo_bot.SIZES_USD)) / len(demo_bot.SIZES_USD)
        greedy, turns = Decimal(str(demo_bot.GREEDY)), Decimal(DAY_S / demo_bot.EVERY_S)
        worth = usual * (1 - greedy) + limits.max_order_notional * greedy
        lost = turns * worth * paper.taker_fee
        assert lost <= paper.balances["USD"] * limits.max_daily_loss.ratio / 2


def test_before_a_crash_it_buys_as_much_as_a_fall_makes_a_loss_of_the_day():
    """Every coin at its limit, and a wave of the crash: more than the day may lose."""
    config = load_config(ROOT / "config" / "paper.toml")
    left = (1 + STEP) ** STEPS
    held = config.limits.max_position_notional * len(demo_bot.PRODUCTS)
    fallen = held * (1 - left)
    assert fallen > config.paper.balances["USD"] * config.limits.max_daily_loss.ratio
    assert (
        held * (1 - left**2)
        > config.paper.balances["USD"] * config.limits.max_cumulative_loss.ratio
    )
