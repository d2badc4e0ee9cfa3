"""Price histories for tests: a small closed-form market, so that no generator's stream is in them."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sidecar.core.vocabulary import events as ev
from tests.scenario import World

DAY_S = 86_400
LAST = {"BTC-USD": 64_000.0, "ETH-USD": 2_000.0}


def wave(count: int, size: float = 0.03, phase: float = 0.0) -> list[float]:
    """Log returns that look random and are not: of this size, fat-tailed, the same everywhere."""
    returns = []
    for t in range(count):
        part = math.sin(12.9898 * (t + 1) + phase) * 43758.5453
        uniform = part - math.floor(part)
        returns.append(size * math.tan(2.2 * (uniform - 0.5)) / 2)
    return returns


def closes(last: float, returns: Sequence[float]) -> list[float]:
    """Closes that end at `last` and have these log returns."""
    found = [last]
    for one in reversed(returns):
        found.append(found[-1] / math.exp(one))
    return found[::-1]


def tell(
    world: World,
    book: str = "BTC-USD",
    returns: Sequence[float] | None = None,
    *,
    last: float | None = None,
    period_s: int = DAY_S,
    **fields: Any,
) -> list[Any]:
    """Let the world hear the closes of the periods before now."""
    moves = wave(250) if returns is None else returns
    end = int(world.now.timestamp()) // period_s
    prices = closes(LAST.get(book, 1.0) if last is None else last, moves)
    first = end - len(prices)
    told = tuple(
        ((first + i) * period_s, Decimal(f"{price:.8f}")) for i, price in enumerate(prices)
    )
    span = {"since": first * period_s, "until": end * period_s} | fields
    return world.send(ev.ClosesRead, book=book, period_s=period_s, closes=told, **span)


def tell_nothing(world: World, book: str) -> list[Any]:
    """Coinbase says that it has nothing of this book."""
    end = int(world.now.timestamp()) // DAY_S * DAY_S
    span = {"since": end - 251 * DAY_S, "until": end}
    return world.send(ev.ClosesRead, book=book, period_s=DAY_S, closes=(), **span)
