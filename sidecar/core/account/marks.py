"""Marks: the worth of one unit of each asset or contract in USD, from quotes. No I/O.

Theory of operation. Every book has a last good mid: the middle of best bid and ask while the spread
is within the cap; a fill of our own that is newer than the quote takes its place until the next
quote. Every currency has a single route to dollars, chosen from the list of products alone, so that
it never depends on which quotes happened to arrive first: direct (ETH-USD), through USDC, inverted
(USDC-EUR gives the euro), or over the fewest further books. A quote re-values exactly the keys
whose route has its book as a leg.

A mark may be old without being wrong: code that takes a new figure from a mark (a transfer, a first price)
asks for a `fresh` mark: of this process, and no older than a moment. A *confirmed* mark is a mark that a
single bad tick cannot move (confirmed_mark.py).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.confirmed_mark import ConfirmedMark
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import Quote
from sidecar.core.vocabulary.money import COST_QUANTUM, ONE, TWO, ZERO, is_bounded, is_sane
from sidecar.core.vocabulary.products import DOLLARS, Product

# A transfer takes a mark that is no older at its reading: prices of live books are told within fractions
# of a second, and an older price may have been overtaken while the transfer came.
FRESH_FOR: Final = timedelta(seconds=2)
CALLERS_WORD: Final = timedelta(
    days=1
)  # in library use a mark holds until the caller tells another
NEVER: Final = datetime.min.replace(tzinfo=UTC)
LEGS_MAX: Final = 3  # longer routes pile up spreads without being needed on Coinbase


class Mark(Struct, frozen=True):
    """A price and when it was last known to hold. For a route: the oldest of its legs."""

    value: Decimal
    at: datetime | None  # None: holds always (a dollar is a dollar)


class Step(Struct, frozen=True):
    """One step of a route: through this book's mid, or through its inverse."""

    book: str
    inverse: bool


DOLLAR: Final = Mark(ONE, None)


