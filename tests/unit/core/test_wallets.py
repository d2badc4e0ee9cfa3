"""Wallets: what is free, what it is worth, and when a balance read is believed."""

from datetime import timedelta

import pytest

from sidecar.core.wallets import Agreement, Wallet, Wallets
from tests.scenario import START, D


def at(seconds):
    return START + timedelta(seconds=seconds)


def judged(agreement, read, seconds, booked=10, fills_until=None):
    until = at(seconds if fills_until is None else fills_until)
    return agreement.judge(D(booked), D(read), at(seconds), until)


def test_a_read_that_agrees_is_no_doubt():
    agreement = Agreement()
    assert judged(agreement, 10, 0) == "agrees"
    assert not agreement.in_doubt


def test_a_read_soon_after_an_order_event_may_lag_and_says_nothing():
    agreement = Agreement()
    agreement.touch(at(0))
    assert judged(agreement, 11, 1.9) == "lagging"
    assert judged(agreement, 11, 2) == "differs"


def test_a_difference_is_accepted_when_two_reads_agree():
    agreement = Agreement()
    assert judged(agreement, 11, 5) == "differs"
    assert agreement.in_doubt
    assert judged(agreement, 11, 8) == "accepted"
    assert not agreement.in_doubt


def test_two_reads_of_one_moment_are_one_read():
    agreement = Agreement()
    assert [judged(agreement, 11, 5), judged(agreement, 11, 5)] == ["differs", "differs"]


def test_a_second_read_that_says_otherwise_begins_anew():
    agreement = Agreement()
    reads = [judged(agreement, read, s) for s, read in ((5, 11), (8, 12), (11, 11), (14, 11))]
    assert reads == ["differs", "differs", "differs", "accepted"]


def test_a_difference_is_not_accepted_before_the_fills_have_been_looked_at():
    agreement = Agreement()
    judged(agreement, 11, 5)
    assert agreement.judge(D(10), D(11), at(8), None) == "differs"
    assert judged(agreement, 11, 9, fills_until=4) == "differs"
    assert judged(agreement, 11, 10, fills_until=5) == "accepted"


def test_agreement_between_two_differences_clears_the_doubt():
    agreement = Agreement()
    reads = [judged(agreement, read, s) for s, read in ((5, 11), (8, 10), (11, 11))]
    assert reads == ["differs", "agrees", "differs"]


def test_an_order_event_soon_after_a_read_makes_the_read_worthless():
    agreement = Agreement()
    judged(agreement, 11, 5)
    agreement.touch(at(6))
    assert not agreement.in_doubt
    assert judged(agreement, 11, 9) == "differs"


def test_an_order_event_long_after_a_read_leaves_its_doubt():
    agreement = Agreement()
    judged(agreement, 11, 5)
    agreement.touch(at(7))
    assert agreement.in_doubt


def test_a_clock_set_back_does_not_make_every_read_a_lagging_one():
    """An hour back: the last order event lies an hour ahead, and is not within two seconds."""
    agreement = Agreement()
    agreement.touch(at(3600))
    judged(agreement, 11, 3700)
    assert [judged(agreement, 11, 0), judged(agreement, 11, 3)] == ["differs", "accepted"]


def test_a_position_is_the_total_beyond_keep():
    assert Wallet(total=D(3), keep=D("0.5")).position == D("2.5")
    assert Wallet(total=D("0.3"), keep=D("0.5")).position == 0
    assert Wallet(total=D(3), keep=None).position == 0
    assert Wallet(total=D(-1), keep=D("0.5")).position == -1
    assert Wallet(total=D(-1), keep=None).position == 0


def test_what_is_kept_held_or_reserved_is_not_free():
    wallet = Wallet(total=D(10), keep=D(1), held=D(2), reserved=D(3), foreign_hold=D("0.5"))
    assert wallet.free == D("3.5")
    assert Wallet(total=D(10), keep=None).free == 0


def test_a_wallet_never_seen_is_not_an_empty_one():
    wallets = Wallets({"BTC": D(1)})
    assert wallets.free("BTC") is None
    assert wallets.get("BTC").keep == 1
    assert wallets.get("BTC") is wallets.get("BTC")
    assert wallets.free("BTC") == -1


@pytest.mark.parametrize(("mark", "value"), [(D(5), 50), (None, 0)])
def test_the_worth_of_all_wallets_follows_each(mark, value):
    wallets = Wallets({})
    wallets.move(wallets.get("ABC"), D(10), mark)
    wallets.move(wallets.get("USD"), D(7), D(1))
    assert wallets.value == value + 7


def test_doubts_are_listed_while_they_last():
    wallets, doubtful = Wallets({}), Agreement(suspect=D(1))
    wallets.note_doubt("BTC", doubtful)
    assert wallets.in_doubt == {"BTC"}
    wallets.note_doubt("BTC", Agreement())
    assert wallets.in_doubt == set()
