"""Verdict: a decision that is not in the books yet, and how it is booked. No I/O."""

from typing import Final

from msgspec import Struct

from sidecar.core.account.reservation import Reservation
from sidecar.core.context.activity import Counted
from sidecar.core.judging.headroom import Headrooms
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.events import CloseProposed, EditProposed, OrderProposed
from sidecar.core.vocabulary.products import Product

Proposal = OrderProposed | EditProposed | CloseProposed
PROPOSALS: Final = frozenset({OrderProposed, EditProposed, CloseProposed})


class Verdict(Struct):
    """The decision on a proposal, and the approval to be booked: none for a refusal, a dry run and an approval given
    again, which `is_new` is false for.

    `counted`: the windows it counts in; `in_place_of`: the live approval of the same
    id that it replaces; `headrooms`: the room that a glance judged it by, of which it takes its share. `turn`: the
    versions of the books and of the decisions; once they have moved, the verdict is void. `product`: the
    order's, where it is listed.
    """

    event: Proposal
    decision: Decision
    reservation: Reservation | None = None
    counted: tuple[Counted, ...] = ()
    in_place_of: Reservation | None = None
    headrooms: Headrooms | None = None
    is_new: bool = True
    product: Product | None = None
    turn: tuple[int, int] = (-1, -1)
