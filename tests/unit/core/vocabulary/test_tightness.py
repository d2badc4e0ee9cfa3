"""Of two files of limits, key by key, the tighter: what cannot be shown to be tighter is looser."""

from typing import Any

import pytest
from pydantic import BaseModel

from sidecar.core.vocabulary.limit_settings import (
    LOSSES_IN_MAX,
    LosingStreak,
    MarketShock,
    PriceShock,
    Quota,
    Rate,
)
from sidecar.core.vocabulary.limits import Limits, ProductLimits, StrategyLimits
from sidecar.core.vocabulary.tightness import TIGHTEST, merged

TABLES: tuple[type[BaseModel], ...] = (
    Limits, ProductLimits, StrategyLimits, Rate, Quota, LosingStreak, PriceShock, MarketShock,
)  # fmt: skip
OFF = {"zone": "UTC", "windows": ["Mon-Fri 09:00-17:00"]}
LESS = {"zone": "UTC", "windows": ["Mon-Fri 09:30-12:00", "Fri 13:00-16:00"]}
ELSEWHERE = {"zone": "Europe/Rome", "windows": ["Mon 10:00-11:00"]}


def losses(**windows: str) -> list[dict[str, str]]:
    return [{"window": name.removeprefix("w"), "limit": limit} for name, limit in windows.items()]


# The key, a value, and one that is tighter.
TIGHTER: list[tuple[str, Any, Any]] = [
    ("max_order_notional", 5000, 4999),
    ("max_order_notional", None, 5000),
    ("max_open_orders", 1, 0),
    ("min_order_size", 1, 2),
    ("min_liquidation_buffer", None, 100),
    ("no_adding", False, True),
    ("max_order_rate", {"count": 5, "window_s": 10}, {"count": 5, "window_s": 11}),
    ("duplicate_order", {"count": 5, "window_s": 10}, {"count": 4, "window_s": 20}),
    ("max_notional_in", {"usd": 5, "window_s": 10}, {"usd": 4, "window_s": 10}),
    ("trading_hours", OFF, LESS),
    ("trading_hours", None, OFF),
    ("losing_streak", {"trades": 3, "cool_down": "1h"}, {"trades": 2, "cool_down": "2h"}),
    ("max_daily_loss", "0.1", "0.05"),
    ("max_drawdown", "500 USD", "400 USD"),
    ("max_cumulative_loss", None, "0.5"),
    ("max_order_slippage", "0.01", "0.005"),
    ("max_exit_cost", "500 USD", "400 USD"),
    ("max_depth_age_s", 30, 20),
    ("max_loss_in", losses(w4h="0.03"), losses(w4h="0.02")),
    ("max_loss_in", losses(w4h="0.03"), losses(w2h="0.03", w4h="0.03")),
    ("price_shock", {"max_move": "0.1"}, {"max_move": "0.1", "action": "flatten"}),
    ("price_shock", {"max_move": "0.1"}, {"max_move": "0.1", "max_loss_from_entry": "0.2"}),
    ("price_shock", {"max_move": "0.1"}, {"max_move": "0.1", "window_s": 30, "lockout_s": 1000}),
    ("market_shock", {"fall": "0.1"}, {"fall": "0.1", "share": "0.4", "lockout": "2h"}),
    ("loosen_after", "1h", "24h"),
    ("loosen_after", None, "1h"),
    ("resume_after", "1h", "3601s"),
    ("max_share_of_limits", "0.5", "0.3"),
    ("require", ("max_var",), ("max_var", "max_drawdown")),
    ("allow_products", None, ["BTC-USD"]),
    ("allow_products", ["BTC-USD", "ETH-USD"], ["ETH-USD"]),
    ("allow_products", ["BTC-USD"], []),
    ("block_products", ["BTC-USD"], ["ETH-USD", "BTC-USD"]),
    ("max_quote_age_s", 10, 5),
    ("stale_confirm_s", 300, 100),
    ("on_loss", "nothing", "cancel_adding"),
    ("product", {}, {"BTC-USD": {"max_order_size": 1}}),
    ("product", {"BTC-USD": {"max_order_size": 1}}, {"BTC-USD": {"max_order_size": "0.5"}}),
    ("strategy", {}, {"grid": {"budget": 100}}),
    ("strategy", {"grid": {}}, {"grid": {"own_positions_only": True}}),
    ("shadow", None, {"max_leverage": 2}),
    ("shadow", {"max_leverage": 2}, {"max_leverage": 1}),
]  # fmt: skip

# Two values of which neither can be shown to be the tighter one.
OTHER: list[tuple[str, Any, Any]] = [
    ("max_daily_loss", "0.1", "500 USD"),
    ("max_order_rate", {"count": 5, "window_s": 10}, {"count": 4, "window_s": 9}),
    ("max_loss_in", losses(w4h="0.03"), losses(w2h="0.03")),
    ("trading_hours", OFF, ELSEWHERE),
    ("market_shock", {"fall": "0.1"}, {"fall": "0.1", "products": ["BTC-USD"]}),
    ("max_spread", "0.05", "0.04"),
    ("max_mark_age_s", 60, 50),
    ("min_equity", 50, 60),
    ("market_order_slippage", "0.01", "0.02"),
    ("allow_products", ["BTC-USD"], ["ETH-USD"]),
    ("block_products", ["BTC-USD"], ["ETH-USD"]),
    ("custom", (), ("a:b",)),
]


