"""Limits and figures as people read them: money to the cent, shares in per cent, sizes with their asset. No I/O.

Programs get the exact figures beside the words.
"""

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

from sidecar.core.vocabulary.durations import spoken
from sidecar.core.vocabulary.limit_settings import (
    LosingStreak,
    LossIn,
    LossLimit,
    Quota,
    Rate,
    TradingHours,
)
from sidecar.core.vocabulary.money import ONE, SHOWN_DIGITS, cents, plain, readable

# How people read a figure: as it is, as USD, in per cent, as a multiple, as a length of time, or as a size of an asset.
Unit = Literal["number", "usd", "share", "times", "seconds", "size"]
# A limit as it was configured.
Setting = Decimal | int | LossLimit | LossIn | LosingStreak | Rate | Quota | TradingHours

ENDS: Final[dict[Unit, str]] = {"usd": " USD", "share": " %", "times": " times"}
PLACES: Final = 2


def text_of(setting: Setting) -> str:
    """A limit as configured."""
    match setting:
        case Decimal():
            return readable(setting)
        case Rate():
            return f"{setting.count} in {readable(setting.window_s)} s"
        case Quota():
            return f"{readable(setting.usd)} USD in {readable(setting.window_s)} s"
    return str(setting)


def words_of(setting: Setting, unit: Unit) -> str:
    """A limit as people read it: all digits that were configured, with their unit but for that of a size."""
    match setting:
        case LossLimit() | LossIn() | LosingStreak():
            return setting.words
        case Decimal() if unit in ENDS:
            return readable(_in_unit(setting, unit)) + ENDS[unit]
    return text_of(setting)


def in_words(value: Decimal, unit: Unit, level: Decimal | None = None) -> str:
    """A figure as people read it: USD to the cent, a share in per cent, a multiple, each with two decimals; more where
    these would say that there is none, or place it otherwise beside the `level` of its limit.
    """
    if unit == "seconds":
        return spoken(timedelta(seconds=float(value)))
    if unit not in ENDS or not value.is_finite():
        return readable(value)
    exact = _in_unit(value, unit)
    rounded, limit = cents(exact), None if level is None else _in_unit(level, unit)
    for places in range(PLACES + 1, SHOWN_DIGITS):
        if rounded == exact or (rounded and _stands(rounded, limit) == _stands(exact, limit)):
            break
        rounded = exact.quantize(ONE.scaleb(-places), ROUND_HALF_EVEN)
    return plain(rounded) + ENDS[unit]


def _stands(value: Decimal, limit: Decimal | None) -> int:
    """Below, at or above it; 0 without one."""
    return 0 if limit is None else int(value.compare(limit))


def _in_unit(value: Decimal, unit: Unit) -> Decimal:
    return 100 * value if unit == "share" else value
