"""The test of expected shortfall keeps its level: of models that are right, it rejects one in twenty.

Each history is drawn from a law of its own kind: of days that are alike (Student-t with 5 degrees of
freedom), which a year of them tells all of, and of days whose volatility swings. So the model is right, but
for what a year of days cannot say. `make soak` (HYPOTHESIS_PROFILE=soak) draws many histories.
"""

import os
from decimal import Decimal

import numpy as np
import pytest

from sidecar.core.value_at_risk.backtest import Plan, backtest, verdict
from sidecar.core.value_at_risk.models import fit
from sidecar.core.value_at_risk.settings import ModelName, ModelSettings

IS_SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
HISTORIES = 400 if IS_SOAK else 25
REJECTED_MAX = 28 if IS_SOAK else 2  # 20 and 1.25 are expected; 28 is exceeded 3 times in 100
TESTED = 1_000 if IS_SOAK else 500  # days; a wrong level shows the better the longer
WINDOW = 250  # days that a model is fitted to; 1 % of them are two and a half
PERSISTENCE, REACTION, BASE = 0.94, 0.05, 0.01  # of the variance (GARCH); its mean is 1
DEGREES = 5
DEVIATION = 0.02


def alike(generator: np.random.Generator, count: int) -> np.ndarray:
    """Days that are all alike, of unit variance."""
    unit = np.sqrt((DEGREES - 2) / DEGREES)
    return np.asarray(unit * generator.standard_t(DEGREES, count))


def swinging(generator: np.random.Generator, count: int) -> np.ndarray:
    """Days whose volatility follows the days before."""
    shocks, variance = alike(generator, count), 1.0
    for day, shock in enumerate(shocks):
        shocks[day] = np.sqrt(variance) * shock
        variance = BASE + PERSISTENCE * variance + REACTION * shocks[day] ** 2
    return shocks


LAWS = {"historical": alike, "filtered": swinging}


@pytest.mark.parametrize("model", LAWS)
def test_of_right_models_at_99_per_cent_one_in_twenty_is_rejected(model: ModelName) -> None:
    """Where the VaR's own scenario was in the ES, and never among the losses beyond, it was one in four."""
    chosen = ModelSettings(model=model, confidence=Decimal("0.99"))
    rejected = 0
    for number in range(HISTORIES):
        generator = np.random.default_rng([number, 0xE5])
        returns = DEVIATION * LAWS[model](generator, WINDOW + TESTED)[:, None]
        plan = Plan(window=WINDOW, draws=200)
        found = backtest(returns, np.ones(1), chosen, plan, fit)
        rejected += "too much is lost beyond the VaR" in verdict(found)
    assert rejected <= REJECTED_MAX


def test_a_model_that_has_the_deviation_right_and_not_the_tail_is_still_rejected() -> None:
    """What is rejected less often now is the right model, not the wrong one."""
    generator = np.random.default_rng(3)
    returns = DEVIATION * swinging(generator, WINDOW + 1_000)[:, None]
    chosen = ModelSettings(model="normal", confidence=Decimal("0.99"))
    found = backtest(returns, np.ones(1), chosen, Plan(window=WINDOW, draws=200), fit)
    assert "too much is lost beyond the VaR" in verdict(found)
