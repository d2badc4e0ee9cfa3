"""Balance flow: what Coinbase says the account holds, against what the books say."""

from datetime import timedelta
from fractions import Fraction

import pytest

from sidecar.core.account.balance_flow import MAY_BE_WORTH_FOR
from sidecar.core.account.cash_pot import DollarsMoved
from sidecar.core.account.losses import Way, cumulative
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Alert, Liquidate, Reconcile
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ratio
from tests.account_steps import share_lost
from tests.decisions import CONNECTED, connected, of_kind, pictured
from tests.scenario import FUTURE, START, D, World, limit_order
from tests.tracking import Desk, state_bytes

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


def test_a_hold_is_known_from_a_reading_that_agrees_and_from_one_that_books_a_transfer():
    desk = Desk()
    held = []
    for total, hold in ((100, 0), (100, 30), (150, 40), (150, 40)):
        desk.wait(3).balance("EUR", total, hold)
        held.append(desk.tracker.wallets.get("EUR").foreign_hold)
    assert held == [0, 30, 30, 40]


@pytest.mark.parametrize("keep", [None, D("0.5")])
def test_what_may_have_come_of_cash_and_of_what_is_kept_whole_is_no_exposure(keep):
    desk = Desk(keep={"BTC": keep})
    for currency in ("USD", "EUR", "BTC"):
        desk.balance(currency, 1)
    desk.wait(3)
    for currency in ("USD", "EUR", "BTC"):
        desk.balance(currency, 2)
    doubted = {key: line.doubted for key, line in desk.tracker.account.lines.items()}
    assert doubted == ({} if keep is None else {"BTC": 1})


def test_units_that_came_while_no_price_was_fresh_wait_for_one_and_forget_the_reading_before():
    desk = Desk()
    desk.balance("BTC", 1)
    for _ in range(2):
        desk.wait(100_000).balance("BTC", 2)
    wallet = desk.tracker.wallets.get("BTC")
    assert (desk.line().position.unpriced, wallet.waits_since) == (1, desk.now)
    known = []
    for seconds in (MAY_BE_WORTH_FOR.total_seconds() - 1, 1):
        desk.wait(seconds).balance("BTC", 2)
        known.append(wallet.read_point is not None)
    assert known == [True, False]


@pytest.mark.parametrize(("total", "codes"), [(3, ["TRANSFER", "NO_QUOTE"]), (1, ["TRANSFER"])])
def test_what_comes_and_no_quote_can_value_is_told_so(total, codes):
    desk = Desk()
    desk.balance("XYZ", 2)
    desk.wait(3).balance("XYZ", total)
    assert [one.code for one in of_kind(desk.wait(3).balance("XYZ", total), Alert)] == codes


def test_what_goes_out_goes_at_the_mark_and_is_no_loss():
    desk = Desk()
    desk.fill("BUY", 2, 60000)
    desk.stand("BTC-USD", 64000)
    desk.wait(31).balance("BTC", 1)  # until then a reading may lack the fill
    assert desk.wait(3).balance("BTC", 1) == [
        Alert(severity="info", code="TRANSFER", text="1 BTC went out outside trading")
    ]
    assert (desk.held(), desk.tracker.net_pnl, desk.tracker.transfers) == (1, 8000, -64000)


@pytest.mark.parametrize("falls_first", [True, False])
def test_coins_that_take_their_price_beside_the_fall_of_another_came_in_the_order_of_the_quotes(
    falls_first,
):
    """Beside 1 BTC and 6,000 USD came 1,000 ETH without a price; BTC falls to 44,000. Of 2,070,000 USD that is less
    than 1 %, and it was told as 28.6 % at least where one answer quotes ETH and then BTC.
    """
    desk = Desk(quotes={"BTC-USD": "64000"})
    desk.balance("BTC", 1)
    desk.balance("USD", 6_000)
    desk.balance("ETH", 1_000)
    prices = {"ETH-USD": D(2_000), "BTC-USD": D(44_000)}
    quotes = [ev.Quote(book, price, price, desk.now) for book, price in prices.items()]
    desk.send(ev.Quotes, quotes=tuple(reversed(quotes) if falls_first else quotes))
    told = cumulative(desk.tracker).ratio
    assert told == ratio(D(20_000), D(70_000) if falls_first else D(2_070_000))


def test_less_than_a_unit_that_went_out_is_not_said_to_have_come_in():
    desk = Desk()
    desk.balance("BTC", 1)
    desk.wait(3).balance("BTC", 1)
    desk.wait(3).balance("BTC", "0.5")
    assert desk.wait(3).balance("BTC", "0.5") == [
        Alert(severity="info", code="TRANSFER", text="0.5 BTC went out outside trading")
    ]


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


def test_a_deposit_without_a_quote_is_told_and_counts_for_nothing_until_one_has_stood():
    desk = Desk(quotes={})
    desk.balance("BTC", 0)
    desk.wait(10).balance("BTC", 2)
    actions = desk.wait(3).balance("BTC", 2)
    assert [one.code for one in of_kind(actions, Alert)] == ["TRANSFER", "NO_QUOTE"]
    assert (desk.tracker.transfers, desk.tracker.unmarked()) == (0, ["BTC"])
    desk.quote("BTC-USD", 60000)
    assert (desk.tracker.transfers, desk.tracker.net_pnl) == (120_000, 0)


@pytest.mark.parametrize(("minutes", "is_open"), [(4, True), (5, False)])
def test_for_five_minutes_a_coin_may_have_come_at_the_moment_it_was_read(minutes, is_open):
    world = connected()
    for total in (0, 1, 1, 1):
        world.wait(3)
        read_coin(world, "ETH", total)
    world.wait(60 * minutes)
    read_coin(world, "ETH", 1)
    world.quote("ETH-USD", 2000)
    moves = list(world.tracker.loss_accounting.doubts.open_moves())
    assert bool(moves) == is_open


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


