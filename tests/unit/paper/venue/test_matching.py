"""Who trades with whom, at what price, in what order, and what stages are told of it."""

from datetime import timedelta

import pytest

from sidecar.core.vocabulary.money import plain
from sidecar.paper.venue import refusal
from sidecar.paper.venue.engine import SELF_TRADE
from tests.papers import ALIAS, BTC, OPENING, D, Paper, kind


@pytest.fixture
def paper():
    """BTC at 64,000 / 64,001 with ten on each side, the next level 12.80 away with twenty."""
    return Paper(balances={"USD": "9000000", "USDC": "1000000", "BTC": "50"}).opened()


def filled(order):
    return plain(order.filled), order.status


# ----------------------------------------------------------------------------- an order that takes


def test_a_market_order_fills_at_the_touch_and_pays_the_taker_fee(paper):
    order = paper.market("BUY", "0.5")
    (fill,) = paper.fills(order)
    assert (fill.price, fill.size, fill.commission) == (
        64001,
        D("0.5"),
        D("0.5") * 64001 * D("0.012"),
    )
    assert not fill.is_maker
    assert paper.stages(order) == ["PENDING", "OPEN", "FILLED"]
    paper.audit()


def test_a_limit_order_sized_in_quote_currency_is_for_what_that_buys_at_its_price(paper):
    order = paper.order("BUY", kind("limit_limit_gtc", quote_size="1000", limit_price="63000"))
    assert (plain(order.terms.size), order.status) == ("0.01587301", "OPEN")
    paper.audit()


def test_a_market_order_walks_the_levels_and_pays_their_average(paper):
    """Ten at 64,001, then two of the twenty at the next level: 0.02 % of the price, floored."""
    order = paper.market("BUY", 12)
    assert [(f.price, f.size) for f in paper.fills(order)] == [(64001, 10), (D("64013.80"), 2)]
    assert order.value == 10 * 64001 + 2 * D("64013.80")
    paper.audit()


def test_what_was_taken_is_gone_until_the_next_quote(paper):
    paper.market("BUY", 4)
    assert paper.exchange.books[BTC].top("SELL").size == 6
    paper.market("BUY", 6)
    assert paper.exchange.books[BTC].top("SELL").price == D("64013.80")
    paper.quote(BTC, 64000, 64001)
    assert paper.exchange.books[BTC].top("SELL") == (64001, 10)


def test_a_thin_book_ends_a_market_order_cancelled_partly_filled(paper):
    """Fifty levels of one thousandth: 1,275 thousandths in all, and no more."""
    paper.quote(BTC, 64000, 64001, "0.001", "0.001")
    order = paper.market("SELL", 2)
    assert filled(order) == ("1.275", "CANCELLED")
    assert paper.balance("BTC") == (D("48.725"), 0)
    paper.audit()


def test_protection_ends_a_market_order_five_per_cent_from_the_best(paper):
    """Accepted at 64,000; the market is 6 % lower when it reaches the engine."""
    paper.exchange.behaviour.order_delay = timedelta(milliseconds=10)
    order = paper.market("SELL", 1)
    assert order.terms.limit_price == 60800
    paper.quote(BTC, 60000, 60001)
    paper.wait(milliseconds=10)
    assert filled(order) == ("0", "CANCELLED")


def test_a_buy_sized_in_money_never_costs_more_than_that(paper):
    order = paper.spend(1000)
    assert order.status == "FILLED"
    assert order.value + order.fees <= 1000
    assert 1000 - order.value - order.fees < D("64001") * D("0.00000001") * D("1.012")
    assert paper.balance("USD")[1] == 0
    paper.audit()


def test_a_buy_sized_in_money_that_empties_the_book_is_cancelled(paper):
    paper.quote(BTC, 64000, 64001, 1, "0.0001")
    order = paper.spend(100_000)
    assert order.status == "CANCELLED"
    assert order.filled == D("0.1275")
    paper.audit()


def test_money_that_buys_nothing_is_given_back(paper):
    """One dollar buys no tenth of a coin that costs a hundred."""
    paper.quote("DOGE-USD", 100, 101)
    order = paper.spend(1, "DOGE-USD")
    assert filled(order) == ("0", "CANCELLED")
    paper.audit()


def test_ioc_takes_what_its_limit_allows_and_ends(paper):
    order = paper.order("BUY", kind("sor_limit_ioc", base_size="15", limit_price="64010"))
    assert filled(order) == ("10", "CANCELLED")
    assert paper.stages(order) == ["PENDING", "CANCELLED"]
    assert order.cancel_message == ""


