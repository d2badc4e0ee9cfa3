"""PricePath: moments at which prices had moved between two readings."""

from datetime import timedelta

from msgspec.structs import replace

from sidecar.core.account.moved import Point
from sidecar.core.account.price_path import MOMENTS_MAX, PricePath
from tests.decisions import connected
from tests.scenario import START, D


def moment(second, **prices):
    known = {key: D(value) for key, value in prices.items()}
    return Point(D(0), D(1), D(0), START + timedelta(seconds=second), prices=known)


def test_prices_have_moved_by_more_than_a_hundredth_of_equity():
    path = PricePath()
    path.stand(START, D(50), D(1_000))
    assert [path.has_left(D(pnl)) for pnl in (39, 40, 60, 61)] == [True, False, False, True]


def test_the_moments_between_two_readings_have_the_price_of_the_key_then():
    path = PricePath()
    for second in range(5):
        path.note(moment(second, BTC=100 + second))
    between = path.between(path.known[0].order, path.known[4].order, "BTC", None)
    assert [one.price for one in between] == [101, 102, 103]
    assert between[0] == replace(path.known[1], price=D(101))


def test_cash_has_one_price_and_a_coin_without_a_price_no_moment():
    path = PricePath()
    path.note(moment(1, BTC=100))
    span = (moment(0).order, moment(2).order)
    assert [one.price for one in path.between(*span, "USDC", D("0.99"))] == [D("0.99")]
    assert path.between(*span, "ETH", None) == []


def test_only_the_last_moments_are_kept():
    path = PricePath()
    for second in range(MOMENTS_MAX + 2):
        path.note(moment(second))
    assert [one.at for one in path.known] == [
        START + timedelta(seconds=second) for second in range(2, MOMENTS_MAX + 2)
    ]


def test_the_books_note_a_moment_whenever_prices_have_moved():
    """The mark of then is open until it is confirmed."""
    world = connected(held=1)
    world.stand("BTC-USD", 64_000)
    books = world.tracker.books
    books.path.known.clear()
    world.quote("BTC-USD", 64_010)
    assert books.path.known == []
    world.quote("BTC-USD", 60_000)
    (noted,) = books.path.known
    assert noted.prices["BTC"] == 64_000
    assert books.readings.found(noted, "BTC").price == 64_000
    world.stand("BTC-USD", 60_000)
    assert books.readings.found(replace(noted, price=noted.prices["BTC"]), "BTC").price == 60_000
    assert len(books.path.known) == 1


def test_moments_of_one_time_are_several():
    world = connected(held=1)
    world.stand("BTC-USD", 64_000)
    books = world.tracker.books
    books.path.known.clear()
    for price in (60_000, 50_000):
        world.quote("BTC-USD", price)
    first, second = books.path.known
    assert first.at is not None
    assert second.at == first.at + timedelta.resolution


def test_a_moment_is_later_than_the_last_one():
    path = PricePath()
    assert path.time_of(START) == START
    path.stand(START, D(0), D(0))
    later = START + timedelta(seconds=1)
    assert (path.time_of(START), path.time_of(later)) == (START + timedelta.resolution, later)
    path.stand(START - timedelta(seconds=9), D(0), D(0))  # a reading that was asked for long ago
    assert path.time_of(START) == START + timedelta.resolution
