"""Attempts: each order of a liquidation, and the stage it is known to be in. No I/O.

    sent ── accepted, or seen ──→ placed ── ended ──→ over
      │ ╲── refused, or not sent ──→ refused (unless it is seen after all)
      │ no answer
      ▼
    doubtful ── seen ──→ placed
      │ ╲────── ended ─────────────────────────────→ over
      │ looked for three times, and not there
      ▼
    sent: the identical body under the same id once more, which Coinbase does not take twice; or
    refused: so much of it is not there any more

A time-out is not a failure: until the outcome of an order is known, no other is sent in its place.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import Struct

from sidecar.core.liquidation.sales import OrderStyle
from sidecar.core.vocabulary.actions import FindAttempt, PlaceOrder
from sidecar.core.vocabulary.events import OrderReported
from sidecar.core.vocabulary.money import plain, readable
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.order_status import is_terminal

Stage = Literal["sent", "doubtful", "placed", "refused", "over"]
Signal = Literal[
    "accepted",
    "refused",
    "not_sent",
    "unknown",
    "absent",
    "given_up",
    "restarted",
    "seen",
    "ended",
]

# A pair that is not listed moves no stage: an answer that comes late, or twice.
MOVES: Final[dict[tuple[Stage, Signal], Stage]] = {
    ("sent", "accepted"): "placed",
    ("sent", "refused"): "refused",
    ("sent", "not_sent"): "refused",
    ("sent", "unknown"): "doubtful",
    ("sent", "restarted"): "doubtful",
    ("sent", "seen"): "placed",
    ("sent", "ended"): "over",
    ("doubtful", "absent"): "sent",
    ("doubtful", "given_up"): "refused",
    ("doubtful", "seen"): "placed",
    ("doubtful", "ended"): "over",
    ("placed", "ended"): "over",
    ("refused", "seen"): "placed",  # and yet it is there
    ("refused", "ended"): "over",
}

# A repeated id: the order exists, and which it is has to be looked up.
KNOWN_ALREADY: Final = "DUPLICATE_CLIENT_ORDER_ID"
LACKS_FUNDS: Final = "INSUFFICIENT_FUND"  # a refusal that no other product would mend
# Coinbase's clock against ours; beyond it an order of that id is another one.
CLOCK_TOLERANCE: Final = timedelta(minutes=1)


class Attempt(Struct, kw_only=True):
    """One order. `size` in order units; None closes the whole position. Prices in quote currency."""

    client_order_id: str
    product_id: str
    key: str
    side: Side
    way: OrderStyle
    size: Decimal | None
    price: Decimal | None = None
    first_sent: datetime
    stage: Stage = "sent"
    order_id: str = ""
    reason: str = ""  # why it was refused, or is in doubt
    is_checked: bool = False  # its report was compared with the order sent
    is_turned_down: bool = False  # the product refused it: another may take it
    lacked_funds: bool = False  # Coinbase said so, even if its balances differ

    @property
    def is_live(self) -> bool:
        """Whether it may still trade."""
        return self.stage not in {"refused", "over"}

    def move(self, signal: Signal, reason: str = "") -> bool:
        """Move by the table; False where the table has no move for the signal now."""
        after = MOVES.get((self.stage, signal))
        if after is None:
            return False
        self.stage = after
        self.reason = reason or self.reason
        return True

    def report(self, report: OrderReported) -> str:
        """Take in Coinbase's report of the order under this id. Returns its difference from the
        order sent, in words; empty when it is that one.
        """
        if self.is_checked and report.order_id != self.order_id:
            return ""  # said already: it is not ours
        if self.way == "close":  # Coinbase says which side closes the position by then
            self.side = report.side
        fault = "" if self.is_checked else self._difference(report)
        self.is_checked = True
        self.order_id = "" if fault else report.order_id
        self.is_turned_down |= report.status == "FAILED" and not report.filled
        ended = is_terminal(report.status) or bool(fault)
        self.move("ended" if ended else "seen", fault)
        return fault

    def is_this(self, side: Side, size: Decimal | None, *, is_stated: bool) -> bool:
        """Whether an order of its product is the one that was sent. `size` None: not told. One that
        is not stated is the size known so far.
        """
        if self.way == "close":  # Coinbase says which side closes, and the size by then
            return True
        if side != self.side or self.size is None or size is None:
            return side == self.side
        return size == self.size if is_stated else size <= self.size

    def _difference(self, report: OrderReported) -> str:
        found = []
        if report.side != self.side:
            found.append(f"it is a {report.side}")
        if None not in (self.size, report.base_size) and self.size != report.base_size:
            found.append(f"its size is {readable(report.base_size or Decimal(0))}")
        born = report.created_at
        if born is not None and born < self.first_sent - CLOCK_TOLERANCE:
            found.append(f"it was created at {born:%Y-%m-%d %H:%M:%S} UTC")
        if not found:
            return ""
        return f"order {report.order_id} under {self.client_order_id}: {', '.join(found)}"

    def place(self) -> PlaceOrder:
        """Send it: each time the identical body under the same id."""
        closes = self.way == "close"
        return PlaceOrder(client_order_id=self.client_order_id, body=self.body, closes=closes)

    def find(self) -> FindAttempt:
        """See whether it is there."""
        return FindAttempt(
            client_order_id=self.client_order_id,
            product_id=self.product_id,
            since=self.first_sent,
        )

    @property
    def body(self) -> dict[str, Any]:
        """The request as Coinbase takes it: of create-order, or of close-position."""
        if self.way == "close":
            body = {"client_order_id": self.client_order_id, "product_id": self.product_id}
            return body if self.size is None else body | {"size": plain(self.size)}
        assert self.size is not None
        size, price = {"base_size": plain(self.size)}, {}
        if self.price is not None:
            price = {"limit_price": plain(self.price)}
        match self.way:
            case "limit":
                configuration: dict[str, Any] = {"sor_limit_ioc": size | price}
            case "post_only" | "auction":
                post_only = {"post_only": self.way == "post_only"}
                configuration = {"limit_limit_gtc": size | price | post_only}
            case _:
                configuration = {"market_market_ioc": size}
        return {
            "client_order_id": self.client_order_id,
            "product_id": self.product_id,
            "side": self.side,
            "order_configuration": configuration,
        }