@pytest.mark.parametrize(
    ("size", "end"), [("30", ("30", "FILLED")), ("30.00000001", ("0", "CANCELLED"))]
)
def test_fok_fills_all_or_nothing(paper, size, end):
    order = paper.order("BUY", kind("limit_limit_fok", base_size=size, limit_price="64014"))
    assert filled(order) == end


def test_a_crossing_limit_order_takes_first_and_rests_with_the_remainder(paper):
    order = paper.limit("BUY", 12, 64001)
    assert filled(order) == ("10", "OPEN")
    assert order.held == 2 * 64001 * D("1.012")
    assert paper.exchange.books[BTC].top("BUY") == (64001, 2)
    paper.audit()


# ---------------------------------------------------------------------------- an order that waits


def test_a_resting_order_fills_at_its_own_price_when_the_market_comes_to_it(paper):
    order = paper.limit("BUY", 1, 63990)
    paper.quote(BTC, 63980, 63985)
    (fill,) = paper.fills(order)
    assert (fill.price, fill.is_maker, fill.commission) == (63990, True, 63990 * D("0.006"))
    assert paper.stages(order) == ["PENDING", "OPEN", "FILLED"]
    paper.audit()


def test_a_resting_order_fills_in_parts_as_size_comes(paper):
    order = paper.limit("SELL", 3, 64010)
    paper.quote(BTC, 64010, 64011, 1, 1)
    assert filled(order)[1] == "OPEN"
    assert order.filled >= 1
    paper.quote(BTC, 64010, 64011, 10, 10)
    assert filled(order) == ("3", "FILLED")
    assert all(fill.price == 64010 for fill in paper.fills(order))
    paper.audit()


def test_the_best_price_fills_first_then_the_oldest(paper):
    low = paper.limit("BUY", 1, 63980)
    old, new = paper.limit("BUY", 1, 63990), paper.limit("BUY", 1, 63990)
    paper.quote(BTC, 63970, 63979, 1, "1.5")  # and a print of a tenth of the bid
    assert [order.filled for order in (old, new, low)] == [1, D("0.6"), 0]
    paper.audit()


def test_an_order_waits_behind_what_stood_at_its_price(paper):
    """Ten stand at the best bid: ten sales of one pass to them, and the eleventh is ours."""
    order = paper.limit("BUY", 1, 64000)
    assert order.queue_ahead == 10
    prints = 0
    while order.is_open and prints < 60:
        paper.quote(BTC, 64000, 64001)
        prints += 1
    sold = [trade for trade in paper.trades() if trade.taker == "SELL"]
    assert order.status == "FILLED"
    assert sum(trade.size for trade in sold) == 11
    paper.audit()


def test_two_own_orders_wait_behind_the_same_others_once(paper):
    """Ten of others stand before both; eleven sold fill the first, twelve the second too."""
    first, second = paper.limit("BUY", 1, 64000), paper.limit("BUY", 1, 64000)
    for _ in range(60):
        if second.is_open:
            paper.quote(BTC, 64000, 64001)
    sold = [trade.size for trade in paper.trades() if trade.taker == "SELL"]
    assert first.filled_at is not None
    assert second.status == "FILLED"
    assert sum(sold) == 12


def test_a_trade_through_its_price_fills_at_once(paper):
    """A resting sell inside the spread is before everybody: the next print upward takes it."""
    order = paper.limit("SELL", "0.5", "64000.50")
    assert order.queue_ahead == 0
    paper.quote(BTC, "64000.20", "64001.20")
    assert filled(order) == ("0.5", "FILLED")
    assert paper.fills(order)[0].price == D("64000.50")


def test_own_orders_show_in_the_book(paper):
    paper.limit("BUY", 1, "64000.50")
    paper.limit("BUY", 2, "64000.50")
    assert paper.exchange.books[BTC].top("BUY") == (D("64000.50"), 3)
    assert paper.exchange.books[BTC].shown("BUY", 2) == [(D("64000.50"), 3), (64000, 10)]


