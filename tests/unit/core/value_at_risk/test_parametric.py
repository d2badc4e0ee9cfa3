"""Models with a formula: each formula written out once more, and what it is the derivative of."""

import math
from decimal import Decimal
from statistics import NormalDist

import numpy as np
import pytest

from sidecar.core.value_at_risk.model import Unavailable
from sidecar.core.value_at_risk.parametric import (
    cornish_fisher,
    normal,
    normal_shrunk,
    student_t,
    student_t_shrunk,
)
from sidecar.core.value_at_risk.settings import ModelSettings
from sidecar.core.value_at_risk.volatility import (
    degrees_of_freedom,
    ewma_covariance,
    shrunk_covariance,
)
from tests.unit.core.value_at_risk.samples import evenly, sample

BUILDERS = (normal, normal_shrunk, student_t, student_t_shrunk, cornish_fisher)
ELLIPTICAL = BUILDERS[:-1]
NORMAL = NormalDist()
RETURNS = sample(250, 3)
EXPOSURES = np.array([1000.0, -300.0, 500.0])
# Quantiles of a Student-t at 99 %, as every table has them.
T_99 = {3: 4.540703, 4: 3.746947, 5: 3.364930, 10: 2.763769, 30: 2.457262}


def settings(confidence="0.99", **more):
    return ModelSettings(confidence=Decimal(confidence), **more)


def alternating(size, count=200):
    """Up and down by the same: a deviation of exactly so much, at any decay."""
    return size * (-1.0) ** np.arange(count)[:, None]


def of_degrees(degrees, count=2000):
    """An even sample of a t, by integrating its density."""
    grid = np.linspace(-60, 60, 600_001)
    mass = np.cumsum((1 + grid**2 / degrees) ** (-(degrees + 1) / 2))
    return np.interp((np.arange(count) + 0.5) / count, mass / mass[-1], grid)[:, None]


# --- Normal ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", ["0.9", "0.95", "0.975", "0.99", "0.999"])
@pytest.mark.parametrize("builder", [normal, normal_shrunk])
def test_a_normal_loses_its_quantile_and_beyond_it_the_density_over_alpha(builder, confidence):
    tail = builder(alternating(0.02), settings(confidence)).book(np.array([1000.0])).tail()
    z, alpha = NORMAL.inv_cdf(float(confidence)), 1 - float(confidence)
    assert tail.var == pytest.approx(20 * z)
    assert tail.es == pytest.approx(20 * NORMAL.pdf(z) / alpha)


def test_a_known_normal_book():
    """10,000 USD at 2 % a day: 99 % VaR 2.3263 × 200, ES 2.6652 × 200."""
    tail = normal(alternating(0.02), settings()).book(np.array([10_000.0])).tail()
    assert (round(tail.var, 2), round(tail.es, 2)) == (465.27, 533.04)


def test_the_covariance_of_two_keys_by_hand():
    """3 and 4 USD of deviation: together 7, against each other 1, uncorrelated 5."""
    one = alternating(0.01)
    crossing = 0.01 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]] * 50)
    z = NORMAL.inv_cdf(0.99)
    both = normal(np.hstack([one, one]), settings())
    assert both.book(np.array([300.0, 400.0])).tail().var == pytest.approx(7 * z)
    assert both.book(np.array([300.0, -400.0])).tail().var == pytest.approx(1 * z)
    apart = normal_shrunk(crossing, settings())
    assert apart.book(np.array([300.0, 400.0])).tail().var == pytest.approx(5 * z)


@pytest.mark.parametrize("builder", [normal, student_t])
def test_the_last_days_weigh_most_unless_the_covariance_is_shrunk(builder):
    storm = RETURNS.copy()
    storm[-20:] *= 5
    loud, before = (builder(one, settings()).book(EXPOSURES).tail().var for one in (storm, RETURNS))
    assert loud > 2.5 * before


def test_the_covariances_are_those_they_say():
    assert (normal(RETURNS, settings()).covariance == ewma_covariance(RETURNS, 0.94)).all()
    assert (normal_shrunk(RETURNS, settings()).covariance == shrunk_covariance(RETURNS)).all()
    slow = settings(decay=0.99)
    assert (student_t(RETURNS, slow).covariance == ewma_covariance(RETURNS, 0.99)).all()
    assert (student_t_shrunk(RETURNS, slow).covariance == shrunk_covariance(RETURNS)).all()


@pytest.mark.parametrize("builder", ELLIPTICAL)
def test_over_a_horizon_the_risk_grows_with_its_root(builder):
    one, ten = (builder(RETURNS, settings(horizon=h)).book(EXPOSURES).tail() for h in (1, 10))
    assert (ten.var, ten.es) == (pytest.approx(one.var * 10**0.5), pytest.approx(one.es * 10**0.5))


