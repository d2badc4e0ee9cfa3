"""Marks: mids within the spread cap, and routes to dollars that never depend on arrival."""

from datetime import timedelta
from itertools import permutations

import pytest

from sidecar.core.account.marks import Marks
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import Quote
from tests.scenario import FUTURE, PRODUCTS, START, D, product

LATER = START + timedelta(seconds=5)


def quoted(marks, product_id, bid, ask=None, *, at=START, now=None):
    quote = Quote(product_id, D(bid), D(bid if ask is None else ask), at)
    marks.check(quote)
    return marks.quote(quote, now or at)


def listed(*products):
    marks = Marks(D("0.05"))
    marks.list_products(products or PRODUCTS)
    return marks


def test_a_mark_is_the_mid_of_best_bid_and_ask():
    marks = listed()
    assert quoted(marks, "BTC-USD", "63999", "64002") == ("BTC",)
    assert marks.usd("BTC") == D("64000.5")


def test_a_dollar_is_a_dollar_at_all_times():
    """USDC counts 1; neither ages."""
    marks = listed(*PRODUCTS, product("USDC-USD"))
    quoted(marks, "USDC-USD", "0.9")
    for currency in ("USD", "USDC"):
        assert (marks.usd(currency), marks.by_key[currency].at) == (1, None)


@pytest.mark.parametrize(
    ("bid", "ask"), [("0", "64000"), ("0", "0"), ("64001", "64000"), ("60000", "68000"), ("1", "2")]
)
def test_crossed_empty_or_wide_quotes_leave_the_last_good_mid_growing_stale(bid, ask):
    marks = listed()
    quoted(marks, "BTC-USD", "64000")
    assert quoted(marks, "BTC-USD", bid, ask, at=LATER) == ()
    assert (marks.usd("BTC"), marks.by_key["BTC"].at) == (64000, START)
    assert marks.quotes["BTC-USD"].ask == 64000


def test_a_spread_of_exactly_the_cap_still_marks():
    marks = listed()
    quoted(marks, "BTC-USD", "97.5", "102.5")
    assert marks.usd("BTC") == 100


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-1", "1e20", "sNaN"])
def test_numbers_that_no_book_has_are_refused(bad):
    with pytest.raises(Untrusted, match="quote of BTC-USD"):
        quoted(listed(), "BTC-USD", bad)


def test_a_quote_that_comes_late_is_left_out():
    marks = listed()
    quoted(marks, "BTC-USD", 64000, at=LATER)
    assert quoted(marks, "BTC-USD", 60000, at=START, now=LATER) == ()
    assert marks.usd("BTC") == 64000


def test_after_the_clock_was_set_back_quotes_are_taken_again():
    """The one held lies in the future: it cannot be the newer one."""
    marks = listed()
    quoted(marks, "BTC-USD", 64000, at=LATER)
    quoted(marks, "BTC-USD", 60000, at=START, now=START)
    assert marks.usd("BTC") == 60000


def test_a_distinct_quote_is_one_of_another_time():
    """A price that stands still is as well known as one that moves; told twice, it is one quote."""
    marks = listed()
    for bid, at in ((64000, START), (64000, START), (64001, START), (64001, LATER)):
        quoted(marks, "BTC-USD", bid, at=at)
    assert marks.good_quotes == 2


def test_the_euro_comes_from_usdc_eur_inverted():
    marks = listed()
    assert marks.usd("EUR") is None
    assert quoted(marks, "USDC-EUR", "0.8") == ("EUR",)
    assert marks.usd("EUR") == D("1.25")


def test_a_route_is_as_old_as_its_oldest_leg():
    marks = listed(product("ABC-BTC"), product("BTC-USD"))
    quoted(marks, "BTC-USD", 60000, at=START)
    quoted(marks, "ABC-BTC", "0.5", at=LATER)
    assert (marks.usd("ABC"), marks.by_key["ABC"].at) == (30000, START)
    moved = quoted(marks, "BTC-USD", 64000, at=LATER + timedelta(seconds=1))
    assert set(moved) == {"ABC", "BTC"}
    assert (marks.usd("ABC"), marks.by_key["ABC"].at) == (32000, LATER)


