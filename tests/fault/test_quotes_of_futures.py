"""best_bid_ask that answers for spot books only where futures are named too: each future is asked for alone."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from sidecar.coinbase.lookups import Lookups
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.daemon import checks
from tests.fault.paper_client import trading
from tests.running_sidecar import configured
from tests.still_market import BIP, desk, sweep_and_buy

BTC = "BTC-USD"
LIMITS: dict[str, Any] = {"max_cumulative_loss": "0.15"}


def bench(tmp_path):
    return desk(tmp_path, balances={"USD": 100_000, "BTC": 1}, prices={BTC: 60_000}, **LIMITS)


def answers(made) -> list[ev.QuotesConfirmed]:
    """To the questions of after the start."""
    return [one for one in made.heard if isinstance(one, ev.QuotesConfirmed)]


def asked(made) -> list[ac.ConfirmQuotes]:
    return [action for _, action in made.made.actions if isinstance(action, ac.ConfirmQuotes)]


async def crash(made) -> None:
    """Each alone is no loss of 15 %. REST's word comes before the next quotes do."""
    for _ in range(4):
        await made.quote(BTC, 40_000)
        await made.quote(BIP, 40_000)
        await made.made.until(lambda: answers(made), "REST's word")


async def test_a_loss_of_futures_beside_coins_is_confirmed_by_both_books(tmp_path):
    """It would wait for a word that never comes; no quote of a future was ever read over REST."""
    async with bench(tmp_path) as made:
        await sweep_and_buy(made)
        await made.control("faults", quotes_of_spot_only=True)
        await crash(made)
        await made.made.until_state("HALTED")
        books = {quote.product_id for quote in answers(made)[-1].quotes}
        assert books == {BTC, BIP}
        assert made.sold


async def test_a_future_that_is_not_answered_in_time_cannot_be_had(tmp_path, monkeypatch):
    real = Lookups.quotes

    async def quotes(self, product_ids, **options):
        if product_ids == (BIP,):
            await asyncio.sleep(3600)
        return await real(self, product_ids, **options)

    async with bench(tmp_path) as made:
        await sweep_and_buy(made)
        monkeypatch.setattr(Lookups, "quotes", quotes)
        monkeypatch.setattr("sidecar.daemon.rest_tasks.CONFIRM_WITHIN_S", 0.2)
        before = len(asked(made))
        await crash(made)
        await made.made.until_state("HALTED")
        answer = answers(made)[-1]
        assert ([quote.product_id for quote in answer.quotes], answer.unanswered) == ([BTC], (BIP,))
        assert len(asked(made)) == before + 1, "it was asked for once"


@pytest.mark.parametrize("spot_only", [False, True])
async def test_check_knows_the_price_of_contracts(tmp_path, spot_only):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "1"}) as trader:
        await trader.place(trader.market("BUY", "2", BIP))
        trader.paper.world.set_faults(quotes_of_spot_only=spot_only)
        report = await checks.look(configured(trader, tmp_path))
    values = {row.asset: row.value for row in report.holdings}
    assert values.keys() == {"BTC", BIP}
    assert all(isinstance(value, Decimal) for value in values.values())
