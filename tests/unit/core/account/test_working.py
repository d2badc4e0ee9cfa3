"""One order, told by three sources: merged so that nothing is counted twice."""

from datetime import timedelta
from typing import Any

import pytest

from sidecar.core.account.working import Tally, WorkingOrder
from sidecar.core.vocabulary.events import FillReported, OrderReported
from tests.scenario import START, D
from tests.tracking import NUMBERS


def begun(size=0, side="BUY"):
    order = WorkingOrder.begin("o1", "BTC-USD", side)
    order.size, order.status = D(size), "OPEN"
    return order


def reported(order, **fields):
    known: dict[str, Any] = {"order_id": "o1", "product_id": "BTC-USD", "side": "BUY", "at": START}
    known["status"] = "OPEN"
    fields |= {name: D(fields[name]) for name in NUMBERS if name in fields}
    order.merge(OrderReported(**known | fields), "USD")
    return order


def listed(order, entry_id, size, price, fee=0, **fields):
    known: dict[str, Any] = {
        "order_id": "o1",
        "product_id": "BTC-USD",
        "side": "BUY",
        "at": START,
        "entry_id": entry_id,
    } | fields
    fill = FillReported(**known, size=D(size), price=D(price), commission=D(fee))
    order.list_fill(fill, "USD")
    return order


def tally(quantity, value, **fees):
    return Tally(D(quantity), D(value), {currency: D(fee) for currency, fee in fees.items()})


def test_tallies_add_and_subtract_fees_by_currency():
    left = tally(1, 10, USD=2).plus(tally(2, 5, BTC=1))
    assert left == tally(3, 15, USD=2, BTC=1)
    assert left.plus(tally(1, 1, USD=2), D(-1)) == tally(2, 14, USD=0, BTC=1)


def test_what_is_open_is_filled_plus_leaves():
    order = reported(begun(), filled=1, average_price=100, leaves=2)
    assert (order.size, order.filled, order.remaining) == (3, 1, 2)


def test_leaves_that_fall_to_zero_at_the_end_do_not_shrink_the_order():
    order = reported(begun(), filled=1, average_price=100, leaves=2)
    reported(order, status="CANCELLED", filled=1, average_price=100, leaves=0)
    assert (order.size, order.remaining, order.is_open) == (3, 0, False)


def test_a_stated_size_wins_over_leaves():
    assert reported(begun(), base_size=5, leaves=1).size == 5


def test_a_size_is_never_below_what_is_filled():
    assert reported(begun(1), filled=2, average_price=100).size == 2
    assert listed(begun(1), "e1", 2, 100).size == 2


def test_a_late_frame_changes_no_figure():
    known = {"limit_price": 101, "stop_price": 102, "rests": False}
    order = reported(begun(), filled=2, average_price=100, leaves=1, **known)
    late = {"limit_price": 91, "stop_price": 92, "rests": True}
    reported(order, filled=1, average_price=90, leaves=9, **late)
    assert (order.reported, order.size) == (tally(2, 200, USD=0), 3)
    assert (order.limit_price, order.stop_price, order.rests) == (101, 102, False)


def overtaken(**fields):
    """An order that a frame showed edited, then a row of a listing that had begun before."""
    order = reported(begun(), at=START + timedelta(seconds=2), leaves=5, limit_price=61000)
    known = {"base_size": 1, "leaves": 1, "limit_price": 60000, "stop_price": 1, "rests": False}
    return reported(order, at=START, **known | fields)


def test_an_older_row_does_not_undo_a_newer_edit():
    order = overtaken(status="PENDING")
    assert (order.size, order.limit_price, order.stop_price, order.rests) == (5, 61000, None, True)
    assert (order.status, order.updated_at) == ("OPEN", START + timedelta(seconds=2))


def test_an_older_row_s_fills_and_end_and_names_are_news_all_the_same():
    order = overtaken(filled=1, average_price=60000, client_order_id="c1", created_at=START)
    assert (order.filled, order.remaining) == (1, 4)
    assert (order.client_order_id, order.created_at) == ("c1", START)
    assert not overtaken(status="CANCELLED").is_open


