"""Losses as pure figures."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, localcontext

import pytest

from sidecar.core import losses
from sidecar.core.limits import Limits, LossLimit
from sidecar.core.losses import Loss
from sidecar.core.position_tracker import PositionTracker
from tests.scenario import D, World

TENTH, HUNDRED = LossLimit(ratio=D("0.1")), LossLimit(usd=D(100))


@pytest.mark.parametrize(
    ("usd", "crosses"), [("99.99", False), ("100", True), ("100.01", True), ("-100", False)]
)
@pytest.mark.parametrize("limit", [TENTH, HUNDRED])
def test_a_loss_crosses_at_its_limit(limit, usd, crosses):
    assert Loss(D(usd), D(1000)).crosses(limit) == crosses


@pytest.mark.parametrize("base", [0, -1000])
def test_against_no_equity_no_ratio_is_crossed_and_money_is(base):
    """NO_EQUITY says the former instead."""
    loss = Loss(D(1000), D(base))
    assert not loss.crosses(TENTH)
    assert loss.crosses(HUNDRED)
    assert (loss.ratio, loss.measured(TENTH), loss.measured(HUNDRED)) == (None, 0, 1000)


def test_a_loss_is_measured_in_its_limits_own_measure():
    loss = Loss(D(50), D(1000))
    assert (loss.measured(TENTH), loss.measured(HUNDRED), loss.ratio) == (D("0.05"), 50, D("0.05"))


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (Loss(D("50.005"), D(1000)), "50 USD, 5 %"),
        (Loss(D(5), D(0)), "5 USD"),
        (Loss(D("1.5"), D(900)), "1.5 USD, 0.17 %"),
    ],
)
def test_a_loss_reads_as_money_and_share(loss, text):
    for rounding in (ROUND_HALF_EVEN, ROUND_HALF_UP):  # a caller's context changes no figure
        with localcontext(rounding=rounding):
            assert loss.text() == text


@pytest.mark.parametrize(
    "figure", [losses.daily, losses.cumulative, losses.cumulative_settled, losses.drawdown]
)
def test_before_the_books_open_nothing_is_lost(figure):
    assert figure(PositionTracker()) == Loss(D(0), D(0))


def test_each_figure_counts_from_its_own_window():
    world = World()
    world.hold(1)
    world.quote("BTC-USD", 70000)
    world.fill("SELL", "0.5", 60000, fee=10)
    figures = (losses.daily, losses.cumulative, losses.drawdown, losses.cumulative_settled)
    assert [figure(world.tracker).usd for figure in figures] == [-990, -990, 5010, 2010]
    assert all(figure(world.tracker).base == 100_000 for figure in figures)


def test_a_key_or_a_strategy_that_never_traded_has_lost_nothing():
    tracker = World().tracker
    assert losses.daily(tracker, key="BTC").usd == 0
    assert losses.daily(tracker, strategy_id="momo").usd == 0


def test_a_limit_is_a_ratio_or_money():
    assert Limits(max_daily_loss="0.1").max_daily_loss == TENTH
    assert Limits(max_daily_loss="100 USD").max_daily_loss == HUNDRED
