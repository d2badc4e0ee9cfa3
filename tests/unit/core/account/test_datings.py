"""Datings: what a unit had been worth, had transfers come at other moments."""

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.core.account.datings import (
    LEFT_OF_A_UNIT,
    OVERLAPPING_MAX,
    Datings,
    Overlapping,
    Present,
)
from sidecar.core.account.moved import CONFIRMED, Moved, Point
from sidecar.core.vocabulary.money import ONE, ZERO, with_money
from tests.scenario import START, D

NEAR = D("1E-26")
KEYS = ("A", "B", "USD")


def at(second, pnl, price=1, transfers=0, booked=0, **prices):
    """A moment, by the second of its reading, net PnL and the price of the key that moved."""
    known = {key: D(value) for key, value in prices.items()}
    time = START + timedelta(seconds=second)
    return Point(D(pnl), D(price), D(transfers), time, booked=booked, prices=known)


def transfer(key, quantity, booked, *others, **fields):
    return Moved(key, ZERO, D(quantity), booked, booked, others, **fields)


def present(equity, pnl, transfers):
    return Present(D(equity), D(pnl), D(transfers))


FELL = (at(0, 0, 100), at(1, -20, 90))


def withdrawal():
    """One of two coins beside 100 dollars went while their price fell from 100 to 90, booked after the fall."""
    return transfer("BTC", -1, FELL[1], FELL[0], number=1), present(190, -20, -90)


def test_the_unit_is_worth_what_it_would_be_had_it_gone_at_the_other_moment():
    """300 → 280 is a loss of 1 in 15; withdrawn first, 200 → 190, of 1 in 20."""
    moved, now = withdrawal()
    share = Datings([moved], now).share(max)
    assert abs(share - (D(190) / 200) / (D(280) / 300)) < NEAR
    assert Datings([moved], now).share(min) == 1


def test_a_deposit_that_had_come_first_had_lost_too():
    """One coin at 90 beside 100 dollars, and one more was found: 10 of 200 were lost, or 20 of 300."""
    before, after = at(0, 0, 100), at(1, -10, 90)
    datings = Datings([transfer("BTC", 1, after, before, number=1)], present(280, -10, 90))
    assert datings.share(max) == 1
    assert abs(datings.share(min) - (D(280) / 300) / (D(190) / 200)) < NEAR


def test_without_transfers_a_unit_is_worth_what_it_is():
    assert Datings([], present(100, 0, 0)).share(max) == 1


def test_a_moment_that_makes_no_difference_is_none():
    moved = transfer("BTC", -1, FELL[1], at(0, -20, 90), number=1)
    assert Datings([moved], present(190, -20, -90)).share(max) == 1


@pytest.mark.parametrize(("pnl", "quantity"), [(-300, -1), (-20, -3)])
def test_an_account_that_had_nothing_then_has_no_ratio(pnl, quantity):
    """It earned 280 out of nothing, or more was withdrawn than there was: its growth counts for nothing."""
    before = at(0, pnl, 100)
    moved = transfer("BTC", quantity, FELL[1], before, number=1)
    now = present(280 + 90 * quantity, -20, 90 * quantity)
    with_it = 280 + (pnl + 20) + quantity * 100
    assert with_it <= 0
    told = D(280) / (280 + pnl + 20) if pnl != -300 else ONE
    assert abs(Datings([moved], now).share(max) - max(ONE, 1 / told)) < NEAR


def test_a_unit_that_had_lost_more_than_all_has_next_to_nothing_left():
    """One coin fell from 300 to 50 beside a debt of 100; had another come before, it had lost more than both."""
    before, after = at(0, 0, 300), at(1, -250, 50)
    moved = transfer("BTC", 1, after, before, number=1)
    share = Datings([moved], present(0, -250, 50)).share(max)
    assert share == 1


def test_below_the_least_equity_ratios_stand_still():
    moved, now = withdrawal()
    assert Datings([moved], now, D(1_000)).share(max) == 1


