"""Timing one call among many, and telling it as a ratio."""

import gc
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns


def each_ns(
    call: Callable[[object], object],
    prepare: Callable[[int], object],
    after: Callable[[object], object],
    *,
    rounds: int,
) -> list[int]:
    """Nanoseconds of every `call(prepare(i))`; `prepare` and `after` (cleaning up) are not counted."""
    for number in range(rounds // 10):
        after(call(prepare(-1 - number)))
    gc.collect()
    gc.disable()
    spent = []
    try:
        for number in range(rounds):
            argument = prepare(number)
            begin = perf_counter_ns()
            answer = call(argument)
            spent.append(perf_counter_ns() - begin)
            after(answer)
    finally:
        gc.enable()
    return spent


def quantile(samples: list[int], share: float) -> int:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def summary(samples: list[int]) -> str:
    return f"median {median(samples) / 1000:7.2f} µs   p99 {quantile(samples, 0.99) / 1000:7.2f} µs"


def machine() -> str:
    python = sys.version.split()[0]
    return f"Python {python} on {sys.platform}; one thread, no garbage collection while timing"
