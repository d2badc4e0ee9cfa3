"""Which books are followed when there is not room for all."""

from datetime import timedelta

import msgspec
import pytest

from sidecar.coinbase.frames import Ticker, TickerRow
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon import streams
from sidecar.daemon.conflation import Conflation
from sidecar.daemon.engine import Faulted
from sidecar.daemon.streams import Streams
from tests.daemon_parts import Running
from tests.scenario import PRODUCTS, World, limit_order, product

ASKED = ("AAA-USD", "BBB-USD", "CCC-USD", "DDD-USD")


class Following(Running):
    """Follows four books at most; one is configured, one is held."""

    def __init__(self):
        others = [product(name) for name in (*ASKED, "ZZZ-USD", "YYY-USD", "XXX-USD")]
        super().__init__(World(products=(*PRODUCTS, *others), allow_products=None))
        self.streams = Streams(self.engine, lambda: self.world.now, Conflation(0), ["BTC-USD"])
        self.world.quote("ZZZ-USD", 1)
        self.world.hold(1, 1, "ZZZ-USD")

    def ask(self, *names):
        for name in names:
            body = msgspec.json.encode(limit_order(product_id=name))
            self.engine.handle(ev.OrderProposed(at=self.world.now, body=body))


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(streams, "FOLLOWED_MAX", 4)
    return Following()


def test_with_room_for_all_everything_asked_about_is_followed(made):
    made.ask("AAA-USD", "BBB-USD")
    assert made.streams.wanted() == ("AAA-USD", "BBB-USD", "BTC-USD", "ZZZ-USD")


def test_what_is_held_or_configured_is_never_cut_and_the_rest_is_what_was_asked_last(made):
    made.ask(*ASKED)
    assert made.streams.wanted() == ("BTC-USD", "CCC-USD", "DDD-USD", "ZZZ-USD")


def test_asking_again_keeps_a_book_among_the_last_asked(made):
    made.ask(*ASKED, "AAA-USD")
    assert made.streams.wanted() == ("AAA-USD", "BTC-USD", "DDD-USD", "ZZZ-USD")
    made.ask("ETH-USD")  # a fifth: the longest unasked is forgotten
    assert list(made.streams._asked) == ["CCC-USD", "DDD-USD", "AAA-USD", "ETH-USD"]


def test_what_works_counts_like_what_is_held_however_much_there_is(made):
    made.ask(*ASKED)
    for name in ("XXX-USD", "YYY-USD", "ETH-USD"):
        made.world.report(f"o-{name}", product_id=name, leaves=1, limit_price=1)
    assert made.streams.wanted() == ("BTC-USD", "ETH-USD", "XXX-USD", "YYY-USD", "ZZZ-USD")


def test_what_a_market_shock_counts_is_followed(made):
    limits = Limits(market_shock={"fall": "0.1", "products": ("AAA-USD", "GONE-USD")})
    made.world.send(ev.LimitsReplaced, limits=limits)
    assert made.streams.wanted() == ("AAA-USD", "BTC-USD", "ZZZ-USD")


# --- Decisions ------------------------------------------------------------------------------------


class Waiting(Running):
    """Prices wait for ten seconds."""

    def __init__(self):
        super().__init__(World())
        self.conflation = Conflation(10)
        self.streams = Streams(self.engine, lambda: self.world.now, self.conflation, [])
        self.conflation.offer((), 0)
        self.conflation._handed_at = 0

    def offer(self, product_id, price):
        row = TickerRow(product_id, str(price), str(price))
        assert self.conflation.offer((Ticker(self.world.now, row),), 1) == ()

    def decide(self, price=63000):
        body = msgspec.json.encode(limit_order("0.01", price))
        return self.engine.decide(ev.OrderProposed(at=self.world.now, body=body))


def test_an_order_is_decided_at_the_prices_that_wait():
    made = Waiting()
    made.offer("BTC-USD", 63500)
    made.offer("ETH-USD", 1999)
    assert made.decide()[0]
    assert made.world.tracker.marks.usd("BTC") == 63500
    assert made.world.tracker.marks.usd("ETH") == 2000  # no decision hangs on it


def test_a_price_that_waits_and_makes_no_sense_is_no_price():
    made = Waiting()
    made.offer("BTC-USD", "63,500")
    assert made.decide()[0]
    assert made.world.tracker.marks.usd("BTC") == 64000


def test_where_no_price_waits_nothing_is_taken_in():
    made = Waiting()
    version = made.world.tracker.version
    assert made.decide()[0]
    assert made.world.tracker.version == version


def test_after_a_fault_nothing_is_decided():
    made = Waiting()
    made.engine.is_half_way = True
    made.offer("BTC-USD", 63500)
    with pytest.raises(Faulted, match="half way"):
        made.decide()
    assert made.world.tracker.marks.usd("BTC") == 64000


def test_a_decision_is_booked_by_the_call_that_comes_with_it():
    made = Waiting()
    decision, finish = made.decide()
    assert not made.world.tracker.ledger.reservations
    finish()
    (reservation,) = made.world.tracker.ledger.reservations.values()
    assert reservation.decision is decision


def test_what_is_due_is_taken_in_before_a_decision():
    made = Waiting()
    made.world.ask(limit_order("0.02", name="lapses"))
    made.world.now += timedelta(seconds=11)
    made.world.quote("BTC-USD", 64000)
    made.world.now += timedelta(seconds=11)
    made.decide()
    assert not made.world.tracker.ledger.reservations


def test_an_approval_that_cannot_be_booked_ends_everything_and_is_named():
    """The bot has it already: whether its order was sent is for the next start to find out."""
    made = Waiting()
    decision, finish = made.decide()
    made.world.send(ev.HaltRequested, reason="test")  # which nothing can bring in between
    with pytest.raises(Faulted, match="between decision and booking"):
        finish()
    assert not made.world.tracker.ledger.reservations
    with pytest.raises(Faulted):
        made.decide()
    with pytest.raises(Faulted):
        made.engine.handle(ev.ClockAdvanced(at=made.world.now))
    made.engine.give_up("a fault")
    (halt,) = made.journal.records
    assert f"{decision.client_order_id} ({decision.decision_id}) had left" in halt.reason


def test_where_usdc_is_held_the_books_that_tell_its_worth_are_followed(made):
    pair = ("USDT-USD", "USDT-USDC")
    made.world.send(ev.ProductsListed, products=tuple(map(product, pair)))
    assert not {*pair} & {*made.streams.wanted()}
    made.world.balance("USDC", 5)
    made.world.wait(3)
    made.world.balance("USDC", 5)
    assert {*pair} <= {*made.streams.wanted()}
