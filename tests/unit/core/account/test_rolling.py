"""Rolling: the highest within a window that moves on, never lower than it was, and never older than its bound."""

from datetime import timedelta
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.losses import cumulative, drawdown, rolling
from sidecar.core.account.rolling import AHEAD_MAX, PARTS, Rolling
from tests.scenario import START, D
from tests.tracking import Desk

WINDOW = timedelta(seconds=1000)
PART = timedelta(seconds=10)  # START begins one


def at(seconds):
    return START + timedelta(seconds=float(seconds))


def high(base, net_pnl=0):
    return AccountWindow(started_at=START, net_pnl=D(net_pnl), base=D(base))


def lived(*moments):
    """A window through moments, each the time and what stands from then on."""
    some, stands = Rolling(WINDOW, []), moments[0][1]
    for seconds, worth in moments:
        some.turn(at(seconds), partial(high, stands))
        some.raise_to(D(worth), D(0), D(0))
        stands = worth
    return some


def bases(some):
    return [one.base for one in some.highs]


def test_of_a_part_the_highest_is_kept_with_what_stood_when_it_began():
    some = lived((0, 100), (1, 120), (2, 90), (10, 80), (19.9, 85), (20, 70))
    assert bases(some) == [120, 90, 85]
    assert [one.started_at for one in some.highs] == [at(0), at(10), at(20)]


def test_a_high_that_a_later_one_reaches_is_forgotten():
    assert bases(lived((0, 100), (10, 90), (20, 80), (30, 90))) == [100, 90]
    assert bases(lived((0, 100), (10, 90), (20, 80), (30, 101))) == [101]


def test_a_high_leaves_once_its_part_ended_a_whole_window_ago():
    some = lived((0, 100), (5, 90))
    some.turn(at(1009.9), lambda: high(90))
    assert bases(some) == [100, 90]
    some.turn(at(1010), lambda: high(90))
    assert bases(some) == [90]


def test_what_stood_all_the_time_is_no_high_of_long_ago():
    some = lived((0, 100))
    some.turn(at(9000), lambda: high(100))
    assert (bases(some), some.highs[0].started_at) == ([100], at(9000))


def test_whether_the_highest_is_another_is_told():
    some = Rolling(WINDOW, [])
    assert some.turn(at(0), lambda: high(100))
    assert not some.raise_to(D(100), D(0), D(0))
    assert some.raise_to(D(110), D(7), D(3))
    assert (some.highs[0].net_pnl, some.highs[0].settled) == (7, 3)
    assert not some.turn(at(1), lambda: high(50))  # still in its part
    assert not some.turn(at(10), lambda: high(50))
    assert not some.raise_to(D(60), D(0), D(0))
    assert some.turn(at(1010), lambda: high(60))


def test_it_clears_when_the_last_high_that_it_has_fallen_too_far_from_leaves():
    some = lived((0, 100), (10, 98), (20, 95), (30, 80))
    assert bases(some) == [100, 98, 95]
    assert some.clears_at(D(95), D("0.05")) == some.leaves_at(some.highs[0])
    assert some.clears_at(D("95.01"), D("0.05")) is None
    assert some.clears_at(D(80), D("0.05")) == some.leaves_at(some.highs[-1])


def test_a_clock_that_is_set_back_a_little_keeps_all_and_one_of_the_future_stays_a_window():
    some = lived((0, 100), (5, 90), (100, 85))
    assert not some.turn(at(50), lambda: high(90))
    assert len(some.highs) == 2
    ahead = AHEAD_MAX + timedelta(seconds=100)
    ahead_s = ahead.total_seconds()
    some = lived((ahead_s, 100), (ahead_s + 10, 90), (ahead_s + 30, 80))
    some.turn(at(0), lambda: high(80))
    assert bases(some) == [100, 80]
    assert [one.started_at for one in some.highs] == [at(0), at(0)]
    some.turn(at(1010), lambda: high(80))
    assert bases(some) == [80]


steps = st.lists(
    st.tuples(st.sampled_from([0, 0.5, 3, 9, 10, 40, 400, 995, 3000]), st.integers(50, 150)),
    min_size=1,
    max_size=60,
)


@given(steps, st.sampled_from([0, 1, 5, 10, 500, 999, 1000, 1009, 1500]))
def test_the_fall_told_is_between_those_of_the_window_and_of_one_longer_by_its_part(moments, wait):
    """Against every moment of the past, remembered whole."""
    now, told = 0.0, []
    for gap, worth in moments:
        now += gap
        told.append((now, worth))
    some = lived(*told)
    now += wait
    stands = told[-1][1]
    some.turn(at(now), lambda: high(stands))

    def highest(length, stood):
        """What stood so long at any moment of the time; a worth stands until just before the next."""
        since = now - length
        ends = [*(time for time, _ in told[1:]), now + 1]
        return max(
            worth
            for (time, worth), end in zip(told, ends, strict=True)
            if (end > since and time <= end - stood) or time == now
        )

    assert highest(1000, stood=0.5) <= some.highs[0].base <= highest(1010, stood=0)
    assert len(some.highs) <= PARTS + 2
    assert bases(some) == sorted(bases(some), reverse=True)


def test_a_market_that_falls_all_the_time_takes_no_more_memory_than_its_parts():
    some = lived(*((number, 100_000 - number) for number in range(5000)))
    assert PARTS <= len(some.highs) <= PARTS + 2


# --- In the books ---------------------------------------------------------------------------------


def holding():
    desk = Desk()
    desk.tracker.loss_accounting.rolling = (timedelta(hours=4),)
    desk.balance("USD", 74_000)
    desk.fill("BUY", 1, 64000)
    return desk


