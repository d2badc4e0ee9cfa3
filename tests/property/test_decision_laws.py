"""Laws of decisions, over accounts, limits and orders that nobody thought of."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.orders import is_identifier
from tests.decisions import FOREVER, funded, memory
from tests.scenario import FUTURE, D, World, future, market_order, order, product

INCREMENT = {"BTC-USD": D("0.0001"), "ETH-USD": D("0.001"), "ETH-BTC": D("0.001"), FUTURE: D(1)}
PRICE = {"BTC-USD": D(64000), "ETH-USD": D(2000), "ETH-BTC": D("0.03125"), FUTURE: D(64000)}
PRICE_STEP = {"BTC-USD": D("0.01"), "ETH-USD": D("0.01"), "ETH-BTC": D("0.00001"), FUTURE: D(5)}
PRODUCTS = (
    product("BTC-USD", base_increment=D("0.0001"), base_min_size=D("0.0001"), quote_min_size=D("0.01")),
    product("ETH-USD", base_increment=D("0.001"), base_min_size=D("0.001"), quote_min_size=D("0.01")),
    product("ETH-BTC", base_increment=D("0.001"), base_min_size=D("0.001"), price_increment=D("0.00001")),
    future(),
)  # fmt: skip

sides = st.sampled_from(["BUY", "SELL"])
product_ids = st.sampled_from(list(INCREMENT))


def steps(unit: str, most: int) -> st.SearchStrategy[Decimal]:
    """Multiples of a unit, zero not among them."""
    return st.integers(1, most).map(lambda count: D(unit) * count)


amounts = st.one_of(steps("1000", 300), steps("0.37", 100_000))
quantities = st.one_of(steps("0.05", 80), steps("0.0007", 2000))

exit_costs = st.one_of(steps("0.0003", 100), steps("7.3", 3000).map(lambda usd: f"{usd} USD"))

LIMITS = {
    "min_order_size": quantities,
    "max_order_size": quantities,
    "max_order_notional": amounts,
    "max_position_size": quantities,
    "max_position_notional": amounts,
    "max_gross_exposure": amounts,
    "max_net_exposure": amounts,
    "max_concentration": steps("0.013", 200),
    "max_leverage": steps("0.017", 200),
    "max_strategy_share": steps("0.0625", 16),
    "max_margin_drawdown": steps("0.05", 20),
    "max_open_orders": st.integers(0, 4),
    "max_notional_in": st.builds(
        lambda usd, window_s: {"usd": usd, "window_s": window_s}, amounts, st.integers(1, 60)
    ),
    "max_share_of_limits": steps("0.125", 8),
    "max_order_slippage": steps("0.0007", 30),
    "max_exit_cost": exit_costs,
    "no_adding": st.booleans(),
    "trading_hours": st.sampled_from(
        [
            {"zone": "America/New_York", "windows": ["Sun 07:00-09:00", "Mon-Fri 09:30-16:00"]},
            {"zone": "UTC", "windows": ["Sun 12:00-12:59"]},
        ]
    ),
}
SCOPED = ("min_order_size", "max_order_size", "max_order_notional", "max_position_size", "max_position_notional", "max_open_orders", "trading_hours", "max_order_slippage")  # fmt: skip

OF_STRATEGY = {
    "max_gross_exposure": amounts,
    "max_strategy_share": steps("0.0625", 16),
    "own_positions_only": st.just(value=True),
    "budget": amounts,
}


@st.composite
def limits(draw: Any) -> dict[str, Any]:
    """A few limits of the account, of a product and of a strategy."""
    names = draw(st.sets(st.sampled_from(sorted(LIMITS)), max_size=3))
    found: dict[str, Any] = {name: draw(LIMITS[name]) for name in sorted(names)}
    scoped = {name: LIMITS[name] for name in SCOPED}
    for table, key, own in (
        ("product", draw(product_ids), scoped | {"max_exit_cost": exit_costs}),
        ("strategy", "momo", scoped | OF_STRATEGY),
    ):
        name = draw(st.sampled_from((None, None, *own)))
        if name is not None:
            found[table] = {key: {name: draw(own[name])}}
    return found


@st.composite
def sides_of_a_book(draw: Any, product_id: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
    """Bids and asks, a few levels each, thin or deep."""
    step, found = PRICE_STEP[product_id], []
    thick = draw(st.sampled_from([1, 30, 1000]))
    for sign in (-1, 1):
        price, levels = PRICE[product_id], list[tuple[Decimal, Decimal]]()
        for _ in range(draw(st.integers(1, 5))):
            price += sign * step * draw(st.integers(1, 4000 if step < 1 else 30))
            size = INCREMENT[product_id] * draw(st.integers(1, 200)) * thick
            if price > 0:
                levels.append((price, size))
        found.append(levels)
    return tuple(found)


def tell_depths(world: World, draw: Any) -> None:
    """Of every book but, now and then, one."""
    missing = draw(st.sampled_from([None, None, None, *INCREMENT]))
    for product_id in INCREMENT:
        if product_id != missing:
            bids, asks = draw(sides_of_a_book(product_id))
            world.depth(product_id, bids=bids, asks=asks)


@st.composite
def open_orders(draw: Any) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        product_id = draw(product_ids)
        size = INCREMENT[product_id] * draw(st.integers(1, 3000 if product_id != FUTURE else 20))
        filled = draw(st.sampled_from([0, 0, 0, D("0.5")])) * size if product_id != FUTURE else D(0)
        side = draw(sides)
        away = D("0.5") if side == "BUY" else D("1.5")  # orders rest where nothing crosses them
        found.append(
            {
                "order_id": f"o{number}", "client_order_id": f"c{number}", "product_id": product_id,
                "side": side, "base_size": size, "limit_price": PRICE[product_id] * away,
                "filled": filled, "average_price": PRICE[product_id], "strategy_id": draw(st.sampled_from([None, "momo"])),
            }
        )  # fmt: skip
    return found


@st.composite
def worlds(draw: Any) -> World:
    """An account somewhere in its life: cash, coins, a futures position, open orders, limits."""
    world = World(
        products=PRODUCTS, cash=draw(steps("500", 1000)), settings=FOREVER, **draw(limits())
    )
    world.quote("ETH-BTC", "0.03125")
    margin = draw(st.sampled_from([None, 0, 3_000, 30_000]))
    funded(world, buying_power=draw(steps("400", 100)), margin=margin)
    world.balance(
        "BTC", draw(st.sampled_from([0, 0, 1])) * D("0.0005") * draw(st.integers(0, 4000))
    )
    world.balance("ETH", D("0.001") * draw(st.integers(0, 30_000)))
    contracts = draw(st.integers(-30, 30))
    if contracts:
        world.fill("BUY" if contracts > 0 else "SELL", abs(contracts), 64000, product_id=FUTURE)
    own = draw(st.integers(-20, 20))
    if own:
        side = "BUY" if own > 0 else "SELL"
        world.fill(side, abs(own), 64000, product_id=FUTURE, strategy_id="momo")
    for fields in draw(open_orders()):
        world.report(**fields)
    if world.manager.desk.reads_depth:
        tell_depths(world, draw)
    world.quote(FUTURE, 64_000 + 5 * draw(st.integers(-400, 400)))
    if draw(st.integers(0, 7)) == 7:
        world.send(ev.ReduceOnlyRequested, reason="law")
    return world


Ask = Callable[[Decimal], Decision]


@st.composite
def questions(draw: Any) -> tuple[World, Ask, Decimal]:
    """A world and one order in it that may be asked at any size; and the size's increment."""
    world = draw(worlds())
    product_id, side = draw(product_ids), draw(sides)
    strategy = draw(st.sampled_from([None, "momo"]))
    asker = draw(st.sampled_from([None, ev.Asker(7)]))
    kind = draw(st.sampled_from(["limit", "market", "edit"]))
    near = 1 + draw(st.integers(-20, 20)) / D(1000)
    price = (PRICE[product_id] * near / PRICE_STEP[product_id]).to_integral_value() * PRICE_STEP[
        product_id
    ]

    def ask(size: Decimal) -> Decision:
        if kind == "market":
            body = market_order(size, side=side, product_id=product_id)
        else:
            body = order(
                side=side, product_id=product_id, base_size=str(size), limit_price=str(price)
            )
        asked: dict[str, Any] = {"body": body, "strategy_id": strategy, "asker": asker}
        actions = world.send(ev.OrderProposed, **asked, dry_run=True)
        return next(action.decision for action in actions if isinstance(action, Decided))

    working = [o for o in world.tracker.ledger.working.values() if o.limit_price is not None]
    if kind != "edit" or not working:
        return world, ask, INCREMENT[product_id]
    old = draw(st.sampled_from(working))
    new_price = draw(
        st.sampled_from([None, f"{old.limit_price * 2:f}", f"{old.limit_price / 2:f}"])
    )

    def edit(size: Decimal) -> Decision:
        answer: Decision = world.manager.validate_edit(
            order_id=old.order_id, size=f"{size:f}", price=new_price, dry_run=True
        )
        return answer

    return world, edit, INCREMENT[old.product_id]


