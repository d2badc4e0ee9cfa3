"""The unrealised loss of contracts against the margin that is posted for them. Pure figures, no I/O."""

from typing import Final

from sidecar.core.account.losses import AT_MARKS, NO_LOSS, Loss, Shift
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.money import ONE, ZERO

OF_MARGIN: Final = LossLimit(ratio=ONE)  # the measure: a ratio


def margin_drawdown(tracker: PositionTracker, shift: Shift = AT_MARKS) -> Loss | None:
    """The loss of all contracts together since their entry, as Coinbase states it, of the margin posted; None where
    that is not known: it was not told, or told as none since they lose.
    """
    usd = -tracker.account.futures_profit - shift.usd
    for key, change in shift.changes.items():
        if tracker.books.is_future(key):
            usd -= tracker.account.lines[key].position.quantity * change
    summary = tracker.balances.futures
    margin = None if summary is None else summary.initial_margin
    if margin is None or (margin <= ZERO < usd):
        return None
    return Loss(max(ZERO, usd), margin) if margin > ZERO else NO_LOSS
