"""The account's truth, end to end: money that moves outside trading. What the core makes of each case is
in tests/unit/test_account_truth.py; here the exchange moves the money, and sockets tell of it.
"""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from sidecar.core.account import losses
from tests.fault.funding import funded, pay_funding_twice
from tests.still_market import BIP, D, attended, desk, still, sweep_and_buy

BTC, SOL = "BTC-USD", "SOL-USD"
USD_LAG = pytest.mark.parametrize("lag_s", [0, 60], ids=["at once", "USD 60 s later"])


def share(part: object, whole: object) -> Decimal:
    """A ratio as the sidecar rounds it."""
    return (D(str(part)) / D(str(whole))).quantize(D("1E-12"), ROUND_HALF_EVEN)


# ---------------------------------------------------------------------------------- cash is one pot


@USD_LAG
async def test_margin_that_moves_is_no_transfer_and_no_equity(tmp_path, lag_s):
    """250 contracts are bought: margin goes from USD to the futures wallet, which a frame tells at once
    and the USD wallet 60 s later. Equity is the same all the time, and what would be a leverage of 2.15 is
    refused.
    """
    async with desk(
        tmp_path, balances={"USD": 100_000}, prices={BIP: 64_000}, max_leverage=2
    ) as made:
        await made.control("faults", balance_lag_by_currency={"USD": lag_s})
        await made.buys(250, BIP)
        assert made.world.exchange.futures.cash > 0
        await made.quote(BIP, 64_000)
        made.watch()
        more = made.trader.limit("BUY", "86", "64005", BIP)
        for seconds in (0, 3, 15, 30, 20):
            await made.quote(BIP, 64_000, after=seconds)
            await made.reading()
            assert (await made.ask(more)).codes == ("MAX_LEVERAGE",)
        assert len(set(made.equities)) == 1
        assert (made.tracker.transfers, made.causes) == (0, set())
        assert (await made.status())["doubts"] == []


@USD_LAG
async def test_a_sweep_shrinks_no_base(tmp_path, lag_s):
    """33,161 go from the futures wallet to USD, as every night, after a true loss of 10 % under a limit of
    13 %: still 10 %, and nothing happens.
    """
    async with desk(
        tmp_path, balances={"USD": 100_000}, prices={BIP: 64_000}, max_cumulative_loss="0.13"
    ) as made:
        await sweep_and_buy(made)
        await made.steady(BIP, 54_005)  # bought one tick above the middle
        assert made.loss().ratio == D("0.1")
        await made.control("faults", balance_lag_by_currency={"USD": lag_s})
        made.watch()
        await made.control("sweep", to="spot", amount="33161")
        for seconds in (1, 2, 10, 30, 30):
            await made.quote(BIP, 54_005, after=seconds)
            await made.reading()
        assert set(made.ratios) == {D("0.1")}
        assert set(made.equities) == {D(90_000)}
        assert (made.tracker.transfers, made.causes, made.sold) == (0, set(), False)


async def test_a_sweep_that_the_calendar_makes_is_one_too(tmp_path):
    """All that is free in the futures wallet goes to USD at midnight UTC, with nobody asking."""
    async with (
        still(
            tmp_path, balances={"USD": 100_000}, prices={BIP: 64_000}, sweep_every_s=86_400
        ) as trader,
        attended(trader, limits={"max_daily_loss": "0.05"}) as made,
    ):
        await made.control("sweep", to="futures", amount="50000")
        await made.reading()
        made.watch()
        await made.wait(9 * 3600)
        await made.made.until(lambda: trader.paper.world.exchange.futures.cash == 0, "the sweep")
        await made.reading()
        await made.wait(2)
        await made.reading()
        assert made.tracker.equity == 100_000
        assert (made.tracker.transfers, made.causes) == (0, set())


@pytest.mark.parametrize(
    ("fill_first", "late"), [(False, "user"), (True, "futures_balance_summary")]
)
async def test_a_close_and_its_wallet_count_the_loss_once(tmp_path, fill_first, late):
    """A future is closed at a loss of 24.5 % under a limit of 25 %. The wallet's frame comes before the
    fill, or after it, with time between: at no moment is it told as more.
    """
    async with desk(
        tmp_path, balances={"USD": 100_000}, prices={BIP: 64_000}, max_cumulative_loss="0.25"
    ) as made:
        await sweep_and_buy(made)
        await made.steady(BIP, 39_510)  # it is sold one tick lower
        await made.control("faults", wallet_after_fill=fill_first)
        await made.control("faults", delay_frames_s="0.3", frames_channel=late)
        made.watch()
        await made.sells(100, BIP)
        for seconds in (1, 3):
            await made.quote(BIP, 39_510, after=seconds)
            await made.reading()
        assert made.loss().ratio == D("0.245")
        assert max(made.ratios) == D("0.245")
        # Until the fill is told, the wallet may have lost it beside what the contracts have lost.
        least = 75_500 if fill_first else 75_500 - 24_495
        assert (made.tracker.equity, min(made.equities)) == (75_500, least)
        assert (made.tracker.transfers, made.causes, made.sold) == (0, set(), False)
        assert (await made.status())["doubts"] == []