# --- When a transfer came, and at which price -----------------------------------------------------


@pytest.mark.parametrize(
    ("side", "first", "second"), [("BUY", 13_600, 13_600), ("SELL", 26_400, 26_400)]
)
def test_a_reading_that_knew_a_fill_first_shows_the_transfer_without_it(side, first, second):
    """80,000 leave while 0.1 BTC are traded; the reading knows of the trade before the books do. The next
    ones may as well lag it, until its lag is over.
    """
    desk = Desk()
    desk.balance("BTC", 1)
    desk.balance("USD", 100_000)
    desk.wait(60).balance("USD", first)
    desk.wait(0.5).fill(side, "0.1", 64000)
    for seconds in (2, 28):
        assert desk.wait(seconds).balance("USD", second) == []
    (alert,) = desk.wait(1).balance("USD", second)
    assert alert == Alert(
        severity="info", code="TRANSFER", text="80000 USD went out outside trading"
    )
    assert (desk.wallet("USD"), desk.tracker.transfers - 64_000) == (second, 20_000)


def connected_holding(**limits):
    """1.2 BTC, bought a while ago, and 23,200 USD."""
    world = pictured(World(settings=CONNECTED, **limits))
    world.fill("BUY", "1.2", 64000)
    world.wait(60)
    world.stand("BTC-USD", 64000)
    return world


def read(world, btc, usd=23_200):
    balances = (ev.Balance("USD", D(usd)), ev.Balance("BTC", D(btc)))
    return world.send(ev.BalancesRead, balances=balances, fills_until=world.now)


def test_coins_that_were_gone_before_the_fall_have_lost_nothing():
    """A transfer is booked at the confirmed mark of its first reading."""
    world = connected_holding(max_cumulative_loss="0.2", max_daily_loss="0.2")
    read(world, "1.2")
    world.wait(5)
    world.quote("BTC-USD", 64000)
    read(world, "0.2")  # 1 BTC has left, at 64,000
    for _ in range(4):
        world.wait(1)
        world.quote("BTC-USD", 44800)
    read(world, "0.2")
    assert world.tracker.transfers == -64_000
    ratio = cumulative(world.tracker).ratio  # 0.2 BTC lost 3,840 of 36,000
    assert ratio is not None
    assert abs(ratio - D(3840) / 36_000) < D("1E-9")
    assert world.manager.state.account == "ACTIVE"


def test_coins_that_left_before_a_fall_lost_nothing_that_a_later_deposit_counts():
    """1 of 1.2 BTC left before a fall by 30 %, and is booked after it, when a deposit has been read already."""
    world = connected_holding()
    read(world, "1.2")
    world.wait(5)
    world.quote("BTC-USD", 64_000)
    read(world, "0.2")
    for _ in range(4):
        world.wait(1)
        world.quote("BTC-USD", 44_800)
    world.wait(1)
    world.quote("BTC-USD", 44_800)
    balances = (ev.Balance("USD", D(123_200)), ev.Balance("BTC", D("0.2")))
    world.send(ev.BalancesRead, balances=balances, fills_until=world.now)
    world.wait(3)
    world.quote("BTC-USD", 44_800)
    balances = (ev.Balance("USD", D(123_200)), ev.Balance("BTC", D("0.2")))
    world.send(ev.BalancesRead, balances=balances, fills_until=world.now)
    assert world.tracker.transfers == 100_000 - 64_000
    least, told, most = shares(world)
    assert abs(told - D(3_840) / 36_000) < D("1E-9")
    assert least <= told <= most
    assert abs(least - D(3_840) / 136_000) < D("1E-9")


def test_what_has_left_counts_for_nothing():
    """However old its mark is."""
    desk = Desk()
    desk.balance("USD", 1_000)
    desk.balance("BTC", 2)
    assert desk.tracker.equity == 129_000
    desk.wait(100_000).balance("BTC", 0)
    desk.wait(3).balance("BTC", 0)
    assert (desk.held(), desk.tracker.equity) == (0, 1_000)


# --- Listings -------------------------------------------------------------------------------------


def listing(desk, unread=(), **wallets):
    """A complete listing of wallets."""
    rows = tuple(ev.Balance(name, D(total)) for name, total in wallets.items())
    return desk.send(
        ev.BalancesRead, balances=rows, fills_until=desk.now, is_complete=True, unread=unread
    )


def test_a_wallet_that_two_complete_listings_lack_is_empty():
    desk = Desk()
    desk.balance("USD", 100)
    desk.balance("BTC", 2)
    desk.wait(60)
    assert listing(desk, USD=100) == [
        Reconcile(reason="Coinbase's BTC balance differs from the books")
    ]
    desk.wait(3)
    assert [one.text for one in listing(desk, USD=100)] == ["2 BTC went out outside trading"]
    assert (desk.held(), desk.tracker.transfers) == (0, 100)
    assert listing(desk.wait(3), USD=100) == []


def test_an_empty_wallet_that_no_listing_names_is_empty_still():
    """Coins that come were in no listing until then: they have not come since the wallet was last named."""
    desk = Desk()
    desk.balance("USD", 100)
    desk.balance("BTC", 2)
    for _ in range(2):
        listing(desk.wait(60), USD=100, BTC=0)
    desk.tracker.apply(ev.ClockAdvanced(at=desk.wait(86_400).now))
    listing(desk, USD=100)
    read = desk.tracker.wallets.get("BTC").read_point
    assert read is not None
    assert read.at == desk.now


