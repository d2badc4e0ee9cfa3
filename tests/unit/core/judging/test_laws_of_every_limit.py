"""A limit that a rule measures is in every list by which laws are tried and costs are measured, or named here.

Left out of a list, it would be tried by nobody, and nobody would say so.
"""

from typing import Final

import pytest

from benchmarks import desk
from sidecar.core.judging.rules import RULES
from sidecar.core.judging.rules.rule import Measured
from tests.property import test_decision_laws, test_glance_laws
from tests.unit.core.test_every_attribute_is_saved import EDGES

MEASURED: Final = [rule for rule in RULES if isinstance(rule, Measured)]
LOSSES: Final = {
    "max_daily_loss", "max_weekly_loss", "max_monthly_loss", "max_loss_in", "max_drawdown", "max_cumulative_loss",
}  # fmt: skip
RISKS: Final = {"max_var", "max_expected_shortfall", "max_stress_loss"}
OF_STRATEGY: Final = {"budget", "max_strategy_share"}

# The list, what is in it, and what is not: no size keeps it, laws of its own try it, or no glance is taken under it.
LISTS: Final = {
    "LIMITS of tests/property/test_decision_laws.py": (
        test_decision_laws.LIMITS.keys() | test_decision_laws.OF_STRATEGY.keys(),
        LOSSES | RISKS | {"losing_streak", "max_order_rate", "duplicate_order", "price_collar"},
    ),
    "LIMITS of tests/property/test_glance_laws.py": (
        test_glance_laws.LIMITS.keys() | test_glance_laws.OF_STRATEGY.keys(),
        {"max_margin_drawdown", "max_expected_shortfall"},
    ),
    "LIMITS of benchmarks/desk.py": (
        desk.LIMITS.model_fields_set,
        OF_STRATEGY | {"max_margin_drawdown", "max_notional_in", "no_adding", "max_expected_shortfall", "max_stress_loss"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", LISTS)
def test_every_limit_of_a_rule_is_listed(place):
    listed, left_out = LISTS[place]
    missing = {rule.limit for rule in MEASURED} - listed
    assert missing == left_out, f"add it to {place}, or to those left out of it here"


def test_every_rule_that_measures_is_near_its_edge_before_a_restart():
    """Limits on losses: LOSSES of the same file."""
    codes = {rule.code for rule in MEASURED if rule.limit not in LOSSES | {"losing_streak"}}
    assert codes <= EDGES.keys(), (
        "add it to EDGES of tests/unit/core/test_every_attribute_is_saved.py"
    )