# ------------------------------------------------------------------------- balances are explained


@pytest.mark.parametrize("bot", ["has an order resting", "places and cancels every 0.6 s"])
async def test_a_withdrawal_is_a_doubt_at_the_first_reading_and_a_transfer_at_the_second(
    tmp_path, bot
):
    """80,000 of 100,000 USD leave. At the first reading equity is 20,000 and 63,000 are refused; the
    sidecar reads again by itself 2 s later, and books the transfer.
    """
    async with desk(
        tmp_path, balances={"USD": 100_000}, prices={BTC: 60_000}, max_daily_loss="0.10"
    ) as made:
        busy = bot.startswith("places")
        await place_and_cancel(made, times=5) if busy else await rest(made)
        await made.transfer("withdrawal", "USD", 80_000)
        await made.reading()
        status = await made.status()
        (doubt,) = status["doubts"]
        assert doubt.startswith("Coinbase shows 80000 less of USD than the books, since ")
        assert (D(status["equity"]), D(status["transfers"])) == (20_000, 0)
        refused = await made.ask(made.trader.limit("BUY", "1.05", "60000"))
        assert refused.codes == ("INSUFFICIENT_FUNDS",)
        if busy:
            await place_and_cancel(made, times=4)
        else:
            await made.quote(BTC, 60_000, after=2)
        await made.made.until(lambda: made.tracker.transfers == -80_000, "the transfer")
        assert (made.tracker.equity, made.loss(losses.daily).ratio) == (20_000, 0)
        assert (made.causes, (await made.status())["doubts"]) == (set(), [])
        assert made.alerts.count("TRANSFER") == 1


async def rest(made):
    """An order that stays in the book."""
    await made.trader.place(made.trader.limit("BUY", "0.01", "30000"))
    await made.made.until(lambda: made.tracker.ledger.working, "the order")


async def place_and_cancel(made, times):
    """What a market maker does all day: 0.6 s an order."""
    working = made.tracker.ledger.working
    for _ in range(times):
        await made.quote(BTC, 60_000, after=0.3)
        order_id = await made.trader.place(made.trader.limit("BUY", "0.01", "30000"))
        await made.made.until(lambda it=order_id: it in working, "the order")
        await made.quote(BTC, 60_000, after=0.3)
        await made.trader.call("POST", "/orders/batch_cancel", json={"order_ids": [order_id]})
        await made.made.until(lambda it=order_id: it not in working, "the cancel")


async def test_coins_that_left_are_not_lost_when_the_rest_falls(tmp_path):
    """1.0 of 1.2 BTC is withdrawn, then BTC falls by 30 %: 16.8 % of what is there under a limit of 25 %."""
    async with desk(
        tmp_path,
        balances={"USD": 10_057, "BTC": "1.2"},
        prices={BTC: 64_000},
        max_cumulative_loss="0.25",
    ) as made:
        await made.transfer("withdrawal", "BTC", 1)
        await made.reading()
        await made.quote(BTC, 64_000, after=2)
        await made.made.until(lambda: made.tracker.transfers == -64_000, "the transfer")
        await made.steady(BTC, 44_800)
        assert made.loss().ratio == share(3_840, 22_857)
        assert (made.causes, made.sold) == (set(), False)
        assert made.tracker.equity == 19_017


async def test_coins_that_left_unseen_before_a_fall_sell_nothing(tmp_path):
    """The same, and nobody read the account in between: the way that lost most, 26.5 %, allows reducing
    orders only, the way that lost least, 16.8 %, sells nothing. Before anything is sold the balances are
    read again, without being asked for.
    """
    async with desk(
        tmp_path,
        balances={"USD": 10_057, "BTC": "1.2"},
        prices={BTC: 64_000},
        max_cumulative_loss="0.25",
    ) as made:
        await made.transfer("withdrawal", "BTC", 1)
        await made.quote(BTC, 44_800)
        await made.made.until(lambda: "BTC" in made.tracker.wallets.in_doubt, "the doubt")
        await made.steady(BTC, 44_800, 8)
        await made.made.until(lambda: made.tracker.transfers, "the transfer")
        await made.steady(BTC, 44_800, 8)
        assert made.loss(lambda tracker: losses.cumulative(tracker, way="least")).ratio == share(
            3_840, 22_857
        )
        assert (made.made.state, made.sold) == ("REDUCE_ONLY", False)
        assert made.world.exchange.accounts.wallet("BTC").total == D("0.2")


