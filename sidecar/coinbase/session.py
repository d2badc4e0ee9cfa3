"""One websocket's conversation with Coinbase, without its socket: bytes in, steps out. Pure.

    connecting → subscribing → live,  and from either, when it fails, back to connecting

A session subscribes one channel at a time, heartbeats first, and is live when every channel is
acknowledged (and the user channel's snapshot has ended). From then on a jump of the sequence is a
gap, and silence is death: heartbeats come every second, so five seconds without any frame mean a
dead socket.

An error frame does not name its subject, so it ends no subscription: channels not acknowledged a
moment later are asked for again, and products in ever smaller parts, channel by channel, until those that
Coinbase refuses are left out alone. Source: Coinbase Advanced Trade API, "WebSocket Overview"; numbers as
observed.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from sidecar.coinbase.frames import (
    LEVEL2,
    PRODUCT_CHANNELS,
    TICKER,
    FrameContent,
    LevelNews,
    News,
    Orders,
    Refused,
    Subscribed,
    Ticker,
    Tickers,
    open_envelope,
    said,
)
from sidecar.coinbase.lag import Lag
from sidecar.core.vocabulary.errors import Untrusted

SILENCE_S: Final = 5.0  # without any frame; Coinbase's heartbeats come every second
SUBSCRIBE_WITHIN_S: Final = 5.0  # Coinbase closes a connection without a subscription after that
AFTER_ERROR_S: Final = 0.5  # acknowledgements that were on their way have come by then
PARTS_MAX: Final = 64  # messages to find those that are refused; the others are asked for later
COMPLAINTS_MAX: Final = 100  # texts kept, so that none is told again and again
AGAIN_AFTER_S: Final = 30.0  # a product that Coinbase does not take up is asked for again
AGAIN_MAX: Final = 20  # and so many at once: a subscription is a message with a signed token
SNAPSHOT_BATCH: Final = 50  # a batch with fewer orders is the snapshot's last
# What is read over REST instead of a channel that Coinbase refuses for a product.
INSTEAD: Final = {TICKER: "its quotes are read over REST", LEVEL2: "its depth is read over REST"}
SNAPSHOT_WITHIN_S: Final = 2.0  # an exact multiple of fifty may end without an empty batch

State = Literal["connecting", "subscribing", "live"]
Input = Literal["opened", "acknowledged", "failed"]

# (state, input) → state. Other pairs cannot happen.
STATES: Final[dict[tuple[State, Input], State]] = {
    ("connecting", "opened"): "subscribing",
    ("connecting", "failed"): "connecting",
    ("subscribing", "acknowledged"): "live",
    ("subscribing", "failed"): "connecting",
    ("live", "acknowledged"): "live",
    ("live", "failed"): "connecting",
}


class Subscribe(Struct, frozen=True):
    """Send this subscription, with a fresh token: a token's two minutes are for sending only."""

    channel: str
    products: tuple[str, ...] = ()
    leave: bool = False


NOTHING: Final = Subscribe("")


class Close(Struct, frozen=True):
    """End the connection; the reason is for the log."""

    reason: str


class Live(Struct, frozen=True):
    """All subscribed channels are coming in: the feed is connected."""


class Lost(Struct, frozen=True):
    """The connection is gone; facts from now on are not seen."""

    reason: str


class Gap(Struct, frozen=True):
    """Frames were lost: known facts may have been overtaken."""

    expected: int
    got: int


class Parsed(Struct, frozen=True):
    """The content of a frame, for the core."""

    said: News


class Fault(Struct, frozen=True):
    """A part that cannot be read was left out."""

    text: str


class Complaint(Struct, frozen=True):
    """Coinbase's words in an error frame: no fact is lost by it."""

    text: str


Step = Subscribe | Close | Live | Lost | Gap | Parsed | Fault | Complaint


