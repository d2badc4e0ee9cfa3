"""A flattening beside the paper exchange, over real sockets, under each of its faults, with a bot that
keeps buying: flat at the end by the exchange's own word, and proceeds to the last digit.
"""

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import httpx
import pytest

from sidecar.coinbase import budget
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary.orders import OWN_PREFIX
from tests.disk import RESERVE_BYTES, as_killed, files_no_larger_than, outgrow_the_reserve
from tests.fault.paper_client import Trader, trading
from tests.running_sidecar import Beside, beside

BALANCES = {"USD": "100000", "BTC": "1", "ETH": "5"}
LIMITS = {"max_cumulative_loss": "500 USD"}
COINS = ("BTC", "ETH")
BITCOIN = ("BTC-USD", "BTC-USDC")  # what sells it for cash there
# A bot that has no money left, or meets the exchange's faults itself, goes on.
FAILURES = (AssertionError, httpx.HTTPError, ValueError, KeyError)
FAULTS: dict[str, dict[str, Any]] = {
    "nothing goes wrong": {},
    "cancels take long": {"late_cancelled_s": "0.7"},
    "cancels lose to fills": {"fill_after_cancel": 3},
    "new orders cannot be read": {"hide_new_orders_s": "1"},
    "orders are taken without an answer": {"accept_without_answer": 2},
    "orders are answered and not taken": {"answer_without_accept": 1},
    "balances lag": {"balance_lag_s": "1"},
    "fees are told late": {"late_fees_s": "0.5"},
    "too many requests": {"too_many_requests": 6},
    "the server fails": {"server_errors": 6},
    "the user channel drops frames": {"drop_frames": 40, "frames_channel": "user"},
    "frames come twice": {"duplicate_frames": 100},
    "frames change places": {"reorder_frames": 20},
    "websockets fall silent": {"stall_heartbeats": True, "drop_frames": 100_000},
    "sequence numbers jump": {"sequence_gaps": 20},
    "frames are slow": {"delay_frames_s": "0.3"},
    "answers are slow": {"slow_bodies_s": "0.05"},
    "tokens expire": {"expire_tokens": 4},
    "valid tokens are refused": {"unauthorized_share": "0.2"},
    "sparse frames": {"sparse_user_frames": True},
    "nulls": {"null_optionals": True},
    "frames can hardly be so": {"huge_fees": 100_000, "huge_prices": 100_000},
}


@pytest.fixture
async def trader(tmp_path, monkeypatch):
    for limit in ("URGENT_AT_ONCE", "URGENT_PER_SECOND"):  # this exchange limits nobody
        monkeypatch.setattr(budget, limit, 1000)
    async with trading(tmp_path, balances=BALANCES) as made:
        yield made


def held(trader: Trader) -> dict[str, Decimal]:
    """What the exchange itself says."""
    accounts = trader.paper.world.exchange.accounts
    return {name: accounts.wallet(name).total for name in COINS}


async def own_fills(trader: Trader) -> list[dict[str, Any]]:
    """The exchange's own list of what our orders traded."""
    orders = (await trader.get("/orders/historical/batch", limit=1000))["orders"]
    own = {row["order_id"] for row in orders if row["client_order_id"].startswith(OWN_PREFIX)}
    fills = (await trader.get("/orders/historical/fills", limit=1000))["fills"]
    return [row for row in fills if row["order_id"] in own]


def value_of(fills: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(row["price"]) * Decimal(row["size"]) for row in fills), Decimal(0))


async def until_flat(made: Beside, within_s: float = 120) -> None:
    async with asyncio.timeout(within_s):
        while made.manager.liquidator.is_busy or made.state != "HALTED":
            made.changed.clear()
            await made.changed.wait()
        await made.settled()


@asynccontextmanager
async def buying(trader: Trader, made: Beside, times: int = 8):
    """A mad bot: it buys and lays orders past the sidecar as that learns of things, so many times."""
    heard, is_over = asyncio.Event(), False
    made.on_fact = lambda _: heard.set()

    async def buy() -> None:
        for number in range(times):
            if is_over:
                return
            with suppress(*FAILURES):
                await trader.place(trader.market("BUY", "0.01"))
                await trader.place(trader.limit("BUY", "0.01", str(20000 + number)))
            heard.clear()
            await heard.wait()

    task = asyncio.get_running_loop().create_task(buy())
    try:
        yield
    finally:
        is_over = True  # what it has asked for is waited for
        heard.set()
        await task