def test_a_difference_of_an_empty_wallet_that_the_next_listing_lacks_was_none():
    desk = Desk()
    desk.balance("USD", 100)
    desk.balance("BTC", 0)
    listing(desk.wait(60), USD=100, BTC=1)
    assert desk.tracker.wallets.in_doubt == {"BTC"}
    listing(desk.wait(3), USD=100)
    assert desk.tracker.wallets.in_doubt == set()


def test_an_empty_listing_is_no_reading():
    desk = Desk()
    desk.balance("BTC", 2)
    assert listing(desk.wait(60)) == []
    assert desk.tracker.wallets.in_doubt == set()


def test_a_wallet_whose_row_makes_no_sense_stays_as_it_was_and_is_named_once():
    desk = Desk()
    desk.balance("BTC", 2)
    desk.wait(60)
    (alert,) = listing(desk, unread=("BTC",), USD=0)
    assert alert == Alert(
        severity="warning",
        code="WALLET_UNREADABLE",
        text="Coinbase's row of BTC makes no sense: the books keep what they had",
    )
    assert listing(desk.wait(3), unread=("BTC",), USD=0) == []
    assert (desk.held(), desk.tracker.wallets.in_doubt) == (2, set())
    listing(desk.wait(3), USD=0, BTC=2)
    assert listing(desk.wait(3), unread=("BTC",), USD=0) == [alert]


# --- The pot of cash ------------------------------------------------------------------------------


def pot(usd=10_000, futures=5_000, *, trades=True):
    """USD and a futures wallet, as long known; with `trades` contracts are held."""
    desk = Desk()
    desk.balance("USD", usd)
    told(desk, futures, usd)
    if trades:
        desk.fill("BUY", 100, 64000, product_id=FUTURE)
    return desk.wait(300)


def told(desk, futures, spot_cash=None, *, frame=False, told_at=None):
    """A reading of the futures wallet, with the dollars of the same moment."""
    return desk.send(
        ev.FuturesSummaryRead,
        wallet=D(futures),
        buying_power=D(0),
        liquidation_buffer_percentage=D(50),
        spot_cash=None if spot_cash is None else D(spot_cash),
        fills_until=None if frame else desk.now,
        told_at=told_at,
    )


def cash(desk):
    """Dollars, the futures wallet, equity less what the start had, doubts."""
    futures = desk.tracker.books.futures_cash.total
    return desk.wallet("USD"), futures, desk.tracker.equity, desk.tracker.wallets.in_doubt


def test_a_conversion_is_no_transfer():
    desk = Desk()
    desk.balance("USD", 1000)
    desk.balance("USDC", 200)
    listing(desk.wait(60), USD=700, USDC=500)
    assert (desk.wallet("USD"), desk.wallet("USDC")) == (700, 500)
    assert (desk.tracker.transfers, desk.tracker.wallets.in_doubt) == (1200, set())


def test_a_conversion_and_a_deposit_in_one_reading_are_one_transfer():
    """300 of 1,000 USD are converted, and 50 USDC come."""
    desk = Desk()
    desk.balance("USD", 1000)
    desk.balance("USDC", 200)
    for seconds in (60, 2):
        listing(desk.wait(seconds), USD=700, USDC=550)
    assert (desk.wallet("USD"), desk.wallet("USDC")) == (700, 550)
    assert (desk.tracker.transfers, desk.tracker.wallets.in_doubt) == (1250, set())


def test_while_one_side_of_a_conversion_is_missing_equity_counts_the_smaller():
    desk = Desk()
    desk.balance("USD", 1000)
    desk.balance("USDC", 200)
    desk.wait(60).balance("USD", 700)
    assert desk.tracker.equity == 900
    desk.wait(1).balance("USDC", 500)
    assert (desk.tracker.equity, desk.tracker.transfers) == (1200, 1200)


@pytest.mark.parametrize("frame", [True, False])
def test_a_sweep_is_seen_whole_in_one_reading(frame):
    desk = pot()
    assert told(desk, 2_000, 13_000, frame=frame) == []
    assert cash(desk) == (13_000, 2_000, 15_000, set())
    assert desk.tracker.transfers == 15_000


def test_a_reading_of_dollars_may_lack_a_sweep_for_two_minutes():
    desk = pot()
    told(desk, 2_000, 13_000)
    desk.wait(119).balance("USD", 10_000)
    assert cash(desk) == (13_000, 2_000, 15_000, set())
    desk.wait(2).balance("USD", 10_000)
    assert desk.tracker.wallets.in_doubt == {"USD"}


def test_a_frame_that_shows_other_dollars_is_a_doubt_at_once():
    """4,000 have left; a frame has no lag, and a reading confirms it."""
    desk = pot()
    assert told(desk, 5_000, 6_000, frame=True) == [
        Reconcile(reason="Coinbase's dollars differ from the books")
    ]
    assert cash(desk) == (10_000, 5_000, 11_000, {"USD"})
    assert told(desk.wait(1), 5_000, 6_000, frame=True) == []
    desk.wait(14).balance("USD", 6_000)
    assert cash(desk) == (6_000, 5_000, 11_000, set())
    assert desk.tracker.transfers == 11_000


@pytest.mark.parametrize(("later", "doubts"), [(29, {"USD"}), (30, set())])
def test_a_listing_that_agrees_may_be_from_before_the_frame_that_did_not(later, doubts):
    """For as long as it may lag."""
    desk = pot()
    told(desk, 5_000, 6_000, frame=True)
    desk.wait(later).balance("USD", 10_000)
    assert desk.tracker.wallets.in_doubt == doubts


