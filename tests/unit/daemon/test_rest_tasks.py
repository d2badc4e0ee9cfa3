"""RestTasks at Coinbase: what is asked for once, given up by itself, and freed in every case."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon import rest_tasks
from sidecar.daemon.rest_tasks import RestTasks
from tests.daemon_parts import Running, Said
from tests.decisions import connected, of_kind
from tests.paper_world import START as AT
from tests.scenario import D, limit_order, product


class Clock:
    """Wall time, by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wall(self) -> float:
        return self.seconds


class Erring(Running):
    def __init__(self, group):
        super().__init__(connected(held=1))
        self.said = Said()
        self.posted: list[list[str]] = []
        self.on_post = lambda: None
        rest = SimpleNamespace(post=self._post)
        self.errands = RestTasks(
            self.engine, cast("Any", self.said), cast("Any", self.said), cast("Any", rest), group
        )
        self.asked: list[ac.Reconcile] = []
        self.engine.carry = {ac.Reconcile: self.asked.append}

    async def _post(self, path, body, *, urgent):
        self.posted.append(body["order_ids"])
        self.on_post()


async def run(do):
    """What `do` makes of errands, once all of them are done."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        made = Erring(group)
        do(made)
    return made


# ------------------------------------------------------------------------------------------ prices


async def test_a_book_without_a_price_is_not_read_at_every_look(monkeypatch):
    """It has none however often it is read: once in the time after which a quiet book is re-read."""
    monkeypatch.setattr(rest_tasks, "QUIET_LOOK_S", 0.0)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        made = Erring(group)
        bound = made.world.manager.desk.max_quote_age * rest_tasks.FRESH_SHARE
        end = made.world.now + 4 * bound

        def a_look_later():
            made.world.now += bound / 5
            if made.world.now >= end:
                looking.cancel()
            return ("EMPTY-USD",)

        looking = group.create_task(made.errands.keep_fresh(a_look_later))
    assert made.said.books_read == [("EMPTY-USD",)] * 4


# ---------------------------------------------------------------------------------------- products


@pytest.mark.parametrize(("listed", "wishes"), [((), 0), ((product("NEW-USD"),), 1)])
async def test_the_account_is_read_anew_for_a_product_only_once_it_is_listed(listed, wishes):
    """Else the reading would lead to the product again, and round and round."""

    def read(made):
        made.said.listed = ev.ProductsListed(at=made.world.now, products=listed)
        made.errands.read_product(ac.ReadProduct(product_id="NEW-USD"))

    assert len((await run(read)).asked) == wishes


@pytest.mark.parametrize("is_held", [False, True])
async def test_a_product_that_cannot_be_had_has_the_account_read_anew_unless_contracts_of_it_are_held(
    is_held,
):
    """What is elsewhere is in no reading's way any more; such a position is in each of them."""

    def read(made):
        if is_held:
            positions = (ev.FuturesPosition("NEW-CDE", D(1)),)
            made.engine.handle(ev.FuturesRead(at=made.world.now, positions=positions))
        made.said.elsewhere_is = ev.ProductElsewhere(
            at=made.world.now, product_id="NEW-CDE", why="Coinbase lists none"
        )
        made.errands.read_product(ac.ReadProduct(product_id="NEW-CDE"))

    assert len((await run(read)).asked) == (not is_held)


# ------------------------------------------------------------------------- orders that never appeared


def sought(made, *found):
    """Order `one` was approved, has lapsed, and a look-up finds these."""
    assert made.world.ask(limit_order("0.1", 60000, name="one"))
    (action,) = of_kind(made.world.wait(11), ac.FindOrder)
    made.said.recent = [
        ev.OrderReported(
            **{
                "at": made.world.now, "order_id": f"o{number}", "client_order_id": "one", "status": "OPEN",
                "product_id": "BTC-USD", "side": "BUY", "leaves": D("0.1"), "limit_price": D(60000),
            } | fields
        )
        for number, fields in enumerate(found)
    ]  # fmt: skip
    made.errands.find(action)


