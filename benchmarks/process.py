"""`make bench`, second part: the sidecar's socket, ticks, start and memory.

The yardstick of the socket is a bare echo of the same bytes on the same loop: a server process has
both, a client asks them in turn. So what is compared is the decision, the journal and our own
protocol, not the machine.
"""

import argparse
import asyncio
import gc
import gzip
import json
import multiprocessing
import random
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal, setcontext
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns
from typing import Any

import uvloop

from benchmarks import desk as bench_desk
from benchmarks.measure import machine, quantile, summary
from sidecar import clock
from sidecar.coinbase.session import Session
from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.money import MONEY
from sidecar.daemon.conflation import Conflation
from sidecar.daemon.engine import Engine
from sidecar.daemon.logs import make_log
from sidecar.daemon.outlet import Outlet
from sidecar.daemon.recovery import recover, state_of
from sidecar.daemon.streams import Streams
from sidecar.server.answers import Answers
from sidecar.server.listener import Listener, own_uids
from sidecar.server.subscriptions import Publisher
from sidecar.storage.codec import encode_state
from sidecar.storage.directory import StateDirectory
from sidecar.storage.journal import Journal
from sidecar.storage.journal_codec import Chain
from sidecar.storage.journal_files import JournalFiles

TICKS_A_S = 5_000
BURST_S = 0.01
CLIENTS = 32


class Echo(asyncio.Protocol):
    """What comes in goes out."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def frame(number: int, product_id: str = "BTC-USD") -> str:
    """A ticker frame as Coinbase sends it."""
    ticker = {
        "type": "ticker",
        "product_id": product_id,
        "price": "64000.01",
        "volume_24_h": "1234.5",
        "low_24_h": "63000",
        "high_24_h": "65000",
        "low_52_w": "30000",
        "high_52_w": "110000",
        "price_percent_chg_24_h": "1.5",
        "best_bid": f"64000.0{number % 10}",
        "best_bid_quantity": "0.5",
        "best_ask": f"64000.1{number % 10}",
        "best_ask_quantity": "0.5",
    }
    return json.dumps(
        {
            "channel": "ticker",
            "client_id": "",
            "timestamp": "2026-11-22T13:00:00.123456789Z",
            "sequence_num": number,
            "events": [{"type": "update", "tickers": [ticker]}],
        },
        separators=(",", ":"),
    )


def acknowledged(session: Session) -> Session:
    """A session that is live."""
    session.opened(clock.wall())
    ack = {"heartbeats": ["heartbeats"], "ticker": list(session.products)}
    session.received(
        json.dumps(
            {"channel": "subscriptions", "sequence_num": 0, "events": [{"subscriptions": ack}]}
        ),
        bench_desk.NOW,
        clock.wall(),
    )
    return session


class Served:
    """The answering side as the daemon has it: engine, journal on disk, listener."""

    def __init__(self, directory: Path, conflation: Conflation | None = None) -> None:
        self.manager = bench_desk.desk(50)
        files = JournalFiles(directory / "journal")
        self.journal = Journal(
            files,
            Chain(),
            lambda: encode_state(state_of(self.manager, self.journal.place, bench_desk.NOW)),
            lambda _full: None,
        )
        now = self.manager.clock
        log = make_log("json", Outlet(sys.stderr.fileno(), "utf-8"))
        self.engine = Engine(self.manager, self.journal, now, log)
        self.streams = Streams(self.engine, now, conflation or Conflation(0.5), ())
        answers = Answers(
            self.manager,
            self.engine.handle,
            now,
            decide=self.engine.decide,
            sessions=self.manager.sessions,
            publisher=Publisher(self.manager),
        )
        self.listener = Listener(directory / "order.sock", answers, mode=0o600, uids=own_uids())


async def serve(directory: Path, told: Pipe, *, ticks: bool) -> None:
    setcontext(MONEY)  # as the sidecar does
    served = Served(directory)
    gc.freeze()
    loop = asyncio.get_running_loop()
    echo = await loop.create_unix_server(Echo, str(directory / "echo.sock"))
    await served.listener.start()
    tasks = [loop.create_task(served.journal.run())]
    if ticks:
        tasks += [loop.create_task(stream(served)), loop.create_task(served.streams.conflate())]
    told.send("up")
    await loop.run_in_executor(None, told.recv)
    for task in tasks:
        task.cancel()
    echo.close()
    await served.listener.stop()
    served.journal.close()


async def stream(served: Served) -> None:
    """Ticker frames of 20 products, evenly spread, through session and conflation."""
    names = [f"{base}-USD" for base in bench_desk.names()]
    session = acknowledged(Session(("heartbeats", "ticker"), names))
    hand_over, number, began = served.streams.receiver("market"), 0, clock.wall()
    while True:
        due = int((clock.wall() - began) * TICKS_A_S)
        while number < due:
            number += 1
            data = frame(number, names[number % len(names)])
            hand_over(session.received(data, served.engine.now(), clock.wall()))
        await asyncio.sleep(BURST_S)


def run_server(directory: str, told: Pipe, ticks: bool) -> None:  # noqa: FBT001 - over a pipe
    uvloop.run(serve(Path(directory), told, ticks=ticks))


@contextmanager
def server(*, ticks: bool) -> Iterator[Path]:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        ours, theirs = context.Pipe()
        process = context.Process(target=run_server, args=(directory, theirs, ticks))
        process.start()
        assert ours.recv() == "up"
        try:
            yield Path(directory)
        finally:
            ours.send("stop")
            process.join()


class Asker:
    """One blocking connection."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))

    def ask(self, line: bytes) -> bytes:
        self.socket.sendall(line)
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self.socket.recv(65_536)
        return answer


