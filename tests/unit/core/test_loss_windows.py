"""A loss window: where losses count from, and what their ratio is taken of."""

from sidecar.core.loss_windows import Window
from tests.scenario import START, D

WINDOW = Window(started_at=START, net_pnl=D(500), equity=D(10_000), transfers=D(200))


def test_a_loss_is_the_fall_of_net_pnl_since_the_start():
    assert WINDOW.loss(D(300)) == 200
    assert WINDOW.loss(D(600)) == -100


def test_the_base_is_the_equity_at_the_start_plus_net_transfers_since():
    assert WINDOW.base(D(200)) == 10_000
    assert WINDOW.base(D(1200)) == 11_000
    assert WINDOW.base(D(-9800)) == 0
