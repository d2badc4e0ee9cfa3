"""A stateful search: a flattening while everything else goes wrong. The exchange is the real one and
so is the core; whatever is between them is late, lost, repeated or refused.
"""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert
from tests.decisions import of_kind
from tests.flattened_exchange import (
    ALIAS,
    BIP,
    BOOKS,
    BTC,
    DOGE,
    ETH,
    FATES,
    PRODUCTS,
    FlattenedExchange,
)
from tests.scenario import D

ENDS_WITHIN_S = 600
SHOUTS_WITHIN_S = 150
SIZES = {BTC: "0.05", ALIAS: "0.05", ETH: "0.4", DOGE: "300", BIP: "2"}
FLAGS = (
    "trading_disabled", "cancel_only", "limit_only", "post_only", "auction_mode", "view_only",
)  # fmt: skip
BEHAVIOURS = [
    ("order_delay", timedelta(0)), ("order_delay", timedelta(seconds=0.3)), ("order_delay", timedelta(seconds=3)),
    ("cancel_delay", timedelta(0)), ("cancel_delay", timedelta(seconds=0.2)), ("cancel_delay", timedelta(seconds=7)),
    ("late_cancelled", timedelta(0)), ("late_cancelled", timedelta(seconds=1)), ("fill_after_cancel", 1),
    ("hidden_when_new", timedelta(0)), ("hidden_when_new", timedelta(seconds=2)),
    ("balance_lag", timedelta(0)), ("balance_lag", timedelta(seconds=1)), ("balance_lag", timedelta(seconds=20)),
    ("late_fees", timedelta(0)), ("late_fees", timedelta(seconds=1)),
    ("queued_statuses", False), ("queued_statuses", True),
    ("strict_client_order_id", False), ("strict_client_order_id", True),
]  # fmt: skip
fates = st.sampled_from(("well", "well", "well", *FATES))
products = st.sampled_from(PRODUCTS)


