"""The key's permissions, and the fees of its account. Pure."""

from datetime import datetime

from msgspec import Struct

from sidecar.coinbase.reading import Row, is_true, number, table, text
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.errors import Untrusted


class KeyPermissions(Struct, frozen=True):
    """The key's permissions, and whose it is."""

    view: bool
    trade: bool
    transfer: bool
    portfolio: str


def key_permissions(row: Row) -> KeyPermissions:
    """`GET /key_permissions`."""
    return KeyPermissions(
        view=is_true(row.get("can_view")),
        trade=is_true(row.get("can_trade")),
        transfer=is_true(row.get("can_transfer")),
        portfolio=text(row.get("portfolio_uuid"), "portfolio_uuid"),
    )


def fees(row: Row, at: datetime) -> ev.FeesRead:
    """`GET /transaction_summary`: the account's tier. Raises Untrusted: no rate is not a rate of zero."""
    tier = table(row.get("fee_tier"), "fee_tier")
    taker = number(tier.get("taker_fee_rate"), "taker_fee_rate")
    maker = number(tier.get("maker_fee_rate"), "maker_fee_rate")
    if taker is None or maker is None:
        raise Untrusted("the fee tier has no rates")
    return ev.FeesRead(at=at, taker_rate=taker, maker_rate=maker)
