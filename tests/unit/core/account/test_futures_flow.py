"""FuturesFlow: futures positions and the futures wallet as Coinbase states them."""

from datetime import timedelta

import pytest

from sidecar.core.account.books import Books
from sidecar.core.account.futures_flow import share_funding
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Reconcile
from sidecar.core.vocabulary.errors import UnknownProduct, Untrusted
from sidecar.core.vocabulary.products import CASH
from tests.scenario import FUTURE, PRODUCTS, START, D, future
from tests.tracking import QUOTES, Desk, check_books, state_bytes


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


# --- Futures positions ----------------------------------------------------------------------------


def test_at_the_opening_a_futures_position_is_the_state_found():
    """Its profit against Coinbase's entry is equity already; PnL counts from the first mark."""
    desk = Desk(is_open=False)
    summary(desk, 1000)
    futures_read(desk, (3, D(60000)))
    desk.tracker.start(desk.now)
    assert (desk.held(FUTURE), desk.tracker.net_pnl, desk.tracker.equity) == (D("0.03"), 0, 1120)
    assert desk.line(FUTURE).position.average_price() == 60000


def test_before_the_opening_the_same_position_again_changes_nothing():
    desk = Desk(is_open=False)
    for _ in range(2):
        futures_read(desk, (3, D(60000)))
    assert (desk.held(FUTURE), desk.tracker.transfers) == (D("0.03"), 0)


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
    (alert,) = futures_read(desk)
    assert alert.text == f"0.02 of {FUTURE} came or went outside trading"
    assert (desk.held(FUTURE), desk.tracker.net_pnl, desk.tracker.wallets.in_doubt) == (0, 0, set())


def test_contracts_that_come_beside_others_bring_none_of_their_earnings_in():
    desk = Desk()
    summary(desk, 0)
    desk.fill("BUY", 1, 64000, product_id=FUTURE)
    desk.stand(FUTURE, 65000)
    for _ in range(2):
        desk.wait(60)
        futures_read(desk, (3, None))
    assert (desk.held(FUTURE), desk.tracker.net_pnl, desk.tracker.transfers) == (D("0.03"), 10, 0)


def test_what_contracts_earned_before_they_came_is_no_pnl_and_came_with_them():
    """3 contracts on 0.01, entered at 60,000, at a mark of 64,000: 120 came."""
    desk = Desk()
    summary(desk, 0)
    for _ in range(2):
        desk.wait(60)
        futures_read(desk, (3, D(60000)))
    assert (desk.tracker.net_pnl, desk.tracker.transfers) == (0, 120)


def test_a_wallet_that_is_first_read_after_a_trade_came_with_what_the_trade_took():
    """1,000 are read, of which a fee of 2 is gone already: 1,002 came."""
    desk = Desk()
    desk.fill("BUY", 1, 64000, fee=2, product_id=FUTURE)
    assert desk.tracker.books.futures_cash.total == -2
    summary(desk, 1000)
    assert (desk.tracker.transfers, desk.tracker.books.futures_cash.total) == (1002, 1000)


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


# --- Funding ----------------------------------------------------------------------------------------


def books():
    made = Books({}, CASH, D("0.05"))
    made.list_products(PRODUCTS)
    for product_id, price in QUOTES.items():
        made.quote(ev.Quote(product_id, D(price), D(price), START), START)
    return made


def test_funding_that_cannot_be_true_is_left_out():
    desk = Desk()
    with pytest.raises(Untrusted, match="funding"):
        desk.send(ev.FundingPaid, product_id=FUTURE, amount=D("NaN"))
    with pytest.raises(UnknownProduct):
        desk.send(ev.FundingPaid, product_id="ODD", amount=D(1))
    assert desk.tracker.account.pnl_by_key == {}


@pytest.mark.parametrize(("earlier", "funding"), [(1, 0), (0, -3)])
def test_funding_from_before_the_opening_is_in_its_balances_already(earlier, funding):
    """Fills are listed again for a while after a start."""
    desk = Desk(is_open=False)
    desk.balance("USD", 1_000)
    paid_at = desk.now - timedelta(seconds=earlier)
    desk.tracker.start(desk.now)
    desk.wait(1).send(ev.FundingPaid, product_id=FUTURE, amount=D(-3), paid_at=paid_at)
    assert desk.tracker.account.pnl.funding == funding


def with_contracts(**held):
    """Contracts of the future and of another one, marked at 64,000 and 2,000."""
    other = future("ETH-FUT", base="ETH", contract_size=D("0.1"))
    made = books()
    made.list_products((*PRODUCTS, other))
    made.quote(ev.Quote("ETH-FUT", D(2000), D(2000), START), START)
    for key, quantity in held.items():
        name = FUTURE if key == "btc" else "ETH-FUT"
        made.trade(name, D(quantity), D(quantity) * (made.marks.usd(name) or 0), None)
    return made


def test_funding_is_shared_by_the_notional_held():
    """128,000 long and 64,000 short: two thirds and one third, and all of it in sum."""
    made = with_contracts(btc=2, eth=-32)
    share_funding(made, D("-1"))
    pnl = made.account.pnl_by_key
    assert pnl[FUTURE].funding == D("-0.666666666666666667")
    assert pnl["ETH-FUT"].funding == D("-0.333333333333333333")
    assert (made.account.pnl.funding, made.transfers) == (-1, 0)


def test_funding_of_what_is_closed_already_is_the_last_ones():
    made = with_contracts(btc=2, eth=-32)
    made.trade(FUTURE, D(-2), D(-128_000), None)
    made.trade("ETH-FUT", D(32), D(64_000), None)
    share_funding(made, D(-5))
    assert made.account.pnl_by_key["ETH-FUT"].funding == -5


def test_funding_of_nothing_that_was_ever_traded_is_a_transfer():
    made = books()
    share_funding(made, D(-5))
    assert (made.transfers, made.account.pnl.funding) == (-5, 0)


def test_dollars_that_came_are_booked_with_the_reading_that_tells_the_futures_wallet_beside_them():
    """Until then they might have come from there."""
    desk = Desk()
    whole = {"buying_power": D(0), "liquidation_buffer_percentage": D(50), "wallet": D(500)}
    desk.balance("USD", 1000)
    desk.send(ev.FuturesSummaryRead, spot_cash=D(1000), fills_until=desk.now, **whole)
    before = desk.tracker.transfers
    for _ in range(2):
        desk.wait(2).balance("USD", 1300)
    assert desk.tracker.transfers == before
    desk.send(ev.FuturesSummaryRead, spot_cash=D(1300), fills_until=desk.now, **whole)
    assert (desk.tracker.transfers, desk.wallet("USD")) == (before + 300, 1300)


def test_contracts_that_are_gone_have_paid_what_they_earned():
    """Two of 0.01, bought at 64,000 and gone at 65,000: 20 of equity before and after."""
    desk = Desk()
    summary(desk, 0)
    futures_read(desk)
    desk.fill("BUY", 2, 64000, product_id=FUTURE)
    desk.stand(FUTURE, 65000)
    for _ in range(2):
        desk.wait(60)
        futures_read(desk)
        assert (desk.tracker.equity, desk.tracker.net_pnl) == (20, 20)
    assert (desk.held(FUTURE), desk.tracker.transfers) == (0, 0)
