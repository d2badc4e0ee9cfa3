"""One book: the market's liquidity around its best bid and ask, and the account's resting orders.
No I/O.

The market is told as best bid and ask; the depth behind them is made up by one rule, so that a
large order walks prices and can find too little. Size that the account takes stays taken until the
market's next quote. The account's own resting orders show in the book as they would on Coinbase.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import islice, takewhile
from typing import Final, NamedTuple

from sidecar.core.vocabulary.money import ONE, ZERO, ceil_to, floor_to
from sidecar.paper.venue.listing import Listing
from sidecar.paper.venue.order import Order, Side
from sidecar.paper.venue.quote import Quote
from sidecar.paper.venue.tape import Candle, Tape

DEPTH: Final = 50  # levels a side, as on Coinbase's own pages
LEVEL_GAP: Final = Decimal("0.0002")  # of the price: fifty levels reach one per cent


class Level(NamedTuple):
    """The size offered at one price, base units or contracts."""

    price: Decimal
    size: Decimal


NO_OFFER: Final = Level(ZERO, ZERO)


class Book:
    """The book of one product and of its aliases."""

    def __init__(self, listing: Listing, tape: Tape) -> None:
        self.product_id = listing.product_id
        self.step = listing.price_increment
        self.size_step = listing.base_increment
        self.tape = tape
        self.bid: Level | None = None
        self.ask: Level | None = None
        self.at: datetime | None = None
        self.futures: list[str] = []  # contracts whose quotes follow this book's
        self.silent = False  # it takes no quotes of the market's
        self.held = False  # the market goes on quoting the prices that stand
        self.scale = ONE  # its quotes in parts of the market's own: a hand has moved the price
        self.last_up = False  # whether the market's latest trade was a buy
        self._taken: dict[Side, dict[Decimal, Decimal]] = {"BUY": {}, "SELL": {}}
        self._resting: dict[Side, list[Order]] = {"BUY": [], "SELL": []}

    # ------------------------------------------------------------------------------- the market

    def move(self, quote: Quote) -> None:
        """Take the market's new best bid and ask; size taken of the old ones is forgotten. A size
        of zero is an empty side.
        """
        self.bid = Level(quote.bid, quote.bid_size) if quote.bid_size else None
        self.ask = Level(quote.ask, quote.ask_size) if quote.ask_size else None
        self.at = quote.at
        if self._taken["BUY"]:
            self._taken["BUY"].clear()
        if self._taken["SELL"]:
            self._taken["SELL"].clear()

    def as_told(self, quote: Quote) -> Quote:
        """A quote of the market's as this book takes it: at the price that a hand has moved it to, or at the one that
        it holds.
        """
        if self.held:
            bid, ask = self.bid or NO_OFFER, self.ask or NO_OFFER
            return Quote(quote.at, quote.product_id, *bid, *ask)
        if self.scale == ONE:
            return quote
        bid_price = max(self.step, floor_to(quote.bid * self.scale, self.step))
        ask_price = max(bid_price + self.step, ceil_to(quote.ask * self.scale, self.step))
        return quote._replace(bid=bid_price, ask=ask_price)

    def empty(self) -> None:
        """All other traders leave."""
        self.bid = self.ask = None
        self._taken = {"BUY": {}, "SELL": {}}

    @property
    def mid(self) -> Decimal | None:
        """Middle of the displayed best bid and ask."""
        bid, ask = self.top("BUY"), self.top("SELL")
        return (bid.price + ask.price) / 2 if bid and ask else None

    def liquidity(self, side: Side) -> Iterator[Level]:
        """The others' offers on this side of the book, best first, less the size taken."""
        best = self.bid if side == "BUY" else self.ask
        if best is None:
            return
        taken = self._taken[side]
        gap = self._gap(best.price)
        away = -gap if side == "BUY" else gap
        for place in range(DEPTH):
            price = best.price + away * place
            if price <= 0:
                return
            size = best.size * (place + 1) - taken.get(price, ZERO)
            if size > 0:
                yield Level(price, size)

    def _gap(self, best: Decimal) -> Decimal:
        """From one level to the next, in quote currency."""
        return max(self.step, floor_to(best * LEVEL_GAP, self.step))

    def _market_size(self, side: Side, price: Decimal) -> Decimal:
        """The others' size at exactly this price, found without walking there."""
        best = self.bid if side == "BUY" else self.ask
        if best is None or _better(side, price, best.price):
            return ZERO
        place, off = divmod(abs(price - best.price), self._gap(best.price))
        if off or place >= DEPTH or price <= 0:
            return ZERO
        return max(ZERO, best.size * (place + 1) - self._taken[side].get(price, ZERO))

    def consume(self, side: Side, level: Level) -> None:
        """Remember that this much was taken from this side at this price."""
        taken = self._taken[side]
        taken[level.price] = taken.get(level.price, ZERO) + level.size

    # ------------------------------------------------------------------------ resting own orders

    def rest(self, order: Order) -> None:
        """Put an order behind all that wait at its price."""
        order.queue_ahead = self._market_size(order.side, order.terms.limit_price)
        insort(self._resting[order.side], order, key=PRIORITY[order.side])

    def remove(self, order: Order) -> None:
        """Take an order out of the book, if it is there."""
        orders, priority = self._resting[order.side], PRIORITY[order.side]
        place = bisect_left(orders, priority(order), key=priority)
        if place < len(orders) and orders[place] is order:
            del orders[place]

    def resting(self, side: Side) -> tuple[Order, ...]:
        """Own orders on this side: best price first, then the oldest."""
        return tuple(self._resting[side])

    def best_own(self, side: Side) -> Order | None:
        orders = self._resting[side]
        return orders[0] if orders else None

    # -------------------------------------------------------------------------- displayed levels

    def top(self, side: Side) -> Level | None:
        """The displayed best of this side, own orders counted."""
        own = self.best_own(side)
        if own is None and not self._taken[side]:  # nearly always
            return self.bid if side == "BUY" else self.ask
        market = next(self.liquidity(side), None)
        if own is None:
            return market
        price = own.terms.limit_price
        if market is not None and not _better(side, price, market.price) and price != market.price:
            return market
        same = takewhile(lambda o: o.terms.limit_price == price, self._resting[side])
        size = sum((order.remaining for order in same), ZERO)
        shared = market.size if market is not None and market.price == price else ZERO
        return Level(price, size + shared)

    def shown(self, side: Side, depth: int = DEPTH) -> list[Level]:
        """The displayed levels of this side, best first."""
        sizes: dict[Decimal, Decimal] = {}
        own = (Level(o.terms.limit_price, o.remaining) for o in self._resting[side])
        for level in (*islice(self.liquidity(side), depth), *own):
            sizes[level.price] = sizes.get(level.price, ZERO) + level.size
        ordered = sorted(sizes, reverse=side == "BUY")
        return [Level(price, sizes[price]) for price in ordered[:depth]]

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Whether a limit order at this price would trade at once."""
        best = self.top("SELL" if side == "BUY" else "BUY")
        return best is not None and not _better(side, best.price, price)


def _better(side: Side, price: Decimal, than: Decimal) -> bool:
    """Whether `price` goes before `than` on this side of a book."""
    return price > than if side == "BUY" else price < than


def _highest_first(order: Order) -> tuple[Decimal, int]:
    return (-order.terms.limit_price, order.number)


def _lowest_first(order: Order) -> tuple[Decimal, int]:
    return (order.terms.limit_price, order.number)


# Best price first, then the oldest.
PRIORITY: Final[dict[Side, Callable[[Order], tuple[Decimal, int]]]] = {
    "BUY": _highest_first,
    "SELL": _lowest_first,
}


def future_quote(quote: Quote, listing: Listing) -> Quote:
    """The quote of a future: its underlying's moved by the basis, to the contract's own steps."""
    contract = listing.contract
    assert contract is not None
    factor, step = ONE + contract.basis, listing.price_increment
    size = contract.contract_size
    bid = max(step, floor_to(quote.bid * factor, step))
    ask = max(bid + step, ceil_to(quote.ask * factor, step))
    return Quote(
        quote.at,
        listing.product_id,
        bid,
        max(ONE, quote.bid_size // size),
        ask,
        max(ONE, quote.ask_size // size),
    )


def future_candle(candle: Candle, listing: Listing) -> Candle:
    """A candle of a future, from its underlying's, by the rule of `future_quote`."""
    contract = listing.contract
    assert contract is not None
    factor, step = ONE + contract.basis, listing.price_increment
    low, high, opening, close = (
        max(step, floor_to(price * factor, step))
        for price in (candle.low, candle.high, candle.open, candle.close)
    )
    volume = floor_to(candle.volume / contract.contract_size, ONE)
    return Candle(candle.start, low, high, opening, close, volume)


def matches(levels: Iterable[Level], side: Side, limit: Decimal) -> Iterator[Level]:
    """The levels that a taker on `side` may trade with under this limit price, best first."""
    for level in levels:
        if _better(side, level.price, limit) and level.price != limit:
            return
        yield level
