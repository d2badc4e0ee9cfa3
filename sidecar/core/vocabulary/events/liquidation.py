"""The answers to a flattening's requests, and its end by another hand. No I/O."""

from datetime import datetime
from typing import Literal

from sidecar.core.vocabulary.events.event import Event

AttemptOutcome = Literal["accepted", "refused", "not_sent", "unknown"]


class AttemptAnswered(Event, frozen=True, kw_only=True, tag=True):
    """The outcome of sending an order of a liquidation. `order_id` where Coinbase accepted it.
    `not_sent`: it certainly did not reach Coinbase; `unknown`: it may have.
    """

    client_order_id: str
    outcome: AttemptOutcome
    order_id: str = ""
    reason: str = ""


class AttemptMissing(Event, frozen=True, kw_only=True, tag=True):
    """An order whose sending had no answer was looked for, often enough, and is not there."""

    client_order_id: str


class AccountRead(Event, frozen=True, kw_only=True, tag=True):
    """A reading for a liquidation has ended: open orders, fills and balances were handed over.

    `reading` is the number it was asked under, `began_at` when its first page was asked for;
    `missing` are orders asked for by id that Coinbase does not know.
    """

    reading: int
    began_at: datetime
    missing: tuple[str, ...] = ()


class LiquidationEnded(Event, frozen=True, kw_only=True, tag=True):
    """An operator aborted the episode; or, in library use, the caller flattened the account."""

    flat: bool
    reason: str = ""
