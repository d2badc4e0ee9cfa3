"""One client's connection: its requests are answered in their order, and none holds up another connection.

Most answers are computed at once; where one is to come later (a future), only its own connection waits for it. A
connection that asks much is answered a few requests at a time, so that others come in between; one whose answers
are not read is not read from either, and is dropped when that lasts; one whose user has sent too much is read from
later.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from typing import Any, Final, Protocol, cast

from msgspec import UNSET

from sidecar.core.vocabulary.errors import Misuse
from sidecar.server import error_codes, protocol
from sidecar.server.protocol import Early, Lines, OrderCall, ProtocolError, Request, RequestError

TURN: Final = 8  # requests of one connection before the others get theirs: about a millisecond
UNREAD_BYTES_MAX: Final = 256 * 1024  # of answers that wait before the next request is read
DROP_AFTER_S: Final = 10.0  # a client that does not read for so long is dead
CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: Linux's SO_PEERCRED

STOPPED: Final = RequestError(
    error_codes.INTERNAL_ERROR, "the sidecar stops; look what was done, and ask again"
)


class Clients(Protocol):
    """The listener, as its connections need it."""

    def came(self, connection: "Connection") -> str:
        """A client is there; why it may not ask, empty when it may."""

    def left(self, connection: "Connection") -> None:
        """It is gone."""

    def wait_s(self, uid: int, count: int) -> float:
        """How long to wait before more is read of a user that has sent so many bytes more."""

    def answer(self, connection: "Connection", request: Request | OrderCall) -> Any:
        """The result, or a future of it. Raises RequestError, or Misuse."""


class Connection(asyncio.Protocol):
    """One client. `context` is for the code that answers: the client's name and topics."""

    def __init__(self, listener: Clients) -> None:
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
        refusal = self._listener.came(self)
        if refusal:
            self._end(protocol.failed(None, error_codes.INVALID_REQUEST, refusal))
            return
        self._slow_down(self._listener.wait_s(self.uid, 0))  # a new connection clears no debt

    def data_received(self, data: bytes) -> None:
        is_early = self._slowed is not None  # uvloop reads once of who is paused as it connects
        try:
            lines = self._lines.feed(data)
            if len(lines) == 1 and self._is_idle and not is_early:
                self._answer(lines[0])  # at once: no other request waits
            else:
                self._asked += lines
        except ProtocolError as broken:
            self._ending = broken.answer
        self._slow_down(
            self._listener.wait_s(self.uid, len(data))
        )  # counted once the answer has left
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
        self._listener.left(self)

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
            try:
                sent = os.write(self._fileno, line)
            except OSError:
                sent = 0  # full or gone: the transport will find out by itself
            line = line[sent:]
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


def _peer_uid(transport: asyncio.Transport) -> int:
    peer = transport.get_extra_info("socket")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(raw)[1])
