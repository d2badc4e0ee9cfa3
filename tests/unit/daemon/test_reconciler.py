"""A pass over the account that left something out reconciles nothing, and it is told when none does."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from sidecar.coinbase.rest import Refused, Unknown
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.daemon.reconciler import Reconciler
from tests.daemon_parts import Running, Said
from tests.decisions import connected
from tests.scenario import D, limit_order

REVOKED = Refused("GET /accounts", 401, "revoked")


class Reconciling(Running):
    """A connected account that holds one bitcoin, whose user feed has just lost frames."""

    def __init__(self, period_s=60.0):
        super().__init__(connected(held=1))
        self.said = Said()
        self.reconciler = Reconciler(
            self.engine, cast("Any", self.said), cast("Any", self.said), period_s
        )
        now = self.world.now
        self.said.listed = ev.ProductsListed(at=now, products=())
        self.said.fee_tier = ev.FeesRead(at=now, taker_rate=D("0.01"), maker_rate=D("0.01"))
        self.later()
        self.world.send(ev.FeedChanged, feed="user", signal="gap")
        self.later()
        self.says()

    def later(self):
        self.world.now += timedelta(seconds=5)

    def says(self, *facts, order_ids=()):
        """What the next pass reads: these, the rest of an account, and its end."""
        now = self.world.now
        balances = (ev.Balance("USD", D(100_000)), ev.Balance("BTC", D(1)))
        self.said.account_events = [
            *facts,
            ev.OpenOrdersListed(at=now, order_ids=order_ids, began_at=now),
            ev.BalancesRead(at=now, balances=balances, fills_until=now),
            ev.AccountReconciled(at=now, fills_until=now, began_at=now),
        ]

    def order(self, **fields):
        known: dict[str, Any] = {"order_id": "o1", "product_id": "BTC-USD", "side": "BUY", "status": "OPEN"}  # fmt: skip
        known |= {"leaves": D(1), "limit_price": D(60000)}
        return ev.OrderReported(**{"at": self.world.now} | known | fields)

    async def reads(self):
        await self.reconciler._pass()

    async def fails(self, why):
        """The next pass does, for this reason; nothing is believed more than before."""
        until = self.world.manager.readiness.fills_until
        with pytest.raises(Untrusted, match=why):
            await self.reads()
        manager = self.world.manager
        assert self.told(ev.AccountReconciled) == []
        assert (manager.feeds.user, manager.readiness.fills_until) == ("suspect", until)

    @property
    def healed(self):
        return "live", self.world.now

    async def reads_whole(self):
        """The next pass does; the state of the feed, and until when fills are known after it."""
        await self.reads()
        manager = self.world.manager
        return manager.feeds.user, manager.readiness.fills_until


@pytest.fixture
def made():
    return Reconciling()


async def test_a_whole_pass_heals(made):
    assert await made.reads_whole() == made.healed


async def test_a_fact_that_cannot_be_is_left_out_and_nothing_is_reconciled(made):
    made.says(made.order(limit_price=D(-5)), order_ids=("o1",))
    await made.fails("OrderReported 'o1' cannot be")
    made.says(made.order(), order_ids=("o1",))
    assert await made.reads_whole() == made.healed


async def test_a_fill_that_cannot_be_is_waited_for_and_then_passed_over(made, monkeypatch):
    passed = [0.0]
    monkeypatch.setattr("sidecar.daemon.reconciler.clock.wall", lambda: passed[0])
    made.reconciler._products_at = 0.0
    fill = ev.FillReported(
        at=made.world.now, entry_id="e1", order_id="o1", product_id="BTC-USD", side="BUY", price=D(-5), size=D(1)
    )  # fmt: skip
    for passed[0] in (0.0, 1.0, 29.0):
        made.says(fill)
        await made.fails("FillReported 'e1' cannot be")
    passed[0] = 30.0
    made.says(fill)
    assert await made.reads_whole() == made.healed
    made.says(fill)
    await made.reads()
    (over,) = made.told(ev.FillPassedOver)
    assert "'e1'" in over.words


async def test_a_fact_that_cannot_be_from_elsewhere_is_not_the_pass_s(made):
    bad = ev.FundingPaid(at=made.world.now, product_id="BTC-USD", amount=D("NaN"))
    made.says(lambda: made.engine.handle(bad))
    assert await made.reads_whole() == made.healed
    assert made.engine.left_out == 1


@pytest.mark.parametrize("by_feed", [False, True])
async def test_an_order_of_a_product_that_no_list_has_reconciles_nothing_and_stays_in_doubt(
    made, by_feed
):
    unlisted = made.order(product_id="NEW-USD")
    made.says((lambda: made.engine.handle(unlisted)) if by_feed else unlisted, order_ids=("o1",))
    await made.fails("NEW-USD is in no list")
    assert "NEW-USD" in made.world.tracker.books.doubts
    made.later()
    made.says(order_ids=("o1",))
    assert await made.reads_whole() == made.healed


async def test_contracts_of_a_product_that_cannot_be_had_do_not_fail_every_pass(made):
    """Nor does asking for it once more."""
    held = (ev.FuturesPosition("NEW-CDE", D(1)),)
    read = ev.FuturesRead(at=made.world.now, positions=held, fills_until=made.world.now)
    made.says(read)
    await made.fails("NEW-CDE is in no list")
    gone = ev.ProductElsewhere(at=made.world.now, product_id="NEW-CDE", why="Coinbase lists none")
    made.engine.handle(gone)
    made.later()
    made.says(read, lambda: made.engine.handle(ev.ClockAdvanced(at=made.world.now)))
    assert await made.reads_whole() == made.healed
    asked = [wish.is_waited_for for wish in made.wishes if isinstance(wish, ac.ReadProduct)]
    assert asked == [True, False]


async def test_an_open_order_that_coinbase_neither_lists_nor_names_reconciles_nothing(made):
    made.engine.handle(made.order())
    made.later()
    made.says()
    await made.fails(UNKNOWN)
    made.said.named = [made.order(status="CANCELLED")]
    assert await made.reads_whole() == made.healed
    assert made.world.tracker.ledger.working == {}


UNKNOWN = "order o1 was told of, and Coinbase knows of none"


async def test_what_is_unknown_three_times_over_30_seconds_has_ended(made, monkeypatch):
    passed = [0.0]
    monkeypatch.setattr("sidecar.daemon.reconciler.clock.wall", lambda: passed[0])
    made.reconciler._products_at = 0.0
    made.engine.handle(made.order())
    made.later()
    for at in (0.0, 1.0, 29.9):
        passed[0] = at
        made.says()
        await made.fails(UNKNOWN)
    assert made.told(ev.OrderVanished) == []
    passed[0] = 30.0
    assert await made.reads_whole() == made.healed
    (vanished,) = made.told(ev.OrderVanished)
    assert vanished.order_id == "o1"
    assert made.world.tracker.ledger.working == {}
    assert made.said.looked_up == ["o1"] * 4


@pytest.mark.parametrize("is_there", [True, False])
async def test_an_order_of_which_a_frame_told_what_can_hardly_be_is_asked_for_by_its_id(
    made, monkeypatch, is_there
):
    """With each reading of the account; where three times over 30 seconds there is none, it never was."""
    passed = [0.0]
    monkeypatch.setattr("sidecar.daemon.reconciler.clock.wall", lambda: passed[0])
    made.reconciler._products_at = 0.0
    ended = {"status": "FILLED", "filled": D("0.01"), "average_price": D(64_000)}
    made.engine.handle(made.order(**ended, fees=D("1E19")))
    made.later()
    for at in (0.0, 1.0, 29.9):
        passed[0] = at
        made.says()
        await made.fails(UNKNOWN)
    assert made.world.manager.reports.asked == {"o1"}
    passed[0] = 30.0
    if is_there:
        made.said.named = [made.order(**ended, fees=D(3), by_rest=True)]
    assert await made.reads_whole() == made.healed
    assert made.world.manager.reports.asked == set()
    assert made.world.tracker.net_pnl == (-3 if is_there else 0)
    assert not made.world.manager.state.causes


async def test_twice_is_not_enough_however_long_it_took(made, monkeypatch):
    passed = [0.0]
    monkeypatch.setattr("sidecar.daemon.reconciler.clock.wall", lambda: passed[0])
    made.reconciler._products_at = 0.0
    made.engine.handle(made.order())
    made.later()
    for at in (0.0, 60.0):
        passed[0] = at
        made.says()
        await made.fails(UNKNOWN)


async def test_what_is_listed_in_between_is_looked_up_anew(made, monkeypatch):
    passed = [0.0]
    monkeypatch.setattr("sidecar.daemon.reconciler.clock.wall", lambda: passed[0])
    made.reconciler._products_at = 0.0
    made.engine.handle(made.order())
    made.later()
    made.says()
    await made.fails(UNKNOWN)
    made.says(order_ids=("o1",))
    await made.reads()
    made.later()
    for passed[0] in (31.0, 32.0):
        made.says()
        with pytest.raises(Untrusted, match=UNKNOWN):
            await made.reads()


async def test_what_is_known_by_its_id_though_no_listing_has_it_is_as_it_is_said_to_be(made):
    made.engine.handle(made.order())
    made.later()
    made.says()
    made.said.by_id = [made.order()]
    assert await made.reads_whole() == made.healed
    assert list(made.world.tracker.ledger.working) == ["o1"]


BY_ID = "GET /orders/historical/o1"
FAILING = {
    "refused": Refused(BY_ID, 403, "HTTP 403: <html>"),
    "a wrong request by a proxy's word": Refused(BY_ID, 400, "HTTP 400: <html>"),
    "unknown": Unknown(BY_ID, 502, "HTTP 502"),
    "nonsense": Untrusted("order o1: filled_size is not a number"),
}


@pytest.fixture
def phantom(made, monkeypatch):
    """One order that a frame told of, and no listing has. `passed` is wall time."""
    made.passed = [0.0]
    monkeypatch.setattr("sidecar.daemon.reconciler.clock.wall", lambda: made.passed[0])
    made.reconciler._products_at = 0.0
    made.engine.handle(made.order())
    made.later()
    made.says()
    return made


@pytest.mark.parametrize("failure", FAILING.values(), ids=FAILING)
async def test_no_look_up_by_id_is_in_a_flattening_s_way(phantom, failure):
    phantom.said.by_id_fails = failure
    assert await phantom.reconciler.read_for_liquidation(with_products=False)
    assert phantom.told(ev.AccountReconciled) == []
    (warning,) = [one for one in phantom.logged("warning") if "order o1" in one["fault"] and "was told of" in one["fault"]]  # fmt: skip
    assert warning
    with pytest.raises(Untrusted, match="order o1 was told of"):
        await phantom.reads()
    phantom.said.by_id_fails = None
    phantom.said.by_id = [phantom.order(status="CANCELLED")]
    assert await phantom.reads_whole() == phantom.healed


@pytest.mark.parametrize("told", ["unreadable", "impossible"])
async def test_a_row_that_makes_no_sense_is_waited_for_and_then_the_order_has_ended(phantom, told):
    if told == "unreadable":
        phantom.said.by_id_fails = FAILING["nonsense"]
    else:
        phantom.said.by_id = [phantom.order(limit_price=D(-5))]
    for phantom.passed[0] in (0.0, 1.0, 29.9):
        phantom.says()
        with pytest.raises(Untrusted, match=UNKNOWN):
            await phantom.reads()
    phantom.passed[0] = 30.0
    assert await phantom.reads_whole() == phantom.healed
    assert len(phantom.told(ev.OrderVanished)) == 1
    assert phantom.world.tracker.ledger.working == {}


async def test_a_server_that_does_not_answer_is_not_asked_of_every_order(phantom):
    """A flattening reads meanwhile; what one order is refused says nothing of the next."""
    for number in (2, 3):
        phantom.engine.handle(phantom.order(order_id=f"o{number}"))
    phantom.later()
    for failure, asked in ((FAILING["unknown"], 1), (FAILING["refused"], 3)):
        phantom.says()
        phantom.said.looked_up.clear()
        phantom.said.by_id_fails = failure
        with pytest.raises(Untrusted, match=r"o1 .*; order o2 .*; order o3"):
            await phantom.reads()
        assert len(phantom.said.looked_up) == asked


@pytest.mark.parametrize("failure", FAILING.values(), ids=FAILING)
async def test_orders_that_cannot_be_asked_for_together_are_each_looked_up(phantom, failure):
    phantom.said.named_fail = failure
    phantom.said.by_id = [phantom.order(status="CANCELLED")]
    assert await phantom.reads_whole() == phantom.healed
    assert phantom.world.tracker.ledger.working == {}


async def test_only_so_many_are_looked_up_in_a_pass(made):
    for number in range(30):
        made.engine.handle(made.order(order_id=f"o{number}"))
    made.later()
    made.says()
    with pytest.raises(Untrusted):
        await made.reads()
    assert len(made.said.looked_up) == 20


async def test_an_order_that_a_frame_told_after_the_listing_began_may_be_too_new_for_it(made):
    made.says()
    made.later()
    made.engine.handle(made.order())
    await made.reads()
    assert made.world.manager.feeds.user == "live"


async def test_what_was_left_out_is_said_once_and_in_bounds(made):
    made.says(*(made.order(order_id=f"o{n}", limit_price=D(-5)) for n in range(9)))
    with pytest.raises(Untrusted) as failed:
        await made.reads()
    assert str(failed.value).count("cannot be") == 5
    made.reconciler._failed(failed.value)
    made.reconciler._failed(failed.value)
    said = [warning for warning in made.logged("warning") if warning["fault"] == str(failed.value)]
    assert len(said) == 1


# ----------------------------------------------------------------------------- for a liquidation


async def unavailable():
    raise Unknown("GET /products", 503, "HTTP 503")


async def test_a_liquidation_reads_neither_products_nor_fees_unless_it_must(made):
    made.said.products = made.said.fees = unavailable
    assert await made.reconciler.read_for_liquidation(with_products=False)
    assert made.said.essentials_suffice
    assert made.told(ev.BalancesRead)
    with pytest.raises(Unknown):
        await made.reads()


async def test_a_liquidation_goes_on_with_the_products_it_knows(made):
    made.said.products = unavailable
    assert await made.reconciler.read_for_liquidation(with_products=True)
    assert made.logged("warning")
    made.world.tracker.products.clear()
    with pytest.raises(Unknown):
        await made.reconciler.read_for_liquidation(with_products=False)


async def test_an_ordinary_pass_gives_way_and_is_made_afterwards(made):
    inside, hang = asyncio.Event(), made.said.account

    async def forever(_since, **_):
        inside.set()
        await asyncio.Event().wait()
        yield

    made.said.account = forever
    task = asyncio.get_running_loop().create_task(made.reconciler.run())
    async with asyncio.timeout(60):
        await inside.wait()
        made.said.account = hang
        assert await made.reconciler.read_for_liquidation(with_products=False)
        await made.until(lambda: made.told(ev.AccountReconciled))
    assert made.reconciler.fault == ""
    task.cancel()
    await asyncio.wait([task])


async def test_an_ordinary_pass_needs_everything(made):
    await made.reads()
    assert made.said.essentials_suffice is False


# ------------------------------------------------------------------------------- none for long


@pytest.fixture
async def overdue():
    """Passes fail; a period is a tenth of a second, and the user feed is live."""
    made = Reconciling(period_s=0.1)
    assert await made.reads_whole() == made.healed
    made.said.fails_with = REVOKED
    task = asyncio.get_running_loop().create_task(made.reconciler.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


async def test_when_no_pass_succeeds_for_two_periods_no_more_risk_is_taken_until_one_does(overdue):
    assert overdue.world.ask(limit_order(), dry_run=True)
    await overdue.until(lambda: overdue.told(ev.ReconciliationFailed))
    assert "revoked" in overdue.told(ev.ReconciliationFailed)[0].reason
    assert "STALE_ACCOUNT_DATA" in overdue.world.ask(limit_order(), dry_run=True).codes
    assert overdue.world.ask(limit_order(side="SELL"), dry_run=True)
    overdue.later()
    overdue.says()
    overdue.said.fails_with = None
    await overdue.until(lambda: overdue.world.manager.feeds.user == "live")


async def test_a_pass_that_does_not_end_is_none_that_succeeds(overdue):
    async def forever(_since, **_):
        await asyncio.Event().wait()
        yield

    overdue.said.account = forever
    await overdue.until(lambda: overdue.told(ev.ReconciliationFailed))
    assert overdue.world.manager.feeds.user == "suspect"


async def test_passes_that_succeed_tell_nothing():
    made = Reconciling(period_s=1.0)
    task = asyncio.get_running_loop().create_task(made.reconciler.run())
    await made.until(lambda: len(made.told(ev.AccountReconciled)) > 2)
    task.cancel()
    await asyncio.wait([task])
    assert made.told(ev.ReconciliationFailed) == []