sizes_in_steps = st.one_of(st.integers(1, 60), st.integers(1, 40_000))
LAW = settings(
    max_examples=settings().max_examples // 2,  # the dearest laws; soak runs the long form
    suppress_health_check=[HealthCheck.too_slow],
)


def largest_said(answer: Decision) -> Decimal:
    """An edit to no more than what is filled already is no order: of it nothing is said."""
    assume("INVALID_ORDER" not in answer.codes)
    return answer.max_base_size


# --- The largest size -----------------------------------------------------------------------------


@LAW
@given(questions(), sizes_in_steps)
def test_the_largest_size_passes_and_one_increment_more_does_not(question, count):
    """`max_base_size` is exact, whatever size was asked; "0" when nothing passes."""
    _, ask, increment = question
    largest = largest_said(ask(increment * count))
    if largest:
        decision = ask(largest)
        assert decision, decision.violations
        assert decision.max_base_size == largest
    beyond = ask(largest + increment)
    assert not beyond, beyond.max_base_size


@LAW
@given(questions(), sizes_in_steps, sizes_in_steps)
def test_no_size_passes_above_the_largest(question, count, other):
    """What is said from one question holds for every other size."""
    _, ask, increment = question
    largest = largest_said(ask(increment * count))
    assert not ask(increment * other) or increment * other <= largest


