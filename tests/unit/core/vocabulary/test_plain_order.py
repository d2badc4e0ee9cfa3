"""What is read in half the time is what is read in full; anything else is left to be explained."""

import json

import pytest

from sidecar.core.vocabulary.order_reading import parse_order
from sidecar.core.vocabulary.plain_order import plain_order
from tests.scenario import limit_order, market_order, order


@pytest.mark.parametrize(
    "body",
    [
        limit_order("0.1", "64000.01"),
        limit_order("0.10", "64000.", side="SELL"),
        limit_order("00.1", 64000, post_only=True),
        limit_order("0.1", 64000, post_only=False),
        limit_order("1e-3", "6.4E+4"),
        limit_order("1" * 20, "0." + "1" * 30),
    ],
)
def test_a_plain_order_reads_as_it_does_in_full(body):
    text = json.dumps(body)
    assert plain_order(text.encode()) == plain_order(text) == parse_order(text)
    assert plain_order(text) is not None


@pytest.mark.parametrize(
    "body",
    [
        market_order(),
        order(quote_size="10", limit_price="1"),
        limit_order("0", 1),
        limit_order("1", 0),
        limit_order("-1", 1),
        limit_order("+1", "١"),
        limit_order(".5", 1),
        limit_order("1_0", 1),
        limit_order("1" * 21, 1),
        limit_order("NaN", 1),
        limit_order("1", 1, post_only=None),
        limit_order("1", 1, name="two\nlines"),
        limit_order("1", 1, product_id="BTC\tUSD"),
        limit_order("1", 1) | {"leverage": "2"},
        limit_order("1", 1) | {"leverage": None},
        limit_order("1", 1, reduce_only=True),
        {"order_configuration": {"limit_limit_gtc": {}}},
        [],
    ],
)
def test_anything_else_is_read_in_full(body):
    assert plain_order(json.dumps(body).encode()) is None


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff", b'{"client_order_id":"\xff"}', "[" * 100_000, b"[" * 100_000, {}, None],
)
def test_what_is_no_json_in_bytes_is_too(raw):
    assert plain_order(raw) is None
