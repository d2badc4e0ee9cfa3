"""DepositWatch: a deposit that comes under limits that are in use already. No I/O.

Ratios are time-weighted: a deposit leaves them as they are, and so each limit as far used as it was. New
money is then stopped, or sold, by a loss that is a smaller share of it than the limit says: 9 % lost, ten
times as much paid in, and 1 % of that trips 10 %. The depositor should know, and may have the loss
count from now.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.guards.loss_bounds import LossBounds
from sidecar.core.guards.loss_watch import WINDOW_OF
from sidecar.core.vocabulary.actions import Action, Alert
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.wording import in_words, words_of

# Of a limit. The rest of a limit that is used less is near enough to the whole.
USED: Final = Decimal("0.25")


class DepositWatch:
    """Tells of each deposit that more than doubles the account while a loss limit is in use."""

    def __init__(self, desk: RiskContext, bounds: LossBounds) -> None:
        self.desk = desk
        self.bounds = bounds
        self.seen = desk.tracker.transfers  # so much had come in when it last looked, USD

    def look(self, actions: list[Action]) -> None:
        """Whether money came in since the last look, and its meaning for each limit in use."""
        tracker = self.desk.tracker
        if tracker.transfers is self.seen:  # as at nearly every fact
            return
        came, self.seen = tracker.transfers - self.seen, tracker.transfers
        equity = tracker.booked_equity
        if tracker.loss_accounting.windows is None or came <= max(ZERO, equity - came):
            return
        if near := list(self._near(equity)):
            text = (
                f"a deposit of {in_words(came, 'usd')} more than doubled the account, whose loss limits are in use: "
                + "; ".join(near)
            )
            actions.append(Alert(severity="warning", code="DEPOSIT_UNDER_LIMIT", text=text))

    def _near(self, equity: Decimal) -> Iterator[str]:
        """The limits in use and not reached yet: the loss that trips each now, and the command by which
        it counts anew.
        """
        for bound in self.bounds.bounded(None):
            limit, loss = bound.limit.ratio, bound.loss
            if limit is None or loss.ratio is None or loss.crosses(bound.limit):
                continue
            if loss.ratio <= USED * limit:
                continue
            left, window = (limit - loss.ratio) * loss.base, WINDOW_OF[bound.code]
            where = "" if bound.scope == "all" else f" in {bound.scope}"
            now, most = in_words(loss.ratio, "share", limit), words_of(limit, "share")
            yield (
                f"the {window} loss{where} is {now}, its limit {most}: {in_words(left, 'usd')} more, "
                f"{in_words(left / equity, 'share')} of the account, reach it; reset-loss {window} has it "
                "count from now"
            )
