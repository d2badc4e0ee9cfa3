"""UnlistedLimits: a typing mistake must not look like a limit."""

from typing import Any

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import of_kind
from tests.scenario import World, product

TYPO: dict[str, Any] = {
    "product": {"BTC_USD": {"max_position_size": 1}, "BTC-USD": {"max_position_size": 2}}
}


def test_limits_of_a_product_that_is_not_listed_are_told_with_the_listing():
    """They bind nothing: a typing mistake must not look like a limit."""
    world = World(products=(), **TYPO)
    (alert,) = of_kind(world.send(ev.ProductsListed, products=(product("BTC-USD"),)), Alert)
    assert (alert.severity, alert.code) == ("warning", "LIMIT_WITHOUT_PRODUCT")
    assert alert.text == "no listed product is named BTC_USD: the limits in its table do not bind"
    again = world.send(ev.ProductsListed, products=(product("BTC-USD"),))
    assert not of_kind(again, Alert)


def test_new_limits_of_a_product_that_is_not_listed_are_told_at_once():
    world = World()
    actions = world.send(ev.LimitsReplaced, limits=Limits(**TYPO))
    assert of_kind(actions, Alert)[0].code == "LIMIT_WITHOUT_PRODUCT"
    assert not of_kind(world.send(ev.LimitsReplaced, limits=Limits()), Alert)
    assert of_kind(world.send(ev.LimitsReplaced, limits=Limits(**TYPO)), Alert)
