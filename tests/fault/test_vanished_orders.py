"""Orders that the user channel tells of and that no call over REST knows: they end, and are told."""

from datetime import timedelta
from decimal import Decimal

import pytest
from aiohttp import web

from sidecar.coinbase import budget
from sidecar.core.vocabulary import actions as ac
from tests.fault.meddling import meddling
from tests.fault.paper_client import trading
from tests.fault.test_liquidation import until_flat
from tests.running_sidecar import beside

FOR_EVER = "3600"


@pytest.fixture
async def trader(tmp_path, monkeypatch):
    monkeypatch.setattr("sidecar.coinbase.patience.FOR_S", 0.5)
    monkeypatch.setattr("sidecar.daemon.reconciler.wait_s", lambda *_: 0.25)  # from try to try
    for limit in ("URGENT_AT_ONCE", "URGENT_PER_SECOND"):  # this exchange limits nobody
        monkeypatch.setattr(budget, limit, 1000)
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "1"}) as made:
        yield made


async def phantom(trader, made) -> str:
    """A frame has told of it, and the next reading looks for it."""
    trader.paper.world.set_faults(hide_new_orders_s=FOR_EVER)
    order_id: str = await trader.place(trader.limit("BUY", "0.1", "30000"))
    working = made.manager.tracker.ledger.working
    await made.until(lambda: order_id in working, "the frame")
    made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
    return order_id


async def test_it_ends_what_it_held_is_free_and_what_adds_risk_passes_again(trader):
    async with beside(trader) as made:
        order_id = await phantom(trader, made)
        tracker = made.manager.tracker
        await made.until(lambda: order_id not in tracker.ledger.working, "its end")
        (text,) = [a.text for _, a in made.actions if getattr(a, "code", "") == "ORDER_VANISHED"]
        assert order_id in text
        assert tracker.wallets.get("USD").held == 0
        await made.until(lambda: not tracker.books.doubts, "a reading that succeeds")
        assert await made.bot.validate_order(trader.market("BUY", "0.01"), dry_run=True)
        trader.paper.world.clear_faults()  # it was there all along: a listing opens it again
        made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
        await made.until(lambda: order_id in tracker.ledger.working, "the listing")
        assert tracker.wallets.get("USD").held > Decimal(3_000)


async def test_a_flattening_does_not_wait_for_it_for_ever(trader):
    async with beside(trader) as made:
        await phantom(trader, made)
        trader.paper.world.set_faults(stuck_cancels="UNKNOWN_CANCEL_ORDER")
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
        assert "ORDER_VANISHED" in made.codes()
        assert trader.paper.world.exchange.accounts.wallet("BTC").total == 0


@pytest.mark.parametrize("status", [404, 400, 502])
async def test_no_answer_to_a_look_up_by_its_id_stops_a_flattening(trader, monkeypatch, status):
    """A page of a proxy's: what is held is sold. Where a 404 says that there is no such order, it is flat too."""
    monkeypatch.setattr("sidecar.core.liquidation.rounds.STUCK_AFTER", timedelta(seconds=1))
    async with (
        meddling(trader) as meddler,
        beside(trader, coinbase={"rest_url": meddler.url}) as made,
    ):

        async def page(_request):
            return web.Response(status=status, text="<html>", content_type="text/html")

        trader.paper.world.set_faults(hide_new_orders_s=FOR_EVER)
        order_id = await trader.place(trader.limit("BUY", "0.1", "30000"))
        meddler.answers[f"/orders/historical/{order_id}"] = page
        await made.until(lambda: order_id in made.manager.tracker.ledger.working, "the frame")
        trader.paper.world.set_faults(stuck_cancels="UNKNOWN_CANCEL_ORDER")
        assert (await made.ask("flatten", reason="enough"))["done"]
        btc = trader.paper.world.exchange.accounts.wallet("BTC")
        await made.until(lambda: btc.total == 0, "the sale")
        if status == 404:
            await until_flat(made)
        else:
            assert made.state == "LIQUIDATING"
            assert order_id in made.manager.tracker.ledger.working
