"""Frames of l2_data, read in parts: together they are the frame, and no part is large."""

import msgspec
import pytest

from sidecar.coinbase.levels import PART_BYTES, LevelRow, book_parts
from sidecar.core.vocabulary.errors import Untrusted
from tests.scenario import D


def row(side="bid", price="100", size="1"):
    return {
        "side": side,
        "event_time": "1970-01-01T00:00:00Z",
        "price_level": price,
        "new_quantity": size,
    }


def event(*rows, kind="update", product_id="BTC-USD"):
    return {"type": kind, "product_id": product_id, "updates": list(rows)}


def raw(*events):
    return msgspec.Raw(msgspec.json.encode(list(events)))


def parts(*events):
    return list(book_parts(raw(*events)))


def prices(found):
    return [one.price_level for part in found for one in part.rows]


def test_a_small_event_is_one_part():
    (part,) = parts(event(row(), row("offer", "101", "0"), kind="snapshot"))
    assert (part.product_id, part.begins, part.ends) == ("BTC-USD", True, True)
    assert [one.level() for one in part.rows] == [(D(100), D(1)), (D(101), D(0))]


def test_several_events_of_a_frame_come_in_order():
    found = parts(event(row(price="1")), event(row(price="2"), product_id="ETH-USD"))
    assert [(part.product_id, part.begins, part.ends) for part in found] == [
        ("BTC-USD", False, True),
        ("ETH-USD", False, True),
    ]


@pytest.mark.parametrize("rows", [{"updates": []}, {"updates": None}, {}])
def test_an_event_without_rows_is_told_too(rows):
    (part,) = parts({"type": "snapshot", "product_id": "BTC-USD"} | rows)
    assert (part.rows, part.begins, part.ends) == ([], True, True)


@pytest.mark.parametrize("spaced", [False, True])
def test_a_large_event_comes_in_parts_none_of_which_is_large(spaced):
    rows = [row(price=str(place)) for place in range(1, 5_001)]
    data = msgspec.json.encode([event(*rows, kind="snapshot")])
    if spaced:
        data = data.replace(b"},{", b" } ,\n { ")
    found = list(book_parts(msgspec.Raw(data)))
    assert prices(found) == [one["price_level"] for one in rows]
    assert [part.begins for part in found] == [True] + [False] * (len(found) - 1)
    assert [part.ends for part in found] == [False] * (len(found) - 1) + [True]
    assert max(len(part.rows) for part in found) < 2 * PART_BYTES / len(msgspec.json.encode(row()))


def test_a_part_is_read_only_when_it_is_asked_for():
    """Between two of them others may run."""
    rows = [row(price=str(place)) for place in range(1, 2_001)]
    rows[-1] = {"side": "sideways"}
    found = book_parts(raw(event(*rows)))
    assert next(found).rows[0].price_level == "1"
    with pytest.raises(Untrusted, match="not of that channel's shape"):
        list(found)


@pytest.mark.parametrize("extra", [{"note": "a}b{c"}, {"more": {"nested": [{}, {}]}}])
def test_rows_with_braces_of_their_own_are_read_or_refused_but_never_misread(extra):
    rows = [row(price=str(place)) | extra for place in range(1, 2_001)]
    try:
        found = parts(event(*rows))
    except Untrusted:
        return
    assert prices(found) == [one["price_level"] for one in rows]


@pytest.mark.parametrize(
    "events",
    [
        b"{}",
        b"[{}]",
        b"[1]",
        b'[{"type":"delta","product_id":"BTC-USD","updates":[]}]',
        b'[{"type":"update","product_id":"","updates":[]}]',
        b'[{"type":"update","product_id":7,"updates":[]}]',
        b'[{"type":"update","product_id":"BTC-USD","updates":{}}]',
        b'[{"type":"update","product_id":"BTC-USD","updates":[{"side":"bid"}]}]',
        b'[{"type":"update","product_id":"BTC-USD","updates":[{"side":"buy","price_level":"1","new_quantity":"1"}]}]',
        b'[{"type":"update","product_id":"BTC-USD","updates":[{"side":"bid","price_level":1,"new_quantity":"1"}]}]',
        b'[{"type":"update","product_id":"' + b"x" * 300 + b'","updates":[]}]',
    ],
)
def test_what_is_not_of_the_shape_is_untrusted(events):
    with pytest.raises(Untrusted, match="l2_data"):
        list(book_parts(msgspec.Raw(events)))


@pytest.mark.parametrize(
    ("price", "size"),
    [
        ("0", "1"),
        ("-1", "1"),
        ("1", "-1"),
        ("", "1"),
        ("1", ""),
        ("NaN", "1"),
        ("1", "Infinity"),
        ("1e30", "1"),
    ],
)
def test_a_level_that_cannot_be_is_untrusted(price, size):
    with pytest.raises(Untrusted, match="a level"):
        LevelRow("bid", price, size).level()
