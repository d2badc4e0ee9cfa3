"""A Unix socket on which clients ask: one listener, many connections, none of which holds up another.

Answers come in the order of the requests. Most are computed at once; where one is to come later (a
future), only its own connection waits for it. A connection that asks much is answered a few requests
at a time, so that others come in between; one whose answers are not read is not read from either,
and is dropped when that lasts; one whose user has sent too much is read from later. The peer's user
id decides who may ask, and no user's connections leave no room for others'.
"""

import asyncio
import os
import resource
import socket
import stat
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, Final, cast

from msgspec import UNSET

from sidecar.core.vocabulary.errors import Misuse
from sidecar.own_places import see_own, take_lock
from sidecar.server import error_codes, protocol
from sidecar.server.byte_rate import ByteRate
from sidecar.server.protocol import Early, Lines, OrderCall, ProtocolError, Request, RequestError

CONNECTIONS_MAX: Final = 1_024  # a desk has tens; each costs some ten kilobytes
CONNECTIONS_LEAST: Final = 64  # however few files there may be
CONNECTIONS_OF_A_USER_MAX: Final = 256
KEPT_FOR_ROOT: Final = 16  # of all connections
KEPT_FILES: Final = (
    256  # of those that a process may open: the control socket, the journal, Coinbase
)
ROOT: Final = 0
BACKLOG: Final = 128
TURN: Final = 8  # requests of one connection before the others get theirs: about a millisecond
UNREAD_BYTES_MAX: Final = 256 * 1024  # of answers that wait before the next request is read
FINISH_WITHIN_S: Final = 1.0  # the time for clients at the end to read their last answers
DROP_AFTER_S: Final = 10.0  # a client that does not read for so long is dead
TURNS: Final = 4  # of the loop: until a connection is up, or gone
CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: Linux's SO_PEERCRED

STOPPED: Final = RequestError(
    error_codes.INTERNAL_ERROR, "the sidecar stops; look what was done, and ask again"
)

Answer = Callable[["Connection", Request | OrderCall], Any]


class SocketInUse(Misuse):
    """The socket's path cannot be used; the message names the mend."""


