"""The exchange's events, in the order they happened. No I/O.

Each event holds the state when it happened: orders are copies, so that a reader who comes late
still sees every stage.
"""

from msgspec import Struct

from sidecar.paper.venue.order import Order
from sidecar.paper.venue.tape import Trade


class OrderChanged(Struct, frozen=True):
    """A new stage of one of the account's orders."""

    order: Order


class BookMoved(Struct, frozen=True):
    """Best bid, best ask or depth of a book changed."""

    book: str


class Quoted(Struct, frozen=True):
    """A hand on the market set best bid and ask; readers of prices are told without a trade."""

    book: str


class Traded(Struct, frozen=True):
    """A match in a book, of the account or of others."""

    trade: Trade


class FuturesChanged(Struct, frozen=True):
    """The futures wallet, positions or margin changed."""


class ProductChanged(Struct, frozen=True):
    """A product's flags changed."""

    product_id: str


Event = OrderChanged | BookMoved | Quoted | Traded | FuturesChanged | ProductChanged
