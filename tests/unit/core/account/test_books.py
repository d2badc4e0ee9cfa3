"""Books: how value moves between positions, wallets and cash."""

from datetime import timedelta

import pytest

from sidecar.core.account.books import FILL_IS_NEWER_BY, Books
from sidecar.core.account.losses import cumulative
from sidecar.core.account.working import Leg
from sidecar.core.vocabulary.errors import UnknownProduct
from sidecar.core.vocabulary.events import Quote
from sidecar.core.vocabulary.products import CASH
from tests.decisions import reloaded
from tests.scenario import FUTURE, PRODUCTS, START, D, World, future, product
from tests.tracking import QUOTES, Desk


def books(*, keep=None, quotes=QUOTES, cash=CASH):
    made = Books(keep or {}, cash, D("0.05"))
    made.list_products(PRODUCTS)
    for product_id, price in quotes.items():
        made.quote(Quote(product_id, D(price), D(price), START), START)
    return made


def position(made, key="BTC", book=None):
    return (book or made.account).lines[key].position


def test_a_product_that_was_never_listed_is_unknown_by_name():
    assert books().product("BTC-USD").key == "BTC"
    with pytest.raises(UnknownProduct, match="'ABC-USD' is not listed") as caught:
        books().product("ABC-USD")
    assert caught.value.product_id == "ABC-USD"


def test_units_that_came_without_a_price_have_earned_nothing_before_their_first():
    """Two units held, one came; the mark is 20 USD above the first price that has stood."""
    made = books()
    made.is_open = True
    wallet = made.wallets.get("ETH")
    wallet.total = D(3)
    made.wallets.set_unpriced("ETH", wallet, D(1))
    made._price("ETH", wallet, D(2_010), D(2_030))
    (moved,) = made.moves
    assert (moved.held, moved.quantity, made.transfers, wallet.unpriced) == (2, 1, 2_010, 0)
    assert (moved.booked.price, moved.booked.pnl) == (2_010, -60)
    assert (moved.now.price, moved.now.pnl) == (2_030, -20)


def test_what_orders_may_do_is_counted_for_the_account_and_their_strategy():
    """Two legs are one order."""
    made, legs = books(), (Leg("ETH", "BUY", D(2)), Leg("BTC", "SELL", D("0.06")))
    made.work(legs, "trend", 1)
    for book in (made.account, made.strategies["trend"]):
        assert (book.lines["ETH"].open_buy, book.lines["BTC"].open_sell) == (2, D("0.06"))
        assert book.orders == 1
    made.work(legs, "trend", -1)
    assert (made.account.lines, made.strategies["trend"].lines) == ({}, {})


def test_an_edit_binds_quantity_without_counting_an_order():
    made = books()
    made.work((Leg("BTC", "BUY", D(1)),), None, 1, orders=0)
    assert (made.account.lines["BTC"].open_buy, made.account.orders) == (1, 0)


def test_a_quote_revalues_positions_wallets_and_every_strategy():
    made = books()
    made.trade("BTC", D(1), D(64000), made.strategy_books.of("trend"))
    made.quote(Quote("BTC-USD", D(65000), D(65000), START), START)
    assert (made.account.unrealised, made.strategies["trend"].unrealised) == (1000, 1000)
    assert made.wallets.get("BTC").value == 65000


def test_only_good_quotes_of_other_times_and_of_what_is_held_count_as_such():
    made = books()
    made.trade("BTC", D(1), D(64000), None)
    counts = []
    for product_id, price, second in (
        ("BTC-USD", 64000, 0),
        ("BTC-USD", 64000, 1),
        ("ETH-USD", 1, 2),
        ("BTC-USD", 0, 3),
    ):
        at = START + timedelta(seconds=second)
        made.quote(Quote(product_id, D(price), D(price), at), at)
        counts.append(made.quotes_valuing_account)
    assert counts == [0, 1, 1, 1]


def test_a_sale_of_the_kept_counts_only_what_was_beyond_it():
    """1 held, 0.5 kept: selling 0.8 sells 0.5 of a position for five eighths of the money."""
    made = books(keep={"BTC": D("0.5")})
    made.trade("BTC", D(1), D(64000), None)
    assert position(made).quantity == D("0.5")
    made.trade("BTC", D("-0.8"), D(-52000), None)
    assert made.account.lines == {}
    assert made.account.pnl.realised == 52000 * D("0.625") - 32000


def test_what_only_fills_up_keep_is_not_counted():
    made = books(keep={"BTC": None, "ETH": D(2)})
    made.trade("BTC", D(1), D(64000), None)
    made.trade("ETH", D(1), D(2000), None)
    assert (made.account.lines, made.wallets.value) == ({}, 0)


