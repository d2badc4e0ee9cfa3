"""A risk figure beyond its limit without any order is told once; so is one that is missing."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary.actions import Alert
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import StandInRisk, connected, of_kind, reloaded
from tests.scenario import World

BREACH, MISSING = "RISK_LIMIT_BREACHED", "VAR_UNAVAILABLE"


def codes(actions):
    return [action.code for action in of_kind(actions, Alert)]


def figured(usd, **limits):
    """Equity 100,000; the figure is a stand-in's."""
    world = World(**(limits or {"max_var": "0.15"}))
    world.manager.desk.portfolio_risk = StandInRisk(usd)
    return world


def stands_at(world, usd, *, known=True):
    world.manager.desk.portfolio_risk = StandInRisk(usd, known=known)
    return codes(world.wait(1))


@pytest.mark.parametrize(("usd", "told"), [("14999.99", []), ("15000", [BREACH])])
def test_a_figure_at_its_limit_is_told(usd, told):
    assert codes(figured(usd).wait(1)) == told


def test_it_says_how_much_what_follows_and_the_mend():
    (alert,) = of_kind(figured(16_000).wait(1), Alert)
    assert alert.severity == "warning"
    assert alert.text == (
        "value at risk is 16000 USD, 16 % of equity; max_var is 15 %: only orders that do not raise it"
        " pass; reduce positions"
    )


def test_it_is_told_once_and_again_only_after_it_was_well_below():
    world = figured(16_000)
    assert codes(world.wait(1)) == [BREACH]
    for usd in (16_000, 20_000, 14_500, 16_000):
        assert stands_at(world, usd) == []
    assert stands_at(world, 14_249) == []
    assert stands_at(world, 15_000) == [BREACH]


def test_a_restart_does_not_tell_it_again():
    world = figured(16_000)
    assert codes(world.wait(1)) == [BREACH]
    new = reloaded(world)
    assert stands_at(new, 16_000) == []


def test_each_measure_is_told_for_itself():
    world = figured(16_000, max_var="0.15", max_expected_shortfall="0.2", max_stress_loss="0.1")
    assert codes(world.wait(1)) == [BREACH, BREACH]


def test_a_limit_that_is_taken_away_is_forgotten():
    world = figured(16_000)
    assert codes(world.wait(1)) == [BREACH]
    world.manager.desk.use(Limits())
    assert stands_at(world, 16_000) == []
    world.manager.desk.use(Limits(max_var="0.15"))
    assert stands_at(world, 16_000) == [BREACH]


def test_no_risk_is_beyond_no_limit():
    """No equity, and nothing held."""
    world = World(cash=0, max_var="0.15")
    assert codes(world.wait(1)) == []
    (alert,) = of_kind(_after(world, 1), Alert)
    assert "1 USD, no equity" in alert.text


def _after(world, usd):
    world.manager.desk.portfolio_risk = StandInRisk(usd)
    return world.wait(1)


def test_a_figure_that_is_missing_for_a_minute_is_told_once():
    world = figured(0)
    world.manager.desk.portfolio_risk = StandInRisk(known=False)
    for _ in range(60):
        assert codes(world.wait(1)) == []
    (alert,) = of_kind(world.wait(1), Alert)
    assert alert.code == MISSING
    assert (
        alert.text
        == "max_var is set and there is no figure: nobody knows; orders that add risk are refused"
    )
    assert codes(world.wait(120)) == []
    assert stands_at(world, 0) == []
    assert stands_at(world, 0, known=False) == []
    assert codes(world.wait(timedelta(minutes=2).total_seconds())) == [MISSING]


def test_a_minute_without_a_figure_begins_anew_with_each_figure_and_each_limit():
    world = figured(0)
    for _ in range(3):
        assert stands_at(world, 0, known=False) == []
        assert codes(world.wait(40)) == []
        assert stands_at(world, 0) == []
    assert stands_at(world, 0, known=False) == []
    world.manager.desk.use(Limits())
    assert codes(world.wait(40)) == []
    world.manager.desk.use(Limits(max_var="0.15"))
    assert codes(world.wait(40)) == []
    assert codes(world.wait(60)) == [MISSING]


def test_nothing_is_told_before_the_account_is_known():
    world = connected(max_var="0.15")
    world.manager.state.ready = False
    world.manager.desk.portfolio_risk = StandInRisk(16_000)
    assert BREACH not in codes(world.wait(1))
