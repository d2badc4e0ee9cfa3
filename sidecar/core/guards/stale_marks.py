"""StaleMarks: holdings that have had no good quote for a while. No I/O.

Theory of operation. A book that falls apart (a spread beyond the cap, one side empty) gives no
mark, and the last good one stands. A mark that old hides a loss. So the marks of holdings are
watched. (Quiet books are read over REST long before: a quiet product is not a stale one.)

    `max_mark_age_s`           STALE_MARK: reducing orders only on that key, an alert; from then on its
                               loss is also reckoned at the near side of the newest quote, where worse
    a trade printed near it,   the loss so reckoned is believed like one at a good mark
    or `stale_confirm_s`
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sidecar.core.account.exposure import Exposure
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.context.state import Cause
from sidecar.core.context.tightening import loosen, tighten
from sidecar.core.vocabulary.actions import Action, Alert
from sidecar.core.vocabulary.money import ZERO

# A mark that was old while no feed could show it is looked at again so often.
LOOK_AGAIN: Final = timedelta(seconds=5)
DUST: Final = Decimal(1)  # USD; a smaller holding raises no alert


class StaleMark(Struct):
    """A key whose mark is stale, and since when."""

    since: datetime


class StaleMarks:
    """The marks of holdings, by age. In library use a quiet product is the caller's own affair: a
    mark is stale there once a newer quote was told that gives no mark.
    """

    def __init__(self, desk: RiskContext, settings: Settings) -> None:
        self.desk = desk
        self.settings = settings
        self.stale: dict[str, StaleMark] = {}
        self.looked_at: datetime | None = None

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Note the marks that have become stale by now, or are good again."""
        tracker, oldest, self.looked_at = self.desk.tracker, self.desk.max_mark_age, now
        held = {key for key, line in tracker.account.lines.items() if _counts(line)}
        for key in sorted(held):  # in the same order in every process
            mark = tracker.marks.by_key.get(key)
            if mark is None or mark.at is None:
                continue
            if now - mark.at < oldest:
                self._good(key, actions)
            elif self._is_watched(key) and not self._is_closed(key, now):
                self._stale(key, now, actions)
        for key in [key for key in self.stale if key not in held]:
            self._good(key, actions)
        self.note_quoteless()

    def note_quoteless(self) -> None:
        """Tell the tracker which of the stale keys have no quote at all."""
        held = self.stale.keys() & self.desk.tracker.account.lines.keys()
        quoteless = {key for key in held if self._near_side(key) is None}
        if quoteless != self.desk.tracker.quoteless:
            self.desk.tracker.quoteless = quoteless
            self.desk.tracker.moved()

    def _is_watched(self, key: str) -> bool:
        """Whether an old mark of the key is a sign of trouble: on a live feed, or beside a newer
        quote.
        """
        if self.settings.connected and not self.desk.state.ready:
            return False
        if self.settings.connected and self.desk.feeds.market == "live":
            return True
        marks = self.desk.tracker.marks
        return any(step.book in marks.newest for step in marks.routes.get(key, ()))

    def _is_closed(self, key: str, now: datetime) -> bool:
        """Whether the session of a contract is over: it has no quotes, and its mark is the last
        word.
        """
        product = self.desk.tracker.products.get(key)
        if product is None or not product.is_future:
            return False
        closes_at = product.closes_at
        return product.session_open is False or (closes_at is not None and closes_at <= now)

    def _stale(self, key: str, now: datetime, actions: list[Action]) -> None:
        mark = self.desk.tracker.marks.by_key[key]
        if key not in self.stale:
            self.stale[key] = StaleMark(since=now)
            age = int((now - (mark.at or now)).total_seconds())
            reason = f"{key} has had no good quote for {age} s: its mark is old"
            cause = Cause(
                code="STALE_MARK",
                scope=f"key:{key}",
                level="REDUCE_ONLY",
                since=now,
                reason=reason,
                key=key,
            )
            tighten(self.desk.state, cause, actions)
            actions.append(Alert(severity="critical", code="STALE_MARK", text=reason))

    def _good(self, key: str, actions: list[Action]) -> None:
        if self.stale.pop(key, None) is not None:
            loosen(self.desk.state, "STALE_MARK", f"key:{key}", f"{key} has a good quote", actions)

    # --- The loss that an old mark hides ----------------------------------------------------

    def hidden(self, *, printed: bool) -> dict[str, Decimal]:
        """The further loss of each stale key, beside its mark, at the near side of its newest
        quote, USD. `printed`: only where a trade near it says so too.
        """
        return {
            key: loss
            for key in self.stale
            if (loss := self._shortfall(key)) and (not printed or self._has_printed(key))
        }

    def worse(self, *, printed: bool) -> dict[str, Decimal]:
        """The same as a change of the mark, USD a unit."""
        return {key: self._change(key) for key in self.hidden(printed=printed)}

    def better(self) -> dict[str, Decimal]:
        """By how much the near side of a holding's newest quote is better than its mark, USD a
        unit: the holding can be sold for that, though so wide a book gives no mark. An old quote is
        no evidence.
        """
        return {
            key: change
            for key, line in self.desk.tracker.account.lines.items()
            if _counts(line)
            and self._is_young(key)
            and line.position.quantity * (change := self._change(key)) > ZERO
        }

    def _is_young(self, key: str) -> bool:
        """Whether the quotes beyond the cap on a key's route are of this process, and no older than a mark may be."""
        marks, looked_at = self.desk.tracker.marks, self.looked_at
        oldest = marks.fresh_since
        oldest = oldest if looked_at is None else max(looked_at - self.desk.max_mark_age, oldest)
        newest = (marks.newest.get(step.book) for step in marks.routes.get(key, ()))
        return all(quote.at >= oldest for quote in newest if quote is not None)

    def next_look(self, now: datetime) -> datetime | None:
        """When time alone makes a mark stale; one that is old already is looked at again."""
        marks, oldest = self.desk.tracker.marks, self.desk.max_mark_age
        if not self.settings.connected and not marks.newest:
            return None
        # Asked after nearly every fact: a mark that is younger than another is not looked at closely.
        first: datetime | None = None
        is_due = False
        for key, line in self.desk.tracker.account.lines.items():
            mark = marks.by_key.get(key)
            at = None if mark is None else mark.at
            if at is None or (first is not None and at >= first):
                continue
            if key not in self.stale and _counts(line):
                if at + oldest <= now:
                    is_due = True
                else:
                    first = at
        times = [] if first is None else [first + oldest]
        if is_due:
            times.append(now if self.looked_at is None else max(now, self.looked_at + LOOK_AGAIN))
        return min(times, default=None)

    def _shortfall(self, key: str) -> Decimal:
        line = self.desk.tracker.account.lines.get(key)
        return ZERO if line is None else max(ZERO, -line.position.quantity * self._change(key))

    def _change(self, key: str) -> Decimal:
        """From a key's mark to the near side of its newest quote, USD a unit; zero without such a quote."""
        near, mark = self._near_side(key), self.desk.tracker.account.lines[key].mark
        return ZERO if near is None or mark is None else near - mark

    def _near_side(self, key: str) -> Decimal | None:
        """USD per unit at the bid of the newest quotes on the key's route (a short's at the ask)."""
        tracker = self.desk.tracker
        return tracker.marks.near_usd(key, sells=_sells(tracker.account.lines[key]))

    def _has_printed(self, key: str) -> bool:
        """Whether a trade has printed since the last good quote within `max_spread` of the near side."""
        tracker = self.desk.tracker
        marks, line = tracker.marks, tracker.account.lines[key]
        for step in marks.routes.get(key, ()):
            quote, printed = marks.newest.get(step.book), marks.prints.get(step.book)
            if quote is None:
                continue
            good = marks.mids.get(step.book)
            near = quote.bid if _sells(line) != step.inverse else quote.ask
            if printed is None or (good is not None and good.at and printed[1] <= good.at):
                return False
            if abs(printed[0] - near) > marks.max_spread * near:
                return False
        return True


def _counts(line: Exposure) -> bool:
    """Whether so much is held that its mark matters."""
    held = line.position.quantity
    return bool(held and not line.position.unpriced and abs(held * (line.mark or ZERO)) >= DUST)


def _sells(line: Exposure) -> bool:
    """Whether leaving the position means selling it."""
    return line.position.quantity > ZERO
