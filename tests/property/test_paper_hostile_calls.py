"""Whatever stands in a query or a body, a call is answered or refused in Coinbase's shape."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import MultiDict

from sidecar.core.vocabulary.money import with_money
from sidecar.paper.service.call import Call
from sidecar.paper.service.routes import ROUTES
from sidecar.paper.wire.errors import Failed
from sidecar.paper.wire.frames import encode
from tests.paper_world import KEY, made

EXAMPLES = settings().max_examples // 10  # forty routes share what one law may take
TEXTS = st.sampled_from(
    ["", "0", "-1", "1e5", "NaN", "BTC-USD", "BTC-USDC", "BIP-20DEC30-CDE", "x" * 300, "true", "9" * 40,
     "2026-11-02T10:00:00Z", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59.999999Z",
     "9999-12-31T23:59:59-23:00", "99999999999", "ONE_DAY", "OPEN", "PRICE", "LIMIT_PRICE", "LAST_FILL_TIME",
     "5~5", "\x00", "٣", "BUY"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["limit", "cursor", "offset", "product_id", "product_ids", "order_ids", "order_status", "start",
     "end", "granularity", "start_date", "end_date", "start_sequence_timestamp", "end_sequence_timestamp",
     "sort_by", "order_types", "product_types", "asset_filters", "aggregation_price_increment",
     "product_type", "currency", "get_all_products"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
DEEP = st.sampled_from([1, 15, 16, 17, 200, 100_000]).map(lambda n: b"[" * n + b"]" * n)
DEEP_BODIES = st.sampled_from(
    [b"%b", b'{"x":%b}', b'{"client_order_id":"a","order_configuration":{"limit_limit_gtc":{"x":%b}}}',
     b'{"client_order_id":"a","attached_order_configuration":{"x":%b}}', b'{"order_ids":%b}', b'{"flags":%b}']
)  # fmt: skip
KINDS = st.sampled_from(
    ["market_market_ioc", "limit_limit_gtc", "limit_limit_gtd", "sor_limit_ioc", "trigger_bracket_gtc",
     "stop_limit_stop_limit_gtc", "twap_limit_gtd", "no_such_kind"]
)  # fmt: skip
FIELDS = st.sampled_from(
    ["base_size", "quote_size", "limit_price", "stop_price", "stop_trigger_price", "stop_direction", "end_time",
     "post_only"]
)  # fmt: skip
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "client_order_id": TEXTS | VALUES,
        "product_id": TEXTS | VALUES,
        "side": st.sampled_from(["BUY", "SELL"]) | VALUES,
        "order_configuration": st.dictionaries(
            KINDS, st.dictionaries(FIELDS, TEXTS | VALUES, max_size=4), max_size=2
        )
        | VALUES,
        "attached_order_configuration": VALUES,
        "order_ids": st.lists(TEXTS, max_size=4) | VALUES,
        "order_id": TEXTS | VALUES,
        "price": TEXTS | VALUES,
        "size": TEXTS | VALUES,
        "shift": TEXTS,
        "flags": VALUES,
        "drop_frames": VALUES,
    },
)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(NAMES, TEXTS), max_size=5), BODIES | VALUES, TEXTS)
def test_every_call_answers_json_or_fails_as_coinbase_does(route, query, body, word):
    check(route, query, json.dumps(body).encode(), word)


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.method == "POST"],
    ids=lambda route: f"{route.method} {route.path}",
)
@settings(max_examples=EXAMPLES)
@given(DEEP_BODIES, DEEP)
def test_however_deep_a_body_is_it_is_answered_or_refused(route, body, deep):
    check(route, [], body % deep, "BTC-USD")


def check(route, query, body, word):
    stage = made()
    stage.quote("BTC-USD", "64000", "64001")
    call = Call(
        path=dict.fromkeys(("product_id", "order_id", "account_uuid", "portfolio_uuid"), word),
        query=MultiDict(query),
        body=body,
        key=KEY.key,
        now=stage.now,
    )
    status, row = answer(route, stage, call)
    assert status == 200 or (400 <= status < 500 and row["message"])
    assert json.loads(encode(row)) is not None
    stage.world.tell()


def answer(route, stage, call):
    """Status and body, as the service would send them."""
    try:
        return 200, with_money(route.handler)(stage.world, call)
    except Failed as error:
        return error.failure.status, error.failure.body
