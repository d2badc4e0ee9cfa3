"""kill −9 at random moments of a busy run: after each start the books are the exchange's own again.

The bot goes on trading all the while, asks when there is somebody to ask, and now and then does not
ask at all. A HALT is never lost. `SIDECAR_KILLS` says how often (`make soak`: 200).
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from risk_sidecar_client import AskFailed, AsyncClient
from sidecar.core.vocabulary.money import readable
from sidecar.paper.venue.order import Fill
from tests.fault.paper_client import Trader, trading
from tests.running_sidecar import configured

KILLS = int(os.environ.get("SIDECAR_KILLS", "12"))
BALANCES = {"USD": "1000000", "BTC": "5", "ETH": "50"}
KEYS = ("BTC", "ETH")
UP_WITHIN_S = 60.0
SETTLED_WITHIN_S = 60.0
LOOK_S = 0.05  # nothing tells from outside that a process has settled
PAUSE_S = 0.01  # a quicker bot kills at no other moments, and is read for longer after each
SEED = 20261122


def written(path: Path, tables: dict[str, dict[str, Any]]) -> Path:
    """A TOML file of these tables."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


class Sidecar:
    """One process after the other on the same state."""

    def __init__(self, trader: Trader, directory: Path) -> None:
        config = configured(trader, directory)
        coinbase = {
            name: str(getattr(config.coinbase, name))
            for name in ("rest_url", "ws_url", "ws_user_url", "key_file")
        }
        self.file = written(
            directory / "sidecar.toml",
            {
                # An average price that Coinbase rounds is exact after the next reading of the fills.
                "coinbase": coinbase
                | {
                    "follow": ["BTC-USD", "ETH-USD"],
                    "conflate_ms": 20,
                    "requests_per_s": 30,
                    "reconcile_s": 5,
                },
                "server": {
                    "order_socket": str(directory / "o.sock"),
                    "control_socket": str(directory / "c.sock"),
                    "reservation_s": 1,
                },
                "state": {"dir": str(directory / "state"), "snapshot_s": 1},
                "limits": {
                    "max_order_notional": 50000,
                    "max_daily_loss": 0.9,
                    "max_quote_age_s": 1,  # frozen books are read anew soon
                },
            },
        )
        self.errors = directory / "stderr.txt"
        self.bot = AsyncClient(directory / "o.sock", timeout_s=20)
        self.operator = AsyncClient(directory / "c.sock", timeout_s=60)
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Until it is ready to judge."""
        await self.begin("sidecar")
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(UP_WITHIN_S):
            assert await self.process.stdout.readline(), self.errors.read_text()[-2000:]

    async def begin(self, module: str, **environment: str) -> None:
        """A process of this module; nothing is waited for."""
        with self.errors.open("ab") as errors:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, "run", "--config", str(self.file), "--json",
                stdout=asyncio.subprocess.PIPE, stderr=errors, env={**os.environ, **environment},
            )  # fmt: skip

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def ask(self, method: str, **params: Any) -> Any:
        return json.loads(bytes(await self.operator.ask(method, **params)))

    async def close(self) -> None:
        await self.bot.close()
        await self.operator.close()
        if self.process is not None and self.process.returncode is None:
            await self.kill()


class Bot:
    """Trades at random, as fast as it is let, up to a hundred turns a second."""

    def __init__(self, trader: Trader, sidecar: Sidecar, chance: random.Random) -> None:
        self.trader, self.sidecar, self.chance = trader, sidecar, chance
        self.may_trade = asyncio.Event()
        self.idle = asyncio.Event()
        self.sent = 0

    async def run(self) -> None:
        while True:
            if not self.may_trade.is_set():
                self.idle.set()
                await self.may_trade.wait()
                self.idle.clear()
            await self._turn()
            await asyncio.sleep(PAUSE_S)

    async def _turn(self) -> None:
        chance, exchange = self.chance, self.trader.paper.world.exchange
        if exchange.register.open and chance.random() < 0.3:
            order_id = chance.choice(sorted(exchange.register.open))
            await self.trader.call("POST", "/orders/batch_cancel", json={"order_ids": [order_id]})
            return
        body = self._order()
        approved = chance.random() < 0.1  # the rogue in it does not ask
        if not approved:
            approved = bool(await self.sidecar.bot.validate_order(body))
        if approved and chance.random() < 0.95:  # and sometimes it thinks better of it
            self.sent += 1
            await self.trader.call("POST", "/orders", json=body)

    def _order(self) -> dict[str, Any]:
        chance = self.chance
        key = chance.choice(KEYS)
        side, size = chance.choice(["BUY", "SELL"]), str(Decimal(chance.randint(1, 40)) / 10_000)
        if chance.random() < 0.6:
            return self.trader.market(side, size, f"{key}-USD")
        price = {"BTC": {"BUY": "50000", "SELL": "90000"}, "ETH": {"BUY": "2000", "SELL": "5000"}}
        return self.trader.limit(side, size, price[key][side], f"{key}-USD")


class Charged:
    """What the exchange has charged in all. It keeps its last fills only, so they are counted as they come."""

    def __init__(self, fills: Sequence[Fill]) -> None:
        self._fills = fills
        self._last: Fill | None = None
        self._total = Decimal(0)

    def total(self) -> Decimal:
        for fill in reversed(self._fills):
            if fill is self._last:
                break
            self._total += fill.commission
        self._last = self._fills[-1] if self._fills else None
        return self._total


async def settled(
    trader: Trader, sidecar: Sidecar, charged: Charged, state: str = "ACTIVE"
) -> dict[str, Any]:
    """Wait until the books say what the exchange says, in everything, in this state; the status then."""
    difference: Any = None
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while True:
                status, difference = await look(trader, sidecar, charged)
                if status["state"] != state:
                    difference["state"] = (status["state"], status["causes"])
                if not difference:
                    return status
                await asyncio.sleep(LOOK_S)
    raise AssertionError(f"{difference}\n{sidecar.errors.read_text()[-3000:]}")


async def look(
    trader: Trader, sidecar: Sidecar, charged: Charged
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The status, and where the books differ from the exchange's truth and from plain arithmetic."""
    status, positions = await sidecar.ask("status"), await sidecar.ask("positions")
    exchange = trader.paper.world.exchange
    wallets = {name: exchange.accounts.wallet(name).total for name in ("USD", *KEYS)}
    truth: dict[str, Any] = {name: Decimal(readable(total)) for name, total in wallets.items()}
    told: dict[str, Any] = {
        row["currency"]: Decimal(row["total"])
        for row in positions["wallets"]
        if row["currency"] in truth
    }
    truth["open"] = sorted(exchange.register.open)
    told["open"] = sorted(row["order_id"] for row in positions["open_orders"])
    truth["reservations"], told["reservations"] = [], positions["reservations"]
    truth["doubts"], told["doubts"] = [], status["doubts"]
    truth["fees"] = Decimal(readable(charged.total()))
    told["fees"] = Decimal(status["pnl"]["fees"])
    cumulative = status["losses"]["cumulative"]
    equity = wallets["USD"] + sum(wallets[key] * mid(trader, f"{key}-USD") for key in KEYS)
    truth["loss"] = Decimal(readable(Decimal(cumulative["base"]) - equity))
    told["loss"] = Decimal(cumulative["usd"])
    return status, {
        name: (truth[name], told[name]) for name in truth if truth[name] != told.get(name)
    }