# --- Student-t ------------------------------------------------------------------------------------


def t_density(at, degrees):
    level = math.gamma((degrees + 1) / 2) / math.gamma(degrees / 2)
    return level / math.sqrt(degrees * math.pi) * (1 + at**2 / degrees) ** (-(degrees + 1) / 2)


@pytest.mark.parametrize("degrees", T_99)
def test_a_t_loses_its_quantile_and_es_by_the_formula(degrees):
    """ES(t) = density(q) ÷ α × (ν + q²) ÷ (ν − 1), and all of it at unit variance."""
    returns = 0.02 * of_degrees(degrees)
    model = student_t_shrunk(returns, settings())
    tail = model.book(np.array([1000.0])).tail()
    deviation = 1000 * math.sqrt(np.mean(returns**2))
    unit = math.sqrt((degrees - 2) / degrees)
    q = T_99[degrees]
    assert tail.var == pytest.approx(deviation * unit * q, rel=1e-6)
    expected = t_density(q, degrees) / 0.01 * (degrees + q**2) / (degrees - 1)
    assert tail.es == pytest.approx(deviation * unit * expected, rel=1e-6)


@pytest.mark.parametrize("builder", [student_t, student_t_shrunk])
def test_a_t_has_fatter_tails_than_a_normal_of_the_same_covariance(builder):
    as_normal = {student_t: normal, student_t_shrunk: normal_shrunk}[builder]
    t, flat = (one(RETURNS, settings()).book(EXPOSURES).tail() for one in (builder, as_normal))
    assert t.es / t.var > flat.es / flat.var
    assert t.es > flat.es


def test_the_degrees_are_those_of_all_keys_together():
    """Each in its own deviations; one normal key among fat ones does not decide."""
    even = np.array([NORMAL.inv_cdf(one) for one in evenly(2000, math.sqrt(2))])[:, None]
    fat = of_degrees(3.0)
    together = np.hstack([even, fat])
    both = degrees_of_freedom(together / np.sqrt(np.mean(together**2, axis=0)))
    assert 3 < both < 30
    model = student_t_shrunk(together, settings())
    assert model.var == pytest.approx(-float(model.unit_quantile(np.array([0.01]))[0]))
    alone = student_t_shrunk(fat, settings()).var, student_t_shrunk(even, settings()).var
    assert min(alone) < model.var < max(alone)


def test_a_coin_that_stood_still_for_years_leaves_a_t_finite():
    """Without a floor the square of its one move, in deviations, would be beyond any float."""
    moved = np.zeros((1040, 1))
    moved[-1] = 0.5
    tail = student_t(moved, settings(decay=0.5)).book(np.array([100.0])).tail()
    assert 0 < tail.var < tail.es < 1000


# --- Cornish-Fisher -------------------------------------------------------------------------------

SIMPSON = 20_000  # steps


def moments(pnl):
    centred = pnl - pnl.mean()
    deviation = math.sqrt(np.mean(centred**2))
    return deviation, np.mean((centred / deviation) ** 3), np.mean((centred / deviation) ** 4) - 3


def expansion(z, s, k):
    return (
        z
        + (z**2 - 1) * s / 6
        + (z**3 - 3 * z) * k / 24
        - (2 * z**3 - 5 * z) * s**2 / 36
    )  # fmt: skip


def beyond(at, alpha, s, k):
    """The mean of the expansion below `at`, by Simpson's rule."""
    z = np.linspace(-14, at, SIMPSON + 1)
    weighed = expansion(z, s, k) * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    total = weighed[0] + 4 * weighed[1::2].sum() + 2 * weighed[2:-1:2].sum() + weighed[-1]
    return total * (z[1] - z[0]) / 3 / alpha


@pytest.mark.parametrize("confidence", ["0.95", "0.975", "0.99"])
@pytest.mark.parametrize("horizon", [1, 10])
def test_cornish_fisher_is_the_expansion_and_es_its_mean_beyond(confidence, horizon):
    tail = cornish_fisher(RETURNS, settings(confidence, horizon=horizon)).book(EXPOSURES).tail()
    deviation, skew, kurt = moments(np.expm1(RETURNS) @ EXPOSURES)
    scale, s, k = deviation * math.sqrt(horizon), skew / math.sqrt(horizon), kurt / horizon
    z = NORMAL.inv_cdf(1 - float(confidence))
    assert tail.var == pytest.approx(-scale * expansion(z, s, k))
    assert tail.es == pytest.approx(-scale * beyond(z, 1 - float(confidence), s, k), rel=1e-8)


