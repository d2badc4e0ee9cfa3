"""The order socket's language, byte by byte."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.server import protocol
from sidecar.server.protocol import (
    CONTROL_METHODS,
    LINE_BYTES_MAX,
    OPERATOR_METHODS,
    Lines,
    OrderCall,
    ProtocolError,
    RequestError,
    params,
    plainly,
    read,
)


def line(method, **given):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": given}).encode()


@given(st.lists(st.binary(max_size=50).map(lambda data: data.replace(b"\n", b" "))), st.data())
def test_lines_come_out_as_they_went_in_however_they_are_cut(lines, data):
    stream = b"".join(one + b"\n" for one in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader, found = Lines(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:end])
    assert found == lines


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_line_too_long_breaks_the_connection_before_it_ends(pieces):
    reader = Lines()
    piece = b"x" * (LINE_BYTES_MAX // pieces)
    for _ in range(pieces):
        assert reader.feed(piece) == []
    with pytest.raises(ProtocolError, match="longer than 65536 bytes") as caught:
        reader.feed(b"y" * 8)
    assert json.loads(caught.value.answer)["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700),
        (b'{"jsonrpc":"2.0","method":"ping","params":' + b"[" * 20_000, -32700),
        (b"[" * 20_000, -32600),
        (b"[]", -32600),
        (b"5", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"2.0"}', -32600),
        (b'{"jsonrpc":"1.0","method":"ping"}', -32600),
        (b'{"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","method":5}', -32600),
        (b'{"jsonrpc":"2.0","method":"ping","id":{}}', -32600),
    ],
)
def test_what_is_no_request_breaks_the_connection_with_an_error(data, code):
    with pytest.raises(ProtocolError) as caught:
        read(data)
    answer = json.loads(caught.value.answer)
    assert (answer["id"], answer["error"]["code"]) == (None, code)
    assert caught.value.answer.endswith(b"\n")


def test_the_order_is_kept_as_the_bytes_that_came():
    order = b'{"client_order_id": "a",  "x": 1.10}'
    request = read(
        b'{"jsonrpc":"2.0","id":7,"method":"validate_order","params":{"order":' + order + b"}}"
    )
    asked = params(request)
    assert (request.id, bytes(asked.order), asked.dry_run) == (7, order, False)


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("validate_order", {}, "order"),
        ("validate_order", {"order": {}, "dryrun": True}, "dryrun"),
        ("validate_order", {"order": {}, "dry_run": 1}, "dry_run"),
        ("validate_edit", {"size": 5}, "size"),
        ("release_order", {}, "client_order_id"),
        ("hello", {}, "name"),
        ("ping", {"loud": True}, "loud"),
        ("subscribe", {"topics": "all"}, "topics"),
    ],
)
def test_wrong_parameters_are_named_and_the_connection_goes_on(method, given, words):
    with pytest.raises(RequestError, match=words) as caught:
        params(read(line(method, **given)))
    assert caught.value.code == -32602


def test_parameters_must_be_named_not_listed():
    with pytest.raises(RequestError):
        params(read(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}'))


def test_an_unknown_method_is_told_the_known_ones():
    with pytest.raises(RequestError, match="validate_order") as caught:
        params(read(line("validateOrder")))
    assert caught.value.code == -32601


def test_every_method_reads_its_least_request():
    least: dict[str, dict[str, object]] = {
        "validate_order": {"order": {}}, "release_order": {"client_order_id": "a"},
        "hello": {"name": "bot"}, "subscribe": {"topics": []},
        "validate_close": {"product_id": "p", "client_order_id": "a"},
    }  # fmt: skip
    least.update((name, {"reason": "because"}) for name in OPERATOR_METHODS)
    least["reset_loss"]["window"] = "daily"
    for method in CONTROL_METHODS:
        assert params(read(line(method, **least.get(method, {}))), CONTROL_METHODS)


@pytest.mark.parametrize("method", OPERATOR_METHODS)
def test_an_operators_verb_is_sent_to_the_control_socket(method):
    with pytest.raises(RequestError, match="on the control socket") as caught:
        params(read(line(method)))
    assert caught.value.code == -32601


def test_decimals_are_written_out():
    content = {"a": [Decimal("1E-8"), {"b": Decimal("1E+3")}], "c": "1E-8", "d": None, "e": Decimal("Infinity")}  # fmt: skip
    assert plainly(content) == {
        "a": ["0.00000001", {"b": "1000"}], "c": "1E-8", "d": None, "e": "Infinity",
    }  # fmt: skip


def test_answers_are_lines_with_decimals_and_times_as_text():
    at = datetime(2026, 11, 2, 10, tzinfo=UTC)
    answer = protocol.answered("x", {"price": Decimal("1.50"), "at": at})
    assert json.loads(answer) == {
        "jsonrpc": "2.0", "id": "x", "result": {"price": "1.50", "at": "2026-11-02T10:00:00Z"},
    }  # fmt: skip
    assert answer.count(b"\n") == 1
    told = json.loads(protocol.event({"topic": "state"}))
    assert (told["method"], "id" in told) == ("event", False)


def test_invalid_utf8_is_found_in_the_order_as_well():
    with pytest.raises(ProtocolError) as caught:
        read(b'{"jsonrpc":"2.0","id":1,"method":"validate_order","params":{"order":{"x":"\xff"}}}')
    assert json.loads(caught.value.answer)["error"]["code"] == -32700


def test_an_id_of_null_is_an_id_and_no_id_is_none():
    ids = [
        read(b'{"jsonrpc":"2.0","method":"ping"%b}' % given).id
        for given in (b"", b',"id":null', b',"id":1.5')
    ]
    assert ids == [msgspec.UNSET, None, 1.5]


@pytest.mark.parametrize(
    "rest",
    [
        b'"params":{"order":{"a":1}}',
        b'"params":{"dry_run":true,"order":{},"strategy_id":"s"},"id":"x"',
        b'"id":null,"params":{"order":null}',
        b'"x":[1],"params":{"order":"\\u00e9"}',
    ],
)
def test_an_order_that_is_read_in_one_pass_reads_as_in_two(rest):
    whole = read(b'{"jsonrpc":"2.0","method":"validate_order",' + rest + b"}")
    steps = protocol._request(b'{"jsonrpc":"2.0","method":"validate_order",' + rest + b"}")
    assert isinstance(whole, OrderCall)
    assert (whole.id, whole.method, whole.jsonrpc) == (steps.id, steps.method, steps.jsonrpc)
    assert params(whole) == params(steps)


def test_the_words_of_a_hurried_call_elsewhere_do_not_make_it_one():
    request = read(line("hello", name="validate_order"))
    assert params(request).name == "validate_order"
    with pytest.raises(ProtocolError):
        read(b'{"jsonrpc":"1.0","method":"validate_order","params":{"order":{}}}')


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc":"2.0","id":1,"method":"ping","method":"bye"}',
        '{"jsonrpc":"2.0","id":1,"method":"ping","x\\u0079":1,"xy":2}',
        '{"jsonrpc":"2.0","id":1,"method":"validate_order","params":{"order":{"side":"BUY","side":"SELL"}}}',
        '{"jsonrpc":"2.0","id":1,"method":"validate_order","params":{"order":{"side":"BUY","s\\u0069de":"SELL"}}}',
        '{"jsonrpc":"2.0","id":1,"method":"validate_order","params":{"order":{"side" :"BUY"}, "order" : {}}}',
        '{"jsonrpc":"2.0","id":1,"method":"validate_order","params":{"order":{"a":{"b":[{"c-d":1,"c-d":1}]}}}}',
    ],
)
def test_a_name_that_is_there_twice_in_an_object_is_refused(text):
    with pytest.raises(ProtocolError, match="is there twice in one object") as caught:
        read(text.encode())
    assert json.loads(caught.value.answer)["error"]["code"] == -32600


@pytest.mark.parametrize(
    "order",
    [
        '{"orders":[{"base_size":"1"},{"base_size":"1"}],"base_size":"2"}',
        '{"side":"side","a":":","b":"\\":1","\\\\":2}',
        '{ "end_time" : "2026-11-22T13:00:00Z" , "x" : -1.5e300 , "y" : ' + "9" * 5_000 + "}",
    ],
)
def test_the_same_name_in_another_object_is_another_name(order):
    text = f'{{"jsonrpc":"2.0","id":1,"method":"validate_order","params":{{"order":{order}}}}}'
    assert bytes(params(read(text.encode())).order).decode() == order
