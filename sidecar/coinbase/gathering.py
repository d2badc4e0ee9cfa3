"""A side of an order book in few levels, for the core: a decision walks them all, and each is written down. Pure.

The best `EXACT` levels are told as they are. Those beyond, up to `FARTHEST` from the best price, are gathered into at
most `STEPS` steps, each at the worst price in it, so that no cost is told too low. The steps grow with the distance
from the best price, by the same ratio each: so what a step overstates is at most that share of the distance.
"""

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from sidecar.coinbase.local_book import LocalBook
from sidecar.core.vocabulary.events import LEVELS_MAX, Level
from sidecar.core.vocabulary.money import ZERO, with_money

EXACT: Final = 20
STEPS: Final = LEVELS_MAX - EXACT
FARTHEST: Final = Decimal(
    "0.1"
)  # of the best price: who sells there loses more than any limit on it allows


def both_gathered(book: LocalBook) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """Bids and asks as they are told."""
    return gathered(book.bids.keys, book.bids.sizes), gathered(book.asks.keys, book.asks.sizes)


@with_money
def gathered(keys: Sequence[Decimal], sizes: Sequence[Decimal]) -> tuple[Level, ...]:
    """The side as it is told. Keys are its prices, best first: rising, those of bids below zero."""
    if not keys:
        return ()
    best = keys[0]
    known = bisect_right(keys, best + abs(best) * FARTHEST)
    exact = known if known <= LEVELS_MAX else EXACT
    levels = [(abs(key), size) for key, size in zip(keys[:exact], sizes[:exact], strict=True)]
    for start, end in _steps(keys, exact, known):
        levels.append((abs(keys[end - 1]), sum(sizes[start:end], ZERO)))
    return tuple(levels)


def _steps(keys: Sequence[Decimal], start: int, known: int) -> list[tuple[int, int]]:
    """The places between which each step lies; steps without a level are left out."""
    if start >= known:
        return []
    best, near, far = keys[0], float(keys[start - 1] - keys[0]), float(keys[known - 1] - keys[0])
    found = []
    for step in range(1, STEPS + 1):
        edge = best + Decimal(near * (far / near) ** (step / STEPS))
        end = known if step == STEPS else bisect_right(keys, edge, start, known)
        if end > start:
            found.append((start, end))
            start = end
    return found
