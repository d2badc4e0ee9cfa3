"""Which books' depth is wanted, and what is asked for where it is missing."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.guards.depth_watch import FOLLOWED_MAX, READ_AT_ONCE, SHOWN_MAX
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import FollowDepth, ReadDepth
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import connected, of_kind, pictured, reloaded, restarted
from tests.scenario import PRODUCTS, D, World, limit_order, market_order, product

LIMITED: dict[str, Any] = {"max_order_slippage": "0.01", "max_quote_age_s": 86_400}


def wishes(actions):
    """What was wished for, in short."""
    return [
        (type(one).__name__[0], *one.product_ids)
        for one in of_kind(actions, FollowDepth, ReadDepth)
    ]


def followed(world):
    return {*(world.manager.depth.memory.followed or ())}


def asked(world, product_id="ETH-USD", **fields):
    body = market_order("0.1", product_id=product_id)
    return wishes(world.send(ev.OrderProposed, body=body, **fields))


def many(count):
    """A world with so many coins, each worth 10 USD a unit; the later ones are held in greater numbers."""
    coins = [f"C{number:02d}" for number in range(count)]
    listed = tuple(product(f"{coin}-USD") for coin in coins)
    world = connected(**LIMITED)
    world.send(ev.ProductsListed, products=listed)
    for number, coin in enumerate(coins):
        world.quote(f"{coin}-USD", 10)
        world.fill("BUY", 10 + number, 10, product_id=f"{coin}-USD")
    return world, [f"{coin}-USD" for coin in reversed(coins)]


# --- Without a limit ------------------------------------------------------------------------------


def test_without_a_limit_the_books_of_what_is_held_are_read_once_a_minute():
    world = connected(held=1)
    assert ("R", "BTC-USD") in wishes(world.wait(0))
    assert wishes(world.wait(59.9)) == []
    assert wishes(world.wait(0.1)) == [("R", "BTC-USD")]


def test_nothing_is_woken_for_that():
    """The next fact is soon enough: a live process is told one every second."""
    world = connected(held=1)
    assert ("R", "BTC-USD") in wishes(world.wait(0))
    assert world.manager.depth.next_look(world.now) is None


def test_without_a_limit_only_the_largest_positions_are_read():
    coins = [f"C{number:02d}" for number in range(SHOWN_MAX + 2)]
    world = World(
        settings=connected().manager.settings,
        products=(*PRODUCTS, *(product(f"{c}-USD") for c in coins)),
    )
    for coin in coins:
        world.quote(f"{coin}-USD", 10)
    pictured(world, also={coin: 10 + number for number, coin in enumerate(coins)})
    (read,) = wishes(world.wait(61))
    assert read == ("R", *(f"{coin}-USD" for coin in reversed(coins[2:])))


def test_nothing_is_read_where_nothing_is_held_or_no_product_sells_it():
    world = connected()
    assert wishes(world.wait(61)) == []
    world.send(ev.ProductsListed, products=(product("ABC-XYZ"),))
    world.balance("ABC", 5)
    world.wait(3)
    world.balance("ABC", 5)
    assert wishes(world.wait(61)) == []


def test_a_library_is_asked_for_nothing():
    world = World(**LIMITED)
    world.hold(1)
    assert wishes(world.wait(61)) == []
    assert asked(world) == []
    assert wishes(World().wait(61)) == []


# --- Followed -------------------------------------------------------------------------------------


def test_with_a_limit_the_books_of_positions_orders_and_questions_are_followed_and_read():
    world = connected(held=1, **LIMITED)
    assert followed(world) == {"BTC-USD"}
    assert asked(world) == [("F", "BTC-USD", "ETH-USD"), ("R", "ETH-USD")]
    assert asked(world) == []
    said = world.report("o1", product_id="BTC-EUR", leaves="0.1", limit_price=50_000)
    assert wishes(said) == []  # its coin is held already: it is sold for dollars
    world.report("o2", product_id="ETH-BTC", leaves=1, limit_price="0.01")
    assert followed(world) >= {"BTC-EUR", "BTC-USD", "ETH-USD"}


def test_a_question_about_a_coin_pair_needs_the_books_that_its_coins_are_sold_in():
    """Else an order for a coin that is not held would be refused for ever, for want of a depth that nobody reads."""
    world = connected(**LIMITED)
    assert asked(world, "ETH-BTC") == [
        ("F", "BTC-USD", "ETH-BTC", "ETH-USD"),
        ("R", "BTC-USD", "ETH-USD", "ETH-BTC"),
    ]
    assert asked(world, "BTC-EUR") == [
        ("F", "BTC-EUR", "BTC-USD", "ETH-BTC", "ETH-USD"),
        ("R", "BTC-EUR"),
    ]
    world.send(ev.ProductsListed, products=(product("ABC-XYZ"),))
    assert asked(world, "ABC-XYZ")[0][1] == "ABC-XYZ"


def test_a_dry_run_is_no_question():
    world = connected(**LIMITED)
    assert asked(world, dry_run=True) == []


def test_a_question_is_remembered_for_an_hour():
    world = connected(**LIMITED)
    asked(world)
    world.wait(3599.9)
    assert followed(world) == {"ETH-USD"}
    assert wishes(world.wait(0.1)) == [("F",)]
    assert asked(world) == [("F", "ETH-USD"), ("R", "ETH-USD")]


def test_the_largest_exposures_are_followed_first_and_no_more_than_may_be():
    world, books = many(FOLLOWED_MAX + 2)
    assert followed(world) <= set(books)
    world.report("o1", product_id="C00-USD", leaves=1000, limit_price=10)
    asked(world, "BTC-USD")
    assert len(followed(world)) == FOLLOWED_MAX
    assert "C00-USD" in followed(world)
    assert "BTC-USD" not in followed(world)


def test_a_bot_that_asks_again_is_noted_once_a_minute():
    world = connected(**LIMITED)
    noted = world.manager.depth.memory.asked
    asked(world, "ETH-USD")
    first = noted["ETH-USD"]
    for seconds in (59, 1, 30):
        world.wait(seconds)
        asked(world, "ETH-USD")
    assert noted["ETH-USD"] - first == timedelta(seconds=60)


def test_dust_takes_no_place_among_the_books_that_are_followed():
    coins = [f"C{number:02d}" for number in range(FOLLOWED_MAX)]
    world = connected(**LIMITED)
    world.send(ev.ProductsListed, products=tuple(product(f"{coin}-USD") for coin in coins))
    for coin in coins:
        name, size = f"{coin}-USD", "0.000001"
        world.quote(name, 10)
        world.fill("BUY", size, 10, product_id=name, order_id=coin)
        world.report(coin, status="FILLED", product_id=name, filled=size, average_price=10)
    asked(world, "ETH-USD")
    assert "ETH-USD" in followed(world)


def test_what_has_no_price_yet_is_followed_at_once():
    """Balances and prices come in any order."""
    world = connected(**LIMITED)
    world.send(ev.ProductsListed, products=(product("NEW-USD"),))
    world.send(ev.BalancesRead, balances=(ev.Balance("NEW", D(1)),))
    assert world.tracker.account.lines["NEW"].mark is None
    assert "NEW-USD" in followed(world)


def test_dust_that_has_grown_is_followed():
    """No line comes or goes with a transfer of more of the same."""
    world = connected(held="0.000000001", **LIMITED)
    world.balance("BTC", 1)
    assert "BTC-USD" in followed(world)


def test_no_more_questions_are_remembered_than_books_may_be_followed():
    world = connected(**LIMITED)
    coins = [f"C{number:02d}" for number in range(FOLLOWED_MAX + 1)]
    world.send(ev.ProductsListed, products=tuple(product(f"{coin}-USD") for coin in coins))
    for coin in coins:
        asked(world, f"{coin}-USD")
    assert list(world.manager.depth.memory.asked) == [f"{coin}-USD" for coin in coins[1:]]


def test_a_limit_that_is_gone_follows_no_more():
    world = connected(held=1, **LIMITED)
    actions = world.send(ev.LimitsReplaced, limits=Limits())
    assert wishes(actions)[0] == ("F",)
    assert wishes(world.send(ev.LimitsReplaced, limits=Limits(**LIMITED)))[0] == ("F", "BTC-USD")


def test_a_new_process_says_anew_what_is_to_be_followed():
    world = connected(held=1, **LIMITED)
    world.depth()
    assert wishes(reloaded(world).wait(0)) == []
    new = restarted(world)
    assert wishes(new.actions) == [("F", "BTC-USD"), ("R", "BTC-USD")]
    assert not new.tracker.depths.known


# --- Read -----------------------------------------------------------------------------------------


def test_a_book_that_stays_away_is_read_ever_slower():
    world = connected(**LIMITED)
    assert asked(world)[-1] == ("R", "ETH-USD")
    waits = []
    for _ in range(6):
        began = world.now
        for _ in range(5):
            if wishes(world.wait(to=world.manager.due)):
                break
        waits.append((world.now - began).total_seconds())
    assert waits == [5, 10, 20, 40, 60, 60]
    world.depth("ETH-USD", bids=((1_999, 1),), asks=((2_001, 1),))
    assert wishes(world.wait(30)) == []
    assert wishes(world.wait(0.001)) == []  # it was read just before
    assert wishes(world.wait(30)) == [("R", "ETH-USD")]


def test_a_book_that_was_long_known_is_read_at_once_when_its_feed_falls_silent():
    world = connected(**LIMITED)
    asked(world)
    for _ in range(20):
        world.wait(10)
        world.depth("ETH-USD", bids=((1_999, 1),), asks=((2_001, 1),))
    assert wishes(world.wait(30)) == []
    assert wishes(world.wait(0.001)) == [("R", "ETH-USD")]
    assert wishes(world.wait(5)) == [("R", "ETH-USD")]


def test_a_clock_that_was_set_back_stops_no_reading():
    world = connected(**LIMITED)
    asked(world)
    world.now -= timedelta(hours=5)
    assert wishes(world.wait(0)) == [("R", "ETH-USD")]


def test_no_more_books_are_read_at_once_than_a_second_has_requests_for():
    world, books = many(READ_AT_ONCE + 5)
    new = restarted(world)
    first, second = wishes(new.actions)[1:], wishes(new.wait(0))
    assert [len(one) - 1 for one in (*first, *second)] == [READ_AT_ONCE, 5]
    assert {*first[0][1:], *second[0][1:]} == {*books}


@pytest.mark.parametrize("seconds", [29.9, 30])
def test_the_core_is_woken_when_a_depth_grows_old(seconds):
    world = connected(held=1, **LIMITED)
    world.depth()
    assert world.manager.due == world.now + timedelta(seconds=30, microseconds=1)
    world.wait(seconds)
    assert world.ask(limit_order("0.01", 64_000))
    world.wait(to=world.manager.due)
    world.wait(30.1 - seconds)
    assert not world.ask(limit_order("0.01", 64_000))
    assert D(1) == world.position
