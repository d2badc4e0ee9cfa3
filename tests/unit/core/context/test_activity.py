"""Sliding windows over approvals."""

from datetime import timedelta

import pytest

from sidecar.core.context.activity import NAMES_MAX, PARTS, Activity
from sidecar.core.vocabulary.limit_settings import Quota, Rate
from tests.scenario import START, D, World, limit_order

RATE = Rate(count=3, window_s=10)


def at(seconds):
    return START + timedelta(seconds=seconds)


def noted(*times, rate=RATE):
    activity = Activity()
    for time in times:
        activity.note("orders", rate, at(time))
    return activity


def test_a_name_never_noted_counts_nothing():
    assert Activity().count("orders", RATE, START) == 0
    assert Activity().clears_at("orders", RATE, at(5)) is None


@pytest.mark.parametrize(
    ("now_s", "count"), [(5, 3), (9.999, 3), (10, 2), (12, 1), (14.999, 1), (15, 0)]
)
def test_approvals_leave_the_window_one_by_one(now_s, count):
    """An approval exactly as old as the window is long has left it."""
    assert noted(0, 2, 5).count("orders", RATE, at(now_s)) == count


@pytest.mark.parametrize(("now_s", "used"), [(9.999, 3), (10, 2), (15, 0)])
def test_how_far_a_rate_is_used_is_what_it_counts(now_s, used):
    assert noted(0, 2, 5).used("orders", RATE, at(now_s)) == used


def test_the_count_never_exceeds_what_the_limit_allows():
    """More need not be remembered: the next is refused already."""
    assert noted(*range(9)).count("orders", RATE, at(9)) == 3


@pytest.mark.parametrize("back_s", [1, 3600])
def test_a_clock_that_jumps_back_loosens_nothing(back_s):
    assert noted(0, 2, 5).count("orders", RATE, at(-back_s)) == 3


def test_after_a_clock_was_set_back_approvals_of_then_leave_a_window_later():
    activity = noted(0, 2, 5)
    assert activity.count("orders", RATE, at(-3600)) == 3
    assert [activity.count("orders", RATE, at(s - 3600)) for s in (9.999, 10)] == [3, 0]


@pytest.mark.parametrize("now_s", [-3600, 5, 9.999, 10, 12, 15])
def test_a_number_is_reached_where_as_many_are_counted(now_s):
    count = noted(0, 2, 5).count("orders", RATE, at(now_s))
    reached = [noted(0, 2, 5).reaches(n, "orders", RATE, at(now_s)) for n in (1, 2, 3, 4)]
    assert reached == [count >= n for n in (1, 2, 3, 4)]


def test_a_clock_that_was_set_back_is_noted_where_a_window_is_too_empty_to_count():
    activity = noted(0, 2, 5)
    assert not activity.reaches(4, "orders", RATE, at(3))
    assert activity.count("orders", RATE, at(13)) == 0  # the last one counts as of then


def test_what_has_left_the_window_is_not_remembered():
    assert list(noted(0, 2, 10).windows["orders"]) == [at(2), at(10)]


def test_a_full_window_clears_when_its_oldest_leaves():
    assert noted(0, 2, 5).clears_at("orders", RATE, at(5)) == at(10)
    assert noted(0, 2).clears_at("orders", RATE, at(5)) is None


def test_a_window_that_has_emptied_by_time_is_not_full():
    assert noted(0, 2, 5).clears_at("orders", RATE, at(30)) is None


def test_looking_forgets_nothing():
    activity = noted(0, 2, 5)
    before = list(activity.windows["orders"])
    assert activity.count("orders", RATE, at(30)) == 0
    assert list(activity.windows["orders"]) == before


def test_a_smaller_limit_counts_the_newest():
    activity = noted(0, 2, 5)
    assert activity.clears_at("orders", Rate(count=2, window_s=10), at(5)) == at(12)


def test_a_limit_that_changes_keeps_what_is_remembered():
    activity = noted(0, 2, 5)
    activity.note("orders", Rate(count=5, window_s=10), at(6))
    assert activity.count("orders", Rate(count=5, window_s=10), at(6)) == 4


def test_names_count_apart():
    assert noted(0, 1).count("others", RATE, at(1)) == 0


def test_the_name_unused_for_longest_is_forgotten_first():
    """A bot that never repeats an order must not fill the memory."""
    activity = Activity()
    for number in range(NAMES_MAX):
        activity.note(f"DUPLICATE_ORDER|{number}", RATE, at(1))
    activity.note("DUPLICATE_ORDER|0", RATE, at(2))
    activity.note("DUPLICATE_ORDER|one more", RATE, at(3))
    assert len(activity.windows) == NAMES_MAX
    assert "DUPLICATE_ORDER|0" in activity.windows
    assert "DUPLICATE_ORDER|1" not in activity.windows


