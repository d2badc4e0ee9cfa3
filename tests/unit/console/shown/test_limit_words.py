"""Limits as people read them."""

from decimal import Decimal

import pytest

from sidecar.console.shown.limit_words import (
    MULTIPLES,
    PERCENT,
    SHARES,
    SIZES,
    USD,
    changed,
    told,
)
from sidecar.core.judging.rules import RULES
from sidecar.core.judging.rules.rule import Measured
from sidecar.core.vocabulary.limit_changes import changes
from sidecar.core.vocabulary.limit_settings import LossLimit, MarketShock, PriceShock, Quota
from sidecar.core.vocabulary.limits import Limits, StrategyLimits

LOSSES = {"max_daily_loss", "max_weekly_loss", "max_monthly_loss", "max_drawdown", "max_cumulative_loss"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "scope", "said"),
    [
        ("max_daily_loss", "0.1", "", "10 %"),
        ("max_daily_loss", "500 USD", "", "500 USD"),
        ("max_drawdown", "1234.50 USD", "", "1,234.5 USD"),
        ("max_order_notional", "5000", "", "5,000 USD"),
        ("max_leverage", "2", "", "2×"),
        ("max_concentration", "0.125", "", "12.5 %"),
        ("min_liquidation_buffer", "120", "", "120 %"),
        ("max_quote_age_s", "10", "", "10 s"),
        ("max_open_orders", 20, "", "20"),
        ("max_position_size", "0.5", "", "0.5"),
        ("max_position_size", "0.5", "product:BTC-USD", "0.5 BTC"),
        ("max_position_size", "0.5", "strategy:mean-rev", "0.5"),
        ("max_position_size", "0.5", "product:BIT-26FEB27-CDE", "0.5"),
        ("max_order_rate", {"count": 5, "window_s": "60"}, "", "5 in 60 s"),
        ("max_notional_in", {"usd": "5000", "window_s": "60"}, "", "5,000 USD in 60 s"),
        ("max_loss_in", [{"window": "4h", "limit": "0.03"}, {"window": "7d", "limit": "0.1"}], "", "3 % in 4h, 10 % in 7d"),
        ("losing_streak", {"trades": 3, "cool_down": "2h"}, "", "3, with a cool-down of 2h"),
        ("trading_hours", {"zone": "UTC", "windows": ["Mon 09:00-17:00", "Tue 09:00-12:00"]}, "", "Mon 09:00-17:00, Tue 09:00-12:00 UTC"),
        (
            "price_shock", {"max_move": "0.05", "window_s": "20", "max_loss_from_entry": None, "action": "reduce_only"}, "",
            "max move 5 %, window 20 s, action reduce_only",
        ),
        ("market_shock", {"fall": "0.05", "window": "5m", "products": ["BTC-USD", "ETH-USD"]}, "", "fall 5 %, window 5m, products BTC-USD, ETH-USD"),
        ("block_products", [], "", "none"),
        ("no_adding", True, "", "yes"),
        ("no_adding", False, "", "no"),
        ("max_drawdown", None, "", "none"),
        ("loosen_after", "4h", "", "4h"),
    ],
)  # fmt: skip
def test_a_limit_is_told_with_its_unit(name, value, scope, said):
    assert told(name, value, scope) == said


def test_a_change_is_told_in_the_same_words():
    """Every one of a file that differs in each kind of value."""
    before = Limits(
        max_daily_loss="0.1",
        max_order_rate={"count": 5, "window_s": 10},
        product={"BTC-USD": {"max_position_size": 1}},
    )
    after = Limits(
        max_daily_loss="500 USD",
        max_loss_in=[{"window": "4h", "limit": "0.03"}],
        product={"BTC-USD": {"max_position_size": 2}},
    )
    said = {
        one.path: (changed(one.path, one.before), changed(one.path, one.after))
        for one in changes(before, after)
    }
    assert said == {
        "max_daily_loss": ("10 %", "500 USD"), "max_order_rate": ("5 in 10 s", "not set"),
        "max_loss_in": ("not set", "3 % in 4h"), 'product."BTC-USD".max_position_size': ("1 BTC", "2 BTC"),
    }  # fmt: skip


def test_the_units_are_those_of_the_rules():
    by_rule = {rule.limit: rule.unit for rule in RULES if isinstance(rule, Measured)}
    for unit, names in (("share", SHARES), ("usd", USD), ("times", MULTIPLES), ("size", SIZES)):
        ruled = {name for name, own in by_rule.items() if own == unit}
        assert ruled - {"max_notional_in", "no_adding"} <= names
        assert names & set(by_rule) <= ruled | LOSSES


def test_every_number_that_may_be_configured_has_a_unit_or_is_a_count():
    tables = (Limits, StrategyLimits, PriceShock, MarketShock, Quota)
    numbers = {
        name
        for table in tables
        for name, field in table.model_fields.items()
        if any(kind in str(field.annotation) for kind in (Decimal.__name__, LossLimit.__name__))
    }
    unknown = numbers - SHARES - USD - MULTIPLES - PERCENT - SIZES
    assert all(name.endswith("_s") for name in unknown), unknown
