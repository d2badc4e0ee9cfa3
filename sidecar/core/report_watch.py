"""ReportWatch: reports of the user channel that can hardly be so are read over REST before they count. No I/O.

    frame ── implausible ──→ held: REDUCE_ONLY, read over REST ── REST's row, as much filled ──→ that counts
                               └─ no answer for `ANSWERS_WITHIN` ──→ counts as told, doubted until REST's row comes

What is counted in doubt tightens like any other loss; it confirms none, so it stops no day and sells nothing,
and a gain of it raises no peak.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.actions import Action, Alert, ReadOrders
from sidecar.core.check import Desk
from sidecar.core.events import Event, OrderReported
from sidecar.core.implausible import implausible
from sidecar.core.money import ZERO
from sidecar.core.order_flow import check_report
from sidecar.core.settings import Settings
from sidecar.core.state import Cause
from sidecar.core.tightening import loosen, tighten

CODE: Final = "IMPLAUSIBLE_REPORT"
ANSWERS_WITHIN: Final = timedelta(seconds=15)
# A row may lag behind its frame by some seconds; later, an outage may last.
PAUSE: Final = timedelta(seconds=2)
PAUSE_MAX: Final = timedelta(seconds=30)
HELD_MAX: Final = 1_000  # orders; what comes beyond counts as told


class HeldReport(Struct):
    """A report that waits for REST's word, since when, and what is implausible about it."""

    report: OrderReported
    since: datetime
    fault: str


class ReportMemory(Struct):
    """`held` by order_id; `doubted`: what reports that counted without REST's word have brought, USD."""

    held: dict[str, HeldReport] = {}
    doubted: dict[str, Decimal] = {}
    ask_at: datetime | None = None
    pause: timedelta = PAUSE


class ReportWatch:
    """Holds back what is implausible, and asks for it."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.memory = ReportMemory()

    def holds(self, report: OrderReported, actions: list[Action]) -> bool:
        """Whether this report is to wait. Raises Untrusted where it cannot be at all."""
        memory, order_id = self.memory, report.order_id
        if report.by_rest:
            self._answered(report, actions)
            return False
        is_open = self.settings.connected and self.desk.tracker.books.is_open
        if not is_open or order_id in memory.doubted:
            return False
        check_report(report)
        tracker = self.desk.tracker
        fault = implausible(report, tracker.ledger, tracker.books)
        known = memory.held.get(order_id)
        if not fault:
            if known is not None and report.filled >= known.report.filled:
                self._drop(order_id, "the user channel has told otherwise", actions)
            return False
        if known is None and len(memory.held) >= HELD_MAX:
            self._doubt(order_id)
            return False
        since = report.at if known is None else known.since
        memory.held[order_id] = HeldReport(report, since, fault)
        if known is None:
            self._first_sight(memory.held[order_id], actions)
        return True

    def is_held(self, event: Event) -> bool:
        """Whether it is a report that was held back."""
        return any(held.report is event for held in self.memory.held.values())

    def _first_sight(self, held: HeldReport, actions: list[Action]) -> None:
        report, now = held.report, held.report.at
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

    def _answered(self, row: OrderReported, actions: list[Action]) -> None:
        """REST's row of an order: its word, where it knows of as much."""
        if self.memory.doubted.pop(row.order_id, None) is not None:
            self.desk.tracker.doubt_reports(self.memory.doubted.values())
        held = self.memory.held.get(row.order_id)
        if held is not None and row.filled >= held.report.filled:
            self._drop(row.order_id, "REST has told of the order", actions)

    def _drop(self, order_id: str, why: str, actions: list[Action]) -> None:
        del self.memory.held[order_id]
        if not self.memory.held:
            loosen(self.desk.state, CODE, "all", why, actions)

    # --- Time -------------------------------------------------------------------------------------

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Ask again where it is time."""
        due = self.memory.ask_at
        if due is not None and now >= due:
            self._ask(now, actions, min(2 * self.memory.pause, PAUSE_MAX))

    def _ask(self, now: datetime, actions: list[Action], pause: timedelta) -> None:
        asked, self.memory.pause = self.asked, pause
        self.memory.ask_at = now + pause * self.settings.pace if asked else None
        if asked:
            actions.append(ReadOrders(order_ids=asked))

    def lapsed(self, now: datetime, actions: list[Action]) -> Iterator[OrderReported]:
        """The reports that REST has said nothing of for so long: each counts as told now."""
        for order_id, held in list(self.memory.held.items()):
            if now - held.since < ANSWERS_WITHIN * self.settings.pace:
                continue
            seconds = ANSWERS_WITHIN.total_seconds()
            self._drop(order_id, f"REST has not answered for {seconds:g} s", actions)
            text = (
                f"REST has said nothing of order {order_id} for {seconds:g} s, so it counts as told, though"
                f" {held.fault}: what it has cost confirms no loss until REST tells of it; look it up at Coinbase"
            )
            actions.append(Alert(severity="critical", code=CODE, text=text))
            self._doubt(order_id)
            yield replace(held.report, at=now)

    def _doubt(self, order_id: str) -> None:
        self.memory.doubted[order_id] = ZERO
        if len(self.memory.doubted) > HELD_MAX:
            del self.memory.doubted[next(iter(self.memory.doubted))]

    def is_doubted(self, report: OrderReported) -> bool:
        """Whether REST's word on the order is still waited for, though it counts."""
        return report.order_id in self.memory.doubted

    def counted(self, order_id: str, brought: Decimal) -> None:
        """A report that is doubted was counted, and has brought so much, USD."""
        self.memory.doubted[order_id] += brought
        self.desk.tracker.doubt_reports(self.memory.doubted.values())

    @property
    def asked(self) -> tuple[str, ...]:
        """The orders of which REST's word is waited for."""
        return tuple(dict.fromkeys((*self.memory.held, *self.memory.doubted)))

    def next_look(self, now: datetime) -> datetime | None:
        """When time alone takes one further."""
        memory = self.memory
        times = [one.since + ANSWERS_WITHIN * self.settings.pace for one in memory.held.values()]
        times += [] if memory.ask_at is None else [memory.ask_at]
        return min((time for time in times if time > now), default=None)

    def begin(self, now: datetime, actions: list[Action]) -> None:
        """A new process has asked nothing yet."""
        self._ask(now, actions, PAUSE)
