"""A law of growth: what one fact costs does not grow with what else there is.

With ten times as many approvals alive, orders, products, wallets or strategies, a decision, a quote, a fill
and an approval that lapses take no more than 1.3 × the work. Work is counted, never timed: the
instructions that Python executes, and its calls into C. What C does within one call is not seen.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any, Final, Self

import pytest

from sidecar.core.account import depths
from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from tests.decisions import pictured
from tests.scenario import PRODUCTS, D, World, limit_order, market_order, product

FEW: Final = 30
MANY: Final = 300
RATIO_MAX: Final = 1.3
USD: Final = 10_000_000
# Wide enough to pass, and each binds.
LIMITS: Final[dict[str, Any]] = {
    "max_order_size": 10, "max_order_notional": 1_000_000, "max_position_size": 1000,
    "max_position_notional": 10_000_000, "max_gross_exposure": 100_000_000, "max_net_exposure": 100_000_000,
    "max_leverage": 50, "max_open_orders": 1_000_000, "max_order_rate": {"count": 10_000, "window_s": 1},
    "max_share_of_limits": "0.9",
    "price_collar": "0.05", "max_order_slippage": "0.05", "max_exit_cost": "0.5", "max_depth_age_s": 86_400, "max_daily_loss": "0.1", "max_weekly_loss": "0.2", "max_monthly_loss": "0.2",
    "max_loss_in": [{"window": "4h", "limit": "0.1"}],
    "losing_streak": {"trades": 4, "cool_down": "2h"}, "max_drawdown": "0.5", "max_cumulative_loss": "0.25",
    "price_shock": {"max_move": "0.5", "window_s": 20, "lockout_s": 900}, "max_quote_age_s": 86_400,
}  # fmt: skip
# `holders` are strategies that hold the very coin that is quoted and traded; `strategies` hold another.
GROWS: Final = ("approvals", "working", "ended", "products", "wallets", "strategies", "holders")


class Work:
    """Counts, while it is entered, the instructions that Python executes and its calls into C."""

    def __init__(self) -> None:
        self.done = 0

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.setprofile(self._called)
        sys.settrace(self._entered)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)
        sys.setprofile(None)

    def _entered(self, frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.done += event == "opcode"
        return self._entered

    def _called(self, _frame: FrameType, event: str, _: Any) -> None:
        self.done += event == "c_call"


@pytest.fixture(autouse=True)
def keeps_every_depth(monkeypatch):
    """More coins than books are kept of: without the depth of each, no order would be approved."""
    monkeypatch.setattr(depths, "DEPTHS_MAX", 10_000)


def lived(*, connected: bool, **many: int) -> World:
    """A calm account with so many of each, and a few of what is not named."""
    count = dict.fromkeys(GROWS, FEW) | {"holders": 1} | many
    coins = [f"X{number}" for number in range(max(count["products"], count["wallets"]))]
    world = World(
        settings=Settings(connected=connected),
        products=(*PRODUCTS, *(product(f"{coin}-USD") for coin in coins)),
        cash=USD,
        **LIMITS,
    )
    for coin in coins:
        world.quote(f"{coin}-USD", 10)
    for start in range(0, len(coins), 50):
        world.send(
            ev.DepthSeen,
            books=tuple(depth(f"{coin}-USD", 10, world) for coin in coins[start : start + 50]),
        )
    world.send(ev.DepthSeen, books=(depth("BTC-USD", 64_000, world),))
    held = {"USD": USD, "BTC": 50} | dict.fromkeys(coins[: count["wallets"]], 1000)
    if connected:
        pictured(world, also=held)
    else:
        balances = tuple(ev.Balance(name, D(total)) for name, total in held.items())
        world.send(ev.BalancesRead, balances=balances, fills_until=world.now)
    for name in ("strategies", "holders"):
        coin = {"strategies": "X0", "holders": "BTC"}[name]
        price = {"X0": 10, "BTC": 64_000}[coin]
        for number in range(count[name]):
            world.fill(
                "BUY", "0.01", price, product_id=f"{coin}-USD", strategy_id=f"{name}-{number}"
            )
    for number in range(count["ended"]):
        world.report(f"ended-{number}", status="CANCELLED", base_size="0.01", limit_price=60_000)
    for number in range(count["working"]):
        world.report(f"working-{number}", leaves="0.01", limit_price=60_000)
    for number in range(count["approvals"]):
        world.now += timedelta(milliseconds=1)
        assert world.ask(limit_order(price=62_000, name=f"approved-{number}")).approved
    return world


def depth(book: str, price: int, world: World) -> ev.Depth:
    """A hundred thousand on either side, a thousandth from the price."""
    bids, asks = (((price * (1 + sign * D("0.001")), D(100_000)),) for sign in (-1, 1))
    return ev.Depth(book, bids, asks, world.now)


def glance(world: World, number: int) -> None:
    """A decision on an order that is far from every limit."""
    assert world.ask(limit_order(price=63_000, name=f"asked-{number}")).approved


def judged(world: World, number: int) -> None:
    """A decision rule by rule: the order is too large for one of them."""
    assert world.ask(limit_order(12, 63_000, name=f"asked-{number}")).codes == ("MAX_ORDER_SIZE",)


def calm(world: World, number: int) -> None:
    """A quote by which the account stays far from its limits on losses."""
    world.quote("BTC-USD", 63_990 + number)


def doubted(world: World, number: int) -> None:
    """A quote while a cause is in force: every limit on losses is judged."""
    if not world.manager.state.causes:
        world.send(ev.ReduceOnlyRequested, reason="a look around")
    world.quote("BTC-USD", 63_990 + number)


def fill(world: World, number: int) -> None:
    world.fill("BUY", "0.001", 60_000, order_id=f"working-{number}")


def lapse(world: World, number: int) -> None:
    """An approval's life is over; connected, its order was looked for, and not found."""
    name = f"approved-{number}"
    world.now = world.tracker.ledger.reservations[name].expires_at
    world.send(ev.ClockAdvanced)
    if world.manager.settings.connected:
        world.send(ev.ReservationReleased, client_order_id=name, reason="never_arrived")
    assert name not in world.tracker.ledger.reservations


