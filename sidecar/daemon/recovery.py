"""Crash-only start: the last snapshot, then the journal's tail, then a new process begins.

There is no other start: an orderly stop merely leaves a shorter tail. Coinbase's facts of the time
in between are read afterwards, by the reconciler.
"""

import re
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from sidecar.config.tables import Bot, Config
from sidecar.core.account.position_tracker import PositionTracker
from sidecar.core.context.custom_rule import CustomRule
from sidecar.core.context.settings import Settings
from sidecar.core.context.state import STANDS_STILL, Cause
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved import (
    JournalPlace,
    SavedManager,
    SavedState,
    restore_manager,
    restore_tracker,
    save_manager,
    save_tracker,
)
from sidecar.core.value_at_risk.settings import RiskSettings
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.limits import Limits
from sidecar.daemon.retelling import ASKED, Retelling
from sidecar.storage.codec import StateFileError
from sidecar.storage.directory import StateDirectory
from sidecar.storage.halt_file import Halted, Kept, read_reserve
from sidecar.storage.journal_codec import FIRST_SUM, Chain, Line
from sidecar.storage.journal_files import (
    JournalFiles,
    Tail,
    journal_paths,
    newest_base,
    newest_base_seq,
    raw_lines,
)
from sidecar.storage.snapshot import read_state

Build = Callable[[Limits], RiskManager]  # a new manager with a new tracker, under these limits
LINES_A_TURN: Final = 1_000  # read, then judged: alternating line by line, both are slower
# A halt by a fault has no change of state behind it: the fact that it interrupted was left out.
MODE: Final = re.compile(rb'"type":"(?:StateChanged".*"after":"([A-Z_]+)"|HaltRequested"(.*))')
ABORT: Final = b'"abort_liquidation":true'


class Recovered(NamedTuple):
    """Where the last process ended. `last_at`: the last moment known; None for a first start. `note`: a
    halt that no state has; `recalled`: the journal ends before the state in the reserve, which was taken up.
    """

    manager: RiskManager
    chain: Chain
    files: JournalFiles
    lines: int
    tail: Tail | None
    last_at: datetime | None
    was_stopped: bool
    note: Halted | None = None
    recalled: bool = False

    def first(self, now: datetime) -> list[ev.Event]:
        """The first events that the new process is told."""
        noted = [] if self.note is None else _orders_of(self.note, self.manager, now)
        return [self.started(now), *noted]

    def started(self, now: datetime) -> ev.Started:
        """The event that the new process begins with."""
        return ev.Started(at=now, unclean_since=None if self.was_stopped else self.last_at)


def recover(
    directory: StateDirectory,
    limits: Limits,
    build: Build,
    under: Callable[[SavedState | None], Limits] | None = None,
) -> Recovered:
    """Snapshot and journal tail as a manager that stands where the last process ended.

    It stands under the limits that were in force then, but for custom rules, which are those of
    `limits`, or of the limits that `under` gives for the saved state before anything is built. Raises
    StateFileError and JournalError, naming the file and the mend; no data is lost.
    """
    saved = _begin_from(directory)
    limits = limits if under is None else under(saved)
    place = (saved and saved.journal) or JournalPlace(seq=1, sum=FIRST_SUM)
    files = JournalFiles(directory.journal)
    manager = restored(saved, limits, build)
    manager.looks_ahead = False
    replayed = _Replayed(manager)
    chain, tail = files.recover(replayed.add, place.seq, place.sum, may_end_before=_was_full(saved))
    replayed.feed()
    manager.looks_ahead = True
    recovered = Recovered(
        manager=manager,
        chain=chain,
        files=files,
        lines=replayed.lines,
        tail=tail,
        last_at=replayed.last_at or (saved.saved_at if saved else None),
        was_stopped=replayed.was_stopped if replayed.lines else saved is None,
    )
    return _recall(recovered, read_reserve(directory.reserve), limits, build)