def test_a_coin_as_quote_is_a_second_leg_for_the_account_and_the_strategy():
    made, strategy = books(), books().strategy_books.of("s")
    made.pay("BTC", D("0.03"), D(1920), strategy)
    assert position(made, book=strategy).quantity == D("-0.03")
    assert (made.wallets.get("BTC").total, position(made).quantity) == (D("-0.03"), D("-0.03"))


def test_cash_is_valued_but_never_a_position():
    made = books()
    made.pay("EUR", D(-1000), D(-1250), None)
    assert (made.wallets.value, made.account.lines) == (1250, {})


def test_without_any_mark_a_fill_has_no_value_yet():
    made = books(quotes={})
    assert made.usd_value(made.products["BTC-EUR"], D(1), D(51200)) is None
    made.pay("BTC", D(-1), None, None)
    assert (position(made).quantity, position(made).unpriced) == (1, 1)


def test_a_fill_is_a_price_where_no_quote_is_as_young_and_only_one_above_zero():
    """What is owed of a correction may have another sign than its quantity: that is no price."""
    made, later = books(), START + 2 * FILL_IS_NEWER_BY
    made.fill_price(made.product("BTC-USD"), D(1), D(-5), later)
    made.fill_price(made.product("BTC-USD"), D(2), D(128_000), START)
    assert made.marks.by_key["BTC"].at == START
    made.fill_price(made.product("BTC-USD"), D(2), D(128_002), later)
    assert (made.marks.usd("BTC"), made.marks.by_key["BTC"].at) == (64_001, later)


def test_a_fill_is_valued_through_its_quote_currency_else_through_its_base():
    made = books()
    assert made.usd_value(made.products["BTC-EUR"], D(1), D(51200)) == 64000
    del made.marks.by_key["EUR"]
    assert made.usd_value(made.products["BTC-EUR"], D(1), D(99999)) == 64000


def test_a_quote_on_an_unfinished_route_revalues_nothing():
    made = books(quotes={})
    made.list_products([product("ABC-BTC")])
    made.quote(Quote("ABC-BTC", D(2), D(2), START), START)
    assert made.marks.usd("ABC") is None
    assert "ABC" not in made.remarked


def test_a_future_is_traded_without_a_wallet():
    made = books()
    made.trade(FUTURE, D("0.01"), D(640), made.strategy_books.of("trend"))
    assert position(made, FUTURE) == position(made, FUTURE, made.strategies["trend"])
    assert made.wallets.by_currency == {}


def test_a_fee_or_funding_on_a_flat_key_leaves_no_line_behind():
    made = books()
    made.charge(made.account, "BTC", D(3), D(1))
    assert (made.account.net_pnl_of("BTC"), made.account.lines) == (-2, {})


def test_a_correction_reaches_the_account_and_the_strategy_but_not_what_is_kept_whole():
    made = books(keep={"BTC": None})
    strategy = made.strategy_books.of("s")
    for key in ("BTC", "ETH"):
        made.trade(key, D(1), D(2000), strategy)
        made.correct(key, D(1), D(1), "BUY", strategy)
    assert position(made, "ETH").cost == position(made, "ETH", strategy).cost == 2001
    assert (position(made, "BTC", strategy).cost, made.account.pnl.realised) == (2001, 0)
    made.correct(FUTURE, D(1), D(1), "BUY", None)
    assert made.account.pnl.realised == -1


def test_a_transfer_moves_quantity_at_the_mark():
    made = books()
    made.wallets.get("BTC").total = D(2)
    made.match_wallet("BTC", entry=D(50000))
    assert (position(made).cost, position(made).average_price(), made.account.net_pnl) == (
        128000,
        50000,
        0,
    )
    made.wallets.get("BTC").total = D(3)
    made.match_wallet("BTC", entry=D(1))
    assert (position(made).quantity, position(made).entry_cost) == (3, 164000)
    made.match_wallet("BTC")
    assert position(made).quantity == 3


def test_cash_matches_no_position():
    made = books(cash={"USD", "BTC"})
    made.wallets.get("BTC").total = D(2)
    made.match_wallet("BTC")
    assert made.account.lines == {}


def test_a_transfer_without_a_mark_counts_when_one_comes():
    made = books(quotes={})
    made.is_open = True
    wallet = made.wallets.get("BTC")
    wallet.total = wallet.unpriced = D(2)
    made.match_wallet("BTC")
    made.quote(Quote("BTC-USD", D(10), D(10), START), START)
    assert (made.transfers, wallet.unpriced, made.account.net_pnl, position(made).cost) == (
        20,
        0,
        0,
        20,
    )


