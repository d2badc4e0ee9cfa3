"""A user's own rules: plain functions that see the order and the tracker. No I/O.

    def no_weekends(order, tracker, now):
        return "not on weekends" if now.weekday() >= 5 else None

A rule returns why the order may not go, or None. A rule that raises refuses: an order that cannot
be judged is not approved.
"""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.vocabulary.orders import Order

CustomFunction = Callable[[Order, PositionTracker, datetime], str | None]


class CustomRule(Struct, frozen=True):
    """A user's rule under its name; `exempt` where reducing orders need not keep it."""

    name: str
    function: CustomFunction
    exempt: bool = False
