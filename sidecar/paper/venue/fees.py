"""The fee of a fill, by the account's volume over thirty days. No I/O.

The first tier's rates are configured; the tiers above scale them. Shape and steps follow Coinbase's
published schedule (taker falls faster than maker); like there, the tier is found once an hour.
"""

from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.money import ONE, ZERO

WINDOW: Final = timedelta(days=30)


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
    """The account's fee schedule, and its volume and fees over the window, USD."""

    def __init__(self, taker: Decimal, maker: Decimal, now: datetime) -> None:
        self._first = (taker, maker)
        self._hour = _hour_of(now)
        self._hours: deque[tuple[datetime, Decimal, Decimal]] = deque()
        self._find_tier(TIERS[0])
        self.total_volume = ZERO
        self.total_fees = ZERO

    def _find_tier(self, tier: Tier) -> None:
        """Rates are ratios of a fill's value: of one that took liquidity, of one that gave it."""
        self.tier = tier
        self.taker = self._first[0] * tier.taker
        self.maker = self._first[1] * tier.maker

    @property
    def cap(self) -> Decimal:
        """The higher of the two rates: an order must be able to pay it."""
        return max(self.taker, self.maker)

    def count(self, volume: Decimal, fee: Decimal) -> None:
        """Take a fill, in USD, into the volume that finds the tier."""
        self.total_volume += volume
        self.total_fees += fee
        if self._hours and self._hours[-1][0] == self._hour:
            _, volume_before, fees_before = self._hours.pop()
            volume, fee = volume + volume_before, fee + fees_before
        self._hours.append((self._hour, volume, fee))

    def review(self, now: datetime) -> None:
        """A new hour: find the tier anew. Open orders never pay more than they held for."""
        self._hour = _hour_of(now)
        while self._hours and now - self._hours[0][0] > WINDOW:
            _, volume, fees = self._hours.popleft()
            self.total_volume -= volume
            self.total_fees -= fees
        self._find_tier(
            next(tier for tier in reversed(TIERS) if tier.usd_from <= self.total_volume)
        )


def _hour_of(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
