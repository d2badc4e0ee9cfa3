"""Figures that independent libraries give for the same returns. None of them is needed here:
tests/verify/test_independent.py computes the figures again where they are installed.
"""

from decimal import Decimal

import numpy as np
import pytest

from sidecar.core.value_at_risk.model import Tail
from sidecar.core.value_at_risk.models import fit
from sidecar.core.value_at_risk.settings import ModelName, ModelSettings
from sidecar.core.value_at_risk.volatility import (
    ewma_covariance,
    ewma_deviations,
    shrunk_covariance,
)
from tests.unit.core.value_at_risk.samples import sample

RETURNS = sample(500, 3)
EXPOSURES = np.array([1000.0, -300.0, 500.0])
PNL = np.expm1(RETURNS) @ EXPOSURES
DECAY = 0.94
NEAR = 1e-9  # relative; the figures are kept to twelve digits

# riskfolio-lib 7.4.0: VaR_Hist and CVaR_Hist of PNL. skfolio 1.12.2, value_at_risk and cvar, gives the
# same, but for the VaR where a whole number of scenarios is in the tail: there any number between two
# losses is a quantile, and skfolio takes the smaller loss (SMALLER). Confidence: VaR, ES.
HISTORICAL = {
    "0.95": (44.0870367886, 61.0281766605),
    "0.977": (56.7803833536, 75.2807364508),
    "0.99": (73.6499435465, 89.3127896843),
}
SMALLER = {"0.95": 43.6712140076, "0.99": 72.6379078512}

# riskfolio-lib 7.4.0: Risk_Contribution of "CVaR" and "VaR" at 97.7 %, and of "MV", the deviation, with the
# covariance below; it takes differences over 1e-7 USD, so it has five digits.
CONTRIBUTIONS_ES = (21.996555688, 1.62106061907, 51.6631715186)
CONTRIBUTIONS_VAR = (39.122483031, -12.6343415729, 30.2922131823)
CONTRIBUTIONS_DEVIATION = (10.8801323506, -1.15472431617, 17.5956849091)
DIFFERENCES = 2e-5

# scikit-learn 1.9.1: ledoit_wolf(RETURNS, assume_centered=True).
LEDOIT_WOLF = (
    (0.000228168778257, 0.000131260374441, 0.000216931572335),
    (0.000131260374441, 0.000837082739316, 0.000450050063904),
    (0.000216931572335, 0.000450050063904, 0.00175909913613),
)

# skfolio 1.12.2: EWCovariance with the half-life of the decay, −ln 2 ÷ ln 0.94, centred.
EWMA = (
    (8.3652775038e-05, 7.68105669782e-05, 0.00011727823879),
    (7.68105669782e-05, 0.000316964044961, 0.000243607826786),
    (0.00011727823879, 0.000243607826786, 0.000658540581281),
)

# arch 8.0.0: ZeroMean with EWMAVariance(0.94) of the first key, begun at the mean square: deviations of
# days 0, 249 and 499, and of the day after.
ARCH_DAYS = (0, 249, 499, 500)
ARCH = (0.0143568151659, 0.0103804825612, 0.00930384540952, 0.00914618909918)

# scipy 1.17.1: norm and t, quantile and mean beyond it by quadrature, in deviations; t of 4 degrees of
# freedom. Confidence: normal VaR, ES, t VaR, ES.
MULTIPLES = {
    "0.95": (1.64485362695, 2.06271280751, 1.50744331906, 2.26477138058),
    "0.975": (1.95996398454, 2.3378027922, 1.96324316148, 2.82387125182),
    "0.99": (2.32634787404, 2.66521422035, 2.64949190679, 3.69151048568),
}

# scipy 1.17.1: skew and kurtosis of PNL; then the expansion at norm.ppf, and its mean beyond by
# integrate.quad. Confidence: VaR, ES.
CORNISH_FISHER = {
    "0.95": (43.0657452769, 62.1057560317),
    "0.975": (55.655747046, 75.6187838098),
    "0.99": (73.2493492723, 94.4968494762),
}


def tail(model: ModelName, confidence: str) -> Tail:
    settings = ModelSettings(model=model, confidence=Decimal(confidence))
    return fit(RETURNS, settings).book(EXPOSURES).tail()


def near(expected, relative=NEAR):
    return pytest.approx(np.array(expected), rel=relative)


@pytest.mark.parametrize("confidence", HISTORICAL)
def test_historical_figures_are_riskfolios_and_skfolios(confidence):
    found = tail("historical", confidence)
    assert (found.var, found.es) == pytest.approx(HISTORICAL[confidence], rel=NEAR)


@pytest.mark.parametrize("confidence", SMALLER)
def test_between_two_quantiles_the_larger_loss_is_told(confidence):
    assert tail("historical", confidence).var > SMALLER[confidence]


def test_contributions_are_riskfolios():
    settings = ModelSettings(model="historical", confidence=Decimal("0.977"))
    found = fit(RETURNS, settings).book(EXPOSURES).components()
    assert found.es == near(CONTRIBUTIONS_ES, DIFFERENCES)
    assert found.var == near(CONTRIBUTIONS_VAR, DIFFERENCES)
    model = fit(RETURNS, ModelSettings(model="normal_shrunk"))
    book = model.book(EXPOSURES)
    shares = book.components().var / book.tail().var
    assert shares == near(
        np.array(CONTRIBUTIONS_DEVIATION) / sum(CONTRIBUTIONS_DEVIATION), DIFFERENCES
    )


def test_the_shrunk_covariance_is_scikit_learns():
    assert shrunk_covariance(RETURNS) == near(LEDOIT_WOLF)


def test_the_weighted_covariance_is_skfolios():
    assert ewma_covariance(RETURNS, DECAY) == near(EWMA)


def test_the_weighted_deviations_are_archs():
    found = ewma_deviations(RETURNS, DECAY)[:, 0]
    assert found[list(ARCH_DAYS)] == near(ARCH)


@pytest.mark.parametrize("confidence", MULTIPLES)
def test_multiples_of_the_deviation_are_scipys(confidence):
    settings = ModelSettings(confidence=Decimal(confidence))
    even = np.sign(np.sin(np.arange(400) * np.pi + 0.5))[:, None]  # a deviation of one
    normal = fit(even, ModelSettings(model="normal", confidence=settings.confidence))
    found = normal.book(np.ones(1)).tail()
    assert (found.var, found.es) == pytest.approx(MULTIPLES[confidence][:2], rel=NEAR)
    fat = sample(500, 1)  # the fit is a t with 4 degrees
    fat /= np.sqrt(np.mean(fat**2))
    t = fit(fat, ModelSettings(model="student_t_shrunk", confidence=settings.confidence))
    found = t.book(np.ones(1)).tail()
    assert (found.var, found.es) == pytest.approx(MULTIPLES[confidence][2:], rel=NEAR)


@pytest.mark.parametrize("confidence", CORNISH_FISHER)
def test_cornish_fisher_is_the_expansion_at_scipys_moments(confidence):
    found = tail("cornish_fisher", confidence)
    assert (found.var, found.es) == pytest.approx(CORNISH_FISHER[confidence], rel=NEAR)
