"""Brakes: what is unbounded, and limits that must be set."""

import pytest

from sidecar.core.vocabulary.brakes import BRAKES, brakes_not_set, is_set, lacking
from sidecar.core.vocabulary.limits import Limits
from tests.unit.core.vocabulary.test_limits import faults


def names(**limits):
    return [brake.name for brake in brakes_not_set(Limits(**limits))]


def test_every_brake_names_limits_of_the_account_and_says_what_has_no_bound():
    for brake in BRAKES:
        assert set(brake.limits) <= Limits.model_fields.keys()
        assert brake.unbounded.endswith(".")


def test_without_limits_no_brake_is_set():
    assert brakes_not_set(Limits()) == BRAKES


def test_a_brake_is_set_by_any_of_its_limits_in_the_table_of_the_account_alone():
    assert "max_leverage or max_gross_exposure" in names(max_open_orders=5)
    assert "max_leverage or max_gross_exposure" not in names(max_gross_exposure=5)
    assert "max_leverage or max_gross_exposure" not in names(max_leverage=2)
    assert "max_daily_loss" in names(shadow={"max_daily_loss": "0.1"})
    assert "max_daily_loss" in names(product={"BTC-USD": {"max_daily_loss": "0.1"}})
    assert "max_daily_loss" in names(strategy={"grid": {"max_daily_loss": "0.1"}})


def test_a_limit_of_zero_is_set():
    assert "max_open_orders" not in names(max_open_orders=0)


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (None, False),
        (False, False),
        ((), False),
        ([], False),
        (True, True),
        (0, True),
        ((1,), True),
    ],
)
def test_which_values_bind(value, known):
    assert is_set(value) is known


def test_the_required_limits_that_are_missing_are_all_told():
    limits = Limits(
        require=("max_var", "max_daily_loss", "no_adding", "allow_products", "max_leverage"),
        max_leverage="2",
        shadow={"max_var": "0.1"},
    )
    assert lacking(limits.require, limits) == (
        "limits.require names max_var, max_daily_loss, no_adding, allow_products, not set for the whole account (one in"
        " shadow, or of a product or strategy, does not count); set them in [limits], or take them out of require"
    )
    assert "set it in [limits], or take it out" in lacking(("max_var",), limits)
    assert lacking(("max_leverage",), limits) == ""


def test_unknown_names_are_told_with_the_nearest_all_at_once():
    told = faults(require=("max_dayly_loss", "MAX_VAR", "zzz", "max_var"))
    assert told["require.0"].endswith("may be left out; did you mean max_daily_loss?")
    assert told["require.1"].endswith("; did you mean max_var?")
    assert "; write one of min_order_size, " in told["require.2"]
    assert told.keys() == {"require.0", "require.1", "require.2"}


@pytest.mark.parametrize(
    "name", ["require", "shadow", "product", "max_spread", "on_loss", "budget"]
)
def test_only_a_limit_of_the_account_that_may_be_left_out_can_be_required(name):
    assert faults(require=(name,))
