"""Approvals: from a proposed order to a verdict, and its booking. No I/O.

A proposal is judged first and booked afterwards: `decide` leaves all memory as it was, so that the
answer may leave in between; `commit` books it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from sidecar.core.account.reservation import Reservation
from sidecar.core.account.working import WorkingOrder
from sidecar.core.context.activity import Counted
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.strategy_names import StrategyNames
from sidecar.core.judging.candidate import Candidate
from sidecar.core.judging.closes import closing_order
from sidecar.core.judging.edits import edited, text_of
from sidecar.core.judging.glance import Glance, glance_of
from sidecar.core.judging.judge import Plan, compile_plan, judge
from sidecar.core.judging.reservations import Reservations
from sidecar.core.judging.verdict import Proposal, Verdict
from sidecar.core.vocabulary.actions import Action, Reconcile
from sidecar.core.vocabulary.decision import Decision, Violation
from sidecar.core.vocabulary.events import CloseProposed, EditProposed, OrderProposed
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.order_body import ID_CHARACTERS_MAX, Side
from sidecar.core.vocabulary.order_reading import checked_order, parse_order, stated_id
from sidecar.core.vocabulary.orders import OWN_PREFIX, Faults, InvalidOrder, Order
from sidecar.core.vocabulary.plain_order import plain_order
from sidecar.core.vocabulary.products import Product

# Compiled plans that are kept: a strategy has a plan for each product, and names of strategies may be made up.
PLANS_MAX: Final = 5_000


class Approvals:
    """Decides on proposals, and reserves for the approved ones."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.decisions = 0
        self.names = StrategyNames(desk, settings)
        self.reservations = Reservations(desk, settings)
        self._next: tuple[Glance, Side] | None = None  # the last order that a glance approved
        self._day, self._day_name = 0, ""
        self._plans: dict[tuple[str, str | None], tuple[Plan, Glance | None]] = {}
        self._judges: Final[dict[type[Proposal], Callable[[Any], Verdict]]] = {
            OrderProposed: self._order,
            EditProposed: self._edit,
            CloseProposed: self._close,
        }

    def forget_plans(self) -> None:
        """Limits have changed."""
        self._plans.clear()
        self._next = None

    # --- Proposals --------------------------------------------------------------------------------

    def decide(self, event: Proposal) -> Verdict:
        """Judge a proposal; all memory stays as it was, but that a clock that was set back is noted (activity.py)."""
        return self._judges[type(event)](event)

    def commit(self, verdict: Verdict) -> None:
        """Book a verdict, before another proposal is judged or a fact is taken in."""
        self.decisions += verdict.is_new
        new = verdict.reservation
        if new is None:
            return
        orders = self.desk.tracker.orders
        if new.strategy_id is not None:
            self.names.note(new.strategy_id, new.maker)
        if verdict.in_place_of is not None:
            orders.lift(verdict.in_place_of)
        orders.reserve(new)
        if verdict.headrooms is not None:
            (leg,) = new.legs
            verdict.headrooms.absorb(leg, new.hold)
        for name, setting, usd in verdict.counted:
            self.desk.activity.add(name, setting, usd, new.approved_at)

    def give_back(self, freed: Reservation, before: int) -> None:
        """An approval has been released: the room of its plan has its share back. `before`: the version of the books
        until then.
        """
        found = self._plans.get((freed.order.product_id, self._limited(freed.strategy_id)))
        glance = None if found is None else found[1]
        if glance is not None and not freed.order_id:
            glance.headrooms.give_back(freed.legs[0], freed.hold, before)

    def prepare(self) -> None:
        """The next order is likely to be like the last one: if a glance approved that, the room for the
        next is worked out now, when no bot waits.
        """
        if self._next is not None:
            glance, side = self._next
            glance.headrooms.of(side)

    def _order(self, event: OrderProposed) -> Verdict:
        """A new order. Asking again for a live approval with the same body gives the same approval."""
        try:
            order = self._read(event)
        except InvalidOrder as invalid:
            return self._refused(event, _stated_id(event), invalid.faults)
        product = self.desk.tracker.products.get(order.product_id)
        if product is None:
            return self._unknown_product(event, order)
        is_unlisted = self.names.is_unlisted(event.strategy_id)
        if not is_unlisted and (verdict := self._at_a_glance(event, order, product)) is not None:
            return verdict
        candidate = Candidate(self.desk, order, product, event.at, event.strategy_id)
        candidate.asker, candidate.bot = event.asker, self.desk.tracker.orders.bot_of(event.asker)
        if is_unlisted and not candidate.reducing:
            text = f"strategy_id: {event.strategy_id!r} is not listed; only orders that reduce may have it"
            return self._refused(event, order.client_order_id, [("INVALID_ORDER", text)])
        live = self.desk.tracker.ledger.reservations.get(order.client_order_id)
        if (
            live is None
            or live.order_id
            or live.strategy_id != event.strategy_id
            or live.is_anothers(event.asker)
        ):
            return self._judge(event, candidate)
        return self._judge_again(event, candidate, live)

    def _edit(self, event: EditProposed) -> Verdict:
        """An edit, as the order it would become, with the present order taken out."""
        try:
            old, order = edited(self.desk.tracker.ledger, event)
        except InvalidOrder as invalid:
            name = text_of(event.client_order_id) or text_of(event.order_id)
            return self._refused(event, name, invalid.faults)
        live = self.desk.tracker.ledger.reservations.get(order.client_order_id)
        if fault := self._not_theirs(event, old, live):
            return self._refused(event, order.client_order_id, [("INVALID_ORDER", fault)])
        product = self.desk.tracker.products[old.product_id]
        candidate = Candidate(self.desk, order, product, event.at, old.strategy_id, old)
        candidate.asker, candidate.bot = event.asker, self.desk.tracker.orders.bot_of(event.asker)
        return (
            self._judge(event, candidate)
            if live is None
            else self._judge_again(event, candidate, live)
        )

    def _close(self, event: CloseProposed) -> Verdict:
        """A close, as the order that Coinbase would make of the position."""
        try:
            order = closing_order(self.desk.tracker, event)
        except InvalidOrder as invalid:
            return self._refused(event, text_of(event.client_order_id), invalid.faults)
        proposed = OrderProposed(
            at=event.at,
            body=order,
            strategy_id=event.strategy_id,
            dry_run=event.dry_run,
            asker=event.asker,
        )
        return replace(self._order(proposed), event=event)

    def _not_theirs(self, event: EditProposed, old: WorkingOrder, live: Reservation | None) -> str:
        """Why the order is not for this bot to edit; empty when it is."""
        if live is not None and live.is_anothers(event.asker):
            return (
                "another bot has an edit of this order approved; wait until that is seen, or lapses"
            )
        return "" if old.strategy_id is None else self.names.fault(old.strategy_id, event.asker)

    def _judge_again(self, event: Proposal, candidate: Candidate, live: Reservation) -> Verdict:
        """Judge beside a live reservation of the same id.

        The same order is given its approval again while no cause has tightened since; else it is judged
        afresh, without itself in the way. The funds and sizes of the live reservation stay bound unless a
        new one takes its place: the order may have been sent already.
        """
        same = live.order == candidate.order
        if (
            same
            and live.tightenings == self.desk.state.tightenings
            and candidate.now < live.expires_at
        ):
            return Verdict(event, replace(live.decision, replayed=True), is_new=False)
        if not same and candidate.replaced is None:
            return self._judge(event, candidate)  # another body under a live id: refused
        orders, books = self.desk.tracker.orders, self.desk.tracker.books
        version = books.version
        orders.lift(live)
        try:
            fresh = Candidate(
                self.desk,
                candidate.order,
                candidate.product,
                candidate.now,
                candidate.strategy_id,
                candidate.replaced,
            )
            fresh.is_rejudged, fresh.asker, fresh.bot = same, candidate.asker, candidate.bot
            verdict = self._judge(event, fresh)
        finally:
            orders.put_back(live)
            books.version = version  # they are as they were; no table was kept in between
        return verdict if verdict.reservation is None else replace(verdict, in_place_of=live)

    def _read(self, event: OrderProposed) -> Order:
        """Raises InvalidOrder."""
        body = event.body
        if event.unreadable is not None:
            raise InvalidOrder(list(event.unreadable.faults))
        is_read = isinstance(body, Order)
        order = checked_order(body) if is_read else plain_order(body) or parse_order(body)
        if event.strategy_id is not None and (
            fault := self.names.fault(event.strategy_id, event.asker)
        ):
            raise InvalidOrder([("INVALID_ORDER", fault)])
        if order.client_order_id.startswith(OWN_PREFIX):
            text = (
                f"client_order_id: what begins with {OWN_PREFIX} is the sidecar's own; use another"
            )
            raise InvalidOrder([("INVALID_ORDER", text)])
        return order

    # --- Decisions --------------------------------------------------------------------------------

    def _at_a_glance(self, event: OrderProposed, order: Order, product: Product) -> Verdict | None:
        """The approval of an order that is far from every limit; None: it must be judged."""
        _, glance = self._plan(product, event.strategy_id)
        seen = None if glance is None else glance.look(order, event.at, event.asker)
        if glance is None or seen is None:
            self._next = None if glance is not None else self._next
            return None
        self._next, now = (glance, order.side), event.at
        decision = Decision(
            approved=True,
            client_order_id=order.client_order_id,
            decision_id=self._next_id(now),
            state="ACTIVE",
            as_of=now,
            notional=seen.notional,
            price=seen.price,
            reducing=seen.reducing,
            max_base_size=seen.largest,
            reserved_until=None if event.dry_run else now + self.settings.reservation_life,
            warnings=seen.warnings,
        )
        if decision.reserved_until is None:
            return Verdict(event, decision, product=product)
        reservation = Reservation(
            order=order,
            strategy_id=event.strategy_id,
            approved_at=now,
            expires_at=decision.reserved_until,
            legs=(seen.leg,),
            hold_currency=seen.hold_currency,
            hold=seen.hold,
            decision=decision,
            tightenings=self.desk.state.tightenings,
            maker=event.asker,
        )
        return Verdict(
            event,
            decision,
            reservation,
            seen.windows,
            headrooms=glance.headrooms,
            product=product,
        )

    def _judge(self, event: Proposal, candidate: Candidate) -> Verdict:
        """By every rule."""
        plan, _ = self._plan(candidate.product, candidate.strategy_id)
        found = judge(candidate, plan)
        reserves = not found.violations and not event.dry_run
        decision = Decision(
            approved=not found.violations,
            client_order_id=candidate.order.client_order_id,
            decision_id=self._next_id(candidate.now),
            state=self._state_of(candidate),
            as_of=candidate.now,
            notional=candidate.worth.notional,
            price=candidate.worth.price,
            reducing=candidate.reducing,
            max_base_size=found.max_base_size,
            reserved_until=candidate.now + self.settings.reservation_life if reserves else None,
            violations=found.violations,
            warnings=found.warnings,
        )
        product = candidate.product
        if not reserves:
            return Verdict(event, decision, product=product)
        counted = () if candidate.is_rejudged else self._counted(candidate, plan)
        reservation = self.reservations.of(candidate, decision)
        return Verdict(event, decision, reservation, counted, product=product)

    def _plan(self, product: Product, strategy_id: str | None) -> tuple[Plan, Glance | None]:
        """The rules for this product and strategy, and their glance; compiled anew
        when a listing has changed.
        """
        limited = self._limited(strategy_id)
        found = self._plans.get((product.product_id, limited))
        listed = len(self.desk.tracker.products)
        if found is None or found[0].product is not product or found[0].listed != listed:
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            plan = compile_plan(self.desk, product, limited)
            found = self._plans[product.product_id, limited] = (plan, glance_of(self.desk, plan))
        return found

    def _limited(self, strategy_id: str | None) -> str | None:
        """The strategy whose limits an order must keep; None where it has none of its own."""
        desk = self.desk
        is_limited = desk.binds_each_strategy or strategy_id in desk.limits.strategy
        return strategy_id if is_limited else None

    def _state_of(self, candidate: Candidate) -> str:
        """The tightest cause that applies to an order is its state."""
        return self.desk.state.level_for(candidate.causes)

    @staticmethod
    def _counted(candidate: Candidate, plan: Plan) -> tuple[Counted, ...]:
        """The windows that the approval counts in."""
        return tuple(
            (rule.window(candidate, bound), rule.counted(bound), rule.notional(candidate))
            for rule, bound in plan.counting
            if rule.window is not None and (candidate.bot or not rule.of_bot)
        )

    def _refused(self, event: Proposal, client_order_id: str, faults: Faults) -> Verdict:
        violations = tuple(Violation(code, message=message) for code, message in faults)
        return self._plain_refusal(event, client_order_id, violations)

    def _unknown_product(self, event: Proposal, order: Order) -> Verdict:
        text = f"{order.product_id} is not in Coinbase's list of products; write it as Coinbase does: BTC-USD"
        violation = Violation("UNKNOWN_PRODUCT", observed=order.product_id, message=text)
        return self._plain_refusal(event, order.client_order_id, (violation,))

    def _plain_refusal(
        self, event: Proposal, client_order_id: str, violations: tuple[Violation, ...]
    ) -> Verdict:
        decision = Decision(
            approved=False,
            client_order_id=client_order_id,
            decision_id=self._next_id(event.at),
            state=self.desk.state.account,
            as_of=event.at,
            max_base_size=ZERO,
            violations=violations,
        )
        return Verdict(event, decision)

    def _next_id(self, now: datetime) -> str:
        """Unique within a run and across runs, and the same when events are replayed."""
        if now.toordinal() != self._day:
            self._day, self._day_name = now.toordinal(), f"{now:%Y%m%d}"
        return f"{self._day_name}-{self.decisions + 1}"

    @staticmethod
    def readings(decision: Decision) -> list[Action]:
        """The readings due at once after this decision: the wallet of which an exit sells more than
        looks free.
        """
        if decision.reserved_until is None or decision.replayed:
            return []
        warnings = decision.warnings
        return [Reconcile(reason=w.message) for w in warnings if w.code == "INSUFFICIENT_FUNDS"]


def _stated_id(event: OrderProposed) -> str:
    """The client_order_id of a body that could not be read as an order, where it can be told."""
    if event.unreadable is not None:
        return event.unreadable.client_order_id
    if isinstance(event.body, Order):
        name: Any = event.body.client_order_id
        return name[:ID_CHARACTERS_MAX] if isinstance(name, str) else ""
    return stated_id(event.body)
