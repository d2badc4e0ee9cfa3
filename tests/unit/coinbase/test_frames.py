"""Which channels are asked for, and which are read. What is read of each: test_recorded_shapes.py."""

from sidecar.coinbase import frames
from sidecar.paper.service import channels


def test_every_channel_that_is_asked_for_is_read():
    """And every reader is of a channel that a feed asks for: a frame is read, or never comes."""
    asked = {*frames.USER_CHANNELS, *frames.MARKET_CHANNELS}
    assert asked - {"heartbeats"} == frames.READERS.keys() - {"subscriptions"}
    assert asked >= {*frames.OPTIONAL_CHANNELS}


def test_every_reader_is_of_a_channel():
    """A message that has a shape and a reader, but no channel, would be read by nobody."""
    written = {one for name, one in vars(frames).items() if name.startswith("_read_")}
    assert written == set(frames.READERS.values())


def test_a_channel_of_products_is_asked_for_by_their_names_and_no_other_is():
    """As the paper exchange serves them. A channel that is not served holds up its whole feed."""
    asked = {*frames.USER_CHANNELS, *frames.MARKET_CHANNELS}
    assert asked <= channels.CHANNELS
    assert asked & channels.MARKET_CHANNELS == frames.PRODUCT_CHANNELS
