"""Replays: the journal's facts once more, and whether they have the recorded consequences. Reads
files.

    base state of a file → a manager as the daemon has one → every fact of it and of the files after

Under the limits of then, each decision must be the recorded one to the last digit: only the facts
may decide. Under other limits it shows the decisions of these, with the facts as they were: orders
that they would have refused traded all the same, and their positions are held from then on.

A journal of an older version shows which decisions the words of now change. Orders after one of
these are still judged by the facts as they were: an approval that no bot was given binds no funds.

A new process begins from the state that it began with; after a hole, where lines were given up, the
replay goes on from the state behind it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from sidecar import clock
from sidecar.config.tables import Config
from sidecar.core.guards.loosening import LooseningMemory
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved import SavedState, restore_manager, restore_tracker
from sidecar.core.vocabulary import actions as ac
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.decision import Decision
from sidecar.core.vocabulary.limits import Limits
from sidecar.custom_rules import load_custom_rules
from sidecar.daemon.recovery import new_manager, restored
from sidecar.daemon.retelling import ASKED, Retelling
from sidecar.storage.journal_codec import Chain, LineFault
from sidecar.storage.journal_files import JournalError, base_path, first_seq, read_base
from sidecar.storage.journal_reading import header_of, told, whole_lines

Judged = ev.OrderProposed | ev.EditProposed | ev.CloseProposed
States = tuple[tuple[str, str], ...]  # before and after

_recorded: Final = msgspec.json.Decoder(ac.Decided | ac.StateChanged).decode
COMPARED: Final = frozenset({"Decided", "StateChanged"})
VERIFY: Final = "risk-sidecar journal verify says where and what to do"


class Fact(NamedTuple):
    """One fact of the journal, with its consequences of then. `asked`: REST, for prices. `is_cut`:
    perhaps not all of it, for the file ends there.
    """

    seq: int
    event: ev.Event
    decision: Decision | None = None
    states: States = ()
    asked: bool = False
    is_cut: bool = False


class Differs(NamedTuple):
    """A decision that is not the recorded one. None where there is none at all."""

    seq: int
    event: ev.Event
    then: Decision | None
    now: Decision | None


class Moves(NamedTuple):
    """The account's state moved otherwise than recorded."""

    seq: int
    at: datetime
    then: States
    now: States


class Totals:
    """The outcome of a replay."""

    def __init__(self) -> None:
        self.files = self.facts = self.decisions = self.holes = 0
        self.approved_then = self.approved_now = 0
        self.differing = self.refused_now = self.let_through_now = self.other_codes = 0
        self.moves_then = self.moves_now = 0
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None


