"""An answer's body is bounded while it streams, and its JSON before and after it is read."""

import gzip
import tracemalloc

import pytest

from sidecar.coinbase.body import BYTES_MAX, NESTED_MAX, VALUES_MAX, Body, json_of
from sidecar.core.vocabulary.errors import Untrusted
from tests.fault.meddling import bomb

PIECE = 64 * 1024
MEMBER = gzip.compress(b'{"a": 1}')


def whole(data, encoding="", piece=PIECE):
    body = Body(encoding)
    for start in range(0, len(data), piece):
        body.add(data[start : start + piece])
    return body.whole()


@pytest.mark.parametrize("piece", [1, 7, PIECE])
@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP"])
def test_what_was_sent_is_what_is_had(encoding, piece):
    data = bytes(range(256)) * 8
    sent = gzip.compress(data) if encoding.lower() == "gzip" else data
    assert whole(sent, encoding, piece) == data


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_the_largest_is_had_and_a_byte_more_is_refused(encoding):
    for more in (0, 1):
        sent = bytes(BYTES_MAX + more)
        sent = gzip.compress(sent, 1) if encoding else sent
        if more:
            with pytest.raises(Untrusted, match=f"larger than {BYTES_MAX} bytes"):
                whole(sent, encoding)
        else:
            assert len(whole(sent, encoding)) == BYTES_MAX


def test_of_a_bomb_no_more_is_made_than_may_be_had():
    packed = bomb(1024)
    assert len(packed) < 1.1e6
    tracemalloc.start()
    with pytest.raises(Untrusted, match="larger"):
        whole(packed, "gzip", len(packed))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * BYTES_MAX


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{}", "no gzip"),
        (MEMBER[:-9], "ends before its end"),
        (b"", "ends before its end"),
        (MEMBER[:-1] + b"x", "no gzip"),
    ],
    ids=["plain", "cut", "empty", "checksum"],
)
def test_what_is_no_whole_gzip_is_refused(data, why):
    with pytest.raises(Untrusted, match=why):
        whole(data, "gzip")


def test_what_follows_the_end_is_not_kept():
    body = Body("gzip")
    body.add(MEMBER)
    with pytest.raises(Untrusted, match="goes on after its end"):
        body.add(bytes(PIECE))


def test_an_encoding_that_was_not_asked_for_is_refused():
    with pytest.raises(Untrusted, match="'br'"):
        Body("br")


def nested(levels, begin=b"[", end=b"]"):
    return begin * levels + b"1" + end * levels


@pytest.mark.parametrize("kind", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_depth_is_bounded(kind):
    each = kind[0].count(b"[") + kind[0].count(b"{")
    assert json_of(nested(NESTED_MAX // each, *kind)) is not None
    for levels in (NESTED_MAX // each + 1, 900 // each, 100_000):
        with pytest.raises(Untrusted, match="nested deeper than 64"):
            json_of(nested(levels, *kind))


def test_what_is_nested_beside_what_is_flat_counts():
    with pytest.raises(Untrusted, match="nested"):
        json_of(b'{"a": [], "b": [1, {}, ' + nested(NESTED_MAX - 1) + b"]}")


@pytest.mark.parametrize("one", [b"1", b"[]", b'{"a":1}', b'"a"'])
def test_many_values_are_refused_before_they_are_made(one):
    with pytest.raises(Untrusted, match=f"more than {VALUES_MAX} values"):
        json_of(b"[" + b",".join([one] * (VALUES_MAX + 1)) + b"]")


def test_so_many_are_had():
    assert len(json_of(b"[" + b",".join([b"1"] * VALUES_MAX) + b"]")) == VALUES_MAX


@pytest.mark.parametrize("data", [b"", b"<html>", b'"\xff"', b'{"a": 1', b"[" + b"9" * 5000 + b"]"])
def test_what_is_not_json_is_said(data):
    with pytest.raises(Untrusted, match="not JSON"):
        json_of(data)
