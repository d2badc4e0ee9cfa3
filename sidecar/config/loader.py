"""From a TOML file to a `Config`, or to one `ConfigError` with every fault. Reads one file."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from sidecar.config.faults import ConfigError, Fault, translate
from sidecar.config.overrides import NotToml, apply_overrides, read_toml
from sidecar.config.tables import Config, State

FILE_BYTES_MAX: Final = 1 << 20  # a thousand products' limits are a tenth of this
WHERE: Final = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> Config:
    """Read and parse the file at `path`, with `--set` overrides laid over it.

    Raises:
        ConfigError: the file cannot be read, or holds faults; all of them, the overrides' too.
    """
    content = _read(Path(path))
    if isinstance(content, Fault):
        raise ConfigError([content, *apply_overrides({}, overrides)])
    return parse_config(content, overrides)


def parse_config(text: str, overrides: Sequence[str] = ()) -> Config:
    """Parse the text of a configuration file, with `--set` overrides laid over it. Pure.

    Raises:
        ConfigError: with every fault, those of the overrides first.
    """
    tree: dict[str, Any] = {}
    try:
        tree = read_toml(text)
    except NotToml as error:  # the tables are unknown, so no key can be checked
        raise ConfigError([_syntax(str(error)), *apply_overrides({}, overrides)]) from None
    faults = apply_overrides(tree, overrides)
    config = _validate(tree, faults)
    if config is None or faults:
        raise ConfigError(faults)
    return config


def read_tree(path: Path | str, overrides: Sequence[str] = ()) -> dict[str, Any] | None:
    """The keys of a file, faulty or not, with the overrides that can be laid over them; None where it is no TOML or
    cannot be read.
    """
    content = _read(Path(path))
    if isinstance(content, Fault):
        return None
    try:
        tree = read_toml(content)
    except NotToml:
        return None
    apply_overrides(tree, overrides)
    return tree


def state_directory_of(path: Path | str, overrides: Sequence[str] = ()) -> tuple[Path, bool]:
    """The state directory that a faulty file and its overrides name, else the default place; and whether that is known,
    for a file that cannot be read may name another.
    """
    tree = read_tree(path, overrides)
    is_read = tree is not None
    if tree is None:
        tree = {}
        apply_overrides(tree, overrides)
    table = tree.get("state", {})
    for known in (table, {"dir": table.get("dir")} if isinstance(table, dict) else None):
        try:
            state = State.model_validate(known)
        except ValidationError:
            continue
        return state.dir, is_read or "dir" in state.model_fields_set
    return State().dir, False


def _validate(tree: dict[str, Any], faults: list[Fault]) -> Config | None:
    """Returns rather than raises: an error with pydantic's as its context would hold the values."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        faults.extend(translate(error, tree))
        return None


def _syntax(message: str) -> Fault:
    where = WHERE.search(message)
    return Fault(
        where[1] if where else "the file",
        f"not TOML: {WHERE.sub('', message)}",
        "fix the syntax there",
    )


def _read(path: Path) -> str | Fault:
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        mend = "name an existing file, or start from: risk-sidecar config example"
        return Fault(name, "no such file", mend)
    except IsADirectoryError:
        return Fault(name, "is a directory", "name a file in it")
    except PermissionError:
        return Fault(name, "may not be read by this user", "change its owner or mode")
    except OSError as error:
        return Fault(name, f"cannot be read ({error.strerror})", "name a readable file")
    if len(content) > FILE_BYTES_MAX:
        return Fault(name, "is larger than 1 MiB", "name a configuration file")
    try:
        return content.decode("utf-8-sig")  # some editors on Windows begin a file with a mark
    except UnicodeDecodeError as error:
        return Fault(name, f"is not UTF-8 at byte {error.start}", "save it as UTF-8")
