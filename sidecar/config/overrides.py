"""`--set dotted.key=value`: one line laid over the file. No I/O.

The key is a TOML key, the value a TOML value, or text where it is none, so that
`--set paper.market=replay:day.csv` needs no quotes within quotes.
"""

import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal, DecimalException
from typing import Any, Final

from sidecar.config.faults import Fault, dotted

WRITE: Final = "write --set dotted.key=value"
KEY: Final = re.compile(r"""((?:[^="'\n]|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')*)=(.*)""", re.DOTALL)


class NotToml(ValueError):
    """Text that is not TOML; the message says why, and where if the parser knew."""


def read_toml(text: str) -> dict[str, Any]:
    """Parse TOML with exact decimals. Raises `NotToml` for every other text."""
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except tomllib.TOMLDecodeError as error:
        raise NotToml(str(error)) from None
    except ValueError:  # from Python's own limit on digits, or from _decimal
        raise NotToml("a number has too many digits or too large an exponent") from None
    except RecursionError:
        raise NotToml("nested too deeply") from None


def apply_overrides(tree: dict[str, Any], overrides: Sequence[str]) -> list[Fault]:
    """Lay the overrides over `tree`, later ones over earlier; return the faults of those that could
    not be laid.
    """
    return [fault for text in overrides if (fault := _apply(tree, text)) is not None]


def _apply(tree: dict[str, Any], text: str) -> Fault | None:
    split = KEY.fullmatch(text)
    if split is None:  # the text typed may be a secret, so it is not repeated
        return Fault("--set", "an override without '='", WRITE)
    key, value = split.groups()
    path = _key_path(key)
    if path is None:
        return Fault(f"--set {key.strip()[:60]}", "the key is not a dotted TOML key", WRITE)
    node = tree
    for depth, part in enumerate(path[:-1], start=1):
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            outer = dotted(path[:depth])
            return Fault(dotted(path), f"{outer} is a value, not a table", f"set {outer} itself")
    node[path[-1]] = _value(value)
    return None


def _key_path(key: str) -> list[str] | None:
    try:
        node: object = read_toml(f"{key}=0")
    except NotToml:
        return None
    path: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        ((part, node),) = node.items()
        path.append(part)
    return path


def _value(text: str) -> object:
    try:
        tree = read_toml(f"value={text}")
    except NotToml:
        return text
    return tree["value"] if tree.keys() == {"value"} else text


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except DecimalException:
        raise ValueError(text) from None  # an exponent that no decimal can have
