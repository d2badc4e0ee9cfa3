"""Whatever Coinbase's REST answers, reading it gives facts or one of the errors that are expected."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
import respx
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.coinbase.account_reader import AccountReader
from sidecar.coinbase.budget import Budget
from sidecar.coinbase.lookups import Lookups
from sidecar.coinbase.rest import CallFailed, Rest
from sidecar.core.vocabulary.errors import Untrusted
from sidecar.core.vocabulary.events import Event
from sidecar.daemon import preflight

URL = "http://coinbase.test"
NOW = datetime(2026, 11, 22, 13, tzinfo=UTC)
NAMES = [
    "accounts", "asks", "available_balance", "balance_summary", "bids", "breakdown", "can_trade",
    "cfm_usd_balance", "currency", "cursor", "fee_tier", "fills", "future_product_details", "hold",
    "iso", "number_of_contracts", "order_configuration", "order_id", "orders", "portfolios",
    "positions", "price", "pricebooks", "product_id", "products", "side", "size", "spot_positions",
    "status", "taker_fee_rate", "trade_type", "uuid", "value",
]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "BUY", "1", "x", "NaN"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=25,
)
READS = {
    "products": lambda _, lookups: lookups.products(),
    "product": lambda _, lookups: lookups.product("BTC-USD"),
    "quotes": lambda _, lookups: lookups.quotes(("BTC-USD",)),
    "fees": lambda _, lookups: lookups.fees(),
    "permissions": lambda _, lookups: lookups.permissions(),
    "server_time": lambda _, lookups: lookups.server_time(),
    "recent_orders": lambda _, lookups: lookups.recent_orders(NOW),
    "named_orders": lambda _, lookups: lookups.named_orders(["one"]),
    "account": lambda picture, _: everything(picture.account(NOW)),
    "preflight": lambda _, lookups: preflight.look(lookups, lambda: 0.0),
}


async def everything(events):
    return [event async for event in events]


async def read(name, answer):
    # No connection is made, and reading certificates is what a client costs.
    rest = Rest(URL, None, budget=Budget(1e9, 1e9), verify=False)
    picture = AccountReader(rest, lambda: NOW, lambda text: None)
    lookups = Lookups(rest, lambda: NOW, lambda text: None)
    try:
        with respx.mock:
            respx.route().mock(return_value=httpx.Response(200, json=answer))
            return await READS[name](picture, lookups)
    except (CallFailed, Untrusted):
        return None
    finally:
        await rest.close()


@pytest.mark.parametrize("name", READS)
@settings(max_examples=60)
@given(answer=json_values)
def test_nothing_that_is_answered_breaks_the_reader(name, answer):
    if isinstance(answer, dict):
        found = asyncio.run(read(name, {**answer, "cursor": ""}))
        for event in found if name == "account" and found else ():
            assert isinstance(event, Event)
