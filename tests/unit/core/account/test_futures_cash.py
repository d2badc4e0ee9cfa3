"""FuturesCash: the futures wallet as the books have it, and the funding that moves it."""

from datetime import timedelta

import pytest

from sidecar.core.account.futures_cash import PAID_FILLS_MAX, TOLD_MAX, FuturesCash
from sidecar.core.vocabulary import events as ev
from tests.decisions import connected
from tests.scenario import FUTURE, START, D

LAG = timedelta(seconds=120)


def at(seconds):
    return START + timedelta(seconds=seconds)


def wallet(**fields):
    return FuturesCash(is_known=True, total=D(1000), **fields)


def accrue(cash, *told, difference=0):
    """Let it hear these running figures, with the wallets as booked."""
    return [cash.accrued(D(figure), D(difference)) for figure in told]


def overtaken(cash, total, seconds, *, is_frame=False):
    return cash.is_overtaken(D(total), at(seconds), is_frame=is_frame, lag=LAG)


# --- Readings and frames --------------------------------------------------------------------------


def test_a_frame_is_never_overtaken():
    cash = wallet()
    assert [overtaken(cash, one, s, is_frame=True) for s, one in ((0, 1000), (1, 900))] == [False, False]  # fmt: skip
    assert (cash.frame_at, cash.frame_wallet) == (at(1), 900)


@pytest.mark.parametrize(
    ("total", "seconds", "is_overtaken"), [(1000, 119.9, True), (1000, 120, False), (900, 1, False)]
)
def test_a_reading_that_says_otherwise_lags_the_last_frame_for_a_while(
    total, seconds, is_overtaken
):
    cash = wallet()
    overtaken(cash, 900, 0, is_frame=True)
    assert overtaken(cash, total, seconds) == is_overtaken


def test_without_a_frame_every_reading_counts():
    assert not overtaken(wallet(), 900, 0)


# --- Funding by the running figure ----------------------------------------------------------------


def test_the_running_figure_as_first_told_is_no_funding():
    """What accrued before is in the wallet, or in what Coinbase will pay of it."""
    cash = wallet()
    assert (accrue(cash, -5), cash.worth, cash.source) == ([0], 1000, "unknown")


def test_what_accrues_counts_at_once_and_is_paid_later():
    cash = wallet()
    assert accrue(cash, 0, "-4.5", -6, -6) == [0, D("-4.5"), D("-1.5"), 0]
    assert (cash.total, cash.unpaid, cash.worth) == (1000, (D("-4.5"), D("-1.5")), 994)
    assert cash.source == "funding_pnl"


@pytest.mark.parametrize(("before", "after"), [(-5, 0), (-5, -1), (5, 0), (5, 1)], ids=str)
def test_a_figure_that_falls_back_begins_a_new_period(before, after):
    cash = wallet()
    accrue(cash, 0, before)
    assert accrue(cash, after) == [0]
    assert cash.unpaid == (before,)


def test_a_figure_that_falls_back_with_the_wallets_is_funding():
    """4 came in, and the wallets have just that more."""
    cash = wallet()
    accrue(cash, -5)
    assert accrue(cash, -1, difference=4) == [4]


def test_a_figure_that_changes_its_sign_is_no_new_period():
    cash = wallet()
    assert accrue(cash, -5, 1) == [0, 6]


@pytest.mark.parametrize(
    ("difference", "total", "unpaid"),
    [(-1, 999, (-2, -3)), (-3, 997, (-3,)), (-6, 994, ()), (-2, 1000, (-1, -2, -3)), (0, 1000, (-1, -2, -3))],
)  # fmt: skip
def test_accruals_are_paid_in_order_one_or_more_at_a_time(difference, total, unpaid):
    cash = wallet(unpaid=(D(-1), D(-2), D(-3)))
    cash.settle(D(difference))
    assert (cash.total, cash.unpaid, cash.worth) == (total, unpaid, 994)


# --- Funding by fills -----------------------------------------------------------------------------


def test_a_funding_fill_counts_once():
    cash = wallet()
    assert [cash.is_told_twice("f1", D(-1)) for _ in range(2)] == [False, True]
    assert cash.source == "fills"