def mid(trader: Trader, product_id: str) -> Decimal:
    book = trader.paper.world.exchange.books[product_id]
    bid, ask = book.top("BUY"), book.top("SELL")
    assert bid is not None
    assert ask is not None
    return (bid.price + ask.price) / 2


def freeze(trader: Trader, *, frozen: bool) -> None:
    for book in trader.paper.world.exchange.books.values():
        book.silent = frozen


@asynccontextmanager
async def trading_bot(trader: Trader, sidecar: Sidecar, chance: random.Random):
    bot = Bot(trader, sidecar, chance)
    task = asyncio.get_running_loop().create_task(bot.run())
    try:
        yield bot
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sidecar.close()


async def test_killed_at_random_it_comes_back_with_the_exchanges_truth(tmp_path):
    chance = random.Random(SEED)
    async with trading(tmp_path, balances=BALANCES) as trader:
        sidecar = Sidecar(trader, tmp_path)
        charged = Charged(trader.paper.world.exchange.register.fills)
        async with trading_bot(trader, sidecar, chance) as bot:
            await sidecar.start()
            freeze(trader, frozen=True)
            first = await settled(trader, sidecar, charged)
            for number in range(KILLS):
                halts = chance.random() < 0.3
                freeze(trader, frozen=False)
                bot.may_trade.set()
                await asyncio.sleep(chance.uniform(0.0, 0.6))
                if halts:
                    with suppress(AskFailed):
                        await sidecar.ask("halt", reason=f"kill {number}")
                        await asyncio.sleep(chance.uniform(0.0, 0.05))
                await sidecar.kill()
                await asyncio.sleep(chance.uniform(0.0, 0.3))
                await sidecar.start()
                bot.may_trade.clear()
                await bot.idle.wait()
                freeze(trader, frozen=True)
                state = "HALTED" if halts else "ACTIVE"  # once what was in doubt has been read
                status = await settled(trader, sidecar, charged, state)
                for window in ("daily", "cumulative"):
                    for field in ("base", "since"):
                        assert status["losses"][window][field] == first["losses"][window][field]
                if halts:
                    assert (await sidecar.ask("resume", reason="law"))["done"]
            assert bot.sent > KILLS
