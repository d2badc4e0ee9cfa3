"""An order as a bot writes it: every Coinbase order_configuration becomes one `Order` (order_reading.py). No I/O."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.vocabulary.order_body import (
    KINDS,
    Side,
)

BUY: Final = "BUY"
SELL: Final = "SELL"
OPPOSITE: Final[dict[Side, Side]] = {"BUY": "SELL", "SELL": "BUY"}

# The sidecar's own orders are told by it.
OWN_PREFIX: Final = "risk-sidecar-"

BRACKETS: Final = frozenset({"trigger_bracket_gtc", "trigger_bracket_gtd"})
TAKING: Final = frozenset(
    {"market_market_ioc", "market_market_fok", "sor_limit_ioc", "limit_limit_fok"}
)
RESTING: Final = frozenset(KINDS) - TAKING
# Kinds of which an Order says all; of others it keeps the rest as text.
WHOLE: Final = frozenset(
    {
        "market_market_ioc",
        "market_market_fok",
        "sor_limit_ioc",
        "limit_limit_gtc",
        "limit_limit_fok",
    }
)

FAULTS_MAX: Final = 20  # that are named: a ladder of a thousand rungs may have a thousand


class Order(Struct, frozen=True, omit_defaults=True):
    """An order not yet sent. Sizes in the product's base units (contracts for futures), prices in
    quote currency.

    `limit_price` is the most aggressive price it may trade at and `ceiling_price` the highest; both
    None for a market order. Exactly one of `base_size` and `quote_size` is set. `stop_price` is the
    trigger of stop and bracket orders; `prices` and `sizes` are all those given where there are
    several. Attached take-profit and stop-loss orders are children that only reduce: `attached`
    notes them.
    """

    client_order_id: str
    product_id: str
    side: Side
    kind: str
    attached: bool = False
    extras: str = ""
    base_size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    ceiling_price: Decimal | None = None
    stop_price: Decimal | None = None
    prices: tuple[Decimal, ...] = ()
    sizes: tuple[Decimal, ...] = ()
    post_only: bool = False
    end_time: datetime | None = None

    @property
    def is_market(self) -> bool:
        return self.limit_price is None

    @property
    def given_limit(self) -> Decimal | None:
        """The limit price that was written: of a bracket its target, without Coinbase's addition to its
        trigger.
        """
        return self.prices[0] if self.kind in BRACKETS else self.limit_price

    @property
    def rests(self) -> bool:
        """Whether it can lie on the book: at its limit price, a stop once it is triggered."""
        return self.kind in RESTING


Faults = list[tuple[str, str]]


class InvalidOrder(ValueError):
    """An order that cannot be read. `faults` are (code, message) pairs, every one found. They may be
    kept; the error itself holds on to all that was at work where it was raised.
    """

    def __init__(self, faults: Faults) -> None:
        more = len(faults) - FAULTS_MAX
        if more > 0:
            faults = [*faults[:FAULTS_MAX], ("INVALID_ORDER", f"and {more} faults more")]
        super().__init__("; ".join(message for _, message in faults))
        self.faults = faults


def fingerprint(order: Order) -> str:
    """The text by which two orders are identical: all of them but their id."""
    size = order.base_size if order.base_size is not None else order.quote_size
    text = f"{order.product_id}|{order.side}|{order.kind}"
    for number in (size, *(order.prices or (order.limit_price, order.stop_price)), *order.sizes):
        if number is not None:
            digits = str(number)
            text += "|" + (digits if digits[-1] != "0" else str(number.normalize()))
    return text


def is_identifier(text: object, characters_max: int) -> bool:
    """Whether an id can be written down and read back: printable, not empty, not endless."""
    return isinstance(text, str) and 0 < len(text) <= characters_max and text.isprintable()
