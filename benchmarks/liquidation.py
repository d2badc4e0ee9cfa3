"""`make bench`, third part: how soon a flattening begins, how long it takes, and how often Coinbase is asked.

First the way from the confirming tick to the first cancel handed to the HTTP client: core, journal on
disk and fsync, task, signature; nobody answers. Then a whole flattening against the paper exchange in
a process of its own: 20 products held, 200 orders open.
"""

import argparse
import asyncio
import logging
import tempfile
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns
from typing import Any
from unittest.mock import patch

import httpx
import structlog
import uvloop

from benchmarks import desk as bench_desk
from benchmarks.measure import machine, quantile
from benchmarks.paper import Server
from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.auth import ApiKey, load_key
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import Rest, Unavailable
from sidecar.config.tables import Config
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.settings import Settings
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.engine import Engine
from sidecar.daemon.recovery import state_of
from sidecar.daemon.rest_tasks import RestTasks
from sidecar.daemon.sidecar import Sidecar
from sidecar.storage.codec import encode_state
from sidecar.storage.journal import Journal
from sidecar.storage.journal_codec import Chain
from sidecar.storage.journal_files import JournalFiles

PRODUCTS = 20
ORDERS = 200
BUDGET_A_S = 30  # Coinbase's, of a user
WITHIN_S = 60.0


def quiet() -> Any:
    return structlog.wrap_logger(
        structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.FATAL)
    )


# ------------------------------------------------------------------------------ to the first cancel


class TimedFiles(JournalFiles):
    """A journal's files, and how long the disk took to have the last lines."""

    spent_ns = 0

    def sync(self) -> None:
        began = perf_counter_ns()
        super().sync()
        self.spent_ns = perf_counter_ns() - began


class Doomed:
    """An account whose next tick confirms the loss: 20 positions, 200 orders, journal on disk."""

    def __init__(self, directory: Path) -> None:
        self.now = bench_desk.NOW
        settings = Settings(connected=True, confirm_quotes=2, confirm_for=timedelta(seconds=1))
        limits = Limits(max_cumulative_loss="0.1")
        manager = RiskManager(limits, PositionTracker(), clock=lambda: self.now, settings=settings)
        self.files = TimedFiles(directory / "journal")
        journal = Journal(
            self.files,
            Chain(),
            lambda: encode_state(state_of(manager, journal.place, self.now)),
            lambda _full: None,
        )
        self.journal = journal
        self.engine = Engine(manager, journal, lambda: self.now, quiet())
        products = tuple(map(bench_desk.product, bench_desk.names()))
        self._take(ev.ProductsListed, products=products)
        for feed in ("market", "user"):
            self._take(ev.FeedChanged, feed=feed, signal="connected")
        self._quote(Decimal(64000))
        balances = (ev.Balance("USD", Decimal(1000)), ev.Balance("BTC", Decimal(10)))
        self._take(ev.BalancesRead, balances=balances, fills_until=self.now)
        self._take(ev.OpenOrdersListed, order_ids=(), began_at=self.now)
        self._take(ev.AccountReconciled)
        self._rest_agrees(Decimal(64000))
        assert manager.state.ready
        for number in range(ORDERS):
            self._take(
                ev.OrderReported,
                order_id=f"o{number}",
                product_id=products[number % PRODUCTS].product_id,
                side="BUY",
                status="OPEN",
                leaves=Decimal("0.01"),
                limit_price=Decimal(100),
            )
        self._quote(Decimal(40000))
        self.now += timedelta(seconds=2)
        self._rest_agrees(Decimal(40000))
        self._take(ev.BalancesRead, balances=balances, fills_until=self.now)
        assert manager.state.has("CUMULATIVE_LOSS")

    def _take(self, kind: type[ev.Event], **fields: Any) -> None:
        self.engine.handle(kind(at=self.now, **fields))

    def _quote(self, price: Decimal) -> None:
        self._take(ev.Quotes, quotes=(ev.Quote("BTC-USD", price, price, self.now),))

    def _rest_agrees(self, price: Decimal) -> None:
        quote = ev.Quote("BTC-USD", price, price, self.now)
        self._take(ev.QuotesConfirmed, quotes=(quote,))

    def confirm(self) -> None:
        """The tick that is one too many."""
        self._quote(Decimal(39999))
        assert self.engine.manager.state.has("LIQUIDATION")


async def first_cancels(rounds: int) -> list[tuple[int, int]]:
    """Nanoseconds from the confirming tick to the request at the HTTP client, of each round, and how
    many of them the disk took.
    """
    key = ApiKey("organizations/o/apiKeys/k", pem())
    spent = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            doomed = Doomed(Path(directory))
            sent: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            rest = Rest("http://127.0.0.1:9", key)

            async def send(
                _request: httpx.Request, *, sent: Any = sent, **_options: Any
            ) -> httpx.Response:
                if not sent.done():
                    sent.set_result(perf_counter_ns())
                return httpx.Response(200, json={"results": []})

            with patch.object(rest._http, "send", send):  # noqa: SLF001 - nobody answers here
                async with asyncio.TaskGroup() as group:
                    picture = AccountReader(rest, doomed.engine.now, lambda _text: None)
                    lookups = Lookups(rest, doomed.engine.now, lambda _text: None)
                    errands = RestTasks(doomed.engine, picture, lookups, rest, group)
                    group.create_task(errands.keep_ready())
                    await asyncio.sleep(0)  # a cancel is signed ahead, as in a running sidecar
                    doomed.engine.carry = {ac.CancelOrders: errands.cancel}
                    began = perf_counter_ns()
                    doomed.confirm()
                    spent.append((await sent - began, doomed.files.spent_ns))
                    for task in asyncio.all_tasks() - {asyncio.current_task()}:
                        task.cancel()
            await rest.close()
            doomed.journal.close()
    return spent


