"""What a bot imports: ask the sidecar before every order.

    from sidecar.client import Client

    sidecar = Client("state/run/order.sock")
    decision = sidecar.validate_order(body)      # the very JSON you will POST to Coinbase
    if decision:
        coinbase.create_order(**body)

Whatever goes wrong on the way is a refusal: no socket, no answer in time, an answer that is none.
`decision.codes` then holds NO_ANSWER, and `decision.violations[0].message` says what to mend. Imports
nothing of the engine, so that a bot stays light.

A bot that has said `hello` is known until it says `bye`: the client says hello again on every
connection that it makes, and comes back by itself to a sidecar that was restarted, however long the
bot itself has nothing to ask.
"""

import asyncio
import itertools
import os
import socket
import struct
import threading
import weakref
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from sidecar.client_words import (
    NO_ANSWER,
    AskFailed,
    Decision,
    NotServed,
    Order,
    Refused,
    Violation,
    decode_answer,
    decode_decision,
    decode_event,
    facts_of,
    named,
    no_answer,
    order_params,
    request_line,
    result_of,
)

__all__ = ["NO_ANSWER", "AskFailed", "AsyncClient", "Client", "Decision", "Violation"]

TIMEOUT_S: Final = (
    1.0  # a decision takes a fraction of a millisecond; a second means nobody is there
)
ANSWER_BYTES_MAX: Final = 4 << 20
CREDENTIALS: Final = struct.Struct("3i")
# A bot that is not heard of for 30 s after its connection dropped is taken for gone.
SHOW_LIFE_EVERY_S: Final = 5.0
RETURN_EVERY_S: Final = 0.5


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
        self._hello: dict[str, Any] | None = None
        self._over: threading.Event | None = None  # ends the thread that shows life

    def hello(
        self, name: str, *, strategy_id: str | None = None, on_disconnect: str = "nothing"
    ) -> dict[str, Any]:
        """Say who this bot is, now and on every later connection, until `bye`. Returns what the sidecar
        says to it. `on_disconnect` is done when the bot is gone without `bye`. Raises AskFailed: unless the
        sidecar refused, it may have been taken all the same; say it again, even if only `bye` follows.
        """
        hello = {"name": name, "strategy_id": strategy_id, "on_disconnect": on_disconnect}
        with self._lock:
            facts = facts_of(self._ask("hello", hello))
            self._hello = hello
            self._show_life_from_now_on()
        return facts

    def bye(self) -> None:
        """The bot ends in order, and nothing is done for it. Raises AskFailed: then say it again."""
        with self._lock:
            self._ask("bye", {})
            self._hello = None
            self._show_life_no_more()

    def validate_order(
        self, order: Order, *, strategy_id: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Whether this order may be sent now. Never raises for what happens on the way: it refuses."""
        try:
            asked = order_params(order, strategy_id, dry_run=dry_run)
            return decode_decision(self.ask("validate_order", **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return no_answer(order, str(error))

    def validate_edit(
        self,
        *,
        order_id: str | None = None,
        client_order_id: str | None = None,
        price: str | None = None,
        size: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Whether this open order may be edited so now; price and total size as they will be sent."""
        asked = named(order_id=order_id, client_order_id=client_order_id, price=price, size=size)
        return self._decided("validate_edit", asked | {"dry_run": dry_run})

    def validate_close(
        self,
        product_id: str,
        client_order_id: str,
        *,
        size: str | None = None,
        strategy_id: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Whether Coinbase's close_position may close all of this position now, or `size` contracts of it."""
        asked = named(size=size, strategy_id=strategy_id, client_order_id=client_order_id)
        asked |= {"product_id": product_id, "dry_run": dry_run}
        return self._decided("validate_close", asked)

    def _decided(self, method: str, asked: dict[str, Any]) -> Decision:
        try:
            return decode_decision(self.ask(method, **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return no_answer(asked, str(error))

    def release_order(self, client_order_id: str) -> None:
        """Drop an approval that will not be used. Raises AskFailed; it lapses by itself anyway."""
        self.ask("release_order", client_order_id=client_order_id)

    def ask(self, method: str, **params: Any) -> msgspec.Raw:
        """The result of any method, as JSON. Raises AskFailed."""
        with self._lock:
            return self._ask(method, params)

    def close(self) -> None:
        """Let go of the connection. A bot that said hello and not bye is gone, unless it asks again."""
        with self._lock:
            self._show_life_no_more()
            self._drop()

    def _ask(self, method: str, params: Mapping[str, Any]) -> msgspec.Raw:
        number = next(self._numbers)
        try:
            return result_of(self._exchange(request_line(number, method, params)), number)
        except Refused:
            raise
        except (OSError, AskFailed) as error:
            self._drop()  # what comes later on this connection would answer another question
            if isinstance(error, AskFailed):
                raise
            raise AskFailed(_words(self._path, error)) from None

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._rest = b""

    def _exchange(self, request: bytes) -> bytes:
        """One line out, one line in; once more when the sidecar was restarted meanwhile."""
        if self._socket is not None:
            with suppress(ConnectionError):
                return self._send_and_read(self._socket, request)
            self._drop()
        self._socket = self._connect()
        if self._hello is not None:
            self._greet(self._socket, self._hello)
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

    def _greet(self, peer: socket.socket, hello: Mapping[str, Any]) -> None:
        """A bot whose hello is not taken any more must not believe that it is watched over."""
        try:
            result_of(self._send_and_read(peer, request_line(0, "hello", hello)), 0)
        except Refused as refusal:
            raise AskFailed(f"hello was refused on the way back: {refusal}") from None
        self._show_life_from_now_on()

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

    def _show_life_from_now_on(self) -> None:
        """A thread of its own: who trades once a day does not ask for a day, and is alive."""
        if self._over is None:
            self._over = over = threading.Event()
            told = (weakref.ref(self), over)
            threading.Thread(target=_show_life, args=told, name="hello", daemon=True).start()

    def _show_life_no_more(self) -> None:
        if self._over is not None:
            self._over.set()
            self._over = None

    def _ping(self, over: threading.Event) -> None:
        with self._lock, suppress(AskFailed):
            if not over.is_set():
                self._ask("ping", {})


def _show_life(client: "weakref.ref[Client]", over: threading.Event) -> None:
    """Until the client is closed or nobody has it any more."""
    while not over.wait(SHOW_LIFE_EVERY_S):
        kept = client()
        if kept is None:
            return
        kept._ping(over)  # noqa: SLF001 - of this module
        del kept


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
        self._returning: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._hello: dict[str, Any] | None = None

    async def hello(
        self, name: str, *, strategy_id: str | None = None, on_disconnect: str = "nothing"
    ) -> dict[str, Any]:
        """Say who this bot is, now and on every later connection, until `bye`. Returns what the sidecar
        says to it. `on_disconnect` is done when the bot is gone without `bye`. Raises AskFailed: unless the
        sidecar refused, it may have been taken all the same; say it again, even if only `bye` follows.
        """
        hello = {"name": name, "strategy_id": strategy_id, "on_disconnect": on_disconnect}
        facts = facts_of(await self.ask("hello", **hello))
        self._hello = hello
        return facts

    async def bye(self) -> None:
        """The bot ends in order, and nothing is done for it. Raises AskFailed: then say it again."""
        await self.ask("bye")
        self._hello = None

    async def validate_order(
        self, order: Order, *, strategy_id: str | None = None, dry_run: bool = False
    ) -> Decision:
        """Whether this order may be sent now. Never raises for what happens on the way: it refuses."""
        try:
            asked = order_params(order, strategy_id, dry_run=dry_run)
            return decode_decision(await self.ask("validate_order", **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return no_answer(order, str(error))

    async def validate_edit(
        self,
        *,
        order_id: str | None = None,
        client_order_id: str | None = None,
        price: str | None = None,
        size: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Whether this open order may be edited so now; price and total size as they will be sent."""
        asked = named(order_id=order_id, client_order_id=client_order_id, price=price, size=size)
        return await self._decided("validate_edit", asked | {"dry_run": dry_run})

    async def validate_close(
        self,
        product_id: str,
        client_order_id: str,
        *,
        size: str | None = None,
        strategy_id: str | None = None,
        dry_run: bool = False,
    ) -> Decision:
        """Whether Coinbase's close_position may close all of this position now, or `size` contracts of it."""
        asked = named(size=size, strategy_id=strategy_id, client_order_id=client_order_id)
        asked |= {"product_id": product_id, "dry_run": dry_run}
        return await self._decided("validate_close", asked)

    async def _decided(self, method: str, asked: dict[str, Any]) -> Decision:
        try:
            return decode_decision(await self.ask(method, **asked))
        except (AskFailed, msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
            return no_answer(asked, str(error))

    async def release_order(self, client_order_id: str) -> None:
        """Drop an approval that will not be used. Raises AskFailed; it lapses by itself anyway."""
        await self.ask("release_order", client_order_id=client_order_id)

    async def ask(self, method: str, **params: Any) -> msgspec.Raw:
        """The result of any method, as JSON. Raises AskFailed."""
        number = next(self._numbers)
        request = request_line(number, method, params)
        try:
            async with asyncio.timeout(self._timeout_s):
                writer = await self._connected()
                if writer.is_closing():  # not every loop takes what is written to it then
                    raise ConnectionResetError("the sidecar closed the connection")
                answer = self._waiting[number] = asyncio.get_running_loop().create_future()
                writer.write(request)
                await writer.drain()
                return result_of(await answer, number)
        except (OSError, TimeoutError) as error:
            raise AskFailed(_words(self._path, error)) from None
        finally:
            waiting = self._waiting.pop(number, None)
            if waiting is not None and waiting.done() and not waiting.cancelled():
                waiting.exception()  # told to us already, or we were cancelled meanwhile

    async def events(self, topics: Iterable[str]) -> AsyncGenerator[dict[str, Any], None]:
        """How it stands, and what happens from then on, as it happens, over connections of its own.

        `topics`: any of state, decisions, positions, limits. Each event is a dict with `topic`, `at`
        and what the topic tells; those that say how it stands have `snapshot`. When the connection
        ends, that is an event too (`topic` is connection), and it begins again with how it stands as
        soon as a sidecar listens there: decisions of the time between are in its journal.

        Raises AskFailed when the sidecar cannot be asked at first, does not know a topic, or is not the
        sidecar. Close it (`contextlib.aclosing`) to stop listening.
        """
        asked, heard, tells = {"topics": list(topics), "snapshot": True}, False, True
        while True:
            why = "the sidecar closed the connection"
            try:
                async with aclosing(self._listen(asked)) as lines:
                    async for line in lines:
                        if line:
                            yield decode_event(line).params
                        heard = tells = True
            except OSError as error:  # a time-out is one
                why = _words(self._path, error)
                if not heard:
                    raise AskFailed(why) from None
            except (Refused, NotServed):  # it stops, or has no room yet
                if not heard:
                    raise
            except (ValueError, msgspec.DecodeError) as error:  # a line without end is a ValueError
                raise AskFailed(f"{self._path}: {error}") from None
            if tells:
                tells = False
                yield {"topic": "connection", "type": "Lost", "at": None, "text": why}
            await asyncio.sleep(RETURN_EVERY_S)

    async def close(self) -> None:
        """Let go of the connection; who still waits is refused. A bot that said hello and not bye is
        gone, unless it asks again.
        """
        tasks = [task for task in (self._reading, self._returning) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._forget(ConnectionResetError("closed"))

    async def _listen(self, asked: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Over one connection: nothing once the topics are taken, then each event's line."""
        writer = None
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await self._open()
                await _say(reader, writer, "subscribe", asked)
            yield b""
            while line := await reader.readline():
                yield line
        finally:
            if writer is not None:
                writer.transport.abort()

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._opening:
            if self._writer is None:
                reader, writer = await self._open(self._hello)
                self._writer = writer
                loop = asyncio.get_running_loop()
                self._reading = loop.create_task(self._read(reader))
            return self._writer

    async def _open(
        self, hello: Mapping[str, Any] | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=ANSWER_BYTES_MAX)
        is_open = False
        try:
            _check_server(writer.get_extra_info("socket"), self._server_uid)
            if hello is not None:
                await _say(reader, writer, "hello", hello)
            is_open = True
        except Refused as refusal:
            raise AskFailed(f"hello was refused on the way back: {refusal}") from None
        finally:
            if not is_open:
                writer.transport.abort()
        return reader, writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand each answer to who asked, until the connection ends."""
        error: OSError = ConnectionResetError("the sidecar closed the connection")
        try:
            while line := await reader.readline():
                with suppress(msgspec.DecodeError):
                    answer = decode_answer(line)
                    waiting = self._waiting.get(answer.id or 0)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(line)
        except (OSError, ValueError) as fault:  # a line without end is a ValueError of the reader's
            error = ConnectionResetError(str(fault))
        self._forget(error)
        if self._hello is not None:
            self._returning = asyncio.get_running_loop().create_task(self._return())

    async def _return(self) -> None:
        """Be back, and known: who has nothing to ask is alive all the same."""
        while self._hello is not None and self._writer is None:
            with suppress(AskFailed):
                await self.ask("ping")
                return
            await asyncio.sleep(RETURN_EVERY_S)

    def _forget(self, error: OSError) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)


async def _say(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    params: Mapping[str, Any],
) -> None:
    """The first words on a connection. Raises AskFailed where they are not taken."""
    writer.write(request_line(0, method, params))
    line = await reader.readline()
    if not line:
        raise ConnectionResetError("the sidecar closed the connection")
    result_of(line, 0)


def _words(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"no sidecar listens on {path}; start it, or name its order socket"
    if isinstance(error, TimeoutError):
        return f"no answer on {path} in time; nothing may be sent"
    return f"{path}: {error.strerror or error}"
