"""Reconciliation: what to make of a reading that differs from the books."""

from datetime import timedelta

import pytest

from sidecar.core.account.reconciliation import BOOKINGS_MAX, DEFAULT_LAG, Reconciliation
from tests.scenario import START, D

LAG = DEFAULT_LAG.total_seconds()


def at(seconds):
    return START + timedelta(seconds=seconds)


def judged(agreement, difference, seconds, fills_until=None, unit=0):
    """The verdict on a reading that shows so much more than the books; fills were looked at."""
    until = at(seconds if fills_until is None else fills_until)
    return agreement.judge(D(difference), at(seconds), until, D(unit))


def booked(*bookings, at_s=0):
    """One that knows of these changes of the total, a second after each other."""
    agreement = Reconciliation()
    for number, quantity in enumerate(bookings):
        agreement.book(at(at_s + number), D(quantity))
    return agreement


# --- Agreement, doubt, confirmation ---------------------------------------------------------------


def test_a_reading_that_agrees_is_no_doubt():
    agreement = Reconciliation()
    assert (judged(agreement, 0, 0), agreement.doubt, agreement.seen_at) == ("agrees", None, at(0))


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [("0.009", "agrees"), ("-0.009", "agrees"), ("0.01", "differs"), ("-0.01", "differs")],
)
def test_below_the_smallest_unit_is_agreement(difference, verdict):
    assert judged(Reconciliation(), difference, 0, unit="0.01") == verdict


def test_a_difference_is_a_doubt_from_its_first_reading_on():
    agreement = Reconciliation()
    assert judged(agreement, 1, 5) == "differs"
    assert agreement.doubt is not None
    assert (agreement.doubt.difference, agreement.doubt.since) == (1, at(5))
    assert (agreement.doubt.first_at, agreement.doubt.confirmed) == (at(5), False)


@pytest.mark.parametrize(("later", "verdict"), [("1.9", "differs"), (2, "confirmed")])
def test_a_second_reading_two_seconds_later_confirms_it(later, verdict):
    agreement = Reconciliation()
    judged(agreement, 1, 0)
    assert judged(agreement, 1, float(later)) == verdict
    assert agreement.doubt is not None
    assert agreement.doubt.confirmed == (verdict == "confirmed")


def test_two_readings_of_one_moment_are_one_reading():
    agreement = Reconciliation()
    assert [judged(agreement, 1, 5), judged(agreement, 1, 5)] == ["differs", "differs"]


def test_it_is_not_confirmed_before_the_fills_have_been_looked_at():
    agreement = Reconciliation()
    judged(agreement, 1, 5)
    assert agreement.judge(D(1), at(8), None) == "differs"
    assert judged(agreement, 1, 9, fills_until=4) == "differs"
    assert judged(agreement, 1, 10, fills_until=5) == "confirmed"


def test_another_difference_begins_anew_and_is_as_old_as_the_doubt():
    """Readings that do not agree are one doubt: how long it has lasted is counted from the first."""
    agreement = Reconciliation()
    readings = [judged(agreement, more, s) for s, more in ((5, 1), (8, 2), (11, 1), (14, 1))]
    assert readings == ["differs", "differs", "differs", "confirmed"]
    assert agreement.doubt is not None
    assert (agreement.doubt.since, agreement.doubt.first_at) == (at(5), at(11))


def test_a_second_reading_may_differ_by_less_than_the_smallest_unit():
    agreement = Reconciliation()
    judged(agreement, 1, 0, unit="0.01")
    assert judged(agreement, "1.009", 2, unit="0.01") == "confirmed"


def test_agreement_between_two_differences_ends_the_doubt():
    agreement = Reconciliation()
    readings = [judged(agreement, more, s) for s, more in ((5, 1), (8, 0), (11, 1))]
    assert readings == ["differs", "agrees", "differs"]
    assert agreement.doubt is not None
    assert agreement.doubt.since == at(11)


def test_a_clock_set_back_begins_the_doubt_anew():
    agreement = Reconciliation()
    judged(agreement, 1, 3600)
    assert [judged(agreement, 1, 0), judged(agreement, 1, 3)] == ["differs", "confirmed"]
    assert agreement.doubt is not None
    assert agreement.doubt.since == at(0)