def test_where_no_rest_of_an_order_is_known_an_older_row_is_better_than_nothing():
    order = reported(begun(), at=START + timedelta(seconds=2))
    reported(order, at=START, base_size=1, leaves=1, limit_price=60000)
    assert (order.remaining, order.limit_price) == (1, 60000)
    by_fill = listed(begun(), "e1", 1, 100, at=START + timedelta(seconds=2))
    assert reported(by_fill, base_size=3, filled=1, average_price=100).remaining == 2


def test_after_the_clock_was_set_back_edits_are_seen():
    order = reported(begun(), leaves=5)
    assert reported(order, at=START - timedelta(hours=1), leaves=2).size == 2


def test_an_older_fill_makes_no_older_row_new():
    order = reported(begun(), at=START + timedelta(seconds=3), leaves=5, filled=1, average_price=1)
    listed(order, "e1", 1, 1, at=START + timedelta(seconds=1))
    reported(order, at=START + timedelta(seconds=2), leaves=1, filled=1, average_price=1)
    assert order.remaining == 5


def test_an_order_that_rests_may_be_found_not_to_but_never_the_reverse():
    order = listed(begun(), "e1", 1, 100)
    assert order.rests is None
    assert [reported(order, rests=rests).rests for rests in (True, False, True)] == [
        True, False, False,
    ]  # fmt: skip


def test_a_rebate_counts():
    order = reported(begun(), filled=1, average_price=100, fees=-3)
    assert reported(order, filled=1, average_price=100).reported.fees == {"USD": -3}


def test_a_sparse_frame_values_only_what_is_new_at_the_limit():
    """A cancel that repeats the filled quantity without its price keeps the price it had."""
    order = reported(begun(3), filled=1, average_price=90, limit_price=100)
    reported(order, filled=1, status="CANCEL_QUEUED")
    assert order.reported.value == 90
    reported(order, filled=2)
    assert order.reported.value == 190


def test_fees_never_fall():
    order = reported(begun(), filled=1, average_price=100, fees=3)
    assert reported(order, filled=1, average_price=100).reported.fees == {"USD": 3}


def test_frames_that_leave_fields_out_keep_what_was_known():
    order = reported(
        begun(),
        limit_price=100,
        stop_price=90,
        client_order_id="c1",
        strategy_id="trend",
        created_at=START,
    )
    reported(order, strategy_id="other", client_order_id="c2", rests=False)
    known = (
        order.limit_price,
        order.stop_price,
        order.client_order_id,
        order.strategy_id,
        order.created_at,
    )
    assert known == (100, 90, "c1", "trend", START)


def test_rows_say_what_frames_could_not():
    order = listed(begun(), "e1", 1, 100, client_order_id="c1", strategy_id="trend")
    assert (order.client_order_id, order.strategy_id) == ("c1", "trend")
    listed(order, "e2", 1, 100, client_order_id="c2", strategy_id="grid")
    assert (order.client_order_id, order.strategy_id) == ("c1", "trend")


def test_frames_and_rows_of_the_same_fills_are_owed_once():
    order = reported(begun(2), filled=1, average_price=100, fees=1)
    assert order.owed() == tally(1, 100, USD=1)
    assert listed(order, "e1", 1, 100, 1).owed() == tally(0, 0, USD=0)
    assert listed(order, "e2", 1, 110, 1).owed() == tally(1, 110, USD=1)
    assert reported(order, filled=2, average_price=105, fees=2).owed() == tally(0, 0, USD=0)


def test_rows_are_exact_and_correct_the_rounded_average():
    order = reported(begun(3), filled=3, average_price="33.33")
    order.owed()
    assert listed(order, "e1", 3, "33.333").owed() == tally(0, "0.009", USD=0)


def test_a_fee_charged_in_the_coin_replaces_the_one_reported_in_dollars():
    """Frames state fees in the quote currency, whatever was charged."""
    order = reported(begun(1), filled=1, average_price=100, fees=1)
    order.owed()
    assert listed(order, "e1", 1, 100, "0.01", commission_currency="BTC").owed() == tally(
        0, 0, USD=-1, BTC="0.01"
    )


def test_a_fee_that_has_grown_since_its_fill_was_listed_is_charged_once():
    order = listed(begun(1), "e1", 1, 100, 1)
    assert listed(order, "e1", 1, 100, 3).owed() == tally(1, 100, USD=3)


