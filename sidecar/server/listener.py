"""A Unix socket on which clients ask: who may, and how many; that no other process listens there; its end.

The peer's user id decides who may ask, and no user's connections leave no room for others'. One client's requests
and answers are its connection's (connection.py).
"""

import asyncio
import os
import resource
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, Final

from sidecar.core.vocabulary.errors import Misuse
from sidecar.own_places import see_own, take_lock
from sidecar.server.byte_rate import ByteRate
from sidecar.server.connection import Connection
from sidecar.server.protocol import OrderCall, Request

CONNECTIONS_MAX: Final = 1_024  # a desk has tens; each costs some ten kilobytes
CONNECTIONS_LEAST: Final = 64  # however few files there may be
CONNECTIONS_OF_A_USER_MAX: Final = 256
KEPT_FOR_ROOT: Final = 16  # of all connections
KEPT_FILES: Final = (
    256  # of those that a process may open: the control socket, the journal, Coinbase
)
ROOT: Final = 0
BACKLOG: Final = 128
FINISH_WITHIN_S: Final = 1.0  # the time for clients at the end to read their last answers
TURNS: Final = 4  # of the loop: until a connection is up, or gone

Answer = Callable[[Connection, Request | OrderCall], Any]


class SocketInUse(Misuse):
    """The socket's path cannot be used; the message names the mend."""


class Listener:
    """One Unix socket. `answer` is asked for each request: it returns the result, or a future of
    it, and either may raise RequestError, or Misuse where the request cannot be met.
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
        self.on_refused: Callable[[int, str], None] = lambda _uid, _reason: None
        self.connections: dict[Connection, None] = {}  # clients that may ask
        self.open: set[Connection] = set()  # and clients that are being told that they may not
        self._mode = mode
        self._uids = uids
        self._rate = rate
        self._ended = asyncio.Event()  # a connection has
        self._server: asyncio.Server | None = None
        self._lock: FileIO | None = None

    def came(self, connection: Connection) -> str:
        """A client is there; why it may not ask, empty when it may."""
        self.open.add(connection)
        refusal = self.refusal(connection)
        if refusal:
            self.on_refused(connection.uid, refusal)
        else:
            self.connections[connection] = None
        return refusal

    def left(self, connection: Connection) -> None:
        """It is gone."""
        self.open.discard(connection)
        if connection in self.connections:
            del self.connections[connection]
            self.on_lost(connection)
        self._ended.set()

    def refusal(self, connection: Connection) -> str:
        """Why this client may not ask; empty when it may."""
        if connection.uid not in self._uids:
            return (
                f"user {connection.uid} may not ask here; add {connection.uid} to server.allowed_uids, or ask as"
                " the user that runs the sidecar"
            )
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
        return self._rate.spend(uid, count, asyncio.get_running_loop().time())

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
            self._ended.clear()
            await self._ended.wait()

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


def connections_max() -> int:
    """How many connections this process can hold, and have files left for all else."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(CONNECTIONS_LEAST, min(CONNECTIONS_MAX, files - KEPT_FILES))


def own_uids() -> frozenset[int]:
    """Who may ask unless configured: the sidecar's own user and root."""
    return frozenset({os.getuid(), 0})