def test_a_busy_account_is_reconciled_as_fast_as_an_idle_one():
    """What is compared is the difference: fills that books and readings both have leave it alone."""
    agreement = Reconciliation()
    judged(agreement, -80, 0)
    agreement.book(at(1), D(-3))
    assert judged(agreement, -80, 2) == "confirmed"


# --- What explains a difference -------------------------------------------------------------------


@pytest.mark.parametrize("lacked", [[7], [5, 7], [2, 5, 7], [5], [2]])
def test_a_reading_that_lacks_the_newest_bookings_or_a_single_one_lags(lacked):
    """A wallet follows in order, so what it lacks are the newest; but one fee or fill may come late."""
    assert judged(booked(2, 5, 7), -sum(lacked), 3) == "lagging"


@pytest.mark.parametrize("difference", [-9, -8, 7])
def test_a_reading_that_lacks_what_was_never_booked_differs(difference):
    """2 and 7, 1 and 7, more than the books."""
    assert judged(booked(2, 5, 7), difference, 3) == "differs"


@pytest.mark.parametrize(("later", "verdict"), [(LAG, "lagging"), (LAG + 0.001, "differs")])
def test_a_lag_is_believed_for_so_long_only(later, verdict):
    assert judged(booked(5), -5, later) == verdict


def test_a_booking_may_be_lacked_for_longer_where_it_says_so():
    agreement = Reconciliation()
    agreement.book(at(0), D(5), timedelta(seconds=120))
    assert judged(agreement, -5, 120) == "lagging"
    assert judged(agreement, -5, 121) == "differs"


def test_a_lagging_reading_ends_a_doubt():
    agreement = booked(5)
    judged(agreement, 1, 1)
    assert (judged(agreement, -5, 2), agreement.doubt) == ("lagging", None)


def test_a_reading_that_may_lag_leaves_two_transfers_and_a_later_one_decides():
    """−83 beside a booking of 3: it lacks the booking, or the first reading knew of it."""
    agreement = Reconciliation()
    judged(agreement, -80, 0)
    agreement.book(at(1), D(3))
    assert [judged(agreement, -83, 2), judged(agreement, -80, 4)] == ["differs", "confirmed"]
    assert agreement.doubt is not None
    assert agreement.doubt.difference == -80


def test_a_reading_that_knew_of_a_booking_before_the_books_is_no_doubt_once_they_do():
    agreement = Reconciliation()
    judged(agreement, -3, 0)
    agreement.book(at(1), D(-2))
    assert agreement.doubt is not None
    agreement.book(at(1), D(-1))
    assert agreement.doubt is None


def test_what_the_books_follow_is_doubted_no_more():
    agreement = Reconciliation()
    agreement.moved(D(1))
    judged(agreement, -3, 0)
    agreement.moved(D(-2))
    assert agreement.doubt is not None
    assert agreement.doubt.difference == -1
    agreement.moved(D(-1))
    assert agreement.doubt is None


def test_bookings_are_forgotten_with_their_lag_and_beyond_a_bound():
    """A day of trading costs no more than its last half minute."""
    agreement = booked(*range(BOOKINGS_MAX))
    for number in range(BOOKINGS_MAX + 1):
        agreement.book(at(LAG + BOOKINGS_MAX), D(number))
    assert [one.quantity for one in agreement.bookings[:2]] == [1, 2]
    assert len(agreement.bookings) == BOOKINGS_MAX
    for number in range(3 * BOOKINGS_MAX):
        agreement.book(at(LAG + BOOKINGS_MAX), D(number))
        assert len(agreement.bookings) <= 2 * BOOKINGS_MAX
    assert agreement.bookings[-1].quantity == 3 * BOOKINGS_MAX - 1


# --- A busy account: each reading allows for several transfers ------------------------------------


def confirmed(agreement):
    """The transfer that readings have confirmed."""
    doubt = agreement.doubt
    assert doubt is not None
    return doubt.difference if doubt.confirmed else None


