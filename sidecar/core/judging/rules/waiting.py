"""Approvals in the way: funds or room that an order lacks while others are approved and not yet seen. No I/O.

An approval binds funds and room until its order appears, is released or lapses. Where that is why
another order is refused, the refusal names the approval and says when it lapses.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.reservation import Reservation
from sidecar.core.judging.candidate import Candidate
from sidecar.core.vocabulary.decision import rfc3339
from sidecar.core.vocabulary.money import ZERO

NAMED_MAX: Final = 3  # client_order_ids in a message; the rest is counted


class InTheWay(Struct, frozen=True):
    """Approvals by client_order_id, in the order of their lapse, as far as they are needed for the
    lacking amount. `clears_at`: when the last of them lapses; None where even all of them bind less.
    """

    names: tuple[str, ...]
    clears_at: datetime | None

    @property
    def text(self) -> str:
        """The end of a message."""
        names = ", ".join(self.names[:NAMED_MAX])
        if len(self.names) > NAMED_MAX:
            names += f" and {len(self.names) - NAMED_MAX} more"
        until = "" if self.clears_at is None else f" until {rfc3339(self.clears_at)}"
        return f"; approved and not seen yet, in the way{until}: {names} (release_order frees it)"


def in_the_way(
    candidate: Candidate, lacking: Decimal, bound_by: Callable[[Reservation], Decimal]
) -> InTheWay | None:
    """The approvals of other orders that bind the lacking amount; None where none binds a part of it."""
    own = candidate.order.client_order_id
    binding = [
        (held.expires_at, name, bound)
        for name, held in candidate.tracker.ledger.reservations.items()
        if name != own and (bound := bound_by(held)) > ZERO
    ]
    names = []
    for expires_at, name, bound in sorted(binding):
        names.append(name)
        lacking -= bound
        if lacking <= ZERO:
            # An approval past its life is being looked for: it is dropped at any moment.
            return InTheWay(tuple(names), max(expires_at, candidate.now))
    return InTheWay(tuple(names), None) if names else None


def in_the_way_of_an_exit(candidate: Candidate) -> InTheWay | None:
    """The approvals without which the order would be reducing; None where they are not the reason."""
    if (
        candidate.reducing
        or candidate.opposed is None
        or candidate.order.attached
        or not candidate.quantity
    ):
        return None

    def offered(held: Reservation) -> Decimal:
        legs = (
            leg for leg in held.legs if (leg.key, leg.side) == (candidate.key, candidate.order.side)
        )
        return sum((leg.quantity for leg in legs), ZERO)

    found = in_the_way(candidate, candidate.quantity - candidate.opposed, offered)
    return None if found is None or found.clears_at is None else found
