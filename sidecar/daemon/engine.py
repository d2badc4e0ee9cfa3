"""Engine: the one way in for facts. Journal, core, journal, disk, and then what the core asked for.

    event → journal → RiskManager.handle → actions → journal ─(fsync when the mode moved)→ carried out → told

Everything happens at once, in the order the facts come: no task sees the core half way. A fact that
cannot be is told and left out. Anything else that goes wrong inside leaves the core half way, and no
further fact is taken in: the process ends, and the next one begins from the disk.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from sidecar.core import actions as ac
from sidecar.core import events as ev
from sidecar.core.decision import Decision
from sidecar.core.errors import Misuse, SidecarError, Untrusted
from sidecar.core.risk_manager import RiskManager
from sidecar.core.state import STANDS_STILL
from sidecar.storage.journal import Journal
from sidecar.storage.reserve import Halted, Reserve

Carry = Callable[[Any], None]
Listen = Callable[[ev.Event, list[ac.Action]], None]

# What must be on disk before anything it causes leaves the process.
MODES: Final = frozenset({ac.StateChanged, ac.CauseRaised, ac.CauseCleared, ac.PlaceOrder})
UNWRITTEN: Final = frozenset({ac.WakeAt, ac.RefreshQuotes})  # nobody will ever ask about them
PROPOSALS: Final = frozenset({ev.OrderProposed, ev.EditProposed, ev.CloseProposed})


class Faulted(SidecarError):
    """A fact went wrong half way: nothing more is judged."""


class Engine:
    """Joins core and journal. `carry` has what carries each kind of action out."""

    def __init__(
        self,
        manager: RiskManager,
        journal: Journal,
        now: Callable[[], datetime],
        log: FilteringBoundLogger,
        reserve: Reserve | None = None,
    ) -> None:
        """`reserve` keeps a halt where the disk has no room for the journal."""
        self._reserve = reserve
        self.manager = manager
        self.journal = journal
        self.now = now
        self.log = log
        self.carry: Mapping[type[ac.Action], Carry] = {}
        self.listeners: list[Listen] = []
        self.before_decision: Callable[[ev.Event], Iterable[ev.Quote]] = lambda _event: ()
        self.prices_wait: Callable[[], bool] = lambda: False  # for `before_decision`
        self.wake: Callable[[str, str], None] = lambda _code, _text: None  # somebody, now
        self.is_half_way = False  # a fact is being taken in
        self.left_out = 0  # facts that could not be

    def handle(self, event: ev.Event) -> list[ac.Action]:
        """Take in a fact and set in motion what follows. Raises Faulted after a fault."""
        if type(event) in PROPOSALS:
            self._look_ahead(event)
        return self._take_in(event)

    def foresee(self, event: ev.OrderProposed) -> tuple[Decision, Callable[[], None]] | None:
        """What `handle` will decide, where that is known before it is in the books; None: it is not.

        Whoever tells it makes the call that comes with it right afterwards, before anything else.
        """
        if self.is_half_way:
            return None
        if self.prices_wait():
            self._look_ahead(event)
        decision = self.manager.foresee(event)
        return None if decision is None else (decision, lambda: self._settle(event, decision))

    def _settle(self, event: ev.OrderProposed, foreseen: Decision) -> None:
        """Take in what was foreseen. Raises Faulted, and nothing more is judged, should the core decide
        otherwise: the bot then holds an approval that nobody gave.
        """
        decided = [act.decision for act in self.handle(event) if type(act) is ac.Decided]
        if decided != [foreseen]:
            self.is_half_way = True
            raise Faulted("an order was answered otherwise than it was decided; the sidecar stops")

    def _look_ahead(self, event: ev.Event) -> None:
        """Take in the prices that wait and that this decision hangs on."""
        quotes = tuple(self.before_decision(event))
        if quotes:
            self._take_in(ev.Quotes(at=event.at, quotes=quotes))

    def _take_in(self, event: ev.Event) -> list[ac.Action]:
        if self.is_half_way:
            raise Faulted("a fact went wrong half way; the sidecar stops")
        self.is_half_way = True
        self.journal.note(event, event.at)
        try:
            actions = self.manager.handle(event)
        except Untrusted as fault:
            self.log.warning("left out", fault=str(fault))
            self.left_out += 1
            actions = []
        except Misuse as fault:  # nobody outside can cause it, so nobody outside can mend it
            raise Faulted(str(fault)) from fault
        moved = False
        for action in actions:
            kind = type(action)
            moved = moved or kind in MODES
            if kind not in UNWRITTEN:
                self.journal.note(action, event.at)
        self.journal.commit(event.at)
        if moved:
            self.journal.sync()
            state = self.manager.state.account
            if state in STANDS_STILL:
                self._use_reserve(state, event)
            else:
                self._clear_reserve()
        self.is_half_way = False
        self._set_in_motion(event, actions)
        return actions

    def give_up(self, reason: str) -> None:
        """A fault of our own: halt, on disk, so that the next start approves nothing until told to.

        A fact that went wrong half way is left out: the next start must not stumble over it.
        """
        self.end()
        halt = ev.HaltRequested(at=self.now(), reason=reason, by="sidecar", fault=True)
        if not self.is_half_way:
            self._take_in(halt)
            return
        self.journal.discard()
        self.journal.note(halt, halt.at)
        self.journal.commit(halt.at)
        self.journal.sync()
        is_selling = self.manager.state.has("LIQUIDATION")  # and goes on, at the next start
        self._use_reserve("LIQUIDATING" if is_selling else "HALTED", halt)

    def _use_reserve(self, state: str, event: ev.Event) -> None:
        """Keep a halt that the journal could not: it must not be lost with the process."""
        if not self.journal.is_full:
            self._clear_reserve()
            return
        reason = getattr(event, "reason", "") or "the disk was full"
        fault = "there is no reserve"
        try:
            if self._reserve is not None:
                self._reserve.keep(Halted(state, reason))
                return
        except OSError as error:
            fault = str(error.strerror)
        text = "the halt is in memory only: make room on the disk before this process ends"
        self.log.critical(text, fault=fault)
        self.wake("HALT_IN_MEMORY", text)

    def _clear_reserve(self) -> None:
        try:
            if self._reserve is not None:
                self._reserve.clear()
        except OSError as error:
            self.log.warning("the reserve was not cleared", fault=error.strerror)

    def _set_in_motion(self, event: ev.Event, actions: list[ac.Action]) -> None:
        """Carry it out, then tell it: nothing that is shown stands before what is done. What is carried
        out may only begin here, and tell of itself as a later fact.
        """
        try:
            for action in actions:
                carry = self.carry.get(type(action))
                if carry is not None:
                    carry(action)
            for listen in self.listeners:
                listen(event, actions)
        except OSError as fault:  # whoever told the fact would take it for its own connection's
            self.is_half_way = True
            raise Faulted(f"what follows a fact failed: {fault}") from fault

    def end(self) -> None:
        """Nothing is carried out any more: what the last facts ask for is for the next start."""
        self.carry = {}
        self.listeners = []