class Marks:
    """Quotes in, dollar marks out. Keys are currencies, and contract ids for futures."""

    def __init__(self, max_spread: Decimal) -> None:
        self.max_spread = max_spread
        self.quotes: dict[str, Quote] = {}  # the last good one of each book
        self.newest: dict[str, Quote] = {}  # the last quote of each book whose newest is not good
        # The price of each book's last trade, and when it was first told: tickers repeat it.
        self.prints: dict[str, tuple[Decimal, datetime]] = {}
        self.fresh_for = CALLERS_WORD
        self.fresh_since = NEVER  # quotes from before may have been overtaken unheard
        self.confirmations: dict[str, ConfirmedMark] = {}  # of keys held or in doubt
        self.unconfirmed: set[str] = (
            set()
        )  # the keys among them with another mark than the confirmed
        self.bargains: set[str] = (
            set()
        )  # and those of which some units were added at a better price
        self.mids: dict[str, Mark] = {}
        self.by_key: dict[str, Mark] = dict.fromkeys(DOLLARS, DOLLAR)
        self.routes: dict[str, tuple[Step, ...]] = {}
        self.usdc_rate = ONE  # USD per USDC: a dollar, but while it has lost its peg (usdc_peg.py)
        self.by_usdc: frozenset[str] = frozenset()  # keys with routes that end in USDC
        self._rated: frozenset[str] = frozenset()  # these, while it counts otherwise than a dollar
        self._marked_by: dict[str, tuple[str, ...]] = {}
        self.good_quotes = 0

    def list_products(self, products: Iterable[Product]) -> None:
        """Choose every key's route anew from all products listed."""
        listed = sorted(products, key=lambda product: product.product_id)
        self.routes, self.by_usdc = _routes(listed)
        self._rated = frozenset() if self.usdc_rate == ONE else self.by_usdc
        marked_by: dict[str, list[str]] = {}
        for key, legs in self.routes.items():
            for leg in legs:
                marked_by.setdefault(leg.book, []).append(key)
        self._marked_by = {book: tuple(keys) for book, keys in marked_by.items()}
        for key in self.routes:
            self._remark(key)

    @staticmethod
    def check(quote: Quote) -> None:
        """Raise Untrusted for numbers that no book can have."""
        if not (is_sane(quote.bid) and is_sane(quote.ask)):
            raise Untrusted(
                f"quote of {quote.product_id}: bid {quote.bid} and ask {quote.ask} cannot be; "
                "it was left out"
            )

    def quote(self, quote: Quote, now: datetime) -> tuple[str, ...]:
        """Take a quote and return the keys it may have re-marked.

        Only good quotes are kept: an empty or crossed book, or a spread beyond the cap, leaves the
        last good one standing and growing stale. A quote older than the one held came late and is
        left out, unless the one held lies in the future: the clock was set back.
        """
        book = quote.product_id
        known = self.mids.get(book)
        if known is not None and known.at is not None and quote.at < known.at <= now:
            return ()
        if quote.last is not None:
            printed = self.prints.get(book)
            if printed is None or printed[0] != quote.last:
                self.prints[book] = (quote.last, quote.at)
        if not self.is_good(quote):
            if ZERO < quote.bid <= quote.ask:  # a position may still be sold at its near side
                self.newest[book] = quote
            return ()
        if known is None or known.at != quote.at:
            self.good_quotes += 1
        if self.newest:
            self.newest.pop(book, None)
        self.quotes[book] = quote
        self.mids[book] = Mark(self.mid(quote), quote.at)
        keys = self._marked_by.get(book, ())
        for key in keys:
            self._remark(key)
        return keys

    @staticmethod
    def mid(quote: Quote) -> Decimal:
        """The middle of best bid and ask, in quote currency."""
        return (quote.bid + quote.ask) / TWO

    def is_good(self, quote: Quote) -> bool:
        """Whether a quote gives a mark: it has two sides, in order, within the spread cap."""
        if not ZERO < quote.bid <= quote.ask:
            return False
        return quote.ask - quote.bid <= self.max_spread * self.mid(quote)

    def traded(self, book: str, price: Decimal, at: datetime) -> tuple[str, ...]:
        """A fill of our own is the newest price of its book; the keys that it may have re-marked."""
        assert price > ZERO
        self.mids[book] = Mark(price, at)
        keys = self._marked_by.get(book, ())
        for key in keys:
            self._remark(key)
        return keys

    def priced_by_fills(self) -> dict[str, Mark]:
        """Books whose mark is a fill of our own that was newer than the last good quote."""
        quotes = self.quotes
        return {
            book: mid
            for book, mid in self.mids.items()
            if book not in quotes or quotes[book].at != mid.at
        }

    def restore(self, quotes: Iterable[Quote], priced_by_fills: Mapping[str, Mark]) -> None:
        """Take up the good quotes, and fills newer than these, known before a restart."""
        for quote in quotes:
            self.quotes[quote.product_id] = quote
            self.mids[quote.product_id] = Mark(self.mid(quote), quote.at)
        self.mids |= priced_by_fills
        for key in self.routes:
            self._remark(key)

    def usd(self, key: str) -> Decimal | None:
        """Dollars per unit, or None where no quote leads to dollars."""
        mark = self.by_key.get(key)
        return None if mark is None else mark.value

    def rate_usdc(self, rate: Decimal) -> tuple[str, ...]:
        """Let a USDC count so many USD; the keys that this has re-marked."""
        self.usdc_rate = rate
        self._rated = frozenset() if rate == ONE else self.by_usdc
        self.by_key["USDC"] = Mark(rate, None)
        for key in self.by_usdc:
            self._remark(key)
        return ("USDC", *sorted(self.by_usdc))

    def end_usd(self, key: str) -> Decimal:
        """The worth of the dollar at the end of the key's route, USD."""
        return self.usdc_rate if key in self._rated else ONE

    def follow(
        self,
        key: str,
        confirmed: Decimal,
        mark: Decimal | None = None,
        *,
        is_settled: bool = False,
    ) -> None:
        """A key begins to be held, worked or in doubt: its confirmed mark begins at this price, which
        is settled where it was dealt at.
        """
        assert confirmed >= ZERO, "a price is below zero"
        self.confirmations[key] = ConfirmedMark(
            confirmed, confirmed, confirmed, is_settled=is_settled
        )
        self.unconfirmed.discard(key)
        self.bargains.discard(key)
        if mark is not None and mark != confirmed:
            self.unconfirmed.add(key)

    def begin_again(self, now: datetime) -> None:
        """A new process: quotes of before may have been overtaken unheard."""
        self.fresh_since = now
        for key in self.confirmations:
            self.unsettle(key)

    def unsettle(self, key: str) -> None:
        """Transfers from now on are not priced at the mark confirmed before; it stays until another is confirmed."""
        known = self.confirmations.get(key)
        if known is not None:
            known.run, known.still, known.is_settled = None, None, False

    def is_fresh(self, key: str, now: datetime) -> bool:
        """Whether the mark is of this process, and no older than `fresh_for` by then."""
        mark = self.by_key.get(key)
        if mark is None or mark.at is None:
            return mark is not None
        return mark.at >= self.fresh_since and mark.at + self.fresh_for >= now

    def is_current(self, key: str) -> bool:
        """Whether the mark is of this process, however old."""
        mark = self.by_key.get(key)
        return mark is not None and (mark.at is None or mark.at >= self.fresh_since)

    def near_usd(self, key: str, *, sells: bool) -> Decimal | None:
        """Dollars per unit at the near side (the bid to who sells) of the newest quotes beyond the spread cap on a
        key's route; None without such a quote, or where a step of the route has no price at all.
        """
        value, is_beyond = self.end_usd(key), False
        for step in self.routes.get(key, ()):
            quote, mid = self.newest.get(step.book), self.mids.get(step.book)
            if quote is not None and (mid is None or mid.at is None or quote.at >= mid.at):
                is_beyond = True
                price = quote.bid if sells != step.inverse else quote.ask
            elif mid is not None:
                price = mid.value
            else:
                return None
            value = value / price if step.inverse else value * price
        return value if is_beyond else None

    def late_usd(self, key: str, now: datetime, age: timedelta) -> Decimal | None:
        """Dollars per unit by a mark of this process that is no older than so much."""
        mark = self.by_key.get(key)
        is_late = mark is not None and (mark.at is None or mark.at + age >= now)
        return self.usd(key) if is_late and self.is_current(key) else None

    def fresh_usd(self, key: str, now: datetime) -> Decimal | None:
        """Dollars per unit by a fresh mark."""
        return self.usd(key) if self.is_fresh(key, now) else None

    def confirmed(self, key: str) -> Decimal | None:
        """Dollars per unit by the confirmed mark; None where none is followed."""
        known = self.confirmations.get(key)
        return None if known is None else known.value

    def settled(self, key: str) -> Decimal | None:
        """Dollars per unit by a confirmed mark that is more than a first sight."""
        known = self.confirmations.get(key)
        return known.value if known is not None and known.is_settled else None

    def _remark(self, key: str) -> None:
        legs = self.routes[key]
        if len(legs) == 1 and not legs[0].inverse and key not in self._rated:
            # The common case by far: ASSET-USD.
            if (mid := self.mids.get(legs[0].book)) is not None:
                self.by_key[key] = mid
            return
        value, oldest = self.end_usd(key), None
        for leg in legs:
            mid = self.mids.get(leg.book)
            if mid is None:
                return
            value = value / mid.value if leg.inverse else value * mid.value
            oldest = (
                mid.at if oldest is None or (mid.at is not None and mid.at < oldest) else oldest
            )
        if is_bounded(value):  # else no price: a book on the way shows nonsense
            self.by_key[key] = Mark(value.quantize(COST_QUANTUM, ROUND_HALF_EVEN), oldest)


