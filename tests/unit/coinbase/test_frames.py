"""Which channels are asked for, and which are read. What is read of each: test_recorded_shapes.py."""

from sidecar.coinbase import frames


def test_every_channel_that_is_asked_for_is_read():
    """And every reader is of a channel that a feed asks for: a frame is read, or never comes."""
    asked = {*frames.USER_CHANNELS, *frames.MARKET_CHANNELS}
    assert asked - {"heartbeats"} == frames.READERS.keys() - {"subscriptions"}
    assert asked >= {*frames.OPTIONAL_CHANNELS}
