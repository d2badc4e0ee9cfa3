"""Confirmation: the evidence that a loss needs before a lasting consequence follows from it. No
I/O.

A breach is confirmed once it has held for `confirm_for`, over `confirm_quotes` quotes of different
times, of the books that show it; before any holding is sold, REST's prices must agree, or cannot be
had, and the balances must have been read since, for money that has left is no loss.

The quotes must show the breach: the loss by a book's mark since its last confirmed one counts only
once that book itself has quoted so often. Else one bad tick of a quiet product would be confirmed
by the quotes of the busy ones.
"""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sidecar.core.account.exposure import Exposure
from sidecar.core.account.losses import Loss, settled_loss
from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.settings import Settings
from sidecar.core.guards.loss_bounds import MARGIN, BoundLoss, LossBounds
from sidecar.core.guards.pending_breach import PendingBreach, tighter
from sidecar.core.vocabulary.actions import Action, Alert, ConfirmQuotes, Reconcile
from sidecar.core.vocabulary.events import Quote
from sidecar.core.vocabulary.money import TWO, ZERO

# After REST disagreed, or did not answer for all that is held: as often as marks are polled without
# a feed.
ASK_AGAIN: Final = timedelta(seconds=5)
# A reading of the balances is waited for as long as REST's word on prices.
BALANCES_WITHIN: Final = timedelta(seconds=5)
# Quiet books are read over REST every 5 s: a price that two of these readings did not contradict
# stands.
SILENCE_CONFIRMS_AFTER: Final = timedelta(seconds=10)
TICK_MIN: Final = Decimal("0.01")  # of the price: smaller moves cause no delay
NO_MARKS: Final[Mapping[str, Decimal]] = {}
CUMULATIVE: Final = "CUMULATIVE_LOSS|all"


