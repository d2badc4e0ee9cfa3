"""LossAccounting: when the loss windows begin, and the transfers and spans that they live through."""

from datetime import UTC, datetime, timedelta

import pytest

from sidecar.core.account.losses import cumulative, daily, drawdown
from sidecar.core.vocabulary import events as ev
from tests.decisions import connected
from tests.scenario import FUTURE, START, D
from tests.tracking import Desk

NEXT = START + timedelta(days=1)


def holding(**settings):
    """One bitcoin bought at 64,000 with borrowed money, and 10,000 dollars."""
    desk = Desk(**settings)
    desk.balance("USD", 74_000)
    desk.fill("BUY", 1, 64000, strategy_id="trend")
    return desk


def losses(desk):
    return tuple(loss(desk.tracker).usd for loss in (daily, cumulative, drawdown))


def test_every_window_begins_when_the_books_open_and_only_once():
    desk = holding()
    desk.quote("BTC-USD", 63000)
    desk.tracker.start(desk.now)
    assert losses(desk) == (1000, 1000, 1000)


def test_drawdown_counts_from_the_highest_pnl():
    desk = holding()
    for price in (66000, 65000, 65500):
        desk.stand("BTC-USD", price)
    assert losses(desk) == (-1500, -1500, 500)


def test_a_passing_tick_is_no_highest():
    """0.7 s at 84,000 poison no peak."""
    desk = holding()
    for price in (84_000, 84_000, 84_000):
        desk.wait(0.35).quote("BTC-USD", price)
    desk.quote("BTC-USD", 64_000)
    assert losses(desk) == (0, 0, 0)
    windows = desk.tracker.windows
    assert windows is not None
    assert (windows.peak, windows.drawdown.base) == (0, 74_000)


@pytest.mark.parametrize(("stands", "highest"), [(60_000, 0), (64_000, 4_000)])
def test_a_purchase_below_the_mark_raises_the_peak_where_the_mark_stands(stands, highest):
    """The price has fallen and its quote comes after the fill; or it had fallen for a moment."""
    desk = holding()
    desk.fill("BUY", 1, 60_000)
    windows = desk.tracker.windows
    assert windows is not None
    assert windows.peak == 0
    for _ in range(6):
        desk.wait(1)
        desk.quote("BTC-USD", stands)
    assert windows.peak == highest


@pytest.mark.parametrize("window", ["daily", "cumulative", "drawdown"])
def test_a_window_that_begins_then_has_no_such_gain_to_lose(window):
    desk = holding()
    desk.fill("BUY", 1, 60_000)
    desk.tracker.reset_window(window, desk.now)
    desk.stand("BTC-USD", 60_000)
    loss = {"daily": daily, "cumulative": cumulative, "drawdown": drawdown}[window]
    assert loss(desk.tracker).usd == 4_000  # of the one that was held before


def test_a_position_that_turns_has_no_gain_of_before():
    """A contract bought cheaply, then four sold: short, and one more of those is sold dearly."""
    desk = Desk()
    desk.balance("USD", 100_000)
    for side, size, price in (
        ("BUY", 2, 64_000),
        ("BUY", 1, 63_900),
        ("SELL", 4, 64_000),
        ("SELL", 1, 64_100),
    ):
        desk.fill(side, size, price, product_id=FUTURE)
    assert desk.line(FUTURE).position.quantity == D("-0.02")


@pytest.mark.parametrize(
    ("window", "left"),
    [("daily", (0, 1000, 1000)), ("cumulative", (1000, 0, 1000)), ("drawdown", (1000, 1000, 0))],
)
def test_each_window_can_begin_anew_by_itself(window, left):
    desk = holding()
    desk.stand("BTC-USD", 63000)
    desk.tracker.reset_window(window, desk.now)
    assert losses(desk) == left


@pytest.mark.parametrize("window", ["daily", "cumulative", "drawdown"])
def test_a_window_begins_at_confirmed_marks(window):
    """A passing tick at the moment of a reset is the loss, or the gain, of no window."""
    desk = holding()
    desk.quote("BTC-USD", 48_000)
    desk.tracker.reset_window(window, desk.now)
    desk.quote("BTC-USD", 64_000)
    assert losses(desk) == (0, 0, 0)
    assert daily(desk.tracker, key="BTC").usd == daily(desk.tracker, strategy_id="trend").usd == 0


