"""Quotes that are set, emptied books and single trades: what a hand on the market does and does not."""

import pytest

from sidecar.paper.venue import hand
from sidecar.paper.venue.event import Quoted, Traded
from sidecar.paper.venue.quote import Quote
from tests.papers import BIP, BTC, D, Paper


@pytest.fixture
def paper():
    return Paper().opened()


def set_quote(paper, bid, ask, size=10, product_id=BTC):
    quote = Quote(paper.now, product_id, D(bid), D(size), D(ask), D(size))
    hand.set_quote(paper.exchange, quote)
    paper.take_events()


def print_trade(paper, price, product_id=BTC):
    hand.print_trade(paper.exchange, product_id, D(price), paper.now)
    paper.take_events()


def empty(paper, product_id=BTC):
    hand.empty(paper.exchange, product_id, paper.now)
    paper.take_events()


def test_a_quote_that_is_set_is_told_and_prints_no_trade(paper):
    last = paper.exchange.books[BTC].tape.last
    paper.events.clear()
    set_quote(paper, 48000, 51600)
    book = paper.exchange.books[BTC]
    assert (book.bid, book.ask) == ((48000, 10), (51600, 10))
    assert book.tape.last == last
    assert not [event for event in paper.events if isinstance(event, Traded)]
    assert next(e.book for e in paper.events if isinstance(e, Quoted)) == BTC


def test_it_holds_on_a_frozen_book_where_the_markets_own_quotes_do_not(paper):
    book = paper.exchange.books[BTC]
    book.silent = True
    set_quote(paper, 48000, 51600)
    paper.quote(BTC, 64000, 64001)
    assert (book.bid.price, book.ask.price) == (48000, 51600)


def test_futures_follow_it_unless_silent(paper):
    set_quote(paper, 50000, 50001)
    assert paper.exchange.books[BIP].bid.price == 50020
    paper.exchange.books[BIP].silent = True
    set_quote(paper, 60000, 60001)
    assert paper.exchange.books[BIP].bid.price == 50020


def test_resting_orders_that_it_reaches_fill_as_makers(paper):
    buy, sell = paper.limit("BUY", 1, 62000), paper.limit("SELL", 1, 66000)
    set_quote(paper, 61000, 61900)
    assert (buy.status, sell.status) == ("FILLED", "OPEN")
    assert buy.value == 62000
    set_quote(paper, 66100, 67000)
    assert sell.status == "FILLED"
    paper.audit()


def test_an_empty_book_has_no_middle_and_takes_no_market_order(paper):
    order = paper.limit("BUY", "0.1", 60000)
    empty(paper)
    book = paper.exchange.books[BTC]
    assert (book.bid, book.ask, book.mid) == (None, None, None)
    assert [level.price for level in book.shown("BUY")] == [60000], "only the account's own is left"
    assert paper.exchange.engine.usd("BTC") == 0
    paper.cancel(order)
    assert book.shown("BUY") == []
    paper.quote(BTC, 64000, 64001)
    assert book.bid.price == 64000
    paper.audit()


@pytest.mark.parametrize(
    ("price", "taker"), [("64000", "SELL"), ("64001", "BUY"), ("70000", "BUY")]
)
def test_a_trade_is_the_last_price_and_leaves_the_quote(paper, price, taker):
    before = (paper.exchange.books[BTC].bid, paper.exchange.books[BTC].ask)
    paper.events.clear()
    print_trade(paper, price)
    book, (trade,) = paper.exchange.books[BTC], paper.trades()
    assert (trade.price, trade.size, trade.taker) == (D(price), book.size_step, taker)
    assert book.tape.last == D(price)
    assert (book.bid, book.ask) == before


def test_a_trade_in_an_empty_book_is_a_buyers_when_it_is_above_the_last():
    paper = Paper()
    print_trade(paper, 64000)
    print_trade(paper, 63000)
    print_trade(paper, 63500)
    assert [trade.taker for trade in paper.trades()] == ["BUY", "SELL", "BUY"]


def test_a_trade_through_a_resting_order_fills_it_and_triggers_stops(paper):
    buy = paper.limit("BUY", "0.5", 63000)
    further = paper.limit("BUY", "0.5", 62990)
    stop = paper.stop("SELL", "0.1", 62000, 63500)
    print_trade(paper, 62990)
    assert (buy.status, buy.value) == ("FILLED", 31500)
    assert further.filled == paper.exchange.books[BTC].size_step, "the trade ended at its price"
    assert paper.trades()[-2].price == 62990, "before the stop's own"
    assert stop.status == "FILLED", "it sells into the quote, which still stands"
    assert stop.value == 6400
    paper.audit()


def test_a_coin_held_without_a_price_is_valued_at_its_first_set_quote():
    paper = Paper(balances={"DOGE": "1000"})
    set_quote(paper, "0.11", "0.13", product_id="DOGE-USD")
    assert paper.exchange.accounts.wallet("DOGE").cost == 120