def pem() -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - for a key only
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    private = ec.generate_private_key(ec.SECP256R1())
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


# ------------------------------------------------------------------------------- all the way to flat


def market(directory: Path) -> Path:
    """One quote of each product: a market that stands still."""
    path, at = directory / "quotes.csv", datetime(2026, 11, 2, tzinfo=UTC).isoformat()
    rows = [f"{at},{base}-USD,100.00,500,100.01,500" for base in bench_desk.names()]
    path.write_text("\n".join(["time,product_id,bid,bid_size,ask,ask_size", *rows]) + "\n")
    return path


def configured(urls: dict[str, str], directory: Path) -> Config:
    return Config.model_validate(
        {
            "coinbase": {
                "rest_url": urls["rest_url"],
                "ws_url": urls["ws_url"],
                "ws_user_url": urls["ws_url"],
                "key_file": urls["key_file"],
            },
            "server": {"order_socket": directory / "o", "control_socket": directory / "c"},
            "state": {"dir": directory / "state"},
            "limits": {"max_cumulative_loss": 0.25},
        }
    )


@asynccontextmanager
async def running(config: Config) -> Any:
    assert config.coinbase.key_file is not None
    key = load_key(config.coinbase.key_file)
    sidecar, ready = Sidecar(config, key, quiet(), reread=lambda: config), asyncio.Event()
    task = asyncio.get_running_loop().create_task(sidecar.run(ready.set))
    await ready.wait()
    assert sidecar.engine is not None
    try:
        yield sidecar.engine, key
    finally:
        sidecar.stop()
        await task


async def until(engine: Engine, look: Any) -> None:
    """Looked at after every fact."""
    changed = asyncio.Event()
    engine.listeners.append(lambda *_: changed.set())
    async with asyncio.timeout(WITHIN_S):
        while not look():
            changed.clear()
            await changed.wait()


async def posted(bot: Rest, body: dict[str, Any]) -> None:
    """Sent as soon as the exchange lets it."""
    while True:
        try:
            assert (await bot.post("/orders", body, urgent=True))["success"]
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return


async def whole(urls: dict[str, str], directory: Path) -> tuple[float, Counter[str]]:
    """Seconds to flat, and the requests it took, by path."""
    asked: Counter[str] = Counter()
    send = httpx.AsyncClient.send

    async def counted(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> Any:
        asked[request.url.path.rpartition("/brokerage")[2]] += 1
        return await send(self, request, **options)

    config = configured(urls, directory)
    async with running(config) as (engine, key):
        bot = Rest(urls["rest_url"], key)
        for number in range(ORDERS):
            base = bench_desk.names()[number % PRODUCTS]
            terms = {"base_size": "0.01", "limit_price": str(200 + number)}
            body = {
                "client_order_id": f"bot-{number}",
                "product_id": f"{base}-USD",
                "side": "SELL",
                "order_configuration": {"limit_limit_gtc": terms},
            }
            await posted(bot, body)
        await bot.close()
        await asyncio.sleep(1.5)  # what the bot used up of the second's budget is there again
        manager = engine.manager
        await until(engine, lambda: len(manager.tracker.ledger.working) == ORDERS)
        with patch.object(httpx.AsyncClient, "send", counted):
            began = perf_counter()
            engine.handle(ev.FlattenRequested(at=engine.now(), reason="measured"))
            await until(engine, lambda: manager.state.account == "HALTED")
            took = perf_counter() - began
        (report,) = manager.liquidator.reports()
        assert (report.outcome, report.cancelled, len(report.rows)) == ("flat", ORDERS, PRODUCTS)
        assert all(not row.left for row in report.rows)
    return took, asked


def tell_whole(*limits: str, what: str) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        sets = [f"paper.balances.{base}=10" for base in bench_desk.names()]
        words = [word for key in (*sets, *limits) for word in ("--set", key)]
        options = ("--market", f"replay:{market(directory)}", "--set", "paper.futures=false")
        with Server("-m", "sidecar", "paper", "--json", *options, *words) as urls:
            took, asked = uvloop.run(whole(urls, directory))
    print(f"  {what:<44} {took:.2f} s, {asked.total()} requests (target ≤ 3 s)")
    for path, count in asked.most_common():
        print(f"    {count:4}  {path}")


def tell(what: str, spent: list[int], target: str = "") -> None:
    times = f"median {median(spent) / 1e6:5.2f} ms   p99 {quantile(spent, 0.99) / 1e6:5.2f} ms"
    print(f"  {what:<28} {times}{target}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="confirming ticks")
    rounds = parser.parse_args().rounds
    print(machine())
    spent = uvloop.run(first_cancels(rounds))
    print(f"\nconfirming tick → first cancel at the HTTP client, {ORDERS} orders open")
    tell("all of it, journal on disk", [whole for whole, _ in spent], " (target: p99 ≤ 2 ms)")
    tell("of it one fdatasync", [disk for _, disk in spent])
    tell("all but that", [whole - disk for whole, disk in spent])
    print(f"\n{PRODUCTS} products, {ORDERS} open orders, flat on loopback; Coinbase allows a user")
    print(f"{BUDGET_A_S} requests a second, and a key 10,000 an hour")
    off = ("paper.private_requests_per_s=0", "paper.public_requests_per_s=0")
    tell_whole(*off, what="an exchange that does not count")
    tell_whole(what=f"one that allows {BUDGET_A_S} a second, as Coinbase does")


if __name__ == "__main__":
    main()
