"""The state file's format: versioned JSON with a checksum, readable by a person. No I/O."""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from sidecar.core.account.working import WorkingOrder
from sidecar.core.saved import SavedState
from sidecar.core.vocabulary.errors import Misuse

# The library has no --rebuild: its user moves the file away.
MEND: Final = (
    "restore it from a backup, or move it away to start anew; a sidecar begins from what Coinbase says with"
    " run --rebuild"
)
FORMAT: Final = "coinbase-risk-sidecar state"
VERSION: Final = 1


class StateFileError(Misuse):
    """A state file that cannot be used; it was left as it is. The message names the file and the
    mend.
    """


class _Envelope(Struct):
    format: str
    version: int
    checksum: str
    state: Raw


def encode_state(state: SavedState) -> bytes:
    """The file's bytes: indented JSON, decimals as text, times as RFC 3339."""
    return assemble(encode_head(state), encode_orders(state.tracker.closed))


def encode_head(state: SavedState) -> bytes:
    """The whole state but the ended orders, of which there may be very many."""
    tracker = replace(state.tracker, closed=[])
    return msgspec.json.encode(replace(state, tracker=tracker), order="deterministic")


def encode_orders(orders: Iterable[WorkingOrder]) -> list[bytes]:
    """Some of the ended orders."""
    return [msgspec.json.encode(order, order="deterministic") for order in orders]


def assemble(head: bytes, closed: list[bytes]) -> bytes:
    """The file's bytes from its parts; each ended order has a line."""
    body = head.replace(b'"closed":[]', b'"closed":[%b]' % b",".join(closed), 1)
    envelope = _Envelope(FORMAT, VERSION, _checksum(body), Raw(head))
    text = msgspec.json.format(msgspec.json.encode(envelope), indent=2)
    lines = b",".join(b"\n        " + order for order in closed)
    return text.replace(b'"closed": []', b'"closed": [%b]' % lines, 1) + b"\n"


def decode_state(data: bytes, name: str) -> SavedState:
    """Read the file's bytes. Raises StateFileError for a foreign, damaged or newer file, naming the
    mend.
    """
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise StateFileError(f"{name} is not a whole state file ({fault}); {MEND}") from None
    if envelope.format != FORMAT:
        raise StateFileError(
            f"{name} is a {envelope.format!r} file, not a {FORMAT!r} file; name the right one"
        )
    if envelope.version != VERSION:
        raise StateFileError(
            f"{name} has version {envelope.version}, this sidecar reads {VERSION}; start the sidecar that wrote it"
        )
    body = msgspec.json.format(bytes(envelope.state), indent=-1)
    if _checksum(body) != envelope.checksum:
        raise StateFileError(
            f"{name} does not match its checksum: it was damaged or edited; {MEND}"
        )
    try:
        return msgspec.json.decode(body, type=SavedState)
    except msgspec.ValidationError as fault:
        raise StateFileError(f"{name} holds what no state can hold: {fault}; {MEND}") from None


def _checksum(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()
