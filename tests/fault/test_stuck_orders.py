"""Orders that Coinbase does not cancel: what they do not hold is sold, and nothing is called flat beside them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from sidecar.coinbase import budget
from sidecar.core.vocabulary import actions as ac
from tests.fault.paper_client import trading
from tests.fault.test_liquidation import until_flat
from tests.running_sidecar import beside

STUCK = ["CANCEL_QUEUED", "UNKNOWN_CANCEL_ORDER"]


@pytest.fixture
async def trader(tmp_path, monkeypatch):
    monkeypatch.setattr("sidecar.core.liquidation.rounds.STUCK_AFTER", timedelta(seconds=2))
    for limit in ("URGENT_AT_ONCE", "URGENT_PER_SECOND"):  # this exchange limits nobody
        monkeypatch.setattr(budget, limit, 1000)
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "0.5"}) as made:
        yield made


@pytest.mark.parametrize("how", STUCK)
async def test_what_an_order_that_stands_does_not_hold_is_sold(trader, how):
    buy = await trader.place(trader.limit("BUY", "0.01", "30000"))
    sell = await trader.place(trader.limit("SELL", "0.1", "90000"))
    accounts = trader.paper.world.exchange.accounts
    async with beside(trader) as made:
        await made.until(lambda: len(made.manager.tracker.ledger.working) == 2, "the orders")
        trader.paper.world.set_faults(stuck_cancels=how)
        assert (await made.ask("flatten", reason="enough"))["done"]
        await made.until(lambda: made.held("BTC") == accounts.wallet("BTC").held, "the sale")
        assert (made.state, accounts.wallet("BTC").total) == (
            "LIQUIDATING",
            accounts.wallet("BTC").held,
        )
        (view,) = (await made.ask("status"))["liquidations"]
        assert (set(view["still_open"]), view["cancelled"]) == ({buy, sell}, 0)
        trader.paper.world.clear_faults()
        await until_flat(made)
        assert accounts.wallet("BTC").total == 0
        (report,) = [a.report for _, a in made.actions if isinstance(a, ac.LiquidationReported)]
        assert (report.cancelled, report.still_open) == (2, ())


@pytest.mark.parametrize("how", STUCK)
async def test_what_it_buys_begins_the_next_round_of_the_same_flattening(trader, how):
    await trader.place(trader.limit("BUY", "0.01", "30000"))
    accounts = trader.paper.world.exchange.accounts
    async with beside(trader) as made:
        await made.until(lambda: made.manager.tracker.ledger.working, "the order")
        trader.paper.world.set_faults(stuck_cancels=how)
        assert (await made.ask("flatten", reason="enough"))["done"]
        await made.until(lambda: made.held("BTC") == 0, "the sale")
        crash = {"product_id": "BTC-USD", "price": "29000", "freeze": True}
        assert (await trader.http.post("/paper/market", json=crash)).is_success
        await until_flat(made)
        assert accounts.wallet("BTC").total == 0
        (report,) = [a.report for _, a in made.actions if isinstance(a, ac.LiquidationReported)]
        assert (report.cancelled, report.still_open) == (0, ())
        assert sum(row.sold for row in report.rows) == Decimal("0.51")