def test_the_coins_of_another_transfer_have_the_price_of_each_moment():
    """A fell by half from the first moment to the second, and B from there to the third. 1 A was found at the
    second and 1 B at the third, and nothing but 100 dollars was there before.
    """
    first, second = at(0, 0, 100, A=100, B=100), at(1, 0, 50, A=50, B=100)
    third = at(2, 0, 50, transfers=50, booked=1, A=50, B=50)
    one = transfer("A", 1, second, first, number=1)
    other = transfer("B", 1, third, replace(second, price=D(100)), number=2)
    datings = Datings([one, other], present(200, 0, 100))
    assert abs(datings.share(min) - D(150) / 200 * D(200) / 250) < NEAR


def test_a_price_that_a_moment_does_not_know_is_the_last_known():
    first, second = at(0, 0, 100), at(1, 0, 50)
    third = at(2, 0, 1, transfers=50, booked=1)
    one = transfer("A", 1, second, first, number=1)
    cash = transfer("USD", 100, third, replace(first, price=ONE), number=2)
    shares = Datings([one, cash], present(250, 0, 150))
    assert abs(shares.share(min) - D(150) / 200) < NEAR


@st.composite
def histories(draw):
    """An account of coins whose prices move from moment to moment, and transfers that came within them."""
    factors = st.sampled_from(["0.7", "0.9", "1", "1.1", "1.3"])
    count = draw(st.integers(2, 5))
    prices = [{"A": D(100), "B": D(100), "USD": ONE}]
    for _ in range(count - 1):
        by = {"A": draw(factors), "B": draw(factors), "USD": "1"}
        prices.append({key: price * D(by[key]) for key, price in prices[-1].items()})
    held = {key: D(draw(st.integers(0, 5))) for key in ("A", "B")}
    pnl = [sum(held[key] * (p[key] - 100) for key in held) for p in prices]

    def point(place, key):
        return at(place, pnl[place], prices[place][key], **prices[place])

    moves = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        key = draw(st.sampled_from(KEYS))
        quantity = D(draw(st.sampled_from([-2, 1, 4]))) * (100 if key == "USD" else 1)
        since = draw(st.integers(0, count - 1))
        until = draw(st.integers(since, count - 1))
        others = [point(place, key) for place in range(since, until)]
        moves.append(transfer(key, quantity, point(until, key), *others, number=number))
    cash = D(draw(st.sampled_from([500, 2_000])))
    return moves, prices, held, cash, pnl


def plain_worth(history, dates):
    """A unit's worth at the end with the transfers at these places: the account is counted as it is."""
    moves, prices, held, cash, _ = history
    worth = ONE
    for place in range(len(prices) - 1):
        came = [m for m, date in zip(moves, dates, strict=True) if date <= place]
        value, end = cash, cash
        for key, quantity in (*held.items(), *((m.key, m.quantity) for m in came)):
            value += quantity * prices[place][key]
            end += quantity * prices[place + 1][key]
        assume(value > 0 and end > 0)
        worth *= end / value
    return worth


@given(history=histories(), better=st.sampled_from([min, max]))
@with_money
def test_the_share_is_that_of_the_best_of_all_datings(history, better):
    """Every dating of every transfer, by an account that is counted anew for each."""
    moves, prices, held, cash, pnl = history
    places = [[(p.at - START).seconds for p in moved.moments] for moved in moves]
    worths = [plain_worth(history, dates) for dates in product(*places)]
    told = plain_worth(history, [choices[0] for choices in places])
    equity = cash + sum(held[key] * prices[-1][key] for key in held)
    equity += sum(m.quantity * prices[-1][m.key] for m in moves)
    earned = sum(m.quantity * (prices[-1][m.key] - m.booked.price) for m in moves)
    came = sum((m.worth for m in moves), ZERO)
    share = Datings(moves, Present(equity, pnl[-1] + earned, came)).share(better)
    assert abs(share - better(worths) / told) < NEAR


def test_two_may_have_come_earlier_together_where_neither_would_have_alone():
    """Two coins left 2,000 dollars in coins that stood still, and 400 dollars came; the coins rose and fell."""
    first, second, third = at(0, 0, 100), at(1, 0, 110), at(2, 0, 99)
    coins = transfer("A", -2, third, second, first, number=1)
    cash = transfer("USD", 400, replace(third, price=ONE), replace(second, price=ONE), number=2)
    share = Datings([coins, cash], present(2202, 0, 202)).share(min)
    assert abs(share - D(1780) / 1800 * (D(2202) / 2180)) < NEAR


