"""The order socket's language: JSON-RPC 2.0, one UTF-8 object a line. No I/O.

Bytes come in, requests go out; answers become bytes. A line that is no request ends its connection,
for the bytes behind it cannot be told apart. The body of an order is kept as the bytes that came,
so that the body judged is the body sent.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from sidecar.core.vocabulary.events import LossWindow
from sidecar.core.vocabulary.money import readable
from sidecar.core.vocabulary.order_body import ID_CHARACTERS_MAX
from sidecar.server.error_codes import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
)

# A scaled order of a thousand rungs would not fit; none is sent so.
LINE_BYTES_MAX: Final = 64 * 1024

FAULT_CHARACTERS_MAX: Final = 300  # a decoder's words may repeat its input

Id = str | int | float | None | UnsetType


class ProtocolError(Exception):
    """The connection sent a line that is no request; it is answered with `answer` and closed."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = failed(None, code, message)


class RequestError(Exception):
    """A request that cannot be carried out; the connection goes on."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Early(Struct, frozen=True):
    """A result that may leave before all that it means is done; `finish` does that at once after."""

    result: Any
    finish: Callable[[], None]


class Lines:
    """Cuts a stream of bytes into lines of bounded length."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends. Raises Broken for one too long.

        Lines before the one that is too long are lost with it: the connection ends there.
        """
        end = data.find(b"\n")
        if 0 <= end == len(data) - 1 <= LINE_BYTES_MAX and not self._rest:
            return [data[:end]]  # one whole line, as nearly always
        self._rest += data
        whole = len(self._rest)
        *lines, rest = self._rest.split(b"\n")
        if whole > LINE_BYTES_MAX and any(len(line) > LINE_BYTES_MAX for line in (*lines, rest)):
            raise ProtocolError(INVALID_REQUEST, f"a line is longer than {LINE_BYTES_MAX} bytes")
        self._rest = rest
        return [bytes(line) for line in lines]


class Request(Struct):
    """One call. `id` is unset in a notification, which is carried out and not answered."""

    method: str
    id: Id = UNSET
    jsonrpc: str = ""
    params: Raw = Raw(b"{}")


class OrderCall(Struct, tag_field="method", tag="validate_order"):
    """The call that is in a hurry, parameters and all: it is decoded in one pass."""

    params: "ValidateOrder"
    id: Id = UNSET
    jsonrpc: str = ""
    method: ClassVar[str] = "validate_order"


_request: Final = msgspec.json.Decoder(Request).decode
_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder().encode


def read(line: bytes) -> Request | OrderCall:
    """One request. Raises Broken."""
    try:
        line.decode("utf-8")  # parts kept raw are not decoded below
        _check_names(line)
        request = _order_call(line) or _request(line)
    except msgspec.ValidationError as error:
        fault = str(error)[:FAULT_CHARACTERS_MAX]
        raise ProtocolError(INVALID_REQUEST, f"not a JSON-RPC request: {fault}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProtocolError(PARSE_ERROR, "not JSON in UTF-8, one object a line") from None
    if request.jsonrpc != "2.0":
        raise ProtocolError(INVALID_REQUEST, 'jsonrpc must be "2.0"')
    return request


def _check_names(line: bytes) -> None:
    """Raises Broken where an object has a name twice: which of the two counts is for each reader to say,
    and Coinbase may say otherwise. Nearly every line is seen through at once: it has no more colons than its
    objects have names once it is read, so none was lost to another.
    """
    try:
        names = _names_in(_object(line))
    except ValueError:  # no object, or a number in it beyond all bounds
        names = 0
    if names != line.count(b":"):
        with suppress(ValueError):  # no JSON; a decoder names its fault
            json.loads(line, object_pairs_hook=_once, parse_int=len, parse_float=len)


def _names_in(value: dict[str, Any]) -> int:
    """How many names it has, and the objects in it have, but for those in lists."""
    names = len(value)
    for inner in value.values():
        if type(inner) is dict:
            names += _names_in(inner)
    return names


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for name, _ in pairs:
        if name in seen:
            raise ProtocolError(
                INVALID_REQUEST, f"the name {name[:40]!r} is there twice in one object"
            )
        seen.add(name)


def _order_call(line: bytes) -> OrderCall | None:
    """None for other calls, and for one with a fault, which is explained step by step."""
    if b'"validate_order"' not in line:
        return None
    try:
        return _decode_order_call(line)
    except (msgspec.DecodeError, RecursionError):
        return None


# ------------------------------------------------------------------------------------------- params


# Ids and numbers: a longer text is none, and would be written down and told back.
Short = Annotated[str, Meta(max_length=ID_CHARACTERS_MAX)]


class Params(Struct, forbid_unknown_fields=True, kw_only=True):
    """Named parameters; one that is not known could change the meaning, and is an error."""


class ValidateOrder(Params, kw_only=True):
    """`order`: the very JSON that the bot will POST to Coinbase."""

    order: Raw
    strategy_id: Short | None = None
    dry_run: bool = False


class ValidateEdit(Params, kw_only=True):
    """Price and size are the new totals, as text; one left out stays."""

    order_id: Short | None = None
    client_order_id: Short | None = None
    price: Short | None = None
    size: Short | None = None
    dry_run: bool = False


class ValidateClose(Params, kw_only=True):
    """The very fields that the bot will POST to Coinbase's close_position; without a size, all of it."""

    product_id: Short
    client_order_id: Short
    size: Short | None = None
    strategy_id: Short | None = None
    dry_run: bool = False


