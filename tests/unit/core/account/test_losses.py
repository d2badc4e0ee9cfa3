"""Losses as pure figures."""

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, localcontext

import pytest

from sidecar.core.account import losses
from sidecar.core.account.losses import Loss
from sidecar.core.account.periods import ScopedWindow
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.limits import Limits
from tests.scenario import D, World
from tests.tracking import Desk

TENTH, HUNDRED = LossLimit(ratio=D("0.1")), LossLimit(usd=D(100))


@pytest.mark.parametrize(
    ("usd", "crosses"), [("99.99", False), ("100", True), ("100.01", True), ("-100", False)]
)
@pytest.mark.parametrize("limit", [TENTH, HUNDRED])
def test_a_loss_crosses_at_its_limit(limit, usd, crosses):
    assert Loss(D(usd), D(1000)).crosses(limit) == crosses


@pytest.mark.parametrize(("weighted", "crosses"), [("99.99", False), ("100", True)])
def test_a_ratio_is_taken_of_the_weighted_loss_and_money_of_the_loss(weighted, crosses):
    loss = Loss(D(100), D(1000), D(weighted))
    assert (loss.crosses(TENTH), loss.crosses(HUNDRED)) == (crosses, True)
    assert loss.measured(HUNDRED) == 100


@pytest.mark.parametrize(("short", "crosses"), [("1E-31", True), ("1E-12", False)])
def test_what_transfers_have_rounded_off_hides_no_breach(short, crosses):
    """What is measured reaches the limit just when the loss does."""
    loss = Loss(D(100), D(1000), D(100) - D(short) * 1000)
    assert loss.crosses(TENTH) == crosses
    assert (loss.measured(TENTH) >= D("0.1")) == crosses


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
        (Loss(D(5), D(100), D(9)), "5 USD, 9 %"),
    ],
)
def test_a_loss_reads_as_money_and_share(loss, text):
    for rounding in (ROUND_HALF_EVEN, ROUND_HALF_UP):  # a caller's context changes no figure
        with localcontext(rounding=rounding):
            assert loss.text() == text


@pytest.mark.parametrize("figure", [losses.daily, losses.cumulative, losses.drawdown])
def test_before_the_books_open_nothing_is_lost(figure):
    assert figure(PositionTracker()) == Loss(D(0), D(0))


def test_each_figure_counts_from_its_own_window():
    world = World()
    world.hold(1)
    world.stand("BTC-USD", 70000)
    world.fill("SELL", "0.5", 60000, fee=10)
    figures = (losses.daily, losses.cumulative, losses.drawdown)
    found = [figure(world.tracker) for figure in figures]
    assert [(one.usd, one.base) for one in found] == [
        (-990, 100_000), (-990, 100_000), (5010, 106_000),
    ]  # fmt: skip


def test_a_drawdown_is_a_share_of_the_highest_equity():
    """10,000 → 30,000 → 29,000 is a fall of 3.3 %, not of 10 %."""
    world = World(cash=10_000)
    world.fill("BUY", "0.1", 64000)
    world.stand("BTC-USD", 264_000)
    world.stand("BTC-USD", 254_000)
    assert losses.drawdown(world.tracker).text() == "1000 USD, 3.33 %"


def test_a_key_or_a_strategy_that_never_traded_has_lost_nothing():
    tracker = World().tracker
    assert losses.daily(tracker, key="BTC").usd == 0
    assert losses.daily(tracker, strategy_id="momo").usd == 0


# --- Transfers in between -------------------------------------------------------------------------


def twice(world, currency, total):
    """A transfer: two readings two seconds apart show the same."""
    world.balance(currency, total)
    world.wait(2)
    world.balance(currency, total)


def lost_some():
    """One coin of two strategies that lost 9,100 of 100,000."""
    world = World()
    world.fill("BUY", 1, 64000, strategy_id="momo")
    world.stand("BTC-USD", 54_900)
    world.wait(60)
    world.stand("BTC-USD", 54_900)
    return world


FIGURES = {
    "day": losses.daily,
    "cumulative": losses.cumulative,
    "drawdown": losses.drawdown,
    "key": lambda tracker: losses.daily(tracker, key="BTC"),
    "strategy": lambda tracker: losses.daily(tracker, strategy_id="momo"),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("left", [6_000, 36_000_000])
def test_a_transfer_moves_no_ratio(name, left):
    """9.1 % lost, then most of it withdrawn, or a thousand times it paid in."""
    world, figure = lost_some(), FIGURES[name]
    before = figure(world.tracker)
    twice(world, "USD", left)
    assert world.tracker.equity == 54_900 + left
    assert (figure(world.tracker).usd, figure(world.tracker).ratio) == (before.usd, D("0.091"))


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("day", 1 - (1 - D("0.091")) * (1 - D(5490) / 44_900)),
        ("key", D("0.091") + D(5490) / 44_900),
    ],
)
def test_after_a_transfer_a_loss_is_a_share_of_what_is_there(name, ratio):
    """9.1 %, then 5,490 of 44,900: those of the account compound, those of a key add up."""
    world = lost_some()
    twice(world, "USD", -10_000)
    world.stand("BTC-USD", 49_410)
    found = FIGURES[name](world.tracker)
    assert found.usd == 9100 + 5490
    assert found.ratio is not None
    assert abs(found.ratio - ratio) < D("1E-11")


