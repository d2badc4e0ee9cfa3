"""What a running sidecar keeps of requests: its memory over requests of every kind, asked on its own socket.

One process, as in `memory`: bots pipeline what passes, what is refused, what is no order, what is no
request, and everything beside orders.
"""

import argparse
import asyncio
import base64
import gc
import json
import logging
import os
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any, Final

import structlog

from benchmarks import desk as bench_desk
from benchmarks import memory
from sidecar.coinbase.auth import ApiKey
from sidecar.console import process
from sidecar.core.vocabulary import events as ev
from sidecar.daemon.engine import Engine
from sidecar.daemon.sidecar import Sidecar

ROUND: Final = 500  # pipelined, then read
STEPS: Final = 10


def order(name: str, **changes: Any) -> dict[str, Any]:
    terms = {"base_size": "0.001", "limit_price": "63000"}
    body = {"client_order_id": name, "product_id": "C000-USD", "side": "BUY"}
    return body | {"order_configuration": {"limit_limit_gtc": terms}} | changes


def calls(number: int) -> list[tuple[str, dict[str, Any]]]:
    """One of every kind, none of it said before."""
    name = f"bot-{number}"
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    return [
        ("validate_order", {"order": order(name)}),
        ("release_order", {"client_order_id": name}),
        ("validate_order", {"order": order(name), "dry_run": True}),
        ("validate_order", {"order": order(name, side="SELL"), "strategy_id": f"s-{number % 20}"}),
        ("release_order", {"client_order_id": name}),
        ("validate_order", {"order": order(name, product_id=f"X{number}-USD")}),
        ("validate_order", {"order": order(name, order_configuration={"no_such_kind": {}})}),
        ("validate_order", {"order": order(name, prediction_metadata=deep)}),
        ("validate_order", {"order": {"client_order_id": name}}),
        ("validate_order", {"order": order(name, **{f"odd-{number}": 1})}),
        ("validate_edit", {"client_order_id": name, "size": "1"}),
        ("ping", {}),
        ("subscribe", {"topics": []}),
        ("hello", {"name": "bench", "on_disconnect": f"odd-{number}"}),
        ("limits", {}),
        (f"odd-{number}", {}),
    ]


async def ask(engine: Engine, directory: Path, first: int, count: int) -> int:
    """So many requests, over a connection that ends with what is no request. Returns the next number."""
    reader, writer = await asyncio.open_unix_connection(directory / "o.sock", limit=1 << 20)
    number, left = first, count
    while left > 0:
        lines: list[str] = []
        while len(lines) < min(left, ROUND):
            number += 1
            lines += [
                json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
                for method, params in calls(number)
            ]
        for event in islice(memory.quotes(engine.now()), bench_desk.POSITIONS):  # of what is held
            engine.handle(event)
        writer.write("\n".join(lines).encode() + b"\n")
        for _ in lines:
            await reader.readline()
        left -= len(lines)
    writer.write(b"no request\n")
    await reader.read()
    writer.close()
    return number


def is_whole(engine: Engine) -> None:
    """Say that all of the account was read, and that both feeds are live."""
    now = engine.now()
    feeds: tuple[ev.Feed, ...] = ("user", "market")
    for feed in feeds:
        engine.handle(ev.FeedChanged(at=now, feed=feed, signal="connected"))
    working = tuple(engine.manager.tracker.ledger.working)
    engine.handle(ev.OpenOrdersListed(at=now, order_ids=working, began_at=now))
    engine.handle(ev.FuturesRead(at=now, positions=(), fills_until=now))
    engine.handle(ev.AccountReconciled(at=now, fills_until=now, began_at=now))
    engine.handle(ev.ConfirmationUnavailable(at=now))
    assert engine.manager.state.account == "ACTIVE"


async def measure(directory: Path, count: int) -> None:
    configured = memory.configured(directory)
    server = configured.server.model_copy(update={"reservation_s": 1})
    config = configured.model_copy(update={"server": server})
    key = ApiKey("nobody", base64.b64encode(os.urandom(32)).decode())
    log = structlog.wrap_logger(
        structlog.ReturnLogger(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
    )
    sidecar = Sidecar(config, key, log, reread=lambda: config)
    running = asyncio.create_task(sidecar.run(lambda: None))
    await asyncio.sleep(1)  # its sockets are open
    engine = sidecar.engine
    assert engine is not None
    for event in memory.account(engine.now()):
        engine.handle(event)
    is_whole(engine)
    number = await ask(engine, directory, 0, count // STEPS // 10)
    gc.collect()
    memory.tell("running, warm")
    for step in range(1, STEPS + 1):
        number = await ask(engine, directory, number, count // STEPS)
        memory.tell(f"after {step * count // STEPS:9,d} requests")
    sidecar.stop()
    await running


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    count = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as directory:
        process.run(measure(Path(directory), count))


if __name__ == "__main__":
    main()
