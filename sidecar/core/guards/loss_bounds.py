"""LossBounds: every loss that a limit bounds, as it is told and as it may be. No I/O.

A loss is reckoned in more ways than one while it is not known whether a holding was moved before
its price fell, or while a mark is stale. `most` is the way that lost most, `least` the way that
lost least.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.account import losses
from sidecar.core.account.losses import AT_MARKS, Loss, Shift, Way
from sidecar.core.account.margin import margin_drawdown
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.guards.stale_marks import StaleMarks
from sidecar.core.vocabulary.limits import LossLimit
from sidecar.core.vocabulary.money import ZERO

# A loss that stands, of contracts alone: it has no window, and nothing of it is settled.
MARGIN: Final = "MARGIN_DRAWDOWN"


@cache
def _of_margin(ratio: Decimal) -> LossLimit:
    return LossLimit(ratio=ratio)


class BoundLoss(Struct, frozen=True):
    """A loss, the limit that bounds it, and the cause it raises.

    `key` or `strategy_id` narrow it. `loss` is as the books tell it, `most` and `least` as it may be;
    `unprinted`: the least where quotes of stale books that no trade has borne out are true, and those that are
    better than a mark are not: time may confirm it.
    """

    code: str
    loss: Loss
    limit: LossLimit
    scope: str = "all"
    key: str | None = None
    strategy_id: str | None = None
    most: Loss = losses.NO_LOSS
    least: Loss = losses.NO_LOSS
    unprinted: Loss = losses.NO_LOSS

    @property
    def is_crossed(self) -> bool:
        """Whether the loss may be beyond its limit."""
        return self.most.crosses(self.limit)

    @property
    def may_be_confirmed(self) -> bool:
        """Whether every way of reckoning is beyond the limit, at the quotes of now."""
        return self.unprinted.crosses(self.limit)

    @property
    def lacks_equity(self) -> bool:
        """Whether its limit is a ratio, and there is no equity to take it of."""
        return self.limit.ratio is not None and self.loss.base <= ZERO

    @property
    def reason(self) -> str:
        what = self.code.lower().replace("_", " ")
        if self.loss.crosses(self.limit):
            return f"{what} of {self.loss.text()} has reached {self.limit}"
        return f"{what} of {self.loss.text()} may be {self.most.text()}, which reaches {self.limit}"


class LossBounds:
    """Losses beside the limits that bound them."""

    def __init__(self, desk: RiskContext, stale_marks: StaleMarks) -> None:
        self.desk = desk
        self.stale_marks = stale_marks

    def bounded(self, now: datetime | None) -> Iterator[BoundLoss]:
        """Every loss that a limit bounds, under the code and scope of the cause it raises. Without a
        time, as the books tell it alone.
        """
        limits, tracker = self.desk.limits, self.desk.tracker
        if (limit := limits.max_daily_loss) is not None:
            yield self.of("DAILY_LOSS", limit, now)
        for name, own in limits.product.items():
            product = tracker.products.get(name)
            if (limit := own.max_daily_loss) is not None and product is not None:
                yield self.of("DAILY_LOSS", limit, now, f"product:{name}", key=product.key)
        for name, strategy in limits.strategy.items():
            if (limit := strategy.max_daily_loss) is not None:
                yield self.of("DAILY_LOSS", limit, now, f"strategy:{name}", strategy_id=name)
        if (limit := limits.max_drawdown) is not None:
            yield self.of("DRAWDOWN", limit, now)
        if (limit := limits.max_cumulative_loss) is not None:
            yield self.of("CUMULATIVE_LOSS", limit, now)
        share = limits.max_margin_drawdown
        if share is not None and (loss := margin_drawdown(tracker)) is not None and loss.base:
            yield self.of(MARGIN, _of_margin(share), now, "futures")

    def quiet_above(self) -> Decimal | None:
        """The net PnL above which no limit on the account's losses is crossed, USD; None where that does not
        tell: limits of products and strategies, or no equity to take ratios of.
        """
        limits, tracker = self.desk.limits, self.desk.tracker
        scoped = (*limits.product.values(), *limits.strategy.values())
        if any(one.max_daily_loss is not None for one in scoped):
            return None
        bounded = [bound for bound in self.bounded(None) if bound.code != MARGIN]
        if any(bound.lacks_equity for bound in bounded):
            return None
        net = tracker.account.net_pnl
        return max(
            (net - bound.loss.room(bound.limit) for bound in bounded), default=Decimal("-Inf")
        )

    def loses_margin(self) -> bool:
        """Whether the loss of contracts is beyond its limit, which is set, as the books tell it."""
        share, tracker = self.desk.limits.max_margin_drawdown, self.desk.tracker
        assert share is not None, "no limit is set"
        if tracker.account.futures_profit >= ZERO:
            return False
        loss = margin_drawdown(tracker)
        return loss is not None and loss.crosses(_of_margin(share))

    def of(  # noqa: PLR0913 - a scope is named by key or strategy
        self,
        code: str,
        limit: LossLimit,
        now: datetime | None,
        scope: str = "all",
        *,
        key: str | None = None,
        strategy_id: str | None = None,
    ) -> BoundLoss:
        """The loss behind one code and scope, under its limit."""
        told = self._loss(code, "told", key, strategy_id)
        if now is None:
            return BoundLoss(code, told, limit, scope, key, strategy_id, told, told, told)
        ways = self.ways(code, told, key, strategy_id)
        return BoundLoss(code, told, limit, scope, key, strategy_id, *ways)

    def but(self, bound: BoundLoss, usd: Decimal) -> BoundLoss:
        """The same loss if so much of it had not happened, USD."""
        told = self._loss(bound.code, "told", bound.key, bound.strategy_id, Shift({}, usd))
        most, least, unprinted = self.ways(bound.code, told, bound.key, bound.strategy_id, usd)
        return replace(bound, loss=told, most=most, least=least, unprinted=unprinted)

    def ways(
        self,
        code: str,
        told: Loss,
        key: str | None = None,
        strategy_id: str | None = None,
        usd: Decimal = ZERO,
    ) -> tuple[Loss, Loss, Loss]:
        """The most and the least that may have been lost where the books tell `told`, and the least that time may
        confirm; `usd`: had so much more been earned.
        """
        is_ambiguous = self.desk.tracker.loss_accounting.is_ambiguous
        if strategy_id is not None or not self.desk.tracker.marks.newest:
            if not is_ambiguous:
                return told, told, told
            shift = Shift({}, usd) if usd else AT_MARKS
            least = self._loss(code, "least", key, strategy_id, shift)
            return self._loss(code, "most", key, strategy_id, shift), least, least
        stale = self.stale_marks
        better, worse, sure = stale.better(), stale.worse(printed=False), stale.worse(printed=True)
        if not (is_ambiguous or better or worse):
            return told, told, told
        most = self._loss(code, "most", key, strategy_id, Shift(worse, usd))
        least = self._loss(code, "least", key, strategy_id, Shift(better | sure, usd))
        if sure == worse and not better:
            return most, least, least
        return most, least, self._loss(code, "least", key, strategy_id, Shift(worse, usd))

    def _loss(
        self,
        code: str,
        way: Way,
        key: str | None,
        strategy_id: str | None,
        shift: Shift = AT_MARKS,
    ) -> Loss:
        tracker = self.desk.tracker
        if code == MARGIN:
            return margin_drawdown(tracker, shift) or losses.NO_LOSS
        if code == "DAILY_LOSS":
            return losses.daily(tracker, key=key, strategy_id=strategy_id, way=way, shift=shift)
        figure = losses.drawdown if code == "DRAWDOWN" else losses.cumulative
        return figure(tracker, way=way, shift=shift)
