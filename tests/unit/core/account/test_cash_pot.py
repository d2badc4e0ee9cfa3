"""CashPot: dollars that move between the wallets of dollars are no transfer."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary import events as ev
from tests.scenario import D
from tests.tracking import Desk


def read(desk: Desk, usd: object, usdc: object) -> None:
    """Both wallets in one reading."""
    balances = (ev.Balance("USD", D(usd), D(0)), ev.Balance("USDC", D(usdc), D(0)))
    desk.send(ev.BalancesRead, balances=balances, fills_until=desk.now)
    desk.wait(3)


def opened() -> Desk:
    """1,000 in each."""
    desk = Desk()
    for _ in range(2):
        read(desk, 1000, 1000)
    return desk


def moved(desk: Desk) -> tuple[object, ...]:
    return desk.tracker.transfers - 2000, desk.wallet("USD"), desk.wallet("USDC")


@pytest.mark.parametrize("came", ["1099.995", "1100", "1100.005"])
def test_what_left_one_wallet_and_came_into_the_other_was_converted_at_once(came):
    desk = opened()
    read(desk, 900, came)
    assert moved(desk) == (0, 900, D(came))


@pytest.mark.parametrize(
    ("came", "lost"), [("1099.99", "-0.01"), ("1100.01", "0.01"), ("1050", -50)]
)
def test_the_rest_of_a_conversion_is_a_transfer_once_it_is_read_again(came, lost):
    desk = opened()
    read(desk, 900, came)
    assert moved(desk) == (0, 1000, 1000)
    read(desk, 900, came)
    assert moved(desk) == (D(lost), 900, D(came))


@pytest.mark.parametrize("currency", ["USD", "USDC"])
def test_the_first_doubt_of_the_pot_is_its_oldest(currency):
    desk = opened()
    read(desk, 900, 950)
    oldest = desk.tracker.wallets.get(currency).agreement.doubt
    assert oldest is not None
    oldest.first_at -= timedelta(seconds=1)
    shown = desk.tracker.balances.pot.first_shown()
    assert shown is not None
    assert shown.doubt is oldest


def test_a_conversion_that_is_set_right_may_be_lacked_by_the_next_reading():
    """And it is no exposure."""
    desk = opened()
    read(desk, 900, 1100)
    read(desk, 1000, 1000)
    assert desk.tracker.wallets.in_doubt == set()
    assert [desk.tracker.wallets.get(one).agreement.swept(desk.now) for one in ("USD", "USDC")] == [100, 0]  # fmt: skip
    assert desk.tracker.account.lines == {}


@pytest.mark.parametrize(("count", "known"), [(31, 31 * 32), (32, 1)])
def test_of_too_many_explanations_the_one_that_is_shown_counts(count, known):
    """Both wallets trade all the time, so that each reading allows for many differences."""
    desk = opened()
    read(desk, 900, 950)
    for currency, number in (("USD", count), ("USDC", 32)):
        doubt = desk.tracker.wallets.get(currency).agreement.doubt
        assert doubt is not None
        doubt.candidates = tuple(doubt.difference - one for one in range(number))
    shown = desk.tracker.balances.pot.first_shown()
    assert shown is not None
    assert (len(shown.candidates), shown.candidates[0]) == (known, -150)
