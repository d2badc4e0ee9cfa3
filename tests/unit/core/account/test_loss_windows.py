"""Loss windows: time-weighted, so that no transfer moves a ratio."""

from datetime import timedelta
from itertools import permutations

import pytest

from sidecar.core.account.account_window import AccountWindow
from sidecar.core.account.datings import LEFT_OF_A_UNIT
from sidecar.core.account.loss_windows import LossWindows, Span
from sidecar.core.account.moved import Moved, Point
from sidecar.core.account.periods import Figure, ScopedWindow, scoped_windows
from tests.scenario import START, D

LEAST = D(50)  # min_equity
NEAR = D("1E-26")


def window(base=10_000, **fields):
    return AccountWindow(started_at=START, net_pnl=D(0), base=D(base), **fields)


def windows(equity=10_000, **fields):
    """All windows, begun at this equity and a net PnL of zero."""
    return LossWindows(
        span=Span(D(equity), D(0)), day=window(equity), next_reset=START, cumulative=window(equity),
        drawdown=window(equity), peak=D(0), scoped_base=D(equity), **fields,
    )  # fmt: skip


def ratio(all_windows, net_pnl):
    return 1 - all_windows.span.moved(D(net_pnl)) / all_windows.cumulative.base


# --- Units ----------------------------------------------------------------------------------------


def test_pnl_alone_moves_the_equity_that_ratios_are_taken_of():
    assert Span(D(10_000), D(500)).moved(D(300)) == 9800


def test_without_equity_the_ratios_stand_still():
    assert Span(D(10_000), D(500), lacks_equity=True).moved(D(300)) == 10_000


def test_a_transfer_scales_the_base_as_the_equity():
    """From 10 to 15: every base from 10 to 15 as well."""
    some = window(20_000, least=D(19_000), most=D(21_000))
    some.scale(D(10_000), D(15_000))
    assert (some.base, some.least, some.most) == (30_000, 28_500, 31_500)


def test_a_way_that_no_transfer_is_in_doubt_for_stays_none():
    some = window()
    some.scale(D(10_000), D(15_000))
    assert (some.least, some.most) == (None, None)


@pytest.mark.parametrize("equity", [0, -5000])
def test_an_account_that_lost_everything_has_a_ratio_after_the_next_deposit(equity):
    """A ten millionth of a percent of a unit is left of it."""
    some = window(10_000)
    some.scale(D(equity), D(1000))
    assert 1 - D(1000) / some.base == 1 - LEFT_OF_A_UNIT


def test_a_window_that_began_with_nothing_is_not_scaled():
    some = window(0)
    some.scale(D(0), D(1000))
    assert some.base == 0


@pytest.mark.parametrize("after", [65_000, 15_000, 11_000, 100])
def test_a_transfer_leaves_every_ratio_as_it_was(after):
    """9.1 % lost, then 65 % withdrawn: 9.1 %."""
    some = windows()
    before = ratio(some, -910)
    some.begin_span(D(after), D(-910), LEAST)
    assert before == D("0.091")
    assert abs(ratio(some, -910) - before) < NEAR


@pytest.mark.parametrize("order", list(permutations([20_000, 3_000, 9_500])))
def test_the_order_of_transfers_makes_no_difference(order):
    some = windows()
    for equity in order:
        some.begin_span(D(equity), D(-1000), LEAST)
    some.begin_span(D(5_000), D(-1000), LEAST)
    assert abs(ratio(some, -1000) - D("0.1")) < NEAR
    assert abs(ratio(some, -2000) - D("0.28")) < NEAR  # 0.9 of 0.8


def test_a_transfer_of_nothing_moves_no_base():
    some = windows()
    some.begin_span(D(9000), D(-1000), LEAST)
    assert (some.day.base, some.span) == (10_000, Span(D(9000), D(-1000)))


def test_left_with_less_than_the_least_equity_no_ratio_is_taken_until_more_is_there():
    some = windows()
    some.begin_span(D("49.99"), D(-1000), LEAST)
    assert some.span == Span(D(9000), D(-1000), lacks_equity=True)
    some.begin_span(D(50), D(-1000), LEAST)
    assert not some.span.lacks_equity
    assert abs(ratio(some, -1000) - D("0.1")) < NEAR


def test_a_higher_equity_ends_the_drawdown_and_its_doubts():
    """And what fills have settled counts from there."""
    some = window(least=D(9000), most=D(11_000), least_usd=D(-5), most_usd=D(5))
    some.raise_to(D(10_000), D(-7))
    assert (some.least, some.settled) == (9000, 0)
    some.raise_to(D(10_001), D(-7))
    assert some == window(10_001, settled=D(-7))


# --- Transfers of unknown order -------------------------------------------------------------------


def moved(held=2, quantity=-1, *, booked=(-20, 90), now=(-20, 90), others=((0, 100),), key="BTC"):
    """A transfer, by points of net PnL and price. By itself: one of two coins went while their price fell
    from 100 to 90; it is booked after the fall, and may have gone before it.
    """
    points = [Point(D(pnl), D(price)) for pnl, price in (booked, now, *others)]
    return Moved(key, D(held), D(quantity), points[0], points[1], tuple(points[2:]))


def test_a_unit_that_may_be_worth_more_makes_the_least_loss_less():
    """One of two coins beside 100 dollars went while their price fell from 100 to 90. Had it gone before, 10 were
    lost, and a unit would be worth more by a hundredth.
    """
    some = window(300)
    some.doubt([moved()], D("1.01"), D(1))
    assert (some.least_usd, some.most_usd, some.most) == (-10, 0, None)
    assert some.least == D(300) / D("1.01")


