"""Approvals: from a proposed order to a decision, and the life of the reservation it makes.

No I/O.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sidecar.core.account.valuation import legs_of
from sidecar.core.account.working import Leg, Reservation, WorkingOrder
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.strategy_names import StrategyNames
from sidecar.core.judging.check import Check
from sidecar.core.judging.closes import closing_order
from sidecar.core.judging.edits import edited, text_of
from sidecar.core.judging.glance import Foreseen, Glance, glance_of
from sidecar.core.judging.judge import Plan, compile_plan, judge
from sidecar.core.vocabulary.actions import Action, Alert, FindOrder, Reconcile
from sidecar.core.vocabulary.decision import Decision, Violation
from sidecar.core.vocabulary.events import CloseProposed, EditProposed, Event, OrderProposed
from sidecar.core.vocabulary.money import ONE, ZERO
from sidecar.core.vocabulary.order_body import ID_CHARACTERS_MAX, Side
from sidecar.core.vocabulary.orders import (
    OWN_PREFIX,
    Faults,
    InvalidOrder,
    Order,
    checked_order,
    parse_order,
    stated_id,
)
from sidecar.core.vocabulary.plain_order import plain_order
from sidecar.core.vocabulary.products import Product


class Approvals:
    """Decides on proposals, reserves what it approves, and lets reservations lapse."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.decisions = 0
        self.names = StrategyNames(desk, settings)
        self._foreseen: Foreseen | None = None
        self._next: tuple[Glance, Side] | None = None  # what was looked at last
        self._day, self._day_name = 0, ""
        self._plans: dict[tuple[str, str | None], tuple[Plan, Glance | None]] = {}

    def by_event(self) -> dict[type[Event], Callable[[Any], Decision]]:
        """What decides on each kind of proposal."""
        return {
            OrderProposed: self.propose,
            EditProposed: self.propose_edit,
            CloseProposed: self.propose_close,
        }

    def forget_plans(self) -> None:
        """Limits have changed."""
        self._plans.clear()
        self._next = None

    # --- Proposals --------------------------------------------------------------------------------

    def foresee(self, event: OrderProposed) -> Decision | None:
        """The approval that `propose` will give if nothing happens in between, where a glance tells it;
        None: it must be judged.
        """
        self._foreseen = foreseen = self._look(event)
        return foreseen.decision

    def prepare(self) -> None:
        """The next order is likely to be like the last one: if that was seen at a glance, what the books
        leave for it is worked out now, while nobody waits.
        """
        if self._next is not None:
            glance, side = self._next
            glance.headrooms.of(side)

    def propose(self, event: OrderProposed) -> Decision:
        """Judge a new order.

        Asking again for a live approval with the same body gives the same approval.
        """
        foreseen, self._foreseen = self._foreseen, None
        if foreseen is None or foreseen.event is not event or foreseen.is_overtaken:
            foreseen = self._look(event)
        if foreseen.seen is not None:
            return self._book(foreseen)
        order = foreseen.order
        if not isinstance(order, Order):
            return self._refused(_stated_id(event), order, event.at)
        product = self.desk.tracker.products.get(order.product_id)
        if product is None:
            return self._unknown_product(order, event.at)
        check = Check(self.desk, order, product, event.at, event.strategy_id)
        check.asker = event.asker
        if self.names.is_unlisted(event.strategy_id) and not check.reducing:
            text = f"strategy_id: {event.strategy_id!r} is not listed; only orders that reduce may have it"
            return self._refused(order.client_order_id, [("INVALID_ORDER", text)], event.at)
        live = self.desk.tracker.ledger.reservations.get(order.client_order_id)
        if (
            live is None
            or live.order_id
            or live.strategy_id != event.strategy_id
            or live.is_anothers(event.asker)
        ):
            return self._decide(check, dry_run=event.dry_run)
        return self._decide_again(check, live, dry_run=event.dry_run)

    def propose_edit(self, event: EditProposed) -> Decision:
        """Judge an edit as the order it would become, with the present order taken out."""
        try:
            old, order = edited(self.desk.tracker.ledger, event)
        except InvalidOrder as invalid:
            name = text_of(event.client_order_id) or text_of(event.order_id)
            return self._refused(name, invalid.faults, event.at)
        live = self.desk.tracker.ledger.reservations.get(order.client_order_id)
        if fault := self._not_theirs(event, old, live):
            return self._refused(order.client_order_id, [("INVALID_ORDER", fault)], event.at)
        product = self.desk.tracker.products[old.product_id]
        check = Check(self.desk, order, product, event.at, old.strategy_id, old)
        check.asker = event.asker
        if live is None:
            return self._decide(check, dry_run=event.dry_run)
        return self._decide_again(check, live, dry_run=event.dry_run)

    def propose_close(self, event: CloseProposed) -> Decision:
        """Judge a close as the order that Coinbase would make of the position."""
        try:
            order = closing_order(self.desk.tracker, event)
        except InvalidOrder as invalid:
            return self._refused(text_of(event.client_order_id), invalid.faults, event.at)
        return self.propose(
            OrderProposed(
                at=event.at,
                body=order,
                strategy_id=event.strategy_id,
                dry_run=event.dry_run,
                asker=event.asker,
            )
        )

    def _not_theirs(self, event: EditProposed, old: WorkingOrder, live: Reservation | None) -> str:
        """Why the order is not for this bot to edit; empty when it is."""
        if live is not None and live.is_anothers(event.asker):
            return (
                "another bot has an edit of this order approved; wait until that is seen, or lapses"
            )
        return "" if old.strategy_id is None else self.names.fault(old.strategy_id, event.asker)

    def _decide_again(self, check: Check, live: Reservation, *, dry_run: bool) -> Decision:
        """Decide beside a live reservation of the same id.

        The same order is given its approval again while nothing has tightened; else it is judged
        afresh, without itself in the way. What a reservation bound stays bound unless a new one
        takes its place: the order may have been sent already.
        """
        same = live.order == check.order
        if same and live.tightenings == self.desk.state.tightenings and check.now < live.expires_at:
            return _replay(live.decision)
        if not same and check.replaced is None:
            return self._decide(check, dry_run=dry_run)  # another body under a live id: refused
        orders, decision = self.desk.tracker.orders, None
        orders.lift(live)
        try:
            fresh = Check(
                self.desk, check.order, check.product, check.now, check.strategy_id, check.replaced
            )
            fresh.again, fresh.asker = same, check.asker
            decision = self._decide(fresh, dry_run=dry_run)
        finally:
            if decision is None or decision.reserved_until is None:
                orders.put_back(live)
        return decision

    def _look(self, event: OrderProposed) -> Foreseen:
        """Read the order, and see at a glance whether it is approved."""
        body = event.body
        if event.unreadable is not None:
            return Foreseen(event, list(event.unreadable.faults))
        try:
            is_read = isinstance(body, Order)
            order = checked_order(body) if is_read else plain_order(body) or parse_order(body)
            if event.strategy_id is not None and (
                fault := self.names.fault(event.strategy_id, event.asker)
            ):
                return Foreseen(event, [("INVALID_ORDER", fault)])
        except InvalidOrder as invalid:
            return Foreseen(event, invalid.faults)
        if order.client_order_id.startswith(OWN_PREFIX):
            text = (
                f"client_order_id: what begins with {OWN_PREFIX} is the sidecar's own; use another"
            )
            return Foreseen(event, [("INVALID_ORDER", text)])
        product = self.desk.tracker.products.get(order.product_id)
        if product is None or self.names.is_unlisted(event.strategy_id):
            return Foreseen(event, order)
        _, glance = self._plan(product, event.strategy_id)
        if glance is None:
            return Foreseen(event, order)
        seen = glance.look(order, event.at)
        if seen is None:
            self._next = None
            return Foreseen(event, order)
        self._next = (glance, order.side)
        now = event.at
        decision = Decision(
            approved=True,
            client_order_id=order.client_order_id,
            decision_id=self._id_after(self.decisions, now),
            state="ACTIVE",
            as_of=now,
            notional=seen.notional,
            price=seen.price,
            reducing=seen.reducing,
            max_base_size=seen.largest,
            reserved_until=None if event.dry_run else now + self.settings.reservation_life,
        )
        return Foreseen(event, order, glance, seen, decision)

    # --- Decisions --------------------------------------------------------------------------------

    def _decide(self, check: Check, *, dry_run: bool) -> Decision:
        plan, _ = self._plan(check.product, check.strategy_id)
        verdict = judge(check, plan)
        approved = not verdict.violations
        reserves = approved and not dry_run
        decision = Decision(
            approved=approved,
            client_order_id=check.order.client_order_id,
            decision_id=self._next_id(check.now),
            state=self._state_of(check),
            as_of=check.now,
            notional=check.worth.notional,
            price=check.worth.price,
            reducing=check.reducing,
            max_base_size=verdict.max_base_size,
            reserved_until=check.now + self.settings.reservation_life if reserves else None,
            violations=verdict.violations,
            warnings=verdict.warnings,
        )
        if reserves:
            self._reserve(check, decision)
            if not check.again:
                self._count(check, plan)
        return decision

    def _plan(self, product: Product, strategy_id: str | None) -> tuple[Plan, Glance | None]:
        """The rules for this product and strategy, and what they come to at a glance; compiled anew
        when a listing has changed.
        """
        own = strategy_id if strategy_id in self.desk.limits.strategy else None
        found = self._plans.get((product.product_id, own))
        listed = len(self.desk.tracker.products)
        if found is None or found[0].product is not product or found[0].listed != listed:
            plan = compile_plan(self.desk, product, own)
            found = self._plans[product.product_id, own] = (plan, glance_of(self.desk, plan))
        return found

    def _book(self, foreseen: Foreseen) -> Decision:
        """What a glance approves is reserved and counted as any approval is."""
        event, order, seen = foreseen.event, foreseen.order, foreseen.seen
        glance, decision = foreseen.glance, foreseen.decision
        assert seen is not None
        assert glance is not None
        assert decision is not None
        assert isinstance(order, Order)
        self.decisions += 1
        if decision.reserved_until is None:
            return decision
        reservation = Reservation(
            order=order,
            strategy_id=event.strategy_id,
            approved_at=event.at,
            expires_at=decision.reserved_until,
            legs=(seen.leg,),
            hold_currency=seen.hold_currency,
            hold=seen.hold,
            decision=decision,
            tightenings=self.desk.state.tightenings,
            maker=event.asker,
        )
        self.names.note(event.strategy_id, event.asker)
        self.desk.tracker.orders.reserve(reservation)
        glance.headrooms.take(seen.leg, seen.hold)
        for name, rate in seen.windows:
            self.desk.activity.note(name, rate, event.at)
        return decision

    def _state_of(self, check: Check) -> str:
        """The tightest cause that applies to an order is its state."""
        return self.desk.state.level_for(check.causes)

    def _reserve(self, check: Check, decision: Decision) -> None:
        """Bind the worst case: for an edit only what it adds."""
        worth, replaced = check.worth, check.replaced
        legs, hold = check.legs, worth.hold or ZERO
        if replaced is not None:
            added = max(ZERO, check.open_size - replaced.remaining)
            legs = (
                legs_of(
                    check.product,
                    check.order.side,
                    added,
                    worth.valued_at,
                    check.tracker.books.cash,
                )
                if added
                else ()
            )
            hold = max(ZERO, (worth.unit_hold or ZERO) * check.open_size - replaced.hold)
        if check.product.is_future:
            hold = ZERO if check.reducing else self._margin(check, legs)
        self.names.note(check.strategy_id, check.asker)
        self.desk.tracker.orders.reserve(
            Reservation(
                order=check.order,
                strategy_id=check.strategy_id,
                approved_at=check.now,
                expires_at=check.now + self.settings.reservation_life,
                legs=legs,
                hold_currency=worth.hold_currency,
                hold=hold,
                decision=decision,
                tightenings=self.desk.state.tightenings,
                order_id="" if replaced is None else replaced.order_id,
                maker=check.asker,
            )
        )

    def _margin(self, check: Check, legs: tuple[Leg, ...]) -> Decimal:
        quantity = sum((leg.quantity for leg in legs), ZERO) / check.product.contract_size
        return (check.worth.unit_notional or ZERO) * quantity * (check.product.margin_rate or ONE)

    def _count(self, check: Check, plan: Plan) -> None:
        for rule, bound in plan.counting:
            assert rule.window is not None
            self.desk.activity.note(rule.window(check, bound), bound.setting, check.now)

    def _refused(self, client_order_id: str, faults: Faults, now: datetime) -> Decision:
        violations = tuple(Violation(code, message=message) for code, message in faults)
        return self._plain_refusal(client_order_id, violations, now)

    def _unknown_product(self, order: Order, now: datetime) -> Decision:
        text = f"{order.product_id} is not in Coinbase's list of products"
        violation = Violation("UNKNOWN_PRODUCT", observed=order.product_id, message=text)
        return self._plain_refusal(order.client_order_id, (violation,), now)

    def _plain_refusal(
        self, client_order_id: str, violations: tuple[Violation, ...], now: datetime
    ) -> Decision:
        return Decision(
            approved=False,
            client_order_id=client_order_id,
            decision_id=self._next_id(now),
            state=self.desk.state.account,
            as_of=now,
            max_base_size=ZERO,
            violations=violations,
        )

    def _next_id(self, now: datetime) -> str:
        name = self._id_after(self.decisions, now)
        self.decisions += 1
        return name

    def _id_after(self, decisions: int, now: datetime) -> str:
        """Unique within a run and across runs, and the same when events are replayed."""
        if now.toordinal() != self._day:
            self._day, self._day_name = now.toordinal(), f"{now:%Y%m%d}"
        return f"{self._day_name}-{decisions + 1}"

    @staticmethod
    def readings(decision: Decision) -> list[Action]:
        """The readings due at once after this decision: the wallet of which an exit sells more than
        looks free.
        """
        if decision.reserved_until is None or decision.replayed:
            return []
        warnings = decision.warnings
        return [Reconcile(reason=w.message) for w in warnings if w.code == "INSUFFICIENT_FUNDS"]

    # --- Lapsing ----------------------------------------------------------------------------------

    def next_lapse(self) -> datetime | None:
        """When the next reservation lapses."""
        reservation = self.desk.tracker.ledger.next_lapse()
        return None if reservation is None else reservation.expires_at

    def lapse(self, now: datetime) -> list[Action]:
        """Drop reservations past their life.

        Connected, their orders are looked for first: one listing pass each.
        """
        tracker = self.desk.tracker
        actions: list[Action] = []
        while (reservation := tracker.ledger.pop_lapse(now)) is not None:
            name = reservation.order.client_order_id
            if self.settings.connected:
                actions.append(
                    FindOrder(
                        client_order_id=name,
                        product_id=reservation.order.product_id,
                        decision_id=reservation.decision.decision_id,
                    )
                )
                continue
            tracker.orders.release(name)
            life_s = self.settings.reservation_life.total_seconds()
            text = f"the approved order {name} was not seen within {life_s:g} s"
            actions.append(Alert(severity="info", code="APPROVAL_LAPSED", text=text))
        return actions


def _stated_id(event: OrderProposed) -> str:
    """The client_order_id of a body that could not be read as an order, where it can be told."""
    if event.unreadable is not None:
        return event.unreadable.client_order_id
    if isinstance(event.body, Order):
        name: Any = event.body.client_order_id
        return name[:ID_CHARACTERS_MAX] if isinstance(name, str) else ""
    return stated_id(event.body)


def _replay(decision: Decision) -> Decision:
    return Decision(
        **{name: getattr(decision, name) for name in decision.__struct_fields__}
        | {"replayed": True}
    )
