"""What bots say: their questions, an approval given back, hello and bye. No I/O."""

from typing import Any, Literal

from msgspec import Struct

from sidecar.core.vocabulary.events.event import Event

ReleaseReason = Literal["released", "never_arrived"]
OnDisconnect = Literal["nothing", "cancel_orders", "flatten"]


class Asker(Struct, frozen=True, omit_defaults=True):
    """Who asks: the user that the kernel names, and the name that was given in hello on that connection, if any."""

    uid: int
    name: str = ""


class Unreadable(Struct, frozen=True, omit_defaults=True):
    """A long body that is no order: why, in (code, message) pairs, the id that it states, how it
    begins, and how long it is. The part kept is bounded, however long the body was.
    """

    faults: tuple[tuple[str, str], ...]
    client_order_id: str
    begins: str
    bytes: int


class OrderProposed(Event, frozen=True, kw_only=True, tag=True):
    """A bot asks whether it may send `body`, a create-order call's JSON; `unreadable` in place of a
    body that is no order.
    """

    body: Any
    strategy_id: str | None = None
    dry_run: bool = False
    asker: Asker | None = None
    unreadable: Unreadable | None = None


class EditProposed(Event, frozen=True, kw_only=True, tag=True):
    """A bot asks whether it may edit an order; price and size are the new totals, as text."""

    order_id: str | None = None
    client_order_id: str | None = None
    price: Any = None
    size: Any = None
    dry_run: bool = False
    asker: Asker | None = None


class CloseProposed(Event, frozen=True, kw_only=True, tag=True):
    """A bot asks whether it may have Coinbase close a position by `close_position`; `size` in contracts, as
    text, None for all of it.
    """

    product_id: str
    client_order_id: str
    size: Any = None
    strategy_id: str | None = None
    dry_run: bool = False
    asker: Asker | None = None


class ReservationReleased(Event, frozen=True, kw_only=True, tag=True):
    """The approved order will not be sent or was refused by Coinbase (`released`), or a look-up
    shows that it never arrived. `decision_id` is the approval that a look-up answers: a later one
    of the same id stays. None releases the approval that is there, for an `asker` its own only.
    """

    client_order_id: str
    decision_id: str | None = None
    reason: ReleaseReason = "released"
    asker: Asker | None = None


class BotConnected(Event, frozen=True, kw_only=True, tag=True):
    """A bot gave its name, on a connection of its own, and the action for when it is gone without `bye`."""

    name: str
    uid: int
    strategy_id: str | None = None
    on_disconnect: OnDisconnect = "nothing"


class BotDropped(Event, frozen=True, kw_only=True, tag=True):
    """A bot's connection ended without `bye`."""

    name: str
    uid: int


class BotLeft(Event, frozen=True, kw_only=True, tag=True):
    """A bot said `bye` on its connection."""

    name: str
    uid: int
