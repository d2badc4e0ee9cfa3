"""Episode: the record of one flattening, of the account or of one key. No I/O.

The steps are made in liquidator.py and rounds.py. The whole record is kept on disk: a process that dies in the
middle is followed by one that knows every order that was sent.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

from sidecar.core.liquidation.attempts import Attempt
from sidecar.core.vocabulary.actions import Liquidate
from sidecar.core.vocabulary.reports import Phase

Step = Literal["none is open", "nothing is to come", "time is up", "read: wait", "read: sell"]

# A round begins with a reading of the account, and ends in one.
STEPS: Final[dict[tuple[Phase, Step], Phase]] = {
    ("cancelling", "none is open"): "reading",
    ("cancelling", "time is up"): "reading",
    ("reading", "time is up"): "reading",
    ("reading", "read: wait"): "cancelling",
    ("reading", "read: sell"): "selling",
    ("selling", "nothing is to come"): "reading",
    ("selling", "time is up"): "reading",
}


class Row(Struct, kw_only=True):
    """One key's part. Quantities in base units, signed; `mark` in USD when it was first seen."""

    key: str
    held: Decimal
    left: Decimal
    mark: Decimal | None
    attempts: int = 0
    priced: int = 0  # rounds that sold it by a limit
    note: str = ""  # why no order was sent in the last round


class Episode(Struct, kw_only=True):
    """One flattening. `key` None: the whole account.

    `due` is when time alone takes it further, `reading` the number of the reading it waits for.
    `cancelled` names the orders that were to be cancelled, and their keys; `asked` when each cancel was first
    asked for, our own orders' too.
    """

    trigger: Liquidate
    key: str | None
    began_at: datetime
    phase: Phase = "cancelling"
    due: datetime | None = None
    reading: int = 0
    rounds: int = 0
    idle_rounds: int = 0  # in a row, with the same findings as the one before
    found: tuple[str, ...] = ()  # open orders and holdings of the last round
    shouted_at: datetime | None = None
    attempts: dict[str, Attempt] = {}
    rows: dict[str, Row] = {}
    cancelled: dict[str, str] = {}
    asked: dict[str, datetime] = {}
    marks: dict[str, Decimal] = {}  # when it began, USD by key

    def step(self, step: Step, due: datetime | None = None) -> None:
        """Go on by the table. Raises KeyError for a step that is none from here."""
        self.phase, self.due = STEPS[self.phase, step], due

    def live(self) -> list[Attempt]:
        """Orders of ours that may still trade."""
        return [attempt for attempt in self.attempts.values() if attempt.is_live]

    def found_open(self, order_id: str, filled: Decimal | None = None) -> bool:
        """Whether the last round found it open, filled so far where that is given."""
        if filled is not None:
            return order_line(order_id, filled) in self.found
        return any(line.startswith(f"{order_id} ") for line in self.found)

    def covers(self, key: str) -> bool:
        return self.key is None or self.key == key


def order_line(order_id: str, filled: Decimal) -> str:
    """An open order as a round found it."""
    return f"{order_id} {filled}"
