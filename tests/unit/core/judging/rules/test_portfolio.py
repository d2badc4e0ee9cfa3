"""Rules over the whole portfolio: VaR and its kin by a stand-in, and the futures' liquidation buffer."""

import pytest

from sidecar.core.judging.usage import usage
from sidecar.core.value_at_risk.portfolio_risk import GuardedRisk
from tests.decisions import StandInRisk, breaks, funded, future_order, only, sell_order, the, warned
from tests.scenario import FUTURE, D, World, limit_order

CODES = ["MAX_VAR", "MAX_EXPECTED_SHORTFALL", "MAX_STRESS_LOSS"]


def risky(held, per_unit, code="MAX_VAR", **limits):
    """Equity 100,000; the figure is `held` and grows by `per_unit` a BTC; 15 % are allowed."""
    world = World(**only(code.lower(), "0.15"), **limits)
    world.manager.desk.portfolio_risk = StandInRisk(held, per_unit)
    return world


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("held", "ok"), [("13999.99", True), ("14000", False), ("14000.01", False)]
)
def test_a_risk_figure_breaks_exactly_at_its_share_of_equity(code, held, ok):
    """The figure with the order in it; VaR breaks when observed >= limit."""
    decision = risky(held, 1000, code).ask(limit_order(1))
    assert decision.approved == ok
    assert breaks(decision, code) != ok


@pytest.mark.parametrize(
    ("code", "words"),
    [(CODES[0], "value at risk"), (CODES[1], "expected shortfall"), (CODES[2], "stress loss")],
)
def test_a_broken_figure_is_told_as_a_share_of_equity(code, words):
    found = the(risky(15000, 1000, code).ask(limit_order(1)), code)
    assert (found.limit, found.observed, found.scope) == ("0.15", "0.16", "all")
    assert found.message == f"{words} would be 16 % of equity; 15 % is allowed"


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("per_unit", [0, -1000])
def test_an_order_that_does_not_raise_the_figure_passes(code, per_unit):
    """However far beyond the limit the portfolio is: the order is not to blame."""
    assert risky(50000, per_unit, code).ask(limit_order(1))


@pytest.mark.parametrize("code", CODES)
def test_an_exit_passes_even_if_it_raises_the_figure(code):
    """All three are marked R: selling a hedge may raise VaR, and must still be possible."""
    world = risky(50000, -1000, code)
    world.hold(1)
    assert world.ask(sell_order(1))


def test_seventy_percent_of_a_risk_limit_warns():
    assert warned(risky(9500, 1000).ask(limit_order(1))) == ("MAX_VAR",)
    assert warned(risky(9499, 1000).ask(limit_order(1), dry_run=True)) == ()


def test_the_largest_size_is_found_within_a_few_bisections():
    """What is said passes, and it is within a thousandth of the truth (0.5 BTC)."""
    world = risky(14500, 1000)
    largest = world.ask(limit_order(1), dry_run=True).max_base_size
    assert D("0.499") < largest < D("0.5")
    assert world.ask(limit_order(largest))


def test_bisection_stops_at_the_increment():
    """A contract adds one dollar: the hundredth would reach the limit."""
    assert funded(risky(14900, 100)).ask(future_order(400)).max_base_size == 99
    assert funded(risky(14999, 100)).ask(future_order(400)).max_base_size == 0


def test_beyond_a_risk_limit_the_largest_size_is_what_only_reduces():
    world = risky(50000, -1000)
    world.hold(1)
    assert world.ask(sell_order(2), dry_run=True).max_base_size == 1


def test_against_no_equity_any_figure_is_too_much():
    world = World(cash=0, max_var="0.15")
    world.manager.desk.portfolio_risk = StandInRisk(1, 1)
    assert the(world.ask(limit_order()), "MAX_VAR").observed == "Infinity"


# --- VAR_UNAVAILABLE ------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("stand_in", [None, StandInRisk(known=False)])
def test_a_figure_that_cannot_be_computed_refuses(code, stand_in):
    world = World(**only(code.lower(), "0.15"))
    world.manager.desk.portfolio_risk = stand_in
    decision = world.ask(limit_order())
    found = the(decision, "VAR_UNAVAILABLE")
    assert decision.codes == ("VAR_UNAVAILABLE",)
    assert found.message.startswith(f"{code.lower()} is set and there is no figure: ")
    assert decision.max_base_size == 0


def test_an_exit_needs_no_risk_figure():
    """VAR_UNAVAILABLE is marked R."""
    world = World(max_var="0.15")
    world.hold(1)
    assert world.ask(sell_order(1))


def test_without_such_a_limit_no_figure_is_needed():
    assert World().ask(limit_order())


# --- MIN_LIQUIDATION_BUFFER -----------------------------------------------------------------------


