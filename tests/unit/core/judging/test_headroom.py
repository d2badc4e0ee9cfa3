"""What the books leave for one more order, and that it follows whatever happens."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest

from sidecar.core.judging.glance import Glance, glance_of
from sidecar.core.judging.headroom import Headroom, Headrooms
from sidecar.core.judging.judge import compile_plan
from sidecar.core.judging.table import NO_LIMIT
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.order_body import Side
from tests.decisions import StandInRisk, sell_order
from tests.scenario import FUTURE, D, World, limit_order

SIDES: Final[tuple[Side, ...]] = ("BUY", "SELL")


def figures(room: Headroom | None) -> object:
    """All of a room that an order is compared with."""
    if room is None:
        return None
    table = room.table
    of_table = (
        table.near_open, table.room_open, table.near_orders, table.near_whole, table.room_whole,
        table.near_worth, table.room_worth, table.flat, table.near_books,
    )  # fmt: skip
    of_books = (room.mark, room.fresh_from, room.fresh_until, room.touch, room.theirs)
    return of_table, of_books, room.near_usd, room.free, room.reducible


def rooms_of(world: World) -> Headrooms:
    """As an order's glance has them."""
    desk = world.manager.desk
    glance = glance_of(desk, compile_plan(desk, world.tracker.products["BTC-USD"], None))
    assert glance is not None
    return glance.headrooms


def looked_at(world: World) -> tuple[Glance, Side]:
    """What the last order was looked at with."""
    found = world.manager.approvals._next
    assert found is not None
    return found


def test_without_limits_only_the_funds_are_bounded():
    world = World()
    room = rooms_of(world).of("BUY")
    assert room is not None
    assert (room.table.near_open, room.near_usd, room.table.room_open) == (NO_LIMIT,) * 3
    assert (room.free, room.mark, room.touch, room.theirs) == (100_000, 64000, 64000, None)


def test_a_buy_is_bounded_by_what_the_key_and_the_account_may_become():
    """2 BTC held and 1 on offer to be bought: of 5 BTC 2 are left, of 400,000 USD 3.25 − 3 = 0.25."""
    world = World(cash=500_000, max_position_size=5, max_gross_exposure=400_000)
    world.balance("BTC", 2)
    world.balance("ETH", 96)  # 192,000 USD
    world.report("b", base_size=1, limit_price=60000)
    room = rooms_of(world).of("BUY")
    assert room is not None
    assert room.table.near_open <= 0  # 384,000 of 400,000 are used
    world.balance("ETH", 0)
    world.wait(5)
    world.balance("ETH", 0)
    room = rooms_of(world).of("BUY")
    assert room is not None
    assert room.table.room_open == 2
    assert room.table.near_open == D(
        "0.5"
    )  # 70 % of 5, less 3; of 400,000 USD 280,000 − 192,000 are left, 1.375 BTC
    assert room.near_usd == NO_LIMIT  # no limit on risk


def test_a_sale_only_lowers_what_could_be_held():
    world = World(max_position_size=5, max_gross_exposure=400_000)
    world.balance("BTC", 2)
    world.report("s", side="SELL", base_size="0.5", limit_price=70000)
    room = rooms_of(world).of("SELL")
    assert room is not None
    assert (room.table.near_open, room.table.room_open, room.free, room.reducible) == (NO_LIMIT, NO_LIMIT, D("1.5"), D("1.5"))  # fmt: skip


@pytest.mark.parametrize(
    "limit", [{"max_position_size": "2.5"}, {"max_position_notional": 180_000}]
)
def test_a_limit_that_is_near_as_it_is_speaks_of_every_order_on_either_side(limit):
    world = World(**limit)
    world.balance("BTC", 2)
    for side in SIDES:
        room = rooms_of(world).of(side)
        assert room is not None
        assert room.table.near_open <= 0 or room.table.flat


@pytest.mark.parametrize("contracts", [-300, 300])
def test_net_exposure_that_futures_use_up_speaks_of_every_order(contracts):
    """3 BTC short, or long, at 64,000 USD: 192,000 of 200,000."""
    world = World(max_net_exposure=200_000)
    side = "BUY" if contracts > 0 else "SELL"
    world.fill(side, abs(contracts), 64000, product_id=FUTURE)
    room = rooms_of(world).of("BUY")
    assert room is not None
    assert room.table.near_open <= 0


