"""Money: exact numbers in, exact sums, and roundings that say which way."""

from decimal import Context, Decimal, InvalidOperation, getcontext, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.money import (
    MONEY,
    amount,
    ceil_to,
    floor_to,
    is_bounded,
    is_sane,
    plain,
    ratio,
    readable,
    readable_at_most,
    share,
    with_money,
)  # fmt: skip
from tests.scenario import D

numbers = st.decimals("-1e18", "1e18", places=8)
increments = st.sampled_from(["1", "0.01", "0.00000001", "0.05", "25"]).map(Decimal)


@pytest.mark.parametrize(
    "text",
    ["0", "1", "-1.5", "+2", "1.", "1e3", "1E-8", "1E19", "1E-30", "12345678901234567890.123"],
)
def test_an_amount_is_what_its_text_says(text):
    assert amount(text) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "NaN", "Infinity", "-inf", "1_000", "0x10", "1,5", ".", ".5", "١", "1e999", "1e-40", "1E90", "1E20", "1E-31", "1.2.3",
     "1" * 21, "1e20", "0." + "1" * 31, "9" * 10_000, "sNaN", "--1"],
)  # fmt: skip
def test_what_is_no_plain_number_of_sane_length_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a number of at most|is out of range"):
        amount(text)


def test_a_refusal_does_not_repeat_a_huge_text():
    with pytest.raises(ValueError, match="10000 characters") as caught:
        amount("9" * 10_000)
    assert len(str(caught.value)) < 200


def test_money_is_counted_in_its_own_context_whatever_the_callers_is():
    """Under a caller's three digits, and the caller's context is back afterwards."""
    add = with_money(lambda: D("100000.01") + D("0.00000001"))
    with localcontext(Context(prec=3)) as outer:
        assert add() == D("100000.01000001")
        assert getcontext() is outer


def test_money_inside_money_keeps_the_context():
    assert with_money(with_money(getcontext))() is MONEY


def test_the_callers_context_is_back_after_an_error():
    outer = getcontext()
    with pytest.raises(InvalidOperation):
        with_money(lambda: D("NaN") > 0)()
    assert getcontext() is outer


@pytest.mark.parametrize(
    ("value", "sane", "bounded"),
    [("1", True, True), ("0", True, True), ("-1", False, True), ("NaN", False, False),
     ("sNaN", False, False), ("Infinity", False, False), ("-Infinity", False, False),
     ("1e19", True, True), ("1e20", False, False), ("-1e20", False, False)],
)  # fmt: skip
def test_only_finite_numbers_of_a_sane_magnitude_are_amounts(value, sane, bounded):
    assert (is_sane(Decimal(value)), is_bounded(Decimal(value))) == (sane, bounded)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.500", "1.5"),
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("-0.00", "0"),
        ("100", "100"),
        ("-2.0", "-2"),
    ],
)
def test_plain_text_has_no_exponent_and_no_trailing_zeros(value, text):
    assert plain(Decimal(value)) == text


@given(numbers, increments)
@with_money
def test_a_floor_and_a_ceiling_are_the_nearest_grid_points(value, increment):
    """Floor ≤ value ≤ ceiling, both on the grid, less than one increment away."""
    low, high = floor_to(value, increment), ceil_to(value, increment)
    assert low <= value <= high
    assert value - low < increment > high - value
    assert low % increment == high % increment == 0
    assert (low == high) == (not value % increment)


@given(numbers, st.integers(1, 10**12), st.integers(1, 10**12))
@with_money
def test_the_parts_of_a_share_differ_from_the_whole_by_one_quantum_at_most(whole, part, rest):
    """What is released and what stays cannot create money."""
    of = Decimal(part + rest)
    halves = share(whole, Decimal(part), of) + share(whole, Decimal(rest), of)
    assert abs(halves - whole) <= D("1e-18")


def test_a_whole_share_is_the_whole_to_the_last_digit():
    third = D("0.3333333333333333333333333")
    assert share(third, D(2), D(2)) is third


def test_a_share_is_rounded_half_even_to_eighteen_decimals():
    assert share(D("1e-18"), D(1), D(2)) == 0
    assert share(D("3e-18"), D(1), D(2)) == D("2e-18")


def test_a_ratio_has_twelve_decimals():
    assert ratio(D(1), D(3)) == D("0.333333333333")


# --- What is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("64000.10", "64000.1"),
        ("0.123456789012345678", "0.123456789012345678"),
        ("0.000000000000000000123456789012345678", "0.000000000000000000123456789012345678"),
        ("21333." + "3" * 60, "21333.3333333333333"),
        ("0." + "6" * 64, "0.666666666666666667"),
        ("-0." + "6" * 64, "-0.666666666666666667"),
        ("12345678901234567890", "12345678901234567900"),
        ("0.99999999999999999999", "1"),
        ("Infinity", "Infinity"),
    ],
)
def test_a_figure_is_shown_to_18_significant_digits(value, text):
    """Exact inside; what has no more digits is shown with each of them."""
    assert readable(D(value)) == text


def test_a_bound_is_never_shown_larger_than_it_is():
    """Whoever uses it to the full must be let through."""
    assert readable_at_most(D("0." + "6" * 64)) == "0.666666666666666666"
    assert readable_at_most(D("3400.00000001")) == "3400.00000001"


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=30, min_value=-(10**19), max_value=10**19
    )
)
def test_what_is_shown_is_the_figure_to_18_digits_and_no_more(value):
    text = readable(value)
    assert len(text.replace(".", "").strip("-").strip("0")) <= 18
    assert abs(D(text) - value) <= abs(value) / 10**17


@pytest.mark.parametrize(
    ("length", "shown"), [(40, f"'{'x' * 40}'"), (41, f"'{'x' * 40}… (41 characters)'")]
)
def test_what_is_no_number_is_shown_up_to_forty_characters(length, shown):
    with pytest.raises(ValueError, match="is not a number") as caught:
        amount("x" * length)
    assert str(caught.value).startswith(f"{shown} is not a number")