async def test_coins_that_came_while_nobody_looked_enter_at_their_price_of_now(tmp_path):
    """60 SOL are deposited while the sidecar is down; it last saw SOL at 200, and it is 80 now. A transfer
    of 4,800 USD, and a loss of 2.4 % on the 2 SOL that were there, under a limit of 25 %. Had they come at
    200 it would be 33.8 %, and nobody knows: reducing orders only, and no sale.
    """
    limits = {"max_cumulative_loss": "0.25", "max_daily_loss": "0.20"}
    async with still(tmp_path, balances={"USD": 9_600, "SOL": 2}, prices={SOL: 200}) as trader:
        async with attended(trader, limits=limits, directory=tmp_path) as made:
            assert made.tracker.equity == 10_000
        await made.wait(600)
        await made.transfer("deposit", "SOL", 60)
        await made.control("market", product_id=SOL, bid="79.99", ask="80.01", size="1000")
        async with attended(trader, limits=limits, directory=tmp_path) as made:
            await made.reading()
            await made.quote(SOL, 80, after=2)
            await made.reading()
            await made.made.until(lambda: made.tracker.transfers, "the transfer")
            await made.steady(SOL, 80)
            assert made.tracker.transfers == 4_800
            assert (made.loss().usd, made.loss().ratio) == (240, D("0.024"))
            assert made.tracker.equity == 9_600 + 62 * 80
            assert (made.made.state, made.sold) == ("REDUCE_ONLY", False)


# ------------------------------------------------------------------------------------------ funding


@pytest.mark.parametrize(
    ("told", "delay_s", "resets"),
    [
        ("funding_pnl", 0, "daily"),
        ("funding_pnl", 60, "daily"),
        ("funding_pnl", 60, "on_payment"),
        ("fills", 0, "daily"),
        ("fills", 60, "daily"),
    ],
)
async def test_funding_is_pnl_however_coinbase_tells_it(tmp_path, told, delay_s, resets):
    """4.52 USD of funding, then 12 % of the account under a daily limit of 10 %: in the PnL, no transfer,
    and the limit sees it.
    """
    async with funded(tmp_path, told, delay_s, resets) as made:
        await sweep_and_buy(made)
        await made.quote(BIP, 64_005)  # the price paid
        await made.reading()
        await pay_funding_twice(made, (1, 3, 30, 30))
        assert made.causes == {"DAILY_LOSS"}


# --------------------------------------------------------------------- what a loss is a share of


async def test_a_withdrawal_after_a_loss_leaves_the_loss_as_it_is(tmp_path):
    """9.1 % lost, then 65 % of what is left withdrawn, under a limit of 25 %: 9.1 %."""
    async with desk(
        tmp_path,
        balances={"USD": 68_000, "BTC": "0.5"},
        prices={BTC: 64_000},
        max_cumulative_loss="0.25",
        max_daily_loss="0.25",
        max_drawdown="0.25",
    ) as made:
        await made.steady(BTC, 45_800)
        assert made.loss().ratio == D("0.091")
        made.watch()
        await made.transfer("withdrawal", "USD", 59_085)
        await made.reading()
        await made.quote(BTC, 45_800, after=2)
        await made.made.until(lambda: made.tracker.transfers == -59_085, "the transfer")
        await made.steady(BTC, 45_800)
        assert set(made.ratios) == {D("0.091")}
        assert {made.loss(losses.daily).ratio, made.loss(losses.drawdown).ratio} == {D("0.091")}
        assert (made.causes, made.sold) == (set(), False)


async def test_a_profit_that_is_withdrawn_leaves_an_account_like_any_other(tmp_path):
    """The account more than doubles, and all but 11,400 of it is withdrawn: nothing follows."""
    async with desk(
        tmp_path,
        balances={"BTC": 1},
        prices={BTC: 64_000},
        max_daily_loss="0.10",
        max_cumulative_loss="0.25",
    ) as made:
        await made.steady(BTC, 228_000)
        await made.transfer("withdrawal", "BTC", "0.95")
        await made.reading()
        await made.quote(BTC, 228_000, after=2)
        await made.made.until(lambda: made.tracker.transfers, "the transfer")
        assert (made.tracker.transfers, made.tracker.equity) == (-216_600, 11_400)
        assert (made.causes, made.made.state) == (set(), "ACTIVE")
        assert await made.ask(made.trader.market("SELL", "0.01"))


async def test_a_drawdown_is_a_share_of_the_highest(tmp_path):
    """10,000 becomes 30,000, then 29,000: 3.3 %, under a limit of 5 %."""
    async with desk(
        tmp_path, balances={"BTC": 1}, prices={BTC: 10_000}, max_drawdown="0.05"
    ) as made:
        await made.steady(BTC, 30_000, 5)
        await made.steady(BTC, 29_000, 5)
        assert made.loss(losses.drawdown).ratio == share(1, 30)
        assert made.causes == set()
