"""The costs that limits go by are those of a walk down the book, level by level, in exact fractions.

Nothing of the core's arithmetic is used here: each cost is worked out anew from the levels alone.
"""

from datetime import timedelta
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision
from tests.decisions import FOREVER, funded, memory, reloaded
from tests.scenario import FUTURE, D, World, future, limit_order, market_order, product

STEP = D("0.001")
LISTED = (
    product("BTC-USD", base_increment=STEP, base_min_size=STEP, quote_min_size=D("0.01")),
    product("ETH-USD", base_increment=STEP, base_min_size=STEP, quote_min_size=D("0.01")),
    product("USDC-EUR"),
    product("SOL-EUR", base_increment=STEP, base_min_size=STEP, quote_min_size=D("0.01")),
    future(),
)
PRICE = {"BTC-USD": 64_000, "ETH-USD": 2_000, "SOL-EUR": 100, FUTURE: 64_000}
UNIT: dict[str, Fraction | int] = {
    "BTC-USD": 1,
    "ETH-USD": 1,
    "SOL-EUR": 1,
    FUTURE: Fraction(1, 100),
}
EXACT = 20  # levels that are told as they stand

Side = list[tuple[Any, Any]]
LAW = settings(suppress_health_check=[HealthCheck.too_slow])


@st.composite
def one_side(draw: Any, product_id: str, sign: int) -> Side:
    price, levels = D(PRICE[product_id]), []
    gap = D(PRICE[product_id]) / 20_000
    for _ in range(draw(st.integers(1, 24))):
        price += sign * gap * draw(st.integers(1, 8))
        size = draw(st.integers(1, 900))
        levels.append((price, D(size) if product_id == FUTURE else STEP * size))
    return levels


@st.composite
def books(draw: Any) -> dict[str, tuple[Side, Side]]:
    return {name: (draw(one_side(name, -1)), draw(one_side(name, 1))) for name in PRICE}


def world_of(told: dict[str, tuple[Side, Side]], **limits: Any) -> World:
    world = World(
        products=LISTED, cash=100_000_000, settings=FOREVER, max_quote_age_s=86_400, **limits
    )
    funded(world, buying_power=100_000_000)
    world.quote("SOL-EUR", 100)
    world.balance("EUR", 50_000_000)
    for name, (bids, asks) in told.items():
        world.depth(name, bids=bids, asks=asks)
    return world


def mid_of(sides: tuple[Side, Side]) -> Fraction:
    return (Fraction(sides[0][0][0]) + Fraction(sides[1][0][0])) / 2


def walked(
    sides: tuple[Side, Side], side: str, size: Fraction, limit: Fraction | None = None
) -> tuple[Fraction, Fraction] | None:
    """What trades, and what is paid or had for it; None where the book ends before that."""
    left, value, sign = size, Fraction(0), 1 if side == "BUY" else -1
    for number, (price, offered) in enumerate(sides[1 if side == "BUY" else 0]):
        at = Fraction(price)
        if limit is not None and sign * (at - limit) > 0:
            if number < EXACT:
                return size - left, value
            at = limit
        part = min(left, Fraction(offered))
        left, value = left - part, value + part * at
        if not left or (limit is not None and at == limit != Fraction(price)):
            return size - left, value
    if limit is None:
        return (size, value) if not left else None
    return size, value + left * limit if sign * (limit - mid_of(sides)) > 0 else value


def slippage(
    sides: tuple[Side, Side], side: str, size: Fraction, limit: Fraction | None
) -> Fraction | None:
    """How much worse than the mid; None where that is not known."""
    mid = mid_of(sides)
    if limit is not None and (limit - mid) * (1 if side == "BUY" else -1) <= 0:
        return Fraction(0)
    found = walked(sides, side, size, limit)
    if found is None:
        return None
    traded, value = found
    if not traded:
        return Fraction(0)
    return abs(value / traded - mid) / mid


