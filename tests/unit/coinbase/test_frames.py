"""Which channels are asked for, and which are read. What is read of each: test_recorded_shapes.py."""

from sidecar.coinbase import frames
from sidecar.paper.service import channels

ASKED = {*frames.USER_CHANNELS, *frames.MARKET_CHANNELS, *frames.DEPTH_CHANNELS}
DATA_OF = {"level2": "l2_data"}  # frames that go by another name than their subscription


def test_every_channel_that_is_asked_for_is_read():
    """And every reader is of a channel that a feed asks for: a frame is read, or never comes."""
    told = {DATA_OF.get(channel, channel) for channel in ASKED}
    assert told - {"heartbeats"} == frames.READERS.keys() - {"subscriptions"}
    assert {*frames.OPTIONAL_CHANNELS} <= ASKED


def test_every_reader_is_of_a_channel():
    """A message that has a shape and a reader, but no channel, would be read by nobody."""
    written = {one for name, one in vars(frames).items() if name.startswith("_read_")}
    assert written == set(frames.READERS.values())


def test_a_channel_of_products_is_asked_for_by_their_names_and_no_other_is():
    """As the paper exchange serves them. A channel that is not served holds up its whole feed."""
    assert ASKED <= channels.CHANNELS
    assert ASKED & channels.MARKET_CHANNELS == frames.PRODUCT_CHANNELS


def test_no_connection_has_two_channels_of_products():
    """A session splits the products of one, and asks for those of one again."""
    for asked in (frames.USER_CHANNELS, frames.MARKET_CHANNELS, frames.DEPTH_CHANNELS):
        assert len(frames.PRODUCT_CHANNELS & {*asked}) <= 1


def test_depth_and_prices_are_on_connections_of_their_own():
    assert frames.LEVEL2 not in frames.MARKET_CHANNELS
    assert frames.TICKER not in frames.DEPTH_CHANNELS
