"""Balance flow: what Coinbase says the account holds, against what the books say."""

from datetime import timedelta

import pytest

from sidecar.core import events as ev
from sidecar.core.actions import Alert, Reconcile
from sidecar.core.errors import UnknownProduct, Untrusted
from tests.scenario import FUTURE, START, D, World, limit_order
from tests.tracking import Desk, check_books, state_bytes


def futures_read(desk, *positions, **fields):
    stated = tuple(
        ev.FuturesPosition(FUTURE, D(contracts), entry) for contracts, entry in positions
    )
    return desk.send(ev.FuturesRead, positions=stated, fills_until=desk.now, **fields)


def summary(desk, wallet):
    desk.send(
        ev.FuturesSummaryRead,
        wallet=D(wallet),
        buying_power=D(0),
        liquidation_buffer_percentage=D(50),
    )


# --- Balances -------------------------------------------------------------------------------------


def test_at_the_opening_every_balance_is_the_state_found():
    desk = Desk(is_open=False)
    desk.balance("BTC", 2, average_entry_price=D(50000))
    desk.balance("BTC", 3, average_entry_price=D(51000))
    desk.tracker.start(desk.now)
    position = desk.line().position
    assert (position.quantity, desk.tracker.transfers, desk.tracker.net_pnl) == (3, 0, 0)
    assert desk.tracker.windows is not None
    assert desk.tracker.windows.day.base == 192_000


def test_what_was_held_before_shows_coinbases_entry_and_counts_from_the_first_mark():
    desk = Desk(is_open=False, quotes={})
    desk.balance("BTC", 2, average_entry_price=D(50000))
    desk.quote("BTC-USD", 64000)
    desk.tracker.start(desk.now)
    assert (desk.line().position.average_price(), desk.line().position.cost) == (50000, 128_000)
    desk.quote("BTC-USD", 63000)
    assert desk.tracker.net_pnl == -2000


def test_a_wallet_first_seen_later_came_from_outside():
    desk = Desk()
    assert desk.balance("BTC", 2, average_entry_price=D(50000)) == []
    assert (desk.tracker.transfers, desk.tracker.net_pnl) == (128_000, 0)
    assert desk.line().position.average_price() == 50000


def test_a_difference_that_survives_two_reads_is_a_transfer():
    desk = Desk()
    desk.balance("USD", 100)
    desk.wait(3)
    assert desk.balance("USD", 150) == [
        Reconcile(reason="Coinbase's USD balance differs from the books")
    ]
    assert (desk.wallet("USD"), desk.tracker.wallets.in_doubt) == (100, {"USD"})
    (alert,) = desk.wait(3).balance("USD", 150)
    assert alert == Alert(severity="info", code="TRANSFER", text="50 USD came in outside trading")
    assert (desk.wallet("USD"), desk.tracker.transfers, desk.tracker.wallets.in_doubt) == (
        150,
        150,
        set(),
    )


def test_what_goes_out_goes_at_the_mark_and_is_no_loss():
    desk = Desk()
    desk.fill("BUY", 2, 60000)
    desk.wait(3).balance("BTC", 1)
    assert desk.wait(3).balance("BTC", 1) == [
        Alert(severity="info", code="TRANSFER", text="1 BTC went out outside trading")
    ]
    assert (desk.held(), desk.tracker.net_pnl, desk.tracker.transfers) == (1, 8000, -64000)


def test_a_transfer_that_no_quote_can_value_counts_when_one_can():
    desk = Desk(quotes={})
    desk.balance("BTC", 2)
    assert (desk.tracker.transfers, desk.tracker.unvalued(), desk.tracker.unmarked()) == (
        0,
        ["BTC"],
        ["BTC"],
    )
    desk.quote("BTC-USD", 60000)
    assert (desk.tracker.transfers, desk.tracker.net_pnl, desk.tracker.unvalued()) == (
        120_000,
        0,
        [],
    )
    assert desk.tracker.unmarked() == []


