"""One websocket's conversation with Coinbase, without its socket: bytes in, steps out. Pure.

    connecting → subscribing → live,  and from either, when it fails, back to connecting

A session subscribes one channel at a time, heartbeats first, and is live when every channel is
acknowledged (and the user channel's snapshot has ended). From then on a jump of the sequence is a
gap, and silence is death: heartbeats come every second, so five seconds without any frame mean a
dead socket. Source: Coinbase Advanced Trade API, "WebSocket Overview"; numbers as observed.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from sidecar.coinbase.frames import Orders, Refused, Said, Subscribed, open_envelope, said
from sidecar.coinbase.heard_clock import HeardClock
from sidecar.core import events as ev
from sidecar.core.errors import Untrusted

SILENCE_S: Final = 5.0  # without any frame; Coinbase's heartbeats come every second
SUBSCRIBE_WITHIN_S: Final = 5.0  # Coinbase closes a connection without a subscription after that
AGAIN_AFTER_S: Final = 30.0  # a product that Coinbase does not take up is asked for again
AGAIN_MAX: Final = 20  # and so many at once: a subscription is a message with a signed token
SNAPSHOT_BATCH: Final = 50  # a batch with fewer orders is the snapshot's last
SNAPSHOT_WITHIN_S: Final = 2.0  # an exact multiple of fifty may end without an empty batch

State = Literal["connecting", "subscribing", "live"]
Input = Literal["opened", "acknowledged", "failed"]

# (state, input) → state. What is not here cannot happen.
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


class Close(Struct, frozen=True):
    """End the connection; the reason is for the log."""

    reason: str


class Live(Struct, frozen=True):
    """Everything subscribed is coming in: the feed is connected."""


class Lost(Struct, frozen=True):
    """The connection is gone; what happens from now on is not seen."""

    reason: str


class Gap(Struct, frozen=True):
    """Frames were lost: what is known may have been overtaken."""

    expected: int
    got: int


class Told(Struct, frozen=True):
    """What a frame said, for the core."""

    said: Said


class Fault(Struct, frozen=True):
    """Something that cannot be read was left out."""

    text: str


Step = Subscribe | Close | Live | Lost | Gap | Told | Fault


class Session:
    """The state of one connection. `wall` is monotonic seconds, `at` the market clock's time."""

    def __init__(
        self,
        channels: Iterable[str],
        products: Iterable[str] = (),
        *,
        optional: Iterable[str] = (),
        stamped: Callable[[str], datetime] | None = None,
        clock: HeardClock | None = None,
    ) -> None:
        """`channels` in the order to subscribe; `products` of those that take any. The feed is live
        without the `optional` ones too, which come last: not every account has them.

        `stamped` says what market time a frame's own timestamp is; without it a frame is of the
        moment it came in. `clock` is told every frame's stamp.
        """
        self.state: State = "connecting"
        self.channels = tuple(channels)
        self.products = tuple(products)
        self._optional = frozenset(optional)
        self._stamped = stamped
        self._clock = clock
        self._acknowledged: set[str] = set()
        self._products_on: set[str] = set()  # as last acknowledged, all channels together
        self._check_at: float | None = None  # when to see whether changes of products were taken up
        self._snapshot_due: float | None = None  # until when a user snapshot may still go on
        self._sequence: int | None = None
        self.heard = 0.0  # wall seconds of the last frame, of whatever kind
        self._opened = 0.0

    def opened(self, wall: float) -> list[Step]:
        """The connection stands: subscribe."""
        self._move("opened")
        self._acknowledged.clear()
        self._sequence = None
        self._check_at = None
        self._snapshot_due = float("inf") if "user" in self.channels else None
        self.heard = self._opened = wall
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
        if self._clock is not None:
            self._clock.see(envelope.timestamp, wall)
        if self._stamped is not None:
            at = self._stamped(envelope.timestamp)
        steps = self._follow_sequence(envelope.sequence_num)
        if steps is None:
            return []  # late: what came after it is newer
        try:
            for heard in said(envelope, at):
                steps += self._hear(heard, wall)
        except Untrusted as fault:
            steps.append(Fault(str(fault)))
        return steps

    def tick(self, wall: float) -> list[Step]:
        """Time went by."""
        if self.state == "connecting":
            return []
        if wall - self.heard > SILENCE_S:
            return [Close(f"nothing was heard for {SILENCE_S:g} s")]
        if self.state == "subscribing" and wall - self._opened > SUBSCRIBE_WITHIN_S:
            missing = ", ".join(sorted(self._missing())) or "the snapshot"
            return [Close(f"{missing} did not come within {SUBSCRIBE_WITHIN_S:g} s")]
        if self._check_at is not None and wall > self._check_at:
            return self._subscribe_again(wall)
        return self._live_if_complete(wall)

    def _subscribe_again(self, wall: float) -> list[Step]:
        """What was asked for and is not acknowledged: one by one, so that a bad one spoils no other."""
        missing = [name for name in self.products if name not in self._products_on]
        self._check_at = wall + AGAIN_AFTER_S if missing else None
        channels = [channel for channel in self.channels if channel in PRODUCT_CHANNELS]
        return [Subscribe(channel, (name,)) for channel in channels for name in missing[:AGAIN_MAX]]

    def follow(self, products: Iterable[str], wall: float) -> list[Step]:
        """Listen to these products from now on, and to no others."""
        wanted = tuple(dict.fromkeys(products))
        new = tuple(name for name in wanted if name not in self.products)
        gone = tuple(name for name in self.products if name not in wanted)
        self.products = wanted
        if self.state == "connecting":
            return []
        self._check_at = wall + SUBSCRIBE_WITHIN_S
        steps: list[Step] = []
        for channel in self.channels:
            if channel in PRODUCT_CHANNELS:
                steps += [Subscribe(channel, new)] if new else []
                steps += [Subscribe(channel, gone, leave=True)] if gone else []
        return steps

    # ---------------------------------------------------------------------------------------------

    def _move(self, what: Input) -> None:
        self.state = STATES[self.state, what]

    def _wanted(self) -> list[str]:
        """The channels to be on, in order: one that takes products needs some."""
        return [name for name in self.channels if self.products or name not in PRODUCT_CHANNELS]

    def _missing(self) -> set[str]:
        """The channels without which there is no feed, as far as they are not acknowledged."""
        return {*self._wanted()} - self._acknowledged - self._optional

    def _subscription(self, channel: str) -> Subscribe:
        return Subscribe(channel, self.products if channel in PRODUCT_CHANNELS else ())

    def _follow_sequence(self, number: int | None) -> list[Step] | None:
        """Steps for a jump; None for a frame that is late or repeated."""
        if number is None:  # error frames have none
            return []
        expected = 0 if self._sequence is None else self._sequence + 1
        if number < expected:
            return None
        self._sequence = number
        return [Gap(expected, number)] if number > expected else []

    def _hear(self, heard: Said, wall: float) -> list[Step]:
        match heard:
            case ev.Quotes() | ev.FuturesSummaryRead():
                return [Told(heard)]
            case Refused(message):
                words = f"Coinbase answered: {message[:200]}"
                goes_on = self.state == "live" or not self._missing()
                return [Fault(words) if goes_on else Close(words)]
            case Subscribed(channels):
                self._acknowledged = {*channels}
                self._products_on = {name for on in channels.values() for name in on}
                return self._live_if_complete(wall)
            case Orders(kind, reports, faults):
                if kind == "snapshot" and self._snapshot_due is not None:
                    ended = len(reports) + len(faults) < SNAPSHOT_BATCH
                    self._snapshot_due = None if ended else wall + SNAPSHOT_WITHIN_S
                steps: list[Step] = [Fault(fault) for fault in faults]
                return [*steps, Told(heard), *self._live_if_complete(wall)]

    def _live_if_complete(self, wall: float) -> list[Step]:
        if self.state != "subscribing" or self._missing():
            return []
        if self._snapshot_due is not None and wall < self._snapshot_due:
            return []
        self._snapshot_due = None
        self._move("acknowledged")
        return [Live()]


PRODUCT_CHANNELS: Final = frozenset({"ticker"})  # `user` is taken whole: no order may be missed