def test_a_unit_that_may_be_worth_less_makes_the_most_loss_more():
    some = window(200)
    some.doubt([moved(1, 1)], D(1), D("0.8"))
    assert (some.least_usd, some.most_usd, some.least) == (0, 10, None)
    assert some.most == 250


def test_every_other_moment_is_reckoned_with():
    """Before a fall, and within a dip after it: less, or more."""
    some = window(300)
    some.doubt([moved(others=((0, 100), (-60, 70)))], D(2), D("0.5"))
    assert (some.least_usd, some.most_usd) == (-10, 20)
    assert (some.least, some.most) == (150, 600)


def test_further_doubts_change_those_of_before():
    some = window(100, least=D(80), most=D(120))
    some.doubt([], D(2), D("0.5"))
    assert (some.least, some.most) == (40, 240)
    some.doubt([], D("0.4"), D(2))
    assert (some.least, some.most) == (None, 120)
    some.doubt([], D(1), D("1.2"))
    assert some == window(100)


def test_no_doubt_makes_the_least_loss_more_than_what_is_told_or_the_most_less():
    some = window(100)
    some.doubt([], D("0.9"), D("1.1"))
    assert some == window(100)


def test_a_doubt_is_one_of_every_window_and_of_its_key():
    some = windows(280, by_key={"BTC": ScopedWindow(), "ETH": ScopedWindow()})
    assert not some.is_ambiguous
    some.doubt([moved(booked=(0, 90), now=(0, 90), others=((20, 100),))], D(2), D(1))
    assert some.is_ambiguous
    assert [one.least_usd for one in some.windows] == [-10, -10, -10]
    assert (some.by_key["BTC"].least_usd, some.by_key["BTC"].most_usd) == (-10, 0)
    some.doubt([moved(quantity=1, key="ETH")], D(1), D("0.5"))
    assert (some.by_key["ETH"].least_usd, some.by_key["ETH"].most_usd) == (0, 10)


def test_a_key_without_a_window_has_nothing_to_doubt():
    some = windows(280)
    some.doubt([moved()], D(2), D(1))
    assert (some.by_key, some.is_ambiguous) == ({}, True)


@pytest.mark.parametrize("way", ["least_usd", "most_usd"])
@pytest.mark.parametrize("scope", ["by_key", "by_strategy"])
def test_a_scope_alone_may_be_ambiguous_until_it_begins_anew(scope, way):
    some = windows(**{scope: {"one": ScopedWindow(**{way: D(1)})}})
    some.look_for_ambiguity()
    assert some.is_ambiguous
    getattr(some, scope)["one"] = ScopedWindow()
    some.look_for_ambiguity()
    assert not some.is_ambiguous


# --- Keys and strategies --------------------------------------------------------------------------


def figures(**net_pnl):
    return {name: Figure(D(value), D(value)) for name, value in net_pnl.items()}


def test_what_a_key_lost_is_a_share_of_each_spans_own_equity():
    """500 of 10,000, then 100 of 1,000: 5 % and 10 %."""
    some = windows(by_key={"BTC": ScopedWindow()}, by_strategy={"momo": ScopedWindow()})
    some.carry(figures(BTC=-500), figures(momo=-500), lacks_equity=False)
    some.scoped_base = D(1000)
    some.carry(figures(BTC=-600), figures(momo=-500), lacks_equity=False)
    assert (some.by_key["BTC"].carried, some.by_key["BTC"].span_pnl) == (D("0.15"), -600)
    assert some.by_strategy["momo"].carried == D("0.05")


def test_a_key_that_never_traded_before_begins_at_nothing():
    some = windows()
    some.carry(figures(ETH=-100), {}, lacks_equity=False)
    assert some.by_key["ETH"] == ScopedWindow(carried=D("0.01"), span_pnl=D(-100))


@pytest.mark.parametrize("lacks", [True, False])
def test_without_equity_nothing_is_carried(lacks):
    some = windows(by_key={"BTC": ScopedWindow()})
    some.span = Span(D(10_000), D(0), lacks_equity=lacks)
    some.scoped_base = D(10_000) if lacks else D(0)
    some.carry(figures(BTC=-100), {}, lacks_equity=lacks)
    assert some.by_key["BTC"] == ScopedWindow(span_pnl=D(-100))


def test_scoped_windows_begin_at_their_figures_of_now():
    begun = scoped_windows({"BTC": Figure(D(-5), D(-3)).less(D(1))})
    assert begun == {"BTC": ScopedWindow(net_pnl=D(-6), settled=D(-3), span_pnl=D(-6))}


# --- What may have been a loss --------------------------------------------------------------------


def test_a_transfer_that_may_have_been_a_loss_is_one_of_every_window():
    """1,000 of 10,000 went: a tenth, if it was one."""
    some = windows(10_000)
    some.doubt_loss(D(1_000), D(0))
    some.begin_span(D(9_000), D(0), LEAST)
    assert some.is_ambiguous
    for one in some.windows:
        assert (one.most_usd, one.least, one.least_usd) == (1_000, None, 0)
        assert one.most is not None
        assert abs(1 - D(9_000) / one.most - D("0.1")) < NEAR


def test_where_nothing_is_there_it_is_told_in_dollars_alone():
    some = windows(10_000)
    some.doubt_loss(D(1_000), D(-10_000))
    assert [(one.most_usd, one.most) for one in some.windows] == [(1_000, None)] * 3


def test_the_whole_that_pnl_was_a_share_of_is_known_for_the_last_transfer_alone():
    some = windows(10_000)
    assert some.whole_before(START) is None
    some.next_whole(D(15_000), START)
    assert some.whole_before(START) == 10_000
    assert some.whole_before(START + timedelta(seconds=1)) is None
    assert some.whole_before(None) is None
