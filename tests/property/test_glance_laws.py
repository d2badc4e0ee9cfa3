"""The law of the glance: what it says, the rules say one by one; so no decision depends on it.

Two managers live through the same events. One of them has a rule of the user's own that never says
no: such a rule cannot be seen at a glance, so every order is judged there, and booked at once. The other decides
first, which changes nothing, and books afterwards, as the process does. They must never differ, in what they
answer or in what they remember.
"""

from datetime import timedelta
from typing import Any, cast

import numpy as np
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.judging.candidate import Candidate, NoOrder
from sidecar.core.judging.table import Table
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Decided
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import ZERO
from tests.decisions import memory
from tests.property.test_decision_laws import PRICE, PRICE_STEP, PRODUCTS
from tests.scenario import FUTURE, START, D, World, order, product

DAY = 86_400
NEAR = D("1E-30")
LISTED = (
    *PRODUCTS,
    product("BTC-USDC", alias="BTC-USD", base_increment=D("0.0001")),
    product("EUR-USD"),
)
LIMITS: dict[str, list[Any]] = {
    "min_order_size": ["0.0005"],
    "max_order_size": [1, 3],
    "max_order_notional": [20_000, 100_000],
    "max_position_size": [2, 5],
    "max_position_notional": [100_000, 300_000],
    "max_gross_exposure": [150_000, 400_000],
    "max_net_exposure": [120_000, 400_000],
    "max_concentration": ["0.7", 2],
    "max_leverage": ["0.8", 3],
    "max_strategy_share": ["0.25", "0.8", 1],
    "max_open_orders": [3, 20],
    "max_order_rate": [{"count": 3, "window_s": 10}, {"count": 50, "window_s": 1}],
    "duplicate_order": [{"count": 1, "window_s": 5}, {"count": 5, "window_s": 60}],
    "max_notional_in": [{"usd": 40_000, "window_s": 10}, {"usd": 300_000, "window_s": 60}],
    "max_share_of_limits": ["0.2", "0.5", 1],
    "trading_hours": [
        {"zone": "UTC", "windows": ["Sun 13:00-13:01", "Sun 13:02-14:00"]},
        {"zone": "America/New_York", "windows": ["Sun-Mon 07:00-08:01", "Sun 18:00-02:00"]},
    ],
    "price_collar": ["0.001", "0.05"],
    "max_order_slippage": ["0.0004", "0.002", "0.05"],
    "max_exit_cost": ["0.0005", "0.02", "700 USD"],
    "max_daily_loss": ["0.05", "2000 USD"],
    "max_weekly_loss": ["0.06"],
    "max_monthly_loss": ["3000 USD"],
    "losing_streak": [{"trades": 1, "cool_down": "1m"}, {"trades": 2, "cool_down": "10s"}],
    "max_loss_in": [
        [{"window": "1m", "limit": "0.02"}],
        [{"window": "4h", "limit": "0.05"}, {"window": "70s", "limit": "0.01"}],
    ],
    "max_drawdown": ["0.10"],
    "max_cumulative_loss": ["0.25"],
    "max_var": ["0.05", "0.5"],
    "max_stress_loss": ["0.3", 1],
    "max_quote_age_s": [5, 60],
    "no_adding": [True],
    "block_products": [["ETH-USD"]],
    "allow_products": [["BTC-USD", "BTC-USDC"]],
}
SCOPED = (
    "max_order_size",
    "max_position_notional",
    "max_open_orders",
    "max_order_rate",
    "trading_hours",
    "losing_streak",
    "max_order_slippage",
)

OF_STRATEGY: dict[str, list[Any]] = {
    "max_gross_exposure": [100_000],
    "max_strategy_share": ["0.25", "0.8"],
    "own_positions_only": [True],
    "budget": [10_000, 100_000],
}


@st.composite
def limits(draw: Any) -> dict[str, Any]:
    """Some limits, often wide enough for a glance."""
    names = draw(
        st.sets(st.sampled_from(sorted(LIMITS)), max_size=draw(st.sampled_from([1, 3, 8])))
    )
    found = {name: draw(st.sampled_from(LIMITS[name])) for name in sorted(names)}
    scoped = {name: LIMITS[name] for name in SCOPED}
    for table, key, own in (
        ("product", "BTC-USD", scoped | {"max_exit_cost": LIMITS["max_exit_cost"]}),
        ("strategy", "momo", scoped | OF_STRATEGY),
    ):
        name = draw(st.sampled_from((None, None, *own)))
        if name is not None:
            found[table] = {key: {name: draw(st.sampled_from(own[name]))}}
    return found


