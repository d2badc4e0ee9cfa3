"""The last good configuration, kept for a start whose own file cannot be used. Blocking.

    a start that opened its sockets      → state/configuration.json: places, hosts and settings
    a start with a file that has faults  ← the same, where the state directory can be known

A sidecar that did not start would watch no loss of what is held, nor finish a flattening. Kept are the terms in force,
but for limits, which the state has; no secret is among them: of `[alerts]` only a command that is made of paths.
"""

import os
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from sidecar.config.loader import read_tree, state_directory_of
from sidecar.config.overrides import apply_overrides
from sidecar.config.tables import SOCKET_PATH_BYTES_MAX, Alerts, Config
from sidecar.core.vocabulary.errors import Misuse
from sidecar.own_places import OTHERS_WRITE, see_own
from sidecar.storage.directory import StateDirectory
from sidecar.storage.files import replace_file

VERSION: Final = 1
SIZE_BYTES_MAX: Final = 1 << 20  # as of the configuration file itself
KEPT: Final = ("coinbase", "server", "state", "positions", "liquidation", "var")
NAME_IT: Final = "if the sidecar keeps its state elsewhere, name the directory with --state-dir"


class KeptConfiguration(Struct, frozen=True, kw_only=True):
    """The content of the file: the configuration file that these tables were read from, and the tables."""

    version: int
    file: str
    tables: dict[str, dict[str, Any]]


class Given(NamedTuple):
    """A start's command line: the configuration file, the overrides that say where things are, and all others."""

    file: Path
    places: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def keep(path: Path, config: Config, file: Path) -> None:
    """Put this configuration at `path`, where another one was. Raises OSError, and the old one stays."""
    kept = KeptConfiguration(version=VERSION, file=str(file.absolute()), tables=_tables_of(config))
    replace_file(path, msgspec.json.format(msgspec.json.encode(kept)) + b"\n")


def last_good(given: Given, fault: Misuse) -> Config:
    """The configuration to go on with where the file has this fault. Raises Misuse: the fault, and the reason why there
    is none.
    """
    directory, is_known = state_directory_of(given.file, (*given.others, *given.places))
    place = StateDirectory(directory)
    if not _is_there(place.configuration):
        reasons = []
        if _is_there(place.state):
            reasons.append(f"{directory} holds no last good configuration yet")
        if not is_known:
            reasons.append(f"its state directory is not known, and {directory} has none; {NAME_IT}")
        raise Misuse("\n".join((str(fault), *reasons)))
    try:
        kept = _read(place.configuration)
        if not is_known:
            _see_it_is_of(kept, given.file, place.configuration)
        return _config_of(kept, place.configuration, given, directory)
    except Misuse as reason:
        raise Misuse(f"{fault}\nnor the last good configuration: {reason}") from None


def _is_there(path: Path) -> bool:
    """What another user may not look for is not there for that user."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _see_it_is_of(kept: KeptConfiguration, file: Path, path: Path) -> None:
    """In the default place another sidecar may have kept its own."""
    if kept.file != str(file.absolute()):
        raise Misuse(f"{path} is of {kept.file}; {NAME_IT}")


# --- Kept -----------------------------------------------------------------------------------------


def _tables_of(config: Config) -> dict[str, Any]:
    """The tables as a file would have them, with places that do not hang on the working directory."""
    tables: dict[str, Any] = {
        name: getattr(config, name).model_dump(mode="json", exclude_defaults=True) for name in KEPT
    }
    tables["state"]["dir"] = str(config.state.dir.absolute())
    for name in ("order_socket", "control_socket"):
        path = str(getattr(config.server, name).absolute())
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            tables["server"][name] = path
    if config.coinbase.key_file is not None:
        tables["coinbase"]["key_file"] = str(config.coinbase.key_file.absolute())
    tables["limits"] = {"custom": list(config.limits.custom)}
    tables["alerts"] = _alerts_of(config.alerts)
    return tables


def _alerts_of(alerts: Alerts) -> dict[str, Any]:
    """An argument that is no path may be a token."""
    if not all(part.startswith("/") for part in alerts.command[1:]):
        return {}
    return alerts.model_dump(mode="json", exclude_defaults=True, exclude={"heartbeat_url"})


# --- Read -----------------------------------------------------------------------------------------


def _read(path: Path) -> KeptConfiguration:
    """Raises Misuse, also where another user may have written it: it names the hosts that the key speaks to."""
    try:
        see_own(path.parent)
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(SIZE_BYTES_MAX + 1)
    except OSError as error:
        raise Misuse(
            f"{path} cannot be read ({error.strerror}); fix the configuration file"
        ) from None
    if found.st_uid != os.geteuid() or found.st_mode & OTHERS_WRITE:
        raise Misuse(f"other users may have written {path}; look at it, then chmod 600 it")
    try:
        kept = msgspec.json.decode(data, type=KeptConfiguration)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Misuse(f"{path} is damaged; fix the configuration file") from None
    if kept.version != VERSION:
        raise Misuse(
            f"{path} has version {kept.version}, this sidecar reads {VERSION}; start the version that wrote it"
        )
    return kept


def _config_of(kept: KeptConfiguration, path: Path, given: Given, directory: Path) -> Config:
    """What this start's command line says of places counts, and the file's own alerts, where they can be read: only
    there the secrets are.
    """
    tree = dict(kept.tables)
    apply_overrides(tree, given.places)
    tree["state"] = {**tree.get("state", {}), "dir": str(directory)}
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        first = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
        raise Misuse(f"{path} has a value that this sidecar does not take: {first}") from None
    own = _own_alerts(given)
    return config if own is None else config.model_copy(update={"alerts": own})


def _own_alerts(given: Given) -> Alerts | None:
    tree = read_tree(given.file, given.others) or {}
    try:
        return Alerts.model_validate(tree["alerts"]) if "alerts" in tree else None
    except ValidationError:
        return None
