"""DoubtWatch: what Coinbase and the books disagree on is read again, told, and lifted when explained."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from sidecar.core.guards.doubt_watch import PAUSE_MAX
from sidecar.core.views import status
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, Reconcile, WakeAt
from sidecar.core.vocabulary.events import WalletApart
from tests.decisions import CONNECTED, connected, of_kind, restarted
from tests.scenario import FUTURE, D, World, limit_order


def doubting(currency="USD", total=90_000, **fields):
    """A world that was just told another figure than its books have."""
    world = connected(held=1, **fields)
    world.wait(10)
    world.balance(currency, total)
    return world


def asked(actions):
    return [one.reason for one in of_kind(actions, Reconcile)]


def test_wallets_that_are_not_counted_are_told_once_until_they_are_gone():
    world = connected(held=1)
    told, seen = [], []
    for words in ("3 and 10", "3 and 11", None, "3 and 12"):
        apart = () if words is None else (WalletApart("BTC", words),)
        world.wait(60)
        balances = (ev.Balance("USD", D(100_000)), ev.Balance("BTC", D(1)))
        actions = world.send(ev.BalancesRead, balances=balances, fills_until=world.now, apart=apart)
        told += [one.text for one in of_kind(actions, Alert) if one.code == "WALLET_NOT_COUNTED"]
        seen.append(status(world.manager, world.now)["doubts"])
    assert [text.endswith(words) for text, words in zip(told, ("3 and 10", "3 and 12"), strict=True)] == [True, True]  # fmt: skip
    assert seen == [["wallets of BTC: 3 and 10"], ["wallets of BTC: 3 and 11"], [], ["wallets of BTC: 3 and 12"]]  # fmt: skip
    world.quote("BTC-USD", 64_000)
    assert world.ask(limit_order("0.01", 64_000))


def unexplained(world):
    return [cause.scope for cause in world.manager.state.causes.values() if cause.code == "BALANCE_UNEXPLAINED"]  # fmt: skip


def woken(world, seconds):
    """Let time pass as the core asks to be woken; when it asked for a reading, in seconds."""
    end, since, found = world.now + timedelta(seconds=seconds), world.now, []
    while world.now < end:
        wakes = [one.at for one in of_kind(world.actions, WakeAt)]
        actions = world.wait(to=min([*wakes, end]) if wakes else end)
        found += [(world.now - since).total_seconds() for _ in asked(actions)]
    return found


def test_a_doubt_is_read_again_with_growing_pauses():
    """2 s, then 4, 8, 16, 30."""
    assert woken(doubting(), 95) == [2, 6, 14, 30, 60, 90]
    assert timedelta(seconds=30) == PAUSE_MAX


def test_waits_for_coinbase_go_by_the_walls_clock():
    world = doubting(settings=replace(CONNECTED, time_scale=10.0))
    assert woken(world, 65) == [20, 60]
    assert unexplained(world) == []
    world.wait(90)
    assert unexplained(world) == ["all"]


def test_what_is_in_doubt_is_named_in_the_request():
    world = doubting()
    world.balance("BTC", 2)
    assert asked(world.wait(2)) == ["in doubt: BTC, USD"]


def test_another_doubt_is_read_again_as_soon_as_the_first_was():
    """The pauses of the first have grown meanwhile."""
    world = doubting()
    woken(world, 15)
    world.balance("BTC", 2)
    assert woken(world, 7) == [2, 6]


def test_a_difference_that_readings_repeat_may_wait_for_a_lag_and_another_may_not():
    world = doubting()
    doubt = world.tracker.wallets.get("USD").agreement.doubt
    patience = world.manager.doubts._patience
    assert patience(doubt) == timedelta(seconds=15)
    doubt.repeated = True
    assert patience(doubt) == timedelta(seconds=45)
    doubt.first_at += timedelta(seconds=1)  # of what differed at first, nothing is known
    assert patience(doubt) == timedelta(seconds=15)


def test_an_explained_doubt_asks_for_nothing_and_the_next_begins_with_a_short_pause():
    world = doubting()
    woken(world, 20)
    world.balance("USD", 100_000)
    assert woken(world, 60) == []
    world.balance("USD", 80_000)
    assert woken(world, 7) == [2, 6]


@pytest.mark.parametrize(
    ("currency", "total", "scope", "text"),
    [
        ("USD", 90_000, "all", "10000 less of USD"),
        ("BTC", "1.5", "key:BTC", "0.5 more of BTC"),
    ],
)
def test_one_that_lasts_fifteen_seconds_restricts_its_scope(currency, total, scope, text):
    world = doubting(currency, total)
    world.wait(14.9)
    assert unexplained(world) == []
    (alert,) = of_kind(world.wait(0.1), Alert)
    assert unexplained(world) == [scope]
    assert alert.text == f"Coinbase shows {text} than fills and transfers explain"
    assert not of_kind(world.wait(10), Alert)


def test_only_its_key_is_restricted():
    world = doubting("BTC", "1.5")
    world.wait(15)
    for book in ("BTC-USD", "ETH-USD"):
        world.quote(book, 2000)
    assert "STATE_REDUCE_ONLY" in world.ask(limit_order("0.1", 2000)).codes
    assert world.ask(limit_order("0.1", 2000, product_id="ETH-USD"))


def test_a_contract_may_be_in_doubt():
    world = connected()
    world.wait(10)
    position = ev.FuturesPosition(FUTURE, D(3), None)
    world.send(ev.FuturesRead, positions=(position,), fills_until=world.now)
    world.wait(15)
    assert unexplained(world) == [f"key:{FUTURE}"]


@pytest.mark.parametrize("total", [100_000, 90_000])
def test_it_ends_when_a_reading_agrees_or_repeats_itself(total):
    world = doubting()
    world.wait(15)
    world.balance("USD", total)
    assert unexplained(world) == []


def test_a_new_process_reads_anew_what_was_in_doubt():
    """Nothing is approved before it has read the balances: the difference is a doubt again, or is none."""
    world = doubting()
    world.wait(10)
    again = restarted(world)
    assert again.manager.doubts.doubts() == {}
    assert again.tracker.wallets.in_doubt == set()
    again.balance("USD", 90_000)
    assert again.tracker.wallets.in_doubt == {"USD"}


def test_without_a_doubt_there_is_nothing_to_look_for():
    world = connected()
    assert world.manager.doubts.next_look(world.now) is None
    assert World().manager.doubts.doubts() == {}