def test_one_that_has_come_is_not_of_now():
    """10 of 100 USD beside a coin were lost, and 50 had left by then, or have not left at all."""
    before, now = at(0, 0, 1), at(2, -10, 1)
    left = transfer("USD", -50, now, before)
    has_come = replace(left, has_come=True)
    told = D(90) / 100
    share = Datings([has_come], present(90, -10, 0)).share(max)
    assert abs(share * told - D(40) / 50) < NEAR
    assert Datings([left], present(90, -10, 0)).share(max) == 1
    nowhere_else = replace(has_come, others=())
    assert Datings([nowhere_else], present(90, -10, 0)).share(max) == 1
    worst = [Datings([one], present(90, -10, 0)).share(min) for one in (left, has_come)]
    assert worst[0] == worst[1] < 1


# --- One booked after the other -------------------------------------------------------------------


def test_of_two_that_overlap_the_second_changes_what_the_first_may_have_lost():
    """15 of 20 ETH leave and 100,000 USD come, both read after ETH fell from 2,000 to 1,124. Had both moved before:
    5 ETH lost 4,380 of the 219,000 that were left.
    """
    before, after = at(0, 0, 2_000, ETH=2_000), at(1, -17_520, 1_124, ETH=1_124)
    left = transfer("ETH", -15, after, before, number=1)
    transfers = -15 * D(1_124)
    cash = transfer("USD", 100_000, replace(after, price=ONE), replace(before, price=ONE), number=2)
    overlapping = Overlapping()
    best, worst = overlapping.add([left], present(131_480 + transfers, -17_520, transfers), ZERO)
    told = D(131_480) / 149_000
    assert abs(best * told - D(114_620) / 119_000) < NEAR
    assert worst == 1
    more, _ = overlapping.add(
        [cash], present(231_480 + transfers, -17_520, transfers + 100_000), ZERO
    )
    assert abs(best * more * told - D(214_620) / 219_000) < NEAR


def test_a_moment_of_no_known_transfers_has_those_of_now():
    """As older versions noted it."""
    moved, now = withdrawal()
    old = replace(FELL[0], transfers=None)
    assert Datings([replace(moved, others=(old,))], now).share(max) > 1


def test_transfers_of_other_times_are_reckoned_by_themselves():
    moved, now = withdrawal()
    overlapping = Overlapping()
    first = overlapping.add([moved], now, ZERO)
    later = transfer(
        "BTC", -1, at(3, -30, 80, -90, 1), at(2, -20, 90, -90, 1), number=2
    )  # booked after that one was known
    alone = Overlapping().add([later], present(100, -30, -170), ZERO)
    assert overlapping.add([later], present(100, -30, -170), ZERO) == alone
    assert first[0] > 1
    assert alone[0] > 1


def test_one_that_was_booked_while_another_came_is_known_to_it():
    """Its own moments lie before the other's, but not all of those knew of it."""
    moved, now = withdrawal()
    overlapping = Overlapping()
    overlapping.add([moved], now, ZERO)
    later = transfer("USD", 10, at(3, -20, 1, -90, 1), at(2, -20, 1, 0, 0), number=2)
    assert overlapping.add([later], present(200, -20, -80), ZERO) == (1, 1)
    assert overlapping.known == [moved, later]


# --- Those that are done with ---------------------------------------------------------------------

LAG = timedelta(seconds=120)


@st.composite
def booked_one_by_one(draw):
    """Transfers as they are booked: each knows at each of its moments how many were booked by then."""
    moves: list[Moved] = []
    told: list[int] = []
    second = 0
    for number in range(1, draw(st.integers(1, 8)) + 1):
        second += draw(st.integers(1, 200))
        times = draw(st.lists(st.integers(max(0, second - 300), second), min_size=1, max_size=3))
        told_at = START + timedelta(seconds=second)
        points = [at(time, 0, booked=sum(one < time for one in told)) for time in times]
        told.append(second)
        key = draw(st.sampled_from(KEYS))
        moves.append(transfer(key, 1, points[0], *points[1:], number=number, told_at=told_at))
    return moves


