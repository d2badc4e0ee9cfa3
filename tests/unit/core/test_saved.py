"""What survives a restart, and what a new configuration does to it."""

from datetime import timedelta

import pytest

from sidecar.core.account.losses import cumulative, daily, drawdown
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved import (
    SavedState,
    restore_manager,
    restore_tracker,
    save_manager,
    save_tracker,
)  # fmt: skip
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.events import ReduceOnlyRequested
from sidecar.core.vocabulary.limits import Limits
from sidecar.storage.codec import decode_state, encode_state
from tests.scenario import FUTURE, PRODUCTS, D, World, limit_order
from tests.tracking import Desk, check_books, figures, restored, state_bytes


def lived():
    """A world with everything in it that is kept."""
    world = World(keep={"ETH": D(1)}, cash=300_000, max_order_rate={"count": 3, "window_s": 60})
    world.balance("ETH", 5)
    world.fill("BUY", 1, 60000, fee=10, strategy_id="trend")
    world.fill("SELL", 3, 64000, product_id=FUTURE)
    world.report("o1", client_order_id="c1", leaves=1, limit_price=60000, stop_price=59000)
    world.report("o2", status="CANCELLED", filled="0.1", average_price=60000)
    world.send(ev.FundingPaid, product_id=FUTURE, amount=D("0.25"))
    world.send(ev.FeesRead, taker_rate=D("0.006"), maker_rate=D("0.004"))
    wallet = {"wallet": D(900), "buying_power": D(800), "liquidation_buffer_percentage": D(90)}
    world.send(ev.FuturesSummaryRead, **wallet)
    assert world.ask(limit_order("0.1", 61000, name="r1"), strategy_id="grid")
    world.wait(31)  # until then a reading may lack the fills
    world.balance("ETH", 6)
    world.send(ev.FuturesRead, positions=(), fills_until=world.now)
    return world


def test_books_with_everything_in_them_come_back_whole():
    tracker = lived().tracker
    again = restored(tracker)
    assert state_bytes(again) == state_bytes(tracker)
    assert figures(again) == figures(tracker)
    assert again.wallets.in_doubt == {"ETH", FUTURE}
    check_books(again)


def test_what_was_unpriced_is_priced_after_the_restart():
    desk = Desk(quotes={})
    desk.balance("BTC", 2)
    desk.fill("SELL", 1, 50000, product_id="BTC-EUR")
    again = desk.restarted()
    again.quote("BTC-USD", 64000)
    assert (again.held(), again.tracker.transfers, again.tracker.net_pnl) == (1, 128_000, 0)


def test_a_position_that_left_while_its_mark_was_old_waits_for_no_quote():
    """It went at the last confirmed price, over a restart too."""
    desk = Desk()
    desk.fill("BUY", 1, 60000)
    for _ in range(2):
        desk.wait(100_000).balance("BTC", 0)
    again = desk.restarted()
    again.quote("BTC-USD", 64000)
    assert (again.held(), again.tracker.net_pnl, again.tracker.transfers) == (0, 0, -60_000)


def test_a_new_keep_moves_the_position_at_the_mark_as_a_transfer():
    desk = Desk()
    desk.fill("BUY", 2, 60000)
    again = restored(desk.tracker, keep={"BTC": D("0.5")})
    assert again.account.lines["BTC"].position.quantity == D("1.5")
    assert (again.net_pnl, again.kept) == (desk.tracker.net_pnl, 32_000)
    assert again.equity == desk.tracker.equity - 32_000
    back = restored(again, keep={})
    assert back.account.lines["BTC"].position.quantity == 2
    assert (back.net_pnl, back.equity) == (desk.tracker.net_pnl, desk.tracker.equity)


def test_a_new_keep_moves_no_ratio():
    """It is a transfer like any other."""
    desk = Desk()
    desk.balance("USD", 200_000)
    desk.fill("BUY", 2, 64000)
    desk.stand("BTC-USD", 54_000)
    again = restored(desk.tracker, keep={"BTC": D("0.5")})
    for loss in (daily, cumulative, drawdown):
        assert loss(desk.tracker).ratio == loss(again).ratio == D("0.1")
        assert loss(again).usd == 20_000
    Desk(tracker=again, start=desk.now).quote(
        "BTC-USD", 43_800
    )  # 15,300 of the 153,000 that are left
    assert {loss(again).ratio for loss in (daily, cumulative, drawdown)} == {D("0.19")}


def test_a_contract_that_is_in_doubt_is_in_doubt_after_a_restart_too():
    desk = Desk()
    shown = (ev.FuturesPosition(FUTURE, D(1), None),)
    desk.send(ev.FuturesRead, positions=shown, fills_until=desk.now)
    again = desk.restarted().wait(3)
    (alert,) = again.send(ev.FuturesRead, positions=shown, fills_until=again.now)
    assert isinstance(alert, Alert)
    assert again.held(FUTURE) == D("0.01")


def test_a_usdc_that_is_no_dollar_is_none_after_a_restart():
    desk = Desk()
    desk.balance("USDC", 1000)
    desk.tracker.rate_usdc(D("0.9"), desk.now)
    assert restored(desk.tracker).equity == desk.tracker.equity == 900


def test_a_new_list_of_products_leaves_a_usdc_what_it_counts():
    desk = Desk()
    desk.balance("EUR", 1000)
    desk.tracker.rate_usdc(D("0.9"), desk.now)
    before = desk.tracker.equity
    desk.send(ev.ProductsListed, products=PRODUCTS)
    assert desk.tracker.equity == before == 1125


