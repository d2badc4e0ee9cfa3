"""What selling a position would cost and take, by the depth of its book."""

from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from sidecar.core import views
from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from tests.decisions import funded
from tests.scenario import FUTURE, D, World, product

BIDS = ((63_990, 1), (63_900, 10))
ASKS = ((64_010, 1), (64_100, 10))


def exit_of(world, key="BTC"):
    rows = views.positions(world.manager, world.now)["positions"]
    (row,) = [row for row in rows if row["key"] == key]
    return row["exit"]


def together(world):
    return views.status(world.manager, world.now)["exit"]


def figures(found):
    return [found[name] for name in ("price", "cost", "share", "rounds", "seconds")]


def held(size, **fields):
    world = World(**fields)
    world.depth(bids=BIDS, asks=ASKS)
    world.hold(size)
    return world


def test_what_the_book_takes_is_sold_in_one_round():
    """1 for 10 dollars and 1 for 100 from the mid."""
    found = exit_of(held(2))
    assert (found["product_id"], found["why_not"]) == ("BTC-USD", "")
    assert figures(found["now"]) == [63_945, 110, ratio(110, 128_000), 1, D("0.6")]


def ratio(part, whole):
    return (D(part) / D(whole)).quantize(D("1E-12"))


def test_what_it_does_not_take_waits_until_it_has_filled_up_again():
    """A tenth of the book takes 1.1 for 1 + 100 a round: two in two rounds, 0.9 for 1 + 80 in the second."""
    found = exit_of(held(2))["thinned"]
    assert figures(found) == [64_000 - D(182) / 2, 182, ratio(182, 128_000), 2, D("61.2")]


def test_a_book_of_a_speck_takes_longer_than_any_clock_counts():
    world = World()
    world.depth(bids=((63_990, D("1E-8")),), asks=ASKS)
    world.hold(1_000_000)
    found = exit_of(world)["thinned"]
    assert found["rounds"] == 10**15
    assert found["seconds"] > 10**16
    assert msgspec.json.encode(views.status(world.manager, world.now))


def test_a_flattening_sends_no_more_than_ten_orders_of_an_asset_in_a_round():
    world = held(2)
    listed = replace(world.tracker.products["BTC-USD"], base_max_size=D("0.1"))
    world.send(ev.ProductsListed, products=(listed,))
    found = exit_of(world)["now"]
    assert figures(found) == [63_990, 20, ratio(20, 128_000), 2, D(63)]


def test_without_a_largest_size_one_order_sells_all_that_the_book_takes():
    world = held(2)
    listed = replace(world.tracker.products["BTC-USD"], base_max_size=None)
    world.send(ev.ProductsListed, products=(listed,))
    assert figures(exit_of(world)["now"]) == [63_945, 110, ratio(110, 128_000), 1, D("0.6")]


def test_shorts_are_bought_back_in_contracts():
    world = funded(World())
    world.depth(FUTURE, bids=((63_990, 30),), asks=((64_010, 30),))
    world.fill("SELL", 20, 64_000, product_id=FUTURE)
    assert figures(exit_of(world, FUTURE)["now"])[:2] == [64_010, 2]


def test_a_coin_sold_before_its_purchase_was_told_has_no_exit():
    world = World()
    world.depth()
    world.fill("SELL", 1, 64_000)
    assert exit_of(world)["why_not"] == "sold before its purchase was told"


def test_without_a_depth_it_says_so():
    world = World()
    world.hold(1)
    found = exit_of(world)
    assert (found["now"], found["thinned"], found["known_at"]) == (None, None, None)
    assert found["why_not"] == "no depth of BTC-USD is known that is young enough"


@pytest.mark.parametrize(("seconds", "known"), [(150, True), (151, False)])
def test_a_depth_is_shown_for_a_while(seconds, known):
    world = held(1)
    world.now += timedelta(seconds=seconds)
    assert (exit_of(world)["now"] is not None) == known
    assert exit_of(world)["why_not"] == ("" if known else "the last depth of BTC-USD is 151 s old")


def test_a_key_that_no_product_sells_says_so():
    world = World()
    world.send(ev.ProductsListed, products=(product("ABC-XYZ"),))
    world.fill("BUY", 1, 1, product_id="ABC-XYZ")
    found = exit_of(world, "ABC")
    assert (found["product_id"], found["why_not"]) == (None, "no product sells it for cash")


def test_the_part_of_the_depth_is_a_setting():
    world = held(2, settings=Settings(exit_depth_factor=D("0.5")))
    assert exit_of(world)["thinned"]["cost"] == D("155")
    assert together(world)["factor"] == D("0.5")


def test_what_is_flat_has_no_exit():
    world = held(1)
    world.fill("SELL", 1, 64_000)
    world.report("o1", leaves="0.1", limit_price=60_000)
    assert exit_of(world) is None
    assert together(world)["now"] == {"cost": 0, "seconds": 0}


def test_together_they_cost_the_sum_and_take_as_long_as_the_longest():
    world = held(2)
    world.hold(3, 2_000, "ETH-USD")
    assert together(world)["now"] == {"cost": None, "seconds": None}
    assert together(world)["unknown"] == {
        "ETH": "no depth of ETH-USD is known that is young enough"
    }
    world.depth("ETH-USD", bids=((1_999, 1),), asks=((2_001, 1),))
    assert together(world) == {
        "factor": D("0.1"),
        "unknown": {},
        "now": {"cost": 113, "seconds": D("121.8")},
        "thinned": {"cost": 185, "seconds": D("1758")},
    }
