"""RiskHistory: which closes are still to be told."""

import pytest

from sidecar.core.value_at_risk.history import a_week_of
from sidecar.core.value_at_risk.risk_history import RiskHistory
from sidecar.core.value_at_risk.settings import RiskSettings
from tests.scenario import START
from tests.tracking import Desk

SETTINGS = RiskSettings()
PERIOD, LENGTH = SETTINGS.period_s, SETTINGS.policy.length


@pytest.mark.parametrize(
    ("later", "sooner", "is_awaited"), [(0, 0, False), (1, 0, True), (0, 1, True)]
)
def test_a_key_is_awaited_until_all_of_its_length_was_told_and_no_more_than_a_week_ago(
    later, sooner, is_awaited
):
    """`later`, `sooner`: by so many periods the reading began later, and ended sooner."""
    history = RiskHistory(Desk().tracker, SETTINGS)
    history.tick(START)
    assert history.is_awaited("BTC")
    since = history.period - LENGTH - 1 + later
    until = history.period - a_week_of(PERIOD) - sooner
    history.history.read("BTC-USD", [], since * PERIOD, until * PERIOD)
    assert history.is_awaited("BTC") == is_awaited
