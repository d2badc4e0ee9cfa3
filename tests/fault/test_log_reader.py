"""Whoever reads the log is gone, or reads no more: the account is sold all the same, operators are
answered, and what the log lacks is counted and told. Real processes, pipes and devices.
"""

import asyncio
import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pytest

from tests.fault.paper_client import Trader, trading
from tests.fault.test_kill import Sidecar, freeze

BALANCES = {"USD": "10000", "BTC": "1"}
FALLEN = "40000"  # dollars, of some 64,000: a third of the account
WITHIN_S = 60.0  # a flattening takes two
PIPE_BYTES = 4096  # the smallest that Linux makes


class Shown(Sidecar):
    """A process whose standard output and error are what a test gives."""

    def __init__(self, trader: Trader, directory: Path) -> None:
        super().__init__(trader, directory)
        self.trader = trader
        text = self.file.read_text() + "max_cumulative_loss = 0.2\n"
        self.file.write_text(text.replace("[server]\n", '[server]\nlog = "json"\n'))

    async def begin_on(self, shown: IO[bytes]) -> None:
        """Until it listens, which systemd is told: nothing that it shows is needed for that."""
        path = self.file.with_name("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as systemd:
            systemd.bind(str(path))
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sidecar", "run", "--config", str(self.file), "--json",
                stdout=shown, stderr=shown, env={**os.environ, "NOTIFY_SOCKET": str(path)},
            )  # fmt: skip
            async with asyncio.timeout(WITHIN_S):
                while await asyncio.get_running_loop().sock_recv(systemd, 100) != b"READY=1":
                    pass

    async def until(self, state: str) -> None:
        """Until the account is in this state: asked at once, and after whatever subscribers are told."""
        path = str(self.file.with_name("c.sock"))
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(path, limit=1 << 20)
            try:
                writer.write(asked(1, "subscribe", topics=["state"]) + asked(2, "status"))
                while line := await reader.readline():
                    row = json.loads(line)
                    if row.get("id") == 2 and row["result"]["state"] == state:
                        return
                    if "id" not in row:
                        writer.write(asked(2, "status"))
            finally:
                writer.transport.abort()
        raise AssertionError("the sidecar closed the connection")

    async def lose(self) -> None:
        """The price falls, far beyond the limit."""
        market = {"product_id": "BTC-USD", "price": FALLEN, "freeze": True}
        assert (await self.trader.http.post("/paper/market", json=market)).is_success

    async def flatten(self) -> None:
        assert (await self.ask("flatten", reason="the test says so"))["done"]

    async def log(self) -> dict[str, Any]:
        status = await self.ask("status")
        found: dict[str, Any] = status["sidecar"]["log"]
        return found

    async def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            return await self.process.wait()


def asked(number: int, method: str, **params: Any) -> bytes:
    row = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(row).encode() + b"\n"


@asynccontextmanager
async def beside_it(directory: Path):
    async with trading(directory, balances=BALANCES) as trader:
        freeze(trader, frozen=True)
        sidecar = Shown(trader, directory)
        try:
            yield sidecar
        finally:
            await sidecar.close()


def held(sidecar: Shown) -> Decimal:
    return sidecar.trader.paper.world.exchange.accounts.wallet("BTC").total


@contextmanager
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Both ends of the smallest pipe."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with os.fdopen(reader, "rb") as to_read, os.fdopen(writer, "wb", buffering=0) as to_write:
        yield to_read, to_write


def full_disk() -> IO[bytes]:
    return Path("/dev/full").open("wb")  # every write to it fails: no space left on device


def fill(writer: IO[bytes]) -> None:
    """Nothing more goes in: whoever writes, waits."""
    writer.write(b" " * (PIPE_BYTES - 1) + b"\n")


@pytest.mark.parametrize("deed", [Shown.flatten, Shown.lose])
async def test_with_its_reader_gone_the_account_is_sold(tmp_path, deed):
    async with beside_it(tmp_path) as sidecar:
        with pipe() as (reader, writer):
            await sidecar.begin_on(writer)
            writer.close()
            await sidecar.until("ACTIVE")
            reader.close()
        await deed(sidecar)
        await sidecar.until("HALTED")
        assert held(sidecar) == 0
        log = await sidecar.log()
        assert log["lost"] > 0
        assert log["fault"] == "Broken pipe"
        assert await sidecar.end() == 0


@pytest.mark.parametrize("deed", [Shown.flatten, Shown.lose])
async def test_on_a_full_disk_it_starts_and_the_account_is_sold(tmp_path, deed):
    async with beside_it(tmp_path) as sidecar:
        with full_disk() as full:
            await sidecar.begin_on(full)
        await sidecar.until("ACTIVE")
        before = await sidecar.log()
        assert before["fault"] == "No space left on device"
        await deed(sidecar)
        await sidecar.until("HALTED")
        assert held(sidecar) == 0
        assert (await sidecar.log())["lost"] > before["lost"]
        assert await sidecar.end() == 0


async def test_with_a_reader_that_reads_no_more_the_account_is_sold(tmp_path):
    async with beside_it(tmp_path) as sidecar:
        with pipe() as (_reader, writer):
            fill(writer)
            await sidecar.begin_on(writer)
            await sidecar.until("ACTIVE")
            await sidecar.lose()
            await sidecar.until("HALTED")
            assert held(sidecar) == 0
            assert await sidecar.end() == 0  # what nobody reads does not hold up an end


async def test_what_the_log_lacks_is_counted_and_told_once_it_is_read_again(tmp_path):
    async with beside_it(tmp_path) as sidecar:
        with pipe() as (reader, writer):
            fill(writer)
            await sidecar.begin_on(writer)
            writer.close()
            await sidecar.until("ACTIVE")
            asked = 0
            while not (await sidecar.log())["lost"]:  # each tightens, in a line of its own
                asked += 1
                strategy = f"strategy-{asked}"
                await sidecar.ask("reduce_only", reason="é" * 500, strategy_id=strategy)
            assert (await sidecar.log())["fault"] == "nobody reads it"
            reading = asyncio.get_running_loop().run_in_executor(None, reader.read)
            assert await sidecar.end() == 0
            shown = [json.loads(line) for line in (await reading).splitlines()[1:]]
    rows = [row for row in shown if "event" in row]  # the other is where it is reached
    told = [row for row in rows if row["event"] == "lines of the log were lost"]
    tightened = sum(row["event"] == "restricted" for row in rows)
    assert sum(row["lines"] for row in told) == asked - tightened > 0
    assert rows[-1]["event"] == "stopped"
