"""One question to a running sidecar over one of its sockets: where it is, the answer, the fault.

In an operator's words: a person or a script asks here, not a bot that is about to trade.
"""

import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from sidecar.console.options import ConfigFile, configuration
from sidecar.core.vocabulary.errors import Misuse
from sidecar.server.error_codes import REFUSED

TIMEOUT_S: Final = 10.0  # views and verbs take a moment; this long means that no sidecar is there
ANSWER_BYTES_MAX: Final = 64 << 20
CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid
if TYPE_CHECKING:
    from sidecar.config.tables import Server

PANEL: Final = "Whom to ask"

AskConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The sidecar's configuration, which names its sockets.",
        rich_help_panel=PANEL,
    ),
]
AskControl = Annotated[
    Path | None,
    typer.Option(
        "--control-socket", metavar="PATH", help="The control socket.", rich_help_panel=PANEL
    ),
]
AskOrder = Annotated[
    Path | None,
    typer.Option("--order-socket", metavar="PATH", help="The order socket.", rich_help_panel=PANEL),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


class Declined(Misuse):
    """The sidecar understood and did not do it; the message says why."""


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: dict[str, Any] | None = None


_decode: Final = msgspec.json.Decoder(_Answer).decode


def control_path(config: ConfigFile, given: Path | None) -> Path:
    """Where operators ask: as given, else as the configuration says. Raises Misuse."""
    return given or _server(config).control_socket


def order_path(config: ConfigFile, given: Path | None) -> Path:
    """Where bots ask: as given, else as the configuration says. Raises Misuse."""
    return given or _server(config).order_socket


def _server(config: Path | None) -> "Server":
    """The table of the sockets: of a faulty file, that of the last good one, by which a sidecar may run on."""
    try:
        return configuration(config, None).server
    except Misuse as fault:
        from sidecar.daemon.last_good import Given, last_good  # noqa: PLC0415 - seldom needed

        assert config is not None, "the defaults have no fault"
        try:
            return last_good(Given(config), fault).server
        except Misuse:
            text = f"{fault}; or name the sidecar's socket with --control-socket or --order-socket"
            raise Misuse(text) from None


def ask(path: Path, method: str, timeout_s: float = TIMEOUT_S, **params: Any) -> bytes:
    """The result, as the JSON that came. Raises Declined, and Misuse where no sidecar could be
    asked.
    """
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(timeout_s)
            peer.connect(str(path))
            _check_server(peer, path)
            peer.sendall(msgspec.json.encode(request) + b"\n")
            line = _line(peer, path)
    except OSError as error:
        raise Misuse(_words(path, error)) from None
    return _result(line, path)


def _line(peer: socket.socket, path: Path) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        data = peer.recv(1 << 20)
        if not data or len(received) > ANSWER_BYTES_MAX:
            raise Misuse(
                f"{path}: the sidecar closed the connection without an answer; see its log"
            )
        received += data
    return bytes(received)


def _result(line: bytes, path: Path) -> bytes:
    try:
        answer = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Misuse(f"{path} speaks another language; name the sidecar's own socket") from None
    if answer.error is None:
        return bytes(answer.result)
    text = str(answer.error.get("message", "no reason was given"))
    raise (Declined if answer.error.get("code") == REFUSED else Misuse)(text)


def _check_server(peer: socket.socket, path: Path) -> None:
    """Another user's process could say that all is well. Root may ask every user's sidecar, and a
    bot another user's.
    """
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    server, own = CREDENTIALS.unpack(raw)[1], os.getuid()
    if server not in {own, 0, path.stat().st_uid} and own != 0:
        raise Misuse(f"{path} is listened on by user {server}; name the sidecar's own socket")


def _words(path: Path, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer on {path} in time; see the sidecar's log, and with status what was done"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return (
            f"no sidecar listens on {path}; start it, or name its socket with --control-socket or"
            " --order-socket, or its --config"
        )
    return f"{path}: {error.strerror or error}; ask as the user that runs the sidecar"
