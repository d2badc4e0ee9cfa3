"""A cause tells the loss of now, and says it once."""

import pytest

from sidecar.core import views
from sidecar.core.context.loss_now import reason_now
from sidecar.core.context.state import Cause
from sidecar.core.vocabulary.limits import Limits
from tests.decisions import funded, the
from tests.scenario import FUTURE, START, World, limit_order

DAILY = "wait for the daily reset, or reset-loss daily"


def fallen(to=54000, **limits):
    """One bitcoin of 100,000 USD, bought at 64,000; the price stands at this one."""
    world = World(**limits)
    world.hold(1)
    world.stand("BTC-USD", to)
    return world


def reasons(world):
    world.wait()
    found = views.status(world.manager, world.now)["causes"]
    return {f"{one['code']} {one['scope']}": one["reason"] for one in found}


@pytest.mark.parametrize(
    ("limits", "name", "said"),
    [
        (
            {"max_daily_loss": "0.1"}, "DAILY_LOSS all",
            (
                "daily loss of 10000 USD, 10 % has reached 10 %",
                "daily loss of 14000 USD, 14 % has reached 10 %",
                "daily loss of 4000 USD, 4 % now; it had reached 10 %",
                "no loss now; it had reached 10 %",
            ),
        ),
        (
            {"max_weekly_loss": "9000 USD"}, "WEEKLY_LOSS all",
            (
                "weekly loss of 10000 USD, 10 % has reached 9000 USD",
                "weekly loss of 14000 USD, 14 % has reached 9000 USD",
                "weekly loss of 4000 USD, 4 % now; it had reached 9000 USD",
                "no loss now; it had reached 9000 USD",
            ),
        ),
        (
            {"product": {"BTC-USD": {"max_daily_loss": "0.1"}}}, "DAILY_LOSS product:BTC-USD",
            (
                "daily loss of 10000 USD, 10 % has reached 10 %",
                "daily loss of 14000 USD, 14 % has reached 10 %",
                "daily loss of 4000 USD, 4 % now; it had reached 10 %",
                "no loss now; it had reached 10 %",
            ),
        ),
        (
            {"max_drawdown": "0.1"}, "DRAWDOWN all",
            (
                "drawdown of 10000 USD, 10 % has reached 10 %",
                "drawdown of 14000 USD, 14 % has reached 10 %",
                "drawdown of 4000 USD, 4 % now; it had reached 10 %",
                "no loss now; it had reached 10 %",
            ),
        ),
    ],
)  # fmt: skip
def test_a_cause_that_lasts_is_told_with_the_figure_of_now(limits, name, said):
    world = World(**limits)
    world.hold(1)
    for price, words in zip((54000, 50000, 60000, 64000), said, strict=True):
        world.stand("BTC-USD", price)
        assert reasons(world) == {name: words}


def test_the_window_of_a_rolling_loss_is_named_the_one_most_used_of_several():
    windows = [{"window": "1h", "limit": "0.08"}, {"window": "4h", "limit": "0.05"}]
    world = fallen(max_loss_in=windows)
    said = "loss of 10000 USD, 10 % within 4h has reached 5 %"
    assert reasons(world) == {"LOSS_IN all": said}


def test_a_strategys_loss_is_its_own():
    world = World(strategy={"grid": {"max_daily_loss": "500 USD"}})
    world.ask(limit_order("0.1", name="g1"), strategy_id="grid")
    world.report("o1", client_order_id="g1", base_size="0.1", limit_price=64000)
    world.fill("BUY", "0.1", 64000, order_id="o1", client_order_id="g1")
    world.stand("BTC-USD", 58000)
    (said,) = reasons(world).values()
    assert said.startswith("daily loss of 600 USD")


def test_a_cumulative_loss_and_that_of_contracts_are_told_too():
    world = fallen(37000, max_cumulative_loss="0.25")
    assert reasons(world)["CUMULATIVE_LOSS all"].startswith(
        "cumulative loss of 27000 USD, 27 % has"
    )
    world = funded(World(max_margin_drawdown="0.5"), margin=16000)
    world.fill("BUY", 100, 64000, product_id=FUTURE)
    world.stand(FUTURE, 56000)
    told = reasons(world)["MARGIN_DRAWDOWN futures"]
    assert told == "margin drawdown of 8000 USD, 50 % has reached 50 %"


def test_a_refusal_tells_the_figure_once_beside_the_code_of_the_limit():
    world = fallen(max_daily_loss="0.1")
    world.stand("BTC-USD", 50000)
    decision = world.ask(limit_order("0.01", 50000))
    assert (
        the(decision, "STATE_REDUCE_ONLY").message
        == f"the daily loss has reached its limit (fix: {DAILY})"
    )
    assert the(decision, "MAX_DAILY_LOSS").message == "daily loss 14 % has reached 10 %"
    world.stand("BTC-USD", 60000)
    decision = world.ask(limit_order("0.01", 50000))
    assert decision.codes == ("STATE_REDUCE_ONLY",)
    said = f"daily loss of 4000 USD, 4 % now; it had reached 10 % (fix: {DAILY})"
    assert decision.violations[0].message == said


def test_a_shock_is_told_once_too():
    world = World(product={"BTC-USD": {"price_shock": {"max_move": "0.01"}}})
    world.quote("BTC-USD", 64000)
    world.wait(1)
    world.quote("BTC-USD", 63000)
    world.wait(1)
    world.quote("BTC-USD", 63000)
    decision = world.ask(limit_order("0.01", 63000))
    said = "a price shock has locked this position (fix: wait for the lockout to end)"
    assert the(decision, "STATE_REDUCE_ONLY").message == said
    assert the(decision, "PRICE_SHOCK").message.startswith("BTC moved 1.56 % within 20 s")


@pytest.mark.parametrize(
    ("code", "scope"),
    [
        ("DAILY_LOSS", "all"), ("DAILY_LOSS", "product:BTC-USD"), ("WEEKLY_LOSS", "strategy:grid"), ("DRAWDOWN", "all"),
        ("CUMULATIVE_LOSS", "all"), ("LOSS_IN", "all"), ("MARGIN_DRAWDOWN", "futures"), ("OPERATOR_HALT", "all"),
    ],
)  # fmt: skip
def test_a_cause_without_a_limit_or_a_loss_keeps_its_words(code, scope):
    cause = Cause(code=code, scope=scope, level="REDUCE_ONLY", since=START, reason="as it was said")
    assert reason_now(fallen().manager.desk, cause) == "as it was said"


def test_one_that_is_not_confirmed_keeps_its_words_while_the_loss_is_told_below_its_limit():
    desk = fallen(max_drawdown="0.2").manager.desk
    cause = Cause(
        code="DRAWDOWN",
        scope="all",
        level="REDUCE_ONLY",
        since=START,
        reason="it may be",
        is_confirmed=False,
    )
    assert reason_now(desk, cause) == "it may be"
    desk.use(Limits(max_drawdown="0.1"))
    assert reason_now(desk, cause) == "drawdown of 10000 USD, 10 % has reached 10 %"