def _was_full(saved: SavedState | None) -> bool:
    causes = saved.manager.causes if saved is not None and saved.manager is not None else []
    return any(cause.code == "DISK_FULL" for cause in causes)


def _recall(recovered: Recovered, kept: Kept, limits: Limits, build: Build) -> Recovered:
    """Take up the state in the reserve where the journal ends before it: lines never reached the disk, or
    are gone. Of both the tighter counts.
    """
    recovered, state = recovered._replace(note=kept.note), kept.state
    place = None if state is None else state.journal
    if state is None or state.manager is None or place is None:
        return recovered
    if place.seq <= recovered.chain.seq:
        return recovered
    causes = _tighter(state.manager.causes, recovered.manager, state.saved_at)
    state = replace(state, manager=replace(state.manager, causes=causes))
    last_at = recovered.last_at
    return recovered._replace(
        manager=restored(state, limits, build),
        chain=Chain(place.seq, place.sum),
        last_at=state.saved_at if last_at is None else max(last_at, state.saved_at),
        was_stopped=False,
        recalled=True,
    )


def _tighter(kept: list[Cause], manager: RiskManager, at: datetime) -> list[Cause]:
    """The causes of the reserve's state, and those of the journal's that it has no more. A
    flattening that it has no more is over: no holding is sold for it, and no order passes.
    """
    causes = {(cause.code, cause.scope): cause for cause in kept}
    for name, cause in manager.state.causes.items():
        if cause.level == "LIQUIDATING" and name not in causes:
            over = Cause(
                code="ABORTED",
                scope="all",
                level="HALTED",
                since=at,
                reason=f"a flattening that was over when the journal ended: {cause.reason}",
            )
            causes.setdefault((over.code, over.scope), over)
        elif name not in causes or (cause.is_confirmed and not causes[name].is_confirmed):
            causes[name] = cause
    return list(causes.values())


def _orders_of(note: Halted, manager: RiskManager, now: datetime) -> list[ev.Event]:
    """The orders that restore the state of a note, where it is not in force already. Of a halt that
    is no fault it is the last word: a flattening that only the journal knows of has ended.
    """
    reason, state = f"{note.reason} (kept in the reserve)", manager.state
    orders: list[ev.Event] = []
    if note.state == "LIQUIDATING" and not state.has("LIQUIDATION"):
        orders.append(ev.FlattenRequested(at=now, reason=reason, by="sidecar"))
    if note.state == "REDUCE_ONLY":
        orders.append(ev.ReduceOnlyRequested(at=now, reason=reason, by="sidecar"))
    if note.fault and not state.has("FAULT"):
        orders.append(ev.HaltRequested(at=now, reason=reason, by="sidecar", fault=True))
    if note.state == "HALTED" and not note.fault:
        halt = ev.HaltRequested(at=now, reason=reason, by="sidecar", abort_liquidation=True)
        orders.append(halt)
    return orders


class _Replayed:
    """Every fact fed again, in order; a fact refused then is refused now."""

    def __init__(self, manager: RiskManager) -> None:
        self._retelling = Retelling(manager)
        self._fact_at: datetime | None = None  # of the fact whose lines are being read
        self._asked = False
        self._waiting: list[Line] = []
        self.lines = 0
        self.last_at: datetime | None = None
        self.was_stopped = False  # the last fact was an end in order; its wishes may follow it

    def add(self, line: Line) -> None:
        self._waiting.append(line)
        if len(self._waiting) == LINES_A_TURN:
            self.feed()

    def feed(self) -> None:
        """Let the core have the waiting lines."""
        for line in self._waiting:
            self.last_at = line.header.at
            if line.event is not None:
                self._tell(line.event)
            elif line.header.type == ASKED:
                self._asked = True
        self.lines += len(self._waiting)
        self._waiting.clear()

    def _tell(self, event: ev.Event) -> None:
        """A start of an older version is completed as it was then; no loss is confirmed that was
        not: the new process asks REST about it before any sale.
        """
        if self._fact_at is not None:
            is_ready = self._retelling.manager.state.ready
            self._retelling.finish(self._fact_at, asked=self._asked or is_ready)
        self._fact_at, self._asked = event.at, False
        self.was_stopped = isinstance(event, ev.Stopped)
        self._retelling.tell(event)


