"""Returns that no generator draws: the same on every machine and with every numpy."""

import math

import numpy as np

from sidecar.core.value_at_risk.model import Array

STEPS = (math.sqrt(2), math.sqrt(3), math.sqrt(5), math.sqrt(7), math.sqrt(11))


def evenly(count: int, step: float, skip: int = 0) -> list[float]:
    """Numbers between 0 and 1, spread evenly: fractional parts of multiples (Weyl 1916)."""
    return [(i + 1 + skip) * step % 1 for i in range(count)]


def quantile_t4(probability: float) -> float:
    """Of a Student-t with 4 degrees of freedom, which has a closed form (Shaw 2006)."""
    root = math.sqrt(4 * probability * (1 - probability))
    size = 2 * math.sqrt(max(0.0, math.cos(math.acos(root) / 3) / root - 1))
    return math.copysign(size, probability - 0.5)


def sample(count: int = 500, keys: int = 3, skip: int = 0) -> Array:
    """Log returns of keys that move together in part, with fat tails, and volatility that swings."""
    shared = [quantile_t4(one) for one in evenly(count, math.sqrt(13), skip)]
    columns = []
    for key in range(keys):
        own = [quantile_t4(one) for one in evenly(count, STEPS[key], skip)]
        columns.append([
            0.01 * (key + 1) * (1 + 0.5 * math.sin(i / 20)) * (0.6 * shared[i] + 0.8 * own[i])
            for i in range(count)
        ])  # fmt: skip
    return np.array(columns).T
