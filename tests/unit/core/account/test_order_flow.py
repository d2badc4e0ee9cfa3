"""Order flow: whatever is learnt of an order becomes positions, funds and exposure, once."""

from datetime import timedelta

import pytest

from sidecar.core.account import closed_orders
from sidecar.core.account.strategy_books import STRATEGIES_MAX
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Reconcile
from sidecar.core.vocabulary.errors import Misuse, UnknownProduct, Untrusted
from sidecar.core.vocabulary.orders import Order
from tests.scenario import FUTURE, START, D, World, limit_order, market_order
from tests.tracking import Desk, check_books, state_bytes, stocked

# --- What an open order binds ---------------------------------------------------------------------


def test_an_open_buy_binds_exposure_and_the_quote_with_the_fee():
    desk = stocked()
    desk.report(leaves=2, limit_price=60000)
    assert (desk.line().open_buy, desk.line().orders) == (2, 1)
    assert desk.tracker.wallets.get("USD").held == 120_000 * D("1.012")
    assert desk.tracker.wallets.get("BTC").held == 0


def test_an_open_sell_binds_the_base():
    desk = stocked()
    desk.report(side="SELL", leaves=2, limit_price=70000)
    assert (desk.line().open_sell, desk.tracker.wallets.get("BTC").held) == (2, 2)


def test_an_order_at_an_unknown_price_binds_at_the_mid():
    """Without a mid of its own book: exposure, but no funds."""
    desk = stocked()
    desk.report("o1", leaves=1)
    assert desk.tracker.wallets.get("USD").held == 64000 * D("1.012")
    desk.report("o2", leaves=1, product_id="BTC-EUR")
    assert (desk.line().open_buy, desk.tracker.wallets.get("EUR").held) == (2, 0)


def test_a_future_binds_contracts_times_their_size_and_no_wallet():
    desk = stocked()
    desk.report(product_id=FUTURE, leaves=3, limit_price=64000)
    assert desk.line(FUTURE).open_buy == D("0.03")
    assert not any(wallet.held for wallet in desk.tracker.wallets.by_currency.values())


def test_a_coin_quoted_order_binds_both_legs():
    desk = stocked()
    desk.report(product_id="ETH-BTC", leaves=10, limit_price="0.03", strategy_id="trend")
    for strategy in (None, "trend"):
        assert desk.line("ETH", strategy).open_buy == 10
        assert desk.line("BTC", strategy).open_sell == D("0.3")
    assert desk.tracker.account.orders == 1


def test_as_an_order_fills_it_binds_less_and_at_its_end_nothing():
    desk = stocked()
    desk.report(leaves=2, limit_price=60000)
    desk.report(filled="0.5", average_price=60000, leaves="1.5")
    assert desk.line().open_buy == D("1.5")
    desk.report(status="CANCELLED", filled="0.5", average_price=60000, leaves=0)
    assert (desk.line().open_buy, desk.tracker.wallets.get("USD").held) == (0, 0)
    check_books(desk.tracker)


def test_a_strategy_that_becomes_known_late_takes_over_what_its_order_binds():
    desk = stocked()
    desk.report(leaves=2, limit_price=60000)
    desk.report(leaves=2, limit_price=60000, strategy_id="trend")
    assert desk.line("BTC", "trend").open_buy == desk.line().open_buy == 2


# --- What cannot be true --------------------------------------------------------------------------

WRONG = [
    ({"filled": "-1"}, Untrusted), ({"filled": "NaN"}, Untrusted), ({"average_price": "Infinity"}, Untrusted),
    ({"leaves": "-1"}, Untrusted), ({"base_size": "1e20"}, Untrusted), ({"limit_price": "-5"}, Untrusted),
    ({"stop_price": "sNaN"}, Untrusted), ({"fees": "NaN"}, Untrusted),
    ({"filled": "1e19", "average_price": "1e19"}, Untrusted),
    ({"filled": 1}, Untrusted), ({"product_id": "ABC-USD"}, UnknownProduct),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "error"), WRONG, ids=str)