def test_what_coinbase_holds_for_no_order_of_ours_is_not_free():
    desk = Desk()
    desk.balance("BTC", 5, hold=2)
    assert desk.tracker.wallets.get("BTC").foreign_hold == 2
    desk.report(side="SELL", leaves="1.5", limit_price=70000)
    desk.wait(3).balance("BTC", 5, hold=2)
    wallet = desk.tracker.wallets.get("BTC")
    assert (wallet.held, wallet.foreign_hold, wallet.free) == (D("1.5"), D("0.5"), 3)


@pytest.mark.parametrize("born", [None, START])
def test_what_a_read_showed_as_held_is_not_held_twice_when_its_order_becomes_known(born):
    desk = Desk()
    desk.balance("BTC", 5, hold=2)
    desk.wait(1).report(side="SELL", leaves="1.5", limit_price=70000, created_at=born)
    wallet = desk.tracker.wallets.get("BTC")
    assert (wallet.held, wallet.foreign_hold, wallet.free) == (D("1.5"), D("0.5"), 3)
    desk.report(status="CANCELLED", side="SELL", limit_price=70000)
    assert (wallet.held, wallet.foreign_hold, wallet.free) == (0, D("0.5"), D("4.5"))


def test_a_younger_order_holds_beside_what_a_read_showed_before_it():
    desk = Desk()
    desk.balance("BTC", 5, hold=2)
    desk.wait(1).report(side="SELL", leaves=1, limit_price=70000, created_at=desk.now)
    wallet = desk.tracker.wallets.get("BTC")
    assert (wallet.held, wallet.foreign_hold, wallet.free) == (1, 2, 2)


def test_an_order_is_no_older_than_its_approval():
    world = World()
    world.balance("BTC", 5, hold=2)
    world.now += timedelta(seconds=1)
    assert world.ask(limit_order(1, 70000, side="SELL", name="bot-1"))
    world.report("o1", side="SELL", leaves=1, limit_price=70000, client_order_id="bot-1")
    assert world.tracker.wallets.get("BTC").foreign_hold == 2


@pytest.mark.parametrize(
    ("available", "hold", "entry"),
    [
        ("NaN", 0, None),
        ("1e20", 0, None),
        (1, "Infinity", None),
        (1, -1, None),
        (1, 0, "NaN"),
        (1, 0, "-1"),
    ],
)
def test_a_balance_that_cannot_be_true_changes_nothing_not_even_its_neighbours(
    available, hold, entry
):
    desk = Desk()
    before = state_bytes(desk.tracker)
    read = ev.Balance("ETH", D(available), D(hold), None if entry is None else D(entry))
    with pytest.raises(Untrusted, match="balance of ETH"):
        desk.send(ev.BalancesRead, balances=(ev.Balance("BTC", D(1)), read))
    assert state_bytes(desk.tracker) == before


def test_a_read_that_may_lag_neither_doubts_nor_clears():
    desk = Desk()
    desk.fill("BUY", 2, 60000)
    assert desk.wait(1).balance("BTC", 0) == []
    assert (desk.held(), desk.tracker.wallets.in_doubt) == (2, set())


# --- Futures positions ----------------------------------------------------------------------------


def test_at_the_opening_a_futures_position_is_the_state_found():
    """Its profit against Coinbase's entry is equity already; PnL counts from the first mark."""
    desk = Desk(is_open=False)
    summary(desk, 1000)
    futures_read(desk, (3, D(60000)))
    desk.tracker.start(desk.now)
    assert (desk.held(FUTURE), desk.tracker.net_pnl, desk.tracker.equity) == (D("0.03"), 0, 1120)
    assert desk.line(FUTURE).position.average_price() == 60000


def test_a_futures_position_that_agrees_is_no_news():
    desk = Desk()
    desk.fill("SELL", 2, 64000, product_id=FUTURE)
    desk.wait(3)
    assert futures_read(desk, (-2, None)) == []


def test_a_futures_position_that_is_not_in_the_read_is_flat_after_two_reads():
    desk = Desk()
    desk.fill("SELL", 2, 64000, product_id=FUTURE)
    desk.wait(31)  # until then a reading may lack the fill
    assert futures_read(desk) == [
        Reconcile(reason=f"Coinbase's position in {FUTURE} differs from the books")
    ]
    assert (desk.held(FUTURE), desk.tracker.wallets.in_doubt) == (D("-0.02"), {FUTURE})
    desk.wait(3)
    assert futures_read(desk) == []
    assert (desk.held(FUTURE), desk.tracker.net_pnl, desk.tracker.wallets.in_doubt) == (0, 0, set())


