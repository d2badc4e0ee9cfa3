"""Adding orders: the open orders that would add risk, if they filled. No I/O.

When a loss has stopped trading, orders left in the book would go on building the position that loses.
So these are cancelled: every order on the side of the position, both sides where there is none, and on
the other side the newest orders beyond the position. Orders that close the position stay.

A confirmed loss, and a shock that went against the position, have them cancelled unless `on_loss` says
otherwise; an operator's stop does so only where the operator asks for it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sidecar.core.account.working import WorkingOrder
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.state import BY_OPERATOR, Cause
from sidecar.core.vocabulary.actions import Action, Alert, CancelOrders
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.orders import BUY

OLDEST: Final = datetime.min.replace(tzinfo=UTC)
# A cancel that was asked for shows within a second or two; after this time it is asked for again.
ASK_AGAIN: Final = timedelta(seconds=10)


def adding_orders(desk: RiskContext, cause: Cause) -> list[str]:
    """Ids of the open orders within the cause's scope that would add risk, sorted."""
    books = desk.tracker.books
    by_key: dict[str, list[WorkingOrder]] = {}
    for order in desk.tracker.ledger.working.values():
        key = books.product(order.product_id).key
        if order.remaining and not order.is_own and cause.binds(key, order.strategy_id):
            by_key.setdefault(key, []).append(order)
    found = [order for key, orders in by_key.items() for order in _adding(desk, key, orders)]
    return sorted(order.order_id for order in found)


def _adding(desk: RiskContext, key: str, orders: Iterable[WorkingOrder]) -> Iterator[WorkingOrder]:
    line = desk.tracker.account.lines.get(key)
    held = ZERO if line is None else line.position.quantity
    left = abs(held)
    for order in sorted(orders, key=lambda one: (one.created_at or OLDEST, one.order_id)):
        if len(order.legs) > 1 or not held or (order.side == BUY) == (held > ZERO):
            yield order  # a coin pair raises a position by as much as it lowers another
            continue
        size = order.remaining * desk.tracker.books.product(order.product_id).contract_size
        left -= size
        if left < ZERO:
            left += size
            yield order


class AddingOrders:
    """Cancels them, or counts them, as long as the cause that stopped trading stands."""

    def __init__(self, desk: RiskContext) -> None:
        self.desk = desk
        self.asked: dict[str, datetime] = {}  # cancels asked for, until the order has ended

    def stop(self, cause: Cause, now: datetime, actions: list[Action]) -> None:
        """A loss has been confirmed, or a shock went against the position: cancel the orders that would add to it, or
        say how much stays.
        """
        ids = adding_orders(self.desk, cause)
        if not ids:
            return
        if self.desk.limits.on_loss == "nothing":
            text = f"{len(ids)} open orders in {cause.scope} would add risk; on_loss leaves them"
            actions.append(Alert(severity="warning", code="ADDING_ORDERS_OPEN", text=text))
        else:
            self.cancel(ids, cause.code, now, actions)

    def stop_by_operator(self, cause: Cause, now: datetime, actions: list[Action]) -> str:
        """An operator has stopped a scope; the answer's words on the orders there that add risk."""
        ids = adding_orders(self.desk, cause)
        if not ids:
            return ""
        orders = "1 open order adds" if len(ids) == 1 else f"{len(ids)} open orders add"
        if not cause.cancels_adding:
            return f"; {orders} risk and may still fill, unless cancel_adding (--cancel-adding) is asked for"
        self.cancel(ids, cause.code, now, actions)
        return f"; {orders} risk: the cancel has been asked for"

    def look(self, now: datetime, actions: list[Action]) -> None:
        """An order appeared, or changed: where adding is stopped, an adding order is cancelled too."""
        working = self.desk.tracker.ledger.working
        if self.asked:
            self.asked = {name: at for name, at in self.asked.items() if name in working}
        for cause in self.desk.state.causes.values():
            if cause.cancels_adding and self._is_wanted(cause):
                self.cancel(adding_orders(self.desk, cause), cause.code, now, actions)

    def _is_wanted(self, cause: Cause) -> bool:
        return cause.code in BY_OPERATOR or self.desk.limits.on_loss == "cancel_adding"

    def cancel(self, ids: Iterable[str], code: str, now: datetime, actions: list[Action]) -> None:
        """Ask for the cancel of these, each once until it should have shown."""
        due = [
            one
            for one in ids
            if one not in self.asked or not timedelta() <= now - self.asked[one] < ASK_AGAIN
        ]
        if due:
            self.asked |= dict.fromkeys(due, now)
            reason = f"{code}: these orders would add risk"
            actions.append(CancelOrders(order_ids=tuple(due), reason=reason))