class LiquidationMachine(RuleBasedStateMachine):
    """A bot, a market, an operator, faults, and the calls of a flattening in any order."""

    @initialize(
        btc=st.sampled_from(["2", "2.000000009", "0"]), eth=st.sampled_from(["20", "0", "0.0001"]),
        doge=st.sampled_from(["1234.56", "0"]), keep=st.sampled_from(["1.2", None, "1.2", "0.5", "all"]),
        contracts=st.sampled_from([5, 0, -3]), largest=st.sampled_from(["3400", "0.9"]),
        stubborn=st.booleans(), ready=st.sampled_from([True, True, False]), flattened=st.booleans(),
        changes=st.lists(st.sampled_from(BEHAVIOURS), max_size=3),
    )  # fmt: skip
    def begin(
        self, *, btc, eth, doge, keep, contracts, largest, stubborn, ready, flattened, changes
    ):
        balances = {
            "USD": "50000",
            "USDC": "9000",
            "BTC": btc,
            "ETH": eth,
            "DOGE": doge,
            "XYZ": "7",
        }
        kept = {} if keep is None else {"BTC": None if keep == "all" else D(keep)}
        self.stubborn = stubborn
        self.world = FlattenedExchange(
            balances=balances, keep=kept, contracts=contracts, largest=largest
        )
        if ready:
            self.world.make_fair()
            self.world.run(10, lambda: self.world.manager.state.ready)
            assert self.world.manager.state.ready
        for change in changes:
            self.behave(change=change)
        if flattened:
            self.world.flatten()

    # ------------------------------------------------------------------------------- the sidecar

    @rule(index=st.integers(0, 9), steps=st.integers(1, 30), fate=fates)
    def go_on(self, *, index, steps, fate):
        """One of the calls under way goes on."""
        for _ in range(steps):
            ready = self.world.ready()
            if not ready:
                return
            self.world.go_on(ready[index % len(ready)], fate)
            fate = "well"

    @precondition(lambda self: self.under_way("place", "find"))
    @rule(
        index=st.integers(0, 9),
        there=st.sampled_from(FATES),
        back=st.sampled_from(["well", "lost"]),
        seconds=st.sampled_from([0, 0.1, 1.8]),
    )
    def an_order_goes_on(self, *, index, there, back, seconds):
        names = self.under_way("place", "find")
        name = names[index % len(names)]
        self.world.go_on(name, there)
        if name in self.world.ready():
            self.world.go_on(name, back)
        self.world.run(seconds)

    @rule(seconds=st.sampled_from([0.05, 0.5, 1, 2.5, 6, 40]))
    def wait(self, *, seconds):
        self.world.wait(seconds)

    @rule(seconds=st.sampled_from([0.2, 0.5, 1, 5]))
    def all_goes_well(self, *, seconds):
        self.world.run(seconds)

    @precondition(lambda self: self.world.is_busy)
    @rule(seconds=st.sampled_from([5, 10]))
    def until_it_sells(self, *, seconds):
        """All goes well until an order of ours is about to leave."""
        self.world.run(seconds, lambda: bool(self.under_way("place", "find")))

    @rule(fate=st.sampled_from(["arrives", "is lost", "", "", ""]))
    def restart(self, *, fate):
        if fate:
            self.world.restart(arrives=fate == "arrives")

    @precondition(lambda self: not self.world.is_busy)
    @rule()
    def flatten(self):
        self.world.flatten()

    @rule(verb=st.sampled_from(["resume", *[""] * 9, "abort"]))
    def operate(self, *, verb):
        world = self.world
        if verb == "resume":
            world.handle(ev.ResumeRequested(at=world.now, reason="on"))
        elif verb == "abort":
            world.handle(ev.HaltRequested(at=world.now, reason="stop", abort_liquidation=True))

    def under_way(self, *kinds):
        return [name for name in self.world.ready() if name.startswith(kinds)]

    # ---------------------------------------------------------------------------------- the feeds

    @precondition(lambda self: self.world.frames)
    @rule(count=st.integers(1, 9))
    def frames(self, *, count):
        for _ in range(min(count, len(self.world.frames))):
            self.world.frame(self.world.frames.pop(0))

    @precondition(lambda self: self.world.shown)
    @rule(index=st.integers(0, 9))
    def repeated_frame(self, *, index):
        self.world.frame(self.world.shown[index % len(self.world.shown)])

    @rule(
        name=st.sampled_from(["user", "market"]),
        signal=st.sampled_from(["connected", "connected", "gap", "lost"]),
    )
    def feed(self, *, name, signal):
        self.world.feed(name, signal)

    # ----------------------------------------------------------------------- the market and the bot

    @rule(book=st.sampled_from(sorted(BOOKS)), move=st.sampled_from(["1", "0.999", "1.001", "0.97", "1.03"]),
          size=st.sampled_from(["0.01", "1", "100000"]), told=st.booleans())  # fmt: skip
    def quote(self, *, book, move, size, told):
        top = self.world.exchange.books[book].bid
        self.world.quote(book, (BOOKS[book] if top is None else top.price) * D(move), D(size))
        if told:
            self.world.tell_quotes()

    @rule(product=products, side=st.sampled_from(["BUY", "SELL"]), times=st.sampled_from([1, 5, 30]),
          away=st.sampled_from([None, "0.99", "1.01"]))  # fmt: skip
    def bot_orders(self, *, product, side, times, away):
        world, price = self.world, None
        if away is not None:
            book = world.exchange.books[world.exchange.listings[product].book]
            step = book.step
            price = (book.mid or D(1)) * D(away) // step * step or step
        world.bot(side, D(SIZES[product]) * times, product, price)
        world.hear()

    @rule(index=st.integers(0, 9))
    def bot_cancels(self, *, index):
        """Whichever order, as an operator might by hand."""
        exchange = self.world.exchange
        if orders := list(exchange.register.open):
            exchange.cancel(orders[index % len(orders)], self.world.now)
            self.world.hear()

    @rule(change=st.sampled_from(BEHAVIOURS))
    def behave(self, *, change):
        setattr(self.world.exchange.behaviour, *change)

    @rule(product=products, flag=st.sampled_from(("", "", *FLAGS, "session_open")))
    def flags(self, *, product, flag):
        is_open = flag == "session_open"
        self.world.flags(product, **({flag: not is_open} if flag else {}))

    # --------------------------------------------------------------------------------------- laws

    @invariant()
    def every_open_sale_is_known(self):
        if hasattr(self, "world"):
            self.world.check_known()

    def teardown(self):
        if not hasattr(self, "world") or self.world.is_broken:
            return
        world = self.world
        world.make_fair()
        world.flatten()
        if self.stubborn:
            self.cannot_sell()
        world.run(ENDS_WITHIN_S, lambda: not world.is_busy)
        assert not world.is_busy, world.manager.liquidator.memory.episodes
        assert world.manager.state.account == "HALTED"
        assert not world.left()
        assert not world.exchange.register.open
        world.check_known()
        world.check_determinism()

    def cannot_sell(self):
        """While a product takes no orders the flattening goes on, and is loud about it."""
        world, since = self.world, self.world.now
        for product in (BTC, ALIAS):
            world.flags(product, trading_disabled=True)
        world.run(SHOUTS_WITHIN_S)
        if "BTC" in world.left():
            assert world.is_busy
            assert [at for at in world.shouted if at >= since]
        for product in (BTC, ALIAS):
            world.flags(product)