def test_a_new_day_begins_at_the_boundary_with_the_figures_from_before_it():
    """The quote that opens the new day is the new day's loss, for keys and strategies too."""
    desk = holding()
    desk.stand("BTC-USD", 63000)
    desk.now = NEXT
    desk.quote("BTC-USD", 62000)
    assert losses(desk) == (1000, 2000, 2000)
    assert (
        daily(desk.tracker, key="BTC").usd == daily(desk.tracker, strategy_id="trend").usd == 1000
    )
    assert desk.tracker.windows is not None
    assert desk.tracker.windows.next_reset == NEXT + timedelta(days=1)


def test_a_boundary_is_rolled_once():
    desk = holding()
    assert not desk.tracker.roll_day(NEXT - timedelta(microseconds=1))
    assert desk.tracker.roll_day(NEXT)
    assert not desk.tracker.roll_day(NEXT)


def test_what_a_key_realised_yesterday_is_not_todays_loss():
    desk = holding()
    desk.fill("SELL", 1, 63000)
    desk.tracker.roll_day(NEXT)
    assert daily(desk.tracker, key="BTC").usd == 0


# --- Daylight saving, restarts, and clocks --------------------------------------------------------

SPRING = [datetime(2026, 3, 8, 12, tzinfo=UTC), datetime(2027, 3, 14, 12, tzinfo=UTC)]
AUTUMN = [datetime(2026, 11, 1, 13, tzinfo=UTC), datetime(2027, 11, 7, 13, tzinfo=UTC)]
SHORT, LONG = timedelta(hours=23), timedelta(hours=25)
CHANGES = [(at, SHORT) for at in SPRING] + [(at, LONG) for at in AUTUMN]


def rolls(tracker, times):
    return [time for time in times if tracker.roll_day(time)]


@pytest.mark.parametrize(("boundary", "length"), CHANGES)
def test_the_day_that_the_clocks_change_on_is_an_hour_shorter_or_longer(boundary, length):
    desk = Desk(start=boundary - length)
    windows = desk.tracker.windows
    assert windows is not None
    assert windows.next_reset == boundary
    hours = [boundary - length + timedelta(hours=hour) for hour in range(26)]
    assert rolls(desk.tracker, hours)[0] == boundary
    assert windows.next_reset == boundary + timedelta(days=1)


@pytest.mark.parametrize(("boundary", "length"), CHANGES)
def test_a_boundary_passed_while_down_rolls_once_from_the_last_figures_before_it(boundary, length):
    """Losses while down count to the new day."""
    desk = holding(start=boundary - length + timedelta(hours=1))
    desk.stand("BTC-USD", 63000)
    desk.now = boundary - timedelta(minutes=5)
    again = desk.restarted()
    again.now = boundary + timedelta(minutes=5)
    again.quote("BTC-USD", 60000)
    assert losses(again) == (3000, 4000, 4000)
    assert again.tracker.windows is not None
    assert again.tracker.windows.next_reset == boundary + timedelta(days=1)


@pytest.mark.parametrize(("boundary", "length"), CHANGES)
def test_two_restarts_around_a_boundary_roll_it_once(boundary, length):
    desk = holding(start=boundary - length)
    first = desk.restarted()
    first.now = boundary + timedelta(minutes=1)
    first.quote("BTC-USD", 63000)
    second = first.restarted()
    second.now = boundary + timedelta(minutes=2)
    second.quote("BTC-USD", 62000)
    assert losses(second) == (2000, 2000, 2000)


def test_several_days_down_roll_once_to_the_day_that_now_is():
    desk = holding()
    again = desk.restarted()
    again.now = START + timedelta(days=5, hours=3)
    again.quote("BTC-USD", 63000)
    assert losses(again)[0] == 1000
    assert again.tracker.windows is not None
    assert again.tracker.windows.day.started_at == again.now
    assert again.tracker.windows.next_reset == START + timedelta(days=6)


def test_one_fact_from_far_ahead_costs_one_day():
    """A day that it has begun ends at the next boundary all the same."""
    desk = holding()
    desk.now = START + timedelta(days=365)
    desk.quote("BTC-USD", 63000)
    desk.now = START + timedelta(hours=1)
    desk.quote("BTC-USD", 63000)
    assert desk.tracker.windows is not None
    assert desk.tracker.windows.next_reset == NEXT


def test_a_clock_that_jumps_back_does_not_unroll_the_day():
    """Nor does the day begin a second time when it passes the boundary again."""
    desk = holding()
    desk.now = NEXT
    desk.quote("BTC-USD", 63000)
    day = desk.tracker.windows and desk.tracker.windows.day
    for hours, price in ((-2, 62000), (2, 61000)):
        desk.now = NEXT + timedelta(hours=hours)
        desk.quote("BTC-USD", price)
    assert desk.tracker.windows
    assert desk.tracker.windows.day == day
    assert daily(desk.tracker).usd == 3000