@given(moves=booked_one_by_one(), data=st.data())
def test_nothing_is_forgotten_that_a_transfer_to_come_overlaps_with(moves, data):
    """Whatever the moments of one that is booked later, none before those that are open."""
    kept, all_of_them = Overlapping(), Overlapping()
    kept.known = all_of_them.known = moves
    seconds, counts = st.integers(0, 1_700), st.integers(0, len(moves))
    moments = st.lists(st.builds(lambda time, booked: at(time, 0, booked=booked), seconds, counts))
    standing = data.draw(moments.filter(bool), label="open moments")
    kept.forget(standing, LAG)
    first, booked = min(one.order for one in standing), min(one.booked for one in standing)
    later = [
        one for one in data.draw(moments) if one.order >= first and one.booked >= booked
    ] or standing
    new = [transfer("BTC", 1, later[0], *later[1:], number=len(moves) + 1)]
    assert kept._met(new) == all_of_them._met(new)
    assert [one for one in moves if any(one is other for other in kept.known)] == kept.known


def test_what_all_readings_since_know_of_is_forgotten():
    moved, now = withdrawal()
    overlapping = Overlapping()
    overlapping.add([moved], now, ZERO)
    overlapping.forget([], LAG)
    overlapping.forget([at(1, 0, booked=1), at(5, 0, booked=1)], LAG)  # of its own last moment
    assert overlapping.known == []


@pytest.mark.parametrize(
    ("moment", "why"),
    [(at(0, 0, booked=1), "a wallet was last read before it"), (at(9, 0), "a doubt is older")],
)
def test_what_may_overlap_with_one_to_come_is_kept(moment, why):
    moved, now = withdrawal()
    overlapping = Overlapping()
    overlapping.add([moved], now, ZERO)
    overlapping.forget([at(9, 0, booked=1), moment], LAG)
    assert overlapping.known == [moved], why


@pytest.mark.parametrize(("seconds", "known"), [(120, 1), (121, 0)])
def test_dollars_are_kept_as_long_as_a_sweep_may_take_them_back(seconds, known):
    booked = at(0, 0)
    overlapping = Overlapping()
    dollars = transfer("USD", 10, booked, number=1, told_at=booked.at)
    overlapping.add([dollars, transfer("BTC", 10, booked, number=2)], present(90, 0, 20), ZERO)
    overlapping.forget([at(seconds, 0, booked=2)], LAG)
    assert overlapping.known == [dollars][:known]


def test_only_so_many_are_reckoned_together():
    overlapping = Overlapping()
    for number in range(1, OVERLAPPING_MAX + 5):
        came = transfer("USD", 1, at(1, 0), at(0, 0), number=number)
        overlapping.add([came], present(100 + number, 0, number), ZERO)
    assert [one.number for one in overlapping.known] == list(range(5, OVERLAPPING_MAX + 5))


def test_more_that_are_booked_at_once_all_count():
    """12 wallets show 100 USD each, after an account of 2,400 USD lost half; had all come before, it lost a third.
    Those beyond the first ten meet the last of these alone.
    """
    fell, before = at(1, -1_200), at(0, 0)
    moves = [transfer(f"C{n}", 100, fell, before, number=n) for n in range(1, 13)]
    best, worst = Overlapping().add(moves, present(2_400, -1_200, 1_200), ZERO)
    assert worst == 1
    assert abs(best / 2 - D(2) / 3) < D("0.01")
    asked = Overlapping().share(moves, present(2_400, -1_200, 1_200), ZERO, max)
    assert abs(asked / 2 - D(2) / 3) < D("0.04")


def test_what_was_lost_twice_is_lost():
    """An account that owed money twice is worth nothing, not the product of two debts."""
    moments = [
        at(0, 0),
        at(1, -150),
        at(2, -150, transfers=150, booked=1),
        at(3, -300, transfers=150, booked=1),
    ]
    came = transfer("USD", 150, moments[1], moments[0], number=1)
    more = transfer("USD", 100, moments[3], moments[2], number=2)
    datings = Datings([came, more], present(50, -300, 250))
    assert datings.share(min) == 1
    assert datings.share(max) == D(100) / 250 * D(50) / 200 / LEFT_OF_A_UNIT


