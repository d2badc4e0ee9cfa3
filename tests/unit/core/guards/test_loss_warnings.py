"""Limits on losses are told before they are reached, each level once."""

from typing import Any

import pytest

from sidecar.core.vocabulary.actions import Alert
from tests.decisions import of_kind
from tests.scenario import World

NEAR = "LOSS_LIMIT_NEAR"


def lost(**limits):
    """A coin held, a hundred thousand dollars in all."""
    world = World(cash="100000", **limits)
    world.hold(1)
    return world


def near(world, price, product_id="BTC-USD"):
    """The alerts a second after this price."""
    world.quote(product_id, price)
    return [one.text for one in of_kind(world.wait(1), Alert) if one.code == NEAR]


def test_seventy_and_ninety_per_cent_are_told_once_each():
    world = lost(max_daily_loss="10000 USD")
    assert near(world, "57000.01") == []
    assert near(world, 57_000) == ["daily loss is 7000 USD, 7 %: 70 % of its limit, 10000 USD"]
    assert near(world, 56_000) == []
    assert near(world, 55_000) == ["daily loss is 9000 USD, 9 %: 90 % of its limit, 10000 USD"]
    assert near(world, 57_500) == []
    assert near(world, 55_000) == []


def test_it_is_told_anew_after_the_loss_has_fallen_well_below():
    world = lost(max_drawdown="0.1")
    assert len(near(world, 57_000)) == 1
    assert near(world, 58_000) == []  # 60 % is not below
    assert near(world, 57_000) == []
    assert near(world, "58000.01") == []
    assert len(near(world, 57_000)) == 1


def test_a_fall_beyond_both_is_one_alert_and_one_beyond_the_limit_is_its_cause_alone():
    assert len(near(lost(max_daily_loss="10000 USD"), 54_500)) == 1
    world = lost(max_daily_loss="10000 USD")
    assert near(world, 50_000) == []
    assert ("DAILY_LOSS", "all") in world.manager.state.causes
    assert near(world, 54_500) == []  # still there, on its way back


@pytest.mark.parametrize("scope", ["product:BTC-USD", "strategy:grid"])
def test_each_scope_is_told_by_name(scope):
    kind, _, name = scope.partition(":")
    limits: Any = {kind: {name: {"max_daily_loss": "1000 USD"}}}
    world = World(cash="100000", **limits)
    world.fill("BUY", 1, 64_000, strategy_id="grid")
    (text,) = near(world, 63_300)
    assert text.startswith(f"daily loss of {scope} is 700 USD")


def test_nothing_is_told_without_a_limit_or_before_a_window_has_begun():
    assert near(lost(), 1) == []
