"""Fills enter the books: the position, the wallets of both currencies and the fees, each once."""

import pytest

from tests.scenario import FUTURE, D
from tests.tracking import Desk, check_books, figures, state_bytes, stocked


def test_a_fill_moves_both_wallets_and_the_position():
    desk = stocked()
    desk.fill("BUY", 2, 60000, fee=5)
    assert (desk.wallet("BTC"), desk.wallet("USD")) == (1_000_002, 1_000_000 - 120_005)
    assert (desk.held(), desk.tracker.account.pnl.fees) == (1_000_002, 5)


def test_a_usdc_fill_moves_the_usdc_wallet_and_the_same_position():
    desk = stocked()
    desk.fill("BUY", 1, 60000, product_id="BTC-USDC")
    assert (desk.wallet("USDC"), desk.wallet("USD"), desk.held()) == (-60000, 1_000_000, 1_000_001)


def test_a_euro_fill_is_worth_its_dollars():
    desk = Desk()
    desk.fill("BUY", 1, 50000, product_id="BTC-EUR")
    assert (desk.wallet("EUR"), desk.line().position.cost) == (-50000, 62500)


def test_a_future_moves_no_spot_wallet():
    desk = Desk()
    desk.fill("SELL", 2, 64000, fee=3, product_id=FUTURE, strategy_id="trend")
    assert desk.tracker.wallets.by_currency == {}
    assert desk.held(FUTURE) == desk.held(FUTURE, "trend") == D("-0.02")
    assert desk.tracker.account.futures_pnl == -3


def test_a_coin_fill_is_two_legs_at_the_marks_of_the_fill_for_the_strategy_too():
    desk = stocked()
    desk.fill("BUY", 10, "0.03", product_id="ETH-BTC", strategy_id="trend")
    assert desk.held("BTC") == D("999999.7")
    for key, quantity, cost in (("ETH", 10, 19200), ("BTC", D("-0.3"), -19200)):
        position = desk.line(key, "trend").position
        assert (position.quantity, position.cost) == (quantity, cost)


def test_a_fee_in_the_base_coin_leaves_the_position_of_all_and_of_the_strategy():
    desk = Desk()
    desk.fill("BUY", 1, 64000, fee="0.001", commission_currency="BTC", strategy_id="trend")
    assert desk.held() == desk.held("BTC", "trend") == D("0.999")
    assert desk.tracker.account.pnl.fees == desk.tracker.strategies["trend"].pnl.fees == 64
    assert desk.wallet("USD") == -64000


def test_a_fee_in_a_third_coin_is_nobodys_short_position():
    desk = stocked()
    desk.fill("BUY", 1, 64000, fee=2, commission_currency="ETH", strategy_id="trend")
    assert desk.wallet("ETH") == 999_998
    assert list(desk.tracker.strategies["trend"].lines) == ["BTC"]
    assert desk.tracker.strategies["trend"].pnl.fees == 4000


def test_a_fill_that_no_quote_can_value_costs_the_first_mark():
    """No profit out of nothing: it is worth its mark, and cost the same."""
    desk = Desk(quotes={})
    desk.fill("BUY", 1, 50000, fee=10, product_id="BTC-EUR")
    assert (desk.held(), desk.tracker.net_pnl) == (1, 0)
    desk.quote("BTC-USD", 64000)
    assert (desk.line().position.cost, desk.tracker.net_pnl) == (64000, 0)


def test_a_row_seen_again_changes_nothing():
    desk = stocked()
    desk.fill("BUY", 1, 64000, fee=1, order_id="o1", entry_id="e1")
    before = state_bytes(desk.tracker)
    desk.fill("BUY", 1, 64000, fee=1, order_id="o1", entry_id="e1")
    assert state_bytes(desk.tracker) == before


def test_late_exact_rows_correct_value_and_fees_without_moving_quantity():
    desk = Desk()
    desk.report(
        filled=3, average_price="64000.33", fees=1, leaves=0, status="FILLED", strategy_id="trend"
    )
    desk.fill("BUY", 3, "64000.3333", fee="1.5", order_id="o1", strategy_id="trend")
    assert desk.line().position.cost == desk.line("BTC", "trend").position.cost == D("192000.9999")
    assert desk.wallet("USD") == D("-192002.4999")


def test_before_the_books_open_fills_are_in_the_balances_already():
    desk = Desk(is_open=False)
    desk.report(filled=1, average_price=64000, leaves=1, limit_price=64000)
    assert (desk.held(), desk.line().open_buy) == (0, 1)
    desk.tracker.start(desk.now)
    desk.report(filled=2, average_price=64000, leaves=0)
    assert desk.held() == 1


def test_a_fill_is_a_price_where_the_last_quote_is_older():
    desk = Desk()
    desk.wait(60).fill("BUY", 1, 60_000)
    assert desk.tracker.marks.usd("BTC") == 60_000


def fees_of(desk):
    return desk.tracker.account.pnl.fees


def test_a_fee_that_a_fill_tells_later_is_counted_once():
    desk = stocked()
    desk.fill("BUY", 1, 100, fee=0, entry_id="one", order_id="o1")
    for fee in ("1.5", "1.5", "0", "1.5"):  # told, repeated, told by a row that lags behind
        desk.fill("BUY", 1, 100, fee=fee, entry_id="one", order_id="o1")
        assert fees_of(desk) == D("1.5")
    check_books(desk.tracker)
    assert desk.tracker.account.lines["BTC"].position.quantity == 1_000_001


def test_a_fee_that_only_the_orders_report_tells_is_counted():
    desk = stocked()
    desk.fill("BUY", 1, 100, fee=0, entry_id="one", order_id="o1")
    desk.report("o1", "FILLED", filled=1, average_price=100, fees="1.5")
    assert fees_of(desk) == D("1.5")
    desk.fill("BUY", 1, 100, fee="1.5", entry_id="one", order_id="o1")
    assert fees_of(desk) == D("1.5")


@pytest.mark.parametrize(("side", "other"), [("BUY", "SELL"), ("SELL", "BUY")])
def test_an_exact_price_that_comes_late_pays_a_contract_as_if_it_had_come_at_once(side, other):
    """First a frame tells an average price, then the fill's own row."""
    late, at_once = Desk(), Desk()
    for desk in (late, at_once):
        desk.fill(side, 3, 64_000, product_id=FUTURE)
    late.report("o1", "FILLED", side=other, product_id=FUTURE, filled=2, average_price=65_000)
    for desk in (late, at_once):
        desk.fill(other, 2, 64_990, product_id=FUTURE, order_id="o1")
    assert figures(late.tracker) == figures(at_once.tracker)