def exit_cost(
    told: dict[str, tuple[Side, Side]], held: dict[str, Fraction], euro: Fraction
) -> Fraction | None:
    """Of all that is held, USD; contracts in contracts."""
    total = Fraction(0)
    for name, quantity in held.items():
        side, size = ("SELL", quantity) if quantity > 0 else ("BUY", -quantity)
        found = walked(told[name], side, size)
        if found is None:
            return None
        rate = Fraction(UNIT[name]) * (euro if name == "SOL-EUR" else 1)
        total += abs(found[1] - size * mid_of(told[name])) * rate
    return total


ratios = st.integers(1, 200).map(lambda count: D(count) / 20_000)
sizes = st.integers(1, 9_000)


def size_of(product_id: str, count: int) -> Any:
    return D(count % 400 + 1) if product_id == FUTURE else STEP * count


def step_of(product_id: str) -> Any:
    return D(1) if product_id == FUTURE else STEP


@LAW
@given(
    books(),
    st.sampled_from(list(PRICE)),
    ratios,
    sizes,
    sizes,
    st.sampled_from([None, -9, 0, 1, 5, 40, 900]),
)
def test_slippage_is_that_of_a_walk_level_by_level(  # noqa: PLR0917 - drawn, one each
    told, product_id, most, count, other, near
):
    """It breaks exactly beyond the limit, warns exactly from 70 % on; its largest size is exact, and all less pass."""
    world, sides = world_of(told, max_order_slippage=most), told[product_id]
    unit = D(PRICE[product_id]) / 20_000
    limit = None if near is None else D(PRICE[product_id]) + unit * near
    price_step = world.tracker.products[product_id].price_increment
    limit = None if limit is None else (limit / price_step).to_integral_value() * price_step

    def ask(size: Any) -> Decision:
        fields = {"product_id": product_id}
        body = (
            market_order(size, **fields)
            if limit is None
            else limit_order(size, f"{limit:f}", **fields)
        )
        answer: Decision = world.ask(body, dry_run=True)
        return answer

    size = size_of(product_id, count)
    found, decision = (
        slippage(sides, "BUY", Fraction(size), None if limit is None else Fraction(limit)),
        ask(size),
    )
    assert decision.approved == (found is not None and found <= Fraction(most)), (
        found,
        decision.violations,
    )
    warns = (
        found is not None
        and Fraction(most) * Fraction(7, 10) <= found <= Fraction(most)
        and found > 0
    )
    assert [one.code for one in decision.warnings] == ["MAX_ORDER_SLIPPAGE"] * warns
    if found is not None and not decision:
        (violation,) = decision.violations
        assert abs(Fraction(D(violation.observed)) - found) <= found / 10**17
    event(f"approved: {decision.approved}, {'market' if limit is None else 'limit'}")
    largest = decision.max_base_size
    if largest:
        assert ask(largest)
    assert not ask(largest + step_of(product_id))
    smaller = size_of(product_id, other)
    if smaller <= largest:
        assert ask(smaller)


@LAW
@given(
    books(),
    st.dictionaries(st.sampled_from(list(PRICE)), st.integers(1, 3000), min_size=1),
    st.sampled_from(list(PRICE)),
    st.integers(1, 400),
    st.booleans(),
    sizes,
)
def test_the_cost_of_an_exit_is_that_of_a_walk_level_by_level(  # noqa: PLR0917 - drawn, one each
    told, holds, product_id, usd, shares, count
):
    """Of all keys, in dollars and as a share of equity; exact at the bound, and at the largest size."""
    most = D(usd) / 100_000_000 if shares else f"{usd * 3} USD"
    world = world_of(told, max_exit_cost=most)
    held: dict[str, Fraction] = {}
    for name, many in holds.items():
        size = size_of(name, many)
        side = "SELL" if name == FUTURE and many % 2 else "BUY"
        world.fill(side, size, PRICE[name], product_id=name)
        held[name] = Fraction(size) * (-1 if side == "SELL" else 1)
    euro = world.tracker.marks.usd("EUR")
    assert euro is not None
    rate = Fraction(euro)
    equity = Fraction(world.tracker.equity)

    def after(size: Any) -> Fraction | None:
        """At worst: a short that is bought back may stay as well."""
        before = held.get(product_id, Fraction(0))
        filled = exit_cost(told, held | {product_id: before + Fraction(size)}, rate)
        stays = exit_cost(told, held, rate) if before < 0 else Fraction(0)
        return None if filled is None or stays is None else max(filled, stays)

    def ask(size: Any) -> Decision:
        answer: Decision = world.ask(
            limit_order(size, PRICE[product_id], product_id=product_id), dry_run=True
        )
        return answer

    def keeps(size: Any) -> bool:
        cost = after(size)
        bound = Fraction(D(usd)) / 100_000_000 * equity if shares else Fraction(usd * 3)
        return cost is not None and cost <= bound

    size = size_of(product_id, count)
    decision = ask(size)
    reduces = decision.reducing
    assert decision.approved == (reduces or keeps(size)), decision.violations
    event(f"approved: {decision.approved}")
    largest = decision.max_base_size
    if largest:
        assert ask(largest)
        assert ask(largest).reducing or keeps(largest)
    assert not ask(largest + step_of(product_id))
    assert not keeps(largest + step_of(product_id))


