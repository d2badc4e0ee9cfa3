"""Value at risk through the whole process: read from the exchange, judged on the socket, kept on disk."""

import tempfile
from decimal import Decimal
from pathlib import Path

import pytest

from sidecar.core.vocabulary import actions as ac
from sidecar.storage.snapshot import read_state
from tests.fault.paper_client import trading
from tests.running_sidecar import beside


@pytest.fixture
async def trader(tmp_path):
    async with trading(tmp_path, balances={"USD": "100000", "BTC": "0.5"}) as made:
        yield made


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="sidecar-test-") as short:  # sockets need short paths
        yield Path(short)


async def known(made):
    """Until the followed histories have been read."""
    await made.until_state("ACTIVE")
    risk = made.manager.risk
    await made.until(lambda: risk.view().model is not None, "the history")


async def test_an_order_beyond_the_limit_is_refused_and_what_is_said_to_pass_passes(trader):
    async with beside(trader, limits={"max_var": "0.03", "max_order_notional": "1000000"}) as made:
        await known(made)
        body = trader.market("BUY", "1")
        decision = await made.bot.validate_order(body)
        assert decision.codes == ("MAX_VAR",)
        (broken,) = decision.violations
        assert Decimal(broken.observed) >= Decimal("0.03")
        size = Decimal(decision.max_base_size)
        assert Decimal("0.01") < size < 1
        assert await made.bot.validate_order(trader.market("BUY", str(size)))
        larger = await made.bot.validate_order(trader.market("BUY", str(size)), dry_run=True)
        assert larger.codes == ("MAX_VAR",)  # what is reserved counts


async def test_what_only_reduces_passes_beyond_the_limit_and_the_breach_is_told(trader):
    async with beside(trader, limits={"max_var": "0.0001"}) as made:
        told: list[str] = []
        made.on_action = lambda _, action: (
            told.append(action.code) if isinstance(action, ac.Alert) else None
        )
        await known(made)
        await made.until(lambda: "RISK_LIMIT_BREACHED" in told, "the alert")
        assert (await made.bot.validate_order(trader.market("BUY", "0.01"))).codes == ("MAX_VAR",)
        assert await made.bot.validate_order(trader.market("SELL", "0.1"))


async def test_a_restart_has_its_history_on_disk_and_asks_for_nothing_old(trader, directory):
    async with beside(trader, directory=directory, limits={"max_var": "0.5"}) as made:
        await known(made)
        var = (await made.ask("status"))["risk"]["var"]
    saved = read_state(directory / "state" / "state.json")
    assert saved is not None
    assert saved.manager is not None
    assert saved.manager.risk is not None
    assert len(saved.manager.risk.series["BTC-USD"].closes) == made.config.var.history + 1
    asked: list[str] = []
    async with beside(trader, directory=directory, limits={"max_var": "0.5"}) as made:
        made.on_fact = lambda fact: asked.append(type(fact).__name__)
        await made.until_state("ACTIVE")
        again = (await made.ask("status"))["risk"]
        assert again["unavailable"] is None
        assert abs(Decimal(again["var"]) - Decimal(var)) < Decimal(var) / 10  # the price moved on
        assert "ClosesRead" not in asked


async def test_without_a_history_nothing_that_adds_risk_passes_and_status_says_why(trader):
    async with beside(
        trader, limits={"max_var": "0.5"}, var={"history": 250, "min_history": 240}
    ) as made:
        await known(made)
        body = trader.market("BUY", "0.01") | {"product_id": "SOL-USD"}
        first = await made.bot.validate_order(body)
        assert "VAR_UNAVAILABLE" in first.codes
        await made.until(lambda: "SOL-USD" in made.manager.risk.past.history.series, "its history")
        await made.until(lambda: "SOL-USD" in made.manager.tracker.marks.mids, "its price")
        assert await made.bot.validate_order(body)
