"""Losses of the week and the month: as the day's, from Monday's and the first's 08:00 in New York.

START is a Sunday: the week ends with its day, the month nine days later.
"""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sidecar.core.account.losses import within
from sidecar.core.saved import SavedManager, save_manager, save_tracker
from sidecar.core.saved_tracker import SavedTracker
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import CancelOrders, CauseCleared
from tests.decisions import breaks, of_kind, only, reloaded, the, warned
from tests.old_state import WINDOWS, old_state, upgraded_tracker, window
from tests.scenario import START, D, World, limit_order

MONDAY = START + timedelta(days=1)
NEXT_MONDAY = START + timedelta(days=8)
FIRST = datetime(2026, 12, 1, 13, tzinfo=UTC)
PERIODS = [("weekly", NEXT_MONDAY), ("monthly", FIRST)]


def codes(world):
    return sorted(cause.code for cause in world.manager.state.causes.values())


def fallen(*, start=MONDAY, to=54000, **limits):
    """One BTC has fallen, and stands there."""
    world = World(start=start, **limits)
    world.hold(1)
    world.stand("BTC-USD", to)
    return world


@pytest.mark.parametrize(("name", "end"), PERIODS)
def test_it_binds_until_its_own_period_ends_whatever_days_pass(name, end):
    world = fallen(**only(f"max_{name}_loss", "0.1"))
    (code,) = codes(world)
    assert code == f"{name.upper()}_LOSS"
    cause = world.manager.state.causes[code, "all"]
    assert (cause.level, cause.is_confirmed, cause.clears_at) == ("REDUCE_ONLY", True, end)
    world.quote("BTC-USD", 70000)  # recovered: it is latched
    day = MONDAY + timedelta(days=1)
    while day < end:
        world.wait(to=day)
        assert codes(world) == [code]
        day += timedelta(days=1)
    world.wait(to=end - timedelta(milliseconds=1))
    assert codes(world) == [code]
    cleared = of_kind(world.wait(to=end), CauseCleared)
    assert [one.reason for one in cleared] == [f"a new {name.removesuffix('ly')} has begun"]
    assert codes(world) == []


def test_what_was_lost_over_days_adds_up_until_the_week_is_over():
    world = fallen(to=60000, max_daily_loss="0.1", max_weekly_loss="0.1")
    for day, price in ((1, 58000), (2, 56000)):
        world.wait(to=MONDAY + timedelta(days=day))
        world.stand("BTC-USD", price)
        assert codes(world) == []
    world.wait(to=MONDAY + timedelta(days=3))
    world.quote("BTC-USD", "54000.01")
    assert codes(world) == []
    world.stand("BTC-USD", 54000)
    assert codes(world) == ["WEEKLY_LOSS"]
    found = the(world.ask(limit_order("0.01", "50000")), "MAX_WEEKLY_LOSS")
    assert (found.observed, found.limit, found.clears_at) == ("0.1", "0.1", NEXT_MONDAY)


def test_open_orders_that_add_risk_are_cancelled_once_it_is_confirmed():
    world = World(start=MONDAY, max_weekly_loss="0.1")
    world.hold(1)
    world.report("adds", leaves="0.1", limit_price=50_000)
    cancels = of_kind(world.stand("BTC-USD", 54000), CancelOrders)
    assert [one.order_ids for one in cancels] == [("adds",)]


def test_a_tick_that_passes_is_no_loss_of_a_month():
    world = World(start=MONDAY, max_monthly_loss="0.1")
    world.hold(1)
    world.quote("BTC-USD", 54000)
    assert codes(world) == ["MONTHLY_LOSS"]
    world.quote("BTC-USD", 64000)
    assert codes(world) == []


@pytest.mark.parametrize("name", ["weekly", "monthly"])
def test_it_warns_at_seventy_percent(name):
    world = fallen(to="57000.01", **only(f"max_{name}_loss", "0.1"))
    assert warned(world.ask(limit_order("0.01", 50000))) == ()
    world.quote("BTC-USD", 57000)
    assert warned(world.ask(limit_order("0.01", 50000))) == (f"MAX_{name.upper()}_LOSS",)


