"""Terms: an approval covers an order no larger and no worse in price, and exactly as large and as good."""

import pytest

from sidecar.core.account.terms import ROUNDING, Shown, Terms
from tests.scenario import D


@pytest.mark.parametrize(
    ("terms", "shown", "further"),
    [
        (Terms(size=D(2)), Shown("BUY", size=D(2)), Shown("BUY", size=D("2.1"))),
        (Terms(price=D(100)), Shown("BUY", price=D(100)), Shown("BUY", price=D("100.1"))),
        (Terms(price=D(100)), Shown("SELL", price=D(100)), Shown("SELL", price=D("99.9"))),
        (Terms(stop=D(90)), Shown("BUY", stop=D(90)), Shown("BUY", stop=D("90.1"))),
        (Terms(stop=D(90)), Shown("SELL", stop=D(90)), Shown("SELL", stop=D("89.9"))),
        (
            Terms(quote_size=D(1000)),
            Shown("BUY", paid=1000 * ROUNDING),
            Shown("BUY", paid=1000 * ROUNDING + D("0.01")),
        ),
    ],
)
def test_what_was_approved_is_covered_to_its_last_digit(terms, shown, further):
    assert terms.excess(shown) == ""
    assert terms.excess(further)


def test_the_size_of_an_order_in_quote_currency_is_an_estimate_until_it_is_stated():
    terms = Terms(size=D(2), quote_size=D(1000))
    assert terms.excess(Shown("BUY", size=D(3))) == ""
    assert terms.excess(Shown("BUY", size=D(3), is_stated=True)) == "larger than approved 2"


def test_a_market_order_is_not_what_was_approved_with_a_limit():
    market = Shown("BUY", size=D(1), is_market=True)
    assert Terms(price=D(100)).excess(market)
    assert Terms().excess(market) == ""


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_price_that_is_not_told_or_was_left_open_is_not_judged(side):
    assert Terms(price=D(100), stop=D(90), size=D(1)).excess(Shown(side)) == ""
    assert Terms().excess(Shown(side, size=D(1), price=D(100), stop=D(90))) == ""
