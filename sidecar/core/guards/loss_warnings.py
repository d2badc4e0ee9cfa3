"""LossWarnings: says when a limit on losses is used to 70 and to 90 per cent, before it is reached. No I/O.

Reaching it is a cause of its own (loss_watch.py). A loss that swings about a level is told once: it is told anew only
after it has fallen well below.
"""

from decimal import Decimal
from typing import Final

from sidecar.core.context.loss_now import name_of
from sidecar.core.guards.loss_bounds import BoundLoss, LossBounds
from sidecar.core.vocabulary.actions import Action, Alert
from sidecar.core.vocabulary.money import cents, plain

LEVELS: Final = (Decimal("0.9"), Decimal("0.7"))  # of the limit
REARM_BELOW: Final = Decimal(
    "0.6"
)  # of the limit, so that a passing swing about 70 % is no second alert
NONE: Final = Decimal(0)


class LossWarnings:
    """Compares the share used of each limit on losses with the levels. `told`: the highest that was told, by code and
    scope, until the loss falls below.
    """

    def __init__(self, bounds: LossBounds) -> None:
        self.bounds = bounds
        self.told: dict[str, Decimal] = {}

    def look(self, actions: list[Action]) -> None:
        """Tell the levels that are newly reached, as the books tell the losses."""
        desk = self.bounds.desk
        if not desk.state.ready or desk.tracker.windows is None:
            return
        stand: dict[str, Decimal] = {}
        for bound in self.bounds.bounded(None):
            name = f"{bound.code}|{bound.scope}"
            known, used = self.told.get(name, NONE), bound.used
            reached = next((level for level in LEVELS if used >= level), NONE)
            if reached > known and not bound.loss.crosses(bound.limit):
                actions.append(_alert(bound))
            if used >= REARM_BELOW:
                stand[name] = max(known, reached)
        self.told = {name: level for name, level in stand.items() if level}


def _alert(bound: BoundLoss) -> Alert:
    what = name_of(bound.code, bound.window)
    where = "" if bound.scope == "all" else f" of {bound.scope}"
    percent = plain(cents(100 * bound.used))
    text = f"{what}{where} is {bound.loss.text()}: {percent} % of its limit, {bound.limit.words}"
    return Alert(severity="warning", code="LOSS_LIMIT_NEAR", text=text)