TestLiquidationMachine = LiquidationMachine.TestCase
TestLiquidationMachine.settings = settings(
    max_examples=max(150, settings().max_examples // 2),
    stateful_step_count=50 if settings().stateful_step_count <= 50 else 200,
    suppress_health_check=[HealthCheck.too_slow],
)


# ------------------------------------------------------------------- what was found so, and its kin


def flattening(**holds):
    """A world at the moment when all that it holds is to be sold."""
    world = FlattenedExchange(balances={"USD": "50000"} | holds.pop("balances", {}), **holds)
    world.make_fair()
    world.run(10, lambda: world.manager.state.ready)
    world.flatten()
    return world


def sales(world):
    return [name for name in world.ready() if name.startswith("place")]


def alerts(world):
    return [action.code for _, actions in world.told for action in of_kind(actions, Alert)]


def test_a_close_that_finds_the_position_turned_round_closes_that():
    """A bot sells more than is held while the close is on its way: Coinbase buys it back."""
    world = flattening(contracts=5)
    world.run(10, lambda: bool(sales(world)))
    world.bot("SELL", 12, BIP)
    world.run(60, lambda: not world.is_busy)
    assert not world.left()
    assert "OWN_ORDER_DIFFERS" not in alerts(world)
    (report,) = world.reports  # whose sums were compared with the exchange's fills
    assert report.outcome == "flat"


def test_a_position_that_coinbase_knows_nothing_of_is_not_closed():
    """No positions at all is an answer too."""
    world = flattening(contracts=5)
    world.bot("SELL", 5, BIP)
    world.hear()
    world.frames.clear()
    world.exchange.register.fills.clear()  # nor are its fills listed yet
    world.run(3)
    assert not sales(world)
    assert not world.own_orders()


def test_a_sale_that_rests_and_never_fills_is_shouted_about_and_sold_when_it_may_be():
    """Its order has another id each time: that is no progress."""
    world = flattening(balances={"DOGE": "9000"})
    world.flags(DOGE, post_only=True)
    world.handle(ev.ProductsListed(at=world.now, products=world._products()))
    world.run(SHOUTS_WITHIN_S)
    assert world.is_busy
    assert world.shouted
    world.flags(DOGE)
    world.run(130, lambda: not world.is_busy)
    assert not world.left()


@pytest.mark.parametrize("fate", FATES)
def test_an_order_without_an_answer_is_never_sold_twice(fate):
    """Whatever became of it, there is enough in `keep` for a second one; and nothing is left over."""
    world = flattening(balances={"BTC": "2"}, keep={"BTC": D("1.2")})
    world.run(10, lambda: bool(sales(world)))
    (sale,) = sales(world)
    world.go_on(sale, fate)
    world.run(60, lambda: not world.is_busy)
    assert world.exchange.accounts.wallet("BTC").total == D("1.2")


@pytest.mark.parametrize("arrives", [True, False])
def test_an_order_on_its_way_when_the_process_dies_is_never_sold_twice(*, arrives):
    world = flattening(balances={"BTC": "2"}, keep={"BTC": D("1.2")})
    world.run(10, lambda: bool(sales(world)))
    (sale,) = sales(world)
    next(world.work[sale][0])  # it is on its way
    world.restart(arrives=arrives)
    world.run(60, lambda: not world.is_busy)
    assert world.exchange.accounts.wallet("BTC").total == D("1.2")


def test_a_balance_that_lags_is_not_sold_twice():
    world = flattening(balances={"BTC": "2"}, keep={"BTC": D("1.2")})
    world.exchange.behaviour.balance_lag = timedelta(seconds=3)
    world.run(60, lambda: not world.is_busy)
    assert world.exchange.accounts.wallet("BTC").total == D("1.2")