def closes(book: str, seed: int) -> dict[str, Any]:
    """Ten months of daily prices."""
    end, days = int(START.timestamp()) // DAY, 300
    moves = np.random.default_rng(seed).standard_normal(days) * 0.03
    told = [
        ((end - days + i) * DAY, D(round(float(PRICE.get(book, 1)) * (1 + move), 4)))
        for i, move in enumerate(moves)
    ]
    since, until = (end - days) * DAY, end * DAY
    return {
        "book": book, "period_s": DAY, "since": since, "until": until, "closes": tuple(told),
    }  # fmt: skip


DEPTHS = {"BTC-USD": D(64000), "ETH-USD": D(2000), FUTURE: D(64000)}


def deepen(world: World, book: str, thick: object) -> object:
    """Three levels on either side of the price, a ten-thousandth of it apart."""
    price, levels = DEPTHS[book], ((1, "0.02"), (3, "0.4"), (20, 40))
    bids, asks = (
        [(price * (1 + sign * D(gap) / 10_000), D(size) * D(thick)) for gap, size in levels]
        for sign in (-1, 1)
    )
    return world.depth(book, bids=bids, asks=asks)


def begun(limits: dict[str, Any], coins: dict[str, Any], keep: Any = None) -> World:
    world = World(products=LISTED, cash=300_000, keep=keep, **limits)
    world.quote("EUR-USD", "1.1")
    world.quote("ETH-BTC", "0.03125")
    for currency, amount in coins.items():
        world.balance(currency, amount)
    for book in DEPTHS:
        deepen(world, book, 1)
    world.balance("USDC", 50_000)
    world.balance("EUR", 20_000)
    for seed, book in enumerate(("BTC-USD", "ETH-USD", "EUR-USD")):
        world.send(ev.ClosesRead, **closes(book, seed))
    return world


orders: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    product_id=st.sampled_from([*["BTC-USD"] * 5, "ETH-USD", "BTC-USDC", "EUR-USD", "ETH-BTC", FUTURE]),
    side=st.sampled_from(["BUY", "SELL"]),
    kind=st.sampled_from(["limit_limit_gtc", "limit_limit_gtc", "market_market_ioc", "sor_limit_ioc"]),
    size=st.sampled_from(["0.001", "0.01", "0.0100", "0.02", "0.25", "1", "2.5", "0.00001"]),
    near=st.sampled_from([-20, -2, -1, 0, 1, 2, 20, 90]),
    strategy=st.sampled_from([None, None, None, "momo"]),
    asker=st.sampled_from([None, ev.Asker(7), ev.Asker(7), ev.Asker(8, "grid")]),
    dry_run=st.booleans(),
    again=st.booleans(),
)  # fmt: skip
asks = st.tuples(st.just("ask"), orders)
moves = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.1, 0.1, 1, 3, 70, -2, -90, 43_200])),
    st.tuples(st.just("quote"), st.sampled_from([-30, -2, 0, 0, 1, 25])),
    st.tuples(
        st.just("fill"),
        st.tuples(
            st.sampled_from(["BTC-USD", "ETH-USD"]),
            st.sampled_from(["BUY", "SELL"]),
            st.sampled_from([None, "momo"]),
        ),
    ),
    st.tuples(st.just("direct"), st.sampled_from([-10, 0, 10])),
    st.tuples(
        st.just("held"), st.sampled_from([("BTC", "0.4"), ("BTC", "0.49"), ("USD", 290_000)])
    ),
    st.tuples(
        st.just("stop"),
        st.tuples(st.sampled_from(["BUY", "SELL"]), st.sampled_from([-25, -2, 0, 2, 25])),
    ),
    st.tuples(
        st.just("depth"),
        st.sampled_from([("BTC-USD", "0.05"), ("BTC-USD", 1), ("ETH-USD", 1), (FUTURE, 1)]),
    ),
    st.tuples(st.just("holds"), st.none()),
    st.tuples(st.just("release"), st.none()),
    st.tuples(st.just("report"), st.sampled_from(["OPEN", "OPEN", "CANCELLED"])),
    st.tuples(st.just("edit"), st.sampled_from(["0.001", "0.02"])),
)
breaks = st.one_of(
    st.tuples(st.just("feed"), st.sampled_from(["gap", "lost", "connected"])),
    st.tuples(st.just("tell"), st.sampled_from(["halt", "resume", "reconciled", "fees", "disk"])),
    st.tuples(st.just("transfer"), st.sampled_from([("USD", 250_000), ("BTC", 2), ("ETH", 1)])),
    st.tuples(
        st.just("relist"),
        st.sampled_from(
            [
                {},
                {"base_max_size": D("0.02")},
                {"limit_only": True},
                {"quote_min_size": D(700), "quote_max_size": D(1300)},
            ]
        ),
    ),
    st.tuples(st.just("reload"), limits()),
)
stretches = st.tuples(asks, moves, asks, st.sampled_from([None, None, None]) | breaks, asks)
steps = st.lists(stretches, min_size=1, max_size=8).map(
    lambda parts: [step for part in parts for step in part if step is not None]
)
OF_AN_ORDER = {"release", "report", "edit"}
TOLD: dict[str, tuple[type[ev.Event], dict[str, Any]]] = {
    "halt": (ev.HaltRequested, {"reason": "law"}),
    "resume": (ev.ResumeRequested, {"reason": "law"}),
    "reconciled": (ev.AccountReconciled, {}),
    "disk": (ev.DiskChanged, {"full": True}),
    "fees": (ev.FeesRead, {"taker_rate": D("0.004"), "maker_rate": D("0.002")}),
}


