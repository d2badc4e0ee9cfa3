"""Reservations: approved orders that Coinbase has not shown yet. No I/O."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.working import Leg
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.events import Asker
from sidecar.core.vocabulary.orders import Order

RESERVATIONS_MAX: Final = 10_000  # approvals alive at once; lifetimes are seconds
RESERVATIONS_OF_A_USER_MAX: Final = 5_000  # so that none binds all of them


class Reservation(Struct, frozen=True, kw_only=True):
    """An approved order that has not been seen on the exchange: its worst case and funds are bound
    until then.

    For an edit, `order_id` names the order and the legs hold only the quantity that the edit adds.
    `tightenings` is the manager's count of tightenings at approval: a later one ends the right to
    replay it. `maker` asked for it, and no other asker may have or release it; None: any asker may,
    as in library use.
    """

    order: Order
    strategy_id: str | None
    approved_at: datetime
    expires_at: datetime
    legs: tuple[Leg, ...]
    hold_currency: str
    hold: Decimal
    decision: Decision
    tightenings: int
    order_id: str = ""
    maker: Asker | None = None

    def is_anothers(self, asker: Asker | None) -> bool:
        """Whether it belongs to another than who asks."""
        return None not in (self.maker, asker) and self.maker != asker