OTHERS = {
    "none": (),
    "another product": ({"product_id": "ETH-USD"},),
    "another side": ({"side": "SELL"},),
    "one that cannot be": ({"limit_price": D(-5)},),
    "one of a product that no list has": ({"product_id": "NEW-USD"},),
}


@pytest.mark.parametrize("found", OTHERS.values(), ids=OTHERS)
async def test_a_look_up_frees_what_was_reserved_whatever_it_finds(found):
    made = await run(lambda made: sought(made, *found))
    assert made.world.tracker.ledger.reservations == {}
    (release,) = made.told(ev.ReservationReleased)
    assert (release.client_order_id, release.reason) == ("one", "never_arrived")


@pytest.mark.parametrize("found", [({},), ({"side": "SELL"}, {})])
async def test_an_order_that_is_found_takes_its_reservation_over(found):
    made = await run(lambda made: sought(made, *found))
    assert made.world.tracker.ledger.reservations == {}
    assert made.told(ev.ReservationReleased) == []


async def test_an_approval_given_again_meanwhile_is_left_alone():
    def ask_again():
        made.world.manager.release_order("one")
        made.world.quote("BTC-USD", 64000)
        assert made.world.ask(limit_order("0.2", 60000, name="one"))

    async with asyncio.TaskGroup() as group:
        made = Erring(group)
        made.said.before_recent = ask_again
        sought(made)
    assert list(made.world.tracker.ledger.reservations) == ["one"]


# ----------------------------------------------------------------------------------------- cancels


async def test_a_cancel_is_given_up_for_each_order_by_itself(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(rest_tasks, "clock", clock)
    monkeypatch.setattr(rest_tasks, "LOOK_AGAIN_S", 0.0)

    def cancel(made):
        for name in ("o1", "o2", "o3"):
            made.world.report(name, leaves=1, limit_price=60000)

        def ten_seconds_later():
            clock.seconds += 10
            if clock.seconds == 30:
                made.errands.cancel(ac.CancelOrders(order_ids=("o1", "o2", "o3"), reason="x"))
            if clock.seconds == 40:
                made.world.report("o3", status="CANCELLED")

        made.on_post = ten_seconds_later
        made.errands.cancel(ac.CancelOrders(order_ids=("o1",), reason="x"))

    made = await run(cancel)
    assert [set(posted) for posted in made.posted[:5]] == [
        {"o1"}, {"o1"}, {"o1"}, {"o1", "o2", "o3"}, {"o2"},
    ]  # fmt: skip
    assert [call["order_ids"] for call in made.logged("critical")] == [["o1"], ["o2"]]


# ----------------------------------------------------------------------------------------- depth


def depth_of(name):
    return ev.Depth(name, ((D(99), D(1)),), ((D(101), D(1)),), AT)


async def test_depth_is_told_of_each_book_that_could_be_read_and_a_failure_only_logged():
    told = list[ev.Depth]()

    def do(made):
        made.said.depths = {"BTC-USD": depth_of("BTC-USD"), "SOL-USD": depth_of("SOL-USD")}
        made.errands.read_depth(
            ac.ReadDepth(product_ids=("BTC-USD", "ETH-USD", "SOL-USD")), told.append
        )

    made = await run(do)
    assert sorted(depth.product_id for depth in told) == ["BTC-USD", "SOL-USD"]
    assert [row["product"] for row in made.logged("warning")] == ["ETH-USD"]


async def test_a_book_that_is_being_read_is_not_read_twice_at_once():
    told = list[ev.Depth]()

    def do(made):
        made.said.depths = {"BTC-USD": depth_of("BTC-USD")}
        for _ in range(3):
            made.errands.read_depth(ac.ReadDepth(product_ids=("BTC-USD",)), told.append)

    await run(do)
    assert len(told) == 1
