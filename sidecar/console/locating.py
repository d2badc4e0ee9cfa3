"""Which sidecar a command means: named by an option, by the environment, by a file in one of the usual places, or
the only one that runs here.

An option names exactly one. Without one, all that could be meant are looked at, and where there are several the
command is not carried out: a halt that reaches the wrong sidecar is worse than none.
"""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sidecar.console.options import configuration
from sidecar.core.vocabulary.errors import Misuse
from sidecar.own_places import see_own_file

if TYPE_CHECKING:
    from sidecar.config.tables import Config

VARIABLE: Final = "RISK_SIDECAR_CONFIG"
PLACES_FILE: Final = "places.json"  # in a demo's own directory: where it is reached
RUN_DIRECTORIES: Final = "risk-sidecar-run-*"
CONNECT_S: Final = 1.0  # on this machine; a socket with a full queue of clients is listened on too
DEMOS_MAX: Final = 100  # killed ones leave their directories behind
MEND: Final = "name one with --config or --control-socket"


class Place(NamedTuple):
    """Where one sidecar is reached and keeps its state. `of`: what named it."""

    control_socket: Path
    order_socket: Path
    state_dir: Path
    of: str


def config_file(given: Path | None) -> Path | None:
    """The configuration file: as given, else by the environment, else the first of the usual places that is there."""
    if given is not None:
        return given
    if named := os.environ.get(VARIABLE):
        return Path(named)
    return next(_usual_files(), None)


def _usual_files() -> Iterator[Path]:
    """Those of the usual places that are there. Raises Misuse for one that another user may have written: it names
    programs and sockets, and nobody has named it.
    """
    for path in usual_places():
        if path.is_file():
            see_own_file(path)
            yield path


def usual_places() -> tuple[Path, ...]:
    """Where a configuration is looked for, in this order."""
    return (
        Path("risk.toml"),
        Path.home() / ".config" / "risk-sidecar" / "config.toml",
        Path("/etc/risk-sidecar/config.toml"),
    )


def needed_file(given: Path | None, verb: str) -> Path:
    """The same, of a command that cannot do without. Raises Misuse."""
    found = config_file(given)
    if found is None:
        looked = ", ".join(map(str, usual_places()))
        raise Misuse(
            f"{verb} needs a configuration: write --config FILE or set {VARIABLE}, or put it into one of {looked};"
            " risk-sidecar init writes a first one"
        )
    return found


def place(config: Path | None) -> Place:
    """The sidecar that is meant: of the configuration, or the only one that can be. Raises Misuse."""
    if config is not None:
        return _of_file(config, "--config")
    if named := os.environ.get(VARIABLE):
        return _of_file(Path(named), VARIABLE)
    files = [_of_file(path, str(path)) for path in _usual_files()]
    own = {one.control_socket for one in files[:1]}
    others = [
        one for one in files[1:] if one.control_socket not in own and _listens(one.control_socket)
    ]
    file, found = files[:1], [*files[:1], *others, *_demos()]
    usual = _of_config(configuration(None, None), "the default places")
    if not file and (not found or _listens(usual.control_socket)):
        found.insert(0, usual)
    if len(found) > 1:
        lines = [f"{one.of}: {one.control_socket}" for one in found]
        raise Misuse("\n".join([f"several sidecars may be meant; {MEND}:", *lines]))
    return found[0]


def register(directory: Path, places: dict[str, str]) -> None:
    """Let the commands find a demo by itself; `directory` is its own, and goes with it."""
    (directory / PLACES_FILE).write_text(json.dumps(places) + "\n", encoding="utf-8")


def _of_file(path: Path, of: str) -> Place:
    """Of a faulty file, the places of the last good one, by which a sidecar may run on. Raises Misuse."""
    try:
        return _of_config(configuration(path, None), of)
    except Misuse as fault:
        from sidecar.daemon.last_good import Given, last_good  # noqa: PLC0415 - seldom needed

        try:
            return _of_config(last_good(Given(path), fault), of)
        except Misuse:
            text = f"{fault}; or name the sidecar's socket with --control-socket or --order-socket"
            raise Misuse(text) from None


def _of_config(config: "Config", of: str) -> Place:
    server = config.server
    return Place(Path(server.control_socket), Path(server.order_socket), Path(config.state.dir), of)


def _demos() -> Iterator[Place]:
    """This user's demos that run: each says in its own directory where it is reached."""
    found = sorted(Path(tempfile.gettempdir()).glob(f"{RUN_DIRECTORIES}/{PLACES_FILE}"))
    for path in found[:DEMOS_MAX]:
        told = _told(path)
        if told is not None and _listens(told.control_socket):
            yield told


def _told(path: Path) -> Place | None:
    """The places that a demo of this user's has written down."""
    try:
        if path.stat().st_uid != os.getuid():
            return None
        row: Any = json.loads(path.read_text(encoding="utf-8"))
        return Place(
            Path(row["control_socket"]), Path(row["order_socket"]), Path(row["state_dir"]), "a demo"
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None  # it ends, or begins


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(CONNECT_S)
        try:
            peer.connect(str(path))
        except OSError as error:
            return isinstance(error, BlockingIOError | TimeoutError)
    return True