def test_a_figure_of_the_empty_books_is_none_of_the_restored():
    tracker = PositionTracker()
    before = tracker.version
    restore_tracker(save_tracker(Desk().tracker), tracker)
    assert tracker.version > before


def test_a_currency_that_is_cash_from_now_on_is_no_position_any_more_and_back():
    desk = Desk()
    desk.fill("BUY", 2, 60000)
    again = restored(desk.tracker, cash={"USD", "BTC"})
    assert (again.account.lines, again.net_pnl) == ({}, 8000)
    back = restored(again, cash={"USD"})
    assert (back.account.lines["BTC"].position.quantity, back.net_pnl) == (2, 8000)


def test_how_far_back_memory_goes_is_remembered():
    desk = Desk()
    desk.tracker.ledger.closed.horizon = desk.now
    assert restored(desk.tracker).ledger.closed.horizon == desk.now


def test_books_that_never_opened_stay_closed():
    desk = Desk(is_open=False)
    desk.balance("BTC", 1)
    again = restored(desk.tracker)
    assert (again.windows, again.books.is_open) == (None, False)


@pytest.mark.parametrize(
    "used", [lambda desk: desk.balance("USD", 1), lambda desk: desk.fill("BUY", 1, 1, product_id=FUTURE),
             lambda desk: desk.report(product_id=FUTURE, leaves=1, limit_price=1)],
)  # fmt: skip
def test_a_state_is_restored_into_new_books_only(used):
    """Loaded twice, everything would count twice."""
    desk = Desk()
    used(desk)
    before = state_bytes(desk.tracker)
    with pytest.raises(Misuse, match="load the state into a new one"):
        restore_tracker(save_tracker(Desk().tracker), desk.tracker)
    assert state_bytes(desk.tracker) == before


def test_the_managers_memory_comes_back_with_every_cause():
    world = lived()
    world.send(ReduceOnlyRequested, reason="lunch")
    state = SavedState(
        saved_at=world.now, manager=save_manager(world.manager), tracker=save_tracker(world.tracker)
    )
    saved = decode_state(encode_state(state), "state")
    tracker = PositionTracker(keep={"ETH": D(1)})
    restore_tracker(saved.tracker, tracker)
    again = RiskManager(
        Limits(max_order_rate={"count": 3, "window_s": 60}), tracker, clock=lambda: world.now
    )
    assert saved.manager is not None
    restore_manager(saved.manager, again)
    assert save_manager(again) == save_manager(world.manager)
    assert again.state.account == "REDUCE_ONLY"


def manager_after_restart(world, at):
    tracker = PositionTracker()
    state = SavedState(
        saved_at=world.now, manager=save_manager(world.manager), tracker=save_tracker(world.tracker)
    )
    saved = decode_state(encode_state(state), "state")
    restore_tracker(saved.tracker, tracker)
    manager = RiskManager(world.manager.limits, tracker, clock=lambda: at)
    assert saved.manager is not None
    restore_manager(saved.manager, manager)
    return manager


def test_the_first_order_after_a_boundary_passed_while_down_is_judged_in_the_new_day():
    """Nothing but a proposal need come: the day has rolled, and yesterday's loss no longer binds."""
    world = World(max_daily_loss="500 USD")
    world.hold()
    world.stand("BTC-USD", 63000)
    assert world.manager.state.account == "REDUCE_ONLY"
    at = world.now + timedelta(days=1, hours=1)
    manager = manager_after_restart(world, at)
    decision = manager.validate_order(limit_order("0.01", 62000))
    assert manager.tracker.windows
    assert manager.tracker.windows.day.started_at == at
    assert decision.state == "ACTIVE"


def test_a_crash_seen_first_after_the_restart_is_the_new_days_loss():
    world = World(max_daily_loss="500 USD")
    world.hold()
    at = world.now + timedelta(days=1, hours=1)
    manager = manager_after_restart(world, at)
    quote = ev.Quote("BTC-USD", D(63000), D(63000), at)
    manager.handle(ev.Quotes(at=at, quotes=(quote,)))
    assert manager.state.account == "REDUCE_ONLY"


def test_a_restart_after_the_rate_of_cash_moved_judges_the_same():
    """That was no transfer: every base stays."""
    desk = Desk()
    desk.balance("USD", 100_000)
    desk.balance("EUR", 40_000)  # 50,000 dollars
    desk.fill("BUY", 1, 64000)
    desk.quote("USDC-EUR", "1.6")  # now 25,000
    again = desk.restarted()
    assert state_bytes(again.tracker) == state_bytes(desk.tracker)
    for one in (desk, again):
        one.quote("BTC-USD", 54_000)
    assert cumulative(again.tracker).ratio == cumulative(desk.tracker).ratio


def test_a_mark_that_is_not_confirmed_is_not_after_a_restart_either():
    """Bought at 60,000 beside a mark of 64,000: a window that begins now counts from 60,000."""
    desk = Desk()
    desk.balance("USD", 100_000)
    desk.fill("BUY", 1, 60_000)
    for one in (desk, desk.restarted()):
        one.tracker.reset_window("daily", one.now)
        one.stand("BTC-USD", 59_000)
        assert daily(one.tracker).usd == 1_000
