"""The traps that peers fell into, on the tracker's side: one named test each."""

from datetime import timedelta

import pytest

from sidecar.core.account.losses import daily
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Reconcile
from sidecar.core.vocabulary.errors import Untrusted
from tests.decisions import connected, restarted
from tests.scenario import FUTURE, D, product
from tests.tracking import Desk, state_bytes


@pytest.fixture
def desk():
    """Two bitcoin and 100,000 dollars, a minute after anything happened."""
    desk = Desk()
    desk.balance("USD", 100_000)
    desk.balance("BTC", 2)
    return desk.wait(60)


def base(desk):
    """What today's loss ratio is taken of."""
    return daily(desk.tracker).base


# --- Balances -------------------------------------------------------------------------------------


def test_a_balance_read_that_lags_its_fill_does_not_undo_the_fill(desk):
    """For half a minute it says nothing; later it is a doubt, until the next read agrees."""
    desk.fill("BUY", 1, 64000)
    desk.wait(30).balance("BTC", 2)
    assert (desk.held(), desk.tracker.wallets.in_doubt) == (3, set())
    desk.wait(1).balance("BTC", 2)
    assert (desk.held(), desk.tracker.wallets.in_doubt) == (3, {"BTC"})
    desk.wait(1).balance("BTC", 3)
    assert (desk.held(), desk.tracker.wallets.in_doubt, desk.tracker.net_pnl) == (3, set(), 0)


def test_a_balance_read_that_runs_ahead_of_its_fill_does_not_count_it_twice(desk):
    """The wallet knew first; the frame comes a second later."""
    desk.balance("BTC", 3)
    desk.wait(1).fill("BUY", 1, 64000)
    desk.wait(3).balance("BTC", 3)
    assert (desk.held(), desk.tracker.wallets.in_doubt) == (3, set())


def test_a_deposit_after_the_days_start_moves_the_base_of_the_loss_ratio_and_no_loss(desk):
    before = base(desk)
    for _ in range(2):
        desk.wait(3).balance("USD", 150_000)
    assert (base(desk) - before, daily(desk.tracker).usd) == (50_000, 0)


def test_a_withdrawal_moves_it_down_and_an_empty_account_has_no_ratio(desk):
    desk.quote("BTC-USD", 64_000)
    for currency, left in (("USD", 128_000), ("BTC", 0)):
        for _ in range(2):
            desk.wait(3).balance(currency, 0)
        assert (base(desk), desk.tracker.net_pnl) == (left, 0)
    assert daily(desk.tracker).ratio is None


def test_a_deposit_in_coin_counts_at_the_mark_of_its_first_reading(desk):
    """What it has earned since then is PnL."""
    desk.wait(3).balance("BTC", 3)
    desk.quote("BTC-USD", 65000)
    desk.wait(3).balance("BTC", 3)
    assert (desk.tracker.transfers - 228_000, desk.tracker.net_pnl) == (64_000, 3000)


def test_coinbases_wallets_are_separate_though_the_key_is_one(desk):
    """USD and USDC: one exposure, two wallets."""
    desk.report("a", leaves="0.5", limit_price=60000)
    desk.report("b", leaves="0.5", limit_price=60000, product_id="BTC-USDC")
    wallets = desk.tracker.wallets
    assert desk.line().open_buy == 1
    assert wallets.get("USD").held == wallets.get("USDC").held == 30_000 * D("1.012")
    assert (wallets.free("USD"), wallets.free("USDC")) == (69_640, -30_360)


# --- Fills ----------------------------------------------------------------------------------------


def test_a_fill_reported_three_times_counts_once(desk):
    for _ in range(3):
        desk.report(filled=1, average_price=64000, fees=5, leaves=1)
        desk.fill("BUY", 1, 64000, 5, order_id="o1", entry_id="e1")
    assert (desk.held(), desk.tracker.account.pnl.fees, desk.wallet("USD")) == (3, 5, 35_995)


def test_a_late_fill_after_a_cancel_counts_and_the_money_is_not_free(desk):
    desk.report(leaves=1, limit_price=64000)
    desk.report(status="CANCELLED", leaves=0)
    assert desk.tracker.wallets.free("USD") == 100_000
    desk.wait(30).fill("BUY", 1, 64000, order_id="o1")
    assert (desk.held(), desk.tracker.wallets.free("USD"), desk.line().open_buy) == (3, 36_000, 0)