def test_while_the_account_is_all_but_empty_no_ratio_is_taken():
    world = World(cash=1000, min_equity=500)
    twice(world, "USD", 499)
    assert [figure(world.tracker).base for figure in FIGURES.values()] == [0] * 5
    twice(world, "USD", 500)
    assert [figure(world.tracker).base for figure in FIGURES.values()] == [500] * 5


# --- The way that lost least, and the way that lost most ------------------------------------------


def test_without_a_doubt_every_way_is_the_same():
    tracker = lost_some().tracker
    for figure in (losses.daily, losses.cumulative, losses.drawdown):
        assert figure(tracker) == figure(tracker, way="least") == figure(tracker, way="most")


def withdrawn(world, left, price):
    """A reading shows what is left of the coin, at a price that no reading has agreed at before."""
    world.balance("BTC", 1)
    world.quote("BTC-USD", price)
    world.wait(2)
    world.balance("BTC", left)


@pytest.mark.parametrize(
    ("left", "ways"),
    [("0.25", (10_000, 2_500, 10_000)), (2, (10_000, 10_000, 20_000))],
    ids=["withdrawn", "paid in"],
)
def test_in_doubt_a_coin_may_have_moved_before_its_price_did(left, ways):
    """In dollars: 10,000 on one coin; but three quarters may have been gone, or another have been there."""
    world = World()
    world.hold(1)
    withdrawn(world, left, 54_000)
    for figure in (losses.daily, losses.cumulative, losses.drawdown):
        told = tuple(figure(world.tracker, way=way).usd for way in ("told", "least", "most"))
        assert told == ways
    key = tuple(
        losses.daily(world.tracker, key="BTC", way=way).usd for way in ("told", "least", "most")
    )
    assert key == ways
    other = losses.daily(world.tracker, key="ETH", way="most")
    assert (other.usd, other.ratio) == (0, 0)


def test_in_doubt_a_ratio_is_of_what_was_there():
    """36,000 dollars and a quarter of a coin at 64,000 made 52,000; 2,500 of these were lost."""
    world = World()
    world.hold(1)
    withdrawn(world, "0.25", 54_000)
    least = losses.cumulative(world.tracker, way="least")
    assert least.ratio is not None
    assert abs(least.ratio - D(2500) / 52_000) < D("1E-11")


def test_a_limit_is_a_ratio_or_money():
    assert Limits(max_daily_loss="0.1").max_daily_loss == TENTH
    assert Limits(max_daily_loss="100 USD").max_daily_loss == HUNDRED


# --- What fills, fees and funding settled ---


def holding(**settings):
    """One bitcoin bought at 64,000 with borrowed money, and 10,000 dollars."""
    desk = Desk(**settings)
    desk.balance("USD", 74_000)
    desk.fill("BUY", 1, 64000, strategy_id="trend")
    return desk


def settled(desk, code="CUMULATIVE_LOSS", key=None, strategy_id=None):
    return losses.settled_loss(desk.tracker, code, key, strategy_id)


@pytest.mark.parametrize(
    ("window", "code"),
    [("daily", "DAILY_LOSS"), ("cumulative", "CUMULATIVE_LOSS"), ("drawdown", "DRAWDOWN")],
)
def test_what_was_settled_counts_from_its_windows_start_too(window, code):
    desk = holding()
    desk.fill("SELL", 1, 63000)
    assert settled(desk, code) == 1000
    desk.tracker.reset_window(window, desk.now)
    assert settled(desk, code) == 0
    codes = {"DAILY_LOSS", "CUMULATIVE_LOSS", "DRAWDOWN"} - {code}
    assert [settled(desk, other) for other in codes] == [1000, 1000]


@pytest.mark.parametrize("scope", [{"key": "BTC"}, {"strategy_id": "trend"}])
def test_what_a_scope_settled_counts_from_the_days_start(scope):
    desk = holding()
    desk.fill("SELL", 1, 63000, strategy_id="trend")
    assert settled(desk, "DAILY_LOSS", **scope) == 1000
    desk.tracker.reset_window("daily", desk.now)
    assert settled(desk, "DAILY_LOSS", **scope) == 0
    desk.fill("BUY", 1, 63000, fee=5, strategy_id="trend")
    assert settled(desk, "DAILY_LOSS", **scope) == 5


def test_a_loss_that_a_transfer_of_unknown_time_may_have_been_is_not_settled():
    desk = holding()
    desk.fill("SELL", 1, 63000, strategy_id="trend")
    windows = desk.tracker.windows
    assert windows is not None
    day = windows.period("daily")
    scopes = day.by_key.setdefault("BTC", ScopedWindow()), day.by_strategy.setdefault("trend", ScopedWindow())  # fmt: skip
    for window in (windows.cumulative, *scopes):
        window.least_usd = D(-300)
    assert (settled(desk), settled(desk, key="BTC"), settled(desk, strategy_id="trend")) == (700, 700, 700)  # fmt: skip


def test_a_scope_that_never_traded_has_settled_nothing():
    desk = holding()
    assert settled(desk, "DAILY_LOSS", key="ETH") == 0
    assert settled(desk, "DAILY_LOSS", strategy_id="grid") == 0
