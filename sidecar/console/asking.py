"""One question to a running sidecar over one of its sockets: where it is, the answer, the fault.

In an operator's words: a person or a script asks here, not a bot that is about to trade.
"""

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from sidecar.console.locating import place
from sidecar.console.options import ConfigFile
from sidecar.core.vocabulary.errors import Misuse
from sidecar.escaping import escaped
from sidecar.server.error_codes import REFUSED

ACCOUNT_WITHIN_S: Final = 2.0  # only to say whose account it is
TIMEOUT_S: Final = 10.0  # views and verbs take a moment; this long means that no sidecar is there
ANSWER_BYTES_MAX: Final = 64 << 20
CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid

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
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal, with who and when."),
]
NO_REASON: Final = "no reason given"
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


class Declined(Misuse):
    """The sidecar understood and did not do it; the message says why."""


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: dict[str, Any] | None = None


_decode: Final = msgspec.json.Decoder(_Answer).decode


def control_path(config: ConfigFile, given: Path | None) -> Path:
    """Where operators ask: as given, else of the sidecar that is meant (locating.py). Raises Misuse."""
    return given or place(config).control_socket


def order_path(config: ConfigFile, given: Path | None) -> Path:
    """Where bots ask: as given, else of the sidecar that is meant (locating.py). Raises Misuse."""
    return given or place(config).order_socket


def account_of(path: Path) -> dict[str, str]:
    """Whose account the sidecar behind this socket trades: `portfolio`, `portfolio_name`, `host`, and `money`: real or
    paper. Empty where it does not say. Raises Misuse.
    """
    status = msgspec.json.decode(ask(path, "status", ACCOUNT_WITHIN_S))
    account: dict[str, str] = (status.get("sidecar") or {}).get("account", {})
    return account


def tell_reached(path: Path) -> None:
    """Say which sidecar a verb reaches, before it does. No verb waits for one that does not say: a halt is sent."""
    try:
        account = account_of(path)
    except Misuse:
        return  # the verb itself says why, where it cannot be asked either
    money = "PAPER" if account.get("money") == "paper" else "REAL MONEY"
    called = f'"{name}" ' if (name := account.get("portfolio_name")) else ""
    portfolio = called + (account.get("portfolio") or "not told by Coinbase yet")
    typer.echo(escaped(f"{money}, portfolio {portfolio}, {path}"), err=True)


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
            with suppress(BrokenPipeError):  # its last words, why it closed, are there to be read
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
            f"no sidecar listens on {path}; start it, or name another with --config, --control-socket or"
            " --order-socket"
        )
    return f"{path}: {error.strerror or error}; ask as the user that runs the sidecar"