class Replay:
    """One replay of these files, from the first one's base state on.

    `limits` take the place of the recorded ones, which then never bind. Only facts at or after
    `since`, a line's number or a time, are compared and counted. `totals` is complete when `run`
    is.
    """

    def __init__(
        self,
        config: Config,
        paths: list[Path],
        *,
        limits: Limits | None = None,
        since: int | datetime | None = None,
    ) -> None:
        self.totals = Totals()
        self._config = config
        self._paths = paths
        self._limits = limits
        self._since = since
        self._life = recorded_life(paths)

    def run(self, progress: Callable[[int], None]) -> Iterator[Differs | Moves]:
        """Every difference, in order. Raises JournalError for damage, Misuse for custom rules that
        cannot be loaded.
        """
        retelling, chain = None, Chain()
        for path in self._paths:
            seq = first_seq(path)
            is_hole = retelling is not None and chain.seq != seq
            is_new_process = self._limits is None and _begins_a_process(path)
            if retelling is None or is_hole or is_new_process:
                manager, chain = self._begin(path, chain)
                manager.looks_ahead = False
                retelling = Retelling(manager)
            self.totals.holes += is_hole
            self.totals.files += 1
            for fact in facts(path, chain, progress):
                yield from self._again(retelling, fact)

    def _begin(self, path: Path, chain: Chain) -> tuple[RiskManager, Chain]:
        """A manager that stands where the file begins. A first start has no state yet."""
        base = base_path(path.parent, first_seq(path))
        if not base.exists():
            raise JournalError(
                f"{base.name} is missing: nothing can be replayed from there; {VERIFY}"
            )
        saved = read_base(base)
        chain = Chain(saved.journal.seq, saved.journal.sum) if saved.journal is not None else chain
        if chain.seq != first_seq(path):
            raise JournalError(f"{base.name} does not belong to its file; {VERIFY}")
        if self._limits is None:
            return restored(
                saved, self._config.limits, lambda limits: self._build(saved, limits)
            ), chain
        manager = self._build(saved, self._limits)
        if saved.manager is not None:
            restore_tracker(saved.tracker, manager.tracker)
            restore_manager(saved.manager, manager)
            manager.loosening.memory = LooseningMemory()  # those that waited then do not bind
        return manager, chain

    def _build(self, saved: SavedState, limits: Limits) -> RiskManager:
        """`keep` is the saved wallets' own, value at risk is computed as it was then; custom rules
        are those of the limits.

        Unapproved orders have no answer under other limits: nearly every order would be one.
        """
        positions, server = self._config.positions, self._config.server
        kept = {
            name: "all" if wallet.keep is None else wallet.keep
            for name, wallet in saved.tracker.wallets.items()
        }
        keep = {name: amount for name, amount in {**positions.keep, **kept}.items() if amount}
        answer = server.unapproved_orders if self._limits is None else "alert"
        config = self._config.model_copy(
            update={
                "positions": positions.model_copy(update={"keep": keep}),
                "server": server.model_copy(update={"unapproved_orders": answer}),
            }
        )
        life = self._life or timedelta(seconds=float(server.reservation_s))
        custom = load_custom_rules(limits.custom)
        past = None if saved.manager is None else saved.manager.risk
        risk = None if past is None else past.settings
        return new_manager(config, limits, custom, life, clock.now, risk)

    def _again(self, retelling: Retelling, fact: Fact) -> Iterator[Differs | Moves]:
        """Let the manager take in a fact, and yield how its consequences differ from the recorded
        ones.
        """
        event = fact.event
        actions = retelling.tell(self._fed(fact))
        if not fact.is_cut:
            actions = actions + retelling.finish(event.at, asked=fact.asked)
        if not self._counts(fact):
            return
        self._count(fact)
        now = next((act.decision for act in actions if isinstance(act, ac.Decided)), None)
        moves = tuple((a.before, a.after) for a in actions if isinstance(a, ac.StateChanged))
        if self._may_lack_its_end(fact):
            return
        self._count_decision(fact, now)
        if self._differ(fact.decision, now):
            yield Differs(fact.seq, fact.event, fact.decision, now)
        self.totals.moves_then += len(fact.states)
        self.totals.moves_now += len(moves)
        if moves != fact.states:
            yield Moves(fact.seq, event.at, fact.states, moves)

    def _fed(self, fact: Fact) -> ev.Event:
        """The fact as the manager is told it. An order refused then reserves no funds if it passes
        now, for no bot was told so; under other limits it does, as these are tried by the orders
        they let through.
        """
        event = fact.event
        if self._limits is not None:
            is_limits = isinstance(event, ev.LimitsReplaced | ev.LooseningConfirmed)
            return ev.ClockAdvanced(at=event.at) if is_limits else event
        if isinstance(event, Judged) and fact.decision is not None and not fact.decision:
            return replace(event, dry_run=True)
        return event

    def _may_lack_its_end(self, fact: Fact) -> bool:
        """Whether a consequence may be missing that was not written any more."""
        if not fact.is_cut or fact.decision is not None or fact.states:
            return False
        return self._limits is None or isinstance(fact.event, Judged)

    def _differ(self, then: Decision | None, now: Decision | None) -> bool:
        """Under other limits only the answer counts, not the figures beside it; the words to people never do: another
        version may say the same in others.
        """
        if self._limits is None or then is None or now is None:
            return then != now and _without_words(then) != _without_words(now)
        return (then.approved, _codes(then)) != (now.approved, _codes(now))

    def _counts(self, fact: Fact) -> bool:
        match self._since:
            case None:
                return True
            case int():
                return fact.seq >= self._since
        return fact.event.at >= self._since

    def _count(self, fact: Fact) -> None:
        totals = self.totals
        totals.facts += 1
        totals.first_at, totals.last_at = totals.first_at or fact.event.at, fact.event.at

    def _count_decision(self, fact: Fact, now: Decision | None) -> None:
        totals, then = self.totals, fact.decision
        totals.decisions += isinstance(fact.event, Judged)
        was, is_now = bool(then), bool(now)
        totals.approved_then += was
        totals.approved_now += is_now
        totals.refused_now += was and not is_now
        totals.let_through_now += is_now and not was
        totals.other_codes += not was and not is_now and _codes(then) != _codes(now)
        totals.differing += self._differ(then, now)


def _without_words(decision: Decision | None) -> Decision | None:
    if decision is None:
        return None
    told = {
        name: tuple(replace(one, message="") for one in getattr(decision, name))
        for name in ("violations", "warnings")
    }
    return replace(decision, **told)


def _codes(decision: Decision | None) -> list[str] | None:
    return None if decision is None else sorted(decision.codes)


def facts(path: Path, chain: Chain, progress: Callable[[int], None]) -> Iterator[Fact]:
    """Every fact of a file. Raises JournalError, naming file and line."""
    open_fact: Fact | None = None
    for raw in told(whole_lines(path), progress):
        try:
            line = chain.read(raw)
        except LineFault as fault:
            raise JournalError(f"{path.name}: {fault}; {VERIFY}") from None
        if line.event is not None:
            if open_fact is not None:
                yield open_fact
            open_fact = Fact(line.header.seq, line.event)
        elif open_fact is not None and line.header.type in COMPARED:
            open_fact = _with(open_fact, raw)
        elif open_fact is not None and line.header.type == ASKED:
            open_fact = open_fact._replace(asked=True)
    if open_fact is not None:
        yield open_fact._replace(is_cut=True)


def _with(fact: Fact, raw: bytes) -> Fact:
    action = _recorded(raw)
    if isinstance(action, ac.Decided):
        return fact._replace(decision=action.decision)
    return fact._replace(states=(*fact.states, (action.before, action.after)))


def recorded_life(paths: list[Path]) -> timedelta | None:
    """How long an approval lived when this was recorded; None where no order was approved."""
    for path in paths:
        for raw in whole_lines(path):
            if b'"type":"Decided"' in raw and b'"reserved_until":"' in raw:
                action = _read(raw)
                if action is not None and action.decision.reserved_until is not None:
                    return action.decision.reserved_until - action.decision.as_of
    return None


def _read(raw: bytes) -> ac.Decided | None:
    """An approval that is not the repetition of an earlier one."""
    try:
        action = _recorded(raw)
    except msgspec.DecodeError:
        return None
    return action if isinstance(action, ac.Decided) and not action.decision.replayed else None


def _begins_a_process(path: Path) -> bool:
    for raw in whole_lines(path):
        header = header_of(raw)
        return header is not None and header.type == "Started"
    return False
