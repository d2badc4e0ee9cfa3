"""Records of histories: every fact told to a manager, its answer, and its memory every few steps.

A record is a text file in `records/`, one line a step:

    17 +42.5 Quotes [{product_id:BTC-USD,bid:64000… → CauseRaised {…} WakeAt {at:+50}
    = ACTIVE equity 100000 net -12.5 losses 12.5 12.5 12.5
    ~ t.wallets 5f0c s.usage 77ab

A line is the number of the step, its time in seconds since the first one, the fact (in short) and the actions in
full, without the words for people and without fields that are empty or false. A step without actions has no line. `=` are the main figures; `~` are checksums of the parts of the saved memory
and of the views that changed since the last such line: of the tracker's (t) and the manager's memory (m), of the
status (s), the positions (p), and other views (v). `python -m tests.retold` writes the records anew; a
change of behaviour that is meant is then a diff of these files.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal, DefaultContext, localcontext
from itertools import count
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from zlib import crc32

import msgspec
from msgspec import Struct

from sidecar.core import views
from sidecar.core.account import losses
from sidecar.core.risk_manager import RiskManager
from sidecar.core.saved import save_manager, save_tracker
from sidecar.core.vocabulary import events as ev
from sidecar.core.vocabulary.actions import Action
from sidecar.core.vocabulary.money import plain
from tests import scenario, telling

RECORDS: Final = Path(__file__).with_name("records")
SNAPSHOT_EVERY: Final = 20
FACT_CHARACTERS_MAX: Final = 70
WORDS: Final = {
    "reason", "text", "message", "fault", "words", "why", "mend", "note", "remaining", "unavailable",
}  # fmt: skip
NAMES_OF_WORDS: Final = {"uncancelled", "cancelling", "released", "apart", "products_elsewhere"}
DIGITS: Final = 9  # of a figure that floats led to
UNORDERED: Final = {"t.quotes", "t.newest"}  # lists of a mapping's values
RISK: Final = {"s.risk", "s.usage", "m.risk"}
Tell = Callable[[], object]


class Differs(AssertionError):
    """A step whose line is not the recorded one."""


class Record:
    """The lines of one history as it is told; each is compared where there is a record already."""

    def __init__(self, expected: list[str] | None = None) -> None:
        self.lines: list[str] = []
        self.expected = expected
        self.began: datetime | None = None
        self.steps = 0
        self.sums: dict[str, str] = {}

    def add(self, line: str) -> None:
        """Take one more line. Raises Differs."""
        place = len(self.lines)
        self.lines.append(line)
        if self.expected is None:
            return
        recorded = self.expected[place] if place < len(self.expected) else "(the end)"
        if recorded != line:
            raise Differs(f"line {place + 1}\nrecorded: {recorded}\nnow:      {line}")

    def finish(self) -> None:
        """The history is over: so must its record be. Raises Differs."""
        if self.expected is not None and len(self.expected) > len(self.lines):
            raise Differs(f"the record goes on: {self.expected[len(self.lines)]}")

    def step(self, event: ev.Event, answer: str) -> None:
        """One fact and its answer. Without actions it is counted, and no more."""
        self.began = self.began or event.at
        self.steps += 1
        if not answer:
            return
        fact = f"{type(event).__name__} {self._fact(event)}"
        self.add(f"{self.steps} {self._since(event.at)} {fact} → {answer}")

    def _fact(self, event: ev.Event) -> str:
        fields = [getattr(event, name) for name in event.__struct_fields__ if name != "at"]
        given = [one for one in fields if one not in (None, "", False)]
        return _json([self.told(one) for one in given])[1:-1][:FACT_CHARACTERS_MAX]

    def answer(self, actions: Iterable[Action]) -> str:
        """The actions of one step."""
        return " ".join(f"{type(one).__name__} {_json(self.told(one))}" for one in actions)

    def snapshot(self, manager: RiskManager, now: datetime) -> None:
        """The main figures, and the parts of memory and views that are other than last time."""
        tracker = manager.tracker
        windows = [losses.daily(tracker), losses.cumulative(tracker), losses.drawdown(tracker)]
        lost = " ".join(_short(loss.usd) for loss in windows) if tracker.windows else "none"
        figures = f"equity {_short(tracker.equity)} net {_short(tracker.account.net_pnl)}"
        self.add(f"= {manager.state.account} {figures} losses {lost}")
        sums = {name: self._sum(name, part) for name, part in _parts(manager, now)}
        changed = [f"{name} {one}" for name, one in sums.items() if self.sums.get(name) != one]
        self.sums = sums
        if changed:
            self.add(f"~ {' '.join(changed)}")

    def _sum(self, name: str, part: object) -> str:
        told = self.told(part, DIGITS if name in RISK else None)
        if name in UNORDERED:
            told = sorted(told, key=str)
        return f"{crc32(_sorted_json(told).encode()) & 0xFFFF:04x}"

    def told(self, value: Any, digits: int | None = None) -> Any:
        """A value as a record has it: numbers in one spelling, times from the first step on, no words for people."""
        match value:
            case str() | bool() | int() | None:
                return value
            case Struct():
                fields = {name: getattr(value, name) for name in value.__struct_fields__}
                return self._without_words(fields, digits)
            case Mapping():
                return self._without_words(value, digits)
            case set() | frozenset():
                return sorted(str(self.told(one, digits)) for one in value)
            case list() | tuple() | deque():
                return [self.told(one, digits) for one in value]
            case _:
                return self._spelled(value, digits)

    def _spelled(self, value: Any, digits: int | None) -> Any:
        match value:
            case Decimal():
                return _number(value) if digits is None else f"{float(value):.{digits}g}"
            case float():
                return f"{value:.{DIGITS}g}"
            case datetime():
                return self._since(value)
            case timedelta():
                return f"{value.total_seconds():g}s"
            case bytes():
                return value.hex()
            case _ if hasattr(value, "model_dump"):
                return self.told(value.model_dump(mode="json", exclude_unset=True))
            case _:
                return str(value)

    def _without_words(self, fields: Mapping[Any, Any], digits: int | None) -> dict[str, Any]:
        found = dict[str, Any]()
        for name, value in fields.items():
            if name in NAMES_OF_WORDS and isinstance(value, Mapping):
                found[name] = [*value]
            elif name not in WORDS and value not in (None, "", (), [], {}) and value is not False:
                found[str(name)] = self.told(value, digits)
        return found

    def _since(self, at: datetime) -> str:
        began = self.began or at
        micros = (at - began) // timedelta(microseconds=1)
        return f"{'+' if micros >= 0 else ''}{plain(Decimal(micros) / 1_000_000)}"


def _parts(manager: RiskManager, now: datetime) -> Iterator[tuple[str, object]]:
    tracker, memory = save_tracker(manager.tracker), save_manager(manager)
    for owner, saved in (("t", tracker), ("m", memory)):
        for name in saved.__struct_fields__:
            yield f"{owner}.{name}", getattr(saved, name)
    for owner, view in (
        ("s", views.status(manager, now)),
        ("p", views.positions(manager, now)),
    ):
        for name, part in view.items():
            yield f"{owner}.{name}", part
    yield "v.limits", views.limits(manager)
    yield "v.bots", views.bots(manager.sessions)


def _number(value: Decimal) -> str:
    return plain(value) if value.is_finite() else str(value)


def _short(value: Decimal) -> str:
    return plain(round(value, 4))


def _json(value: object) -> str:
    """Without its quotation marks: shorter, and nobody reads it back."""
    return msgspec.json.encode(value).decode().replace('"', "")


def _sorted_json(value: object) -> str:
    """Mappings by their keys: two that are equal have one checksum, however they came about."""
    return msgspec.json.encode(value, order="deterministic").decode()


@contextmanager
def recording(record: Record) -> Iterator[Record]:
    """Every manager that is told anything meanwhile is recorded."""
    handle, commit = RiskManager.handle, RiskManager.commit
    last = list[tuple[RiskManager, datetime]]()

    def told(manager: RiskManager, event: ev.Event) -> list[Action]:
        try:
            actions = handle(manager, event)
        except Exception as fault:
            record.step(event, f"raises {type(fault).__name__}")
            raise
        after(manager, event, actions)
        return actions

    def booked(manager: RiskManager, verdict: Any) -> list[Action]:
        actions = commit(manager, verdict)
        after(manager, verdict.event, actions)
        return actions

    def after(manager: RiskManager, event: ev.Event, actions: list[Action]) -> None:
        record.step(event, record.answer(actions))
        last[:] = [(manager, event.at)]
        if record.steps % SNAPSHOT_EVERY == 0:
            record.snapshot(manager, event.at)

    with (
        localcontext(DefaultContext),
        patch.object(RiskManager, "handle", told),
        patch.object(RiskManager, "commit", booked),
        patch.object(scenario, "NUMBERS", count(1)),
        patch.object(telling, "SERIAL", count(1)),
    ):
        yield record
        for manager, now in last:
            record.snapshot(manager, now)
    record.finish()


def record_of(name: str) -> Path:
    """The file of a history."""
    return RECORDS / f"{name}.txt"


def written(tell: Tell) -> str:
    """A record as it is now."""
    with recording(Record()) as record:
        tell()
    return "\n".join(record.lines) + "\n"


def retell(name: str, tell: Tell) -> None:
    """Tell a history again. Raises Differs at the first line that is not as recorded."""
    expected = record_of(name).read_text(encoding="utf-8").splitlines()
    with recording(Record(expected)):
        tell()
