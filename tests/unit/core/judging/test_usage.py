"""How far limits are used, without an order: the same figures that the rules compare."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sidecar.core.judging.rules import RULES
from sidecar.core.judging.rules.rule import Measured
from sidecar.core.judging.usage import usage
from sidecar.core.value_at_risk.portfolio_risk import MEASURES, NoFigure, RiskFigure
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import AccountLimits, Limits
from tests.decisions import connected, only, sell_order
from tests.scenario import FUTURE, D, World, limit_order

INFINITE = Decimal("Infinity")


def rows(world, figures=None):
    return usage(world.manager.desk, figures or {}, world.now)


def figures_of(world, code, scope="all", key=None):
    (row,) = [
        row for row in rows(world) if (row["code"], row["scope"], row["key"]) == (code, scope, key)
    ]
    return row["limit"], row["observed"], row["used"]


def test_every_measured_rule_is_shown_or_needs_an_order():
    limits: dict[str, Any] = {
        "max_position_size": 1, "max_position_notional": 1, "max_gross_exposure": 1, "max_net_exposure": 1,
        "max_concentration": 1, "max_leverage": 1, "max_strategy_share": 1, "max_open_orders": 1, "max_order_rate": {"count": 1, "window_s": 1},
        "max_notional_in": {"usd": 1, "window_s": 1}, "max_margin_drawdown": 1, "strategy": {"grid": {"budget": 1}},
        "max_daily_loss": 0.1, "max_weekly_loss": 0.1, "max_monthly_loss": 0.1, "max_drawdown": 0.1,
        "max_loss_in": [{"window": "4h", "limit": 0.1}], "losing_streak": {"trades": 4, "cool_down": "2h"},
        "max_cumulative_loss": 0.1, "max_exit_cost": 0.1,
        "max_var": 0.1, "max_expected_shortfall": 0.1, "max_stress_loss": 0.1,
    }  # fmt: skip
    world = World(**limits)
    world.hold("0.1")
    shown = {row["code"] for row in rows(world)}
    measured = [rule for rule in RULES if isinstance(rule, Measured)]
    assert shown == {rule.code for rule in measured if not rule.of_order}


def test_without_limits_there_is_nothing_to_use():
    assert rows(World()) == []


def test_exposure_is_the_worst_case_of_what_is_held_open_and_reserved():
    world = World(
        max_gross_exposure=100_000,
        max_net_exposure=200_000,
        max_leverage=2,
        max_concentration="0.8",
    )
    world.hold("0.5")
    world.report("o1", base_size="0.25", leaves="0.25", limit_price=64000)
    world.ask(limit_order("0.25"))
    assert figures_of(world, "MAX_GROSS_EXPOSURE") == ("100000", 64000, D("0.64"))
    assert figures_of(world, "MAX_NET_EXPOSURE") == ("200000", 64000, D("0.32"))
    assert figures_of(world, "MAX_LEVERAGE") == ("2", D("0.64"), D("0.32"))
    assert figures_of(world, "MAX_CONCENTRATION", key="BTC") == ("0.8", D("0.64"), D("0.8"))


def test_positions_are_measured_key_by_key():
    world = World(max_position_size=2, max_position_notional=100_000)
    world.hold(1)
    world.hold(4, 2000, "ETH-USD")
    world.fill("SELL", 10, 64000, product_id=FUTURE)
    assert figures_of(world, "MAX_POSITION_SIZE", key="BTC") == ("2", 1, D("0.5"))
    assert figures_of(world, "MAX_POSITION_SIZE", key="ETH") == ("2", 4, 2)
    assert figures_of(world, "MAX_POSITION_SIZE", key=FUTURE) == ("2", D("0.1"), D("0.05"))
    assert figures_of(world, "MAX_POSITION_NOTIONAL", key="BTC") == ("100000", 64000, D("0.64"))


def test_a_products_table_is_about_its_key_and_one_not_listed_binds_nothing():
    own = {"max_position_size": 2, "max_open_orders": 4, "max_daily_loss": "1000 USD"}
    world = World(product={"BTC-EUR": own, "NO-SUCH": own})
    world.hold(1)
    world.report("o1", base_size="0.25", leaves="0.25", limit_price=64000, side="SELL")
    world.report("o2", base_size=1, leaves=1, limit_price=2000, product_id="ETH-USD")
    world.quote("BTC-USD", 63500)
    assert figures_of(world, "MAX_POSITION_SIZE", "product:BTC-EUR", "BTC") == ("2", 1, D("0.5"))
    assert figures_of(world, "MAX_OPEN_ORDERS", "product:BTC-EUR", "BTC") == ("4", 1, D("0.25"))
    assert figures_of(world, "MAX_DAILY_LOSS", "product:BTC-EUR", "BTC") == (
        "1000 USD",
        500,
        D("0.5"),
    )
    assert {row["scope"] for row in rows(world)} == {"product:BTC-EUR"}


def test_a_strategys_table_is_about_its_own_books():
    own = {"max_position_size": 2, "max_gross_exposure": 64_000, "max_open_orders": 4, "max_daily_loss": "1000 USD"}  # fmt: skip
    world = World(strategy={"s": own, "idle": own})
    world.hold(1)
    world.fill("BUY", "0.5", 64000, strategy_id="s")
    world.quote("BTC-USD", 63000)
    assert figures_of(world, "MAX_POSITION_SIZE", "strategy:s", "BTC") == ("2", D("0.5"), D("0.25"))
    assert figures_of(world, "MAX_GROSS_EXPOSURE", "strategy:s")[1] == 31_500
    assert figures_of(world, "MAX_OPEN_ORDERS", "strategy:s") == ("4", 0, 0)
    assert figures_of(world, "MAX_DAILY_LOSS", "strategy:s") == ("1000 USD", 500, D("0.5"))
    assert figures_of(world, "MAX_GROSS_EXPOSURE", "strategy:idle")[1:] == (0, 0)
    assert not [row for row in rows(world) if row["scope"] == "strategy:idle" and row["key"]]


def test_open_orders_and_approvals_are_counted_as_the_rules_count_them():
    rate = {"count": 4, "window_s": 10}
    world = World(max_open_orders=5, max_order_rate=rate)
    world.ask(limit_order())
    world.now += timedelta(seconds=5)
    world.ask(limit_order(price=63000))
    assert figures_of(world, "MAX_OPEN_ORDERS") == ("5", 2, D("0.4"))
    assert figures_of(world, "MAX_ORDER_RATE") == ("4 in 10 s", 2, D("0.5"))
    world.now += timedelta(seconds=6)
    assert figures_of(world, "MAX_ORDER_RATE")[1] == 1
    world.now -= timedelta(hours=1)  # set back: what was approved later counts as of now
    assert figures_of(world, "MAX_ORDER_RATE")[1] == 2


def test_a_limit_of_no_orders_at_all_is_used_up_by_one():
    world = World(max_open_orders=0)
    assert figures_of(world, "MAX_OPEN_ORDERS") == ("0", 0, 0)
    world.report("o1", base_size=1, leaves=1, limit_price=64000)
    assert figures_of(world, "MAX_OPEN_ORDERS") == ("0", 1, INFINITE)


def test_losses_are_in_the_measure_of_their_limit_and_a_profit_uses_nothing():
    world = World(max_daily_loss="0.1", max_drawdown="2000 USD", max_cumulative_loss="0.25")
    world.hold(1)
    world.stand("BTC-USD", 65000)
    assert figures_of(world, "MAX_DAILY_LOSS") == ("0.1", D("-0.01"), 0)
    world.quote("BTC-USD", 63500)
    assert figures_of(world, "MAX_DAILY_LOSS") == ("0.1", D("0.005"), D("0.05"))
    assert figures_of(world, "MAX_DRAWDOWN") == ("2000 USD", 1500, D("0.75"))
    assert figures_of(world, "MAX_CUMULATIVE_LOSS") == ("0.25", D("0.005"), D("0.02"))


def test_before_the_books_are_open_no_loss_can_be_told():
    world = connected(max_daily_loss="0.1", max_drawdown="500 USD")
    world.tracker.loss_accounting.windows = None
    assert figures_of(world, "MAX_DAILY_LOSS") == ("0.1", None, None)
    assert figures_of(world, "MAX_DRAWDOWN") == ("500 USD", None, None)


@pytest.mark.parametrize("code", ["MAX_DAILY_LOSS", "MAX_DRAWDOWN", "MAX_CUMULATIVE_LOSS"])
def test_no_ratio_of_no_equity_can_be_told_but_money_can(code):
    world = World(cash=0, **only(code.lower(), "0.1"))
    assert figures_of(world, code) == ("0.1", None, None)
    world.send(ev.LimitsReplaced, limits=Limits.model_validate(only(code.lower(), "500 USD")))
    assert figures_of(world, code) == ("500 USD", 0, 0)


def test_a_share_of_no_equity_is_infinite_unless_nothing_is_there():
    world = World(cash=0, max_leverage=2)
    assert figures_of(world, "MAX_LEVERAGE") == ("2", 0, 0)
    world.report("o1", base_size=1, leaves=1, limit_price=64000)
    assert figures_of(world, "MAX_LEVERAGE") == ("2", INFINITE, INFINITE)


def test_portfolio_figures_are_those_without_an_order():
    world = World(max_var="0.1", max_stress_loss="0.4")
    assert figures_of(world, "MAX_VAR") == ("0.1", None, None)
    known: dict[Any, Any] = dict.fromkeys(MEASURES, RiskFigure(D(5_000), D(5_000)))
    observed = {row["code"]: (row["observed"], row["used"]) for row in rows(world, known)}
    assert observed == {
        "MAX_VAR": (D("0.05"), D("0.5")),
        "MAX_STRESS_LOSS": (D("0.05"), D("0.125")),
    }
    known["max_var"] = NoFigure("no history")
    assert {row["code"]: row["used"] for row in rows(world, known)}["MAX_VAR"] is None


def test_shadow_limits_are_shown_under_their_own_scope():
    world = World(shadow=AccountLimits(max_gross_exposure=D(128_000), max_position_size=D(2)))
    world.hold(1)
    assert figures_of(world, "MAX_GROSS_EXPOSURE", "shadow") == ("128000", 64000, D("0.5"))
    assert figures_of(world, "MAX_POSITION_SIZE", "shadow", "BTC") == ("2", 1, D("0.5"))


def test_what_is_shown_is_what_a_reducing_order_is_judged_by():
    """One unit more of usage and the rule would speak."""
    world = World(max_position_size=1)
    world.hold(1)
    assert figures_of(world, "MAX_POSITION_SIZE", key="BTC")[2] == 1
    assert world.ask(limit_order("0.00002")).codes == ("MAX_POSITION_SIZE",)
    assert world.ask(sell_order("0.5"))


def test_looking_changes_nothing_that_would_be_saved():
    world = World(max_order_rate={"count": 4, "window_s": 10}, max_daily_loss="0.1")
    world.ask(limit_order())
    before = {name: list(times) for name, times in world.manager.desk.activity.windows.items()}
    world.now -= timedelta(hours=1)
    rows(world)
    assert {n: list(t) for n, t in world.manager.desk.activity.windows.items()} == before
