"""How many requests, connections and messages are let through. Pure: time is an argument.

Each limit is a token bucket, kept as the one moment at which it will be full again (the generic cell
rate algorithm). Times are seconds of a monotonic clock. Sources: B.8 and D.1 of the API reference.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

SOURCES_MAX: Final = 10_000  # buckets kept of one limit; the one longest unused goes first
HOUR_S: Final = 3600
# Advanced Trade documents 10 public requests a second and no burst; Coinbase Exchange, behind the
# same edge, documents the same 10 with bursts of 15.
PUBLIC_BURST: Final = 1.5  # as a ratio of a second's allowance
CONNECTIONS_PER_S: Final = 8
MESSAGES_PER_S: Final = 8  # unauthenticated ones


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request is let through, and the requests left; `limit` 0: there is no limit."""

    allowed: bool
    limit: int = 0
    remaining: int = 0
    reset_s: int = 0  # until all of the limit is there again, rounded up

    def headers(self) -> dict[str, str]:
        """As response headers, in lower case: the SDK looks for no other."""
        if not self.limit:
            return {}
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset_s),
        }


UNLIMITED: Final = Allowance(allowed=True)


class TokenBuckets:
    """One limit, with a bucket for each source (a key, an address): `limit` tokens at most, of
    which `per_s` come back each second. A limit of 0 is off.
    """

    def __init__(self, limit: int, per_s: float) -> None:
        self._limit = limit
        self._interval_s = 1 / per_s if limit else 0.0
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def has_room(self, source: str, now: float) -> bool:
        """Whether a request of `source` would be let through; it is not counted."""
        return not self._limit or self._left(source, now)[0] >= 1

    def admit(self, source: str, now: float) -> Allowance:
        """Count a request of `source`; one that is refused is free."""
        if not self._limit:
            return UNLIMITED
        left, wait_s = self._left(source, now)
        if left < 1:
            return Allowance(allowed=False, limit=self._limit, reset_s=math.ceil(wait_s))
        wait_s += self._interval_s
        self._full_at[source] = now + wait_s
        self._full_at.move_to_end(source)
        if len(self._full_at) > SOURCES_MAX:
            self._full_at.popitem(last=False)
        return Allowance(
            allowed=True, limit=self._limit, remaining=left - 1, reset_s=math.ceil(wait_s)
        )

    def __len__(self) -> int:
        return len(self._full_at)

    def _left(self, source: str, now: float) -> tuple[int, float]:
        """Whole tokens in the bucket, and seconds until it is full."""
        wait_s = max(self._full_at.get(source, now) - now, 0.0)
        # The rounding takes up the error of sums of floats: 0.1 × 3 is not 0.3.
        return math.floor(self._limit - round(wait_s / self._interval_s, 6)), wait_s


class RateLimits:
    """Every limit of the exchange. `0` switches one off, and the websocket's with the public one."""

    def __init__(
        self, *, private_per_s: int = 30, public_per_s: int = 10, per_hour: int = 10_000
    ) -> None:
        self._private = TokenBuckets(private_per_s, private_per_s)
        self._hourly = TokenBuckets(per_hour, per_hour / HOUR_S)
        self._public = TokenBuckets(math.ceil(public_per_s * PUBLIC_BURST), public_per_s)
        # A user who lifts the limit of the public calls, for a load test, means these as well.
        connections, messages = (CONNECTIONS_PER_S, MESSAGES_PER_S) if public_per_s else (0, 0)
        self._connections = TokenBuckets(connections, connections)
        self._messages = TokenBuckets(messages, messages)

    def private(self, key_name: str, now: float) -> Allowance:
        """A request with a token, counted by the second and the hour; the tighter is told."""
        if not self._hourly.has_room(key_name, now):
            return self._hourly.admit(key_name, now)
        second = self._private.admit(key_name, now)
        if not second.allowed:
            return second
        told = [taken for taken in (second, self._hourly.admit(key_name, now)) if taken.limit]
        return min(told, key=lambda taken: taken.remaining, default=UNLIMITED)

    def public(self, address: str, now: float) -> Allowance:
        """A request without a token, counted by the address it comes from."""
        return self._public.admit(address, now)

    def connection(self, address: str, now: float) -> bool:
        """Whether a further websocket may be opened from an address."""
        return self._connections.admit(address, now).allowed

    def message(self, address: str, now: float) -> bool:
        """Whether a further websocket message without a token may come from an address."""
        return self._messages.admit(address, now).allowed