class Connection(asyncio.Protocol):
    """One client. `context` is for the code that answers: the client's name and topics."""

    def __init__(self, listener: "Listener") -> None:
        self.uid = -1
        self.context: Any = None
        self._listener = listener
        self._lines = Lines()
        self._asked: deque[bytes] = deque()
        self._transport: asyncio.Transport | None = None
        self._is_full = False
        self._drop: asyncio.TimerHandle | None = None
        self._is_taking_turns = False
        self._slowed: asyncio.TimerHandle | None = None  # its user has sent too much
        self._later: asyncio.Future[Any] | None = None  # the answer that is waited for
        self._ending: bytes | None = None
        self._fileno = -1

    # --------------------------------------------------------------------------- asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._transport.set_write_buffer_limits(high=UNREAD_BYTES_MAX)
        self._fileno = self._transport.get_extra_info("socket").fileno()
        self.uid = _peer_uid(self._transport)
        self._listener.open.add(self)
        refusal = self._listener.refusal(self)
        if refusal:
            self._end(protocol.failed(None, error_codes.INVALID_REQUEST, refusal))
            return
        self._listener.connections[self] = None
        self._slow_down(self._listener.wait_s(self.uid, 0))  # a new connection clears no debt

    def data_received(self, data: bytes) -> None:
        is_early = self._slowed is not None  # uvloop reads once of who is paused as it connects
        self._slow_down(self._listener.wait_s(self.uid, len(data)))
        try:
            lines = self._lines.feed(data)
            if len(lines) == 1 and self._is_idle and not is_early:
                self._answer(lines[0])  # at once: no other request waits
            else:
                self._asked += lines
        except ProtocolError as broken:
            self._ending = broken.answer
        if not self._is_taking_turns and not is_early:
            self._take_turn()

    def _slow_down(self, wait_s: float) -> None:
        """Stop reading for so long; requests that are here are answered."""
        if wait_s <= 0 or self._transport is None:
            return
        self._transport.pause_reading()
        if self._slowed is not None:
            self._slowed.cancel()
        self._slowed = asyncio.get_running_loop().call_later(wait_s, self._read_on)

    def _read_on(self) -> None:
        self._slowed = None
        if not self._is_taking_turns:
            self._take_turn()

    def pause_writing(self) -> None:
        self._is_full = True
        self._drop = asyncio.get_running_loop().call_later(DROP_AFTER_S, self.drop)

    def resume_writing(self) -> None:
        self._is_full = False
        if self._drop is not None:
            self._drop.cancel()
        if not self._is_taking_turns:
            self._take_turn()

    def connection_lost(self, _error: Exception | None) -> None:
        for timer in (self._drop, self._slowed):
            if timer is not None:
                timer.cancel()
        self._transport = None
        self._asked.clear()
        self._listener.open.discard(self)
        if self in self._listener.connections:
            del self._listener.connections[self]
            self._listener.on_lost(self)
        self._listener.ended.set()

    # ----------------------------------------------------------------------------------- answering

    def _take_turn(self) -> None:
        """Answer a few requests; if there are more, let others have theirs first."""
        self._is_taking_turns = False
        for _ in range(TURN):
            if not self._asked or self._is_held_up or self._live is None:
                break
            self._answer(self._asked.popleft())
        transport = self._live
        if transport is None:
            return
        if self._asked:
            transport.pause_reading()
            if not self._is_held_up:
                self._is_taking_turns = True
                asyncio.get_running_loop().call_soon(self._take_turn)
        elif self._ending is None:
            if self._slowed is None:
                transport.resume_reading()  # while an answer is to come, too: to see it leave
        elif self._later is None:
            self._end(self._ending)
        else:
            transport.pause_reading()  # bytes behind a broken request are not read

    @property
    def _live(self) -> asyncio.Transport | None:
        """The transport while it can be used: not closed, and not about to be."""
        transport = self._transport
        return None if transport is None or transport.is_closing() else transport

    @property
    def _is_held_up(self) -> bool:
        """Whether no request may be answered now: answers wait to be read, or one is to come."""
        return self._is_full or self._later is not None

    @property
    def _is_idle(self) -> bool:
        """Whether all that was asked is answered, and more may be."""
        waits = self._asked or self._is_taking_turns or self._is_held_up
        return not waits and self._ending is None and self._live is not None

    def _answer(self, line: bytes) -> None:
        try:
            request = protocol.read(line)
        except ProtocolError as broken:
            self._asked.clear()
            self._ending = broken.answer
            return
        try:
            result = self._listener.answer(self, request)
        except (RequestError, Misuse) as failure:
            self._reply(request.id, None, failure)
            return
        if type(result) is Early:
            self._reply_now(request.id, result.result)
            result.finish()
        elif isinstance(result, asyncio.Future):
            self._later = result
            result.add_done_callback(lambda done: self._answer_later(request.id, done))
        else:
            self._reply(request.id, result)

    def _answer_later(self, request_id: protocol.Id, done: asyncio.Future[Any]) -> None:
        """The answer that was waited for is there; go on with the requests after it."""
        self._later = None
        failure = STOPPED if done.cancelled() else done.exception()
        if failure is not None and not isinstance(failure, RequestError | Misuse):
            self.drop()  # a fault of the sidecar's: the loop hears of it
            raise failure
        self._reply(request_id, None if failure else done.result(), failure)
        if not self._is_taking_turns:
            self._take_turn()

    def _reply(
        self, request_id: protocol.Id, result: Any, failure: RequestError | Misuse | None = None
    ) -> None:
        transport = self._live
        if request_id is UNSET or transport is None:
            return  # a notification, or the client is gone
        if failure is None:
            transport.write(protocol.answered(request_id, result))
        else:
            code = failure.code if isinstance(failure, RequestError) else error_codes.REFUSED
            transport.write(protocol.failed(request_id, code, str(failure)))

    def _reply_now(self, request_id: protocol.Id, result: Any) -> None:
        """Reply before any other work: bytes handed to uvloop leave when the turn is over."""
        transport = self._live
        if request_id is UNSET or transport is None:
            return
        line = protocol.answered(request_id, result)
        if not transport.get_write_buffer_size():  # no bytes wait that must leave first
            with suppress(OSError):  # full or gone: the transport will find out by itself
                line = line[os.write(self._fileno, line) :]
        if line:
            transport.write(line)

    def tell(self, line: bytes) -> None:
        """Send an event; a client that does not read is not worth waiting for."""
        transport = self._live
        if transport is None:
            return
        if self._is_full:
            self.drop()
        else:
            transport.write(line)

    def finish(self) -> None:
        """Answer the requests made, and close once the answers are read."""
        while self._asked and not self._is_held_up and self._live is not None:
            self._answer(self._asked.popleft())
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _end(self, last: bytes) -> None:
        """Say why, and close."""
        if self._transport is not None:
            self._transport.write(last)
            self._transport.close()


