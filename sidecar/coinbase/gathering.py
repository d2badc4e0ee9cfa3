"""A side of an order book in few levels, for the core: a decision walks them all, and each is written down. Pure.

The best `EXACT` levels are told as they are. Those beyond, up to `FARTHEST` from the best price, are gathered into at
most `STEPS` steps, each at the worst price in it, so that no cost is told too low. The steps grow with the distance
from the best price, by the same ratio each: so what a step overstates is at most that share of the distance.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from sidecar.coinbase.local_book import LocalBook
from sidecar.core.vocabulary.events import LEVELS_MAX, Level
from sidecar.core.vocabulary.money import ZERO, with_money

EXACT: Final = 20
STEPS: Final = LEVELS_MAX - EXACT
FARTHEST: Final = Decimal("0.1")  # of the best price: beyond, no more is known
# What moves no average price by more than a basis point, and no side's size by more than a twentieth, can wait
# for some seconds: prices move as much within the second that a depth is old at best. Each word to the core is written
# down.
NEWS_PRICE: Final = Decimal("0.0001")
NEWS_SIZE: Final = Decimal("0.05")

Sides = tuple[tuple[Level, ...], tuple[Level, ...]]  # bids and asks, best first


def both_gathered(book: LocalBook) -> Sides:
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


@with_money
def are_news(before: Sides, now: Sides) -> bool:
    """Whether an order of some size would trade at another price now, or find another size."""
    return any(_is_news(old, new) for old, new in zip(before, now, strict=True))


def _is_news(before: tuple[Level, ...], now: tuple[Level, ...]) -> bool:
    old_size, new_size = (sum((size for _, size in side), ZERO) for side in (before, now))
    if abs(new_size - old_size) > old_size * NEWS_SIZE:
        return True
    left = deque(now)
    size = old_value = new_value = ZERO
    for price, offered in before:
        size, old_value = size + offered, old_value + price * offered
        if size > new_size:
            break
        new_value += _taken(left, offered)
        if abs(new_value - old_value) > NEWS_PRICE * old_value:
            return True
    return False


def _taken(left: deque[Level], size: Decimal) -> Decimal:
    """The value of the next so many units, which are taken off; there are as many."""
    value = ZERO
    while size:
        price, offered = left.popleft()
        part = min(size, offered)
        value, size = value + part * price, size - part
        if part < offered:
            left.appendleft((price, offered - part))
    return value
