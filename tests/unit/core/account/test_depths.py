"""The order books as far as they are known, and since when."""

from datetime import timedelta

import pytest

from sidecar.core.account.depths import DEPTHS_MAX, Depths
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import LEVELS_MAX, Depth, DepthHolds, DepthSeen
from tests.scenario import START, D

AGE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
GOOD = ((D(99), D(1)),), ((D(101), D(1)),)

OTHER = (((D(90), D(1)),), ((D(110), D(1)),))


def depth(name="X-USD", at=START, sides=GOOD):
    bids, asks = sides
    return Depth(name, bids, asks, at)


def seen(*books):
    depths = Depths()
    depths.see(DepthSeen(at=START, books=books))
    return depths


def test_a_depth_is_believed_at_its_age_and_no_older():
    depths = seen(depth())
    assert depths.next_lapse(AGE) == START + AGE + timedelta.resolution
    for at, good in ((START + AGE, True), (START + AGE + timedelta.resolution, False)):
        depths.pass_time(at, AGE)
        assert depths.is_believed("X-USD") == good
        assert (depths.ladder("X-USD", "BUY") is not None) == good
    assert depths.next_lapse(AGE) is None


def test_a_clock_that_is_set_back_has_it_believed_again():
    depths = seen(depth())
    depths.pass_time(START + 2 * AGE, AGE)
    before = depths.version
    depths.pass_time(START + SECOND, AGE)
    assert depths.is_believed("X-USD")
    assert depths.version > before


def test_a_book_that_holds_keeps_its_levels_and_grows_no_older():
    depths = seen(depth(), depth("Y-USD"))
    ladder, version = depths.ladder("X-USD", "BUY"), depths.version
    depths.hold(DepthHolds(at=START + 20 * SECOND, product_ids=("X-USD", "Z-USD")))
    assert depths.version == version
    assert depths.ladder("X-USD", "BUY") is ladder
    depths.pass_time(START + 40 * SECOND, AGE)
    assert (depths.is_believed("X-USD"), depths.is_believed("Y-USD")) == (True, False)
    depths.hold(DepthHolds(at=START + 40 * SECOND, product_ids=("Y-USD",)))
    assert depths.is_believed("Y-USD")
    assert depths.changes["Y-USD"] == depths.version > version


def test_a_reading_that_the_feed_has_overtaken_changes_nothing():
    newer = depth(at=START + SECOND, sides=(((D(90), D(1)),), ((D(92), D(1)),)))
    depths = seen(newer)
    depths.see(DepthSeen(at=START + SECOND, books=(depth(),)))
    depths.hold(DepthHolds(at=START, product_ids=("X-USD",)))
    assert depths.known["X-USD"] is newer


@pytest.mark.parametrize(
    "sides",
    [
        (((D(99), D(1)), (D(99), D(1))), GOOD[1]),
        (((D(98), D(1)), (D(99), D(1))), GOOD[1]),
        (GOOD[0], ((D(102), D(1)), (D(101), D(1)))),
        (GOOD[0], ((D(101), D(0)),)),
        (((D(-1), D(1)),), GOOD[1]),
        (((D("NaN"), D(1)),), GOOD[1]),
        (GOOD[0], tuple((D(101 + number), D(1)) for number in range(LEVELS_MAX + 1))),
    ],
)
def test_a_depth_that_cannot_be_is_left_out_with_all_that_came_with_it(sides):
    depths = seen()
    with pytest.raises(Untrusted, match="the depth of Y-USD cannot be"):
        depths.see(DepthSeen(at=START, books=(depth(), depth("Y-USD", sides=sides))))
    assert not depths.known


def test_no_more_books_are_kept_than_may_be_of_use():
    names = [f"X{number}-USD" for number in range(DEPTHS_MAX + 1)]
    depths = seen(depth("X1-USD"))
    assert depths.ladder("X1-USD", "BUY")
    depths.see(DepthSeen(at=START, books=tuple(depth(name) for name in names[2:])))
    depths.see(DepthSeen(at=START, books=(depth("X0-USD"), depth("Y-USD"))))
    assert len(depths.known) == DEPTHS_MAX
    assert not depths.is_believed("X1-USD")


def test_a_book_without_two_sides_has_nothing_to_walk():
    depths = seen(depth(sides=((), GOOD[1])))
    assert depths.is_believed("X-USD")
    assert depths.ladder("X-USD", "BUY") is None
    assert depths.ladder("Y-USD", "BUY") is None


def test_a_new_process_begins_without_any():
    depths = seen(depth())
    version = depths.version
    depths.forget()
    assert (depths.known, depths.next_lapse(AGE)) == ({}, None)
    assert depths.version > version


def test_after_a_clock_was_set_back_the_depth_of_now_counts_and_that_of_then_is_gone():
    """It would be believed, and every new one dropped, for as long as the clock was set back."""
    then, hour = START + 60 * 60 * SECOND, 60 * 60 * SECOND
    depths = seen(depth(at=then), depth("Y-USD", at=then))
    depths.see(DepthSeen(at=then - hour, books=(depth(at=then - hour, sides=OTHER),)))
    assert depths.known["X-USD"].bids == OTHER[0]
    version = depths.version
    depths.pass_time(then - hour, AGE)
    assert (depths.is_believed("X-USD"), depths.is_believed("Y-USD")) == (True, False)
    assert depths.changes["Y-USD"] > version
