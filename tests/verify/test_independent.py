"""Value at risk against libraries that know nothing of this one: `pip install .[verify]`.

A library that is not installed is skipped by name. Each test also computes anew the figures that
tests/unit/core/value_at_risk/test_agreement.py keeps, so that those are known to be the library's.
Tolerances are relative: `NEAR` where the same formula is computed, `DIFFERENCES` where the library
takes numeric derivatives.
"""

import math
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from sidecar.core.value_at_risk.coverage import (
    conditional,
    independence,
    traffic_light,
    unconditional,
)
from sidecar.core.value_at_risk.models import fit
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.value_at_risk.volatility import (
    ewma_covariance,
    ewma_deviations,
    shrunk_covariance,
)
from tests.unit.core.value_at_risk import test_agreement as kept
from tests.unit.core.value_at_risk.samples import sample

NEAR, DIFFERENCES = kept.NEAR, kept.DIFFERENCES
RETURNS, EXPOSURES, PNL = kept.RETURNS, kept.EXPOSURES, kept.PNL
CONFIDENCES = ("0.9", "0.95", "0.975", "0.977", "0.99", "0.995")
SAMPLES = [sample(500, 3), sample(250, 5, skip=700), sample(1000, 1, skip=3000)]
samples = pytest.mark.parametrize("returns", SAMPLES, ids=["3 keys", "5 keys", "1 key"])


def library(name: str) -> Any:
    """The library, or the test is skipped; what it warns of while it is imported is its own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def book(returns, model, confidence="0.99", exposures=None, **more):
    settings = ModelSettings(model=model, confidence=Decimal(confidence), **more)
    usd = np.arange(1, returns.shape[1] + 1) * 100.0 if exposures is None else exposures
    return fit(returns, settings).book(usd)


def pnl_of(returns):
    return np.expm1(returns) @ (np.arange(1, returns.shape[1] + 1) * 100.0)


def alpha(confidence):
    return float(1 - Decimal(confidence))


# --- Historical simulation ------------------------------------------------------------------------


@samples
@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_historical_var_and_es_are_riskfolios(returns, confidence):
    riskfolio = library("riskfolio")
    tail, pnl = book(returns, "historical", confidence).tail(), pnl_of(returns)
    assert tail.var == pytest.approx(riskfolio.VaR_Hist(pnl, alpha(confidence)), rel=NEAR)
    assert tail.es == pytest.approx(riskfolio.CVaR_Hist(pnl, alpha(confidence)), rel=NEAR)


@samples
@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_historical_var_and_es_are_skfolios(returns, confidence):
    """Where the tail holds a whole number of scenarios skfolio's VaR is the next smaller loss."""
    measures = library("skfolio.measures")
    tail, pnl = book(returns, "historical", confidence).tail(), pnl_of(returns)
    assert tail.es == pytest.approx(measures.cvar(pnl, beta=float(confidence)), rel=NEAR)
    number = (1 - Decimal(confidence)) * len(pnl)
    other = -np.sort(pnl)[int(number)] if number == int(number) else tail.var
    assert measures.value_at_risk(pnl, beta=float(confidence)) == pytest.approx(other, rel=NEAR)


def test_the_kept_historical_figures_are_the_libraries():
    riskfolio, measures = library("riskfolio"), library("skfolio.measures")
    for confidence, (var, es) in kept.HISTORICAL.items():
        assert riskfolio.VaR_Hist(PNL, alpha(confidence)) == pytest.approx(var, rel=NEAR)
        assert riskfolio.CVaR_Hist(PNL, alpha(confidence)) == pytest.approx(es, rel=NEAR)
        assert measures.cvar(PNL, beta=float(confidence)) == pytest.approx(es, rel=NEAR)
        told = measures.value_at_risk(PNL, beta=float(confidence))
        assert told == pytest.approx(kept.SMALLER.get(confidence, var), rel=NEAR)


# --- Contributions --------------------------------------------------------------------------------


def test_contributions_are_riskfolios():
    riskfolio = library("riskfolio")
    simple, found = np.expm1(RETURNS), book(RETURNS, "historical", "0.977", EXPOSURES).components()
    for measure, own, figures in (
        ("CVaR", found.es, kept.CONTRIBUTIONS_ES),
        ("VaR", found.var, kept.CONTRIBUTIONS_VAR),
    ):
        told = riskfolio.Risk_Contribution(EXPOSURES, simple, rm=measure, alpha=alpha("0.977"))
        assert own == pytest.approx(told, rel=DIFFERENCES)
        assert told == pytest.approx(np.array(figures), rel=DIFFERENCES)


def test_contributions_to_a_deviation_are_riskfolios():
    riskfolio = library("riskfolio")
    covariance = shrunk_covariance(RETURNS)
    told = riskfolio.Risk_Contribution(EXPOSURES, RETURNS, cov=covariance, rm="MV")
    found = book(RETURNS, "normal_shrunk", exposures=EXPOSURES)
    deviation = math.sqrt(EXPOSURES @ covariance @ EXPOSURES)
    shares = found.components().es / found.tail().es * deviation
    assert shares == pytest.approx(told, rel=DIFFERENCES)
    assert told == pytest.approx(np.array(kept.CONTRIBUTIONS_DEVIATION), rel=DIFFERENCES)


# --- Volatility and covariance --------------------------------------------------------------------


@samples
def test_the_shrunk_covariance_is_scikit_learns(returns):
    covariance = library("sklearn.covariance")
    told, _share = covariance.ledoit_wolf(returns, assume_centered=True)
    assert shrunk_covariance(returns) == pytest.approx(told, rel=NEAR, abs=1e-18)


