"""Every action the core may ask for. No I/O. Its mirror is `events`: every fact that may enter.

An action is a wish, frozen; the daemon (or a library caller) carries it out and reports back by an
event.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.limit_changes import LimitChange
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.reports import LiquidationReport


class Action(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """A step that must be taken outside the core."""


class Decided(Action, frozen=True, kw_only=True, tag=True):
    """Tell the bot. Counterpart: OrderProposed, EditProposed, CloseProposed."""

    decision: Decision


class StateChanged(Action, frozen=True, kw_only=True, tag=True):
    """The account's trading state moved. To be on disk before any of its effects leaves the
    process.
    """

    before: str
    after: str
    reason: str


class CauseRaised(Action, frozen=True, kw_only=True, tag=True):
    """A reason to tighten appeared, within its scope. To be on disk before any of its effects
    leaves the process.
    """

    code: str
    scope: str
    level: str
    reason: str
    clears_at: datetime | None = None


class CauseCleared(Action, frozen=True, kw_only=True, tag=True):
    """A reason to tighten is gone."""

    code: str
    scope: str
    reason: str


class LimitsChanged(Action, frozen=True, kw_only=True, tag=True):
    """Write down which limits are others now, which are queued until when, why, and by whom."""

    by: str
    reason: str
    changes: tuple[LimitChange, ...] = ()
    queued: tuple[LimitChange, ...] = ()
    binds_at: datetime | None = None


class Alert(Action, frozen=True, kw_only=True, tag=True):
    """A message that the operator should see."""

    severity: Literal["info", "warning", "critical"]
    code: str
    text: str


class Answered(Action, frozen=True, kw_only=True, tag=True):
    """Tell the operator. Counterpart: the operator's events."""

    done: bool
    text: str
    remaining: tuple[str, ...] = ()


class WakeAt(Action, frozen=True, kw_only=True, tag=True):
    """Send ClockAdvanced at this time, if no other event comes before."""

    at: datetime


class ConfirmQuotes(Action, frozen=True, kw_only=True, tag=True):
    """Read best_bid_ask over REST. Counterpart: QuotesConfirmed, or ConfirmationUnavailable after 5
    s of wall time.
    """

    product_ids: tuple[str, ...]


class RefreshQuotes(Action, frozen=True, kw_only=True, tag=True):
    """Read best_bid_ask over REST of products gone quiet. Counterpart: Quotes."""

    product_ids: tuple[str, ...]


class FollowDepth(Action, frozen=True, kw_only=True, tag=True):
    """Follow the depth of these books, and of no others, from now on; sorted, empty for none. Counterpart: DepthSeen
    when one has changed, at most once a second for each; DepthHolds of those unchanged, at least every 10 s, while
    their feed is whole.
    """

    product_ids: tuple[str, ...]


class ReadDepth(Action, frozen=True, kw_only=True, tag=True):
    """Read the depth of these books once, over REST. Counterpart: DepthSeen; a failure is not answered."""

    product_ids: tuple[str, ...]


class ReadProduct(Action, frozen=True, kw_only=True, tag=True):
    """Read a product that a fact named and no listing held. Counterpart: ProductsListed, then a
    reconciliation. Where it `is_waited_for`, no reading of the account is whole without it.
    """

    product_id: str
    is_waited_for: bool = True


class Reconcile(Action, frozen=True, kw_only=True, tag=True):
    """Read orders, fills and balances. Counterpart: their events, then AccountReconciled."""

    reason: str


class FindOrder(Action, frozen=True, kw_only=True, tag=True):
    """One listing pass for an approved order that never appeared. Counterpart: OrderReported, or
    ReservationReleased with this `decision_id` and the reason `never_arrived`.
    """

    client_order_id: str
    product_id: str
    decision_id: str


class OrderUnapproved(Action, frozen=True, kw_only=True, tag=True):
    """Write down that this order, as it is, was not approved. Size in order units, price in quote
    currency, None where not told. Further consequences come as actions of their own.
    """

    order_id: str
    client_order_id: str
    product_id: str
    side: Side
    size: Decimal | None
    price: Decimal | None
    reason: str


class CancelOrders(Action, frozen=True, kw_only=True, tag=True):
    """Cancel these. Counterpart: OrderReported."""

    order_ids: tuple[str, ...]
    reason: str


class ReduceOnly(Action, frozen=True, kw_only=True, tag=True):
    """A loss limit is crossed: no order may add risk within its scope. Losses are positive, USD;
    `ratio` is of equity.
    """

    code: str
    scope: str = "all"
    loss: Decimal
    ratio: Decimal | None
    limit: str
    reason: str


class Liquidate(Action, frozen=True, kw_only=True, tag=True):
    """Flatten the whole account, now. Losses are positive, USD; `equity_base` is the equity that a
    ratio was taken of.
    """

    episode: str
    reason: str
    loss: Decimal | None = None
    ratio: Decimal | None = None
    limit: str | None = None
    equity_base: Decimal | None = None
    triggered_at: datetime | None = None


class FlattenProduct(Action, frozen=True, kw_only=True, tag=True):
    """Cancel and sell one exposure key only."""

    key: str
    reason: str


class PlaceOrder(Action, frozen=True, kw_only=True, tag=True):
    """Send an order of a liquidation: `body` is create-order's, or close-position's where `closes`.
    To be on disk before it leaves. Counterpart: AttemptAnswered, then OrderReported.
    """

    client_order_id: str
    body: dict[str, Any]
    closes: bool = False


class FindAttempt(Action, frozen=True, kw_only=True, tag=True):
    """Look for an order of a liquidation whose sending had no answer: every status and source, three
    times over 5 s. Counterpart: OrderReported, or AttemptMissing.
    """

    client_order_id: str
    product_id: str
    since: datetime


class ReadOrders(Action, frozen=True, kw_only=True, tag=True):
    """Read these orders back. Counterpart: OrderReported."""

    order_ids: tuple[str, ...]


class ReadAccount(Action, frozen=True, kw_only=True, tag=True):
    """Read open orders, fills and balances for a liquidation, these orders by id, and the products
    where their flags may have changed. Counterpart: their events, then AccountRead of this `reading`
    or a later one.
    """

    reading: int
    order_ids: tuple[str, ...] = ()
    with_products: bool = False


class LiquidationReported(Action, frozen=True, kw_only=True, tag=True):
    """Write down how a flattening went."""

    report: LiquidationReport