def test_a_new_listing_can_give_a_mark_to_what_is_held():
    made = books()
    made.wallets.get("ABC").total = D(2)
    made.match_wallet("ABC")
    made.quote(Quote("ABC-USD", D(5), D(5), START), START)
    assert made.marks.usd("ABC") is None
    made.list_products([product("ABC-USD")])
    assert (made.marks.usd("ABC"), made.wallets.get("ABC").value, position(made, "ABC").cost) == (
        5,
        10,
        10,
    )
    assert not made.is_future("ABC")
    assert made.is_future(FUTURE)


@pytest.mark.parametrize("trades", [((-1, 60000), (1, 64000)), ((1, 64000), (-1, 60000))])
def test_a_sale_told_before_its_purchase_loses_no_pnl(trades):
    made = books()
    for quantity, price in trades:
        made.trade("BTC", D(quantity), D(quantity * price), None)
    assert (made.account.net_pnl, made.account.lines) == (-4000, {})


def test_a_quote_by_an_alias_marks_the_book_it_trades_in():
    made = books()
    made.quote(Quote("BTC-USDC", D(63000), D(63000), START), START)
    assert (made.marks.usd("BTC"), "BTC-USDC" in made.marks.quotes) == (63000, False)


def test_what_fills_up_keep_is_a_transfer():
    """10,000 USD and a `keep` of 0.5 BTC: of what is bought into it, nothing counts; 1,800 of the 3,600 that
    are left are lost.
    """
    desk = Desk(keep={"BTC": D("0.5")}, is_open=False)
    desk.balance("USD", 10_000)
    desk.tracker.start(desk.now)
    desk.fill("BUY", "0.1", 64000)
    assert (desk.tracker.equity, desk.tracker.kept, desk.tracker.net_pnl) == (3_600, 6_400, 0)
    assert desk.tracker.transfers == -6_400
    desk.fill("BUY", 1, 2000, fee=1_800, product_id="ETH-USD")
    ratio = cumulative(desk.tracker).ratio
    assert ratio is not None
    assert abs(ratio - D("0.5")) < D("1E-9")


# --- What has no price in dollars -----------------------------------------------------------------


def test_a_contract_that_no_dollar_values_pays_nothing_yet():
    """Its quote currency has no route; the futures wallet is told by its next reading."""
    made = books()
    made.list_products((*PRODUCTS, future("ODD-FUT", base="ODD", quote="XYZ")))
    made.trade("ODD-FUT", D(2), None, None)
    assert (made.account.lines["ODD-FUT"].position.unpriced, made.futures_cash.total) == (2, 0)


def test_a_dollar_that_is_held_like_a_coin_has_a_mark_that_needs_no_quotes():
    made = books(cash={"USD"})
    made.trade("USDC", D(100), D(100), None)
    made.list_products(PRODUCTS)
    assert made.marks.confirmed("USDC") == 1
    assert made.marks.unconfirmed == set()


# --- Cash that is bought and sold -----------------------------------------------------------------


def with_euros():
    """100,000 USD and 1,000 EUR at 1.10; a USDC is a dollar."""
    world = World()
    world.tracker.books.list_products(
        (*world.tracker.products.values(), product("USDC-EUR"), product("EUR-USD"))
    )
    world.quote("EUR-USD", "1.10")
    world.balance("EUR", 1_000)
    return world


@pytest.mark.parametrize(
    ("side", "price", "pnl"), [("BUY", "0.91", "-0.1"), ("SELL", "0.91", "0.1"), ("BUY", "0.90", 1)]
)
def test_cash_that_is_traded_is_no_position_and_its_price_is_pnl_at_once(side, price, pnl):
    """100 USDC for euros."""
    world = with_euros()
    if side == "SELL":
        world.balance("USDC", 100)
    equity, net = world.tracker.equity, world.tracker.net_pnl
    world.fill(side, 100, price, product_id="USDC-EUR", strategy_id="grid")
    tracker = world.tracker
    assert tracker.net_pnl - net == D(pnl)
    assert tracker.equity - equity == D(pnl)
    assert not any(line.position.quantity for line in tracker.account.lines.values())
    assert tracker.strategies["grid"].net_pnl == D(pnl)
    assert not any(line.position.quantity for line in tracker.strategies["grid"].lines.values())
    assert reloaded(world).tracker.net_pnl == tracker.net_pnl


def test_cash_without_a_mark_is_traded_at_what_it_cost():
    world = World()
    world.tracker.books.list_products((*world.tracker.products.values(), product("GBP-USD")))
    world.fill("BUY", 100, "1.25", product_id="GBP-USD")
    assert world.tracker.net_pnl == 0
    assert not any(line.position.quantity for line in world.tracker.account.lines.values())
