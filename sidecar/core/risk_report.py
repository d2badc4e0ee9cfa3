"""What the portfolio risks now, for people: the three books, who contributes what, and the stress
scenarios. No I/O. USD, losses positive; looking changes nothing.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from math import isfinite
from typing import Any, Final

from sidecar.core.live_risk import LiveRisk
from sidecar.core.money import CENT
from sidecar.core.risk_view import BOOKS, HELD, RiskView
from sidecar.core.value_at_risk.model import Unavailable
from sidecar.core.value_at_risk.stress import OWN

View = dict[str, Any]
MARGINAL_DIGITS: Final = Decimal("0.0001")  # USD of VaR for one more USD of exposure


def risk_report(risk: LiveRisk) -> View:
    """`books`, `components` of what is held and the `stress` scenarios; None each where they cannot be
    told.
    """
    nothing: View = {"books": None, "components": None, "stress": None}
    try:
        view = risk.view()
    except Unavailable:
        return nothing
    if view is None:
        return {"books": None, "components": [], "stress": []}
    return nothing | _of_model(view) | {"stress": _stress(view)}


def _of_model(view: RiskView) -> View:
    try:
        tails = {name: view.book(name).tail() for name in BOOKS}
        parts = view.book("held").components()
    except Unavailable:
        return {}
    rows = []
    for number, key in enumerate(view.keys):
        exposure = view.rows[number][HELD]
        var, es = float(parts.var[number]), float(parts.es[number])
        rows.append(
            {
                "key": key,
                "exposure": _cents(exposure),
                "var": _cents(var),
                "expected_shortfall": _cents(es),
                "marginal_var": None if not exposure else _rounded(var / exposure),
            }
        )
    return {
        "books": {
            name: {"var": _cents(tail.var), "expected_shortfall": _cents(tail.es)}
            for name, tail in tails.items()
        },
        "components": sorted(rows, key=lambda row: (-abs(row["var"] or 0), row["key"])),
    }


def _stress(view: RiskView) -> list[View]:
    """Named scenarios, the worst first; of the own history's the worst alone."""
    losses = sorted(view.stressed(HELD).losses(), key=lambda one: (-one[1], one[0]))
    own = next((one for one in losses if one[0].startswith(OWN)), None)
    return [
        {"scenario": name, "loss": _cents(loss)}
        for name, loss in losses
        if not name.startswith(OWN) or (name, loss) == own
    ]


def _cents(value: float) -> Decimal | None:
    if not isfinite(value):
        return None
    return Decimal(value).quantize(CENT, ROUND_HALF_EVEN)


def _rounded(value: float) -> Decimal:
    return Decimal(value).quantize(MARGINAL_DIGITS, ROUND_HALF_EVEN)
