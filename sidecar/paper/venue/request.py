"""The requests of a client to the exchange, as types. No I/O.

Unknown keys are ignored, as Coinbase's gateway does; a wrong type is its HTTP 400.
"""

from typing import Any

from msgspec import Struct


class NewOrder(Struct, kw_only=True):
    """The body of `POST /orders`."""

    client_order_id: str
    product_id: str = ""
    side: str = ""
    order_configuration: dict[str, dict[str, Any] | None] = {}
    attached_order_configuration: dict[str, Any] | None = None
    leverage: str | None = None
    margin_type: str | None = None


class Close(Struct, kw_only=True):
    """The body of `POST /orders/close_position`; without a size, all of it."""

    client_order_id: str
    product_id: str = ""
    size: str | None = None


class EditOrder(Struct, kw_only=True):
    """The body of `POST /orders/edit`. A missing number counts as zero, as on Coinbase."""

    order_id: str
    price: str | None = None
    size: str | None = None
    stop_price: str | None = None
