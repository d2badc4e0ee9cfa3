"""A day rolls, and a timer that loosens ends, once both clocks have passed it: the machine's and Coinbase's."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import WakeAt
from tests.decisions import connected, of_kind, reloaded, restarted
from tests.scenario import START, limit_order

DAY = timedelta(days=1)
WRONG = timedelta(hours=5)
SHOCK: dict[str, Any] = {"price_shock": {"max_move": "0.01", "window_s": 20, "lockout_s": 900}}


def compared(world, ahead):
    return world.send(ev.ClocksCompared, ahead=ahead)


def jumps(world, by):
    """The machine's clock is wrong from now on, or right again."""
    world.now += by
    return compared(world, max(by, timedelta()))


def lost(**limits):
    """An hour before the daily reset, a daily loss of 8,000 of 100,000 USD is confirmed."""
    world = connected(held=1, max_daily_loss="0.05", **limits)
    world.now = START + DAY - timedelta(hours=1)
    for _ in range(5):
        world.wait(1)
        world.quote("BTC-USD", 54000)
    assert codes(world) == {"DAILY_LOSS"}
    return world


def codes(world):
    return {cause.code for cause in world.manager.state.causes.values()}


def test_a_clock_that_is_wrong_for_a_minute_ends_no_day_and_no_loss():
    world = lost()
    reset = world.tracker.windows.next_reset
    jumps(world, WRONG)
    for _ in range(60):
        world.wait(1)
        world.quote("BTC-USD", 54000)
        assert codes(world) == {"DAILY_LOSS"}
    jumps(world, -WRONG)
    world.wait(1)
    assert world.tracker.windows.next_reset == reset
    assert codes(world) == {"DAILY_LOSS"}
    world.now = reset - timedelta(seconds=1)
    world.wait(0.5)
    assert codes(world) == {"DAILY_LOSS"}
    world.wait(1)
    assert codes(world) == set()
    assert world.tracker.windows.next_reset == reset + DAY


def test_a_clock_that_stays_wrong_ends_the_day_when_coinbases_passes_it():
    world = lost()
    reset = world.tracker.windows.next_reset
    woken = of_kind(jumps(world, WRONG), WakeAt)
    assert woken[-1].at == reset + WRONG
    world.now = reset + WRONG - timedelta(seconds=1)
    world.quote("BTC-USD", 54000)
    assert codes(world) == {"DAILY_LOSS"}
    world.wait(2)
    world.quote("BTC-USD", 54000)
    assert codes(world) == set()
    assert world.tracker.windows.next_reset == reset + DAY


def test_a_clock_that_is_behind_passes_last_by_itself():
    world = lost()
    reset = world.tracker.windows.next_reset
    compared(world, -WRONG)
    world.now = reset - timedelta(seconds=1)
    world.quote("BTC-USD", 54000)
    assert codes(world) == {"DAILY_LOSS"}
    world.wait(1)
    world.quote("BTC-USD", 54000)
    assert codes(world) == set()


def test_a_lockout_outlasts_a_wrong_clock():
    world = connected(held=1, **SHOCK)
    world.wait(1)
    world.quote("BTC-USD", 65000)
    assert codes(world) == {"PRICE_SHOCK"}
    jumps(world, WRONG)
    world.wait(899)
    world.quote("BTC-USD", 65000)
    assert codes(world) == {"PRICE_SHOCK"}
    world.wait(1)
    world.quote("BTC-USD", 65000)
    assert codes(world) == set()


def test_a_daily_loss_reset_by_hand_under_a_wrong_clock_skips_no_day():
    world = lost()
    reset = world.tracker.windows.next_reset
    jumps(world, WRONG)
    world.send(ev.LossReset, window="daily", reason="accepted")
    assert world.tracker.windows.next_reset == reset


@pytest.mark.parametrize("again", [restarted, reloaded])
def test_after_a_restart_coinbases_clock_is_heard_anew(again):
    world = lost()
    jumps(world, WRONG)
    after = again(world)
    told = again is reloaded
    assert after.tracker.loss_accounting.clock_ahead == (WRONG if told else timedelta())


def test_an_order_is_judged_as_ever_under_a_wrong_clock():
    world = connected()
    jumps(world, WRONG)
    world.quote("BTC-USD", 64000)
    assert world.ask(limit_order())


@pytest.mark.parametrize("told", [timedelta(days=3), 20_000 * DAY, timedelta(days=-20_000)])
def test_an_absurd_answer_on_the_time_ends_no_day_when_the_next_one_is_right(told):
    """A proxy that said 1970 for a minute had the day begin anew as soon as the time was right, its loss forgotten."""
    world = lost()
    windows = world.tracker.windows
    reset, began = windows.next_reset, windows.day.started_at
    compared(world, told)
    assert world.ask(limit_order(side="SELL", price="54100")).approved
    world.wait(20)  # its reservation lapses, so time is looked at
    compared(world, timedelta())
    world.wait(1)
    assert codes(world) == {"DAILY_LOSS"}
    assert (windows.next_reset, windows.day.started_at) == (reset, began)


def test_a_day_begun_beside_an_absurd_answer_on_the_time_ends_at_its_own_boundary():
    world = lost()
    compared(world, 20_000 * DAY)
    world.send(ev.LossReset, window="daily", reason="a new day")
    compared(world, timedelta())
    begun = world.tracker.windows.day.started_at
    assert world.ask(limit_order(side="SELL", price="54100")).approved
    world.wait(20)
    assert world.tracker.windows.day.started_at == begun
    assert world.tracker.windows.next_reset > world.now