def test_what_a_reading_knew_before_the_books_is_decided_when_its_lag_is_over():
    """−86,400: 80,000 were withdrawn, and a buy of 6,400 is not in the books yet. −80,000 may as well lag
    the buy, until no reading can.
    """
    agreement = Reconciliation()
    judged(agreement, -86_400, 0)
    agreement.book(at(1), D(-6_400))
    seen = [judged(agreement, -80_000, s) for s in (3, 5, 31, 31.1)]
    assert seen == ["differs", "differs", "differs", "confirmed"]
    assert confirmed(agreement) == -80_000


def test_two_readings_that_leave_one_transfer_confirm_it():
    """−83 and −80: the first lacked a purchase of 3, whatever the second may lack."""
    agreement = booked(3)
    judged(agreement, -77, 1)  # −77 or −74
    assert judged(agreement, -80, 3) == "confirmed"  # −80 or −77
    assert confirmed(agreement) == -77


def test_readings_that_leave_several_are_repeated_and_confirm_none():
    """Each lacks one of the bookings or none."""
    agreement = booked(3, 3)
    assert {judged(agreement, -80, s) for s in (2, 4, 6)} == {"differs"}
    assert agreement.doubt is not None
    assert (agreement.doubt.repeated, agreement.doubt.confirmed) == (True, False)
    assert judged(agreement, -80, 32) == "confirmed"
    assert confirmed(agreement) == -80


def test_a_difference_that_stays_for_longer_than_any_lag_is_confirmed_however_much_is_booked():
    """Each reading allows for several transfers, but none of them lacks a booking for so long."""
    agreement = booked(-10, at_s=-1)
    verdicts = []
    for second in range(0, int(LAG) + 10, 5):
        agreement.book(at(second), D(-10))
        verdicts.append(judged(agreement, -100, second + 1))
    assert verdicts[-1] == "confirmed"
    assert agreement.doubt is not None
    assert agreement.doubt.difference == -100


@pytest.mark.parametrize(("seconds", "verdict"), [(121, "differs"), (122, "confirmed")])
def test_where_a_sweep_may_be_lacking_it_must_stay_for_as_long_as_that(seconds, verdict):
    agreement = Reconciliation()
    for second in range(-5, seconds + 5, 5):  # none but the newest explains it
        agreement.note(at(second), D(-30), timedelta(seconds=120), swept=True)
        agreement.book(at(second), D(-10))
    agreement.bookings = [one for one in agreement.bookings if one.at <= at(seconds)]
    found = [judged(agreement, -1_000, second) for second in (0, 2, seconds)]
    assert found[-1] == verdict  # it stands still from the second reading on


@pytest.mark.parametrize("fee", ["0.01", "0.08"])
def test_a_fee_that_readings_may_lack_holds_up_no_withdrawal(fee):
    """Up to a thousandth of it."""
    agreement = booked(fee)
    assert [judged(agreement, -80, 2), judged(agreement, -80, 4)] == ["differs", "confirmed"]
    assert confirmed(agreement) == -80


def test_readings_that_allow_for_no_common_transfer_begin_anew():
    agreement = booked(3)
    assert [judged(agreement, -80, 2), judged(agreement, -90, 4)] == ["differs", "differs"]
    assert agreement.doubt is not None
    assert agreement.doubt.candidates == (-90, -87)


def test_candidates_agree_to_less_than_the_smallest_unit():
    agreement = booked(3)
    judged(agreement, -77, 1, unit="0.01")
    assert judged(agreement, "-80.009", 3, unit="0.01") == "confirmed"
    assert confirmed(agreement) == D("-77.009")


def test_what_the_books_follow_confirms_no_rest():
    agreement = Reconciliation()
    judged(agreement, 100, 0)
    agreement.moved(D(30))
    assert agreement.doubt is not None
    assert (agreement.doubt.difference, agreement.doubt.confirmed) == (70, False)


def test_what_the_books_follow_is_gone_from_every_candidate():
    agreement = booked(3)
    judged(agreement, -80, 2)
    agreement.moved(D(-30))
    assert agreement.doubt is not None
    assert agreement.doubt.candidates == (-50, -47)