@pytest.mark.parametrize(
    ("traded_s", "product_id", "doubts"),
    [
        (1, "BTC-USD", set()),
        (0, "BTC-USD", {"USD"}),
        (None, "BTC-USD", {"USD"}),
        (1, FUTURE, {"USD"}),
    ],
)
def test_a_listing_that_holds_a_trade_made_after_the_frame_is_from_after_it(
    traded_s, product_id, doubts
):
    """A trade of dollars, that is: a future is paid for from another wallet."""
    desk = pot()
    traded_at = None if traded_s is None else desk.now + timedelta(seconds=traded_s)
    told(desk, 5_000, 6_000, frame=True)
    desk.wait(2).fill("BUY", "0.01", 64000, product_id=product_id, traded_at=traded_at)
    desk.wait(1).balance("USD", desk.wallet("USD"))
    assert desk.tracker.wallets.in_doubt == doubts


@pytest.mark.parametrize(("later_s", "doubts"), [(0.1, set()), (0, {"USD"})])
def test_a_trade_made_before_the_frame_was_heard_is_after_it_if_it_is_after_its_stamp(
    later_s, doubts
):
    """A new process is busy, and hears a frame a while after Coinbase told it; nobody trades any more."""
    desk = pot()
    told_at = desk.now - timedelta(seconds=0.5)
    told(desk, 5_000, 6_000, frame=True, told_at=told_at)
    told(desk, 5_000, 6_000, frame=True, told_at=desk.now)  # the same once more
    desk.wait(2).fill("BUY", "0.01", 64000, traded_at=told_at + timedelta(seconds=later_s))
    desk.balance("USD", desk.wallet("USD"))
    assert desk.tracker.wallets.in_doubt == doubts


@pytest.mark.parametrize(("unexplained", "doubts"), [("0.009", set()), ("0.01", {"USD"})])
def test_fills_that_were_missing_explain_the_frame_that_knew_of_them(unexplained, doubts):
    """Coinbase rounds what frames say to cents, and fills to no cent."""
    desk = pot()
    traded_at = desk.now - timedelta(seconds=1)
    told(desk, 5_000, D(9_360) - D(unexplained), frame=True)
    assert desk.tracker.wallets.in_doubt == {"USD"}
    desk.wait(1).fill("BUY", "0.01", 64000, traded_at=traded_at)
    desk.balance("USD", 9_360)
    assert desk.tracker.wallets.in_doubt == doubts


def test_after_a_restart_amid_trades_the_first_listing_known_to_be_later_ends_the_doubt():
    """Two orders filled while nobody listened; a third does so before both have been read."""
    desk = pot()
    missed_at = desk.now - timedelta(seconds=1)
    told(desk, 5_000, 8_720, frame=True)
    traded_at = desk.wait(1).now
    desk.fill("BUY", "0.01", 64000, traded_at=missed_at)
    desk.report("o3", "FILLED", filled="0.05", average_price=64000)
    desk.fill("BUY", "0.01", 64000, traded_at=missed_at)
    desk.wait(1).balance("USD", 5_520)
    assert desk.tracker.wallets.in_doubt == {"USD"}  # a report does not say when its trades were
    desk.wait(1).fill("BUY", "0.05", 64000, order_id="o3", traded_at=traded_at)
    desk.balance("USD", 5_520)
    assert (cash(desk)[0], cash(desk)[3], desk.tracker.transfers) == (5_520, set(), 15_000)


def test_a_frame_that_agrees_ends_the_doubt():
    desk = pot()
    told(desk, 5_000, 6_000, frame=True)
    told(desk.wait(1), 5_000, 10_000, frame=True)
    assert cash(desk) == (10_000, 5_000, 15_000, set())


def test_a_reading_that_lags_the_last_frame_changes_nothing():
    desk = pot()
    told(desk, 2_000, 13_000, frame=True)
    assert told(desk.wait(4), 5_000, 10_000) == []
    assert cash(desk) == (13_000, 2_000, 15_000, set())


def test_without_a_wallet_of_dollars_what_is_swept_is_awaited_there():
    desk = Desk()
    told(desk, 5_000)
    told(desk, 4_000)
    assert (desk.tracker.transfers, desk.tracker.equity) == (5_000, 5_000)


def test_what_the_futures_wallet_loses_by_itself_is_told_and_reckoned_both_ways():
    """2,000 less in it and not more in dollars: a transfer, or a loss that neither fills nor funding tell."""
    desk = pot()
    told(desk, 3_000, 10_000)
    assert cash(desk)[2] == 15_000  # dollars are to have them, until they are read
    desk.wait(31).balance("USD", 10_000)
    assert desk.wait(3).balance("USD", 10_000) == []  # a contract that expired may be read later
    alerts = desk.wait(28).balance("USD", 10_000)
    assert [one.code for one in alerts if isinstance(one, Alert)] == [
        "FUTURES_WALLET_UNEXPLAINED", "TRANSFER",
    ]  # fmt: skip
    assert cash(desk) == (10_000, 3_000, 13_000, set())
    assert (desk.tracker.account.pnl.funding, desk.tracker.transfers) == (0, 13_000)
    told_loss, most = cumulative(desk.tracker), cumulative(desk.tracker, way="most")
    assert (told_loss.usd, most.usd) == (0, 2_000)
    assert most.ratio == ratio(D(2_000), D(15_000))
    for _ in range(2):  # another transfer: the loss is the same
        told(desk.wait(60), 3_000, 11_000)
        desk.balance("USD", 11_000)
    assert cash(desk) == (11_000, 3_000, 14_000, set())
    assert cumulative(desk.tracker, way="most").usd == 2_000


@pytest.mark.parametrize(("seconds", "is_told"), [(29, False), (30, True)])
def test_a_loss_of_the_futures_wallet_is_told_once_no_reading_of_dollars_may_lag(seconds, is_told):
    desk = pot()
    told(desk, 3_000, 10_000)
    desk.wait(31).balance("USD", 10_000)
    assert bool(desk.wait(seconds).balance("USD", 10_000)) == is_told


