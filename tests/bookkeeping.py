"""A second bookkeeping, written only for the tests: per-fill cash accounting with exact fractions.

It shares no code and no formula with the sidecar. Every fill is a flow of units against a flow of
dollars; what a key has realised is never summed up fill by fill, it follows from the flows:
realised = net cash + cost of what is left. The one convention it has in common with the sidecar is
the documented one: the part of a cost, or of a fill's value, that belongs to a part of a quantity is
rounded half-even to 18 decimals.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

CASH = {"USD", "USDC", "EUR"}


def rounded(value: Fraction) -> Fraction:
    return Fraction(round(value * 10**18), 10**18)  # round() is half-even


def part(whole: Fraction, numerator: Fraction, denominator: Fraction) -> Fraction:
    return rounded(whole * abs(numerator) / abs(denominator))


@dataclass
class Flow:
    """One key in one scope: units in, dollars out, and what the units that are left have cost."""

    units: Fraction = Fraction(0)
    cash: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)

    @property
    def realised(self) -> Fraction:
        return self.cash + self.cost

    def trade(self, units: Fraction, dollars: Fraction) -> None:
        """Signed units come in, signed dollars go out."""
        self.cash -= dollars
        after = self.units + units
        if self.units * units >= 0:
            self.cost += dollars
        elif self.units * after > 0:
            self.cost -= part(self.cost, units, self.units)
        else:  # all of the old is closed; what is left was opened by this fill
            self.cost = dollars - (part(dollars, self.units, units) if after else dollars)
        self.units = after


@dataclass
class Ledger:
    """Wallets, and the flows of the account and of every strategy."""

    rates: dict[str, Fraction]  # dollars per unit
    keep: Mapping[str, Fraction | None] = field(default_factory=dict)
    wallets: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    scopes: dict[str | None, dict[str, Flow]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Flow))
    )

    def counted(self, currency: str) -> Fraction:
        keep = self.keep.get(currency, Fraction(0))
        if keep is None:
            return Fraction(0)
        total = self.wallets[currency]
        return total if total < 0 else max(Fraction(0), total - keep)

    def move(self, currency: str, units: Fraction, dollars: Fraction, strategy: str | None) -> None:
        """Units of a currency come into its wallet, and into the positions if it is a coin."""
        before = self.counted(currency)
        self.wallets[currency] += units
        if currency in CASH:
            return
        if strategy is not None:
            self.scopes[strategy][currency].trade(units, dollars)
        moved = self.counted(currency) - before
        if moved == units:
            self.scopes[None][currency].trade(units, dollars)
        elif moved:
            self.scopes[None][currency].trade(moved, part(dollars, moved, units))

    def charge(self, key: str, dollars: Fraction, strategy: str | None) -> None:
        for scope in {None, strategy}:
            self.scopes[scope][key].fees += dollars

    def spot(
        self, product: str, units: Fraction, price: Fraction, strategy: str | None = None
    ) -> None:
        base, quote = product.split("-")
        paid = units * price
        dollars = paid * self.rates[quote]
        self.move(base, units, dollars, strategy)
        self.move(quote, -paid, -dollars, strategy)

    def fee(self, product: str, currency: str, fee: Fraction, strategy: str | None = None) -> None:
        dollars = fee * self.rates[currency]
        self.charge(product.partition("-")[0], dollars, strategy)
        traded = currency in product.split("-")
        self.move(currency, -fee, -dollars, strategy if traded else None)

    def future(
        self, contract: str, units: Fraction, price: Fraction, strategy: str | None = None
    ) -> None:
        for scope in {None, strategy}:
            self.scopes[scope][contract].trade(units, units * price)

    def net(self, scope: str | None = None) -> Fraction:
        """What the scope is worth at the rates of now, less the net cash it cost, less its fees."""
        flows = self.scopes[scope].items()
        return sum(
            (
                f.cash + f.units * self.rates[key] - f.fees if f.units else f.cash - f.fees
                for key, f in flows
            ),
            Fraction(0),
        )


def exact(value: Decimal) -> Fraction:
    return Fraction(value)
