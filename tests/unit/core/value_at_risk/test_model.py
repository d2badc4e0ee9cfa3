"""What a model is fitted with, and the words that every model shares."""

from decimal import Decimal

import pytest

from sidecar.core.value_at_risk.model import Components, Tail, Unavailable
from sidecar.core.value_at_risk.settings import RISKMETRICS_DECAY, ModelSettings


@pytest.mark.parametrize(
    ("confidence", "alpha"), [("0.99", 0.01), ("0.975", 0.025), ("0.95", 0.05), ("0.93", 0.07)]
)
def test_alpha_is_the_float_next_to_what_the_confidence_leaves(confidence, alpha):
    """1 − 0.99 as floats is 0.010000000000000009."""
    assert ModelSettings(confidence=Decimal(confidence)).alpha == alpha


def test_what_is_not_said_is_a_day_ahead_at_99_percent():
    settings = ModelSettings()
    assert (settings.model, settings.confidence, settings.horizon) == (
        "filtered",
        Decimal("0.99"),
        1,
    )
    assert settings.decay == RISKMETRICS_DECAY == 0.94


@pytest.mark.parametrize("one", [ModelSettings(), Tail(1, 2)])
def test_settings_and_figures_do_not_change(one):
    with pytest.raises(AttributeError):
        one.var = 3


def test_a_figure_that_cannot_be_computed_is_a_wrong_value_and_says_why():
    assert issubclass(Unavailable, ValueError)
    assert str(Unavailable("give a history")) == "give a history"
    assert Components.__struct_fields__ == Tail.__struct_fields__ == ("var", "es")