@LAW
@given(questions(), sizes_in_steps, sizes_in_steps)
def test_if_an_order_passes_the_same_order_smaller_passes(question, count, other):
    """Down to the minimum size, below which an order is none."""
    _, ask, increment = question
    small, large = sorted([count, other])
    assume(small < large)
    if ask(increment * large):
        decision = ask(increment * small)
        too_small = {"MIN_ORDER_SIZE", "SIZE_OUT_OF_RANGE", "INVALID_ORDER"}
        assert set(decision.codes) <= too_small, decision.violations


@LAW
@given(worlds(), st.integers(1, 5_000_000), sides, st.booleans(), st.integers(-20, 20))
def test_the_largest_size_of_a_quote_sized_order_is_exact_in_what_it_can_bring(
    world, cents, side, market, near
):
    """At the lowest price that can be met, the stated size passes and one increment more does not."""
    price = PRICE["BTC-USD"] * (1 + near / D(1000))
    market = market and side == "BUY"
    lowest = D(64000) if market else min(price, D(64000)) if side == "BUY" else price

    def ask(quote: Decimal) -> Decision:
        fields = {} if market else {"limit_price": f"{price:f}"}
        kind = "market_market_ioc" if market else "limit_limit_gtc"
        body = order(kind, side, quote_size=f"{quote:f}", **fields)
        answer: Decision = world.ask(body, dry_run=True)
        return answer

    cent, increment = D("0.01"), INCREMENT["BTC-USD"]
    largest = ask(cent * cents).max_base_size
    within = (largest * lowest / cent).to_integral_value(ROUND_FLOOR) * cent
    beyond = ((largest + increment) * lowest / cent).to_integral_value(ROUND_CEILING) * cent
    if largest:
        decision = ask(within)
        assert decision, decision.violations
    assert not ask(beyond)


# --- Exits ----------------------------------------------------------------------------------------


