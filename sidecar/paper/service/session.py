"""One websocket's conversation: its subscriptions, its sequence, the frames still to go out.
No I/O: frames come in by `send`, bytes go out by `next_frame`.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from sidecar.paper.service.faults import FaultSwitches
from sidecar.paper.wire.frames import Frame

# The backlog of a slow reader before it is cut off: some seconds of a very busy market. Counted
# in frames and in bytes, for a book's frame is twenty times a ticker's.
FRAMES_WAITING_MAX: Final = 4_096
BYTES_WAITING_MAX: Final = 4 << 20
ROOM: Final = FRAMES_WAITING_MAX // 4  # a market that goes as fast as it can waits for this
STUCK_S: Final = 5.0  # but not longer than this for a reader that takes no frame at all
ABNORMAL: Final = 1006  # no close frame at all: the connection just ends

# The name a fault knows a frame by: that of the subscription.
SUBSCRIBED_AS: Final = {"l2_data": "level2"}


class Session:
    """The state of one connection. Times are wall seconds."""

    def __init__(self, address: str, opened: float, faults: FaultSwitches) -> None:
        self.address = address
        self.last_sent = opened
        self.bare_since: float | None = opened  # since when it has had no subscription
        self.channels: dict[str, dict[str, None]] = {}  # channel → products, in the order they came
        self.closing: int | None = None
        self.bytes_waiting = 0
        self.on_frame: Callable[[], None] = lambda: None  # a frame waits to go out
        self.on_close: Callable[[], None] = lambda: None
        self._waiting: deque[tuple[float, bytes]] = deque()  # (not before, bytes)
        self._taken_at = opened
        self._faults = faults
        self._sequence = 0
        self._held: bytes | None = None
        self._behind_since: float | None = None  # since when its frames come ever later

    # ---------------------------------------------------------------------------------- going out

    def due_in(self, wall: float) -> float | None:
        """Seconds until the first frame may go; None while there is none."""
        return max(0.0, self._waiting[0][0] - wall) if self._waiting else None

    def next_frame(self, wall: float) -> bytes:
        """The first frame, taken off."""
        _, data = self._waiting.popleft()
        self.bytes_waiting -= len(data)
        self._taken_at = wall
        return data

    @property
    def is_congested(self) -> bool:
        """Whether a market in no hurry should wait for this reader."""
        return len(self._waiting) > ROOM and self.closing is None

    def is_stuck(self, wall: float) -> bool:
        """Whether it has much to take, and has taken no frame for a while."""
        return self.is_congested and wall - self._taken_at > STUCK_S

    # ----------------------------------------------------------------------------------- coming in

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
        if self._faults.count_off("restart_sequence"):
            self._sequence = 0
        if self._faults.count_off("sequence_gaps"):
            self._next()
        if self._faults.count_off("future_frames"):
            frame = frame.a_year_ahead()
        data = frame.numbered(self._next())
        if self._faults.count_off("drop_frames"):
            return
        if self._held is None and self._faults.count_off("reorder_frames"):
            self._held = data
            return
        not_before = wall + float(faults.delay_frames_s) + self._behind_by(wall)
        self._queue(data, not_before)
        if self._faults.count_off("duplicate_frames"):
            self._queue(data, not_before)
        if self._held is not None:
            held, self._held = self._held, None
            self._queue(held, not_before)

    def _behind_by(self, wall: float) -> float:
        """Seconds by which a connection has fallen behind since it was first to."""
        rate = float(self._faults.now.frames_fall_behind)
        if not rate:
            self._behind_since = None
            return 0.0
        if self._behind_since is None:
            self._behind_since = wall
        return rate * (wall - self._behind_since)

    def send_error(self, data: bytes, wall: float) -> None:
        """Queue an error frame, which has no sequence number."""
        self._queue(data, wall)

    def close(self, code: int) -> None:
        """End the conversation; no more is sent."""
        if self.closing is None:
            self.closing = code
            self._waiting.clear()
            self.bytes_waiting = 0
            self.on_close()

    def _next(self) -> int:
        number, self._sequence = self._sequence, self._sequence + 1
        return number

    def _queue(self, data: bytes, not_before: float) -> None:
        if self.closing is not None:
            return
        if not self._waiting:
            self._taken_at = not_before  # it has kept up until now
        self._waiting.append((not_before, data))
        self.bytes_waiting += len(data)
        self.last_sent = not_before
        if len(self._waiting) > FRAMES_WAITING_MAX or self.bytes_waiting > BYTES_WAITING_MAX:
            self.close(ABNORMAL)  # it does not read: better gone than the service swollen
        else:
            self.on_frame()
