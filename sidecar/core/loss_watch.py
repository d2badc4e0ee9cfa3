"""Loss limits on every fact: what crossing one sets in motion. No I/O.

The first sight of a breach raises REDUCE_ONLY, because a real loss must not be added to; what follows
waits until the breach is confirmed, because one bad tick must not stop a day or sell an account:

    first sight ── breach gone ──→ nothing stays
        │
        │ held for `confirm_for`, over `confirm_quotes` quotes of different times
        ▼
    confirmed: DAILY_LOSS and DRAWDOWN stay, orders that add risk are cancelled
        │
        │ CUMULATIVE_LOSS: REST agrees or cannot be had, and balances were read since
        ▼
    LIQUIDATING

Losses settled by fills, fees and funding need no confirmation: no price takes them back.

The quotes must show the breach: what a book's mark has taken away since its last confirmed one counts
only once that book itself has quoted so often. Else one bad tick of a quiet product would be confirmed
by the quotes of the busy ones.

A loss is reckoned in more ways than one while it is not known whether something was moved before its
price fell, or while a mark is stale. The way that lost most tightens; only what every way shows is
confirmed.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core import losses
from sidecar.core.actions import (
    Action,
    Alert,
    ConfirmQuotes,
    FlattenProduct,
    Liquidate,
    Reconcile,
)
from sidecar.core.adding_orders import AddingOrders
from sidecar.core.check import Desk
from sidecar.core.events import LossWindow, Quote
from sidecar.core.limits import LossLimit
from sidecar.core.liquidator import Liquidator
from sidecar.core.losses import Loss, Way
from sidecar.core.money import ONE, TWO, ZERO
from sidecar.core.settings import Settings
from sidecar.core.stale_marks import StaleMarks
from sidecar.core.state import CAUSES, Cause
from sidecar.core.suspicion import Suspicion
from sidecar.core.tightening import loosen, tighten

# After REST disagreed, or did not answer for all that is held: as often as marks are polled without
# a feed.
ASK_AGAIN: Final = timedelta(seconds=5)
# A reading of the balances is waited for as long as REST's word on prices.
BALANCES_WITHIN: Final = timedelta(seconds=5)
WINDOW_OF: Final[dict[str, LossWindow]] = {
    "DAILY_LOSS": "daily",
    "DRAWDOWN": "drawdown",
    "CUMULATIVE_LOSS": "cumulative",
}


class BoundLoss(Struct, frozen=True):
    """A loss, the limit that bounds it, and the cause it raises.

    `key` or `strategy_id` narrow it. `loss` is as the books tell it, `most` and `least` as it may be.
    """

    code: str
    loss: Loss
    limit: LossLimit
    scope: str = "all"
    key: str | None = None
    strategy_id: str | None = None
    most: Loss = losses.NO_LOSS
    least: Loss = losses.NO_LOSS

    @property
    def is_crossed(self) -> bool:
        """Whether the loss may be beyond its limit."""
        return self.most.crosses(self.limit)

    @property
    def lacks_equity(self) -> bool:
        """Whether its limit is a ratio, and nothing is there to take it of."""
        return self.limit.ratio is not None and self.loss.base <= ZERO

    @property
    def reason(self) -> str:
        what = self.code.lower().replace("_", " ")
        if self.loss.crosses(self.limit):
            return f"{what} of {self.loss.text()} has reached {self.limit}"
        return f"{what} of {self.loss.text()} may be {self.most.text()}, which reaches {self.limit}"


class LossWatch:
    """Compares losses with limits and keeps the causes that follow."""

    def __init__(self, desk: Desk, settings: Settings, liquidator: Liquidator) -> None:
        self.desk = desk
        self.settings = settings
        self.liquidator = liquidator
        self.stale_marks = StaleMarks(desk, settings)
        self.adding = AddingOrders(desk)
        # Breaches that are not confirmed yet, by code and scope.
        self.pending: dict[str, Suspicion] = {}
        self.trigger: Liquidate | None = None
        self.episodes = 0

    # --- What every fact may change ---------------------------------------------------------------

    def watch(self, now: datetime) -> list[Action]:
        """Judge all losses as they stand now."""
        if self.desk.tracker.windows is None:
            return []
        actions: list[Action] = []
        bounded = list(self.bounded(now))
        self._equity_base(bounded, now, actions)
        cumulative = None
        for bound in bounded:
            if bound.code == "CUMULATIVE_LOSS":
                cumulative = bound
            else:
                self._latching(bound, now, actions)
        self._cumulative(cumulative, now, actions)
        self._forget_limits_gone({(bound.code, bound.scope) for bound in bounded}, actions)
        self._tell_latches()
        return actions

    def _tell_latches(self) -> None:
        """The windows begin anew by themselves once a transfer lifts the account, unless a latch is set."""
        causes, windows = self.desk.state.causes.values(), self.desk.tracker.windows
        assert windows is not None
        windows.latched = [
            WINDOW_OF[cause.code]
            for cause in causes
            if cause.code in WINDOW_OF and cause.scope == "all" and cause.is_confirmed
        ]

    def is_crossed(self, code: str, scope: str) -> bool:
        """Whether the loss that raises this cause is beyond its limit now."""
        crossed = (b for b in self.bounded(None) if (b.code, b.scope) == (code, scope))
        return any(bound.loss.crosses(bound.limit) for bound in crossed)

    def bounded(self, now: datetime | None) -> Iterator[BoundLoss]:
        """Every loss that a limit bounds, under the code and scope of the cause it raises. Without a
        time, as the books tell it alone.
        """
        limits, tracker = self.desk.limits, self.desk.tracker
        if (limit := limits.max_daily_loss) is not None:
            yield self._bound("DAILY_LOSS", limit, now)
        for name, own in limits.product.items():
            product = tracker.products.get(name)
            if (limit := own.max_daily_loss) is not None and product is not None:
                yield self._bound("DAILY_LOSS", limit, now, f"product:{name}", key=product.key)
        for name, strategy in limits.strategy.items():
            if (limit := strategy.max_daily_loss) is not None:
                yield self._bound("DAILY_LOSS", limit, now, f"strategy:{name}", strategy_id=name)
        if (limit := limits.max_drawdown) is not None:
            yield self._bound("DRAWDOWN", limit, now)
        if (limit := limits.max_cumulative_loss) is not None:
            yield self._bound("CUMULATIVE_LOSS", limit, now)

    def _bound(  # noqa: PLR0913 - a scope is named by what narrows it
        self,
        code: str,
        limit: LossLimit,
        now: datetime | None,
        scope: str = "all",
        *,
        key: str | None = None,
        strategy_id: str | None = None,
    ) -> BoundLoss:
        tracker = self.desk.tracker

        def loss(way: Way) -> Loss:
            match code:
                case "DAILY_LOSS":
                    return losses.daily(tracker, key=key, strategy_id=strategy_id, way=way)
                case "DRAWDOWN":
                    return losses.drawdown(tracker, way=way)
            return losses.cumulative(tracker, way=way)

        told = most = least = loss("told")
        if now is not None and tracker.is_ambiguous:
            most, least = loss("most"), loss("least")
        if now is not None and self.stale_marks.stale and strategy_id is None:
            most = most.less(-self._hidden(key, now, sure=False))
            least = least.less(-self._hidden(key, now, sure=True))
        return BoundLoss(code, told, limit, scope, key, strategy_id, most, least)

    def _hidden(self, key: str | None, now: datetime, *, sure: bool) -> Decimal:
        """What stale marks hide of the loss of one key, or of all, USD."""
        hidden = self.stale_marks.hidden(now, sure=sure)
        return sum(hidden.values(), ZERO) if key is None else hidden.get(key, ZERO)

    # --- First sight, confirmation, latch ---------------------------------------------------------

    def _latching(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> None:
        """A daily loss or a drawdown: its cause stays once it is confirmed."""
        known = self.desk.state.causes.get((bound.code, bound.scope))
        if known is not None and known.is_confirmed:
            return
        name = f"{bound.code}|{bound.scope}"
        if not bound.is_crossed:
            self.pending.pop(name, None)
            if known is not None:
                text = f"it was not confirmed: the loss is {bound.loss.text()}, its limit {bound.limit}"
                self.loosen(bound.code, bound.scope, text, actions)
            return
        if known is None:
            self._first_sight(bound, now, actions)
        if self._is_settled(bound) or self._has_held(name, bound, now):
            self.pending.pop(name, None)
            self._confirm(bound, now, actions)

    def _first_sight(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> None:
        cause = Cause(
            code=bound.code,
            scope=bound.scope,
            level="REDUCE_ONLY",
            since=now,
            reason=bound.reason,
            key=bound.key,
            strategy_id=bound.strategy_id,
            is_confirmed=False,
        )
        self.tighten(cause, actions)

    def _confirm(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> None:
        """The breach is no passing sight: its cause stays, and what would add to it is cancelled."""
        state, windows = self.desk.state, self.desk.tracker.windows
        assert windows is not None
        cause = replace(
            state.causes[bound.code, bound.scope],
            reason=bound.reason,
            clears_at=windows.next_reset if CAUSES[bound.code].ends == "reset" else None,
            is_confirmed=True,
        )
        state.causes[bound.code, bound.scope] = cause
        severity: Literal["warning", "critical"] = "critical" if bound.scope == "all" else "warning"
        text = f"{bound.scope}: {bound.reason}; it is confirmed"
        actions.append(Alert(severity=severity, code=bound.code, text=text))
        self.adding.stop(cause, now, actions)

    def _forget_limits_gone(
        self, bounded: Container[tuple[str, str]], actions: list[Action]
    ) -> None:
        """A cause that was never confirmed ends with its limit."""
        for cause in list(self.desk.state.causes.values()):
            name = (cause.code, cause.scope)
            if cause.code in WINDOW_OF and not cause.is_confirmed and name not in bounded:
                self.pending.pop(f"{cause.code}|{cause.scope}", None)
                self.loosen(cause.code, cause.scope, "its limit is gone", actions)

    def _equity_base(self, bounded: list[BoundLoss], now: datetime, actions: list[Action]) -> None:
        """Against no equity no ratio can be taken: reducing orders only, and no liquidation."""
        if not [bound for bound in bounded if bound.lacks_equity]:
            self.loosen("NO_EQUITY", "all", "there is equity to take ratios of", actions)
        elif not self.desk.state.has("NO_EQUITY"):
            reason = (
                f"the equity that loss ratios are taken of is below {self.desk.tracker.min_equity} "
                "USD, through a transfer or for want of quotes"
            )
            self.tighten(
                Cause(code="NO_EQUITY", scope="all", level="REDUCE_ONLY", since=now, reason=reason),
                actions,
            )

    # --- The cumulative loss ----------------------------------------------------------------------

    @property
    def suspicion(self) -> Suspicion | None:
        """A cumulative breach that is not confirmed yet."""
        return self.pending.get("CUMULATIVE_LOSS|all")

    def _cumulative(self, bound: BoundLoss | None, now: datetime, actions: list[Action]) -> None:
        """The account's loss since its window began, where a limit bounds it."""
        state, tracker = self.desk.state, self.desk.tracker
        if bound is None or not bound.is_crossed:
            self.pending.pop("CUMULATIVE_LOSS|all", None)
            if state.has("CUMULATIVE_LOSS"):
                limit = "gone" if bound is None else bound.limit
                text = f"cumulative loss is {losses.cumulative(tracker).text()}, its limit {limit}"
                self.loosen("CUMULATIVE_LOSS", "all", text, actions)
            return
        if not state.has("CUMULATIVE_LOSS"):
            self._first_sight(bound, now, actions)
        if not self._may_begin():
            self.pending.pop("CUMULATIVE_LOSS|all", None)
        elif self._is_settled(bound) or self._is_confirmed(bound, now, actions):
            self.pending.pop("CUMULATIVE_LOSS|all", None)
            self._confirm(bound, now, actions)
            self.liquidate(bound.reason, now, actions, loss=bound.loss, limit=bound.limit)

    def _may_begin(self) -> bool:
        """One episode at a time; none for dust that one has left, nor after an operator's abort."""
        state = self.desk.state
        if state.has("LIQUIDATION") or state.has("ABORTED"):
            return False
        return not state.has("LIQUIDATED") or self.liquidator.would_sell()

    def _is_settled(self, bound: BoundLoss) -> bool:
        """Whether what fills, fees and funding have settled crosses the limit by itself: no price takes
        that back.
        """
        tracker = self.desk.tracker
        settled = tracker.settled_loss(bound.code, bound.key, bound.strategy_id)
        if bound.least.crosses(bound.limit) and not self._valuing_books():
            return True  # nothing that is held has a price
        unsettled = max(ZERO, bound.least.usd - settled)
        return bound.least.less(unsettled).crosses(bound.limit)

    def _is_confirmed(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> bool:
        """Whether the feed, REST's prices and its balances all say that the loss is one."""
        held = self._has_held("CUMULATIVE_LOSS|all", bound, now)
        suspicion = self.pending["CUMULATIVE_LOSS|all"]
        wait = ASK_AGAIN * self.settings.pace
        if not suspicion.confirmed_by_rest and (
            suspicion.asked_at is None or now - suspicion.asked_at >= wait
        ):
            suspicion.asked_at = now
            actions.append(ConfirmQuotes(product_ids=self._valuing_books()))
        if self.settings.connected and suspicion.balances_asked_at is None:
            suspicion.balances_asked_at = now
            actions.append(Reconcile(reason="a loss is to be confirmed: has anything been moved?"))
        return held and suspicion.confirmed_by_rest and self._balances_were_read(suspicion, now)

    def _balances_were_read(self, suspicion: Suspicion, now: datetime) -> bool:
        asked_at, read_at = suspicion.balances_asked_at, self.desk.tracker.balances.read_at
        if asked_at is None or (read_at is not None and read_at >= asked_at):
            return True
        return now - asked_at >= BALANCES_WITHIN * self.settings.pace

    def _has_held(self, name: str, bound: BoundLoss, now: datetime) -> bool:
        """Whether a breach has stood for so long, over so many quotes, of books that show it."""
        tracker, suspicion = self.desk.tracker, self.pending.get(name)
        if suspicion is None:
            suspicion = Suspicion(now, tracker.books.quotes_valuing_account - 1)
            suspicion.confirmed_by_rest = not self.settings.connected
            marks, lines = tracker.marks, tracker.account.lines
            suspicion.before = {
                key: mark for key in lines if (mark := marks.confirmed(key)) is not None
            }
            self.pending[name] = suspicion
        suspicion.see(self._valuing_books(), tracker.marks)
        enough = self.settings.confirm_quotes
        shown = {book for book, count in suspicion.counts.items() if count >= enough}
        return (
            now - suspicion.since >= self.settings.confirm_for
            and tracker.books.quotes_valuing_account - suspicion.quotes_before >= enough
            and bound.least.less(self._taken_away(suspicion, but_by=shown)).crosses(bound.limit)
        )

    def _taken_away(self, suspicion: Suspicion, *, but_by: Container[str]) -> Decimal:
        """What marks took away since they were last confirmed before the breach, but for those of these
        books alone, USD.
        """
        tracker, total = self.desk.tracker, ZERO
        for key, line in tracker.account.lines.items():
            before = suspicion.before.get(key)
            if before is None or line.mark is None:
                continue
            if any(step.book not in but_by for step in tracker.marks.routes.get(key, ())):
                total += max(ZERO, line.position.quantity * (before - line.mark))
        return total

    def next_look(self, now: datetime) -> datetime | None:
        """When time alone takes an unconfirmed breach further, or a mark is too old."""
        times = [one.since + self.settings.confirm_for for one in self.pending.values()]
        suspicion = self.suspicion
        if suspicion is not None:
            if suspicion.asked_at is not None and not suspicion.confirmed_by_rest:
                times.append(suspicion.asked_at + ASK_AGAIN * self.settings.pace)
            if suspicion.balances_asked_at is not None:
                times.append(suspicion.balances_asked_at + BALANCES_WITHIN * self.settings.pace)
        if (stale := self.stale_marks.next_look(now)) is not None:
            times.append(stale)
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
        bound = self._bound("CUMULATIVE_LOSS", limit, now)
        at_rest = bound.most.less(self._difference(mids) + self._shown_after_all(mids, now))
        if at_rest.crosses(limit):
            sure = at_rest.less(self._taken_away(suspicion, but_by=mids))
            suspicion.confirmed_by_rest = sure.crosses(limit)
            return []
        suspicion.begin_again(now, self.desk.tracker.books.quotes_valuing_account)
        text = (
            f"the feed shows a cumulative loss of {bound.loss.text()}, REST one of {at_rest.text()}; "
            "waiting"
        )
        return [Alert(severity="warning", code="MARKS_DISAGREE", text=text)]

    def _shown_after_all(self, mids: Mapping[str, Decimal], now: datetime) -> Decimal:
        """What stale marks were said to hide of keys that REST has a good price of, USD."""
        routes = self.desk.tracker.marks.routes
        return sum(
            (
                loss
                for key, loss in self.stale_marks.hidden(now, sure=False).items()
                if all(step.book in mids for step in routes.get(key, ()))
            ),
            ZERO,
        )

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
        tighten(self.desk.state, cause, actions)

    def loosen(self, code: str, scope: str, reason: str, actions: list[Action]) -> None:
        """Lift a cause, if it is in force, and say so."""
        loosen(self.desk.state, code, scope, reason, actions)

    def end(self, causes: Iterable[Cause], actions: list[Action]) -> None:
        """Lift what the calendar ends: the daily losses with their day, a lockout with its time."""
        for cause in list(causes):
            daily = CAUSES[cause.code].ends == "reset"
            why = "a new day has begun" if daily else "its time is over"
            self.loosen(cause.code, cause.scope, why, actions)
