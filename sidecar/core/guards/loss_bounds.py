"""LossBounds: every loss that a limit bounds, as it is told and as it may be. No I/O.

A loss is reckoned in more ways than one while it is not known whether a holding was moved before
its price fell, or while a mark is stale. `most` is the way that lost most, `least` the way that
lost least.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.account import losses
from sidecar.core.account.losses import AT_MARKS, PERIOD_OF, ROUNDING, Loss, Shift, Way
from sidecar.core.account.margin import margin_drawdown
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.loss_now import called
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.guards.stale_marks import StaleMarks
from sidecar.core.vocabulary.limit_settings import LossLimit
from sidecar.core.vocabulary.limits import OrderLimits
from sidecar.core.vocabulary.money import ONE, ZERO, ratio

# The unrealised loss of contracts alone: it has no window and no settled part.
MARGIN: Final = "MARGIN_DRAWDOWN"
NO_ROOM: Final = Decimal("-Inf")


# The share of its limit below which a loss ends a confirmed cause that nothing else latches. A figure that stands at
# its limit crosses it at every other tick: at a limit of 5 % a tenth is half a percent of the account, more than prices
# move in a calm minute, and little to make good.
ENDS_BELOW: Final = Decimal("0.9")


@cache
def ended_by(limit: LossLimit) -> LossLimit:
    """The loss below which a confirmed cause ends that lasts as long as the loss itself: all of those are shares."""
    assert limit.ratio is not None, "a limit in USD latches"
    return LossLimit(ratio=limit.ratio * ENDS_BELOW)


@cache
def _as_loss(ratio: Decimal) -> LossLimit:
    return LossLimit(ratio=ratio)


class BoundLoss(Struct, frozen=True):
    """A loss, the limit that bounds it, and the cause it raises.

    `key` or `strategy_id` narrow it. `loss` is as the books tell it, `most` and `least` as it may be;
    `unprinted`: the least where quotes of stale books that no trade has borne out are true, and those that are
    better than a mark are not: time may confirm it. `window`: the length of a rolling one.
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
    window: timedelta | None = None

    @property
    def is_crossed(self) -> bool:
        """Whether the loss may be beyond its limit."""
        return self.most.crosses(self.limit)

    @property
    def is_near(self) -> bool:
        """Whether the loss may be beyond its limit, or so near to it that a confirmed cause goes on."""
        return self.most.crosses(ended_by(self.limit))

    @property
    def may_be_confirmed(self) -> bool:
        """Whether every way of reckoning is beyond the limit, at the quotes of now."""
        return self.unprinted.crosses(self.limit)

    @property
    def room(self) -> Decimal:
        """How much more may be lost, as the books tell it, before the limit is reached, USD; not a rounding less."""
        return self.loss.room(self.limit) - ROUNDING * self.loss.base

    @property
    def used(self) -> Decimal:
        """The share of its limit that is used."""
        return ratio(self.loss.measured(self.limit), self.limit.ratio or self.limit.usd or ONE)

    @property
    def lacks_equity(self) -> bool:
        """Whether its limit is a ratio, and there is no equity to take it of."""
        return self.limit.ratio is not None and self.loss.base <= ZERO

    @property
    def reason(self) -> str:
        what = called(self.code, self.loss.text(), self.window)
        if self.loss.crosses(self.limit):
            return f"{what} has reached {self.limit.words}"
        return f"{what} may be {self.most.text()}, which reaches {self.limit.words}"


class Quiet(Struct, frozen=True):
    """The net PnL above which no loss is beyond its limit, USD: of the account, and of keys and strategies that have
    limits of their own.
    """

    account: Decimal
    keys: tuple[tuple[str, Decimal], ...] = ()
    strategies: tuple[tuple[str, Decimal], ...] = ()

    def holds(self, tracker: PositionTracker) -> bool:
        """Whether all stand above it."""
        account = tracker.account
        if account.net_pnl <= self.account:
            return False
        for key, least in self.keys:
            if account.net_pnl_of(key) <= least:
                return False
        for name, least in self.strategies:  # noqa: SIM110 - at every tick
            if net_pnl_of_strategy(tracker, name) <= least:
                return False
        return True


