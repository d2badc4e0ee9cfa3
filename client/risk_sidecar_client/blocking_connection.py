"""One blocking connection to the sidecar: a line out, a line in."""

import socket
from contextlib import suppress
from typing import Self

from risk_sidecar_client.failures import AskFailed
from risk_sidecar_client.peer import ANSWER_BYTES_MAX, GONE, Peer


class Connection:
    """A connection that was made. One thread at a time uses it; its owner sees to that."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._rest = b""

    @classmethod
    def to(cls, peer: Peer) -> Self:
        """Made now. Raises OSError where nobody listens, AskFailed where it is not the sidecar."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(peer.timeout_s)
        try:
            made.connect(peer.path)
            peer.check(made)
        except (OSError, AskFailed):
            made.close()
            raise
        return cls(made)

    def exchange(self, request: bytes) -> bytes:
        """The next line after this one went out. Raises OSError, and AskFailed for a line without end."""
        with suppress(BrokenPipeError):  # its last words, why it closed, are there to be read
            self._socket.sendall(request)
        while b"\n" not in self._rest:
            data = self._socket.recv(65_536)
            if not data:
                raise ConnectionResetError(GONE)
            self._rest += data
            if len(self._rest) > ANSWER_BYTES_MAX:
                raise AskFailed("the answer does not end")
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def close(self) -> None:
        self._socket.close()
