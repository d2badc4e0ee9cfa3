"""The lines of the order socket: questions as they go out, answers as they come in. No I/O."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from risk_sidecar_client.decision import Decision
from risk_sidecar_client.failures import AskFailed, NotServed, Refused


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


def facts_of(result: msgspec.Raw) -> dict[str, Any]:
    """A result that is an object, for a bot to look into."""
    facts: dict[str, Any] = msgspec.json.decode(result)
    return facts