class Twin:
    """One of the two: what happens, by name."""

    def __init__(self, world: World, *, decides_first: bool) -> None:
        self.world, self.decides_first = world, decides_first
        self.asked, self.booked, self.number = 0, 0, 0
        self.names: list[str] = []

    def ask(self, asked: dict[str, Any]) -> bytes:
        if not asked["again"] or not self.names:
            self.asked += 1
            self.names.append(f"bot-{self.asked}")
        product_id, world = asked["product_id"], self.world
        terms: dict[str, str] = {"base_size": "1" if product_id == FUTURE else asked["size"]}
        if asked["kind"] != "market_market_ioc":
            step = PRICE_STEP.get(product_id, D("0.01"))
            price = PRICE.get(product_id, D(64000)) * (1 + asked["near"] / D(1000))
            terms["limit_price"] = str((price / step).to_integral_value() * step)
        body = order(asked["kind"], asked["side"], product_id, self.names[-1], **terms)
        proposed = ev.OrderProposed(
            at=world.now, body=body, strategy_id=asked["strategy"], dry_run=asked["dry_run"],
            asker=asked["asker"],
        )  # fmt: skip
        verdict = world.manager.decide(proposed) if self.decides_first else None
        if verdict is None:
            taken = world.handle(proposed)
        else:
            before = memory(world)
            again = world.manager.decide(proposed)
            assert again is not None
            assert again.decision == verdict.decision
            assert memory(world) == before  # deciding changes nothing
            self.booked += 1
            taken = world.manager.commit(verdict)
        return bytes(next(a.decision for a in taken if isinstance(a, Decided)).as_json())

    def do(self, step: str, argument: Any) -> object:
        """One step; nothing where it is about the last order and there is none."""
        act = getattr(self, step)
        return act(argument) if self.names or step not in OF_AN_ORDER else None

    def wait(self, seconds: float) -> object:
        return self.world.wait(seconds)

    def quote(self, moved: int) -> object:
        price, size = 64000 * (1 + moved / D(1000)), D("0.02") if moved else None
        return self.world.quote("BTC-USD", price, price + D("0.01"), size)

    def depth(self, of: tuple[str, object]) -> object:
        return deepen(self.world, *of)

    def holds(self, _: object) -> object:
        return self.world.send(ev.DepthHolds, product_ids=tuple(DEPTHS))

    def stop(self, of: tuple[str, int]) -> object:
        """An own stop that waits, on either side of the market."""
        side, price = of[0], 64000 * (1 + of[1] / D(1000))
        self.number += 1
        known: dict[str, Any] = {"base_size": "0.0001", "limit_price": price, "stop_price": price}
        return self.world.report(f"stop-{self.number}", side=side, **known)

    def fill(self, of: tuple[str, str, str | None]) -> object:
        product_id, side, strategy = of
        self.number += 1
        name = f"fill-{self.number}"
        return self.world.fill(
            side, "0.02", PRICE[product_id], fee="0.5",
            product_id=product_id, order_id=name, entry_id=name, strategy_id=strategy,
        )  # fmt: skip

    def direct(self, moved: int) -> object:
        """A price that the tracker is told behind the manager's back."""
        price, now = 64000 * (1 + moved / D(1000)), self.world.now
        quotes = (ev.Quote("BTC-USD", price, price, now),)
        return self.world.tracker.apply(ev.Quotes(at=now, quotes=quotes))

    def transfer(self, of: tuple[str, object]) -> object:
        """Read twice, a while apart, it is believed."""
        for _ in range(2):
            self.world.now += timedelta(seconds=3)
            self.world.balance(*of)
        return None

    def held(self, of: tuple[str, object]) -> object:
        """A reading agrees with the books, and shows a hold that no known order explains."""
        currency, hold = of[0], D(of[1])
        self.world.now += timedelta(seconds=3)
        total = self.world.tracker.wallets.get(currency).total
        return self.world.balance(currency, total - hold, hold)

    def relist(self, changes: dict[str, Any]) -> object:
        listed = product("BTC-USD", base_increment=D("0.0001"), **changes)
        return self.world.send(ev.ProductsListed, products=(listed,))

    def reload(self, limits: dict[str, Any]) -> object:
        return self.world.send(ev.LimitsReplaced, limits=Limits(**limits))

    def feed(self, signal: str) -> object:
        return self.world.send(ev.FeedChanged, feed="market", signal=signal)

    def tell(self, what: str) -> object:
        return self.world.send(TOLD[what][0], **TOLD[what][1])

    def release(self, _: object) -> object:
        return self.world.send(ev.ReservationReleased, client_order_id=self.names[-1])

    def edit(self, size: str) -> object:
        name, manager = self.names[-1], self.world.manager
        return manager.validate_edit(client_order_id=name, price="63000", size=size).as_json()

    def report(self, status: str) -> object:
        held = self.world.tracker.ledger.reservations.get(self.names[-1])
        if held is None:
            return None
        asked = held.order
        return self.world.report(
            f"o-{self.names[-1]}",
            status=status,
            client_order_id=asked.client_order_id,
            product_id=asked.product_id,
            side=asked.side,
            base_size=asked.base_size,
            limit_price=asked.limit_price,
        )