async def flattened(trader: Trader, made: Beside, **faults: Any) -> None:
    for price in ("90000", "91000"):
        await trader.place(trader.limit("SELL", "0.2", price))
    await made.until(lambda: len(made.manager.tracker.ledger.working) == 2, "the orders")
    trader.paper.world.set_faults(faults)
    answers = "accept_without_answer" not in faults  # the bot would take them, and wait for long
    async with buying(trader, made, times=8 if answers else 0):
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
    if any(held(trader).values()):  # it bought after the end, and nothing stands behind the halt
        assert (await made.ask("flatten", reason="again"))["done"]
        await until_flat(made)


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_flat_at_the_end_whatever_goes_wrong(trader, faults):
    async with beside(trader) as made:
        await flattened(trader, made, **faults)
        assert held(trader) == dict.fromkeys(COINS, 0)
        assert not trader.paper.world.exchange.register.open
        trader.paper.world.clear_faults()
        orders = (await trader.get("/orders/historical/batch", limit=1000))["orders"]
        names = [row["client_order_id"] for row in orders]
        own = [name for name in names if name.startswith(OWN_PREFIX)]
        assert len(own) == len(set(own)), "no order was sent twice"
        told = [a.report for _, a in made.actions if isinstance(a, ac.LiquidationReported)]
        fills = await own_fills(trader)
        assert sum(report.proceeds for report in told) == value_of(fills)
        assert not await made.bot.validate_order(trader.market("BUY", "0.01"))


async def test_coinbase_away_is_waited_for_and_said(trader, monkeypatch):
    async with beside(trader) as made:
        told = asyncio.Event()
        monkeypatch.setattr(made.engine.log, "critical", lambda *_, **__: told.set())
        trader.paper.world.set_faults({"refuse_connections": True, "close_code": 1006})
        assert (await made.ask("flatten", reason="enough"))["done"]
        async with asyncio.timeout(60):
            await told.wait()
        assert made.state == "LIQUIDATING"
        trader.paper.world.set_faults({"refuse_connections": False})
        await until_flat(made)
        assert held(trader) == dict.fromkeys(COINS, 0)


async def dribbles(trader: Trader, made: Beside, answers: int) -> None:
    trader.paper.world.set_faults(dribbled_bodies=answers)
    made.engine.carry[ac.Reconcile](ac.Reconcile(reason="test"))
    faults = trader.paper.world.faults
    await made.until(lambda: faults.now.dribbled_bodies < answers, "a dribble")


OVER_BOTH = pytest.mark.parametrize("rest_url", ["rest_url", "tls_rest_url"])


@OVER_BOTH
async def test_answers_that_dribble_hold_up_no_flattening(trader, monkeypatch, rest_url):
    """The cancel's, and what its readings ask for."""
    monkeypatch.setattr("sidecar.coinbase.rest.CALL_WITHIN_S", 1.0)
    monkeypatch.setenv("SSL_CERT_FILE", str(trader.paper.ca_file))
    await trader.place(trader.limit("SELL", "0.2", "90000"))
    async with beside(trader, coinbase={"rest_url": trader.paper.urls[rest_url]}) as made:
        await dribbles(trader, made, answers=4)
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
        assert held(trader) == dict.fromkeys(COINS, 0)
        assert trader.paper.world.faults.now.dribbled_bodies == 0


@OVER_BOTH
async def test_a_flattening_waits_for_no_reading_that_was_under_way(trader, monkeypatch, rest_url):
    """It would stand for as long as that one's call may."""
    monkeypatch.setattr("sidecar.coinbase.rest.CALL_WITHIN_S", 3600.0)
    monkeypatch.setenv("SSL_CERT_FILE", str(trader.paper.ca_file))
    async with beside(trader, coinbase={"rest_url": trader.paper.urls[rest_url]}) as made:
        await dribbles(trader, made, answers=1)
        passes = made.sidecar.engine.carry[ac.Reconcile].__self__
        before = passes.passes
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
        assert held(trader) == dict.fromkeys(COINS, 0)
        await made.until(lambda: passes.passes > before, "an ordinary reading, once it is over")


async def test_proceeds_and_fees_are_the_exchanges_own(trader):
    async with beside(trader) as made:
        await trader.place(trader.limit("SELL", "0.2", "90000"))
        await made.until(lambda: made.manager.tracker.ledger.working, "the order")
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
        (report,) = [a.report for _, a in made.actions if isinstance(a, ac.LiquidationReported)]
        fills = await own_fills(trader)
        value = value_of(fills)
        fees = sum(Decimal(row["commission"]) for row in fills)
        assert (report.proceeds, report.fees) == (value, fees)
        assert report.cancelled == 1
        assert {row.key: row.sold for row in report.rows} == {"BTC": 1, "ETH": 5}
        (view,) = (await made.ask("status"))["liquidations"]
        assert Decimal(view["proceeds"]) == round(value, 2)