def test_a_withdrawal_of_dollars_waits_for_the_futures_wallet_to_be_told():
    """A sweep may show in dollars first. After 12 s they have left."""
    desk = pot()
    desk.balance("USD", 6_000)
    assert not desk.wait(3).balance("USD", 6_000)
    assert not desk.wait(8).balance("USD", 6_000)
    (alert,) = desk.wait(1).balance("USD", 6_000)
    assert alert.text == "4000 USD went out outside trading"


@pytest.mark.parametrize("futures", [0, 5_000])
def test_an_account_that_has_nothing_in_futures_waits_for_nothing(futures):
    desk = pot(futures=futures, trades=False)
    desk.balance("USD", 6_000)
    assert bool(desk.wait(3).balance("USD", 6_000)) == (not futures)


@pytest.mark.parametrize(("later", "alerts"), [(135, 0), (136, 1)])
def test_dollars_that_left_and_came_back_soon_are_no_second_transfer(later, alerts):
    """As a sweep does whose two sides were read one after the other."""
    desk = pot()
    for seconds in (0, 15):
        desk.wait(seconds).balance("USD", 6_000)
    desk.wait(later - 15).balance("USD", 10_000)
    assert len(desk.wait(15).balance("USD", 10_000)) == alerts
    assert cash(desk) == (10_000, 5_000, 15_000, set())
    assert desk.tracker.transfers == 15_000


def test_the_other_side_of_a_sweep_takes_back_what_was_booked_as_a_transfer():
    """Dollars showed it at once, the futures wallet half a minute later: none came or went."""
    desk = pot()
    for seconds in (0, 15):
        desk.wait(seconds).balance("USD", 6_000)
    assert desk.tracker.transfers == 11_000
    told(desk.wait(15), 9_000, 6_000)
    for seconds in (1, 15):
        desk.wait(seconds).balance("USD", 6_000)
    assert cash(desk) == (6_000, 9_000, 15_000, set())
    assert desk.tracker.transfers == 15_000


def test_a_transfer_is_taken_back_once():
    """A sweep, as before; then 4,000 come in from outside."""
    desk = pot()
    for seconds in (0, 15):
        desk.wait(seconds).balance("USD", 6_000)
    told(desk.wait(15), 9_000, 6_000)
    for seconds in (1, 15):
        desk.wait(seconds).balance("USD", 6_000)
    desk.wait(15).balance("USD", 10_000)
    assert Alert(severity="info", code="TRANSFER", text="4000 USD came in outside trading") in [
        one for _ in range(3) for one in desk.wait(15).balance("USD", 10_000)
    ]
    assert desk.tracker.transfers == 19_000


@pytest.mark.parametrize("is_known", [True, False])
def test_a_sweep_taken_back_leaves_no_trace_in_a_ratio(is_known):
    """4,000 were booked as come, BTC fell from 64,000 to 48,000, then the futures wallet shows them gone. A state
    from before the moment was kept has them taken back as of now.
    """
    desk = pot()
    desk.fill("BUY", "0.1", 64000)
    for seconds in (60, 15):
        desk.wait(seconds).balance("USD", 7_600)
    transfers = desk.tracker.balances.pot.dollars_moved
    assert [moved.quantity for moved in transfers] == [4_000]
    if not is_known:
        transfers[0] = DollarsMoved(transfers[0].at, transfers[0].quantity)
        desk.tracker.loss_accounting.doubts.overlapping.known.clear()
    desk.quote("BTC-USD", 48_000)
    told(desk.wait(15), 1_000, 7_600)
    loss = cumulative(desk.tracker)
    assert (share_lost(loss) == Fraction(1_600, 15_000)) is is_known


def test_what_was_swept_and_converted_before_it_was_read_is_no_transfer():
    """150 of the futures wallet and 850 USD became 1,000 USDC; the futures wallet is read last."""
    desk = pot()
    desk.balance("USDC", 5_000)
    desk.wait(300)
    for seconds in (0, 3):
        listing(desk.wait(seconds), USD=9_150, USDC=6_000)
    assert (desk.wallet("USD"), desk.wallet("USDC")) == (9_150, 5_850)
    desk.wait(4)
    listing(desk, USD=9_150, USDC=6_000)
    told(desk.wait(6), 4_850)
    assert (desk.wallet("USD"), desk.wallet("USDC")) == (9_150, 6_000)
    assert (desk.tracker.transfers, desk.tracker.wallets.in_doubt) == (20_000, set())


def test_dollars_that_left_are_no_later_for_what_is_converted_meanwhile():
    """10,000 of 20,000 left, then BTC lost 1,600 of the other 10,000, and 1,000 USD were converted before a second
    reading.
    """
    desk = Desk()
    listing(desk, USD=15_000, USDC=5_000)
    desk.fill("BUY", "0.1", 64_000)
    desk.wait(300)
    desk.stand("BTC-USD", 64_000)
    listing(desk, USD="-1400", USDC=5_000, BTC="0.1")
    desk.wait(1).stand("BTC-USD", 48_000)
    for usd, usdc in ((-400, 4_000), (-400, 4_000)):
        listing(desk.wait(3), USD=usd, USDC=usdc, BTC="0.1")
    assert (desk.wallet("USD"), desk.wallet("USDC")) == (-400, 4_000)
    assert desk.tracker.transfers == 10_000
    assert share_lost(cumulative(desk.tracker)) == Fraction(1_600, 10_000)


