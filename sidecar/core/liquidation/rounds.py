"""A round of a flattening: cancel the open orders, sell the holdings that can be sold, or end. No I/O.

A round begins with a reading of the account. A key is sold once none of its orders is open and none of its sales
is in doubt, and no more of it than the books and Coinbase's balance both say is held.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sidecar.core.account.working import WorkingOrder
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.liquidation.episode import Episode
from sidecar.core.liquidation.liquidation_report import report_of
from sidecar.core.liquidation.liquidator_memory import LiquidatorMemory
from sidecar.core.liquidation.progress import note_progress, note_rows, retry_after
from sidecar.core.liquidation.sales import Holding
from sidecar.core.liquidation.scope import Scope
from sidecar.core.liquidation.selling import PRICED, attempts_for
from sidecar.core.vocabulary.actions import (
    Action,
    CancelOrders,
    LiquidationReported,
    ReadAccount,
    RefreshQuotes,
)
from sidecar.core.vocabulary.reports import LiquidationReport

# Waits are of the wall's clock. A cancel that was accepted is done within tenths of a second; where
# the user channel does not say so, a reading must.
CANCELS_TAKE: Final = timedelta(seconds=0.5)
SALES_TAKE: Final = timedelta(seconds=5)  # after which a resting order is priced anew
# An order that is open still by then binds the quantity that it holds, and no more.
STUCK_AFTER: Final = timedelta(seconds=30)
WAITING_TAKES: Final = timedelta(seconds=1)  # for holdings that cannot be sold now


class Rounds:
    """Runs the rounds of every flattening. `ended(key, reason, now, actions)` is told of each that is done."""

    def __init__(
        self,
        desk: RiskContext,
        settings: Settings,
        scope: Scope,
        ended: Callable[[str | None, str, datetime, list[Action]], None],
    ) -> None:
        self.desk = desk
        self.settings = settings
        self._scope = scope
        self._ended = ended

    def reading(self, episode: Episode) -> ReadAccount:
        """The reading of the account that the next round begins with."""
        ids = (one.order_id for one in episode.live() if one.order_id)
        is_bound = any(one.way in PRICED for one in episode.attempts.values())  # flags may be gone
        is_waiting = is_bound or bool(episode.idle_rounds) or not self.desk.tracker.products
        return ReadAccount(reading=episode.reading, order_ids=tuple(ids), with_products=is_waiting)

    def run(
        self, memory: LiquidatorMemory, episode: Episode, now: datetime, actions: list[Action]
    ) -> None:
        """Cancel the open orders, sell the holdings that can be sold, or end."""
        tracker, working = self.desk.tracker, self._scope.working(episode)
        found = self._scope.holdings(memory, episode)
        left = [one for one in found if not one.is_final]
        live = episode.live() if self.settings.connected else []
        note_rows(episode, found, tracker.marks)
        unread = self._scope.unread(memory, episode)
        is_open = working or unread
        is_known = tracker.products or not self.settings.connected
        fault = self._scope.unknown(memory, episode)
        if not (is_open or left or live or fault) and is_known:
            self._end(memory, episode, now, actions)
            return
        episode.rounds += 1
        actions += note_progress(episode, (working, unread, left, fault), tracker.ledger, now)
        self.cancel(memory, episode, now, actions)
        stuck = {one.order_id for one in working if self._stuck_at(episode, one) <= now}
        still = [order for order in working if order.order_id not in stuck]
        busy = {key for order in still for key in self._scope.keys(order)}
        busy |= {attempt.key for attempt in episode.live() if attempt.order_id not in stuck}
        for holding in left:
            if holding.size and holding.key not in busy:
                self._sell(episode, holding, now, actions)
        is_selling = bool(episode.live())
        wait = SALES_TAKE if is_selling else CANCELS_TAKE if is_open else WAITING_TAKES
        wait = max(wait, retry_after(episode.idle_rounds))
        times = [now + wait * self.settings.time_scale]
        times += [one.opens_at for one in left if one.opens_at is not None and one.opens_at > now]
        times += [self._stuck_at(episode, order) for order in still]
        episode.step("read: sell" if is_selling else "read: wait", min(times))

    def _stuck_at(self, episode: Episode, order: WorkingOrder) -> datetime:
        """When it has been open for so long after its cancel was asked for that no more is waited for it."""
        return episode.asked[order.order_id] + STUCK_AFTER * self.settings.time_scale

    def cancel(
        self, memory: LiquidatorMemory, episode: Episode, now: datetime, actions: list[Action]
    ) -> None:
        """Cancel the open orders."""
        working, unread = self._scope.working(episode), self._scope.unread(memory, episode)
        for order in working:
            episode.asked.setdefault(order.order_id, now)
            if memory.sent(order.client_order_id) is None:
                key = order.legs[0].key if order.legs else order.product_id
                episode.cancelled.setdefault(order.order_id, key)
        if working or unread:
            actions.append(cancel_action(episode, working, unread))

    def _sell(
        self, episode: Episode, holding: Holding, now: datetime, actions: list[Action]
    ) -> None:
        product = holding.product
        assert product is not None
        quote = self.desk.tracker.marks.quotes.get(product.book)
        slippage = self.desk.limits.market_order_slippage
        attempts = list(attempts_for(episode, holding, quote, slippage, now))
        for attempt in attempts:
            episode.attempts[attempt.client_order_id] = attempt
            actions.append(attempt.place())
        if attempts and holding.notional is None:  # a holding without a price may be dust
            actions.append(RefreshQuotes(product_ids=(product.book,)))
        if not attempts:
            episode.rows[holding.key].note = f"no price of {product.book} is known"
            actions.append(RefreshQuotes(product_ids=(product.book,)))

    def _end(
        self, memory: LiquidatorMemory, episode: Episode, now: datetime, actions: list[Action]
    ) -> None:
        del memory.episodes[episode.key or ""]
        memory.keep_in_mind(episode)
        publish(report_of(episode, self.desk.tracker, "flat", now), memory, actions)
        left = [f"{row.key} ({row.note})" for row in episode.rows.values() if row.left]
        what = episode.key or "the account"
        reason = f"{what} was flattened: {episode.trigger.reason}"
        if left:
            reason += f"; left: {', '.join(left)}"
        self._ended(episode.key, reason, now, actions)


def cancel_action(
    episode: Episode, working: list[WorkingOrder], unread: tuple[str, ...] = ()
) -> CancelOrders:
    """The cancel of an episode's open orders."""
    ids = tuple(order.order_id for order in working)
    return CancelOrders(order_ids=ids + unread, reason=episode.trigger.reason)


def publish(report: LiquidationReport, memory: LiquidatorMemory, actions: list[Action]) -> None:
    """Tell how a flattening ended."""
    memory.last = report
    actions.append(LiquidationReported(report=report))
