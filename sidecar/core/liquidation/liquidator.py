"""Liquidator: flattens the account, or one key of it, and knows when it is flat. No I/O.

    cancelling ── none is open, or it takes long ──→ reading ── it is flat ──→ done
        ↑                                              │
        └──── every sale is over ──── selling ←────────┘ it is not

Every round (rounds.py) begins with a reading of the account that began after the last round's orders were
over: a request is no proof of its effect.

In library use the caller's facts are the reading.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sidecar.core.account.working import WorkingOrder
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.liquidation.attempts import KNOWN_ALREADY, LACKS_FUNDS, Attempt
from sidecar.core.liquidation.episode import Episode, Row, Step
from sidecar.core.liquidation.liquidation_report import report_of
from sidecar.core.liquidation.liquidator_memory import LiquidatorMemory
from sidecar.core.liquidation.progress import RETRY_AT_MOST
from sidecar.core.liquidation.rounds import CANCELS_TAKE, Rounds, cancel_action, publish
from sidecar.core.liquidation.scope import Scope
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Action,
    Alert,
    Liquidate,
    ReadOrders,
)
from sidecar.core.vocabulary.money import ZERO
from sidecar.core.vocabulary.order_body import Side
from sidecar.core.vocabulary.reports import LiquidationReport, Outcome

# Waits are of the wall's clock.
READINGS_TAKE: Final = timedelta(seconds=60)  # beyond which it is asked for again, and said
# A longer one is of a clock that was set back; a fact's time is that of the start of its reading.
LONGEST_WAIT: Final = RETRY_AT_MOST + READINGS_TAKE
ABSENT_AFTER: Final = timedelta(seconds=10)  # an accepted order may not be found for a moment


class Liquidator:
    """Every flattening under way. `ended(key, reason, now, actions)` is told of each that is done."""

    def __init__(
        self,
        desk: RiskContext,
        settings: Settings,
        ended: Callable[[str | None, str, datetime, list[Action]], None],
    ) -> None:
        self.desk = desk
        self.settings = settings
        self.memory = LiquidatorMemory()
        self._scope = Scope(desk, settings)
        self._rounds = Rounds(desk, settings, self._scope, ended)

    # --- From outside -----------------------------------------------------------------------------

    def begin(
        self, trigger: Liquidate, key: str | None, now: datetime, actions: list[Action]
    ) -> None:
        """Flatten the account, or one key. A flattening under way for a part of it is taken over."""
        if self.memory.covering(key) is not None:
            return
        # All of it is read anew.
        self.memory.balances, self.memory.contracts, self.memory.unread = {}, None, ()
        self.memory.lists_all = True
        episode = Episode(trigger=trigger, key=key, began_at=now)
        for name, other in list(self.memory.episodes.items()):
            if key is None:
                episode.attempts |= other.attempts
                episode.cancelled |= other.cancelled
                del self.memory.episodes[name]
        self.memory.episodes[key or ""] = episode
        lines = self.desk.tracker.account.lines
        episode.marks = {name: line.mark for name, line in lines.items() if line.mark is not None}
        self._take_up(episode, actions)
        # First of all: holdings are looked at in the rounds.
        self._rounds.cancel(self.memory, episode, now, actions)
        episode.due = now + CANCELS_TAKE * self.settings.time_scale
        self.advance(now, actions)

    def _take_up(self, episode: Episode, actions: list[Action]) -> None:
        """Take over the orders of an aborted flattening: they may stand at Coinbase still, and the
        report counts them.
        """
        dropped = {n: one for n, one in self.memory.dropped.items() if episode.covers(one.key)}
        for name in dropped:
            del self.memory.dropped[name]
        episode.attempts |= dropped
        self._look_up(episode)
        for attempt in episode.attempts.values():
            line = self.desk.tracker.account.lines.get(attempt.key)
            held = ZERO if line is None else line.position.quantity
            row = Row(key=attempt.key, held=held, left=held, mark=episode.marks.get(attempt.key))
            episode.rows.setdefault(attempt.key, row)
        for attempt in dropped.values():
            attempt.move("restarted", "its flattening was aborted before an answer came")
        actions += [one.find() for one in dropped.values() if one.stage == "doubtful"]

    def drop(self, outcome: Outcome, now: datetime, actions: list[Action]) -> None:
        """End every flattening. Orders already sent stay as they are."""
        for episode in self.memory.episodes.values():
            publish(report_of(episode, self.desk.tracker, outcome, now), self.memory, actions)
            self.memory.dropped |= {one.client_order_id: one for one in episode.live()}
            self.memory.keep_in_mind(episode)
        self.memory.episodes.clear()

    def note(self, event: ev.Event, actions: list[Action]) -> None:
        """Take in a fact that may be an answer to a request."""
        match event:
            case ev.BalancesRead() if self.settings.connected:
                self.memory.balances = {one.currency: one for one in event.balances}
                self.memory.balances_at = event.at
            case ev.FuturesRead() if self.settings.connected:
                self.memory.contracts = {one.product_id: one.contracts for one in event.positions}
            case ev.OpenOrdersListed() if self.settings.connected:
                find = self.desk.tracker.ledger.find
                self.memory.unread = tuple(one for one in event.order_ids if find(one) is None)
                self.memory.lists_all = event.is_complete
            case ev.OrderReported():
                self._reported(event, actions)
                self._hurry(event)
            case ev.FillReported():
                self._hurry(event)
            case ev.AttemptAnswered():
                self._answered(event, actions)
            case ev.AttemptMissing():
                self._missing(event, actions)
            case ev.AccountRead():
                self._read(event, actions)
            case ev.Started():
                self._restart(actions)
            case _:
                return

    def advance(self, now: datetime, actions: list[Action]) -> None:
        """Go on where a phase is over, or its time is up."""
        for episode in list(self.memory.episodes.values()):
            if not self.settings.connected:
                self._look_up(episode)
            step = self._next_step(episode, now)
            if step is None:
                continue
            is_overdue = episode.phase == "reading"
            episode.step(step, now + READINGS_TAKE * self.settings.time_scale)
            if not self.settings.connected:
                self._rounds.run(self.memory, episode, now, actions)
                continue
            if is_overdue:
                text = "the flattening cannot read the account, and goes on trying"
                actions.append(Alert(severity="critical", code="LIQUIDATION_STUCK", text=text))
            self.memory.readings += 1
            episode.reading = self.memory.readings
            actions.append(self._rounds.reading(episode))

    def _look_up(self, episode: Episode) -> None:
        """Take up the tracker's reports of orders that were not passed on here."""
        ledger = self.desk.tracker.ledger
        for attempt in episode.live():
            order = ledger.find_client_id(attempt.client_order_id)
            if order is not None:
                attempt.order_id = order.order_id
                attempt.move("seen" if order.is_open else "ended")

    def _next_step(self, episode: Episode, now: datetime) -> Step | None:
        """The step that ends this phase now; None while it goes on."""
        due = episode.due
        if due is not None and not now < due <= now + LONGEST_WAIT * self.settings.time_scale:
            return "time is up"  # or the clock was set back
        if episode.phase == "reading":
            return None
        if episode.idle_rounds and self.settings.connected:
            return None  # a round without effect is not hurried
        if episode.phase == "cancelling":
            return None if self._scope.is_open(self.memory, episode) else "none is open"
        is_flat = not self.settings.connected and self._scope.is_flat(self.memory, episode)
        return "nothing is to come" if is_flat or not episode.live() else None

    def next_due(self) -> datetime | None:
        """When time alone takes one of them further."""
        times = [one.due for one in self.memory.episodes.values() if one.due is not None]
        return min(times, default=None)

    @property
    def is_busy(self) -> bool:
        return bool(self.memory.episodes)

    def wants(self, client_order_id: str) -> bool:
        """Whether this order is still to be sent, or looked for."""
        attempt = self.memory.attempt(client_order_id)
        return attempt is not None and attempt.stage in {"sent", "doubtful"}

    def is_own(
        self, order: WorkingOrder, side: Side, size: Decimal | None, *, is_stated: bool
    ) -> bool:
        """Whether an order that is told with this side and size is the very one that was sent under its id."""
        attempt = self.memory.sent(order.client_order_id)
        if attempt is None:
            return False
        products = self.desk.tracker.products
        sent, told = products.get(attempt.product_id), products[order.product_id]
        is_same = told.product_id == attempt.product_id or (sent and sent.book == told.book)
        return bool(is_same) and attempt.is_this(side, size, is_stated=is_stated)

    def was_sent(self, order: WorkingOrder) -> bool:
        """Whether it is, as far as it is known: of one that has ended, only its row of REST tells the size."""
        is_stated = order.is_named or (order.rests is not None and order.is_open)
        return self.is_own(order, order.side, order.size or None, is_stated=is_stated)

    def compares(self, client_order_id: str) -> bool:
        """Whether an order under this id is compared with the order sent, and told if it differs."""
        return self.memory.attempt(client_order_id) is not None

    def placed(self) -> set[str]:
        """Orders of ours that Coinbase took and that may still trade."""
        live = (one for episode in self.memory.episodes.values() for one in episode.live())
        return {attempt.order_id for attempt in live if attempt.order_id}

    def pending(self) -> list[Action]:
        """Requests that are not done: cancels, and orders without an answer."""
        actions: list[Action] = []
        for episode in self.memory.episodes.values():
            if working := self._scope.working(episode):
                actions.append(cancel_action(episode, working))
            sent = (one for one in episode.attempts.values() if one.stage == "sent")
            actions += [one.place() for one in sent]
        return actions

    def reports(self) -> list[LiquidationReport]:
        """Every flattening under way as it stands, or else the last one as it ended."""
        tracker, last = self.desk.tracker, self.memory.last
        under_way = [report_of(one, tracker, "under way") for one in self.memory.episodes.values()]
        return under_way or ([] if last is None else [last])

    def would_sell(self, key: str | None = None) -> bool:
        """Whether a holding, of this key if named, is one that a flattening could sell, now or when
        Coinbase lets it.
        """
        found = self._scope.holdings(LiquidatorMemory(), None)  # by the books: no reading is recent
        return any(not one.is_final for one in found if key in {None, one.key})

    # --- Answers ----------------------------------------------------------------------------------

    def _reported(self, report: ev.OrderReported, actions: list[Action]) -> None:
        attempt = self.memory.attempt(report.client_order_id)
        if attempt is None:
            return
        if fault := attempt.report(report):
            text = f"{fault}: not what was sent; the account is read again"
            actions.append(Alert(severity="critical", code="OWN_ORDER_DIFFERS", text=text))

    def _hurry(self, event: ev.OrderReported | ev.FillReported) -> None:
        """An order that could not be cancelled has filled, or ended: the next round is not waited for."""
        order = self.desk.tracker.ledger.find(event.order_id)
        for episode in self.memory.episodes.values():
            if order is None or episode.phase == "reading":
                continue
            is_same = order.is_open and episode.found_open(order.order_id, order.filled)
            if episode.found_open(order.order_id) and not is_same:
                episode.idle_rounds, episode.due = 0, event.at

    def _answered(self, event: ev.AttemptAnswered, actions: list[Action]) -> None:
        attempt = self.memory.attempt(event.client_order_id)
        if attempt is None:
            return
        outcome = event.outcome
        if outcome == "refused" and KNOWN_ALREADY in event.reason:
            outcome = "unknown"
        if not attempt.move(outcome, event.reason):
            return
        attempt.lacked_funds = outcome == "refused" and LACKS_FUNDS in event.reason
        attempt.is_turned_down |= outcome == "refused" and not attempt.lacked_funds
        if attempt.stage == "placed":
            attempt.order_id = event.order_id
            actions.append(ReadOrders(order_ids=(event.order_id,)))
        elif attempt.stage == "doubtful":
            actions.append(attempt.find())

    def _missing(self, event: ev.AttemptMissing, actions: list[Action]) -> None:
        for episode in self.memory.episodes.values():
            attempt = episode.attempts.get(event.client_order_id)
            if attempt is None:
                continue
            if not self._still_fits(episode, attempt):
                attempt.move("given_up", "it is not there, and was not for what is held now")
            elif attempt.move("absent"):
                actions.append(attempt.place())

    def _still_fits(self, episode: Episode, attempt: Attempt) -> bool:
        """Whether sending the same once more can sell no more than may be sold by now. Another
        flattening's order is not sent again.
        """
        if f"-{episode.trigger.episode}-" not in attempt.client_order_id:
            return False
        found = self._scope.holdings(self.memory, episode)
        size = next((one.size for one in found if one.key == attempt.key), ZERO)
        alive = (one for one in episode.live() if one.key == attempt.key)
        wanted = sum((one.size or ZERO for one in alive), ZERO)  # this one among them
        return bool(size) and wanted <= size

    def _read(self, event: ev.AccountRead, actions: list[Action]) -> None:
        for episode in list(self.memory.episodes.values()):
            for attempt in episode.live():
                long_ago = (
                    attempt.first_sent < event.began_at - ABSENT_AFTER * self.settings.time_scale
                )
                if attempt.order_id in event.missing and long_ago:
                    attempt.move("ended", "Coinbase knows of no such order")
            if episode.phase == "reading" and event.reading >= episode.reading:
                self._rounds.run(self.memory, episode, event.at, actions)

    def _restart(self, actions: list[Action]) -> None:
        """A new process: whether the orders sent left the old one is not known."""
        for episode in self.memory.episodes.values():
            for attempt in episode.live():
                attempt.move("restarted", "the process ended before an answer came")
                if attempt.stage == "doubtful":
                    actions.append(attempt.find())
            if episode.phase == "reading":
                actions.append(self._rounds.reading(episode))
            elif working := self._scope.working(episode):
                actions.append(cancel_action(episode, working))

    # --- Look-ups ---------------------------------------------------------------------------------
