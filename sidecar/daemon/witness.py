"""Witness: a tightening cause is in the reserve before the journal's line of it can be the only
record.

The reserve holds the whole state except the parts that Coinbase tells again: causes of every scope,
the baselines that losses count from, an episode's orders. A start takes it up where the journal
ends before it.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from sidecar.core.context.state import TIGHTNESS, Cause, Level
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved import SavedState
from sidecar.daemon.recovery import state_of
from sidecar.storage.codec import encode_state
from sidecar.storage.halt_file import Halted, HaltFile, TooLarge
from sidecar.storage.journal_codec import Chain

IN_MEMORY: Final = (
    "a halt would be in memory only: make room on the disk, or let it be written, before this"
    " process ends"
)
CLOSED_MAX: Final = 200  # of the ended orders, those that late news may still come of


class Prepared(NamedTuple):
    """A state to be kept, and the note that stands for it where a slot has no room. `ends_note`: it
    has in force all that a note of the last process stands for.
    """

    number: int
    state: bytes
    tightest: Halted | None
    ends_note: bool


class Witness:
    """One process's reserve. `make` makes it, or raises OSError where the disk has no room even for that."""

    def __init__(
        self, manager: RiskManager, make: Callable[[], HaltFile], log: FilteringBoundLogger
    ) -> None:
        self._manager, self._make, self._log = manager, make, log
        self._reserve: HaltFile | None = None
        self._causes: dict[tuple[str, str], Cause] | None = None  # as kept
        self._begun: Any = None
        self._prepared = self._written = (
            0  # how many states were, and the newest of them that is kept
        )
        self._lock = threading.Lock()
        self.takes_up = True  # a note of the last process is not in force yet
        self._wake: Callable[[str, str], object] | None = None
        self.fault = ""  # why the state is not kept; empty where it is
        self._is_told = False
        self._attempt(self._made)

    def wake_by(self, wake: Callable[[str, str], object]) -> None:
        """Wake a person where the state cannot be kept: by this from now on, and now where it was
        so before.
        """
        self._wake = wake
        if self.fault:
            wake("HALT_IN_MEMORY", IN_MEMORY)

    @property
    def has_news(self) -> bool:
        """Whether the causes, or the baselines of losses, differ from the kept ones."""
        return self._manager.state.causes != self._causes or self._windows_began() != self._begun

    def prepare(self, place: Chain, now: datetime) -> Prepared:
        """The state of this moment, to be written; `place` is its place in the journal."""
        self._causes, self._begun = self._manager.state.causes.copy(), self._windows_began()
        self._prepared += 1
        tightest = max(
            self._causes.values(), key=lambda cause: TIGHTNESS[cause.level], default=None
        )
        note = None if tightest is None else Halted(tightest.level, tightest.reason)
        state = encode_state(_shortened(state_of(self._manager, place, now)))
        return Prepared(self._prepared, state, note, not self.takes_up)

    def write(self, prepared: Prepared) -> None:
        """Keep the prepared state, unless a later one is kept. In a thread or in the loop."""
        with self._lock:
            if prepared.number <= self._written:
                return
            self._written = prepared.number
            self._attempt(lambda: self._keep(prepared))

    def keep(self, place: Chain, now: datetime) -> None:
        """Both at once."""
        self.write(self.prepare(place, now))

    def _keep(self, prepared: Prepared) -> None:
        reserve, tightest = self._made(), prepared.tightest
        try:
            reserve.keep(prepared.state, ends_note=prepared.ends_note)
        except TooLarge:  # a cause of one scope binds all, rather than being lost
            standing = None if prepared.ends_note else reserve.standing
            if tightest is None:
                if standing is None:
                    reserve.forget_note()
            elif standing is None:
                reserve.note(tightest)
            elif TIGHTNESS[standing.state] < TIGHTNESS[tightest.state]:
                reserve.note(replace(tightest, fault=standing.fault))

    def note_halt(self, state: Level, reason: str) -> None:
        """Keep a halt by a fault of our own, which left the state half way."""
        with self._lock:
            self._attempt(lambda: self._made().note(Halted(state, reason, fault=True)))

    def _made(self) -> HaltFile:
        if self._reserve is None:
            self._reserve = self._make()
        return self._reserve

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.fault = str(error.strerror)
            if not self._is_told:
                self._is_told = True
                self._log.critical(IN_MEMORY, fault=self.fault, file=error.filename)
                if self._wake is not None:
                    self._wake("HALT_IN_MEMORY", IN_MEMORY)
            return
        self.fault, self._is_told = "", False

    def _windows_began(self) -> Any:
        windows = self._manager.tracker.windows
        if windows is None:
            return None
        return [window.started_at for window in windows.fixed]


def _shortened(state: SavedState) -> SavedState:
    """Without the parts that are read anew from Coinbase: most of the ended orders, and the prices
    of the past.
    """
    tracker, manager = state.tracker, state.manager
    left_out = tracker.closed[:-CLOSED_MAX]
    times = [tracker.horizon, *(order.traded_at or order.updated_at for order in left_out)]
    horizon = max((time for time in times if time is not None), default=None)
    return replace(
        state,
        tracker=replace(tracker, closed=tracker.closed[-CLOSED_MAX:], horizon=horizon),
        manager=manager and replace(manager, risk=None),
    )
