"""How coins move: the figures that the random market and the candle history share. No I/O.

One factor drives all coins, each by its `beta`, beside a noise of its own; so two coins correlate
by the product of their betas. Scales are round figures of the market from 2021 to 2024.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidecar.paper.venue.listing import FIAT, Listing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TAIL: Final = (
    4  # degrees of freedom of Student's t: the tail index measured for liquid coins is 3–4
)
TAIL_SCALE: Final = sqrt((TAIL - 2) / TAIL)  # makes the variance of t one
FLOOR_TICKS: Final = 3  # no bid and no low falls below this many price increments


class Coin(NamedTuple):
    """A coin's character, against the dollar."""

    volatility: float  # a year, over calm and busy times: 0.6 is 60 %
    beta: float  # correlation with the common factor, 0 to 1
    spread: float  # of a calm market, as a ratio of the price; never less than one increment
    turnover: float  # USD traded a minute


COINS: Final = {
    "BTC": Coin(0.60, 0.90, 1e-7, 350_000),
    "ETH": Coin(0.80, 0.90, 2e-6, 200_000),
    "USDC": Coin(0.003, 0.0, 1e-4, 100_000),
    "USDT": Coin(0.003, 0.0, 1e-4, 100_000),
}
ALT: Final = Coin(1.10, 0.78, 6e-5, 30_000)
CASH: Final = Coin(0.07, 0.0, 1e-4, 10_000)  # EUR-USD and its like


def coin_of(listing: Listing) -> Coin:
    """The character of what this book trades."""
    return CASH if listing.base in FIAT else COINS.get(listing.base, ALT)


def legs_of(listing: Listing, books: Mapping[str, Listing]) -> tuple[str, str] | None:
    """The two dollar books that determine this one's price (ETH-BTC: ETH-USD and BTC-USD).

    None for a dollar book, and where either leg is not among `books`: such a book walks by itself.
    """
    base, quote = f"{listing.base}-USD", f"{listing.quote}-USD"
    return (base, quote) if listing.quote != "USD" and {base, quote} <= books.keys() else None


def shocks(chance: np.random.Generator, shape: int | tuple[int, int]) -> Floats:
    """Fat-tailed draws: mean 0, variance 1."""
    return chance.standard_t(TAIL, shape) * TAIL_SCALE
