"""Wallets: what is free, what it is worth, and what of it is in doubt."""

from datetime import timedelta

import pytest

from sidecar.core.account.reconciliation import Doubt, Reconciliation
from sidecar.core.account.wallets import OWN_SALE_SHOWS_WITHIN, Wallet, Wallets
from tests.scenario import START, D


def doubting(difference):
    """One whose last reading differed by so much."""
    return Reconciliation(doubt=Doubt(difference=D(difference), since=START, first_at=START))


def test_a_position_is_the_total_beyond_keep():
    assert Wallet(total=D(3), keep=D("0.5")).position == D("2.5")
    assert Wallet(total=D("0.3"), keep=D("0.5")).position == 0
    assert Wallet(total=D(3), keep=None).position == 0
    assert Wallet(total=D(-1), keep=D("0.5")).position == -1
    assert Wallet(total=D(-1), keep=None).position == 0


def test_what_waits_for_its_first_good_mark_does_not_count():
    assert Wallet(total=D(3), keep=D(1), unpriced=D("0.5")).counted == D("1.5")
    assert Wallet(total=D(3), keep=D(1)).counted == 2


def test_what_is_kept_held_or_reserved_is_not_free():
    wallet = Wallet(total=D(10), keep=D(1), held=D(2), reserved=D(3), foreign_hold=D("0.5"))
    assert wallet.free == D("3.5")
    assert Wallet(total=D(10), keep=None).free == 0


@pytest.mark.parametrize(("difference", "free"), [(-4, 6), (4, 10)])
def test_in_doubt_the_smaller_figure_is_free(difference, free):
    wallet = Wallet(total=D(10), agreement=doubting(difference))
    assert (wallet.doubted, wallet.free) == (difference, free)


def test_without_a_doubt_nothing_is_doubted():
    assert Wallet(total=D(10)).doubted == 0


def test_a_balance_may_hold_an_own_sale_for_a_minute_after_it():
    """It would be sold again: a flattening's sale shows with a lag."""
    wallet = Wallet(total=D(1), own_sale_at=START)
    over = START + OWN_SALE_SHOWS_WITHIN
    assert wallet.may_hold_own_sale(D(1), over - timedelta(seconds=1))
    assert not wallet.may_hold_own_sale(D(1), over)
    assert not wallet.may_hold_own_sale(D(-1), START)
    assert not wallet.may_hold_own_sale(D(0), START)
    assert not Wallet(total=D(1)).may_hold_own_sale(D(1), START)


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


def test_what_is_kept_is_worth_nothing_to_equity():
    """It is in no denominator: a loss of what is traded is a loss of that."""
    wallets = Wallets({"BTC": D(2), "ETH": None})
    wallets.move(wallets.get("BTC"), D(3), D(100))
    wallets.move(wallets.get("ETH"), D(3), D(100))
    assert wallets.value == 100


def test_doubts_are_listed_while_they_last():
    wallets = Wallets({})
    wallets.note_doubt("BTC", doubting(1))
    assert wallets.in_doubt == {"BTC"}
    wallets.note_doubt("BTC", Reconciliation())
    assert wallets.in_doubt == set()
