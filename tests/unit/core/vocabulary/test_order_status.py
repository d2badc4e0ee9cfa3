"""The order-status table: states only move forward."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.order_status import STATUS_RANK, VANISHED, is_terminal, later_status

statuses = st.sampled_from([*STATUS_RANK, "SOMETHING_NEW"])
TERMINAL = ("FILLED", "CANCELLED", "EXPIRED", "FAILED")


@given(statuses, statuses)
def test_an_order_never_moves_back(known, reported):
    """But from EDIT_QUEUED to OPEN, when the edit is done."""
    later = later_status(known, reported)
    if (known, reported) != ("EDIT_QUEUED", "OPEN"):
        assert STATUS_RANK.get(later, 0) >= STATUS_RANK.get(known, 0)
    assert later in (known, reported)


@given(st.sampled_from(TERMINAL), statuses)
def test_nothing_leaves_a_terminal_status(known, reported):
    assert later_status(known, reported) == known


@given(statuses)
def test_what_has_vanished_may_end_in_a_known_way_and_is_opened_by_no_report(reported):
    assert is_terminal(VANISHED)
    expected = reported if reported in TERMINAL else VANISHED
    assert later_status(VANISHED, reported) == expected


def test_an_edit_that_is_done_is_open_again():
    assert later_status("EDIT_QUEUED", "OPEN") == "OPEN"


@pytest.mark.parametrize("status", STATUS_RANK)
def test_only_the_four_ends_are_terminal(status):
    assert is_terminal(status) == (status in TERMINAL)


def test_a_status_that_is_not_in_the_table_is_never_terminal():
    """An order whose state is not understood still counts as open."""
    assert not is_terminal("SOMETHING_NEW")
    assert later_status("SOMETHING_NEW", "PENDING") == "PENDING"
    assert later_status("PENDING", "SOMETHING_NEW") == "PENDING"


@pytest.mark.parametrize(
    ("known", "reported"), [("NEW_WORD", "OTHER_WORD"), ("NEW_WORD", "UNKNOWN_ORDER_STATUS"), ("UNKNOWN_ORDER_STATUS", "NEW_WORD")]
)  # fmt: skip
def test_a_status_that_is_not_in_the_table_is_no_later_than_one_that_is_unknown(known, reported):
    assert later_status(known, reported) == known