async def change(trader: Trader, product_id: str, **flags: bool) -> None:
    order = {"product_id": product_id, "flags": flags}
    assert (await trader.http.post("/paper/market", json=order)).is_success


@pytest.mark.parametrize("mode", ["limit_only", "post_only", "auction_mode"])
async def test_each_mode_of_a_product_has_its_way(trader, mode):
    """What rests is met by the market, or sold when the mode is over."""
    await change(trader, "BTC-USD", **{mode: True})
    async with beside(trader) as made:
        assert (await made.ask("flatten", reason="enough"))["done"]
        await made.until(lambda: held(trader)["ETH"] == 0, "the other coin")
        if mode == "post_only":
            own = trader.paper.world.exchange.register.open
            await made.until(lambda: own, "an order that rests")
            await change(trader, "BTC-USD", **{mode: False})
        await until_flat(made)
        assert held(trader) == dict.fromkeys(COINS, 0)


async def test_what_cannot_be_sold_is_shouted_about_and_sold_once_it_can(trader):
    await trader.place(trader.limit("SELL", "0.2", "90000"))
    async with beside(trader) as made:
        for product_id in BITCOIN:
            await change(trader, product_id, cancel_only=True)
        await made.engine.carry[ac.Reconcile].__self__.read_products()  # flags are read seldom
        assert (await made.ask("flatten", reason="enough"))["done"]
        await made.until(lambda: "LIQUIDATION_STUCK" in made.codes(), "the shout")
        assert held(trader) == {"BTC": 1, "ETH": 0}
        assert made.state == "LIQUIDATING"
        for product_id in BITCOIN:
            await change(trader, product_id, cancel_only=False)
        await until_flat(made)
        assert held(trader) == dict.fromkeys(COINS, 0)


async def test_futures_are_closed_by_coinbase(trader):
    rows = (await trader.get("/products", product_type="FUTURE"))["products"]
    product_id = rows[0]["product_id"]
    async with beside(trader) as made:
        await trader.place(trader.market("SELL", "2", product_id))
        await made.until(lambda: made.held(product_id) < 0, "the short")
        assert (await made.ask("flatten", reason="enough"))["done"]
        await until_flat(made)
        assert not (await trader.get("/cfm/positions"))["positions"]
        assert held(trader) == dict.fromkeys(COINS, 0)


async def hello(made: Beside, **params: str) -> asyncio.StreamWriter:
    """A bot's connection that has said who it is; to close it is to die."""
    reader, writer = await asyncio.open_unix_connection(made.config.server.order_socket)
    asked = {"jsonrpc": "2.0", "id": 1, "method": "hello", "params": params}
    writer.write(json.dumps(asked).encode() + b"\n")
    answer = json.loads(await reader.readline())
    assert answer["result"]["on_disconnect"] == params["on_disconnect"]
    return writer


async def test_the_dead_bots_will_is_done(trader):
    will = {"may_flatten": ["closer"]}
    async with beside(trader, server=will) as made:
        made.manager.sessions.grace *= 0
        (await hello(made, name="closer", on_disconnect="flatten")).close()
        await until_flat(made)
        assert held(trader) == dict.fromkeys(COINS, 0)


async def test_a_dead_bots_orders_are_cancelled_and_no_others(trader):
    async with beside(trader) as made:
        made.manager.sessions.grace *= 0
        writer = await hello(made, name="maker", strategy_id="grid", on_disconnect="cancel_orders")
        ids = {}
        for strategy in ("grid", "momo"):
            body = trader.limit("BUY", "0.01", "30000")
            assert await made.bot.validate_order(body, strategy_id=strategy)
            ids[strategy] = await trader.place(body)
        working = made.manager.tracker.ledger.working
        await made.until(lambda: len(working) == 2, "both orders")
        writer.close()
        await made.until(lambda: set(working) == {ids["momo"]}, "the cancel")
        assert set(trader.paper.world.exchange.register.open) == {ids["momo"]}
        assert made.state == "ACTIVE"


