"""What holds for every model by its name: what it refuses, and what has no risk."""

from decimal import Decimal
from typing import get_args

import numpy as np
import pytest

from sidecar.core.value_at_risk.model import Unavailable
from sidecar.core.value_at_risk.models import MODELS, fit
from sidecar.core.value_at_risk.settings import ModelName, ModelSettings
from tests.unit.core.value_at_risk.samples import sample

EVERY = pytest.mark.parametrize("name", MODELS)
# Shrinkage takes a part of every correlation for noise, of a perfect one too.
UNSHRUNK = pytest.mark.parametrize("name", [name for name in MODELS if "shrunk" not in name])
RETURNS = sample(250, 3)


def fitted(name, returns=RETURNS, **more):
    return fit(returns, ModelSettings(model=name, simulations=1000, **more))


def test_every_name_has_a_model_and_every_model_a_name():
    assert set(MODELS) == set(get_args(ModelName))


@EVERY
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (10, 0), (10,), (0,), (2, 2, 2)])
def test_no_returns_are_refused(name, shape):
    with pytest.raises(Unavailable, match="there are no returns to fit a model to; give a history"):
        fitted(name, np.zeros(shape))


@EVERY
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_refused(name, value):
    returns = RETURNS.copy()
    returns[17, 1] = value
    with pytest.raises(Unavailable, match="the returns hold what is not a number; fix the history"):
        fitted(name, returns)


@EVERY
def test_a_book_of_nothing_has_no_risk_and_no_components(name):
    book = fitted(name).book(np.zeros(3))
    assert (book.tail().var, book.tail().es) == (0, 0)
    assert not book.components().var.any()
    assert not book.components().es.any()
    assert not book.quantile(np.array([0.01, 0.5, 0.99])).any()


@EVERY
def test_prices_that_never_moved_have_no_risk(name):
    book = fitted(name, np.zeros((250, 2))).book(np.array([1000.0, -500.0]))
    assert (book.tail().var, book.tail().es, book.var_with([(0, 100.0)])) == (0, 0, 0)
    assert not book.components().var.any()


@EVERY
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_key_that_never_moves_has_no_risk_and_changes_none(name, place):
    """A stablecoin at its peg beside what moves: whatever is held of it, all else risks what it did."""
    without, peg = np.array([1000.0, -400.0, 300.0]), 1e6
    returns = np.insert(RETURNS, place, 0.0, axis=1)
    one, other = fitted(name), fitted(name, returns)
    alone, beside = one.book(without), other.book(np.insert(without, place, peg))
    size = pytest.approx(alone.tail().var), pytest.approx(alone.tail().es)
    assert (beside.tail().var, beside.tail().es) == size
    more = beside.tail_with([(place, -3 * peg)])
    assert (more.var, more.es) == size
    assert beside.var_with([(place, peg)]) == size[0]
    parts = beside.components()
    assert (parts.var[place], parts.es[place]) == (0, 0)
    assert np.delete(parts.var, place) == pytest.approx(alone.components().var)
    assert np.delete(parts.es, place) == pytest.approx(alone.components().es)


@EVERY
def test_one_key_is_a_book(name):
    book = fitted(name, RETURNS[:, :1]).book(np.array([1000.0]))
    tail = book.tail()
    assert 0 < tail.var <= tail.es < 1000
    assert book.components().var == pytest.approx([tail.var])
    assert book.components().es == pytest.approx([tail.es])


@UNSHRUNK
def test_keys_that_move_as_one_are_one_key(name):
    """Their covariance is singular."""
    one = RETURNS[:, :1]
    alone = fitted(name, one).book(np.array([1000.0])).tail()
    twins = fitted(name, np.hstack([one, one])).book(np.array([600.0, 400.0])).tail()
    near = 0.2 if name == "monte_carlo" else 1e-6  # it draws other numbers for two keys
    assert (twins.var, twins.es) == (pytest.approx(alone.var, near), pytest.approx(alone.es, near))


@UNSHRUNK
def test_a_full_hedge_has_no_risk_that_shows(name):
    one = RETURNS[:, :1]
    model = fitted(name, np.hstack([one, one, one]))
    book = model.book(np.array([100_000 / 3, 200_000 / 3, -100_000]))
    assert book.tail().var == pytest.approx(0, abs=0.01)
    assert book.tail().es == pytest.approx(0, abs=0.01)


@EVERY
def test_twice_the_periods_are_root_two_of_the_risk(name):
    """But for a price's own curve, and for tails that grow thinner."""
    exposures = np.array([1000.0, 0, 0])
    one, two = (fitted(name, horizon=h).book(exposures).tail() for h in (1.0, 2.0))
    assert two.var == pytest.approx(one.var * 2**0.5, rel=0.15)


@EVERY
def test_more_confidence_is_no_less_risk(name):
    exposures = np.array([1000.0, -400.0, 300.0])
    found = [
        fitted(name, confidence=Decimal(one)).book(exposures).tail()
        for one in ("0.9", "0.95", "0.975", "0.99")
    ]
    assert [tail.var for tail in found] == sorted(tail.var for tail in found)
    assert [tail.es for tail in found] == sorted(tail.es for tail in found)


@EVERY
def test_the_same_returns_give_the_same_figures(name):
    exposures = np.array([1000.0, -400.0, 300.0])
    assert fitted(name).book(exposures).tail() == fitted(name).book(exposures).tail()


@EVERY
def test_a_fit_leaves_the_returns_as_they_are(name):
    returns = RETURNS.copy()
    fitted(name, returns).book(np.ones(3)).tail()
    assert (returns == RETURNS).all()