def sold_for_withdrawals(first, second):
    """30,000 leave, BTC falls by 20 %, and more leaves before a reading agrees: whether it was sold, and what was lost, as told
    and at least.
    """
    world = World(max_cumulative_loss="0.25")
    world.hold(1)
    world.wait(60)
    world.stand("BTC-USD", 64_000)
    left, sold = D(36_000), False
    listing(world, USD=left, BTC=1)
    world.wait(30)
    for dollars in (first, second):
        left -= dollars
        for _ in range(2):
            world.wait(3)
            told = listing(world, USD=left, BTC=1)
            sold |= bool(of_kind(told, Liquidate))
        world.wait(20)
        sold |= bool(of_kind(world.stand("BTC-USD", 51_200), Liquidate))
    return sold, cumulative(world.tracker).ratio, cumulative(world.tracker, way="least").ratio


def test_a_withdrawal_as_large_as_one_that_is_booked_has_a_date_of_its_own():
    """The fall was of an account without the first, and with the second."""
    same, other = sold_for_withdrawals(30_000, 30_000), sold_for_withdrawals(30_000, 30_001)
    assert same == other
    assert same[0] is False


def test_two_readings_of_a_new_difference_lie_two_seconds_apart_whatever_was_in_doubt_before():
    """A buy that a fill explained, and another equal one, read twice within a moment before its fill is heard."""
    desk = Desk()
    listing(desk, USD=100_000, BTC=0)
    listing(desk.wait(60), USD=100_000, BTC=0)
    listing(desk.wait(10), USD=93_600, BTC=0)
    desk.wait(0.3).fill("BUY", "0.1", 64_000)
    desk.wait(50)
    for seconds in (0, 0.3):
        listing(desk.wait(seconds), USD=87_200, BTC="0.1")
    desk.wait(0.3).fill("BUY", "0.1", 64_000)
    assert (desk.wallet("USD"), desk.tracker.transfers) == (87_200, 100_000)


def test_a_sweep_taken_back_begins_no_window_anew():
    """2,000 of 10,010 are lost; the USD are swept, which counts as withdrawn for a while: the account has too
    little then to be judged by shares, and is back above that when the futures wallet shows them.
    """
    desk = pot(futures=10)
    desk.fill("BUY", "0.125", 64_000)
    desk.quote("BTC-USD", 48_000)
    desk.fill("SELL", "0.125", 48_000)
    assert share_lost(cumulative(desk.tracker)) == Fraction(2_000, 10_010)
    for seconds in (60, 15):
        desk.wait(seconds).balance("USD", 20)
    assert desk.tracker.windows.span.lacks_equity
    told(desk.wait(15), 7_990, 20)
    assert cash(desk)[:2] == (20, 7_990)
    assert share_lost(cumulative(desk.tracker)) == Fraction(2_000, 10_010)


def test_a_deposit_is_booked_though_the_other_wallet_never_reads_twice_alike():
    desk = Desk()
    desk.balance("USD", 10_000)
    desk.balance("USDC", 5_000)
    desk.wait(300)
    shown = []
    for number in range(28):
        desk.wait(15)
        listing(desk, USD=10_000 - 7 * number - 7, USDC=5_500)
        shown.append(desk.wallet("USDC"))
    assert shown == [5_000] * 24 + [5_500] * 4  # for 6 minutes a part of it may have been converted


def test_what_two_wallets_show_at_once_is_one_side_of_a_sweep():
    """150.50 of USDC were converted while USD lack a sweep of 1,234.56: both seem to have come, and then to have left."""
    desk = Desk()
    desk.balance("USD", 10_000)
    desk.balance("USDC", 5_000)
    for seconds in (60, 15):
        listing(desk.wait(seconds), USD=D("10150.50"), USDC=D("6084.06"))
    assert desk.tracker.transfers == D("15000") + D("1234.56")
    for seconds in (60, 15):
        found = listing(desk.wait(seconds), USD=D("8915.94"), USDC=D("6084.06"))
        assert not of_kind(found, Alert)  # nothing has left: the first was none
    assert desk.tracker.transfers == 15_000


# --- The moments at which it may have come --------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "came", "falls_to", "least"),
    [
        ((100_000, 1), (100_000, 2), 61_000, D("0.011363636364")),  # 3,000 of 264,000
        ((1_000, 1), (100_000, 5), 62_500, D("0.009090909091")),  # 1,500 of 165,000
        ((150_000, 1), (-100_000, 2), 61_000, D("0.026315789474")),  # 3,000 of 114,000
    ],
)
def test_of_two_transfers_that_overlap_each_was_there_when_it_was_read_first(
    before, came, falls_to, least
):
    """Dollars are read before a fall, coins after it, and both are booked then: the coins may have come before it."""
    usd, coins = before
    world = connected(held=coins, also={"USD": usd})
    more_usd, more_coins = came

    def reads(dollars, held):
        rows = (ev.Balance("USD", D(dollars)), ev.Balance("BTC", D(held)))
        world.send(ev.BalancesRead, balances=rows, fills_until=world.now, is_complete=True)

    world.stand("BTC-USD", 64_000)
    reads(usd, coins)
    world.wait(3)
    reads(usd + more_usd, coins)
    for _ in range(4):
        world.wait(0.6)
        world.quote("BTC-USD", falls_to)
    for _ in range(2):
        reads(usd + more_usd, coins + more_coins)
        for _ in range(4):
            world.wait(0.6)
            world.quote("BTC-USD", falls_to)
    assert not world.tracker.wallets.in_doubt
    told = cumulative(world.tracker, way="least").ratio
    assert told == least


@pytest.mark.parametrize("tick_first", [True, False])
def test_a_coin_that_was_never_held_enters_at_a_price_that_stands(tick_first):
    """2,400 is a passing tick, at the first reading or at the second."""
    world = connected()
    world.wait(10)
    world.quote("ETH-USD", 2400 if tick_first else 2000)
    read_coin(world, "ETH", 1)
    if tick_first:
        world.wait(1)
        world.stand("ETH-USD", 2000)
    else:
        world.wait(3)
        world.quote("ETH-USD", 2400)
    read_coin(world, "ETH", 1)
    assert world.tracker.transfers == 2000