@LAW
@given(worlds(), product_ids, st.integers(1, 1000), st.booleans(), st.booleans())
def test_a_reducing_order_always_passes_in_reduce_only(
    world, product_id, thousandth, market, stale
):
    """Where the exchange could take it: on the grid, and with the coins not on hold elsewhere."""
    line = world.tracker.account.lines.get(
        product("BTC-USD").key
        if product_id == "BTC-USD"
        else product_id
        if product_id == FUTURE
        else "ETH"
    )
    assume(line is not None and product_id != "ETH-BTC")
    side = "SELL" if line.position.quantity > 0 else "BUY"
    left = abs(line.position.quantity) - (line.open_sell if side == "SELL" else line.open_buy)
    unit = D("0.01") if product_id == FUTURE else D(1)
    step = INCREMENT[product_id]
    size = (left / unit * thousandth / 1000 / step).to_integral_value(ROUND_FLOOR) * step
    free = world.tracker.wallets.free(line.key)
    assume(size > 0 and (product_id == FUTURE or (free is not None and size <= free)))
    world.send(ev.ReduceOnlyRequested, reason="law")
    if stale:
        world.now += timedelta(hours=1)
    body = (
        market_order(size, side=side, product_id=product_id) if market
        else order(side=side, product_id=product_id, base_size=str(size), limit_price=str(PRICE[product_id]))
    )  # fmt: skip
    decision = world.ask(body)
    assume(
        "OWN_POSITIONS_ONLY" not in decision.codes
    )  # the coins of a strategy are no exit of others
    assert decision, decision.violations
    assert decision.reducing


# --- Worst cases ----------------------------------------------------------------------------------

proposals = st.lists(
    st.tuples(product_ids, sides, st.integers(1, 4000), st.integers(-500, 500), st.booleans()),
    min_size=1,
    max_size=12,
)


@LAW
@given(
    proposals,
    quantities,
    st.integers(0, 3000),
    st.integers(-30, 30),
    st.randoms(use_true_random=False),
)
def test_no_set_of_fills_of_approved_orders_exceeds_a_position_limit(
    asked, most, coins, contracts, chance
):
    """The worst case after approvals only: whichever of them fill, no key grows beyond its limit."""
    world = World(products=PRODUCTS, cash=10_000_000, settings=FOREVER, max_position_size=most)
    world.quote("ETH-BTC", "0.03125")
    funded(world)
    world.balance("BTC", D("0.001") * coins)
    world.balance("ETH", D("0.01") * coins)
    if contracts:
        world.fill("BUY" if contracts > 0 else "SELL", abs(contracts), 64000, product_id=FUTURE)
    keys = ("BTC", "ETH", FUTURE)
    before = {key: _quantity(world, key) for key in keys}
    approved = []
    for product_id, side, count, near, market in asked:
        size = INCREMENT[product_id] * (count if product_id != FUTURE else count % 40 + 1)
        step = PRICE_STEP[product_id]
        price = (PRICE[product_id] * (1 + near / D(1000)) / step).to_integral_value() * step
        body = (
            market_order(size, side=side, product_id=product_id) if market
            else order(side=side, product_id=product_id, base_size=str(size), limit_price=str(price))
        )  # fmt: skip
        if world.ask(body):
            met = (
                PRICE[product_id]
                if market or (side == "BUY") == (price > PRICE[product_id])
                else price
            )
            approved.append((body["client_order_id"], product_id, side, size, met))
    for number, (name, product_id, side, size, met) in enumerate(approved):
        if chance.random() < 0.7:
            fields = {
                "product_id": product_id,
                "client_order_id": name,
                "order_id": f"f{number}",
                "side": side,
            }
            world.report(
                status="FILLED",
                base_size=size,
                filled=size,
                average_price=met,
                limit_price=met,
                **fields,
            )
            for key in keys:
                worst = max(most, abs(before[key]))
                assert abs(_quantity(world, key)) <= worst, (key, worst)


def _quantity(world: World, key: str) -> Decimal:
    line = world.tracker.account.lines.get(key)
    return D(0) if line is None else line.position.quantity


# --- Replay = live --------------------------------------------------------------------------------

prices = st.integers(20_000, 90_000)
happenings = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 90_000)),
    st.tuples(st.just("quote"), prices, st.sampled_from(["BTC-USD", FUTURE])),
    st.tuples(st.just("buy"), st.integers(1, 50), prices),
    st.tuples(st.just("sell"), st.integers(1, 50), prices),
    st.tuples(st.just("ask"), st.integers(1, 100), sides, st.integers(1, 5), st.sampled_from([None, "momo"])),
    st.tuples(st.just("edit"), st.integers(1, 100)),
    st.tuples(st.just("report"), st.integers(1, 5), st.sampled_from(["OPEN", "FILLED", "CANCELLED"])),
    st.tuples(st.just("release"), st.integers(1, 5)),
    st.tuples(st.just("operator"), st.integers(0, 6)),
)  # fmt: skip

