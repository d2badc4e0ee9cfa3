"""Where the sidecar listens, whether it is the sidecar that does, and why it cannot be asked."""

import os
import socket
import struct
from typing import Any, Final, NamedTuple

from risk_sidecar_client.failures import AskFailed

# A decision takes a fraction of a millisecond; a second means that nobody is there.
TIMEOUT_S: Final = 1.0
ANSWER_BYTES_MAX: Final = 4 << 20
CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid
RETURN_EVERY_S: Final = 0.5  # how often a lost connection is tried again
GONE: Final = "the sidecar closed the connection"


class Peer(NamedTuple):
    """The sidecar as its client knows it: its socket's path, seconds to wait for an answer, and the user
    to believe beside root, where that is not this user.
    """

    path: str
    timeout_s: float
    server_uid: int | None

    def check(self, connected: Any) -> None:
        """Raises AskFailed when somebody else's process answers: it could approve anything."""
        believed = {os.getuid() if self.server_uid is None else self.server_uid, 0}
        raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        server = int(CREDENTIALS.unpack(raw)[1])
        if server not in believed:
            raise AskFailed(
                f"user {server} listens there; if the sidecar runs as that user, say server_uid={server}"
            )

    def fault(self, error: OSError) -> str:
        """The system's error in words that say what to mend."""
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return f"no sidecar listens on {self.path}; start it, or name its order socket"
        if isinstance(error, TimeoutError):
            return f"no answer on {self.path} in time; nothing may be sent"
        if isinstance(error, BrokenPipeError):  # before a word was heard of it
            return f"{self.path}: {GONE}; see that user {os.getuid()} is in server.allowed_uids"
        return f"{self.path}: {error.strerror or error}"