def test_a_future_that_nobody_holds_leaves_no_line():
    desk = Desk()
    futures_read(desk, (0, None))
    assert desk.tracker.account.lines == {}


def test_a_fill_soon_after_a_futures_read_ends_the_doubt_it_raised():
    desk = Desk()
    futures_read(desk, (1, None))
    assert desk.tracker.wallets.in_doubt == {FUTURE}
    desk.wait(1).fill("BUY", 1, 64000, product_id=FUTURE)
    assert desk.tracker.wallets.in_doubt == set()


@pytest.mark.parametrize(
    ("contracts", "entry"), [("NaN", None), ("1e20", None), (1, "NaN"), (1, "-1")]
)
def test_a_futures_position_that_cannot_be_true_changes_nothing(contracts, entry):
    desk = Desk()
    before = state_bytes(desk.tracker)
    with pytest.raises(Untrusted, match=f"position in {FUTURE}"):
        futures_read(desk, (1, None), (contracts, None if entry is None else D(entry)))
    assert state_bytes(desk.tracker) == before


def test_an_unknown_contract_changes_nothing():
    desk = Desk()
    before = state_bytes(desk.tracker)
    with pytest.raises(UnknownProduct):
        desk.send(ev.FuturesRead, positions=(ev.FuturesPosition("ODD-CDE", D(1)),))
    assert state_bytes(desk.tracker) == before


# --- The futures wallet ---------------------------------------------------------------------------


def test_futures_equity_follows_pnl_between_two_reads_of_the_wallet():
    """A loss that was realised does not come back until the wallet is read again."""
    desk = Desk()
    summary(desk, 1000)
    desk.fill("BUY", 100, 64000, fee=5, product_id=FUTURE)
    desk.quote(FUTURE, 63500)
    assert (desk.tracker.equity, desk.tracker.net_pnl) == (495, -505)
    desk.fill("SELL", 100, 63500, product_id=FUTURE)
    assert (desk.tracker.equity, desk.tracker.net_pnl) == (495, -505)
    summary(desk, 495)
    assert (desk.tracker.equity, desk.tracker.transfers) == (495, 1000)


def test_a_sweep_is_a_transfer_and_nets_to_zero():
    desk = Desk()
    desk.balance("USD", 500)
    summary(desk, 1000)
    before = desk.tracker.transfers, desk.tracker.equity
    summary(desk, 700)
    for _ in range(2):
        desk.wait(3).balance("USD", 800)
    assert (desk.tracker.transfers, desk.tracker.equity) == before


def test_what_was_earned_before_the_start_is_no_transfer_when_it_is_paid():
    """Entered at 60,000 and started at 64,000: closing at 65,000 pays 50 a contract, 10 of it ours."""
    desk = Desk(is_open=False)
    summary(desk, 1000)
    futures_read(desk, (1, D(60000)))
    desk.tracker.start(desk.now)
    desk.fill("SELL", 1, 65000, product_id=FUTURE)
    summary(desk, 1050)
    assert (desk.tracker.net_pnl, desk.tracker.transfers, desk.tracker.equity) == (10, 0, 1050)


def test_funding_is_paid_into_the_futures_wallet():
    desk = Desk()
    summary(desk, 1000)
    desk.send(ev.FundingPaid, product_id=FUTURE, amount=D(-3))
    assert (desk.tracker.equity, desk.tracker.account.pnl.funding) == (997, -3)
    check_books(desk.tracker)


@pytest.mark.parametrize("field", ["wallet", "buying_power", "liquidation_buffer_percentage"])
def test_a_futures_wallet_that_cannot_be_true_changes_nothing(field):
    desk = Desk()
    before = state_bytes(desk.tracker)
    numbers = {"wallet": D(1), "buying_power": D(1), "liquidation_buffer_percentage": D(1)}
    with pytest.raises(Untrusted, match="futures wallet"):
        desk.send(ev.FuturesSummaryRead, **numbers | {field: D("NaN")})
    assert state_bytes(desk.tracker) == before
