"""FuturesWatch: whether Coinbase has said what futures the account has. No I/O.

What cannot be read is not none: until it is told, orders for futures that add risk are refused, and no account
is said to be flat. Everything else goes on; where the books know of futures, no reading succeeds without them.
"""

from datetime import datetime, timedelta
from typing import Final

from sidecar.core import events as ev
from sidecar.core.actions import Action, Alert, Reconcile
from sidecar.core.check import Desk
from sidecar.core.reconciliation import SETTLE
from sidecar.core.settings import Settings

# Most of what answers in Coinbase's place does so once. Later an ordinary reading comes first, mostly.
PAUSE_MAX: Final = timedelta(minutes=5)


class FuturesWatch:
    """Asks for readings while futures are unknown, and says so once."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings

    def heard(self, event: ev.FuturesRead | ev.FuturesAbsent | ev.FuturesUnread) -> list[Action]:
        """What Coinbase says of the account's futures, or that it says nothing."""
        unread = self.desk.unread
        if not isinstance(event, ev.FuturesUnread):
            unread.fault, unread.ask_at, unread.pause = "", None, SETTLE
            return []
        was_told, unread.fault = not unread.fault, event.reason
        if not was_told:
            return []
        unread.ask_at = event.at + unread.pause * self.settings.pace
        self.desk.state.tightenings += 1
        text = (
            f"what futures the account has cannot be read: {event.reason}; orders for futures that add risk are"
            ' refused, and nothing is said to be flat, until it can (without futures: positions.futures = "none")'
        )
        return [Alert(severity="critical", code="FUTURES_UNKNOWN", text=text)]

    def begin(self) -> None:
        """A new process has asked nothing yet."""
        unread = self.desk.unread
        unread.fault, unread.ask_at, unread.pause = "", None, SETTLE

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Ask again where it is time."""
        unread = self.desk.unread
        if unread.ask_at is None or now < unread.ask_at:
            return
        unread.pause = min(2 * unread.pause, PAUSE_MAX)
        unread.ask_at = now + unread.pause * self.settings.pace
        actions.append(Reconcile(reason="what futures the account has is not known"))

    @property
    def ask_at(self) -> datetime | None:
        """When time alone has them asked for again."""
        return self.desk.unread.ask_at
