"""Reservations: the size and funds that an approval binds, and for how long. No I/O."""

from datetime import datetime
from decimal import Decimal

from sidecar.core.account.reservation import Reservation
from sidecar.core.account.valuation import legs_of
from sidecar.core.account.working import Leg
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.judging.candidate import Candidate
from sidecar.core.vocabulary.actions import Action, Alert, FindOrder
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.money import ONE, ZERO


class Reservations:
    """Worked out for an order that every rule has approved; dropped when its order was not seen in time."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk, self.settings = desk, settings

    def of(self, candidate: Candidate, decision: Decision) -> Reservation:
        """The worst case that an approval binds: for an edit only the size and funds that it adds."""
        worth, replaced = candidate.worth, candidate.replaced
        legs, hold = candidate.legs, worth.hold or ZERO
        if replaced is not None:
            added = max(ZERO, candidate.open_size - replaced.remaining)
            legs = (
                legs_of(
                    candidate.product,
                    candidate.order.side,
                    added,
                    worth.valued_at,
                    candidate.tracker.books.cash,
                )
                if added
                else ()
            )
            hold = max(ZERO, (worth.unit_hold or ZERO) * candidate.open_size - replaced.hold)
        if candidate.product.is_future:
            hold = ZERO if candidate.reducing else _margin(candidate, legs)
        return Reservation(
            order=candidate.order,
            strategy_id=candidate.strategy_id,
            approved_at=candidate.now,
            expires_at=candidate.now + self.settings.reservation_life,
            legs=legs,
            hold_currency=worth.hold_currency,
            hold=hold,
            decision=decision,
            tightenings=self.desk.state.tightenings,
            order_id="" if replaced is None else replaced.order_id,
            maker=candidate.asker,
        )

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


def _margin(candidate: Candidate, legs: tuple[Leg, ...]) -> Decimal:
    quantity = sum((leg.quantity for leg in legs), ZERO) / candidate.product.contract_size
    return (
        (candidate.worth.unit_notional or ZERO) * quantity * (candidate.product.margin_rate or ONE)
    )
