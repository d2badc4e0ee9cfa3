"""Limits: typed, frozen, scoped, and every fault reported at once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from sidecar.core.vocabulary.limit_settings import LossLimit, MarketShock, PriceShock, Rate
from sidecar.core.vocabulary.limits import Limits, ProductLimits, StrategyLimits
from tests.scenario import D


def faults(**limits):
    with pytest.raises(ValidationError) as caught:
        Limits(**limits)
    return {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}


def test_nothing_is_limited_unless_it_is_set():
    limits = Limits()
    unset = {name for name in Limits.model_fields if getattr(limits, name) in (None, (), {}, False)}
    assert Limits.model_fields.keys() - unset == {
        "max_quote_age_s",
        "max_depth_age_s",
        "max_mark_age_s",
        "max_spread",
        "market_order_slippage",
        "min_equity",
        "on_loss",
        "stale_confirm_s",
    }


def test_numbers_may_be_text_whole_or_decimal_and_stay_exact():
    for value in ("0.1", 0.1, D("0.1")):
        assert Limits(max_order_size=value).max_order_size == D("0.1")
    assert Limits(max_order_size=5).max_order_size == 5


@pytest.mark.parametrize("value", [0, -1, "NaN", "Infinity", True, None.__class__, "x", "1" * 41, [], "", float("nan"), float("inf")])  # fmt: skip
def test_an_amount_is_a_positive_number(value):
    assert list(faults(max_order_size=value)) == ["max_order_size"]


@pytest.mark.parametrize(("name", "good", "bad"), [("price_collar", 1, "1.01"), ("max_var", 1, 2), ("max_leverage", 1000, 1001), ("max_quote_age_s", 86400, 86401), ("max_spread", "0.5", 0), ("market_order_slippage", 0, "1.1"), ("max_open_orders", 0, -1), ("max_open_orders", 1_000_000, 1_000_001)])  # fmt: skip
def test_every_bound_is_tight(name, good, bad):
    assert getattr(Limits(**{name: good}), name) == D(good)
    assert list(faults(**{name: bad})) == [name]


@pytest.mark.parametrize("count", [1.5, "3", True])
def test_a_count_is_a_whole_number(count):
    assert list(faults(max_open_orders=count)) == ["max_open_orders"]


def test_an_unknown_key_is_a_fault():
    assert list(faults(max_ordr_size=1)) == ["max_ordr_size"]
    assert list(faults(product={"BTC-USD": {"max_leverage": 1}})) == [
        "product.BTC-USD.max_leverage"
    ]
    assert list(faults(strategy={"momo": {"price_shock": {"max_move": "0.1"}}})) == [
        "strategy.momo.price_shock"
    ]


def test_all_faults_are_reported_at_once_with_their_paths():
    found = faults(
        max_order_size=-1,
        max_daily_loss="much",
        product={"BTC-USD": {"max_position_size": 0}, "": {}},
        strategy={"x" * 65: {}},
        max_order_rate={"count": 0, "window_s": 0},
        nonsense=1,
    )
    assert len(found) == 8


def test_limits_cannot_be_changed():
    with pytest.raises(ValidationError):
        Limits().max_order_size = D(1)  # type: ignore[misc]


# --- Losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("0.10", LossLimit(ratio=D("0.10"))), (0.1, LossLimit(ratio=D("0.1"))), (1, LossLimit(ratio=D(1))),
        ("500 USD", LossLimit(usd=D(500))), (" 500.50USD ", LossLimit(usd=D("500.50"))),
        ({"usd": "7"}, LossLimit(usd=D(7))), (LossLimit(usd=D(7)), LossLimit(usd=D(7))),
    ],
)  # fmt: skip
def test_a_loss_is_a_ratio_or_money(value, limit):
    assert Limits(max_daily_loss=value).max_daily_loss == limit


@pytest.mark.parametrize("value", ["0", "-0.1", "1.5", 2, "0 USD", "-5 USD", "5 EUR", "x USD", "", "NaN", True, "NaN USD", {}, {"usd": 1, "ratio": 1}, "1e999 USD"])  # fmt: skip
def test_what_is_no_loss_is_refused(value):
    assert list(faults(max_daily_loss=value)) == ["max_daily_loss"]


@pytest.mark.parametrize(
    "value", [{"usd": -5}, {"usd": 0}, {"ratio": 2}, {"ratio": "NaN"}, {"usd": "Infinity"}]
)
def test_a_loss_written_as_a_table_is_bounded_alike(value):
    """A limit below zero would always fire, one that is no number never."""
    assert faults(max_daily_loss=value)


def test_a_ratio_above_one_says_what_was_meant():
    assert 'write "500 USD"' in faults(max_daily_loss=500)["max_daily_loss"]


@pytest.mark.parametrize(("limit", "text"), [("0.10", "0.1"), ("500.00 USD", "500 USD")])
def test_a_loss_reads_as_it_is_written(limit, text):
    assert str(Limits(max_daily_loss=limit).max_daily_loss) == text


def test_limits_survive_json():
    limits = Limits(
        max_daily_loss="0.1", max_drawdown="500 USD", max_order_size="0.1",
        max_order_rate={"count": 5, "window_s": "0.5"}, price_shock={"max_move": "0.01"},
        product={"BTC-USD": {"no_adding": True}}, strategy={"momo": {"max_net_exposure": 5, "budget": 100}},
        market_shock={"fall": "0.1", "window": "90s", "products": ("BTC-USD",)},
        losing_streak={"trades": 4, "cool_down": "2h"}, max_loss_in=[{"window": "240m", "limit": "0.03"}],
        trading_hours={"zone": "UTC", "windows": ["Mon 09:00-10:00"]}, shadow={"max_var": "0.1"}, allow_products=("BTC-USD",), custom=("a.b:c",),
    )  # fmt: skip
    assert Limits.model_validate_json(limits.model_dump_json()) == limits


# --- Tables ---------------------------------------------------------------------------------------


def test_a_rate_has_a_count_and_a_window():
    assert Limits(max_order_rate={"count": 1, "window_s": 1}).max_order_rate == Rate(
        count=1, window_s=D(1)
    )
    assert set(faults(max_order_rate={})) == {"max_order_rate.count", "max_order_rate.window_s"}


def test_a_shock_watches_something():
    assert "set max_move or max_loss_from_entry" in faults(price_shock={})["price_shock"]
    assert PriceShock(max_move=D("0.1")).lockout_s == 900
    assert PriceShock(max_loss_from_entry=D("0.1")).action == "reduce_only"


@pytest.mark.parametrize("written", [0, 300, "61 m", True, None, "0s", "-5m"])
def test_a_lockout_that_is_no_duration_is_told(written):
    told = faults(market_shock={"fall": "0.1", "lockout": written})["market_shock.lockout"]
    assert "write one such as" in told


def test_every_fault_of_a_market_shock_is_told_at_once():
    found = faults(
        market_shock={"fall": 0, "window": "61m", "share": "1.1", "products": (), "action": "sell"}
    )
    assert {name.removeprefix("market_shock.") for name in found} == {"fall", "window", "share", "products", "action"}  # fmt: skip
    assert "longer than an hour" in found["market_shock.window"]
    assert "is empty" in found["market_shock.products"]
    assert set(faults(market_shock={"products": ("btc",)})) == {
        "market_shock.fall",
        "market_shock.products.0",
    }


def test_a_market_shock_has_reasoned_defaults():
    shock = MarketShock(fall=D("0.1"))
    assert (shock.window, shock.share, shock.products) == (timedelta(minutes=5), D("0.5"), None)
    assert (shock.lockout, shock.action) == (timedelta(hours=1), "reduce_only")


def test_a_product_is_allowed_or_blocked_not_both():
    found = faults(allow_products=("BTC-USD", "ETH-USD"), block_products=("ETH-USD",))
    assert "ETH-USD is both" in next(iter(found.values()))


@pytest.mark.parametrize("name", ["", "   ", "x" * 65])
def test_a_name_is_short_and_not_blank(name):
    assert faults(block_products=(name,))


def test_narrower_scopes_have_no_limits_that_only_an_account_can_have():
    account_only = {
        "max_leverage",
        "max_drawdown",
        "max_cumulative_loss",
        "max_var",
        "max_concentration",
        "max_margin_drawdown",
        "market_shock",
    }
    assert not account_only & ProductLimits.model_fields.keys()
    assert not account_only & StrategyLimits.model_fields.keys()


def test_every_field_says_what_it_is():
    for model in (Limits, Rate, PriceShock, MarketShock, StrategyLimits):
        assert all(field.description for field in model.model_fields.values())


def test_a_window_is_a_time():
    assert Rate(count=1, window_s=Decimal("0.5")).window.total_seconds() == 0.5


def test_what_is_written_of_rolling_windows_is_told():
    assert "has no window" in faults(max_loss_in=[])["max_loss_in"]
    twice = [{"window": "60m", "limit": "0.1"}, {"window": "1h", "limit": "0.2"}]
    assert "has the window 1h twice" in faults(max_loss_in=twice)["max_loss_in"]


def test_every_fault_of_trading_hours_is_told_at_once():
    windows = ["Mon 09:00-12:00", "Mon 9-17", "Mon 11:00-13:00"]
    found = faults(trading_hours={"zone": "UTC", "windows": windows})
    assert {name.rsplit(".", 1)[1] for name in found} == {"1", "2"}
    assert 'has hours of "Mon 09:00-12:00" in it' in found["trading_hours.windows.2"]
    none = faults(trading_hours={"zone": "UTC", "windows": []})
    assert "has no window" in none["trading_hours.windows"]
    assert "trading_hours.windows" in faults(trading_hours={"zone": "UTC", "windows": "Mon"})