def _routes(listed: list[Product]) -> tuple[dict[str, tuple[Step, ...]], frozenset[str]]:
    """Breadth first from the dollar outwards: the fewest legs win, then USD before USDC, then the
    alphabet. Also the keys with routes that end in USDC.
    """
    steps: dict[str, list[tuple[str, Step]]] = {}
    for product in listed:
        if not product.is_future:
            steps.setdefault(product.quote, []).append(
                (product.base, Step(product.book, inverse=False))
            )
            steps.setdefault(product.base, []).append(
                (product.quote, Step(product.book, inverse=True))
            )
    routes: dict[str, tuple[Step, ...]] = dict.fromkeys(sorted(DOLLARS), ())
    frontier, ends = list(routes), {name: name for name in routes}
    for _ in range(LEGS_MAX):
        reached: list[str] = []
        for currency in frontier:
            for other, leg in steps.get(currency, ()):
                if other not in routes:
                    routes[other] = (leg, *routes[currency])
                    ends[other] = ends[currency]
                    reached.append(other)
        frontier = reached
    for product in listed:
        if product.is_future and (quoted := routes.get(product.quote)) is not None:
            routes[product.product_id] = (Step(product.book, inverse=False), *quoted)
            ends[product.product_id] = ends[product.quote]
    marked = {key: legs for key, legs in routes.items() if legs}
    return marked, frozenset(key for key in marked if ends[key] == "USDC")
