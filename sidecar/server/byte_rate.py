"""How much each user may send: bytes a second of any kind, over however many connections. No I/O.

Every request is written down. A user that sends more is not refused; it is read from later, so that
its requests cost the disk and the others no more than this. Its bots share the allowance, so their
wait for the bytes of one of them is bounded.
"""

from typing import Final

BYTES_PER_S: Final = 1 << 20  # some 3,000 orders a second; Coinbase takes 30 of a user
BURST_BYTES: Final = 16 << 20  # the burst of a user that was quiet


class ByteRate:
    """Allowances by user id: one that was used up fills again with time."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[float, float]] = {}  # bytes by uid, and since when

    def spend(self, uid: int, count: int, now: float) -> float:
        """Count so many bytes that came; the seconds to wait before more is read. `now`: monotonic."""
        left, since = self._left.get(uid, (float(BURST_BYTES), now))
        left = min(BURST_BYTES, left + (now - since) * BYTES_PER_S) - count
        left = max(float(-BURST_BYTES), left)
        self._left[uid] = (left, now)
        return max(0.0, -left / BYTES_PER_S)
