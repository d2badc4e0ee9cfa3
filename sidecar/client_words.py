"""What a client of the order socket says and hears: requests as lines, answers as decisions. No I/O.

Imports nothing of the engine, so that a bot stays light.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

NO_ANSWER: Final = "NO_ANSWER"


class Violation(Struct, frozen=True):
    """A broken rule. `code`, `scope`, `limit`, `observed` are for programs, `message` for people."""

    code: str
    message: str
    scope: str = "all"
    limit: str | None = None
    observed: str | None = None
    clears_at: str | None = None


class Decision(Struct, frozen=True):
    """The sidecar's answer; true when approved. Decimals and times are text, as they came."""

    approved: bool
    client_order_id: str | None = None
    decision_id: str = ""
    state: str = ""
    notional: str | None = None
    price: str | None = None
    reducing: bool = False
    max_base_size: str = "0"
    reserved_until: str | None = None
    replayed: bool = False
    as_of: str = ""
    violations: tuple[Violation, ...] = ()
    warnings: tuple[Violation, ...] = ()

    def __bool__(self) -> bool:
        return self.approved

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of every broken rule."""
        return tuple(violation.code for violation in self.violations)


class AskFailed(Exception):
    """A question that is no order could not be answered; the message says what to mend."""


class Refused(AskFailed):
    """The sidecar's own word on this very question; the connection is as good as before."""


class NotServed(AskFailed):
    """The sidecar's word on the connection: it has no room for it, or may not be asked by this user."""


class Answer(Struct):
    """A line that answers; the result is decoded by whoever asked."""

    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: dict[str, Any] | None = None


class Event(Struct):
    """A line between the answers."""

    params: dict[str, Any]


decode_answer: Final = msgspec.json.Decoder(Answer).decode
decode_event: Final = msgspec.json.Decoder(Event).decode
decode_decision: Final = msgspec.json.Decoder(Decision).decode
encode: Final = msgspec.json.Encoder().encode

Order = Mapping[str, Any] | bytes | str


def request_line(number: int, method: str, params: Mapping[str, Any]) -> bytes:
    """One question as it goes out."""
    return encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + b"\n"


def order_params(order: Order, strategy_id: str | None, *, dry_run: bool) -> dict[str, Any]:
    """What `validate_order` is asked with: bytes and text go out as they are, on one line. Raises
    msgspec's DecodeError for what is not one JSON value: it could end the question and begin another.
    """
    raw = order.encode() if isinstance(order, str) else order
    body = msgspec.Raw(msgspec.json.format(raw, indent=-1)) if isinstance(raw, bytes) else raw
    return {"order": body, "strategy_id": strategy_id, "dry_run": dry_run}


def named(**params: Any) -> dict[str, Any]:
    """Parameters, but for those that were left out."""
    return {name: value for name, value in params.items() if value is not None}


def result_of(line: bytes, number: int) -> msgspec.Raw:
    """The result of our question. Raises AskFailed."""
    try:
        answer = decode_answer(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AskFailed(
            "the answer is not of the sidecar's language; is the socket its own?"
        ) from None
    if answer.error is not None:
        kind = {number: Refused, None: NotServed}.get(answer.id, AskFailed)
        raise kind(str(answer.error.get("message", "the sidecar refused to answer")))
    if answer.id != number:
        raise AskFailed("the answer is to another question")
    return answer.result


def no_answer(order: Order | None, why: str) -> Decision:
    """The refusal of what could not be asked about: an order, or what names one."""
    client_order_id = order.get("client_order_id") if isinstance(order, Mapping) else None
    return Decision(
        approved=False,
        client_order_id=client_order_id if isinstance(client_order_id, str) else None,
        violations=(Violation(code=NO_ANSWER, message=why),),
    )


def facts_of(result: msgspec.Raw) -> dict[str, Any]:
    """A result that is an object, for a bot to look into."""
    facts: dict[str, Any] = msgspec.json.decode(result)
    return facts