class Session:
    """The state of one connection. `wall` is monotonic seconds, `at` the market clock's time."""

    def __init__(
        self,
        channels: Iterable[str],
        products: Iterable[str] = (),
        *,
        optional: Iterable[str] = (),
        stamped: Callable[[str], datetime] | None = None,
        lag: Lag | None = None,
    ) -> None:
        """`channels` in the order to subscribe; `products` of those that take any. The feed is live
        without the `optional` ones too, which come last: not every account has them.

        `stamped` gives the market time of a frame's own timestamp; without it a frame is of the
        moment it came in, but for quotes that `lag` says are late.
        """
        self.state: State = "connecting"
        self.channels = tuple(channels)
        self._by_product = tuple(name for name in self.channels if name in PRODUCT_CHANNELS)
        self.products = tuple(products)
        self._optional = frozenset(optional)
        self._stamped = stamped
        self._lag = lag
        self._acknowledged: set[str] = set()
        self.products_on: set[str] = set()  # as last acknowledged, by every channel that takes any
        self._check_at: float | None = None  # when to see whether changes of products were taken up
        self._snapshot_due: float | None = None  # until when a user snapshot may still go on
        self._sequence: int | None = None
        self._late: int | None = None  # the number of the last frame, if it was late
        self._first: bytes | str = b""  # frame 0
        self._error_at: float | None = None  # of an error after which was not asked again yet
        self._error = ""  # its words, while coming up
        self._parts: deque[Subscribe] = deque()  # of the products, still to be asked for
        self._asked = NOTHING  # the part that waits for its answer
        self._parts_sent = 0
        self.left_out: set[str] = set()  # products that Coinbase refuses
        self._alone: dict[str, int] = {}  # how often each that is not on was asked for by itself
        self._complaints: set[str] = set()  # told on this connection
        self.heard = 0.0  # wall seconds of the last frame, of any kind
        self.told_at: datetime | None = None  # the moment that it is of, on the market clock
        self._answered = 0.0  # wall seconds of the opening, or of the last part's answer

    def opened(self, wall: float) -> list[Step]:
        """The connection stands: subscribe."""
        self._move("opened")
        self._acknowledged.clear()
        self.products_on.clear()
        self._sequence = self._late = self._error_at = None
        self._error, self._asked, self._parts_sent = "", NOTHING, 0
        for kept in (self._parts, self.left_out, self._complaints, self._alone):
            kept.clear()
        self._check_at = None
        self._snapshot_due = float("inf") if "user" in self.channels else None
        self.heard = self._answered = wall
        if self._lag is not None:
            self._lag.opened()
        return [self._subscription(channel) for channel in self._wanted()]

    def lost(self, reason: str) -> list[Step]:
        """The connection is gone, or did not come about."""
        was_up = self.state != "connecting"
        self._move("failed")
        return [Lost(reason)] if was_up else []

    def received(self, data: bytes | str, at: datetime, wall: float) -> list[Step]:
        """A frame came in."""
        self.heard = wall
        try:
            envelope = open_envelope(data)
        except Untrusted as fault:
            return [Fault(str(fault))]
        if self._stamped is not None:
            at = self._stamped(envelope.timestamp)
        steps = self._follow_sequence(envelope.sequence_num, data)
        if steps is None:
            return []  # late: a newer frame has come
        late_s, behind = self._see_lag(envelope.timestamp, wall)
        self.told_at = at - timedelta(seconds=late_s)
        steps += behind
        try:
            for heard in said(envelope, at):
                steps += self._on_frame(_as_of(heard, at, late_s), wall)
        except Untrusted as fault:
            steps.append(Fault(str(fault)))
        return steps

    def tick(self, wall: float) -> list[Step]:
        """Time went by."""
        if self.state == "connecting":
            return []
        if wall - self.heard > SILENCE_S:
            return [Close(f"nothing was heard for {SILENCE_S:g} s")]
        if self.state == "subscribing":
            return self._come_up(wall)
        if self._check_at is not None and wall > self._check_at:
            return self._subscribe_again(wall)
        return []

    def _come_up(self, wall: float) -> list[Step]:
        if wall - self._answered > SUBSCRIBE_WITHIN_S:
            if self._asked is not NOTHING:
                return self._next_part(wall)  # this is asked for again once the feed is live
            missing = ", ".join(sorted(self._missing())) or "the snapshot"
            words = f"; {self._error}" if self._error else ""
            return [Close(f"{missing} did not come within {SUBSCRIBE_WITHIN_S:g} s{words}")]
        if self._error_at is not None and wall - self._error_at > AFTER_ERROR_S:
            return self._ask_again(wall)
        return self._live_if_complete(wall)

    def _ask_again(self, wall: float) -> list[Step]:
        """After an error: ask for channels not acknowledged yet. Where some channel is, it was not
        the token.
        """
        self._error_at = None
        missing = [name for name in self._wanted() if name in self._missing()]
        if missing and PRODUCT_CHANNELS.issuperset(missing) and not self._parts_sent:
            self._parts.extend(self._subscription(channel) for channel in missing)
            return self._next_part(wall)
        return [self._subscription(channel) for channel in missing]

    def _next_part(self, wall: float) -> list[Step]:
        """Ask for the next part of the products; where none is left, the feed may be live."""
        self._answered, self._asked = wall, NOTHING
        if not self._parts or self._parts_sent >= PARTS_MAX:
            self._parts.clear()
            self._check_at = wall + AGAIN_AFTER_S
            return [*self._ask_optional(), *self._live_if_complete(wall)]
        part = self._parts.popleft()
        good = tuple(name for name in part.products if name not in self.left_out)
        if not good:
            return self._next_part(wall)
        self._asked = Subscribe(part.channel, good)
        self._parts_sent += 1
        return [self._asked]

    def _ask_optional(self) -> list[Step]:
        """Channels of products that are not on, asked for once more without those that are refused."""
        good = tuple(name for name in self.products if name not in self.left_out)
        names = (PRODUCT_CHANNELS & self._optional) - self._acknowledged
        return [Subscribe(name, good) for name in self._wanted() if good and name in names]

    def _subscribe_again(self, wall: float) -> list[Step]:
        """Ask again for products not acknowledged: one by one, so that a bad one spoils no other."""
        missing = [name for name in self.products if name not in self.products_on]
        self._check_at = wall + AGAIN_AFTER_S if missing else None
        refused = [n for n in missing if self._alone.get(n) and n not in self.left_out]
        steps: list[Step] = [self._leave_out(name) for name in refused]
        turn = sorted(missing, key=lambda name: self._alone.get(name, 0))[:AGAIN_MAX]
        self._alone = {name: self._alone.get(name, 0) + (name in turn) for name in missing}
        return steps + [
            Subscribe(channel, (name,)) for channel in self._by_product for name in turn
        ]

    def _leave_out(self, name: str) -> Complaint:
        """It was asked for alone, and is not on."""
        self.left_out.add(name)
        words = [INSTEAD[channel] for channel in self._by_product if channel in INSTEAD]
        return Complaint(f"{name} is left out: {', '.join(words) or 'it is not asked for again'}")

    def follow(self, products: Iterable[str], wall: float) -> list[Step]:
        """Listen to these products from now on, and to no others."""
        wanted = tuple(dict.fromkeys(products))
        new = tuple(name for name in wanted if name not in self.products)
        gone = tuple(name for name in self.products if name not in wanted)
        self.products = wanted
        self.left_out &= {*wanted}
        if self.state == "connecting":
            return []
        self._check_at = wall + SUBSCRIBE_WITHIN_S
        self.products_on -= {*gone}
        steps: list[Step] = []
        for channel in self._by_product:
            steps += [Subscribe(channel, new)] if new else []
            steps += [Subscribe(channel, gone, leave=True)] if gone else []
        return steps

    def renew(self, products: Iterable[str], wall: float) -> list[Step]:
        """Have these of the products told from the beginning, by a snapshot: they are left, and asked for again."""
        some = tuple(name for name in products if name in self.products)
        if self.state == "connecting" or not some:
            return []
        self._check_at = wall + SUBSCRIBE_WITHIN_S
        self.products_on -= {*some}
        both = (True, False)
        return [
            Subscribe(channel, some, leave=leave) for channel in self._by_product for leave in both
        ]

    # ---------------------------------------------------------------------------------------------

    def _move(self, what: Input) -> None:
        self.state = STATES[self.state, what]

    def _wanted(self) -> list[str]:
        """The channels to be on, in order: one that takes products needs some."""
        return [name for name in self.channels if self.products or name not in PRODUCT_CHANNELS]

    def _missing(self) -> set[str]:
        """The channels without which there is no feed, as far as they are not acknowledged."""
        missing = {*self._wanted()} - self._acknowledged - self._optional
        if self._parts_sent and not self._parts and self._asked is NOTHING:
            missing -= PRODUCT_CHANNELS  # Coinbase refuses every product: heartbeats go on
        return missing

    def _on_everywhere(self, channels: Mapping[str, Iterable[str]]) -> set[str]:
        """The products that every channel of products has; one that is optional may be missing as a whole."""
        optional = self._optional
        needed = [name for name in self._by_product if name in channels or name not in optional]
        each = [{*channels.get(name, ())} for name in needed]
        return set.intersection(*each) if each else set()

    def _subscription(self, channel: str) -> Subscribe:
        return Subscribe(channel, self.products if channel in PRODUCT_CHANNELS else ())

    def _follow_sequence(self, number: int | None, data: bytes | str) -> list[Step] | None:
        """Steps for a jump, forward or to a new beginning; None for a frame that is late or repeated."""
        if number is None:  # error frames have none
            return []
        expected = 0 if self._sequence is None else self._sequence + 1
        if number < expected and not self._begins_again(number, data):
            self._late = number
            return None
        if number == 0:
            self._first = data
        self._sequence, self._late = number, None
        return [Gap(expected, number)] if number != expected else []

    def _begins_again(self, number: int, data: bytes | str) -> bool:
        """Whether the count has: another frame 0 is no repetition, nor are two late ones in a row that
        follow each other.
        """
        if number == 0:
            return data != self._first
        return self._late is not None and number == self._late + 1

    def _see_lag(self, timestamp: str, wall: float) -> tuple[float, list[Step]]:
        """By how much the quotes of a frame are older than the frame, and the steps that follow for
        the feed.
        """
        lag_s = None if self._lag is None else self._lag.of(timestamp, wall)
        if self._lag is None or lag_s is None:
            return 0.0, []
        complaint = self._lag.complaint(lag_s, wall)
        late_s = lag_s if self._lag.is_late(lag_s) else 0.0
        return late_s, [Close(complaint)] if complaint else []

    def _on_frame(self, heard: FrameContent, wall: float) -> list[Step]:
        match heard:
            case Refused(message):
                return self._refused(f"Coinbase answered: {message[:200]}", wall)
            case Subscribed(channels):
                self._acknowledged = {*channels}
                self.products_on = self._on_everywhere(channels)
                if self._check_at is None and not self.products_on >= {*self.products}:
                    self._check_at = wall + SUBSCRIBE_WITHIN_S  # a subscription has ended by itself
                self.left_out -= self.products_on
                asked = self._asked
                if asked is not NOTHING and {*asked.products} <= {*channels.get(asked.channel, ())}:
                    return self._next_part(wall)
                return self._live_if_complete(wall)
            case Orders(kind, _, faults, rows):
                if kind == "snapshot" and self._snapshot_due is not None:
                    ended = rows < SNAPSHOT_BATCH
                    self._snapshot_due = None if ended else wall + SNAPSHOT_WITHIN_S
                steps: list[Step] = [Fault(fault) for fault in faults]
                return [*steps, Parsed(heard), *self._live_if_complete(wall)]
            case _:
                return [Parsed(heard)]

    def _refused(self, words: str, wall: float) -> list[Step]:
        """An error: its subject shows in the channels not acknowledged."""
        steps: list[Step] = []
        if words not in self._complaints and len(self._complaints) < COMPLAINTS_MAX:
            self._complaints.add(words)
            steps.append(Complaint(words))
        if self.state != "subscribing":
            return steps
        self._error = words
        if self._asked is NOTHING:
            self._error_at = self._error_at or wall
            return steps
        channel, names = self._asked.channel, self._asked.products
        half = (len(names) + 1) // 2
        if half == len(names):
            steps.append(self._leave_out(names[0]))
        else:
            halves = (Subscribe(channel, names[half:]), Subscribe(channel, names[:half]))
            self._parts.extendleft(halves)
        return [*steps, *self._next_part(wall)]

    def _live_if_complete(self, wall: float) -> list[Step]:
        if self.state != "subscribing" or self._asked is not NOTHING or self._missing():
            return []
        if self._snapshot_due is not None and wall < self._snapshot_due:
            return []
        self._snapshot_due = None
        self._move("acknowledged")
        return [Live()]


def _as_of(heard: FrameContent, at: datetime, late_s: float) -> FrameContent:
    """Quotes and levels of a late frame are of the time when Coinbase told them."""
    if not late_s or not isinstance(heard, Tickers | LevelNews):
        return heard
    then = at - timedelta(seconds=late_s)
    if isinstance(heard, LevelNews):
        return LevelNews(then, heard.events)
    return Tickers(heard.at, tuple(Ticker(then, ticker.row) for ticker in heard.rows))
