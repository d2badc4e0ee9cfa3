"""Futures whose wallet holds just its margin, as Coinbase keeps it, and a summary that lags its frames.

Whatever is paid out of such a wallet (a loss realised, a fee, funding) is drawn from USD in the same
moment: its own figure stands still, and the pot as a whole shows the payment. And where REST is behind the
frame, its old figure ends nothing that the frame began.
"""

import pytest

from tests.fault.funding import funded, pay_funding_twice
from tests.still_market import BIP, D, desk, sweep_and_buy


@pytest.mark.parametrize("fill_first", [False, True])
async def test_a_close_at_a_loss_that_usd_pays_for(tmp_path, fill_first):
    """24.5 % lost in a future. equity 75,500, transfers 0, funding 0, ratio 0.245 for good."""
    async with desk(
        tmp_path, balances={"USD": 100_000}, prices={BIP: 64_000}, max_cumulative_loss="0.25"
    ) as made:
        await made.buys(100, BIP)
        await made.steady(BIP, 39_510)
        await made.control("faults", wallet_after_fill=fill_first)
        await made.sells(100, BIP)
        for seconds in (1, 3, 30, 3, 30, 60, 30, 3):
            await made.quote(BIP, 39_510, after=seconds)
            await made.reading()
            assert made.tracker.transfers == 0
            assert made.tracker.equity == 75_500
            assert made.loss().ratio == D("0.245")
            assert made.tracker.account.pnl.funding == 0


@pytest.mark.parametrize(
    ("told", "delay_s", "resets"),
    [
        ("funding_pnl", 0, "daily"),
        ("funding_pnl", 60, "daily"),
        ("funding_pnl", 60, "on_payment"),
        ("fills", 0, "daily"),
    ],
)
async def test_funding_that_usd_pays_for(tmp_path, told, delay_s, resets):
    """In the PnL once, transfers 0, equity 87,995.48, daily loss 0.1200452."""
    async with funded(tmp_path, told, delay_s, resets) as made:
        await made.buys(100, BIP)
        await made.quote(BIP, 64_005)
        await made.reading()
        await pay_funding_twice(made, (1, 3, 30, 30, 3))


async def test_margin_that_moves_while_the_summary_lags_over_rest(tmp_path):
    """The same equity all the time (but for the smaller total while one side is outstanding),
    transfers 0.
    """
    async with desk(
        tmp_path, balances={"USD": 100_000}, prices={BIP: 64_000}, max_leverage=2
    ) as made:
        await made.control("faults", futures_balance_lag_s=60)
        await made.buys(250, BIP)
        for seconds in (0, 3, 15, 30, 20, 3, 60, 60, 3):
            await made.quote(BIP, 64_000, after=seconds)
            await made.reading()
            assert made.tracker.transfers == 0
            assert made.tracker.account.pnl.funding == 0
        assert made.tracker.equity == D("99987.5")


async def test_a_sweep_while_the_summary_lags_over_rest(tmp_path):
    """Equity never above 90,000, transfers 0."""
    async with desk(
        tmp_path, balances={"USD": 100_000}, prices={BIP: 64_000}, max_cumulative_loss="0.13"
    ) as made:
        await sweep_and_buy(made)
        await made.steady(BIP, 54_005)
        await made.control("faults", futures_balance_lag_s=60)
        made.watch()
        await made.control("sweep", to="spot", amount="33161")
        for seconds in (1, 2, 10, 30, 30, 3, 60, 60):
            await made.quote(BIP, 54_005, after=seconds)
            await made.reading()
            assert made.tracker.transfers == 0
            assert max(made.equities) == 90_000
        assert made.tracker.equity == 90_000
