"""TransferDoubts: by how much transfers of unknown time may change a unit's worth."""

from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.money import ONE, ZERO
from tests.decisions import connected
from tests.scenario import D


def doubtful():
    """One bitcoin; two more are read once, and the price falls by a half."""
    world = connected(held=1, also={"USD": 0})
    world.stand("BTC-USD", 64_000)
    read(world, 1)
    world.wait(3)
    read(world, 3)
    world.stand("BTC-USD", 32_000)
    return world, world.tracker.loss_accounting.doubts


def read(world, btc, usd=0):
    rows = (ev.Balance("BTC", D(btc)), ev.Balance("USD", D(usd)))
    world.send(ev.BalancesRead, balances=rows, fills_until=world.now, is_complete=True)


def test_without_a_doubt_no_unit_has_another_worth():
    doubts = connected(held=1).tracker.loss_accounting.doubts
    assert doubts.open_moves() == []
    assert doubts.open_share([], max, ZERO, ZERO) == doubts.visited_share(ZERO) == ONE


def test_coins_that_may_have_come_before_the_fall_had_part_in_it_or_none():
    _world, doubts = doubtful()
    [moved] = doubts.open_moves()
    now = [moved.as_of_now(ZERO, ZERO)]
    assert doubts.open_share(now, max, ZERO, ZERO) >= ONE >= doubts.open_share(now, min, ZERO, ZERO)


def test_a_share_is_worked_out_once_a_version():
    world, doubts = doubtful()
    first = doubts.open_moves()
    now = [moved.as_of_now(ZERO, ZERO) for moved in first]
    share = doubts.open_share(now, min, ZERO, ZERO)
    assert doubts.open_moves() is first
    assert doubts.open_share(now, min, ZERO, ZERO) is share
    world.tracker.moved()
    assert doubts.open_moves() is not first
    assert doubts.open_share(now, min, ZERO, ZERO) is not share
    assert doubts.open_share(now, min, ZERO, ZERO) == share


def test_dollars_that_came_and_went_may_have_shared_the_loss():
    """One bitcoin lost a half; with half as many dollars beside it, as much as the account is worth now, a third."""
    world = connected(held=1, also={"USD": 0})
    doubts = world.tracker.loss_accounting.doubts
    read(world, 1)
    world.wait(3)
    read(world, 1, usd=64_000)
    world.stand("BTC-USD", 32_000)
    read(world, 1)
    assert doubts.open_moves() == []
    assert doubts.visited_share(ZERO).quantize(D("0.0001")) == D(
        "1.3333"
    )  # two thirds, over a half
