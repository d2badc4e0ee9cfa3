"""Engine: the one way in for facts. Journal, core, journal, disk, and then the core's actions.

    event → journal → RiskManager.handle → actions → journal ─(reserve, fsync when the mode moved)→ carried out → told

A proposal is decided first, and its answer leaves; then it takes the same way, with `RiskManager.commit`.

Everything happens at once, in the order the facts come: no task sees the core half way. A fact that
cannot be is told and left out. Anything else that goes wrong inside leaves the core half way, and no
further fact is taken in: the process ends, and the next one begins from the disk.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from sidecar.core.context.state import Level
from sidecar.core.judging.verdict import PROPOSALS, Proposal, Verdict
from sidecar.core.risk_manager import RiskManager
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.errors import Misuse, SidecarError, Untrusted
from sidecar.daemon.behind import Behind
from sidecar.daemon.witness import Witness
from sidecar.storage.journal import Journal

Carry = Callable[[Any], None]
Listen = Callable[[ev.Event, list[ac.Action]], None]

# Actions that must be on disk before any of their effects leaves the process.
MODES: Final = frozenset({ac.StateChanged, ac.CauseRaised, ac.CauseCleared, ac.PlaceOrder})
# Of no use to a later reader.
UNWRITTEN: Final = frozenset({ac.WakeAt, ac.RefreshQuotes, ac.FollowDepth, ac.ReadDepth})
SKEW_TOLD: Final = timedelta(seconds=5)  # a clock this wrong matters where a day or a lockout ends


class Faulted(SidecarError):
    """A fact went wrong half way: no further order is judged."""


class Engine:
    """Joins core and journal. `carry` has the function that carries each kind of action out."""

    def __init__(
        self,
        manager: RiskManager,
        journal: Journal,
        now: Callable[[], datetime],
        log: FilteringBoundLogger,
        witness: Witness | None = None,
    ) -> None:
        """`witness` keeps tightening causes where the journal may not."""
        self.witness = witness
        self.manager = manager
        self.journal = journal
        self.now = now
        self.log = log
        self.carry: Mapping[type[ac.Action], Carry] = {}
        self.listeners: list[Listen] = []
        self.behind = Behind()
        self.before_decision: Callable[[ev.Event], Iterable[ev.Quote]] = lambda _event: ()
        self.prices_wait: Callable[[], bool] = lambda: False  # for `before_decision`
        self.coinbase_now: Callable[[], datetime | None] = lambda: None
        self._clock_ahead = timedelta()  # of Coinbase's, as last told
        self.wake: Callable[[str, str], None] = lambda _code, _text: None  # a person, now
        self.is_half_way = False  # a fact is being taken in
        self._unbooked: Decision | None = None  # an approval that has left, until it is booked
        self.left_out = 0  # facts that could not be

    @property
    def cannot_keep(self) -> bool:
        """Whether the next cause in force would be in memory only, or only in the reserve."""
        return self.journal.is_full or (self.witness is not None and bool(self.witness.fault))

    def handle(self, event: ev.Event) -> list[ac.Action]:
        """Take in a fact and set its actions in motion. Raises Faulted after a fault."""
        if type(event) is ev.Started:
            self._clock_ahead = self._ahead() or timedelta()
            event = replace(event, ahead=self._clock_ahead)
        else:
            self._compare_clocks()
        if type(event) in PROPOSALS:
            self._look_ahead(event)
        return self._take_in(event)

    def decide(self, event: Proposal) -> tuple[Decision, Callable[[], None]]:
        """The decision on a proposal, and the call that takes it in: the caller makes it right after the answer has
        left, before anything else happens. Raises Faulted after a fault.
        """
        self._check_whole()
        self._compare_clocks()
        looked = self.prices_wait()
        if looked:
            self._look_ahead(event)
        verdict = self.manager.decide(event)
        if verdict is None:  # what is due by now comes first
            self._take_in(ev.ClockAdvanced(at=event.at))
            verdict = self.manager.decide(event)

        def finish() -> None:
            if verdict is not None:
                self._commit(verdict)
            if not looked:
                self._look_ahead(event)  # its product is followed from now on

        return (_decided(self._take_in(event)) if verdict is None else verdict.decision), finish

    def _commit(self, verdict: Verdict) -> None:
        """Book an answer that has left. A fault here leaves a bot with an approval that is in no books: `give_up`
        says so.
        """
        self._unbooked = None if verdict.reservation is None else verdict.decision
        self._take_in(verdict.event, lambda: self.manager.commit(verdict))
        self._unbooked = None

    def _check_whole(self) -> None:
        if self.is_half_way:
            raise Faulted("a fact went wrong half way; the sidecar stops")

    def _ahead(self) -> timedelta | None:
        """By how much the machine's clock is ahead of Coinbase's, but for trifles; None where that was never heard."""
        coinbase = self.coinbase_now()
        if coinbase is None:
            return None
        ahead = self.now() - coinbase
        return ahead if abs(ahead) >= SKEW_TOLD else timedelta()

    def _compare_clocks(self) -> None:
        """Causes that end with time must not hang on a clock that was set wrong: the core hears of
        it first.
        """
        ahead = self._ahead()
        if ahead is None or self.is_half_way or abs(ahead - self._clock_ahead) < SKEW_TOLD:
            return
        self._clock_ahead = ahead
        self._take_in(ev.ClocksCompared(at=self.now(), ahead=ahead))

    def _look_ahead(self, event: ev.Event) -> None:
        """Take in the prices that wait and that this decision hangs on."""
        quotes = tuple(self.before_decision(event))
        if quotes:
            self._take_in(ev.Quotes(at=event.at, quotes=quotes))

    def _take_in(
        self, event: ev.Event, take: Callable[[], list[ac.Action]] | None = None
    ) -> list[ac.Action]:
        """`take`: other than the manager's `handle`."""
        self._check_whole()
        self.is_half_way = True
        self.journal.note(event, event.at)
        try:
            actions = self.manager.handle(event) if take is None else take()
        except Untrusted as fault:
            self.log.warning("left out", fault=str(fault))
            self.left_out += 1
            actions = []
        except Misuse as fault:  # no caller can cause it, so no caller can mend it
            raise Faulted(str(fault)) from fault
        moved = False
        for action in actions:
            kind = type(action)
            moved = moved or kind in MODES
            if kind not in UNWRITTEN:
                self.journal.note(action, event.at)
        self.journal.commit(event.at)
        prepared = None
        if self.witness is not None and self.witness.has_news:
            prepared, moved = self.witness.prepare(self.journal.beyond, event.at), True
        self.is_half_way = False
        if self.behind.is_on and (moved or not self.behind.is_empty):
            self.behind.add(event, actions, prepared, moved=moved)
            return actions
        if self.witness is not None and prepared is not None:
            self.journal.sync(partial(self.witness.write, prepared))
        elif moved:
            self.journal.sync()
        self._set_in_motion(event, actions)
        return actions

    async def carry_out_behind(self) -> None:
        """Until cancelled: the disk is waited for beside the loop, and only by facts that must be
        on it first.
        """
        await self.behind.run(self.journal, self.witness, self._set_in_motion)

    def give_up(self, reason: str) -> None:
        """A fault of our own: halt, on disk, so that the next start approves nothing until told to.

        A fact that went wrong half way is left out: the next start must not stumble over it.
        """
        self.end()
        unbooked = self._unbooked
        if unbooked is not None:
            reason += (
                f"; the approval of {unbooked.client_order_id} ({unbooked.decision_id}) had left and is in no"
                " books: whether its order was sent is not known"
            )
        halt = ev.HaltRequested(at=self.now(), reason=reason, by="sidecar", fault=True)
        if not self.is_half_way:
            self._take_in(halt)
            return
        is_selling = self.manager.state.has("LIQUIDATION")  # and goes on, at the next start
        self.journal.discard()
        self.journal.note(halt, halt.at)
        self.journal.commit(halt.at)
        if self.witness is not None:
            state: Level = "LIQUIDATING" if is_selling else "HALTED"
            self.journal.sync(partial(self.witness.note_halt, state, reason))
        else:
            self.journal.sync()

    def _set_in_motion(self, event: ev.Event, actions: list[ac.Action]) -> None:
        """Carry it out, then tell it: no view is ahead of the actions done. An action may only
        begin here, and tell of its outcome as a later fact.
        """
        try:
            for action in actions:
                carry = self.carry.get(type(action))
                if carry is not None:
                    carry(action)
            for listen in self.listeners:
                listen(event, actions)
        except OSError as fault:  # the caller would take it for its own connection's
            self.is_half_way = True
            raise Faulted(f"what follows a fact failed: {fault}") from fault

    def end(self) -> None:
        """No action is carried out any more: those of the last facts are for the next start."""
        self.carry = {}
        self.listeners = []


def _decided(actions: list[ac.Action]) -> Decision:
    return next(act.decision for act in actions if type(act) is ac.Decided)
