"""Kinds of value that several tables have in common, and the table itself. No I/O.

The message of a validator has two parts, `what is wrong; the mend`, and never repeats the value.
"""

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from sidecar.core.vocabulary.money import (
    DIGITS_AFTER_POINT_MAX,
    DIGITS_BEFORE_POINT_MAX,
    is_bounded,
)
from sidecar.core.vocabulary.products import PRODUCT_ID

ASSET: Final = re.compile(r"[A-Z0-9]{1,20}")


def not_boolean(value: object) -> object:
    """Refuse true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers; write a number")
    return value


def money_sized(value: Decimal) -> Decimal:
    """Refuse an amount that no account can hold: sums of it would not be exact."""
    if not is_bounded(value) or int(value.as_tuple().exponent) < -DIGITS_AFTER_POINT_MAX:
        raise ValueError(
            f"is no amount of money; write at most {DIGITS_BEFORE_POINT_MAX} digits before the point "
            f"and {DIGITS_AFTER_POINT_MAX} behind"
        )
    return value


def _asset(value: str) -> str:
    if not ASSET.fullmatch(value):
        raise ValueError("is not a currency code; write it as Coinbase does, in capitals: BTC")
    return value


def _product_id(value: str) -> str:
    if not PRODUCT_ID.fullmatch(value):
        raise ValueError("is not a product; write it as Coinbase does, in capitals: BTC-USD")
    return value


Number = Annotated[Decimal, BeforeValidator(not_boolean)]
Whole = Annotated[int, Field(strict=True)]  # else true would be 1
Ratio = Annotated[Number, Field(ge=0, le=1)]
Asset = Annotated[str, AfterValidator(_asset)]
ProductId = Annotated[str, AfterValidator(_product_id)]


class Table(BaseModel):
    """A table of the file: frozen, and with no unknown key: a typo must not switch off a limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