@pytest.mark.parametrize(("buffer", "ok"), [("20.01", True), ("20", True), ("19.99", False)])
def test_the_liquidation_buffer_must_not_be_under_its_percentage(buffer, ok):
    """The percentage itself passes."""
    decision = funded(World(min_liquidation_buffer=20), buffer=buffer).ask(future_order())
    assert breaks(decision, "MIN_LIQUIDATION_BUFFER") != ok
    if not ok:
        found = the(decision, "MIN_LIQUIDATION_BUFFER")
        assert (found.limit, found.observed) == ("20", "19.99")
        assert (
            found.message
            == "Coinbase's liquidation buffer is 19.99 %, below 20 %; close contracts, or add funds"
        )
        assert decision.max_base_size == 0


def test_an_unknown_buffer_is_not_enough():
    found = the(World(min_liquidation_buffer=20).ask(future_order()), "MIN_LIQUIDATION_BUFFER")
    assert found.message == "Coinbase's futures balance summary was not read yet; ask again shortly"


def test_the_buffer_is_about_futures_only():
    assert World(min_liquidation_buffer=20).ask(limit_order())


def test_a_future_may_be_closed_below_the_buffer():
    """MIN_LIQUIDATION_BUFFER is marked R: closing is what restores it."""
    world = funded(World(min_liquidation_buffer=20), buffer=1)
    world.fill("BUY", 5, 64000, product_id=FUTURE)
    assert world.ask(future_order(5, "SELL"))


# --- The margin posted for contracts ---------------------------------------------------------------


def losing(price, margin=16_000, **limits):
    """100 contracts of 0.01 BTC, bought at 64,000."""
    world = World(max_margin_drawdown="0.5", **limits)
    world.fill("BUY", 100, 64_000, product_id=FUTURE)
    funded(world, margin=margin)
    world.quote(FUTURE, price)
    return world


@pytest.mark.parametrize(("price", "ok"), [("56005", True), ("56000", False), ("50000", False)])
def test_nothing_is_added_once_contracts_have_lost_their_share_of_the_margin(price, ok):
    decision = losing(price).ask(future_order(1, "BUY", price))
    assert breaks(decision, "MAX_MARGIN_DRAWDOWN") != ok
    if price == "56000":
        found = the(decision, "MAX_MARGIN_DRAWDOWN")
        assert (found.limit, found.observed, found.scope) == ("0.5", "0.5", "all")
        assert found.message == (
            "the contracts' unrealised loss is 50 % of the margin posted; the limit is 50 %"
        )
        assert decision.max_base_size == 0


@pytest.mark.parametrize(("price", "told"), [("58405", False), ("58400", True)])
def test_a_margin_that_is_nearly_lost_is_a_warning_for_contracts_alone(price, told):
    world = losing(price)
    assert warned(world.ask(future_order(1, "BUY", price), dry_run=True)) == (
        ("MAX_MARGIN_DRAWDOWN",) if told else ()
    )
    assert not warned(world.ask(limit_order("0.01"), dry_run=True))


def test_contracts_may_be_closed_whatever_they_have_lost_and_spot_is_not_concerned():
    world = losing(50_000)
    assert world.ask(future_order(100, "SELL", 50_000))
    assert world.ask(limit_order("0.1"))


def test_a_margin_that_is_not_told_is_not_enough_to_add_contracts():
    world = losing(64_000, margin=None)
    found = the(world.ask(future_order()), "MAX_MARGIN_DRAWDOWN")
    assert (found.limit, found.observed) == ("0.5", "none")
    text = (
        "max_margin_drawdown is set, and Coinbase has not told the margin posted for the contracts held; "
        "ask again shortly, or unset the limit"
    )
    assert found.message == text
    assert world.ask(future_order(1, "SELL"))


def test_the_use_of_a_margin_is_shown_where_it_is_known():
    for margin, used in ((16_000, D("0.5")), (None, None)):
        world = losing(60_000, margin)
        (row,) = usage(world.manager.desk, {}, world.now)
        assert (row["code"], row["used"]) == ("MAX_MARGIN_DRAWDOWN", used)


def test_a_margin_in_shadow_is_shown_and_binds_nothing():
    world = World(shadow={"max_margin_drawdown": "0.5"})
    world.fill("BUY", 100, 64_000, product_id=FUTURE)
    funded(world, margin=16_000)
    world.quote(FUTURE, 56_000)
    decision = world.ask(future_order(1, "BUY", 56_000))
    assert decision
    assert warned(decision) == ("MAX_MARGIN_DRAWDOWN",)


class Fails:
    def __init__(self, fault):
        self.fault = fault

    def figure(self, measure, tracker, added, warn_usd):
        raise self.fault


@pytest.mark.parametrize("fault", [ZeroDivisionError(), KeyError("max_var"), ValueError("none")])
def test_figures_that_fail_are_unavailable(fault):
    """What cannot be computed refuses; it never escapes as an error, and never approves."""
    world = World(max_var="0.5")
    world.manager.desk.portfolio_risk = GuardedRisk(Fails(fault))
    assert world.ask(limit_order()).codes == ("VAR_UNAVAILABLE",)
