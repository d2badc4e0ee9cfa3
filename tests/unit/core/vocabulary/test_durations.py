"""Lengths of time as they are written."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.durations import LONGEST, UNITS, duration, spoken, written


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("4h", timedelta(hours=4)),
        ("31d", timedelta(days=31)),
    ],
)
def test_a_length_is_a_whole_number_and_a_unit(text, length):
    assert duration(text) == length
    assert duration(length) == length


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("", "no length"), ("4", "no length"), (4, "no length"), ("h", "no length"), ("-1h", "no length"),
        ("1.5h", "no length"), ("4 h", "no length"), ("4H", "no length"), ("12345678s", "no length"), (None, "no length"),
        ("0h", "no time at all"), ("32d", "longer than 31 days"), ("745h", "longer than 31 days"),
    ],
)  # fmt: skip
def test_what_is_none_is_refused_with_its_mend(value, fault):
    with pytest.raises(ValueError, match=rf"is {fault}.*; write "):
        duration(value)


@given(st.integers(1, LONGEST // UNITS["s"]))
def test_what_is_written_is_read_as_the_same(seconds):
    length = timedelta(seconds=seconds)
    assert duration(written(length)) == length


@pytest.mark.parametrize(("text", "shown"), [("120s", "2m"), ("24h", "1d"), ("25h", "25h")])
def test_it_is_written_in_the_largest_unit_that_it_is_whole_in(text, shown):
    assert written(duration(text)) == shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"), (0.1, "1 s"), (59, "59 s"), (59.2, "1 min"), (61, "1 min 1 s"), (3599, "1 h"),
        (3600, "1 h"), (3601, "1 h 1 min"), (86_399, "1 d"), (90_000, "1 d 1 h"), (2_678_400, "31 d"),
    ],
)  # fmt: skip
def test_it_is_spoken_in_its_two_largest_units_and_never_too_short(seconds, said):
    assert spoken(timedelta(seconds=seconds)) == said
