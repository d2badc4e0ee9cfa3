"""The futures account: contracts by cost, PnL, fees, margin, top-up, funding and days."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.money import with_money
from sidecar.paper.venue import refusal
from sidecar.paper.venue.book import future_quote
from sidecar.paper.venue.futures import FuturesAccount
from sidecar.paper.venue.quote import Quote
from tests.papers import BIP, BTC, LISTINGS, OPENING, D, Paper, kind

# BTC at 64,000 / 64,001 puts the contract (0.01 BTC, 0.04 % above, steps of 5) at:
BID, ASK, MID = 64025, 64030, D("64027.5")


@pytest.fixture
def paper():
    return Paper(balances={"USD": "10000"}).opened()


def holding(paper, product=BIP):
    return paper.exchange.futures.holdings[product]


def test_a_future_follows_its_underlying(paper):
    book = paper.exchange.books[BIP]
    assert (book.top("BUY"), book.top("SELL")) == ((BID, 1000), (ASK, 1000))
    assert paper.exchange.engine.mark(BIP) == MID


def test_a_contract_counts_for_its_size_in_coins(paper):
    order = paper.market("BUY", 10, BIP)
    assert order.value == 10 * D("0.01") * ASK
    assert order.fees == order.value * D("0.012")
    assert order.held == 0
    assert (holding(paper).contracts, holding(paper).entry_price) == (10, ASK)
    paper.audit()


@pytest.mark.parametrize(
    ("contracts", "end"), [("10", ("10", "FILLED")), ("11", ("0", "CANCELLED"))]
)
def test_a_market_order_may_ask_for_all_or_nothing(paper, contracts, end):
    """Ten contracts are offered below an order of our own, which it may not trade with."""
    paper.quote(BTC, 64000, 64001, 1, "0.1")
    paper.limit("SELL", 1, ASK + 5, BIP)
    order = paper.order("BUY", kind("market_market_fok", base_size=contracts), BIP)
    assert (f"{order.filled:f}", order.status) == end
    assert (order.terms.order_type, order.terms.time_in_force) == ("MARKET", "FILL_OR_KILL")
    paper.audit()


def test_fees_come_from_the_futures_cash_and_usd_moves_over_for_the_margin(paper):
    order = paper.market("BUY", 10, BIP)
    margin = paper.exchange.engine.margin()
    assert margin.initial == 10 * D("0.01") * MID * D("0.1")
    assert margin.overnight == 10 * D("0.01") * MID * D("0.25")
    assert margin.unrealised == 10 * D("0.01") * (MID - ASK)
    assert margin.equity == margin.initial, "just what was lacking has moved"
    assert margin.spot_cash == 10_000 - margin.futures_cash - order.fees
    assert margin.total == 10_000 - order.fees
    assert margin.available == margin.spot_cash
    assert margin.buffer_percentage == pytest.approx(margin.spot_cash * 100 / margin.initial)
    paper.audit()


def test_nothing_moves_that_is_not_there(paper):
    """With all USD in an open order, the account stays short of margin; nothing goes negative."""
    paper.limit("BUY", "0.15", 64000 - 2000)
    paper.market("BUY", 9, BIP)
    paper.quote(BTC, 62500, 62501)
    paper.market("SELL", 1, BIP)
    margin = paper.exchange.engine.margin()
    assert margin.equity < margin.initial
    assert margin.spot_cash == 0
    assert paper.exchange.accounts.available("USD") >= 0
    paper.audit()


def test_average_cost_and_realised_pnl(paper):
    paper.market("BUY", 2, BIP)
    paper.quote(BTC, 65000, 65001)
    second = paper.market("BUY", 2, BIP)
    average = (ASK + second.value / 2 / D("0.01")) / 2
    assert holding(paper).entry_price == average
    paper.quote(BTC, 66000, 66001)
    sold = paper.market("SELL", 1, BIP)
    assert holding(paper).realised_today == sold.value - average * D("0.01")
    assert holding(paper).entry_price == average
    paper.audit()


def test_a_flip_through_zero_realises_the_old_side_and_opens_the_new(paper):
    paper.market("BUY", 2, BIP)
    paper.market("SELL", 5, BIP)
    row = holding(paper)
    assert (row.contracts, row.entry_price) == (-3, BID)
    assert row.realised_today == 2 * D("0.01") * (BID - ASK)
    paper.market("BUY", 3, BIP)
    assert (row.contracts, row.cost, row.entry_price) == (0, 0, 0)
    assert paper.exchange.futures.open_holdings() == []
    assert paper.exchange.engine.margin().buffer_percentage == 1000
    paper.audit()


@given(st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 9_999)), max_size=12))
@with_money
def test_cash_and_cost_are_what_was_paid(trades):
    """Whatever the order of trades: cash less cost is money in less money out, and flat costs 0."""
    account, listing = FuturesAccount(), LISTINGS[BIP]
    paid = contracts = D(0)
    for signed, price in trades:
        account.apply(listing, "BUY" if signed > 0 else "SELL", D(abs(signed)), D(price))
        paid += signed * price * D("0.01")
        contracts += signed
        row = account.holdings[BIP]
        assert row.contracts == contracts
        assert account.cash - row.cost == -paid
        assert contracts or not row.cost
        assert row.cost * contracts >= 0


def test_orders_beyond_the_buying_power_are_refused(paper):
    """10,000 USD at ten per cent: some 156 contracts of 640 USD, working orders counted."""
    assert (
        paper.refusal("BUY", kind("market_market_ioc", base_size="157"), BIP)
        == refusal.INSUFFICIENT_MARGIN
    )
    first = paper.limit("BUY", 100, 64000, BIP)
    assert paper.exchange.engine.margin().orders_hold == 100 * D("0.01") * MID * D("0.1")
    assert (
        paper.refusal("BUY", kind("market_market_ioc", base_size="57"), BIP)
        == refusal.INSUFFICIENT_MARGIN
    )
    assert paper.limit("SELL", 100, 65000, BIP).is_open, "only the worse side counts"
    paper.cancel(first)
    paper.audit()


def test_margin_is_asked_before_a_contract_has_ever_been_quoted():
    paper = Paper(balances={"USD": "10000"})
    fields = kind("limit_limit_gtc", base_size="200", limit_price="64000")
    assert paper.refusal("BUY", fields, BIP) == refusal.INSUFFICIENT_MARGIN


def test_what_reduces_a_position_needs_no_margin(paper):
    paper.market("BUY", 140, BIP)
    paper.quote(BTC, 57000, 57001)
    assert paper.exchange.engine.margin().available < 0
    assert (
        paper.refusal("BUY", kind("market_market_ioc", base_size="1"), BIP)
        == refusal.INSUFFICIENT_MARGIN
    )
    resting = paper.limit("SELL", 140, 60000, BIP)
    assert resting.is_open
    assert paper.edit(resting, 60005, 100) == ""
    assert paper.edit(resting, 60005, 10_000) == "COMMANDER_REJECTED_EDIT_ORDER"
    paper.cancel(resting)
    assert paper.close().status == "FILLED"
    paper.audit()


@pytest.mark.parametrize(("size", "left"), [(None, 0), ("2", 1), ("3", 0)])
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_position_is_closed_whole_or_in_part(paper, side, size, left):
    paper.market(side, 3, BIP)
    order = paper.close(BIP, size)
    assert order.side != side
    assert abs(holding(paper).contracts) == left
    assert order.configuration == kind("market_market_ioc", base_size=size or "3")
    paper.audit()


def test_a_repeated_close_gives_the_old_order(paper):
    paper.market("BUY", 3, BIP)
    first = paper.close(BIP, "1")
    paper._ids -= 1
    assert paper.close(BIP, "1") is first


def test_a_closed_session_stands_still(paper):
    order = paper.limit("BUY", 1, 63000, BIP)
    paper.flags(BIP, session_open=False)
    paper.quote(BTC, 60000, 60001)
    assert order.is_open
    assert paper.exchange.engine.mark(BIP) == MID
    paper.flags(BIP, session_open=True)
    paper.quote(BTC, 60000, 60001)
    assert order.status == "FILLED"
    paper.audit()


def test_funding_is_paid_each_hour_by_longs_when_the_rate_is_positive(paper):
    paper.market("BUY", 10, BIP)
    cash = paper.exchange.futures.cash
    payment = 10 * D("0.01") * MID * D("0.00001")
    paper.wait(minutes=39)
    assert paper.exchange.futures.cash == cash
    paper.wait(minutes=1)
    margin = paper.exchange.engine.margin()
    assert margin.funding == -payment
    assert margin.equity == margin.initial, "what funding took is topped up"
    assert margin.total == 10_000 - 10 * D("0.01") * ASK * D("0.012") - payment
    paper.wait(hours=2)
    assert paper.exchange.futures.funding_pnl == -3 * payment


def test_shorts_are_paid(paper):
    paper.market("SELL", 10, BIP)
    paper.wait(hours=1)
    assert paper.exchange.futures.funding_pnl == 10 * D("0.01") * MID * D("0.00001")


def test_the_days_figures_begin_anew_at_midnight_and_not_at_the_first_hour(paper):
    paper.market("BUY", 2, BIP)
    paper.close()
    realised = paper.exchange.engine.margin().realised_today
    assert realised < 0
    paper.wait(hours=10)
    assert paper.exchange.engine.margin().realised_today == realised
    paper.wait(hours=1)
    assert paper.exchange.now.date() > OPENING.date()
    assert paper.exchange.engine.margin().realised_today == 0


def test_a_futures_quote_is_always_a_market():
    """Even where the underlying's spread is a cent and its price one step."""
    for bid, size in (("0.01", "0.0001"), ("4.99", "1"), ("64000", "0")):
        quote = future_quote(
            Quote(OPENING, BTC, D(bid), D(size), D(bid) + D("0.01"), D(size)), LISTINGS[BIP]
        )
        assert 0 < quote.bid < quote.ask
        assert quote.bid % 5 == quote.ask % 5 == 0
        assert quote.bid_size >= 1 <= quote.ask_size


def test_a_guarded_future_is_reduced_by_its_bracket(paper):
    fields = kind("trigger_bracket_gtc", limit_price="66000", stop_trigger_price="62000")
    entry = paper.market("BUY", 5, BIP, attached_order_configuration=fields)
    (guard,) = paper.children(entry)
    assert guard.terms.size == 5
    paper.quote(BTC, 61000, 61001)
    assert guard.status == "FILLED"
    assert holding(paper).contracts == 0
    paper.audit()


def test_an_empty_book_is_marked_at_its_last_trade():
    paper = Paper(balances={"USD": "90000000"})
    paper.quote(BTC, 64000, 64001, "0.01", "0.01")
    paper.market("BUY", 1275, BIP)
    assert paper.exchange.books[BIP].mid is None
    last = paper.trades(BIP)[-1].price
    assert paper.exchange.engine.mark(BIP) == last > ASK
    paper.audit()