def test_a_report_that_cannot_be_true_changes_nothing(fields, error):
    desk = stocked()
    before = state_bytes(desk.tracker)
    with pytest.raises(error):
        desk.report(strategy_id="new", **{"leaves": 1} | fields)
    assert state_bytes(desk.tracker) == before


@pytest.mark.parametrize(
    ("size", "price", "fee"),
    [(0, 1, 0), (1, 0, 0), (-1, 1, 0), (1, -1, 0), ("NaN", 1, 0), (1, "Infinity", 0), (1, 1, "NaN"),
     ("1e19", "1e19", 0), ("1e20", 1, 0)],
)  # fmt: skip
def test_a_row_that_cannot_be_true_changes_nothing(size, price, fee):
    desk = stocked()
    before = state_bytes(desk.tracker)
    with pytest.raises(Untrusted, match="size and price must be above zero"):
        desk.fill("BUY", size, price, fee, strategy_id="new")
    assert state_bytes(desk.tracker) == before


@pytest.mark.parametrize(
    "change", [{"side": "SELL"}, {"product_id": "ETH-USD"}, {"product_id": FUTURE}]
)
def test_an_order_does_not_change_side_or_product(change):
    desk = stocked()
    desk.report(leaves=1, limit_price=60000)
    before = state_bytes(desk.tracker)
    with pytest.raises(Untrusted, match="order o1 is a BUY of BTC-USD, not a"):
        desk.report(leaves=2, limit_price=60000, strategy_id="new", **change)
    assert state_bytes(desk.tracker) == before


def test_an_order_named_by_its_alias_is_the_same_order():
    desk = stocked()
    desk.report(product_id="BTC-USDC", leaves=1, limit_price=60000)
    desk.report(product_id="BTC-USD", filled=1, average_price=60000, leaves=0, status="FILLED")
    assert (desk.wallet("USDC"), desk.wallet("USD")) == (-60000, 1_000_000)


def test_one_strategy_too_many_leaves_the_books_as_they_were():
    desk = stocked()
    for number in range(STRATEGIES_MAX):
        desk.tracker.books.strategy_books.of(f"s{number}")
    for tell in (desk.report, lambda **known: desk.fill("BUY", 1, 1, **known)):
        before = state_bytes(desk.tracker)
        with pytest.raises(Misuse):
            tell(strategy_id="one more")
        assert state_bytes(desk.tracker) == before


# --- Orders that ended long ago, and orders that vanished -----------------------------------------


def forgotten():
    """A desk that remembers no order from before 13:00:20."""
    desk = stocked()
    desk.tracker.ledger.closed.horizon = START + timedelta(seconds=20)
    return desk.wait(30)


def test_facts_of_an_order_older_than_all_memory_are_not_new():
    desk = forgotten()
    before = state_bytes(desk.tracker)
    desk.report("old", status="FILLED", filled=1, average_price=60000, created_at=START)
    desk.fill("BUY", 1, 60000, traded_at=START)
    assert state_bytes(desk.tracker) == before


def test_an_open_order_older_than_all_memory_is_adopted():
    """Only what ended can have been forgotten."""
    desk = forgotten()
    desk.report("old", leaves=1, limit_price=60000, created_at=START)
    assert desk.line().open_buy == 1


def test_the_last_fill_that_was_forgotten_is_not_new():
    desk = forgotten()
    desk.fill("BUY", 1, 60000, traded_at=START + timedelta(seconds=20))
    assert desk.held() == 1_000_000


@pytest.mark.parametrize("born", [None, START + timedelta(seconds=20, microseconds=1)])
def test_facts_of_a_younger_order_are_new(born):
    desk = forgotten()
    desk.fill("BUY", 1, 60000, traded_at=born)
    assert desk.held() == 1_000_001


def test_memory_of_ended_orders_is_bounded():
    assert closed_orders.CLOSED_ORDERS_MAX == 20_000


