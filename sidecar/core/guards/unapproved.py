"""Unapproved orders: whether an order was approved as it appears, and the answer if not. No I/O.

An approval covers an order of its id, product and side, no larger and no worse in price (terms.py).
Every fact of an order is held against its approval: at birth, and by edits that were asked for. An
excess is told once, and answered as configured.

Orders that need no approval are never told: orders open at the start, children of other orders, the
sidecar's own, Coinbase's liquidations and rolls, and those whose approval an unclean stop may have
lost. The sidecar's own are those that it sent, by id, product, side and size: an id that only looks
like one of them is told by an alert of its own. A fill that names no client_order_id does not tell
whose order it was: its first report does.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from msgspec import Struct

from sidecar.core.account.reservation import Reservation
from sidecar.core.account.terms import Shown, shown_by, told_terms, with_terms
from sidecar.core.account.working import WorkingOrder
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.state import CAUSES, Cause
from sidecar.core.guards.loss_watch import LossWatch
from sidecar.core.vocabulary.actions import Action, Alert, Answered, CancelOrders, OrderUnapproved
from sidecar.core.vocabulary.events import FillReported, OrderReported, ReservationReleased, Started
from sidecar.core.vocabulary.money import ZERO, readable
from sidecar.core.vocabulary.orders import BUY, OWN_PREFIX

CODE: Final = "UNAPPROVED_ORDER"
ALERTS_A_MINUTE: Final = 20
MINUTE: Final = timedelta(minutes=1)
MISSED_MAX: Final = 3  # approvals in a row whose orders never appear, before an alert is raised
RELEASED_MAX: Final = 1_000  # the end of an approval matters to late orders only


class UnapprovedMemory(Struct):
    """The memory that survives a restart.

    `since` and `unclean_since` are the present process's, `released` the ends of the last approvals
    by client_order_id, `appeared_at` when an approved order was last seen for the first time,
    `missed` how many approvals given since then never appeared. `uncancelled` are orders, with the
    reason, whose cancel waits until it is known which orders reduce; `cancelling` those whose
    cancel this process has asked for, until they are known to have ended: the next process asks
    again. `minute`, `alerts` and `untold` count alerts. `children`: the order that follows an
    approved one which is not known yet, by the client_order_id of that.
    """

    since: datetime | None = None
    unclean_since: datetime | None = None
    released: dict[str, str] = {}
    missed: int = 0
    appeared_at: datetime | None = None
    uncancelled: dict[str, str] = {}
    cancelling: dict[str, str] = {}
    minute: datetime | None = None
    alerts: int = 0
    untold: int = 0
    children: dict[str, str] = {}


class Unapproved:
    """Holds facts of orders against their approvals. Silent in library use."""

    def __init__(self, desk: RiskContext, watch: LossWatch, settings: Settings) -> None:
        self.desk = desk
        self.watch = watch
        self.settings = settings
        self.memory = UnapprovedMemory()
        # Whether a report of an approved order, by its client_order_id, is held back.
        self.is_told: Callable[[str], bool] = lambda _name: False

    def begin(self, event: Started) -> None:
        """A new process: orders open before it are no news."""
        memory = self.memory
        memory.since, memory.unclean_since = event.at, event.unclean_since
        # The process that was to carry these cancels out is gone, and may not have come to it.
        memory.uncancelled = {**memory.cancelling, **memory.uncancelled}
        memory.cancelling = {}

    # --- Approvals that end without an order ------------------------------------------------------

    def released(self, event: ReservationReleased) -> list[Action]:
        """Free the legs and funds of an approval, and note why it ended."""
        tracker, name = self.desk.tracker, event.client_order_id
        live = tracker.ledger.reservations.get(name)
        if live is not None and live.is_anothers(event.asker):
            text = f"the approval of {name} is another bot's; it lapses by itself"
            return [Answered(done=False, text=text)]
        tracker.apply(event)
        if live is None or name in tracker.ledger.reservations or not self.settings.connected:
            return []
        never_arrived = event.reason == "never_arrived"
        if not live.order_id:
            self._remember(name, "had lapsed" if never_arrived else "was released")
        if not never_arrived:
            return []
        life_s = self.settings.reservation_life.total_seconds()
        what = "edit of" if live.order_id else "order"
        text = (
            f"the approved {what} {name} was not seen within {life_s:g} s, nor found by a look-up"
        )
        actions: list[Action] = [Alert(severity="info", code="APPROVAL_LAPSED", text=text)]
        if not live.order_id:
            self._missed(live, actions)
        return actions

    def _remember(self, name: str, what: str) -> None:
        released = self.memory.released
        released.pop(name, None)
        released[name] = what
        if len(released) > RELEASED_MAX:
            del released[next(iter(released))]

    def _missed(self, live: Reservation, actions: list[Action]) -> None:
        """Another in a row, unless an approved order has appeared since this approval: it lapses long
        after that, and the key is right all the same.
        """
        memory = self.memory
        if memory.appeared_at is not None and live.approved_at <= memory.appeared_at:
            return
        memory.missed += 1
        if memory.missed == MISSED_MAX:
            text = (
                f"{MISSED_MAX} approved orders in a row never appeared: the sidecar's key may belong "
                "to another portfolio than the bot's"
            )
            actions.append(Alert(severity="warning", code="KEY_OF_ANOTHER_PORTFOLIO", text=text))

    # --- Orders -----------------------------------------------------------------------------------

    def look(self, fact: OrderReported | FillReported) -> list[Action]:
        """The actions that follow from the newest fact of an order. The tracker knows of it
        already.
        """
        ledger = self.desk.tracker.ledger
        order = ledger.find(fact.order_id)
        if order is None or not self.settings.connected:
            return []
        child = ledger.find(order.child_id) if order.child_id else None
        if child is not None:
            child.standing = "excused"
        is_new = order.standing == "new"
        if is_new and not self._begin(order, fact):
            return []
        if order.standing == "excused" or _is_late(order, fact):
            return []
        shown = shown_by(fact, order.listed.quantity, order.listed.value)
        why = self._why(order, shown, is_new=is_new)
        if not why:
            return []
        order.terms = with_terms(order.terms, told_terms(shown))
        return self._answer(order, shown, why, fact.at)

    def _begin(self, order: WorkingOrder, fact: OrderReported | FillReported) -> bool:
        """The first look at an order; False while it is not known whose it is."""
        if isinstance(fact, FillReported) and not order.client_order_id:
            return False
        if any(terms.approved for terms in order.terms):
            self.memory.missed, self.memory.appeared_at = 0, fact.at
            order.standing = "judged"
            child_id = self.memory.children.pop(order.client_order_id, "")
            order.child_id = order.child_id or child_id
        else:
            order.standing = "excused" if self._is_excused(order, fact) else "judged"
        return True

    def _why(self, order: WorkingOrder, shown: Shown, *, is_new: bool) -> str:
        """Why an order is unapproved as it is shown; empty when it is not, or told already."""
        if any(not terms.excess(shown) for terms in order.terms):
            return ""
        approved = [terms for terms in order.terms if terms.approved]
        if not approved:
            return self._never_asked(order) if is_new else "edited without asking"
        excess = approved[-1].excess(shown)
        return excess if is_new else f"edited without asking: {excess}"

    def _never_asked(self, order: WorkingOrder) -> str:
        name = order.client_order_id
        live = self.desk.tracker.ledger.reservations.get(name)
        if live is not None and not live.order_id:
            return f"approved was a {live.order.side} of {live.order.product_id} under this id"
        became = self.memory.released.get(name)
        return "never asked about" if became is None else f"its approval {became}"

    # --- Orders that need no approval -------------------------------------------------------------

    def _is_excused(self, order: WorkingOrder, fact: OrderReported | FillReported) -> bool:
        born = order.created_at
        if isinstance(fact, FillReported):
            born = born or fact.traded_at
        elif fact.by_coinbase or fact.parent_id:
            return True  # a parent is judged in its own right
        if order.client_order_id.startswith(OWN_PREFIX):
            return self._is_own(order, fact) or self._predates(born)
        return self._predates(born) or self._is_child(order)

    def _is_own(self, order: WorkingOrder, fact: OrderReported | FillReported) -> bool:
        """Whether the sidecar sent this very order."""
        shown = shown_by(fact, order.listed.quantity, order.listed.value)
        is_own = self.watch.liquidator.is_own
        return is_own(order, shown.side, shown.size, is_stated=shown.is_stated)

    def _predates(self, born: datetime | None) -> bool:
        """Whether an order is older than this process, or its approval may have been lost with the
        last one.
        """
        since, unclean_since = self.memory.since, self.memory.unclean_since
        if born is None or since is None:
            return not self.desk.state.ready
        if born <= since:
            return True
        life = self.settings.reservation_life
        return unclean_since is not None and abs(born - unclean_since) <= life

    def _is_child(self, order: WorkingOrder) -> bool:
        """Whether a known order said that this one would follow.

        The user channel names neither parent nor child: there, the first order on the other side of
        one with an attached order, and no larger, is taken for it. Every known order is looked at:
        that is a millisecond, for unapproved orders only.
        """
        ledger = self.desk.tracker.ledger
        likely = None
        for parent in chain(ledger.working.values(), ledger.closed.by_id.values()):
            if parent.child_id == order.order_id:
                return True
            if parent.attached and not parent.child_id and self._may_follow(order, parent):
                likely = likely or parent
        if likely is None:
            return self._follows_an_approval(order)
        likely.child_id = order.order_id
        return True

    def _follows_an_approval(self, order: WorkingOrder) -> bool:
        """The same of an approved order that is not known yet: its reports may be held back."""
        approvals, children = self.desk.tracker.ledger.reservations, self.memory.children
        for name in children.keys() - approvals.keys():
            del children[name]
        for name, approval in approvals.items():
            asked, most = approval.order, approval.legs[0].quantity if approval.legs else ZERO
            product = self.desk.tracker.books.product
            if (
                asked.attached
                and self.is_told(name)
                and order.size > ZERO
                and children.get(name, order.order_id) == order.order_id
                and order.side != asked.side
                and order.size * product(order.product_id).contract_size <= abs(most)
                and product(order.product_id).book == product(asked.product_id).book
            ):
                children[name] = order.order_id
                return True
        return False

    def _may_follow(self, order: WorkingOrder, parent: WorkingOrder) -> bool:
        product = self.desk.tracker.books.product
        return (
            order.side != parent.side
            and order.size <= parent.size
            and product(order.product_id).book == product(parent.product_id).book
        )

    # --- The answer -----------------------------------------------------------------------------

    def _answer(self, order: WorkingOrder, shown: Shown, why: str, now: datetime) -> list[Action]:
        told = OrderUnapproved(
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            product_id=order.product_id,
            side=order.side,
            size=shown.size,
            price=shown.price,
            reason=why,
        )
        actions: list[Action] = [told]
        text = _in_words(told)
        if not order.client_order_id.startswith(OWN_PREFIX):
            self._alert(Alert(severity="warning", code=CODE, text=text), now, actions)
        elif not self.watch.liquidator.compares(order.client_order_id):  # else it is told there
            fault = f"{text}; its id looks like one of the sidecar's own, which did not send it"
            own = Alert(severity="critical", code="OWN_ORDER_DIFFERS", text=fault)
            self._alert(own, now, actions)
        if self.settings.unapproved == "cancel":
            self.memory.uncancelled[order.order_id] = text
            actions += self.cancel()
        elif self.settings.unapproved == "reduce_only":
            level = CAUSES[CODE].level
            self.watch.tighten(
                Cause(code=CODE, scope="all", level=level, since=now, reason=text), actions
            )
        return actions

    def cancel(self) -> list[Action]:
        """Cancel the orders that wait for it, but not those that reduce: those are left at the
        alert.
        """
        memory, working = self.memory, self.desk.tracker.ledger.working
        if not self.desk.orders_known:
            return []
        now = {
            order_id: why
            for order_id, why in memory.uncancelled.items()
            if order_id in working and not self._reduces(working[order_id])
        }
        before = {name: why for name, why in memory.cancelling.items() if name in working}
        memory.uncancelled, memory.cancelling = {}, {**before, **now}
        return [CancelOrders(order_ids=(order_id,), reason=why) for order_id, why in now.items()]

    def cancel_all(self, order_ids: Iterable[str], reason: str) -> list[Action]:
        """Cancel these, and go on with it after a restart."""
        ids = tuple(order_ids)
        self.memory.cancelling = {**self.memory.cancelling, **dict.fromkeys(ids, reason)}
        return [CancelOrders(order_ids=ids, reason=reason)] if ids else []

    def _reduces(self, order: WorkingOrder) -> bool:
        """Whether an order's open size opposes the position and, with all other open and reserved
        size on its side, is not larger. One of unknown size, on two coins, or that another would
        follow does not.
        """
        product = self.desk.tracker.books.product(order.product_id)
        line = self.desk.tracker.account.lines.get(product.key)
        if line is None or len(order.legs) != 1 or order.attached:
            return False
        held, mine = line.position.quantity, order.legs[0].quantity
        if order.side == BUY:
            # Spot below zero is a sale told before its purchase: buying it back is no exit.
            return product.is_future and mine <= -held - (line.open_buy - mine)
        return held > ZERO and mine <= held - (line.open_sell - mine)

    # --- Alerts, bounded --------------------------------------------------------------------------

    def _alert(self, alert: Alert, now: datetime, actions: list[Action]) -> None:
        """Tell, at most so often a minute; the rest is counted. No other action waits for it."""
        memory = self.memory
        if not self._is_this_minute(now):
            actions += self._count_untold()
            memory.minute, memory.alerts = now, 0
        if memory.alerts < ALERTS_A_MINUTE:
            memory.alerts += 1
            actions.append(alert)
        else:
            memory.untold += 1

    def _is_this_minute(self, now: datetime) -> bool:
        began = self.memory.minute
        return began is not None and began <= now < began + MINUTE

    def next_due(self) -> datetime | None:
        """When a count of the untold alerts is due."""
        memory = self.memory
        return memory.minute + MINUTE if memory.minute is not None and memory.untold else None

    def lapse(self, now: datetime) -> list[Action]:
        """Let time pass."""
        return [] if self._is_this_minute(now) else self._count_untold()

    def _count_untold(self) -> list[Action]:
        untold, self.memory.untold = self.memory.untold, 0
        if not untold:
            return []
        text = f"{untold} more orders that nobody approved within a minute; the journal names each"
        return [Alert(severity="warning", code=CODE, text=text)]


def _is_late(order: WorkingOrder, fact: OrderReported | FillReported) -> bool:
    """Whether a report shows the order as it was before one that came first."""
    return isinstance(fact, OrderReported) and fact.filled < order.reported.quantity


def _in_words(told: OrderUnapproved) -> str:
    size = "of unknown size" if told.size is None else readable(told.size)
    price = "" if told.price is None else f" at {readable(told.price)}"
    name = told.client_order_id or "none"
    return (
        f"order {told.order_id} (client_order_id {name}): {told.side} {size} {told.product_id}{price} "
        f"was not approved: {told.reason}"
    )