RULED: dict[str, Any] = {
    "max_daily_loss": "0.05", "max_weekly_loss": "0.08", "max_monthly_loss": "9000 USD",
    "losing_streak": {"trades": 2, "cool_down": "5m"}, "max_loss_in": [{"window": "30m", "limit": "0.03"}, {"window": "4h", "limit": "0.1"}], "max_drawdown": "0.2", "max_cumulative_loss": "0.25", "max_order_size": "0.7",
    "max_order_rate": {"count": 5, "window_s": 60}, "duplicate_order": {"count": 2, "window_s": 60},
    "max_open_orders": 4, "max_leverage": 2, "price_shock": {"max_move": "0.2"},
}  # fmt: skip


def as_event(world: World, happening: tuple[Any, ...]) -> ev.Event:
    """What happened, as the fact that enters the core."""
    now = world.now
    match happening:
        case ("wait", seconds):
            world.now = now = now + timedelta(seconds=seconds / 100)
            return ev.ClockAdvanced(at=now)
        case ("quote", price, name):
            return ev.Quotes(at=now, quotes=(ev.Quote(name, D(price), D(price + 10), now),))
        case ("buy" | "sell" as side, size, price):
            number = len(world.tracker.ledger.closed.by_id) + len(world.tracker.ledger.working)
            return ev.FillReported(
                at=now, entry_id=f"e{number}-{size}", order_id=f"x{number}", product_id="BTC-USD",
                side=side.upper(), price=D(price), size=D(size) / 100, commission=D("0.5"),
            )  # fmt: skip
        case ("ask", size, side, name, strategy):
            body = order(
                side=side, name=f"n{name}", base_size=str(D(size) / 100), limit_price="64000"
            )
            asker = ev.Asker(7, "grid") if side == "BUY" else None
            return ev.OrderProposed(at=now, body=body, strategy_id=strategy, asker=asker)
        case ("edit", size):
            return ev.EditProposed(at=now, client_order_id="n1", size=str(D(size) / 100))
        case ("report", name, status):
            return ev.OrderReported(
                at=now, order_id=f"o{name}", client_order_id=f"n{name}", product_id="BTC-USD", side="BUY",
                status=status, base_size=D("0.2"), limit_price=D(60000),
                filled=D("0.2") if status == "FILLED" else D(0), average_price=D(60000),
            )  # fmt: skip
        case ("release", name):
            return ev.ReservationReleased(at=now, client_order_id=f"n{name}")
    return (
        ev.HaltRequested(at=now, reason="law"), ev.ResumeRequested(at=now, reason="law"),
        ev.ReduceOnlyRequested(at=now, reason="law", product_id="BTC-USD"),
        ev.LossReset(at=now, window="cumulative", reason="law"), ev.FlattenRequested(at=now, reason="law"),
        ev.LiquidationEnded(at=now, flat=True), ev.LimitsReplaced(at=now, limits=Limits(**RULED | {"max_open_orders": 3})),
    )[happening[1]]  # fmt: skip


@LAW
@given(st.lists(happenings, max_size=30))
def test_the_same_events_give_the_same_actions_byte_for_byte(story):
    """Replay = live: a journal of the inputs is enough to have the decisions again."""
    live, again = World(**RULED), World(**RULED)
    for happening in story:
        event = as_event(live, happening)
        first = msgspec.json.encode(live.handle(event))
        body = msgspec.json.encode(event, enc_hook=lambda limits: limits.model_dump(mode="json"))
        read = msgspec.json.decode(body, type=type(event), dec_hook=lambda kind, raw: kind(**raw))
        second = again.handle(read)
        assert msgspec.json.encode(second) == first
    assert memory(again) == memory(live)


@LAW
@given(st.lists(happenings, max_size=30))
def test_a_dry_run_never_changes_anything(story):
    """Whatever the account has been through, asking what if leaves it as it was."""
    world = World(**RULED)
    for happening in story:
        world.handle(as_event(world, happening))
    world.wait(0)
    before = memory(world)
    for side in ("BUY", "SELL"):
        world.ask(
            order(side=side, base_size="0.1", limit_price="64000"), dry_run=True, strategy_id="new"
        )
        world.ask(order(side=side, name="n1", base_size="0.1", limit_price="64000"), dry_run=True)
        world.manager.validate_edit(client_order_id="n1", size="0.15", dry_run=True)
    assert sorted(memory(world)) == sorted(before)


