"""A proxy's page in place of what Coinbase says of futures: they are unknown, not none."""

import pytest
from aiohttp import web

from sidecar.core.vocabulary import actions as ac
from sidecar.daemon import checks
from tests.fault.meddling import meddling
from tests.fault.paper_client import trading
from tests.fault.test_liquidation import until_flat
from tests.running_sidecar import beside, configured

FOR_EVER = 1_000_000
BIP = "BIP-20DEC30-CDE"


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "1"}) as made:
        yield made


async def test_one_page_of_a_proxy_s_hides_no_contracts(trader):
    """Asked again soon, without waiting for the next ordinary reading."""
    await trader.place(trader.market("BUY", "100", BIP))
    trader.paper.world.set_faults(forbidden_futures=1)
    async with beside(trader, coinbase={"reconcile_s": 3600}) as made:
        await made.until(lambda: made.held(BIP) == 1, "the contracts, 100 of 0.01 BTC")
        assert made.codes().count("FUTURES_UNKNOWN") == 1
        assert not made.manager.desk.unread.fault
        await made.until_state("ACTIVE")


async def test_while_futures_are_unknown_spot_trades_and_nothing_is_flat(trader):
    trader.paper.world.set_faults(forbidden_futures=FOR_EVER)
    async with beside(trader, coinbase={"follow": ["BTC-USD", BIP]}) as made:
        await made.until_state("ACTIVE")
        assert await made.bot.validate_order(trader.market("BUY", "0.01"))
        refused = await made.bot.validate_order(trader.market("BUY", "1", BIP))
        assert refused.codes == ("STALE_ACCOUNT_DATA",)
        assert any("futures" in text for text in (await made.ask("status"))["doubts"])
        assert made.codes().count("FUTURES_UNKNOWN") == 1
        assert (await made.ask("flatten", reason="enough"))["done"]
        (episode,) = made.manager.liquidator.memory.episodes.values()
        await made.until(lambda: episode.idle_rounds, "a round that finds what the last one found")
        assert made.state == "LIQUIDATING"
        assert trader.paper.world.exchange.accounts.wallet("BTC").total == 0
        trader.paper.world.clear_faults()
        await until_flat(made)


async def test_contracts_that_a_frame_tells_of_hold_up_the_picture_and_are_sold_all_the_same(
    trader,
):
    """The money behind them is on the user channel; so is their first fill."""
    trader.paper.world.set_faults(forbidden_futures=FOR_EVER)
    async with beside(trader) as made:
        await made.until_state("ACTIVE")
        await trader.place(trader.market("BUY", "100", BIP))
        await made.until(lambda: made.held(BIP) == 1, "the fill")
        reconciler = made.engine.carry[ac.Reconcile].__self__
        reconciler.ask(ac.Reconcile(reason="test"))
        await made.until(lambda: reconciler.fault, "a reading that fails")
        assert "403" in reconciler.fault
        assert await made.bot.validate_order(trader.market("SELL", "100", BIP), dry_run=True)
        assert (await made.ask("flatten", reason="enough"))["done"]
        await made.until(lambda: made.held(BIP) == 0, "the sale of the contracts")
        assert made.state == "LIQUIDATING"
        trader.paper.world.clear_faults()
        await until_flat(made)
        assert not (await trader.get("/cfm/positions"))["positions"]


LOST = "LOST-20DEC30-CDE"


@pytest.mark.parametrize("answer", ["404", "nonsense"])
async def test_a_contract_whose_product_cannot_be_had_stops_futures_and_nothing_else(
    trader, answer
):
    async with meddling(trader) as meddler:

        async def positions(_request):
            row = {"product_id": LOST, "number_of_contracts": "3", "side": "LONG"}
            return web.json_response({"positions": [row]})

        async def product(_request):
            if answer == "404":
                return web.json_response({"error": "NOT_FOUND"}, status=404)
            row = {"product_id": LOST, "product_type": "FUTURE", "base_increment": "many"}
            return web.json_response(row)

        meddler.answers |= {"/cfm/positions": positions, f"/products/{LOST}": product}
        options = {"rest_url": meddler.url, "follow": ["BTC-USD", BIP], "reconcile_s": 3600}
        async with beside(trader, coinbase=options) as made:
            await made.until_state("ACTIVE")
            assert await made.bot.validate_order(trader.market("BUY", "0.01"))
            refused = await made.bot.validate_order(trader.market("BUY", "1", BIP))
            assert refused.codes == ("STALE_ACCOUNT_DATA",)
            status = await made.ask("status")
            assert any(LOST in text for text in status["doubts"])
            assert LOST not in status["elsewhere"]["products"]
            assert made.codes().count("CONTRACT_UNKNOWN") == 1
            product_asked = meddler.asked.count(f"/products/{LOST}")
            await made.until(lambda: meddler.asked.count(f"/products/{LOST}") > product_asked, "the next look")  # fmt: skip
            assert meddler.asked.count("/cfm/positions") < 10
            assert (await made.ask("flatten", reason="enough"))["done"]
            (episode,) = made.manager.liquidator.memory.episodes.values()
            await made.until(lambda: episode.idle_rounds, "a round that finds what the last found")
            assert made.state == "LIQUIDATING"
            assert trader.paper.world.exchange.accounts.wallet("BTC").total == 0


async def test_by_the_configuration_there_are_none(trader):
    trader.paper.world.set_faults(forbidden_futures=FOR_EVER)
    async with beside(trader, positions={"futures": "none"}) as made:
        await made.until_state("ACTIVE")
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
        assert "FUTURES_UNKNOWN" not in made.codes()


async def test_check_does_not_call_it_ready(trader, tmp_path):
    """What a liquidation would sell is not known."""
    trader.paper.world.set_faults(forbidden_futures=1)
    config = configured(trader, tmp_path)
    found = {finding.code: finding for finding in (await checks.look(config)).findings}
    assert found["FUTURES_UNKNOWN"].severity == "critical"
    found = {finding.code: finding for finding in (await checks.look(config)).findings}
    assert "FUTURES_UNKNOWN" not in found