@pytest.mark.parametrize(
    ("scope", "limits"),
    [
        ("product:BTC-USD", {"product": {"BTC-USD": {"max_weekly_loss": "0.1"}}}),
        ("strategy:grid", {"strategy": {"grid": {"max_monthly_loss": "10000 USD"}}}),
    ],
)
def test_of_a_product_or_a_strategy_it_binds_these_alone(scope, limits):
    world = World(start=MONDAY, max_quote_age_s=86_400, **limits)
    world.fill("BUY", 1, 64000, strategy_id="grid")
    world.wait(to=MONDAY + timedelta(hours=23))
    world.stand("BTC-USD", 54000)
    ((_, where),) = world.manager.state.causes
    assert where == scope
    assert not world.ask(limit_order("0.01", 50000), strategy_id="grid")
    assert world.ask(limit_order("0.01", 2000, product_id="ETH-USD"), strategy_id="other")


# --- reset-loss -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["daily", "weekly", "monthly"])
def test_a_reset_ends_its_own_cause_and_counts_from_now(name):
    limits = {f"max_{each}_loss": "0.1" for each in ("daily", "weekly", "monthly")}
    world = fallen(**limits)
    all_three = {"DAILY_LOSS", "WEEKLY_LOSS", "MONTHLY_LOSS"}
    assert set(codes(world)) == all_three
    world.send(ev.LossReset, window=name, reason="accepted")
    assert set(codes(world)) == all_three - {f"{name.upper()}_LOSS"}
    world.quote("BTC-USD", "45000.01")  # a tenth of the 90,000 that are left is 9,000
    assert set(codes(world)) == all_three - {f"{name.upper()}_LOSS"}
    world.quote("BTC-USD", 45000)
    assert set(codes(world)) == all_three


def test_the_reset_of_one_period_moves_no_loss_of_another():
    """Nor a product's share of the week: what it lost is of the account as the week began."""
    world = fallen(to=60000, max_weekly_loss="0.1")
    before = [within(world.tracker, "weekly", key=key).ratio for key in (None, "BTC")]
    world.send(ev.LossReset, window="daily", reason="a new day")
    world.send(ev.LossReset, window="monthly", reason="a new month")
    assert before == [within(world.tracker, "weekly", key=key).ratio for key in (None, "BTC")]
    world.wait(to=MONDAY + timedelta(days=1))
    world.stand("BTC-USD", 56000)
    told = [within(world.tracker, "weekly", key=key).ratio for key in (None, "BTC")]
    assert told == [D("0.08"), D("0.08")]
    assert within(world.tracker, "daily", key="BTC").ratio == D("0.041666666667")  # of 96,000


