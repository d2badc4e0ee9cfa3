"""ReportWatch: reports of the user channel that can hardly be so are read over REST before they count. No I/O.

    frame ── implausible ──→ held: REDUCE_ONLY, read over REST ─┬─ REST's row of the order: that counts
                                                                ├─ fills listed, or a later frame: they count
                                                                └─ by its id REST has no such order: it never was

Silence of REST makes no report count: its costs would sell the account as soon as REST, and with it the means to
sell, came back. Until REST tells of the order, reducing orders alone pass.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from sidecar.core.account.implausible import implausible
from sidecar.core.account.order_flow import check_report
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.state import Cause
from sidecar.core.context.tightening import loosen, tighten
from sidecar.core.vocabulary.actions import Action, Alert, ReadOrders, Reconcile
from sidecar.core.vocabulary.events import Event, FillReported, OrderReported, OrderVanished
from sidecar.core.vocabulary.order_status import is_terminal

CODE: Final = "IMPLAUSIBLE_REPORT"
# A row of REST may lag behind its frame by some seconds. One that tells of less for longer is right.
ANSWERS_WITHIN: Final = timedelta(seconds=15)
# Between two questions: a row may lag, and later an outage may last.
PAUSE: Final = timedelta(seconds=2)
PAUSE_MAX: Final = timedelta(seconds=30)
HELD_MAX: Final = 1_000  # orders; further ones are left to the account's next reading


class HeldReport(Struct):
    """A report that waits for REST's word, since when, and its implausible figure in words.
    `is_overdue`: the long wait was said.
    """

    report: OrderReported
    since: datetime
    fault: str
    is_overdue: bool = False


class ReportMemory(Struct):
    """Reports held, by order_id, and when REST is asked again."""

    held: dict[str, HeldReport] = {}
    ask_at: datetime | None = None
    pause: timedelta = PAUSE


class ReportWatch:
    """Holds back implausible reports, and asks for their orders over REST."""

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.memory = ReportMemory()
        self.withheld: Event | None = None  # the last one

    def holds(self, report: OrderReported, actions: list[Action]) -> bool:
        """Whether this report is to wait. Raises Untrusted where it cannot be at all."""
        tracker, held = self.desk.tracker, self.memory.held
        if report.by_rest or not (self.settings.connected and tracker.books.is_open):
            return False
        check_report(report)
        fault = implausible(report, tracker.orders, self.desk.max_mark_age)
        if not fault:
            return False
        self.withheld, known = report, held.get(report.order_id)
        if known is not None:
            held[report.order_id] = HeldReport(report, known.since, fault, known.is_overdue)
        elif len(held) >= HELD_MAX:
            actions.append(Reconcile(reason="more reports can hardly be so than are held"))
        else:
            held[report.order_id] = HeldReport(report, report.at, fault)
            self._first_sight(held[report.order_id], actions)
        return True

    def hear(self, event: Event, actions: list[Action]) -> None:
        """A fact that was taken in, and may say how it is with an order."""
        if not self.memory.held:
            return
        match event:
            case OrderReported():
                self._told(event, actions)
            case FillReported():
                order = self.desk.tracker.ledger.find(event.order_id)
                held = self.memory.held.get(event.order_id)
                if held and order and order.listed.quantity >= held.report.filled:
                    self._drop(event.order_id, "its fills are listed", actions)
            case OrderVanished() if event.order_id in self.memory.held:
                text = (
                    f"order {event.order_id}, of which the user channel told what can hardly be so, is in no listing,"
                    " and by its id Coinbase has none that makes sense: it counts for nothing; look it up at Coinbase"
                )
                actions.append(Alert(severity="warning", code=CODE, text=text))
                self._drop(event.order_id, "Coinbase has no such order", actions)
            case _:
                return

    def _told(self, report: OrderReported, actions: list[Action]) -> None:
        """Of one that is held another report was taken in: REST's row, or a frame that may be so."""
        held = self.memory.held.get(report.order_id)
        if held is None:
            return
        is_later = report.at >= held.since + ANSWERS_WITHIN * self.settings.time_scale
        is_final = report.by_rest and (is_terminal(report.status) or is_later)
        if is_final or report.filled >= held.report.filled:
            who = "REST" if report.by_rest else "the user channel"
            self._drop(report.order_id, f"{who} has told of the order", actions)

    def _first_sight(self, held: HeldReport, actions: list[Action]) -> None:
        report, now = held.report, held.since
        reason = (
            f"the user channel says of order {report.order_id} ({report.product_id}): {held.fault}"
        )
        tighten(
            self.desk.state,
            Cause(code=CODE, scope="all", level="REDUCE_ONLY", since=now, reason=reason),
            actions,
        )
        text = f"{reason}; it is read over REST before it counts"
        actions.append(Alert(severity="warning", code=CODE, text=text))
        self._ask(now, actions, PAUSE)
        actions.append(Reconcile(reason=reason))  # an exit of the coins bought passes by the wallet

    def _drop(self, order_id: str, why: str, actions: list[Action]) -> None:
        """It waits no longer."""
        del self.memory.held[order_id]
        if not self.memory.held:
            loosen(self.desk.state, CODE, "all", why, actions)

    # --- Questions to it --------------------------------------------------------------------------

    def is_held(self, event: Event) -> bool:
        """Whether it was held back just now."""
        return self.withheld is event

    @property
    def asked(self) -> set[str]:
        """The orders of which REST's word is waited for."""
        return {*self.memory.held}

    def has_arrived(self, name: str) -> bool:
        """Whether a report of the order that was approved under this id, or of one whose edit was, is held: it
        exists.
        """
        reports = (one.report for one in self.memory.held.values())
        return any(name in (one.client_order_id, one.order_id) for one in reports)

    # --- Time -------------------------------------------------------------------------------------

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Ask again where it is time, and say which orders have waited for long."""
        due = self.memory.ask_at
        if due is not None and now >= due:
            self._ask(now, actions, min(2 * self.memory.pause, PAUSE_MAX))
        for order_id, held in self.memory.held.items():
            if held.is_overdue or now < held.since + ANSWERS_WITHIN * self.settings.time_scale:
                continue
            held.is_overdue = True
            text = (
                f"REST has not told of order {order_id} for {ANSWERS_WITHIN.total_seconds():g} s, of which the user"
                f" channel says: {held.fault}; it does not count, and only reducing orders pass, until REST tells"
            )
            actions.append(Alert(severity="critical", code=CODE, text=text))

    def _ask(self, now: datetime, actions: list[Action], pause: timedelta) -> None:
        asked, self.memory.pause = tuple(self.memory.held), pause
        self.memory.ask_at = now + pause * self.settings.time_scale if asked else None
        if asked:
            actions.append(ReadOrders(order_ids=asked))

    def next_look(self, now: datetime) -> datetime | None:
        """When time alone takes one further."""
        overdue = ANSWERS_WITHIN * self.settings.time_scale
        times = [one.since + overdue for one in self.memory.held.values()]
        times += [] if self.memory.ask_at is None else [self.memory.ask_at]
        return min((time for time in times if time > now), default=None)

    def begin(self, now: datetime, actions: list[Action]) -> None:
        """A new process has not asked yet."""
        self._ask(now, actions, PAUSE)
