"""Limits in dollars at today's equity: what they come to, what is hardly meant, what is exceeded already."""

from decimal import Decimal

import pytest

from sidecar.core.judging.usage import usage
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.limits_today import beyond_sense, exceeded_already, limits_today, too_little
from tests.scenario import D, World

FOLLOWED = ("BTC-USD",)


def rows(limits, *, usd="100000", btc="0"):
    """Of an account with so much money and coins at 64,000."""
    world = World(cash=usd, **limits)
    if Decimal(btc):
        world.balance("BTC", btc)
    world.quote("BTC-USD", 64000, 64000)
    used = usage(world.manager.desk, {}, world.now)
    return limits_today(Limits.model_validate(limits), world.tracker, used, FOLLOWED), used, world


def the_one(name, value, **options):
    found, _, _ = rows({name: value}, **options)
    return next(row for row in found if row.key == name)


@pytest.mark.parametrize(
    ("name", "value", "usd", "share"),
    [
        ("max_daily_loss", "0.05", 5000, "0.05"),
        ("max_daily_loss", "500 USD", 500, "0.005"),
        ("max_leverage", "2", 200000, "2"),
        ("max_order_notional", "5000", 5000, "0.05"),
        ("max_position_size", "5000", 320000000, "3200"),
        ("max_notional_in", {"usd": "20000", "window_s": 60}, 20000, "0.2"),
        ("max_loss_in", [{"window": "4h", "limit": "0.03"}], 3000, "0.03"),
        ("max_open_orders", 5, None, None),
        ("price_collar", "0.05", None, None),
    ],
)
def test_a_limit_is_told_in_dollars_and_as_a_share_of_the_equity(name, value, usd, share):
    row = the_one(name, value)
    assert (row.usd, row.share) == (usd, None if share is None else D(share))


def test_a_limit_in_coins_is_at_the_price_of_its_product_or_of_the_dearest():
    found, _, _ = rows(
        {"max_order_size": "2", "product": {"BTC-USD": {"max_position_size": "0.5"}}}
    )
    account, product = found
    assert (account.usd, account.of) == (128000, "BTC")
    assert (product.key, product.usd, product.of) == (
        'product."BTC-USD".max_position_size',
        32000,
        "",
    )


def test_without_equity_no_share_is_told_and_the_reason_is():
    found, _, world = rows({"max_daily_loss": "0.05", "max_order_notional": 5}, usd="0")
    assert [(row.usd, row.share) for row in found] == [(5, None), (None, None)]
    (finding,) = too_little(world.manager.limits, world.tracker)
    assert "less than limits.min_equity (50)" in finding.text
    assert beyond_sense(found) == []


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_daily_loss": "0.5"}, "is 50 % of the equity, 50,000.00 USD; for 5 % write 0.05"),
        ({"max_daily_loss": "60000 USD"}, "is 60 % of the equity, 60,000.00 USD; lower it"),
        ({"max_daily_loss": "5 USD"}, "fees alone lose that; for 5 % write 0.05"),
        ({"max_loss_in": [{"window": "4h", "limit": "0.3"}]}, "is 30 % of the equity"),
        ({"max_position_size": "5000"}, "320,000,000.00 USD of BTC, 3,200 times the equity"),
        ({"max_leverage": "100"}, "100 times the equity"),
        (
            {"product": {"BTC-USD": {"max_order_size": "50"}}},
            'limits.product."BTC-USD".max_order_size = 50 is',
        ),
        ({"min_order_size": "5"}, "no order would reach it"),
        ({"price_collar": "0.9"}, "for 9 % write 0.09"),
    ],
)
def test_a_limit_that_is_hardly_meant_is_told_with_its_mend(limits, said):
    found, _, _ = rows(limits)
    (finding,) = beyond_sense(found)
    assert finding.severity == "warning"
    assert said in finding.text


def test_what_may_well_be_meant_is_not_told():
    found, _, _ = rows(
        {
            "max_daily_loss": "0.2", "max_weekly_loss": "300 USD", "max_position_size": "10", "max_leverage": 5,
            "max_order_notional": 50000, "price_collar": "0.2", "max_var": "0.2", "max_drawdown": "0.3",
            "max_cumulative_loss": "0.5", "no_adding": True,
        }
    )  # fmt: skip
    assert beyond_sense(found) == []
    assert "no_adding" in [row.key for row in found]


def test_what_the_account_exceeds_already_is_told_and_shown_as_used():
    limits = {"max_position_notional": 20000, "max_leverage": 5, "shadow": {"max_leverage": "0.1"}}
    found, used, _ = rows(limits, btc="1")
    assert {row.key: row.used for row in found} == {
        "max_position_notional": D("3.2"), "max_leverage": pytest.approx(Decimal("0.0780487804"), abs=Decimal("1e-9")),
        "shadow.max_leverage": pytest.approx(Decimal("3.9024390244"), abs=Decimal("1e-9")),
    }  # fmt: skip
    (finding,) = exceeded_already(used)
    assert finding.text.startswith("BTC is at 64,000, beyond max_position_notional = 20000: until")


def test_defaults_are_no_limits_that_were_set():
    assert rows({})[0] == []
