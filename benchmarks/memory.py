"""What a running sidecar keeps in memory: one process of its own, everything of `risk-sidecar run` in it.

Coinbase is a closed port here, so what it would say of 500 products is handed to the engine instead:
their listing and a quote of each, 20 positions, 200 open orders, 30 days of hourly closes.
Not in it: orders that ended, which grow with the day, and what connections and clients buffer.
"""

import asyncio
import base64
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import structlog

from benchmarks import desk as bench_desk
from sidecar.coinbase.auth import ApiKey
from sidecar.config.tables import Config
from sidecar.console import app, process  # what the command line has imported by then
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.sidecar import Sidecar

PRODUCTS = 500
OPEN_ORDERS = 200
HOURS = 30 * 24
NOWHERE = "127.0.0.1:9"


def tell(what: str) -> None:
    """What of this process is resident, as the system counts it."""
    gc.collect()
    kib = int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])
    print(f"  {what:<36} {kib // 1024:4} MiB")


def configured(directory: Path) -> Config:
    return Config.model_validate(
        {
            "coinbase": {
                "rest_url": f"https://{NOWHERE}",
                "ws_url": f"wss://{NOWHERE}",
                "ws_user_url": f"wss://{NOWHERE}",
                "follow": [f"{base}-USD" for base in bases()],
            },
            "server": {
                "order_socket": directory / "o.sock",
                "control_socket": directory / "c.sock",
            },
            "state": {"dir": directory / "state"},
            "limits": bench_desk.LIMITS.model_dump(exclude_unset=True),
            "var": {"period": "1h", "history": HOURS},
        }
    )


def bases() -> list[str]:
    return [f"C{number:03d}" for number in range(PRODUCTS)]


def account(now: datetime) -> Iterator[ev.Event]:
    """What Coinbase says of it."""
    products = tuple(map(bench_desk.product, bases()))
    yield ev.ProductsListed(at=now, products=products)
    yield from quotes(now)
    coins = [ev.Balance(base, Decimal(10)) for base in bases()[: bench_desk.POSITIONS]]
    yield ev.BalancesRead(at=now, balances=(ev.Balance("USD", Decimal(100_000_000)), *coins))
    for number in range(OPEN_ORDERS):
        yield ev.OrderReported(
            at=now,
            order_id=f"o{number}",
            client_order_id=f"open-{number}",
            side="BUY",
            status="OPEN",
            product_id=products[number % PRODUCTS].product_id,
            leaves=Decimal("0.01"),
            limit_price=Decimal(60000) - number,
        )


def quotes(now: datetime) -> Iterator[ev.Quotes]:
    """A price of each product."""
    for base in bases():
        quote = ev.Quote(f"{base}-USD", Decimal("64000.00"), Decimal("64000.01"), now)
        yield ev.Quotes(at=now, quotes=(quote,))


def closes(book: str, seed: int, now: datetime) -> ev.ClosesRead:
    """A history of hours."""
    hour = 3_600
    end = int(now.timestamp()) // hour
    prices = 64_000 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, HOURS + 1)))
    told = tuple(
        ((end - HOURS - 1 + i) * hour, Decimal(f"{price:.2f}")) for i, price in enumerate(prices)
    )
    span = {"since": told[0][0], "until": end * hour}
    return ev.ClosesRead(at=now, book=book, period_s=hour, closes=told, **span)


async def measure(directory: Path) -> None:
    config = configured(directory)
    key = ApiKey("nobody", base64.b64encode(os.urandom(32)).decode())
    tell("everything imported")
    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
    )
    sidecar = Sidecar(config, key, log, reread=lambda: config)
    running = asyncio.create_task(sidecar.run(lambda: None))
    await asyncio.sleep(1)  # its sockets are open, and its calls were refused
    engine = sidecar.engine
    assert engine is not None
    assert config.server.order_socket.exists()
    for event in account(engine.now()):
        engine.handle(event)
    tracker = engine.manager.tracker
    held = [line for line in tracker.account.lines.values() if line.position.quantity]
    assert len(held) == bench_desk.POSITIONS
    assert len(tracker.marks.mids) == PRODUCTS
    assert len(tracker.ledger.working) == OPEN_ORDERS
    tell(f"running, with account and {PRODUCTS} products")
    for number, base in enumerate(bases()):
        engine.handle(closes(f"{base}-USD", number, engine.now()))
        await asyncio.sleep(0)  # the journal writes, as between two calls to Coinbase
    tell("and 30 days of hourly closes")
    view = engine.manager.risk.view()
    assert view is not None
    assert view.before("max_var") > 0
    tell("and a model fitted to what is held and worked")
    sidecar.stop()
    await running


def main() -> None:
    assert app.VERBS
    with tempfile.TemporaryDirectory() as directory:
        process.run(measure(Path(directory)))


if __name__ == "__main__":
    main()
