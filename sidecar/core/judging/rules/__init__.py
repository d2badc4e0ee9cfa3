"""The rules: gates and measured limits, each in the order in which broken ones are listed. No I/O.

A rule is a plain function and a row: a `Gate` names a fault, or passes; a `Measured`
gives the figure that a configured limit bounds. A new rule takes its entry in one of these modules,
its limit in `limits.py`, and an example of each; docs/architecture.md says where.
"""

from typing import Final

from sidecar.core.judging.rules import (
    activity,
    depth,
    exposure,
    funds,
    hours,
    losses,
    market,
    portfolio,
    strategies,
    validity,
)
from sidecar.core.judging.rules.custom import DOC as CUSTOM_DOC
from sidecar.core.judging.rules.rule import Doc, Gate, Measured

RULES: Final[tuple[Gate | Measured, ...]] = (
    *validity.RULES,
    *market.RULES,
    *activity.RULES,
    *hours.RULES,
    *funds.RULES,
    *exposure.RULES,
    *depth.RULES,
    *strategies.RULES,
    *losses.RULES,
    *portfolio.RULES,
)

# Codes that no row above stands for: found before the rules run, or the user's own.
OTHER_CODES: Final[dict[str, Doc]] = {
    "UNSUPPORTED_ORDER_TYPE": Doc("an order_configuration that cannot be valued"),
    "UNKNOWN_PRODUCT": Doc("the product is not in Coinbase's list"),
    "CUSTOM": CUSTOM_DOC,
}