def told(desk):
    return rolling(desk.tracker, timedelta(hours=4))


def test_it_falls_from_the_highest_of_the_window_and_is_over_when_that_has_left():
    desk = holding()
    desk.stand("BTC-USD", 66_000)
    desk.stand("BTC-USD", 62_000)
    assert (told(desk).usd, told(desk).base) == (4000, 76_000)
    desk.wait(4 * 3600 + 200).quote("BTC-USD", 62_000)
    assert told(desk).usd == 0
    assert cumulative(desk.tracker).usd == 2000


def test_what_is_the_highest_of_the_window_need_not_be_the_highest_so_far():
    desk = holding()
    for price in (66_000, 60_000):
        desk.stand("BTC-USD", price)
    desk.wait(5 * 3600)
    for price in (60_000, 63_000, 61_000):
        desk.stand("BTC-USD", price)
    assert told(desk).usd == 2000
    assert drawdown(desk.tracker).usd == 5000


def test_a_high_that_stood_until_just_now_counts_however_long_nothing_was_heard():
    desk = holding()
    desk.stand("BTC-USD", 66_000)
    desk.wait(24 * 3600).quote("BTC-USD", 62_000)
    assert told(desk).usd == 4000


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 1, 20, 100, 142, 150, 3000, 14_000]),
            st.sampled_from([58_000, 60_000, 62_000, 63_000, 65_000, 66_000]),
        ),
        min_size=4,
        max_size=30,
    )
)
def test_in_the_books_too_the_highest_is_that_of_the_window_or_of_one_longer_by_its_part(prices):
    """What stands at confirmed marks after each fact, remembered whole; with rises and falls within one part."""
    desk, window = holding(), timedelta(hours=4)
    desk.quote("BTC-USD", 64_000)
    stood = []
    for wait, price in prices:
        desk.wait(wait).stand("BTC-USD", price)
        stood.append((desk.now, desk.tracker.loss_accounting._standing().base))
        since, bound = desk.now - window, desk.now - window - window / PARTS
        first = D(74_000)  # until the first of these
        worths = [(START, first), *stood]
        ends = [time for time, _ in worths[1:]] + [desk.now + window]
        exact, most = (
            max(base for (_, base), end in zip(worths, ends, strict=True) if end > from_)
            for from_ in (since, bound)
        )
        assert exact <= told(desk).base <= most


def test_a_rise_and_a_fall_within_one_part_are_seen_though_the_last_part_was_higher():
    desk = holding()
    desk.stand("BTC-USD", 66_000)
    desk.wait(200).stand("BTC-USD", 60_000)
    desk.wait(200).quote("BTC-USD", 60_000)
    desk.stand("BTC-USD", 65_000)
    desk.stand("BTC-USD", 60_000)
    desk.wait(4 * 3600 - 100).quote("BTC-USD", 60_000)  # that of 66,000 has left
    assert told(desk).usd == 5000


def test_a_rise_below_the_peak_is_a_high_of_its_window_alone():
    desk = holding()
    desk.stand("BTC-USD", 66_000)
    desk.stand("BTC-USD", 62_000)
    desk.wait(600).stand("BTC-USD", 64_000)
    desk.wait(600).stand("BTC-USD", 63_000)
    assert (told(desk).usd, drawdown(desk.tracker).usd) == (3000, 3000)
    desk.wait(4 * 3600 - 600).quote("BTC-USD", 63_000)  # that of 66,000 has left
    assert (told(desk).usd, drawdown(desk.tracker).usd) == (1000, 3000)


def test_a_passing_tick_is_no_highest():
    desk = holding()
    desk.quote("BTC-USD", 84_000)
    desk.wait(0.5).quote("BTC-USD", 64_000)
    assert told(desk).usd == 0


def test_lengths_that_come_begin_now_and_those_that_go_are_forgotten():
    desk = holding()
    desk.stand("BTC-USD", 66_000)
    accounting = desk.tracker.loss_accounting
    accounting.rolling = (timedelta(hours=1), timedelta(hours=4))
    assert rolling(desk.tracker, timedelta(hours=1)).base == 0
    desk.stand("BTC-USD", 62_000)
    assert [rolling(desk.tracker, length).usd for length in accounting.rolling] == [4000, 4000]
    accounting.rolling = ()
    desk.quote("BTC-USD", 62_000)
    assert desk.tracker.windows is not None
    assert desk.tracker.windows.rolling == []


def test_it_goes_on_after_a_restart():
    desk = holding()
    desk.stand("BTC-USD", 66_000)
    desk.wait(3600).quote("BTC-USD", 65_000)
    again = desk.restarted()
    again.tracker.loss_accounting.rolling = (timedelta(hours=4),)
    for one in (desk, again):
        one.stand("BTC-USD", 62_000)
    assert told(again) == told(desk)
    assert told(desk).usd == 4000


def test_before_the_books_open_there_is_none():
    desk = Desk(is_open=False)
    assert rolling(desk.tracker, timedelta(hours=4)).usd == 0
    assert desk.tracker.loss_accounting.next_turns() == []
    assert desk.tracker.loss_accounting.clears_at(timedelta(hours=4), D("0.1")) is None


def test_a_reset_has_it_count_from_now():
    desk = holding()
    desk.stand("BTC-USD", 62_000)
    desk.tracker.reset_window("rolling", desk.now)
    assert told(desk).usd == 0
    desk.stand("BTC-USD", 61_000)
    assert told(desk).usd == 1000