def tables_are_true(world: World) -> None:
    """Each table that is kept says what one says that is worked out from the books as they are now."""
    for plan, _ in world.manager.approvals._plans.values():
        for side in ("BUY", "SELL"):
            kept = plan.tables.known(side)
            if kept is None or not any(group.absorbed for group in kept.groups.values()):
                continue
            event("a table has absorbed an approval")
            product = plan.product
            nothing = NoOrder(world.tracker, product.key, plan.strategy_id, side, is_new=True)
            fresh = Table(plan.tables.rules, cast("Candidate", nothing))
            groups = fresh.groups
            assert kept.groups.keys() == groups.keys()
            for old, new in ((group, groups[of]) for of, group in kept.groups.items()):
                near, room = old.near - old.absorbed, old.room - old.absorbed
                for kept_at, true_at in ((near, new.near), (room, new.room)):
                    lower, higher = max(kept_at, ZERO), max(true_at, ZERO)
                    assert lower == higher or abs(lower - higher) < NEAR
                for size in (ZERO, D("0.01"), D(1), D(3)):
                    assert old.findings(size) == new.findings(size)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    limits(),
    st.sampled_from([{}, {"BTC": "0.5", "ETH": 3}, {"BTC": 3, "ETH": 10}]),
    st.sampled_from([None, None, {"BTC": D("0.4")}, {"ETH": None}]),
    steps,
)
def test_what_a_glance_says_the_rules_say_one_by_one(limits, coins, keep, steps):
    """Decisions and memory are the same with it and without."""
    quick = Twin(begun(limits, coins, keep), decides_first=True)
    slow = Twin(begun(limits, coins, keep), decides_first=False)
    never = CustomRule(name="never", function=lambda *_: None, exempt=False)
    slow.world.manager.desk.custom = (never,)
    for step, argument in steps:
        assert quick.do(step, argument) == slow.do(step, argument), step
        assert memory(quick.world) == memory(slow.world), step
        tables_are_true(quick.world)
    event(f"booked apart: {min(quick.booked, 3)}{'+' if quick.booked > 2 else ''}")