def _begin_from(directory: StateDirectory) -> SavedState | None:
    """The snapshot, or the state beside the newest file where that stands later: lines between them
    may have been given up.
    """
    snapshot, seq = read_state(directory.state), newest_base_seq(directory.journal)
    if snapshot is not None and (snapshot.journal is None or snapshot.journal.seq >= seq):
        return snapshot
    return newest_base(directory.journal) or snapshot


def restored(saved: SavedState | None, limits: Limits, build: Build) -> RiskManager:
    """A manager as it was saved; a new one where none was."""
    if saved is None or saved.manager is None:
        return build(limits)
    manager = build(Limits.model_validate({**saved.manager.limits, "custom": limits.custom}))
    restore_tracker(saved.tracker, manager.tracker)
    restore_manager(saved.manager, manager)
    return manager


def new_manager(  # noqa: PLR0913, PLR0917 - the parts of a manager, one each
    config: Config,
    limits: Limits,
    custom: tuple[CustomRule, ...],
    life: timedelta,
    now: Callable[[], datetime],
    risk: RiskSettings | None = None,
) -> RiskManager:
    """A manager of no account yet, as the daemon has one. `life`: of an approval, market time; its
    ratio to the configured one is the time scale of the market. `risk`: how value at risk is computed, where that
    is not the configuration's word.
    """
    positions, liquidation, bots = config.positions, config.liquidation, config.server.bots
    keep = {name: None if kept == "all" else kept for name, kept in positions.keep.items()}
    settings = Settings(
        connected=True,
        reservation_life=life,
        confirm_for=timedelta(seconds=float(liquidation.confirm_s)),
        confirm_quotes=liquidation.confirm_quotes,
        balance_lag=timedelta(seconds=float(positions.balance_lag_s)),
        unapproved=config.server.unapproved_orders,
        may_flatten=frozenset(
            (*config.server.may_flatten, *(name for name, bot in bots.items() if bot.may_flatten))
        ),
        named_bots=frozenset(bots),
        bot_uids={name: frozenset(bot.uids) for name, bot in bots.items() if bot.uids is not None},
        bot_of_user=_only_bots(bots),
        strategy_uids=_users_of_strategies(bots),
        strategies=config.server.strategies or "auto",
        named_strategies=frozenset(name for bot in bots.values() for name in bot.strategies),
        time_scale=life.total_seconds() / float(config.server.reservation_s),
        risk=risk or config.var.settings(),
        exit_depth_factor=liquidation.exit_depth_factor,
        liquidation_assets=None if liquidation.assets == "all" else frozenset(liquidation.assets),
    )
    tracker = PositionTracker(keep=keep, cash=positions.cash, max_spread=limits.max_spread)
    return RiskManager(limits, tracker, clock=now, settings=settings, custom=custom)


def _only_bots(bots: dict[str, Bot]) -> dict[int, str]:
    """The bot of each user who belongs to a single bot."""
    uids = [uid for bot in bots.values() for uid in bot.uids or ()]
    return {
        uid: name for name, bot in bots.items() for uid in bot.uids or () if uids.count(uid) == 1
    }


def _users_of_strategies(bots: dict[str, Bot]) -> dict[str, frozenset[int]]:
    """Whom a strategy is for: the users of every bot that has it; one that is for all is not there."""
    users: dict[str, set[int]] = {}
    for bot in bots.values():
        for name in bot.strategies:
            users.setdefault(name, set()).update(bot.uids or ())
    free = {name for bot in bots.values() if bot.uids is None for name in bot.strategies}
    return {name: frozenset(uids) for name, uids in users.items() if name not in free}


