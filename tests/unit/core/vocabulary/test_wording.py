"""Figures and limits as people read them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.vocabulary.limit_settings import (
    LosingStreak,
    LossIn,
    LossLimit,
    Quota,
    Rate,
    TradingHours,
)
from sidecar.core.vocabulary.money import with_money
from sidecar.core.vocabulary.wording import ENDS, in_words, text_of, words_of
from tests.scenario import D

LOSS = LossLimit(ratio=D("0.1"))
SETTINGS: list[tuple[Any, Any, str, str]] = [
    (D("0.0500"), "share", "0.05", "5 %"),
    (D("0.12345678"), "share", "0.12345678", "12.345678 %"),
    (D(5000), "usd", "5000", "5000 USD"),
    (D("0.001"), "usd", "0.001", "0.001 USD"),
    (D("1.5"), "times", "1.5", "1.5 times"),
    (D("0.5"), "size", "0.5", "0.5"),
    (20, "number", "20", "20"),
    (LOSS, "number", "0.1", "10 %"),
    (LossLimit(usd=D("500.50")), "share", "500.5 USD", "500.5 USD"),
    (LossIn(window=timedelta(hours=4), limit=D("0.03")), "number", "0.03 in 4h", "3 % in 4h"),
    (LosingStreak(trades=3, cool_down=timedelta(hours=2)), "number", "3, then 2h", "3, with a cool-down of 2h"),
    (Rate(count=10, window_s=D(60)), "number", "10 in 60 s", "10 in 60 s"),
    (Quota(usd=D(1000), window_s=D(60)), "usd", "1000 USD in 60 s", "1000 USD in 60 s"),
    (TradingHours(zone="UTC", windows=("Mon 09:00-17:00",)), "seconds", "Mon 09:00-17:00 UTC", "Mon 09:00-17:00 UTC"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "unit", "text", "words"), SETTINGS)
def test_a_limit_has_a_text_for_programs_and_words_with_its_unit(setting, unit, text, words):
    assert (text_of(setting), words_of(setting, unit)) == (text, words)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        ("373.15212754606456", "usd", "373.15 USD"),
        ("0.075595925181", "share", "7.56 %"),
        ("0.1", "share", "10 %"),
        ("1.50321", "times", "1.5 times"),
        ("0.123456789", "size", "0.123456789"),
        ("6", "number", "6"),
        ("0", "usd", "0 USD"),
        ("-0.001", "usd", "-0.001 USD"),
        ("0.004", "usd", "0.004 USD"),
        ("0.0000012", "share", "0.0001 %"),
        ("1E-30", "share", "0 %"),
        ("59.5", "seconds", "1 min"),
        ("43261", "seconds", "12 h 2 min"),
        ("Infinity", "share", "Infinity"),
    ],
)
def test_a_figure_is_told_to_the_cent_or_the_hundredth_and_never_as_none_where_it_is_some(
    value, unit, words
):
    assert in_words(D(value), unit) == words


@pytest.mark.parametrize(
    ("value", "level", "unit", "words"),
    [
        ("5000.00064", "5000", "usd", "5000.001 USD"),
        ("4999.9999", "5000", "usd", "4999.9999 USD"),
        ("5000", "5000", "usd", "5000 USD"),
        ("0.500000002499999988", "0.5", "share", "50.0000002 %"),
        ("0.00672", "0.0096", "times", "0.007 times"),
        ("0.049999", "0.05", "share", "4.9999 %"),
    ],
)
def test_a_figure_stands_in_words_on_the_side_of_its_limit_that_it_is_on(value, level, unit, words):
    assert in_words(D(value), unit, D(level)) == words


AMOUNTS = st.decimals(0, 10**6, places=9)


@given(AMOUNTS, AMOUNTS, st.sampled_from(sorted(ENDS)))
@with_money
def test_no_two_amounts_are_put_in_another_order_by_their_words(value, level, unit):
    factor = 100 if unit == "share" else 1
    told = Decimal(in_words(value, unit, level).removesuffix(ENDS[unit]))
    assert (told > level * factor) == (value > level)
    assert (told < level * factor) == (value < level)