def test_what_the_readings_may_have_lacked_may_be_in_the_difference_still():
    """The futures wallet got 1,234.56 USD; 2,500 were missing before, of which that may be a part, or not."""
    agreement, swept = Reconciliation(), D("-1234.56")
    judged(agreement, -2_500, 0)
    agreement.moved(swept, is_read=False)
    agreement.note(at(1), swept, timedelta(seconds=120), swept=True)
    doubt = agreement.doubt
    assert doubt is not None
    assert doubt.candidates == (D("-1265.44"), D(-2_500))
    assert judged(agreement, "-1265.44", 4) == "differs"
    assert (doubt.range, doubt.repeated) == ((-2_500, D("-1265.44")), True)
    assert judged(agreement, -2_500, 6) == "confirmed"


def test_what_another_wallet_of_the_pot_paid_may_be_in_what_a_reading_lacks_or_not():
    """Two purchases, and between them the fee of a contract, which the futures wallet paid."""
    agreement = Reconciliation()
    agreement.book(at(0), D(-448))
    agreement.book(at(1), D("-0.01"), swept=True)
    agreement.book(at(2), D(-1_792))
    assert judged(agreement, 2_240, 3) == "lagging"
    assert judged(agreement, "2240.01", 4) == "lagging"


def test_one_reading_tells_what_it_shows():
    agreement = booked(3)
    judged(agreement, -80, 2)
    assert agreement.doubt is not None
    assert agreement.doubt.range == (-80, -80)


def test_what_sets_the_total_right_may_be_lacked_and_explains_no_doubt():
    """A sweep that was noted is no booking that a reading knew first."""
    agreement = Reconciliation()
    judged(agreement, -5, 0)
    agreement.note(at(1), D(-5), DEFAULT_LAG)
    assert agreement.doubt is not None
    assert judged(agreement, 5, 2) == "lagging"


def test_what_left_by_trades_is_no_sweep_however_long_it_may_be_lacking():
    agreement = Reconciliation()
    agreement.book(at(0), D(-50_000), timedelta(seconds=45))
    agreement.note(at(0), D(-300), timedelta(seconds=120), swept=True)
    assert [agreement.swept(at(second)) for second in (10, 120, 121)] == [300, 300, 0]


def test_a_reading_may_lack_sweeps_and_not_the_trade_between_them():
    agreement = Reconciliation()
    agreement.note(at(0), D(-8_000), timedelta(seconds=120), swept=True)
    agreement.book(at(1), D(-500))
    agreement.note(at(2), D(-40), timedelta(seconds=120), swept=True)
    assert judged(agreement, 8_040, 3) == "lagging"
    assert judged(agreement, 8_540, 3) == "lagging"
    assert judged(agreement, 8_500, 3) == "differs"


def test_a_reading_may_lack_all_sweeps_and_the_newest_trade():
    agreement = Reconciliation()
    agreement.note(at(0), D(-1_000), timedelta(seconds=120), swept=True)
    for second, quantity in ((5, -100), (25, -70), (35, -30)):
        agreement.book(at(second), D(quantity))
    assert judged(agreement, 1_030, 40) == "lagging"
    assert judged(agreement, 1_100, 40) == "lagging"


def test_of_several_sweeps_it_may_lack_all_with_the_newest_trade_alone():
    agreement = Reconciliation()
    agreement.note(at(0), D(-1_000), timedelta(seconds=120), swept=True)
    for second, quantity in ((1, -70), (2, -30)):
        agreement.book(at(second), D(quantity))
    agreement.note(at(3), D(-500), timedelta(seconds=120), swept=True)
    assert judged(agreement, 1_530, 4) == "lagging"


def test_a_reading_may_have_the_sweeps_and_lack_the_trades_before_them():
    """Wallets that are swept are told at once, and fills only later."""
    agreement = Reconciliation()
    for second, quantity in ((0, -8_060), (1, -4_836)):
        agreement.book(at(second), D(quantity))
    for second in (3, 8):
        agreement.note(at(second), D("-1234.56"), timedelta(seconds=120), swept=True)
    assert judged(agreement, 12_896, 9) == "lagging"
