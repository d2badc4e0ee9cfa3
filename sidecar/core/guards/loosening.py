"""Loosening: limits that bind their owner. No I/O.

Where `loosen_after` is in force, another file binds at once as far as it is at least as tight, key by key. If it is
looser anywhere it is queued as well, and binds whole

    when it has stood for `loosen_after`, by both clocks, and the account is known
    or when an operator confirms it, of another user than the one who had it read and those whose file it is.

The same file read again keeps its time; any other file takes the queue back. A file may return within `RETURN_WITHIN`
to exactly the limits in force before the last change: a typing error does not bind for a day. The limits in force are
therefore never looser than some file that has stood for so long, was confirmed, or bound when there was no
`loosen_after`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.context.risk_context import RiskContext
from sidecar.core.context.start_terms import QueuedTerms, StartTerms
from sidecar.core.context.tightening import loosen
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action, Alert, Answered, LimitsChanged
from sidecar.core.vocabulary.brakes import lacking
from sidecar.core.vocabulary.durations import LONGEST, written
from sidecar.core.vocabulary.limit_changes import LimitChange, Way, as_written, changes
from sidecar.core.vocabulary.limits import Limits
from sidecar.core.vocabulary.tightness import merged

RETURN_WITHIN: Final = timedelta(minutes=10)
# "other" counts as looser: what cannot be shown to be tighter.
WAYS: Final[dict[Way, str]] = {"tighter": "tighter", "looser": "looser", "other": "changed"}
ORDER: Final[dict[Way, int]] = {way: place for place, way in enumerate(WAYS)}
TOLD_MAX: Final = 10  # changes in a sentence; the views have all
ANOTHER_RULE: Final = "custom rules are loaded at the start only: restart to change limits.custom; nothing was changed"

NOTHING: Final = "no looser limits are queued"
OWN_START: Final = (
    "what binds from a start was read by the sidecar's own user from its owner's file, so another user than these two"
    " must confirm it"
)
UNKNOWN: Final = "who had the queued limits read is not known; reload them by the verb, then let another user confirm"


class QueuedLimits(Struct, frozen=True, kw_only=True):
    """A file that waits: its limits as they are written, since when it stands, by the later clock, who had it read, and
    whose it is.
    """

    limits: dict[str, Any]
    since: datetime
    wait: timedelta
    reason: str
    by: str
    uid: int | None
    owners: tuple[int, ...] = ()

    @property
    def stood_at(self) -> datetime:
        """When it has stood for long enough, by a clock that is right."""
        return self.since + self.wait


class FormerLimits(Struct, frozen=True, kw_only=True):
    """The limits in force before the last change, as they are written, and its time by the earlier clock."""

    limits: dict[str, Any]
    changed_at: datetime


class LooseningMemory(Struct, kw_only=True):
    """Which limits wait, and to which a file may return; the terms of the last start, and those that wait for the next.
    `behind`: by how much the clock that facts are told by is behind Coinbase's.
    """

    queued: QueuedLimits | None = None
    former: FormerLimits | None = None
    behind: timedelta = timedelta()
    terms: StartTerms | None = None
    queued_terms: QueuedTerms | None = None


class Loosening:
    """Decides when other limits bind. `use` is called with those that bind from now on."""

    def __init__(
        self,
        desk: RiskContext,
        is_named: Callable[[str], bool],
        use: Callable[[Limits, datetime, list[Action]], None],
    ) -> None:
        """`is_named`: whether orders under a strategy's name may pass by the limits in force."""
        self.desk = desk
        self.memory = LooseningMemory()
        self._is_named = is_named
        self._use = use

    @property
    def standing(self) -> Limits:
        """The limits of the last file that was read: those queued, or those in force."""
        queued = self.memory.queued
        return self.desk.limits if queued is None else self._read(queued.limits)

    def _read(self, written: dict[str, Any]) -> Limits:
        """Limits as they are remembered, with the custom rules that this process began with: others are the start's."""
        return Limits.model_validate({**written, "custom": self.desk.limits.custom})

    def compare_clocks(self, ahead: timedelta) -> None:
        """The clock that facts are told by is so far ahead of Coinbase's."""
        self.memory.behind = min(max(-ahead, timedelta()), LONGEST)

    def handle(self, event: ev.Event) -> list[Action] | None:
        """The actions that follow from the event; None if it is not about limits."""
        match event:
            case ev.LimitsReplaced():
                return self._replaced(event)
            case ev.LooseningConfirmed():
                return self._confirmed(event)
            case ev.LimitsRefused():  # another file than the queued file, though it cannot bind
                self.memory.queued = None
        return None

    def look(self, now: datetime, actions: list[Action]) -> None:
        """Let the queued limits bind if they have stood for long enough; queued terms will, from the next start."""
        self._look_at_terms(now, actions)
        queued = self.memory.queued
        if queued is None or not self.desk.state.ready or self._by_both(now) < queued.stood_at:
            return
        reason = f"stood for {written(queued.wait)}: {queued.reason}"
        told = self._unqueue(queued, now, actions, by=queued.by, reason=reason)
        text = f"looser limits bind, for their file has stood for {written(queued.wait)}: {told}"
        actions.append(Alert(severity="warning", code="LIMITS_LOOSENED", text=text))

    def next_look(self, now: datetime) -> datetime | None:
        """When queued limits, or terms, have stood; None while none may bind."""
        queued, terms = self.memory.queued, self.memory.queued_terms
        if not self.desk.state.ready:
            return None
        ahead = self.desk.tracker.loss_accounting.clock_ahead
        ends = [] if queued is None else [queued.stood_at + ahead]
        if terms is not None and not terms.stood:
            ends.append(now if terms.since is None else terms.since + terms.wait + ahead)
        return min(ends, default=None)

    def _look_at_terms(self, now: datetime, actions: list[Action]) -> None:
        queued = self.memory.queued_terms
        if queued is None or queued.stood or not self.desk.state.ready:
            return
        if queued.since is None:
            queued = replace(queued, since=now + self.memory.behind)
        assert queued.since is not None
        if self._by_both(now) >= queued.since + queued.wait:
            queued = replace(queued, stood=True)
            text = f"{self._terms_in_words(queued)} has stood for {written(queued.wait)}, and binds from the next start"
            actions.append(Alert(severity="warning", code="LIMITS_LOOSENED", text=text))
        self.memory.queued_terms = queued

    def _terms_in_words(self, queued: QueuedTerms) -> str:
        assert self.memory.terms is not None, "only other terms than those in force are queued"
        return ", ".join(self.memory.terms.differing(queued.terms))

    def queued_changes(self) -> tuple[LimitChange, ...]:
        """The keys in which the queued limits differ from those in force."""
        return changes(self.desk.limits, self.standing, self._is_named)

    # --- Another file -----------------------------------------------------------------------------

    def _replaced(self, event: ev.LimitsReplaced) -> list[Action]:
        new, old = event.limits, self.desk.limits
        if new.custom != old.custom:
            return [Answered(done=False, text=ANOTHER_RULE)]
        if fault := lacking(new.require, new):
            self.memory.queued = None  # its file stands no more
            return [Answered(done=False, text=f"{fault}; nothing was changed")]
        binding = new
        if old.loosen_after is not None and not self._returns(new, event.at):
            binding = merged(old, new, self._is_named)
        before, self.memory.queued = self.memory.queued, None
        if binding != new:
            self.memory.queued = self._kept(before, event) or self._begun(binding, event)
        actions: list[Action] = []
        loosen(self.desk.state, "CONFIG", "all", "the configuration can be used again", actions)
        told = self._bind(binding, event.at, actions, by=event.by, reason=event.reason, was=before)
        text = f"the new limits bind from now on: {told or 'they are the same'}"
        if self.memory.queued is not None:
            text = self._queue_in_words(self.memory.queued, told)
        elif before is not None:
            text += "; those that were queued are taken back"
        return [Answered(done=True, text=text), *actions]

    def _begun(self, binding: Limits, event: ev.LimitsReplaced) -> QueuedLimits:
        assert binding.loosen_after is not None, (
            "limits that are merged are as tight as those before"
        )
        return QueuedLimits(
            limits=as_written(event.limits),
            since=event.at + self.memory.behind,
            wait=binding.loosen_after,
            reason=event.reason,
            by=event.by,
            uid=event.uid,
            owners=event.owners,
        )

    def _kept(self, before: QueuedLimits | None, event: ev.LimitsReplaced) -> QueuedLimits | None:
        """The same file, which goes on standing; whoever is the first known user to have it read had it read, and it is
        every owner's that it has had.
        """
        if before is None or self._read(before.limits) != event.limits:
            return None
        owners = tuple(sorted({*before.owners, *event.owners}))
        kept = before if owners == before.owners else replace(before, owners=owners)
        return kept if kept.uid is not None else replace(kept, by=event.by, uid=event.uid)

    def _returns(self, new: Limits, now: datetime) -> bool:
        """Whether these are the limits of before a change that has only just been."""
        former = self.memory.former
        if former is None or self._read(former.limits) != new:
            return False
        latest = now + self.memory.behind
        return former.changed_at <= now and latest - former.changed_at <= RETURN_WITHIN

    def _queue_in_words(self, queued: QueuedLimits, told: str) -> str:
        return (
            f"binding from now on: {told or 'nothing else'}; queued until {_shown(queued.stood_at)}:"
            f" {in_words(self.queued_changes())}"
        )

    # --- A second operator ------------------------------------------------------------------------

    def _confirmed(self, event: ev.LooseningConfirmed) -> list[Action]:
        """All that waits and that this user may confirm; of the rest, why not."""
        queued, terms, actions = self.memory.queued, self.memory.queued_terms, list[Action]()
        told, refused = [], []
        if queued is not None:
            if fault := self._unconfirmable(queued, event.uid):
                refused.append(fault)
            else:
                by, reason = event.by, event.reason
                bound = self._unqueue(queued, event.at, actions, by=by, reason=reason)
                told.append(f"the queued limits bind from now on: {bound}")
        if terms is not None:
            names = self._terms_in_words(terms)
            if event.uid == terms.uid or event.uid in terms.owners:
                refused.append(f"{names}: {OWN_START}")
            else:
                self.memory.queued_terms = replace(terms, stood=True)
                told.append(f"{names} binds from the next start")
        text = "; ".join((*told, *refused)) or NOTHING
        return [Answered(done=bool(told), text=text), *actions]

    @staticmethod
    def _unconfirmable(queued: QueuedLimits, uid: int) -> str | None:
        if queued.uid is None:
            return UNKNOWN
        if uid == queued.uid:
            has = "had these limits read"
        elif uid in queued.owners:
            has = "owns the file of these limits"
        else:
            return None
        return f"user {uid} {has}, so another user must confirm them; or wait until {_shown(queued.stood_at)}"

    # --- Both -------------------------------------------------------------------------------------

    def _unqueue(
        self, queued: QueuedLimits, now: datetime, actions: list[Action], *, by: str, reason: str
    ) -> str:
        limits, self.memory.queued = self._read(queued.limits), None
        return self._bind(limits, now, actions, by=by, reason=reason, was=queued)

    def _bind(  # noqa: PLR0913 - who, when and why
        self,
        limits: Limits,
        now: datetime,
        actions: list[Action],
        *,
        by: str,
        reason: str,
        was: QueuedLimits | None,
    ) -> str:
        """Let these bind, and say which keys are others, and which are still queued; `was` queued before."""
        old = self.desk.limits
        differing = changes(old, limits, self._is_named)
        if differing:
            self.memory.former = FormerLimits(limits=as_written(old), changed_at=self._by_both(now))
            self._use(limits, now, actions)
        queued = self.memory.queued
        if differing or (queued is not None and queued is not was):
            actions.append(
                LimitsChanged(
                    by=by,
                    reason=reason,
                    changes=differing,
                    queued=() if queued is None else self.queued_changes(),
                    binds_at=None if queued is None else queued.stood_at,
                )
            )
        return in_words(differing)

    def _by_both(self, now: datetime) -> datetime:
        return self.desk.tracker.loss_accounting.by_both(now)


def in_words(found: Sequence[LimitChange]) -> str:
    """Changes in a sentence, those first that are tighter."""
    more = f" and {len(found) - TOLD_MAX} more" if len(found) > TOLD_MAX else ""
    ordered = sorted(found, key=lambda one: ORDER[one.way])[:TOLD_MAX]
    told = [
        f"{WAYS[way]} {', '.join(map(str, some))}"
        for way, some in groupby(ordered, lambda one: one.way)
    ]
    return "; ".join(told) + more


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