def test_an_alias_trades_in_the_same_book_and_settles_in_its_own_quote_wallet(paper):
    order = paper.limit("BUY", 1, "64000.50", ALIAS)
    assert paper.exchange.books[BTC].top("BUY").price == D("64000.50")
    paper.quote(BTC, 63999, 64000)
    assert order.status == "FILLED"
    assert paper.balance("USDC") == (1_000_000 - D("64000.50") * D("1.006"), 0)
    assert paper.balance("USD") == (9_000_000, 0)
    paper.audit()


def test_a_coin_pays_for_a_coin(paper):
    paper.limit("BUY", 10, "0.05001", "ETH-BTC")
    assert paper.balance("BTC")[0] == 50 - 10 * D("0.05001") * D("1.012")
    assert paper.balance("ETH") == (10, 0)
    paper.audit()


# -------------------------------------------------------------------------------- post-only, GTD


def test_post_only_rests_and_never_takes(paper):
    order = paper.limit("BUY", 1, "64000.99", post_only=True)
    assert filled(order) == ("0", "OPEN")


def test_post_only_that_crosses_once_it_arrives_fails(paper):
    paper.exchange.behaviour.order_delay = timedelta(milliseconds=5)
    order = paper.limit("BUY", 1, 64000, post_only=True)
    paper.quote(BTC, 63990, 63995)
    paper.wait(milliseconds=5)
    assert paper.stages(order) == ["PENDING", "FAILED"]
    assert "Post only" in order.reject_message
    assert paper.balance("USD") == (9_000_000, 0)


def test_gtd_expires_at_its_end_and_not_before(paper):
    order = paper.limit("BUY", 1, 63000, until=OPENING + timedelta(seconds=10))
    assert paper.exchange.due() == OPENING + timedelta(seconds=10)
    paper.wait(seconds=9)
    assert order.is_open
    paper.wait(seconds=1)
    assert paper.stages(order) == ["PENDING", "OPEN", "EXPIRED"]
    assert paper.balance("USD")[1] == 0


def test_gtd_that_ends_on_its_way_expires_when_it_arrives(paper):
    """OPEN comes before EXPIRED: Coinbase knows no other way there."""
    paper.exchange.behaviour.order_delay = timedelta(seconds=2)
    order = paper.limit("BUY", 1, 63000, until=OPENING + timedelta(seconds=1))
    paper.wait(seconds=3)
    assert paper.stages(order) == ["PENDING", "OPEN", "EXPIRED"]


def test_gtc_outlives_days(paper):
    order = paper.limit("BUY", 1, 63000)
    paper.wait(days=40)
    assert order.is_open


# --------------------------------------------------------------------------- self-trade prevention


def test_an_order_that_meets_our_own_is_cancelled_and_the_resting_one_stays(paper):
    resting = paper.limit("SELL", 1, 64005)
    order = paper.limit("BUY", 12, 64020)
    assert filled(order) == ("10", "CANCELLED")
    assert order.cancel_message == SELF_TRADE
    assert filled(resting) == ("0", "OPEN")
    paper.audit()


def test_an_order_short_of_our_own_takes_what_stands_before_it(paper):
    paper.limit("SELL", 1, 64005)
    assert filled(paper.limit("BUY", 5, 64020)) == ("5", "FILLED")


def test_fok_does_not_count_what_is_behind_our_own_order(paper):
    paper.limit("SELL", 1, 64005)
    order = paper.order("BUY", kind("limit_limit_fok", base_size="12", limit_price="64020"))
    assert filled(order) == ("0", "CANCELLED")


def test_an_order_meets_our_own_under_the_other_name_of_the_book(paper):
    paper.limit("SELL", 1, "64000.50", ALIAS)
    assert paper.market("BUY", 1).cancel_message == SELF_TRADE


# -------------------------------------------------------------------------------- stops, brackets


def test_a_stop_waits_outside_the_book_until_its_price_trades(paper):
    order = paper.stop("SELL", 1, 63000, 63500)
    assert paper.exchange.books[BTC].best_own("SELL") is None
    assert (order.status, order.triggered, order.held) == ("OPEN", False, 1)
    paper.quote(BTC, 63600, 63601)
    assert not order.triggered
    paper.quote(BTC, 63400, 63401)
    assert order.triggered
    assert filled(order) == ("1", "FILLED")
    assert paper.fills(order)[0].price == 63400
    paper.audit()


def test_a_stop_upward_buys_within_its_limit(paper):
    order = paper.stop("BUY", 1, 64510, 64500)
    paper.quote(BTC, 64600, 64601)
    assert order.triggered
    assert filled(order) == ("0", "OPEN")
    paper.quote(BTC, 64505, 64506)
    assert paper.fills(order)[0].price == 64510
    paper.audit()