def test_a_rate_is_not_forgotten_for_orders_that_never_repeat(monkeypatch):
    """Else a thousand small orders of one strategy would lift the rate of another."""
    monkeypatch.setattr("sidecar.core.context.activity.NAMES_MAX", 3)
    world = World(
        cash=10_000_000,
        duplicate_order={"count": 5, "window_s": 60},
        strategy={"slow": {"max_order_rate": {"count": 1, "window_s": 60}}},
    )
    assert world.ask(limit_order("0.5"), strategy_id="slow")
    for number in range(1, 9):
        assert world.ask(limit_order(f"0.0{number}"), strategy_id="quick")
    assert world.ask(limit_order("0.6"), strategy_id="slow").codes == ("MAX_ORDER_RATE",)
    assert len(world.manager.desk.activity.windows) == 3


# --- Notional -------------------------------------------------------------------------------------

QUOTA = Quota(usd=100, window_s=1000)


def spent(*approvals):
    activity = Activity()
    for time, usd in approvals:
        activity.add("usd", QUOTA, D(usd), at(time))
    return activity


@pytest.mark.parametrize(
    ("now_s", "usd"), [(10, 60), (999.999, 60), (1000, 50), (1009.9, 50), (1010, 0)]
)
def test_notional_leaves_the_window_as_its_approval_does(now_s, usd):
    assert spent((0, 10), (10, 50)).used("usd", QUOTA, at(now_s)) == usd


def test_approvals_of_a_thousandth_of_the_window_count_as_one_until_the_latest_leaves():
    activity = spent((0, 10), (0.9, 20), (2, 30))
    assert list(activity.notional["usd"].parts) == [(at(0.9), 30), (at(2), 30)]
    assert activity.used("usd", QUOTA, at(1000.5)) == 60


def test_what_has_left_the_window_frees_nothing_a_second_time():
    activity = spent((0, 60), (500, 60))
    assert activity.clears_at("usd", QUOTA, at(1000), D(50)) == at(1500)


def test_a_window_of_notional_takes_no_more_memory_than_its_parts():
    activity = spent(*((number / 10, 1) for number in range(30_000)))
    assert PARTS - 1 <= len(activity.notional["usd"].parts) <= PARTS + 1
    assert activity.used("usd", QUOTA, at(3000)) == pytest.approx(10_000, abs=10)


def test_a_clock_that_jumps_back_frees_no_notional():
    assert spent((0, 10), (10, 50)).used("usd", QUOTA, at(-3600)) == 60
    assert list(spent((10, 50), (9, 5)).notional["usd"].parts) == [(at(10), 50), (at(9), 5)]
    parts = spent((0, 10), (10.5, 50), (10.2, 5)).notional["usd"].parts
    assert list(parts) == [(at(0), 10), (at(10.5), 55)]


def test_a_quota_clears_when_enough_has_left_for_the_next_order():
    activity = spent((0, 30), (10, 40), (20, 30))
    told = [activity.clears_at("usd", QUOTA, at(30), D(usd)) for usd in (30, 31, 100, 101)]
    assert told == [at(1000), at(1010), at(1020), None]
    assert activity.clears_at("usd", QUOTA, at(1005), D(40)) == at(1010)
    assert Activity().clears_at("usd", QUOTA, at(0), D(101)) is None


@pytest.mark.parametrize("window_s", ["0.0000001", "0.0001", "0.001", 1])
def test_a_window_shorter_than_its_parts_can_be_is_none_the_less_a_window(window_s):
    """A part takes a microsecond at least, the finest that a time can tell."""
    quota, activity = Quota(usd=100, window_s=window_s), Activity()
    for _ in range(2):
        activity.add("usd", quota, D(60), at(0))
    later = at(0) + quota.window
    expected = 120 if quota.window else 0
    assert activity.used("usd", quota, at(0)) == expected
    assert activity.used("usd", quota, later) == 0


def test_the_notional_of_a_window_is_the_sum_of_its_parts():
    activity = spent(*((number, number) for number in range(2_000)))
    notional = activity.notional["usd"]
    assert notional.total == sum(usd for _, usd in notional.parts) == sum(range(1_000, 2_000))
    assert activity.used("usd", QUOTA, at(2_499)) == sum(range(1_500, 2_000))
