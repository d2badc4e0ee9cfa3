"""The account's truth, end to end: listings of accounts that lack wallets, tell one twice, or make no sense.

What is told wrong is said, moves nothing, sells nothing, and is over with the first good listing. At the
end one withdrawal in natural time: the machine's clock, and readings as often as they come by themselves.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from sidecar.core.account import losses
from sidecar.core.vocabulary import actions as ac
from tests.fault.paper_client import trading
from tests.running_sidecar import beside
from tests.still_market import D, attended, control, desk, still

BTC = "BTC-USD"
ABSURD = ["negative_balances", "huge_balances", "text_balances", "no_balances"]
PROTECTED: dict[str, Any] = {
    "max_daily_loss": "0.10",
    "max_drawdown": "0.10",
    "max_cumulative_loss": "0.15",
}
ACCOUNT: dict[str, object] = {"USD": 10_000, "BTC": 1, "USDC": 5_000}
EQUITY = 75_000  # BTC at 60,000
WITHIN = timedelta(seconds=5 + 5)  # `reconcile_s` and what a reading may take
PAUSE = timedelta(seconds=0.3)  # of the bot, between two orders


def bench(tmp_path):
    """10,000 USD, 5,000 USDC and 1 BTC under limits of 10 and 15 %."""
    return desk(tmp_path, balances=ACCOUNT, prices={BTC: 60_000}, **PROTECTED)


async def read(made, times: int = 1) -> None:
    """So many readings, 2 s apart."""
    for _ in range(times):
        await made.quote(BTC, 60_000, after=2)
        await made.reading()


def texts(made, code: str) -> list[str]:
    return [
        action.text
        for _, action in made.made.actions
        if isinstance(action, ac.Alert) and action.code == code
    ]


def assert_nothing_happened(made) -> None:
    """Equity, transfers, losses, causes and positions are as at the start."""
    assert (made.tracker.equity, made.tracker.transfers) == (EQUITY, 0)
    assert {each(made.tracker).usd for each in (losses.daily, losses.cumulative)} == {0}
    assert (made.causes, made.made.state, made.sold) == (set(), "ACTIVE", False)
    assert made.made.held("BTC") == 1
    assert "TRANSFER" not in made.alerts


# ---------------------------------------------------------------------------- rows that make no sense


@pytest.mark.parametrize("currency", ["BTC", "USD"])
async def test_a_wallet_told_with_a_balance_that_cannot_be_stays_as_it_was(tmp_path, currency):
    """Listings tell of one wallet −1, 10^30, text or nothing, twice each: an alert names it, equity is 75,000
    all the time, an exit and a buy pass, and the next good listing ends it.
    """
    async with bench(tmp_path) as made:
        made.watch()
        for number, fault in enumerate(ABSURD, start=1):
            await made.control("faults", wallets_currency=currency, **{fault: 2})
            await read(made, 2)
            assert_nothing_happened(made)
            told = texts(made, "WALLET_UNREADABLE")
            assert len(told) == number
            assert f"row of {currency} makes no sense" in told[-1]
            assert await made.ask(made.trader.market("SELL", "1"))
            assert await made.ask(made.trader.limit("BUY", "0.1", "60000"))
            await read(made)
        assert_nothing_happened(made)
        assert set(made.equities) == {EQUITY}
        assert (await made.status())["doubts"] == []


async def test_a_listing_of_nothing_but_absurd_balances_is_no_reading(tmp_path):
    """The same of all wallets at once, each way twice."""
    async with bench(tmp_path) as made:
        for fault in ABSURD:
            await made.control("faults", **{fault: 2})
            await read(made, 2)
        assert_nothing_happened(made)
        (text,) = texts(made, "WALLET_UNREADABLE")
        assert all(currency in text for currency in ACCOUNT)


async def test_a_withdrawal_behind_an_absurd_row_is_seen_with_the_first_good_one(tmp_path):
    """0.4 BTC leave while their row makes no sense; two good listings later it is a transfer of −24,000."""
    async with bench(tmp_path) as made:
        await made.control("faults", wallets_currency="BTC", text_balances=2)
        await made.transfer("withdrawal", "BTC", "0.4")
        await read(made, 2)
        assert made.tracker.transfers == 0
        await read(made, 2)
        assert (made.tracker.transfers, made.made.held("BTC")) == (-24_000, D("0.6"))
        assert (made.causes, made.loss().usd, made.sold) == (set(), 0, False)


async def test_a_start_that_meets_an_absurd_row_waits_for_no_more_than_the_next_listing(tmp_path):
    """The first listing of all tells 10^30 of BTC. The wallet is read with the next:
    it enters as a transfer, and is no gain.
    """
    async with still(tmp_path, balances=ACCOUNT, prices={BTC: 60_000}) as trader:
        await control(trader, "faults", wallets_currency="BTC", huge_balances=1)
        async with attended(trader, limits=PROTECTED) as made:
            await read(made, 3)
            assert (made.tracker.equity, made.made.held("BTC")) == (EQUITY, 1)
            assert (made.loss().usd, made.causes, made.made.state) == (0, set(), "ACTIVE")


# --------------------------------------------------------------------------- wallets that are missing


async def test_a_wallet_that_is_missing_once_changes_nothing(tmp_path):
    """One listing lacks BTC, USD or USDC: asked for by its id it is there, as it was."""
    async with bench(tmp_path) as made:
        for currency in ("BTC", "USD", "USDC"):
            await made.control("faults", missing_wallets=1, wallets_currency=currency)
            made.watch()
            await made.quote(BTC, 60_000)
            await made.reading()
            await read(made)
            assert set(made.equities) == {EQUITY}
            assert_nothing_happened(made)
        assert (await made.status())["doubts"] == []


async def test_a_wallet_that_listings_lack_and_that_is_there_by_its_id_is_no_withdrawal(tmp_path):
    """Four listings lack a wallet; asked for by its id it is there, as it was: no transfer, equity 75,000."""
    async with bench(tmp_path) as made:
        await made.control("faults", missing_wallets=4, wallets_currency="BTC")
        await read(made, 4)
        assert_nothing_happened(made)


@pytest.mark.parametrize(("currency", "worth"), [("BTC", 60_000), ("USD", 10_000)])
async def test_a_wallet_that_goes_and_comes_back_sells_nothing_and_loses_nothing(
    tmp_path, currency, worth
):
    """Listings lack a wallet for a quarter of a minute, and have it again: whatever was booked meanwhile is taken
    back, equity is 75,000 and no loss is told at any moment.
    """
    async with bench(tmp_path) as made:
        made.watch()
        await made.control("faults", missing_wallets=6, wallets_currency=currency)
        await read(made, 6)
        assert made.tracker.equity in {EQUITY, EQUITY - worth}
        await made.trader.http.delete("/paper/faults")
        await read(made, 4)
        assert (made.tracker.equity, made.tracker.transfers) == (EQUITY, 0)
        assert (set(made.ratios), made.causes, made.sold) == ({0}, set(), False)


async def test_a_wallet_that_comes_and_goes_with_every_listing_is_unexplained_and_sells_nothing(
    tmp_path,
):
    """Every other listing lacks BTC for 16 s: BALANCE_UNEXPLAINED at most, no transfer, no sale."""
    async with bench(tmp_path) as made:
        for _ in range(4):
            await made.control("faults", missing_wallets=1, wallets_currency="BTC")
            await read(made, 1)
            await made.trader.http.delete("/paper/faults")
            await read(made, 1)
            assert (made.tracker.transfers, made.sold) == (0, False)
        await read(made, 2)
        assert_nothing_happened(made)


async def test_a_wallet_that_is_missing_for_good_reads_as_zero(tmp_path):
    """All BTC is withdrawn, and its wallet is in no listing any more: a transfer of −60,000 after the second
    complete listing, 15,000 left, no loss, and an exit of 1 BTC is refused.
    """
    async with bench(tmp_path) as made:
        await made.transfer("withdrawal", "BTC", 1)
        await made.control("faults", missing_wallets=100, wallets_currency="BTC")
        await made.quote(BTC, 60_000)
        await made.reading()
        assert (made.tracker.equity, made.tracker.transfers) == (15_000, 0)
        await read(made)
        assert (made.tracker.equity, made.tracker.transfers) == (15_000, -60_000)
        assert (made.loss().usd, made.causes, made.sold) == (0, set(), False)
        refused = await made.ask(made.trader.market("SELL", "1"))
        assert "INSUFFICIENT_FUNDS" in refused.codes


async def test_a_wallet_that_is_no_longer_listed_and_unknown_by_its_id_reads_as_zero(tmp_path):
    """It is gone with what was in it: a transfer of −60,000 after the second complete listing, which are 2 s apart."""
    async with bench(tmp_path) as made:
        await made.control("faults", no_wallet_of="BTC")
        await made.quote(BTC, 60_000)
        await made.reading()
        assert (made.tracker.equity, made.tracker.transfers) == (15_000, 0)
        await made.quote(BTC, 60_000, after=1)
        await made.reading()
        assert made.tracker.transfers == 0, "the second was too soon"
        await read(made)
        assert (made.tracker.equity, made.tracker.transfers) == (15_000, -60_000)
        assert (made.loss().usd, made.causes, made.sold) == (0, set(), False)
        assert made.made.held("BTC") == 0


async def test_an_empty_listing_is_no_reading(tmp_path):
    """Ten listings are empty: nothing happens."""
    async with bench(tmp_path) as made:
        await made.control("faults", missing_wallets=10)
        await read(made, 10)
        assert_nothing_happened(made)


# ---------------------------------------------------------------------------- two wallets of one currency


async def test_two_wallets_of_one_currency_are_summed(tmp_path):
    """A wallet is told as two halves in every other listing: equity is 75,000, and all of it may be sold."""
    async with bench(tmp_path) as made:
        made.watch()
        for currency in ("BTC", "USD", ""):  # the last: all of them
            await made.control("faults", split_wallets=1, wallets_currency=currency)
            await read(made, 2)
        assert_nothing_happened(made)
        assert set(made.equities) == {EQUITY}
        assert await made.ask(made.trader.market("SELL", "1"))


async def test_two_wallets_of_one_currency_are_summed_at_the_start_and_sold_whole(tmp_path):
    """They are told so from the first listing on; a loss of 18 % under a limit of 15 % sells all of it."""
    async with still(tmp_path, balances=ACCOUNT, prices={BTC: 60_000}) as trader:
        await control(trader, "faults", split_wallets=1_000, wallets_currency="BTC")
        async with attended(trader, limits=PROTECTED) as made:
            assert (made.tracker.equity, made.made.held("BTC")) == (EQUITY, 1)
            await made.steady(BTC, 46_500)
            await made.made.until_state("HALTED")
            assert made.world.exchange.accounts.wallet("BTC").total == 0


async def test_a_second_wallet_that_may_not_be_traded_is_named_and_stops_nothing(tmp_path):
    """Half of the bitcoin lies in a wallet that is not active: equity is 45,000, and that half is sold."""
    async with still(tmp_path, balances=ACCOUNT, prices={BTC: 60_000}) as trader:
        faults = {"split_wallets": 1_000, "split_as_inactive": True, "wallets_currency": "BTC"}
        await control(trader, "faults", **faults)
        async with attended(trader) as made:
            await read(made, 4)
            assert (made.tracker.equity, made.made.held("BTC")) == (45_000, D("0.5"))
            (text,) = texts(made, "WALLET_NOT_COUNTED")
            assert "0.5 in 'BTC Wallet'; not counted: 0.5 in 'BTC Wallet 2' (not active)" in text
            assert any("BTC Wallet 2" in one for one in (await made.status())["doubts"])
            assert await made.ask(made.trader.limit("BUY", "0.1", "60000"))
            assert (made.causes, made.made.state) == (set(), "ACTIVE")


# -------------------------------------------------------------------------------------- natural time


async def test_in_natural_time_a_withdrawal_is_seen_while_a_bot_places_and_cancels(tmp_path):
    """By the machine's clock, with readings every 5 s and a bot that places and cancels: 80,000 of 100,000
    USD leave. Equity is 20,000 within `reconcile_s` + 5 s, a transfer of −80,000 follows, no loss.
    """
    tmp_path.chmod(0o700)
    async with (
        trading(tmp_path, balances={"USD": 100_000}) as trader,
        beside(trader, coinbase={"reconcile_s": 5}, limits={"max_daily_loss": "0.10"}) as made,
    ):
        tracker, working = made.manager.tracker, made.manager.tracker.ledger.working
        told: dict[D, datetime] = {}  # each figure of equity, and when it was first told
        made.on_fact = lambda _: told.setdefault(tracker.equity, made.engine.now())
        await control(trader, "transfer", kind="withdrawal", currency="USD", amount="80000")
        began = made.engine.now()
        orders = 0
        while not tracker.transfers:
            order_id = await trader.place(trader.limit("BUY", "0.01", "30000"))
            await made.until(lambda it=order_id: it in working, "the order")
            await trader.call("POST", "/orders/batch_cancel", json={"order_ids": [order_id]})
            await made.until(lambda it=order_id: it not in working, "the cancel")
            at = made.engine.now()
            await made.until(lambda it=at: made.engine.now() - it > PAUSE, "some facts more")
            orders += 1
        assert orders > 1
        assert (tracker.transfers, tracker.equity) == (-80_000, 20_000)
        assert set(told) == {100_000, 20_000}
        assert told[D(20_000)] - began < WITHIN
        assert losses.daily(tracker).usd == 0
        assert made.state == "ACTIVE"
