"""UsdcPeg: the worth of a USDC, where books tell. Pure rule, and its watch. No I/O.

Theory of operation. USDC counts as a dollar. Where a coin has two books of its own, for USD and
for USDC, the quotient of their mids is the worth of a USDC in USD: 64,000 USD ÷ 66,000 USDC = 0.9697.
A single thin book is no proof, so that USDT must be among the coins that agree, or two others; and the rate they
tell must hold for a minute:

    beyond 1 %      an alert
    beyond 3 %      USDC_DEPEG: reducing orders only, and USDC counts at that rate in equity
    within 1 %      over: USDC counts as a dollar

The rate of cash is no PnL: loss ratios stay as they are. On Coinbase most books for USDC are the books for USD
under another name; they do not tell its worth.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.marks import Marks
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.state import CAUSES, Cause
from sidecar.core.context.tightening import loosen, tighten
from sidecar.core.vocabulary.actions import Action, Alert
from sidecar.core.vocabulary.money import ONE, plain
from sidecar.core.vocabulary.products import Product

CODE: Final = "USDC_DEPEG"
ALERT_BEYOND: Final = Decimal("0.01")
DEPEG_BEYOND: Final = Decimal("0.03")
HELD_FOR: Final = timedelta(seconds=60)
# As old as a position's mark may be: an older quote does not tell the present.
AGE_MAX: Final = timedelta(seconds=60)
# Half of the least departure that is told: two rates further apart than that disagree.
AGREE_WITHIN: Final = Decimal("0.005")
# The only coin that suffices alone: both its books are among the deepest of Coinbase.
WITNESS: Final = "USDT"
COINS: Final = 2  # without it
# Each pair is two more books to follow.
PAIRS_MAX: Final = 4
# A new rate is taken from this difference on, so that equity does not move with every tick.
STEP: Final = Decimal("0.001")
RATE_QUANTUM: Final = Decimal("0.0001")


class Pair(Struct, frozen=True):
    """Two books of the same coin: in USD, and in USDC."""

    base: str
    usd: str
    usdc: str


def pairs_of(products: Iterable[Product]) -> tuple[Pair, ...]:
    """The coins with a book of their own for each; USDT first, then by the alphabet."""
    books: dict[str, dict[str, str]] = {"USD": {}, "USDC": {}}
    for product in products:
        if not product.is_future and product.quote in books:
            books[product.quote][product.base] = product.book
    usd, usdc = books["USD"], books["USDC"]
    coins = sorted(usd.keys() & usdc.keys(), key=lambda base: (base != WITNESS, base))
    pairs = (Pair(base, usd[base], usdc[base]) for base in coins if usd[base] != usdc[base])
    return tuple(pairs)[:PAIRS_MAX]


def rates(pairs: Iterable[Pair], marks: Marks, now: datetime) -> dict[str, Decimal]:
    """The worth of a USDC by each coin, USD; only by fresh quotes within the spread cap."""
    found: dict[str, Decimal] = {}
    for pair in pairs:
        dollars, coins = _mid(pair.usd, marks, now), _mid(pair.usdc, marks, now)
        if dollars is not None and coins is not None:
            found[pair.base] = (dollars / coins).quantize(RATE_QUANTUM, ROUND_HALF_EVEN)
    return found


def _mid(book: str, marks: Marks, now: datetime) -> Decimal | None:
    quote = marks.quotes.get(book)
    if quote is None or book in marks.newest:
        return None
    is_fresh = quote.at >= marks.fresh_since and quote.at + AGE_MAX >= now
    return marks.mid(quote) if is_fresh else None


def agreed(told: Mapping[str, Decimal]) -> Decimal | None:
    """The rate that most coins agree on, with USDT or two others among them; None without it."""
    if not told:
        return None
    middle = sorted(told.values())[len(told) // 2]
    agreeing = {base for base, rate in told.items() if abs(rate - middle) <= AGREE_WITHIN}
    if 2 * len(agreeing) <= len(told):
        return None
    return middle if WITNESS in agreeing or len(agreeing) >= COINS else None


class PegMemory(Struct):
    """Since when USDC is seen beyond 1 %, beyond 3 %, within 1 %; whether the alert was given."""

    off_since: datetime | None = None
    far_since: datetime | None = None
    near_since: datetime | None = None
    is_told: bool = False

    def see(self, rate: Decimal | None, now: datetime) -> None:
        """Take in the rate that the books agree on; where they do not, each minute begins anew."""
        departure = None if rate is None else abs(rate - ONE)
        is_off = departure is not None and departure > ALERT_BEYOND
        is_far = departure is not None and departure > DEPEG_BEYOND
        is_near = departure is not None and not is_off
        self.off_since = (self.off_since or now) if is_off else None
        self.far_since = (self.far_since or now) if is_far else None
        self.near_since = (self.near_since or now) if is_near else None


class UsdcPegWatch:
    """Tells of a departure, has USDC count at its rate, and takes both back."""

    def __init__(self, desk: RiskContext) -> None:
        self.desk = desk
        self.memory = PegMemory()
        self._pairs: tuple[Pair, ...] = ()
        self._listings = 0

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The coins that are compared."""
        books = self.desk.tracker.books
        if books.listings != self._listings:
            self._listings, self._pairs = books.listings, pairs_of(books.products.values())
        return self._pairs

    @property
    def books(self) -> tuple[str, ...]:
        """The books to follow so that the rate is known."""
        return tuple(book for pair in self.pairs for book in (pair.usd, pair.usdc))

    @property
    def in_force(self) -> bool:
        """Whether USDC counts at its rate."""
        return self.desk.state.has(CODE)

    def look(self, now: datetime, actions: list[Action]) -> bool:
        """Take in the books' present rate; whether USDC counts otherwise since."""
        pairs, memory, tracker = self.pairs, self.memory, self.desk.tracker
        if not pairs:
            return False
        before, rate = tracker.marks.usdc_rate, agreed(rates(pairs, tracker.marks, now))
        memory.see(rate, now)
        if rate is not None and _has_held(memory.off_since, now) and not memory.is_told:
            memory.is_told = True
            actions.append(_alert(f"USDC is worth {plain(rate)} USD"))
        if rate is not None and _has_held(memory.far_since, now) and not self.in_force:
            self._begin(rate, now, actions)
        elif rate is not None and self.in_force and abs(rate - before) >= STEP:
            tracker.rate_usdc(rate, now)
        if _has_held(memory.near_since, now):
            self._end(now, actions)
        return tracker.marks.usdc_rate != before

    def next_look(self, now: datetime) -> datetime | None:
        """When a minute is over."""
        memory = self.memory
        if memory.off_since is None and memory.near_since is None:  # a far rate is off the peg
            return None
        since = [
            memory.off_since if not memory.is_told else None,
            memory.far_since if not self.in_force else None,
            memory.near_since if memory.is_told or self.in_force else None,
        ]
        dues = (one + HELD_FOR for one in since if one is not None)
        return min((due for due in dues if due > now), default=None)

    def _begin(self, rate: Decimal, now: datetime, actions: list[Action]) -> None:
        reason = f"USDC is worth {plain(rate)} USD, and counts at that"
        level = CAUSES[CODE].level
        cause = Cause(code=CODE, scope="all", level=level, since=now, reason=reason)
        tighten(self.desk.state, cause, actions)
        actions.append(_alert(f"{reason}; only reducing orders pass"))
        self.desk.tracker.rate_usdc(rate, now)

    def _end(self, now: datetime, actions: list[Action]) -> None:
        self.memory.is_told = False
        if self.in_force:
            loosen(self.desk.state, CODE, "all", "USDC is a dollar again, within 1 %", actions)
            self.desk.tracker.rate_usdc(ONE, now)


def _has_held(since: datetime | None, now: datetime) -> bool:
    return since is not None and now - since >= HELD_FOR


def _alert(text: str) -> Alert:
    return Alert(severity="warning", code=CODE, text=text)