async def test_a_shock_sells_its_product_alone(trader):
    shock = {"price_shock": {"max_loss_from_entry": "0.02", "action": "flatten"}}
    async with beside(trader, limits=shock) as made:
        for price in ("64000", "60000"):
            crash = {"product_id": "BTC-USD", "price": price, "freeze": True}
            await trader.http.post("/paper/market", json=crash)
        await made.until(lambda: held(trader)["BTC"] == 0, "the sale")
        await made.until(lambda: "PRODUCT_FLATTENED" in made.codes(ac.Alert), "the end")
        assert held(trader)["ETH"] == 5
        assert made.state == "ACTIVE"
        decision = await made.bot.validate_order(trader.market("BUY", "0.01"))
        assert "STATE_REDUCE_ONLY" in decision.codes


async def test_a_full_disk_stops_no_flattening_and_its_end_is_kept(trader, tmp_path):
    async with beside(trader, directory=tmp_path) as made:
        with files_no_larger_than(4096):
            await made.until_state("REDUCE_ONLY")
            assert (await made.ask("flatten", reason="enough"))["done"]
            await until_flat(made)
            assert held(trader) == dict.fromkeys(COINS, 0)
        await made.until(lambda: "DISK_FULL" not in {c for c, _ in made.manager.state.causes})


async def test_a_flattening_that_only_the_reserve_knows_of_is_begun_again(
    trader, tmp_path, small_reserve
):
    """The process dies while the disk takes nothing but the room taken beforehand."""
    async with beside(trader, directory=tmp_path, state={"snapshot_s": 3600}) as made:
        await outgrow_the_reserve(trader, made)
        made.engine.journal.sync()
        as_killed(tmp_path / "state", tmp_path / "killed" / "state")
        trader.paper.world.set_faults({"refuse_connections": True})
        with files_no_larger_than(RESERVE_BYTES):
            await made.until_state("REDUCE_ONLY")
            assert (await made.ask("flatten", reason="enough"))["done"]
            kept = (tmp_path / "state" / "reserve").read_bytes()
        (tmp_path / "killed" / "state" / "reserve").write_bytes(kept)  # all that a kill had left
        await made.ask("halt", reason="the test is over", abort_liquidation=True)
        assert held(trader)["BTC"] == 1
    trader.paper.world.set_faults({"refuse_connections": False})
    (tmp_path / "killed").chmod(0o700)
    async with beside(trader, directory=tmp_path / "killed", wait=False) as made:
        await until_flat(made)
        assert held(trader) == dict.fromkeys(COINS, 0)


async def test_an_abort_that_only_the_reserve_knows_of_is_not_undone_by_the_next_start(
    trader, tmp_path, small_reserve
):
    """The journal was left at the flattening: its end came while the disk took nothing."""
    async with beside(trader, directory=tmp_path, state={"snapshot_s": 3600}) as made:
        await outgrow_the_reserve(trader, made)
        trader.paper.world.set_faults({"refuse_connections": True, "close_code": 1006})
        assert (await made.ask("flatten", reason="enough"))["done"]
        made.engine.journal.sync()
        as_killed(tmp_path / "state", tmp_path / "killed" / "state")
        with files_no_larger_than(RESERVE_BYTES):
            await made.ask("halt", reason="stop", abort_liquidation=True)
            await made.until(lambda: made.manager.state.has("DISK_FULL"), "a full disk")
            kept = (tmp_path / "state" / "reserve").read_bytes()
        (tmp_path / "killed" / "state" / "reserve").write_bytes(kept)  # all that a kill had left
    trader.paper.world.set_faults({"refuse_connections": False})
    (tmp_path / "killed").chmod(0o700)
    async with beside(trader, directory=tmp_path / "killed") as made:
        assert made.state == "HALTED"
        assert not made.manager.liquidator.is_busy
        assert held(trader) == {"BTC": 1, "ETH": 5}


async def test_a_rebuild_goes_on_flattening(trader, tmp_path):
    async with beside(trader, directory=tmp_path) as made:
        trader.paper.world.set_faults({"refuse_connections": True, "close_code": 1006})
        assert (await made.ask("flatten", reason="enough"))["done"]
    state = tmp_path / "state" / "state.json"
    state.write_text(state.read_text().replace('"transfers"', '"transferred"'))
    trader.paper.world.set_faults({"refuse_connections": False})
    async with beside(trader, directory=tmp_path, wait=False, rebuild=True) as made:
        await until_flat(made)
        assert held(trader) == dict.fromkeys(COINS, 0)
        assert made.manager.state.has("OPERATOR_REDUCE_ONLY")
