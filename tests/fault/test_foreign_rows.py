"""Rows that are no coin's and no future's, of coins that are gone, of no size, and with odd times: they cost nothing."""

import pytest

from sidecar.core.vocabulary import actions as ac
from sidecar.daemon import checks
from tests.fault.paper_client import trading
from tests.fault.test_liquidation import until_flat
from tests.running_sidecar import beside, configured


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "1"}) as made:
        made.paper.world.set_faults(foreign_rows=True)
        yield made


def told(made, code: str) -> list[str]:
    return [a.text for _, a in made.actions if isinstance(a, ac.Alert) and a.code == code]


async def test_a_stock_in_the_account_stops_nothing_and_is_named_once(trader):
    await trader.place(trader.limit("BUY", "0.1", "30000"))
    async with beside(trader, coinbase={"reconcile_s": 5}) as made:
        await made.until_state("ACTIVE")
        reconciler = made.engine.carry[ac.Reconcile].__self__
        for _ in range(2):  # the second has fills
            before = reconciler.passes
            reconciler.ask(ac.Reconcile(reason="test"))
            await made.until(lambda before=before: reconciler.passes > before, "a whole reading")
        assert await made.bot.validate_order(trader.market("BUY", "0.01"))
        names = [text.split(":")[0] for text in told(made, "ELSEWHERE")]
        assert sorted(names) == ["AAPL-USD", "GONE-USD", "stocks"]
        status = await made.ask("status")
        assert status["elsewhere"]["venues"]["stocks"] == "1500 USD"
        assert "perpetuals and options at drb.coinbase.com" in status["elsewhere"]["venues"]
        assert set(status["elsewhere"]["products"]) == {"AAPL-USD", "GONE-USD"}
        working = made.manager.tracker.ledger.working
        assert [order.product_id for order in working.values()] == ["BTC-USD"]
        assert all(order.created_at is not None for order in working.values())


async def test_a_flattening_is_flat_beside_it(trader):
    async with beside(trader) as made:
        await made.until_state("ACTIVE")
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
        assert trader.paper.world.exchange.accounts.wallet("BTC").total == 0


async def test_check_says_what_is_not_counted(trader, tmp_path):
    report = await checks.look(configured(trader, tmp_path))
    found = {finding.code: finding for finding in report.findings}
    assert "drb.coinbase.com" in found["OTHER_VENUES"].text
    assert (found["ELSEWHERE"].severity, "1500 USD" in found["ELSEWHERE"].text) == ("warning", True)
    assert report.open_orders == 0