# --- The calendar, restarts, older state ----------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "name", "end"),
    [
        (datetime(2026, 3, 2, 13, tzinfo=UTC), "weekly", datetime(2026, 3, 9, 12, tzinfo=UTC)),
        (datetime(2026, 3, 1, 13, tzinfo=UTC), "monthly", datetime(2026, 4, 1, 12, tzinfo=UTC)),
        (datetime(2026, 10, 26, 12, tzinfo=UTC), "weekly", datetime(2026, 11, 2, 13, tzinfo=UTC)),
        (datetime(2026, 10, 1, 12, tzinfo=UTC), "monthly", datetime(2026, 11, 1, 13, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
def test_it_ends_by_the_clock_of_new_york_where_the_clocks_change_and_over_a_restart(
    start, name, end, restarts
):
    world = fallen(start=start, **only(f"max_{name}_loss", "0.1"))
    world.wait(to=end - timedelta(minutes=1))
    world = reloaded(world) if restarts else world
    world.wait(59)
    assert codes(world) == [f"{name.upper()}_LOSS"]
    world.wait(1)
    assert codes(world) == []
    assert within(world.tracker, name).usd == 0


def test_weeks_without_a_process_end_it_once_from_the_last_figures_before():
    world = fallen(to=60000, max_weekly_loss="0.1")
    again = reloaded(world)
    again.wait(to=START + timedelta(days=40))
    again.stand("BTC-USD", 58000)
    assert [within(again.tracker, name).usd for name in ("weekly", "monthly")] == [2000, 2000]
    windows = again.tracker.windows
    assert windows is not None
    assert windows.longer["weekly"].next_reset == START + timedelta(days=43)
    assert windows.longer["monthly"].next_reset == datetime(2027, 2, 1, 13, tzinfo=UTC)


def test_a_fact_from_far_ahead_leaves_no_week_or_month_that_never_ends():
    world = fallen(to=60000)
    for at in (START + timedelta(days=365), MONDAY + timedelta(hours=1)):
        world.now = at
        world.quote("BTC-USD", 60000)
    windows = world.tracker.windows
    assert windows is not None
    longer = windows.longer
    assert longer["weekly"].next_reset == NEXT_MONDAY
    assert longer["monthly"].next_reset == FIRST


def without_longer(world):
    """The world's state as the version before weeks and months wrote it."""
    tracker = msgspec.to_builtins(save_tracker(world.tracker), str_keys=True)
    assert set(tracker["loss_windows"].pop("longer")) == {"weekly", "monthly"}
    manager = msgspec.to_builtins(save_manager(world.manager), str_keys=True)
    return (
        msgspec.convert(tracker, SavedTracker, strict=False),
        msgspec.convert(manager, SavedManager, strict=False),
    )


def test_a_state_without_them_has_both_begin_with_its_day(monkeypatch):
    world = fallen(to=60000, max_weekly_loss="0.1")
    world.wait(to=MONDAY + timedelta(days=3))
    world.stand("BTC-USD", 58000)
    tracker, manager = without_longer(world)
    monkeypatch.setattr("tests.decisions.save_tracker", lambda _: tracker)
    monkeypatch.setattr("tests.decisions.save_manager", lambda _: manager)
    again = reloaded(world)
    for name in ("daily", "weekly", "monthly"):
        assert within(again.tracker, name) == within(world.tracker, "daily")
        assert within(again.tracker, name, key="BTC") == within(world.tracker, "daily", key="BTC")
    assert again.tracker.windows is not None
    longer = again.tracker.windows.longer
    assert [one.next_reset for one in longer.values()] == [NEXT_MONDAY, FIRST]
    assert longer["weekly"].account.started_at == MONDAY + timedelta(days=3)
    again.stand("BTC-USD", 50000)
    assert breaks(again.ask(limit_order("0.01", 45000)), "MAX_WEEKLY_LOSS")
    # And go their own ways from then on.
    again.wait(to=MONDAY + timedelta(days=4))
    assert within(again.tracker, "daily", key="BTC").usd == 0
    assert within(again.tracker, "weekly", key="BTC").usd == within(again.tracker, "weekly").usd
    assert within(again.tracker, "weekly").usd == 10_000


def test_so_has_one_of_before_the_time_weighted_ratios():
    tracker = upgraded_tracker(old_state(windows=WINDOWS | {"day": window(net_pnl=4_000)}))
    assert tracker.windows is not None
    for name in ("weekly", "monthly"):
        assert within(tracker, name) == within(tracker, "daily")
        assert within(tracker, name, strategy_id="trend") == within(
            tracker, "daily", strategy_id="trend"
        )
    assert tracker.windows.longer["weekly"].next_reset == MONDAY


@pytest.mark.parametrize("window", ["weekly", "monthly", "cumulative", "drawdown", "rolling"])
@pytest.mark.parametrize("name", ["daily", "weekly", "monthly"])
def test_a_window_that_begins_anew_moves_no_loss_of_a_product_or_strategy_in_another(window, name):
    """Not then, and not later: what is lost after it is a share of the same whole."""
    if window == name:
        return
    losses = []
    for resets in (False, True):
        world = World(start=MONDAY, max_loss_in=[{"window": "1h", "limit": "0.9"}])
        world.hold(1)
        world.fill("BUY", "0.1", 64000, strategy_id="s")
        for price in (60000, 50000):
            world.stand("BTC-USD", price)
            if resets:
                world.send(ev.LossReset, window=window, reason="a new week")
        tracker = world.tracker
        losses.append([within(tracker, name, key="BTC"), within(tracker, name, strategy_id="s")])
    assert losses[0] == losses[1]
    assert all(loss.usd > 0 for loss in losses[0])
