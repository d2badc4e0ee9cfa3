"""What a bot imports: ask the sidecar before every order.

    from sidecar.client import Client

    sidecar = Client("state/run/order.sock")
    decision = sidecar.validate_order(body)      # the very JSON you will POST to Coinbase
    if decision:
        coinbase.create_order(**body)

Whatever goes wrong on the way is a refusal: no socket, no answer in time, an answer that is none.
`decision.codes` then holds NO_ANSWER, and `decision.violations[0].message` says what to mend. Imports
nothing of the engine, so that a bot stays light.
"""

import asyncio
import itertools
import os
import socket
import struct
import threading
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

TIMEOUT_S: Final = (
    1.0  # a decision takes a fraction of a millisecond; a second means nobody is there
)
ANSWER_BYTES_MAX: Final = 4 << 20
CREDENTIALS: Final = struct.Struct("3i")
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


class _Answer(Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: dict[str, Any] | None = None


class _Event(Struct):
    params: dict[str, Any]


_decode: Final = msgspec.json.Decoder(_Answer).decode
_event: Final = msgspec.json.Decoder(_Event).decode
_decision: Final = msgspec.json.Decoder(Decision).decode
_encode: Final = msgspec.json.Encoder().encode

Order = Mapping[str, Any] | bytes | str


def _request(number: int, method: str, params: Mapping[str, Any]) -> bytes:
    return _encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + b"\n"


def _order_params(order: Order, strategy_id: str | None, *, dry_run: bool) -> dict[str, Any]:
    raw = order.encode() if isinstance(order, str) else order
    body = msgspec.Raw(raw) if isinstance(raw, bytes) else raw
    return {"order": body, "strategy_id": strategy_id, "dry_run": dry_run}


def _result(line: bytes, number: int) -> msgspec.Raw:
    """The result of our question. Raises AskFailed."""
    try:
        answer = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AskFailed(
            "the answer is not of the sidecar's language; is the socket its own?"
        ) from None
    if answer.error is not None:
        raise AskFailed(str(answer.error.get("message", "the sidecar refused to answer")))
    if answer.id != number:
        raise AskFailed("the answer is to another question")
    return answer.result


def _refused(order: Order, why: str) -> Decision:
    client_order_id = order.get("client_order_id") if isinstance(order, Mapping) else None
    return Decision(
        approved=False,
        client_order_id=client_order_id if isinstance(client_order_id, str) else None,
        violations=(Violation(code=NO_ANSWER, message=why),),
    )


def _check_server(peer: Any, uid: int | None) -> None:
    """Raises AskFailed when somebody else's process answers: it could approve anything."""
    believed = {os.getuid() if uid is None else uid, 0}
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    server = int(CREDENTIALS.unpack(raw)[1])
    if server not in believed:
        raise AskFailed(
            f"user {server} listens there; if the sidecar runs as that user, say server_uid={server}"
        )


class Client:
    """The blocking client; one at a time asks, the others wait. Reconnects by itself."""

    def __init__(
        self, path: Path | str, *, timeout_s: float = TIMEOUT_S, server_uid: int | None = None
    ) -> None:
        """`server_uid`: whom to believe beside root, where the sidecar is not this user's."""
        self._path = str(path)
        self._timeout_s = timeout_s
        self._server_uid = server_uid
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._socket: socket.socket | None = None
        self._rest = b""

    def validate_order(
        self, order: Order, *, strategy_id: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Whether this order may be sent now. Never raises for what happens on the way: it refuses."""
        try:
            asked = _order_params(order, strategy_id, dry_run=dry_run)
            return _decision(self.ask("validate_order", **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return _refused(order, str(error))

    def release_order(self, client_order_id: str) -> None:
        """Drop an approval that will not be used. Raises AskFailed; it lapses by itself anyway."""
        self.ask("release_order", client_order_id=client_order_id)

    def ask(self, method: str, **params: Any) -> msgspec.Raw:
        """The result of any method, as JSON. Raises AskFailed."""
        with self._lock:
            number = next(self._numbers)
            try:
                return _result(self._exchange(_request(number, method, params)), number)
            except (OSError, AskFailed) as error:
                self.close()  # what comes later on this connection would answer another question
                if isinstance(error, AskFailed):
                    raise
                raise AskFailed(_words(self._path, error)) from None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._rest = b""

    def _exchange(self, request: bytes) -> bytes:
        """One line out, one line in; once more when the sidecar was restarted meanwhile."""
        if self._socket is not None:
            with suppress(ConnectionError):
                return self._send_and_read(self._socket, request)
            self.close()
        self._socket = self._connect()
        return self._send_and_read(self._socket, request)

    def _connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(self._timeout_s)
        try:
            made.connect(self._path)
            _check_server(made, self._server_uid)
        except (OSError, AskFailed):
            made.close()
            raise
        return made

    def _send_and_read(self, peer: socket.socket, request: bytes) -> bytes:
        peer.sendall(request)
        while b"\n" not in self._rest:
            data = peer.recv(65_536)
            if not data:
                raise ConnectionResetError("the sidecar closed the connection")
            self._rest += data
            if len(self._rest) > ANSWER_BYTES_MAX:
                raise AskFailed("the answer does not end")
        line, _, self._rest = self._rest.partition(b"\n")
        return line


class AsyncClient:
    """The same for asyncio; many tasks may ask at once over its one connection."""

    def __init__(
        self, path: Path | str, *, timeout_s: float = TIMEOUT_S, server_uid: int | None = None
    ) -> None:
        """`server_uid`: whom to believe beside root, where the sidecar is not this user's."""
        self._path = str(path)
        self._timeout_s = timeout_s
        self._server_uid = server_uid
        self._numbers = itertools.count(1)
        self._opening = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    async def validate_order(
        self, order: Order, *, strategy_id: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Whether this order may be sent now. Never raises for what happens on the way: it refuses."""
        try:
            asked = _order_params(order, strategy_id, dry_run=dry_run)
            return _decision(await self.ask("validate_order", **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return _refused(order, str(error))

    async def release_order(self, client_order_id: str) -> None:
        """Drop an approval that will not be used. Raises AskFailed; it lapses by itself anyway."""
        await self.ask("release_order", client_order_id=client_order_id)

    async def ask(self, method: str, **params: Any) -> msgspec.Raw:
        """The result of any method, as JSON. Raises AskFailed."""
        number = next(self._numbers)
        request = _request(number, method, params)
        try:
            async with asyncio.timeout(self._timeout_s):
                writer = await self._connected()
                if writer.is_closing():  # not every loop takes what is written to it then
                    raise ConnectionResetError("the sidecar closed the connection")
                answer = self._waiting[number] = asyncio.get_running_loop().create_future()
                writer.write(request)
                await writer.drain()
                return _result(await answer, number)
        except (OSError, TimeoutError) as error:
            raise AskFailed(_words(self._path, error)) from None
        finally:
            waiting = self._waiting.pop(number, None)
            if waiting is not None and waiting.done() and not waiting.cancelled():
                waiting.exception()  # told to us already, or we were cancelled meanwhile

    async def events(self, topics: Iterable[str]) -> AsyncGenerator[dict[str, Any], None]:
        """What happens from now on, as it happens, over a connection of its own.

        `topics`: any of state, decisions, positions, limits. Each event is a dict with `topic`, `at`
        and what the topic tells. Raises AskFailed when the sidecar cannot be asked, does not know a
        topic, or has ended the connection: what was missed meanwhile is in `status` and `positions`.
        Close it (`contextlib.aclosing`) to stop listening before that.
        """
        writer = None
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await self._open()
                writer.write(_request(1, "subscribe", {"topics": list(topics)}))
                answer = await reader.readline()
            if answer:
                _result(answer, 1)
            while line := await reader.readline():
                yield _event(line).params
        except OSError as error:  # a time-out is one
            raise AskFailed(_words(self._path, error)) from None
        except (ValueError, msgspec.DecodeError) as error:  # a line without end is a ValueError
            raise AskFailed(f"{self._path}: {error}") from None
        finally:
            if writer is not None:
                writer.transport.abort()
        raise AskFailed(f"{self._path}: the sidecar closed the connection")

    async def close(self) -> None:
        """Let go of the connection; who still waits is refused."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._forget(ConnectionResetError("closed"))

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._opening:
            if self._writer is None:
                reader, writer = await self._open()
                self._writer = writer
                loop = asyncio.get_running_loop()
                self._reading = loop.create_task(self._read(reader))
            return self._writer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=ANSWER_BYTES_MAX)
        try:
            _check_server(writer.get_extra_info("socket"), self._server_uid)
        except AskFailed:
            writer.transport.abort()
            raise
        return reader, writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand each answer to who asked, until the connection ends."""
        error: OSError = ConnectionResetError("the sidecar closed the connection")
        try:
            while line := await reader.readline():
                with suppress(msgspec.DecodeError):
                    answer = _decode(line)
                    waiting = self._waiting.get(answer.id or 0)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(line)
        except (OSError, ValueError) as fault:  # a line without end is a ValueError of the reader's
            error = ConnectionResetError(str(fault))
        self._forget(error)

    def _forget(self, error: OSError) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)


def _words(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"no sidecar listens on {path}; start it, or name its order socket"
    if isinstance(error, TimeoutError):
        return f"no answer on {path} in time; nothing may be sent"
    return f"{path}: {error.strerror or error}"