def question(number: int, size: bytes = bench_desk.SMALL) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":"validate_order","params":{"order":%b}}\n' % (
        number,
        bench_desk.body(number, size),
    )


def release(number: int) -> bytes:
    return (
        b'{"jsonrpc":"2.0","id":0,"method":"release_order","params":{"client_order_id":"bot-%d"}}\n'
        % number
    )


def round_trips(
    directory: Path, rounds: int, size: bytes = bench_desk.SMALL
) -> tuple[list[int], list[int]]:
    """Nanoseconds of each: a bare echo, and a decision; in turn, so that both meet the same machine."""
    echo, sidecar = Asker(directory / "echo.sock"), Asker(directory / "order.sock")
    spent: tuple[list[int], list[int]] = ([], [])
    for number in range(rounds + rounds // 10):
        line = question(number, size)
        for asker, samples in zip((echo, sidecar), spent, strict=True):
            begin = perf_counter_ns()
            answer = asker.ask(line)
            samples.append(perf_counter_ns() - begin)
            assert asker is echo or b'"approved":true' in answer, answer
        sidecar.ask(release(number))
    return spent[0][rounds // 10 :], spent[1][rounds // 10 :]


def throughput(path: Path, rounds: int, answers: Callable[[bytes], bool]) -> float:
    """Answers a second to so many clients at once."""
    each = rounds // CLIENTS

    def work(client: int) -> None:
        asker = Asker(path)
        for number in range(each):
            name = client * 1_000_000 + number
            assert answers(asker.ask(question(name)))

    threads = [threading.Thread(target=work, args=(client,)) for client in range(CLIENTS)]
    began = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return each * CLIENTS / (perf_counter() - began)


def tell_round_trips(rounds: int) -> None:
    print(f"\nround trip over the socket, {rounds} asked in turn with a bare echo on the same loop")
    idle_p99 = 0
    for ticks in (False, True):
        with server(ticks=ticks) as directory:
            echo, ours = round_trips(directory, rounds)
            print(f"  {'under 5,000 ticks/s' if ticks else 'idle'}")
            print(f"    echo     {summary(echo)}")
            print(f"    sidecar  {summary(ours)}")
            if not ticks:
                idle_p99 = quantile(ours, 0.99)
                print(
                    f"    ratios   median {median(ours) / median(echo):.2f} (target ≤ 1.6)"
                    f"   p99 {idle_p99 / quantile(echo, 0.99):.2f} (target ≤ 2)"
                )
            else:
                print(f"    p99 against idle {quantile(ours, 0.99) / idle_p99:.2f} (target ≤ 3)")
    with server(ticks=False) as directory:
        echo, ours = round_trips(directory, rounds // 4, bench_desk.NEAR_A_LIMIT)
        print("  idle, an order near a limit: a warning comes with the approval")
        print(
            f"    sidecar  {summary(ours)}   median {median(ours) / median(echo):.2f} of the echo's"
        )
    with server(ticks=False) as directory:
        echo_rate = throughput(directory / "echo.sock", rounds, bool)
        rate = throughput(
            directory / "order.sock", min(rounds, 4_500), lambda line: b'"approved":true' in line
        )
        print(f"\n{CLIENTS} clients at once: echo {echo_rate:,.0f}/s, sidecar {rate:,.0f}/s")
        print(f"  share of the echo's {rate / echo_rate:.0%} (target ≥ 20 %)")


def tell_ticks(rounds: int) -> None:
    """Frames through session and conflation, and one frame all the way."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_ticks(Path(directory), rounds))


async def _ticks(directory: Path, rounds: int) -> None:
    names = [f"{base}-USD" for base in bench_desk.names()]
    for every_s, what in ((0.5, "decoded and conflated"), (0.0, "each judged")):
        served = Served(directory / what, Conflation(every_s))
        session = acknowledged(Session(("heartbeats", "ticker"), names))
        hand_over, now = served.streams.receiver("market"), served.engine.now
        frames = [frame(number, names[number % len(names)]) for number in range(1, rounds + 1)]
        began = perf_counter()
        for data in frames:
            hand_over(session.received(data, now(), clock.wall()))
        spent_s = perf_counter() - began
        served.journal.close()
        print(f"  {what:<22} {spent_s / rounds * 1e6:6.1f} µs a frame, {rounds / spent_s:,.0f}/s")


def tell_start(events: int) -> None:
    """A start from a snapshot and a journal of decisions, fills and prices."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        asyncio.run(_write_journal(place, events))
        settings = Settings()
        with StateDirectory(place) as state:
            began = perf_counter()
            recovered = recover(
                state, bench_desk.LIMITS, lambda _limits: bench_desk.empty(settings)
            )
            spent_s = perf_counter() - began
        began = perf_counter()
        JournalFiles(place / "journal").recover(lambda _line: None)
        read_s = perf_counter() - began
        print(f"  {recovered.lines:,} journal lines: {spent_s:.1f} s (target ≤ 5 s for 100,000)")
        print(f"  reading them and judging nothing: {read_s:.1f} s")


async def _write_journal(directory: Path, events: int) -> None:
    served = Served(directory)
    for number in range(events // 4):
        at = served.engine.now()
        served.engine.handle(ev.OrderProposed(at=at, body=bench_desk.body(number)))
        served.engine.handle(ev.ReservationReleased(at=at, client_order_id=f"bot-{number}"))
        quote = ev.Quote("BTC-USD", *(Decimal("64000.00"),) * 2, at)
        served.engine.handle(ev.Quotes(at=at, quotes=(quote,)))
        if number % 1_000 == 0:
            served.journal.sync()
    served.journal.close()


def tell_journal(minutes: int = 30) -> None:
    """What a day of 20 busy products costs on disk, from so many minutes of batches of prices that
    move at random: all of them tick between any two batches, which no market keeps up.
    """
    chance, chain, at = random.Random(7), Chain(), bench_desk.NOW
    prices = {name: Decimal(chance.randint(1_000, 6_400_000)) / 100 for name in bench_desk.names()}
    lines = []
    for _ in range(minutes * 60 * 2):
        at += timedelta(microseconds=500_000 + chance.randint(0, 999))
        for name, price in prices.items():
            prices[name] = max(Decimal(1), price + Decimal(chance.randint(-50, 50)) / 100)
        quotes = tuple(
            ev.Quote(f"{name}-USD", price, price + Decimal("0.01"), at)
            for name, price in prices.items()
        )
        lines.append(chain.write(ev.Quotes(at=at, quotes=quotes), at))
    plain = b"".join(lines)
    a_day = 24 * 60 / minutes / (1 << 20)
    packed = len(gzip.compress(plain, compresslevel=6))
    print(
        f"  {len(plain) * a_day:.0f} MiB a day as written, {packed * a_day:.0f} MiB compressed"
        " (target < 200 MB)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000, help="questions asked of each kind")
    rounds = parser.parse_args().rounds
    print(machine())
    tell_round_trips(rounds)
    print("\nticker frames, 20 products")
    tell_ticks(rounds * 2)
    print("\nstart")
    tell_start(100_000)
    print("\njournal, 20 products that never rest, two batches of prices a second")
    tell_journal()
    print("\nresident memory of a sidecar, in a process of its own (target ≤ 200 MB)", flush=True)
    subprocess.run([sys.executable, "-m", "benchmarks.memory"], check=True)


if __name__ == "__main__":
    main()
