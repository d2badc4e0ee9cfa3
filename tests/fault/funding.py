"""Funding of a future that is held, in each way that Coinbase tells it, and its place in the books."""

from contextlib import asynccontextmanager
from pathlib import Path

from sidecar.core.account import losses
from tests.still_market import BIP, D, attended, still


@asynccontextmanager
async def funded(directory: Path, told: str, delay_s: int, resets: str):
    """100,000 USD under a daily limit of 10 %; where funding is told, how late, and when its running
    figure begins anew.
    """
    async with (
        still(
            directory,
            balances={"USD": 100_000},
            prices={BIP: 64_000},
            funding_told=told,
            funding_delay_s=delay_s,
            funding_resets=resets,
        ) as trader,
        attended(trader, limits={"max_daily_loss": "0.10"}) as made,
    ):
        yield made


async def pay_funding_twice(made, pauses: tuple[int, ...]) -> None:
    """4.52 USD, then 12 % of the account, each with readings after these pauses: PnL once, no transfer,
    no doubt, and a daily loss.
    """
    for amount, so_far in (("-4.52", "-4.52"), ("-12000", "-12004.52")):
        await made.control("funding", product_id=BIP, amount=amount)
        for seconds in pauses:
            await made.quote(BIP, 64_005, after=seconds)
            await made.reading()
        status = await made.status()
        assert D(status["pnl"]["funding"]) == D(so_far)
        assert (D(status["transfers"]), status["doubts"]) == (0, [])
        assert D(status["equity"]) == 100_000 + D(so_far)
    assert made.loss(losses.daily).ratio == D("0.1200452")