def test_a_clock_that_jumps_back_over_a_restart_does_not_unroll_it_either():
    desk = holding()
    desk.now = NEXT
    desk.quote("BTC-USD", 63000)
    again = desk.restarted()
    again.now = NEXT - timedelta(hours=2)
    again.quote("BTC-USD", 62000)
    assert losses(again)[0] == 2000


def test_transfers_of_one_reading_that_are_dated_before_and_after_a_fall_end_a_span_each():
    """While the feed is lost: 500 USD left, as of their first reading; 24 ETH came, as of the first price since. 8 ETH
    of 17,000 USD have lost 8,000 by then, and the new ones nothing.
    """
    world = connected(also={"USD": 1_000, "ETH": 8})
    world.stand("ETH-USD", 2_000)

    def reads(usd, eth):
        rows = (ev.Balance("USD", D(usd)), ev.Balance("ETH", D(eth)))
        world.send(ev.BalancesRead, balances=rows, fills_until=world.now, is_complete=True)

    world.send(ev.FeedChanged, feed="market", signal="lost")
    reads(1_000, 8)
    world.wait(40)
    reads(500, 32)
    world.wait(2)
    world.quote("ETH-USD", 1_000)
    world.wait(1)
    reads(500, 32)
    assert not world.tracker.wallets.in_doubt
    assert world.tracker.transfers == 24_000 - 500
    assert cumulative(world.tracker).ratio == D("0.484848484848")  # 8,000 of 16,500


def two_coins(eth, *, eth_first, moves_to):
    """1,000 USD, 0.01 BTC and 0.1 ETH; these come in one reading, and prices move before the next."""
    world = connected(held="0.01", also={"USD": 1_000, "ETH": "0.1"})
    world.stand("ETH-USD", 2_000)
    world.stand("BTC-USD", 64_000)

    def reads(btc, ether):
        rows = [ev.Balance("BTC", D(btc)), ev.Balance("ETH", D(ether))]
        rows = [ev.Balance("USD", D(1_000)), *(reversed(rows) if eth_first else rows)]
        world.send(ev.BalancesRead, balances=tuple(rows), fills_until=world.now, is_complete=True)

    reads("0.01", "0.1")
    world.wait(3)
    reads("1.01", eth)
    for _ in range(4):
        world.wait(1)
        world.quote("BTC-USD", moves_to[0])
        world.quote("ETH-USD", moves_to[1])
    reads("1.01", eth)
    assert not world.tracker.wallets.in_doubt
    return world.tracker


@pytest.mark.parametrize("moves_to", [(32_000, 1_000), (128_000, 4_000), (60_000, 1_000)])
def test_coins_of_one_moment_end_one_span_in_whichever_order_they_are_told(moves_to):
    one, other = (two_coins("30.1", eth_first=first, moves_to=moves_to) for first in (True, False))
    assert cumulative(one) == cumulative(other)
    if moves_to[0] < 64_000:  # of a gain the bounds are wide, and say nothing
        assert cumulative(one, way="least") == cumulative(other, way="least")


def test_where_too_little_was_there_in_between_all_end_one_span():
    """1,000 USD left, and coins came: what was lost before counts on."""
    world = connected(also={"USD": 1_000, "ETH": "0.1"})
    world.stand("ETH-USD", 2_000)

    def reads(usd, eth):
        rows = (ev.Balance("USD", D(usd)), ev.Balance("ETH", D(eth)))
        world.send(ev.BalancesRead, balances=rows, fills_until=world.now, is_complete=True)

    reads(1_000, "0.1")
    world.stand("ETH-USD", 400)
    assert cumulative(world.tracker).ratio == D("0.133333333333")
    world.send(ev.FeedChanged, feed="market", signal="lost")
    world.wait(40)
    reads(0, "24.1")
    world.wait(2)
    world.quote("ETH-USD", 390)
    world.wait(1)
    reads(0, "24.1")
    assert not world.tracker.wallets.in_doubt
    told = cumulative(world.tracker).ratio
    assert told is not None
    assert told > D("0.13")


def test_what_was_worked_out_before_a_window_begins_anew_is_old():
    desk = Desk()
    before = desk.tracker.version
    desk.tracker.reset_window("daily", desk.now)
    assert desk.tracker.version > before


