"""The account as a fund keeps it, written only for the tests: units, and what one of them is worth.

It shares no code and no formula with the sidecar, and knows the true history. Deposits buy units at the
moment's worth of one, withdrawals redeem them; a loss is what a unit has lost. A future is entered as if it
had been bought whole, on credit: that is worth the same. Whatever moves within the pot of cash (sweeps,
conversions, margin) is nothing to a fund. All sums are exact fractions; times are seconds since the start.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

NOTHING = Fraction(0)
CASH = "USD"


@dataclass(frozen=True)
class Price:
    """From now on a unit of `key` is worth so many dollars."""

    at: float
    key: str
    price: Fraction


@dataclass(frozen=True)
class Trade:
    """Units of `key` were bought (sold, if negative) at a price, for a fee in dollars."""

    at: float
    key: str
    units: Fraction
    price: Fraction
    fee: Fraction = NOTHING
    strategy: str | None = None


@dataclass(frozen=True)
class Flow:
    """Dollars or coins came from outside, or left; `serial` names it."""

    at: float
    asset: str
    units: Fraction
    serial: int


@dataclass(frozen=True)
class Income:
    """Dollars that a holding brought, or cost."""

    at: float
    key: str
    dollars: Fraction


Fact = Price | Trade | Flow | Income


@dataclass
class Part:
    """What one key, or one strategy, has earned: in all, since the last flow, and as a share of the fund
    before that.
    """

    held: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    earned: Fraction = NOTHING
    lately: Fraction = NOTHING
    share: Fraction = NOTHING

    def earn(self, dollars: Fraction) -> None:
        self.earned += dollars
        self.lately += dollars


class Fund:
    """Cash, holdings, prices, units."""

    def __init__(
        self, cash: Fraction, held: Mapping[str, Fraction], prices: Mapping[str, Fraction]
    ) -> None:
        self.cash = cash
        self.held: dict[str, Fraction] = defaultdict(Fraction, held)
        self.prices = dict(prices)
        self.keys: dict[str, Part] = defaultdict(Part)
        self.strategies: dict[str, Part] = defaultdict(Part)
        self.units = self.worth
        self.highest = Fraction(1)
        self.at_last_flow = self.worth
        self.earned = self.most_earned = NOTHING

    @property
    def worth(self) -> Fraction:
        held = sum((n * self.prices[key] for key, n in self.held.items() if n), NOTHING)
        return self.cash + held

    @property
    def unit(self) -> Fraction:
        return self.worth / self.units

    @property
    def loss(self) -> Fraction:
        """Since the start, as a share."""
        return 1 - self.unit

    @property
    def drawdown(self) -> Fraction:
        """From the highest, as a share."""
        return 1 - self.unit / self.highest

    def loss_of(self, part: Part) -> Fraction:
        return -(part.share + part.lately / self.at_last_flow)

    def take(self, fact: Fact) -> None:
        match fact:
            case Price():
                self._price(fact)
            case Trade():
                self._trade(fact)
            case Income():
                self.cash += fact.dollars
                self._earn(fact.key, None, fact.dollars)
            case Flow():
                self._flow(fact)
        self.highest = max(self.highest, self.unit)
        self.most_earned = max(self.most_earned, self.earned)

    def _earn(self, key: str, strategy: str | None, dollars: Fraction) -> None:
        self.earned += dollars
        self.keys[key].earn(dollars)
        if strategy is not None:
            self.strategies[strategy].earn(dollars)

    def _price(self, fact: Price) -> None:
        rise = fact.price - self.prices[fact.key]
        self.prices[fact.key] = fact.price
        self._earn(fact.key, None, self.held[fact.key] * rise)
        for part in self.strategies.values():
            part.earn(part.held[fact.key] * rise)

    def _trade(self, fact: Trade) -> None:
        self.cash -= fact.units * fact.price + fact.fee
        self.held[fact.key] += fact.units
        gain = fact.units * (self.prices[fact.key] - fact.price) - fact.fee
        self._earn(fact.key, fact.strategy, gain)
        if fact.strategy is not None:
            self.strategies[fact.strategy].held[fact.key] += fact.units

    def _flow(self, fact: Flow) -> None:
        unit, worth = self.unit, self.worth
        if fact.asset == CASH:
            self.cash += fact.units
            dollars = fact.units
        else:
            self.held[fact.asset] += fact.units
            dollars = fact.units * self.prices[fact.asset]
        self.units += dollars / unit
        for part in (*self.keys.values(), *self.strategies.values()):
            part.share += part.lately / self.at_last_flow
            part.lately = NOTHING
        self.at_last_flow = worth + dollars


class Losses:
    """The loss at every moment of a history, with its flows at their own times or at others."""

    def __init__(
        self, fund: Fund, history: Iterable[Fact], dates: Mapping[int, float | None] | None = None
    ) -> None:
        """`dates`: other times of flows, by serial; None leaves one out."""
        self.times, self.losses = [0.0], [fund.loss]
        self.most_fallen = fund.drawdown  # the largest fall from the highest, as a share
        for fact in sorted(_dated(history, dates or {}), key=lambda one: one.at):
            fund.take(fact)
            self.times.append(fact.at)
            self.losses.append(fund.loss)
            self.most_fallen = max(self.most_fallen, fund.drawdown)

    def most(self, since: float, until: float) -> Fraction:
        """The largest between two moments."""
        first = max(0, bisect_right(self.times, since) - 1)
        return max(self.losses[first : bisect_right(self.times, until)])

    def least(self, since: float, until: float) -> Fraction:
        """The smallest between two moments."""
        first = max(0, bisect_right(self.times, since) - 1)
        return min(self.losses[first : bisect_right(self.times, until)])


def _dated(history: Iterable[Fact], dates: Mapping[int, float | None]) -> Iterable[Fact]:
    for fact in history:
        if isinstance(fact, Flow) and fact.serial in dates:
            at = dates[fact.serial]
            if at is not None:
                yield Flow(at, fact.asset, fact.units, fact.serial)
        else:
            yield fact
