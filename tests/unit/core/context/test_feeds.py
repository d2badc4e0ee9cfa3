"""Whether what Coinbase streams can be believed."""

from datetime import timedelta
from itertools import product as pairs

import pytest

from sidecar.core.context.feeds import USER_FEED, Feeds
from tests.scenario import START


def user(*signals):
    feeds = Feeds(connected=True)
    for signal in signals:
        if signal == "reconciled":
            feeds.reconciled(None, START)
        else:
            feeds.signal("user", signal, START)
    return feeds.user


def market(*signals):
    feeds = Feeds(connected=True)
    for second, signal in enumerate(signals):
        feeds.signal("market", signal, START + timedelta(seconds=second))
    return feeds.market, feeds.market_whole_since


def test_without_a_connection_the_callers_word_counts_as_live():
    feeds = Feeds(connected=False)
    assert (feeds.user, feeds.market, feeds.market_whole_since) == ("live", "live", None)


def test_the_user_feeds_table_holds_every_pair():
    states, signals = ("down", "suspect", "live"), ("connected", "gap", "lost", "reconciled")
    assert set(USER_FEED) == set(pairs(states, signals))


@pytest.mark.parametrize(
    ("signals", "state"),
    [
        ((), "down"),
        (("connected",), "suspect"),
        (("connected", "reconciled"), "live"),
        (("connected", "reconciled", "gap"), "suspect"),
        (("connected", "reconciled", "gap", "reconciled"), "live"),
        (("connected", "reconciled", "lost"), "down"),
        (("connected", "reconciled", "lost", "reconciled"), "down"),
        (("reconciled",), "down"),
        (("gap",), "down"),
    ],
)
def test_a_user_feed_is_believed_only_after_a_reconciliation_while_connected(signals, state):
    assert user(*signals) == state


@pytest.mark.parametrize("signal", ["connected", "gap"])
@pytest.mark.parametrize(("began_s", "state"), [(9, "suspect"), (10, "live"), (11, "live")])
def test_a_reading_that_began_before_the_doubt_heals_nothing(signal, began_s, state):
    """What the lost frames told may have come after its orders were listed."""
    feeds = Feeds(connected=True)
    feeds.signal("user", "connected", START)
    feeds.signal("user", signal, START + timedelta(seconds=10))
    feeds.reconciled(START + timedelta(seconds=began_s), START + timedelta(seconds=12))
    assert feeds.user == state


def test_a_clock_that_was_set_back_puts_healing_off_by_one_reading():
    feeds = Feeds(connected=True)
    feeds.signal("user", "connected", START)
    earlier = START - timedelta(hours=1)
    feeds.reconciled(earlier, earlier + timedelta(seconds=1))
    assert feeds.user == "suspect"
    feeds.reconciled(earlier + timedelta(seconds=1), earlier + timedelta(seconds=2))
    assert feeds.user == "live"


@pytest.mark.parametrize(
    ("signals", "state", "whole_s"),
    [
        (("connected",), "live", 0),
        (("connected", "gap"), "live", 1),
        (("connected", "lost"), "down", 0),
        (("connected", "lost", "gap"), "down", 0),
        (("connected", "lost", "connected"), "live", 2),
    ],
)
def test_a_market_feed_heals_with_its_next_quotes(signals, state, whole_s):
    """Quotes from before a break are not believed; only a connection brings a lost feed back."""
    assert market(*signals) == (state, START + timedelta(seconds=whole_s))


def test_a_market_feed_that_never_connected_is_down():
    assert market("gap") == ("down", None)