FACTS: Final[tuple[Callable[[World, int], None], ...]] = (
    glance,
    judged,
    calm,
    doubted,
    fill,
    lapse,
)
HOLDERS: Final = (
    "each strategy that holds the coin has a worth, a PnL and an exposure of its own at every price: some 180 "
    "instructions each"
)
AGES: Final = (
    "the oldest mark of all that is held says when time alone makes one stale: some 75 instructions a position where "
    "time is up, 25 after a fact that is no quote; to keep the ages in order would cost more at every quote"
)
# What does grow: of a library's desk and of a connected one, by how much at most, and why.
GROWING: Final[dict[tuple[str, str, bool], tuple[float, str]]] = {
    ("calm", "holders", False): (8.5, HOLDERS),
    ("calm", "holders", True): (8.5, HOLDERS),
    ("doubted", "holders", False): (8.5, HOLDERS),
    ("doubted", "holders", True): (8.5, HOLDERS),
    ("fill", "wallets", True): (2.2, AGES),
    ("lapse", "wallets", False): (4.5, AGES),
    ("lapse", "wallets", True): (5, AGES),
}


def work(fact: Callable[[World, int], None], *, connected: bool, **many: int) -> int:
    """What a fact costs when one like it came before."""
    world = lived(connected=connected, **many)
    fact(world, 0)
    with Work() as counted:
        fact(world, 1)
    return counted.done


@pytest.mark.parametrize("connected", [False, True], ids=["library", "connected"])
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
@pytest.mark.parametrize("what", GROWS)
def test_a_fact_costs_no_more_where_there_is_ten_times_as_much_of_anything(what, fact, connected):
    few, many = (work(fact, connected=connected, **{what: count}) for count in (FEW, MANY))
    most, why = GROWING.get((fact.__name__, what, connected), (RATIO_MAX, ""))
    assert many <= most * few, (few, many)
    assert not why or many > RATIO_MAX * few, "it grows no more: take it from the list"


def test_work_is_counted_whether_python_does_it_or_c():
    with Work() as nothing:
        pass
    with Work() as loop:
        _add(10)
    with Work() as longer:
        _add(20)
    with Work() as calls:
        sorted([2, 1])
    assert nothing.done < calls.done
    assert longer.done - nothing.done > 1.5 * (loop.done - nothing.done)


def _add(count: int) -> int:
    total = 0
    for number in range(count):
        total += number
    return total


def under_a_quota(parts: int) -> int:
    """What an order costs where a window of notional has so many parts."""
    limit = {"usd": 10_000_000, "window_s": 3600}
    world = World(max_notional_in=limit, max_quote_age_s=3600)
    quota = world.manager.limits.max_notional_in
    assert quota is not None
    for _ in range(parts):
        world.now += timedelta(seconds=3.6)
        world.manager.desk.activity.add("MAX_NOTIONAL_IN|all", quota, D(1), world.now)
    glance(world, 0)
    with Work() as counted:
        glance(world, 1)
    return counted.done


def test_a_window_of_notional_is_summed_once_and_not_at_every_order():
    assert under_a_quota(10 * FEW) <= RATIO_MAX * under_a_quota(FEW)


OF_DEPTH = {"max_order_slippage": "0.05", "max_exit_cost": "0.5"}


def far(levels: int, body: Callable[[int], Any], **limits: Any) -> int:
    """What an order costs that is far from its limits, where a book has so many levels on each side."""
    world = World(max_order_notional=1_000_000, **limits)
    bids, asks = (
        [(64_000 + sign * 10 * number, 100) for number in range(1, levels + 1)] for sign in (-1, 1)
    )
    world.depth(bids=bids, asks=asks)
    assert world.ask(body(0)).approved
    with Work() as counted:
        assert world.ask(body(1)).approved
    return counted.done


BODIES: Final[dict[str, Callable[[int], Any]]] = {
    "resting": lambda number: limit_order(price=63_000, name=f"asked-{number}"),
    "through the market": lambda number: limit_order(price=64_200, name=f"asked-{number}"),
    "market": lambda number: market_order(name=f"asked-{number}"),
}


@pytest.mark.parametrize("kind", BODIES)
def test_an_order_far_from_the_limits_on_costs_is_no_slower_for_them(kind):
    """Nor for the levels of the book: they are walked once for each depth."""
    without = far(20, BODIES[kind])
    assert far(20, BODIES[kind], **OF_DEPTH) <= 1.1 * without
    assert far(2, BODIES[kind], **OF_DEPTH) == far(50, BODIES[kind], **OF_DEPTH)
