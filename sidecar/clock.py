"""The only reader of time."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)


def wall() -> float:
    """Monotonic seconds from any origin: for waits, time-outs and rates."""
    return time.monotonic()


def unix() -> float:
    """UNIX seconds: the life of a token is counted in them."""
    return time.time()