def test_the_mean_of_the_history_is_no_part_of_the_risk():
    """A year of gains is no cushion."""
    drifting = np.log1p(np.expm1(RETURNS) + 0.01)
    one, other = (cornish_fisher(r, settings()).book(EXPOSURES).tail() for r in (RETURNS, drifting))
    assert (one.var, one.es) == (pytest.approx(other.var), pytest.approx(other.es))


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        pytest.param(alternating(0.1), "an excess kurtosis of -2.00", id="two values"),
        pytest.param(np.array([[0.0]] * 99 + [[1.0]]), "a skewness of 9.85", id="one leap up"),
        pytest.param(np.array([[0.0]] * 99 + [[-1.0]]), "a skewness of -9.85", id="one fall"),
    ],
)
def test_moments_that_the_expansion_does_not_bear_are_refused_with_another_model(returns, why):
    book = cornish_fisher(returns, settings()).book(np.array([1000.0]))
    for ask in (book.tail, book.components, lambda: book.var_with([(0, 10.0)])):
        with pytest.raises(Unavailable, match=f"{why}.*choose another .var. model"):
            ask()


@pytest.mark.parametrize("confidence", ["0.51", "0.9", "0.99", "0.9999999999"])
def test_the_expansion_is_refused_just_where_it_falls_short_of_the_median_or_tells_no_loss(
    confidence,
):
    """Found on a grid, down to 6 deviations: beyond lies a probability of 10⁻⁹."""
    book, found = cornish_fisher(RETURNS, settings(confidence)).book(EXPOSURES), set()
    at = NORMAL.inv_cdf(float(1 - Decimal(confidence)))
    z = np.linspace(min(-6, at - 1e-3), 0, 3001)
    for skew in np.linspace(-3, 3, 25):
        for kurt in np.linspace(-2.03, 12, 29):  # none on the very edge
            rises = bool((np.diff(expansion(z, skew, kurt)) > 0).all())
            loses = bool(expansion(at, skew, kurt) < 0)
            why, var, es = "", 0.0, 0.0
            try:
                var, es = book._multiples(skew, kurt)
            except Unavailable as fault:
                why = str(fault)
            assert (why == "") is (rises and loses), (skew, kurt)
            assert ("its quantile is no loss" in why) is (rises and not loses), (skew, kurt)
            assert why or es >= var > 0, (skew, kurt)
            found.add((rises, loses))
    assert {(True, True), (False, True)} <= found
    assert ((True, False) in found) is (confidence == "0.51")


def one_leap_up():
    """Days of 15 % or so, and one on which the price rose by 80 %."""
    returns = 3 * sample(250, 1)
    returns[125] = math.log(1.8)
    return returns


def test_one_leap_up_among_wild_days_is_no_gain_that_is_told_as_the_var():
    """The expansion rises beyond the VaR, and falls between it and the median: it gives a loss of
    −10,093 USD of 95,000. A few days of the history lost more than 11 %.
    """
    returns = one_leap_up()
    book = cornish_fisher(returns, settings()).book(np.array([95_000.0]))
    deviation, skew, kurt = moments(np.expm1(returns) @ np.array([95_000.0]))
    z = np.linspace(-6, NORMAL.inv_cdf(0.01), 3001)
    assert (np.diff(expansion(z, skew, kurt)) > 0).all()
    assert round(-deviation * expansion(z[-1], skew, kurt)) == -10_093
    for ask in (book.tail, book.components, lambda: book.var_with([(0, 10.0)])):
        with pytest.raises(
            Unavailable, match=r"all the way to the median; choose another \[var\] m"
        ):
            ask()


@pytest.mark.parametrize("share", [1 / 6, 0.17])
def test_a_normal_history_is_a_normal_model_also_with_tails_a_little_thinner(share):
    """Three values that have the first four moments of a normal, or an excess kurtosis of −0.06."""
    ends = round(1200 * share)
    steps = np.array([[-1.0]] * ends + [[0.0]] * (1200 - 2 * ends) + [[1.0]] * ends)
    returns = np.log1p(0.02 * steps / math.sqrt(np.mean(steps**2)))
    tail = cornish_fisher(returns, settings()).book(np.array([1000.0])).tail()
    near = 1e-9 if share == 1 / 6 else 0.02
    assert tail.var == pytest.approx(20 * NORMAL.inv_cdf(0.99), rel=near)
    assert tail.es == pytest.approx(20 * NORMAL.pdf(NORMAL.inv_cdf(0.99)) / 0.01, rel=near)


def hedged():
    """Three keys that move as one, so flatly that rounding's own kurtosis would be refused."""
    one = np.log1p(0.02 * np.array([[-1.0], [0], [0], [0], [0], [1]] * 40))
    return cornish_fisher(np.hstack([one, one, one]), settings())


@pytest.mark.parametrize("size", [1e2, 1e5, 1e8])
def test_what_rounding_leaves_of_a_full_hedge_has_no_moments(size):
    book = hedged().book(size * np.array([1 / 3, 2 / 3, -1.0]))
    assert (book.tail().var, book.tail().es) == (0, 0)
    assert not book.components().var.any()
    assert not book.quantile(np.array([0.01])).any()


