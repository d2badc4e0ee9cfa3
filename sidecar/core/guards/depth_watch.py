"""DepthWatch: the books whose depth is wanted, and whether it is there. No I/O.

While a limit is on costs, the books that could be needed are followed: those that positions and working orders would be
sold in, and those of the products that bots have asked about within the hour. A wanted depth that is missing is read
over REST, ever slower while it stays away. Without such a limit nothing is followed; the largest positions' books are
read once a minute, so that the price of an exit can be shown.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct, field

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary.actions import Action, FollowDepth, ReadDepth
from sidecar.core.vocabulary.products import Product

FOLLOWED_MAX: Final = 50  # books: each tells of every change of its levels
ASKED_FOR: Final = timedelta(hours=1)  # a bot that has asked about a book is likely to ask again
NOTED_EVERY: Final = timedelta(minutes=1)  # a bot may ask a thousand times a second
# A depth that was asked for comes within a second, from either source; a book that stays away is read ever slower:
# fifty books, read once a minute, take half of an hour's requests.
READ_AGAIN: Final = timedelta(seconds=5)
READ_AGAIN_MAX: Final = timedelta(minutes=1)
READ_AT_ONCE: Final = 10  # books in one wish: a second's requests
SHOWN_MAX: Final = 10  # positions whose exit is shown without a limit, the largest
SHOWN_EVERY: Final = timedelta(minutes=1)
NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Reading(Struct, frozen=True):
    """When a book may be read again, and how long is waited after that."""

    next_at: datetime
    pause: timedelta


class DepthMemory(Struct):
    """Which books were asked about and when, last one last; those followed (None: this process has not said), and the
    readings asked for of those that are missing; when books were last read to be shown.
    """

    asked: dict[str, datetime] = field(default_factory=dict)
    followed: tuple[str, ...] | None = ()
    readings: dict[str, Reading] = field(default_factory=dict)
    shown_at: datetime | None = None


class DepthWatch:
    """Wishes for the depths that are wanted, and lets those known grow old."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.memory = DepthMemory()
        self._wanted: tuple[str, ...] = ()  # the largest exposures first
        self._chosen_of: tuple[object, ...] = ()  # what they were chosen by
        self._asked_changes = 0
        self._needed: dict[str, tuple[str, ...]] = {}  # by each product that was asked about
        self._needed_of: tuple[object, ...] = ()
        # From when until when the books of a product need not be noted anew.
        self._noted: dict[str, tuple[datetime, datetime]] = {}
        self._read_of: tuple[object, ...] = ()  # what was missing when it was looked at last
        self._read_at = NEVER  # when time alone lets one be read again
        self._looked_at = NEVER

    def begin(self) -> None:
        """A new process has no depth, and follows no book."""
        self.desk.tracker.depths.forget()
        self.memory.followed = None
        self.memory.readings.clear()
        self.memory.shown_at = None
        self._read_of = ()

    def look(self, now: datetime, actions: list[Action]) -> None:
        """A fact was taken in, or time has passed."""
        if not self.desk.reads_depth:
            self._show(now, actions)
            return
        self.desk.tracker.depths.pass_time(now, self.desk.max_depth_age)
        if not self.settings.connected:
            return
        self._follow(now, actions)
        self._read(now, actions)

    def asked(self, product: Product, now: datetime, actions: list[Action]) -> bool:
        """A bot has asked about an order for this product; whether that leads to a wish."""
        noted = self._noted.get(product.product_id)
        if noted is not None and noted[0] <= now < noted[1] and self._is_listed_as_then():
            return False  # a bot that asks a hundred times a second is noted once a minute
        leads = self._note_books(product, now, actions)
        times = [self.memory.asked[book] for book in self._needed_by(product)]
        self._noted[product.product_id] = (max(times), min(times) + NOTED_EVERY)
        return leads

    def _is_listed_as_then(self) -> bool:
        listings, rate = self._needed_of
        tracker = self.desk.tracker
        return tracker.books.listings == listings and tracker.marks.usdc_rate is rate

    def _note_books(self, product: Product, now: datetime, actions: list[Action]) -> bool:
        asked, before, is_new = self.memory.asked, len(actions), False
        for book in self._needed_by(product):
            last = asked.get(book)
            if last is not None and last <= now < last + NOTED_EVERY:
                continue
            asked.pop(book, None)
            asked[book] = now
            is_new = is_new or last is None
        if is_new:
            self._asked_changes += 1
            while len(asked) > FOLLOWED_MAX:
                del asked[next(iter(asked))]
                self._noted.clear()
            self.look(now, actions)
        return len(actions) > before

    def _needed_by(self, product: Product) -> tuple[str, ...]:
        """The books that an order for this product walks, and those that its coins would be sold in."""
        books, tracker = self.desk.tracker.books, self.desk.tracker
        listed = (books.listings, tracker.marks.usdc_rate)
        if listed != self._needed_of:
            self._needed_of = listed
            self._needed.clear()
        needed = self._needed.get(product.product_id)
        if needed is None:
            keys = [product.key] if product.quote in books.cash else [product.key, product.quote]
            sold = (tracker.exits.sold_in(key)[0] for key in keys)
            found = dict.fromkeys([product.book, *(one.book for one in sold if one is not None)])
            needed = self._needed[product.product_id] = tuple(found)
        return needed

    def next_look(self, now: datetime) -> datetime | None:
        """When a depth grows old, a book is wanted no more, or is to be read again. For what is only shown nothing is
        woken: the next fact is soon enough.
        """
        if not self.desk.reads_depth:
            return None
        lapse = self.desk.tracker.depths.next_lapse(self.desk.max_depth_age)
        times = [] if lapse is None else [lapse]
        if self.settings.connected:
            times += [at + ASKED_FOR for at in list(self.memory.asked.values())[:1]]
            times += [
                one.next_at for book, one in self.memory.readings.items() if self._is_missing(book)
            ]
        return min((at for at in times if at > now), default=None)

    # --- Which books ------------------------------------------------------------------------------

    def _follow(self, now: datetime, actions: list[Action]) -> None:
        """Say which books are wanted, where these are others now: they are once a line has come or gone, or a bot has
        asked about another.
        """
        memory, tracker = self.memory, self.desk.tracker
        while memory.asked and (first := next(iter(memory.asked.items())))[1] + ASKED_FOR <= now:
            del memory.asked[first[0]]
            self._asked_changes += 1
        chosen_of = (
            tracker.account.members, tracker.books.listings, tracker.marks.usdc_rate, self._asked_changes,
        )  # fmt: skip
        if chosen_of == self._chosen_of and memory.followed is not None:
            return
        self._chosen_of = chosen_of
        held, dust = self._held()
        books = (*held, *self._working(), *reversed(memory.asked), *dust)
        self._wanted = tuple(dict.fromkeys(books))[:FOLLOWED_MAX]
        wanted = tuple(sorted(self._wanted))
        if wanted != memory.followed:
            memory.followed = wanted
            memory.readings = {name: one for name, one in memory.readings.items() if name in wanted}
            actions.append(FollowDepth(product_ids=wanted))

    def _held(self) -> tuple[list[str], list[str]]:
        """The books of the positions held, and of those that orders could bring, the largest first; and the books of
        dust and of coins without a price. The next fact may make either worth selling, and no line comes or goes with
        it: their books are followed too, as far as the others leave room.
        """
        tracker, held, dust = self.desk.tracker, list[str](), list[str]()
        lines = sorted(tracker.account.lines.values(), key=lambda line: (-line.notional, line.key))
        for line in lines:
            product, _ = tracker.exits.sold_in(line.key)
            if product is not None:
                is_kept = tracker.exits.is_worth_selling(line, product)
                (held if is_kept else dust).append(product.book)
        return held, dust

    def _working(self) -> Iterator[str]:
        """The books of the orders that work: an edit of one walks it."""
        tracker = self.desk.tracker
        names = dict.fromkeys(order.product_id for order in tracker.ledger.working.values())
        return (tracker.products[name].book for name in names if name in tracker.products)

    # --- Readings ---------------------------------------------------------------------------------

    def _read(self, now: datetime, actions: list[Action]) -> None:
        """Ask for the wanted depths that are missing."""
        read_of = (self.desk.tracker.depths.version, self._wanted)
        if read_of == self._read_of and self._looked_at <= now < self._read_at:
            return
        missing = [book for book in self._wanted if self._is_missing(book)]
        self._wish(
            [book for book in missing if self._may_read(book, now)][:READ_AT_ONCE], now, actions
        )
        self._read_of, self._looked_at = read_of, now
        self._read_at = min((self._next_at(book, now) for book in missing), default=NEVER)

    def _next_at(self, book: str, now: datetime) -> datetime:
        known = self.memory.readings.get(book)
        return now if known is None else known.next_at

    def _is_missing(self, book: str) -> bool:
        return not self.desk.tracker.depths.is_believed(book)

    def _may_read(self, book: str, now: datetime) -> bool:
        known = self.memory.readings.get(book)
        return (
            known is None
            or not now < known.next_at <= now + READ_AGAIN_MAX * self.settings.time_scale
        )

    def _wish(self, books: list[str], now: datetime, actions: list[Action]) -> None:
        scale = self.settings.time_scale
        for book in books:
            known = self.memory.readings.get(book)
            pause = READ_AGAIN
            if known is not None and now - known.next_at < READ_AGAIN_MAX * scale:
                pause = min(known.pause * 2, READ_AGAIN_MAX)
            self.memory.readings[book] = Reading(now + pause * scale, pause)
        if books:
            actions.append(ReadDepth(product_ids=tuple(books)))

    def _show(self, now: datetime, actions: list[Action]) -> None:
        """Without a limit: read the largest positions' books once a minute."""
        memory = self.memory
        if memory.followed:
            memory.followed = ()
            self._chosen_of = ()
            actions.append(FollowDepth(product_ids=()))
        if not (
            self.settings.connected and self.desk.state.ready and self.desk.tracker.account.lines
        ):
            return
        last = memory.shown_at
        if last is not None and last <= now < last + SHOWN_EVERY:
            return
        memory.shown_at = now
        books = _first(self._held()[0], SHOWN_MAX)
        if books:
            actions.append(ReadDepth(product_ids=books))


def _first(books: Iterable[str], most: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(books))[:most]