def test_a_fill_that_is_told_again_is_no_news():
    order = begun(1)
    known: dict[str, Any] = {"order_id": "o1", "product_id": "BTC-USD", "side": "BUY", "at": START}
    known |= {"entry_id": "e1", "size": D(1), "price": D(100)}
    fills = [FillReported(**known, commission=D(fee)) for fee in (2, 1, 3)]
    assert order.is_news(fills[0])
    order.list_fill(fills[0], "USD")
    assert [order.is_news(fill) for fill in fills] == [False, False, True]


@pytest.mark.parametrize(
    ("field", "value"),
    [("is_stop", True), ("triggered", True), ("attached", True), ("child_id", "o2")],
)
def test_what_any_frame_has_said_of_an_order_is_so_whatever_the_others_leave_out(field, value):
    assert getattr(reported(reported(begun(1), **{field: value})), field) == value
    assert getattr(reported(reported(begun(1)), **{field: value}), field) == value


def test_an_order_is_as_new_as_its_newest_fill():
    """A row from before it undoes no edit."""
    order = reported(begun(5), base_size=5, rests=True)
    listed(order, "e1", 1, 100, at=START + timedelta(seconds=2))
    assert order.updated_at == START + timedelta(seconds=2)


def test_a_reversal_undoes_and_a_correction_replaces_whatever_frames_say():
    order = reported(listed(begun(2), "e1", 2, 100, 4), filled=2, average_price=100, fees=4)
    order.owed()
    assert listed(order, "e2", 2, 100, 4, trade_type="REVERSAL").owed() == tally(-2, -200, USD=-4)
    assert order.filled == 0
    assert listed(order, "e3", 2, 101, 4, trade_type="CORRECTION").owed() == tally(2, 202, USD=4)
    assert order.filled == 2


def test_nothing_remains_of_an_order_that_ended():
    order = begun(5)
    assert order.remaining == 5
    order.status = "EXPIRED"
    assert order.remaining == 0


FINE = "0.0156247558632521"  # as it was filled: cut at the 16th decimal
BY_VALUE = "0.01562475586325219"  # as 1,000 USD at 64,001 are worked out


def test_a_fill_listed_by_its_value_is_of_the_size_that_the_order_reports():
    order = reported(begun(), status="FILLED", filled=FINE, average_price=64_001)
    assert order.owed().quantity == D(FINE)
    listed(order, "f1", BY_VALUE, 64_001, fee=6, by_value=True)
    assert order.owed().quantity == 0
    assert order.filled == D(FINE)
    assert order.counted.value == D(BY_VALUE) * 64_001, "the value is exact"


def test_a_fill_listed_by_its_value_before_the_order_is_told_is_set_right_then():
    order = listed(begun(), "f1", BY_VALUE, 64_001, by_value=True)
    assert order.owed().quantity == D(BY_VALUE)
    reported(order, status="FILLED", filled=FINE, average_price=64_001)
    assert order.owed().quantity == D(FINE) - D(BY_VALUE)


def test_a_value_rounded_down_is_no_fill_that_is_missing():
    order = reported(begun(), status="FILLED", filled=2, average_price=100)
    listed(order, "f1", "1.9999999999999", 101, by_value=True)
    owed = order.owed()
    assert (owed.quantity, owed.value) == (2, D("1.9999999999999") * 101)


def test_of_several_fills_listed_by_value_the_reported_size_counts_until_all_are_listed():
    order = reported(begun(), filled=2, average_price=100, leaves=0)
    listed(order, "f1", "1.00000000000000009", 100, by_value=True)
    assert order.owed().quantity == 2
    listed(order, "f2", "1.00000000000000009", 101, by_value=True)
    assert (order.owed().quantity, order.counted.quantity) == (0, 2)


def test_an_order_traded_last_at_the_latest_of_its_fills_whichever_is_listed_first():
    order, late = begun(), START + timedelta(seconds=2)
    for number, traded_at in enumerate((late, START, None)):
        listed(order, f"e{number}", 1, 64000, traded_at=traded_at)
    assert order.traded_at == late
