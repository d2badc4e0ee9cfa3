"""A portfolio without a wallet of dollars: what is sold goes another way."""

from decimal import Decimal

import pytest

from sidecar.coinbase import budget
from sidecar.daemon import checks
from tests.fault.paper_client import trading
from tests.fault.test_liquidation import until_flat, value_of
from tests.running_sidecar import beside, configured


@pytest.fixture
async def trader(tmp_path, monkeypatch):
    for limit in ("URGENT_AT_ONCE", "URGENT_PER_SECOND"):  # this exchange limits nobody
        monkeypatch.setattr(budget, limit, 1000)
    balances = {"USDC": "1000", "BTC": "1", "ETH": "5"}
    async with trading(tmp_path, balances=balances) as made:
        made.paper.world.set_faults(no_wallet_of="USD")
        yield made


async def test_what_cannot_be_sold_for_dollars_is_sold_for_usdc(trader):
    async with beside(trader) as made:
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
        wallet = trader.paper.world.exchange.accounts.wallet
        assert (wallet("BTC").total, wallet("ETH").total, wallet("USD").total) == (0, 0, 0)
        fills = (await trader.get("/orders/historical/fills", limit=1000))["fills"]
        assert {fill["product_id"] for fill in fills} == {"BTC-USDC", "ETH-USDC"}
        fees = sum(Decimal(fill["commission"]) for fill in fills)
        assert wallet("USDC").total == 1000 + value_of(fills) - fees


async def test_check_knows_which_way_it_would_go(trader, tmp_path):
    report = await checks.look(configured(trader, tmp_path))
    routes = {row.asset: (row.product_id, row.obstacle) for row in report.holdings}
    assert routes == {"BTC": ("BTC-USDC", ""), "ETH": ("ETH-USDC", "")}


async def test_check_says_what_no_way_is_open_for(trader, tmp_path):
    trader.paper.world.set_faults(no_wallet_of="USDC")
    for product_id in ("BTC-USD", "ETH-USD", "ETH-BTC"):
        flags = {"product_id": product_id, "flags": {"cancel_only": True}}
        assert (await trader.http.post("/paper/market", json=flags)).is_success
    report = await checks.look(configured(trader, tmp_path))
    obstacles = {row.asset: row.obstacle for row in report.holdings}
    assert "account is not available" in obstacles["BTC"]
