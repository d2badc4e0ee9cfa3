"""Positions, PnL and worst-case exposure of one scope: the account, or one strategy. No I/O.

Theory of operation. A `Portfolio` has a `Exposure` for every exposure key that is held or worked. A line
knows its position at average cost, the open and reserved quantity of each side, and its mark; from
these follow its worst case and its unrealised PnL. The book keeps the sums over its lines. Every
change of a line ends in `restate`, which takes the line's old share out of the sums and puts the
new one in: every figure a rule needs is there already, however many orders are open. All of it is
exact (see money.py), so the sums never drift.

Signs: quantities are positive when long; values are quantity × price; losses are negative PnL.
"""

from collections import deque
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import islice
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.money import COST_QUANTUM, ZERO, share
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.orders import BUY

CHANGED_MAX: Final = 16  # an order touches a line or two; prices touch all, and then all are read


class Position(Struct):
    """A position at average cost. `cost` is the price paid for the present quantity (USD, signed
    like the quantity).

    `entry_cost` is the same for display: holdings from before the first start enter at Coinbase's
    average price there, and at the first mark in `cost`. `unpriced` is quantity that came when no
    mark was known: it is worth its mark and costs the same until one is.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    entry_cost: Decimal = ZERO
    unpriced: Decimal = ZERO

    def trade(self, quantity: Decimal, value: Decimal) -> Decimal:
        """Add signed `quantity` for signed `value` (USD) and return the PnL realised.

        Four cases: increase (no PnL realised), reduce, close, flip (all of the old is closed, the
        rest opens at the trade's own price).
        """
        held = self.quantity
        if held == ZERO or (held > ZERO) == (quantity > ZERO):
            self.quantity = held + quantity
            self.cost += value
            self.entry_cost += value
            return ZERO
        size, closing = abs(held), min(abs(held), abs(quantity))
        closed_value = share(value, closing, abs(quantity))
        released = share(self.cost, closing, size)
        opened_value = value - closed_value
        self.quantity = held + quantity
        self.cost += opened_value - released
        self.entry_cost += opened_value - share(self.entry_cost, closing, size)
        assert self.quantity or not (self.cost or self.entry_cost), "no units are left, but a cost"
        return -closed_value - released

    def price(self, mark: Decimal) -> Decimal:
        """Give the unpriced quantity its cost and return the PnL realised: that of units which left
        meanwhile.
        """
        value = (self.unpriced * mark).quantize(COST_QUANTUM, ROUND_HALF_EVEN)
        self.cost += value
        if self.unpriced != self.quantity or not self.entry_cost:
            self.entry_cost += value  # else Coinbase's own average price stays on display
        self.unpriced = ZERO
        if self.quantity:
            return ZERO
        realised, self.cost, self.entry_cost = -self.cost, ZERO, ZERO
        return realised

    def average_price(self) -> Decimal | None:
        """Average entry price for display, USD per unit; None while no quantity is held, or none is
        priced.
        """
        return self.entry_cost / self.quantity if self.quantity and self.entry_cost else None


class Pnl(Struct):
    """Settled PnL, in USD. Fees and funding are separate from realised PnL and always
    counted.
    """

    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def settled(self) -> Decimal:
        """The net PnL without its unrealised part."""
        return self.realised - self.fees + self.funding

    def add(self, realised: Decimal, fee: Decimal, funding: Decimal = ZERO) -> None:
        self.realised += realised
        self.fees += fee
        self.funding += funding


class Exposure:
    """One exposure key within a book. The derived figures are current after every `Book.restate`.

    `long` and `short` are the worst cases if every open and reserved order of that side filled,
    `size` the larger of both in units; the `_usd` figures are the same at the mark, zero while
    there is none. `at_cost`: the money in the position, USD, contracts that would be added at the mark among it.
    """

    __slots__ = (
        "at_cost",
        "doubted",
        "futures_profit",
        "is_future",
        "key",
        "long",
        "long_usd",
        "mark",
        "notional",
        "open_buy",
        "open_sell",
        "orders",
        "position",
        "serial",
        "short",
        "short_usd",
        "size",
        "unrealised",
    )

    def __init__(self, key: str, *, is_future: bool, mark: Decimal | None) -> None:
        self.key = key
        self.is_future = is_future
        self.mark = mark
        self.position = Position()
        self.open_buy = self.open_sell = ZERO
        self.doubted = ZERO  # the excess of Coinbase's reading over the books, unexplained
        self.orders = self.serial = 0  # `serial`: of the book's last change to it
        self.long = self.short = self.size = ZERO
        self.long_usd = self.short_usd = self.notional = self.unrealised = self.futures_profit = (
            ZERO
        )
        self.at_cost = ZERO

    @property
    def is_idle(self) -> bool:
        """Flat and without orders: only its realised PnL has to be remembered."""
        held = self.position.quantity or self.position.unpriced or self.doubted
        return not (held or self.orders or self.open_buy or self.open_sell)


class Portfolio:
    """All lines of one scope and their sums, in USD."""

    def __init__(self) -> None:
        self.lines: dict[str, Exposure] = {}
        self.pnl_by_key: dict[str, Pnl] = {}
        self.pnl = Pnl()
        self.gross = self.long_usd = self.short_usd = self.unrealised = ZERO
        self.net_pnl = ZERO  # realised + unrealised − fees + funding
        self.futures_pnl = ZERO  # the part of the net PnL that is the futures'
        # Against Coinbase's entry prices: the amount that the futures wallet will be paid.
        self.futures_profit = ZERO
        self.at_cost = ZERO
        # Money bound by a strategy's orders, by currency: the holds of purchases, fees among them, and coins that the
        # sale of a coin pair is to bring.
        self.bound: dict[str, Decimal] = {}
        self.orders = 0
        # Grows with every change of a line: who keeps figures of lines sees which are old.
        self.serial = self.members = 0  # `members`: with every line that comes or goes
        self.changed: deque[str] = deque(maxlen=CHANGED_MAX)  # the last ones' keys, one a serial

    @property
    def net_exposure(self) -> Decimal:
        return max(abs(self.long_usd), abs(self.short_usd))

    def net_pnl_of(self, key: str) -> Decimal:
        pnl, line = self.pnl_by_key.get(key), self.lines.get(key)
        return (pnl.settled if pnl else ZERO) + (line.unrealised if line else ZERO)

    def settled_of(self, key: str) -> Decimal:
        """The key's net PnL without the unrealised part, USD."""
        pnl = self.pnl_by_key.get(key)
        return pnl.settled if pnl else ZERO

    def begin(self, key: str, *, is_future: bool, mark: Decimal | None) -> Exposure:
        """Begin a line for this key."""
        self.members += 1
        line = self.lines[key] = Exposure(key, is_future=is_future, mark=mark)
        return line

    def settle(self, line: Exposure, quantity: Decimal, value: Decimal | None) -> None:
        """Signed base units come for signed USD; without a value the first mark prices them."""
        position = line.position
        if value is None:
            position.quantity += quantity
            position.unpriced += quantity
        else:
            if position.unpriced:  # a fill is a price too, and the first one known
                self.charge(line, position.price(value / quantity))
            self.charge(line, position.trade(quantity, value))
        self.restate(line)

    def charge(
        self, line: Exposure, realised: Decimal, fee: Decimal = ZERO, funding: Decimal = ZERO
    ) -> None:
        """Book PnL that is settled, for the line's key and in all."""
        pnl = self.pnl_by_key.get(line.key)
        if pnl is None:
            pnl = self.pnl_by_key[line.key] = Pnl()
        pnl.add(realised, fee, funding)
        self.pnl.add(realised, fee, funding)
        self.net_pnl += realised - fee + funding
        if line.is_future:
            self.futures_pnl += realised - fee + funding

    def correct(self, line: Exposure, filled: Decimal, value: Decimal, side: Side) -> None:
        """A late exact figure moves the value of `filled` booked units by `value` (signed USD),
        their number unchanged.

        The cost moves for the units still open (at most all that is held on that side), and the
        realised PnL for the rest.
        """
        held = line.position.quantity if side == BUY else -line.position.quantity
        still_open = min(max(ZERO, held), filled)
        cost = share(value, still_open, filled) if still_open else ZERO
        assert abs(cost) <= abs(value) + COST_QUANTUM, "a part costs more than the whole"
        line.position.cost += cost
        line.position.entry_cost += cost
        if value != cost:
            self.charge(line, cost - value)
        self.restate(line)

    def work(self, line: Exposure, side: Side, quantity: Decimal, orders: int) -> None:
        """Open or reserved quantity (base units) and the number of orders change by this much."""
        if side == BUY:
            line.open_buy += quantity
        else:
            line.open_sell += quantity
        line.orders += orders
        self.orders += orders
        self._restate_exposure(line)

    def bind(self, currency: str, amount: Decimal) -> None:
        """Orders bind so much more of a currency."""
        bound = self.bound.get(currency, ZERO) + amount
        self.bound[currency] = bound
        if not bound:
            del self.bound[currency]

    def mark(self, key: str, mark: Decimal, price: Decimal | None = None) -> None:
        """A new mark, USD per base unit. `price`: for units that wait for a price; None: they wait on."""
        line = self.lines.get(key)
        if line is None:
            return
        line.mark = mark
        if line.position.unpriced and price is not None:
            self.charge(line, line.position.price(price))
        self.restate(line)

    def changed_since(self, serial: int) -> Iterable[str]:
        """The keys of the lines that have changed since that serial number, each once."""
        changes = self.serial - serial
        if changes > len(self.changed):
            return [key for key, line in self.lines.items() if line.serial > serial]
        return dict.fromkeys(islice(reversed(self.changed), changes))

    def restate(self, line: Exposure) -> None:
        """Bring the line's derived figures and the book's sums up to date.

        An idle line is dropped.
        """
        position, mark = line.position, line.mark
        priced = position.quantity - position.unpriced
        unrealised = ZERO if mark is None else priced * mark - position.cost
        change = unrealised - line.unrealised
        self.unrealised += change
        self.net_pnl += change
        line.unrealised = unrealised
        if line.is_future:
            profit = ZERO if mark is None else position.quantity * mark - position.entry_cost
            self.futures_profit += profit - line.futures_profit
            line.futures_profit = profit
            self.futures_pnl += change
        elif (
            position.cost != line.at_cost
        ):  # units that were sold before their purchase hold no money
            self._restate_cost(line, max(ZERO, position.cost))
        self._restate_exposure(line)

    def _restate_cost(self, line: Exposure, at_cost: Decimal) -> None:
        self.at_cost += at_cost - line.at_cost
        line.at_cost = at_cost

    def _restate_exposure(self, line: Exposure) -> None:
        """The same for the figures that open and reserved orders change: all but the profit."""
        line.serial = self.serial = self.serial + 1
        self.changed.append(line.key)
        quantity = line.position.quantity
        long = quantity + line.open_buy
        short = quantity - line.open_sell
        if line.doubted:  # while it is unknown, the larger counts
            long, short = max(long, long + line.doubted), min(short, short + line.doubted)
        if short < ZERO and not line.is_future:
            short = ZERO  # spot cannot be sold short
        mark = line.mark
        long_usd, short_usd = (ZERO, ZERO) if mark is None else (long * mark, short * mark)
        if long >= short >= ZERO:  # never short: the long side is the larger
            line.size, notional = long, long_usd
        else:
            line.size = max(abs(long), abs(short))
            notional = max(abs(long_usd), abs(short_usd))
        self.gross += notional - line.notional
        self.long_usd += long_usd - line.long_usd
        self.short_usd += short_usd - line.short_usd
        if line.is_future:
            added = ZERO if mark is None else (line.size - abs(quantity)) * mark
            self._restate_cost(line, abs(line.position.cost) + added)
        line.long, line.short = long, short
        line.long_usd, line.short_usd, line.notional = long_usd, short_usd, notional
        if not quantity and line.is_idle:
            del self.lines[line.key]
            self.members += 1
