"""The portfolio's risk now, for people: the three books, each key's contribution, and the stress
scenarios. No I/O. USD, losses positive; a report changes no state.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from math import isfinite
from typing import Any, Final

from sidecar.core.value_at_risk.live_risk import LiveRisk
from sidecar.core.value_at_risk.model import Tail, Unavailable
from sidecar.core.value_at_risk.risk_view import BOOKS, HELD, RiskView
from sidecar.core.value_at_risk.stress import OWN
from sidecar.core.vocabulary.money import CENT

View = dict[str, Any]
NO_RISK: Final = Tail(var=0.0, es=0.0)
MARGINAL_OF_ALL: Final = Decimal(1)
MARGINAL_DIGITS: Final = Decimal("0.0001")  # USD of VaR for one more USD of exposure


def risk_report(risk: LiveRisk) -> View:
    """`books`, `components` of the holdings and the `stress` scenarios; None each where they cannot
    be told. `uncounted`: keys that are held or worked and have no mark yet.
    """
    nothing: View = {
        "books": None,
        "components": None,
        "stress": None,
        "worst_scenario": None,
        "uncounted": risk.uncounted(),
    }
    view = risk.view()
    if view is None:
        return nothing | {"components": [], "stress": []}
    return nothing | _of_model(view) | {"stress": _stress(view), "worst_scenario": _worst(view)}


def _of_model(view: RiskView) -> View:
    try:
        tails = {name: view.book(name).tail() if view.keys else NO_RISK for name in BOOKS}
        parts = view.book("held").components() if view.keys else None
    except Unavailable:
        return {}
    rows = []
    for number, key in enumerate(view.keys):
        assert parts is not None
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
    for key, worth in view.lost_in("held").items():  # counted whole
        whole = _cents(worth)
        one = None if not worth else MARGINAL_OF_ALL
        rows.append(
            {
                "key": key,
                "exposure": whole,
                "var": whole,
                "expected_shortfall": whole,
                "marginal_var": one,
            }
        )
    lost = {name: sum(view.lost_in(name).values()) for name in BOOKS}
    return {
        "books": {
            name: {
                "var": _cents(tail.var + lost[name]),
                "expected_shortfall": _cents(tail.es + lost[name]),
            }
            for name, tail in tails.items()
        },
        "components": sorted(rows, key=lambda row: (-abs(row["var"] or 0), row["key"])),
    }


def _stress(view: RiskView) -> list[View]:
    """Named scenarios, the worst first; of the own history's the worst alone."""
    lost = sum(view.lost_in("held").values())
    told = [(name, loss + lost) for name, loss in view.stressed(HELD).losses()]
    losses = sorted(told, key=lambda one: (-one[1], one[0]))
    own = next((one for one in losses if one[0].startswith(OWN)), None)
    return [
        {"scenario": name, "loss": _cents(loss)}
        for name, loss in losses
        if not name.startswith(OWN) or (name, loss) == own
    ]


def _worst(view: RiskView) -> str | None:
    """The scenario that costs most, in the book that it costs most."""
    books = [view.stressed(number) for number in range(len(BOOKS))]
    return max(books, key=lambda book: book.loss()).worst() if view.keys else None


def _cents(value: float) -> Decimal | None:
    if not isfinite(value):
        return None
    return Decimal(value).quantize(CENT, ROUND_HALF_EVEN)


def _rounded(value: float) -> Decimal:
    return Decimal(value).quantize(MARGINAL_DIGITS, ROUND_HALF_EVEN)
