"""The law of quiet: where no loss is judged, none is beyond its limit.

Two managers live through the same events. One of them judges every loss at every fact. They must never differ, in their
actions or in what they remember.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import memory
from tests.scenario import FUTURE, D, World, product

PRICES = {"BTC-USD": 64_000, "ETH-USD": 2_000, FUTURE: 64_000}
LOSSES: dict[str, Any] = {
    "max_daily_loss": st.sampled_from(["0.02", "0.1", "900 USD"]),
    "max_weekly_loss": st.sampled_from(["0.05", "3000 USD"]),
    "max_monthly_loss": st.sampled_from(["0.06"]),
}
OF_THE_ACCOUNT: dict[str, Any] = {
    "max_drawdown": st.sampled_from(["0.1", "2000 USD"]),
    "max_cumulative_loss": st.sampled_from(["0.25"]),
    "max_loss_in": st.just([{"window": "1h", "limit": "0.03"}]),
    "max_margin_drawdown": st.just("0.3"),
}


def some(of: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=of)


# Mostly of one scope alone: what is beyond another's limit is judged at every fact.
scoped = st.one_of(
    st.fixed_dictionaries({"product": st.fixed_dictionaries({"BTC-USD": some(LOSSES)}, optional={"ETH-USD": some(LOSSES)})}),
    st.fixed_dictionaries({"strategy": st.fixed_dictionaries({"momo": some(LOSSES)}, optional={"grid": some(LOSSES)})}),
)  # fmt: skip
limits = st.one_of(
    scoped, some(LOSSES | OF_THE_ACCOUNT), st.builds(lambda *parts: parts[0] | parts[1], scoped, some(LOSSES | OF_THE_ACCOUNT))
)  # fmt: skip
steps = st.one_of(
    st.tuples(st.just("quote"), st.sampled_from([*PRICES]), st.integers(-250, 150)),
    st.tuples(st.just("stand"), st.sampled_from([*PRICES]), st.integers(-250, 150)),
    st.tuples(
        st.just("fill"),
        st.sampled_from(["BUY", "SELL"]),
        st.sampled_from([*PRICES]),
        st.sampled_from([None, "momo", "grid"]),
        st.integers(0, 400),
    ),
    st.tuples(st.just("wait"), st.sampled_from([1, 40, 3_700, 86_400, 604_800])),
    st.tuples(st.just("cash"), st.sampled_from([20, 60_000, 150_000])),
    st.tuples(st.just("reset"), st.sampled_from(["daily", "weekly", "cumulative", "rolling", "drawdown"])),
    st.tuples(st.just("list"), st.just("SOL-USD")),
    st.tuples(st.just("reload"), limits),
)  # fmt: skip


def take(world: World, number: int, step: tuple[Any, ...]) -> list[Any]:
    """One step of a history; its actions."""
    match step:
        case ("quote" | "stand" as kind, name, part):
            price = D(PRICES[name]) * (1000 + part) / 1000
            return getattr(world, kind)(name, price)  # type: ignore[no-any-return]
        case ("fill", side, name, strategy, fee):
            size = 1 if name != "ETH-USD" else 5
            price, ids = PRICES[name], {"order_id": f"f{number}", "entry_id": f"e{number}"}
            return world.fill(side, size, price, fee=fee, product_id=name, strategy_id=strategy, **ids)  # fmt: skip
        case ("wait", seconds):
            return world.wait(seconds)
        case ("cash", usd):
            actions = world.balance("USD", usd)
            world.wait(3)
            return actions + world.balance("USD", usd)
        case ("reset", window):
            return world.send(ev.LossReset, window=window, reason="law")
        case ("list", name):
            return world.send(ev.ProductsListed, products=(*world.tracker.products.values(), product(name)))  # fmt: skip
        case ("reload", other):
            return world.send(ev.LimitsReplaced, limits=Limits.model_validate(other))
    raise AssertionError(step)


@given(limits, st.lists(steps, max_size=30))
def test_where_no_loss_is_judged_none_is_beyond_its_limit(
    bound: dict[str, Any], history: list[tuple[Any, ...]]
) -> None:
    quiet, judged = World(**bound), World(**bound)
    judged.manager.watch._is_quiet = lambda: False  # type: ignore[method-assign]
    for world in (quiet, judged):
        for name, price in PRICES.items():
            world.quote(name, price)
        world.fill("BUY", 1, PRICES["BTC-USD"], strategy_id="momo", order_id="f", entry_id="e")
    for number, step in enumerate(history):
        assert take(quiet, number, step) == take(judged, number, step), step
    assert memory(quiet) == memory(judged)
