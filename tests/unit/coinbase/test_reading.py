"""Numbers, times and flags as Coinbase writes them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sidecar.coinbase.backoff import FIRST_S, LEAST_S, MOST_S, wait_s
from sidecar.coinbase.reading import is_true, moment, moment_if_any, number, price, quantity, text
from sidecar.core.vocabulary.errors import Untrusted


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("1.50", Decimal("1.50")),
        ("", None),
        (None, None),
        (0.25, Decimal("0.25")),
        (3, Decimal(3)),
        ("0", Decimal(0)),
    ],
)
def test_numbers_are_text_or_json_numbers_and_blank_is_none(value, read):
    assert number(value, "x") == read
    assert quantity(value, "x") == (read or 0)
    assert price(value, "x") == (read or None)


@pytest.mark.parametrize("value", ["NaN", "1e999", "x", True, [], {}, "1" * 60, float("nan")])
def test_what_is_no_number_is_refused_by_name_and_not_repeated(value):
    with pytest.raises(Untrusted, match=r"^fees is not a number$"):
        number(value, "fees")


@pytest.mark.parametrize(
    ("value", "micros"),
    [("2026-11-02T10:00:00Z", 0), ("2026-11-02T10:00:00.5Z", 500_000), ("2026-11-02T10:00:00.123456789Z", 123_456),
     ("2026-11-02T10:00:00.1234567899Z", 123_456), ("2026-11-02T10:00:00." + "9" * 30 + "Z", 999_999),
     ("2026-11-02T12:00:00.000001+02:00", 1), ("2026-11-02 10:00:00.1z", 100_000)],
)  # fmt: skip
def test_times_have_any_number_of_digits_of_a_second(value, micros):
    assert moment(value, "t") == datetime(2026, 11, 2, 10, 0, 0, micros, tzinfo=UTC)
    assert moment_if_any(value) == moment(value, "t")


@pytest.mark.parametrize("value", ["", None, "0001-01-01T00:00:00Z"])
def test_gos_zero_time_is_none(value):
    assert moment(value, "t") is None


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01T00:00:00Z", 5, "2026-11-02T10:00:00", "9999-12-31T23:59:59-23:59"])  # fmt: skip
def test_what_is_no_time_is_refused_by_name(value):
    with pytest.raises(Untrusted, match=r"^t is not a time$"):
        moment(value, "t")
    assert moment_if_any(value) is None


def test_booleans_may_be_text_and_text_must_be_text():
    assert [is_true(value) for value in (True, "true", "True", "false", False, None, 1)] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip
    assert text(None, "x") == ""
    with pytest.raises(Untrusted):
        text(5, "x")


def test_waits_double_with_full_jitter_within_bounds():
    assert wait_s(0, 0.0) == LEAST_S
    assert wait_s(0, 0.999) <= FIRST_S
    assert wait_s(3, 0.5) < wait_s(6, 0.5)
    assert wait_s(10**6, 0.999999) <= MOST_S


def test_text_that_is_longer_than_any_id_is_refused_by_name_and_not_repeated():
    assert text("x" * 256, "order_id") == "x" * 256
    with pytest.raises(Untrusted, match=r"^order_id has 1000000 characters$"):
        text("x" * 1_000_000, "order_id")
