"""Is it a time of day at which orders that add risk may be sent? No I/O."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sidecar.core.judging.candidate import Candidate
from sidecar.core.judging.rules.rule import Doc, Measured, Row, ScopedLimit
from sidecar.core.vocabulary.money import ZERO

MICROSECONDS: Final = Decimal(10**6)


def opens_at(candidate: Candidate, bound: ScopedLimit) -> datetime | None:
    return bound.hours.opens_at(candidate.now)


def outside(candidate: Candidate, bound: ScopedLimit) -> Row:
    """Seconds until the next window begins; zero within a window."""
    opens = opens_at(candidate, bound)
    if opens is None:
        return Row(base=ZERO)
    return Row(base=(opens - candidate.now) // timedelta.resolution / MICROSECONDS)


RULES: Final = (
    Measured(
        code="TRADING_HOURS",
        of_order=True,
        limit="trading_hours",
        order_row=outside,
        order_clears_at=opens_at,
        warns=False,
        unit="seconds",
        text="it is outside the trading hours, {limit}; the next begin in {observed}",
        doc=Doc(
            "the clock of the zone shows a time outside all windows",
            "a window's first moment passes; its end breaks",
        ),
    ),
)