# --- Nonsense -------------------------------------------------------------------------------------


class Deep(list[Any]):
    """Nested beyond what anything recursive survives, its own repr included."""

    def __repr__(self) -> str:
        return "DEEP"


DEEP = Deep()
for _ in range(2_000):
    DEEP = Deep([DEEP])
WORDS = ["client_order_id", "product_id", "side", "order_configuration", "limit_limit_gtc", "market_market_ioc", "scaled_limit_gtc",
         "base_size", "quote_size", "limit_price", "orders", "BUY", "SELL", "BTC-USD", "end_time", "leverage", "strategy_id"]  # fmt: skip
NUMBERS = ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "9" * 10_000, "-1", "0", "-0", "0x1F", "1_0", "٣", ""]  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=20),
    st.decimals(), st.sampled_from([*WORDS, *NUMBERS, 10**400, float("nan")]), st.just(DEEP),
)  # fmt: skip
nonsense = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)
BOUNDED = settings(deadline=timedelta(seconds=5), suppress_health_check=[HealthCheck.too_slow])
PLACES = [
    ("client_order_id",), ("product_id",), ("side",), ("order_configuration",), ("order_configuration", "limit_limit_gtc"),
    ("order_configuration", "limit_limit_gtc", "base_size"), ("order_configuration", "limit_limit_gtc", "limit_price"),
    ("order_configuration", "limit_limit_gtc", "post_only"), ("leverage",), ("order_configuration", "limit_limit_gtc", "quote_size"),
]  # fmt: skip


def as_text(body: Any) -> str:
    return "[" * 100_000 if body is DEEP else repr(body)


def refused_and_unchanged(world: World, body: Any, **fields: Any) -> None:
    before = memory(world)
    decision = world.ask(body, **fields)
    assert not decision
    assert decision.codes
    assert decision.max_base_size == 0
    json.dumps(decision.as_dict())
    assert memory(world) == before


def busy() -> World:
    world = World()
    world.hold(1)
    world.ask(order(name="live", base_size="0.1", limit_price="63000"))
    return world


@BOUNDED
@given(nonsense)
def test_nonsense_is_refused_with_a_code_and_changes_nothing(body):
    """Never raises, in bounded time, whatever it is."""
    refused_and_unchanged(busy(), body)


@BOUNDED
@given(st.one_of(st.text(st.characters(categories=None)), st.binary(), scalars.map(as_text)))
def test_nonsense_as_text_is_refused_with_a_code_and_changes_nothing(text):
    refused_and_unchanged(busy(), text)


@BOUNDED
@given(st.sampled_from(PLACES), nonsense)
def test_an_order_with_nonsense_in_one_place_is_refused_or_the_order_it_says(place, junk):
    """It is either read for what it says, or refused: no third thing."""
    body: dict[str, Any] = order(name="new", base_size="0.1", limit_price="63000")
    inner = body
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = junk
    world = busy()
    before = memory(world)
    decision = world.ask(body)
    if not decision:
        assert decision.codes
        assert memory(world) == before
    else:
        assert decision.notional is not None
        assert decision.notional > 0
        assert isinstance(junk, str | bool | None)


@BOUNDED
@given(nonsense, nonsense, nonsense, nonsense)
def test_a_nonsense_edit_is_refused_with_a_code_and_changes_nothing(
    order_id, client_order_id, price, size
):
    world = busy()
    world.report("o1", client_order_id="c1", base_size="0.1", limit_price=60000)
    before = memory(world)
    for ids in ({"order_id": order_id, "client_order_id": client_order_id}, {"order_id": "o1"}):
        decision = world.manager.validate_edit(price=price, size=size, **ids, dry_run=True)
        assert decision or decision.codes
    assert sorted(memory(world)) == sorted(before)


@BOUNDED
@given(nonsense)
def test_a_nonsense_strategy_is_refused_with_a_code(strategy):
    world = busy()
    decision = world.ask(order(base_size="0.01", limit_price="60000"), strategy_id=strategy)
    named = strategy is None or is_identifier(strategy, 64)
    assert decision.approved == named
