"""Laws of several strategies in one account: each has its own money, and its own coins, whatever fills of what was
approved.
"""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary import events as ev
from tests.decisions import FOREVER, restarted
from tests.scenario import D, World, limit_order

FEE = D("0.01")
PRICE = {"BTC-USD": D(64_000), "ETH-USD": D(2_000)}
STRATEGIES = st.sampled_from(["grid", "grid", "momo", None])

asks = st.tuples(
    st.just("ask"), STRATEGIES, st.sampled_from(sorted(PRICE)), st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 20), st.integers(0, 30),
)  # fmt: skip
# Of the last orders that were approved: 0 is the very last.
fills = st.tuples(st.just("fill"), st.integers(0, 2), st.sampled_from([D("0.3"), D(1), D(1)]))
others = st.one_of(
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("release"), st.integers(0, 5)),
    st.tuples(st.just("quote"), st.sampled_from(sorted(PRICE)), st.integers(-30, 30)),
    st.tuples(st.just("restart")),
)
stories = st.lists(st.tuples(asks, fills, asks, asks, fills, others), min_size=3, max_size=8).map(
    lambda parts: [step for part in parts for step in part]
)


class Traders:
    """Three that trade one account, and the orders that they had approved."""

    def __init__(self, **own: Any) -> None:
        self.world = World(cash=1_000_000, settings=FOREVER, strategy={"grid": own})
        self.world.send(ev.FeesRead, taker_rate=FEE, maker_rate=FEE)
        for strategy in ("grid", None):
            self.world.fill("BUY", "0.1", 64_000, strategy_id=strategy)
            self.world.fill("BUY", 4, 2_000, product_id="ETH-USD", strategy_id=strategy)
        self.approved: list[tuple[str, str, str, Decimal, Decimal]] = []
        self.ended: set[str] = set()

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("ask", strategy, product_id, side, size, near):
                self.ask(strategy, product_id, side, size, near)
            case ("fill", number, part) if number < len(self.approved):
                self.report(self.approved[-1 - number], part, "FILLED" if part == 1 else "OPEN")
            case ("cancel", number) if number < len(self.approved):
                self.report(self.approved[-1 - number], D(0), "CANCELLED")
            case ("release", number) if number < len(self.approved):
                name = self.approved[-1 - number][0]
                if name in self.world.tracker.ledger.reservations:
                    self.world.manager.release_order(name)
                    self.ended.add(name)
            case ("quote", product_id, thousandths):
                self.world.quote(product_id, PRICE[product_id] * (1 + thousandths / D(1000)))
            case ("restart",):
                self.world = restarted(self.world)

    def ask(self, strategy: str | None, product_id: str, side: str, size: int, near: int) -> None:
        away = -near if side == "BUY" else near  # no own order is in the way
        price = PRICE[product_id] * (1 + away / D(1000))
        units = D(size) / (100 if product_id == "BTC-USD" else 4)
        name = f"n{len(self.approved)}"
        body = limit_order(units, f"{price:f}", side=side, product_id=product_id, name=name)
        if self.world.ask(body, strategy_id=strategy):
            self.approved.append((name, product_id, side, units, price))

    def report(
        self, approved: tuple[str, str, str, Decimal, Decimal], part: Decimal, status: str
    ) -> None:
        """The order as Coinbase tells it, so much of it filled at its price."""
        name, product_id, side, size, price = approved
        if name in self.ended:
            return
        if status != "OPEN":
            self.ended.add(name)
        known = self.world.tracker.ledger.find(f"o{name}")
        filled = max(size * part, D(0) if known is None else known.filled)
        self.world.report(
            f"o{name}", status=status, client_order_id=name, side=side, product_id=product_id,
            base_size=size, filled=filled, average_price=price, limit_price=price, fees=filled * price * FEE,
        )  # fmt: skip


def used(world: World) -> Decimal:
    """Its money in positions and orders beyond its earnings, from the orders themselves."""
    ledger, book = world.tracker.ledger, world.tracker.strategies.get("grid")
    mine = [
        one for one in ledger.working.values() if (one.strategy_id, one.side) == ("grid", "BUY")
    ]
    total = sum((one.remaining * (one.limit_price or 0) for one in mine), D(0)) * (1 + FEE)
    for held in ledger.reservations.values():
        if (held.strategy_id, held.order.side) == ("grid", "BUY"):
            total += (held.order.base_size or 0) * (held.order.limit_price or 0) * (1 + FEE)
    if book is not None:
        total += sum((max(D(0), line.position.cost) for line in book.lines.values()), D(0))
        total -= book.pnl.realised - book.pnl.fees
    return total


@given(stories, st.integers(15, 30))
def test_whatever_fills_of_what_was_approved_a_strategy_spends_its_own_money_alone(
    story, thousands
):
    """Its positions at cost, its orders and its fees come to no more than its budget and its earnings."""
    traders = Traders(budget=1000 * thousands)
    for step in story:
        traders.do(step)
        assert used(traders.world) <= 1000 * thousands, step


@given(stories)
def test_whatever_fills_of_what_was_approved_a_strategys_coins_stay_its_own(story):
    """It never sells what others hold, nor they what it holds."""
    traders = Traders(own_positions_only=True)
    for step in story:
        traders.do(step)
        tracker = traders.world.tracker
        book = tracker.strategies.get("grid")
        for key, line in ({} if book is None else book.lines).items():
            assert line.position.quantity >= 0, step
            assert tracker.account.lines[key].position.quantity >= line.position.quantity, step