@samples
@pytest.mark.parametrize("decay", [0.94, 0.97, 0.99])
def test_the_weighted_covariance_is_skfolios(returns, decay):
    moments = library("skfolio.moments")
    half_life = -math.log(2) / math.log(decay)
    told = moments.EWCovariance(
        half_life=half_life, assume_centered=True, min_observations=1, nearest=False
    ).fit(returns)
    assert ewma_covariance(returns, decay) == pytest.approx(told.covariance_, rel=NEAR, abs=1e-18)


def by_arch(univariate, column, decay):
    """Deviations of each day and of the day after: that of a day does not look at its own return."""
    model = univariate.ZeroMean(
        np.append(column, 0.0), volatility=univariate.EWMAVariance(decay), rescale=False
    )
    told = model.fit(disp="off", backcast=float(np.mean(column**2)), show_warning=False)
    return told.conditional_volatility


@samples
@pytest.mark.parametrize("decay", [0.94, 0.97])
def test_the_weighted_deviations_are_archs(returns, decay):
    univariate = library("arch.univariate")
    found = ewma_deviations(returns, decay)
    for key, column in enumerate(returns.T):
        assert found[:, key] == pytest.approx(by_arch(univariate, column, decay), rel=NEAR)


def test_the_kept_covariances_and_deviations_are_the_libraries():
    covariance, moments = library("sklearn.covariance"), library("skfolio.moments")
    univariate = library("arch.univariate")
    told, _share = covariance.ledoit_wolf(RETURNS, assume_centered=True)
    assert told == pytest.approx(np.array(kept.LEDOIT_WOLF), rel=NEAR)
    weighted = moments.EWCovariance(
        half_life=-math.log(2) / math.log(kept.DECAY),
        assume_centered=True,
        min_observations=1,
        nearest=False,
    ).fit(RETURNS)
    assert weighted.covariance_ == pytest.approx(np.array(kept.EWMA), rel=NEAR)
    days = by_arch(univariate, RETURNS[:, 0], kept.DECAY)
    assert days[list(kept.ARCH_DAYS)] == pytest.approx(np.array(kept.ARCH), rel=NEAR)


# --- Formulas, by quadrature ----------------------------------------------------------------------


@pytest.mark.parametrize("confidence", kept.MULTIPLES)
def test_the_kept_multiples_are_scipys(confidence):
    stats, integrate = library("scipy.stats"), library("scipy.integrate")
    share, found = alpha(confidence), []
    for law in (stats.norm(), stats.t(4, scale=math.sqrt(2 / 4))):
        quantile = law.ppf(share)
        mean, _error = integrate.quad(
            lambda x, law=law: x * law.pdf(x), -np.inf, quantile, epsabs=0, epsrel=1e-12
        )
        found += [-quantile, -mean / share]
    assert found == pytest.approx(kept.MULTIPLES[confidence], rel=NEAR)


@pytest.mark.parametrize("confidence", kept.CORNISH_FISHER)
def test_the_kept_expansion_is_at_scipys_moments(confidence):
    stats, integrate = library("scipy.stats"), library("scipy.integrate")
    share, skew, kurt = alpha(confidence), stats.skew(PNL), stats.kurtosis(PNL)

    def expansion(z):
        cubic = (z**3 - 3 * z) * kurt / 24 - (2 * z**3 - 5 * z) * skew**2 / 36
        return z + (z**2 - 1) * skew / 6 + cubic

    at = stats.norm.ppf(share)
    mean, _error = integrate.quad(
        lambda z: expansion(z) * stats.norm.pdf(z), -np.inf, at, epsabs=0, epsrel=1e-12
    )
    found = -PNL.std() * expansion(at), -PNL.std() * mean / share
    assert found == pytest.approx(kept.CORNISH_FISHER[confidence], rel=NEAR)


# --- Backtests ------------------------------------------------------------------------------------

DAYS = [
    np.array([c == "1" for c in bits * 25])
    for bits in ("0000000001", "0010011000", "1" * 3 + "0" * 7)
]


@pytest.mark.parametrize("hits", DAYS, ids=["even", "some pairs", "triples"])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.3])
def test_kupiec_christoffersen_and_basel_are_scipys_ratios(hits, share):
    """The rate by the binomial's own mass; independence is the G-test of the table of transitions."""
    stats = library("scipy.stats")
    ones, count = int(hits.sum()), len(hits)
    ratio = stats.binom.logpmf(ones, count, ones / count) - stats.binom.logpmf(ones, count, share)
    rate = unconditional(hits, share)
    assert rate.value == pytest.approx(2 * ratio, rel=1e-8, abs=1e-8)
    assert rate.p == pytest.approx(stats.chi2.sf(rate.value, 1), rel=NEAR)
    before, after = hits[:-1], hits[1:]
    table = [
        [int(((before == b) & (after == a)).sum()) for a in (False, True)] for b in (False, True)
    ]
    told = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    found = independence(hits)
    assert found.value == pytest.approx(told.statistic, rel=1e-8, abs=1e-8)
    assert found.p == pytest.approx(told.pvalue, rel=1e-8)
    both = conditional(hits, share)
    assert both.p == pytest.approx(stats.chi2.sf(rate.value + found.value, 2), rel=NEAR)
    light = traffic_light(hits, share)
    assert light.cumulative == pytest.approx(stats.binom.cdf(ones, count, share), rel=NEAR)