def test_shorts_that_coins_hide_are_seen_before_the_coins_are_sold():
    """198,400 USD short in futures beside 192,000 USD of coins: selling them uncovers it."""
    world = World(max_net_exposure=200_000)
    world.balance("BTC", 3)
    world.fill("SELL", 310, 64000, product_id=FUTURE)
    room = rooms_of(world).of("SELL")
    assert room is not None
    assert room.table.near_open == D("2.0875")  # then 140,000 USD are short: 70 %


def test_no_equity_leaves_nothing():
    world = World(cash=0)
    assert rooms_of(world).of("BUY") is None


def test_spot_below_zero_is_a_sale_told_before_its_purchase():
    world = World()
    world.fill("SELL", 1, 64000)
    assert rooms_of(world).of("BUY") is None


def test_what_another_book_marks_is_judged():
    """BTC's price comes from BTC-USD; an order in another dollar book is valued by both."""
    world = World()
    desk = world.manager.desk
    own = glance_of(desk, compile_plan(desk, world.tracker.products["BTC-USDC"], None))
    assert own is not None
    assert own.headrooms.of("SELL") is None  # no wallet of BTC yet
    world.balance("BTC", 1)
    assert own.headrooms.of("SELL") is not None
    world.tracker.marks.by_key["BTC"] = world.tracker.marks.by_key["ETH"]
    world.tracker.moved()
    assert own.headrooms.of("SELL") is None


def test_a_book_without_a_price_leaves_nothing():
    world = World(products=())
    world.send(ev.ProductsListed, products=tuple(World().tracker.products.values()))
    world.balance("USD", 1000)
    assert rooms_of(world).of("BUY") is None


def test_until_something_moves_nothing_is_worked_out_anew():
    world = World()
    rooms = rooms_of(world)
    known = rooms.of("BUY")
    assert rooms.of("BUY") is known
    world.quote("BTC-USD", 64001)
    assert rooms.of("BUY") is not known


MOVES = {
    "a price": lambda w: w.quote("ETH-USD", 2001),
    "a fill": lambda w: w.fill("BUY", "0.1", 64000),
    "a frame": lambda w: w.report("o", base_size="0.1", limit_price=60000),
    "an approval": lambda w: w.ask(limit_order("0.1", 60000)),
    "an approved edit that adds nothing": lambda w: w.manager.validate_edit(order_id="old", price="59000"),
    "a release": lambda w: w.manager.release_order("reserved"),
    "a fee": lambda w: w.send(ev.FeesRead, taker_rate=D("0.001"), maker_rate=D(0)),
    "a halt": lambda w: w.send(ev.HaltRequested, reason="test"),
    "a feed": lambda w: w.send(ev.FeedChanged, feed="market", signal="gap"),
    "a fact told to the tracker alone": lambda w: w.tracker.apply(ev.ClockAdvanced(at=w.now)),
    "a lapse": lambda w: w.wait(11),
}  # fmt: skip


@pytest.mark.parametrize("happens", MOVES.values(), ids=MOVES)
def test_whatever_happens_it_is_worked_out_anew(happens):
    world = World()
    world.balance("BTC", 1)
    world.report("old", base_size="0.1", limit_price=58000)
    world.ask(limit_order("0.1", 57000, name="reserved"))
    rooms = rooms_of(world)
    before = {side: rooms.of(side) for side in SIDES}
    happens(world)
    for side, room in before.items():
        assert rooms.of(side) is not room, side
        fresh = rooms_of(world).of(side)
        assert figures(rooms.of(side)) == figures(fresh)


@pytest.mark.parametrize("body", [limit_order("0.1", 60000), sell_order("0.3", 65000)])
def test_an_approval_takes_its_share_out_of_what_was_left(body):
    """Step by step it comes to what the books say whole, to the last digit."""
    world = World(max_position_size=9, max_gross_exposure=900_000, max_open_orders=9)
    world.balance("BTC", 1)
    world.ask(body | {"client_order_id": "first"})
    glance, side = looked_at(world)
    for number in range(2):
        before = figures(glance.headrooms.of(side))
        room = glance.headrooms.of(side)
        assert world.ask(body | {"client_order_id": f"next-{number}"})
        assert glance.headrooms.of(side) is room  # by its share alone
        assert before != figures(room) == figures(rooms_of(world).of(side))