def test_one_that_was_none_may_have_come_at_no_other_moment():
    """A sweep was booked as a deposit, and its other side takes it back: no doubt stays."""
    told = START + timedelta(seconds=5)
    booked, before = at(1, -20), at(0, 0)
    came = transfer("USD", 100, booked, before, number=1, told_at=told)
    overlapping = Overlapping()
    best, _ = overlapping.add([came], present(280, -20, 100), ZERO)
    assert best > 1
    back = transfer("USD", -100, replace(booked, view=CONFIRMED), number=2, undoes=told)
    undone, _ = overlapping.add([back], present(180, -20, 0), ZERO)
    assert abs(best * undone - 1) < NEAR
    assert [one.others for one in overlapping.known] == [(), ()]


TOLD = START + timedelta(seconds=5)


def a_sweep_and_coins():
    """100 USD of a sweep were booked as a deposit, and half of 20 coins left, when a reading was in the middle of a
    fall from 100 to 80: beside 1,000 USD. The transfers, the account with both, and without the sweep.
    """
    before, fell = at(0, 0, 100, A=100), at(1, -400, 80, A=80)
    began = replace(at(1, 0, 100, A=100), view=CONFIRMED)
    coins = transfer("A", -10, began, before, fell, number=1, told_at=TOLD)
    points = (replace(one, price=ONE) for one in (began, before, fell))
    swept = transfer("USD", 100, *points, number=2, told_at=TOLD)
    return coins, swept, present(1_900, -200, -900), present(1_800, -200, -1_000)


def test_what_takes_a_sweep_back_leaves_the_doubt_of_coins_as_it_was():
    """They were booked at the same time. It is told without the state of the books at the moment that it is of."""
    coins, swept, both, now = a_sweep_and_coins()
    overlapping, alone = Overlapping(), Overlapping().add([coins], now, ZERO)
    first = overlapping.add([coins, swept], both, ZERO)
    booked = Point(swept.booked.pnl, ONE, at=START + timedelta(seconds=1.5), view=CONFIRMED)
    back = transfer("USD", -100, booked, number=3, undoes=TOLD)
    undone = overlapping.add([back], now, ZERO)
    for one, then, only in zip(first, undone, alone, strict=True):
        assert abs(one * then - only) < NEAR
    assert alone[1] < 1
    assert overlapping.known[0] == coins


def test_a_sweep_is_taken_back_after_another_transfer_too():
    """One that came later, when the first was known: its moments overlap with none of before."""
    _, swept, both, _ = a_sweep_and_coins()
    overlapping = Overlapping()
    first = overlapping.add([swept], both, ZERO)
    fields = {"transfers": 100, "booked": 2}
    later = transfer("USD", 10, at(60, -400, **fields), at(40, -400, **fields), number=3)
    assert overlapping.add([later], both, ZERO) == (1, 1)
    back = transfer("USD", -100, swept.booked, number=4, undoes=TOLD)
    undone = overlapping.add([back], both, ZERO)
    assert abs(first[0] * undone[0] - 1) < NEAR
    assert abs(first[1] * undone[1] - 1) < NEAR
    assert first[1] < 1


def test_what_takes_back_a_transfer_that_is_not_known_is_no_transfer():
    """As after a restart."""
    coins, swept, both, now = a_sweep_and_coins()
    overlapping = Overlapping()
    overlapping.add([coins], both, ZERO)
    back = transfer("USD", -100, swept.booked, number=3, undoes=TOLD - timedelta(seconds=1))
    assert overlapping.add([back], now, ZERO) == (1, 1)
    assert overlapping.known == [coins]


def test_one_in_doubt_is_reckoned_with_those_that_are_booked():
    moved, now = withdrawal()
    overlapping = Overlapping()
    best, _ = overlapping.add([moved], now, ZERO)
    open_now = replace(FELL[1], at=None, booked=1, transfers=D(-90), price=ONE)
    doubtful = transfer("USD", 200, open_now, replace(FELL[0], price=ONE))
    share = overlapping.share([doubtful], now, ZERO, max)
    both = Datings([moved, doubtful], now).share(max)
    assert abs(share * best - both) < NEAR
    assert share > 1
