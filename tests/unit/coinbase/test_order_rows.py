"""One order as the user channel tells it and as REST does: the same fact, whoever says it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sidecar.coinbase import frames, order_rows
from sidecar.core.vocabulary.errors import Untrusted

AT = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
FRAME = {
    "order_id": "o1", "client_order_id": "bot-1", "product_id": "BTC-USD", "order_side": "BUY",
    "status": "OPEN", "order_type": "Limit", "time_in_force": "GOOD_UNTIL_CANCELLED",
    "cumulative_quantity": "0.04", "leaves_quantity": "0.06", "avg_price": "63999.5",
    "total_fees": "1.5", "limit_price": "64000", "stop_price": "0",
    "creation_time": "2026-11-22T12:59:59.5Z",
}  # fmt: skip
ROW = {
    "order_id": "o1", "client_order_id": "bot-1", "product_id": "BTC-USD", "side": "BUY",
    "status": "OPEN", "order_type": "LIMIT", "time_in_force": "GOOD_UNTIL_CANCELLED",
    "filled_size": "0.04", "average_filled_price": "63999.5", "total_fees": "1.5",
    "created_time": "2026-11-22T12:59:59.500000Z", "originating_order_id": "", "attached_order_id": "",
    "attached_order_configuration": None, "is_liquidation": False,
    "order_configuration": {"limit_limit_gtc": {"base_size": "0.1", "limit_price": "64000"}},
}  # fmt: skip


def both(**fields):
    """The fact told by each, with these fields in the row."""
    return frames.order_report(FRAME | fields, AT), order_rows.order_report(ROW | fields, AT)


def test_both_tell_the_same_order():
    frame, row = both()
    assert row.base_size == Decimal("0.1")
    assert (frame.by_rest, row.by_rest) == (False, True)
    for name in frame.__struct_fields__:
        if name not in {"base_size", "by_rest"}:  # only REST states them
            assert getattr(frame, name) == getattr(row, name), name


def test_an_ordinary_order_is_nobodys_child_and_a_bots():
    for report in both():
        assert (report.parent_id, report.child_id, report.attached) == ("", "", False)
        assert (report.is_market, report.by_coinbase) == (False, False)


@pytest.mark.parametrize(
    "written",
    [
        "LIQUIDATION",
        "ROLL_OPEN",
        "ROLL_CLOSE",
        "Roll Open",
        "Roll Close",
        "Liquidation",
        "RollOpen",
    ],
)
def test_liquidations_and_rolls_are_coinbases(written):
    assert all(report.by_coinbase for report in both(order_type=written))


@pytest.mark.parametrize(("written", "is_true"), [(True, True), ("true", True), ("false", False)])
def test_a_liquidation_may_be_flagged(written, is_true):
    assert [report.by_coinbase for report in both(is_liquidation=written)] == [is_true, is_true]


@pytest.mark.parametrize("written", ["MARKET", "Market"])
def test_a_market_order_is_told_to_be_one(written):
    assert all(report.is_market for report in both(order_type=written))


@pytest.mark.parametrize("written", ["STOP_LIMIT", "Stop Limit", "StopLimit", "BRACKET", "", None])
def test_other_types_are_neither(written):
    for report in both(order_type=written):
        assert (report.is_market, report.by_coinbase) == (False, False)


@pytest.mark.parametrize(
    ("written", "triggered"),
    [("STOP_TRIGGERED", True), ("STOP_PENDING", False), ("INVALID_ORDER_TYPE", False), (5, False)],
)
def test_a_stop_tells_whether_it_was_triggered(written, triggered):
    assert [report.triggered for report in both(trigger_status=written)] == [triggered, triggered]


def test_a_child_names_its_parent_and_a_parent_its_child():
    for report in both(originating_order_id="o0", attached_order_id="o2"):
        assert (report.parent_id, report.child_id) == ("o0", "o2")


def test_a_row_says_that_an_exit_will_follow():
    exits = {"trigger_bracket_gtc": {"limit_price": "70000", "stop_trigger_price": "60000"}}
    assert order_rows.order_report(ROW | {"attached_order_configuration": exits}, AT).attached


@pytest.mark.parametrize("name", ["originating_order_id", "attached_order_id", "order_type"])
@pytest.mark.parametrize("read", [frames.order_report, order_rows.order_report])
def test_an_odd_field_is_refused_by_name(name, read):
    known = FRAME if read is frames.order_report else ROW
    with pytest.raises(Untrusted, match=f"{name} is not text"):
        read(known | {name: 5}, AT)


def test_a_minimal_frame_tells_what_it_can():
    fields = ("order_id", "product_id", "order_side", "status", "client_order_id")
    report = frames.order_report({name: FRAME[name] for name in fields}, AT)
    assert (report.leaves, report.limit_price, report.created_at) == (None, None, None)