@pytest.mark.parametrize("body", [limit_order("0.1", 60000), sell_order("0.3", 65000)])
def test_a_release_gives_back_what_its_approval_took(body):
    """Nothing is worked out anew, and all is as if the order had never been asked for."""
    world = World(max_position_size=9, max_gross_exposure=900_000, max_open_orders=9)
    world.balance("BTC", 1)
    world.ask(body | {"client_order_id": "first"})
    glance, side = looked_at(world)
    room = glance.headrooms.of(side)
    before = figures(room)
    for name in ("second", "third"):
        assert world.ask(body | {"client_order_id": name})
    for name in ("second", "third"):
        world.manager.release_order(name)
        assert glance.headrooms.of(side) is room
        assert figures(room) == figures(rooms_of(world).of(side))
    assert figures(room) == before


def released_later(world):
    """Its approval is older than the prices that the room was worked out at."""
    world.quote("BTC-USD", 64001)


def released_on_the_other_side(world):
    world.ask(sell_order("0.1", 65000) | {"client_order_id": "other"})


@pytest.mark.parametrize("happens", [released_later, released_on_the_other_side])
def test_a_room_of_other_books_is_worked_out_anew_after_a_release(happens):
    world = World(max_position_size=9)
    world.balance("BTC", 1)
    for name in ("first", "second"):
        world.ask(limit_order("0.1", 60000, name=name))
    glance, side = looked_at(world)
    happens(world)
    room = glance.headrooms.of(side)
    world.manager.release_order("second")
    assert glance.headrooms.of(side) is not room
    assert figures(glance.headrooms.of(side)) == figures(rooms_of(world).of(side))


def test_a_release_that_is_refused_frees_nothing():
    world = World()
    one, two = ev.Asker(7), ev.Asker(8)
    body = limit_order("0.1", 60000, name="first")
    world.send(ev.OrderProposed, body=body, asker=one)
    glance, side = looked_at(world)
    room = glance.headrooms.of(side)
    before = figures(room)
    world.send(ev.ReservationReleased, client_order_id="first", asker=two)
    assert glance.headrooms.of(side) is room
    assert figures(room) == before == figures(rooms_of(world).of(side))


def test_from_the_first_order_near_the_number_of_orders_on_it_is_told():
    """At 3 of 4 orders a warning, and the fourth is the last."""
    world = World(max_open_orders=4)
    told = [world.ask(limit_order("0.1", 60000 + number)) for number in range(5)]
    assert [(bool(each), len(each.warnings)) for each in told] == [
        (True, 0), (True, 0), (True, 1), (True, 1), (False, 0)
    ]  # fmt: skip


def test_after_each_batch_of_prices_the_next_order_finds_it_worked_out():
    """But not after every price where each is handed over: at most ten times a second."""
    world = World()
    world.ask(limit_order("0.1", 60000))
    glance, side = looked_at(world)

    def is_ready():
        return glance.headrooms._known[side][0] == world.tracker.version

    world.now += timedelta(seconds=1)
    world.quote("BTC-USD", 64001)
    assert is_ready()
    world.quote("BTC-USD", 64002)
    assert not is_ready()
    world.now += timedelta(milliseconds=100)
    world.quote("BTC-USD", 64003)
    assert is_ready()


def test_while_the_past_is_judged_again_no_room_is_worked_out_ahead():
    world = World()
    world.ask(limit_order("0.1", 60000))
    glance, side = looked_at(world)
    world.manager.looks_ahead = False
    world.quote("BTC-USD", 64001)
    assert glance.headrooms._known[side][0] < world.tracker.version


def test_other_limits_are_not_prepared_for():
    world = World()
    world.ask(limit_order("0.1", 60000))
    world.send(ev.LimitsReplaced, limits=Limits(max_open_orders=9))
    assert world.manager.approvals._next is None


class CalmRisk(StandInRisk):
    """Of which 10,000 USD may be added before a figure comes near its limit."""

    def room(self, *_: object) -> Decimal:
        return D(10_000)


def test_an_order_takes_its_worth_out_of_the_room_that_risk_leaves():
    world = World(max_var="0.5")
    world.manager.desk.portfolio_risk = CalmRisk()
    assert world.ask(limit_order("0.1"))
    glance, side = looked_at(world)
    room = glance.headrooms.of(side)
    assert room is not None
    assert room.near_usd == 10_000 - 6_400
