"""A random market: an endless stream of quotes that move as coins do. No I/O; seeded.

Made a minute at a time. Every minute has one regime (calm, busy, stressed: a Markov chain) and one
volatility within it (log-normal, autoregressive: volatility clusters). Log prices step every
250 ms by a common and an own Student-t shock, sometimes by a jump; quotes sample them at random
moments (Poisson), round to the product's increments and add spread and size. A cross (ETH-BTC) is
the ratio of its dollar books and a small basis that reverts.

The same listings, seed and start give the same quotes. Across platforms, `exp` may differ in the
last bit; rounding to increments hides nearly all of that.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from sidecar.core.vocabulary.money import MONEY
from sidecar.paper.markets.coins import FLOOR_TICKS, Floats, Ints, coin_of, legs_of, shocks
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.quote import Quote

BLOCK: Final = timedelta(minutes=1)
BLOCK_US: Final = 60_000_000
STEPS: Final = 240  # of a block: 250 ms each
STEP_US: Final = BLOCK_US // STEPS
STEPS_A_YEAR: Final = 365 * 24 * 60 * STEPS
BLOCKS_A_DAY: Final = 24 * 60

CLUSTER_MEMORY: Final = 0.95  # of log volatility, minute to minute
CLUSTER_SPREAD: Final = 0.3  # its standard deviation
COMMON_JUMPS: Final = 1.0 / BLOCKS_A_DAY  # a minute; each is news, and starts a stressed market
OWN_JUMPS: Final = 1.0 / BLOCKS_A_DAY  # a minute, for each product
JUMP: Final = 0.006  # standard deviation at BTC's volatility; others in proportion to theirs
JUMP_SCALE_VOLATILITY: Final = 0.6
BASIS: Final = 3e-5  # standard deviation of a cross against its legs, as a ratio
BASIS_MEMORY: Final = 0.8  # minute to minute
TOUCH_USD: Final = 22_000.0  # median worth of the size at the touch
TOUCH_SPREAD: Final = 0.7  # of its logarithm: nineteen of twenty lie between 5,600 and 87,000 USD
SPREAD_SPREAD: Final = 0.4  # of the logarithm of the spread
RISE_MAX: Final = 7.0  # no price exceeds e^7 times its first: increments still count in integers
UNITS_MAX: Final = 2.0**62
WHOLE: Final = 1e-6  # of an increment: a multiple that floats put just below itself


class Regime(NamedTuple):
    """A state of the whole market. `leaves` are the chances, a minute, to turn into each."""

    volatility: float  # times the coin's own; with the shares of time below, about 1 in the mean
    quotes: float  # a second, each product
    spread: float  # times the coin's own
    extra_spread: float  # a ratio of the price, added for every coin
    touch: float  # times the usual size
    leaves: tuple[float, float, float]


CALM, BUSY, STRESSED = 0, 1, 2
# Share of time: some 73 %, 26 % and 1 %.
REGIMES: Final = (
    Regime(0.65, 1.6, 1.0, 0.0, 1.0, (44 / 45, 1 / 45, 0.0)),
    Regime(1.35, 3.0, 1.5, 5e-7, 0.8, (1 / 16, 1 - 1 / 16 - 1 / 120, 1 / 120)),
    Regime(3.50, 8.0, 4.0, 5e-5, 0.4, (0.0, 1 / 6, 5 / 6)),
)


def random_market(listings: Iterable[Listing], seed: int, start: datetime) -> Iterator[Quote]:
    """Quotes of these books in time order, without end; one of every book at `start` itself.

    A book begins at its listing's price, a cross at the ratio of its dollar books. `seed` is 0 or
    more. Each book quotes about twice a second.
    """
    walk = _Walk(tuple(listings), np.random.Generator(np.random.PCG64(seed)))
    at = start.astimezone(UTC)
    yield from walk.opening(at)
    while True:
        yield from walk.block(at)
        at += BLOCK


class _Walk:
    """The state of the market between two minutes."""

    def __init__(self, listings: tuple[Listing, ...], chance: np.random.Generator) -> None:
        self._chance = chance
        self._ids = [listing.product_id for listing in listings]
        self._price_increments = [listing.price_increment for listing in listings]
        self._base_increments = [listing.base_increment for listing in listings]
        self._describe(listings)
        self._find_legs(listings)
        self._log_price = np.log(np.array([float(listing.price) for listing in listings]))
        self._lowest = np.log(FLOOR_TICKS * self._tick)
        self._highest = np.maximum(self._log_price, self._lowest) + RISE_MAX
        self._basis = np.zeros(len(self._crosses))
        self._regime = CALM
        self._cluster = 0.0  # log volatility within the regime

    def _describe(self, listings: tuple[Listing, ...]) -> None:
        coins = [coin_of(listing) for listing in listings]
        self._volatility = np.array([coin.volatility for coin in coins])
        self._beta = np.array([coin.beta for coin in coins])
        self._own = np.sqrt(1 - self._beta**2)
        self._spread = np.array([coin.spread for coin in coins])
        self._tick = np.array([float(row.price_increment) for row in listings])
        self._unit = np.array([float(row.base_increment) for row in listings])
        smallest = np.array([float(row.base_min_size) for row in listings]) / self._unit
        largest = np.array([float(row.base_max_size) for row in listings]) / self._unit
        self._units_min = np.maximum(np.ceil(smallest - WHOLE), 1.0)
        self._units_max = np.clip(np.floor(largest + WHOLE), self._units_min, UNITS_MAX)

    def _find_legs(self, listings: tuple[Listing, ...]) -> None:
        books = {listing.product_id: listing for listing in listings}
        index = {product_id: place for place, product_id in enumerate(self._ids)}
        self._crosses: list[tuple[int, int, int]] = []
        self._worth = np.arange(len(listings))  # whose price says what one base unit is worth
        for place, listing in enumerate(listings):
            if legs := legs_of(listing, books):
                base, quote = index[legs[0]], index[legs[1]]
                self._crosses.append((place, base, quote))
                self._worth[place] = base

    def opening(self, at: datetime) -> Iterator[Quote]:
        """One quote of every book, so that none is empty when the market opens."""
        path = np.tile(self._log_price, (STEPS, 1))
        self._bind_crosses(path)
        who = np.arange(len(self._ids))
        return self._quotes(at, np.zeros_like(who), who, path)

    def block(self, at: datetime) -> Iterator[Quote]:
        """The minute from `at` on."""
        self._change_weather()
        path = self._path()
        rates = np.full(len(self._ids), REGIMES[self._regime].quotes * BLOCK_US / 1e6)
        who = np.repeat(np.arange(len(self._ids)), self._chance.poisson(rates))
        moments = self._chance.integers(0, BLOCK_US, len(who))
        order = np.argsort(moments, kind="stable")
        return self._quotes(at, moments[order], who[order], path)

    def _change_weather(self) -> None:
        turn = self._chance.random()
        leaves = REGIMES[self._regime].leaves
        self._regime = int(np.searchsorted(np.cumsum(leaves), turn, side="right").clip(0, STRESSED))
        fresh = CLUSTER_SPREAD * (1 - CLUSTER_MEMORY**2) ** 0.5 * self._chance.standard_normal()
        self._cluster = CLUSTER_MEMORY * self._cluster + fresh

    def _path(self) -> Floats:
        """Log prices after each step of the next minute, a column for each book."""
        # E[exp(2x)] of a normal x is exp(2 var): subtracting var keeps the mean variance at 1.
        scale = REGIMES[self._regime].volatility * np.exp(self._cluster - CLUSTER_SPREAD**2)
        common = shocks(self._chance, (STEPS, 1)) * self._beta
        own = shocks(self._chance, (STEPS, len(self._ids))) * self._own
        moves = (common + own) * (self._volatility * scale / STEPS_A_YEAR**0.5)
        self._jump(moves)
        path: Floats = np.clip(
            self._log_price + np.cumsum(moves, axis=0), self._lowest, self._highest
        )
        self._log_price = path[-1].copy()
        self._bind_crosses(path)
        return path

    def _jump(self, moves: Floats) -> None:
        size = JUMP * self._volatility / JUMP_SCALE_VOLATILITY
        for _ in range(int(self._chance.poisson(COMMON_JUMPS))):
            size_in_all = float(shocks(self._chance, 1)[0]) * size * self._beta
            moves[self._chance.integers(STEPS)] += size_in_all
            self._regime = STRESSED
        for place in np.flatnonzero(self._chance.random(len(self._ids)) < OWN_JUMPS).tolist():
            step = self._chance.integers(STEPS)
            moves[step, place] += float(shocks(self._chance, 1)[0]) * size[place]

    def _bind_crosses(self, path: Floats) -> None:
        """Puts each cross where its legs say, a slowly changing basis apart."""
        noise = self._chance.standard_normal(len(self._crosses))
        after = BASIS_MEMORY * self._basis + BASIS * (1 - BASIS_MEMORY**2) ** 0.5 * noise
        for number, (place, base, quote) in enumerate(self._crosses):
            basis = np.linspace(self._basis[number], after[number], len(path))
            path[:, place] = path[:, base] - path[:, quote] + basis
        self._basis = after

    def _quotes(self, at: datetime, moments: Ints, who: Ints, path: Floats) -> Iterator[Quote]:
        """Quotes of book `who[i]` at `moments[i]`, microseconds behind `at`."""
        steps = moments // STEP_US
        bids, asks = self._touch(who, np.exp(path[steps, who]) / self._tick[who])
        worth = np.exp(path[steps, self._worth[who]]) * self._unit[who]
        bid_units, ask_units = self._units(who, worth), self._units(who, worth)
        times = MONEY.multiply  # exact, whatever the caller's decimal context
        columns = (moments, who, bids, bid_units, asks, ask_units)
        for moment, place, bid, bid_size, ask, ask_size in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            tick, unit = self._price_increments[place], self._base_increments[place]
            yield Quote(
                at + timedelta(microseconds=moment),
                self._ids[place],
                times(bid, tick),
                times(bid_size, unit),
                times(ask, tick),
                times(ask_size, unit),
            )

    def _touch(self, who: Ints, mids: Floats) -> tuple[Ints, Ints]:
        """Bid and ask in increments, around `mids` in increments."""
        regime = REGIMES[self._regime]
        width = self._spread[who] * regime.spread + regime.extra_spread
        wide = np.exp(SPREAD_SPREAD * self._chance.standard_normal(len(who)))
        spreads = np.maximum(np.rint(mids * width * wide), 1.0)
        bids = np.maximum(np.floor(mids - (spreads - 1) / 2 + WHOLE), FLOOR_TICKS)
        return bids.astype(np.int64), (bids + spreads).astype(np.int64)

    def _units(self, who: Ints, worth: Floats) -> Ints:
        """Sizes in increments, each of which is worth so many dollars."""
        median = TOUCH_USD * REGIMES[self._regime].touch
        dollars = median * np.exp(TOUCH_SPREAD * self._chance.standard_normal(len(who)))
        units = np.clip(np.rint(dollars / worth), self._units_min[who], self._units_max[who])
        return units.astype(np.int64)