def test_stops_of_one_trade_are_triggered_oldest_first(paper):
    far, near = paper.stop("SELL", 1, 60000, 63000), paper.stop("SELL", 1, 60000, 63500)
    paper.quote(BTC, 62900, 62901, 1, 1)
    assert [fill.order_id for fill in paper.exchange.register.fills] == [
        far.order_id,
        near.order_id,
    ]


def test_a_cancelled_stop_never_triggers(paper):
    order, other = paper.stop("SELL", 1, 60000, 63500), paper.stop("SELL", 2, 60000, 63500)
    paper.cancel(order)
    paper.quote(BTC, 63000, 63001)
    assert order.status == "CANCELLED"
    assert other.status == "FILLED"
    paper.audit()


def test_a_stop_whose_price_traded_on_its_way_triggers_when_it_arrives(paper):
    paper.exchange.behaviour.order_delay = timedelta(milliseconds=5)
    order = paper.stop("SELL", 1, 60000, 63500)
    paper.quote(BTC, 63000, 63001)
    paper.wait(milliseconds=5)
    assert order.status == "FILLED"


def test_a_bracket_takes_its_profit_at_its_limit(paper):
    order = paper.bracket("SELL", 1, 65000, 63000)
    assert paper.exchange.books[BTC].best_own("SELL") is order
    paper.quote(BTC, 65100, 65101)
    assert (order.triggered, paper.fills(order)[0].price) == (False, 65000)
    assert order.status == "FILLED"


def test_a_bracket_that_is_stopped_sells_five_per_cent_beyond(paper):
    order = paper.bracket("SELL", 1, 65000, 63000)
    paper.quote(BTC, 62990, 62991, "0.0001", 1)
    assert order.triggered
    assert order.terms.limit_price == 63000 * D("0.95")
    assert filled(order) == ("0.1275", "OPEN")
    paper.quote(BTC, 62990, 62991)
    assert filled(order) == ("1", "FILLED")
    paper.audit()


def test_a_bracket_on_a_buy_holds_for_its_stop(paper):
    order = paper.bracket("BUY", 1, 63000, 65000)
    assert order.held == 65000 * D("1.05") * D("1.012")
    paper.quote(BTC, 65100, 65101)
    assert order.terms.limit_price == 68250
    assert order.status == "FILLED"
    paper.audit()


def attach(limit_price, stop):
    return {
        "attached_order_configuration": kind(
            "trigger_bracket_gtc", limit_price=str(limit_price), stop_trigger_price=str(stop)
        )
    }


def test_a_filled_entry_brings_its_bracket_to_life(paper):
    entry = paper.market("BUY", 1, **attach(66000, 62000))
    (guard,) = paper.children(entry)
    assert entry.attached_order_id == guard.order_id
    assert (guard.side, guard.terms.size, guard.terms.order_type) == ("SELL", 1, "BRACKET")
    assert paper.stages(guard) == ["PENDING", "OPEN"]
    paper.audit()


def test_an_entry_cancelled_partly_filled_is_guarded_for_what_was_filled(paper):
    entry = paper.limit("BUY", 12, 64001, **attach(66000, 62000))
    assert paper.children(entry) == []
    paper.cancel(entry)
    (guard,) = paper.children(entry)
    assert guard.terms.size == 10


def test_an_entry_that_never_filled_needs_no_guard(paper):
    entry = paper.limit("BUY", 1, 63000, **attach(66000, 62000))
    paper.cancel(entry)
    assert paper.children(entry) == []


def test_a_guard_whose_stop_has_been_passed_already_sells_at_once(paper):
    """The market fell through entry and stop in one step: the position must not stay unguarded."""
    entry = paper.limit("BUY", 1, 63000, **attach(66000, 62000))
    paper.quote(BTC, 61000, 61001)
    (guard,) = paper.children(entry)
    assert (guard.triggered, guard.status) == (True, "FILLED")
    assert paper.fills(guard)[0].price == 61000
    paper.audit()