def test_a_duplicate_cancel_frees_nothing_twice(desk):
    desk.report("o1", leaves=1, limit_price=64000)
    desk.report("o2", leaves="0.5", limit_price=64000)
    for _ in range(3):
        desk.report("o1", status="CANCELLED", leaves=0)
    assert desk.tracker.wallets.get("USD").held == 32_000 * D("1.012")
    assert (desk.line().open_buy, desk.line().orders) == (D("0.5"), 1)


def test_a_cancelled_order_may_hold_fills(desk):
    """The last frame of a cancelled order is the first to tell of its fill."""
    desk.report(leaves=1, limit_price=64000)
    desk.report(status="CANCELLED", filled="0.3", average_price=63000, leaves=0)
    assert (desk.held(), desk.line().open_buy) == (D("2.3"), 0)


def test_an_order_that_fails_or_expires_may_hold_fills_too(desk):
    for number, status in enumerate(("FAILED", "EXPIRED")):
        desk.report(f"o{number}", status=status, filled=1, average_price=64000)
    assert (desk.held(), desk.tracker.ledger.working) == (4, {})


def test_a_snapshot_before_the_books_open_is_state_and_never_a_fill():
    """The balances hold its fills already. What fills afterwards is new."""
    desk = Desk(is_open=False)
    desk.balance("BTC", 1)
    desk.report(filled="0.4", average_price=64000, leaves="0.6")
    desk.fill("BUY", "0.4", 64000, order_id="o1")
    desk.tracker.start(desk.now)
    assert (desk.held(), desk.line().open_buy) == (1, D("0.6"))
    desk.report(filled="0.5", average_price=64000, leaves="0.5")
    assert desk.held() == D("1.1")


def test_a_snapshot_after_a_reconnect_repeats_no_fill(desk):
    frame = {"filled": "0.4", "average_price": 64000, "leaves": "0.6", "fees": 1}
    desk.report(**frame)
    before = state_bytes(desk.tracker)
    for _ in range(3):
        desk.report(**frame)
    assert state_bytes(desk.tracker) == before


def test_a_fill_that_happened_while_down_counts_when_the_snapshot_tells_of_it(desk):
    desk.report(filled="0.4", average_price=64000, leaves="0.6")
    again = desk.restarted()
    again.report(filled="0.7", average_price=64000, leaves="0.3")
    again.report("o2", filled="0.1", average_price=64000, leaves=0, status="FILLED")
    assert again.held() == D("2.8")


def test_leaves_that_fall_to_zero_at_the_end_are_no_edit_and_no_fill(desk):
    desk.report(leaves=1, limit_price=64000)
    desk.report(status="CANCELLED", leaves=0, limit_price=64000)
    order = desk.tracker.ledger.closed.by_id["o1"]
    assert (order.size, order.filled, desk.held()) == (1, 0, 2)


def test_frames_out_of_order_never_take_a_fill_back(desk):
    desk.report(filled=1, average_price=64000, leaves=0, status="FILLED")
    desk.report(filled="0.5", average_price=63000, leaves="0.5")
    desk.report(status="PENDING")
    assert (desk.held(), desk.wallet("USD"), desk.tracker.account.orders) == (3, 36_000, 0)


def test_the_rounding_of_an_average_price_is_corrected_by_the_exact_rows(desk):
    desk.report(filled="0.3", average_price="63333.33", status="FILLED", leaves=0)
    desk.fill("BUY", "0.1", 63000, order_id="o1")
    desk.fill("BUY", "0.2", 63500, order_id="o1")
    assert (desk.held(), desk.wallet("USD")) == (D("2.3"), 81_000)


def test_late_fees_are_charged_and_never_refunded(desk):
    desk.report(filled=1, average_price=64000, status="FILLED", leaves=0)
    desk.report(filled=1, average_price=64000, status="FILLED", leaves=0, fees=7)
    desk.report(filled=1, average_price=64000, status="FILLED", leaves=0)
    assert (desk.tracker.account.pnl.fees, desk.wallet("USD")) == (7, 35_993)