def test_what_rounding_leaves_of_a_book_that_was_sold_has_no_moments():
    book = hedged().book(np.array([1e5 / 3, 0.0, 0.0]))
    moves = [(1, 12_345.67), (0, -1e5 / 3), (1, -12_345.67)]
    assert book.tail_with(moves).var == 0
    for index, usd in moves:
        book.move(index, usd)
    assert (book.tail().var, book.tail().es) == (0, 0)


def test_cornish_fisher_bounds_nothing_that_is_added():
    book = cornish_fisher(RETURNS, settings()).book(EXPOSURES)
    assert book.most_added([(0, 1.0)]) == math.inf
    assert book.most_added([]) == 0


# --- All of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 10])
@pytest.mark.parametrize("builder", BUILDERS)
def test_components_are_the_derivatives(builder, horizon):
    model = builder(RETURNS, settings(horizon=horizon))
    found = model.book(EXPOSURES).components()
    for key in range(3):
        step = np.eye(3)[key] * 1e-2
        up, down = model.book(EXPOSURES + step).tail(), model.book(EXPOSURES - step).tail()
        marginal = (up.var - down.var) / 2e-2, (up.es - down.es) / 2e-2
        assert EXPOSURES[key] * marginal[0] == pytest.approx(found.var[key], rel=1e-6)
        assert EXPOSURES[key] * marginal[1] == pytest.approx(found.es[key], rel=1e-6)
    assert found.var.sum() == pytest.approx(model.book(EXPOSURES).tail().var)
    assert found.es.sum() == pytest.approx(model.book(EXPOSURES).tail().es)


@pytest.mark.parametrize("builder", BUILDERS)
def test_moves_asked_about_are_moves_done_and_asking_does_none(builder):
    model = builder(RETURNS, settings())
    book, moves = model.book(EXPOSURES), [(0, -250.0), (2, 100.0), (0, 10.0)]
    before = book.tail()
    told, var = book.tail_with(moves), book.var_with(moves)
    assert book.tail() == book.tail_with([]) == before
    for index, usd in moves:
        book.move(index, usd)
    assert EXPOSURES.tolist() == [1000, -300, 500]
    assert book.exposures.tolist() == [760, -300, 600]
    for found in (book.tail(), model.book(book.exposures).tail()):
        assert (found.var, found.es) == (pytest.approx(told.var), pytest.approx(told.es))
    assert var == told.var


@pytest.mark.parametrize("builder", ELLIPTICAL)
def test_most_added_is_the_moves_risk_held_alone(builder):
    model = builder(RETURNS, settings())
    book = model.book(EXPOSURES)
    assert book.most_added([]) == 0
    alone = [model.book(np.eye(3)[key] * usd).tail().es for key, usd in ((0, 100.0), (2, -50.0))]
    assert book.most_added([(0, 100.0), (2, -50.0)]) == pytest.approx(sum(alone))


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_quantile_at_alpha_is_the_var_and_es_its_mean_below(builder):
    book = builder(RETURNS, settings("0.95")).book(EXPOSURES)
    assert book.quantile(np.array([0.05]))[0] == pytest.approx(-book.tail().var)
    points = (np.arange(200_000) + 0.5) / 200_000 * 0.05
    assert book.quantile(points).mean() == pytest.approx(-book.tail().es, rel=1e-3)


@pytest.mark.parametrize("builder", ELLIPTICAL)
def test_gains_are_as_likely_as_losses(builder):
    book = builder(RETURNS, settings()).book(EXPOSURES)
    low, middle, high = book.quantile(np.array([0.01, 0.5, 0.99]))
    assert (low, middle) == (pytest.approx(-high), pytest.approx(0, abs=1e-12))


def test_legs_that_cancel_out_are_no_risk_though_they_were_rounded():
    """0.1 + 0.2 − 0.3 is not quite zero in binary."""
    book = cornish_fisher(np.hstack([RETURNS[:, :1]] * 2), settings()).book(np.array([0.1, 0.2]))
    assert book.var_with(((0, -0.3),)) == 0
    assert book.var_with(((0, -0.29),)) > 0


@pytest.mark.parametrize("builder", [student_t, student_t_shrunk])
def test_moves_too_small_to_be_squared_tell_no_tail(builder):
    tiny = 1e-170 * RETURNS[:, 1:2]
    with_tiny = builder(np.hstack([RETURNS[:, :1], tiny]), settings()).book(np.array([1000.0, 0.0]))
    alone = builder(np.hstack([RETURNS[:, :1], 0 * tiny]), settings()).book(np.array([1000.0, 0.0]))
    assert with_tiny.tail().var == pytest.approx(alone.tail().var, rel=0.1)
