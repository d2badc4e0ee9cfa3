"""How much each user may send: bytes a second, whatever they are and over however many connections. No I/O.

What is asked is written down. A user that sends more is not refused; it is read from later, so that
what it sends costs the disk and the others no more than this. Its bots share the allowance, so there
is an end to how long they wait for what one of them has sent.
"""

from typing import Final

BYTES_PER_S: Final = 1 << 20  # some 3,000 orders a second; Coinbase takes 30 of a user
BURST_BYTES: Final = 16 << 20  # what a user that was quiet may send at once


class ByteRate:
    """Allowances by user id: one that was used up fills again with time."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[float, float]] = {}  # bytes by uid, and since when

    def take(self, uid: int, count: int, now: float) -> float:
        """Count so many bytes that came; the seconds to wait before more is read. `now`: monotonic."""
        left, since = self._left.get(uid, (float(BURST_BYTES), now))
        left = min(BURST_BYTES, left + (now - since) * BYTES_PER_S) - count
        left = max(float(-BURST_BYTES), left)
        self._left[uid] = (left, now)
        return max(0.0, -left / BYTES_PER_S)
