"""What a fill costs, by the account's volume over thirty days. No I/O.

The first tier's rates are configured; the tiers above scale them. Shape and steps follow Coinbase's
published schedule (taker falls faster than maker); like there, the tier is found once an hour.
"""

from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.money import ONE, ZERO

WINDOW: Final = timedelta(days=30)
REVIEWED_EVERY: Final = timedelta(hours=1)


class Tier(Struct, frozen=True):
    """From `usd_from` of 30-day volume on, the first tier's rates times these."""

    name: str
    usd_from: Decimal
    taker: Decimal
    maker: Decimal


TIERS: Final = (
    Tier("Advanced 1", ZERO, ONE, ONE),
    Tier("Advanced 2", Decimal(10_000), Decimal("0.65"), Decimal("0.65")),
    Tier("Advanced 3", Decimal(50_000), Decimal("0.4"), Decimal("0.4")),
    Tier("Advanced 4", Decimal(100_000), Decimal("0.3"), Decimal("0.25")),
    Tier("Advanced 5", Decimal(1_000_000), Decimal("0.25"), Decimal("0.2")),
    Tier("Advanced 6", Decimal(15_000_000), Decimal("0.2"), Decimal("0.15")),
    Tier("Advanced 7", Decimal(75_000_000), Decimal("0.15"), Decimal("0.1")),
)


class Fees:
    """The account's fee schedule and its volume, USD."""

    def __init__(self, taker: Decimal, maker: Decimal, now: datetime) -> None:
        self._first = (taker, maker)
        self._hours: deque[tuple[datetime, Decimal]] = deque()
        self._reviewed_at = now
        self.tier = TIERS[0]
        self.total_volume = ZERO
        self.total_fees = ZERO

    @property
    def taker(self) -> Decimal:
        """Rate of a fill that took liquidity, as a ratio of its value."""
        return self._first[0] * self.tier.taker

    @property
    def maker(self) -> Decimal:
        """Rate of a fill that gave liquidity, as a ratio of its value."""
        return self._first[1] * self.tier.maker

    @property
    def cap(self) -> Decimal:
        """The higher of the two: what an order must be able to pay."""
        return max(self.taker, self.maker)

    def count(self, volume_usd: Decimal, fee_usd: Decimal, now: datetime) -> None:
        """Take a fill into the volume that finds the tier."""
        self.total_volume += volume_usd
        self.total_fees += fee_usd
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._hours and self._hours[-1][0] == hour:
            volume_usd += self._hours.pop()[1]
        self._hours.append((hour, volume_usd))

    def review(self, now: datetime) -> None:
        """Find the tier anew when an hour has gone by; open orders keep paying what they held for."""
        if now - self._reviewed_at < REVIEWED_EVERY:
            return
        self._reviewed_at = now
        while self._hours and now - self._hours[0][0] > WINDOW:
            self.total_volume -= self._hours.popleft()[1]
        self.tier = next(tier for tier in reversed(TIERS) if tier.usd_from <= self.total_volume)