def of(name: str, value: Any) -> Limits:
    return Limits(**{} if value is None else {name: value})


def test_every_key_has_a_row_and_every_row_a_key():
    keys = {name for table in TABLES for name in table.model_fields}
    assert keys == TIGHTEST.keys(), "its row goes into TIGHTEST of core/vocabulary/tightness.py"


@pytest.mark.parametrize(("name", "looser", "tighter"), TIGHTER)
def test_the_tighter_value_binds_and_the_looser_one_does_not(name, looser, tighter):
    one, other = of(name, looser), of(name, tighter)
    assert one != other
    assert merged(one, other) == other
    assert merged(other, one) == other


@pytest.mark.parametrize(("name", "one", "other"), OTHER)
def test_what_cannot_be_compared_does_not_take_the_place_of_what_is_in_force(name, one, other):
    for old, new in ((of(name, one), of(name, other)), (of(name, other), of(name, one))):
        assert merged(old, new) != new


def test_every_row_is_shown_in_these_examples():
    told = {name for name, _, _ in (*TIGHTER, *OTHER)}
    same = {  # those that are compared as one that is shown, and the keys of the tables within
        "max_order_size", "max_position_size", "max_position_notional", "price_collar", "max_gross_exposure",
        "max_net_exposure", "max_strategy_share", "budget", "own_positions_only", "max_leverage", "max_concentration",
        "max_var", "max_expected_shortfall", "max_stress_loss", "max_margin_drawdown", "max_weekly_loss",
        "max_monthly_loss", "count", "usd", "window_s", "trades", "cool_down", "max_move", "lockout_s",
        "max_loss_from_entry", "action", "fall", "window", "share", "products", "lockout",
    }  # fmt: skip
    assert told | same == TIGHTEST.keys(), "its two values go into TIGHTER, or its name here"
    like = {TIGHTEST[name] for name in told}
    numbers = {TIGHTEST[name] for name in same - {"action", "own_positions_only", "products"}}
    assert numbers <= like


def test_each_key_by_itself_and_each_part_of_a_value_that_has_parts():
    one = Limits(max_order_notional=5000, max_daily_loss="0.05", max_order_rate={"count": 5, "window_s": 10})  # fmt: skip
    other = Limits(max_order_notional=7000, max_daily_loss="0.02", max_order_rate={"count": 2, "window_s": 5})  # fmt: skip
    expected = Limits(max_order_notional=5000, max_daily_loss="0.02", max_order_rate={"count": 2, "window_s": 10})  # fmt: skip
    assert merged(one, other) == expected
    rate = merged(one, other).max_order_rate
    assert rate is not None
    assert rate.window.total_seconds() == 10


def test_a_removed_table_stays_and_an_added_one_binds():
    one = Limits(product={"BTC-USD": {"max_order_size": 1}}, shadow={"max_var": "0.1"})
    other = Limits(product={"ETH-USD": {"max_order_size": 2}})
    both = {"BTC-USD": {"max_order_size": 1}, "ETH-USD": {"max_order_size": 2}}
    assert merged(one, other) == Limits(product=both, shadow={"max_var": "0.1"})


def test_lists_of_products_are_narrowed_from_both_sides():
    one = Limits(allow_products=["BTC-USD", "ETH-USD"], block_products=["XRP-USD"])
    other = Limits(allow_products=["ETH-USD", "XRP-USD"], block_products=["SOL-USD"])
    found = merged(one, other)
    assert found.allow_products == ("ETH-USD",)
    assert set(found.block_products) == {"XRP-USD", "SOL-USD"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"allow_products": ["BTC-USD", "ETH-USD"]}, {"block_products": ["ETH-USD"]}),
        ({"block_products": ["ETH-USD"]}, {"allow_products": ["BTC-USD", "ETH-USD"]}),
    ],
)
def test_a_product_that_only_one_file_allows_and_the_other_blocks_is_blocked(one, other):
    found = merged(Limits(**one), Limits(**other))
    assert (found.allow_products, found.block_products) == (("BTC-USD",), ("ETH-USD",))


def test_more_rolling_windows_than_there_may_be_do_not_take_the_place_of_those_in_force():
    ten = losses(**{f"w{hours}h": "0.03" for hours in range(1, LOSSES_IN_MAX + 1)})
    one, other = Limits(max_loss_in=ten), Limits(max_loss_in=losses(w20h="0.03"))
    assert merged(one, other) == one


def test_a_table_for_a_name_that_may_not_be_used_is_no_tighter_limit():
    """Where only listed strategies may add, it would list one more."""
    one = Limits(strategy={"grid": {"budget": 100}})
    other = Limits(strategy={"grid": {"budget": 50}, "more": {"budget": 10_000}})
    assert merged(one, other, lambda name: name == "grid") == Limits(
        strategy={"grid": {"budget": 50}}
    )
    assert merged(one, other) == other


def test_a_file_merged_with_itself_or_one_that_it_came_from_stays_as_it_is():
    one = Limits(max_order_notional=5000, max_loss_in=losses(w4h="0.03"), loosen_after="24h")
    other = Limits(max_order_notional="5000.0", max_loss_in=losses(w4h="0.02"))
    assert merged(one, one) is one
    found = merged(one, other)
    assert merged(found, other) is found
    assert merged(found, one) is found