def net_pnl_of_strategy(tracker: PositionTracker, name: str) -> Decimal:
    """By its own books; one without books has neither won nor lost."""
    book = tracker.strategies.get(name)
    return ZERO if book is None else book.net_pnl


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
        for code, loss in in_periods(limits):
            yield self.of(code, loss, now)
        for name, own in limits.product.items():
            product = tracker.products.get(name)
            if product is not None:
                for code, loss in in_periods(own):
                    yield self.of(code, loss, now, f"product:{name}", key=product.key)
        for name, strategy in limits.strategy.items():
            for code, loss in in_periods(strategy):
                yield self.of(code, loss, now, f"strategy:{name}", strategy_id=name)
        if rolling := list(self._rolling(now)):
            # A single cause stands for all windows: that of the window which is surest to be crossed.
            yield max(rolling, key=_sureness)
        if (limit := limits.max_drawdown) is not None:
            yield self.of("DRAWDOWN", limit, now)
        if (limit := limits.max_cumulative_loss) is not None:
            yield self.of("CUMULATIVE_LOSS", limit, now)
        yield from self._of_margin(now)

    def _of_margin(self, now: datetime | None) -> Iterator[BoundLoss]:
        share, loss = self.desk.limits.max_margin_drawdown, margin_drawdown(self.desk.tracker)
        if share is not None and loss is not None and loss.base:
            yield self.of(MARGIN, _as_loss(share), now, "futures")

    def lacks_margin(self) -> bool:
        """Whether a limit is set on the loss of margin, and Coinbase has not told the margin of contracts that lose."""
        return (
            self.desk.limits.max_margin_drawdown is not None
            and margin_drawdown(self.desk.tracker) is None
        )

    def _rolling(self, now: datetime | None) -> Iterator[BoundLoss]:
        windows = self.desk.tracker.windows
        for one in self.desk.limits.max_loss_in or ():
            if windows is not None and windows.rolling_of(one.window) is not None:
                yield self.of("LOSS_IN", one.loss, now, window=one.window)

    def quiet_above(self) -> "Quiet | None":
        """The net PnL above which no limit on a loss is crossed; None where there is no equity to take ratios of."""
        tracker, account = self.desk.tracker, NO_ROOM
        keys, strategies = dict[str, Decimal](), dict[str, Decimal]()
        for bound in (*self.bounded(None), *self._rolling(None)):
            if bound.code == MARGIN:
                continue
            if bound.lacks_equity:
                return None
            if bound.key is not None:
                least = tracker.account.net_pnl_of(bound.key) - bound.room
                keys[bound.key] = max(least, keys.get(bound.key, NO_ROOM))
            elif bound.strategy_id is not None:
                name = bound.strategy_id
                least = net_pnl_of_strategy(tracker, name) - bound.room
                strategies[name] = max(least, strategies.get(name, NO_ROOM))
            else:
                account = max(account, tracker.account.net_pnl - bound.room)
        return Quiet(account, tuple(keys.items()), tuple(strategies.items()))

    def loses_margin(self) -> bool:
        """Whether the loss of contracts is beyond its limit, which is set, as the books tell it."""
        share, tracker = self.desk.limits.max_margin_drawdown, self.desk.tracker
        assert share is not None, "no limit is set"
        if tracker.account.futures_profit >= ZERO:
            return False
        loss = margin_drawdown(tracker)
        return loss is not None and loss.crosses(_as_loss(share))

    def of(  # noqa: PLR0913 - a scope is named by key or strategy
        self,
        code: str,
        limit: LossLimit,
        now: datetime | None,
        scope: str = "all",
        *,
        key: str | None = None,
        strategy_id: str | None = None,
        window: timedelta | None = None,
    ) -> BoundLoss:
        """The loss behind one code and scope, under its limit."""
        told = self._loss(code, "told", key, strategy_id, window=window)
        ways = (told, told, told)
        if now is not None:
            ways = self.ways(code, told, key, strategy_id, window=window)
        return BoundLoss(code, told, limit, scope, key, strategy_id, *ways, window=window)

    def but(self, bound: BoundLoss, usd: Decimal) -> BoundLoss:
        """The same loss if so much of it had not happened, USD."""
        code, key, strategy_id, window = bound.code, bound.key, bound.strategy_id, bound.window
        told = self._loss(code, "told", key, strategy_id, Shift({}, usd), window)
        most, least, unprinted = self.ways(code, told, key, strategy_id, usd, window)
        return replace(bound, loss=told, most=most, least=least, unprinted=unprinted)

    def ways(  # noqa: PLR0913, PLR0917 - a loss is named by code, scope and window
        self,
        code: str,
        told: Loss,
        key: str | None = None,
        strategy_id: str | None = None,
        usd: Decimal = ZERO,
        window: timedelta | None = None,
    ) -> tuple[Loss, Loss, Loss]:
        """The most and the least that may have been lost where the books tell `told`, and the least that time may
        confirm; `usd`: had so much more been earned.
        """
        is_ambiguous = self.desk.tracker.loss_accounting.is_ambiguous
        if not self.desk.tracker.marks.newest:
            if not is_ambiguous:
                return told, told, told
            shift = Shift({}, usd) if usd else AT_MARKS
            least = self._loss(code, "least", key, strategy_id, shift, window)
            return self._loss(code, "most", key, strategy_id, shift, window), least, least
        stale = self.stale_marks
        better, worse, sure = stale.better(), stale.worse(printed=False), stale.worse(printed=True)
        if not (is_ambiguous or better or worse):
            return told, told, told
        most = self._loss(code, "most", key, strategy_id, Shift(worse, usd), window)
        least = self._loss(code, "least", key, strategy_id, Shift(better | sure, usd), window)
        if sure == worse and not better:
            return most, least, least
        return most, least, self._loss(code, "least", key, strategy_id, Shift(worse, usd), window)

    def _loss(  # noqa: PLR0913, PLR0917 - a loss is named by code, scope and window
        self,
        code: str,
        way: Way,
        key: str | None,
        strategy_id: str | None,
        shift: Shift = AT_MARKS,
        window: timedelta | None = None,
    ) -> Loss:
        tracker = self.desk.tracker
        if code == MARGIN:
            return margin_drawdown(tracker, shift) or losses.NO_LOSS
        if window is not None:
            return losses.rolling(tracker, window, way=way, shift=shift)
        if (name := PERIOD_OF.get(code)) is not None:
            return losses.within(
                tracker, name, key=key, strategy_id=strategy_id, way=way, shift=shift
            )
        figure = losses.drawdown if code == "DRAWDOWN" else losses.cumulative
        return figure(tracker, way=way, shift=shift)


def _sureness(one: BoundLoss) -> tuple[bool, bool, bool, Decimal]:
    return one.may_be_confirmed, one.is_crossed, one.is_near, one.used


def in_periods(limits: OrderLimits) -> Iterator[tuple[str, LossLimit]]:
    """The limits of a table on losses within periods of the calendar, by the codes of their causes."""
    found = (limits.max_daily_loss, limits.max_weekly_loss, limits.max_monthly_loss)
    for code, limit in zip(PERIOD_OF, found, strict=True):
        if limit is not None:
            yield code, limit
