"""Histories that the laws of the account's truth have found, as small as they came, with what is right."""

from fractions import Fraction

from sidecar.core import losses
from tests.scenario import D
from tests.telling import FUT, Coinbase, Habits

SMALL = {"USD": D(5_000), "BTC": D("0.2")}  # 17,800 USD at 64,000
LIMIT = {"max_cumulative_loss": "0.25"}


def causes(coinbase: Coinbase) -> set[str]:
    return {code for code, _ in coinbase.world.manager.state.causes}


def test_a_sweep_told_by_a_frame_before_a_reading_that_lags_is_no_transfer():
    """The frame shows the futures wallet at once, REST four seconds later, dollars at once."""
    coinbase = Coinbase(Habits(lags={FUT: 4}), {"USD": D(50_000), "BTC": D("0.2")}, **LIMIT)
    coinbase.run(10)
    coinbase.sweep(D(-49_000))
    for _ in range(200):
        coinbase.run(1)
        assert coinbase.world.tracker.transfers == 0
    tracker = coinbase.world.tracker
    assert (tracker.equity, tracker.wallets.get("USD").total) == (62_800, 1_000)


def test_a_sweep_and_a_small_fall_sell_nothing():
    """49,000 of 62,800 are swept, then 6.4 % are lost: told as 29 %, and sold."""
    coinbase = Coinbase(Habits(lags={FUT: 4}), {"USD": D(50_000), "BTC": D("0.2")}, **LIMIT)
    coinbase.run(10)
    coinbase.sweep(D(-49_000))
    coinbase.run(10)
    coinbase.price("BTC", D(44_000))
    coinbase.run(120)
    assert coinbase.sold_at is None
    assert causes(coinbase) == set()


def test_dollars_that_came_before_a_fall_sell_nothing():
    """85,000 come, BTC halves five seconds later, before anything was read: 6.2 % of what was there. The
    reading that the breach asks for shows the dollars 1.5 s before the sale.
    """
    coinbase = Coinbase(Habits(), SMALL, **LIMIT)
    coinbase.run(10)
    coinbase.flow("USD", D(85_000))
    coinbase.run(5)
    coinbase.price("BTC", D(32_000))
    coinbase.run(120)
    assert coinbase.sold_at is None  # both ways: 36 % and 6.2 %


def test_dollars_that_left_before_a_fall_may_make_it_a_breach():
    """85,000 of 102,800 leave, then BTC halves: 36 % of what was there, told as 6.2 %."""
    coinbase = Coinbase(Habits(), {"USD": D(90_000), "BTC": D("0.2")}, **LIMIT)
    coinbase.run(10)
    coinbase.flow("USD", D(-85_000))
    coinbase.run(5)
    coinbase.price("BTC", D(32_000))
    coinbase.run(120)
    assert coinbase.losses().most(0, 130) > Fraction("0.35")
    assert coinbase.sold_at is None
    assert "CUMULATIVE_LOSS" in causes(coinbase)  # either in breach: reducing orders only


def test_wide_quotes_above_a_bad_tick_do_not_confirm_it():
    """One quote of 32,000; then the book is wide, its bid at 64,000 as before."""
    for confirms in (True, False):
        coinbase = Coinbase(Habits(confirms=confirms), SMALL, **LIMIT, max_daily_loss="0.25")
        coinbase.run(10)
        assert coinbase.bad_tick("BTC", D(32_000), 0.5)
        coinbase.run(0.5)
        coinbase.books["BTC"] = "wide"
        coinbase.run(20)
        coinbase.books["BTC"] = "good"
        coinbase.run(5)
        assert coinbase.sold_at is None
        assert causes(coinbase) == set()


def test_coins_that_came_while_their_book_was_silent_enter_at_its_next_quote():
    """The book says nothing for 20 s; meanwhile BTC falls by 27 % and 2 BTC come. 0.2 BTC have lost 19 %."""
    coinbase = Coinbase(Habits(), SMALL, **LIMIT)
    coinbase.run(50)
    coinbase.books["BTC"] = "gone"
    coinbase.price("BTC", D(46_500))
    coinbase.flow("BTC", D(2))
    coinbase.run(20)
    coinbase.books["BTC"] = "good"
    coinbase.run(120)
    assert coinbase.losses().most(0, 200) < Fraction("0.20")
    least = losses.cumulative(coinbase.world.tracker, way="least").ratio
    assert coinbase.sold_at is None
    assert least is not None
    assert least < D("0.20")