class Listener:
    """One Unix socket. `answer` is asked for each request: it returns the result, or a future of
    it, and either may raise Wrong, or Misuse where the request cannot be met.
    """

    def __init__(  # noqa: PLR0913 - path, callbacks and permissions, by name
        self,
        path: Path,
        answer: Answer,
        *,
        mode: int,
        uids: frozenset[int],
        on_lost: Callable[[Connection], None] = lambda _connection: None,
        rate: ByteRate | None = None,
    ) -> None:
        """`mode`: the socket file's; `uids`: who may ask; `on_lost`: a client is gone; `rate`: how
        much each user may send, None for no bound.
        """
        self.path = path
        self.answer = answer
        self.on_lost = on_lost
        self.connections: dict[Connection, None] = {}  # clients that may ask
        self.open: set[Connection] = set()  # and clients that are being told that they may not
        self._mode = mode
        self._uids = uids
        self._rate = rate
        self.ended = asyncio.Event()  # a connection has
        self._server: asyncio.Server | None = None
        self._lock: FileIO | None = None

    def refusal(self, connection: Connection) -> str:
        """Why this client may not ask; empty when it may."""
        if connection.uid not in self._uids:
            return f"user {connection.uid} may not ask here; see [server] allowed_uids"
        most = connections_max() - (0 if connection.uid == ROOT else KEPT_FOR_ROOT)
        if len(self.connections) >= most:
            return f"there are {most} connections already"
        if connection.uid == ROOT:
            return ""
        share = min(CONNECTIONS_OF_A_USER_MAX, most // 2)  # there is room for others, however few
        if sum(one.uid == connection.uid for one in self.connections) >= share:
            return f"user {connection.uid} has {share} connections already"
        return ""

    def wait_s(self, uid: int, count: int) -> float:
        """How long to wait before more is read of a user that has sent so many bytes more."""
        if self._rate is None:
            return 0.0
        return self._rate.take(uid, count, asyncio.get_running_loop().time())

    async def start(self) -> None:
        """Listen. Raises SocketInUse: another process listens there, or the path is taken
        otherwise.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            see_own(self.path.parent)
            self._take_lock()
            listening = self._bind()
        except Misuse as refusal:
            self._release_lock()
            raise SocketInUse(f"{self.path}: {refusal}") from None
        except OSError as error:
            self._release_lock()
            raise SocketInUse(f"{self.path}: {error.strerror}; choose another path") from None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Connection(self), sock=listening)

    async def stop(self, *, answering: bool = True) -> None:
        """No more clients; pending requests are answered, unless that cannot be done any more; the
        file is removed.
        """
        if self._server is not None:
            # No client can come any more, and one just accepted comes up: asyncio loses a
            # connection whose server closes in that moment.
            self.path.unlink(missing_ok=True)
            await _turns()
            self._server.close()
            for connection in tuple(self.open) if answering else ():
                connection.finish()
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISH_WITHIN_S if answering else 0):
                    await self._emptied()
            for connection in tuple(self.open):
                connection.drop()
            await _turns()
            await self._server.wait_closed()
            self._server = None
        self._release_lock()

    async def _emptied(self) -> None:
        """Until every connection has ended."""
        while self.open:
            self.ended.clear()
            await self.ended.wait()

    def _take_lock(self) -> None:
        """Only one process may listen here: a file left by one that was killed is not a live one."""
        try:
            self._lock = take_lock(self.path.with_name(self.path.name + ".lock"))
        except BlockingIOError:
            raise Misuse("another sidecar listens here; stop it, or choose another path") from None
        if self.path.exists() and not stat.S_ISSOCK(self.path.lstat().st_mode):
            raise Misuse("it is a file, not a socket; choose another path")

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _bind(self) -> socket.socket:
        """Bound under another name and moved into place: its mode is right from the first moment."""
        temporary = self.path.with_name(f".{self.path.name}")
        temporary.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(temporary))
            temporary.chmod(self._mode)
            listening.listen(BACKLOG)
            temporary.replace(self.path)
        except OSError:
            listening.close()
            temporary.unlink(missing_ok=True)
            raise
        return listening


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _peer_uid(transport: asyncio.Transport) -> int:
    peer = transport.get_extra_info("socket")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(raw)[1])


def connections_max() -> int:
    """How many connections this process can hold, and have files left for all else."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(CONNECTIONS_LEAST, min(CONNECTIONS_MAX, files - KEPT_FILES))


def own_uids() -> frozenset[int]:
    """Who may ask unless configured: the sidecar's own user and root."""
    return frozenset({os.getuid(), 0})
