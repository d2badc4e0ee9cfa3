"""A backtest looks at no day that it judges, counts what it cannot judge, and finds bad models."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.special import ndtr, ndtri

from sidecar.core.value_at_risk.backtest import LEVEL, Plan, backtest, rolling_rate, verdict
from sidecar.core.value_at_risk.coverage import Statistic
from sidecar.core.value_at_risk.model import Components, Tail, Unavailable
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.vocabulary.errors import Misuse

AT_99 = ModelSettings(model="normal", confidence=Decimal("0.99"))
AT_95 = ModelSettings(model="normal", confidence=Decimal("0.95"))


class NormalBook:
    """A book whose P&L is normal around nothing."""

    def __init__(self, exposures, deviation, alpha, *, has_components=True):
        self.scale = float(np.abs(exposures).sum()) * deviation
        self.alpha = alpha
        self.count = len(exposures)
        self.has_components = has_components

    def tail(self):
        quantile = float(ndtri(self.alpha))
        density = np.exp(-(quantile**2) / 2) / np.sqrt(2 * np.pi)
        return Tail(-quantile * self.scale, float(density) / self.alpha * self.scale)

    def quantile(self, probability):
        return ndtri(probability) * self.scale

    def edge(self):
        return None

    def components(self):
        if not self.has_components:
            raise Unavailable("it has no derivative")
        share = np.full(self.count, 1 / self.count)
        return Components(share * self.tail().var, share * self.tail().es)


class Normal:
    """Fitted: the window's standard deviation, times a fault."""

    def __init__(self, fault=1.0, **book):
        self.fault = fault
        self.keywords = book
        self.windows: list[np.ndarray] = []

    def __call__(self, returns, chosen):
        self.windows.append(returns)
        deviation = float(returns.std()) * self.fault
        keywords = self.keywords

        class Model:
            def book(self, exposures):
                return NormalBook(exposures, deviation, chosen.alpha, **keywords)

        return Model()


def draws(days, keys=1, seed=1, scale=0.02):
    return np.random.default_rng(seed).standard_normal((days, keys)) * scale


def run(returns, fit, chosen=AT_99, *, exposures=(10_000.0,), **plan):
    given = {"window": 100, "draws": 200} | plan
    return backtest(returns, np.array(exposures), chosen, Plan(**given), fit)


def test_each_day_is_judged_by_the_window_before_it():
    returns, fit = draws(130), Normal()
    found = run(returns, fit)
    assert found.tested == len(fit.windows) == 30
    assert found.days.rows.tolist() == list(range(100, 130))
    for row, window in enumerate(fit.windows):
        assert (window == returns[row : row + 100]).all()
    assert found.days.pnl == pytest.approx(10_000 * (np.exp(returns[100:, 0]) - 1))
    assert found.days.var == pytest.approx(
        [-float(ndtri(0.01)) * 10_000 * window.std() for window in fit.windows]
    )
    assert found.unavailable == {}


@settings(max_examples=25)
@given(st.integers(0, 29), st.floats(-1, 1))
def test_no_day_changes_what_was_said_of_it_or_before(day, shock):
    returns = draws(130)
    changed = returns.copy()
    changed[100 + day] += shock
    one, other = run(returns, Normal(), draws=5), run(changed, Normal(), draws=5)
    assert (one.days.var[: day + 1] == other.days.var[: day + 1]).all()
    assert (one.days.es[: day + 1] == other.days.es[: day + 1]).all()
    assert (one.days.pnl[:day] == other.days.pnl[:day]).all()


def test_the_pnl_of_a_book_is_the_sum_of_its_keys():
    returns = draws(110, keys=2)
    found = run(returns, Normal(), exposures=(10_000.0, -5_000.0))
    moved = np.exp(returns[100:]) - 1
    assert found.days.pnl == pytest.approx(10_000 * moved[:, 0] - 5_000 * moved[:, 1])
    assert found.components is not None
    assert found.components.var.sum() == pytest.approx(found.days.var[-1])


def test_a_right_model_passes_every_test_and_its_pit_is_even():
    found = run(draws(1600, seed=5), Normal(), AT_95, window=500)
    assert verdict(found) == ()
    assert found.expected == pytest.approx(55)
    pnl = 10_000 * np.expm1(draws(1600, seed=5)[500:, 0])
    scale = found.days.var / -float(ndtri(0.05))
    assert found.days.pit == pytest.approx(ndtr(pnl / scale), abs=0.0021)
    assert np.histogram(found.days.pit, 10, (0, 1))[0].std() < 0.02 * found.tested


def test_what_lies_beyond_the_model_has_a_pit_near_0_or_1_and_not_there():
    returns = draws(102)
    returns[100:, 0] = [-0.9, 0.9]
    low, high = run(returns, Normal()).days.pit
    assert 0 < low < 1e-6
    assert 1 - 1e-6 < high < 1


