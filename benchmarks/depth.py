"""`python -m benchmarks.depth`: what the depth of books costs: a huge snapshot, updates, memory, the journal.

A step is what the loop does without a pause: a decision that comes in meanwhile waits for it. It is told in processor
time, for another process's turn is no step of ours.
"""

import gc
import gzip
import json
import random
import tracemalloc
from datetime import timedelta
from time import thread_time

from benchmarks import desk as bench_desk
from benchmarks.measure import machine
from sidecar.coinbase.depth_books import Clocks, DepthBooks
from sidecar.coinbase.frames import DEPTH_CHANNELS, LevelNews
from sidecar.coinbase.levels import book_parts
from sidecar.coinbase.session import Parsed, Session
from sidecar.core.vocabulary import events as ev
from sidecar.storage.journal_codec import Chain

A_SIDE = 20_000  # levels of a snapshot, as of BTC-USD
BOOK = "BTC-USD"


def row(side: str, price: float, size: float) -> dict[str, str]:
    """A level as Coinbase writes it."""
    return {
        "side": side,
        "event_time": "1970-01-01T00:00:00Z",
        "price_level": f"{price:.2f}",
        "new_quantity": f"{size:.8f}",
    }


class Wire:
    """A session and its books, which time each step of their own."""

    def __init__(self) -> None:
        self.session, self.books = Session(DEPTH_CHANNELS, (BOOK,)), DepthBooks()
        self.session.opened(0.0)
        self.books.follow([BOOK])
        self.books.ask(0.0)
        self.books.acknowledged({BOOK})
        self.steps_s: list[float] = []
        self._sequence = 0

    def frame(self, kind: str, rows: list[dict[str, str]]) -> str:
        """A frame of l2_data as Coinbase sends it."""
        event = {"type": kind, "product_id": BOOK, "updates": rows}
        frame = {"channel": "l2_data", "client_id": "", "timestamp": "2026-11-22T13:00:00.1Z"}
        frame |= {"sequence_num": self._sequence, "events": [event]}  # type: ignore[dict-item]
        self._sequence += 1
        return json.dumps(frame, separators=(",", ":"))

    def receive(self, data: str) -> None:
        """Take a frame in, a step at a time."""
        began = thread_time()
        (step,) = self.session.received(data, bench_desk.NOW, 0.0)
        assert isinstance(step, Parsed)
        assert isinstance(step.said, LevelNews)
        began = self._step(began)
        for part in book_parts(step.said.events):
            fault = self.books.take(part, 0.0)
            assert not fault, fault
            began = self._step(began)

    def _step(self, began: float) -> float:
        ended = thread_time()
        self.steps_s.append(ended - began)
        return ended

    def told(self, seconds: float) -> ev.Depth | bool:
        """The word on the book at this time."""
        now = bench_desk.NOW + timedelta(seconds=seconds)
        return self.books.word_on(BOOK, Clocks(seconds, now), now)


def snapshot(chance: random.Random, a_side: int, middle: float = 64_000) -> list[dict[str, str]]:
    """Levels in any order, for none is promised."""
    rows = [row("bid", middle - 0.37 * n, 0.1 + chance.random()) for n in range(a_side)]
    rows += [row("offer", middle + 0.5 + 0.37 * n, 0.1 + chance.random()) for n in range(a_side)]
    chance.shuffle(rows)
    return rows


def tell_snapshot() -> None:
    chance, wire = random.Random(7), Wire()
    data = wire.frame("snapshot", snapshot(chance, A_SIDE))
    print(f"snapshot of {2 * A_SIDE:,} levels, {len(data) / 1e6:.1f} MB")
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    wire.receive(data)
    after, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"  kept: {(after - before) / 1e6:.1f} MB; at most meanwhile {(most - before) / 1e6:.1f} MB"
    )
    wire = Wire()
    wire.receive(wire.frame("snapshot", snapshot(chance, A_SIDE)))
    steps = sorted(wire.steps_s)
    print(
        f"  {sum(steps) * 1e3:.0f} ms in {len(steps)} steps; the longest {steps[-1] * 1e3:.1f} ms,"
        f" the median {steps[len(steps) // 2] * 1e3:.1f} ms (target ≤ 5 ms)"
    )
    began = thread_time()
    assert isinstance(wire.told(0.0), ev.Depth)
    print(f"  told: {(thread_time() - began) * 1e3:.1f} ms")


def tell_updates(frames: int = 2_000, rows: int = 50) -> None:
    """Frames of so many rows each, near the touch, as a busy book has twenty a second of."""
    chance, wire = random.Random(7), Wire()
    wire.receive(wire.frame("snapshot", snapshot(chance, 5_000)))
    made = [
        wire.frame("update", [_near(chance, chance.random()) for _ in range(rows)])
        for _ in range(frames)
    ]
    wire.steps_s.clear()
    for data in made:
        wire.receive(data)
    spent_s = sum(wire.steps_s)
    print(f"update of {rows} levels: {spent_s / frames * 1e6:.0f} µs")


def _near(chance: random.Random, size: float) -> dict[str, str]:
    away = 0.37 * chance.randint(0, 500)
    if chance.random() < 0.5:
        return row("bid", 64_000 - away, size if size > 0.3 else 0)
    return row("offer", 64_000.5 + away, size if size > 0.3 else 0)


def tell_journal(*, moves: bool, minutes: int = 10) -> None:
    """What a followed book costs on disk, from so many minutes in which it changes all the time: its sizes alone, or
    its price by a basis point a second as well.
    """
    chance, wire, chain, middle = random.Random(7), Wire(), Chain(), 64_000.0
    wire.receive(wire.frame("snapshot", snapshot(chance, 500)))
    lines, told = list[bytes](), 0
    for second in range(minutes * 60):
        if moves:
            middle += chance.gauss(0, middle / 10_000)
            wire.receive(wire.frame("snapshot", snapshot(chance, 500, middle)))
        else:
            some = [_near(chance, chance.random()) for _ in range(200)]
            wire.receive(wire.frame("update", some))
        at = bench_desk.NOW + timedelta(seconds=second)
        word = wire.told(float(second))
        if isinstance(word, ev.Depth):
            told += 1
            lines.append(chain.write(ev.DepthSeen(at=at, books=(word,)), at))
        elif word:
            lines.append(chain.write(ev.DepthHolds(at=at, product_ids=(BOOK,)), at))
    plain = b"".join(lines)
    a_day, packed = 24 * 60 / minutes / (1 << 20), len(gzip.compress(plain, compresslevel=6))
    kind = "price moves" if moves else "sizes change"
    print(
        f"journal, a book whose {kind} each second: told {told / minutes:.0f} times a minute,"
        f" {len(plain) * a_day:.0f} MiB a day as written, {packed * a_day:.0f} MiB compressed"
    )


def main() -> None:
    print(machine())
    gc.collect()
    gc.disable()
    tell_snapshot()
    tell_updates()
    tell_journal(moves=False)
    tell_journal(moves=True)


if __name__ == "__main__":
    main()