class ReleaseOrder(Params, kw_only=True):
    """A reservation that will not be used."""

    client_order_id: Short


class Hello(Params, kw_only=True):
    """Who the bot is, and the action for a connection that drops without `bye`."""

    name: str
    strategy_id: str | None = None
    on_disconnect: str = "nothing"


class Subscribe(Params, kw_only=True):
    """The topics to be told of; with `snapshot`, beginning with their present state."""

    topics: list[str]
    snapshot: bool = False


class Nothing(Params):
    """A method without parameters."""


class Reasoned(Params, kw_only=True):
    """An operator's verb: why is kept beside who and when."""

    reason: str


class Halt(Reasoned, kw_only=True):
    """A flattening that is under way goes on, unless it is to end too; open orders stay, unless the orders that
    add risk are to be cancelled.
    """

    abort_liquidation: bool = False
    cancel_adding: bool = False


class ReduceOnly(Reasoned, kw_only=True):
    """For the account, or for a part named here. Open orders stay, unless the orders that add risk are to be
    cancelled.
    """

    product_id: Short | None = None
    strategy_id: Short | None = None
    cancel_adding: bool = False


class ResetLoss(Reasoned, kw_only=True):
    """Which loss is to count from now, in every scope or in the one named here."""

    window: LossWindow
    product_id: Short | None = None
    strategy_id: Short | None = None


_decode_order_call: Final = msgspec.json.Decoder(OrderCall).decode

METHODS: Final[dict[str, type[Params]]] = {
    "validate_order": ValidateOrder,
    "validate_edit": ValidateEdit,
    "validate_close": ValidateClose,
    "release_order": ReleaseOrder,
    "hello": Hello,
    "bye": Nothing,
    "ping": Nothing,
    "status": Nothing,
    "positions": Nothing,
    "limits": Nothing,
    "subscribe": Subscribe,
}
# On the control socket only.
OPERATOR_METHODS: Final[dict[str, type[Params]]] = {
    "halt": Halt,
    "flatten": Reasoned,
    "reduce_only": ReduceOnly,
    "resume": Reasoned,
    "reset_loss": ResetLoss,
    "cancel_all": Reasoned,
    "reload": Reasoned,
    "confirm_loosening": Reasoned,
}
CONTROL_METHODS: Final = METHODS | OPERATOR_METHODS
_params: Final = {name: msgspec.json.Decoder(kind).decode for name, kind in CONTROL_METHODS.items()}


def params(request: Request | OrderCall, methods: Mapping[str, type[Params]] = METHODS) -> Any:
    """The request's parameters, typed, of one of the methods. Raises Wrong, naming the parameter."""
    if type(request) is OrderCall:
        return request.params
    assert isinstance(request, Request)
    name = request.method
    if name not in methods:
        if name in OPERATOR_METHODS:
            raise RequestError(
                METHOD_NOT_FOUND, f"{name} is an operator's; ask it on the control socket"
            )
        known = ", ".join(methods)
        raise RequestError(METHOD_NOT_FOUND, f"no method {name[:40]!r}; there are {known}")
    try:
        return _params[name](request.params)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(INVALID_PARAMS, f"{name}: {str(error)[:FAULT_CHARACTERS_MAX]}") from None


# ------------------------------------------------------------------------------------------ answers


def answered(request_id: Id, result: Any) -> bytes:
    """The line of a result. Decimals go as text, times as RFC 3339 UTC."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % (_encode(request_id), _encode(result))


def failed(request_id: Id, code: int, message: str) -> bytes:
    """The line of an error."""
    error = {"code": code, "message": message}
    return _encode({"jsonrpc": "2.0", "id": request_id, "error": error}) + b"\n"


def plainly(content: Any) -> Any:
    """The same with every decimal as digits without an exponent: as people read them."""
    match content:
        case Decimal():
            return readable(content)
        case dict():
            return {name: plainly(value) for name, value in content.items()}
        case list():
            return [plainly(value) for value in content]
    return content


def event(content: Any) -> bytes:
    """The line of a notification to a subscriber."""
    return b'{"jsonrpc":"2.0","method":"event","params":%b}\n' % _encode(content)