def test_funding_fills_without_a_name_are_each_their_own():
    cash = wallet()
    assert [cash.is_told_twice("", D(-1)) for _ in range(2)] == [False, False]


def test_once_fills_come_the_running_figure_is_no_source():
    cash = wallet()
    cash.is_told_twice("f1", D(-1))
    assert accrue(cash, 0, -1) == [0, 0]
    assert cash.unpaid == ()


def test_fills_of_what_has_accrued_already_count_once_each():
    """Two accruals of the same amount, three fills: the third is news."""
    cash = wallet()
    accrue(cash, 0, -1, -2)
    told = [cash.is_told_twice(f"f{number}", D(-1)) for number in range(3)]
    assert told == [True, True, False]


def test_what_is_remembered_of_funding_is_bounded():
    cash = wallet()
    accrue(cash, *range(TOLD_MAX + 5))
    assert len(cash.told) == TOLD_MAX
    for number in range(PAID_FILLS_MAX + 5):
        cash.is_told_twice(f"f{number}", D(-1))
    assert len(cash.paid_fills) == PAID_FILLS_MAX
    assert cash.paid_fills[-1] == f"f{PAID_FILLS_MAX + 4}"


def test_funding_that_was_paid_already_is_not_booked_again_when_its_fill_is_listed():
    world = connected()

    def summary(total, funding_pnl):
        world.wait(2)
        world.send(
            ev.FuturesSummaryRead, wallet=D(total), buying_power=D(0), fills_until=world.now,
            liquidation_buffer_percentage=D(1000), funding_pnl=D(funding_pnl),
        )  # fmt: skip

    summary(40_000, 0)
    world.fill("BUY", 100, 64000, product_id=FUTURE)
    summary(40_000, "-4.52")
    summary("39995.48", "-4.52")
    world.send(ev.FundingPaid, product_id=FUTURE, amount=D("-4.52"))
    assert world.tracker.account.pnl.funding == D("-4.52")


def test_funding_is_paid_by_the_wallet_alone_while_dollars_are_in_doubt():
    """4.52 were paid, and 100 came in."""
    world = connected()

    def summary(total, spot_cash):
        world.wait(2)
        world.send(
            ev.FuturesSummaryRead, wallet=D(total), buying_power=D(0), fills_until=world.now,
            liquidation_buffer_percentage=D(1000), funding_pnl=funding, spot_cash=D(spot_cash),
        )  # fmt: skip

    funding = D(0)
    summary(40_000, 100_000)
    world.fill("BUY", 100, 64000, product_id=FUTURE)
    funding = D("-4.52")
    summary(40_000, 100_000)
    cash = world.tracker.books.futures_cash
    assert (cash.total, cash.unpaid) == (40_000, (D("-4.52"),))
    summary("39995.48", 100_100)
    assert (cash.total, cash.unpaid) == (D("39995.48"), ())
    assert world.tracker.account.pnl.funding == D("-4.52")


# --- What the wallet loses by itself --------------------------------------------------------------


def test_what_leaves_the_wallet_and_is_missing_in_dollars_was_lost():
    """The wallet told 20 less, and dollars were to have 20 more: they have not."""
    cash = wallet()
    cash.note_loss(D(-20), D(-20))
    assert cash.lost == -20
    cash.note_loss(D(0), D(-20))  # told again
    assert cash.lost == -20


@pytest.mark.parametrize(("change", "left"), [(-20, 0), (20, 20), (-20, -5)])
def test_what_dollars_explain_was_not_lost(change, left):
    cash = wallet(lost=D(-7))
    cash.note_loss(D(change), D(left))
    assert cash.lost == 0


def test_the_oldest_accruals_of_very_many_are_taken_as_paid():
    cash = wallet(funding_pnl=D(0))
    figures = [number * (number + 1) // 2 for number in range(1, TOLD_MAX + 3)]
    accrue(cash, *figures)
    assert cash.unpaid == tuple(D(number) for number in range(3, TOLD_MAX + 3))
    assert cash.total == 1000 + 1 + 2
