"""One websocket's conversation: what it is subscribed to, its sequence, what still has to go out.
No I/O: bytes in by `Hub.receive`, bytes out of `outgoing`.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from sidecar.paper.service.faults import FaultSwitches
from sidecar.paper.wire.frames import Frame

# Frames that wait for a slow reader before it is cut off: some seconds of a very busy market. With
# the largest frames, books of 100 levels, that is 32 MiB, and an ordinary socket holds a tenth.
FRAMES_WAITING_MAX: Final = 4_096
ROOM: Final = FRAMES_WAITING_MAX // 4  # a market that goes as fast as it can waits for this
ABNORMAL: Final = 1006  # no close frame at all: the connection just ends

# The name a fault knows a frame by: that of the subscription.
SUBSCRIBED_AS: Final = {"l2_data": "level2"}


class Session:
    """The state of one connection. Times are wall seconds."""

    def __init__(self, address: str, opened: float, faults: FaultSwitches) -> None:
        self.address = address
        self.opened = opened
        self.last_sent = opened
        self.bare_since: float | None = opened  # since when it has had no subscription
        self.channels: dict[str, dict[str, None]] = {}  # channel → products, in the order they came
        self.outgoing: deque[tuple[float, bytes]] = deque()  # (not before, bytes)
        self.closing: int | None = None
        self.notify: Callable[[], None] = lambda: None
        self._faults = faults
        self._sequence = 0
        self._held: bytes | None = None

    @property
    def is_congested(self) -> bool:
        """Whether a market in no hurry should wait for this reader."""
        return len(self.outgoing) > ROOM and self.closing is None

    def send(self, frame: Frame, wall: float) -> None:
        """Number a frame and queue it; switched-on faults happen to it here."""
        if not self._faults.touch_frames and self._held is None:
            self._queue(frame.numbered(self._next()), wall)
            return
        faults = self._faults.now
        channel = SUBSCRIBED_AS.get(frame.channel, frame.channel)
        if faults.frames_channel not in ("", channel) or channel == "subscriptions":
            self._queue(frame.numbered(self._next()), wall)
            return
        if self._faults.take("sequence_gaps"):
            self._next()
        data = frame.numbered(self._next())
        if self._faults.take("drop_frames"):
            return
        if self._held is None and self._faults.take("reorder_frames"):
            self._held = data
            return
        not_before = wall + float(faults.delay_frames_s)
        self._queue(data, not_before)
        if self._faults.take("duplicate_frames"):
            self._queue(data, not_before)
        if self._held is not None:
            held, self._held = self._held, None
            self._queue(held, not_before)

    def send_error(self, data: bytes, wall: float) -> None:
        """Queue an error frame, which has no sequence number."""
        self._queue(data, wall)

    def close(self, code: int) -> None:
        """End the conversation; nothing more is sent."""
        if self.closing is None:
            self.closing = code
            self.outgoing.clear()
            self.notify()

    def _next(self) -> int:
        number, self._sequence = self._sequence, self._sequence + 1
        return number

    def _queue(self, data: bytes, not_before: float) -> None:
        if self.closing is not None:
            return
        self.outgoing.append((not_before, data))
        self.last_sent = not_before
        if len(self.outgoing) > FRAMES_WAITING_MAX:
            self.close(ABNORMAL)  # it does not read: better gone than the service swollen
        else:
            self.notify()