def test_a_guard_whose_profit_is_there_already_takes_it(paper):
    paper.exchange.behaviour.order_delay = timedelta(milliseconds=5)
    entry = paper.market("BUY", 1, **attach(64100, 62000))
    paper.wait(milliseconds=5)
    paper.quote(BTC, 64200, 64201)
    paper.wait(milliseconds=5)
    (guard,) = paper.children(entry)
    assert paper.fills(guard)[0].price == 64200


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(milliseconds=5)])
def test_five_hundred_brackets_born_in_one_moment_do_not_nest(paper, delay):
    paper.exchange.behaviour.order_delay = delay
    entries = [paper.limit("BUY", "0.001", 64000, **attach(66000, 63000)) for _ in range(499)]
    paper.wait(milliseconds=5)
    paper.quote(BTC, 62000, 62001, 100, 100)
    paper.wait(milliseconds=5)
    assert all(entry.status == "FILLED" for entry in entries)
    assert all(order.status == "FILLED" for entry in entries for order in paper.children(entry))
    paper.audit()


def test_five_hundred_entries_that_arrive_in_one_moment_do_not_nest(paper):
    paper.exchange.behaviour.order_delay = timedelta(milliseconds=5)
    entries = [paper.market("BUY", "0.001", **attach(66000, 63000)) for _ in range(499)]
    paper.wait(milliseconds=10)
    assert all(len(paper.children(entry)) == 1 for entry in entries)


# ------------------------------------------------------------------------------------ odd moments


def test_a_quote_from_the_past_counts_as_of_now(paper):
    order = paper.limit("BUY", 1, 63990)
    paper.wait(seconds=5)
    paper.now -= timedelta(seconds=3)
    paper.quote(BTC, 63980, 63985)
    assert order.filled_at == OPENING + timedelta(seconds=5)
    assert paper.exchange.now == OPENING + timedelta(seconds=5)


def test_an_order_of_the_moment_of_a_quote_meets_whichever_came_first(paper):
    paper.quote(BTC, 64100, 64101)
    assert paper.fills(paper.market("BUY", 1))[0].price == 64101
    paper.quote(BTC, 64200, 64201)
    assert paper.fills(paper.market("BUY", 1))[0].price == 64201


def test_a_silent_book_takes_no_quotes_but_still_orders(paper):
    paper.exchange.books[BTC].silent = True
    paper.quote(BTC, 70000, 70001)
    assert paper.fills(paper.market("BUY", 1))[0].price == 64001
    paper.audit()


def test_a_limit_order_may_wait_for_the_first_quote():
    paper = Paper()
    order = paper.limit("BUY", 1, 64000)
    assert filled(order) == ("0", "OPEN")
    paper.quote(BTC, 63000, 63001)
    assert filled(order) == ("1", "FILLED")
    paper.audit()


def test_an_untraded_or_unlisted_quote_is_ignored(paper):
    paper.quote("NONE-USD", 1, 2)
    paper.quote(ALIAS, 1, 2)
    assert paper.exchange.books[BTC].bid.price == 64000


def test_every_quote_prints_one_trade_on_the_side_it_moved_to(paper):
    before = len(paper.trades())
    paper.quote(BTC, 64010, 64011, 5, 20)
    paper.quote(BTC, 64005, 64006, 5, 20)
    up, down = paper.trades()[before:]
    assert (up.price, up.size, up.taker) == (64011, 2, "BUY")
    assert (down.price, down.size, down.taker) == (64005, D("0.5"), "SELL")


def test_events_keep_what_was_true_when_they_happened(paper):
    order = paper.limit("BUY", 2, 63990)
    first = paper.told(order)[-1]
    paper.quote(BTC, 63980, 63985, 1, 1)
    assert (first.filled, first.status) == (0, "OPEN")
    assert order.filled > 0
    assert paper.exchange.drain() == []


def test_a_side_without_size_is_a_side_without_anybody(paper):
    before = len(paper.trades())
    paper.quote(BTC, 64000, 64001, 10, 0)
    book = paper.exchange.books[BTC]
    assert (book.top("SELL"), book.mid) == (None, None)
    assert paper.refusal("BUY", kind("market_market_ioc", base_size="1")) == refusal.NO_LIQUIDITY
    paper.quote(BTC, 64000, 64001, 0, 0)
    assert len(paper.trades()) <= before + 1
    order = paper.limit("SELL", 1, 63000)
    assert filled(order) == ("0", "OPEN")
    paper.audit()


def test_a_crossed_market_is_lived_with(paper):
    """Files of quotes have such moments; nothing of ours may break in them."""
    paper.quote(BTC, 64000, 63990)
    assert paper.fills(paper.limit("BUY", 1, 64005))[0].price == 63990
    paper.audit()