def test_an_order_that_a_complete_listing_does_not_hold_raises_a_doubt():
    desk = stocked()
    desk.report(leaves=1, limit_price=60000)
    desk.wait(3)
    assert desk.send(ev.OpenOrdersListed, order_ids=(), began_at=desk.now, is_complete=False) == []
    (action,) = desk.send(ev.OpenOrdersListed, order_ids=(), began_at=desk.now)
    assert action == Reconcile(reason="1 orders ended unseen, among them o1")
    assert desk.tracker.books.doubts == {"orders": action.reason}
    assert desk.line().open_buy == 1


@pytest.mark.parametrize(("listed", "seconds"), [(("o1",), 3), ((), 2), ((), 0)])
def test_a_listing_that_holds_it_or_began_too_early_raises_none(listed, seconds):
    desk = stocked()
    desk.report(leaves=1, limit_price=60000)
    desk.wait(seconds)
    assert desk.send(ev.OpenOrdersListed, order_ids=listed, began_at=desk.now) == []
    assert desk.tracker.books.doubts == {}


# --- Reservations ---------------------------------------------------------------------------------


def approved(**fields):
    world = World()
    body = limit_order("0.5", 60000, name="bot-1", **fields)
    assert world.ask(body, strategy_id="trend")
    return world


def test_a_reservation_gives_way_to_its_order_which_inherits_what_only_the_bot_said():
    world = approved()
    world.report("o1", status="PENDING", client_order_id="bot-1")
    order = world.tracker.ledger.working["o1"]
    assert (order.strategy_id, order.limit_price, order.size) == ("trend", 60000, D("0.5"))
    assert (world.tracker.ledger.reservations, world.tracker.account.orders) == ({}, 1)
    assert world.tracker.wallets.get("USD").reserved == 0
    check_books(world.tracker)


def test_an_order_that_says_more_than_its_reservation_is_believed():
    world = approved()
    world.report("o1", client_order_id="bot-1", leaves="0.4", limit_price=59000, rests=False)
    order = world.tracker.ledger.working["o1"]
    assert (order.limit_price, order.size, order.rests) == (59000, D("0.4"), False)


def test_an_order_that_the_bot_sent_to_take_does_not_rest_whatever_the_frame_leaves_out():
    world = World()
    assert world.ask(market_order("0.1", name="bot-1"))
    world.report("o1", client_order_id="bot-1", leaves="0.1")
    assert not world.tracker.ledger.working["o1"].rests


def test_a_fill_of_an_approved_order_does_not_say_its_size():
    world = approved()
    world.fill("BUY", "0.1", 60000, order_id="o1", client_order_id="bot-1")
    assert world.tracker.account.lines["BTC"].open_buy == D("0.4")
    assert world.tracker.ledger.best_resting("BTC-USD", "BUY") == 60000


def test_a_release_may_name_the_decision_it_is_for():
    world = approved()
    world.send(ev.ReservationReleased, client_order_id="bot-1", decision_id="another")
    (reservation,) = world.tracker.ledger.reservations.values()
    name = reservation.decision.decision_id
    world.send(ev.ReservationReleased, client_order_id="bot-1", decision_id=name)
    assert world.tracker.ledger.reservations == {}


def test_releasing_twice_or_what_was_never_reserved_changes_nothing():
    world = approved()
    world.send(ev.ReservationReleased, client_order_id="bot-1")
    before = state_bytes(world.tracker)
    world.send(ev.ReservationReleased, client_order_id="bot-1")
    world.send(ev.ReservationReleased, client_order_id="never")
    assert state_bytes(world.tracker) == before
    assert world.tracker.wallets.get("USD").reserved == 0


def test_a_futures_reservation_binds_margin_until_released():
    world = World()
    wallet = {
        "wallet": D(10_000),
        "buying_power": D(10_000),
        "liquidation_buffer_percentage": D(90),
    }
    world.send(ev.FuturesSummaryRead, **wallet)
    assert world.ask(limit_order(1, 64000, product_id=FUTURE, name="f"))
    assert world.tracker.orders.margin_reserved == 160
    world.send(ev.ReservationReleased, client_order_id="f")
    assert world.tracker.orders.margin_reserved == 0


def edited():
    world = World()
    world.report("o1", client_order_id="bot-1", leaves="0.1", limit_price=60000)
    assert world.manager.validate_edit(order_id="o1", price="60000", size="0.2")
    return world


