"""The unrealised loss of contracts against the margin posted: 100 contracts of 0.01 BTC at 64,000, 16,000 USD posted."""

import pytest

from sidecar.core.account.losses import AT_MARKS, Shift
from sidecar.core.account.margin import margin_drawdown
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted
from tests.decisions import funded
from tests.scenario import FUTURE, D, World


def held(margin=16_000, contracts=100, side="BUY"):
    world = World()
    world.fill(side, contracts, 64_000, product_id=FUTURE)
    return funded(world, margin=margin)


def lost(world, shift=AT_MARKS):
    """The loss of a margin that is known."""
    loss = margin_drawdown(world.tracker, shift)
    assert loss is not None
    return loss


@pytest.mark.parametrize(("side", "price"), [("BUY", 60_000), ("SELL", 68_000)])
def test_a_loss_is_a_part_of_the_margin_whatever_the_side(side, price):
    world = held(side=side)
    world.quote(FUTURE, price)
    loss = lost(world)
    assert (loss.usd, loss.base, loss.ratio) == (4_000, 16_000, D("0.25"))


def test_a_gain_is_no_loss():
    world = held()
    world.quote(FUTURE, 70_000)
    assert lost(world).usd == 0


def test_the_loss_counts_from_the_entry_that_coinbase_states():
    """Of contracts from before the first start too."""
    world = World()
    for _ in range(2):
        position = ev.FuturesPosition(FUTURE, D(100), D(70_000))
        world.send(ev.FuturesRead, positions=(position,), fills_until=world.now)
        world.wait(3)
    assert lost(funded(world, margin=16_000)).usd == 6_000


def test_a_margin_that_is_not_told_gives_no_figure_and_none_without_a_loss_is_none():
    world = held(margin=None)
    assert margin_drawdown(world.tracker) is None
    assert margin_drawdown(World().tracker) is None
    assert lost(funded(World(), margin=0)).usd == 0
    world = held(margin=0)
    world.quote(FUTURE, 63_999)
    assert margin_drawdown(world.tracker) is None


def test_at_other_prices_the_contracts_alone_are_reckoned():
    world = held()
    world.hold(1)
    shift = Shift({FUTURE: D(-1_000), "BTC": D(-1_000)}, D(-500))
    assert lost(world, shift).usd == 1_500


def test_a_margin_beyond_all_bounds_is_no_margin():
    with pytest.raises(Untrusted):
        held(margin="1e30")