def test_a_model_that_says_half_is_found_out():
    found = run(draws(600), Normal(fault=0.5))
    assert found.outcome is not None
    assert found.outcome.light.zone == "red"
    assert verdict(found) == (
        "too many exceptions",
        "too much is lost beyond the VaR",
    )


def test_a_model_that_says_twice_is_too_careful():
    assert verdict(run(draws(900), Normal(fault=2))) == ("too few exceptions",)


def test_a_model_that_does_not_see_storms_has_exceptions_that_follow_each_other():
    returns = draws(1100)
    storms = np.arange(1100) % 200 < 10
    returns[storms] *= 5
    assert "exceptions follow each other" in verdict(run(returns, Normal()))


def test_number_and_order_of_exceptions_may_speak_against_a_model_together_only():
    found = run(draws(600), Normal(), AT_95)
    assert found.outcome is not None
    assert verdict(found) == ()
    outcome = replace(found.outcome, conditional=Statistic(7.0, 0.03))
    assert verdict(replace(found, outcome=outcome)) == (
        "number and order of exceptions, taken together",
    )


def test_at_the_very_level_no_test_speaks_against_a_model():
    found = run(draws(600), Normal(), AT_95)
    assert found.outcome is not None
    at_level = Statistic(3.8, LEVEL)
    shortfall = replace(found.outcome.shortfall, z2=at_level)
    outcome = replace(
        found.outcome,
        unconditional=at_level,
        independence=at_level,
        conditional=at_level,
        shortfall=shortfall,
    )
    assert verdict(replace(found, outcome=outcome)) == ()


def test_days_without_a_figure_are_counted_by_reason_and_not_tested():
    returns = draws(130)

    def fit(window, chosen):
        if (window[-1] == returns[104]).all() or (window[-1] == returns[105]).all():
            raise Unavailable("two days are missing")
        return Normal()(window, chosen)

    found = run(returns, fit)
    assert found.unavailable == {"two days are missing": 2}
    assert found.tested == 28
    assert not {105, 106} & set(found.days.rows.tolist())
    assert found.outcome is not None


def test_a_fit_that_failed_is_tried_again_the_next_day_and_the_old_one_not_used():
    returns, calls = draws(112), list[int]()

    def fit(window, chosen):
        calls.append(len(calls))
        if len(calls) == 2:
            raise Unavailable("no figure")
        return Normal()(window, chosen)

    found = run(returns, fit, refit_every=5)
    assert found.days.rows.tolist() == [100, 101, 102, 103, 104, *range(106, 112)]
    assert len(calls) == 4


def test_no_day_at_all_has_no_tests_and_says_so():
    def fit(window, chosen):
        raise Unavailable("never")

    found = run(draws(110), fit)
    assert (found.tested, found.exceptions, found.expected, found.outcome) == (0, 0, 0, None)
    assert (found.components, found.unavailable) == (None, {"never": 10})
    assert verdict(found) == ("no day could be tested",)


def test_a_book_that_cannot_lose_is_not_tested():
    found = run(draws(110), Normal(), exposures=(0.0,))
    assert found.tested == 0
    assert sum(found.unavailable.values()) == 10


def test_a_model_without_components_is_tested_all_the_same():
    found = run(draws(110), Normal(has_components=False))
    assert found.components is None
    assert found.tested == 10


def test_the_same_seed_gives_the_same_p_value():
    one, same, other = (run(draws(400), Normal(), seed=seed) for seed in (1, 1, 2))
    assert one.outcome == same.outcome
    assert one.outcome is not None
    assert other.outcome is not None
    assert one.outcome.shortfall.z2.value == other.outcome.shortfall.z2.value
    assert one.outcome.shortfall.z2.p != other.outcome.shortfall.z2.p


def test_every_day_is_told_as_it_is_done():
    told = list[int]()
    backtest(draws(110), np.array([1.0]), AT_99, Plan(window=100, draws=5), Normal(), told.append)
    assert told == [1] * 10


def test_a_history_as_long_as_the_window_is_refused_with_the_mend():
    with pytest.raises(
        Misuse, match="100 returns are no more than the window of 100; give a longer"
    ):
        run(draws(100), Normal())


def test_a_horizon_beyond_a_day_is_refused():
    with pytest.raises(Misuse, match="one day ahead"):
        run(draws(110), Normal(), ModelSettings(model="normal", horizon=10))


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 20))
def test_the_rolling_rate_is_the_mean_of_the_days_before(days, count):
    hits = np.array(days, dtype=np.bool_)
    expected = [hits[end - count : end].mean() for end in range(count, len(days) + 1)]
    assert rolling_rate(hits, count) == pytest.approx(expected)


def test_the_rolling_rate_of_a_few_days():
    hits = np.array([True, True, False, True])
    assert rolling_rate(hits, 2).tolist() == [1.0, 0.5, 0.5]
