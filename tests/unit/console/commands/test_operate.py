"""The operators' verbs: what they may be given is what the core takes."""

from typing import get_args

from sidecar.console.commands.operate import WINDOWS
from sidecar.core.vocabulary.events import LossWindow


def test_a_loss_may_be_reset_in_each_window_of_the_core():
    """Written again, so that a verb need not import the core's facts."""
    assert get_args(LossWindow) == WINDOWS