def read_coin(world, currency, total):
    row = (ev.Balance(currency, D(total)),)
    return world.send(ev.BalancesRead, balances=row, fills_until=world.now)


def test_a_passing_tick_at_the_first_reading_is_no_moment_at_which_it_came():
    world = connected_holding()
    read(world, "1.2")
    world.wait(5)
    world.quote("BTC-USD", 90_000)
    read(world, "0.2")
    (moved,) = world.tracker.loss_accounting.doubts.open_moves()
    assert {point.price for point in moved.others} == {64_000}
    world.quote("BTC-USD", 64_000)
    world.wait(2)
    read(world, "0.2")
    assert world.tracker.transfers == -64_000
    assert not world.tracker.is_ambiguous


def polled(world, price, *, usd):
    """The price of now and a reading, five seconds after the last."""
    world.wait(5)
    world.quote("BTC-USD", price)
    read(world, "1.2", usd=usd)


@pytest.mark.parametrize("usd", [73_200, 13_200])
def test_dollars_that_were_first_read_after_a_move_that_is_not_confirmed_wait_for_it(usd):
    """The price was told a moment before the reading: they may have come before it, or after."""
    world = connected_holding()
    read(world, "1.2")
    for number in range(3):
        polled(world, 32_000, usd=usd)
        assert bool(world.tracker.transfers) == (number == 2)
    least, _, most = shares(world)
    assert least is not None
    assert most is not None
    assert least + D("0.04") < most


def test_a_passing_move_at_the_first_reading_is_waited_for_and_moves_no_ratio():
    world = connected_holding()
    read(world, "1.2")
    for price in (32_000, 64_000, 64_000):
        polled(world, price, usd=73_200)
    assert world.tracker.transfers == 50_000
    assert shares(world) == [0, 0, 0]


def test_a_transfer_may_have_come_while_a_wide_book_showed_another_price():
    """1.2 BTC at 64,000, and a bid of 50,000 that marks nothing: 16,800 USD less, by the near side. ETH has no such
    quote.
    """
    world = connected_holding()
    world.fill("BUY", "0.01", 2_000, product_id="ETH-USD")
    read(world, "1.2")
    wide = ev.Quote("BTC-USD", D(50_000), D(66_000), world.now)
    world.send(ev.Quotes, quotes=(wide,))
    read(world, "1.1", usd=13_180)
    coins, dollars = sorted(
        world.tracker.loss_accounting.doubts.open_moves(), key=lambda one: one.key
    )
    assert {(one.pnl, one.price) for one in coins.others} == {(0, 64_000), (-16_800, 50_000)}
    assert {one.pnl for one in dollars.others} == {0, -16_800}


# --- Visits: what one reading showed, and the next one did not ------------------------------------


def fallen_holding(price=57_600):
    """1.2 BTC and 23,200 USD; the price has fallen from 64,000 since the last reading."""
    world = connected_holding()
    read(world, "1.2")
    world.wait(5)
    world.quote("BTC-USD", price)
    return world


def shares(world):
    ways: tuple[Way, ...] = ("least", "told", "most")
    return [cumulative(world.tracker, way=way).ratio for way in ways]


def withdrawn_beside_a_sale(waits):
    """20,000 USD leave seconds after 0.01 BTC were sold, so that readings may lack the 640 USD of that; BTC falls by
    a tenth after the last of these readings.
    """
    world = connected_holding()
    read(world, "1.2")
    world.fill("SELL", "0.01", 64_000)
    for seconds in waits:
        world.wait(seconds)
        world.quote("BTC-USD", 64_000)
        read(world, "1.19", usd=3_840)
    assert world.tracker.transfers == 0
    world.quote("BTC-USD", 57_600)
    return world


def test_what_has_come_before_a_fall_by_several_readings_is_dated_before_it_though_its_sum_is_open():
    """7,616 USD were lost, of 80,000 or of 80,640 and no more of 100,000."""
    world = withdrawn_beside_a_sale([3, 3, 12])
    least, told, most = shares(world)
    assert abs(least - D(7_616) / 80_640) < D("1E-9")
    assert told == D("0.07616")
    assert abs(most - D(7_616) / 80_000) < D("1E-9")


def test_until_then_there_may_have_been_none():
    least, told, _ = shares(withdrawn_beside_a_sale([3, 3, 5]))
    assert least == told == D("0.07616")


def test_money_that_came_and_left_between_readings_may_have_shared_a_loss():
    """50,000 USD beside 100,000 while BTC falls by a tenth: 7.68 % of 100,000, or 5.12 % of 150,000."""
    world = fallen_holding()
    read(world, "1.2", usd=73_200)
    world.wait(1)
    read(world, "1.2")
    world.stand("BTC-USD", 57_600)
    assert (world.tracker.transfers, world.tracker.wallets.in_doubt) == (0, set())
    assert shares(world) == [D("0.0512"), D("0.0768"), D("0.0768")]


def test_money_that_had_left_before_a_fall_shares_nothing_of_it():
    """50,000 USD come and go before BTC falls by a tenth, and once more after it."""
    world = connected_holding()
    for _ in range(2):
        read(world, "1.2")
        read(world, "1.2", usd=73_200)
        world.wait(1)
        read(world, "1.2")
        world.stand("BTC-USD", 57_600)
    assert len(world.tracker.balances.visits.known) == 2
    assert shares(world) == [D("0.0768")] * 3