class Confirmation:
    """Breaches that are not confirmed yet, by code and scope."""

    def __init__(self, desk: RiskContext, settings: Settings, bounds: LossBounds) -> None:
        self.desk = desk
        self.settings = settings
        self.bounds = bounds
        self.stale_marks = bounds.stale_marks
        self.pending: dict[str, PendingBreach] = {}

    @property
    def suspicion(self) -> PendingBreach | None:
        """A cumulative breach that is not confirmed yet."""
        return self.pending.get(CUMULATIVE)

    def forget(self, name: str) -> None:
        """The breach is over, or confirmed."""
        self.pending.pop(name, None)

    def limits(self) -> dict[str, BoundLoss]:
        """By name, the limits in force of the breaches that are not confirmed yet."""
        if not self.pending:
            return {}
        bounded = ((f"{bound.code}|{bound.scope}", bound) for bound in self.bounds.bounded(None))
        return {name: bound for name, bound in bounded if name in self.pending}

    def go_on_from(self, before: Mapping[str, BoundLoss]) -> None:
        """Other limits are in force than those of `before`. A breach whose own limit is gone, or looser than what it
        has shown, is to be seen anew; no file that changes others, or tightens, begins its time again.
        """
        now = self.limits()
        for name, pending in list(self.pending.items()):
            old, new = before.get(name), now.get(name)
            if (
                old is None
                or new is None
                or old.window != new.window
                or not pending.stands_under(old.limit, new.limit)
            ):
                self.forget(name)
            elif tighter(old.limit, new.limit) != new.limit:
                pending.ask_rest_anew(confirmed=not self.settings.connected)

    def is_settled(self, bound: BoundLoss) -> bool:
        """Whether the loss settled by fills, fees and funding crosses the limit by itself: no price
        takes that back.
        """
        if bound.code == MARGIN:
            return False
        tracker = self.desk.tracker
        settled = settled_loss(tracker, bound.code, bound.key, bound.strategy_id, bound.window)
        if bound.least.crosses(bound.limit) and not self._valuing_books():
            return True  # no holding has a price
        unsettled = max(ZERO, bound.least.usd - settled)
        return self.bounds.but(bound, unsettled).least.crosses(bound.limit)

    def is_confirmed(self, bound: BoundLoss, now: datetime, actions: list[Action]) -> bool:
        """Whether the feed, REST's prices and its balances all say that the loss is one."""
        held, suspicion = self.has_held(CUMULATIVE, bound, now), self.suspicion
        if suspicion is None:
            return False
        wait = ASK_AGAIN * self.settings.time_scale
        if not suspicion.confirmed_by_rest and (
            suspicion.asked_at is None or now - suspicion.asked_at >= wait
        ):
            suspicion.asked_at = now
            actions.append(ConfirmQuotes(product_ids=self._valuing_books()))
        if self.settings.connected and suspicion.balances_asked_at is None:
            suspicion.balances_asked_at = now
            actions.append(Reconcile(reason="a loss is to be confirmed: has anything been moved?"))
        return held and suspicion.confirmed_by_rest and self._balances_were_read(suspicion, now)

    def _balances_were_read(self, suspicion: PendingBreach, now: datetime) -> bool:
        asked_at, read_at = suspicion.balances_asked_at, self.desk.tracker.balances.read_at
        if asked_at is None or (read_at is not None and read_at >= asked_at):
            return True
        return now - asked_at >= BALANCES_WITHIN * self.settings.time_scale

    def has_held(self, name: str, bound: BoundLoss, now: datetime) -> bool:
        """Whether a breach has stood for so long, over so many quotes, of books that show it."""
        tracker, suspicion = self.desk.tracker, self.pending.get(name)
        if not bound.may_be_confirmed:
            # Quotes of a loss that may be none confirm no later one.
            self.forget(name)
            return False
        if suspicion is None:
            suspicion = PendingBreach(now, tracker.books.quotes_valuing_account - 1)
            suspicion.confirmed_by_rest = not self.settings.connected
            suspicion.before = self._before()
            suspicion.is_sure = bound.least.crosses(bound.limit)
            self.pending[name] = suspicion
        elif not suspicion.is_sure and bound.least.crosses(bound.limit):
            suspicion.is_sure, suspicion.sure_since, suspicion.counts = True, now, {}
            suspicion.quotes_before = tracker.books.quotes_valuing_account - 1
            suspicion.unmarking, suspicion.before = 0, self._before()
            suspicion.least = None
        suspicion.shows(bound.least)
        suspicion.see(self._valuing_books(), tracker.marks, self._stale_books(), now)
        stood = self._marks_that_stood(suspicion, now)
        shown = {
            book
            for book, count in suspicion.counts.items()
            if count >= self.settings.confirm_quotes and self._has_stood(book, suspicion, now)
        }
        return (
            (bool(shown) or self._has_stood(None, suspicion, now))
            and self._quotes(suspicion) >= self.settings.confirm_quotes
            and self._least(self._but(bound, suspicion, shown, stood), suspicion, now).crosses(
                bound.limit
            )
        )

    def _has_stood(self, book: str | None, suspicion: PendingBreach, now: datetime) -> bool:
        """Whether this book has shown the breach for so long; None: whether the breach, which no book shows, has
        stood for so long.

        A passing tick may have been the last word of a book: its silence is no confirmation while its feed is lost;
        nor, where REST cannot be had either, for a while.
        """
        last = suspicion.since if book is None else suspicion.seen_at[book]
        waits = (
            suspicion.rest_failed and now - last < SILENCE_CONFIRMS_AFTER * self.settings.time_scale
        )
        until = last if waits or self.desk.feeds.market != "live" else now
        return until - (suspicion.sure_since or suspicion.since) >= self.settings.confirm_for

    def _but(
        self,
        bound: BoundLoss,
        suspicion: PendingBreach,
        books: Container[str],
        stood: Mapping[str, Decimal],
    ) -> BoundLoss:
        """The loss at marks that these books have shown for long enough; at those from before it for all else."""
        taken_away = self._taken_away(suspicion, bound, but_by=books, stood=stood)
        return self.bounds.but(bound, taken_away) if taken_away else bound

    def _least(self, bound: BoundLoss, suspicion: PendingBreach, now: datetime) -> Loss:
        """The least loss: a part that only quotes of stale books show counts once the breach has
        stood for long.
        """
        stands = timedelta(seconds=float(self.desk.limits.stale_confirm_s))
        return bound.unprinted if now - suspicion.since >= stands else bound.least

    def _stale_books(self) -> set[str]:
        """The books whose newest quotes show a loss that the mark hides."""
        marks, hidden = self.desk.tracker.marks, self.stale_marks.hidden(printed=False)
        steps = (step for key in hidden for step in marks.routes.get(key, ()))
        return {step.book for step in steps if step.book in marks.newest}

    def _before(self) -> dict[str, Decimal]:
        """The marks that a breach is compared with: for each position the better of the confirmed
        mark and the mark before the quote that showed the breach.
        """
        tracker, found = self.desk.tracker, dict[str, Decimal]()
        for key, line in tracker.account.lines.items():
            known = tracker.marks.confirmations.get(key)
            if known is not None:
                better = max if line.position.quantity > ZERO else min
                found[key] = better(known.value, known.previous)
        return found

    def _quotes(self, suspicion: PendingBreach) -> int:
        """How many quotes have valued the holdings since a breach began."""
        good = self.desk.tracker.books.quotes_valuing_account - suspicion.quotes_before
        return good + suspicion.unmarking

    def _marks_that_stood(self, suspicion: PendingBreach, now: datetime) -> dict[str, Decimal]:
        """The best mark for the position in each key within `confirm_for`, USD a unit, where the
        present one is much worse: it may be a tick that passes, though another book has shown the
        breach before. Smaller moves are no ticks: the best marks of a position and of its hedge are
        those of different moments.
        """
        window, best = self.settings.confirm_for, suspicion.note_mark
        found = {
            key: (
                line.mark,
                best(key, line.mark, now, window, is_long=line.position.quantity > ZERO),
            )
            for key, line in self.desk.tracker.account.lines.items()
            if line.mark is not None
        }
        return {
            key: stood
            for key, (mark, stood) in found.items()
            if abs(stood - mark) > stood * TICK_MIN
        }

    def _lines(self, bound: BoundLoss) -> Mapping[str, Exposure]:
        """The positions behind a loss."""
        tracker = self.desk.tracker
        if bound.strategy_id is not None:
            book = tracker.strategies.get(bound.strategy_id)
            return {} if book is None else book.lines
        lines = tracker.account.lines
        if bound.code == MARGIN:
            return {key: line for key, line in lines.items() if line.is_future}
        if bound.key is None:
            return lines
        return {bound.key: lines[bound.key]} if bound.key in lines else {}

    def _taken_away(
        self,
        suspicion: PendingBreach,
        bound: BoundLoss,
        *,
        but_by: Container[str],
        stood: Mapping[str, Decimal] = NO_MARKS,
    ) -> Decimal:
        """The loss by marks, USD: since they were last confirmed before the breach; of keys that
        these books value, since the marks that stood.
        """
        routes, total = self.desk.tracker.marks.routes, ZERO
        for key, line in self._lines(bound).items():
            before = suspicion.before.get(key)
            if before is None or line.mark is None:
                continue
            if all(step.book in but_by for step in routes.get(key, ())):
                before = stood.get(key, line.mark)
            total += max(ZERO, line.position.quantity * (before - line.mark))
        return total

    def next_look(self, now: datetime) -> datetime | None:
        """When time alone takes an unconfirmed breach further."""
        if not self.pending:  # as nearly always
            return None
        confirm_for = self.settings.confirm_for
        times = [one.since + confirm_for for one in self.pending.values()]
        for one in self.pending.values():
            times += [marks[1][0] + confirm_for for marks in one.best.values() if len(marks) > 1]
        if self.stale_marks.stale:
            stands = timedelta(seconds=float(self.desk.limits.stale_confirm_s))
            times += [one.since + stands for one in self.pending.values()]
        suspicion = self.suspicion
        if suspicion is not None:
            if suspicion.asked_at is not None and not suspicion.confirmed_by_rest:
                times.append(suspicion.asked_at + ASK_AGAIN * self.settings.time_scale)
            if suspicion.balances_asked_at is not None:
                times.append(
                    suspicion.balances_asked_at + BALANCES_WITHIN * self.settings.time_scale
                )
            if suspicion.rest_failed:
                silence = SILENCE_CONFIRMS_AFTER * self.settings.time_scale
                times += [seen_at + silence for seen_at in suspicion.seen_at.values()]
        return min((time for time in times if time > now), default=None)

    def _valuing_books(self) -> tuple[str, ...]:
        tracker = self.desk.tracker
        held = (key for key, line in tracker.account.lines.items() if line.position.quantity)
        return tuple(
            sorted({step.book for key in held for step in tracker.marks.routes.get(key, ())})
        )

    def rest_answered(
        self,
        bound: BoundLoss | None,
        quotes: tuple[Quote, ...] | None,
        now: datetime,
        unanswered: tuple[str, ...] = (),
    ) -> list[Action]:
        """REST's word on a breach; None when it could not be had in time.

        A disagreement starts the wait anew. A book without a good quote since the question has not
        been answered for; where the loss by its mark decides, it is asked for alone, and when that
        is not answered either, it cannot be had. A quiet coin of little worth thus holds up no
        sale, and an empty answer is no confirmation.
        """
        for quote in quotes or ():
            self.desk.tracker.marks.check(quote)
        suspicion = self.suspicion
        if suspicion is None or bound is None:
            return []
        if quotes is None:
            suspicion.confirmed_by_rest = suspicion.rest_failed = True
            return []
        mids = suspicion.at_rest | self._good_mids(quotes, suspicion.asked_at or now)
        suspicion.at_rest = mids
        more = self._difference(mids) + self._shown_after_all(mids)
        at_rest = self.bounds.but(bound, more).most
        if at_rest.crosses(bound.limit):
            more += self._taken_away(suspicion, bound, but_by=mids)
            sure = self.bounds.but(bound, more).most
            suspicion.confirmed_by_rest = sure.crosses(bound.limit)
            if suspicion.confirmed_by_rest:
                return []
            return self._ask_alone(suspicion, now, unanswered)
        suspicion.begin_again(now, self.desk.tracker.books.quotes_valuing_account)
        text = (
            f"the feed shows a cumulative loss of {bound.loss.text()}, REST one of {at_rest.text()}; "
            "waiting"
        )
        return [Alert(severity="warning", code="MARKS_DISAGREE", text=text)]

    def _ask_alone(
        self, suspicion: PendingBreach, now: datetime, unanswered: tuple[str, ...]
    ) -> list[Action]:
        """The books that REST has left out are asked for alone, once: then they cannot be had."""
        left_out = tuple(book for book in self._valuing_books() if book not in suspicion.at_rest)
        cannot_be_had = {*left_out} <= {*suspicion.left_out, *unanswered}
        if suspicion.left_out or cannot_be_had:
            suspicion.confirmed_by_rest = suspicion.rest_failed = cannot_be_had
            return []
        suspicion.left_out, suspicion.asked_at = left_out, now
        return [ConfirmQuotes(product_ids=left_out)] if left_out else []

    def _shown_after_all(self, mids: Mapping[str, Decimal]) -> Decimal:
        """The losses that stale marks seemed to hide of keys with a good price from REST, USD."""
        routes = self.desk.tracker.marks.routes
        return sum(
            (
                loss
                for key, loss in self.stale_marks.hidden(printed=False).items()
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
            value = tracker.marks.end_usd(key)
            for step in steps:
                value = value / mids[step.book] if step.inverse else value * mids[step.book]
            total += line.position.quantity * (value - line.mark)
        return total
