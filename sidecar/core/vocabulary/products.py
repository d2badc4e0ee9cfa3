"""Products as Coinbase lists them: identity, increments, sizes, trading flags, contract size,
aliases. No I/O.

Source: Coinbase Advanced Trade API, `GET /products` ("Get Product").
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import force_setattr

from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.money import ONE, ZERO, amount

DOLLARS: Final = frozenset({"USD", "USDC"})  # USDC counts as one dollar
NAME_MAX: Final = 128  # characters; Coinbase's have some twenty


# A product's name as Coinbase writes it: BTC-USD, or a contract's, BIT-26FEB27-CDE.
PRODUCT_ID: Final = re.compile(r"[A-Z0-9]{1,30}(-[A-Z0-9]{1,30}){1,3}")


class Product(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tradable product.

    Sizes of a future are in contracts; `contract_size` is base units per contract (1 for spot). A
    spot product trades against the wallets of `base` and `quote`; `alias` names the product whose
    order book it shares (BTC-USDC trades in the book of BTC-USD).
    """

    product_id: str
    base: str
    quote: str
    base_increment: Decimal
    quote_increment: Decimal
    price_increment: Decimal
    base_min_size: Decimal = ZERO
    base_max_size: Decimal | None = None
    quote_min_size: Decimal = ZERO
    quote_max_size: Decimal | None = None
    is_future: bool = False
    contract_size: Decimal = ONE
    alias: str = ""
    margin_rate: Decimal | None = None
    is_disabled: bool = False
    trading_disabled: bool = False
    view_only: bool = False
    cancel_only: bool = False
    limit_only: bool = False
    post_only: bool = False
    auction_mode: bool = False
    session_open: bool | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None

    # Worked out from the rest, once:
    key: str = ""
    book: str = ""

    @property
    def is_restricted(self) -> bool:
        """Whether any flag of Coinbase's stands that an order may fall foul of."""
        flags = (self.is_disabled, self.trading_disabled, self.view_only, self.cancel_only)
        return (
            any(flags)
            or self.limit_only
            or self.auction_mode
            or self.post_only
            or self.session_open is False
        )

    def __post_init__(self) -> None:
        """Set the fields that follow from the rest.

        `key`, the exposure key: the base asset for spot (BTC-USD, BTC-USDC and BTC-EUR are one),
        else the contract. `book`: the product whose quotes and resting orders this one shares.
        """
        force_setattr(self, "key", self.product_id if self.is_future else self.base)
        force_setattr(self, "book", self.alias or self.product_id)


# Currencies that are cash, not positions: Coinbase's fiat wallets and USDC. Configurable in
# [positions] cash.
CASH: Final = (
    *("USD", "EUR", "GBP", "AED", "AUD", "BRL", "CAD", "CHF", "INR", "JPY", "MXN", "SGD", "TRY"),
    "USDC",
)


def is_contract(key: str) -> bool:
    """Whether a key is a futures contract: a contract's is its product id, a coin's has no dash."""
    return "-" in key


def product_from_coinbase(row: Mapping[str, Any]) -> Product:
    """Read one product of Coinbase's product list.

    Raises Untrusted, naming the product and the field, when a field without which orders cannot be
    judged is missing or wrong; fields that are not needed are not read.
    """
    read = _Row(row)
    kind = read.text("product_type")
    if kind not in ("SPOT", "FUTURE"):
        raise Untrusted(f"product {read.product_id}: product_type {kind!r} is not supported")
    details = read.table("future_product_details")
    session = read.table("fcm_trading_session_details")
    future = kind == "FUTURE"
    root = details.text("contract_root_unit", default=read.product_id) if future else None
    quote_increment = read.positive("quote_increment")
    return Product(
        product_id=read.product_id,
        base=read.text("base_currency_id", default=root if future else None),
        quote=read.text("quote_currency_id", default="USD" if future else None),
        base_increment=read.positive("base_increment"),
        quote_increment=quote_increment,
        price_increment=read.positive("price_increment", default=quote_increment),
        base_min_size=read.number("base_min_size") or ZERO,
        base_max_size=read.number("base_max_size") or None,
        quote_min_size=read.number("quote_min_size") or ZERO,
        quote_max_size=read.number("quote_max_size") or None,
        is_future=future,
        contract_size=details.positive("contract_size") if future else ONE,
        alias=read.text("alias", default=""),
        margin_rate=_margin_rate(details),
        is_disabled=read.flag("is_disabled") or row.get("status") == "delisted",
        trading_disabled=read.flag("trading_disabled"),
        view_only=read.flag("view_only"),
        cancel_only=read.flag("cancel_only"),
        limit_only=read.flag("limit_only"),
        post_only=read.flag("post_only"),
        auction_mode=read.flag("auction_mode"),
        session_open=session.flag("is_session_open")
        if future and session.row.get("is_session_open") is not None
        else None,
        opens_at=_time(session.row.get("open_time")),
        closes_at=_time(session.row.get("close_time")),
    )


def _margin_rate(details: "_Row") -> Decimal | None:
    """The largest of all margin rates Coinbase states: the position may need it overnight."""
    rates = [
        details.table(name).number(side) or ZERO
        for name in ("intraday_margin_rate", "overnight_margin_rate")
        for side in ("long_margin_rate", "short_margin_rate")
    ]
    return max(rates) or None


def _time(text: object) -> datetime | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None  # only shown, never judged by
    return when if when.tzinfo else None


class _Row:
    """Reads fields of one product, naming product and field in every complaint."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        product_id = row.get("product_id")
        if not isinstance(product_id, str) or not product_id:
            raise Untrusted("a product without product_id")
        self.product_id = product_id
        if len(self.product_id) > NAME_MAX:
            raise Untrusted(f"a product_id has {len(self.product_id)} characters")

    def table(self, name: str) -> "_Row":
        """The object nested under this name, empty where there is none."""
        value = self.row.get(name) or {}
        if not isinstance(value, Mapping):
            raise Untrusted(f"product {self.product_id}: {name} is not an object")
        return _Row({**value, "product_id": self.product_id})

    def text(self, name: str, default: str | None = None) -> str:
        value = self.row.get(name) or default
        if not isinstance(value, str):
            raise Untrusted(f"product {self.product_id}: {name} is missing")
        if len(value) > NAME_MAX:
            raise Untrusted(f"product {self.product_id}: {name} has {len(value)} characters")
        return value

    def number(self, name: str) -> Decimal | None:
        value = self.row.get(name)
        if value is None or value == "":
            return None
        try:
            return amount(str(value))
        except ValueError as fault:
            raise Untrusted(f"product {self.product_id}: {name}: {fault}") from None

    def positive(self, name: str, default: Decimal | None = None) -> Decimal:
        value = self.number(name) or default
        if value is None or value <= 0:
            raise Untrusted(
                f"product {self.product_id}: {name} is {repr(self.row.get(name))[:NAME_MAX]}, not a positive number"
            )
        return value

    def flag(self, name: str) -> bool:
        return self.row.get(name) is True