def test_a_fee_in_the_base_coin_reported_in_dollars_first_is_paid_once(desk):
    """The channel says 64 dollars; the row says it was a thousandth of a bitcoin."""
    desk.report(filled=1, average_price=64000, fees=64, status="FILLED", leaves=0)
    desk.fill("BUY", 1, 64000, "0.001", commission_currency="BTC", order_id="o1")
    assert (desk.wallet("USD"), desk.wallet("BTC"), desk.held()) == (36_000, D("2.999"), D("2.999"))
    assert (desk.tracker.account.pnl.fees, desk.tracker.net_pnl) == (64, -64)


def test_sparse_frames_keep_what_richer_ones_said(desk):
    """A frame without price, size or client id takes none of them away."""
    desk.report(leaves=1, limit_price=60000, client_order_id="c1", strategy_id="trend")
    desk.report(status="CANCEL_QUEUED")
    order = desk.tracker.ledger.working["o1"]
    assert (order.remaining, order.limit_price, order.strategy_id) == (1, 60000, "trend")
    assert desk.tracker.wallets.get("USD").held == 60_000 * D("1.012")


def test_a_cancel_that_is_accepted_is_not_a_cancelled_order(desk):
    desk.report(leaves=1, limit_price=60000)
    desk.report(status="CANCEL_QUEUED", leaves=1, limit_price=60000)
    assert (desk.line().open_buy, desk.line().orders) == (1, 1)


def test_a_status_that_nobody_knows_leaves_the_order_open(desk):
    desk.report(status="HIBERNATING", leaves=1, limit_price=60000)
    assert desk.line().open_buy == 1


def test_a_side_that_contradicts_the_order_is_not_booked_as_its_own(desk):
    desk.report(leaves=1, limit_price=60000)
    with pytest.raises(Untrusted):
        desk.fill("SELL", 1, 60000, order_id="o1")
    assert desk.held() == 2


# --- Absence is not news --------------------------------------------------------------------------


def test_an_order_that_cannot_be_found_is_neither_filled_nor_gone(desk):
    """A 404 just after create, an empty page: nothing is told, so nothing is freed."""
    desk.report(leaves=1, limit_price=60000)
    assert desk.send(ev.OpenOrdersListed, order_ids=(), began_at=desk.now) == []
    assert desk.line().open_buy == 1


def test_an_order_that_vanished_from_a_complete_listing_is_a_doubt_until_it_is_looked_up(desk):
    desk.report(leaves=1, limit_price=60000)
    desk.wait(5)
    (action,) = desk.send(ev.OpenOrdersListed, order_ids=("other",), began_at=desk.now)
    assert isinstance(action, Reconcile)
    assert (desk.line().open_buy, list(desk.tracker.books.doubts)) == (1, ["orders"])
    desk.report(status="FILLED", filled=1, average_price=60000, leaves=0)
    desk.send(ev.AccountReconciled)
    assert (desk.held(), desk.tracker.books.doubts) == (3, {})


def test_a_wallet_that_a_read_leaves_out_keeps_its_money(desk):
    desk.send(ev.BalancesRead, balances=(), fills_until=desk.now)
    assert (desk.wallet("USD"), desk.held()) == (100_000, 2)


def test_a_futures_position_that_a_lagging_read_leaves_out_is_not_flat(desk):
    desk.fill("BUY", 1, 64000, product_id=FUTURE)
    desk.wait(1).send(ev.FuturesRead, positions=(), fills_until=desk.now)
    assert desk.held(FUTURE) == D("0.01")


# --- Dust and closed positions --------------------------------------------------------------------


def test_a_closed_position_is_cleaned_away_and_its_pnl_is_not(desk):
    desk.fill("SELL", 2, 65000, fee=10)
    assert (desk.tracker.account.lines, desk.tracker.account.pnl_by_key["BTC"].realised) == (
        {},
        2000,
    )
    assert desk.tracker.account.gross == 0


def test_no_crumb_of_cost_stays_behind_when_thirds_are_closed(desk):
    desk.fill("BUY", 1, "63999.99")
    for _ in range(3):
        desk.fill("SELL", 1, 64000)
    assert desk.tracker.account.lines == {}
    assert desk.tracker.account.pnl.realised == desk.tracker.net_pnl == D("0.01")


