"""An order: which kinds rest, what makes two of them identical, and how many faults are named."""

import pytest

from sidecar.core.vocabulary.order_body import KINDS
from sidecar.core.vocabulary.orders import InvalidOrder, Order, fingerprint
from tests.scenario import D

RESTING = {
    *("limit_limit_gtc", "limit_limit_gtd", "twap_limit_gtd", "scaled_limit_gtc"),
    *("stop_limit_stop_limit_gtc", "stop_limit_stop_limit_gtd"),
    *("trigger_bracket_gtc", "trigger_bracket_gtd"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_known_which_kinds_lie_on_the_book(kind):
    assert Order("one", "BTC-USD", "BUY", kind).rests == (kind in RESTING)


def test_an_order_without_a_limit_is_a_market_order():
    assert Order("one", "BTC-USD", "BUY", "market_market_ioc").is_market
    assert not Order("one", "BTC-USD", "BUY", "sor_limit_ioc", limit_price=D(1)).is_market


def test_of_a_bracket_the_limit_that_was_written_is_its_target():
    bracket = Order(
        "one", "BTC-USD", "SELL", "trigger_bracket_gtc", limit_price=D(38), prices=(D(60), D(40))
    )
    plain = Order("one", "BTC-USD", "SELL", "limit_limit_gtc", limit_price=D(38))
    assert (bracket.given_limit, plain.given_limit) == (60, 38)


def test_orders_are_identical_whatever_their_id_and_the_noughts_of_their_numbers():
    one = Order("one", "BTC-USD", "BUY", "limit_limit_gtc", base_size=D("0.10"), limit_price=D(64))
    other = Order("two", "BTC-USD", "BUY", "limit_limit_gtc", base_size=D("0.1"), limit_price=D(64))
    dearer = Order(
        "one", "BTC-USD", "BUY", "limit_limit_gtc", base_size=D("0.1"), limit_price=D(65)
    )
    assert fingerprint(one) == fingerprint(other) != fingerprint(dearer)


@pytest.mark.parametrize(("faults", "named"), [(19, 19), (20, 20), (21, 21), (1000, 21)])
def test_twenty_faults_are_named_and_the_rest_is_counted(faults, named):
    error = InvalidOrder([("INVALID_ORDER", f"fault {number}") for number in range(faults)])
    assert len(error.faults) == named
    rest = f"and {faults - 20} faults more" if faults > 20 else f"fault {faults - 1}"
    assert error.faults[-1] == ("INVALID_ORDER", rest)
