"""The scenario language itself: what its defaults are."""

from tests.scenario import World, limit_order


def test_a_small_order_in_a_boring_world_is_approved():
    """Without limits, an order that the funds cover and the quotes value passes."""
    decision = World().ask(limit_order())
    assert decision, decision.violations
    assert decision.reserved_until is not None
