"""State files of the version before the time-weighted ratios: each ratio told after equals the one before."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from sidecar.core.account.losses import cumulative, daily, drawdown
from sidecar.core.saved_before import OldWindows, taken_over
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.money import ratio
from tests.decisions import only, reloaded
from tests.old_state import (
    EQUITY,
    NET,
    TRACKER,
    WINDOWS,
    cause,
    old_state,
    pnl,
    ratio_told,
    upgraded,
    upgraded_tracker,
    wallet,
    window,
)
from tests.scenario import FUTURE, START, D, World, limit_order

FIGURES = {"day": daily, "cumulative": cumulative, "drawdown": drawdown}
CODES = {"day": "DAILY_LOSS", "cumulative": "CUMULATIVE_LOSS", "drawdown": "DRAWDOWN"}
LIMITS = {"day": "max_daily_loss", "cumulative": "max_cumulative_loss", "drawdown": "max_drawdown"}
NEXT = START + timedelta(days=1)


def state(*causes: dict[str, Any], transfers: object = 0, **windows: Any) -> bytes:
    return old_state(*causes, transfers=str(transfers), windows=WINDOWS | windows)


def told(data: bytes, name: str) -> Any:
    return FIGURES[name](upgraded_tracker(data)).ratio


# --- Ratios ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    ("line", "transfers"),
    [
        (window(), 0),
        (window(net_pnl=4_000, equity=60_000), 0),  # it stood higher
        (window(net_pnl=-9_000, equity=70_000), 0),  # a gain since
        (window(equity=20_000, transfers=-5_000), 94_000),  # money came in
        (window(equity=300_000, transfers=7), -180_000),  # and left
    ],
)
def test_each_ratio_is_the_one_that_was_told(name, line, transfers):
    since = line["net_pnl"]
    data = state(
        transfers=transfers, **{name: line}, **({"peak": since} if name == "drawdown" else {})
    )
    before = ratio_told(since, line, moved=transfers)
    assert before is not None
    assert told(data, name) == ratio(before, D(1))


@pytest.mark.parametrize(("more", "lacks"), [("0.01", True), (0, False)])
def test_an_account_of_the_least_that_ratios_are_taken_of_has_ratios(more, lacks):
    tracker = upgraded_tracker(state())
    tracker.min_equity = tracker.booked_equity + D(more)
    old = msgspec.json.decode(msgspec.json.encode(WINDOWS), type=OldWindows)
    assert taken_over(old, tracker, D(0)).span.lacks_equity == lacks


def test_a_loss_in_dollars_is_the_one_that_was_told():
    data = state(day=window(net_pnl=4_000), cumulative=window(net_pnl=-9_000), peak="6000")
    tracker = upgraded_tracker(data)
    assert [figure(tracker).usd for figure in FIGURES.values()] == [12_010, -990, 14_010]


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_lost_after_it_is_a_share_of_what_is_there(name):
    """6.73 % were told; of the 110,990 that are left another 10 % go."""
    tracker = upgraded_tracker(state())
    quote = ev.Quote("BTC-USD", D(58_000) - EQUITY / 10, D(58_000) - EQUITY / 10, START)
    tracker.apply(ev.Quotes(at=START, quotes=(quote,)))
    before = ratio_told(0, window())
    assert before is not None
    assert FIGURES[name](tracker).ratio == ratio(1 - (1 - before) * D("0.9"), D(1))


def test_the_state_is_loaded_once_and_saved_in_the_new_way():
    world = upgraded(state(cause("DAILY_LOSS")))
    again = reloaded(world)
    for figure in FIGURES.values():
        assert figure(again.tracker) == figure(world.tracker)


# --- A base that was negative ---------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("equity", [100_000, 99_999])
def test_where_no_ratio_could_be_told_the_window_begins_anew(name, equity):
    """A profit was withdrawn: more left than was there at the start. No ratio could be taken of that, and now
    it is one of what is there.
    """
    line = window(equity=equity)
    world = upgraded(
        state(
            transfers=-100_000, **{one: window(equity=300_000) for one in FIGURES} | {name: line}
        ),
        **only(LIMITS[name], "0.5"),
    )
    assert ratio_told(0, line, moved=-100_000) is None
    assert FIGURES[name](world.tracker).ratio == 0
    for other in FIGURES.keys() - {name}:
        assert FIGURES[other](world.tracker).ratio == ratio(D(8010), D(200_000))
    world.stand("BTC-USD", D(58_000) - EQUITY / 4)
    assert FIGURES[name](world.tracker).ratio == D("0.25")
    assert world.manager.state.account == "ACTIVE"


def test_more_lost_than_there_was_is_everything():
    """Of old the ratio was beyond 1; a unit cannot lose more than itself, and is not won back by nothing."""
    data = state(transfers=-115_000)
    for name in FIGURES:
        assert ratio_told(0, window(), moved=-115_000) == D(8010) / 4_000
        assert told(data, name) == ratio(1 - D("1E-9"), D(1))


# --- Latches --------------------------------------------------------------------------------------


def at_limit(name, offset, *causes):
    """A world whose limit is the ratio that was told, or a little more."""
    before = ratio_told(0, window())
    assert before is not None
    limit = before.quantize(D("1E-20")) + D(offset)
    return upgraded(state(*causes), **only(LIMITS[name], str(limit)))


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("offset", "crossed"), [("-1E-19", True), ("1E-19", False)])
def test_a_limit_is_crossed_after_if_it_was_before(name, offset, crossed):
    world = at_limit(name, offset)
    assert world.manager.watch.is_crossed(CODES[name], "all") == crossed
    world.stand("BTC-USD", 58_000)
    assert (world.manager.state.account != "ACTIVE") == crossed


@pytest.mark.parametrize("name", ["day", "drawdown"])
def test_a_latch_in_force_stays_though_the_loss_is_won_back(name):
    """Versions before knew no sight that was not confirmed: what they left in force is a latch."""
    world = at_limit(name, "-1E-19", cause(CODES[name]))
    world.stand("BTC-USD", 70_000)
    assert world.manager.state.account == "REDUCE_ONLY"
    assert "STATE_REDUCE_ONLY" in world.ask(limit_order("0.01", 70_000)).codes


def test_a_daily_loss_in_force_ends_with_its_day():
    world = at_limit("day", "-1E-19", cause("DAILY_LOSS", clears_at=f"{NEXT:%Y-%m-%dT%H:%M:%SZ}"))
    world.wait(to=NEXT)
    assert world.manager.state.account == "ACTIVE"
    assert daily(world.tracker).ratio == 0


@pytest.mark.parametrize(("name", "reset"), [("day", "daily"), ("drawdown", "drawdown")])
def test_a_latch_in_force_ends_with_its_window(name, reset):
    world = at_limit(name, "-1E-19", cause(CODES[name]))
    world.send(ev.LossReset, window=reset, reason="enough")
    world.send(ev.ResumeRequested, reason="back")
    assert world.manager.state.account == "ACTIVE"


def test_a_cumulative_loss_in_force_is_confirmed_anew_before_anything_is_sold():
    world = at_limit("cumulative", "-1E-19", cause("CUMULATIVE_LOSS"))
    assert world.manager.state.account == "REDUCE_ONLY"
    world.stand("BTC-USD", 58_000)
    assert world.manager.state.account == "LIQUIDATING"


def test_a_cumulative_loss_in_force_stays_until_it_is_reset():
    world = at_limit("cumulative", "-1E-19", cause("CUMULATIVE_LOSS"))
    world.stand("BTC-USD", 70_000)
    assert world.manager.state.account == "REDUCE_ONLY"
    world.send(ev.LossReset, window="cumulative", reason="known", by="uid 7")
    assert world.manager.state.account == "ACTIVE"


def test_what_an_episode_left_in_force_stays():
    world = upgraded(state(cause("LIQUIDATED", level="HALTED")))
    world.stand("BTC-USD", 70_000)
    assert world.manager.state.account == "HALTED"


# --- Products and strategies ----------------------------------------------------------------------


def test_the_days_of_keys_and_strategies_are_as_told():
    """−1,000 of BTC and 500 of the strategy were of the day before; the contract has traded today alone."""
    line = window(equity=60_000)
    tracker = upgraded_tracker(
        state(day=line, day_by_key={"BTC": "-1000", "SOL": "-7"}, day_by_strategy={"trend": "500", "gone": "3"})
    )  # fmt: skip
    keys = {"BTC": 5_010, FUTURE: 2_000, "SOL": -7, "NEW": 0}
    strategies = {"trend": 3_500, "gone": 0, "new": 0}
    told = [(daily(tracker, key=name), lost) for name, lost in keys.items()]
    told += [(daily(tracker, strategy_id=name), lost) for name, lost in strategies.items()]
    for loss, lost in told:
        assert (loss.usd, loss.ratio) == (lost, ratio(D(lost), D(60_000)))


@pytest.mark.parametrize(("limit", "crossed"), [("0.0505", True), ("0.0506", False)])
def test_limits_of_keys_are_crossed_after_if_they_were_before(limit, crossed):
    """6,010 of 119,000."""
    world = upgraded(state(), product={"BTC-USD": {"max_daily_loss": limit}})
    assert world.manager.watch.is_crossed("DAILY_LOSS", "product:BTC-USD") == crossed


@pytest.mark.parametrize(("limit", "crossed"), [("0.0252", True), ("0.0253", False)])
def test_limits_of_strategies_are_crossed_after_if_they_were_before(limit, crossed):
    """3,000 of 119,000."""
    world = upgraded(state(), strategy={"trend": {"max_daily_loss": limit}})
    assert world.manager.watch.is_crossed("DAILY_LOSS", "strategy:trend") == crossed


def test_without_a_base_no_share_of_a_key_is_carried():
    tracker = upgraded_tracker(state(transfers=-200_000))
    assert daily(tracker, key="BTC").usd == 6_010
    assert daily(tracker, key="BTC").ratio == 0


# --- Equity ---------------------------------------------------------------------------------------


def test_the_futures_wallet_is_what_the_base_and_its_pnl_say():
    """Of old it was booked as what the PnL of futures did not explain."""
    tracker = upgraded_tracker(state())
    assert tracker.equity == EQUITY
    assert tracker.books.futures_cash.total == 5_000
    tracker = upgraded_tracker(old_state(futures_base="4000"))
    assert (tracker.equity, tracker.books.futures_cash.total) == (EQUITY - 1_000, 4_000)


def test_what_futures_have_realised_is_in_their_wallet_beside_its_base():
    """3 USD of fees were paid from it."""
    account = {**TRACKER["account"], "pnl": {"BTC": pnl(10), FUTURE: pnl(3)}}
    tracker = upgraded_tracker(old_state(account=account))
    assert tracker.books.futures_cash.total == 4_997


def test_an_account_without_futures_has_no_futures_wallet():
    tracker = upgraded_tracker(old_state(futures=None, futures_base="0"))
    assert not tracker.books.futures_cash.is_known


def test_what_is_kept_leaves_equity_and_no_ratio():
    """Of old it was in both."""
    wallets = {"USD": wallet(49_990), "BTC": wallet("1.5", keep="0.5")}
    world = upgraded(old_state(wallets=wallets), keep={"BTC": D("0.5")})
    assert (world.tracker.equity, world.tracker.kept) == (EQUITY, 29_000)
    for figure in FIGURES.values():
        assert figure(world.tracker).ratio == ratio(D(8010), D(119_000))


def test_left_with_less_than_the_least_equity_no_ratio_is_told():
    """All but 40 dollars were withdrawn."""
    data = old_state(
        account={"positions": {}, "pnl": {"BTC": pnl(8_010)}}, strategies={}, wallets={"USD": wallet(40)},
        futures=None, futures_base="0", transfers="-110950", windows=WINDOWS | {"day_by_strategy": {}},
    )  # fmt: skip
    world = upgraded(data, max_daily_loss="0.9")
    assert (world.tracker.equity, daily(world.tracker).ratio) == (40, None)
    world.quote("BTC-USD", 58_000)
    assert [one.code for one in world.manager.state.causes.values()] == ["NO_EQUITY"]


def test_books_that_never_opened_stay_closed():
    tracker = upgraded_tracker(old_state(windows=None))
    assert (tracker.windows, tracker.books.is_open) == (None, False)


def test_the_first_order_is_judged_by_the_ratios_of_before():
    world: World = upgraded(state(), max_daily_loss="0.06")
    world.quote("BTC-USD", 58_000)
    assert world.tracker.net_pnl == NET
    assert "MAX_DAILY_LOSS" in world.ask(limit_order("0.01", 58_000)).codes
