"""The faults of a configuration, said so that the reader can mend them. No I/O.

A fault is one line: the dotted TOML path, the problem, the mend. Pydantic's errors are translated
by a table, and a value that may be a secret is never repeated.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails  # pydantic's own other half

from sidecar.config.outline import Table, find, homes, outline
from sidecar.core.vocabulary.errors import Misuse
from sidecar.secrecy import struck

VALUE_CHARS_MAX: Final = 60  # of a rejected value that is repeated to the reader
SEE_DOCS: Final = "see docs/configuration.md"
SECRET_KEY: Final = re.compile(
    r"secret|private|passphrase|password|token|api_?key|key_name", re.IGNORECASE
)
HOLD_SECRETS: Final = frozenset({"coinbase", "alerts"})  # tables

# pydantic's error type → the problem, the mend. Filled from the error's context and `value`.
SAYINGS: Final[Mapping[str, tuple[str, str]]] = {
    "bool_parsing": ("{value} is neither true nor false", "write true or false"),
    "bool_type": ("{value} is neither true nor false", "write true or false"),
    "decimal_parsing": ("{value} is not a number", "write a number such as 0.5"),
    "decimal_type": ("{value} is not a number", "write a number such as 0.5"),
    "dict_type": ("{value} is not a table", "write its entries as name = value"),
    "enum": ("{value} is not one of {expected}", "choose one of them"),
    "finite_number": ("{value} is not finite", "write a finite number"),
    "greater_than": ("{value} is not greater than {gt}", "set a number above {gt}"),
    "greater_than_equal": ("{value} is less than {ge}", "set {ge} or more"),
    "int_from_float": ("{value} is not a whole number", "write one without a point"),
    "int_parsing": ("{value} is not a whole number", "write digits only"),
    "int_type": ("{value} is not a whole number", "write digits only, without quotes"),
    "less_than": ("{value} is not less than {lt}", "set a number below {lt}"),
    "less_than_equal": ("{value} is greater than {le}", "set {le} or less"),
    "literal_error": ("{value} is not {expected}", "write {expected}"),
    "missing": ("is missing", "set it"),
    "model_type": ("{value} is not a table", "write its keys under a [table] heading"),
    "path_type": ("{value} is not a path", "write it in quotes"),
    "string_too_short": ("{value} is too short", "write at least {min_length} characters"),
    "string_too_long": ("{value} is too long", "write at most {max_length} characters"),
    "string_type": ("{value} is not text", "put it in quotes"),
    "tuple_type": ("{value} is not a list", "write it in brackets: [ … ]"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its place (a dotted TOML path, a file, an option), the problem, and the mend."""

    path: str
    problem: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"


class ConfigError(Misuse):
    """The configuration cannot be used. Its text has one line for each fault, and all of them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        assert faults, "an error without a fault says nothing"
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def dotted(path: Sequence[str | int]) -> str:
    """A path as the TOML file would write it: `limits.product."BTC-USD".max_position_size`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_]+", part)
            text += ("." if text else "") + (part if bare else _quoted(part))
    return text


def _quoted(text: str) -> str:
    """TOML's basic strings are JSON's, but for one control character that must be escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def translate(error: ValidationError, tree: Mapping[str, object]) -> list[Fault]:
    """Every error of the models as a fault of the file, in the models' order; one for each path."""
    faults: dict[str, Fault] = {}
    root = outline()
    for details in error.errors(include_url=False):
        path = _path(details, tree)
        faults.setdefault(dotted(path), _fault(details, path, root))
    return list(faults.values())


def _path(details: ErrorDetails, tree: object) -> list[str | int]:
    """The error's location without the union tags and key marks that pydantic puts between."""
    path: list[str | int] = []
    node = tree
    for part in details["loc"]:
        if (isinstance(node, Mapping) and part in node) or (
            isinstance(node, list) and isinstance(part, int)
        ):
            path.append(part)
            node = node[part]  # type: ignore[index]  # mypy forgets the first test
    if details["type"] == "missing" and isinstance(node, Mapping):
        path.append(details["loc"][-1])
    return path


def _fault(details: ErrorDetails, path: Sequence[str | int], root: Table) -> Fault:
    if details["type"] == "extra_forbidden":
        return _unknown_key([str(part) for part in path], root)
    context = details.get("ctx", {})
    value = "the value" if path and path[0] in HOLD_SECRETS else show(details["input"])
    if details["type"] == "value_error":
        problem, mend = _own_words(str(context["error"]), value)
    elif (saying := SAYINGS.get(details["type"])) is not None:
        words = {**context, "value": value}
        problem, mend = (text.format(**words) for text in saying)
        mend = "set a positive number" if mend == "set a number above 0" else mend
    else:  # rare, so in pydantic's words, which never hold the value
        problem, mend = details["msg"][:1].lower() + details["msg"][1:], SEE_DOCS
    return Fault(dotted(path) or "the file", problem, mend)


def _own_words(message: str, value: str) -> tuple[str, str]:
    """A validator's `what is wrong; the mend`, with the value put in where no subject is."""
    problem, _, mend = message.partition("; ")
    if problem.startswith(("is ", "has ", "holds ", "begins ", "would ")):
        problem = f"{value} {problem}"
    return problem, mend or SEE_DOCS


def _unknown_key(path: list[str], root: Table) -> Fault:
    *parents, key = path
    table = find(root, parents)
    known = table.names() if table else []
    if parents == ["coinbase"] and SECRET_KEY.search(key) and key not in known:
        mend = "secrets never go into this file: name the CDP key file with coinbase.key_file"
    else:
        mend = next(_mends(key, known, homes(root, key)), "remove it")
    return Fault(dotted(path), "unknown key" if parents else "unknown table", mend)


def _mends(key: str, known: Sequence[str], elsewhere: Iterator[str]) -> Iterator[str]:
    for home in elsewhere:  # spelt right in the wrong table is likelier than misspelt
        yield f"did you mean {home}.{key}?"
    if close := get_close_matches(key.lower(), known, n=1):
        yield f"did you mean {close[0]}?"
    if known:
        yield f"remove it, or use one of {', '.join(known)}"


def _is_short(value: Decimal) -> bool:
    """Whether it can be shown without an exponent; a value that is not finite cannot be compared."""
    return value.is_finite() and abs(value) < 10**15


def show(value: object) -> str:
    """A rejected value as it stood in the file, on one line and not for ever."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str | bool):
        text = _quoted(value) if isinstance(value, str) else str(value).lower()
    else:
        text = f"{value:f}" if isinstance(value, Decimal) and _is_short(value) else str(value)
    text = struck(text)  # before it is cut: half a key does not look like one
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"
