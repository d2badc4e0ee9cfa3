"""One line of the journal: a fact that entered the core, or an action of the core. No I/O.

    {"seq":17,"sum":"9f…","type":"Quotes","at":"…",…}

`sum` chains each line to the one before, so that no line can be changed, lost or moved without the
next one telling. A replay feeds the events; actions are there for people, and are passed over.
"""

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Union

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from sidecar.core.vocabulary import actions, events
from sidecar.core.vocabulary.errors import Misuse
from sidecar.core.vocabulary.limits import Limits

SUM_BYTES: Final = 8  # guards against accidents, not against forgers: those could write a new chain
FIRST_SUM: Final = "0" * 2 * SUM_BYTES
LINE_BYTES_MAX: Final = 4 << 20  # a listing of every product is a tenth of this


class LineFault(Misuse):
    """A line that differs from the one written. `seq` is where in the chain it should have been."""

    def __init__(self, seq: int, what: str) -> None:
        super().__init__(f"line {seq}: {what}")
        self.seq = seq


class Header(Struct):
    """The fields that every line begins with."""

    seq: int
    sum: str
    type: str
    at: datetime | None = None


EVENTS: Final[tuple[type[events.Event], ...]] = tuple(events.Event.__subclasses__())
ACTIONS: Final = frozenset(kind.__name__ for kind in actions.Action.__subclasses__())


def _to_json(value: Any) -> Any:
    if isinstance(value, Limits):
        return value.model_dump(mode="json", exclude_unset=True)
    raise TypeError(f"{type(value).__name__} has no place in the journal")


def _from_json(kind: type, value: Any) -> Any:
    if kind is Limits:
        try:
            return Limits.model_validate(value)
        except ValidationError as error:  # its words would repeat the values
            raise ValueError(f"{error.error_count()} limits are not valid") from None
    raise TypeError(f"{kind.__name__} has no place in the journal")


_encode: Final = msgspec.json.Encoder(enc_hook=_to_json, order="deterministic").encode
_header: Final = msgspec.json.Decoder(Header).decode
_event: Final = msgspec.json.Decoder(Union[EVENTS], dec_hook=_from_json).decode  # noqa: UP007 - of a tuple


class Line(NamedTuple):
    """One line, read: where it stands, and the event it holds or None for an action's."""

    header: Header
    event: events.Event | None


class Chain:
    """Where a journal has come to: the next line's number, and the sum it is chained to."""

    def __init__(self, seq: int = 1, total: str = FIRST_SUM) -> None:
        self.seq = seq
        self.sum = total

    def write(self, record: events.Event | actions.Action, at: datetime) -> bytes:
        """The next line, its end of line included. `at` is when an action was asked for."""
        body = _encode(_storable(record))
        if isinstance(record, actions.Action):
            body = b'{"at":%b,%b' % (_encode(at), body[1:])
        total = _chained(self.sum, body)
        line = b'{"seq":%d,"sum":"%b",%b\n' % (self.seq, total.encode(), body[1:])
        self.seq, self.sum = self.seq + 1, total
        return line

    def read(self, line: bytes) -> Line:
        """The next line, checked against the chain. Raises LineFault and stays where it was."""
        if not line.endswith(b"\n"):
            raise LineFault(self.seq, "is not finished")
        try:
            header = _header(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise LineFault(self.seq, "is not a journal's line") from None
        if header.seq != self.seq:
            raise LineFault(self.seq, f"has number {header.seq}")
        head = b'{"seq":%d,"sum":"%b",' % (header.seq, header.sum.encode())
        body = b"{" + line[len(head) : -1]
        if not line.startswith(head) or _chained(self.sum, body) != header.sum:
            raise LineFault(
                self.seq, "does not match its checksum: it was changed, or lines are missing"
            )
        event = None if header.type in ACTIONS else self._decode(body)
        self.seq, self.sum = self.seq + 1, header.sum
        return Line(header, event)

    def _decode(self, body: bytes) -> events.Event:
        try:
            event: events.Event = _event(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise LineFault(self.seq, f"holds what this version cannot read ({error})") from None
        return event


def _storable(record: events.Event | actions.Action) -> events.Event | actions.Action:
    """An order's body as text: bytes would be stored as base64, which no person reads."""
    if isinstance(record, events.OrderProposed) and isinstance(record.body, bytes):
        return replace(record, body=record.body.decode("utf-8"))
    return record


def _chained(before: str, body: bytes) -> str:
    return blake2b(before.encode() + body, digest_size=SUM_BYTES).hexdigest()
