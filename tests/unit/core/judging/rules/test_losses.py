"""Have losses crossed a limit? Every loss here is of one BTC bought at 64,000 with equity 100,000."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary.actions import CauseRaised
from tests.decisions import breaks, of_kind, only, sell_order, the, warned
from tests.scenario import FUTURE, START, D, World, limit_order


def lost(usd, **limits):
    """A world in which one BTC has lost so many dollars."""
    world = World(**limits)
    world.hold(1)
    world.quote("BTC-USD", 64000 - D(usd))
    return world


CODES = ["MAX_DAILY_LOSS", "MAX_WEEKLY_LOSS", "MAX_MONTHLY_LOSS", "MAX_DRAWDOWN", "MAX_CUMULATIVE_LOSS"]  # fmt: skip
AT_TEN_PERCENT = [("9999.99", True), ("10000", False), ("10000.01", False)]


@pytest.mark.parametrize(("usd", "ok"), AT_TEN_PERCENT)
@pytest.mark.parametrize("limit", ["0.10", "10000 USD"])
@pytest.mark.parametrize("code", CODES)
def test_a_loss_breaks_exactly_at_its_limit(code, limit, usd, ok):
    """Losses break when observed >= limit, as a ratio of equity or in money."""
    world = lost(usd, **only(code.lower(), limit))
    decision = world.ask(limit_order("0.01", "50000"))
    assert decision.approved == ok
    assert breaks(decision, code) != ok
    assert decision.state == ("ACTIVE" if ok else "REDUCE_ONLY")


@pytest.mark.parametrize(
    ("code", "what", "mend"),
    [("MAX_DAILY_LOSS", "daily loss", START + timedelta(days=1)), ("MAX_WEEKLY_LOSS", "weekly loss", START + timedelta(days=1)), ("MAX_MONTHLY_LOSS", "monthly loss", START + timedelta(days=9)), ("MAX_DRAWDOWN", "drawdown", None), ("MAX_CUMULATIVE_LOSS", "cumulative loss", None)],
)  # fmt: skip
def test_a_broken_loss_limit_says_how_much_and_when_it_clears(code, what, mend):
    """The loss of a day, week or month clears at its next reset; the others not by waiting."""
    found = the(lost(10000, **only(code.lower(), "0.1")).ask(limit_order("0.01", "50000")), code)
    assert (found.limit, found.observed, found.scope, found.clears_at) == (
        "0.1",
        "0.1",
        "all",
        mend,
    )
    assert found.message == f"{what} 10 % has reached 10 %"


@pytest.mark.parametrize("code", CODES)
def test_exits_pass_beyond_a_loss_limit(code):
    """All but the last are marked R, that only sets REDUCE_ONLY until it is confirmed."""
    assert lost(12000, **only(code.lower(), "0.1")).ask(sell_order(1, "52000"))


@pytest.mark.parametrize(("usd", "warns"), [("6999.99", False), ("7000", True)])
def test_a_loss_of_seventy_percent_of_its_limit_warns(usd, warns):
    decision = lost(usd, max_daily_loss="0.10").ask(limit_order("0.01", "50000"))
    assert decision
    assert warned(decision) == (("MAX_DAILY_LOSS",) if warns else ())


def test_a_profit_is_no_loss():
    world = lost(-5000, max_daily_loss="0.1", max_drawdown="0.1", max_cumulative_loss="0.1")
    assert world.ask(limit_order()).warnings == ()


def test_a_drawdown_is_measured_from_the_highest_profit():
    world = lost(-6000, max_drawdown="10000 USD", max_daily_loss="10000 USD")
    world.stand("BTC-USD", 70000)
    world.quote("BTC-USD", 60000)
    decision = world.ask(limit_order("0.01", "50000"))
    assert the(decision, "MAX_DRAWDOWN").observed == "10000"
    assert not breaks(decision, "MAX_DAILY_LOSS")


def test_fees_are_losses():
    world = World(max_daily_loss="100 USD")
    world.fill("BUY", 1, 64000, fee=100)
    assert breaks(world.ask(limit_order()), "MAX_DAILY_LOSS")


def test_transfers_are_not_losses():
    """A withdrawal lowers the base of the ratio, not the PnL."""
    world = World(max_daily_loss="0.1")
    world.hold(1)
    world.wait(31)  # until then a reading may lack that
    for _ in range(2):
        world.wait(3)
        world.balance("USD", 0)
    world.quote("BTC-USD", 64000)
    assert world.tracker.transfers == D(64000)  # 100,000 came in, 36,000 went out again
    assert not breaks(world.ask(sell_order(2)), "MAX_DAILY_LOSS")
    world.quote("BTC-USD", "57600.01")
    assert world.manager.state.account == "ACTIVE"
    world.quote("BTC-USD", 57600)  # a tenth of the 64,000 that are left
    assert world.manager.state.account == "REDUCE_ONLY"


# --- Scopes ---------------------------------------------------------------------------------------


def test_a_products_daily_loss_binds_its_key_only():
    world = lost(5000, product={"BTC-USD": {"max_daily_loss": "5000 USD"}})
    found = the(world.ask(limit_order("0.01", "50000")), "MAX_DAILY_LOSS")
    assert found.scope == "product:BTC-USD"
    assert found.clears_at == START + timedelta(days=1)
    assert world.ask(limit_order("1", "2000", product_id="ETH-USD"))
    assert world.ask(sell_order(1, "59000"))


def test_a_strategys_daily_loss_binds_its_own_orders_only():
    world = World(strategy={"momo": {"max_daily_loss": "0.05"}})
    world.fill("BUY", 1, 64000, strategy_id="momo")
    world.quote("BTC-USD", 59000)
    decision = world.ask(limit_order("0.01", "50000"), strategy_id="momo")
    assert the(decision, "MAX_DAILY_LOSS").scope == "strategy:momo"
    assert decision.state == "REDUCE_ONLY"
    assert world.ask(limit_order("0.01", "50000"), strategy_id="carry")


def test_another_strategys_loss_is_not_ones_own():
    world = World(strategy={"momo": {"max_daily_loss": "0.05"}})
    world.fill("BUY", 1, 64000, strategy_id="carry")
    world.quote("BTC-USD", 59000)
    assert world.ask(limit_order("0.01", "50000"), strategy_id="momo")


def test_the_narrower_daily_loss_adds_to_the_wider():
    world = lost(
        5000, max_daily_loss="4000 USD", product={"BTC-USD": {"max_daily_loss": "3000 USD"}}
    )
    decision = world.ask(limit_order("0.01", "50000"))
    assert [v.scope for v in decision.violations if v.code == "MAX_DAILY_LOSS"] == [
        "all",
        "product:BTC-USD",
    ]


def test_a_limit_of_a_product_that_is_not_listed_binds_nothing():
    assert lost(5000, product={"NEW-USD": {"max_daily_loss": "1 USD"}}).ask(
        limit_order("0.01", "50000")
    )


def test_a_futures_loss_counts_before_it_is_settled():
    world = World(max_daily_loss="0.05")
    world.fill("BUY", 100, 64000, product_id=FUTURE)  # one BTC
    actions = world.quote(FUTURE, 59000)
    assert [a.code for a in of_kind(actions, CauseRaised)] == ["DAILY_LOSS"]


# --- No equity ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        {"max_daily_loss": "0.1"}, {"max_drawdown": "0.1"}, {"max_cumulative_loss": "0.1"},
        {"product": {"BTC-USD": {"max_daily_loss": "0.1"}}},
        {"strategy": {"momo": {"max_daily_loss": "0.1"}}},
    ],
)  # fmt: skip
def test_against_no_equity_a_ratio_allows_reducing_orders_only(limits):
    """Whatever the scope of the ratio: a limit that cannot be measured must not be none."""
    world = World(cash=0, **limits)
    decision = world.ask(limit_order())
    assert the(decision, "STATE_REDUCE_ONLY").observed == "NO_EQUITY"


def test_money_needs_no_equity_to_be_measured():
    world = World(cash=0, max_daily_loss="100 USD", max_cumulative_loss="100 USD")
    world.balance("USD", 0)
    assert world.manager.state.account == "ACTIVE"


def test_no_equity_ends_by_itself_when_the_account_is_funded():
    world = World(cash=0, max_daily_loss="0.1")
    for _ in range(2):
        world.wait(3)
        world.balance("USD", 100_000)
    world.quote("BTC-USD", 64000)
    assert world.manager.state.account == "ACTIVE"
    assert world.ask(limit_order())


def test_shadow_losses_warn_and_change_no_state():
    world = lost(10000, shadow={"max_daily_loss": "0.1"})
    decision = world.ask(limit_order("0.01", "50000"))
    assert decision
    assert [(w.code, w.scope) for w in decision.warnings] == [("MAX_DAILY_LOSS", "shadow")]
    assert world.manager.state.account == "ACTIVE"