def rebuild(
    directory: StateDirectory, limits: Limits, build: Build, now: datetime
) -> tuple[Recovered, list[ev.Event]]:
    """Set a damaged state aside and begin anew from Coinbase's facts.

    Also the events that the new process must be told first: reducing orders only, and halted, or
    flattening, where the damaged state, as far as it can be read, was. Limits that bind their owner by it go on to.
    """
    states = _readable_states(directory)
    stood_still = _stood_still(directory, states)
    aside = directory.set_aside(f"damaged-{now:%Y%m%dT%H%M%S}")
    reason = f"rebuilt from Coinbase; the damaged state is in {aside.name}"
    orders: list[ev.Event] = [ev.ReduceOnlyRequested(at=now, reason=reason, by="sidecar")]
    if stood_still is not None:
        verb = ev.FlattenRequested if stood_still == "LIQUIDATING" else ev.HaltRequested
        orders.append(verb(at=now, reason=f"{stood_still} before, and {reason}", by="sidecar"))
    recovered = recover(directory, limits, build)
    before = max(states, key=lambda state: state.saved_at, default=None)
    if before is not None and before.manager is not None:
        _bind_as_before(recovered.manager, before.manager)
    return recovered, orders


def _bind_as_before(manager: RiskManager, before: SavedManager) -> None:
    custom = manager.limits.custom
    limits = Limits.model_validate({**before.limits, "custom": custom})
    if limits.loosen_after is not None:
        manager.desk.use(limits)
        manager.loosening.memory = before.loosening


def _readable_states(directory: StateDirectory) -> list[SavedState]:
    """The states of a damaged directory that can be read: the snapshot, that beside the newest file, the reserve's."""
    states = (
        _readable(lambda: read_state(directory.state)),
        _readable(lambda: newest_base(directory.journal)),
        read_reserve(directory.reserve).state,
    )
    return [state for state in states if state is not None]


def _stood_still(directory: StateDirectory, states: list[SavedState]) -> str | None:
    """HALTED or LIQUIDATING where snapshot or journal, as far as they can be read, say so. Where no
    part of them can be read, they may have: in doubt it was halted.
    """
    kept = read_reserve(directory.reserve)
    managers = [state.manager for state in states if state.manager is not None]
    levels: set[str] = {cause.level for manager in managers for cause in manager.causes}
    read, mode = 0, _Mode()
    for path in journal_paths(directory.journal):
        try:
            for line in raw_lines(path):
                read += line.startswith(b'{"seq":')
                mode.note(line)
        except (OSError, EOFError, zlib.error):
            continue
    levels |= {mode.state} | (set() if kept.note is None else {kept.note.state})
    is_there = directory.state.exists() or bool(journal_paths(directory.journal))
    if mode.ends_flattening and "LIQUIDATING" in levels:
        return "HALTED"
    stood = levels & STANDS_STILL or (
        {"HALTED"} if is_there and not managers and not read else set()
    )
    return max(stood, default=None)  # LIQUIDATING, if it is among them


class _Mode:
    """The account's state by the journal's lines, in order."""

    def __init__(self) -> None:
        self.state = ""
        self.ends_flattening = False  # even if an earlier line said that one is under way

    def note(self, line: bytes) -> None:
        found = MODE.search(line)
        if found is None:
            return
        if found[1]:
            self.state = found[1].decode()
            self.ends_flattening = self.state == "HALTED"
        elif ABORT in found[2]:
            self.state, self.ends_flattening = "HALTED", True
        elif self.state != "LIQUIDATING":  # a plain halt ends no flattening
            self.state = "HALTED"


def _readable(read: Callable[[], SavedState | None]) -> SavedState | None:
    try:
        return read()
    except StateFileError:
        return None


def state_of(manager: RiskManager, chain: Chain, now: datetime) -> SavedState:
    """The state that survives, with its place in the journal."""
    return SavedState(
        saved_at=now,
        manager=save_manager(manager),
        tracker=save_tracker(manager.tracker),
        journal=JournalPlace(seq=chain.seq, sum=chain.sum),
    )
