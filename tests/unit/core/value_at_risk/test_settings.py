"""How value at risk is computed where nobody says how."""

from sidecar.core.value_at_risk.settings import (
    CRASH_DAYS,
    DAY_S,
    ModelSettings,
    ReturnsPolicy,
    RiskSettings,
)


def test_what_is_not_said_is_daily_with_the_shipped_crash_days():
    settings = RiskSettings()
    assert settings.period_s == DAY_S == 24 * 60 * 60
    assert (settings.model, settings.policy) == (ModelSettings(), ReturnsPolicy())
    assert (settings.proxy, settings.proxies) == ("BTC", {})
    assert (settings.scenarios, settings.stress_window) == (CRASH_DAYS, 5)


def test_by_default_a_short_history_is_refused_and_nothing_stands_in():
    policy = RiskSettings().policy
    assert policy.short_history == "refuse"
    assert policy.minimum <= policy.length


def test_no_two_share_what_stands_in():
    assert RiskSettings().proxies is not RiskSettings().proxies