def test_for_five_minutes():
    world = fallen_holding()
    read(world, "1.2", usd=73_200)
    world.wait(1)
    read(world, "1.2")
    world.wait(300)
    world.quote("BTC-USD", 57_600)
    assert shares(world) == [D("0.0768")] * 3
    assert not world.tracker.is_ambiguous


def test_one_reading_tells_of_no_more_than_the_account_itself():
    """A billion dollars: the loss may be half of what it is, and no less."""
    world = fallen_holding()
    read(world, "1.2", usd=10**9)
    world.wait(1)
    read(world, "1.2")
    least, told, most = shares(world)
    assert least is not None
    assert D("0.038") < least < D("0.041")
    assert told == most == D("0.0768")


def test_a_second_deposit_is_no_visit_of_the_first():
    world = fallen_holding()
    read(world, "1.2", usd=73_200)
    world.wait(1)
    read(world, "1.2", usd=73_210)
    assert world.tracker.balances.visits.known == []


def test_a_sale_that_was_read_before_it_was_told_is_no_visit():
    """A stop-loss; its average price is rounded, so its fill is not just what the reading had."""
    world = fallen_holding()
    read(world, "0.2", usd=80_800)
    world.wait(1)
    world.fill("SELL", 1, D("57600.004"), traded_at=world.now)
    world.wait(1)
    read(world, "0.2", usd=80_800)
    assert world.tracker.balances.visits.known == []


def test_a_reading_that_lacked_purchases_but_for_a_cent_is_no_visit():
    """The futures wallet's frame knew of a cent that its fee took from the pot before the reading did."""
    world = connected(held=1)
    for size in ("0.5", "0.3"):
        world.fill("BUY", size, 64_000)
    read(world, "1.8", usd=D("100000.01"))
    world.wait(4)
    read(world, "1.8", usd=48_800)
    assert world.tracker.balances.visits.known == []


@pytest.mark.parametrize("keep", [{"BTC": None}, {"BTC": D(20)}])
def test_coins_that_are_kept_visit_nobody_and_move_nothing(keep):
    world = connected(held=10, keep=keep)
    read(world, 10, usd=100_000)
    world.wait(5)
    world.quote("BTC-USD", 57_600)
    read(world, 18, usd=100_000)
    assert all(not moved.quantity for moved in world.tracker.loss_accounting.doubts.open_moves())
    world.wait(1)
    read(world, 10, usd=100_000)
    world.wait(1)
    for _ in range(2):
        world.wait(3)
        read(world, 5, usd=100_000)
    tracker = world.tracker
    assert (tracker.balances.visits.known, tracker.books.moves, tracker.transfers) == ([], [], 0)


def test_money_that_a_reading_lacked_and_the_next_one_has_tells_nothing():
    world = connected_holding()
    read(world, "1.2")
    world.wait(5)
    world.quote("BTC-USD", 57_600)
    read(world, "0.2")
    world.wait(1)
    read(world, "1.2")
    assert not world.tracker.is_ambiguous


def test_dollars_that_were_first_missed_at_a_passing_tick_did_not_leave_at_it():
    """All else may have moved before them, or after; a tick that is taken back is no moment."""
    world = connected_holding()
    read(world, "1.2")
    world.wait(5)
    world.quote("BTC-USD", 90_000)
    read(world, "1.2", usd=10_000)
    world.wait(1)
    world.quote("BTC-USD", 64_000)
    (moved,) = world.tracker.loss_accounting.doubts.open_moves()
    assert {moment.pnl for moment in moved.others} == {moved.now.pnl} == {0}
    world.quote("BTC-USD", 60_000)
    (moved,) = world.tracker.loss_accounting.doubts.open_moves()
    assert {moment.pnl for moment in moved.others} == {0}


def test_a_contract_in_doubt_is_no_transfer_of_an_earlier_moment():
    """Positions in futures come and go by trading alone."""
    desk = Desk()
    position = ev.FuturesPosition(FUTURE, D(1), None)
    desk.send(ev.FuturesRead, positions=(position,), fills_until=desk.now)
    assert desk.tracker.wallets.in_doubt == {FUTURE}
    assert desk.tracker.loss_accounting.doubts.open_moves() == []


def test_dollars_in_doubt_are_one_transfer_of_the_pot():
    desk = Desk()
    desk.balance("USD", 1000)
    desk.balance("USDC", 200)
    desk.fill("BUY", "0.01", 64000)
    desk.wait(60).balance("USDC", 500)
    desk.quote("BTC-USD", 50_000)
    desk.wait(1).balance("USD", 1000)
    (moved,) = desk.tracker.loss_accounting.doubts.open_moves()
    assert (moved.key, moved.quantity) == ("USDC", 940)
    assert {point.pnl for point in moved.others} == {0}
    assert moved.booked == moved.now  # or now


def test_a_withdrawal_from_a_busy_account_is_booked_though_its_fills_are_all_alike():
    """1 of 2 BTC leaves while a bot buys 0.01 every three seconds, and wallets have no lag at all."""
    world = connected(held=2)
    world.wait(60)
    left = D(2)
    for number in range(60):
        world.wait(3)
        world.quote("BTC-USD", 64_000)
        world.fill("BUY", "0.01", 64_000)
        left += D("0.01") - (1 if number == 15 else 0)
        read_coin(world, "BTC", left)
    assert world.tracker.transfers == -64_000
    assert world.manager.state.account == "ACTIVE"


def test_money_that_one_reading_showed_shares_no_loss_of_an_account_without_equity():
    desk = Desk()
    desk.tracker.balances.believes_first = False
    desk.balance("BTC", 1)
    desk.wait(5).balance("BTC", 0)
    assert (desk.tracker.equity, desk.tracker.balances.visits.known) == (0, [])
