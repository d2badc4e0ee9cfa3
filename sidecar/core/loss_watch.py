"""Loss limits on every fact: what crossing one sets in motion. No I/O.

Daily loss and drawdown raise a REDUCE_ONLY cause that stays. A cumulative breach raises REDUCE_ONLY
at its first sight and LIQUIDATING once confirmed, because one bad tick must not sell an account:

    first sight ── breach gone ──→ nothing happened
        │
        │ held for `confirm_for`, over `confirm_quotes` good quotes of different times,
        │ and REST agrees or cannot be had
        ▼
    LIQUIDATING

Losses settled by fills, fees and funding need no confirmation: no price takes them back.

The quotes must show the breach: what a book's marks have taken away since all was well counts only
once that book itself has quoted so often. Else one bad tick of a quiet product would be confirmed
by the quotes of the busy ones. A price that stands still is quoted anew whenever it is known to be
good still.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core import losses
from sidecar.core.actions import (
    Action,
    Alert,
    CauseCleared,
    CauseRaised,
    ConfirmQuotes,
    FlattenProduct,
    Liquidate,
)
from sidecar.core.check import Desk
from sidecar.core.events import Quote
from sidecar.core.limits import LossLimit
from sidecar.core.liquidator import Liquidator
from sidecar.core.losses import Loss
from sidecar.core.money import ONE, TWO, ZERO
from sidecar.core.settings import Settings
from sidecar.core.state import CAUSES, Cause
from sidecar.core.suspicion import Suspicion

# After REST disagreed, or did not answer for all that is held: as often as marks are polled without
# a feed.
ASK_AGAIN: Final = timedelta(seconds=5)


class BoundLoss(Struct, frozen=True):
    """A loss, the limit that bounds it, and the cause it raises.

    `key` or `strategy_id` narrow it.
    """

    code: str
    loss: Loss
    limit: LossLimit
    scope: str = "all"
    key: str | None = None
    strategy_id: str | None = None

    @property
    def is_crossed(self) -> bool:
        return self.loss.crosses(self.limit)

    @property
    def lacks_equity(self) -> bool:
        """Whether its limit is a ratio, and nothing is there to take it of."""
        return self.limit.ratio is not None and self.loss.base <= ZERO

    @property
    def reason(self) -> str:
        what = self.code.lower().replace("_", " ")
        return f"{what} of {self.loss.text()} has reached {self.limit}"


class LossWatch:
    """Compares losses with limits and keeps the causes that follow."""

    def __init__(self, desk: Desk, settings: Settings, liquidator: Liquidator) -> None:
        self.desk = desk
        self.settings = settings
        self.liquidator = liquidator
        self.suspicion: Suspicion | None = None
        self.calm: dict[str, Decimal] = {}  # unrealised PnL by key when no breach was last seen
        self.trigger: Liquidate | None = None
        self.episodes = 0

    # --- What every fact may change ---------------------------------------------------------------

    def watch(self, now: datetime) -> list[Action]:
        """Judge all losses as they stand now."""
        if self.desk.tracker.windows is None:
            return []
        actions: list[Action] = []
        bounded = list(self.bounded())
        self._equity_base(bounded, now, actions)
        total = None
        for bound in bounded:
            if bound.code == "CUMULATIVE_LOSS":
                total = bound
            elif bound.loss.crosses(bound.limit):
                self._latch(bound, now, actions)
        self._cumulative(total, now, actions)
        return actions

    def is_crossed(self, code: str, scope: str) -> bool:
        """Whether the loss that raises this cause is beyond its limit now."""
        return any(b.is_crossed for b in self.bounded() if (b.code, b.scope) == (code, scope))

    def bounded(self) -> Iterator[BoundLoss]:
        """Every loss that a limit bounds, under the code and scope of the cause it raises."""
        limits, tracker = self.desk.limits, self.desk.tracker
        if (limit := limits.max_daily_loss) is not None:
            yield BoundLoss("DAILY_LOSS", losses.daily(tracker), limit)
        for name, own in limits.product.items():
            product = tracker.products.get(name)
            if (limit := own.max_daily_loss) is not None and product is not None:
                loss = losses.daily(tracker, key=product.key)
                yield BoundLoss("DAILY_LOSS", loss, limit, f"product:{name}", key=product.key)
        for name, strategy in limits.strategy.items():
            if (limit := strategy.max_daily_loss) is not None:
                loss = losses.daily(tracker, strategy_id=name)
                yield BoundLoss("DAILY_LOSS", loss, limit, f"strategy:{name}", strategy_id=name)
        if (limit := limits.max_drawdown) is not None:
            yield BoundLoss("DRAWDOWN", losses.drawdown(tracker), limit)
        if (limit := limits.max_cumulative_loss) is not None:
            yield BoundLoss("CUMULATIVE_LOSS", losses.cumulative(tracker), limit)

    def _latch(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> None:
        windows = self.desk.tracker.windows
        assert windows is not None
        self.tighten(
            Cause(
                code=bound.code,
                scope=bound.scope,
                level="REDUCE_ONLY",
                since=now,
                reason=bound.reason,
                key=bound.key,
                strategy_id=bound.strategy_id,
                clears_at=windows.next_reset if CAUSES[bound.code].ends == "reset" else None,
            ),
            actions,
        )

    def _equity_base(self, bounded: list[BoundLoss], now: datetime, actions: list[Action]) -> None:
        """Against no equity no ratio can be taken: reducing orders only, and no liquidation."""
        if not [bound for bound in bounded if bound.lacks_equity]:
            self.loosen("NO_EQUITY", "all", "there is equity to take ratios of", actions)
        elif not self.desk.state.has("NO_EQUITY"):
            reason = "the equity that loss ratios are taken of is zero or less"
            self.tighten(
                Cause(code="NO_EQUITY", scope="all", level="REDUCE_ONLY", since=now, reason=reason),
                actions,
            )

    # --- The cumulative loss ----------------------------------------------------------------------

    def _cumulative(self, bound: BoundLoss | None, now: datetime, actions: list[Action]) -> None:
        """The account's loss since its window began, where a limit bounds it."""
        state, tracker = self.desk.state, self.desk.tracker
        if bound is None or not bound.is_crossed:
            self.suspicion = None
            if bound is not None:
                lines = tracker.account.lines
                self.calm = {key: line.unrealised for key, line in lines.items()}
            if state.has("CUMULATIVE_LOSS"):
                limit = "gone" if bound is None else bound.limit
                text = f"cumulative loss is {losses.cumulative(tracker).text()}, its limit {limit}"
                self.loosen("CUMULATIVE_LOSS", "all", text, actions)
            return
        limit, loss = bound.limit, bound.loss
        if not state.has("CUMULATIVE_LOSS"):
            self._latch(bound, now, actions)
        if not self._may_begin():
            self.suspicion = None
        elif losses.cumulative_settled(tracker).crosses(limit) or self._is_confirmed(
            bound, now, actions
        ):
            self.suspicion = None
            self.liquidate(bound.reason, now, actions, loss=loss, limit=limit)

    def _may_begin(self) -> bool:
        """One episode at a time; none for dust that one has left, nor after an operator's abort."""
        state = self.desk.state
        if state.has("LIQUIDATION") or state.has("ABORTED"):
            return False
        return not state.has("LIQUIDATED") or self.liquidator.would_sell()

    def _is_confirmed(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> bool:
        tracker, suspicion = self.desk.tracker, self.suspicion
        if suspicion is None:
            suspicion = self.suspicion = Suspicion(now, tracker.books.quotes_valuing_account - 1)
            suspicion.confirmed_by_rest = not self.settings.connected
        books = self._valuing_books()
        suspicion.see(books, tracker.marks.quotes)
        if not suspicion.confirmed_by_rest and (
            suspicion.asked_at is None or now - suspicion.asked_at >= ASK_AGAIN * self.settings.pace
        ):
            suspicion.asked_at = now
            actions.append(ConfirmQuotes(product_ids=books))
        enough = self.settings.confirm_quotes
        shown = {book for book, count in suspicion.counts.items() if count >= enough}
        return (
            suspicion.confirmed_by_rest
            and now - suspicion.since >= self.settings.confirm_for
            and tracker.books.quotes_valuing_account - suspicion.quotes_before >= enough
            and Loss(bound.loss.usd - self._taken_away(but_by=shown), bound.loss.base).crosses(
                bound.limit
            )
        )

    def _taken_away(self, *, but_by: Container[str]) -> Decimal:
        """What marks took away since all was well, but for those of these books alone, USD."""
        tracker = self.desk.tracker
        return sum(
            (
                max(ZERO, self.calm.get(key, ZERO) - line.unrealised)
                for key, line in tracker.account.lines.items()
                if any(step.book not in but_by for step in tracker.marks.routes.get(key, ()))
            ),
            ZERO,
        )

    def next_look(self, now: datetime) -> datetime | None:
        """When time alone takes an unconfirmed breach further."""
        suspicion = self.suspicion
        if suspicion is None:
            return None
        times = [suspicion.since + self.settings.confirm_for]
        if suspicion.asked_at is not None and not suspicion.confirmed_by_rest:
            times.append(suspicion.asked_at + ASK_AGAIN * self.settings.pace)
        return min((time for time in times if time > now), default=None)

    def _valuing_books(self) -> tuple[str, ...]:
        tracker = self.desk.tracker
        held = (key for key, line in tracker.account.lines.items() if line.position.quantity)
        return tuple(
            sorted({step.book for key in held for step in tracker.marks.routes.get(key, ())})
        )

    def rest_answered(self, quotes: tuple[Quote, ...] | None, now: datetime) -> list[Action]:
        """REST's word on a breach; None when it could not be had in time.

        A disagreement starts the wait anew. A book without a good quote since the question has not
        been answered for; where what it took away decides, REST is asked again. A quiet coin of
        little worth thus holds up nothing, and an empty answer confirms nothing.
        """
        for quote in quotes or ():
            self.desk.tracker.marks.check(quote)
        suspicion, limit = self.suspicion, self.desk.limits.max_cumulative_loss
        if suspicion is None or limit is None:
            return []
        if quotes is None:
            suspicion.confirmed_by_rest = True
            return []
        mids = self._good_mids(quotes, suspicion.asked_at or now)
        loss = losses.cumulative(self.desk.tracker)
        at_rest = Loss(loss.usd - self._difference(mids), loss.base)
        if at_rest.crosses(limit):
            sure = Loss(at_rest.usd - self._taken_away(but_by=mids), loss.base)
            suspicion.confirmed_by_rest = sure.crosses(limit)
            return []
        suspicion.begin_again(now, self.desk.tracker.books.quotes_valuing_account)
        text = f"the feed shows a cumulative loss of {loss.text()}, REST one of {at_rest.text()}; waiting"
        return [Alert(severity="warning", code="MARKS_DISAGREE", text=text)]

    def _good_mids(self, quotes: Iterable[Quote], asked_at: datetime) -> dict[str, Decimal]:
        """The middle of each book that quotes within the spread cap, read since REST was asked."""
        max_spread = self.desk.tracker.marks.max_spread
        mids: dict[str, Decimal] = {}
        for quote in quotes:
            mid = (quote.bid + quote.ask) / TWO
            fits = ZERO < quote.bid <= quote.ask and quote.ask - quote.bid <= max_spread * mid
            if fits and quote.at >= asked_at:
                mids[quote.product_id] = mid
        return mids

    def _difference(self, mids: Mapping[str, Decimal]) -> Decimal:
        """How much more the positions are worth at these prices than at the present marks, USD."""
        tracker, total = self.desk.tracker, ZERO
        for key, line in tracker.account.lines.items():
            steps = tracker.marks.routes.get(key, ())
            if line.mark is None or not all(step.book in mids for step in steps):
                continue
            value = ONE
            for step in steps:
                value = value / mids[step.book] if step.inverse else value * mids[step.book]
            total += line.position.quantity * (value - line.mark)
        return total

    # --- Tightening and loosening -----------------------------------------------------------------

    def liquidate(
        self,
        reason: str,
        now: datetime,
        actions: list[Action],
        *,
        loss: Loss | None = None,
        limit: LossLimit | None = None,
    ) -> None:
        """Begin an episode: everything is to be sold."""
        self.trigger = Liquidate(
            episode=self._next_episode(now),
            reason=reason,
            loss=None if loss is None else loss.usd,
            ratio=None if loss is None else loss.ratio,
            limit=None if limit is None else str(limit),
            equity_base=None if loss is None else loss.base,
            triggered_at=now,
        )
        self.tighten(
            Cause(code="LIQUIDATION", scope="all", level="LIQUIDATING", since=now, reason=reason),
            actions,
        )
        for code in ("ABORTED", "LIQUIDATED"):
            self.loosen(code, "all", "a new episode has begun", actions)
        actions.append(self.trigger)
        self.liquidator.begin(self.trigger, None, now, actions)

    def go_on(self, now: datetime, actions: list[Action]) -> None:
        """A new process: an episode in force of which nothing more is known is begun again."""
        if not self.desk.state.has("LIQUIDATION") or "" in self.liquidator.memory.episodes:
            return
        reason = self.desk.state.causes["LIQUIDATION", "all"].reason
        trigger = self.trigger
        if trigger is None:
            trigger = Liquidate(episode=self._next_episode(now), reason=reason, triggered_at=now)
        self.trigger = trigger
        self.liquidator.begin(trigger, None, now, actions)

    def flatten(self, key: str, reason: str, now: datetime, actions: list[Action]) -> None:
        """Begin an episode of one key alone; not while an operator wants everything to stand still."""
        if self.held_back(f"{key} was to be sold: {reason}", actions):
            return
        actions.append(FlattenProduct(key=key, reason=reason))
        trigger = Liquidate(episode=self._next_episode(now), reason=reason, triggered_at=now)
        self.liquidator.begin(trigger, key, now, actions)

    def held_back(self, unsold: str, actions: list[Action]) -> bool:
        """Say what is left unsold, where an operator halted everything or aborted a flattening; whether
        it is.
        """
        if not (self.desk.state.has("OPERATOR_HALT") or self.desk.state.has("ABORTED")):
            return False
        text = f"{unsold}; an operator has halted everything, so nothing is sold"
        actions.append(Alert(severity="critical", code="NOT_SOLD", text=text))
        return True

    def _next_episode(self, now: datetime) -> str:
        self.episodes += 1
        return f"{now:%Y%m%dT%H%M%S}-{self.episodes}"

    def tighten(self, cause: Cause, actions: list[Action]) -> None:
        """Put a cause in force and say so."""
        if self.desk.state.add(cause):
            actions.append(
                CauseRaised(
                    code=cause.code,
                    scope=cause.scope,
                    level=cause.level,
                    reason=cause.reason,
                    clears_at=cause.clears_at,
                )
            )

    def loosen(self, code: str, scope: str, reason: str, actions: list[Action]) -> None:
        """Lift a cause, if it is in force, and say so."""
        if self.desk.state.remove(code, scope) is not None:
            actions.append(CauseCleared(code=code, scope=scope, reason=reason))

    def end(self, causes: Iterable[Cause], actions: list[Action]) -> None:
        """Lift what the calendar ends: the daily losses with their day, a lockout with its time."""
        for cause in list(causes):
            daily = CAUSES[cause.code].ends == "reset"
            why = "a new day has begun" if daily else "its time is over"
            self.loosen(cause.code, cause.scope, why, actions)
