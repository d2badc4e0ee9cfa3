"""FuturesWatch: whether Coinbase has told the account's futures. No I/O.

A failed reading does not mean none: until the futures are told, orders for futures that add risk
are refused, and no account is said to be flat. All other trading goes on; where the books know of
futures, no reading succeeds without them.

So it is with a contract that is held and whose product cannot be had: the worth of one contract is
not known.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import structs

from sidecar.core.account.reconciliation import SETTLE
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, ReadProduct, Reconcile

# Most strangers that answer in Coinbase's place do so once. Later an ordinary reading comes first,
# mostly.
PAUSE_MAX: Final = timedelta(minutes=5)
# A contract that is new is listed within a few calls; readings of the account wait for it so long.
PRODUCT_WITHIN: Final = timedelta(seconds=15)
UNLISTED: Final = "it is in no list of Coinbase's"


class FuturesWatch:
    """Asks for readings while futures are unknown, and says so once."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings

    def heard(self, event: ev.FuturesRead | ev.FuturesAbsent | ev.FuturesUnread) -> list[Action]:
        """A reading of the account's futures by Coinbase, or its failure."""
        unread = self.desk.unread
        if isinstance(event, ev.FuturesRead) and unread.unlisted:
            return []  # said by `listed_only`
        if not isinstance(event, ev.FuturesUnread):
            self.begin()
            return []
        if not self._doubt(event.reason):
            return []
        unread.ask_at = event.at + unread.pause * self.settings.time_scale
        text = (
            f"what futures the account has cannot be read: {event.reason}; orders for futures that add risk are"
            ' refused, and nothing is said to be flat, until it can (without futures: positions.futures = "none")'
        )
        return [Alert(severity="critical", code="FUTURES_UNKNOWN", text=text)]

    def _doubt(self, fault: str) -> bool:
        """Futures are unknown; whether they were not before."""
        before, self.desk.unread.fault = self.desk.unread.fault, fault
        self.desk.state.tightenings += not before
        return not before

    def begin(self) -> None:
        """Forget the unknown: a new process has not asked yet, or Coinbase has told the futures."""
        unread = self.desk.unread
        unread.fault, unread.ask_at, unread.pause = "", None, SETTLE
        unread.unlisted, unread.unknown = {}, {}

    # --- Contracts of a product that no list has --------------------------------------------------

    def listed_only(self, event: ev.FuturesRead, actions: list[Action]) -> ev.FuturesRead:
        """The positions whose products are known. The others are asked for, and after a while waited for no longer:
        they are in no books, and no coin's order is refused because of them.
        """
        unread, listed = self.desk.unread, self.desk.tracker.products
        held = sorted(
            one.product_id
            for one in event.positions
            if one.product_id not in listed and one.contracts
        )
        unread.unlisted = {name: unread.unlisted.get(name, event.at) for name in held}
        unread.unknown = {name: why for name, why in unread.unknown.items() if name in held}
        for name, since in unread.unlisted.items():
            if name in unread.unknown:
                continue
            if event.at - since < PRODUCT_WITHIN * self.settings.time_scale:
                actions.append(ReadProduct(product_id=name))
            else:
                actions += self.cannot_be_had(name, UNLISTED, event.at)
        if held:
            self._name_unlisted()
        known = tuple(one for one in event.positions if one.product_id in listed)
        return (
            event if len(known) == len(event.positions) else structs.replace(event, positions=known)
        )

    def cannot_be_had(self, product_id: str, why: str, now: datetime) -> list[Action]:
        """The product of a contract that is held cannot be read: said once, and asked for again
        ever slower.
        """
        unread = self.desk.unread
        self.desk.tracker.books.doubts.pop(product_id, None)
        if product_id in unread.unknown:
            return []
        unread.unknown[product_id] = why
        unread.ask_at = now + unread.pause * self.settings.time_scale
        self._name_unlisted()
        text = (
            f"the account holds contracts of {product_id}, and their product cannot be had: {why}; they are neither"
            " counted nor sold, orders for futures that add risk are refused, and nothing is said to be flat, until"
            " it can be: close them at Coinbase, where that is not to wait"
        )
        return [Alert(severity="critical", code="CONTRACT_UNKNOWN", text=text)]

    def _name_unlisted(self) -> None:
        unread = self.desk.unread
        named = (f"{name}: {unread.unknown.get(name, UNLISTED)}" for name in unread.unlisted)
        self._doubt("; ".join(named))

    # --- Asking again -----------------------------------------------------------------------------

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Ask again where it is time."""
        unread = self.desk.unread
        if unread.ask_at is None or now < unread.ask_at:
            return
        unread.pause = min(2 * unread.pause, PAUSE_MAX)
        unread.ask_at = now + unread.pause * self.settings.time_scale
        if unread.unknown:
            actions += [ReadProduct(product_id=n, is_waited_for=False) for n in unread.unknown]
        else:
            actions.append(Reconcile(reason="what futures the account has is not known"))

    @property
    def ask_at(self) -> datetime | None:
        """When time alone has them asked for again."""
        return self.desk.unread.ask_at