def test_a_route_waits_for_every_leg():
    marks = listed(product("ABC-BTC"), product("BTC-USD"))
    quoted(marks, "ABC-BTC", "0.5")
    assert marks.usd("ABC") is None


def test_routes_depend_on_the_list_alone():
    """Whatever order products and quotes come in, the marks are the same."""
    products = [product("ABC-EUR"), product("ABC-USDC"), product("USDC-EUR"), product("BTC-USD")]
    routes = {str(sorted(listed(*order).routes.items())) for order in permutations(products)}
    assert len(routes) == 1
    assert listed(*products).routes["ABC"][0].book == "ABC-USDC"


def test_a_direct_dollar_book_wins_over_a_longer_way():
    marks = listed(product("ABC-BTC"), product("BTC-USD"), product("ABC-USD"))
    assert [step.book for step in marks.routes["ABC"]] == ["ABC-USD"]


def test_a_way_of_more_than_three_books_is_no_route():
    chain = [product(p) for p in ("A-USD", "B-A", "C-B", "D-C")]
    assert {"A", "B", "C"} == set(listed(*chain).routes)


def test_an_asset_without_route_has_no_mark_and_no_quote_moves_it():
    marks = listed(product("XYZ-ABC"))
    assert quoted(marks, "XYZ-ABC", 5) == ()
    assert marks.usd("XYZ") is None


def test_a_future_is_marked_by_its_own_book_in_dollars():
    marks = listed()
    quoted(marks, FUTURE, 64500)
    assert marks.usd(FUTURE) == 64500


def test_a_future_quoted_in_what_has_no_route_has_no_mark():
    odd = product("ODD-CDE", base="BTC", quote="ABC", is_future=True)
    assert "ODD-CDE" not in listed(odd).routes


def test_a_route_that_leads_beyond_all_bounds_marks_nothing():
    marks = listed(product("ABC-BTC"), product("BTC-USD"))
    quoted(marks, "BTC-USD", "1e19")
    quoted(marks, "ABC-BTC", "1e19")
    assert marks.usd("ABC") is None


def test_what_was_known_before_a_restart_is_known_after():
    marks, again = listed(), listed()
    quoted(marks, "BTC-USD", 64000)
    quoted(marks, "ETH-USD", 2000)
    marks.traded("ETH-USD", D(2100), START + timedelta(seconds=2))
    again.restore(marks.quotes.values(), marks.priced_by_fills())
    assert again.usd("ETH") == 2100
    assert again.by_key == marks.by_key
    assert again.quotes == marks.quotes


def test_what_came_without_a_price_is_not_priced_at_a_mark_confirmed_before():
    marks = Marks(D("0.05"))
    marks.follow("BTC", D(64_000), is_settled=True)
    assert marks.settled("BTC") == 64_000
    marks.unsettle("BTC")
    assert (marks.settled("BTC"), marks.confirmed("BTC")) == (None, 64_000)


def test_a_mark_is_late_until_it_is_so_old_and_a_dollar_never_is():
    marks, age = listed(), timedelta(seconds=60)
    assert marks.late_usd("BTC", START, age) is None
    quoted(marks, "BTC-USD", 64_000)
    assert marks.late_usd("BTC", START + age, age) == 64_000
    assert marks.late_usd("BTC", START + age + timedelta(seconds=0.001), age) is None
    assert marks.late_usd("USD", START + 2 * age, age) == 1


def test_what_begins_to_be_held_at_its_mark_has_nothing_unconfirmed():
    marks = listed()
    marks.follow("BTC", D(100), D(110))
    assert marks.unconfirmed == {"BTC"}
    marks.follow("BTC", D(110), D(110))
    assert marks.unconfirmed == set()