def test_an_edits_reservation_ends_with_its_order():
    world = edited()
    world.report("o1", status="CANCELLED", limit_price=60000)
    assert (world.tracker.ledger.reservations, world.tracker.account.lines) == ({}, {})
    check_books(world.tracker)


@pytest.mark.parametrize(("seconds", "reserved"), [(10, ["bot-1"]), (11, [])])
def test_an_edit_that_a_report_does_not_show_after_its_life_never_happened(seconds, reserved):
    world = edited()
    world.now += timedelta(seconds=seconds)
    report = ev.OrderReported(at=world.now, order_id="o1", product_id="BTC-USD", side="BUY",
                              status="OPEN", leaves=D("0.1"), limit_price=D(60000))  # fmt: skip
    world.tracker.apply(report)
    assert list(world.tracker.ledger.reservations) == reserved
    assert world.tracker.account.lines["BTC"].open_buy == (D("0.2") if reserved else D("0.1"))
    check_books(world.tracker)


def test_a_reserved_order_is_the_bots_own_object_too():
    order = Order(client_order_id="x", product_id="BTC-USD", side="BUY", kind="limit_limit_gtc",
                  base_size=D("0.1"), limit_price=D(60000), ceiling_price=D(60000))  # fmt: skip
    world = World()
    assert world.ask(order)
    assert world.tracker.account.lines["BTC"].open_buy == D("0.1")


# --- Orders that nobody knows ---------------------------------------------------------------------


def test_what_has_vanished_holds_nothing_and_is_told():
    desk = stocked()
    desk.report(leaves=2, limit_price=60000)
    (alert,) = desk.send(ev.OrderVanished, order_id="o1")
    assert (alert.code, "BUY 2 of BTC-USD" in alert.text) == ("ORDER_VANISHED", True)
    assert (desk.line().open_buy, desk.line().orders) == (0, 0)
    assert desk.tracker.wallets.get("USD").held == 0
    assert desk.send(ev.OrderVanished, order_id="o1") == []
    check_books(desk.tracker)


def test_a_frame_told_again_does_not_open_it_and_a_listing_does():
    desk = stocked()
    desk.report(leaves=2, limit_price=60000)
    desk.send(ev.OrderVanished, order_id="o1")
    desk.report(leaves=2, limit_price=60000)
    assert desk.line().open_buy == 0
    desk.send(ev.OpenOrdersListed, order_ids=("o1", "o2"), began_at=desk.now)
    assert desk.line().open_buy == 2
    assert desk.tracker.wallets.get("USD").held == 120_000 * D("1.012")
    check_books(desk.tracker)


def test_a_fill_of_what_has_vanished_counts():
    desk = stocked()
    desk.report(leaves=2, limit_price=60000)
    desk.send(ev.OrderVanished, order_id="o1")
    held = desk.line().position.quantity
    desk.report(filled=1, leaves=1, average_price=60000)
    assert desk.line().position.quantity == held + 1
    assert desk.line().open_buy == 0
    check_books(desk.tracker)


@pytest.mark.parametrize(
    ("side", "limit", "coins"),
    [("SELL", "0.02", "0.31"), ("SELL", "0.04", "0.4"), ("BUY", "0.02", "0.2")],
)
def test_a_sale_for_a_coin_brings_the_market_s_price_or_more_and_a_purchase_costs_its_limit(
    side, limit, coins
):
    desk = Desk()
    desk.quote("ETH-BTC", "0.031")
    desk.report(product_id="ETH-BTC", side=side, leaves=10, limit_price=limit)
    line = desk.line("BTC")
    assert (line.open_buy if side == "SELL" else line.open_sell) == D(coins)


def test_a_fill_of_one_strategy_too_many_changes_nothing():
    desk = Desk()
    for number in range(STRATEGIES_MAX):
        desk.tracker.books.strategy_books.of(f"s{number}")
    before = state_bytes(desk.tracker)
    with pytest.raises(Misuse, match="strategy names"):
        desk.fill("BUY", 1, 64_000, strategy_id="one more")
    assert state_bytes(desk.tracker) == before
