"""RiskManager: facts in, actions out. No I/O; the clock is the caller's.

`handle(event)` is the one verb: let time pass, let the tracker take the fact in, judge losses,
answer. Every other method here is that verb under a plainer name. Same events, same actions.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.context.feeds import Feeds
from sidecar.core.context.one_bot import bot_of
from sidecar.core.context.readiness import AT_ONCE, Readiness
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.state import Level, TradingState
from sidecar.core.context.tightening import changed
from sidecar.core.guards.deposit_watch import DepositWatch
from sidecar.core.guards.depth_watch import DepthWatch
from sidecar.core.guards.doubt_watch import DoubtWatch
from sidecar.core.guards.loosening import Loosening
from sidecar.core.guards.loss_demands import demands
from sidecar.core.guards.loss_warnings import LossWarnings
from sidecar.core.guards.loss_watch import LossWatch
from sidecar.core.guards.on_bot_lost import carry_out_will
from sidecar.core.guards.operator_verbs import OperatorVerbs
from sidecar.core.guards.price_shock import PriceShockWatch
from sidecar.core.guards.report_watch import ReportWatch
from sidecar.core.guards.risk_watch import RiskWatch
from sidecar.core.guards.sessions import BotSession, Sessions
from sidecar.core.guards.streak_watch import StreakWatch
from sidecar.core.guards.unapproved import Unapproved
from sidecar.core.guards.unlisted_limits import UnlistedLimits
from sidecar.core.guards.usdc_peg import UsdcPegWatch
from sidecar.core.judging.approvals import Approvals
from sidecar.core.judging.verdict import PROPOSALS, Proposal, Verdict
from sidecar.core.liquidation.liquidator import Liquidator
from sidecar.core.value_at_risk.live_risk import LiveRisk
from sidecar.core.value_at_risk.portfolio_risk import GuardedRisk, PortfolioRisk
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import (
    Action,
    Alert,
    Decided,
    ReadProduct,
    WakeAt,
)
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.errors import Misuse, UnknownProduct
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.money import with_money
from sidecar.core.vocabulary.orders import Order

DEFAULT_SETTINGS: Final = Settings()
# Prices come much more often than orders: the next one finds its headroom worked out after each batch,
# not after each price where every one is handed over.
PREPARE_EVERY: Final = timedelta(milliseconds=100)
# Facts that by themselves bring no moment nearer at which time alone changes a state.
TIMELESS: Final = frozenset({ev.Quotes, ev.ReservationReleased})
ROWS: Final = (ev.OrderReported, ev.FillReported, ev.FundingPaid)
NEVER: Final = datetime.max.replace(tzinfo=UTC)


class RiskManager:
    """Judges orders before they are sent, and says when losses demand more.

    `clock` returns the time (aware). `portfolio_risk` computes VaR and its kin in place of
    our own (`settings.risk`), which learns its history from `ClosesRead`. `custom` are the user's own rules.
    """

    def __init__(  # noqa: PLR0913 - a composition: each part is named
        self,
        limits: Limits,
        tracker: PositionTracker,
        *,
        clock: Callable[[], datetime],
        settings: Settings = DEFAULT_SETTINGS,
        portfolio_risk: PortfolioRisk | None = None,
        custom: tuple[CustomRule, ...] = (),
    ) -> None:
        self.tracker, self.settings, self.clock = tracker, settings, clock
        self._books = tracker.books
        self.state = TradingState(ready=not settings.connected)
        self.feeds = Feeds(connected=settings.connected)
        self.risk = LiveRisk(tracker, settings.risk)
        self.desk = RiskContext(
            tracker=tracker,
            limits=limits,
            state=self.state,
            feeds=self.feeds,
            portfolio_risk=self.risk if portfolio_risk is None else GuardedRisk(portfolio_risk),
            custom=custom,
        )
        lag, connected = settings.balance_lag * settings.time_scale, settings.connected
        tracker.use(settings.confirm_for, settings.confirm_quotes, lag, connected=connected)
        self.risk_watch = RiskWatch(self.desk)
        self.liquidator = Liquidator(self.desk, settings, self._flattened)
        tracker.orders.was_sent = self.liquidator.was_sent
        tracker.orders.bot_of = lambda asker: bot_of(settings, asker)
        self.watch = LossWatch(self.desk, settings, self.liquidator)
        self.doubts = DoubtWatch(self.desk, settings)
        self.peg = UsdcPegWatch(self.desk)
        self.depth = DepthWatch(self.desk, settings)
        self.deposits = DepositWatch(self.desk, self.watch.bounds)
        self.loss_warnings = LossWarnings(self.watch.bounds)
        self.shocks = PriceShockWatch(self.desk, self.watch)
        self.streaks = StreakWatch(self.desk, self.watch)
        self.unlisted = UnlistedLimits(self.desk)
        self.approvals = Approvals(self.desk, settings)
        self.operator = OperatorVerbs(self.desk, self.watch)
        self.loosening = Loosening(self.desk, self.approvals.names.is_listed, self._use)
        self.sessions = Sessions(gone=self._bot_is_gone)
        self.readiness = Readiness(self.desk, settings)
        self.unapproved = Unapproved(self.desk, self.watch, settings)
        self.reports = ReportWatch(self.desk, settings)
        self.unapproved.is_told = self.reports.has_arrived
        self._handlers: Final = self._by_event()
        self._prepared_at = AT_ONCE
        self.looks_ahead = True  # False while the past is judged again: no bot asks next
        self.due = AT_ONCE  # when time alone changes a state next
        self._unmarking = 0  # books with newest quotes that gave no mark, at the last count
        self._undelivered: list[Action] = []
        self.judged: int | None = None  # the tracker's version as whose losses were last judged
        self.announced: Level = self.state.account

    def _by_event(self) -> dict[type[ev.Event], Callable[[Any], list[Action]]]:
        """Who takes in which fact, beside proposals; the tracker takes all others."""
        return {
            ev.Quotes: self.tracker.apply,
            ev.OrderReported: self._reported,
            ev.FillReported: self._tell_tracker,
            ev.ReservationReleased: self._released,
            ev.FeedChanged: self.readiness.doubted,
            ev.ReconciliationFailed: self.readiness.doubted,
            ev.Started: self._started,
            ev.QuotesConfirmed: self._confirmed,
            ev.ConfirmationUnavailable: self._unconfirmed,
            ev.ClosesRead: self.risk.learn,
        }

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self.desk.limits

    # --- Plain verbs ------------------------------------------------------------------------------

    def validate_order(
        self,
        order: Mapping[str, Any] | bytes | str | Order,
        *,
        strategy_id: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Whether this order may be sent now. Approved, its worst case is reserved (not `dry_run`).

        `order` is the JSON body of Coinbase's create-order call (a dict, text or bytes) or an `Order`.
        """
        event = ev.OrderProposed(
            at=self.clock(), body=order, strategy_id=strategy_id, dry_run=dry_run
        )
        return self._decision(event)

    def validate_edit(
        self,
        *,
        order_id: str | None = None,
        client_order_id: str | None = None,
        price: str | None = None,
        size: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Whether an open order may be edited to this price and total size.

        Both are text; None leaves them as they are.
        """
        return self._decision(
            ev.EditProposed(
                at=self.clock(),
                order_id=order_id,
                client_order_id=client_order_id,
                price=price,
                size=size,
                dry_run=dry_run,
            )
        )

    def release_order(self, client_order_id: str) -> None:
        """Drop an approval that will not be used. To release it twice has no effect."""
        self.handle(ev.ReservationReleased(at=self.clock(), client_order_id=client_order_id))

    @with_money
    def check_and_liquidate_on_loss(self) -> list[Action]:
        """The actions that losses demand now.

        None at all; `ReduceOnly` for each limit crossed or without equity to take it of, and
        `FlattenProduct` where a shock asks for it; or `Liquidate` with the figures that triggered
        it. Behind the last two stand the cancels (`CancelOrders`) and sales (`PlaceOrder`, whose
        body goes to Coinbase as it is): tell the tracker their outcome. Asking again gives the same
        answer until it is done. Call it on every mark and fill, and every second.
        """
        self.handle(ev.ClockAdvanced(at=self.clock()))
        pending = self.liquidator.pending()
        if self.state.has("LIQUIDATION") and self.watch.trigger is not None:
            return [self.watch.trigger, *pending]
        return [*self.shocks.unsold(), *pending, *demands(self.state, self.watch)]

    # --- The one verb -----------------------------------------------------------------------------

    @with_money
    def handle(self, event: ev.Event) -> list[Action]:
        """Take in one fact and return the actions that must follow.

        Raises Untrusted, with the fact left out, for one that cannot be; actions that time alone
        has set in motion by then are handed over with the next fact.
        """
        now, kind, actions = event.at, type(event), self._undelivered
        self._note_time(event, actions)
        if self._books.version != self.judged:
            self._catch_up(now, actions)
        if kind in PROPOSALS:
            self._book(self.approvals.decide(cast("Proposal", event)), actions)
        else:
            if kind is not ev.ReservationReleased:
                self.tracker.moved()
            actions += self._take_in(event)
            self.depth.look(now, actions)
            if kind is not ev.ReservationReleased or self.watch.pending:
                self._judge_losses(now, actions)
            self.judged = self._books.version  # a release moves no loss by itself
            if self.readiness.complete(now, actions):
                self._judge_losses(now, actions)
            if self.liquidator.is_busy:
                self._tell_liquidator(event, actions)
                self.liquidator.advance(now, actions)
            fell_apart = len(self.tracker.marks.newest) != self._unmarking
            ends_move = ("LOSS_IN", "all") in self.state.causes
            if actions or self.watch.pending or kind not in TIMELESS or fell_apart or ends_move:
                self._ask_to_be_woken(now, actions)
            self._prepare(event)
        if self.state.account != self.announced:
            actions.append(changed(self.state, self.announced))
            self.announced = self.state.account
        self._undelivered = []
        return actions

    def _catch_up(self, now: datetime, actions: list[Action]) -> None:
        """The tracker was told something behind the manager's back."""
        self._judge_losses(now, actions)
        self.depth.look(now, actions)
        if actions or self.desk.reads_depth:
            self._ask_to_be_woken(now, actions)

    @with_money
    def decide(self, event: Proposal) -> Verdict | None:
        """The verdict on a proposal, which `commit` books; whoever asks need not wait until it is. Nothing that is
        remembered changes. None: time is to be told first (ClockAdvanced), for something is due.
        """
        is_due = event.at >= self.due or self.risk.is_due(event.at) or self._undelivered
        if is_due or self._books.version != self.judged:
            return None
        verdict = self.approvals.decide(event)
        verdict.turn = (self._books.version, self.approvals.decisions)
        return verdict

    @with_money
    def commit(self, verdict: Verdict) -> list[Action]:
        """Book a verdict, as `handle` does with its proposal. Raises Misuse where a fact was taken in, or another
        verdict was booked, since it was given: it may be wrong by now.
        """
        if verdict.turn != (self._books.version, self.approvals.decisions):
            raise Misuse("a fact came between decision and booking; judge it again")
        actions: list[Action] = []
        self._book(verdict, actions)
        return actions

    def _book(self, verdict: Verdict, actions: list[Action]) -> None:
        decision = verdict.decision
        self.sessions.heard(verdict.event)
        self.approvals.commit(verdict)
        self.judged = self._books.version  # an approval moves no loss
        actions.append(Decided(decision=decision))
        if decision.warnings:
            actions += self.approvals.readings(decision)
        lapses = decision.reserved_until
        if lapses is not None and lapses < self.due:
            self.due = lapses
            actions.append(WakeAt(at=lapses))
        asked = verdict.product if self.desk.reads_depth and not verdict.event.dry_run else None
        if asked is not None and self.depth.asked(asked, decision.as_of, actions):
            self._ask_to_be_woken(decision.as_of, actions)
        if verdict.headrooms is None:  # else the room has followed the books
            self._prepare(verdict.event)

    def _prepare(self, event: ev.Event) -> None:
        """Work out what the books leave for the next order, while nobody waits."""
        now = event.at
        if not self.looks_ahead:
            return
        is_recent = timedelta() <= now - self._prepared_at < PREPARE_EVERY
        if type(event) is not ev.Quotes or not is_recent:
            self._prepared_at = now
            self.approvals.prepare()

    def _decision(self, event: ev.OrderProposed | ev.EditProposed) -> Decision:
        [decided] = [action for action in self.handle(event) if type(action) is Decided]
        return decided.decision

    def _note_time(self, event: ev.Event, actions: list[Action]) -> None:
        """Do the work that is due by now, or at a start."""
        if type(event) is ev.ClocksCompared or type(event) is ev.Started:
            self.tracker.loss_accounting.compare_clocks(event.ahead)
            self.loosening.compare_clocks(event.ahead)
        if self.risk.is_due(event.at):
            self.tracker.moved()
            self.risk.tick(event.at)
            self.risk_watch.look(event.at, actions)
            self.loss_warnings.look(actions)
        if event.at >= self.due or type(event) is ev.Started:
            self._let_time_pass(event, actions)

    def _let_time_pass(self, event: ev.Event, actions: list[Action]) -> None:
        """Roll day, week and month from the figures known before it, end the causes that time ends, drop lapsed
        approvals.
        """
        now = event.at
        self.tracker.moved()
        if type(event) is ev.Started:
            self.sessions.restarted(now)  # while no bot could come back, no grace ran out
        if not self.settings.connected:
            self.tracker.start(now)
        self.tracker.roll_day(now)
        passed = now - self.tracker.loss_accounting.clock_ahead  # by both clocks
        over = [c for c in self.state.causes.values() if c.clears_at and c.clears_at <= passed]
        sold = self.liquidator.memory.episodes  # whose locks last until they are
        self.watch.end((c for c in over if c.key is None or c.key not in sold), actions)
        actions += self.approvals.reservations.lapse(now)
        actions += self.sessions.lapse(now)
        actions += self.unapproved.lapse(now)
        self.streaks.look(now, actions)
        if type(event) is not ev.Started:  # whose clock may not have been compared yet
            self.loosening.look(now, actions)
        self.watch.stale_marks.look(now, actions)
        self.doubts.look(now, actions)
        self.reports.look(now, actions)
        self.depth.look(now, actions)
        self._judge_losses(now, actions)
        self._ask_to_be_woken(now, actions)

    def _judge_losses(self, now: datetime, actions: list[Action]) -> None:
        """Compare the books as they stand with every limit on losses and shocks."""
        if self.peg.look(now, actions):
            self.shocks.begin_again({"USDC", *self.tracker.marks.by_usdc})
        if self.shocks.is_on:
            actions += self.shocks.look(now)
        if self.watch.stale_marks.stale:
            self.watch.stale_marks.look(now, actions)
        actions += self.watch.watch(now)
        self.deposits.look(actions)
        self.judged = self._books.version

    def _take_in(self, event: ev.Event) -> list[Action]:
        """A fact about the account or the market, or an operator's word."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            return handler(event)
        for part in (self.loosening, self.operator, self.sessions):
            if (answer := part.handle(event)) is not None:
                return answer
        return self._tell_tracker(event)

    def _started(self, event: ev.Started) -> list[Action]:
        self.readiness.begin()
        self.doubts.futures.begin()
        self.unapproved.begin(event)
        self.watch.pending.clear()  # the feeds must show it anew
        self.shocks.market.begin()
        self.tracker.marks.begin_again(event.at)
        self.tracker.balances.begin_again()
        self.depth.begin()
        actions: list[Action] = []
        self.watch.go_on(event.at, actions)
        self.reports.begin(event.at, actions)
        return actions

    def _confirmed(self, event: ev.QuotesConfirmed) -> list[Action]:
        actions = self.watch.rest_answered(event.quotes, event.at, event.unanswered)
        if news := self.readiness.confirmed(event.quotes):
            actions += self.tracker.apply(ev.Quotes(at=event.at, quotes=tuple(news)))
        return actions

    def _unconfirmed(self, event: ev.ConfirmationUnavailable) -> list[Action]:
        self.readiness.confirmed(None)
        return self.watch.rest_answered(None, event.at)

    def _released(self, event: ev.ReservationReleased) -> list[Action]:
        """An approval ends; not for want of an order that is reported, though implausibly."""
        name, never_arrived = event.client_order_id, event.reason == "never_arrived"
        approval = self.tracker.ledger.reservations.get(name)
        if never_arrived and approval is not None and self.reports.has_arrived(name):
            self.tracker.ledger.put_off(approval, event.at + self.settings.reservation_life)
            return []
        before = self._books.version
        actions = self.unapproved.released(event)
        if approval is not None and name not in self.tracker.ledger.reservations:
            self.approvals.give_back(approval, before)
        return actions

    def _tell_liquidator(self, event: ev.Event, actions: list[Action]) -> None:
        if not self.reports.is_held(event):
            self.liquidator.note(event, actions)

    def _reported(self, report: ev.OrderReported) -> list[Action]:
        """A report that can hardly be so waits for REST's word."""
        actions: list[Action] = []
        if self.reports.holds(report, actions):
            return actions
        return actions + self._tell_tracker(report)

    def _tell_tracker(self, event: ev.Event) -> list[Action]:
        actions: list[Action] = []
        if isinstance(event, ev.FuturesRead):
            event = self.doubts.listed_only(event, actions)
        try:
            actions += self.tracker.apply(event)
        except UnknownProduct as unknown:
            if self.doubts.passes_over(unknown.product_id) and isinstance(event, ROWS):
                return []
            self.tracker.books.doubts[unknown.product_id] = str(unknown)
            return [ReadProduct(product_id=unknown.product_id)]
        actions += self.readiness.note(event)
        self.doubts.hear(event, actions)
        self.reports.hear(event, actions)
        match event:
            case ev.FundingPaid():
                self.streaks.look(event.at, actions)
            case ev.OrderReported() | ev.FillReported():
                self.streaks.look(event.at, actions)
                actions += self.unapproved.look(event)
                self.watch.adding.look(event.at, actions)
            case ev.ProductsListed():
                self.unlisted.look(actions)
            case ev.BalancesRead() | ev.OpenOrdersListed():
                actions += self.unapproved.cancel()  # reducing orders can be told now
                self.watch.adding.look(event.at, actions)
                self.doubts.look(event.at, actions)
            case ev.FuturesSummaryRead() | ev.FuturesRead():
                self.doubts.look(event.at, actions)
        return actions

    def _use(self, limits: Limits, now: datetime, actions: list[Action]) -> None:
        """Judge by other limits from now on."""
        before = self.watch.confirmation.limits()
        self.desk.use(limits)
        self.approvals.forget_plans()
        self.watch.confirmation.go_on_from(before)
        self.state.tightened()
        self.unlisted.look(actions)
        self.streaks.look(now, actions)

    def _bot_is_gone(self, session: BotSession, now: datetime, actions: list[Action]) -> None:
        carry_out_will(session, self.watch, self.unapproved, now, actions)

    def _flattened(
        self, key: str | None, reason: str, now: datetime, actions: list[Action]
    ) -> None:
        if key is None:
            self.operator.ended("LIQUIDATED", reason, now, actions)
        else:
            actions.append(Alert(severity="critical", code="PRODUCT_FLATTENED", text=reason))

    # --- Answers ----------------------------------------------------------------------------------

    def _ask_to_be_woken(self, now: datetime, actions: list[Action]) -> None:
        """Ask for the next moment at which time alone changes a state."""
        self._unmarking = len(self.tracker.marks.newest)
        ends = [cause.clears_at for cause in self.state.causes.values() if cause.clears_at]
        ends += self.tracker.loss_accounting.next_turns()
        times = [end + self.tracker.loss_accounting.clock_ahead for end in ends]
        watches = (
            self.watch, self.doubts, self.readiness, self.peg, self.reports, self.loosening, self.depth,
        )  # fmt: skip
        dues = [one.next_look(now) for one in watches]
        dues += [one.next_due() for one in (self.sessions, self.unapproved, self.liquidator)]
        dues.append(self.approvals.reservations.next_lapse())
        times += [one for one in dues if one is not None]
        due = min(times, default=NEVER)
        if due != self.due:
            self.due = due
            if due is not NEVER:
                actions.append(WakeAt(at=due))
