"""The account's truth, end to end: prices that are old, wide, missing or passing, and times that cannot be.

What the core makes of each case is in tests/unit/test_account_truth.py; here the exchange's books move,
and sockets tell of it.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.coinbase.exchange_clock import ExchangeClock
from sidecar.core.account import losses
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary.trading_day import next_reset
from tests.running_sidecar import beside
from tests.still_market import (
    D,
    attended,
    control,
    desk,
    let_pass,
    sides,
    still,
    until_tickers_are_told,
)

BTC, SOL, DOGE = "BTC-USD", "SOL-USD", "DOGE-USD"
TICK = timedelta(seconds=1)
WIDE: dict[str, Any] = {
    "bid": "80",
    "ask": "86",
    "size": "100000",
}  # a spread of 7 %, beyond the cap of 5 %
PROTECTED: dict[str, Any] = {"max_daily_loss": "0.20", "max_cumulative_loss": "0.25"}


# ----------------------------------------------------------------- a fill is a newer price


@pytest.mark.parametrize(("mark", "paid"), [(80, 200), (200, 80)])
async def test_a_hand_made_buy_in_a_coin_with_an_old_mark_is_neither_loss_nor_gain(
    tmp_path, mark, paid
):
    """A coin was last quoted at 80 and trades at 200 by now (or the other way), and no ticker told. 20 of
    it are bought by hand: the fill is the newer price, and neither DAILY_LOSS nor DRAWDOWN is raised, then
    or when quotes come.
    """
    async with desk(
        tmp_path,
        balances={"USD": 10_000},
        prices={SOL: mark, BTC: 60_000},
        max_daily_loss="0.05",
        max_drawdown="0.05",
    ) as made:
        await made.wait(20)
        touch = {"bid": str(D(paid) - D("0.01")), "ask": str(paid), "size": "100000"}
        await made.control("market", product_id=SOL, quiet=True, **touch)
        assert made.tracker.marks.usd("SOL") == mark
        made.watch()
        await made.buys(20, SOL)
        await made.quote(BTC, 60_000)
        await made.steady(SOL, paid, 5)
        assert {cause for cause in made.alerts if cause in {"DAILY_LOSS", "DRAWDOWN"}} == set()
        assert (made.causes, made.made.state) == (set(), "ACTIVE")
        assert made.tracker.equity == 10_000
        assert max(abs(10_000 - equity) for equity in made.equities) <= D("0.1"), "half a spread"
        assert made.loss(losses.drawdown).usd <= D("0.1")


# --------------------------------------------------------- a book that falls apart is a stale mark


def beside_sol(directory: Path, **limits: Any):
    """100 SOL at 200 beside 10,000 USD."""
    return desk(
        directory,
        balances={"USD": 10_000, "SOL": 100},
        prices={SOL: 200, BTC: 60_000},
        **limits,
    )


async def falls_apart(made, *, quiet: bool = False) -> None:
    """SOL falls from 200 to 80/86, and keeps that spread for more than a minute."""
    await made.wait(1)
    await made.control("market", product_id=SOL, silent=True, quiet=quiet, **WIDE)
    for seconds in (20, 41):
        await made.quote(BTC, 60_000, after=seconds)
    await made.made.until(lambda: "STALE_MARK" in made.causes, "the stale mark")


@pytest.mark.parametrize("quiet", [False, True], ids=["a ticker tells it", "REST alone tells it"])
async def test_a_book_that_keeps_a_wide_spread_is_a_stale_mark_and_its_loss_counts_at_the_bid(
    tmp_path, quiet
):
    """100 SOL beside 10,000 USD; the book falls from 200 to 80/86. A loss of 12,000 USD (40 %) at the bid:
    STALE_MARK and an alert after 60 s, reducing orders only, no more buys of SOL; nothing is sold yet.
    """
    async with beside_sol(tmp_path, max_quote_age_s=10, **PROTECTED) as made:
        await falls_apart(made, quiet=quiet)
        await made.made.until(lambda: "CUMULATIVE_LOSS" in made.causes, "the loss at the bid")
        assert made.causes == {"STALE_MARK", "CUMULATIVE_LOSS", "DAILY_LOSS"}
        assert made.alerts.count("STALE_MARK") == 1
        assert not made.sold
        refused = await made.ask(made.trader.limit("BUY", "1", "83", SOL))
        assert "STATE_REDUCE_ONLY" in refused.codes
        assert await made.ask(made.trader.limit("SELL", "1", "83", SOL))
        (cause,) = [one for one in (await made.status())["causes"] if one["code"] == "STALE_MARK"]
        assert cause["scope"] == "key:SOL"


async def test_status_tells_the_loss_at_the_bid_beside_the_one_at_the_old_mark(tmp_path):
    """The same: of 30,000 USD the books tell no loss, and it may be 12,000: most_ratio is 0.4."""
    async with beside_sol(tmp_path, **PROTECTED) as made:
        await falls_apart(made)
        told = (await made.status())["losses"]["daily"]
        assert (D(told["ratio"]), D(told["most_ratio"])) == (0, D("0.4"))


async def test_a_trade_near_the_bid_confirms_the_loss_and_what_is_left_is_sold(tmp_path):
    """The same, and a trade prints at 80.5: within `max_spread` of the bid, so the loss is real. Sold at
    the bid: 18,000 USD are left of 30,000.
    """
    async with beside_sol(tmp_path, **PROTECTED) as made:
        await falls_apart(made)
        assert not made.sold
        await made.book(SOL, trade="80.5")
        for _ in range(4):
            await made.book(SOL, **WIDE)
        await made.made.until_state("HALTED")
        assert made.world.exchange.accounts.wallet("SOL").total == 0
        assert made.world.exchange.accounts.wallet("USD").total == 18_000
        assert made.tracker.transfers == 0


async def test_without_a_trade_the_loss_is_believed_after_stale_confirm_s(tmp_path):
    """The same without a trade: at 299 s nothing is sold, after 300 s it is."""
    async with beside_sol(tmp_path, **PROTECTED) as made:
        await falls_apart(made)
        await made.book(SOL, after=290, **WIDE)
        assert not made.sold
        for seconds in (8, 2, 2, 2):
            await made.book(SOL, after=seconds, **WIDE)
        await made.made.until_state("HALTED")
        assert made.world.exchange.accounts.wallet("USD").total == 18_000


async def test_a_trade_from_before_the_fall_confirms_nothing(tmp_path):
    """A trade printed at 80.5 while the book stood at 200; a minute later the book falls to 80/86, and each
    ticker repeats the old trade's price. Nothing has been traded since, so nothing is sold before 300 s.
    """
    async with beside_sol(tmp_path, **PROTECTED) as made:
        await made.book(SOL, trade="80.5")
        await made.quote(SOL, 200, after=60)
        await falls_apart(made)
        for _ in range(8):
            await made.book(SOL, **WIDE)
        await made.reading()
        assert (made.causes >= {"CUMULATIVE_LOSS", "STALE_MARK"}, made.sold) == (True, False)


async def test_a_good_quote_ends_it_and_nothing_stays(tmp_path):
    """The same, and the book comes back at 198: ACTIVE again, a loss of 200 USD and no more."""
    async with beside_sol(tmp_path, **PROTECTED) as made:
        await falls_apart(made)
        await made.steady(SOL, 198)
        assert (made.causes, made.made.state, made.sold) == (set(), "ACTIVE", False)
        assert made.loss().usd == 200


# ----------------------------------------------------------------------------- no quote at all


def unquoted(kind: str) -> tuple[dict[str, object], str]:
    """What the account holds beside USD and BTC, and which coin has no quote."""
    coin = {"disabled": "DOGE", "airdrop": "WEN", "empty": "SOL"}[kind]
    return ({} if kind == "airdrop" else {coin: "0.001"}), coin


@pytest.mark.parametrize(
    ("kind", "kept"),
    [("disabled", False), ("airdrop", False), ("empty", False), ("disabled", True)],
    ids=["disabled", "airdrop", "empty", "kept whole"],
)
async def test_a_coin_without_a_quote_is_named_and_holds_up_nothing(tmp_path, kind, kept):
    """0.001 of a coin whose product is disabled, that has none, or whose book is empty, beside 10,000 USD
    and 1 BTC at 64,000: the start ends, equity is 74,000, a buy passes the value-at-risk limit, and BTC at
    −69 % is sold under a limit of 25 %. One alert names it; also where it is kept whole.
    """
    held, coin = unquoted(kind)
    async with still(
        tmp_path,
        balances={"USD": 10_000, "BTC": 1, **held},
        prices={BTC: 64_000},
        disabled_products=[DOGE],
    ) as trader:
        if kind == "airdrop":
            await control(trader, "transfer", kind=kind, currency=coin, amount="0.001")
        if kind == "empty":
            await control(trader, "market", product_id=SOL, empty=True, silent=True)
        async with attended(
            trader,
            limits={"max_cumulative_loss": "0.25", "max_daily_loss": "0.20", "max_var": "0.9"},
            positions={"keep": {coin: "all"}} if kept else {},
            coinbase={"follow": [BTC]},
        ) as made:
            assert made.made.state == "ACTIVE"
            assert made.tracker.equity == 74_000
            named = [
                action.text
                for _, action in made.made.actions
                if isinstance(action, ac.Alert) and action.code == "NO_QUOTE"
            ]
            (text,) = named
            assert coin in text
            risk = made.made.manager.risk
            await made.made.until(lambda: risk.view().model is not None, "the history")
            assert await made.ask(made.trader.limit("BUY", "0.01", "64000"))
            await made.steady(BTC, 19_840)
            await made.made.until(lambda: made.sold, "the episode")
            await made.made.until(lambda: made.made.held("BTC") == 0, "the sale")
            assert made.world.exchange.accounts.wallet("BTC").total == 0


async def test_a_coin_without_a_quote_that_comes_later_is_named_too(tmp_path):
    """1,000 of a coin that no product trades are airdropped while the sidecar runs: one alert NO_QUOTE names
    it, equity is 10,000, and a buy passes.
    """
    async with desk(tmp_path, balances={"USD": 10_000}, prices={BTC: 60_000}) as made:
        await made.transfer("airdrop", "WEN", 1_000)
        for _ in range(2):
            await made.reading()
            await made.quote(BTC, 60_000, after=2)
        assert made.made.held("WEN") == 1_000
        assert made.tracker.equity == 10_000
        assert await made.ask(made.trader.limit("BUY", "0.1", "60000"))
        assert (await made.status())["unvalued"] == ["WEN"]
        assert made.alerts.count("NO_QUOTE") == 1


async def test_its_first_good_mark_is_a_transfer(tmp_path):
    """100 SOL of an empty book: at its first quotes of 80 they come in as 8,000 USD, no gain; then a fall
    to 60 is a loss of 2,000.
    """
    async with still(
        tmp_path, balances={"USD": 10_000, "SOL": 100}, prices={BTC: 60_000}
    ) as trader:
        await control(trader, "market", product_id=SOL, empty=True, silent=True)
        async with attended(
            trader, limits={"max_drawdown": "0.5"}, coinbase={"follow": [BTC]}
        ) as made:
            assert made.tracker.equity == 10_000
            await made.steady(SOL, 80)
            assert (made.tracker.equity, made.tracker.transfers) == (18_000, 8_000)
            assert made.loss().usd == 0
            await made.steady(SOL, 60)
            assert (made.loss().usd, made.loss().ratio) == (2_000, D("0.111111111111"))


async def test_what_loses_its_quote_gives_equity_no_room_and_stays_in_the_windows(tmp_path):
    """100 SOL at 200 beside 10,000 USD: their book empties, with nobody on either side, for good. The loss
    windows keep them at 200, but leverage is measured against 10,000 USD: with them, a buy of 6,000 USD in BTC
    makes 2.6, and 2.5 is allowed. When quotes return at 150 the difference is PnL.
    """
    async with beside_sol(tmp_path, max_daily_loss="0.5", max_leverage="2.5") as made:
        await made.control("market", product_id=SOL, empty=True, silent=True)
        for seconds in (30, 31, 1):
            await made.quote(BTC, 60_000, after=seconds)
        assert made.loss().usd == 0
        assert "STALE_MARK" in made.alerts
        decision = await made.ask(made.trader.limit("BUY", "0.1", "60000"))
        assert decision.codes == ("MAX_LEVERAGE",)
        await made.steady(SOL, 150)
        assert (made.loss().usd, made.tracker.transfers) == (5_000, 0)
        assert made.tracker.equity == 25_000


# ------------------------------------------------------------------------------- a passing tick


def narrowly_limited(directory: Path):
    """A BTC at 60,000 beside 10,000 USD, under limits of 5 % a day and of drawdown, and 15 % in all."""
    return desk(
        directory,
        balances={"USD": 10_000, "BTC": 1},
        prices={BTC: 60_000},
        max_daily_loss="0.05",
        max_drawdown="0.05",
        max_cumulative_loss="0.15",
    )


@pytest.mark.parametrize("bad", [48_000, 84_000])
async def test_a_tick_of_0_7_s_leaves_nothing_behind(tmp_path, bad):
    """1 BTC; 0.7 s at 48,000, or at 84,000, between 60,000s, under limits of 5 % a day and of drawdown, and
    15 % in all: no cause stays, no loss, no drawdown, and nothing is sold.
    """
    async with narrowly_limited(tmp_path) as made:
        await made.steady(BTC, 60_000)
        await made.quote(BTC, bad, after=0.3)
        assert ("DAILY_LOSS" in made.causes) == (bad < 60_000), "the first sight"
        await made.quote(BTC, 60_000, after=0.7)
        await made.steady(BTC, 60_000)
        assert (made.causes, made.made.state, made.sold) == (set(), "ACTIVE", False)
        assert {made.loss(each).usd for each in (losses.daily, losses.drawdown)} == {0}


async def test_a_tick_that_only_rest_shows_leaves_nothing_behind(tmp_path):
    """The same where no ticker tells of it: the quiet book is read over REST at 48,000, and at 60,000
    the next time.
    """
    async with narrowly_limited(tmp_path) as made:
        refresh = made.made.engine.carry[ac.RefreshQuotes]
        for price in (48_000, 60_000):
            await made.wait(0.7)
            shown = sides(made.trader, BTC, price)
            await made.control("market", product_id=BTC, quiet=True, **shown)
            refresh(ac.RefreshQuotes(product_ids=(BTC,)))
            await made.made.until(
                lambda it=price: made.tracker.marks.usd("BTC") == it, f"{price} read"
            )
        await made.steady(BTC, 60_000)
        assert (made.causes, made.made.state, made.sold) == (set(), "ACTIVE", False)
        assert {made.loss(each).usd for each in (losses.daily, losses.drawdown)} == {0}


# ---------------------------------------------------------------------- a coin that never moves


@pytest.mark.parametrize("cash", [["USD", "USDC"], ["USD", "USDC", "USDT"]], ids=["coin", "cash"])
async def test_a_stablecoin_whose_closes_never_move_has_no_risk_but_its_own(tmp_path, cash):
    """50,000 USDT whose 550 daily closes are all 1, as a coin or listed as cash, beside 0.1 BTC: value at
    risk is some of the 6,000 USD of BTC and none of the 50,000, and a buy of 0.01 BTC passes.
    """
    file = tmp_path / "market.csv"
    file.write_text(
        "time,product_id,bid,bid_size,ask,ask_size\n"
        "2026-11-23T15:00:00Z,BTC-USD,59999.99,9,60000.01,9\n"
        "2026-11-23T15:00:00Z,USDT-USD,0.99,99999,1.01,99999\n"
        "2026-11-23T16:00:00Z,BTC-USD,59999.99,9,60000.01,9\n"
    )
    async with (
        still(
            tmp_path,
            market=f"replay:{file}",
            balances={"USD": 1_000, "BTC": "0.1", "USDT": 50_000},
            prices={BTC: 60_000, "USDT-USD": 1},
        ) as trader,
        attended(trader, limits={"max_var": "0.5"}, positions={"cash": cash}) as made,
    ):
        risk = made.made.manager.risk
        await made.made.until(lambda: risk.view().model is not None, "the history")
        await made.quote("USDT-USD", 1)
        await made.quote(BTC, 60_000)
        assert made.tracker.equity == 57_000
        assert await made.ask(made.trader.limit("BUY", "0.01", "60000"))
        found = (await made.status())["risk"]
        assert found["unavailable"] is None
        assert 0 < D(found["var"]) < 6_000


# -------------------------------------------------------------------- a time that cannot be


async def test_a_frame_a_year_ahead_leaves_the_next_reset_where_it_was(tmp_path):
    """One ticker frame is stamped a year ahead. The next reset is 08:00 in New York of the next day, and
    orders are judged as before.
    """
    async with desk(
        tmp_path, balances={"USD": 10_000, "BTC": 1}, prices={BTC: 60_000}, max_daily_loss="0.1"
    ) as made:
        windows = made.tracker.windows
        expected = next_reset(made.world.now())
        assert windows.next_reset == expected
        await made.control("faults", future_frames=1, frames_channel="ticker")
        await made.control("market", product_id=BTC, **sides(made.trader, BTC, 60_000))
        await made.steady(BTC, 60_000)
        assert windows.next_reset == expected
        assert (await made.ask(made.trader.limit("BUY", "0.01", "60000"))).codes == ()
        assert made.causes == set()


async def test_a_frame_a_year_ahead_does_not_move_an_exchange_clock_for_good(tmp_path):
    """The same where frames are the only clock (a demo at another speed, a replay): with the next frames
    the time is the exchange's again, the next reset the next day's, and a buy passes.
    """
    async with still(tmp_path, balances={"USD": 10_000}, prices={BTC: 60_000}) as trader:
        world, clock = trader.paper.world, ExchangeClock(trader.paper.world.now())
        async with beside(trader, clock=clock, coinbase={"follow": [BTC]}) as made:
            await until_tickers_are_told(trader, made)
            await control(trader, "faults", future_frames=1, frames_channel="ticker")
            await control(trader, "market", product_id=BTC, **sides(trader, BTC, 60_000))
            for _ in range(3):
                heard = made.manager.tracker.marks.good_quotes
                let_pass(world, TICK)
                await control(trader, "market", product_id=BTC, **sides(trader, BTC, 60_000))
                await made.until(
                    lambda it=heard: made.manager.tracker.marks.good_quotes > it, "a quote"
                )
            decision = await made.bot.validate_order(trader.limit("BUY", "0.01", "60000"))
            told = (decision.codes, made.manager.tracker.windows.next_reset, clock())
            assert told == ((), next_reset(world.now()), world.now())