@LAW
@given(
    books(),
    ratios,
    st.lists(
        st.tuples(
            st.sampled_from(list(PRICE)), sizes, st.sampled_from(["ask", "tell", "wait", "hold"])
        ),
        max_size=12,
    ),
)
def test_a_replay_from_any_moment_decides_the_same(told, most, steps):
    """Depths, and what became of them with time, are saved with the rest."""
    world = world_of({}, max_order_slippage=most, max_exit_cost=D("0.0005"))
    for product_id, count, step in steps:
        again = reloaded(world)
        for one in (world, again):
            match step:
                case "ask":
                    one.ask(
                        market_order(
                            size_of(product_id, count), name=f"n{count}", product_id=product_id
                        )
                    )
                case "tell":
                    one.depth(product_id, bids=told[product_id][0], asks=told[product_id][1])
                case "hold":
                    one.send(ev.DepthHolds, product_ids=(product_id,))
                case _:
                    one.wait(count / 200)
        assert memory(again) == memory(world)
        body = market_order(size_of(product_id, count), name="last", product_id=product_id)
        assert again.ask(body, dry_run=True).as_json() == world.ask(body, dry_run=True).as_json()


@LAW
@given(
    books(),
    st.lists(st.tuples(st.sampled_from(list(PRICE)), sizes, st.booleans()), max_size=10),
    st.integers(1, 400),
    st.randoms(use_true_random=False),
)
def test_no_set_of_fills_of_approved_orders_costs_more_to_leave_than_the_limit(
    told, asked, usd, chance
):
    """Whichever of them fill, wholly: what is held then can be left for no more, by the books of the approvals."""
    world, held = world_of(told, max_exit_cost=f"{usd * 3} USD"), dict[str, Fraction]()
    for number, (name, count, buys) in enumerate(asked):
        side = "BUY" if buys or name != FUTURE else "SELL"
        size, ident = size_of(name, count), f"n{number}"
        body = limit_order(size, PRICE[name], side=side, product_id=name, name=ident)
        if world.ask(body) and chance.random() < 0.7:
            sign = 1 if side == "BUY" else -1
            held[name] = held.get(name, Fraction(0)) + sign * Fraction(size)
            world.report(
                f"o{number}", client_order_id=ident, product_id=name, side=side, status="FILLED",
                base_size=size, filled=size, average_price=PRICE[name],
            )  # fmt: skip
    euro = world.tracker.marks.usd("EUR")
    assert euro is not None
    cost = exit_cost(told, held, Fraction(euro))
    assert cost is not None
    assert cost <= usd * 3


def test_a_depth_is_no_older_than_it_may_be_at_any_microsecond() -> None:
    """The last one at which it is believed, and the next."""
    world = World(max_order_slippage="0.01", max_quote_age_s=90, max_depth_age_s="12.5")
    world.depth()
    for micros, passes in ((12_500_000, True), (12_500_001, False)):
        again = reloaded(world)
        again.now += timedelta(microseconds=micros)
        assert bool(again.ask(market_order("0.1"))) == passes