@pytest.mark.parametrize("scope", [{"key": "BTC"}, {"strategy_id": "trend"}])
def test_what_a_scope_lost_before_a_deposit_and_after_is_a_share_of_the_account_of_each_time(scope):
    """7,400 of 74,000, then 13,320 of 133,200; the next day counts of what is there when it begins."""
    desk = holding()
    desk.stand("BTC-USD", 56_600)
    for _ in range(2):
        desk.wait(60).balance("USD", 76_600)
    assert desk.tracker.equity == 133_200
    desk.stand("BTC-USD", 43_280)
    assert daily(desk.tracker, **scope).ratio == D("0.2")
    desk.tracker.reset_window("daily", desk.now)
    desk.stand("BTC-USD", D(43_280) - D(11_988))
    assert daily(desk.tracker, **scope).ratio == D("0.1")


def test_what_a_key_loses_after_a_deposit_is_a_share_of_the_account_as_the_deposit_met_it():
    """66,600 are read first before a fall by 7,400, and booked after it; then 14,060 of 140,600 are lost."""
    desk = holding()
    desk.wait(60).balance("USD", 76_600)
    desk.stand("BTC-USD", 56_600)
    desk.wait(60).balance("USD", 76_600)
    before = daily(desk.tracker, key="BTC").ratio
    desk.stand("BTC-USD", 56_600 - 14_060)
    after = daily(desk.tracker, key="BTC").ratio
    assert before is not None
    assert after == before + D("0.1")


def test_a_strategy_that_takes_a_forgotten_name_has_neither_won_nor_lost():
    desk = holding()
    desk.fill("SELL", 1, 63_000, strategy_id="trend")
    desk.tracker.reset_window("daily", desk.now)
    desk.tracker.forget_strategy("trend")
    assert daily(desk.tracker, strategy_id="trend").usd == 0


def test_every_change_of_the_windows_makes_what_was_worked_out_of_them_old():
    desk = holding()
    accounting = desk.tracker.loss_accounting
    changes = (
        lambda: accounting.reset_window("cumulative", desk.now),
        lambda: accounting.restate(desk.now),
        lambda: accounting.note_transfers(desk.now),
        lambda: accounting.take_over(accounting.windows, moved=False),
        lambda: desk.stand("BTC-USD", 65_000),  # a new high
    )
    versions = [accounting.version]
    for change in changes:
        change()
        versions.append(accounting.version)
    assert versions == sorted({*versions})


@pytest.mark.parametrize(("equity", "least"), [(50, 0), (49, 50)])
def test_an_account_without_ratios_has_them_again_above_the_least_equity(equity, least):
    desk = Desk(is_open=False)
    assert desk.tracker.loss_accounting.least_with_ratio == 0
    desk.balance("USD", equity)
    desk.tracker.start(desk.now)
    assert desk.tracker.loss_accounting.least_with_ratio == least


def test_a_window_with_a_confirmed_breach_does_not_begin_anew_above_the_least_equity():
    desk = Desk(is_open=False)
    desk.balance("USD", 10)
    desk.tracker.start(desk.now)
    windows = desk.tracker.windows
    assert windows is not None
    windows.latched = ["drawdown"]
    began = windows.drawdown.started_at
    for _ in range(2):
        desk.wait(60).balance("USD", 1000)
    assert (windows.drawdown.started_at, windows.cumulative.started_at) == (began, desk.now)


@pytest.mark.parametrize(("equity", "lacks"), [(50, False), ("49.99", True)])
def test_books_that_open_with_the_least_equity_have_ratios(equity, lacks):
    desk = Desk(is_open=False)
    desk.tracker.min_equity = D(50)
    desk.balance("USD", equity)
    desk.tracker.start(desk.now)
    assert desk.tracker.windows is not None
    assert desk.tracker.windows.span.lacks_equity == lacks


def test_a_booked_transfer_is_remembered_until_every_wallet_has_been_read_again():
    """A wallet that was not read since may hold money that came before it."""
    desk = holding()
    for currency, total in {"USD": 10_000, "BTC": 1, "ETH": 2}.items():
        desk.balance(currency, total)
        desk.balance(currency, total)

    def known():
        return [one.key for one in desk.tracker.loss_accounting.doubts.overlapping.known]

    for _ in range(3):  # at the second of them it is a transfer
        desk.wait(60).balance("ETH", 3)
    assert known() == ["ETH"]
    desk.balance("USD", 10_000)
    assert known() == ["ETH"]  # the bitcoin was not read since
    desk.wait(60).balance("BTC", 1)
    assert known() == []