def test_dust_is_a_position_and_worth_what_it_is_worth(desk):
    """It is neither rounded away nor a hundred million: cleaning up is selling."""
    desk.fill("SELL", "1.99999999", 64000)
    assert (desk.held(), desk.tracker.account.gross) == (D("1E-8"), D("0.00064"))


# --- Quotes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bid", "ask"), [(70000, 60000), (1, 120_000), (0, 64000), (0, 0)])
def test_crossed_wide_and_zero_quotes_move_no_pnl(desk, bid, ask):
    desk.quote("BTC-USD", bid, ask)
    assert (desk.tracker.net_pnl, desk.tracker.marks.usd("BTC")) == (0, 64000)


def test_a_bad_tick_does_not_raise_the_peak_that_drawdown_counts_from(desk):
    desk.quote("BTC-USD", 64000, 128_000)
    assert desk.tracker.windows
    assert desk.tracker.windows.peak == 0


def test_a_late_quote_does_not_replace_a_newer_one(desk):
    late = ev.Quote("BTC-USD", D(1000), D(1000), desk.now)
    desk.wait(1).quote("BTC-USD", 64500)
    desk.send(ev.Quotes, quotes=(late,))
    assert desk.tracker.marks.usd("BTC") == 64500


def test_a_stale_quote_still_values_and_says_how_old_it_is(desk):
    was = desk.tracker.marks.by_key["BTC"].at
    desk.wait(3600).quote("BTC-USD", 64000, 128_000)
    assert (desk.tracker.marks.usd("BTC"), desk.tracker.marks.by_key["BTC"].at) == (64000, was)


def test_an_asset_without_a_route_is_held_unvalued_and_never_guessed(desk):
    desk.balance("XYZ", 1_000_000)
    assert (desk.tracker.unvalued(), desk.tracker.equity) == (["XYZ"], 228_000)
    desk.send(ev.ProductsListed, products=(product("XYZ-USD"),))
    assert desk.tracker.unmarked() == ["XYZ"]
    desk.quote("XYZ-USD", "0.01")
    assert (desk.tracker.equity, desk.tracker.net_pnl, base(desk)) == (238_000, 0, 238_000)


def test_what_was_bought_before_any_mark_is_no_profit_out_of_nothing():
    desk = Desk(quotes={})
    desk.fill("BUY", 1, 51200, product_id="BTC-EUR")
    desk.quote("BTC-USD", 64000)
    desk.quote("USDC-EUR", "0.8")
    assert desk.tracker.net_pnl == 0


# --- Restarts -------------------------------------------------------------------------------------


def test_a_doubt_is_not_forgotten_by_a_restart(desk):
    desk.balance("BTC", 5)
    desk.send(ev.FuturesRead, positions=(ev.FuturesPosition(FUTURE, D(1)),), fills_until=desk.now)
    assert desk.restarted().tracker.wallets.in_doubt == {"BTC", FUTURE}


def test_a_fill_that_is_told_again_after_a_restart_counts_once(desk):
    desk.report(filled=1, average_price=64000, leaves=0, status="FILLED")
    desk.fill("BUY", 1, 64000, order_id="o1", entry_id="e1")
    again = desk.restarted()
    again.report(filled=1, average_price=64000, leaves=0, status="FILLED")
    again.fill("BUY", 1, 64000, order_id="o1", entry_id="e1")
    assert again.held() == 3


# --- The opening ----------------------------------------------------------------------------------


def test_a_fill_from_before_the_opening_balances_is_in_them_already():
    """Readings look back a little; the first one began from the balances alone."""
    world = connected(held=2)
    before = world.now - timedelta(seconds=20)
    world.fill("BUY", 1, 64000, traded_at=before)
    assert world.position == 2
    world = restarted(world)
    world.fill("BUY", 1, 64000, traded_at=before)
    world.fill("BUY", 1, 64000, traded_at=world.now)
    assert world.position == 3


def test_a_fill_of_an_order_that_was_open_at_the_opening_counts():
    world = connected(held=2)
    world.report("o1", leaves=1, base_size=1, limit_price=60000)
    world.fill("BUY", "0.5", 60000, order_id="o1", traded_at=world.now - timedelta(seconds=1))
    assert world.position == D("2.5")
