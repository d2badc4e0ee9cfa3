"""The reports of a flattening: its course while it lasts, its outcome when it is over. No I/O."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

Phase = Literal["cancelling", "reading", "selling"]
Outcome = Literal["under way", "flat", "aborted"]


class RowReport(Struct, frozen=True, kw_only=True):
    """One key in a report. Quantities in base units, money in USD; None where no mark was known.

    `slippage` is the cost of selling against the mark at the start, fees aside: positive is a loss.
    """

    key: str
    held: Decimal
    cancelled: int
    sold: Decimal
    left: Decimal
    attempts: int
    proceeds: Decimal | None
    fees: Decimal | None
    slippage: Decimal | None
    note: str = ""


class LiquidationReport(Struct, frozen=True, kw_only=True):
    """One flattening as it stands, or as it ended. `key` None: the whole account."""

    episode: str
    key: str | None
    reason: str
    outcome: Outcome
    phase: Phase
    began_at: datetime
    ended_at: datetime | None
    rounds: int
    cancelled: int
    proceeds: Decimal
    fees: Decimal
    slippage: Decimal
    rows: tuple[RowReport, ...]
    still_open: tuple[str, ...] = ()  # orders that could not be cancelled
